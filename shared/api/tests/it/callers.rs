//! Who may do what.

use std::collections::BTreeSet;

use access::Role;
use api::route::{Description, Route, Rule};
use api::routes;
use http::Method;
use serde_json::json;

use crate::scene::{Ask, Scene, ask, now};

/// Who may take each operation, written down a second time: a route that is not here fails the test.
fn allowed(operation: &str) -> Option<&'static [Role]> {
    const ALL: &[Role] = &Role::ALL;
    const ADMIN: &[Role] = &[Role::Admin];
    const OPERATOR: &[Role] = &[Role::Admin, Role::Operator];
    const ITIL: &[Role] = &[Role::Admin, Role::Itil];
    const HISTORY: &[Role] = &[Role::Admin, Role::SessionHistoryUser];
    const TASK_HISTORY: &[Role] = &[Role::Admin, Role::Itil, Role::SessionHistoryUser];
    const HISTORY_STATE: &[Role] = &[Role::Admin, Role::Operator, Role::SessionHistoryUser];
    match operation {
        "getMe" | "getOpenApi" => Some(ALL),
        "listEndpoints"
        | "getEndpoint"
        | "listAccounts"
        | "getAccount"
        | "verifyAccount"
        | "listTicketFields"
        | "listWorkflows"
        | "getWorkflow"
        | "listWorkflowRevisions"
        | "diffWorkflowRevisions"
        | "validateWorkflow"
        | "dryRun"
        | "switchWorkflow"
        | "listRuns"
        | "retryFailedRuns"
        | "listEvents"
        | "replayEvent"
        | "replayEvents"
        | "fetchAnswers"
        | "getRun"
        | "retryRun"
        | "getEvent"
        | "getTeamViewerSettings"
        | "listTokens" => Some(OPERATOR),
        "putEndpoint"
        | "deleteEndpoint"
        | "changeEndpointSecret"
        | "putAccount"
        | "deleteAccount"
        | "connectAccount"
        | "renameAccount"
        | "putWorkflow"
        | "rollBackWorkflow"
        | "deleteWorkflow"
        | "createToken"
        | "revokeToken"
        | "putTeamViewerSettings"
        | "putMailTemplate"
        | "deleteMailTemplate" => Some(ADMIN),
        "listConnections" | "countConnections" | "refreshConnections" => Some(HISTORY),
        "listTaskConnections" => Some(TASK_HISTORY),
        "getConnectionHistory" => Some(HISTORY_STATE),
        // Its answer names session codes.
        "refreshTaskConnections"
        | "listCases"
        | "createCase"
        | "getCase"
        | "closeCase"
        | "assignCase"
        | "shareCase"
        | "previewShare"
        | "getSupporterLink"
        | "listTaskCases"
        | "listMailTemplates"
        | "getMailTemplate"
        | "getTeamViewerSignIn"
        | "signInAtTeamViewer"
        | "signOutAtTeamViewer" => Some(ITIL),
        _ => None,
    }
}

fn request(route: &Route<Description>) -> Ask {
    let method = match route.method {
        Method::GET => "GET",
        Method::PUT => "PUT",
        Method::POST => "POST",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        _ => panic!("{route:?}"),
    };
    let path = ["{name}", "{id}", "{key}", "{task}", "{code}"]
        .iter()
        .fold(route.path.to_owned(), |path, part| {
            path.replace(part, route.side.at.unwrap_or_default())
        })
        .replace("{from}", "1");
    let request = ask(method, &path);
    match &route.side.example {
        Some(example) => request.json(example),
        None => request,
    }
}

#[tokio::test]
async fn every_route_is_open_to_its_roles_and_to_no_others() {
    for role in Role::ALL {
        let scene = Scene::new().await;
        let token = scene.token(role).await;
        for route in routes::described() {
            let allowed =
                allowed(route.operation).unwrap_or_else(|| panic!("{route:?} is not in the table"));
            let answer = scene.ask(request(&route).token(&token)).await;
            if allowed.contains(&role) {
                assert!(
                    ![401, 403].contains(&answer.status),
                    "{role} {route:?} {answer:?}"
                );
            } else {
                assert_eq!(answer.status, 403, "{role} {route:?}");
                let detail = answer.body["detail"].as_str().unwrap();
                for role in allowed {
                    assert!(detail.contains(&format!("`{role}`")), "{detail}");
                }
            }
        }
    }
}

