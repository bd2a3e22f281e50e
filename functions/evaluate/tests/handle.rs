//! The whole function against local stand-ins for the AWS services that it calls. The tables are in a real engine, so that
//! the conditions of writes are those of the product.
#![cfg(test)]

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use aws_lambda_events::sqs::{SqsEvent, SqsMessage};
use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode};
use domain::run::{Attempt, AttemptOutcome, end_event, reopen};
use domain::{CloudEvent, Run, RunId, RunState, TaskName, TaskRun, TaskState, WorkflowId};
use dynoxide::Database;
use evaluate::{Config, Evaluator};
use jiff::{SignedDuration, Timestamp};
use lambda_runtime::{Context, LambdaEvent};
use serde_json::{Value, json};
use startup::AwsConfig;
use store::{AttemptEnd, Claim, Events, Outcome, Reruns, Runs, Workflows};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const EVENT: &str = "review.created";

/// What the services were asked for, and what they do.
struct Aws {
    tables: SocketAddr,
    /// Operations that are refused.
    down: Vec<&'static str>,
    /// Entries of the bus that are refused: those that contain this.
    refused: Option<String>,
    /// Keys for which a read of many rows has no time: those that contain this.
    unprocessed: Option<String>,
    /// Transactions that are refused: those that contain this.
    unwritten: Option<&'static str>,
    /// Reads of so many rows are not answered.
    unanswered: Option<usize>,
    /// Rows as they were, which a read of many gives instead of what they are now.
    stale: Vec<Value>,
    /// What somebody else puts just before the next transaction.
    interjection: Option<Value>,
    /// Operations, by name.
    operations: Vec<String>,
    /// How many rows the transactions had.
    rows: Vec<usize>,
    /// What the bus took.
    entries: Vec<Value>,
}

async fn serve(
    State(aws): State<Arc<Mutex<Aws>>>,
    headers: HeaderMap,
    body: String,
) -> (StatusCode, String) {
    let target = headers["x-amz-target"].to_str().unwrap().to_owned();
    let operation = target.rsplit('.').next().unwrap();
    let mut parsed: Value = serde_json::from_str(&body).unwrap();
    let mut is_unanswered = false;
    let (tables, interjection, held, stale) = {
        let mut aws = aws.lock().unwrap();
        aws.operations.push(operation.to_owned());
        let is_too_large = operation == "PutEvents" && size_of_entries(&parsed) > 256_000;
        let is_unwritten = operation == "TransactWriteItems"
            && aws.unwritten.is_some_and(|part| body.contains(part));
        if aws.down.contains(&operation) || is_too_large || is_unwritten {
            let answer = json!({"__type": "AccessDeniedException", "message": "no"});
            return (StatusCode::BAD_REQUEST, answer.to_string());
        }
        match operation {
            "PutEvents" => return (StatusCode::OK, aws.put_events(&parsed).to_string()),
            "ChangeMessageVisibilityBatch" => {
                let answer = json!({"Successful": [], "Failed": []});
                return (StatusCode::OK, answer.to_string());
            }
            _ => {}
        }
        let mut interjection = None;
        if operation == "TransactWriteItems" {
            let rows = parsed["TransactItems"].as_array().unwrap().len();
            aws.rows.push(rows);
            interjection = aws.interjection.take();
        }
        if operation == "BatchGetItem" {
            let wanted = parsed["RequestItems"].as_object().unwrap().values();
            let rows: usize = wanted
                .map(|wanted| wanted["Keys"].as_array().unwrap().len())
                .sum();
            is_unanswered = aws.unanswered == Some(rows);
        }
        let mut held = json!({});
        if let ("BatchGetItem", Some(pattern)) = (operation, &aws.unprocessed) {
            for (table, wanted) in parsed["RequestItems"].as_object_mut().unwrap() {
                let keys = wanted["Keys"].as_array().unwrap().clone();
                let (away, rest): (Vec<Value>, Vec<Value>) = keys
                    .into_iter()
                    .partition(|key| key.to_string().contains(pattern));
                held[table] = json!({"Keys": away});
                wanted["Keys"] = rest.into();
            }
        }
        (aws.tables, interjection, held, aws.stale.clone())
    };
    if is_unanswered {
        std::future::pending::<()>().await;
    }
    if let Some(row) = interjection {
        call(tables, "PutItem", &row).await;
    }
    let (status, answer) = forward(tables, &target, &parsed.to_string()).await;
    if operation != "BatchGetItem" || status != StatusCode::OK {
        return (status, answer);
    }
    let mut answer: Value = serde_json::from_str(&answer).unwrap();
    if held != json!({}) {
        answer["UnprocessedKeys"] = held;
    }
    let tables = answer["Responses"].as_object_mut().unwrap().values_mut();
    for row in tables.flat_map(|rows| rows.as_array_mut().unwrap()) {
        let is_same = |old: &&Value| (&old["pk"], &old["sk"]) == (&row["pk"], &row["sk"]);
        if let Some(old) = stale.iter().find(is_same) {
            *row = old.clone();
        }
    }
    (status, answer.to_string())
}

/// As the bus counts them, about.
fn size_of_entries(body: &Value) -> usize {
    let entries = body["Entries"].as_array().unwrap().iter();
    let of = |entry: &Value, name: &str| entry[name].as_str().unwrap().len();
    entries
        .map(|entry| of(entry, "Source") + of(entry, "DetailType") + of(entry, "Detail"))
        .sum()
}

impl Aws {
    fn put_events(&mut self, body: &Value) -> Value {
        let entries = body["Entries"].as_array().unwrap();
        assert!(entries.len() <= 10, "{}", entries.len());
        let mut failed = 0;
        let answers: Vec<Value> = entries
            .iter()
            .map(|entry| {
                let refused = self.refused.as_ref();
                if refused.is_some_and(|part| entry.to_string().contains(part)) {
                    failed += 1;
                    return json!({"ErrorCode": "ThrottlingException", "ErrorMessage": "no"});
                }
                self.entries.push(entry.clone());
                json!({"EventId": "1"})
            })
            .collect();
        json!({"FailedEntryCount": failed, "Entries": answers})
    }
}

