//! A workflow: what starts it, whether it applies, and what it does.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZone;
use rules::piped_text::{self, Reference};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::id::{AccountName, TaskName, WorkflowId};
use crate::task::TaskKind;
use crate::trigger::{Listener, Trigger};

/// A run is created in one transaction, which holds 100 items.
pub const MOST_TASKS: usize = 50;
/// A definition in bytes of JSON: it is kept in one row, and each task's part of it in the row of the task.
pub const MOST_BYTES: usize = 200_000;
/// How many labels a workflow may have.
pub const MOST_LABELS: usize = 20;

/// A workflow as it is written in a definition.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Workflow {
    /// Names the workflow in its stack.
    pub id: WorkflowId,
    /// What people call it.
    pub name: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Who looks after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Words to find it by, such as `team: support`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Whether it starts, which it does when nothing is said. A workflow that is off keeps its definition.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub enabled: bool,
    /// The IANA time zone, such as `Europe/Paris`, in which its piped text writes dates; UTC when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// What starts it.
    pub trigger: Trigger,
    /// Whether it applies to the event. Without a condition it always does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<rules::Condition>,
    /// What it does.
    #[schemars(length(min = 1, max = 50))]
    pub tasks: Vec<Task>,
}

/// One action in one system.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// Names the task in its workflow.
    pub id: TaskName,
    /// What it does.
    pub kind: TaskKind,
    /// The connected account that it uses.
    pub account: AccountName,
    /// The tasks that must have succeeded before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<TaskName>,
    /// Whether it is done once the tasks that it needs have succeeded. Beside the event's fields it knows
    /// `tasks.<id>.output`. A task whose condition does not hold is skipped, as are those that need it; that
    /// is no failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<rules::Condition>,
    /// What it takes; which fields there are depends on the kind. Texts may be piped.
    pub input: Value,
}

impl JsonSchema for Task {
    fn schema_name() -> Cow<'static, str> {
        "Task".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let id = generator.subschema_for::<TaskName>();
        let account = generator.subschema_for::<AccountName>();
        let needs = generator.subschema_for::<Vec<TaskName>>();
        let when = generator.subschema_for::<rules::Condition>();
        let kinds: Vec<Schema> = TaskKind::ALL
            .into_iter()
            .map(|kind| {
                let input = kind.input_schema(generator);
                json_schema!({
                    "if": { "properties": { "kind": { "const": kind.as_str() } } },
                    "then": { "properties": { "input": input } }
                })
            })
            .collect();
        let names: Vec<&str> = TaskKind::ALL.into_iter().map(TaskKind::as_str).collect();
        json_schema!({
            "type": "object",
            "description": "One action in one system.",
            "properties": {
                "id": id,
                "kind": { "enum": names, "description": "What the task does." },
                "account": account,
                "needs": needs,
                "when": when,
                "input": { "type": "object", "description": "What the task takes. Texts may be piped: {{ event.data.name }}." }
            },
            "required": ["id", "kind", "account", "input"],
            "additionalProperties": false,
            "allOf": kinds
        })
    }
}

impl Workflow {
    /// The events that the workflow listens to.
    pub fn listeners(&self) -> BTreeSet<Listener> {
        self.trigger.listeners(&self.id)
    }

