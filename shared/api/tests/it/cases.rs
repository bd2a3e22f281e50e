//! Service cases, with a stand-in for TeamViewer.

use std::collections::BTreeMap;

use access::Role;
use jiff::SignedDuration;
use sandbox::{Action, Fault, InstanceControl, Match, Sandbox};
use serde_json::{Value, json};

use crate::scene::{Answer, Scene, ask, log};

/// What only supporters' links have.
const SECRET: &str = "hunter2";
const MAKE: &str = "POST /api/v1/sessions";
const LOOK: &str = "GET /api/v1/sessions";

struct Office {
    scene: Scene,
    company: InstanceControl,
    admin: String,
    itil: String,
    _sandbox: Sandbox,
}

impl Office {
    /// A company at TeamViewer with these service cases, and what is set for it here.
    async fn new(sessions: Value, cases: Value) -> Self {
        let ann = json!({"id": "u1001", "name": "Ann", "email": "ann@example.com"});
        Self::with(sessions, cases, json!([ann])).await
    }

    /// The same, of a company with these users.
    async fn with(sessions: Value, cases: Value, users: Value) -> Self {
        let sandbox = Sandbox::start().await;
        let company = sandbox.control().teamviewer("acme");
        let config = json!({
            "users": users,
            "groups": [{"id": "g1", "name": "Helpdesk"}],
            "script_tokens": [{"token": "company-token"}],
            "bearer_tokens": [{"token": "anns-token", "username": "u1001", "expires_in": 86400}],
            "sessions": sessions,
        });
        company.create(&config).await.unwrap();
        let url = sandbox.teamviewer_url("{company}");
        let scene = Scene::with(&[("TEAMVIEWER_URL", &url), ("TEAMVIEWER_LOGIN_URL", &url)]).await;
        let admin = scene.token(Role::Admin).await;
        let itil = scene.token(Role::Itil).await;
        scene.put_teamviewer_account(&admin, "tv").await;
        if !cases["sign_in_account"].is_null() {
            let client = json!({
                "vendor": "teamviewer", "instance": "acme", "client_id": "loop", "client_secret": "hunter2"
            });
            let connect = ask("POST", "/v1/accounts/people/connect").json(&client);
            let answer = scene.ask(connect.token(&admin)).await;
            assert_eq!(answer.status, 200, "{answer:?}");
        }
        let mut settings = json!({
            "history": {"account": "tv"}, "cases": {"account": "tv", "group": "g1"}
        });
        for (name, value) in cases.as_object().unwrap() {
            settings["cases"][name] = value.clone();
        }
        let answer = scene.set(&admin, &settings).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        Self {
            scene,
            company,
            admin,
            itil,
            _sandbox: sandbox,
        }
    }

    async fn get(&self, path: &str) -> Answer {
        self.scene.ask(ask("GET", path).token(&self.itil)).await
    }

    async fn post(&self, path: &str, body: Value) -> Answer {
        let request = ask("POST", path).token(&self.itil);
        self.scene
            .ask(if body.is_null() {
                request
            } else {
                request.json(&body)
            })
            .await
    }

    async fn make(&self, token: &str, more: Value) -> Answer {
        let mut body = json!({
            "task": {"number": "INC0010001"}, "customer_name": "Eve", "customer_email": "eve@example.com"
        });
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        let request = ask("POST", "/v1/cases").json(&body).token(token);
        self.scene.ask(request).await
    }

    /// How often TeamViewer was asked this.
    async fn asked(&self, call: &str) -> u64 {
        let calls = self.company.calls().await.unwrap();
        calls.get(call).copied().unwrap_or_default()
    }

    /// The account of whoever shows the itil token, with a token of their own at TeamViewer.
    async fn own_account(&self, state: &str) -> String {
        let found = self.get("/v1/teamviewer/sign-in").await;
        let name = found.body["account"].as_str().unwrap().to_owned();
        let account = json!({
            "vendor": "teamviewer", "instance": "acme", "credential": {"kind": "bearer", "token": "anns-token"}
        });
        let put = ask("PUT", &format!("/v1/accounts/{name}")).json(&account);
        let answer = self.scene.ask(put.token(&self.admin)).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        let mut aws = self.scene.aws();
        let rows = aws.tables.get_mut("accounts").unwrap();
        let row = rows
            .iter_mut()
            .find(|row| row["name"]["S"] == name.as_str());
        row.unwrap()["state"] = json!({"S": state});
        name
    }
}

