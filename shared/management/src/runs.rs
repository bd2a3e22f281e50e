use domain::message::tells_of_session;
use domain::{EventKey, Run, RunId, RunState, TaskName, TaskRun, TaskState, WorkflowId};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::{Order, Period, Place, StoredEvent};

use crate::WorkflowManagement;
use crate::error::{Error, ErrorKind};
use crate::paging::{Cursor, Gathering, Page, checked_period, period};
use crate::retry::{self, Plan};

/// How many runs can be listed at a time.
pub const MOST_LISTED: usize = 1_000;
/// How many are listed when nobody says.
const LISTED: usize = 20;
/// How many days are looked at, today included, when neither workflow nor day nor period is named.
pub(crate) const DAYS: i32 = 7;
/// How many rows of runs one call that retries a period looks at.
const ROWS_OF_RETRY: usize = 200;
/// How many runs it works on: each costs four calls, and it must end long before its function does.
const MOST_RETRIED: usize = 25;

/// Which runs are to be listed. Without workflow, day and period: those of the last seven days.
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
    /// Begun then or later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Begun before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// At most so many, 20 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 1_000))]
    pub limit: Option<usize>,
    /// What follows an earlier page: its `next`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Cursor>,
}

impl RunFilter {
    fn is_met_by(&self, run: &Run) -> bool {
        self.state.is_none_or(|state| run.state == state)
    }

    /// When the runs that are meant began.
    fn period(&self, now: Timestamp) -> Period {
        let day = self
            .day
            .map(|day| (midnight(day), midnight(day.saturating_add(1.day()))));
        let since = self.since.or_else(|| {
            let needs_none = self.workflow.is_some() || self.day.is_some();
            (!needs_none).then(|| days_ago(now))
        });
        let since = since.unwrap_or(Timestamp::UNIX_EPOCH);
        let until = self.until.unwrap_or(Timestamp::MAX);
        match day {
            None => period(since, until, now),
            Some((begins, ends)) => period(since.max(begins), until.min(ends), now),
        }
    }
}

/// The beginning of the days that are looked at when nobody says.
pub(crate) fn days_ago(now: Timestamp) -> Timestamp {
    let today = now.to_zoned(TimeZone::UTC).date();
    midnight(today.saturating_sub((DAYS - 1).days()))
}

fn midnight(day: Date) -> Timestamp {
    day.to_zoned(TimeZone::UTC)
        .map_or(Timestamp::MAX, |midnight| midnight.timestamp())
}

fn place(run: &Run) -> Place {
    Place {
        at: run.started_at,
        id: run.id.to_string(),
    }
}

/// Which part of a run is to be tried again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RetryQuery {
    /// This failed task only, with what was skipped for its sake. Every failed task when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskName>,
}

/// Which failed runs are to be tried again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RetryFailed {
    /// Those that began then or later.
    pub since: Timestamp,
    /// And before.
    pub until: Timestamp,
    /// Of this workflow only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow: Option<WorkflowId>,
    /// Changes nothing, and says what could be tried again.
    #[serde(default)]
    pub dry_run: bool,
    /// What follows an earlier page: its `next`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Cursor>,
}

/// What trying the failed runs of a part of a period did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RetriedPage {
    /// How many runs were looked at, in whatever state.
    pub looked_at: u32,
    /// The failed runs that go on now; those that could, where nothing was to be changed.
    pub retried: Vec<RunId>,
    /// How many runs were going on already after a retry; what is due in them was requested once more, in case that an
    /// earlier call was broken off.
    pub repeated: u32,
    /// The failed runs that could not be tried again.
    pub not_retried: Vec<NotRetried>,
    /// Ask again with this `cursor` for the rest of the period; absent at its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Cursor>,
}

/// A failed run that could not be tried again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NotRetried {
    /// The run.
    pub run: RunId,
    /// Its workflow.
    pub workflow: WorkflowId,
    /// Why.
    pub reason: String,
}

/// A run with its tasks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunDetail {
    /// The run.
    pub run: Run,
    /// Its tasks with their attempts, in the workflow's order.
    pub tasks: Vec<TaskRun>,
}

