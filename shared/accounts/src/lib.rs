//! Connected accounts with their secrets.
//!
//! An account's row holds no secret; its secret lies in Secrets Manager under
//! `{prefix}/accounts/{vendor}/{name}` and in memory, in types whose `Debug` prints nothing.

use std::collections::HashMap;
use std::sync::Arc;

/// The client that [`Accounts`] takes.
pub use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::error::ProvideErrorMetadata;
use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueError;
use aws_sdk_secretsmanager::operation::put_secret_value::PutSecretValueError;
use domain::{Account, AccountName, Vendor};
use jiff::Timestamp;
use retry::Disposition;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::sync::Mutex;

/// How long a row read from the table counts. Changing an account takes so long to be seen, unless the vendor
/// refuses what is in hand.
const ROW_SECONDS: i64 = 60;

/// What an account proves itself with.
#[derive(Debug, Clone)]
pub enum Credential {
    /// A user's name (for Zendesk an e-mail address) and password.
    Basic {
        /// The name.
        username: String,
        /// The password.
        password: SecretString,
    },
    /// A Zendesk agent's e-mail address and an API token.
    ApiToken {
        /// The address.
        email: String,
        /// The token.
        token: SecretString,
    },
    /// An access token that was issued elsewhere.
    Bearer {
        /// The token.
        token: SecretString,
    },
}

/// The JSON of the secret. Not derived on [`Credential`] itself, so that no secret is ever serialised by
/// accident.
#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
enum Stored {
    Basic {
        username: String,
        password: SecretString,
    },
    ApiToken {
        email: String,
        token: SecretString,
    },
    Bearer {
        token: SecretString,
    },
}

impl Credential {
    /// Reads the JSON of a secret: `{"kind": "basic", "username": "...", "password": "..."}`,
    /// `{"kind": "api_token", "email": "...", "token": "..."}` or `{"kind": "bearer", "token": "..."}`.
    ///
    /// # Errors
    /// What is wrong, without quoting anything of the secret.
    pub fn parse(json: &SecretString) -> Result<Self, String> {
        // serde's own message may quote a value.
        let stored: Stored = serde_json::from_str(json.expose_secret()).map_err(|_| {
            "expected a JSON object with `kind` basic (username, password), api_token (email, token) or bearer (token), and nothing else"
                .to_owned()
        })?;
        Ok(match stored {
            Stored::Basic { username, password } => Self::Basic { username, password },
            Stored::ApiToken { email, token } => Self::ApiToken { email, token },
            Stored::Bearer { token } => Self::Bearer { token },
        })
    }

    /// The JSON of the secret, as it is kept.
    pub fn to_json(&self) -> SecretString {
        let json = match self {
            Self::Basic { username, password } => {
                serde_json::json!({"kind": "basic", "username": username, "password": password.expose_secret()})
            }
            Self::ApiToken { email, token } => {
                serde_json::json!({"kind": "api_token", "email": email, "token": token.expose_secret()})
            }
            Self::Bearer { token } => {
                serde_json::json!({"kind": "bearer", "token": token.expose_secret()})
            }
        };
        json.to_string().into()
    }

    /// Whether both prove the same.
    fn is_same_as(&self, other: &Self) -> bool {
        self.to_json().expose_secret() == other.to_json().expose_secret()
    }
}

/// An account ready for use.
#[derive(Debug, Clone)]
pub struct Connected {
    /// Everything but the secret.
    pub account: Account,
    /// The secret.
    pub credential: Credential,
}

impl Connected {
    /// Whether both are the same account of the same instance, with the same secret.
    fn is_same_as(&self, other: &Self) -> bool {
        self.account == other.account && self.credential.is_same_as(&other.credential)
    }
}

/// An account that cannot be used now.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No row. Give up: somebody must connect it.
    #[error("there is no account `{0}`: connect it with `accounts put`, then retry the run")]
    Unknown(AccountName),
    /// The account belongs to another vendor than the task. Give up.
    #[error("the account `{name}` is a {found} account, and this task needs a {expected} account")]
    WrongVendor {
        /// The account.
        name: AccountName,
        /// Whose account it is.
        found: Vendor,
        /// Whose account the task needs.
        expected: Vendor,
    },
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
    /// The table did not answer. Retry.
    #[error("the account `{name}` could not be read")]
    Table {
        /// The account.
        name: AccountName,
        /// The cause.
        #[source]
        source: store::Error,
    },
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
}

