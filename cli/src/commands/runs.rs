use std::time::Duration;

use clap::{Subcommand, ValueEnum};
use domain::{Run, RunId, RunState, TaskName, WorkflowId};
use jiff::civil::Date;
use management::{Retried, RunDetail, RunFilter};
use serde_json::json;

use super::Ending;
use crate::error::Error;
use crate::follow::{self, Patience};
use crate::output::Output;
use crate::report::run::FullRun;
use crate::report::{duration, time};
use crate::stack::{Stack, Target};

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
    pub(crate) async fn run(
        &self,
        target: &Target,
        output: &mut Output<'_>,
    ) -> Result<Ending, Error> {
        let stack = target.open().await?;
        match self {
            Self::List {
                workflow,
                state,
                day,
                limit,
            } => {
                let filter = RunFilter {
                    workflow: workflow.clone(),
                    state: state.map(RunState::from),
                    day: *day,
                    limit: Some(*limit),
                };
                list(&stack, &filter, output).await?;
                Ok(Ending::Good)
            }
            Self::Show { id } => {
                show(&stack.run(id).await?, output)?;
                Ok(Ending::Good)
            }
            Self::Retry { id } => {
                tell_retried(&stack.retry_run(id).await?, output)?;
                Ok(Ending::Good)
            }
            Self::Follow { id, timeout } => {
                let patience = Patience::new(timeout.map(Duration::from_secs));
                let detail = follow::ended(&stack, id, patience, output).await?;
                let run = &detail.run;
                if output.wants_json() {
                    show(&detail, output)?;
                } else {
                    output.text(format_args!("{}: {}", run.id, run.state.as_str()))?;
                }
                Ok(ending(run))
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

fn show(detail: &RunDetail, output: &mut Output<'_>) -> Result<(), Error> {
    if output.wants_json() {
        output.json(detail)
    } else {
        output.text(FullRun::of(detail).to_string().trim_end())
    }
}

async fn list(stack: &Stack, filter: &RunFilter, output: &mut Output<'_>) -> Result<(), Error> {
    let found = stack.runs(filter).await?.items;
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

fn tell_retried(retried: &Retried, output: &mut Output<'_>) -> Result<(), Error> {
    for change in &retried.changed {
        let (before, after) = (change.before.as_str(), change.after.as_str());
        output.progress(format_args!("{}: {before} → {after}", change.task))?;
    }
    if !retried.reopened {
        let nothing_is_due = retried.requested.is_empty() && retried.told_again.is_empty();
        output.progress(if nothing_is_due {
            "The run is going on, and nothing is due in it."
        } else {
            "The run is going on; its tasks that are due or have ended are requested once more, in case a message was lost."
        })?;
    }
    if output.wants_json() {
        let told_again: Vec<&TaskName> = retried.told_again.iter().map(|end| &end.task).collect();
        return output.json(&json!({
            "run": retried.run, "requested": retried.requested, "told_again": told_again,
            "too_early": retried.too_early
        }));
    }
    for task in &retried.requested {
        output.text(format_args!("{task}: requested"))?;
    }
    for end in &retried.told_again {
        output.text(format_args!(
            "{}: {}, which is told once more",
            end.task,
            end.state.as_str()
        ))?;
    }
    for name in &retried.too_early {
        output.text(format_args!(
            "{name} can be tried again only when the run has ended: repeat this command then."
        ))?;
    }
    output.text(format_args!(
        "Watch it with `closedloop runs follow {}`.",
        retried.run
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use management::samples;

    #[test]
    fn retry_tells_what_is_requested_what_is_repeated_and_what_must_wait() {
        let (run, _, _) = samples::failed_run();
        let id = &run.id;
        let retried: Retried = serde_json::from_value(json!({
            "run": id, "reopened": true, "changed": [{"task": "ticket", "before": "skipped", "after": "waiting"}],
            "requested": ["ticket"], "told_again": [{"task": "incident", "state": "failed"}],
            "too_early": ["incident"]
        }))
        .unwrap();
        let written = |json| {
            let mut bytes = Vec::new();
            tell_retried(&retried, &mut Output::new(&mut bytes, json)).unwrap();
            String::from_utf8(bytes).unwrap()
        };
        assert_eq!(
            written(false),
            format!(
                "ticket: skipped → waiting\n\
                 ticket: requested\n\
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
