//! What the functions find when they start: the tables, the vendors, an account, an endpoint and a workflow.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, ensure};
use benchmark::template::{self, Function, Rule, Template};
use domain::{Account, AccountKind, AccountName, AccountState, RunState, Vendor, definition};
use jiff::{SignedDuration, Timestamp};
use sandbox::{Action, Fault, Match, Sandbox};
use serde_json::{Value, json};
use store::TokenRow;

use crate::aws::Aws;
use crate::child::{Child, Program};

const STACK: &str = "closedloop";
const ENDPOINT_SECRET: &str = "demo-secret-not-for-production";
const COMPANY: &str = "acme";
/// The hash of [`Scene::TOKEN`], which the table has.
const TOKEN_HASH: &str = "1316b992106b18aceae258f5ec2409bf795268483d4ebace561fd60c58230410";
/// Where logs of the functions go, and whatever else lasts as long as a measurement.
pub(crate) const FOLDER: &str = ".local/bench";

/// Everything around the functions.
#[derive(Debug)]
pub(crate) struct Scene {
    /// What stands in for AWS.
    pub(crate) aws: Aws,
    /// What stands in for the vendors.
    pub(crate) sandbox: Sandbox,
    template: Template,
    rules: Vec<Rule>,
    root: PathBuf,
    binaries: PathBuf,
}

/// A message in a queue.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    /// The queue's logical id.
    pub(crate) queue: String,
    body: String,
}

impl Message {
    /// A message in a queue.
    pub(crate) fn new(queue: &str, body: String) -> Self {
        let queue = queue.to_owned();
        Self { queue, body }
    }
}

impl Scene {
    /// A token of the management API.
    pub(crate) const TOKEN: &str =
        "clt_0000000000000000_0000000000000000000000000000000000000000000000000000000000000000";

    /// A scene for the binaries in a folder, with the project at `root`.
    pub(crate) async fn set(root: &Path, binaries: &Path) -> anyhow::Result<Self> {
        let template = Template::read(&root.join("template.yaml"))?;
        let aws = Aws::start().await?;
        for table in template.tables() {
            aws.create_table(table)?;
        }
        let scene = Self {
            rules: template.rules()?,
            sandbox: Sandbox::start().await,
            aws,
            template,
            root: root.to_owned(),
            binaries: binaries.to_owned(),
        };
        std::fs::create_dir_all(scene.logs())?;
        scene.configure().await?;
        scene.aws.take_ledger();
        Ok(scene)
    }

    /// The project's folder.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Where the functions' logs go.
    pub(crate) fn logs(&self) -> PathBuf {
        self.root.join(FOLDER)
    }

    async fn configure(&self) -> anyhow::Result<()> {
        let control = self.sandbox.control();
        let agent = json!({"email": "agent@example.com", "token": "sandbox-token"});
        let zendesk = json!({"api_tokens": [agent]});
        control.zendesk(COMPANY).create(&zendesk).await?;
        let user = json!({"username": "closedloop", "password": "sandbox-password"});
        let servicenow = json!({"users": [user]});
        control.servicenow(COMPANY).create(&servicenow).await?;
        let script = json!({
            "token": "sandbox-token", "level": "company", "userid": "u1001",
            "permissions": [
                "Sessions.Create", "Sessions.ReadAll", "Sessions.ModifyAll", "Groups.Read", "Connections.Read",
            ],
        });
        let groups = json!([{"id": "g1", "name": "Service Desk"}]);
        let teamviewer = json!({"script_tokens": [script], "groups": groups});
        control.teamviewer(COMPANY).create(&teamviewer).await?;
        self.account(
            "zendesk-support",
            Vendor::Zendesk,
            AccountKind::ApiToken,
            agent,
        )
        .await?;
        self.account(
            "servicenow-dev",
            Vendor::ServiceNow,
            AccountKind::Basic,
            user,
        )
        .await?;
        let token = json!({"token": "sandbox-token"});
        self.account(
            "teamviewer-company",
            Vendor::TeamViewer,
            AccountKind::Bearer,
            token.clone(),
        )
        .await?;
        self.account(
            "qualtrics-feedback",
            Vendor::Qualtrics,
            AccountKind::ApiToken,
            token,
        )
        .await?;
        let secret = json!({"current": ENDPOINT_SECRET});
        self.aws
            .put_secret(&format!("{STACK}/endpoints/survey"), &secret);
        for name in ["demo-reviews", "survey"] {
            let endpoint = self.document(&format!("endpoints/{name}.yaml"))?;
            let endpoint =
                definition::endpoint(&endpoint).map_err(|problems| anyhow!("{problems:?}"))?;
            store::Endpoints::new(self.tables(), "EndpointsTable".to_owned())
                .put(&endpoint)
                .await?;
        }
        self.apply(&self.document("workflows/review-alert.yaml")?)
            .await?;
        for name in ["weekly-digest", "survey-follow-up"] {
            self.apply(&self.document(&format!("workflows/{name}.yaml"))?)
                .await?;
        }
        let now = Timestamp::now();
        store::Tokens::new(self.tables(), "TokensTable".to_owned())
            .create(&TokenRow {
                id: "0".repeat(16),
                hash: TOKEN_HASH.to_owned(),
                name: "bench".to_owned(),
                roles: vec!["admin".to_owned()],
                created_at: now,
                created_by: "bench".to_owned(),
                ends_at: now + SignedDuration::from_hours(24),
                revoked_at: None,
                used_at: Some(now),
            })
            .await?;
        Ok(())
    }

