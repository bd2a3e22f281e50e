//! The connector against a scripted instance on this machine.
#![cfg(test)]

mod preview;

use std::time::Duration;

use accounts::{Connected, Credential, Vendors};
use domain::preview::{Preview, PreviewAccount, PreviewRequest};
use domain::{
    Account, AccountKind, AccountName, AccountState, RunId, TaskKey, TaskKind, TaskName, Vendor,
};
use jiff::Timestamp;
use retry::Disposition;
use serde_json::{Value, json};
use servicenow_tasks::ServiceNow;
use task_runner::test_support::assert_foretold;
use task_runner::{Assignment, Connector as _, Done, Failed};
use vendor_http::test_support::{Received, Server, Step};

const ID: &str = "54b947b1c30e0310c5a8fc0d05013158";
const OTHER_ID: &str = "6816f79cc0a8016401c5a33be04be441";
const ROWS: &str = "/servicenow/dev12345/api/now/table/incident";
const FIRST_ATTEMPT: &str = "2026-07-14T00:28:20Z";

fn key() -> TaskKey {
    let run = RunId::parse(&format!("run_{}", "0".repeat(32))).unwrap();
    TaskKey::derive(&run, &TaskName::parse("incident").unwrap())
}

fn password() -> Credential {
    Credential::Basic {
        username: "api".to_owned(),
        password: "s3cret".into(),
    }
}

struct Attempt {
    kind: TaskKind,
    input: Value,
    look_first: bool,
    instance: &'static str,
    credential: Credential,
}

impl Attempt {
    fn create(input: Value) -> Self {
        Self {
            kind: TaskKind::ServiceNowCreateRecord,
            input,
            look_first: false,
            instance: "dev12345",
            credential: password(),
        }
    }

    fn update(input: Value) -> Self {
        Self {
            kind: TaskKind::ServiceNowUpdateRecord,
            ..Self::create(input)
        }
    }

    fn again(self) -> Self {
        Self {
            look_first: true,
            ..self
        }
    }

    fn preview(&self, url: &str) -> Preview {
        connector(Some(url)).preview(&PreviewRequest {
            kind: self.kind,
            key: key(),
            account: PreviewAccount {
                name: AccountName::parse("service-desk").unwrap(),
                vendor: Vendor::ServiceNow,
                instance: Some(self.instance.to_owned()),
            },
            input: self.input.clone(),
        })
    }

    async fn at(self, url: &str) -> Result<Done, Failed> {
        let first: Timestamp = FIRST_ATTEMPT.parse().unwrap();
        let connected = Connected {
            account: Account {
                name: AccountName::parse("service-desk").unwrap(),
                vendor: Vendor::ServiceNow,
                instance: self.instance.to_owned(),
                kind: AccountKind::Basic,
                state: AccountState::Connected,
                problem: None,
                owner: None,
                secret: "accounts/service-desk".to_owned(),
                updated_at: first,
                verified_at: None,
                used_at: None,
            },
            credential: self.credential,
        };
        let assignment = Assignment {
            key: &key(),
            kind: self.kind,
            input: &self.input,
            look_first: self.look_first,
            first_attempt_at: first,
            now: first,
        };
        connector(Some(url)).perform(&assignment, &connected).await
    }

    async fn against(
        self,
        script: impl IntoIterator<Item = Step>,
    ) -> (Result<Done, Failed>, Vec<Received>) {
        let server = Server::start(script).await.unwrap();
        let preview = (!self.look_first).then(|| self.preview(&server.url()));
        let result = self.at(&server.url()).await;
        let received = server.received();
        if let Some(preview) = preview {
            assert_foretold(&preview, &received, result.is_ok());
        }
        (result, received)
    }
}

/// The instances are below this address, or where they really are.
fn connector(url: Option<&str>) -> ServiceNow {
    // Long enough for a busy machine, short enough to wait for in a test.
    let http = vendor_http::Client::new()
        .unwrap()
        .with_timeout(Duration::from_secs(2));
    let template = url.map(|url| format!("{url}/servicenow/{{instance}}"));
    let vendors = Vendors::from_vars(http, |name| {
        template.clone().filter(|_| name == "SERVICENOW_URL")
    });
    ServiceNow::new(vendors.unwrap())
}

fn new_incident() -> Value {
    json!({"table": "incident", "short_description": "Low score", "urgency": "high", "comment": "Why?"})
}

