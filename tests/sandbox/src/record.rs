//! What was asked of an instance.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::exchange::VendorRequest;

/// One request to a vendor, with credentials left out: those of OAuth's endpoints read `hidden`.
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
    /// The body as sent, to compare repeated requests byte for byte; with hidden secrets at OAuth's endpoints.
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
        let mut query = request.query.clone();
        let mut text = request.text.clone();
        let mut body = match &request.body {
            Some(body) => body.clone(),
            None if request.text.is_empty() => Value::Null,
            None => Value::String(request.text.clone()),
        };
        if request.path.contains("oauth") {
            hide_pairs(&mut query);
            (body, text) = without_secrets(body, &text);
        }
        Self {
            id: request.serial,
            at: Timestamp::now(),
            method: request.method.clone(),
            path: request.path.clone(),
            query,
            headers,
            sent_cookie: request.headers.contains_key("cookie"),
            body,
            text,
            user,
            status: None,
            peer_port,
        }
    }
}

/// Parameters of OAuth's endpoints that nobody else may read.
const SECRETS: [&str; 6] = [
    "client_secret",
    "code",
    "code_verifier",
    "password",
    "refresh_token",
    "token",
];
const HIDDEN: &str = "hidden";

fn hide_pairs(pairs: &mut [(String, String)]) {
    for (name, value) in pairs {
        if SECRETS.contains(&name.as_str()) {
            HIDDEN.clone_into(value);
        }
    }
}

/// The body of a request for a token, and its text; what was sent as a secret can still be seen to have been sent.
fn without_secrets(mut body: Value, text: &str) -> (Value, String) {
    if let Some(fields) = body.as_object_mut() {
        for (name, value) in fields {
            if SECRETS.contains(&name.as_str()) {
                *value = Value::from(HIDDEN);
            }
        }
        let text = body.to_string();
        return (body, text);
    }
    let mut pairs: Vec<(String, String)> = form_urlencoded::parse(text.as_bytes())
        .into_owned()
        .collect();
    hide_pairs(&mut pairs);
    let text: String = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish();
    let body = if text.is_empty() {
        Value::Null
    } else {
        Value::String(text.clone())
    };
    (body, text)
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
