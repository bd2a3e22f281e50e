//! Having an event that was received before handled by a workflow once more, or at last.
//!
//! The event's first run has the id that any delivery of the event would give it, and so happens once. Every further
//! run has an id that follows from the replay's, and happens once for each of those. All are noted on the event.

use domain::decision::{applies, kept_trace};
use domain::message::tells_of_session;
use domain::run::{self, Replay, end_event};
use domain::{
    CloudEvent, EventKey, ReplayId, Run, RunId, RunState, TaskRun, TaskState, Workflow, WorkflowId,
};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{EventEntry, MOST_REPLAYS, Order, Outcome, Place, StoredEvent, StoredWorkflow};

use crate::WorkflowManagement;
use crate::error::Error;
use crate::explain::why_not_listening;
use crate::paging::{Cursor, checked_period};
use crate::runs::{is_of_one_row, runs_with_first_keys};

/// How many rows of events one call that replays a period looks at.
const ROWS: usize = 500;
/// How many events it works on: each costs some calls, and it must end long before its function does.
const MOST_REPLAYED: usize = 25;
/// How often an event is read again when somebody else replays it at the same moment.
const MOST_CONFLICTS: usize = 4;

/// How an event is to be replayed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplayEvent {
    /// The workflow that is to handle it, by its definition of now.
    pub workflow: WorkflowId,
    /// Names the occasion. Asking again under one name does it once.
    pub replay_id: ReplayId,
    /// Gives the tasks keys of their own, so that what an earlier run has created is created once more. Otherwise it
    /// is found.
    #[serde(default)]
    pub new_keys: bool,
    /// Runs also when the workflow is off, does not listen to the event, or its condition does not hold.
    #[serde(default)]
    pub regardless: bool,
}

/// Which events are to be replayed, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplayEvents {
    /// Those that were evaluated then or later.
    pub since: Timestamp,
    /// And before.
    pub until: Timestamp,
    /// The workflow that is to handle them, by its definition of now.
    pub workflow: WorkflowId,
    /// Names the occasion. Asking again under one name does it once.
    pub replay_id: ReplayId,
    /// Of this type only.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// With this subject only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Only those for which the workflow has no run.
    #[serde(default)]
    pub missing: bool,
    /// Gives the tasks keys of their own, so that what an earlier run has created is created once more. Otherwise it
    /// is found.
    #[serde(default)]
    pub new_keys: bool,
    /// Runs also when the workflow is off, does not listen to an event, or its condition does not hold. Needs a `type`.
    #[serde(default)]
    pub regardless: bool,
    /// What follows an earlier page: its `next`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Cursor>,
}

/// What replaying an event did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReplayedEvent {
    /// The event.
    pub event: EventKey,
    /// The workflow.
    pub workflow: WorkflowId,
    /// Its revision, by which the event was handled.
    pub revision: u32,
    /// What came of it.
    #[serde(flatten)]
    pub outcome: ReplayOutcome,
    /// Each comparison of the workflow's condition with the value seen; absent where nothing was compared, and for events of
    /// the types `teamviewer.*`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<Value>,
}

/// What came of an event that was replayed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum ReplayOutcome {
    /// A run has begun.
    Started {
        /// The run.
        run: RunId,
        /// Whether it is the first one of the workflow for the event.
        first: bool,
    },
    /// It was replayed under this id before.
    Repeated {
        /// The run of that time.
        run: RunId,
    },
    /// Only events without a run were wanted, and there is one.
    HasRun {
        /// The run.
        run: RunId,
    },
    /// The workflow does not listen to such events.
    NotListening {
        /// To what it listens.
        reason: String,
    },
    /// Its condition does not hold.
    NotMatched,
    /// The event comes from a run of this very workflow.
    RefusedLoop,
}

/// What replaying the events of a part of a period did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReplayedPage {
    /// How many events were looked at.
    pub looked_at: u32,
    /// The runs that have begun.
    pub started: Vec<RunId>,
    /// How many events were replayed under this id before; what is due in their runs was requested once more.
    pub repeated: u32,
    /// How many have a run of the workflow, where only those without one were wanted.
    pub has_run: u32,
    /// How many are of another type or have another subject than wanted, or the workflow does not listen to them.
    pub not_listening: u32,
    /// For how many the workflow's condition does not hold.
    pub not_matched: u32,
    /// The events that could not be replayed.
    pub refused: Vec<NotReplayed>,
    /// Ask again with this `cursor` for the rest of the period; absent at its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Cursor>,
}

