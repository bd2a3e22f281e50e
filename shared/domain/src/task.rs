//! The kinds of task and what each takes. A field may hold a literal value or piped text.

pub mod servicenow;
pub mod teamviewer;
pub mod value;
pub mod zendesk;

use std::borrow::Cow;
use std::fmt::Debug;

use rules::piped_text::Destination;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::account::Vendor;

/// Whether a task's fields may still hold piped text.
pub trait Stage: Debug + Clone {
    /// A field that in the end holds a `T`.
    type Of<T: Field>: DeserializeOwned + JsonSchema + Debug + Clone;

    /// The value, unless piped text will give it.
    fn known<T: Field>(field: &Self::Of<T>) -> Option<&T>;

    /// Whether this part of a known value is piped text all the same, as in a list.
    fn may_change(text: &str) -> bool;
}

/// What a field's type must be able to do.
pub trait Field: DeserializeOwned + JsonSchema + Debug + Clone {}
impl<T: DeserializeOwned + JsonSchema + Debug + Clone> Field for T {}

/// As written in a workflow: a field is a literal or piped text.
#[derive(Debug, Clone)]
pub struct Draft;

/// After piped text has been filled in: every field is a literal, and a text that looks like piped text
/// is just that text.
#[derive(Debug, Clone)]
pub struct Rendered;

impl Stage for Draft {
    type Of<T: Field> = Piped<T>;

    fn known<T: Field>(field: &Piped<T>) -> Option<&T> {
        match field {
            Piped::Literal(value) => Some(value),
            Piped::Template(_) => None,
        }
    }

    fn may_change(text: &str) -> bool {
        rules::piped_text::is_template(text)
    }
}

impl Stage for Rendered {
    type Of<T: Field> = T;

    fn known<T: Field>(field: &T) -> Option<&T> {
        Some(field)
    }

    fn may_change(_: &str) -> bool {
        false
    }
}

/// A literal, checked at once, or piped text, whose result is checked when the task runs.
#[derive(Debug, Clone)]
pub enum Piped<T> {
    /// Given as it is.
    Literal(T),
    /// To be filled from the event and from earlier tasks.
    Template(String),
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Piped<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        if let Some(text) = value
            .as_str()
            .filter(|text| rules::piped_text::is_template(text))
        {
            return Ok(Self::Template(text.to_owned()));
        }
        T::deserialize(value)
            .map(Self::Literal)
            .map_err(serde::de::Error::custom)
    }
}

impl<T: JsonSchema> JsonSchema for Piped<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Piped_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let literal = generator.subschema_for::<T>();
        json_schema!({
            "anyOf": [
                literal,
                { "type": "string", "pattern": rules::piped_text::PATTERN, "description": "piped text, such as {{ event.data.name }}" }
            ]
        })
    }
}

/// The kinds of task. The text form, `vendor.action`, stands in definitions, messages and rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum TaskKind {
    /// Creates a record in a ServiceNow table.
    #[serde(rename = "servicenow.create_record")]
    ServiceNowCreateRecord,
    /// Updates a record of a ServiceNow table, found by its number or id.
    #[serde(rename = "servicenow.update_record")]
    ServiceNowUpdateRecord,
    /// Creates a Zendesk ticket.
    #[serde(rename = "zendesk.create_ticket")]
    ZendeskCreateTicket,
    /// Updates a Zendesk ticket, found by its id.
    #[serde(rename = "zendesk.update_ticket")]
    ZendeskUpdateTicket,
    /// Creates a Zendesk profile, or adds to the one that it finds.
    #[serde(rename = "zendesk.create_profile")]
    ZendeskCreateProfile,
    /// Updates a Zendesk profile.
    #[serde(rename = "zendesk.update_profile")]
    ZendeskUpdateProfile,
    /// Creates a record of a Zendesk custom object.
    #[serde(rename = "zendesk.create_record")]
    ZendeskCreateRecord,
    /// Updates a record of a Zendesk custom object, found by its id.
    #[serde(rename = "zendesk.update_record")]
    ZendeskUpdateRecord,
    /// Creates a TeamViewer session with a code: a service case.
    #[serde(rename = "teamviewer.create_session")]
    TeamViewerCreateSession,
}

