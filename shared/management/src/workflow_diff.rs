use domain::{Workflow, WorkflowId};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value, json};

use crate::WorkflowManagement;
use crate::error::Error;

/// What lies between two revisions of a workflow.
///
/// Not a JSON Patch (RFC 6902): a person who reads it wants to know what was there before, and which task is
/// meant, not at which place of the list it stood.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WorkflowDiff {
    /// The revision that is compared.
    pub from: u32,
    /// The revision that it is compared with.
    pub to: u32,
    /// What is different, in the order of the paths; empty when the two are the same.
    pub changes: Vec<WorkflowChange>,
}

/// A value that is different.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WorkflowChange {
    /// The place, such as `trigger.event.type` or `tasks.ticket.input.priority`. A task is named by its id.
    pub path: String,
    /// What was there; absent when nothing was.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub before: Option<Value>,
    /// What is there now; absent when nothing is.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub after: Option<Value>,
}

/// `null` is a value that was there.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

impl WorkflowManagement {
    /// What is different between two revisions of a workflow; the newest one when `to` is absent. Also after it
    /// was deleted.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`; `Internal` when a row cannot be read.
    pub async fn diff_workflow(
        &self,
        id: &WorkflowId,
        from: u32,
        to: Option<u32>,
    ) -> Result<WorkflowDiff, Error> {
        let to = match to {
            Some(to) => to,
            None => self.newest_revision(id).await?,
        };
        let before = self.workflow(id, Some(from)).await?.workflow;
        let after = self.workflow(id, Some(to)).await?.workflow;
        let changes = changes(&before, &after);
        Ok(WorkflowDiff { from, to, changes })
    }
}

/// What is different between two definitions.
fn changes(before: &Workflow, after: &Workflow) -> Vec<WorkflowChange> {
    let mut changes = Vec::new();
    let [before, after] = [before, after].map(|workflow| with_named_tasks(json!(workflow)));
    compare(String::new(), Some(&before), Some(&after), &mut changes);
    changes
}

/// The tasks by their ids, each without it. Their order is a value of its own, since it may be all that changes.
fn with_named_tasks(mut workflow: Value) -> Value {
    let Some(Value::Array(tasks)) = workflow.get_mut("tasks").map(Value::take) else {
        return workflow;
    };
    let mut order = Vec::new();
    let mut named = Map::new();
    for mut task in tasks {
        let id = task
            .as_object_mut()
            .and_then(|task| task.remove("id"))
            .unwrap_or_default();
        named.insert(id.as_str().unwrap_or_default().to_owned(), task);
        order.push(id);
    }
    // A task's id cannot be empty, so this place is free.
    named.insert(String::new(), order.into());
    workflow["tasks"] = named.into();
    workflow
}

fn compare(
    path: String,
    before: Option<&Value>,
    after: Option<&Value>,
    changes: &mut Vec<WorkflowChange>,
) {
    match (before, after) {
        _ if before == after => {}
        (Some(Value::Object(before)), Some(Value::Object(after))) => {
            let new = after.keys().filter(|name| !before.contains_key(*name));
            let mut names: Vec<&String> = before.keys().chain(new).collect();
            names.sort();
            for name in names {
                let path = match (path.as_str(), name.as_str()) {
                    ("", _) => name.clone(),
                    (_, "") => path.clone(),
                    (_, _) => format!("{path}.{name}"),
                };
                compare(path, before.get(name), after.get(name), changes);
            }
        }
        // Of lists that have become longer or shorter nobody knows which member is which.
        (Some(Value::Array(before)), Some(Value::Array(after))) if before.len() == after.len() => {
            for (index, (before, after)) in before.iter().zip(after).enumerate() {
                compare(
                    format!("{path}[{index}]"),
                    Some(before),
                    Some(after),
                    changes,
                );
            }
        }
        (_, _) => changes.push(WorkflowChange {
            path,
            before: before.cloned(),
            after: after.cloned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::definition;

    fn sample() -> Value {
        json!({
            "id": "w", "name": "W", "trigger": {"event": {"type": "a"}},
            "when": {"all": [{"field": "data.nps", "less_than": 3}, {"field": "data.text", "is_not_empty": true}]},
            "tasks": [
                {"id": "incident", "kind": "servicenow.create_record", "account": "sn",
                 "input": {"table": "incident", "short_description": "x", "fields": {"category": null}}},
                {"id": "ticket", "kind": "zendesk.create_ticket", "account": "zd",
                 "input": {"comment": "x", "tags": ["a"]}},
            ]
        })
    }

    fn between(before: &Value, after: &Value) -> Value {
        let read = |document| definition::workflow(document).unwrap();
        json!(changes(&read(before), &read(after)))
    }

    #[test]
    fn every_change_has_its_path_and_both_values() {
        type Edit = fn(&mut Value);
        let cases: [(Edit, Value); 10] = [
            (|_| {}, json!([])),
            (
                |w| w["name"] = json!("X"),
                json!([{"path": "name", "before": "W", "after": "X"}]),
            ),
            (
                |w| w["enabled"] = json!(false),
                json!([{"path": "enabled", "after": false}]),
            ),
            (
                |w| w["labels"] = json!({"team": "support"}),
                json!([{"path": "labels", "after": {"team": "support"}}]),
            ),
            (
                |w| w["trigger"]["event"]["type"] = json!(["a", "b"]),
                json!([{"path": "trigger.event.type", "before": "a", "after": ["a", "b"]}]),
            ),
            (
                |w| w["when"]["all"][0]["less_than"] = json!(7),
                json!([{"path": "when.all[0].less_than", "before": 3, "after": 7}]),
            ),
            (
                |w| w["tasks"][1]["input"]["tags"] = json!(["a", "b"]),
                json!([{"path": "tasks.ticket.input.tags", "before": ["a"], "after": ["a", "b"]}]),
            ),
            // What was there as nothing differs from what was not there.
            (
                |w| w["tasks"][0]["input"]["fields"] = json!({}),
                json!([{"path": "tasks.incident.input.fields.category", "before": null}]),
            ),
            (
                |w| w["tasks"].as_array_mut().unwrap().reverse(),
                json!([
                    {"path": "tasks[0]", "before": "incident", "after": "ticket"},
                    {"path": "tasks[1]", "before": "ticket", "after": "incident"},
                ]),
            ),
            (
                |w| {
                    w["tasks"].as_array_mut().unwrap().remove(1);
                    w["tasks"][0]["account"] = json!("other");
                },
                json!([
                    {"path": "tasks", "before": ["incident", "ticket"], "after": ["incident"]},
                    {"path": "tasks.incident.account", "before": "sn", "after": "other"},
                    {"path": "tasks.ticket", "before": {
                        "kind": "zendesk.create_ticket", "account": "zd", "input": {"comment": "x", "tags": ["a"]}
                    }},
                ]),
            ),
        ];
        for (edit, expected) in cases {
            let mut after = sample();
            edit(&mut after);
            assert_eq!(between(&sample(), &after), expected);
        }
    }

    #[test]
    fn nothing_and_absence_are_told_apart_on_both_sides() {
        for change in [
            json!({"path": "a", "before": null}),
            json!({"path": "a", "after": 1}),
            json!({"path": "a", "before": 1, "after": null}),
        ] {
            let read: WorkflowChange = serde_json::from_value(change.clone()).unwrap();
            assert_eq!(json!(read), change);
        }
    }
}
