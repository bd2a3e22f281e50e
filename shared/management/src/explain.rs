//! Why a workflow ran or did not run for an event, in sentences. Pure.

use std::collections::BTreeSet;

use domain::message::RESPONSE_FAILED;
use domain::trigger::Listener;
use domain::{CloudEvent, EventKey, WorkflowId};
use jiff::Timestamp;
use store::{Outcome, StoredEvent, StoredWorkflow};

use crate::events::{Answers, AnswersState};

/// What is known of the workflow that is asked about.
pub(crate) struct Asked<'a> {
    pub(crate) id: &'a WorkflowId,
    /// As it is now; `None` when there is none.
    pub(crate) now: Option<&'a StoredWorkflow>,
    /// Every revision that it ever had, newest first.
    pub(crate) revisions: &'a [StoredWorkflow],
}

impl Asked<'_> {
    /// The revision that counted at this moment, unless the workflow had been deleted.
    fn at(&self, moment: Timestamp) -> Option<&StoredWorkflow> {
        let mut revisions = self.revisions.iter();
        revisions.find(|stored| stored.applied_at <= moment)
    }
}

/// Why the workflow ran or did not run for the event.
pub(crate) fn explain(seen: &StoredEvent, asked: &Asked<'_>, answers: Option<&Answers>) -> String {
    let id = asked.id;
    let record = &seen.record;
    let decision = record
        .decisions
        .iter()
        .find(|decision| decision.workflow == *id);
    let mut sentences = match decision {
        None => why_no_decision(seen, asked, answers),
        Some(decision) => {
            let revision = decision.revision;
            match &decision.outcome {
                Outcome::Started { run } => {
                    vec![format!(
                        "`{id}` (revision {revision}) listened, its condition held, and it started the run {run}."
                    )]
                }
                Outcome::NotMatched => {
                    let mut sentences = vec![format!(
                        "`{id}` (revision {revision}) listened, and its condition did not hold: see the comparisons."
                    )];
                    let mut revisions = asked.revisions.iter();
                    let stored = revisions.find(|stored| stored.revision == revision);
                    sentences.extend(stored.and_then(|stored| implied(stored, seen)));
                    sentences
                }
                Outcome::RefusedLoop => vec![format!(
                    "`{id}` (revision {revision}) listened, but the event comes from a run of its own ({}): it would have started itself again and again. Nothing makes it run for this event.",
                    chain(&record.event)
                )],
                Outcome::Errored { problem } => vec![format!(
                    "`{id}` (revision {revision}) listened, and could not be evaluated: {problem}"
                )],
            }
        }
    };
    let own = |replay: &&store::Replayed| replay.workflow == *id;
    sentences.extend(seen.replays.iter().filter(own).map(|replay| {
        format!(
            "It was replayed {} as `{}` (revision {}), which started the run {}.",
            time(replay.at),
            replay.replay,
            replay.revision,
            replay.run
        )
    }));
    sentences.join("\n")
}

/// What the trigger asks for by itself, when that is (also) what did not hold.
fn implied(stored: &StoredWorkflow, seen: &StoredEvent) -> Option<String> {
    let condition = stored.workflow.trigger.condition()?;
    let event = serde_json::to_value(&seen.record.event).ok()?;
    let evaluation = condition.evaluate(&event, seen.record.evaluated_at);
    (!evaluation.holds).then(|| {
        format!(
            "Its trigger asks for this by itself, which did not hold:\n{}",
            evaluation.trace
        )
    })
}

