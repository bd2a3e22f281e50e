//! How connections are made: TCP and TLS together, within one limit of time.

use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use tower_service::Service;

use crate::tls;

/// Silence after which a connection is probed, and the time between two probes: one whose other side is gone must not
/// stay in the pool.
const KEEPALIVE: Duration = Duration::from_secs(15);
/// Probes without an answer after which the other side is gone.
const KEEPALIVE_PROBES: u32 = 3;
/// How long what was written may stay unconfirmed: nothing is probed in that state, and the kernel's own patience is
/// a quarter of an hour.
#[cfg(target_os = "linux")]
const UNCONFIRMED: Duration = Duration::from_secs(30);

/// Connects to https and http addresses, for HTTP/1.1. A function has a handful of calls on their way at most, so that h2
/// would save few connections; it would be a tenth of each binary.
#[derive(Debug, Clone)]
pub struct Connector {
    inner: HttpsConnector<HttpConnector>,
    limit: Duration,
}

/// TCP and TLS took longer than they may.
#[derive(Debug, thiserror::Error)]
#[error("the connection did not stand within {} s", limit.as_secs_f32())]
struct TooSlow {
    limit: Duration,
}

impl Connector {
    pub(crate) fn new(limit: Duration) -> Result<Self, tls::Error> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        // A host's addresses share it, so that one that is gone leaves time for the next.
        tcp.set_connect_timeout(Some(limit));
        tcp.set_keepalive(Some(KEEPALIVE));
        tcp.set_keepalive_interval(Some(KEEPALIVE));
        tcp.set_keepalive_retries(Some(KEEPALIVE_PROBES));
        #[cfg(target_os = "linux")]
        tcp.set_tcp_user_timeout(Some(UNCONFIRMED));
        let inner = HttpsConnectorBuilder::new()
            .with_tls_config(tls::client_config()?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        Ok(Self { inner, limit })
    }
}

impl Service<Uri> for Connector {
    type Response = <HttpsConnector<HttpConnector> as Service<Uri>>::Response;
    type Error = Box<dyn Error + Send + Sync>;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, address: Uri) -> Self::Future {
        let limit = self.limit;
        let connecting = tokio::time::timeout(limit, self.inner.call(address));
        Box::pin(async move { connecting.await.map_err(|_| TooSlow { limit })? })
    }
}

#[cfg(test)]
mod tests {
    use hyper_rustls::MaybeHttpsStream;
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn small_requests_are_not_held_back() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}/", listener.local_addr().unwrap());
        let mut connector = Connector::new(Duration::from_secs(5)).unwrap();
        let stream = connector.call(address.parse().unwrap()).await.unwrap();
        let MaybeHttpsStream::Http(tcp) = stream else {
            panic!("{stream:?}");
        };
        assert!(tcp.inner().nodelay().unwrap());
    }
}
