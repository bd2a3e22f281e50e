//! Workflows that start themselves by way of a vendor: what a task writes there comes back as an event.
//!
//! What comes back is a new event from outside, which no longer tells who caused it. So the chain of workflows
//! that keeps a run from starting its own workflow does not see such a loop; the definition often shows it.

use serde_json::Value;

use crate::task::TaskKind;
use crate::trigger::Listener;
use crate::workflow::{Task, Workflow};

/// What is worth a second look in one place of a definition, although it can be applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The place, such as `tasks[1]`.
    pub path: String,
    /// What may happen, and what to do about it.
    pub warning: String,
}

/// How a task may start its own workflow again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Loop {
    /// Zendesk tells of every such change.
    ZendeskEvent,
    /// A trigger or an automation of Zendesk fires where its own conditions hold.
    ZendeskTrigger,
    /// A business rule tells of the record.
    ServiceNow,
    /// What becomes of a service case is an event.
    TeamViewer,
}

/// The tasks whose own result may start the workflow again, unless its condition reads something by which that
/// can be told.
pub fn warnings(workflow: &Workflow) -> Vec<Warning> {
    let listeners = workflow.listeners();
    let condition = workflow
        .when
        .as_ref()
        .and_then(|condition| serde_json::to_value(condition).ok())
        .unwrap_or_default();
    let of_task = |(index, task): (usize, &Task)| {
        let found = listeners
            .iter()
            .find_map(|listener| Some((listener, fed_by(listener, task)?)))
            .filter(|(_, way)| !reads_any(&condition, way.tells()));
        found.map(|(listener, way)| Warning {
            path: format!("tasks[{index}]"),
            warning: way.text(task.kind, &listener.kind),
        })
    };
    workflow
        .tasks
        .iter()
        .enumerate()
        .filter_map(of_task)
        .collect()
}

/// Whether what the task does may come back as such an event.
fn fed_by(listener: &Listener, task: &Task) -> Option<Loop> {
    let kind = listener.kind.as_str();
    let gives = |fields: &[&str]| fields.iter().any(|field| is_given(task, field));
    let comes_back = match task.kind {
        TaskKind::ServiceNowCreateRecord => {
            kind == "servicenow.record.created" && is_on_table(listener, task)
        }
        TaskKind::ServiceNowUpdateRecord => {
            kind == "servicenow.record.updated" && is_on_table(listener, task)
        }
        TaskKind::ZendeskCreateTicket => {
            // Whether a ticket's first comment counts as an added one is not documented.
            matches!(
                kind,
                "zendesk.ticket.created" | "zendesk.ticket.comment_added" | "zendesk.trigger"
            )
        }
        TaskKind::ZendeskUpdateTicket => {
            kind == "zendesk.trigger"
                || kind
                    .strip_prefix("zendesk.ticket.")
                    .is_some_and(|change| gives(causes(change)))
        }
        TaskKind::ZendeskCreateProfile | TaskKind::ZendeskUpdateProfile => kind
            .strip_prefix("zendesk.user.")
            .is_some_and(|change| change.ends_with("_changed")),
        TaskKind::ZendeskCreateRecord => {
            kind.starts_with("zendesk.custom_object") && kind.ends_with("created")
        }
        TaskKind::ZendeskUpdateRecord => {
            kind.starts_with("zendesk.custom_object")
                && (kind.ends_with("updated") || kind.ends_with("changed"))
        }
        TaskKind::TeamViewerCreateSession => kind.starts_with("teamviewer."),
    };
    comes_back.then_some(if kind == "zendesk.trigger" {
        Loop::ZendeskTrigger
    } else if kind.starts_with("zendesk.") {
        Loop::ZendeskEvent
    } else if kind.starts_with("teamviewer.") {
        Loop::TeamViewer
    } else {
        Loop::ServiceNow
    })
}

/// The fields of `zendesk.update_ticket` that make Zendesk tell of such a change.
///
/// Source: <https://developer.zendesk.com/api-reference/webhooks/event-types/ticket-events/>
fn causes(change: &str) -> &'static [&'static str] {
    match change {
        "comment_added" => &["comment", "html_comment", "description"],
        "status_changed" | "custom_status_changed" => &["status"],
        "priority_changed" => &["priority"],
        "type_changed" => &["type"],
        "subject_changed" => &["subject"],
        "requester_changed" => &["requester_id"],
        // A requester brings along an organization, an agent a group, and a group may lose its agent.
        "organization_changed" => &["organization_id", "requester_id"],
        "group_assignment_changed" | "agent_assignment_changed" => {
            &["group_id", "assignee_id", "assignee_email"]
        }
        "brand_changed" => &["brand_id"],
        "form_changed" => &["ticket_form_id"],
        "task_due_at_changed" => &["due_at"],
        "custom_field_changed" => &["custom_fields"],
        // Some custom fields set tags.
        "tags_changed" => &["tags", "add_tags", "remove_tags", "custom_fields"],
        _ => &[],
    }
}

