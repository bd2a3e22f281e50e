//! What the ServiceNow tasks take.

pub mod state;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value, json};

use self::state::{Companion, Given};
use super::value::{FieldValue, Level, RecordState, Text};
use super::{InputError, Stage};

/// Input of `servicenow.create_record`: a table and what is set in the new record.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(bound = "S: Stage", deny_unknown_fields)]
#[schemars(bound = "S: Stage")]
pub struct CreateRecord<S: Stage> {
    /// The table, such as `incident`, `problem`, `change_request` or one of your own.
    pub table: S::Of<TableName>,
    /// The group that gets the record: its `sys_id`, or `{name: Service Desk}` to look for it.
    pub assignment_group: Option<Reference<S, GroupKey>>,
    /// The person who gets the record: the `sys_id`, or `{email: …}`, `{name: …}` or `{user_name: …}` to
    /// look for the one active user who has it.
    pub assigned_to: Option<Reference<S, PersonKey>>,
    /// How soon it must be dealt with: low, medium, high, or the table's own number.
    pub urgency: Option<S::Of<Level>>,
    /// How much it affects: low, medium, high, or the table's own number.
    pub impact: Option<S::Of<Level>>,
    /// `in_progress`, `on_hold`, `resolved`, `closed`, `canceled`, or the table's own number. What else the
    /// state needs goes into `fields`, such as `close_code` and `close_notes`.
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

impl<S: Stage> CreateRecord<S> {
    /// Checks what holds between fields: that the table has the state, and that what the state needs is
    /// given. Piped text counts as given, and a table or state that it will fill is not checked.
    ///
    /// # Errors
    /// The field that is wrong or missing. Give up: the same input fails again.
    pub fn check(&self) -> Result<(), InputError> {
        let state = self.state.as_ref().and_then(|state| S::known(state));
        let (Some(table), Some(state)) = (S::known(&self.table), state) else {
            return Ok(());
        };
        let (table, state) = (table.as_str(), *state);
        let Some(word) = state::word(state) else {
            return Ok(());
        };
        if !state::exists(table, state) {
            let words = state::words(table);
            let expected = if words.is_empty() {
                "the table's own number".to_owned()
            } else {
                format!("{words} or the table's own number")
            };
            return Err(InputError {
                path: STATE.to_owned(),
                problem: format!(
                    "found `{word}`, which the table `{table}` does not have, expected {expected}"
                ),
            });
        }
        match state::missing(table, state, |column| self.given(column)) {
            None => Ok(()),
            Some(Companion { column, hint }) => Err(InputError {
                path: STATE.to_owned(),
                problem: format!(
                    "the state `{word}` of the table `{table}` needs the column `{column}`: add it to `fields` ({hint}), or give the state as the table's own number, which is sent without this check"
                ),
            }),
        }
    }

    fn given(&self, column: &str) -> Given {
        let text = match column {
            "comments" => self.comment.as_ref(),
            _ => None,
        };
        match text.map(|text| S::known(text)) {
            Some(None) => return Given::Something,
            Some(Some(text)) if !text.is_blank() => {
                return Given::Value(text.as_str().trim().to_owned());
            }
            Some(Some(_)) | None => {}
        }
        let value = self
            .fields
            .iter()
            .find(|(name, _)| name.as_str() == column)
            .map(|(_, value)| S::known(value));
        match value {
            None => Given::Nothing,
            Some(None) => Given::Something,
            Some(Some(value)) => match value.as_json() {
                Value::Null => Given::Nothing,
                Value::String(text) if text.trim().is_empty() => Given::Nothing,
                Value::String(text) => Given::Value(text.trim().to_owned()),
                Value::Array(items) if items.is_empty() => Given::Nothing,
                Value::Array(_) => Given::Something,
                other @ (Value::Bool(_) | Value::Number(_) | Value::Object(_)) => {
                    Given::Value(other.to_string())
                }
            },
        }
    }

