//! What trying a failed run again means. Pure.

use std::slice;

use domain::run::{reopen, settle};
use domain::{CloudEvent, Run, RunState, TaskName, TaskRun, TaskState};
use jiff::Timestamp;

use crate::error::Error;

/// What is to be done so that a run is tried again.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Plan {
    /// Store the reopened run, then request its tasks.
    Reopen {
        run: Box<Run>,
        /// The tasks that change, each with the state that it had.
        changed: Vec<(TaskRun, TaskState)>,
        /// Those that are to be requested.
        requests: Vec<TaskRun>,
    },
    /// The run is going on: request again whatever nobody has in hand, since messages may have been lost.
    Repeat {
        /// Also those that have ended: whoever takes one sees that, and tells so once more, which moves the
        /// run on when the first message was lost.
        requests: Vec<TaskRun>,
        /// Those that were given up and can be tried again only when the run has ended.
        too_early: Vec<TaskName>,
    },
}

impl Plan {
    /// Another run has had these keys: whatever is tried now may have been done by that, and is looked for from the
    /// moment on at which the event was evaluated.
    pub(crate) fn look_first_since(&mut self, since: Timestamp) {
        let Self::Reopen {
            changed, requests, ..
        } = self
        else {
            return;
        };
        let tasks = changed.iter_mut().map(|(task, _)| task).chain(requests);
        for task in tasks {
            task.look_first = true;
            task.first_ever_at = Some(task.first_ever_at.map_or(since, |own| own.min(since)));
        }
    }

    /// The tasks that are to be requested.
    pub(crate) fn requests(&self) -> &[TaskRun] {
        match self {
            Self::Reopen { requests, .. } | Self::Repeat { requests, .. } => requests,
        }
    }
}

/// Plans the retry of a run, or of one failed task in it with what was skipped for its sake. `event` is `None` when it
/// has expired.
pub(crate) fn plan(
    mut run: Run,
    mut tasks: Vec<TaskRun>,
    only: Option<&TaskName>,
    event: Option<&CloudEvent>,
    now: Timestamp,
) -> Result<Plan, Error> {
    if let Some(only) = only {
        check_task(&run, &tasks, only)?;
    }
    match run.state {
        RunState::Succeeded => return Err(Error::NothingFailed(run.id)),
        RunState::Running => {
            tasks.retain(|task| only.is_none_or(|only| task.name == *only));
            let too_early = names_of(&tasks, TaskState::Failed);
            tasks.retain(|task| is_worth_requesting(task, now));
            return Ok(Plan::Repeat {
                requests: tasks,
                too_early,
            });
        }
        RunState::Failed => {}
    }
    let before: Vec<TaskState> = tasks.iter().map(|task| task.state).collect();
    let reopened = match only {
        None => reopen(&mut tasks),
        Some(only) => reopen_task(&mut tasks, only),
    };
    let waiting = names_of(&tasks, TaskState::Waiting);
    if event.is_none() && !waiting.is_empty() {
        return Err(Error::EventExpired {
            run: run.id,
            waiting,
        });
    }
    // A task whose piped text could not be filled in was never requested. Nobody else would fill it in
    // now, as no task ends before it.
    let settled = settle(&run, &mut tasks, event);
    if settled.finished.is_some() {
        let failed = |task: &&TaskRun| task.state == TaskState::Failed;
        let reason = |task: &TaskRun| {
            let reason = task.reason.as_deref().unwrap_or("it failed");
            format!("{}: {reason}", task.name)
        };
        return Err(Error::WouldFailAgain {
            run: run.id,
            reasons: tasks
                .iter()
                .filter(|task| reopened.contains(&task.name))
                .filter(failed)
                .map(reason)
                .collect(),
        });
    }
    run.state = RunState::Running;
    run.finished_at = None;
    let changed: Vec<(TaskRun, TaskState)> = tasks
        .into_iter()
        .zip(before)
        .filter(|(task, _)| reopened.contains(&task.name))
        .collect();
    let requests = changed
        .iter()
        .map(|(task, _)| task)
        .filter(|task| task.state == TaskState::Requested)
        .cloned()
        .collect();
    Ok(Plan::Reopen {
        run: Box::new(run),
        changed,
        requests,
    })
}

/// Checks that a task can be tried again by itself.
fn check_task(run: &Run, tasks: &[TaskRun], name: &TaskName) -> Result<(), Error> {
    let Some(task) = tasks.iter().find(|task| task.name == *name) else {
        return Err(Error::UnknownTask {
            run: run.id.clone(),
            task: name.clone(),
            tasks: tasks.iter().map(|task| task.name.clone()).collect(),
        });
    };
    // What goes on may be freed, as in a whole run.
    if run.state == RunState::Running || task.state == TaskState::Failed {
        return Ok(());
    }
    Err(Error::TaskNotFailed {
        run: run.id.clone(),
        task: name.clone(),
        state: task.state,
    })
}

