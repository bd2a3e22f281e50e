//! Which workflows an event starts, and why. Pure.

use domain::CloudEvent;
use domain::run::{self, Run, TaskRun};
use jiff::Timestamp;
use serde_json::Value;
use store::{Decision, EventRecord, Listening, Outcome, StoredWorkflow};

/// The traces of one event's decisions that are kept, in bytes of JSON. The event itself may take 240 kB
/// of the row's 400.
const MOST_TRACE_BYTES: usize = 100_000;

/// A new event with everything that follows from it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Decided {
    /// The event and a decision for every workflow that listened.
    pub(crate) record: EventRecord,
    /// A run for each that started.
    pub(crate) runs: Vec<(Run, Vec<TaskRun>)>,
}

/// Decides for every workflow on its own, so that none can keep another from running.
pub(crate) fn decide(event: CloudEvent, listening: Listening, now: Timestamp) -> Decided {
    let root = serde_json::to_value(&event).unwrap_or(Value::Null);
    let chain = event.workflow_chain();
    let mut runs = Vec::new();
    let mut decisions = Vec::new();
    let mut trace_bytes = 0;
    for stored in &listening.workflows {
        let workflow = &stored.workflow;
        let (outcome, trace) = if chain.contains(&workflow.id) {
            (Outcome::RefusedLoop, None)
        } else {
            match evaluate(stored, &root, now) {
                Err(problem) => (Outcome::Errored { problem }, None),
                Ok((false, trace)) => (Outcome::NotMatched, Some(trace)),
                Ok((true, trace)) => {
                    let trace = if bytes(&trace) > MOST_TRACE_BYTES {
                        Value::Null
                    } else {
                        trace
                    };
                    let (run, tasks) = run::begin(workflow, stored.revision, &event, trace, now);
                    let outcome = Outcome::Started {
                        run: run.id.clone(),
                    };
                    runs.push((run, tasks));
                    // The run keeps the trace.
                    (outcome, None)
                }
            }
        };
        let trace = trace.filter(|trace: &Value| {
            trace_bytes += bytes(trace);
            trace_bytes <= MOST_TRACE_BYTES
        });
        decisions.push(Decision {
            workflow: workflow.id.clone(),
            revision: stored.revision,
            outcome,
            trace,
        });
    }
    for row in listening.unreadable {
        let outcome = Outcome::Errored {
            problem: row.problem,
        };
        decisions.push(Decision {
            workflow: row.id,
            revision: row.revision,
            outcome,
            trace: None,
        });
    }
    Decided {
        record: EventRecord {
            event,
            evaluated_at: now,
            decisions,
        },
        runs,
    }
}

fn bytes(value: &Value) -> usize {
    value.to_string().len()
}

fn evaluate(
    stored: &StoredWorkflow,
    root: &Value,
    now: Timestamp,
) -> Result<(bool, Value), String> {
    let Some(condition) = &stored.workflow.when else {
        return Ok((true, Value::Null));
    };
    let evaluation = condition.evaluate(root, now);
    let trace = serde_json::to_value(&evaluation.trace).map_err(|error| error.to_string())?;
    Ok((evaluation.holds, trace))
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::TaskState;
    use serde_json::json;

    fn workflow(id: &str, when: Value) -> StoredWorkflow {
        let workflow = domain::definition::workflow(&json!({
            "id": id, "name": id, "trigger": {"event": {"type": "response.completed"}}, "when": when,
            "tasks": [{"id": "ticket", "kind": "zendesk.create_ticket", "account": "zd", "input": {"comment": "{{ event.data.text }}"}}]
        }))
        .unwrap();
        StoredWorkflow {
            workflow,
            revision: 4,
            applied_at: Timestamp::UNIX_EPOCH,
        }
    }

    fn event(extra: Value) -> CloudEvent {
        let mut event = json!({
            "specversion": "1.0", "id": "1", "source": "/endpoints/survey", "type": "response.completed",
            "data": {"nps": 3, "text": "slow"}
        });
        event
            .as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        serde_json::from_value(event).unwrap()
    }

    fn listening<const N: usize>(workflows: [StoredWorkflow; N]) -> Listening {
        Listening {
            workflows: workflows.into(),
            unreadable: Vec::new(),
        }
    }

    #[test]
    fn workflow_that_cannot_be_read_is_told_and_keeps_no_other_from_running() {
        let mut listening = listening([workflow("a", json!({"all": []}))]);
        listening.unreadable.push(store::Unreadable {
            id: domain::WorkflowId::parse("newer").unwrap(),
            revision: 2,
            problem: "unknown".to_owned(),
        });
        let decided = decide(event(json!({})), listening, Timestamp::UNIX_EPOCH);
        assert_eq!(decided.runs.len(), 1);
        assert!(matches!(
            decided.record.decisions[1].outcome,
            Outcome::Errored { .. }
        ));
    }

    #[test]
    fn every_listening_workflow_gets_a_decision_with_its_evidence() {
        let workflows = [
            workflow(
                "detractors",
                json!({"all": [{"field": "data.nps", "less_than_or_equal": 6}]}),
            ),
            workflow(
                "promoters",
                json!({"all": [{"field": "data.nps", "greater_than": 8}]}),
            ),
        ];
        let decided = decide(
            event(json!({})),
            listening(workflows),
            Timestamp::UNIX_EPOCH,
        );
        assert_eq!(decided.runs.len(), 1);
        let (run, tasks) = &decided.runs[0];
        assert_eq!((run.workflow.as_str(), run.revision), ("detractors", 4));
        assert!(run.trace.to_string().contains("data.nps"));
        assert_eq!(tasks[0].state, TaskState::Requested);
        let [started, refused] = decided.record.decisions.as_slice() else {
            panic!()
        };
        assert_eq!(
            started.outcome,
            Outcome::Started {
                run: run.id.clone()
            }
        );
        assert_eq!(refused.outcome, Outcome::NotMatched);
        assert!(
            refused
                .trace
                .as_ref()
                .unwrap()
                .to_string()
                .contains("data.nps")
        );
    }

    #[test]
    fn workflow_is_not_started_by_what_its_own_run_caused() {
        let workflows = [
            workflow("a", json!({"all": []})),
            workflow("b", json!({"all": []})),
        ];
        let decided = decide(
            event(json!({"workflowchain": "a"})),
            listening(workflows),
            Timestamp::UNIX_EPOCH,
        );
        assert_eq!(decided.record.decisions[0].outcome, Outcome::RefusedLoop);
        assert_eq!(decided.runs.len(), 1);
        let chain: Vec<&str> = decided.runs[0]
            .0
            .chain
            .iter()
            .map(domain::WorkflowId::as_str)
            .collect();
        assert_eq!(chain, ["a", "b"]);
    }
}
