//! From a task's input to what ServiceNow is sent, and from its answers to what a task leaves behind.
//! Pure; the only place of this function that knows ServiceNow's column names.

pub(crate) mod preview;
mod state;

use std::collections::BTreeMap;

use domain::TaskKey;
use domain::task::servicenow::{
    ColumnName, CreateRecord, GroupKey, PersonKey, RecordKey, Reference, UpdateRecord,
};
use domain::task::value::{FieldValue, Level, Text};
use domain::task::{self, InputError, Rendered};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use servicenow::{
    Column, CorrelationId, Difference, Error, InvalidInput, Journal, QueryText, Record,
    RecordNumber, ReferenceKey, SysId, Table,
};

/// Says in each record whose `correlation_id` it carries.
const SOURCE: &str = "closedloop";
const CORRELATION_ID: &str = "correlation_id";
const CORRELATION_DISPLAY: &str = "correlation_display";
/// Columns to which a write appends.
const JOURNALS: [&str; 2] = ["comments", "work_notes"];
/// Fields of a task that must not be blank: all others count as not given when they are.
const REQUIRED: [&str; 3] = ["table", "number", "sys_id"];
/// Fields that may hold what is to be looked up.
const REFERENCES: [&str; 2] = ["assignment_group", "assigned_to"];
const STATE: &str = "state";
/// Where in a task's input a column belongs that a data policy asks for, by its label on the form. Labels that
/// mean other columns in some tables come with the table.
const LABELS: [(Option<&str>, &str, &str); 19] = [
    (Some("problem"), "Resolution code", "fields.resolution_code"),
    (None, "Resolution code", "fields.close_code"),
    (None, "Close code", "fields.close_code"),
    (None, "Resolution notes", "fields.close_notes"),
    (None, "Close notes", "fields.close_notes"),
    (Some("incident"), "On hold reason", "fields.hold_reason"),
    (None, "On hold reason", "fields.on_hold_reason"),
    (None, "Hold reason", "fields.hold_reason"),
    (None, "Cause notes", "fields.cause_notes"),
    (None, "Fix notes", "fields.fix_notes"),
    (None, "Duplicate of", "fields.duplicate_of"),
    (None, "Caller", "fields.caller_id"),
    (None, "Category", "fields.category"),
    (None, "Additional comments", "comment"),
    (None, "Work notes", "work_note"),
    (None, "Short description", "short_description"),
    (None, "Description", "description"),
    (None, "Assigned to", "assigned_to"),
    (None, "Assignment group", "assignment_group"),
];
/// Longest value that a warning repeats, in characters.
const LONGEST_VALUE: usize = 80;

/// A record to create.
#[derive(Debug)]
pub(crate) struct NewRecord {
    /// Where.
    pub(crate) table: Table,
    /// With what.
    pub(crate) fields: BTreeMap<Column, String>,
    /// With whom besides.
    pub(crate) look_ups: Vec<LookUp>,
    /// What the record can be recognised by.
    pub(crate) correlation: Correlation,
}

/// Whose `correlation_id` a new record carries.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Correlation {
    /// The task's key: a record that carries it was created by this task.
    Ours(CorrelationId),
    /// What the task's `fields` say. Other records may carry the same.
    Theirs(String),
}

/// A record to change, and how.
#[derive(Debug)]
pub(crate) struct Change {
    /// Where it is.
    pub(crate) table: Table,
    /// Which one.
    pub(crate) record: Which,
    /// What becomes of it.
    pub(crate) fields: BTreeMap<Column, String>,
    /// To whom it points from then on.
    pub(crate) look_ups: Vec<LookUp>,
}

/// What a record to change is found by.
#[derive(Debug)]
pub(crate) enum Which {
    Number(RecordNumber),
    Id(SysId),
}

/// A column that gets the id of somebody who is not known yet.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct LookUp {
    /// The task's field.
    pub(crate) field: &'static str,
    /// The column that it sets.
    pub(crate) column: Column,
    /// What is compared.
    pub(crate) key: ReferenceKey,
    /// With what.
    pub(crate) value: QueryText,
}

