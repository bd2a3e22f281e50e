//! The connector against a scripted account on this machine.
#![cfg(test)]

use std::time::Duration;

use accounts::{Connected, Credential, Vendors};
use domain::preview::{PreviewAccount, PreviewRequest};
use domain::{
    Account, AccountKind, AccountName, AccountState, RunId, TaskKey, TaskKind, TaskName, Vendor,
};
use jiff::Timestamp;
use retry::Disposition;
use serde_json::{Value, json};
use task_runner::test_support::assert_foretold;
use task_runner::{Assignment, Connector as _, Done, Failed};
use teamviewer_tasks::TeamViewer;
use vendor_http::test_support::{Received, Server, Step};

fn key() -> TaskKey {
    let run = RunId::parse(&format!("run_{}", "0".repeat(32))).unwrap();
    TaskKey::derive(&run, &TaskName::parse("case").unwrap())
}

async fn attempt(
    input: &Value,
    look_first: bool,
    script: impl IntoIterator<Item = Step>,
) -> (Result<Done, Failed>, Vec<Received>) {
    let server = Server::start(script).await.unwrap();
    let http = vendor_http::Client::new()
        .unwrap()
        .with_timeout(Duration::from_secs(2));
    let url = format!("{}/teamviewer/{{company}}", server.url());
    let vendors =
        Vendors::from_vars(http, |name| (name == "TEAMVIEWER_URL").then(|| url.clone())).unwrap();
    let now: Timestamp = "2026-11-22T10:00:00Z".parse().unwrap();
    let connected = Connected {
        account: Account {
            name: AccountName::parse("tv").unwrap(),
            vendor: Vendor::TeamViewer,
            instance: "acme".to_owned(),
            kind: AccountKind::Bearer,
            state: AccountState::Connected,
            problem: None,
            owner: None,
            secret: "closedloop/accounts/teamviewer/tv".to_owned(),
            updated_at: now,
            verified_at: None,
            used_at: None,
        },
        credential: Credential::Bearer {
            token: "1234567-token".into(),
        },
    };
    let kind = TaskKind::TeamViewerCreateSession;
    let connector = TeamViewer::new(vendors);
    let assignment = Assignment {
        key: &key(),
        kind,
        input,
        look_first,
        first_attempt_at: now,
        now,
    };
    let result = connector.perform(&assignment, &connected).await;
    let received = server.received();
    if !look_first {
        let preview = connector.preview(&PreviewRequest {
            kind,
            key: key(),
            account: PreviewAccount {
                name: connected.account.name,
                vendor: Vendor::TeamViewer,
                instance: Some("acme".to_owned()),
            },
            input: input.clone(),
        });
        assert_foretold(&preview, &received, result.is_ok());
    }
    (result, received)
}

fn session(code: &str, custom_api: &str) -> Value {
    let digits = code.replace('-', "");
    json!({
        "code": code, "state": "Open", "groupid": "g7", "description": "Nobody answers",
        "end_customer": {"name": "Ann", "email": "ann@example.com"}, "custom_api": custom_api,
        "end_customer_link": format!("https://get.teamviewer.com/v15/{digits}"),
        "supporter_link": format!("https://get.teamviewer.com/v15/{digits}-sup3rsecret"),
        "webclient_supporter_link": "https://login.teamviewer.com/?servicequeuetoken=sup3rsecret",
        "valid_until": "2026-11-23T10:00:00Z",
    })
}

fn input() -> Value {
    json!({
        "group": "g7", "description": "Nobody answers", "customer_name": "Ann",
        "customer_email": "ann@example.com", "task": {"table": "incident", "number": "INC0010001"}
    })
}

fn note() -> String {
    format!(
        r#"{{"key":"{}","number":"INC0010001","table":"incident"}}"#,
        key()
    )
}

fn lines(received: &[Received]) -> Vec<String> {
    let line = |request: &Received| {
        let path = request.target.replace("/teamviewer/acme/api/v1", "");
        format!("{} {path}", request.method)
    };
    received.iter().map(line).collect()
}

#[tokio::test]
async fn session_is_created_with_the_tasks_key_and_its_secrets_stay_away() {
    let script = [Step::json(200, session("s119-457-589", &note()))];
    let (result, received) = attempt(&input(), false, script).await;
    let done = result.unwrap();
    assert_eq!(lines(&received), ["POST /sessions"]);
    assert_eq!(received[0].header("authorization"), "Bearer 1234567-token");
    let sent = received[0].json();
    assert_eq!(sent["groupid"], "g7");
    assert_eq!(sent["end_customer"]["email"], "ann@example.com");
    assert_eq!(
        serde_json::from_str::<Value>(sent["custom_api"].as_str().unwrap()).unwrap(),
        serde_json::from_str::<Value>(&note()).unwrap()
    );
    assert_eq!(
        Value::from(done.output.clone()),
        json!({
            "code": "s119-457-589", "customer_link": "https://get.teamviewer.com/v15/s119457589",
            "valid_until": "2026-11-23T10:00:00Z"
        })
    );
    assert!(!format!("{done:?}").contains("sup3rsecret"));
}