/// An event that could not be replayed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NotReplayed {
    /// The event.
    pub event: EventKey,
    /// Why.
    pub reason: String,
}

/// How one event is to be replayed, be it alone or with others.
struct How<'a> {
    stored: &'a StoredWorkflow,
    replay: &'a ReplayId,
    missing: bool,
    new_keys: bool,
    regardless: bool,
}

/// What follows from what is known.
#[derive(Debug, Clone, PartialEq)]
enum Next {
    /// Nothing runs.
    Nothing(ReplayOutcome),
    /// It was begun: what is due is requested once more.
    Repeat(RunId),
    /// Begin a run.
    Begin {
        /// Whether it is the first one.
        first: bool,
    },
}

impl WorkflowManagement {
    /// Has a workflow handle an event by its definition of now: for the first time when it has no run for the event
    /// yet, else once more. What there is stays as it is. Asking again under one replay id does it once.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` when the workflow is off, an earlier run that has the same keys goes on, the event was
    /// replayed too often, or somebody else was faster; `Unavailable`.
    pub async fn replay_event(
        &self,
        event: &EventKey,
        request: &ReplayEvent,
        now: Timestamp,
    ) -> Result<ReplayedEvent, Error> {
        let stored = self
            .replaying(&request.workflow, request.regardless)
            .await?;
        let how = How {
            stored: &stored,
            replay: &request.replay_id,
            missing: false,
            new_keys: request.new_keys,
            regardless: request.regardless,
        };
        self.replay(event, &how, now).await
    }

    /// Has a workflow handle the events of a period, some at a time, the oldest first. Safe to repeat and to break off:
    /// under one replay id each event is handled once.
    ///
    /// # Errors
    /// `NotFound` and `Conflict` for the workflow, `Invalid` for a period that ends before it begins or when every event
    /// of whatever type would run; `Unavailable`, after which the same call goes on.
    pub async fn replay_events(
        &self,
        request: &ReplayEvents,
        now: Timestamp,
    ) -> Result<ReplayedPage, Error> {
        let period = checked_period(request.since, request.until, now)?;
        if request.regardless && request.kind.is_none() {
            return Err(Error::field(
                "type",
                "expected the type of the events, since all of them would run regardless of what the workflow listens to",
            ));
        }
        let stored = self
            .replaying(&request.workflow, request.regardless)
            .await?;
        let how = How {
            stored: &stored,
            replay: &request.replay_id,
            missing: request.missing,
            new_keys: request.new_keys,
            regardless: request.regardless,
        };
        let cursor = request.cursor.as_ref().map(Cursor::place);
        let page = self
            .event_rows
            .of_period(period, Order::OldestFirst, cursor, ROWS)
            .await?;
        let mut answer = ReplayedPage {
            next: page.next.map(Cursor::from),
            ..ReplayedPage::default()
        };
        let (mut worked_on, mut last) = (0, None);
        for entry in page.items {
            if worked_on == MOST_REPLAYED {
                answer.next = last.map(Cursor::from);
                break;
            }
            answer.looked_at += 1;
            last = Some(place(&entry));
            if !is_wanted(request, &stored.workflow, &entry) {
                answer.not_listening += 1;
                continue;
            }
            worked_on += 1;
            let replayed = self.replay(&entry.key, &how, now).await;
            count(entry.key, replayed, &mut answer)?;
        }
        Ok(answer)
    }

    /// The workflow that is to handle events again.
    async fn replaying(
        &self,
        workflow: &WorkflowId,
        regardless: bool,
    ) -> Result<StoredWorkflow, Error> {
        let stored = self.workflow_rows.get(workflow).await?;
        let stored = stored.ok_or_else(|| Error::UnknownWorkflow(workflow.clone()))?;
        if stored.workflow.enabled || regardless {
            Ok(stored)
        } else {
            Err(Error::WorkflowOff(workflow.clone()))
        }
    }

