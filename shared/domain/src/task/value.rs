//! The types of task fields. Each accepts what a form, a YAML file and a rendered template give: `3` and
//! `"3"` are the same number, `High` and `high` the same level.

use std::borrow::Cow;
use std::fmt;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A text; numbers and booleans are taken as their text, an absent value as no text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "String")]
pub struct Text(String);

impl Text {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether there is nothing but white space.
    pub fn is_blank(&self) -> bool {
        self.0.trim().is_empty()
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Text> for String {
    fn from(text: Text) -> Self {
        text.0
    }
}

impl TryFrom<Value> for Text {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        scalar_text(&value).map(Self).ok_or_else(|| {
            format!(
                "found {}, expected a text; join a list with the filter `join`",
                shape(&value)
            )
        })
    }
}

impl JsonSchema for Text {
    fn schema_name() -> Cow<'static, str> {
        "Text".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "number", "boolean"] })
    }
}

/// How much something matters, as ServiceNow's urgency and impact: `low`, `medium`, `high`, or the table's
/// own number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Value", rename_all = "snake_case")]
pub enum Level {
    /// Little.
    Low,
    /// Some.
    Medium,
    /// Much.
    High,
    /// The number that the table uses.
    Number(i32),
}

impl TryFrom<Value> for Level {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        let word = word(&value).unwrap_or_default();
        if let Ok(number) = word.parse() {
            return Ok(Self::Number(number));
        }
        match word.as_str() {
            "low" => Ok(Self::Low),
            "medium" => Ok(Self::Medium),
            "high" => Ok(Self::High),
            _ => Err(format!(
                "found {}, expected low, medium, high or the table's number",
                quoted(&value)
            )),
        }
    }
}

impl JsonSchema for Level {
    fn schema_name() -> Cow<'static, str> {
        "Level".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        word_or_number(&any_case(&["low", "medium", "high"]))
    }
}

/// Where a ServiceNow record stands, in words that each table numbers differently, or that number itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Value")]
pub enum RecordState {
    /// Somebody works on it.
    InProgress,
    /// Waiting for something.
    OnHold,
    /// Solved, not yet confirmed.
    Resolved,
    /// Over.
    Closed,
    /// Over without having been done.
    Canceled,
    /// The number that the table uses.
    Number(i32),
}

impl TryFrom<Value> for RecordState {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        let word = word(&value).unwrap_or_default();
        if let Ok(number) = word.parse() {
            return Ok(Self::Number(number));
        }
        match word.replace([' ', '-', '_'], "").as_str() {
            "inprogress" => Ok(Self::InProgress),
            "onhold" => Ok(Self::OnHold),
            "resolved" => Ok(Self::Resolved),
            "closed" => Ok(Self::Closed),
            "canceled" | "cancelled" => Ok(Self::Canceled),
            _ => Err(format!(
                "found {}, expected in_progress, on_hold, resolved, closed, canceled or the table's number",
                quoted(&value)
            )),
        }
    }
}

impl JsonSchema for RecordState {
    fn schema_name() -> Cow<'static, str> {
        "RecordState".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        word_or_number(&any_case(&[
            "in_progress",
            "in progress",
            "in-progress",
            "inprogress",
            "on_hold",
            "on hold",
            "on-hold",
            "onhold",
            "resolved",
            "closed",
            "canceled",
            "cancelled",
        ]))
    }
}

/// The schema of words, or the number that a table has for one.
fn word_or_number(words: &Schema) -> Schema {
    json_schema!({ "anyOf": [words, { "type": "string", "pattern": "^-?[0-9]+$" }, { "type": "integer" }] })
}