impl Error {
    /// What to do next.
    pub fn disposition(&self) -> Disposition {
        match self {
            Self::Unknown(_)
            | Self::WrongVendor { .. }
            | Self::NoSecret(_)
            | Self::UnusableSecret { .. } => Disposition::GiveUp,
            Self::Table { source, .. } if source.is_permanent() => Disposition::GiveUp,
            Self::Table { .. } | Self::SecretsManager { .. } => Disposition::RETRY,
        }
    }
}

/// The accounts of this stack. Keeps in memory what it has read: a warm function asks AWS nothing.
#[derive(Debug)]
pub struct Accounts {
    rows: store::Accounts,
    secrets: Client,
    prefix: String,
    cache: Mutex<HashMap<AccountName, Cached>>,
}

#[derive(Debug, Clone)]
struct Cached {
    connected: Arc<Connected>,
    row_read_at: Timestamp,
}

impl Accounts {
    /// The accounts in this table, whose secrets' names begin with `prefix`.
    pub fn new(rows: store::Accounts, secrets: Client, prefix: String) -> Self {
        Self {
            rows,
            secrets,
            prefix,
            cache: Mutex::default(),
        }
    }

    /// An account of this vendor, ready for use.
    ///
    /// # Errors
    /// See [`Error`]; each says what to do.
    pub async fn connect(
        &self,
        name: &AccountName,
        vendor: Vendor,
        now: Timestamp,
    ) -> Result<Arc<Connected>, Error> {
        // Held while reading, so that a batch of ten reads an account once.
        let mut cache = self.cache.lock().await;
        let cached = cache.get(name);
        if let Some(cached) = cached
            && now.duration_since(cached.row_read_at).as_secs() < ROW_SECONDS
        {
            check_vendor(&cached.connected.account, vendor)?;
            return Ok(Arc::clone(&cached.connected));
        }
        let account = self.read_row(name, vendor).await?;
        let credential = match cached {
            // Every put changes the row, so that the secret still belongs to a row that is the same.
            Some(cached) if cached.connected.account == account => {
                cached.connected.credential.clone()
            }
            Some(_) | None => self.read_secret(vendor, name).await?,
        };
        Ok(keep(
            &mut cache,
            Connected {
                account,
                credential,
            },
            now,
        ))
    }

    /// Reads an account's row and secret again, after the vendor has refused the secret in hand. `None`
    /// when both are still the same, so that trying again is of no use.
    ///
    /// # Errors
    /// See [`Error`]; each says what to do.
    pub async fn reconnect(
        &self,
        refused: &Connected,
        now: Timestamp,
    ) -> Result<Option<Arc<Connected>>, Error> {
        let mut cache = self.cache.lock().await;
        let name = &refused.account.name;
        // Another attempt of the same batch may have read them already.
        if let Some(cached) = cache.get(name)
            && !cached.connected.is_same_as(refused)
        {
            check_vendor(&cached.connected.account, refused.account.vendor)?;
            return Ok(Some(Arc::clone(&cached.connected)));
        }
        // The row first, as in `connect`: a secret that was put in between is then at worst newer than the
        // row, and the row differs when it is read the next time.
        let account = self.read_row(name, refused.account.vendor).await?;
        let credential = self.read_secret(account.vendor, name).await?;
        let connected = Connected {
            account,
            credential,
        };
        if connected.is_same_as(refused) {
            return Ok(None);
        }
        Ok(Some(keep(&mut cache, connected, now)))
    }

