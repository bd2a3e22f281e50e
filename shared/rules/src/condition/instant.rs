//! Dates as instants, and durations relative to now.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

/// RFC 3339, or a date with or without a time of day, which is then UTC.
pub(super) fn parse_instant(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Some(instant);
    }
    let without_zone: DateTime = text.parse().ok()?;
    TimeZone::UTC.to_timestamp(without_zone).ok()
}

/// A duration in words (`7 days`, `2h 30m`) or ISO 8601 (`P7D`), longer than nothing.
pub(super) fn parse_duration(text: &str) -> Option<Span> {
    let span: Span = text.trim().parse().ok()?;
    span.is_positive().then_some(span)
}

/// `now` minus the duration, by the UTC calendar; the earliest instant when there is none so early.
pub(super) fn earlier(now: Timestamp, duration: Span) -> Timestamp {
    now.to_zoned(TimeZone::UTC)
        .checked_sub(duration)
        .map_or(Timestamp::MIN, |zoned| zoned.timestamp())
}

/// `now` plus the duration, by the UTC calendar; the latest instant when there is none so late.
pub(super) fn later(now: Timestamp, duration: Span) -> Timestamp {
    now.to_zoned(TimeZone::UTC)
        .checked_add(duration)
        .map_or(Timestamp::MAX, |zoned| zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_instants() {
        let expected: Timestamp = "2026-03-01T09:30:00Z".parse().unwrap();
        for text in [
            "2026-03-01T09:30:00Z",
            "2026-03-01t09:30:00.000z",
            "2026-03-01T10:30:00+01:00",
            "2026-03-01T04:30:00-05:00",
            "2026-03-01T09:30:00",
            "2026-03-01 09:30:00",
            " 2026-03-01 09:30 ",
        ] {
            assert_eq!(parse_instant(text), Some(expected), "{text}");
        }
        let midnight: Timestamp = "2026-03-01T00:00:00Z".parse().unwrap();
        assert_eq!(parse_instant("2026-03-01"), Some(midnight));
    }

    #[test]
    fn other_text_is_not_a_date() {
        for text in [
            "",
            "yesterday",
            "2026-13-01",
            "01/03/2026",
            "1772357400",
            "9",
            "2026",
        ] {
            assert_eq!(parse_instant(text), None, "{text}");
        }
    }

    #[test]
    fn durations_are_positive() {
        for text in [
            "7 days", "7days", "1 month", "2h 30m", "P7D", "36 hours", "1 year",
        ] {
            assert!(parse_duration(text).is_some(), "{text}");
        }
        for text in [
            "",
            "7",
            "soon",
            "-7 days",
            "7 days ago",
            "0 days",
            "99999999999 years",
        ] {
            assert!(parse_duration(text).is_none(), "{text}");
        }
    }

    #[test]
    fn durations_saturate() {
        let span = parse_duration("15000 years").unwrap();
        let now: Timestamp = "2026-03-01T00:00:00Z".parse().unwrap();
        assert_eq!(earlier(now, span), Timestamp::MIN);
        assert_eq!(later(now, span), Timestamp::MAX);
    }
}
