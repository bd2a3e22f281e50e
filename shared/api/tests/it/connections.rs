//! The history of connections: who sees what of it, and in which form.

use access::Role;
use domain::{AccountName, Connection};
use jiff::SignedDuration;
use serde_json::{Value, json};
use store::{Client, Connections, Histories, TeamViewerSettings};

use crate::scene::{Answer, Scene, ask};

const SYS_ID: &str = "00112233445566778899aabbccddeeff";
const LIST: &str = "/v1/connections";
const OF_TASK: &str = "/v1/tasks/inc0010001/connections";

/// A scene with five connections, of two tasks and two supporters, one of them older than a month.
async fn furnished() -> Scene {
    let scene = Scene::new().await;
    let ann = json!({"id": "u1001", "name": "Ann Smith"});
    let bob = json!({"id": "u1002", "name": "=cmd|' /C calc'!A0"});
    let one = json!({"table": "incident", "number": "INC0010001", "sys_id": SYS_ID});
    let other = json!({"table": "incident", "number": "INC0010002"});
    let rows = Connections::new(Client::new(&scene.config), "connections".to_owned());
    for connection in [
        json!({
            "id": "c-1", "started_at": "2026-11-20T10:00:00Z", "ended_at": "2026-11-20T10:01:01Z", "supporter": ann,
            "device": {"id": "123456789", "name": "Desk"}, "code": "s119-457-589", "task": one,
            "customer": {"name": "Eve Secret", "email": "eve@example.com"}
        }),
        json!({
            "id": "c-2", "started_at": "2026-11-20T11:00:00Z", "ended_at": "2026-11-20T11:30:00Z", "supporter": ann,
            "code": "s119-457-589", "task": one
        }),
        json!({"id": "c-3", "started_at": "2026-11-20T12:00:00Z", "supporter": bob, "task": other}),
        json!({
            "id": "c-4", "started_at": "2026-11-02T12:00:00Z", "ended_at": "2026-11-02T12:00:59Z", "supporter": bob
        }),
        json!({
            "id": "c-5", "started_at": "2026-09-01T12:00:00Z", "ended_at": "2026-09-01T13:00:00Z", "supporter": ann,
            "task": one
        }),
    ] {
        let mut connection = connection;
        connection["account"] = json!("tv");
        let connection: Connection = serde_json::from_value(connection).unwrap();
        rows.put(&connection, None, true).await.unwrap().unwrap();
    }
    scene
}

