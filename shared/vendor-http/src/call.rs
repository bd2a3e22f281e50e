//! What can be told about a call without telling any secret or any text of a person.

use std::fmt;

use http::Method;

use crate::{Failure, Request, Response};

/// One HTTP call as it is recorded: no credentials, no query, no bodies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The method.
    pub method: Method,
    /// The path on the vendor's host.
    pub path: String,
    /// The answer's status, if there was an answer.
    pub status: Option<u16>,
    /// The vendor's own id of the call, for its support.
    pub request_id: Option<String>,
}

impl Call {
    /// A call that has not been answered yet.
    pub fn new(request: &Request) -> Self {
        Self {
            method: request.method.clone(),
            path: request.url.path().to_owned(),
            status: None,
            request_id: None,
        }
    }

    /// Adds what the answer tells; `id_header` is where the vendor puts its id of the call.
    #[must_use]
    pub fn answered(self, response: &Response, id_header: &str) -> Self {
        Self {
            status: Some(response.status),
            request_id: response.header(id_header).map(str::to_owned),
            ..self
        }
    }

    /// Adds the status of an answer that broke off.
    #[must_use]
    pub fn failed(self, failure: &Failure) -> Self {
        Self {
            status: failure.status(),
            ..self
        }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)?;
        if let Some(status) = self.status {
            write!(f, " answered {status}")?;
        }
        if let Some(id) = &self.request_id {
            write!(f, ", request id {id}")?;
        }
        Ok(())
    }
}

/// What a vendor answered, and the call that it answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer<T> {
    /// The answer's meaning.
    pub value: T,
    /// The call, for the record.
    pub call: Call,
}

impl<T> Answer<T> {
    /// The same call with another meaning.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Answer<U> {
        Answer {
            value: f(self.value),
            call: self.call,
        }
    }
}
