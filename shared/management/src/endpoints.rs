use domain::{Endpoint, EndpointName, definition};
use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use webhook_signature::Secret;

use crate::error::Error;
use crate::secrets::{EndpointSecret, Revealed, SecretPresence};
use crate::{AccountManagement, Done, Listing, endpoint_secret, events_url};

/// An endpoint, as it is listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EndpointEntry {
    /// The definition.
    pub endpoint: Endpoint,
    /// Where its sender posts to.
    pub url: String,
}

/// An endpoint with what is known about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EndpointDetail {
    /// The definition.
    pub endpoint: Endpoint,
    /// Where its sender posts to.
    pub url: String,
    /// Whether it has the secret that it needs. Without it everything is refused.
    pub secret: SecretPresence,
}

/// What putting an endpoint did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AppliedEndpoint {
    /// What was done.
    pub done: Done,
    /// The definition.
    pub endpoint: Endpoint,
    /// Where its sender posts to.
    pub url: String,
    /// Whether it has the secret that it needs. Without it everything is refused.
    pub secret: SecretPresence,
}

/// What deleting an endpoint left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeletedEndpoint {
    /// Another endpoint that uses the secret, which is therefore kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_kept_for: Option<EndpointName>,
}

/// What is to become of an endpoint's secret.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(tag = "action", rename_all = "snake_case", deny_unknown_fields)]
pub enum SecretChange {
    /// This one counts from now on. The one before stays valid, too, until it is dropped.
    Put {
        /// The secret.
        #[schemars(with = "String", extend("writeOnly" = true, "format" = "password"))]
        secret: SecretString,
    },
    /// Makes a random one, which the answer holds, this once. The one before stays valid, too.
    Generate {},
    /// The one that was replaced is not valid any more.
    DropPrevious {},
}

impl SecretChange {
    /// The body of the request: holds the secret in the clear. Not `Serialize`, so that no secret is ever
    /// written by accident.
    pub fn expose_json(&self) -> SecretString {
        let body = match self {
            Self::Put { secret } => json!({"action": "put", "secret": secret.expose_secret()}),
            Self::Generate {} => json!({"action": "generate"}),
            Self::DropPrevious {} => json!({"action": "drop_previous"}),
        };
        body.to_string().into()
    }
}

/// What became of an endpoint's secret.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct SecretChanged {
    /// The secret's name: the endpoint's own, unless its definition names another.
    pub secret_name: EndpointName,
    /// Whether the one before is valid, too.
    pub previous_valid: bool,
    /// The secret, when it was made here. It cannot be read again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generated: Option<Revealed>,
}

/// Reads the definition of the endpoint of this name.
///
/// # Errors
/// `Invalid` with every problem, also when the document names another endpoint.
pub fn read_endpoint(name: &EndpointName, document: &Value) -> Result<Endpoint, Error> {
    let endpoint = definition::endpoint(document)
        .map_err(|problems| Error::Invalid(problems.into_iter().map(Into::into).collect()))?;
    if endpoint.name == *name {
        Ok(endpoint)
    } else {
        let found = &endpoint.name;
        Err(Error::field(
            "name",
            format!("found `{found}`, expected `{name}`"),
        ))
    }
}

impl AccountManagement {
    /// Every endpoint, by name.
    ///
    /// # Errors
    /// `Unavailable`; `Internal` when a row cannot be read.
    pub async fn endpoints(&self) -> Result<Listing<EndpointEntry>, Error> {
        let endpoints = self.endpoint_rows.list().await?;
        let items = endpoints
            .into_iter()
            .map(|endpoint| EndpointEntry {
                url: self.url_of(&endpoint.name),
                endpoint,
            })
            .collect();
        Ok(Listing { items })
    }

    /// One endpoint.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`; `Internal` when its row cannot be read.
    pub async fn endpoint(&self, name: &EndpointName) -> Result<EndpointDetail, Error> {
        let endpoint = self.find_endpoint(name).await?;
        Ok(EndpointDetail {
            url: self.url_of(name),
            secret: self.endpoint_secret_presence(&endpoint).await?,
            endpoint,
        })
    }

    /// Creates or replaces an endpoint. Its secret stays as it is.
    ///
    /// # Errors
    /// `Unavailable`: doing it twice changes nothing more.
    pub async fn put_endpoint(&self, endpoint: &Endpoint) -> Result<AppliedEndpoint, Error> {
        let done = match self.endpoint_rows.get(&endpoint.name).await? {
            Some(before) if before == *endpoint => Done::Unchanged,
            Some(_) => Done::Updated,
            None => Done::Created,
        };
        if done != Done::Unchanged {
            self.endpoint_rows.put(endpoint).await?;
        }
        Ok(AppliedEndpoint {
            done,
            url: self.url_of(&endpoint.name),
            secret: self.endpoint_secret_presence(endpoint).await?,
            endpoint: endpoint.clone(),
        })
    }