macro_rules! word_enum {
    ($(#[$doc:meta])* $name:ident, $expected:literal, { $($(#[$variant_doc:meta])* $variant:ident = $first:literal $(| $other:literal)*),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(try_from = "Value")]
        pub enum $name { $($(#[$variant_doc])* #[serde(rename = $first)] $variant),+ }

        impl $name {
            /// The vendor's spelling.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $first),+ }
            }
        }

        impl TryFrom<Value> for $name {
            type Error = String;

            fn try_from(value: Value) -> Result<Self, String> {
                match word(&value).as_deref() {
                    $(Some($first $(| $other)*) => Ok(Self::$variant),)+
                    Some(_) | None => Err(format!("found {}, expected {}", quoted(&value), $expected)),
                }
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                any_case(&[$($first $(, $other)*),+])
            }
        }
    };
}

word_enum!(
    /// A ticket's priority.
    TicketPriority, "low, normal, high or urgent",
    {
        /// Below normal.
        Low = "low",
        /// The usual.
        Normal = "normal",
        /// Above normal.
        High = "high",
        /// Now.
        Urgent = "urgent",
    }
);

word_enum!(
    /// Where a ticket stands.
    TicketStatus, "new, open, pending, hold, solved or closed",
    {
        /// Nobody has looked yet.
        New = "new",
        /// An agent works on it.
        Open = "open",
        /// Waiting for the requester.
        Pending = "pending",
        /// Waiting for somebody else.
        Hold = "hold" | "on-hold" | "on hold" | "on_hold",
        /// Solved, not yet final.
        Solved = "solved",
        /// Final: nothing about the ticket can change any more.
        Closed = "closed",
    }
);

word_enum!(
    /// What kind of matter a ticket is.
    TicketType, "problem, incident, question or task",
    {
        /// The cause of incidents.
        Problem = "problem",
        /// An occurrence of a problem.
        Incident = "incident",
        /// A question.
        Question = "question",
        /// Something to be done, perhaps by a date.
        Task = "task",
    }
);

/// A vendor's numeric id, given as a number or as digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Value")]
pub struct NumericId(u64);

impl NumericId {
    /// The number.
    pub fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for NumericId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl TryFrom<Value> for NumericId {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        word(&value)
            .and_then(|digits| digits.parse().ok())
            .filter(|id| *id > 0)
            .map(Self)
            .ok_or_else(|| {
                format!(
                    "found {}, expected a numeric id such as 35436",
                    quoted(&value)
                )
            })
    }
}

impl JsonSchema for NumericId {
    fn schema_name() -> Cow<'static, str> {
        "NumericId".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [{ "type": "integer", "minimum": 1 }, { "type": "string", "pattern": "^[0-9]+$" }] })
    }
}

/// Yes or no, given as a boolean or as the words `true` and `false`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Value")]
pub struct YesNo(pub bool);

impl TryFrom<Value> for YesNo {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        match word(&value).as_deref() {
            Some("true") => Ok(Self(true)),
            Some("false") => Ok(Self(false)),
            Some(_) | None => Err(format!("found {}, expected true or false", quoted(&value))),
        }
    }
}

impl JsonSchema for YesNo {
    fn schema_name() -> Cow<'static, str> {
        "YesNo".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "enum": [true, false, "true", "false"] })
    }
}

/// Tags: a list, or one text with commas between them and quotes around them where wished, such as
/// `"Salesforce", "360"`. White space inside a tag becomes `_`, since it would split the tag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Value")]
pub struct Tags(Vec<String>);

impl Tags {
    /// The tags, each once, in the order given. A quoted one may hold a comma.
    pub fn as_slice(&self) -> &[String] {
        &self.0
    }
}

impl TryFrom<Value> for Tags {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        let parts: Vec<String> = match &value {
            Value::String(text) => quoted_list(text)?,
            Value::Array(items) => items
                .iter()
                .map(|item| {
                    scalar_text(item).ok_or_else(|| {
                        format!("found {} in the list of tags, expected texts", shape(item))
                    })
                })
                .collect::<Result<_, _>>()?,
            Value::Null => Vec::new(),
            Value::Bool(_) | Value::Number(_) | Value::Object(_) => {
                return Err(format!(
                    "found {}, expected a list of tags or a text with commas",
                    shape(&value)
                ));
            }
        };
        let mut tags: Vec<String> = Vec::new();
        for part in parts {
            let tag = part
                .trim()
                .trim_matches('"')
                .split_whitespace()
                .collect::<Vec<_>>()
                .join("_");
            if !tag.is_empty() && !tags.contains(&tag) {
                tags.push(tag);
            }
        }
        Ok(Self(tags))
    }
}

