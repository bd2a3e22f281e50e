//! Tickets.

use std::time::Duration;

use accounts::Credential;
use domain::TaskKind;
use jiff::SignedDuration;
use retry::Disposition;
use serde_json::{Value, json};
use vendor_http::test_support::Step;

use crate::harness::{Attempt, STAMP, key, lines};

fn new_ticket() -> Value {
    json!({"comment": "They said {{ticket.id}}", "subject": "Low score", "priority": "high"})
}

fn sent() -> Value {
    json!({"ticket": {
        "comment": {"body": "They said {\u{2060}{ticket.id}}", "public": false},
        "subject": "Low score", "priority": "high",
        "external_id": key().as_str(), "metadata": {"closedloop_task": key().as_str()},
    }})
}

pub(crate) fn ticket() -> Value {
    json!({
        "id": 35436, "external_id": key().as_str(), "updated_at": STAMP, "status": "open",
        "subject": "Low score", "priority": "high",
    })
}

pub(crate) fn written(status: u16) -> Step {
    Step::json(status, json!({"ticket": ticket(), "audit": {"id": 1}}))
}

fn found(tickets: &[Value]) -> Step {
    Step::json(200, json!({ "tickets": tickets }))
}

#[tokio::test]
async fn first_attempt_creates_at_once() {
    let answer = written(201).with("x-request-id", "r1");
    let (result, received) = Attempt::create(new_ticket()).against([answer]).await;
    let done = result.unwrap();
    assert_eq!(lines(&received), ["POST tickets"]);
    assert_eq!(received[0].json(), sent());
    assert_eq!(received[0].header("idempotency-key"), key().as_str());
    assert_eq!(received[0].header("authorization"), "Bearer t0ken");
    let link = done.link.unwrap();
    assert!(
        link.ends_with("/zendesk/acme/agent/tickets/35436"),
        "{link}"
    );
    assert_eq!(
        Value::Object(done.output),
        json!({"id": 35436, "status": "open", "updated_at": STAMP, "link": link})
    );
    assert_eq!(done.warnings, [""; 0]);
    assert_eq!(done.calls.len(), 1);
    let call = &done.calls[0];
    assert_eq!(
        (call.method.as_str(), call.path.as_str()),
        ("POST", "/zendesk/acme/api/v2/tickets")
    );
    assert_eq!(
        (call.status, call.request_id.as_deref()),
        (Some(201), Some("r1"))
    );
    assert_eq!(call.sent, Some(sent()));
}

#[tokio::test]
async fn what_was_ignored_or_changed_is_a_warning() {
    let mut input = new_ticket();
    input["status"] = json!("new");
    input["custom_fields"] = json!({"360001": "gold"});
    let answer = written(201).with(
        "x-zendesk-api-warn",
        r#"{:unpermitted_keys=>["ticket.foo"], :invalid_values=>[]}"#,
    );
    let (result, _) = Attempt::create(input).against([answer]).await;
    assert_eq!(
        result.unwrap().warnings,
        [
            "Zendesk ignored the key ticket.foo",
            "`status`: sent `new`, kept `open`",
            "`custom_fields.360001`: the answer does not have it; the account may not have that field",
        ]
    );
}

#[tokio::test]
async fn lost_answer_to_a_create_is_to_be_reconciled() {
    let (result, received) = Attempt::create(new_ticket()).against([Step::Lose]).await;
    let failed = result.unwrap_err();
    assert_eq!(failed.disposition, Disposition::RECONCILE);
    assert_eq!(received.len(), 1);
    assert_eq!(failed.calls.len(), 1);
    assert_eq!(
        (failed.calls[0].status, &failed.calls[0].sent),
        (None, &Some(sent()))
    );
}

#[tokio::test]
async fn ticket_of_an_earlier_attempt_is_taken() {
    let (result, received) = Attempt::create(new_ticket())
        .again()
        .against([found(&[ticket()])])
        .await;
    let done = result.unwrap();
    assert_eq!(lines(&received), ["GET tickets"]);
    assert_eq!(
        received[0].query(),
        [("external_id".to_owned(), key().to_string())]
    );
    assert_eq!(done.output["id"], 35436);
    assert_eq!(done.warnings, [""; 0]);

    let mut younger = ticket();
    younger["id"] = json!(35440);
    let (result, _) = Attempt::create(new_ticket())
        .again()
        .against([found(&[younger, ticket()])])
        .await;
    let done = result.unwrap();
    assert_eq!(done.output["id"], 35436);
    assert!(done.warnings[0].contains("oldest"), "{:?}", done.warnings);
}

