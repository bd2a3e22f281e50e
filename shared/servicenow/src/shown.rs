//! Records as people see them.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value};

use crate::record::{displayed, raw};
use crate::{InvalidInput, RecordNumber, SysId};

/// The most steps of a dot-walk.
const MOST_STEPS: usize = 5;

/// A column of a record, or of one that it refers to: `number`, `caller_id.email`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldPath(String);

/// How a record is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordKey {
    /// By its id.
    SysId(SysId),
    /// By the number that people see.
    Number(RecordNumber),
}

/// A record with what people see of its fields. Its `Debug` shows no value, which may be personal data.
#[derive(Clone, PartialEq, Eq)]
pub struct Shown {
    /// The record's id.
    pub sys_id: SysId,
    /// The number that people see; tables of one's own may have none.
    pub number: Option<String>,
    /// The table that the record belongs to, which may extend the one that was asked.
    pub class: Option<String>,
    /// What is shown for each field that was asked for and is there: of a reference the name of what it refers to. Dates
    /// are in the account's time zone.
    pub fields: BTreeMap<String, String>,
}

impl FieldPath {
    /// # Errors
    ///
    /// [`InvalidInput::Column`].
    pub fn parse(text: &str) -> Result<Self, InvalidInput> {
        let text = text.trim();
        let mut steps = text.split('.');
        if steps.clone().count() <= MOST_STEPS && steps.all(crate::input::is_name) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidInput::Column(text.to_owned()))
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Shown {
    /// What is shown for a field; `None` when it is empty, or not there.
    pub fn field(&self, path: &str) -> Option<&str> {
        let shown = self.fields.get(path).map(|shown| shown.trim());
        shown.filter(|shown| !shown.is_empty())
    }

    /// Whether this is the record that was asked for: the instance drops conditions that it does not understand.
    pub(crate) fn is(&self, key: &RecordKey) -> bool {
        match key {
            RecordKey::SysId(sys_id) => self.sys_id == *sys_id,
            RecordKey::Number(number) => self.number.as_deref() == Some(number.as_str()),
        }
    }

    /// Reads a row that holds both raw and displayed values. `None` when there is no valid `sys_id`.
    pub(crate) fn read(row: &Map<String, Value>) -> Option<Self> {
        let plain = |column: &str| {
            let text = row.get(column).and_then(raw);
            text.filter(|text| !text.is_empty())
        };
        Some(Self {
            sys_id: SysId::parse(&plain("sys_id")?).ok()?,
            number: plain("number"),
            class: plain("sys_class_name"),
            fields: row
                .iter()
                .filter_map(|(field, value)| Some((field.clone(), displayed(value)?)))
                .collect(),
        })
    }
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shown")
            .field("sys_id", &self.sys_id)
            .field("number", &self.number)
            .field("class", &self.class)
            .field("fields", &self.fields.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_cannot_carry_anything_else() {
        for text in ["number", " caller_id.email ", "a.b.c.d.e"] {
            assert!(FieldPath::parse(text).is_ok(), "{text}");
        }
        for text in [
            "",
            ".",
            "a.",
            "a..b",
            "a,b",
            "a^b",
            "A",
            "a.b.c.d.e.f",
            "a b",
        ] {
            assert!(FieldPath::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn what_is_shown_is_read_and_not_told() {
        let row = json!({
            "sys_id": {"display_value": "54b947b1c30e0310c5a8fc0d05013158", "value": "54b947b1c30e0310c5a8fc0d05013158"},
            "number": {"display_value": "INC0010001", "value": "INC0010001"},
            "sys_class_name": {"display_value": "Incident", "value": "incident"},
            "caller_id": {"display_value": "Bea Lee", "value": "6816f79cc0a8016401c5a33be04be441", "link": "https://x"},
            "caller_id.email": {"display_value": null, "value": null},
        });
        let shown = Shown::read(row.as_object().unwrap()).unwrap();
        assert_eq!(shown.field("caller_id"), Some("Bea Lee"));
        assert_eq!(shown.field("caller_id.email"), None);
        assert_eq!(shown.class.as_deref(), Some("incident"));
        assert!(!format!("{shown:?}").contains("Bea"));
    }
}
