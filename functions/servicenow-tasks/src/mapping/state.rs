//! What the words for a record's state mean in each table.
//!
//! Vendor pages, in the repository `ServiceNow/ServiceNowDocs` below `markdown/it-service-management`:
//! `incident-management/c_IncidentManagementStateModel.md`, `problem-management/map-problem-state.md`,
//! `change-management/c_ChangeStateModel.md`, `change-management/state-model-activate-tasks.md`. The numbers
//! of incidents and change tasks are those of ServiceNow's own Ansible collection,
//! `ansible-collections/servicenow.itsm`, `plugins/module_utils`.

use domain::task::value::RecordState;

use super::Problem;

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

const STATE: &str = "state";
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

/// The words, each with its name in a task.
const WORDS: [(RecordState, &str); 5] = [
    (RecordState::InProgress, "in_progress"),
    (RecordState::OnHold, "on_hold"),
    (RecordState::Resolved, "resolved"),
    (RecordState::Closed, "closed"),
    (RecordState::Canceled, "canceled"),
];

/// A column without which the instance refuses a state, and what it may hold.
type Companion = (&'static str, &'static str);

const HOLD_REASON: Companion = (
    "hold_reason",
    "1 awaiting caller, 3 awaiting problem, 4 awaiting vendor, 5 awaiting change",
);
const INCIDENT_CLOSE_CODE: Companion = (
    "close_code",
    "one of the instance's resolution codes, such as Solution provided",
);
const CHANGE_CLOSE_CODE: Companion = (
    "close_code",
    "successful, successful_issues or unsuccessful",
);
const CLOSE_NOTES: Companion = ("close_notes", "how it ended, in words");
const ON_HOLD_REASON: Companion = ("on_hold_reason", "what it waits for, in words");
/// Needed by a hold reason rather than by the state.
const COMMENTS: Companion = (
    "comments",
    "what the caller is asked, as the field `comment`",
);
const AWAITING_CALLER: &str = "1";

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
    /// `None` for a number, which is no word.
    fn writes(&self, state: RecordState) -> Option<&'static [Write]> {
        match state {
            RecordState::InProgress => Some(self.in_progress),
            RecordState::OnHold => Some(self.on_hold),
            RecordState::Resolved => Some(self.resolved),
            RecordState::Closed => Some(self.closed),
            RecordState::Canceled => Some(self.canceled),
            RecordState::Number(_) => None,
        }
    }

    /// The words that mean something here, with a comma between them.
    fn names(&self) -> String {
        let names: Vec<&str> = WORDS
            .into_iter()
            .filter(|(state, _)| self.writes(*state).is_some_and(|writes| !writes.is_empty()))
            .map(|(_, name)| name)
            .collect();
        names.join(", ")
    }
}

/// What a state writes into a record of the table. A number is written as it is.
///
/// # Errors
/// [`Problem::NoSuchState`] when the table has no state with that meaning.
pub(super) fn writes(
    table: &str,
    state: RecordState,
) -> Result<Vec<(&'static str, String)>, Problem> {
    let words = words(table);
    match words.writes(state) {
        None => Ok(number(state)
            .map(|number| (STATE, number))
            .into_iter()
            .collect()),
        Some([]) => Err(Problem::NoSuchState {
            table: table.to_owned(),
            word: name(state),
            possible: words.names(),
        }),
        Some(writes) => Ok(writes
            .iter()
            .map(|(column, value)| (*column, (*value).to_owned()))
            .collect()),
    }
}

/// Checks that the columns are there without which the instance refuses a state that is given as a word.
/// A number is left to the instance: its tables may be set up in another way.
///
/// # Errors
/// [`Problem::CompanionMissing`] for the first one that is missing.
pub(super) fn check_companions<'a>(
    table: &str,
    state: RecordState,
    value: impl Fn(&str) -> Option<&'a str>,
) -> Result<(), Problem> {
    let needed: &[Companion] = match (table, state) {
        ("incident", RecordState::OnHold) if value(HOLD_REASON.0) == Some(AWAITING_CALLER) => {
            &[COMMENTS]
        }
        ("incident", RecordState::OnHold) => &[HOLD_REASON],
        ("incident", RecordState::Resolved | RecordState::Closed) => {
            &[INCIDENT_CLOSE_CODE, CLOSE_NOTES]
        }
        ("change_request", RecordState::Closed) => &[CHANGE_CLOSE_CODE, CLOSE_NOTES],
        ("change_request" | "change_task", RecordState::OnHold) => &[ON_HOLD_REASON],
        _ => &[],
    };
    let missing = |(column, _): &&Companion| value(column).is_none_or(str::is_empty);
    let Some((column, hint)) = needed.iter().find(missing) else {
        return Ok(());
    };
    let unchecked = words(table)
        .writes(state)
        .unwrap_or_default()
        .iter()
        .find(|(column, _)| *column == STATE)
        .map(|(_, number)| format!("; `state: {number}` would be sent without this check"))
        .unwrap_or_default();
    Err(Problem::CompanionMissing {
        table: table.to_owned(),
        word: name(state),
        column,
        hint,
        unchecked,
    })
}