fn session(code: &str, valid_until: &str) -> Value {
    json!({
        "code": code, "groupid": "g1", "description": "Printer", "online": true,
        "created_at": "2026-11-21T09:00:00Z", "valid_until": valid_until,
        "supporter_token": SECRET, "custom_api": "{\"number\": \"INC0010001\"}", "end_customer": {"name": "Eve", "email": "eve@example.com"}
    })
}

#[tokio::test]
async fn open_cases_are_the_same_for_all_viewers_and_show_the_columns_that_are_set() {
    let sessions = json!([
        session("s119-457-589", "2026-11-22T09:00:00Z"),
        session("s119-457-580", "2026-11-21T11:00:00Z"),
    ]);
    let columns = json!({"columns": ["online", "task_number", "customer_name"]});
    let mut office = Office::new(sessions, columns).await;
    let seen = office.get("/v1/cases").await;
    assert_eq!(
        seen.body,
        json!({
            "columns": ["online", "task_number", "customer_name"], "refresh_seconds": 30,
            "as_of": "2026-11-21T12:00:00Z",
            "cases": [{"code": "s119-457-589", "online": true, "task_number": "INC0010001", "customer_name": "Eve"}],
            "expired": [{"code": "s119-457-580", "online": true, "task_number": "INC0010001", "customer_name": "Eve"}],
            "cases_left_out": 0, "expired_left_out": 0,
        })
    );
    for _ in 0..3 {
        assert_eq!(office.get("/v1/cases").await.body, seen.body);
    }
    assert_eq!(office.asked(LOOK).await, 1);

    office.scene.now += SignedDuration::from_secs(31);
    let change = json!({"online": false});
    office
        .company
        .change_session("s119-457-589", &change)
        .await
        .unwrap();
    let later = office.get("/v1/cases").await;
    assert_eq!(later.body["cases"][0]["online"], false);
    assert_eq!(office.asked(LOOK).await, 2);

    // What TeamViewer refuses does not take away what is known.
    let refusal = Fault::new(Action::Status {
        status: 500,
        headers: BTreeMap::new(),
        body: json!({"error": "internal_error"}),
        after_write: false,
    });
    office
        .company
        .add_faults(&[refusal.times(9)])
        .await
        .unwrap();
    office.scene.now += SignedDuration::from_secs(31);
    let without = office.get("/v1/cases").await;
    assert_eq!(without.status, 200, "{without:?}");
    assert!(without.body["problem"].is_string(), "{without:?}");
    assert_eq!(without.body["cases"], later.body["cases"]);
    assert_eq!(without.body["as_of"], later.body["as_of"]);
}

#[tokio::test]
async fn list_of_the_longest_cases_fits_an_answer_and_tells_what_it_leaves_out() {
    let long = |number: usize| {
        let end = if number < 50 { "21T11" } else { "22T09" };
        let mut long = session(&format!("s{number:09}"), &format!("2026-11-{end}:00:00Z"));
        long["description"] = json!("😀".repeat(4_000));
        long
    };
    let sessions: Vec<_> = (0..350).map(long).collect();
    let columns = json!({"columns": ["code", "description", "customer_email"]});
    let office = Office::new(json!(sessions), columns).await;
    let seen = office.get("/v1/cases").await;
    assert_eq!(seen.status, 200);
    let shown = seen.body["cases"].as_array().unwrap().len();
    assert!((200..300).contains(&shown), "{shown}");
    assert_eq!(seen.body["cases_left_out"], 300 - shown);
    assert_eq!(
        (&seen.body["expired"], &seen.body["expired_left_out"]),
        (&json!([]), &json!(50))
    );
}

