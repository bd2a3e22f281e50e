//! When to try again. Pure.

use std::time::Duration;

use jiff::Timestamp;
use retry::{Disposition, RetryPolicy};

/// A response may be readable only some moments after it was notified. After this it is not coming.
const LATE: RetryPolicy = RetryPolicy {
    first: Duration::from_secs(5),
    longest: Duration::from_mins(2),
    budget: Duration::from_mins(15),
};

/// A 404 is believed after so many looks, however late the first one came.
const FEWEST_LOOKS: u32 = 3;

/// An attempt that brought no response.
#[derive(Debug)]
pub(crate) struct Failure {
    /// What to do next.
    pub(crate) disposition: Disposition,
    /// What happened, for people.
    pub(crate) reason: String,
    /// Whether Qualtrics knows no such response.
    pub(crate) absent: bool,
}

/// The delay before the next attempt; `None` when there is none.
///
/// - `attempts`: how many have failed; of a response that is absent, how many found it so.
/// - `elapsed`: time since the response was notified.
pub(crate) fn after_failure(
    failure: &Failure,
    attempts: u32,
    elapsed: Duration,
    seed: u64,
) -> Option<Duration> {
    let (policy, elapsed) = if !failure.absent {
        (RetryPolicy::TASK, elapsed)
    } else if attempts < FEWEST_LOOKS {
        (LATE, Duration::ZERO)
    } else {
        (LATE, elapsed)
    };
    match failure.disposition {
        Disposition::Retry { after } | Disposition::Reconcile { after } => {
            policy.delay(attempts, elapsed, after, seed)
        }
        Disposition::Wait { every } => policy.delay_while_waiting(attempts, elapsed, every, seed),
        Disposition::GiveUp => None,
    }
}

/// The delay when the calls of a minute are used up: into the next minute, and further where many were refused a permit
/// `before`, as far as it takes to let all of those go first; no less than what was `asked` for. Spread over half a minute.
/// `None` when there is no time left to wait.
pub(crate) fn until_a_permit(
    before: u32,
    per_minute: u32,
    asked: Duration,
    now: Timestamp,
    elapsed: Duration,
    seed: u64,
) -> Option<Duration> {
    let into_minute = now.as_millisecond().rem_euclid(60_000).unsigned_abs();
    let others = u64::from(before / per_minute.max(1)) * 60_000;
    let spread = seed.rotate_left(before % 64) % 30_000;
    let minute = Duration::from_millis(60_000 - into_minute + others);
    let delay = minute
        .max(asked)
        .saturating_add(Duration::from_millis(spread));
    (elapsed.saturating_add(delay) <= RetryPolicy::TASK.budget).then_some(delay)
}

/// A number that looks random and is the same for the same text (FNV-1a).
pub(crate) fn seed(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |seed, byte| {
        (seed ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(disposition: Disposition, absent: bool) -> Failure {
        Failure {
            disposition,
            reason: String::new(),
            absent,
        }
    }

    /// How long, in all, and how often.
    fn patience(failure: &Failure) -> (Duration, u32) {
        let (mut elapsed, mut attempts) = (Duration::ZERO, 1);
        while let Some(delay) = after_failure(failure, attempts, elapsed, 7) {
            elapsed += delay;
            attempts += 1;
        }
        (elapsed, attempts)
    }

    #[test]
    fn late_response_is_waited_for_some_minutes_and_an_outage_for_a_day() {
        let (late, looks) = patience(&failure(Disposition::RETRY, true));
        assert!(
            late > Duration::from_mins(12) && late <= Duration::from_mins(15),
            "{late:?}"
        );
        assert!((8..15).contains(&looks), "{looks}");
        let (outage, _) = patience(&failure(Disposition::RETRY, false));
        assert!(outage > Duration::from_hours(24), "{outage:?}");
        let wait = Disposition::Wait {
            every: Duration::from_mins(20),
        };
        let (account, looks) = patience(&failure(wait, false));
        assert!(
            account > Duration::from_hours(25) && looks > 70,
            "{account:?} {looks}"
        );
        assert_eq!(
            patience(&failure(Disposition::GiveUp, false)),
            (Duration::ZERO, 1)
        );
    }

    #[test]
    fn response_that_is_first_looked_for_late_is_looked_for_more_than_once() {
        let absent = failure(Disposition::RETRY, true);
        let hour = Duration::from_hours(1);
        for (looks, goes_on) in [(1, true), (2, true), (3, false)] {
            let delay = after_failure(&absent, looks, hour, 7);
            assert_eq!(delay.is_some(), goes_on, "{looks}: {delay:?}");
        }
    }

    #[test]
    fn named_delay_is_kept() {
        let asked = Disposition::Retry {
            after: Some(Duration::from_mins(10)),
        };
        let delay = after_failure(&failure(asked, false), 1, Duration::ZERO, 7).unwrap();
        assert!(delay >= Duration::from_mins(10), "{delay:?}");
    }

    #[test]
    fn refused_permit_leads_into_a_later_minute() {
        let now = Timestamp::from_millisecond(60_000 * 1000 + 45_000).unwrap();
        for (before, minutes) in [(0, 0), (199, 0), (200, 1), (1000, 5)] {
            for seed in [0, 1, u64::MAX, seed("a")] {
                let delay =
                    until_a_permit(before, 200, Duration::ZERO, now, Duration::ZERO, seed).unwrap();
                let first = Duration::from_secs(15 + minutes * 60);
                assert!(
                    delay >= first && delay < first + Duration::from_secs(30),
                    "{before}: {delay:?}"
                );
            }
        }
        let over = RetryPolicy::TASK.budget;
        assert_eq!(until_a_permit(0, 200, Duration::ZERO, now, over, 0), None);
        let asked = Duration::from_secs(90);
        let delay = until_a_permit(0, 200, asked, now, Duration::ZERO, 0);
        assert_eq!(delay, Some(asked));
    }
}
