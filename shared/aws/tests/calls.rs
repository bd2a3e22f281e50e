//! What goes over the wire, and what is made of what comes back.
#![cfg(test)]

use std::time::Duration;

use aws::dynamodb::{self, AttributeValue, Put, TransactWriteItem};
use aws::eventbridge::{self, PutEventsRequestEntry};
use aws::{Config, Error, Patience, lambda, scheduler, secretsmanager, sqs};
use serde_json::{Value, json};
use vendor_http::test_support::{Server, Step};

const FAST: Patience = Patience {
    attempt: Duration::from_millis(500),
    call: Duration::from_secs(2),
    attempts: 3,
};

async fn scripted(script: impl IntoIterator<Item = Step>) -> (Config, Server) {
    let server = Server::start(script).await.unwrap();
    let config = Config::at(&server.url()).unwrap().with_patience(FAST);
    (config, server)
}

fn refused(code: &str) -> Step {
    Step::json(
        400,
        json!({"__type": format!("com.amazonaws#{code}"), "message": "no"}),
    )
}

fn transaction(config: &Config) -> dynamodb::Request<dynamodb::TransactWriteItems> {
    let put = Put::builder()
        .table_name("t")
        .item("pk", AttributeValue::S("a".to_owned()));
    dynamodb::Client::new(config)
        .transact_write_items()
        .set_transact_items(vec![TransactWriteItem::Put(put)])
}

#[tokio::test]
async fn request_is_what_dynamodb_documents_and_signed() {
    let (config, server) = scripted([Step::json(200, json!({"Item": {"pk": {"S": "a"}}}))]).await;
    let answer = dynamodb::Client::new(&config)
        .get_item()
        .table_name("t")
        .key("pk", AttributeValue::S("a".to_owned()))
        .consistent_read(true)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.item.unwrap()["pk"].as_s().unwrap(), "a");
    let [request] = server.received().try_into().unwrap();
    assert_eq!(
        request.json(),
        json!({"TableName": "t", "Key": {"pk": {"S": "a"}}, "ConsistentRead": true})
    );
    assert_eq!(request.header("x-amz-target"), "DynamoDB_20120810.GetItem");
    assert_eq!(request.header("content-type"), "application/x-amz-json-1.0");
    let signature = request.header("authorization");
    for part in [
        "AWS4-HMAC-SHA256 Credential=local/",
        "/eu-central-1/dynamodb/aws4_request",
        "SignedHeaders=content-type;host;x-amz-date;x-amz-target",
    ] {
        assert!(signature.contains(part), "{part}: {signature}");
    }
}

#[tokio::test]
async fn busy_service_is_asked_again_and_recognises_the_repetition() {
    let (config, server) =
        scripted([Step::json(500, "{}"), Step::Lose, Step::json(200, "{}")]).await;
    transaction(&config).send().await.unwrap();
    let tokens: Vec<Value> = server
        .received()
        .iter()
        .map(|request| request.json()["ClientRequestToken"].clone())
        .collect();
    assert_eq!(tokens.len(), 3);
    assert!(
        tokens[0].as_str().is_some_and(|token| token.len() == 32),
        "{tokens:?}"
    );
    assert!(tokens.iter().all(|token| *token == tokens[0]), "{tokens:?}");
    // Another transaction is another one, also when it says the same.
    let (config, other) = scripted([Step::json(200, "{}")]).await;
    transaction(&config).send().await.unwrap();
    assert_ne!(other.received()[0].json()["ClientRequestToken"], tokens[0]);
}

#[tokio::test]
async fn what_cannot_help_is_not_tried_again() {
    for (step, attempts) in [
        (refused("ConditionalCheckFailedException"), 1),
        (refused("ValidationException"), 1),
        (refused("ThrottlingException"), 3),
        (Step::json(503, "{}"), 3),
        (Step::Lose, 3),
        (Step::json(200, "no JSON"), 1),
    ] {
        let (config, server) =
            scripted([step.clone(), step.clone(), step.clone(), step.clone()]).await;
        transaction(&config).send().await.unwrap_err();
        assert_eq!(server.received().len(), attempts, "{step:?}");
    }
}

#[tokio::test]
async fn silence_ends_with_the_patience() {
    let (config, server) = scripted([Step::Stall, Step::Stall, Step::Stall]).await;
    let patience = Patience {
        attempt: Duration::from_millis(200),
        call: Duration::from_millis(300),
        attempts: 3,
    };
    let begun = std::time::Instant::now();
    let error = transaction(&config.with_patience(patience))
        .send()
        .await
        .unwrap_err();
    assert!(matches!(error, Error::TimedOut { .. }), "{error:?}");
    assert!(begun.elapsed() < Duration::from_secs(2));
    assert_eq!(server.received().len(), 2);
}

