use std::time::Duration;

use domain::AccountKind;
use jiff::{SignedDuration, Timestamp};
use oauth::{Client, Tokens};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};

/// How long before its end an access token is renewed: longer than an attempt lasts.
const AHEAD: SignedDuration = SignedDuration::from_secs(60);

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
    /// An API token.
    ApiToken {
        /// The address of the Zendesk agent whom it stands for; Qualtrics' token stands for its user by itself.
        email: Option<String>,
        /// The token.
        token: SecretString,
    },
    /// An access token that was issued elsewhere.
    Bearer {
        /// The token.
        token: SecretString,
    },
    /// OAuth: tokens that are renewed.
    Oauth(OauthCredential),
}

/// An OAuth client and what it was given.
#[derive(Debug, Clone)]
pub struct OauthCredential {
    /// Whom the tokens stand for.
    pub grant: Grant,
    /// The client.
    pub client: Client,
    /// What is asked for, with spaces between; `None` for the vendor's usual.
    pub scope: Option<String>,
    /// What the vendor gave last; `None` before the first time.
    pub issued: Option<Issued>,
}

/// Whom tokens stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grant {
    /// A person who agreed in the browser.
    AuthorizationCode,
    /// The client itself.
    ClientCredentials,
}

/// Tokens and when they came.
#[derive(Debug, Clone)]
pub struct Issued {
    /// Proves the account in calls.
    pub access: SecretString,
    /// Gets the next access token.
    pub refresh: Option<SecretString>,
    /// When the vendor gave them.
    pub at: Timestamp,
    /// When the access token ends; `None` when the vendor does not say.
    pub expires_at: Option<Timestamp>,
    /// What they may do, in the vendor's words.
    pub scope: Option<String>,
}

impl Issued {
    /// What the vendor gave at `now`. It may leave out the refresh token, and then `before` goes on being good.
    pub fn new(tokens: Tokens, before: Option<&Self>, now: Timestamp) -> Self {
        let expires_at = tokens.expires_in.and_then(|lifetime| {
            let seconds = i64::try_from(lifetime.as_secs()).ok()?;
            now.checked_add(SignedDuration::from_secs(seconds)).ok()
        });
        Self {
            access: tokens.access,
            refresh: tokens
                .refresh
                .or_else(|| before.and_then(|before| before.refresh.clone())),
            at: now,
            expires_at,
            scope: tokens
                .scope
                .or_else(|| before.and_then(|before| before.scope.clone())),
        }
    }

