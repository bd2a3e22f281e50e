//! From a task's input to what Zendesk is sent, and from its answers to what a task leaves behind.
//! Pure; the only place of this function that knows Zendesk's property names.

pub(crate) mod preview;
pub(crate) mod profile;
pub(crate) mod record;
pub(crate) mod ticket;

use domain::task::{self, InputError};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use zendesk::{Difference, InvalidInput};

/// Longest value that a warning repeats, in characters.
const LONGEST_VALUE: usize = 80;

/// Why a task is given up before any call. Somebody must act; the text says how.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Problem {
    #[error("the task's input cannot be used: {0}")]
    Input(#[from] InputError),
    #[error("the task's input cannot be used: {0}")]
    Value(#[from] InvalidInput),
}

/// What the account did not keep as it was sent, a sentence each.
pub(crate) fn warnings(differences: &[Difference]) -> Vec<String> {
    differences.iter().map(warning).collect()
}

fn warning(difference: &Difference) -> String {
    let Difference {
        property,
        sent,
        stored,
    } = difference;
    match stored.as_ref().map(excerpt) {
        None => format!(
            "`{property}`: the answer does not have it; the account may not have that field"
        ),
        Some(None) => format!(
            "`{property}`: sent {}, kept nothing; perhaps it is none of the field's options",
            said(excerpt(sent))
        ),
        Some(stored) => format!(
            "`{property}`: sent {}, kept {}",
            said(excerpt(sent)),
            said(stored)
        ),
    }
}

fn said(excerpt: Option<String>) -> String {
    excerpt.unwrap_or_else(|| "nothing".to_owned())
}

/// The beginning of a value; `None` when there is none.
fn excerpt(value: &Value) -> Option<String> {
    let text = match value {
        Value::Null => String::new(),
        Value::String(text) => text.split_whitespace().collect::<Vec<_>>().join(" "),
        Value::Array(items) if items.is_empty() => String::new(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    };
    match text.char_indices().nth(LONGEST_VALUE) {
        _ if text.is_empty() => None,
        None => Some(format!("`{text}`")),
        Some((end, _)) => Some(format!("`{}…`", text.get(..end).unwrap_or_default())),
    }
}

/// What null means for a field of one's own.
#[derive(Clone, Copy, PartialEq, Eq)]
enum OnNull {
    /// What is new has nothing to clear.
    Skip,
    Clear,
}

/// What is left of a list without what is blank.
fn texts(items: &[Value]) -> Vec<String> {
    items.iter().filter_map(text).collect()
}

/// The text of a value; `None` when it is blank.
fn text(value: &Value) -> Option<String> {
    let text = match value {
        Value::Null => return None,
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    };
    (!text.trim().is_empty()).then_some(text)
}

fn named<const N: usize>(values: [(&str, Value); N]) -> Map<String, Value> {
    let named = values.into_iter();
    named
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// Reads an input without the optional fields in which piped text left nothing, so that they count as not given
/// whatever their type is.
fn read<T: DeserializeOwned>(input: &Value, required: &[&str]) -> Result<T, InputError> {
    task::read(&without_blanks(input, required))
}

fn without_blanks(input: &Value, required: &[&str]) -> Value {
    let Some(fields) = input.as_object() else {
        return input.clone();
    };
    fields
        .iter()
        .filter(|(name, value)| {
            let blank = value.as_str().is_some_and(|text| text.trim().is_empty());
            !blank || required.contains(&name.as_str())
        })
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn warnings_tell_what_was_sent_and_what_was_kept() {
        let long = "x".repeat(200);
        for (sent, stored, expected) in [
            (
                json!("new"),
                Some(json!("open")),
                "`p`: sent `new`, kept `open`".to_owned(),
            ),
            (
                json!(["a"]),
                Some(json!([])),
                "`p`: sent `[\"a\"]`, kept nothing; perhaps it is none of the field's options"
                    .to_owned(),
            ),
            (
                json!("a"),
                None,
                "`p`: the answer does not have it; the account may not have that field".to_owned(),
            ),
            (
                json!(null),
                Some(json!(long)),
                format!("`p`: sent nothing, kept `{}…`", "x".repeat(80)),
            ),
        ] {
            let difference = Difference {
                property: "p".to_owned(),
                sent,
                stored,
            };
            assert_eq!(warning(&difference), expected);
        }
    }
}
