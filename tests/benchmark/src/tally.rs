//! What was asked of AWS.

use std::collections::BTreeMap;

use serde::Serialize;

/// What was asked, by caller and operation.
pub type Ledger = BTreeMap<(String, String), Tally>;

/// What calls of one operation come to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Tally {
    /// Calls, every attempt for itself.
    pub calls: usize,
    /// Events that were put on the bus, as they are paid for: by 64 kB.
    pub events: usize,
    /// Read units of tables.
    pub read_units: f64,
    /// Write units of tables and their indexes.
    pub write_units: f64,
}

impl Tally {
    /// Adds another tally.
    pub fn add(&mut self, other: Self) {
        self.calls += other.calls;
        self.events += other.events;
        self.read_units += other.read_units;
        self.write_units += other.write_units;
    }

    /// What one caller has asked in all.
    pub fn of(ledger: &Ledger, caller: &str) -> Self {
        let mut sum = Self::default();
        for ((from, _), tally) in ledger {
            if from == caller {
                sum.add(*tally);
            }
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_are_told_apart() {
        let tally = Tally {
            calls: 2,
            events: 1,
            read_units: 0.5,
            write_units: 4.0,
        };
        let ledger = Ledger::from_iter([
            (("a".to_owned(), "PutItem".to_owned()), tally),
            (("a".to_owned(), "Query".to_owned()), tally),
            (("b".to_owned(), "Query".to_owned()), tally),
        ]);
        let twice = Tally {
            calls: 4,
            events: 2,
            read_units: 1.0,
            write_units: 8.0,
        };
        assert_eq!(Tally::of(&ledger, "a"), twice);
        assert_eq!(Tally::of(&ledger, "c"), Tally::default());
    }
}
