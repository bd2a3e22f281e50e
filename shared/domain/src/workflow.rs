//! A workflow: what starts it, whether it applies, and what it does.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use rules::piped_text;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::id::{AccountName, TaskName, WorkflowId};
use crate::task::TaskKind;

/// A run is created in one transaction, which holds 100 items.
pub const MOST_TASKS: usize = 50;
/// A definition in bytes of JSON: it is kept in one row, and each task's part of it in the row of the task.
pub const MOST_BYTES: usize = 200_000;
/// Each pair of type and subject is a row of the listeners' index, written in one transaction.
pub const MOST_LISTENERS: usize = 40;

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
    /// Whether it starts. A workflow that is off keeps its definition.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// What starts it.
    pub trigger: Trigger,
    /// Whether it applies to the event. Without a condition it always does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<rules::Condition>,
    /// What it does.
    #[schemars(length(min = 1, max = 50))]
    pub tasks: Vec<Task>,
}

/// What starts a workflow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// An event of this type (and subject).
    Event(EventTrigger),
}

/// The events that start a workflow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EventTrigger {
    /// The event's type, or several of them.
    #[serde(rename = "type")]
    pub kind: OneOrMore,
    /// The event's subject, or several of them. Any subject when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<OneOrMore>,
}

/// A text, or a list of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a text or a list of texts")]
pub enum OneOrMore {
    /// One.
    One(String),
    /// Several.
    More(Vec<String>),
}

impl OneOrMore {
    /// The texts.
    pub fn as_slice(&self) -> &[String] {
        match self {
            Self::One(text) => std::slice::from_ref(text),
            Self::More(texts) => texts,
        }
    }
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
                "input": { "type": "object", "description": "What the task takes. Texts may be piped: {{ event.data.name }}." }
            },
            "required": ["id", "kind", "account", "input"],
            "additionalProperties": false,
            "allOf": kinds
        })
    }
}

/// A row of the index by which an event finds its workflows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listener {
    /// The event's type.
    pub kind: String,
    /// The event's subject; `None` listens to all.
    pub subject: Option<String>,
}

impl Workflow {
    /// The events that the workflow listens to.
    pub fn listeners(&self) -> BTreeSet<Listener> {
        let Trigger::Event(trigger) = &self.trigger;
        let subjects: Vec<Option<&String>> = match &trigger.subject {
            None => vec![None],
            Some(subjects) => subjects.as_slice().iter().map(Some).collect(),
        };
        let pairs = trigger.kind.as_slice().iter().flat_map(|kind| {
            subjects.iter().map(|subject| Listener {
                kind: kind.clone(),
                subject: subject.cloned(),
            })
        });
        pairs.collect()
    }

    /// Rules that hold between fields: each problem with the path of the field. Empty means valid.
    pub fn problems(&self) -> Vec<(String, String)> {
        let mut problems = Vec::new();
        self.check_trigger(&mut problems);
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
            check_templates(
                &task.input,
                &format!("tasks[{index}].input"),
                &before,
                &mut problems,
            );
        }
        problems
    }

    fn check_trigger(&self, problems: &mut Vec<(String, String)>) {
        let Trigger::Event(trigger) = &self.trigger;
        check_texts(&trigger.kind, "trigger.event.type", problems);
        if let Some(subject) = &trigger.subject {
            check_texts(subject, "trigger.event.subject", problems);
        }
        let listeners = self.listeners().len();
        if listeners > MOST_LISTENERS {
            problems.push((
                "trigger.event".to_owned(),
                format!("found {listeners} pairs of type and subject, expected at most {MOST_LISTENERS}: use a condition on `subject`"),
            ));
        }
    }
}

fn check_texts(texts: &OneOrMore, path: &str, problems: &mut Vec<(String, String)>) {
    if texts.as_slice().is_empty() {
        problems.push((
            path.to_owned(),
            "found an empty list, expected at least one text".to_owned(),
        ));
    }
    for text in texts.as_slice() {
        if text.is_empty() || text.len() > 256 {
            problems.push((
                path.to_owned(),
                format!("found a text of {} bytes, expected 1 to 256", text.len()),
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

fn check_templates(
    value: &Value,
    path: &str,
    before: &BTreeSet<&TaskName>,
    problems: &mut Vec<(String, String)>,
) {
    match value {
        Value::String(text) if piped_text::is_template(text) => {
            match piped_text::references(text) {
                Err(error) => problems.push((path.to_owned(), error.to_string())),
                Ok(references) => {
                    for reference in references {
                        if !before.iter().any(|name| name.as_str() == reference) {
                            problems.push((
                            path.to_owned(),
                            format!("uses the output of `{reference}`, which this task does not need: add it to `needs`"),
                        ));
                        }
                    }
                }
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                check_templates(item, &format!("{path}[{index}]"), before, problems);
            }
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                check_templates(field, &format!("{path}.{name}"), before, problems);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn yes() -> bool {
    true
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
    fn definition_gives_back_what_was_written() {
        let document = json!({
            "id": "w", "name": "W", "enabled": true, "trigger": {"event": {"type": "a"}},
            "when": {"all": [{"field": "data.nps", "less_than": 7}]}, "tasks": [{
                "id": "a", "kind": "zendesk.create_ticket", "account": "zd", "input": {"comment": "{{ event.id }}"}
            }]
        });
        let workflow = definition::workflow(&document).unwrap();
        assert_eq!(serde_json::to_value(&workflow).unwrap(), document);
    }
}
