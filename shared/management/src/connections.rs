//! What the history of connections holds: lists, totals, CSV.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use domain::connection::Party;
use domain::{CaseCode, Connection, TaskReference};
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::{Order, Period, Place};

use crate::TeamViewerManagement;
use crate::csv::Csv;
use crate::error::Error;
use crate::paging::{Cursor, Gathering, checked_period};
use crate::servicenow_task::{Instances, ServiceNowInstance, ServiceNowTask};

/// How many connections can be listed at a time.
pub const MOST_CONNECTIONS_LISTED: usize = 200;
/// How many are listed when nobody says.
const LISTED: usize = 50;
/// How many days are looked at when neither a period nor a task is named.
const DAYS: i64 = 30;

/// How many connections are counted at once.
const MOST_COUNTED: usize = 50_000;
/// How many of them are read at a time.
const COUNTED_AT_A_TIME: usize = 1_000;
/// How long counting may take: somebody waits for it.
const LONGEST_COUNT: Duration = Duration::from_secs(8);

/// Which connections are to be listed. Without a period: those of the last 30 days, or all of a task.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConnectionFilter {
    /// Begun then or later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Begun before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Of the supporter with this id or name; case does not matter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supporter: Option<String>,
    /// To the device with this id or name; case does not matter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// Of the ServiceNow task with this number or `sys_id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<ServiceNowTask>,
    /// Of tasks of this ServiceNow instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<ServiceNowInstance>,
    /// Of the service case with this session code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<CaseCode>,
    /// At most so many, 50 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 200))]
    pub limit: Option<usize>,
    /// What follows an earlier page: its `next`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Cursor>,
    /// The form of the answer; what the header `Accept` prefers when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<ListFormat>,
}

/// Which connections are to be counted. Without a period: those of the last 30 days, or all of a task.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TotalsFilter {
    /// Begun then or later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Begun before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Of the supporter with this id or name; case does not matter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supporter: Option<String>,
    /// To the device with this id or name; case does not matter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// Of the ServiceNow task with this number or `sys_id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<ServiceNowTask>,
    /// Of tasks of this ServiceNow instance. Needed where several instances have the number of `task`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<ServiceNowInstance>,
    /// Of the service case with this session code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<CaseCode>,
}

/// Which connections of one task are to be listed: all of them unless a period is named.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TaskConnectionFilter {
    /// Of the task of this ServiceNow instance. Needed where several instances have the number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<ServiceNowInstance>,
    /// Begun then or later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Begun before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// At most so many, 50 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 200))]
    pub limit: Option<usize>,
    /// What follows an earlier page: its `next`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Cursor>,
    /// The form of the answer; what the header `Accept` prefers when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<ListFormat>,
}

/// The form of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ListFormat {
    /// JSON.
    Json,
    /// CSV, for spreadsheets.
    Csv,
}

/// A connection in a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConnectionEntry {
    /// The connection.
    #[serde(flatten)]
    pub connection: Connection,
    /// How long it lasted, in seconds; absent while it goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_seconds: Option<u64>,
    /// The same in minutes: one that has begun counts as a whole one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minutes: Option<u64>,
}

/// Some connections, newest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConnectionPage {
    /// There may be fewer than asked for, even none, and yet more to come.
    pub connections: Vec<ConnectionEntry>,
    /// Ask again with this `cursor` for what follows; absent when nothing does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Cursor>,
}

/// Some connections of a task, newest first, and the totals of all of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TaskConnections {
    /// There may be fewer than asked for, even none, and yet more to come.
    pub connections: Vec<ConnectionEntry>,
    /// Ask again with this `cursor` for what follows; absent when nothing does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Cursor>,
    /// The totals of the task, or of the period that was named, whichever page this is.
    pub totals: ConnectionTotals,
}

/// How many connections there were, and how long they lasted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConnectionTotals {
    /// How many connections.
    pub connections: u64,
    /// How many of them have no end: they go on, or nobody knows. They add nothing to the minutes.
    pub running: u64,
    /// How many sessions: connections with one session code are one, each without a code is one.
    pub sessions: u64,
    /// The sum of the connections' minutes, of which each that has begun counts as a whole one.
    pub minutes: u64,
    /// The sum of their seconds.
    pub seconds: u64,
    /// The same for each supporter, who supported longest first.
    pub by_supporter: Vec<SupporterTotals>,
    /// Whether all that were asked for are counted. Else see `counted_until`.
    pub complete: bool,
    /// When there are too many to count at once: those that began before are counted, and with this as `since` the rest
    /// can be asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counted_until: Option<Timestamp>,
}

