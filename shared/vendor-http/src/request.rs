//! What is sent.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use url::Url;

use crate::BODY_LIMIT;

/// One request. Its `Debug` shows neither the query nor header values nor the body.
#[derive(Clone)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The whole address.
    pub url: Url,
    /// Headers beside those that HTTP itself needs.
    pub headers: HeaderMap,
    /// The body, sent byte for byte.
    pub body: Bytes,
    /// How long the whole call may last; the client's own timeout when `None`.
    pub timeout: Option<Duration>,
    /// Longest body that its answer may have, in bytes.
    pub body_limit: usize,
}

impl Request {
    /// A request without a body that accepts JSON.
    pub fn new(method: Method, url: Url) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        Self {
            method,
            url,
            headers,
            body: Bytes::new(),
            timeout: None,
            body_limit: BODY_LIMIT,
        }
    }

    /// Sends these bytes of JSON.
    #[must_use]
    pub fn json(self, body: impl Into<Bytes>) -> Self {
        self.body_of("application/json", body.into())
    }

    /// Sends these bytes of an HTML form, already encoded.
    #[must_use]
    pub fn form(self, body: impl Into<Bytes>) -> Self {
        self.body_of("application/x-www-form-urlencoded", body.into())
    }

    /// Sets a header, replacing one of the same name.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// Sets the `Authorization` header.
    #[must_use]
    pub fn authorization(self, value: HeaderValue) -> Self {
        self.header(AUTHORIZATION, value)
    }

    /// Limits how long the whole call may last.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Allows the answer a body of so many bytes, instead of [`BODY_LIMIT`].
    #[must_use]
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.body_limit = bytes;
        self
    }

    fn body_of(self, content_type: &'static str, body: Bytes) -> Self {
        let mut request = self.header(CONTENT_TYPE, HeaderValue::from_static(content_type));
        request.body = body;
        request
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("host", &self.url.host_str())
            .field("path", &self.url.path())
            .field("headers", &self.headers.keys().collect::<Vec<_>>())
            .field("body_bytes", &self.body.len())
            .field("timeout", &self.timeout)
            .field("body_limit", &self.body_limit)
            .finish()
    }
}
