//! The condition tree: its door (parsing), its limits and its evaluation.

mod check;
mod comparison;
mod decimal;
mod field;
mod instant;
mod operator;
mod schema;

mod trace;

use std::fmt;

use jiff::Timestamp;
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use self::comparison::Comparison;
pub use self::operator::Operator;
pub use self::trace::{Note, Trace};

/// How deep groups and comparisons may nest; a lone comparison has depth 1.
pub const MAX_DEPTH: usize = 16;
/// How many comparisons one condition may hold, and how many groups.
pub const MAX_COMPARISONS: usize = 200;
/// How many of the comparisons may be `matches`, which takes longer than the others.
pub const MAX_PATTERNS: usize = 20;
/// How many characters a field or an operand's text may have.
pub const MAX_OPERAND_CHARACTERS: usize = 1_000;
/// How many members an operand that is a list may have.
pub const MAX_LIST_MEMBERS: usize = 200;

/// A condition on an event, checked when it was parsed; see the crate's documentation.
///
/// Parsing (by [`Condition::parse`] or serde) is the only way in, so a condition is always within its
/// limits and its operands fit its operators. It serialises to what it was parsed from.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    node: Node,
}

#[derive(Debug, Clone, PartialEq)]
enum Node {
    Group(Group, Vec<Node>),
    Comparison(Comparison),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Group {
    All,
    Any,
    None,
}

/// What a condition came to for one event.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// Whether the condition holds; the same as the trace's own result.
    pub holds: bool,
    /// Why.
    pub trace: Trace,
}

/// A condition that cannot be used. Whoever wrote the condition must correct it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{problem}", Place(.at))]
pub struct ConditionError {
    /// Where in the condition, such as `all[1].any[0]`; empty for its root.
    pub at: String,
    /// What is wrong there.
    pub problem: Problem,
}

/// What is wrong with a condition. Its text quotes the condition, never an event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A condition is a JSON object, and this is none.
    #[error(
        "expected an object with `all`, `any` or `none`, or with `field` and an operator; found {found}"
    )]
    NotAnObject {
        /// What stands there.
        found: String,
    },
    /// A group has one key only.
    #[error("`{group}` must be the only key of its object; found also `{other}`")]
    GroupNotAlone {
        /// The group's key.
        group: String,
        /// Another key.
        other: String,
    },
    /// A group's members are a list.
    #[error("`{group}`: expected a list of conditions, found {found}")]
    GroupNotAList {
        /// The group's key.
        group: String,
        /// What stands there.
        found: String,
    },
    /// A comparison without `field`.
    #[error("`field` is missing beside `{operator}`")]
    NoField {
        /// The operator that lacks a field.
        operator: String,
    },
    /// A field that is no path.
    #[error("`field`: expected a path such as `data.values.QID1`, found {found}: {reason}")]
    Field {
        /// What stands there.
        found: String,
        /// Why it is no path.
        reason: &'static str,
    },
    /// A comparison without operator.
    #[error("field `{field}`: expected an operator such as `equals` beside it, found none")]
    NoOperator {
        /// The comparison's field.
        field: String,
    },
    /// A comparison with several operators.
    #[error(
        "field `{field}`: expected one operator, found `{first}` and `{second}`; use `all` or `any` for several"
    )]
    SeveralOperators {
        /// The comparison's field.
        field: String,
        /// One of the operators.
        first: String,
        /// Another one.
        second: String,
    },
    /// A key that is no operator.
    #[error("unknown key `{key}`{}", Suggestion(*.suggestion))]
    UnknownKey {
        /// The key.
        key: String,
        /// The key that was probably meant.
        suggestion: Option<&'static str>,
    },
    /// An operand that does not fit its operator.
    #[error("field `{field}`, operator `{operator}`: expected {expected}, found {found}")]
    Operand {
        /// The comparison's field.
        field: String,
        /// The comparison's operator.
        operator: Operator,
        /// What the operator takes.
        expected: String,
        /// What stands there.
        found: String,
    },
    /// Deeper than [`MAX_DEPTH`].
    #[error("conditions nest deeper than {MAX_DEPTH} levels")]
    TooDeep,
    /// More than [`MAX_COMPARISONS`] comparisons or groups.
    #[error("more than {MAX_COMPARISONS} comparisons or groups")]
    TooMany,
    /// More than [`MAX_PATTERNS`] regular expressions.
    #[error("more than {MAX_PATTERNS} `matches` in one condition")]
    TooManyPatterns,
}

impl Condition {
    /// The condition that every event meets: all of nothing.
    pub fn always() -> Self {
        Self {
            node: Node::Group(Group::All, Vec::new()),
        }
    }

    /// Reads a condition from its JSON form.
    ///
    /// # Errors
    /// The first problem found and where it is; not retryable.
    pub fn parse(source: &Value) -> Result<Self, ConditionError> {
        let mut parser = Parser::default();
        let node = parser.node(source, 1)?;
        Ok(Self { node })
    }

    /// Compares an event, a CloudEvents object as JSON, with this condition.
    ///
    /// `now` is what `within_last` and `within_next` are relative to. Every comparison is evaluated, even
    /// where an earlier one has decided, so that the trace explains all of them.
    pub fn evaluate(&self, root: &Value, now: Timestamp) -> Evaluation {
        let trace = self.node.evaluate(root, now);
        Evaluation {
            holds: trace.holds(),
            trace,
        }
    }
}

