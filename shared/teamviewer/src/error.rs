//! Why a call failed, in words for whoever is woken by it, and what to do about it.

use std::fmt;
use std::time::Duration;

use retry::Disposition;
use serde_json::Value;
use vendor_http::{Call, Failure, Response, UnusableToken};

use crate::InvalidInput;

/// Longest passage of the vendor's own words that is repeated, in characters.
const LONGEST_WORDS: usize = 300;
/// Calls are counted by the hour or the day; asking again within seconds only uses them up.
const RATE_DELAY: Duration = Duration::from_mins(5);
/// How long TeamViewer may still be at work on the creation of a session that it did not confirm. A look that comes earlier
/// could find nothing, and make a second one.
pub const SETTLING: Duration = Duration::from_secs(30);
/// A session that is closed makes room for another.
const LICENSE_DELAY: Duration = Duration::from_mins(5);
/// How often to look whether somebody has mended the account: as often as a broken account is looked at.
const LOOK_EVERY: Duration = Duration::from_mins(20);
/// More calls than the licence has. The status is 403 all the same.
const RATE_LIMIT: &str = "rate_limit_reached";
/// More attempts than allowed.
const TOO_MANY: &str = "too_many_retries";
/// What is wrong is at TeamViewer.
const INTERNAL: &str = "internal_error";
/// The token, or what it was made from, is no longer good. These come with 400, too.
const CREDENTIALS: [&str; 3] = ["invalid_token", "token_expired", "wrong_credentials"];
/// The words of an `invalid_request` that means too many open sessions.
const LICENSE_WORDS: &str = "license limitation";

/// What was attempted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Asking whether the token is good.
    Ping,
    /// Asking whom the token belongs to.
    Account,
    /// Ending the token.
    Revoke,
    /// Reading a page of the connection report.
    ListConnections,
    /// Reading one connection.
    GetConnection,
    /// Reading a page of the open sessions.
    ListSessions,
    /// Reading a session.
    GetSession,
    /// Creating a session.
    CreateSession,
    /// Changing a session.
    ChangeSession,
    /// Closing a session.
    CloseSession,
    /// Listing groups.
    ListGroups,
    /// Listing users.
    ListUsers,
}

/// A failed call. Its text holds neither the token nor anything of a session or a connection.
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
    /// The input cannot be used.
    Input(InvalidInput),
    /// The token does not fit a header; no call was made.
    Token(UnusableToken),
    /// TeamViewer says, with a status that means success, that the token is not good.
    InvalidToken,
    /// There is no usable answer.
    NoAnswer(Failure),
    /// TeamViewer, or something before it, answered with another status than success.
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

/// The vendor's own words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Words {
    /// The error code, such as `invalid_request`.
    pub code: Option<String>,
    /// The description, a page's title, or what else came as plain text.
    pub message: Option<String>,
}

impl Error {
    /// What to do. Exhaustive on purpose: a new kind must choose.
    ///
    /// Reads and changes may be repeated; a session that may have been created is looked for. What refuses the account
    /// rather than the call is `Wait`: the same call succeeds once somebody has put another token or given it the right.
    pub fn disposition(&self) -> Disposition {
        match &self.kind {
            ErrorKind::Input(_) | ErrorKind::NoAnswer(Failure::Unsendable { .. }) => {
                Disposition::GiveUp
            }
            ErrorKind::Token(_) | ErrorKind::InvalidToken => {
                Disposition::Wait { every: LOOK_EVERY }
            }
            ErrorKind::NoAnswer(Failure::NotSent { .. }) => Disposition::RETRY,
            ErrorKind::NoAnswer(Failure::Interrupted { .. }) | ErrorKind::Unexpected { .. } => {
                self.unclear(None)
            }
            ErrorKind::NoAnswer(Failure::TooLarge { status, .. }) => {
                if !(200..300).contains(status) {
                    self.after_status(*status, &Words::default(), None)
                } else if self.operation.creates() {
                    self.unclear(None)
                } else {
                    // It stays as long as it is.
                    Disposition::GiveUp
                }
            }
            ErrorKind::Refused {
                status,
                words,
                retry_after,
            } => self.after_status(*status, words, *retry_after),
        }
    }