/// The parts of a text with commas between them. A quote at the beginning of a part keeps the commas up to
/// the next quote.
fn quoted_list(text: &str) -> Result<Vec<String>, String> {
    let mut parts = vec![String::new()];
    let mut inside = false;
    for character in text.chars() {
        let Some(part) = parts.last_mut() else { break };
        match character {
            '"' if inside => inside = false,
            '"' if part.trim().is_empty() => inside = true,
            ',' if !inside => parts.push(String::new()),
            other => part.push(other),
        }
    }
    if inside {
        return Err(format!(
            "found {} with a quote that is never closed, expected a text such as `\"Salesforce\", \"360\"`",
            quoted(&Value::from(text))
        ));
    }
    Ok(parts)
}

impl JsonSchema for Tags {
    fn schema_name() -> Cow<'static, str> {
        "Tags".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [{ "type": "array", "items": { "type": ["string", "number"] } }, { "type": "string" }] })
    }
}

/// An e-mail address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "String")]
pub struct Email(String);

impl Email {
    /// The address as it was given, without white space around it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<Email> for String {
    fn from(email: Email) -> Self {
        email.0
    }
}

impl TryFrom<Value> for Email {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        let text = scalar_text(&value).unwrap_or_default();
        let text = text.trim();
        let strange = |character: char| {
            character.is_whitespace() || character.is_control() || "@,;:<>()\"".contains(character)
        };
        let fits = |part: &str| !part.is_empty() && !part.contains(strange);
        match text.rsplit_once('@') {
            Some((name, host)) if fits(name) && fits(host) && text.len() <= 254 => {
                Ok(Self(text.to_owned()))
            }
            Some(_) | None => Err(format!(
                "found {}, expected an e-mail address such as jane@example.com",
                quoted(&value)
            )),
        }
    }
}

impl JsonSchema for Email {
    fn schema_name() -> Cow<'static, str> {
        "Email".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^\\s*[^@\\s]+@[^@\\s]+\\s*$" })
    }
}

/// A value, or a blank text, which means none: what piped text leaves where the event has nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Value", bound(deserialize = "T: DeserializeOwned"))]
pub struct OrBlank<T>(Option<T>);

impl<T> OrBlank<T> {
    /// The value, if there is one.
    pub fn get(&self) -> Option<&T> {
        self.0.as_ref()
    }
}

impl<T: DeserializeOwned> TryFrom<Value> for OrBlank<T> {
    type Error = serde_json::Error;

    fn try_from(value: Value) -> Result<Self, serde_json::Error> {
        let is_blank = scalar_text(&value).is_some_and(|text| text.trim().is_empty());
        if is_blank {
            return Ok(Self(None));
        }
        T::deserialize(value).map(|value| Self(Some(value)))
    }
}

impl<T: JsonSchema> JsonSchema for OrBlank<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("OrBlank_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let value = generator.subschema_for::<T>();
        json_schema!({
            "anyOf": [value, { "type": "string", "pattern": "^\\s*$", "description": "blank: none" }]
        })
    }
}

/// A moment, to the second, given as `2026-12-01T15:30:00Z` or with an offset. A date alone means its noon
/// in UTC, which is the same day nearly everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Value")]
pub struct Moment(Timestamp);

impl Moment {
    /// The moment.
    pub fn get(self) -> Timestamp {
        self.0
    }
}

