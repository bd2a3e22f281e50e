//! Dates in the formats of surveys, which are those of PHP.

use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, Zoned};

use super::percent_decoded;

/// Formats that surveys hold beside the codes, without anybody having written down what they give.
const UNCLEAR_FORMATS: [&str; 4] = ["DS", "DMY", "SH", "PT"];

/// A date that a locator asks for: today, or today shifted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DateText {
    format: String,
    /// How many of the unit.
    shift: Option<(i64, Unit)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Year,
}

impl DateText {
    /// Reads what follows `date://`.
    pub(super) fn parse(rest: &str) -> Result<Self, String> {
        let (format, shift) = if let Some(format) = rest.strip_prefix("CurrentDate/") {
            (format, None)
        } else if let Some((format, shift)) = rest
            .strip_prefix("OtherDate/")
            .and_then(|rest| rest.rsplit_once('/'))
        {
            let shift = percent_decoded(shift);
            let read = read_shift(&shift).ok_or_else(|| {
                format!("{shift:?} is no shift such as `-7 day`, `+2 weeks` or `1 month`")
            })?;
            (format, Some(read))
        } else {
            return Err(
                "a date is written date://CurrentDate/FORMAT or date://OtherDate/FORMAT/-7 day"
                    .to_owned(),
            );
        };
        let format = percent_decoded(format);
        if UNCLEAR_FORMATS.contains(&format.as_str()) {
            return Err(format!(
                "nobody has said which date the format `{format}` gives; write it with PHP's codes, such as m%2Fd%2FY or Y-m-d"
            ));
        }
        if format.is_empty() {
            return Err("the format is missing, such as Y-m-d".to_owned());
        }
        let sample = Zoned::new(Timestamp::UNIX_EPOCH, TimeZone::UTC);
        write(&format, &sample)?;
        Ok(Self { format, shift })
    }

    /// The date in the zone; none when the shift leads beyond the calendar.
    pub(super) fn at(&self, now: Timestamp, zone: &TimeZone) -> Option<String> {
        let today = now.to_zoned(zone.clone());
        let date = match self.shift {
            None => today,
            Some((count, unit)) => today.checked_add(span(count, unit)?).ok()?,
        };
        write(&self.format, &date).ok()
    }
}

fn read_shift(text: &str) -> Option<(i64, Unit)> {
    let text = text.trim();
    let at = text.find(|character: char| character.is_ascii_alphabetic())?;
    let (count, unit) = text.split_at(at);
    let count: String = count.split_whitespace().collect();
    let count: i64 = count.parse().ok()?;
    let unit = match unit.to_ascii_lowercase().as_str() {
        "sec" | "secs" | "second" | "seconds" => Unit::Second,
        "min" | "mins" | "minute" | "minutes" => Unit::Minute,
        "hour" | "hours" => Unit::Hour,
        "day" | "days" => Unit::Day,
        "week" | "weeks" => Unit::Week,
        "month" | "months" => Unit::Month,
        "year" | "years" => Unit::Year,
        _ => return None,
    };
    span(count, unit).map(|_| (count, unit))
}

fn span(count: i64, unit: Unit) -> Option<Span> {
    let none = Span::new();
    match unit {
        Unit::Second => none.try_seconds(count),
        Unit::Minute => none.try_minutes(count),
        Unit::Hour => none.try_hours(count),
        Unit::Day => none.try_days(count),
        Unit::Week => none.try_weeks(count),
        Unit::Month => none.try_months(count),
        Unit::Year => none.try_years(count),
    }
    .ok()
}

/// The date in a format of PHP.
///
/// Source: <https://www.php.net/manual/en/datetime.format.php>
fn write(format: &str, date: &Zoned) -> Result<String, String> {
    let mut text = String::new();
    let mut codes = format.chars();
    while let Some(code) = codes.next() {
        if code == '\\' {
            text.extend(codes.next());
        } else if code.is_ascii_alphabetic() {
            let part = part(code, date).ok_or_else(|| {
                format!("`{code}` is no code of a date; a letter that stands for itself is written \\{code}")
            })?;
            text.push_str(&part);
        } else {
            text.push(code);
        }
    }
    Ok(text)
}

fn part(code: char, date: &Zoned) -> Option<String> {
    let by = |format: &str| date.strftime(format).to_string();
    let hour_of_twelve = match date.hour() % 12 {
        0 => 12,
        hour => hour,
    };
    Some(match code {
        'd' => by("%d"),
        'D' => by("%a"),
        'j' => date.day().to_string(),
        'l' => by("%A"),
        'N' => date.weekday().to_monday_one_offset().to_string(),
        'S' => ordinal_suffix(date.day()).to_owned(),
        'w' => date.weekday().to_sunday_zero_offset().to_string(),
        'z' => (date.day_of_year() - 1).to_string(),
        'W' => by("%V"),
        'F' => by("%B"),
        'm' => by("%m"),
        'M' => by("%b"),
        'n' => date.month().to_string(),
        't' => date.days_in_month().to_string(),
        'L' => u8::from(date.in_leap_year()).to_string(),
        'o' => by("%G"),
        'Y' => by("%Y"),
        'y' => by("%y"),
        'a' => by("%P"),
        'A' => by("%p"),
        'B' => swatch_beat(date),
        'g' => hour_of_twelve.to_string(),
        'G' => date.hour().to_string(),
        'h' => format!("{hour_of_twelve:02}"),
        'H' => by("%H"),
        'i' => by("%M"),
        's' => by("%S"),
        'u' => format!("{:06}", date.subsec_nanosecond() / 1000),
        'v' => format!("{:03}", date.millisecond()),
        'e' => date
            .time_zone()
            .iana_name()
            .map_or_else(|| by("%:z"), str::to_owned),
        'I' => {
            let info = date.time_zone().to_offset_info(date.timestamp());
            u8::from(info.dst().is_dst()).to_string()
        }
        'O' => by("%z"),
        'p' if date.offset().is_zero() => "Z".to_owned(),
        'P' | 'p' => by("%:z"),
        'T' => by("%Z"),
        'Z' => date.offset().seconds().to_string(),
        'c' => by("%Y-%m-%dT%H:%M:%S%:z"),
        'r' => by("%a, %d %b %Y %H:%M:%S %z"),
        'U' => date.timestamp().as_second().to_string(),
        _ => return None,
    })
}

