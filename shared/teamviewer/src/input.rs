//! What is sent, checked before it is.

use std::fmt;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::connection::date;
use crate::{EndCustomer, SessionState};

/// Longest description, and longest text stored through the API.
const LONGEST_TEXT: usize = 4000;
/// Longest name of a customer.
const LONGEST_NAME: usize = 100;
/// Longest e-mail address of a customer.
const LONGEST_EMAIL: usize = 254;

/// Something that cannot be sent. Give up. No value is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidInput {
    /// No session code.
    #[error(
        "a session code has 3 to 32 letters and digits, with or without dashes, such as s119-457-589"
    )]
    Code,
    /// No id of a connection.
    #[error("a connection's id has 1 to 64 letters, digits and dashes")]
    ConnectionId,
    /// A window that ends before it begins, or at once.
    #[error("the window's end must be later than its start")]
    Window,
    /// A query that limits nothing.
    #[error("name a window or a session: the whole report is never asked for")]
    WholeReport,
    /// A text that is too long.
    #[error("`{field}` may have {longest} characters at most")]
    TooLong {
        /// The field.
        field: &'static str,
        /// The most characters that it may have.
        longest: usize,
    },
    /// No id.
    #[error("`{field}` must be an id: {prefix} and digits")]
    Id {
        /// The field.
        field: &'static str,
        /// What the id begins with.
        prefix: char,
    },
    /// A new session without a group.
    #[error("a session needs a group: `groupid` or `groupname`")]
    NoGroup,
    /// A state that sessions cannot be given.
    #[error("`state` can be set to open or closed")]
    State,
    /// A change that changes nothing.
    #[error("there is nothing to change")]
    NothingToChange,
    /// A name that stands for several groups.
    #[error("several groups have that name: use the group's id")]
    AmbiguousGroup,
}

/// A session to be created. Its `Debug` shows only where it belongs.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct NewSession {
    /// The group that it belongs to: `g` and digits. Tokens of a company need it.
    pub groupid: Option<String>,
    /// The group's name. One that is not known **creates** a group; not for tokens of a company.
    pub groupname: Option<String>,
    /// What it is about, at most 4000 characters.
    pub description: Option<String>,
    /// What the customer reads while waiting.
    pub waiting_message: Option<String>,
    /// Who is supported.
    pub end_customer: Option<EndCustomer>,
    /// Who supports: `u` and digits, `u0` for nobody; the token's user when absent.
    pub assigned_userid: Option<String>,
    /// Anything at all, at most 4000 characters. Only the API shows it.
    pub custom_api: Option<String>,
    /// Until when the code can be used; a day when absent.
    pub valid_until: Option<Timestamp>,
}

/// What to change of a session. What is absent stays.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SessionChange {
    /// See [`NewSession::groupid`].
    pub groupid: Option<String>,
    /// See [`NewSession::description`].
    pub description: Option<String>,
    /// See [`NewSession::waiting_message`].
    pub waiting_message: Option<String>,
    /// See [`NewSession::end_customer`].
    pub end_customer: Option<EndCustomer>,
    /// See [`NewSession::assigned_userid`].
    pub assigned_userid: Option<String>,
    /// See [`NewSession::custom_api`].
    pub custom_api: Option<String>,
    /// `Closed` closes it. Whether `Open` opens it again is not documented.
    pub state: Option<SessionState>,
}

impl NewSession {
    /// What is sent. Texts that are empty are left out.
    ///
    /// # Errors
    /// What TeamViewer would refuse. Give up.
    pub fn body(&self) -> Result<Value, InvalidInput> {
        let mut body = Body::default();
        body.id("groupid", 'g', self.groupid.as_deref())?;
        body.text("groupname", self.groupname.as_deref());
        if body.0.is_empty() {
            return Err(InvalidInput::NoGroup);
        }
        body.limited(
            "description",
            LONGEST_TEXT,
            given(self.description.as_ref()),
        )?;
        body.text("waiting_message", given(self.waiting_message.as_ref()));
        let customer = self.end_customer.as_ref();
        body.customer(customer.filter(|customer| **customer != EndCustomer::default()))?;
        body.id("assigned_userid", 'u', given(self.assigned_userid.as_ref()))?;
        body.limited("custom_api", LONGEST_TEXT, given(self.custom_api.as_ref()))?;
        body.text("valid_until", self.valid_until.map(date).as_deref());
        Ok(Value::Object(body.0))
    }
}

