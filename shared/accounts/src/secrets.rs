use aws::secretsmanager::{Client, INVALID_REQUEST, RESOURCE_NOT_FOUND};
use domain::{Account, AccountName, Vendor};
use jiff::Timestamp;
use startup::AwsConfig;

use crate::{Credential, Error};

/// Whether a secret is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// It is.
    Stored {
        /// When it was changed last.
        changed_at: Option<Timestamp>,
    },
    /// It is not, or was deleted.
    Missing,
}

/// The secrets of accounts in Secrets Manager.
#[derive(Debug)]
pub(crate) struct Secrets {
    client: Client,
    prefix: String,
    kms_key: Option<String>,
}

impl Secrets {
    pub(crate) fn new(aws: &AwsConfig, prefix: String, kms_key: Option<String>) -> Self {
        Self {
            client: Client::new(aws),
            prefix,
            kms_key,
        }
    }

    /// The name of a new account's secret. The vendor is part of it, so that a vendor's function may use the secrets of
    /// that vendor only; the time is, because a renamed account keeps its secret and its old name may be given again.
    pub(crate) fn new_id(&self, vendor: Vendor, name: &AccountName, now: Timestamp) -> String {
        let prefix = &self.prefix;
        format!("{prefix}/accounts/{vendor}/{name}.{}", now.as_millisecond())
    }

    pub(crate) async fn read(&self, account: &Account) -> Result<Credential, Error> {
        let name = &account.name;
        let read = self.client.get_secret_value(&account.secret).await;
        let json = read.map_err(|error| {
            // The latter says that it was deleted.
            if error.is(RESOURCE_NOT_FOUND) || error.is(INVALID_REQUEST) {
                Error::NoSecret(name.clone())
            } else {
                Error::secrets(name, "read", error)
            }
        })?;
        Credential::parse(&json).map_err(|problem| Error::UnusableSecret {
            name: name.clone(),
            problem,
        })
    }

    /// Stores another value of a secret that is there.
    pub(crate) async fn replace(
        &self,
        account: &Account,
        credential: &Credential,
    ) -> Result<(), Error> {
        self.client
            .put_secret_value(&account.secret, &credential.to_json())
            .await
            .map_err(|error| Error::secrets(&account.name, "stored", error))
    }

    /// Stores a secret, whether it is there, was deleted, or never was.
    pub(crate) async fn put(
        &self,
        account: &Account,
        credential: &Credential,
    ) -> Result<(), Error> {
        let name = &account.name;
        let json = credential.to_json();
        let stored = |error| Error::secrets(name, "stored", error);
        let Err(error) = self.client.put_secret_value(&account.secret, &json).await else {
            return Ok(());
        };
        if error.is(RESOURCE_NOT_FOUND) {
            let description = format!("Credentials of the {} account {name}", account.vendor);
            let kms_key = self.kms_key.as_deref();
            self.client
                .create_secret(&account.secret, &description, &json, kms_key)
                .await
                .map_err(stored)
        } else if error.is(INVALID_REQUEST) {
            // It was deleted by hand and can still be brought back.
            self.client
                .restore_secret(&account.secret)
                .await
                .map_err(|error| Error::secrets(name, "brought back", error))?;
            self.client
                .put_secret_value(&account.secret, &json)
                .await
                .map_err(stored)
        } else {
            Err(stored(error))
        }
    }

    /// Deletes a secret. For a week it can be brought back by hand.
    pub(crate) async fn delete(&self, account: &Account) -> Result<(), Error> {
        match self.client.delete_secret(&account.secret, 7).await {
            Ok(()) => Ok(()),
            Err(error) if error.is(RESOURCE_NOT_FOUND) || error.is(INVALID_REQUEST) => Ok(()),
            Err(error) => Err(Error::secrets(&account.name, "deleted", error)),
        }
    }

    pub(crate) async fn presence(&self, account: &Account) -> Result<Presence, Error> {
        match self.client.describe_secret(&account.secret).await {
            Ok(secret) if secret.deleted_date.is_some() => Ok(Presence::Missing),
            Ok(secret) => Ok(Presence::Stored {
                changed_at: secret.last_changed_date,
            }),
            Err(error) if error.is(RESOURCE_NOT_FOUND) => Ok(Presence::Missing),
            Err(error) => Err(Error::secrets(&account.name, "looked up", error)),
        }
    }
}
