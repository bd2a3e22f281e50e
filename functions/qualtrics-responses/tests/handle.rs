//! The whole function against local stand-ins for the AWS services that it calls, and for Qualtrics.
#![cfg(test)]

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use accounts::{Accounts, Vendors};
use aws_lambda_events::sqs::{SqsEvent, SqsMessage};
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use lambda_runtime::{Context, LambdaEvent};
use qualtrics_responses::{Config, Fetcher};
use serde_json::{Value, json};
use vendor_http::test_support::{Received, Server, Step};

const TOKEN: &str = "t0kent0kent0kent0kent0kent0kent0kent0ken";
const MINUTE: i64 = 60_000;

/// Ten seconds into a minute.
fn now() -> Timestamp {
    "2026-11-21T12:00:10Z".parse().unwrap()
}

/// What the services hold, and what they were given.
#[derive(Debug, Default)]
struct Aws {
    kind: &'static str,
    state: &'static str,
    secret: String,
    counters: HashMap<String, u64>,
    /// Names of operations that fail.
    down: Vec<&'static str>,
    entries: Vec<Value>,
    hidden: Vec<i64>,
}

impl Aws {
    fn answer(&mut self, operation: &str, body: &Value) -> (StatusCode, Value) {
        if self.down.contains(&operation) {
            let answer = json!({"__type": "AccessDeniedException", "message": "no"});
            return (StatusCode::BAD_REQUEST, answer);
        }
        let answer = match operation {
            "GetItem" => json!({"Item": {
                "name": {"S": "feedback"}, "vendor": {"S": "qualtrics"}, "instance": {"S": "fra1"},
                "kind": {"S": self.kind}, "state": {"S": self.state}, "secret": {"S": "closedloop/accounts/x"},
                "updated_at": {"N": "1795262400000"}, "used_at": {"N": now().as_millisecond().to_string()}
            }}),
            "GetSecretValue" => json!({"Name": "x", "SecretString": self.secret}),
            "PutSecretValue" => {
                body["SecretString"]
                    .as_str()
                    .unwrap()
                    .clone_into(&mut self.secret);
                json!({})
            }
            "UpdateItem" if body["TableName"] == "accounts_table" => json!({"Attributes": {}}),
            "UpdateItem" => return self.count(body),
            "PutEvents" => {
                let entries = body["Entries"].as_array().unwrap();
                self.entries.extend(entries.iter().cloned());
                json!({"FailedEntryCount": 0, "Entries": [{"EventId": "1"}]})
            }
            "ChangeMessageVisibilityBatch" => {
                let entries = body["Entries"].as_array().unwrap();
                let seconds = entries
                    .iter()
                    .map(|one| one["VisibilityTimeout"].as_i64().unwrap());
                self.hidden.extend(seconds);
                json!({"Successful": [], "Failed": []})
            }
            other => panic!("{other} is not expected"),
        };
        (StatusCode::OK, answer)
    }

    /// The table of limits, with as much of expressions as is used.
    fn count(&mut self, body: &Value) -> (StatusCode, Value) {
        let id = body["Key"]["id"]["S"].as_str().unwrap();
        let expression = body["UpdateExpression"].as_str().unwrap();
        let named = body["ExpressionAttributeNames"]["#counter"].as_str();
        let counter = named.unwrap_or("taken");
        let added = if named.is_some() { "#counter" } else { "taken" };
        assert!(
            expression.ends_with(&format!("ADD {added} :one")),
            "{expression}"
        );
        let count = self.counters.entry(format!("{id}/{counter}")).or_default();
        let most = body["ExpressionAttributeValues"][":most"]["N"].as_str();
        if most.is_some_and(|most| *count >= most.parse().unwrap()) {
            let answer = json!({"__type": "ConditionalCheckFailedException", "message": "no"});
            return (StatusCode::BAD_REQUEST, answer);
        }
        *count += 1;
        let answer = json!({"Attributes": {counter: {"N": count.to_string()}}});
        (StatusCode::OK, answer)
    }
}

async fn serve(
    State(aws): State<Arc<Mutex<Aws>>>,
    headers: HeaderMap,
    body: String,
) -> (StatusCode, String) {
    let target = headers["x-amz-target"].to_str().unwrap();
    let operation = target.rsplit('.').next().unwrap();
    let body = serde_json::from_str(&body).unwrap();
    let (status, answer) = aws.lock().unwrap().answer(operation, &body);
    (status, answer.to_string())
}

