//! Stands in for AWS on one port of the loopback, and counts who asks it for what.
//!
//! Callers are told apart by their access key: a function's is its own name. Behind `DynamoDB` is a real engine; of the
//! bus, the queues and Secrets Manager there is what the functions use.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, ensure};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use benchmark::tally::{Ledger, Tally};
use dynoxide::Database;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// Who asks while the scene is set: counted, but of no function.
pub(crate) const SETUP: &str = "setup";

/// Events and messages that AWS takes in one call.
const TOGETHER: usize = 10;
/// Bytes of an event that are paid for as one.
const EVENT_BYTES: usize = 64 * 1024;

/// The stand-in. Copies are the same one.
#[derive(Debug, Clone)]
pub(crate) struct Aws {
    address: SocketAddr,
    inner: Arc<Inner>,
    config: ::aws::Config,
}

struct Inner {
    database: Database,
    secrets: Mutex<HashMap<String, String>>,
    bus: Mutex<Vec<(Instant, Value)>>,
    queued: Mutex<Vec<Queued>>,
    ledger: Mutex<Ledger>,
    /// Milliseconds until an answer.
    delay: AtomicU64,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inner").finish_non_exhaustive()
    }
}

/// A message that was put into a queue.
#[derive(Debug, Clone)]
pub(crate) struct Queued {
    /// The queue's logical id.
    pub(crate) queue: String,
    /// What was put in.
    pub(crate) body: String,
}

