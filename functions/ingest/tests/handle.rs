//! The whole function against a local stand-in for the three AWS services that it calls.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops at the first surprise, in its helpers too"
)]

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aws_lambda_events::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
use aws_lambda_events::encodings::Body;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use ingest::config::Config;
use ingest::{Deps, handle};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

/// More than any request takes here.
const TIME: Duration = Duration::from_secs(9);
const BEARER: &str = "Bearer demo-secret-not-for-production";

/// What the services hold, how they answer, and what they were asked.
#[derive(Debug, Default)]
struct Aws {
    endpoints: Vec<Value>,
    /// `None`: there is no such secret.
    secret: Option<String>,
    /// Names of operations that fail.
    down: Vec<&'static str>,
    /// Names of operations that are never answered.
    silent: Vec<&'static str>,
    /// Entries of each call that the bus refuses.
    refused_entries: usize,
    calls: Vec<String>,
    entries: Vec<Value>,
}

impl Aws {
    fn answer(&mut self, target: &str, body: &Value) -> (StatusCode, Value) {
        let operation = target.rsplit('.').next().unwrap();
        self.calls.push(operation.to_owned());
        if self.down.contains(&operation) {
            return (
                StatusCode::BAD_REQUEST,
                json!({"__type": "AccessDeniedException", "message": "no"}),
            );
        }
        match operation {
            "GetItem" => {
                let row = self
                    .endpoints
                    .iter()
                    .find(|row| row["name"] == body["Key"]["name"]["S"]);
                let item = row.map(
                    |row| json!({"name": {"S": row["name"]}, "document": {"S": row.to_string()}}),
                );
                (
                    StatusCode::OK,
                    item.map_or(json!({}), |item| json!({"Item": item})),
                )
            }
            "GetSecretValue" => match &self.secret {
                Some(text)
                    if body["SecretId"]
                        .as_str()
                        .is_some_and(|id| id.starts_with("closedloop/endpoints/")) =>
                {
                    (
                        StatusCode::OK,
                        json!({"Name": body["SecretId"], "SecretString": text}),
                    )
                }
                _ => (
                    StatusCode::BAD_REQUEST,
                    json!({"__type": "ResourceNotFoundException", "message": "no"}),
                ),
            },
            "PutEvents" => {
                let entries = body["Entries"].as_array().unwrap();
                let refused = self.refused_entries.min(entries.len());
                let results: Vec<Value> = (0..entries.len())
                    .map(|index| {
                        if index < refused {
                            json!({"ErrorCode": "ThrottlingException"})
                        } else {
                            json!({"EventId": "1"})
                        }
                    })
                    .collect();
                self.entries.extend(entries[refused..].iter().cloned());
                (
                    StatusCode::OK,
                    json!({"FailedEntryCount": refused, "Entries": results}),
                )
            }
            other => panic!("{other} is not expected"),
        }
    }
}

struct Fixture {
    aws: Arc<Mutex<Aws>>,
    deps: Deps,
    now: Timestamp,
}

impl Fixture {
    async fn with(endpoint: Value) -> Self {
        let aws = Arc::new(Mutex::new(Aws {
            endpoints: vec![endpoint],
            secret: Some(json!({"current": "demo-secret-not-for-production"}).to_string()),
            ..Aws::default()
        }));
        let app = Router::new().fallback(serve).with_state(Arc::clone(&aws));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        let config = aws::Config::at(&url).unwrap();
        let names = Config {
            endpoints_table: "endpoints".to_owned(),
            event_bus: "bus".to_owned(),
            secret_prefix: "closedloop".to_owned(),
        };
        Self {
            aws,
            deps: Deps::new(&config, names),
            now: "2026-11-21T12:00:00Z".parse().unwrap(),
        }
    }

    async fn survey() -> Self {
        Self::with(
            json!({"name": "survey", "kind": "qualtrics", "verification": {"scheme": "bearer"}}),
        )
        .await
    }

    fn aws(&self) -> std::sync::MutexGuard<'_, Aws> {
        self.aws.lock().unwrap()
    }

    fn wait(&mut self, seconds: i64) {
        self.now += SignedDuration::from_secs(seconds);
    }

    async fn send(&self, request: ApiGatewayV2httpRequest) -> (u16, Value) {
        let response = handle(&self.deps, request, self.now, TIME).await;
        (
            u16::try_from(response.status_code).unwrap(),
            body(&response),
        )
    }

    async fn send_response(&self, authorization: &str) -> (u16, Value) {
        self.send(request(
            "POST",
            "survey",
            authorization,
            "application/json",
            &json!({"SurveyID": "SV_1", "ResponseID": "R_1"}).to_string(),
        ))
        .await
    }
}

