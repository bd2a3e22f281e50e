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

pub use case_mail::{MailPreview, ShareCase, SharedCase};
pub use config::Config;
pub use create::{CreateCase, CreatedCase};
pub use error::{Error, ErrorKind};
pub use look::OpenCases;
pub use poll::{PollOutcome, Polled};

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use accounts::{Accounts, Connected, Moment};
use domain::{AccountName, Vendor};
use jiff::Timestamp;
use mail::Mailer;
use startup::AwsConfig;

use crate::bus::Outlets;

/// What connecting an account may take.
const CONNECT_TIME: Duration = Duration::from_secs(20);

/// The service cases of a stack. Nothing of them is kept in memory.
#[derive(Debug)]
pub struct ServiceCases {
    accounts: Accounts,
    rows: store::ServiceCases,
    creations: store::CaseCreations,
    templates: store::MailTemplates,
    mails: store::Mails,
    outlets: Outlets,
    mailer: Mailer,
    /// Unique to this process; with a number, unique to each right that it takes.
    process: String,
    rights: AtomicU64,
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
            mails: store::Mails::new(dynamodb, table),
            outlets: Outlets::new(aws, config.event_bus, config.queue_url),
            mailer: Mailer::new(aws, config.mail),
            process,
            rights: AtomicU64::new(0),
        }
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
        let moment = Moment::new(now, CONNECT_TIME);
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
