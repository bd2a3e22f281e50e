//! Which ServiceNow task a connection or a service case belongs to.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The most bytes of a text in which a reference is looked for. Longer ones are looked through up to here.
const LONGEST_NOTE: usize = 4_000;
/// The most characters of a part of a reference.
const LONGEST_PART: usize = 80;
/// How the keys begin that we write into cases: those of workflows' tasks, and those of cases that people create.
const OWN_KEYS: [&str; 2] = ["tk_", "tvc_"];
/// The table that all tables of tasks extend. Who names it does not say which table a task belongs to.
const EVERY_TASK: &str = "task";

/// A ServiceNow task, as far as it is known: in a note there is a number and nothing else.
///
/// It lies in rows, which an older version must be able to read: fields that are unknown are passed over.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct TaskReference {
    /// The instance, such as `dev12345`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// The table, such as `incident`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// The record's id: 32 hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sys_id: Option<String>,
    /// The record's number, such as `INC0010001`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<String>,
}

/// How ServiceNow's usual tables of tasks number their records.
///
/// Source: <https://www.servicenow.com/docs/bundle/zurich-platform-administration/page/administer/field-administration/concept/c_NumberMaintenance.html>
const NUMBER_PREFIXES: [(&str, Option<&str>); 12] = [
    ("INC", Some("incident")),
    ("PRB", Some("problem")),
    ("PTASK", Some("problem_task")),
    ("CHG", Some("change_request")),
    ("CTASK", Some("change_task")),
    ("REQ", Some("sc_request")),
    ("RITM", Some("sc_req_item")),
    ("SCTASK", Some("sc_task")),
    ("RLSE", Some("rm_release")),
    ("RTSK", Some("release_task")),
    ("TKT", Some("ticket")),
    ("TASK", None),
];
/// The fewest and the most digits of a number.
const NUMBER_DIGITS: std::ops::RangeInclusive<usize> = 5..=10;

impl TaskReference {
    /// Whether it says which record is meant.
    pub fn is_known(&self) -> bool {
        self.sys_id.is_some() || self.number.is_some()
    }

    /// Whether this is how the ids of records look: 32 hexadecimal digits.
    pub fn is_sys_id(text: &str) -> bool {
        text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
    }

    /// The reference that people type: an id or a number.
    pub fn of_key(key: &str) -> Option<Self> {
        let key = key.trim();
        if Self::is_sys_id(key) {
            let sys_id = Some(key.to_ascii_lowercase());
            return Some(Self {
                sys_id,
                ..Self::default()
            });
        }
        let number = part(key)?.to_ascii_uppercase();
        let fits = number
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
        fits.then(|| Self {
            number: Some(number),
            ..Self::default()
        })
    }

    /// What a case carries for us at the vendor: a JSON object, with the key of whoever created it. At most 4,000
    /// characters, which these parts never reach.
    pub fn to_note(&self, key: &str) -> String {
        let mut note = json!({"key": key});
        let parts = [
            ("inst", &self.instance),
            ("table", &self.table),
            ("sys_id", &self.sys_id),
            ("number", &self.number),
        ];
        for (name, value) in parts {
            if let (Some(value), Value::Object(fields)) = (value, &mut note) {
                fields.insert(name.to_owned(), Value::from(value.as_str()));
            }
        }
        note.to_string()
    }

    /// The reference in what a case carries; `None` where there is none. Reads the objects of [`Self::to_note`], whoever
    /// wrote them, and otherwise looks for a number.
    pub fn from_note(note: &str) -> Option<Self> {
        let Ok(Value::Object(fields)) = serde_json::from_str(note) else {
            return Self::in_text(note);
        };
        let text = |names: [&str; 2]| {
            names
                .iter()
                .find_map(|name| part(fields.get(*name)?.as_str()?))
        };
        let sys_id = text(["sys_id", "sysId"])
            .filter(|id| Self::is_sys_id(id))
            .map(|id| id.to_ascii_lowercase());
        let found = Self {
            instance: text(["inst", "instance"]).map(|instance| instance.to_ascii_lowercase()),
            table: text(["table", "table_name"]).filter(|table| {
                table
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
            }),
            sys_id,
            number: text(["number", "task_number"])
                .and_then(|number| Self::of_key(&number)?.number),
        };
        found.is_known().then_some(found)
    }