fn is_given(task: &Task, field: &str) -> bool {
    task.input.get(field).is_some_and(|value| !value.is_null())
}

/// Whether the task writes to the table that is listened to. One that piped text will name may be another.
fn is_on_table(listener: &Listener, task: &Task) -> bool {
    let Some(table) = task.input.get("table").and_then(Value::as_str) else {
        return false;
    };
    !rules::piped_text::is_template(table)
        && listener
            .subject
            .as_deref()
            .is_none_or(|heard| heard == table)
}

/// Whether a condition in its JSON form reads a field whose path has one of these words.
fn reads_any(condition: &Value, words: &[&str]) -> bool {
    match condition {
        Value::Object(parts) => parts.iter().any(|(key, part)| {
            let path = part
                .as_str()
                .filter(|_| key == "field" || key == "expression");
            path.map_or_else(
                || reads_any(part, words),
                |path| words.iter().any(|word| path.contains(word)),
            )
        }),
        Value::Array(parts) => parts.iter().any(|part| reads_any(part, words)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

impl Loop {
    /// What tells the workflow's own changes from those of others, where a condition reads it.
    fn tells(self) -> &'static [&'static str] {
        match self {
            Self::ZendeskEvent | Self::ZendeskTrigger => {
                &["tags", "external_id", "actor_id", "submitter_id", "author"]
            }
            Self::ServiceNow => &["updated_by", "created_by", "correlation_id"],
            Self::TeamViewer => &["data.task", "data.code", "data.description", "data.group"],
        }
    }

    fn text(self, task: TaskKind, event: &str) -> String {
        let advice = match self {
            Self::ZendeskEvent => {
                "leave its own changes out with a condition, such as one on a tag that they get (`data.detail.tags`) or on who made them (`data.detail.actor_id`)"
            }
            Self::ZendeskTrigger => {
                "leave its own changes out, by a condition on a tag in the trigger of Zendesk or here"
            }
            Self::ServiceNow => {
                "leave its own changes out with a condition that `data.updated_by` is not the user of the account, unless the business rule does"
            }
            Self::TeamViewer => {
                "leave its own cases out with a condition, such as one on `data.group.id` or `data.task.number`"
            }
        };
        format!(
            "what `{task}` does may come back as `{event}` and start this workflow again, without end: {advice}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition;
    use serde_json::json;

    fn warned(trigger: &Value, task: &str, input: &Value, when: Option<Value>) -> Vec<Warning> {
        let mut document = json!({
            "id": "w", "name": "W", "trigger": trigger,
            "tasks": [
                {"id": "first", "kind": "zendesk.create_profile", "account": "zd",
                 "input": {"source": "closedloop", "type": "customer", "email": "a@example.com"}},
                {"id": "t", "kind": task, "account": "a", "input": input},
            ]
        });
        if let Some(when) = when {
            document["when"] = when;
        }
        warnings(&definition::workflow(&document).unwrap())
    }

    const CREATE_TICKET: &str = "zendesk.create_ticket";
    const UPDATE_TICKET: &str = "zendesk.update_ticket";
    const CREATE_RECORD: &str = "servicenow.create_record";
    const UPDATE_RECORD: &str = "servicenow.update_record";

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table")]
    fn task_whose_result_comes_back_to_its_trigger_is_warned_of() {
        let zendesk = |event: &str| json!({"zendesk_event": {"event": event}});
        let servicenow = |options: Value| json!({ "servicenow_event": options });
        let comment = json!({"comment": "x"});
        let answer = json!({"ticket_id": 1, "comment": "x"});
        let solve = json!({"ticket_id": 1, "status": "solved"});
        let incident = json!({"table": "incident", "short_description": "x"});
        let piped = json!({"table": "{{ event.subject }}", "short_description": "x"});
        let update = json!({"table": "incident", "number": "INC0010001", "comment": "x"});
        for (trigger, task, input, expected) in [
            (
                json!({"teamviewer_event": {"on": ["case_closed"]}}),
                "teamviewer.create_session",
                &json!({"group": "g1"}),
                true,
            ),
            (
                json!({"teamviewer_event": {"on": ["case_closed"]}}),
                CREATE_TICKET,
                &comment,
                false,
            ),
            (zendesk("ticket.created"), CREATE_TICKET, &comment, true),
            (zendesk("ticket.created"), UPDATE_TICKET, &answer, false),
            (
                zendesk("ticket.comment_added"),
                UPDATE_TICKET,
                &answer,
                true,
            ),
            (
                zendesk("ticket.comment_added"),
                UPDATE_TICKET,
                &solve,
                false,
            ),
            (
                zendesk("ticket.status_changed"),
                UPDATE_TICKET,
                &solve,
                true,
            ),
            (
                zendesk("ticket.status_changed"),
                UPDATE_TICKET,
                &answer,
                false,
            ),
            (
                zendesk("ticket.status_changed"),
                CREATE_TICKET,
                &comment,
                false,
            ),
            (zendesk("trigger"), UPDATE_TICKET, &solve, true),
            (zendesk("ticket.created"), CREATE_RECORD, &incident, false),
            // The same by the trigger that names types.
            (
                json!({"event": {"type": ["a", "zendesk.ticket.created"]}}),
                CREATE_TICKET,
                &comment,
                true,
            ),
            (
                servicenow(json!({"table": "incident"})),
                CREATE_RECORD,
                &incident,
                true,
            ),
            (
                servicenow(json!({"table": ["problem", "incident"]})),
                UPDATE_RECORD,
                &update,
                true,
            ),
            (servicenow(json!({})), UPDATE_RECORD, &update, true),
            (
                servicenow(json!({"table": "problem"})),
                CREATE_RECORD,
                &incident,
                false,
            ),
            (
                servicenow(json!({"table": "incident", "on": ["updated"]})),
                CREATE_RECORD,
                &incident,
                false,
            ),
            (
                servicenow(json!({"table": "incident", "on": ["created"]})),
                UPDATE_RECORD,
                &update,
                false,
            ),
            (
                servicenow(json!({"table": "incident"})),
                CREATE_RECORD,
                &piped,
                false,
            ),
            (
                servicenow(json!({"table": "incident"})),
                CREATE_TICKET,
                &comment,
                false,
            ),
            // A run's end knows its chain of workflows: the loop is refused when it would begin.
            (json!({"run_failed": {}}), CREATE_RECORD, &incident, false),
            (
                json!({"survey_response": {}}),
                CREATE_TICKET,
                &comment,
                false,
            ),
            (
                json!({"schedule": {"rate": "1 day"}}),
                CREATE_TICKET,
                &comment,
                false,
            ),
        ] {
            let found = warned(&trigger, task, input, None);
            let places: Vec<&str> = found.iter().map(|warning| warning.path.as_str()).collect();
            let places_expected: &[&str] = if expected { &["tasks[1]"] } else { &[] };
            assert_eq!(places, places_expected, "{trigger} {task} {input}");
        }
    }

    #[test]
    fn changed_user_and_profile_are_warned_of() {
        let trigger = json!({"zendesk_event": {"event": "user.details_changed"}});
        let found = warned(&trigger, CREATE_TICKET, &json!({"comment": "x"}), None);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].path, "tasks[0]");
    }

    #[test]
    fn warning_says_what_to_do_until_it_is_done() {
        let ticket = json!({"comment": "x"});
        let record = json!({"table": "incident", "number": "INC0010001", "comment": "x"});
        let zendesk = json!({"zendesk_event": {"event": "ticket.created"}});
        let servicenow = json!({"servicenow_event": {"table": "incident"}});
        for (trigger, task, input, advice, when) in [
            (
                &zendesk,
                CREATE_TICKET,
                &ticket,
                "data.detail.tags",
                json!({"field": "data.detail.tags", "does_not_contain": "by-us"}),
            ),
            (
                &zendesk,
                CREATE_TICKET,
                &ticket,
                "data.detail.actor_id",
                json!({"all": [
                    {"field": "data.detail.priority", "equals": "HIGH"}, {"none": [{"field": "data.detail.actor_id", "equals": "7"}]},
                ]}),
            ),
            (
                &servicenow,
                UPDATE_RECORD,
                &record,
                "data.updated_by",
                json!({"field": "data.updated_by", "not_equals": "closedloop"}),
            ),
        ] {
            let found = warned(trigger, task, input, None);
            assert!(found[0].warning.contains(advice), "{found:?}");
            assert!(found[0].warning.contains(task), "{found:?}");
            let other = json!({"field": "data.detail.priority", "equals": "HIGH"});
            assert_eq!(warned(trigger, task, input, Some(other)).len(), 1);
            assert_eq!(warned(trigger, task, input, Some(when)), Vec::new());
        }
    }
}
