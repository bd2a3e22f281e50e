//! What the account kept against what it was sent. It answers success even where it dropped a custom
//! field's value or a trigger changed the ticket at once.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value;

use crate::{Assignee, CustomValue, Priority, Properties, Status, Ticket, TicketType};

/// A property that does not hold what was sent. Neither `Display` nor `Debug` shows values.
#[derive(Clone, PartialEq, Eq)]
pub struct Difference {
    /// The property's name in the API; custom fields as `custom_fields.<id>`.
    pub property: String,
    /// What was sent, as JSON.
    pub sent: Value,
    /// What is stored; `None` when the answer does not have the property, so that nobody knows.
    pub stored: Option<Value>,
}

/// Compares only what was sent: accounts fill in the rest by themselves.
///
/// Tags may have been added to, by fields and triggers, so only missing ones count. Comments and
/// metadata are not part of a stored ticket.
pub fn differences(sent: &Properties, stored: &Ticket) -> Vec<Difference> {
    let mut differences = Vec::new();
    let mut compare = |property: String,
                       sent: Value,
                       stored: Option<&Value>,
                       same: fn(&Value, &Value) -> bool| {
        if !stored.is_some_and(|stored| same(&sent, stored)) {
            differences.push(Difference {
                property,
                sent,
                stored: stored.cloned(),
            });
        }
    };
    let texts = [
        ("subject", sent.subject.as_deref()),
        ("priority", sent.priority.map(Priority::as_str)),
        ("status", sent.status.map(Status::as_str)),
        ("type", sent.ticket_type.map(TicketType::as_str)),
        ("external_id", sent.external_id.as_deref()),
    ];
    for (property, text) in texts {
        if let Some(text) = text {
            compare(
                property.to_owned(),
                Value::from(text),
                stored.fields.get(property),
                same_text,
            );
        }
    }
    let assignee = stored.fields.get("assignee_id");
    match &sent.assignee {
        Some(Assignee::Id(id)) => compare(
            "assignee_id".to_owned(),
            Value::from(*id),
            assignee,
            same_text,
        ),
        // The ticket names the agent by id only; that there is one is all that can be seen.
        Some(Assignee::Email(email)) => compare(
            "assignee_email".to_owned(),
            Value::from(email.as_str()),
            assignee,
            |_, stored| !stored.is_null(),
        ),
        None => {}
    }
    if let Some(tags) = &sent.tags {
        compare(
            "tags".to_owned(),
            Value::from(tags.clone()),
            stored.fields.get("tags"),
            |sent, stored| set_of(sent).is_subset(&set_of(stored)),
        );
    }
    let stored_fields = stored.fields.get("custom_fields").and_then(Value::as_array);
    for field in &sent.custom_fields {
        let stored = stored_fields.and_then(|fields| {
            fields
                .iter()
                .find(|stored| stored.get("id").and_then(Value::as_u64) == Some(field.id))?
                .get("value")
        });
        let same = match &field.value {
            CustomValue::Text(_) | CustomValue::Flag(_) => same_text,
            CustomValue::Choices(_) => {
                |sent: &Value, stored: &Value| set_of(sent) == set_of(stored)
            }
            CustomValue::Clear => |_: &Value, stored: &Value| is_empty(stored),
        };
        compare(
            format!("custom_fields.{}", field.id),
            field.value.to_value(),
            stored,
            same,
        );
    }
    differences
}

/// Text, numbers and booleans are stored in the field's own type, whatever they were sent as.
fn same_text(sent: &Value, stored: &Value) -> bool {
    let (sent, stored) = (plain(sent), plain(stored));
    let (sent, stored) = (sent.trim(), stored.trim());
    let numbers = || Some((sent.parse::<f64>().ok()?, stored.parse::<f64>().ok()?));
    // Equal text comes first, so that long ids do not meet floating point.
    sent == stored
        || numbers().is_some_and(|(a, b)| !is_whole(sent, stored) && a.total_cmp(&b).is_eq())
}