impl RunDetail {
    /// Leaves out what tells of the people of a remote session, if the run was begun by an event about one.
    pub fn hide_session(&mut self) {
        if tells_of_session(&self.run.event_type) {
            self.tasks.iter_mut().for_each(TaskRun::hide_values);
        }
        self.run.hide_session();
    }
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

impl WorkflowManagement {
    /// The newest runs that meet the filter, newest first, some at a time.
    ///
    /// # Errors
    /// `Invalid` when too many are asked for, `Unavailable`; `Internal` when a row cannot be read.
    pub async fn runs(&self, filter: &RunFilter, now: Timestamp) -> Result<Page<Run>, Error> {
        let limit = filter.limit.unwrap_or(LISTED);
        if limit > MOST_LISTED {
            return Err(Error::field(
                "limit",
                format!("found {limit}, expected at most {MOST_LISTED}"),
            ));
        }
        let (workflow, period) = (filter.workflow.as_ref(), filter.period(now));
        let mut runs = Gathering::new(limit, filter.state.is_none(), filter.cursor.as_ref());
        loop {
            let page = self
                .run_rows
                .of_period(
                    workflow,
                    period,
                    Order::NewestFirst,
                    runs.after(),
                    runs.rows(),
                )
                .await?;
            if !runs.take(page, |run| filter.is_met_by(run), place) {
                return Ok(runs.into_page());
            }
        }
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

    /// Tries the failed tasks of a run again, or one of them; or frees a run that goes on after a lost message. Safe to
    /// repeat.
    ///
    /// # Errors
    /// `NotFound`, also when the run has no such task; `Conflict` when nothing failed, it would fail again at once,
    /// its event has expired, another run that has the same keys goes on, or somebody else was faster; `Unavailable`.
    pub async fn retry_run(
        &self,
        id: &RunId,
        task: Option<&TaskName>,
        now: Timestamp,
    ) -> Result<Retried, Error> {
        let (plan, seen) = self.plan_retry(id, task, now).await?;
        if let Plan::Reopen { run, changed, .. } = &plan {
            let changed: Vec<(&TaskRun, TaskState)> = changed
                .iter()
                .map(|(task, before)| (task, *before))
                .collect();
            // State first, message second: what is broken off in between is repeated.
            let reopened = self.reruns.reopen(seen.as_ref(), run, &changed).await;
            reopened.map_err(|error| {
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

    /// Reads everything and changes nothing.
    async fn plan_retry(
        &self,
        id: &RunId,
        task: Option<&TaskName>,
        now: Timestamp,
    ) -> Result<(Plan, Option<StoredEvent>), Error> {
        let RunDetail { run, tasks } = self.run(id).await?;
        let seen = self.event_rows.read(&run.event).await?;
        let mut shared_since = None;
        match (run.state, &seen) {
            (RunState::Failed, Some(seen)) => {
                let others = others_with_its_keys(&run, seen);
                if let Some(running) = self.running(&others).await? {
                    return Err(Error::KeysInUse {
                        running,
                        may_have_new_keys: false,
                    });
                }
                if !others.is_empty() {
                    shared_since = Some(seen.record.evaluated_at);
                }
            }
            // Nothing keeps two runs with the same keys from beginning side by side any more: the first one may.
            (RunState::Failed, None) if run.replay.as_ref().is_some_and(|it| !it.new_keys) => {
                return Err(Error::EventExpired {
                    run: run.id,
                    waiting: tasks.into_iter().map(|task| task.name).collect(),
                });
            }
            (RunState::Failed | RunState::Running | RunState::Succeeded, _) => {}
        }
        let event = seen.as_ref().map(|seen| &seen.record.event);
        let mut plan = retry::plan(run, tasks, task, event, now)?;
        if let Some(since) = shared_since {
            plan.look_first_since(since);
        }
        Ok((plan, seen))
    }

    /// The first of these runs that goes on.
    pub(crate) async fn running(&self, runs: &[RunId]) -> Result<Option<RunId>, Error> {
        for id in runs {
            let run = self.run_rows.head(id).await?;
            if run.is_some_and(|run| run.state == RunState::Running) {
                return Ok(Some(id.clone()));
            }
        }
        Ok(None)
    }

    /// Tries all failed runs of a period again, some at a time, the oldest first. Safe to repeat and to break off.
    ///
    /// # Errors
    /// `Invalid` for a period that ends before it begins; `Unavailable`, after which the same call goes on.
    pub async fn retry_failed(
        &self,
        request: &RetryFailed,
        now: Timestamp,
    ) -> Result<RetriedPage, Error> {
        let period = checked_period(request.since, request.until, now)?;
        let page = self
            .run_rows
            .of_period(
                request.workflow.as_ref(),
                period,
                Order::OldestFirst,
                request.cursor.as_ref().map(Cursor::place),
                ROWS_OF_RETRY,
            )
            .await?;
        let mut answer = RetriedPage {
            next: page.next.map(Cursor::from),
            ..RetriedPage::default()
        };
        let mut worked_on = 0;
        let mut last = None;
        for run in page.items {
            if worked_on == MOST_RETRIED {
                answer.next = last.map(Cursor::from);
                break;
            }
            answer.looked_at += 1;
            last = Some(place(&run));
            match run.state {
                RunState::Failed => {
                    worked_on += 1;
                    self.retry_listed(run, request.dry_run, now, &mut answer)
                        .await?;
                }
                // Perhaps an earlier call was broken off before it told anybody.
                RunState::Running if run.reopened > 0 && !request.dry_run => {
                    worked_on += 1;
                    self.retry_listed(run, false, now, &mut answer).await?;
                }
                RunState::Running | RunState::Succeeded => {}
            }
        }
        Ok(answer)
    }

    async fn retry_listed(
        &self,
        run: Run,
        dry_run: bool,
        now: Timestamp,
        answer: &mut RetriedPage,
    ) -> Result<(), Error> {
        let outcome = if dry_run {
            let planned = self.plan_retry(&run.id, None, now).await;
            planned.map(|(plan, _)| matches!(plan, Plan::Reopen { .. }))
        } else {
            let retried = self.retry_run(&run.id, None, now).await;
            retried.map(|retried| retried.reopened)
        };
        match outcome {
            Ok(true) => answer.retried.push(run.id),
            Ok(false) => answer.repeated += 1,
            // The index had an older state of it.
            Err(Error::NothingFailed(_) | Error::UnknownRun(_)) => {}
            Err(error) if is_of_one_row(&error) => answer.not_retried.push(NotRetried {
                run: run.id,
                workflow: run.workflow,
                reason: error.to_string(),
            }),
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// Whether what went wrong says nothing about other rows, so that they may be gone on with.
pub(crate) fn is_of_one_row(error: &Error) -> bool {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::Conflict | ErrorKind::Stale | ErrorKind::Invalid => true,
        ErrorKind::Forbidden | ErrorKind::Unavailable => false,
        ErrorKind::Internal => matches!(error, Error::Table(error) if error.is_corrupt()),
    }
}

/// The runs of the same workflow for the same event whose tasks have the same keys at the vendor.
fn others_with_its_keys(run: &Run, seen: &StoredEvent) -> Vec<RunId> {
    let first = RunId::derive(&run.event, &run.workflow);
    let has_own_keys = run.replay.as_ref().is_some_and(|replay| replay.new_keys);
    if has_own_keys && run.id != first {
        return Vec::new();
    }
    let mut runs = runs_with_first_keys(seen, &run.event, &run.workflow);
    runs.retain(|other| *other != run.id);
    runs
}

/// The first run of a workflow for an event, and the replays that have its keys.
pub(crate) fn runs_with_first_keys(
    seen: &StoredEvent,
    event: &EventKey,
    workflow: &WorkflowId,
) -> Vec<RunId> {
    let first = RunId::derive(event, workflow);
    let replays = seen
        .replays
        .iter()
        .filter(|replay| replay.workflow == *workflow && !replay.new_keys && replay.run != first)
        .map(|replay| replay.run.clone());
    std::iter::once(first.clone()).chain(replays).collect()
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
    fn period_of_a_listing_follows_from_what_is_named() {
        let now: Timestamp = samples::NOW;
        let soon = "2026-11-21T12:31:00Z";
        for (filter, since, until) in [
            (json!({}), "2026-11-15T00:00:00Z", soon),
            (json!({"workflow": "w"}), "1970-01-01T00:00:00Z", soon),
            (
                json!({"day": "2026-11-20"}),
                "2026-11-20T00:00:00Z",
                "2026-11-21T00:00:00Z",
            ),
            (
                json!({"day": "2026-11-20", "since": "2026-11-20T06:00:00Z", "until": "2026-11-30T00:00:00Z"}),
                "2026-11-20T06:00:00Z",
                "2026-11-21T00:00:00Z",
            ),
            (
                json!({"since": "2026-10-01T00:00:00Z", "until": "2026-10-02T00:00:00Z"}),
                "2026-10-01T00:00:00Z",
                "2026-10-02T00:00:00Z",
            ),
        ] {
            let filter: RunFilter = serde_json::from_value(filter).unwrap();
            let expected = Period {
                since: since.parse().unwrap(),
                until: until.parse().unwrap(),
            };
            assert_eq!(filter.period(now), expected, "{filter:?}");
        }
        assert!(serde_json::from_value::<RunFilter>(json!({"status": "failed"})).is_err());
        assert!(serde_json::from_value::<RunFilter>(json!({"cursor": "x"})).is_err());
    }

    #[test]
    fn runs_that_share_their_keys_know_of_each_other() {
        let (mut run, _, event) = samples::failed_run();
        let replayed = |id: &str, new_keys| {
            let replay = domain::ReplayId::parse(id).unwrap();
            store::Replayed {
                workflow: run.workflow.clone(),
                revision: 3,
                run: RunId::derive_replay(&run.event, &run.workflow, &replay),
                replay,
                new_keys,
                at: samples::NOW,
            }
        };
        let (old, new) = (replayed("old", false), replayed("new", true));
        let mut foreign = replayed("foreign", false);
        foreign.workflow = WorkflowId::parse("other").unwrap();
        let seen = StoredEvent {
            record: store::EventRecord {
                event,
                evaluated_at: samples::NOW,
                decisions: Vec::new(),
            },
            replays: vec![old.clone(), new.clone(), foreign],
            opened: 3,
        };
        let first = run.id.clone();
        assert_eq!(others_with_its_keys(&run, &seen), [old.run.clone()]);
        for (replayed, expected) in [(old, vec![first]), (new, vec![])] {
            run.id = replayed.run;
            run.replay = Some(domain::run::Replay {
                id: replayed.replay,
                new_keys: replayed.new_keys,
            });
            assert_eq!(others_with_its_keys(&run, &seen), expected);
        }
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