    async fn account(
        &self,
        name: &str,
        vendor: Vendor,
        kind: AccountKind,
        mut credential: Value,
    ) -> anyhow::Result<()> {
        let secret = format!("{STACK}/accounts/{vendor}/{name}.1");
        credential["kind"] = json!(kind.as_str());
        self.aws.put_secret(&secret, &credential);
        let now = Timestamp::now();
        let account = Account {
            name: AccountName::parse(name)?,
            vendor,
            instance: COMPANY.to_owned(),
            kind,
            state: AccountState::Connected,
            problem: None,
            owner: None,
            secret,
            updated_at: now,
            verified_at: None,
            // As in an account that is in use: told once an hour.
            used_at: Some(now),
        };
        store::Accounts::new(self.tables(), "AccountsTable".to_owned())
            .create(&account)
            .await?;
        Ok(())
    }

    /// A client for whoever sets the scene.
    pub(crate) fn tables(&self) -> store::Client {
        store::Client::new(self.aws.config())
    }

    /// Puts a workflow, or another revision of it.
    pub(crate) async fn apply(&self, document: &Value) -> anyhow::Result<()> {
        let workflow =
            definition::workflow(document).map_err(|problems| anyhow!("{problems:?}"))?;
        store::Workflows::new(self.tables(), "WorkflowsTable".to_owned())
            .apply(&workflow, Timestamp::now())
            .await?;
        Ok(())
    }

    /// Lets the workflow of the reviews do this one task.
    pub(crate) async fn let_it(
        &self,
        kind: &str,
        account: &str,
        input: Value,
    ) -> anyhow::Result<()> {
        let mut workflow = self.document("workflows/review-alert.yaml")?;
        workflow["tasks"] =
            json!([{"id": "task", "kind": kind, "account": account, "input": input}]);
        self.apply(&workflow).await
    }

    /// Survey responses that can be fetched: the first so many, each with so many bytes of answers.
    pub(crate) async fn survey_responses(&self, count: usize, bytes: usize) -> anyhow::Result<()> {
        let survey = "SV_1AmkKSDmoZ4XlQx";
        let mut values = json!({"QID1": 1});
        let mut displayed = vec![json!("QID1")];
        for (question, answer) in texts(bytes) {
            displayed.push(json!(question));
            values[question] = json!(answer);
        }
        let responses: Vec<_> = (0..count)
            .map(|number| {
                json!({
                    "id": Self::response_id(number), "survey": survey, "values": values,
                    "labels": {"QID1": "Bad"}, "displayed_fields": displayed,
                })
            })
            .collect();
        let questions = json!({"QID1": {
            "questionText": "How was it?", "questionName": "Q1",
            "choices": {"1": {"recode": "1", "choiceText": "Bad"}},
        }});
        let config = json!({
            "brand": "examplebrand", "responses_per_minute": 1_000_000,
            "api_tokens": [{"username": "ann", "token": "sandbox-token"}],
            "surveys": [{"id": survey, "name": "Trial", "questions": questions}],
            "responses": responses,
        });
        let control = self.sandbox.control();
        Ok(control.qualtrics(COMPANY).create(&config).await?)
    }

    /// TeamViewer's settings, and a history that was fetched just now: nothing is due.
    pub(crate) async fn teamviewer_history(&self) -> anyhow::Result<()> {
        let mut document = self.document("teamviewer/settings.yaml")?;
        // Cases that are watched are looked at every minute.
        document["cases"]["watch"] = json!(false);
        let settings = definition::teamviewer_settings(&document)
            .map_err(|problems| anyhow!("{problems:?}"))?;
        store::TeamViewerSettings::new(self.tables(), "TeamViewerTable".to_owned())
            .put(&settings, None, "bench", Timestamp::now())
            .await?;
        let mut child = self.start("teamviewer-connections").await?;
        let mut event = json!({"tick": {}});
        loop {
            child.invoke(&event).await?;
            let messages = self.route()?;
            if messages.is_empty() {
                return Ok(());
            }
            event = batch(&messages);
        }
    }

