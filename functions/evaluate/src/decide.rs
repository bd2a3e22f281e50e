//! Which workflows an event starts, and why. Pure.

use domain::CloudEvent;
use domain::decision::{Decided, Decision, Outcome};
use jiff::Timestamp;
use store::Listening;

/// Decides for every workflow that listens, and tells of those whose rows cannot be read.
pub(crate) fn decide(event: CloudEvent, listening: Listening, now: Timestamp) -> Decided {
    let workflows = listening
        .workflows
        .iter()
        .map(|stored| (&stored.workflow, stored.revision));
    let mut decided = domain::decision::decide(event, workflows, now);
    let unreadable = listening.unreadable.into_iter().map(|row| Decision {
        workflow: row.id,
        revision: row.revision,
        outcome: Outcome::Errored {
            problem: row.problem,
        },
        trace: None,
    });
    decided.record.decisions.extend(unreadable);
    decided
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use store::{StoredWorkflow, Unreadable};

    #[test]
    fn workflow_that_cannot_be_read_is_told_and_keeps_no_other_from_running() {
        let workflow = domain::definition::workflow(&json!({
            "id": "a", "name": "A", "trigger": {"event": {"type": "response.completed"}},
            "tasks": [{"id": "ticket", "kind": "zendesk.create_ticket", "account": "zd", "input": {"comment": "x"}}]
        }))
        .unwrap();
        let listening = Listening {
            workflows: vec![StoredWorkflow {
                workflow,
                revision: 4,
                applied_at: Timestamp::UNIX_EPOCH,
            }],
            unreadable: vec![Unreadable {
                id: domain::WorkflowId::parse("newer").unwrap(),
                revision: 2,
                problem: "unknown".to_owned(),
            }],
        };
        let event: CloudEvent = serde_json::from_value(json!({
            "specversion": "1.0", "id": "1", "source": "/endpoints/survey", "type": "response.completed"
        }))
        .unwrap();
        let decided = decide(event, listening, Timestamp::UNIX_EPOCH);
        assert_eq!(decided.runs.len(), 1);
        assert_eq!(decided.runs[0].0.revision, 4);
        assert!(matches!(
            decided.record.decisions[1].outcome,
            Outcome::Errored { .. }
        ));
    }
}
