//! What the tests run against.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use accounts::{Accounts, Vendors};
use aws::dynamodb::AttributeValue;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use domain::teamviewer::Settings;
use domain::{AccountName, CaseCode};
use dynoxide::Database;
use jiff::{SignedDuration, Timestamp};
use sandbox::{InstanceControl, Sandbox};
use serde_json::{Value, json};
use service_cases::{Config, ServiceCases};
use startup::AwsConfig;

pub(crate) const CODE: &str = "s119-457-589";
/// What AWS says of the stack to whoever has no right: for nobody else's eyes.
pub(crate) const AWS_WORDS: &str =
    "User: arn:aws:sts::111122223333:assumed-role/Api is not authorized to do this";
/// What makes the link of a supporter.
pub(crate) const SECRET: &str = "s3cret-of-supporters";

/// The services other than DynamoDB: what they were given, and which of them fail.
#[derive(Debug, Default)]
pub(crate) struct Aws {
    secrets: BTreeMap<String, String>,
    pub(crate) events: Vec<Value>,
    pub(crate) messages: Vec<Value>,
    pub(crate) mails: Vec<Value>,
    /// Beginnings of operations, such as `PutEvents`, or `UpdateItem mail#`, that fail.
    pub(crate) down: Vec<&'static str>,
    /// The beginning of an operation that stands still, and whether one does.
    pub(crate) held: Option<(&'static str, bool)>,
    /// What SES answers instead of taking a mail; status 0 takes it and loses the answer.
    pub(crate) ses: Option<(u16, &'static str)>,
}

#[derive(Clone)]
struct Services {
    aws: Arc<Mutex<Aws>>,
    dynamodb: String,
    http: reqwest::Client,
}

pub(crate) struct Stack {
    aws: Arc<Mutex<Aws>>,
    pub(crate) cases: ServiceCases,
    /// Another process of the same stack.
    pub(crate) other: ServiceCases,
    process: Box<dyn Fn(&str) -> ServiceCases + Send + Sync>,
    pub(crate) tables: aws::dynamodb::Client,
    pub(crate) teamviewer: InstanceControl,
    pub(crate) servicenow: InstanceControl,
    _sandbox: Sandbox,
}

/// Half past nine.
pub(crate) fn now() -> Timestamp {
    "2026-11-22T09:30:00Z".parse().unwrap()
}

pub(crate) fn after(seconds: i64) -> Timestamp {
    now() + SignedDuration::from_secs(seconds)
}

pub(crate) fn code() -> CaseCode {
    CaseCode::parse(CODE).unwrap()
}

pub(crate) fn account() -> AccountName {
    AccountName::parse("tv").unwrap()
}

pub(crate) fn settings() -> Settings {
    serde_json::from_value(json!({
        "cases": {"account": "tv", "group": "Helpdesk"}, "servicenow_account": "sn"
    }))
    .unwrap()
}

/// A case as the sandbox takes it.
pub(crate) fn case(code: &str) -> Value {
    json!({
        "code": code, "groupid": "g1", "description": "INC0010001: Printer", "online": false,
        "created_at": "2026-11-22T09:00:00Z", "valid_until": "2026-11-23T09:00:00Z",
        "end_customer": {"name": "Bea", "email": "bea@example.com"}, "supporter_token": SECRET,
    })
}

impl Stack {
    pub(crate) async fn new() -> Self {
        Self::with(json!({})).await
    }

    /// A stack whose TeamViewer company has one open case, of the code [`CODE`].
    pub(crate) async fn with_case() -> Self {
        Self::with(json!({"sessions": [case(CODE)]})).await
    }

    /// A stack whose TeamViewer company has these properties beside the usual ones.
    pub(crate) async fn with(company: Value) -> Self {
        let sandbox = Sandbox::start().await;
        let teamviewer = sandbox.control().teamviewer("acme");
        let mut config = json!({
            "users": [
                {"id": "u1001", "name": "Ann", "email": "ann@example.com"},
                {"id": "u1002", "name": "Bob", "email": "bob@example.com"},
            ],
            "groups": [{"id": "g1", "name": "Helpdesk"}],
            "script_tokens": [{"token": "company-token"}],
            "bearer_tokens": [
                {"token": "anns-token", "username": "u1001", "expires_in": 86400},
                {
                    "token": "bobs-token", "username": "u1002", "expires_in": 86400,
                    "scope": "Users.Read",
                },
            ],
        });
        for (name, value) in company.as_object().unwrap() {
            config[name] = value.clone();
        }
        teamviewer.create(&config).await.unwrap();
        let servicenow = sandbox.control().servicenow("dev1");
        let instance = json!({
            "users": [{"username": "api", "password": "secret"}],
            "people": [{"name": "Bea Lee", "email": "bea@example.com", "user_name": "bea", "active": true}],
            "tables": {
                "sc_request": {
                    "extends_task": true, "number_prefix": "REQ",
                    "columns": {"requested_for": {"reference": "sys_user"}},
                },
                "sc_req_item": {
                    "extends_task": true, "number_prefix": "RITM",
                    "columns": {"request": {"reference": "sc_request"}},
                },
            },
        });
        servicenow.create(&instance).await.unwrap();

        let aws = Arc::new(Mutex::new(Aws::default()));
        let config = services(&aws).await;
        let tables = aws::dynamodb::Client::new(&config);
        create_tables(&tables).await;
        let vendors = [
            ("TEAMVIEWER_URL", sandbox.teamviewer_url("{company}")),
            ("TEAMVIEWER_LOGIN_URL", sandbox.teamviewer_url("{company}")),
            ("SERVICENOW_URL", sandbox.servicenow_url("{instance}")),
        ];
        let variables = move |name: &str| {
            let given = vendors.iter().find(|(variable, _)| *variable == name);
            match name {
                "MAIL_FROM" => Some("Acme Care <care@acme.com>".to_owned()),
                "CONNECTS_TABLE" | "SECRETS_KMS_KEY" | "PUBLIC_URL" | "MAIL_CONFIGURATION_SET" => {
                    None
                }
                other if other.ends_with("_URL") && other != "TEAMVIEWER_QUEUE_URL" => {
                    given.map(|(_, url)| url.clone())
                }
                other => Some(other.to_lowercase()),
            }
        };
        let process = move |name: &str| {
            let http = vendor_http::Client::new().unwrap();
            let accounts = Accounts::new(
                &config,
                accounts::Config::from_vars(&variables).unwrap(),
                Vendors::from_vars(http, &variables).unwrap(),
                name.to_owned(),
            );
            let names = Config::from_vars(&variables).unwrap();
            ServiceCases::new(&config, names, accounts, name.to_owned())
        };
        let stack = Self {
            aws,
            cases: process("one"),
            other: process("two"),
            process: Box::new(process),
            tables,
            teamviewer,
            servicenow,
            _sandbox: sandbox,
        };
        stack
            .connect(
                "tv",
                "teamviewer",
                "acme",
                json!({"kind": "bearer", "token": "company-token"}),
            )
            .await;
        let basic = json!({"kind": "basic", "username": "api", "password": "secret"});
        stack.connect("sn", "servicenow", "dev1", basic).await;
        stack
    }

    pub(crate) fn aws(&self) -> MutexGuard<'_, Aws> {
        self.aws.lock().unwrap()
    }

    /// Stores an account.
    pub(crate) async fn connect(
        &self,
        name: &str,
        vendor: &str,
        instance: &str,
        credential: Value,
    ) {
        let secret = format!("secret-of-{name}");
        let text = |text: &str| AttributeValue::S(text.to_owned());
        self.tables
            .put_item()
            .table_name("accounts_table")
            .item("name", text(name))
            .item("vendor", text(vendor))
            .item("instance", text(instance))
            .item("kind", text(credential["kind"].as_str().unwrap()))
            .item("state", text("connected"))
            .item("secret", text(&secret))
            .item("updated_at", AttributeValue::N("0".to_owned()))
            .send()
            .await
            .unwrap();
        self.aws().secrets.insert(secret, credential.to_string());
    }

    /// Stores an account of somebody's own, `tv-ann` or `tv-bob`.
    pub(crate) async fn sign_in(&self, name: &str) -> AccountName {
        let token = json!({"kind": "bearer", "token": format!("{name}s-token")});
        let account = format!("tv-{name}");
        self.connect(&account, "teamviewer", "acme", token).await;
        AccountName::parse(&account).unwrap()
    }

    /// A process that has done nothing yet.
    pub(crate) fn process(&self, name: &str) -> ServiceCases {
        (self.process)(name)
    }

    /// Stores the settings, with the company's account for all or for nobody but the stack itself.
    pub(crate) async fn share_company(&self, shared: bool) {
        let mut settings = settings();
        if let Some(cases) = &mut settings.cases {
            cases.shared = shared;
        }
        let table = "teamviewer_table".to_owned();
        let stored = store::TeamViewerSettings::new(self.tables.clone(), table);
        let version = stored.get().await.unwrap().map(|stored| stored.version);
        let put = stored.put(&settings, version, "test", now()).await;
        assert!(put.unwrap().is_some());
    }

    /// An incident of Bea's in ServiceNow; its number and its id.
    pub(crate) async fn incident(&self, short_description: &str) -> (String, String) {
        let bea = self.bea().await;
        let fields = [
            ("short_description", short_description),
            ("caller_id", bea.as_str()),
        ];
        self.task("incident", &fields).await
    }

    /// The id of Bea in ServiceNow.
    pub(crate) async fn bea(&self) -> String {
        let people = self.servicenow.records("sys_user").await.unwrap();
        let bea = people.iter().find(|person| person["name"] == "Bea Lee");
        bea.unwrap()["sys_id"].as_str().unwrap().to_owned()
    }

    /// A task in ServiceNow; its number and its id.
    pub(crate) async fn task(&self, table: &str, fields: &[(&str, &str)]) -> (String, String) {
        let base = vendor_http::BaseUrl::parse_optional(self.servicenow.url(), "instance", "dev1")
            .unwrap();
        let auth = servicenow::Auth::Basic {
            username: "api".to_owned(),
            password: "secret".into(),
        };
        let http = vendor_http::Client::new().unwrap();
        let client = servicenow::Client::new(http, base, auth);
        let fields = fields.iter();
        let fields = fields
            .map(|(name, value)| {
                let column = servicenow::Column::parse(name).unwrap();
                (column, (*value).to_owned())
            })
            .collect();
        let table = servicenow::Table::parse(table).unwrap();
        let record = client.create(&table, &fields).await.unwrap().value;
        (record.number.unwrap(), record.sys_id.as_str().to_owned())
    }

    /// Events of this type as they were put on the bus.
    pub(crate) fn events(&self, kind: &str) -> Vec<Value> {
        let aws = self.aws();
        let of_kind = aws.events.iter().filter(|event| event["type"] == kind);
        of_kind.cloned().collect()
    }

    /// The rows of the table, as text: to see what is in none of them.
    pub(crate) async fn rows(&self) -> String {
        let rows = self.tables.scan().table_name("teamviewer_table");
        json!(rows.all_items().await.unwrap()).to_string()
    }

    /// What the company was asked, such as `GET /api/v1/sessions`.
    pub(crate) async fn asked(&self, call: &str) -> u64 {
        let calls = self.teamviewer.calls().await.unwrap();
        calls.get(call).copied().unwrap_or_default()
    }
}

async fn services(aws: &Arc<Mutex<Aws>>) -> AwsConfig {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let dynamodb = format!("http://{}", listener.local_addr().unwrap());
    let database = Database::memory().unwrap();
    tokio::spawn(dynoxide::server::serve_on(listener, database));
    // The first one installs what the others need.
    vendor_http::Client::new().unwrap();
    let services = Services {
        aws: Arc::clone(aws),
        dynamodb,
        http: reqwest::Client::builder().no_proxy().build().unwrap(),
    };
    let app = Router::new().fallback(serve).with_state(services);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    aws::Config::at(&url).unwrap()
}

async fn serve(
    State(services): State<Services>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, HeaderMap, Vec<u8>) {
    let target = headers
        .get("x-amz-target")
        .map(|target| target.to_str().unwrap());
    let operation = target.unwrap_or(uri.path()).rsplit('.').next().unwrap();
    let json: Value = serde_json::from_slice(&body).unwrap();
    let key = ["Key", "Item"].map(|part| json[part]["pk"]["S"].as_str());
    let key = key.into_iter().flatten().next().unwrap_or_default();
    let name = format!("{operation} {key}");
    while services.aws.lock().unwrap().holds(&name) {
        tokio::task::yield_now().await;
    }
    let is_down = {
        let aws = services.aws.lock().unwrap();
        aws.down.iter().any(|down| name.starts_with(down))
    };
    if is_down {
        let answer = json!({"__type": "AccessDeniedException", "message": AWS_WORDS});
        return answered(400, answer);
    }
    if target.is_some_and(|target| target.starts_with("DynamoDB")) {
        let mut request = services.http.post(&services.dynamodb).body(body);
        for (name, value) in &headers {
            if name != "host" && name != "content-length" {
                request = request.header(name, value);
            }
        }
        let answer = request.send().await.unwrap();
        let status = answer.status();
        let bytes = answer.bytes().await.unwrap();
        let checksum = HeaderMap::from_iter([(
            "content-type".parse().unwrap(),
            "application/x-amz-json-1.0".parse().unwrap(),
        )]);
        return (status, checksum, bytes.to_vec());
    }
    services.aws.lock().unwrap().answer(operation, &json)
}

fn answered(status: u16, answer: Value) -> (StatusCode, HeaderMap, Vec<u8>) {
    let kind = answer["__type"].as_str().unwrap_or_default();
    let headers = HeaderMap::from_iter([
        (
            "content-type".parse().unwrap(),
            "application/json".parse().unwrap(),
        ),
        ("x-amzn-errortype".parse().unwrap(), kind.parse().unwrap()),
    ]);
    let status = StatusCode::from_u16(status).unwrap();
    (status, headers, answer.to_string().into_bytes())
}

impl Aws {
    fn holds(&mut self, name: &str) -> bool {
        match &mut self.held {
            Some((held, is_held)) if name.starts_with(*held) => {
                *is_held = true;
                true
            }
            Some(_) | None => false,
        }
    }

