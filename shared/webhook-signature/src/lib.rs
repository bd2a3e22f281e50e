//! How a webhook proves where it comes from: verifying what arrives and signing what is sent.
//!
//! Pure: headers, body, secrets and the time are arguments. Every comparison with a secret takes the same
//! time whatever differs. A header is looked up through a closure that is given the name in lower case.

mod plain;
mod qualtrics;
mod secret;
mod standard_webhooks;
mod zendesk;

pub use plain::{sign_basic, sign_bearer, sign_header, verify_basic, verify_bearer, verify_header};
pub use qualtrics::{QualtricsMessage, sign_qualtrics, verify_qualtrics};
pub use secret::{Secret, Secrets, UnusableSecret};
pub use standard_webhooks::{sign_standard_webhooks, verify_standard_webhooks};
pub use zendesk::{sign_zendesk, verify_zendesk};

/// Seconds that a signed timestamp may be away from now, in both directions.
pub const TOLERANCE_SECONDS: i64 = 300;

/// Why a request is not believed. The text is for the log, not for the sender; it holds no secret and
/// nothing of the body.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The request came without something that the scheme needs.
    #[error("{what} is missing")]
    Missing {
        /// The header or form field.
        what: String,
    },
    /// Something that the scheme needs is there, but not as the scheme writes it.
    #[error("{what} is malformed: expected {expected}")]
    Malformed {
        /// The header or form field.
        what: String,
        /// How it is written.
        expected: &'static str,
    },
    /// The signed time is too far from now. `seconds` is positive when the request is old.
    #[error("the signed timestamp is {seconds} s away from now, more than {TOLERANCE_SECONDS} s")]
    Stale {
        /// Now minus the signed time.
        seconds: i64,
    },
    /// No valid secret gives this signature, or the secret sent is not one of ours.
    #[error("the signature or secret does not match")]
    Mismatch,
    /// Our own secret cannot be used with this scheme, so no request can be verified.
    #[error(transparent)]
    UnusableSecret(#[from] UnusableSecret),
}

/// Why something could not be signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SigningError {
    /// The id would be refused by a verifier.
    #[error("the webhook id is malformed: expected {expected}")]
    InvalidId {
        /// The rule.
        expected: &'static str,
    },
    /// The secret does not fit the scheme.
    #[error(transparent)]
    UnusableSecret(#[from] UnusableSecret),
}

/// A header to send. The value may be the secret itself, so it is kept as one.
#[derive(Debug, Clone)]
pub struct SignedHeader {
    /// In lower case where the scheme has the choice.
    pub name: String,
    /// The value.
    pub value: Secret,
}

impl SignedHeader {
    fn new(name: &str, value: &str) -> Self {
        Self {
            name: name.to_owned(),
            value: Secret::new(value),
        }
    }
}

fn missing(what: &str) -> Refusal {
    Refusal::Missing {
        what: what.to_owned(),
    }
}

fn malformed(what: &str, expected: &'static str) -> Refusal {
    Refusal::Malformed {
        what: what.to_owned(),
        expected,
    }
}

fn within_tolerance(signed: i64, now: jiff::Timestamp) -> Result<(), Refusal> {
    let seconds = now.as_second().saturating_sub(signed);
    if seconds.saturating_abs() > TOLERANCE_SECONDS {
        Err(Refusal::Stale { seconds })
    } else {
        Ok(())
    }
}

/// Tries every secret. One that cannot be used does not stand in the way of another that can; when none
/// can be used, that is the refusal.
fn any_secret(
    secrets: &Secrets,
    mut matches: impl FnMut(&Secret) -> Result<bool, UnusableSecret>,
) -> Result<(), Refusal> {
    let mut usable = false;
    let mut unusable = None;
    for secret in secrets.iter() {
        match matches(secret) {
            Ok(true) => return Ok(()),
            Ok(false) => usable = true,
            Err(problem) => unusable = Some(problem),
        }
    }
    match unusable {
        Some(problem) if !usable => Err(problem.into()),
        Some(_) | None => Err(Refusal::Mismatch),
    }
}