/// Why a task is given up without, or in spite of, a working instance. Somebody must act; the text says how.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Problem {
    #[error("the task's input cannot be used: {0}")]
    Input(InputError),
    #[error("the task's input cannot be used: {0}")]
    Name(#[from] InvalidInput),
    #[error("`fields.{column}` and `{field}` both set the column `{column}`: give it once")]
    SetTwice { column: Column, field: &'static str },
    #[error("there is nothing to change: every field is absent or blank")]
    NothingToChange,
    #[error(
        "an earlier attempt may have created the record, and the table `{0}` cannot be searched for the task's key: it has no `correlation_id`, or the account may not read it. Nothing was written. Add the column or the right and retry the run, or create the record by hand if it is missing"
    )]
    NoCorrelation(Table),
    #[error(
        "an earlier attempt may have created the record, and the task's own `correlation_id` is none that can be searched for (1 to 100 letters, digits, hyphens and underscores). Nothing was written. Create the record by hand if it is missing, and leave `correlation_id` to the task"
    )]
    Unsearchable,
    #[error(
        "an earlier attempt may have created the record: {found} carries the task's own `correlation_id`, but so may records of others. Nothing was written. Create the record by hand if {found} is another one, and leave `correlation_id` to the task"
    )]
    PerhapsCreated {
        /// The record's number, or its id.
        found: String,
    },
}

/// Reads the input of `servicenow.create_record`. Blank values are left out.
pub(crate) fn new_record(input: &Value, key: &TaskKey) -> Result<NewRecord, Problem> {
    let input: CreateRecord<Rendered> =
        task::read(&without_blanks(input)).map_err(Problem::Input)?;
    input.check().map_err(Problem::Input)?;
    let table = Table::parse(input.table.as_str())?;
    let Columns {
        mut fields,
        look_ups,
    } = columns(&input, OnNull::Skip)?;
    let theirs = fields.get(&Column::parse(CORRELATION_ID)?).cloned();
    let correlation = if let Some(theirs) = theirs {
        Correlation::Theirs(theirs)
    } else {
        let ours = CorrelationId::parse(key.as_str())?;
        fields.insert(Column::parse(CORRELATION_ID)?, ours.to_string());
        fields
            .entry(Column::parse(CORRELATION_DISPLAY)?)
            .or_insert_with(|| SOURCE.to_owned());
        Correlation::Ours(ours)
    };
    Ok(NewRecord {
        table,
        fields,
        look_ups,
        correlation,
    })
}

/// Reads the input of `servicenow.update_record`. Blank values leave a column as it is; only null in
/// `fields` clears it.
pub(crate) fn change(input: &Value) -> Result<Change, Problem> {
    let UpdateRecord::<Rendered> { record, change } =
        task::read(&without_blanks(input)).map_err(Problem::Input)?;
    change.check().map_err(Problem::Input)?;
    let Columns { fields, look_ups } = columns(&change, OnNull::Clear)?;
    if fields.is_empty() && look_ups.is_empty() {
        return Err(Problem::NothingToChange);
    }
    Ok(Change {
        table: Table::parse(change.table.as_str())?,
        record: match record {
            RecordKey::Number(number) => Which::Number(RecordNumber::parse(number.as_str())?),
            RecordKey::SysId(sys_id) => Which::Id(SysId::parse(sys_id.as_str())?),
        },
        fields,
        look_ups,
    })
}

/// What to do about a call that a data policy refused, beside what the instance says; nothing for other errors.
pub(crate) fn advice(error: &Error) -> Option<String> {
    if !error.is_data_policy() {
        return None;
    }
    let places: Vec<String> = error
        .mandatory_fields()
        .into_iter()
        .map(|label| place_of(error.table.as_str(), label))
        .collect();
    Some(if places.is_empty() {
        "a data policy of the table asks for more: give the columns that it names under `fields`"
            .to_owned()
    } else {
        format!(
            "a data policy of the table asks for more: give {}",
            places.join(", ")
        )
    })
}

fn place_of(table: &str, label: &str) -> String {
    let place = LABELS.into_iter().find(|(only_in, known, _)| {
        only_in.is_none_or(|only_in| only_in == table) && known.eq_ignore_ascii_case(label)
    });
    match place {
        Some((_, _, place)) => format!("`{place}` ({label})"),
        None => format!("the column labelled {label} under `fields`"),
    }
}