    fn answer(&mut self, operation: &str, body: &Value) -> (StatusCode, HeaderMap, Vec<u8>) {
        let answer = match operation {
            "GetSecretValue" => {
                let secret = &self.secrets[body["SecretId"].as_str().unwrap()];
                json!({"Name": "x", "SecretString": secret})
            }
            "PutSecretValue" => {
                let text = |name: &str| body[name].as_str().unwrap().to_owned();
                self.secrets.insert(text("SecretId"), text("SecretString"));
                json!({"Name": "x"})
            }
            "PutEvents" => {
                for entry in body["Entries"].as_array().unwrap() {
                    assert_eq!(entry["Source"], "closedloop.teamviewer");
                    assert_eq!(entry["EventBusName"], "event_bus");
                    let event: Value =
                        serde_json::from_str(entry["Detail"].as_str().unwrap()).unwrap();
                    assert_eq!(entry["DetailType"], event["type"]);
                    self.events.push(event);
                }
                json!({"FailedEntryCount": 0, "Entries": [{"EventId": "1"}]})
            }
            "SendMessage" => {
                assert_eq!(body["QueueUrl"], "teamviewer_queue_url");
                let message = body["MessageBody"].as_str().unwrap();
                self.messages.push(serde_json::from_str(message).unwrap());
                json!({"MessageId": "m"})
            }
            "/v2/email/outbound-emails" => match self.ses {
                Some((0, _)) => {
                    self.mails.push(body.clone());
                    return answered(503, json!({"__type": "ServiceUnavailable"}));
                }
                Some((status, code)) => {
                    let words = "Email address is not verified: bea@example.com";
                    return answered(status, json!({"__type": code, "message": words}));
                }
                None => {
                    self.mails.push(body.clone());
                    json!({"MessageId": format!("ses-{}", self.mails.len())})
                }
            },
            other => panic!("{other} is not expected"),
        };
        answered(200, answer)
    }
}

async fn create_tables(tables: &aws::dynamodb::Client) {
    let key = |name: &str, kind: &str| json!({"AttributeName": name, "KeyType": kind});
    let attribute = |name: &str, kind: &str| json!({"AttributeName": name, "AttributeType": kind});
    let index = |name: &str, of: &str| {
        json!({
            "IndexName": name, "Projection": {"ProjectionType": "ALL"},
            "KeySchema": [key(of, "HASH"), key("created_at", "RANGE")]
        })
    };
    let accounts = json!({
        "TableName": "accounts_table", "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [attribute("name", "S")], "KeySchema": [key("name", "HASH")]
    });
    let texts = ["pk", "sk", "open", "task_number", "task_sys_id"];
    let attributes = texts.map(|name| attribute(name, "S")).into_iter();
    let attributes: Vec<Value> = attributes.chain([attribute("created_at", "N")]).collect();
    let teamviewer = json!({
        "TableName": "teamviewer_table", "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": attributes, "KeySchema": [key("pk", "HASH"), key("sk", "RANGE")],
        "GlobalSecondaryIndexes": [
            index("open_cases", "open"), index("by_task_number", "task_number"),
            index("by_task_sys_id", "task_sys_id")
        ]
    });
    for table in [accounts, teamviewer] {
        tables.call("CreateTable", &table).await.unwrap();
    }
}
