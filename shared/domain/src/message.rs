//! What the functions say to each other over the bus.
//!
//! The bus carries the event itself, or a small message that names a run and a task. A message is
//! versioned and changes only by additions: during a deployment old ones are still on their way.

use serde::{Deserialize, Serialize};

use crate::event::CloudEvent;
use crate::id::{RunId, TaskName};
use crate::task::TaskKind;

/// `source` on the bus of events that came from outside.
pub const SOURCE_INGEST: &str = "closedloop.ingest";
/// `source` on the bus of task requests, and of the ends of runs that nobody has evaluated yet.
pub const SOURCE_EVALUATE: &str = "closedloop.evaluate";
/// `source` on the bus of the ends of runs that were evaluated where the run ended: for whoever else listens.
pub const SOURCE_RUNS: &str = "closedloop.runs";
/// `source` on the bus of the ends of tasks.
pub const SOURCE_TASKS: &str = "closedloop.tasks";
/// `source` on the bus of what happens to accounts.
pub const SOURCE_ACCOUNTS: &str = "closedloop.accounts";
/// `source` on the bus of what schedules fire.
pub const SOURCE_SCHEDULES: &str = "closedloop.schedules";
/// `source` on the bus of survey responses that were fetched.
pub const SOURCE_QUALTRICS: &str = "closedloop.qualtrics";

/// `source` on the bus of connections and service cases.
pub const SOURCE_TEAMVIEWER: &str = "closedloop.teamviewer";

/// `detail-type` of a task that is to be done.
pub const TASK_REQUESTED: &str = "task.requested";
/// `detail-type` of a task that was done.
pub const TASK_SUCCEEDED: &str = "task.succeeded";
/// `detail-type` of a task that was given up.
pub const TASK_FAILED: &str = "task.failed";
/// Type of the event that a run has succeeded.
pub const RUN_SUCCEEDED: &str = "run.succeeded";
/// Type of the event that a run has failed.
pub const RUN_FAILED: &str = "run.failed";
/// Type of the event that an account can be used, after somebody agreed at the vendor.
pub const ACCOUNT_CONNECTED: &str = "account.connected";
/// Type of the event that an account must be connected again.
pub const ACCOUNT_RECONNECT: &str = "account.reconnect";
/// Type of the event that a workflow's schedule has fired; the subject is the workflow's id.
pub const SCHEDULE_FIRED: &str = "schedule.fired";

/// Type of the event that there is a survey response whose answers are still to be fetched.
pub const RESPONSE_NOTIFIED: &str = "qualtrics.response.notified";
/// Type of the event that a survey response is complete.
pub const RESPONSE_COMPLETED: &str = "qualtrics.response.completed";
/// Type of the event that a survey was answered in part.
pub const RESPONSE_PARTIAL: &str = "qualtrics.response.partial";
/// Type of the event that the answers of a survey response could not be fetched.
pub const RESPONSE_FAILED: &str = "qualtrics.response.failed";

/// Whether events of this type tell of remote sessions: of their people, and of codes by which one gets in.
pub fn tells_of_session(kind: &str) -> bool {
    kind.starts_with(OF_SESSIONS)
}

/// How the types of events of connections and service cases begin.
const OF_SESSIONS: &str = "teamviewer.";

/// Type of the event that a connection has ended and stands in the history; the subject is its id.
pub const CONNECTION_RECORDED: &str = "teamviewer.connection.recorded";
/// Type of the event that a service case was closed; the subject is its session code.
pub const CASE_CLOSED: &str = "teamviewer.case.closed";
/// Type of the event that the customer of a service case waits; the subject is its session code.
pub const CASE_ONLINE: &str = "teamviewer.case.online";

/// What the id of a [`RESPONSE_NOTIFIED`] event begins with, before the id of the event that brings the answers.
pub const NOTIFIED_ID_PREFIX: &str = "notified.";
/// What the id of a [`RESPONSE_FAILED`] event begins with, before the id of the event that should have brought the answers.
pub const FAILED_ID_PREFIX: &str = "failed.";
/// The extension attribute of a [`RESPONSE_NOTIFIED`] event that names the account to fetch the response with.
pub const NOTIFIED_ACCOUNT: &str = "account";
/// The extension attribute of a [`RESPONSE_NOTIFIED`] event that holds the type of the event that brings the answers.
pub const NOTIFIED_TYPE: &str = "notifiedtype";

/// Single event types that are made here only, beside [`RESERVED_TYPE_PREFIXES`]. What was notified is fetched with an
/// account's credentials, so not everybody may say so.
pub const RESERVED_TYPES: [&str; 2] = [RESPONSE_NOTIFIED, RESPONSE_FAILED];

/// Event types that begin so are this product's own; nobody may send them in.
pub const RESERVED_TYPE_PREFIXES: [&str; 5] =
    ["task.", "run.", "account.", "schedule.", "teamviewer."];