fn ordinal_suffix(day: i8) -> &'static str {
    match (day, day % 10) {
        (11..=13, _) => "th",
        (_, 1) => "st",
        (_, 2) => "nd",
        (_, 3) => "rd",
        _ => "th",
    }
}

/// Thousandths of the day in Biel, which is UTC+1 all year.
fn swatch_beat(date: &Zoned) -> String {
    let second_of_day = (date.timestamp().as_second() + 3600).rem_euclid(86_400);
    format!("{:03}", second_of_day * 10 / 864)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn gives(rest: &str, expected: &str) {
        let now: Timestamp = "2026-03-01T23:05:09.25Z".parse().unwrap();
        let zone = TimeZone::get("Europe/Paris").unwrap();
        let date = DateText::parse(rest).unwrap();
        assert_eq!(date.at(now, &zone).as_deref(), Some(expected), "{rest}");
    }

    #[test]
    fn every_code_of_php_is_known() {
        for (format, expected) in [
            ("d", "02"),
            ("D", "Mon"),
            ("j", "2"),
            ("l", "Monday"),
            ("N", "1"),
            ("S", "nd"),
            ("w", "1"),
            ("z", "60"),
            ("W", "10"),
            ("F", "March"),
            ("m", "03"),
            ("M", "Mar"),
            ("n", "3"),
            ("t", "31"),
            ("L", "0"),
            ("o", "2026"),
            ("Y", "2026"),
            ("y", "26"),
            ("a", "am"),
            ("A", "AM"),
            ("B", "003"),
            ("g", "12"),
            ("G", "0"),
            ("h", "12"),
            ("H", "00"),
            ("i", "05"),
            ("s", "09"),
            ("u", "250000"),
            ("v", "250"),
            ("e", "Europe/Paris"),
            ("I", "0"),
            ("O", "+0100"),
            ("P", "+01:00"),
            ("p", "+01:00"),
            ("T", "CET"),
            ("Z", "3600"),
            ("c", "2026-03-02T00:05:09+01:00"),
            ("r", "Mon, 02 Mar 2026 00:05:09 +0100"),
            ("U", "1772406309"),
            ("m%2Fd%2FY", "03/02/2026"),
            ("Y%2Fm%2Fd", "2026/03/02"),
            ("d/m/Y", "02/03/2026"),
            ("j%20F%20Y", "2 March 2026"),
            ("\\d\\a\\y j", "day 2"),
        ] {
            gives(&format!("CurrentDate/{format}"), expected);
        }
    }

    #[test]
    fn shifts_follow_the_calendar() {
        for (shift, expected) in [
            ("-7 day", "2026-02-23"),
            ("-7%20day", "2026-02-23"),
            ("+2 weeks", "2026-03-16"),
            ("1 month", "2026-04-02"),
            ("- 1 year", "2025-03-02"),
            ("-1 hour", "2026-03-01"),
        ] {
            gives(&format!("OtherDate/Y-m-d/{shift}"), expected);
        }
        gives("OtherDate/Y/m/d/-7 day", "2026/02/23");
        let beyond = DateText::parse("OtherDate/Y/9000 years").unwrap();
        assert_eq!(beyond.at(Timestamp::UNIX_EPOCH, &TimeZone::UTC), None);
    }

    #[test]
    fn what_gives_no_date_is_refused() {
        for (rest, expected) in [
            ("CurrentDate/DS", "PHP's codes"),
            ("CurrentDate/DMY", "PHP's codes"),
            ("CurrentDate/SH", "PHP's codes"),
            ("CurrentDate/PT", "PHP's codes"),
            ("OtherDate/PT/-1 day", "PHP's codes"),
            ("CurrentDate/", "format is missing"),
            ("CurrentDate/Q", "`Q` is no code"),
            ("OtherDate/Y-m-d", "OtherDate/FORMAT"),
            ("OtherDate/Y-m-d/soon", "no shift"),
            ("OtherDate/Y-m-d/99999999999 years", "no shift"),
            ("Tomorrow/Y", "CurrentDate/FORMAT"),
            ("CurrentDate", "CurrentDate/FORMAT"),
        ] {
            let problem = DateText::parse(rest).unwrap_err();
            assert!(problem.contains(expected), "{rest}: {problem}");
        }
    }
}
