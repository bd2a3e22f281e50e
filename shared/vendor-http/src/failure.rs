//! Why there is no answer, told as facts.

use std::error::Error;
use std::time::Duration;

/// A call without a usable answer. The text never shows a query, a header or a body.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The address cannot be written: it has more than 64 kB, or no host. Nothing was sent, and never will be.
    #[error(
        "the address of a call to {host} cannot be sent, {bytes} bytes of it; nothing was sent"
    )]
    Unsendable {
        /// The host that was to be called.
        host: String,
        /// How long the address is.
        bytes: usize,
        /// What is wrong with it.
        source: Box<dyn Error + Send + Sync>,
    },
    /// No connection: name lookup, TCP or TLS failed. The request was surely not carried out.
    #[error("no connection to {host}; nothing was sent")]
    NotSent {
        /// The host that was to be called.
        host: String,
        /// What failed.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The time ran out or the connection broke after the request may have been sent. It may have been
    /// carried out.
    #[error("no complete answer from {host} after {:.1} s; it may have carried the request out", after.as_secs_f32())]
    Interrupted {
        /// The host that was called.
        host: String,
        /// Time from the start of the call to its end.
        after: Duration,
        /// The status, when the answer had begun.
        status: Option<u16>,
        /// What failed.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The answer's body is longer than the request allowed. The request was answered.
    #[error("{host} answered {status} with more than {} KiB", limit / 1024)]
    TooLarge {
        /// The host that was called.
        host: String,
        /// The status of the answer.
        status: u16,
        /// The longest body that was allowed, in bytes.
        limit: usize,
    },
}

impl Failure {
    /// The status, when an answer had at least begun.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Unsendable { .. } | Self::NotSent { .. } => None,
            Self::Interrupted { status, .. } => *status,
            Self::TooLarge { status, .. } => Some(*status),
        }
    }
}
