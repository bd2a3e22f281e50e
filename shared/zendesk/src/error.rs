//! Why a call failed, in words for whoever is woken by it, and what to do about it.

use std::fmt;
use std::time::Duration;

use retry::Disposition;
use serde_json::{Map, Value};
use vendor_http::{Call, Failure, Response, UnusableToken};

use crate::{InvalidInput, TicketId};

/// Longest passage of the vendor's own words that is repeated.
const LONGEST_WORDS: usize = 500;
/// Most causes that are repeated.
const MOST_CAUSES: usize = 20;
/// A delay for answers that ask for none, or for none at all, although they mean "slow down".
const LEAST_DELAY: Duration = Duration::from_secs(10);
/// A bad address, or a feature that the account does not have.
const NO_ENDPOINT: &str = "InvalidEndpoint";
/// How the answer begins that comes from an address without an account.
const NO_ACCOUNT: &str = "No help desk at";
/// Same key, other body: an earlier attempt got through with what was rendered then.
const KEY_USED: &str = "IdempotentRequestError";

/// What was attempted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// Creating a ticket.
    CreateTicket,
    /// Changing a ticket.
    UpdateTicket(TicketId),
    /// Reading a ticket.
    GetTicket(TicketId),
    /// Looking for tickets by external id.
    FindTickets,
    /// Reading the audits of a ticket.
    ReadAudits(TicketId),
    /// Adding tags to a ticket.
    AddTags(TicketId),
    /// Taking tags away from a ticket.
    RemoveTags(TicketId),
    /// Reading a profile.
    GetProfile,
    /// Creating a profile, or replacing one.
    PutProfile,
    /// Changing a profile.
    PatchProfile,
    /// Creating a custom object's record, or changing the one with that external id.
    UpsertRecord,
    /// Changing a custom object's record.
    UpdateRecord,
    /// Listing the ticket fields.
    ListTicketFields,
    /// Asking who the credentials belong to.
    Me,
    /// Asking whether there is an account.
    Exists,
    /// Asking what the credentials allow.
    Check,
}

/// A failed call.
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
    /// The input was refused here, before any call.
    Input(InvalidInput),
    /// The token does not fit a header; no call was made.
    Token(UnusableToken),
    /// There is no usable answer.
    NoAnswer(Failure),
    /// The account, or something before it, answered with another status than success.
    Refused {
        /// The HTTP status.
        status: u16,
        /// What the answer says.
        words: Box<Words>,
        /// The delay that the answer asks for.
        retry_after: Option<Duration>,
    },
    /// The status is success, the body says failure.
    FailedInside(Box<Words>),
    /// A success without the data it should bring.
    Unexpected {
        /// What is wrong with the answer.
        what: &'static str,
        /// The title, when the answer is a web page.
        page: Option<String>,
    },
    /// The answer is about the anonymous user: the credentials were not accepted, although the status
    /// is 200.
    Anonymous,
    /// The credentials belong to somebody who is neither agent nor administrator.
    NotAnAgent {
        /// The user's role.
        role: String,
    },
    /// The ticket has more audits than are searched, oldest first.
    TooManyAudits,
    /// The list goes on after more pages than are read.
    TooManyPages,
}

/// The vendor's own words, from any of the shapes that its errors have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Words {
    /// The kind of error, such as `RecordInvalid`, or a page's title.
    pub code: Option<String>,
    /// The general description.
    pub message: Option<String>,
    /// What is wrong with which field.
    pub causes: Vec<Cause>,
}

/// One cause of a refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// The property; `base` for the ticket as a whole; empty when the answer names none.
    pub field: String,
    /// The vendor's words.
    pub description: String,
    /// The ticket field's id, where the answer names it.
    pub ticket_field_id: Option<u64>,
}

impl Operation {
    fn writes(&self) -> bool {
        match self {
            Self::CreateTicket
            | Self::UpdateTicket(_)
            | Self::AddTags(_)
            | Self::RemoveTags(_)
            | Self::PutProfile
            | Self::PatchProfile
            | Self::UpsertRecord
            | Self::UpdateRecord => true,
            Self::GetTicket(_)
            | Self::FindTickets
            | Self::ReadAudits(_)
            | Self::GetProfile
            | Self::ListTicketFields
            | Self::Me
            | Self::Exists
            | Self::Check => false,
        }
    }
}

