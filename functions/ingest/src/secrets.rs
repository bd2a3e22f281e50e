//! The secrets of endpoints, from Secrets Manager.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use aws::secretsmanager::{Client, RESOURCE_NOT_FOUND};
use domain::EndpointName;
use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret;
use serde::Deserialize;
use webhook_signature::{Secret, Secrets};

/// How long a secret is used without being read again.
const REMEMBERED: SignedDuration = SignedDuration::from_secs(300);
/// A secret younger than this is not read again after a failure: bounds what forged requests can cause.
const FRESH: SignedDuration = SignedDuration::from_secs(5);

/// A secret that could not be had. No variant holds anything of it.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// Secrets Manager refused or could not be reached. Retry.
    #[error("reading the secret {id} failed")]
    Unavailable {
        /// The secret's id.
        id: String,
        /// The cause.
        #[source]
        source: aws::Error,
    },
    /// There is no such secret. Give up until somebody creates it.
    #[error("there is no secret {id}")]
    Missing {
        /// The secret's id.
        id: String,
    },
    /// The secret is not what is expected. Give up until somebody mends it.
    #[error(
        "the secret {id} cannot be read: expected a JSON object with the texts `current` and, while it is being replaced, `previous`"
    )]
    Unreadable {
        /// The secret's id.
        id: String,
    },
}

/// Secrets and when they were read.
#[derive(Debug, Clone)]
pub struct Remembered {
    /// Those that are valid.
    pub secrets: Secrets,
    read_at: Timestamp,
}

impl Remembered {
    /// Whether the stored secret may be another by now.
    pub fn is_worth_reading_again(&self, now: Timestamp) -> bool {
        now.duration_since(self.read_at) > FRESH
    }
}

/// The store of secrets.
#[derive(Debug)]
pub struct SecretStore {
    client: Client,
    prefix: String,
    remembered: Mutex<HashMap<EndpointName, Remembered>>,
}

impl SecretStore {
    /// Secrets at `{prefix}/endpoints/{name}`.
    pub fn new(client: Client, prefix: String) -> Self {
        Self {
            client,
            prefix,
            remembered: Mutex::default(),
        }
    }

    /// The secrets of this name, at most five minutes old.
    ///
    /// # Errors
    /// Those of [`SecretStore::read`].
    pub async fn get(
        &self,
        name: &EndpointName,
        now: Timestamp,
    ) -> Result<Remembered, SecretError> {
        let remembered = self
            .remembered
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(name)
            .cloned();
        match remembered {
            Some(remembered) if now.duration_since(remembered.read_at) < REMEMBERED => {
                Ok(remembered)
            }
            Some(_) | None => self.read(name, now).await,
        }
    }

    /// The secrets of this name as they are stored now.
    ///
    /// # Errors
    /// Retry when Secrets Manager does not answer; otherwise somebody must mend the secret.
    pub async fn read(
        &self,
        name: &EndpointName,
        now: Timestamp,
    ) -> Result<Remembered, SecretError> {
        let id = format!("{}/endpoints/{name}", self.prefix);
        let secret = match self.client.get_secret_value(&id).await {
            Ok(secret) => secret,
            Err(error) if error.is(RESOURCE_NOT_FOUND) => {
                return Err(SecretError::Missing { id });
            }
            Err(source) => return Err(SecretError::Unavailable { id, source }),
        };
        // The parser's own message would quote what it found.
        let Some(secrets) = parse(secret.expose_secret()) else {
            return Err(SecretError::Unreadable { id });
        };
        let remembered = Remembered {
            secrets,
            read_at: now,
        };
        self.remembered
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(name.clone(), remembered.clone());
        Ok(remembered)
    }
}

#[derive(Deserialize)]
struct Stored<'a> {
    #[serde(borrow)]
    current: std::borrow::Cow<'a, str>,
    #[serde(borrow, default)]
    previous: Option<std::borrow::Cow<'a, str>>,
}

fn parse(text: &str) -> Option<Secrets> {
    let stored: Stored<'_> = serde_json::from_str(text).ok()?;
    let previous = stored
        .previous
        .as_deref()
        .filter(|previous| !previous.trim().is_empty())
        .map(Secret::new);
    Some(Secrets::new(Secret::new(&stored.current), previous))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_form_has_one_secret_or_two() {
        let texts = |text: &str| -> Option<Vec<String>> {
            Some(
                parse(text)?
                    .iter()
                    .map(|secret| secret.expose().to_owned())
                    .collect(),
            )
        };
        assert_eq!(texts(r#"{"current": "a\n"}"#).unwrap(), ["a"]);
        assert_eq!(
            texts(r#"{"current": "a", "previous": "b"}"#).unwrap(),
            ["a", "b"]
        );
        assert_eq!(
            texts(r#"{"current": "a", "previous": null}"#).unwrap(),
            ["a"]
        );
        assert_eq!(texts(r#"{"current": "a", "previous": ""}"#).unwrap(), ["a"]);
        for unreadable in ["a", "{}", r#"{"current": 5}"#, r#"{"previous": "b"}"#] {
            assert_eq!(texts(unreadable), None, "{unreadable}");
        }
    }
}
