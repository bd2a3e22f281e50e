//! What a stack's people have set for TeamViewer, and what the functions tell each other about it.

use jiff::Timestamp;
use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::connection::Connection;
use crate::event::CloudEvent;
use crate::id::{AccountName, CaseCode};
use crate::message::{CASE_CLOSED, CASE_ONLINE, CONNECTION_RECORDED};
use crate::service_case::{CaseColumn, ServiceCase};

/// How far a window reaches back beyond the last one, in hours, when nothing is said: longer than a connection lasts.
pub const OVERLAP_HOURS: u16 = 24;
/// How far the window of once a day reaches back, in days, when nothing is said.
pub const DEEP_DAYS: u16 = 7;
/// How old a list of service cases may be, in seconds, when nothing is said.
pub const REFRESH_SECONDS: u16 = 30;
/// How long a service case can be used, in hours, when nothing is said; TeamViewer's own default.
pub const CASE_HOURS: u16 = 24;

/// What is set for TeamViewer. What is absent is off, or as usual.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The history of connections; none is kept without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<HistorySettings>,
    /// Service cases; there are none without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cases: Option<CaseSettings>,
    /// The ServiceNow account that reads tasks: for what a new case says, and for ids and numbers in the history.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub servicenow_account: Option<AccountName>,
}

/// How the history of connections is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HistorySettings {
    /// The TeamViewer account whose connection report is read: one with a script token of the company.
    pub account: AccountName,
    /// Every so many hours. What the stack was deployed with (6 if nothing was said) when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 168))]
    pub every_hours: Option<u16>,
    /// How far each window reaches back beyond the last one, in hours; longer than connections last.
    #[serde(default = "overlap_hours")]
    #[schemars(range(min = 1, max = 168))]
    pub overlap_hours: u16,
    /// How far one window a day reaches back, in days, for what the report tells late.
    #[serde(default = "deep_days")]
    #[schemars(range(min = 1, max = 90))]
    pub deep_days: u16,
    /// From which day on the first run fetches. When absent, from as far as a usual window reaches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backfill_from: Option<Date>,
}

/// How service cases are shown and made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CaseSettings {
    /// The TeamViewer account that sees the open cases of everybody.
    pub account: AccountName,
    /// The group that new cases belong to: its id (`g` and digits), or its name.
    pub group: String,
    /// Whether somebody who has not signed in at TeamViewer creates cases with `account`. They must sign in when `false`.
    #[serde(default = "yes")]
    pub shared: bool,
    /// The account whose OAuth client everybody signs in with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sign_in_account: Option<AccountName>,
    /// What lists show.
    #[serde(default = "usual_columns")]
    pub columns: Vec<CaseColumn>,
    /// How old a list may be, in seconds, before TeamViewer is asked again. All viewers share what it answers.
    #[serde(default = "refresh_seconds")]
    #[schemars(range(min = 10, max = 3600))]
    pub refresh_seconds: u16,
    /// Whether TeamViewer is asked when nobody looks, too: so that workflows hear of customers and closed cases.
    #[serde(default = "yes")]
    pub watch: bool,
    /// The ServiceNow tables whose records service cases are created for. Of others nothing is read.
    #[serde(default = "usual_tables")]
    pub tables: Vec<String>,
    /// How long a new case can be used, in hours.
    #[serde(default = "case_hours")]
    #[schemars(range(min = 1, max = 720))]
    pub valid_hours: u16,
}

fn overlap_hours() -> u16 {
    OVERLAP_HOURS
}

fn deep_days() -> u16 {
    DEEP_DAYS
}

fn refresh_seconds() -> u16 {
    REFRESH_SECONDS
}

fn case_hours() -> u16 {
    CASE_HOURS
}

fn yes() -> bool {
    true
}

fn usual_tables() -> Vec<String> {
    let tables = [
        "incident",
        "problem",
        "problem_task",
        "change_request",
        "change_task",
        "sc_request",
        "sc_req_item",
        "sc_task",
        "ticket",
    ];
    tables.map(str::to_owned).to_vec()
}

fn usual_columns() -> Vec<CaseColumn> {
    CaseColumn::USUAL.to_vec()
}

