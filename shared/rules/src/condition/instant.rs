//! Dates as instants, durations relative to now, and days.

use jiff::civil::{Date, DateTime};
use jiff::fmt::temporal::DateTimeParser;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ToSpan};

/// A day of the calendar, in a time zone.
#[derive(Debug, Clone)]
pub(super) struct Day {
    which: Which,
    zone: TimeZone,
}

#[derive(Debug, Clone, Copy)]
enum Which {
    /// So many days after today.
    FromToday(i8),
    Fixed(Date),
}

impl Day {
    /// `today`, `yesterday`, `tomorrow` or a date, and a time zone behind it or none for UTC.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (day, zone) = text.trim().split_once(' ').unwrap_or((text.trim(), "UTC"));
        let which = match day {
            "today" => Which::FromToday(0),
            "yesterday" => Which::FromToday(-1),
            "tomorrow" => Which::FromToday(1),
            date => Which::Fixed(date.parse().ok()?),
        };
        let zone = DateTimeParser::new().parse_time_zone(zone.trim()).ok()?;
        Some(Self { which, zone })
    }

    /// Whether a date is of this day; none when the text is no date.
    ///
    /// A date that names no zone is of the day that is written in it, wherever that is.
    pub(super) fn is_of(&self, text: &str, now: Timestamp) -> Option<bool> {
        let text = text.trim();
        let date = match text.parse::<Timestamp>() {
            Ok(instant) => instant.to_zoned(self.zone.clone()).date(),
            Err(_) => text.parse::<DateTime>().ok()?.date(),
        };
        let wanted = match self.which {
            Which::Fixed(date) => Some(date),
            Which::FromToday(days) => {
                let today = now.to_zoned(self.zone.clone()).date();
                today.checked_add(days.days()).ok()
            }
        };
        Some(wanted == Some(date))
    }
}

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
    fn days_are_those_of_their_zone() {
        let now: Timestamp = "2026-03-10T23:30:00Z".parse().unwrap();
        for (day, text, expected) in [
            ("today", "2026-03-10T00:00:00Z", Some(true)),
            ("today", "2026-03-11T00:00:00Z", Some(false)),
            ("yesterday", "2026-03-09", Some(true)),
            ("tomorrow", "2026-03-11 08:00", Some(true)),
            ("today Europe/Paris", "2026-03-10T23:15:00Z", Some(true)),
            ("today Europe/Paris", "2026-03-10T22:15:00Z", Some(false)),
            ("today Europe/Paris", "2026-03-11", Some(true)),
            ("today +01:00", "2026-03-11", Some(true)),
            ("today America/New_York", "2026-03-10", Some(true)),
            (
                "2026-03-09 America/New_York",
                "2026-03-10T03:00:00Z",
                Some(true),
            ),
            ("2026-03-10", "2026-03-10T03:00:00+05:00", Some(false)),
            ("today", "soon", None),
        ] {
            assert_eq!(
                Day::parse(day).unwrap().is_of(text, now),
                expected,
                "{day}: {text}"
            );
        }
        for day in ["", "now", "today Mars/Base", "10 March", "2026-13-01"] {
            assert!(Day::parse(day).is_none(), "{day}");
        }
        let first = Day::parse("yesterday").unwrap();
        assert_eq!(first.is_of("2026-03-10", Timestamp::MIN), Some(false));
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
