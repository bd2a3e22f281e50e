//! The connection report.

use std::fmt;

use jiff::{RoundMode, Timestamp, TimestampRound, Unit};
use serde_json::{Map, Value};

use crate::reading::{Fields, items, unreadable};
use crate::{EndCustomer, InvalidInput, SessionCode, Unreadable};

/// Longest id of a record.
const LONGEST_ID: usize = 64;

/// Which connections are asked for. Something must be said; what is absent is not limited.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConnectionQuery {
    /// Those that started at this time or later.
    pub from: Option<Timestamp>,
    /// Those before this time. The manual counts a connection's start, the description of the calls its end: windows next
    /// to each other should overlap by as long as a connection may last.
    pub to: Option<Timestamp>,
    /// Those of one session.
    pub session_code: Option<SessionCode>,
    /// Those behind this one: [`ConnectionPage::next_offset`] of the page before, everything else unchanged.
    pub offset_id: Option<String>,
}

/// One page of the report, at most 1000 connections, those that ended last first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ConnectionPage {
    /// What could be read.
    pub records: Vec<Connection>,
    /// What could not, for want of an id or because its dates are none.
    pub unreadable: Vec<Unreadable>,
    /// Where the next page begins; `None` on the last one. A page may be short or empty and yet not be the last.
    pub next_offset: Option<String>,
    /// How many are on the pages to come.
    pub records_remaining: Option<u64>,
}

/// One connection of a supporter to a device, in TeamViewer's words. Its `Debug` shows the id alone.
#[derive(Clone, PartialEq)]
pub struct Connection {
    /// Its id, in lower case: answers differ in that.
    pub id: String,
    /// The supporter.
    pub userid: Option<String>,
    /// The supporter's name.
    pub username: Option<String>,
    /// The device, or the customer's TeamViewer id: too long for a number of 32 bits.
    pub deviceid: Option<String>,
    /// The device's name. Often absent.
    pub devicename: Option<String>,
    /// The device's group. Often absent.
    pub groupid: Option<String>,
    /// The name of the device's group.
    pub groupname: Option<String>,
    /// 1: remote connection, 2: remote support, 3: remote support through the SDK.
    pub support_session_type: Option<i64>,
    /// When it began.
    pub start_date: Timestamp,
    /// When it ended; absent while it goes on.
    pub end_date: Option<Timestamp>,
    /// What it costs.
    pub fee: Option<f64>,
    /// The fee's currency.
    pub currency: Option<String>,
    /// `Bill`, `Billed` or `DoNotBill`.
    pub billing_state: Option<String>,
    /// What the supporter noted.
    pub notes: Option<String>,
    /// The contact that was connected to.
    pub contact_id: Option<String>,
    /// The session that it belongs to.
    pub session_code: Option<SessionCode>,
    /// When the session was created.
    pub session_created_at: Option<Timestamp>,
    /// Until when the session's code can be used.
    pub valid_until: Option<Timestamp>,
    /// Whom the session is assigned to; `u0` is nobody.
    pub assigned_userid: Option<String>,
    /// When the session was assigned.
    pub assigned_at: Option<Timestamp>,
    /// The session's description.
    pub session_note: Option<String>,
    /// What was stored with the session through the API.
    pub custom_api: Option<String>,
    /// Who was supported.
    pub end_customer: Option<EndCustomer>,
    /// What the customer said afterwards.
    pub feedback: Option<Feedback>,
    /// Fields that have a value which could not be read: absent above.
    pub unread: Vec<&'static str>,
}

/// What a customer said after a session. Its `Debug` shows the rating alone.
#[derive(Clone, PartialEq, Eq)]
pub struct Feedback {
    /// The rating.
    pub session_rating: Option<i64>,
    /// The words.
    pub user_comment: Option<String>,
}

impl ConnectionQuery {
    /// The first page of a window of time.
    pub fn window(from: Timestamp, to: Timestamp) -> Self {
        Self {
            from: Some(from),
            to: Some(to),
            ..Self::default()
        }
    }

    /// The first page of one session's connections; there may be none, one or many.
    pub fn of_session(code: SessionCode) -> Self {
        Self {
            session_code: Some(code),
            ..Self::default()
        }
    }