/// Hands a call to the engine of the tables.
async fn forward(tables: SocketAddr, target: &str, body: &str) -> (StatusCode, String) {
    let mut stream = TcpStream::connect(tables).await.unwrap();
    let request = format!(
        "POST / HTTP/1.1\r\nhost: {tables}\r\nx-amz-target: {target}\r\ncontent-type: application/x-amz-json-1.0\r\n\
         authorization: AWS4-HMAC-SHA256 Credential=id/20261121/eu-west-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0\r\n\
         x-amz-date: 20261121T120000Z\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (StatusCode::from_u16(status).unwrap(), body.to_owned())
}

/// A call to the engine itself, which succeeds.
async fn call(engine: SocketAddr, operation: &str, body: &Value) -> Value {
    let target = format!("DynamoDB_20120810.{operation}");
    let (status, answer) = forward(engine, &target, &body.to_string()).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    serde_json::from_str(&answer).unwrap()
}

fn aws_config(url: String) -> AwsConfig {
    AwsConfig::at(&url).unwrap()
}

struct Fixture {
    aws: Arc<Mutex<Aws>>,
    engine: SocketAddr,
    evaluator: Evaluator,
    // These ask the engine itself, so that they do not count.
    workflows: Workflows,
    runs: Runs,
    events: Events,
    reruns: Reruns,
}

impl Fixture {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let engine = listener.local_addr().unwrap();
        let database = Database::memory().unwrap();
        tokio::spawn(dynoxide::server::serve_on(listener, database));
        for (name, key) in [
            ("workflows_table", &["pk", "sk"][..]),
            ("runs_table", &["pk", "sk"]),
            ("events_table", &["event"]),
        ] {
            let parts: Vec<Value> = key
                .iter()
                .zip(["HASH", "RANGE"])
                .map(|(name, kind)| json!({"AttributeName": name, "KeyType": kind}))
                .collect();
            let attributes: Vec<Value> = key
                .iter()
                .map(|name| json!({"AttributeName": name, "AttributeType": "S"}))
                .collect();
            let table = json!({"TableName": name, "KeySchema": parts, "AttributeDefinitions": attributes,
                "BillingMode": "PAY_PER_REQUEST"});
            call(engine, "CreateTable", &table).await;
        }
        let aws = Arc::new(Mutex::new(Aws {
            tables: engine,
            down: vec![],
            refused: None,
            unprocessed: None,
            unwritten: None,
            unanswered: None,
            stale: vec![],
            interjection: None,
            operations: vec![],
            rows: vec![],
            entries: vec![],
        }));
        let app = Router::new()
            .fallback(serve)
            .layer(DefaultBodyLimit::disable())
            .with_state(Arc::clone(&aws));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        let config = Config::from_vars(|name| {
            Some(if name.ends_with("DAYS") {
                "7".to_owned()
            } else {
                name.to_lowercase()
            })
        })
        .unwrap();
        let direct = store::Client::new(&aws_config(format!("http://{engine}")));
        let (runs, events) = (config.runs_table.clone(), config.events_table.clone());
        Self {
            workflows: Workflows::new(direct.clone(), config.workflows_table.clone()),
            runs: Runs::new(direct.clone(), runs.clone()),
            events: Events::new(direct.clone(), events.clone()),
            reruns: Reruns::new(direct, runs, events, 7),
            evaluator: Evaluator::new(config, &aws_config(url), startup::now),
            aws,
            engine,
        }
    }

    fn aws(&self) -> MutexGuard<'_, Aws> {
        self.aws.lock().unwrap()
    }

    async fn apply(&self, id: &str, event: Value, tasks: Value) -> WorkflowId {
        let document = json!({"id": id, "name": id, "trigger": {"event": event}, "tasks": tasks});
        let workflow = domain::definition::workflow(&document).unwrap();
        self.workflows
            .apply(&workflow, startup::now())
            .await
            .unwrap();
        workflow.id
    }

    /// With one ticket for each event.
    async fn with_ticket() -> (Self, WorkflowId) {
        let fixture = Self::new().await;
        let workflow = fixture
            .apply("ticket", json!({"type": EVENT}), one_ticket())
            .await;
        (fixture, workflow)
    }

    /// Invokes the function; gives the places of those messages that come again.
    async fn deliver(&self, bodies: &[Value]) -> Vec<usize> {
        let mut batch = SqsEvent::default();
        for (index, body) in bodies.iter().enumerate() {
            let mut message = SqsMessage::default();
            message.message_id = Some(index.to_string());
            message.receipt_handle = Some("r".to_owned());
            message.body = Some(body.to_string());
            batch.records.push(message);
        }
        let event = LambdaEvent::new(batch, Context::default());
        let answer = self.evaluator.handle(event).await;
        let failures = answer.batch_item_failures.iter();
        failures
            .map(|failure| failure.item_identifier.parse().unwrap())
            .collect()
    }

    /// The operations since the last time, and forgets them.
    fn operations(&self) -> Vec<String> {
        let mut operations = std::mem::take(&mut self.aws().operations);
        operations.retain(|operation| operation != "ChangeMessageVisibilityBatch");
        operations
    }

    /// The messages that lead back to the function since the last time, and forgets all.
    fn come_back(&self) -> Vec<Value> {
        let entries = std::mem::take(&mut self.aws().entries).into_iter();
        entries
            .filter(|entry| entry["Source"] == "closedloop.evaluate")
            .filter(|entry| entry["DetailType"].as_str().unwrap().starts_with("run."))
            .map(|entry| {
                let detail: Value =
                    serde_json::from_str(entry["Detail"].as_str().unwrap()).unwrap();
                json!({"source": entry["Source"], "detail-type": entry["DetailType"], "detail": detail})
            })
            .collect()
    }

    /// The requests and ends that were told since the last time, as `type task-or-workflow`, with `again` behind the ends
    /// that this function is to evaluate; sorted.
    fn told(&self) -> Vec<String> {
        let entries = std::mem::take(&mut self.aws().entries);
        let mut told: Vec<String> = entries
            .iter()
            .map(|entry| {
                let kind = entry["DetailType"].as_str().unwrap();
                let detail: Value =
                    serde_json::from_str(entry["Detail"].as_str().unwrap()).unwrap();
                let of_run = kind.starts_with("run.");
                let leads_back = entry["Source"] == "closedloop.evaluate";
                assert!(leads_back || (of_run && entry["Source"] == "closedloop.runs"));
                let again = if of_run && leads_back { " again" } else { "" };
                let name = if of_run {
                    &detail["subject"]
                } else {
                    &detail["task"]
                };
                format!("{kind} {}{again}", name.as_str().unwrap())
            })
            .collect();
        told.sort();
        told
    }

    async fn run(&self, id: &RunId) -> (Run, Vec<TaskRun>) {
        self.runs.get(id).await.unwrap().unwrap()
    }

    /// What a task function does with a task; gives the message that it sends.
    async fn end(&self, run: &RunId, task: &str, succeeds: bool) -> Value {
        let name = TaskName::parse(task).unwrap();
        let now = startup::now();
        let until = now + SignedDuration::from_mins(1);
        let claim = self.runs.claim(run, &name, "me", now, until).await.unwrap();
        let Claim::Claimed(task) = claim else {
            panic!("{claim:?}")
        };
        let attempt = Attempt {
            number: 1,
            started_at: now,
            ended_at: now,
            outcome: AttemptOutcome::Succeeded,
            message: None,
            calls: Vec::new(),
        };
        let end = if succeeds {
            AttemptEnd::Succeeded {
                output: serde_json::Map::new(),
                link: None,
                warnings: Vec::new(),
            }
        } else {
            AttemptEnd::Failed {
                look_first: false,
                reason: "no".to_owned(),
            }
        };
        self.runs
            .end_attempt(&task, "me", attempt, &end)
            .await
            .unwrap();
        ended(run, name.as_str(), succeeds)
    }

    /// Stores the ends of all tickets of these events; gives the messages.
    async fn end_tickets(&self, ids: &[String], workflow: &WorkflowId) -> Vec<Value> {
        let mut messages = Vec::new();
        for id in ids {
            let run = RunId::derive(&event(id).key(), workflow);
            messages.push(self.end(&run, "ticket", true).await);
        }
        messages
    }

    /// The runs that an event began, as its row says.
    async fn started(&self, event: &CloudEvent) -> Vec<RunId> {
        let record = self.events.get(&event.key()).await.unwrap().unwrap();
        let decisions = record.decisions.into_iter();
        decisions
            .filter_map(|decision| match decision.outcome {
                Outcome::Started { run } => Some(run),
                Outcome::NotMatched | Outcome::RefusedLoop | Outcome::Errored { .. } => None,
            })
            .collect()
    }
}

