//! What is answered when something is wrong.

use std::time::Duration;

use access::Role;
use serde_json::json;

use crate::scene::{Ask, Scene, ask, workflow};

/// A request, the status of its answer, the problem's type, and words that it tells.
type Case = (Ask, u16, &'static str, &'static str);

async fn check(cases: Vec<Case>) {
    let scene = Scene::new().await;
    let admin = scene.token(Role::Admin).await;
    for (request, status, slug, words) in cases {
        let what = format!("{request:?}").chars().take(200).collect::<String>();
        let answer = scene.ask(request.token(&admin)).await;
        assert_eq!(answer.status, status, "{what}: {answer:?}");
        assert_eq!(answer.body["type"], format!("/problems/{slug}"), "{what}");
        let text = answer.body.to_string();
        assert!(text.contains(words), "{what}: {text}");
        if status == 405 {
            assert_eq!(answer.headers["allow"], "GET");
        }
    }
}

#[tokio::test]
async fn path_method_or_query_that_is_wrong_is_told_what_is_wrong() {
    check(vec![
        (ask("GET", "/v1/nothing"), 404, "route-unknown", ""),
        (ask("GET", "/"), 404, "route-unknown", ""),
        (ask("POST", "/v1/me"), 405, "method-not-allowed", "GET"),
        (ask("OPTIONS", "/v1/me"), 405, "method-not-allowed", "GET"),
        (ask("GET", "/v1/me?x=1"), 400, "query-invalid", "`x`"),
        (
            ask("GET", "/v1/runs?limit=x"),
            400,
            "query-invalid",
            "limit",
        ),
        (
            ask("GET", "/v1/runs?day=today"),
            400,
            "query-invalid",
            "day",
        ),
        (
            ask("GET", "/v1/runs?state=lost"),
            400,
            "query-invalid",
            "state",
        ),
        (ask("GET", "/v1/runs?limit=1001"), 422, "invalid", "limit"),
        (
            ask("DELETE", "/v1/accounts/a?force=yes"),
            400,
            "query-invalid",
            "force",
        ),
        (ask("GET", "/v1/runs/run_1"), 400, "path-invalid", "run id"),
        (
            ask("GET", "/v1/accounts/A"),
            400,
            "path-invalid",
            "account name",
        ),
        (
            ask("GET", "/v1/accounts/%2e%2e"),
            400,
            "path-invalid",
            "name",
        ),
        (ask("DELETE", "/v1/tokens/x"), 400, "path-invalid", "id"),
        (ask("GET", "/v1/workflows/none"), 404, "not-found", "`none`"),
        (
            ask("DELETE", "/v1/tokens/0000000000000000"),
            404,
            "not-found",
            "0000",
        ),
    ])
    .await;
}

#[tokio::test]
async fn body_that_cannot_be_read_is_told_what_is_wrong() {
    let switch = |body: &str| ask("PATCH", "/v1/workflows/w").text("application/json", body);
    let large = format!("{{\"enabled\": \"{}\"}}", "x".repeat(1_000_000));
    check(vec![
        (switch("{"), 400, "body-unreadable", "line 1"),
        (switch(""), 400, "body-unreadable", "line 1"),
        (switch(&"[".repeat(1000)), 400, "body-unreadable", "line 1"),
        (switch("[true]"), 422, "body-invalid", "an object"),
        (switch("[]"), 422, "body-invalid", ""),
        (switch("{\"enabled\": 1}"), 422, "body-invalid", "enabled"),
        (
            switch("{\"enabled\": true, \"x\": 1}"),
            422,
            "body-invalid",
            "`x`",
        ),
        (switch("{}"), 422, "body-invalid", "`enabled`"),
        (switch(&large), 413, "body-too-large", "1000000"),
        (
            ask("PATCH", "/v1/workflows/w").text("text/plain", "{\"enabled\": true}"),
            415,
            "content-type-unsupported",
            "application/json",
        ),
        (
            ask("PATCH", "/v1/workflows/w"),
            415,
            "content-type-unsupported",
            "",
        ),
    ])
    .await;
}

