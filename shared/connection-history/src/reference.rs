use domain::TaskReference;

/// What may say which task a connection belongs to, the best first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Clues<'a> {
    /// What our own row of its service case says.
    pub case: Option<&'a TaskReference>,
    /// What the case carries for programs.
    pub carried: Option<&'a str>,
    /// What the supporter noted.
    pub note: Option<&'a str>,
    /// What the case was about.
    pub description: Option<&'a str>,
    /// Whether the task of the case is known already. What people write then changes nothing about it.
    pub is_settled: bool,
}

/// The task that a connection belongs to. What programs wrote completes each other; a text for people counts alone,
/// since it may well mention another task besides. A case of our own that names no task has none, whatever stands in its
/// description; its supporter may still have noted one.
pub fn task(clues: Clues<'_>) -> Option<TaskReference> {
    let carried = clues.carried.and_then(TaskReference::from_note);
    let is_ours = clues.carried.is_some_and(TaskReference::is_own_note);
    let (case, description) = if is_ours && carried.is_none() {
        (None, None)
    } else {
        (clues.case, clues.description)
    };
    if let Some(case) = case.filter(|case| case.is_known()) {
        return Some(case.clone().or(carried.as_ref()));
    }
    let texts = [clues.note, description];
    let texts = texts.into_iter().flatten().filter(|_| !clues.is_settled);
    carried.or_else(|| texts.into_iter().find_map(TaskReference::in_text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn best_clue_counts_and_texts_for_people_last() {
        let number = |number: &str| TaskReference::in_text(number);
        let case = TaskReference {
            sys_id: Some("0".repeat(32)),
            ..TaskReference::default()
        };
        let unknown = TaskReference::default();
        let all = Clues {
            case: Some(&case),
            carried: Some(r#"{"inst":"dev1","number":"INC0010001","table":"incident"}"#),
            note: Some("see INC0010002"),
            description: Some("INC0010003"),
            is_settled: false,
        };
        let both = TaskReference {
            sys_id: case.sys_id.clone(),
            instance: Some("dev1".to_owned()),
            ..number("INC0010001").unwrap()
        };
        for (clues, expected) in [
            (all, Some(both)),
            (
                Clues {
                    carried: None,
                    ..all
                },
                Some(case.clone()),
            ),
            (
                Clues {
                    case: Some(&unknown),
                    carried: Some(r#"{"key":"somebody else's"}"#),
                    ..all
                },
                number("INC0010002"),
            ),
            (
                Clues {
                    description: all.description,
                    ..Clues::default()
                },
                number("INC0010003"),
            ),
            (
                Clues {
                    case: None,
                    carried: None,
                    is_settled: true,
                    ..all
                },
                None,
            ),
            (Clues::default(), None),
            // A case of our own, which a workflow has created without a task.
            (
                Clues {
                    carried: Some(r#"{"key":"tk_1"}"#),
                    note: None,
                    ..all
                },
                None,
            ),
            (
                Clues {
                    carried: Some(r#"{"key":"tk_1"}"#),
                    ..all
                },
                number("INC0010002"),
            ),
        ] {
            assert_eq!(task(clues), expected, "{clues:?}");
        }
    }
}
