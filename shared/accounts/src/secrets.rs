use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::operation::delete_secret::DeleteSecretError;
use aws_sdk_secretsmanager::operation::describe_secret::DescribeSecretError;
use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueError;
use aws_sdk_secretsmanager::operation::put_secret_value::PutSecretValueError;
use domain::{Account, AccountName, Vendor};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
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
        let answer = self
            .client
            .get_secret_value()
            .secret_id(&account.secret)
            .send()
            .await
            .map_err(|error| {
                let missing = error.as_service_error().is_some_and(|error| {
                    // The latter says that it was deleted.
                    error.is_resource_not_found_exception()
                        || matches!(error, GetSecretValueError::InvalidRequestException(_))
                });
                if missing {
                    Error::NoSecret(name.clone())
                } else {
                    Error::secrets(name, "read", error)
                }
            })?;
        let json: SecretString = answer.secret_string.unwrap_or_default().into();
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
            .put_secret_value()
            .secret_id(&account.secret)
            .secret_string(credential.to_json().expose_secret())
            .send()
            .await
            .map_err(|error| Error::secrets(&account.name, "stored", error))?;
        Ok(())
    }

    /// Stores a secret, whether it is there, was deleted, or never was.
    pub(crate) async fn put(
        &self,
        account: &Account,
        credential: &Credential,
    ) -> Result<(), Error> {
        let name = &account.name;
        let json = credential.to_json();
        let put = || {
            self.client
                .put_secret_value()
                .secret_id(&account.secret)
                .secret_string(json.expose_secret())
                .send()
        };
        let Err(error) = put().await else {
            return Ok(());
        };
        match error.as_service_error() {
            Some(PutSecretValueError::ResourceNotFoundException(_)) => {
                self.client
                    .create_secret()
                    .name(&account.secret)
                    .description(format!(
                        "Credentials of the {} account {name}",
                        account.vendor
                    ))
                    .secret_string(json.expose_secret())
                    .set_kms_key_id(self.kms_key.clone())
                    .send()
                    .await
                    .map_err(|error| Error::secrets(name, "stored", error))?;
            }
            // It was deleted by hand and can still be brought back.
            Some(PutSecretValueError::InvalidRequestException(_)) => {
                self.client
                    .restore_secret()
                    .secret_id(&account.secret)
                    .send()
                    .await
                    .map_err(|error| Error::secrets(name, "brought back", error))?;
                put()
                    .await
                    .map_err(|error| Error::secrets(name, "stored", error))?;
            }
            Some(_) | None => return Err(Error::secrets(name, "stored", error)),
        }
        Ok(())
    }

    /// Deletes a secret. For a week it can be brought back by hand.
    pub(crate) async fn delete(&self, account: &Account) -> Result<(), Error> {
        let deleted = self
            .client
            .delete_secret()
            .secret_id(&account.secret)
            .recovery_window_in_days(7)
            .send()
            .await;
        let Err(error) = deleted else {
            return Ok(());
        };
        match error.as_service_error() {
            Some(
                DeleteSecretError::ResourceNotFoundException(_)
                | DeleteSecretError::InvalidRequestException(_),
            ) => Ok(()),
            Some(_) | None => Err(Error::secrets(&account.name, "deleted", error)),
        }
    }

    pub(crate) async fn presence(&self, account: &Account) -> Result<Presence, Error> {
        let described = self
            .client
            .describe_secret()
            .secret_id(&account.secret)
            .send()
            .await;
        match described {
            Ok(secret) if secret.deleted_date().is_some() => Ok(Presence::Missing),
            Ok(secret) => Ok(Presence::Stored {
                changed_at: secret
                    .last_changed_date()
                    .and_then(|date| Timestamp::from_second(date.secs()).ok()),
            }),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(DescribeSecretError::is_resource_not_found_exception) =>
            {
                Ok(Presence::Missing)
            }
            Err(error) => Err(Error::secrets(&account.name, "looked up", error)),
        }
    }
}
