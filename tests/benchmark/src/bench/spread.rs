//! How a measure is spread.

use std::time::Duration;

use serde::Serialize;

/// Of a measure that was taken several times, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub(crate) struct Spread {
    /// Half of the values are no larger.
    pub(crate) median: f64,
    /// So are 95 of 100.
    pub(crate) p95: f64,
    /// The smallest one.
    pub(crate) least: f64,
    /// How many there are.
    pub(crate) values: usize,
}

impl Spread {
    /// Of these values.
    pub(crate) fn of(values: impl IntoIterator<Item = Duration>) -> Self {
        let mut values: Vec<f64> = values.into_iter().map(milliseconds).collect();
        values.sort_by(f64::total_cmp);
        let at = |percent| {
            let place = values.len() * percent / 100;
            values.get(place).copied().unwrap_or_default()
        };
        Self {
            median: at(50),
            p95: at(95),
            least: at(0),
            values: values.len(),
        }
    }
}

/// A time in milliseconds.
pub(crate) fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_and_tail_are_of_the_sorted_values() {
        let spread = Spread::of((1..=100).rev().map(Duration::from_millis));
        assert_eq!(
            spread,
            Spread {
                median: 51.0,
                p95: 96.0,
                least: 1.0,
                values: 100
            }
        );
        assert_eq!(Spread::of([]), Spread::default());
    }
}
