//! A record as the Table API returns it.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value};

use crate::{SysId, Table};

/// A record of a table. Its `Debug` shows no field values, which may be personal data.
#[derive(Clone, PartialEq, Eq)]
pub struct Record {
    /// The table that was asked; the record may belong to one that extends it.
    pub table: Table,
    /// The record's id.
    pub sys_id: SysId,
    /// The number that people see; tables of one's own may have none.
    pub number: Option<String>,
    /// Raw values by column: references as the id they point to, missing values as `""`.
    pub fields: BTreeMap<String, String>,
}

/// What a look-up by correlation id found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matches {
    /// The records with exactly that correlation id, oldest first, two at most.
    pub records: Vec<Record>,
    /// The instance returned other rows too: it dropped the condition, as it does when the table has no
    /// `correlation_id` or the account may not read it. An empty `records` then proves nothing.
    pub condition_ignored: bool,
}

impl Record {
    /// A column's raw value; `None` when the answer does not have the column.
    pub fn field(&self, column: &str) -> Option<&str> {
        self.fields.get(column).map(String::as_str)
    }

    /// `None` when there is no valid `sys_id`.
    pub(crate) fn read(table: &Table, row: &Map<String, Value>) -> Option<Self> {
        let fields: BTreeMap<String, String> = row
            .iter()
            .filter_map(|(column, value)| Some((column.clone(), raw(value)?)))
            .collect();
        let sys_id = SysId::parse(fields.get("sys_id")?).ok()?;
        let number = fields.get("number").filter(|number| !number.is_empty());
        Some(Self {
            table: table.clone(),
            sys_id,
            number: number.cloned(),
            fields,
        })
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("table", &self.table)
            .field("sys_id", &self.sys_id)
            .field("number", &self.number)
            .field("columns", &self.fields.len())
            .finish()
    }
}

/// The raw text of a value in any of the shapes that the Table API uses: plain, reference with or
/// without link, or both raw and displayed. Mostly strings; some tables return null, numbers or booleans.
pub(crate) fn raw(value: &Value) -> Option<String> {
    part(value, "value")
}

/// The text shown to people, where the answer has both.
pub(crate) fn displayed(value: &Value) -> Option<String> {
    part(value, "display_value")
}

fn part(value: &Value, key: &str) -> Option<String> {
    match value {
        Value::Null => Some(String::new()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Number(value) => Some(value.to_string()),
        Value::String(value) => Some(value.clone()),
        Value::Object(parts) => match parts.get(key)? {
            Value::Object(_) | Value::Array(_) => None,
            plain @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => {
                part(plain, key)
            }
        },
        Value::Array(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_shape_of_a_value_is_read() {
        let id = "6816f79cc0a8016401c5a33be04be441";
        for (value, expected) in [
            (json!("2"), Some("2")),
            (json!(""), Some("")),
            (json!(null), Some("")),
            (json!(true), Some("true")),
            (json!(7), Some("7")),
            (json!({"link": "https://x/y", "value": id}), Some(id)),
            (
                json!({"display_value": "2 - Medium", "value": "2"}),
                Some("2"),
            ),
            (json!({"display_value": null, "value": null}), Some("")),
            (
                json!({"display_value": "David", "link": "https://x/y"}),
                None,
            ),
            (json!(["2"]), None),
        ] {
            assert_eq!(raw(&value).as_deref(), expected, "{value}");
        }
    }

    #[test]
    fn record_needs_a_sys_id() {
        let table = Table::parse("incident").unwrap();
        let read = |value: Value| Record::read(&table, value.as_object().unwrap());
        assert_eq!(read(json!({"number": "INC1"})), None);
        assert_eq!(read(json!({"sys_id": "short"})), None);
        let record =
            read(json!({"sys_id": "54b947b1c30e0310c5a8fc0d05013158", "number": ""})).unwrap();
        assert_eq!(record.number, None);
    }

    #[test]
    fn debug_shows_no_values() {
        let table = Table::parse("incident").unwrap();
        let row = json!({"sys_id": "54b947b1c30e0310c5a8fc0d05013158", "description": "Jane Doe"});
        let record = Record::read(&table, row.as_object().unwrap()).unwrap();
        assert!(!format!("{record:?}").contains("Jane"));
    }
}