    /// The query's parameters. The window is written in whole seconds, never smaller than it is.
    pub(crate) fn parameters(&self) -> Result<Vec<(&'static str, String)>, InvalidInput> {
        if let (Some(from), Some(to)) = (self.from, self.to)
            && from >= to
        {
            return Err(InvalidInput::Window);
        }
        if self.from.is_none() && self.to.is_none() && self.session_code.is_none() {
            return Err(InvalidInput::WholeReport);
        }
        let text = |name, text: &Option<String>| text.clone().map(|text| (name, text));
        let code = self.session_code.as_ref().map(SessionCode::to_string);
        let parameters = [
            self.from
                .map(|from| ("from_date", date(whole(from, RoundMode::Floor)))),
            self.to
                .map(|to| ("to_date", date(whole(to, RoundMode::Ceil)))),
            text("session_code", &code),
            text("offset_id", &self.offset_id),
        ];
        Ok(parameters.into_iter().flatten().collect())
    }
}

impl ConnectionPage {
    pub(crate) fn read(body: &Map<String, Value>) -> Option<Self> {
        let mut page = Self::default();
        for item in items(body, "records")? {
            match Connection::read(item) {
                Ok(connection) => page.records.push(connection),
                Err(field) => page.unreadable.push(unreadable(item, "id", field)),
            }
        }
        let mut fields = Fields::of(body);
        page.next_offset = fields.text("next_offset");
        let remaining = fields.integer("records_remaining");
        page.records_remaining = remaining.and_then(|count| u64::try_from(count).ok());
        // A walk must not end because its next step was not understood.
        (!fields.into_unread().contains(&"next_offset")).then_some(page)
    }
}

impl Connection {
    /// Reads a record, or says what it lacks.
    pub(crate) fn read(item: &Value) -> Result<Self, &'static str> {
        let mut fields = Fields::of(item.as_object().ok_or("id")?);
        let id = fields.text("id").filter(|id| is_id(id)).ok_or("id")?;
        let start_date = fields.date("start_date").ok_or("start_date")?;
        let end_date = fields.date("end_date");
        let feedback = fields.object("feedback").map(|body| {
            let mut feedback = Fields::of(body);
            Feedback {
                session_rating: feedback.integer("session_rating"),
                user_comment: feedback.text("user_comment"),
            }
        });
        let connection = Self {
            id: id.to_ascii_lowercase(),
            userid: fields.text("userid"),
            username: fields.text("username"),
            deviceid: fields.text("deviceid"),
            devicename: fields.text("devicename"),
            groupid: fields.text("groupid"),
            groupname: fields.text("groupname"),
            support_session_type: fields.integer("support_session_type"),
            start_date,
            end_date,
            fee: fields.number("fee"),
            currency: fields.text_or_none("currency"),
            billing_state: fields.text("billing_state"),
            notes: fields.text("notes"),
            contact_id: fields.text("contact_id"),
            session_code: fields.code("session_code"),
            session_created_at: fields.date("session_created_at"),
            valid_until: fields.date("valid_until"),
            assigned_userid: fields.text("assigned_userid"),
            assigned_at: fields.date("assigned_at"),
            session_note: fields.text("session_note"),
            custom_api: fields.text("custom_api"),
            end_customer: fields.end_customer(),
            feedback,
            unread: fields.into_unread(),
        };
        // Without its end, it would be taken for one that goes on.
        if connection.unread.contains(&"end_date") {
            return Err("end_date");
        }
        Ok(connection)
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Feedback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feedback")
            .field("session_rating", &self.session_rating)
            .finish_non_exhaustive()
    }
}

/// What may go into a path as an id.
pub(crate) fn is_id(text: &str) -> bool {
    (1..=LONGEST_ID).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn whole(time: Timestamp, mode: RoundMode) -> Timestamp {
    let seconds = TimestampRound::new().smallest(Unit::Second).mode(mode);
    time.round(seconds).unwrap_or(time)
}

/// A time as the API takes it: UTC, whole seconds.
pub(crate) fn date(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