#[tokio::test]
async fn viewers_see_what_is_known_while_our_own_side_is_in_trouble() {
    let mut waits = session("s119-457-589", "2026-11-22T09:00:00Z");
    waits["online"] = json!(false);
    let mut office = Office::new(json!([waits]), json!({})).await;
    let seen = office.get("/v1/cases").await;
    office.scene.now += SignedDuration::from_secs(31);
    let online = json!({"online": true});
    let change = office.company.change_session("s119-457-589", &online);
    change.await.unwrap();
    office.scene.aws().down.push("PutEvents");
    for _ in 0..2 {
        let known = office.get("/v1/cases").await;
        assert_eq!(known.status, 200, "{known:?}");
        assert_eq!(known.body["cases"], seen.body["cases"]);
        let problem = known.body["problem"].as_str().unwrap();
        assert!(problem.contains("this stack"), "{problem}");
    }
}

#[tokio::test]
async fn viewers_see_what_is_known_when_teamviewer_takes_long() {
    let sessions = json!([session("s119-457-589", "2026-11-22T09:00:00Z")]);
    let mut office = Office::new(sessions, json!({})).await;
    let seen = office.get("/v1/cases").await;
    office.scene.now += SignedDuration::from_secs(31);
    let silence = Fault::new(Action::Hold {
        after_write: true,
        ms: 60_000,
    });
    office.company.add_faults(&[silence]).await.unwrap();
    let known = office.get("/v1/cases").await;
    assert_eq!(known.status, 200, "{known:?}");
    assert_eq!(known.body["cases"], seen.body["cases"]);
    assert!(known.body["problem"].is_string(), "{known:?}");
}

#[tokio::test]
async fn supporter_is_named_by_address_or_id() {
    let users = json!([
        {"id": "u1001", "name": "Ann", "email": "ann@example.com"},
        {"id": "u1002", "name": "Joanna", "email": "joann@example.com"},
    ]);
    let office = Office::with(json!([]), json!({}), users).await;
    let made = office
        .make(&office.itil, json!({"assigned_to": "Ann@Example.com"}))
        .await;
    assert_eq!(made.status, 201, "{made:?}");
    assert_eq!(made.body["case"]["assigned_to"], "u1001");
    let code = made.body["case"]["code"].as_str().unwrap();
    let assign = format!("/v1/cases/{code}/assign");
    for (user, id) in [
        ("joann@example.com", json!("u1002")),
        ("u0", Value::Null),
        ("u1001", json!("u1001")),
    ] {
        let answer = office.post(&assign, json!({"user": user})).await;
        assert_eq!(
            (answer.status, &answer.body["assigned_to"]),
            (200, &id),
            "{user}"
        );
    }
    let asked = office.asked("GET /api/v1/users").await;
    assert_eq!(asked, 2);
    for user in ["nn@example.com", "bob@example.com", "bob", "u12x"] {
        let answer = office.post(&assign, json!({"user": user})).await;
        assert_eq!(answer.status, 422, "{user}");
        assert_eq!(answer.body["errors"][0]["path"], "user", "{user}");
        assert!(!answer.body.to_string().contains(user), "{answer:?}");
    }
    // Whoever else TeamViewer finds is not meant.
    let all = Action::Status {
        status: 200,
        headers: BTreeMap::new(),
        body: json!({"users": [{"id": "u1002", "email": "joann@example.com"}]}),
        after_write: false,
    };
    let fault = Fault::new(all).on(Match {
        path_contains: Some("/users".to_owned()),
        ..Match::default()
    });
    office.company.add_faults(&[fault]).await.unwrap();
    let answer = office.post(&assign, json!({"user": "ann@example.com"}));
    assert_eq!(answer.await.status, 422);
    let wrong = json!({"assigned_to": "bob@example.com"});
    let answer = office.make(&office.itil, wrong).await;
    assert_eq!(answer.status, 422);
    assert_eq!(answer.body["errors"][0]["path"], "assigned_to");
    let case = office.get(&format!("/v1/cases/{code}")).await;
    assert_eq!(case.body["assigned_to"], "u1001");
}

