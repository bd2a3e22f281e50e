//! Schedules: when a workflow starts by itself.
//!
//! The clock that rings is EventBridge Scheduler; which moments count is decided here, so that a firing that
//! the clock repeats, tells twice or swallows is one firing all the same. The expressions are AWS' own.
//! Everything is worked out with the time zones that are compiled in, so that it is the same everywhere.
//!
//! Source: <https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html> (read 2026-11-22)

use std::borrow::Cow;
use std::fmt;
use std::sync::LazyLock;

use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Timestamp};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

mod cron;

pub use cron::Cron;

static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// The longest rate, in seconds: 366 days.
const LONGEST_RATE: i64 = 366 * 86_400;
/// How far a clock may be ahead of a rate's grid and still mean the next point of it.
const RATE_TOLERANCE: SignedDuration = SignedDuration::from_secs(30);
/// How far a clock may be from the moment of a schedule that fires once.
const ONCE_TOLERANCE: SignedDuration = SignedDuration::from_secs(60);

/// When a workflow starts by itself: exactly one of `cron`, `rate` and `at`.
///
/// A local time that the clocks skip in spring fires at the first moment that there is; one that they
/// repeat in autumn fires once, the first time.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// Again and again by the calendar, in the time zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cron: Option<Cron>,
    /// Again and again after so long, counted from `start`, or from 1970-01-01T00:00Z: `1 day` fires at
    /// midnight UTC. A day is 24 hours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
    /// Once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Moment>,
    /// The time zone of `cron`, and of every local time here. UTC when absent.
    #[serde(default, skip_serializing_if = "Zone::is_utc")]
    pub timezone: Zone,
    /// Nothing fires before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<Moment>,
    /// Nothing fires from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<Moment>,
    /// What the event says as `data.input`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Map<String, Value>>,
}

/// How a schedule fires.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Timing<'a> {
    /// By the calendar.
    Cron(&'a Cron),
    /// After so long.
    Rate(Rate),
    /// Once.
    Once(Timestamp),
}

impl Schedule {
    /// How it fires; `None` unless it has exactly one of `cron`, `rate` and `at`.
    pub fn timing(&self) -> Option<Timing<'_>> {
        match (&self.cron, self.rate, self.at) {
            (Some(cron), None, None) => Some(Timing::Cron(cron)),
            (None, Some(rate), None) => Some(Timing::Rate(rate)),
            (None, None, Some(at)) => Some(Timing::Once(at.instant(&self.timezone))),
            _ => None,
        }
    }

    /// The first moment at which it may fire.
    pub fn starts_at(&self) -> Option<Timestamp> {
        Some(self.start?.instant(&self.timezone))
    }

    /// The first moment at which it may not fire any more.
    pub fn ends_at(&self) -> Option<Timestamp> {
        Some(self.end?.instant(&self.timezone))
    }

    /// When it fires, in order: later than `after` and not later than `before`, at most `limit` times.
    ///
    /// The work is bounded whatever the expression: a cron expression has 230 years.
    pub fn firings(&self, after: Timestamp, before: Timestamp, limit: usize) -> Vec<Timestamp> {
        let start = self.starts_at();
        let end = self.ends_at();
        let counts = |firing: &Timestamp| {
            *firing > after
                && start.is_none_or(|start| *firing >= start)
                && end.is_none_or(|end| *firing < end)
        };
        let not_over =
            |firing: &Timestamp| *firing <= before && end.is_none_or(|end| *firing < end);
        // Nothing before the start is worth looking at, but for local times that are skipped right before it.
        let second = SignedDuration::from_secs(1);
        let from = start
            .and_then(|start| start.checked_sub(second).ok())
            .map_or(after, |start| start.max(after));
        match self.timing() {
            None => Vec::new(),
            Some(Timing::Once(at)) => Some(at)
                .filter(|at| counts(at) && not_over(at))
                .into_iter()
                .take(limit)
                .collect(),
            Some(Timing::Rate(rate)) => rate
                .points(start.unwrap_or(Timestamp::UNIX_EPOCH), from)
                .take_while(not_over)
                .filter(counts)
                .take(limit)
                .collect(),
            Some(Timing::Cron(cron)) => {
                let mut firings = Vec::new();
                let local = self.timezone.local(from);
                for firing in cron
                    .local_times(local)
                    .filter_map(|local| self.timezone.first_instant(local))
                    .take_while(not_over)
                    .filter(counts)
                {
                    if firings.len() == limit {
                        break;
                    }
                    // All the times that the clocks skip come at the same moment.
                    if firings.last() != Some(&firing) {
                        firings.push(firing);
                    }
                }
                firings
            }
        }
    }

    /// The next `count` firings after a moment.
    pub fn next_firings(&self, after: Timestamp, count: usize) -> Vec<Timestamp> {
        self.firings(after, Timestamp::MAX, count)
    }

    /// The firing that a clock means which rings with this time. `None` when there is none: it rings for a
    /// schedule that has changed since.
    ///
    /// A rate's clock may have been started at any time, hence each interval is one firing. Of a local time that
    /// the clocks repeat, either moment means the first.
    pub fn firing_at(&self, told: Timestamp) -> Option<Timestamp> {
        let firing = match self.timing()? {
            Timing::Once(at) => {
                return (told.duration_since(at).abs() <= ONCE_TOLERANCE
                    && self.starts_at().is_none_or(|start| at >= start)
                    && self.ends_at().is_none_or(|end| at < end))
                .then_some(at);
            }
            Timing::Rate(rate) => {
                let start = self.starts_at().unwrap_or(Timestamp::UNIX_EPOCH);
                rate.point_before(start, told.checked_add(RATE_TOLERANCE).ok()?)?
            }
            Timing::Cron(_) => {
                let local = self.timezone.local(told);
                let minute = local.with().second(0).subsec_nanosecond(0).build().ok()?;
                self.timezone.first_instant(minute)?
            }
        };
        let before = firing.checked_sub(SignedDuration::from_secs(1)).ok()?;
        self.firings(before, firing, 1).first().copied()
    }

    /// Rules that hold between fields: each problem with the path of the field. Empty means valid.
    pub fn problems(&self) -> Vec<(String, String)> {
        let mut problems = Vec::new();
        let mut problem = |path: &str, text: String| problems.push((path.to_owned(), text));
        let given: Vec<&str> = [
            ("cron", self.cron.is_some()),
            ("rate", self.rate.is_some()),
            ("at", self.at.is_some()),
        ]
        .into_iter()
        .filter_map(|(name, is_given)| is_given.then_some(name))
        .collect();
        if given.len() != 1 {
            let found = if given.is_empty() {
                "none".to_owned()
            } else {
                given.join(" and ")
            };
            problem(
                "",
                format!("found {found}, expected exactly one of cron, rate and at"),
            );
            return problems;
        }
        if self.at.is_some() {
            for (name, is_given) in [("start", self.start.is_some()), ("end", self.end.is_some())] {
                if is_given {
                    problem(
                        name,
                        format!("found `{name}` beside `at`, which fires once: leave it out"),
                    );
                }
            }
            return problems;
        }
        if let (Some(start), Some(end)) = (self.starts_at(), self.ends_at())
            && end <= start
        {
            problem(
                "end",
                format!("found {end}, expected a time after `start`, which is {start}"),
            );
            return problems;
        }
        if self.next_firings(Timestamp::MIN, 1).is_empty() {
            let path = given.first().copied().unwrap_or_default();
            let text = if self.start.is_some() || self.end.is_some() {
                "never fires between `start` and `end`"
            } else {
                "never fires: there is no such day"
            };
            problem(path, text.to_owned());
        }
        problems
    }
}