    async fn replay(
        &self,
        key: &EventKey,
        how: &How<'_>,
        now: Timestamp,
    ) -> Result<ReplayedEvent, Error> {
        for _ in 0..MOST_CONFLICTS {
            match self.try_replay(key, how, now).await {
                Err(Error::Table(store::Error::Conflict { .. })) => {}
                other => return other,
            }
        }
        Err(Error::ChangedInBetween {
            what: format!("the event {key}"),
        })
    }

    async fn try_replay(
        &self,
        key: &EventKey,
        how: &How<'_>,
        now: Timestamp,
    ) -> Result<ReplayedEvent, Error> {
        let workflow = &how.stored.workflow;
        // The event before its runs: what others begin afterwards shows when ours is stored.
        let seen = self.event_rows.read(key).await?;
        let seen = seen.ok_or_else(|| Error::UnknownEvent(key.clone()))?;
        let first = RunId::derive(key, &workflow.id);
        let has_first =
            is_noted(&seen, &workflow.id, &first) || self.run_rows.head(&first).await?.is_some();
        let (next, trace) = next(&seen, how, has_first.then_some(&first));
        let outcome = match next {
            Next::Nothing(outcome) => outcome,
            Next::Repeat(run) => {
                self.announce(&run).await?;
                ReplayOutcome::Repeated { run }
            }
            Next::Begin { first } => {
                let trace = trace.clone().unwrap_or(Value::Null);
                let run = self.begin(&seen, how, first, trace, now).await?;
                ReplayOutcome::Started { run, first }
            }
        };
        Ok(ReplayedEvent {
            event: key.clone(),
            workflow: workflow.id.clone(),
            revision: how.stored.revision,
            outcome,
            // More people may replay such an event than may read it.
            trace: trace
                .filter(|trace| !trace.is_null() && !tells_of_session(&seen.record.event.kind)),
        })
    }

    async fn begin(
        &self,
        seen: &StoredEvent,
        how: &How<'_>,
        first: bool,
        trace: Value,
        now: Timestamp,
    ) -> Result<RunId, Error> {
        let event = &seen.record.event;
        let key = event.key();
        let workflow = &how.stored.workflow;
        if seen.replays.len() >= MOST_REPLAYS {
            return Err(Error::ReplayedTooOften(key));
        }
        // Towards the vendor nobody has used the keys of a first run yet.
        let new_keys = how.new_keys && !first;
        if !first && !new_keys {
            let others = runs_with_first_keys(seen, &key, &workflow.id);
            if let Some(running) = self.running(&others).await? {
                return Err(Error::KeysInUse {
                    running,
                    may_have_new_keys: true,
                });
            }
        }
        let (run, tasks) = new_run(seen, how, first, trace, now);
        let replayed = store::Replayed {
            workflow: workflow.id.clone(),
            revision: how.stored.revision,
            run: run.id.clone(),
            replay: how.replay.clone(),
            new_keys,
            at: now,
        };
        // State first, message second: what is broken off in between is repeated.
        self.reruns.begin(seen, replayed, &run, &tasks).await?;
        self.tell(&run, &tasks).await?;
        Ok(run.id)
    }

    /// Repeats what is told of a run that has begun.
    async fn announce(&self, run: &RunId) -> Result<(), Error> {
        match self.run_rows.get(run).await? {
            Some((run, tasks)) => self.tell(&run, &tasks).await,
            // It has expired.
            None => Ok(()),
        }
    }

    /// Requests the tasks that nobody has taken yet; tells the end of a run in which there was nothing to do.
    async fn tell(&self, run: &Run, tasks: &[TaskRun]) -> Result<(), Error> {
        let requested: Vec<TaskRun> = tasks
            .iter()
            .filter(|task| task.state == TaskState::Requested)
            .cloned()
            .collect();
        self.bus.request(&requested).await?;
        let was_never_tried = tasks.iter().all(|task| task.attempts_begun == 0);
        match end_event(run, tasks) {
            Some(end) if was_never_tried && run.state != RunState::Running => {
                self.bus.tell_end(&end).await
            }
            Some(_) | None => Ok(()),
        }
    }
}