fn one_ticket() -> Value {
    json!([{"id": "ticket", "kind": "zendesk.create_ticket", "account": "zd", "input": {"comment": "{{ event.data.text }}"}}])
}

fn tell() -> Value {
    json!([{"id": "tell", "kind": "zendesk.create_ticket", "account": "zd",
        "input": {"comment": "{{ event.data.workflow_name }}"}}])
}

/// With nothing to do, so that its runs are over when they begin.
fn nothing() -> Value {
    json!([{"id": "ticket", "kind": "zendesk.create_ticket", "account": "zd",
        "when": {"field": "data.nps", "less_than": 3}, "input": {"comment": "x"}}])
}

fn event(id: &str) -> CloudEvent {
    serde_json::from_value(
        json!({"specversion": "1.0", "id": id, "source": "/endpoints/shop", "type": EVENT,
        "data": {"text": format!("text {id}")}}),
    )
    .unwrap()
}

fn happened(id: &str) -> Value {
    json!({"source": "closedloop.ingest", "detail-type": EVENT, "detail": event(id)})
}

fn ended(run: &RunId, task: &str, succeeds: bool) -> Value {
    let kind = if succeeds {
        "task.succeeded"
    } else {
        "task.failed"
    };
    json!({"source": "closedloop.tasks", "detail-type": kind, "detail":
        {"version": "1", "run_id": run, "task": task, "kind": "zendesk.create_ticket"}})
}

fn ids(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("e{n}")).collect()
}

fn all_happened(ids: &[String]) -> Vec<Value> {
    ids.iter().map(|id| happened(id)).collect()
}

const NONE: [usize; 0] = [];

#[tokio::test]
async fn one_event_costs_three_calls_and_the_end_of_its_run_four() {
    let (fixture, workflow) = Fixture::with_ticket().await;
    assert_eq!(fixture.deliver(&[happened("e0")]).await, NONE);
    assert_eq!(
        fixture.operations(),
        ["Query", "TransactWriteItems", "PutEvents"]
    );
    assert_eq!(fixture.told(), ["task.requested ticket"]);
    let ends = fixture.end_tickets(&ids(1), &workflow).await;
    assert_eq!(fixture.deliver(&ends).await, NONE);
    let operations = fixture.operations();
    assert_eq!(
        operations,
        ["Query", "Query", "TransactWriteItems", "PutEvents"]
    );
    assert_eq!(fixture.aws().rows, [3, 2]);
    assert_eq!(fixture.told(), ["run.succeeded ticket"]);
    let (run, tasks) = fixture
        .run(&RunId::derive(&event("e0").key(), &workflow))
        .await;
    assert_eq!(run.state, RunState::Succeeded);
    let end = end_event(&run, &tasks).unwrap();
    let record = fixture.events.get(&end.key()).await.unwrap().unwrap();
    assert_eq!((record.event.key(), record.decisions), (end.key(), vec![]));
}

#[tokio::test]
async fn ten_events_cost_no_more_calls_than_one() {
    let (fixture, workflow) = Fixture::with_ticket().await;
    let ids = ids(10);
    assert_eq!(fixture.deliver(&all_happened(&ids)).await, NONE);
    assert_eq!(
        fixture.operations(),
        ["Query", "TransactWriteItems", "PutEvents"]
    );
    assert_eq!(fixture.told().len(), 10);
    let ends = fixture.end_tickets(&ids, &workflow).await;
    assert_eq!(fixture.deliver(&ends).await, NONE);
    let operations = fixture.operations();
    assert_eq!(
        operations,
        ["BatchGetItem", "Query", "TransactWriteItems", "PutEvents"]
    );
    assert_eq!(fixture.told(), vec!["run.succeeded ticket"; 10]);
    for id in &ids {
        let (run, tasks) = fixture
            .run(&RunId::derive(&event(id).key(), &workflow))
            .await;
        assert_eq!(run.state, RunState::Succeeded);
        assert_eq!(
            tasks[0].input.as_ref().unwrap()["comment"],
            format!("text {id}")
        );
    }
}