/// Why there is no decision for a workflow.
fn why_no_decision(
    seen: &StoredEvent,
    asked: &Asked<'_>,
    answers: Option<&Answers>,
) -> Vec<String> {
    let id = asked.id;
    let record = &seen.record;
    let mut sentences = Vec::new();
    let counted = asked.at(record.evaluated_at);
    match (counted, asked.now, asked.revisions.last()) {
        (Some(counted), ..) => sentences.push(why_not(counted, &record.event, Tense::Past)),
        (None, Some(_), Some(first)) if first.revision == 1 => sentences.push(format!(
            "`{id}` was applied for the first time {}, after this event was evaluated ({}).",
            time(first.applied_at),
            time(record.evaluated_at)
        )),
        (None, Some(_), _) => sentences.push(format!(
            "What `{id}` said when this event was evaluated ({}) is not known any more.",
            time(record.evaluated_at)
        )),
        (None, None, Some(_)) => {
            sentences.push(format!(
                "`{id}` was applied for the first time after this event was evaluated ({}), and has been deleted since.",
                time(record.evaluated_at)
            ));
        }
        (None, None, None) => {
            return vec![format!(
                "There is no workflow `{id}`, and there never was one in this stack."
            )];
        }
    }
    match asked.now {
        None if counted.is_some() => sentences.push(
            "It has been deleted. When, is not kept: if that was before the event came, this is why.".to_owned(),
        ),
        Some(now) if counted.is_none_or(|counted| counted.revision != now.revision) => {
            sentences.push(why_not(now, &record.event, Tense::Present));
        }
        Some(_) | None => {}
    }
    if let Some(answers) = answers {
        sentences.push(of_answers(answers, &seen.record.event.key(), id));
    }
    let would_start = |now: &StoredWorkflow| {
        now.workflow.enabled && mismatch(now.workflow.listeners(), &record.event).is_none()
    };
    if asked.now.is_some_and(would_start) {
        sentences.push(format!(
            "To have it handled now: closedloop events replay {} --workflow {id}",
            record.event.key()
        ));
    }
    sentences
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Tense {
    Past,
    Present,
}

/// Why this revision of a workflow does not hear the event, if it does not.
fn why_not(stored: &StoredWorkflow, event: &CloudEvent, tense: Tense) -> String {
    let id = &stored.workflow.id;
    let since = format!(
        "revision {}, applied {}",
        stored.revision,
        time(stored.applied_at)
    );
    let (was, listened, when) = match tense {
        Tense::Past => ("was", "listened", "when this event was evaluated"),
        Tense::Present => ("is", "listens", "now"),
    };
    if !stored.workflow.enabled {
        return format!("`{id}` {was} switched off {when} ({since}).");
    }
    match (mismatch(stored.workflow.listeners(), event), tense) {
        (Some(Mismatch { to, own }), _) => {
            format!("`{id}` {listened} to {to} {when} ({since}). {own}")
        }
        (None, Tense::Past) => format!(
            "`{id}` listened to such events when this one was evaluated ({since}), and yet there is no decision: it was applied or switched on while that was going on, or it was not there at that moment."
        ),
        (None, Tense::Present) => format!("`{id}` listens to such events now ({since})."),
    }
}

/// To what the workflow listens instead of this event.
pub(crate) fn why_not_listening(stored: &StoredWorkflow, event: &CloudEvent) -> String {
    let id = &stored.workflow.id;
    mismatch(stored.workflow.listeners(), event).map_or_else(
        || format!("`{id}` listens to such events."),
        |Mismatch { to, own }| {
            format!(
                "`{id}` listens to {to} (revision {}). {own}",
                stored.revision
            )
        },
    )
}

struct Mismatch {
    to: String,
    own: String,
}

/// What the listeners want that the event does not have; `None` when one hears it.
fn mismatch(listeners: BTreeSet<Listener>, event: &CloudEvent) -> Option<Mismatch> {
    let subject = event.subject.as_deref();
    if listeners
        .iter()
        .any(|listener| listener.hears(&event.kind, subject))
    {
        return None;
    }
    let of_type: Vec<&Listener> = listeners
        .iter()
        .filter(|listener| listener.kind == event.kind)
        .collect();
    Some(if of_type.is_empty() {
        let kinds = distinct(listeners.iter().map(|listener| listener.kind.as_str()));
        Mismatch {
            to: format!("events of the type {kinds}"),
            own: format!("This one is of the type `{}`.", event.kind),
        }
    } else {
        let subjects = of_type
            .iter()
            .filter_map(|listener| listener.subject.as_deref());
        Mismatch {
            to: format!(
                "events of this type with the subject {}",
                distinct(subjects)
            ),
            own: subject.map_or_else(
                || "This one has no subject.".to_owned(),
                |subject| format!("This one has the subject `{subject}`."),
            ),
        }
    })
}

/// What is to be said of the event that brings the answers of a survey response.
fn of_answers(answers: &Answers, notified: &EventKey, workflow: &WorkflowId) -> String {
    let Answers { event, state } = answers;
    match state {
        AnswersState::Pending => format!(
            "This event says that there is a response; its answers are being fetched, and then come as the event {event}, to which workflows listen."
        ),
        AnswersState::Fetched => format!(
            "This event says that there is a response; its answers came as the event {event}: see closedloop events show {event} --workflow {workflow}"
        ),
        AnswersState::Missing => format!(
            "This event says that there is a response; its answers did not come: closedloop events list --type {RESPONSE_FAILED} names the event that says why, unless the notification lies in a dead-letter queue, and closedloop events fetch {notified} has them fetched once more."
        ),
    }
}

fn chain(event: &CloudEvent) -> String {
    let chain = event.workflow_chain();
    let names: Vec<&str> = chain.iter().map(WorkflowId::as_str).collect();
    names.join(" → ")
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
    use jiff::SignedDuration;
    use serde_json::{Value, json};
    use store::{Decision, EventRecord};

    fn revision(trigger: &Value, enabled: bool, revision: u32, hours: i64) -> StoredWorkflow {
        let workflow = domain::definition::workflow(&json!({
            "id": "w", "name": "W", "enabled": enabled, "trigger": trigger,
            "tasks": [{"id": "t", "kind": "zendesk.create_ticket", "account": "z", "input": {"comment": "x"}}]
        }))
        .unwrap();
        StoredWorkflow {
            workflow,
            revision,
            applied_at: samples::NOW + SignedDuration::from_hours(hours),
        }
    }

    fn seen(decisions: Vec<Decision>) -> StoredEvent {
        StoredEvent {
            record: EventRecord {
                event: samples::evaluated_event().0.event,
                evaluated_at: samples::NOW,
                decisions,
            },
            replays: Vec::new(),
            opened: 0,
        }
    }

    fn on(kind: &str) -> Value {
        json!({"event": {"type": kind}})
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table")]
    fn absent_decision_is_explained_by_the_revision_of_that_moment() {
        let heard = on("response.completed");
        let subject = json!({"event": {"type": "response.completed", "subject": "SV_2"}});
        let id = WorkflowId::parse("w").unwrap();
        // The revisions, newest first; whether the workflow is still there; what is said, and what is not.
        for (revisions, is_there, expected, absent) in [
            (
                vec![revision(&on("a"), false, 1, -1)],
                true,
                vec![
                    "was switched off when this event was evaluated (revision 1, applied 2026-11-21T11:30:00Z)",
                ],
                vec!["replay"],
            ),
            (
                vec![revision(
                    &json!({"event": {"type": ["b", "a"]}}),
                    true,
                    1,
                    -1,
                )],
                true,
                vec![
                    "listened to events of the type `a` or `b`",
                    "is of the type `response.completed`",
                ],
                vec!["replay"],
            ),
            (
                vec![revision(&subject, true, 1, -1)],
                true,
                vec!["with the subject `SV_2`", "has the subject `SV_1`"],
                vec!["replay"],
            ),
            // What counts now is another thing than what counted then.
            (
                vec![
                    revision(&heard, true, 3, 1),
                    revision(&on("a"), true, 2, -1),
                ],
                true,
                vec![
                    "listened to events of the type `a`",
                    "(revision 2,",
                    "listens to such events now (revision 3,",
                    "closedloop events replay ev_",
                ],
                vec![],
            ),
            (
                vec![
                    revision(&on("a"), true, 3, 1),
                    revision(&heard, false, 2, -1),
                ],
                true,
                vec!["was switched off", "listens to events of the type `a` now"],
                vec!["replay"],
            ),
            (
                vec![revision(&heard, true, 1, 1)],
                true,
                vec![
                    "applied for the first time 2026-11-21T13:30:00Z, after this event",
                    "replay",
                ],
                vec![],
            ),
            (
                vec![revision(&heard, true, 7, 1)],
                true,
                vec!["is not known any more", "listens to such events now"],
                vec![],
            ),
            (
                vec![revision(&heard, true, 1, -1)],
                true,
                vec!["and yet there is no decision"],
                vec![],
            ),
            (
                vec![revision(&heard, true, 1, -1)],
                false,
                vec!["has been deleted"],
                vec!["replay"],
            ),
            (
                vec![revision(&heard, true, 1, 1)],
                false,
                vec!["for the first time after this event", "deleted since"],
                vec![],
            ),
            (vec![], false, vec!["there never was one"], vec![]),
        ] {
            let asked = Asked {
                id: &id,
                now: revisions.first().filter(|_| is_there),
                revisions: &revisions,
            };
            let text = explain(&seen(Vec::new()), &asked, None);
            for words in expected {
                assert!(text.contains(words), "{words} is not in:\n{text}");
            }
            for words in absent {
                assert!(!text.contains(words), "{words} is in:\n{text}");
            }
        }
    }

    #[test]
    fn decision_is_explained_with_what_the_trigger_asks_for_by_itself() {
        let id = WorkflowId::parse("w").unwrap();
        let run = samples::failed_run().0.id;
        let survey = revision(&json!({"dataset_record": {}}), true, 1, -1);
        for (outcome, expected) in [
            (Outcome::Started { run }, vec!["started the run run_"]),
            (
                Outcome::NotMatched,
                vec!["did not hold", "asks for this by itself", "time"],
            ),
            (Outcome::RefusedLoop, vec!["first → looping"]),
            (
                Outcome::Errored {
                    problem: "odd".to_owned(),
                },
                vec!["could not be evaluated: odd"],
            ),
        ] {
            let asked = Asked {
                id: &id,
                now: Some(&survey),
                revisions: std::slice::from_ref(&survey),
            };
            let decision = Decision {
                workflow: id.clone(),
                revision: 1,
                outcome,
                trace: None,
            };
            let text = explain(&seen(vec![decision]), &asked, None);
            for words in expected {
                assert!(text.contains(words), "{words} is not in:\n{text}");
            }
        }
    }

    #[test]
    fn replays_and_fetched_answers_are_told() {
        let id = WorkflowId::parse("w").unwrap();
        let mut seen = seen(Vec::new());
        let run = samples::failed_run().0.id;
        seen.replays = ["w", "other"]
            .map(|workflow| store::Replayed {
                workflow: WorkflowId::parse(workflow).unwrap(),
                revision: 2,
                run: run.clone(),
                replay: domain::ReplayId::parse(&format!("for-{workflow}")).unwrap(),
                new_keys: false,
                at: samples::NOW,
            })
            .into();
        let stored = revision(&on("qualtrics.response.completed"), true, 1, -1);
        let asked = Asked {
            id: &id,
            now: Some(&stored),
            revisions: std::slice::from_ref(&stored),
        };
        let event = EventKey::derive("/a", "1", None);
        for (state, expected) in [
            (AnswersState::Pending, "are being fetched".to_owned()),
            (
                AnswersState::Fetched,
                format!("events show {event} --workflow w"),
            ),
            (
                AnswersState::Missing,
                format!("events fetch {}", seen.record.event.key()),
            ),
        ] {
            let answers = Answers {
                event: event.clone(),
                state,
            };
            let text = explain(&seen, &asked, Some(&answers));
            assert!(text.contains(&expected), "{text}");
            assert!(
                text.contains("as `for-w`") && !text.contains("for-other"),
                "{text}"
            );
        }
    }
}