/// How many connections a supporter made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SupporterTotals {
    /// Who. Without an id and a name: nobody knows.
    pub supporter: Party,
    /// How many connections.
    pub connections: u64,
    /// How many sessions: connections with one session code are one, each without a code is one.
    pub sessions: u64,
    /// The sum of the connections' minutes.
    pub minutes: u64,
}

impl From<Connection> for ConnectionEntry {
    fn from(connection: Connection) -> Self {
        let duration_seconds = connection.duration_seconds();
        Self {
            duration_seconds,
            minutes: duration_seconds.map(minutes),
            connection,
        }
    }
}

fn minutes(seconds: u64) -> u64 {
    seconds.div_ceil(60)
}

impl From<&TotalsFilter> for ConnectionFilter {
    fn from(filter: &TotalsFilter) -> Self {
        Self {
            since: filter.since,
            until: filter.until,
            supporter: filter.supporter.clone(),
            device: filter.device.clone(),
            task: filter.task.clone(),
            instance: filter.instance.clone(),
            code: filter.code.clone(),
            ..Self::default()
        }
    }
}

impl ConnectionFilter {
    /// Those of one task.
    fn of_task(task: &ServiceNowTask, filter: &TaskConnectionFilter) -> Self {
        Self {
            since: filter.since,
            until: filter.until,
            task: Some(task.clone()),
            instance: filter.instance.clone(),
            limit: filter.limit,
            cursor: filter.cursor.clone(),
            ..Self::default()
        }
    }

    fn period(&self, now: Timestamp) -> Result<Period, Error> {
        let since = self.since.unwrap_or_else(|| match self.task {
            Some(_) => Timestamp::UNIX_EPOCH,
            None => now
                .checked_sub(SignedDuration::from_hours(24 * DAYS))
                .unwrap_or(Timestamp::UNIX_EPOCH),
        });
        checked_period(since, self.until.unwrap_or(Timestamp::MAX), now)
    }

    /// Whether every connection of the period, or of the task, is wanted.
    fn takes_all(&self) -> bool {
        self.supporter.is_none()
            && self.device.is_none()
            && self.instance.is_none()
            && self.code.is_none()
    }

    fn is_met_by(&self, connection: &Connection) -> bool {
        let is_meant = |wanted: &Option<String>, party: &Party| {
            wanted
                .as_ref()
                .is_none_or(|wanted| is_called(party, wanted))
        };
        is_meant(&self.supporter, &connection.supporter)
            && is_meant(&self.device, &connection.device)
            && self
                .instance
                .as_ref()
                .is_none_or(|instance| instance.has(connection.task.as_ref()))
            && self
                .code
                .as_ref()
                .is_none_or(|code| connection.code.as_ref() == Some(code))
    }
}

/// Whether somebody or something has this id or this name. People write ids in groups of digits.
fn is_called(party: &Party, wanted: &str) -> bool {
    let wanted = wanted.trim().to_lowercase();
    let dense: String = wanted.split_whitespace().collect();
    let has_name = |name: &String| name.trim().to_lowercase() == wanted;
    let has_id = |id: &String| id.to_lowercase() == dense;
    party.name.as_ref().is_some_and(has_name) || party.id.as_ref().is_some_and(has_id)
}

fn place(connection: &Connection) -> Place {
    Place {
        at: connection.started_at,
        id: connection.id.to_string(),
    }
}

impl TeamViewerManagement {
    /// The connections that meet the filter, newest first, some at a time.
    ///
    /// # Errors
    /// `Invalid` when too many are asked for or the period ends before it begins, `Unavailable`; `Internal` when a row
    /// cannot be read.
    pub async fn connections(
        &self,
        filter: &ConnectionFilter,
        now: Timestamp,
    ) -> Result<ConnectionPage, Error> {
        let limit = filter.limit.unwrap_or(LISTED);
        if !(1..=MOST_CONNECTIONS_LISTED).contains(&limit) {
            return Err(Error::field(
                "limit",
                format!("found {limit}, expected 1 to {MOST_CONNECTIONS_LISTED}"),
            ));
        }
        let period = filter.period(now)?;
        let mut found = Gathering::new(limit, filter.takes_all(), filter.cursor.as_ref());
        loop {
            let page = self
                .connections_from(
                    filter.task.as_ref(),
                    period,
                    Order::NewestFirst,
                    found.after(),
                    found.rows(),
                )
                .await?;
            if !found.take(page, |connection| filter.is_met_by(connection), place) {
                break;
            }
        }
        let page = found.into_page();
        Ok(ConnectionPage {
            connections: page.items.into_iter().map(Into::into).collect(),
            next: page.next,
        })
    }

