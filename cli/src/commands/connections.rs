use clap::{Args, Subcommand};
use domain::CaseCode;
use domain::connection::Party;
use jiff::Timestamp;
use management::{
    ConnectionEntry, ConnectionFilter, ConnectionPage, ConnectionTotals, HistoryStatus,
    IntervalOrigin, MOST_CONNECTIONS_LISTED, RefreshConnections, RefreshedTask, ServiceNowInstance,
    ServiceNowTask, TaskConnectionFilter, TaskFilter, TotalsFilter, connections_csv,
};

use super::{Ending, runs};
use crate::error::Error;
use crate::moment::Moment;
use crate::output::Output;
use crate::report::time;
use crate::stack::{Stack, Target};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List connections, newest first: of the last 30 days unless a period or a task is named
    List {
        #[command(flatten)]
        which: Which,
        /// At most so many
        #[arg(long, default_value_t = 20, value_name = "NUMBER")]
        limit: usize,
        /// All of them
        #[arg(long, conflicts_with = "limit")]
        all: bool,
        /// As comma-separated values, for a spreadsheet
        #[arg(long)]
        csv: bool,
    },
    /// Count connections, sessions and minutes: of the last 30 days unless a period or a task is named
    Totals {
        #[command(flatten)]
        which: Which,
    },
    /// Have connections fetched now
    Refresh {
        /// Back to then, at least: a moment, a day, or how long ago, as in 2h
        #[arg(long, value_name = "MOMENT")]
        since: Option<Moment>,
        /// Only those of this ServiceNow task's service cases
        #[arg(long, value_name = "NUMBER", conflicts_with = "since")]
        task: Option<ServiceNowTask>,
        /// The task is that of this ServiceNow instance; needed where several have the number
        #[arg(long, value_name = "NAME", requires = "task")]
        instance: Option<ServiceNowInstance>,
    },
    /// Tell how far the history has come, and what went wrong
    Status,
}

/// Which connections are meant.
#[derive(Debug, Clone, Args)]
pub(crate) struct Which {
    /// Begun then or later: a moment, a day, or how long ago, as in 2h
    #[arg(long, value_name = "MOMENT")]
    since: Option<Moment>,
    /// Begun before
    #[arg(long, value_name = "MOMENT")]
    until: Option<Moment>,
    /// Of the supporter with this id or name
    #[arg(long, value_name = "NAME")]
    supporter: Option<String>,
    /// To the device with this id or name
    #[arg(long, value_name = "NAME")]
    device: Option<String>,
    /// Of the ServiceNow task with this number or `sys_id`
    #[arg(long, value_name = "NUMBER")]
    task: Option<ServiceNowTask>,
    /// Of tasks of this ServiceNow instance; needed where several have the task's number
    #[arg(long, value_name = "NAME")]
    instance: Option<ServiceNowInstance>,
    /// Of the service case with this session code
    #[arg(long)]
    code: Option<CaseCode>,
}

impl Which {
    fn filter(&self, now: Timestamp) -> ConnectionFilter {
        ConnectionFilter {
            since: self.since.map(|since| since.before(now)),
            until: self.until.map(|until| until.before(now)),
            supporter: self.supporter.clone(),
            device: self.device.clone(),
            task: self.task.clone(),
            instance: self.instance.clone(),
            code: self.code.clone(),
            ..ConnectionFilter::default()
        }
    }

    fn totals(&self, now: Timestamp) -> TotalsFilter {
        TotalsFilter {
            since: self.since.map(|since| since.before(now)),
            until: self.until.map(|until| until.before(now)),
            supporter: self.supporter.clone(),
            device: self.device.clone(),
            task: self.task.clone(),
            instance: self.instance.clone(),
            code: self.code.clone(),
        }
    }
}

