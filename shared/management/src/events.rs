use std::collections::BTreeSet;

use domain::{CloudEvent, EventKey, RunId, WorkflowId};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{EventRecord, StoredWorkflow};

use crate::Management;
use crate::error::Error;

/// What is asked about an event.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EventQuery {
    /// Explains, too, why there is no decision for this workflow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow: Option<WorkflowId>,
}

/// An event, and what was decided about it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EventDetail {
    /// The event's key.
    pub key: EventKey,
    /// The event, as CloudEvents 1.0 write it.
    pub event: CloudEvent,
    /// When it was evaluated.
    pub evaluated_at: Timestamp,
    /// One decision for each workflow that listened, in the order of their ids.
    pub decisions: Vec<Decision>,
    /// Why there is no decision for the workflow that was asked about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explanation: Option<String>,
}

/// What was decided for one workflow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Decision {
    /// The workflow.
    pub workflow: WorkflowId,
    /// Its revision at that moment.
    pub revision: u32,
    /// What came of it.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// Each comparison with the value seen. Absent when it was too large to keep, or the run has expired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<Value>,
}

/// What came of an event for a workflow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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

impl From<store::Outcome> for Outcome {
    fn from(outcome: store::Outcome) -> Self {
        match outcome {
            store::Outcome::Started { run } => Self::Started { run },
            store::Outcome::NotMatched => Self::NotMatched,
            store::Outcome::RefusedLoop => Self::RefusedLoop,
            store::Outcome::Errored { problem } => Self::Errored { problem },
        }
    }
}

impl EventDetail {
    /// The runs that the event has started.
    pub fn started(&self) -> impl Iterator<Item = &RunId> {
        self.decisions
            .iter()
            .filter_map(|decision| match &decision.outcome {
                Outcome::Started { run } => Some(run),
                Outcome::NotMatched | Outcome::RefusedLoop | Outcome::Errored { .. } => None,
            })
    }
}

impl Management {
    /// An event with every decision about it, each with the trace that led to it. With a `workflow` for which
    /// there is none, the reason for that.
    ///
    /// # Errors
    /// `NotFound`, also while it has not been evaluated yet; `Unavailable`; `Internal` when a row cannot be read.
    pub async fn event(
        &self,
        key: &EventKey,
        workflow: Option<&WorkflowId>,
    ) -> Result<EventDetail, Error> {
        let record = self.event_rows.get(key).await?;
        let record = record.ok_or_else(|| Error::UnknownEvent(key.clone()))?;
        let explanation = match workflow {
            Some(workflow) if !has_decision(&record, workflow) => {
                let stored = self.workflow_rows.get(workflow).await?;
                Some(why_no_decision(&record, workflow, stored.as_ref()))
            }
            Some(_) | None => None,
        };
        let mut decisions = Vec::new();
        for decision in record.decisions {
            let mut trace = decision.trace;
            if let store::Outcome::Started { run } = &decision.outcome {
                // Kept with the run, not with the event.
                trace = self.run_rows.get(run).await?.map(|(run, _)| run.trace);
            }
            decisions.push(Decision {
                workflow: decision.workflow,
                revision: decision.revision,
                outcome: decision.outcome.into(),
                trace,
            });
        }
        Ok(EventDetail {
            key: key.clone(),
            event: record.event,
            evaluated_at: record.evaluated_at,
            decisions,
            explanation,
        })
    }
}

fn has_decision(record: &EventRecord, workflow: &WorkflowId) -> bool {
    record
        .decisions
        .iter()
        .any(|decision| decision.workflow == *workflow)
}

