//! The schedules of workflows against a local stand-in for the tables and EventBridge Scheduler.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops at the first surprise, in its helpers too"
)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use domain::{Workflow, WorkflowId, definition};
use jiff::Timestamp;
use management::{Done, Error, ErrorKind, Expected, WorkflowManagement, WorkflowNames};
use serde_json::{Value, json};

/// What the services hold, how they answer, and which writes they were told to make.
#[derive(Debug, Default)]
struct Aws {
    /// By partition and sort key.
    workflows: BTreeMap<(String, String), Value>,
    schedules: BTreeMap<String, Value>,
    /// Somebody else is always faster.
    refuses_transactions: bool,
    /// The fault with which Scheduler answers everything but questions.
    refusal: Option<&'static str>,
    writes: Vec<String>,
}

type Answer = Result<Value, (StatusCode, &'static str)>;

fn key(item: &Value) -> (String, String) {
    let text = |name: &str| item[name]["S"].as_str().unwrap().to_owned();
    (text("pk"), text("sk"))
}

impl Aws {
    fn tables(&mut self, operation: &str, body: &Value) -> Answer {
        let is_workflows = body["TableName"] == "workflows_table";
        Ok(match operation {
            "GetItem" if is_workflows => match self.workflows.get(&key(&body["Key"])) {
                Some(row) => json!({ "Item": row }),
                None => json!({}),
            },
            "Query" if is_workflows => {
                let partition = &body["ExpressionAttributeValues"][":pk"];
                let rows = self.workflows.values();
                let mut rows: Vec<&Value> = rows.filter(|row| row["pk"] == *partition).collect();
                if body["ScanIndexForward"] == json!(false) {
                    rows.reverse();
                }
                json!({ "Items": rows })
            }
            "TransactWriteItems" if self.refuses_transactions => {
                return Err((StatusCode::BAD_REQUEST, "TransactionCanceledException"));
            }
            "TransactWriteItems" => {
                self.writes.push("row".to_owned());
                for write in body["TransactItems"].as_array().unwrap() {
                    if let Some(put) = write.get("Put") {
                        let item = put["Item"].clone();
                        self.workflows.insert(key(&item), item);
                    } else {
                        self.workflows.remove(&key(&write["Delete"]["Key"]));
                    }
                }
                json!({})
            }
            "Scan" => json!({"Items": [{
                "name": {"S": "zd"}, "vendor": {"S": "zendesk"}, "instance": {"S": "acme"}, "kind": {"S": "bearer"},
                "state": {"S": "connected"}, "secret": {"S": "s"}, "updated_at": {"N": "0"},
            }]}),
            "GetItem" | "Query" => json!({}),
            other => panic!("{other} is not expected"),
        })
    }

    /// <https://docs.aws.amazon.com/scheduler/latest/APIReference/API_Operations.html>
    fn scheduler(&mut self, method: &Method, uri: &Uri, body: Value) -> Answer {
        let name = uri.path().strip_prefix("/schedules/").unwrap().to_owned();
        let missing = (StatusCode::NOT_FOUND, "ResourceNotFoundException");
        if *method == Method::GET || *method == Method::DELETE {
            let query = uri.query().unwrap();
            assert!(query.starts_with("groupName=schedule_group"), "{query}");
        } else {
            assert_eq!(body["GroupName"], "schedule_group");
        }
        if *method == Method::GET {
            return self.schedules.get(&name).cloned().ok_or(missing);
        }
        if let Some(refusal) = self.refusal {
            return Err((StatusCode::BAD_REQUEST, refusal));
        }
        self.writes.push(method.to_string());
        match method.as_str() {
            "POST" if self.schedules.contains_key(&name) => {
                Err((StatusCode::CONFLICT, "ConflictException"))
            }
            "PUT" if !self.schedules.contains_key(&name) => Err(missing),
            "POST" | "PUT" => {
                self.schedules.insert(name, body);
                Ok(json!({"ScheduleArn": "arn"}))
            }
            "DELETE" => self
                .schedules
                .remove(&name)
                .map(|_| json!({}))
                .ok_or(missing),
            other => panic!("{other} is not expected"),
        }
    }
}

async fn serve(
    State(aws): State<Arc<Mutex<Aws>>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: String,
) -> (StatusCode, [(&'static str, &'static str); 1], String) {
    let body: Value = serde_json::from_str(&body).unwrap_or_default();
    let mut aws = aws.lock().unwrap();
    let answer = match headers.get("x-amz-target") {
        Some(target) => {
            let operation = target.to_str().unwrap().rsplit('.').next().unwrap();
            aws.tables(operation, &body)
        }
        None => aws.scheduler(&method, &uri, body),
    };
    match answer {
        Ok(answer) => (
            StatusCode::OK,
            [("x-amzn-errortype", "")],
            answer.to_string(),
        ),
        Err((status, code)) => {
            let fault = json!({"__type": code, "Message": "not like this"});
            (status, [("x-amzn-errortype", code)], fault.to_string())
        }
    }
}

struct Fixture {
    aws: Arc<Mutex<Aws>>,
    management: WorkflowManagement,
}

impl Fixture {
    async fn new() -> Self {
        let aws = Arc::new(Mutex::new(Aws::default()));
        let app = Router::new().fallback(serve).with_state(Arc::clone(&aws));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        let config = aws::Config::at(&url).unwrap();
        let variables = |name: &str| match name {
            days if days.ends_with("_DAYS") => Some("30".to_owned()),
            other => Some(other.to_lowercase()),
        };
        let names = WorkflowNames::from_vars(variables).unwrap();
        Self {
            aws,
            management: WorkflowManagement::new(&config, names),
        }
    }

    fn aws(&self) -> MutexGuard<'_, Aws> {
        self.aws.lock().unwrap()
    }

    async fn apply(&self, trigger: Value) -> Result<Done, Error> {
        let applied = self
            .management
            .apply_workflow(&workflow(trigger), Expected::Any, now())
            .await;
        Ok(applied?.done)
    }

    async fn switch(&self, enabled: bool) -> Result<Done, Error> {
        let switched = self
            .management
            .switch_workflow(&id(), enabled, Expected::Any, now())
            .await;
        Ok(switched?.done)
    }

    async fn delete(&self) -> Result<(), Error> {
        self.management.delete_workflow(&id()).await
    }

    /// What was written since the last look, in order.
    fn writes(&self) -> Vec<String> {
        std::mem::take(&mut self.aws().writes)
    }

    fn schedule(&self) -> Option<Value> {
        self.aws().schedules.get("weekly").cloned()
    }
}

