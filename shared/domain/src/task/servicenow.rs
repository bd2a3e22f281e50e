//! What the ServiceNow tasks take.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::Stage;
use super::value::{FieldValue, Level, RecordState, Text};

/// Input of `servicenow.create_record`: a table and what is set in the new record.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(bound = "S: Stage", deny_unknown_fields)]
#[schemars(bound = "S: Stage")]
pub struct CreateRecord<S: Stage> {
    /// The table, such as `incident`, `problem`, `change_request` or one of your own.
    pub table: S::Of<TableName>,
    /// The `sys_id` of the group that gets the record.
    pub assignment_group: Option<S::Of<Text>>,
    /// The `sys_id` of the person who gets the record.
    pub assigned_to: Option<S::Of<Text>>,
    /// How soon it must be dealt with: low, medium or high.
    pub urgency: Option<S::Of<Level>>,
    /// How much it affects: low, medium or high.
    pub impact: Option<S::Of<Level>>,
    /// `in_progress`, `on_hold`, `resolved`, `closed`, `canceled`, or the table's own number.
    pub state: Option<S::Of<RecordState>>,
    /// A comment that the customer sees; appended.
    pub comment: Option<S::Of<Text>>,
    /// A note that only agents see; appended.
    pub work_note: Option<S::Of<Text>>,
    /// The long description.
    pub description: Option<S::Of<Text>>,
    /// The title; most tables keep 160 characters of it.
    pub short_description: Option<S::Of<Text>>,
    /// Any other column of the table, by its name.
    #[serde(default)]
    pub fields: BTreeMap<ColumnName, S::Of<FieldValue>>,
}

/// Input of `servicenow.update_record`: the record's number beside what `servicenow.create_record` takes.
/// A blank value leaves the field as it is.
#[derive(Debug, Clone)]
pub struct UpdateRecord<S: Stage> {
    /// The record's number, such as `INC0010001`.
    pub number: S::Of<Text>,
    /// The table, and what is changed.
    pub change: CreateRecord<S>,
}

const NUMBER: &str = "number";

/// Written by hand because serde cannot both flatten a struct and refuse unknown fields.
impl<'de, S: Stage> Deserialize<'de> for UpdateRecord<S> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut fields = Map::<String, Value>::deserialize(deserializer)?;
        let number = fields
            .remove(NUMBER)
            .ok_or_else(|| D::Error::missing_field(NUMBER))?;
        let number = S::Of::<Text>::deserialize(number)
            .map_err(|error| D::Error::custom(format_args!("{NUMBER}: {error}")))?;
        let change = super::read(&Value::Object(fields)).map_err(D::Error::custom)?;
        Ok(Self { number, change })
    }
}

impl<S: Stage> JsonSchema for UpdateRecord<S> {
    fn schema_name() -> Cow<'static, str> {
        "UpdateRecord".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let number = generator.subschema_for::<S::Of<Text>>();
        let mut schema = CreateRecord::<S>::json_schema(generator);
        if let Some(properties) = schema
            .ensure_object()
            .get_mut("properties")
            .and_then(Value::as_object_mut)
        {
            properties.insert(NUMBER.to_owned(), number.to_value());
        }
        if let Some(required) = schema
            .ensure_object()
            .get_mut("required")
            .and_then(Value::as_array_mut)
        {
            required.push(NUMBER.into());
        }
        schema
    }
}

macro_rules! column_like {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The name.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = String;

            fn try_from(text: String) -> Result<Self, String> {
                let mut bytes = text.bytes();
                let valid = bytes.next().is_some_and(|first| first.is_ascii_lowercase())
                    && text.len() <= 80
                    && bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
                if valid {
                    return Ok(Self(text));
                }
                Err(format!(
                    concat!("found `{}`, expected ", $what, ": lower-case letters, digits and underscores, beginning with a letter"),
                    text.chars().take(80).collect::<String>()
                ))
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "pattern": "^[a-z][a-z0-9_]{0,79}$" })
            }
        }
    };
}

column_like!(
    /// A table's name, as the API has it (labels on the screen may be translated).
    TableName, "a table's name such as incident"
);
column_like!(
    /// A column's name, as the API has it.
    ColumnName, "a column's name such as u_score"
);
