//! Secrets Manager.
//!
//! Source: <https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_Operations.html>

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::call::{Caller, Operation};
use crate::json::{EpochSeconds, client_token};
use crate::{Config, Error, Service};

/// There is no such secret.
pub const RESOURCE_NOT_FOUND: &str = "ResourceNotFoundException";
/// Among others: the secret was deleted, and is kept for a while.
pub const INVALID_REQUEST: &str = "InvalidRequestException";

/// Calls Secrets Manager. Clones share the connections.
#[derive(Debug, Clone)]
pub struct Client {
    caller: Caller,
}

/// When a secret was changed and deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Described {
    /// The last change.
    pub last_changed_date: Option<Timestamp>,
    /// Since when it cannot be read; `None` when it can.
    pub deleted_date: Option<Timestamp>,
}

impl Client {
    /// The secrets of this configuration.
    pub fn new(config: &Config) -> Self {
        Self {
            caller: Caller::new(config, Service::SecretsManager),
        }
    }

    /// A secret's current value; empty when it is not a text.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn get_secret_value(&self, secret_id: &str) -> Result<SecretString, Error> {
        let output = self.caller.call(&GetSecretValue { secret_id }).await?;
        Ok(output.secret_string.unwrap_or_default())
    }

    /// Stores another value of a secret that is there.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn put_secret_value(
        &self,
        secret_id: &str,
        secret_string: &SecretString,
    ) -> Result<(), Error> {
        let input = PutSecretValue {
            secret_id,
            secret_string: secret_string.expose_secret(),
            client_request_token: token("PutSecretValue")?,
        };
        self.caller.call(&input).await?;
        Ok(())
    }

    /// Stores a new secret, encrypted with the account's own key when none is named.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn create_secret(
        &self,
        name: &str,
        description: &str,
        secret_string: &SecretString,
        kms_key_id: Option<&str>,
    ) -> Result<(), Error> {
        let input = CreateSecret {
            name,
            description,
            secret_string: secret_string.expose_secret(),
            kms_key_id,
            client_request_token: token("CreateSecret")?,
        };
        self.caller.call(&input).await?;
        Ok(())
    }

    /// Deletes a secret; for so many days, 7 to 30, it can be brought back.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn delete_secret(
        &self,
        secret_id: &str,
        recovery_window_in_days: u8,
    ) -> Result<(), Error> {
        let input = DeleteSecret {
            secret_id,
            recovery_window_in_days,
        };
        self.caller.call(&input).await?;
        Ok(())
    }

    /// Brings a deleted secret back.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn restore_secret(&self, secret_id: &str) -> Result<(), Error> {
        self.caller.call(&RestoreSecret { secret_id }).await?;
        Ok(())
    }

    /// What is known of a secret but for its value.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn describe_secret(&self, secret_id: &str) -> Result<Described, Error> {
        let output = self.caller.call(&DescribeSecret { secret_id }).await?;
        Ok(Described {
            last_changed_date: output.last_changed_date.map(|EpochSeconds(time)| time),
            deleted_date: output.deleted_date.map(|EpochSeconds(time)| time),
        })
    }
}

fn token(operation: &'static str) -> Result<String, Error> {
    client_token().map_err(|error| Error::Unsendable {
        operation,
        source: error.into(),
    })
}

macro_rules! operation {
    ($name:ident$(<$life:lifetime>)? -> $output:ty { $($(#[$meta:meta])* $field:ident: $type:ty),+ $(,)? }) => {
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct $name$(<$life>)? {
            $($(#[$meta])* $field: $type,)+
        }

        impl$(<$life>)? Operation for $name$(<$life>)? {
            const NAME: &'static str = stringify!($name);
            type Output = $output;
        }
    };
}

#[derive(Deserialize)]
struct Done {}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SecretValue {
    secret_string: Option<SecretString>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Description {
    last_changed_date: Option<EpochSeconds>,
    deleted_date: Option<EpochSeconds>,
}

operation!(GetSecretValue<'a> -> SecretValue { secret_id: &'a str });
operation!(PutSecretValue<'a> -> Done { secret_id: &'a str, secret_string: &'a str, client_request_token: String });
operation!(CreateSecret<'a> -> Done {
    name: &'a str, description: &'a str, secret_string: &'a str, client_request_token: String,
    #[serde(skip_serializing_if = "Option::is_none")] kms_key_id: Option<&'a str>,
});
operation!(DeleteSecret<'a> -> Done { secret_id: &'a str, recovery_window_in_days: u8 });
operation!(RestoreSecret<'a> -> Done { secret_id: &'a str });
operation!(DescribeSecret<'a> -> Description { secret_id: &'a str });