    /// The key in what a case carries, see [`Self::to_note`].
    pub fn key_in_note(note: &str) -> Option<String> {
        let fields: Value = serde_json::from_str(note).ok()?;
        Some(fields.get("key")?.as_str()?.to_owned())
    }

    /// Whether we have written what a case carries. Then it alone says which task the case is of, even that it is of none:
    /// the case's description may be a customer's words.
    pub fn is_own_note(note: &str) -> bool {
        let key = Self::key_in_note(note);
        key.is_some_and(|key| OWN_KEYS.iter().any(|own| key.starts_with(own)))
    }

    /// The first number of a task that stands in a text for people, such as `INC0010001`. Case does not matter; what is
    /// part of a longer word is none.
    pub fn in_text(text: &str) -> Option<Self> {
        let mut end = text.len().min(LONGEST_NOTE);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.get(..end)?
            .split(|character: char| !character.is_alphanumeric() && character != '_')
            .find_map(of_number)
    }

    /// Both together: what this one does not know is taken from the other, if they can be the same record.
    #[must_use]
    pub fn or(self, other: Option<&Self>) -> Self {
        let Some(other) = other.filter(|other| self.fits(other)) else {
            return self;
        };
        Self {
            instance: self.instance.or_else(|| other.instance.clone()),
            table: self.table.or_else(|| other.table.clone()),
            sys_id: self.sys_id.or_else(|| other.sys_id.clone()),
            number: self.number.or_else(|| other.number.clone()),
        }
    }

    /// Whether both may mean the same record: nothing that both say differs. Tables are often guessed from the number, or
    /// are those that others extend: they count only where one says the id and the other the number.
    pub fn fits(&self, other: &Self) -> bool {
        let same = |one: &Option<String>, two: &Option<String>| match (one, two) {
            (Some(one), Some(two)) => Some(one.eq_ignore_ascii_case(two)),
            (None, _) | (_, None) => None,
        };
        let keys = [
            same(&self.sys_id, &other.sys_id),
            same(&self.number, &other.number),
        ];
        if keys.contains(&Some(false)) || same(&self.instance, &other.instance) == Some(false) {
            return false;
        }
        let are_keyed = self.is_known() && other.is_known();
        let is_base = |one: &Self| {
            let table = one.table.as_deref();
            table.is_some_and(|table| table.eq_ignore_ascii_case(EVERY_TASK))
        };
        keys.contains(&Some(true))
            || !are_keyed
            || is_base(self)
            || is_base(other)
            || same(&self.table, &other.table) != Some(false)
    }
}

fn of_number(word: &str) -> Option<TaskReference> {
    let digits = word.bytes().rev().take_while(u8::is_ascii_digit).count();
    if !NUMBER_DIGITS.contains(&digits) {
        return None;
    }
    let prefix = word.get(..word.len() - digits)?;
    let (_, table) = NUMBER_PREFIXES
        .iter()
        .find(|(known, _)| prefix.eq_ignore_ascii_case(known))?;
    Some(TaskReference {
        table: table.map(str::to_owned),
        number: Some(word.to_ascii_uppercase()),
        ..TaskReference::default()
    })
}

