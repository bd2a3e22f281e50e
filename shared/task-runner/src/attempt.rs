use std::time::Duration;

use accounts::{Accounts, Connected};
use domain::run::{Attempt, AttemptOutcome, VendorCall};
use domain::{TaskKey, TaskKind, TaskRun, Vendor};
use jiff::Timestamp;
use retry::{Disposition, RetryPolicy};
use serde_json::{Map, Value};
use store::AttemptEnd;

/// A vendor, as the runner sees it: one attempt at one task.
pub trait Connector {
    /// Whose accounts the connector uses.
    const VENDOR: Vendor;

    /// Makes one attempt. It looks before it writes when the assignment says so, and never retries.
    fn perform(
        &self,
        assignment: &Assignment<'_>,
        connected: &Connected,
    ) -> impl Future<Output = Result<Done, Failed>> + Send;
}

/// One attempt at one task.
#[derive(Debug)]
pub struct Assignment<'a> {
    /// The task's name towards the vendor, the same in every attempt.
    pub key: &'a TaskKey,
    /// What to do.
    pub kind: TaskKind,
    /// With what; every piped text is filled in.
    pub input: &'a Value,
    /// Whether an earlier attempt may have had its effect: look for it before writing.
    pub look_first: bool,
    /// When the first attempt at this task began.
    pub first_attempt_at: Timestamp,
    /// Now.
    pub now: Timestamp,
}

/// A task that is done.
#[derive(Debug, Clone, PartialEq)]
pub struct Done {
    /// For later tasks; see `TaskKind::outputs`.
    pub output: Map<String, Value>,
    /// The record at the vendor, for people.
    pub link: Option<String>,
    /// What the vendor did not take as it was sent.
    pub warnings: Vec<String>,
    /// The calls that were made, in order.
    pub calls: Vec<VendorCall>,
}

/// An attempt that did not do the task.
#[derive(Debug, Clone, PartialEq)]
pub struct Failed {
    /// What to do next.
    pub disposition: Disposition,
    /// What happened, in the vendor's words where there are any; for people, without secrets.
    pub reason: String,
    /// Whether the vendor refused the credentials. The secret may have changed: it is read again and
    /// the attempt repeated, once.
    pub unauthorized: bool,
    /// The calls that were made, in order.
    pub calls: Vec<VendorCall>,
}

impl Failed {
    /// A failure before any call was made, which no retry can mend.
    pub fn before_any_call(reason: impl Into<String>) -> Self {
        Self {
            disposition: Disposition::GiveUp,
            reason: reason.into(),
            unauthorized: false,
            calls: Vec::new(),
        }
    }
}

/// One attempt at a claimed task, within `time`.
pub(crate) async fn make<C: Connector>(
    connector: &C,
    accounts: &Accounts,
    task: &TaskRun,
    now: Timestamp,
    time: Duration,
) -> Result<Done, Failed> {
    let work = connect_and_perform(connector, accounts, task, now);
    tokio::time::timeout(time, work).await.unwrap_or_else(|_| {
        Err(Failed {
            disposition: Disposition::RECONCILE,
            reason: format!(
                "no end after {} s; the attempt was broken off",
                time.as_secs()
            ),
            unauthorized: false,
            calls: Vec::new(),
        })
    })
}

async fn connect_and_perform<C: Connector>(
    connector: &C,
    accounts: &Accounts,
    task: &TaskRun,
    now: Timestamp,
) -> Result<Done, Failed> {
    let Some(input) = &task.input else {
        return Err(Failed::before_any_call(
            "the task has no input, although it was requested",
        ));
    };
    let connected = accounts
        .connect(&task.account, C::VENDOR, now)
        .await
        .map_err(account_failed)?;
    let mut assignment = Assignment {
        key: &task.key,
        kind: task.kind,
        input,
        look_first: task.look_first,
        first_attempt_at: task.first_attempt_at.unwrap_or(now),
        now,
    };
    let refused = match connector.perform(&assignment, &connected).await {
        Err(failed) if failed.unauthorized => failed,
        other => return other,
    };
    match accounts.reconnect(&connected, now).await {
        Ok(None) => Err(Failed {
            reason: format!(
                "{} (account `{}`: put the right secret with `accounts put`, then retry the run)",
                refused.reason, task.account
            ),
            ..refused
        }),
        Ok(Some(connected)) => {
            // A write may stand before the call that was refused.
            assignment.look_first = true;
            let calls = refused.calls;
            let prepend = |later: Vec<VendorCall>| calls.into_iter().chain(later).collect();
            match connector.perform(&assignment, &connected).await {
                Ok(done) => Ok(Done {
                    calls: prepend(done.calls),
                    ..done
                }),
                Err(failed) => Err(Failed {
                    calls: prepend(failed.calls),
                    ..failed
                }),
            }
        }
        Err(error) => Err(Failed {
            calls: refused.calls,
            ..account_failed(error)
        }),
    }
}

fn account_failed(error: accounts::Error) -> Failed {
    let disposition = error.disposition();
    Failed {
        disposition,
        reason: startup::chain(&error),
        unauthorized: false,
        calls: Vec::new(),
    }
}

/// What is stored of an attempt.
pub(crate) fn conclude(
    policy: &RetryPolicy,
    task: &TaskRun,
    started_at: Timestamp,
    ended_at: Timestamp,
    result: Result<Done, Failed>,
) -> (Attempt, AttemptEnd) {
    let attempt = |outcome, message, calls| Attempt {
        number: task.attempts_begun,
        started_at,
        ended_at,
        outcome,
        message,
        calls,
    };
    let failed = match result {
        Ok(Done {
            output,
            link,
            warnings,
            calls,
        }) => {
            return (
                attempt(AttemptOutcome::Succeeded, None, calls),
                AttemptEnd::Succeeded {
                    output,
                    link,
                    warnings,
                },
            );
        }
        Err(failed) => failed,
    };
    let (outcome, look_first, asked) = match failed.disposition {
        Disposition::Retry { after } => (AttemptOutcome::Retry, false, after),
        Disposition::Reconcile { after } => (AttemptOutcome::Reconcile, true, after),
        Disposition::GiveUp => {
            let end = AttemptEnd::Failed {
                look_first: false,
                reason: failed.reason.clone(),
            };
            return (
                attempt(AttemptOutcome::GaveUp, Some(failed.reason), failed.calls),
                end,
            );
        }
    };
    let first = task.first_attempt_at.unwrap_or(started_at);
    let elapsed = Duration::try_from(ended_at.duration_since(first)).unwrap_or_default();
    let delay = policy.delay(task.attempts_begun, elapsed, asked, task.key.seed());
    if let Some(at) = delay.and_then(|delay| ended_at.checked_add(delay).ok()) {
        let end = AttemptEnd::Retry {
            at,
            look_first,
            reason: failed.reason.clone(),
        };
        return (attempt(outcome, Some(failed.reason), failed.calls), end);
    }
    let reason = format!(
        "{}; given up after {} attempts over {} h",
        failed.reason,
        task.attempts_begun,
        elapsed.as_secs() / 3600
    );
    let end = AttemptEnd::Failed {
        look_first,
        reason: reason.clone(),
    };
    (
        attempt(AttemptOutcome::RanOutOfTime, Some(reason), failed.calls),
        end,
    )
}
