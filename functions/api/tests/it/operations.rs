//! What is answered when all goes well, and what the log keeps of it.

use std::io;
use std::sync::{Arc, Mutex};

use access::Role;
use serde_json::{Value, json};

use crate::scene::{Scene, ask, workflow};

#[tokio::test]
async fn caller_is_told_who_they_are() {
    let scene = Scene::new().await;
    let token = scene.token(Role::Itil).await;
    let answer = scene.ask(ask("GET", "/v1/me").token(&token)).await;
    assert_eq!(
        answer.body,
        json!({"name": "itil-token", "roles": ["itil"], "via": {"kind": "token", "id": &token[4..20]}})
    );
}

#[tokio::test]
async fn token_is_shown_once_works_and_can_be_revoked() {
    let scene = Scene::new().await;
    let admin = scene.token(Role::Admin).await;
    let body = json!({"name": "ci", "roles": ["operator"], "expires_at": "2026-12-01T00:00:00Z"});
    let create = ask("POST", "/v1/tokens").json(&body).token(&admin);
    let created = scene.ask(create).await;
    assert_eq!(created.status, 201, "{created:?}");
    assert_eq!(created.body["token"]["created_by"], "admin-token");
    let token = created.body["secret"].as_str().unwrap();
    assert_eq!(
        scene.ask(ask("GET", "/v1/runs").token(token)).await.status,
        200
    );

    let listed = scene.ask(ask("GET", "/v1/tokens").token(token)).await;
    assert_eq!(listed.body["items"].as_array().unwrap().len(), 2);
    assert!(!listed.body.to_string().contains(&token[21..]));

    let id = created.body["token"]["id"].as_str().unwrap();
    let revoke = ask("DELETE", &format!("/v1/tokens/{id}")).token(&admin);
    assert_eq!(scene.ask(revoke).await.status, 200);
    assert_eq!(
        scene.ask(ask("GET", "/v1/runs").token(token)).await.status,
        401
    );
}

#[tokio::test]
async fn workflow_is_put_read_switched_and_deleted() {
    let scene = Scene::new().await;
    let admin = scene.token(Role::Admin).await;
    let operator = scene.token(Role::Operator).await;
    scene.furnish(&admin).await;
    let again = ask("PUT", "/v1/workflows/w")
        .json(&workflow())
        .token(&admin);
    let answer = scene.ask(again).await;
    assert_eq!(
        (answer.status, &answer.body["done"]),
        (200, &json!("unchanged"))
    );

    let switch = ask("PATCH", "/v1/workflows/w").json(&json!({"enabled": false}));
    let answer = scene
        .ask(switch.header("if-match", "\"1\"").token(&operator))
        .await;
    assert_eq!(
        (answer.status, answer.headers["etag"].as_str()),
        (200, "\"2\"")
    );
    let answer = scene
        .ask(ask("GET", "/v1/workflows/w").token(&operator))
        .await;
    assert_eq!(answer.headers["etag"], "\"2\"");
    assert_eq!(answer.body["workflow"]["enabled"], false);

    let validate = ask("POST", "/v1/workflows/w/validate").json(&workflow());
    let answer = scene.ask(validate.token(&operator)).await;
    assert_eq!(answer.body, json!({"problems": []}));
    let delete = ask("DELETE", "/v1/workflows/w").token(&admin);
    assert_eq!(scene.ask(delete.clone()).await.status, 204);
    assert_eq!(scene.ask(delete).await.status, 404);
}

#[tokio::test]
async fn endpoint_is_put_gets_a_secret_and_is_deleted() {
    let scene = Scene::new().await;
    let admin = scene.token(Role::Admin).await;
    let body = json!({
        "name": "reviews", "kind": "json", "verification": {"scheme": "standard_webhooks"},
        "mapping": {"id": "/review/id", "type": "/event"}
    });
    let put = ask("PUT", "/v1/endpoints/reviews")
        .json(&body)
        .token(&admin);
    let answer = scene.ask(put).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(answer.body["secret"]["state"], "missing");
    let generate = ask("POST", "/v1/endpoints/reviews/secret").json(&json!({"action": "generate"}));
    let answer = scene.ask(generate.token(&admin)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let secret = answer.body["generated"].as_str().unwrap().to_owned();
    let answer = scene
        .ask(ask("GET", "/v1/endpoints/reviews").token(&admin))
        .await;
    assert_eq!(answer.body["secret"]["state"], "stored");
    assert!(!answer.body.to_string().contains(&secret));
    let answer = scene
        .ask(ask("DELETE", "/v1/endpoints/reviews").token(&admin))
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn log_has_a_line_for_each_request_with_nothing_private_in_it() {
    let mut scene = Scene::new().await;
    scene.request_id = "request-log";
    let admin = scene.token(Role::Admin).await;
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_writer(move || writer.clone())
        .finish();
    // All tests write to it: a subscriber of one thread misses what another thread has seen first.
    tracing::subscriber::set_global_default(subscriber).unwrap();
    scene.furnish(&admin).await;
    scene
        .ask(ask("GET", "/v1/runs?workflow=private").token(&admin))
        .await;
    scene
        .ask(ask("GET", "/v1/me?x=private").token("private"))
        .await;
    scene.ask(ask("GET", "/private")).await;

    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let own: Vec<&str> = text
        .lines()
        .filter(|line| line.contains("request-log"))
        .collect();
    for private in [
        "private",
        "hunter2",
        "a@example.com",
        "admin-token",
        &admin[21..],
    ] {
        assert!(!own.join("").contains(private), "{private}: {own:?}");
    }
    let lines: Vec<Value> = own
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|line: &Value| line["message"] == "request answered")
        .collect();
    let found: Vec<Value> = lines
        .iter()
        .map(|line| {
            json!([
                line["method"],
                line["route"],
                line["status"],
                line["caller"]
            ])
        })
        .collect();
    let id = &admin[4..20];
    assert_eq!(
        found,
        [
            json!(["PUT", "/v1/accounts/{name}", 201, id]),
            json!(["PUT", "/v1/workflows/{id}", 201, id]),
            json!(["GET", "/v1/runs", 200, id]),
            json!(["GET", "/v1/me", 401, null]),
            json!(["GET", "unknown", 404, null]),
        ]
    );
    assert!(lines.iter().all(|line| line["duration_ms"].is_u64()));
}
