//! The operations against a local stand-in for the tables, Secrets Manager and the bus.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops at the first surprise, in its helpers too"
)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use accounts::{Accounts, Config, Vendors};
use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_secretsmanager::config::{Credentials, SharedCredentialsProvider};
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use domain::{AccountName, Endpoint, EndpointName, Run, TaskRun, Workflow, WorkflowId, definition};
use jiff::Timestamp;
use management::{
    Done, Error, ErrorKind, Expected, Management, Names, RunFilter, SecretChange, SecretPresence,
    samples,
};
use serde_json::{Value, json};

/// What the services hold, and which writes they were told to make.
#[derive(Debug, Default)]
struct Aws {
    tables: BTreeMap<String, Vec<Value>>,
    secrets: BTreeMap<String, String>,
    /// Somebody else is always faster.
    refuses_transactions: bool,
    /// The bus takes nothing.
    refuses_events: bool,
    writes: Vec<(String, Value)>,
}

impl Aws {
    fn rows(&mut self, table: &str) -> &mut Vec<Value> {
        self.tables.entry(table.to_owned()).or_default()
    }

    fn answer(&mut self, operation: &str, body: &Value) -> Result<Value, (&'static str, Value)> {
        let table = body["TableName"].as_str().unwrap_or_default().to_owned();
        let secret = body["SecretId"].as_str().or(body["Name"].as_str());
        let secret = secret.unwrap_or_default().to_owned();
        let is_write = !matches!(
            operation,
            "GetItem" | "Query" | "Scan" | "DescribeSecret" | "GetSecretValue"
        );
        if is_write {
            self.writes.push((operation.to_owned(), body.clone()));
        }
        let missing = ("ResourceNotFoundException", json!({}));
        match operation {
            "GetItem" => {
                let key = body["Key"].as_object().unwrap();
                let found = self.rows(&table).iter().find(|row| has(row, key));
                Ok(found.map_or(json!({}), |row| json!({ "Item": row })))
            }
            "Scan" => Ok(json!({ "Items": self.rows(&table) })),
            "Query" => {
                let (name, value) = asked(body);
                let key = BTreeMap::from([(name, value)]);
                let mut items: Vec<Value> = self
                    .rows(&table)
                    .iter()
                    .filter(|row| key.iter().all(|(name, value)| row[name] == *value))
                    .cloned()
                    .collect();
                if body["ScanIndexForward"] == json!(false) {
                    items.reverse();
                }
                Ok(json!({ "Items": items }))
            }
            "PutItem" => {
                self.rows(&table).push(body["Item"].clone());
                Ok(json!({}))
            }
            "DeleteItem" => {
                let key = body["Key"].as_object().unwrap();
                self.rows(&table).retain(|row| !has(row, key));
                Ok(json!({}))
            }
            "TransactWriteItems" if self.refuses_transactions => {
                let reasons = json!([{ "Code": "ConditionalCheckFailed" }]);
                Err((
                    "TransactionCanceledException",
                    json!({ "CancellationReasons": reasons }),
                ))
            }
            "TransactWriteItems" => Ok(json!({})),
            "DescribeSecret" => match self.secrets.get(&secret) {
                Some(_) => Ok(json!({ "Name": secret })),
                None => Err(missing),
            },
            "GetSecretValue" => match self.secrets.get(&secret) {
                Some(text) => Ok(json!({ "Name": secret, "SecretString": text })),
                None => Err(missing),
            },
            "CreateSecret" | "PutSecretValue" => {
                let text = body["SecretString"].as_str().unwrap().to_owned();
                self.secrets.insert(secret, text);
                Ok(json!({}))
            }
            "DeleteSecret" => {
                self.secrets.remove(&secret);
                Ok(json!({}))
            }
            "PutEvents" if self.refuses_events => Ok(json!({
                "FailedEntryCount": 1, "Entries": [{ "ErrorCode": "InternalFailure" }]
            })),
            "PutEvents" => Ok(json!({ "FailedEntryCount": 0, "Entries": [{ "EventId": "e" }] })),
            other => panic!("{other} is not expected"),
        }
    }

