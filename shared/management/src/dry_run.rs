//! What a workflow would do with an event, without doing any of it.
//!
//! The condition is evaluated and the piped text filled in by the same functions as in earnest. What each task
//! would send, its task function tells, which is the only one to know. Nothing is stored and nobody is told.

use std::collections::BTreeSet;

use domain::decision::{self, Applies};
use domain::preview::{
    PlannedRequest, Preview, PreviewAccount, PreviewEnvelope, PreviewRequest, unknown,
};
use domain::{
    Account, AccountName, AccountState, CloudEvent, EventKey, RunId, TaskKey, TaskKind, TaskName,
    TaskRun, TaskState, Vendor, Workflow, WorkflowId, definition, run,
};
use jiff::Timestamp;
use rules::piped_text::{self, Reference};
use rules::{Trace, Truth};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use startup::AwsConfig;

use crate::error::Error;
use crate::names::TaskFunctionNames;
use crate::problem::FieldProblem;
use crate::{WorkflowManagement, WorkflowRevision};

/// What the tasks of an answer may take together, in bytes of JSON. The API answers 4.5 MB at most, and the command
/// line shows all of it.
const MOST_BYTES: usize = 2_000_000;

/// What an event is like of which less is said than an event needs.
const ID: &str = "dry-run";
const SOURCE: &str = "/dry-run";

/// Asks what a workflow would do with an event.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DryRunRequest {
    /// A definition, whether or not it was ever applied. This or `workflow_id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Workflow>")]
    pub workflow: Option<Value>,
    /// A workflow of the stack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow_id: Option<WorkflowId>,
    /// This revision of it; the one that counts when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u32>,
    /// A `CloudEvents` object. Only its `type` must be there: the rest is filled in. This or `event_key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Map<String, Value>>")]
    pub event: Option<Value>,
    /// An event that the stack has received.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_key: Option<EventKey>,
}

/// What a workflow would do with an event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DryRun {
    /// The workflow.
    pub workflow: WorkflowId,
    /// What people call it.
    pub workflow_name: String,
    /// Its revision; absent when it was given as a definition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u32>,
    /// The event.
    pub event: EventSeen,
    /// Whether the workflow would start.
    pub starts: bool,
    /// Why it would not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
    /// Whether its trigger listens to such events.
    pub listens: bool,
    /// What became of its condition.
    pub condition: ConditionSeen,
    /// The run that the event would start.
    pub run: RunId,
    /// What its tasks would do, also when it would not start.
    pub tasks: Vec<TaskPreview>,
}

/// The event of a dry run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EventSeen {
    /// Its key.
    pub key: EventKey,
    /// Its `id`.
    pub id: String,
    /// Its `source`.
    pub source: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its subject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// When it happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Timestamp>,
    /// The attributes that were not given and filled in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub filled_in: Vec<String>,
}

/// What a condition came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConditionSeen {
    /// Whether it is known to hold.
    pub holds: bool,
    /// Whether it hangs on values that are missing, or that cannot be compared as the condition asks for.
    pub unknown: bool,
    /// Each comparison with the value seen; null without a condition, and when it is too large.
    pub trace: Value,
}

/// What a task would do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TaskPreview {
    /// Its name in the workflow.
    pub id: TaskName,
    /// What it does.
    pub kind: TaskKind,
    /// Its name towards the vendor.
    pub key: TaskKey,
    /// The tasks that come before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<TaskName>,
    /// The account that it uses.
    pub account: AccountAsked,
    /// Why its own condition holds or does not: each comparison with the value seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<Value>,
    /// Its input with the piped text filled in. What an earlier task would leave stands between `‹` and `›`, as in
    /// `‹incident.number›`. Absent when it could not be filled in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Value>,
    /// The outputs of earlier tasks that it is made of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<String>,
    /// Where the paths of the requests begin; absent when there is no account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The requests of its first attempt, in order.
    pub requests: Vec<PlannedRequest>,
    /// Why there are none. With a path below the input, where it is one field's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<FieldProblem>,
    /// What is to be known beside.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// The account of a task, as far as it is known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AccountAsked {
    /// The name that the task has for it.
    pub name: AccountName,
    /// Whose account it is; absent when there is none of that name, or nobody was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor: Option<Vendor>,
    /// Whether it can be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<AccountState>,
    /// What is in the way of using it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