#[tokio::test]
async fn case_is_made_once_for_a_task_and_a_person() {
    let office = Office::new(json!([]), json!({})).await;
    let made = office
        .make(&office.itil, json!({"assigned_to": "u1001"}))
        .await;
    assert_eq!(made.status, 201, "{made:?}");
    assert_eq!(made.body["case"]["task"]["table"], "incident");
    assert_eq!(made.body["case"]["assigned_to"], "u1001");
    let code = made.body["case"]["code"].as_str().unwrap();
    let again = office.make(&office.itil, json!({})).await;
    assert_eq!((again.status, &again.body["created"]), (200, &json!(false)));
    assert_eq!(again.body["case"]["code"], code);
    let other = office.make(&office.admin, json!({})).await;
    assert_eq!(other.status, 201);
    assert_ne!(other.body["case"]["code"], code);
    assert_eq!(office.asked(MAKE).await, 2);

    let listed = office.get("/v1/tasks/inc0010001/cases").await;
    assert_eq!(listed.body["items"].as_array().unwrap().len(), 2);
    let dense = code.replace('-', "").to_uppercase();
    let one = office.get(&format!("/v1/cases/{dense}")).await;
    assert_eq!((one.status, &one.body["state"]), (200, &json!("open")));
    let closed = office
        .post(&format!("/v1/cases/{code}/close"), Value::Null)
        .await;
    assert_eq!(
        (closed.status, &closed.body["state"]),
        (200, &json!("closed")),
        "{closed:?}"
    );
    let fetches = office.scene.work();
    assert!(
        fetches
            .iter()
            .any(|work| work["fetch_case"]["code"] == code),
        "{fetches:?}"
    );
    assert_eq!(office.get("/v1/cases/s000-000-001").await.status, 404);
}

#[tokio::test]
async fn request_that_cannot_be_used_names_its_field_and_makes_nothing() {
    let office = Office::new(json!([]), json!({})).await;
    for (more, path) in [
        (
            json!({"task": {"number": "INC0010001", "sys_id": "1"}}),
            "task",
        ),
        (json!({"task": {"number": "X1"}}), "task.table"),
        (
            json!({"task": {"number": "INC0010001", "id": 1}}),
            "task.id",
        ),
        (json!({"description": "x".repeat(4_001)}), "description"),
        (json!({"colour": "red"}), "colour"),
    ] {
        let answer = office.make(&office.itil, more).await;
        assert_eq!(answer.status, 422, "{answer:?}");
        assert_eq!(answer.body["errors"][0]["path"], path);
    }
    assert_eq!(office.asked(MAKE).await, 0);
}

#[tokio::test]
async fn supporter_link_is_in_one_answer_and_in_no_other() {
    let sessions = json!([session("s119-457-589", "2026-11-22T09:00:00Z")]);
    let columns = json!({"columns": ["code", "customer_link", "description"]});
    let mut office = Office::new(sessions, columns).await;
    office.scene.request_id = "request-supporter-link";
    let log = log();
    let link = office.get("/v1/cases/s119-457-589/supporter-link").await;
    let text = link.body["supporter_link"].as_str().unwrap();
    assert!(text.contains(SECRET), "{text}");
    assert_eq!(link.headers["cache-control"], "no-store");
    let template =
        json!({"name": "TV_A", "subject": "Code", "text": "${teamviewer.link} ${description}"});
    let put = ask("PUT", "/v1/mail-templates/TV_A").json(&template);
    assert_eq!(office.scene.ask(put.token(&office.admin)).await.status, 201);
    for path in [
        "/v1/cases",
        "/v1/cases/s119-457-589",
        "/v1/tasks/INC0010001/cases",
        "/v1/connections/status",
    ] {
        let answer = office
            .scene
            .ask(ask("GET", path).token(&office.admin))
            .await;
        assert_eq!(answer.status, 200, "{path}");
        assert!(!answer.body.to_string().contains(SECRET), "{path}");
    }
    for path in ["share/preview", "share", "assign", "close"] {
        let body = if path == "assign" {
            json!({"user": "u1001"})
        } else {
            json!({"template": "TV_A"})
        };
        let body = if path == "close" { Value::Null } else { body };
        let answer = office
            .post(&format!("/v1/cases/s119-457-589/{path}"), body)
            .await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        assert!(!answer.body.to_string().contains(SECRET), "{path}");
    }
    let mails = json!(office.scene.aws().mails).to_string();
    assert!(!mails.contains(SECRET), "{mails}");
    let lines = log.lines_of("request-supporter-link");
    assert!(lines.len() >= 10, "{lines:?}");
    for private in [SECRET, "eve@example.com", "Eve", "Printer", "s119457589"] {
        assert!(!lines.join("").contains(private), "{private}: {lines:?}");
    }
}