fn sent() -> Value {
    json!({
        "short_description": "Low score", "urgency": "1", "comments": "Why?",
        "correlation_id": key().as_str(), "correlation_display": "closedloop",
    })
}

/// The record as the instance keeps it: what was sent, its journals empty.
fn stored(sent: &Value) -> Value {
    let mut record = sent.clone();
    record["sys_id"] = json!(ID);
    record["number"] = json!("INC0010009");
    for journal in ["comments", "work_notes"] {
        record[journal] = json!("");
    }
    json!({ "result": record })
}

fn row(sys_id: &str, number: &str) -> Value {
    json!({
        "sys_id": sys_id, "number": number, "correlation_id": key().as_str(),
        "sys_created_on": format!("2026-07-14 00:28:{}", if sys_id == ID { "21" } else { "22" }),
    })
}

fn rows(rows: &[Value]) -> Step {
    Step::json(200, json!({ "result": rows }))
}

fn lines(received: &[Received]) -> Vec<String> {
    received
        .iter()
        .map(|request| {
            let path = request.target.split('?').next().unwrap_or_default();
            format!("{} {}", request.method, path.replace(ROWS, ""))
        })
        .collect()
}

#[tokio::test]
async fn first_attempt_creates_at_once() {
    let answer = Step::json(201, stored(&sent())).with("x-transaction-id", "t1");
    let (result, received) = Attempt::create(new_incident()).against([answer]).await;
    let done = result.unwrap();
    assert_eq!(lines(&received), ["POST "]);
    assert_eq!(received[0].json(), sent());
    assert_eq!(
        received[0].header("authorization"),
        "Basic YXBpOnMzY3JldA=="
    );
    let link = done.link.unwrap();
    assert!(link.contains("nav_to.do") && link.contains(ID), "{link}");
    assert_eq!(
        Value::Object(done.output),
        json!({"table": "incident", "sys_id": ID, "number": "INC0010009", "link": link})
    );
    assert_eq!(done.warnings, [""; 0]);
    assert_eq!(done.calls.len(), 1);
    let call = &done.calls[0];
    assert_eq!((call.method.as_str(), call.path.as_str()), ("POST", ROWS));
    assert_eq!(
        (call.status, call.request_id.as_deref()),
        (Some(201), Some("t1"))
    );
    assert_eq!(call.sent, Some(sent()));
}

#[tokio::test]
async fn what_was_not_kept_is_a_warning() {
    let mut input = new_incident();
    input["fields"] = json!({"u_store": "12"});
    let mut answer = stored(&sent());
    answer["result"]["urgency"] = json!("3");
    let (result, _) = Attempt::create(input)
        .against([Step::json(201, answer)])
        .await;
    assert_eq!(
        result.unwrap().warnings,
        [
            "`u_store`: the answer does not have it; the table has no such column, or the account may not see it",
            "`urgency`: sent `1`, kept `3`",
        ]
    );
}

#[tokio::test]
async fn lost_answer_to_a_create_is_to_be_reconciled() {
    let (result, received) = Attempt::create(new_incident()).against([Step::Lose]).await;
    let failed = result.unwrap_err();
    assert!(matches!(failed.disposition, Disposition::Reconcile { .. }));
    assert!(!failed.unauthorized);
    assert_eq!(lines(&received), ["POST "]);
    assert_eq!(failed.calls.len(), 1);
    assert_eq!(failed.calls[0].status, None);
    assert_eq!(failed.calls[0].sent, Some(sent()));
}

#[tokio::test]
async fn record_of_an_earlier_attempt_is_taken() {
    let (result, received) = Attempt::create(new_incident())
        .again()
        .against([rows(&[row(ID, "INC0010009")])])
        .await;
    let done = result.unwrap();
    assert_eq!(lines(&received), ["GET "]);
    let query = format!("correlation_id={}", key());
    assert!(received[0].query()[0].1.starts_with(&query));
    assert_eq!(done.output["number"], "INC0010009");
    assert_eq!(done.warnings.len(), 1);
    assert_eq!(done.calls[0].sent, None);
}

#[tokio::test]
async fn oldest_of_several_records_is_taken_with_a_warning() {
    let found = rows(&[row(OTHER_ID, "INC0010010"), row(ID, "INC0010009")]);
    let (result, _) = Attempt::create(new_incident())
        .again()
        .against([found])
        .await;
    let done = result.unwrap();
    assert_eq!(done.output["sys_id"], ID);
    assert!(done.warnings[1].contains("oldest"), "{:?}", done.warnings);
}

