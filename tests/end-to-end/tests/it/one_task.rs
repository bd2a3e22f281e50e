//! Tasks one by one: what an event pipes into their fields, and what the vendor's record then holds.

use std::collections::{BTreeSet, HashMap};
use std::slice;
use std::sync::atomic::{AtomicU32, Ordering};

use domain::{TaskKind, TaskRun, TaskState};
use sandbox::InstanceControl;
use schemars::SchemaGenerator;
use serde_json::{Map, Value, json};

use crate::scene::{Scene, assert_state};

/// A table, each row in one line, which rustfmt leaves alone.
macro_rules! rows {
    ($($row:expr;)*) => { [$($row),*] };
}
pub(crate) use rows;

/// A field of a task.
pub(crate) struct Field {
    /// Where it stands in the task's input, with dots: `fields.u_nps`.
    path: &'static str,
    /// What the event brings for it.
    piped: Value,
    /// Where the vendor's record then holds it, as a JSON pointer.
    kept_at: &'static str,
    /// What the record holds there.
    kept: Value,
}

pub(crate) fn field(
    path: &'static str,
    piped: impl Into<Value>,
    kept_at: &'static str,
    kept: impl Into<Value>,
) -> Field {
    Field {
        path,
        piped: piped.into(),
        kept_at,
        kept: kept.into(),
    }
}

/// The input in which every field is piped text, and the form, `event.data.form`, that fills it.
fn piped(fields: &[Field]) -> (Value, Value) {
    let (mut input, mut form) = (json!({}), json!({}));
    for Field { path, piped, .. } in fields {
        let name = path.replace('.', "_");
        let mut place = &mut input;
        for key in path.split('.') {
            place = &mut place[key];
        }
        *place = json!(format!("{{{{ event.data.form.{name} }}}}"));
        form[name] = piped.clone();
    }
    (input, form)
}

/// A task of a workflow, with the test's account at the kind's vendor.
pub(crate) fn task(id: &str, kind: TaskKind, input: Value) -> Value {
    json!({"id": id, "kind": kind, "account": format!("${}", kind.vendor()), "input": input})
}

/// Performs tasks for an event of their own, which brings a form; gives them by id once all have ended.
pub(crate) async fn perform_all(
    scene: &Scene,
    tasks: Vec<Value>,
    form: Value,
) -> HashMap<String, TaskRun> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let name = format!("w{}", COUNT.fetch_add(1, Ordering::Relaxed));
    let trigger =
        json!({"event": {"type": format!("{}.happened", scene.id), "subject": name.clone()}});
    let tasks = Value::Array(tasks);
    let workflow = scene.apply_on(&name, trigger, None, tasks).await;
    let event = json!({"id": name.clone(), "subject": name, "form": form});
    scene.send_and_end(&event, &workflow).await.1
}

pub(crate) async fn perform(scene: &Scene, kind: TaskKind, input: Value, form: Value) -> TaskRun {
    let tasks = vec![task("task", kind, input)];
    let mut ended = perform_all(scene, tasks, form).await;
    ended.remove("task").unwrap()
}

/// Performs a task all of whose fields are piped, without a warning.
pub(crate) async fn perform_piped(scene: &Scene, kind: TaskKind, fields: &[Field]) -> TaskRun {
    let (input, form) = piped(fields);
    let task = perform(scene, kind, input, form).await;
    assert_clean(&task);
    task
}

/// That these are all fields that the kind of task takes, so that none is forgotten.
pub(crate) fn assert_every_field_of(kind: TaskKind, tables: &[&[Field]]) {
    let mut generator = SchemaGenerator::default();
    let schema = kind.input_schema(&mut generator);
    let name = schema.get("$ref").and_then(Value::as_str).unwrap();
    let name = name.rsplit('/').next().unwrap();
    let properties = generator.definitions()[name]["properties"]
        .as_object()
        .unwrap();
    let expected: BTreeSet<&str> = properties.keys().map(String::as_str).collect();
    let fields = tables.iter().copied().flatten();
    let seen: BTreeSet<&str> = fields
        .filter_map(|field| field.path.split('.').next())
        .collect();
    assert_eq!(seen, expected, "{kind}");
}

