//! What both vendors share in checking who is calling.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::Secret;

/// Somebody who signs in with a password.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// ServiceNow: `user_name`; Zendesk: the e-mail address.
    pub username: String,
    /// What the user signs in with.
    pub password: Secret,
    /// Display name; made from the user name when absent.
    #[serde(default)]
    pub name: Option<String>,
}

/// An OAuth access token that the instance accepts.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BearerToken {
    /// What follows `Bearer ` in the header.
    pub token: Secret,
    /// The user whom it stands for; the instance's first user when absent.
    #[serde(default)]
    pub username: Option<String>,
    /// Seconds from the creation of the token until it expires; never when absent.
    #[serde(default)]
    pub expires_in: Option<u32>,
    /// Zendesk: granted scopes, parted by spaces; `read write` when absent. TeamViewer: permissions; all when absent.
    #[serde(default)]
    pub scope: Option<String>,
}

/// A user's new secret; exactly the given ones change.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rotation {
    /// Replaces the password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
    /// Not for ServiceNow: replaces every API token that was made for this e-mail address, or Qualtrics user, or every
    /// script token of this TeamViewer user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_token: Option<Secret>,
}

/// The `Authorization` header, taken apart.
pub(crate) enum Presented {
    Nothing,
    Basic { username: String, password: String },
    Bearer(String),
}

impl Presented {
    pub(crate) fn read(header: Option<&str>) -> Self {
        let Some((scheme, rest)) = header.and_then(|header| header.split_once(' ')) else {
            return Self::Nothing;
        };
        if scheme.eq_ignore_ascii_case("bearer") {
            return Self::Bearer(rest.trim().to_owned());
        }
        let decoded = STANDARD
            .decode(rest.trim())
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok());
        match decoded.as_deref().and_then(|pair| pair.split_once(':')) {
            Some((username, password)) if scheme.eq_ignore_ascii_case("basic") => Self::Basic {
                username: username.to_owned(),
                password: password.to_owned(),
            },
            Some(_) | None => Self::Nothing,
        }
    }
}

/// An accepted bearer token with the moment at which it ends.
#[derive(Clone)]
pub(crate) struct IssuedToken {
    pub(crate) id: u64,
    pub(crate) token: Secret,
    /// `None` when it was given through the control API.
    pub(crate) client_id: Option<String>,
    pub(crate) username: String,
    pub(crate) scope: String,
    pub(crate) created_at: Timestamp,
    pub(crate) ends: Option<Timestamp>,
}

impl IssuedToken {
    pub(crate) fn given(id: u64, config: BearerToken, first_user: &str, now: Timestamp) -> Self {
        let ends = config
            .expires_in
            .map(|seconds| now + SignedDuration::from_secs(i64::from(seconds)));
        Self {
            id,
            token: config.token,
            client_id: None,
            username: config.username.unwrap_or_else(|| first_user.to_owned()),
            scope: config.scope.unwrap_or_else(|| "read write".to_owned()),
            created_at: now,
            ends,
        }
    }

    pub(crate) fn is_valid(&self, now: Timestamp) -> bool {
        self.ends.is_none_or(|ends| now < ends)
    }

    /// Whole seconds until it ends.
    pub(crate) fn remaining(&self, now: Timestamp) -> Option<i64> {
        Some(self.ends?.duration_since(now).as_secs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn basic_header_splits_at_the_first_colon() {
        let header = format!("Basic {}", STANDARD.encode("jo:a:b"));
        let Presented::Basic { username, password } = Presented::read(Some(&header)) else {
            panic!("no Basic credentials");
        };
        assert_eq!((username.as_str(), password.as_str()), ("jo", "a:b"));
    }

    #[test]
    fn token_ends_at_its_time() {
        let token = BearerToken {
            token: "t".into(),
            expires_in: Some(10),
            ..BearerToken::default()
        };
        let start = Timestamp::UNIX_EPOCH;
        let issued = IssuedToken::given(1, token, "jo", start);
        let at = |seconds| start + SignedDuration::from_secs(seconds);
        assert!(issued.is_valid(at(9)));
        assert!(!issued.is_valid(at(10)));
        assert_eq!(issued.remaining(at(7)), Some(3));
    }
}
