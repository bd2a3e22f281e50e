//! How the product connects, to vendors and to AWS alike: TCP, TLS and HTTP/1.1, with a pool of connections.
//!
//! There is one type of client, so that its code is in a function once.

mod connector;
mod tls;

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioTimer};

pub use connector::Connector;
pub use tls::Error;

/// Makes HTTP calls. Clones share one pool of connections.
pub type Client = legacy::Client<Connector, Full<Bytes>>;

/// How long connections may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// To stand, TCP and TLS together.
    pub connect: Duration,
    /// Without a call, until they are closed.
    pub idle: Duration,
}

/// A client that trusts Mozilla's certificate authorities and those of `SSL_CERT_FILE`.
///
/// A pooled connection may turn out to be closed before a request is taken from its queue. Only such a request, of which no
/// byte was written, goes to another connection by itself. One that was begun is never sent again, so that nothing is
/// carried out twice.
///
/// # Errors
/// When the authorities of `SSL_CERT_FILE` cannot be used.
pub fn client(limits: Limits) -> Result<Client, Error> {
    Ok(legacy::Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(limits.idle)
        // Without this, an ordinary close of an idle connection would pass for a call that may have been carried out.
        .retry_canceled_requests(true)
        .build(Connector::new(limits.connect)?))
}
