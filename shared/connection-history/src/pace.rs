use std::time::Duration;

use retry::{Disposition, RetryPolicy};

/// The pace of trying again. Without end: whatever the failure is, somebody may mend it.
const PACE: RetryPolicy = RetryPolicy {
    first: Duration::from_mins(2),
    longest: Duration::from_hours(1),
    budget: Duration::MAX,
};
/// The least that a rate limit is waited out. The limits are counted by the hour or the day, and nobody says how much is
/// left.
const LIMITED: Duration = Duration::from_mins(5);

/// How long after a failure the next attempt is made; `failures` in a row, 1 after the first. `limited`: too many calls
/// were made.
pub(crate) fn after_failure(failures: u32, disposition: Disposition, limited: bool) -> Duration {
    let own = |asked| PACE.delay(failures, Duration::ZERO, asked, 0);
    let delay = match disposition {
        Disposition::Retry { after } | Disposition::Reconcile { after } => own(after),
        Disposition::Wait { every } => PACE.delay_while_waiting(failures, Duration::ZERO, every, 0),
        // Whoever mends it asks for a window, too; this is for those who forget.
        Disposition::GiveUp => None,
    };
    let delay = delay.unwrap_or(PACE.longest);
    if limited { delay.max(LIMITED) } else { delay }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failure_is_followed_by_minutes_and_never_by_more_than_an_hour_unless_it_asks() {
        let minutes = |failures, disposition, limited| {
            after_failure(failures, disposition, limited).as_secs_f64() / 60.0
        };
        let retry = Disposition::RETRY;
        assert!((1.5..=2.0).contains(&minutes(1, retry, false)));
        assert!((5.0..=6.0).contains(&minutes(1, retry, true)));
        assert!((6.0..=8.0).contains(&minutes(3, retry, false)));
        for failures in [8, 1_000] {
            assert!((45.0..=60.0).contains(&minutes(failures, retry, false)));
        }
        let asked = Disposition::Retry {
            after: Some(Duration::from_hours(3)),
        };
        assert!(minutes(1, asked, true) >= 180.0);
        let wait = Disposition::Wait {
            every: Duration::from_mins(20),
        };
        assert!(minutes(9, wait, false) <= 20.0);
        assert!((59.0..=61.0).contains(&minutes(1, Disposition::GiveUp, false)));
    }
}
