//! Runs.

use std::fmt;

use domain::run::{Attempt, AttemptOutcome, VendorCall};
use domain::{Run, TaskRun, TaskState, WorkflowId};
use management::RunDetail;
use serde_json::Value;

use super::{duration, field, hanging, pretty, time, trace};

/// A run with everything that is known about it.
pub(crate) struct FullRun<'a> {
    pub(crate) run: &'a Run,
    pub(crate) tasks: &'a [TaskRun],
}

impl<'a> FullRun<'a> {
    pub(crate) fn of(detail: &'a RunDetail) -> Self {
        Self {
            run: &detail.run,
            tasks: &detail.tasks,
        }
    }
}

impl fmt::Display for FullRun<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let run = self.run;
        writeln!(f, "Run {}: {}", run.id, run.state.as_str())?;
        field(
            f,
            "workflow",
            format_args!(
                "{} ({}, revision {})",
                run.workflow, run.workflow_name, run.revision
            ),
        )?;
        let subject = run
            .event_subject
            .as_ref()
            .map(|subject| format!(", subject {subject}"))
            .unwrap_or_default();
        field(
            f,
            "event",
            format_args!("{} ({}{subject})", run.event, run.event_type),
        )?;
        if run.chain.len() > 1 {
            let chain: Vec<&str> = run.chain.iter().map(WorkflowId::as_str).collect();
            field(f, "caused by", chain.join(" → "))?;
        }
        if let Some(replay) = &run.replay {
            let keys = if replay.new_keys {
                ", with keys of its own"
            } else {
                ""
            };
            field(f, "replay", format_args!("{}{keys}", replay.id))?;
        }
        field(f, "started", time(run.started_at))?;
        if let Some(finished_at) = run.finished_at {
            field(
                f,
                "finished",
                format_args!(
                    "{} (after {})",
                    time(finished_at),
                    duration(run.started_at, finished_at)
                ),
            )?;
        }
        field(f, "condition", trace(&run.trace))?;
        for task in self.tasks {
            writeln!(f)?;
            write_task(f, task)?;
        }
        Ok(())
    }
}

fn write_task(f: &mut fmt::Formatter<'_>, task: &TaskRun) -> fmt::Result {
    let mark = match task.state {
        TaskState::Succeeded => "✓",
        TaskState::Failed => "✗",
        TaskState::Skipped => "-",
        TaskState::Waiting | TaskState::Requested | TaskState::Running | TaskState::Retrying => "…",
    };
    writeln!(f, "{mark} Task {}: {}", task.name, task.state.as_str())?;
    field(
        f,
        "does",
        format_args!("{} with the account {}", task.kind, task.account),
    )?;
    if let Some(reason) = &task.reason {
        field(f, "reason", reason)?;
    }
    if let Some(seen) = &task.trace {
        field(f, "condition", trace(seen))?;
    }
    if let Some(at) = task.next_attempt_at {
        field(f, "next try", time(at))?;
    }
    if let Some(link) = &task.link {
        field(f, "link", link)?;
    }
    for warning in &task.warnings {
        field(f, "warning", warning)?;
    }
    if let Some(output) = &task.output {
        let lines: Vec<String> = output
            .iter()
            .map(|(name, value)| format!("{name}: {}", plain(value)))
            .collect();
        field(f, "output", lines.join("\n"))?;
    }
    field(f, "key", &task.key)?;
    if task.state == TaskState::Waiting && !task.needs.is_empty() {
        let needs: Vec<&str> = task.needs.iter().map(domain::TaskName::as_str).collect();
        field(f, "needs", needs.join(", "))?;
    }
    // Where nothing was sent, what would have been tells most.
    let sent = task
        .attempts
        .iter()
        .flat_map(|attempt| &attempt.calls)
        .any(|call| call.sent.is_some());
    if let Some(input) = task.input.as_ref().filter(|_| !sent) {
        field(f, "input", pretty(input))?;
    }
    let forgotten = usize::try_from(task.attempts_begun)
        .unwrap_or(usize::MAX)
        .saturating_sub(task.attempts.len());
    if forgotten > 0 && !task.attempts.is_empty() {
        field(
            f,
            "attempts",
            format_args!(
                "{} begun, of which {} ended and are kept",
                task.attempts_begun,
                task.attempts.len()
            ),
        )?;
    }
    for attempt in &task.attempts {
        write_attempt(f, attempt)?;
    }
    Ok(())
}

fn write_attempt(f: &mut fmt::Formatter<'_>, attempt: &Attempt) -> fmt::Result {
    writeln!(
        f,
        "  attempt {} at {}, {}: {}",
        attempt.number,
        time(attempt.started_at),
        duration(attempt.started_at, attempt.ended_at),
        outcome(attempt.outcome)
    )?;
    if let Some(message) = &attempt.message {
        writeln!(f, "    {}", hanging(message, 4))?;
    }
    attempt
        .calls
        .iter()
        .try_for_each(|call| write_call(f, call))
}

