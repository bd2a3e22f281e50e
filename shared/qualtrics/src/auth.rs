//! How a call proves whose account it uses.

use secrecy::{ExposeSecret as _, SecretString};
use vendor_http::{HeaderName, HeaderValue, Request, UnusableToken};

/// Header names are case-insensitive; Qualtrics writes `X-API-TOKEN`.
const API_TOKEN: HeaderName = HeaderName::from_static("x-api-token");

/// Credentials of one account. Its `Debug` shows no secret.
#[derive(Debug, Clone)]
pub enum Auth {
    /// A user's API token: it acts with the rights of that user.
    ApiToken(SecretString),
    /// An OAuth access token.
    Bearer(SecretString),
}

impl Auth {
    pub(crate) fn sign(&self, request: Request) -> Result<Request, UnusableToken> {
        Ok(match self {
            Self::ApiToken(token) => {
                let value = HeaderValue::from_str(token.expose_secret());
                let mut value = value.map_err(|_| UnusableToken)?;
                value.set_sensitive(true);
                request.header(API_TOKEN, value)
            }
            Self::Bearer(token) => request.authorization(vendor_http::bearer(token)?),
        })
    }

    /// For taking it out of the vendor's words, should they quote it.
    pub(crate) fn secret(&self) -> &str {
        match self {
            Self::ApiToken(token) | Self::Bearer(token) => token.expose_secret(),
        }
    }
}
