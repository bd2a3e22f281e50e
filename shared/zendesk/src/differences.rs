//! What the account kept against what it was sent. It answers success even where it dropped a custom
//! field's value or a trigger changed the ticket at once.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value;

use crate::{
    Assignee, CreateTicket, CustomValue, Priority, Profile, ProfileContent, Properties, Record,
    RecordContent, Requester, Status, Ticket, TicketChange, TicketType,
};

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

impl CreateTicket {
    /// What the ticket does not hold as it was sent. Only what was sent is compared: accounts fill in the rest by
    /// themselves.
    ///
    /// Tags may have been added to, by fields and triggers, so only missing ones count. Comments, metadata and
    /// people given by address are not part of a stored ticket.
    pub fn differences(&self, stored: &Ticket) -> Vec<Difference> {
        let requester = match &self.requester {
            Some(Requester::Id(id)) => Some(*id),
            Some(Requester::Person { .. }) | None => None,
        };
        of_ticket(requester, &self.properties, stored)
    }
}

impl TicketChange {
    /// What the ticket does not hold as it was sent; see [`CreateTicket::differences`].
    pub fn differences(&self, stored: &Ticket) -> Vec<Difference> {
        of_ticket(self.requester_id, &self.properties, stored)
    }
}

impl ProfileContent {
    /// What the profile does not hold as it was sent.
    pub fn differences(&self, stored: &Profile) -> Vec<Difference> {
        let mut found = Comparison::default();
        if let Some(name) = &self.name {
            let kept = stored.fields.get("name");
            found.compare("name".to_owned(), name.as_str(), kept, same_value);
        }
        for identifier in &self.identifiers {
            let (kind, value) = (identifier.kind(), identifier.value());
            let kept: Vec<&str> = stored.identifiers(kind).collect();
            if !kept.iter().any(|kept| same_identifier(kept, &value)) {
                found.0.push(Difference {
                    property: format!("identifiers.{kind}"),
                    sent: Value::from(value),
                    stored: kept.first().map(|kept| Value::from(*kept)),
                });
            }
        }
        let kept = stored.fields.get("attributes").and_then(Value::as_object);
        for (name, value) in &self.attributes {
            let property = format!("attributes.{name}");
            match (value, kept.and_then(|kept| kept.get(name))) {
                // Taken away, and gone.
                (None, None) => {}
                (value, kept) => found.compare(property, value.as_deref(), kept, same_value),
            }
        }
        found.0
    }

    /// The types of identifiers, but for addresses, of which the profile holds another one beside the one sent:
    /// Zendesk adds identifiers and replaces none
    /// ([Updating profiles](https://developer.zendesk.com/documentation/ticketing/profiles/updating-profiles/)).
    pub fn kept_beside(&self, stored: &Profile) -> Vec<&'static str> {
        let sent = self.identifiers.iter();
        sent.filter(|sent| sent.kind() != "email")
            .filter(|sent| {
                let mut kept = stored.identifiers(sent.kind());
                kept.any(|kept| !same_identifier(kept, &sent.value()))
            })
            .map(crate::ProfileIdentifier::kind)
            .collect()
    }
}

impl RecordContent {
    /// What the record does not hold as it was sent: whether an object's unknown fields are refused or passed over
    /// is not documented.
    pub fn differences(&self, stored: &Record) -> Vec<Difference> {
        let mut found = Comparison::default();
        for (property, sent) in [("name", &self.name), ("external_id", &self.external_id)] {
            if let Some(sent) = sent {
                let kept = stored.fields.get(property);
                found.compare(property.to_owned(), sent.as_str(), kept, same_value);
            }
        }
        let kept = stored.fields.get("custom_object_fields");
        for (key, sent) in &self.fields {
            let kept = kept.and_then(|kept| kept.get(key));
            let property = format!("custom_object_fields.{key}");
            found.compare(property, sent.clone(), kept, same_value);
        }
        found.0
    }
}

#[derive(Default)]
struct Comparison(Vec<Difference>);

impl Comparison {
    fn compare(
        &mut self,
        property: String,
        sent: impl Into<Value>,
        stored: Option<&Value>,
        same: fn(&Value, &Value) -> bool,
    ) {
        let sent = sent.into();
        if !stored.is_some_and(|stored| same(&sent, stored)) {
            self.0.push(Difference {
                property,
                sent,
                stored: stored.cloned(),
            });
        }
    }
}