    /// The totals of the connections that meet the filter. Whoever asks for too much at once is told how far it was counted.
    ///
    /// # Errors
    /// `Invalid` when the period ends before it begins, or several instances have the task; `Unavailable`; `Internal` when
    /// a row cannot be read.
    pub async fn connection_totals(
        &self,
        filter: &TotalsFilter,
        now: Timestamp,
    ) -> Result<ConnectionTotals, Error> {
        self.count(&filter.into(), now).await
    }

    /// The connections of one task, newest first, some at a time, with the totals of all of them.
    ///
    /// # Errors
    /// As [`TeamViewerManagement::connections`]; `Invalid` also when several instances have the task and none is named.
    pub async fn task_connections(
        &self,
        task: &ServiceNowTask,
        filter: &TaskConnectionFilter,
        now: Timestamp,
    ) -> Result<TaskConnections, Error> {
        let filter = ConnectionFilter::of_task(task, filter);
        let ConnectionPage { connections, next } = self.connections(&filter, now).await?;
        Ok(TaskConnections {
            connections,
            next,
            totals: self.count(&filter, now).await?,
        })
    }

    async fn count(
        &self,
        filter: &ConnectionFilter,
        now: Timestamp,
    ) -> Result<ConnectionTotals, Error> {
        let period = filter.period(now)?;
        let began = Instant::now();
        let mut count = Count::default();
        let mut after = None;
        loop {
            let page = self
                .connections_from(
                    filter.task.as_ref(),
                    period,
                    Order::OldestFirst,
                    after.as_ref(),
                    COUNTED_AT_A_TIME,
                )
                .await?;
            for connection in page.items {
                count.read(connection, filter);
            }
            // Instances have the same numbers, and their tasks are not one.
            if let Some(task) = &filter.task {
                count.instances.check_one(task)?;
            }
            let Some(next) = page.next else {
                return Ok(count.whole());
            };
            if count.rows >= MOST_COUNTED || began.elapsed() >= LONGEST_COUNT {
                return Ok(count.part(next.at));
            }
            after = Some(next);
        }
    }

    async fn connections_from(
        &self,
        task: Option<&ServiceNowTask>,
        period: Period,
        order: Order,
        after: Option<&Place>,
        limit: usize,
    ) -> Result<store::Page<Connection>, Error> {
        let rows = &self.connection_rows;
        Ok(match task.map(ServiceNowTask::reference) {
            Some(task) => rows.of_task(task, period, order, after, limit).await?,
            None => rows.in_period(period, order, after, limit).await?,
        })
    }
}

/// What has been counted so far, of connections that come as they began.
#[derive(Debug, Default)]
struct Count {
    rows: usize,
    instances: Instances,
    whole: Sum,
    supporters: BTreeMap<String, (Party, Sum)>,
    /// Those that began at the last moment that was read: there may be more of that moment to come.
    pending: Vec<Connection>,
}

#[derive(Debug, Default)]
struct Sum {
    connections: u64,
    running: u64,
    codes: BTreeSet<String>,
    without_code: u64,
    minutes: u64,
    seconds: u64,
}

impl Sum {
    fn add(&mut self, connection: &Connection) {
        self.connections += 1;
        match &connection.code {
            Some(code) => {
                self.codes.insert(code.key().to_owned());
            }
            None => self.without_code += 1,
        }
        match connection.duration_seconds() {
            Some(seconds) => {
                self.seconds += seconds;
                self.minutes += minutes(seconds);
            }
            None => self.running += 1,
        }
    }

    fn sessions(&self) -> u64 {
        u64::try_from(self.codes.len()).unwrap_or(u64::MAX) + self.without_code
    }
}