impl WorkflowManagement {
    /// What a workflow would do with an event. Asks the task functions, which call nobody; stores nothing.
    ///
    /// # Errors
    /// `Invalid` with every problem of the definition or of the event; `NotFound`; `Unavailable`. A task function
    /// that does not answer is told with its tasks.
    pub async fn dry_run(&self, request: &DryRunRequest, now: Timestamp) -> Result<DryRun, Error> {
        let (workflow, revision) = match workflow_of(request)? {
            Asked::Given(workflow) => (*workflow, None),
            Asked::Stored(id, revision) => {
                let WorkflowRevision {
                    workflow, revision, ..
                } = self.workflow(id, revision).await?;
                (workflow, Some(revision))
            }
        };
        let (event, filled_in) = match event_of(request, now)? {
            Asked::Given(read) => *read,
            Asked::Stored(key, _) => (self.event(key, None, now).await?.event, Vec::new()),
        };
        let mut plan = plan(&workflow, revision, &event, filled_in, now);
        let mut room = MOST_BYTES;
        for task in &mut plan.tasks {
            self.complete(task).await?;
            bound(task, &mut room);
        }
        Ok(plan)
    }

    async fn complete(&self, task: &mut TaskPreview) -> Result<(), Error> {
        let account = self.account_rows.get(&task.account.name).await?;
        let needed = task.kind.vendor();
        task.account.vendor = account.as_ref().map(|account| account.vendor);
        task.account.state = account.as_ref().map(|account| account.state);
        task.account.problem = account_problem(account.as_ref(), needed);
        let Some(input) = task.input.clone() else {
            return Ok(());
        };
        let instance = account
            .filter(|account| account.vendor == needed)
            .map(|account| account.instance);
        let question = PreviewRequest {
            kind: task.kind,
            key: task.key.clone(),
            account: PreviewAccount {
                name: task.account.name.clone(),
                vendor: needed,
                instance,
            },
            input,
        };
        match self.task_functions.ask(question).await {
            Ok(preview) => take_in(task, preview),
            Err(problem) => task.problem = Some(whole(problem)),
        }
        Ok(())
    }
}

/// What is known without a stack: the condition, and the tasks with their piped text filled in.
///
/// # Errors
/// `Invalid` with every problem of the definition or of the event, and when either is to be looked up.
pub fn dry_run_offline(request: &DryRunRequest, now: Timestamp) -> Result<DryRun, Error> {
    const NEEDED: &str = "needs the stack: give it as a file instead";
    let Asked::Given(workflow) = workflow_of(request)? else {
        return Err(Error::field("workflow_id", NEEDED));
    };
    let Asked::Given(read) = event_of(request, now)? else {
        return Err(Error::field("event_key", NEEDED));
    };
    let (event, filled_in) = *read;
    let mut plan = plan(&workflow, None, &event, filled_in, now);
    let mut room = MOST_BYTES;
    for task in &mut plan.tasks {
        if task.problem.is_none() {
            task.notes
                .push("what it would send is known with the stack only".to_owned());
        }
        bound(task, &mut room);
    }
    Ok(plan)
}

/// The task functions of a stack.
#[derive(Debug)]
pub(crate) struct TaskFunctions {
    client: aws::lambda::Client,
    names: TaskFunctionNames,
}

impl TaskFunctions {
    pub(crate) fn new(aws: &AwsConfig, names: TaskFunctionNames) -> Self {
        Self {
            client: aws::lambda::Client::new(aws),
            names,
        }
    }

