//! What is answered when all goes well, and what the log keeps of it.

use access::Role;
use serde_json::{Value, json};

use crate::scene::{Scene, ask, log, workflow};

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
    assert_eq!(answer.body, json!({"problems": [], "warnings": []}));
    let delete = ask("DELETE", "/v1/workflows/w").token(&admin);
    assert_eq!(scene.ask(delete.clone()).await.status, 204);
    assert_eq!(scene.ask(delete).await.status, 404);
}

#[tokio::test]
async fn workflow_is_changed_compared_and_rolled_back() {
    let scene = Scene::new().await;
    let admin = scene.token(Role::Admin).await;
    scene.furnish(&admin).await;
    let mut changed = workflow();
    changed["name"] = json!("Changed");
    let put = ask("PUT", "/v1/workflows/w").json(&changed).token(&admin);
    assert_eq!(scene.ask(put).await.status, 200);
    let diff = |path: &str| {
        let path = format!("/v1/workflows/w/revisions/{path}");
        scene.ask(ask("GET", &path).token(&admin))
    };
    let expected = json!({"from": 1, "to": 2, "changes": [{"path": "name", "before": "W", "after": "Changed"}]});
    for path in ["1/diff", "1/diff?to=2"] {
        assert_eq!(diff(path).await.body, expected);
    }
    for (path, status) in [
        ("7/diff", 404),
        ("1/diff?to=7", 404),
        ("x/diff", 400),
        ("1/diff?to=x", 400),
    ] {
        assert_eq!(diff(path).await.status, status, "{path}");
    }

    let roll_back = |revision: u32, tag: &str| {
        let request = ask("POST", "/v1/workflows/w/rollback").json(&json!({"revision": revision}));
        scene.ask(request.header("if-match", tag).token(&admin))
    };
    assert_eq!(roll_back(1, "\"1\"").await.status, 412);
    assert_eq!(roll_back(7, "\"2\"").await.status, 404);
    let answer = roll_back(1, "\"2\"").await;
    assert_eq!(
        (answer.status, answer.headers["etag"].as_str()),
        (200, "\"3\"")
    );
    assert_eq!(answer.body["stored"]["workflow"]["name"], "W");
    // A workflow that was deleted comes back, with its revisions.
    assert_eq!(
        scene
            .ask(ask("DELETE", "/v1/workflows/w").token(&admin))
            .await
            .status,
        204
    );
    let request = ask("POST", "/v1/workflows/w/rollback").json(&json!({"revision": 2}));
    let answer = scene.ask(request.token(&admin)).await;
    assert_eq!(
        (answer.status, answer.headers["etag"].as_str()),
        (200, "\"4\"")
    );
}

