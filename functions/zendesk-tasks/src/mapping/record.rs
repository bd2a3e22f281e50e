//! Records of custom objects.

use std::collections::BTreeMap;

use domain::TaskKey;
use domain::task::Rendered;
use domain::task::value::FieldValue;
use domain::task::zendesk::{
    CreateRecord as CreateInput, RECORD_NAME, UpdateRecord as UpdateInput,
};
use serde_json::{Map, Value, json};
use zendesk::{ObjectKey, Record, RecordContent, RecordId};

use super::{OnNull, Problem, named, read, text, texts};

/// A record to create.
#[derive(Debug)]
pub(crate) struct NewRecord {
    /// Of which custom object.
    pub(crate) object: ObjectKey,
    /// What it is to hold, its external id among it.
    pub(crate) content: RecordContent,
}

/// A record to change, and how.
#[derive(Debug)]
pub(crate) struct Change {
    /// Of which custom object.
    pub(crate) object: ObjectKey,
    /// Which one.
    pub(crate) id: RecordId,
    /// What becomes of it.
    pub(crate) content: RecordContent,
}

/// Reads the input of `zendesk.create_record`. Blank values are left out.
pub(crate) fn new_record(input: &Value, key: &TaskKey) -> Result<NewRecord, Problem> {
    let input: CreateInput<Rendered> = read(input, &["object_type"])?;
    input.check()?;
    Ok(NewRecord {
        object: ObjectKey::parse(input.object_type.as_str())?,
        content: RecordContent {
            external_id: Some(key.to_string()),
            ..content(&input.attributes, OnNull::Skip)
        },
    })
}

/// Reads the input of `zendesk.update_record`. Blank values leave a property as it is; only null in `attributes`
/// clears one.
pub(crate) fn change(input: &Value) -> Result<Change, Problem> {
    let input: UpdateInput<Rendered> = read(input, &["record_id", "object_type"])?;
    input.check()?;
    let content = content(&input.attributes, OnNull::Clear);
    // A change of nothing is refused before any call.
    content.body()?;
    Ok(Change {
        object: ObjectKey::parse(input.object_type.as_str())?,
        id: RecordId::parse(input.record_id.as_str())?,
        content,
    })
}

/// What the task leaves for later ones.
pub(crate) fn output(object: &ObjectKey, record: &Record) -> Map<String, Value> {
    named([
        ("id", json!(record.id)),
        ("object_type", json!(object.as_str())),
        ("name", json!(record.text("name"))),
    ])
}

fn content(attributes: &BTreeMap<String, FieldValue>, on_null: OnNull) -> RecordContent {
    let mut content = RecordContent::default();
    for (name, value) in attributes {
        if name == RECORD_NAME {
            content.name = text(value.as_json());
        } else if let Some(value) = field(value.as_json(), on_null) {
            content.fields.insert(name.clone(), value);
        }
    }
    content
}

/// Numbers and booleans stay what they are, since the object's fields have types. `None` for a value that is as good
/// as not given.
fn field(value: &Value, on_null: OnNull) -> Option<Value> {
    match value {
        Value::Null => (on_null == OnNull::Clear).then_some(Value::Null),
        Value::Array(items) => {
            let choices = texts(items);
            (!choices.is_empty()).then(|| json!(choices))
        }
        Value::String(words) => (!words.trim().is_empty()).then(|| value.clone()),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => Some(value.clone()),
    }
}

#[cfg(test)]
mod tests {
    use domain::{RunId, TaskKind, TaskName};

    use super::*;

    const ID: &str = "01GDXYEY1FQYN066VHF49YHJ21";

    fn key() -> TaskKey {
        let run = RunId::parse(&format!("run_{}", "0".repeat(32))).unwrap();
        TaskKey::derive(&run, &TaskName::parse("record").unwrap())
    }

    fn attributes() -> Value {
        json!({
            "name": 7, "make": "Tesla", "seats": 5, "price": 1.5, "electric": true, "tags": ["a", "", 1], "old": null,
            "blank": " ", "none": [],
        })
    }

    #[test]
    fn every_attribute_keeps_its_type() {
        let input = json!({"object_type": " car ", "attributes": attributes()});
        let new = new_record(&input, &key()).unwrap();
        let mut fields = json!({"make": "Tesla", "seats": 5, "price": 1.5, "electric": true, "tags": ["a", "1"]});
        assert_eq!(new.object.as_str(), "car");
        assert_eq!(
            new.content.body(),
            Ok(json!({"custom_object_record": {
                "name": "7", "external_id": key().as_str(), "custom_object_fields": fields,
            }}))
        );
        let input = json!({"record_id": ID, "object_type": "car", "attributes": attributes()});
        let change = change(&input).unwrap();
        fields["old"] = json!(null);
        assert_eq!(change.id.as_str(), ID);
        assert_eq!(
            change.content.body(),
            Ok(json!({"custom_object_record": {"name": "7", "custom_object_fields": fields}}))
        );
    }

    #[test]
    fn record_may_have_nothing_but_its_key() {
        let new = new_record(&json!({"object_type": "car"}), &key()).unwrap();
        assert_eq!(
            new.content.body(),
            Ok(json!({"custom_object_record": {"external_id": key().as_str()}}))
        );
    }

    #[test]
    fn input_that_cannot_be_used_tells_why() {
        for (input, expected) in [
            (
                json!({"record_id": ID, "object_type": "car"}),
                "nothing to change",
            ),
            (
                json!({"record_id": ID, "object_type": "car", "attributes": {"name": " ", "x": ""}}),
                "nothing to change",
            ),
            (
                json!({"record_id": "", "object_type": "car"}),
                "record_id: found ``",
            ),
            (
                json!({"record_id": "a/b", "object_type": "car"}),
                "record_id: found `a/b`",
            ),
            (
                json!({"record_id": ID, "object_type": "a b"}),
                "object_type: found `a b`",
            ),
            (
                json!({"record_id": ID, "object_type": "car", "attributes": {"name": ["a"]}}),
                "attributes.name: found a list",
            ),
        ] {
            let problem = change(&input).unwrap_err().to_string();
            assert!(problem.contains(expected), "{problem}");
        }
    }

    #[test]
    fn outputs_are_those_that_are_promised() {
        let record = Record {
            id: ID.to_owned(),
            fields: named([("name", json!("Visit"))]),
        };
        let output = output(&ObjectKey::parse("car").unwrap(), &record);
        for kind in [TaskKind::ZendeskCreateRecord, TaskKind::ZendeskUpdateRecord] {
            assert_eq!(output.len(), kind.outputs().len());
            assert!(kind.outputs().iter().all(|name| output.contains_key(*name)));
        }
        assert_eq!(output["object_type"], "car");
    }
}
