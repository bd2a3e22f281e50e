use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use domain::TaskReference;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// The most characters of an instance's name.
const LONGEST_INSTANCE: usize = 80;

/// A ServiceNow task as people name it: by its number, such as `INC0010001`, or by its `sys_id`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ServiceNowTask(TaskReference);

/// A text that names no task.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected the number of a task, such as INC0010001, or its sys_id of 32 hexadecimal digits"
)]
pub struct NoTask;

impl ServiceNowTask {
    /// The reference.
    pub fn reference(&self) -> &TaskReference {
        &self.0
    }

    fn text(&self) -> &str {
        let Self(reference) = self;
        let text = reference.sys_id.as_deref().or(reference.number.as_deref());
        text.unwrap_or_default()
    }
}

impl FromStr for ServiceNowTask {
    type Err = NoTask;

    fn from_str(text: &str) -> Result<Self, NoTask> {
        TaskReference::of_key(text).map(Self).ok_or(NoTask)
    }
}

impl TryFrom<String> for ServiceNowTask {
    type Error = NoTask;

    fn try_from(text: String) -> Result<Self, NoTask> {
        text.parse()
    }
}

impl From<ServiceNowTask> for String {
    fn from(task: ServiceNowTask) -> Self {
        task.text().to_owned()
    }
}

impl fmt::Display for ServiceNowTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl JsonSchema for ServiceNowTask {
    fn schema_name() -> Cow<'static, str> {
        "ServiceNowTask".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string", "pattern": "^[A-Za-z0-9_-]{1,80}$",
            "description": "A ServiceNow task: its number, such as INC0010001, or its sys_id"
        })
    }
}

/// The name of a ServiceNow instance, such as `dev12345`. Case does not matter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", extend("pattern" = "^[A-Za-z0-9._-]{1,80}$"))]
pub struct ServiceNowInstance(String);

/// A text that names no instance.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected the name of a ServiceNow instance, such as dev12345")]
pub struct NoInstance;

impl ServiceNowInstance {
    /// Whether the task is known to be of this instance.
    pub fn has(&self, task: Option<&TaskReference>) -> bool {
        let instance = task.and_then(|task| task.instance.as_ref());
        instance.is_some_and(|instance| instance.eq_ignore_ascii_case(&self.0))
    }
}

impl FromStr for ServiceNowInstance {
    type Err = NoInstance;

    fn from_str(text: &str) -> Result<Self, NoInstance> {
        let text = text.trim();
        let may_stand = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if (1..=LONGEST_INSTANCE).contains(&text.len()) && text.bytes().all(may_stand) {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(NoInstance)
        }
    }
}

impl TryFrom<String> for ServiceNowInstance {
    type Error = NoInstance;

    fn try_from(text: String) -> Result<Self, NoInstance> {
        text.parse()
    }
}

impl From<ServiceNowInstance> for String {
    fn from(ServiceNowInstance(name): ServiceNowInstance) -> Self {
        name
    }
}

/// Which of the tasks is meant that have one number, each in its own instance.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TaskFilter {
    /// That of this ServiceNow instance. Needed where several instances have the number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<ServiceNowInstance>,
}

/// The instances of what was found for one task: a number is unique in its own instance only, and an id is in its clones, too.
#[derive(Debug, Default)]
pub(crate) struct Instances(BTreeSet<String>);

impl Instances {
    /// Notes where the task lies that something belongs to, as far as that is known.
    pub(crate) fn note(&mut self, task: Option<&TaskReference>) {
        let instance = task.and_then(|task| task.instance.as_ref());
        self.0
            .extend(instance.map(|instance| instance.to_ascii_lowercase()));
    }

    /// Refuses to take tasks of several instances for one.
    ///
    /// # Errors
    /// `Invalid`, which names the instances.
    pub(crate) fn check_one(&self, task: &ServiceNowTask) -> Result<(), Error> {
        if self.0.len() < 2 {
            return Ok(());
        }
        let names: Vec<String> = self.0.iter().map(|name| format!("`{name}`")).collect();
        let names = names.join(", ");
        Err(Error::field(
            "instance",
            format!(
                "several instances have a task {task}: expected the one that is meant, of {names}"
            ),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(instance: Option<&str>) -> TaskReference {
        TaskReference {
            instance: instance.map(str::to_owned),
            ..TaskReference::default()
        }
    }

    #[test]
    fn instance_is_a_name_and_has_what_is_known_to_be_there() {
        let dev: ServiceNowInstance = " Dev12345 ".parse().unwrap();
        assert_eq!(serde_json::to_value(&dev).unwrap(), "dev12345");
        assert!(dev.has(Some(&of(Some("DEV12345")))));
        for other in [Some(of(Some("dev1"))), Some(of(None)), None] {
            assert!(!dev.has(other.as_ref()), "{other:?}");
        }
        let long = "a".repeat(LONGEST_INSTANCE + 1);
        for wrong in ["", " ", "a b", "https://dev1.service-now.com", &long] {
            assert_eq!(wrong.parse::<ServiceNowInstance>(), Err(NoInstance));
        }
    }

    #[test]
    fn tasks_of_two_instances_are_not_taken_for_one() {
        let task: ServiceNowTask = "INC0010001".parse().unwrap();
        let mut found = Instances::default();
        for same in [Some("dev1"), None, Some("DEV1")] {
            found.note(Some(&of(same)));
        }
        found.note(None);
        found.check_one(&task).unwrap();
        found.note(Some(&of(Some("prod"))));
        let problems = found.check_one(&task).unwrap_err().fields();
        assert_eq!(problems[0].path, "instance");
        let text = &problems[0].problem;
        assert!(
            text.contains("`dev1`, `prod`") && text.contains("INC0010001"),
            "{text}"
        );
    }

    #[test]
    fn task_is_named_by_number_or_id_in_either_case() {
        let id = "00112233445566778899aabbccddeeff";
        for (text, expected) in [
            ("inc0010001", "INC0010001"),
            ("RITM0010001", "RITM0010001"),
            (&id.to_uppercase(), id),
        ] {
            let task: ServiceNowTask = text.parse().unwrap();
            assert_eq!(task.to_string(), expected);
            let wire = serde_json::to_value(&task).unwrap();
            let read: ServiceNowTask = serde_json::from_value(wire).unwrap();
            assert_eq!(read, task);
        }
        for wrong in ["", "a b", "x^ORactive=true", "../INC0010001"] {
            assert_eq!(wrong.parse::<ServiceNowTask>(), Err(NoTask), "{wrong}");
        }
    }
}
