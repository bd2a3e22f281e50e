//! EventBridge: putting events on a bus.
//!
//! Source: <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html>

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::call::{Caller, Operation};
use crate::json::EpochSeconds;
use crate::{Config, Error, Service};

/// Calls EventBridge. Clones share the connections.
#[derive(Debug, Clone)]
pub struct Client {
    caller: Caller,
}

impl Client {
    /// The buses of this configuration.
    pub fn new(config: &Config) -> Self {
        Self {
            caller: Caller::new(config, Service::EventBridge),
        }
    }

    /// Puts up to 10 events on their buses. One may be taken and another not: see [`PutEventsOutput`].
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn put_events(
        &self,
        entries: &[PutEventsRequestEntry<'_>],
    ) -> Result<PutEventsOutput, Error> {
        self.caller.call(&PutEvents { entries }).await
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct PutEvents<'a> {
    entries: &'a [PutEventsRequestEntry<'a>],
}

impl Operation for PutEvents<'_> {
    const NAME: &'static str = "PutEvents";
    type Output = PutEventsOutput;
}

/// An event for a bus.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct PutEventsRequestEntry<'a> {
    /// The bus's name or ARN.
    pub event_bus_name: &'a str,
    /// Who says so.
    pub source: &'a str,
    /// What kind of event it is.
    pub detail_type: &'a str,
    /// The event, in JSON.
    pub detail: &'a str,
    /// When it happened, to the second; `None` for now.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "epoch_seconds"
    )]
    pub time: Option<Timestamp>,
}

#[expect(clippy::ref_option, reason = "that is how serde calls it")]
fn epoch_seconds<S: serde::Serializer>(
    time: &Option<Timestamp>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    time.map(EpochSeconds).serialize(serializer)
}

/// What a bus took.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct PutEventsOutput {
    /// How many were not taken.
    #[serde(default)]
    pub failed_entry_count: usize,
    /// One for each event, in their order.
    #[serde(default)]
    pub entries: Vec<PutEventsResultEntry>,
}

/// Whether an event was taken.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct PutEventsResultEntry {
    /// Why it was not; `None` when it was.
    pub error_code: Option<String>,
}

impl PutEventsOutput {
    /// Why the first of those that were not taken was not.
    pub fn first_error(&self) -> Option<&str> {
        let told = self
            .entries
            .iter()
            .find_map(|entry| entry.error_code.as_deref());
        told.or((self.failed_entry_count > 0).then_some("an unnamed error"))
    }
}
