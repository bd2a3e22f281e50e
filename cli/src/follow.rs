//! Waiting for what a deployed stack does on its own.

use std::time::Duration;

use domain::{EventKey, Run, RunId, RunState, TaskRun};
use store::{EventRecord, Events, Runs};
use tokio::time::{Instant, sleep};

use crate::error::Error;
use crate::output::Output;
use crate::report;

/// Until when to wait; `None` waits for ever.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    began: Instant,
    limit: Option<Duration>,
}

impl Patience {
    pub(crate) fn new(limit: Option<Duration>) -> Self {
        Self {
            began: Instant::now(),
            limit,
        }
    }

    /// Waits a little, or gives the limit that is reached: often in the beginning, when something is
    /// about to happen, then seldom.
    async fn wait(self) -> Result<(), Duration> {
        let waited = self.began.elapsed();
        if let Some(limit) = self.limit.filter(|limit| waited >= *limit) {
            return Err(limit);
        }
        let pause = match waited.as_secs() {
            0..15 => Duration::from_millis(300),
            15..120 => Duration::from_secs(1),
            _ => Duration::from_secs(5),
        };
        sleep(pause).await;
        Ok(())
    }
}

/// Waits until an event that was accepted has been evaluated.
pub(crate) async fn evaluated(
    events: &Events,
    key: &EventKey,
    patience: Patience,
) -> Result<EventRecord, Error> {
    loop {
        if let Some(record) = events.get(key).await? {
            return Ok(record);
        }
        patience.wait().await.map_err(|after| Error::NotEvaluated {
            event: key.clone(),
            after,
        })?;
    }
}

/// Waits until a run has ended, telling meanwhile what changes.
pub(crate) async fn ended(
    runs: &Runs,
    id: &RunId,
    patience: Patience,
    output: &mut Output<'_>,
) -> Result<(Run, Vec<TaskRun>), Error> {
    let mut seen = Vec::new();
    loop {
        let (run, tasks) = runs
            .get(id)
            .await?
            .ok_or_else(|| Error::UnknownRun(id.clone()))?;
        for line in report::run::changes(&seen, &tasks) {
            let now = report::time(startup::now());
            output.progress(format_args!("{now}  {line}"))?;
        }
        if run.state != RunState::Running {
            return Ok((run, tasks));
        }
        seen = tasks;
        patience.wait().await.map_err(|after| Error::NotEnded {
            run: id.clone(),
            after,
        })?;
    }
}
