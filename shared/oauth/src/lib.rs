//! OAuth 2.0 as a client of vendors: the address where a person agrees, and the token endpoint.
//!
//! Grants: authorization code ([RFC 6749, 4.1](https://www.rfc-editor.org/rfc/rfc6749#section-4.1)) with PKCE
//! ([RFC 7636](https://www.rfc-editor.org/rfc/rfc7636)) where the vendor has it, refresh token, client credentials. One call is
//! one attempt; nothing is stored, and no clock or randomness is read here.

mod error;
mod provider;
mod secret;
mod token;

pub use error::{Error, Refusal};
pub use provider::{Client, ClientAuthentication, Encoding, Provider, Tokens};
pub use secret::{State, Verifier};