impl Error {
    /// What to do. Exhaustive on purpose: a new kind must choose.
    ///
    /// The idempotency key of a ticket creation lives two hours only and updates have none, so a write
    /// that may have happened is looked up before it is sent again.
    pub fn disposition(&self) -> Disposition {
        match &self.kind {
            ErrorKind::NoAnswer(Failure::NotSent { .. }) => Disposition::RETRY,
            ErrorKind::NoAnswer(Failure::Interrupted { .. }) | ErrorKind::FailedInside(_) => {
                self.unclear(None)
            }
            ErrorKind::NoAnswer(Failure::TooLarge { status, .. }) => {
                // Reading it again brings the same answer; a write may have been done all the same.
                if self.operation.writes() && (200..300).contains(status) {
                    Disposition::RECONCILE
                } else if *status >= 300 {
                    self.after_status(*status, None, None)
                } else {
                    Disposition::GiveUp
                }
            }
            ErrorKind::Refused {
                status,
                words,
                retry_after,
            } => self.after_status(*status, words.code.as_deref(), *retry_after),
            ErrorKind::Unexpected { .. } => {
                if self.operation.writes() {
                    Disposition::RECONCILE
                } else {
                    Disposition::GiveUp
                }
            }
            ErrorKind::NoAnswer(Failure::Unsendable { .. })
            | ErrorKind::Input(_)
            | ErrorKind::Token(_)
            | ErrorKind::Anonymous
            | ErrorKind::NotAnAgent { .. }
            | ErrorKind::TooManyAudits
            | ErrorKind::TooManyPages => Disposition::GiveUp,
        }
    }

    /// True when the credentials were not accepted: refresh them once, then the account is broken.
    pub fn is_unauthorized(&self) -> bool {
        matches!(self.kind, ErrorKind::Anonymous) || self.status() == Some(401)
    }

    /// The answer's HTTP status, if there was an answer.
    pub fn status(&self) -> Option<u16> {
        self.call.as_ref().and_then(|call| call.status)
    }

    /// The vendor's own words, if the answer had any.
    pub fn words(&self) -> Option<&Words> {
        match &self.kind {
            ErrorKind::Refused { words, .. } | ErrorKind::FailedInside(words) => Some(words),
            ErrorKind::Input(_)
            | ErrorKind::Token(_)
            | ErrorKind::NoAnswer(_)
            | ErrorKind::Unexpected { .. }
            | ErrorKind::Anonymous
            | ErrorKind::NotAnAgent { .. }
            | ErrorKind::TooManyAudits
            | ErrorKind::TooManyPages => None,
        }
    }

    /// True when the account answers that it has no such thing, and does know the address.
    pub(crate) fn is_absent(&self) -> bool {
        match &self.kind {
            ErrorKind::Refused { status, words, .. } => {
                // A gateway's page says nothing about what the account has.
                *status == 404
                    && words.code.is_some()
                    && !words.is_code(NO_ENDPOINT)
                    && !words.mention(NO_ACCOUNT)
            }
            ErrorKind::Input(_)
            | ErrorKind::Token(_)
            | ErrorKind::NoAnswer(_)
            | ErrorKind::FailedInside(_)
            | ErrorKind::Unexpected { .. }
            | ErrorKind::Anonymous
            | ErrorKind::NotAnAgent { .. }
            | ErrorKind::TooManyAudits
            | ErrorKind::TooManyPages => false,
        }
    }