    /// Whether there is nothing but a table.
    fn is_empty(&self) -> bool {
        let Self {
            table: _,
            assignment_group,
            assigned_to,
            urgency,
            impact,
            state,
            comment,
            work_note,
            description,
            short_description,
            fields,
        } = self;
        assignment_group.is_none()
            && assigned_to.is_none()
            && urgency.is_none()
            && impact.is_none()
            && state.is_none()
            && comment.is_none()
            && work_note.is_none()
            && description.is_none()
            && short_description.is_none()
            && fields.is_empty()
    }
}

/// Input of `servicenow.update_record`: which record, beside what `servicenow.create_record` takes.
/// A blank value leaves the field as it is.
#[derive(Debug, Clone)]
pub struct UpdateRecord<S: Stage> {
    /// Which record.
    pub record: RecordKey<S>,
    /// The table, and what is changed.
    pub change: CreateRecord<S>,
}

/// What a record to update is found by.
#[derive(Debug, Clone)]
pub enum RecordKey<S: Stage> {
    /// Its number, such as `INC0010001`.
    Number(S::Of<RecordNumber>),
    /// Its id within the instance.
    SysId(S::Of<SysId>),
}

const STATE: &str = "state";
const NUMBER: &str = "number";
const SYS_ID: &str = "sys_id";

impl<S: Stage> UpdateRecord<S> {
    /// Checks what [`CreateRecord::check`] does, and that there is something to change.
    ///
    /// # Errors
    /// The field that is wrong or missing. Give up: the same input fails again.
    pub fn check(&self) -> Result<(), InputError> {
        if self.change.is_empty() {
            return Err(InputError {
                path: String::new(),
                problem: "there is nothing to change, expected a field beside the record and its table, such as `state` or `comment`".to_owned(),
            });
        }
        self.change.check()
    }
}

/// Written by hand because serde cannot both flatten a struct and refuse unknown fields.
impl<'de, S: Stage> Deserialize<'de> for UpdateRecord<S> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut fields = Map::<String, Value>::deserialize(deserializer)?;
        let mut key = |name| fields.remove(name).filter(|value| !value.is_null());
        let named = |name: &str, error: &dyn fmt::Display| {
            D::Error::custom(format_args!("{name}: {error}"))
        };
        let record = match (key(NUMBER), key(SYS_ID)) {
            (Some(number), None) => RecordKey::Number(
                S::Of::<RecordNumber>::deserialize(number)
                    .map_err(|error| named(NUMBER, &error))?,
            ),
            (None, Some(sys_id)) => RecordKey::SysId(
                S::Of::<SysId>::deserialize(sys_id).map_err(|error| named(SYS_ID, &error))?,
            ),
            (Some(_), Some(_)) => {
                return Err(D::Error::custom(
                    "found both `number` and `sys_id`, expected one of them: each names the record",
                ));
            }
            (None, None) => {
                return Err(D::Error::custom(
                    "found neither `number` nor `sys_id`, expected one of them to name the record",
                ));
            }
        };
        let change = super::read(&Value::Object(fields)).map_err(D::Error::custom)?;
        Ok(Self { record, change })
    }
}

impl<S: Stage> JsonSchema for UpdateRecord<S> {
    fn schema_name() -> Cow<'static, str> {
        "UpdateRecord".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let number = generator.subschema_for::<S::Of<RecordNumber>>();
        let sys_id = generator.subschema_for::<S::Of<SysId>>();
        let mut schema = CreateRecord::<S>::json_schema(generator);
        if let Some(properties) = schema
            .ensure_object()
            .get_mut("properties")
            .and_then(Value::as_object_mut)
        {
            for (name, key, description) in [
                (NUMBER, number, "The record's number, such as INC0010001."),
                (
                    SYS_ID,
                    sys_id,
                    "The record's sys_id, in place of its number.",
                ),
            ] {
                let mut key = key.to_value();
                if let Some(key) = key.as_object_mut() {
                    key.insert("description".to_owned(), description.into());
                }
                properties.insert(name.to_owned(), key);
            }
        }
        schema.insert(
            "oneOf".to_owned(),
            json!([{ "required": [NUMBER] }, { "required": [SYS_ID] }]),
        );
        schema
    }
}

