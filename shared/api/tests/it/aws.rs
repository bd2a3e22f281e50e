//! A stand-in for the AWS services that the function calls: tables with the few conditions that matter here. Those of
//! connections and service cases are in a real engine, since they are found by indexes.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use dynoxide::Database;
use serde_json::{Map, Value, json};
use startup::AwsConfig;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// The tables that are in the engine.
const IN_ENGINE: [&str; 2] = ["connections", "teamviewer"];

/// What the services hold, and how they answer.
#[derive(Debug, Default)]
pub(crate) struct Aws {
    pub(crate) tables: BTreeMap<String, Vec<Value>>,
    pub(crate) secrets: BTreeMap<String, String>,
    /// What was put into the queue, oldest first.
    pub(crate) messages: Vec<Value>,
    /// What was mailed.
    pub(crate) mails: Vec<Value>,
    engine: Option<SocketAddr>,
    /// Names of operations that fail.
    pub(crate) down: Vec<&'static str>,
    /// Names of operations that are never answered.
    pub(crate) silent: Vec<&'static str>,
}

type Answer = (StatusCode, Value);

fn fault(code: &str) -> Answer {
    let body = json!({"__type": code, "message": "arn:aws:internal"});
    (StatusCode::BAD_REQUEST, body)
}

impl Aws {
    fn answer(&mut self, operation: &str, body: &Value) -> Answer {
        if self.down.contains(&operation) {
            return fault("ThrottlingException");
        }
        match operation {
            "GetItem" => {
                let row = self.row(body, &body["Key"]).map(|row| row.clone());
                let answer = row.map_or(json!({}), |row| json!({"Item": row}));
                (StatusCode::OK, answer)
            }
            "PutItem" | "DeleteItem" | "UpdateItem" => self.write(operation, body),
            "Scan" => {
                let rows = self.table(body).clone();
                (StatusCode::OK, json!({"Items": rows}))
            }
            "Query" => {
                // Of indexes only those by day or workflow are imitated, each as if it were all of one moment.
                let group = body["ExpressionAttributeNames"]["#group"].as_str();
                let (name, value) = group.map_or(("pk", ":pk"), |group| (group, ":group"));
                let partition = &body["ExpressionAttributeValues"][value];
                let mut rows: Vec<&Value> = self
                    .table(body)
                    .iter()
                    .filter(|row| !partition.is_null() && row[name] == *partition)
                    .collect();
                rows.sort_by_key(|row| row["sk"]["S"].as_str().map(str::to_owned));
                if body["ScanIndexForward"] == json!(false) {
                    rows.reverse();
                }
                (StatusCode::OK, json!({"Items": rows}))
            }
            "TransactWriteItems" => self.transaction(body),
            "SendMessage" => {
                assert_eq!(body["QueueUrl"], "teamviewer_queue_url");
                let message = body["MessageBody"].as_str().unwrap();
                self.messages.push(serde_json::from_str(message).unwrap());
                (StatusCode::OK, json!({"MessageId": "m"}))
            }
            "PutEvents" => (
                StatusCode::OK,
                json!({"FailedEntryCount": 0, "Entries": [{"EventId": "1"}]}),
            ),
            other => self.secret(other, body),
        }
    }

    fn secret(&mut self, operation: &str, body: &Value) -> Answer {
        let field = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        let id = if operation == "CreateSecret" {
            field("Name")
        } else {
            field("SecretId")
        };
        let known = self.secrets.contains_key(&id);
        let found = json!({"Name": id, "ARN": id});
        match operation {
            "CreateSecret" => {
                self.secrets.insert(id, field("SecretString"));
                (StatusCode::OK, found)
            }
            _ if !known => fault("ResourceNotFoundException"),
            "PutSecretValue" => {
                self.secrets.insert(id, field("SecretString"));
                (StatusCode::OK, found)
            }
            "DescribeSecret" => (StatusCode::OK, found),
            "GetSecretValue" => {
                let text = self.secrets.get(&id);
                (StatusCode::OK, json!({"Name": id, "SecretString": text}))
            }
            "DeleteSecret" => {
                self.secrets.remove(&id);
                (StatusCode::OK, found)
            }
            other => panic!("{other} is not expected"),
        }
    }

    fn table(&mut self, body: &Value) -> &mut Vec<Value> {
        let name = body["TableName"].as_str().unwrap().to_owned();
        self.tables.entry(name).or_default()
    }

    fn row(&mut self, body: &Value, key: &Value) -> Option<&mut Value> {
        let key = key.as_object().unwrap().clone();
        let has_key = |row: &Value| key.iter().all(|(name, value)| row[name] == *value);
        self.table(body).iter_mut().find(|row| has_key(row))
    }

