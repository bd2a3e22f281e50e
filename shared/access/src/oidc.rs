//! The identity provider: where its keys are, and who its tokens speak of.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use http::Method;
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use tokio::sync::Mutex;
use url::{Host, Url};
use vendor_http::{Client, Request};

use crate::jwt::{JwtError, Key, Unverified};
use crate::{Caller, Role, Via};

/// Keys are asked for again when they are this old: an issuer that has withdrawn one must be heard.
const KEYS_FRESH_FOR: SignedDuration = SignedDuration::from_hours(1);

/// Keys that are this old are not used any more, even when the issuer cannot be reached.
const KEYS_USED_FOR: SignedDuration = SignedDuration::from_hours(24);

/// Keys are not asked for more often than this, whoever sends which tokens.
const BETWEEN_FETCHES: SignedDuration = SignedDuration::from_mins(1);

const FETCH_TIMEOUT: Duration = Duration::from_secs(4);

/// An identity provider whose tokens are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OidcConfig {
    issuer: String,
    audience: String,
    roles_claim: String,
}

/// The issuer's address cannot be used. Give up: the configuration is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be an address that begins with https and has neither query nor fragment; only loopback addresses may use http"
)]
pub struct IssuerError;

impl OidcConfig {
    /// `issuer` as its tokens have it in `iss`; `audience` as they have it in `aud`; `roles_claim` the claim
    /// that lists roles, or a JSON pointer to it such as `/realm_access/roles`.
    ///
    /// # Errors
    /// When the issuer is no address that can be trusted.
    pub fn new(issuer: String, audience: String, roles_claim: String) -> Result<Self, IssuerError> {
        let url = trusted(&issuer).ok_or(IssuerError)?;
        if url.query().is_some() || url.fragment().is_some() {
            return Err(IssuerError);
        }
        Ok(Self {
            issuer,
            audience,
            roles_claim,
        })
    }
}