/// That the record holds what the table says.
pub(crate) fn assert_kept(record: &Value, fields: &[Field]) {
    let wrong: Vec<String> = fields
        .iter()
        .filter_map(|field| {
            let kept = record.pointer(field.kept_at);
            (kept != Some(&field.kept)).then(|| {
                format!(
                    "{}: expected {} at {}, found {kept:?}",
                    field.path, field.kept, field.kept_at
                )
            })
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}\n{record:#}");
}

pub(crate) fn assert_clean(task: &TaskRun) {
    assert_state(task, TaskState::Succeeded);
    assert_eq!(task.warnings, [""; 0], "{}", task.name);
}

pub(crate) fn assert_output(task: &TaskRun, expected: Value) {
    let output = task.output.clone().map(Value::Object);
    assert_eq!(output, Some(expected), "{}", task.name);
}

/// That the task has failed, for good, and says why in these words.
pub(crate) fn assert_failed(task: &TaskRun, words: &[&str]) {
    assert_state(task, TaskState::Failed);
    assert_eq!(task.attempts_begun, 1, "{:?}", task.reason);
    let reason = task.reason.as_deref().unwrap_or_default();
    for word in words {
        assert!(reason.contains(word), "{}: {word} in {reason}", task.name);
    }
}

/// That there is one warning for each of these, which has all of its words.
pub(crate) fn assert_warnings(task: &TaskRun, expected: &[&[&str]]) {
    assert_state(task, TaskState::Succeeded);
    let warnings = &task.warnings;
    assert_eq!(warnings.len(), expected.len(), "{warnings:#?}");
    for words in expected {
        let found = warnings
            .iter()
            .any(|warning| words.iter().all(|word| warning.contains(word)));
        assert!(found, "{words:?} in {warnings:#?}");
    }
}

/// Somebody at the vendor who has nothing to do with closedloop.
pub(crate) struct Colleague<'a> {
    pub(crate) vendor: &'a InstanceControl,
    pub(crate) user: &'a str,
    pub(crate) password: &'a str,
}

impl Colleague<'_> {
    /// Calls the vendor; gives the one thing that the answer is about.
    pub(crate) async fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let response = reqwest::Client::new()
            .request(method, format!("{}{path}", self.vendor.url()))
            .basic_auth(self.user, Some(self.password))
            .header("accept", "application/json")
            .header("content-type", "application/json")
            .body(body.to_string())
            .send()
            .await
            .unwrap();
        let status = response.status();
        let text = response.text().await.unwrap();
        assert!(status.is_success(), "{status} {text}");
        let answer: Map<String, Value> = serde_json::from_str(&text).unwrap();
        let about = ["result", "ticket", "profile", "custom_object_record"];
        let about = about.into_iter().find_map(|name| answer.get(name));
        about.unwrap_or(&Value::Null).clone()
    }
}

