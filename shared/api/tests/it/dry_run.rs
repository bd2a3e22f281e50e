//! What a workflow would do with an event.

use access::Role;
use serde_json::json;

use crate::scene::{Scene, ask, workflow};

#[tokio::test]
async fn operator_sees_what_a_stored_or_a_given_workflow_would_do() {
    let scene = Scene::new().await;
    let admin = scene.token(Role::Admin).await;
    let operator = scene.token(Role::Operator).await;
    scene.furnish(&admin).await;
    let event = json!({"type": "a", "data": {}});
    for (body, revision) in [
        (
            json!({"workflow_id": "w", "event": event.clone()}),
            json!(1),
        ),
        (
            json!({"workflow_id": "w", "revision": 1, "event": event.clone()}),
            json!(1),
        ),
        (
            json!({"workflow": workflow(), "event": event.clone()}),
            json!(null),
        ),
    ] {
        let answer = scene
            .ask(ask("POST", "/v1/dry-run").json(&body).token(&operator))
            .await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.body["revision"], revision);
        assert_eq!(answer.body["starts"], true);
        let task = &answer.body["tasks"][0];
        assert_eq!(task["account"]["state"], "connected");
        assert_eq!(task["requests"][0]["body"], json!({"comment": "x"}));
        assert!(!answer.body.to_string().contains("hunter2"));
    }
}

#[tokio::test]
async fn question_that_cannot_be_answered_is_refused_with_its_field() {
    let scene = Scene::new().await;
    let operator = scene.token(Role::Operator).await;
    let event = json!({"type": "a"});
    let mut wrong = workflow();
    wrong["tasks"][0]["account"] = json!("Sup port");
    for (body, status, path) in [
        (json!({"workflow_id": "w", "event": event}), 404, None),
        (json!({"event": event}), 422, Some("workflow")),
        (
            json!({"workflow": workflow(), "event": {"data": 1}}),
            422,
            Some("event.type"),
        ),
        (
            json!({"workflow": wrong, "event": event}),
            422,
            Some("workflow.tasks[0].account"),
        ),
    ] {
        let answer = scene
            .ask(ask("POST", "/v1/dry-run").json(&body).token(&operator))
            .await;
        assert_eq!(answer.status, status, "{answer:?}");
        assert_eq!(answer.body["errors"][0]["path"].as_str(), path);
    }
    let observer = scene.token(Role::Itil).await;
    let body = json!({"workflow": workflow(), "event": event});
    let answer = scene
        .ask(ask("POST", "/v1/dry-run").json(&body).token(&observer))
        .await;
    assert_eq!(answer.status, 403);
}
