use aws::eventbridge::{Client, PutEventsRequestEntry};
use domain::CloudEvent;
use domain::message::{SCHEDULE_FIRED, SOURCE_SCHEDULES};

use crate::Error;

/// `PutEvents` takes so many entries.
/// <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html>
const MOST_ENTRIES: usize = 10;
/// What they may have in all: 256 KiB, of which the queue behind the bus needs some for the envelope.
const MOST_BYTES: usize = 250 * 1024;

#[derive(Debug)]
pub(crate) struct Bus {
    client: Client,
    name: String,
}

impl Bus {
    pub(crate) fn new(client: Client, name: String) -> Self {
        Self { client, name }
    }

    /// Puts all events; `Ok` means that the bus has taken every one. Otherwise all may be put again.
    pub(crate) async fn put(&self, events: &[CloudEvent]) -> Result<(), Error> {
        for batch in batches(events)? {
            let entries: Vec<PutEventsRequestEntry<'_>> = batch
                .iter()
                .map(|detail| PutEventsRequestEntry {
                    event_bus_name: &self.name,
                    source: SOURCE_SCHEDULES,
                    detail_type: SCHEDULE_FIRED,
                    detail,
                    time: None,
                })
                .collect();
            let answer = self.client.put_events(&entries).await.map_err(Error::Bus)?;
            if let Some(code) = answer.first_error() {
                return Err(Error::NotTaken {
                    code: code.to_owned(),
                });
            }
        }
        Ok(())
    }
}

/// As few calls as their limits allow, in the order given.
fn batches(events: &[CloudEvent]) -> Result<Vec<Vec<String>>, Error> {
    let mut batches: Vec<Vec<String>> = Vec::new();
    let mut filled = 0;
    for event in events {
        let detail = serde_json::to_string(event).map_err(Error::Unwritable)?;
        let bytes = detail.len() + SOURCE_SCHEDULES.len() + SCHEDULE_FIRED.len();
        match batches.last_mut() {
            Some(batch) if batch.len() < MOST_ENTRIES && filled + bytes <= MOST_BYTES => {
                filled += bytes;
                batch.push(detail);
            }
            Some(_) | None => {
                filled = bytes;
                batches.push(vec![detail]);
            }
        }
    }
    Ok(batches)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn calls_keep_both_limits() {
        let event = |size: usize| -> CloudEvent {
            serde_json::from_value(json!({
                "specversion": "1.0", "id": "1", "source": "/schedules/x", "type": SCHEDULE_FIRED,
                "data": "x".repeat(size)
            }))
            .unwrap()
        };
        for (count, size, expected) in [
            (0, 0, vec![]),
            (10, 0, vec![10]),
            (23, 0, vec![10, 10, 3]),
            (3, 100_000, vec![2, 1]),
        ] {
            let batches = batches(&vec![event(size); count]).unwrap();
            let sizes: Vec<usize> = batches.iter().map(Vec::len).collect();
            assert_eq!(sizes, expected);
        }
    }
}