fn of_ticket(requester: Option<u64>, sent: &Properties, stored: &Ticket) -> Vec<Difference> {
    let mut found = Comparison::default();
    let texts = [
        ("subject", sent.subject.as_deref()),
        ("priority", sent.priority.map(Priority::as_str)),
        ("status", sent.status.map(Status::as_str)),
        ("type", sent.ticket_type.map(TicketType::as_str)),
        ("due_at", sent.due_at.as_deref()),
        ("external_id", sent.external_id.as_deref()),
    ];
    for (property, text) in texts {
        if let Some(text) = text {
            let kept = stored.fields.get(property);
            found.compare(property.to_owned(), text, kept, same_text);
        }
    }
    let requester = [("requester_id", requester)];
    for (property, id) in requester.into_iter().chain(sent.ids()) {
        if let Some(id) = id {
            let kept = stored.fields.get(property);
            found.compare(property.to_owned(), id, kept, same_text);
        }
    }
    let assignee = stored.fields.get("assignee_id");
    match &sent.assignee {
        Some(Assignee::Id(id)) => {
            found.compare("assignee_id".to_owned(), *id, assignee, same_text);
        }
        // The ticket names the agent by id only; that there is one is all that can be seen.
        Some(Assignee::Email(email)) => {
            let is_there = |_: &Value, stored: &Value| !stored.is_null();
            found.compare(
                "assignee_email".to_owned(),
                email.as_str(),
                assignee,
                is_there,
            );
        }
        None => {}
    }
    if let Some(tags) = &sent.tags {
        let kept = stored.fields.get("tags");
        found.compare("tags".to_owned(), tags.clone(), kept, |sent, stored| {
            set_of(sent).is_subset(&set_of(stored))
        });
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
            CustomValue::Choices(_) => same_choices,
            CustomValue::Clear => |_: &Value, stored: &Value| is_empty(stored),
        };
        let property = format!("custom_fields.{}", field.id);
        found.compare(property, field.value.to_value(), stored, same);
    }
    found.0
}

fn same_choices(sent: &Value, stored: &Value) -> bool {
    set_of(sent) == set_of(stored)
}

/// Addresses and Twitter names are kept in lower case.
fn same_identifier(a: &str, b: &str) -> bool {
    a.trim().to_lowercase() == b.trim().to_lowercase()
}

/// Compares by what was sent.
fn same_value(sent: &Value, stored: &Value) -> bool {
    match sent {
        Value::Array(_) => same_choices(sent, stored),
        // Looked up by something else than its id, which is what is stored.
        Value::String(text) if text.starts_with("external_id:") || text.starts_with("name:") => {
            !is_empty(stored)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            same_text(sent, stored) || (is_empty(sent) && is_empty(stored))
        }
    }
}

