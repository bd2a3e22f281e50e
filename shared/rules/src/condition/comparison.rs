//! One comparison: a field, an operator and its operand.

use std::io;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::check::Check;
use super::field::{Field, Root};
use super::operator::Operator;
use super::trace::{Note, Trace};
use super::truth::Truth;
use super::{MAX_QUOTED_CHARACTERS, Problem, Scene, describe, shorten};

/// How many characters of a value a trace keeps.
const MAX_SEEN_CHARACTERS: usize = 200;

#[derive(Debug, Clone)]
pub(super) struct Comparison {
    field: Field,
    /// Where the value is: the field, or something that belongs to it.
    looked_up: Field,
    operator: Operator,
    /// As written, for the trace and for serialising.
    operand: Value,
    /// The operand, understood.
    check: Check,
}

/// The rest follows from field, operator and operand.
impl PartialEq for Comparison {
    fn eq(&self, other: &Self) -> bool {
        self.field == other.field
            && self.operator == other.operator
            && self.operand == other.operand
    }
}

impl Comparison {
    pub(super) fn parse(map: &Map<String, Value>, root: Root) -> Result<Self, Problem> {
        let mut operators = Vec::new();
        for (key, operand) in map.iter().filter(|(key, _)| *key != "field") {
            let operator = Operator::from_name(key).ok_or_else(|| Problem::UnknownKey {
                key: shorten(key, MAX_QUOTED_CHARACTERS),
                suggestion: Operator::nearest(key),
            })?;
            operators.push((operator, operand));
        }
        let Some(source) = map.get("field") else {
            return Err(match operators.first() {
                Some((operator, _)) => Problem::NoField {
                    operator: operator.to_string(),
                },
                None => Problem::NotAnObject {
                    found: "an empty object".to_owned(),
                },
            });
        };
        let field = parse_field(source, root)?;
        let (operator, operand) = match operators.as_slice() {
            [(operator, operand)] => (*operator, *operand),
            [] => {
                return Err(Problem::NoOperator {
                    field: field.as_str().to_owned(),
                });
            }
            [(first, _), (second, _), ..] => {
                return Err(Problem::SeveralOperators {
                    field: field.as_str().to_owned(),
                    first: first.to_string(),
                    second: second.to_string(),
                });
            }
        };
        let check = Check::parse(operator, operand).map_err(|mismatch| Problem::Operand {
            field: field.as_str().to_owned(),
            operator,
            expected: mismatch.expected,
            found: mismatch.found,
        })?;
        let looked_up = if matches!(operator, Operator::Displayed | Operator::NotDisplayed) {
            field.displayed().map_err(|reason| Problem::Field {
                found: format!("{:?}", shorten(field.as_str(), MAX_QUOTED_CHARACTERS)),
                reason,
            })?
        } else {
            field.clone()
        };
        Ok(Self {
            field,
            looked_up,
            operator,
            operand: operand.clone(),
            check,
        })
    }

    pub(super) fn field(&self) -> &Field {
        &self.field
    }

    pub(super) fn operator(&self) -> Operator {
        self.operator
    }

    pub(super) fn evaluate(&self, scene: &Scene<'_, '_>) -> Trace {
        let value = self.looked_up.find(scene.root);
        let steps = value.as_deref().map_or(1, |value| self.check.steps(value));
        let (holds, note) = if scene.spend(steps) {
            match value
                .as_deref()
                .map(|value| self.check.holds(value, scene.now))
            {
                Some(Ok(holds)) => (holds.into(), None),
                Some(Err(note)) => (Truth::Unknown, Some(note)),
                None => (
                    self.operator.without_value(&self.operand),
                    Some(Note::NoValue),
                ),
            }
        } else {
            (Truth::Unknown, Some(Note::TooMuchWork))
        };
        Trace::Comparison {
            field: self.field.as_str().to_owned(),
            operator: self.operator,
            expected: self.operand.clone(),
            seen: value.as_deref().map(shortened),
            holds,
            note,
        }
    }
}

/// The text of a `field`, understood.
pub(super) fn parse_field(source: &Value, root: Root) -> Result<Field, Problem> {
    let Value::String(text) = source else {
        return Err(Problem::Field {
            found: describe(source),
            reason: "it is not a text".to_owned(),
        });
    };
    Field::parse(text, root).map_err(|reason| Problem::Field {
        found: format!("{:?}", shorten(text, MAX_QUOTED_CHARACTERS)),
        reason,
    })
}

impl Serialize for Comparison {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("field", self.field.as_str())?;
        map.serialize_entry(self.operator.name(), &self.operand)?;
        map.end()
    }
}

/// The value where it is short, otherwise the beginning of its text or of its JSON.
pub(super) fn shortened(value: &Value) -> Value {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        Value::String(text) => Value::String(shorten(text, MAX_SEEN_CHARACTERS)),
        Value::Array(_) | Value::Object(_) => {
            let mut beginning = Beginning(Vec::new());
            // The writer refuses what it does not need; that is the only error there is.
            let complete = serde_json::to_writer(&mut beginning, value).is_ok();
            let text = String::from_utf8_lossy(&beginning.0);
            if complete && text.chars().count() <= MAX_SEEN_CHARACTERS {
                return value.clone();
            }
            Value::String(shorten(&text, MAX_SEEN_CHARACTERS))
        }
    }
}

/// Keeps enough bytes for the characters that a trace shows, and then stops its writer.
struct Beginning(Vec<u8>);

impl io::Write for Beginning {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() > MAX_SEEN_CHARACTERS * 4 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