#[tokio::test]
async fn event_that_stands_in_a_batch_twice_and_comes_again_begins_one_run() {
    let (fixture, workflow) = Fixture::with_ticket().await;
    let batch = [happened("e0"), happened("e1"), happened("e0")];
    assert_eq!(fixture.deliver(&batch).await, NONE);
    assert_eq!(fixture.told().len(), 2);
    assert_eq!(fixture.operations().len(), 3);
    // Again, among new ones: nobody is harmed, and what is not taken yet is told again.
    let batch = [happened("e2"), happened("e0"), happened("e3")];
    assert_eq!(fixture.deliver(&batch).await, NONE);
    assert_eq!(fixture.told().len(), 3);
    for id in ids(4) {
        let runs = fixture.started(&event(&id)).await;
        assert_eq!(runs, [RunId::derive(&event(&id).key(), &workflow)]);
    }
}

#[tokio::test]
async fn unreadable_message_and_one_in_the_wrong_queue_harm_no_other() {
    let (fixture, _) = Fixture::with_ticket().await;
    let wrong = json!({"source": "closedloop.evaluate", "detail-type": "task.requested", "detail":
        {"version": "1", "run_id": format!("run_{}", "0".repeat(32)), "task": "x", "kind": "zendesk.create_ticket"}});
    let batch = [json!("?"), happened("e0"), wrong, happened("e1")];
    assert_eq!(fixture.deliver(&batch).await, [0, 2]);
    assert_eq!(fixture.told().len(), 2);
}

fn diamond() -> Value {
    let task = |id: &str, needs: &[&str]| json!({"id": id, "kind": "zendesk.create_ticket", "account": "zd", "needs": needs, "input": {"comment": "{{ event.data.text }}"}});
    json!([
        task("left", &[]),
        task("right", &[]),
        task("last", &["left", "right"])
    ])
}

#[tokio::test]
async fn two_ends_of_one_run_in_a_batch_move_it_on_once_in_whatever_order() {
    let fixture = Fixture::new().await;
    let workflow = fixture
        .apply("diamond", json!({"type": EVENT}), diamond())
        .await;
    for (id, turned) in [("e0", false), ("e1", true)] {
        assert_eq!(fixture.deliver(&[happened(id)]).await, NONE);
        let run = RunId::derive(&event(id).key(), &workflow);
        let mut batch = vec![
            fixture.end(&run, "left", true).await,
            fixture.end(&run, "right", true).await,
        ];
        if turned {
            batch.reverse();
        }
        fixture.told();
        fixture.operations();
        assert_eq!(fixture.deliver(&batch).await, NONE);
        assert_eq!(fixture.told(), ["task.requested last"]);
        assert_eq!(
            fixture.operations(),
            ["Query", "GetItem", "TransactWriteItems", "PutEvents"]
        );
        // A repeated message requests it again, and changes nothing.
        let before = fixture.run(&run).await;
        assert_eq!(fixture.deliver(&batch[..1]).await, NONE);
        assert_eq!(fixture.told(), ["task.requested last"]);
        assert_eq!(fixture.run(&run).await, before);
        let last = fixture.end(&run, "last", true).await;
        assert_eq!(fixture.deliver(&[last, batch[0].clone()]).await, NONE);
        assert_eq!(fixture.told(), ["run.succeeded diamond"]);
        assert_eq!(fixture.run(&run).await.0.state, RunState::Succeeded);
    }
}

#[tokio::test]
async fn runs_whose_tasks_wait_are_read_in_two_calls_and_their_events_in_one() {
    let fixture = Fixture::new().await;
    let workflow = fixture
        .apply("diamond", json!({"type": EVENT}), diamond())
        .await;
    let ids = ids(5);
    assert_eq!(fixture.deliver(&all_happened(&ids)).await, NONE);
    let mut ends = Vec::new();
    for id in &ids {
        let run = RunId::derive(&event(id).key(), &workflow);
        ends.push(fixture.end(&run, "left", true).await);
        ends.push(fixture.end(&run, "right", id != "e3").await);
    }
    fixture.told();
    fixture.operations();
    // An old row does not name its tasks.
    let old = RunId::derive(&event("e1").key(), &workflow);
    let key = json!({"pk": {"S": old}, "sk": {"S": "run"}});
    let forget = json!({"TableName": "runs_table", "Key": key, "UpdateExpression": "REMOVE tasks"});
    call(fixture.engine, "UpdateItem", &forget).await;
    assert_eq!(fixture.deliver(&ends).await, NONE);
    let mut operations = fixture.operations();
    operations.sort();
    let expected = [
        "BatchGetItem",
        "BatchGetItem",
        "BatchGetItem",
        "PutEvents",
        "Query",
        "Query",
        "TransactWriteItems",
    ];
    assert_eq!(
        operations, expected,
        "the old run and the listeners to failures cost a query each"
    );
    let mut expected = vec!["task.requested last"; 4];
    expected.insert(0, "run.failed diamond");
    assert_eq!(fixture.told(), expected);
    for id in &ids {
        let (_, tasks) = fixture
            .run(&RunId::derive(&event(id).key(), &workflow))
            .await;
        if id == "e3" {
            assert_eq!(tasks[2].state, TaskState::Skipped);
        } else {
            assert_eq!(
                tasks[2].input.as_ref().unwrap()["comment"],
                format!("text {id}")
            );
        }
    }
}

#[tokio::test]
async fn row_that_a_read_had_no_time_for_is_read_for_itself() {
    let (fixture, workflow) = Fixture::with_ticket().await;
    let ids = ids(4);
    assert_eq!(fixture.deliver(&all_happened(&ids)).await, NONE);
    let ends = fixture.end_tickets(&ids, &workflow).await;
    fixture.operations();
    let run = RunId::derive(&event("e2").key(), &workflow);
    fixture.aws().unprocessed = Some(run.to_string());
    assert_eq!(fixture.deliver(&ends).await, NONE);
    assert_eq!(fixture.operations().len(), 5);
    assert_eq!(fixture.run(&run).await.0.state, RunState::Succeeded);
    assert_eq!(fixture.told().len(), 8);
}

