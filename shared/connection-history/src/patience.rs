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
/// Until then it is looked again although nothing is missing: a further connection of the case may not be shown yet.
const SHORTEST: Duration = Duration::from_mins(5);
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
/// report shows one by one, and some were stored long before: so it is looked for some minutes, and once more after whatever
/// was new.
///
/// - `looks`: how many there were, 1 after the first.
/// - `elapsed`: since when there may be something to find.
pub fn look_again(looks: u32, elapsed: Duration, found: Found) -> Option<Duration> {
    let quiet = found.any && !found.unfinished && !found.news;
    let settled = quiet && looks > 1 && elapsed >= SHORTEST;
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
    fn what_was_found_is_looked_at_for_minutes_and_once_more_after_news() {
        // News in these looks, and how many looks there are then.
        for (news, expected) in [
            (vec![1], 5),
            (vec![1, 2, 4], 5),
            (vec![5], 6),
            (vec![1, 6], 5),
            (vec![1, 5, 6], 7),
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
            let (number, elapsed) = looks(found);
            assert_eq!(number, expected, "{news:?}");
            assert!(elapsed >= SHORTEST, "{news:?}");
        }
        // One that a window has stored before says nothing of a second one, which is shown a minute later.
        assert_eq!(looks(|_| SAME).0, 5);
        // A look that comes late is not enough by itself.
        assert!(look_again(1, SHORTEST * 2, SAME).is_some());
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
