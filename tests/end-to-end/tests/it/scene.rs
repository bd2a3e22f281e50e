//! What a test needs: its own way in, accounts and vendors, and eyes on what happened.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use accounts::{Accounts, Credential, NewAccount, Vendors};
use aws::eventbridge::PutEventsRequestEntry;
use domain::{
    AccountName, CloudEvent, EventKey, Run, RunState, TaskRun, TaskState, Vendor, WorkflowId,
    definition,
};
use jiff::Timestamp;
use sandbox::{Control, InstanceControl};
use serde_json::{Value, json};
use startup::AwsConfig;
use store::{EventRecord, Events, Order, Outcome, Period, Runs, Workflows};

/// The stack under test.
pub(crate) struct Stack {
    pub(crate) aws: AwsConfig,
    pub(crate) outputs: HashMap<String, String>,
    pub(crate) api: String,
    pub(crate) vendors: Control,
}

/// A variable that `local/bundle.py` sets.
pub(crate) fn variable(name: &str) -> String {
    startup::variable(name).unwrap_or_else(|| {
        panic!("{name} is not set: these suites run by `make test`, which brings up the stack")
    })
}

/// What the functions that queues and schedules call have logged, and the emulator; but for the mails that it has sent.
pub(crate) fn log() -> String {
    let text = std::fs::read(variable("CLOSEDLOOP_LOG")).unwrap();
    let text = String::from_utf8_lossy(&text).into_owned();
    let lines = text.lines().filter(|line| !line.contains(" [ses-v2] "));
    lines.collect::<Vec<_>>().join("\n")
}

async fn cloudformation() -> aws_sdk_cloudformation::Client {
    let http = aws_smithy_http_client::Builder::new().build_http();
    let config = aws_config::from_env().http_client(http).load().await;
    aws_sdk_cloudformation::Client::new(&config)
}

impl Stack {
    pub(crate) async fn find() -> Self {
        let vendors = Control::new(&variable("SANDBOX_URL"));
        let api = variable("CLOSEDLOOP_API_URL");
        let name = variable("CLOSEDLOOP_STACK");
        let aws = startup::aws_config().unwrap();
        let answer = cloudformation()
            .await
            .describe_stacks()
            .stack_name(name)
            .send()
            .await
            .expect("the stack is deployed");
        let outputs = answer.stacks()[0]
            .outputs()
            .iter()
            .map(|output| {
                (
                    output.output_key().unwrap().to_owned(),
                    output.output_value().unwrap().to_owned(),
                )
            })
            .collect();
        Self {
            aws,
            outputs,
            api,
            vendors,
        }
    }

    pub(crate) fn output(&self, name: &str) -> String {
        self.outputs[name].clone()
    }

    pub(crate) fn dynamodb(&self) -> store::Client {
        store::Client::new(&self.aws)
    }

    pub(crate) fn runs(&self) -> Runs {
        Runs::new(self.dynamodb(), self.output("RunsTable"))
    }

    /// Every run of a workflow, newest first.
    pub(crate) async fn runs_of(&self, workflow: &WorkflowId) -> Vec<Run> {
        let ever = Period {
            since: Timestamp::UNIX_EPOCH,
            until: Timestamp::now() + jiff::SignedDuration::from_mins(1),
        };
        let (runs, mut found, mut after) = (self.runs(), Vec::new(), None);
        loop {
            let page = runs
                .of_period(
                    Some(workflow),
                    ever,
                    Order::NewestFirst,
                    after.as_ref(),
                    100,
                )
                .await
                .unwrap();
            found.extend(page.items);
            after = page.next;
            if after.is_none() {
                return found;
            }
        }
    }

    pub(crate) fn events(&self) -> Events {
        Events::new(self.dynamodb(), self.output("EventsTable"))
    }

    pub(crate) fn workflows(&self) -> Workflows {
        Workflows::new(self.dynamodb(), self.output("WorkflowsTable"))
    }