    /// What the task would send, or why its function does not tell.
    async fn ask(&self, preview: PreviewRequest) -> Result<Preview, String> {
        let name = match preview.kind.vendor() {
            Vendor::ServiceNow => &self.names.servicenow,
            Vendor::Zendesk => &self.names.zendesk,
            Vendor::TeamViewer => &self.names.teamviewer,
            Vendor::Qualtrics => return Err("Qualtrics has no tasks".to_owned()),
        };
        let envelope = json!(PreviewEnvelope { preview });
        let answer = self.client.invoke(name, envelope.to_string().into()).await;
        let answer = answer.map_err(|error| match error.code() {
            Some(code) => {
                format!("the function `{name}` could not be asked what it would send: {code}")
            }
            None => format!("the function `{name}` did not answer what it would send"),
        })?;
        if answer.function_error.is_some() {
            return Err(format!(
                "the function `{name}` failed when it was asked what it would send: see its log; one of an older version must be deployed again"
            ));
        }
        serde_json::from_slice(&answer.payload).map_err(|_| {
            format!("the function `{name}` answered something else than what it would send: it is of another version")
        })
    }
}

/// What a request names: as it is, or by its key.
enum Asked<'a, T, K> {
    Given(Box<T>),
    Stored(&'a K, Option<u32>),
}

fn workflow_of(request: &DryRunRequest) -> Result<Asked<'_, Workflow, WorkflowId>, Error> {
    match (&request.workflow, &request.workflow_id) {
        (None, Some(id)) => Ok(Asked::Stored(id, request.revision)),
        (Some(_), None) if request.revision.is_some() => Err(Error::field(
            "revision",
            "expected `workflow_id` beside it: a definition has no revision",
        )),
        (Some(document), None) => match definition::workflow(document) {
            Ok(workflow) => Ok(Asked::Given(Box::new(workflow))),
            Err(problems) => Err(Error::Invalid(
                problems
                    .into_iter()
                    .map(|problem| below("workflow", problem.into()))
                    .collect(),
            )),
        },
        (Some(_), Some(_)) | (None, None) => Err(Error::field(
            "workflow",
            "expected either `workflow` or `workflow_id`",
        )),
    }
}

type ReadEvent = (CloudEvent, Vec<String>);

fn event_of(
    request: &DryRunRequest,
    now: Timestamp,
) -> Result<Asked<'_, ReadEvent, EventKey>, Error> {
    match (&request.event, &request.event_key) {
        (None, Some(key)) => Ok(Asked::Stored(key, None)),
        (Some(document), None) => {
            read_event(document, now).map(|read| Asked::Given(Box::new(read)))
        }
        (Some(_), Some(_)) | (None, None) => Err(Error::field(
            "event",
            "expected either `event` or `event_key`",
        )),
    }
}

/// An event with what was not said filled in, and the names of that.
fn read_event(document: &Value, now: Timestamp) -> Result<ReadEvent, Error> {
    let Some(given) = document.as_object() else {
        return Err(Error::field("event", "expected an object"));
    };
    if !given.get("type").is_some_and(Value::is_string) {
        return Err(Error::field("event.type", "expected a text"));
    }
    let mut event = given.clone();
    let mut filled_in = Vec::new();
    let defaults = [
        ("specversion", json!("1.0")),
        ("id", json!(ID)),
        ("source", json!(SOURCE)),
        ("time", json!(now)),
    ];
    for (name, value) in defaults {
        if !event.contains_key(name) {
            event.insert(name.to_owned(), value);
            filled_in.push(name.to_owned());
        }
    }
    if event.contains_key("data") {
        event
            .entry("datacontenttype")
            .or_insert_with(|| json!("application/json"));
    }
    let event = domain::task::read(&Value::Object(event)).map_err(|error| {
        Error::Invalid(vec![below(
            "event",
            FieldProblem {
                path: error.path,
                problem: error.problem,
            },
        )])
    })?;
    Ok((event, filled_in))
}

fn below(place: &str, problem: FieldProblem) -> FieldProblem {
    let path = match problem.path.as_str() {
        "" => place.to_owned(),
        path => format!("{place}.{path}"),
    };
    FieldProblem { path, ..problem }
}

fn whole(problem: String) -> FieldProblem {
    FieldProblem {
        path: String::new(),
        problem,
    }
}