/// Whether writing these columns twice would leave two entries.
pub(crate) fn appends(fields: &BTreeMap<Column, String>) -> bool {
    fields.keys().any(is_journal)
}

/// Whether one of the texts that the write appends is in the journal.
pub(crate) fn was_appended(
    fields: &BTreeMap<Column, String>,
    journal: &Journal,
    since: Timestamp,
) -> bool {
    fields
        .iter()
        .any(|(column, text)| is_journal(column) && journal.contains(column.as_str(), text, since))
}

/// The body of a write, as the run keeps it.
pub(crate) fn body(fields: &BTreeMap<Column, String>) -> Value {
    fields
        .iter()
        .map(|(column, value)| (column.to_string(), Value::from(value.as_str())))
        .collect()
}

/// What the task leaves for later ones.
pub(crate) fn output(record: &Record, link: &str) -> Map<String, Value> {
    [
        ("table", json!(record.table.as_str())),
        ("sys_id", json!(record.sys_id.as_str())),
        ("number", json!(record.number)),
        ("link", json!(link)),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}

/// What the instance did not keep as it was sent, a sentence each.
pub(crate) fn warnings(sent: &BTreeMap<Column, String>, stored: &Record) -> Vec<String> {
    servicenow::differences(sent, stored)
        .iter()
        .filter_map(|difference| {
            if !sent.contains_key(&difference.column) {
                return Some(format!(
                    "`{}`: it is {}, although `{STATE}` was sent and kept as {}; the instance may go by it",
                    difference.column,
                    excerpt(difference.stored.as_deref().unwrap_or_default()),
                    excerpt(&difference.sent)
                ));
            }
            let mut text = warning(difference)?;
            if stored.table.as_str() == "problem" && difference.column.as_str() == STATE {
                text.push_str("; recent instances move a problem by its own actions only, not by writing its state");
            }
            Some(text)
        })
        .collect()
}

fn warning(difference: &Difference) -> Option<String> {
    let Difference {
        column,
        sent,
        stored,
    } = difference;
    let lost = stored.as_deref().is_none_or(str::is_empty);
    if column.as_str() == CORRELATION_DISPLAY && lost {
        return None;
    }
    if column.as_str() == CORRELATION_ID && lost {
        return Some(format!(
            "`{column}`: the table does not keep it, so had the answer been lost, nobody could tell that the record was created"
        ));
    }
    Some(match stored.as_deref() {
        None => format!(
            "`{column}`: the answer does not have it; the table has no such column, or the account may not see it"
        ),
        Some("") => format!(
            "`{column}`: sent {}, kept nothing; the account may not write it, or the table does not know the value",
            excerpt(sent)
        ),
        Some(stored) if is_same_text(sent, stored) => return None,
        // Short values are shown: `1` for `104` is another number, not a shorter text.
        Some(stored) if sent.starts_with(stored) && sent.chars().count() > LONGEST_VALUE => {
            format!(
                "`{column}`: sent {} characters, kept {}",
                sent.chars().count(),
                stored.chars().count()
            )
        }
        Some(stored) => format!(
            "`{column}`: sent {}, kept {}",
            excerpt(sent),
            excerpt(stored)
        ),
    })
}

/// Line ends and outer space may be stored in another way; nobody misses anything.
fn is_same_text(a: &str, b: &str) -> bool {
    a.split_whitespace().eq(b.split_whitespace())
}

fn excerpt(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match text.char_indices().nth(LONGEST_VALUE) {
        _ if text.is_empty() => "nothing".to_owned(),
        None => format!("`{text}`"),
        Some((end, _)) => format!("`{}…`", text.get(..end).unwrap_or_default()),
    }
}

/// What null in `fields` means.
#[derive(Clone, Copy, PartialEq, Eq)]
enum OnNull {
    /// A new record has nothing to clear.
    Skip,
    Clear,
}

/// What a task's input sets.
struct Columns {
    fields: BTreeMap<Column, String>,
    look_ups: Vec<LookUp>,
}

/// A field of the form with the column that it sets.
struct FormValue {
    field: &'static str,
    column: &'static str,
    value: String,
}

fn columns(input: &CreateRecord<Rendered>, on_null: OnNull) -> Result<Columns, Problem> {
    let mut fields = BTreeMap::new();
    let mut set_by = BTreeMap::new();
    let mut look_ups = Vec::new();
    for reference in references(input)? {
        match reference {
            Pointer::Known(value) => {
                let column = Column::parse(value.column)?;
                set_by.insert(column.clone(), value.field);
                fields.insert(column, value.value);
            }
            Pointer::Sought(look_up) => {
                set_by.insert(look_up.column.clone(), look_up.field);
                look_ups.push(look_up);
            }
        }
    }
    for FormValue {
        field,
        column,
        value,
    } in form_values(input)
    {
        let column = Column::parse(column)?;
        set_by.insert(column.clone(), field);
        fields.insert(column, value);
    }
    for (name, value) in &input.fields {
        let Some((column, value)) = additional(name, value, on_null)? else {
            continue;
        };
        if let Some(field) = set_by.get(&column) {
            return Err(Problem::SetTwice { column, field });
        }
        fields.insert(column, value);
    }
    Ok(Columns { fields, look_ups })
}

/// A column that points to somebody.
enum Pointer {
    Known(FormValue),
    Sought(LookUp),
}

fn references(input: &CreateRecord<Rendered>) -> Result<Vec<Pointer>, Problem> {
    const GROUP: &str = "assignment_group";
    const PERSON: &str = "assigned_to";
    let known = |field, id: &domain::task::servicenow::SysId| {
        Pointer::Known(FormValue {
            field,
            column: field,
            value: id.as_str().to_owned(),
        })
    };
    let sought = |field, key, text: &str| {
        Ok::<_, Problem>(Pointer::Sought(LookUp {
            field,
            column: Column::parse(field)?,
            key,
            value: QueryText::parse(text)?,
        }))
    };
    let mut pointers = Vec::new();
    match &input.assignment_group {
        None => {}
        Some(Reference::Id(id)) => pointers.push(known(GROUP, id)),
        Some(Reference::By(GroupKey::Name, name)) => {
            pointers.push(sought(GROUP, ReferenceKey::GroupName, name.as_str())?);
        }
    }
    match &input.assigned_to {
        None => {}
        Some(Reference::Id(id)) => pointers.push(known(PERSON, id)),
        Some(Reference::By(key, text)) => {
            let key = match key {
                PersonKey::Email => ReferenceKey::UserEmail,
                PersonKey::Name => ReferenceKey::UserFullName,
                PersonKey::UserName => ReferenceKey::UserName,
            };
            pointers.push(sought(PERSON, key, text.as_str())?);
        }
    }
    Ok(pointers)
}

fn form_values(input: &CreateRecord<Rendered>) -> Vec<FormValue> {
    let text = |text: &Option<Text>| text.as_ref().map(|text| text.as_str().to_owned());
    let plain = [
        ("urgency", "urgency", input.urgency.map(level)),
        ("impact", "impact", input.impact.map(level)),
        ("comment", "comments", text(&input.comment)),
        ("work_note", "work_notes", text(&input.work_note)),
        ("description", "description", text(&input.description)),
        (
            "short_description",
            "short_description",
            text(&input.short_description),
        ),
    ];
    let mut values: Vec<FormValue> = plain
        .into_iter()
        .filter_map(|(field, column, value)| {
            let value = value?;
            Some(FormValue {
                field,
                column,
                value,
            })
        })
        .collect();
    if let Some(state) = input.state {
        let writes = state::writes(input.table.as_str(), state);
        values.extend(writes.into_iter().map(|(column, value)| FormValue {
            field: STATE,
            column,
            value,
        }));
    }
    values
}

fn additional(
    name: &ColumnName,
    value: &FieldValue,
    on_null: OnNull,
) -> Result<Option<(Column, String)>, Problem> {
    let column = Column::parse(name.as_str())?;
    let text = match (value.as_json(), on_null) {
        (Value::Null, OnNull::Skip) => return Ok(None),
        (Value::Null, OnNull::Clear) => return Ok(Some((column, String::new()))),
        (value, OnNull::Skip | OnNull::Clear) => plain_text(value),
    };
    Ok((!text.trim().is_empty()).then_some((column, text)))
}

/// ServiceNow takes and gives text: a list is its items with commas between them.
fn plain_text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items
            .iter()
            .map(plain_text)
            .filter(|item| !item.trim().is_empty())
            .collect::<Vec<_>>()
            .join(","),
        other @ (Value::Bool(_) | Value::Number(_) | Value::Object(_)) => other.to_string(),
    }
}