struct Fixture {
    aws: Arc<Mutex<Aws>>,
    fetcher: Fetcher,
    qualtrics: Server,
}

impl Fixture {
    async fn new(script: impl IntoIterator<Item = Step>) -> Self {
        Self::limited(script, 100).await
    }

    async fn limited(script: impl IntoIterator<Item = Step>, per_minute: u32) -> Self {
        let aws = Arc::new(Mutex::new(Aws {
            kind: "api_token",
            state: "connected",
            secret: json!({"kind": "api_token", "token": TOKEN}).to_string(),
            ..Aws::default()
        }));
        let app = Router::new().fallback(serve).with_state(Arc::clone(&aws));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        let config = aws::Config::at(&url).unwrap();
        let qualtrics = Server::start(script).await.unwrap();
        let template = format!("{}/qualtrics/{{datacenter}}", qualtrics.url());
        let vendors = Vendors::from_vars(vendor_http::Client::new().unwrap(), |name| {
            (name == "QUALTRICS_URL").then(|| template.clone())
        });
        let names = Config::from_vars(|name| {
            let number = name == "RESPONSES_PER_MINUTE";
            Some(if number {
                per_minute.to_string()
            } else {
                name.to_lowercase()
            })
        });
        let names = names.unwrap();
        let accounts = Accounts::new(
            &config,
            names.accounts.clone(),
            vendors.unwrap(),
            "test".to_owned(),
        );
        Self {
            aws,
            fetcher: Fetcher::new(accounts, names, &config, now),
            qualtrics,
        }
    }

    fn aws(&self) -> MutexGuard<'_, Aws> {
        self.aws.lock().unwrap()
    }

    /// Hands the function a notification that was sent so many milliseconds ago; whether it comes again.
    async fn notified(&self, ago: i64) -> bool {
        self.deliver(&[notification(ago)]).await == 1
    }

    /// How many of the messages come again.
    async fn deliver(&self, messages: &[SqsMessage]) -> usize {
        let mut batch = SqsEvent::default();
        batch.records = messages.to_vec();
        let mut context = Context::default();
        context.deadline = u64::try_from(now().as_millisecond()).unwrap() + 12_000;
        let answer = self.fetcher.handle(LambdaEvent::new(batch, context)).await;
        answer.batch_item_failures.len()
    }

    /// The only event, with what it was put as.
    fn event(&self) -> Value {
        let aws = self.aws();
        let [entry] = aws.entries.as_slice() else {
            panic!("{:#?}", aws.entries);
        };
        assert_eq!(entry["Source"], "closedloop.qualtrics");
        assert_eq!(entry["EventBusName"], "event_bus");
        let event: Value = serde_json::from_str(entry["Detail"].as_str().unwrap()).unwrap();
        assert_eq!(entry["DetailType"], event["type"]);
        event
    }

    /// The data of the event that says that there are no answers.
    fn failure(&self) -> Value {
        let event = self.event();
        assert_eq!(event["type"], "qualtrics.response.failed");
        assert_eq!(
            event["id"],
            "failed.completedResponse.SV_1.R_1.2026-11-21T11:59:00Z.m1"
        );
        event["data"].clone()
    }

    fn paths(&self) -> Vec<String> {
        let received = self.qualtrics.received();
        let paths = received.iter().map(|one| one.target.clone());
        paths
            .map(|path| path.replace("/qualtrics/fra1/", ""))
            .collect()
    }
}

fn notification(ago: i64) -> SqsMessage {
    message_of(
        ago,
        json!({
            "specversion": "1.0", "id": "notified.completedResponse.SV_1.R_1.2026-11-21T11:59:00Z",
            "source": "/endpoints/survey", "type": "qualtrics.response.notified", "subject": "SV_1",
            "time": "2026-11-21T11:59:00Z", "datacontenttype": "application/json", "account": "feedback",
            "notifiedtype": "qualtrics.response.completed",
            "data": {"SurveyID": "SV_1", "ResponseID": "R_1", "BrandID": "acme", "Status": "Complete"}
        }),
    )
}