/// Who or what a record points to: its `sys_id`, or what it is to be looked up by.
#[derive(Debug, Clone)]
pub enum Reference<S: Stage, K: LookupKey> {
    /// The plain form.
    Id(S::Of<SysId>),
    /// The form with a key, such as `{email: jane@example.com}`.
    By(K, S::Of<LookupText>),
}

/// What something can be looked up by.
pub trait LookupKey: fmt::Debug + Copy + 'static {
    /// What is looked up, for people.
    const WHAT: &'static str;
    /// All keys.
    const ALL: &'static [Self];

    /// The key as it is written in a task.
    fn as_str(self) -> &'static str;
}

/// What a person can be looked up by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PersonKey {
    /// The e-mail address, in any case.
    Email,
    /// The name that is shown, letter for letter.
    Name,
    /// The name to sign in with, letter for letter.
    UserName,
}

/// What a group can be looked up by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupKey {
    /// Its name, letter for letter.
    Name,
}

impl LookupKey for PersonKey {
    const WHAT: &'static str = "person";
    const ALL: &'static [Self] = &[Self::Email, Self::Name, Self::UserName];

    fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Name => "name",
            Self::UserName => "user_name",
        }
    }
}

impl LookupKey for GroupKey {
    const WHAT: &'static str = "group";
    const ALL: &'static [Self] = &[Self::Name];

    fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
        }
    }
}

/// The forms with a key, such as `{email: …}, {name: …} or {user_name: …}`.
fn forms<K: LookupKey>() -> String {
    let forms: Vec<String> = K::ALL
        .iter()
        .map(|key| format!("{{{}: …}}", key.as_str()))
        .collect();
    match forms.split_last() {
        Some((last, others)) if !others.is_empty() => format!("{} or {last}", others.join(", ")),
        Some(_) | None => forms.concat(),
    }
}

impl<'de, S: Stage, K: LookupKey> Deserialize<'de> for Reference<S, K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let Value::Object(form) = value else {
            return S::Of::<SysId>::deserialize(value)
                .map(Self::Id)
                .map_err(|error| {
                    D::Error::custom(format_args!(
                        "{error}; to look for the {} give {}",
                        K::WHAT,
                        forms::<K>()
                    ))
                });
        };
        let names: Vec<&str> = form.keys().map(String::as_str).collect();
        let key = match names.as_slice() {
            [name] => K::ALL.iter().copied().find(|key| key.as_str() == *name),
            _ => None,
        };
        let (Some(key), Some(text)) = (key, form.values().next()) else {
            return Err(D::Error::custom(format_args!(
                "found {}, expected a sys_id, or one of {}",
                if names.is_empty() {
                    "an object without a key".to_owned()
                } else {
                    format!("an object with `{}`", excerpt(&names.join("`, `")))
                },
                forms::<K>()
            )));
        };
        S::Of::<LookupText>::deserialize(text)
            .map(|text| Self::By(key, text))
            .map_err(|error| D::Error::custom(format_args!("{}: {error}", key.as_str())))
    }
}

impl<S: Stage, K: LookupKey> JsonSchema for Reference<S, K> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Reference_{}", K::WHAT).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut forms = vec![generator.subschema_for::<S::Of<SysId>>().to_value()];
        let text = generator.subschema_for::<S::Of<LookupText>>().to_value();
        forms.extend(K::ALL.iter().map(|key| {
            json!({
                "type": "object", "properties": { key.as_str(): text }, "required": [key.as_str()],
                "additionalProperties": false
            })
        }));
        json_schema!({ "anyOf": forms })
    }
}

