//! Bearer tokens of our own: `clt_{id}_{secret}`, of which only a hash is stored.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use jiff::{SignedDuration, Timestamp};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use store::TokenRow;
use subtle::ConstantTimeEq as _;

use crate::Role;

const PREFIX: &str = "clt_";
const ID_BYTES: usize = 8;
const SECRET_BYTES: usize = 32;

/// How many random bytes a new token takes.
pub const RANDOM_BYTES: usize = ID_BYTES + SECRET_BYTES;

/// The longest that a token may live, in days.
pub const LONGEST_DAYS: i64 = 366;

/// A use is noted when the last one noted is this old.
const USE_NOTED_EVERY: SignedDuration = SignedDuration::from_hours(1);

/// Names a token: the part of it that is no secret.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TokenId(String);

/// A text that names no token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this is not a token id: expected 16 hexadecimal digits")]
pub struct InvalidTokenId;

impl TokenId {
    /// The only door: checks the rule.
    ///
    /// # Errors
    /// When the text breaks the rule.
    pub fn parse(text: &str) -> Result<Self, InvalidTokenId> {
        if is_hex(text, ID_BYTES) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidTokenId)
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for TokenId {
    type Err = InvalidTokenId;

    fn from_str(text: &str) -> Result<Self, InvalidTokenId> {
        Self::parse(text)
    }
}

impl TryFrom<String> for TokenId {
    type Error = InvalidTokenId;

    fn try_from(text: String) -> Result<Self, InvalidTokenId> {
        Self::parse(&text)
    }
}

impl From<TokenId> for String {
    fn from(id: TokenId) -> Self {
        id.0
    }
}

impl JsonSchema for TokenId {
    fn schema_name() -> Cow<'static, str> {
        "TokenId".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string", "pattern": "^[0-9a-f]{16}$",
            "description": "The part of a token that names it: 16 hexadecimal digits"
        })
    }
}

/// A token as people see it: without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Token {
    /// Names it; it is also a part of the token.
    pub id: TokenId,
    /// What people call it.
    pub name: String,
    /// What its bearer may do.
    pub roles: BTreeSet<Role>,
    /// When it was created.
    pub created_at: Timestamp,
    /// Who created it.
    pub created_by: String,
    /// When it ends by itself.
    pub expires_at: Timestamp,
    /// When somebody ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
    /// When it was last used, give or take an hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_at: Option<Timestamp>,
}

/// What a new token is to be.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    /// What people call it: 1 to 100 characters, no control characters.
    #[schemars(
        length(min = 1, max = 100),
        regex(pattern = r"^[^\u0000-\u001f\u007f-\u009f]*$")
    )]
    pub name: String,
    /// What its bearer may do; at least one role.
    #[schemars(with = "Vec<Role>", length(min = 1))]
    pub roles: BTreeSet<Role>,
    /// When it ends: at most 366 days from now.
    pub expires_at: Timestamp,
}

/// A token that was just created. Nobody can read the secret later.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct CreatedToken {
    /// What is stored of it.
    pub token: Token,
    /// The whole token, as its bearer sends it. It is shown this once.
    #[serde(serialize_with = "reveal")]
    #[schemars(with = "String", regex(pattern = "^clt_[0-9a-f]{16}_[0-9a-f]{64}$"))]
    pub secret: SecretString,
}

fn reveal<S: serde::Serializer>(secret: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.expose_secret())
}

/// No token was created.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// Give up: choose another name.
    #[error("name: expected 1 to 100 characters, none of them a control character")]
    Name,
    /// Give up: name a role.
    #[error("roles: expected at least one role")]
    NoRole,
    /// Give up: choose another end.
    #[error("expires_at: expected a time within the next {LONGEST_DAYS} days")]
    Expiry,
    /// As the table says.
    #[error("the token could not be stored")]
    Store(#[source] store::Error),
}

impl CreateError {
    /// The field that is at fault, if it is one.
    pub fn field(&self) -> Option<&'static str> {
        match self {
            Self::Name => Some("name"),
            Self::NoRole => Some("roles"),
            Self::Expiry => Some("expires_at"),
            Self::Store(_) => None,
        }
    }
}

