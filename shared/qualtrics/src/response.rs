//! One survey response.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::ResponseId;

/// A response as the API gives it. What was not answered is absent.
///
/// `values` holds numbers, texts and lists of texts: `QID1` (the recode value of a single choice), `QID2` (those of several,
/// as texts), `QID3_TEXT`, `QID4_1` (row 1 of a matrix), embedded data under its own name, and `status`, which is not 0 for
/// previews, tests, imports and spam. `labels` holds what people see; `labels.status` of an ordinary response is
/// literally `IP Address`.
#[derive(Clone, PartialEq)]
pub struct SurveyResponse {
    /// Its id.
    pub id: ResponseId,
    /// What was answered.
    pub values: Map<String, Value>,
    /// The labels of chosen values.
    pub labels: Map<String, Value>,
    /// The fields that were shown, in no particular order.
    pub displayed_fields: Vec<String>,
    /// What could be chosen, by field.
    pub displayed_values: Map<String, Value>,
}

impl SurveyResponse {
    /// Reads a response; `None` when it has no `responseId` or no `values`.
    pub(crate) fn read(mut body: Map<String, Value>) -> Option<Self> {
        let id = body.get("responseId")?.as_str()?;
        let id = ResponseId::parse(id).ok()?;
        let values = object(body.remove("values"))?;
        let displayed_fields = match body.remove("displayedFields") {
            Some(Value::Array(fields)) => fields.into_iter().filter_map(text).collect(),
            Some(_) | None => Vec::new(),
        };
        Some(Self {
            id,
            values,
            labels: object(body.remove("labels")).unwrap_or_default(),
            displayed_fields,
            displayed_values: object(body.remove("displayedValues")).unwrap_or_default(),
        })
    }

    /// The ids of the questions that were shown or answered.
    pub fn questions(&self) -> BTreeSet<String> {
        let keys = [&self.values, &self.labels, &self.displayed_values];
        let keys = keys.into_iter().flat_map(Map::keys);
        keys.chain(&self.displayed_fields)
            .filter_map(|key| question(key))
            .collect()
    }
}

/// No answer is ever printed.
impl std::fmt::Debug for SurveyResponse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SurveyResponse")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// `QID4` of `QID4_1`, and of `2_QID4_1`, which is the second turn of a loop.
fn question(key: &str) -> Option<String> {
    let within_loop = key
        .split_once('_')
        .filter(|(turn, _)| !turn.is_empty() && turn.bytes().all(|byte| byte.is_ascii_digit()))
        .map_or(key, |(_, rest)| rest);
    let rest = within_loop.strip_prefix("QID")?;
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (number, rest) = rest.split_at_checked(digits)?;
    let is_one = !number.is_empty() && (rest.is_empty() || rest.starts_with(['_', '#']));
    is_one.then(|| format!("QID{number}"))
}

fn object(value: Option<Value>) -> Option<Map<String, Value>> {
    match value {
        Some(Value::Object(object)) => Some(object),
        Some(_) | None => None,
    }
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn question_is_found_in_whatever_its_field_is_called() {
        for (key, expected) in [
            ("QID1", Some("QID1")),
            ("QID1_NPS_GROUP", Some("QID1")),
            ("QID12_5_TEXT", Some("QID12")),
            ("QID7#1_2", Some("QID7")),
            ("2_QID4_1", Some("QID4")),
            ("QID", None),
            ("QIDs", None),
            ("QID1a", None),
            ("_QID1", None),
            ("plan_QID1", None),
            ("startDate", None),
            ("", None),
        ] {
            assert_eq!(question(key).as_deref(), expected, "{key}");
        }
    }
}
