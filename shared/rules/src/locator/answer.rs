//! What a response tells of one question's answer.

use std::collections::BTreeSet;

use serde_json::Value;

use super::plain_text::plain_text;
use super::response::Response;

/// What is asked of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// The answer as it is recorded.
    Recorded,
    QuestionText,
    QuestionName,
    SelectedChoices,
    SelectedChoicesTextEntry,
    UnselectedChoices,
    DisplayedChoices,
    AllChoices,
    SelectedChoicesRecode,
    SelectedChoicesCount,
    /// The text of the question, or that of one choice or field.
    TextEntry(Option<String>),
    NumericEntry(Option<String>),
    /// The label that a choice has.
    ChoiceDescription(String),
    /// Whether that choice was selected.
    SelectableChoice(String),
    /// The code of what was selected in one row.
    RowRecode(String),
    /// The labels of what was selected in one row.
    RowAnswers(String),
    NpsGroup,
}

impl Part {
    /// For whoever writes an unknown one.
    pub(super) const NAMES: [&'static str; 16] = [
        "QuestionText",
        "QuestionName",
        "ChoiceGroup/SelectedChoices",
        "ChoiceGroup/SelectedChoicesTextEntry",
        "ChoiceGroup/UnselectedChoices",
        "ChoiceGroup/DisplayedChoices",
        "ChoiceGroup/AllChoices",
        "ChoiceGroup/SelectedAnswers/ROW",
        "SelectedChoicesRecode",
        "SelectedChoicesCount",
        "SelectedAnswerRecode/ROW",
        "SelectableChoice/CHOICE",
        "ChoiceDescription/CHOICE",
        "ChoiceTextEntryValue[/CHOICE]",
        "ChoiceNumericEntryValue/CHOICE",
        "NPSGroup",
    ];

    /// Reads what follows the question's id.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix("ChoiceGroup/").unwrap_or(text);
        let (name, which) = match text.split_once('/') {
            Some((name, which)) if !which.is_empty() && !which.contains('/') => {
                (name, Some(which.to_owned()))
            }
            Some(_) => return None,
            None => (text, None),
        };
        match (name, which) {
            ("", None) => Some(Self::Recorded),
            ("QuestionText", None) => Some(Self::QuestionText),
            ("QuestionName", None) => Some(Self::QuestionName),
            ("SelectedChoices", None) => Some(Self::SelectedChoices),
            ("SelectedChoicesTextEntry", None) => Some(Self::SelectedChoicesTextEntry),
            ("UnselectedChoices", None) => Some(Self::UnselectedChoices),
            ("DisplayedChoices", None) => Some(Self::DisplayedChoices),
            ("AllChoices", None) => Some(Self::AllChoices),
            ("SelectedChoicesRecode", None) => Some(Self::SelectedChoicesRecode),
            ("SelectedChoicesCount", None) => Some(Self::SelectedChoicesCount),
            ("NPSGroup", None) => Some(Self::NpsGroup),
            ("ChoiceTextEntryValue", which) => Some(Self::TextEntry(which)),
            ("ChoiceNumericEntryValue", which) => Some(Self::NumericEntry(which)),
            ("SelectedAnswerRecode", Some(row)) => Some(Self::RowRecode(row)),
            ("SelectedAnswers", Some(row)) => Some(Self::RowAnswers(row)),
            ("SelectableChoice", Some(choice)) => Some(Self::SelectableChoice(choice)),
            ("ChoiceDescription", Some(choice)) => Some(Self::ChoiceDescription(choice)),
            _ => None,
        }
    }
}

/// What the response tells of the question; none when it was not answered or is not known.
pub(super) fn resolve(response: &Response<'_>, question: &str, part: &Part) -> Option<Value> {
    let answer = Answer { response, question };
    match part {
        Part::Recorded | Part::SelectedChoicesRecode | Part::NumericEntry(None) => {
            response.value(question).cloned()
        }
        Part::QuestionText => answer.of_question("text").map(Value::String),
        Part::QuestionName => answer.of_question("name").map(Value::String),
        Part::SelectedChoices => joined(answer.selected()?.into_iter().map(|chosen| chosen.label)),
        Part::SelectedChoicesTextEntry => joined(answer.selected()?.into_iter().map(|chosen| {
            let own_text = response.value(&format!("{question}_{}_TEXT", chosen.code));
            own_text.and_then(written).unwrap_or(chosen.label)
        })),
        Part::UnselectedChoices => {
            let selected: BTreeSet<String> = answer
                .selected()?
                .into_iter()
                .map(|chosen| chosen.code)
                .collect();
            let shown = answer.displayed().or_else(|| answer.all())?;
            let others = shown
                .into_iter()
                .filter(|choice| !selected.contains(&choice.code));
            joined(others.map(|choice| choice.label))
        }
        Part::DisplayedChoices => {
            joined(answer.displayed()?.into_iter().map(|choice| choice.label))
        }
        Part::AllChoices => joined(answer.all()?.into_iter().map(|choice| choice.label)),
        Part::SelectedChoicesCount => Some(answer.selected()?.len().into()),
        Part::TextEntry(Some(which)) => {
            let text = response.value(&format!("{question}_{which}_TEXT"));
            let field = || response.value(&format!("{question}_{which}"));
            text.or_else(field).cloned()
        }
        Part::TextEntry(None) => answer.only_text(),
        Part::NumericEntry(Some(which)) | Part::RowRecode(which) => {
            response.value(&format!("{question}_{which}")).cloned()
        }
        Part::RowAnswers(row) => {
            let key = format!("{question}_{row}");
            let row = Answer {
                response,
                question: &key,
            };
            joined(row.selected()?.into_iter().map(|chosen| chosen.label))
        }
        Part::ChoiceDescription(choice) => answer.label_of(choice).map(Value::String),
        Part::SelectableChoice(choice) => {
            let selected = answer.selected()?;
            Some(selected.iter().any(|chosen| chosen.code == *choice).into())
        }
        Part::NpsGroup => {
            let key = format!("{question}_NPS_GROUP");
            let labelled = response.label(&key).and_then(plain);
            let by_code = || match response.value(&key).and_then(written)?.as_str() {
                "1" => Some("Detractor".to_owned()),
                "2" => Some("Passive".to_owned()),
                "3" => Some("Promoter".to_owned()),
                _ => None,
            };
            labelled.or_else(by_code).map(Value::String)
        }
    }
}

