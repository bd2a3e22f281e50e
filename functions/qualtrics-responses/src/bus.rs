//! Putting a response on the bus.
//!
//! Source: <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html> and
//! <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html> (how the size is counted)

use aws::eventbridge::{Client, PutEventsRequestEntry};
use domain::CloudEvent;
use domain::message::SOURCE_QUALTRICS;

/// Bytes of an entry: below the 256 KiB of a call by the room that EventBridge's envelope takes in the queue behind the bus.
const MAX_BYTES: usize = 250 * 1024;

/// What came of putting an event.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PutError {
    /// The event is larger than the bus takes. Nothing was put.
    #[error("the event would have {bytes} bytes, more than the {MAX_BYTES} that the bus takes")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// The bus did not take it. Retry.
    #[error("the bus did not take the event: {0}")]
    NotTaken(String),
}

#[derive(Debug)]
pub(crate) struct Bus {
    client: Client,
    name: String,
}

impl Bus {
    pub(crate) fn new(client: Client, name: String) -> Self {
        Self { client, name }
    }

    pub(crate) async fn put(&self, event: &CloudEvent) -> Result<(), PutError> {
        let detail = serde_json::to_string(event)
            .map_err(|error| PutError::NotTaken(format!("{:?} error", error.classify())))?;
        let bytes = detail.len() + event.kind.len() + SOURCE_QUALTRICS.len();
        if bytes > MAX_BYTES {
            return Err(PutError::TooLarge { bytes });
        }
        let entry = PutEventsRequestEntry {
            event_bus_name: &self.name,
            source: SOURCE_QUALTRICS,
            detail_type: &event.kind,
            detail: &detail,
            time: None,
        };
        let answer = self
            .client
            .put_events(&[entry])
            .await
            .map_err(|error| PutError::NotTaken(startup::chain(&error)))?;
        match answer.first_error() {
            None => Ok(()),
            Some(code) => Err(PutError::NotTaken(code.to_owned())),
        }
    }
}
