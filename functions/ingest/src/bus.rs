//! Putting events on the bus.
//!
//! Source: <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html> and
//! <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html> (how the size is counted)

use aws::eventbridge::{Client, PutEventsRequestEntry};
use domain::CloudEvent;
use domain::message::SOURCE_INGEST;
use jiff::Timestamp;

/// Entries that one call takes.
const MAX_ENTRIES: usize = 10;
/// Bytes that are given to one call: all entries together. It would take 256 KiB, but so does the queue behind
/// the bus, and a message there is an entry in EventBridge's envelope.
/// <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-events-structure.html>
const MAX_BYTES: usize = 250 * 1024;
/// What the time of an entry counts.
const TIME_BYTES: usize = 14;

/// Events that the bus did not take.
#[derive(Debug, thiserror::Error)]
pub enum PutError {
    /// One event alone is larger than a call may be. Give up; nothing was put.
    #[error(
        "an event would have {bytes} bytes, more than the {MAX_BYTES} that are taken: send less"
    )]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// The event has no JSON form. Give up: it stays so.
    #[error("an event could not be written as JSON")]
    Unwritable(#[source] serde_json::Error),
    /// The call failed. Retry: the same events have the same keys.
    #[error("putting events on the bus failed{}", code.as_deref().map(|code| format!(" with {code}")).unwrap_or_default())]
    Unavailable {
        /// EventBridge's error code.
        code: Option<String>,
        /// The cause.
        #[source]
        source: aws::Error,
    },
    /// The call succeeded, but not every entry was taken. Retry all: the same events have the same keys.
    #[error("the bus did not take {failed} of {total} events, the first because of {code}")]
    NotTaken {
        /// Entries that failed.
        failed: usize,
        /// Entries of the call.
        total: usize,
        /// The first error code.
        code: String,
    },
}

/// The bus.
#[derive(Debug)]
pub struct Bus {
    client: Client,
    name: String,
}

impl Bus {
    /// The bus of this name or ARN.
    pub fn new(client: Client, name: String) -> Self {
        Self { client, name }
    }

    /// Puts all events; `Ok` means that the bus has taken every one.
    ///
    /// # Errors
    /// When an event is too large, before anything is put; when a call fails or takes only a part.
    pub async fn put(&self, events: &[CloudEvent]) -> Result<(), PutError> {
        for batch in batches(events)? {
            let total = batch.len();
            let entries: Vec<PutEventsRequestEntry<'_>> = batch
                .iter()
                .map(|entry| entry.for_bus(&self.name))
                .collect();
            let answer =
                self.client
                    .put_events(&entries)
                    .await
                    .map_err(|source| PutError::Unavailable {
                        code: source.code().map(str::to_owned),
                        source,
                    })?;
            if let Some(code) = answer.first_error() {
                return Err(PutError::NotTaken {
                    failed: answer.failed_entry_count.max(1),
                    total,
                    code: code.to_owned(),
                });
            }
        }
        Ok(())
    }
}

#[derive(Debug, PartialEq)]
struct Entry {
    detail_type: String,
    detail: String,
    time: Option<Timestamp>,
}

impl Entry {
    fn new(event: &CloudEvent) -> Result<Self, PutError> {
        Ok(Self {
            detail_type: event.kind.clone(),
            detail: serde_json::to_string(event).map_err(PutError::Unwritable)?,
            // The time is only shown beside the event, which has it too: one before 1970 is not worth a refusal.
            time: event.time.filter(|time| time.as_second() >= 0),
        })
    }

    fn bytes(&self) -> usize {
        self.detail_type.len()
            + self.detail.len()
            + SOURCE_INGEST.len()
            + self.time.map_or(0, |_| TIME_BYTES)
    }

    fn for_bus<'a>(&'a self, bus: &'a str) -> PutEventsRequestEntry<'a> {
        PutEventsRequestEntry {
            event_bus_name: bus,
            source: SOURCE_INGEST,
            detail_type: &self.detail_type,
            detail: &self.detail,
            time: self.time,
        }
    }
}