impl Command {
    pub(crate) async fn run(
        &self,
        target: &Target,
        output: &mut Output<'_>,
    ) -> Result<Ending, Error> {
        match self {
            Self::List {
                which,
                limit,
                all,
                csv,
            } => {
                let filter = which.filter(startup::now());
                let limit = (!all).then_some(*limit);
                list(&target.open().await?, filter, limit, *csv, output).await?;
            }
            Self::Totals { which } => {
                let filter = which.totals(startup::now());
                let totals = target.open().await?.connection_totals(&filter).await?;
                tell_totals(&totals, output)?;
            }
            Self::Refresh {
                since: _,
                task: Some(task),
                instance,
            } => {
                let instance = instance.clone();
                let filter = TaskFilter { instance };
                let stack = target.open().await?;
                let refreshed = stack.refresh_task_connections(task, &filter).await?;
                tell_refreshed(task, &refreshed, output)?;
            }
            Self::Refresh {
                since, task: None, ..
            } => {
                let now = startup::now();
                let request = RefreshConnections {
                    since: since.map(|since| since.before(now)),
                };
                let status = target.open().await?.refresh_connections(&request).await?;
                output.progress(
                    "Connections are being fetched: `connections status` tells how far that is.",
                )?;
                tell_status(&status, output)?;
            }
            Self::Status => {
                let status = target.open().await?.history_status().await?;
                tell_status(&status, output)?;
                let is_well = status.stands_still_since.is_none()
                    && status
                        .history
                        .as_ref()
                        .is_none_or(|history| history.failures == 0);
                if !is_well {
                    return Ok(Ending::Bad);
                }
            }
        }
        Ok(Ending::Good)
    }
}

async fn list(
    stack: &Stack,
    mut filter: ConnectionFilter,
    limit: Option<usize>,
    csv: bool,
    output: &mut Output<'_>,
) -> Result<(), Error> {
    let mut found = Vec::new();
    loop {
        let left = limit.map_or(MOST_CONNECTIONS_LISTED, |limit| {
            limit.saturating_sub(found.len())
        });
        filter.limit = Some(left.clamp(1, MOST_CONNECTIONS_LISTED));
        let page = page(stack, &filter).await?;
        found.extend(page.connections);
        filter.cursor = page.next;
        let is_enough = limit.is_some_and(|limit| found.len() >= limit);
        if filter.cursor.is_none() || is_enough {
            break;
        }
    }
    if csv {
        output.raw(&connections_csv(&found))?;
        if filter.cursor.is_some() {
            // Not among the rows.
            eprintln!("There are more: use --limit or --all.");
        }
        return Ok(());
    }
    if output.wants_json() {
        return output.json(&found);
    }
    if found.is_empty() && filter.cursor.is_none() {
        return output.text("There is no such connection.");
    }
    let mut rows = vec![
        [
            "began",
            "minutes",
            "supporter",
            "device",
            "code",
            "task",
            "instance",
            "customer",
        ]
        .map(str::to_owned)
        .to_vec(),
    ];
    rows.extend(found.iter().map(row));
    output.table(&rows)?;
    runs::tell_more(filter.cursor.is_some(), output)
}

/// Those of one task need fewer rights, when nothing else is asked for.
async fn page(stack: &Stack, filter: &ConnectionFilter) -> Result<ConnectionPage, Error> {
    let is_of_task_alone =
        filter.supporter.is_none() && filter.device.is_none() && filter.code.is_none();
    let Some(task) = filter.task.as_ref().filter(|_| is_of_task_alone) else {
        return stack.connections(filter).await;
    };
    let of_task = TaskConnectionFilter {
        instance: filter.instance.clone(),
        since: filter.since,
        until: filter.until,
        limit: filter.limit,
        cursor: filter.cursor.clone(),
        format: None,
    };
    let found = stack.task_connections(task, &of_task).await?;
    Ok(ConnectionPage {
        connections: found.connections,
        next: found.next,
    })
}

fn name(party: &Party) -> String {
    let name = party.name.clone().or_else(|| party.id.clone());
    name.unwrap_or_else(|| "-".to_owned())
}

fn row(entry: &ConnectionEntry) -> Vec<String> {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let connection = &entry.connection;
    let task = connection.task.as_ref();
    let instance = task.and_then(|task| task.instance.clone());
    let task = task.and_then(|task| task.number.clone().or_else(|| task.sys_id.clone()));
    vec![
        time(connection.started_at),
        entry
            .minutes
            .map_or_else(|| "no end".to_owned(), |minutes| minutes.to_string()),
        name(&connection.supporter),
        name(&connection.device),
        or_dash(connection.code.as_ref().map(ToString::to_string)),
        or_dash(task),
        or_dash(instance),
        or_dash(connection.customer.name.clone()),
    ]
}

