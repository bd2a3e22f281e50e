//! The client: connection pool, limits and the sorting of failures.

use std::error::Error;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::header::USER_AGENT;
use http::response::Parts;
use http::{HeaderValue, Uri};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::connect::capture_connection;
use transport::Limits;
use url::{Position, Url};

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
const PRODUCT: HeaderValue =
    HeaderValue::from_static(concat!("closedloop/", env!("CARGO_PKG_VERSION")));

/// The HTTP client. Clones share one connection pool.
#[derive(Debug, Clone)]
pub struct Client {
    inner: transport::Client,
    timeout: Duration,
}

/// The client could not be built. Startup must fail.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The authorities that are to be trusted cannot be used.
    #[error(transparent)]
    Transport(#[from] transport::Error),
}

/// The call lasted longer than it may.
#[derive(Debug, thiserror::Error)]
#[error("the call's time is over")]
struct TimeOver;

/// An error of whatever kind, for [`Failure`]. None of them knows the address, whose query may hold what nobody else
/// should read.
type Cause = Box<dyn Error + Send + Sync>;

impl Client {
    /// A client that trusts whom [`transport::client`] trusts, without redirects, cookies, proxies or retries.
    ///
    /// # Errors
    ///
    /// [`SetupError`] when the authorities of `SSL_CERT_FILE` cannot be used.
    pub fn new() -> Result<Self, SetupError> {
        let inner = transport::client(Limits {
            connect: CONNECT_TIMEOUT,
            idle: POOL_IDLE_TIMEOUT,
        })?;
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

    /// Makes one attempt and reads the whole answer, whatever its status. A name and a password in the address are not
    /// sent.
    ///
    /// # Errors
    ///
    /// [`Failure`] says whether the request may have been carried out.
    pub async fn send(&self, request: Request) -> Result<Response, Failure> {
        let started = Instant::now();
        let host = request.url.host_str().unwrap_or_default().to_owned();
        let timeout = request.timeout.unwrap_or(self.timeout);
        let limit = request.body_limit;
        let bytes = request.url.as_str().len();
        let mut message = match message(request) {
            Ok(message) => message,
            Err(error) => {
                let source = Box::new(error);
                return Err(Failure::Unsendable {
                    host,
                    bytes,
                    source,
                });
            }
        };
        // Known once there is a connection, just before the request is written.
        let connection = capture_connection(&mut message);
        // Known as soon as the answer begins, also when its body never ends.
        let mut status = None;
        let ended = tokio::time::timeout(timeout, self.attempt(message, limit, &mut status))
            .await
            .unwrap_or_else(|_| Err(Box::new(TimeOver)));
        match ended {
            Ok((head, Some(body))) => Ok(Response {
                status: head.status.as_u16(),
                headers: head.headers,
                body,
            }),
            Ok((head, None)) => Err(Failure::TooLarge {
                host,
                status: head.status.as_u16(),
                limit,
            }),
            Err(source) if connection.connection_metadata().is_none() => {
                Err(Failure::NotSent { host, source })
            }
            Err(source) => Err(Failure::Interrupted {
                host,
                after: started.elapsed(),
                status,
                source,
            }),
        }
    }

    /// The answer's head, and its body unless that is too long.
    async fn attempt(
        &self,
        message: http::Request<Full<Bytes>>,
        limit: usize,
        status: &mut Option<u16>,
    ) -> Result<(Parts, Option<Bytes>), Cause> {
        let answer = self.inner.request(message).await?;
        let (head, body) = answer.into_parts();
        *status = Some(head.status.as_u16());
        let body = read(body, limit).await?;
        Ok((head, body))
    }
}

/// The request as it is written. hyper adds `host` and `content-length` to it.
fn message(request: Request) -> Result<http::Request<Full<Bytes>>, http::Error> {
    let mut message = http::Request::builder()
        .method(request.method)
        .uri(uri(&request.url)?)
        .body(Full::new(request.body))?;
    *message.headers_mut() = request.headers;
    message.headers_mut().entry(USER_AGENT).or_insert(PRODUCT);
    Ok(message)
}

/// The address without user, password and fragment.
fn uri(url: &Url) -> Result<Uri, http::Error> {
    Uri::builder()
        .scheme(url.scheme())
        .authority(&url[Position::BeforeHost..Position::AfterPort])
        .path_and_query(&url[Position::BeforePath..Position::AfterQuery])
        .build()
}

/// The body, or `None` when it is too long. What is left of it is not read.
async fn read<B: BodyExt<Data = Bytes> + Unpin>(
    mut answer: B,
    limit: usize,
) -> Result<Option<Bytes>, B::Error> {
    // Of what follows: an answer without a body may name a length all the same.
    let announced = answer.size_hint().exact();
    let announced = announced.map(|length| usize::try_from(length).unwrap_or(usize::MAX));
    if announced.is_some_and(|length| length > limit) {
        return Ok(None);
    }
    let mut body = BytesMut::with_capacity(announced.unwrap_or_default());
    while let Some(frame) = answer.frame().await {
        // What is no data is a trailer.
        let Ok(chunk) = frame?.into_data() else {
            continue;
        };
        if body.len() + chunk.len() > limit {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body.freeze()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_keeps_what_is_meant_for_the_server() {
        for (url, expected) in [
            (
                "https://user:pw@example.com/a?b=c#d",
                "https://example.com/a?b=c",
            ),
            ("https://example.com:443", "https://example.com/"),
            ("http://user@[::1]:8080/a%2Fb", "http://[::1]:8080/a%2Fb"),
            ("https://example.com/?", "https://example.com/?"),
        ] {
            let uri = uri(&Url::parse(url).unwrap()).unwrap();
            assert_eq!(uri.to_string(), expected);
        }
    }
}
