//! Putting connections on the bus.
//!
//! Source: <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html>

use aws::eventbridge::{Client, PutEventsRequestEntry};
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
        let messages = connections.iter().map(|connection| Message::of(connection));
        let calls = stream::iter(batches(messages)).map(|batch| self.call(batch));
        let mut calls = calls.buffered(AT_ONCE);
        let mut put = Put::default();
        while let Some(call) = calls.next().await {
            put.taken.extend(call.taken);
            put.problem = put.problem.or(call.problem);
        }
        put
    }

    async fn call(&self, batch: Vec<Message>) -> Put {
        let number = batch.len();
        let entries: Vec<PutEventsRequestEntry<'_>> = batch
            .iter()
            .map(|message| PutEventsRequestEntry {
                event_bus_name: &self.name,
                source: SOURCE_TEAMVIEWER,
                detail_type: &message.detail_type,
                detail: &message.detail,
                time: None,
            })
            .collect();
        match self.client.put_events(&entries).await {
            Ok(answer) => {
                let refused = |index: usize| {
                    let entry = answer.entries.get(index)?;
                    entry.error_code.clone()
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

/// What the bus is told of a connection.
struct Message {
    detail_type: String,
    detail: String,
}

impl Message {
    fn of(connection: &Connection) -> Self {
        let event = connection_recorded(connection);
        Self {
            // An event is texts, numbers and times: it can always be written.
            detail: serde_json::to_string(&event).unwrap_or_default(),
            detail_type: event.kind,
        }
    }
}

/// As many messages together as a call takes.
fn batches(messages: impl Iterator<Item = Message>) -> Vec<Vec<Message>> {
    let mut batches: Vec<Vec<Message>> = Vec::new();
    let mut room = 0;
    for entry in messages {
        let bytes = entry.detail.len();
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
            let messages = sizes.iter().map(|bytes| Message {
                detail_type: String::new(),
                detail: "x".repeat(*bytes),
            });
            batches(messages).iter().map(Vec::len).collect()
        };
        assert_eq!(sizes(&[1; 25]), [10, 10, 5]);
        assert_eq!(sizes(&[100_000, 100_000, 100_000]), [2, 1]);
        assert_eq!(sizes(&[300_000, 1]), [1, 1]);
        assert!(sizes(&[]).is_empty());
    }
}
