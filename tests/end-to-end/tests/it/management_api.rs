//! The management API, as programs and the command line use it.

use std::collections::BTreeSet;
use std::process::Stdio;

use access::{NewToken, Role, Tokens};
use domain::Vendor;
use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::command_line::write;
use crate::scene::{Scene, Stack, variable};
use crate::teamviewer::TURN;

fn tokens(stack: &Stack) -> Tokens {
    Tokens::new(store::Tokens::new(
        stack.dynamodb(),
        stack.output("TokensTable"),
    ))
}

/// A token with these roles: its id and itself.
pub(crate) async fn token(stack: &Stack, roles: &[Role]) -> (access::TokenId, String) {
    let now = Timestamp::now();
    let new = NewToken {
        name: "end to end".to_owned(),
        roles: roles.iter().copied().collect::<BTreeSet<_>>(),
        expires_at: now + SignedDuration::from_hours(1),
    };
    let random = startup::random::<{ access::RANDOM_BYTES }>().unwrap();
    let created = tokens(stack)
        .create(new, "end to end", &random, now)
        .await
        .unwrap();
    let secret = created.secret.expose_secret().to_owned();
    (created.token.id, secret)
}

/// What the API answers: status, media type, body.
pub(crate) async fn ask(
    scene: &Scene,
    token: Option<&str>,
    method: reqwest::Method,
    path: &str,
    body: Option<Value>,
) -> (u16, String, Value) {
    let mut request = reqwest::Client::new().request(method, format!("{}{path}", scene.stack.api));
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    if let Some(body) = body {
        request = request
            .header("content-type", "application/json")
            .body(body.to_string());
    }
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let media_type = response.headers().get("content-type");
    let media_type = media_type.map(|value| value.to_str().unwrap().to_owned());
    let text = response.text().await.unwrap();
    (
        status,
        media_type.unwrap_or_default(),
        serde_json::from_str(&text).unwrap_or(Value::String(text)),
    )
}

/// The command line without any AWS credentials.
async fn closedloop(scene: &Scene, token: &str, arguments: &[&str]) -> (bool, String) {
    let mut command = tokio::process::Command::new(variable("CLOSEDLOOP_BIN"));
    for name in [
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_ENDPOINT_URL",
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
    ] {
        command.env_remove(name);
    }
    let output = command
        .args(["--api", &scene.stack.api])
        .args(arguments)
        .env("CLOSEDLOOP_TOKEN", token)
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    let text = [output.stdout, output.stderr]
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .concat();
    (output.status.success(), text)
}

#[tokio::test]
async fn command_line_needs_a_token_and_no_aws_credentials() {
    let scene = Scene::new("api-cli").await;
    let (_, admin) = token(&scene.stack, &[Role::Admin]).await;
    let account = scene.account(Vendor::Zendesk);
    let id = format!("{}-api", scene.id);
    let definition = json!({
        "id": id, "name": "Over the API", "trigger": {"event": {"type": format!("{}.happened", scene.id)}},
        "tasks": [{"id": "ticket", "kind": "zendesk.create_ticket", "account": account,
            "input": {"comment": "{{ event.data.text }}"}}]
    });
    let file = write(&scene, "workflow.json", &definition.to_string());
    let run = async |arguments: &[&str]| {
        let (good, output) = closedloop(&scene, &admin, arguments).await;
        assert!(good, "{arguments:?}: {output}");
        output
    };
    assert!(
        run(&["workflows", "apply", &file])
            .await
            .contains("created")
    );
    assert!(
        run(&["workflows", "apply", &file])
            .await
            .contains("unchanged")
    );
    assert!(run(&["workflows", "list"]).await.contains(&id));
    let workflow = domain::WorkflowId::parse(&id).unwrap();
    let (finished, _) = scene
        .send_and_end(&json!({"id": "1", "text": "x"}), &workflow)
        .await;
    assert!(
        run(&["runs", "list", "--workflow", &id])
            .await
            .contains(finished.id.as_str())
    );
    let shown = run(&["runs", "show", finished.id.as_str()]).await;
    assert!(shown.contains("/agent/tickets/"), "{shown}");
    assert!(
        run(&["accounts", "verify", account.as_str()])
            .await
            .contains("read tickets")
    );
    assert!(run(&["accounts", "list"]).await.contains(account.as_str()));
    let changed = definition.to_string().replace("Over the API", "Changed");
    let changed = write(&scene, "changed.json", &changed);
    run(&["workflows", "apply", &changed]).await;
    let diff = run(&["workflows", "diff", &id]).await;
    assert!(
        diff.contains("-name: Over the API") && diff.contains("+name: Changed"),
        "{diff}"
    );
    let back = run(&["workflows", "rollback", &id, "--to", "1"]).await;
    assert!(back.contains("revision 3"), "{back}");
    let exported = run(&["workflows", "export", &id]).await;
    let exported = write(&scene, "exported.yaml", &exported);
    assert!(
        run(&["workflows", "apply", &exported])
            .await
            .contains("unchanged")
    );
    assert!(
        run(&["workflows", "disable", &id])
            .await
            .contains("revision 4, off")
    );
    // Nobody deletes what is in use by accident.
    let (good, output) =
        closedloop(&scene, &admin, &["accounts", "delete", account.as_str()]).await;
    assert!(!good && output.contains(&id), "{output}");
    run(&["workflows", "delete", &id]).await;
    run(&["accounts", "delete", account.as_str()]).await;
    let (good, output) = closedloop(&scene, &admin, &["accounts", "show", account.as_str()]).await;
    assert!(!good && output.contains(account.as_str()), "{output}");
}

