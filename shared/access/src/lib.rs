//! Who calls the management API, and what that caller may do.
//!
//! A caller shows a bearer token: one of our own ([`Tokens`]), or one that an identity provider signed
//! ([`Oidc`]). [`Authenticator`] makes a [`Caller`] of either.
//!
//! **Invariant**: every token that is not accepted gets the same answer; why is told to the log alone.

mod authenticator;
mod caller;
mod jwt;
mod oidc;
mod role;
mod tokens;

pub use authenticator::{Authenticator, Refusal};
pub use caller::{Caller, Via};
pub use oidc::{IssuerError, Oidc, OidcConfig, UnavailableIssuer};
pub use role::{Role, UnknownRole};
pub use tokens::{
    CreateError, CreatedToken, InvalidTokenId, LONGEST_DAYS, NewToken, RANDOM_BYTES, Token,
    TokenId, Tokens,
};
