//! Which workflows an event starts, and why; how a run moves on. Pure.

use domain::decision::{Decided, Decision, Outcome};
use domain::{CloudEvent, Run, RunState, TaskName, TaskRun, TaskState, run};
use jiff::Timestamp;
use store::Listening;

use crate::bus::Announcement;

/// Decides for every workflow that listens, and tells of those whose rows cannot be read.
pub(crate) fn decide(event: CloudEvent, listening: &Listening, now: Timestamp) -> Decided {
    let workflows = listening
        .workflows
        .iter()
        .map(|stored| (&stored.workflow, stored.revision));
    let mut decided = domain::decision::decide(event, workflows, now);
    let unreadable = listening.unreadable.iter().map(|row| Decision {
        workflow: row.id.clone(),
        revision: row.revision,
        outcome: Outcome::Errored {
            problem: row.problem.clone(),
        },
        trace: None,
    });
    decided.record.decisions.extend(unreadable);
    decided
}

/// What is to be told of runs that have begun: their first tasks, and the ends of those in which there was nothing to do.
/// Whoever stores the event is answerable for these; for the others those are who hear of the ends of their tasks.
pub(crate) fn beginnings(runs: &[(Run, Vec<TaskRun>)]) -> Vec<Announcement> {
    runs.iter()
        .flat_map(|(run, tasks)| {
            let was_never_tried = tasks.iter().all(|task| task.attempts_begun == 0);
            let end = run::end_event(run, tasks).filter(|_| was_never_tried);
            let requests = tasks.iter().filter_map(Announcement::request);
            requests.chain(end.as_ref().and_then(Announcement::end_at_once))
        })
        .collect()
}

/// Whether somebody must read the run's event before it can move on: only piped text of tasks that wait needs it.
pub(crate) fn needs_event(tasks: &[TaskRun]) -> bool {
    tasks.iter().any(|task| task.state == TaskState::Waiting)
}

/// A run that has gone as far as it goes by itself.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Moved {
    pub(crate) run: Run,
    pub(crate) tasks: Vec<TaskRun>,
    changed: Vec<TaskName>,
    /// Whether its end is not stored yet.
    pub(crate) ends_now: bool,
}

/// Moves a run on.
pub(crate) fn move_on(
    mut run: Run,
    mut tasks: Vec<TaskRun>,
    event: Option<&CloudEvent>,
    now: Timestamp,
) -> Moved {
    let settled = run::settle(&run, &mut tasks, event);
    let finished = settled.finished.filter(|_| run.state == RunState::Running);
    if let Some(state) = finished {
        run.state = state;
        run.finished_at = Some(now);
    }
    Moved {
        run,
        tasks,
        changed: settled.changed,
        ends_now: finished.is_some(),
    }
}

impl Moved {
    /// Whether there is something to store.
    pub(crate) fn is_new(&self) -> bool {
        self.ends_now || !self.changed.is_empty()
    }

    /// The tasks that are to be stored.
    pub(crate) fn changed(&self) -> Vec<&TaskRun> {
        let tasks = self.tasks.iter();
        tasks
            .filter(|task| self.changed.contains(&task.name))
            .collect()
    }

    /// The end of the run, also when it is stored already.
    pub(crate) fn end(&self) -> Option<CloudEvent> {
        run::end_event(&self.run, &self.tasks)
    }

    /// A repeated message repeats what followed from it the first time: the requests of the tasks that waited for those
    /// of which it tells, and the end of the run.
    pub(crate) fn announcements(&self, ended: &[TaskName]) -> Vec<Announcement> {
        let follows = |task: &&TaskRun| {
            self.changed.contains(&task.name) || task.needs.iter().any(|need| ended.contains(need))
        };
        let requests = self.tasks.iter().filter(follows);
        requests
            .filter_map(Announcement::request)
            .chain(self.end().as_ref().and_then(Announcement::end))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use store::{StoredWorkflow, Unreadable};

    #[test]
    fn workflow_that_cannot_be_read_is_told_and_keeps_no_other_from_running() {
        let workflow = domain::definition::workflow(&json!({
            "id": "a", "name": "A", "trigger": {"event": {"type": "response.completed"}},
            "tasks": [{"id": "ticket", "kind": "zendesk.create_ticket", "account": "zd", "input": {"comment": "x"}}]
        }))
        .unwrap();
        let listening = Listening {
            workflows: vec![StoredWorkflow {
                workflow,
                revision: 4,
                applied_at: Timestamp::UNIX_EPOCH,
            }],
            unreadable: vec![Unreadable {
                id: domain::WorkflowId::parse("newer").unwrap(),
                revision: 2,
                problem: "unknown".to_owned(),
            }],
        };
        let event: CloudEvent = serde_json::from_value(json!({
            "specversion": "1.0", "id": "1", "source": "/endpoints/survey", "type": "response.completed"
        }))
        .unwrap();
        let decided = decide(event, &listening, Timestamp::UNIX_EPOCH);
        assert_eq!(decided.runs.len(), 1);
        assert_eq!(decided.runs[0].0.revision, 4);
        assert!(matches!(
            decided.record.decisions[1].outcome,
            Outcome::Errored { .. }
        ));
    }
}
