//! The whole way of an event: webhook, evaluation, ticket, end of the run.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::spread::{Spread, milliseconds, share};
use crate::tally::{Ledger, Tally};

/// What a number of events took that went at the same time.
#[derive(Debug, Clone, Default)]
pub struct Taken {
    /// By function.
    pub of: BTreeMap<&'static str, Work>,
    /// Messages that queues have carried.
    pub messages: usize,
    /// What was asked of AWS.
    pub ledger: Ledger,
}

/// What one function took for them.
#[derive(Debug, Clone, Copy, Default)]
pub struct Work {
    /// CPU time.
    pub cpu: Duration,
    /// Time on the clock.
    pub wall: Duration,
    /// Times that it was invoked.
    pub invocations: usize,
    /// Batches of a queue among them.
    pub batches: usize,
}

/// What one event takes on the whole way.
#[derive(Debug, Clone, Serialize)]
pub struct Mean {
    /// How many events went at the same time.
    pub batch: usize,
    /// CPU time of all functions.
    pub cpu: Spread,
    /// Time on the clock of one function after another; with several events, of all of them.
    pub wall: Spread,
    /// By function.
    pub parts: BTreeMap<&'static str, Part>,
    /// Calls of AWS by function and operation.
    pub calls: Vec<Calls>,
    /// Messages that queues have carried.
    pub messages: f64,
    /// Batches that were taken from queues.
    pub receipts: f64,
    /// Events that were put on the bus, by 64 kB.
    pub events: f64,
    /// Read units of tables.
    pub read_units: f64,
    /// Write units of tables and their indexes.
    pub write_units: f64,
    /// Bytes that functions have logged.
    pub logged: f64,
}

/// What one event takes in one function.
#[derive(Debug, Clone, Serialize)]
pub struct Part {
    /// Megabytes that the function has.
    pub memory: u64,
    /// Milliseconds of CPU time: the median.
    pub cpu: f64,
    /// Invocations.
    pub invocations: f64,
    /// Milliseconds that it waits for AWS and the vendor when these take as long as [`Waits`] says.
    pub waiting: f64,
}

/// How often an event makes a function call an operation.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Calls {
    /// The function.
    pub function: String,
    /// The operation.
    pub operation: String,
    /// How often.
    pub times: f64,
}

/// How long others take to answer while it is measured how long functions wait. Assumed: on one machine nobody is far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Waits {
    /// Milliseconds of a call of AWS.
    pub aws_ms: u64,
    /// Milliseconds of a call of the vendor.
    pub vendor_ms: u64,
}

impl Waits {
    /// Usual ones.
    pub const USUAL: Self = Self {
        aws_ms: 5,
        vendor_ms: 400,
    };
}

impl Mean {
    /// Of rounds in which so many events went at the same time. `slow` are rounds in which AWS and the vendor took their time;
    /// `logged` are the bytes that were logged in `rounds`.
    pub fn of(
        batch: usize,
        rounds: &[Taken],
        slow: &[Taken],
        logged: usize,
        memory: impl Fn(&str) -> u64,
    ) -> Self {
        let events = batch * rounds.len();
        let per_event = u32::try_from(batch).unwrap_or(u32::MAX);
        let mut work: BTreeMap<&'static str, Work> = BTreeMap::new();
        let mut ledger = Ledger::new();
        for taken in rounds {
            for (name, one) in &taken.of {
                let sum = work.entry(name).or_default();
                sum.invocations += one.invocations;
                sum.batches += one.batches;
            }
            for (key, tally) in &taken.ledger {
                ledger.entry(key.clone()).or_default().add(*tally);
            }
        }
        let mut all = Tally::default();
        for tally in ledger.values() {
            all.add(*tally);
        }
        let calls = ledger.into_iter().map(|((function, operation), tally)| {
            let times = share(tally.calls, events);
            Calls {
                function,
                operation,
                times,
            }
        });
        let median = |rounds: &[Taken], name: &str, time: fn(&Work) -> Duration| {
            let of = rounds.iter().filter_map(|taken| taken.of.get(name));
            Spread::of(of.map(|work| time(work) / per_event)).median
        };
        let part = |(name, work): (&&'static str, &Work)| {
            let wall = |rounds| median(rounds, name, |work| work.wall);
            let part = Part {
                memory: memory(name),
                cpu: median(rounds, name, |work| work.cpu),
                invocations: share(work.invocations, events),
                waiting: (wall(slow) - wall(rounds)).max(0.0),
            };
            (*name, part)
        };
        let sum = |taken: &Taken, time: fn(&Work) -> Duration| taken.of.values().map(time).sum();
        let of_all = |time: fn(&Work) -> Duration, per: u32| {
            let times = rounds.iter().map(|taken| sum(taken, time));
            Spread::of(times.map(|time: Duration| time / per))
        };
        Self {
            batch,
            cpu: of_all(|work| work.cpu, per_event),
            wall: of_all(|work| work.wall, 1),
            parts: work.iter().map(part).collect(),
            calls: calls.collect(),
            messages: share(rounds.iter().map(|taken| taken.messages).sum(), events),
            receipts: share(work.values().map(|work| work.batches).sum(), events),
            events: share(all.events, events),
            read_units: all.read_units / share(events, 1),
            write_units: all.write_units / share(events, 1),
            logged: share(logged, events),
        }
    }

