//! Cron expressions as EventBridge Scheduler has them.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::ops::RangeInclusive;

use jiff::SignedDuration;
use jiff::civil::{Date, DateTime, Time};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::{InvalidSchedule, text_in_json};

/// A cron expression of six fields: minutes, hours, day of the month, month, day of the week (1 is Sunday),
/// year. Exactly one of the two days is `?`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cron {
    text: String,
    minutes: BTreeSet<u16>,
    hours: BTreeSet<u16>,
    days: Days,
    months: BTreeSet<u16>,
    years: BTreeSet<u16>,
}

/// The days of a month that count. Weekdays are 1 (Sunday) to 7.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Days {
    OfMonth(BTreeSet<u16>),
    LastOfMonth,
    LastWorkday,
    NearestWorkday(u16),
    OfWeek(BTreeSet<u16>),
    LastOfWeekday(u16),
    NthOfWeekday(u16, u16),
}

text_in_json!(
    Cron,
    "Six fields as EventBridge Scheduler has them: minutes, hours, day of the month, month, day of the week (1 or SUN \
     is Sunday), year; with , - * / and, for days, ? L W #. Exactly one of the two days is ?.",
    ["0 17 * * ? *", "0 9 ? * MON-FRI *", "30 8 L * ? *"]
);

/// A field that takes numbers, and perhaps names for them.
struct Field {
    what: &'static str,
    range: RangeInclusive<u16>,
    names: &'static [&'static str],
}

const MINUTES: Field = Field {
    what: "minutes (field 1): 0 to 59",
    range: 0..=59,
    names: &[],
};
const HOURS: Field = Field {
    what: "hours (field 2): 0 to 23",
    range: 0..=23,
    names: &[],
};
const DAYS_OF_MONTH: Field = Field {
    what: "days of the month (field 3): 1 to 31, L, LW, or one day and W such as 15W",
    range: 1..=31,
    names: &[],
};
const MONTHS: Field = Field {
    what: "months (field 4): 1 to 12 or JAN to DEC",
    range: 1..=12,
    names: &[
        "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
    ],
};
const DAYS_OF_WEEK: Field = Field {
    what: "days of the week (field 5): 1 to 7 or SUN to SAT (1 is Sunday), L, the last of one such as 6L, or the n-th of one such as 2#1",
    range: 1..=7,
    names: &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"],
};
const YEAR: Field = Field {
    what: "years (field 6): 1970 to 2199",
    range: 1970..=2199,
    names: &[],
};

impl Field {
    fn invalid(&self, found: &str) -> InvalidSchedule {
        InvalidSchedule::new(found, self.what)
    }

    fn number(&self, text: &str) -> Option<u16> {
        if let Some(position) = self.names.iter().position(|name| *name == text) {
            return Some(self.range.start() + u16::try_from(position).ok()?);
        }
        let is_number = (1..=4).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        let number = is_number.then(|| text.parse().ok()).flatten()?;
        self.range.contains(&number).then_some(number)
    }

    /// Numbers, ranges, `*` and steps, separated by commas.
    fn set(&self, text: &str) -> Result<BTreeSet<u16>, InvalidSchedule> {
        let mut set = BTreeSet::new();
        for part in text.split(',') {
            let part_of = || -> Option<(u16, u16, u16)> {
                let (span, step) = match part.split_once('/') {
                    None => (part, None),
                    Some((span, step)) => (span, Some(step)),
                };
                let (first, last) = match span.split_once('-') {
                    Some((first, last)) => (self.number(first)?, self.number(last)?),
                    None if span == "*" => (*self.range.start(), *self.range.end()),
                    None => {
                        let first = self.number(span)?;
                        // `5/15` goes on to the end, `5` is 5 alone.
                        (first, step.map_or(first, |_| *self.range.end()))
                    }
                };
                let step = match step {
                    None => 1,
                    Some(step) => {
                        let digits = (1..=4).contains(&step.len())
                            && step.bytes().all(|b| b.is_ascii_digit());
                        let step: u16 = digits.then(|| step.parse().ok()).flatten()?;
                        (1..=*self.range.end()).contains(&step).then_some(step)?
                    }
                };
                (first <= last).then_some((first, last, step))
            };
            let (first, last, step) = part_of().ok_or_else(|| self.invalid(part))?;
            set.extend((first..=last).step_by(usize::from(step)));
        }
        Ok(set)
    }
}

impl Cron {
    /// The only door. Letter case and the number of blanks do not matter.
    ///
    /// # Errors
    /// When it is not an expression as AWS takes it.
    pub fn parse(text: &str) -> Result<Self, InvalidSchedule> {
        let upper = text.to_uppercase();
        let fields: Vec<&str> = upper.split_whitespace().collect();
        let [minutes, hours, of_month, months, of_week, years] = fields.as_slice() else {
            return Err(InvalidSchedule::new(
                text,
                "six fields: minutes, hours, day of the month, month, day of the week, year; such as 0 17 * * ? *",
            ));
        };
        let days = match (*of_month, *of_week) {
            ("?", "?") => {
                return Err(InvalidSchedule::new(
                    text,
                    "a day of the month (field 3) or a day of the week (field 5): only one of them may be ?",
                ));
            }
            (of_month, "?") => Days::of_month(of_month)?,
            ("?", of_week) => Days::of_week(of_week)?,
            _ => {
                return Err(InvalidSchedule::new(
                    text,
                    "? for the day of the month (field 3) or for the day of the week (field 5): only one of them can be set",
                ));
            }
        };
        // AWS' examples have numbers before L and #, so names become numbers there.
        let written_of_week = match &days {
            Days::LastOfWeekday(day) => format!("{day}L"),
            Days::NthOfWeekday(day, nth) => format!("{day}#{nth}"),
            Days::OfMonth(_)
            | Days::LastOfMonth
            | Days::LastWorkday
            | Days::NearestWorkday(_)
            | Days::OfWeek(_) => (*of_week).to_owned(),
        };
        Ok(Self {
            text: [
                minutes,
                hours,
                of_month,
                months,
                &written_of_week.as_str(),
                years,
            ]
            .map(|field| *field)
            .join(" "),
            minutes: MINUTES.set(minutes)?,
            hours: HOURS.set(hours)?,
            days,
            months: MONTHS.set(months)?,
            years: YEAR.set(years)?,
        })
    }

