//! A run: one workflow handling one event, task by task.
//!
//! The rules by which a run moves on are here, as functions from state to state. Who stores the state,
//! and under which conditions, is `store`'s matter.

use jiff::Timestamp;
use rules::piped_text;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::decision::EventRecord;
use crate::event::{CloudEvent, WORKFLOW_CHAIN};
use crate::id::{AccountName, EventKey, ReplayId, RunId, TaskKey, TaskName, WorkflowId};
use crate::json_bytes;
use crate::message::{RUN_FAILED, RUN_SUCCEEDED, tells_of_session};
use crate::task::TaskKind;
use crate::workflow::{Task, Workflow};

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// At least one task has not ended.
    Running,
    /// Every task succeeded.
    Succeeded,
    /// Every task has ended, at least one in failure.
    Failed,
}

/// Where a task stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TaskState {
    /// For the tasks that it needs.
    Waiting,
    /// Its input is rendered; a task function is to take it.
    Requested,
    /// A task function has claimed it.
    Running,
    /// An attempt failed; another one will follow.
    Retrying,
    /// Done.
    Succeeded,
    /// Given up.
    Failed,
    /// Never tried, because a task that it needs did not succeed, or a condition did not hold.
    Skipped,
}

impl RunState {
    /// The text form.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
        }
    }
}

impl TaskState {
    /// The text form.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Requested => "requested",
            Self::Running => "running",
            Self::Retrying => "retrying",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }

    /// Whether nothing more happens to the task by itself.
    pub fn has_ended(self) -> bool {
        match self {
            Self::Succeeded | Self::Failed | Self::Skipped => true,
            Self::Waiting | Self::Requested | Self::Running | Self::Retrying => false,
        }
    }
}

/// One workflow handling one event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Run {
    /// Derived from event and workflow.
    pub id: RunId,
    /// The event that is handled.
    pub event: EventKey,
    /// That event's type.
    pub event_type: String,
    /// That event's subject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_subject: Option<String>,
    /// The workflow.
    pub workflow: WorkflowId,
    /// What the workflow was called.
    pub workflow_name: String,
    /// Which revision of the workflow runs.
    pub revision: u32,
    /// The workflows whose runs led here, this one last.
    pub chain: Vec<WorkflowId>,
    /// Where the run stands.
    pub state: RunState,
    /// How often it was retried by hand.
    #[serde(default)]
    pub reopened: u32,
    /// Set when somebody had the event handled again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay: Option<Replay>,
    /// The IANA time zone in which piped text writes dates; UTC when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// The moment by which conditions of tasks judge, where that is not the run's beginning: what is old when an
    /// event is handled again was not when it came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judged_at: Option<Timestamp>,
    /// When it was created.
    pub started_at: Timestamp,
    /// When its last task ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// Why the workflow applied: each comparison with the value seen.
    pub trace: Value,
}

/// An event that was handled before is handled again. What it was the first time stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Replay {
    /// Names the replay. An event is handled once for each id, however often that is asked for.
    pub id: ReplayId,
    /// Whether its tasks have keys of their own, so that what the first run has created is created once more.
    /// Otherwise they have the keys of the first run, and what that has created is found.
    #[serde(default)]
    pub new_keys: bool,
}

/// One task of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TaskRun {
    /// The run.
    pub run: RunId,
    /// Its name in the workflow.
    pub name: TaskName,
    /// Its place in the workflow, from 0.
    pub position: u32,
    /// Its name towards the vendor.
    pub key: TaskKey,
    /// What it does.
    pub kind: TaskKind,
    /// The connected account that it uses.
    pub account: AccountName,
    /// The tasks that must have succeeded before.
    pub needs: Vec<TaskName>,
    /// Whether it is done at all, once the tasks that it needs have succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<rules::Condition>,
    /// Why its condition held or did not: each comparison with the value seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<Value>,
    /// Skipped because its condition did not hold, or that of a task that it needs. That is no failure.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unwanted: bool,
    /// The input as the workflow has it.
    pub draft: Value,
    /// The input with the piped text filled in. Rendered once: every attempt sends the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Value>,
    /// Where it stands.
    pub state: TaskState,
    /// How many attempts have begun.
    pub attempts_begun: u32,
    /// How many of them began before the last retry by hand.
    #[serde(default)]
    pub attempts_before: u32,
    /// When the first attempt of all began; what may have been done is looked for from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_ever_at: Option<Timestamp>,
    /// When the first attempt began, since the last retry by hand; the time for retries counts from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_attempt_at: Option<Timestamp>,
    /// When the next attempt may begin, while retrying.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_attempt_at: Option<Timestamp>,
    /// Until when the claim of the function that works on it holds, while running.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_until: Option<Timestamp>,
    /// Whether an earlier attempt may have had its effect, so that the next one must look first.
    #[serde(default)]
    pub look_first: bool,
    /// What it left for later tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Map<String, Value>>,
    /// The record at the vendor, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// What the vendor did not take as it was sent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// Why it failed, was skipped, or will be tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What each attempt did. The oldest are dropped when there are very many.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attempts: Vec<Attempt>,
}