    fn holds(&mut self, body: &Value, key: &Value) -> bool {
        let values = body["ExpressionAttributeValues"].clone();
        let row = self.row(body, key);
        match body["ConditionExpression"].as_str().unwrap_or_default() {
            "attribute_not_exists(id)" | "attribute_not_exists(pk)" => row.is_none(),
            "attribute_exists(id)" => row.is_some(),
            "#revision = :before" => row.is_some_and(|row| row["revision"] == values[":before"]),
            _ => true,
        }
    }

    fn key(body: &Value) -> Value {
        let item = &body["Item"];
        let Some(fields) = item.as_object() else {
            return body["Key"].clone();
        };
        let of_key = |name: &str| match body["TableName"].as_str().unwrap() {
            "endpoints" | "accounts" => name == "name",
            "workflows" | "runs" => name == "pk" || name == "sk",
            "events" => name == "event",
            _ => name == "id",
        };
        let key = fields.iter().filter(|(name, _)| of_key(name));
        key.map(|(name, value)| (name.clone(), value.clone()))
            .collect::<Map<_, _>>()
            .into()
    }

    fn write(&mut self, operation: &str, body: &Value) -> Answer {
        let key = Self::key(body);
        if !self.holds(body, &key) {
            return fault("ConditionalCheckFailedException");
        }
        let row = self.apply(operation, body, &key);
        (StatusCode::OK, json!({"Attributes": row}))
    }

    fn transaction(&mut self, body: &Value) -> Answer {
        let writes: Vec<(String, Value)> = body["TransactItems"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|item| item.as_object().unwrap().clone())
            .collect();
        if writes
            .iter()
            .any(|(_, body)| !self.holds(body, &Self::key(body)))
        {
            return fault("TransactionCanceledException");
        }
        for (operation, body) in &writes {
            self.apply(&format!("{operation}Item"), body, &Self::key(body));
        }
        (StatusCode::OK, json!({}))
    }

    fn apply(&mut self, operation: &str, body: &Value, key: &Value) -> Value {
        let before = self.row(body, key).map(|row| row.clone());
        let after = match operation {
            "PutItem" => Some(body["Item"].clone()),
            "DeleteItem" => None,
            _ => Some(updated(before.clone().unwrap_or(key.clone()), body)),
        };
        let table = self.table(body);
        table.retain(|row| Some(row) != before.as_ref());
        table.extend(after.clone());
        after.or(before).unwrap_or_default()
    }
}

/// `SET a = :a, revoked_at = if_not_exists(revoked_at, :b) REMOVE c, d`, with names that stand for others.
fn updated(mut row: Value, body: &Value) -> Value {
    let expression = body["UpdateExpression"].as_str().unwrap();
    let name = |text: &str| {
        let stands_for = body["ExpressionAttributeNames"][text].as_str();
        stands_for.unwrap_or(text).to_owned()
    };
    let (sets, removes) = expression
        .split_once(" REMOVE ")
        .unwrap_or((expression, ""));
    // A comma inside parentheses is none that separates.
    let sets = sets.replace("if_not_exists(revoked_at, ", "if_not_exists(");
    for set in sets.trim_start_matches("SET ").split(", ") {
        let (field, value) = set.split_once(" = ").unwrap();
        let value = value.trim_end_matches(')');
        let at = value.find(':').unwrap();
        let only_if_absent = value.starts_with("if_not_exists");
        if !(only_if_absent && row.get(name(field)).is_some()) {
            row[name(field)] = body["ExpressionAttributeValues"][&value[at..]].clone();
        }
    }
    for field in removes.split(", ") {
        row.as_object_mut().unwrap().remove(&name(field));
    }
    row
}

async fn serve(
    State(aws): State<Arc<Mutex<Aws>>>,
    uri: Uri,
    headers: HeaderMap,
    body: String,
) -> (StatusCode, String) {
    // Only Lambda and SES are called by a path of their own.
    let Some(target) = headers.get("x-amz-target") else {
        let asked: Value = serde_json::from_str(&body).unwrap();
        if uri.path() == "/v2/email/outbound-emails" {
            aws.lock().unwrap().mails.push(asked);
            return (StatusCode::OK, json!({"MessageId": "ses-1"}).to_string());
        }
        let request =
            json!({"method": "POST", "path": "/x", "body": asked["preview"]["input"], "note": "n"});
        let preview = json!({"requests": [request], "problem": null, "notes": []});
        return (StatusCode::OK, preview.to_string());
    };
    let target = target.to_str().unwrap();
    let operation = target.rsplit('.').next().unwrap();
    let (is_silent, is_down, engine) = {
        let aws = aws.lock().unwrap();
        let named = |names: &[&str]| names.contains(&operation);
        (named(&aws.silent), named(&aws.down), aws.engine)
    };
    if is_silent {
        std::future::pending::<()>().await;
    }
    let asked: Value = serde_json::from_str(&body).unwrap();
    if !is_down && is_in_engine(&asked) {
        return call_engine(engine.unwrap(), target, &body).await;
    }
    let (status, answer) = aws.lock().unwrap().answer(operation, &asked);
    (status, answer.to_string())
}