    /// The condition that decides whether the workflow applies to an event that it listens to: what the
    /// trigger asks for by itself, and then the workflow's own. `None` when it always does.
    pub fn condition(&self) -> Option<Cow<'_, rules::Condition>> {
        match (self.trigger.condition(), &self.when) {
            (None, own) => own.as_ref().map(Cow::Borrowed),
            (Some(implied), None) => Some(Cow::Owned(implied)),
            (Some(implied), Some(own)) => Some(Cow::Owned(implied.and(own.clone()))),
        }
    }

    /// Rules that hold between fields: each problem with the path of the field. Empty means valid.
    pub fn problems(&self) -> Vec<(String, String)> {
        let mut problems = Vec::new();
        self.trigger.check(&self.id, &mut problems);
        check_labels(&self.labels, &mut problems);
        if let Some(timezone) = &self.timezone
            && TimeZone::get(timezone).is_err()
        {
            problems.push((
                "timezone".to_owned(),
                format!("found `{timezone}`, expected an IANA time zone such as Europe/Paris"),
            ));
        }
        let bytes = serde_json::to_string(self).map_or(0, |json| json.len());
        if bytes > MOST_BYTES {
            problems.push((
                String::new(),
                format!("found a definition of {bytes} bytes, expected at most {MOST_BYTES}"),
            ));
        }
        if self.tasks.is_empty() || self.tasks.len() > MOST_TASKS {
            problems.push((
                "tasks".to_owned(),
                format!(
                    "found {} tasks, expected 1 to {MOST_TASKS}",
                    self.tasks.len()
                ),
            ));
        }
        let mut needs: BTreeMap<&TaskName, &[TaskName]> = BTreeMap::new();
        for (index, task) in self.tasks.iter().enumerate() {
            if needs.insert(&task.id, &task.needs).is_some() {
                problems.push((
                    format!("tasks[{index}].id"),
                    format!("`{}` is the id of an earlier task, too", task.id),
                ));
            }
        }
        let kinds: BTreeMap<&str, TaskKind> = self
            .tasks
            .iter()
            .map(|task| (task.id.as_str(), task.kind))
            .collect();
        for (index, task) in self.tasks.iter().enumerate() {
            for (position, need) in task.needs.iter().enumerate() {
                if !needs.contains_key(need) {
                    let known: Vec<&str> = self.tasks.iter().map(|task| task.id.as_str()).collect();
                    problems.push((
                        format!("tasks[{index}].needs[{position}]"),
                        format!(
                            "there is no task `{need}`, expected one of {}",
                            known.join(", ")
                        ),
                    ));
                }
            }
            let before = transitive_needs(&task.id, &needs);
            if before.contains(&task.id) {
                problems.push((
                    format!("tasks[{index}].needs"),
                    format!(
                        "`{}` needs itself, by way of the tasks that it needs",
                        task.id
                    ),
                ));
            }
            if let Err(error) = task.kind.check_input(&task.input) {
                let path = if error.path.is_empty() {
                    String::new()
                } else {
                    format!(".{}", error.path)
                };
                problems.push((format!("tasks[{index}].input{path}"), error.problem));
            }
            let mut check = TemplateCheck {
                kind: task.kind,
                base: format!("tasks[{index}].input"),
                before: &before,
                kinds: &kinds,
                problems: &mut problems,
            };
            check_templates(&task.input, &mut check, &mut String::new());
            for (task, output) in task.when.iter().flat_map(rules::Condition::task_outputs) {
                check.reference(&task, output.as_deref(), &format!("tasks[{index}].when"));
            }
        }
        problems
    }
}

/// Keys as people type them on a command line, values as they read them.
fn check_labels(labels: &BTreeMap<String, String>, problems: &mut Vec<(String, String)>) {
    if labels.len() > MOST_LABELS {
        problems.push((
            "labels".to_owned(),
            format!(
                "found {} labels, expected at most {MOST_LABELS}",
                labels.len()
            ),
        ));
    }
    for (key, value) in labels {
        let is_word = !key.is_empty()
            && key.len() <= 63
            && key
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
        if !is_word {
            problems.push((
                "labels".to_owned(),
                format!(
                    "found the label `{}`, expected 1 to 63 letters, digits, `-`, `_` and `.`",
                    key.chars().take(80).collect::<String>()
                ),
            ));
        }
        if value.len() > 256 {
            problems.push((
                format!("labels.{key}"),
                format!(
                    "found a text of {} bytes, expected at most 256",
                    value.len()
                ),
            ));
        }
    }
}

fn transitive_needs<'a>(
    task: &TaskName,
    needs: &BTreeMap<&'a TaskName, &'a [TaskName]>,
) -> BTreeSet<&'a TaskName> {
    let mut found = BTreeSet::new();
    let mut open: Vec<&TaskName> = needs
        .get(task)
        .map(|list| list.iter().collect())
        .unwrap_or_default();
    while let Some(next) = open.pop() {
        if found.insert(next) {
            open.extend(needs.get(next).into_iter().flat_map(|list| list.iter()));
        }
    }
    found
}

struct TemplateCheck<'a> {
    kind: TaskKind,
    /// The path of the task's input.
    base: String,
    /// The tasks that have ended before.
    before: &'a BTreeSet<&'a TaskName>,
    /// Every task's kind.
    kinds: &'a BTreeMap<&'a str, TaskKind>,
    problems: &'a mut Vec<(String, String)>,
}

