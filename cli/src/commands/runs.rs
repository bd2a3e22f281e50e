use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use domain::{Run, RunId, RunState, TaskName, WorkflowId};
use jiff::civil::Date;
use management::{
    MOST_LISTED, NotRetried, Retried, RetriedPage, RetryFailed, RunDetail, RunFilter,
};
use serde_json::json;

use super::Ending;
use crate::error::Error;
use crate::follow::{self, Patience};
use crate::moment::Moment;
use crate::output::Output;
use crate::report::run::FullRun;
use crate::report::{duration, time};
use crate::stack::{Stack, Target};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the newest runs, of the last seven days unless a workflow, a day or a period is named
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
        /// Begun then or later: a moment, a day, or how long ago, as in 2h
        #[arg(long, value_name = "MOMENT")]
        since: Option<Moment>,
        /// Begun before
        #[arg(long, value_name = "MOMENT")]
        until: Option<Moment>,
        /// At most so many
        #[arg(long, default_value_t = 20, value_name = "NUMBER")]
        limit: usize,
        /// All of them
        #[arg(long, conflicts_with = "limit")]
        all: bool,
    },
    /// Show a run in full: condition, tasks, attempts, calls
    Show {
        /// The run
        id: RunId,
    },
    /// Try the failed tasks of a run again, or free a run that goes on after a lost message; or try all failed
    /// runs of a period again. Safe to repeat and to break off
    Retry(Retry),
    /// Watch a run until it has ended; exits with 1 when it has failed
    Follow {
        /// The run
        id: RunId,
        /// Give up after so many seconds
        #[arg(long, value_name = "SECONDS")]
        timeout: Option<u64>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Retry {
    /// The run
    #[arg(required_unless_present = "failed")]
    id: Option<RunId>,
    /// Only this failed task, with what was skipped for its sake
    #[arg(long, value_name = "TASK", conflicts_with = "failed")]
    task: Option<TaskName>,
    /// All failed runs that began in a period
    #[arg(long, requires = "since", conflicts_with = "id")]
    failed: bool,
    /// Begun then or later: a moment, a day, or how long ago, as in 2h
    #[arg(long, value_name = "MOMENT", requires = "failed")]
    since: Option<Moment>,
    /// Begun before; now unless said
    #[arg(long, value_name = "MOMENT", requires = "failed")]
    until: Option<Moment>,
    /// Of this workflow only
    #[arg(long, value_name = "ID", requires = "failed")]
    workflow: Option<WorkflowId>,
    /// Change nothing, and tell what could be tried again
    #[arg(long, requires = "failed")]
    dry_run: bool,
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
                since,
                until,
                limit,
                all,
            } => {
                let now = startup::now();
                let filter = RunFilter {
                    workflow: workflow.clone(),
                    state: state.map(RunState::from),
                    day: *day,
                    since: since.map(|since| since.before(now)),
                    until: until.map(|until| until.before(now)),
                    ..RunFilter::default()
                };
                list(&stack, filter, (!all).then_some(*limit), output).await?;
                Ok(Ending::Good)
            }
            Self::Show { id } => {
                show(&stack.run(id).await?, output)?;
                Ok(Ending::Good)
            }
            Self::Retry(retry) => retry.run(&stack, output).await,
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

async fn list(
    stack: &Stack,
    mut filter: RunFilter,
    limit: Option<usize>,
    output: &mut Output<'_>,
) -> Result<(), Error> {
    let mut found = Vec::new();
    loop {
        let left = limit.map_or(MOST_LISTED, |limit| limit.saturating_sub(found.len()));
        filter.limit = Some(left.min(MOST_LISTED));
        let page = stack.runs(&filter).await?;
        found.extend(page.items);
        filter.cursor = page.next;
        let is_enough = limit.is_some_and(|limit| found.len() >= limit);
        if filter.cursor.is_none() || is_enough {
            break;
        }
    }
    if output.wants_json() {
        return output.json(&found);
    }
    if found.is_empty() && filter.cursor.is_none() {
        return output.text("There is no such run.");
    }
    let rows: Vec<Vec<String>> = found.iter().map(row).collect();
    output.table(&rows)?;
    tell_more(filter.cursor.is_some(), output)
}

/// Says that a list was cut.
pub(crate) fn tell_more(is_cut: bool, output: &mut Output<'_>) -> Result<(), Error> {
    if is_cut {
        output.text("There may be more: see them with --limit NUMBER or --all.")
    } else {
        Ok(())
    }
}

impl Retry {
    async fn run(&self, stack: &Stack, output: &mut Output<'_>) -> Result<Ending, Error> {
        if let Some(id) = &self.id {
            let retried = stack.retry_run(id, self.task.as_ref()).await?;
            tell_retried(&retried, output)?;
            return Ok(Ending::Good);
        }
        let now = startup::now();
        let before = |moment: Option<Moment>| moment.map_or(now, |moment| moment.before(now));
        let mut request = RetryFailed {
            since: before(self.since),
            until: before(self.until),
            workflow: self.workflow.clone(),
            dry_run: self.dry_run,
            cursor: None,
        };
        let mut whole = RetriedPage::default();
        loop {
            let page = stack.retry_failed(&request).await?;
            request.cursor.clone_from(&page.next);
            add(&mut whole, page);
            if request.cursor.is_none() {
                break;
            }
            output.progress(format_args!(
                "{} runs looked at, {} to try again",
                whole.looked_at,
                whole.retried.len()
            ))?;
        }
        tell_period(&whole, self.dry_run, output)?;
        Ok(if whole.not_retried.is_empty() {
            Ending::Good
        } else {
            Ending::Bad
        })
    }
}

fn add(whole: &mut RetriedPage, page: RetriedPage) {
    whole.looked_at += page.looked_at;
    whole.retried.extend(page.retried);
    whole.repeated += page.repeated;
    whole.not_retried.extend(page.not_retried);
}

fn tell_period(whole: &RetriedPage, dry_run: bool, output: &mut Output<'_>) -> Result<(), Error> {
    if output.wants_json() {
        return output.json(whole);
    }
    for NotRetried {
        run,
        workflow,
        reason,
    } in &whole.not_retried
    {
        output.text(format_args!("{run} ({workflow}): {reason}"))?;
    }
    let (tried, none) = if dry_run {
        for run in &whole.retried {
            output.text(run)?;
        }
        ("could be tried again", "could not")
    } else {
        ("tried again", "not tried again")
    };
    output.text(format_args!(
        "{} runs looked at: {} {tried}, {} {none}",
        whole.looked_at,
        whole.retried.len(),
        whole.not_retried.len()
    ))?;
    if whole.repeated > 0 {
        output.text(format_args!(
            "{} were going on already after a retry; what is due in them was requested once more.",
            whole.repeated
        ))?;
    }
    Ok(())
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
    fn retry_of_a_period_sums_its_pages_and_names_what_was_left() {
        let (run, _, _) = samples::failed_run();
        let page = RetriedPage {
            looked_at: 200,
            retried: vec![run.id.clone()],
            repeated: 2,
            not_retried: vec![NotRetried {
                run: run.id.clone(),
                workflow: run.workflow.clone(),
                reason: "its event has expired".to_owned(),
            }],
            next: "1.run_1".parse().ok(),
        };
        let mut whole = RetriedPage::default();
        add(&mut whole, page.clone());
        add(&mut whole, page);
        let written = |dry_run, json| {
            let mut bytes = Vec::new();
            tell_period(&whole, dry_run, &mut Output::new(&mut bytes, json)).unwrap();
            String::from_utf8(bytes).unwrap()
        };
        let text = written(false, false);
        for expected in [
            "(follow-up): its event has expired",
            "400 runs looked at: 2 tried again, 2 not tried again",
            "4 were going on already",
        ] {
            assert!(text.contains(expected), "{text}");
        }
        let text = written(true, false);
        assert!(
            text.contains("2 could be tried again, 2 could not"),
            "{text}"
        );
        let json: serde_json::Value = serde_json::from_str(&written(false, true)).unwrap();
        assert_eq!(json["not_retried"].as_array().map(Vec::len), Some(2));
        assert!(json.get("next").is_none());
    }

    #[test]
    fn failed_run_is_bad_news() {
        let (run, _, _) = samples::failed_run();
        assert_eq!(ending(&run), Ending::Bad);
        assert_eq!(ending(&samples::succeeded_run().0), Ending::Good);
    }
}