    /// Whether to get the next access token: a minute before this one ends. A vendor that hands the same token out
    /// again (ServiceNow does) gives less than that; then when it has ended.
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|end| {
            let lifetime = end.duration_since(self.at);
            let ahead = if lifetime > AHEAD + AHEAD {
                AHEAD
            } else {
                SignedDuration::ZERO
            };
            now.duration_since(end) >= -ahead
        })
    }

    /// Whether the vendor gave the same again.
    pub(crate) fn is_same_as(&self, other: &Self) -> bool {
        let tokens = |issued: &Self| {
            let refresh = issued
                .refresh
                .as_ref()
                .map(|token| token.expose_secret().to_owned());
            (issued.access.expose_secret().to_owned(), refresh)
        };
        tokens(self) == tokens(other)
    }

    /// How much longer the access token is good; `None` when nobody knows.
    pub fn remaining(&self, now: Timestamp) -> Option<Duration> {
        let end = self.expires_at?;
        Some(Duration::try_from(end.duration_since(now)).unwrap_or_default())
    }
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
        email: Option<String>,
        token: SecretString,
    },
    Bearer {
        token: SecretString,
    },
    OauthAuthorizationCode(StoredOauth),
    OauthClientCredentials(StoredOauth),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredOauth {
    client_id: String,
    client_secret: Option<SecretString>,
    scope: Option<String>,
    issued: Option<StoredIssued>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredIssued {
    access_token: SecretString,
    refresh_token: Option<SecretString>,
    at: Timestamp,
    expires_at: Option<Timestamp>,
    scope: Option<String>,
}

impl Credential {
    /// Reads the JSON of a secret: `{"kind": "basic", "username": "...", "password": "..."}`,
    /// `{"kind": "api_token", "email": "...", "token": "..."}` (without `email` for Qualtrics), `{"kind": "bearer", "token": "..."}`,
    /// `{"kind": "oauth_client_credentials", "client_id": "...", "client_secret": "..."}` (with a `scope` if need be) or what the product wrote for
    /// `oauth_authorization_code`.
    ///
    /// # Errors
    /// What is wrong, without quoting anything of the secret.
    pub fn parse(json: &SecretString) -> Result<Self, String> {
        // serde's own message may quote a value.
        let stored: Stored = serde_json::from_str(json.expose_secret()).map_err(|_| {
            "expected a JSON object with `kind` basic (username, password), api_token (email, token), bearer (token), \
             oauth_client_credentials or oauth_authorization_code (client_id, client_secret), and nothing else"
                .to_owned()
        })?;
        Ok(match stored {
            Stored::Basic { username, password } => Self::Basic { username, password },
            Stored::ApiToken { email, token } => Self::ApiToken { email, token },
            Stored::Bearer { token } => Self::Bearer { token },
            Stored::OauthAuthorizationCode(stored) => stored.credential(Grant::AuthorizationCode),
            Stored::OauthClientCredentials(stored) => stored.credential(Grant::ClientCredentials),
        })
    }

    /// The JSON of the secret, as it is kept.
    pub fn to_json(&self) -> SecretString {
        let json = match self {
            Self::Basic { username, password } => {
                json!({"username": username, "password": password.expose_secret()})
            }
            Self::ApiToken { email, token } => {
                let mut json = json!({"token": token.expose_secret()});
                add(&mut json, "email", email.as_deref());
                json
            }
            Self::Bearer { token } => json!({"token": token.expose_secret()}),
            Self::Oauth(oauth) => {
                let secret = oauth
                    .client
                    .secret
                    .as_ref()
                    .map(ExposeSecret::expose_secret);
                let issued = oauth.issued.as_ref().map(|issued| {
                    json!({
                        "access_token": issued.access.expose_secret(),
                        "refresh_token": issued.refresh.as_ref().map(ExposeSecret::expose_secret),
                        "at": issued.at, "expires_at": issued.expires_at, "scope": issued.scope,
                    })
                });
                let mut json = json!({"client_id": oauth.client.id, "client_secret": secret, "issued": issued});
                add(&mut json, "scope", oauth.scope.as_deref());
                json
            }
        };
        let mut json = json;
        add(&mut json, "kind", Some(self.kind().as_str()));
        json.to_string().into()
    }

    /// What kind of account proves itself so.
    pub fn kind(&self) -> AccountKind {
        match self {
            Self::Basic { .. } => AccountKind::Basic,
            Self::ApiToken { .. } => AccountKind::ApiToken,
            Self::Bearer { .. } => AccountKind::Bearer,
            Self::Oauth(oauth) => match oauth.grant {
                Grant::AuthorizationCode => AccountKind::OauthAuthorizationCode,
                Grant::ClientCredentials => AccountKind::OauthClientCredentials,
            },
        }
    }

    /// Whether both prove the same.
    pub(crate) fn is_same_as(&self, other: &Self) -> bool {
        self.to_json().expose_secret() == other.to_json().expose_secret()
    }

    /// The client's own credentials, without a token yet. `scope` is what it asks for, where that is not the vendor's usual.
    pub fn client_credentials(client: Client, scope: Option<String>) -> Self {
        Self::Oauth(OauthCredential {
            grant: Grant::ClientCredentials,
            client,
            scope,
            issued: None,
        })
    }
}

fn add(json: &mut Value, name: &str, value: Option<&str>) {
    if let (Value::Object(fields), Some(value)) = (json, value) {
        fields.insert(name.to_owned(), value.into());
    }
}

impl StoredOauth {
    fn credential(self, grant: Grant) -> Credential {
        Credential::Oauth(OauthCredential {
            grant,
            client: Client {
                id: self.client_id,
                secret: self.client_secret,
            },
            scope: self.scope,
            issued: self.issued.map(|issued| Issued {
                access: issued.access_token,
                refresh: issued.refresh_token,
                at: issued.at,
                expires_at: issued.expires_at,
                scope: issued.scope,
            }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-11-21T12:00:00Z";

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn issued(lifetime: Option<u64>) -> Issued {
        let tokens = Tokens {
            access: "access".into(),
            refresh: None,
            expires_in: lifetime.map(Duration::from_secs),
            scope: None,
        };
        Issued::new(tokens, None, at(NOW))
    }

    #[test]
    fn credential_survives_its_json() {
        for json in [
            r#"{"kind":"basic","password":"p\"w","username":"u"}"#,
            r#"{"email":"a@example.com","kind":"api_token","token":"t"}"#,
            r#"{"kind":"api_token","token":"t"}"#,
            r#"{"kind":"bearer","token":"t"}"#,
            r#"{"kind":"oauth_client_credentials","client_id":"c","client_secret":"s","issued":null}"#,
            r#"{"kind":"oauth_client_credentials","client_id":"c","client_secret":"s","scope":"manage:all","issued":null}"#,
            r#"{"kind":"oauth_authorization_code","client_id":"c","client_secret":null,"issued":{"access_token":"a",
                "refresh_token":"r","at":"2026-11-21T12:00:00Z","expires_at":"2026-11-21T12:30:00Z","scope":"read"}}"#,
        ] {
            let credential = Credential::parse(&json.to_owned().into()).unwrap();
            let again: Value = serde_json::from_str(credential.to_json().expose_secret()).unwrap();
            assert_eq!(again, serde_json::from_str::<Value>(json).unwrap());
        }
        let short = r#"{"kind":"oauth_client_credentials","client_id":"c","client_secret":"s"}"#;
        let credential = Credential::parse(&short.to_owned().into()).unwrap();
        assert_eq!(credential.kind(), AccountKind::OauthClientCredentials);
    }

    #[test]
    fn neither_errors_nor_debug_show_a_secret() {
        for json in [
            r#"{"kind":"basic","username":"u","password":"hunter2","extra":1}"#,
            r#"{"kind":"oauth_client_credentials","client_id":"c","client_secret":"hunter2","extra":1}"#,
            r#"{"kind":"hunter2"}"#,
            "hunter2",
        ] {
            let error = Credential::parse(&json.to_owned().into()).unwrap_err();
            assert!(!error.contains("hunter2"), "{error}");
        }
        for json in [
            r#"{"kind":"bearer","token":"hunter2"}"#,
            r#"{"kind":"oauth_authorization_code","client_id":"c","client_secret":"hunter2","issued":{"access_token":"hunter2",
                "refresh_token":"hunter2","at":"2026-11-21T12:00:00Z"}}"#,
        ] {
            let credential = Credential::parse(&json.to_owned().into()).unwrap();
            assert!(!format!("{credential:?}").contains("hunter2"));
        }
    }

    #[test]
    fn tokens_are_due_a_minute_before_their_end_or_at_it() {
        // Lifetime, and the first second of it at which they are due.
        for (lifetime, due) in [
            (1800, 1740),
            (121, 61),
            (120, 120),
            (60, 60),
            (1, 1),
            (0, 0),
        ] {
            let issued = issued(Some(lifetime));
            for (second, expected) in [(due - 1, false), (due, true), (due + 3600, true)] {
                let now = at(NOW) + SignedDuration::from_secs(second);
                assert_eq!(
                    issued.is_due(now),
                    expected,
                    "{lifetime} s, after {second} s"
                );
            }
        }
        assert!(!issued(None).is_due(at("2036-11-21T12:00:00Z")));
    }

    #[test]
    fn refresh_token_that_the_vendor_leaves_out_goes_on_being_good() {
        let before = Issued {
            refresh: Some("kept".into()),
            scope: Some("read".to_owned()),
            ..issued(Some(5))
        };
        let tokens = Tokens {
            access: "next".into(),
            refresh: None,
            expires_in: None,
            scope: None,
        };
        let next = Issued::new(tokens, Some(&before), at(NOW));
        assert_eq!(next.refresh.unwrap().expose_secret(), "kept");
        assert_eq!(
            (next.access.expose_secret(), next.expires_at),
            ("next", None)
        );
        assert_eq!(next.scope.as_deref(), Some("read"));
    }
}