    /// True when the token was not accepted: get another once, then the account is broken.
    pub fn is_unauthorized(&self) -> bool {
        match &self.kind {
            ErrorKind::InvalidToken => true,
            ErrorKind::Refused { status, words, .. } => is_unauthorized(*status, words),
            ErrorKind::Input(_)
            | ErrorKind::Token(_)
            | ErrorKind::NoAnswer(_)
            | ErrorKind::Unexpected { .. } => false,
        }
    }

    /// True when more calls were made than the licence has.
    pub fn is_rate_limited(&self) -> bool {
        self.refusal()
            .is_some_and(|(status, words)| is_rate_limited(status, words))
    }

    /// True when there are as many open sessions as the licence allows.
    pub fn is_license_limit(&self) -> bool {
        self.refusal()
            .is_some_and(|(status, words)| is_license_limit(status, words))
    }

    /// True when the token is good, but not for this, or not from here.
    pub fn is_forbidden(&self) -> bool {
        self.refusal()
            .is_some_and(|(status, words)| status == 403 && !is_rate_limited(status, words))
    }

    /// True when TeamViewer, rather than something before it, says that there is no such thing.
    pub fn is_absent(&self) -> bool {
        self.refusal()
            .is_some_and(|(status, words)| status == 404 && words.code.is_some())
    }

    /// The answer's HTTP status, if there was an answer.
    pub fn status(&self) -> Option<u16> {
        self.call.as_ref().and_then(|call| call.status)
    }

    fn refusal(&self) -> Option<(u16, &Words)> {
        match &self.kind {
            ErrorKind::Refused { status, words, .. } => Some((*status, words)),
            ErrorKind::Input(_)
            | ErrorKind::Token(_)
            | ErrorKind::InvalidToken
            | ErrorKind::NoAnswer(_)
            | ErrorKind::Unexpected { .. } => None,
        }
    }

    /// The statuses and codes of the manual's chapter "Errors".
    fn after_status(
        &self,
        status: u16,
        words: &Words,
        retry_after: Option<Duration>,
    ) -> Disposition {
        let no_sooner = |least: Duration| Disposition::Retry {
            after: Some(retry_after.unwrap_or_default().max(least)),
        };
        if is_rate_limited(status, words) {
            return no_sooner(RATE_DELAY);
        }
        if is_license_limit(status, words) {
            return no_sooner(LICENSE_DELAY);
        }
        // The token, its rights, or the address: somebody can mend it.
        if is_unauthorized(status, words) || status == 403 || (300..400).contains(&status) {
            return Disposition::Wait { every: LOOK_EVERY };
        }
        match status {
            425 => Disposition::Retry { after: retry_after },
            408 | 500..=599 => self.unclear(retry_after),
            _ if words.is(INTERNAL) => self.unclear(retry_after),
            _ => Disposition::GiveUp,
        }
    }

    /// A session may have been created, everything else can simply be repeated.
    fn unclear(&self, after: Option<Duration>) -> Disposition {
        if self.operation.creates() {
            Disposition::Reconcile {
                after: after.max(Some(SETTLING)),
            }
        } else {
            Disposition::Retry { after }
        }
    }

    /// What the vendor's words leave unsaid: what to do.
    fn advice(&self) -> Option<&'static str> {
        if matches!(self.kind, ErrorKind::InvalidToken) || self.is_unauthorized() {
            return Some("the token was revoked or has expired: put another, or sign in again");
        }
        let (status, words) = self.refusal()?;
        if is_rate_limited(status, words) {
            return Some("more calls than the licence has for this token");
        }
        if is_license_limit(status, words) {
            return Some("as many open sessions as the licence allows: close some");
        }
        match (status, self.operation) {
            (403, Operation::ListConnections | Operation::GetConnection) => Some(
                "the token may not view connection reports: it needs that permission, of a company whose licence has them",
            ),
            (
                403,
                Operation::ListSessions
                | Operation::GetSession
                | Operation::CreateSession
                | Operation::ChangeSession
                | Operation::CloseSession,
            ) => Some("the token needs the permission for this under session management"),
            (403, Operation::Account) => Some("the token needs the permission to view the account"),
            (403, Operation::ListGroups) => Some("the token needs the permission to view groups"),
            (403, Operation::ListUsers) => Some("the token needs the permission to view users"),
            (300..400, _) => Some("redirected; is the address right?"),
            _ => None,
        }
    }
}