#[tokio::test]
async fn name_of_a_group_is_looked_up_and_never_makes_one() {
    let groups =
        json!({"groups": [{"id": "g7", "name": "Helpdesk"}, {"id": "g8", "name": "Helpdesk 2"}]});
    let named = |name: &str| json!({"group": name, "description": "Nobody answers"});
    let script = [
        Step::json(200, groups.clone()),
        Step::json(200, session("s119-457-589", "")),
    ];
    let (result, received) = attempt(&named("Helpdesk"), false, script).await;
    assert_eq!(received[1].json()["groupid"], "g7");
    let warnings = result.unwrap().warnings;
    assert_eq!(warnings, ["TeamViewer did not keep `task` as it was sent"]);

    let (result, received) = attempt(&named("Helpdsek"), false, [Step::json(200, groups)]).await;
    let failed = result.unwrap_err();
    assert_eq!(failed.disposition, Disposition::GiveUp);
    assert!(failed.reason.contains("Helpdsek"), "{}", failed.reason);
    assert_eq!(received.len(), 1);
}

#[tokio::test]
async fn session_whose_creation_was_not_confirmed_is_found_again() {
    let address =
        Step::json(302, json!(null)).with("location", "https://get.teamviewer.com/v15/s119457589");
    for script in [
        vec![Step::Lose],
        vec![address.clone(), Step::Lose],
        vec![address, Step::json(404, json!({"error": "not_found"}))],
    ] {
        let (result, _) = attempt(&input(), false, script).await;
        let failed = result.unwrap_err();
        assert!(
            matches!(failed.disposition, Disposition::Reconcile { after: Some(after) } if after >= Duration::from_secs(30)),
            "{failed:?}"
        );
    }
    let others = json!({
        "sessions": [session("s111-111-111", r#"{"key":"tk_other"}"#), session("s222-222-222", "INC0010001")],
        "sessions_remaining": 1, "next_offset": "s222-222-222"
    });
    let ours = json!({"sessions": [session("s119-457-589", &note())]});
    let script = [Step::json(200, others), Step::json(200, ours)];
    let (result, received) = attempt(&input(), true, script).await;
    let done = result.unwrap();
    assert_eq!(done.output["code"], "s119-457-589");
    assert_eq!(
        lines(&received),
        [
            "GET /sessions?full_list=true&state=open",
            "GET /sessions?full_list=true&state=open&offset=s222-222-222"
        ]
    );
}

#[tokio::test]
async fn session_is_created_when_none_is_found_and_lists_that_repeat_are_no_proof() {
    let empty = || Step::json(200, json!({"sessions": []}));
    let created = Step::json(200, session("s119-457-589", &note()));
    let (result, received) = attempt(&input(), true, [empty(), created]).await;
    assert!(result.is_ok());
    assert_eq!(received.len(), 2);

    let page = || {
        let sessions = [session("s111-111-111", "")];
        Step::json(
            200,
            json!({"sessions": sessions, "next_offset": "s111-111-111"}),
        )
    };
    let (result, received) = attempt(&input(), true, [page(), page()]).await;
    let failed = result.unwrap_err();
    assert_eq!(failed.disposition, Disposition::GiveUp);
    assert!(!lines(&received).iter().any(|line| line.starts_with("POST")));
}

#[tokio::test]
async fn limits_and_refusals_say_what_happens_next() {
    let error = |status: u16, code: &str, text: &str| {
        Step::json(
            status,
            json!({"error": code, "error_description": text, "error_code": 1}),
        )
    };
    let (result, _) = attempt(
        &input(),
        false,
        [error(403, "rate_limit_reached", "slow down")],
    )
    .await;
    let failed = result.unwrap_err();
    assert!(
        matches!(failed.disposition, Disposition::Retry { after: Some(after) } if after >= Duration::from_mins(5)),
        "{failed:?}"
    );
    let full = "license limitations: maximum number of simultaneous cases";
    let (result, _) = attempt(&input(), false, [error(400, "invalid_request", full)]).await;
    assert!(matches!(
        result.unwrap_err().disposition,
        Disposition::Retry { .. }
    ));
    let (result, _) = attempt(&input(), false, [error(400, "token_expired", "expired")]).await;
    assert!(result.unwrap_err().unauthorized);
    let (result, received) = attempt(
        &json!({"group": "g7", "task": {"sys_id": "INC1"}}),
        false,
        [],
    )
    .await;
    let failed = result.unwrap_err();
    assert!(failed.reason.contains("task.sys_id"), "{}", failed.reason);
    assert!(received.is_empty());
}

#[tokio::test]
async fn session_that_only_an_address_tells_of_is_read() {
    let redirect =
        Step::json(302, json!(null)).with("location", "https://get.teamviewer.com/v15/s119457589");
    let script = [redirect, Step::json(200, session("s119-457-589", &note()))];
    let (result, received) = attempt(&input(), false, script).await;
    assert_eq!(result.unwrap().output["code"], "s119-457-589");
    assert_eq!(
        lines(&received),
        ["POST /sessions", "GET /sessions/s119-457-589"]
    );
}

#[tokio::test]
async fn what_is_blank_is_left_out() {
    let blank =
        json!({"group": "g7", "customer_name": " ", "customer_email": "", "valid_until": " "});
    let script = [Step::json(200, session("s119-457-589", &note()))];
    let (result, received) = attempt(&blank, false, script).await;
    result.unwrap();
    let sent = received[0].json();
    assert!(sent.get("end_customer").is_none(), "{sent}");
    assert!(sent.get("valid_until").is_none(), "{sent}");
}