/// What one attempt did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Attempt {
    /// From 1.
    pub number: u32,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
    /// How it ended.
    pub outcome: AttemptOutcome,
    /// In words: the vendor's own where there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The calls that were made, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<VendorCall>,
}

impl AttemptOutcome {
    /// The text form.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Retry => "retry",
            Self::Reconcile => "reconcile",
            Self::Waiting => "waiting",
            Self::GaveUp => "gave_up",
            Self::RanOutOfTime => "ran_out_of_time",
        }
    }
}

impl Run {
    /// Leaves out what tells of the people of a remote session, if the event is about one.
    pub fn hide_session(&mut self) {
        if tells_of_session(&self.event_type) {
            self.event_subject = None;
            self.trace = Value::Null;
        }
    }
}

impl TaskRun {
    /// Leaves out whatever may hold something of the event: what remains are states, times and the workflow's own words.
    /// Vendors repeat in their errors what they were sent.
    pub fn hide_values(&mut self) {
        self.trace = None;
        self.input = None;
        self.output = None;
        self.link = None;
        self.warnings.clear();
        self.reason = None;
        for attempt in &mut self.attempts {
            attempt.message = None;
            for call in &mut attempt.calls {
                call.path.clear();
                call.sent = None;
            }
        }
    }
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AttemptOutcome {
    /// The task is done.
    Succeeded,
    /// No effect; will be tried again.
    Retry,
    /// Perhaps an effect; will look before trying again.
    Reconcile,
    /// Nothing can be done until somebody connects the account; will see again.
    Waiting,
    /// No use in trying again.
    GaveUp,
    /// The time for trying is over.
    RanOutOfTime,
}

/// One call to the vendor. Nothing secret: no headers, no query values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct VendorCall {
    /// The HTTP method.
    pub method: String,
    /// The path, without query.
    pub path: String,
    /// The status answered, when there was an answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The vendor's id of the call, for their support.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The body that was sent, for calls that write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent: Option<Value>,
}

/// The input of a task, with its draft, in bytes of JSON. A row holds 400 kB, and what came of the attempts
/// must fit as well.
pub const MOST_INPUT_BYTES: usize = 250_000;
/// The trace of a task's condition; a larger one is not kept.
const MOST_TASK_TRACE_BYTES: usize = 20_000;
/// The inputs of all tasks of a run, which are written in one transaction of 4 MB.
pub const MOST_RUN_BYTES: usize = 3_000_000;

/// What [`settle`] changed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Settled {
    /// Names of the tasks whose state changed, in the workflow's order.
    pub changed: Vec<TaskName>,
    /// How the run ended, if it did.
    pub finished: Option<RunState>,
}

/// Creates the run of a workflow for an event, with its tasks, and moves it as far as it goes without a
/// task function.
pub fn begin(
    workflow: &Workflow,
    revision: u32,
    event: &CloudEvent,
    trace: Value,
    now: Timestamp,
) -> (Run, Vec<TaskRun>) {
    begin_as(workflow, revision, event, trace, None, None, now)
}

/// Creates a run of a workflow for an event that is handled again. What an earlier run may have written is
/// looked for from the moment on at which the event was evaluated first.
pub fn begin_replay(
    workflow: &Workflow,
    revision: u32,
    record: &EventRecord,
    trace: Value,
    replay: Replay,
    now: Timestamp,
) -> (Run, Vec<TaskRun>) {
    let keys_are_old = !replay.new_keys;
    let (run, mut tasks) = begin_as(
        workflow,
        revision,
        &record.event,
        trace,
        Some(replay),
        Some(record.evaluated_at),
        now,
    );
    if keys_are_old {
        for task in &mut tasks {
            task.first_ever_at = Some(record.evaluated_at);
        }
    }
    (run, tasks)
}