impl Aws {
    /// Starts serving on a free port, until the process ends.
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let database = Database::memory().map_err(|error| anyhow!("no engine: {error}"))?;
        let inner = Arc::new(Inner {
            database,
            secrets: Mutex::default(),
            bus: Mutex::default(),
            queued: Mutex::default(),
            ledger: Mutex::default(),
            delay: AtomicU64::default(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let router = Router::new()
            .fallback(answer)
            .layer(DefaultBodyLimit::disable())
            .with_state(Arc::clone(&inner));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let credentials = ::aws::Credentials {
            access_key_id: SETUP.to_owned(),
            secret_access_key: "secret".into(),
            session_token: None,
        };
        let url = format!("http://{address}");
        let config = ::aws::Config::new("us-east-1", &credentials)?
            .with_endpoints_of(|name| (name == "AWS_ENDPOINT_URL").then(|| url.clone()));
        Ok(Self {
            address,
            inner,
            config,
        })
    }

    /// Where it is.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A client's configuration for whoever sets the scene.
    pub(crate) fn config(&self) -> &::aws::Config {
        &self.config
    }

    /// Creates a table from the request that would create it.
    pub(crate) fn create_table(&self, request: Value) -> anyhow::Result<()> {
        let (status, answer) = self.inner.dynamodb("CreateTable", request);
        ensure!(status.is_success(), "no table: {answer}");
        Ok(())
    }

    /// Stores a secret.
    pub(crate) fn put_secret(&self, id: &str, value: &Value) {
        lock(&self.inner.secrets).insert(id.to_owned(), value.to_string());
    }

    /// Every row of a table.
    pub(crate) fn rows(&self, table: &str) -> anyhow::Result<Vec<Value>> {
        let mut rows = Vec::new();
        let mut request = json!({"TableName": table, "ConsistentRead": true});
        loop {
            let (status, mut page) = self.inner.dynamodb("Scan", request.clone());
            ensure!(status.is_success(), "no rows: {page}");
            if let Value::Array(items) = page["Items"].take() {
                rows.extend(items);
            }
            let last = page["LastEvaluatedKey"].take();
            if last.is_null() {
                return Ok(rows);
            }
            request["ExclusiveStartKey"] = last;
        }
    }

    /// The entries that were put on the bus since the last time, in order, and when they came.
    pub(crate) fn take_entries(&self) -> Vec<(Instant, Value)> {
        std::mem::take(&mut lock(&self.inner.bus))
    }

    /// The messages that were put into queues since the last time, in order, other than by way of the bus.
    pub(crate) fn take_queued(&self) -> Vec<Queued> {
        std::mem::take(&mut lock(&self.inner.queued))
    }

    /// From now on every answer takes so long.
    pub(crate) fn delay(&self, ms: u64) {
        self.inner.delay.store(ms, Ordering::Relaxed);
    }

    /// What was counted since the last time.
    pub(crate) fn take_ledger(&self) -> Ledger {
        std::mem::take(&mut lock(&self.inner.ledger))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn answer(State(inner): State<Arc<Inner>>, headers: HeaderMap, body: Bytes) -> Response {
    let (status, answer) = match inner.answer(&headers, &body) {
        Ok(answered) => answered,
        Err(error) => (
            StatusCode::NOT_IMPLEMENTED,
            json!({"__type": "NotImplemented", "message": format!("{error:#}")}),
        ),
    };
    let delay = inner.delay.load(Ordering::Relaxed);
    if delay > 0 {
        tokio::time::sleep(Duration::from_millis(delay)).await;
    }
    let kind = [(header::CONTENT_TYPE, "application/x-amz-json-1.0")];
    (status, kind, answer.to_string()).into_response()
}

impl Inner {
    fn answer(&self, headers: &HeaderMap, body: &[u8]) -> anyhow::Result<(StatusCode, Value)> {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let caller = text("authorization")
            .and_then(|value| value.split_once("Credential=")?.1.split_once('/'))
            .map_or("unsigned", |(caller, _)| caller);
        let target = text("x-amz-target").context("a call of a service that is not there")?;
        let (service, operation) = target.split_once('.').context("a strange target")?;
        let request: Value = serde_json::from_slice(body)?;
        let mut tally = Tally {
            calls: 1,
            ..Tally::default()
        };
        let answered = match service {
            "DynamoDB_20120810" => {
                let (status, mut answer) = self.dynamodb(operation, request);
                let units = take_units(&mut answer);
                if READS.contains(&operation) {
                    tally.read_units = units;
                } else {
                    tally.write_units = units;
                }
                (status, answer)
            }
            "AWSEvents" => {
                let (paid, answer) = self.put_events(request)?;
                tally.events = paid;
                (StatusCode::OK, answer)
            }
            "secretsmanager" => self.secret(operation, &request)?,
            "AmazonSQS" => (StatusCode::OK, self.queue(operation, &request)?),
            other => anyhow::bail!("no {other} here"),
        };
        let key = (caller.to_owned(), operation.to_owned());
        lock(&self.ledger).entry(key).or_default().add(tally);
        Ok(answered)
    }

    /// Takes events, and tells as how many they are paid for.
    fn put_events(&self, mut request: Value) -> anyhow::Result<(usize, Value)> {
        let now = Instant::now();
        let entries = request["Entries"].take();
        let Value::Array(entries) = entries else {
            anyhow::bail!("PutEvents without entries");
        };
        ensure!(entries.len() <= TOGETHER, "PutEvents with too many entries");
        let taken: Vec<_> = entries.iter().map(|_| json!({"EventId": "e"})).collect();
        let size = |entry: &Value| {
            let bytes = |name: &str| entry[name].as_str().map_or(0, str::len);
            bytes("Detail") + bytes("DetailType") + bytes("Source")
        };
        let paid = entries
            .iter()
            .map(|entry| size(entry).div_ceil(EVENT_BYTES));
        let paid = paid.sum();
        lock(&self.bus).extend(entries.into_iter().map(|entry| (now, entry)));
        Ok((paid, json!({"FailedEntryCount": 0, "Entries": taken})))
    }

    fn queue(&self, operation: &str, request: &Value) -> anyhow::Result<Value> {
        let url = request["QueueUrl"].as_str().context("no QueueUrl")?;
        let queue = url.rsplit('/').next().unwrap_or(url);
        let put = |message: &Value| {
            let body = message["MessageBody"].as_str().context("no MessageBody")?;
            lock(&self.queued).push(Queued {
                queue: queue.to_owned(),
                body: body.to_owned(),
            });
            anyhow::Ok(json!({"Id": message["Id"], "MessageId": "m", "MD5OfMessageBody": ""}))
        };
        Ok(match operation {
            "SendMessage" => put(request)?,
            "SendMessageBatch" => {
                let entries = request["Entries"].as_array().context("no Entries")?;
                ensure!(entries.len() <= TOGETHER, "a batch with too many messages");
                let sent: Vec<_> = entries.iter().map(put).collect::<Result<_, _>>()?;
                json!({"Successful": sent, "Failed": []})
            }
            "ChangeMessageVisibility" => json!({}),
            other => anyhow::bail!("no {other} here"),
        })
    }

    fn secret(&self, operation: &str, request: &Value) -> anyhow::Result<(StatusCode, Value)> {
        let id = request["SecretId"].as_str().unwrap_or_default();
        ensure!(operation == "GetSecretValue", "no {operation} here");
        Ok(match lock(&self.secrets).get(id) {
            Some(value) => (
                StatusCode::OK,
                json!({"Name": id, "SecretString": value, "VersionId": "1"}),
            ),
            None => (
                StatusCode::BAD_REQUEST,
                json!({"__type": "ResourceNotFoundException", "message": id}),
            ),
        })
    }

    fn dynamodb(&self, operation: &str, mut request: Value) -> (StatusCode, Value) {
        if let Some(request) = request.as_object_mut()
            && operation != "CreateTable"
        {
            request.insert("ReturnConsumedCapacity".to_owned(), json!("TOTAL"));
        }
        let db = &self.database;
        match operation {
            "CreateTable" => run(request, |request| db.create_table(request)),
            "PutItem" => run(request, |request| db.put_item(request)),
            "GetItem" => run(request, |request| db.get_item(request)),
            "UpdateItem" => run(request, |request| db.update_item(request)),
            "DeleteItem" => run(request, |request| db.delete_item(request)),
            "Query" => run(request, |request| db.query(request)),
            "Scan" => run(request, |request| db.scan(request)),
            "BatchGetItem" => run(request, |request| db.batch_get_item(request)),
            "BatchWriteItem" => run(request, |request| db.batch_write_item(request)),
            "TransactGetItems" => run(request, |request| db.transact_get_items(request)),
            "TransactWriteItems" => run(request, |request| db.transact_write_items(request)),
            other => (
                StatusCode::BAD_REQUEST,
                json!({"__type": "UnknownOperationException", "message": other}),
            ),
        }
    }
}

/// Operations of `DynamoDB` that are paid for in read units.
const READS: [&str; 5] = [
    "GetItem",
    "Query",
    "Scan",
    "BatchGetItem",
    "TransactGetItems",
];

fn run<Q: DeserializeOwned, A: Serialize>(
    request: Value,
    operation: impl FnOnce(Q) -> dynoxide::Result<A>,
) -> (StatusCode, Value) {
    let invalid = |error: serde_json::Error| {
        let message = error.to_string();
        let answer = json!({"__type": "SerializationException", "message": message});
        (StatusCode::BAD_REQUEST, answer)
    };
    match serde_json::from_value(request).map(operation) {
        Ok(Ok(answer)) => match serde_json::to_value(answer) {
            Ok(answer) => (StatusCode::OK, answer),
            Err(error) => invalid(error),
        },
        Ok(Err(error)) => {
            let status = StatusCode::from_u16(error.status_code());
            let answer = serde_json::from_str(&error.to_json()).unwrap_or_default();
            (status.unwrap_or(StatusCode::BAD_REQUEST), answer)
        }
        Err(error) => invalid(error),
    }
}

/// Takes the consumed capacity, which the caller has not asked for, out of an answer.
fn take_units(answer: &mut Value) -> f64 {
    let Some(consumed) = answer
        .as_object_mut()
        .and_then(|answer| answer.remove("ConsumedCapacity"))
    else {
        return 0.0;
    };
    let units = |one: &Value| one["CapacityUnits"].as_f64().unwrap_or_default();
    match consumed.as_array() {
        Some(all) => all.iter().map(units).sum(),
        None => units(&consumed),
    }
}
