//! What an operator with its operand asks of a value.

use std::cmp::Ordering;
use std::collections::HashSet;

use jiff::{Span, Timestamp};
use regex::{Regex, RegexBuilder};
use serde_json::Value;

use super::decimal::Decimal;
use super::instant::{Day, earlier, later, parse_duration, parse_instant};
use super::operator::Operator;
use super::trace::Note;
use super::{MAX_LIST_MEMBERS, MAX_OPERAND_CHARACTERS, describe, shorten};

/// How large a compiled expression may be, which bounds the time for each character searched, and how many
/// steps 64 bytes of searched text then take: more for a larger one.
const REGEX_SIZES: [(usize, usize); 3] = [(8 * 1024, 16), (32 * 1024, 64), (128 * 1024, 256)];
/// How much of a text `matches` searches.
const MAX_SEARCHED_BYTES: usize = 16 * 1024;
/// How many bytes of text are compared in one step.
const STEP_BYTES: usize = 64;

#[derive(Debug, Clone)]
pub(super) enum Check {
    Empty(bool),
    OneOf {
        operands: Vec<Scalar>,
        wanted: bool,
    },
    Contains {
        operand: Scalar,
        text: String,
        wanted: bool,
    },
    StartsWith(String),
    EndsWith(String),
    Matches {
        regex: Regex,
        /// How many steps 64 bytes of searched text take.
        steps: usize,
    },
    Number {
        operand: Decimal,
        wanted: &'static [Ordering],
    },
    BetweenNumbers(Decimal, Decimal),
    BetweenInstants(Timestamp, Timestamp),
    Boolean(bool),
    Instant {
        operand: Timestamp,
        wanted: Ordering,
    },
    OnDay(Day),
    WithinLast(Span),
    WithinNext(Span),
    MoreThanAgo(Span),
    Selected {
        choice: String,
        wanted: bool,
    },
    Count {
        operand: u64,
        wanted: &'static [Ordering],
    },
    Members {
        operands: Vec<Scalar>,
        quantity: Quantity,
    },
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Quantity {
    Any,
    All,
    None,
}

/// An operand that a single value is compared with.
#[derive(Debug, Clone)]
pub(super) enum Scalar {
    Number(Decimal),
    Text {
        folded: String,
        /// Set when the text spells a number: a value that is a JSON number is compared with this.
        number: Option<Decimal>,
    },
}

/// An operand that does not fit.
pub(super) struct Mismatch {
    pub(super) expected: String,
    pub(super) found: String,
}

impl Check {
    pub(super) fn parse(operator: Operator, operand: &Value) -> Result<Self, Mismatch> {
        check_size(operand)?;
        let check = match operator {
            Operator::IsEmpty => Self::Empty(boolean(operand)?),
            Operator::IsNotEmpty => Self::Empty(!boolean(operand)?),
            Operator::Equals | Operator::NotEquals => Self::OneOf {
                operands: vec![scalar(operand)?],
                wanted: operator == Operator::Equals,
            },
            Operator::In | Operator::NotIn => Self::OneOf {
                operands: scalars(operand)?,
                wanted: operator == Operator::In,
            },
            Operator::Contains | Operator::DoesNotContain => Self::Contains {
                operand: scalar(operand)?,
                text: text(operand)?,
                wanted: operator == Operator::Contains,
            },
            Operator::StartsWith => Self::StartsWith(text(operand)?),
            Operator::EndsWith => Self::EndsWith(text(operand)?),
            Operator::Matches => {
                let (regex, steps) = regular_expression(operand)?;
                Self::Matches { regex, steps }
            }
            Operator::GreaterThan => number_check(operand, &[Ordering::Greater])?,
            Operator::GreaterThanOrEqual => {
                number_check(operand, &[Ordering::Greater, Ordering::Equal])?
            }
            Operator::LessThan => number_check(operand, &[Ordering::Less])?,
            Operator::LessThanOrEqual => number_check(operand, &[Ordering::Less, Ordering::Equal])?,
            Operator::Between => between(operand)?,
            Operator::IsTrue | Operator::IsFalse => {
                if operand != &Value::Bool(true) {
                    return Err(mismatch(
                        "`true` (there are is_true and is_false, and `none` to negate)",
                        operand,
                    ));
                }
                Self::Boolean(operator == Operator::IsTrue)
            }
            Operator::Before => instant_check(operand, Ordering::Less)?,
            Operator::After => instant_check(operand, Ordering::Greater)?,
            Operator::OnDay => Self::OnDay(day(operand)?),
            Operator::WithinLast => Self::WithinLast(duration(operand)?),
            Operator::WithinNext => Self::WithinNext(duration(operand)?),
            Operator::MoreThanAgo => Self::MoreThanAgo(duration(operand)?),
            Operator::Selected
            | Operator::NotSelected
            | Operator::Displayed
            | Operator::NotDisplayed => Self::Selected {
                choice: choice_id(operand)
                    .ok_or_else(|| mismatch("a choice id, a text or a whole number", operand))?,
                wanted: matches!(operator, Operator::Selected | Operator::Displayed),
            },
            Operator::CountEquals => count(operand, &[Ordering::Equal])?,
            Operator::CountNotEquals => count(operand, &[Ordering::Less, Ordering::Greater])?,
            Operator::CountGreaterThan => count(operand, &[Ordering::Greater])?,
            Operator::CountGreaterThanOrEqual => {
                count(operand, &[Ordering::Greater, Ordering::Equal])?
            }
            Operator::CountLessThan => count(operand, &[Ordering::Less])?,
            Operator::CountLessThanOrEqual => count(operand, &[Ordering::Less, Ordering::Equal])?,
            Operator::AnyOf => members(operand, Quantity::Any)?,
            Operator::AllOf => members(operand, Quantity::All)?,
            Operator::NoneOf => members(operand, Quantity::None)?,
        };
        Ok(check)
    }

