//! One request to a vendor and the answer to it, free of any HTTP library's types.

use axum::http::HeaderMap;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

/// A request below a vendor's host.
pub(crate) struct VendorRequest {
    pub(crate) method: String,
    /// As sent, without the part that selects vendor and instance.
    pub(crate) path: String,
    pub(crate) raw_query: String,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
    /// What the vendor works on; a `keep` fault may have altered it. `None` when the text is no JSON.
    pub(crate) body: Option<Value>,
    /// The instance's clock.
    pub(crate) now: Timestamp,
    /// The vendor's own host in links.
    pub(crate) instance_url: String,
    /// Counts requests of the instance from 1.
    pub(crate) serial: u64,
}

impl VendorRequest {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .map(str::trim)
    }

    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn flag(&self, name: &str) -> bool {
        self.parameter(name) == Some("true")
    }

    /// Path segments, percent-decoded.
    pub(crate) fn segments(&self) -> Vec<String> {
        self.path
            .split('/')
            .filter(|segment| !segment.is_empty())
            .map(|segment| {
                percent_encoding::percent_decode_str(segment)
                    .decode_utf8_lossy()
                    .into_owned()
            })
            .collect()
    }
}

/// What the vendor says.
#[derive(Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Body,
}

#[derive(Clone)]
pub(crate) enum Body {
    Empty,
    Json(Value),
    Text {
        content_type: &'static str,
        text: String,
    },
}

impl Answer {
    pub(crate) fn empty(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Body::Empty,
        }
    }

    pub(crate) fn json(status: u16, body: impl Serialize) -> Self {
        // Only maps with keys that are no strings fail here, and no answer has one.
        let body = serde_json::to_value(body).unwrap_or(Value::Null);
        Self {
            status,
            headers: Vec::new(),
            body: Body::Json(body),
        }
    }

    pub(crate) fn html(status: u16, text: &str) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Body::Text {
                content_type: "text/html;charset=UTF-8",
                text: text.to_owned(),
            },
        }
    }

    pub(crate) fn text(status: u16, text: &str) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Body::Text {
                content_type: "text/plain;charset=UTF-8",
                text: text.to_owned(),
            },
        }
    }

    pub(crate) fn with_header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }
}
