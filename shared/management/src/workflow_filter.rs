use std::fmt;

use domain::Workflow;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which workflows to list. A workflow is listed when everything that is asked for holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkflowFilter {
    /// Those with this owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Those with this label, such as `team=support`. Given several times: those that have all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub label: Vec<Label>,
    /// Those that are on, or those that are off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
}

impl WorkflowFilter {
    pub(crate) fn takes(&self, workflow: &Workflow) -> bool {
        let has = |label: &Label| workflow.labels.get(&label.key) == Some(&label.value);
        self.owner
            .as_ref()
            .is_none_or(|owner| workflow.owner.as_ref() == Some(owner))
            && self.label.iter().all(has)
            && self
                .enabled
                .is_none_or(|enabled| workflow.enabled == enabled)
    }
}

/// A label of a workflow, written `key=value`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", extend("pattern" = "^[A-Za-z0-9._-]{1,63}="))]
pub struct Label {
    key: String,
    value: String,
}

/// A text that is no label.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("found `{0}`, expected a label such as team=support")]
pub struct InvalidLabel(String);

impl std::str::FromStr for Label {
    type Err = InvalidLabel;

    fn from_str(text: &str) -> Result<Self, InvalidLabel> {
        let may_stand = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        match text.split_once('=') {
            Some((key, value)) if (1..=63).contains(&key.len()) && key.bytes().all(may_stand) => {
                Ok(Self {
                    key: key.to_owned(),
                    value: value.to_owned(),
                })
            }
            Some(_) | None => Err(InvalidLabel(text.chars().take(80).collect())),
        }
    }
}

impl TryFrom<String> for Label {
    type Error = InvalidLabel;

    fn try_from(text: String) -> Result<Self, InvalidLabel> {
        text.parse()
    }
}

impl From<Label> for String {
    fn from(label: Label) -> Self {
        label.to_string()
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.key, self.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn workflow_is_taken_when_everything_asked_for_holds() {
        let workflow: Workflow = serde_json::from_value(json!({
            "id": "w", "name": "W", "owner": "Care", "labels": {"team": "support", "tier": "a=b"}, "enabled": false,
            "trigger": {"event": {"type": "a"}}, "tasks": []
        }))
        .unwrap();
        for (filter, taken) in [
            (json!({}), true),
            (json!({"owner": "Care"}), true),
            (json!({"owner": "care"}), false),
            (json!({"label": ["team=support"]}), true),
            (json!({"label": ["team=support", "tier=a=b"]}), true),
            (json!({"label": ["team=support", "tier=c"]}), false),
            (json!({"label": ["region=eu"]}), false),
            (json!({"enabled": false}), true),
            (json!({"enabled": true}), false),
            (json!({"owner": "Care", "enabled": true}), false),
        ] {
            let read: WorkflowFilter = serde_json::from_value(filter.clone()).unwrap();
            assert_eq!(read.takes(&workflow), taken, "{filter}");
            assert_eq!(json!(read), filter);
        }
    }

    #[test]
    fn label_has_a_key_and_a_value() {
        for text in ["team=support", "team=", "a.b-c_d=e=f"] {
            assert_eq!(text.parse::<Label>().unwrap().to_string(), text);
        }
        for text in ["team", "=support", "te am=x", ""] {
            let error = text.parse::<Label>().unwrap_err().to_string();
            assert!(error.contains("team=support"), "{error}");
        }
    }
}