macro_rules! key_text {
    ($(#[$doc:meta])* $name:ident, $expected:literal, $schema:tt, $parse:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(try_from = "Value", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The text, without white space around it.
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
            fn from(text: $name) -> Self {
                text.0
            }
        }

        impl TryFrom<Value> for $name {
            type Error = String;

            fn try_from(value: Value) -> Result<Self, String> {
                let text = Text::try_from(value)?;
                let parse: fn(&str) -> Option<String> = $parse;
                parse(text.as_str().trim()).map(Self).ok_or_else(|| {
                    format!(concat!("found `{}`, expected ", $expected), excerpt(text.as_str()))
                })
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    };
}

key_text!(
    /// A record's id within its instance, in lower case.
    SysId,
    "a sys_id of 32 hexadecimal digits",
    { "type": "string", "pattern": "^\\s*[0-9A-Fa-f]{32}\\s*$" },
    |text| {
        let valid = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        valid.then(|| text.to_ascii_lowercase())
    }
);
key_text!(
    /// A record's number as people see it.
    RecordNumber,
    "a record's number such as INC0010001: 1 to 100 characters without `^` and line ends, not beginning with `javascript:`",
    { "type": ["string", "integer"] },
    |text| searchable(text, 100)
);
key_text!(
    /// A text that something is looked up by. It cannot change the meaning of the query that it becomes a part of.
    LookupText,
    "1 to 200 characters without `^` and line ends, not beginning with `javascript:`: they would change what is looked for",
    { "type": "string", "minLength": 1 },
    |text| searchable(text, 200)
);

/// The text, unless it would become more than a value in a query.
fn searchable(text: &str, longest: usize) -> Option<String> {
    const SCRIPT: &str = "javascript:";
    let fits = (1..=longest).contains(&text.chars().count());
    let script = text
        .get(..SCRIPT.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(SCRIPT));
    let strange = text.contains(|c: char| c == '^' || c.is_control());
    (fits && !script && !strange).then(|| text.to_owned())
}

fn excerpt(text: &str) -> String {
    text.chars()
        .take(80)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

macro_rules! column_like {
    ($(#[$doc:meta])* $name:ident, $what:literal, $refused:expr) => {
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
                let refused: Option<(&str, &str)> = $refused;
                if let Some((prefix, why)) = refused
                    && text.starts_with(prefix)
                {
                    return Err(format!("found `{}`, {why}", excerpt(&text)));
                }
                if valid {
                    return Ok(Self(text));
                }
                Err(format!(
                    concat!("found `{}`, expected ", $what, ": lower-case letters, digits and underscores, beginning with a letter"),
                    excerpt(&text)
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
    TableName, "a table's name such as incident", None
);
column_like!(
    /// A column's name, as the API has it.
    ColumnName, "a column's name such as u_score",
    Some(("sys_", "which ServiceNow maintains itself and does not write"))
);

#[cfg(test)]
mod tests {
    use super::super::{Rendered, TaskKind, read};
    use super::*;

    const ID: &str = "6816F79CC0A8016401C5A33BE04BE441";

    fn problem(kind: TaskKind, input: &Value) -> Option<String> {
        kind.check_input(input).err().map(|error| error.to_string())
    }

    /// Checks an incident with this and nothing else; all parts must be in the problem.
    fn check(fields: &Value, expected: &[&str]) {
        let mut input = json!({"table": "incident"});
        let input_fields = input.as_object_mut().unwrap();
        input_fields.extend(fields.as_object().unwrap().clone());
        match problem(TaskKind::ServiceNowCreateRecord, &input) {
            None => assert_eq!(expected, [""; 0], "{fields}"),
            Some(text) => {
                assert!(!expected.is_empty(), "{fields}: {text}");
                for part in expected {
                    assert!(text.contains(part), "{fields}: {text}");
                }
            }
        }
    }

    #[test]
    fn people_and_groups_are_ids_or_what_to_look_for() {
        for fields in [
            json!({"assigned_to": ID}),
            json!({"assigned_to": format!(" {ID}\n")}),
            json!({"assigned_to": null}),
            json!({"assigned_to": "{{ event.data.person }}"}),
            json!({"assigned_to": {"email": "jane@example.com"}}),
            json!({"assigned_to": {"email": "{{ event.data.email }}"}}),
            json!({"assigned_to": {"name": "David Loo"}}),
            json!({"assigned_to": {"user_name": "david.loo"}}),
            json!({"assignment_group": ID}),
            json!({"assignment_group": {"name": "Service Desk"}}),
        ] {
            check(&fields, &[]);
        }
        for (fields, expected) in [
            (
                json!({"assigned_to": "David Loo"}),
                &[
                    "assigned_to",
                    "`David Loo`",
                    "32 hexadecimal",
                    "{email: …}, {name: …} or {user_name: …}",
                ][..],
            ),
            (
                json!({"assigned_to": &ID[1..]}),
                &["assigned_to", "32 hexadecimal"],
            ),
            (
                json!({"assigned_to": ["a"]}),
                &["assigned_to", "found a list", "{email: …}"],
            ),
            (
                json!({"assigned_to": {}}),
                &["assigned_to", "without a key"],
            ),
            (
                json!({"assigned_to": {"email": "a@b", "name": "a"}}),
                &["assigned_to", "`email`, `name`", "one of"],
            ),
            (
                json!({"assigned_to": {"phone": "1"}}),
                &["assigned_to", "`phone`", "{email: …}"],
            ),
            (
                json!({"assigned_to": {"email": "a@b^ORactive=true"}}),
                &["assigned_to", "email", "`a@b^ORactive=true`", "without `^`"],
            ),
            (
                json!({"assigned_to": {"name": "JavaScript:gs.getUserID()"}}),
                &["assigned_to", "name", "`javascript:`"],
            ),
            (
                json!({"assignment_group": {"email": "a@b"}}),
                &["assignment_group", "`email`", "{name: …}"],
            ),
            (
                json!({"assignment_group": "Service Desk"}),
                &["assignment_group", "`Service Desk`", "group give {name: …}"],
            ),
        ] {
            check(&fields, expected);
        }
    }

    #[test]
    fn rendered_reference_is_read_like_a_literal() {
        let input = json!({
            "table": "incident", "assigned_to": {"email": " jane@example.com "}, "assignment_group": ID,
        });
        let record: CreateRecord<Rendered> = read(&input).unwrap();
        assert!(
            matches!(record.assigned_to, Some(Reference::By(PersonKey::Email, text)) if text.as_str() == "jane@example.com")
        );
        assert!(
            matches!(record.assignment_group, Some(Reference::Id(id)) if id.as_str() == ID.to_ascii_lowercase())
        );
        let template = json!({"table": "incident", "assigned_to": "{{ 1 }}"});
        assert!(read::<CreateRecord<Rendered>>(&template).is_err());
    }

    #[test]
    fn what_a_state_needs_is_demanded_of_the_definition() {
        for (fields, expected) in [
            (
                json!({"state": "on hold"}),
                &["state: ", "`on_hold`", "`hold_reason`"][..],
            ),
            (
                json!({"state": "on hold", "fields": {"hold_reason": 4}}),
                &[],
            ),
            (
                json!({"state": "on hold", "fields": {"hold_reason": "{{ event.data.why }}"}}),
                &[],
            ),
            (
                json!({"state": "on hold", "fields": {"hold_reason": 1}}),
                &["`comments`"],
            ),
            (
                json!({"state": "on hold", "comment": " ", "fields": {"hold_reason": 1}}),
                &["`comments`"],
            ),
            (
                json!({"state": "on hold", "comment": "When?", "fields": {"hold_reason": 1}}),
                &[],
            ),
            (
                json!({"state": "on hold", "comment": "{{ run.id }}", "fields": {"hold_reason": "1"}}),
                &[],
            ),
            (
                json!({"state": "on hold", "fields": {"hold_reason": "1", "comments": "When?"}}),
                &[],
            ),
            (
                json!({"state": "Resolved"}),
                &["`resolved`", "`incident`", "`close_code`", "`fields`"],
            ),
            (
                json!({"state": "Resolved", "fields": {"close_code": "", "close_notes": "x"}}),
                &["`close_code`"],
            ),
            (
                json!({"state": "Resolved", "fields": {"close_code": null, "close_notes": "x"}}),
                &["`close_code`"],
            ),
            (
                json!({"state": "Closed", "fields": {"close_code": "Solution provided"}}),
                &["`close_notes`"],
            ),
            (
                json!({"state": "Closed", "fields": {"close_code": "Solution provided", "close_notes": "{{ run.id }}"}}),
                &[],
            ),
            (json!({"state": 6}), &[]),
            (json!({"state": "{{ event.data.state }}"}), &[]),
            (
                json!({"table": "{{ event.data.table }}", "state": "closed"}),
                &[],
            ),
            (
                json!({"table": "problem", "state": "on_hold"}),
                &[
                    "state: ",
                    "`on_hold`",
                    "`problem`",
                    "in_progress, resolved, closed, canceled or",
                ],
            ),
            (
                json!({"table": "problem_task", "state": "closed"}),
                &["expected the table's own number"],
            ),
            (
                json!({"table": "change_request", "state": "on hold"}),
                &["`on_hold_reason`"],
            ),
            (json!({"table": "u_visit", "state": "closed"}), &[]),
        ] {
            check(&fields, expected);
        }
        let text = problem(
            TaskKind::ServiceNowUpdateRecord,
            &json!({"table": "incident", "number": "INC1", "state": "closed"}),
        );
        assert!(text.unwrap().contains("`close_code`"));
    }

    #[test]
    fn record_to_update_is_named_once() {
        for (key, expected) in [
            (json!({"number": "INC0010001"}), None),
            (json!({"number": 4711}), None),
            (json!({"number": "{{ tasks.a.output.number }}"}), None),
            (json!({"sys_id": ID}), None),
            (
                json!({"sys_id": "{{ tasks.a.output.sys_id }}", "number": null}),
                None,
            ),
            (json!({}), Some("neither `number` nor `sys_id`")),
            (
                json!({"number": null}),
                Some("neither `number` nor `sys_id`"),
            ),
            (
                json!({"number": "INC1", "sys_id": ID}),
                Some("both `number` and `sys_id`"),
            ),
            (
                json!({"sys_id": "INC0010001"}),
                Some("sys_id: found `INC0010001`, expected a sys_id of 32"),
            ),
            (
                json!({"number": ""}),
                Some("number: found ``, expected a record's number"),
            ),
            (json!({"number": "INC1^ORactive=true"}), Some("without `^`")),
        ] {
            let mut input = key.clone();
            input["table"] = json!("incident");
            input["comment"] = json!("x");
            let found = problem(TaskKind::ServiceNowUpdateRecord, &input);
            match expected {
                None => assert_eq!(found, None, "{key}"),
                Some(expected) => {
                    let found = found.unwrap();
                    assert!(found.contains(expected), "{key}: {found}");
                }
            }
        }
        let nothing = json!({"table": "incident", "number": "INC1"});
        let found = problem(TaskKind::ServiceNowUpdateRecord, &nothing).unwrap();
        assert!(found.contains("nothing to change"), "{found}");
    }

    #[test]
    fn columns_that_the_instance_sets_itself_are_refused() {
        check(
            &json!({"fields": {"sys_created_by": "x"}}),
            &["fields", "`sys_created_by`", "maintains itself"],
        );
        check(&json!({"fields": {"system": "x"}}), &[]);
    }
}