#[tokio::test]
async fn who_has_not_signed_in_is_told_how_unless_the_company_account_may_be_used() {
    let office = Office::new(
        json!([]),
        json!({"shared": false, "sign_in_account": "people"}),
    )
    .await;
    let answer = office.make(&office.itil, json!({})).await;
    assert_eq!(answer.status, 409, "{answer:?}");
    let detail = answer.body["detail"].as_str().unwrap();
    assert!(detail.contains("POST /v1/teamviewer/sign-in"), "{detail}");
    assert_eq!(office.asked(MAKE).await, 0);
    // Somebody else's sign-in does not count.
    let own = office.own_account("connected").await;
    assert_eq!(office.make(&office.admin, json!({})).await.status, 409);
    let answer = office.make(&office.itil, json!({})).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(answer.body["case"]["account"], own.as_str());
}

#[tokio::test]
async fn nobody_works_with_the_companys_account_where_it_is_not_shared() {
    let sessions = json!([session("s119-457-589", "2026-11-22T09:00:00Z")]);
    let settings = json!({"shared": false, "sign_in_account": "people"});
    let office = Office::new(sessions, settings).await;
    let template = json!({"name": "TV_A", "subject": "Code", "text": "${teamviewer.code}"});
    let put = ask("PUT", "/v1/mail-templates/TV_A").json(&template);
    assert_eq!(office.scene.ask(put.token(&office.admin)).await.status, 201);
    // The list is the company's for all, and makes the case known.
    let listed = office.get("/v1/cases").await;
    assert_eq!(listed.body["cases"].as_array().unwrap().len(), 1);
    let all = [
        ("GET", "", Value::Null),
        ("GET", "/supporter-link", Value::Null),
        ("POST", "/assign", json!({"user": "u1001"})),
        ("POST", "/share/preview", json!({"template": "TV_A"})),
        ("POST", "/share", json!({"template": "TV_A"})),
        ("POST", "/close", Value::Null),
    ];
    let ask_all = async |refused: bool| {
        for (method, path, body) in &all {
            let path = format!("/v1/cases/s119-457-589{path}");
            let answer = match *method {
                "GET" => office.get(&path).await,
                _ => office.post(&path, body.clone()).await,
            };
            let expected = if refused { 409 } else { 200 };
            assert_eq!(answer.status, expected, "{path}: {answer:?}");
            if refused {
                let detail = answer.body["detail"].as_str().unwrap();
                assert!(detail.contains("POST /v1/teamviewer/sign-in"), "{detail}");
            }
        }
    };
    ask_all(true).await;
    let [session] = office
        .company
        .records("sessions")
        .await
        .unwrap()
        .try_into()
        .unwrap();
    assert_eq!(session["state"], "Open", "{session}");
    assert!(office.scene.aws().mails.is_empty());
    office.own_account("connected").await;
    let assigned = json!({"assigned_userid": "u1001"});
    let changed = office.company.change_session("s119-457-589", &assigned);
    changed.await.unwrap();
    ask_all(false).await;
    assert_eq!(office.scene.aws().mails.len(), 1);
}

#[tokio::test]
async fn who_must_sign_in_again_is_told_so_and_goes_on_with_the_company_account() {
    let office = Office::new(json!([]), json!({})).await;
    office.own_account("reconnect").await;
    let answer = office.make(&office.itil, json!({})).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(answer.body["case"]["account"], "tv");
    let warnings = answer.body["warnings"].to_string();
    assert!(warnings.contains("sign in again"), "{warnings}");
}

