//! Why a call failed, in words for whoever is woken by it, and what to do about it.

use std::fmt;
use std::time::Duration;

use retry::Disposition;
use serde_json::Value;
use vendor_http::{Call, Failure, Response, UnusableToken};

use crate::{InvalidInput, QueryText, RecordNumber, ReferenceKey, SysId, Table};

/// Longest passage of the vendor's own words that is repeated.
const LONGEST_WORDS: usize = 500;

/// What was attempted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Creating a record.
    Create,
    /// Changing a record.
    Update,
    /// Looking for records by correlation id.
    FindByCorrelationId,
    /// Looking for a record by its number.
    FindByNumber,
    /// Reading a record.
    Read,
    /// Reading what was appended to a record's journals.
    Journal,
    /// Looking for a person or a group.
    Resolve,
    /// Looking whether a table can be read.
    Verify,
}

/// A failed call.
#[derive(Debug)]
pub struct Error {
    /// What was attempted.
    pub operation: Operation,
    /// The table it was attempted on.
    pub table: Table,
    /// What went wrong.
    pub kind: ErrorKind,
    /// The call; `None` when none was made.
    pub call: Option<Box<Call>>,
}

/// What went wrong.
#[derive(Debug)]
pub enum ErrorKind {
    /// The input was refused here, before any call.
    Input(InvalidInput),
    /// The token does not fit a header; no call was made.
    Token(UnusableToken),
    /// There is no usable answer.
    NoAnswer(Failure),
    /// The instance, or something before it, answered with another status than success.
    Refused {
        /// The HTTP status.
        status: u16,
        /// The vendor's message, or the title of a page.
        message: Option<String>,
        /// The vendor's details, or what a header tells instead.
        detail: Option<String>,
        /// Whether the answer has the form of the instance's own errors, so that it comes from there.
        by_instance: bool,
        /// The delay that the answer asks for.
        retry_after: Option<Duration>,
    },
    /// The status is success, the body says failure. A cancelled transaction looks like this.
    FailedInside {
        /// The vendor's message.
        message: Option<String>,
        /// The vendor's details.
        detail: Option<String>,
    },
    /// A page for people instead of data: a sleeping developer instance, or single sign-on.
    Page {
        /// The page's title.
        title: Option<String>,
    },
    /// A success that is not the one documented for the call: another status, no record, another record.
    Unexpected {
        /// What is wrong with the answer.
        what: &'static str,
    },
    /// No record has that number, or the account may not read it.
    NotFound(RecordNumber),
    /// No record has that id, or the account may not see it.
    NoSuchRecord {
        /// The id.
        sys_id: SysId,
        /// What the instance says, message and details.
        words: Option<String>,
    },
    /// Several records have that number.
    Ambiguous(RecordNumber),
    /// Nobody and nothing active is found by that value.
    NoMatch {
        /// What was compared.
        key: ReferenceKey,
        /// With what.
        value: QueryText,
        /// Whether something inactive has it.
        inactive: bool,
    },
    /// Several active records are found by that value.
    SeveralMatch {
        /// What was compared.
        key: ReferenceKey,
        /// With what.
        value: QueryText,
    },
    /// What was found may be inactive: the account may not read the column `active`.
    PerhapsInactive {
        /// What was compared.
        key: ReferenceKey,
        /// With what.
        value: QueryText,
    },
    /// There is no instance, or none that is awake.
    NoInstance {
        /// Where it was looked for.
        address: String,
        /// What came instead.
        instead: Box<ErrorKind>,
    },
    /// The instance dropped the condition on that column and returned other rows. It does so when the
    /// table has no such column or the account may not read it.
    ConditionIgnored {
        /// The column of the condition.
        column: &'static str,
    },
}

/// How long a write without a clear answer is left alone before it is looked for. The instance may still
/// be at work on it, and a look that comes too early finds nothing and makes a second record.
const SETTLING: Duration = Duration::from_secs(30);

impl Operation {
    fn writes(self) -> bool {
        match self {
            Self::Create | Self::Update => true,
            Self::FindByCorrelationId
            | Self::FindByNumber
            | Self::Read
            | Self::Journal
            | Self::Resolve
            | Self::Verify => false,
        }
    }
}

impl Error {
    /// What to do. Exhaustive on purpose: a new kind must choose.
    ///
    /// The Table API has no idempotency key, so a write that may have happened is always looked up
    /// before it is sent again.
    pub fn disposition(&self) -> Disposition {
        self.disposition_of(&self.kind)
    }

    /// The same error, saying which record is not there.
    pub(crate) fn about(self, record: &SysId) -> Self {
        let ErrorKind::Refused {
            status: 404,
            message,
            detail,
            by_instance: true,
            ..
        } = &self.kind
        else {
            return self;
        };
        let words: Vec<&str> = [message, detail]
            .into_iter()
            .flatten()
            .map(String::as_str)
            .collect();
        let kind = ErrorKind::NoSuchRecord {
            sys_id: record.clone(),
            words: (!words.is_empty()).then(|| words.join(": ")),
        };
        Self { kind, ..self }
    }