fn name(state: RecordState) -> &'static str {
    WORDS
        .into_iter()
        .find(|(word, _)| *word == state)
        .map_or("a number", |(_, name)| name)
}

fn number(state: RecordState) -> Option<String> {
    match state {
        RecordState::Number(number) => Some(number.to_string()),
        RecordState::InProgress
        | RecordState::OnHold
        | RecordState::Resolved
        | RecordState::Closed
        | RecordState::Canceled => None,
    }
}

#[cfg(test)]
mod tests {
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
                let found = match writes(table, state) {
                    Ok(writes) => writes
                        .iter()
                        .map(|(column, value)| format!("{column}={value}"))
                        .collect::<Vec<_>>()
                        .join(" "),
                    Err(problem) => {
                        let text = problem.to_string();
                        assert!(text.contains(table) && text.contains(name), "{text}");
                        String::new()
                    }
                };
                assert_eq!(found, expected, "{table} {name}");
            }
            assert_eq!(
                writes(table, RecordState::Number(-5)).unwrap(),
                [(STATE, "-5".to_owned())],
                "{table}"
            );
        }
    }

    #[test]
    fn refused_word_tells_what_is_possible() {
        for (table, expected) in [
            (
                "problem",
                "the table `problem` has no state `on_hold`: use in_progress, resolved, closed, canceled, or the table's own number",
            ),
            (
                "problem_task",
                "the table `problem_task` has no state `on_hold`: use the table's own number",
            ),
        ] {
            let problem = writes(table, RecordState::OnHold).unwrap_err();
            assert_eq!(problem.to_string(), expected);
        }
    }

    #[test]
    fn state_without_its_companions_is_refused() {
        use RecordState::{Canceled, Closed, InProgress, Number, OnHold, Resolved};
        let cases: [(&str, RecordState, &[Write], Option<&str>); 19] = [
            ("incident", OnHold, &[], Some("hold_reason")),
            (
                "incident",
                OnHold,
                &[("hold_reason", "")],
                Some("hold_reason"),
            ),
            ("incident", OnHold, &[("hold_reason", "4")], None),
            (
                "incident",
                OnHold,
                &[("hold_reason", "1")],
                Some("comments"),
            ),
            (
                "incident",
                OnHold,
                &[("hold_reason", "1"), ("comments", "?")],
                None,
            ),
            ("incident", Resolved, &[], Some("close_code")),
            (
                "incident",
                Resolved,
                &[("close_code", "x")],
                Some("close_notes"),
            ),
            (
                "incident",
                Closed,
                &[("close_notes", "x")],
                Some("close_code"),
            ),
            (
                "incident",
                Closed,
                &[("close_code", "x"), ("close_notes", "y")],
                None,
            ),
            ("incident", InProgress, &[], None),
            ("incident", Canceled, &[], None),
            ("incident", Number(6), &[], None),
            (
                "change_request",
                Closed,
                &[("close_code", "x")],
                Some("close_notes"),
            ),
            ("change_request", Closed, &[], Some("close_code")),
            ("change_request", OnHold, &[], Some("on_hold_reason")),
            ("change_task", OnHold, &[], Some("on_hold_reason")),
            ("change_task", OnHold, &[("on_hold_reason", "x")], None),
            ("change_task", Closed, &[], None),
            ("problem", Closed, &[], None),
        ];
        for (table, state, given, expected) in cases {
            let value = |column: &str| {
                given
                    .iter()
                    .find(|(name, _)| *name == column)
                    .map(|(_, value)| *value)
            };
            let missing = match check_companions(table, state, value) {
                Err(Problem::CompanionMissing { column, .. }) => Some(column),
                Ok(()) => None,
                Err(other) => panic!("{other}"),
            };
            assert_eq!(missing, expected, "{table} {state:?} {given:?}");
        }
    }

    #[test]
    fn missing_companion_tells_the_way_out() {
        let problem = |table, state| {
            check_companions(table, state, |_| None)
                .unwrap_err()
                .to_string()
        };
        assert_eq!(
            problem("incident", RecordState::OnHold),
            "the state `on_hold` of the table `incident` needs the column `hold_reason`: add it to the task's `fields` \
             (1 awaiting caller, 3 awaiting problem, 4 awaiting vendor, 5 awaiting change); \
             `state: 3` would be sent without this check"
        );
        assert!(!problem("change_task", RecordState::OnHold).contains("without this check"));
    }
}
