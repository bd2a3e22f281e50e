//! What TeamViewer's report says, in our words. Pure.

use connection_history::Clues;
use domain::connection::{Customer, Party};
use domain::{AccountName, CaseCode, Connection, ConnectionId, TaskReference};
use teamviewer::SessionCode;

/// The most characters of a text that are kept. TeamViewer says no limit for notes and feedback; a row and an event must
/// have room for all of it.
const LONGEST_TEXT: usize = 10_000;
/// The most characters of a name.
const LONGEST_NAME: usize = 500;

/// A record of the report.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Reported {
    /// The connection, without the task that it belongs to.
    pub(crate) connection: Connection,
    /// What the case carries for programs.
    carried: Option<String>,
}

impl Reported {
    /// Reads a record. `None` when its id cannot be one.
    pub(crate) fn read(account: &AccountName, record: teamviewer::Connection) -> Option<Self> {
        let id = ConnectionId::parse(&record.id).ok()?;
        let customer = record.end_customer.unwrap_or_default();
        let (rating, comment) = record.feedback.map_or((None, None), |feedback| {
            (feedback.session_rating, feedback.user_comment)
        });
        Some(Self {
            connection: Connection {
                id,
                account: account.clone(),
                started_at: record.start_date,
                ended_at: record.end_date,
                supporter: party(record.userid, record.username),
                customer: Customer {
                    name: name(customer.name),
                    email: name(customer.email),
                },
                device: party(record.deviceid, record.devicename),
                group: party(record.groupid, record.groupname),
                code: record.session_code.as_ref().and_then(case_code),
                kind: record.support_session_type,
                note: text(record.notes),
                description: text(record.session_note),
                rating,
                comment: text(comment),
                task: None,
            },
            carried: record.custom_api,
        })
    }

    /// What may say which task it belongs to, besides what is `known` of it and what the row of its `case` says.
    pub(crate) fn clues<'a>(
        &'a self,
        known: Option<&Connection>,
        case: Option<&'a TaskReference>,
    ) -> Clues<'a> {
        let known = known.and_then(|known| known.task.as_ref());
        let is_known = known.is_some_and(TaskReference::is_known);
        Clues {
            case,
            carried: self.carried.as_deref(),
            note: self.connection.note.as_deref(),
            description: self.connection.description.as_deref(),
            is_settled: is_known && self.connection.code.is_some(),
        }
    }
}

fn case_code(code: &SessionCode) -> Option<CaseCode> {
    CaseCode::parse(code.as_str()).ok()
}

/// TeamViewer's word for a case's code.
pub(crate) fn session_code(code: &CaseCode) -> Option<SessionCode> {
    SessionCode::parse(&code.to_string()).ok()
}

fn party(id: Option<String>, label: Option<String>) -> Party {
    Party {
        id: name(id),
        name: name(label),
    }
}

fn name(text: Option<String>) -> Option<String> {
    shortened(text, LONGEST_NAME)
}

fn text(text: Option<String>) -> Option<String> {
    shortened(text, LONGEST_TEXT)
}

fn shortened(text: Option<String>, longest: usize) -> Option<String> {
    let mut text = text?;
    if let Some((end, _)) = text.char_indices().nth(longest) {
        text.truncate(end);
        text.push('…');
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    pub(crate) fn record(id: &str) -> teamviewer::Connection {
        teamviewer::Connection {
            id: id.to_owned(),
            userid: Some("u1".to_owned()),
            username: Some("Ann".to_owned()),
            deviceid: Some("4000000000".to_owned()),
            devicename: None,
            groupid: Some("g1".to_owned()),
            groupname: None,
            support_session_type: Some(2),
            start_date: "2026-11-21T10:00:00Z".parse().unwrap(),
            end_date: None,
            fee: Some(1.5),
            currency: None,
            billing_state: None,
            notes: Some("n".repeat(LONGEST_TEXT + 1)),
            contact_id: None,
            session_code: Some(SessionCode::parse("s119457589").unwrap()),
            session_created_at: None,
            valid_until: None,
            assigned_userid: None,
            assigned_at: None,
            session_note: Some("printer, INC0010001".to_owned()),
            custom_api: Some(r#"{"sys_id":"00112233445566778899aabbccddeeff"}"#.to_owned()),
            end_customer: Some(teamviewer::EndCustomer {
                name: Some("Bob".to_owned()),
                email: None,
            }),
            feedback: Some(teamviewer::Feedback {
                session_rating: Some(4),
                user_comment: Some("fine".to_owned()),
            }),
            unread: Vec::new(),
        }
    }

    #[test]
    fn record_is_told_in_our_words() {
        let account = AccountName::parse("tv").unwrap();
        let mut reported = Reported::read(&account, record("A-1")).unwrap();
        let note = reported.connection.note.take().unwrap();
        assert_eq!(note.chars().count(), LONGEST_TEXT + 1);
        assert!(note.ends_with("n…"));
        assert_eq!(
            json!(reported.connection),
            json!({
                "id": "a-1", "account": "tv", "started_at": "2026-11-21T10:00:00Z",
                "supporter": {"id": "u1", "name": "Ann"}, "customer": {"name": "Bob"},
                "device": {"id": "4000000000"}, "group": {"id": "g1"}, "code": "s119-457-589", "kind": 2,
                "description": "printer, INC0010001", "rating": 4, "comment": "fine"
            })
        );
        let task = connection_history::task(reported.clues(None, None)).unwrap();
        assert_eq!((task.number, task.sys_id.is_some()), (None, true));
        assert!(Reported::read(&account, record("a/b")).is_none());
    }

    #[test]
    fn code_is_the_same_in_both_words() {
        let code = CaseCode::parse("S119457589").unwrap();
        let theirs = session_code(&code).unwrap();
        assert_eq!(case_code(&theirs), Some(code));
        assert_eq!(theirs.as_str(), "s119-457-589");
    }
}
