//! The client: connection pool, limits and the sorting of failures.

use std::error::Error;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use reqwest::redirect;

use crate::{Failure, Request, Response};

/// How long a TCP and TLS connection may take to stand.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a whole call may last unless the caller says otherwise.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(15);
/// Longest body of an answer, in bytes, unless the request allows another.
pub const BODY_LIMIT: usize = 1024 * 1024;

/// Shorter than the idle timeout of common gateways (60 s), so that no request is written to a
/// connection that the other side is closing at that moment.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(50);

/// The HTTP client. Clones share one connection pool.
#[derive(Debug, Clone)]
pub struct Client {
    inner: reqwest::Client,
    timeout: Duration,
}

/// The client could not be built. Startup must fail.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The authorities that are to be trusted cannot be used.
    #[error(transparent)]
    Tls(#[from] tls::Error),
    /// The settings do not fit together.
    #[error("the HTTP client could not be built")]
    Client(#[source] reqwest::Error),
}

impl Client {
    /// A client that trusts whom [`tls::client_config`] trusts, without redirects, cookies, proxies or retries.
    ///
    /// # Errors
    ///
    /// [`SetupError`] when the authorities of `SSL_CERT_FILE` cannot be used.
    pub fn new() -> Result<Self, SetupError> {
        let mut tls = tls::client_config()?;
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let inner = reqwest::Client::builder()
            .user_agent(concat!("closedloop/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .referer(false)
            .retry(reqwest::retry::never())
            .no_proxy()
            .tls_backend_preconfigured(tls)
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(POOL_IDLE_TIMEOUT)
            .build()
            .map_err(SetupError::Client)?;
        Ok(Self {
            inner,
            timeout: DEFAULT_TIMEOUT,
        })
    }

    /// The same client and pool with another timeout for calls that name none.
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Makes one attempt and reads the whole answer, whatever its status.
    ///
    /// # Errors
    ///
    /// [`Failure`] says whether the request may have been carried out.
    pub async fn send(&self, request: Request) -> Result<Response, Failure> {
        let started = Instant::now();
        let host = request.url.host_str().unwrap_or_default().to_owned();
        let timeout = request.timeout.unwrap_or(self.timeout);
        let limit = request.body_limit;
        let sent = self
            .inner
            .request(request.method, request.url)
            .headers(request.headers)
            .timeout(timeout)
            .body(request.body)
            .send()
            .await;
        let mut answer = match sent {
            Ok(answer) => answer,
            Err(error) if error.is_connect() || error.is_builder() => {
                return Err(Failure::NotSent {
                    host,
                    source: cause(error),
                });
            }
            Err(error) => {
                return Err(Failure::Interrupted {
                    host,
                    after: started.elapsed(),
                    status: None,
                    source: cause(error),
                });
            }
        };
        let status = answer.status().as_u16();
        let headers = std::mem::take(answer.headers_mut());
        match read(&mut answer, &headers, limit).await {
            Ok(Some(body)) => Ok(Response {
                status,
                headers,
                body,
            }),
            Ok(None) => Err(Failure::TooLarge {
                host,
                status,
                limit,
            }),
            Err(error) => Err(Failure::Interrupted {
                host,
                after: started.elapsed(),
                status: Some(status),
                source: cause(error),
            }),
        }
    }
}

/// The body, or `None` when it is too long. What is left of it is not read.
async fn read(
    answer: &mut reqwest::Response,
    headers: &HeaderMap,
    limit: usize,
) -> Result<Option<Bytes>, reqwest::Error> {
    let announced = headers
        .get(http::header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limit) {
        return Ok(None);
    }
    let mut body = BytesMut::with_capacity(announced.unwrap_or_default());
    while let Some(chunk) = answer.chunk().await? {
        if body.len() + chunk.len() > limit {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body.freeze()))
}

/// The error without the address, whose query may hold what nobody else should read.
fn cause(error: reqwest::Error) -> Box<dyn Error + Send + Sync> {
    Box::new(error.without_url())
}