    /// The accounts, as a function of its own would see them.
    pub(crate) fn accounts(&self) -> Accounts {
        let http = vendor_http::Client::new().unwrap();
        let vendors = Vendors::from_vars(http, |name| match name {
            "SERVICENOW_URL" => Some(self.output("ServiceNowUrl")),
            "ZENDESK_URL" => Some(self.output("ZendeskUrl")),
            "QUALTRICS_URL" => Some(self.output("QualtricsUrl")),
            "TEAMVIEWER_URL" => Some(self.output("TeamViewerUrl")),
            "TEAMVIEWER_LOGIN_URL" => Some(self.output("TeamViewerLoginUrl")),
            _ => None,
        });
        let config = accounts::Config {
            accounts_table: self.output("AccountsTable"),
            connects_table: self.output("ConnectsTable"),
            event_bus: self.output("EventBusName"),
            secret_prefix: self.output("SecretPrefix"),
            secrets_kms_key: None,
            public_url: self.output("PublicUrl"),
        };
        let process = startup::process_name().unwrap();
        Accounts::new(&self.aws, config, vendors.unwrap(), process)
    }
}

/// One test's part of the stack.
pub(crate) struct Scene {
    pub(crate) stack: Stack,
    /// Unique; part of every name below.
    pub(crate) id: String,
    pub(crate) endpoint: String,
    pub(crate) servicenow: InstanceControl,
    pub(crate) zendesk: InstanceControl,
    http: reqwest::Client,
}

pub(crate) const SECRET: &str = "end-to-end-secret";
pub(crate) const SERVICENOW_PASSWORD: &str = "sn-password";
pub(crate) const ZENDESK_TOKEN: &str = "zd-token";
const AGENT: &str = "agent@example.com";

impl Scene {
    /// An endpoint for JSON events, and an account at each vendor.
    pub(crate) async fn new(test: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let stack = Stack::find().await;
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let millis = Timestamp::now().as_millisecond() % 100_000_000;
        let id = format!("{test}-{millis}-{count}");
        let servicenow = stack.vendors.servicenow(&id);
        servicenow
            .create(&json!({"users": [{"username": "api", "password": SERVICENOW_PASSWORD}]}))
            .await
            .unwrap();
        let zendesk = stack.vendors.zendesk(&id);
        zendesk
            .create(&json!({"api_tokens": [{"email": AGENT, "token": ZENDESK_TOKEN}]}))
            .await
            .unwrap();
        let scene = Self {
            endpoint: id.clone(),
            servicenow,
            zendesk,
            http: reqwest::Client::new(),
            stack,
            id,
        };
        scene
            .put_endpoint(json!({
                "name": scene.endpoint, "kind": "json", "verification": {"scheme": "bearer"},
                "mapping": {"id": "/id", "type": format!("{}.happened", scene.id), "subject": "/subject"}
            }))
            .await;
        scene.put_endpoint_secret(&scene.endpoint, SECRET).await;
        scene
            .put_account(Vendor::ServiceNow, SERVICENOW_PASSWORD)
            .await;
        scene.put_account(Vendor::Zendesk, ZENDESK_TOKEN).await;
        scene
    }

    pub(crate) async fn put_endpoint(&self, document: Value) {
        let endpoint = definition::endpoint(&document).unwrap();
        let table =
            store::Endpoints::new(self.stack.dynamodb(), self.stack.output("EndpointsTable"));
        table.put(&endpoint).await.unwrap();
    }

    pub(crate) async fn put_endpoint_secret(&self, name: &str, secret: &str) {
        let client = aws::secretsmanager::Client::new(&self.stack.aws);
        let id = format!("{}/endpoints/{name}", self.stack.output("SecretPrefix"));
        let secret = json!({"current": secret}).to_string().into();
        client.create_secret(&id, "", &secret, None).await.unwrap();
    }

    /// The name that workflows use for the test's account at a vendor.
    pub(crate) fn account(&self, vendor: Vendor) -> AccountName {
        AccountName::parse(&format!("{}-{vendor}", self.id)).unwrap()
    }

    pub(crate) fn new_account(&self, vendor: Vendor) -> NewAccount {
        NewAccount {
            name: self.account(vendor),
            vendor,
            instance: self.id.clone(),
            owner: None,
        }
    }

