//! What the words for a record's state mean in each table. Which words a table has, and what else a state
//! needs, is checked with the input (`domain::task::servicenow`).
//!
//! Vendor pages, in the repository `ServiceNow/ServiceNowDocs` below `markdown/it-service-management`:
//! `incident-management/c_IncidentManagementStateModel.md`, `problem-management/map-problem-state.md`,
//! `change-management/c_ChangeStateModel.md`, `change-management/state-model-activate-tasks.md`. The numbers
//! of incidents and change tasks are those of ServiceNow's own Ansible collection,
//! `ansible-collections/servicenow.itsm`, `plugins/module_utils`.

use domain::task::value::RecordState;

use super::STATE;

/// A column and the raw value that is written to it.
type Write = (&'static str, &'static str);

/// What each word writes in one table; nothing where the table has no such state.
struct Words {
    in_progress: &'static [Write],
    on_hold: &'static [Write],
    resolved: &'static [Write],
    closed: &'static [Write],
    canceled: &'static [Write],
}

const ON_HOLD: &[Write] = &[("on_hold", "true")];

const INCIDENT: Words = Words {
    in_progress: &[(STATE, "2")],
    on_hold: &[(STATE, "3")],
    resolved: &[(STATE, "6")],
    closed: &[(STATE, "7")],
    canceled: &[(STATE, "8")],
};
const PROBLEM: Words = Words {
    in_progress: &[(STATE, "104")],
    on_hold: &[],
    resolved: &[(STATE, "106")],
    closed: &[(STATE, "107")],
    canceled: &[(STATE, "107"), ("resolution_code", "canceled")],
};
/// On hold is a mark beside the state, which stays what it was.
const CHANGE_REQUEST: Words = Words {
    in_progress: &[(STATE, "-1")],
    on_hold: ON_HOLD,
    resolved: &[],
    closed: &[(STATE, "3")],
    canceled: &[(STATE, "4")],
};
const CHANGE_TASK: Words = Words {
    in_progress: &[(STATE, "2")],
    on_hold: ON_HOLD,
    resolved: &[],
    closed: &[(STATE, "3")],
    canceled: &[(STATE, "4")],
};
/// What the tables that extend `task` inherit from it.
const TASK: Words = Words {
    in_progress: &[(STATE, "2")],
    on_hold: &[],
    resolved: &[],
    closed: &[(STATE, "3")],
    canceled: &[(STATE, "4")],
};
/// Its numbers are its own, and none of them clearly has the meaning of a word.
const PROBLEM_TASK: Words = Words {
    in_progress: &[],
    on_hold: &[],
    resolved: &[],
    closed: &[],
    canceled: &[],
};

fn words(table: &str) -> &'static Words {
    match table {
        "incident" => &INCIDENT,
        "problem" => &PROBLEM,
        "problem_task" => &PROBLEM_TASK,
        "change_request" => &CHANGE_REQUEST,
        "change_task" => &CHANGE_TASK,
        _ => &TASK,
    }
}

impl Words {
    /// # Errors
    /// The number, which is no word.
    fn writes(&self, state: RecordState) -> Result<&'static [Write], i32> {
        match state {
            RecordState::InProgress => Ok(self.in_progress),
            RecordState::OnHold => Ok(self.on_hold),
            RecordState::Resolved => Ok(self.resolved),
            RecordState::Closed => Ok(self.closed),
            RecordState::Canceled => Ok(self.canceled),
            RecordState::Number(number) => Err(number),
        }
    }
}

/// What a state writes into a record of the table. A number is written as it is. A word that the table does
/// not have writes nothing; the check of the input refuses it before.
pub(super) fn writes(table: &str, state: RecordState) -> Vec<(&'static str, String)> {
    match words(table).writes(state) {
        Ok(writes) => writes
            .iter()
            .map(|(column, value)| (*column, (*value).to_owned()))
            .collect(),
        Err(number) => vec![(STATE, number.to_string())],
    }
}

#[cfg(test)]
mod tests {
    use domain::task::servicenow::state::{WORDS, exists};

    use super::*;

    #[test]
    fn every_word_in_every_table() {
        let tables = [
            (
                "incident",
                ["state=2", "state=3", "state=6", "state=7", "state=8"],
            ),
            (
                "problem",
                [
                    "state=104",
                    "",
                    "state=106",
                    "state=107",
                    "state=107 resolution_code=canceled",
                ],
            ),
            (
                "change_request",
                ["state=-1", "on_hold=true", "", "state=3", "state=4"],
            ),
            (
                "change_task",
                ["state=2", "on_hold=true", "", "state=3", "state=4"],
            ),
            ("release_task", ["state=2", "", "", "state=3", "state=4"]),
            ("ticket", ["state=2", "", "", "state=3", "state=4"]),
            ("u_visit", ["state=2", "", "", "state=3", "state=4"]),
            ("problem_task", ["", "", "", "", ""]),
        ];
        for (table, expected) in tables {
            for ((state, name), expected) in WORDS.into_iter().zip(expected) {
                let written: Vec<String> = writes(table, state)
                    .iter()
                    .map(|(column, value)| format!("{column}={value}"))
                    .collect();
                assert_eq!(written.join(" "), expected, "{table} {name}");
                // What the input's check lets through is what writes something.
                assert_eq!(exists(table, state), !expected.is_empty(), "{table} {name}");
            }
            assert_eq!(
                writes(table, RecordState::Number(-5)),
                [(STATE, "-5".to_owned())],
                "{table}"
            );
        }
    }
}