/// What an event pipes into a field that takes something else.
#[tokio::test]
async fn bad_piped_value_names_field_value_and_rule_and_calls_nobody() {
    use TaskKind::{
        ServiceNowCreateRecord, ServiceNowUpdateRecord, ZendeskCreateProfile as CreateProfile,
        ZendeskCreateRecord as CreateRecord, ZendeskCreateTicket as CreateTicket,
        ZendeskUpdateProfile as UpdateProfile, ZendeskUpdateRecord as UpdateRecord,
        ZendeskUpdateTicket as UpdateTicket,
    };
    let scene = Scene::new("bad-piped").await;
    let incident = json!({"table": "incident", "short_description": "x"});
    let change = json!({"table": "change_request", "number": "CHG1", "description": "x"});
    let ticket = json!({"comment": "x"});
    let to_do = json!({"comment": "x", "type": "task"});
    let update = json!({"ticket_id": 1, "comment": "x"});
    let profile = json!({"source": "shop", "type": "customer", "email": "a@b.c", "name": "x"});
    let record = json!({"object_type": "visit", "attributes": {"name": "x"}});
    let record_update =
        json!({"object_type": "visit", "record_id": "01GD", "attributes": {"name": "x"}});
    // Kind, the rest of the input, field, what is piped into it, how it reads, and the rule.
    let rows = rows! {
        (ServiceNowCreateRecord, &incident, "table", json!("Incident!"), "`Incident!`", "lower-case letters");
        (ServiceNowCreateRecord, &incident, "urgency", json!("asap"), "`asap`", "low, medium, high");
        (ServiceNowCreateRecord, &incident, "impact", json!([1]), "a list", "low, medium, high");
        (ServiceNowCreateRecord, &incident, "state", json!("done"), "`done`", "in_progress, on_hold, resolved");
        (ServiceNowCreateRecord, &incident, "state", json!("resolved"), "`resolved`", "needs the column `close_code`");
        (ServiceNowCreateRecord, &incident, "assigned_to", json!("Jane"), "`Jane`", "32 hexadecimal digits");
        (ServiceNowCreateRecord, &incident, "comment", json!({"a": 1}), "an object", "expected a text");
        (ServiceNowCreateRecord, &incident, "fields.u_nps", json!({"a": 1}), "an object", "expected a text, number");
        (ServiceNowUpdateRecord, &change, "state", json!("resolved"), "`resolved`", "in_progress, on_hold, closed");
        (ServiceNowUpdateRecord, &change, "number", json!("a^b"), "`a^b`", "without `^`");
        (ServiceNowUpdateRecord, &change, "number", json!(" "), "` `", "1 to 100 characters");
        (CreateTicket, &ticket, "comment", json!(" "), "is empty", "a new ticket needs");
        (CreateTicket, &ticket, "priority", json!("asap"), "`asap`", "low, normal, high or urgent");
        (CreateTicket, &ticket, "status", json!("done"), "`done`", "new, open, pending");
        (CreateTicket, &ticket, "type", json!("bug"), "`bug`", "problem, incident, question or task");
        (CreateTicket, &ticket, "public", json!("maybe"), "`maybe`", "true or false");
        (CreateTicket, &ticket, "requester.email", json!("jane"), "`jane`", "an e-mail address");
        (CreateTicket, &ticket, "assignee_email", json!("ann"), "`ann`", "an e-mail address");
        (CreateTicket, &ticket, "group_id", json!("7a"), "`7a`", "a numeric id");
        (CreateTicket, &to_do, "due_at", json!("soon"), "`soon`", "2026-12-01");
        (CreateTicket, &ticket, "tags", json!(["a,b"]), "`a,b`", "without commas");
        (CreateTicket, &ticket, "custom_fields.100", json!({"a": 1}), "an object", "expected a text, number");
        (UpdateTicket, &update, "ticket_id", json!("T-1"), "`T-1`", "a numeric id");
        (UpdateTicket, &update, "updated_stamp", json!("today"), "`today`", "a moment");
        (UpdateTicket, &update, "safe_update", json!(2), "`2`", "true or false");
        (UpdateTicket, &update, "add_tags", json!("\"a"), "`\"a`", "never closed");
        (CreateProfile, &profile, "email", json!("jane"), "`jane`", "an e-mail address");
        (CreateProfile, &profile, "source", json!("zendesk"), "`zendesk`", "keeps for itself");
        (UpdateProfile, &profile, "type", json!("a:b"), "`a:b`", "without `:`");
        (UpdateProfile, &profile, "attributes.plan", json!(["a"]), "a list", "join");
        (CreateRecord, &record, "object_type", json!("../x"), "`../x`", "the key of a custom object");
        (CreateRecord, &record, "attributes.name", json!(["a"]), "a list", "join");
        (UpdateRecord, &record_update, "record_id", json!("a/b"), "`a/b`", "a record's id");
    };
    let mut form = json!({});
    let mut tasks = Vec::new();
    for (row, (kind, input, path, value, _, _)) in rows.iter().enumerate() {
        let id = format!("t{row}");
        let mut input = Value::clone(input);
        let mut place = &mut input;
        for key in path.split('.') {
            place = &mut place[key];
        }
        *place = json!(format!("{{{{ event.data.form.{id} }}}}"));
        form[id.as_str()] = value.clone();
        tasks.push(task(&id, *kind, input));
    }
    let ended = perform_all(&scene, tasks, form).await;
    for (row, (kind, _, path, _, value, rule)) in rows.iter().enumerate() {
        let task = &ended[&format!("t{row}")];
        assert_eq!(task.kind, *kind);
        assert_failed(task, slice::from_ref(path));
        assert_failed(task, &[value, rule]);
    }
    assert_eq!(scene.servicenow.requests().await.unwrap(), []);
    assert_eq!(scene.zendesk.requests().await.unwrap(), []);
}
