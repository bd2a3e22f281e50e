use std::ops::Range;

use aws::eventbridge::{Client, PutEventsRequestEntry};
use domain::message::{SOURCE_EVALUATE, SOURCE_RUNS, TASK_REQUESTED, TaskMessage};
use domain::{CloudEvent, TaskRun, TaskState};
use futures_util::future::join_all;
use serde_json::Value;

/// `PutEvents` takes 10 entries, which together have less than 256 kB; some room is left for their names.
///
/// Source: <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html>
const MOST_ENTRIES: usize = 10;
const MOST_BYTES: usize = 240_000;

/// Something to tell the bus: the `source`, the `detail-type` and the detail.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Announcement {
    source: &'static str,
    detail_type: String,
    detail: String,
}

impl Announcement {
    /// `None` unless the task is to be taken by a task function.
    pub(crate) fn request(task: &TaskRun) -> Option<Self> {
        if task.state != TaskState::Requested {
            return None;
        }
        let message = TaskMessage::V1 {
            run_id: task.run.clone(),
            task: task.name.clone(),
            kind: task.kind,
        };
        Some(Self {
            source: SOURCE_EVALUATE,
            detail_type: TASK_REQUESTED.to_owned(),
            detail: serde_json::to_string(&message).ok()?,
        })
    }

    /// The end of a run that has moved on. It is evaluated here, so the source is one that does not lead back to this
    /// function.
    pub(crate) fn end(event: &CloudEvent) -> Option<Self> {
        Self::of_end(SOURCE_RUNS, event)
    }

    /// The end of a run that was over when it began. The source leads back to this function, which evaluates it then.
    pub(crate) fn end_at_once(event: &CloudEvent) -> Option<Self> {
        Self::of_end(SOURCE_EVALUATE, event)
    }

    fn of_end(source: &'static str, event: &CloudEvent) -> Option<Self> {
        let mut detail = serde_json::to_string(event).ok()?;
        if detail.len() > MOST_BYTES {
            detail = serde_json::to_string(&without_texts(event.clone())).ok()?;
        }
        Some(Self {
            source,
            detail_type: event.kind.clone(),
            detail,
        })
    }
}

/// An end that the bus does not take, without what vendors and accounts said: that stays with the run.
fn without_texts(mut end: CloudEvent) -> CloudEvent {
    let tasks = end.data.as_mut().and_then(|data| data.get_mut("tasks"));
    for task in tasks.and_then(Value::as_array_mut).into_iter().flatten() {
        for name in ["reason", "link"] {
            if let Some(text) = task.get_mut(name) {
                *text = Value::Null;
            }
        }
    }
    end
}

/// Tells the bus what several messages have to tell, in as few calls as take it. Whoever has an error may tell all of
/// theirs again.
pub(crate) async fn tell(
    client: &Client,
    bus: &str,
    of_each: Vec<Vec<Announcement>>,
) -> Vec<Result<(), String>> {
    let mut results = vec![Ok(()); of_each.len()];
    let all: Vec<(usize, Announcement)> = (0..)
        .zip(of_each)
        .flat_map(|(of, announcements)| announcements.into_iter().map(move |one| (of, one)))
        .collect();
    let sizes: Vec<usize> = all.iter().map(|(_, one)| one.detail.len()).collect();
    let calls = chunks(&sizes)
        .into_iter()
        .filter_map(|range| all.get(range));
    for (of, refused) in join_all(calls.map(|some| put(client, bus, some)))
        .await
        .into_iter()
        .flatten()
    {
        if let Some(result) = results.get_mut(of) {
            *result = Err(refused);
        }
    }
    results
}

/// Whose announcements were not taken, and why.
async fn put(client: &Client, bus: &str, some: &[(usize, Announcement)]) -> Vec<(usize, String)> {
    let entries: Vec<PutEventsRequestEntry<'_>> = some
        .iter()
        .map(|(_, announcement)| PutEventsRequestEntry {
            event_bus_name: bus,
            source: announcement.source,
            detail_type: &announcement.detail_type,
            detail: &announcement.detail,
            time: None,
        })
        .collect();
    let answer = match client.put_events(&entries).await {
        Ok(answer) => answer,
        Err(error) => {
            let error = startup::chain(&error);
            return some.iter().map(|(of, _)| (*of, error.clone())).collect();
        }
    };
    let refused = some.iter().enumerate().filter_map(|(index, (of, _))| {
        let problem = match answer.entries.get(index) {
            Some(entry) => entry.error_code.clone()?,
            None => "no answer for it".to_owned(),
        };
        Some((*of, format!("the bus refused an event: {problem}")))
    });
    refused.collect()
}

/// Which of these go together. What is too large for a call goes alone: whoever refuses it refuses nothing else.
fn chunks(sizes: &[usize]) -> Vec<Range<usize>> {
    let mut chunks = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (index, size) in sizes.iter().enumerate() {
        let is_full = index - start >= MOST_ENTRIES || bytes + size > MOST_BYTES;
        if is_full && index > start {
            chunks.push(start..index);
            (start, bytes) = (index, 0);
        }
        bytes += size;
    }
    if start < sizes.len() {
        chunks.push(start..sizes.len());
    }
    chunks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_hold_no_more_than_a_call_takes_and_leave_nothing_out() {
        let sent = |sizes: &[usize]| -> Vec<(usize, usize)> {
            let chunks = chunks(sizes).into_iter();
            chunks.map(|range| (range.start, range.end)).collect()
        };
        assert_eq!(sent(&[]), []);
        assert_eq!(sent(&[100; 10]), [(0, 10)]);
        assert_eq!(sent(&[100; 21]), [(0, 10), (10, 20), (20, 21)]);
        assert_eq!(sent(&[150_000, 90_000, 1]), [(0, 2), (2, 3)]);
        assert_eq!(sent(&[1, 300_000, 1]), [(0, 1), (1, 2), (2, 3)]);
    }
}
