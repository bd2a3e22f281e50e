//! What was asked of an instance.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::exchange::VendorRequest;

/// One request to a vendor, with credentials left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecordedRequest {
    /// Counts the instance's requests from 1.
    pub id: u64,
    /// When it arrived, by the machine's clock.
    pub at: Timestamp,
    /// HTTP method.
    pub method: String,
    /// After the instance's name, as sent.
    pub path: String,
    /// Decoded, in the order sent.
    pub query: Vec<(String, String)>,
    /// Accept, Content-Type, User-Agent and the vendors' own request headers, names in lower case.
    pub headers: BTreeMap<String, String>,
    /// Whether the client sent a `Cookie` header.
    pub sent_cookie: bool,
    /// The body when it is JSON, else its text as a string, or `null` without a body.
    pub body: Value,
    /// The body as sent, to compare repeated requests byte for byte.
    pub text: String,
    /// Who was recognised by the credentials.
    pub user: Option<String>,
    /// `null` while the request is held or delayed, and for ever when the connection was closed instead.
    pub status: Option<u16>,
    /// TCP port at the client's end.
    pub peer_port: u16,
}

const HEADERS: [&str; 6] = [
    "accept",
    "content-type",
    "user-agent",
    "idempotency-key",
    "x-http-method-override",
    "x-no-response-body",
];

impl RecordedRequest {
    pub(crate) fn new(request: &VendorRequest, user: Option<String>, peer_port: u16) -> Self {
        let headers = HEADERS
            .into_iter()
            .filter_map(|name| Some((name.to_owned(), request.header(name)?.to_owned())))
            .collect();
        let body = match &request.body {
            Some(body) => body.clone(),
            None if request.text.is_empty() => Value::Null,
            None => Value::String(request.text.clone()),
        };
        Self {
            id: request.serial,
            at: Timestamp::now(),
            method: request.method.clone(),
            path: request.path.clone(),
            query: request.query.clone(),
            headers,
            sent_cookie: request.headers.contains_key("cookie"),
            body,
            text: request.text.clone(),
            user,
            status: None,
            peer_port,
        }
    }
}

/// A request whose answer is being kept back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldRequest {
    /// The [`RecordedRequest::id`].
    pub id: u64,
    /// HTTP method.
    pub method: String,
    /// After the instance's name, as sent.
    pub path: String,
    /// TCP port at the client's end: finds the client's process.
    pub peer_port: u16,
    /// Whether the vendor has applied it already.
    pub applied: bool,
}
