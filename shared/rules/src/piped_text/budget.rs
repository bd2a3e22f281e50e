//! How much a template may make of what it is given.

use minijinja::value::ValueKind;
use minijinja::{ErrorKind, State, Value};

use super::{MAX_KEPT_BYTES, MAX_VALUE_BYTES, MAX_VALUE_DEPTH};

/// Why a value is refused. It quotes no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("a value is larger than {MAX_VALUE_BYTES} bytes")]
    ValueTooLarge,
    #[error("the values take more than {MAX_KEPT_BYTES} bytes together")]
    TooMuchKept,
    #[error("{0}")]
    Reason(String),
}

impl From<Refusal> for minijinja::Error {
    fn from(refusal: Refusal) -> Self {
        Self::new(ErrorKind::InvalidOperation, "refused").with_source(refusal)
    }
}

/// What a template has used up. Lives as long as one is being filled.
#[derive(Debug, Default)]
struct Used(usize);

/// How large a value is: its text, and so much for each of its members.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Size {
    pub(super) bytes: usize,
    members: usize,
}

const BYTES_OF_MEMBER: usize = 4;

impl Size {
    /// # Errors
    /// When it is larger, or deeper, than a value may be: then it is not looked at any further.
    pub(super) fn of(value: &Value) -> Result<Self, Refusal> {
        let mut size = Self::default();
        size.add(value, 0)?;
        Ok(size)
    }

    fn add(&mut self, value: &Value, depth: usize) -> Result<(), Refusal> {
        self.members += 1;
        self.bytes += BYTES_OF_MEMBER + value.as_str().map_or(0, str::len);
        // Values can be made deeper than the context is, but not by much.
        if self.bytes > MAX_VALUE_BYTES || depth > 2 * MAX_VALUE_DEPTH {
            return Err(Refusal::ValueTooLarge);
        }
        let is_map = value.kind() == ValueKind::Map;
        if !is_map && !matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable) {
            return Ok(());
        }
        let Ok(members) = value.try_iter() else {
            return Ok(());
        };
        for member in members {
            self.add(&member, depth + 1)?;
            if is_map && let Ok(held) = value.get_item(&member) {
                self.add(&held, depth + 1)?;
            }
        }
        Ok(())
    }
}

/// Counts bytes that were made or looked at.
///
/// # Errors
/// When there are more than a template may use.
pub(super) fn charge(state: &mut State<'_, '_>, bytes: usize) -> Result<(), Refusal> {
    let used = state.get_or_insert_extension_with(Used::default);
    used.0 = used.0.saturating_add(bytes);
    if used.0 > MAX_KEPT_BYTES {
        return Err(Refusal::TooMuchKept);
    }
    Ok(())
}

/// Refuses a large value, and counts the looking.
pub(super) fn held(state: &mut State<'_, '_>, value: Value) -> Result<Value, minijinja::Error> {
    let size = Size::of(&value)?;
    charge(state, size.members)?;
    Ok(value)
}

/// Refuses a large value, and counts it as kept.
pub(super) fn kept(state: &mut State<'_, '_>, value: Value) -> Result<Value, minijinja::Error> {
    let size = Size::of(&value)?;
    charge(state, size.bytes)?;
    Ok(value)
}

/// Lets a number through; a missing value as well, for which the calculation has its own error.
pub(super) fn number(value: Value) -> Result<Value, minijinja::Error> {
    let calculates = [
        ValueKind::Number,
        ValueKind::Bool,
        ValueKind::Undefined,
        ValueKind::None,
    ];
    if calculates.contains(&value.kind()) {
        return Ok(value);
    }
    let reason =
        "only numbers can be multiplied; the filters `int` and `float` make numbers of texts";
    Err(Refusal::Reason(reason.to_owned()).into())
}