    /// What the vendor's words leave unsaid.
    fn meaning(&self) -> Option<&'static str> {
        let words = self.words()?;
        if self.status() != Some(404) {
            return None;
        }
        if words.is_code(NO_ENDPOINT) {
            return Some("the account's plan may not have this");
        }
        if !self.is_absent() {
            return None;
        }
        match &self.operation {
            Operation::PatchProfile => {
                Some("there is no such profile: source, type and e-mail address must all match")
            }
            Operation::UpsertRecord => Some("there is no such custom object"),
            Operation::UpdateRecord => Some("there is no such record of this custom object"),
            Operation::CreateTicket
            | Operation::UpdateTicket(_)
            | Operation::GetTicket(_)
            | Operation::FindTickets
            | Operation::ReadAudits(_)
            | Operation::AddTags(_)
            | Operation::RemoveTags(_)
            | Operation::GetProfile
            | Operation::PutProfile
            | Operation::ListTicketFields
            | Operation::Me
            | Operation::Exists
            | Operation::Check => None,
        }
    }

    /// The meaning of a status that is no success.
    /// See [Requests and responses](https://developer.zendesk.com/api-reference/introduction/requests/)
    /// and [Rate limits](https://developer.zendesk.com/api-reference/introduction/rate-limits/).
    fn after_status(
        &self,
        status: u16,
        code: Option<&str>,
        retry_after: Option<Duration>,
    ) -> Disposition {
        let at_least = retry_after.unwrap_or_default().max(LEAST_DELAY);
        match status {
            400 if code == Some(KEY_USED) => self.unclear(None),
            429 => Disposition::Retry {
                after: Some(at_least),
            },
            // With a delay it is the account that turns the call away; without, it may be a gateway
            // that lost the answer.
            503 if retry_after.is_some() => Disposition::Retry {
                after: Some(at_least),
            },
            503 => self.unclear(Some(at_least)),
            // 409: a safe update that lost, a collision in the database, or a first attempt still running.
            408 | 409 | 500..=599 => self.unclear(retry_after),
            _ => Disposition::GiveUp,
        }
    }

    /// A write may have happened, a read can simply be repeated.
    fn unclear(&self, after: Option<Duration>) -> Disposition {
        if self.operation.writes() {
            Disposition::Reconcile { after }
        } else {
            Disposition::Retry { after }
        }
    }
}

impl Words {
    fn is_code(&self, code: &str) -> bool {
        self.code.as_deref() == Some(code)
    }

    fn mention(&self, beginning: &str) -> bool {
        let words = [&self.code, &self.message];
        let mut words = words.into_iter().flatten();
        words.any(|words| words.starts_with(beginning))
    }

    /// Whether the answer says that nobody has an account at this address.
    pub(crate) fn tell_of_no_account(&self) -> bool {
        self.mention(NO_ACCOUNT)
    }

    /// Reads whatever an answer that is no success says. Zendesk's errors come in several JSON shapes,
    /// as plain text and as pages of the gateway before it.
    pub(crate) fn of(response: &Response) -> Self {
        match response.json() {
            Ok(Value::Object(body)) => Self::of_body(&body),
            Ok(_) | Err(_) if response.is_html() => Self {
                code: response.page_title(),
                ..Self::default()
            },
            Ok(_) | Err(_) => Self {
                message: tidy(&String::from_utf8_lossy(&response.body)),
                ..Self::default()
            },
        }
    }

    pub(crate) fn of_body(body: &Map<String, Value>) -> Self {
        let mut words = Self::default();
        match body.get("error") {
            Some(Value::String(code)) => words.code = tidy(code),
            Some(Value::Object(error)) => {
                words.code = first_text(error, &["code", "title"]);
                words.message = first_text(error, &["message", "detail", "description"]);
                words.add_details(error.get("details"));
            }
            Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_)) | None => {}
        }
        let names = ["description", "error_description", "message", "title"];
        let message = first_text(body, &names);
        words.message = words.message.or(message);
        words.add_details(body.get("details"));
        let errors = body.get("errors");
        words.add_details(errors.filter(|errors| errors.is_object()));
        let errors = errors.and_then(Value::as_array);
        for error in errors.into_iter().flatten() {
            if words.code.is_none() {
                words.code = error.get("code").and_then(Value::as_str).and_then(tidy);
            }
            words.add_cause("", error);
        }
        words
    }

    /// `details` maps a property to a list of causes. Anything else of text is kept as well.
    fn add_details(&mut self, details: Option<&Value>) {
        for cause in details.and_then(Value::as_array).into_iter().flatten() {
            self.add_cause("", cause);
        }
        let Some(details) = details.and_then(Value::as_object) else {
            return;
        };
        for (field, causes) in details {
            match causes {
                Value::Array(causes) => {
                    for cause in causes {
                        self.add_cause(field, cause);
                    }
                }
                cause @ (Value::Null
                | Value::Bool(_)
                | Value::Number(_)
                | Value::String(_)
                | Value::Object(_)) => self.add_cause(field, cause),
            }
        }
    }

    fn add_cause(&mut self, field: &str, cause: &Value) {
        let description = match cause {
            Value::String(text) => tidy(text),
            Value::Object(parts) => {
                let texts = ["title", "description", "detail", "message"];
                let mut found: Vec<String> = texts
                    .into_iter()
                    .filter_map(|key| first_text(parts, &[key]))
                    .collect();
                if found.is_empty() {
                    found.extend(first_text(parts, &["error", "code"]));
                }
                found.dedup();
                tidy(&found.join(": "))
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => None,
        };
        if let Some(description) = description
            && self.causes.len() < MOST_CAUSES
        {
            self.causes.push(Cause {
                field: field.chars().take(LONGEST_WORDS).collect(),
                description,
                ticket_field_id: cause.get("ticket_field_id").and_then(Value::as_u64),
            });
        }
    }
}

