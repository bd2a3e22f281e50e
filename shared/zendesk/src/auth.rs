//! How a call proves whose account it uses.
//! See [Security and authentication](https://developer.zendesk.com/api-reference/introduction/security-and-auth/).

use secrecy::SecretString;
use vendor_http::{HeaderValue, UnusableToken};

/// Credentials of one account. Its `Debug` shows no secret.
#[derive(Debug, Clone)]
pub enum Auth {
    /// An API token, used as the user with this e-mail address.
    ApiToken {
        /// The user's e-mail address, with or without the `/token` that marks a token.
        email: String,
        /// The token.
        token: SecretString,
    },
    /// A password, where the account still allows it.
    Basic {
        /// The user's e-mail address.
        email: String,
        /// The password.
        password: SecretString,
    },
    /// An OAuth access token.
    Bearer(SecretString),
}

impl Auth {
    pub(crate) fn header(&self) -> Result<HeaderValue, UnusableToken> {
        match self {
            Self::ApiToken { email, token } => {
                let email = email.trim_end_matches("/token");
                vendor_http::basic(&format!("{email}/token"), token)
            }
            Self::Basic { email, password } => vendor_http::basic(email, password),
            Self::Bearer(token) => vendor_http::bearer(token),
        }
    }
}
