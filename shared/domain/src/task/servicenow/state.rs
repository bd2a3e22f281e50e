//! Which words for a state mean something in which table, and what else a record must then have.
//!
//! Vendor pages, in the repository `ServiceNow/ServiceNowDocs` below `markdown/it-service-management`:
//! `incident-management/c_IncidentManagementStateModel.md`, `incident-management/resolve-and-close-an-incident.md`,
//! `problem-management/map-problem-state.md`, `change-management/c_ChangeStateModel.md`. What problems need is
//! in ServiceNow's own Ansible collection, `ansible-collections/servicenow.itsm`, `plugins/modules/problem.py`.

use crate::task::value::RecordState;

/// A column without which the instance refuses a state, and what it may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Companion {
    /// Its name in `fields`.
    pub(super) column: &'static str,
    /// What is to be put there.
    pub(super) hint: &'static str,
}

/// The words, each with its name in a task.
pub const WORDS: [(RecordState, &str); 5] = [
    (RecordState::InProgress, "in_progress"),
    (RecordState::OnHold, "on_hold"),
    (RecordState::Resolved, "resolved"),
    (RecordState::Closed, "closed"),
    (RecordState::Canceled, "canceled"),
];

const HOLD_REASON: Companion = Companion {
    column: "hold_reason",
    hint: "1 awaiting caller, 3 awaiting problem, 4 awaiting vendor, 5 awaiting change",
};
/// The reason that waits for an answer, which somebody must have asked for.
const AWAITING_CALLER: &str = "1";
const QUESTION: Companion = Companion {
    column: "comments",
    hint: "what the caller is asked, better as the field `comment`",
};
const INCIDENT_CLOSE_CODE: Companion = Companion {
    column: "close_code",
    hint: "one of the instance's resolution codes, such as Solution provided",
};
const CHANGE_CLOSE_CODE: Companion = Companion {
    column: "close_code",
    hint: "successful, successful_issues or unsuccessful",
};
const CLOSE_NOTES: Companion = Companion {
    column: "close_notes",
    hint: "how it ended, in words",
};
const ON_HOLD_REASON: Companion = Companion {
    column: "on_hold_reason",
    hint: "what it waits for, in words",
};
const RESOLUTION_CODE: Companion = Companion {
    column: "resolution_code",
    hint: "fix_applied, risk_accepted, duplicate or canceled",
};
const CAUSE_NOTES: Companion = Companion {
    column: "cause_notes",
    hint: "what the cause was, in words",
};
const FIX_NOTES: Companion = Companion {
    column: "fix_notes",
    hint: "how it was fixed, in words",
};
const DUPLICATE_OF: Companion = Companion {
    column: "duplicate_of",
    hint: "the `sys_id` of the other problem",
};

/// What a column will hold, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Given {
    /// Nothing.
    Nothing,
    /// What piped text will give.
    Something,
    /// This.
    Value(String),
}

impl Given {
    fn value(&self) -> Option<&str> {
        match self {
            Self::Nothing | Self::Something => None,
            Self::Value(value) => Some(value),
        }
    }
}

/// Whether the table has a state with the word's meaning. A number means itself in every table.
pub fn exists(table: &str, state: RecordState) -> bool {
    use RecordState::{Canceled, Closed, InProgress, OnHold, Resolved};
    let known: &[RecordState] = match table {
        "incident" => &[InProgress, OnHold, Resolved, Closed, Canceled],
        "problem" => &[InProgress, Resolved, Closed, Canceled],
        "change_request" | "change_task" => &[InProgress, OnHold, Closed, Canceled],
        // Its numbers are its own, and none of them clearly has the meaning of a word.
        "problem_task" => &[],
        // What the tables that extend `task` inherit from it.
        _ => &[InProgress, Closed, Canceled],
    };
    word(state).is_none() || known.contains(&state)
}

/// The words that mean something in the table, with a comma between them.
pub(super) fn words(table: &str) -> String {
    let words: Vec<&str> = WORDS
        .into_iter()
        .filter(|(state, _)| exists(table, *state))
        .map(|(_, word)| word)
        .collect();
    words.join(", ")
}

/// The word for a state; `None` for a number.
pub(super) fn word(state: RecordState) -> Option<&'static str> {
    WORDS
        .into_iter()
        .find(|(other, _)| *other == state)
        .map(|(_, word)| word)
}