    /// Stores an account's secret, then its row, so that a row is never without a secret.
    ///
    /// # Errors
    /// Retry: doing it twice changes nothing more.
    pub async fn put(
        &self,
        account: &Account,
        credential: &Credential,
        kms_key: Option<&str>,
    ) -> Result<(), Error> {
        let name = &account.name;
        let id = secret_id(&self.prefix, account.vendor, name);
        let json = credential.to_json();
        let put = self
            .secrets
            .put_secret_value()
            .secret_id(&id)
            .secret_string(json.expose_secret())
            .send()
            .await;
        if let Err(error) = put {
            let missing = error
                .as_service_error()
                .is_some_and(PutSecretValueError::is_resource_not_found_exception);
            if !missing {
                return Err(refused(name, "stored", error));
            }
            self.secrets
                .create_secret()
                .name(&id)
                .description(format!(
                    "Credentials of the {} account {name}",
                    account.vendor
                ))
                .secret_string(json.expose_secret())
                .set_kms_key_id(kms_key.map(str::to_owned))
                .send()
                .await
                .map_err(|error| refused(name, "stored", error))?;
        }
        self.rows.put(account).await.map_err(|source| Error::Table {
            name: name.clone(),
            source,
        })
    }

    async fn read_row(&self, name: &AccountName, vendor: Vendor) -> Result<Account, Error> {
        let account = self
            .rows
            .get(name)
            .await
            .map_err(|source| Error::Table {
                name: name.clone(),
                source,
            })?
            .ok_or_else(|| Error::Unknown(name.clone()))?;
        check_vendor(&account, vendor)?;
        Ok(account)
    }

    async fn read_secret(&self, vendor: Vendor, name: &AccountName) -> Result<Credential, Error> {
        let answer = self
            .secrets
            .get_secret_value()
            .secret_id(secret_id(&self.prefix, vendor, name))
            .send()
            .await
            .map_err(|error| {
                let missing = error
                    .as_service_error()
                    .is_some_and(GetSecretValueError::is_resource_not_found_exception);
                if missing {
                    Error::NoSecret(name.clone())
                } else {
                    refused(name, "read", error)
                }
            })?;
        let json: SecretString = answer.secret_string.unwrap_or_default().into();
        Credential::parse(&json).map_err(|problem| Error::UnusableSecret {
            name: name.clone(),
            problem,
        })
    }
}

/// The name of an account's secret. The vendor is part of it, so that a vendor's function may read the
/// secrets of that vendor only.
pub fn secret_id(prefix: &str, vendor: Vendor, name: &AccountName) -> String {
    format!("{prefix}/accounts/{vendor}/{name}")
}

fn keep(
    cache: &mut HashMap<AccountName, Cached>,
    connected: Connected,
    now: Timestamp,
) -> Arc<Connected> {
    let connected = Arc::new(connected);
    let cached = Cached {
        connected: Arc::clone(&connected),
        row_read_at: now,
    };
    cache.insert(connected.account.name.clone(), cached);
    connected
}

fn check_vendor(account: &Account, vendor: Vendor) -> Result<(), Error> {
    if account.vendor == vendor {
        return Ok(());
    }
    Err(Error::WrongVendor {
        name: account.name.clone(),
        found: account.vendor,
        expected: vendor,
    })
}

fn refused<E>(name: &AccountName, attempted: &'static str, error: E) -> Error
where
    E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
{
    let code = error.code().map(str::to_owned);
    Error::SecretsManager {
        name: name.clone(),
        attempted,
        code,
        source: Box::new(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credential_survives_its_json() {
        for json in [
            r#"{"kind":"basic","password":"p\"w","username":"u"}"#,
            r#"{"email":"a@example.com","kind":"api_token","token":"t"}"#,
            r#"{"kind":"bearer","token":"t"}"#,
        ] {
            let credential = Credential::parse(&json.to_owned().into()).unwrap();
            let again: serde_json::Value =
                serde_json::from_str(credential.to_json().expose_secret()).unwrap();
            assert_eq!(
                again,
                serde_json::from_str::<serde_json::Value>(json).unwrap()
            );
        }
    }

    #[test]
    fn neither_errors_nor_debug_show_a_secret() {
        for json in [
            r#"{"kind":"basic","username":"u","password":"hunter2","extra":1}"#,
            r#"{"kind":"hunter2"}"#,
            "hunter2",
        ] {
            let error = Credential::parse(&json.to_owned().into()).unwrap_err();
            assert!(!error.contains("hunter2"), "{error}");
        }
        let credential =
            Credential::parse(&r#"{"kind":"bearer","token":"hunter2"}"#.to_owned().into()).unwrap();
        assert!(!format!("{credential:?}").contains("hunter2"));
    }
}
