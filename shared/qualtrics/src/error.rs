//! Why a call failed, in words for whoever is woken by it, and what to do about it.

use std::fmt;
use std::time::Duration;

use retry::Disposition;
use serde_json::{Map, Value};
use vendor_http::{Call, Failure, Response, UnusableToken};

/// Longest passage of the vendor's own words that is repeated, in characters.
const LONGEST_WORDS: usize = 300;
/// Limits are counted by the minute; an answer that names no delay is not taken for "at once".
const LEAST_DELAY: Duration = Duration::from_secs(10);
/// How often to look whether somebody has mended the account: as often as a broken account is looked at.
const LOOK_EVERY: Duration = Duration::from_mins(20);
/// No credentials arrived.
const NO_CREDENTIALS: &str = "ATP_2";
/// The token is not known here.
const UNKNOWN_TOKEN: &str = "DCD_7";
/// The token is good, but brand or user has no access to the API, or to this part of it.
const NO_API: &str = "AuthZ_2.0";

/// What was attempted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Reading a response.
    GetResponse,
    /// Reading a survey.
    GetSurvey,
    /// Asking who the credentials belong to.
    WhoAmI,
    /// Listing surveys.
    ListSurveys,
}

/// A failed call. Its text holds neither credentials nor anything of a response.
#[derive(Debug)]
pub struct Error {
    /// What was attempted.
    pub operation: Operation,
    /// What went wrong.
    pub kind: ErrorKind,
    /// The call; `None` when none was made.
    pub call: Option<Box<Call>>,
}

/// What went wrong.
#[derive(Debug)]
pub enum ErrorKind {
    /// The token does not fit a header; no call was made.
    Token(UnusableToken),
    /// There is no usable answer.
    NoAnswer(Failure),
    /// Qualtrics, or something before it, answered with another status than success.
    Refused {
        /// The HTTP status.
        status: u16,
        /// What the answer says.
        words: Words,
        /// The delay that the answer asks for.
        retry_after: Option<Duration>,
    },
    /// A success without the data it should bring.
    Unexpected {
        /// What is wrong with the answer.
        what: &'static str,
        /// The title, when the answer is a web page.
        page: Option<String>,
    },
}

/// The vendor's own words, from any of the shapes that its errors have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Words {
    /// The error code, such as `GSI_2`.
    pub code: Option<String>,
    /// The message, or a page's title.
    pub message: Option<String>,
}

impl Error {
    /// What to do. Exhaustive on purpose: a new kind must choose. All calls read, so any may be repeated.
    ///
    /// A response that is not found is `Retry`: it may be readable some seconds after it was notified. How long that is
    /// worth while is the caller's to decide ([`Error::is_absent`]).
    ///
    /// What refuses the account rather than the call is `Wait`: nobody sends the notification again, and the same call
    /// succeeds once somebody has put another token or shared the survey.
    pub fn disposition(&self) -> Disposition {
        match &self.kind {
            ErrorKind::Token(_) => Disposition::Wait { every: LOOK_EVERY },
            ErrorKind::NoAnswer(Failure::Unsendable { .. }) => Disposition::GiveUp,
            ErrorKind::NoAnswer(Failure::NotSent { .. } | Failure::Interrupted { .. })
            // A page of a gateway with the status 200 goes away.
            | ErrorKind::Unexpected { .. } => Disposition::RETRY,
            ErrorKind::NoAnswer(Failure::TooLarge { status, .. }) => {
                if (200..300).contains(status) {
                    // It stays as long as it is.
                    Disposition::GiveUp
                } else {
                    self.after_status(*status, None)
                }
            }
            ErrorKind::Refused {
                status,
                retry_after,
                ..
            } => self.after_status(*status, *retry_after),
        }
    }

    /// True when the credentials were not accepted: get others once, then the account is broken.
    pub fn is_unauthorized(&self) -> bool {
        self.status() == Some(401)
    }

    /// True when more calls were made than the brand may make in a minute.
    pub fn is_limited(&self) -> bool {
        self.status() == Some(429)
    }

    /// True when there is no such thing, or not yet, or not for this user.
    pub fn is_absent(&self) -> bool {
        self.status() == Some(404)
    }

    /// True when the credentials are good, but not for this.
    pub fn is_forbidden(&self) -> bool {
        self.status() == Some(403)
    }

    /// The answer's HTTP status, if there was an answer.
    pub fn status(&self) -> Option<u16> {
        self.call.as_ref().and_then(|call| call.status)
    }

