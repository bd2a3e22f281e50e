//! What can be learnt about an account, against one that answers from a script.
#![cfg(test)]

use std::time::Duration;

use retry::Disposition;
use serde_json::{Value, json};
use vendor_http::test_support::{Received, Server, Step};
use zendesk::{Auth, BaseUrl, Check, Client, ErrorKind, Existence, FieldOption, Verified, exists};

const TOKEN: &str = "secret authenticity";

fn base(server: &Server) -> BaseUrl {
    let template = format!("{}/zendesk/{{subdomain}}", server.url());
    BaseUrl::parse(&template, "subdomain", "acme").unwrap()
}

fn http() -> vendor_http::Client {
    vendor_http::Client::new()
        .unwrap()
        .with_timeout(Duration::from_secs(1))
}

async fn scripted(auth: Auth, steps: impl IntoIterator<Item = Step>) -> (Client, Server) {
    let server = Server::start(steps).await.unwrap();
    let client = Client::new(http(), base(&server), auth);
    (client, server)
}

fn token() -> Auth {
    Auth::ApiToken {
        email: "a@example.com".to_owned(),
        token: "t0ken".into(),
    }
}

fn user(id: Value, role: &str) -> Step {
    let user = json!({"id": id, "name": "Ann", "email": "a@example.com", "role": role, "authenticity_token": TOKEN});
    Step::json(200, json!({ "user": user }))
}

fn no_account() -> Step {
    let message = "There is no help desk configured at this address.";
    let error = json!({"title": "No help desk at acme.zendesk.com", "message": message});
    Step::json(404, json!({ "error": error }))
}

fn no_endpoint() -> Step {
    Step::json(
        404,
        json!({"error": "InvalidEndpoint", "description": "Not found"}),
    )
}

fn forbidden() -> Step {
    let error = json!({"title": "Forbidden", "message": "You do not have access to this page."});
    Step::json(403, json!({ "error": error }))
}

fn paths(received: &[Received]) -> Vec<&str> {
    received
        .iter()
        .map(|request| request.target.trim_start_matches("/zendesk/acme/api/v2/"))
        .collect()
}

fn allowed(verified: &Verified) -> Vec<Option<bool>> {
    verified.checks.iter().map(|check| check.allowed).collect()
}

#[tokio::test]
async fn verified_account_tells_its_user_and_what_is_allowed() {
    let absent = Step::json(
        404,
        json!({"errors": [{"code": "x", "title": "Not found"}]}),
    );
    let script = [
        user(json!(7), "admin"),
        Step::json(200, json!({"count": {"value": 3}})),
        Step::json(200, json!({"ticket_fields": []})),
        Step::json(200, json!({"custom_objects": []})),
        absent,
    ];
    let (client, server) = scripted(token(), script).await;
    let verified = client.verify().await.unwrap();
    assert_eq!(verified.user.as_deref(), Some("Ann"));
    assert_eq!(verified.role, "admin");
    assert_eq!(allowed(&verified), [Some(true); 4]);
    let text = format!("{verified:?}");
    assert!(
        !text.contains("example.com") && !text.contains(TOKEN),
        "{text}"
    );
    let received = server.received();
    assert!(received.iter().all(|request| request.method == "GET"));
    assert_eq!(
        paths(&received),
        [
            "users/me.json",
            "tickets/count",
            "ticket_fields",
            "custom_objects",
            "user_profiles?identifier=closedloop%3Averification%3Aemail%3Anobody%40invalid.invalid",
        ]
    );
}

#[tokio::test]
async fn what_is_not_allowed_is_a_check_that_failed() {
    let script = [
        user(json!(7), "agent"),
        forbidden(),
        no_endpoint(),
        Step::json(503, "{}"),
        no_endpoint(),
    ];
    let (client, _server) = scripted(token(), script).await;
    let verified = client.verify().await.unwrap();
    assert_eq!(
        allowed(&verified),
        [Some(false), Some(false), None, Some(false)]
    );
    assert!(verified.checks[0].answer.contains("do not have access"));
    assert!(verified.checks[2].answer.contains("HTTP 503"));
}

#[tokio::test]
async fn token_without_write_is_told() {
    let scopes = |scopes: &[&str]| {
        Step::json(
            200,
            json!({"token": {"id": 1, "scopes": scopes, "expires_at": null}}),
        )
    };
    for (step, expected, answer) in [
        (scopes(&["read", "write"]), Some(true), "`read write`"),
        (scopes(&["read"]), Some(false), "`read`; "),
        (
            scopes(&["read", "tickets:write"]),
            Some(false),
            "`read tickets:write`; ",
        ),
        (Step::json(200, json!({"token": {}})), None, "does not name"),
        (forbidden(), None, "HTTP 403"),
    ] {
        let fine = || Step::json(200, "{}");
        let script = [
            user(json!(7), "agent"),
            fine(),
            fine(),
            fine(),
            fine(),
            step,
        ];
        let (client, server) = scripted(Auth::Bearer("t0ken".into()), script).await;
        let verified = client.verify().await.unwrap();
        let last: &Check = verified.checks.last().unwrap();
        assert_eq!(last.allowed, expected, "{}", last.answer);
        assert!(last.answer.contains(answer), "{}", last.answer);
        assert_eq!(paths(&server.received())[5], "oauth/tokens/current.json");
    }
}