fn is_in_engine(asked: &Value) -> bool {
    let named = |name: &Value| name.as_str().is_some_and(|name| IN_ENGINE.contains(&name));
    let in_batch = asked["RequestItems"]
        .as_object()
        .is_some_and(|tables| tables.keys().any(|name| IN_ENGINE.contains(&name.as_str())));
    let in_transaction = asked["TransactItems"].as_array().is_some_and(|items| {
        let writes = items.iter().filter_map(Value::as_object);
        writes
            .flat_map(Map::values)
            .any(|write| named(&write["TableName"]))
    });
    named(&asked["TableName"]) || in_batch || in_transaction
}

async fn call_engine(engine: SocketAddr, target: &str, body: &str) -> (StatusCode, String) {
    let mut stream = TcpStream::connect(engine).await.unwrap();
    let request = format!(
        "POST / HTTP/1.1\r\nhost: {engine}\r\nx-amz-target: {target}\r\ncontent-type: application/x-amz-json-1.0\r\n\
         authorization: AWS4-HMAC-SHA256 Credential=id/20261121/eu-west-1/dynamodb/aws4_request, SignedHeaders=host, \
         Signature=0\r\nx-amz-date: 20261121T120000Z\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status: u16 = head.split(' ').nth(1).unwrap().parse().unwrap();
    (StatusCode::from_u16(status).unwrap(), body.to_owned())
}

/// The engine, with its tables as the template has them.
async fn start_engine() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let engine = listener.local_addr().unwrap();
    let database = Database::memory().unwrap();
    tokio::spawn(dynoxide::server::serve_on(listener, database));
    let attributes = |names: &[&str]| -> Vec<Value> {
        let kind = |name: &str| if name.ends_with("_at") { "N" } else { "S" };
        let names = names.iter();
        names
            .map(|name| json!({"AttributeName": name, "AttributeType": kind(name)}))
            .collect()
    };
    let key = |names: &[&str]| -> Vec<Value> {
        let parts = names.iter().zip(["HASH", "RANGE"]);
        parts
            .map(|(name, kind)| json!({"AttributeName": name, "KeyType": kind}))
            .collect()
    };
    let index = |name: &str, names: &[&str]| json!({"IndexName": name, "KeySchema": key(names), "Projection": {"ProjectionType": "ALL"}});
    let tables = [
        json!({
            "TableName": "connections", "KeySchema": key(&["id"]), "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": attributes(&["id", "day", "started_at", "task_number", "task_sys_id", "unfinished"]),
            "GlobalSecondaryIndexes": [
                index("by_day", &["day", "started_at"]),
                index("by_task_number", &["task_number", "started_at"]),
                index("by_task_sys_id", &["task_sys_id", "started_at"]),
                index("unfinished", &["unfinished", "started_at"]),
            ],
        }),
        json!({
            "TableName": "teamviewer", "KeySchema": key(&["pk", "sk"]), "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": attributes(&["pk", "sk", "open", "created_at", "task_number", "task_sys_id"]),
            "GlobalSecondaryIndexes": [
                index("open_cases", &["open", "created_at"]),
                index("by_task_number", &["task_number", "created_at"]),
                index("by_task_sys_id", &["task_sys_id", "created_at"]),
            ],
        }),
    ];
    for table in tables {
        let (status, answer) =
            call_engine(engine, "DynamoDB_20120810.CreateTable", &table.to_string()).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
    }
    engine
}

/// Starts the stand-in; the clients of the configuration talk to it.
pub(crate) async fn start() -> (Arc<Mutex<Aws>>, AwsConfig) {
    let aws = Arc::new(Mutex::new(Aws {
        engine: Some(start_engine().await),
        ..Aws::default()
    }));
    let app = Router::new().fallback(serve).with_state(Arc::clone(&aws));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    let config = aws::Config::at(&url).unwrap();
    (aws, config)
}
