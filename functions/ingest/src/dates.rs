//! Dates as senders write them.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::Value;

/// What a refusal says about a value that [`instant`] does not read.
pub(crate) const EXPECTED: &str = "a date such as 2026-11-21T12:00:00Z or 2026-11-21 12:00:00 (then UTC), or Unix seconds or milliseconds";

/// Numbers from here on are milliseconds: as seconds they would be after the year 5000.
const MILLISECONDS_FROM: f64 = 1e11;

/// RFC 3339, a date with or without a time (without a zone it is UTC), Unix seconds or milliseconds.
pub(crate) fn instant(value: &Value) -> Option<Timestamp> {
    match value {
        Value::String(text) => {
            let text = text.trim();
            text.parse()
                .ok()
                .or_else(|| without_zone(text))
                .or_else(|| unix_time(text.parse().ok()?))
        }
        Value::Number(number) => unix_time(number.as_f64()?),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Seconds since 1970, or milliseconds when the number is too large for that.
pub(crate) fn unix_time(number: f64) -> Option<Timestamp> {
    let milliseconds = if number.abs() < MILLISECONDS_FROM {
        number * 1000.0
    } else {
        number
    };
    // A float beyond the range of an integer becomes its limit, which is not a time either.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the nearest whole millisecond is meant"
    )]
    let milliseconds = milliseconds
        .is_finite()
        .then(|| milliseconds.round() as i64)?;
    Timestamp::from_millisecond(milliseconds).ok()
}

/// Eight digits are a date to the parser, but seconds since 1970 to whoever writes them so.
fn without_zone(text: &str) -> Option<Timestamp> {
    if !text.contains('-') {
        return None;
    }
    let date: DateTime = text.parse().ok()?;
    Some(date.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_are_seconds_or_milliseconds() {
        for (number, expected) in [
            (1_795_262_400.0, Some("2026-11-21T12:00:00Z")),
            (1_795_262_400.25, Some("2026-11-21T12:00:00.25Z")),
            (1_795_262_400_250.0, Some("2026-11-21T12:00:00.25Z")),
            (0.0, Some("1970-01-01T00:00:00Z")),
            (f64::NAN, None),
            (f64::INFINITY, None),
            (1e300, None),
        ] {
            assert_eq!(
                unix_time(number).map(|time| time.to_string()).as_deref(),
                expected,
                "{number}"
            );
        }
    }

    #[test]
    fn dates_are_read_as_they_are_usually_written() {
        for (value, expected) in [
            (json!("2026-11-21T12:00:00Z"), Some("2026-11-21T12:00:00Z")),
            (
                json!("2026-11-21T13:00:00.5+01:00"),
                Some("2026-11-21T12:00:00.5Z"),
            ),
            (json!("2026-11-21 12:00:00"), Some("2026-11-21T12:00:00Z")),
            (json!(" 2026-11-21 "), Some("2026-11-21T00:00:00Z")),
            (json!("1795262400"), Some("2026-11-21T12:00:00Z")),
            (json!("20261121"), Some("1970-08-23T12:05:21Z")),
            (json!(1_795_262_400), Some("2026-11-21T12:00:00Z")),
            (json!("21/11/2026"), None),
            (json!("yesterday"), None),
            (json!(""), None),
            (json!(true), None),
            (json!(["2026-11-21"]), None),
        ] {
            assert_eq!(
                instant(&value).map(|time| time.to_string()).as_deref(),
                expected,
                "{value}"
            );
        }
    }
}
