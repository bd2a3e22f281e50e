use domain::event::ENDPOINT;
use domain::message::{NOTIFIED_ID_PREFIX, RESPONSE_NOTIFIED};
use domain::{CloudEvent, EventKey, ReplayId, RunId, RunState, WorkflowId};
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{EventRecord, Order, StoredEvent};

use crate::WorkflowManagement;
use crate::error::Error;
use crate::explain::{Asked, explain};
use crate::paging::{Cursor, Gathering, Page, period};
use crate::replay::place;
use crate::runs::days_ago;

/// How many events can be listed at a time.
pub const MOST_EVENTS_LISTED: usize = 1_000;
/// How many are listed when nobody says.
const LISTED: usize = 20;

/// Answers come within this time after their notification or not at all, unless somebody has them fetched again: fetching
/// goes on for 26 hours.
const ANSWERS_COME_WITHIN: SignedDuration = SignedDuration::from_hours(27);

/// Which events are to be listed. Without a period: those of the last seven days.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EventFilter {
    /// Evaluated then or later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Evaluated before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Of this type only.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// With this subject only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// At most so many, 20 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 1_000))]
    pub limit: Option<usize>,
    /// What follows an earlier page: its `next`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Cursor>,
}

impl EventFilter {
    fn is_met_by(&self, entry: &store::EventEntry) -> bool {
        let is_of_type = |kind: &String| store::listed(kind) == entry.kind;
        let has_subject = |subject: &String| Some(store::listed(subject)) == entry.subject;
        self.kind.as_ref().is_none_or(is_of_type) && self.subject.as_ref().is_none_or(has_subject)
    }
}

/// An event in a listing, without what its sender said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EventEntry {
    /// The event's key.
    pub key: EventKey,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its subject, of which the first 256 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Its source, of which the first 256 characters.
    pub source: String,
    /// When it was evaluated.
    pub evaluated_at: Timestamp,
    /// How many workflows started then.
    pub started: u32,
}

impl From<store::EventEntry> for EventEntry {
    fn from(entry: store::EventEntry) -> Self {
        Self {
            key: entry.key,
            kind: entry.kind,
            subject: entry.subject,
            source: entry.source,
            evaluated_at: entry.evaluated_at,
            started: entry.started,
        }
    }
}

/// What is asked about an event.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EventQuery {
    /// Explains, too, why this workflow ran for the event or did not.
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
    /// The runs that somebody had begun for the event, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replays: Vec<ReplayEntry>,
    /// What has become of the answers, when the event says that there is a survey response.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answers: Option<Answers>,
    /// Why the workflow that was asked about ran or did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explanation: Option<String>,
}

/// A run that somebody had begun for an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReplayEntry {
    /// The workflow.
    pub workflow: WorkflowId,
    /// Its revision at that moment.
    pub revision: u32,
    /// The run.
    pub run: RunId,
    /// Where that stands; absent when it has expired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<RunState>,
    /// The occasion.
    pub replay: ReplayId,
    /// Whether the run's tasks have keys of their own, so that what an earlier run had created was created once more.
    pub new_keys: bool,
    /// When.
    pub at: Timestamp,
}

/// The event that brings the answers of a survey response.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Answers {
    /// That event's key, whether it is there yet or not.
    pub event: EventKey,
    /// Whether the answers are here.
    #[serde(flatten)]
    pub state: AnswersState,
}

/// What has become of the answers of a survey response.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum AnswersState {
    /// They are still to be fetched.
    Pending,
    /// The event that brings them was evaluated.
    Fetched,
    /// They did not come in time. An event of the type `qualtrics.response.failed` says why, unless the notification lies
    /// in a dead-letter queue.
    Missing,
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

impl WorkflowManagement {
    /// The newest events that meet the filter, newest first, some at a time. Those that were stored by a version that
    /// could not list them are left out.
    ///
    /// # Errors
    /// `Invalid` when too many are asked for, `Unavailable`; `Internal` when a row cannot be read.
    pub async fn events(
        &self,
        filter: &EventFilter,
        now: Timestamp,
    ) -> Result<Page<EventEntry>, Error> {
        let limit = filter.limit.unwrap_or(LISTED);
        if limit > MOST_EVENTS_LISTED {
            return Err(Error::field(
                "limit",
                format!("found {limit}, expected at most {MOST_EVENTS_LISTED}"),
            ));
        }
        let since = filter.since.unwrap_or_else(|| days_ago(now));
        let period = period(since, filter.until.unwrap_or(Timestamp::MAX), now);
        let takes_all = filter.kind.is_none() && filter.subject.is_none();
        let mut events = Gathering::new(limit, takes_all, filter.cursor.as_ref());
        loop {
            let page = self
                .event_rows
                .of_period(period, Order::NewestFirst, events.after(), events.rows())
                .await?;
            if !events.take(page, |entry| filter.is_met_by(entry), place) {
                return Ok(events.into_page().map(EventEntry::from));
            }
        }
    }