#[tokio::test]
async fn same_bytes_and_key_are_sent_when_nothing_was_found() {
    let (result, again) = Attempt::create(new_ticket())
        .again()
        .against([found(&[]), written(201)])
        .await;
    assert_eq!(result.unwrap().calls.len(), 2);
    assert_eq!(lines(&again), ["GET tickets", "POST tickets"]);
    let (_, first) = Attempt::create(new_ticket()).against([written(201)]).await;
    assert_eq!(again[1].body, first[0].body);
    assert_eq!(
        again[1].header("idempotency-key"),
        first[0].header("idempotency-key")
    );
}

#[tokio::test]
async fn old_task_looks_before_it_trusts_its_key() {
    for (minutes, script, expected) in [
        (89, vec![written(201)], vec!["POST tickets"]),
        (
            91,
            vec![found(&[]), written(201)],
            vec!["GET tickets", "POST tickets"],
        ),
    ] {
        let attempt = Attempt {
            age: SignedDuration::from_mins(minutes),
            ..Attempt::create(new_ticket())
        };
        let (result, received) = attempt.against(script).await;
        result.unwrap();
        assert_eq!(lines(&received), expected);
    }
}

pub(crate) fn change() -> Value {
    json!({"ticket_id": "35436", "comment": "Still low", "status": "open"})
}

pub(crate) fn sent_change() -> Value {
    json!({"ticket": {
        "comment": {"body": "Still low", "public": false}, "status": "open",
        "metadata": {"closedloop_task": key().as_str()},
    }})
}

pub(crate) fn audits(task: &str) -> Step {
    Step::json(
        200,
        json!({"audits": [{"id": 1, "metadata": {"custom": {"closedloop_task": task}}}], "next_page": null}),
    )
}

#[tokio::test]
async fn first_update_is_one_call_without_a_stamp() {
    let (result, received) = Attempt::update(change()).against([written(200)]).await;
    let done = result.unwrap();
    assert_eq!(lines(&received), ["PUT tickets/35436"]);
    assert_eq!(received[0].json(), sent_change());
    assert_eq!(received[0].header("idempotency-key"), "");
    assert_eq!(done.output["id"], 35436);
    assert_eq!(done.calls[0].sent, Some(sent_change()));
}

#[tokio::test]
async fn update_that_is_in_already_is_not_sent_again() {
    let (result, received) = Attempt::update(change())
        .again()
        .against([written(200), audits(key().as_str())])
        .await;
    let done = result.unwrap();
    assert_eq!(
        lines(&received),
        ["GET tickets/35436", "GET tickets/35436/audits"]
    );
    assert_eq!(
        (done.calls.len(), &done.output["status"]),
        (2, &json!("open"))
    );
}

#[tokio::test]
async fn update_that_is_not_in_is_sent_for_the_ticket_as_it_was_read() {
    let script = [written(200), audits("tk_other"), written(200)];
    let (result, received) = Attempt::update(change()).again().against(script).await;
    let done = result.unwrap();
    assert_eq!(
        lines(&received),
        [
            "GET tickets/35436",
            "GET tickets/35436/audits",
            "PUT tickets/35436"
        ]
    );
    let mut expected = sent_change();
    expected["ticket"]["safe_update"] = json!(true);
    expected["ticket"]["updated_stamp"] = json!(STAMP);
    assert_eq!(received[2].json(), expected);
    assert_eq!(done.calls[2].sent, Some(expected));
}

