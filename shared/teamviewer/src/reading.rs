//! Reading what TeamViewer answers. Absent, null and the empty text are the same, and nothing that is there and cannot be
//! read becomes absent without a word.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;
use secrecy::SecretString;
use serde_json::{Map, Value};

use crate::SessionCode;

/// Longest id of something unreadable that is repeated, in characters.
const LONGEST_ID: usize = 80;
/// How missing things are written here and there.
const NONE: &str = "None";

/// Something in a list that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// Its id or code as TeamViewer wrote it, if it has one.
    pub id: Option<String>,
    /// What is missing or could not be read.
    pub field: &'static str,
}

/// Who is supported. Its `Debug` shows nobody.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct EndCustomer {
    /// The name, at most 100 characters.
    pub name: Option<String>,
    /// The e-mail address, at most 254 characters.
    pub email: Option<String>,
}

impl fmt::Debug for EndCustomer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndCustomer").finish_non_exhaustive()
    }
}

/// One JSON object, and which of its fields could not be read.
pub(crate) struct Fields<'a> {
    body: &'a Map<String, Value>,
    unread: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    pub(crate) fn of(body: &'a Map<String, Value>) -> Self {
        Self {
            body,
            unread: Vec::new(),
        }
    }

    pub(crate) fn into_unread(self) -> Vec<&'static str> {
        self.unread
    }

    /// A text, or a number or a truth value as one.
    pub(crate) fn text(&mut self, name: &'static str) -> Option<String> {
        match self.value(name)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(truth) => Some(truth.to_string()),
            Value::Null | Value::Array(_) | Value::Object(_) => self.cannot(name),
        }
    }

    /// A text in which `None` means that there is nothing.
    pub(crate) fn text_or_none(&mut self, name: &'static str) -> Option<String> {
        self.text(name).filter(|text| text != NONE)
    }

    pub(crate) fn secret(&mut self, name: &'static str) -> Option<SecretString> {
        self.text(name).map(SecretString::from)
    }

    pub(crate) fn date(&mut self, name: &'static str) -> Option<Timestamp> {
        let text = self.text(name)?;
        match timestamp(&text) {
            Some(date) => Some(date),
            None => self.cannot(name),
        }
    }

    pub(crate) fn code(&mut self, name: &'static str) -> Option<SessionCode> {
        let text = self.text(name)?;
        match SessionCode::parse(&text) {
            Ok(code) => Some(code),
            Err(_) => self.cannot(name),
        }
    }

    /// A whole number, also as a text.
    pub(crate) fn integer(&mut self, name: &'static str) -> Option<i64> {
        match self.text(name)?.trim().parse() {
            Ok(number) => Some(number),
            Err(_) => self.cannot(name),
        }
    }

    /// A number, also as a text.
    pub(crate) fn number(&mut self, name: &'static str) -> Option<f64> {
        match self.text(name)?.trim().parse::<f64>() {
            Ok(number) if number.is_finite() => Some(number),
            Ok(_) | Err(_) => self.cannot(name),
        }
    }

    /// A truth value, also as a text.
    pub(crate) fn truth(&mut self, name: &'static str) -> Option<bool> {
        let text = self.text(name)?;
        let is = |word: &str| text.trim().eq_ignore_ascii_case(word);
        if is("true") || is("false") {
            return Some(is("true"));
        }
        self.cannot(name)
    }

    pub(crate) fn object(&mut self, name: &'static str) -> Option<&'a Map<String, Value>> {
        match self.value(name)? {
            Value::Object(object) => Some(object),
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_) => self.cannot(name),
        }
    }

    /// An object of a name and an address. A text is taken for the name.
    pub(crate) fn end_customer(&mut self) -> Option<EndCustomer> {
        const NAME: &str = "end_customer";
        let customer = match self.value(NAME)? {
            Value::Object(object) => {
                let mut fields = Fields::of(object);
                let customer = EndCustomer {
                    name: fields.text("name"),
                    email: fields.text("email"),
                };
                if !fields.unread.is_empty() {
                    self.unread.push(NAME);
                }
                customer
            }
            Value::String(name) => EndCustomer {
                name: Some(name.clone()),
                email: None,
            },
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => {
                return self.cannot(NAME);
            }
        };
        (customer != EndCustomer::default()).then_some(customer)
    }

    /// What is there and says something.
    fn value(&self, name: &str) -> Option<&'a Value> {
        match self.body.get(name)? {
            Value::Null => None,
            Value::String(text) if text.trim().is_empty() => None,
            value @ (Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_)
            | Value::Object(_)) => Some(value),
        }
    }

    fn cannot<T>(&mut self, name: &'static str) -> Option<T> {
        self.unread.push(name);
        None
    }
}

