//! What to do after a failure, and how long to wait before doing it again.
//!
//! Nothing here sleeps, reads a clock or draws a random number: the caller says how often and for how
//! long it has tried, and gets a delay back. The jitter comes from a seed, so one message always gets
//! the same delays and two messages get different ones.

use std::time::Duration;

/// What to do after a failed attempt. Decided where the knowledge is: in the crate that made the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// The call had no effect. Make it again, no sooner than `after` when the other side named a delay.
    Retry {
        /// The delay that the other side asked for.
        after: Option<Duration>,
    },
    /// The call may have had its effect. Look before making it again.
    Reconcile {
        /// The delay that the other side asked for.
        after: Option<Duration>,
    },
    /// Nothing was called, and nothing can be until somebody has acted elsewhere (connected an account, say). Look again,
    /// no less often than `every`: whoever acted should see an effect soon.
    Wait {
        /// The longest delay between two looks.
        every: Duration,
    },
    /// Making the call again cannot help. A human must act.
    GiveUp,
}

impl Disposition {
    /// A retry at the policy's own pace.
    pub const RETRY: Self = Self::Retry { after: None };
    /// A reconciliation at the policy's own pace.
    pub const RECONCILE: Self = Self::Reconcile { after: None };
}

/// Exponential back-off with jitter, limited by the time that has passed rather than by a count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The delay after the first failure.
    pub first: Duration,
    /// No delay is longer, unless the other side asks for it.
    pub longest: Duration,
    /// Measured from the first attempt; when the next attempt would fall behind it, there is none.
    pub budget: Duration,
}

impl RetryPolicy {
    /// The pace of task functions: 5 s doubling to 1 h, for 26 h. An outage of a whole day is survived.
    pub const TASK: Self = Self {
        first: Duration::from_secs(5),
        longest: Duration::from_hours(1),
        budget: Duration::from_hours(26),
    };

    /// The delay before the next attempt, or `None` when the budget is spent.
    ///
    /// - `attempt`: how many attempts have been made, 1 after the first.
    /// - `elapsed`: time since the first attempt began.
    /// - `asked`: the delay that the other side named; it is never shortened.
    /// - `seed`: spreads the delays of different messages, by up to a quarter.
    pub fn delay(
        &self,
        attempt: u32,
        elapsed: Duration,
        asked: Option<Duration>,
        seed: u64,
    ) -> Option<Duration> {
        let doublings = attempt.saturating_sub(1).min(31);
        let full = self.first.saturating_mul(1 << doublings).min(self.longest);
        let jitter = full.mul_f64(0.25 * fraction(seed, attempt));
        let own = full.saturating_sub(jitter);
        let delay = asked.map_or(own, |asked| asked.saturating_add(jitter).max(own));
        (elapsed.saturating_add(delay) <= self.budget).then_some(delay)
    }

    /// The delay before the next look at something that somebody else must bring about: at the policy's pace, but no
    /// less often than `every`. `None` when the budget is spent.
    pub fn delay_while_waiting(
        &self,
        attempt: u32,
        elapsed: Duration,
        every: Duration,
        seed: u64,
    ) -> Option<Duration> {
        let often = Self {
            longest: self.longest.min(every),
            ..*self
        };
        often.delay(attempt, elapsed, None, seed)
    }
}

/// A number in [0, 1) that looks random and depends only on its arguments (the finaliser of `SplitMix64`).
fn fraction(seed: u64, attempt: u32) -> f64 {
    let mut z = seed.wrapping_add(u64::from(attempt).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    let high = u32::try_from((z ^ (z >> 31)) >> 32).unwrap_or(u32::MAX);
    f64::from(high) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: RetryPolicy = RetryPolicy::TASK;

    fn delays(seed: u64) -> Vec<Duration> {
        let mut elapsed = Duration::ZERO;
        let mut delays = Vec::new();
        while let Some(delay) = POLICY.delay(
            u32::try_from(delays.len()).unwrap() + 1,
            elapsed,
            None,
            seed,
        ) {
            elapsed += delay;
            delays.push(delay);
        }
        delays
    }

    #[test]
    fn retries_go_on_for_more_than_a_day_and_then_end() {
        for seed in [0, 1, u64::MAX, 0x1234_5678_9abc_def0] {
            let delays = delays(seed);
            let total: Duration = delays.iter().sum();
            assert!(total > Duration::from_hours(24), "{total:?}");
            assert!(total <= POLICY.budget, "{total:?}");
            assert!(delays.len() < 60, "{}", delays.len());
        }
    }

    #[test]
    fn delays_double_up_to_the_longest_and_stay_within_a_quarter_of_it() {
        let mut expected = POLICY.first;
        for delay in delays(7) {
            assert!(
                delay <= expected && delay >= expected.mul_f64(0.75),
                "{delay:?} for {expected:?}"
            );
            expected = (expected * 2).min(POLICY.longest);
        }
    }

    #[test]
    fn named_delay_is_never_shortened() {
        let asked = Duration::from_hours(3);
        let delay = POLICY.delay(1, Duration::ZERO, Some(asked), 42).unwrap();
        assert!(delay >= asked && delay < asked + POLICY.first, "{delay:?}");
        let own = POLICY
            .delay(9, Duration::ZERO, Some(Duration::ZERO), 42)
            .unwrap();
        assert!(own > Duration::from_mins(1), "{own:?}");
    }

    #[test]
    fn waiting_looks_often_and_no_longer_than_the_budget() {
        let every = Duration::from_mins(10);
        for attempt in 1..200 {
            let delay = POLICY
                .delay_while_waiting(attempt, Duration::from_hours(25), every, 5)
                .unwrap();
            assert!(delay <= every, "{delay:?}");
        }
        let first = POLICY
            .delay_while_waiting(1, Duration::ZERO, every, 5)
            .unwrap();
        assert!(first <= POLICY.first, "{first:?}");
        assert_eq!(POLICY.delay_while_waiting(1, POLICY.budget, every, 5), None);
    }

    #[test]
    fn two_messages_do_not_retry_at_the_same_moment() {
        assert_ne!(delays(1), delays(2));
        assert_eq!(delays(1), delays(1));
    }

    #[test]
    fn spent_budget_ends_the_retries() {
        assert_eq!(POLICY.delay(40, POLICY.budget, None, 1), None);
        assert_eq!(
            POLICY.delay(1, Duration::ZERO, Some(POLICY.budget + POLICY.first), 1),
            None
        );
    }
}
