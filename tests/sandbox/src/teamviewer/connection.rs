//! `/api/v1/reports/connections`: newest end first, at most a page of them, and one way only to the next page.

use std::cmp::Reverse;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::config::{Connection, Level, Style, Window};
use super::{Caller, TeamViewer, given, invalid, normal, not_found, parse_date, within};
use crate::exchange::{Answer, VendorRequest};
use crate::oauth::random_text;

const LARGEST_PAGE: u16 = 1000;
const BILLING_STATES: [&str; 3] = ["Bill", "Billed", "DoNotBill"];

/// A record as it is reported now.
#[derive(Clone, Copy)]
struct Reported<'a> {
    record: &'a Connection,
    end: Option<Timestamp>,
}

impl<'a> Reported<'a> {
    /// `None` while it is hidden.
    fn at(record: &'a Connection, now: Timestamp) -> Option<Self> {
        let passed = |moment: Option<Timestamp>| moment.is_none_or(|moment| moment <= now);
        passed(record.visible_at).then(|| Self {
            record,
            end: record.end_date.filter(|_| passed(record.end_visible_at)),
        })
    }

    fn id(&self) -> &'a str {
        self.record.id.as_deref().unwrap_or_default()
    }

    /// What has no end comes first, then the newest end.
    fn rank(&self) -> (bool, Reverse<Timestamp>, &'a str) {
        let moment = self.end.unwrap_or(self.record.start_date);
        (self.end.is_some(), Reverse(moment), self.id())
    }
}

struct Filter<'a> {
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    username: Option<&'a str>,
    userid: Option<&'a str>,
    groupid: Option<&'a str>,
    devicename: Option<&'a str>,
    deviceid: Option<&'a str>,
    has_code: Option<bool>,
    session_code: Option<String>,
    support_session_type: Option<u8>,
    window: Window,
    /// Only tokens of user level can ask for what has no name.
    unnamed: bool,
}

impl<'a> Filter<'a> {
    fn read(request: &'a VendorRequest, window: Window, level: Level) -> Result<Self, Answer> {
        let date = |name: &str| {
            given(request, name)
                .map(|text| {
                    parse_date(text)
                        .ok_or_else(|| invalid(&format!("'{name}' is no date and time in UTC.")))
                })
                .transpose()
        };
        let (from, to) = (date("from_date")?, date("to_date")?);
        if let (Some(from), Some(to)) = (from, to)
            && from >= to
        {
            return Err(invalid("'from_date' has to be before 'to_date'."));
        }
        let id = |name: &str, prefix: char| {
            let id = given(request, name);
            match id {
                Some(text) if !is_id(text, prefix) && (name, text) != ("groupid", "0") => {
                    Err(invalid(&format!("'{name}' is no valid id.")))
                }
                Some(_) | None => Ok(id),
            }
        };
        let has_code = match given(request, "has_code") {
            None => None,
            Some("true") => Some(true),
            Some("false") => Some(false),
            Some(_) => return Err(invalid("'has_code' has to be true or false.")),
        };
        let support_session_type = match given(request, "support_session_type") {
            None => None,
            Some(text) => Some(
                text.parse()
                    .ok()
                    .filter(|number| (1..=3).contains(number))
                    .ok_or_else(|| invalid("'support_session_type' has to be 1, 2 or 3."))?,
            ),
        };
        let devicename = given(request, "devicename");
        let unnamed = devicename == Some("unnamed_device") && level == Level::User;
        Ok(Self {
            from,
            to,
            username: given(request, "username"),
            userid: id("userid", 'u')?,
            groupid: id("groupid", 'g')?,
            devicename: devicename.filter(|_| !unnamed),
            deviceid: given(request, "deviceid"),
            has_code,
            session_code: given(request, "session_code").map(normal),
            support_session_type,
            window,
            unnamed,
        })
    }

    fn takes(&self, reported: &Reported<'_>) -> bool {
        let record = reported.record;
        let is = |wanted: Option<&str>, value: &Option<String>| {
            wanted.is_none_or(|wanted| text(value.as_deref()) == Some(wanted))
        };
        let before_end = |to: Timestamp| match self.window {
            Window::Start => record.start_date < to,
            Window::End => reported.end.is_some_and(|end| end < to),
        };
        let code = text(record.session_code.as_deref()).map(normal);
        self.from.is_none_or(|from| record.start_date >= from)
            && self.to.is_none_or(before_end)
            && is(self.username, &record.username)
            && is(self.userid, &record.userid)
            && is(self.devicename, &record.devicename)
            && is(self.deviceid, &record.deviceid)
            && self
                .groupid
                .is_none_or(|wanted| text(record.groupid.as_deref()).unwrap_or("0") == wanted)
            && (!self.unnamed || text(record.devicename.as_deref()).is_none())
            && self.has_code.is_none_or(|wanted| wanted == code.is_some())
            && (self.session_code.is_none() || self.session_code == code)
            && self
                .support_session_type
                .is_none_or(|wanted| record.support_session_type == Some(wanted))
    }
}

