//! Records of custom objects.
//! See [Custom object records](https://developer.zendesk.com/api-reference/custom-data/custom-objects/custom_object_records/).

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value, json};
use vendor_http::{Answer, Method, Request};

use crate::profile::id_text;
use crate::{Client, Error, InvalidInput, Operation};

macro_rules! path_word {
    ($(#[$doc:meta])* $name:ident, $signs:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        pub struct $name(String);

        impl $name {
            /// Reads what a person typed; outer space is dropped. What could lead to another address is refused.
            ///
            /// # Errors
            ///
            /// [`InvalidInput`] of the same name.
            pub fn parse(text: &str) -> Result<Self, InvalidInput> {
                let text = text.trim();
                let allowed = |byte: u8| byte.is_ascii_alphanumeric() || $signs.contains(&byte);
                if (1..=100).contains(&text.len()) && text.bytes().all(allowed) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(InvalidInput::$name)
                }
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
    };
}

path_word!(
    /// The key of a custom object.
    ObjectKey,
    b"_-:"
);
path_word!(
    /// The id of a record.
    RecordId,
    b"_-"
);

/// What a record is to hold. What is not set is not sent.
#[derive(Clone, Default, PartialEq)]
pub struct RecordContent {
    /// The name. Objects that number their records must not be sent one, all others need one for a new record.
    pub name: Option<String>,
    /// Our own key of the record; unique within the object.
    pub external_id: Option<String>,
    /// Values by the keys of the object's fields, in the fields' own types; null removes one.
    pub fields: BTreeMap<String, Value>,
}

/// A record as the account returns it. Its `Debug` shows no values.
#[derive(Clone, PartialEq)]
pub struct Record {
    /// The id.
    pub id: String,
    /// All properties, as received.
    pub fields: Map<String, Value>,
}

impl RecordContent {
    /// The request's body.
    ///
    /// # Errors
    ///
    /// [`InvalidInput::NothingToChange`] when nothing is set. A new record has its external id at least.
    pub fn body(&self) -> Result<Value, InvalidInput> {
        let mut record = Map::new();
        if let Some(name) = &self.name {
            record.insert("name".to_owned(), json!(name));
        }
        if let Some(external_id) = &self.external_id {
            record.insert("external_id".to_owned(), json!(external_id));
        }
        if !self.fields.is_empty() {
            record.insert("custom_object_fields".to_owned(), json!(self.fields));
        }
        if record.is_empty() {
            return Err(InvalidInput::NothingToChange);
        }
        Ok(json!({ "custom_object_record": record }))
    }
}

impl Record {
    pub(crate) fn read(value: Value) -> Option<Self> {
        let Value::Object(fields) = value else {
            return None;
        };
        let id = fields.get("id").and_then(id_text)?;
        Some(Self { id, fields })
    }

    /// A property that is text; `None` when it is missing, null or something else.
    pub fn text(&self, property: &str) -> Option<&str> {
        self.fields.get(property)?.as_str()
    }
}

impl Client {
    /// Creates the record with that external id, or changes it if it is there: nothing is created twice.
    ///
    /// # Errors
    ///
    /// An answer that may be lost after the work was done is `Reconcile`. Doing it again does no harm.
    pub async fn upsert_record(
        &self,
        object: &ObjectKey,
        external_id: &str,
        content: &RecordContent,
    ) -> Result<Answer<Record>, Error> {
        let url = self.base.join(
            ["api", "v2", "custom_objects", object.as_str(), "records"],
            [("external_id", external_id)],
        );
        self.record(Operation::UpsertRecord, url, content, None)
            .await
    }

    /// Changes a record; fields that are not named stay.
    ///
    /// # Errors
    ///
    /// A record that is not there is `GiveUp`. An answer that may be lost after the work was done is
    /// `Reconcile`; doing it again does no harm.
    pub async fn update_record(
        &self,
        object: &ObjectKey,
        id: &RecordId,
        content: &RecordContent,
    ) -> Result<Answer<Record>, Error> {
        let path = [
            "api",
            "v2",
            "custom_objects",
            object.as_str(),
            "records",
            id.as_str(),
        ];
        let url = self.base.join(path, []);
        self.record(Operation::UpdateRecord, url, content, Some(id))
            .await
    }

    async fn record(
        &self,
        operation: Operation,
        url: vendor_http::Url,
        content: &RecordContent,
        expected: Option<&RecordId>,
    ) -> Result<Answer<Record>, Error> {
        let attempt = self.attempt(operation);
        let body = content.body().map_err(|error| attempt.refused(error))?;
        let request = Request::new(Method::PATCH, url).json(body.to_string());
        let (mut body, call) = attempt.data(request).await?;
        match body.remove("custom_object_record").and_then(Record::read) {
            Some(value) if expected.is_none_or(|id| value.id.eq_ignore_ascii_case(id.as_str())) => {
                Ok(Answer { value, call })
            }
            Some(_) => Err(attempt.unexpected("the answer is about another record", call)),
            None => Err(attempt.unexpected("the answer is not a record", call)),
        }
    }
}

impl fmt::Debug for RecordContent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordContent").finish_non_exhaustive()
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_the_address_cannot_leave_their_place() {
        for text in ["car", " store_visit ", "01GDXYEY1FQYN066VHF49YHJ21", "a-b"] {
            assert!(ObjectKey::parse(text).is_ok(), "{text}");
            assert!(RecordId::parse(text).is_ok(), "{text}");
        }
        for text in [
            "",
            " ",
            ".",
            "..",
            "a/b",
            "a b",
            "é",
            "a?b",
            &"a".repeat(101),
        ] {
            assert_eq!(ObjectKey::parse(text), Err(InvalidInput::ObjectKey));
            assert_eq!(RecordId::parse(text), Err(InvalidInput::RecordId));
        }
        assert!(RecordId::parse("a:b").is_err());
    }

    #[test]
    fn what_is_not_set_is_not_sent() {
        let mut content = RecordContent::default();
        assert_eq!(content.body(), Err(InvalidInput::NothingToChange));
        content.external_id = Some("task-1".to_owned());
        assert_eq!(
            content.body(),
            Ok(json!({"custom_object_record": {"external_id": "task-1"}}))
        );
        content.name = Some("Visit".to_owned());
        content.fields.insert("stars".to_owned(), json!(2));
        content.fields.insert("note".to_owned(), Value::Null);
        assert_eq!(
            content.body(),
            Ok(json!({"custom_object_record": {
                "name": "Visit", "external_id": "task-1",
                "custom_object_fields": {"note": null, "stars": 2},
            }}))
        );
        assert_eq!(format!("{content:?}"), "RecordContent { .. }");
    }
}