struct Choice {
    code: String,
    label: String,
}

struct Answer<'a> {
    response: &'a Response<'a>,
    question: &'a str,
}

impl Answer<'_> {
    /// What was selected. A single answer is recorded as a number, several as a list of texts.
    fn selected(&self) -> Option<Vec<Choice>> {
        let codes = codes(self.response.value(self.question)?);
        Some(codes.into_iter().map(|code| self.choice(code)).collect())
    }

    fn displayed(&self) -> Option<Vec<Choice>> {
        let shown = self.response.displayed(self.question)?;
        let codes = shown.iter().filter_map(written);
        Some(codes.map(|code| self.choice(code)).collect())
    }

    fn all(&self) -> Option<Vec<Choice>> {
        let choices = self
            .response
            .question(self.question)?
            .get("choices")?
            .as_object()?;
        let mut codes: Vec<&String> = choices.keys().collect();
        codes.sort_by_key(|code| (code.parse::<u64>().unwrap_or(u64::MAX), code.as_str()));
        Some(
            codes
                .into_iter()
                .map(|code| self.choice(code.clone()))
                .collect(),
        )
    }

    fn choice(&self, code: String) -> Choice {
        let label = self.label_of(&code).unwrap_or_else(|| code.clone());
        Choice { code, label }
    }

    /// As the respondent saw it, else as the survey has it.
    fn label_of(&self, code: &str) -> Option<String> {
        let seen = || {
            let selected = codes(self.response.value(self.question)?);
            let at = selected.iter().position(|selected| selected == code)?;
            match self.response.label(self.question)? {
                // Labels stand in the order of the codes, or not at all.
                Value::Array(labels) if labels.len() == selected.len() => plain(labels.get(at)?),
                label if selected.len() == 1 => plain(label),
                Value::Null
                | Value::Bool(_)
                | Value::Number(_)
                | Value::String(_)
                | Value::Array(_)
                | Value::Object(_) => None,
            }
        };
        let of_survey = || {
            let choices = self.response.question(self.question)?.get("choices")?;
            plain(choices.get(code)?)
        };
        seen().or_else(of_survey)
    }

    fn of_question(&self, member: &str) -> Option<String> {
        plain(self.response.question(self.question)?.get(member)?)
    }

    /// The question's text answer, or that of its only choice which has one.
    fn only_text(&self) -> Option<Value> {
        let whole = self.response.value(&format!("{}_TEXT", self.question));
        let of_choice = || {
            let mut keys = self.response.keys().filter(|key| {
                let rest = key
                    .strip_prefix(self.question)
                    .and_then(|rest| rest.strip_prefix('_'));
                rest.and_then(|rest| rest.strip_suffix("_TEXT"))
                    .is_some_and(|choice| choice.bytes().all(|byte| byte.is_ascii_digit()))
            });
            match (keys.next(), keys.next()) {
                (Some(key), None) => self.response.value(key),
                _ => None,
            }
        };
        whole.or_else(of_choice).cloned()
    }
}

fn codes(value: &Value) -> Vec<String> {
    match value {
        Value::Array(members) => members.iter().filter_map(written).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            written(value).into_iter().collect()
        }
    }
}

/// A text or a number as text; none of anything else and of nothing.
fn written(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
            None
        }
    }
}

fn plain(label: &Value) -> Option<String> {
    written(label)
        .map(|label| plain_text(&label))
        .filter(|text| !text.is_empty())
}

fn joined(labels: impl Iterator<Item = String>) -> Option<Value> {
    let labels: Vec<String> = labels.collect();
    (!labels.is_empty()).then(|| Value::String(labels.join(", ")))
}
