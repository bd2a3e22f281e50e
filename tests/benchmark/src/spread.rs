//! How a measure is spread.

use std::time::Duration;

use serde::Serialize;

/// Of a measure that was taken several times, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Spread {
    /// Half of the values are no larger; between two values, their mean.
    pub median: f64,
    /// The smallest value that 95 of 100 do not exceed.
    pub p95: f64,
    /// The smallest one.
    pub least: f64,
    /// The largest one.
    pub most: f64,
    /// How many there are.
    pub values: usize,
}

impl Spread {
    /// Of these values.
    pub fn of(values: impl IntoIterator<Item = Duration>) -> Self {
        let mut values: Vec<f64> = values.into_iter().map(milliseconds).collect();
        values.sort_by(f64::total_cmp);
        let at = |place: usize| values.get(place).copied().unwrap_or_default();
        let count = values.len();
        Self {
            median: f64::midpoint(at(count.saturating_sub(1) / 2), at(count / 2)),
            p95: at((count * 95).div_ceil(100).saturating_sub(1)),
            least: at(0),
            most: at(count.saturating_sub(1)),
            values: count,
        }
    }
}

/// A time in milliseconds.
pub fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// A share of a total.
#[expect(
    clippy::cast_precision_loss,
    reason = "nothing that is counted comes near 2^52"
)]
pub fn share(total: usize, of: usize) -> f64 {
    total as f64 / of as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread(values: &[u64]) -> Spread {
        Spread::of(values.iter().copied().map(Duration::from_millis))
    }

    #[test]
    fn median_and_tail_are_of_the_sorted_values() {
        let hundred: Vec<u64> = (1..=100).rev().collect();
        assert_eq!(
            spread(&hundred),
            Spread {
                median: 50.5,
                p95: 95.0,
                least: 1.0,
                most: 100.0,
                values: 100
            }
        );
    }

    #[test]
    fn few_values_have_a_median_and_a_tail_of_their_own() {
        for (values, median, p95) in [
            (&[][..], 0.0, 0.0),
            (&[7], 7.0, 7.0),
            (&[9, 1], 5.0, 9.0),
            (&[100, 1, 3], 3.0, 100.0),
        ] {
            let spread = spread(values);
            assert_eq!((spread.median, spread.p95), (median, p95), "{values:?}");
        }
    }
}