fn begin_as(
    workflow: &Workflow,
    revision: u32,
    event: &CloudEvent,
    trace: Value,
    replay: Option<Replay>,
    judged_at: Option<Timestamp>,
    now: Timestamp,
) -> (Run, Vec<TaskRun>) {
    let event_key = event.key();
    let first = RunId::derive(&event_key, &workflow.id);
    let id = match &replay {
        None => first.clone(),
        Some(replay) => RunId::derive_replay(&event_key, &workflow.id, &replay.id),
    };
    // A key that an earlier run may have used: what it has created is looked for.
    let keys_are_old = replay.as_ref().is_some_and(|replay| !replay.new_keys);
    let keys_of = if keys_are_old { first } else { id.clone() };
    let mut chain = event.workflow_chain();
    chain.push(workflow.id.clone());
    let mut run = Run {
        id,
        event: event_key,
        event_type: event.kind.clone(),
        event_subject: event.subject.clone(),
        workflow: workflow.id.clone(),
        workflow_name: workflow.name.clone(),
        revision,
        chain,
        state: RunState::Running,
        reopened: 0,
        replay,
        timezone: workflow.timezone.clone(),
        judged_at,
        started_at: now,
        finished_at: None,
        trace,
    };
    let mut tasks: Vec<TaskRun> = (0..)
        .zip(&workflow.tasks)
        .map(|(position, task)| TaskRun {
            key: TaskKey::derive(&keys_of, &task.id),
            look_first: keys_are_old,
            ..new_task(&run.id, position, task)
        })
        .collect();
    let settled = settle(&run, &mut tasks, Some(event));
    if let Some(state) = settled.finished {
        run.state = state;
        run.finished_at = Some(now);
    }
    (run, tasks)
}

fn new_task(run: &RunId, position: u32, task: &Task) -> TaskRun {
    TaskRun {
        run: run.clone(),
        name: task.id.clone(),
        position,
        key: TaskKey::derive(run, &task.id),
        kind: task.kind,
        account: task.account.clone(),
        needs: task.needs.clone(),
        when: task.when.clone(),
        trace: None,
        unwanted: false,
        draft: task.input.clone(),
        input: None,
        state: TaskState::Waiting,
        attempts_begun: 0,
        attempts_before: 0,
        first_ever_at: None,
        first_attempt_at: None,
        next_attempt_at: None,
        lease_until: None,
        look_first: false,
        output: None,
        link: None,
        warnings: Vec::new(),
        reason: None,
        attempts: Vec::new(),
    }
}

/// Requests every waiting task whose needs have succeeded, skips those whose needs cannot succeed any
/// more, and tells how the run ended if nothing is left to do. Doing it twice changes nothing more.
/// `event` is `None` when it has expired; then nothing can be rendered any more.
pub fn settle(run: &Run, tasks: &mut [TaskRun], event: Option<&CloudEvent>) -> Settled {
    let mut changed = vec![false; tasks.len()];
    // Each round ends at least one task's waiting, so there are at most as many rounds as tasks.
    loop {
        let mut moved = false;
        for index in 0..tasks.len() {
            let Some(task) = tasks.get(index) else { break };
            if task.state != TaskState::Waiting {
                continue;
            }
            let Some(Step { next, trace }) = next_state(run, task, tasks, event) else {
                continue;
            };
            if let (Some(task), Some(flag)) = (tasks.get_mut(index), changed.get_mut(index)) {
                task.trace = trace.filter(|trace| json_bytes(trace) <= MOST_TASK_TRACE_BYTES);
                task.unwanted = matches!(next, Next::NotWanted(_));
                match next {
                    Next::Request(input) => {
                        task.state = TaskState::Requested;
                        task.input = Some(input);
                    }
                    Next::Fail(reason) => {
                        task.state = TaskState::Failed;
                        task.reason = Some(reason);
                    }
                    Next::Skip(reason) | Next::NotWanted(reason) => {
                        task.state = TaskState::Skipped;
                        task.reason = Some(reason);
                    }
                }
                *flag = true;
                moved = true;
            }
        }
        if !moved {
            break;
        }
    }
    let finished = tasks.iter().all(|task| task.state.has_ended()).then(|| {
        let went_well = |task: &TaskRun| task.state == TaskState::Succeeded || task.unwanted;
        if tasks.iter().all(went_well) {
            RunState::Succeeded
        } else {
            RunState::Failed
        }
    });
    let changed = tasks
        .iter()
        .zip(changed)
        .filter(|(_, flag)| *flag)
        .map(|(task, _)| task.name.clone())
        .collect();
    Settled { changed, finished }
}