#[tokio::test]
async fn same_bytes_are_sent_when_nothing_was_found() {
    let script = || [rows(&[]), Step::json(201, stored(&sent()))];
    let (result, received) = Attempt::create(new_incident())
        .again()
        .against(script())
        .await;
    assert_eq!(result.unwrap().calls.len(), 2);
    assert_eq!(lines(&received), ["GET ", "POST "]);
    let (_, first) = Attempt::create(new_incident())
        .against([Step::json(201, stored(&sent()))])
        .await;
    assert_eq!(received[1].body, first[0].body);
}

#[tokio::test]
async fn table_that_ignores_the_key_gets_no_second_record() {
    let mut stranger = row(OTHER_ID, "INC0000001");
    stranger.as_object_mut().unwrap().remove("correlation_id");
    let (result, received) = Attempt::create(new_incident())
        .again()
        .against([rows(&[stranger])])
        .await;
    let failed = result.unwrap_err();
    assert_eq!(failed.disposition, Disposition::GiveUp);
    assert!(
        failed.reason.contains("no `correlation_id`"),
        "{}",
        failed.reason
    );
    assert_eq!(lines(&received), ["GET "]);
    assert_eq!(failed.calls.len(), 1);
}

#[tokio::test]
async fn own_correlation_id_creates_again_only_when_nobody_has_it() {
    let input = json!({"table": "incident", "fields": {"correlation_id": "crm-7"}});
    let created = Step::json(201, stored(&json!({"correlation_id": "crm-7"})));
    let (result, received) = Attempt::create(input.clone())
        .again()
        .against([rows(&[]), created])
        .await;
    assert_eq!(result.unwrap().warnings, [""; 0]);
    assert_eq!(received[1].json(), json!({"correlation_id": "crm-7"}));

    let mut theirs = row(ID, "INC0010009");
    theirs["correlation_id"] = json!("crm-7");
    let (result, received) = Attempt::create(input)
        .again()
        .against([rows(&[theirs])])
        .await;
    let failed = result.unwrap_err();
    assert_eq!(failed.disposition, Disposition::GiveUp);
    assert!(failed.reason.contains("INC0010009"), "{}", failed.reason);
    assert_eq!(lines(&received), ["GET "]);

    let input = json!({"table": "incident", "fields": {"correlation_id": "crm/7^x"}});
    let (result, received) = Attempt::create(input).again().against([]).await;
    assert_eq!(result.unwrap_err().disposition, Disposition::GiveUp);
    assert_eq!(received.len(), 0);
}

fn comment_and_urgency() -> Value {
    json!({"table": "incident", "number": "INC0010009", "comment": "Still open", "urgency": "low"})
}

#[tokio::test]
async fn update_finds_the_record_and_changes_it() {
    let fields = json!({"comments": "Still open", "urgency": "3"});
    let script = [
        rows(&[row(ID, "INC0010009")]),
        Step::json(200, stored(&fields)),
    ];
    let (result, received) = Attempt::update(comment_and_urgency()).against(script).await;
    let done = result.unwrap();
    assert_eq!(
        lines(&received),
        ["GET ".to_owned(), format!("PATCH /{ID}")]
    );
    assert_eq!(received[1].json(), fields);
    assert_eq!(done.output["sys_id"], ID);
    assert_eq!(done.calls[0].sent, None);
    assert_eq!(done.calls[1].sent, Some(fields));
}

fn history(comments: &str) -> Step {
    Step::json(
        200,
        json!({"result": {
            "sys_id": {"display_value": ID, "value": ID},
            "sys_updated_on": {"display_value": "2026-07-13 17:28:27", "value": "2026-07-14 00:28:27"},
            "comments": {"display_value": comments, "value": ""},
            "work_notes": {"display_value": "", "value": ""},
        }}),
    )
}

#[tokio::test]
async fn comment_of_a_lost_update_is_not_appended_twice() {
    let script = [
        rows(&[row(ID, "INC0010009")]),
        history("2026-07-13 17:28:27 - Bot (Additional comments)\nStill open\n\n"),
        Step::json(200, stored(&json!({"urgency": "2"}))),
    ];
    let (result, received) = Attempt::update(comment_and_urgency())
        .again()
        .against(script)
        .await;
    // The urgency came with it: writing it again would undo what somebody has done since.
    let done = result.unwrap();
    assert_eq!(
        lines(&received),
        [
            "GET ".to_owned(),
            format!("GET /{ID}"),
            format!("GET /{ID}")
        ]
    );
    assert_eq!(done.output["sys_id"], ID);
    assert!(done.warnings[0].contains("earlier attempt"), "{done:?}");
}