    /// Whether a value, which is not null, is as asked; a note when it cannot be compared.
    pub(super) fn holds(&self, value: &Value, now: Timestamp) -> Result<bool, Note> {
        match self {
            Self::Empty(wanted) => Ok(is_empty(value) == *wanted),
            Self::OneOf { operands, wanted } => Ok(is_one_of(value, operands)? == *wanted),
            Self::Contains {
                operand,
                text,
                wanted,
            } => {
                let contains = if let Value::Array(list) = value {
                    Members::of(list).contain(operand)
                } else {
                    fold(&scalar_text(value)?).contains(text.as_str())
                };
                Ok(contains == *wanted)
            }
            Self::StartsWith(operand) => Ok(fold(&scalar_text(value)?).starts_with(operand)),
            Self::EndsWith(operand) => Ok(fold(&scalar_text(value)?).ends_with(operand)),
            Self::Matches { regex, steps: _ } => {
                let text = scalar_text(value)?;
                let beginning = &text[..text.floor_char_boundary(MAX_SEARCHED_BYTES)];
                if beginning.len() == text.len() {
                    return Ok(regex.is_match(beginning));
                }
                // A match that reaches the end may be one only because the text was cut there.
                match regex.shortest_match(beginning) {
                    Some(end) if end < beginning.len() => Ok(true),
                    _ => Err(Note::OnlyBeginningSearched),
                }
            }
            Self::Number { operand, wanted } => {
                let order = number_of(value)?.cmp(operand);
                Ok(wanted.contains(&order))
            }
            Self::BetweenNumbers(low, high) => Ok((low..=high).contains(&&number_of(value)?)),
            Self::BetweenInstants(low, high) => Ok((low..=high).contains(&&instant_of(value)?)),
            Self::Boolean(wanted) => Ok(boolean_of(value)? == *wanted),
            Self::Instant { operand, wanted } => Ok(instant_of(value)?.cmp(operand) == *wanted),
            Self::WithinLast(span) => Ok((earlier(now, *span)..=now).contains(&instant_of(value)?)),
            Self::OnDay(day) => {
                let text = value.as_str().ok_or(Note::NotADate)?;
                day.is_of(text, now).ok_or(Note::NotADate)
            }
            Self::WithinNext(span) => Ok((now..=later(now, *span)).contains(&instant_of(value)?)),
            Self::MoreThanAgo(span) => Ok(instant_of(value)? < earlier(now, *span)),
            Self::Selected { choice, wanted } => {
                let selected = if let Value::Array(list) = value {
                    list.iter()
                        .any(|member| choice_id(member).as_ref() == Some(choice))
                } else {
                    &choice_id(value).ok_or(Note::NotAChoice)? == choice
                };
                Ok(selected == *wanted)
            }
            Self::Count { operand, wanted } => {
                let length = match value {
                    Value::Array(list) => u64::try_from(list.len()).unwrap_or(u64::MAX),
                    // A question with a single answer has it without a list.
                    Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                        u64::from(!is_empty(value))
                    }
                    Value::Null | Value::Object(_) => return Err(Note::NotAList),
                };
                Ok(wanted.contains(&length.cmp(operand)))
            }
            Self::Members { operands, quantity } => {
                let list = match value {
                    Value::Array(list) => list.as_slice(),
                    Value::Object(_) => return Err(Note::NotAList),
                    Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                        std::slice::from_ref(value)
                    }
                };
                let members = Members::of(list);
                let mut found = operands.iter().map(|operand| members.contain(operand));
                Ok(match quantity {
                    Quantity::Any => found.any(|found| found),
                    Quantity::All => found.all(|found| found),
                    Quantity::None => !found.any(|found| found),
                })
            }
        }
    }

    /// How much of an allowance comparing this value takes: 1 and what grows with its size.
    pub(super) fn steps(&self, value: &Value) -> u64 {
        let bytes = match value {
            Value::String(text) => text.len(),
            Value::Array(list) => list
                .iter()
                .map(|member| STEP_BYTES / 4 + member.as_str().map_or(0, str::len))
                .sum(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => 0,
        };
        let work = match self {
            Self::Matches { regex: _, steps } => {
                bytes.min(MAX_SEARCHED_BYTES).saturating_mul(*steps)
            }
            Self::OneOf { operands, .. } | Self::Members { operands, .. } => {
                bytes.saturating_add(operands.len().saturating_mul(STEP_BYTES / 8))
            }
            Self::Contains { .. }
            | Self::StartsWith(_)
            | Self::EndsWith(_)
            | Self::Number { .. }
            | Self::BetweenNumbers(..)
            | Self::BetweenInstants(..)
            | Self::Boolean(_)
            | Self::Instant { .. }
            | Self::OnDay(_)
            | Self::WithinLast(_)
            | Self::WithinNext(_)
            | Self::MoreThanAgo(_)
            | Self::Selected { .. } => bytes,
            Self::Empty(_) | Self::Count { .. } => 0,
        };
        1 + u64::try_from(work / STEP_BYTES).unwrap_or(u64::MAX - 1)
    }
}