enum Next {
    Request(Value),
    Fail(String),
    Skip(String),
    /// Skipped, which is no failure.
    NotWanted(String),
}

struct Step {
    next: Next,
    /// Of the task's own condition.
    trace: Option<Value>,
}

impl From<Next> for Step {
    fn from(next: Next) -> Self {
        Self { next, trace: None }
    }
}

fn next_state(
    run: &Run,
    task: &TaskRun,
    tasks: &[TaskRun],
    event: Option<&CloudEvent>,
) -> Option<Step> {
    let mut ready = true;
    let mut unwanted = None;
    for need in &task.needs {
        let Some(needed) = tasks.iter().find(|other| other.name == *need) else {
            return Some(
                Next::Fail(format!(
                    "it needs the task `{need}`, which is not in this run"
                ))
                .into(),
            );
        };
        match needed.state {
            TaskState::Succeeded => {}
            TaskState::Skipped if needed.unwanted => unwanted = Some(need),
            state @ (TaskState::Failed | TaskState::Skipped) => {
                return Some(
                    Next::Skip(format!(
                        "it needs the task `{need}`, which was {}",
                        ended_word(state)
                    ))
                    .into(),
                );
            }
            TaskState::Waiting
            | TaskState::Requested
            | TaskState::Running
            | TaskState::Retrying => ready = false,
        }
    }
    if let Some(need) = unwanted {
        return Some(
            Next::NotWanted(format!(
                "it needs the task `{need}`, which was skipped since a condition did not hold"
            ))
            .into(),
        );
    }
    if !ready {
        return None;
    }
    let Some(event) = event else {
        return Some(
            Next::Fail("the event has expired, so the piped text cannot be filled in".to_owned())
                .into(),
        );
    };
    let Some(condition) = &task.when else {
        return Some(filled_in(run, task, tasks, event).into());
    };
    let evaluation = condition.evaluate(
        &seen_by_condition(tasks, event),
        run.judged_at.unwrap_or(run.started_at),
    );
    Some(Step {
        next: if evaluation.holds {
            filled_in(run, task, tasks, event)
        } else {
            Next::NotWanted("its condition did not hold".to_owned())
        },
        trace: serde_json::to_value(&evaluation.trace).ok(),
    })
}

/// What a task's condition looks at: the event, and beside its attributes the outputs of earlier tasks.
fn seen_by_condition(tasks: &[TaskRun], event: &CloudEvent) -> Value {
    let mut root = json!(event);
    if let Some(attributes) = root.as_object_mut() {
        attributes.insert("tasks".to_owned(), outputs(tasks).into());
    }
    root
}

fn filled_in(run: &Run, task: &TaskRun, tasks: &[TaskRun], event: &CloudEvent) -> Next {
    let rendered = piped_text::render_value(&task.draft, &context(run, tasks, event), &|path| {
        task.kind.destination(path)
    });
    let input = match rendered {
        Ok(input) => input,
        Err(error) => {
            return Next::Fail(format!("the piped text cannot be filled in: {error}"));
        }
    };
    let condition = task
        .when
        .as_ref()
        .map_or(0, |when| json_bytes(&json!(when)));
    let bytes = json_bytes(&input) + json_bytes(&task.draft) + condition;
    let others: usize = tasks
        .iter()
        .filter_map(|other| other.input.as_ref())
        .map(json_bytes)
        .sum();
    if bytes > MOST_INPUT_BYTES {
        Next::Fail(format!(
            "with the piped text filled in the task takes {bytes} bytes, and at most {MOST_INPUT_BYTES} can be kept: shorten it with the filter `truncate`"
        ))
    } else if others + bytes > MOST_RUN_BYTES {
        Next::Fail(format!(
            "the tasks of this run take more than {MOST_RUN_BYTES} bytes together, which cannot be kept"
        ))
    } else {
        Next::Request(input)
    }
}

fn ended_word(state: TaskState) -> &'static str {
    if state == TaskState::Skipped {
        "skipped"
    } else {
        "given up"
    }
}

