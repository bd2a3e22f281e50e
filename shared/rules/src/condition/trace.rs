//! Why a condition holds or not.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::members::Quantifier;
use super::operator::Operator;
use super::truth::Truth;

/// A condition's tree again, with the result of each part.
///
/// It holds values of the event (shortened to 200 characters), so it belongs into the run's record and
/// not into logs. `Display` gives it as indented lines.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Trace {
    /// Holds when every member does.
    All {
        /// Whether it does.
        holds: Truth,
        /// The members' results, in the condition's order.
        members: Vec<Trace>,
    },
    /// Holds when at least one member does.
    Any {
        /// Whether it does.
        holds: Truth,
        /// The members' results, in the condition's order.
        members: Vec<Trace>,
    },
    /// Holds when no member does.
    None {
        /// Whether it does.
        holds: Truth,
        /// The members' results, in the condition's order.
        members: Vec<Trace>,
    },
    /// One comparison.
    Comparison {
        /// The field as the condition has it.
        field: String,
        /// How the value was compared.
        operator: Operator,
        /// What it was compared with.
        expected: Value,
        /// The event's value; absent when it has none. A long one is text that ends in an ellipsis.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seen: Option<Value>,
        /// Whether the comparison holds.
        holds: Truth,
        /// What kept the value from being compared.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<Note>,
    },
    /// A condition on the members of a list.
    ListMembers {
        /// The field as the condition has it.
        field: String,
        /// How many of the members must meet the condition.
        quantifier: Quantifier,
        /// How many members the list has.
        count: usize,
        /// The first few of those that explain the result.
        members: Vec<MemberTrace>,
        /// Whether so many of them do.
        holds: Truth,
        /// What kept the list, or the rest of it, from being looked at.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<Note>,
    },
    /// An expression.
    Expression {
        /// The expression as the condition has it.
        expression: String,
        /// What it came to, where that is a single value.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        result: Option<Value>,
        /// The parts of the event that it names.
        seen: Vec<Seen>,
        /// Whether it holds.
        holds: Truth,
        /// What kept it from a result.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<Note>,
    },
}

/// One member of a list, compared with the condition on members.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MemberTrace {
    /// Where it stands in the list, counted from 0.
    pub index: usize,
    /// Its result.
    pub trace: Trace,
}

/// A part of the event that an expression names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Seen {
    /// The path to it, as a `field` would have it.
    pub field: String,
    /// The event's value; absent when it has none. A long one is text that ends in an ellipsis.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
}

/// Why a value could not be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Note {
    /// The field is missing or null.
    #[serde(rename = "no value")]
    NoValue,
    /// The operator needs a number.
    #[serde(rename = "not a number")]
    NotANumber,
    /// The operator needs a date.
    #[serde(rename = "not a date")]
    NotADate,
    /// The operator needs text, a number or a boolean.
    #[serde(rename = "not a text")]
    NotAText,
    /// The operator needs a boolean.
    #[serde(rename = "not true or false")]
    NotABoolean,
    /// The operator needs a list.
    #[serde(rename = "not a list")]
    NotAList,
    /// The operator needs a choice id or a list of them.
    #[serde(rename = "not a choice")]
    NotAChoice,
    /// The value is longer than what `matches` searches, and its beginning has no match.
    #[serde(rename = "only the beginning was searched")]
    OnlyBeginningSearched,
    /// The list is longer than what is looked at, and its beginning does not decide.
    #[serde(rename = "only the first members were looked at")]
    OnlyFirstMembers,
    /// The members would take more work than one condition may.
    #[serde(rename = "too much work for one condition")]
    TooMuchWork,
    /// The expression could take more work with this event than one may.
    #[serde(rename = "too costly for this event")]
    TooCostly,
    /// The expression came to something else than a boolean.
    #[serde(rename = "the result is not true or false")]
    ResultNotABoolean,
    /// The expression took something that the event does not have.
    #[serde(rename = "a key is missing")]
    KeyMissing,
    /// The expression took a member that the list does not have.
    #[serde(rename = "an index is out of range")]
    IndexOutOfRange,
    /// The expression's operator or function does not know values of this kind.
    #[serde(rename = "an operation does not fit its values")]
    DoesNotFit,
    /// The expression divided by zero.
    #[serde(rename = "division by zero")]
    DivisionByZero,
    /// The expression computed a number that is too large.
    #[serde(rename = "a number is out of range")]
    NumberOutOfRange,
    /// The expression's function cannot make a number or a boolean of this.
    #[serde(rename = "a value cannot be converted")]
    NotConvertible,
    /// The expression makes a list of an object's keys, which have no order.
    #[serde(rename = "an object's keys have no order")]
    KeysWithoutOrder,
    /// The expression failed in another way.
    #[serde(rename = "the expression failed")]
    ExpressionFailed,
}

