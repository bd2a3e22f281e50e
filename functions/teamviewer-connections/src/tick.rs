//! What is due this minute.

use connection_history::Reach;
use domain::teamviewer::{HistorySettings, TeamViewerWork};

use crate::ask::Failure;
use crate::handler::Retrieval;

/// How often the function is called, in seconds.
const MINUTE: u16 = 60;

impl Retrieval {
    /// Puts what is due into the queue; tells how many messages that were. Service cases are looked at even if how far the
    /// history has come cannot be read.
    pub(crate) async fn tick(&self) -> Result<usize, Failure> {
        let Some(stored) = self.settings.get().await? else {
            return Ok(0);
        };
        let settings = stored.settings;
        let mut due = Vec::new();
        let mut failure = None;
        if let Some(history) = &settings.history {
            match self.is_due(history).await {
                Ok(true) => due.push((TeamViewerWork::FetchDue {}, 0)),
                Ok(false) => {}
                Err(error) => failure = Some(error),
            }
        }
        if let Some(cases) = settings.cases.filter(|cases| cases.watch) {
            let polls = delays(cases.refresh_seconds);
            due.extend(polls.map(|delay| (TeamViewerWork::Poll {}, delay)));
        }
        self.send(&due).await?;
        failure.map_or(Ok(due.len()), Err)
    }

    /// Whether the history is to be gone on with, and nobody is at it.
    async fn is_due(&self, history: &HistorySettings) -> Result<bool, Failure> {
        let now = self.now();
        let stored = self.histories.get(&history.account).await?;
        let stored = stored.unwrap_or_default();
        let interval = Reach::of(history, self.every_hours).interval;
        let is_due = stored.history.is_due(stored.asked.as_ref(), now, interval);
        Ok(is_due && !stored.is_busy(now))
    }
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