#[tokio::test]
async fn same_text_from_before_the_first_attempt_is_not_ours() {
    let script = [
        rows(&[row(ID, "INC0010009")]),
        history("2026-07-13 17:20:00 - Bot (Additional comments)\nStill open\n\n"),
        Step::json(200, stored(&json!({"urgency": "3"}))),
    ];
    let (result, received) = Attempt::update(comment_and_urgency())
        .again()
        .against(script)
        .await;
    result.unwrap();
    assert_eq!(
        received[2].json(),
        json!({"comments": "Still open", "urgency": "3"})
    );
}

#[tokio::test]
async fn repeated_update_of_plain_columns_reads_no_journal() {
    let input = json!({"table": "incident", "number": "INC0010009", "urgency": "low"});
    let script = [
        rows(&[row(ID, "INC0010009")]),
        Step::json(200, stored(&json!({"urgency": "3"}))),
    ];
    let (result, received) = Attempt::update(input).again().against(script).await;
    result.unwrap();
    assert_eq!(received.len(), 2);
}

fn by_id(mut input: Value) -> Value {
    let fields = input.as_object_mut().unwrap();
    fields.remove("number");
    fields.insert("sys_id".to_owned(), json!(ID));
    input
}

#[tokio::test]
async fn update_by_id_looks_for_no_number() {
    let fields = json!({"comments": "Still open", "urgency": "3"});
    let (result, received) = Attempt::update(by_id(comment_and_urgency()))
        .against([Step::json(200, stored(&fields))])
        .await;
    let done = result.unwrap();
    assert_eq!(lines(&received), [format!("PATCH /{ID}")]);
    assert_eq!(received[0].json(), fields);
    assert_eq!(done.output["number"], "INC0010009");
}

#[tokio::test]
async fn update_by_id_of_a_record_that_is_gone_says_so() {
    let gone = || {
        let words = json!({"message": "No Record found", "detail": "Record doesn't exist or ACL restricts the record retrieval"});
        Step::json(404, json!({"error": words, "status": "failure"}))
    };
    let input = by_id(comment_and_urgency());
    for attempt in [
        Attempt::update(input.clone()),
        // The journal is what is looked at first.
        Attempt::update(input).again(),
    ] {
        let (result, received) = attempt.against([gone()]).await;
        let failed = result.unwrap_err();
        assert_eq!(failed.disposition, Disposition::GiveUp);
        assert!(
            failed
                .reason
                .contains(&format!("no record has the sys_id {ID}"))
                && failed.reason.contains("ACL restricts"),
            "{}",
            failed.reason
        );
        assert_eq!((received.len(), failed.calls.len()), (1, 1));
    }
}

#[tokio::test]
async fn update_by_id_appends_nothing_twice() {
    let input = json!({"table": "incident", "sys_id": ID, "comment": "Still open"});
    let script = [
        history("2026-07-13 17:28:27 - Bot (Additional comments)\nStill open\n\n"),
        Step::json(
            200,
            json!({"result": {"sys_id": ID, "number": "INC0010009"}}),
        ),
    ];
    let (result, received) = Attempt::update(input).again().against(script).await;
    let done = result.unwrap();
    assert_eq!(
        lines(&received),
        [format!("GET /{ID}"), format!("GET /{ID}")]
    );
    assert_eq!(done.output["number"], "INC0010009");
    assert!(done.link.unwrap().contains(ID));
}

const PERSON: &str = "5137153cc611227c000bbd1bd8cd2005";
const GROUP: &str = "d625dccec0a8016700a222a0f7900d06";
const EMAIL: &str = "david.loo@example.com";

fn users(rows: &[(&str, &str, &str)]) -> Step {
    let rows: Vec<Value> = rows
        .iter()
        .map(|(id, email, active)| json!({"sys_id": id, "email": email, "active": active}))
        .collect();
    Step::json(200, json!({ "result": rows }))
}

fn for_somebody() -> Value {
    json!({
        "table": "incident", "urgency": "high",
        "assigned_to": {"email": "David.Loo@example.com"}, "assignment_group": {"name": "Service Desk"},
    })
}

