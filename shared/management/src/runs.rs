use domain::{Run, RunId, RunState, TaskName, TaskRun, TaskState, WorkflowId};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::retry::{self, Plan};
use crate::{Listing, Management};

/// How many runs can be listed at a time.
pub const MOST_LISTED: usize = 1_000;
/// How many are listed when nobody says.
const LISTED: usize = 20;
/// How many runs are looked at when only some of them are wanted.
const MOST_READ: usize = 2_000;
/// How many days are looked at, today included, when neither workflow nor day is named.
const DAYS: usize = 7;

/// Which runs are to be listed. Without workflow and day: those of the last seven days.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunFilter {
    /// Of this workflow only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow: Option<WorkflowId>,
    /// In this state only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<RunState>,
    /// Begun on this day only (UTC).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub day: Option<Date>,
    /// At most so many, 20 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 1_000))]
    pub limit: Option<usize>,
}

impl RunFilter {
    fn is_met_by(&self, run: &Run) -> bool {
        self.workflow
            .as_ref()
            .is_none_or(|workflow| run.workflow == *workflow)
            && self.state.is_none_or(|state| run.state == state)
            && self
                .day
                .is_none_or(|day| run.started_at.to_zoned(TimeZone::UTC).date() == day)
    }

    /// How many to read: the tables know nothing of states.
    fn rows(&self, limit: usize) -> usize {
        if self.state.is_some() || (self.workflow.is_some() && self.day.is_some()) {
            MOST_READ
        } else {
            limit
        }
    }
}

/// A run with its tasks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunDetail {
    /// The run.
    pub run: Run,
    /// Its tasks with their attempts, in the workflow's order.
    pub tasks: Vec<TaskRun>,
}

/// What trying a run again did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Retried {
    /// The run.
    pub run: RunId,
    /// Whether it had failed and is open again; otherwise it was going on.
    pub reopened: bool,
    /// The tasks whose state was changed.
    pub changed: Vec<TaskChange>,
    /// The tasks that are to be done now.
    pub requested: Vec<TaskName>,
    /// The tasks that have ended, which is told once more in case that a message was lost.
    pub told_again: Vec<TaskEnd>,
    /// The tasks that can be tried again only when the run has ended.
    pub too_early: Vec<TaskName>,
}

/// A task that moved from one state to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TaskChange {
    /// The task.
    pub task: TaskName,
    /// Its state before.
    pub before: TaskState,
    /// Its state now.
    pub after: TaskState,
}

/// How a task ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TaskEnd {
    /// The task.
    pub task: TaskName,
    /// Its state.
    pub state: TaskState,
}

impl Management {
    /// The newest runs that meet the filter, newest first.
    ///
    /// # Errors
    /// `Invalid` when too many are asked for, `Unavailable`; `Internal` when a row cannot be read.
    pub async fn runs(&self, filter: &RunFilter, now: Timestamp) -> Result<Listing<Run>, Error> {
        let limit = filter.limit.unwrap_or(LISTED);
        if limit > MOST_LISTED {
            return Err(Error::field(
                "limit",
                format!("found {limit}, expected at most {MOST_LISTED}"),
            ));
        }
        let rows = filter.rows(limit);
        let mut items = Vec::new();
        if let Some(workflow) = &filter.workflow {
            items = self.run_rows.of_workflow(workflow, rows).await?;
        } else if let Some(day) = filter.day {
            items = self.run_rows.of_day(day, rows).await?;
        } else {
            let today = now.to_zoned(TimeZone::UTC).date();
            for day in today.series(-1.day()).take(DAYS) {
                let of_day = self.run_rows.of_day(day, rows).await?;
                items.extend(of_day.into_iter().filter(|run| filter.is_met_by(run)));
                if items.len() >= limit {
                    break;
                }
            }
        }
        items.retain(|run| filter.is_met_by(run));
        items.truncate(limit);
        Ok(Listing { items })
    }

    /// One run.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`; `Internal` when a row cannot be read.
    pub async fn run(&self, id: &RunId) -> Result<RunDetail, Error> {
        let found = self.run_rows.get(id).await?;
        let (run, tasks) = found.ok_or_else(|| Error::UnknownRun(id.clone()))?;
        Ok(RunDetail { run, tasks })
    }