    pub(crate) async fn put_account(&self, vendor: Vendor, secret: &str) {
        let credential = match vendor {
            Vendor::ServiceNow => Credential::Basic {
                username: "api".to_owned(),
                password: secret.to_owned().into(),
            },
            Vendor::Zendesk => Credential::ApiToken {
                email: Some(AGENT.to_owned()),
                token: secret.to_owned().into(),
            },
            Vendor::Qualtrics => Credential::ApiToken {
                email: None,
                token: secret.to_owned().into(),
            },
            Vendor::TeamViewer => Credential::Bearer {
                token: secret.to_owned().into(),
            },
        };
        self.stack
            .accounts()
            .put(self.new_account(vendor), &credential, Timestamp::now())
            .await
            .unwrap();
    }

    /// Applies a workflow on the test's events. `$servicenow` and `$zendesk` stand for the accounts.
    pub(crate) async fn apply(&self, name: &str, when: Option<Value>, tasks: Value) -> WorkflowId {
        self.apply_on(
            name,
            json!({"event": {"type": format!("{}.happened", self.id)}}),
            when,
            tasks,
        )
        .await
    }

    pub(crate) async fn apply_on(
        &self,
        name: &str,
        trigger: Value,
        when: Option<Value>,
        tasks: Value,
    ) -> WorkflowId {
        let tasks = tasks
            .to_string()
            .replace("$servicenow", self.account(Vendor::ServiceNow).as_str())
            .replace("$zendesk", self.account(Vendor::Zendesk).as_str())
            .replace("$teamviewer", self.account(Vendor::TeamViewer).as_str());
        let mut document = json!({
            "id": format!("{}-{name}", self.id), "name": name, "trigger": trigger,
            "tasks": serde_json::from_str::<Value>(&tasks).unwrap()
        });
        if let Some(when) = when {
            document["when"] = when;
        }
        let workflow = definition::workflow(&document).unwrap();
        self.stack
            .workflows()
            .apply(&workflow, Timestamp::now())
            .await
            .unwrap();
        workflow.id
    }

    /// The incident and, after it, the ticket that names it.
    pub(crate) fn incident_then_ticket() -> Value {
        json!([
            {"id": "incident", "kind": "servicenow.create_record", "account": "$servicenow", "input": {
                "table": "incident", "short_description": "{{ event.data.text }}", "urgency": "high", "impact": "low"}},
            {"id": "ticket", "kind": "zendesk.create_ticket", "account": "$zendesk", "needs": ["incident"], "input": {
                "comment": "See {{ tasks.incident.output.number }}: {{ event.data.text }}", "tags": ["nps", "detractor"]}}
        ])
    }

    pub(crate) fn ticket_only() -> Value {
        json!([{"id": "ticket", "kind": "zendesk.create_ticket", "account": "$zendesk",
            "input": {"comment": "{{ event.data.text }}"}}])
    }

    pub(crate) fn incident_only() -> Value {
        json!([{"id": "incident", "kind": "servicenow.create_record", "account": "$servicenow",
            "input": {"table": "incident", "short_description": "{{ event.data.text }}"}}])
    }

    /// Posts a body to an endpoint as it is.
    pub(crate) async fn post(
        &self,
        endpoint: &str,
        headers: &[(&str, &str)],
        body: impl Into<reqwest::Body>,
    ) -> Answer {
        let mut request = self
            .http
            .post(format!("{}/events/{endpoint}", self.stack.api))
            .body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let headers = response
            .headers()
            .iter()
            .map(|(name, value)| {
                (
                    name.to_string(),
                    value.to_str().unwrap_or_default().to_owned(),
                )
            })
            .collect();
        let text = response.text().await.unwrap();
        Answer {
            status,
            headers,
            body: serde_json::from_str(&text).unwrap_or(Value::String(text)),
        }
    }

    /// Posts the test's event, properly.
    pub(crate) async fn send(&self, body: &Value) -> EventKey {
        let bearer = format!("Bearer {SECRET}");
        let headers = [
            ("content-type", "application/json"),
            ("authorization", bearer.as_str()),
        ];
        let answer = self.post(&self.endpoint, &headers, body.to_string()).await;
        assert_eq!(answer.status, 202, "{}", answer.body);
        EventKey::parse(answer.body["events"][0]["key"].as_str().unwrap()).unwrap()
    }

    /// The event's record, once it has been evaluated.
    pub(crate) async fn evaluated(&self, key: &EventKey) -> EventRecord {
        let events = self.stack.events();
        eventually("the event is evaluated", LONG, async || {
            events.get(key).await.unwrap()
        })
        .await
    }

