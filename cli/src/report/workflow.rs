//! Workflows, as they are listed and compared.

use domain::trigger::{OneOrMore, Trigger};
use domain::{Workflow, WorkflowId};
use management::WorkflowRevision;
use similar::TextDiff;

use super::time;

/// A workflow in the columns of a table.
pub(crate) fn row(stored: &WorkflowRevision) -> Vec<String> {
    let workflow = &stored.workflow;
    vec![
        workflow.id.to_string(),
        on_or_off(workflow.enabled).to_owned(),
        format!("revision {}", stored.revision),
        time(stored.applied_at),
        workflow.owner.clone().unwrap_or_else(|| "-".to_owned()),
        labels(workflow),
        trigger(&workflow.trigger),
        workflow.name.clone(),
    ]
}

pub(crate) fn on_or_off(enabled: bool) -> &'static str {
    if enabled { "on" } else { "off" }
}

fn labels(workflow: &Workflow) -> String {
    let labels: Vec<String> = workflow
        .labels
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    if labels.is_empty() {
        "-".to_owned()
    } else {
        labels.join(",")
    }
}

/// What starts the workflow: the trigger's name as it is written, and what it asks for.
fn trigger(trigger: &Trigger) -> String {
    let of = |name: &str, asked: Option<&OneOrMore>| match asked {
        Some(asked) => format!("{name} {}", asked.as_slice().join(",")),
        None => name.to_owned(),
    };
    match trigger {
        Trigger::Event(event) => of("event", Some(&event.kind)),
        Trigger::SurveyResponse(response) => of("survey_response", response.survey.as_ref()),
        Trigger::DatasetRecord(record) => of("dataset_record", record.dataset.as_ref()),
        Trigger::JsonEvent(event) => format!("json_event {}", event.endpoint),
        Trigger::ServiceNowEvent(event) => of("servicenow_event", event.table.as_ref()),
        Trigger::ZendeskEvent(event) => of("zendesk_event", Some(&event.event)),
        Trigger::TeamViewerEvent(event) => {
            let on = event.on.iter().map(|on| serde_json::json!(on));
            let on: Vec<String> = on.filter_map(|on| Some(on.as_str()?.to_owned())).collect();
            format!("teamviewer_event {}", on.join(","))
        }
        Trigger::RunFailed(run) => of("run_failed", run.workflow.as_ref()),
        Trigger::Schedule(schedule) => {
            let cron = schedule.cron.as_ref().map(ToString::to_string);
            let rate = schedule.rate.map(|rate| format!("every {rate}"));
            let at = schedule.at.map(|at| format!("at {at}"));
            let when = cron.or(rate).or(at).unwrap_or_default();
            format!("schedule {when}").trim_end().to_owned()
        }
    }
}

/// What is different between two exports, as `diff -u` tells it; `None` when nothing is.
pub(crate) fn diff(
    id: &WorkflowId,
    from: (&WorkflowRevision, &str),
    to: (&WorkflowRevision, &str),
) -> Option<String> {
    let header = |stored: &WorkflowRevision| {
        let at = time(stored.applied_at);
        format!("{id} revision {}, applied {at}", stored.revision)
    };
    let diff = TextDiff::from_lines(from.1, to.1);
    let text = diff
        .unified_diff()
        .context_radius(3)
        .header(&header(from.0), &header(to.0))
        .to_string();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use serde_json::{Value, json};

    fn stored(revision: u32, definition: Value) -> WorkflowRevision {
        WorkflowRevision {
            workflow: domain::definition::workflow(&definition).unwrap(),
            revision,
            applied_at: Timestamp::UNIX_EPOCH,
        }
    }

    fn definition(trigger: &Value) -> Value {
        json!({
            "id": "w", "name": "Follow up", "trigger": trigger,
            "tasks": [{"id": "t", "kind": "zendesk.create_ticket", "account": "zd", "input": {"comment": "x"}}]
        })
    }

    #[test]
    fn row_tells_owner_labels_and_state() {
        let mut workflow = definition(&json!({"event": {"type": "a"}}));
        let cells = |workflow: &Value| row(&stored(3, workflow.clone())).join(" | ");
        assert_eq!(
            cells(&workflow),
            "w | on | revision 3 | 1970-01-01T00:00:00Z | - | - | event a | Follow up"
        );
        workflow["owner"] = json!("Customer Care");
        workflow["labels"] = json!({"team": "support", "tier": "1"});
        workflow["enabled"] = json!(false);
        assert_eq!(
            cells(&workflow),
            "w | off | revision 3 | 1970-01-01T00:00:00Z | Customer Care | team=support,tier=1 | event a | Follow up"
        );
    }

    #[test]
    fn trigger_is_told_in_the_words_of_the_definition() {
        for (source, expected) in [
            (json!({"event": {"type": ["a", "b"]}}), "event a,b"),
            (json!({"survey_response": {}}), "survey_response"),
            (
                json!({"survey_response": {"survey": "SV_1"}}),
                "survey_response SV_1",
            ),
            (
                json!({"dataset_record": {"dataset": "reviews"}}),
                "dataset_record reviews",
            ),
            (
                json!({"json_event": {"endpoint": "shop"}}),
                "json_event shop",
            ),
            (
                json!({"servicenow_event": {"table": ["incident", "problem"]}}),
                "servicenow_event incident,problem",
            ),
            (
                json!({"zendesk_event": {"event": "ticket.created"}}),
                "zendesk_event ticket.created",
            ),
            (json!({"run_failed": {}}), "run_failed"),
            (
                json!({"schedule": {"rate": "6 hours"}}),
                "schedule every 6 hours",
            ),
            (
                json!({"schedule": {"cron": "0 9 ? * MON *"}}),
                "schedule 0 9 ? * MON *",
            ),
            (
                json!({"schedule": {"at": "2027-01-01T09:00:00"}}),
                "schedule at 2027-01-01T09:00:00",
            ),
        ] {
            assert_eq!(
                trigger(&stored(1, definition(&source)).workflow.trigger),
                expected
            );
        }
    }

    #[test]
    fn diff_shows_what_has_changed_with_what_stands_around_it() {
        let before = stored(1, definition(&json!({"event": {"type": "a"}})));
        let after = stored(2, definition(&json!({"event": {"type": "b"}})));
        let id = &before.workflow.id;
        let text = |kind: &str| {
            format!("id: w\nname: W\ntrigger:\n  event:\n    type: {kind}\ntasks: 1\n")
        };
        assert_eq!(
            diff(id, (&before, &text("a")), (&after, &text("b"))).unwrap(),
            "--- w revision 1, applied 1970-01-01T00:00:00Z\n\
             +++ w revision 2, applied 1970-01-01T00:00:00Z\n\
             @@ -2,5 +2,5 @@\n name: W\n trigger:\n   event:\n-    type: a\n+    type: b\n tasks: 1\n"
        );
        assert_eq!(diff(id, (&before, &text("a")), (&after, &text("a"))), None);
    }
}