/// What is known without asking anybody.
fn plan(
    workflow: &Workflow,
    revision: Option<u32>,
    event: &CloudEvent,
    filled_in: Vec<String>,
    now: Timestamp,
) -> DryRun {
    let Applies { holds, trace } = decision::applies(workflow, &json!(event), now);
    let unknown = serde_json::from_value::<Trace>(trace.clone())
        .is_ok_and(|trace| trace.truth() == Truth::Unknown);
    let (listens, mut reasons) = listening(workflow, event);
    let is_loop = event.workflow_chain().contains(&workflow.id);
    if is_loop {
        reasons.push(
            "the event comes from a run of this very workflow, which would start itself".to_owned(),
        );
    }
    if !workflow.enabled {
        reasons.push("the workflow is switched off".to_owned());
    }
    if unknown {
        reasons.push(
            "the condition hangs on values that are missing or cannot be compared".to_owned(),
        );
    } else if !holds {
        reasons.push("the condition does not hold".to_owned());
    }
    let (run, tasks) = simulated(workflow, revision.unwrap_or_default(), event, now);
    DryRun {
        workflow: workflow.id.clone(),
        workflow_name: workflow.name.clone(),
        revision,
        event: EventSeen {
            key: event.key(),
            id: event.id.clone(),
            source: event.source.clone(),
            kind: event.kind.clone(),
            subject: event.subject.clone(),
            time: event.time,
            filled_in,
        },
        starts: listens && holds && workflow.enabled && !is_loop,
        reasons,
        listens,
        condition: ConditionSeen {
            holds,
            unknown,
            trace: decision::kept_trace(trace),
        },
        run,
        tasks: tasks
            .iter()
            .zip(&workflow.tasks)
            .map(|(task, definition)| {
                let mut preview = shown(task);
                if definition.when.as_ref().is_some_and(hangs_on_outputs) {
                    preview.notes.push(
                        "only if its condition holds, which looks at what earlier tasks leave"
                            .to_owned(),
                    );
                }
                preview
            })
            .collect(),
    }
}

/// Whether the trigger hears the event, and why not.
fn listening(workflow: &Workflow, event: &CloudEvent) -> (bool, Vec<String>) {
    let listeners = workflow.listeners();
    let subject = event.subject.as_deref();
    if listeners
        .iter()
        .any(|listener| listener.hears(&event.kind, subject))
    {
        return (true, Vec::new());
    }
    let of_kind: Vec<_> = listeners
        .iter()
        .filter(|listener| listener.kind == event.kind)
        .collect();
    let reason = if of_kind.is_empty() {
        let kinds = listed(listeners.iter().map(|listener| listener.kind.as_str()));
        format!(
            "the workflow listens to events of the type {kinds}, and this one is of the type `{}`",
            event.kind
        )
    } else {
        let subjects = listed(
            of_kind
                .iter()
                .filter_map(|listener| listener.subject.as_deref()),
        );
        let own = subject.map_or_else(
            || "this one has no subject".to_owned(),
            |subject| format!("this one has the subject `{subject}`"),
        );
        format!(
            "the workflow listens to events of this type with the subject {subjects}, and {own}"
        )
    };
    (false, vec![reason])
}

fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: BTreeSet<&str> = names.collect();
    let quoted: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    quoted.join(" or ")
}

/// The run that the event would start, in which every task succeeds and leaves names for what it would leave.
fn simulated(
    workflow: &Workflow,
    revision: u32,
    event: &CloudEvent,
    now: Timestamp,
) -> (RunId, Vec<TaskRun>) {
    let mut workflow = workflow.clone();
    for task in &mut workflow.tasks {
        task.when.take_if(|when| hangs_on_outputs(when));
    }
    let (begun, mut tasks) = run::begin(&workflow, revision, event, Value::Null, now);
    loop {
        let mut moved = false;
        for task in &mut tasks {
            if task.state == TaskState::Requested {
                task.state = TaskState::Succeeded;
                let outputs = task.kind.outputs().iter();
                let outputs =
                    outputs.map(|output| ((*output).to_owned(), json!(left(task, output))));
                task.output = Some(outputs.collect());
                moved = true;
            }
        }
        if !moved {
            return (begun.id, tasks);
        }
        run::settle(&begun, &mut tasks, Some(event));
    }
}