/// What piped text can refer to: `event`, `run`, `tasks.<id>.output`, `now` and `timezone`.
fn context(run: &Run, tasks: &[TaskRun], event: &CloudEvent) -> Value {
    let outputs = outputs(tasks);
    // The run's beginning stands for now: whenever a task is rendered, it says the same.
    json!({
        "event": event, "run": { "id": run.id }, "tasks": outputs,
        "now": run.started_at, "timezone": run.timezone,
    })
}

/// What each task that succeeded has left.
fn outputs(tasks: &[TaskRun]) -> Map<String, Value> {
    tasks
        .iter()
        .filter_map(|task| {
            let output = task.output.clone()?;
            Some((task.name.as_str().to_owned(), json!({ "output": output })))
        })
        .collect()
}

/// The event that says how a run ended; workflows can start on it. `None` while it runs.
pub fn end_event(run: &Run, tasks: &[TaskRun]) -> Option<CloudEvent> {
    let kind = match run.state {
        RunState::Running => return None,
        RunState::Succeeded => RUN_SUCCEEDED,
        RunState::Failed => RUN_FAILED,
    };
    let tasks: Vec<Value> = tasks
        .iter()
        .map(|task| {
            json!({
                "id": task.name, "kind": task.kind, "account": task.account, "state": task.state,
                "attempts": task.attempts_begun, "reason": task.reason, "link": task.link,
            })
        })
        .collect();
    // More people may read of runs than of remote sessions.
    let subject = run
        .event_subject
        .as_ref()
        .filter(|_| !tells_of_session(&run.event_type));
    let chain: Vec<&str> = run.chain.iter().map(WorkflowId::as_str).collect();
    let mut extensions = Map::new();
    extensions.insert(WORKFLOW_CHAIN.to_owned(), chain.join(",").into());
    // A run that was retried by hand ends a second time: the end's time makes it a second event.
    let ended = run.finished_at.unwrap_or(run.started_at);
    Some(CloudEvent {
        specversion: "1.0".to_owned(),
        id: format!(
            "{}:{}:{}",
            run.id,
            run.state.as_str(),
            ended.as_millisecond()
        ),
        source: "/runs".to_owned(),
        kind: kind.to_owned(),
        subject: Some(run.workflow.to_string()),
        time: Some(ended),
        datacontenttype: Some("application/json".to_owned()),
        data: Some(json!({
            "run": run.id, "workflow": run.workflow, "workflow_name": run.workflow_name,
            "revision": run.revision, "state": run.state,
            "event": { "key": run.event, "type": run.event_type, "subject": subject },
            "tasks": tasks,
        })),
        extensions,
    })
}

