//! Expressions in the Common Expression Language (<https://cel.dev>), kept within bounds.
//!
//! The library evaluates without limits of its own. So an expression is measured before it is parsed, looked
//! through before it is accepted, and costed with the actual event before it is evaluated.

mod cost;
mod functions;
mod scan;
mod syntax;

use std::cell::OnceCell;
use std::collections::HashMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use cel::common::types::{
    CelBool, CelDouble, CelInt, CelList, CelMap, CelMapKey, CelNull, CelString, CelUInt,
};
use cel::common::value::Val;
use cel::{Context, ExecutionError, IdedExpr};
use jiff::Timestamp;
use serde_json::Value;

use self::cost::Weights;
use super::comparison::shortened;
use super::field::Field;
use super::trace::{Note, Seen, Trace};
use super::truth::Truth;

/// How many characters an expression may have.
pub(super) const MAX_CHARACTERS: usize = 1_000;

/// The variables of an expression.
const EVENT: &str = "event";
const NOW: &str = "now";

pub(super) struct Expression {
    source: String,
    tree: IdedExpr,
    /// The parts of the event that it names.
    fields: Vec<Field>,
}

impl Expression {
    /// The error says what is wrong, and where.
    pub(super) fn parse(source: &str) -> Result<Self, String> {
        scan::check(source)?;
        let (tree, places) = syntax::parse(source)?;
        let fields = syntax::check(&tree, &places)?;
        Ok(Self {
            source: source.to_owned(),
            tree,
            fields,
        })
    }

    pub(super) fn as_str(&self) -> &str {
        &self.source
    }

    /// The parts of the event that it names.
    pub(super) fn fields(&self) -> &[Field] {
        &self.fields
    }

    pub(super) fn evaluate(&self, event: &PreparedEvent<'_>) -> Trace {
        let seen = self
            .fields
            .iter()
            .map(|field| Seen {
                field: field.as_str().to_owned(),
                value: field.find(event.root).as_deref().map(shortened),
            })
            .collect();
        let (result, holds, note) = match self.result(event) {
            Ok(Outcome::Boolean(holds)) => (Some(Value::Bool(holds)), holds.into(), None),
            Ok(Outcome::Other(other)) => (other, Truth::Unknown, Some(Note::ResultNotABoolean)),
            Err(note) => (None, Truth::Unknown, Some(note)),
        };
        Trace::Expression {
            expression: self.source.clone(),
            result,
            seen,
            holds,
            note,
        }
    }

    fn result(&self, event: &PreparedEvent<'_>) -> Result<Outcome, Note> {
        let prepared = event.prepared();
        cost::check(&self.tree, event.root, &prepared.weights)?;
        // The library is not known to panic on what was let through; should it, one condition is
        // unknown and no more.
        catch_unwind(AssertUnwindSafe(|| {
            cel::Value::resolve_val(&self.tree, &prepared.context)
                .map(|value| Outcome::of(value.as_ref()))
                .map_err(|error| note_of(&error))
        }))
        .unwrap_or(Err(Note::ExpressionFailed))
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Expression").field(&self.source).finish()
    }
}

impl Clone for Expression {
    fn clone(&self) -> Self {
        Self {
            source: self.source.clone(),
            tree: self.tree.clone(),
            fields: self.fields.clone(),
        }
    }
}

/// The rest follows from the source.
impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

enum Outcome {
    Boolean(bool),
    /// A single value, or none for a list or an object.
    Other(Option<Value>),
}

impl Outcome {
    fn of(value: &dyn Val) -> Self {
        if let Some(boolean) = value.downcast_ref::<CelBool>() {
            return Self::Boolean(*boolean.inner());
        }
        let other = if let Some(number) = value.downcast_ref::<CelInt>() {
            Some(Value::from(*number.inner()))
        } else if let Some(number) = value.downcast_ref::<CelUInt>() {
            Some(Value::from(*number.inner()))
        } else if let Some(number) = value.downcast_ref::<CelDouble>() {
            Some(Value::from(*number.inner()))
        } else {
            value
                .downcast_ref::<CelString>()
                .map(|text| shortened(&Value::from(text.inner())))
        };
        Self::Other(other)
    }
}

