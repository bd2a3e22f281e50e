//! The whole function against local stand-ins for the AWS services that it calls, and for TeamViewer and ServiceNow. The
//! tables are in a real engine, so that the conditions of writes are those of the product.
#![cfg(test)]

use std::cell::Cell;
use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use accounts::{Accounts, Vendors};
use aws_lambda_events::sqs::{SqsEvent, SqsMessage};
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use connection_history::History;
use domain::teamviewer::Settings;
use domain::{AccountName, Connection, ConnectionId};
use dynoxide::Database;
use jiff::{SignedDuration, Timestamp};
use lambda_runtime::{Context, LambdaEvent};
use serde_json::{Value, json};
use store::{
    Connections, Histories, ServiceCases, StoredCase, StoredConnection, StoredHistory,
    TeamViewerSettings,
};
use teamviewer_connections::{Answer, Config, Invocation, Retrieval};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use vendor_http::test_support::{Received, Server, Step};

const TOKEN: &str = "1234567-t0ken";
const SYS_ID: &str = "00112233445566778899aabbccddeeff";

thread_local! {
    /// Every test has a thread, and so a time, of its own.
    static NOW: Cell<Timestamp> = Cell::new("2026-11-21T12:00:00Z".parse().unwrap());
}

fn now() -> Timestamp {
    NOW.get()
}