impl SessionChange {
    /// What is sent. A text that is empty is sent as such.
    ///
    /// # Errors
    /// What TeamViewer would refuse, and nothing to change. Give up.
    pub fn body(&self) -> Result<Value, InvalidInput> {
        let mut body = Body::default();
        body.id("groupid", 'g', self.groupid.as_deref())?;
        body.limited("description", LONGEST_TEXT, self.description.as_deref())?;
        body.text("waiting_message", self.waiting_message.as_deref());
        body.customer(self.end_customer.as_ref())?;
        body.id("assigned_userid", 'u', self.assigned_userid.as_deref())?;
        body.limited("custom_api", LONGEST_TEXT, self.custom_api.as_deref())?;
        let state = match &self.state {
            Some(SessionState::Open) => Some("open"),
            Some(SessionState::Closed) => Some("closed"),
            Some(SessionState::Other(_)) => return Err(InvalidInput::State),
            None => None,
        };
        body.text("state", state);
        if body.0.is_empty() {
            return Err(InvalidInput::NothingToChange);
        }
        Ok(Value::Object(body.0))
    }
}

impl fmt::Debug for NewSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewSession")
            .field("groupid", &self.groupid)
            .field("groupname", &self.groupname)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for SessionChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionChange")
            .field("groupid", &self.groupid)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Body(Map<String, Value>);

impl Body {
    fn text(&mut self, field: &'static str, text: Option<&str>) {
        if let Some(text) = text {
            self.0.insert(field.to_owned(), json!(text));
        }
    }

    fn limited(
        &mut self,
        field: &'static str,
        longest: usize,
        text: Option<&str>,
    ) -> Result<(), InvalidInput> {
        if text.is_some_and(|text| length(text) > longest) {
            return Err(InvalidInput::TooLong { field, longest });
        }
        self.text(field, text);
        Ok(())
    }

    fn id(
        &mut self,
        field: &'static str,
        prefix: char,
        id: Option<&str>,
    ) -> Result<(), InvalidInput> {
        let is_id = |id: &str| {
            id.strip_prefix(prefix).is_some_and(|digits| {
                !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
            })
        };
        if id.is_some_and(|id| !is_id(id)) {
            return Err(InvalidInput::Id { field, prefix });
        }
        self.text(field, id);
        Ok(())
    }

    fn customer(&mut self, customer: Option<&EndCustomer>) -> Result<(), InvalidInput> {
        let Some(customer) = customer else {
            return Ok(());
        };
        let mut body = Self::default();
        body.limited("name", LONGEST_NAME, customer.name.as_deref())
            .map_err(|_| InvalidInput::TooLong {
                field: "end_customer.name",
                longest: LONGEST_NAME,
            })?;
        body.limited("email", LONGEST_EMAIL, customer.email.as_deref())
            .map_err(|_| InvalidInput::TooLong {
                field: "end_customer.email",
                longest: LONGEST_EMAIL,
            })?;
        self.0
            .insert("end_customer".to_owned(), Value::Object(body.0));
        Ok(())
    }
}

/// A text that says something.
fn given(text: Option<&String>) -> Option<&str> {
    text.map(String::as_str).filter(|text| !text.is_empty())
}

