//! The filters `date` and `date_add`.

use jiff::civil::DateTime;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use minijinja::value::Kwargs;
use minijinja::{State, Value};

use super::budget::Refusal;

/// The context's member that names the time zone of dates.
pub(super) const ZONE: &str = "timezone";

/// A date in a format of `strftime`, in a time zone.
pub(super) fn date(
    state: &mut State<'_, '_>,
    value: Value,
    format: &str,
    zone: Option<&str>,
    named: Kwargs,
) -> Result<Value, minijinja::Error> {
    let zone = zone_of(state, zone, named)?;
    if value.is_undefined() || value.is_none() {
        return Ok(Value::UNDEFINED);
    }
    let instant = instant(&value)?;
    let text = write(format, instant, &zone).map_err(|_| {
        Refusal::Reason("the format of `date` is none of strftime, such as %Y-%m-%d".to_owned())
    })?;
    Ok(Value::from(text))
}

/// A date later or earlier by a duration, as RFC 3339 in UTC. Days and longer are those of the zone.
pub(super) fn date_add(
    state: &mut State<'_, '_>,
    value: Value,
    duration: &str,
    zone: Option<&str>,
    named: Kwargs,
) -> Result<Value, minijinja::Error> {
    let zone = zone_of(state, zone, named)?;
    if value.is_undefined() || value.is_none() {
        return Ok(Value::UNDEFINED);
    }
    let duration = parse_duration(duration).map_err(|()| {
        Refusal::Reason(
            "`date_add` takes a duration such as 7 days, -2 hours or 1 month".to_owned(),
        )
    })?;
    let date = instant(&value)?.to_zoned(zone);
    let moved = date.checked_add(duration).map_err(|_| {
        Refusal::Reason("the date with the duration added is beyond the calendar".to_owned())
    })?;
    Ok(Value::from(moved.timestamp().to_string()))
}

/// What is wrong with a text that stands in the template as an argument of such a filter.
pub(super) fn problem(filter: &str, argument: Result<&str, usize>, text: &str) -> Option<String> {
    match (filter, argument) {
        ("date", Err(0)) => {
            let sample = write(text, Timestamp::UNIX_EPOCH, &TimeZone::UTC);
            sample.err().map(|error| {
                format!("{text:?} is no format of a date, such as \"%Y-%m-%d %H:%M\": {error}")
            })
        }
        ("date_add", Err(0)) => parse_duration(text).err().map(|()| {
            format!("{text:?} is no duration, such as \"7 days\", \"-2 hours\" or \"1 month\"")
        }),
        ("date" | "date_add", Err(1) | Ok(ZONE)) => (!is_time_zone(text))
            .then(|| format!("there is no time zone {text:?}; one is called \"Europe/Paris\"")),
        _ => None,
    }
}

/// Whether a time zone has that name in the IANA database, such as `Europe/Paris` or `UTC`.
pub fn is_time_zone(name: &str) -> bool {
    TimeZone::get(name).is_ok()
}

fn write(format: &str, instant: Timestamp, zone: &TimeZone) -> Result<String, jiff::Error> {
    strtime::format(format, &instant.to_zoned(zone.clone()))
}

fn zone_of(
    state: &State<'_, '_>,
    zone: Option<&str>,
    named: Kwargs,
) -> Result<TimeZone, minijinja::Error> {
    let by_name: Option<String> = named.get(ZONE)?;
    named.assert_all_used()?;
    let context = state.lookup(ZONE);
    let Some(name) = zone
        .or(by_name.as_deref())
        .or(context.as_ref().and_then(Value::as_str))
    else {
        return Ok(TimeZone::UTC);
    };
    TimeZone::get(name)
        .map_err(|_| Refusal::Reason("there is no time zone of that name".to_owned()).into())
}

/// RFC 3339, a date with or without a time of day (UTC then), or seconds since 1970.
fn instant(value: &Value) -> Result<Timestamp, minijinja::Error> {
    let found = if let Some(text) = value.as_str() {
        let text = text.trim();
        let in_utc = || {
            let without_zone: DateTime = text.parse().ok()?;
            TimeZone::UTC.to_timestamp(without_zone).ok()
        };
        text.parse().ok().or_else(in_utc)
    } else if value.is_number() {
        let whole = i64::try_from(value.clone()).ok();
        whole
            .and_then(|seconds| Timestamp::from_second(seconds).ok())
            .or_else(|| {
                let seconds = f64::try_from(value.clone()).ok()?;
                let duration = jiff::SignedDuration::try_from_secs_f64(seconds).ok()?;
                Timestamp::from_duration(duration).ok()
            })
    } else {
        None
    };
    found.ok_or_else(|| {
        Refusal::Reason("the value is no date: neither RFC 3339 nor seconds since 1970".to_owned())
            .into()
    })
}

fn parse_duration(text: &str) -> Result<Span, ()> {
    text.trim().parse().map_err(|_| ())
}