fn message_of(ago: i64, event: Value) -> SqsMessage {
    let mut message = SqsMessage::default();
    message.message_id = Some("m1".to_owned());
    message.receipt_handle = Some("r1".to_owned());
    let envelope = json!({
        "source": "closedloop.ingest", "detail-type": event["type"], "detail": event, "time": "2026-11-21T12:00:00Z"
    });
    message.body = Some(envelope.to_string());
    let sent = (now().as_millisecond() - ago).to_string();
    message.attributes.insert("SentTimestamp".to_owned(), sent);
    message
}

fn ok(result: Value) -> Step {
    Step::json(200, json!({"result": result, "meta": {"requestId": "q-1"}}))
}

fn response() -> Step {
    ok(json!({
        "responseId": "R_1",
        "values": {"status": 0, "QID1": 2, "QID3_TEXT": "Too slow", "QID4_1": 5, "plan": "gold"},
        "labels": {"QID1": "Bad"}, "displayedFields": ["QID1", "QID3_TEXT"], "displayedValues": {"QID1": ["1", "2"]}
    }))
}

fn survey() -> Step {
    ok(json!({"id": "SV_1", "name": "Trial", "questions": {
        "QID1": {"questionText": "How <b>was</b> it?", "questionName": "Q1",
            "choices": {"1": {"recode": "1", "choiceText": "Good"}, "2": {"recode": "2", "choiceText": "<i>Bad</i>"}}},
        "QID3": {"questionText": "Why?", "questionName": "Q3"},
        "QID4": {"questionText": "Rate", "subQuestions": {"1": {"choiceText": "Speed"}}},
        "QID9": {"questionText": "Never shown"}
    }}))
}

fn refusal(status: u16, code: &str) -> Step {
    let error = json!({"errorCode": code, "errorMessage": "no"});
    Step::json(status, json!({"meta": {"error": error}}))
}

fn tokens(received: &[Received]) -> Vec<&str> {
    received
        .iter()
        .map(|one| one.header("x-api-token"))
        .collect()
}

#[tokio::test]
async fn notification_becomes_the_event_with_the_answers() {
    let fixture = Fixture::new([response(), survey()]).await;
    assert!(!fixture.notified(1_000).await);
    assert_eq!(
        fixture.event(),
        json!({
            "specversion": "1.0", "id": "completedResponse.SV_1.R_1.2026-11-21T11:59:00Z", "source": "/endpoints/survey",
            "type": "qualtrics.response.completed", "subject": "SV_1", "time": "2026-11-21T11:59:00Z",
            "datacontenttype": "application/json",
            "data": {
                "surveyId": "SV_1", "responseId": "R_1",
                "values": {"status": 0, "QID1": 2, "QID3_TEXT": "Too slow", "QID4_1": 5, "plan": "gold"},
                "labels": {"QID1": "Bad"}, "displayedFields": ["QID1", "QID3_TEXT"],
                "displayedValues": {"QID1": ["1", "2"]},
                "questions": {
                    "QID1": {"text": "How was it?", "name": "Q1", "choices": {"1": "Good", "2": "Bad"}},
                    "QID3": {"text": "Why?", "name": "Q3"},
                    "QID4": {"text": "Rate", "subQuestions": {"1": "Speed"}}
                },
                "notification": {"SurveyID": "SV_1", "ResponseID": "R_1", "BrandID": "acme", "Status": "Complete"}
            }
        })
    );
    assert_eq!(
        fixture.paths(),
        ["API/v3/surveys/SV_1/responses/R_1", "API/v3/surveys/SV_1"]
    );
    assert_eq!(tokens(&fixture.qualtrics.received()), [TOKEN, TOKEN]);
    assert_eq!(
        fixture.aws().counters.values().collect::<Vec<_>>(),
        [&1],
        "one permit, no failed attempt"
    );
}

#[tokio::test]
async fn survey_is_read_once_for_many_responses() {
    let fixture = Fixture::new([response(), survey(), response()]).await;
    assert!(!fixture.notified(0).await);
    assert!(!fixture.notified(0).await);
    assert_eq!(fixture.paths().len(), 3);
    let aws = fixture.aws();
    assert_eq!(aws.entries.len(), 2);
    // The same event: whoever gets it twice recognises it.
    assert_eq!(aws.entries[0], aws.entries[1]);
}