/// The same numbers in every table that extends `task` (`ansible-collections/servicenow.itsm`,
/// `plugins/modules/incident.py` and `problem.py`); a table that numbers otherwise is given its own number.
fn level(level: Level) -> String {
    let number = match level {
        Level::High => 1,
        Level::Medium => 2,
        Level::Low => 3,
        Level::Number(number) => number,
    };
    number.to_string()
}

fn is_journal(column: &Column) -> bool {
    JOURNALS.contains(&column.as_str())
}

/// The input without optional fields in which piped text left nothing, so that they count as not given
/// whatever their type is.
fn without_blanks(input: &Value) -> Value {
    let Some(fields) = input.as_object() else {
        return input.clone();
    };
    fields
        .iter()
        .filter(|(name, value)| {
            let name = name.as_str();
            let blank = match value.as_object() {
                Some(form) => REFERENCES.contains(&name) && form.values().all(is_blank),
                None => value.is_string() && is_blank(value),
            };
            !blank || REQUIRED.contains(&name)
        })
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

fn is_blank(value: &Value) -> bool {
    value.is_null() || value.as_str().is_some_and(|text| text.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use domain::{RunId, TaskName};

    use super::*;

    const SYS_ID: &str = "54b947b1c30e0310c5a8fc0d05013158";
    const GROUP: &str = "d625dccec0a8016700a222a0f7900d06";

    fn key() -> TaskKey {
        let run = RunId::parse(&format!("run_{}", "0".repeat(32))).unwrap();
        TaskKey::derive(&run, &TaskName::parse("incident").unwrap())
    }

    fn created(input: &Value) -> Result<Value, String> {
        let record = new_record(input, &key()).map_err(|problem| problem.to_string())?;
        let mut body = body(&record.fields);
        assert_eq!(
            record.correlation,
            Correlation::Ours(CorrelationId::parse(key().as_str()).unwrap())
        );
        let body = body.as_object_mut().unwrap();
        assert_eq!(body.remove(CORRELATION_ID), Some(json!(key().as_str())));
        assert_eq!(body.remove(CORRELATION_DISPLAY), Some(json!("closedloop")));
        Ok(Value::Object(body.clone()))
    }

    fn changed(input: &Value) -> Result<Value, String> {
        change(input)
            .map(|change| body(&change.fields))
            .map_err(|problem| problem.to_string())
    }

    #[test]
    fn every_field_reaches_its_column() {
        let input = json!({
            "table": "incident", "assignment_group": format!(" {GROUP}\n"), "assigned_to": SYS_ID.to_uppercase(), "urgency": "High",
            "impact": "low", "state": "On hold", "comment": "For the customer", "work_note": "For agents",
            "description": "Long\ntext", "short_description": "Title",
            "fields": {
                "hold_reason": 4, "u_vip": true, "u_score": 3.5, "u_list": ["a", 2, ""], "u_text": " kept ",
            },
        });
        assert_eq!(
            created(&input).unwrap(),
            json!({
                "assignment_group": GROUP, "assigned_to": SYS_ID, "urgency": "1", "impact": "3",
                "state": "3", "comments": "For the customer", "work_notes": "For agents",
                "description": "Long\ntext", "short_description": "Title",
                "hold_reason": "4", "u_vip": "true", "u_score": "3.5", "u_list": "a,2", "u_text": " kept ",
            })
        );
    }

    #[test]
    fn levels_and_states_are_numbers() {
        for (input, expected) in [
            (json!({"urgency": "medium"}), json!({"urgency": "2"})),
            (json!({"impact": 1}), json!({"impact": "1"})),
            (json!({"urgency": "5"}), json!({"urgency": "5"})),
            (json!({"impact": -2}), json!({"impact": "-2"})),
            (json!({"state": -5}), json!({"state": "-5"})),
            (json!({"state": "6"}), json!({"state": "6"})),
            (json!({"state": "In progress"}), json!({"state": "2"})),
        ] {
            let mut input = input;
            input["table"] = json!("incident");
            assert_eq!(created(&input).unwrap(), expected, "{input}");
        }
    }

    #[test]
    fn change_on_hold_leaves_the_state() {
        let input = json!({
            "table": "change_request", "number": "CHG0030005", "state": "on_hold",
            "fields": {"on_hold_reason": "Waiting for parts"},
        });
        assert_eq!(
            changed(&input).unwrap(),
            json!({"on_hold": "true", "on_hold_reason": "Waiting for parts"})
        );
    }

    #[test]
    fn cancelled_problem_says_so_in_its_resolution() {
        let input =
            json!({"table": "problem", "state": "cancelled", "fields": {"close_notes": "x"}});
        assert_eq!(
            created(&input).unwrap(),
            json!({"state": "107", "resolution_code": "canceled", "close_notes": "x"})
        );
        let input = json!({
            "table": "problem", "state": "canceled",
            "fields": {"close_notes": "x", "resolution_code": "duplicate"},
        });
        let text = created(&input).unwrap_err();
        assert!(
            text.contains("`fields.resolution_code`") && text.contains("`state`"),
            "{text}"
        );
    }

    #[test]
    fn blank_values_are_left_out_and_null_clears_on_update_only() {
        let input = json!({
            "table": "incident", "number": "INC1", "urgency": "", "impact": null, "state": " ",
            "comment": " ", "work_note": "", "short_description": null, "assigned_to": "\n",
            "description": "kept",
            "fields": {"u_a": "", "u_b": "  ", "u_c": null, "u_d": [], "u_e": ["", null], "u_f": 0, "u_g": false},
        });
        assert_eq!(
            changed(&input).unwrap(),
            json!({"description": "kept", "u_c": "", "u_f": "0", "u_g": "false"})
        );
        let mut input = input;
        input.as_object_mut().unwrap().remove("number");
        assert_eq!(
            created(&input).unwrap(),
            json!({"description": "kept", "u_f": "0", "u_g": "false"})
        );
    }

    #[test]
    fn people_and_groups_are_sought_by_what_is_given() {
        let look_up = |field, key, value| LookUp {
            field,
            column: Column::parse(field).unwrap(),
            key,
            value: QueryText::parse(value).unwrap(),
        };
        for (input, expected) in [
            (
                json!({"assigned_to": {"email": "jane@example.com"}}),
                vec![look_up(
                    "assigned_to",
                    ReferenceKey::UserEmail,
                    "jane@example.com",
                )],
            ),
            (
                json!({"assigned_to": {"user_name": "jane.doe"}, "assignment_group": {"name": "Service Desk"}}),
                vec![
                    look_up("assignment_group", ReferenceKey::GroupName, "Service Desk"),
                    look_up("assigned_to", ReferenceKey::UserName, "jane.doe"),
                ],
            ),
            (
                json!({"assigned_to": {"name": "Jane Doe"}}),
                vec![look_up(
                    "assigned_to",
                    ReferenceKey::UserFullName,
                    "Jane Doe",
                )],
            ),
            // What piped text left blank counts as not given.
            (json!({"assigned_to": {"email": " "}}), vec![]),
            (
                json!({"assigned_to": {"email": null}, "assignment_group": ""}),
                vec![],
            ),
        ] {
            let mut input = input;
            input["table"] = json!("incident");
            assert_eq!(
                new_record(&input, &key()).unwrap().look_ups,
                expected,
                "{input}"
            );
            input["number"] = json!("INC1");
            match change(&input) {
                Ok(change) => assert_eq!(change.look_ups, expected, "{input}"),
                Err(problem) => assert_eq!((problem, expected), (Problem::NothingToChange, vec![])),
            }
        }
        let text = changed(&json!({
            "table": "incident", "number": "INC1",
            "assigned_to": {"name": "Jane Doe"}, "fields": {"assigned_to": SYS_ID},
        }));
        assert!(text.unwrap_err().contains("give it once"));
    }

    #[test]
    fn record_is_named_by_number_or_id() {
        let change = |name: &str, value: &str| {
            let mut input = json!({"table": "incident", "comment": "a"});
            input[name] = json!(value);
            super::change(&input).unwrap().record
        };
        assert!(
            matches!(change("number", " INC1 "), Which::Number(number) if number.as_str() == "INC1")
        );
        assert!(matches!(change("sys_id", SYS_ID), Which::Id(id) if id.as_str() == SYS_ID));
    }

    #[test]
    fn label_leads_to_its_place_in_the_task() {
        for (table, label, expected) in [
            (
                "incident",
                "Resolution code",
                "`fields.close_code` (Resolution code)",
            ),
            (
                "problem",
                "Resolution code",
                "`fields.resolution_code` (Resolution code)",
            ),
            (
                "incident",
                "On hold reason",
                "`fields.hold_reason` (On hold reason)",
            ),
            (
                "change_request",
                "On hold reason",
                "`fields.on_hold_reason` (On hold reason)",
            ),
            ("incident", "assigned to", "`assigned_to` (assigned to)"),
            (
                "incident",
                "Région",
                "the column labelled Région under `fields`",
            ),
        ] {
            assert_eq!(place_of(table, label), expected);
        }
    }

    #[test]
    fn update_of_nothing_is_refused() {
        for input in [
            json!({"table": "incident", "number": "INC1"}),
            json!({"table": "incident", "number": "INC1", "comment": " ", "fields": {"u_a": ""}}),
        ] {
            assert_eq!(change(&input).unwrap_err(), Problem::NothingToChange);
        }
    }

    #[test]
    fn column_that_is_set_twice_names_both_fields() {
        for (input, custom, form) in [
            (
                json!({"comment": "a", "fields": {"comments": "b"}}),
                "fields.comments",
                "comment",
            ),
            (
                json!({"work_note": "a", "fields": {"work_notes": "b"}}),
                "fields.work_notes",
                "work_note",
            ),
            (
                json!({"urgency": 1, "fields": {"urgency": 1}}),
                "fields.urgency",
                "urgency",
            ),
            (
                json!({"state": 2, "fields": {"state": 3}}),
                "fields.state",
                "state",
            ),
            (
                json!({"description": "a", "fields": {"description": null}}),
                "fields.description",
                "description",
            ),
        ] {
            let mut input = input;
            input["table"] = json!("incident");
            input["number"] = json!("INC1");
            let text = changed(&input).unwrap_err();
            assert!(
                text.contains(&format!("`{custom}`")) && text.contains(&format!("`{form}`")),
                "{text}"
            );
        }
        let input = json!({"table": "incident", "comment": "", "fields": {"comments": "b"}});
        assert_eq!(created(&input).unwrap(), json!({"comments": "b"}));
    }

    #[test]
    fn input_that_cannot_be_used_tells_why() {
        for (input, expected) in [
            (json!({"table": "", "number": "INC1"}), "a table's name"),
            (
                json!({"table": "incident", "comment": "a"}),
                "neither `number` nor `sys_id`",
            ),
            (
                json!({"table": "incident", "sys_id": "", "comment": "a"}),
                "sys_id: found ``",
            ),
            (
                json!({"table": "incident", "number": "INC1", "assigned_to": "David Loo"}),
                "to look for the person give {email: …}",
            ),
            (
                json!({"table": "incident", "number": "INC1", "assigned_to": {"name": "x^ORactive=true"}}),
                "assigned_to: name: found `x^ORactive=true`",
            ),
            (
                json!({"table": "incident", "number": "INC1", "x": 1}),
                "unknown field `x`",
            ),
            (
                json!({"table": "incident", "number": " ", "comment": "a"}),
                "a record's number",
            ),
            (
                json!({"table": "incident", "number": "INC1^ORactive=true", "comment": "a"}),
                "a record's number",
            ),
            (
                json!({"table": "incident", "number": "INC1", "fields": {"sys_id": "a"}}),
                "`sys_id`",
            ),
            (
                json!({"table": "incident", "number": "INC1", "urgency": "soon"}),
                "`soon`",
            ),
            (
                json!({"table": "incident", "number": "INC1", "state": "resolved"}),
                "`close_code`",
            ),
            (
                json!({"table": "ticket", "number": "T1", "state": "resolved"}),
                "`ticket`",
            ),
        ] {
            let text = changed(&input).unwrap_err();
            assert!(text.contains(expected), "{text}");
        }
    }

    #[test]
    fn correlation_id_of_the_task_itself_wins() {
        let input = json!({"table": "incident", "fields": {"correlation_id": "crm/7"}});
        let record = new_record(&input, &key()).unwrap();
        assert_eq!(record.correlation, Correlation::Theirs("crm/7".to_owned()));
        assert_eq!(body(&record.fields), json!({"correlation_id": "crm/7"}));
        for blank in [json!(""), json!(null)] {
            let input = json!({"table": "incident", "fields": {"correlation_id": blank}});
            assert_eq!(created(&input).unwrap(), json!({}));
        }
    }

    #[test]
    fn warnings_tell_what_was_sent_and_what_was_kept() {
        let long = "x".repeat(200);
        for (sent, stored, expected) in [
            ("a", Some("a"), None),
            ("a\nb ", Some("a\r\nb"), None),
            (
                long.as_str(),
                Some(&long[..160]),
                Some("`u_c`: sent 200 characters, kept 160"),
            ),
            (
                "standard",
                Some("normal"),
                Some("`u_c`: sent `standard`, kept `normal`"),
            ),
            ("", Some("x"), Some("`u_c`: sent nothing, kept `x`")),
            (
                "9",
                Some(""),
                Some(
                    "`u_c`: sent `9`, kept nothing; the account may not write it, or the table does not know the value",
                ),
            ),
            (
                "9",
                None,
                Some(
                    "`u_c`: the answer does not have it; the table has no such column, or the account may not see it",
                ),
            ),
        ] {
            let difference = Difference {
                column: Column::parse("u_c").unwrap(),
                sent: sent.to_owned(),
                stored: stored.map(str::to_owned),
            };
            assert_eq!(warning(&difference).as_deref(), expected, "{sent}");
        }
        assert_eq!(excerpt(&long), format!("`{}…`", "x".repeat(80)));
    }

    #[test]
    fn state_that_did_not_take_is_explained() {
        let warnings = |table: &str, kept: &Value| {
            let sent = [(Column::parse("state").unwrap(), "104".to_owned())].into();
            let kept = kept.as_object().unwrap().iter();
            let stored = Record {
                table: Table::parse(table).unwrap(),
                sys_id: SysId::parse(SYS_ID).unwrap(),
                number: None,
                fields: kept
                    .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
                    .collect(),
            };
            super::warnings(&sent, &stored).join(" | ")
        };
        assert_eq!(
            warnings("problem", &json!({"state": "101", "problem_state": "101"})),
            "`state`: sent `104`, kept `101`; recent instances move a problem by its own actions only, not by writing its state"
        );
        assert_eq!(
            warnings("problem", &json!({"state": "104", "problem_state": "101"})),
            "`problem_state`: it is `101`, although `state` was sent and kept as `104`; the instance may go by it"
        );
        assert_eq!(
            warnings("u_visit", &json!({"state": "1"})),
            "`state`: sent `104`, kept `1`"
        );
        let same = json!({"state": "104", "problem_state": "104"});
        assert_eq!(warnings("problem", &same), "");
    }

    #[test]
    fn table_without_correlation_gives_one_warning() {
        let record = new_record(&json!({"table": "u_visit"}), &key()).unwrap();
        let stored = Record {
            table: record.table.clone(),
            sys_id: SysId::parse(SYS_ID).unwrap(),
            number: None,
            fields: BTreeMap::new(),
        };
        let warnings = warnings(&record.fields, &stored);
        assert_eq!(warnings.len(), 1);
        assert!(warnings[0].starts_with("`correlation_id`: the table does not keep it"));
        let output = output(&stored, "https://x");
        let promised = domain::TaskKind::ServiceNowCreateRecord.outputs();
        assert_eq!(output.len(), promised.len());
        assert!(promised.iter().all(|name| output.contains_key(*name)));
        assert_eq!(output["number"], Value::Null);
    }
}
