use std::time::Duration;

use clap::{Subcommand, ValueEnum};
use domain::{Run, RunId, RunState, TaskName, TaskRun, TaskState, WorkflowId};
use jiff::ToSpan;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::json;
use store::Runs;

use super::Ending;
use crate::bus;
use crate::deployed::Deployed;
use crate::error::Error;
use crate::follow::{self, Patience};
use crate::output::Output;
use crate::report::run::FullRun;
use crate::report::{duration, time};
use crate::retry::{self, Plan};

/// How many runs are looked at when only some of them are wanted.
const MOST_READ: usize = 2_000;
/// How many days are looked at, today included, when neither workflow nor day is named.
const DAYS: usize = 7;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the newest runs, of the last seven days unless a workflow or a day is named
    List {
        /// Of this workflow only
        #[arg(long, value_name = "ID")]
        workflow: Option<WorkflowId>,
        /// In this state only
        #[arg(long, value_enum)]
        state: Option<StateName>,
        /// Begun on this day only (UTC), as in 2026-11-21
        #[arg(long, value_name = "DAY")]
        day: Option<Date>,
        /// At most so many
        #[arg(long, default_value_t = 20, value_name = "NUMBER")]
        limit: usize,
    },
    /// Show a run in full: condition, tasks, attempts, calls
    Show {
        /// The run
        id: RunId,
    },
    /// Try the failed tasks of a run again, or free a run that goes on after a lost message; safe to repeat
    Retry {
        /// The run
        id: RunId,
    },
    /// Watch a run until it has ended; exits with 1 when it has failed
    Follow {
        /// The run
        id: RunId,
        /// Give up after so many seconds
        #[arg(long, value_name = "SECONDS")]
        timeout: Option<u64>,
    },
}

/// The states by the names that the command line has for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum StateName {
    Running,
    Succeeded,
    Failed,
}

impl From<StateName> for RunState {
    fn from(name: StateName) -> Self {
        match name {
            StateName::Running => Self::Running,
            StateName::Succeeded => Self::Succeeded,
            StateName::Failed => Self::Failed,
        }
    }
}

impl Command {
    pub(crate) async fn run(&self, stack: &str, output: &mut Output<'_>) -> Result<Ending, Error> {
        let deployed = Deployed::find(stack).await?;
        let runs = deployed.runs()?;
        match self {
            Self::List {
                workflow,
                state,
                day,
                limit,
            } => {
                let wanted = Wanted {
                    workflow: workflow.as_ref(),
                    state: state.map(RunState::from),
                    day: *day,
                    limit: *limit,
                };
                list(&runs, &wanted, output).await?;
                Ok(Ending::Good)
            }
            Self::Show { id } => {
                let (run, tasks) = find(&runs, id).await?;
                show(&run, &tasks, output)?;
                Ok(Ending::Good)
            }
            Self::Retry { id } => {
                retry(&deployed, &runs, id, output).await?;
                Ok(Ending::Good)
            }
            Self::Follow { id, timeout } => {
                let patience = Patience::new(timeout.map(Duration::from_secs));
                let (run, tasks) = follow::ended(&runs, id, patience, output).await?;
                if output.wants_json() {
                    show(&run, &tasks, output)?;
                } else {
                    output.text(format_args!("{}: {}", run.id, run.state.as_str()))?;
                }
                Ok(ending(&run))
            }
        }
    }
}

/// Whether a run's end is good news.
pub(crate) fn ending(run: &Run) -> Ending {
    match run.state {
        RunState::Failed => Ending::Bad,
        RunState::Running | RunState::Succeeded => Ending::Good,
    }
}

async fn find(runs: &Runs, id: &RunId) -> Result<(Run, Vec<TaskRun>), Error> {
    runs.get(id)
        .await?
        .ok_or_else(|| Error::UnknownRun(id.clone()))
}

/// A run with its tasks, as JSON.
pub(crate) fn as_json(run: &Run, tasks: &[TaskRun]) -> serde_json::Value {
    json!({ "run": run, "tasks": tasks })
}

fn show(run: &Run, tasks: &[TaskRun], output: &mut Output<'_>) -> Result<(), Error> {
    if output.wants_json() {
        output.json(&as_json(run, tasks))
    } else {
        let text = FullRun { run, tasks }.to_string();
        output.text(text.trim_end())
    }
}

/// Which runs are to be listed.
#[derive(Debug, Clone, Copy)]
struct Wanted<'a> {
    workflow: Option<&'a WorkflowId>,
    state: Option<RunState>,
    day: Option<Date>,
    limit: usize,
}

impl Wanted<'_> {
    fn is(&self, run: &Run) -> bool {
        self.workflow
            .is_none_or(|workflow| run.workflow == *workflow)
            && self.state.is_none_or(|state| run.state == state)
            && self
                .day
                .is_none_or(|day| run.started_at.to_zoned(TimeZone::UTC).date() == day)
    }

    /// How many to read: the tables know nothing of states.
    fn rows(&self) -> usize {
        if self.state.is_some() || (self.workflow.is_some() && self.day.is_some()) {
            MOST_READ
        } else {
            self.limit
        }
    }
}