#[tokio::test]
async fn person_and_group_are_looked_up_before_the_record_is_written() {
    let group = json!({"result": [{"sys_id": GROUP, "name": "Service Desk", "active": "true"}]});
    let sent = json!({
        "urgency": "1", "assigned_to": PERSON, "assignment_group": GROUP,
        "correlation_id": key().as_str(), "correlation_display": "closedloop",
    });
    let mut answer = stored(&sent);
    answer["result"]["assigned_to"] = json!({"link": "https://x/y", "value": PERSON});
    let script = [
        Step::json(200, group),
        users(&[(PERSON, EMAIL, "true")]),
        Step::json(201, answer),
    ];
    let (result, received) = Attempt::create(for_somebody()).against(script).await;
    let done = result.unwrap();
    assert_eq!(done.warnings, [""; 0]);
    assert_eq!(received[2].json(), sent);
    let asked: Vec<_> = received[..2]
        .iter()
        .map(|request| request.query()[0].1.clone())
        .collect();
    assert_eq!(asked, ["name=Service Desk", "email=David.Loo@example.com"]);
    assert!(received[0].target.contains("/sys_user_group?"));
    assert!(received[1].target.contains("/sys_user?"));
    assert_eq!(done.calls.len(), 3);
    assert_eq!(
        (&done.calls[1].sent, &done.calls[2].sent),
        (&None, &Some(sent))
    );
}

#[tokio::test]
async fn nothing_is_written_for_somebody_who_is_not_found() {
    let input = json!({
        "table": "incident", "number": "INC0010009", "assigned_to": {"email": EMAIL}, "comment": "x",
    });
    for (answer, expected) in [
        (users(&[]), "no row has the `email` `david.loo@example.com`"),
        (
            users(&[(PERSON, EMAIL, "true"), (OTHER_ID, EMAIL, "true")]),
            "several active rows",
        ),
        (users(&[(PERSON, EMAIL, "false")]), "inactive"),
        // The instance has dropped the condition.
        (
            users(&[(OTHER_ID, "somebody.else@example.com", "true")]),
            "was ignored",
        ),
    ] {
        let script = [rows(&[row(ID, "INC0010009")]), answer];
        let (result, received) = Attempt::update(input.clone()).against(script).await;
        let failed = result.unwrap_err();
        assert_eq!(failed.disposition, Disposition::GiveUp);
        assert!(
            failed.reason.starts_with("`assigned_to`: ") && failed.reason.contains(expected),
            "{}",
            failed.reason
        );
        assert!(received.iter().all(|request| request.method == "GET"));
        assert_eq!(failed.calls.len(), 2);
    }
}

#[tokio::test]
async fn look_up_that_gets_no_answer_is_tried_again_without_looking_first() {
    let script = [Step::json(503, "{}")];
    let (result, received) = Attempt::create(for_somebody()).against(script).await;
    assert_eq!(result.unwrap_err().disposition, Disposition::RETRY);
    assert_eq!(received.len(), 1);
}

#[tokio::test]
async fn record_of_an_earlier_attempt_is_taken_without_looking_anybody_up() {
    let (result, received) = Attempt::create(for_somebody())
        .again()
        .against([rows(&[row(ID, "INC0010009")])])
        .await;
    assert_eq!(result.unwrap().output["number"], "INC0010009");
    assert_eq!(lines(&received), ["GET "]);
}

#[tokio::test]
async fn comment_that_the_table_does_not_have_is_a_warning() {
    let mut answer = stored(&sent());
    answer["result"].as_object_mut().unwrap().remove("comments");
    let (result, _) = Attempt::create(new_incident())
        .against([Step::json(201, answer)])
        .await;
    let warnings = result.unwrap().warnings;
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].starts_with("`comments`: "), "{warnings:?}");
}

#[tokio::test]
async fn data_policy_in_another_language_still_gets_advice() {
    let answer = json!({"error": {
        "message": "Operation Failed",
        "detail": "Data Policy Exception: Les champs suivants sont obligatoires : Notes de résolution",
    }, "status": "failure"});
    let (result, _) = Attempt::create(new_incident())
        .against([Step::json(403, answer)])
        .await;
    let reason = result.unwrap_err().reason;
    assert!(
        reason.contains("Notes de résolution")
            && reason.ends_with("the columns that it names under `fields`"),
        "{reason}"
    );
}