impl TemplateCheck<'_> {
    fn text(&mut self, text: &str, path: &str) {
        let at = if path.starts_with('[') || path.is_empty() {
            format!("{}{path}", self.base)
        } else {
            format!("{}.{path}", self.base)
        };
        let references = match piped_text::references(text, self.kind.destination(path)) {
            Ok(references) => references,
            Err(error) => {
                self.problems.push((at, error.to_string()));
                return;
            }
        };
        for Reference { task, output } in references {
            self.reference(&task, output.as_deref(), &at);
        }
    }

    /// Checks that an output is there when it is needed.
    fn reference(&mut self, task: &str, output: Option<&str>, at: &str) {
        if !self.before.iter().any(|name| name.as_str() == task) {
            let problem = if self.kinds.contains_key(task) {
                format!(
                    "uses the output of `{task}`, which this task does not need: add it to `needs`"
                )
            } else {
                let known: Vec<&str> = self.kinds.keys().copied().collect();
                format!(
                    "uses the output of `{task}`, but there is no such task: expected one of {}",
                    known.join(", ")
                )
            };
            self.problems.push((at.to_owned(), problem));
            return;
        }
        let known = self.kinds.get(task).map(|kind| kind.outputs());
        if let (Some(output), Some(known)) = (output, known)
            && !known.contains(&output)
        {
            self.problems.push((
                at.to_owned(),
                format!(
                    "uses the output `{output}` of `{task}`, expected one of {}",
                    known.join(", ")
                ),
            ));
        }
    }
}