    /// Tries the failed tasks of a run again, or frees a run that goes on after a lost message. Safe to repeat.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` when nothing failed, it would fail again at once, its event has expired, or
    /// somebody else was faster; `Unavailable`.
    pub async fn retry_run(&self, id: &RunId, now: Timestamp) -> Result<Retried, Error> {
        let RunDetail { run, tasks } = self.run(id).await?;
        let record = self.event_rows.get(&run.event).await?;
        let event = record.as_ref().map(|record| &record.event);
        let plan = retry::plan(run, tasks, event, now)?;
        if let Plan::Reopen { run, changed, .. } = &plan {
            let changed: Vec<(&TaskRun, TaskState)> = changed
                .iter()
                .map(|(task, before)| (task, *before))
                .collect();
            // State first, message second: what is broken off in between is repeated.
            self.run_rows.reopen(run, &changed).await.map_err(|error| {
                if matches!(error, store::Error::Conflict { .. }) {
                    Error::ChangedInBetween {
                        what: format!("the run {id}"),
                    }
                } else {
                    error.into()
                }
            })?;
        }
        self.bus.request(plan.requests()).await?;
        Ok(retried(id, plan))
    }
}

fn retried(id: &RunId, plan: Plan) -> Retried {
    let (reopened, changed, requests, too_early) = match plan {
        Plan::Reopen {
            changed, requests, ..
        } => (true, changed, requests, Vec::new()),
        Plan::Repeat {
            requests,
            too_early,
        } => (false, Vec::new(), requests, too_early),
    };
    let (ended, due): (Vec<TaskRun>, Vec<TaskRun>) = requests
        .into_iter()
        .partition(|task| task.state.has_ended());
    Retried {
        run: id.clone(),
        reopened,
        changed: changed
            .into_iter()
            .map(|(task, before)| TaskChange {
                task: task.name,
                before,
                after: task.state,
            })
            .collect(),
        requested: due.into_iter().map(|task| task.name).collect(),
        told_again: ended
            .into_iter()
            .map(|task| TaskEnd {
                task: task.name,
                state: task.state,
            })
            .collect(),
        too_early,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;
    use serde_json::json;

    #[test]
    fn only_wanted_runs_are_listed() {
        let (run, _, _) = samples::failed_run();
        for (filter, expected) in [
            (json!({}), true),
            (
                json!({"workflow": "follow-up", "state": "failed", "day": "2026-11-21"}),
                true,
            ),
            (json!({"workflow": "other"}), false),
            (json!({"state": "running"}), false),
            (json!({"day": "2026-11-20"}), false),
        ] {
            let filter: RunFilter = serde_json::from_value(filter).unwrap();
            assert_eq!(filter.is_met_by(&run), expected, "{filter:?}");
        }
        assert!(serde_json::from_value::<RunFilter>(json!({"status": "failed"})).is_err());
    }

    #[test]
    fn answer_tells_what_is_requested_what_is_repeated_and_what_must_wait() {
        let (run, mut tasks, _) = samples::failed_run();
        tasks[1].state = TaskState::Requested;
        let plan = Plan::Repeat {
            requests: tasks.clone(),
            too_early: vec![tasks[0].name.clone()],
        };
        assert_eq!(
            serde_json::to_value(retried(&run.id, plan)).unwrap(),
            json!({
                "run": run.id, "reopened": false, "changed": [], "requested": ["ticket"],
                "told_again": [{"task": "incident", "state": "failed"}], "too_early": ["incident"]
            })
        );
        let changed = vec![(tasks[1].clone(), TaskState::Skipped)];
        let requests = vec![tasks[1].clone()];
        let id = run.id.clone();
        let plan = Plan::Reopen {
            run: Box::new(run),
            changed,
            requests,
        };
        assert_eq!(
            serde_json::to_value(retried(&id, plan)).unwrap(),
            json!({
                "run": id, "reopened": true, "requested": ["ticket"], "told_again": [], "too_early": [],
                "changed": [{"task": "ticket", "before": "skipped", "after": "requested"}]
            })
        );
    }
}