/// Whether a task's condition looks at what earlier tasks leave, which nobody knows before they have run.
fn hangs_on_outputs(when: &rules::Condition) -> bool {
    !when.task_outputs().is_empty()
}

/// Stands for an output.
fn left(task: &TaskRun, output: &str) -> String {
    unknown(format_args!("{}.{output}", task.name))
}

fn shown(task: &TaskRun) -> TaskPreview {
    let kind = task.kind;
    let references = piped_text::references_in_value(&task.draft, &|path| kind.destination(path));
    let depends_on: Vec<String> = references
        .unwrap_or_default()
        .into_iter()
        .map(|Reference { task, output }| match output {
            Some(output) => format!("{task}.{output}"),
            None => task,
        })
        .collect();
    TaskPreview {
        id: task.name.clone(),
        kind: task.kind,
        key: task.key.clone(),
        needs: task.needs.clone(),
        account: AccountAsked {
            name: task.account.clone(),
            vendor: None,
            state: None,
            problem: None,
        },
        problem: task.reason.clone().map(|reason| {
            whole(match depends_on.as_slice() {
                [] => reason,
                outputs => format!(
                    "{reason}; it depends on what {} would leave",
                    outputs.join(", ")
                ),
            })
        }),
        trace: task.trace.clone(),
        input: task.input.clone(),
        depends_on,
        address: None,
        requests: Vec::new(),
        notes: Vec::new(),
    }
}

fn account_problem(account: Option<&Account>, needed: Vendor) -> Option<String> {
    let Some(account) = account else {
        return Some("there is no such account: connect it first".to_owned());
    };
    if account.vendor != needed {
        return Some(format!(
            "it is a {} account, and the task needs one of {needed}",
            account.vendor
        ));
    }
    match account.state {
        AccountState::Connected => None,
        AccountState::Connecting => {
            Some("nobody has agreed at the vendor yet: until then the task waits".to_owned())
        }
        AccountState::Reconnect => {
            Some("it must be connected again: until then the task waits".to_owned())
        }
    }
}

fn take_in(task: &mut TaskPreview, preview: Preview) {
    task.address = preview.address;
    task.requests = preview.requests;
    task.notes.extend(preview.notes);
    task.problem = preview.problem.map(|problem| FieldProblem {
        path: problem.path,
        problem: match task.depends_on.as_slice() {
            [] => problem.problem,
            outputs => format!(
                "{}; the request depends on {}, which is known when the run gets there",
                problem.problem,
                outputs.join(", ")
            ),
        },
    });
}

