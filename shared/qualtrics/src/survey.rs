//! A survey's questions.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::plain_text::plain_text;

/// A survey, as far as it explains responses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Survey {
    /// Its name.
    pub name: Option<String>,
    /// The questions by their ids.
    pub questions: BTreeMap<String, Question>,
}

/// A question, in plain text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Question {
    /// What is asked.
    pub text: String,
    /// What it is called in exports, such as `Q16`.
    pub name: Option<String>,
    /// What can be chosen, by the value that a response has (the recode value), or by the choice's id where two choices
    /// have the same value.
    pub choices: BTreeMap<String, String>,
    /// The rows of a matrix, by the number that a response's field has after the question's id.
    pub sub_questions: BTreeMap<String, String>,
}

impl Survey {
    pub(crate) fn read(body: &Map<String, Value>) -> Option<Self> {
        let questions = match body.get("questions") {
            Some(Value::Object(questions)) => questions
                .iter()
                .filter_map(|(id, question)| {
                    Some((id.clone(), Question::read(question.as_object()?)))
                })
                .collect(),
            // An empty map may come as an empty list.
            Some(Value::Array(none)) if none.is_empty() => BTreeMap::new(),
            Some(_) | None => return None,
        };
        Some(Self {
            name: text(body, "name"),
            questions,
        })
    }
}

impl Question {
    fn read(body: &Map<String, Value>) -> Self {
        Self {
            text: text(body, "questionText").unwrap_or_default(),
            name: text(body, "questionName"),
            choices: by_value(&described(body, "choices", Some("recode"))),
            sub_questions: described(body, "subQuestions", None)
                .into_iter()
                .map(|described| (described.id, described.text))
                .collect(),
        }
    }
}

struct Described {
    id: String,
    value: Option<String>,
    text: String,
}

fn described(body: &Map<String, Value>, name: &str, value: Option<&str>) -> Vec<Described> {
    let choices = body.get(name).and_then(Value::as_object);
    choices
        .into_iter()
        .flatten()
        .filter_map(|(id, choice)| {
            let choice = choice.as_object()?;
            let texts = ["choiceText", "description", "imageDescription"];
            Some(Described {
                id: id.clone(),
                value: value.and_then(|name| text(choice, name)),
                text: texts
                    .into_iter()
                    .find_map(|name| text(choice, name))
                    .unwrap_or_default(),
            })
        })
        .collect()
}

fn by_value(choices: &[Described]) -> BTreeMap<String, String> {
    let key = |choice: &Described| choice.value.clone().unwrap_or_else(|| choice.id.clone());
    let by_value: BTreeMap<String, String> = choices
        .iter()
        .map(|choice| (key(choice), choice.text.clone()))
        .collect();
    if by_value.len() == choices.len() {
        return by_value;
    }
    choices
        .iter()
        .map(|choice| (choice.id.clone(), choice.text.clone()))
        .collect()
}

/// Plain text that is there and says something.
fn text(body: &Map<String, Value>, name: &str) -> Option<String> {
    let text = match body.get(name)? {
        Value::String(html) => plain_text(html),
        Value::Number(number) => number.to_string(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn question(body: &Value) -> Question {
        Question::read(body.as_object().unwrap())
    }

    fn texts(map: &BTreeMap<String, String>) -> Vec<(&str, &str)> {
        map.iter()
            .map(|(key, text)| (key.as_str(), text.as_str()))
            .collect()
    }

    #[test]
    fn choices_are_found_by_the_value_that_responses_have() {
        let read = question(&json!({
            "questionText": "<b>How</b> was it?", "questionName": "Q16", "questionLabel": null,
            "choices": {
                "5": {"recode": "1", "choiceText": "<i>Bad</i>", "description": "x"},
                "4": {"recode": 2, "choiceText": "", "description": "Good"},
                "6": {"choiceText": null, "description": "Other, please say"}
            }
        }));
        assert_eq!(
            (read.text.as_str(), read.name.as_deref()),
            ("How was it?", Some("Q16"))
        );
        assert_eq!(
            texts(&read.choices),
            [("1", "Bad"), ("2", "Good"), ("6", "Other, please say")]
        );
        assert!(read.sub_questions.is_empty());
    }

    #[test]
    fn choices_of_one_value_are_told_apart_by_their_ids() {
        let read = question(&json!({"questionText": "x", "choices": {
            "1": {"recode": "9", "choiceText": "a"}, "2": {"recode": "9", "choiceText": "b"}
        }}));
        assert_eq!(texts(&read.choices), [("1", "a"), ("2", "b")]);
    }

    #[test]
    fn rows_of_a_matrix_are_sub_questions() {
        let read = question(&json!({"questionText": "x",
            "subQuestions": {"1": {"recode": "7", "choiceText": "Speed<br>of delivery"}, "2": {"description": "Price"}},
            "choices": []
        }));
        assert_eq!(
            texts(&read.sub_questions),
            [("1", "Speed of delivery"), ("2", "Price")]
        );
        assert!(read.choices.is_empty());
    }

    #[test]
    fn survey_without_questions_is_read_and_anything_else_is_none() {
        for (body, expected) in [
            (json!({"questions": {}}), Some(0)),
            (json!({"questions": []}), Some(0)),
            (
                json!({"questions": {"QID1": {"questionText": "x"}, "QID2": 3}}),
                Some(1),
            ),
            (json!({"questions": "string"}), None),
            (json!({}), None),
        ] {
            let survey = Survey::read(body.as_object().unwrap());
            assert_eq!(survey.map(|survey| survey.questions.len()), expected);
        }
    }
}
