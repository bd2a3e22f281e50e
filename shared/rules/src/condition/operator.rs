//! The operators' names.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::members::Quantifier;
use super::truth::Truth;

/// How a comparison compares; the crate's documentation has the table of their meanings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(
    missing_docs,
    reason = "each is a row of the table in the crate's documentation"
)]
pub enum Operator {
    IsEmpty,
    IsNotEmpty,
    Equals,
    NotEquals,
    In,
    NotIn,
    Contains,
    DoesNotContain,
    StartsWith,
    EndsWith,
    Matches,
    GreaterThan,
    GreaterThanOrEqual,
    LessThan,
    LessThanOrEqual,
    Between,
    IsTrue,
    IsFalse,
    Before,
    After,
    OnDay,
    WithinLast,
    WithinNext,
    MoreThanAgo,
    Selected,
    NotSelected,
    Displayed,
    NotDisplayed,
    CountEquals,
    CountNotEquals,
    CountGreaterThan,
    CountGreaterThanOrEqual,
    CountLessThan,
    CountLessThanOrEqual,
    AnyOf,
    AllOf,
    NoneOf,
}

impl Operator {
    /// Every operator, in the order of the documentation's table.
    pub const EVERY: [Self; 37] = [
        Self::IsEmpty,
        Self::IsNotEmpty,
        Self::Equals,
        Self::NotEquals,
        Self::In,
        Self::NotIn,
        Self::Contains,
        Self::DoesNotContain,
        Self::StartsWith,
        Self::EndsWith,
        Self::Matches,
        Self::GreaterThan,
        Self::GreaterThanOrEqual,
        Self::LessThan,
        Self::LessThanOrEqual,
        Self::Between,
        Self::IsTrue,
        Self::IsFalse,
        Self::Before,
        Self::After,
        Self::OnDay,
        Self::WithinLast,
        Self::WithinNext,
        Self::MoreThanAgo,
        Self::Selected,
        Self::NotSelected,
        Self::Displayed,
        Self::NotDisplayed,
        Self::CountEquals,
        Self::CountNotEquals,
        Self::CountGreaterThan,
        Self::CountGreaterThanOrEqual,
        Self::CountLessThan,
        Self::CountLessThanOrEqual,
        Self::AnyOf,
        Self::AllOf,
        Self::NoneOf,
    ];

    /// The operator's key in a comparison.
    pub fn name(self) -> &'static str {
        match self {
            Self::IsEmpty => "is_empty",
            Self::IsNotEmpty => "is_not_empty",
            Self::Equals => "equals",
            Self::NotEquals => "not_equals",
            Self::In => "in",
            Self::NotIn => "not_in",
            Self::Contains => "contains",
            Self::DoesNotContain => "does_not_contain",
            Self::StartsWith => "starts_with",
            Self::EndsWith => "ends_with",
            Self::Matches => "matches",
            Self::GreaterThan => "greater_than",
            Self::GreaterThanOrEqual => "greater_than_or_equal",
            Self::LessThan => "less_than",
            Self::LessThanOrEqual => "less_than_or_equal",
            Self::Between => "between",
            Self::IsTrue => "is_true",
            Self::IsFalse => "is_false",
            Self::Before => "before",
            Self::After => "after",
            Self::OnDay => "on_day",
            Self::WithinLast => "within_last",
            Self::WithinNext => "within_next",
            Self::MoreThanAgo => "more_than_ago",
            Self::Selected => "selected",
            Self::NotSelected => "not_selected",
            Self::Displayed => "displayed",
            Self::NotDisplayed => "not_displayed",
            Self::CountEquals => "count_equals",
            Self::CountNotEquals => "count_not_equals",
            Self::CountGreaterThan => "count_greater_than",
            Self::CountGreaterThanOrEqual => "count_greater_than_or_equal",
            Self::CountLessThan => "count_less_than",
            Self::CountLessThanOrEqual => "count_less_than_or_equal",
            Self::AnyOf => "any_of",
            Self::AllOf => "all_of",
            Self::NoneOf => "none_of",
        }
    }

    /// The operator of that key.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::EVERY
            .into_iter()
            .find(|operator| operator.name() == name)
    }

    /// The result for a field that is missing or null: unknown, except where having no value is itself
    /// an answer.
    pub(super) fn without_value(self, operand: &serde_json::Value) -> Truth {
        match self {
            Self::IsEmpty => (operand == &serde_json::Value::Bool(true)).into(),
            Self::IsNotEmpty => (operand == &serde_json::Value::Bool(false)).into(),
            Self::Equals
            | Self::In
            | Self::Contains
            | Self::Selected
            | Self::Displayed
            | Self::AnyOf
            | Self::AllOf => Truth::False,
            Self::NotEquals
            | Self::NotIn
            | Self::DoesNotContain
            | Self::NotSelected
            | Self::NotDisplayed
            | Self::NoneOf => Truth::True,
            Self::StartsWith
            | Self::EndsWith
            | Self::Matches
            | Self::GreaterThan
            | Self::GreaterThanOrEqual
            | Self::LessThan
            | Self::LessThanOrEqual
            | Self::Between
            | Self::IsTrue
            | Self::IsFalse
            | Self::Before
            | Self::After
            | Self::OnDay
            | Self::WithinLast
            | Self::WithinNext
            | Self::MoreThanAgo
            | Self::CountEquals
            | Self::CountNotEquals
            | Self::CountGreaterThan
            | Self::CountGreaterThanOrEqual
            | Self::CountLessThan
            | Self::CountLessThanOrEqual => Truth::Unknown,
        }
    }

    /// The known key that a mistyped one is nearest to, when it is near.
    pub(super) fn nearest(name: &str) -> Option<&'static str> {
        Self::EVERY
            .into_iter()
            .map(Self::name)
            .chain(Quantifier::EVERY.map(Quantifier::name))
            .chain(["field", "expression", "all", "any", "none"])
            .map(|known| (edits(name, known), known))
            .filter(|(edits, known)| *edits <= known.len().div_ceil(3))
            .min()
            .map(|(_, known)| known)
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How many characters must be put in, taken out or replaced to get from one to the other. Names longer
/// than any key are not worth the work.
fn edits(from: &str, to: &str) -> usize {
    if from.len() > 40 {
        return usize::MAX;
    }
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (line, from_character) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for (column, to_character) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(from_character != *to_character);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}