/// Texts enter through `parse`, whoever reads them.
macro_rules! text_in_json {
    ($name:ident, $description:literal, $examples:expr) => {
        impl TryFrom<String> for $name {
            type Error = InvalidSchedule;

            fn try_from(text: String) -> Result<Self, InvalidSchedule> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.to_string()
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "description": $description, "examples": $examples })
            }
        }
    };
}

use text_in_json;

/// A part of a schedule that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("found {found}, expected {expected}")]
pub struct InvalidSchedule {
    found: String,
    expected: Cow<'static, str>,
}

impl InvalidSchedule {
    fn new(found: impl fmt::Display, expected: impl Into<Cow<'static, str>>) -> Self {
        let found: String = found.to_string().chars().take(80).collect();
        Self {
            found: format!("`{found}`"),
            expected: expected.into(),
        }
    }
}

/// A time zone by its IANA name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Zone {
    name: String,
    zone: TimeZone,
}

text_in_json!(
    Zone,
    "A time zone by its IANA name.",
    ["Europe/Paris", "America/New_York"]
);

impl Zone {
    /// The only door: looks the name up. Letter case does not matter.
    ///
    /// # Errors
    /// When there is no such zone.
    pub fn parse(name: &str) -> Result<Self, InvalidSchedule> {
        let unknown = || {
            InvalidSchedule::new(
                name,
                "an IANA time zone such as Europe/Paris or America/New_York",
            )
        };
        let zone = ZONES.get(name).map_err(|_| unknown())?;
        let name = zone.iana_name().ok_or_else(unknown)?.to_owned();
        Ok(Self { name, zone })
    }

    /// The IANA name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the clocks show there.
    pub fn local(&self, instant: Timestamp) -> DateTime {
        self.zone.to_datetime(instant)
    }

    fn is_utc(&self) -> bool {
        self.name == "UTC"
    }

    /// The first moment at which the clocks show this time, or the one at which they skip it. `None` at the ends
    /// of time.
    fn first_instant(&self, local: DateTime) -> Option<Timestamp> {
        match self.zone.to_ambiguous_timestamp(local).offset() {
            AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(local).ok(),
            AmbiguousOffset::Fold { before, .. } => before.to_timestamp(local).ok(),
            AmbiguousOffset::Gap { after, .. } => {
                // Read with the later offset it is before the change, at which the skipped time is over.
                let early = after.to_timestamp(local).ok()?;
                Some(self.zone.following(early).next()?.timestamp())
            }
        }
    }
}