/// The members of an event's list, so that looking for one does not walk the list.
struct Members {
    texts: HashSet<String>,
    /// JSON numbers.
    numbers: HashSet<Decimal>,
    /// Numbers spelled as text.
    spelled_numbers: HashSet<Decimal>,
}

impl Members {
    fn of(list: &[Value]) -> Self {
        let mut members = Self {
            texts: HashSet::new(),
            numbers: HashSet::new(),
            spelled_numbers: HashSet::new(),
        };
        for member in list {
            let Ok(text) = scalar_text(member) else {
                continue;
            };
            members.texts.insert(fold(&text));
            match member {
                Value::Number(number) => members.numbers.extend(Decimal::from_number(number)),
                Value::String(text) => members.spelled_numbers.extend(Decimal::parse(text)),
                Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {}
            }
        }
        members
    }

    fn contain(&self, operand: &Scalar) -> bool {
        match operand {
            Scalar::Number(number) => {
                self.numbers.contains(number) || self.spelled_numbers.contains(number)
            }
            Scalar::Text { folded, number } => {
                self.texts.contains(folded)
                    || number
                        .as_ref()
                        .is_some_and(|number| self.numbers.contains(number))
            }
        }
    }
}

/// Members that cannot be compared with this value decide only when none can.
fn is_one_of(value: &Value, operands: &[Scalar]) -> Result<bool, Note> {
    let mut comparable = false;
    let mut note = Note::NotAText;
    let text = scalar_text(value).map(|text| fold(&text));
    let number = Decimal::from_value(value);
    for operand in operands {
        let equal = match operand {
            Scalar::Number(operand) => {
                let Some(number) = &number else {
                    note = Note::NotANumber;
                    continue;
                };
                number == operand
            }
            Scalar::Text {
                folded,
                number: operand_number,
            } => match &text {
                Ok(text) => {
                    text == folded
                        || (value.is_number() && number.is_some() && &number == operand_number)
                }
                Err(_) => continue,
            },
        };
        if equal {
            return Ok(true);
        }
        comparable = true;
    }
    if comparable { Ok(false) } else { Err(note) }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(_) | Value::Number(_) => false,
        Value::String(text) => text.trim().is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
    }
}