/// Why there is no decision for a workflow. `stored` is the workflow as it is now.
fn why_no_decision(
    record: &EventRecord,
    workflow: &WorkflowId,
    stored: Option<&StoredWorkflow>,
) -> String {
    let Some(stored) = stored else {
        return format!("There is no workflow `{workflow}`.");
    };
    let event = &record.event;
    let listeners = stored.workflow.listeners();
    let of_type: Vec<_> = listeners
        .iter()
        .filter(|listener| listener.kind == event.kind)
        .collect();
    let listens = of_type.iter().any(|listener| {
        listener
            .subject
            .as_ref()
            .is_none_or(|subject| Some(subject) == event.subject.as_ref())
    });
    let since = format!(
        "revision {}, applied {}",
        stored.revision,
        time(stored.applied_at)
    );
    let applied_later = stored.applied_at > record.evaluated_at;
    let mut text = if !stored.workflow.enabled {
        format!("`{workflow}` is switched off ({since}).")
    } else if of_type.is_empty() {
        let kinds = distinct(listeners.iter().map(|listener| listener.kind.as_str()));
        format!(
            "`{workflow}` listens to events of the type {kinds} ({since}). This one is of the type `{}`.",
            event.kind
        )
    } else if !listens {
        let subjects = distinct(
            of_type
                .iter()
                .filter_map(|listener| listener.subject.as_deref()),
        );
        let own = event.subject.as_ref().map_or_else(
            || "This one has no subject.".to_owned(),
            |subject| format!("This one has the subject `{subject}`."),
        );
        format!(
            "`{workflow}` listens to events of this type with the subject {subjects} ({since}). {own}"
        )
    } else if applied_later {
        format!("`{workflow}` listens to such events now ({since}).")
    } else {
        format!(
            "`{workflow}` listens to such events ({since}), and yet there is no decision: it was applied or switched on while the event was evaluated."
        )
    };
    if applied_later {
        text = format!(
            "{text}\nThat was applied after this event was evaluated ({}): what counted then may have been another revision.",
            time(record.evaluated_at)
        );
    }
    text
}

fn distinct<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: BTreeSet<&str> = names.collect();
    let quoted: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    quoted.join(" or ")
}

/// A point in time, to the second, in UTC.
fn time(timestamp: Timestamp) -> String {
    format!("{timestamp:.0}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;
    use serde_json::json;

    #[test]
    fn decisions_read_on_the_wire_as_they_are_stored() {
        let run = domain::RunId::parse("run_00000000000000000000000000000000").unwrap();
        for outcome in [
            store::Outcome::Started { run },
            store::Outcome::NotMatched,
            store::Outcome::RefusedLoop,
            store::Outcome::Errored {
                problem: "no".to_owned(),
            },
        ] {
            let stored = store::Decision {
                workflow: WorkflowId::parse("w").unwrap(),
                revision: 3,
                outcome: outcome.clone(),
                trace: Some(json!({"holds": true})),
            };
            let own = Decision {
                workflow: stored.workflow.clone(),
                revision: stored.revision,
                outcome: outcome.into(),
                trace: stored.trace.clone(),
            };
            assert_eq!(json!(own), json!(stored));
            let read: Decision = serde_json::from_value(json!(own)).unwrap();
            assert_eq!(read, own);
        }
    }

    #[test]
    fn absent_decision_is_explained() {
        let record = EventRecord {
            event: samples::evaluated_event().0.event,
            evaluated_at: samples::NOW,
            decisions: Vec::new(),
        };
        let id = WorkflowId::parse("w").unwrap();
        let earlier = samples::NOW - jiff::SignedDuration::from_hours(1);
        let later = samples::NOW + jiff::SignedDuration::from_hours(1);
        for (trigger, enabled, applied_at, expected) in [
            (json!({"type": "a"}), false, earlier, "switched off"),
            (
                json!({"type": ["b", "a"]}),
                true,
                earlier,
                "of the type `a` or `b` (revision 7, applied 2026-11-21T11:30:00Z). This one is of the type `response.completed`.",
            ),
            (
                json!({"type": "response.completed", "subject": "SV_2"}),
                true,
                earlier,
                "with the subject `SV_2` (revision 7, applied 2026-11-21T11:30:00Z). This one has the subject `SV_1`.",
            ),
            (
                json!({"type": "response.completed"}),
                true,
                later,
                "applied after this event was evaluated (2026-11-21T12:30:00Z)",
            ),
            (
                json!({"type": "a"}),
                true,
                later,
                "may have been another revision",
            ),
            (
                json!({"type": "response.completed"}),
                true,
                earlier,
                "and yet there is no decision",
            ),
        ] {
            let workflow = domain::definition::workflow(&json!({
                "id": "w", "name": "W", "enabled": enabled, "trigger": {"event": trigger},
                "tasks": [{"id": "t", "kind": "zendesk.create_ticket", "account": "z", "input": {"comment": "x"}}]
            }))
            .unwrap();
            let stored = StoredWorkflow {
                workflow,
                revision: 7,
                applied_at,
            };
            let text = why_no_decision(&record, &id, Some(&stored));
            assert!(text.contains(expected), "{expected} is not in:\n{text}");
        }
        assert_eq!(
            why_no_decision(&record, &id, None),
            "There is no workflow `w`."
        );
    }
}