#[tokio::test]
async fn pauses_end_with_the_patience() {
    // The last of them would take an hour.
    let (config, server) = scripted(vec![Step::json(503, "{}"); 18]).await;
    let patience = Patience {
        call: Duration::from_millis(300),
        attempts: 18,
        ..FAST
    };
    let begun = std::time::Instant::now();
    let error = transaction(&config.with_patience(patience))
        .send()
        .await
        .unwrap_err();
    assert!(matches!(error, Error::TimedOut { .. }), "{error:?}");
    assert!(begun.elapsed() < Duration::from_secs(2));
    assert!(server.received().len() < 18);
}

#[tokio::test]
async fn nobody_listening_means_that_nothing_was_sent() {
    let config = Config::at("http://127.0.0.1:1").unwrap();
    let error = transaction(&config).send().await.unwrap_err();
    assert!(matches!(error, Error::NotSent { .. }), "{error:?}");
}

#[tokio::test]
async fn refused_conditions_tell_of_the_row() {
    let item = json!({"state": {"S": "running"}});
    let (config, _server) = scripted([
        Step::json(
            400,
            json!({"__type": "x#ConditionalCheckFailedException", "Item": item}),
        ),
        Step::json(
            400,
            json!({"__type": "x#TransactionCanceledException", "CancellationReasons": [
            {"Code": "None"}, {"Code": "ConditionalCheckFailed", "Item": item}]}),
        ),
    ])
    .await;
    let client = dynamodb::Client::new(&config);
    let error = client
        .update_item()
        .table_name("t")
        .send()
        .await
        .unwrap_err();
    let row = error.condition_failed().unwrap().item.unwrap();
    assert_eq!(row["state"].as_s().unwrap(), "running");
    let error = transaction(&config).send().await.unwrap_err();
    assert_eq!(error.condition_failed(), None);
    let reasons = error.cancellation_reasons().unwrap();
    let codes: Vec<_> = reasons.iter().map(|reason| reason.code()).collect();
    assert_eq!(codes, [Some("None"), Some("ConditionalCheckFailed")]);
    assert!(reasons[1].item.is_some());
}

#[tokio::test]
async fn pages_are_read_to_their_end() {
    let row = |n: u32| json!({"n": {"N": n.to_string()}});
    let (config, server) = scripted([
        Step::json(200, json!({"Items": [row(1)], "LastEvaluatedKey": row(1)})),
        Step::json(200, json!({"Items": [], "LastEvaluatedKey": row(2)})),
        Step::json(200, json!({"Items": [row(3)]})),
    ])
    .await;
    let query = dynamodb::Client::new(&config).query().table_name("t");
    let numbers: Vec<String> = query
        .all_items()
        .await
        .unwrap()
        .iter()
        .map(|row| row["n"].as_n().unwrap().clone())
        .collect();
    assert_eq!(numbers, ["1", "3"]);
    let starts: Vec<Value> = server
        .received()
        .iter()
        .map(|request| request.json()["ExclusiveStartKey"].clone())
        .collect();
    assert_eq!(starts, [Value::Null, row(1), row(2)]);
}

#[tokio::test]
async fn bus_that_takes_a_part_says_so() {
    let (config, server) = scripted([
        Step::json(200, json!({"FailedEntryCount": 1, "Entries": [{"EventId": "1"}, {"ErrorCode": "InternalFailure"}]})),
        Step::json(200, json!({"FailedEntryCount": 0, "Entries": [{"EventId": "1"}]})),
    ])
    .await;
    let client = eventbridge::Client::new(&config);
    let entry = PutEventsRequestEntry {
        event_bus_name: "bus",
        source: "s",
        detail_type: "t",
        detail: "{}",
        time: Some("2026-11-21T12:00:00.7Z".parse().unwrap()),
    };
    let answer = client
        .put_events(&[entry.clone(), entry.clone()])
        .await
        .unwrap();
    assert_eq!(answer.first_error(), Some("InternalFailure"));
    let answer = client.put_events(&[entry]).await.unwrap();
    assert_eq!(answer.first_error(), None);
    let sent = server.received()[1].json();
    assert_eq!(
        sent["Entries"][0],
        json!({"EventBusName": "bus", "Source": "s", "DetailType": "t", "Detail": "{}", "Time": 1_795_262_400})
    );
}

#[tokio::test]
async fn secret_is_read_and_written_and_never_shown() {
    let (config, server) = scripted([
        Step::json(200, json!({"SecretString": "hunter2"})),
        Step::json(200, json!({})),
        refused("ResourceNotFoundException"),
        Step::json(
            200,
            json!({"LastChangedDate": 1_795_262_400.5, "DeletedDate": 1_795_262_401}),
        ),
    ])
    .await;
    let client = secretsmanager::Client::new(&config);
    let secret = client.get_secret_value("a/b").await.unwrap();
    assert!(!format!("{secret:?}").contains("hunter2"));
    client.put_secret_value("a/b", &secret).await.unwrap();
    let sent = server.received()[1].json();
    assert_eq!(
        (&sent["SecretId"], &sent["SecretString"]),
        (&json!("a/b"), &json!("hunter2"))
    );
    assert!(
        sent["ClientRequestToken"]
            .as_str()
            .is_some_and(|token| token.len() >= 32)
    );
    let error = client.describe_secret("a/b").await.unwrap_err();
    assert!(error.is(secretsmanager::RESOURCE_NOT_FOUND));
    let described = client.describe_secret("a/b").await.unwrap();
    let changed = described.last_changed_date.unwrap();
    assert_eq!(changed.as_millisecond(), 1_795_262_400_500);
    assert!(described.deleted_date.is_some());
}