/// All of nothing, as [`Condition::always`]: an absent condition lets every event through.
impl Default for Condition {
    fn default() -> Self {
        Self::always()
    }
}

impl<'de> Deserialize<'de> for Condition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let source = Value::deserialize(deserializer)?;
        Self::parse(&source).map_err(serde::de::Error::custom)
    }
}

impl Serialize for Condition {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.node.serialize(serializer)
    }
}

impl Serialize for Node {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Group(group, members) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry(group.key(), members)?;
                map.end()
            }
            Self::Comparison(comparison) => comparison.serialize(serializer),
        }
    }
}

impl Node {
    fn evaluate(&self, root: &Value, now: Timestamp) -> Trace {
        match self {
            Self::Group(group, members) => {
                let members: Vec<Trace> = members
                    .iter()
                    .map(|member| member.evaluate(root, now))
                    .collect();
                let mut results = members.iter().map(Trace::holds);
                match group {
                    Group::All => Trace::All {
                        holds: results.all(|holds| holds),
                        members,
                    },
                    Group::Any => Trace::Any {
                        holds: results.any(|holds| holds),
                        members,
                    },
                    Group::None => Trace::None {
                        holds: !results.any(|holds| holds),
                        members,
                    },
                }
            }
            Self::Comparison(comparison) => comparison.evaluate(root, now),
        }
    }
}

impl Group {
    const EVERY: [Self; 3] = [Self::All, Self::Any, Self::None];

    fn key(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Any => "any",
            Self::None => "none",
        }
    }
}

/// Keeps the path from the root for error messages, and counts what the limits are about.
#[derive(Default)]
struct Parser {
    path: Vec<(Group, usize)>,
    comparisons: usize,
    groups: usize,
    patterns: usize,
}

impl Parser {
    fn node(&mut self, source: &Value, depth: usize) -> Result<Node, ConditionError> {
        if depth > MAX_DEPTH {
            return Err(self.error(Problem::TooDeep));
        }
        let Value::Object(map) = source else {
            let found = describe(source);
            return Err(self.error(Problem::NotAnObject { found }));
        };
        match Group::EVERY
            .into_iter()
            .find(|group| map.contains_key(group.key()))
        {
            Some(group) => self.group(group, map, depth),
            None => self.comparison(map),
        }
    }

    fn group(
        &mut self,
        group: Group,
        map: &Map<String, Value>,
        depth: usize,
    ) -> Result<Node, ConditionError> {
        if let Some(other) = map.keys().find(|key| *key != group.key()) {
            return Err(self.error(Problem::GroupNotAlone {
                group: group.key().to_owned(),
                other: shorten(other, MAX_QUOTED_CHARACTERS),
            }));
        }
        let members = match map.get(group.key()) {
            Some(Value::Array(members)) => members,
            other => {
                let found = describe(other.unwrap_or(&Value::Null));
                return Err(self.error(Problem::GroupNotAList {
                    group: group.key().to_owned(),
                    found,
                }));
            }
        };
        self.groups += 1;
        if self.groups > MAX_COMPARISONS {
            return Err(self.error(Problem::TooMany));
        }
        let mut nodes = Vec::with_capacity(members.len().min(MAX_COMPARISONS));
        for (index, member) in members.iter().enumerate() {
            self.path.push((group, index));
            nodes.push(self.node(member, depth + 1)?);
            self.path.pop();
        }
        Ok(Node::Group(group, nodes))
    }

    fn comparison(&mut self, map: &Map<String, Value>) -> Result<Node, ConditionError> {
        self.comparisons += 1;
        if self.comparisons > MAX_COMPARISONS {
            return Err(self.error(Problem::TooMany));
        }
        let comparison = Comparison::parse(map).map_err(|problem| self.error(problem))?;
        self.patterns += usize::from(comparison.operator() == Operator::Matches);
        if self.patterns > MAX_PATTERNS {
            return Err(self.error(Problem::TooManyPatterns));
        }
        Ok(Node::Comparison(comparison))
    }

    fn error(&self, problem: Problem) -> ConditionError {
        let steps: Vec<String> = self
            .path
            .iter()
            .map(|(group, index)| format!("{}[{index}]", group.key()))
            .collect();
        ConditionError {
            at: steps.join("."),
            problem,
        }
    }
}

struct Place<'a>(&'a str);

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return Ok(());
        }
        write!(f, "{}: ", self.0)
    }
}

struct Suggestion(Option<&'static str>);

impl fmt::Display for Suggestion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(name) => write!(f, "; did you mean `{name}`?"),
            None => f.write_str(
                "; expected `field` and one operator such as `equals`, or `all`, `any`, `none`",
            ),
        }
    }
}

/// How much of a wrong operand an error message quotes.
const MAX_QUOTED_CHARACTERS: usize = 60;

/// A value in an error message: its kind, and itself where that is short.
fn describe(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(boolean) => boolean.to_string(),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) => format!("the text {:?}", shorten(text, MAX_QUOTED_CHARACTERS)),
        Value::Array(members) => format!("a list of {}", members.len()),
        Value::Object(_) => "an object".to_owned(),
    }
}

/// The text, or its beginning and an ellipsis: at most `limit` characters and one more.
fn shorten(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;