impl Operation {
    fn creates(self) -> bool {
        match self {
            Self::CreateSession => true,
            Self::Ping
            | Self::Account
            | Self::Revoke
            | Self::ListConnections
            | Self::GetConnection
            | Self::ListSessions
            | Self::GetSession
            | Self::ChangeSession
            | Self::CloseSession
            | Self::ListGroups
            | Self::ListUsers => false,
        }
    }
}

fn is_rate_limited(status: u16, words: &Words) -> bool {
    status == 429 || words.is(RATE_LIMIT) || words.is(TOO_MANY)
}

fn is_license_limit(status: u16, words: &Words) -> bool {
    let says_so = |message: &String| message.to_ascii_lowercase().contains(LICENSE_WORDS);
    status == 400 && words.message.as_ref().is_some_and(says_so)
}

fn is_unauthorized(status: u16, words: &Words) -> bool {
    // A bad request must not be taken for a bad token: it would be repeated with every new one.
    status == 401 || (status == 400 && CREDENTIALS.iter().any(|code| words.is(code)))
}

impl Words {
    /// Reads whatever an answer that is no success says: TeamViewer's JSON, a gateway's page, or plain text. `secret` is
    /// taken out, should it be quoted, and so are addresses of e-mail.
    pub(crate) fn of(response: &Response, secret: &str) -> Self {
        let message = match response.json() {
            Ok(Value::Object(body)) => {
                let text = |name: &str| tidy_words(body.get(name)?.as_str()?, secret);
                return Self {
                    code: text("error"),
                    message: text("error_description"),
                };
            }
            Ok(Value::String(text)) => tidy_words(&text, secret),
            Ok(_) => None,
            Err(_) if response.media_type() == "text/plain" => {
                tidy_words(&String::from_utf8_lossy(&response.body), secret)
            }
            Err(_) => response
                .page_title()
                .and_then(|title| tidy_words(&title, secret)),
        };
        Self {
            code: None,
            message,
        }
    }

    fn is(&self, code: &str) -> bool {
        let own = self.code.as_deref();
        own.is_some_and(|own| own.eq_ignore_ascii_case(code))
    }
}

/// As [`tidy`], without what a request says of people, should that be quoted.
fn tidy_words(text: &str, secret: &str) -> Option<String> {
    let text = tidy(text, secret)?;
    let words: Vec<&str> = text
        .split(' ')
        .map(|word| {
            if word.contains('@') {
                "(an address)"
            } else {
                word
            }
        })
        .collect();
    Some(words.join(" "))
}

/// What TeamViewer calls an error's signature, which its support asks for.
pub(crate) fn request_id(response: &Response) -> Option<String> {
    if response.is_success() {
        return None;
    }
    let body = response.json().ok()?;
    let id = body.get("error_signature")?.as_str()?;
    let is_id = (1..=64).contains(&id.len())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    is_id.then(|| id.to_owned())
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
            Self::Ping => "ask whether the token is good",
            Self::Account => "ask whom the token belongs to",
            Self::Revoke => "end the token",
            Self::ListConnections => "read the connection report",
            Self::GetConnection => "read the connection",
            Self::ListSessions => "list the open sessions",
            Self::GetSession => "read the session",
            Self::CreateSession => "create a session",
            Self::ChangeSession => "change the session",
            Self::CloseSession => "close the session",
            Self::ListGroups => "list the groups",
            Self::ListUsers => "list the users",
        })
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Input(error) => write!(f, "{error}"),
            Self::Token(error) => write!(f, "{error}"),
            Self::InvalidToken => f.write_str("the token is not valid"),
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
            write!(f, ", error signature {id}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.kind {
            ErrorKind::NoAnswer(failure) => failure.source(),
            ErrorKind::Input(_)
            | ErrorKind::Token(_)
            | ErrorKind::InvalidToken
            | ErrorKind::Refused { .. }
            | ErrorKind::Unexpected { .. } => None,
        }
    }
}