async fn list(runs: &Runs, wanted: &Wanted<'_>, output: &mut Output<'_>) -> Result<(), Error> {
    let mut found = Vec::new();
    if let Some(workflow) = wanted.workflow {
        found = runs.of_workflow(workflow, wanted.rows()).await?;
    } else if let Some(day) = wanted.day {
        found = runs.of_day(day, wanted.rows()).await?;
    } else {
        let today = startup::now().to_zoned(TimeZone::UTC).date();
        for day in today.series(-1.day()).take(DAYS) {
            let of_day = runs.of_day(day, wanted.rows()).await?;
            found.extend(of_day.into_iter().filter(|run| wanted.is(run)));
            if found.len() >= wanted.limit {
                break;
            }
        }
    }
    found.retain(|run| wanted.is(run));
    found.truncate(wanted.limit);
    if output.wants_json() {
        return output.json(&found);
    }
    if found.is_empty() {
        return output.text("There is no such run.");
    }
    let rows: Vec<Vec<String>> = found.iter().map(row).collect();
    output.table(&rows)
}

fn row(run: &Run) -> Vec<String> {
    let took = run
        .finished_at
        .map(|finished_at| duration(run.started_at, finished_at))
        .unwrap_or_default();
    vec![
        run.id.to_string(),
        run.state.as_str().to_owned(),
        time(run.started_at),
        took,
        run.workflow.to_string(),
        run.event_type.clone(),
        run.event_subject.clone().unwrap_or_default(),
    ]
}

async fn retry(
    deployed: &Deployed,
    runs: &Runs,
    id: &RunId,
    output: &mut Output<'_>,
) -> Result<(), Error> {
    let (run, tasks) = find(runs, id).await?;
    let record = deployed.events()?.get(&run.event).await?;
    let event = record.as_ref().map(|record| &record.event);
    let (requests, too_early) = match retry::plan(run, tasks, event, startup::now())? {
        Plan::Reopen {
            run,
            changed,
            requests,
        } => {
            let changed: Vec<(&TaskRun, TaskState)> = changed
                .iter()
                .map(|(task, before)| (task, *before))
                .collect();
            // State first, message second: a command that is stopped in between is repeated.
            runs.reopen(&run, &changed).await?;
            for (task, before) in changed {
                let (before, now) = (before.as_str(), task.state.as_str());
                output.progress(format_args!("{}: {before} → {now}", task.name))?;
            }
            (requests, Vec::new())
        }
        Plan::Repeat {
            requests,
            too_early,
        } => {
            output.progress(if requests.is_empty() {
                "The run is going on, and nothing is due in it."
            } else {
                "The run is going on; its tasks that are due or have ended are requested once more, in case a message was lost."
            })?;
            (requests, too_early)
        }
    };
    bus::request(deployed, &requests).await?;
    tell_retried(id, &requests, &too_early, output)
}

fn tell_retried(
    id: &RunId,
    requests: &[TaskRun],
    too_early: &[TaskName],
    output: &mut Output<'_>,
) -> Result<(), Error> {
    let (ended, due): (Vec<&TaskRun>, Vec<&TaskRun>) =
        requests.iter().partition(|task| task.state.has_ended());
    if output.wants_json() {
        let names =
            |tasks: &[&TaskRun]| json!(tasks.iter().map(|task| &task.name).collect::<Vec<_>>());
        return output.json(&json!({
            "run": id, "requested": names(&due), "told_again": names(&ended), "too_early": too_early
        }));
    }
    for task in due {
        output.text(format_args!("{}: requested", task.name))?;
    }
    for task in ended {
        let state = task.state.as_str();
        output.text(format_args!(
            "{}: {state}, which is told once more",
            task.name
        ))?;
    }
    for name in too_early {
        output.text(format_args!(
            "{name} can be tried again only when the run has ended: repeat this command then."
        ))?;
    }
    output.text(format_args!("Watch it with `closedloop runs follow {id}`."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    #[test]
    fn only_wanted_runs_are_listed() {
        let (run, _, _) = samples::failed_run();
        let day: Date = "2026-11-21".parse().unwrap();
        let own = WorkflowId::parse("follow-up").unwrap();
        let other = WorkflowId::parse("other").unwrap();
        for (workflow, state, on, expected) in [
            (None, None, None, true),
            (Some(&own), Some(RunState::Failed), Some(day), true),
            (Some(&other), None, None, false),
            (None, Some(RunState::Running), None, false),
            (None, None, Some("2026-11-20".parse().unwrap()), false),
        ] {
            let wanted = Wanted {
                workflow,
                state,
                day: on,
                limit: 5,
            };
            assert_eq!(wanted.is(&run), expected, "{wanted:?}");
        }
    }

    #[test]
    fn retry_tells_what_is_requested_what_is_repeated_and_what_must_wait() {
        let (run, mut tasks, _) = samples::failed_run();
        tasks[1].state = TaskState::Requested;
        let too_early = [tasks[0].name.clone()];
        let written = |json| {
            let mut bytes = Vec::new();
            let mut output = Output::new(&mut bytes, json);
            tell_retried(&run.id, &tasks, &too_early, &mut output).unwrap();
            String::from_utf8(bytes).unwrap()
        };
        let id = &run.id;
        assert_eq!(
            written(false),
            format!(
                "ticket: requested\n\
                 incident: failed, which is told once more\n\
                 incident can be tried again only when the run has ended: repeat this command then.\n\
                 Watch it with `closedloop runs follow {id}`.\n"
            )
        );
        let found: serde_json::Value = serde_json::from_str(&written(true)).unwrap();
        assert_eq!(
            found,
            json!({"run": id, "requested": ["ticket"], "told_again": ["incident"], "too_early": ["incident"]})
        );
    }

    #[test]
    fn failed_run_is_bad_news() {
        let (run, _, _) = samples::failed_run();
        assert_eq!(ending(&run), Ending::Bad);
        assert_eq!(ending(&samples::succeeded_run().0), Ending::Good);
    }
}