    fn disposition_of(&self, kind: &ErrorKind) -> Disposition {
        match kind {
            ErrorKind::NoInstance { instead, .. } => self.disposition_of(instead),
            ErrorKind::NoAnswer(Failure::NotSent { .. }) => Disposition::RETRY,
            ErrorKind::NoAnswer(Failure::Interrupted { .. }) | ErrorKind::FailedInside { .. } => {
                self.unclear(None)
            }
            ErrorKind::NoAnswer(Failure::TooLarge { status, .. }) => {
                // Reading it again brings the same answer; a write may have been done all the same.
                if self.operation.writes() && (200..300).contains(status) {
                    self.unclear(None)
                } else if *status >= 300 {
                    self.after_status(*status, None)
                } else {
                    Disposition::GiveUp
                }
            }
            ErrorKind::Refused {
                status,
                retry_after,
                ..
            } => self.after_status(*status, *retry_after),
            // Pages for people come as 200, from something that never passed the request on.
            ErrorKind::Page { .. } if self.status() == Some(200) => Disposition::GiveUp,
            ErrorKind::Page { .. } | ErrorKind::Unexpected { .. } => {
                if self.operation.writes() {
                    self.unclear(None)
                } else {
                    Disposition::GiveUp
                }
            }
            ErrorKind::NoAnswer(Failure::Unsendable { .. })
            | ErrorKind::Input(_)
            | ErrorKind::Token(_)
            | ErrorKind::NotFound(_)
            | ErrorKind::NoSuchRecord { .. }
            | ErrorKind::Ambiguous(_)
            | ErrorKind::NoMatch { .. }
            | ErrorKind::SeveralMatch { .. }
            | ErrorKind::PerhapsInactive { .. }
            | ErrorKind::ConditionIgnored { .. } => Disposition::GiveUp,
        }
    }

    /// True when the credentials were not accepted: refresh them once, then the account is broken.
    pub fn is_unauthorized(&self) -> bool {
        self.status() == Some(401)
    }

    /// The answer's HTTP status, if there was an answer.
    pub fn status(&self) -> Option<u16> {
        self.call.as_ref().and_then(|call| call.status)
    }

    /// Whether a data policy of the table refused the write. Also true where the instance speaks another
    /// language, in which [`Error::mandatory_fields`] finds nothing.
    pub fn is_data_policy(&self) -> bool {
        const NAME: &str = "data policy";
        let ErrorKind::Refused {
            status: 403,
            message,
            detail,
            ..
        } = &self.kind
        else {
            return false;
        };
        [message, detail]
            .into_iter()
            .flatten()
            .any(|words| words.to_lowercase().contains(NAME))
    }

    /// The fields that the table's data policy demands, as labelled on the instance's form. Empty for
    /// other errors.
    pub fn mandatory_fields(&self) -> Vec<&str> {
        const PHRASE: &str = "fields are mandatory:";
        let ErrorKind::Refused {
            message, detail, ..
        } = &self.kind
        else {
            return Vec::new();
        };
        [detail, message]
            .into_iter()
            .flatten()
            .find_map(|words| words.split_once(PHRASE))
            .map(|(_, list)| list)
            .unwrap_or_default()
            .split(',')
            .map(|field| field.trim().trim_end_matches('.'))
            .filter(|field| !field.is_empty())
            .collect()
    }

    /// The meaning of a status that is no success.
    /// See [REST API HTTP response codes](https://www.servicenow.com/docs/bundle/australia-api-reference/page/integrate/inbound-rest/reference/r_RESTAPIHTTPResponseCodes.html).
    fn after_status(&self, status: u16, after: Option<Duration>) -> Disposition {
        match status {
            // A call over the rate limit is not executed.
            429 => Disposition::Retry { after },
            408 | 500..=599 => self.unclear(after),
            _ => Disposition::GiveUp,
        }
    }

    /// A write may have happened, a read can simply be repeated.
    fn unclear(&self, after: Option<Duration>) -> Disposition {
        if self.operation.writes() {
            Disposition::Reconcile {
                after: after.max(Some(SETTLING)),
            }
        } else {
            Disposition::Retry { after }
        }
    }
}

impl ErrorKind {
    /// Reads an answer whose status is no success, whatever its body looks like.
    pub(crate) fn refused(response: &Response) -> Self {
        let body = response.json().ok();
        let error = body.as_ref().and_then(|body| body.get("error"));
        let by_instance = error.is_some();
        let (message, mut detail) = error.map(words).unwrap_or_default();
        if response.header("x-mfa_token").is_some() {
            detail = Some(
                "the user has multi-factor authentication, which the API cannot use".to_owned(),
            );
        }
        Self::Refused {
            status: response.status,
            message: message.or_else(|| response.page_title()),
            detail,
            by_instance,
            retry_after: response.retry_after(),
        }
    }

    /// Reads an `error` inside a success.
    pub(crate) fn failed_inside(error: &Value) -> Self {
        let (message, detail) = words(error);
        Self::FailedInside { message, detail }
    }
}

