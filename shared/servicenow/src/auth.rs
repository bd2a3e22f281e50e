//! How a call proves whose account it uses.

use secrecy::SecretString;
use vendor_http::{HeaderValue, UnusableToken};

/// Credentials of one account. Its `Debug` shows no secret.
#[derive(Debug, Clone)]
pub enum Auth {
    /// A user of the instance. Users with multi-factor authentication cannot use it.
    Basic {
        /// The user name.
        username: String,
        /// The password.
        password: SecretString,
    },
    /// An OAuth access token.
    Bearer(SecretString),
}

impl Auth {
    pub(crate) fn header(&self) -> Result<HeaderValue, UnusableToken> {
        match self {
            Self::Basic { username, password } => vendor_http::basic(username, password),
            Self::Bearer(token) => vendor_http::bearer(token),
        }
    }
}