/// Why a token is not taken, for the log.
#[derive(Debug, thiserror::Error)]
pub(crate) enum VerifyError {
    #[error("the token has not the form of one")]
    Malformed,
    #[error("the token is unknown")]
    Unknown,
    #[error("the secret of token {0} is wrong")]
    WrongSecret(TokenId),
    #[error("token {0} was revoked")]
    Revoked(TokenId),
    #[error("token {0} has expired")]
    Expired(TokenId),
    #[error("the token could not be read")]
    Store(#[source] store::Error),
}

/// The tokens of this stack.
#[derive(Debug, Clone)]
pub struct Tokens {
    store: store::Tokens,
}

impl Tokens {
    /// Those of this table.
    pub fn new(store: store::Tokens) -> Self {
        Self { store }
    }

    /// Creates a token. `random` must come from the operating system and be used once.
    ///
    /// # Errors
    /// [`CreateError`] names the field that is wrong.
    pub async fn create(
        &self,
        new: NewToken,
        created_by: &str,
        random: &[u8; RANDOM_BYTES],
        now: Timestamp,
    ) -> Result<CreatedToken, CreateError> {
        check(&new, now)?;
        let (id, secret) = random.split_at(ID_BYTES);
        let id = TokenId(hex::encode(id));
        let secret = SecretString::from(format!("{PREFIX}{id}_{}", hex::encode(secret)));
        let row = TokenRow {
            id: id.to_string(),
            hash: hex::encode(hash(&secret)),
            name: new.name,
            roles: new.roles.iter().map(ToString::to_string).collect(),
            created_at: now,
            created_by: created_by.to_owned(),
            ends_at: new.expires_at,
            revoked_at: None,
            used_at: None,
        };
        self.store.create(&row).await.map_err(CreateError::Store)?;
        Ok(CreatedToken {
            token: token(id, row),
            secret,
        })
    }

    /// Every token, newest first; also those that have ended, for some months.
    ///
    /// # Errors
    /// As the table says.
    pub async fn list(&self) -> Result<Vec<Token>, store::Error> {
        let rows = self.store.list().await?;
        Ok(rows
            .into_iter()
            .filter_map(|row| Some(token(TokenId::parse(&row.id).ok()?, row)))
            .collect())
    }

    /// Ends a token at once; `None` when there is no such token. Doing it again changes nothing.
    ///
    /// # Errors
    /// As the table says. Retry: doing it twice is harmless.
    pub async fn revoke(
        &self,
        id: &TokenId,
        now: Timestamp,
    ) -> Result<Option<Token>, store::Error> {
        let row = self.store.revoke(id.as_str(), now).await?;
        Ok(row.map(|row| token(id.clone(), row)))
    }

