//! Decimal numbers, compared exactly.

use std::cmp::Ordering;

use serde_json::{Number, Value};

/// Beyond this power of ten something is not taken for a number.
const MAX_EXPONENT: i64 = 10_000;

/// A decimal number: ± 0.d₁d₂d₃… × 10^exponent, where d₁ is not zero.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Decimal {
    negative: bool,
    /// ASCII digits without leading and trailing zeros; none for zero.
    digits: Vec<u8>,
    exponent: i64,
}

impl Decimal {
    /// A JSON number, or a text that spells one.
    pub(super) fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Number(number) => Self::from_number(number),
            Value::String(text) => Self::parse(text),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        }
    }

    /// The shortest decimal that the number is written with, so that 0.1 is one tenth.
    pub(super) fn from_number(number: &Number) -> Option<Self> {
        Self::parse(&number.to_string())
    }

    /// Digits with an optional sign, point and power of ten; spaces around them do not count.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (negative, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (mantissa, power) = match text.split_once(['e', 'E']) {
            Some((mantissa, power)) => (mantissa, power.parse::<i64>().ok()?),
            None => (text, 0),
        };
        if !(-MAX_EXPONENT..=MAX_EXPONENT).contains(&power) {
            return None;
        }
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let mut digits = [whole.as_bytes(), fraction.as_bytes()].concat();
        if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let significant = digits
            .iter()
            .rposition(|digit| *digit != b'0')
            .map_or(0, |at| at + 1);
        digits.truncate(significant);
        let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
        digits.drain(..zeros);
        if digits.is_empty() {
            return Some(Self {
                negative: false,
                digits,
                exponent: 0,
            });
        }
        let exponent = i64::try_from(whole.len()).ok()? - i64::try_from(zeros).ok()? + power;
        Some(Self {
            negative,
            digits,
            exponent,
        })
    }

    fn compare_magnitude(&self, other: &Self) -> Ordering {
        match (self.digits.is_empty(), other.digits.is_empty()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            // With the same exponent, digits after a common beginning are the larger number's: the
            // order of byte strings.
            (false, false) => self
                .exponent
                .cmp(&other.exponent)
                .then_with(|| self.digits.cmp(&other.digits)),
        }
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.negative, other.negative) {
            (false, false) => self.compare_magnitude(other),
            (true, true) => other.compare_magnitude(self),
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
        }
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn decimals_are_ordered_exactly() {
        let ascending = [
            "-1e9",
            "-10",
            "-9.5",
            "-1",
            "-0.001",
            "0",
            "1e-300",
            "0.1",
            "0.10000000000000000001",
            "0.2",
            "1",
            "9",
            "9.99",
            "10",
            "9007199254740993",
            "9007199254740994",
            "1e300",
        ];
        for (left_at, left) in ascending.iter().enumerate() {
            for (right_at, right) in ascending.iter().enumerate() {
                let order = Decimal::parse(left)
                    .unwrap()
                    .cmp(&Decimal::parse(right).unwrap());
                assert_eq!(order, left_at.cmp(&right_at), "{left} {right}");
            }
        }
    }

    #[test]
    fn spellings_of_one_number_are_equal() {
        for (left, right) in [
            ("9", "9.0"),
            ("9", " 9 "),
            ("+9", "09"),
            ("0", "-0.00"),
            ("100", "1e2"),
            (".5", "0.5"),
            ("5.", "5"),
            ("0.05", "5E-2"),
            ("0e5", "0"),
        ] {
            assert_eq!(
                Decimal::parse(left),
                Decimal::parse(right),
                "{left} {right}"
            );
            assert!(Decimal::parse(left).is_some(), "{left}");
        }
    }

    #[test]
    fn other_text_is_not_a_number() {
        for text in [
            "",
            " ",
            ".",
            "-",
            "+-1",
            "1,000",
            "1 000",
            "0x10",
            "NaN",
            "inf",
            "1e",
            "1e99999",
            "1.2.3",
            "9 points",
            "٣",
            "1e99999999999999999999",
        ] {
            assert_eq!(Decimal::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn whole_numbers_keep_their_order(left: i64, right: i64) {
            let order = Decimal::parse(&left.to_string()).cmp(&Decimal::parse(&right.to_string()));
            prop_assert_eq!(order, left.cmp(&right));
        }
    }
}