fn now() -> Timestamp {
    "2026-11-22T03:30:00Z".parse().unwrap()
}

fn id() -> WorkflowId {
    WorkflowId::parse("weekly").unwrap()
}

fn workflow(trigger: Value) -> Workflow {
    definition::workflow(&json!({
        "id": "weekly", "name": "Weekly", "trigger": trigger,
        "tasks": [{"id": "t", "kind": "zendesk.create_ticket", "account": "zd", "input": {"comment": "x"}}]
    }))
    .unwrap()
}

fn mondays() -> Value {
    json!({"schedule": {
        "cron": "0 9 ? * MON *", "timezone": "Europe/Paris", "start": "2026-12-01T00:00", "end": "2027-06-01T00:00"
    }})
}

fn events() -> Value {
    json!({"event": {"type": "a"}})
}

#[tokio::test]
async fn schedule_is_made_changed_paused_and_removed_with_its_workflow() {
    let fixture = Fixture::new().await;
    assert_eq!(fixture.apply(mondays()).await.unwrap(), Done::Created);
    assert_eq!(fixture.writes(), ["POST", "row"]);
    let mut made = fixture.schedule().unwrap();
    made.as_object_mut().unwrap().remove("ClientToken");
    let called = "{\"schedule\":{\"scheduled_time\":\"<aws.scheduler.scheduled-time>\",\"workflow\":\"weekly\"}}";
    assert_eq!(
        made,
        json!({
            "GroupName": "schedule_group", "State": "ENABLED", "FlexibleTimeWindow": {"Mode": "OFF"},
            "ScheduleExpression": "cron(0 9 ? * MON *)", "ScheduleExpressionTimezone": "Europe/Paris",
            "StartDate": 1_796_079_600, "EndDate": 1_811_800_800,
            "Target": {
                "Arn": "schedules_function", "RoleArn": "scheduler_role", "Input": called,
                "DeadLetterConfig": {"Arn": "schedule_dead_letters"},
                "RetryPolicy": {"MaximumEventAgeInSeconds": 86_400, "MaximumRetryAttempts": 185}
            }
        })
    );

    let hourly = json!({"schedule": {"rate": "1 hour"}});
    assert_eq!(fixture.apply(hourly).await.unwrap(), Done::Updated);
    assert_eq!(fixture.writes(), ["PUT", "row"]);
    assert_eq!(
        fixture.schedule().unwrap()["ScheduleExpression"],
        "rate(1 hour)"
    );

    assert_eq!(fixture.switch(false).await.unwrap(), Done::Updated);
    assert_eq!(fixture.writes(), ["row", "PUT"]);
    assert_eq!(fixture.schedule().unwrap()["State"], "DISABLED");
    assert_eq!(fixture.switch(true).await.unwrap(), Done::Updated);
    assert_eq!(fixture.writes(), ["PUT", "row"]);
    assert_eq!(fixture.schedule().unwrap()["State"], "ENABLED");

    fixture.delete().await.unwrap();
    assert_eq!(fixture.writes(), ["row", "DELETE"]);
    assert_eq!(fixture.schedule(), None);
}