#[tokio::test]
async fn response_goes_on_without_its_survey() {
    for step in [
        refusal(403, "QMST_2.1"),
        Step::answer(502, "text/html", "<title>Bad gateway</title>"),
        Step::Stall,
    ] {
        let fixture = Fixture::new([response(), step]).await;
        assert!(!fixture.notified(0).await);
        let event = fixture.event();
        assert_eq!(event["type"], "qualtrics.response.completed");
        assert!(event["data"].get("questions").is_none());
        assert_eq!(event["data"]["left_out"], json!(["questions"]));
        assert_eq!(event["data"]["values"]["QID1"], 2);
    }
}

#[tokio::test]
async fn response_that_is_not_there_yet_is_looked_for_some_minutes() {
    let fixture = Fixture::new([refusal(404, ""), refusal(404, ""), refusal(404, "")]).await;
    assert!(fixture.notified(1_000).await);
    assert!(fixture.notified(6_000).await);
    let hidden = fixture.aws().hidden.clone();
    assert!(
        (4..=5).contains(&hidden[0]) && (8..=10).contains(&hidden[1]),
        "{hidden:?}"
    );
    assert!(fixture.aws().entries.is_empty());
    assert!(!fixture.notified(15 * MINUTE).await);
    let data = fixture.failure();
    assert_eq!(data["attempts"], 3);
    let reason = data["reason"].as_str().unwrap();
    assert!(
        reason.contains("there is no such response")
            && reason.contains("after 3 attempts over 15 min"),
        "{reason}"
    );
}

#[tokio::test]
async fn outage_is_waited_out_for_a_day() {
    for step in [
        refusal(500, ""),
        Step::answer(503, "text/html", "<title>Maintenance</title>"),
        Step::Lose,
        Step::answer(200, "text/html", "<title>Sign in</title>"),
    ] {
        let fixture = Fixture::new([step.clone(), step]).await;
        assert!(fixture.notified(20 * 60 * MINUTE).await);
        assert!(fixture.aws().entries.is_empty());
        assert!(!fixture.notified(26 * 60 * MINUTE).await);
        assert_eq!(fixture.failure()["attempts"], 2);
    }
}

#[tokio::test]
async fn named_delay_is_kept() {
    let fixture = Fixture::new([refusal(429, "").with("retry-after", 90)]).await;
    assert!(fixture.notified(0).await);
    let hidden = fixture.aws().hidden.clone();
    assert!((90..=120).contains(&hidden[0]), "{hidden:?}");
}

#[tokio::test]
async fn call_beyond_the_limit_of_the_brand_waits_for_the_next_minute_and_is_no_attempt() {
    let fixture = Fixture::new([refusal(429, ""), refusal(429, "")]).await;
    assert!(fixture.notified(0).await);
    let hidden = fixture.aws().hidden.clone();
    assert!((50..=80).contains(&hidden[0]), "{hidden:?}");
    let attempts = fixture.aws().counters.clone();
    let attempts = attempts.keys().filter(|key| key.starts_with("attempts/"));
    assert_eq!(attempts.count(), 0);
    assert!(!fixture.notified(26 * 60 * MINUTE).await);
    let reason = fixture.failure()["reason"].to_string();
    assert!(reason.contains("429"), "{reason}");
}

#[tokio::test]
async fn refusal_that_stays_ends_at_once_and_says_what_to_do() {
    for (script, told) in [
        (vec![refusal(400, "QVAL_1")], "QVAL_1"),
        (vec![refusal(413, "")], "HTTP 413"),
    ] {
        let fixture = Fixture::new(script).await;
        assert!(!fixture.notified(0).await);
        let data = fixture.failure();
        let reason = data["reason"].as_str().unwrap();
        assert!(reason.contains(told), "{reason}");
        assert!(!reason.contains(TOKEN));
        assert_eq!(
            (&data["account"], &data["surveyId"], &data["responseId"]),
            (&json!("feedback"), &json!("SV_1"), &json!("R_1"))
        );
    }
}

