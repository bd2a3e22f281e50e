//! Sessions with a code: service cases.

use std::fmt;

use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::{Map, Value};

use crate::reading::{Fields, items, unreadable};
use crate::{EndCustomer, SessionCode, Unreadable};

/// Which open sessions are asked for. What is absent is not limited.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SessionQuery {
    /// Those of one group.
    pub groupid: Option<String>,
    /// Those of one supporter.
    pub assigned_userid: Option<String>,
    /// Those behind this one: [`SessionPage::next_offset`] of the page before.
    pub offset: Option<String>,
}

/// One page of the open sessions.
#[derive(Debug, Clone, Default)]
pub struct SessionPage {
    /// What could be read.
    pub sessions: Vec<Session>,
    /// What could not, for want of a code.
    pub unreadable: Vec<Unreadable>,
    /// Where the next page begins; `None` on the last one.
    pub next_offset: Option<String>,
    /// How many are on the pages to come.
    pub sessions_remaining: Option<u64>,
}

/// A session, in TeamViewer's words. Its `Debug` shows code and state alone.
#[derive(Clone)]
pub struct Session {
    /// The code that the customer is given.
    pub code: SessionCode,
    /// Whether it is open. One whose time is over stays open: see [`Session::is_expired`].
    pub state: SessionState,
    /// The group that it belongs to.
    pub groupid: Option<String>,
    /// What it is about.
    pub description: Option<String>,
    /// What the customer reads while waiting.
    pub waiting_message: Option<String>,
    /// Who is supported.
    pub end_customer: Option<EndCustomer>,
    /// Who supports; `u0` is nobody.
    pub assigned_userid: Option<String>,
    /// When it was assigned.
    pub assigned_at: Option<Timestamp>,
    /// The address that the customer opens. The only link to share.
    pub end_customer_link: Option<String>,
    /// The address that the supporter opens. Whoever holds it is the supporter.
    pub supporter_link: Option<SecretString>,
    /// The same, for a browser.
    pub webclient_supporter_link: Option<SecretString>,
    /// What was stored with it through the API.
    pub custom_api: Option<String>,
    /// When it was created.
    pub created_at: Option<Timestamp>,
    /// Until when the code can be used.
    pub valid_until: Option<Timestamp>,
    /// When it was closed.
    pub closed_at: Option<Timestamp>,
    /// Whether the customer waits; false when the answer does not say.
    pub online: bool,
    /// Such as `Default` or `Pilot`, or a number.
    pub support_session_type: Option<String>,
    /// Fields that have a value which could not be read: absent above.
    pub unread: Vec<&'static str>,
}

/// The state of a session, which is written in upper and in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionState {
    /// It is open.
    Open,
    /// It was closed.
    Closed,
    /// Anything else, in lower case; empty when the answer does not say.
    Other(String),
}

/// A session that was created.
#[derive(Debug, Clone)]
pub struct Created {
    /// Its code.
    pub code: SessionCode,
    /// The rest; `None` when the answer names the session's address only. Read it by its code.
    pub session: Option<Session>,
}

impl Session {
    /// Whether its time is over, which leaves it open at TeamViewer. Unknown ends are none.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.valid_until.is_some_and(|end| end <= now)
    }

    pub(crate) fn read(item: &Value) -> Option<Self> {
        let mut fields = Fields::of(item.as_object()?);
        let code = fields.code("code")?;
        let state = fields.text("state").unwrap_or_default();
        Some(Self {
            code,
            state: SessionState::read(&state),
            groupid: fields.text("groupid"),
            description: fields.text("description"),
            waiting_message: fields.text("waiting_message"),
            end_customer: fields.end_customer(),
            assigned_userid: fields.text("assigned_userid"),
            assigned_at: fields.date("assigned_at"),
            end_customer_link: fields.text("end_customer_link"),
            supporter_link: fields.secret("supporter_link"),
            webclient_supporter_link: fields.secret("webclient_supporter_link"),
            custom_api: fields.text("custom_api"),
            created_at: fields.date("created_at"),
            valid_until: fields.date("valid_until"),
            closed_at: fields.date("closed_at"),
            online: fields.truth("online").unwrap_or_default(),
            support_session_type: fields.text("support_session_type"),
            unread: fields.into_unread(),
        })
    }
}

impl SessionState {
    fn read(text: &str) -> Self {
        match text.trim().to_lowercase().as_str() {
            "open" => Self::Open,
            "closed" => Self::Closed,
            other => Self::Other(other.to_owned()),
        }
    }
}

impl SessionQuery {
    /// The query's parameters: open sessions with all their details. Note that a page begins at `offset` here, and at
    /// `offset_id` in reports.
    pub(crate) fn parameters(&self) -> Vec<(&'static str, &str)> {
        let limits = [
            ("groupid", &self.groupid),
            ("assigned_userid", &self.assigned_userid),
            ("offset", &self.offset),
        ];
        let limits = limits
            .into_iter()
            .filter_map(|(name, value)| Some((name, value.as_deref()?)));
        [("full_list", "true"), ("state", "open")]
            .into_iter()
            .chain(limits)
            .collect()
    }
}

impl SessionPage {
    pub(crate) fn read(body: &Map<String, Value>) -> Option<Self> {
        let mut page = Self::default();
        for item in items(body, "sessions")? {
            match Session::read(item) {
                Some(session) => page.sessions.push(session),
                None => page.unreadable.push(unreadable(item, "code", "code")),
            }
        }
        let mut fields = Fields::of(body);
        page.next_offset = fields.text("next_offset");
        let remaining = fields.integer("sessions_remaining");
        page.sessions_remaining = remaining.and_then(|count| u64::try_from(count).ok());
        // The rest of the list must not be taken for closed because the next step was not understood.
        (!fields.into_unread().contains(&"next_offset")).then_some(page)
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("code", &self.code)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}
