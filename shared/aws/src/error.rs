use std::fmt;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// A call that did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// AWS answered that it did not do it.
    #[error("{0}")]
    Refused(Box<Refusal>),
    /// No connection came to stand: nothing was sent.
    #[error("{operation}: no connection to AWS")]
    NotSent {
        /// The operation, such as `PutItem`.
        operation: &'static str,
        /// The cause.
        #[source]
        source: hyper_util::client::legacy::Error,
    },
    /// The connection broke: it may have been done.
    #[error("{operation}: the connection to AWS broke")]
    Interrupted {
        /// The operation.
        operation: &'static str,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// AWS did not answer in time: it may have been done.
    #[error("{operation}: AWS did not answer in time")]
    TimedOut {
        /// The operation.
        operation: &'static str,
    },
    /// It was done, but the answer is not as AWS documents it.
    #[error("{operation}: the answer of AWS cannot be read")]
    Unreadable {
        /// The operation.
        operation: &'static str,
        /// The cause.
        #[source]
        source: serde_json::Error,
    },
    /// The request could not be written or signed: nothing was sent.
    #[error("{operation}: the request cannot be made")]
    Unsendable {
        /// The operation.
        operation: &'static str,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Error {
    /// What AWS says, when it is AWS that refused.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            Self::NotSent { .. }
            | Self::Interrupted { .. }
            | Self::TimedOut { .. }
            | Self::Unreadable { .. }
            | Self::Unsendable { .. } => None,
        }
    }

    /// AWS's name for it, such as `ResourceNotFoundException`; `unnamed` when it refused without one. `None` when it did
    /// not answer.
    pub fn code(&self) -> Option<&str> {
        self.refusal().map(|refusal| match refusal.code() {
            "" => "unnamed",
            code => code,
        })
    }

    /// Whether AWS refused with this code.
    pub fn is(&self, code: &str) -> bool {
        self.code() == Some(code)
    }

    /// Whether the same call may succeed a moment later.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Refused(refusal) => refusal.is_transient(),
            Self::NotSent { .. } | Self::Interrupted { .. } | Self::TimedOut { .. } => true,
            Self::Unreadable { .. } | Self::Unsendable { .. } => false,
        }
    }
}

/// What AWS said when it did not do it. Its `Debug` does not show the body, which may hold a row.
pub struct Refusal {
    pub(crate) operation: &'static str,
    pub(crate) status: u16,
    pub(crate) code: String,
    pub(crate) message: Option<String>,
    pub(crate) body: Bytes,
}

impl Refusal {
    pub(crate) fn read(
        operation: &'static str,
        status: u16,
        error_type: Option<&str>,
        body: Bytes,
    ) -> Self {
        let words: Value = serde_json::from_slice(&body).unwrap_or_default();
        let text = |name: &str| words.get(name).and_then(Value::as_str);
        let code = [error_type, text("__type"), text("code")]
            .into_iter()
            .flatten()
            .map(short)
            .find(|code| !code.is_empty());
        Self {
            operation,
            status,
            code: code.unwrap_or_default().to_owned(),
            message: text("message").or(text("Message")).map(str::to_owned),
            body,
        }
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// AWS's name for it; empty when there is none.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// AWS's own words.
    pub fn message(&self) -> Option<&str> {
        self.message.as_deref()
    }

    /// What else the answer holds.
    pub(crate) fn details<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_slice(&self.body).ok()
    }

    /// Source: <https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html>
    fn is_transient(&self) -> bool {
        matches!(self.status, 429 | 500 | 502 | 503 | 504)
            || matches!(
                self.code.as_str(),
                "BandwidthLimitExceeded"
                    | "InternalError"
                    | "InternalServerError"
                    | "PriorRequestNotComplete"
                    | "ProvisionedThroughputExceededException"
                    | "RequestLimitExceeded"
                    | "RequestThrottled"
                    | "RequestThrottledException"
                    | "RequestTimeout"
                    | "RequestTimeoutException"
                    | "SlowDown"
                    | "Throttling"
                    | "ThrottledException"
                    | "ThrottlingException"
                    | "TooManyRequestsException"
                    | "TransactionInProgressException"
            )
    }
}

/// `com.amazonaws.dynamodb.v20120810#ThrottlingException:http://...` is `ThrottlingException`.
fn short(code: &str) -> &str {
    let code = code.split(':').next().unwrap_or_default();
    code.rsplit('#').next().unwrap_or_default()
}

impl fmt::Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refusal")
            .field("operation", &self.operation)
            .field("status", &self.status)
            .field("code", &self.code)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = if self.code.is_empty() {
            "an unnamed error"
        } else {
            &self.code
        };
        write!(
            f,
            "{} was refused with {code} (status {})",
            self.operation, self.status
        )?;
        match &self.message {
            Some(message) => write!(f, ": {message}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(error_type: Option<&str>, body: &'static str) -> Refusal {
        Refusal::read(
            "PutItem",
            400,
            error_type,
            Bytes::from_static(body.as_bytes()),
        )
    }

    #[test]
    fn code_is_found_wherever_a_service_puts_it() {
        for (header, body, code) in [
            (
                None,
                r#"{"__type":"com.amazonaws.dynamodb.v20120810#ThrottlingException","message":"slow"}"#,
                "ThrottlingException",
            ),
            (
                Some("ConflictException:http://internal.amazon.com/x/"),
                r#"{"Message":"slow"}"#,
                "ConflictException",
            ),
            (
                None,
                r#"{"code":"AccessDenied","message":"slow"}"#,
                "AccessDenied",
            ),
        ] {
            let refusal = refusal(header, body);
            assert_eq!((refusal.code(), refusal.message()), (code, Some("slow")));
        }
        let html = refusal(None, "<html>");
        assert_eq!((html.code(), html.message()), ("", None));
        assert!(html.to_string().contains("an unnamed error"), "{html}");
        let error = Error::Refused(Box::new(html));
        assert_eq!(error.code(), Some("unnamed"));
    }

    #[test]
    fn rows_in_an_answer_are_not_shown() {
        let error = Error::Refused(Box::new(refusal(
            Some("ConditionalCheckFailedException"),
            r#"{"message":"The conditional request failed","Item":{"mail":{"S":"dot@example.com"}}}"#,
        )));
        assert!(!format!("{error:?} {error}").contains("dot@"), "{error:?}");
        assert!(error.is("ConditionalCheckFailedException") && !error.is_transient());
    }
}