async fn serve(
    State(aws): State<Arc<Mutex<Aws>>>,
    headers: HeaderMap,
    body: String,
) -> (StatusCode, String) {
    let target = headers["x-amz-target"].to_str().unwrap();
    let operation = target.rsplit('.').next().unwrap();
    let silent = aws.lock().unwrap().silent.contains(&operation);
    if silent {
        std::future::pending::<()>().await;
    }
    let (status, answer) = aws
        .lock()
        .unwrap()
        .answer(target, &serde_json::from_str(&body).unwrap());
    (status, answer.to_string())
}

fn request(
    method: &str,
    endpoint: &str,
    authorization: &str,
    content_type: &str,
    body: &str,
) -> ApiGatewayV2httpRequest {
    serde_json::from_value(json!({
        "version": "2.0",
        "headers": {"authorization": authorization, "content-type": content_type},
        "pathParameters": {"endpoint": endpoint},
        "requestContext": {"http": {"method": method}},
        "body": body,
        "isBase64Encoded": false,
    }))
    .unwrap()
}

fn body(response: &ApiGatewayV2httpResponse) -> Value {
    match &response.body {
        Some(Body::Text(text)) => serde_json::from_str(text).unwrap_or_else(|_| json!(text)),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn accepted_request_is_on_the_bus_before_it_is_answered() {
    let fixture = Fixture::survey().await;
    let (status, answer) = fixture.send_response(BEARER).await;
    assert_eq!(status, 200);
    let key = answer["events"][0]["key"].as_str().unwrap();
    assert!(key.starts_with("ev_"));
    assert_eq!(
        answer,
        json!({"events": [{"id": "completedResponse.SV_1.R_1", "key": key}]})
    );

    let aws = fixture.aws();
    assert_eq!(aws.calls, ["GetItem", "GetSecretValue", "PutEvents"]);
    let entry = &aws.entries[0];
    assert_eq!(
        (
            &entry["EventBusName"],
            &entry["Source"],
            &entry["DetailType"]
        ),
        (
            &json!("bus"),
            &json!("closedloop.ingest"),
            &json!("qualtrics.response.completed")
        )
    );
    let event: domain::CloudEvent =
        serde_json::from_str(entry["Detail"].as_str().unwrap()).unwrap();
    assert_eq!(event.key().as_str(), key);
}

#[tokio::test]
async fn warm_function_asks_again_only_when_what_it_knows_is_old() {
    let mut fixture = Fixture::survey().await;
    for (wait, asked) in [
        (0, vec!["GetItem", "GetSecretValue", "PutEvents"]),
        (29, vec!["PutEvents"]),
        (2, vec!["GetItem", "PutEvents"]),
        (270, vec!["GetItem", "GetSecretValue", "PutEvents"]),
    ] {
        fixture.wait(wait);
        fixture.aws().calls.clear();
        assert_eq!(fixture.send_response(BEARER).await.0, 200);
        assert_eq!(fixture.aws().calls, asked, "after {wait} s more");
    }
}

#[tokio::test]
async fn secret_that_was_changed_is_noticed_by_the_first_request_that_has_it() {
    let mut fixture = Fixture::survey().await;
    assert_eq!(fixture.send_response(BEARER).await.0, 200);
    fixture.aws().secret =
        Some(json!({"current": "new", "previous": "demo-secret-not-for-production"}).to_string());
    // Too fresh to be read again: forged requests shall not cause a call each.
    fixture.wait(5);
    assert_eq!(fixture.send_response("Bearer new").await.0, 401);
    fixture.wait(1);
    fixture.aws().calls.clear();
    assert_eq!(fixture.send_response("Bearer new").await.0, 200);
    assert_eq!(fixture.aws().calls, ["GetSecretValue", "PutEvents"]);
    assert_eq!(fixture.send_response(BEARER).await.0, 200);
    fixture.wait(10);
    fixture.aws().calls.clear();
    assert_eq!(fixture.send_response("Bearer forged").await.0, 401);
    assert_eq!(fixture.send_response("Bearer forged").await.0, 401);
    assert_eq!(fixture.aws().calls, ["GetSecretValue"]);
    assert_eq!(fixture.aws().entries.len(), 3);
}

#[tokio::test]
async fn nothing_is_accepted_while_something_does_not_answer() {
    for operation in ["GetItem", "GetSecretValue", "PutEvents"] {
        let fixture = Fixture::survey().await;
        fixture.aws().down.push(operation);
        let response = handle(
            &fixture.deps,
            request(
                "POST",
                "survey",
                BEARER,
                "application/json",
                r#"{"SurveyID":"S","ResponseID":"R"}"#,
            ),
            fixture.now,
            TIME,
        )
        .await;
        assert_eq!(response.status_code, 503, "{operation}");
        assert_eq!(response.headers["retry-after"], "5");
        assert_eq!(response.headers["content-type"], "application/problem+json");
        assert_eq!(body(&response)["type"], "/problems/unavailable");
        // And afterwards the same request is taken.
        fixture.aws().down.clear();
        assert_eq!(fixture.send_response(BEARER).await.0, 200);
    }
}

#[tokio::test]
async fn request_that_takes_too_long_is_asked_to_come_again_before_the_function_is_ended() {
    for operation in ["GetItem", "GetSecretValue", "PutEvents"] {
        let fixture = Fixture::survey().await;
        fixture.aws().silent.push(operation);
        let sent = request(
            "POST",
            "survey",
            BEARER,
            "application/json",
            r#"{"SurveyID":"S","ResponseID":"R"}"#,
        );
        let time = Duration::from_millis(300);
        let began = Instant::now();
        let response = handle(&fixture.deps, sent, fixture.now, time).await;
        assert!(began.elapsed() < time + Duration::from_secs(1));
        assert_eq!(response.status_code, 503, "{operation}");
        assert_eq!(response.headers["retry-after"], "5");
        assert_eq!(body(&response)["type"], "/problems/unavailable");
        // And afterwards the same request is taken.
        fixture.aws().silent.clear();
        assert_eq!(fixture.send_response(BEARER).await.0, 200, "{operation}");
    }
}

#[tokio::test]
async fn event_that_the_bus_refuses_is_not_accepted() {
    let fixture = Fixture::survey().await;
    fixture.aws().refused_entries = 1;
    assert_eq!(fixture.send_response(BEARER).await.0, 503);
    assert_eq!(fixture.aws().entries.len(), 0);
}

#[tokio::test]
async fn endpoint_that_somebody_must_mend_asks_senders_to_come_back() {
    for secret in [
        None,
        Some("not json".to_owned()),
        Some(json!({"current": ""}).to_string()),
    ] {
        let fixture = Fixture::survey().await;
        fixture.aws().secret.clone_from(&secret);
        assert_eq!(fixture.send_response(BEARER).await.0, 503, "{secret:?}");
    }
    let corrupt = Fixture::with(json!({"name": "survey", "kind": "telepathy"})).await;
    assert_eq!(corrupt.send_response(BEARER).await.0, 503);
}

#[tokio::test]
async fn refusals_are_problems_that_say_what_to_do() {
    let fixture = Fixture::survey().await;
    for (request, status, slug) in [
        (
            request("POST", "unknown", BEARER, "application/json", "{}"),
            404,
            "endpoint-unknown",
        ),
        (
            request("POST", "../x", BEARER, "application/json", "{}"),
            404,
            "endpoint-unknown",
        ),
        (
            request("PUT", "survey", BEARER, "application/json", "{}"),
            405,
            "method-not-allowed",
        ),
        (
            request("POST", "survey", BEARER, "text/plain", "{}"),
            415,
            "content-type-unsupported",
        ),
        (
            request("POST", "survey", "Bearer x", "application/json", "{}"),
            401,
            "signature-invalid",
        ),
        (
            request("POST", "survey", BEARER, "application/json", "{"),
            400,
            "body-unreadable",
        ),
        (
            request("POST", "survey", BEARER, "application/json", "{}"),
            400,
            "field-invalid",
        ),
        (
            request(
                "POST",
                "survey",
                "",
                "application/json",
                &"x".repeat(200_001),
            ),
            413,
            "too-large",
        ),
    ] {
        let (found, problem) = fixture.send(request).await;
        assert_eq!(found, status);
        assert_eq!(
            (&problem["type"], &problem["status"]),
            (&json!(format!("/problems/{slug}")), &json!(status))
        );
        assert!(
            problem["title"].is_string()
                && problem["detail"].is_string()
                && problem["endpoint"].is_string(),
            "{problem}"
        );
    }
    assert_eq!(fixture.aws().entries.len(), 0);
}

#[tokio::test]
async fn event_larger_than_the_bus_takes_is_refused() {
    let fixture = Fixture::with(json!({
        "name": "survey", "kind": "cloudevents", "verification": {"scheme": "none", "accept_unverified_requests": true}
    }))
    .await;
    // A control character takes one byte in the body and six in JSON.
    let request = serde_json::from_value(json!({
        "headers": {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "x", "ce-type": "y", "content-type": "text/plain"},
        "pathParameters": {"endpoint": "survey"}, "requestContext": {"http": {"method": "POST"}}, "body": "\u{1}".repeat(100_000),
    }))
    .unwrap();
    assert_eq!(fixture.send(request).await.0, 413);
    assert_eq!(fixture.aws().entries.len(), 0);
}

#[tokio::test]
async fn get_is_answered_only_for_qualtrics() {
    let fixture = Fixture::survey().await;
    let get = || request("GET", "survey", "", "text/plain", "");
    assert_eq!(fixture.send(get()).await, (200, json!("ok\n")));
    assert_eq!(fixture.aws().calls, ["GetItem"]);
    let other = Fixture::with(
        json!({"name": "survey", "kind": "json", "verification": {"scheme": "bearer"}}),
    )
    .await;
    let response = handle(&other.deps, get(), other.now, TIME).await;
    assert_eq!(
        (
            response.status_code,
            response.headers["allow"].to_str().unwrap()
        ),
        (405, "POST")
    );
}

#[tokio::test]
async fn switched_off_endpoint_is_gone() {
    let fixture = Fixture::with(json!({"name": "survey", "kind": "qualtrics", "verification": {"scheme": "bearer"}, "enabled": false})).await;
    assert_eq!(fixture.send_response(BEARER).await.0, 410);
    assert_eq!(fixture.aws().calls, ["GetItem"]);
}

#[tokio::test]
async fn batch_of_more_than_one_call_is_put_completely() {
    let fixture = Fixture::with(
        json!({"name": "survey", "kind": "cloudevents", "verification": {"scheme": "bearer"}}),
    )
    .await;
    let events: Vec<Value> = (0..23)
        .map(|id| json!({"specversion": "1.0", "id": id.to_string(), "source": "x", "type": "y"}))
        .collect();
    let send = || {
        fixture.send(request(
            "POST",
            "survey",
            BEARER,
            "application/cloudevents-batch+json",
            &json!(events).to_string(),
        ))
    };
    let (status, answer) = send().await;
    assert_eq!(
        (status, answer["events"].as_array().unwrap().len()),
        (202, 23)
    );
    assert_eq!(fixture.aws().entries.len(), 23);
    fixture.aws().refused_entries = 1;
    assert_eq!(send().await.0, 503);
}

/// The files that `cargo lambda invoke ingest --data-file events/ingest-....json` is given, and the
/// definitions of the endpoints that they name.
#[tokio::test]
async fn sample_requests_are_accepted_by_their_sample_endpoints() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut keys = std::collections::HashSet::new();
    for (file, status, event_type, count) in [
        (
            "ingest-qualtrics-response.json",
            200,
            "qualtrics.response.completed",
            1,
        ),
        (
            "ingest-qualtrics-subscription.json",
            200,
            "qualtrics.response.completed",
            1,
        ),
        ("ingest-json-review.json", 202, "review.created", 1),
        (
            "ingest-zendesk-ticket-created.json",
            202,
            "zendesk.ticket.created",
            1,
        ),
        ("ingest-zendesk-trigger.json", 202, "zendesk.trigger", 1),
        ("ingest-cloudevents-binary.json", 202, "order.delayed", 1),
        (
            "ingest-cloudevents-structured.json",
            202,
            "order.delayed",
            1,
        ),
        ("ingest-cloudevents-batch.json", 202, "order.delayed", 2),
        (
            "ingest-dataset-record.json",
            202,
            "dataset.record.created",
            1,
        ),
        (
            "ingest-dataset-records.json",
            202,
            "dataset.record.created",
            2,
        ),
        (
            "ingest-servicenow-record.json",
            202,
            "servicenow.record.updated",
            1,
        ),
    ] {
        let text = std::fs::read_to_string(root.join("events").join(file)).unwrap();
        let request: ApiGatewayV2httpRequest = serde_json::from_str(&text).unwrap();
        let name = request.path_parameters["endpoint"].clone();
        let fixture = Fixture::with(definition(&root.join(format!("endpoints/{name}.yaml")))).await;
        let (found, answer) = fixture.send(request).await;
        assert_eq!(found, status, "{file}: {answer}");
        assert_eq!(fixture.aws().entries.len(), count, "{file}");
        assert_eq!(fixture.aws().entries[0]["DetailType"], event_type, "{file}");
        keys.insert(answer["events"][0]["key"].to_string());
    }
    // The batch begins with the structured event: the same source and id are the same event.
    assert_eq!(keys.len(), 10);
}

#[test]
fn sample_endpoints_are_valid_and_named_like_their_files() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../endpoints");
    let mut count = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "js") {
            continue;
        }
        assert_eq!(
            definition(&path)["name"],
            path.file_stem().unwrap().to_str().unwrap()
        );
        count += 1;
    }
    assert!(count >= 8);
}

fn definition(path: &Path) -> Value {
    let document: Value = serde_saphyr::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let endpoint = domain::definition::endpoint(&document)
        .unwrap_or_else(|problems| panic!("{}: {problems:?}", path.display()));
    serde_json::to_value(endpoint).unwrap()
}