    /// The id of a survey response.
    pub(crate) fn response_id(number: usize) -> String {
        format!("R_{number:015}")
    }

    fn document(&self, path: &str) -> anyhow::Result<Value> {
        let text = std::fs::read_to_string(self.root.join(path)).context(path.to_owned())?;
        template::yaml(&text)
    }

    /// The function of this crate, as it is deployed.
    pub(crate) fn function(&self, name: &str) -> anyhow::Result<Function> {
        let (aws, vendors) = (self.aws.url(), self.sandbox.base_url());
        let value = |reference: &str| {
            Some(match reference {
                "AWS::StackName" => STACK.to_owned(),
                "ServiceNowUrl" => format!("{vendors}/servicenow/{{instance}}"),
                "ZendeskUrl" => format!("{vendors}/zendesk/{{subdomain}}"),
                "QualtricsUrl" => format!("{vendors}/qualtrics/{{datacenter}}"),
                // What a minute allows is no measure of the function.
                "QualtricsResponsesPerMinute" => "10000".to_owned(),
                "TeamViewerUrl" | "TeamViewerLoginUrl" => {
                    format!("{vendors}/teamviewer/{{company}}")
                }
                queue if queue.ends_with("Queue") => format!("{aws}/000000000000/{queue}"),
                _ => return None,
            })
        };
        self.template.function(&format!("functions/{name}"), value)
    }

    /// How to start the function of this crate.
    pub(crate) fn program(&self, name: &str) -> anyhow::Result<Program> {
        let Function {
            memory, variables, ..
        } = self.function(name)?;
        let path = self.binary(name);
        let mut all = self.variables(name, memory);
        all.extend(variables);
        all.entry("PUBLIC_URL".to_owned())
            .or_insert_with(|| "https://closedloop.example.com".to_owned());
        Ok(Program {
            name: name.to_owned(),
            command: vec![path.display().to_string()],
            deployed: path,
            variables: all,
        })
    }

    /// The binary of this crate.
    pub(crate) fn binary(&self, name: &str) -> PathBuf {
        self.binaries.join(name)
    }

    /// What Lambda itself puts into a function's environment.
    ///
    /// Source: <https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime>
    pub(crate) fn variables(&self, name: &str, memory: u64) -> BTreeMap<String, String> {
        [
            ("AWS_LAMBDA_FUNCTION_NAME", name.to_owned()),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned()),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", memory.to_string()),
            ("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{name}")),
            ("AWS_LAMBDA_LOG_STREAM_NAME", "bench".to_owned()),
            ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand".to_owned()),
            ("_HANDLER", "bootstrap".to_owned()),
            ("TZ", ":UTC".to_owned()),
            ("LANG", "en_US.UTF-8".to_owned()),
            ("PATH", "/usr/local/bin:/usr/bin/:/bin".to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_DEFAULT_REGION", "us-east-1".to_owned()),
            // By which the stand-in knows who calls.
            ("AWS_ACCESS_KEY_ID", name.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "secret".to_owned()),
            // As long as Lambda's: it is sent and signed with every call.
            ("AWS_SESSION_TOKEN", "token".repeat(200)),
            ("AWS_ENDPOINT_URL", self.aws.url()),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
    }

    /// Starts the function of this crate.
    pub(crate) async fn start(&self, name: &str) -> anyhow::Result<Child> {
        Child::start(&self.program(name)?, &self.logs()).await
    }

    /// The messages that are in queues now: what the rules make of everything that was put on the bus since the last time,
    /// and what was put into queues.
    pub(crate) fn route(&self) -> anyhow::Result<Vec<Message>> {
        let now = Timestamp::now();
        let queued = self.aws.take_queued().into_iter();
        let mut messages: Vec<_> = queued
            .map(|queued| Message::new(&queued.queue, queued.body))
            .collect();
        for (number, (_, entry)) in self.aws.take_entries().into_iter().enumerate() {
            let detail = entry["Detail"].as_str().unwrap_or_default();
            let detail: Value = serde_json::from_str(detail)?;
            let envelope = json!({
                "version": "0", "id": format!("00000000-0000-4000-8000-{number:012}"),
                "detail-type": entry["DetailType"], "source": entry["Source"], "account": "000000000000",
                "time": now.round(jiff::Unit::Second)?, "region": "us-east-1", "resources": [], "detail": detail,
            });
            for rule in &self.rules {
                if rule.matches(&envelope)? {
                    messages.push(Message::new(&rule.queue, envelope.to_string()));
                }
            }
        }
        Ok(messages)
    }