/// Text, numbers and booleans are stored in the field's own type, whatever they were sent as.
fn same_text(sent: &Value, stored: &Value) -> bool {
    let (sent, stored) = (plain(sent), plain(stored));
    let (sent, stored) = (sent.trim(), stored.trim());
    let numbers = || Some((sent.parse::<f64>().ok()?, stored.parse::<f64>().ok()?));
    // Equal text comes first, so that long ids do not meet floating point. A date may be kept as its midnight.
    sent == stored
        || (!sent.is_empty()
            && stored
                .strip_prefix(sent)
                .is_some_and(|rest| rest.starts_with("T00:00:00")))
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
    use crate::{CustomField, ProfileIdentifier};

    fn check(sent: &Properties, mut stored: Value, expected: &[&str]) {
        stored["id"] = json!(1);
        let change = TicketChange {
            requester_id: Some(7),
            properties: sent.clone(),
            ..TicketChange::default()
        };
        stored["requester_id"] = json!(7);
        let found = change.differences(&Ticket::read(stored).unwrap());
        assert_eq!(names(found), expected);
    }

    fn names(found: Vec<Difference>) -> Vec<String> {
        found
            .into_iter()
            .map(|difference| difference.property)
            .collect()
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
            ticket_type: Some(TicketType::Task),
            due_at: Some("2026-12-01T12:00:00Z".to_owned()),
            group_id: Some(11),
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
                "type": "task",
                "due_at": "2026-12-01T12:00:00Z",
                "group_id": 11,
                "brand_id": 13,
            }),
            &[],
        );
    }

    #[test]
    fn dropped_and_changed_values_are_found() {
        let sent = Properties {
            status: Some(Status::New),
            due_at: Some("2026-12-01T12:00:00Z".to_owned()),
            group_id: Some(11),
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
                "due_at": null,
                "group_id": 12,
                "assignee_id": null,
                "tags": [],
                "custom_fields": [
                    {"id": 1, "value": "9007199254740992"},
                    {"id": 2, "value": null},
                ],
            }),
            &[
                "status",
                "due_at",
                "external_id",
                "group_id",
                "assignee_email",
                "tags",
                "custom_fields.1",
                "custom_fields.2",
                "custom_fields.3",
            ],
        );
    }

    #[test]
    fn requester_given_by_id_is_compared() {
        let change = TicketChange {
            requester_id: Some(7),
            ..TicketChange::default()
        };
        let stored = Ticket::read(json!({"id": 1, "requester_id": 8})).unwrap();
        assert_eq!(names(change.differences(&stored)), ["requester_id"]);
    }

    #[test]
    fn profile_is_compared_as_zendesk_keeps_it() {
        let content = ProfileContent {
            name: Some("Jane".to_owned()),
            identifiers: vec![
                ProfileIdentifier::Email("Jane@Example.com".to_owned()),
                ProfileIdentifier::Phone("+1".to_owned()),
                ProfileIdentifier::Twitter("Jane".to_owned()),
            ],
            attributes: [("plan", Some("gold")), ("visits", Some("3")), ("old", None)]
                .map(|(name, value)| (name.to_owned(), value.map(str::to_owned)))
                .into(),
        };
        let identifier = |kind: &str, value: &str| json!({"type": kind, "value": value});
        for (stored, expected, beside) in [
            (
                json!({
                    "name": "Jane",
                    "identifiers": [
                        identifier("email", "other@example.com"), identifier("email", "jane@example.com"),
                        identifier("phone_number", "+1"), identifier("twitter", "jane"),
                    ],
                    "attributes": {"plan": "gold", "visits": "3", "more": "x"},
                }),
                vec![],
                vec![],
            ),
            (
                json!({
                    "name": "J",
                    "identifiers": [
                        identifier("email", "jane@example.com"), identifier("phone_number", "+2"),
                        identifier("twitter", "jane"), identifier("twitter", "joe"),
                    ],
                    "attributes": {"plan": "silver", "old": "1"},
                }),
                vec![
                    "name",
                    "identifiers.phone_number",
                    "attributes.old",
                    "attributes.plan",
                    "attributes.visits",
                ],
                vec!["phone_number", "twitter"],
            ),
        ] {
            let mut stored = stored;
            stored["id"] = json!("01AR");
            let stored = Profile::read(stored).unwrap();
            assert_eq!(names(content.differences(&stored)), expected);
            assert_eq!(content.kept_beside(&stored), beside);
        }
    }

    #[test]
    fn record_is_compared_by_value_whatever_its_type() {
        let fields = [
            ("text", json!("7"), json!(7)),
            ("whole", json!(7), json!("7")),
            ("flag", json!("true"), json!(true)),
            ("off", json!(false), json!(null)),
            ("gone", json!(null), json!(null)),
            (
                "date",
                json!("2026-12-01"),
                json!("2026-12-01T00:00:00+00:00"),
            ),
            ("many", json!(["b", "a"]), json!(["a", "b"])),
            ("owner", json!("external_id:x"), json!("01AR")),
        ];
        let mut content = RecordContent {
            name: Some("Visit".to_owned()),
            ..RecordContent::default()
        };
        let mut kept = json!({"id": "01AR", "name": "Visit", "custom_object_fields": {}});
        for (key, sent, stored) in fields {
            content.fields.insert(key.to_owned(), sent);
            kept["custom_object_fields"][key] = stored;
        }
        let record = Record::read(kept.clone()).unwrap();
        assert_eq!(content.differences(&record), []);

        content.external_id = Some("task-1".to_owned());
        content.fields.insert("unknown".to_owned(), json!("x"));
        kept["custom_object_fields"]["flag"] = json!(false);
        kept["custom_object_fields"]["many"] = json!(["a"]);
        kept["custom_object_fields"]["whole"] = json!(8);
        kept["custom_object_fields"]["date"] = json!("2026-12-02");
        let record = Record::read(kept).unwrap();
        let expected = ["external_id"].into_iter().map(str::to_owned).chain(
            ["date", "flag", "many", "unknown", "whole"]
                .map(|key| format!("custom_object_fields.{key}")),
        );
        assert_eq!(
            names(content.differences(&record)),
            expected.collect::<Vec<_>>()
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