#[tokio::test]
async fn code_is_mailed_once_to_the_customer() {
    let sessions = json!([session("s119-457-589", "2026-11-22T09:00:00Z")]);
    let office = Office::new(sessions, json!({})).await;
    let share = "/v1/cases/s119-457-589/share";
    let request = json!({"template": "TV_A"});
    assert_eq!(office.post(share, request.clone()).await.status, 404);
    let template = json!({"name": "TV_A", "subject": "Code", "text": "${teamviewer.code} from ${current_user}"});
    let put = ask("PUT", "/v1/mail-templates/TV_A").json(&template);
    assert_eq!(office.scene.ask(put.token(&office.admin)).await.status, 201);

    let preview = office
        .post(&format!("{share}/preview"), request.clone())
        .await;
    assert_eq!(
        preview.body["to"],
        json!(["eve@example.com"]),
        "{preview:?}"
    );
    assert_eq!(preview.body["text"], "s119-457-589 from itil-token");
    assert!(office.scene.aws().mails.is_empty());
    for repeated in [false, true] {
        let sent = office.post(share, request.clone()).await;
        assert_eq!(
            (sent.status, &sent.body["repeated"]),
            (200, &json!(repeated)),
            "{sent:?}"
        );
    }
    assert_eq!(office.scene.aws().mails.len(), 1);
    let wrong = json!({"template": "TV_A", "to": ["no address"]});
    let answer = office.post(share, wrong).await;
    assert_eq!(answer.status, 422, "{answer:?}");
    assert_eq!(answer.body["errors"][0]["path"], "to");
}

#[tokio::test]
async fn connections_of_a_tasks_cases_are_fetched_by_its_people() {
    let office = Office::new(json!([]), json!({})).await;
    let refresh = "/v1/tasks/INC0010001/connections/refresh";
    let none = office.post(refresh, Value::Null).await;
    assert_eq!((none.status, &none.body["codes"]), (202, &json!([])));
    let made = office.make(&office.itil, json!({})).await;
    let code = &made.body["case"]["code"];
    let answer = office.post(refresh, Value::Null).await;
    assert_eq!(
        (answer.status, &answer.body["codes"]),
        (202, &json!([code]))
    );
    let work = office.scene.work();
    assert_eq!(
        work,
        [json!({"fetch_case": {"code": code, "since": "2026-11-21T12:00:00Z"}})]
    );
    // The next one is told the same, and waits for what is under way.
    let again = office.post(refresh, Value::Null).await;
    assert_eq!((again.status, &again.body), (202, &answer.body));
    assert_eq!(office.scene.work().len(), 1);
}

#[tokio::test]
async fn cases_of_a_number_are_those_of_one_instance() {
    let of = |code: &str, instance: &str| {
        let task = json!({"inst": instance, "table": "incident", "number": "INC0010001"});
        let mut session = session(code, "2026-11-22T09:00:00Z");
        session["custom_api"] = json!(task.to_string());
        session
    };
    let sessions = json!([of("s119-457-001", "dev1"), of("s119-457-002", "prod")]);
    let office = Office::new(sessions, json!({})).await;
    // From then on they are known.
    assert_eq!(office.get("/v1/cases").await.status, 200);
    let refresh = "/v1/tasks/INC0010001/connections/refresh";
    let mixed = [
        office.get("/v1/tasks/INC0010001/cases").await,
        office.post(refresh, Value::Null).await,
    ];
    for answer in mixed {
        assert_eq!(answer.status, 422, "{answer:?}");
        assert_eq!(answer.body["errors"][0]["path"], "instance");
    }
    assert!(office.scene.work().is_empty());
    let prod = office.get("/v1/tasks/INC0010001/cases?instance=Prod").await;
    let items = prod.body["items"].as_array().unwrap();
    assert_eq!(
        (items.len(), &items[0]["code"]),
        (1, &json!("s119-457-002"))
    );
    let wrong = office
        .get("/v1/tasks/INC0010001/cases?instance=a%20b")
        .await;
    assert_eq!(wrong.status, 400);
    let answer = office
        .post(&format!("{refresh}?instance=dev1"), Value::Null)
        .await;
    assert_eq!(
        (answer.status, &answer.body["codes"]),
        (202, &json!(["s119-457-001"]))
    );
}
