//! Refusals, as problem details.
//!
//! Source: RFC 9457

use serde_json::{Value, json};

/// Why a request is not taken. Each is a stable URI for the sender and a stable word in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProblemKind {
    /// No such endpoint.
    EndpointUnknown,
    /// The endpoint is switched off.
    EndpointDisabled,
    /// Not POST. The text is what is allowed.
    MethodNotAllowed(&'static str),
    /// The body, or an event made of it, is too large.
    TooLarge,
    /// A content type that this endpoint does not read. The text lists those that it does.
    UnsupportedContentType(&'static str),
    /// Not verified. One answer for every reason: the reason is in the log.
    Unverified,
    /// The body is not what its content type says.
    Unreadable,
    /// JSON that is nested too deeply.
    TooDeep,
    /// A field is missing or has a value that an event cannot have.
    InvalidField,
    /// A type or source that only this product itself may use.
    Reserved,
    /// The sender encrypts what it sends.
    Encrypted,
    /// Something that the request needs did not answer.
    Unavailable,
    /// The endpoint's own definition or secret is unusable. For the sender the same as unavailable.
    Misconfigured,
}

impl ProblemKind {
    /// The HTTP status.
    pub fn status(self) -> u16 {
        match self {
            Self::Unreadable
            | Self::TooDeep
            | Self::InvalidField
            | Self::Reserved
            | Self::Encrypted => 400,
            Self::Unverified => 401,
            Self::EndpointUnknown => 404,
            Self::MethodNotAllowed(_) => 405,
            Self::EndpointDisabled => 410,
            Self::TooLarge => 413,
            Self::UnsupportedContentType(_) => 415,
            Self::Unavailable | Self::Misconfigured => 503,
        }
    }

    /// The last part of the problem's type.
    pub fn slug(self) -> &'static str {
        match self {
            Self::EndpointUnknown => "endpoint-unknown",
            Self::EndpointDisabled => "endpoint-disabled",
            Self::MethodNotAllowed(_) => "method-not-allowed",
            Self::TooLarge => "too-large",
            Self::UnsupportedContentType(_) => "content-type-unsupported",
            Self::Unverified => "signature-invalid",
            Self::Unreadable => "body-unreadable",
            Self::TooDeep => "body-too-deep",
            Self::InvalidField => "field-invalid",
            Self::Reserved => "reserved",
            Self::Encrypted => "encryption-unsupported",
            Self::Unavailable | Self::Misconfigured => "unavailable",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::EndpointUnknown => "Unknown endpoint",
            Self::EndpointDisabled => "Endpoint switched off",
            Self::MethodNotAllowed(_) => "Method not allowed",
            Self::TooLarge => "Too large",
            Self::UnsupportedContentType(_) => "Unsupported content type",
            Self::Unverified => "Request not verified",
            Self::Unreadable => "Unreadable body",
            Self::TooDeep => "Body nested too deeply",
            Self::InvalidField => "Invalid field",
            Self::Reserved => "Reserved type or source",
            Self::Encrypted => "Encryption not supported",
            Self::Unavailable | Self::Misconfigured => "Temporarily unavailable",
        }
    }
}

/// A refusal: what the sender is told, and what only the log is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Which problem.
    pub kind: ProblemKind,
    /// What the sender can do. Holds nothing of the body but names of fields.
    pub detail: String,
    /// For the log: holds no secret, and nothing of the body.
    pub reason: Option<String>,
    secret_may_have_changed: bool,
}

impl Problem {
    /// A problem of which the sender is told everything.
    pub fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self {
            kind,
            reason: Some(detail.clone()),
            detail,
            secret_may_have_changed: false,
        }
    }

    /// A field of the body or of the headers breaks its rule.
    pub fn field(name: &str, expected: &str) -> Self {
        Self::new(
            ProblemKind::InvalidField,
            format!("{name}: expected {expected}"),
        )
    }

    /// Not verified, for a reason that only the log is told.
    pub fn unverified(reason: String) -> Self {
        Self {
            kind: ProblemKind::Unverified,
            detail: "the request could not be verified: check the secret, the signature's headers or fields, and the clock".to_owned(),
            reason: Some(reason),
            secret_may_have_changed: true,
        }
    }

    /// Nothing can be verified with the secret that is stored.
    pub fn unusable_secret(reason: String) -> Self {
        Self {
            secret_may_have_changed: true,
            ..Self::misconfigured(reason)
        }
    }

    /// Something did not answer.
    pub fn unavailable(reason: String) -> Self {
        Self {
            kind: ProblemKind::Unavailable,
            detail: "nothing was taken: send the same request again after the time in Retry-After"
                .to_owned(),
            reason: Some(reason),
            secret_may_have_changed: false,
        }
    }

    /// Somebody must mend the endpoint. The sender is asked to come back, so that nothing is lost meanwhile.
    pub fn misconfigured(reason: String) -> Self {
        Self {
            kind: ProblemKind::Misconfigured,
            ..Self::unavailable(reason)
        }
    }

    /// The same problem, of one part of the request.
    pub(crate) fn within(self, part: &str) -> Self {
        Self {
            detail: format!("{part}: {}", self.detail),
            reason: self.reason.map(|reason| format!("{part}: {reason}")),
            ..self
        }
    }

    /// Whether reading the secret again could change the outcome.
    pub fn may_be_a_changed_secret(&self) -> bool {
        self.secret_may_have_changed
    }

    /// The body of the answer.
    pub fn body(&self, endpoint: &str) -> Value {
        json!({
            "type": format!("/problems/{}", self.kind.slug()),
            "title": self.kind.title(),
            "status": self.kind.status(),
            "detail": self.detail,
            "endpoint": endpoint,
        })
    }

    /// The headers of the answer, beside the content type.
    pub fn headers(&self) -> Vec<(http::HeaderName, &'static str)> {
        match self.kind {
            ProblemKind::MethodNotAllowed(allowed) => vec![(http::header::ALLOW, allowed)],
            ProblemKind::UnsupportedContentType(accepted) => vec![(http::header::ACCEPT, accepted)],
            // Zendesk repeats a request only after a 503 that says when, within a minute.
            // <https://developer.zendesk.com/documentation/webhooks/creating-and-monitoring-webhooks/>
            ProblemKind::Unavailable | ProblemKind::Misconfigured => {
                vec![(http::header::RETRY_AFTER, "5")]
            }
            ProblemKind::EndpointUnknown
            | ProblemKind::EndpointDisabled
            | ProblemKind::TooLarge
            | ProblemKind::Unverified
            | ProblemKind::Unreadable
            | ProblemKind::TooDeep
            | ProblemKind::InvalidField
            | ProblemKind::Reserved
            | ProblemKind::Encrypted => Vec::new(),
        }
    }
}