fn later(minutes: i64) {
    NOW.set(now() + SignedDuration::from_mins(minutes));
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn tv() -> AccountName {
    AccountName::parse("tv").unwrap()
}

/// What the services that are not tables were given, and what they do.
struct Aws {
    tables: SocketAddr,
    /// Operations that are refused.
    down: Vec<&'static str>,
    /// Operations that never end.
    hanging: Vec<&'static str>,
    /// Single writes of connections that meet a transaction of somebody else.
    conflicts: u32,
    /// What somebody else writes just before the next row of a connection is put.
    interjection: Option<Value>,
    entries: Vec<Value>,
    sent: Vec<Value>,
    hidden: Vec<i64>,
    /// Operations on tables, by name.
    operations: Vec<String>,
}

impl Aws {
    fn answer(&mut self, operation: &str, body: &Value) -> Value {
        match operation {
            "GetSecretValue" => {
                let secret = if body["SecretId"].as_str().unwrap().contains("servicenow") {
                    json!({"kind": "basic", "username": "u", "password": "p"})
                } else {
                    json!({"kind": "bearer", "token": TOKEN})
                };
                json!({"Name": "x", "SecretString": secret.to_string()})
            }
            "PutEvents" => {
                let entries = body["Entries"].as_array().unwrap();
                self.entries.extend(entries.iter().cloned());
                let taken: Vec<Value> = entries.iter().map(|_| json!({"EventId": "1"})).collect();
                json!({"FailedEntryCount": 0, "Entries": taken})
            }
            "SendMessage" => {
                let message: Value =
                    serde_json::from_str(body["MessageBody"].as_str().unwrap()).unwrap();
                let sent = json!({"work": message["work"], "delay": body["DelaySeconds"]});
                self.sent.push(sent);
                json!({"MessageId": "1"})
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
        }
    }
}

async fn serve(
    State(aws): State<Arc<Mutex<Aws>>>,
    headers: HeaderMap,
    body: String,
) -> (StatusCode, String) {
    let target = headers["x-amz-target"].to_str().unwrap().to_owned();
    let operation = target.rsplit('.').next().unwrap();
    let (down, hanging) = {
        let aws = aws.lock().unwrap();
        let named = |names: &[&str]| names.contains(&operation);
        (named(&aws.down), named(&aws.hanging))
    };
    if hanging {
        std::future::pending::<()>().await;
    }
    if down {
        let answer = json!({"__type": "AccessDeniedException", "message": "no"});
        return (StatusCode::BAD_REQUEST, answer.to_string());
    }
    let parsed: Value = serde_json::from_str(&body).unwrap();
    if ["PutItem", "UpdateItem"].contains(&operation) && parsed["TableName"] == "connections_table"
    {
        let mut aws = aws.lock().unwrap();
        if aws.conflicts > 0 {
            aws.conflicts -= 1;
            let kind = "com.amazonaws.dynamodb.v20120810#TransactionConflictException";
            let answer = json!({"__type": kind, "message": "no"});
            return (StatusCode::BAD_REQUEST, answer.to_string());
        }
    }
    if !target.starts_with("DynamoDB") {
        let answer = aws.lock().unwrap().answer(operation, &parsed);
        return (StatusCode::OK, answer.to_string());
    }
    let (tables, interjection) = {
        let mut aws = aws.lock().unwrap();
        let name = format!(
            "{operation} {}",
            parsed["TableName"].as_str().unwrap_or_default()
        );
        aws.operations.push(name);
        let is_put = operation == "TransactWriteItems" && parsed.to_string().contains("\"Put\"");
        let interjection = is_put.then(|| aws.interjection.take()).flatten();
        (aws.tables, interjection)
    };
    if let Some(row) = interjection {
        let put = "DynamoDB_20120810.PutItem";
        let (status, answer) = forward(tables, put, &row.to_string()).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
    }
    forward(tables, &target, &body).await
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

/// The tables as the template has them.
async fn create_tables(engine: SocketAddr) {
    let attributes = |names: &[&str]| -> Vec<Value> {
        let kind = |name: &&str| if name.ends_with("_at") { "N" } else { "S" };
        let all = names.iter();
        all.map(|name| json!({"AttributeName": name, "AttributeType": kind(name)}))
            .collect()
    };
    let key = |names: &[&str]| -> Vec<Value> {
        let kinds = ["HASH", "RANGE"];
        let parts = names.iter().zip(kinds);
        parts
            .map(|(name, kind)| json!({"AttributeName": name, "KeyType": kind}))
            .collect()
    };
    let index = |name: &str, names: &[&str]| json!({"IndexName": name, "KeySchema": key(names), "Projection": {"ProjectionType": "ALL"}});
    let tables = [
        json!({
            "TableName": "connections_table", "KeySchema": key(&["id"]),
            "AttributeDefinitions": attributes(&["id", "day", "started_at", "task_number", "task_sys_id", "unfinished"]),
            "GlobalSecondaryIndexes": [
                index("by_day", &["day", "started_at"]), index("by_task_number", &["task_number", "started_at"]),
                index("by_task_sys_id", &["task_sys_id", "started_at"]), index("unfinished", &["unfinished", "started_at"])
            ]
        }),
        json!({
            "TableName": "teamviewer_table", "KeySchema": key(&["pk", "sk"]),
            "AttributeDefinitions": attributes(&["pk", "sk", "open", "created_at", "task_number", "task_sys_id"]),
            "GlobalSecondaryIndexes": [
                index("open_cases", &["open", "created_at"]), index("by_task_number", &["task_number", "created_at"]),
                index("by_task_sys_id", &["task_sys_id", "created_at"])
            ]
        }),
        json!({
            "TableName": "accounts_table", "KeySchema": key(&["name"]), "AttributeDefinitions": attributes(&["name"])
        }),
    ];
    for mut table in tables {
        table["BillingMode"] = json!("PAY_PER_REQUEST");
        call(engine, "CreateTable", &table).await;
    }
}

/// A call to the engine itself, which succeeds.
async fn call(engine: SocketAddr, operation: &str, body: &Value) {
    let target = format!("DynamoDB_20120810.{operation}");
    let (status, answer) = forward(engine, &target, &body.to_string()).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
}

struct Fixture {
    aws: Arc<Mutex<Aws>>,
    engine: SocketAddr,
    retrieval: Retrieval,
    vendor: Server,
    connections: Connections,
    cases: ServiceCases,
    histories: Histories,
    settings: TeamViewerSettings,
}

impl Fixture {
    /// With the usual settings.
    async fn new(script: impl IntoIterator<Item = Step>) -> Self {
        Self::with(script, json!({"history": {"account": "tv"}})).await
    }

    async fn with(script: impl IntoIterator<Item = Step>, settings: Value) -> Self {
        let engine = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let tables = engine.local_addr().unwrap();
        tokio::spawn(dynoxide::server::serve_on(
            engine,
            Database::memory().unwrap(),
        ));
        create_tables(tables).await;
        for (name, vendor, kind) in [
            ("tv", "teamviewer", "bearer"),
            ("snow", "servicenow", "basic"),
        ] {
            let row = json!({
                "name": {"S": name}, "vendor": {"S": vendor}, "instance": {"S": "acme"}, "kind": {"S": kind},
                "state": {"S": "connected"}, "secret": {"S": format!("closedloop/accounts/{vendor}/x")},
                "updated_at": {"N": "1795262400000"}, "used_at": {"N": now().as_millisecond().to_string()}
            });
            call(
                tables,
                "PutItem",
                &json!({"TableName": "accounts_table", "Item": row}),
            )
            .await;
        }
        let aws = Arc::new(Mutex::new(Aws {
            tables,
            down: vec![],
            hanging: vec![],
            conflicts: 0,
            interjection: None,
            entries: vec![],
            sent: vec![],
            hidden: vec![],
            operations: vec![],
        }));
        let app = Router::new().fallback(serve).with_state(Arc::clone(&aws));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        let config = aws::Config::at(&url).unwrap();
        let vendor = Server::start(script).await.unwrap();
        let url = vendor.url();
        let vendors = Vendors::from_vars(vendor_http::Client::new().unwrap(), |name| match name {
            "TEAMVIEWER_URL" => Some(format!("{url}/teamviewer")),
            "SERVICENOW_URL" => Some(format!("{url}/servicenow/{{instance}}")),
            _ => None,
        });
        let names = Config::from_vars(|name| match name {
            "CONNECTIONS_EVERY_HOURS" => Some("6".to_owned()),
            "MAIL_FROM" => None,
            other => Some(other.to_lowercase()),
        })
        .unwrap();
        let accounts = Accounts::new(
            &config,
            names.accounts.clone(),
            vendors.unwrap(),
            "test".to_owned(),
        );
        let dynamodb = store::Client::new(&config);
        let table = || "teamviewer_table".to_owned();
        let fixture = Self {
            aws,
            engine: tables,
            retrieval: Retrieval::new(accounts, names, &config, "test".to_owned(), now),
            vendor,
            connections: Connections::new(dynamodb.clone(), "connections_table".to_owned()),
            cases: ServiceCases::new(dynamodb.clone(), table()),
            histories: Histories::new(dynamodb.clone(), table()),
            settings: TeamViewerSettings::new(dynamodb, table()),
        };
        fixture.set(settings).await;
        fixture
    }

    async fn set(&self, settings: Value) {
        let settings: Settings = serde_json::from_value(settings).unwrap();
        let version = self
            .settings
            .get()
            .await
            .unwrap()
            .map(|stored| stored.version);
        let stored = self.settings.put(&settings, version, "ann", now()).await;
        assert!(stored.unwrap().is_some());
    }

    fn aws(&self) -> MutexGuard<'_, Aws> {
        self.aws.lock().unwrap()
    }

    /// Invokes the function with one message, and gives it so much time. Whether the message comes again.
    async fn deliver(&self, id: &str, work: Value, receipts: u32, seconds: u64) -> bool {
        let mut message = SqsMessage::default();
        message.message_id = Some(id.to_owned());
        message.receipt_handle = Some("r1".to_owned());
        let body = if work.get("detail-type").is_some() {
            work
        } else {
            json!({"version": "1", "work": work})
        };
        message.body = Some(body.to_string());
        let sent = now().as_millisecond().to_string();
        let attributes = [
            ("SentTimestamp", sent),
            ("ApproximateReceiveCount", receipts.to_string()),
        ];
        for (name, value) in attributes {
            message.attributes.insert(name.to_owned(), value);
        }
        let mut batch = SqsEvent::default();
        batch.records = vec![message];
        let mut context = Context::default();
        context.request_id = id.to_owned();
        context.deadline = u64::try_from(now().as_millisecond()).unwrap() + seconds * 1_000;
        let event = LambdaEvent::new(Invocation::Batch(batch), context);
        match self.retrieval.handle(event).await.unwrap() {
            Answer::Batch(answer) => !answer.batch_item_failures.is_empty(),
            Answer::Tick { .. } => panic!("that was no tick"),
        }
    }

    async fn fetch_due(&self) {
        assert!(!self.deliver("m1", json!({"fetch_due": {}}), 1, 30).await);
    }

    async fn tick(&self) -> usize {
        let event = LambdaEvent::new(Invocation::Tick, Context::default());
        match self.retrieval.handle(event).await.unwrap() {
            Answer::Tick { sent } => sent,
            Answer::Batch(_) => panic!("that was a tick"),
        }
    }

    async fn stored(&self) -> StoredHistory {
        self.histories.get(&tv()).await.unwrap().unwrap()
    }

    async fn history(&self) -> History {
        self.stored().await.history
    }

    async fn row(&self, id: &str) -> Option<StoredConnection> {
        let id = ConnectionId::parse(id).unwrap();
        self.connections.get(&id).await.unwrap()
    }

    /// Stores a connection that nobody has told of.
    async fn put(&self, document: Value) {
        let connection: Connection = serde_json::from_value(document).unwrap();
        let put = self.connections.put(&connection, None, false).await;
        assert_eq!(put.unwrap(), Some(1));
    }

    /// Stores the row of a service case.
    async fn put_case(&self, document: Value) {
        let case = StoredCase::new(serde_json::from_value(document).unwrap());
        assert!(self.cases.put(&case, now()).await.unwrap());
    }

    /// Puts an attribute into a row that is no document.
    async fn spoil(&self, table: &str, mut key: Value, attribute: &str) {
        key[attribute] = json!({"S": "{"});
        let put = json!({"TableName": table, "Item": key});
        call(self.engine, "PutItem", &put).await;
    }

    /// The subjects of the events, in order.
    fn told(&self) -> Vec<String> {
        let aws = self.aws();
        let events = aws.entries.iter().map(|entry| {
            assert_eq!(entry["Source"], "closedloop.teamviewer");
            assert_eq!(entry["DetailType"], "teamviewer.connection.recorded");
            let event: Value = serde_json::from_str(entry["Detail"].as_str().unwrap()).unwrap();
            event["subject"].as_str().unwrap().to_owned()
        });
        let mut subjects: Vec<String> = events.collect();
        subjects.sort();
        subjects
    }

    /// From when on windows were asked for, one for each call.
    fn windows(&self) -> Vec<String> {
        let received = self.vendor.received();
        let from = |one: &Received| {
            let query = one.query();
            let from = query.into_iter().find(|(name, _)| name == "from_date");
            from.map(|(_, from)| from)
        };
        received.iter().filter_map(from).collect()
    }

    /// What TeamViewer was asked for, without the window.
    fn asked(&self) -> Vec<String> {
        let received = self.vendor.received();
        received.iter().map(asked).collect()
    }
}

fn asked(one: &Received) -> String {
    let path = one.target.split('?').next().unwrap().to_owned();
    let path = path.replace("/teamviewer/api/v1/reports/", "");
    let query = one.query();
    let more = query.iter().filter(|(name, _)| !name.ends_with("_date"));
    let more: Vec<String> = more
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    [path, more.join("&")].join(" ").trim_end().to_owned()
}

/// A connection of this morning, of ten minutes.
fn record(id: &str) -> Value {
    json!({"id": id, "userid": "u1", "start_date": "2026-11-21T09:00:00Z", "end_date": "2026-11-21T09:10:00Z"})
}

fn open(id: &str) -> Value {
    json!({"id": id, "userid": "u1", "start_date": "2026-11-21T09:00:00Z"})
}

fn page(records: &[Value], next: Option<&str>) -> Step {
    let mut body = json!({"records": records});
    if let Some(next) = next {
        body["next_offset"] = json!(next);
        body["records_remaining"] = json!(1);
    }
    Step::json(200, body)
}

fn refusal(status: u16, code: &str) -> Step {
    Step::json(
        status,
        json!({"error": code, "error_description": "no", "error_code": 1}),
    )
}

#[tokio::test]
async fn window_is_stored_and_told_page_by_page() {
    let fixture = Fixture::new([
        page(&[record("A-1"), open("a-2")], Some("A-2")),
        // It still has no end, so nothing was skipped.
        page(&[record("a-3")], None),
        Step::json(200, open("a-2")),
    ])
    .await;
    assert_eq!(fixture.tick().await, 1);
    assert_eq!(
        fixture.aws().sent,
        [json!({"work": {"fetch_due": {}}, "delay": 0})]
    );
    fixture.fetch_due().await;
    assert_eq!(
        fixture.asked(),
        [
            "connections",
            "connections offset_id=A-2",
            "connections/A-2"
        ]
    );
    let query = fixture.vendor.received()[0].query();
    assert_eq!(
        query,
        [
            ("from_date".to_owned(), "2026-11-20T06:00:00Z".to_owned()),
            ("to_date".to_owned(), "2026-11-21T12:10:00Z".to_owned())
        ]
    );
    assert_eq!(fixture.told(), ["a-1", "a-3"]);
    for (id, told) in [("a-1", true), ("a-2", false), ("a-3", true)] {
        assert_eq!(fixture.row(id).await.unwrap().told, told, "{id}");
    }
    let stored = fixture.stored().await;
    assert_eq!(stored.history.watermark, Some(now()));
    assert_eq!(stored.history.last.unwrap().written, 3);
    assert_eq!((stored.busy_until, stored.history.problem), (None, None));
    // Nothing is due before six hours are over.
    later(359);
    assert_eq!(fixture.tick().await, 0);
    fixture.fetch_due().await;
    assert_eq!(fixture.asked().len(), 3);
    later(1);
    assert_eq!(fixture.tick().await, 1);
}

#[tokio::test]
async fn nothing_is_done_without_settings() {
    let fixture = Fixture::with([], json!({})).await;
    assert_eq!(fixture.tick().await, 0);
    fixture.fetch_due().await;
    let case = json!({"fetch_case": {"code": "s119-457-589", "since": "2026-11-21T12:00:00Z"}});
    for work in [json!({"fetch_window": {}}), case, json!({"poll": {}})] {
        assert!(!fixture.deliver("m2", work, 1, 30).await);
    }
    assert!(fixture.asked().is_empty() && fixture.aws().sent.is_empty());
}

#[tokio::test]
async fn page_that_says_nothing_new_is_not_written_again() {
    let both = [record("a-1"), open("a-2")];
    let fixture = Fixture::new([page(&both, None), page(&both, None)]).await;
    fixture.fetch_due().await;
    later(360);
    fixture.aws().operations.clear();
    fixture.fetch_due().await;
    let aws = fixture.aws();
    let wrote = |operation: &String| operation.ends_with("Item connections_table");
    assert!(!aws.operations.iter().any(wrote), "{:?}", aws.operations);
    assert_eq!(aws.entries.len(), 1);
}

#[tokio::test]
async fn function_that_dies_between_pages_is_followed_by_another_from_there() {
    let fixture = Fixture::new([
        page(&[record("a-1")], Some("a-1")),
        Step::Stall,
        page(&[record("a-2")], None),
    ])
    .await;
    let began = now();
    let killed = tokio::time::timeout(Duration::from_millis(1_500), fixture.fetch_due()).await;
    assert!(killed.is_err());
    assert_eq!(fixture.history().await.watermark, None);
    assert!(fixture.stored().await.is_busy(now()));
    // It may be at work still.
    assert_eq!(fixture.tick().await, 0);
    let other = fixture.deliver("m2", json!({"fetch_due": {}}), 1, 30);
    assert!(!other.await);
    assert_eq!(fixture.asked().len(), 2);
    later(1);
    assert_eq!(fixture.tick().await, 1);
    fixture.fetch_due().await;
    let offset = "connections offset_id=a-1";
    assert_eq!(fixture.asked(), ["connections", offset, offset]);
    assert_eq!(fixture.told(), ["a-1", "a-2"]);
    assert_eq!(fixture.history().await.watermark, Some(began));
}

#[tokio::test]
async fn function_that_runs_out_of_time_sends_itself_the_rest() {
    let fixture = Fixture::new([
        page(&[record("a-1")], Some("a-1")),
        page(&[record("a-2")], None),
    ])
    .await;
    assert!(!fixture.deliver("m1", json!({"fetch_due": {}}), 1, 10).await);
    assert_eq!(
        fixture.aws().sent,
        [json!({"work": {"fetch_due": {}}, "delay": 0})]
    );
    let stored = fixture.stored().await;
    assert_eq!((stored.busy_until, stored.history.failures), (None, 0));
    assert!(!fixture.deliver("m2", json!({"fetch_due": {}}), 1, 10).await);
    assert_eq!(
        fixture.asked(),
        ["connections", "connections offset_id=a-1"]
    );
    assert_eq!(fixture.history().await.watermark, Some(now()));
}

#[tokio::test]
async fn limit_is_waited_out_and_told_and_the_watermark_stays() {
    let fixture = Fixture::new([
        page(&[record("a-1")], None),
        page(&[record("a-2")], Some("a-2")),
        refusal(403, "rate_limit_reached"),
        page(&[record("a-3")], None),
    ])
    .await;
    let first = now();
    fixture.fetch_due().await;
    later(360);
    let began = now();
    fixture.fetch_due().await;
    let history = fixture.history().await;
    assert_eq!((history.watermark, history.failures), (Some(first), 1));
    assert!(
        history
            .problem
            .as_ref()
            .unwrap()
            .contains("rate_limit_reached"),
        "{history:?}"
    );
    let wait = history.next_attempt_at.unwrap().duration_since(now());
    assert!(wait >= SignedDuration::from_mins(5), "{wait}");
    later(4);
    assert_eq!(fixture.tick().await, 0);
    later(10);
    assert_eq!(fixture.tick().await, 1);
    fixture.fetch_due().await;
    assert_eq!(fixture.asked()[3], "connections offset_id=a-2");
    let history = fixture.history().await;
    assert_eq!((history.watermark, history.failures), (Some(began), 0));
    assert_eq!(history.problem, None);
}

#[tokio::test]
async fn offset_that_comes_twice_begins_the_window_anew_and_then_counts_as_a_failure() {
    let round = || {
        [
            page(&[record("a-1")], Some("A-1")),
            page(&[record("a-1")], Some("a-1")),
        ]
    };
    let fixture = Fixture::new([round(), round(), round(), round()].concat()).await;
    fixture.fetch_due().await;
    assert_eq!(fixture.asked().len(), 8);
    let history = fixture.history().await;
    assert_eq!(
        (history.watermark, history.failures, &history.walk),
        (None, 1, &None)
    );
    assert!(history.problem.unwrap().contains("circle"));
    assert_eq!(fixture.told(), ["a-1"]);
}

#[tokio::test]
async fn place_that_is_not_to_be_trusted_is_left() {
    // The connection has ended meanwhile, is gone, or TeamViewer does not know the place.
    for (second, check) in [
        (page(&[], None), Some(Step::json(200, record("a-1")))),
        (page(&[], None), Some(refusal(404, "not_found"))),
        (refusal(400, "invalid_request"), None),
    ] {
        let first = page(&[open("a-1")], Some("a-1"));
        let last = page(&[record("a-1"), record("a-2")], None);
        let script = [first, second].into_iter().chain(check).chain([last]);
        let fixture = Fixture::new(script).await;
        fixture.fetch_due().await;
        let asked = fixture.asked();
        assert_eq!(asked.last().unwrap(), "connections", "{asked:?}");
        assert_eq!(fixture.told(), ["a-1", "a-2"]);
        assert_eq!(fixture.history().await.watermark, Some(now()));
    }
}

#[tokio::test]
async fn last_page_that_lacks_what_was_promised_counts_only_while_its_place_is_there() {
    // The connection behind which it went on is gone, so that nobody knows how much was left out.
    for (second, looks) in [
        (page(&[], None), true),
        (page(&[record("a-2")], None), false),
    ] {
        let first = page(&[record("a-1")], Some("a-1"));
        let check = looks.then(|| refusal(404, "not_found"));
        let anew = looks.then(|| page(&[record("a-2")], None));
        let script = [first, second].into_iter().chain(check).chain(anew);
        let fixture = Fixture::new(script).await;
        fixture.fetch_due().await;
        assert_eq!(fixture.told(), ["a-1", "a-2"]);
        assert_eq!(fixture.asked().len(), if looks { 4 } else { 2 });
        assert_eq!(fixture.history().await.watermark, Some(now()));
    }
    // The count was wrong, or what it counted was deleted.
    let fixture = Fixture::new([
        page(&[record("a-1")], Some("a-1")),
        page(&[], None),
        Step::json(200, record("a-1")),
    ])
    .await;
    fixture.fetch_due().await;
    assert_eq!(fixture.asked().len(), 3);
    let history = fixture.history().await;
    assert_eq!((history.watermark, history.failures), (Some(now()), 0));
}

#[tokio::test]
async fn first_retrieval_that_does_not_get_on_is_put_off_for_a_day_and_told() {
    let settings =
        |from: Option<&str>| json!({"history": {"account": "tv", "backfill_from": from}});
    let broken = || Step::json(500, json!({"error": "internal_error"}));
    let fixture = Fixture::with(
        [
            page(&[record("a-1")], Some("a-1")),
            broken(),
            broken(),
            broken(),
            page(&[record("a-2")], None),
            page(&[record("a-3")], None),
        ],
        settings(Some("2022-01-01")),
    )
    .await;
    for _ in 0..4 {
        fixture.fetch_due().await;
        later(20);
    }
    assert_eq!(fixture.asked().len(), 5);
    assert_eq!(fixture.told(), ["a-1", "a-2"]);
    let history = fixture.history().await;
    assert!(history.watermark.is_some());
    let problem = history.problem.unwrap();
    assert!(
        problem.contains("2022-01-01") && problem.contains("500"),
        "{problem}"
    );
    later(24 * 60);
    fixture.fetch_due().await;
    let received = fixture.vendor.received();
    assert_eq!(received[5].query()[0].1, "2022-01-01T00:00:00Z");
    let history = fixture.history().await;
    assert_eq!(history.reached_back_to, Some(at("2022-01-01T00:00:00Z")));
    assert_eq!(history.problem, None);
}

#[tokio::test]
async fn first_retrieval_that_is_not_wanted_any_more_ends() {
    let fixture = Fixture::with(
        [
            page(&[record("a-1")], Some("a-1")),
            refusal(403, "rate_limit_reached"),
            page(&[record("a-2")], None),
        ],
        json!({"history": {"account": "tv", "backfill_from": "2022-01-01"}}),
    )
    .await;
    fixture.fetch_due().await;
    fixture.set(json!({"history": {"account": "tv"}})).await;
    later(60);
    fixture.fetch_due().await;
    assert_eq!(fixture.asked()[2], "connections");
    let received = fixture.vendor.received();
    assert_eq!(received[2].query()[0].1, "2026-11-20T07:00:00Z");
    assert_eq!(fixture.history().await.watermark, Some(now()));
}

#[tokio::test]
async fn refused_deep_window_gives_way_to_the_usual_one_and_that_to_a_shorter_one() {
    let fixture = Fixture::new([
        page(&[], None),
        refusal(400, "invalid_request"),
        refusal(400, "invalid_request"),
        page(&[record("a-1")], None),
        page(&[record("a-2")], None),
        page(&[record("a-3")], None),
    ])
    .await;
    let began = now();
    fixture.fetch_due().await;
    later(10 * 24 * 60);
    for _ in 0..5 {
        fixture.fetch_due().await;
        later(20);
    }
    let received = fixture.vendor.received();
    let windows: Vec<(String, String)> = received
        .iter()
        .map(|one| (one.query()[0].1.clone(), one.query()[1].1.clone()))
        .collect();
    let window = |index: usize| (windows[index].0.as_str(), windows[index].1.as_str());
    assert_eq!(window(1), ("2026-11-14T12:00:00Z", "2026-12-01T12:10:00Z"));
    assert_eq!(window(2), ("2026-11-20T12:00:00Z", "2026-12-01T12:30:00Z"));
    let middle = "2026-11-26T00:15:00Z";
    assert_eq!(window(3), ("2026-11-20T12:00:00Z", middle));
    // What lies between is not left out.
    assert_eq!(windows[4].0, "2026-11-25T00:15:00Z");
    let history = fixture.history().await;
    assert_eq!(
        history.watermark,
        Some(now() - SignedDuration::from_mins(20))
    );
    assert_eq!(history.deep_watermark, Some(began));
    assert!(history.problem.unwrap().contains("2026-11-14T12:00:00Z"));
}

#[tokio::test]
async fn request_that_was_noted_by_half_is_done_once_it_was_brought() {
    let fixture = Fixture::new([page(&[], None), page(&[], None)]).await;
    let update = json!({
        "TableName": "teamviewer_table", "Key": {"pk": {"S": "history"}, "sk": {"S": "tv"}},
        "UpdateExpression": "SET asked_since = :since",
        "ExpressionAttributeValues": {":since": {"N": "1793491200000"}}
    });
    call(fixture.engine, "UpdateItem", &update).await;
    fixture.fetch_due().await;
    let received = fixture.vendor.received();
    assert_eq!(received[0].query()[0].1, "2026-11-01T00:00:00Z");
    assert_eq!(fixture.stored().await.asked, None);
}

#[tokio::test]
async fn row_that_somebody_else_writes_meanwhile_keeps_its_end_and_is_told_once() {
    let fixture = Fixture::new([page(&[open("a-1")], None)]).await;
    let document = json!({
        "id": "a-1", "account": "tv", "started_at": "2026-11-21T09:00:00Z", "ended_at": "2026-11-21T09:30:00Z",
        "supporter": {"id": "u1"}
    });
    fixture.aws().interjection = Some(json!({"TableName": "connections_table", "Item": {
        "id": {"S": "a-1"}, "document": {"S": document.to_string()}, "version": {"N": "1"}, "told": {"BOOL": true},
        "day": {"S": "2026-11-21"}, "started_at": {"N": "1"}
    }}));
    fixture.fetch_due().await;
    let row = fixture.row("a-1").await.unwrap();
    assert_eq!(row.connection.ended_at, Some(at("2026-11-21T09:30:00Z")));
    assert_eq!((row.version, row.told), (1, true));
    assert!(fixture.told().is_empty());
    assert_eq!(fixture.history().await.watermark, Some(now()));
}

#[tokio::test]
async fn connection_that_was_stored_and_not_told_is_told_by_whoever_finds_it() {
    // The bus does not answer, or the function dies: before the event, or between the event and its note.
    for (down, hanging) in [
        ("PutEvents", ""),
        ("", "PutEvents"),
        ("", "TransactWriteItems"),
    ] {
        let first = page(&[record("a-1")], None);
        let fixture = Fixture::new([first.clone(), first]).await;
        fixture.aws().down = vec![down];
        if hanging == "TransactWriteItems" {
            // The row is written like that, too: until it is there.
            let watched = Arc::clone(&fixture.aws);
            tokio::spawn(async move {
                loop {
                    tokio::task::yield_now().await;
                    let mut aws = watched.lock().unwrap();
                    if !aws.entries.is_empty() {
                        aws.hanging = vec!["TransactWriteItems"];
                        return;
                    }
                }
            });
        } else {
            fixture.aws().hanging = vec![hanging];
        }
        let killed = tokio::time::timeout(Duration::from_millis(1_500), fixture.fetch_due()).await;
        assert_eq!(killed.is_err(), down.is_empty());
        let row = fixture.row("a-1").await.unwrap();
        assert!(!row.told && row.connection.ended_at.is_some());
        {
            let mut aws = fixture.aws();
            (aws.down, aws.hanging) = (vec![], vec![]);
        }
        assert_eq!(fixture.history().await.watermark, None);
        later(10);
        fixture.fetch_due().await;
        assert!(fixture.row("a-1").await.unwrap().told);
        assert_eq!(fixture.history().await.failures, 0);
        let told = fixture.told();
        let twice = hanging == "TransactWriteItems";
        assert_eq!(told, if twice { vec!["a-1"; 2] } else { vec!["a-1"] });
        // The same event: whoever gets it twice recognises it.
        let aws = fixture.aws();
        assert!(aws.entries.windows(2).all(|two| two[0] == two[1]));
    }
}

#[tokio::test]
async fn two_at_once_walk_once() {
    let fixture = Fixture::new([page(&[record("a-1")], None), page(&[record("a-1")], None)]).await;
    let work = || json!({"fetch_due": {}});
    let (one, two) = tokio::join!(
        fixture.deliver("m1", work(), 1, 30),
        fixture.deliver("m2", work(), 1, 30)
    );
    assert!(!one && !two);
    assert_eq!(fixture.asked(), ["connections"]);
    // Nor do two of which one is late.
    fixture.fetch_due().await;
    assert_eq!(fixture.asked().len(), 1);
    assert_eq!(fixture.told(), ["a-1"]);
}

#[tokio::test]
async fn request_for_a_window_is_served_at_once_and_only_once() {
    let fixture = Fixture::new([page(&[], None), page(&[], None)]).await;
    fixture.fetch_due().await;
    later(10);
    let work = json!({"fetch_window": {"since": "2026-11-01T00:00:00Z"}});
    assert!(!fixture.deliver("m2", work.clone(), 1, 30).await);
    let received = fixture.vendor.received();
    assert_eq!(received[1].query()[0].1, "2026-11-01T00:00:00Z");
    assert_eq!(fixture.stored().await.asked, None);
    // Delivered twice.
    assert!(!fixture.deliver("m2", work, 2, 30).await);
    assert_eq!(fixture.asked().len(), 2);
}

#[tokio::test]
async fn request_during_a_walk_is_not_forgotten() {
    let fixture = Fixture::new([page(&[], None), page(&[], None)]).await;
    let until = now() + SignedDuration::from_mins(2);
    let taken = fixture.histories.start(&tv(), "other", now(), until).await;
    assert!(taken.unwrap().is_some());
    let work = json!({"fetch_window": {}});
    assert!(!fixture.deliver("m1", work, 1, 30).await);
    assert!(fixture.asked().is_empty());
    later(3);
    assert_eq!(fixture.tick().await, 1);
    fixture.fetch_due().await;
    let stored = fixture.stored().await;
    assert_eq!(
        (stored.history.watermark, stored.asked),
        (Some(now()), None)
    );
}

#[tokio::test]
async fn refused_token_is_told_with_what_to_do() {
    let fixture = Fixture::new([refusal(401, "invalid_token")]).await;
    fixture.fetch_due().await;
    let history = fixture.history().await;
    let problem = history.problem.unwrap();
    assert!(problem.contains("accounts verify tv"), "{problem}");
    assert!(!problem.contains(TOKEN));
    let wait = history.next_attempt_at.unwrap().duration_since(now());
    assert!(wait <= SignedDuration::from_mins(20));
}

#[tokio::test]
async fn record_that_cannot_be_read_stops_nothing_and_is_told() {
    let broken = json!({"id": "b-1", "start_date": "yesterday"});
    let fixture = Fixture::new([page(&[broken, record("a-1")], None)]).await;
    fixture.fetch_due().await;
    assert_eq!(fixture.told(), ["a-1"]);
    let history = fixture.history().await;
    assert_eq!(history.watermark, Some(now()));
    assert!(history.problem.unwrap().contains("b-1 (start_date)"));
    assert_eq!(history.last.unwrap().unreadable, 1);
}

#[tokio::test]
async fn new_account_goes_on_where_the_last_one_was() {
    let fixture = Fixture::new([page(&[], None), refusal(401, "invalid_token")]).await;
    fixture.fetch_due().await;
    later(10 * 24 * 60);
    let row = json!({
        "name": {"S": "tv-2"}, "vendor": {"S": "teamviewer"}, "instance": {"S": "acme"}, "kind": {"S": "bearer"},
        "state": {"S": "connected"}, "secret": {"S": "closedloop/accounts/teamviewer/y"},
        "updated_at": {"N": "1795262400000"}, "used_at": {"N": now().as_millisecond().to_string()}
    });
    let put = json!({"TableName": "accounts_table", "Item": row});
    call(fixture.engine, "PutItem", &put).await;
    fixture.set(json!({"history": {"account": "tv-2"}})).await;
    fixture.fetch_due().await;
    let received = fixture.vendor.received();
    assert_eq!(received[1].query()[0].1, "2026-11-14T12:00:00Z");
}

#[tokio::test]
async fn connection_without_an_end_is_asked_for_when_windows_do_not_reach_it_any_more() {
    let fixture = Fixture::new([
        page(&[open("a-1")], None),
        page(&[], None),
        Step::json(200, json!({
            "id": "A-1", "userid": "u1", "start_date": "2026-11-21T09:00:00Z", "end_date": "2026-11-22T21:00:00Z"
        })),
    ])
    .await;
    fixture.fetch_due().await;
    assert!(fixture.told().is_empty());
    later(23 * 60 + 30);
    later(24 * 60);
    // A deep window would reach it; so somebody has set that it does not.
    fixture
        .set(json!({"history": {"account": "tv", "deep_days": 1, "overlap_hours": 1}}))
        .await;
    let mut history = fixture.history().await;
    history.watermark = Some(now() - SignedDuration::from_hours(6));
    history.deep_watermark = history.watermark;
    let until = now() + SignedDuration::from_secs(1);
    fixture
        .histories
        .start(&tv(), "test", now(), until)
        .await
        .unwrap()
        .unwrap();
    assert!(
        fixture
            .histories
            .save(&tv(), "test", &history)
            .await
            .unwrap()
    );
    fixture.histories.release(&tv(), "test").await.unwrap();
    fixture.fetch_due().await;
    assert_eq!(
        fixture.asked(),
        ["connections", "connections", "connections/a-1"]
    );
    let row = fixture.row("a-1").await.unwrap();
    assert_eq!(row.connection.ended_at, Some(at("2026-11-22T21:00:00Z")));
    assert_eq!(fixture.told(), ["a-1"]);
}

#[tokio::test]
async fn task_is_completed_once_by_servicenow_and_a_failure_of_it_is_no_failure_of_the_walk() {
    let noted = |id: &str, number: &str| {
        let mut record = record(id);
        record["notes"] = json!(format!("done, see {number}"));
        record
    };
    let found = Step::json(
        200,
        json!({"result": [
            {"sys_id": SYS_ID, "number": "INC0010001", "sys_class_name": "incident"}
        ]}),
    );
    let records = [noted("a-1", "INC0010001"), noted("a-2", "INC0010001")];
    let settings = json!({"history": {"account": "tv"}, "servicenow_account": "snow"});
    let again = page(&records, None);
    let fixture = Fixture::with([page(&records, None), found, again], settings.clone()).await;
    fixture.fetch_due().await;
    // One task, one question.
    assert_eq!(fixture.asked().len(), 2);
    for id in ["a-1", "a-2"] {
        let row = fixture.row(id).await.unwrap();
        let task = row.connection.task.unwrap();
        assert_eq!(task.sys_id.as_deref(), Some(SYS_ID));
        assert_eq!(task.instance.as_deref(), Some("acme"));
        assert!(row.told);
    }
    later(360);
    fixture.fetch_due().await;
    assert_eq!(fixture.asked().len(), 3);
    assert_eq!(fixture.told().len(), 2);

    let down = Step::json(503, json!({"error": {"message": "no"}}));
    let fixture = Fixture::with([page(&[noted("a-1", "INC0010001")], None), down], settings).await;
    fixture.fetch_due().await;
    assert_eq!(fixture.told(), ["a-1"]);
    let history = fixture.history().await;
    assert_eq!((history.failures, history.watermark), (0, Some(now())));
}

#[tokio::test]
async fn case_is_looked_at_until_its_connections_are_there() {
    let late = |end: bool| {
        let mut record = if end { record("a-1") } else { open("a-1") };
        record["session_code"] = json!("s119-457-589");
        record["custom_api"] = json!(format!(
            "{{\"number\":\"INC0010001\",\"sys_id\":\"{SYS_ID}\"}}"
        ));
        page(&[record], None)
    };
    let fixture = Fixture::new([
        page(&[], None),
        late(false),
        refusal(403, "rate_limit_reached"),
        late(true),
        late(true),
    ])
    .await;
    let since = now();
    let work = json!({"fetch_case": {"code": "S119457589", "since": since}});
    let mut again = Vec::new();
    for receipts in 1..=5 {
        again.push(fixture.deliver("m1", work.clone(), receipts, 30).await);
        later(2);
    }
    assert_eq!(again, [true, true, true, true, false]);
    assert_eq!(fixture.aws().hidden, [20, 60, 300, 240]);
    assert!(
        fixture
            .asked()
            .iter()
            .all(|one| one == "connections session_code=s119-457-589")
    );
    assert_eq!(fixture.told(), ["a-1"]);
    let row = fixture.row("a-1").await.unwrap();
    assert_eq!(row.connection.task.unwrap().sys_id.as_deref(), Some(SYS_ID));
}

#[tokio::test]
async fn case_that_never_shows_is_left_to_the_windows() {
    let fixture = Fixture::new([page(&[], None), page(&[], None)]).await;
    let since = now() - SignedDuration::from_mins(70);
    let work = json!({"fetch_case": {"code": "s119-457-589", "since": since}});
    assert!(!fixture.deliver("m1", work, 8, 30).await);
}

#[tokio::test]
async fn polls_are_so_many_seconds_apart() {
    let cases = json!({"cases": {"account": "tv", "group": "g1", "refresh_seconds": 20}});
    let fixture = Fixture::with([], cases).await;
    assert_eq!(fixture.tick().await, 3);
    let sent = fixture.aws().sent.clone();
    let poll = |delay: u32| json!({"work": {"poll": {}}, "delay": delay});
    assert_eq!(sent, [poll(0), poll(20), poll(40)]);
    let unwatched = json!({"cases": {"account": "tv", "group": "g1", "watch": false}});
    fixture.set(unwatched).await;
    assert_eq!(fixture.tick().await, 0);
}

#[tokio::test]
async fn account_that_was_connected_is_no_trouble_when_nothing_waits_for_it() {
    let fixture = Fixture::new([]).await;
    for vendor in ["teamviewer", "zendesk"] {
        let envelope = json!({
            "source": "closedloop.accounts", "detail-type": "account.connected",
            "detail": {"specversion": "1.0", "id": "1", "source": "/accounts", "type": "account.connected",
                "data": {"account": "tv", "vendor": vendor}}
        });
        assert!(!fixture.deliver("m1", envelope, 1, 30).await);
    }
    assert!(fixture.deliver("m2", json!({"fax": {}}), 1, 30).await);
}

#[tokio::test]
async fn tables_that_do_not_answer_leave_requests_in_the_queue_and_the_rest_to_the_next_minute() {
    let fixture = Fixture::new([]).await;
    fixture.aws().down = vec!["GetItem"];
    let event = LambdaEvent::new(Invocation::Tick, Context::default());
    assert!(fixture.retrieval.handle(event).await.is_err());
    let case = json!({"fetch_case": {"code": "s119-457-589", "since": now()}});
    for (work, again) in [
        (json!({"fetch_due": {}}), false),
        (json!({"poll": {}}), false),
        (json!({"fetch_window": {}}), true),
        (case, true),
    ] {
        assert_eq!(
            fixture.deliver("m1", work.clone(), 1, 30).await,
            again,
            "{work}"
        );
    }
    assert!(fixture.asked().is_empty());
}

#[tokio::test]
async fn settings_are_changed_by_whoever_has_seen_the_last_ones() {
    let fixture = Fixture::new([]).await;
    let stored = fixture.settings.get().await.unwrap().unwrap();
    assert_eq!((stored.version, stored.updated_by.as_str()), (1, "ann"));
    assert_eq!(stored.updated_at, now());
    let settings = Settings::default();
    for (expected, version) in [
        (None, None),
        (Some(2), None),
        (Some(1), Some(2)),
        (Some(1), None),
    ] {
        let put = fixture
            .settings
            .put(&settings, expected, "bob", now())
            .await;
        assert_eq!(put.unwrap(), version, "{expected:?}");
    }
    let stored = fixture.settings.get().await.unwrap().unwrap();
    assert_eq!(
        (stored.settings, stored.updated_by.as_str()),
        (settings, "bob")
    );
}

#[tokio::test]
async fn row_that_cannot_be_read_stops_nothing_and_is_named() {
    let fixture = Fixture::new([page(&[record("a-1"), record("a-2")], None)]).await;
    let key =
        json!({"id": {"S": "a-1"}, "unfinished": {"S": "unfinished"}, "started_at": {"N": "1"}});
    fixture.spoil("connections_table", key, "document").await;
    fixture.fetch_due().await;
    assert_eq!(fixture.told(), ["a-2"]);
    let history = fixture.history().await;
    assert_eq!(history.watermark, Some(now()));
    assert!(history.problem.unwrap().contains("a-1 (its row)"));
}

#[tokio::test]
async fn rows_that_cannot_be_written_together_are_written_one_by_one() {
    let fixture = Fixture::new([page(&[record("a-1"), record("a-2")], None)]).await;
    fixture.aws().down = vec!["TransactWriteItems"];
    // Somebody else's transaction is no failure, but a reason to read again.
    fixture.aws().conflicts = 2;
    fixture.fetch_due().await;
    assert_eq!(fixture.told(), ["a-1", "a-2"]);
    assert_eq!(fixture.history().await.watermark, Some(now()));
    for id in ["a-1", "a-2"] {
        assert!(fixture.row(id).await.unwrap().told);
    }
}

#[tokio::test]
async fn connection_that_was_never_told_is_told_however_old_it_is() {
    let fixture = Fixture::new([page(&[], None), page(&[], None)]).await;
    fixture
        .put(json!({
            "id": "a-1", "account": "tv", "started_at": "2026-08-01T09:00:00Z", "ended_at": "2026-08-01T09:30:00Z"
        }))
        .await;
    fixture.fetch_due().await;
    assert_eq!(fixture.told(), ["a-1"]);
    assert!(fixture.row("a-1").await.unwrap().told);
    later(360);
    fixture.fetch_due().await;
    assert_eq!(fixture.told(), ["a-1"]);
    assert_eq!(fixture.asked(), ["connections", "connections"]);
}

#[tokio::test]
async fn connection_without_a_task_is_told_half_an_hour_after_its_end() {
    let of = |id: &str, end: &str, note: Option<&str>| json!({"id": id, "userid": "u1", "start_date": "2026-11-21T09:00:00Z", "end_date": end, "notes": note});
    let fixture = Fixture::new([
        page(
            &[
                of("a-1", "2026-11-21T11:31:00Z", None),
                of("a-2", "2026-11-21T11:31:00Z", Some("INC0010001")),
                of("a-3", "2026-11-21T11:30:00Z", None),
                of("a-4", "2026-11-21T11:59:00Z", None),
            ],
            None,
        ),
        page(
            &[of("a-4", "2026-11-21T11:59:00Z", Some("INC0010002"))],
            None,
        ),
        page(&[], None),
    ])
    .await;
    fixture.fetch_due().await;
    assert_eq!(fixture.told(), ["a-2", "a-3"]);
    // Its number is known before the time is over.
    later(10);
    assert!(
        !fixture
            .deliver("m2", json!({"fetch_window": {}}), 1, 30)
            .await
    );
    assert_eq!(fixture.told(), ["a-1", "a-2", "a-3", "a-4"]);
    later(1);
    assert!(
        !fixture
            .deliver("m3", json!({"fetch_window": {}}), 1, 30)
            .await
    );
    assert_eq!(fixture.told().len(), 4);
}

#[tokio::test]
async fn case_is_looked_at_while_its_connection_waits_for_a_task() {
    let late = || {
        let mut late = json!({"id": "a-1", "start_date": "2026-11-21T11:00:00Z", "end_date": "2026-11-21T11:59:00Z"});
        late["session_code"] = json!("s119-457-589");
        page(&[late], None)
    };
    let fixture = Fixture::new([late(), late(), late()]).await;
    let work = json!({"fetch_case": {"code": "s119-457-589", "since": now()}});
    assert!(fixture.deliver("m1", work.clone(), 1, 30).await);
    assert!(fixture.deliver("m1", work.clone(), 2, 30).await);
    assert!(fixture.told().is_empty());
    later(30);
    assert!(!fixture.deliver("m1", work, 3, 30).await);
    assert_eq!(fixture.told(), ["a-1"]);
}

#[tokio::test]
async fn ends_are_asked_for_in_turn_and_what_is_gone_is_not_asked_for_again() {
    let other = || Step::json(200, record("another"));
    let first = std::iter::once(refusal(404, "not_found")).chain((0..49).map(|_| other()));
    let second = (0..50).map(|_| other());
    let script = std::iter::once(page(&[], None))
        .chain(first)
        .chain([page(&[], None)])
        .chain(second);
    let fixture = Fixture::new(script).await;
    for number in 0..60 {
        fixture
            .put(json!({
                "id": format!("c-{number:02}"), "account": "tv",
                "started_at": format!("2026-11-19T09:{number:02}:00Z")
            }))
            .await;
    }
    // Too long ago for an end to come.
    fixture
        .put(json!({"id": "old", "account": "tv", "started_at": "2026-08-01T09:00:00Z"}))
        .await;
    fixture.fetch_due().await;
    later(360);
    fixture.fetch_due().await;
    let asked = fixture.asked();
    let ids = |range: std::ops::Range<usize>| -> BTreeSet<String> {
        asked[range].iter().cloned().collect()
    };
    assert_eq!(asked.len(), 102);
    let mut seen = ids(1..51);
    let later = ids(52..62);
    assert!(seen.is_disjoint(&later), "{later:?}");
    seen.extend(later);
    assert_eq!(seen.len(), 60);
    let gone = &asked[1];
    assert!(!asked[52..].contains(gone));
    assert!(!asked.iter().any(|one| one.contains("old")));
}

#[tokio::test]
async fn polls_are_sent_though_the_history_cannot_be_read() {
    let cases = json!({"account": "tv", "group": "g1", "refresh_seconds": 30});
    let settings = json!({"history": {"account": "tv"}, "cases": cases});
    let fixture = Fixture::with([], settings).await;
    let key = json!({"pk": {"S": "history"}, "sk": {"S": "tv"}});
    fixture.spoil("teamviewer_table", key, "history").await;
    let event = LambdaEvent::new(Invocation::Tick, Context::default());
    assert!(fixture.retrieval.handle(event).await.is_err());
    let poll = |delay: u32| json!({"work": {"poll": {}}, "delay": delay});
    assert_eq!(fixture.aws().sent, [poll(0), poll(30)]);
}

#[tokio::test]
async fn case_that_can_never_be_looked_at_does_not_come_again() {
    let fixture = Fixture::new([]).await;
    let key = json!({"pk": {"S": "settings"}, "sk": {"S": "teamviewer"}});
    fixture.spoil("teamviewer_table", key, "document").await;
    let case = json!({"fetch_case": {"code": "s119-457-589", "since": now()}});
    assert!(!fixture.deliver("m1", case, 1, 30).await);
}

#[tokio::test]
async fn task_known_by_its_id_alone_gets_its_table_even_after_it_was_told() {
    let mut known = record("a-1");
    known["custom_api"] = json!(format!("{{\"sys_id\":\"{SYS_ID}\"}}"));
    let found = Step::json(
        200,
        json!({"result": {
            "sys_id": {"value": SYS_ID, "display_value": SYS_ID},
            "number": {"value": "INC0010001", "display_value": "INC0010001"},
            "sys_class_name": {"value": "incident", "display_value": "Incident"}
        }}),
    );
    let down = Step::json(503, json!({"error": {"message": "no"}}));
    let records = || page(&[known.clone()], None);
    let settings = json!({"history": {"account": "tv"}, "servicenow_account": "snow"});
    let script = [records(), down, records(), found, records()];
    let fixture = Fixture::with(script, settings).await;
    fixture.fetch_due().await;
    let task = fixture.row("a-1").await.unwrap().connection.task.unwrap();
    assert_eq!((task.table, task.number), (None, None));
    assert_eq!(fixture.told(), ["a-1"]);
    for _ in 0..2 {
        later(360);
        fixture.fetch_due().await;
        let row = fixture.row("a-1").await.unwrap();
        let task = row.connection.task.unwrap();
        assert_eq!(task.table.as_deref(), Some("incident"));
        assert_eq!(task.number.as_deref(), Some("INC0010001"));
        assert!(row.told);
    }
    assert_eq!(fixture.asked().len(), 5);
    assert_eq!(fixture.told(), ["a-1"]);
}

#[tokio::test]
async fn place_that_is_none_of_the_pages_connections_is_trusted() {
    let fixture = Fixture::new([
        page(&[record("a-1")], Some("z-9")),
        page(&[record("a-2")], None),
    ])
    .await;
    fixture.fetch_due().await;
    assert_eq!(
        fixture.asked(),
        ["connections", "connections offset_id=z-9"]
    );
    assert_eq!(fixture.history().await.watermark, Some(now()));
}

#[tokio::test]
async fn window_that_is_refused_for_reaching_far_back_is_followed_by_a_usual_one() {
    let settings = json!({"history": {"account": "tv", "backfill_from": "2015-01-01"}});
    let script = [
        refusal(400, "invalid_request"),
        page(&[record("a-1")], None),
    ];
    let fixture = Fixture::with(script, settings).await;
    fixture.fetch_due().await;
    assert_eq!(fixture.history().await.watermark, None);
    later(5);
    fixture.fetch_due().await;
    let received = fixture.vendor.received();
    assert_eq!(received[0].query()[0].1, "2015-01-01T00:00:00Z");
    assert_eq!(received[1].query()[0].1, "2026-11-20T06:05:00Z");
    assert_eq!(fixture.told(), ["a-1"]);
    let history = fixture.history().await;
    assert_eq!(history.watermark, Some(now()));
    assert!(history.problem.unwrap().contains("2015-01-01"));
}

#[tokio::test]
async fn request_does_not_override_a_limit() {
    let fixture = Fixture::new([
        refusal(403, "rate_limit_reached"),
        page(&[record("a-1")], None),
    ])
    .await;
    fixture.fetch_due().await;
    let before = fixture.history().await;
    later(1);
    let work = json!({"fetch_window": {}});
    assert!(!fixture.deliver("m2", work, 1, 30).await);
    assert_eq!(fixture.asked().len(), 1);
    assert_eq!(fixture.history().await, before);
    later(10);
    fixture.fetch_due().await;
    assert_eq!(fixture.told(), ["a-1"]);
    assert_eq!(fixture.stored().await.asked, None);
}

#[tokio::test]
async fn work_on_cases_that_does_not_end_is_broken_off_and_comes_again() {
    let cases = json!({"cases": {"account": "tv", "group": "g1"}});
    let fixture = Fixture::with([], cases).await;
    fixture.aws().hanging = vec!["UpdateItem", "PutItem", "Query"];
    let connected = json!({
        "source": "closedloop.accounts", "detail-type": "account.connected",
        "detail": {"specversion": "1.0", "id": "1", "source": "/accounts", "type": "account.connected",
            "data": {"account": "tv", "vendor": "teamviewer"}}
    });
    for work in [json!({"poll": {}}), connected] {
        let delivered = fixture.deliver("m1", work, 1, 4);
        let again = tokio::time::timeout(Duration::from_secs(5), delivered).await;
        assert!(again.unwrap());
    }
}

#[derive(Debug, Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// The lines with these words.
    fn lines(&self, words: &str) -> Vec<Value> {
        let bytes = self.0.lock().unwrap().clone();
        let text = String::from_utf8(bytes).unwrap();
        let lines = text.lines().filter(|line| line.contains(words));
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

/// The log of all tests from the first call on: a subscriber of one thread misses what another thread has seen first.
fn log() -> Log {
    static LOG: OnceLock<Log> = OnceLock::new();
    let log = LOG.get_or_init(|| {
        let log = Log::default();
        let writer = log.clone();
        let subscriber = startup::log_to(move || writer.clone());
        tracing::subscriber::set_global_default(subscriber).unwrap();
        log
    });
    log.clone()
}

#[tokio::test]
async fn history_that_stands_still_says_so_each_minute_in_words_that_an_alarm_counts() {
    let log = log();
    // A time of its own, by which its lines are found among those of the other tests.
    NOW.set(at("2027-03-01T00:00:00Z"));
    let began = "2027-03-01T00:00:00Z";
    let fixture = Fixture::new([
        refusal(500, "internal_error"),
        page(&[], None),
        refusal(500, "internal_error"),
    ])
    .await;
    let said = || log.lines(&format!(r#""since":"{began}""#)).len();
    fixture.fetch_due().await;
    later(119);
    fixture.tick().await;
    assert_eq!(said(), 0);
    for minutes in 1..=3 {
        later(1);
        fixture.tick().await;
        assert_eq!(said(), minutes);
    }
    let line = &log.lines(began)[0];
    assert_eq!(line["level"], "ERROR");
    assert!(
        line["problem"].as_str().unwrap().contains("internal_error"),
        "{line}"
    );
    let message = line["message"].as_str().unwrap();
    let template = include_str!("../../../template.yaml");
    let filter = format!("FilterPattern: '{{ $.message = \"{message}\" }}'");
    assert!(template.contains(&filter), "{filter}");
    // It goes on, and fails again: two hours after the next window was due.
    fixture.fetch_due().await;
    let began = (now() + SignedDuration::from_hours(6)).to_string();
    later(8 * 60 - 1);
    fixture.fetch_due().await;
    fixture.tick().await;
    assert_eq!((said(), log.lines(&began).len()), (3, 0));
    later(1);
    fixture.tick().await;
    assert_eq!((said(), log.lines(&began).len()), (3, 1));
}

#[tokio::test]
async fn connection_that_has_waited_for_a_task_is_told_between_two_windows() {
    let ended = json!({"id": "a-1", "start_date": "2026-11-21T11:00:00Z", "end_date": "2026-11-21T11:45:00Z"});
    let fixture = Fixture::new([page(&[ended, open("a-2")], None)]).await;
    fixture.fetch_due().await;
    later(10);
    fixture.tick().await;
    assert!(fixture.told().is_empty());
    // Nothing is read for it in the minutes between.
    later(5);
    fixture.aws().operations.clear();
    fixture.tick().await;
    let read = |fixture: &Fixture| {
        let aws = fixture.aws();
        let read = aws
            .operations
            .iter()
            .filter(|one| one.ends_with(" connections_table"));
        read.count()
    };
    assert_eq!(read(&fixture), 0);
    later(5);
    fixture.tick().await;
    assert_eq!(fixture.told(), ["a-1"]);
    assert!(fixture.row("a-1").await.unwrap().told);
    later(10);
    fixture.tick().await;
    assert_eq!(fixture.told(), ["a-1"]);
    assert_eq!(fixture.asked(), ["connections"]);
}

#[tokio::test]
async fn end_that_cannot_be_asked_for_does_not_keep_the_others_from_being_asked_for() {
    let ended = |id: &str| {
        let ended = json!({"id": id, "start_date": "2026-11-18T09:00:00Z", "end_date": "2026-11-21T11:00:00Z"});
        Step::json(200, ended)
    };
    let down = || refusal(500, "internal_error");
    let first = [page(&[], None), down(), ended("c-3"), down()];
    let second = [page(&[], None), ended("c-1"), down(), down()];
    let fixture = Fixture::new(first.into_iter().chain(second)).await;
    for number in 1..=4 {
        let started = format!("2026-11-18T09:0{number}:00Z");
        fixture
            .put(json!({"id": format!("c-{number}"), "account": "tv", "started_at": started}))
            .await;
    }
    fixture.fetch_due().await;
    // One failure is that connection's own, perhaps; after a second one it is left for now.
    let asked = |range: std::ops::Range<usize>| fixture.asked()[range].to_vec();
    assert_eq!(
        asked(0..4),
        [
            "connections",
            "connections/c-4",
            "connections/c-3",
            "connections/c-2"
        ]
    );
    assert_eq!(fixture.told(), ["c-3"]);
    later(360);
    fixture.fetch_due().await;
    assert_eq!(
        asked(4..8),
        [
            "connections",
            "connections/c-1",
            "connections/c-4",
            "connections/c-2"
        ]
    );
    assert_eq!(fixture.told(), ["c-1", "c-3"]);
}

#[tokio::test]
async fn task_of_a_connection_is_that_of_its_case() {
    let of_case = |id: &str, code: &str| {
        let mut record = record(id);
        record["session_code"] = json!(code);
        record
    };
    let bare = of_case("a-1", "s119-457-589");
    let mut contradicted = of_case("a-2", "s119-457-590");
    contradicted["custom_api"] = json!(r#"{"number":"INC0010009","table":"problem"}"#);
    contradicted["notes"] = json!("see INC0010008");
    // Of the third nobody here knows a case, so what it carries counts.
    let mut carried = of_case("a-3", "s119-457-591");
    carried["custom_api"] = json!(r#"{"number":"INC0010003","table":"incident"}"#);
    let fixture = Fixture::new([page(&[bare, contradicted, carried], None)]).await;
    for (code, number) in [
        ("s119-457-589", "INC0010001"),
        ("s119-457-590", "INC0010002"),
    ] {
        let task = json!({"number": number, "table": "incident", "instance": "dev12345"});
        fixture
            .put_case(json!({"code": code, "account": "tv", "state": "closed", "task": task}))
            .await;
    }
    fixture.fetch_due().await;
    for (id, number, instance) in [
        ("a-1", "INC0010001", Some("dev12345")),
        ("a-2", "INC0010002", Some("dev12345")),
        ("a-3", "INC0010003", None),
    ] {
        let row = fixture.row(id).await.unwrap();
        let task = row.connection.task.unwrap();
        assert_eq!(task.number.as_deref(), Some(number), "{id}");
        assert_eq!(task.table.as_deref(), Some("incident"), "{id}");
        assert_eq!(task.instance.as_deref(), instance, "{id}");
    }
    assert_eq!(fixture.told(), ["a-1", "a-2", "a-3"]);
}

#[tokio::test]
async fn case_whose_row_cannot_be_read_stops_nothing() {
    let mut record = record("a-1");
    record["session_code"] = json!("s119-457-589");
    record["custom_api"] = json!(r#"{"number":"INC0010001"}"#);
    let fixture = Fixture::new([page(&[record], None)]).await;
    let key = json!({"pk": {"S": "case#s119457589"}, "sk": {"S": "case"}});
    fixture.spoil("teamviewer_table", key, "document").await;
    fixture.fetch_due().await;
    assert_eq!(fixture.told(), ["a-1"]);
    let task = fixture.row("a-1").await.unwrap().connection.task.unwrap();
    assert_eq!(task.number.as_deref(), Some("INC0010001"));
    assert_eq!(fixture.history().await.watermark, Some(now()));
}

#[tokio::test]
async fn second_connection_of_a_case_is_found_though_the_first_is_known_long_since() {
    let of_case = |id: &str| {
        let mut record = record(id);
        record["session_code"] = json!("s119-457-589");
        record["custom_api"] = json!(r#"{"number":"INC0010001"}"#);
        record
    };
    let first = || page(&[of_case("a-1")], None);
    let both = || page(&[of_case("a-2"), of_case("a-1")], None);
    let script = [first(), first(), first(), both(), both(), both()];
    let fixture = Fixture::new(script).await;
    fixture.fetch_due().await;
    assert_eq!(fixture.told(), ["a-1"]);
    let work = json!({"fetch_case": {"code": "s119-457-589", "since": now()}});
    let mut again = Vec::new();
    for (receipts, seconds) in [(1, 0), (2, 20), (3, 60), (4, 120), (5, 240)] {
        NOW.set(now() + SignedDuration::from_secs(seconds));
        again.push(fixture.deliver("m1", work.clone(), receipts, 30).await);
    }
    assert_eq!(again, [true, true, true, true, false]);
    assert_eq!(fixture.aws().hidden, [20, 60, 120, 240]);
    assert_eq!(fixture.told(), ["a-1", "a-2"]);
}

#[tokio::test]
async fn case_of_many_pages_is_read_to_its_end_and_not_round_in_a_circle() {
    let fixture = Fixture::new([
        page(&[record("A-1")], Some("A-1")),
        page(&[record("b-2")], Some("B-2")),
        page(&[record("c-3")], None),
    ])
    .await;
    let work = json!({"fetch_case": {"code": "s119-457-589", "since": now()}});
    fixture.deliver("m1", work.clone(), 1, 30).await;
    let first = "connections session_code=s119-457-589";
    let of_page = |offset: &str| format!("{first}&offset_id={offset}");
    assert_eq!(
        fixture.asked(),
        [first.to_owned(), of_page("A-1"), of_page("B-2")]
    );
    assert_eq!(fixture.told(), ["a-1", "b-2", "c-3"]);

    let fixture = Fixture::new([
        page(&[record("A-1")], Some("A-1")),
        page(&[record("b-2")], Some("a-1")),
    ])
    .await;
    assert!(fixture.deliver("m1", work, 1, 30).await);
    assert_eq!(fixture.asked(), [first.to_owned(), of_page("A-1")]);
    assert_eq!(fixture.told(), ["a-1", "b-2"]);
}

#[tokio::test]
async fn backfill_is_fetched_once() {
    let settings = json!({"history": {"account": "tv", "backfill_from": "2026-01-01"}});
    let fixture = Fixture::with((0..4).map(|_| page(&[], None)), settings).await;
    fixture.fetch_due().await;
    for _ in 0..3 {
        later(360);
        fixture.fetch_due().await;
    }
    assert_eq!(
        fixture.windows(),
        [
            "2026-01-01T00:00:00Z",
            "2026-11-20T12:00:00Z",
            "2026-11-20T18:00:00Z",
            "2026-11-21T00:00:00Z"
        ]
    );
    let history = fixture.history().await;
    assert_eq!(history.reached_back_to, Some(at("2026-01-01T00:00:00Z")));
}

#[tokio::test]
async fn two_who_ask_for_a_window_at_once_get_one() {
    let records = || page(&[record("a-1"), record("a-2")], None);
    let fixture = Fixture::new([records(), records()]).await;
    let work = || json!({"fetch_window": {"since": "2026-11-01T00:00:00Z"}});
    let (one, two) = tokio::join!(
        fixture.deliver("m1", work(), 1, 30),
        fixture.deliver("m2", work(), 1, 30)
    );
    assert!(!one && !two);
    assert_eq!(fixture.windows(), ["2026-11-01T00:00:00Z"]);
    assert_eq!(fixture.told(), ["a-1", "a-2"]);
    for id in ["a-1", "a-2"] {
        // Written once, and once more as told.
        assert_eq!(fixture.row(id).await.unwrap().version, 2);
    }
    assert_eq!(fixture.stored().await.asked, None);
    assert_eq!(fixture.tick().await, 0);
}

#[tokio::test]
async fn interval_of_the_settings_counts_and_not_that_of_the_stack() {
    for hours in [3, 12] {
        let settings = json!({"history": {"account": "tv", "every_hours": hours}});
        let fixture = Fixture::with([page(&[], None)], settings).await;
        fixture.fetch_due().await;
        later(hours * 60 - 1);
        assert_eq!(fixture.tick().await, 0, "{hours}");
        later(1);
        assert_eq!(fixture.tick().await, 1, "{hours}");
    }
}
