use jiff::{SignedDuration, Timestamp};

use crate::reach::after;

/// How late a window may be before somebody is to look at it: longer than TeamViewer's troubles usually last, and than a
/// window of many pages takes.
const LATEST: SignedDuration = SignedDuration::from_hours(2);

/// Since when a whole window is due that nobody has brought, if that is so long ago that somebody is to look at it.
///
/// - `next_due`: when it was to begin by the schedule; `None` before the first one.
/// - `set_at`: when somebody last changed the settings. What they say by now counts from then on.
pub fn stands_still_since(
    next_due: Option<Timestamp>,
    set_at: Timestamp,
    now: Timestamp,
) -> Option<Timestamp> {
    let due = next_due.unwrap_or(set_at).max(set_at);
    (after(due, LATEST) <= now).then_some(due)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn history_stands_still_two_hours_after_a_window_was_due() {
        let hour = |hour: i64| Timestamp::UNIX_EPOCH + SignedDuration::from_hours(hour);
        // When a window was due, when the settings were changed, now, since when it stands still.
        for (due, set, now, expected) in [
            (Some(6), 0, 7, None),
            (Some(6), 0, 8, Some(6)),
            // The first one was due when somebody set that there is to be a history.
            (None, 5, 6, None),
            (None, 5, 7, Some(5)),
            // An interval that has become shorter.
            (Some(6), 20, 21, None),
            (Some(6), 20, 22, Some(20)),
        ] {
            let since = stands_still_since(due.map(hour), hour(set), hour(now));
            assert_eq!(since, expected.map(hour), "{due:?} {set} {now}");
        }
    }
}