/// Makes every task that was given up ready for new attempts, and those that were skipped for its sake
/// wait again. Gives the names of the tasks that changed; none when nothing had failed.
pub fn reopen(tasks: &mut [TaskRun]) -> Vec<TaskName> {
    let mut changed = Vec::new();
    for task in tasks {
        match task.state {
            // Without an input the piped text could not be filled in: render it again.
            TaskState::Failed if task.input.is_some() => task.state = TaskState::Requested,
            TaskState::Skipped if task.unwanted => continue,
            TaskState::Failed | TaskState::Skipped => task.state = TaskState::Waiting,
            TaskState::Waiting
            | TaskState::Requested
            | TaskState::Running
            | TaskState::Retrying
            | TaskState::Succeeded => continue,
        }
        task.reason = None;
        // The budget for retries begins anew; what earlier attempts may have done is not forgotten.
        task.look_first = task.look_first || task.attempts_begun > 0;
        task.first_attempt_at = None;
        task.attempts_before = task.attempts_begun;
        task.next_attempt_at = None;
        changed.push(task.name.clone());
    }
    changed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(data: Value) -> CloudEvent {
        serde_json::from_value(json!({
            "specversion": "1.0", "id": "1", "source": "/endpoints/survey", "type": "response.completed", "data": data
        }))
        .unwrap()
    }

    fn workflow(tasks: Value) -> Workflow {
        let document = json!({
            "id": "follow-up", "name": "Follow up", "trigger": {"event": {"type": "response.completed"}}, "tasks": tasks
        });
        crate::definition::workflow(&document).unwrap()
    }

    fn chain() -> Workflow {
        workflow(json!([
            {"id": "incident", "kind": "servicenow.create_record", "account": "sn",
             "input": {"table": "incident", "short_description": "NPS {{ event.data.nps }}"}},
            {"id": "ticket", "kind": "zendesk.create_ticket", "account": "zd", "needs": ["incident"],
             "input": {"comment": "See {{ tasks.incident.output.number }}"}},
            {"id": "note", "kind": "zendesk.update_ticket", "account": "zd", "needs": ["ticket"],
             "input": {"ticket_id": "{{ tasks.ticket.output.id }}", "comment": "x"}}
        ]))
    }

    fn states(tasks: &[TaskRun]) -> Vec<TaskState> {
        tasks.iter().map(|task| task.state).collect()
    }

    #[test]
    fn first_tasks_are_requested_with_their_piped_text_filled_in() {
        let (run, tasks) = begin(
            &chain(),
            3,
            &event(json!({"nps": 2})),
            Value::Null,
            Timestamp::UNIX_EPOCH,
        );
        assert_eq!(
            states(&tasks),
            [TaskState::Requested, TaskState::Waiting, TaskState::Waiting]
        );
        assert_eq!(
            tasks[0].input.as_ref().unwrap()["short_description"],
            "NPS 2"
        );
        assert_eq!((run.state, run.revision), (RunState::Running, 3));
        assert_eq!(run.chain, [run.workflow.clone()]);
    }

    #[test]
    fn what_a_run_tells_of_a_remote_session_can_be_left_out() {
        let mut event = event(json!({"nps": "hunter2"}));
        event.kind = "teamviewer.case.online".to_owned();
        event.subject = Some("hunter2".to_owned());
        let trace = json!({"seen": "hunter2"});
        let (mut run, mut tasks) = begin(&chain(), 1, &event, trace, Timestamp::UNIX_EPOCH);
        let said = || Some("hunter2".to_owned());
        let task = &mut tasks[0];
        task.trace = Some(json!("hunter2"));
        task.output = Some(json!({"number": "hunter2"}).as_object().unwrap().clone());
        task.link = said();
        task.warnings = vec!["hunter2".to_owned()];
        task.reason = said();
        task.attempts_begun = 1;
        task.attempts = vec![Attempt {
            number: 1,
            started_at: Timestamp::UNIX_EPOCH,
            ended_at: Timestamp::UNIX_EPOCH,
            outcome: AttemptOutcome::GaveUp,
            message: said(),
            calls: vec![VendorCall {
                method: "PUT".to_owned(),
                path: "/sessions/hunter2".to_owned(),
                status: Some(403),
                request_id: None,
                sent: Some(json!("hunter2")),
            }],
        }];
        run.hide_session();
        tasks.iter_mut().for_each(TaskRun::hide_values);
        let shown = json!([run, tasks]).to_string();
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(
            shown.contains("gave_up") && shown.contains("403"),
            "{shown}"
        );

        let (mut run, _) = begin(&chain(), 1, &event, Value::Null, Timestamp::UNIX_EPOCH);
        run.state = RunState::Failed;
        let told = json!(end_event(&run, &[]).unwrap()).to_string();
        assert!(!told.contains("hunter2"), "{told}");
        run.event_type = "response.completed".to_owned();
        let told = json!(end_event(&run, &[]).unwrap()).to_string();
        assert!(told.contains("hunter2"), "{told}");
    }

    #[test]
    fn replay_is_a_run_of_its_own_that_finds_what_the_first_has_created() {
        let (first, first_tasks) = begin(
            &chain(),
            1,
            &event(json!({})),
            Value::Null,
            Timestamp::UNIX_EPOCH,
        );
        let record = EventRecord {
            event: event(json!({})),
            evaluated_at: Timestamp::UNIX_EPOCH,
            decisions: Vec::new(),
        };
        let now = Timestamp::from_second(60).unwrap();
        let replayed = |id: &str, new_keys| {
            let replay = Replay {
                id: ReplayId::parse(id).unwrap(),
                new_keys,
            };
            begin_replay(&chain(), 2, &record, Value::Null, replay, now)
        };
        let (run, tasks) = replayed("a", false);
        assert_ne!(run.id, first.id);
        assert_eq!(run.id, replayed("a", true).0.id);
        assert_ne!(run.id, replayed("b", false).0.id);
        assert!(
            tasks
                .iter()
                .all(|task| task.run == run.id && task.look_first)
        );
        for (task, original) in tasks.iter().zip(&first_tasks) {
            assert_eq!(task.key, original.key);
            assert_eq!(task.first_ever_at, Some(Timestamp::UNIX_EPOCH));
        }
        let (_, tasks) = replayed("a", true);
        assert!(tasks.iter().all(|task| !task.look_first));
        assert_ne!(tasks[0].key, first_tasks[0].key);
    }

    #[test]
    fn task_whose_condition_does_not_hold_is_skipped_with_what_needs_it_and_that_is_no_failure() {
        let branches = workflow(json!([
            {"id": "first", "kind": "zendesk.create_ticket", "account": "zd", "input": {"comment": "x"}},
            {"id": "solved", "kind": "zendesk.create_ticket", "account": "zd", "needs": ["first"],
             "when": {"field": "tasks.first.output.status", "equals": "solved"}, "input": {"comment": "x"}},
            {"id": "after", "kind": "zendesk.create_ticket", "account": "zd", "needs": ["solved"], "input": {"comment": "x"}},
            {"id": "open", "kind": "zendesk.create_ticket", "account": "zd", "needs": ["first"],
             "when": {"none": [{"field": "tasks.first.output.status", "equals": "solved"}]}, "input": {"comment": "x"}},
            {"id": "never", "kind": "zendesk.create_ticket", "account": "zd",
             "when": {"field": "data.nps", "less_than": 3}, "input": {"comment": "x"}}
        ]));
        let event = event(json!({"nps": 9}));
        let (run, mut tasks) = begin(&branches, 1, &event, Value::Null, Timestamp::UNIX_EPOCH);
        assert!(tasks[4].unwanted && tasks[4].state == TaskState::Skipped);
        assert!(
            tasks[4]
                .trace
                .as_ref()
                .unwrap()
                .to_string()
                .contains("data.nps")
        );
        assert_eq!(run.state, RunState::Running);
        tasks[0].state = TaskState::Succeeded;
        tasks[0].output = Some(json!({"status": "new"}).as_object().unwrap().clone());
        settle(&run, &mut tasks, Some(&event));
        assert_eq!(
            states(&tasks)[1..4],
            [TaskState::Skipped, TaskState::Skipped, TaskState::Requested]
        );
        assert!(tasks[2].unwanted && tasks[2].reason.as_ref().unwrap().contains("`solved`"));
        assert_eq!(reopen(&mut tasks), Vec::<TaskName>::new());
        tasks[3].state = TaskState::Succeeded;
        let settled = settle(&run, &mut tasks, Some(&event));
        assert_eq!(settled.finished, Some(RunState::Succeeded));
    }

    #[test]
    fn later_task_uses_the_output_of_an_earlier_one() {
        let event = event(json!({}));
        let (run, mut tasks) = begin(&chain(), 1, &event, Value::Null, Timestamp::UNIX_EPOCH);
        tasks[0].state = TaskState::Succeeded;
        tasks[0].output = Some(json!({"number": "INC1"}).as_object().unwrap().clone());
        let settled = settle(&run, &mut tasks, Some(&event));
        assert_eq!(settled.changed, [tasks[1].name.clone()]);
        assert_eq!(tasks[1].input.as_ref().unwrap()["comment"], "See INC1");
        assert_eq!(settle(&run, &mut tasks, Some(&event)), Settled::default());
    }

    #[test]
    fn failed_task_skips_its_dependants_and_ends_the_run() {
        let event = event(json!({}));
        let (mut run, mut tasks) = begin(&chain(), 1, &event, Value::Null, Timestamp::UNIX_EPOCH);
        tasks[0].state = TaskState::Failed;
        let settled = settle(&run, &mut tasks, Some(&event));
        assert_eq!(
            states(&tasks),
            [TaskState::Failed, TaskState::Skipped, TaskState::Skipped]
        );
        assert_eq!(settled.finished, Some(RunState::Failed));
        assert!(
            tasks[1]
                .reason
                .as_ref()
                .unwrap()
                .contains("`incident`, which was given up")
        );
        run.state = RunState::Failed;
        run.finished_at = Some(Timestamp::UNIX_EPOCH);
        let end = end_event(&run, &tasks).unwrap();
        assert_eq!(
            (end.kind.as_str(), end.subject.as_deref()),
            ("run.failed", Some("follow-up"))
        );
        assert_eq!(end.workflow_chain(), run.chain);
    }

    #[test]
    fn piped_text_that_cannot_be_filled_in_fails_its_task_alone() {
        let workflow = workflow(json!([
            {"id": "bad", "kind": "zendesk.create_ticket", "account": "zd",
             "input": {"comment": "{% for a in range(100000) %}{% for b in range(100000) %}x{% endfor %}{% endfor %}"}},
            {"id": "good", "kind": "zendesk.create_ticket", "account": "zd", "input": {"comment": "fine"}}
        ]));
        let (run, tasks) = begin(
            &workflow,
            1,
            &event(json!({})),
            Value::Null,
            Timestamp::UNIX_EPOCH,
        );
        assert_eq!(states(&tasks), [TaskState::Failed, TaskState::Requested]);
        assert_eq!(run.state, RunState::Running);
        assert!(
            tasks[0].reason.as_ref().unwrap().contains("comment"),
            "{:?}",
            tasks[0].reason
        );
    }

    #[test]
    fn reopened_run_tries_the_failed_and_waits_with_the_skipped() {
        let event = event(json!({}));
        let (run, mut tasks) = begin(&chain(), 1, &event, Value::Null, Timestamp::UNIX_EPOCH);
        tasks[0].state = TaskState::Failed;
        tasks[0].attempts_begun = 2;
        settle(&run, &mut tasks, Some(&event));
        assert_eq!(reopen(&mut tasks).len(), 3);
        assert_eq!(
            states(&tasks),
            [TaskState::Requested, TaskState::Waiting, TaskState::Waiting]
        );
        assert!(tasks[0].look_first);
        assert!(tasks[1].reason.is_none());
    }

    proptest::proptest! {
        /// Whatever the tasks need of each other, and in whatever order and way they end: a task is
        /// requested after what it needs and never otherwise, settling twice changes nothing, the run ends.
        #[test]
        fn run_of_any_shape_ends(
            needs in proptest::collection::vec(proptest::collection::vec(0_usize..12, 0..4), 1..12),
            choices in proptest::collection::vec((0_usize..12, proptest::bool::weighted(0.8)), 24),
        ) {
            let list: Vec<Value> = needs
                .iter()
                .enumerate()
                .map(|(index, needed)| {
                    // Needs point back only, so there is no cycle.
                    let needed: std::collections::BTreeSet<String> =
                        needed.iter().filter(|other| **other < index).map(|other| format!("t{other}")).collect();
                    json!({"id": format!("t{index}"), "kind": "zendesk.create_ticket", "account": "zd",
                        "needs": needed, "input": {"comment": "x"}})
                })
                .collect();
            let event = event(json!({}));
            let (run, mut tasks) = begin(&workflow(Value::Array(list)), 1, &event, Value::Null, Timestamp::UNIX_EPOCH);
            let mut finished = None;
            let mut choices = choices.into_iter().cycle();
            for _ in 0..tasks.len() {
                let open: Vec<usize> =
                    (0..tasks.len()).filter(|index| tasks[*index].state == TaskState::Requested).collect();
                let Some((pick, succeeds)) = choices.next() else { break };
                let Some(index) = open.get(pick % open.len().max(1)) else { break };
                let task = &mut tasks[*index];
                task.state = if succeeds { TaskState::Succeeded } else { TaskState::Failed };
                task.output = succeeds.then(Map::new);
                let settled = settle(&run, &mut tasks, Some(&event));
                for name in &settled.changed {
                    let task = tasks.iter().find(|task| task.name == *name).unwrap();
                    let states = |wanted| task.needs.iter().filter(|need| {
                        tasks.iter().any(|other| other.name == **need && other.state == wanted)
                    }).count();
                    if task.state == TaskState::Requested {
                        assert_eq!(states(TaskState::Succeeded), task.needs.len());
                    } else {
                        assert_eq!(task.state, TaskState::Skipped);
                        assert!(states(TaskState::Failed) + states(TaskState::Skipped) > 0);
                    }
                }
                let again = settle(&run, &mut tasks, Some(&event));
                assert!(again.changed.is_empty());
                finished = again.finished;
            }
            assert!(finished.is_some(), "{:?}", states(&tasks));
            let all_succeeded = tasks.iter().all(|task| task.state == TaskState::Succeeded);
            assert_eq!(finished == Some(RunState::Succeeded), all_succeeded);
        }
    }
}