impl Settings {
    /// The rules that hold for a document that can be read: each problem with the path of its field.
    pub fn problems(&self) -> Vec<(String, String)> {
        let mut problems = Vec::new();
        let mut range = |path: &str, found: u16, least: u16, most: u16| {
            if !(least..=most).contains(&found) {
                let problem = format!("found {found}, expected {least} to {most}");
                problems.push((path.to_owned(), problem));
            }
        };
        if let Some(history) = &self.history {
            if let Some(hours) = history.every_hours {
                range("history.every_hours", hours, 1, 168);
            }
            range("history.overlap_hours", history.overlap_hours, 1, 168);
            range("history.deep_days", history.deep_days, 1, 90);
        }
        if let Some(cases) = &self.cases {
            range("cases.refresh_seconds", cases.refresh_seconds, 10, 3600);
            range("cases.valid_hours", cases.valid_hours, 1, 720);
            if cases.columns.is_empty() {
                let problem = "found an empty list, expected at least one column";
                problems.push(("cases.columns".to_owned(), problem.to_owned()));
            }
            let is_name = |table: &String| {
                (1..=80).contains(&table.len())
                    && table.bytes().all(|byte| {
                        byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_'
                    })
            };
            if cases.tables.is_empty() || !cases.tables.iter().all(is_name) {
                let problem = "expected names of tables, such as incident, and at least one";
                problems.push(("cases.tables".to_owned(), problem.to_owned()));
            }
            let group = cases.group.trim();
            if group.is_empty() || group.chars().count() > 100 || group != cases.group {
                let problem =
                    "expected a group's id or name of 1 to 100 characters without blanks around it";
                problems.push(("cases.group".to_owned(), problem.to_owned()));
            }
            if !cases.shared && cases.sign_in_account.is_none() {
                let problem = "is absent, but cases.shared is false: nobody could create a case";
                problems.push(("cases.sign_in_account".to_owned(), problem.to_owned()));
            }
        }
        problems
    }
}

/// What the function that talks to TeamViewer is to do, as it lies in its queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "version", deny_unknown_fields)]
pub enum TeamViewerMessage {
    /// The first version.
    #[serde(rename = "1")]
    V1 {
        /// What to do.
        work: TeamViewerWork,
    },
}

/// Work for the function that talks to TeamViewer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum TeamViewerWork {
    /// Fetch the history's window if it is due, or go on with one that was begun.
    FetchDue {},
    /// Fetch the history's window, due or not: somebody asked for it.
    FetchWindow {
        /// The least that it reaches back to.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        since: Option<Timestamp>,
    },
    /// Fetch the connections of one service case, and look again while they are late.
    FetchCase {
        /// The case.
        code: CaseCode,
        /// Since when there may be something to find: when it was closed, or when somebody asked.
        since: Timestamp,
    },
    /// Look which service cases are open, unless somebody has done so just now.
    Poll {},
    /// Create the service cases that have waited for this account to be connected.
    CreateWaitingCases {
        /// The account.
        account: AccountName,
    },
}

impl From<TeamViewerWork> for TeamViewerMessage {
    fn from(work: TeamViewerWork) -> Self {
        Self::V1 { work }
    }
}

/// The event that a connection has ended and stands in the history. The same for one connection each time.
pub fn connection_recorded(connection: &Connection) -> CloudEvent {
    let mut data = serde_json::to_value(connection).unwrap_or_default();
    if let (Value::Object(fields), Some(seconds)) = (&mut data, connection.duration_seconds()) {
        fields.insert("duration_seconds".to_owned(), seconds.into());
        fields.insert("duration_minutes".to_owned(), seconds.div_ceil(60).into());
    }
    event(
        &connection.account,
        CONNECTION_RECORDED,
        connection.id.to_string(),
        connection.id.to_string(),
        connection.ended_at.unwrap_or(connection.started_at),
        data,
    )
}

/// The event that a service case was closed. The same for one case each time: should it be opened and closed again, the
/// moment of its creation is still the same, so this is told once.
pub fn case_closed(case: &ServiceCase, now: Timestamp) -> CloudEvent {
    let id = format!("closed:{}:{}", case.code.key(), moment(case.created_at));
    let time = case.closed_at.unwrap_or(now);
    let (account, code) = (&case.account, case.code.to_string());
    event(account, CASE_CLOSED, id, code, time, told(case))
}

/// The event that a customer came online, for the `count`th time that is known of, after it was looked at `before`: the same
/// for one coming each time. The count alone would be that of the next coming, too, where this one was told and could not
/// be counted.
pub fn customer_online(
    case: &ServiceCase,
    count: u32,
    before: Option<Timestamp>,
    now: Timestamp,
) -> CloudEvent {
    let (created, before) = (moment(case.created_at), moment(before));
    let id = format!("online:{}:{created}:{count}:{before}", case.code.key());
    let (account, code) = (&case.account, case.code.to_string());
    event(account, CASE_ONLINE, id, code, now, told(case))
}