fn ids(answer: &Answer) -> Vec<&str> {
    assert_eq!(answer.status, 200, "{answer:?}");
    let connections = answer.body["connections"].as_array().unwrap().iter();
    connections
        .map(|connection| connection["id"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn company_report_is_filtered_by_period_supporter_device_task_and_code() {
    let scene = furnished().await;
    let token = scene.token(Role::SessionHistoryUser).await;
    for (query, expected) in [
        ("", &["c-3", "c-2", "c-1", "c-4"][..]),
        (
            "since=2026-01-01T00:00:00Z",
            &["c-3", "c-2", "c-1", "c-4", "c-5"],
        ),
        (
            "since=2026-11-20T10:00:00Z&until=2026-11-20T12:00:00Z",
            &["c-2", "c-1"],
        ),
        ("supporter=ANN+smith", &["c-2", "c-1"]),
        ("supporter=u1002", &["c-3", "c-4"]),
        ("supporter=Ann", &[]),
        ("device=desk", &["c-1"]),
        ("device=123+456+789", &["c-1"]),
        ("task=INC0010001", &["c-2", "c-1", "c-5"]),
        (
            "task=00112233445566778899AABBCCDDEEFF",
            &["c-2", "c-1", "c-5"],
        ),
        ("task=INC0010001&device=desk", &["c-1"]),
        (
            "task=INC0010001&since=2026-11-01T00:00:00Z",
            &["c-2", "c-1"],
        ),
        ("task=INC0010009", &[]),
        ("code=S119457589", &["c-2", "c-1"]),
    ] {
        let answer = scene
            .ask(ask("GET", &format!("{LIST}?{query}")).token(&token))
            .await;
        assert_eq!(ids(&answer), expected, "{query}");
    }
    let answer = scene
        .ask(ask("GET", &format!("{LIST}?device=desk")).token(&token))
        .await;
    let entry = &answer.body["connections"][0];
    assert_eq!(
        (&entry["duration_seconds"], &entry["minutes"]),
        (&json!(61), &json!(2))
    );
    for (query, status, name) in [
        ("limit=0", 422, "limit"),
        ("limit=201", 422, "limit"),
        (
            "since=2026-11-21T00:00:00Z&until=2026-11-20T00:00:00Z",
            422,
            "until",
        ),
        ("task=a+b", 400, "task"),
        ("instance=a+b", 400, "instance"),
        ("instance=", 400, "instance"),
        ("code=1", 400, "code"),
        ("cursor=x", 400, "cursor"),
        ("format=pdf", 400, "format"),
        ("suporter=Ann", 400, "suporter"),
    ] {
        let answer = scene
            .ask(ask("GET", &format!("{LIST}?{query}")).token(&token))
            .await;
        assert_eq!(answer.status, status, "{query}");
        assert!(
            answer.body["errors"].to_string().contains(name),
            "{answer:?}"
        );
    }
}

/// All ids of a listing, page by page, and the number of pages.
async fn walked(scene: &Scene, token: &str, path: &str, csv: bool) -> (Vec<String>, usize) {
    let (mut found, mut pages, mut cursor) = (Vec::new(), 0, String::new());
    loop {
        pages += 1;
        assert!(pages < 10, "{found:?}");
        let request = ask("GET", &format!("{path}{cursor}")).token(token);
        let answer = if csv {
            scene.ask(request.header("accept", "text/csv")).await
        } else {
            scene.ask(request).await
        };
        let next = if csv {
            let text = answer.body.as_str().unwrap();
            let rows = text
                .lines()
                .skip(1)
                .filter_map(|line| line.split(',').next());
            found.extend(rows.map(|id| id.trim_matches('"').to_owned()));
            answer.headers.get("x-next-cursor").cloned()
        } else {
            found.extend(ids(&answer).into_iter().map(str::to_owned));
            answer.body["next"].as_str().map(str::to_owned)
        };
        match next {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return (found, pages),
        }
    }
}

#[tokio::test]
async fn pages_together_are_the_whole_in_either_form() {
    let scene = furnished().await;
    let token = scene.token(Role::SessionHistoryUser).await;
    let since = "since=2026-01-01T00:00:00Z";
    for (path, expected) in [
        (
            format!("{LIST}?{since}&limit=2"),
            &["c-3", "c-2", "c-1", "c-4", "c-5"][..],
        ),
        (
            format!("{LIST}?{since}&limit=1&supporter=u1002"),
            &["c-3", "c-4"],
        ),
        (
            format!("{LIST}?task=INC0010001&limit=1"),
            &["c-2", "c-1", "c-5"],
        ),
        (format!("{OF_TASK}?limit=2"), &["c-2", "c-1", "c-5"]),
    ] {
        for csv in [false, true] {
            let (found, pages) = walked(&scene, &token, &path, csv).await;
            assert_eq!(found, expected, "{path}");
            assert!(pages > 1, "{path}");
        }
    }
}

#[tokio::test]
async fn csv_is_text_with_names_above_and_no_formula() {
    let scene = furnished().await;
    let token = scene.token(Role::SessionHistoryUser).await;
    let asked = ask("GET", &format!("{LIST}?format=csv&supporter=u1002&limit=1"));
    let answer = scene.ask(asked.token(&token)).await;
    assert_eq!(
        answer.headers["content-type"],
        "text/csv; charset=utf-8; header=present"
    );
    let text = answer.body.as_str().unwrap();
    assert!(
        text.starts_with("\u{feff}\"id\",\"started_at\",\"ended_at\","),
        "{text}"
    );
    assert!(text.contains(",\"'=cmd|' /C calc'!A0\","), "{text}");
    assert!(text.ends_with("\r\n"), "{text}");
    // Whoever wants JSON gets it, whatever else they would take.
    let asked = ask("GET", LIST).header("accept", "application/json, text/csv");
    let answer = scene.ask(asked.token(&token)).await;
    assert_eq!(answer.headers["content-type"], "application/json");
    // A refusal is a problem in either form.
    let asked = ask("GET", &format!("{LIST}?format=csv&limit=0"));
    let answer = scene.ask(asked.token(&token)).await;
    assert_eq!(answer.status, 422);
}

#[tokio::test]
async fn totals_count_sessions_and_minutes() {
    let scene = furnished().await;
    let token = scene.token(Role::SessionHistoryUser).await;
    let totals = async |query: &str| {
        let path = format!("{LIST}/totals?{query}");
        let answer = scene.ask(ask("GET", &path).token(&token)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body
    };
    let month = totals("").await;
    assert_eq!(
        month["by_supporter"],
        json!([
            {"supporter": {"id": "u1001", "name": "Ann Smith"}, "connections": 2, "sessions": 1, "minutes": 32},
            {"supporter": {"id": "u1002", "name": "=cmd|' /C calc'!A0"}, "connections": 2, "sessions": 2, "minutes": 1},
        ])
    );
    let counts = |totals: &Value| {
        ["connections", "running", "sessions", "minutes"].map(|name| totals[name].as_u64().unwrap())
    };
    assert_eq!(counts(&month), [4, 1, 3, 33]);
    assert_eq!(month["complete"], true);
    assert_eq!(counts(&totals("task=INC0010001").await), [3, 0, 2, 92]);
    assert_eq!(
        counts(&totals("supporter=u1002&code=s119-457-589").await),
        [0; 4]
    );
}

#[tokio::test]
async fn history_of_a_task_is_all_that_its_people_see() {
    let scene = furnished().await;
    let itil = scene.token(Role::Itil).await;
    let others = [Role::SessionHistoryUser, Role::Admin];
    let [user, admin] = others.map(|role| scene.token(role));
    for token in [itil.clone(), user.await, admin.await] {
        for path in [OF_TASK, &format!("/v1/tasks/{SYS_ID}/connections")] {
            let answer = scene.ask(ask("GET", path).token(&token)).await;
            assert_eq!(ids(&answer), ["c-2", "c-1", "c-5"]);
            let totals = &answer.body["totals"];
            assert_eq!(
                (&totals["connections"], &totals["sessions"]),
                (&json!(3), &json!(2))
            );
        }
    }
    // Nothing in the query leads to another task.
    for query in [
        "task=INC0010002",
        "supporter=u1002",
        "code=s119-457-580",
        "device=x",
        "tasks=x",
    ] {
        let answer = scene
            .ask(ask("GET", &format!("{OF_TASK}?{query}")).token(&itil))
            .await;
        assert_eq!(answer.status, 400, "{query}");
    }
    // Not even the cursor of another listing: c-3 is of the other task.
    let c3 = "1795176000000.c-3";
    let answer = scene
        .ask(ask("GET", &format!("{OF_TASK}?cursor={c3}&limit=200")).token(&itil))
        .await;
    assert_eq!(ids(&answer), ["c-2", "c-1", "c-5"]);
    let answer = scene
        .ask(
            ask(
                "GET",
                "/v1/tasks/INC0010002/connections?cursor=1795176000001.c-1",
            )
            .token(&itil),
        )
        .await;
    assert_eq!(ids(&answer), ["c-3"]);
    for task in ["a%20b", "x%5EORactive=true"] {
        let path = format!("/v1/tasks/{task}/connections");
        assert_eq!(scene.ask(ask("GET", &path).token(&itil)).await.status, 400);
    }
}

/// As [`furnished`], with connections of another instance that has a task of the same number, and of the same id: a clone.
async fn with_a_clone() -> Scene {
    let scene = Scene::new().await;
    let rows = Connections::new(Client::new(&scene.config), "connections".to_owned());
    let instances = [Some("dev1"), Some("prod"), None];
    for number in 0..9_usize {
        let start = format!("2026-11-20T1{number}:00:00Z");
        let connection: Connection = serde_json::from_value(json!({
            "id": format!("c-{number}"), "account": "tv", "started_at": start, "ended_at": start,
            "task": {"instance": instances[number % 3], "number": "INC0010001", "sys_id": SYS_ID}
        }))
        .unwrap();
        rows.put(&connection, None, true).await.unwrap().unwrap();
    }
    scene
}

#[tokio::test]
async fn task_of_one_instance_is_not_taken_for_that_of_another() {
    let scene = with_a_clone().await;
    let token = scene.token(Role::SessionHistoryUser).await;
    let get = async |path: &str| scene.ask(ask("GET", path).token(&token)).await;
    let by_id = format!("/v1/tasks/{SYS_ID}/connections");
    for path in [
        OF_TASK,
        &format!("{OF_TASK}?limit=1"),
        &format!("{OF_TASK}?format=csv"),
        // The first page of the walk through one instance had no others.
        &format!("{OF_TASK}?cursor=1795161600001.c-9"),
        &by_id,
        "/v1/connections/totals?task=INC0010001",
    ] {
        let answer = get(path).await;
        assert_eq!(answer.status, 422, "{path}");
        let problem = &answer.body["errors"][0];
        assert_eq!(problem["path"], "instance", "{path}");
        let text = problem["problem"].as_str().unwrap();
        assert!(text.contains("`dev1`, `prod`"), "{text}");
    }
    // A period with connections of one of them only has nothing to mix.
    let early = format!("{OF_TASK}?until=2026-11-20T11:00:00Z");
    assert_eq!(ids(&get(&early).await), ["c-0"]);

    let prod = ["c-7", "c-4", "c-1"];
    for path in [OF_TASK, &by_id] {
        let answer = get(&format!("{path}?instance=PROD")).await;
        assert_eq!(ids(&answer), prod);
        assert_eq!(answer.body["totals"]["connections"], 3);
    }
    let none = get(&format!("{OF_TASK}?instance=other")).await;
    assert_eq!(ids(&none), [""; 0]);
    for csv in [false, true] {
        for path in [
            format!("{OF_TASK}?instance=prod&limit=1"),
            format!("{LIST}?instance=prod&limit=1"),
            format!("{LIST}?task=INC0010001&instance=prod&limit=2"),
        ] {
            let (found, pages) = walked(&scene, &token, &path, csv).await;
            assert_eq!(found, prod, "{path}");
            assert!(pages > 1, "{path}");
        }
    }
    let totals = get("/v1/connections/totals?task=INC0010001&instance=dev1").await;
    assert_eq!(totals.body["connections"], 3);
    // Each entry of the company's report names its instance.
    let all = get(&format!("{LIST}?task=INC0010001")).await;
    assert_eq!(ids(&all).len(), 9);
    assert_eq!(all.body["connections"][1]["task"]["instance"], "prod");
}

#[tokio::test]
async fn who_may_not_see_is_told_nothing() {
    let scene = furnished().await;
    for (role, paths) in [
        (
            Role::Itil,
            &[
                LIST,
                "/v1/connections?task=INC0010001",
                "/v1/connections?format=csv",
                "/v1/connections/totals",
                "/v1/connections/status",
            ][..],
        ),
        (
            Role::Operator,
            &[
                LIST,
                "/v1/connections/totals",
                OF_TASK,
                "/v1/cases",
                "/v1/tasks/INC0010001/cases",
            ],
        ),
        (
            Role::SessionHistoryUser,
            &[
                "/v1/cases",
                "/v1/tasks/INC0010001/cases",
                "/v1/mail-templates",
            ],
        ),
    ] {
        let token = scene.token(role).await;
        for path in paths {
            let answer = scene.ask(ask("GET", path).token(&token)).await;
            assert_eq!(answer.status, 403, "{role} {path}");
            let text = answer.body.to_string();
            for private in ["Eve", "Ann", "s119", "INC0010001", "c-1", "Desk"] {
                assert!(!text.contains(private), "{role} {path}: {text}");
            }
            // The same for a task that there is and for one that there is not.
            let unknown = path.replace("INC0010001", "INC0099999");
            let same = scene.ask(ask("GET", &unknown).token(&token)).await;
            assert_eq!(same.body, answer.body, "{role} {path}");
        }
        for path in [
            "/v1/connections/refresh",
            "/v1/tasks/INC0010001/connections/refresh",
        ] {
            let may = match role {
                Role::Itil => path.contains("tasks"),
                Role::SessionHistoryUser => !path.contains("tasks"),
                Role::Admin | Role::Operator => false,
            };
            let post = ask("POST", path).json(&json!({})).token(&token);
            assert_eq!(scene.ask(post).await.status != 403, may, "{role} {path}");
        }
    }
    assert!(scene.work().is_empty());
}

#[tokio::test]
async fn refresh_is_asked_of_the_queue_and_shows_the_status() {
    let scene = Scene::new().await;
    let admin = scene.token(Role::Admin).await;
    let user = scene.token(Role::SessionHistoryUser).await;
    let refresh = |body: Value| {
        let post = ask("POST", "/v1/connections/refresh").json(&body);
        scene.ask(post.token(&user))
    };
    let answer = refresh(json!({})).await;
    assert_eq!(answer.status, 409);
    let detail = answer.body["detail"].as_str().unwrap();
    assert!(detail.contains("history.account"), "{detail}");
    assert!(scene.work().is_empty());

    scene.put_teamviewer_account(&admin, "tv").await;
    let settings = json!({"history": {"account": "tv", "every_hours": 3}});
    assert_eq!(scene.set(&admin, &settings).await.status, 201);
    let answer = refresh(json!({})).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    assert_eq!(answer.body["account"], "tv");
    let answer = refresh(json!({"since": "2026-11-01T00:00:00Z"})).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    assert_eq!(
        scene.work(),
        [
            json!({"fetch_window": {}}),
            json!({"fetch_window": {"since": "2026-11-01T00:00:00Z"}})
        ]
    );
    for (body, name) in [
        (json!({"since": "2026-12-01T00:00:00Z"}), "since"),
        (json!({"until": "2026-11-01T00:00:00Z"}), "until"),
    ] {
        let answer = refresh(body).await;
        assert_eq!(answer.status, 422);
        assert!(
            answer.body["errors"].to_string().contains(name),
            "{answer:?}"
        );
    }
    assert_eq!(scene.work().len(), 2);
}

#[tokio::test]
async fn status_tells_the_interval_and_what_was_asked_for() {
    let scene = Scene::new().await;
    let admin = scene.token(Role::Admin).await;
    let operator = scene.token(Role::Operator).await;
    let status = async || {
        let get = ask("GET", "/v1/connections/status").token(&operator);
        scene.ask(get).await.body
    };
    let off = json!({"every_hours": 6, "every_hours_from": "stack", "busy": false});
    assert_eq!(status().await, off);

    scene.put_teamviewer_account(&admin, "tv").await;
    let settings = json!({"history": {"account": "tv", "every_hours": 3}});
    assert_eq!(scene.set(&admin, &settings).await.status, 201);
    let rows = Histories::new(Client::new(&scene.config), "teamviewer".to_owned());
    let asked = connection_history::Asked {
        at: scene.now,
        since: None,
    };
    let account = AccountName::parse("tv").unwrap();
    rows.ask(&account, &asked).await.unwrap();
    let found = status().await;
    assert_eq!(
        (
            &found["every_hours"],
            &found["every_hours_from"],
            &found["account_state"]
        ),
        (&json!(3), &json!("settings"), &json!("connected"))
    );
    assert_eq!(found["asked"], json!({"at": "2026-11-21T12:00:00Z"}));
    assert_eq!(found["history"]["failures"], 0);
    assert!(found.get("stands_still_since").is_none());

    // Nothing has been fetched since it was set, two hours ago.
    let stored = TeamViewerSettings::new(Client::new(&scene.config), "teamviewer".to_owned());
    let settings = stored.get().await.unwrap().unwrap();
    let set_at = scene.now - SignedDuration::from_hours(2);
    let version = Some(settings.version);
    let put = stored.put(&settings.settings, version, "ann", set_at).await;
    assert!(put.unwrap().is_some());
    assert_eq!(status().await["stands_still_since"], "2026-11-21T10:00:00Z");
}
