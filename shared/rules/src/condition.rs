//! The condition tree: its door (parsing), its limits and its evaluation.

mod check;
mod comparison;
mod decimal;
mod expression;
mod field;
mod instant;
mod members;
mod operator;
mod schema;
mod trace;
mod truth;

use std::fmt;

use jiff::Timestamp;
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use self::comparison::{Comparison, parse_field};
use self::expression::{Expression, PreparedEvent};
use self::field::Root;
pub use self::members::Quantifier;
use self::members::{Allowance, ListMembers};
pub use self::operator::Operator;
pub use self::trace::{MemberTrace, Note, Seen, Trace};
pub use self::truth::Truth;

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

/// How many of the comparisons may be an `expression`.
pub const MAX_EXPRESSIONS: usize = 20;
/// How deep conditions on members may nest in each other.
pub const MAX_MEMBER_NESTING: usize = 3;
/// How many members of a list a condition on members looks at.
pub const MAX_LOOKED_AT_MEMBERS: usize = 1_000;
/// How many steps all conditions on members of one condition may take; a comparison takes one, or more
/// where it compares a long text or list.
pub const MAX_MEMBER_STEPS: u64 = 100_000;

/// A condition on an event, checked when it was parsed; see the crate's documentation.
///
/// Parsing (by [`Condition::parse`] or serde) is the only way in, so a condition is always within its
/// limits and its operands fit its operators. It serialises to what it was parsed from.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    node: Node,
    /// How many conditions on members it has that are in no other such condition.
    lists: usize,
}

#[derive(Debug, Clone, PartialEq)]
enum Node {
    Group(Group, Vec<Node>),
    Comparison(Box<Comparison>),
    ListMembers(ListMembers),
    Expression(Expression),
}

/// What a condition is evaluated with.
#[derive(Clone, Copy)]
struct Scene<'a, 'e> {
    /// What fields are relative to.
    root: &'a Value,
    now: Timestamp,
    /// How many lists share what the condition may spend on members.
    lists: usize,
    /// What the members of the list around this may still take; none when there is no list around it.
    allowance: Option<&'a Allowance>,
    /// The event as expressions see it.
    event: &'a PreparedEvent<'e>,
}

impl Scene<'_, '_> {
    /// Whether that many steps may still be taken.
    fn spend(&self, steps: u64) -> bool {
        self.allowance
            .is_none_or(|allowance| allowance.spend(steps))
    }
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
    /// Whether the condition is known to hold; the same as the trace's own result.
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
        "expected an object with `all`, `any` or `none`, with `field` and an operator, or with `expression`; found {found}"
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
        reason: String,
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
    /// More than [`MAX_EXPRESSIONS`] expressions.
    #[error("more than {MAX_EXPRESSIONS} `expression` in one condition")]
    TooManyExpressions,
    /// Deeper than [`MAX_MEMBER_NESTING`].
    #[error("conditions on members nest deeper than {MAX_MEMBER_NESTING} levels")]
    MembersTooDeep,
    /// An expression has one key only.
    #[error("`expression` must be the only key of its object; found also `{other}`")]
    ExpressionNotAlone {
        /// Another key.
        other: String,
    },
    /// An expression in a condition on members.
    #[error(
        "an expression is about the event and cannot stand in a condition on members; \
         it has `exists` and `all` of its own"
    )]
    ExpressionOnMember,
    /// An expression that cannot be used.
    #[error("`expression`: {reason}")]
    Expression {
        /// What is wrong with it, and where.
        reason: String,
    },
}

impl Condition {
    /// The condition that every event meets: all of nothing.
    pub fn always() -> Self {
        Self {
            node: Node::Group(Group::All, Vec::new()),
            lists: 0,
        }
    }

