//! Service cases: which are open, creating them, and giving their codes to customers.
//!
//! What TeamViewer says of a case is kept in a table, from which all viewers read; one of them at a time asks TeamViewer
//! again. That a customer came online, or that a case was closed, is told before it is stored: a crash in between tells
//! the same event once more, under the same id.
//!
//! **Links of supporters** pass through [`ServiceCases::supporter_link`] alone. Nothing stores, logs or tells them.

mod bus;
mod case_mail;
mod config;
mod create;
mod error;
mod look;
mod mapping;
mod observe;
mod poll;
mod task;

pub use case_mail::{CaseMail, CaseMailPreview, Sender, SentCaseMail};
pub use config::Config;
pub use create::{CreateCase, CreatedCase};
pub use error::{Error, ErrorKind};
pub use look::OpenCases;
pub use poll::{OWN_TROUBLE, PollOutcome, Polled};

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use accounts::{Accounts, Connected, Moment};
use domain::{AccountName, Vendor};
use jiff::{SignedDuration, Timestamp};
use mail::Mailer;
use startup::AwsConfig;

use crate::bus::Outlets;

/// What connecting an account may take where nobody has said how much time is left: little more than renewing tokens.
const CONNECT_TIME: Duration = Duration::from_secs(8);
/// A right lasts longer than its function: by what the function may still do after its time, and by what TeamViewer may
/// still do after the last call.
const LEASE_BEYOND: SignedDuration = SignedDuration::from_secs(30);
/// Longer than any function runs: the right of a caller who does not say how much time is left.
const LONGEST_LEASE: SignedDuration = SignedDuration::from_secs(330);

/// The service cases of a stack. Nothing of them is kept in memory. Clones share the connections.
#[derive(Debug, Clone)]
pub struct ServiceCases {
    accounts: Accounts,
    rows: store::ServiceCases,
    creations: store::CaseCreations,
    templates: store::MailTemplates,
    mails: store::Mails,
    settings: store::TeamViewerSettings,
    outlets: Outlets,
    mailer: Mailer,
    /// Unique to this process; with a number, unique to each right that it takes.
    process: String,
    rights: Arc<AtomicU64>,
    time: Option<Time>,
}

/// How long the caller may go on.
#[derive(Debug, Clone, Copy)]
struct Time {
    moment: Moment,
    ends: Timestamp,
    over: Option<Instant>,
}

impl ServiceCases {
    /// The service cases of the stack that `config` names. `process` must be unique to this process.
    pub fn new(aws: &AwsConfig, config: Config, accounts: Accounts, process: String) -> Self {
        let dynamodb = store::Client::new(aws);
        let table = config.table;
        Self {
            accounts,
            rows: store::ServiceCases::new(dynamodb.clone(), table.clone()),
            creations: store::CaseCreations::new(dynamodb.clone(), table.clone()),
            templates: store::MailTemplates::new(dynamodb.clone(), table.clone()),
            mails: store::Mails::new(dynamodb.clone(), table.clone()),
            settings: store::TeamViewerSettings::new(dynamodb, table),
            outlets: Outlets::new(aws, config.event_bus, config.queue_url),
            mailer: Mailer::new(aws, config.mail),
            process,
            rights: Arc::default(),
            time: None,
        }
    }

    /// The same for one invocation: it is `now`, and after `time` it is over. No token is renewed for which too little of it
    /// is left, and what the invocation holds the right to do is free for others soon after its end. Without, the right
    /// is held for some minutes should the function die.
    #[must_use]
    pub fn within(&self, now: Timestamp, time: Duration) -> Self {
        let lasts = SignedDuration::try_from(time).unwrap_or(LONGEST_LEASE);
        Self {
            time: Some(Time {
                moment: Moment::new(now, time),
                ends: now.saturating_add(lasts).unwrap_or(Timestamp::MAX),
                over: Instant::now().checked_add(time),
            }),
            ..self.clone()
        }
    }

    fn moment(&self, now: Timestamp) -> Moment {
        let given = self.time.map(|time| time.moment);
        given.unwrap_or_else(|| Moment::new(now, CONNECT_TIME))
    }

    /// How long the caller may still go on.
    fn left(&self) -> Duration {
        let over = self.time.and_then(|time| time.over);
        over.map_or(Duration::MAX, |over| {
            over.saturating_duration_since(Instant::now())
        })
    }

    /// Until when a right is held that is taken now: whoever had it is dead then.
    fn lease_until(&self, now: Timestamp) -> Timestamp {
        let (from, lasts) = match self.time {
            Some(time) => (time.ends.max(now), LEASE_BEYOND),
            None => (now, LONGEST_LEASE),
        };
        from.saturating_add(lasts).unwrap_or(Timestamp::MAX)
    }

    fn owner(&self) -> String {
        let number = self.rights.fetch_add(1, Ordering::Relaxed);
        format!("{}.{number}", self.process)
    }

    /// Asks TeamViewer with an account; once more with another token if the one in hand is refused.
    async fn ask<T, F>(
        &self,
        account: &AccountName,
        now: Timestamp,
        call: impl Fn(teamviewer::Client) -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<teamviewer::Answer<T>, teamviewer::Error>>,
    {
        let moment = self.moment(now);
        let vendor = |error| Error::TeamViewer {
            account: account.clone(),
            error: Box::new(error),
        };
        let connected = self
            .accounts
            .connect(account, Vendor::TeamViewer, &moment)
            .await?;
        let client = |connected: &Connected| self.accounts.vendors().teamviewer(connected);
        match call(client(&connected)?).await {
            Ok(answer) => Ok(answer.value),
            Err(error) if error.is_unauthorized() => {
                let other = self
                    .accounts
                    .reconnect(account, &connected, &moment)
                    .await?;
                let Some(other) = other else {
                    return Err(vendor(error));
                };
                let answer = call(client(&other)?).await.map_err(vendor)?;
                Ok(answer.value)
            }
            Err(error) => Err(vendor(error)),
        }
    }
}
