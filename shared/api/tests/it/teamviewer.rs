//! What is set for `TeamViewer`, who has signed in there, and the templates of mails.

use access::Role;
use serde_json::{Value, json};

use crate::scene::{Answer, Scene, ask};

const SETTINGS: &str = "/v1/teamviewer/settings";

fn paths(answer: &Answer) -> Vec<&str> {
    let errors = answer.body["errors"].as_array().unwrap().iter();
    errors
        .map(|error| error["path"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn settings_are_put_read_and_left_alone_when_nothing_is_new() {
    let scene = Scene::new().await;
    let admin = scene.token(Role::Admin).await;
    let operator = scene.token(Role::Operator).await;
    let read = async || scene.ask(ask("GET", SETTINGS).token(&operator)).await.body;
    assert_eq!(read().await, json!({"settings": {}}));
    scene.put_teamviewer_account(&admin, "tv").await;
    let settings = json!({"history": {"account": "tv"}, "cases": {"account": "tv", "group": "g1"}});
    let answer = scene.set(&admin, &settings).await;
    assert_eq!(
        (answer.status, &answer.body["warnings"]),
        (201, &json!([])),
        "{answer:?}"
    );
    let found = read().await;
    assert_eq!(found["settings"]["cases"]["refresh_seconds"], 30);
    assert_eq!(
        (&found["updated_by"], &found["updated_at"]),
        (&json!("admin-token"), &json!(scene.now))
    );
    // What was read can be put.
    let answer = scene.set(&admin, &found["settings"]).await;
    assert_eq!(
        (answer.status, &answer.body["done"]),
        (200, &json!("unchanged"))
    );
    assert!(scene.work().is_empty());
}

#[tokio::test]
async fn changed_interval_has_the_old_window_fetched_and_says_so() {
    let scene = Scene::new().await;
    let admin = scene.token(Role::Admin).await;
    scene.put_teamviewer_account(&admin, "tv").await;
    let put = async |history: Value| {
        let answer = scene.set(&admin, &json!({"history": history})).await;
        assert!([200, 201].contains(&answer.status), "{answer:?}");
        answer.body["warnings"].clone()
    };
    // The stack says 6 h. Saying the same is no change.
    assert_eq!(put(json!({"account": "tv"})).await, json!([]));
    assert_eq!(
        put(json!({"account": "tv", "every_hours": 6})).await,
        json!([])
    );
    assert!(scene.work().is_empty());
    let warnings = put(json!({"account": "tv", "every_hours": 3})).await;
    assert_eq!(warnings[0]["path"], "history.every_hours");
    let warning = warnings[0]["warning"].as_str().unwrap();
    assert!(
        warning.contains("every 6 h") && warning.contains("every 3 h"),
        "{warning}"
    );
    let window = |since: &str| json!({"fetch_window": {"since": since}});
    assert_eq!(scene.work(), [window("2026-11-21T06:00:00Z")]);
    put(json!({"account": "tv", "every_hours": 3, "overlap_hours": 48})).await;
    put(json!({"account": "tv"})).await;
    assert_eq!(
        scene.work(),
        [
            window("2026-11-21T06:00:00Z"),
            window("2026-11-21T09:00:00Z")
        ]
    );
    // Without the message nothing is stored: whoever repeats it would find the interval changed already.
    scene.aws().down.push("SendMessage");
    let answer = scene
        .set(
            &admin,
            &json!({"history": {"account": "tv", "every_hours": 1}}),
        )
        .await;
    assert_eq!(answer.status, 503);
    let found = scene.ask(ask("GET", SETTINGS).token(&admin)).await;
    assert!(
        found.body["settings"]["history"]
            .get("every_hours")
            .is_none(),
        "{found:?}"
    );
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused_with_their_fields() {
    let scene = Scene::new().await;
    let admin = scene.token(Role::Admin).await;
    scene.furnish(&admin).await;
    scene.put_teamviewer_account(&admin, "tv").await;
    for (settings, expected) in [
        (
            json!({"history": {"account": "tv", "every": 3}}),
            &["history.every"][..],
        ),
        (json!({"histories": {}}), &["histories"]),
        (
            json!({"history": {"account": "tv", "every_hours": 0, "deep_days": 91}}),
            &["history.every_hours", "history.deep_days"],
        ),
        (
            json!({"history": {"account": "nobody"}}),
            &["history.account"],
        ),
        (
            json!({"history": {"account": "support"}, "cases": {"account": "support", "group": "g1", "sign_in_account": "tv"},
                   "servicenow_account": "tv"}),
            &[
                "history.account",
                "cases.account",
                "cases.sign_in_account",
                "servicenow_account",
            ],
        ),
    ] {
        let answer = scene.set(&admin, &settings).await;
        assert_eq!(answer.status, 422, "{settings}");
        assert_eq!(paths(&answer), expected, "{answer:?}");
    }
    let found = scene.ask(ask("GET", SETTINGS).token(&admin)).await;
    assert_eq!(found.body, json!({"settings": {}}));
    // An account of a person sees what that person sees.
    let begin = ask("POST", "/v1/accounts/people/connect").json(&json!({
        "vendor": "teamviewer", "instance": "acme", "client_id": "c", "client_secret": "hunter2"
    }));
    assert_eq!(scene.ask(begin.token(&admin)).await.status, 200);
    let answer = scene
        .set(&admin, &json!({"history": {"account": "people"}}))
        .await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let warning = answer.body["warnings"][0]["warning"].as_str().unwrap();
    assert!(warning.contains("script token"), "{warning}");
    assert!(warning.contains("connections refresh --since"), "{warning}");
}

#[tokio::test]
async fn account_that_is_set_is_kept_unless_it_is_forced() {
    let scene = Scene::new().await;
    let admin = scene.token(Role::Admin).await;
    scene.put_teamviewer_account(&admin, "tv").await;
    let settings = json!({"history": {"account": "tv"}});
    assert_eq!(scene.set(&admin, &settings).await.status, 201);
    let delete = |path: &str| scene.ask(ask("DELETE", path).token(&admin));
    let answer = delete("/v1/accounts/tv").await;
    assert_eq!(answer.status, 409);
    let detail = answer.body["detail"].as_str().unwrap();
    assert!(detail.contains("`history.account`"), "{detail}");
    assert_eq!(delete("/v1/accounts/tv?force=true").await.status, 204);
}

#[tokio::test]
async fn everybody_signs_in_for_themselves() {
    let scene = Scene::new().await;
    let admin = scene.token(Role::Admin).await;
    let itil = scene.token(Role::Itil).await;
    let state = async |token: &str| {
        let get = ask("GET", "/v1/teamviewer/sign-in").token(token);
        scene.ask(get).await.body
    };
    let begin = |token: &str| scene.ask(ask("POST", "/v1/teamviewer/sign-in").token(token));
    assert_eq!(begin(&itil).await.status, 409);
    scene.put_teamviewer_account(&admin, "tv").await;
    let connect = ask("POST", "/v1/accounts/people/connect").json(&json!({
        "vendor": "teamviewer", "instance": "acme", "client_id": "c", "client_secret": "hunter2"
    }));
    assert_eq!(scene.ask(connect.token(&admin)).await.status, 200);
    let settings = json!({"cases": {"account": "tv", "group": "g1", "shared": false, "sign_in_account": "people"}});
    assert_eq!(scene.set(&admin, &settings).await.status, 201);

    let before = state(&itil).await;
    assert_eq!(
        (&before["state"], &before["shared"]),
        (&json!("sign_in"), &json!(false))
    );
    let own = before["account"].as_str().unwrap().to_owned();
    assert!(own.starts_with("teamviewer-") && own.len() == 27, "{own}");
    let answer = begin(&itil).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let url = answer.body["url"].as_str().unwrap();
    assert!(
        url.starts_with("https://closedloop.example.com/connect/start?ticket="),
        "{url}"
    );
    // Begun is not done.
    assert_eq!(state(&itil).await["state"], "sign_in");
    let account = scene
        .ask(ask("GET", &format!("/v1/accounts/{own}")).token(&admin))
        .await;
    assert_eq!(
        account.body["account"]["owner"], "itil-token",
        "{account:?}"
    );
    let set = |found: &str, problem: Option<&str>| {
        let mut aws = scene.aws();
        let rows = aws.tables.get_mut("accounts").unwrap();
        let row = rows.iter_mut().find(|row| row["name"]["S"] == own.as_str());
        let row = row.unwrap();
        row["state"] = json!({"S": found});
        if let Some(problem) = problem {
            row["problem"] = json!({"S": problem});
        }
    };
    set("connected", None);
    assert_eq!(state(&itil).await["state"], "signed_in");
    set("reconnect", Some("invalid_grant"));
    let after = state(&itil).await;
    assert_eq!(
        (&after["state"], &after["problem"]),
        (&json!("sign_in_again"), &json!("invalid_grant"))
    );
    // Nobody else has signed in by that.
    let others = state(&admin).await;
    assert_eq!(others["state"], "sign_in");
    assert_ne!(others["account"], own.as_str());
    // Signing out ends one's own, and twice is as good as once.
    for _ in 0..2 {
        let delete = ask("DELETE", "/v1/teamviewer/sign-in");
        assert_eq!(scene.ask(delete.token(&admin)).await.status, 204);
    }
    assert_eq!(state(&itil).await["state"], "sign_in_again");
    for _ in 0..2 {
        let delete = ask("DELETE", "/v1/teamviewer/sign-in");
        assert_eq!(scene.ask(delete.token(&itil)).await.status, 204);
    }
    let after = state(&itil).await;
    assert_eq!(after["state"], "sign_in");
    assert_eq!(after["account"], own.as_str());
    assert_eq!(after.get("problem"), None);
}

#[tokio::test]
async fn templates_are_put_listed_and_deleted() {
    let scene = Scene::new().await;
    let admin = scene.token(Role::Admin).await;
    let itil = scene.token(Role::Itil).await;
    let put = |name: &str, body: Value| {
        let put = ask("PUT", &format!("/v1/mail-templates/{name}")).json(&body);
        scene.ask(put.token(&admin))
    };
    let template = |name: &str| json!({"name": name, "subject": "Your code", "text": "It is ${teamviewer.code}"});
    let answer = put("TV_Simple", template("TV_Simple")).await;
    assert_eq!(
        (answer.status, &answer.body["warnings"]),
        (201, &json!([])),
        "{answer:?}"
    );
    let answer = put("TV_Simple", template("TV_Simple")).await;
    assert_eq!(
        (answer.status, &answer.body["done"]),
        (200, &json!("unchanged"))
    );
    let mut changed = template("TV_Simple");
    changed["subject"] = json!("How we help you");
    let answer = put("TV_Simple", changed.clone()).await;
    assert_eq!(
        (answer.status, &answer.body["done"]),
        (200, &json!("updated"))
    );
    let answer = put("Other", template("Other")).await;
    assert_eq!(answer.status, 201);
    assert!(
        answer.body["warnings"][0]["warning"]
            .as_str()
            .unwrap()
            .contains("TV_"),
        "{answer:?}"
    );
    for (name, body, path) in [
        ("TV_Simple", template("Other"), "name"),
        (
            "TV_Simple",
            json!({"name": "TV_Simple", "subject": "a\nb", "text": "x"}),
            "subject",
        ),
        (
            "TV_Simple",
            json!({"name": "TV_Simple", "subject": "a", "text": "x", "cc": "y"}),
            "cc",
        ),
    ] {
        let answer = put(name, body).await;
        assert_eq!((answer.status, paths(&answer)), (422, vec![path]));
    }
    let listed = scene
        .ask(ask("GET", "/v1/mail-templates").token(&itil))
        .await;
    let names: Vec<&Value> = listed.body["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|template| &template["name"])
        .collect();
    assert_eq!(names, ["Other", "TV_Simple"]);
    let one = |method: &'static str| ask(method, "/v1/mail-templates/TV_Simple");
    assert_eq!(scene.ask(one("GET").token(&itil)).await.body, changed);
    assert_eq!(scene.ask(one("DELETE").token(&itil)).await.status, 403);
    assert_eq!(scene.ask(one("DELETE").token(&admin)).await.status, 204);
    assert_eq!(scene.ask(one("DELETE").token(&admin)).await.status, 404);
    assert_eq!(scene.ask(one("GET").token(&itil)).await.status, 404);
}