    /// The error codes and statuses as recorded in traffic; a code comes with different statuses over the years, so the
    /// status decides. See also "API Limits" at <https://api.qualtrics.com/>.
    fn after_status(&self, status: u16, retry_after: Option<Duration>) -> Disposition {
        match status {
            // The token, the user's rights or the data centre: somebody can mend it.
            401 | 403 | 300..400 => Disposition::Wait { every: LOOK_EVERY },
            400 if self.code() == Some(NO_CREDENTIALS) => Disposition::Wait { every: LOOK_EVERY },
            429 => Disposition::Retry {
                after: Some(retry_after.unwrap_or_default().max(LEAST_DELAY)),
            },
            408 | 425 | 500..=599 => Disposition::Retry { after: retry_after },
            404 => match self.operation {
                Operation::GetResponse => Disposition::RETRY,
                Operation::GetSurvey | Operation::WhoAmI | Operation::ListSurveys => {
                    Disposition::GiveUp
                }
            },
            _ => Disposition::GiveUp,
        }
    }

    fn code(&self) -> Option<&str> {
        match &self.kind {
            ErrorKind::Refused { words, .. } => words.code.as_deref(),
            ErrorKind::Token(_) | ErrorKind::NoAnswer(_) | ErrorKind::Unexpected { .. } => None,
        }
    }

    /// What the vendor's words leave unsaid: what to do.
    fn advice(&self) -> Option<&'static str> {
        let ErrorKind::Refused { status, .. } = &self.kind else {
            return None;
        };
        let code = self.code();
        Some(match status {
            400 if code == Some(NO_CREDENTIALS) => {
                "no credentials arrived: put the account's token or client secret again"
            }
            401 if code == Some(UNKNOWN_TOKEN) => {
                "the token is not known in this data centre: it was replaced by a newer one, or the account's instance is \
                 not the brand's data centre (Account Settings, Qualtrics IDs)"
            }
            401 => "the credentials were not accepted",
            403 if code == Some(NO_API) => {
                "the credentials are good, but the brand or the user has no access to the API: a brand administrator \
                 can allow it"
            }
            403 => {
                "the user may not read this: share the survey with the user (one by one, not by a group), or use \
                 a brand administrator's account"
            }
            404 if self.operation == Operation::GetResponse => {
                "there is no such response, or the user may not see the survey"
            }
            300..400 => "redirected; is the data centre right?",
            _ => return None,
        })
    }
}

impl Words {
    /// Reads whatever an answer that is no success says: `meta.error`, the older shape with everything in `meta`, or a
    /// gateway's page. `secret` is taken out, should it be quoted.
    pub(crate) fn of(response: &Response, secret: &str) -> Self {
        let Ok(Value::Object(body)) = response.json() else {
            return Self {
                code: None,
                message: response.page_title().and_then(|title| tidy(&title, secret)),
            };
        };
        let Some(meta) = body.get("meta").and_then(Value::as_object) else {
            return Self::default();
        };
        let error = meta.get("error").and_then(Value::as_object);
        let first = |names: &[&str]| {
            [error, Some(meta)]
                .into_iter()
                .flatten()
                .find_map(|words| first_text(words, names, secret))
        };
        Self {
            code: first(&["errorCode", "internalErrorCode", "qualtricsErrorCode"]),
            message: first(&["errorMessage"]),
        }
    }
}

fn first_text(words: &Map<String, Value>, names: &[&str], secret: &str) -> Option<String> {
    names
        .iter()
        .find_map(|name| tidy(words.get(*name)?.as_str()?, secret))
}

/// One line of limited length.
pub(crate) fn tidy(text: &str, secret: &str) -> Option<String> {
    let text = if secret.is_empty() {
        text.to_owned()
    } else {
        text.replace(secret, "…")
    };
    let words: Vec<&str> = text.split_whitespace().collect();
    let text: String = words.join(" ").chars().take(LONGEST_WORDS).collect();
    (!text.is_empty()).then_some(text)
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::GetResponse => "read the response",
            Self::GetSurvey => "read the survey",
            Self::WhoAmI => "ask whose credentials these are",
            Self::ListSurveys => "list the surveys",
        })
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Token(error) => write!(f, "{error}"),
            // The cause is told as the source.
            Self::NoAnswer(failure) => write!(f, "{failure}"),
            Self::Refused { status, words, .. } => write!(f, "HTTP {status}{words}"),
            Self::Unexpected { what, page } => {
                f.write_str(what)?;
                if let Some(page) = page {
                    write!(f, ": {page}")?;
                }
                Ok(())
            }
        }
    }
}

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for words in [&self.code, &self.message].into_iter().flatten() {
            write!(f, ": {words}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "could not {}: {}", self.operation, self.kind)?;
        if let Some(advice) = self.advice() {
            write!(f, " ({advice})")?;
        }
        if let Some(id) = self.call.as_ref().and_then(|call| call.request_id.as_ref()) {
            write!(f, ", request id {id}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.kind {
            ErrorKind::NoAnswer(failure) => failure.source(),
            ErrorKind::Token(_) | ErrorKind::Refused { .. } | ErrorKind::Unexpected { .. } => None,
        }
    }
}