    /// Removes an endpoint, and its secret unless another endpoint uses it.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`.
    pub async fn delete_endpoint(&self, name: &EndpointName) -> Result<DeletedEndpoint, Error> {
        let endpoint = self.find_endpoint(name).await?;
        let mut secret_kept_for = None;
        if let Some(secret) = endpoint.secret_name() {
            let others = self.endpoint_rows.list().await?;
            secret_kept_for = others
                .into_iter()
                .find(|other| other.name != *name && other.secret_name() == Some(secret))
                .map(|other| other.name);
            if secret_kept_for.is_none() {
                self.secrets
                    .delete(&self.secrets.endpoint_id(secret))
                    .await?;
            }
        }
        // The row goes last: without it nobody would know of a secret that is left.
        self.endpoint_rows.delete(name).await?;
        Ok(DeletedEndpoint { secret_kept_for })
    }

    /// Changes an endpoint's secret.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` when it needs none, or has none that could lose its previous one; `Invalid` when
    /// the scheme cannot work with the secret; `Unavailable`.
    pub async fn change_endpoint_secret(
        &self,
        name: &EndpointName,
        change: &SecretChange,
    ) -> Result<SecretChanged, Error> {
        let endpoint = self.find_endpoint(name).await?;
        let secret_name = endpoint
            .secret_name()
            .ok_or_else(|| Error::NoSecretNeeded(name.clone()))?;
        let generated = match change {
            SecretChange::Generate {} => Some(endpoint_secret::generate(&endpoint.verification)?),
            SecretChange::Put { .. } | SecretChange::DropPrevious {} => None,
        };
        let next = match change {
            SecretChange::Put { secret } => Some(secret),
            SecretChange::Generate {} => generated.as_ref(),
            SecretChange::DropPrevious {} => None,
        };
        if let Some(next) = next {
            let secret = Secret::new(next.expose_secret());
            endpoint_secret::check(&endpoint.verification, &secret)?;
        }
        let before = self.secrets.read(secret_name).await?;
        let secret = match (before, next) {
            (Some(before), Some(next)) => before.replaced_by(next.clone()),
            (None, Some(next)) => EndpointSecret::new(next.clone()),
            (Some(before), None) => before.without_previous(),
            (None, None) => return Err(Error::NoSecret(name.clone())),
        };
        self.secrets.write(secret_name, &secret).await?;
        Ok(SecretChanged {
            secret_name: secret_name.clone(),
            previous_valid: secret.previous.is_some(),
            generated: generated.map(Revealed::new),
        })
    }

    /// The secrets of an endpoint that are valid now, for signing as its sender does; `None` when it needs
    /// none. Not for the API: nobody reads a secret over the network.
    ///
    /// # Errors
    /// `Conflict` when it has none, `Unavailable`; `Internal` when the stored one cannot be read.
    pub async fn endpoint_secrets(
        &self,
        endpoint: &Endpoint,
    ) -> Result<Option<webhook_signature::Secrets>, Error> {
        let Some(secret_name) = endpoint.secret_name() else {
            return Ok(None);
        };
        let stored = self.secrets.read(secret_name).await?;
        let stored = stored.ok_or_else(|| Error::NoSecret(endpoint.name.clone()))?;
        Ok(Some(stored.valid()))
    }

    async fn find_endpoint(&self, name: &EndpointName) -> Result<Endpoint, Error> {
        self.endpoint_rows
            .get(name)
            .await?
            .ok_or_else(|| Error::UnknownEndpoint(name.clone()))
    }

    async fn endpoint_secret_presence(&self, endpoint: &Endpoint) -> Result<SecretPresence, Error> {
        let Some(name) = endpoint.secret_name() else {
            return Ok(SecretPresence::NotNeeded);
        };
        self.secrets.presence(&self.secrets.endpoint_id(name)).await
    }

    fn url_of(&self, name: &EndpointName) -> String {
        events_url(&self.public_url, name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secret_changes_say_the_same_on_both_sides() {
        for (json, debug) in [
            (
                r#"{"action":"put","secret":"hunter2"}"#,
                "Put { secret: SecretBox<str>([REDACTED]) }",
            ),
            (r#"{"action":"generate"}"#, "Generate"),
            (r#"{"action":"drop_previous"}"#, "DropPrevious"),
        ] {
            let change: SecretChange = serde_json::from_str(json).unwrap();
            assert_eq!(change.expose_json().expose_secret(), json);
            assert_eq!(format!("{change:?}"), debug);
        }
        for wrong in [
            r#"{"action":"put"}"#,
            r#"{"action":"generate","secret":"x"}"#,
            r#"{"action":"put","secret":"x","previous":"y"}"#,
        ] {
            assert!(
                serde_json::from_str::<SecretChange>(wrong).is_err(),
                "{wrong}"
            );
        }
    }

    #[test]
    fn definition_belongs_to_the_name_that_it_is_put_under() {
        let name = EndpointName::parse("survey").unwrap();
        let document = |name: &str, kind: &str| json!({"name": name, "kind": kind, "verification": {"scheme": "bearer"}});
        assert_eq!(
            read_endpoint(&name, &document("survey", "json"))
                .unwrap()
                .name,
            name
        );
        for (document, path) in [
            (document("other", "json"), "name"),
            (document("survey", "fax"), "kind"),
        ] {
            let error = read_endpoint(&name, &document).unwrap_err();
            assert_eq!(error.fields()[0].path, path, "{error}");
        }
    }
}
