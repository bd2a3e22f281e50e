use aws_sdk_dynamodb::Client;
use domain::{CloudEvent, EventKey, RunId, WorkflowId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Error;
use crate::item::{Item, Reader, expiry, json, text, time};

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

/// The table of events: one row an event, keyed by its key, until it expires.
#[derive(Debug, Clone)]
pub struct Events {
    client: Client,
    table: String,
}

impl Events {
    /// The table of this name.
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// One event with its decisions, as it is now (a consistent read).
    ///
    /// # Errors
    /// Retry, but for a corrupt row.
    pub async fn get(&self, key: &EventKey) -> Result<Option<EventRecord>, Error> {
        const OPERATION: &str = "reading an event";
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("event", text(key.as_str()))
            .consistent_read(true)
            .send()
            .await
            .map_err(Error::unavailable(OPERATION))?;
        answer.item.map(|item| read(OPERATION, &item)).transpose()
    }
}

pub(crate) fn write(
    operation: &'static str,
    record: &EventRecord,
    retention_days: u32,
) -> Result<Item, Error> {
    Ok(Item::from([
        ("event".to_owned(), text(record.event.key().as_str())),
        (
            "document".to_owned(),
            json(operation, "event", &record.event)?,
        ),
        (
            "decisions".to_owned(),
            json(operation, "decisions", &record.decisions)?,
        ),
        ("evaluated_at".to_owned(), time(record.evaluated_at)),
        (
            "expires_at".to_owned(),
            expiry(record.evaluated_at, retention_days),
        ),
    ]))
}

fn read(operation: &'static str, item: &Item) -> Result<EventRecord, Error> {
    let reader = Reader { operation, item };
    Ok(EventRecord {
        event: reader.required_json("document")?,
        evaluated_at: reader
            .time("evaluated_at")?
            .unwrap_or(Timestamp::UNIX_EPOCH),
        decisions: reader.required_json("decisions")?,
    })
}