#[tokio::test]
async fn revision_that_is_rolled_back_to_brings_its_schedule() {
    let fixture = Fixture::new().await;
    fixture.apply(mondays()).await.unwrap();
    fixture.apply(events()).await.unwrap();
    assert_eq!(fixture.writes(), ["POST", "row", "row", "DELETE"]);
    fixture
        .management
        .roll_back_workflow(&id(), 1, Expected::Any, now())
        .await
        .unwrap();
    assert_eq!(fixture.writes(), ["POST", "row"]);
}

#[tokio::test]
async fn applying_again_heals_the_schedule_and_otherwise_writes_nothing() {
    let fixture = Fixture::new().await;
    fixture.apply(mondays()).await.unwrap();
    fixture.writes();
    assert_eq!(fixture.apply(mondays()).await.unwrap(), Done::Unchanged);
    assert_eq!(fixture.writes(), Vec::<String>::new());
    for (name, value) in [
        ("State", json!("DISABLED")),
        ("StartDate", json!(null)),
        ("EndDate", json!(1)),
        ("ScheduleExpression", json!("rate(1 hour)")),
        ("ScheduleExpressionTimezone", json!("UTC")),
        (
            "FlexibleTimeWindow",
            json!({"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 5}),
        ),
        ("Target", json!({"Arn": "a", "RoleArn": "b"})),
    ] {
        fixture.aws().schedules.get_mut("weekly").unwrap()[name] = value;
        assert_eq!(fixture.apply(mondays()).await.unwrap(), Done::Unchanged);
        assert_eq!(fixture.writes(), ["PUT"], "{name}");
    }
    fixture.aws().schedules.clear();
    assert_eq!(fixture.apply(mondays()).await.unwrap(), Done::Unchanged);
    assert_eq!(fixture.writes(), ["POST"]);
}

#[tokio::test]
async fn whoever_is_interrupted_does_the_same_again() {
    let fixture = Fixture::new().await;
    let throttled = Some("ThrottlingException");
    // The clock cannot be made: nothing listens to it either.
    fixture.aws().refusal = throttled;
    let error = fixture.apply(mondays()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert_eq!(fixture.writes(), Vec::<String>::new());
    fixture.aws().refusal = None;
    fixture.apply(mondays()).await.unwrap();

    // Somebody else was faster: the clock is there, and rings for what they say.
    fixture.aws().refuses_transactions = true;
    let error = fixture.apply(json!({"schedule": {"rate": "1 hour"}})).await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Conflict);
    fixture.aws().refuses_transactions = false;
    fixture.apply(mondays()).await.unwrap();
    fixture.writes();

    // The clock cannot be stopped: nobody listens any more.
    for stop in [events(), mondays()] {
        fixture.aws().refusal = throttled;
        if stop == events() {
            fixture.apply(events()).await.unwrap_err();
        } else {
            fixture.delete().await.unwrap_err();
        }
        assert_eq!(fixture.writes(), ["row"], "{stop}");
        assert!(fixture.schedule().is_some());
        fixture.aws().refusal = None;
        if stop == events() {
            assert_eq!(fixture.apply(events()).await.unwrap(), Done::Unchanged);
            fixture.apply(mondays()).await.unwrap();
            assert_eq!(fixture.writes(), ["DELETE", "POST", "row"]);
        } else {
            let again = fixture.delete().await.unwrap_err();
            assert_eq!(again.kind(), ErrorKind::NotFound);
            assert_eq!(fixture.writes(), ["DELETE"]);
        }
    }
}

#[tokio::test]
async fn what_scheduler_refuses_is_told_and_not_applied() {
    let fixture = Fixture::new().await;
    fixture.aws().refusal = Some("ValidationException");
    let error = fixture.apply(mondays()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!(
        error.to_string(),
        "trigger.schedule: EventBridge Scheduler refuses it: not like this"
    );
    assert!(fixture.aws().workflows.is_empty());
}

#[tokio::test]
async fn schedule_that_never_fires_again_is_none() {
    let fixture = Fixture::new().await;
    let once = json!({"schedule": {"at": "2026-11-22T03:00"}});
    assert_eq!(fixture.apply(once.clone()).await.unwrap(), Done::Created);
    fixture.apply(mondays()).await.unwrap();
    assert!(fixture.schedule().is_some());
    fixture.apply(once).await.unwrap();
    assert_eq!(fixture.schedule(), None);
}

#[tokio::test]
async fn workflow_without_a_schedule_costs_scheduler_nothing() {
    let fixture = Fixture::new().await;
    fixture.aws().refusal = Some("ThrottlingException");
    assert_eq!(fixture.apply(events()).await.unwrap(), Done::Created);
    assert_eq!(fixture.apply(events()).await.unwrap(), Done::Unchanged);
    fixture.switch(false).await.unwrap();
    fixture.delete().await.unwrap();
    assert_eq!(
        fixture.delete().await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
}