#[tokio::test]
async fn account_that_is_refused_is_waited_for_and_then_told_with_what_to_do() {
    for (step, told) in [
        (refusal(400, "ATP_2"), "put the account's token"),
        (refusal(403, "AuthZ_2.0"), "a brand administrator"),
        (refusal(403, "QMST_2.1"), "share the survey"),
        (refusal(401, "DCD_7"), "accounts verify feedback"),
        (Step::json(302, ""), "is the data centre right?"),
    ] {
        let fixture = Fixture::new([step.clone(), step]).await;
        assert!(fixture.notified(25 * 60 * MINUTE).await);
        assert!(fixture.aws().hidden[0] <= 20 * 60);
        assert!(fixture.aws().entries.is_empty());
        assert!(!fixture.notified(26 * 60 * MINUTE).await);
        let reason = fixture.failure()["reason"].to_string();
        assert!(
            reason.contains(told) && reason.contains("closedloop events fetch ev_"),
            "{reason}"
        );
        assert!(!reason.contains(TOKEN));
    }
    // Mended in time: nothing is lost.
    let script = [refusal(403, "QMST_2.1"), response(), survey()];
    let fixture = Fixture::new(script).await;
    assert!(fixture.notified(10 * 60 * MINUTE).await);
    assert!(!fixture.notified(11 * 60 * MINUTE).await);
    assert_eq!(fixture.event()["type"], "qualtrics.response.completed");
}

#[tokio::test]
async fn secret_that_was_changed_meanwhile_is_used_at_once() {
    let fixture = Fixture::new([response(), survey(), refusal(401, "DCD_7"), response()]).await;
    assert!(!fixture.notified(0).await);
    fixture.aws().secret = json!({"kind": "api_token", "token": "next"}).to_string();
    assert!(!fixture.notified(0).await, "{:?}", fixture.paths());
    assert_eq!(
        tokens(&fixture.qualtrics.received()),
        [TOKEN, TOKEN, TOKEN, "next"]
    );
}

#[tokio::test]
async fn client_gets_its_token_first_and_another_when_it_is_refused() {
    let token = |token: &str| {
        Step::json(
            200,
            json!({"access_token": token, "token_type": "bearer", "expires_in": 3600}),
        )
    };
    let script = [
        token("one"),
        refusal(401, "DCD_7"),
        token("two"),
        response(),
        survey(),
    ];
    let fixture = Fixture::new(script).await;
    {
        let mut aws = fixture.aws();
        aws.kind = "oauth_client_credentials";
        aws.secret = json!({
            "kind": "oauth_client_credentials", "client_id": "loop", "client_secret": "s3cret", "scope": "read:surveys"
        })
        .to_string();
    }
    assert!(!fixture.notified(0).await);
    assert_eq!(fixture.event()["type"], "qualtrics.response.completed");
    let received = fixture.qualtrics.received();
    let authorizations: Vec<&str> = received
        .iter()
        .map(|one| one.header("authorization"))
        .collect();
    assert_eq!(
        authorizations,
        [
            "Basic bG9vcDpzM2NyZXQ=",
            "Bearer one",
            "Basic bG9vcDpzM2NyZXQ=",
            "Bearer two",
            "Bearer two"
        ]
    );
    assert_eq!(received[0].target, "/qualtrics/fra1/oauth2/token");
    assert_eq!(
        received[0].body,
        "grant_type=client_credentials&scope=read%3Asurveys"
    );
}

#[tokio::test]
async fn account_that_waits_for_somebody_is_not_called_with() {
    let fixture = Fixture::new([]).await;
    {
        let mut aws = fixture.aws();
        aws.state = "reconnect";
        aws.kind = "oauth_client_credentials";
    }
    assert!(fixture.notified(3 * 60 * MINUTE).await);
    assert!(fixture.paths().is_empty());
    assert!(fixture.aws().hidden[0] <= 20 * 60);
    assert!(fixture.aws().entries.is_empty());
}

#[tokio::test]
async fn calls_of_a_minute_are_limited_and_the_rest_waits() {
    let script = [response(), survey(), response(), response()];
    let fixture = Fixture::limited(script, 2).await;
    assert!(!fixture.notified(0).await);
    assert!(!fixture.notified(0).await);
    // Two a minute here: the third waits for the next one, and who comes after two others for the one after that.
    for (first, last) in [(50, 80), (50, 80), (110, 140)] {
        assert!(fixture.notified(0).await);
        let hidden = *fixture.aws().hidden.last().unwrap();
        assert!((first..=last).contains(&hidden), "{hidden}");
    }
    assert_eq!(fixture.paths().len(), 3);
    let aws = fixture.aws();
    assert_eq!(aws.entries.len(), 2);
    // Waiting is no attempt.
    assert!(!aws.counters.keys().any(|key| key.starts_with("attempts/")));
}

