//! What is due this minute.

use std::time::Duration;

use connection_history::{History, Reach, stands_still_since};
use domain::teamviewer::TeamViewerWork;
use jiff::{SignedDuration, Timestamp};
use store::StoredSettings;
use tokio::time::Instant;

use crate::ask::Failure;
use crate::handler::Retrieval;

/// How often the function is called, in seconds.
const MINUTE: u16 = 60;
/// Every so many minutes it is looked which connections are to be told of that nobody has told of yet.
const TOLD_EVERY: i64 = 10;
/// For how long rows of them are read.
const TIME_TO_TELL: Duration = Duration::from_secs(10);

impl Retrieval {
    /// Puts what is due into the queue; tells how many messages that were. Service cases are looked at even if how far the
    /// history has come cannot be read.
    pub(crate) async fn tick(&self) -> Result<usize, Failure> {
        let Some(stored) = self.settings.get().await? else {
            return Ok(0);
        };
        let mut due = Vec::new();
        let mut failure = None;
        match self.is_due(&stored).await {
            Ok(true) => due.push((TeamViewerWork::FetchDue {}, 0)),
            Ok(false) => {}
            Err(error) => failure = Some(error),
        }
        let settings = stored.settings;
        if let Some(cases) = settings.cases.filter(|cases| cases.watch) {
            let polls = delays(cases.refresh_seconds);
            due.extend(polls.map(|delay| (TeamViewerWork::Poll {}, delay)));
        }
        self.send(&due).await?;
        if settings.history.is_some() && is_time_to_tell(self.now()) {
            self.tell_waiting().await;
        }
        failure.map_or(Ok(due.len()), Err)
    }

    /// Whether the history is to be gone on with, and nobody is at it.
    async fn is_due(&self, settings: &StoredSettings) -> Result<bool, Failure> {
        let Some(history) = &settings.settings.history else {
            return Ok(false);
        };
        let now = self.now();
        let stored = self.histories.get(&history.account).await?;
        let stored = stored.unwrap_or_default();
        let interval = Reach::of(history, self.every_hours).interval;
        note_standstill(&stored.history, interval, settings.updated_at, now);
        let is_due = stored.history.is_due(stored.asked.as_ref(), now, interval);
        Ok(is_due && !stored.is_busy(now))
    }

    /// Tells of connections that have waited for their task and wait no longer. What is not told of now is told of the next
    /// time, or after the next window.
    async fn tell_waiting(&self) {
        let ends = Instant::now() + TIME_TO_TELL;
        if let Err(failure) = self.tell_late(Timestamp::MIN, ends).await {
            tracing::warn!(reason = failure.reason, "waiting connections not told of");
        }
    }
}

/// Each minute while it stands still: an alarm of `template.yaml` counts the lines, by these words.
fn note_standstill(history: &History, interval: SignedDuration, set_at: Timestamp, now: Timestamp) {
    let Some(since) = stands_still_since(history.next_due(interval), set_at, now) else {
        return;
    };
    let (failures, problem) = (history.failures, history.problem.as_deref());
    tracing::error!(%since, failures, problem, "history stands still");
}

fn is_time_to_tell(now: Timestamp) -> bool {
    now.as_second()
        .div_euclid(i64::from(MINUTE))
        .rem_euclid(TOLD_EVERY)
        == 0
}

/// When to look within a minute, in seconds from now, so that the looks are so many seconds apart.
fn delays(every: u16) -> impl Iterator<Item = i32> {
    (0..MINUTE).step_by(every.max(1).into()).map(i32::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minute_is_divided_and_longer_pauses_are_left_to_whoever_polls() {
        for (every, expected) in [
            (10, vec![0, 10, 20, 30, 40, 50]),
            (30, vec![0, 30]),
            (45, vec![0, 45]),
            (60, vec![0]),
            (3600, vec![0]),
        ] {
            assert_eq!(delays(every).collect::<Vec<_>>(), expected, "{every}");
        }
    }
}