fn scalar_text(value: &Value) -> Result<String, Note> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(boolean) => Ok(boolean.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => Err(Note::NotAText),
    }
}

fn number_of(value: &Value) -> Result<Decimal, Note> {
    Decimal::from_value(value).ok_or(Note::NotANumber)
}

fn instant_of(value: &Value) -> Result<Timestamp, Note> {
    value.as_str().and_then(parse_instant).ok_or(Note::NotADate)
}

fn boolean_of(value: &Value) -> Result<bool, Note> {
    match value {
        Value::Bool(boolean) => Ok(*boolean),
        Value::String(text) if fold(text) == "true" => Ok(true),
        Value::String(text) if fold(text) == "false" => Ok(false),
        Value::Null | Value::String(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            Err(Note::NotABoolean)
        }
    }
}

/// A choice id as text: one that arrives as 4.0 is 4.
fn choice_id(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()).filter(|id| !id.is_empty()),
        Value::Number(number) => {
            let text = number.to_string();
            let whole = text.strip_suffix(".0").unwrap_or(&text);
            whole.parse::<i64>().ok().map(|id| id.to_string())
        }
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The form in which texts are compared: trimmed, without the difference of case. Going by upper case
/// makes ß and ss, σ and ς the same.
fn fold(text: &str) -> String {
    let trimmed = text.trim();
    if trimmed.is_ascii() {
        return trimmed.to_ascii_lowercase();
    }
    trimmed
        .chars()
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase)
        .collect()
}

fn mismatch(expected: &str, found: &Value) -> Mismatch {
    Mismatch {
        expected: expected.to_owned(),
        found: describe(found),
    }
}

/// Texts and lists within their limits.
fn check_size(operand: &Value) -> Result<(), Mismatch> {
    let too_long = |value: &Value| {
        value
            .as_str()
            .is_some_and(|text| text.chars().count() > MAX_OPERAND_CHARACTERS)
    };
    let list = operand.as_array().map_or(&[][..], Vec::as_slice);
    if too_long(operand) || list.iter().any(too_long) {
        return Err(Mismatch {
            expected: format!("text of at most {MAX_OPERAND_CHARACTERS} characters"),
            found: "a longer one".to_owned(),
        });
    }
    if list.len() > MAX_LIST_MEMBERS {
        return Err(mismatch(
            &format!("a list of at most {MAX_LIST_MEMBERS}"),
            operand,
        ));
    }
    Ok(())
}

fn boolean(operand: &Value) -> Result<bool, Mismatch> {
    operand
        .as_bool()
        .ok_or_else(|| mismatch("true or false", operand))
}

fn scalar(operand: &Value) -> Result<Scalar, Mismatch> {
    const EXPECTED: &str = "a text, a number, true or false";
    match operand {
        Value::Number(number) => Decimal::from_number(number)
            .map(Scalar::Number)
            .ok_or_else(|| mismatch(EXPECTED, operand)),
        Value::String(text) => Ok(Scalar::Text {
            folded: fold(text),
            number: Decimal::parse(text),
        }),
        Value::Bool(boolean) => Ok(Scalar::Text {
            folded: boolean.to_string(),
            number: None,
        }),
        Value::Null => Err(mismatch(
            &format!("{EXPECTED} (for a missing value there is is_empty)"),
            operand,
        )),
        Value::Array(_) | Value::Object(_) => Err(mismatch(EXPECTED, operand)),
    }
}

fn scalars(operand: &Value) -> Result<Vec<Scalar>, Mismatch> {
    const EXPECTED: &str = "a list of at least one text, number or boolean";
    let list = operand
        .as_array()
        .filter(|list| !list.is_empty())
        .ok_or_else(|| mismatch(EXPECTED, operand))?;
    list.iter()
        .map(|member| {
            scalar(member).map_err(|wrong| Mismatch {
                expected: EXPECTED.to_owned(),
                found: format!("{} in it", wrong.found),
            })
        })
        .collect()
}

