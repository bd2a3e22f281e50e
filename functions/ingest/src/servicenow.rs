//! Records of ServiceNow, as a business rule posts them.
//!
//! An instance has no webhook format of its own: a script chooses what it sends. What is read here is what
//! the script `endpoints/servicenow-business-rule.js` sends.

use domain::{CloudEvent, EndpointName};
use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::dates;
use crate::decide::{as_text, event, hash};
use crate::json_body::parse;
use crate::problem::{Problem, ProblemKind};
use crate::request::Request;

pub(crate) fn events(
    request: &Request,
    endpoint: &EndpointName,
    now: Timestamp,
) -> Result<Vec<CloudEvent>, Problem> {
    let Value::Object(fields) = parse(&request.body)? else {
        return Err(Problem::new(
            ProblemKind::InvalidField,
            "expected a JSON object with table and sys_id",
        ));
    };
    let table = name(&fields, "table", "a table's name, such as incident")?;
    let sys_id = name(
        &fields,
        "sys_id",
        "the record's sys_id, as current.getUniqueValue() returns it",
    )?;
    let occasion = occasion(&fields)?;
    if fields
        .get("changes")
        .is_some_and(|changes| !changes.is_object() && !changes.is_null())
    {
        return Err(Problem::field(
            "changes",
            "an object of field names and new values",
        ));
    }
    let updated = updated_on(&fields)?;
    // Of updates in the same second the modification count tells, where the script sends it, else what has changed.
    let version = fields.get("sys_mod_count").and_then(as_text);
    let version = version
        .filter(|count| count.len() <= 20)
        .or_else(|| updated.map(|updated| format!("{updated}/{}", hash(&request.body))));
    let id = match version {
        Some(version) => format!("{table}/{sys_id}/{occasion}/{version}"),
        None => hash(&request.body),
    };
    Ok(vec![event(
        endpoint,
        id,
        format!("servicenow.record.{occasion}"),
        Some(table),
        updated.unwrap_or(now),
        Value::Object(fields),
    )])
}

/// Letters, digits and what else is found in names of tables and in ids that an import has set.
fn name(fields: &Map<String, Value>, field: &str, expected: &str) -> Result<String, Problem> {
    let is_name = |text: &String| {
        text.len() <= 80
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
    };
    fields
        .get(field)
        .and_then(as_text)
        .filter(is_name)
        .ok_or_else(|| Problem::field(field, expected))
}

/// `created` or `updated`: what the script says, else what the modification count says.
///
/// `current.operation()` calls the same two `insert` and `update`.
fn occasion(fields: &Map<String, Value>) -> Result<&'static str, Problem> {
    let stated = match fields.get("event") {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => Some(text.as_str()),
        Some(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => Some(""),
    };
    match stated {
        Some("record.created" | "created" | "insert") => Ok("created"),
        Some("record.updated" | "updated" | "update") => Ok("updated"),
        Some(_) => Err(Problem::field("event", "record.created or record.updated")),
        None => {
            let count = fields.get("sys_mod_count").and_then(as_text);
            Ok(if count.as_deref() == Some("0") {
                "created"
            } else {
                "updated"
            })
        }
    }
}

fn updated_on(fields: &Map<String, Value>) -> Result<Option<Timestamp>, Problem> {
    match fields.get("updated_on") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(value) => dates::instant(value).map(Some).ok_or_else(|| {
            Problem::field(
                "updated_on",
                "UTC such as 2026-11-21 12:00:00: send the value and not the display value",
            )
        }),
    }
}