#[tokio::test]
async fn response_that_never_gets_its_turn_is_not_dropped_silently() {
    let fixture = Fixture::limited([], 2).await;
    let minute = now().as_second() / 60;
    let taken = format!("permits/feedback/{minute}/taken");
    fixture.aws().counters.insert(taken, 2);
    assert!(!fixture.notified(26 * 60 * MINUTE).await);
    let data = fixture.failure();
    assert!(
        data["reason"]
            .as_str()
            .unwrap()
            .contains("2 calls a minute")
    );
}

#[tokio::test]
async fn response_that_is_too_long_loses_its_explanations_first() {
    let long = |text: usize, label: usize, question: usize| {
        let values = json!({"QID1": 1, "QID3_TEXT": "x".repeat(text)});
        let response = ok(json!({
            "responseId": "R_1", "values": values, "labels": {"QID1": "l".repeat(label)}
        }));
        let questions = json!({"QID1": {"questionText": "q".repeat(question)}});
        [response, ok(json!({"id": "SV_1", "questions": questions}))]
    };
    for (script, left_out) in [
        (long(100_000, 10_000, 200_000), json!(["questions"])),
        (
            long(200_000, 60_000, 1_000),
            json!(["questions", "displayedValues", "displayedFields", "labels"]),
        ),
    ] {
        let fixture = Fixture::new(script).await;
        assert!(!fixture.notified(0).await);
        let event = fixture.event();
        assert_eq!(event["type"], "qualtrics.response.completed");
        assert_eq!(event["data"]["left_out"], left_out);
    }
    let fixture = Fixture::new(long(300_000, 1, 1)).await;
    assert!(!fixture.notified(0).await);
    let reason = fixture.failure()["reason"].to_string();
    assert!(
        reason.contains("too long") && !reason.contains("xxx"),
        "{reason}"
    );
    // What is longer than any answer may be is not read to its end.
    let fixture = Fixture::new(long(vendor_http::BODY_LIMIT, 1, 1)).await;
    assert!(!fixture.notified(0).await);
    assert!(fixture.failure()["reason"].to_string().contains("KiB"));
}

#[tokio::test]
async fn message_stays_while_our_own_side_does_not_answer() {
    let fixture = Fixture::new([response(), survey(), response()]).await;
    fixture.aws().down = vec!["PutEvents"];
    assert!(fixture.notified(0).await);
    fixture.aws().down = vec![];
    assert!(!fixture.notified(0).await);
    assert_eq!(fixture.event()["type"], "qualtrics.response.completed");
    let fixture = Fixture::new([]).await;
    fixture.aws().down = vec!["UpdateItem"];
    assert!(fixture.notified(0).await);
    assert!(fixture.paths().is_empty());
}

#[tokio::test]
async fn ids_that_are_none_fail_without_a_call() {
    let fixture = Fixture::new([]).await;
    let message = message_of(
        0,
        json!({
            "specversion": "1.0", "id": "notified.x", "source": "/endpoints/survey", "type": "qualtrics.response.notified",
            "account": "feedback", "notifiedtype": "qualtrics.response.partial",
            "data": {"SurveyID": "SV_1", "ResponseID": "../../whoami"}
        }),
    );
    assert_eq!(fixture.deliver(&[message]).await, 0);
    assert!(fixture.paths().is_empty());
    let event = fixture.event();
    assert_eq!(event["type"], "qualtrics.response.failed");
    assert!(
        event["data"]["reason"]
            .as_str()
            .unwrap()
            .starts_with("ResponseID")
    );
}

#[tokio::test]
async fn message_that_can_never_be_handled_goes_to_the_dead_letters_alone() {
    let fixture = Fixture::new([response(), survey()]).await;
    let mut unreadable = notification(0);
    unreadable.message_id = Some("m2".to_owned());
    unreadable.body = Some("{".to_owned());
    let mut nameless = message_of(
        0,
        json!({"specversion": "1.0", "id": "x", "source": "/x", "type": "review.created"}),
    );
    nameless.message_id = Some("m3".to_owned());
    assert_eq!(
        fixture
            .deliver(&[unreadable, notification(0), nameless])
            .await,
        2
    );
    assert_eq!(fixture.aws().hidden, [0, 0]);
    assert_eq!(fixture.event()["type"], "qualtrics.response.completed");
}