    fn written(&self) -> Vec<&str> {
        let operations = self.writes.iter();
        operations
            .map(|(operation, _)| operation.as_str())
            .collect()
    }
}

fn has(row: &Value, key: &serde_json::Map<String, Value>) -> bool {
    key.iter().all(|(name, value)| row[name] == *value)
}

/// The key that a query's rows have: the name stands in the condition, or behind a placeholder.
fn asked(body: &Value) -> (String, Value) {
    let (_, value) = body["ExpressionAttributeValues"]
        .as_object()
        .unwrap()
        .iter()
        .find(|(placeholder, _)| *placeholder == ":pk" || *placeholder == ":value")
        .unwrap();
    let name = body["ExpressionAttributeNames"]["#key"]
        .as_str()
        .unwrap_or("pk");
    (name.to_owned(), value.clone())
}

async fn serve(
    State(aws): State<Arc<Mutex<Aws>>>,
    headers: HeaderMap,
    body: String,
) -> (StatusCode, String) {
    let target = headers["x-amz-target"].to_str().unwrap();
    let operation = target.rsplit('.').next().unwrap();
    let body: Value = serde_json::from_str(&body).unwrap();
    match aws.lock().unwrap().answer(operation, &body) {
        Ok(answer) => (StatusCode::OK, answer.to_string()),
        Err((code, mut answer)) => {
            answer["__type"] = json!(code);
            (StatusCode::BAD_REQUEST, answer.to_string())
        }
    }
}

struct Fixture {
    aws: Arc<Mutex<Aws>>,
    management: Management,
    now: Timestamp,
}

impl Fixture {
    async fn new() -> Self {
        let aws = Arc::new(Mutex::new(Aws::default()));
        let app = Router::new().fallback(serve).with_state(Arc::clone(&aws));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-west-1"))
            .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
                "id", "key", None, None, "test",
            )))
            .retry_config(RetryConfig::disabled())
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .endpoint_url(url)
            .build();
        let variables = |name: &str| Some(name.to_lowercase());
        let vendors = Vendors::from_vars(vendor_http::Client::new().unwrap(), |_| None).unwrap();
        let accounts = Accounts::new(
            &config,
            Config::from_vars(variables).unwrap(),
            vendors,
            "test".to_owned(),
        );
        Self {
            aws,
            management: Management::new(&config, Names::from_vars(variables).unwrap(), accounts),
            now: samples::NOW,
        }
    }

    fn aws(&self) -> MutexGuard<'_, Aws> {
        self.aws.lock().unwrap()
    }

    fn account(&self, name: &str, vendor: &str) {
        self.aws().rows("accounts_table").push(json!({
            "name": {"S": name}, "vendor": {"S": vendor}, "instance": {"S": "acme"}, "kind": {"S": "bearer"},
            "state": {"S": "connected"}, "secret": {"S": format!("secret-of-{name}")}, "updated_at": {"N": "0"},
        }));
        self.aws()
            .secrets
            .insert(format!("secret-of-{name}"), "{}".to_owned());
    }

    fn alias(&self, name: &str, of: &str) {
        let row = json!({"name": {"S": name}, "alias_of": {"S": of}});
        self.aws().rows("accounts_table").push(row);
    }

    fn workflow(&self, workflow: &Workflow, revision: u32) {
        let row = |pk: &str, sk: &str| {
            json!({
                "pk": {"S": pk}, "sk": {"S": sk}, "revision": {"N": revision.to_string()},
                "applied_at": {"N": "0"}, "document": {"S": json!(workflow).to_string()},
            })
        };
        let id = workflow.id.as_str();
        let mut aws = self.aws();
        aws.rows("workflows_table").push(row("workflow", id));
        aws.rows("workflows_table")
            .push(row(&format!("revision#{id}"), &format!("{revision:010}")));
    }

    fn run(&self, run: &Run, tasks: &[TaskRun]) {
        let mut aws = self.aws();
        let started_at = format!("{:.3}", run.started_at);
        aws.rows("runs_table").push(json!({
            "pk": {"S": run.id}, "sk": {"S": "run"}, "workflow": {"S": run.workflow},
            "day": {"S": started_at[..10]}, "started_at": {"S": started_at}, "state": {"S": run.state},
            "reopened": {"N": "0"}, "document": {"S": json!(run).to_string()},
        }));
        for task in tasks {
            aws.rows("runs_table").push(json!({
                "pk": {"S": run.id}, "sk": {"S": format!("task#{}", task.name)}, "state": {"S": task.state},
                "document": {"S": json!(task).to_string()},
                "input": {"S": json!(task.input).to_string()},
            }));
        }
    }

    async fn secret(&self, change: SecretChange) -> Result<bool, Error> {
        let changed = self
            .management
            .change_endpoint_secret(&endpoint("json", "bearer").name, &change)
            .await?;
        Ok(changed.previous_valid)
    }
}

