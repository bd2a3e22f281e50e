use std::time::Duration;

use retry::Disposition;

/// The delays between looks for the connections of one case: about an hour in all. How late the report shows them is not
/// documented.
const DELAYS: [Duration; 7] = [
    Duration::from_secs(20),
    Duration::from_mins(1),
    Duration::from_mins(2),
    Duration::from_mins(4),
    Duration::from_mins(8),
    Duration::from_mins(15),
    Duration::from_mins(30),
];
/// After this time it is left to the windows, however few looks there were.
const LONGEST: Duration = Duration::from_mins(90);
/// The least that a rate limit is waited out.
const LIMITED: Duration = Duration::from_mins(5);

/// What a look for the connections of one case has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// Whether there are any.
    pub any: bool,
    /// Whether one of them has no end, or waits to be told of.
    pub unfinished: bool,
    /// Whether one was new, or had changed.
    pub news: bool,
}

/// How long after this look the next one is due; `None` when there is none. A case can have several connections, which the
/// report shows one by one: so whatever was found is looked at once more.
///
/// - `looks`: how many there were, 1 after the first.
/// - `elapsed`: since when there may be something to find.
pub fn look_again(looks: u32, elapsed: Duration, found: Found) -> Option<Duration> {
    let settled = found.any && !found.unfinished && !found.news && looks > 1;
    if settled { None } else { next(looks, elapsed) }
}

/// How long after a look that failed the next one is due; `None` when it is left to the windows. `limited`: too many calls
/// were made.
pub fn after_failed_look(
    looks: u32,
    elapsed: Duration,
    disposition: Disposition,
    limited: bool,
) -> Option<Duration> {
    let asked = match disposition {
        Disposition::Retry { after } | Disposition::Reconcile { after } => {
            after.unwrap_or_default()
        }
        Disposition::Wait { .. } => Duration::ZERO,
        Disposition::GiveUp => return None,
    };
    let least = if limited { LIMITED } else { Duration::ZERO };
    next(looks, elapsed)
        .map(|delay| delay.max(asked).max(least))
        .filter(|delay| elapsed.saturating_add(*delay) <= LONGEST)
}

fn next(looks: u32, elapsed: Duration) -> Option<Duration> {
    let index = usize::try_from(looks.saturating_sub(1)).unwrap_or(usize::MAX);
    DELAYS
        .get(index)
        .copied()
        .filter(|delay| elapsed.saturating_add(*delay) <= LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Found = Found {
        any: false,
        unfinished: false,
        news: false,
    };
    const FIRST: Found = Found {
        any: true,
        unfinished: false,
        news: true,
    };
    const SAME: Found = Found {
        news: false,
        ..FIRST
    };

    fn looks(found: impl Fn(u32) -> Found) -> (u32, Duration) {
        let (mut looks, mut elapsed) = (1, Duration::ZERO);
        while let Some(delay) = look_again(looks, elapsed, found(looks)) {
            elapsed += delay;
            looks += 1;
        }
        (looks, elapsed)
    }

    #[test]
    fn what_is_not_shown_is_looked_for_about_an_hour() {
        let (number, elapsed) = looks(|_| NOTHING);
        assert_eq!(number, 8);
        assert!(elapsed > Duration::from_mins(59) && elapsed < Duration::from_mins(65));
        let unfinished = Found {
            unfinished: true,
            ..SAME
        };
        assert_eq!(looks(|_| unfinished).0, 8);
    }

    #[test]
    fn what_was_found_is_looked_at_once_more() {
        // News in these looks, and how many looks there are then.
        for (news, expected) in [
            (vec![1], 2),
            (vec![3], 4),
            (vec![1, 2], 3),
            (vec![1, 2, 4], 3),
        ] {
            let found = |look: u32| {
                if news.contains(&look) {
                    FIRST
                } else if news.iter().any(|one| *one < look) {
                    SAME
                } else {
                    NOTHING
                }
            };
            assert_eq!(looks(found).0, expected, "{news:?}");
        }
        // What a window has stored before is looked at twice, too.
        assert_eq!(looks(|_| SAME).0, 2);
    }

    #[test]
    fn look_that_comes_late_is_the_last() {
        assert_eq!(look_again(1, Duration::from_hours(3), NOTHING), None);
    }

    #[test]
    fn failed_look_comes_again_while_there_is_time() {
        let start = Duration::ZERO;
        let after = |disposition, limited| after_failed_look(1, start, disposition, limited);
        assert_eq!(after(Disposition::RETRY, false), Some(DELAYS[0]));
        assert_eq!(after(Disposition::RETRY, true), Some(LIMITED));
        assert_eq!(after(Disposition::GiveUp, false), None);
        let asked = Disposition::Retry {
            after: Some(Duration::from_hours(2)),
        };
        assert_eq!(after(asked, true), None);
    }
}
