//! Why a condition holds or not.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::operator::Operator;

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
        holds: bool,
        /// The members' results, in the condition's order.
        members: Vec<Trace>,
    },
    /// Holds when at least one member does.
    Any {
        /// Whether it does.
        holds: bool,
        /// The members' results, in the condition's order.
        members: Vec<Trace>,
    },
    /// Holds when no member does.
    None {
        /// Whether it does.
        holds: bool,
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
        holds: bool,
        /// What kept the value from being compared.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<Note>,
    },
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
}

impl Trace {
    /// The result of this part.
    pub fn holds(&self) -> bool {
        match self {
            Self::All { holds, .. }
            | Self::Any { holds, .. }
            | Self::None { holds, .. }
            | Self::Comparison { holds, .. } => *holds,
        }
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result {
        let mark = if self.holds() { '✓' } else { '✗' };
        write!(f, "{:indent$}{mark} ", "", indent = depth * 2)?;
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
        member.write(f, depth + 1)?;
    }
    Ok(())
}

/// Lines indented by two spaces a level, each beginning with ✓ or ✗; no newline at the end.
impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, 0)
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
        })
    }
}