#[tokio::test]
async fn rows_that_nobody_answered_for_bring_back_their_messages_alone() {
    let fixture = Fixture::new().await;
    let task = |id: &str, needs: &[&str]| json!({"id": id, "kind": "zendesk.create_ticket", "account": "zd", "needs": needs, "input": {"comment": "x"}});
    let mut tasks: Vec<Value> = (0..13).map(|n| task(&format!("t{n}"), &[])).collect();
    tasks.push(task("last", &["t0"]));
    let workflow = fixture
        .apply("wide", json!({"type": EVENT}), tasks.into())
        .await;
    let ids = ids(8);
    assert_eq!(fixture.deliver(&all_happened(&ids)).await, NONE);
    let mut runs: Vec<RunId> = ids
        .iter()
        .map(|id| RunId::derive(&event(id).key(), &workflow))
        .collect();
    runs.sort_by_key(RunId::to_string);
    let mut ends = Vec::new();
    for run in &runs {
        ends.push(fixture.end(run, "t0", true).await);
    }
    fixture.told();
    // All rows of eight runs are read as a hundred and twenty, in the order of their keys.
    fixture.aws().unanswered = Some(20);
    assert_eq!(fixture.deliver(&ends).await, [6, 7]);
    assert_eq!(fixture.told(), vec!["task.requested last"; 6]);
    fixture.aws().unanswered = None;
    assert_eq!(fixture.deliver(&ends[6..]).await, NONE);
    assert_eq!(fixture.told(), vec!["task.requested last"; 2]);
}

#[tokio::test]
async fn reads_that_are_not_allowed_together_are_done_one_by_one() {
    let (fixture, workflow) = Fixture::with_ticket().await;
    let ids = ids(3);
    assert_eq!(fixture.deliver(&all_happened(&ids)).await, NONE);
    let ends = fixture.end_tickets(&ids, &workflow).await;
    fixture.aws().down = vec!["BatchGetItem"];
    assert_eq!(fixture.deliver(&ends).await, NONE);
    assert_eq!(fixture.told().len(), 6);
}

#[tokio::test]
async fn row_that_is_in_the_way_of_one_event_is_in_the_way_of_no_other() {
    let (fixture, workflow) = Fixture::with_ticket().await;
    let ids = ids(10);
    // Somebody else has stored one of the events in between, without a run.
    let other = event("e4");
    let row = json!({"event": {"S": other.key()}, "document": {"S": serde_json::to_string(&other).unwrap()},
        "decisions": {"S": "[]"}, "evaluated_at": {"N": "1"}});
    fixture.aws().interjection = Some(json!({"TableName": "events_table", "Item": row}));
    assert_eq!(fixture.deliver(&all_happened(&ids)).await, NONE);
    assert_eq!(fixture.told().len(), 9);
    assert!(
        fixture.started(&other).await.is_empty(),
        "what was decided first counts"
    );
    assert_eq!(fixture.aws().rows[..2], [30, 3]);
    // The same with the ends of runs: one has moved on in between.
    let rest: Vec<String> = ids.iter().filter(|id| *id != "e4").cloned().collect();
    let ends = fixture.end_tickets(&rest, &workflow).await;
    let run = RunId::derive(&event("e7").key(), &workflow);
    let (mut moved, _) = fixture.run(&run).await;
    moved.state = RunState::Succeeded;
    moved.finished_at = Some(Timestamp::from_second(5).unwrap());
    let document = serde_json::to_string(&moved).unwrap();
    let row = json!({"pk": {"S": run}, "sk": {"S": "run"}, "state": {"S": "succeeded"}, "finished_at": {"N": "5000"},
        "reopened": {"N": "0"}, "document": {"S": document}, "tasks": {"L": [{"S": "ticket"}]}});
    fixture.aws().interjection = Some(json!({"TableName": "runs_table", "Item": row}));
    assert_eq!(fixture.deliver(&ends).await, NONE);
    assert_eq!(fixture.told(), vec!["run.succeeded ticket"; 9]);
    let (run, tasks) = fixture.run(&run).await;
    assert_eq!(run.finished_at, moved.finished_at);
    let end = end_event(&run, &tasks).unwrap();
    let record = fixture.events.get(&end.key()).await.unwrap();
    assert!(
        record.is_some(),
        "whoever finds an end that is no event yet makes it one"
    );
}

#[tokio::test]
async fn entry_that_the_bus_refuses_brings_back_its_message_alone() {
    let (fixture, workflow) = Fixture::with_ticket().await;
    let ids = ids(10);
    let run = RunId::derive(&event("e6").key(), &workflow);
    fixture.aws().refused = Some(run.to_string());
    assert_eq!(fixture.deliver(&all_happened(&ids)).await, [6]);
    assert_eq!(fixture.told().len(), 9);
    fixture.aws().refused = None;
    assert_eq!(fixture.deliver(&[happened("e6")]).await, NONE);
    assert_eq!(fixture.told(), ["task.requested ticket"]);
}

#[tokio::test]
async fn end_too_large_for_the_bus_is_told_without_its_reasons() {
    let fixture = Fixture::new().await;
    let long = json!([{"id": "a", "kind": "zendesk.create_ticket", "account": "zd", "input": {"comment": "x"}}]);
    let workflow = fixture.apply("a", json!({"type": EVENT}), long).await;
    let ids = ids(3);
    assert_eq!(fixture.deliver(&all_happened(&ids)).await, NONE);
    fixture.told();
    let mut ends = Vec::new();
    for id in &ids {
        let run = RunId::derive(&event(id).key(), &workflow);
        ends.push(fixture.end(&run, "a", true).await);
    }
    let huge = RunId::derive(&event("e1").key(), &workflow);
    let key = json!({"pk": {"S": huge}, "sk": {"S": "task#a"}});
    let set = json!({"TableName": "runs_table", "Key": key, "UpdateExpression": "SET reason = :reason",
        "ExpressionAttributeValues": {":reason": {"S": "x".repeat(300_000)}}});
    call(fixture.engine, "UpdateItem", &set).await;
    fixture.operations();
    assert_eq!(fixture.deliver(&ends).await, NONE);
    let operations = fixture.operations();
    let puts = operations
        .iter()
        .filter(|operation| *operation == "PutEvents");
    assert_eq!(puts.count(), 1, "{operations:?}");
    let told = fixture.aws().entries.clone();
    assert_eq!(fixture.told(), vec!["run.succeeded a"; 3]);
    let mut reasons = BTreeSet::new();
    for entry in told {
        let detail: CloudEvent = serde_json::from_str(entry["Detail"].as_str().unwrap()).unwrap();
        let stored = fixture.events.get(&detail.key()).await.unwrap().unwrap();
        let reason = |event: &CloudEvent| {
            let data = event.data.as_ref().unwrap();
            data["tasks"][0]["reason"].as_str().map(str::len)
        };
        reasons.insert((reason(&stored.event), reason(&detail)));
    }
    let expected = [(None, None), (Some(300_000), None)];
    assert_eq!(reasons, BTreeSet::from(expected));
}