fn first_text(parts: &Map<String, Value>, keys: &[&str]) -> Option<String> {
    keys.iter()
        .filter_map(|key| parts.get(*key)?.as_str())
        .find_map(tidy)
}

fn tidy(text: &str) -> Option<String> {
    let text: Vec<&str> = text.split_whitespace().collect();
    let text: String = text.join(" ").chars().take(LONGEST_WORDS).collect();
    (!text.is_empty()).then_some(text)
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CreateTicket => f.write_str("create a ticket"),
            Self::UpdateTicket(id) => write!(f, "update ticket {id}"),
            Self::GetTicket(id) => write!(f, "read ticket {id}"),
            Self::FindTickets => f.write_str("look for tickets by external id"),
            Self::ReadAudits(id) => write!(f, "read the audits of ticket {id}"),
            Self::AddTags(id) => write!(f, "add tags to ticket {id}"),
            Self::RemoveTags(id) => write!(f, "remove tags from ticket {id}"),
            Self::GetProfile => f.write_str("look for the profile"),
            Self::PutProfile => f.write_str("create the profile"),
            Self::PatchProfile => f.write_str("update the profile"),
            Self::UpsertRecord => f.write_str("create the record"),
            Self::UpdateRecord => f.write_str("update the record"),
            Self::ListTicketFields => f.write_str("list the ticket fields"),
            Self::Me => f.write_str("verify the account"),
            Self::Exists => f.write_str("look for the account"),
            Self::Check => f.write_str("ask what the account allows"),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Zendesk: could not {}: {}", self.operation, self.kind)?;
        if let Some(meaning) = self.meaning() {
            write!(f, " ({meaning})")?;
        }
        if let Some(id) = self.call.as_ref().and_then(|call| call.request_id.as_ref()) {
            write!(f, " [request {id}]")?;
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
            Self::Refused { status, words, .. } => {
                write!(f, "HTTP {status}")?;
                match status {
                    300..=399 => f.write_str(", redirected; is the subdomain right?")?,
                    401 => f.write_str(", the account's credentials were not accepted")?,
                    _ => {}
                }
                words.fmt(f)
            }
            Self::FailedInside(words) => {
                f.write_str("the answer reports a failure although its status is success")?;
                words.fmt(f)
            }
            Self::Unexpected { what, page } => {
                f.write_str(what)?;
                match page {
                    Some(page) => write!(f, ": {page}"),
                    None => Ok(()),
                }
            }
            Self::Anonymous => {
                f.write_str("the account's credentials were not accepted (anonymous user)")
            }
            Self::NotAnAgent { role } => write!(
                f,
                "the credentials belong to a user with the role {role:?}; an agent or administrator is needed"
            ),
            Self::TooManyAudits => f.write_str("the ticket has more audits than are searched"),
            Self::TooManyPages => f.write_str("the list has more pages than are read"),
        }
    }
}

/// Written as what follows a sentence: `: code: message; field: cause; ...`.
impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for words in [&self.code, &self.message].into_iter().flatten() {
            write!(f, ": {words}")?;
        }
        for cause in &self.causes {
            f.write_str("; ")?;
            if !cause.field.is_empty() {
                write!(f, "{}: ", cause.field)?;
            }
            f.write_str(&cause.description)?;
            if let Some(id) = cause.ticket_field_id {
                write!(f, " (ticket field {id})")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.kind {
            // The failure's own text is part of ours, so its cause comes next in the chain.
            ErrorKind::NoAnswer(failure) => failure.source(),
            ErrorKind::Input(_)
            | ErrorKind::Token(_)
            | ErrorKind::Refused { .. }
            | ErrorKind::FailedInside(_)
            | ErrorKind::Unexpected { .. }
            | ErrorKind::Anonymous
            | ErrorKind::NotAnAgent { .. }
            | ErrorKind::TooManyAudits
            | ErrorKind::TooManyPages => None,
        }
    }
}