#[tokio::test]
async fn other_refusals_get_no_advice_about_fields() {
    let answer = json!({"error": {
        "message": "Operation Failed",
        "detail": "ACL Exception Insert Failed due to security constraints",
    }, "status": "failure"});
    let (result, _) = Attempt::create(new_incident())
        .against([Step::json(403, answer)])
        .await;
    let reason = result.unwrap_err().reason;
    assert!(
        reason.contains("security constraints") && !reason.contains("data policy"),
        "{reason}"
    );
}

#[tokio::test]
async fn refusal_by_data_policy_names_the_fields() {
    let answer = json!({"error": {
        "message": "Operation Failed",
        "detail": "Data Policy Exception: The following fields are mandatory: Resolution code, Resolution notes",
    }, "status": "failure"});
    let (result, _) = Attempt::create(new_incident())
        .against([Step::json(403, answer)])
        .await;
    let failed = result.unwrap_err();
    assert_eq!(failed.disposition, Disposition::GiveUp);
    assert!(
        failed.reason.contains("Data Policy Exception")
            && failed.reason.ends_with(
                "give `fields.close_code` (Resolution code), `fields.close_notes` (Resolution notes)"
            ),
        "{}",
        failed.reason
    );
    assert_eq!(failed.calls[0].status, Some(403));
}

#[tokio::test]
async fn refused_credentials_are_told_apart() {
    let answer = json!({"error": {"message": "User Not Authenticated", "detail": "Required to provide Auth information"}, "status": "failure"});
    let (result, _) = Attempt::create(new_incident())
        .against([Step::json(401, answer)])
        .await;
    let failed = result.unwrap_err();
    assert!(failed.unauthorized);
    assert!(
        failed.reason.contains("User Not Authenticated"),
        "{}",
        failed.reason
    );
    assert!(!failed.reason.contains("s3cret"));
}

#[tokio::test]
async fn record_that_is_not_there_is_given_up_with_its_call() {
    let (result, received) = Attempt::update(comment_and_urgency())
        .against([rows(&[])])
        .await;
    let failed = result.unwrap_err();
    assert_eq!(failed.disposition, Disposition::GiveUp);
    assert!(failed.reason.contains("INC0010009"), "{}", failed.reason);
    assert_eq!((received.len(), failed.calls.len()), (1, 1));
}

#[tokio::test]
async fn nothing_is_called_for_what_can_never_work() {
    let wrong_instance = Attempt {
        instance: "evil.example.com",
        ..Attempt::create(new_incident())
    };
    let api_token = Attempt {
        credential: Credential::ApiToken {
            email: Some("a@example.com".to_owned()),
            token: "t0ken".into(),
        },
        ..Attempt::create(new_incident())
    };
    let other_vendor = Attempt {
        kind: TaskKind::ZendeskCreateTicket,
        ..Attempt::create(new_incident())
    };
    for (attempt, expected) in [
        (wrong_instance, "instance"),
        (api_token, "api_token"),
        (other_vendor, "zendesk.create_ticket"),
        (
            Attempt::create(json!({"table": "incident", "urgency": "hgh"})),
            "hgh",
        ),
        (
            Attempt::update(json!({"table": "incident", "number": "INC1"})),
            "nothing to change",
        ),
        (
            Attempt::create(json!({"table": "incident", "assigned_to": "David Loo"})),
            "assigned_to: found `David Loo`",
        ),
        (
            Attempt::create(
                json!({"table": "incident", "assigned_to": {"name": "x^ORactive=true"}}),
            ),
            "assigned_to: name: found `x^ORactive=true`",
        ),
        (
            Attempt::create(json!({"table": "incident", "state": "resolved"})),
            "`close_code`",
        ),
        (
            Attempt::update(json!({"table": "incident", "sys_id": "INC1", "comment": "x"})),
            "sys_id: found `INC1`",
        ),
    ] {
        let (result, received) = attempt.against([]).await;
        let failed = result.unwrap_err();
        assert_eq!(failed.disposition, Disposition::GiveUp);
        assert!(failed.reason.contains(expected), "{}", failed.reason);
        assert!(received.is_empty() && failed.calls.is_empty());
    }
}

#[tokio::test]
async fn instance_that_cannot_be_reached_is_tried_again() {
    let server = Server::start([]).await.unwrap();
    // Nobody listens on the discard port.
    let url = server
        .url()
        .replace(&server.address().port().to_string(), "9");
    let failed = Attempt::create(new_incident()).at(&url).await.unwrap_err();
    assert_eq!(failed.disposition, Disposition::RETRY);
    assert_eq!(failed.calls.len(), 1);
}
