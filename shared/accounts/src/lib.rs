//! Connected accounts with their secrets: read them, renew their tokens, connect, verify, rename and delete them.
//!
//! An account's row holds no secret; its secret lies in Secrets Manager under a name that begins with
//! `{prefix}/accounts/{vendor}/`, and in memory, in types whose `Debug` prints nothing.
//!
//! **Tokens are renewed by one function at a time.** Whoever finds them due takes a lease on the row; the others go on with
//! the old token while it is good, and are put off for some seconds when it is not. What the vendor answers is stored
//! before it is used, by a task of its own, so that an attempt whose time runs out does not lose it.

mod announce;
mod authorize;
mod credential;
mod error;
mod manage;
mod ready;
mod secrets;
mod url_template;
mod vendors;
mod verification;

pub use authorize::{Answer, Authorize, Completed, Connect, NotCompleted};
pub use credential::{Credential, Grant, Issued, OauthCredential};
pub use error::Error;
pub use manage::{NewAccount, Put, Renamed};
/// A client as it is registered with a vendor.
pub use oauth::Client as OauthClient;
pub use ready::{Connected, Moment};
pub use secrets::Presence;
pub use vendors::{UrlTemplate, Vendors};
pub use verification::{Check, FieldOption, TicketField, Verification};

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use domain::{Account, AccountName};
use startup::{AwsConfig, ConfigError, required};
use tokio::sync::{Mutex, RwLock};

use crate::announce::Bus;
use crate::ready::Slot;
use crate::secrets::Secrets;

/// The names of what accounts consist of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The table of accounts.
    pub accounts_table: String,
    /// The table of connections that are being made; empty for functions that make none.
    pub connects_table: String,
    /// The bus that hears of accounts that must be connected again.
    pub event_bus: String,
    /// What the names of secrets begin with.
    pub secret_prefix: String,
    /// The key that new secrets are encrypted with; `None` for the one that AWS manages.
    pub secrets_kms_key: Option<String>,
    /// The address under which people reach this stack; empty for functions that nobody is sent to.
    pub public_url: String,
}

impl Config {
    /// Reads `ACCOUNTS_TABLE`, `EVENT_BUS`, `SECRET_PREFIX` and, where they are set, `CONNECTS_TABLE`,
    /// `SECRETS_KMS_KEY` and `PUBLIC_URL`.
    ///
    /// # Errors
    /// The first variable that must be set and is not.
    pub fn from_vars(variables: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        Ok(Self {
            accounts_table: required(&variables, "ACCOUNTS_TABLE")?,
            connects_table: variables("CONNECTS_TABLE").unwrap_or_default(),
            event_bus: required(&variables, "EVENT_BUS")?,
            secret_prefix: required(&variables, "SECRET_PREFIX")?,
            secrets_kms_key: variables("SECRETS_KMS_KEY"),
            public_url: variables("PUBLIC_URL").unwrap_or_default(),
        })
    }
}

/// The accounts of a stack. Keeps in memory what it has read: a warm function asks AWS nothing. Clones share it.
#[derive(Debug, Clone)]
pub struct Accounts {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    rows: store::Accounts,
    connects: store::Connects,
    secrets: Secrets,
    bus: Bus,
    vendors: Vendors,
    public_url: String,
    /// Unique to this process; with a number, unique to each renewal of tokens.
    process: String,
    renewals: AtomicU64,
    /// Held for reading while tokens are being renewed.
    renewing: Arc<RwLock<()>>,
    cache: Mutex<HashMap<AccountName, Arc<Mutex<Slot>>>>,
}

impl Accounts {
    /// The accounts of the stack that `config` names. `process` must be unique to this process.
    pub fn new(aws: &AwsConfig, config: Config, vendors: Vendors, process: String) -> Self {
        let dynamodb = store::Client::new(aws);
        Self {
            inner: Arc::new(Inner {
                rows: store::Accounts::new(dynamodb.clone(), config.accounts_table),
                connects: store::Connects::new(dynamodb, config.connects_table),
                secrets: Secrets::new(aws, config.secret_prefix, config.secrets_kms_key),
                bus: Bus::new(aws, config.event_bus),
                vendors,
                public_url: config.public_url.trim_end_matches('/').to_owned(),
                process,
                renewals: AtomicU64::new(0),
                renewing: Arc::default(),
                cache: Mutex::default(),
            }),
        }
    }

    /// The vendors that accounts belong to.
    pub fn vendors(&self) -> &Vendors {
        &self.inner.vendors
    }

    /// Every account, by name.
    ///
    /// # Errors
    /// Retry.
    pub async fn list(&self) -> Result<Vec<Account>, Error> {
        self.inner.rows.list().await.map_err(Error::Listing)
    }

    /// One account, by its name or by one that it had.
    ///
    /// # Errors
    /// [`Error::Unknown`], or retry.
    pub async fn get(&self, name: &AccountName) -> Result<Account, Error> {
        self.inner.row(name).await
    }
}