#[tokio::test]
async fn value_that_breaks_a_rule_is_named() {
    let token = |body| ask("POST", "/v1/tokens").json(&body);
    check(vec![
        (
            token(json!({"name": "", "roles": ["admin"], "expires_at": "2026-12-01T00:00:00Z"})),
            422,
            "body-invalid",
            "name",
        ),
        (
            token(json!({"name": "x", "roles": ["king"], "expires_at": "2026-12-01T00:00:00Z"})),
            422,
            "body-invalid",
            "roles",
        ),
        (
            token(json!({"name": "x", "roles": ["itil"], "expires_at": "2036-12-01T00:00:00Z"})),
            422,
            "body-invalid",
            "expires_at",
        ),
        (
            ask("PUT", "/v1/workflows/other").json(&workflow()),
            422,
            "invalid",
            "expected `other`",
        ),
    ])
    .await;
}

#[tokio::test]
async fn unknown_field_is_named_with_its_place() {
    let scene = Scene::new().await;
    let admin = scene.token(Role::Admin).await;
    let mut body = workflow();
    body["tasks"][0]["colour"] = json!("red");
    let put = ask("PUT", "/v1/workflows/w").json(&body);
    let answer = scene.ask(put.token(&admin)).await;
    assert_eq!(answer.status, 422);
    assert_eq!(answer.body["errors"][0]["path"], "tasks[0].colour");
    let problem = answer.body["errors"][0]["problem"].as_str().unwrap();
    assert!(problem.contains("`colour`"), "{problem}");
}

#[tokio::test]
async fn account_that_is_used_is_kept_and_its_workflows_are_named() {
    let scene = Scene::new().await;
    let admin = scene.token(Role::Admin).await;
    scene.furnish(&admin).await;
    let delete = |path: &str| ask("DELETE", path).token(&admin);
    let answer = scene.ask(delete("/v1/accounts/support")).await;
    assert_eq!(answer.status, 409);
    assert!(
        answer.body["detail"].as_str().unwrap().contains("`w`"),
        "{answer:?}"
    );
    let answer = scene.ask(delete("/v1/accounts/support?force=true")).await;
    assert_eq!(answer.status, 204, "{answer:?}");
}

#[tokio::test]
async fn change_that_is_meant_for_another_revision_is_refused() {
    let scene = Scene::new().await;
    let admin = scene.token(Role::Admin).await;
    scene.furnish(&admin).await;
    let switch = |tag: &str| {
        let body = json!({"enabled": false});
        let patch = ask("PATCH", "/v1/workflows/w").json(&body);
        patch.header("if-match", tag).token(&admin)
    };
    for (tag, status) in [
        ("\"7\"", 412),
        ("7", 422),
        ("\"1\"", 200),
        ("\"1\"", 412),
        ("*", 422),
    ] {
        let answer = scene.ask(switch(tag)).await;
        assert_eq!(answer.status, status, "{tag}: {answer:?}");
    }
    let put = ask("PUT", "/v1/workflows/w").json(&workflow());
    let answer = scene
        .ask(put.header("if-none-match", "*").token(&admin))
        .await;
    assert_eq!(answer.status, 412);
}

#[tokio::test]
async fn what_does_not_answer_is_told_without_its_inside() {
    let mut scene = Scene::new().await;
    let admin = scene.token(Role::Admin).await;
    scene.aws().down.push("Scan");
    let answer = scene.ask(ask("GET", "/v1/accounts").token(&admin)).await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.headers["retry-after"], "5");

    scene.aws().silent.push("Query");
    scene.time = Duration::from_millis(200);
    let answer = scene.ask(ask("GET", "/v1/workflows").token(&admin)).await;
    assert_eq!(answer.status, 503);
}

#[tokio::test]
async fn row_that_cannot_be_read_is_an_internal_error() {
    let scene = Scene::new().await;
    let admin = scene.token(Role::Admin).await;
    let row = json!({"name": {"S": "a"}, "document": {"S": "no JSON"}});
    scene.aws().tables.insert("endpoints".to_owned(), vec![row]);
    let answer = scene.ask(ask("GET", "/v1/endpoints").token(&admin)).await;
    assert_eq!(answer.status, 500);
    assert!(!answer.body.to_string().contains("document"), "{answer:?}");
}
