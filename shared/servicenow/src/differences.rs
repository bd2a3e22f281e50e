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

/// Columns that the instance keeps equal to `state`, and goes by: where it did not take the state over, they tell.
/// (`c_IntValsForDfltChoiceList.md` in `ServiceNow/ServiceNowDocs`.)
const TWINS: [(&str, &str); 2] = [("incident", "incident_state"), ("problem", "problem_state")];
const STATE: &str = "state";

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

/// Compares raw values as text. Journals never read back, so of them only the absence is told. A column that
/// was not sent appears where it must follow `state` and does not.
pub fn differences(sent: &BTreeMap<Column, String>, stored: &Record) -> Vec<Difference> {
    sent.iter()
        .filter(|(column, sent)| {
            let kept = stored.field(column.as_str());
            if JOURNALS.contains(&column.as_str()) {
                kept.is_none()
            } else {
                kept != Some(sent.as_str())
            }
        })
        .map(|(column, sent)| Difference {
            column: column.clone(),
            sent: sent.clone(),
            stored: stored.field(column.as_str()).map(str::to_owned),
        })
        .chain(state_twin(sent, stored))
        .collect()
}

fn state_twin(sent: &BTreeMap<Column, String>, stored: &Record) -> Option<Difference> {
    let (_, twin) = TWINS
        .into_iter()
        .find(|(table, _)| *table == stored.table.as_str())?;
    let column = Column::parse(twin).ok()?;
    let state = sent.get(&Column::parse(STATE).ok()?)?;
    let kept = stored.field(twin).filter(|kept| !kept.is_empty())?;
    // Where `state` itself was not kept, its own difference says so.
    let differs =
        stored.field(STATE) == Some(state) && kept != state && !sent.contains_key(&column);
    differs.then(|| Difference {
        column,
        sent: state.clone(),
        stored: Some(kept.to_owned()),
    })
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
    fn journal_that_the_table_does_not_have_is_told() {
        check(
            &[("comments", "appended"), ("work_notes", "appended")],
            &json!({"work_notes": ""}),
            &[
                "`comments` is not in the answer: it may not exist in this table, or be hidden from the account",
            ],
        );
    }

    #[test]
    fn state_that_its_twin_did_not_follow_is_told() {
        let twin = "`incident_state` holds another value than the one sent";
        let state = "`state` holds another value than the one sent";
        for (sent, stored, expected) in [
            (
                &[("state", "6")][..],
                json!({"state": "6", "incident_state": "6"}),
                &[][..],
            ),
            (
                &[("state", "6")],
                json!({"state": "6", "incident_state": "2"}),
                &[twin],
            ),
            (
                &[("state", "6")],
                json!({"state": "2", "incident_state": "2"}),
                &[state],
            ),
            (&[("state", "6")], json!({"state": "6"}), &[]),
            (
                &[("state", "6"), ("incident_state", "6")],
                json!({"state": "6", "incident_state": "2"}),
                &[twin],
            ),
            (
                &[("urgency", "1")],
                json!({"urgency": "1", "state": "6", "incident_state": "2"}),
                &[],
            ),
        ] {
            check(sent, &stored, expected);
        }
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
