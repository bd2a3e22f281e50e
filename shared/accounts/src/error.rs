use std::time::Duration;

use domain::{AccountKind, AccountName, Vendor};
use jiff::Timestamp;
use retry::Disposition;
use vendor_http::BaseUrlError;

/// How soon tasks notice that their account was connected again.
const LOOK_EVERY: Duration = Duration::from_mins(20);

/// An account that cannot be used, or changed, now.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No row. Give up: somebody must connect it.
    #[error(
        "there is no account `{0}`: connect it with `accounts connect` or `accounts put`, then retry the run"
    )]
    Unknown(AccountName),
    /// The account belongs to another vendor than the task. Give up.
    #[error("the account `{name}` is a {found} account, and this needs a {expected} account")]
    WrongVendor {
        /// The account.
        name: AccountName,
        /// Whose account it is.
        found: Vendor,
        /// Whose account is needed.
        expected: Vendor,
    },
    /// The vendor has no such kind of account. Give up.
    #[error("a {vendor} account cannot be of the kind {kind}: {hint}")]
    WrongKind {
        /// The vendor.
        vendor: Vendor,
        /// The kind.
        kind: AccountKind,
        /// What can be used instead.
        hint: &'static str,
    },
    /// The vendor's API tokens go with an e-mail address, or without. Give up.
    #[error("`email` does not fit a {vendor} account: {problem}")]
    Email {
        /// The vendor.
        vendor: Vendor,
        /// What is wrong.
        problem: &'static str,
    },
    /// The instance is no name of one. Give up: it must be corrected.
    #[error("`instance` cannot be used: {0}")]
    Instance(BaseUrlError),
    /// No secret. Give up: somebody must put it.
    #[error("the account `{0}` has no secret: put it with `accounts put`, then retry the run")]
    NoSecret(AccountName),
    /// The secret is not what it should be. Give up.
    #[error("the secret of the account `{name}` cannot be used: {problem}")]
    UnusableSecret {
        /// The account.
        name: AccountName,
        /// What is wrong with it.
        problem: String,
    },
    /// Nobody has agreed at the vendor yet. Wait.
    #[error(
        "connect: the account `{0}` waits for somebody to agree at the vendor; open the address that `accounts connect` prints. This goes on by itself then"
    )]
    NotConnected(AccountName),
    /// The vendor no longer renews the account's tokens. Wait: it goes on once somebody has connected it again.
    #[error(
        "reconnect: the account `{name}` must be connected again (`accounts connect {name}`; with client credentials `accounts put`): {problem}. This goes on by itself then"
    )]
    Reconnect {
        /// The account.
        name: AccountName,
        /// Why, in the vendor's words.
        problem: String,
    },
    /// Another function renews the tokens. Retry soon.
    #[error("the tokens of the account `{name}` are being renewed by another function")]
    Refreshing {
        /// The account.
        name: AccountName,
        /// No longer than until then.
        until: Timestamp,
    },
    /// The tokens could not be renewed now. Retry.
    #[error("the tokens of the account `{name}` could not be renewed: {problem}")]
    Renewal {
        /// The account.
        name: AccountName,
        /// What happened.
        problem: String,
        /// What to do next.
        disposition: Disposition,
    },
    /// The tokens are due, and the function's time is nearly over. Retry.
    #[error("there was no time left to renew the tokens of the account `{0}`")]
    NoTime(AccountName),
    /// The function ended while it renewed tokens. Retry.
    #[error("the renewal of the tokens of the account `{0}` broke off")]
    Interrupted(AccountName),
    /// The table did not answer. Retry.
    #[error("the account `{name}` could not be read or stored")]
    Table {
        /// The account.
        name: AccountName,
        /// The cause.
        #[source]
        source: store::Error,
    },
    /// The table did not answer. Retry.
    #[error("the accounts could not be listed")]
    Listing(#[source] store::Error),
    /// Secrets Manager did not answer, or refused. Retry.
    #[error("the secret of the account `{name}` could not be {attempted}{}", code.as_deref().map(|code| format!(": {code}")).unwrap_or_default())]
    SecretsManager {
        /// The account.
        name: AccountName,
        /// What was to be done.
        attempted: &'static str,
        /// The service's error code.
        code: Option<String>,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The bus did not take the event that tells of the account. Retry.
    #[error("the state of the account `{name}` could not be told at this moment")]
    Bus {
        /// The account.
        name: AccountName,
        /// The cause, which is for the log.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The name belongs to another account, or did once. Give up: choose another one.
    #[error(
        "there is an account `{0}` already, or there was one that was renamed since: choose another name"
    )]
    Taken(AccountName),
    /// The account has another name now. Give up: say which one is meant.
    #[error(
        "`{name}` is an old name of the account `{now}`: use that, or choose another name for a new account"
    )]
    OldName {
        /// The name that it had.
        name: AccountName,
        /// The name that it has.
        now: AccountName,
    },
    /// Somebody changes the account at this moment. Retry.
    #[error(
        "the account `{0}` was changed in between, or its tokens are being renewed at this moment: try again"
    )]
    Busy(AccountName),
    /// The vendor did not do what was asked.
    #[error("the account `{name}`: {problem}")]
    Vendor {
        /// The account.
        name: AccountName,
        /// What happened, in the vendor's words where there are any.
        problem: String,
        /// What to do next.
        disposition: Disposition,
    },
    /// The account has no OAuth client yet, and none was given. Give up.
    #[error(
        "the account `{0}` has no OAuth client yet: give its `client_id`, and its secret unless it is a public client"
    )]
    NoClient(AccountName),
    /// Neither a secret nor the word that there is none. Give up.
    #[error(
        "the OAuth client of the account `{0}` needs its `client_secret`, unless it is a public client of a vendor that knows PKCE: say so then"
    )]
    NoClientSecret(AccountName),
    /// Nobody can be sent to this stack: it does not know its own address. Give up.
    #[error("this stack does not know the address under which people reach it: set PUBLIC_URL")]
    NoPublicUrl,
}

