//! The functions with what they need, and requests to them as API Gateway hands them over.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use access::{NewToken, RANDOM_BYTES, Role};
use api::config::Config;
use api::part::Setup;
use api::route::Moment;
use api::{Deps, Part, handle};
use aws_lambda_events::encodings::Body;
use jiff::{SignedDuration, Timestamp};
use management::{AccountManagement, TeamViewerManagement, WorkflowManagement};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use startup::AwsConfig;

use crate::aws::{self, Aws};
use crate::gateway;

/// More than any request takes here.
const TIME: Duration = Duration::from_secs(9);

pub(crate) fn now() -> Timestamp {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

pub(crate) struct Scene {
    aws: Arc<Mutex<Aws>>,
    /// What the clients of the services are made with.
    pub(crate) config: AwsConfig,
    workflows: Arc<Deps<WorkflowManagement>>,
    accounts: Arc<Deps<AccountManagement>>,
    teamviewer: Arc<Deps<TeamViewerManagement>>,
    pub(crate) time: Duration,
    pub(crate) now: Timestamp,
    pub(crate) request_id: &'static str,
}

/// A request; what is not said is left out.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ask {
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) token: Option<String>,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Option<String>,
}

pub(crate) fn ask(method: &'static str, path: &str) -> Ask {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    Ask {
        method,
        path: path.to_owned(),
        query: query.to_owned(),
        ..Ask::default()
    }
}

impl Ask {
    pub(crate) fn token(mut self, token: &str) -> Self {
        self.token = Some(token.to_owned());
        self
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.text("application/json", &body.to_string())
    }

    pub(crate) fn text(mut self, content_type: &str, body: &str) -> Self {
        self.body = Some(body.to_owned());
        self.header("content-type", content_type)
    }
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Value,
}

impl Scene {
    pub(crate) async fn new() -> Self {
        Self::with(&[]).await
    }

    /// With these variables set, too.
    pub(crate) async fn with(set: &[(&str, &str)]) -> Self {
        let (aws, config) = aws::start().await;
        let variables = |name: &str| {
            let set = set.iter().find(|(of, _)| *of == name);
            match name {
                _ if set.is_some() => set.map(|(_, value)| (*value).to_owned()),
                "PUBLIC_URL" => Some("https://closedloop.example.com".to_owned()),
                "SECRET_PREFIX" => Some("closedloop".to_owned()),
                "EVENT_BUS" => Some("bus".to_owned()),
                "SCHEDULE_GROUP"
                | "SCHEDULER_ROLE"
                | "SCHEDULE_DEAD_LETTERS"
                | "SCHEDULES_FUNCTION"
                | "SERVICENOW_TASKS_FUNCTION"
                | "ZENDESK_TASKS_FUNCTION"
                | "TEAMVIEWER_TASKS_FUNCTION"
                | "TEAMVIEWER_QUEUE_URL" => Some(name.to_lowercase()),
                "RUN_RETENTION_DAYS" => Some("90".to_owned()),
                "CONNECTIONS_EVERY_HOURS" => Some("6".to_owned()),
                "MAIL_FROM" => Some("Acme Care <care@acme.com>".to_owned()),
                _ => {
                    let table = name.strip_suffix("_TABLE")?;
                    Some(table.to_lowercase())
                }
            }
        };
        Self {
            workflows: part(&config, variables),
            accounts: part(&config, variables),
            teamviewer: part(&config, variables),
            aws,
            config,
            time: TIME,
            now: now(),
            request_id: "request-1",
        }
    }

