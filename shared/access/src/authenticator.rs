use http::HeaderMap;
use http::header::AUTHORIZATION;
use jiff::Timestamp;
use secrecy::SecretString;

use crate::oidc::OidcError;
use crate::tokens::{VerifyError, is_ours};
use crate::{Caller, Oidc, Tokens, UnavailableIssuer, Via};

/// Tells who calls.
#[derive(Debug)]
pub struct Authenticator {
    tokens: Tokens,
    oidc: Option<Oidc>,
}

/// Nobody could be made of what was shown.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// Nothing was shown. Give up: show a token.
    #[error("no bearer token was shown")]
    Missing,
    /// What was shown is not taken. Give up: get another token. The reason is for the log alone.
    #[error("the token is not taken: {reason}")]
    Invalid {
        /// Why.
        reason: String,
    },
    /// The identity provider knows the caller, and gives them no role. Give up: somebody must give one.
    #[error("the caller has no role")]
    NoRole,
    /// The tokens could not be read. Retry.
    #[error("the table of tokens did not answer")]
    Store(#[source] store::Error),
    /// The identity provider's keys could not be read. Retry.
    #[error("the identity provider did not answer")]
    Issuer(#[source] UnavailableIssuer),
}

impl Authenticator {
    /// Takes these tokens, and those of the identity provider if there is one.
    pub fn new(tokens: Tokens, oidc: Option<Oidc>) -> Self {
        Self { tokens, oidc }
    }

    /// The tokens of our own.
    pub fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    /// Who sends these headers.
    ///
    /// # Errors
    /// [`Refusal`] says whether another token, another role or another time helps.
    pub async fn authenticate(
        &self,
        headers: &HeaderMap,
        now: Timestamp,
    ) -> Result<Caller, Refusal> {
        let shown = bearer(headers)?;
        match &self.oidc {
            Some(oidc) if !is_ours(&shown) => {
                oidc.verify(&shown, now).await.map_err(|error| match error {
                    OidcError::Invalid(_) => invalid(&error),
                    OidcError::NoRole => Refusal::NoRole,
                    OidcError::Unavailable(source) => Refusal::Issuer(source),
                })
            }
            Some(_) | None => match self.tokens.verify(&shown, now).await {
                Ok(token) => Ok(Caller {
                    name: token.name,
                    roles: token.roles,
                    via: Via::Token { id: token.id },
                }),
                Err(VerifyError::Store(source)) => Err(Refusal::Store(source)),
                Err(
                    error @ (VerifyError::Malformed
                    | VerifyError::Unknown
                    | VerifyError::WrongSecret(_)
                    | VerifyError::Revoked(_)
                    | VerifyError::Expired(_)),
                ) => Err(invalid(&error)),
            },
        }
    }
}

fn invalid(error: &dyn std::error::Error) -> Refusal {
    Refusal::Invalid {
        reason: error.to_string(),
    }
}

/// Source: RFC 6750, 2.1
fn bearer(headers: &HeaderMap) -> Result<SecretString, Refusal> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next().ok_or(Refusal::Missing)?;
    let several = Refusal::Invalid {
        reason: "more than one Authorization header was sent".to_owned(),
    };
    if values.next().is_some() {
        return Err(several);
    }
    let text = value.to_str().map_err(|_| Refusal::Missing)?;
    match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => {
            Ok(SecretString::from(token.trim()))
        }
        Some(_) | None => Err(Refusal::Missing),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_is_what_follows_the_scheme() {
        for (values, expected) in [
            (&[][..], None),
            (&["Basic YTpi"], None),
            (&["Bearer"], None),
            (&["Bearer x"], Some("x")),
            (&["bearer  x "], Some("x")),
            (&["Bearer x", "Bearer y"], None),
            (&["Bearer é"], None),
        ] {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(
                    AUTHORIZATION,
                    http::HeaderValue::from_bytes(value.as_bytes()).unwrap(),
                );
            }
            let found = bearer(&headers).ok();
            assert_eq!(
                found.as_ref().map(secrecy::ExposeSecret::expose_secret),
                expected,
                "{values:?}"
            );
        }
    }
}