    /// A webhook that begins a run: the review of this number, as API Gateway hands it on.
    pub(crate) fn webhook(&self, number: usize) -> anyhow::Result<Value> {
        let path = self.root.join("events/ingest-json-review.json");
        let mut request: Value = serde_json::from_str(&std::fs::read_to_string(path)?)?;
        let body = request["body"].as_str().context("the sample has no body")?;
        request["body"] = body.replace("rv-58213", &format!("rv-{number}")).into();
        Ok(request)
    }

    /// A survey response of nearly so many bytes, as API Gateway hands it on.
    pub(crate) fn survey_response(&self, number: usize, bytes: usize) -> anyhow::Result<Value> {
        let path = self.root.join("events/ingest-qualtrics-response.json");
        let mut request: Value = serde_json::from_str(&std::fs::read_to_string(path)?)?;
        let body = request["body"].as_str().context("the sample has no body")?;
        let mut body: Value = serde_json::from_str(body)?;
        body["ResponseID"] = Self::response_id(number).into();
        for (question, answer) in texts(bytes.saturating_sub(body.to_string().len())) {
            body["values"][question] = json!(answer);
        }
        request["body"] = body.to_string().into();
        Ok(request)
    }

    /// A message that holds an event which came from outside.
    pub(crate) fn arrived(event: &impl serde::Serialize, kind: &str) -> Message {
        let envelope = json!({
            "version": "0", "id": "00000000-0000-4000-8000-000000000000", "detail-type": kind,
            "source": "closedloop.ingest", "account": "000000000000", "time": "2026-11-21T12:00:00Z",
            "region": "us-east-1", "resources": [], "detail": event,
        });
        Message::new("EvaluateQueue", envelope.to_string())
    }

    /// Lets the vendor take so long for the next tickets.
    pub(crate) async fn slow_tickets(&self, ms: u64, times: u32) -> anyhow::Result<()> {
        let fault = Fault::new(Action::Delay { ms }).on(Match::method("POST"));
        let fault = fault.times(times);
        let zendesk = self.sandbox.control().zendesk(COMPANY);
        Ok(zendesk.add_faults(&[fault]).await?)
    }

    /// Where Zendesk is, and how one signs in there.
    pub(crate) fn zendesk(&self) -> (String, String) {
        // agent@example.com/token:sandbox-token
        let credentials = "YWdlbnRAZXhhbXBsZS5jb20vdG9rZW46c2FuZGJveC10b2tlbg==";
        (
            self.sandbox.zendesk_url(COMPANY),
            format!("Basic {credentials}"),
        )
    }

    /// Whether every ticket was made once.
    pub(crate) async fn check_tickets(&self, events: usize) -> anyhow::Result<()> {
        let tickets = self
            .sandbox
            .control()
            .zendesk(COMPANY)
            .records("tickets")
            .await?;
        ensure!(
            tickets.len() == events,
            "{events} events have made {} tickets",
            tickets.len()
        );
        Ok(())
    }

    /// Whether every ticket was made once, and every run has succeeded.
    pub(crate) async fn check(&self, events: usize) -> anyhow::Result<()> {
        self.check_tickets(events).await?;
        let mut runs = 0;
        for row in self.aws.rows("RunsTable")? {
            // Rows of runs alone have a day.
            if row["day"].is_object() {
                let state = row["state"]["S"].as_str().unwrap_or_default();
                ensure!(state == RunState::Succeeded.as_str(), "a run is {state}");
                runs += 1;
            }
        }
        ensure!(runs == events, "{events} events have begun {runs} runs");
        Ok(())
    }
}

/// Answers to open questions, of nearly so many bytes in all.
fn texts(bytes: usize) -> impl Iterator<Item = (String, String)> {
    let answer = "The parcel came late, and nobody knew where it was. ".repeat(20);
    // With the name of the question and what JSON puts around both.
    let each = answer.len() + r#""QID100_TEXT":"","#.len();
    (0..bytes / each).map(move |number| (format!("QID{}_TEXT", 100 + number), answer.clone()))
}

/// A batch, as Lambda takes it from a queue.
pub(crate) fn batch(messages: &[Message]) -> Value {
    let now = Timestamp::now().as_millisecond().to_string();
    let records: Vec<_> = messages
        .iter()
        .enumerate()
        .map(|(number, message)| {
            json!({
                "messageId": format!("00000000-0000-4000-8000-{number:012}"),
                "receiptHandle": format!("receipt-{number}"),
                "body": message.body,
                "attributes": {
                    "ApproximateReceiveCount": "1", "SentTimestamp": now, "SenderId": "bench",
                    "ApproximateFirstReceiveTimestamp": now,
                },
                "messageAttributes": {},
                "md5OfBody": "",
                "eventSource": "aws:sqs",
                "eventSourceARN": format!("arn:aws:sqs:us-east-1:000000000000:{}", message.queue),
                "awsRegion": "us-east-1",
            })
        })
        .collect();
    json!({"Records": records})
}