/// The `detail` of `task.requested`, `task.succeeded` and `task.failed`. The state is in the table: the
/// message says where to look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "version")]
pub enum TaskMessage {
    /// The first version.
    #[serde(rename = "1")]
    V1 {
        /// The run.
        run_id: RunId,
        /// The task in it.
        task: TaskName,
        /// What the task does; rules send the message to a queue by it.
        kind: TaskKind,
    },
}

/// What EventBridge puts into a queue.
///
/// Source: <https://docs.aws.amazon.com/eventbridge/latest/ref/overiew-event-structure.html>
#[derive(Debug, Clone, Deserialize)]
pub struct BusEnvelope {
    /// Which function put it on the bus.
    pub source: String,
    /// The event's type, or the message's.
    #[serde(rename = "detail-type")]
    pub detail_type: String,
    /// A [`CloudEvent`] or a [`TaskMessage`].
    pub detail: serde_json::Value,
}

/// What a queue message turns out to be.
#[derive(Debug, Clone)]
pub enum BusMessage {
    /// Something happened.
    Event(Box<CloudEvent>),
    /// A task is to be done.
    TaskRequested(TaskMessage),
    /// A task has ended; the table says how.
    TaskEnded(TaskMessage),
}

/// A queue message that this version cannot read.
#[derive(Debug, thiserror::Error)]
#[error("the queue message is not a bus event of this product: {problem}")]
pub struct UnreadableMessage {
    problem: String,
}

impl BusMessage {
    /// Reads the body of a queue message.
    ///
    /// # Errors
    /// When it is not what EventBridge delivers, or the detail does not fit its type. Give up: the same
    /// body cannot become readable. The error does not quote the body.
    pub fn parse(body: &str) -> Result<Self, UnreadableMessage> {
        let fault = |error: serde_json::Error| UnreadableMessage {
            // Category and position only: the message of a data error quotes the value.
            problem: format!("{:?} error in column {}", error.classify(), error.column()),
        };
        let envelope: BusEnvelope = serde_json::from_str(body).map_err(fault)?;
        match (envelope.source.as_str(), envelope.detail_type.as_str()) {
            (SOURCE_EVALUATE, TASK_REQUESTED) => serde_json::from_value(envelope.detail)
                .map(Self::TaskRequested)
                .map_err(fault),
            (SOURCE_TASKS, TASK_SUCCEEDED | TASK_FAILED) => serde_json::from_value(envelope.detail)
                .map(Self::TaskEnded)
                .map_err(fault),
            (SOURCE_INGEST, _)
            | (SOURCE_EVALUATE | SOURCE_RUNS, RUN_SUCCEEDED | RUN_FAILED)
            | (SOURCE_ACCOUNTS, ACCOUNT_CONNECTED | ACCOUNT_RECONNECT)
            | (SOURCE_SCHEDULES, SCHEDULE_FIRED)
            | (SOURCE_QUALTRICS, RESPONSE_COMPLETED | RESPONSE_PARTIAL | RESPONSE_FAILED)
            | (SOURCE_TEAMVIEWER, CONNECTION_RECORDED | CASE_CLOSED | CASE_ONLINE) => {
                let event: CloudEvent = serde_json::from_value(envelope.detail).map_err(fault)?;
                Ok(Self::Event(Box::new(event)))
            }
            (source, detail_type) => Err(UnreadableMessage {
                problem: format!(
                    "nothing with the source `{}` and the type `{}` is expected here",
                    source.chars().take(64).collect::<String>(),
                    detail_type.chars().take(64).collect::<String>()
                ),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fetched_responses_are_events_and_notifications_come_from_outside_only() {
        for (source, kind, expected) in [
            (SOURCE_QUALTRICS, RESPONSE_COMPLETED, true),
            (SOURCE_QUALTRICS, RESPONSE_PARTIAL, true),
            (SOURCE_QUALTRICS, RESPONSE_FAILED, true),
            (SOURCE_QUALTRICS, RESPONSE_NOTIFIED, false),
            (SOURCE_QUALTRICS, "review.created", false),
            (SOURCE_INGEST, RESPONSE_NOTIFIED, true),
            (SOURCE_TEAMVIEWER, CASE_ONLINE, true),
            (SOURCE_EVALUATE, RUN_FAILED, true),
            (SOURCE_RUNS, RUN_FAILED, true),
            (SOURCE_RUNS, "review.created", false),
            (SOURCE_TEAMVIEWER, "review.created", false),
        ] {
            let body = serde_json::json!({"source": source, "detail-type": kind, "detail": {
                "specversion": "1.0", "id": "1", "source": "/endpoints/survey", "type": kind
            }});
            let read = BusMessage::parse(&body.to_string());
            assert_eq!(
                matches!(read, Ok(BusMessage::Event(_))),
                expected,
                "{source} {kind}"
            );
        }
    }
}