impl TaskKind {
    /// Every kind, in the order of the documentation.
    pub const ALL: [Self; 9] = [
        Self::ServiceNowCreateRecord,
        Self::ServiceNowUpdateRecord,
        Self::ZendeskCreateTicket,
        Self::ZendeskUpdateTicket,
        Self::ZendeskCreateProfile,
        Self::ZendeskUpdateProfile,
        Self::ZendeskCreateRecord,
        Self::ZendeskUpdateRecord,
        Self::TeamViewerCreateSession,
    ];

    /// The text form.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ServiceNowCreateRecord => "servicenow.create_record",
            Self::ServiceNowUpdateRecord => "servicenow.update_record",
            Self::ZendeskCreateTicket => "zendesk.create_ticket",
            Self::ZendeskUpdateTicket => "zendesk.update_ticket",
            Self::ZendeskCreateProfile => "zendesk.create_profile",
            Self::ZendeskUpdateProfile => "zendesk.update_profile",
            Self::ZendeskCreateRecord => "zendesk.create_record",
            Self::ZendeskUpdateRecord => "zendesk.update_record",
            Self::TeamViewerCreateSession => "teamviewer.create_session",
        }
    }

    /// Whose account the task needs.
    pub fn vendor(self) -> Vendor {
        match self {
            Self::ServiceNowCreateRecord | Self::ServiceNowUpdateRecord => Vendor::ServiceNow,
            Self::ZendeskCreateTicket
            | Self::ZendeskUpdateTicket
            | Self::ZendeskCreateProfile
            | Self::ZendeskUpdateProfile
            | Self::ZendeskCreateRecord
            | Self::ZendeskUpdateRecord => Vendor::Zendesk,
            Self::TeamViewerCreateSession => Vendor::TeamViewer,
        }
    }

    /// What the task leaves for later ones, as `tasks.<id>.output.<name>`.
    pub fn outputs(self) -> &'static [&'static str] {
        match self {
            Self::ServiceNowCreateRecord | Self::ServiceNowUpdateRecord => {
                &["table", "sys_id", "number", "link"]
            }
            Self::ZendeskCreateTicket | Self::ZendeskUpdateTicket => {
                &["id", "status", "updated_at", "link"]
            }
            Self::ZendeskCreateProfile | Self::ZendeskUpdateProfile => {
                &["id", "user_id", "name", "link"]
            }
            Self::ZendeskCreateRecord | Self::ZendeskUpdateRecord => &["id", "object_type", "name"],
            Self::TeamViewerCreateSession => &["code", "customer_link", "valid_until"],
        }
    }

    /// What the field at this path below the input is, so that what is filled into it is escaped for it.
    pub fn destination(self, path: &str) -> Destination {
        match self {
            Self::ZendeskCreateTicket | Self::ZendeskUpdateTicket if path == "html_comment" => {
                Destination::Html
            }
            Self::ServiceNowCreateRecord
            | Self::ServiceNowUpdateRecord
            | Self::ZendeskCreateTicket
            | Self::ZendeskUpdateTicket
            | Self::ZendeskCreateProfile
            | Self::ZendeskUpdateProfile
            | Self::ZendeskCreateRecord
            | Self::ZendeskUpdateRecord
            | Self::TeamViewerCreateSession => Destination::Plain,
        }
    }

    /// Checks an input as it is written in a workflow.
    ///
    /// # Errors
    /// The path of the wrong field below the input (empty for the input itself), and what is wrong.
    pub fn check_input(self, input: &Value) -> Result<(), InputError> {
        match self {
            Self::ServiceNowCreateRecord => read::<servicenow::CreateRecord<Draft>>(input)?.check(),
            Self::ServiceNowUpdateRecord => read::<servicenow::UpdateRecord<Draft>>(input)?.check(),
            Self::ZendeskCreateTicket => read::<zendesk::CreateTicket<Draft>>(input)?.check(),
            Self::ZendeskUpdateTicket => read::<zendesk::UpdateTicket<Draft>>(input)?.check(),
            Self::ZendeskCreateProfile | Self::ZendeskUpdateProfile => {
                read::<zendesk::Profile<Draft>>(input)?.check()
            }
            Self::ZendeskCreateRecord => read::<zendesk::CreateRecord<Draft>>(input)?.check(),
            Self::ZendeskUpdateRecord => read::<zendesk::UpdateRecord<Draft>>(input)?.check(),
            Self::TeamViewerCreateSession => {
                read::<teamviewer::CreateSession<Draft>>(input)?.check()
            }
        }
    }

    /// The JSON Schema of the input.
    pub fn input_schema(self, generator: &mut SchemaGenerator) -> Schema {
        match self {
            Self::ServiceNowCreateRecord => {
                generator.subschema_for::<servicenow::CreateRecord<Draft>>()
            }
            Self::ServiceNowUpdateRecord => {
                generator.subschema_for::<servicenow::UpdateRecord<Draft>>()
            }
            Self::ZendeskCreateTicket => generator.subschema_for::<zendesk::CreateTicket<Draft>>(),
            Self::ZendeskUpdateTicket => generator.subschema_for::<zendesk::UpdateTicket<Draft>>(),
            Self::ZendeskCreateProfile | Self::ZendeskUpdateProfile => {
                generator.subschema_for::<zendesk::Profile<Draft>>()
            }
            Self::ZendeskCreateRecord => generator.subschema_for::<zendesk::CreateRecord<Draft>>(),
            Self::ZendeskUpdateRecord => generator.subschema_for::<zendesk::UpdateRecord<Draft>>(),
            Self::TeamViewerCreateSession => {
                generator.subschema_for::<teamviewer::CreateSession<Draft>>()
            }
        }
    }
}