    /// The token that this text is.
    pub(crate) async fn verify(
        &self,
        shown: &SecretString,
        now: Timestamp,
    ) -> Result<Token, VerifyError> {
        let id = id_of(shown).ok_or(VerifyError::Malformed)?;
        let row = self
            .store
            .get(id.as_str())
            .await
            .map_err(VerifyError::Store)?
            .ok_or(VerifyError::Unknown)?;
        let expected = hex::decode(&row.hash).unwrap_or_default();
        if !bool::from(hash(shown).as_slice().ct_eq(&expected)) {
            return Err(VerifyError::WrongSecret(id));
        }
        if row.revoked_at.is_some() {
            return Err(VerifyError::Revoked(id));
        }
        if row.ends_at <= now {
            return Err(VerifyError::Expired(id));
        }
        if is_use_noted(row.used_at, now) {
            return Ok(token(id, row));
        }
        if let Err(error) = self.store.note_use(id.as_str(), now).await {
            tracing::warn!(token.id = %id, reason = startup::chain(&error), "use of a token not noted");
        }
        Ok(token(id, row))
    }
}

/// Whether this text calls itself a token of ours.
pub(crate) fn is_ours(shown: &SecretString) -> bool {
    shown.expose_secret().starts_with(PREFIX)
}

fn check(new: &NewToken, now: Timestamp) -> Result<(), CreateError> {
    let length = new.name.chars().count();
    if !(1..=100).contains(&length) || new.name.chars().any(char::is_control) {
        return Err(CreateError::Name);
    }
    if new.roles.is_empty() {
        return Err(CreateError::NoRole);
    }
    let lives = new.expires_at.duration_since(now);
    if lives <= SignedDuration::ZERO || lives > SignedDuration::from_hours(24 * LONGEST_DAYS) {
        return Err(CreateError::Expiry);
    }
    Ok(())
}

fn is_use_noted(used_at: Option<Timestamp>, now: Timestamp) -> bool {
    used_at.is_some_and(|used_at| now.duration_since(used_at) < USE_NOTED_EVERY)
}

fn id_of(shown: &SecretString) -> Option<TokenId> {
    let (id, secret) = shown
        .expose_secret()
        .strip_prefix(PREFIX)?
        .split_once('_')?;
    if !is_hex(secret, SECRET_BYTES) {
        return None;
    }
    TokenId::parse(id).ok()
}

fn is_hex(text: &str, bytes: usize) -> bool {
    text.len() == 2 * bytes && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// A fast hash is enough: nobody can try 256 random bits.
fn hash(token: &SecretString) -> [u8; 32] {
    Sha256::digest(token.expose_secret().as_bytes()).into()
}

fn token(id: TokenId, row: TokenRow) -> Token {
    Token {
        id,
        name: row.name,
        roles: Role::known(row.roles.iter().map(String::as_str)),
        created_at: row.created_at,
        created_by: row.created_by,
        expires_at: row.ends_at,
        revoked_at: row.revoked_at,
        used_at: row.used_at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-11-21T12:00:00Z".parse().unwrap()
    }

    fn new_token(name: &str, roles: &[Role], expires_at: &str) -> NewToken {
        NewToken {
            name: name.to_owned(),
            roles: roles.iter().copied().collect(),
            expires_at: expires_at.parse().unwrap(),
        }
    }

    #[test]
    fn new_token_has_a_name_a_role_and_an_end_within_a_year() {
        let long = "x".repeat(101);
        for (name, roles, expires_at, field) in [
            ("ci", &[Role::Admin][..], "2026-11-22T12:00:00Z", None),
            ("é", &[Role::Itil], "2027-11-22T12:00:00Z", None),
            ("", &[Role::Admin], "2026-11-22T12:00:00Z", Some("name")),
            ("a\nb", &[Role::Admin], "2026-11-22T12:00:00Z", Some("name")),
            (&long, &[Role::Admin], "2026-11-22T12:00:00Z", Some("name")),
            ("ci", &[], "2026-11-22T12:00:00Z", Some("roles")),
            (
                "ci",
                &[Role::Admin],
                "2026-11-21T12:00:00Z",
                Some("expires_at"),
            ),
            (
                "ci",
                &[Role::Admin],
                "2027-11-22T12:00:01Z",
                Some("expires_at"),
            ),
        ] {
            let found = check(&new_token(name, roles, expires_at), now()).err();
            assert_eq!(
                found.and_then(|error| error.field()),
                field,
                "{name} {roles:?} {expires_at}"
            );
        }
    }

    #[test]
    fn only_whole_tokens_name_an_id() {
        let secret = "ab".repeat(32);
        let id = "0123456789abcdef";
        for (text, expected) in [
            (format!("clt_{id}_{secret}"), true),
            (format!("clt_{id}_{secret}0"), false),
            (format!("clt_{id}_"), false),
            (format!("clt_{id}{secret}"), false),
            (format!("clt_{}_{secret}", id.to_uppercase()), false),
            (format!("{id}_{secret}"), false),
            ("clt_".to_owned(), false),
        ] {
            let found = id_of(&SecretString::from(text.clone()));
            assert_eq!(found.is_some(), expected, "{text}");
        }
    }

    #[test]
    fn use_is_noted_once_an_hour() {
        for (used_at, noted) in [
            (None, false),
            (Some("2026-11-21T11:00:00Z"), false),
            (Some("2026-11-21T11:00:01Z"), true),
        ] {
            let used_at = used_at.map(|text| text.parse().unwrap());
            assert_eq!(is_use_noted(used_at, now()), noted, "{used_at:?}");
        }
    }
}