#[tokio::test]
async fn every_page_of_audits_is_recorded() {
    let page = || {
        let audit = json!({"id": 1, "metadata": {"custom": {}}});
        Step::json(
            200,
            json!({"audits": [audit], "next_page": "https://acme.zendesk.com/next"}),
        )
    };
    let script = [written(200), page(), page(), audits(key().as_str())];
    let (result, _) = Attempt::update(change()).again().against(script).await;
    assert_eq!(result.unwrap().calls.len(), 4);

    let script = [written(200), page(), page(), Step::json(503, "{}")];
    let (result, _) = Attempt::update(change()).again().against(script).await;
    let statuses: Vec<_> = result
        .unwrap_err()
        .calls
        .iter()
        .map(|call| call.status)
        .collect();
    assert_eq!(statuses, [Some(200), Some(200), Some(200), Some(503)]);
}

#[tokio::test]
async fn ticket_that_moved_on_is_looked_at_again() {
    let conflict = Step::json(
        409,
        json!({"error": "UpdateConflict", "description": "Outdated"}),
    );
    let script = [written(200), audits("tk_other"), conflict];
    let (result, _) = Attempt::update(change()).again().against(script).await;
    let failed = result.unwrap_err();
    assert_eq!(failed.disposition, Disposition::RECONCILE);
    let statuses: Vec<_> = failed.calls.iter().map(|call| call.status).collect();
    assert_eq!(statuses, [Some(200), Some(200), Some(409)]);
}

#[tokio::test]
async fn refusal_keeps_the_words_of_the_account() {
    let answer = json!({
        "error": "RecordInvalid", "description": "Record validation errors",
        "details": {"status": [{"description": "Status: closed prevents ticket update"}]},
    });
    let (result, _) = Attempt::update(change())
        .against([Step::json(422, answer)])
        .await;
    let failed = result.unwrap_err();
    assert_eq!(failed.disposition, Disposition::GiveUp);
    assert!(
        failed.reason.contains("closed prevents ticket update"),
        "{}",
        failed.reason
    );
    assert!(!failed.unauthorized);
    assert_eq!(failed.calls[0].sent, Some(sent_change()));
}

#[tokio::test]
async fn throttled_call_waits_as_long_as_it_is_told() {
    let answer = Step::json(429, json!({"error": "APIRateLimitExceeded"})).with("retry-after", 37);
    let (result, _) = Attempt::create(new_ticket()).against([answer]).await;
    let after = Some(Duration::from_secs(37));
    assert_eq!(
        result.unwrap_err().disposition,
        Disposition::Retry { after }
    );
}

#[tokio::test]
async fn refused_credentials_are_told_apart() {
    let answer = || Step::json(401, json!({"error": "Couldn't authenticate you"}));
    for (credential, header) in [
        (
            Credential::ApiToken {
                email: Some("a@example.com".to_owned()),
                token: "t0ken".into(),
            },
            "Basic YUBleGFtcGxlLmNvbS90b2tlbjp0MGtlbg==",
        ),
        (
            Credential::Basic {
                username: "a@example.com".to_owned(),
                password: "t0ken".into(),
            },
            "Basic YUBleGFtcGxlLmNvbTp0MGtlbg==",
        ),
    ] {
        let attempt = Attempt {
            credential,
            ..Attempt::create(new_ticket())
        };
        let (result, received) = attempt.against([answer()]).await;
        let failed = result.unwrap_err();
        assert_eq!(received[0].header("authorization"), header);
        assert!(failed.unauthorized);
        assert!(failed.reason.contains("Couldn't authenticate you"));
        assert!(!failed.reason.contains("t0ken"));
    }
}

#[tokio::test]
async fn nothing_is_called_for_what_can_never_work() {
    let wrong_subdomain = Attempt {
        subdomain: "evil.example.com",
        ..Attempt::create(new_ticket())
    };
    let other_vendor = Attempt {
        kind: TaskKind::ServiceNowCreateRecord,
        ..Attempt::create(new_ticket())
    };
    for (attempt, expected) in [
        (wrong_subdomain, "subdomain"),
        (other_vendor, "servicenow.create_record"),
        (Attempt::create(json!({"comment": ""})), "comment is empty"),
        (
            Attempt::update(json!({"ticket_id": 1})),
            "nothing to change",
        ),
    ] {
        let (result, received) = attempt.against([]).await;
        let failed = result.unwrap_err();
        assert_eq!(failed.disposition, Disposition::GiveUp);
        assert!(failed.reason.contains(expected), "{}", failed.reason);
        assert!(received.is_empty() && failed.calls.is_empty());
    }
}