impl Count {
    fn read(&mut self, connection: Connection, filter: &ConnectionFilter) {
        self.rows += 1;
        let last = self.pending.last().map(|pending| pending.started_at);
        if last.is_some_and(|last| last != connection.started_at) {
            self.settle();
        }
        if filter.is_met_by(&connection) {
            self.instances.note(connection.task.as_ref());
            self.pending.push(connection);
        }
    }

    /// Counts what is pending.
    fn settle(&mut self) {
        for connection in std::mem::take(&mut self.pending) {
            self.whole.add(&connection);
            let party = &connection.supporter;
            // Names change, and two people may have the same one.
            let key = match (&party.id, &party.name) {
                (Some(id), _) => format!("id {}", id.to_lowercase()),
                (None, Some(name)) => format!("name {}", name.to_lowercase()),
                (None, None) => String::new(),
            };
            let (known, sum) = self.supporters.entry(key).or_default();
            // The newest name counts.
            known.id.clone_from(&party.id);
            if party.name.is_some() {
                known.name.clone_from(&party.name);
            }
            sum.add(&connection);
        }
    }

    /// Everything was read.
    fn whole(mut self) -> ConnectionTotals {
        self.settle();
        self.totals(None)
    }

    /// What follows goes on at this moment.
    fn part(mut self, next: Timestamp) -> ConnectionTotals {
        let is_settled = |pending: &Connection| pending.started_at < next;
        if self.pending.last().is_some_and(is_settled) {
            self.settle();
        }
        self.totals(Some(next))
    }

    fn totals(self, counted_until: Option<Timestamp>) -> ConnectionTotals {
        let mut by_supporter: Vec<SupporterTotals> = self
            .supporters
            .into_values()
            .map(|(supporter, sum)| SupporterTotals {
                supporter,
                connections: sum.connections,
                sessions: sum.sessions(),
                minutes: sum.minutes,
            })
            .collect();
        by_supporter.sort_by_key(|totals| std::cmp::Reverse(totals.minutes));
        ConnectionTotals {
            connections: self.whole.connections,
            running: self.whole.running,
            sessions: self.whole.sessions(),
            minutes: self.whole.minutes,
            seconds: self.whole.seconds,
            by_supporter,
            complete: counted_until.is_none(),
            counted_until,
        }
    }
}

const COLUMNS: [&str; 24] = [
    "id",
    "started_at",
    "ended_at",
    "duration_seconds",
    "minutes",
    "supporter_id",
    "supporter_name",
    "device_id",
    "device_name",
    "group_id",
    "group_name",
    "customer_name",
    "customer_email",
    "code",
    "task_instance",
    "task_table",
    "task_sys_id",
    "task_number",
    "description",
    "note",
    "rating",
    "comment",
    "kind",
    "account",
];

/// Connections as CSV, with the names of the columns above them. No cell is a formula.
pub fn connections_csv(connections: &[ConnectionEntry]) -> String {
    let mut csv = Csv::new(&COLUMNS);
    for entry in connections {
        csv.row(cells(entry));
    }
    csv.into_text()
}