/// The items of a list; `None` when the answer has no such list. Nothing at all is an empty one: TeamViewer leaves out what
/// is not set.
pub(crate) fn items<'a>(body: &'a Map<String, Value>, name: &str) -> Option<&'a [Value]> {
    match body.get(name) {
        Some(Value::Array(items)) => Some(items),
        Some(Value::Null) => Some(&[]),
        None if body.is_empty() => Some(&[]),
        Some(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_)) | None => {
            None
        }
    }
}

/// An item of a list that is there but cannot be read.
pub(crate) fn unreadable(item: &Value, id: &'static str, field: &'static str) -> Unreadable {
    let id = item
        .as_object()
        .and_then(|body| Fields::of(body).text(id))
        .map(|id| id.chars().take(LONGEST_ID).collect());
    Unreadable { id, field }
}

/// A time as the manual writes it, `2017-02-03T14:10:50Z`, or without punctuation, `20170203T141050Z`. All of TeamViewer's
/// times are UTC, so one without a zone is, too. A day alone is no time.
fn timestamp(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(time) = text.parse() {
        return Some(time);
    }
    let has_time = text.contains(['T', 't', ' ']);
    let time: DateTime = text.parse().ok().filter(|_| has_time)?;
    Offset::UTC.to_timestamp(time).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn times_are_read_in_every_form_that_is_one() {
        for (text, expected) in [
            ("2017-02-03T14:10:50Z", Some("2017-02-03T14:10:50Z")),
            ("20130117T144011Z", Some("2013-01-17T14:40:11Z")),
            ("2017-02-03T14:10:50.25Z", Some("2017-02-03T14:10:50.25Z")),
            ("2017-02-03T14:10:50+01:00", Some("2017-02-03T13:10:50Z")),
            ("2017-02-03T14:10:50", Some("2017-02-03T14:10:50Z")),
            (" 2017-02-03 14:10:50Z ", Some("2017-02-03T14:10:50Z")),
            ("2017-02-03", None),
            ("20170203", None),
            ("03/02/2017 14:10:50", None),
            ("2017-13-03T14:10:50Z", None),
            ("1486131050", None),
            ("soon", None),
        ] {
            let read = timestamp(text).map(|time| time.to_string());
            assert_eq!(read.as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn empty_is_absent_and_nonsense_is_told() {
        let body = json!({
            "null": null, "empty": "", "blank": " ", "list": [1], "date": "yesterday", "number": "12,50", "code": "a/b",
            "truth": "perhaps", "integer": 1.5, "object": "x", "end_customer": 7, "fee": "0.00", "currency": "None",
        });
        let mut fields = Fields::of(body.as_object().unwrap());
        for name in ["missing", "null", "empty", "blank"] {
            assert_eq!(fields.text(name), None);
            assert_eq!(fields.date(name), None);
            assert_eq!(fields.number(name), None);
            assert!(fields.object(name).is_none());
        }
        assert_eq!(fields.number("fee"), Some(0.0));
        assert_eq!(fields.text_or_none("currency"), None);
        assert!(fields.unread.is_empty());
        assert_eq!(fields.text("list"), None);
        assert_eq!(fields.date("date"), None);
        assert_eq!(fields.number("number"), None);
        assert_eq!(fields.code("code"), None);
        assert_eq!(fields.truth("truth"), None);
        assert_eq!(fields.integer("integer"), None);
        assert!(fields.object("object").is_none());
        assert_eq!(fields.end_customer(), None);
        assert_eq!(
            fields.into_unread(),
            [
                "list",
                "date",
                "number",
                "code",
                "truth",
                "integer",
                "object",
                "end_customer"
            ]
        );
    }
}