/// As ISO 8601 in UTC, without parts of a second.
impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl TryFrom<Value> for Moment {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        let text = scalar_text(&value).unwrap_or_default();
        let text = text.trim();
        let whole_day = text.parse::<Date>().ok().filter(|_| text.len() <= 10);
        let parsed = match whole_day {
            Some(date) => date
                .at(12, 0, 0, 0)
                .to_zoned(TimeZone::UTC)
                .map(|noon| noon.timestamp()),
            None => text.parse::<Timestamp>(),
        };
        parsed
            .and_then(|moment| Timestamp::from_second(moment.as_second()))
            .map(Self)
            .map_err(|_| {
                format!(
                    "found {}, expected a moment such as 2026-12-01T15:30:00Z or a date",
                    quoted(&value)
                )
            })
    }
}

impl JsonSchema for Moment {
    fn schema_name() -> Cow<'static, str> {
        "Moment".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}", "examples": ["2026-12-01T15:30:00Z", "2026-12-01"] })
    }
}

/// The value of a custom field: a text, number, boolean, list of these, or null to clear it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "Value")]
pub struct FieldValue(Value);

impl FieldValue {
    /// The value as JSON.
    pub fn as_json(&self) -> &Value {
        &self.0
    }
}

impl From<FieldValue> for Value {
    fn from(value: FieldValue) -> Self {
        value.0
    }
}

impl TryFrom<Value> for FieldValue {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        match &value {
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(Self(value)),
            Value::Array(items) if items.iter().all(|item| scalar_text(item).is_some()) => {
                Ok(Self(value))
            }
            Value::Array(_) | Value::Object(_) => Err(format!(
                "found {}, expected a text, number, boolean or a list of these",
                shape(&value)
            )),
        }
    }
}

impl JsonSchema for FieldValue {
    fn schema_name() -> Cow<'static, str> {
        "FieldValue".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "number", "boolean", "null", "array"] })
    }
}

/// The schema of a word that may be written in any case. Spelled out letter by letter: the editors' regular
/// expressions know no flag for it.
fn any_case(words: &[&str]) -> Schema {
    let patterns: Vec<String> = words
        .iter()
        .map(|word| {
            let letters = word.chars().map(|letter| {
                if letter.is_ascii_alphabetic() {
                    format!("[{letter}{}]", letter.to_ascii_uppercase())
                } else {
                    letter.to_string()
                }
            });
            letters.collect()
        })
        .collect();
    json_schema!({ "type": "string", "pattern": format!("^({})$", patterns.join("|")), "examples": words })
}

/// The text of a scalar; `None` for lists and objects.
pub(super) fn scalar_text(value: &Value) -> Option<String> {
    match value {
        Value::Null => Some(String::new()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) => Some(text.clone()),
        Value::Array(_) | Value::Object(_) => None,
    }
}

fn word(value: &Value) -> Option<String> {
    scalar_text(value).map(|text| text.trim().to_lowercase())
}

pub(super) fn quoted(value: &Value) -> String {
    match scalar_text(value) {
        Some(text) => format!("`{}`", text.chars().take(80).collect::<String>()),
        None => shape(value).to_owned(),
    }
}

