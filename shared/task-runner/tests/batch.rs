//! Batches against local stand-ins for the AWS services, and a vendor that does as the test says. The tables are in a real
//! engine, so that the conditions of writes are those of the product.
#![cfg(test)]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use accounts::{Accounts, Connected, Vendors};
use aws_lambda_events::sqs::{SqsEvent, SqsMessage};
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use domain::decision::EventRecord;
use domain::preview::{Preview, PreviewRequest};
use domain::{CloudEvent, Run, RunId, TaskRun, TaskState, Vendor};
use dynoxide::Database;
use lambda_runtime::{Context, LambdaEvent};
use retry::Disposition;
use serde_json::{Map, Value, json};
use startup::AwsConfig;
use store::{Intake, Runs};
use task_runner::{Assignment, Config, Connector, Done, Failed, Runner};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Barrier;

/// What the services were asked for, what they do, and what the vendor has seen.
struct Aws {
    tables: SocketAddr,
    /// Operations that are refused.
    down: Vec<&'static str>,
    /// Entries of the bus that are refused: those that contain this.
    refused: Option<String>,
    /// Keys for which a read of many rows has no time: those that contain this.
    unprocessed: Option<String>,
    /// What somebody else does just before the so-manieth transaction from now.
    interjection: Option<(usize, Value)>,
    /// Single writes are answered once the vendor has answered so many attempts.
    single_writes_wait_for: usize,
    /// Calls that are not answered: those of this operation that contain this.
    unanswered: Option<(&'static str, String)>,
    /// Operations, by name.
    operations: Vec<String>,
    /// What the bus took.
    entries: Vec<Value>,
    /// How often the vendor was asked, by the task's input.
    asked: BTreeMap<String, usize>,
    /// How many attempts the vendor has answered.
    answered: usize,
}

type Shared = Arc<Mutex<Aws>>;

/// Waits until it is so; a test that waits in vain fails in what it expects then.
async fn until(aws: &Shared, is_so: impl Fn(&Aws) -> bool) {
    for _ in 0..1_000 {
        if is_so(&aws.lock().unwrap()) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn serve(
    State(aws): State<Shared>,
    headers: HeaderMap,
    body: String,
) -> (StatusCode, String) {
    let target = headers["x-amz-target"].to_str().unwrap().to_owned();
    let operation = target.rsplit('.').next().unwrap();
    let mut parsed: Value = serde_json::from_str(&body).unwrap();
    let is_unanswered = {
        let mut aws = aws.lock().unwrap();
        aws.operations.push(operation.to_owned());
        let unanswered = aws.unanswered.as_ref();
        unanswered.is_some_and(|(of, part)| *of == operation && body.contains(part))
    };
    if is_unanswered {
        std::future::pending::<()>().await;
    }
    let (tables, interjection, held, wait_for) = {
        let mut aws = aws.lock().unwrap();
        if aws.down.contains(&operation) {
            let answer = json!({"__type": "AccessDeniedException", "message": "no"});
            return (StatusCode::BAD_REQUEST, answer.to_string());
        }
        let answer = match operation {
            "PutEvents" => Some(aws.put_events(&parsed)),
            "ChangeMessageVisibilityBatch" => Some(json!({"Successful": [], "Failed": []})),
            "GetSecretValue" => {
                let secret = json!({"kind": "bearer", "token": "t"}).to_string();
                Some(json!({"Name": "x", "SecretString": secret}))
            }
            _ => None,
        };
        if let Some(answer) = answer {
            return (StatusCode::OK, answer.to_string());
        }
        let mut interjection = None;
        if operation == "TransactWriteItems" {
            interjection = match aws.interjection.take() {
                Some((0, update)) => Some(update),
                Some((more, update)) => {
                    aws.interjection = Some((more - 1, update));
                    None
                }
                None => None,
            };
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
        let wait_for = if operation == "UpdateItem" {
            aws.single_writes_wait_for
        } else {
            0
        };
        (aws.tables, interjection, held, wait_for)
    };
    until(&aws, |aws| aws.answered >= wait_for).await;
    if let Some(update) = interjection {
        call(tables, "UpdateItem", &update).await;
    }
    let (status, answer) = forward(tables, &target, &parsed.to_string()).await;
    if held == json!({}) {
        return (status, answer);
    }
    let mut answer: Value = serde_json::from_str(&answer).unwrap();
    answer["UnprocessedKeys"] = held;
    (status, answer.to_string())
}

impl Aws {
    fn put_events(&mut self, body: &Value) -> Value {
        let entries = body["Entries"].as_array().unwrap();
        assert!(entries.len() <= 10, "{}", entries.len());
        let answers: Vec<Value> = entries
            .iter()
            .map(|entry| {
                let refused = self.refused.as_ref();
                if refused.is_some_and(|part| entry.to_string().contains(part)) {
                    return json!({"ErrorCode": "ThrottlingException", "ErrorMessage": "no"});
                }
                self.entries.push(entry.clone());
                json!({"EventId": "1"})
            })
            .collect();
        json!({"FailedEntryCount": 0, "Entries": answers})
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
async fn call(engine: SocketAddr, operation: &str, body: &Value) {
    let target = format!("DynamoDB_20120810.{operation}");
    let (status, answer) = forward(engine, &target, &body.to_string()).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
}

fn aws_config(url: String) -> AwsConfig {
    AwsConfig::at(&url).unwrap()
}

/// Does as the comment says.
struct Fake {
    aws: Shared,
    all_ten: Barrier,
}

impl Connector for Fake {
    const VENDOR: Vendor = Vendor::Zendesk;

    async fn perform(
        &self,
        assignment: &Assignment<'_>,
        _connected: &Connected,
    ) -> Result<Done, Failed> {
        let comment = assignment.input["comment"].as_str().unwrap();
        {
            let mut aws = self.aws.lock().unwrap();
            *aws.asked.entry(comment.to_owned()).or_default() += 1;
        }
        match comment.split(' ').next().unwrap() {
            // All at the same time.
            "together" => {
                self.all_ten.wait().await;
            }
            // Not before the others were told of.
            "slow" => until(&self.aws, |aws| aws.entries.len() == 9).await,
            // Not before somebody is being written.
            "later" => {
                let is_writing = |aws: &Aws| aws.operations.iter().any(|one| one == "UpdateItem");
                until(&self.aws, is_writing).await;
            }
            // Not before somebody is being told of.
            "last" => {
                let is_telling = |aws: &Aws| aws.operations.iter().any(|one| one == "PutEvents");
                until(&self.aws, is_telling).await;
            }
            _ => {}
        }
        self.aws.lock().unwrap().answered += 1;
        if comment.starts_with("bad") {
            return Err(Failed {
                disposition: Disposition::RETRY,
                reason: "no".to_owned(),
                unauthorized: false,
                calls: Vec::new(),
            });
        }
        Ok(Done {
            output: Map::new(),
            link: None,
            warnings: Vec::new(),
            calls: Vec::new(),
        })
    }

    fn preview(&self, _request: &PreviewRequest) -> Preview {
        Preview::default()
    }
}

struct Fixture {
    aws: Shared,
    engine: SocketAddr,
    runner: Runner<Fake>,
    // These ask the engine itself, so that they do not count.
    intake: Intake,
    runs: Runs,
}

impl Fixture {
    /// With a warm function.
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let engine = listener.local_addr().unwrap();
        let database = Database::memory().unwrap();
        tokio::spawn(dynoxide::server::serve_on(listener, database));
        for (name, key) in [
            ("accounts_table", &["name"][..]),
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
        let now = startup::now().as_millisecond().to_string();
        let row = json!({
            "name": {"S": "zd"}, "vendor": {"S": "zendesk"}, "instance": {"S": "acme"}, "kind": {"S": "bearer"},
            "state": {"S": "connected"}, "secret": {"S": "closedloop/accounts/zendesk/x"},
            "updated_at": {"N": "1795262400000"}, "used_at": {"N": now}
        });
        let put = json!({"TableName": "accounts_table", "Item": row});
        call(engine, "PutItem", &put).await;
        let aws = Arc::new(Mutex::new(Aws {
            tables: engine,
            down: vec![],
            refused: None,
            unprocessed: None,
            interjection: None,
            single_writes_wait_for: 0,
            unanswered: None,
            operations: vec![],
            entries: vec![],
            asked: BTreeMap::new(),
            answered: 0,
        }));
        let app = Router::new().fallback(serve).with_state(Arc::clone(&aws));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let config = aws_config(format!("http://{}", listener.local_addr().unwrap()));
        tokio::spawn(async move { axum::serve(listener, app).await });
        let names = Config::from_vars(|name| Some(name.to_lowercase())).unwrap();
        let http = vendor_http::Client::new().unwrap();
        let vendors = Vendors::from_vars(http, |_| None).unwrap();
        let accounts = Accounts::new(&config, names.accounts.clone(), vendors, "test".to_owned());
        let direct = store::Client::new(&aws_config(format!("http://{engine}")));
        let (runs, events) = (names.runs_table.clone(), "events_table".to_owned());
        let fixture = Self {
            engine,
            runner: Runner::new(
                Fake {
                    aws: Arc::clone(&aws),
                    all_ten: Barrier::new(10),
                },
                accounts,
                names,
                &config,
                startup::now,
            ),
            aws,
            intake: Intake::new(direct.clone(), runs.clone(), events, 7, 7),
            runs: Runs::new(direct, runs),
        };
        let first = fixture.task("warm", "x").await;
        assert!(fixture.deliver(&[requested(&first)]).await.is_empty());
        fixture.forget();
        fixture
    }

    fn aws(&self) -> MutexGuard<'_, Aws> {
        self.aws.lock().unwrap()
    }

    fn forget(&self) {
        let mut aws = self.aws();
        aws.operations.clear();
        aws.entries.clear();
        aws.asked.clear();
        aws.answered = 0;
    }

    /// A run of one task, by an event of this id.
    async fn task(&self, id: &str, comment: &str) -> RunId {
        let event: CloudEvent = serde_json::from_value(
            json!({"specversion": "1.0", "id": id, "source": "/endpoints/shop", "type": "t"}),
        )
        .unwrap();
        let workflow = domain::definition::workflow(&json!({
            "id": "w", "name": "W", "trigger": {"event": {"type": "t"}},
            "tasks": [{"id": "ticket", "kind": "zendesk.create_ticket", "account": "zd", "input": {"comment": comment}}]
        }))
        .unwrap();
        let now = startup::now();
        let run = domain::run::begin(&workflow, 1, &event, Value::Null, now);
        let record = EventRecord {
            event,
            evaluated_at: now,
            decisions: Vec::new(),
        };
        let id = run.0.id.clone();
        self.intake.begin(&record, &[run]).await.unwrap();
        id
    }

    /// A run for each; no two are the same.
    async fn tasks(&self, comments: &[String]) -> Vec<RunId> {
        let mut runs = Vec::new();
        for comment in comments {
            runs.push(self.task(comment, comment).await);
        }
        runs
    }

    /// Invokes the function; gives the places of those messages that come again.
    async fn deliver(&self, bodies: &[Value]) -> Vec<usize> {
        self.deliver_within(30_000, bodies).await
    }

    /// The same by a function that has so many milliseconds.
    async fn deliver_within(&self, left: u64, bodies: &[Value]) -> Vec<usize> {
        let mut batch = SqsEvent::default();
        for (index, body) in bodies.iter().enumerate() {
            let mut message = SqsMessage::default();
            message.message_id = Some(index.to_string());
            message.receipt_handle = Some("r".to_owned());
            message.body = Some(body.to_string());
            batch.records.push(message);
        }
        let mut context = Context::default();
        context.request_id = "invocation".to_owned();
        context.deadline = u64::try_from(startup::now().as_millisecond()).unwrap() + left;
        let answer = self.runner.handle(LambdaEvent::new(batch, context)).await;
        let failures = answer.batch_item_failures.iter();
        failures
            .map(|failure| failure.item_identifier.parse().unwrap())
            .collect()
    }

    fn operations(&self) -> Vec<String> {
        let mut operations = std::mem::take(&mut self.aws().operations);
        operations.retain(|operation| operation != "ChangeMessageVisibilityBatch");
        operations
    }

    async fn run(&self, id: &RunId) -> (Run, TaskRun) {
        let (run, mut tasks) = self.runs.get(id).await.unwrap().unwrap();
        (run, tasks.remove(0))
    }

    async fn states(&self, runs: &[RunId]) -> Vec<TaskState> {
        let mut states = Vec::new();
        for run in runs {
            states.push(self.run(run).await.1.state);
        }
        states
    }

    /// An update of a task's row, as somebody else does it.
    fn update(run: &RunId, update: &str, values: Value) -> Value {
        json!({"TableName": "runs_table", "Key": {"pk": {"S": run}, "sk": {"S": "task#ticket"}},
            "UpdateExpression": update, "ExpressionAttributeNames": {"#state": "state"}, "ExpressionAttributeValues": values})
    }

    /// Somebody else takes the task.
    fn taken(run: &RunId) -> Value {
        let until = (startup::now().as_millisecond() + 60_000).to_string();
        Self::update(
            run,
            "SET #state = :running, lease_owner = :owner, lease_until = :until, attempts_begun = :one",
            json!({":running": {"S": "running"}, ":owner": {"S": "other"}, ":until": {"N": until}, ":one": {"N": "1"}}),
        )
    }
}

fn requested(run: &RunId) -> Value {
    json!({"source": "closedloop.evaluate", "detail-type": "task.requested", "detail":
        {"version": "1", "run_id": run, "task": "ticket", "kind": "zendesk.create_ticket"}})
}

fn all_requested(runs: &[RunId]) -> Vec<Value> {
    runs.iter().map(requested).collect()
}

fn ten(comment: &str) -> Vec<String> {
    (0..10).map(|n| format!("{comment} {n}")).collect()
}

const NONE: [usize; 0] = [];

#[tokio::test]
async fn task_alone_costs_three_calls() {
    let fixture = Fixture::new().await;
    let run = fixture.task("1", "x").await;
    assert_eq!(fixture.deliver(&[requested(&run)]).await, NONE);
    let operations = fixture.operations();
    assert_eq!(operations, ["UpdateItem", "UpdateItem", "PutEvents"]);
    assert_eq!(fixture.run(&run).await.1.state, TaskState::Succeeded);
}

#[tokio::test]
async fn ten_tasks_that_end_together_cost_four_calls() {
    let fixture = Fixture::new().await;
    let runs = fixture.tasks(&ten("together")).await;
    assert_eq!(fixture.deliver(&all_requested(&runs)).await, NONE);
    assert_eq!(
        fixture.operations(),
        [
            "BatchGetItem",
            "TransactWriteItems",
            "TransactWriteItems",
            "PutEvents"
        ]
    );
    assert_eq!(fixture.states(&runs).await, [TaskState::Succeeded; 10]);
    assert_eq!(fixture.aws().entries.len(), 10);
    let (_, task) = fixture.run(&runs[3]).await;
    assert_eq!((task.attempts_begun, task.attempts.len()), (1, 1));
    assert!(task.first_ever_at.is_some() && task.lease_until.is_none() && !task.look_first);
}

#[tokio::test]
async fn what_ends_while_somebody_is_being_stored_is_stored_together_afterwards() {
    let fixture = Fixture::new().await;
    let mut comments = ten("later");
    comments[4] = "first".to_owned();
    let runs = fixture.tasks(&comments).await;
    fixture.aws().single_writes_wait_for = 10;
    assert_eq!(fixture.deliver(&all_requested(&runs)).await, NONE);
    let mut operations = fixture.operations();
    // Telling of the first and storing the others is done at the same time.
    operations.sort();
    assert_eq!(
        operations,
        [
            "BatchGetItem",
            "PutEvents",
            "PutEvents",
            "TransactWriteItems",
            "TransactWriteItems",
            "UpdateItem"
        ]
    );
    assert_eq!(fixture.states(&runs).await, [TaskState::Succeeded; 10]);
}

#[tokio::test]
async fn one_slow_vendor_keeps_nobody_from_being_stored_and_told() {
    let fixture = Fixture::new().await;
    let mut comments = ten("quick");
    comments[0] = "slow".to_owned();
    let runs = fixture.tasks(&comments).await;
    let began = startup::now();
    assert_eq!(fixture.deliver(&all_requested(&runs)).await, NONE);
    let took = startup::now().duration_since(began).as_secs();
    assert!(
        took < 5,
        "the slow one waited for the others, not they for it: {took} s"
    );
    assert_eq!(fixture.states(&runs).await, [TaskState::Succeeded; 10]);
    assert_eq!(fixture.aws().entries.len(), 10);
}

#[tokio::test]
async fn each_task_of_a_batch_is_claimed_only_where_it_could_be_alone() {
    let fixture = Fixture::new().await;
    let runs = fixture.tasks(&ten("x")).await;
    let milliseconds =
        |seconds: i64| (startup::now().as_millisecond() + seconds * 1_000).to_string();
    let set = async |run: &RunId, state: &str, more: &str, mut values: Value| {
        values[":state"] = json!({"S": state});
        let update = Fixture::update(run, &format!("SET #state = :state{more}"), values);
        call(fixture.engine, "UpdateItem", &update).await;
    };
    set(&runs[0], "waiting", "", json!({})).await;
    set(&runs[1], "failed", "", json!({})).await;
    let not_due = json!({":at": {"N": milliseconds(60)}, ":one": {"N": "1"}});
    set(
        &runs[2],
        "retrying",
        ", next_attempt_at = :at, attempts_begun = :one",
        not_due,
    )
    .await;
    let due = json!({":at": {"N": milliseconds(-1)}, ":one": {"N": "1"}});
    set(
        &runs[3],
        "retrying",
        ", next_attempt_at = :at, attempts_begun = :one",
        due,
    )
    .await;
    call(fixture.engine, "UpdateItem", &Fixture::taken(&runs[4])).await;
    let over = json!({":at": {"N": milliseconds(-1)}, ":one": {"N": "2"}, ":owner": {"S": "dead"}});
    let lease = ", lease_until = :at, attempts_begun = :one, lease_owner = :owner";
    set(&runs[5], "running", lease, over).await;
    let nobody = RunId::parse(&format!("run_{}", "0".repeat(32))).unwrap();
    let mut batch = all_requested(&runs[..7]);
    batch.push(requested(&nobody));
    batch.push(requested(&runs[6]));
    batch.push(json!("?"));
    // The one that is not due, the one that somebody has, the second message of a task, and the unreadable one.
    assert_eq!(fixture.deliver(&batch).await, [2, 4, 8, 9]);
    let asked: Vec<usize> = fixture.aws().asked.values().copied().collect();
    assert_eq!(asked, [1, 1, 1]);
    assert_eq!(fixture.aws().entries.len(), 4, "one was told once more");
    let (_, task) = fixture.run(&runs[5]).await;
    assert_eq!((task.state, task.attempts_begun), (TaskState::Succeeded, 3));
    assert!(task.look_first, "whoever had it may have written");
    assert_eq!(fixture.run(&runs[0]).await.1.state, TaskState::Waiting);
    assert_eq!(fixture.run(&runs[4]).await.1.attempts_begun, 1);
}

#[tokio::test]
async fn task_that_somebody_takes_meanwhile_is_attempted_there_and_the_others_here() {
    let fixture = Fixture::new().await;
    let runs = fixture.tasks(&ten("x")).await;
    fixture.aws().interjection = Some((0, Fixture::taken(&runs[7])));
    assert_eq!(fixture.deliver(&all_requested(&runs)).await, [7]);
    let asked = fixture.aws().asked.clone();
    assert!(
        asked.len() == 9 && asked.values().all(|times| *times == 1),
        "{asked:?}"
    );
    assert!(!asked.contains_key("x 7"));
    let (_, task) = fixture.run(&runs[0]).await;
    assert_eq!((task.state, task.attempts_begun), (TaskState::Succeeded, 1));
}

#[tokio::test]
async fn row_that_was_not_read_is_claimed_for_itself() {
    let fixture = Fixture::new().await;
    let runs = fixture.tasks(&ten("x")).await;
    fixture.aws().unprocessed = Some(runs[2].to_string());
    assert_eq!(fixture.deliver(&all_requested(&runs)).await, NONE);
    assert_eq!(fixture.states(&runs).await, [TaskState::Succeeded; 10]);
    // Nor need any be read.
    let runs = fixture.tasks(&ten("y")).await;
    fixture.aws().down = vec!["BatchGetItem"];
    fixture.forget();
    assert_eq!(fixture.deliver(&all_requested(&runs)).await, NONE);
    assert_eq!(fixture.states(&runs).await, [TaskState::Succeeded; 10]);
    let asked = fixture.aws().asked.clone();
    assert!(
        asked.len() == 10 && asked.values().all(|times| *times == 1),
        "{asked:?}"
    );
    let operations = fixture.operations();
    let claims = operations.iter().filter(|one| *one == "UpdateItem");
    assert!(claims.count() >= 10, "{operations:?}");
}

#[tokio::test]
async fn call_that_is_not_answered_holds_up_the_end_of_no_other() {
    for (operation, other) in [("UpdateItem", "later"), ("PutEvents", "last")] {
        let fixture = Fixture::new().await;
        let comments = ["first".to_owned(), other.to_owned()];
        let runs = fixture.tasks(&comments).await;
        fixture.aws().unanswered = Some((operation, runs[0].to_string()));
        let began = startup::now();
        let told_after = async {
            until(&fixture.aws, |aws| aws.entries.len() == 1).await;
            startup::now().duration_since(began).as_millis()
        };
        let batch = all_requested(&runs);
        let (again, told_after) = tokio::join!(fixture.deliver(&batch), told_after);
        assert_eq!(again, [0], "{operation}");
        assert!(
            (500..2_000).contains(&told_after),
            "{operation}: {told_after} ms"
        );
        let first = if operation == "PutEvents" {
            TaskState::Succeeded
        } else {
            TaskState::Running
        };
        let states = fixture.states(&runs).await;
        assert_eq!(states, [first, TaskState::Succeeded]);
    }
}

#[tokio::test]
async fn ends_that_nobody_answered_for_together_are_stored_one_by_one_if_there_is_time() {
    for (left, again, state) in [
        (30_000, vec![], TaskState::Succeeded),
        (9_000, (0..10).collect(), TaskState::Running),
    ] {
        let fixture = Fixture::new().await;
        let runs = fixture.tasks(&ten("together")).await;
        fixture.aws().unanswered = Some(("TransactWriteItems", "#attempts".to_owned()));
        let batch = all_requested(&runs);
        assert_eq!(fixture.deliver_within(left, &batch).await, again);
        assert_eq!(fixture.states(&runs).await, [state; 10]);
    }
}

#[tokio::test]
async fn end_that_cannot_be_stored_with_the_others_keeps_none_of_them() {
    let fixture = Fixture::new().await;
    let runs = fixture.tasks(&ten("together")).await;
    fixture.aws().interjection = Some((1, Fixture::taken(&runs[5])));
    assert_eq!(fixture.deliver(&all_requested(&runs)).await, [5]);
    let mut expected = [TaskState::Succeeded; 10];
    expected[5] = TaskState::Running;
    assert_eq!(fixture.states(&runs).await, expected);
    assert_eq!(fixture.aws().entries.len(), 9);
}

#[tokio::test]
async fn attempt_that_failed_is_hidden_and_not_told() {
    let fixture = Fixture::new().await;
    let runs = fixture.tasks(&["bad".to_owned(), "good".to_owned()]).await;
    assert_eq!(fixture.deliver(&all_requested(&runs)).await, [0]);
    let states = fixture.states(&runs).await;
    assert_eq!(states, [TaskState::Retrying, TaskState::Succeeded]);
    assert_eq!(fixture.aws().entries.len(), 1);
}

#[tokio::test]
async fn what_the_bus_did_not_take_is_told_when_the_message_comes_again() {
    let fixture = Fixture::new().await;
    let runs = fixture.tasks(&ten("x")).await;
    fixture.aws().refused = Some(runs[3].to_string());
    assert_eq!(fixture.deliver(&all_requested(&runs)).await, [3]);
    assert_eq!(fixture.states(&runs).await, [TaskState::Succeeded; 10]);
    fixture.aws().refused = None;
    fixture.forget();
    // A function that died after storing leaves them all like that.
    assert_eq!(fixture.deliver(&all_requested(&runs)).await, NONE);
    assert_eq!(fixture.operations(), ["BatchGetItem", "PutEvents"]);
    assert_eq!(fixture.aws().entries.len(), 10);
    assert!(fixture.aws().asked.is_empty(), "nothing is done twice");
}