impl std::fmt::Display for TaskKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A field of a task's input that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {problem}", if path.is_empty() { "input" } else { path })]
pub struct InputError {
    /// The field's path below the input, such as `fields.u_score`; empty for the input itself.
    pub path: String,
    /// What was found and what was expected.
    pub problem: String,
}

/// Reads a task's input as one of the input types.
///
/// # Errors
/// The first field that cannot be used. Give up: the same input fails again.
pub fn read<T: DeserializeOwned>(input: &Value) -> Result<T, InputError> {
    serde_path_to_error::deserialize(input).map_err(|error| {
        let path = error.path().to_string();
        InputError {
            path: if path == "." { String::new() } else { path },
            problem: error.into_inner().to_string(),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn problem(kind: TaskKind, input: &Value) -> String {
        kind.check_input(input).unwrap_err().to_string()
    }

    #[test]
    fn text_form_is_the_serialised_form() {
        for kind in TaskKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), json!(kind.as_str()));
            assert!(kind.as_str().starts_with(kind.vendor().as_str()));
        }
    }

    #[test]
    fn literal_and_piped_fields_are_accepted() {
        TaskKind::ServiceNowCreateRecord
            .check_input(&json!({
                "table": "incident", "urgency": "{{ event.data.u }}", "impact": "High",
                "fields": {"u_score": "{{ event.data.score }}", "category": "inquiry"}
            }))
            .unwrap();
        TaskKind::ZendeskCreateTicket
            .check_input(&json!({
                "comment": "{{ event.data.text }}", "public": false, "tags": "\"Salesforce\", \"360\"",
                "priority": "Urgent", "custom_fields": {"360001": "{{ event.data.plan }}"}
            }))
            .unwrap();
    }

    #[test]
    fn wrong_literal_names_field_value_and_rule() {
        let kind = TaskKind::ServiceNowCreateRecord;
        let text = problem(kind, &json!({"table": "incident", "urgency": "hgh"}));
        assert!(
            text.contains("urgency") && text.contains("hgh") && text.contains("low, medium, high"),
            "{text}"
        );
        let text = problem(kind, &json!({"table": "Incident!"}));
        assert!(
            text.contains("table") && text.contains("Incident!"),
            "{text}"
        );
        let text = problem(kind, &json!({"table": "incident", "shortdescription": "x"}));
        assert!(text.contains("unknown field `shortdescription`"), "{text}");
        let text = problem(
            kind,
            &json!({"table": "incident", "fields": {"U Score": "1"}}),
        );
        assert!(text.contains("U Score"), "{text}");
        assert!(problem(TaskKind::ZendeskCreateTicket, &json!({})).contains("comment is empty"));
        assert!(
            problem(TaskKind::ZendeskUpdateTicket, &json!({"ticket_id": "abc"})).contains("abc")
        );
    }

    #[test]
    fn rendered_text_is_never_taken_for_piped_text() {
        let input = json!({"table": "incident", "urgency": "{{ 1 }}"});
        assert!(read::<servicenow::CreateRecord<Rendered>>(&input).is_err());
        let input = json!({"table": "incident", "short_description": "{{ 1 }}"});
        let record: servicenow::CreateRecord<Rendered> = read(&input).unwrap();
        assert_eq!(record.short_description.unwrap().to_string(), "{{ 1 }}");
    }
}