/// The longer way of counting, in case that TeamViewer counts characters beyond the basic plane twice.
fn length(text: &str) -> usize {
    text.encode_utf16().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new() -> NewSession {
        NewSession {
            groupid: Some("g12".to_owned()),
            ..NewSession::default()
        }
    }

    fn long(characters: usize) -> String {
        "é".repeat(characters)
    }

    fn customer(name: &str, email: &str) -> EndCustomer {
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        EndCustomer {
            name: text(name),
            email: text(email),
        }
    }

    #[test]
    fn new_session_is_sent_without_what_is_empty() {
        let session = NewSession {
            description: Some("INC0010001: no sound".to_owned()),
            waiting_message: Some(String::new()),
            end_customer: Some(customer("Ann", "")),
            assigned_userid: Some("u0".to_owned()),
            custom_api: Some(r#"{"key":"tk_1"}"#.to_owned()),
            valid_until: Some("2026-03-02T10:15:30.5Z".parse().unwrap()),
            ..new()
        };
        assert_eq!(
            session.body().unwrap(),
            json!({
                "groupid": "g12", "description": "INC0010001: no sound", "end_customer": {"name": "Ann"},
                "assigned_userid": "u0", "custom_api": "{\"key\":\"tk_1\"}", "valid_until": "2026-03-02T10:15:30Z",
            })
        );
        let empty = NewSession {
            end_customer: Some(customer("", "")),
            ..new()
        };
        assert_eq!(empty.body().unwrap(), json!({"groupid": "g12"}));
        let debug = format!("{session:?}");
        assert!(
            !debug.contains("Ann") && !debug.contains("sound"),
            "{debug}"
        );
    }

    #[test]
    fn what_would_be_refused_is_not_sent() {
        let too_long = |field, longest| InvalidInput::TooLong { field, longest };
        let id = |field, prefix| InvalidInput::Id { field, prefix };
        let with = |change: fn(&mut NewSession)| {
            let mut session = new();
            change(&mut session);
            session
        };
        for (session, expected) in [
            (NewSession::default(), InvalidInput::NoGroup),
            (
                with(|new| new.groupid = Some("12".to_owned())),
                id("groupid", 'g'),
            ),
            (
                with(|new| new.groupid = Some("g".to_owned())),
                id("groupid", 'g'),
            ),
            (
                with(|new| new.groupid = Some("g1/2".to_owned())),
                id("groupid", 'g'),
            ),
            (
                with(|new| new.assigned_userid = Some("ann".to_owned())),
                id("assigned_userid", 'u'),
            ),
            (
                with(|new| new.description = Some(long(4001))),
                too_long("description", 4000),
            ),
            (
                with(|new| new.custom_api = Some(long(4001))),
                too_long("custom_api", 4000),
            ),
            (
                with(|new| new.custom_api = Some("😀".repeat(2001))),
                too_long("custom_api", 4000),
            ),
            (
                with(|new| new.end_customer = Some(customer(&long(101), ""))),
                too_long("end_customer.name", 100),
            ),
            (
                with(|new| new.end_customer = Some(customer("", &long(255)))),
                too_long("end_customer.email", 254),
            ),
        ] {
            assert_eq!(session.body(), Err(expected));
        }
        let longest = NewSession {
            description: Some(long(4000)),
            custom_api: Some(long(4000)),
            end_customer: Some(customer(&long(100), &long(254))),
            ..new()
        };
        assert!(longest.body().is_ok());
    }

    #[test]
    fn change_holds_what_changes_and_empties_what_is_empty() {
        let change = SessionChange {
            description: Some(String::new()),
            assigned_userid: Some("u7".to_owned()),
            state: Some(SessionState::Closed),
            ..SessionChange::default()
        };
        assert_eq!(
            change.body().unwrap(),
            json!({"description": "", "assigned_userid": "u7", "state": "closed"})
        );
        let nothing = SessionChange::default();
        assert_eq!(nothing.body(), Err(InvalidInput::NothingToChange));
        let odd = SessionChange {
            state: Some(SessionState::Other("paused".to_owned())),
            ..nothing
        };
        assert_eq!(odd.body(), Err(InvalidInput::State));
    }
}