/// Leaves out what is too large to be answered.
fn bound(task: &mut TaskPreview, room: &mut usize) {
    let bytes = json!([task.input, task.requests]).to_string().len();
    if let Some(left) = room.checked_sub(bytes) {
        *room = left;
    } else {
        task.input = None;
        task.requests = Vec::new();
        task.notes.push(format!(
                "its input and requests take {bytes} bytes, which is too much to show beside those of the other tasks"
            ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    fn definition(extra: &Value) -> Value {
        let mut workflow = json!({
            "id": "follow-up", "name": "Follow up", "trigger": {"event": {"type": "review.created", "subject": "shop"}},
            "when": {"all": [{"field": "data.rating", "less_than": 3}]},
            "tasks": [
                {"id": "incident", "kind": "servicenow.create_record", "account": "service-desk",
                 "input": {"table": "incident", "short_description": "{{ event.data.text }}"}},
                {"id": "ticket", "kind": "zendesk.create_ticket", "account": "support", "needs": ["incident"],
                 "input": {"comment": "See {{ tasks.incident.output.number }}"}},
                {"id": "close", "kind": "zendesk.update_ticket", "account": "support", "needs": ["ticket"],
                 "input": {"ticket_id": "{{ tasks.ticket.output.id }}", "status": "solved"}}
            ]
        });
        let fields = workflow.as_object_mut().unwrap();
        fields.extend(extra.as_object().unwrap().clone());
        workflow
    }

    fn event(rating: &Value) -> Value {
        json!({"type": "review.created", "subject": "shop", "data": {"rating": rating, "text": "slow"}})
    }

    fn offline(workflow: Value, event: Value) -> Result<DryRun, Error> {
        let request = DryRunRequest {
            workflow: Some(workflow),
            event: Some(event),
            ..DryRunRequest::default()
        };
        dry_run_offline(&request, samples::NOW)
    }

    #[test]
    fn inputs_are_filled_in_and_what_is_not_known_is_named() {
        let plan = offline(definition(&json!({})), event(&json!(2))).unwrap();
        assert!(plan.starts && plan.listens && plan.condition.holds && !plan.condition.unknown);
        assert!(plan.reasons.is_empty());
        assert_eq!(
            plan.event.filled_in,
            ["specversion", "id", "source", "time"]
        );
        let inputs: Vec<_> = plan
            .tasks
            .iter()
            .map(|task| task.input.clone().unwrap())
            .collect();
        assert_eq!(
            inputs,
            [
                json!({"table": "incident", "short_description": "slow"}),
                json!({"comment": "See ‹incident.number›"}),
                json!({"ticket_id": "‹ticket.id›", "status": "solved"}),
            ]
        );
        let depends: Vec<_> = plan
            .tasks
            .iter()
            .map(|task| task.depends_on.join(" "))
            .collect();
        assert_eq!(depends, ["", "incident.number", "ticket.id"]);
        // Run and keys are those of the run that the event would start.
        let id = RunId::derive(&plan.event.key, &plan.workflow);
        assert_eq!(plan.run, id);
        assert_eq!(plan.tasks[1].key, TaskKey::derive(&id, &plan.tasks[1].id));
    }

    #[test]
    fn tasks_are_shown_although_the_workflow_would_not_start() {
        for (extra, given, reason) in [
            (json!({}), event(&json!(5)), "the condition does not hold"),
            (json!({"enabled": false}), event(&json!(2)), "switched off"),
            (
                json!({}),
                json!({"type": "order.placed", "data": {"rating": 2}}),
                "of the type `review.created`, and this one is of the type `order.placed`",
            ),
            (
                json!({}),
                json!({"type": "review.created", "subject": "x", "data": {"rating": 2}}),
                "with the subject `shop`, and this one has the subject `x`",
            ),
            (
                json!({}),
                json!({"type": "review.created", "data": {"rating": 2}}),
                "this one has no subject",
            ),
            (
                json!({}),
                json!({"type": "review.created", "subject": "shop", "data": {"rating": 2}, "workflowchain": "a,follow-up"}),
                "would start itself",
            ),
        ] {
            let plan = offline(definition(&extra), given).unwrap();
            assert!(!plan.starts);
            assert_eq!(plan.reasons.len(), 1, "{:?}", plan.reasons);
            assert!(plan.reasons[0].contains(reason), "{:?}", plan.reasons);
            assert_eq!(plan.tasks.len(), 3);
        }
    }

    #[test]
    fn missing_value_leaves_open_what_the_condition_comes_to() {
        let nothing = json!(null);
        for (when, rating, holds, unknown) in [
            (
                json!({"field": "data.rating", "less_than": 3}),
                &nothing,
                false,
                true,
            ),
            (
                json!({"none": [{"field": "data.rating", "less_than": 3}]}),
                &nothing,
                false,
                true,
            ),
            (
                json!({"any": [{"field": "data.rating", "less_than": 3}, {"field": "data.text", "equals": "slow"}]}),
                &nothing,
                true,
                false,
            ),
            (
                json!({"all": [{"field": "data.rating", "less_than": 3}, {"field": "data.text", "equals": "x"}]}),
                &nothing,
                false,
                false,
            ),
            (
                json!({"field": "data.rating", "less_than": 3}),
                &json!(4),
                false,
                false,
            ),
            (json!({"all": []}), &nothing, true, false),
        ] {
            let plan = offline(definition(&json!({ "when": when })), event(rating)).unwrap();
            let found = (plan.condition.holds, plan.condition.unknown);
            assert_eq!(found, (holds, unknown), "{when}");
        }
    }

    #[test]
    fn piped_text_that_fails_is_told_with_its_place() {
        let tasks = json!({"tasks": [
            {"id": "first", "kind": "zendesk.create_ticket", "account": "support",
             "input": {"comment": "x", "subject": "{{ event.data.text + 1 }}"}},
            {"id": "second", "kind": "zendesk.update_ticket", "account": "support", "needs": ["first"],
             "input": {"ticket_id": 1, "comment": "x"}},
            {"id": "third", "kind": "zendesk.create_ticket", "account": "support", "input": {"comment": "fine"}}
        ]});
        let plan = offline(definition(&tasks), event(&json!(2))).unwrap();
        let problems: Vec<_> = plan.tasks.iter().map(|task| task.problem.clone()).collect();
        let first = &problems[0].as_ref().unwrap().problem;
        assert!(first.contains("subject: line 1"), "{first}");
        let second = &problems[1].as_ref().unwrap().problem;
        assert!(second.contains("needs the task `first`"), "{second}");
        assert_eq!(problems[2], None);
        assert!(plan.tasks[0].input.is_none() && plan.tasks[2].input.is_some());
    }

    #[test]
    fn request_names_one_workflow_and_one_event() {
        let given = json!({"workflow": definition(&json!({})), "event": event(&json!(1))});
        let key = format!("ev_{}", "0".repeat(32));
        for (extra, path) in [
            (json!({"workflow": null}), "workflow"),
            (json!({"workflow_id": "follow-up"}), "workflow"),
            (json!({"event": null}), "event"),
            (json!({"event_key": key}), "event"),
            (json!({"revision": 2}), "revision"),
            (json!({"event": []}), "event"),
            (json!({"event": {"data": {}}}), "event.type"),
            (
                json!({"event": {"type": "a", "time": "yesterday"}}),
                "event",
            ),
            (json!({"workflow": {"id": "a"}}), "workflow"),
            (
                json!({"workflow": definition(&json!({"tasks": [{"id": "A"}]}))}),
                "workflow.tasks[0]",
            ),
            (
                json!({"workflow": null, "workflow_id": "follow-up"}),
                "workflow_id",
            ),
            (json!({"event": null, "event_key": key}), "event_key"),
        ] {
            let mut document = given.clone();
            document
                .as_object_mut()
                .unwrap()
                .extend(extra.as_object().unwrap().clone());
            let request: DryRunRequest = serde_json::from_value(document).unwrap();
            let Err(Error::Invalid(problems)) = dry_run_offline(&request, samples::NOW) else {
                panic!("{extra}")
            };
            assert!(problems[0].path.starts_with(path), "{extra}: {problems:?}");
        }
        assert!(serde_json::from_value::<DryRunRequest>(json!({"workflows": []})).is_err());
    }

    #[test]
    fn answer_has_a_bound() {
        let long = "x".repeat(200_000);
        let task = |id: usize| {
            json!({"id": format!("t{id}"), "kind": "zendesk.create_ticket", "account": "support",
                   "input": {"comment": "{{ event.data.text }}"}})
        };
        let tasks: Vec<Value> = (0..12).map(task).collect();
        let given = json!({"type": "review.created", "data": {"rating": 1, "text": long}});
        let plan = offline(definition(&json!({ "tasks": tasks })), given).unwrap();
        let left_out: Vec<_> = plan
            .tasks
            .iter()
            .filter(|task| task.input.is_none())
            .collect();
        assert!(!left_out.is_empty() && left_out.len() < plan.tasks.len());
        assert!(
            left_out[0]
                .notes
                .iter()
                .any(|note| note.contains("too much to show"))
        );
        assert!(json!(plan).to_string().len() < MOST_BYTES + 100_000);
    }
}