/// An event as all expressions of a condition see it; it becomes so with the first of them.
pub(super) struct PreparedEvent<'e> {
    root: &'e Value,
    now: Timestamp,
    prepared: OnceCell<Prepared<'e>>,
}

struct Prepared<'e> {
    context: Context<'e, 'e>,
    weights: Weights,
}

impl<'e> PreparedEvent<'e> {
    pub(super) fn of(root: &'e Value, now: Timestamp) -> Self {
        Self {
            root,
            now,
            prepared: OnceCell::new(),
        }
    }

    fn prepared(&self) -> &Prepared<'e> {
        self.prepared.get_or_init(|| {
            let mut context = Context::with_env(functions::environment());
            context.add_variable_as_val(EVENT, in_cel(self.root));
            context.add_variable_as_val(NOW, Box::new(CelInt::from(self.now.as_second())));
            Prepared {
                context,
                weights: Weights::of(self.root),
            }
        })
    }
}

/// Whole numbers are `int` as far as they fit, so that arithmetic with literals works.
fn in_cel<'v>(value: &'v Value) -> Box<dyn Val + 'v> {
    match value {
        Value::Null => Box::new(CelNull),
        Value::Bool(boolean) => Box::new(CelBool::from(*boolean)),
        Value::Number(number) => {
            if let Some(number) = number.as_i64() {
                Box::new(CelInt::from(number))
            } else if let Some(number) = number.as_u64() {
                Box::new(CelUInt::from(number))
            } else {
                Box::new(CelDouble::from(number.as_f64().unwrap_or(f64::NAN)))
            }
        }
        Value::String(text) => Box::new(CelString::from(text.as_str())),
        Value::Array(members) => Box::new(CelList::from(
            members.iter().map(in_cel).collect::<Vec<_>>(),
        )),
        Value::Object(map) => {
            let entries: HashMap<CelMapKey<'v>, Box<dyn Val + 'v>> = map
                .iter()
                .map(|(key, value)| (CelMapKey::from(key.as_str()), in_cel(value)))
                .collect();
            Box::new(CelMap::from(entries))
        }
    }
}

/// The kind of an error; its text may quote the event and is dropped.
fn note_of(error: &ExecutionError) -> Note {
    if let ExecutionError::FunctionError { function, .. } = error
        && function == functions::DATE
    {
        return Note::NotADate;
    }
    let kinds = [
        (
            matches!(error, ExecutionError::NoSuchKey(_)),
            Note::KeyMissing,
        ),
        (
            matches!(error, ExecutionError::IndexOutOfBounds(_)),
            Note::IndexOutOfRange,
        ),
        (
            matches!(
                error,
                ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_)
            ),
            Note::DivisionByZero,
        ),
        (
            matches!(error, ExecutionError::Overflow(..)),
            Note::NumberOutOfRange,
        ),
        (
            matches!(
                error,
                ExecutionError::NoSuchOverload(_)
                    | ExecutionError::UnexpectedType { .. }
                    | ExecutionError::ValuesNotComparable(..)
                    | ExecutionError::UnsupportedBinaryOperator(..)
                    | ExecutionError::UnsupportedTargetType { .. }
                    | ExecutionError::UnsupportedIndex(..)
                    | ExecutionError::UnsupportedKeyType(_)
                    | ExecutionError::NotSupportedAsMethod { .. }
                    | ExecutionError::DuplicateKey(_)
            ),
            Note::DoesNotFit,
        ),
        (
            matches!(error, ExecutionError::FunctionError { .. }),
            Note::NotConvertible,
        ),
    ];
    let kind = kinds.into_iter().find(|(is_kind, _)| *is_kind);
    kind.map_or(Note::ExpressionFailed, |(_, note)| note)
}

#[cfg(test)]
mod tests;