fn new_run(
    seen: &StoredEvent,
    how: &How<'_>,
    first: bool,
    trace: Value,
    now: Timestamp,
) -> (Run, Vec<TaskRun>) {
    let StoredWorkflow {
        workflow, revision, ..
    } = how.stored;
    let trace = kept_trace(trace);
    let replay = Replay {
        id: how.replay.clone(),
        new_keys: how.new_keys && !first,
    };
    if !first {
        return run::begin_replay(workflow, *revision, &seen.record, trace, replay, now);
    }
    let (run, tasks) = run::begin(workflow, *revision, &seen.record.event, trace, now);
    let replay = Some(replay);
    (Run { replay, ..run }, tasks)
}

/// Whether the event's row knows of a run of the workflow: its first one, be it gone by now.
fn is_noted(seen: &StoredEvent, workflow: &WorkflowId, first: &RunId) -> bool {
    let was_started = seen.record.decisions.iter().any(|decision| {
        decision.workflow == *workflow && matches!(decision.outcome, Outcome::Started { .. })
    });
    was_started || seen.replays.iter().any(|replay| replay.run == *first)
}

/// What is to be done with an event, and the comparisons that say so. `first` is the workflow's first run for it.
fn next(seen: &StoredEvent, how: &How<'_>, first: Option<&RunId>) -> (Next, Option<Value>) {
    let workflow = &how.stored.workflow;
    let event = &seen.record.event;
    let of_workflow = |replay: &&store::Replayed| replay.workflow == workflow.id;
    let earlier = seen
        .replays
        .iter()
        .filter(of_workflow)
        .find(|replay| replay.replay == *how.replay);
    if let Some(earlier) = earlier {
        return (Next::Repeat(earlier.run.clone()), None);
    }
    if let (true, Some(run)) = (how.missing, first) {
        let run = run.clone();
        return (Next::Nothing(ReplayOutcome::HasRun { run }), None);
    }
    if event.workflow_chain().contains(&workflow.id) {
        return (Next::Nothing(ReplayOutcome::RefusedLoop), None);
    }
    if !how.regardless && !hears(workflow, event) {
        let reason = why_not_listening(how.stored, event);
        let outcome = ReplayOutcome::NotListening { reason };
        return (Next::Nothing(outcome), None);
    }
    let root = serde_json::to_value(event).unwrap_or(Value::Null);
    // As it would have been then: what is old by now was not.
    let applies = applies(workflow, &root, seen.record.evaluated_at);
    let next = if applies.holds || how.regardless {
        Next::Begin {
            first: first.is_none(),
        }
    } else {
        Next::Nothing(ReplayOutcome::NotMatched)
    };
    (next, Some(applies.trace))
}

fn hears(workflow: &Workflow, event: &CloudEvent) -> bool {
    let listeners = workflow.listeners();
    listeners
        .iter()
        .any(|listener| listener.hears(&event.kind, event.subject.as_deref()))
}

/// Whether a listed event may be one that is wanted; the event itself tells the rest.
fn is_wanted(request: &ReplayEvents, workflow: &Workflow, entry: &EventEntry) -> bool {
    let is_asked_for = request
        .kind
        .as_ref()
        .is_none_or(|kind| store::listed(kind) == entry.kind)
        && request
            .subject
            .as_ref()
            .is_none_or(|subject| Some(store::listed(subject)) == entry.subject);
    let listeners = workflow.listeners();
    let may_hear = listeners.iter().any(|listener| {
        store::listed(&listener.kind) == entry.kind
            && listener
                .subject
                .as_deref()
                .is_none_or(|subject| Some(store::listed(subject)) == entry.subject)
    });
    is_asked_for && (may_hear || request.regardless)
}

pub(crate) fn place(entry: &EventEntry) -> Place {
    Place {
        at: entry.evaluated_at,
        id: entry.key.to_string(),
    }
}

