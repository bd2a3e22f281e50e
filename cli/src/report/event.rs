//! Events, and what was decided about them.

use std::fmt;

use domain::WorkflowId;
use domain::message::RESPONSE_FAILED;
use management::{AnswersState, Decision, EventDetail, Outcome, ReplayEntry};

use super::{field, hanging, time, trace};

/// An event with its decisions.
pub(crate) struct FullEvent<'a> {
    pub(crate) detail: &'a EventDetail,
    /// Only this workflow's decision, or everybody's.
    pub(crate) workflow: Option<&'a WorkflowId>,
}

impl FullEvent<'_> {
    /// The decisions that are asked for.
    pub(crate) fn decisions(&self) -> impl Iterator<Item = &Decision> {
        self.detail.decisions.iter().filter(|decision| {
            self.workflow
                .is_none_or(|workflow| *workflow == decision.workflow)
        })
    }

    /// The replays that are asked for.
    pub(crate) fn replays(&self) -> impl Iterator<Item = &ReplayEntry> {
        self.detail.replays.iter().filter(|replay| {
            self.workflow
                .is_none_or(|workflow| *workflow == replay.workflow)
        })
    }
}

impl fmt::Display for FullEvent<'_> {
    #[expect(clippy::too_many_lines, reason = "one section after the other")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let event = &self.detail.event;
        writeln!(f, "Event {}", self.detail.key)?;
        field(f, "type", &event.kind)?;
        if let Some(subject) = &event.subject {
            field(f, "subject", subject)?;
        }
        field(f, "source", &event.source)?;
        field(f, "id", &event.id)?;
        if let Some(at) = event.time {
            field(f, "time", time(at))?;
        }
        field(f, "evaluated", time(self.detail.evaluated_at))?;
        if let Some(answers) = &self.detail.answers {
            match &answers.state {
                AnswersState::Pending => {
                    field(
                        f,
                        "answers",
                        format_args!("to be fetched, as {}", answers.event),
                    )?;
                }
                AnswersState::Fetched => {
                    field(f, "answers", format_args!("fetched, as {}", answers.event))?;
                }
                AnswersState::Missing => field(
                    f,
                    "answers",
                    format_args!(
                        "did not come as {}: see the events of the type {RESPONSE_FAILED} and the dead-letter queue",
                        answers.event
                    ),
                )?,
            }
        }
        if self.detail.decisions.is_empty() {
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
                    decision.trace.as_ref()
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
        for replay in self.replays() {
            let state = replay.state.map_or("gone by now", domain::RunState::as_str);
            writeln!(
                f,
                "\n{} (revision {}): replayed {} as {}, which started the run {} ({state})",
                replay.workflow,
                replay.revision,
                time(replay.at),
                replay.replay,
                replay.run,
            )?;
            if replay.new_keys {
                writeln!(
                    f,
                    "  With new keys: what was created before, was created once more."
                )?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use management::samples;

    #[test]
    fn every_decision_is_shown_with_its_evidence() {
        let (detail, run) = samples::evaluated_event();
        let full = FullEvent {
            detail: &detail,
            workflow: None,
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
                key = detail.key,
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
    fn replays_and_what_became_of_the_answers_are_shown() {
        let (mut detail, run) = samples::evaluated_event();
        for (state, expected) in [
            (
                serde_json::json!({"state": "pending"}),
                "to be fetched, as ev_",
            ),
            (serde_json::json!({"state": "fetched"}), "fetched, as ev_"),
            (
                serde_json::json!({"state": "missing"}),
                "did not come as ev_",
            ),
        ] {
            let mut answers = state;
            answers["event"] = serde_json::json!(detail.key);
            detail.answers = Some(serde_json::from_value(answers).unwrap());
            detail.replays = vec![
                serde_json::from_value(serde_json::json!({
                    "workflow": "follow-up", "revision": 4, "run": run.id, "state": "running", "replay": "again",
                    "new_keys": true, "at": samples::NOW
                }))
                .unwrap(),
            ];
            let text = FullEvent {
                detail: &detail,
                workflow: None,
            }
            .to_string();
            assert!(text.contains(expected), "{text}");
            assert!(
                text.contains("follow-up (revision 4): replayed 2026-11-21T12:30:00Z as again")
                    && text.contains("(running)")
                    && text.contains("created once more"),
                "{text}"
            );
        }
    }
}
