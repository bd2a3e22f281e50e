//! Waiting for what a deployed stack does on its own.

use std::time::Duration;

use domain::{EventKey, RunId, RunState};
use management::{EventDetail, RunDetail};
use tokio::time::{Instant, sleep};

use crate::error::Error;
use crate::output::Output;
use crate::report;
use crate::stack::Stack;

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
    stack: &Stack,
    key: &EventKey,
    patience: Patience,
) -> Result<EventDetail, Error> {
    loop {
        match stack.event(key, None).await {
            Ok(detail) => return Ok(detail),
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error),
        }
        patience.wait().await.map_err(|after| Error::NotEvaluated {
            event: key.clone(),
            after,
        })?;
    }
}

/// Waits until a run has ended, telling meanwhile what changes.
pub(crate) async fn ended(
    stack: &Stack,
    id: &RunId,
    patience: Patience,
    output: &mut Output<'_>,
) -> Result<RunDetail, Error> {
    let mut seen = Vec::new();
    loop {
        let detail = stack.run(id).await?;
        for line in report::run::changes(&seen, &detail.tasks) {
            let now = report::time(startup::now());
            output.progress(format_args!("{now}  {line}"))?;
        }
        if detail.run.state != RunState::Running {
            return Ok(detail);
        }
        seen = detail.tasks;
        patience.wait().await.map_err(|after| Error::NotEnded {
            run: id.clone(),
            after,
        })?;
    }
}
