//! Events, and what was decided about them.

use std::collections::HashMap;
use std::fmt;

use domain::{RunId, WorkflowId};
use serde_json::Value;
use store::{Decision, EventRecord, Outcome, StoredWorkflow};

use super::{field, hanging, time, trace};

/// An event with its decisions.
pub(crate) struct FullEvent<'a> {
    pub(crate) record: &'a EventRecord,
    /// Only this workflow's decision, or everybody's.
    pub(crate) workflow: Option<&'a WorkflowId>,
    /// The traces of the runs that were started, which are kept with the runs.
    pub(crate) run_traces: &'a HashMap<RunId, Value>,
}

impl FullEvent<'_> {
    /// The decisions that are asked for.
    pub(crate) fn decisions(&self) -> impl Iterator<Item = &Decision> {
        self.record.decisions.iter().filter(|decision| {
            self.workflow
                .is_none_or(|workflow| *workflow == decision.workflow)
        })
    }
}

impl fmt::Display for FullEvent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let event = &self.record.event;
        writeln!(f, "Event {}", event.key())?;
        field(f, "type", &event.kind)?;
        if let Some(subject) = &event.subject {
            field(f, "subject", subject)?;
        }
        field(f, "source", &event.source)?;
        field(f, "id", &event.id)?;
        if let Some(at) = event.time {
            field(f, "time", time(at))?;
        }
        field(f, "evaluated", time(self.record.evaluated_at))?;
        if self.record.decisions.is_empty() {
            let of_subject = event
                .subject
                .as_ref()
                .map(|subject| format!(" with the subject `{subject}`"))
                .unwrap_or_default();
            writeln!(
                f,
                "\nNo workflow listened to events of the type `{}`{of_subject}.",
                event.kind
            )?;
        }
        for decision in self.decisions() {
            write!(
                f,
                "\n{} (revision {}): ",
                decision.workflow, decision.revision
            )?;
            let seen = match &decision.outcome {
                Outcome::Started { run } => {
                    writeln!(f, "started the run {run}")?;
                    self.run_traces.get(run)
                }
                Outcome::NotMatched => {
                    writeln!(f, "not started, its condition did not hold")?;
                    if decision.trace.is_none() {
                        writeln!(f, "  The trace was too large to keep.")?;
                    }
                    decision.trace.as_ref()
                }
                Outcome::RefusedLoop => {
                    writeln!(f, "not started, it would have started itself")?;
                    let chain: Vec<String> = event
                        .workflow_chain()
                        .iter()
                        .map(ToString::to_string)
                        .collect();
                    writeln!(f, "  The event comes from runs of {}.", chain.join(" → "))?;
                    None
                }
                Outcome::Errored { problem } => {
                    writeln!(f, "not started, it could not be evaluated")?;
                    writeln!(f, "  {}", hanging(problem, 2))?;
                    None
                }
            };
            if let Some(seen) = seen {
                writeln!(f, "  {}", hanging(&trace(seen), 2))?;
            }
        }
        Ok(())
    }
}

/// Why there is no decision for a workflow. `stored` is the workflow as it is now.
pub(crate) fn why_no_decision(
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
    let names: std::collections::BTreeSet<&str> = names.collect();
    let quoted: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    quoted.join(" or ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;
    use serde_json::json;

    #[test]
    fn every_decision_is_shown_with_its_evidence() {
        let (record, run) = samples::evaluated_event();
        let run_traces = HashMap::from([(run.id.clone(), run.trace.clone())]);
        let full = FullEvent {
            record: &record,
            workflow: None,
            run_traces: &run_traces,
        };
        assert_eq!(
            full.to_string(),
            format!(
                "Event {key}
  type      response.completed
  subject   SV_1
  source    /endpoints/survey
  id        1
  evaluated 2026-11-21T12:30:00Z

broken (revision 1): not started, it could not be evaluated
  no

follow-up (revision 3): started the run {run}
  ✓ all
    ✓ data.nps less_than_or_equal 6 (seen 2)

looping (revision 2): not started, it would have started itself
  The event comes from runs of first → looping.

promoters (revision 1): not started, its condition did not hold
  ✗ all
    ✗ data.nps less_than_or_equal 6 (seen 9)
",
                key = record.event.key(),
                run = run.id
            )
        );
        let only = WorkflowId::parse("promoters").unwrap();
        let restricted = FullEvent {
            workflow: Some(&only),
            ..full
        };
        assert_eq!(restricted.decisions().count(), 1);
    }

    #[test]
    fn absent_decision_is_explained() {
        let (record, _) = samples::evaluated_event();
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