fn shape(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn blank_is_no_value_and_what_is_wrong_stays_so() {
        let read = |value: Value| serde_json::from_value::<OrBlank<Email>>(value);
        for blank in [json!(""), json!(" \n"), json!(null)] {
            assert_eq!(read(blank).unwrap().get(), None);
        }
        let email = read(json!(" ann@example.com ")).unwrap();
        assert_eq!(email.get().map(Email::as_str), Some("ann@example.com"));
        for wrong in [json!("nobody"), json!([]), json!(0)] {
            let problem = read(wrong).unwrap_err().to_string();
            assert!(problem.contains("expected an e-mail address"), "{problem}");
        }
    }

    #[test]
    fn values_are_read_in_every_form_that_people_and_templates_give() {
        for (value, level) in [
            (json!("High"), Level::High),
            (json!(" low "), Level::Low),
            (json!(1), Level::Number(1)),
            (json!(" 3 "), Level::Number(3)),
        ] {
            assert_eq!(Level::try_from(value).unwrap(), level);
        }
        for (value, state) in [
            (json!("In progress"), RecordState::InProgress),
            (json!("InProgress"), RecordState::InProgress),
            (json!("in_progress"), RecordState::InProgress),
            (json!("on-hold"), RecordState::OnHold),
            (json!("On Hold"), RecordState::OnHold),
            (json!("RESOLVED"), RecordState::Resolved),
            (json!("Closed"), RecordState::Closed),
            (json!("canceled"), RecordState::Canceled),
            (json!("Cancelled"), RecordState::Canceled),
            (json!(-5), RecordState::Number(-5)),
            (json!("101"), RecordState::Number(101)),
        ] {
            assert_eq!(RecordState::try_from(value).unwrap(), state);
        }
        assert_eq!(
            TicketStatus::try_from(json!("On-hold")).unwrap().as_str(),
            "hold"
        );
        assert_eq!(NumericId::try_from(json!("35436")).unwrap().get(), 35436);
        assert!(NumericId::try_from(json!(0)).is_err());
        assert!(NumericId::try_from(json!("12x")).is_err());
        assert_eq!(YesNo::try_from(json!("True")).unwrap(), YesNo(true));
        assert!(YesNo::try_from(json!("")).is_err());
        assert_eq!(Text::try_from(json!(7)).unwrap().as_str(), "7");
        assert!(Text::try_from(json!(["a"])).unwrap_err().contains("join"));
        assert!(FieldValue::try_from(json!({"a": 1})).is_err());
    }

    #[test]
    fn tags_come_from_the_quoted_list_and_from_lists() {
        for (value, tags) in [
            (json!("\"Salesforce\", \"360\""), vec!["Salesforce", "360"]),
            (json!(["a b", "c", "c", 5]), vec!["a_b", "c", "5"]),
            (json!(""), vec![]),
            (json!("a,,b"), vec!["a", "b"]),
            (json!("\"a, b\" ,c"), vec!["a,_b", "c"]),
            (json!(" \"a\"b, 5\" pipe"), vec!["ab", "5\"_pipe"]),
            (json!(["\"a\"", "b,c"]), vec!["a", "b,c"]),
            (json!(null), vec![]),
        ] {
            assert_eq!(Tags::try_from(value).unwrap().as_slice(), tags);
        }
        assert!(Tags::try_from(json!({"a": 1})).is_err());
        let problem = Tags::try_from(json!("\"a, b")).unwrap_err();
        assert!(
            problem.contains("\"a, b") && problem.contains("never closed"),
            "{problem}"
        );
    }

    #[test]
    fn addresses_have_a_name_and_a_host() {
        for (text, fits) in [
            ("jane@example.com", true),
            (" Jane.Doe+x@Example.com ", true),
            ("", false),
            ("jane", false),
            ("@example.com", false),
            ("jane@", false),
            ("a@b@c", false),
            ("a b@c", false),
            ("Jane <a@b.c>", false),
            ("a@b.c, d@e.f", false),
            ("a:b@c", false),
        ] {
            let email = Email::try_from(json!(text));
            assert_eq!(email.is_ok(), fits, "{text}");
            match email {
                Ok(email) => assert_eq!(email.as_str(), text.trim()),
                Err(problem) => assert!(problem.contains(&format!("`{text}`")), "{problem}"),
            }
        }
    }

    #[test]
    fn moments_are_whole_seconds_in_utc() {
        for (text, expected) in [
            ("2026-12-01T15:30:00Z", Some("2026-12-01T15:30:00Z")),
            (
                " 2026-12-01T15:30:00.75+02:00",
                Some("2026-12-01T13:30:00Z"),
            ),
            ("2026-12-01", Some("2026-12-01T12:00:00Z")),
            ("2026-12-01T15:30:00", None),
            ("tomorrow", None),
            ("", None),
        ] {
            let moment = Moment::try_from(json!(text)).map(|moment| moment.to_string());
            assert_eq!(moment.as_deref().ok(), expected, "{text}");
            if let Err(problem) = moment {
                assert!(problem.contains(&format!("`{text}`")), "{problem}");
            }
        }
    }
}