    /// The local times that match, in order, from the minute of `from` on.
    pub(super) fn local_times(&self, from: DateTime) -> impl Iterator<Item = DateTime> {
        let first_day = from.date();
        let months = self.years.iter().flat_map(|year| {
            let months = self.months.iter();
            months.filter_map(|month| {
                let (year, month) = (i16::try_from(*year).ok()?, i8::try_from(*month).ok()?);
                Date::new(year, month, 1).ok()
            })
        });
        months
            .skip_while(move |month| month.last_of_month() < first_day)
            .flat_map(|month| self.days.in_month(month))
            .skip_while(move |day| *day < first_day)
            .flat_map(|day| self.times_of(day))
            .skip_while(move |time| time.duration_since(from) <= SignedDuration::from_mins(-1))
    }

    fn times_of(&self, day: Date) -> impl Iterator<Item = DateTime> {
        self.hours.iter().flat_map(move |hour| {
            self.minutes.iter().filter_map(move |minute| {
                let (hour, minute) = (i8::try_from(*hour).ok()?, i8::try_from(*minute).ok()?);
                let midnight = day.to_datetime(Time::midnight());
                midnight.with().hour(hour).minute(minute).build().ok()
            })
        })
    }
}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Days {
    fn of_month(text: &str) -> Result<Self, InvalidSchedule> {
        match text {
            "L" => Ok(Self::LastOfMonth),
            "LW" => Ok(Self::LastWorkday),
            _ => match text.strip_suffix('W') {
                Some(day) => DAYS_OF_MONTH
                    .number(day)
                    .map(Self::NearestWorkday)
                    .ok_or_else(|| DAYS_OF_MONTH.invalid(text)),
                None => DAYS_OF_MONTH.set(text).map(Self::OfMonth),
            },
        }
    }

    fn of_week(text: &str) -> Result<Self, InvalidSchedule> {
        let invalid = || DAYS_OF_WEEK.invalid(text);
        if text == "L" {
            // The last day of the week is Saturday.
            return Ok(Self::OfWeek(BTreeSet::from([7])));
        }
        if let Some((day, nth)) = text.split_once('#') {
            let day = DAYS_OF_WEEK.number(day).ok_or_else(invalid)?;
            let nth = match nth {
                "1" => 1,
                "2" => 2,
                "3" => 3,
                "4" => 4,
                "5" => 5,
                _ => return Err(invalid()),
            };
            return Ok(Self::NthOfWeekday(day, nth));
        }
        match text.strip_suffix('L') {
            Some(day) => DAYS_OF_WEEK
                .number(day)
                .map(Self::LastOfWeekday)
                .ok_or_else(invalid),
            None => DAYS_OF_WEEK.set(text).map(Self::OfWeek),
        }
    }

    /// The days of the month of which `first` is the first, in order.
    fn in_month(&self, first: Date) -> Vec<Date> {
        let day = |number: u16| -> Option<Date> {
            first.with().day(i8::try_from(number).ok()?).build().ok()
        };
        let weekday = |date: &Date| date.weekday().to_sunday_one_offset().unsigned_abs();
        let is_on = |date: &Date, wanted: u16| u16::from(weekday(date)) == wanted;
        let all = || (1..=31).filter_map(day);
        match self {
            Self::OfMonth(days) => days.iter().copied().filter_map(day).collect(),
            Self::LastOfMonth => vec![first.last_of_month()],
            Self::LastWorkday => all()
                .rfind(|date| (2..=6).contains(&weekday(date)))
                .into_iter()
                .collect(),
            Self::NearestWorkday(number) => day(*number)
                .and_then(|date| nearest_workday(date, weekday(&date)))
                .into_iter()
                .collect(),
            Self::OfWeek(days) => all()
                .filter(|date| days.contains(&u16::from(weekday(date))))
                .collect(),
            Self::LastOfWeekday(wanted) => all()
                .rfind(|date| is_on(date, *wanted))
                .into_iter()
                .collect(),
            Self::NthOfWeekday(wanted, nth) => all()
                .filter(|date| is_on(date, *wanted))
                .nth(usize::from(*nth).saturating_sub(1))
                .into_iter()
                .collect(),
        }
    }
}

/// The Monday to Friday that is nearest, in the same month.
fn nearest_workday(date: Date, weekday: u8) -> Option<Date> {
    match weekday {
        1 if date == date.last_of_month() => date.yesterday().ok()?.yesterday().ok(),
        1 => date.tomorrow().ok(),
        7 if date.day() == 1 => date.tomorrow().ok()?.tomorrow().ok(),
        7 => date.yesterday().ok(),
        _ => Some(date),
    }
}