/// Message and detail of the error envelope `{"error":{"message":...,"detail":...},"status":"failure"}`.
fn words(error: &Value) -> (Option<String>, Option<String>) {
    if let Some(message) = error.as_str() {
        return (tidy(message), None);
    }
    let part = |key| error.get(key).and_then(Value::as_str).and_then(tidy);
    (part("message"), part("detail"))
}

fn tidy(text: &str) -> Option<String> {
    let text: Vec<&str> = text.split_whitespace().collect();
    let text: String = text.join(" ").chars().take(LONGEST_WORDS).collect();
    (!text.is_empty()).then_some(text)
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Create => "create a record",
            Self::Update => "update a record",
            Self::FindByCorrelationId => "find a record by correlation id",
            Self::FindByNumber => "find a record by number",
            Self::Read => "read a record",
            Self::Journal => "read a record's journal",
            Self::Resolve => "look somebody up",
            Self::Verify => "read",
        })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "ServiceNow: could not {} in table {}: {}",
            self.operation, self.table, self.kind
        )?;
        if let Some(id) = self.call.as_ref().and_then(|call| call.request_id.as_ref()) {
            write!(f, " [transaction {id}]")?;
        }
        Ok(())
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Input(error) => error.fmt(f),
            Self::Token(error) => error.fmt(f),
            Self::NoAnswer(failure) => failure.fmt(f),
            Self::Refused {
                status,
                message,
                detail,
                ..
            } => {
                write!(f, "HTTP {status}")?;
                match status {
                    300..=399 => f.write_str(
                        ", redirected, probably to a login page; is the instance name right?",
                    )?,
                    401 => f.write_str(", the account's credentials were not accepted")?,
                    _ => {}
                }
                quote(f, message.as_deref(), detail.as_deref())
            }
            Self::FailedInside { message, detail } => {
                f.write_str("the answer reports a failure although its status is success")?;
                quote(f, message.as_deref(), detail.as_deref())
            }
            Self::Page { title } => {
                f.write_str(
                    "a web page came instead of data; the instance may be hibernating or behind single sign-on",
                )?;
                quote(f, title.as_deref(), None)
            }
            Self::Unexpected { what } => f.write_str(what),
            Self::NotFound(number) => write!(
                f,
                "no record has the number {number}, or the account may not read it"
            ),
            Self::NoSuchRecord { sys_id, words } => {
                write!(
                    f,
                    "no record has the sys_id {sys_id}, or the account may not see it"
                )?;
                quote(f, words.as_deref(), None)
            }
            Self::Ambiguous(number) => write!(f, "several records have the number {number}"),
            Self::NoMatch {
                key,
                value,
                inactive: false,
            } => {
                let column = key.column();
                write!(
                    f,
                    "no row has the `{column}` `{value}`, or the account may not read it"
                )?;
                match key {
                    ReferenceKey::UserEmail => Ok(()),
                    ReferenceKey::UserFullName
                    | ReferenceKey::UserName
                    | ReferenceKey::GroupName => f.write_str("; it is compared letter for letter"),
                }
            }
            Self::NoMatch {
                key,
                value,
                inactive: true,
            } => write!(
                f,
                "only what is inactive has the `{}` `{value}`, and nothing is assigned to that",
                key.column()
            ),
            Self::SeveralMatch { key, value } => write!(
                f,
                "several active rows have the `{}` `{value}`, and one is needed: give the `sys_id`",
                key.column()
            ),
            Self::PerhapsInactive { key, value } => write!(
                f,
                "the account may not read whether what has the `{}` `{value}` is active: give the `sys_id`",
                key.column()
            ),
            Self::NoInstance { address, instead } => write!(
                f,
                "there is no instance at {address}, or it sleeps: {instead}"
            ),
            Self::ConditionIgnored { column } => write!(
                f,
                "the condition on `{column}` was ignored; the table has no such column, or the account may not read it"
            ),
        }
    }
}

fn quote(f: &mut fmt::Formatter<'_>, message: Option<&str>, detail: Option<&str>) -> fmt::Result {
    for words in [message, detail].into_iter().flatten() {
        write!(f, ": {words}")?;
    }
    Ok(())
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.kind.cause()
    }
}

impl ErrorKind {
    fn cause(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            // The failure's own text is part of ours, so its cause comes next in the chain.
            Self::NoAnswer(failure) => std::error::Error::source(failure),
            Self::NoInstance { instead, .. } => instead.cause(),
            Self::Input(_)
            | Self::Token(_)
            | Self::Refused { .. }
            | Self::FailedInside { .. }
            | Self::Page { .. }
            | Self::Unexpected { .. }
            | Self::NotFound(_)
            | Self::NoSuchRecord { .. }
            | Self::Ambiguous(_)
            | Self::NoMatch { .. }
            | Self::SeveralMatch { .. }
            | Self::PerhapsInactive { .. }
            | Self::ConditionIgnored { .. } => None,
        }
    }
}
