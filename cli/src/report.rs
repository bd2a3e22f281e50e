//! How things read: for a person who is in a hurry. Pure.

pub(crate) mod dry_run;
pub(crate) mod event;
pub(crate) mod run;
pub(crate) mod workflow;

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use rules::Trace;
use serde_json::Value;

/// A point in time, to the second, in UTC.
pub(crate) fn time(timestamp: Timestamp) -> String {
    format!("{timestamp:.0}")
}

/// How long something took.
pub(crate) fn duration(from: Timestamp, to: Timestamp) -> String {
    // Stored times have milliseconds, others more digits: an end may seem to come before its beginning.
    let duration = to.duration_since(from).max(SignedDuration::ZERO);
    let seconds = duration.as_secs();
    match seconds {
        ..10 => format!("{:.1} s", duration.as_secs_f64()),
        10..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3600),
    }
}

/// The same text with its later lines moved to the right.
pub(crate) fn hanging(text: &str, columns: usize) -> String {
    text.replace('\n', &format!("\n{:columns$}", ""))
}

/// A condition's result, each comparison with the value seen.
pub(crate) fn trace(value: &Value) -> String {
    if value.is_null() {
        return "✓ the workflow has no condition".to_owned();
    }
    match serde_json::from_value::<Trace>(value.clone()) {
        Ok(trace) => trace.to_string(),
        // From another version: better as it is than not at all.
        Err(_) => pretty(value),
    }
}

/// A value as indented JSON.
pub(crate) fn pretty(value: &Value) -> String {
    format!("{value:#}")
}

/// A named value below a heading.
pub(crate) fn field(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    value: impl fmt::Display,
) -> fmt::Result {
    writeln!(f, "  {name:<10}{}", hanging(&value.to_string(), 12))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn durations_are_as_exact_as_they_matter() {
        for (milliseconds, expected) in [
            (-1, "0.0 s"),
            (0, "0.0 s"),
            (840, "0.8 s"),
            (9_990, "10.0 s"),
            (10_900, "10 s"),
            (119_000, "119 s"),
            (120_000, "2 min"),
            (7_200_000, "2 h"),
        ] {
            let later = Timestamp::from_millisecond(milliseconds).unwrap();
            assert_eq!(duration(Timestamp::UNIX_EPOCH, later), expected);
        }
    }

    #[test]
    fn trace_of_another_version_is_shown_as_it_is() {
        assert_eq!(trace(&json!({"later": 1})), "{\n  \"later\": 1\n}");
        assert_eq!(trace(&Value::Null), "✓ the workflow has no condition");
    }
}