impl TeamViewer {
    pub(super) fn list_connections(
        &self,
        request: &VendorRequest,
        caller: &Caller,
    ) -> Result<Answer, Answer> {
        let filter = Filter::read(request, self.config.window, caller.level)?;
        let visible: Vec<Reported<'_>> = self
            .connections
            .iter()
            .filter_map(|record| Reported::at(record, request.now))
            .filter(|reported| caller.owns_connection(reported.record))
            .collect();
        let after = match given(request, "offset_id") {
            None => None,
            Some(id) => Some(
                visible
                    .iter()
                    .find(|reported| self.shown_id(reported) == id)
                    .ok_or_else(|| invalid("'offset_id' is no connection's id."))?
                    .rank(),
            ),
        };
        let mut found: Vec<&Reported<'_>> = visible
            .iter()
            .filter(|reported| filter.takes(reported))
            .filter(|reported| after.is_none_or(|after| reported.rank() > after))
            .collect();
        found.sort_by_key(|reported| reported.rank());
        let page = usize::from(self.config.page_size.unwrap_or(LARGEST_PAGE));
        let shown: Vec<Value> = found
            .iter()
            .take(page)
            .map(|reported| self.render(reported))
            .collect();
        let mut body = json!({});
        let remaining = found.len() - shown.len();
        if remaining > 0 {
            body["records_remaining"] = json!(remaining);
            body["next_offset"] = shown.last().map_or(Value::Null, |last| last["id"].clone());
        }
        body["records"] = Value::Array(shown);
        Ok(Answer::json(200, body))
    }

    pub(super) fn read_connection(
        &self,
        request: &VendorRequest,
        caller: &Caller,
        id: &str,
    ) -> Result<Answer, Answer> {
        let position = self.connection(request, caller, id)?;
        let reported = Reported::at(&self.connections[position], request.now);
        let reported = reported.ok_or_else(not_found)?;
        Ok(Answer::json(200, self.render(&reported)))
    }

    pub(super) fn edit_connection(
        &mut self,
        request: &VendorRequest,
        caller: &Caller,
        id: &str,
    ) -> Result<Answer, Answer> {
        let position = self.connection(request, caller, id)?;
        let fields = super::body(request)?;
        let notes = super::string(fields, "notes")?;
        let billing_state = super::string(fields, "billing_state")?;
        if let Some(state) = &billing_state
            && !BILLING_STATES.contains(&state.as_str())
        {
            return Err(invalid(
                "'billing_state' has to be Bill, Billed or DoNotBill.",
            ));
        }
        let record = &mut self.connections[position];
        record.notes = notes.or(record.notes.take());
        record.billing_state = billing_state.or(record.billing_state.take());
        Ok(Answer::empty(204))
    }

    pub(super) fn delete_connection(
        &mut self,
        request: &VendorRequest,
        caller: &Caller,
        id: &str,
    ) -> Result<Answer, Answer> {
        let position = self.connection(request, caller, id)?;
        self.connections.remove(position);
        Ok(Answer::empty(204))
    }

    /// Where the caller finds the record.
    fn connection(
        &self,
        request: &VendorRequest,
        caller: &Caller,
        id: &str,
    ) -> Result<usize, Answer> {
        self.connections
            .iter()
            .position(|record| {
                Reported::at(record, request.now)
                    .is_some_and(|reported| reported.id().eq_ignore_ascii_case(id))
                    && caller.owns_connection(record)
            })
            .ok_or_else(not_found)
    }

    /// The id as answers have it, and as `offset_id` has to be.
    fn shown_id(&self, reported: &Reported<'_>) -> String {
        match self.config.style {
            Style::Plain => reported.id().to_owned(),
            Style::Odd => reported.id().to_ascii_uppercase(),
        }
    }

    fn render(&self, reported: &Reported<'_>) -> Value {
        let Reported { record, end } = *reported;
        let odd = match self.config.style {
            Style::Plain => false,
            Style::Odd => true,
        };
        let format = if odd {
            "%Y%m%dT%H%M%SZ"
        } else {
            "%Y-%m-%dT%H:%M:%SZ"
        };
        let date = |moment: Option<Timestamp>| {
            moment.map(|moment| json!(moment.strftime(format).to_string()))
        };
        let words = |value: &Option<String>| text(value.as_deref()).map(|text| json!(text));
        let id = self.shown_id(reported);
        let fee = record.fee.map(|fee| {
            if odd {
                json!(format!("{fee:.2}"))
            } else {
                json!(fee)
            }
        });
        let currency = words(&record.currency);
        // With what an odd writer puts instead of something absent.
        let fields = [
            ("id", Some(json!(id)), Value::Null),
            ("userid", words(&record.userid), json!("")),
            ("username", words(&record.username), json!("")),
            ("deviceid", words(&record.deviceid), json!("")),
            ("devicename", words(&record.devicename), json!("")),
            ("groupid", words(&record.groupid), json!("")),
            ("groupname", words(&record.groupname), json!("")),
            (
                "support_session_type",
                record.support_session_type.map(|number| json!(number)),
                Value::Null,
            ),
            ("start_date", date(Some(record.start_date)), Value::Null),
            ("end_date", date(end), Value::Null),
            ("fee", fee, Value::Null),
            ("currency", currency, json!("None")),
            ("billing_state", words(&record.billing_state), Value::Null),
            ("notes", words(&record.notes), json!("")),
            ("contact_id", words(&record.contact_id), Value::Null),
            ("session_code", words(&record.session_code), json!("")),
            (
                "session_created_at",
                date(record.session_created_at),
                Value::Null,
            ),
            ("valid_until", date(record.valid_until), Value::Null),
            ("assigned_userid", words(&record.assigned_userid), json!("")),
            ("assigned_at", date(record.assigned_at), Value::Null),
            ("session_note", words(&record.session_note), json!("")),
            ("custom_api", words(&record.custom_api), json!("")),
            (
                "end_customer",
                record.end_customer.as_ref().map(|customer| json!(customer)),
                Value::Null,
            ),
            (
                "feedback",
                record.feedback.as_ref().map(|feedback| json!(feedback)),
                Value::Null,
            ),
        ];
        let fields: Map<String, Value> = fields
            .into_iter()
            .filter_map(|(name, value, blank)| {
                Some((name.to_owned(), value.or_else(|| odd.then_some(blank))?))
            })
            .collect();
        Value::Object(fields)
    }