impl Error {
    /// What to do next.
    pub fn disposition(&self) -> Disposition {
        match self {
            Self::Unknown(_)
            | Self::WrongVendor { .. }
            | Self::WrongKind { .. }
            | Self::Email { .. }
            | Self::Instance(_)
            | Self::NoSecret(_)
            | Self::Taken(_)
            | Self::OldName { .. }
            | Self::NoClient(_)
            | Self::NoClientSecret(_)
            | Self::NoPublicUrl
            | Self::UnusableSecret { .. } => Disposition::GiveUp,
            Self::NotConnected(_) | Self::Reconnect { .. } => {
                Disposition::Wait { every: LOOK_EVERY }
            }
            Self::Renewal { disposition, .. } | Self::Vendor { disposition, .. } => *disposition,
            Self::Table { source, .. } | Self::Listing(source) if source.is_permanent() => {
                Disposition::GiveUp
            }
            Self::Table { .. }
            | Self::Listing(_)
            | Self::Refreshing { .. }
            | Self::Interrupted(_)
            | Self::NoTime(_)
            | Self::Bus { .. }
            | Self::Busy(_)
            | Self::SecretsManager { .. } => Disposition::RETRY,
        }
    }

    pub(crate) fn table(name: &AccountName) -> impl FnOnce(store::Error) -> Self {
        move |source| Self::Table {
            name: name.clone(),
            source,
        }
    }

    pub(crate) fn vendor(
        name: &AccountName,
        error: &dyn std::error::Error,
        disposition: Disposition,
    ) -> Self {
        Self::Vendor {
            name: name.clone(),
            problem: startup::chain(error),
            disposition,
        }
    }

    pub(crate) fn secrets(name: &AccountName, attempted: &'static str, error: aws::Error) -> Self {
        Self::SecretsManager {
            name: name.clone(),
            attempted,
            code: error.code().map(str::to_owned),
            source: Box::new(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_bus_says_is_for_the_log() {
        let error = Error::Bus {
            name: AccountName::parse("support").unwrap(),
            source: "service error: arn:aws:events".into(),
        };
        assert!(!error.to_string().contains("arn:aws"), "{error}");
        assert!(startup::chain(&error).contains("arn:aws"));
    }
}
