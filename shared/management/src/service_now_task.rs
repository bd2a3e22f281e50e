use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use domain::TaskReference;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

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

#[cfg(test)]
mod tests {
    use super::*;

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