fn write_call(f: &mut fmt::Formatter<'_>, call: &VendorCall) -> fmt::Result {
    write!(f, "    {} {} → ", call.method, call.path)?;
    match call.status {
        Some(status) => write!(f, "{status}")?,
        None => f.write_str("no answer")?,
    }
    if let Some(id) = &call.request_id {
        write!(f, " (request id {id})")?;
    }
    writeln!(f)?;
    if let Some(sent) = &call.sent {
        writeln!(f, "      sent {}", hanging(&pretty(sent), 6))?;
    }
    Ok(())
}

fn outcome(outcome: AttemptOutcome) -> &'static str {
    match outcome {
        AttemptOutcome::Succeeded => "succeeded",
        AttemptOutcome::Retry => "failed without effect, to be tried again",
        AttemptOutcome::Reconcile => {
            "failed, perhaps with effect; the next attempt looks before it writes"
        }
        AttemptOutcome::Waiting => "waits for the account to be connected",
        AttemptOutcome::GaveUp => "failed, no use in trying again",
        AttemptOutcome::RanOutOfTime => "failed, and the time for trying is over",
    }
}

/// A text without quotes, anything else as JSON.
fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// One line for each task that has moved on; `before` is empty when nothing has been seen yet.
pub(crate) fn changes(before: &[TaskRun], after: &[TaskRun]) -> Vec<String> {
    let moved = |task: &&TaskRun| {
        !before.iter().any(|old| {
            old.name == task.name
                && old.state == task.state
                && old.attempts_begun == task.attempts_begun
        })
    };
    after
        .iter()
        .filter(moved)
        .map(|task| {
            let mut line = format!("{}: {}", task.name, task.state.as_str());
            if task.attempts_begun > 1 {
                line = format!("{line}, attempt {}", task.attempts_begun);
            }
            if let Some(at) = task.next_attempt_at {
                line = format!("{line}, next try {}", time(at));
            }
            if let Some(reason) = &task.reason {
                line = format!("{line}: {reason}");
            }
            if let Some(link) = &task.link {
                line = format!("{line}: {link}");
            }
            line
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use management::samples;

    #[test]
    fn failed_run_tells_everything_in_the_order_of_need() {
        let (run, tasks, _) = samples::failed_run();
        let text = FullRun {
            run: &run,
            tasks: &tasks,
        }
        .to_string();
        assert_eq!(
            text,
            format!(
                r#"Run {run_id}: failed
  workflow  follow-up (Follow up, revision 3)
  event     {event} (response.completed, subject SV_1)
  started   2026-11-21T12:00:00Z
  finished  2026-11-21T12:00:09Z (after 9.0 s)
  condition ✓ all
              ✓ data.nps less_than_or_equal 6 (seen 2)

✗ Task incident: failed
  does      servicenow.create_record with the account servicenow-dev
  reason    the table `incident` refused it:
            no such group
  key       {incident}
  attempt 1 at 2026-11-21T12:00:01Z, 0.8 s: failed without effect, to be tried again
    busy
    POST /api/now/table/incident → 429 (request id ab12)
      sent {{
        "short_description": "NPS 2"
      }}
  attempt 2 at 2026-11-21T12:00:05Z, 0.8 s: failed, no use in trying again
    no such group
    POST /api/now/table/incident → no answer

- Task ticket: skipped
  does      zendesk.create_ticket with the account zendesk-support
  reason    it needs the task `incident`, which was given up
  key       {ticket}
"#,
                run_id = run.id,
                event = run.event,
                incident = tasks[0].key,
                ticket = tasks[1].key,
            )
        );
    }

    #[test]
    fn finished_task_shows_link_output_and_warnings() {
        let (run, tasks) = samples::succeeded_run();
        let text = FullRun {
            run: &run,
            tasks: &tasks,
        }
        .to_string();
        for expected in [
            "✓ Task incident: succeeded\n",
            "  link      https://dev1.service-now.com/incident.do?sys_id=1\n",
            "  warning   the field `impact` was sent as 1 and stored as 3\n",
            "  output    number: INC0010001\n            sys_id: 1\n",
        ] {
            assert!(text.contains(expected), "{expected} is not in:\n{text}");
        }
    }

    #[test]
    fn only_what_has_moved_is_told() {
        let (_, before, _) = samples::failed_run();
        let mut after = before.clone();
        assert!(changes(&before, &after).is_empty());
        after[0].state = TaskState::Retrying;
        after[0].next_attempt_at = Some(samples::NOW);
        assert_eq!(
            changes(&before, &after),
            [
                "incident: retrying, attempt 2, next try 2026-11-21T12:30:00Z: the table `incident` refused it:\nno such group"
            ]
        );
        assert_eq!(changes(&[], &after).len(), 2);
    }
}