#[tokio::test]
async fn refused_credentials_are_not_asked_about_any_further() {
    for (step, unauthorized) in [
        (user(json!(null), "end-user"), true),
        (
            Step::json(401, json!({"error": "Couldn't authenticate you"})),
            true,
        ),
        (user(json!(7), "end-user"), false),
        (no_account(), false),
        (Step::json(302, "").with("location", "/login"), false),
        (
            Step::answer(200, "text/html", "<title>Sign in</title>"),
            false,
        ),
    ] {
        let (client, server) = scripted(token(), [step]).await;
        let error = client.verify().await.unwrap_err();
        assert_eq!(error.is_unauthorized(), unauthorized, "{error}");
        assert_eq!(error.disposition(), Disposition::GiveUp, "{error}");
        assert!(!format!("{error} {error:?}").contains(TOKEN));
        assert_eq!(server.received().len(), 1);
    }
}

#[tokio::test]
async fn existence_is_asked_for_without_credentials() {
    let unclear = |answer: &str| Existence::Unclear {
        answer: answer.to_owned(),
    };
    for (step, expected) in [
        (user(json!(null), "end-user"), Existence::Found),
        (no_account(), Existence::NotFound),
        (
            no_endpoint(),
            unclear("HTTP 404: InvalidEndpoint: Not found"),
        ),
        (
            Step::json(401, json!({"error": "Couldn't authenticate you"})),
            unclear(
                "HTTP 401, the account's credentials were not accepted: Couldn't authenticate you",
            ),
        ),
        (
            Step::json(301, "").with("location", "https://other.zendesk.com"),
            unclear("HTTP 301, redirected; is the subdomain right?"),
        ),
        (
            Step::answer(200, "text/html", "<title>Suspended</title>"),
            unclear("the answer is no JSON object: Suspended"),
        ),
        (Step::json(200, json!({"x": 1})), unclear("HTTP 200")),
    ] {
        let server = Server::start([step]).await.unwrap();
        let found = exists(&http(), &base(&server)).await.unwrap();
        assert_eq!(found.value, expected);
        let received = server.received();
        assert_eq!(received[0].header("authorization"), "");
        assert_eq!(paths(&received), ["users/me.json"]);
    }
    let server = Server::start([Step::Lose]).await.unwrap();
    let error = exists(&http(), &base(&server)).await.unwrap_err();
    assert_eq!(error.disposition(), Disposition::RETRY);
}

fn field(id: u64, kind: &str) -> Value {
    json!({"id": id, "type": kind, "title": format!("Field {id}"), "active": true, "required": false, "removable": true})
}

#[tokio::test]
async fn ticket_fields_are_listed_with_their_options() {
    let mut plan = field(6_164_040_575_258, "tagger");
    plan["required"] = json!(true);
    plan["custom_field_options"] = json!([
        {"id": 1, "name": "Gold plan", "value": "plan_gold", "default": false},
        {"id": 2, "name": "Silver", "value": "plan_silver"},
    ]);
    let mut status = field(2, "status");
    status["removable"] = json!(false);
    status["system_field_options"] = json!([{"name": "Open", "value": "open"}]);
    // Zendesk's own, although it can be removed.
    let list = json!({"ticket_fields": [status, field(3, "priority"), plan], "next_page": null, "count": 3});
    let (client, server) = scripted(token(), [Step::json(200, list)]).await;
    let fields = client.ticket_fields().await.unwrap().value;
    assert_eq!(paths(&server.received()), ["ticket_fields"]);
    let custom: Vec<bool> = fields.iter().map(zendesk::TicketField::is_custom).collect();
    assert_eq!(custom, [false, false, true]);
    assert_eq!(
        (fields[2].id, fields[2].required, fields[2].title.as_str()),
        (6_164_040_575_258, true, "Field 6164040575258")
    );
    assert_eq!(
        fields[2].options[0],
        FieldOption {
            name: "Gold plan".to_owned(),
            value: "plan_gold".to_owned(),
        }
    );
    assert_eq!(fields[0].options[0].value, "open");
}

#[tokio::test]
async fn pages_of_ticket_fields_are_turned_until_the_account_says_enough() {
    let cursor = |id: u64, more: bool| {
        let links = json!({"next": "https://evil.example.com/x"});
        let meta = json!({"has_more": more, "after_cursor": format!("c{id}")});
        Step::json(
            200,
            json!({"ticket_fields": [field(id, "text")], "meta": meta, "links": links}),
        )
    };
    let page = |id: u64, next: Option<&str>| {
        Step::json(
            200,
            json!({"ticket_fields": [field(id, "text")], "next_page": next}),
        )
    };
    let next = Some("https://evil.example.com/x?page=9");
    for (script, ids, targets) in [
        (
            vec![cursor(1, true), cursor(2, false)],
            vec![1, 2],
            vec![
                "ticket_fields",
                "ticket_fields?page%5Bsize%5D=100&page%5Bafter%5D=c1",
            ],
        ),
        (
            vec![page(1, next), page(2, next), page(2, None)],
            vec![1, 2],
            vec![
                "ticket_fields",
                "ticket_fields?page=2",
                "ticket_fields?page=3",
            ],
        ),
    ] {
        let (client, server) = scripted(token(), script).await;
        let fields = client.ticket_fields().await.unwrap().value;
        let found: Vec<u64> = fields.iter().map(|field| field.id).collect();
        assert_eq!((found, paths(&server.received())), (ids, targets));
    }
    let endless = (0..30).map(|id| cursor(id, true));
    let (client, server) = scripted(token(), endless).await;
    let error = client.ticket_fields().await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::TooManyPages));
    assert_eq!(error.disposition(), Disposition::GiveUp);
    assert_eq!(server.received().len(), 20);
    let (client, _server) = scripted(token(), [Step::json(200, "{}")]).await;
    let error = client.ticket_fields().await.unwrap_err();
    assert!(
        error.to_string().contains("list the ticket fields"),
        "{error}"
    );
}