    /// The condition that holds where both do. The limits of [`Condition::parse`] are those of each part.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            node: Node::Group(Group::All, vec![self.node, other.node]),
            lists: self.lists + other.lists,
        }
    }

    /// The tasks whose outputs it looks at, as `tasks.<id>.output.<name>`, with the name where there is one. The
    /// condition of a task can look at those of earlier tasks.
    pub fn task_outputs(&self) -> Vec<(String, Option<String>)> {
        let mut found = Vec::new();
        self.node.collect_task_outputs(&mut found);
        found
    }

    /// Reads a condition from its JSON form.
    ///
    /// # Errors
    /// The first problem found and where it is; not retryable.
    pub fn parse(source: &Value) -> Result<Self, ConditionError> {
        let mut parser = Parser::default();
        let node = parser.node(source, 1)?;
        Ok(Self {
            node,
            lists: parser.lists,
        })
    }

    /// Compares an event, a CloudEvents object as JSON, with this condition.
    ///
    /// `now` is what `within_last` and its like are relative to. Every comparison is evaluated, even
    /// where an earlier one has decided, so that the trace explains all of them.
    pub fn evaluate(&self, root: &Value, now: Timestamp) -> Evaluation {
        let event = PreparedEvent::of(root, now);
        let trace = self.node.evaluate(&Scene {
            root,
            now,
            lists: self.lists,
            allowance: None,
            event: &event,
        });
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
            Self::ListMembers(list) => {
                let mut map = serializer.serialize_map(Some(2))?;
                map.serialize_entry("field", list.field.as_str())?;
                map.serialize_entry(list.quantifier.name(), list.condition.as_ref())?;
                map.end()
            }
            Self::Expression(expression) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry(EXPRESSION, expression.as_str())?;
                map.end()
            }
        }
    }
}

impl Node {
    fn collect_task_outputs(&self, found: &mut Vec<(String, Option<String>)>) {
        match self {
            Self::Group(_, members) => {
                for member in members {
                    member.collect_task_outputs(found);
                }
            }
            Self::Comparison(comparison) => found.extend(comparison.field().task_output()),
            // Fields of the condition within are those of a member.
            Self::ListMembers(members) => found.extend(members.field.task_output()),
            Self::Expression(expression) => {
                found.extend(
                    expression
                        .fields()
                        .iter()
                        .filter_map(field::Field::task_output),
                );
            }
        }
    }

    fn evaluate(&self, scene: &Scene<'_, '_>) -> Trace {
        match self {
            Self::Group(group, members) => {
                scene.spend(1);
                let members: Vec<Trace> = members
                    .iter()
                    .map(|member| member.evaluate(scene))
                    .collect();
                let results = members.iter().map(Trace::truth);
                match group {
                    Group::All => Trace::All {
                        holds: Truth::all(results),
                        members,
                    },
                    Group::Any => Trace::Any {
                        holds: Truth::any(results),
                        members,
                    },
                    Group::None => Trace::None {
                        holds: !Truth::any(results),
                        members,
                    },
                }
            }
            Self::Comparison(comparison) => comparison.evaluate(scene),
            Self::ListMembers(list) => list.evaluate(scene),
            Self::Expression(expression) => expression.evaluate(scene.event),
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
    path: Vec<Step>,
    comparisons: usize,
    groups: usize,
    patterns: usize,
    expressions: usize,
    lists: usize,
    /// How many conditions on members are around what is being read.
    member_nesting: usize,
}

/// A step from a condition to one within it.
enum Step {
    Group(Group, usize),
    Members(Quantifier),
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Group(group, index) => write!(f, "{}[{index}]", group.key()),
            Self::Members(quantifier) => quantifier.fmt(f),
        }
    }
}

/// The key of an expression.
const EXPRESSION: &str = "expression";