#[tokio::test]
async fn schedules_are_named_by_their_path() {
    let kept = json!({
        "ScheduleExpression": "rate(1 minute)", "State": "ENABLED", "StartDate": 1_795_262_400.0,
        "FlexibleTimeWindow": {"Mode": "OFF"}, "Target": {"Arn": "a", "RoleArn": "r"}, "Name": "n"
    });
    let (config, server) = scripted([
        Step::json(200, kept),
        Step::json(200, json!({"ScheduleArn": "x"})),
        Step::json(409, "{}").with("x-amzn-errortype", "ConflictException"),
        Step::answer(200, "application/json", ""),
    ])
    .await;
    let client = scheduler::Client::new(&config);
    let schedule = client.get_schedule("group", "a-b_c d").await.unwrap();
    assert_eq!(schedule.state, Some(scheduler::ScheduleState::Enabled));
    client
        .create_schedule("group", "n", &schedule)
        .await
        .unwrap();
    let error = client
        .create_schedule("group", "n", &schedule)
        .await
        .unwrap_err();
    assert!(error.is(scheduler::CONFLICT), "{error}");
    client.delete_schedule("group", "n").await.unwrap();
    let received = server.received();
    let calls: Vec<_> = received
        .iter()
        .map(|request| (request.method.as_str(), request.target.as_str()))
        .collect();
    assert_eq!(
        calls,
        [
            ("GET", "/schedules/a-b_c%20d?groupName=group"),
            ("POST", "/schedules/n"),
            ("POST", "/schedules/n"),
            ("DELETE", "/schedules/n?groupName=group"),
        ]
    );
    let created = received[1].json();
    assert_eq!(created["StartDate"], json!(1_795_262_400));
    assert_eq!(
        (&created["GroupName"], &created["State"]),
        (&json!("group"), &json!("ENABLED"))
    );
}

#[tokio::test]
async fn message_waits_as_long_as_it_is_told() {
    let (config, server) = scripted([
        Step::json(200, json!({"MessageId": "m"})),
        Step::json(200, json!({"MessageId": "m"})),
    ])
    .await;
    let client = sqs::Client::new(&config);
    client.send_message("http://q", "x", Some(5)).await.unwrap();
    client.send_message("http://q", "x", None).await.unwrap();
    let bodies: Vec<Value> = server
        .received()
        .iter()
        .map(vendor_http::test_support::Received::json)
        .collect();
    assert_eq!(
        bodies[0],
        json!({"QueueUrl": "http://q", "MessageBody": "x", "DelaySeconds": 5})
    );
    assert_eq!(
        bodies[1],
        json!({"QueueUrl": "http://q", "MessageBody": "x"})
    );
}

/// As on Lambda: with keys that go with a token.
fn on_lambda(url: &str) -> Config {
    let config = Config::from_vars(|name| match name {
        "AWS_REGION" => Some("eu-central-1".to_owned()),
        "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => Some("key".to_owned()),
        "AWS_SESSION_TOKEN" => Some("hunter3".to_owned()),
        "AWS_ENDPOINT_URL" => Some(url.to_owned()),
        _ => None,
    });
    config.unwrap()
}

#[tokio::test]
async fn session_token_is_sent_and_signed() {
    let (_, server) = scripted([Step::json(200, "{}")]).await;
    let client = dynamodb::Client::new(&on_lambda(&server.url()));
    client.get_item().table_name("t").send().await.unwrap();
    let [request] = server.received().try_into().unwrap();
    assert_eq!(request.header("x-amz-security-token"), "hunter3");
    let signature = request.header("authorization");
    assert!(signature.contains(";x-amz-security-token;"), "{signature}");
}

#[tokio::test]
async fn function_is_asked_by_name_or_arn_and_its_failure_is_told() {
    let (config, server) = scripted([
        Step::json(200, json!({"a": 1})),
        Step::json(200, json!({"errorType": "x"})).with("x-amz-function-error", "Unhandled"),
    ])
    .await;
    let client = lambda::Client::new(&config);
    let answer = client.invoke("my-fn_1", "{}".into()).await.unwrap();
    assert_eq!(
        (answer.function_error, &*answer.payload),
        (None, br#"{"a":1}"#.as_slice())
    );
    let failed = client
        .invoke("arn:aws:lambda:x:1:function:f", "{}".into())
        .await
        .unwrap();
    assert_eq!(failed.function_error.as_deref(), Some("Unhandled"));
    let targets: Vec<String> = server
        .received()
        .iter()
        .map(|request| request.target.clone())
        .collect();
    assert_eq!(
        targets,
        [
            "/2015-03-31/functions/my-fn_1/invocations",
            "/2015-03-31/functions/arn%3Aaws%3Alambda%3Ax%3A1%3Afunction%3Af/invocations",
        ]
    );
}
