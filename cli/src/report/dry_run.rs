//! What a workflow would do.

use std::fmt;

use management::{DryRun, TaskPreview};

use super::{field, hanging, pretty, time, trace};

/// A dry run with all of its requests.
pub(crate) struct FullDryRun<'a> {
    pub(crate) plan: &'a DryRun,
    /// Why no stack was asked, if none was.
    pub(crate) no_stack: Option<&'a str>,
}

impl fmt::Display for FullDryRun<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plan = self.plan;
        let revision = plan.revision.map_or("not applied".to_owned(), |revision| {
            format!("revision {revision}")
        });
        let verdict = if plan.starts {
            "would start"
        } else {
            "would not start"
        };
        writeln!(f, "{} ({revision}): {verdict}", plan.workflow)?;
        for reason in &plan.reasons {
            writeln!(f, "  {}", hanging(reason, 2))?;
        }
        writeln!(f, "\nEvent {}", plan.event.key)?;
        field(f, "type", &plan.event.kind)?;
        if let Some(subject) = &plan.event.subject {
            field(f, "subject", subject)?;
        }
        field(f, "source", &plan.event.source)?;
        field(f, "id", &plan.event.id)?;
        if let Some(at) = plan.event.time {
            field(f, "time", time(at))?;
        }
        if !plan.event.filled_in.is_empty() {
            let names = plan.event.filled_in.join(", ");
            writeln!(f, "  Not given, and filled in: {names}.")?;
        }
        writeln!(
            f,
            "\nCondition\n  {}",
            hanging(&trace(&plan.condition.trace), 2)
        )?;
        for task in &plan.tasks {
            write!(f, "\n{}", Task(task, plan.starts))?;
        }
        if let Some(why) = self.no_stack {
            writeln!(
                f,
                "\nThe requests need the stack, which is missing here: {}.",
                hanging(why, 2)
            )?;
        }
        writeln!(f, "\nNobody was called, and nothing was stored.")
    }
}

/// A task, and whether it would run at all.
struct Task<'a>(&'a TaskPreview, bool);

