//! What a first attempt sends, in order, from the same readings of the input as the attempt itself. What only an
//! answer can tell is named in its place.

use std::collections::BTreeMap;

use domain::preview::{PlannedRequest, unknown};
use domain::{TaskKey, TaskKind};
use serde_json::Value;
use servicenow::{Column, ReferenceKey};

use super::{Change, Correlation, LookUp, NewRecord, Problem, Which};

/// As everything that is read or written here asks for.
const PLAIN_REFERENCES: (&str, &str) = ("sysparm_exclude_reference_link", "true");

/// The requests of `servicenow.create_record`, and what is to be known beside.
pub(crate) fn of_create(
    input: &Value,
    key: &TaskKey,
) -> Result<(Vec<PlannedRequest>, Vec<String>), Problem> {
    let NewRecord {
        table,
        mut fields,
        look_ups,
        correlation,
    } = super::new_record(input, key)?;
    let mut requests = resolve(&mut fields, look_ups);
    requests.push(write("POST", &path(table.as_str()), &fields));
    let note = match correlation {
        Correlation::Ours(key) => {
            format!(
                "an attempt after a lost answer looks for a record with `correlation_id` {key} first"
            )
        }
        Correlation::Theirs(text) => format!(
            "the record carries the workflow's own `correlation_id` {text}, which others may carry, too: after a lost answer somebody may have to look for it by hand"
        ),
    };
    Ok((requests, vec![note]))
}

/// The requests of `servicenow.update_record`.
pub(crate) fn of_change(input: &Value) -> Result<Vec<PlannedRequest>, Problem> {
    let Change {
        table,
        record,
        mut fields,
        look_ups,
    } = super::change(input)?;
    let mut requests = Vec::new();
    let sys_id = match record {
        Which::Id(sys_id) => sys_id.to_string(),
        Which::Number(number) => {
            let query = format!("number={number}");
            let request = list(table.as_str(), &query, "sys_id,number,sys_class_name", "2");
            requests.push(
                request.note("the record is found by its number; none or several fail the task"),
            );
            unknown(format_args!("sys_id of {number}"))
        }
    };
    requests.extend(resolve(&mut fields, look_ups));
    let path = format!("{}/{sys_id}", path(table.as_str()));
    requests.push(write("PATCH", &path, &fields));
    Ok(requests)
}

/// What is wrong with the input, and where.
pub(crate) fn place(problem: &Problem) -> &str {
    match problem {
        Problem::Input(error) => &error.path,
        Problem::SetTwice { field, .. } => field,
        Problem::Name(_)
        | Problem::NothingToChange
        | Problem::NoCorrelation(_)
        | Problem::Unsearchable
        | Problem::PerhapsCreated { .. } => "",
    }
}

/// Refuses a task of another vendor.
pub(crate) fn foreign(kind: TaskKind) -> String {
    format!("`{kind}` is no ServiceNow task")
}

fn resolve(fields: &mut BTreeMap<Column, String>, look_ups: Vec<LookUp>) -> Vec<PlannedRequest> {
    let look_ups = look_ups.into_iter();
    look_ups
        .map(|look_up| {
            let LookUp {
                field,
                column,
                key,
                value,
            } = look_up;
            let compared = key.column();
            let whom = match key {
                ReferenceKey::UserEmail | ReferenceKey::UserFullName | ReferenceKey::UserName => {
                    "user"
                }
                ReferenceKey::GroupName => "group",
            };
            let sys_id = unknown(format_args!(
                "sys_id of the {whom} whose {compared} is {value}"
            ));
            fields.insert(column, sys_id);
            let query = format!("{compared}={value}");
            let columns = format!("sys_id,active,{compared}");
            let request = list(key.table(), &query, &columns, "20");
            request.note(format!(
                "`{field}` is the one active {whom} that is found; none or several fail the task"
            ))
        })
        .collect()
}

fn list(table: &str, query: &str, columns: &str, limit: &str) -> PlannedRequest {
    PlannedRequest::new("GET", path(table)).query([
        ("sysparm_query", query),
        ("sysparm_fields", columns),
        ("sysparm_limit", limit),
        PLAIN_REFERENCES,
    ])
}

fn write(method: &str, path: &str, fields: &BTreeMap<Column, String>) -> PlannedRequest {
    let request = PlannedRequest::new(method, path).query([PLAIN_REFERENCES]);
    request.body(super::body(fields))
}

fn path(table: &str) -> String {
    format!("/api/now/table/{table}")
}