fn members(operand: &Value, quantity: Quantity) -> Result<Check, Mismatch> {
    Ok(Check::Members {
        operands: scalars(operand)?,
        quantity,
    })
}

/// A part of a text, folded; nothing would be part of every text.
fn text(operand: &Value) -> Result<String, Mismatch> {
    let text = match operand {
        Value::String(text) => fold(text),
        Value::Number(number) => number.to_string(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => String::new(),
    };
    if text.is_empty() {
        return Err(mismatch("a text that is not blank", operand));
    }
    Ok(text)
}

/// The expression, and how many steps 64 bytes of searched text take.
fn regular_expression(operand: &Value) -> Result<(Regex, usize), Mismatch> {
    let source = operand
        .as_str()
        .ok_or_else(|| mismatch("a regular expression as text", operand))?;
    let mut reason = String::new();
    for (bytes, steps) in REGEX_SIZES {
        match RegexBuilder::new(source).size_limit(bytes).build() {
            Ok(regex) => return Ok((regex, steps)),
            Err(regex::Error::CompiledTooBig(_)) => {
                "too large when compiled".clone_into(&mut reason);
            }
            Err(error) => {
                // The last line of a syntax error says what is wrong; those before it repeat the
                // expression.
                let message = error.to_string();
                let last = message.lines().last().unwrap_or_default();
                last.strip_prefix("error: ")
                    .unwrap_or(last)
                    .clone_into(&mut reason);
                break;
            }
        }
    }
    Err(Mismatch {
        expected: "a regular expression without look-around or back-references".to_owned(),
        found: format!("{} ({})", describe(operand), shorten(&reason, 200)),
    })
}

fn number(operand: &Value) -> Result<Decimal, Mismatch> {
    Decimal::from_value(operand).ok_or_else(|| {
        let is_date = operand.as_str().and_then(parse_instant).is_some();
        let hint = if is_date {
            "a number (for dates there are before, after and between)"
        } else {
            "a number"
        };
        mismatch(hint, operand)
    })
}

fn number_check(operand: &Value, wanted: &'static [Ordering]) -> Result<Check, Mismatch> {
    Ok(Check::Number {
        operand: number(operand)?,
        wanted,
    })
}

fn between(operand: &Value) -> Result<Check, Mismatch> {
    const EXPECTED: &str = "a list of two numbers or two dates, the lower first";
    let Some([low, high]) = operand.as_array().map(Vec::as_slice) else {
        return Err(mismatch(EXPECTED, operand));
    };
    let found = || Mismatch {
        expected: EXPECTED.to_owned(),
        found: format!("{} and {}", describe(low), describe(high)),
    };
    let numbers = Decimal::from_value(low).zip(Decimal::from_value(high));
    if let Some((low, high)) = numbers {
        return if low <= high {
            Ok(Check::BetweenNumbers(low, high))
        } else {
            Err(found())
        };
    }
    let instant = |value: &Value| value.as_str().and_then(parse_instant);
    match instant(low).zip(instant(high)) {
        Some((low, high)) if low <= high => Ok(Check::BetweenInstants(low, high)),
        _ => Err(found()),
    }
}

fn instant_check(operand: &Value, wanted: Ordering) -> Result<Check, Mismatch> {
    let operand = operand.as_str().and_then(parse_instant).ok_or_else(|| {
        mismatch(
            "a date such as 2026-03-01 or 2026-03-01T09:30:00+01:00",
            operand,
        )
    })?;
    Ok(Check::Instant { operand, wanted })
}

fn duration(operand: &Value) -> Result<Span, Mismatch> {
    operand
        .as_str()
        .and_then(parse_duration)
        .ok_or_else(|| mismatch("a duration such as \"7 days\" or \"2h 30m\"", operand))
}

fn day(operand: &Value) -> Result<Day, Mismatch> {
    operand.as_str().and_then(Day::parse).ok_or_else(|| {
        mismatch(
            "a day: today, yesterday, tomorrow or a date, with a time zone behind it or without, \
             such as \"today Europe/Paris\"",
            operand,
        )
    })
}

fn count(operand: &Value, wanted: &'static [Ordering]) -> Result<Check, Mismatch> {
    let operand = operand
        .as_u64()
        .ok_or_else(|| mismatch("a whole number, 0 or more", operand))?;
    Ok(Check::Count { operand, wanted })
}