#[tokio::test]
async fn callers_are_told_apart_and_shut_out() {
    use reqwest::Method;
    let scene = Scene::new("api-roles").await;
    let (_, itil) = token(&scene.stack, &[Role::Itil]).await;
    let (_, operator) = token(&scene.stack, &[Role::Operator]).await;
    let (id, admin) = token(&scene.stack, &[Role::Admin]).await;
    let account = format!("/v1/accounts/{}", scene.account(Vendor::Zendesk));
    for (caller, method, path, status) in [
        (None, Method::GET, "/v1/runs", 401),
        (
            Some("clt_0123456789abcdef_made-up"),
            Method::GET,
            "/v1/runs",
            401,
        ),
        (Some(itil.as_str()), Method::GET, "/v1/runs", 403),
        (Some(&itil), Method::GET, "/v1/me", 200),
        (Some(&operator), Method::GET, "/v1/runs", 200),
        (Some(&operator), Method::DELETE, &account, 403),
        (Some(&operator), Method::GET, "/v1/tokens", 200),
        (Some(&operator), Method::POST, "/v1/tokens", 403),
        (Some(&admin), Method::GET, "/v1/tokens", 200),
        (Some(&admin), Method::GET, "/v1/nothing", 404),
        (Some(&admin), Method::PATCH, "/v1/runs", 405),
    ] {
        let (found, media_type, body) = ask(&scene, caller, method.clone(), path, None).await;
        assert_eq!(found, status, "{method} {path}: {body}");
        if status >= 400 {
            assert_eq!(media_type, "application/problem+json", "{method} {path}");
            assert_eq!(body["status"], status);
            assert!(body["detail"].is_string(), "{body}");
        }
    }
    let (_, _, listed) = ask(&scene, Some(&admin), Method::GET, "/v1/tokens", None).await;
    let secret = admin.rsplit('_').next().unwrap();
    assert!(!listed.to_string().contains(secret));
    // Unknown fields are named.
    let body = json!({"vendor": "zendesk", "instance": "acme", "credentials": {}});
    let (status, _, problem) = ask(&scene, Some(&admin), Method::PUT, &account, Some(body)).await;
    assert_eq!(status, 422, "{problem}");
    assert!(problem.to_string().contains("credentials"), "{problem}");
    let revoked = tokens(&scene.stack)
        .revoke(&id, Timestamp::now())
        .await
        .unwrap();
    assert!(revoked.is_some());
    let (status, ..) = ask(&scene, Some(&admin), Method::GET, "/v1/me", None).await;
    assert_eq!(status, 401);
}

/// The document is true: whatever is sent, the answer is one that it names, and never a 5xx.
#[tokio::test]
async fn api_answers_as_its_document_says() {
    let _turn = TURN.lock().await;
    // It would revoke its own token, and try what other tests have let fail again.
    let (revoke, retry) = ("revokeToken", "retryFailedRuns");
    // Schemathesis makes no workflows by itself: the schema of conditions is more than it takes.
    let (put, validate, dry) = ("putWorkflow", "validateWorkflow", "dryRun");
    let all = format!("{CHECKS},content_type_conformance");
    schemathesis("examples", "all", &all, &[revoke]).await;
    schemathesis(
        "fuzzing",
        "positive",
        &all,
        &[revoke, retry, put, validate, dry],
    )
    .await;
    // A path with a line break is nobody's: the gateway itself answers then, in its own words.
    schemathesis(
        "fuzzing",
        "negative",
        CHECKS,
        &[revoke, retry, put, validate, dry],
    )
    .await;
}

const CHECKS: &str = "not_a_server_error,status_code_conformance,response_schema_conformance,\
                      response_headers_conformance,unsupported_method";

const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/schemathesis.toml");

async fn schemathesis(phase: &str, mode: &str, checks: &str, left_out: &[&str]) {
    let stack = Stack::find().await;
    let (_, admin) = token(&stack, &[Role::Admin]).await;
    let mut command = tokio::process::Command::new(variable("SCHEMATHESIS_BIN"));
    command
        .args(["--config-file", CONFIG, "run"])
        .arg(format!("{}/v1/openapi.json", stack.api))
        .args(["--header", &format!("Authorization: Bearer {admin}")])
        .args(["--phases", phase, "--mode", mode, "--checks", checks])
        .args(["--max-examples", "10", "--workers", "2"])
        .args(["--generation-deterministic", "--no-color"])
        .args(["--request-timeout", "30"]);
    for operation in left_out {
        command.args(["--exclude-operation-id", operation]);
    }
    let output = command
        .current_dir(env!("CARGO_TARGET_TMPDIR"))
        .output()
        .await
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}{errors}");
}