/// The issuer's keys could not be had. Retry.
#[derive(Debug, thiserror::Error)]
pub enum UnavailableIssuer {
    /// It could not be reached.
    #[error("the {what} could not be read")]
    Unreachable {
        /// Which document.
        what: &'static str,
        /// The cause.
        #[source]
        source: vendor_http::Failure,
    },
    /// It answered something else.
    #[error("the {what} cannot be used: {problem}")]
    Unusable {
        /// Which document.
        what: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// It did not answer a moment ago.
    #[error("the issuer did not answer a moment ago: it is asked again in a minute")]
    Resting,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum OidcError {
    #[error("the identity provider's token is not taken: {0}")]
    Invalid(JwtError),
    #[error("the identity provider's token has no role that is known here")]
    NoRole,
    #[error("the identity provider's keys could not be had")]
    Unavailable(#[source] UnavailableIssuer),
}

/// Takes the tokens of one identity provider.
///
/// Sources: <https://openid.net/specs/openid-connect-discovery-1_0.html>, RFC 7517
pub struct Oidc {
    config: OidcConfig,
    client: Client,
    keys: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    keys: Vec<Key>,
    fetched_at: Option<Timestamp>,
    tried_at: Option<Timestamp>,
}

impl fmt::Debug for Oidc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Oidc")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl Oidc {
    /// Nothing is called yet.
    pub fn new(config: OidcConfig, client: Client) -> Self {
        Self {
            config,
            client: client.with_timeout(FETCH_TIMEOUT),
            keys: Mutex::default(),
        }
    }

    pub(crate) async fn verify(
        &self,
        shown: &SecretString,
        now: Timestamp,
    ) -> Result<Caller, OidcError> {
        let claims = self.claims(shown.expose_secret(), now).await?;
        let caller = self.caller(&claims);
        if caller.roles.is_empty() {
            return Err(OidcError::NoRole);
        }
        Ok(caller)
    }

    async fn claims(&self, text: &str, now: Timestamp) -> Result<Map<String, Value>, OidcError> {
        let token = Unverified::parse(text).map_err(OidcError::Invalid)?;
        token
            .check(&self.config.issuer, &self.config.audience, now)
            .map_err(OidcError::Invalid)?;
        let mut known = self.keys.lock().await;
        self.refresh(&mut known, token.key_id.as_deref(), now)
            .await
            .map_err(OidcError::Unavailable)?;
        token.verify(&known.keys).map_err(OidcError::Invalid)
    }

    /// Asks for the keys when they are old, or when the one that is needed is not among them.
    async fn refresh(
        &self,
        known: &mut Known,
        needed: Option<&str>,
        now: Timestamp,
    ) -> Result<(), UnavailableIssuer> {
        let within = |time: Option<Timestamp>, limit| {
            time.is_some_and(|time| now.duration_since(time) < limit)
        };
        let is_there =
            needed.is_none_or(|id| known.keys.iter().any(|key| key.id.as_deref() == Some(id)));
        if is_there && within(known.fetched_at, KEYS_FRESH_FOR) {
            return Ok(());
        }
        let are_usable = within(known.fetched_at, KEYS_USED_FOR);
        if within(known.tried_at, BETWEEN_FETCHES) {
            return if are_usable {
                Ok(())
            } else {
                Err(UnavailableIssuer::Resting)
            };
        }
        known.tried_at = Some(now);
        match self.fetch().await {
            Ok(fetched) => {
                known.keys = fetched;
                known.fetched_at = Some(now);
                Ok(())
            }
            // An unknown key may be a new one: whoever shows it should come again.
            Err(error) if are_usable && is_there => {
                tracing::warn!(
                    reason = startup::chain(&error),
                    "identity provider's keys not renewed"
                );
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    async fn fetch(&self) -> Result<Vec<Key>, UnavailableIssuer> {
        const DISCOVERY: &str = "issuer's discovery document";
        const KEYS: &str = "issuer's key set";
        let unusable = |what, problem: &str| UnavailableIssuer::Unusable {
            what,
            problem: problem.to_owned(),
        };
        let address = format!(
            "{}/.well-known/openid-configuration",
            self.config.issuer.trim_end_matches('/')
        );
        let address = trusted(&address)
            .ok_or_else(|| unusable(DISCOVERY, "its address is not to be trusted"))?;
        let document = self.document(DISCOVERY, address).await?;
        if document.get("issuer").and_then(Value::as_str) != Some(&self.config.issuer) {
            return Err(unusable(DISCOVERY, "it names another issuer"));
        }
        let address = document
            .get("jwks_uri")
            .and_then(Value::as_str)
            .and_then(trusted)
            .ok_or_else(|| unusable(DISCOVERY, "its jwks_uri is not to be trusted"))?;
        let set = self.document(KEYS, address).await?;
        let keys = Key::of_set(&set);
        if keys.is_empty() {
            return Err(unusable(KEYS, "it has no key for RS256 or ES256"));
        }
        Ok(keys)
    }

    async fn document(&self, what: &'static str, url: Url) -> Result<Value, UnavailableIssuer> {
        let unusable = |problem| UnavailableIssuer::Unusable { what, problem };
        let response = self
            .client
            .send(Request::new(Method::GET, url))
            .await
            .map_err(|source| UnavailableIssuer::Unreachable { what, source })?;
        if !response.is_success() {
            return Err(unusable(format!("its status is {}", response.status)));
        }
        response
            .json()
            .map_err(|_| unusable("it is not JSON".to_owned()))
    }

    fn caller(&self, claims: &Map<String, Value>) -> Caller {
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        let subject = text("sub").unwrap_or_default();
        let name = text("preferred_username").unwrap_or(subject);
        let digest = Sha256::digest(format!("{}\n{subject}", self.config.issuer));
        let mut key = hex::encode(digest);
        key.truncate(16);
        Caller {
            name: name.chars().filter(|c| !c.is_control()).take(100).collect(),
            roles: self.roles(claims),
            via: Via::Oidc {
                key: format!("oidc_{key}"),
            },
        }
    }

    fn roles(&self, claims: &Map<String, Value>) -> BTreeSet<Role> {
        let claim = &self.config.roles_claim;
        let found = match claim
            .strip_prefix('/')
            .and_then(|path| path.split_once('/'))
        {
            Some((first, rest)) => claims
                .get(first)
                .and_then(|value| value.pointer(&format!("/{rest}"))),
            None => claims.get(claim.trim_start_matches('/')),
        };
        match found {
            Some(Value::String(role)) => Role::known([role.as_str()]),
            Some(Value::Array(roles)) => Role::known(roles.iter().filter_map(Value::as_str)),
            Some(_) | None => BTreeSet::new(),
        }
    }
}

/// An address that nobody on the way can answer for.
fn trusted(address: &str) -> Option<Url> {
    let url = Url::parse(address).ok()?;
    let is_loopback = match url.host()? {
        Host::Domain(name) => name == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    };
    let is_private = url.scheme() == "https" || (url.scheme() == "http" && is_loopback);
    (is_private && url.username().is_empty() && url.password().is_none()).then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn config(roles_claim: &str) -> OidcConfig {
        OidcConfig::new(
            "https://id.example.com/".to_owned(),
            "api".to_owned(),
            roles_claim.to_owned(),
        )
        .unwrap()
    }

    #[test]
    fn issuer_must_be_one_that_nobody_can_stand_in_for() {
        for (issuer, expected) in [
            ("https://id.example.com", true),
            ("https://id.example.com/realms/a/", true),
            ("http://127.0.0.1:9000/x", true),
            ("http://localhost:9000", true),
            ("http://id.example.com", false),
            ("https://user@id.example.com", false),
            ("https://id.example.com?a=b", false),
            ("https://id.example.com#a", false),
            ("id.example.com", false),
        ] {
            let made = OidcConfig::new(issuer.to_owned(), "api".to_owned(), "roles".to_owned());
            assert_eq!(made.is_ok(), expected, "{issuer}");
        }
    }

    #[test]
    fn roles_are_read_where_the_claim_says_and_unknown_ones_are_left_out() {
        let client = Client::new().unwrap();
        for (claim, claims, expected) in [
            (
                "roles",
                json!({"roles": ["admin", "gardener"]}),
                &[Role::Admin][..],
            ),
            ("roles", json!({"roles": "operator"}), &[Role::Operator]),
            ("roles", json!({"roles": "admin operator"}), &[]),
            (
                "roles",
                json!({"roles": ["x_tvgh_teamviewer.session_history_user", "x_tvgh_teamviewer.admin"]}),
                &[Role::SessionHistoryUser],
            ),
            ("roles", json!({"roles": {"admin": true}}), &[]),
            ("roles", json!({"role": ["admin"]}), &[]),
            (
                "https://a/roles",
                json!({"https://a/roles": ["itil"]}),
                &[Role::Itil],
            ),
            (
                "/realm/roles",
                json!({"realm": {"roles": ["itil", 1]}}),
                &[Role::Itil],
            ),
            ("/realm/roles", json!({"realm": null}), &[]),
        ] {
            let oidc = Oidc::new(config(claim), client.clone());
            let found = oidc.roles(claims.as_object().unwrap());
            assert_eq!(
                found,
                expected.iter().copied().collect(),
                "{claim} {claims}"
            );
        }
    }

    #[test]
    fn log_tells_a_person_from_another_and_not_who_it_is() {
        let oidc = Oidc::new(config("roles"), Client::new().unwrap());
        let caller = |subject: &str| {
            let claims = json!({"sub": subject, "preferred_username": "ada\n"});
            oidc.caller(claims.as_object().unwrap())
        };
        let ada = caller("ada@example.com");
        assert_eq!(ada.name, "ada");
        assert_eq!(ada.via, caller("ada@example.com").via);
        assert_ne!(ada.via, caller("bob@example.com").via);
        assert!(!ada.via.key().contains("ada"));
    }
}
