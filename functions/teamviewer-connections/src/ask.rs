//! Asking TeamViewer with an account.

use std::sync::Arc;

use accounts::{Accounts, Connected, Moment};
use domain::{AccountName, Vendor};
use retry::Disposition;
use teamviewer::{Answer, Client, ErrorKind};
use tokio::sync::Mutex;

/// Why something could not be done.
#[derive(Debug)]
pub(crate) struct Failure {
    /// In words, for people.
    pub(crate) reason: String,
    /// What to do next.
    pub(crate) disposition: Disposition,
    pub(crate) kind: FailureKind,
}

/// What sort of failure it is, where that matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FailureKind {
    /// Too many calls were made.
    Limited,
    /// TeamViewer has no such thing.
    Absent,
    /// TeamViewer does not take the question as it is.
    Invalid,
    /// TeamViewer's answer cannot be read.
    Unexpected,
    /// TeamViewer or the account in any other way.
    Other,
    /// Our own tables or bus.
    Own,
}

impl Failure {
    pub(crate) fn is_limited(&self) -> bool {
        self.kind == FailureKind::Limited
    }

    /// Our own side did not do what it should.
    pub(crate) fn own(reason: String) -> Self {
        Self {
            reason,
            disposition: Disposition::RETRY,
            kind: FailureKind::Own,
        }
    }

    fn vendor(error: &teamviewer::Error) -> Self {
        let is_invalid = error.disposition() == Disposition::GiveUp
            && matches!(error.status(), Some(400..=499))
            && !error.is_forbidden()
            && !error.is_unauthorized();
        let kind = if error.is_rate_limited() {
            FailureKind::Limited
        } else if error.is_absent() {
            FailureKind::Absent
        } else if is_invalid {
            FailureKind::Invalid
        } else if matches!(error.kind, ErrorKind::Unexpected { .. }) {
            FailureKind::Unexpected
        } else {
            FailureKind::Other
        };
        Self {
            reason: startup::chain(error),
            disposition: error.disposition(),
            kind,
        }
    }
}

impl From<store::Error> for Failure {
    fn from(error: store::Error) -> Self {
        let own = Self::own(startup::chain(&error));
        let disposition = if error.is_permanent() {
            Disposition::GiveUp
        } else {
            own.disposition
        };
        Self { disposition, ..own }
    }
}

impl From<accounts::Error> for Failure {
    fn from(error: accounts::Error) -> Self {
        Self {
            reason: startup::chain(&error),
            disposition: error.disposition(),
            kind: FailureKind::Other,
        }
    }
}

/// Asks with one account, for as long as a message is handled.
#[derive(Debug)]
pub(crate) struct Asker<'a> {
    accounts: &'a Accounts,
    pub(crate) account: &'a AccountName,
    pub(crate) moment: Moment,
    connected: Mutex<Option<Arc<Connected>>>,
}

impl<'a> Asker<'a> {
    pub(crate) fn new(accounts: &'a Accounts, account: &'a AccountName, moment: Moment) -> Self {
        Self {
            accounts,
            account,
            moment,
            connected: Mutex::default(),
        }
    }

    /// One call; and one more with another secret or token, if the one in hand was refused and there is another.
    pub(crate) async fn ask<T, F>(&self, call: impl Fn(Client) -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<Answer<T>, teamviewer::Error>>,
    {
        let name = self.account;
        let connected = self.connected().await?;
        let client = self.accounts.vendors().teamviewer(&connected)?;
        let refused = match call(client).await {
            Ok(answer) => return Ok(answer.value),
            Err(error) if error.is_unauthorized() => Failure::vendor(&error),
            Err(error) => return Err(Failure::vendor(&error)),
        };
        let other = self.accounts.reconnect(name, &connected, &self.moment);
        let Some(other) = other.await? else {
            let reason = refused.reason;
            return Err(Failure {
                reason: format!(
                    "{reason} (account `{name}`: see what `closedloop accounts verify {name}` says and put the right secret)"
                ),
                ..refused
            });
        };
        *self.connected.lock().await = Some(Arc::clone(&other));
        let client = self.accounts.vendors().teamviewer(&other)?;
        let answer = call(client).await;
        answer
            .map(|answer| answer.value)
            .map_err(|error| Failure::vendor(&error))
    }

    async fn connected(&self) -> Result<Arc<Connected>, Failure> {
        let mut slot = self.connected.lock().await;
        if let Some(connected) = &*slot {
            return Ok(Arc::clone(connected));
        }
        let connected = self
            .accounts
            .connect(self.account, Vendor::TeamViewer, &self.moment)
            .await?;
        Ok(Arc::clone(slot.insert(connected)))
    }
}
