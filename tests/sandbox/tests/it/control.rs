use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use reqwest::Method;
use sandbox::{Action, BearerToken, Control, ControlError, Fault, Match, Rotation, Sandbox};
use serde_json::{Value, json};

use crate::harness::{Account, basic};

const INCIDENTS: &str = "/api/now/table/incident";
const TICKETS: &str = "/api/v2/tickets";

async fn servicenow() -> Account {
    Account::servicenow(json!({ "users": [{ "username": "api", "password": "secret" }] })).await
}

async fn zendesk() -> Account {
    Account::zendesk(json!({ "users": [{ "username": "api@example.com", "password": "secret" }] }))
        .await
}

fn post_incident(account: &Account) -> reqwest::RequestBuilder {
    account
        .request(&Method::POST, INCIDENTS)
        .header("content-type", "application/json")
        .body(r#"{"short_description":"a"}"#)
}

async fn incidents(account: &Account) -> usize {
    account.control.records("incident").await.unwrap().len()
}

async fn one_held(account: &Account) -> sandbox::HeldRequest {
    for _ in 0..1000 {
        if let [held] = account.control.held().await.unwrap().as_slice() {
            return held.clone();
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    unreachable!("no request is held");
}

#[tokio::test]
async fn status_fault_strikes_matching_requests_in_turn() {
    let account = servicenow().await;
    let limited = Action::Status {
        status: 429,
        headers: BTreeMap::from([("retry-after".to_owned(), "30".to_owned())]),
        body: json!({ "error": { "message": "Rate limit exceeded" } }),
        after_write: false,
    };
    let fault = Fault::new(limited)
        .on(Match {
            method: Some("post".to_owned()),
            path_contains: Some("/incident".to_owned()),
            body_contains: Some("\"a\"".to_owned()),
        })
        .skip(1)
        .times(2);
    account.control.add_faults(&[fault]).await.unwrap();
    let mut statuses = Vec::new();
    for _ in 0..4 {
        assert_eq!(account.get(INCIDENTS).await.status, 200);
        let answer = account.send(post_incident(&account)).await;
        if answer.status == 429 {
            assert_eq!(answer.header("retry-after"), Some("30"));
            assert_eq!(answer.body["error"]["message"], "Rate limit exceeded");
        }
        statuses.push(answer.status);
    }
    assert_eq!(statuses, [201, 429, 429, 201]);
    assert_eq!(incidents(&account).await, 2);
    assert!(account.control.faults().await.unwrap().is_empty());
}

#[tokio::test]
async fn failure_may_come_after_the_write() {
    let account = servicenow().await;
    let failed = Action::Status {
        status: 502,
        headers: BTreeMap::new(),
        body: json!("Bad gateway"),
        after_write: true,
    };
    account
        .control
        .add_faults(&[Fault::new(failed)])
        .await
        .unwrap();
    let answer = account.send(post_incident(&account)).await;
    assert_eq!((answer.status, answer.body), (502, json!("Bad gateway")));
    assert_eq!(incidents(&account).await, 1);
}

#[tokio::test]
async fn lost_answer_is_applied_and_a_refused_connection_is_not() {
    let account = servicenow().await;
    for (action, applied) in [(Action::LoseAnswer, 1), (Action::RefuseBefore, 1)] {
        account
            .control
            .add_faults(&[Fault::new(action)])
            .await
            .unwrap();
        let error = post_incident(&account).send().await.unwrap_err();
        assert!(error.is_request() && error.status().is_none(), "{error:?}");
        assert_eq!(incidents(&account).await, applied);
    }
    let requests = account.control.requests().await.unwrap();
    assert_eq!(requests.len(), 2, "a cut connection invites no second try");
    assert!(requests.iter().all(|request| request.status.is_none()));
    assert_eq!(account.send(post_incident(&account)).await.status, 201);
}

#[tokio::test]
async fn delayed_request_is_applied_after_the_delay() {
    let account = servicenow().await;
    account
        .control
        .add_faults(&[Fault::new(Action::Delay { ms: 150 })])
        .await
        .unwrap();
    let start = Instant::now();
    assert_eq!(account.send(post_incident(&account)).await.status, 201);
    assert!(start.elapsed() >= Duration::from_millis(150));
}

#[tokio::test]
async fn held_request_waits_for_its_release() {
    for after_write in [true, false] {
        let account = servicenow().await;
        let delaying = Action::Hold {
            after_write,
            ms: 60_000,
        };
        account
            .control
            .add_faults(&[Fault::new(delaying)])
            .await
            .unwrap();
        let request = post_incident(&account).send();
        let client = tokio::spawn(request);
        let held = one_held(&account).await;
        assert_eq!((held.method.as_str(), held.applied), ("POST", after_write));
        assert_eq!(incidents(&account).await, usize::from(after_write));
        let recorded = &account.control.requests().await.unwrap()[0];
        assert_eq!(
            (recorded.id, recorded.peer_port, recorded.status),
            (held.id, held.peer_port, None)
        );
        account.control.release(Some(held.id)).await.unwrap();
        assert_eq!(client.await.unwrap().unwrap().status(), 201);
        assert!(account.control.held().await.unwrap().is_empty());
        assert_eq!(incidents(&account).await, 1);
    }
}

#[tokio::test]
async fn request_of_a_dead_client_is_applied_all_the_same() {
    let account = servicenow().await;
    let delaying = Action::Hold {
        after_write: false,
        ms: 60_000,
    };
    account
        .control
        .add_faults(&[Fault::new(delaying)])
        .await
        .unwrap();
    let client = tokio::spawn(post_incident(&account).send());
    one_held(&account).await;
    client.abort();
    assert!(client.await.unwrap_err().is_cancelled());
    account.control.release(None).await.unwrap();
    let applied = async {
        while incidents(&account).await == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), applied)
        .await
        .unwrap();
}

#[tokio::test]
async fn hold_ends_by_itself() {
    let account = servicenow().await;
    let delaying = Action::Hold {
        after_write: true,
        ms: 50,
    };
    account
        .control
        .add_faults(&[Fault::new(delaying)])
        .await
        .unwrap();
    assert_eq!(account.send(post_incident(&account)).await.status, 201);
}

#[tokio::test]
async fn keep_stores_and_answers_something_else() {
    let keep = |set: Value, drop: &[&str]| {
        Fault::new(Action::Keep {
            set: serde_json::from_value(set).unwrap(),
            drop: drop.iter().map(|name| (*name).to_owned()).collect(),
        })
    };
    let account = servicenow().await;
    let fault = keep(json!({ "urgency": "1" }), &["short_description"]);
    account.control.add_faults(&[fault]).await.unwrap();
    let created = account.send(post_incident(&account)).await;
    assert_eq!(created.status, 201);
    assert_eq!(
        (
            &created.body["result"]["urgency"],
            &created.body["result"]["short_description"]
        ),
        (&json!("1"), &json!(""))
    );
    let recorded = &account.control.requests().await.unwrap()[0];
    assert_eq!(
        recorded.body,
        json!({ "short_description": "a" }),
        "recorded as sent"
    );

    let account = zendesk().await;
    let fault = keep(json!({ "priority": "low" }), &["tags"]);
    account.control.add_faults(&[fault]).await.unwrap();
    let ticket =
        json!({ "ticket": { "priority": "high", "tags": ["a"], "comment": { "body": "c" } } });
    let created = account.post(TICKETS, &ticket).await;
    assert_eq!(
        (
            &created.body["ticket"]["priority"],
            &created.body["ticket"]["tags"]
        ),
        (&json!("low"), &json!([]))
    );
}

#[tokio::test]
async fn lost_create_is_found_again_under_its_key() {
    let account = zendesk().await;
    account
        .control
        .add_faults(&[Fault::new(Action::LoseAnswer)])
        .await
        .unwrap();
    let request = || {
        account
            .request(&Method::POST, TICKETS)
            .header("content-type", "application/json")
            .header("idempotency-key", "k")
            .body(r#"{"ticket":{"comment":{"body":"c"}}}"#)
    };
    request().send().await.unwrap_err();
    let second = account.send(request()).await;
    assert_eq!(
        (second.status, second.header("x-idempotency-lookup")),
        (201, Some("hit"))
    );
    assert_eq!(account.control.records("tickets").await.unwrap().len(), 1);
}

#[tokio::test]
async fn faults_can_be_listed_and_cleared() {
    let account = servicenow().await;
    let faults = [
        Fault::new(Action::LoseAnswer)
            .on(Match::method("POST"))
            .times(3),
        Fault::new(Action::Delay { ms: 1 }).skip(2),
    ];
    account.control.add_faults(&faults).await.unwrap();
    assert_eq!(account.control.faults().await.unwrap(), faults);
    account.control.clear_faults().await.unwrap();
    assert_eq!(account.send(post_incident(&account)).await.status, 201);
}

#[tokio::test]
async fn requests_are_recorded_without_credentials() {
    let account = zendesk().await;
    let request = account
        .request(&Method::POST, &format!("{TICKETS}?async=false&x=a%20b"))
        .header("content-type", "application/json")
        .header("idempotency-key", "k")
        .header("cookie", "session=1")
        .body(r#"{ "ticket": {} }"#);
    account.send(request).await;
    let requests = account.control.requests().await.unwrap();
    let [recorded] = requests.as_slice() else {
        panic!("{requests:?}");
    };
    assert_eq!(
        (recorded.method.as_str(), recorded.path.as_str()),
        ("POST", TICKETS)
    );
    assert_eq!(recorded.query[1], ("x".to_owned(), "a b".to_owned()));
    assert_eq!(recorded.body, json!({ "ticket": {} }));
    assert_eq!(recorded.text, r#"{ "ticket": {} }"#);
    assert_eq!(recorded.headers["idempotency-key"], "k");
    assert_eq!(recorded.user.as_deref(), Some("api@example.com"));
    assert_eq!(recorded.status, Some(422));
    assert!(recorded.sent_cookie);
    let everything = serde_json::to_string(&requests).unwrap();
    assert!(!everything.contains("authorization") && !everything.contains("session=1"));
}

#[tokio::test]
async fn secrets_can_be_rotated() {
    let mut account = zendesk().await;
    let rotation = Rotation {
        password: Some("new".into()),
        api_token: Some("tok".into()),
    };
    account
        .control
        .rotate("api@example.com", &rotation)
        .await
        .unwrap();
    for (username, password, status) in [
        ("api@example.com", "secret", 401),
        ("api@example.com", "new", 200),
        ("api@example.com/token", "tok", 200),
    ] {
        account.authorize(Some(basic(username, password)));
        assert_eq!(
            account.get(TICKETS).await.status,
            status,
            "{username} {password}"
        );
    }
    let refused = account
        .control
        .rotate("nobody", &rotation)
        .await
        .unwrap_err();
    assert!(matches!(refused, ControlError::Refused { status: 400, .. }));
}

#[tokio::test]
async fn expired_token_can_be_followed_by_another() {
    let mut account = servicenow().await;
    let token = |text: &str| BearerToken {
        token: text.into(),
        ..BearerToken::default()
    };
    account
        .control
        .add_bearer_token(&token("one"))
        .await
        .unwrap();
    account.control.expire_tokens().await.unwrap();
    account
        .control
        .add_bearer_token(&token("two"))
        .await
        .unwrap();
    for (text, status) in [("one", 401), ("two", 200)] {
        account.authorize(Some(format!("Bearer {text}")));
        assert_eq!(account.get(INCIDENTS).await.status, status, "{text}");
    }
}

#[tokio::test]
async fn instances_share_nothing_and_replacing_one_empties_it() {
    let account = servicenow().await;
    let config = json!({ "users": [{ "username": "api", "password": "secret" }] });
    let other = Control::new(account.sandbox.base_url()).servicenow("dev2");
    other.create(&config).await.unwrap();
    other
        .add_faults(&[Fault::new(Action::RefuseBefore)])
        .await
        .unwrap();
    assert_eq!(account.send(post_incident(&account)).await.status, 201);
    assert!(other.records("incident").await.unwrap().is_empty());
    assert!(other.requests().await.unwrap().is_empty());
    account.control.create(&config).await.unwrap();
    assert_eq!(incidents(&account).await, 0);
}

#[tokio::test]
async fn mistakes_in_control_calls_are_named() {
    let account = servicenow().await;
    let control = Control::new(account.sandbox.base_url());
    let check = |result: Result<(), ControlError>, status: u16, part: &str| match result {
        Err(ControlError::Refused {
            status: actual,
            reason,
        }) => {
            assert_eq!(actual, status);
            assert!(reason.contains(part), "{reason}");
        }
        other => panic!("{other:?}"),
    };
    let zendesk = control.zendesk("acme");
    check(
        zendesk.create(&json!({ "user": [] })).await,
        400,
        "unknown field `user`",
    );
    check(
        zendesk
            .create(&json!({ "bearer_tokens": [{ "token": "t" }] }))
            .await,
        400,
        "needs a user",
    );
    check(
        account
            .control
            .create(&json!({ "mandatory_fields": { "incident": ["u_x"] } }))
            .await,
        400,
        "no column u_x in a table incident",
    );
    check(
        control.servicenow("dev9").clear_faults().await,
        404,
        "no instance servicenow/dev9",
    );
    check(
        account.control.records("cats").await.map(|_| ()),
        400,
        "no table cats",
    );
    let http = reqwest::Client::new();
    let url = format!("{}/_sandbox/servicenow/dev1", account.sandbox.base_url());
    for (path, body, status, part) in [
        (
            "faults",
            r#"[{"action":"explode"}]"#,
            400,
            "unknown variant `explode`",
        ),
        (
            "faults",
            r#"[{"action":{"delay":{"ms":1,"x":2}}}]"#,
            400,
            "unknown field `x`",
        ),
        (
            "faults",
            r#"[{"action":{"status":{"status":99}}}]"#,
            400,
            "99 is no HTTP status",
        ),
        ("nothing", "", 404, "no POST"),
    ] {
        let response = http
            .post(format!("{url}/{path}"))
            .body(body)
            .send()
            .await
            .unwrap();
        assert_eq!(response.status().as_u16(), status);
        let text = response.text().await.unwrap();
        assert!(text.contains(part), "{text}");
    }
}

#[tokio::test]
async fn dropped_sandbox_stops_listening() {
    let sandbox = Sandbox::start().await;
    let address = sandbox
        .base_url()
        .strip_prefix("http://")
        .unwrap()
        .to_owned();
    drop(sandbox);
    let gone = async {
        while tokio::net::TcpStream::connect(&address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), gone)
        .await
        .unwrap();
}

#[tokio::test]
async fn program_prints_its_address_and_ends_on_sigterm() {
    use std::io::{BufRead, BufReader};

    let mut program = Command::new(env!("CARGO_BIN_EXE_sandbox"))
        .args(["--port", "0"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(program.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let control = Control::new(line.trim()).zendesk("acme");
    control.create(&json!({})).await.unwrap();
    // An open connection must not keep it alive.
    let killed = Command::new("kill")
        .arg(program.id().to_string())
        .status()
        .unwrap();
    assert!(killed.success());
    for _ in 0..500 {
        if let Some(status) = program.try_wait().unwrap() {
            assert!(status.success());
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    program.kill().unwrap();
    panic!("still running");
}