/// Checks every text of an input. `path` is that of the value, as errors of piped text have it.
fn check_templates(value: &Value, check: &mut TemplateCheck<'_>, path: &mut String) {
    let length = path.len();
    match value {
        Value::String(text) if piped_text::is_template(text) => check.text(text, path),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                path.push('[');
                path.push_str(&index.to_string());
                path.push(']');
                check_templates(item, check, path);
                path.truncate(length);
            }
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                if length > 0 {
                    path.push('.');
                }
                path.push_str(name);
                check_templates(field, check, path);
                path.truncate(length);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn yes() -> bool {
    true
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands the field by reference"
)]
fn is_yes(enabled: &bool) -> bool {
    *enabled
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::definition;

    fn with_tasks(tasks: &Value) -> Vec<String> {
        let document = json!({
            "id": "w", "name": "W", "trigger": {"event": {"type": "a.b"}}, "tasks": tasks
        });
        match definition::workflow(&document) {
            Ok(_) => Vec::new(),
            Err(problems) => problems.iter().map(ToString::to_string).collect(),
        }
    }

    fn ticket(id: &str, needs: &[&str], comment: &str) -> Value {
        json!({"id": id, "kind": "zendesk.create_ticket", "account": "zd", "needs": needs, "input": {"comment": comment}})
    }

    #[test]
    fn problems_name_the_path_what_was_found_and_what_was_expected() {
        for (tasks, path, words) in [
            (json!([]), "tasks", "1 to 50"),
            (
                json!([ticket("a", &[], "x"), ticket("a", &[], "x")]),
                "tasks[1].id",
                "earlier",
            ),
            (
                json!([ticket("a", &["b"], "x")]),
                "tasks[0].needs[0]",
                "expected one of a",
            ),
            (
                json!([ticket("a", &["b"], "x"), ticket("b", &["a"], "x")]),
                "tasks[0].needs",
                "needs itself",
            ),
            (
                json!([
                    ticket("a", &[], "{{ tasks.b.output.id }}"),
                    ticket("b", &[], "x")
                ]),
                "tasks[0].input.comment",
                "add it to `needs`",
            ),
            (
                json!([ticket("a", &[], "{{ tasks.b.output.id }}")]),
                "tasks[0].input.comment",
                "no such task: expected one of a",
            ),
            (
                json!([
                    ticket("a", &[], "x"),
                    ticket("b", &["a"], "{{ tasks.a.output.number }}")
                ]),
                "tasks[1].input.comment",
                "uses the output `number` of `a`, expected one of id, status",
            ),
            (
                json!([ticket("a", &[], "x"), {
                    "id": "b", "kind": "zendesk.create_ticket", "account": "zd", "input": {"comment": "x"},
                    "when": {"any": [{"field": "tasks.a.output.status", "equals": "new"}]}
                }]),
                "tasks[1].when",
                "add it to `needs`",
            ),
            (
                json!([ticket("a", &[], "x"), {
                    "id": "b", "kind": "zendesk.create_ticket", "account": "zd", "input": {"comment": "x"},
                    "needs": ["a"], "when": {"expression": "event.tasks.a.output.state == 'new'"}
                }]),
                "tasks[1].when",
                "uses the output `state` of `a`",
            ),
            (
                json!([
                    ticket("a", &[], "x"),
                    ticket("b", &["a"], "~{ch://a/$.number}")
                ]),
                "tasks[1].input.comment",
                "uses the output `number` of `a`",
            ),
            (
                json!([ticket("a", &[], "{{ event.data. }}")]),
                "tasks[0].input.comment",
                "",
            ),
            (
                json!([{"id": "a", "kind": "zendesk.create_ticket", "account": "zd", "input": {"comment": "x", "priority": "asap"}}]),
                "tasks[0].input.priority",
                "asap",
            ),
            (
                json!([{"id": "a", "kind": "zendesk.create_ticket", "account": "zd", "input": {"comment": "x"}, "need": []}]),
                "tasks[0]",
                "unknown field `need`",
            ),
            (
                json!([{"id": "a-b", "kind": "zendesk.create_ticket", "account": "zd", "input": {"comment": "x"}}]),
                "tasks[0].id",
                "a-b",
            ),
        ] {
            let problems = with_tasks(&tasks);
            assert!(
                problems
                    .iter()
                    .any(|problem| problem.starts_with(path) && problem.contains(words)),
                "{tasks}: {problems:?}"
            );
        }
    }

    #[test]
    fn task_may_use_what_the_tasks_that_it_needs_need() {
        let tasks = json!([
            ticket("a", &[], "x"),
            ticket("b", &["a"], "x"),
            ticket("c", &["b"], "{{ tasks.a.output.id }}")
        ]);
        assert_eq!(with_tasks(&tasks), Vec::<String>::new());
    }

    #[test]
    fn listeners_are_the_pairs_of_type_and_subject() {
        let document = json!({
            "id": "w", "name": "W", "tasks": [ticket("a", &[], "x")],
            "trigger": {"event": {"type": ["a", "b"], "subject": ["s", "t"]}}
        });
        let workflow = definition::workflow(&document).unwrap();
        let listeners: Vec<(String, Option<String>)> = workflow
            .listeners()
            .into_iter()
            .map(|listener| (listener.kind, listener.subject))
            .collect();
        let pair = |kind: &str, subject: &str| (kind.to_owned(), Some(subject.to_owned()));
        assert_eq!(
            listeners,
            [
                pair("a", "s"),
                pair("a", "t"),
                pair("b", "s"),
                pair("b", "t")
            ]
        );
    }

    #[test]
    fn labels_and_time_zones_that_cannot_be_used_are_named() {
        let document = |labels: Value, timezone: &str| {
            json!({
                "id": "w", "name": "W", "trigger": {"event": {"type": "a"}}, "tasks": [ticket("a", &[], "x")],
                "labels": labels, "timezone": timezone,
            })
        };
        for (labels, timezone, path) in [
            (json!({"a b": "x"}), "UTC", "labels: "),
            (json!({"a": "x".repeat(257)}), "UTC", "labels.a: "),
            (json!({}), "Europe/Pariss", "timezone: "),
        ] {
            let problems = definition::workflow(&document(labels, timezone)).unwrap_err();
            assert!(problems[0].to_string().starts_with(path), "{problems:?}");
        }
        definition::workflow(&document(
            json!({"team": "Support, 1st level"}),
            "Europe/Paris",
        ))
        .unwrap();
    }

    #[test]
    fn definition_gives_back_what_was_written() {
        let document = json!({
            "id": "w", "name": "W", "labels": {"team": "support"}, "timezone": "Europe/Paris",
            "trigger": {"event": {"type": "a"}}, "when": {"all": [{"field": "data.nps", "less_than": 7}]}, "tasks": [{
                "id": "a", "kind": "zendesk.create_ticket", "account": "zd", "input": {"comment": "{{ event.id }}"}
            }]
        });
        let workflow = definition::workflow(&document).unwrap();
        assert_eq!(serde_json::to_value(&workflow).unwrap(), document);
    }
}
