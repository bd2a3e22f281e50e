//! What the instance kept against what it was sent. It answers success even where it ignored a column
//! that does not exist or that the account may not write, or cut a text off.

use std::collections::BTreeMap;
use std::fmt;

use crate::{Column, Record};

/// Columns that append what is written and always read back empty.
const JOURNALS: [&str; 4] = [
    "comments",
    "work_notes",
    "comments_and_work_notes",
    "approval_history",
];

/// A column that does not hold what was sent. `Display` names the column only; `Debug` shows no values
/// either.
#[derive(Clone, PartialEq, Eq)]
pub struct Difference {
    /// The column.
    pub column: Column,
    /// What was sent.
    pub sent: String,
    /// What is stored; `None` when the answer does not have the column, so that nobody knows.
    pub stored: Option<String>,
}

/// Compares raw values as text; journals are skipped since they never read back.
pub fn differences(sent: &BTreeMap<Column, String>, stored: &Record) -> Vec<Difference> {
    sent.iter()
        .filter(|(column, _)| !JOURNALS.contains(&column.as_str()))
        .filter(|(column, sent)| stored.field(column.as_str()) != Some(sent.as_str()))
        .map(|(column, sent)| Difference {
            column: column.clone(),
            sent: sent.clone(),
            stored: stored.field(column.as_str()).map(str::to_owned),
        })
        .collect()
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let column = &self.column;
        match &self.stored {
            None => write!(
                f,
                "`{column}` is not in the answer: it may not exist in this table, or be hidden from the account"
            ),
            Some(stored) if stored.is_empty() => write!(
                f,
                "`{column}` is empty: the account may not write it, or the table does not know the value"
            ),
            Some(stored) if self.sent.starts_with(stored.as_str()) => write!(
                f,
                "`{column}` was cut off after {} of {} characters",
                stored.chars().count(),
                self.sent.chars().count()
            ),
            Some(_) => write!(f, "`{column}` holds another value than the one sent"),
        }
    }
}

impl fmt::Debug for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Difference({self})")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Table;

    fn check(sent: &[(&str, &str)], stored: &serde_json::Value, expected: &[&str]) {
        let sent = sent
            .iter()
            .map(|(column, value)| (Column::parse(column).unwrap(), (*value).to_owned()))
            .collect();
        let mut row = stored.as_object().unwrap().clone();
        row.insert(
            "sys_id".to_owned(),
            json!("54b947b1c30e0310c5a8fc0d05013158"),
        );
        let record = Record::read(&Table::parse("incident").unwrap(), &row).unwrap();
        let found: Vec<String> = differences(&sent, &record)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn same_values_make_no_difference() {
        let group = "d625dccec0a8016700a222a0f7900d06";
        check(
            &[
                ("urgency", "2"),
                ("active", "true"),
                ("assignment_group", group),
                ("comments", "appended"),
                ("work_notes", "appended"),
                ("description", ""),
            ],
            &json!({
                "urgency": "2",
                "active": true,
                "assignment_group": {"link": "https://x/y", "value": group},
                "comments": "",
                "work_notes": "",
                "description": null,
            }),
            &[],
        );
    }

    #[test]
    fn every_kind_of_difference_is_told_without_values() {
        check(
            &[
                ("assigned_to", "nobody"),
                ("short_description", "Überlang und mehr"),
                ("state", "6"),
                ("u_missing", "x"),
            ],
            &json!({"assigned_to": "", "short_description": "Überlang", "state": "2"}),
            &[
                "`assigned_to` is empty: the account may not write it, or the table does not know the value",
                "`short_description` was cut off after 8 of 17 characters",
                "`state` holds another value than the one sent",
                "`u_missing` is not in the answer: it may not exist in this table, or be hidden from the account",
            ],
        );
    }
}
