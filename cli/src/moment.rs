//! Points in time, as people write them.

use std::str::FromStr;

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

/// A point in time, or how long ago it was.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Moment {
    /// This one.
    At(Timestamp),
    /// So long before now.
    Ago(Span),
}

/// A text that is no point in time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected a moment such as 2026-11-21T12:00:00Z, a day such as 2026-11-21, or how long ago, such as 2h or '3 days'"
)]
pub(crate) struct NoMoment;

impl FromStr for Moment {
    type Err = NoMoment;

    fn from_str(text: &str) -> Result<Self, NoMoment> {
        let text = text.trim();
        if let Ok(at) = text.parse() {
            return Ok(Self::At(at));
        }
        let is_day = text.contains('-') && !text.contains(|c: char| c.is_whitespace() || c == 'T');
        let in_utc = if is_day {
            text.parse::<Date>().ok().map(DateTime::from)
        } else {
            text.parse::<DateTime>().ok()
        };
        if let Some(in_utc) = in_utc {
            let at = in_utc.to_zoned(TimeZone::UTC).map_err(|_| NoMoment)?;
            return Ok(Self::At(at.timestamp()));
        }
        let span: Span = text.parse().map_err(|_| NoMoment)?;
        Ok(Self::Ago(span.abs()))
    }
}

impl Moment {
    /// The point in time. What would be before all times is the first of them.
    pub(crate) fn before(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(at) => at,
            Self::Ago(span) => now
                .to_zoned(TimeZone::UTC)
                .checked_sub(span)
                .map_or(Timestamp::UNIX_EPOCH, |then| then.timestamp())
                .max(Timestamp::UNIX_EPOCH),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_as_people_write_them() {
        let now: Timestamp = "2026-11-21T12:30:00Z".parse().unwrap();
        for (text, expected) in [
            ("2026-11-21T12:00:00Z", "2026-11-21T12:00:00Z"),
            ("2026-11-21T12:00:00+02:00", "2026-11-21T10:00:00Z"),
            ("2026-11-21", "2026-11-21T00:00:00Z"),
            ("2026-11-21T06:00", "2026-11-21T06:00:00Z"),
            ("2026-11-21 06:00", "2026-11-21T06:00:00Z"),
            ("2h", "2026-11-21T10:30:00Z"),
            ("2 h ago", "2026-11-21T10:30:00Z"),
            ("3 days", "2026-11-18T12:30:00Z"),
            ("1 week 1 day", "2026-11-13T12:30:00Z"),
            ("90 min", "2026-11-21T11:00:00Z"),
            ("9000 years", "1970-01-01T00:00:00Z"),
        ] {
            let moment: Moment = text.parse().unwrap();
            assert_eq!(moment.before(now).to_string(), expected, "{text}");
        }
        for text in ["", "yesterday", "2", "2026-13-01", "h", "2026-11"] {
            assert_eq!(text.parse::<Moment>().unwrap_err(), NoMoment, "{text}");
        }
    }
}
