//! What an event means for the workflows that listen to it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::event::CloudEvent;
use crate::id::{RunId, WorkflowId};
use crate::json_bytes;
use crate::run::{self, Run, TaskRun};
use crate::workflow::Workflow;

/// The traces of one event's decisions that are kept, in bytes of JSON. The event itself may take 240 kB
/// of the row's 400.
const MOST_TRACE_BYTES: usize = 100_000;

/// What was received, and what was decided about it. It is the answer to "why did my workflow (not) run?".
#[derive(Debug, Clone, PartialEq)]
pub struct EventRecord {
    /// The event.
    pub event: CloudEvent,
    /// When it was evaluated first.
    pub evaluated_at: Timestamp,
    /// One decision for each workflow that listened, in the order of their ids.
    pub decisions: Vec<Decision>,
}

/// What was decided for one workflow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// The workflow.
    pub workflow: WorkflowId,
    /// Its revision at that moment.
    pub revision: u32,
    /// What came of it.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// Each comparison with the value seen; absent when the traces of all workflows were too large to keep.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<Value>,
}

/// What came of an event for a workflow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// The conditions held.
    Started {
        /// The run.
        run: RunId,
    },
    /// The conditions did not hold.
    NotMatched,
    /// The event comes from a run of this very workflow.
    RefusedLoop,
    /// The workflow could not be evaluated.
    Errored {
        /// Why.
        problem: String,
    },
}

/// A new event with everything that follows from it.
#[derive(Debug, Clone, PartialEq)]
pub struct Decided {
    /// The event and a decision for every workflow that listened.
    pub record: EventRecord,
    /// A run for each that started.
    pub runs: Vec<(Run, Vec<TaskRun>)>,
}

/// Whether a workflow applies to an event, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Applies {
    /// Whether the condition holds. A workflow without one always applies.
    pub holds: bool,
    /// Each comparison with the value seen, as [`rules::Trace`] writes it; null without a condition.
    pub trace: Value,
}

/// Compares an event, a `CloudEvents` object as JSON, with a workflow's condition.
pub fn applies(workflow: &Workflow, event: &Value, now: Timestamp) -> Applies {
    let Some(condition) = workflow.condition() else {
        return Applies {
            holds: true,
            trace: Value::Null,
        };
    };
    let evaluation = condition.evaluate(event, now);
    Applies {
        holds: evaluation.holds,
        trace: serde_json::to_value(&evaluation.trace).unwrap_or(Value::Null),
    }
}

/// The trace as it may be kept with a run: null when it is too large.
pub fn kept_trace(trace: Value) -> Value {
    if json_bytes(&trace) > MOST_TRACE_BYTES {
        Value::Null
    } else {
        trace
    }
}

/// Decides for every workflow, with its revision, on its own, so that none can keep another from running.
pub fn decide<'a>(
    event: CloudEvent,
    workflows: impl IntoIterator<Item = (&'a Workflow, u32)>,
    now: Timestamp,
) -> Decided {
    let root = serde_json::to_value(&event).unwrap_or(Value::Null);
    let chain = event.workflow_chain();
    let mut runs = Vec::new();
    let mut decisions = Vec::new();
    let mut trace_bytes = 0;
    for (workflow, revision) in workflows {
        let (outcome, trace) = if chain.contains(&workflow.id) {
            (Outcome::RefusedLoop, None)
        } else {
            let Applies { holds, trace } = applies(workflow, &root, now);
            if holds {
                let (run, tasks) = run::begin(workflow, revision, &event, kept_trace(trace), now);
                let outcome = Outcome::Started {
                    run: run.id.clone(),
                };
                runs.push((run, tasks));
                // The run keeps the trace.
                (outcome, None)
            } else {
                (Outcome::NotMatched, Some(trace))
            }
        };
        let trace = trace.filter(|trace: &Value| {
            trace_bytes += json_bytes(trace);
            trace_bytes <= MOST_TRACE_BYTES
        });
        decisions.push(Decision {
            workflow: workflow.id.clone(),
            revision,
            outcome,
            trace,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::TaskState;
    use serde_json::json;

    fn workflow(id: &str, when: &Value) -> Workflow {
        crate::definition::workflow(&json!({
            "id": id, "name": id, "trigger": {"event": {"type": "response.completed"}}, "when": when,
            "tasks": [{"id": "ticket", "kind": "zendesk.create_ticket", "account": "zd", "input": {"comment": "{{ event.data.text }}"}}]
        }))
        .unwrap()
    }

    fn event(extra: &Value) -> CloudEvent {
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

    #[test]
    fn every_listening_workflow_gets_a_decision_with_its_evidence() {
        let workflows = [
            workflow(
                "detractors",
                &json!({"all": [{"field": "data.nps", "less_than_or_equal": 6}]}),
            ),
            workflow(
                "promoters",
                &json!({"all": [{"field": "data.nps", "greater_than": 8}]}),
            ),
        ];
        let decided = decide(
            event(&json!({})),
            workflows.iter().map(|workflow| (workflow, 4)),
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
        let trace = refused.trace.as_ref().unwrap().to_string();
        assert!(trace.contains("data.nps"));
    }

    #[test]
    fn what_the_trigger_asks_for_stands_in_the_trace_too() {
        let mut workflow = workflow("a", &json!({"field": "data.nps", "less_than": 7}));
        workflow.trigger =
            serde_json::from_value(json!({"survey_response": {"survey": "SV_1"}})).unwrap();
        let preview = json!({"data": {"nps": 3, "values": {"status": 1, "finished": 1}}});
        let answer = applies(&workflow, &preview, Timestamp::UNIX_EPOCH);
        assert!(!answer.holds);
        let trace = answer.trace.to_string();
        assert!(
            trace.contains("data.values.status") && trace.contains("data.nps"),
            "{trace}"
        );
    }

    #[test]
    fn workflow_is_not_started_by_what_its_own_run_caused() {
        let workflows = [
            workflow("a", &json!({"all": []})),
            workflow("b", &json!({"all": []})),
        ];
        let decided = decide(
            event(&json!({"workflowchain": "a"})),
            workflows.iter().map(|workflow| (workflow, 1)),
            Timestamp::UNIX_EPOCH,
        );
        assert_eq!(decided.record.decisions[0].outcome, Outcome::RefusedLoop);
        assert_eq!(decided.runs.len(), 1);
        let chain: Vec<&str> = decided.runs[0]
            .0
            .chain
            .iter()
            .map(WorkflowId::as_str)
            .collect();
        assert_eq!(chain, ["a", "b"]);
    }
}