impl Default for Zone {
    fn default() -> Self {
        Self {
            name: "UTC".to_owned(),
            zone: TimeZone::UTC,
        }
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// A moment: with an offset, or local to the schedule's time zone. Whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Moment {
    /// The same everywhere.
    Instant(Timestamp),
    /// What the clocks show.
    Local(DateTime),
}

text_in_json!(
    Moment,
    "A date and time: local to the time zone, or with an offset.",
    ["2026-12-01T09:00", "2026-12-01T08:00:00Z"]
);

impl Moment {
    /// The only door.
    ///
    /// # Errors
    /// When it is no date with a time, or has fractions of a second.
    pub fn parse(text: &str) -> Result<Self, InvalidSchedule> {
        let invalid = || {
            InvalidSchedule::new(
                text,
                "a date and a time such as 2026-12-01T09:00, or 2026-12-01T08:00:00Z",
            )
        };
        // A date alone is midnight to one reader and the whole day to another.
        let is_date_alone = !text.contains(':');
        // A local time is one of the schedule's zone.
        let has_zone = text.contains('[');
        if is_date_alone || has_zone {
            return Err(invalid());
        }
        let moment = match text.parse::<Timestamp>() {
            Ok(instant) => Self::Instant(instant),
            Err(_) => Self::Local(text.parse().map_err(|_| invalid())?),
        };
        let fraction = match moment {
            Self::Instant(instant) => instant.subsec_nanosecond(),
            Self::Local(local) => local.subsec_nanosecond(),
        };
        if fraction == 0 {
            Ok(moment)
        } else {
            Err(invalid())
        }
    }

    fn instant(self, zone: &Zone) -> Timestamp {
        match self {
            Self::Instant(instant) => instant,
            Self::Local(local) => zone.first_instant(local).unwrap_or(Timestamp::MAX),
        }
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Instant(instant) => instant.fmt(f),
            Self::Local(local) => local.fmt(f),
        }
    }
}

/// So many minutes, hours or days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Rate {
    value: u32,
    unit: RateUnit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RateUnit {
    Minute,
    Hour,
    Day,
}

impl RateUnit {
    fn seconds(self) -> i64 {
        match self {
            Self::Minute => 60,
            Self::Hour => 3_600,
            Self::Day => 86_400,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }
}

text_in_json!(
    Rate,
    "A number of minutes, hours or days; 366 days at most.",
    ["6 hours", "1 day"]
);

impl Rate {
    /// The only door.
    ///
    /// # Errors
    /// When it is not a positive number and a unit, or more than 366 days.
    pub fn parse(text: &str) -> Result<Self, InvalidSchedule> {
        let invalid = || {
            InvalidSchedule::new(
                text,
                "a positive number and minutes, hours or days, such as 6 hours; 366 days at most",
            )
        };
        let mut words = text.split_whitespace();
        let (Some(value), Some(unit), None) = (words.next(), words.next(), words.next()) else {
            return Err(invalid());
        };
        let unit = match unit {
            "minute" | "minutes" => RateUnit::Minute,
            "hour" | "hours" => RateUnit::Hour,
            "day" | "days" => RateUnit::Day,
            _ => return Err(invalid()),
        };
        let is_number = value.bytes().all(|byte| byte.is_ascii_digit());
        let value: u32 = value.parse().map_err(|_| invalid())?;
        if !is_number || value == 0 || i64::from(value) * unit.seconds() > LONGEST_RATE {
            return Err(invalid());
        }
        Ok(Self { value, unit })
    }

    /// The time between two firings.
    pub fn interval(self) -> SignedDuration {
        SignedDuration::from_secs(self.seconds())
    }

    fn seconds(self) -> i64 {
        i64::from(self.value) * self.unit.seconds()
    }

    /// The last point of the grid from `start` that is not later; `None` before the start.
    fn point_before(self, start: Timestamp, instant: Timestamp) -> Option<Timestamp> {
        let passed = instant.duration_since(start);
        if passed.is_negative() {
            return None;
        }
        let whole = passed.as_secs() / self.seconds() * self.seconds();
        start.checked_add(SignedDuration::from_secs(whole)).ok()
    }

    /// The points of the grid from `start`, in order, beginning not later than `from` unless that is before the
    /// start.
    fn points(self, start: Timestamp, from: Timestamp) -> impl Iterator<Item = Timestamp> {
        let first = self.point_before(start, from).unwrap_or(start);
        std::iter::successors(Some(first), move |point| {
            point.checked_add(self.interval()).ok()
        })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.value == 1 { "" } else { "s" };
        write!(f, "{} {}{plural}", self.value, self.unit.word())
    }
}

#[cfg(test)]
mod tests;