    pub(crate) fn aws(&self) -> MutexGuard<'_, Aws> {
        self.aws.lock().unwrap()
    }

    /// A token with this role, good for an hour.
    pub(crate) async fn token(&self, role: Role) -> String {
        let seed = u8::try_from(role as usize + 1).unwrap();
        let new = NewToken {
            name: format!("{role}-token"),
            roles: [role].into(),
            expires_at: now() + SignedDuration::from_hours(1),
        };
        let tokens = self.accounts.authenticator.tokens();
        let created = tokens
            .create(new, "ada", &[seed; RANDOM_BYTES], now())
            .await
            .unwrap();
        created.secret.expose_secret().to_owned()
    }

    /// Asks, and checks that the OpenAPI document knows what is answered.
    pub(crate) async fn ask(&self, ask: Ask) -> Answer {
        let mut headers: BTreeMap<&str, String> = ask.headers.into_iter().collect();
        if let Some(token) = ask.token {
            headers.insert("authorization", format!("Bearer {token}"));
        }
        let event = json!({
            "version": "2.0", "routeKey": "ANY /v1/{proxy+}",
            "rawPath": ask.path, "rawQueryString": ask.query, "headers": headers,
            "requestContext": {
                "requestId": self.request_id, "stage": "$default",
                "http": {"method": ask.method, "path": ask.path},
            },
            "body": ask.body, "isBase64Encoded": false,
        });
        let moment = Moment {
            now: self.now,
            random: [0xab; RANDOM_BYTES],
        };
        let event = serde_json::from_value(event).unwrap();
        // What the gateway does not lead here is asked of the function that takes the rest.
        let response = match gateway::function(&ask.path).unwrap_or("AccountsApi") {
            "WorkflowsApi" => handle(&self.workflows, event, moment, self.time).await,
            "AccountsApi" => handle(&self.accounts, event, moment, self.time).await,
            "TeamViewerApi" => handle(&self.teamviewer, event, moment, self.time).await,
            other => panic!("{} leads to {other}", ask.path),
        };
        let text = match response.body {
            Some(Body::Text(text)) => text,
            None => String::new(),
            other => panic!("{other:?}"),
        };
        let is_csv = response
            .headers
            .get("content-type")
            .is_some_and(|media_type| media_type == "text/csv; charset=utf-8; header=present");
        let answer = Answer {
            status: u16::try_from(response.status_code).unwrap(),
            headers: response
                .headers
                .iter()
                .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
                .collect(),
            body: if text.is_empty() {
                Value::Null
            } else if is_csv {
                Value::String(text)
            } else {
                serde_json::from_str(&text).unwrap()
            },
        };
        self.check_form(&answer);
        crate::document::check(ask.method, &ask.path, &answer);
        answer
    }

    fn check_form(&self, answer: &Answer) {
        let header = |name: &str| answer.headers.get(name).map(String::as_str);
        assert_eq!(header("cache-control"), Some("no-store"));
        assert_eq!(header("x-content-type-options"), Some("nosniff"));
        assert_eq!(header("x-request-id"), Some(self.request_id));
        if answer.status >= 400 {
            assert_eq!(header("content-type"), Some("application/problem+json"));
            assert_eq!(answer.body["status"], answer.status);
            assert_eq!(answer.body["request_id"], self.request_id);
        }
        let text = answer.body.to_string();
        for internal in ["arn:aws", "Exception", "127.0.0.1"] {
            assert!(!text.contains(internal), "{text}");
        }
    }

    /// A `TeamViewer` account with a script token.
    pub(crate) async fn put_teamviewer_account(&self, admin: &str, name: &str) {
        let account = json!({
            "vendor": "teamviewer", "instance": "acme", "credential": {"kind": "bearer", "token": "company-token"}
        });
        let put = ask("PUT", &format!("/v1/accounts/{name}")).json(&account);
        let answer = self.ask(put.token(admin)).await;
        assert_eq!(answer.status, 201, "{answer:?}");
    }

    /// Sets something for `TeamViewer`.
    pub(crate) async fn set(&self, admin: &str, settings: &Value) -> Answer {
        let put = ask("PUT", "/v1/teamviewer/settings").json(settings);
        self.ask(put.token(admin)).await
    }

    /// What was put into the queue.
    pub(crate) fn work(&self) -> Vec<Value> {
        let aws = self.aws();
        let messages = aws.messages.iter();
        messages.map(|message| message["work"].clone()).collect()
    }

    /// An account and a workflow that uses it, put by the API itself.
    pub(crate) async fn furnish(&self, admin: &str) {
        let account = json!({
            "vendor": "zendesk", "instance": "example",
            "credential": {"kind": "api_token", "email": "a@example.com", "token": "hunter2"}
        });
        let put = ask("PUT", "/v1/accounts/support")
            .token(admin)
            .json(&account);
        let answer = self.ask(put).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        assert!(answer.body["account"]["owner"].is_string());
        let put = ask("PUT", "/v1/workflows/w").token(admin).json(&workflow());
        let answer = self.ask(put).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        assert_eq!(answer.headers["etag"], "\"1\"");
    }
}

fn part<M: Part>(
    aws: &AwsConfig,
    variables: impl Fn(&str) -> Option<String> + Copy,
) -> Arc<Deps<M>> {
    let http = vendor_http::Client::new().unwrap();
    let setup = Setup {
        aws,
        http: &http,
        process: "test".to_owned(),
    };
    let management = M::from_vars(setup, variables).unwrap();
    let read = Config::from_vars(variables).unwrap();
    Arc::new(Deps::new(aws, read, management, http).unwrap())
}

pub(crate) fn workflow() -> Value {
    json!({
        "id": "w", "name": "W", "trigger": {"event": {"type": "a"}},
        "tasks": [{"id": "t", "kind": "zendesk.create_ticket", "account": "support", "input": {"comment": "x"}}]
    })
}

#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

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
    /// The lines about a request.
    pub(crate) fn lines_of(&self, request: &str) -> Vec<String> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        let lines = text.lines().filter(|line| line.contains(request));
        lines.map(str::to_owned).collect()
    }
}

/// The log of all tests from the first call on: a subscriber of one thread misses what another thread has seen first.
pub(crate) fn log() -> Log {
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
