use std::time::Duration;

use retry::Disposition;
use vendor_http::Failure;

/// How soon it is noticed that a client was mended.
const LOOK_EVERY: Duration = Duration::from_mins(20);

/// A token endpoint that gave no tokens. The text holds no secret.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The vendor said no: the grant, the client or the user is not, or no longer, good. Give up: somebody must
    /// connect the account again.
    #[error("the vendor refused to give tokens: {0}")]
    Refused(Refusal),
    /// The vendor said no to the client, or to the address that it asks from, and nothing about the grant. Wait: it goes on
    /// once somebody has mended that.
    #[error(
        "the vendor refuses the OAuth client, or the address that it asks from, and not the account: {0}. An administrator \
             must mend the app at the vendor's, or give its new id or secret here"
    )]
    Client(Refusal),
    /// The vendor is overloaded or broken. Retry: a refused call has used nothing up.
    #[error("the vendor's token endpoint answered {status}")]
    Unavailable {
        /// The status of the answer.
        status: u16,
        /// The delay that the vendor named.
        after: Option<Duration>,
    },
    /// No whole answer. Retry: should the vendor have given new tokens that never arrived, it tells by refusing the
    /// next attempt.
    #[error("the vendor's token endpoint could not be reached")]
    Unreachable(#[source] Failure),
    /// The answer is not what the standard says: a web page, or JSON without a token. Retry: it may be a login
    /// page or a gateway's, which goes away.
    #[error("the vendor's token endpoint answered {status} without a token{}", title.as_deref().map(|title| format!(": {title}")).unwrap_or_default())]
    Unusable {
        /// The status of the answer.
        status: u16,
        /// The title of the page that came instead.
        title: Option<String>,
    },
}

/// How the vendor said no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The status of the answer.
    pub status: u16,
    /// The `error` of the answer, such as `invalid_grant`.
    pub code: Option<String>,
    /// The `error_description` of the answer.
    pub description: Option<String>,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.code, &self.description) {
            (Some(code), Some(description)) => write!(f, "{code}: {description}")?,
            (Some(one), None) | (None, Some(one)) => f.write_str(one)?,
            (None, None) => f.write_str("no reason given")?,
        }
        write!(f, " (HTTP {})", self.status)
    }
}

impl Error {
    /// What to do next.
    pub fn disposition(&self) -> Disposition {
        match self {
            Self::Refused(_) | Self::Unreachable(Failure::Unsendable { .. }) => Disposition::GiveUp,
            Self::Client(_) => Disposition::Wait { every: LOOK_EVERY },
            Self::Unavailable { after, .. } => Disposition::Retry { after: *after },
            Self::Unreachable(_) | Self::Unusable { .. } => Disposition::RETRY,
        }
    }
}
