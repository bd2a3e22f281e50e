use aws::secretsmanager::{Client, INVALID_REQUEST, RESOURCE_NOT_FOUND};
use domain::EndpointName;
use jiff::Timestamp;
use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, Serializer};
use startup::AwsConfig;

use crate::error::Error;

/// How long Secrets Manager keeps a deleted secret, unusable.
const RECOVERY_DAYS: u8 = 30;

/// The secrets of one stack.
#[derive(Debug)]
pub(crate) struct Secrets {
    client: Client,
    prefix: String,
    kms_key: Option<String>,
}

/// Whether a secret is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum SecretPresence {
    /// It is.
    Stored {
        /// When it was changed last.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        changed_at: Option<Timestamp>,
    },
    /// It is not.
    Missing,
    /// None is needed.
    NotNeeded,
}

/// What Secrets Manager has under a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kept {
    Usable(Option<Timestamp>),
    /// Kept for a while after it was deleted, unusable, and in the way of a new one.
    Deleted,
    Nothing,
}

/// A secret that is told once, to whoever had it made. `Debug` shows nothing of it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Revealed(#[schemars(with = "String")] SecretString);

impl Revealed {
    /// A secret that was made just now.
    pub fn new(secret: SecretString) -> Self {
        Self(secret)
    }

    /// The text. For the one line that shows it.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl Serialize for Revealed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.expose())
    }
}

/// An endpoint's secret, as it is kept: up to two are valid at a time.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct EndpointSecret {
    pub(crate) current: SecretString,
    #[serde(default)]
    pub(crate) previous: Option<SecretString>,
}

impl EndpointSecret {
    pub(crate) fn new(current: SecretString) -> Self {
        Self {
            current,
            previous: None,
        }
    }

    /// The same secret with another one in front, which everybody is to use from now on. The one it
    /// replaces stays valid until it is dropped, so that no request is lost.
    pub(crate) fn replaced_by(self, current: SecretString) -> Self {
        if current.expose_secret() == self.current.expose_secret() {
            return self;
        }
        Self {
            current,
            // Changing it twice in a row keeps what senders use: nobody may have seen the one in between.
            previous: self.previous.or(Some(self.current)),
        }
    }

    pub(crate) fn without_previous(self) -> Self {
        Self::new(self.current)
    }

    /// For verifying and signing.
    pub(crate) fn valid(&self) -> webhook_signature::Secrets {
        let secret = |text: &SecretString| webhook_signature::Secret::new(text.expose_secret());
        let previous = self
            .previous
            .as_ref()
            .filter(|text| !text.expose_secret().trim().is_empty());
        webhook_signature::Secrets::new(secret(&self.current), previous.map(secret))
    }

    fn to_json(&self) -> SecretString {
        let json = match &self.previous {
            Some(previous) => serde_json::json!({
                "current": self.current.expose_secret(), "previous": previous.expose_secret()
            }),
            None => serde_json::json!({ "current": self.current.expose_secret() }),
        };
        json.to_string().into()
    }
}

impl Secrets {
    pub(crate) fn new(aws: &AwsConfig, prefix: String, kms_key: Option<String>) -> Self {
        Self {
            client: Client::new(aws),
            prefix,
            kms_key,
        }
    }

    pub(crate) fn endpoint_id(&self, name: &EndpointName) -> String {
        format!("{}/endpoints/{name}", self.prefix)
    }

    /// Whether a secret is there that can be used.
    pub(crate) async fn presence(&self, id: &str) -> Result<SecretPresence, Error> {
        Ok(match self.look_up(id).await? {
            Kept::Usable(changed_at) => SecretPresence::Stored { changed_at },
            Kept::Deleted | Kept::Nothing => SecretPresence::Missing,
        })
    }

    async fn look_up(&self, id: &str) -> Result<Kept, Error> {
        match self.client.describe_secret(id).await {
            Ok(secret) if secret.deleted_date.is_some() => Ok(Kept::Deleted),
            Ok(secret) => Ok(Kept::Usable(secret.last_changed_date)),
            Err(error) if error.is(RESOURCE_NOT_FOUND) => Ok(Kept::Nothing),
            Err(error) => Err(Error::aws("looking a secret up")(error)),
        }
    }

