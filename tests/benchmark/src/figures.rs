//! What is measured of one function by itself, and of what grows.

use serde::Serialize;

use crate::spread::Spread;

/// How often what is measured.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Rounds {
    /// Processes that are started.
    pub starts: usize,
    /// Events before it counts.
    pub before: usize,
    /// Events alone.
    pub alone: usize,
    /// Batches of [`BATCH`].
    pub batches: usize,
}

impl Rounds {
    /// Enough for medians that stay.
    pub const ALL: Self = Self {
        starts: 21,
        before: 50,
        alone: 200,
        batches: 30,
    };
    /// As many as the sandbox takes answers of 200 kB for.
    pub const LARGE: Self = Self {
        starts: 7,
        before: 5,
        alone: 20,
        batches: 3,
    };
    /// Enough to see whether everything works.
    pub const QUICK: Self = Self {
        starts: 3,
        before: 5,
        alone: 10,
        batches: 3,
    };

    /// How many events a function of a queue is given in all.
    pub fn events(self) -> usize {
        self.starts + self.before + self.alone + (self.batches + 1) * BATCH
    }
}

/// What queues hand over at most, but for that of `teamviewer-connections`.
pub const BATCH: usize = 10;

/// What a function needs.
#[derive(Debug, Clone, Serialize)]
pub struct Measured {
    /// The crate, or what it is compared with.
    pub name: String,
    /// Whether it is no function of the product.
    pub compared: bool,
    /// Bytes of what is deployed.
    pub size: u64,
    /// Until the first event can come: on the clock and of a processor.
    pub init_wall: Spread,
    /// See `init_wall`.
    pub init_cpu: Spread,
    /// The first event.
    pub first_wall: Spread,
    /// See `first_wall`.
    pub first_cpu: Spread,
    /// Both together, start for start.
    pub cold_cpu: Spread,
    /// An event alone, in a process that has had many.
    pub warm_wall: Spread,
    /// See `warm_wall`.
    pub warm_cpu: Spread,
    /// An event in a batch, where there are batches.
    pub batch_cpu: Option<Spread>,
    /// Bytes of memory in use at most, after everything.
    pub peak_memory: u64,
    /// What is asked of AWS for an event, alone.
    pub alone: Asked,
    /// What is asked of AWS for an event in a batch.
    pub batch: Option<Asked>,
}

/// What is asked of AWS for an event.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Asked {
    /// Calls.
    pub calls: f64,
    /// Read units of tables.
    pub read_units: f64,
    /// Write units of tables and their indexes.
    pub write_units: f64,
}

impl Asked {
    /// Whether something else asks for the same, but for what is asked once in a while.
    pub fn is_nearly(self, other: Self) -> bool {
        [
            self.calls - other.calls,
            self.read_units - other.read_units,
            self.write_units - other.write_units,
        ]
        .iter()
        .all(|more| more.abs() < 0.5)
    }
}

/// What grows.
#[derive(Debug, Clone, Serialize)]
pub struct Many {
    /// `evaluate`, by the number of stored workflows.
    pub workflows: Vec<(usize, Measured)>,
    /// How many of them listen.
    pub listening: usize,
    /// Bytes of the answers in a survey response, and the functions that are given it.
    pub large: (usize, Vec<Measured>),
    /// A slow vendor.
    pub slow: Slow,
}

/// A batch of [`BATCH`] of which the vendor is slow with one.
#[derive(Debug, Clone, Serialize)]
pub struct Slow {
    /// Milliseconds that the vendor took for the one.
    pub vendor_ms: u64,
    /// The whole batch when nobody is slow.
    pub quick: Spread,
    /// The whole batch.
    pub batch: Spread,
    /// Until all but the slow one's outcome were announced.
    pub others_announced: Spread,
    /// Until the slow one's outcome was announced.
    pub slow_announced: Spread,
}

/// What Node-RED needs for the same flow.
#[derive(Debug, Clone, Serialize)]
pub struct Flow {
    /// Bytes of what is installed.
    pub size: u64,
    /// Until it answers, in milliseconds on the clock.
    pub start_wall: f64,
    /// Until it answers, in milliseconds of CPU time.
    pub start_cpu: f64,
    /// An event, from the webhook to the answer after the ticket: CPU time.
    pub event_cpu: Spread,
    /// The same on the clock.
    pub event_wall: Spread,
    /// Bytes of memory in use at most.
    pub peak_memory: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_more_of_anything_is_another_demand() {
        let asked = Asked {
            calls: 4.0,
            read_units: 3.0,
            write_units: 33.0,
        };
        let now_and_then = Asked {
            calls: 4.1,
            ..asked
        };
        assert!(asked.is_nearly(now_and_then));
        for more in [
            Asked {
                calls: 5.0,
                ..asked
            },
            Asked {
                read_units: 2.0,
                ..asked
            },
            Asked {
                write_units: 34.0,
                ..asked
            },
        ] {
            assert!(!asked.is_nearly(more), "{more:?}");
        }
    }

    #[test]
    fn events_are_enough_for_every_round() {
        let rounds = Rounds {
            starts: 1,
            before: 2,
            alone: 3,
            batches: 4,
        };
        assert_eq!(rounds.events(), 6 + 5 * BATCH);
    }
}