    /// An event with every decision about it, each with the trace that led to it, and every run. With a `workflow`: why
    /// that one ran or did not, by its revision of that moment.
    ///
    /// # Errors
    /// `NotFound`, also while it has not been evaluated yet; `Unavailable`; `Internal` when a row cannot be read.
    pub async fn event(
        &self,
        key: &EventKey,
        workflow: Option<&WorkflowId>,
        now: Timestamp,
    ) -> Result<EventDetail, Error> {
        let seen = self.event_rows.read(key).await?;
        let seen = seen.ok_or_else(|| Error::UnknownEvent(key.clone()))?;
        let answers = self.answers(&seen.record, now).await?;
        let explanation = match workflow {
            Some(id) => {
                let now = self.workflow_rows.get(id).await?;
                let revisions = self.workflow_rows.revisions(id).await?;
                let asked = Asked {
                    id,
                    now: now.as_ref(),
                    revisions: &revisions,
                };
                Some(explain(&seen, &asked, answers.as_ref()))
            }
            None => None,
        };
        let StoredEvent {
            record, replays, ..
        } = seen;
        let mut decisions = Vec::new();
        for decision in record.decisions {
            let mut trace = decision.trace;
            if let store::Outcome::Started { run } = &decision.outcome {
                // Kept with the run, not with the event.
                trace = self.run_rows.head(run).await?.map(|run| run.trace);
            }
            decisions.push(Decision {
                workflow: decision.workflow,
                revision: decision.revision,
                outcome: decision.outcome.into(),
                trace,
            });
        }
        let mut entries = Vec::new();
        for replayed in replays {
            let run = self.run_rows.head(&replayed.run).await?;
            entries.push(ReplayEntry {
                workflow: replayed.workflow,
                revision: replayed.revision,
                run: replayed.run,
                state: run.map(|run| run.state),
                replay: replayed.replay,
                new_keys: replayed.new_keys,
                at: replayed.at,
            });
        }
        Ok(EventDetail {
            key: key.clone(),
            event: record.event,
            evaluated_at: record.evaluated_at,
            decisions,
            replays: entries,
            answers,
            explanation,
        })
    }

    /// Has the answers of a survey response fetched once more, for 26 hours from now: when they could not be had before and
    /// whatever was in the way is mended. `key` is the notification's. Says where the answers will come, and what was known
    /// of them before. Where they are here already, nothing runs twice: they come as the same event.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` when the event is no notification of a response; `Unavailable`.
    pub async fn fetch_answers(&self, key: &EventKey, now: Timestamp) -> Result<Answers, Error> {
        let record = self.event_rows.get(key).await?;
        let record = record.ok_or_else(|| Error::UnknownEvent(key.clone()))?;
        let Some(answers) = self.answers(&record, now).await? else {
            return Err(Error::NoAnswersToFetch {
                event: key.clone(),
                kind: record.event.kind,
            });
        };
        self.bus.pass_on(&record.event).await?;
        Ok(answers)
    }

    /// What has become of the answers that an event says are to be fetched.
    async fn answers(
        &self,
        notified: &EventRecord,
        now: Timestamp,
    ) -> Result<Option<Answers>, Error> {
        let Some(event) = key_of_answers(&notified.event) else {
            return Ok(None);
        };
        let known = self.event_rows.known(std::slice::from_ref(&event)).await?;
        let waited = now.duration_since(notified.evaluated_at);
        let state = if known.contains(&event) {
            AnswersState::Fetched
        } else if waited > ANSWERS_COME_WITHIN {
            AnswersState::Missing
        } else {
            AnswersState::Pending
        };
        Ok(Some(Answers { event, state }))
    }
}

/// The key of the event that brings the answers.
fn key_of_answers(event: &CloudEvent) -> Option<EventKey> {
    let id = Some(event.id.as_str()).filter(|_| event.kind == RESPONSE_NOTIFIED);
    let id = id?.strip_prefix(NOTIFIED_ID_PREFIX)?;
    let endpoint = event.extensions.get(ENDPOINT).and_then(Value::as_str);
    Some(EventKey::derive(&event.source, id, endpoint))
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
    fn answers_are_looked_for_where_they_will_come() {
        let mut event = samples::evaluated_event().0.event;
        assert_eq!(key_of_answers(&event), None);
        event.kind = RESPONSE_NOTIFIED.to_owned();
        assert_eq!(key_of_answers(&event), None);
        event.id = "notified.SV_1.R_2".to_owned();
        let expected = EventKey::derive(&event.source, "SV_1.R_2", None);
        assert_eq!(key_of_answers(&event), Some(expected));
    }

    #[test]
    fn filter_takes_what_listings_know() {
        let entry = store::EventEntry {
            key: EventKey::derive("/a", "1", None),
            kind: "review.created".to_owned(),
            subject: Some(store::listed(&"s".repeat(1_000))),
            source: "/a".to_owned(),
            evaluated_at: samples::NOW,
            started: 1,
        };
        for (filter, expected) in [
            (json!({}), true),
            (json!({"type": "review.created"}), true),
            (json!({"type": "review"}), false),
            (json!({"subject": "s".repeat(1_000)}), true),
            (json!({"subject": "s"}), false),
        ] {
            let filter: EventFilter = serde_json::from_value(filter).unwrap();
            assert_eq!(filter.is_met_by(&entry), expected, "{filter:?}");
        }
        let wire = json!(EventEntry::from(entry));
        assert_eq!(
            (&wire["type"], &wire["started"]),
            (&json!("review.created"), &json!(1))
        );
    }
}