fn count(
    event: EventKey,
    replayed: Result<ReplayedEvent, Error>,
    answer: &mut ReplayedPage,
) -> Result<(), Error> {
    let refused = |reason: String| NotReplayed { event, reason };
    match replayed {
        Ok(ReplayedEvent { outcome, .. }) => match outcome {
            ReplayOutcome::Started { run, .. } => answer.started.push(run),
            ReplayOutcome::Repeated { .. } => answer.repeated += 1,
            ReplayOutcome::HasRun { .. } => answer.has_run += 1,
            ReplayOutcome::NotListening { .. } => answer.not_listening += 1,
            ReplayOutcome::NotMatched => answer.not_matched += 1,
            ReplayOutcome::RefusedLoop => {
                let reason = "the event comes from a run of this very workflow".to_owned();
                answer.refused.push(refused(reason));
            }
        },
        Err(error) if is_of_one_row(&error) => answer.refused.push(refused(error.to_string())),
        Err(error) => return Err(error),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;
    use domain::WorkflowId;
    use serde_json::json;

    fn stored(document: Value) -> StoredWorkflow {
        let mut whole = json!({
            "id": "follow-up", "name": "Follow up", "trigger": {"event": {"type": "response.completed"}},
            "tasks": [{"id": "t", "kind": "zendesk.create_ticket", "account": "z", "input": {"comment": "x"}}]
        });
        whole
            .as_object_mut()
            .unwrap()
            .extend(document.as_object().unwrap().clone());
        StoredWorkflow {
            workflow: domain::definition::workflow(&whole).unwrap(),
            revision: 4,
            applied_at: samples::NOW,
        }
    }

    fn seen() -> StoredEvent {
        let (_, _, event) = samples::failed_run();
        StoredEvent {
            record: store::EventRecord {
                event,
                evaluated_at: samples::NOW,
                decisions: Vec::new(),
            },
            replays: Vec::new(),
            opened: 0,
        }
    }

    fn id(text: &str) -> ReplayId {
        ReplayId::parse(text).unwrap()
    }

    #[test]
    fn what_is_done_follows_from_the_definition_of_now_and_from_earlier_runs() {
        let (run, ..) = samples::failed_run();
        let replay = id("r1");
        let on_hold = json!({"when": {"field": "data.nps", "greater_than": 8}});
        let elsewhere = json!({"trigger": {"event": {"type": "other"}}});
        let begin = |first| Next::Begin { first };
        for (definition, missing, regardless, has_first, expected) in [
            (json!({}), false, false, false, begin(true)),
            (json!({}), true, false, false, begin(true)),
            (json!({}), false, false, true, begin(false)),
            (
                json!({}),
                true,
                false,
                true,
                Next::Nothing(ReplayOutcome::HasRun {
                    run: run.id.clone(),
                }),
            ),
            (
                on_hold.clone(),
                false,
                false,
                false,
                Next::Nothing(ReplayOutcome::NotMatched),
            ),
            (on_hold, false, true, false, begin(true)),
            (elsewhere, false, true, true, begin(false)),
        ] {
            let stored = stored(definition.clone());
            let how = How {
                stored: &stored,
                replay: &replay,
                missing,
                new_keys: false,
                regardless,
            };
            let (next, trace) = next(&seen(), &how, has_first.then_some(&run.id));
            assert_eq!(next, expected, "{definition}");
            if next == Next::Nothing(ReplayOutcome::NotMatched) {
                assert!(trace.unwrap().to_string().contains("data.nps"));
            }
        }
    }

    #[test]
    fn event_that_is_not_listened_to_says_to_what_is() {
        let stored = stored(json!({"trigger": {"event": {"type": "other"}}}));
        let replay = id("r1");
        let how = How {
            stored: &stored,
            replay: &replay,
            missing: false,
            new_keys: false,
            regardless: false,
        };
        let (Next::Nothing(ReplayOutcome::NotListening { reason }), None) =
            next(&seen(), &how, None)
        else {
            panic!("it listens")
        };
        assert!(reason.contains("`other`"), "{reason}");
    }

    #[test]
    fn loop_is_refused_whatever_is_asked_for() {
        let stored = stored(json!({}));
        let replay = id("r1");
        let how = How {
            stored: &stored,
            replay: &replay,
            missing: false,
            new_keys: true,
            regardless: true,
        };
        let mut seen = seen();
        let chain = json!("first,follow-up");
        let extensions = &mut seen.record.event.extensions;
        extensions.insert(domain::event::WORKFLOW_CHAIN.to_owned(), chain);
        let (next, _) = next(&seen, &how, None);
        assert_eq!(next, Next::Nothing(ReplayOutcome::RefusedLoop));
    }

    #[test]
    fn replay_of_the_same_name_is_the_same_one_for_its_workflow_only() {
        let stored = stored(json!({}));
        let (run, ..) = samples::failed_run();
        let mut seen = seen();
        let note = |workflow: &str, replay: &str| store::Replayed {
            workflow: WorkflowId::parse(workflow).unwrap(),
            revision: 1,
            run: run.id.clone(),
            replay: id(replay),
            new_keys: false,
            at: samples::NOW,
        };
        seen.replays = vec![note("other", "r1"), note("follow-up", "r2")];
        for (replay, expected) in [
            ("r1", Next::Begin { first: false }),
            ("r2", Next::Repeat(run.id.clone())),
        ] {
            let replay = id(replay);
            let how = How {
                stored: &stored,
                replay: &replay,
                missing: false,
                new_keys: false,
                regardless: false,
            };
            assert_eq!(next(&seen, &how, Some(&run.id)).0, expected, "{replay}");
        }
    }

    #[test]
    fn first_run_is_the_one_that_a_delivery_would_begin_and_later_ones_look_first() {
        let stored = stored(json!({}));
        let (seen, replay) = (seen(), id("r1"));
        let first_id = RunId::derive(&seen.record.event.key(), &stored.workflow.id);
        for (first, new_keys, looks) in [
            (true, true, false),
            (true, false, false),
            (false, false, true),
            (false, true, false),
        ] {
            let how = How {
                stored: &stored,
                replay: &replay,
                missing: false,
                new_keys,
                regardless: false,
            };
            let (run, tasks) = new_run(&seen, &how, first, Value::Null, samples::NOW);
            let replayed = run.replay.unwrap();
            assert_eq!(run.id == first_id, first);
            assert_eq!(
                (replayed.id, replayed.new_keys),
                (id("r1"), new_keys && !first)
            );
            assert_eq!(tasks[0].look_first, looks, "{first} {new_keys}");
            let first_key = domain::TaskKey::derive(&first_id, &tasks[0].name);
            assert_eq!(tasks[0].key == first_key, first || !new_keys);
        }
    }

    #[test]
    fn run_that_has_expired_is_still_known_of() {
        let mut seen = seen();
        let workflow = WorkflowId::parse("follow-up").unwrap();
        let first = RunId::derive(&seen.record.event.key(), &workflow);
        assert!(!is_noted(&seen, &workflow, &first));
        let run = first.clone();
        seen.record.decisions.push(store::Decision {
            workflow: workflow.clone(),
            revision: 1,
            outcome: Outcome::Started { run },
            trace: None,
        });
        assert!(is_noted(&seen, &workflow, &first));
    }

    #[test]
    fn listed_events_that_cannot_be_meant_are_passed_over() {
        let stored = stored(json!({}));
        let entry = |kind: &str, subject: Option<&str>| EventEntry {
            key: EventKey::derive("/a", "1", None),
            kind: kind.to_owned(),
            subject: subject.map(str::to_owned),
            source: "/a".to_owned(),
            evaluated_at: samples::NOW,
            started: 0,
        };
        for (more, kind, subject, expected) in [
            (json!({}), "response.completed", None, true),
            (json!({}), "other", None, false),
            (
                json!({"regardless": true, "type": "other"}),
                "other",
                None,
                true,
            ),
            (json!({"type": "other"}), "response.completed", None, false),
            (
                json!({"subject": "a"}),
                "response.completed",
                Some("a"),
                true,
            ),
            (
                json!({"subject": "a"}),
                "response.completed",
                Some("b"),
                false,
            ),
            (json!({"subject": "a"}), "response.completed", None, false),
        ] {
            let mut request = json!({
                "since": "2026-11-21T00:00:00Z", "until": "2026-11-22T00:00:00Z", "workflow": "follow-up", "replay_id": "r"
            });
            request
                .as_object_mut()
                .unwrap()
                .extend(more.as_object().unwrap().clone());
            let request: ReplayEvents = serde_json::from_value(request).unwrap();
            let entry = entry(kind, subject);
            assert_eq!(
                is_wanted(&request, &stored.workflow, &entry),
                expected,
                "{more} {kind}"
            );
        }
    }
}
