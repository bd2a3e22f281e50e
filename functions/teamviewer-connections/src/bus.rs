//! Putting connections on the bus.
//!
//! Source: <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html>

use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use domain::Connection;
use domain::message::SOURCE_TEAMVIEWER;
use domain::teamviewer::connection_recorded;
use futures_util::{StreamExt as _, stream};

/// Entries of a call. All of them together stay below the 256 KiB of a call: the texts of a connection are short enough.
const ENTRIES: usize = 10;
/// Bytes of a call, with room for what is counted besides the details.
const MAX_BYTES: usize = 240 * 1024;
/// Calls at a time.
const AT_ONCE: usize = 5;

#[derive(Debug)]
pub(crate) struct Bus {
    client: Client,
    name: String,
}

/// What came of putting events on the bus: which were taken, and why others were not.
#[derive(Debug, Default)]
pub(crate) struct Put {
    /// For each connection whether its event was taken.
    pub(crate) taken: Vec<bool>,
    /// Why one was not.
    pub(crate) problem: Option<String>,
}

impl Bus {
    pub(crate) fn new(client: Client, name: String) -> Self {
        Self { client, name }
    }

    /// Tells that these connections have ended.
    pub(crate) async fn put(&self, connections: &[&Connection]) -> Put {
        let entries: Vec<PutEventsRequestEntry> = connections
            .iter()
            .map(|connection| self.entry(connection))
            .collect();
        let calls = stream::iter(batches(entries)).map(|batch| self.call(batch));
        let mut calls = calls.buffered(AT_ONCE);
        let mut put = Put::default();
        while let Some(call) = calls.next().await {
            put.taken.extend(call.taken);
            put.problem = put.problem.or(call.problem);
        }
        put
    }

    fn entry(&self, connection: &Connection) -> PutEventsRequestEntry {
        let event = connection_recorded(connection);
        PutEventsRequestEntry::builder()
            .event_bus_name(&self.name)
            .source(SOURCE_TEAMVIEWER)
            .detail_type(&event.kind)
            // An event is texts, numbers and times: it can always be written.
            .detail(serde_json::to_string(&event).unwrap_or_default())
            .build()
    }

    async fn call(&self, batch: Vec<PutEventsRequestEntry>) -> Put {
        let number = batch.len();
        let request = self.client.put_events().set_entries(Some(batch));
        match request.send().await {
            Ok(answer) => {
                let refused = |index: usize| {
                    let entry = answer.entries().get(index)?;
                    Some(entry.error_code()?.to_owned())
                };
                let refused: Vec<Option<String>> = (0..number).map(refused).collect();
                Put {
                    taken: refused.iter().map(Option::is_none).collect(),
                    problem: refused.into_iter().flatten().next(),
                }
            }
            Err(error) => Put {
                taken: vec![false; number],
                problem: Some(startup::chain(&error)),
            },
        }
    }
}

/// As many entries together as a call takes.
fn batches(entries: Vec<PutEventsRequestEntry>) -> Vec<Vec<PutEventsRequestEntry>> {
    let mut batches: Vec<Vec<PutEventsRequestEntry>> = Vec::new();
    let mut room = 0;
    for entry in entries {
        let bytes = entry.detail().map_or(0, str::len);
        match batches.last_mut() {
            Some(last) if last.len() < ENTRIES && bytes <= room => {
                room -= bytes;
                last.push(entry);
            }
            Some(_) | None => {
                room = MAX_BYTES.saturating_sub(bytes);
                batches.push(vec![entry]);
            }
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn call_has_ten_entries_and_no_more_bytes_than_it_may() {
        let sizes = |sizes: &[usize]| -> Vec<usize> {
            let entries = sizes.iter().map(|bytes| {
                PutEventsRequestEntry::builder()
                    .detail("x".repeat(*bytes))
                    .build()
            });
            batches(entries.collect()).iter().map(Vec::len).collect()
        };
        assert_eq!(sizes(&[1; 25]), [10, 10, 5]);
        assert_eq!(sizes(&[100_000, 100_000, 100_000]), [2, 1]);
        assert_eq!(sizes(&[300_000, 1]), [1, 1]);
        assert!(sizes(&[]).is_empty());
    }
}
