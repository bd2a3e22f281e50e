//! Runs and events for tests.
#![expect(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "what is written here is known to be right"
)]

use crate::events::{Decision, EventDetail, Outcome};
use domain::event::WORKFLOW_CHAIN;
use domain::run::{self, Attempt, AttemptOutcome, VendorCall};
use domain::{CloudEvent, Run, RunState, TaskRun, TaskState, WorkflowId};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

/// 2026-11-21T12:30:00Z
pub const NOW: Timestamp = Timestamp::constant(1_795_264_200, 0);
/// 2026-11-21T12:00:00Z
const STARTED: Timestamp = Timestamp::constant(1_795_262_400, 0);

fn event() -> CloudEvent {
    serde_json::from_value(json!({
        "specversion": "1.0", "id": "1", "source": "/endpoints/survey", "type": "response.completed",
        "subject": "SV_1", "data": {"nps": 2}
    }))
    .unwrap()
}

fn trace(nps: u8) -> Value {
    let condition: rules::Condition =
        serde_json::from_value(json!({"all": [{"field": "data.nps", "less_than_or_equal": 6}]}))
            .unwrap();
    let evaluation = condition.evaluate(&json!({"data": {"nps": nps}}), NOW);
    serde_json::to_value(evaluation.trace).unwrap()
}

fn begun() -> (Run, Vec<TaskRun>, CloudEvent) {
    let workflow = domain::definition::workflow(&json!({
        "id": "follow-up", "name": "Follow up", "trigger": {"event": {"type": "response.completed"}},
        "tasks": [
            {"id": "incident", "kind": "servicenow.create_record", "account": "servicenow-dev",
             "input": {"table": "incident", "short_description": "NPS {{ event.data.nps }}"}},
            {"id": "ticket", "kind": "zendesk.create_ticket", "account": "zendesk-support", "needs": ["incident"],
             "input": {"comment": "See {{ tasks.incident.output.number }}"}}
        ]
    }))
    .unwrap();
    let event = event();
    let (run, tasks) = run::begin(&workflow, 3, &event, trace(2), STARTED);
    (run, tasks, event)
}

fn attempt(
    number: u32,
    second: i64,
    outcome: AttemptOutcome,
    message: &str,
    call: VendorCall,
) -> Attempt {
    let started_at = STARTED + SignedDuration::from_secs(second);
    Attempt {
        number,
        started_at,
        ended_at: started_at + SignedDuration::from_millis(840),
        outcome,
        message: Some(message.to_owned()),
        calls: vec![call],
    }
}

/// The incident was given up after two attempts, the ticket was skipped.
pub fn failed_run() -> (Run, Vec<TaskRun>, CloudEvent) {
    let (mut run, mut tasks, event) = begun();
    let call = VendorCall {
        method: "POST".to_owned(),
        path: "/api/now/table/incident".to_owned(),
        status: Some(429),
        request_id: Some("ab12".to_owned()),
        sent: Some(json!({"short_description": "NPS 2"})),
    };
    let unanswered = VendorCall {
        status: None,
        request_id: None,
        sent: None,
        ..call.clone()
    };
    tasks[0].state = TaskState::Failed;
    tasks[0].attempts_begun = 2;
    tasks[0].reason = Some("the table `incident` refused it:\nno such group".to_owned());
    tasks[0].attempts = vec![
        attempt(1, 1, AttemptOutcome::Retry, "busy", call),
        attempt(2, 5, AttemptOutcome::GaveUp, "no such group", unanswered),
    ];
    run::settle(&run, &mut tasks, Some(&event));
    run.state = RunState::Failed;
    run.finished_at = Some(STARTED + SignedDuration::from_secs(9));
    (run, tasks, event)
}

/// The incident exists; the ticket is requested.
pub fn succeeded_run() -> (Run, Vec<TaskRun>) {
    let (run, mut tasks, _) = begun();
    tasks[0].state = TaskState::Succeeded;
    tasks[0].output = json!({"number": "INC0010001", "sys_id": "1"})
        .as_object()
        .cloned();
    tasks[0].link = Some("https://dev1.service-now.com/incident.do?sys_id=1".to_owned());
    tasks[0].warnings = vec!["the field `impact` was sent as 1 and stored as 3".to_owned()];
    (run, tasks)
}

/// An event with a decision of each kind, and the run that it started.
pub fn evaluated_event() -> (EventDetail, Run) {
    let (run, _, mut event) = begun();
    event
        .extensions
        .insert(WORKFLOW_CHAIN.to_owned(), "first,looping".into());
    let decision = |workflow: &str, revision, outcome, trace| Decision {
        workflow: WorkflowId::parse(workflow).unwrap(),
        revision,
        outcome,
        trace,
    };
    let problem = "no".to_owned();
    let started = Outcome::Started {
        run: run.id.clone(),
    };
    let detail = EventDetail {
        key: event.key(),
        event,
        evaluated_at: NOW,
        replays: Vec::new(),
        answers: None,
        explanation: None,
        decisions: vec![
            decision("broken", 1, Outcome::Errored { problem }, None),
            decision("follow-up", 3, started, Some(trace(2))),
            decision("looping", 2, Outcome::RefusedLoop, None),
            decision("promoters", 1, Outcome::NotMatched, Some(trace(9))),
        ],
    };
    (detail, run)
}