fn workflow(account: &str) -> Workflow {
    definition::workflow(&json!({
        "id": "follow-up", "name": "Follow up", "trigger": {"event": {"type": "a"}},
        "tasks": [{"id": "t", "kind": "zendesk.create_ticket", "account": account, "input": {"comment": "x"}}]
    }))
    .unwrap()
}

fn endpoint(kind: &str, scheme: &str) -> Endpoint {
    definition::endpoint(
        &json!({"name": "survey", "kind": kind, "verification": {"scheme": scheme}}),
    )
    .unwrap()
}

fn account(name: &str) -> AccountName {
    AccountName::parse(name).unwrap()
}

fn names(workflows: &[WorkflowId]) -> Vec<&str> {
    workflows.iter().map(WorkflowId::as_str).collect()
}

#[tokio::test]
async fn account_in_use_is_deleted_only_by_force_whichever_of_its_names_is_used() {
    for used in ["support", "helpdesk"] {
        let fixture = Fixture::new().await;
        fixture.account("support", "zendesk");
        fixture.alias("helpdesk", "support");
        fixture.workflow(&workflow(used), 1);
        let detail = fixture.management.account(&account("helpdesk")).await;
        let detail = detail.unwrap();
        assert_eq!(names(&detail.workflows), ["follow-up"]);
        assert_eq!(detail.secret, SecretPresence::Stored { changed_at: None });

        let name = account("support");
        let refused = fixture.management.delete_account(&name, false).await;
        let error = refused.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert!(error.to_string().contains("`follow-up`"), "{error}");
        assert!(fixture.aws().writes.is_empty());

        let deleted = fixture.management.delete_account(&name, true).await;
        deleted.unwrap();
        assert!(fixture.aws().secrets.is_empty());
        assert!(fixture.aws().rows("accounts_table").is_empty());
    }
}