fn is_whole(a: &str, b: &str) -> bool {
    a.parse::<i128>().is_ok() && b.parse::<i128>().is_ok()
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) | Value::Number(_) => false,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(parts) => parts.is_empty(),
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

/// Tags in lower case, as Zendesk keeps them.
fn set_of(value: &Value) -> BTreeSet<String> {
    let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
    items
        .iter()
        .map(|item| plain(item).to_lowercase())
        .collect()
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let property = &self.property;
        match &self.stored {
            None => write!(
                f,
                "`{property}` is not in the answer: the account may not have that field"
            ),
            Some(stored) if is_empty(stored) => write!(
                f,
                "`{property}` is empty: the account dropped the value, perhaps because it is none of the field's options"
            ),
            Some(_) => write!(f, "`{property}` holds another value than the one sent"),
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
    use crate::CustomField;

    fn check(sent: &Properties, mut stored: Value, expected: &[&str]) {
        stored["id"] = json!(1);
        let found: Vec<String> = differences(sent, &Ticket::read(stored).unwrap())
            .into_iter()
            .map(|difference| difference.property)
            .collect();
        assert_eq!(found, expected);
    }

    fn field(id: u64, value: CustomValue) -> CustomField {
        CustomField { id, value }
    }

    fn text(text: &str) -> CustomValue {
        CustomValue::Text(text.to_owned())
    }

    #[test]
    fn same_values_in_other_types_make_no_difference() {
        let sent = Properties {
            subject: Some(" Low score ".to_owned()),
            priority: Some(Priority::High),
            status: Some(Status::Open),
            assignee: Some(Assignee::Id(6_130_907_993_114)),
            tags: Some(vec!["Salesforce".to_owned(), "360".to_owned()]),
            custom_fields: vec![
                field(1, text("7")),
                field(2, text("1.50")),
                field(3, CustomValue::Flag(true)),
                field(
                    4,
                    CustomValue::Choices(vec!["b".to_owned(), "a".to_owned()]),
                ),
                field(5, CustomValue::Clear),
            ],
            ..Properties::default()
        };
        check(
            &sent,
            json!({
                "subject": "Low score",
                "priority": "high",
                "status": "open",
                "assignee_id": 6_130_907_993_114_u64,
                "tags": ["salesforce", "360", "added_by_trigger"],
                "custom_fields": [
                    {"id": 1, "value": 7},
                    {"id": 2, "value": "1.5"},
                    {"id": 3, "value": true},
                    {"id": 4, "value": ["a", "b"]},
                    {"id": 5, "value": null},
                ],
                "type": "question",
            }),
            &[],
        );
    }

    #[test]
    fn dropped_and_changed_values_are_found() {
        let sent = Properties {
            status: Some(Status::New),
            external_id: Some("task-1".to_owned()),
            assignee: Some(Assignee::Email("a@example.com".to_owned())),
            tags: Some(vec!["vip".to_owned()]),
            custom_fields: vec![
                field(1, text("9007199254740993")),
                field(2, text("option")),
                field(3, text("x")),
            ],
            ..Properties::default()
        };
        check(
            &sent,
            json!({
                "status": "open",
                "assignee_id": null,
                "tags": [],
                "custom_fields": [
                    {"id": 1, "value": "9007199254740992"},
                    {"id": 2, "value": null},
                ],
            }),
            &[
                "status",
                "external_id",
                "assignee_email",
                "tags",
                "custom_fields.1",
                "custom_fields.2",
                "custom_fields.3",
            ],
        );
    }

    #[test]
    fn text_tells_the_kind_of_difference_without_values() {
        let difference = |stored: Option<Value>| {
            let difference = Difference {
                property: "custom_fields.1".to_owned(),
                sent: json!("Jane"),
                stored,
            };
            let text = format!("{difference} {difference:?}");
            assert!(!text.contains("Jane") && !text.contains("Joe"), "{text}");
            text
        };
        assert!(difference(None).contains("not in the answer"));
        assert!(difference(Some(json!(""))).contains("is empty"));
        assert!(difference(Some(json!("Joe"))).contains("another value"));
    }
}