fn cells(entry: &ConnectionEntry) -> [String; COLUMNS.len()] {
    let connection = &entry.connection;
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let number = |number: Option<String>| number.unwrap_or_default();
    let nothing = TaskReference::default();
    let task = connection.task.as_ref().unwrap_or(&nothing);
    [
        connection.id.to_string(),
        connection.started_at.to_string(),
        number(connection.ended_at.map(|at| at.to_string())),
        number(entry.duration_seconds.map(|seconds| seconds.to_string())),
        number(entry.minutes.map(|minutes| minutes.to_string())),
        text(&connection.supporter.id),
        text(&connection.supporter.name),
        text(&connection.device.id),
        text(&connection.device.name),
        text(&connection.group.id),
        text(&connection.group.name),
        text(&connection.customer.name),
        text(&connection.customer.email),
        number(connection.code.as_ref().map(ToString::to_string)),
        text(&task.instance),
        text(&task.table),
        text(&task.sys_id),
        text(&task.number),
        text(&connection.description),
        text(&connection.note),
        number(connection.rating.map(|rating| rating.to_string())),
        text(&connection.comment),
        number(connection.kind.map(|kind| kind.to_string())),
        connection.account.to_string(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const NOW: &str = "2026-11-21T12:00:00Z";

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn connection(id: &str, started_at: &str, more: Value) -> Connection {
        let mut fields = json!({"id": id, "account": "tv", "started_at": started_at});
        let own = fields.as_object_mut().unwrap();
        own.extend(more.as_object().unwrap().clone());
        serde_json::from_value(fields).unwrap()
    }

    fn filter(fields: Value) -> ConnectionFilter {
        serde_json::from_value(fields).unwrap()
    }

    #[test]
    fn filter_finds_people_and_devices_by_id_or_name_whatever_their_case() {
        let found = connection(
            "c1",
            NOW,
            json!({
                "supporter": {"id": "u1001", "name": "Änne Müller"}, "device": {"id": "123456789", "name": "Desk"},
                "code": "s119-457-589"
            }),
        );
        for (fields, expected) in [
            (json!({}), true),
            (json!({"supporter": "U1001"}), true),
            (json!({"supporter": "änne müller"}), true),
            (json!({"supporter": " ÄNNE MÜLLER "}), true),
            (json!({"supporter": "Müller"}), false),
            (json!({"supporter": ""}), false),
            (json!({"device": "123 456 789"}), true),
            (json!({"device": "desk"}), true),
            (json!({"device": "123"}), false),
            (json!({"code": "S119457589"}), true),
            (json!({"code": "s119-457-580"}), false),
            (json!({"supporter": "u1001", "device": "other"}), false),
        ] {
            let filter = filter(fields);
            assert_eq!(filter.is_met_by(&found), expected, "{filter:?}");
        }
        let unknown = connection("c2", NOW, json!({}));
        assert!(!filter(json!({"supporter": ""})).is_met_by(&unknown));
        assert!(!filter(json!({"code": "s119-457-589"})).is_met_by(&unknown));
    }

    #[test]
    fn instance_is_that_of_the_task_and_leaves_out_what_nobody_knows() {
        let of = |task: Value| connection("c1", NOW, json!({"task": task}));
        let dev = filter(json!({"task": "INC0010001", "instance": "DEV1"}));
        assert!(!dev.takes_all());
        assert!(dev.is_met_by(&of(json!({"instance": "dev1", "number": "INC0010001"}))));
        assert!(!dev.is_met_by(&of(json!({"instance": "prod", "number": "INC0010001"}))));
        assert!(!dev.is_met_by(&of(json!({"number": "INC0010001"}))));
        assert!(!dev.is_met_by(&connection("c2", NOW, json!({}))));
    }

    #[test]
    fn period_is_the_last_thirty_days_or_all_that_a_task_has() {
        let now = at(NOW);
        let since = |fields| filter(fields).period(now).unwrap().since.to_string();
        assert_eq!(since(json!({})), "2026-10-22T12:00:00Z");
        assert_eq!(since(json!({"task": "INC0010001"})), "1970-01-01T00:00:00Z");
        let named = json!({"task": "INC0010001", "since": "2026-11-01T00:00:00Z"});
        assert_eq!(since(named), "2026-11-01T00:00:00Z");
        let turned = json!({"since": "2026-11-02T00:00:00Z", "until": "2026-11-01T00:00:00Z"});
        let error = filter(turned).period(now).unwrap_err();
        assert_eq!(error.fields()[0].path, "until");
    }

    fn counted(connections: &[Connection]) -> Count {
        let mut count = Count::default();
        for connection in connections {
            count.read(connection.clone(), &ConnectionFilter::default());
        }
        count
    }

    #[test]
    fn sessions_are_counted_by_code_and_begun_minutes_whole() {
        let ann = json!({"id": "u1", "name": "Ann"});
        let totals = counted(&[
            connection(
                "a",
                "2026-11-20T10:00:00Z",
                json!({"ended_at": "2026-11-20T10:01:01Z", "code": "s119-457-589", "supporter": {"id": "u1", "name": "Anna"}}),
            ),
            connection(
                "b",
                "2026-11-20T10:00:00Z",
                json!({"ended_at": "2026-11-20T10:00:10Z", "code": "S119457589", "supporter": ann}),
            ),
            connection(
                "c",
                "2026-11-20T11:00:00Z",
                json!({"ended_at": "2026-11-20T10:00:00Z"}),
            ),
            connection("d", "2026-11-20T12:00:00Z", json!({"supporter": {"name": "Bob"}})),
            connection(
                "e",
                "2026-11-20T13:00:00Z",
                json!({"ended_at": "2026-11-20T13:30:00Z", "supporter": {"name": "bob"}}),
            ),
        ])
        .whole();
        assert_eq!(
            json!(totals),
            json!({
                "connections": 5, "running": 1, "sessions": 4, "minutes": 33, "seconds": 1871, "complete": true,
                "by_supporter": [
                    {"supporter": {"name": "bob"}, "connections": 2, "sessions": 2, "minutes": 30},
                    {"supporter": {"id": "u1", "name": "Ann"}, "connections": 2, "sessions": 1, "minutes": 3},
                    {"supporter": {}, "connections": 1, "sessions": 1, "minutes": 0},
                ]
            })
        );
    }

    #[test]
    fn count_that_is_broken_off_counts_each_once_when_it_goes_on() {
        let rows: Vec<Connection> = [
            ("a", "2026-11-20T10:00:00Z"),
            ("b", "2026-11-20T11:00:00Z"),
            ("c", "2026-11-20T11:00:00Z"),
            ("d", "2026-11-20T12:00:00Z"),
        ]
        .map(|(id, started_at)| connection(id, started_at, json!({})))
        .into();
        for cut in 1..=rows.len() {
            // A table goes on behind the last row that it gave, or at the border of a day.
            for next in [rows[cut - 1].started_at, at("2026-11-21T00:00:00Z")] {
                if cut < rows.len() && next > rows[cut].started_at {
                    continue;
                }
                let first = counted(&rows[..cut]).part(next);
                assert!(!first.complete);
                let until = first.counted_until.unwrap();
                let rest: Vec<Connection> = rows
                    .iter()
                    .filter(|row| row.started_at >= until)
                    .cloned()
                    .collect();
                let second = counted(&rest).whole();
                assert_eq!(first.connections + second.connections, 4, "{cut} {next}");
            }
        }
    }

    #[test]
    fn csv_has_a_cell_for_each_column() {
        let full = connection(
            "c1",
            "2026-11-20T10:00:00Z",
            json!({
                "ended_at": "2026-11-20T10:01:01Z", "supporter": {"id": "u1", "name": "=cmd"},
                "device": {"id": "1", "name": "Desk, left"}, "group": {"id": "g1", "name": "G"},
                "customer": {"name": "Eve", "email": "eve@example.com"}, "code": "s119457589", "kind": 1,
                "note": "a\nb", "description": "d", "rating": 5, "comment": "-1",
                "task": {"instance": "dev1", "table": "incident", "sys_id": "0".repeat(32), "number": "INC0010001"}
            }),
        );
        let csv = connections_csv(&[full.into(), connection("c2", NOW, json!({})).into()]);
        let mut lines = csv.split("\r\n");
        let header = format!("\u{feff}\"{}\"", COLUMNS.join("\",\""));
        assert_eq!(lines.next(), Some(header.as_str()));
        let zeros = "0".repeat(32);
        assert_eq!(
            lines
                .next()
                .unwrap()
                .trim_matches('"')
                .replace("\",\"", "|"),
            format!(
                "c1|2026-11-20T10:00:00Z|2026-11-20T10:01:01Z|61|2|u1|'=cmd|1|Desk, left|g1|G|Eve|eve@example.com|\
                 s119-457-589|dev1|incident|{zeros}|INC0010001|d|a\nb|5|'-1|1|tv"
            )
        );
        let bare = lines.next().unwrap();
        assert_eq!(bare.matches(',').count(), COLUMNS.len() - 1);
        assert!(
            bare.starts_with(r#""c2","2026-11-21T12:00:00Z","","#),
            "{bare}"
        );
        assert_eq!(lines.next(), Some(""));
    }

    #[test]
    fn entry_on_the_wire_is_a_connection_and_its_length() {
        let ended = json!({"ended_at": "2026-11-21T12:00:01Z"});
        let entry = ConnectionEntry::from(connection("c1", NOW, ended));
        let wire = json!(entry);
        assert_eq!((&wire["id"], &wire["minutes"]), (&json!("c1"), &json!(1)));
        assert_eq!(wire["duration_seconds"], 1);
        let read: ConnectionEntry = serde_json::from_value(wire).unwrap();
        assert_eq!(read, entry);
    }
}