impl Trace {
    /// The result of this part.
    pub fn truth(&self) -> Truth {
        match self {
            Self::All { holds, .. }
            | Self::Any { holds, .. }
            | Self::None { holds, .. }
            | Self::Comparison { holds, .. }
            | Self::ListMembers { holds, .. }
            | Self::Expression { holds, .. } => *holds,
        }
    }

    /// Whether this part is known to hold.
    pub fn holds(&self) -> bool {
        self.truth().holds()
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, depth: usize, label: &str) -> fmt::Result {
        let mark = match self.truth() {
            Truth::True => '✓',
            Truth::False => '✗',
            Truth::Unknown => '?',
        };
        write!(f, "{:indent$}{mark} {label}", "", indent = depth * 2)?;
        match self {
            Self::All { members, .. } => write_members(f, "all", members, depth),
            Self::Any { members, .. } => write_members(f, "any", members, depth),
            Self::None { members, .. } => write_members(f, "none", members, depth),
            Self::Comparison {
                field,
                operator,
                expected,
                seen,
                holds: _,
                note,
            } => {
                write!(f, "{field} {operator} {expected}")?;
                match (seen, note) {
                    (Some(seen), Some(note)) => write!(f, " (seen {seen}: {note})"),
                    (Some(seen), None) => write!(f, " (seen {seen})"),
                    (None, Some(note)) => write!(f, " ({note})"),
                    (None, None) => Ok(()),
                }
            }
            Self::ListMembers {
                field,
                quantifier,
                count,
                members,
                holds: _,
                note,
            } => {
                write!(f, "{field} {quantifier}")?;
                match note {
                    Some(Note::NoValue) => write!(f, " ({})", Note::NoValue)?,
                    Some(note) => write!(f, " ({} of {count} shown: {note})", members.len())?,
                    None => write!(f, " ({} of {count} shown)", members.len())?,
                }
                for member in members {
                    f.write_str("\n")?;
                    let label = format!("[{}] ", member.index);
                    member.trace.write(f, depth + 1, &label)?;
                }
                Ok(())
            }
            Self::Expression {
                expression,
                result,
                seen,
                holds: _,
                note,
            } => {
                f.write_str(expression)?;
                let mut parts = Vec::new();
                for Seen { field, value } in seen {
                    parts.push(match value {
                        Some(value) => format!("{field} is {value}"),
                        None => format!("{field} has {}", Note::NoValue),
                    });
                }
                // The mark says it where the result is a boolean.
                if let Some(result) = result.as_ref().filter(|result| !result.is_boolean()) {
                    parts.push(format!("result {result}"));
                }
                if let Some(note) = note {
                    parts.push(note.to_string());
                }
                if parts.is_empty() {
                    return Ok(());
                }
                write!(f, " ({})", parts.join(", "))
            }
        }
    }
}

fn write_members(
    f: &mut fmt::Formatter<'_>,
    group: &str,
    members: &[Trace],
    depth: usize,
) -> fmt::Result {
    f.write_str(group)?;
    if members.is_empty() {
        f.write_str(" of nothing")?;
    }
    for member in members {
        f.write_str("\n")?;
        member.write(f, depth + 1, "")?;
    }
    Ok(())
}

/// Lines indented by two spaces a level, each beginning with ✓, ✗ or, for unknown, ?; no newline at the
/// end.
impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, 0, "")
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoValue => "no value",
            Self::NotANumber => "not a number",
            Self::NotADate => "not a date",
            Self::NotAText => "not a text",
            Self::NotABoolean => "not true or false",
            Self::NotAList => "not a list",
            Self::NotAChoice => "not a choice",
            Self::OnlyBeginningSearched => "only the beginning was searched",
            Self::OnlyFirstMembers => "only the first members were looked at",
            Self::TooMuchWork => "too much work for one condition",
            Self::TooCostly => "too costly for this event",
            Self::ResultNotABoolean => "the result is not true or false",
            Self::KeyMissing => "a key is missing",
            Self::IndexOutOfRange => "an index is out of range",
            Self::DoesNotFit => "an operation does not fit its values",
            Self::DivisionByZero => "division by zero",
            Self::NumberOutOfRange => "a number is out of range",
            Self::NotConvertible => "a value cannot be converted",
            Self::KeysWithoutOrder => "an object's keys have no order",
            Self::ExpressionFailed => "the expression failed",
        })
    }
}