    /// Calls of AWS.
    pub fn all_calls(&self) -> f64 {
        self.calls.iter().map(|one| one.times).sum()
    }

    /// Invocations of all functions.
    pub fn invocations(&self) -> f64 {
        self.parts.values().map(|part| part.invocations).sum()
    }
}

impl Taken {
    /// Counts an invocation of a function.
    pub fn count(&mut self, function: &'static str, is_batch: bool, wall: Duration, cpu: Duration) {
        let work = self.of.entry(function).or_default();
        work.cpu += cpu;
        work.wall += wall;
        work.invocations += 1;
        work.batches += usize::from(is_batch);
    }

    /// The CPU time of all functions, in milliseconds.
    pub fn cpu(&self) -> f64 {
        milliseconds(self.of.values().map(|work| work.cpu).sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two events: each by itself through `first`, both in one batch through `second`.
    fn taken(cpu: u64, wall: u64) -> Taken {
        let mut taken = Taken {
            messages: 2,
            ..Taken::default()
        };
        let ms = Duration::from_millis;
        taken.count("first", false, ms(wall), ms(cpu));
        taken.count("first", false, ms(wall), ms(cpu));
        taken.count("second", true, ms(10 * wall), ms(10 * cpu));
        let tally = Tally {
            calls: 3,
            events: 2,
            read_units: 1.0,
            write_units: 5.0,
        };
        let key = ("second".to_owned(), "PutEvents".to_owned());
        taken.ledger.insert(key, tally);
        taken
    }

    fn check(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-9, "{found}, not {expected}");
    }

    #[test]
    fn everything_is_of_one_event() {
        let rounds = [taken(1, 2), taken(3, 4), taken(2, 3)];
        let slow = [taken(2, 13)];
        let memory = |name: &str| if name == "first" { 128 } else { 256 };
        let mean = Mean::of(2, &rounds, &slow, 600, memory);
        // The middle round: 2 + 2 + 20 ms for two events.
        check(mean.cpu.median, 12.0);
        // 3 + 3 + 30 ms: of both.
        check(mean.wall.median, 36.0);
        let (first, second) = (&mean.parts["first"], &mean.parts["second"]);
        check(first.cpu, 2.0);
        check(second.cpu, 10.0);
        check(first.waiting, 10.0);
        check(second.waiting, 50.0);
        check(first.invocations, 1.0);
        check(second.invocations, 0.5);
        assert_eq!((first.memory, second.memory), (128, 256));
        check(mean.invocations(), 1.5);
        check(mean.all_calls(), 1.5);
        check(mean.events, 1.0);
        check(mean.messages, 1.0);
        // Nobody took from a queue for `first`.
        check(mean.receipts, 0.5);
        check(mean.read_units, 0.5);
        check(mean.write_units, 2.5);
        check(mean.logged, 100.0);
        check(rounds[0].cpu(), 12.0);
    }

    #[test]
    fn nobody_waits_less_than_nothing() {
        let mean = Mean::of(2, &[taken(1, 5)], &[taken(1, 4)], 0, |_| 256);
        check(mean.parts["first"].waiting, 0.0);
    }
}