#[tokio::test]
async fn workflows_are_listed_by_owner_labels_and_state() {
    let scene = Scene::new().await;
    let admin = scene.token(Role::Admin).await;
    scene.furnish(&admin).await;
    let mut labelled = workflow();
    labelled["owner"] = json!("Customer Care");
    labelled["labels"] = json!({"team": "a,b", "tier": "1"});
    let put = ask("PUT", "/v1/workflows/w").json(&labelled).token(&admin);
    assert_eq!(scene.ask(put).await.status, 200);
    for (query, count) in [
        ("owner=Customer+Care", 1),
        ("owner=Customer", 0),
        ("label=team%3Da,b", 1),
        ("label=team=a,b&label=tier=1", 1),
        ("label=team=a,b&label=tier=2", 0),
        ("enabled=true", 1),
        ("enabled=false&owner=Customer+Care", 0),
    ] {
        let list = ask("GET", &format!("/v1/workflows?{query}")).token(&admin);
        let answer = scene.ask(list).await;
        assert_eq!(
            answer.body["items"].as_array().unwrap().len(),
            count,
            "{query}"
        );
    }
    for query in [
        "label=team",
        "enabled=maybe",
        "owner=a&owner=b",
        "labels=team=a",
    ] {
        let list = ask("GET", &format!("/v1/workflows?{query}")).token(&admin);
        assert_eq!(scene.ask(list).await.status, 400, "{query}");
    }
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

#[tokio::test]
async fn event_is_replayed_once_under_a_name_and_shows_it() {
    let scene = Scene::new().await;
    let admin = scene.token(Role::Admin).await;
    let operator = scene.token(Role::Operator).await;
    scene.furnish(&admin).await;
    let event = json!({"specversion": "1.0", "id": "1", "source": "/endpoints/a", "type": "a"});
    let key = domain::EventKey::derive("/endpoints/a", "1", None);
    scene.aws().tables.insert(
        "events".to_owned(),
        vec![json!({
            "event": {"S": key}, "document": {"S": event.to_string()}, "decisions": {"S": "[]"},
            "evaluated_at": {"N": "1795262400000"},
        })],
    );
    let path = format!("/v1/events/{key}/replay");
    for outcome in ["started", "repeated"] {
        let body = json!({"workflow": "w", "replay_id": "r1"});
        let replay = ask("POST", &path).json(&body).token(&operator);
        let answer = scene.ask(replay).await;
        assert_eq!(
            (answer.status, answer.body["outcome"].as_str()),
            (200, Some(outcome)),
            "{answer:?}"
        );
    }
    let shown = ask("GET", &format!("/v1/events/{key}?workflow=w")).token(&operator);
    let answer = scene.ask(shown).await;
    assert_eq!(answer.body["replays"][0]["replay"], "r1", "{answer:?}");
    let explanation = answer.body["explanation"].as_str().unwrap();
    assert!(explanation.contains("as `r1`"), "{explanation}");

    // Without new keys the first one is in the way while it goes on.
    let body = json!({"workflow": "w", "replay_id": "r2"});
    let answer = scene
        .ask(ask("POST", &path).json(&body).token(&operator))
        .await;
    assert_eq!(answer.status, 409, "{answer:?}");
    for (path, body, looked_at) in [
        ("/v1/runs/retry", json!({}), 1),
        (
            "/v1/events/replay",
            json!({"workflow": "w", "replay_id": "r1"}),
            0,
        ),
    ] {
        let mut body = body;
        body["since"] = json!("2026-11-21T00:00:00Z");
        body["until"] = json!("2026-11-22T00:00:00Z");
        let answer = scene
            .ask(ask("POST", path).json(&body).token(&operator))
            .await;
        assert_eq!(
            (answer.status, &answer.body["looked_at"]),
            (200, &json!(looked_at)),
            "{answer:?}"
        );
        body["cursor"] = json!("somewhere");
        let answer = scene
            .ask(ask("POST", path).json(&body).token(&operator))
            .await;
        assert_eq!(answer.status, 422, "{answer:?}");
    }
    let unknown = format!("/v1/runs/run_{}/retry?task=t", "0".repeat(32));
    assert_eq!(
        scene
            .ask(ask("POST", &unknown).token(&operator))
            .await
            .status,
        404
    );
    let listed = scene
        .ask(ask("GET", "/v1/events?limit=5").token(&operator))
        .await;
    assert_eq!((listed.status, &listed.body), (200, &json!({"items": []})));
}

/// What tells of a customer in the rows of [`with_case_event`].
const TELLING: [&str; 3] = ["hunter2", "s119-457-589", "servicequeue"];

/// A stack that has seen a service case's customer come online, and its event.
async fn with_case_event(scene: &Scene, admin: &str) -> domain::EventKey {
    let event = json!({
        "specversion": "1.0", "id": "online:s119457589:0:1", "source": "/teamviewer/company",
        "type": "teamviewer.case.online", "subject": "s119-457-589",
        "data": {"customer": {"name": "hunter2"}, "customer_link": "https://get.teamviewer.com/servicequeue"}
    });
    let (source, id) = ("/teamviewer/company", "online:s119457589:0:1");
    let key = domain::EventKey::derive(source, id, None);
    let row = json!({
        "event": {"S": key}, "document": {"S": event.to_string()}, "decisions": {"S": "[]"},
        "evaluated_at": {"N": "1795262400000"}, "day": {"S": "2026-11-21"},
        "type": {"S": "teamviewer.case.online"}, "subject": {"S": "s119-457-589"}, "source": {"S": source},
    });
    scene.aws().tables.insert("events".to_owned(), vec![row]);
    let mut workflow = crate::scene::workflow();
    workflow["id"] = json!("online");
    workflow["trigger"] = json!({"event": {"type": "teamviewer.case.online"}});
    workflow["when"] = json!({"field": "data.customer.name", "equals": "hunter2"});
    workflow["tasks"][0]["input"]["comment"] = json!("{{ event.data.customer.name }} is there");
    let put = ask("PUT", "/v1/workflows/online")
        .token(admin)
        .json(&workflow);
    let answer = scene.ask(put).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    key
}

#[tokio::test]
async fn who_runs_workflows_sees_nobodys_remote_session() {
    let scene = Scene::new().await;
    let admin = scene.token(Role::Admin).await;
    let operator = scene.token(Role::Operator).await;
    scene.furnish(&admin).await;
    let key = with_case_event(&scene, &admin).await;
    let telling = |answer: &crate::scene::Answer| {
        let text = answer.body.to_string();
        TELLING.iter().any(|word| text.contains(word))
    };

    // It is replayed all the same.
    let body = json!({"workflow": "online", "replay_id": "r1"});
    let replay = ask("POST", &format!("/v1/events/{key}/replay")).json(&body);
    let replayed = scene.ask(replay.token(&operator)).await;
    assert_eq!(replayed.body["outcome"], "started", "{replayed:?}");
    assert!(!telling(&replayed), "{replayed:?}");
    let run = replayed.body["run"].as_str().unwrap();

    let event = format!("/v1/events/{key}");
    let run = format!("/v1/runs/{run}");
    let dry_run = json!({"workflow_id": "online", "event_key": key});
    let found = "/v1/events?subject=s119-457-589";
    for (request, status, holds) in [
        (ask("GET", &event), 403, None),
        (ask("GET", "/v1/events"), 200, Some(1)),
        (ask("GET", found), 200, Some(0)),
        (ask("GET", &run), 200, None),
        (ask("GET", "/v1/runs"), 200, Some(1)),
        (ask("GET", "/v1/runs?workflow=online"), 200, Some(1)),
        (ask("POST", "/v1/dry-run").json(&dry_run), 403, None),
    ] {
        let seen = scene.ask(request.clone().token(&operator)).await;
        assert_eq!(seen.status, status, "{seen:?}");
        assert!(!telling(&seen), "{seen:?}");
        if let Some(holds) = holds {
            assert_eq!(
                seen.body["items"].as_array().unwrap().len(),
                holds,
                "{seen:?}"
            );
        }
        let seen = scene.ask(request.token(&admin)).await;
        assert_eq!(seen.status, 200, "{seen:?}");
        assert!(telling(&seen), "{seen:?}");
    }
    // How it goes on is told.
    let seen = scene.ask(ask("GET", &run).token(&operator)).await;
    assert_eq!(seen.body["run"]["state"], "running");
    assert_eq!(seen.body["tasks"][0]["state"], "requested");
}

#[tokio::test]
async fn log_has_a_line_for_each_request_with_nothing_private_in_it() {
    let mut scene = Scene::new().await;
    scene.request_id = "request-log";
    let admin = scene.token(Role::Admin).await;
    let log = log();
    scene.furnish(&admin).await;
    scene
        .ask(ask("GET", "/v1/runs?workflow=private").token(&admin))
        .await;
    scene
        .ask(ask("GET", "/v1/me?x=private").token("private"))
        .await;
    scene.ask(ask("GET", "/private")).await;

    let own = log.lines_of("request-log");
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