impl Parser {
    fn node(&mut self, source: &Value, depth: usize) -> Result<Node, ConditionError> {
        if depth > MAX_DEPTH {
            return Err(self.error(Problem::TooDeep));
        }
        let Value::Object(map) = source else {
            let found = describe(source);
            return Err(self.error(Problem::NotAnObject { found }));
        };
        if let Some(group) = Group::EVERY
            .into_iter()
            .find(|group| map.contains_key(group.key()))
        {
            return self.group(group, map, depth);
        }
        self.comparisons += 1;
        if self.comparisons > MAX_COMPARISONS {
            return Err(self.error(Problem::TooMany));
        }
        if let Some(source) = map.get(EXPRESSION) {
            return self.expression(source, map);
        }
        let quantifier = Quantifier::EVERY
            .into_iter()
            .find(|quantifier| map.contains_key(quantifier.name()));
        match quantifier {
            Some(quantifier) => self.list_members(quantifier, map, depth),
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
            self.path.push(Step::Group(group, index));
            nodes.push(self.node(member, depth + 1)?);
            self.path.pop();
        }
        Ok(Node::Group(group, nodes))
    }

    fn comparison(&mut self, map: &Map<String, Value>) -> Result<Node, ConditionError> {
        let comparison =
            Comparison::parse(map, self.root()).map_err(|problem| self.error(problem))?;
        self.patterns += usize::from(comparison.operator() == Operator::Matches);
        if self.patterns > MAX_PATTERNS {
            return Err(self.error(Problem::TooManyPatterns));
        }
        Ok(Node::Comparison(Box::new(comparison)))
    }

    fn list_members(
        &mut self,
        quantifier: Quantifier,
        map: &Map<String, Value>,
        depth: usize,
    ) -> Result<Node, ConditionError> {
        let Some(source) = map.get("field") else {
            return Err(self.error(Problem::NoField {
                operator: quantifier.to_string(),
            }));
        };
        let field = parse_field(source, self.root()).map_err(|problem| self.error(problem))?;
        let other = map
            .keys()
            .find(|key| *key != "field" && *key != quantifier.name());
        if let Some(other) = other {
            return Err(self.error(Problem::SeveralOperators {
                field: field.as_str().to_owned(),
                first: quantifier.to_string(),
                second: shorten(other, MAX_QUOTED_CHARACTERS),
            }));
        }
        if self.member_nesting == MAX_MEMBER_NESTING {
            return Err(self.error(Problem::MembersTooDeep));
        }
        if self.member_nesting == 0 {
            self.lists += 1;
        }
        self.member_nesting += 1;
        self.path.push(Step::Members(quantifier));
        let nested = map.get(quantifier.name()).unwrap_or(&Value::Null);
        let condition = Box::new(self.node(nested, depth + 1)?);
        self.path.pop();
        self.member_nesting -= 1;
        Ok(Node::ListMembers(ListMembers {
            field,
            quantifier,
            condition,
        }))
    }

    fn expression(
        &mut self,
        source: &Value,
        map: &Map<String, Value>,
    ) -> Result<Node, ConditionError> {
        if let Some(other) = map.keys().find(|key| *key != EXPRESSION) {
            return Err(self.error(Problem::ExpressionNotAlone {
                other: shorten(other, MAX_QUOTED_CHARACTERS),
            }));
        }
        self.expressions += 1;
        if self.expressions > MAX_EXPRESSIONS {
            return Err(self.error(Problem::TooManyExpressions));
        }
        if self.member_nesting > 0 {
            return Err(self.error(Problem::ExpressionOnMember));
        }
        let parsed = source
            .as_str()
            .ok_or_else(|| format!("expected text, found {}", describe(source)))
            .and_then(Expression::parse);
        let expression = parsed.map_err(|reason| self.error(Problem::Expression { reason }))?;
        Ok(Node::Expression(expression))
    }

    fn root(&self) -> Root {
        if self.member_nesting > 0 {
            Root::Member
        } else {
            Root::Event
        }
    }

    fn error(&self, problem: Problem) -> ConditionError {
        let steps: Vec<String> = self.path.iter().map(Step::to_string).collect();
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