/// As few calls as their limits allow, in the order given.
fn batches(events: &[CloudEvent]) -> Result<Vec<Vec<Entry>>, PutError> {
    let mut batches: Vec<Vec<Entry>> = Vec::new();
    let mut filled = 0;
    for event in events {
        let entry = Entry::new(event)?;
        let bytes = entry.bytes();
        if bytes > MAX_BYTES {
            return Err(PutError::TooLarge { bytes });
        }
        match batches.last_mut() {
            Some(batch) if batch.len() < MAX_ENTRIES && filled + bytes <= MAX_BYTES => {
                filled += bytes;
                batch.push(entry);
            }
            Some(_) | None => {
                filled = bytes;
                batches.push(vec![entry]);
            }
        }
    }
    Ok(batches)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn event(id: usize, size: usize) -> CloudEvent {
        serde_json::from_value(json!({
            "specversion": "1.0", "id": id.to_string(), "source": "/endpoints/x", "type": "x.received",
            "time": "2026-11-21T12:00:00.5Z", "data": "x".repeat(size)
        }))
        .unwrap()
    }

    #[test]
    fn calls_keep_both_limits_and_the_order() {
        for (count, size, expected) in [
            (0, 0, vec![]),
            (1, 0, vec![1]),
            (10, 0, vec![10]),
            (23, 0, vec![10, 10, 3]),
            (3, 100_000, vec![2, 1]),
            (2, 200_000, vec![1, 1]),
        ] {
            let events: Vec<CloudEvent> = (0..count).map(|id| event(id, size)).collect();
            let batches = batches(&events).unwrap();
            assert_eq!(batches.iter().map(Vec::len).collect::<Vec<_>>(), expected);
            for batch in &batches {
                assert!(batch.iter().map(Entry::bytes).sum::<usize>() <= MAX_BYTES);
            }
            let sent: Vec<Entry> = batches.into_iter().flatten().collect();
            assert_eq!(
                sent,
                events
                    .iter()
                    .map(|event| Entry::new(event).unwrap())
                    .collect::<Vec<_>>()
            );
        }
    }

    #[test]
    fn largest_event_fits_exactly_and_one_byte_more_does_not() {
        let room = MAX_BYTES - Entry::new(&event(1, 0)).unwrap().bytes();
        assert!(batches(&[event(1, room)]).is_ok());
        assert!(
            matches!(batches(&[event(0, 1), event(1, room + 1)]), Err(PutError::TooLarge { bytes }) if bytes == MAX_BYTES + 1)
        );
    }

    #[test]
    fn largest_event_fits_into_a_message_of_the_queue_with_its_envelope() {
        let mut largest = event(1, 0);
        largest.kind = "x".repeat(256);
        let room = MAX_BYTES - Entry::new(&largest).unwrap().bytes();
        largest.data = Some("x".repeat(room).into());
        let entry = Entry::new(&largest).unwrap();
        assert_eq!(entry.bytes(), MAX_BYTES);
        let detail: serde_json::Value = serde_json::from_str(&entry.detail).unwrap();
        let message = json!({
            "version": "0", "id": "6a7e8feb-b491-4cf7-a9f1-bf3703467718", "detail-type": entry.detail_type,
            "source": SOURCE_INGEST, "account": "111122223333", "time": "2026-11-21T12:00:00Z",
            "region": "ap-southeast-1", "resources": [], "detail": detail
        });
        let bytes = message.to_string().len();
        // That is what the bus would have taken.
        assert!(MAX_BYTES < bytes && bytes <= 256 * 1024, "{bytes}");
    }

    #[test]
    fn entry_says_what_the_event_says() {
        let entry = Entry::new(&event(7, 1)).unwrap();
        let entry = entry.for_bus("bus");
        assert_eq!(entry.event_bus_name, "bus");
        assert_eq!(entry.source, "closedloop.ingest");
        assert_eq!(entry.detail_type, "x.received");
        let second = entry.time.map(Timestamp::as_second);
        assert_eq!(second, Some(1_795_262_400));
        let detail: CloudEvent = serde_json::from_str(entry.detail).unwrap();
        assert_eq!(detail, event(7, 1));
        let mut ancient = event(7, 1);
        ancient.time = Some("-000100-01-01T00:00:00Z".parse().unwrap());
        assert_eq!(Entry::new(&ancient).unwrap().time, None);
    }
}