    /// An endpoint's secret; `None` when there is none that can be used.
    pub(crate) async fn read(&self, name: &EndpointName) -> Result<Option<EndpointSecret>, Error> {
        let id = self.endpoint_id(name);
        let secret = match self.client.get_secret_value(&id).await {
            Ok(secret) => secret,
            // A deleted secret that is still kept answers with an invalid request.
            Err(error) if error.is(RESOURCE_NOT_FOUND) || error.is(INVALID_REQUEST) => {
                return Ok(None);
            }
            Err(error) => return Err(Error::aws("reading a secret")(error)),
        };
        // The parser's own message would quote what it found.
        match serde_json::from_str(secret.expose_secret()) {
            Ok(secret) => Ok(Some(secret)),
            Err(_) => Err(Error::UnreadableSecret { id }),
        }
    }

    pub(crate) async fn write(
        &self,
        name: &EndpointName,
        secret: &EndpointSecret,
    ) -> Result<(), Error> {
        const ATTEMPTED: &str = "storing a secret";
        let id = self.endpoint_id(name);
        match self.look_up(&id).await? {
            Kept::Usable(_) => {}
            Kept::Deleted => self.restore(&id).await?,
            Kept::Nothing => {
                let description = format!("Secret of the endpoint {name}");
                let kms_key = self.kms_key.as_deref();
                return self
                    .client
                    .create_secret(&id, &description, &secret.to_json(), kms_key)
                    .await
                    .map_err(Error::aws(ATTEMPTED));
            }
        }
        self.client
            .put_secret_value(&id, &secret.to_json())
            .await
            .map_err(Error::aws(ATTEMPTED))
    }

    /// Makes a deleted secret usable again.
    async fn restore(&self, id: &str) -> Result<(), Error> {
        self.client
            .restore_secret(id)
            .await
            .map_err(Error::aws("restoring a deleted secret"))
    }

    /// Deletes a secret, if it is there. Secrets Manager keeps it for 30 more days, unusable.
    pub(crate) async fn delete(&self, id: &str) -> Result<(), Error> {
        if let Kept::Usable(_) = self.look_up(id).await? {
            self.client
                .delete_secret(id, RECOVERY_DAYS)
                .await
                .map_err(Error::aws("deleting a secret"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(secret: &EndpointSecret) -> String {
        secret.to_json().expose_secret().to_owned()
    }

    #[test]
    fn replaced_secret_stays_valid_until_it_is_dropped() {
        let first = EndpointSecret::new("a".into());
        assert_eq!(texts(&first), r#"{"current":"a"}"#);
        let second = first.replaced_by("b".into());
        assert_eq!(texts(&second), r#"{"current":"b","previous":"a"}"#);
        // Putting the same one again must not throw the previous one out.
        let again = second.replaced_by("b".into());
        assert_eq!(texts(&again), r#"{"current":"b","previous":"a"}"#);
        assert_eq!(again.valid().iter().count(), 2);
        assert_eq!(texts(&again.without_previous()), r#"{"current":"b"}"#);
    }

    #[test]
    fn stored_form_is_read_back_and_never_shown() {
        let secret: EndpointSecret =
            serde_json::from_str(r#"{"current":"hunter2","previous":null}"#).unwrap();
        assert_eq!(secret.valid().iter().count(), 1);
        assert!(!format!("{secret:?}").contains("hunter2"));
        assert!(serde_json::from_str::<EndpointSecret>(r#"{"previous":"b"}"#).is_err());
    }

    #[test]
    fn revealed_secret_is_written_where_it_is_meant_to_be_and_nowhere_else() {
        let revealed = Revealed::new("hunter2".into());
        assert_eq!(serde_json::to_string(&revealed).unwrap(), r#""hunter2""#);
        assert!(!format!("{revealed:?}").contains("hunter2"));
        let read: Revealed = serde_json::from_str(r#""hunter2""#).unwrap();
        assert_eq!(read.expose(), "hunter2");
    }
}
