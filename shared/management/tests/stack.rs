//! The operations against a local stand-in for the tables, Secrets Manager and the bus.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops at the first surprise, in its helpers too"
)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use accounts::{Accounts, Config, Vendors};
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use domain::{
    AccountName, CloudEvent, Endpoint, EndpointName, Run, RunId, RunState, TaskRun, Workflow,
    WorkflowId, definition,
};
use jiff::{SignedDuration, Timestamp};
use management::{
    AccountManagement, AccountNames, Done, Error, ErrorKind, EventFilter, Expected, ReplayEvent,
    ReplayEvents, RetryFailed, RunFilter, SecretChange, SecretPresence, WorkflowFilter,
    WorkflowManagement, WorkflowNames, samples,
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
            "GetItem" | "BatchGetItem" | "Query" | "Scan" | "DescribeSecret" | "GetSecretValue"
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
                if body["IndexName"].is_string() {
                    return Ok(of_index(items, body));
                }
                if body["ScanIndexForward"] == json!(false) {
                    items.reverse();
                }
                Ok(json!({ "Items": items }))
            }
            "BatchGetItem" => {
                let (table, asked) = body["RequestItems"]
                    .as_object()
                    .unwrap()
                    .iter()
                    .next()
                    .unwrap();
                let keys = asked["Keys"].as_array().unwrap();
                let rows = self.rows(table).iter();
                let found: Vec<Value> = rows
                    .filter(|row| keys.iter().any(|key| has(row, key.as_object().unwrap())))
                    .cloned()
                    .collect();
                Ok(json!({ "Responses": { table: found }, "UnprocessedKeys": {} }))
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
            "TransactWriteItems" => {
                for write in body["TransactItems"].as_array().unwrap() {
                    self.write(write);
                }
                Ok(json!({}))
            }
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

    /// Stores what a transaction writes about runs and their events.
    fn write(&mut self, write: &Value) {
        let (put, update) = (&write["Put"], &write["Update"]);
        if put["TableName"] == "runs_table" {
            self.rows("runs_table").push(put["Item"].clone());
        }
        if update["TableName"] == "events_table" {
            let key = update["Key"].as_object().unwrap();
            let values = &update["ExpressionAttributeValues"];
            for row in self
                .rows("events_table")
                .iter_mut()
                .filter(|row| has(row, key))
            {
                row["opened"] = values[":next"].clone();
                if values[":replays"].is_object() {
                    row["replays"] = values[":replays"].clone();
                }
            }
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
        .find(|(placeholder, _)| *placeholder == ":pk" || *placeholder == ":group")
        .unwrap();
    let name = body["ExpressionAttributeNames"]["#group"]
        .as_str()
        .unwrap_or("pk");
    (name.to_owned(), value.clone())
}

/// Rows of a group of an index, from one moment to another, behind a row, and not more than asked for.
fn of_index(mut items: Vec<Value>, body: &Value) -> Value {
    let name = body["ExpressionAttributeNames"]["#moment"]
        .as_str()
        .unwrap();
    let values = &body["ExpressionAttributeValues"];
    // Numbers have one width here, too.
    let moment = |row: &Value| row[name].to_string();
    items.retain(|row| {
        let bounds = values[":first"].to_string()..=values[":last"].to_string();
        bounds.contains(&moment(row))
    });
    items.sort_by_key(moment);
    if body["ScanIndexForward"] == json!(false) {
        items.reverse();
    }
    if let Some(start) = body["ExclusiveStartKey"].as_object() {
        let place = items.iter().position(|row| has(row, start)).unwrap();
        items.drain(..=place);
    }
    let limit = usize::try_from(body["Limit"].as_u64().unwrap()).unwrap();
    let is_cut = items.len() > limit;
    items.truncate(limit);
    let mut answer = json!({ "Items": items });
    if is_cut {
        let last = items.last().unwrap().as_object().unwrap();
        let names = [
            "pk",
            "sk",
            "event",
            "workflow",
            "day",
            "started_at",
            "evaluated_at",
        ];
        let key = last
            .iter()
            .filter(|(field, _)| names.contains(&field.as_str()));
        let key: serde_json::Map<String, Value> = key
            .map(|(field, value)| (field.clone(), value.clone()))
            .collect();
        answer["LastEvaluatedKey"] = key.into();
    }
    answer
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
    management: WorkflowManagement,
    accounts: AccountManagement,
    now: Timestamp,
}

impl Fixture {
    async fn new() -> Self {
        let aws = Arc::new(Mutex::new(Aws::default()));
        let app = Router::new().fallback(serve).with_state(Arc::clone(&aws));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        let config = aws::Config::at(&url).unwrap();
        let variables = |name: &str| {
            Some(match name {
                "RUN_RETENTION_DAYS" => "90".to_owned(),
                other => other.to_lowercase(),
            })
        };
        let vendors = Vendors::from_vars(vendor_http::Client::new().unwrap(), |_| None).unwrap();
        let accounts = Accounts::new(
            &config,
            Config::from_vars(variables).unwrap(),
            vendors,
            "test".to_owned(),
        );
        Self {
            aws,
            management: WorkflowManagement::new(
                &config,
                WorkflowNames::from_vars(variables).unwrap(),
            ),
            accounts: AccountManagement::new(
                &config,
                AccountNames::from_vars(variables).unwrap(),
                accounts,
            ),
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

    /// A revision that does not count any more.
    fn revision(&self, workflow: &Workflow, revision: u32) {
        self.workflow(workflow, revision);
        let id = workflow.id.as_str();
        let current = json!({"pk": {"S": "workflow"}, "sk": {"S": id}});
        let mut aws = self.aws();
        let rows = aws.rows("workflows_table");
        rows.retain(|row| !has(row, current.as_object().unwrap()));
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

    /// An event that was evaluated at a time, with what was decided.
    fn event(&self, event: &CloudEvent, evaluated_at: Timestamp, decisions: &Value) {
        let day = evaluated_at.to_string()[..10].to_owned();
        self.aws().rows("events_table").push(json!({
            "event": {"S": event.key()}, "document": {"S": json!(event).to_string()},
            "decisions": {"S": decisions.to_string()},
            "evaluated_at": {"N": evaluated_at.as_millisecond().to_string()},
            "day": {"S": day}, "type": {"S": event.kind}, "source": {"S": event.source}, "started": {"N": "0"},
        }));
    }

    async fn secret(&self, change: SecretChange) -> Result<bool, Error> {
        let changed = self
            .accounts
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
        let detail = fixture.accounts.account(&account("helpdesk")).await;
        let detail = detail.unwrap();
        assert_eq!(names(&detail.workflows), ["follow-up"]);
        assert_eq!(detail.secret, SecretPresence::Stored { changed_at: None });

        let name = account("support");
        let refused = fixture
            .accounts
            .delete_account(&name, false, Timestamp::now())
            .await;
        let error = refused.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert!(error.to_string().contains("`follow-up`"), "{error}");
        assert!(fixture.aws().writes.is_empty());

        let deleted = fixture
            .accounts
            .delete_account(&name, true, Timestamp::now())
            .await;
        deleted.unwrap();
        assert!(fixture.aws().secrets.is_empty());
        assert!(fixture.aws().rows("accounts_table").is_empty());
    }
}

#[tokio::test]
async fn account_that_is_not_there_is_not_found() {
    let fixture = Fixture::new().await;
    let nobody = account("nobody");
    let shown = fixture.accounts.account(&nobody).await;
    assert_eq!(shown.unwrap_err().kind(), ErrorKind::NotFound);
    let deleted = fixture
        .accounts
        .delete_account(&nobody, true, Timestamp::now())
        .await;
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
async fn earlier_revision_becomes_a_new_one_and_is_checked_like_any_other() {
    let fixture = Fixture::new().await;
    fixture.account("support", "zendesk");
    let named = |name: &str, account: &str| Workflow {
        name: name.to_owned(),
        ..workflow(account)
    };
    fixture.revision(&named("First", "support"), 1);
    fixture.revision(&named("Second", "gone"), 2);
    fixture.workflow(&named("Third", "support"), 3);
    let id = workflow("support").id;
    let roll_back = |revision, expected| {
        let management = &fixture.management;
        management.roll_back_workflow(&id, revision, expected, fixture.now)
    };
    let back = roll_back(1, Expected::Revision(3)).await.unwrap();
    assert_eq!((back.done, back.stored.revision), (Done::Updated, 4));
    assert_eq!(back.stored.workflow, named("First", "support"));
    // It is what counts already.
    let same = roll_back(3, Expected::Any).await.unwrap();
    assert_eq!((same.done, same.stored.revision), (Done::Unchanged, 3));

    for (revision, expected, kind, words) in [
        (2, Expected::Any, ErrorKind::Invalid, "`gone`"),
        (1, Expected::Revision(2), ErrorKind::Stale, "at revision 3"),
        (9, Expected::Any, ErrorKind::NotFound, "its newest is 3"),
    ] {
        let error = roll_back(revision, expected).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
    let nobody = WorkflowId::parse("nobody").unwrap();
    let rolled = fixture
        .management
        .roll_back_workflow(&nobody, 1, Expected::Any, fixture.now);
    assert!(matches!(
        rolled.await.unwrap_err(),
        Error::UnknownWorkflow(_)
    ));
}

#[tokio::test]
async fn revisions_are_compared_with_the_newest_or_with_each_other() {
    let fixture = Fixture::new().await;
    fixture.revision(&workflow("a"), 1);
    fixture.revision(&workflow("b"), 2);
    fixture.workflow(&workflow("a"), 3);
    let id = workflow("a").id;
    let change = |before: &str, after: &str| json!([{"path": "tasks.t.account", "before": before, "after": after}]);
    for (from, to, compared, changes) in [
        (1, Some(2), 2, change("a", "b")),
        (2, None, 3, change("b", "a")),
        (1, None, 3, json!([])),
    ] {
        let diff = fixture.management.diff_workflow(&id, from, to).await;
        let diff = diff.unwrap();
        check_schema(&diff);
        assert_eq!((diff.from, diff.to), (from, compared));
        assert_eq!(json!(diff.changes), changes);
    }
    let error = fixture.management.diff_workflow(&id, 1, Some(7)).await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn only_the_workflows_that_are_asked_for_are_listed() {
    let fixture = Fixture::new().await;
    let owned = Workflow {
        owner: Some("Care".to_owned()),
        labels: [("team".to_owned(), "support".to_owned())].into(),
        ..workflow("support")
    };
    fixture.workflow(&owned, 1);
    for (filter, count) in [
        (json!({}), 1),
        (json!({"owner": "Care", "label": ["team=support"]}), 1),
        (json!({"owner": "Sales"}), 0),
        (json!({"label": ["team=sales"]}), 0),
        (json!({"enabled": false}), 0),
    ] {
        let wanted: WorkflowFilter = serde_json::from_value(filter.clone()).unwrap();
        let listed = fixture.management.workflows(&wanted).await.unwrap();
        assert_eq!(listed.items.len(), count, "{filter}");
    }
}

#[tokio::test]
async fn warnings_are_told_and_refuse_nothing_while_an_unheard_endpoint_does() {
    let fixture = Fixture::new().await;
    fixture.account("support", "zendesk");
    let with_trigger = |trigger: Value| {
        let mut document = json!(workflow("support"));
        document["trigger"] = trigger;
        definition::workflow(&document).unwrap()
    };
    let looping = with_trigger(json!({"zendesk_event": {"event": "ticket.created"}}));
    let applied = fixture
        .management
        .apply_workflow(&looping, Expected::Any, fixture.now)
        .await
        .unwrap();
    assert_eq!(applied.done, Done::Created);
    assert_eq!(applied.warnings.len(), 1);
    check_schema(&applied);
    let report = fixture.management.validate_workflow(&looping).await;
    assert_eq!(report.unwrap().warnings, applied.warnings);

    let unheard = with_trigger(json!({"json_event": {"endpoint": "survey"}}));
    let refused = fixture
        .management
        .apply_workflow(&unheard, Expected::Any, fixture.now)
        .await
        .unwrap_err();
    assert_eq!(refused.fields()[0].path, "trigger.json_event.endpoint");
    let survey = endpoint("json", "bearer");
    fixture.accounts.put_endpoint(&survey).await.unwrap();
    let report = fixture.management.validate_workflow(&unheard).await;
    assert_eq!(report.unwrap().problems, Vec::new());
}

#[tokio::test]
async fn replaced_secret_stays_valid_until_it_is_dropped() {
    let fixture = Fixture::new().await;
    let survey = endpoint("json", "bearer");
    let applied = fixture.accounts.put_endpoint(&survey).await.unwrap();
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
    fixture.accounts.put_endpoint(&survey).await.unwrap();
    let unfit = SecretChange::Put {
        secret: "hunter2".into(),
    };
    let error = fixture.secret(unfit).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!(error.fields()[0].path, "secret");
    assert!(!format!("{error} {error:?}").contains("hunter2"));
    let changed = fixture
        .accounts
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
        fixture.accounts.put_endpoint(endpoint).await.unwrap();
    }
    fixture.secret(SecretChange::Generate {}).await.unwrap();
    let deleted = fixture.accounts.delete_endpoint(&survey.name).await;
    assert_eq!(deleted.unwrap().secret_kept_for, Some(other.name.clone()));
    assert_eq!(fixture.aws().secrets.len(), 1);
    let deleted = fixture.accounts.delete_endpoint(&other.name).await;
    assert_eq!(deleted.unwrap().secret_kept_for, None);
    assert!(fixture.aws().secrets.is_empty());
    let error = fixture
        .accounts
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
        let retried = fixture
            .management
            .retry_run(&run.id, None, fixture.now)
            .await;
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
    let retried = fixture
        .management
        .retry_run(&run.id, None, fixture.now)
        .await;
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
    let shown = fixture
        .management
        .event(&detail.key, None, fixture.now)
        .await
        .unwrap();
    assert_eq!(shown, detail);
    for (workflow, words) in [
        ("promoters", "condition did not hold"),
        ("elsewhere", "there never was one"),
    ] {
        let id = WorkflowId::parse(workflow).unwrap();
        let shown = fixture
            .management
            .event(&detail.key, Some(&id), fixture.now)
            .await;
        let text = shown.unwrap().explanation.unwrap();
        assert!(text.contains(words), "{workflow}: {text}");
    }
    let unknown = domain::EventKey::derive("/endpoints/a", "1", None);
    let error = fixture
        .management
        .event(&unknown, None, fixture.now)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn answers_that_did_not_come_are_fetched_once_more() {
    let fixture = Fixture::new().await;
    let notified: CloudEvent = serde_json::from_value(json!({
        "specversion": "1.0", "id": "notified.completedResponse.SV_1.R_1", "source": "/endpoints/survey",
        "type": "qualtrics.response.notified", "account": "feedback", "notifiedtype": "qualtrics.response.completed",
        "data": {"SurveyID": "SV_1", "ResponseID": "R_1"}
    }))
    .unwrap();
    let key = notified.key();
    fixture.event(&notified, fixture.now, &json!([]));
    for (hours, state) in [(0, "pending"), (26, "pending"), (28, "missing")] {
        let now = fixture.now + SignedDuration::from_hours(hours);
        let shown = fixture.management.event(&key, None, now).await.unwrap();
        assert_eq!(json!(shown.answers)["state"], state, "{hours}");
    }
    let answers = fixture.management.fetch_answers(&key, fixture.now).await;
    let answers = answers.unwrap();
    let expected =
        domain::EventKey::derive("/endpoints/survey", "completedResponse.SV_1.R_1", None);
    assert_eq!(answers.event, expected);
    let (operation, put) = fixture.aws().writes.pop().unwrap();
    let entry = &put["Entries"][0];
    assert_eq!(
        (operation.as_str(), &entry["Source"], &entry["DetailType"]),
        (
            "PutEvents",
            &json!("closedloop.ingest"),
            &json!("qualtrics.response.notified")
        )
    );
    let detail: CloudEvent = serde_json::from_str(entry["Detail"].as_str().unwrap()).unwrap();
    assert_eq!(detail, notified);

    let (_, _, other) = samples::failed_run();
    fixture.event(&other, fixture.now, &json!([]));
    for (key, kind) in [
        (other.key(), ErrorKind::Conflict),
        (
            domain::EventKey::derive("/a", "unknown", None),
            ErrorKind::NotFound,
        ),
    ] {
        let error = fixture.management.fetch_answers(&key, fixture.now).await;
        assert_eq!(error.unwrap_err().kind(), kind);
    }
    assert!(fixture.aws().written().is_empty());
}

/// Runs of `follow-up` for events of their own, a minute apart.
fn runs_of_a_day(count: i64) -> Vec<(Run, Vec<TaskRun>, CloudEvent)> {
    (0..count)
        .map(|number| {
            let (mut run, mut tasks, mut event) = samples::failed_run();
            event.id = number.to_string();
            run.event = event.key();
            run.id = RunId::derive(&run.event, &run.workflow);
            run.started_at = samples::NOW - SignedDuration::from_mins(count - number);
            for task in &mut tasks {
                task.run = run.id.clone();
            }
            (run, tasks, event)
        })
        .collect()
}

#[tokio::test]
async fn list_goes_on_until_every_run_was_seen_once() {
    let fixture = Fixture::new().await;
    let all = runs_of_a_day(7);
    for (run, tasks, _) in &all {
        fixture.run(run, tasks);
    }
    let mut newest_first: Vec<RunId> = all.iter().map(|(run, ..)| run.id.clone()).collect();
    newest_first.reverse();
    for filter in [
        json!({"limit": 3}),
        json!({"limit": 3, "workflow": "follow-up"}),
        json!({"limit": 3, "state": "failed"}),
        json!({"limit": 3, "workflow": "follow-up", "day": "2026-11-21", "state": "failed"}),
    ] {
        let mut wanted: RunFilter = serde_json::from_value(filter.clone()).unwrap();
        let mut seen = Vec::new();
        let mut pages = 0;
        loop {
            let page = fixture.management.runs(&wanted, fixture.now).await.unwrap();
            seen.extend(page.items.into_iter().map(|run| run.id));
            pages += 1;
            wanted.cursor = page.next;
            // What crosses the wire means the same.
            let wire = json!(wanted);
            wanted = serde_json::from_value(wire).unwrap();
            if wanted.cursor.is_none() {
                break;
            }
        }
        assert_eq!(seen, newest_first, "{filter}");
        assert!(pages >= 3, "{filter}: {pages}");
    }
}

#[tokio::test]
async fn failed_runs_of_a_period_are_tried_again_page_by_page() {
    let fixture = Fixture::new().await;
    let all = runs_of_a_day(60);
    for (index, (run, tasks, event)) in all.iter().enumerate() {
        let mut run = run.clone();
        // The second half of them has succeeded, and the event of the first one has expired.
        if index >= 30 {
            run.state = RunState::Succeeded;
        }
        fixture.run(&run, tasks);
        if index > 0 {
            fixture.event(event, run.started_at, &json!([]));
        }
    }
    for dry_run in [true, false] {
        let mut request: RetryFailed = serde_json::from_value(json!({
            "since": "2026-11-21T00:00:00Z", "until": "2026-11-22T00:00:00Z", "dry_run": dry_run
        }))
        .unwrap();
        let mut pages = Vec::new();
        loop {
            let page = fixture.management.retry_failed(&request, fixture.now).await;
            let page = page.unwrap();
            request.cursor.clone_from(&page.next);
            pages.push(page);
            if request.cursor.is_none() {
                break;
            }
        }
        let looked_at: u32 = pages.iter().map(|page| page.looked_at).sum();
        let retried: Vec<RunId> = pages.iter().flat_map(|page| page.retried.clone()).collect();
        let expected: Vec<RunId> = all[1..30].iter().map(|(run, ..)| run.id.clone()).collect();
        assert_eq!((looked_at, retried), (60, expected));
        let not_retried: Vec<&str> = pages
            .iter()
            .flat_map(|page| &page.not_retried)
            .map(|left| left.reason.as_str())
            .collect();
        assert_eq!(not_retried.len(), 1);
        assert!(not_retried[0].contains("expired"), "{not_retried:?}");
        assert!(pages.len() >= 2, "25 runs a call");
        let writes = fixture.aws().writes.len();
        assert_eq!(writes, if dry_run { 0 } else { 2 * 29 });
    }
}

#[tokio::test]
async fn period_that_ends_before_it_begins_is_refused() {
    let fixture = Fixture::new().await;
    let request: RetryFailed = serde_json::from_value(json!({
        "since": "2026-11-22T00:00:00Z", "until": "2026-11-21T00:00:00Z"
    }))
    .unwrap();
    let error = fixture.management.retry_failed(&request, fixture.now).await;
    assert_eq!(error.unwrap_err().fields()[0].path, "until");
}

fn replay(document: Value) -> ReplayEvent {
    let mut request = json!({"workflow": "follow-up", "replay_id": "r1"});
    let fields = request.as_object_mut().unwrap();
    fields.extend(document.as_object().unwrap().clone());
    serde_json::from_value(request).unwrap()
}

/// A workflow that listens to the event of [`samples::failed_run`].
fn listening() -> Workflow {
    definition::workflow(&json!({
        "id": "follow-up", "name": "Follow up", "trigger": {"event": {"type": "response.completed"}},
        "tasks": [{"id": "ticket", "kind": "zendesk.create_ticket", "account": "support", "input": {"comment": "x"}}]
    }))
    .unwrap()
}

#[tokio::test]
async fn first_replay_begins_the_run_that_a_delivery_would_have_and_a_repeated_one_repeats_its_message()
 {
    let fixture = Fixture::new().await;
    let (_, _, event) = samples::failed_run();
    fixture.workflow(&listening(), 2);
    fixture.event(&event, fixture.now, &json!([]));
    let first = RunId::derive(&event.key(), &listening().id);
    let key = event.key();
    for (refuses, outcome, written) in [
        // State first, message second.
        (true, None, vec!["TransactWriteItems", "PutEvents"]),
        (
            false,
            Some(json!({"outcome": "repeated", "run": first})),
            vec!["PutEvents"],
        ),
    ] {
        fixture.aws().refuses_events = refuses;
        fixture.aws().writes.clear();
        let replayed = fixture
            .management
            .replay_event(&key, &replay(json!({})), fixture.now)
            .await;
        assert_eq!(fixture.aws().written(), written);
        match outcome {
            None => assert_eq!(replayed.unwrap_err().kind(), ErrorKind::Unavailable),
            Some(outcome) => assert_eq!(json!(replayed.unwrap().outcome), outcome),
        }
        let detail = fixture.aws().writes.last().unwrap().1["Entries"][0]["Detail"].clone();
        assert!(
            detail.as_str().unwrap().contains(first.as_str()),
            "{detail}"
        );
    }
    // It is noted on the event, which shows it.
    let shown = fixture
        .management
        .event(&key, None, samples::NOW)
        .await
        .unwrap();
    assert_eq!(shown.replays.len(), 1);
    assert_eq!(
        (&shown.replays[0].run, shown.replays[0].state),
        (&first, Some(RunState::Running))
    );
    // Another one would have the same keys while that one goes on; with new ones it runs.
    let other = replay(json!({"replay_id": "r2"}));
    let refused = fixture
        .management
        .replay_event(&key, &other, fixture.now)
        .await;
    let error = refused.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.to_string().contains(first.as_str()), "{error}");
    let other = replay(json!({"replay_id": "r2", "new_keys": true}));
    let replayed = fixture
        .management
        .replay_event(&key, &other, fixture.now)
        .await;
    let outcome = json!(replayed.unwrap().outcome);
    assert_eq!(
        (&outcome["outcome"], &outcome["first"]),
        (&json!("started"), &json!(false))
    );
    assert_ne!(outcome["run"], json!(first));
}

#[tokio::test]
async fn whoever_replays_at_the_same_moment_is_told_to_look_again() {
    let fixture = Fixture::new().await;
    let (_, _, event) = samples::failed_run();
    fixture.workflow(&listening(), 2);
    fixture.event(&event, fixture.now, &json!([]));
    fixture.aws().refuses_transactions = true;
    let replayed = fixture
        .management
        .replay_event(&event.key(), &replay(json!({})), fixture.now)
        .await;
    assert_eq!(replayed.unwrap_err().kind(), ErrorKind::Conflict);
    let written = fixture.aws().written().len();
    assert_eq!(
        written, 4,
        "it read the event again each time, and told nobody"
    );
}

#[tokio::test]
async fn replay_is_written_on_condition_that_nobody_opened_a_run_of_the_event_since() {
    let (run, mut tasks, event) = samples::failed_run();
    tasks.truncate(1);
    let started =
        json!([{"workflow": run.workflow, "revision": 1, "outcome": "started", "run": run.id}]);
    let fixture = Fixture::new().await;
    fixture.workflow(&listening(), 2);
    fixture.run(&run, &tasks);
    fixture.event(&event, fixture.now, &started);
    let conditions = || -> Vec<String> {
        let aws = fixture.aws();
        let transactions = aws
            .writes
            .iter()
            .filter(|(name, _)| name == "TransactWriteItems");
        transactions
            .map(|(_, body)| {
                let items = body["TransactItems"].as_array().unwrap();
                let note = items
                    .iter()
                    .find(|item| item["Update"]["TableName"] == "events_table");
                note.unwrap()["Update"]["ConditionExpression"]
                    .as_str()
                    .unwrap()
                    .to_owned()
            })
            .collect()
    };
    let replayed = fixture
        .management
        .replay_event(
            &event.key(),
            &replay(json!({"new_keys": true})),
            fixture.now,
        )
        .await;
    replayed.unwrap();
    let retried = fixture
        .management
        .retry_run(&run.id, None, fixture.now)
        .await;
    retried.unwrap();
    assert_eq!(
        conditions(),
        [
            "attribute_exists(#event) AND attribute_not_exists(opened)",
            "attribute_exists(#event) AND opened = :seen"
        ]
    );
}

#[tokio::test]
async fn run_is_not_tried_again_while_a_replay_that_has_its_keys_goes_on() {
    let (run, tasks, event) = samples::failed_run();
    let started =
        json!([{"workflow": run.workflow, "revision": 1, "outcome": "started", "run": run.id}]);
    let fixture = Fixture::new().await;
    fixture.workflow(&listening(), 2);
    fixture.run(&run, &tasks);
    fixture.event(&event, fixture.now, &started);
    let replayed = fixture
        .management
        .replay_event(&event.key(), &replay(json!({})), fixture.now)
        .await;
    assert_eq!(json!(replayed.unwrap().outcome)["first"], json!(false));
    let retried = fixture
        .management
        .retry_run(&run.id, None, fixture.now)
        .await;
    let error = retried.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.to_string().contains("goes on"), "{error}");
}

#[tokio::test]
async fn workflow_that_is_off_or_unknown_replays_nothing() {
    let fixture = Fixture::new().await;
    let (_, _, event) = samples::failed_run();
    fixture.event(&event, fixture.now, &json!([]));
    let ask = |more: Value| {
        let management = &fixture.management;
        let (request, key) = (replay(more), event.key());
        async move { management.replay_event(&key, &request, samples::NOW).await }
    };
    let error = ask(json!({})).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let off = Workflow {
        enabled: false,
        ..listening()
    };
    fixture.workflow(&off, 1);
    let error = ask(json!({})).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.to_string().contains("switch it on"), "{error}");
    let replayed = ask(json!({"regardless": true})).await.unwrap();
    assert_eq!(json!(replayed.outcome)["outcome"], "started");
}

#[tokio::test]
async fn events_of_a_period_are_replayed_once_however_often_it_is_broken_off() {
    let fixture = Fixture::new().await;
    fixture.workflow(&listening(), 2);
    let all = runs_of_a_day(60);
    for (index, (run, tasks, event)) in all.iter().enumerate() {
        let mut event = event.clone();
        let mut decisions = json!([]);
        // Every tenth has a run, every seventh is of another type.
        if index % 10 == 0 {
            fixture.run(run, tasks);
            decisions = json!([{"workflow": run.workflow, "revision": 1, "outcome": "started", "run": run.id}]);
        } else if index % 7 == 0 {
            event.kind = "other".to_owned();
        }
        fixture.event(&event, run.started_at, &decisions);
    }
    let others = (0..60)
        .filter(|index| index % 10 != 0 && index % 7 == 0)
        .count();
    let request = |cursor: Option<management::Cursor>| -> ReplayEvents {
        serde_json::from_value(json!({
            "since": "2026-11-21T00:00:00Z", "until": "2026-11-22T00:00:00Z", "workflow": "follow-up",
            "replay_id": "r1", "missing": true, "cursor": cursor
        }))
        .unwrap()
    };
    // Broken off after the first page.
    let page = fixture
        .management
        .replay_events(&request(None), fixture.now)
        .await
        .unwrap();
    assert!(page.next.is_some());
    let mut started = page.started.len();
    for round in 0..2 {
        let mut cursor = None;
        let mut sums = [0; 4];
        loop {
            let page = fixture
                .management
                .replay_events(&request(cursor), fixture.now)
                .await
                .unwrap();
            assert_eq!(page.refused, []);
            started += page.started.len();
            for (sum, more) in sums.iter_mut().zip([
                page.looked_at,
                page.repeated,
                page.has_run,
                page.not_listening,
            ]) {
                *sum += usize::try_from(more).unwrap();
            }
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        let [looked_at, repeated, has_run, not_listening] = sums;
        assert_eq!((looked_at, has_run, not_listening), (60, 6, others));
        if round == 1 {
            assert_eq!(repeated, 54 - others);
        }
    }
    assert_eq!(started, 54 - others);
    let heads = fixture
        .aws()
        .rows("runs_table")
        .iter()
        .filter(|row| row["sk"]["S"] == "run")
        .count();
    assert_eq!(heads, 60 - others);
}

#[tokio::test]
async fn every_event_of_a_period_regardless_needs_a_type() {
    let fixture = Fixture::new().await;
    fixture.workflow(&listening(), 2);
    let request: ReplayEvents = serde_json::from_value(json!({
        "since": "2026-11-21T00:00:00Z", "until": "2026-11-22T00:00:00Z", "workflow": "follow-up",
        "replay_id": "r1", "regardless": true
    }))
    .unwrap();
    let error = fixture
        .management
        .replay_events(&request, fixture.now)
        .await;
    assert_eq!(error.unwrap_err().fields()[0].path, "type");
}

#[tokio::test]
async fn events_are_listed_newest_first_and_only_those_that_are_wanted() {
    let fixture = Fixture::new().await;
    let all = runs_of_a_day(5);
    for (index, (run, _, event)) in all.iter().enumerate() {
        let mut event = event.clone();
        if index == 2 {
            event.kind = "other".to_owned();
        }
        fixture.event(&event, run.started_at, &json!([]));
    }
    for (filter, expected, is_cut) in [
        (json!({}), vec![4, 3, 2, 1, 0], false),
        (json!({"limit": 2}), vec![4, 3], true),
        (json!({"type": "other"}), vec![2], false),
        (
            json!({"since": "2026-11-21T12:27:00Z"}),
            vec![4, 3, 2],
            false,
        ),
        (json!({"until": "2026-11-21T12:26:00Z"}), vec![0], false),
        (
            json!({"since": "2026-11-10T00:00:00Z", "until": "2026-11-11T00:00:00Z"}),
            vec![],
            false,
        ),
    ] {
        let wanted: EventFilter = serde_json::from_value(filter.clone()).unwrap();
        let page = fixture
            .management
            .events(&wanted, fixture.now)
            .await
            .unwrap();
        let keys: Vec<_> = page.items.iter().map(|entry| entry.key.clone()).collect();
        let expected: Vec<_> = expected
            .into_iter()
            .map(|index: usize| all[index].2.key())
            .collect();
        assert_eq!(keys, expected, "{filter}");
        assert_eq!(page.next.is_some(), is_cut, "{filter}");
        check_schema(&page);
    }
}

#[tokio::test]
async fn event_that_announces_a_response_tells_where_its_answers_are() {
    let fixture = Fixture::new().await;
    let (_, _, mut event) = samples::failed_run();
    event.kind = "qualtrics.response.notified".to_owned();
    event.id = "notified.R_1".to_owned();
    fixture.event(&event, fixture.now, &json!([]));
    let other = |id: &str| CloudEvent {
        id: id.to_owned(),
        kind: "qualtrics.response.completed".to_owned(),
        ..event.clone()
    };
    let later = samples::NOW + SignedDuration::from_hours(28);
    for (arrived, now, expected) in [
        (None, samples::NOW, "pending"),
        (None, later, "missing"),
        (Some("R_1"), later, "fetched"),
    ] {
        if let Some(id) = arrived {
            fixture.event(&other(id), fixture.now, &json!([]));
        }
        let shown = fixture
            .management
            .event(&event.key(), None, now)
            .await
            .unwrap();
        let answers = json!(shown.answers);
        assert_eq!(answers["state"], expected);
        assert_eq!(answers["event"], json!(other("R_1").key()));
        check_schema(&shown);
    }
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
    check_schema(&fixture.accounts.put_endpoint(&survey).await.unwrap());
    check_schema(&fixture.accounts.endpoint(&survey.name).await.unwrap());
    check_schema(&fixture.accounts.endpoints().await.unwrap());
    check_schema(&fixture.accounts.account(&account("support")).await.unwrap());
    check_schema(
        &fixture
            .management
            .workflows(&management::WorkflowFilter::default())
            .await
            .unwrap(),
    );
    check_schema(&fixture.management.run(&run.id).await.unwrap());
    check_schema(&samples::evaluated_event().0);
    let unknown = fixture.accounts.account(&account("nobody")).await;
    check_schema(&unknown.unwrap_err().problem());
}