fn tell_totals(totals: &ConnectionTotals, output: &mut Output<'_>) -> Result<(), Error> {
    if output.wants_json() {
        return output.json(totals);
    }
    let line = |who: String, connections: u64, sessions: u64, minutes: u64| {
        vec![
            who,
            connections.to_string(),
            sessions.to_string(),
            minutes.to_string(),
        ]
    };
    let mut rows = vec![
        ["supporter", "connections", "sessions", "minutes"]
            .map(str::to_owned)
            .to_vec(),
    ];
    rows.extend(
        totals
            .by_supporter
            .iter()
            .map(|of| line(name(&of.supporter), of.connections, of.sessions, of.minutes)),
    );
    rows.push(line(
        "all".to_owned(),
        totals.connections,
        totals.sessions,
        totals.minutes,
    ));
    output.table(&rows)?;
    if totals.running > 0 {
        output.text(format_args!(
            "{} of the connections have no end yet and add nothing to the minutes.",
            totals.running
        ))?;
    }
    match totals.counted_until {
        Some(until) => output.text(format_args!(
            "There are too many to count at once. Those that began before {until} are counted: go on with --since {until}"
        )),
        None => Ok(()),
    }
}

fn tell_refreshed(
    task: &ServiceNowTask,
    refreshed: &RefreshedTask,
    output: &mut Output<'_>,
) -> Result<(), Error> {
    if output.wants_json() {
        return output.json(refreshed);
    }
    if refreshed.codes.is_empty() {
        return output.text(format_args!(
            "No service case is known for {task}: its connections come with the history of the whole company."
        ));
    }
    let codes: Vec<String> = refreshed.codes.iter().map(ToString::to_string).collect();
    output.text(format_args!(
        "The connections of {} are being fetched.",
        codes.join(", ")
    ))?;
    if refreshed.left_out > 0 {
        output.text(format_args!(
            "{} older service cases are left out.",
            refreshed.left_out
        ))?;
    }
    Ok(())
}

fn tell_status(status: &HistoryStatus, output: &mut Output<'_>) -> Result<(), Error> {
    if output.wants_json() {
        return output.json(status);
    }
    for line in status_lines(status) {
        output.text(line)?;
    }
    Ok(())
}