#[tokio::test]
async fn account_that_is_not_there_is_not_found() {
    let fixture = Fixture::new().await;
    let nobody = account("nobody");
    let shown = fixture.management.account(&nobody).await;
    assert_eq!(shown.unwrap_err().kind(), ErrorKind::NotFound);
    let deleted = fixture.management.delete_account(&nobody, true).await;
    assert_eq!(deleted.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn workflow_may_name_an_account_by_a_name_that_it_had_but_none_by_another_name() {
    let fixture = Fixture::new().await;
    fixture.account("support", "zendesk");
    fixture.alias("helpdesk", "support");
    for (name, problems) in [("support", 0), ("helpdesk", 0), ("nobody", 1)] {
        let report = fixture.management.validate_workflow(&workflow(name)).await;
        assert_eq!(report.unwrap().problems.len(), problems, "{name}");
    }
    let wrong = workflow("nobody");
    let applied = fixture
        .management
        .apply_workflow(&wrong, Expected::Any, fixture.now)
        .await;
    let error = applied.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!(error.fields()[0].path, "tasks[0].account");
    assert!(fixture.aws().writes.is_empty());
}

#[tokio::test]
async fn workflow_is_replaced_only_when_it_is_the_one_that_was_seen() {
    let changed = Workflow {
        name: "Changed".to_owned(),
        ..workflow("support")
    };
    for (stored, expected, outcome) in [
        (None, Expected::Any, Ok((Done::Created, 1))),
        (None, Expected::Absent, Ok((Done::Created, 1))),
        (None, Expected::Revision(3), Err(ErrorKind::Stale)),
        (Some(3), Expected::Any, Ok((Done::Updated, 4))),
        (Some(3), Expected::Revision(3), Ok((Done::Updated, 4))),
        (Some(4), Expected::Revision(3), Err(ErrorKind::Stale)),
        (Some(3), Expected::Absent, Err(ErrorKind::Stale)),
    ] {
        let fixture = Fixture::new().await;
        fixture.account("support", "zendesk");
        if let Some(revision) = stored {
            fixture.workflow(&workflow("support"), revision);
        }
        let applied = fixture
            .management
            .apply_workflow(&changed, expected, fixture.now)
            .await
            .map(|applied| (applied.done, applied.stored.revision))
            .map_err(|error| error.kind());
        assert_eq!(applied, outcome, "{stored:?} {expected:?}");
        let writes = usize::from(outcome.is_ok());
        assert_eq!(
            fixture.aws().writes.len(),
            writes,
            "{stored:?} {expected:?}"
        );
    }
}

#[tokio::test]
async fn whoever_is_slower_changes_nothing_and_is_told() {
    let fixture = Fixture::new().await;
    fixture.account("support", "zendesk");
    fixture.workflow(&workflow("support"), 3);
    fixture.aws().refuses_transactions = true;
    let id = workflow("support").id;
    let switched =
        fixture
            .management
            .switch_workflow(&id, false, Expected::Revision(3), fixture.now);
    let error = switched.await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.to_string().contains("`follow-up`"), "{error}");
    let deleted = fixture.management.delete_workflow(&id).await;
    assert_eq!(deleted.unwrap_err().kind(), ErrorKind::Conflict);
}

#[tokio::test]
async fn switched_workflow_keeps_the_rest_of_its_definition() {
    let fixture = Fixture::new().await;
    fixture.workflow(&workflow("support"), 3);
    let id = workflow("support").id;
    let switch = |enabled| {
        let management = &fixture.management;
        management.switch_workflow(&id, enabled, Expected::Any, fixture.now)
    };
    let off = switch(false).await.unwrap();
    assert_eq!((off.done, off.stored.revision), (Done::Updated, 4));
    let expected = Workflow {
        enabled: false,
        ..workflow("support")
    };
    assert_eq!(off.stored.workflow, expected);
    let on = switch(true).await.unwrap();
    assert_eq!((on.done, on.stored.revision), (Done::Unchanged, 3));
}

#[tokio::test]
async fn revisions_are_listed_newest_first_and_read_one_by_one() {
    let fixture = Fixture::new().await;
    fixture.workflow(&workflow("support"), 1);
    fixture.workflow(&workflow("helpdesk"), 2);
    let id = workflow("support").id;
    let listed = fixture.management.workflow_revisions(&id).await.unwrap();
    let revisions: Vec<u32> = listed.items.iter().map(|entry| entry.revision).collect();
    assert_eq!(revisions, [2, 1]);
    let first = fixture.management.workflow(&id, Some(1)).await.unwrap();
    assert_eq!(first.workflow, workflow("support"));
    let error = fixture.management.workflow(&id, Some(3)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn replaced_secret_stays_valid_until_it_is_dropped() {
    let fixture = Fixture::new().await;
    let survey = endpoint("json", "bearer");
    let applied = fixture.management.put_endpoint(&survey).await.unwrap();
    assert_eq!(applied.done, Done::Created);
    assert_eq!(applied.secret, SecretPresence::Missing);
    assert_eq!(applied.url, "public_url/events/survey");

    let error = fixture.secret(SecretChange::DropPrevious {}).await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Conflict);
    let put = |text: &str| SecretChange::Put {
        secret: text.into(),
    };
    assert!(!fixture.secret(put("one")).await.unwrap());
    assert!(fixture.secret(put("two")).await.unwrap());
    let stored = fixture.aws().secrets["secret_prefix/endpoints/survey"].clone();
    assert_eq!(stored, r#"{"current":"two","previous":"one"}"#);
    assert!(!fixture.secret(SecretChange::DropPrevious {}).await.unwrap());
    let stored = fixture.aws().secrets["secret_prefix/endpoints/survey"].clone();
    assert_eq!(stored, r#"{"current":"two"}"#);
}

#[tokio::test]
async fn secret_is_generated_once_and_refused_when_the_scheme_cannot_work_with_it() {
    let fixture = Fixture::new().await;
    let survey = endpoint("json", "basic");
    fixture.management.put_endpoint(&survey).await.unwrap();
    let unfit = SecretChange::Put {
        secret: "hunter2".into(),
    };
    let error = fixture.secret(unfit).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!(error.fields()[0].path, "secret");
    assert!(!format!("{error} {error:?}").contains("hunter2"));
    let changed = fixture
        .management
        .change_endpoint_secret(&survey.name, &SecretChange::Generate {})
        .await
        .unwrap();
    let generated = changed.generated.unwrap();
    let stored = fixture.aws().secrets["secret_prefix/endpoints/survey"].clone();
    assert!(stored.contains(generated.expose()));
}

#[tokio::test]
async fn secret_that_another_endpoint_uses_is_kept() {
    let fixture = Fixture::new().await;
    let survey = endpoint("json", "bearer");
    let other = definition::endpoint(&json!({
        "name": "other", "kind": "json", "verification": {"scheme": "bearer", "secret": "survey"}
    }))
    .unwrap();
    for endpoint in [&survey, &other] {
        fixture.management.put_endpoint(endpoint).await.unwrap();
    }
    fixture.secret(SecretChange::Generate {}).await.unwrap();
    let deleted = fixture.management.delete_endpoint(&survey.name).await;
    assert_eq!(deleted.unwrap().secret_kept_for, Some(other.name.clone()));
    assert_eq!(fixture.aws().secrets.len(), 1);
    let deleted = fixture.management.delete_endpoint(&other.name).await;
    assert_eq!(deleted.unwrap().secret_kept_for, None);
    assert!(fixture.aws().secrets.is_empty());
    let error = fixture
        .management
        .endpoint(&EndpointName::parse("survey").unwrap())
        .await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn retried_run_is_stored_before_its_tasks_are_requested() {
    let (run, mut tasks, event) = samples::failed_run();
    // Its input was filled in long ago, and nothing else waits for the event.
    tasks.truncate(1);
    for refuses in [false, true] {
        let fixture = Fixture::new().await;
        fixture.run(&run, &tasks);
        fixture.aws().rows("events_table").push(json!({
            "event": {"S": event.key()}, "document": {"S": json!(event).to_string()},
            "decisions": {"S": "[]"}, "evaluated_at": {"N": "0"},
        }));
        fixture.aws().refuses_events = refuses;
        let retried = fixture.management.retry_run(&run.id, fixture.now).await;
        assert_eq!(fixture.aws().written(), ["TransactWriteItems", "PutEvents"]);
        if refuses {
            let error = retried.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unavailable);
            assert!(error.to_string().contains("InternalFailure"), "{error}");
            continue;
        }
        let retried = retried.unwrap();
        assert!(retried.reopened);
        assert_eq!(json!(retried.requested), json!(["incident"]));
        let writes = &fixture.aws().writes;
        let detail = writes[1].1["Entries"][0]["Detail"].as_str().unwrap();
        assert!(detail.contains(run.id.as_str()) && detail.contains("incident"));
    }
}

#[tokio::test]
async fn run_that_somebody_else_retried_is_left_to_them() {
    let (run, tasks, event) = samples::failed_run();
    let fixture = Fixture::new().await;
    fixture.run(&run, &tasks);
    fixture.aws().rows("events_table").push(json!({
        "event": {"S": event.key()}, "document": {"S": json!(event).to_string()},
        "decisions": {"S": "[]"}, "evaluated_at": {"N": "0"},
    }));
    fixture.aws().refuses_transactions = true;
    let retried = fixture.management.retry_run(&run.id, fixture.now).await;
    assert_eq!(retried.unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(fixture.aws().written(), ["TransactWriteItems"]);
}

#[tokio::test]
async fn runs_are_found_by_workflow_day_and_state() {
    let fixture = Fixture::new().await;
    let (run, tasks, _) = samples::failed_run();
    fixture.run(&run, &tasks);
    for (filter, expected) in [
        (json!({}), 1),
        (json!({"workflow": "follow-up"}), 1),
        (json!({"workflow": "other"}), 0),
        (json!({"day": "2026-11-21", "state": "failed"}), 1),
        (json!({"day": "2026-11-20"}), 0),
        (json!({"state": "running"}), 0),
        (json!({"limit": 0}), 0),
    ] {
        let wanted: RunFilter = serde_json::from_value(filter.clone()).unwrap();
        let found = fixture.management.runs(&wanted, fixture.now).await;
        assert_eq!(found.unwrap().items.len(), expected, "{filter}");
    }
    let all = RunFilter {
        limit: Some(management::MOST_LISTED + 1),
        ..RunFilter::default()
    };
    let error = fixture.management.runs(&all, fixture.now).await;
    assert_eq!(error.unwrap_err().fields()[0].path, "limit");
}

#[tokio::test]
async fn event_tells_the_traces_of_its_runs_and_why_a_workflow_was_not_asked() {
    let fixture = Fixture::new().await;
    let (detail, run) = samples::evaluated_event();
    let (_, tasks) = samples::succeeded_run();
    fixture.run(&run, &tasks);
    let mut decisions = detail.decisions.clone();
    decisions[1].trace = None;
    fixture.aws().rows("events_table").push(json!({
        "event": {"S": detail.key}, "document": {"S": json!(detail.event).to_string()},
        "decisions": {"S": json!(decisions).to_string()},
        "evaluated_at": {"N": detail.evaluated_at.as_millisecond().to_string()},
    }));
    let shown = fixture.management.event(&detail.key, None).await.unwrap();
    assert_eq!(shown, detail);
    for (workflow, explained) in [("promoters", false), ("elsewhere", true)] {
        let id = WorkflowId::parse(workflow).unwrap();
        let shown = fixture.management.event(&detail.key, Some(&id)).await;
        assert_eq!(
            shown.unwrap().explanation.is_some(),
            explained,
            "{workflow}"
        );
    }
    let unknown = domain::EventKey::derive("/endpoints/a", "1", None);
    let error = fixture.management.event(&unknown, None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

/// What is answered, with the schema that the API tells of it.
fn check_schema<T: schemars::JsonSchema + serde::Serialize>(answer: &T) {
    let schema = schemars::schema_for!(T);
    let validator = jsonschema::validator_for(schema.as_value()).unwrap();
    let answer = json!(answer);
    let errors: Vec<String> = validator
        .iter_errors(&answer)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{answer}: {errors:#?}");
}

#[tokio::test]
async fn answers_are_what_their_schemas_say() {
    let fixture = Fixture::new().await;
    fixture.account("support", "zendesk");
    fixture.workflow(&workflow("support"), 2);
    let (run, tasks) = samples::succeeded_run();
    fixture.run(&run, &tasks);
    let survey = endpoint("json", "bearer");
    check_schema(&fixture.management.put_endpoint(&survey).await.unwrap());
    check_schema(&fixture.management.endpoint(&survey.name).await.unwrap());
    check_schema(&fixture.management.endpoints().await.unwrap());
    check_schema(
        &fixture
            .management
            .account(&account("support"))
            .await
            .unwrap(),
    );
    check_schema(&fixture.management.workflows().await.unwrap());
    check_schema(&fixture.management.run(&run.id).await.unwrap());
    check_schema(&samples::evaluated_event().0);
    let unknown = fixture.management.account(&account("nobody")).await;
    check_schema(&unknown.unwrap_err().problem());
}