/// A part that can be one: not blank, one line, of limited length.
fn part(text: &str) -> Option<String> {
    let text = text.trim();
    let fits = !text.is_empty()
        && text.chars().count() <= LONGEST_PART
        && !text.chars().any(char::is_control);
    fits.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SYS_ID: &str = "00112233445566778899aabbccddeeff";

    fn reference(
        instance: Option<&str>,
        table: Option<&str>,
        sys_id: Option<&str>,
        number: Option<&str>,
    ) -> TaskReference {
        let text = |text: Option<&str>| text.map(str::to_owned);
        TaskReference {
            instance: text(instance),
            table: text(table),
            sys_id: text(sys_id),
            number: text(number),
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let known = reference(
            Some("dev12345"),
            Some("incident"),
            Some(SYS_ID),
            Some("INC0010001"),
        );
        let note = known.to_note("tk_1");
        assert_eq!(TaskReference::from_note(&note), Some(known));
        assert_eq!(TaskReference::key_in_note(&note).as_deref(), Some("tk_1"));
        let nothing = TaskReference::default().to_note("tk_2");
        assert_eq!(TaskReference::from_note(&nothing), None);
        assert_eq!(
            TaskReference::key_in_note(&nothing).as_deref(),
            Some("tk_2")
        );
        assert!(TaskReference::is_own_note(&note) && TaskReference::is_own_note(&nothing));
        for other in [
            r#"{"key": "PRJ-1"}"#,
            r#"{"number": "INC0010001"}"#,
            "tk_2",
            "",
        ] {
            assert!(!TaskReference::is_own_note(other), "{other}");
        }
    }

    #[test]
    fn odd_notes_give_what_can_be_trusted_and_no_more() {
        let number = |number| Some(reference(None, Some("incident"), None, Some(number)));
        for (note, expected) in [
            ("", None),
            ("{}", None),
            ("[1, 2]", None),
            ("null", None),
            (r#"{"sys_id": "x^ORactive=true"}"#, None),
            (r#"{"sys_id": 7, "number": null}"#, None),
            (
                r#"{"sysId": "00112233445566778899AABBCCDDEEFF", "inst": "DEV1", "table": "in cident"}"#,
                Some(reference(Some("dev1"), None, Some(SYS_ID), None)),
            ),
            (
                r#"{"number": " inc0010001 "}"#,
                Some(reference(None, None, None, Some("INC0010001"))),
            ),
            ("Please see inc0010001.", number("INC0010001")),
            ("INC0010001", number("INC0010001")),
        ] {
            assert_eq!(TaskReference::from_note(note), expected, "{note}");
        }
    }

    #[test]
    fn number_in_a_note_is_a_word_of_its_own() {
        for (text, expected) in [
            ("done, see RITM0010023 and INC0010001", Some("RITM0010023")),
            ("(chg0000042)", Some("CHG0000042")),
            ("TASK0000042", Some("TASK0000042")),
            ("XINC0010001", None),
            ("INC0010001a", None),
            ("my_INC0010001", None),
            ("INC1", None),
            ("INC00100010001", None),
            ("ÜINC0010001", None),
            ("Invoice 0010001", None),
        ] {
            let found = TaskReference::in_text(text).and_then(|found| found.number);
            assert_eq!(found.as_deref(), expected, "{text}");
        }
        let late = format!("{} INC0010001", "ä".repeat(LONGEST_NOTE));
        assert_eq!(TaskReference::in_text(&late), None);
    }

    #[test]
    fn key_is_an_id_or_a_number() {
        let key = |text| TaskReference::of_key(text).map(|key| (key.sys_id, key.number));
        assert_eq!(key(SYS_ID), Some((Some(SYS_ID.to_owned()), None)));
        assert_eq!(
            key(" inc0010001"),
            Some((None, Some("INC0010001".to_owned())))
        );
        for wrong in ["", " ", "a b", "x^ORy", &"a".repeat(81)] {
            assert_eq!(key(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn references_complete_each_other_unless_they_disagree() {
        let number = reference(None, Some("incident"), None, Some("INC0010001"));
        let id = reference(Some("dev1"), None, Some(SYS_ID), Some("inc0010001"));
        assert_eq!(
            number.clone().or(Some(&id)),
            reference(
                Some("dev1"),
                Some("incident"),
                Some(SYS_ID),
                Some("INC0010001")
            )
        );
        let other = reference(None, None, Some(SYS_ID), Some("INC0010002"));
        assert_eq!(number.clone().or(Some(&other)), number);
        assert_eq!(number.clone().or(None), number);
    }

    #[test]
    fn table_tells_records_apart_only_where_nothing_else_does() {
        let complete = reference(
            Some("dev1"),
            Some("incident"),
            Some(SYS_ID),
            Some("INC0010001"),
        );
        for table in [None, Some("task"), Some("problem")] {
            for clue in [
                reference(None, table, None, Some("INC0010001")),
                reference(None, table, Some(SYS_ID), None),
            ] {
                assert!(complete.fits(&clue) && clue.fits(&complete), "{clue:?}");
                assert_eq!(complete.clone().or(Some(&clue)), complete);
            }
        }
        let id = |table| reference(None, Some(table), Some(SYS_ID), None);
        let number = reference(None, Some("incident"), None, Some("INC0010001"));
        assert!(id("task").fits(&number) && id("incident").fits(&number));
        assert!(!id("problem").fits(&number));
    }

    #[test]
    fn row_of_a_later_version_is_read() {
        let row = r#"{"number":"INC0010001","priority":1}"#;
        let read: TaskReference = serde_json::from_str(row).unwrap();
        assert_eq!(read, reference(None, None, None, Some("INC0010001")));
    }
}