#[tokio::test]
async fn every_route_but_the_open_ones_needs_a_token() {
    let scene = Scene::new().await;
    let mut open = BTreeSet::new();
    for route in routes::described() {
        let answer = scene.ask(request(&route)).await;
        if route.rule == Rule::Everybody {
            open.insert(route.operation);
            assert_eq!(answer.status, 200, "{route:?}");
        } else {
            assert_eq!(answer.status, 401, "{route:?}");
            assert_eq!(answer.headers["www-authenticate"], "Bearer");
        }
    }
    assert_eq!(open, BTreeSet::from(["getOpenApi"]));
}

#[tokio::test]
async fn every_token_that_is_not_taken_gets_the_same_answer() {
    let mut scene = Scene::new().await;
    let admin = scene.token(Role::Admin).await;
    let revoked = scene.token(Role::Itil).await;
    let id = &revoked[4..20];
    let answer = scene
        .ask(ask("DELETE", &format!("/v1/tokens/{id}")).token(&admin))
        .await;
    assert_eq!(
        (answer.status, &answer.body["revoked_at"]),
        (200, &json!(now()))
    );

    let mut wrong = admin.clone();
    wrong.replace_range(84.., if wrong.ends_with('0') { "1" } else { "0" });
    let unknown = format!("clt_{}_{}", "0".repeat(16), "0".repeat(64));
    let mut bodies = BTreeSet::new();
    for token in [
        revoked.as_str(),
        &wrong,
        &unknown,
        "clt_x",
        "",
        "eyJhbGciOiJub25lIn0.e30.",
    ] {
        let answer = scene.ask(ask("GET", "/v1/me").token(token)).await;
        assert_eq!(answer.status, 401, "{token}");
        let header = &answer.headers["www-authenticate"];
        assert_eq!(header, "Bearer error=\"invalid_token\"");
        bodies.insert(answer.body.to_string());
    }
    scene.now = now() + jiff::SignedDuration::from_hours(1);
    let expired = scene.ask(ask("GET", "/v1/me").token(&admin)).await;
    bodies.insert(expired.body.to_string());
    assert_eq!(bodies.len(), 1, "{bodies:?}");

    let other = ask("GET", "/v1/me").header("authorization", "Basic YTpi");
    let answer = scene.ask(other).await;
    assert_eq!(answer.status, 401);
    assert_eq!(answer.headers["www-authenticate"], "Bearer");
}

#[tokio::test]
async fn tokens_that_cannot_be_read_are_no_refusal() {
    let scene = Scene::new().await;
    let admin = scene.token(Role::Admin).await;
    scene.aws().down.push("GetItem");
    let answer = scene.ask(ask("GET", "/v1/me").token(&admin)).await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.headers["retry-after"], "5");
}

#[tokio::test]
async fn issuer_that_does_not_answer_is_no_refusal() {
    let scene = Scene::with(&[
        ("OIDC_ISSUER", "http://127.0.0.1:9"),
        ("OIDC_AUDIENCE", "api"),
    ])
    .await;
    let part = |value: serde_json::Value| {
        use base64::Engine as _;
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(value.to_string())
    };
    let claims =
        json!({"iss": "http://127.0.0.1:9", "aud": "api", "sub": "1", "exp": 9_999_999_999_u64});
    let token = format!("{}.{}.AAAA", part(json!({"alg": "ES256"})), part(claims));
    let answer = scene.ask(ask("GET", "/v1/me").token(&token)).await;
    assert_eq!(answer.status, 503);
    // A token of our own needs no issuer.
    let own = scene.token(Role::Itil).await;
    let answer = scene.ask(ask("GET", "/v1/me").token(&own)).await;
    assert_eq!(answer.status, 200);
}