/// What an event says of a case.
fn told(case: &ServiceCase) -> Value {
    serde_json::to_value(case).unwrap_or_default()
}

fn moment(at: Option<Timestamp>) -> i64 {
    at.map_or(0, Timestamp::as_second)
}

fn event(
    account: &AccountName,
    kind: &str,
    id: String,
    subject: String,
    time: Timestamp,
    data: Value,
) -> CloudEvent {
    CloudEvent {
        specversion: "1.0".to_owned(),
        id,
        source: format!("/teamviewer/{account}"),
        kind: kind.to_owned(),
        subject: Some(subject),
        time: Some(time),
        datacontenttype: Some("application/json".to_owned()),
        data: Some(data),
        extensions: Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn settings(json: Value) -> Result<Settings, serde_json::Error> {
        serde_json::from_value(json)
    }

    #[test]
    fn settings_are_usual_unless_something_is_said() {
        assert_eq!(settings(json!({})).unwrap(), Settings::default());
        let all = settings(json!({
            "history": {"account": "tv"}, "cases": {"account": "tv", "group": "g12"}
        }))
        .unwrap();
        assert_eq!(all.problems(), []);
        let cases = all.cases.unwrap();
        assert_eq!((cases.refresh_seconds, cases.watch), (30, true));
        assert_eq!(cases.columns, CaseColumn::USUAL);
        assert_eq!(all.history.unwrap().overlap_hours, 24);
    }

    #[test]
    fn unknown_field_and_odd_number_are_named() {
        let error = settings(json!({"history": {"account": "tv", "every": 6}})).unwrap_err();
        assert!(
            error.to_string().contains("unknown field `every`"),
            "{error}"
        );
        let odd = settings(json!({
            "history": {"account": "tv", "every_hours": 0, "overlap_hours": 0, "deep_days": 91},
            "cases": {"account": "tv", "group": " ", "refresh_seconds": 9, "columns": [], "tables": ["In cident"], "shared": false}
        }))
        .unwrap();
        let paths: Vec<String> = odd.problems().into_iter().map(|(path, _)| path).collect();
        assert_eq!(
            paths,
            [
                "history.every_hours",
                "history.overlap_hours",
                "history.deep_days",
                "cases.refresh_seconds",
                "cases.columns",
                "cases.tables",
                "cases.group",
                "cases.sign_in_account",
            ]
        );
    }

    #[test]
    fn messages_are_versioned() {
        let since = "2026-11-21T00:00:00Z".parse().unwrap();
        let code = CaseCode::parse("s119-457-589").unwrap();
        for (work, text) in [
            (
                TeamViewerWork::FetchWindow { since: None },
                r#"{"version":"1","work":{"fetch_window":{}}}"#,
            ),
            (
                TeamViewerWork::FetchDue {},
                r#"{"version":"1","work":{"fetch_due":{}}}"#,
            ),
            (
                TeamViewerWork::FetchCase { code, since },
                r#"{"version":"1","work":{"fetch_case":{"code":"s119-457-589","since":"2026-11-21T00:00:00Z"}}}"#,
            ),
            (
                TeamViewerWork::Poll {},
                r#"{"version":"1","work":{"poll":{}}}"#,
            ),
        ] {
            let message = TeamViewerMessage::from(work);
            assert_eq!(serde_json::to_string(&message).unwrap(), text);
            let read: TeamViewerMessage = serde_json::from_str(text).unwrap();
            assert_eq!(read, message);
        }
    }

    #[test]
    fn connection_is_told_once_and_with_its_length() {
        let connection: Connection = serde_json::from_value(json!({
            "id": "0755A8DD-df19-4ea7-af47-cabb6b2a97e4", "account": "tv",
            "started_at": "2026-11-21T10:00:00Z", "ended_at": "2026-11-21T10:10:01Z",
        }))
        .unwrap();
        let event = connection_recorded(&connection);
        assert_eq!(event.id, "0755a8dd-df19-4ea7-af47-cabb6b2a97e4");
        let data = event.data.unwrap();
        assert_eq!(data["duration_minutes"], 11);
        assert_eq!(data["duration_seconds"], 601);
    }
}