    /// Adds records, or replaces those of the same id; their ids in the same order.
    pub(super) fn put_connections(
        &mut self,
        records: Vec<Connection>,
    ) -> Result<Vec<String>, String> {
        let records = records
            .into_iter()
            .map(|record| self.complete(record))
            .collect::<Result<Vec<_>, _>>()?;
        let mut ids = Vec::new();
        for record in records {
            ids.extend(record.id.clone());
            match self
                .connections
                .iter_mut()
                .find(|known| known.id == record.id)
            {
                Some(known) => *known = record,
                None => self.connections.push(record),
            }
        }
        Ok(ids)
    }

    /// Changes some fields; `null` takes one away.
    pub(super) fn change_connection(
        &mut self,
        id: &str,
        changes: Map<String, Value>,
    ) -> Result<(), String> {
        let position = self
            .connections
            .iter()
            .position(|record| {
                let known = record.id.as_deref().unwrap_or_default();
                known.eq_ignore_ascii_case(id)
            })
            .ok_or_else(|| format!("there is no connection {id}"))?;
        let known = &self.connections[position];
        let mut record: Connection = within(known, changes)?;
        record.id.clone_from(&known.id);
        self.connections[position] = self.complete(record)?;
        Ok(())
    }

    /// Checks what a test gives, and fills in what follows from other things.
    fn complete(&self, mut record: Connection) -> Result<Connection, String> {
        let id = record
            .id
            .map_or_else(made_up_id, |id| id.to_ascii_lowercase());
        if !is_uuid(&id) {
            return Err(format!("{id} is no UUID"));
        }
        record.id = Some(id);
        if record.end_date.is_some_and(|end| end < record.start_date) {
            return Err("a connection ends after it has begun".to_owned());
        }
        if let Some(state) = text(record.billing_state.as_deref())
            && !BILLING_STATES.contains(&state)
        {
            return Err(format!("there is no billing state {state}"));
        }
        let user = text(record.userid.as_deref()).and_then(|id| self.user(id));
        record.username = record.username.or_else(|| Some(user?.name.clone()));
        let group = text(record.groupid.as_deref()).and_then(|id| self.group(id));
        record.groupname = record.groupname.or_else(|| Some(group?.name.clone()));
        let session = text(record.session_code.as_deref()).and_then(|code| self.session(code));
        if let Some(session) = session {
            let case = &session.case;
            record.session_created_at = record.session_created_at.or(Some(session.created_at));
            record.valid_until = record.valid_until.or(Some(session.valid_until));
            record.assigned_userid = record
                .assigned_userid
                .or_else(|| case.assigned_userid.clone());
            record.assigned_at = record.assigned_at.or(case.assigned_at);
            record.session_note = record.session_note.or_else(|| case.description.clone());
            record.custom_api = record.custom_api.or_else(|| case.custom_api.clone());
            record.end_customer = record.end_customer.or_else(|| case.end_customer.clone());
        }
        Ok(record)
    }
}

/// What is there, and isn't empty.
fn text(value: Option<&str>) -> Option<&str> {
    value.filter(|text| !text.is_empty())
}

/// The prefix and digits.
pub(super) fn is_id(text: &str, prefix: char) -> bool {
    text.strip_prefix(prefix).is_some_and(|digits| {
        !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
    })
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(position, byte)| {
            if [8, 13, 18, 23].contains(&position) {
                byte == b'-'
            } else {
                byte.is_ascii_hexdigit()
            }
        })
}

fn made_up_id() -> String {
    let hex = random_text();
    [
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..32],
    ]
    .join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_up_ids_are_uuids() {
        assert!(is_uuid(&made_up_id()));
        for wrong in [
            "",
            "0755a8dd-df19-4ea7-af47-cabb6b2a97e",
            "0755a8dd_df19-4ea7-af47-cabb6b2a97e4",
        ] {
            assert!(!is_uuid(wrong), "{wrong}");
        }
    }
}