/// The first column that the instance will miss in a record that gets this state. A number is left to
/// the instance: its tables may be set up in another way.
pub(super) fn missing(
    table: &str,
    state: RecordState,
    given: impl Fn(&str) -> Given,
) -> Option<Companion> {
    use RecordState::{Canceled, Closed, OnHold, Resolved};
    let needed: &[Companion] = match (table, state) {
        ("incident", OnHold) => match given(HOLD_REASON.column).value() {
            Some(AWAITING_CALLER) => &[QUESTION],
            Some(_) | None => &[HOLD_REASON],
        },
        ("incident", Resolved | Closed) => &[INCIDENT_CLOSE_CODE, CLOSE_NOTES],
        ("problem", Resolved | Closed) => match given(RESOLUTION_CODE.column).value() {
            Some("fix_applied") => &[CAUSE_NOTES, FIX_NOTES],
            Some("risk_accepted") => &[CAUSE_NOTES, CLOSE_NOTES],
            Some("duplicate") => &[DUPLICATE_OF],
            Some("canceled") => &[CLOSE_NOTES],
            Some(_) | None => &[RESOLUTION_CODE],
        },
        // The word itself sets the resolution code.
        ("problem", Canceled) => &[CLOSE_NOTES],
        ("change_request", Closed) => &[CHANGE_CLOSE_CODE, CLOSE_NOTES],
        ("change_request" | "change_task", OnHold) => &[ON_HOLD_REASON],
        _ => &[],
    };
    needed
        .iter()
        .copied()
        .find(|companion| given(companion.column) == Given::Nothing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_in_every_table() {
        for (table, expected) in [
            (
                "incident",
                "in_progress, on_hold, resolved, closed, canceled",
            ),
            ("problem", "in_progress, resolved, closed, canceled"),
            ("change_request", "in_progress, on_hold, closed, canceled"),
            ("change_task", "in_progress, on_hold, closed, canceled"),
            ("release_task", "in_progress, closed, canceled"),
            ("ticket", "in_progress, closed, canceled"),
            ("u_visit", "in_progress, closed, canceled"),
            ("problem_task", ""),
        ] {
            assert_eq!(words(table), expected, "{table}");
            assert!(exists(table, RecordState::Number(-5)), "{table}");
        }
    }

    #[test]
    fn state_without_its_companions_is_missing_the_first_of_them() {
        use RecordState::{Canceled, Closed, InProgress, Number, OnHold, Resolved};
        // What is given, `?` for piped text, and what is missing.
        for (table, state, columns, expected) in [
            ("incident", OnHold, "", "hold_reason"),
            ("incident", OnHold, "hold_reason=4", ""),
            ("incident", OnHold, "hold_reason=?", ""),
            ("incident", OnHold, "hold_reason=1", "comments"),
            ("incident", OnHold, "hold_reason=1 comments=?", ""),
            ("incident", Resolved, "", "close_code"),
            ("incident", Resolved, "close_code=x", "close_notes"),
            ("incident", Closed, "close_notes=x", "close_code"),
            ("incident", Closed, "close_code=x close_notes=?", ""),
            ("incident", InProgress, "", ""),
            ("incident", Canceled, "", ""),
            ("incident", Number(6), "", ""),
            ("problem", InProgress, "", ""),
            ("problem", Resolved, "", "resolution_code"),
            ("problem", Closed, "", "resolution_code"),
            ("problem", Closed, "resolution_code=?", ""),
            ("problem", Closed, "resolution_code=our_own", ""),
            (
                "problem",
                Closed,
                "resolution_code=fix_applied",
                "cause_notes",
            ),
            (
                "problem",
                Closed,
                "resolution_code=fix_applied cause_notes=?",
                "fix_notes",
            ),
            (
                "problem",
                Closed,
                "resolution_code=risk_accepted cause_notes=?",
                "close_notes",
            ),
            (
                "problem",
                Closed,
                "resolution_code=duplicate",
                "duplicate_of",
            ),
            ("problem", Closed, "resolution_code=canceled", "close_notes"),
            ("problem", Canceled, "", "close_notes"),
            ("problem", Number(107), "", ""),
            ("change_request", Closed, "", "close_code"),
            (
                "change_request",
                Closed,
                "close_code=successful",
                "close_notes",
            ),
            ("change_request", OnHold, "", "on_hold_reason"),
            ("change_request", Canceled, "", ""),
            ("change_task", OnHold, "", "on_hold_reason"),
            ("change_task", OnHold, "on_hold_reason=x", ""),
            ("change_task", Closed, "", ""),
            ("ticket", Closed, "", ""),
        ] {
            let given = |column: &str| {
                let pairs = columns.split(' ').filter_map(|pair| pair.split_once('='));
                match pairs.into_iter().find(|(name, _)| *name == column) {
                    None => Given::Nothing,
                    Some((_, "?")) => Given::Something,
                    Some((_, value)) => Given::Value(value.to_owned()),
                }
            };
            let missing = missing(table, state, given).map_or("", |missing| missing.column);
            assert_eq!(missing, expected, "{table} {state:?} {columns}");
        }
    }
}