impl fmt::Display for Task<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(task, starts) = self;
        let would = if *starts { "" } else { ", if it started" };
        writeln!(f, "Task {} ({}){would}", task.id, task.kind)?;
        let account = &task.account;
        let state = account.state.map(|state| format!(" ({state})"));
        field(
            f,
            "account",
            format_args!("{}{}", account.name, state.unwrap_or_default()),
        )?;
        if let Some(problem) = &account.problem {
            writeln!(f, "            {}", hanging(problem, 12))?;
        }
        if !task.needs.is_empty() {
            let needs: Vec<&str> = task.needs.iter().map(domain::TaskName::as_str).collect();
            field(f, "after", needs.join(", "))?;
        }
        if let Some(seen) = &task.trace {
            field(f, "condition", trace(seen))?;
        }
        if !task.depends_on.is_empty() {
            field(f, "made of", task.depends_on.join(", "))?;
        }
        if let Some(problem) = &task.problem {
            let place = if problem.path.is_empty() {
                ""
            } else {
                "input."
            };
            field(f, "problem", format_args!("{place}{problem}"))?;
        }
        for note in &task.notes {
            field(f, "note", note)?;
        }
        if task.requests.is_empty() {
            if let Some(input) = &task.input {
                field(f, "input", pretty(input))?;
            }
            return Ok(());
        }
        for request in &task.requests {
            let address = task.address.as_deref().unwrap_or_default();
            writeln!(f, "\n  {} {address}{}", request.method, request.path)?;
            if let Some(note) = &request.note {
                writeln!(f, "    # {}", hanging(note, 6))?;
            }
            for (name, value) in &request.query {
                writeln!(f, "    ?{name}={value}")?;
            }
            for (name, value) in &request.headers {
                writeln!(f, "    {name}: {value}")?;
            }
            if let Some(body) = &request.body {
                writeln!(f, "    {}", hanging(&pretty(body), 4))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use management::{DryRunRequest, dry_run_offline};
    use serde_json::{Value, json};

    fn plan(rating: Value) -> DryRun {
        let request = DryRunRequest {
            workflow: Some(json!({
                "id": "follow-up", "name": "Follow up", "trigger": {"event": {"type": "review.created"}},
                "when": {"all": [{"field": "data.rating", "less_than": 3}, {"field": "data.text", "contains": "slow"}]},
                "tasks": [
                    {"id": "ticket", "kind": "zendesk.create_ticket", "account": "support",
                     "input": {"comment": "{{ event.data.text }}"}},
                    {"id": "close", "kind": "zendesk.update_ticket", "account": "support", "needs": ["ticket"],
                     "input": {"ticket_id": "{{ tasks.ticket.output.id }}", "status": "solved"}}
                ]
            })),
            event: Some(json!({
                "type": "review.created", "id": "1", "source": "/s", "specversion": "1.0",
                "data": {"rating": rating, "text": "slow"}
            })),
            ..DryRunRequest::default()
        };
        dry_run_offline(&request, Timestamp::UNIX_EPOCH).unwrap()
    }

    #[test]
    fn requests_are_shown_as_they_would_be_sent() {
        let mut plan = plan(json!(2));
        plan.revision = Some(4);
        let first = &mut plan.tasks[0];
        first.notes.clear();
        first.address = Some("https://acme.zendesk.com".to_owned());
        first.requests = serde_json::from_value(json!([{
            "method": "POST", "path": "/api/v2/tickets", "query": {"a": "b"},
            "headers": {"idempotency-key": "tk_1"}, "body": {"ticket": {"comment": "slow"}}, "note": "once"
        }]))
        .unwrap();
        let second = &mut plan.tasks[1];
        second.notes.clear();
        second.account.problem = Some("there is no such account".to_owned());
        second.problem =
            serde_json::from_value(json!({"path": "ticket_id", "problem": "found `‹ticket.id›`"}))
                .unwrap();
        let full = FullDryRun {
            plan: &plan,
            no_stack: None,
        };
        assert_eq!(
            full.to_string(),
            format!(
                "follow-up (revision 4): would start

Event {key}
  type      review.created
  source    /s
  id        1
  time      1970-01-01T00:00:00Z
  Not given, and filled in: time.

Condition
  ✓ all
    ✓ data.rating less_than 3 (seen 2)
    ✓ data.text contains \"slow\" (seen \"slow\")

Task ticket (zendesk.create_ticket)
  account   support

  POST https://acme.zendesk.com/api/v2/tickets
    # once
    ?a=b
    idempotency-key: tk_1
    {{
      \"ticket\": {{
        \"comment\": \"slow\"
      }}
    }}

Task close (zendesk.update_ticket)
  account   support
            there is no such account
  after     ticket
  made of   ticket.id
  problem   input.ticket_id: found `‹ticket.id›`
  input     {{
              \"status\": \"solved\",
              \"ticket_id\": \"‹ticket.id›\"
            }}

Nobody was called, and nothing was stored.
",
                key = plan.event.key
            )
        );
    }

    #[test]
    fn what_could_not_be_compared_is_marked_and_tasks_are_shown_all_the_same() {
        let plan = plan(json!("many"));
        let text = FullDryRun {
            plan: &plan,
            no_stack: Some("there is no region"),
        }
        .to_string();
        for expected in [
            "follow-up (not applied): would not start\n  the condition hangs on values that are missing or cannot be compared\n",
            "  ? all\n    ? data.rating less_than 3 (seen \"many\": not a number)\n    ✓ data.text",
            "Task ticket (zendesk.create_ticket), if it started\n",
            "The requests need the stack, which is missing here: there is no region.",
        ] {
            assert!(text.contains(expected), "{expected} is not in:\n{text}");
        }
    }
}