    /// The run of a workflow for an event, once it has begun.
    pub(crate) async fn run(&self, key: &EventKey, workflow: &WorkflowId) -> domain::RunId {
        let record = self.evaluated(key).await;
        let decision = record
            .decisions
            .iter()
            .find(|decision| decision.workflow == *workflow);
        match decision.map(|decision| &decision.outcome) {
            Some(Outcome::Started { run }) => run.clone(),
            other => panic!("the workflow did not start: {other:?}"),
        }
    }

    /// The run once it has ended, with its tasks.
    pub(crate) async fn ended(&self, run: &domain::RunId) -> (Run, HashMap<String, TaskRun>) {
        self.when(run, "the run has ended", |run, _| {
            run.state != RunState::Running
        })
        .await
    }

    /// The run once its state is as wished.
    pub(crate) async fn when(
        &self,
        run: &domain::RunId,
        what: &str,
        wished: impl Fn(&Run, &HashMap<String, TaskRun>) -> bool,
    ) -> (Run, HashMap<String, TaskRun>) {
        let runs = self.stack.runs();
        eventually(what, LONG, async || {
            let (run, tasks) = runs.get(run).await.unwrap()?;
            let tasks: HashMap<String, TaskRun> = tasks
                .into_iter()
                .map(|task| (task.name.to_string(), task))
                .collect();
            wished(&run, &tasks).then_some((run, tasks))
        })
        .await
    }

    /// Sends an event and waits for the run of the workflow to end.
    pub(crate) async fn send_and_end(
        &self,
        body: &Value,
        workflow: &WorkflowId,
    ) -> (Run, HashMap<String, TaskRun>) {
        let key = self.send(body).await;
        let run = self.run(&key, workflow).await;
        self.ended(&run).await
    }

    pub(crate) async fn incidents(&self) -> Vec<Value> {
        self.servicenow.records("incident").await.unwrap()
    }

    pub(crate) async fn tickets(&self) -> Vec<Value> {
        self.zendesk.records("tickets").await.unwrap()
    }

    /// Puts something on the bus, as a function of the bundle would.
    pub(crate) async fn put_event(&self, source: &str, detail_type: &str, detail: &Value) {
        let client = aws::eventbridge::Client::new(&self.stack.aws);
        let entry = PutEventsRequestEntry {
            event_bus_name: &self.stack.output("EventBusName"),
            source,
            detail_type,
            detail: &detail.to_string(),
            time: None,
        };
        let answer = client.put_events(&[entry]).await.unwrap();
        assert_eq!(answer.first_error(), None);
    }

    /// The URL of one of the stack's queues, by its logical id.
    pub(crate) async fn queue(&self, logical_id: &str) -> String {
        let stack = variable("CLOSEDLOOP_STACK");
        let answer = cloudformation()
            .await
            .describe_stack_resource()
            .stack_name(stack)
            .logical_resource_id(logical_id)
            .send()
            .await
            .unwrap();
        answer
            .stack_resource_detail()
            .unwrap()
            .physical_resource_id()
            .unwrap()
            .to_owned()
    }
}

/// What an endpoint answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: Value,
}

/// An event as ingest would make it, for tests that go past ingest.
pub(crate) fn event(scene: &Scene, id: &str, data: Value) -> CloudEvent {
    serde_json::from_value(json!({
        "specversion": "1.0", "id": id, "source": format!("/endpoints/{}", scene.endpoint),
        "type": format!("{}.happened", scene.id), "data": data
    }))
    .unwrap()
}

/// Longer than any retry that a test waits for.
pub(crate) const LONG: Duration = Duration::from_secs(90);

/// Asks again and again until there is an answer.
pub(crate) async fn eventually<T>(
    what: &str,
    limit: Duration,
    mut ask: impl AsyncFnMut() -> Option<T>,
) -> T {
    let deadline = tokio::time::Instant::now() + limit;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(
            tokio::time::Instant::now() < deadline,
            "not within {limit:?}: {what}"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

pub(crate) fn assert_state(task: &TaskRun, state: TaskState) {
    assert_eq!(
        task.state, state,
        "{}: {:?} {:#?}",
        task.name, task.reason, task.attempts
    );
}