fn status_lines(status: &HistoryStatus) -> Vec<String> {
    let Some(account) = &status.account else {
        return vec![
            "No history is kept: name an account with `teamviewer settings apply`.".to_owned(),
        ];
    };
    let mut lines = Vec::new();
    let mut line = |name: &str, text: String| lines.push(format!("{name:<13}{text}"));
    let state = status.account_state.map_or_else(
        || "there is no such account".to_owned(),
        |state| state.to_string(),
    );
    line("account", format!("{account} ({state})"));
    let origin = match status.every_hours_from {
        IntervalOrigin::Settings => "by the settings",
        IntervalOrigin::Stack => "by the stack's parameter",
    };
    line("every", format!("{} h, {origin}", status.every_hours));
    if let Some(asked) = &status.asked {
        line("asked for", time(asked.at));
    }
    if let Some(since) = status.stands_still_since {
        line(
            "stands still",
            format!("what was due at {} is not fetched", time(since)),
        );
    }
    let Some(history) = &status.history else {
        line("fetched", "never".to_owned());
        return lines;
    };
    if let Some(at) = history.last_success {
        line("fetched", time(at));
    }
    if let Some(at) = history.reached_back_to {
        line("back to", time(at));
    }
    if let Some(walk) = &history.walk {
        let pages = walk.pages;
        let (from, to) = (time(walk.from), time(walk.to));
        line("under way", format!("{from} to {to}, {pages} pages so far"));
    }
    if history.failures > 0 {
        line("failures", format!("{} in a row", history.failures));
    }
    if let Some(problem) = &history.problem {
        line("problem", problem.replace('\n', " "));
    }
    let next = history.next_attempt_at.or(status.next_due);
    line("next", next.map_or_else(|| "at once".to_owned(), time));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use vendor_http::test_support::{Server, Step};

    fn entry() -> serde_json::Value {
        json!({
            "id": "c1", "account": "tv", "started_at": "2026-11-20T10:00:00Z", "ended_at": "2026-11-20T10:01:01Z",
            "duration_seconds": 61, "minutes": 2, "supporter": {"id": "u1", "name": "Ann"}, "customer": {},
            "device": {"id": "123"}, "group": {}, "task": {"number": "INC0010001", "instance": "dev1"}
        })
    }

    #[tokio::test]
    async fn connections_of_a_task_alone_are_asked_of_the_task() {
        let page = json!({"connections": [entry()], "next": "1.c1"});
        let mut of_task = page.clone();
        of_task["totals"] = json!(ConnectionTotals::default());
        let server = Server::start([
            Step::json(200, of_task.clone()),
            Step::json(200, {
                of_task["next"] = serde_json::Value::Null;
                of_task
            }),
            Step::json(200, page),
        ])
        .await
        .unwrap();
        let target = Target::Api {
            url: server.url(),
            token: "clt_hunter2".into(),
        };
        let stack = target.open().await.unwrap();
        let mut bytes = Vec::new();
        let mut output = Output::new(&mut bytes, false);
        let task: ServiceNowTask = "inc0010001".parse().unwrap();
        let filter = ConnectionFilter {
            task: Some(task),
            instance: Some("Dev1".parse().unwrap()),
            ..ConnectionFilter::default()
        };
        list(&stack, filter.clone(), None, true, &mut output)
            .await
            .unwrap();
        let filter = ConnectionFilter {
            device: Some("a b".to_owned()),
            ..filter
        };
        list(&stack, filter, Some(1), false, &mut output)
            .await
            .unwrap();
        let asked: Vec<String> = server
            .received()
            .iter()
            .map(|request| request.target.clone())
            .collect();
        assert_eq!(
            asked,
            [
                "/v1/tasks/INC0010001/connections?instance=dev1&limit=200",
                "/v1/tasks/INC0010001/connections?cursor=1.c1&instance=dev1&limit=200",
                "/v1/connections?device=a+b&instance=dev1&limit=1&task=INC0010001",
            ]
        );
        let text = String::from_utf8(bytes).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3 + 2 + 1, "{text}");
        let first = r#""c1","2026-11-20T10:00:00Z","#;
        assert!(lines[1].starts_with(first), "{text}");
        assert!(
            lines[4].contains("Ann") && lines[4].contains("INC0010001  dev1"),
            "{text}"
        );
    }

    #[tokio::test]
    async fn task_of_one_instance_is_refreshed_and_counted() {
        let totals = json!(ConnectionTotals::default());
        let refreshed = json!({"codes": [], "left_out": 0});
        let server = Server::start([Step::json(202, refreshed), Step::json(200, totals)])
            .await
            .unwrap();
        let target = Target::Api {
            url: server.url(),
            token: "clt_hunter2".into(),
        };
        let task: Option<ServiceNowTask> = "INC0010001".parse().ok();
        let instance: Option<ServiceNowInstance> = "dev1".parse().ok();
        let which = Which {
            since: None,
            until: None,
            supporter: None,
            device: None,
            task: task.clone(),
            instance: instance.clone(),
            code: None,
        };
        let refresh = Command::Refresh {
            since: None,
            task,
            instance,
        };
        let mut bytes = Vec::new();
        let mut output = Output::new(&mut bytes, false);
        for command in [refresh, Command::Totals { which }] {
            command.run(&target, &mut output).await.unwrap();
        }
        let asked: Vec<String> = server
            .received()
            .iter()
            .map(|request| request.target.clone())
            .collect();
        assert_eq!(
            asked,
            [
                "/v1/tasks/INC0010001/connections/refresh?instance=dev1",
                "/v1/connections/totals?instance=dev1&task=INC0010001",
            ]
        );
    }

    #[test]
    fn status_tells_what_is_wrong_and_what_comes_next() {
        let status: HistoryStatus = serde_json::from_value(json!({
            "account": "tv", "account_state": "connected", "every_hours": 6, "every_hours_from": "settings", "busy": false,
            "next_due": "2026-11-21T09:00:00Z", "stands_still_since": "2026-11-21T09:30:00Z",
            "history": {"problem": "refused", "failures": 2, "next_attempt_at": "2026-11-21T12:05:00Z"}
        }))
        .unwrap();
        let text = status_lines(&status).join("\n");
        for words in [
            "tv (connected)",
            "6 h, by the settings",
            "refused",
            "2 in a row",
            "due at 2026-11-21T09:30:00Z",
            "2026-11-21T12:05:00Z",
        ] {
            assert!(text.contains(words), "{words}: {text}");
        }
        let off: HistoryStatus = serde_json::from_value(
            json!({"every_hours": 6, "every_hours_from": "stack", "busy": false}),
        )
        .unwrap();
        assert!(status_lines(&off)[0].contains("teamviewer settings apply"));
    }
}