#[tokio::test]
async fn crash_between_storing_and_telling_is_made_good_by_the_repeated_messages() {
    let (fixture, workflow) = Fixture::with_ticket().await;
    fixture
        .apply("tell", json!({"type": "run.succeeded"}), tell())
        .await;
    let ids = ids(3);
    let down = |operations: &[&'static str]| fixture.aws().down = operations.to_vec();
    down(&["PutEvents"]);
    assert_eq!(fixture.deliver(&all_happened(&ids)).await, [0, 1, 2]);
    assert!(fixture.told().is_empty());
    down(&[]);
    assert_eq!(fixture.deliver(&all_happened(&ids)).await, NONE);
    assert_eq!(fixture.told(), vec!["task.requested ticket"; 3]);

    let ends = fixture.end_tickets(&ids, &workflow).await;
    down(&["PutEvents"]);
    assert_eq!(fixture.deliver(&ends).await, [0, 1, 2]);
    down(&[]);
    let (run, _) = fixture
        .run(&RunId::derive(&event("e0").key(), &workflow))
        .await;
    assert_eq!(run.state, RunState::Succeeded);
    let stored = fixture.run(&run.id).await;
    for _ in 0..2 {
        assert_eq!(fixture.deliver(&ends).await, NONE);
        let mut expected = vec!["run.succeeded ticket"; 3];
        expected.extend(["task.requested tell"; 3]);
        assert_eq!(fixture.told(), expected);
    }
    assert_eq!(fixture.run(&run.id).await, stored);
}

#[tokio::test]
async fn end_of_a_run_begins_what_listens_to_it_at_once_and_never_itself() {
    let (fixture, workflow) = Fixture::with_ticket().await;
    let both = json!({"type": ["run.failed", EVENT], "subject": ["ticket", "never"]});
    fixture.apply("tell", both, tell()).await;
    fixture
        .apply(
            "other",
            json!({"type": "run.failed", "subject": "another"}),
            tell(),
        )
        .await;
    fixture
        .apply("again", json!({"type": ["run.failed", EVENT]}), tell())
        .await;
    assert_eq!(fixture.deliver(&[happened("e0")]).await, NONE);
    let run = RunId::derive(&event("e0").key(), &workflow);
    let end = fixture.end(&run, "ticket", false).await;
    fixture.told();
    fixture.operations();
    assert_eq!(fixture.deliver(&[end.clone()]).await, NONE);
    let operations = fixture.operations();
    assert_eq!(
        operations,
        ["Query", "Query", "TransactWriteItems", "PutEvents"]
    );
    let told = fixture.told();
    assert_eq!(
        told,
        [
            "run.failed ticket",
            "task.requested tell",
            "task.requested tell"
        ]
    );
    let (run, tasks) = fixture.run(&run).await;
    let end_of_run = end_event(&run, &tasks).unwrap();
    let started = fixture.started(&end_of_run).await;
    let mut chains: Vec<Vec<String>> = Vec::new();
    for id in &started {
        let (run, tasks) = fixture.run(id).await;
        chains.push(run.chain.iter().map(ToString::to_string).collect());
        assert_eq!(tasks[0].input.as_ref().unwrap()["comment"], "ticket");
    }
    chains.sort();
    assert_eq!(chains, [["ticket", "again"], ["ticket", "tell"]]);

    // Its own failure begins it no more.
    let again = started
        .iter()
        .find(|id| **id == RunId::derive(&end_of_run.key(), &WorkflowId::parse("again").unwrap()));
    let second = fixture.end(again.unwrap(), "tell", false).await;
    assert_eq!(fixture.deliver(&[second]).await, NONE);
    let (run, tasks) = fixture.run(again.unwrap()).await;
    let end = end_event(&run, &tasks).unwrap();
    let record = fixture.events.get(&end.key()).await.unwrap().unwrap();
    let outcome = |id: &str| {
        let decisions = record.decisions.iter();
        decisions
            .clone()
            .find(|decision| decision.workflow.as_str() == id)
            .map(|decision| decision.outcome.clone())
    };
    assert_eq!(outcome("again"), Some(Outcome::RefusedLoop));
    assert_eq!(outcome("tell"), None, "it listens to another one");

    // The same event by way of the queue, as an older version or a replay of the bus sends it.
    fixture.told();
    for source in ["closedloop.evaluate", "closedloop.runs"] {
        let message = json!({"source": source, "detail-type": "run.failed", "detail": end_of_run});
        assert_eq!(fixture.deliver(&[message]).await, NONE);
        let record = fixture.started(&end_of_run).await;
        assert_eq!(record, started);
    }
}

#[tokio::test]
async fn end_of_a_run_that_is_over_at_once_is_a_message_of_its_own() {
    let fixture = Fixture::new().await;
    let workflow = fixture
        .apply("nothing", json!({"type": EVENT}), nothing())
        .await;
    let to_nothing = json!({"type": "run.succeeded", "subject": "nothing"});
    fixture.apply("next", to_nothing, nothing()).await;
    let to_next = json!({"type": "run.succeeded", "subject": "next"});
    fixture.apply("tell", to_next, tell()).await;
    fixture.aws().down = vec!["PutEvents"];
    assert_eq!(fixture.deliver(&[happened("e0")]).await, [0]);
    assert_eq!(
        fixture.operations(),
        ["Query", "TransactWriteItems", "PutEvents"],
        "nobody asks who listens to the end, so nobody can fail to say it"
    );
    assert_eq!(fixture.aws().rows, [3]);
    fixture.aws().down.clear();
    assert_eq!(fixture.deliver(&[happened("e0")]).await, NONE);
    let end = fixture.come_back();
    assert_eq!(fixture.deliver(&end).await, NONE);
    let end = fixture.come_back();
    assert_eq!(fixture.deliver(&end).await, NONE);
    assert_eq!(fixture.told(), ["task.requested tell"]);
    assert_eq!(fixture.aws().rows.last(), Some(&3));
    let (run, tasks) = fixture
        .run(&RunId::derive(&event("e0").key(), &workflow))
        .await;
    assert_eq!(run.state, RunState::Succeeded);
    let end = end_event(&run, &tasks).unwrap();
    assert_eq!(fixture.started(&end).await.len(), 1);
}

#[tokio::test]
async fn workflows_that_listen_to_each_other_take_an_invocation_for_each_step() {
    const WORKFLOWS: usize = 5;
    let (fixture, workflow) = Fixture::with_ticket().await;
    for n in 0..WORKFLOWS {
        let on = json!({"type": "run.succeeded"});
        fixture.apply(&format!("w{n}"), on, nothing()).await;
    }
    assert_eq!(fixture.deliver(&[happened("e0")]).await, NONE);
    let mut waiting = fixture.end_tickets(&ids(1), &workflow).await;
    fixture.told();
    fixture.operations();
    let (mut ends, mut most_rows) = (BTreeSet::new(), 0);
    while !waiting.is_empty() {
        let rest = waiting.split_off(waiting.len().min(10));
        fixture.aws().rows.clear();
        assert_eq!(fixture.deliver(&waiting).await, NONE);
        most_rows = most_rows.max(fixture.aws().rows.iter().sum());
        let calls = fixture.operations().len();
        // Ten ends with five runs each are two transactions, and fifty ends are five calls to the bus.
        assert!(calls <= 9, "{calls}");
        waiting = rest;
        for end in fixture.come_back() {
            assert!(ends.insert(end["detail"]["id"].to_string()), "told twice");
            waiting.push(end);
        }
    }
    // As many as there are ways to put some of five in an order.
    assert_eq!(ends.len(), 5 + 20 + 60 + 120 + 120);
    assert!(most_rows <= 10 * (1 + 2 * WORKFLOWS), "{most_rows}");
    let all = json!({"TableName": "events_table", "Select": "COUNT"});
    let stored = call(fixture.engine, "Scan", &all).await["Count"].clone();
    assert_eq!(stored, 2 + ends.len(), "e0, the end of its run, and theirs");
}

#[tokio::test]
async fn runs_that_a_crash_left_keep_their_ends() {
    let fixture = Fixture::new().await;
    for n in 0..60 {
        let on = json!({"type": EVENT});
        fixture.apply(&format!("w{n}"), on, nothing()).await;
    }
    // It dies before the event is stored; what went ahead is there.
    fixture.aws().unwritten = Some("events_table");
    assert_eq!(fixture.deliver(&[happened("e0")]).await, [0]);
    assert!(fixture.told().is_empty());
    let ahead = fixture.aws().rows.len();
    assert!(ahead > 5, "{ahead}");
    fixture.aws().unwritten = None;
    let first = startup::now().as_millisecond();
    while startup::now().as_millisecond() < first + 3 {
        tokio::task::yield_now().await;
    }
    let mut told = Vec::new();
    for _ in 0..2 {
        assert_eq!(fixture.deliver(&[happened("e0")]).await, NONE);
        let ends = fixture.come_back().into_iter();
        let mut ids: Vec<String> = ends
            .map(|end| end["detail"]["id"].as_str().unwrap().to_owned())
            .collect();
        ids.sort();
        told.push(ids);
    }
    let mut expected = Vec::new();
    let mut of_the_first = 0;
    for id in fixture.started(&event("e0")).await {
        let (run, tasks) = fixture.run(&id).await;
        of_the_first += usize::from(run.finished_at.unwrap().as_millisecond() <= first);
        expected.push(end_event(&run, &tasks).unwrap().id);
    }
    expected.sort();
    assert_eq!((expected.len(), of_the_first), (60, ahead));
    assert_eq!(told, [expected.clone(), expected]);
}

#[tokio::test]
async fn run_ends_although_what_follows_cannot_be_stored() {
    let (fixture, workflow) = Fixture::with_ticket().await;
    let on_end = json!({"type": "run.succeeded"});
    fixture.apply("tell", on_end, tell()).await;
    let ids = ids(3);
    assert_eq!(fixture.deliver(&all_happened(&ids)).await, NONE);
    let ends = fixture.end_tickets(&ids, &workflow).await;
    fixture.told();
    fixture.aws().unwritten = Some("events_table");
    assert_eq!(fixture.deliver(&ends).await, [0, 1, 2]);
    for id in &ids {
        let run = RunId::derive(&event(id).key(), &workflow);
        assert_eq!(fixture.run(&run).await.0.state, RunState::Succeeded);
    }
    assert_eq!(fixture.told(), vec!["run.succeeded ticket"; 3]);
    fixture.aws().unwritten = None;
    assert_eq!(fixture.deliver(&ends).await, NONE);
    let mut expected = vec!["run.succeeded ticket"; 3];
    expected.extend(["task.requested tell"; 3]);
    assert_eq!(fixture.told(), expected);
}

#[tokio::test]
async fn run_that_is_opened_again_between_two_reads_does_not_end() {
    let (fixture, workflow) = Fixture::with_ticket().await;
    let ids = ids(2);
    assert_eq!(fixture.deliver(&all_happened(&ids)).await, NONE);
    let mut ends = Vec::new();
    for id in &ids {
        let run = RunId::derive(&event(id).key(), &workflow);
        ends.push(fixture.end(&run, "ticket", false).await);
    }
    assert_eq!(fixture.deliver(&ends).await, NONE);
    let row = async |id: &RunId, sk: &str| {
        let key = json!({"pk": {"S": id}, "sk": {"S": sk}});
        let get = json!({"TableName": "runs_table", "Key": key});
        call(fixture.engine, "GetItem", &get).await["Item"].clone()
    };
    for (id, kept) in ids.iter().zip(["run", "task#ticket"]) {
        let id = RunId::derive(&event(id).key(), &workflow);
        let old = row(&id, kept).await;
        fixture.aws().stale.push(old);
        let (mut run, mut tasks) = fixture.run(&id).await;
        let seen = fixture.events.read(&run.event).await.unwrap().unwrap();
        reopen(&mut tasks);
        run.state = RunState::Running;
        let changed = [(&tasks[0], TaskState::Failed)];
        let reopened = fixture.reruns.reopen(Some(&seen), &run, &changed).await;
        reopened.unwrap();
    }
    fixture.told();
    fixture.operations();
    // The message comes again; it finds one row from before, and one from after.
    assert_eq!(fixture.deliver(&ends).await, NONE);
    assert!(fixture.told().is_empty());
    assert_eq!(fixture.operations(), ["BatchGetItem", "Query", "Query"]);
    fixture.aws().stale.clear();
    for id in &ids {
        let id = RunId::derive(&event(id).key(), &workflow);
        let (run, tasks) = fixture.run(&id).await;
        let states = (run.state, tasks[0].state);
        assert_eq!(states, (RunState::Running, TaskState::Requested));
        let end = fixture.end(&id, "ticket", true).await;
        assert_eq!(fixture.deliver(&[end]).await, NONE);
        assert_eq!(fixture.run(&id).await.0.state, RunState::Succeeded);
    }
}

#[tokio::test]
async fn end_that_begins_more_than_a_transaction_holds_is_stored_in_two_steps() {
    let (fixture, workflow) = Fixture::with_ticket().await;
    for n in 0..60 {
        fixture
            .apply(
                &format!("tell-{n}"),
                json!({"type": "run.succeeded"}),
                tell(),
            )
            .await;
    }
    let ids = ids(2);
    assert_eq!(fixture.deliver(&all_happened(&ids)).await, NONE);
    let ends = fixture.end_tickets(&ids, &workflow).await;
    fixture.told();
    // It dies after the first step.
    let run = RunId::derive(&event("e0").key(), &workflow);
    fixture.aws().down = vec!["GetItem"];
    assert_eq!(fixture.deliver(&ends).await, [0, 1]);
    let (run, tasks) = fixture.run(&run).await;
    assert_eq!(run.state, RunState::Succeeded);
    let end = end_event(&run, &tasks).unwrap();
    assert!(fixture.events.get(&end.key()).await.unwrap().is_none());
    fixture.told();
    fixture.aws().down.clear();
    assert_eq!(fixture.deliver(&ends).await, NONE);
    assert_eq!(fixture.told().len(), 2 + 120);
    let started: BTreeSet<RunId> = fixture.started(&end).await.into_iter().collect();
    assert_eq!(started.len(), 60);
    for id in started {
        assert_eq!(fixture.run(&id).await.1[0].state, TaskState::Requested);
    }
}

#[tokio::test]
async fn run_that_was_opened_again_ends_again() {
    let (fixture, workflow) = Fixture::with_ticket().await;
    fixture
        .apply(
            "tell",
            json!({"type": "run.failed", "subject": "ticket"}),
            tell(),
        )
        .await;
    assert_eq!(fixture.deliver(&[happened("e0")]).await, NONE);
    let id = RunId::derive(&event("e0").key(), &workflow);
    let mut keys = BTreeSet::new();
    for _ in 0..2 {
        let end = fixture.end(&id, "ticket", false).await;
        assert_eq!(fixture.deliver(&[end]).await, NONE);
        let (mut run, mut tasks) = fixture.run(&id).await;
        assert_eq!(run.state, RunState::Failed);
        let end = end_event(&run, &tasks).unwrap();
        assert_eq!(fixture.started(&end).await.len(), 1);
        keys.insert(end.key());
        let seen = fixture.events.read(&run.event).await.unwrap().unwrap();
        reopen(&mut tasks);
        run.state = RunState::Running;
        let changed = [(&tasks[0], TaskState::Failed)];
        fixture
            .reruns
            .reopen(Some(&seen), &run, &changed)
            .await
            .unwrap();
    }
    assert_eq!(keys.len(), 2);
}

#[tokio::test]
async fn listeners_behind_the_first_ten_are_found_too() {
    let fixture = Fixture::new().await;
    let with_subject = |id: &str, subject: &str| {
        let mut message = happened(id);
        message["detail"]["subject"] = json!(subject);
        message
    };
    for n in 0..12 {
        let on = json!({"type": EVENT, "subject": format!("shop-{n}")});
        fixture.apply(&format!("of-shop-{n}"), on, tell()).await;
    }
    let batch = [
        with_subject("e0", "shop-2"),
        with_subject("e1", "shop-9"),
        with_subject("e2", "shop"),
        happened("e3"),
    ];
    assert_eq!(fixture.deliver(&batch).await, NONE);
    let begun = async |id: &str| fixture.started(&event(id)).await.len();
    let counts = [
        begun("e0").await,
        begun("e1").await,
        begun("e2").await,
        begun("e3").await,
    ];
    assert_eq!(counts, [1, 1, 0, 0]);
    // One for the first ten; one for the subject that comes behind them.
    assert_eq!(
        fixture.operations()[..3],
        ["Query", "Query", "TransactWriteItems"]
    );
    for n in 0..12 {
        let on = json!({"type": EVENT});
        fixture.apply(&format!("of-all-{n}"), on, tell()).await;
    }
    let batch = [with_subject("e4", "shop-2"), happened("e5")];
    assert_eq!(fixture.deliver(&batch).await, NONE);
    assert_eq!((begun("e4").await, begun("e5").await), (13, 12));
}

#[tokio::test]
async fn event_repeated_after_all_is_over_does_not_follow_what_its_runs_have_begun() {
    let (fixture, workflow) = Fixture::with_ticket().await;
    let on_end = json!({"type": "run.succeeded"});
    fixture.apply("tell", on_end, tell()).await;
    assert_eq!(fixture.deliver(&[happened("e0")]).await, NONE);
    let ends = fixture.end_tickets(&ids(1), &workflow).await;
    assert_eq!(fixture.deliver(&ends).await, NONE);
    fixture.told();
    fixture.operations();
    assert_eq!(fixture.deliver(&[happened("e0")]).await, NONE);
    assert!(fixture.told().is_empty(), "its end told of itself");
    let operations = fixture.operations();
    assert_eq!(
        operations,
        ["Query", "TransactWriteItems", "GetItem", "Query"]
    );
}