/// Opens one task again, and those that were skipped for its sake alone.
fn reopen_task(tasks: &mut [TaskRun], name: &TaskName) -> Vec<TaskName> {
    let mut chosen = vec![name.clone()];
    // Each round finds at least one more task, so there are at most as many rounds as tasks.
    loop {
        let is_free = |need: &TaskName| {
            chosen.contains(need)
                || tasks
                    .iter()
                    .any(|other| other.name == *need && other.state == TaskState::Succeeded)
        };
        let found: Vec<TaskName> = tasks
            .iter()
            .filter(|task| task.state == TaskState::Skipped && !chosen.contains(&task.name))
            .filter(|task| task.needs.iter().all(is_free))
            .map(|task| task.name.clone())
            .collect();
        if found.is_empty() {
            break;
        }
        chosen.extend(found);
    }
    tasks
        .iter_mut()
        .filter(|task| chosen.contains(&task.name))
        .flat_map(|task| reopen(slice::from_mut(task)))
        .collect()
}

fn names_of(tasks: &[TaskRun], state: TaskState) -> Vec<TaskName> {
    tasks
        .iter()
        .filter(|task| task.state == state)
        .map(|task| task.name.clone())
        .collect()
}

/// Whether a task function that is told of the task would take it now, or would tell that it has ended.
fn is_worth_requesting(task: &TaskRun, now: Timestamp) -> bool {
    match task.state {
        TaskState::Requested | TaskState::Succeeded | TaskState::Failed => true,
        TaskState::Retrying => task.next_attempt_at.is_none_or(|at| at <= now),
        TaskState::Running => task.lease_until.is_some_and(|until| until < now),
        // What is skipped follows from a task that failed, whose end is told.
        TaskState::Waiting | TaskState::Skipped => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;
    use jiff::SignedDuration;
    use serde_json::json;

    fn states(changed: &[(TaskRun, TaskState)]) -> Vec<(&str, TaskState, TaskState)> {
        changed
            .iter()
            .map(|(task, before)| (task.name.as_str(), *before, task.state))
            .collect()
    }

    #[test]
    fn failed_run_is_reopened_and_its_failed_task_requested() {
        let (run, tasks, event) = samples::failed_run();
        let Plan::Reopen {
            run,
            changed,
            requests,
        } = plan(run, tasks, None, Some(&event), samples::NOW).unwrap()
        else {
            panic!("not reopened")
        };
        assert_eq!((run.state, run.finished_at), (RunState::Running, None));
        assert_eq!(
            states(&changed),
            [
                ("incident", TaskState::Failed, TaskState::Requested),
                ("ticket", TaskState::Skipped, TaskState::Waiting)
            ]
        );
        assert_eq!(requests.len(), 1);
        assert!(requests[0].look_first && requests[0].reason.is_none());
    }

    #[test]
    fn task_that_was_never_filled_in_is_filled_in_now() {
        let (run, mut tasks, event) = samples::failed_run();
        tasks[0].input = None;
        let Plan::Reopen { requests, .. } =
            plan(run.clone(), tasks.clone(), None, Some(&event), samples::NOW).unwrap()
        else {
            panic!("not reopened")
        };
        assert!(requests[0].input.is_some());
    }

    #[test]
    fn task_that_can_never_be_filled_in_is_not_tried() {
        let (run, mut tasks, event) = samples::failed_run();
        tasks[0].input = None;
        tasks[0].draft = json!({"short_description": "{% for a in range(100000) %}{% for b in range(100000) %}x{% endfor %}{% endfor %}"});
        let error = plan(run, tasks, None, Some(&event), samples::NOW)
            .unwrap_err()
            .to_string();
        assert!(error.contains("would fail again at once"), "{error}");
        assert!(error.contains("incident: "), "{error}");
    }

    #[test]
    fn run_whose_event_has_expired_is_reopened_only_when_nothing_needs_the_event() {
        let (run, mut tasks, _) = samples::failed_run();
        let error = plan(run.clone(), tasks.clone(), None, None, samples::NOW)
            .unwrap_err()
            .to_string();
        for words in ["nothing was changed", "event has expired", "`ticket`"] {
            assert!(error.contains(words), "{error}");
        }
        // It alone has failed, with its input filled in long ago.
        tasks[0].state = TaskState::Succeeded;
        tasks[1].state = TaskState::Failed;
        tasks[1].input = Some(json!({"comment": "x"}));
        let Plan::Reopen { requests, .. } = plan(run, tasks, None, None, samples::NOW).unwrap()
        else {
            panic!("not reopened")
        };
        assert_eq!(requests.len(), 1);
    }

    #[test]
    fn interrupted_retry_repeats_the_requests_that_nobody_has_in_hand() {
        let (mut run, mut tasks, event) = samples::failed_run();
        run.state = RunState::Running;
        let second = SignedDuration::from_secs(1);
        for (state, due, expected) in [
            (TaskState::Requested, None, 1),
            (TaskState::Retrying, Some(samples::NOW - second), 1),
            (TaskState::Retrying, Some(samples::NOW + second), 0),
            (TaskState::Running, Some(samples::NOW - second), 1),
            (TaskState::Running, Some(samples::NOW + second), 0),
            (TaskState::Succeeded, None, 1),
            (TaskState::Failed, None, 1),
            (TaskState::Skipped, None, 0),
        ] {
            tasks[0].state = state;
            tasks[0].next_attempt_at = due;
            tasks[0].lease_until = due;
            tasks[1].state = TaskState::Waiting;
            // Nobody fills anything in here, so that the event may have expired.
            for event in [Some(&event), None] {
                let Plan::Repeat {
                    requests,
                    too_early,
                } = plan(run.clone(), tasks.clone(), None, event, samples::NOW).unwrap()
                else {
                    panic!("reopened")
                };
                assert_eq!(requests.len(), expected, "{state:?} {due:?}");
                let failed = usize::from(state == TaskState::Failed);
                assert_eq!(too_early.len(), failed, "{state:?}");
            }
        }
    }

    #[test]
    fn run_that_succeeded_is_left_alone() {
        let (mut run, tasks, event) = samples::failed_run();
        run.state = RunState::Succeeded;
        assert!(matches!(
            plan(run, tasks, None, Some(&event), samples::NOW),
            Err(Error::NothingFailed(_))
        ));
    }

    /// A run whose tasks are these, each with what it needs; all have ended.
    fn run_of(tasks: &[(&str, TaskState, &[&str])]) -> (Run, Vec<TaskRun>, CloudEvent) {
        let (run, given, event) = samples::failed_run();
        let tasks = tasks
            .iter()
            .map(|(name, state, needs)| TaskRun {
                name: TaskName::parse(name).unwrap(),
                state: *state,
                needs: needs
                    .iter()
                    .map(|need| TaskName::parse(need).unwrap())
                    .collect(),
                draft: json!({"comment": "x"}),
                ..given[0].clone()
            })
            .collect();
        (run, tasks, event)
    }

    #[test]
    fn one_task_is_tried_again_with_what_was_skipped_for_its_sake_alone() {
        use TaskState::{Failed, Requested, Skipped, Succeeded, Waiting};
        let (run, tasks, event) = run_of(&[
            ("done", Succeeded, &[]),
            ("a", Failed, &[]),
            ("b", Failed, &[]),
            ("after_a", Skipped, &["a", "done"]),
            ("after_both", Skipped, &["a", "b"]),
            ("later", Skipped, &["after_a"]),
            ("latest", Skipped, &["after_both"]),
        ]);
        let a = TaskName::parse("a").unwrap();
        // Nothing that is filled in already needs the event.
        for event in [Some(&event), None] {
            let planned = plan(run.clone(), tasks.clone(), Some(&a), event, samples::NOW);
            if event.is_none() {
                let error = planned.unwrap_err().to_string();
                assert!(error.contains("`after_a`, `later`"), "{error}");
                continue;
            }
            let Plan::Reopen {
                changed, requests, ..
            } = planned.unwrap()
            else {
                panic!("not reopened")
            };
            assert_eq!(
                states(&changed),
                [
                    ("a", Failed, Requested),
                    ("after_a", Skipped, Waiting),
                    ("later", Skipped, Waiting)
                ]
            );
            assert_eq!(requests.len(), 1);
        }
    }

    #[test]
    fn only_a_failed_task_of_the_run_can_be_named() {
        use TaskState::{Failed, Skipped, Succeeded};
        let (mut run, tasks, event) = run_of(&[
            ("done", Succeeded, &[]),
            ("a", Failed, &[]),
            ("after", Skipped, &["a"]),
        ]);
        for (name, expected) in [
            ("done", "succeeded"),
            ("after", "skipped"),
            ("elsewhere", "`done`, `a`, `after`"),
        ] {
            let name = TaskName::parse(name).unwrap();
            let planned = plan(
                run.clone(),
                tasks.clone(),
                Some(&name),
                Some(&event),
                samples::NOW,
            );
            let error = planned.unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        // While the run goes on, a task that was given up has to wait, and others are freed one by one, too.
        run.state = RunState::Running;
        for (name, requested, early) in [("a", 1, 1), ("done", 1, 0), ("after", 0, 0)] {
            let name = TaskName::parse(name).unwrap();
            let Plan::Repeat {
                requests,
                too_early,
            } = plan(run.clone(), tasks.clone(), Some(&name), None, samples::NOW).unwrap()
            else {
                panic!("reopened")
            };
            assert_eq!(
                (requests.len(), too_early.len()),
                (requested, early),
                "{name}"
            );
        }
    }
}
