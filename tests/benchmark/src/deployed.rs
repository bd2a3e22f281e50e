//! What came of thousands of events that went through the deployed bundle at once.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use crate::machine::Machine;
use crate::spread::share;

/// All of it.
#[derive(Debug)]
pub struct Deployed {
    /// Where.
    pub machine: Machine,
    /// What was sent.
    pub sent: Sent,
    /// What came of it.
    pub outcome: Outcome,
    /// Until the last ticket was made and all queues were empty.
    pub took: Duration,
    /// Whether nothing moved any more before everything was done.
    pub stalled: bool,
    /// Messages that are left in queues, those for dead letters among them.
    pub left: Vec<(&'static str, u64)>,
    /// What the functions had in use.
    pub memory: Vec<Use>,
}

/// What was sent.
#[derive(Debug, Clone, Default)]
pub struct Sent {
    /// How many events were to be sent.
    pub events: usize,
    /// Attempts to send one again.
    pub repeats: usize,
    /// Events that nobody accepted, and why.
    pub refused: Vec<String>,
    /// Until the last one was accepted.
    pub took: Duration,
}

/// What came of the events that were accepted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// How many were accepted.
    pub accepted: usize,
    /// Those without a run that has succeeded.
    pub without_run: Vec<usize>,
    /// Those with several runs.
    pub with_runs: Vec<usize>,
    /// Those without a ticket.
    pub without_ticket: Vec<usize>,
    /// Those with several tickets.
    pub with_tickets: Vec<usize>,
    /// Runs and tickets of no event.
    pub strange: usize,
}

/// What the processes of a function had in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    /// The function.
    pub function: String,
    /// How many processes there were, all in all.
    pub processes: usize,
    /// The most that one had in use, in bytes.
    pub most: u64,
    /// The most by which one has grown after a quarter of the work, in bytes; none lived long enough where it is absent.
    pub grown: Option<i64>,
}

/// Until so many per cent of the work, connections and caches become as they stay.
const QUARTER: usize = 25;
/// A process that has grown by less has not grown: allocators give nothing back at once.
const FLAT: i64 = 2 * 1024 * 1024;
/// Numbers that are shown of many.
const SHOWN: usize = 20;

impl Outcome {
    /// Counts what came of events, given by number, key and the text of their ticket. `runs` are keys, and whether the run has
    /// succeeded; `tickets` are texts.
    pub fn count<'a>(
        accepted: &[(usize, String, String)],
        runs: impl IntoIterator<Item = (&'a str, bool)>,
        tickets: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let mut runs_of: BTreeMap<&str, Vec<bool>> = BTreeMap::new();
        for (key, succeeded) in runs {
            runs_of.entry(key).or_default().push(succeeded);
        }
        let mut tickets_of: BTreeMap<&str, usize> = BTreeMap::new();
        for text in tickets {
            *tickets_of.entry(text).or_default() += 1;
        }
        let mut outcome = Self {
            accepted: accepted.len(),
            ..Self::default()
        };
        for (number, key, text) in accepted {
            let runs = runs_of.remove(key.as_str()).unwrap_or_default();
            if runs.len() > 1 {
                outcome.with_runs.push(*number);
            }
            if !runs.contains(&true) {
                outcome.without_run.push(*number);
            }
            match tickets_of.remove(text.as_str()) {
                Some(1) => {}
                Some(_) => outcome.with_tickets.push(*number),
                None => outcome.without_ticket.push(*number),
            }
        }
        outcome.strange =
            tickets_of.values().sum::<usize>() + runs_of.values().map(Vec::len).sum::<usize>();
        outcome
    }

    fn lists(&self) -> [(&'static str, &[usize]); 4] {
        [
            ("without a run that succeeded", &self.without_run),
            ("with several runs", &self.with_runs),
            ("without a ticket", &self.without_ticket),
            ("with several tickets", &self.with_tickets),
        ]
    }
}

impl Use {
    /// Of a function's processes: for each, how far the work was in per cent, and the bytes in use then.
    pub fn of(function: &str, processes: &[Vec<(usize, u64)>]) -> Self {
        let grown = |seen: &Vec<(usize, u64)>| {
            let later = seen.iter().filter(|(progress, _)| *progress >= QUARTER);
            let mut later = later.map(|(_, bytes)| i64::try_from(*bytes).unwrap_or(i64::MAX));
            let first = later.next()?;
            Some(later.next_back()? - first)
        };
        let all = processes.iter().flatten();
        Self {
            function: function.to_owned(),
            processes: processes.len(),
            most: all.map(|(_, bytes)| *bytes).max().unwrap_or_default(),
            grown: processes.iter().filter_map(grown).max(),
        }
    }
}

impl Deployed {
    /// Whether everything was done, once. Memory that grows makes it no worse: it is shown.
    pub fn is_good(&self) -> bool {
        self.outcome.accepted == self.sent.events
            && !self.stalled
            && self.outcome.strange == 0
            && self.outcome.lists().iter().all(|(_, of)| of.is_empty())
            && self.left.iter().all(|(_, left)| *left == 0)
    }

    /// The report for people.
    ///
    /// # Errors
    /// None: a text takes whatever is written into it.
    pub fn markdown(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        let seconds = self.took.as_secs_f64();
        writeln!(
            text,
            "# {} events at once\n\n\
             Made by `make bench-deployed`; do not edit. Machine: {}. The bundle as `make run` deploys it, debug builds on an emulated \
             AWS: each event is a `POST`, an evaluation, a run and a Zendesk ticket. The emulator sets the pace, not the functions.\n\n\
             **{}**\n",
            self.sent.events,
            self.machine,
            if self.is_good() {
                "None lost, none done twice, all queues empty."
            } else {
                "Not as it must be: see below."
            }
        )?;
        writeln!(text, "| what | |\n|---|--:|")?;
        let mut row = |what: &str, value: String| writeln!(text, "| {what} | {value} |");
        row("events to send", self.sent.events.to_string())?;
        row("accepted", self.outcome.accepted.to_string())?;
        row(
            "attempts that were not answered 202, and repeated",
            self.sent.repeats.to_string(),
        )?;
        for (what, numbers) in self.outcome.lists() {
            row(what, numbers.len().to_string())?;
        }
        row(
            "runs and tickets of no event",
            self.outcome.strange.to_string(),
        )?;
        for (queue, left) in &self.left {
            row(&format!("messages left in {queue}"), left.to_string())?;
        }
        let sending = self.sent.took.as_secs_f64();
        row("until all were accepted, s", format!("{sending:.0}"))?;
        row("until all was done, s", format!("{seconds:.0}"))?;
        let pace = share(self.outcome.accepted, 1) / seconds.max(1.0);
        row("events a second", format!("{pace:.1}"))?;
        writeln!(
            text,
            "\nMemory of the functions' processes. Grown: the most by which one was larger at its end than after a quarter of the \
             work.\n\n| function | processes | the most one had, MB | grown, MB | |\n|---|--:|--:|--:|---|"
        )?;
        for of in &self.memory {
            let (grown, word) = match of.grown {
                Some(grown) if grown <= FLAT => (megabytes(grown), "flat"),
                Some(grown) => (megabytes(grown), "**grows**"),
                None => ("-".to_owned(), ""),
            };
            let most = megabytes(i64::try_from(of.most).unwrap_or(i64::MAX));
            writeln!(
                text,
                "| {} | {} | {most} | {grown} | {word} |",
                of.function, of.processes
            )?;
        }
        if self.stalled {
            writeln!(text, "\nNothing moved any more before all was done.")?;
        }
        for (what, numbers) in self.outcome.lists() {
            if !numbers.is_empty() {
                let shown: Vec<_> = numbers.iter().take(SHOWN).collect();
                writeln!(text, "\nFirst of those {what}: {shown:?}")?;
            }
        }
        for refused in self.sent.refused.iter().take(SHOWN) {
            writeln!(text, "\nNot accepted: {refused}")?;
        }
        Ok(text)
    }
}

#[expect(clippy::cast_precision_loss, reason = "no size comes near 2^52 bytes")]
fn megabytes(bytes: i64) -> String {
    format!("{:.1}", bytes as f64 / 1024.0 / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(count: usize) -> Vec<(usize, String, String)> {
        let of = |number| (number, format!("ev_{number}"), format!("number {number}"));
        (0..count).map(of).collect()
    }

    fn deployed(outcome: Outcome) -> Deployed {
        Deployed {
            machine: Machine::this().unwrap(),
            sent: Sent {
                events: 3,
                ..Sent::default()
            },
            outcome,
            took: Duration::from_secs(2),
            stalled: false,
            left: vec![("EvaluateQueue", 0)],
            memory: Vec::new(),
        }
    }

    const RUNS: [(&str, bool); 3] = [("ev_0", true), ("ev_1", true), ("ev_2", true)];
    const TICKETS: [&str; 3] = ["number 2", "number 0", "number 1"];

    #[test]
    fn everything_once_is_good() {
        let outcome = Outcome::count(&accepted(3), RUNS, TICKETS);
        let expected = Outcome {
            accepted: 3,
            ..Outcome::default()
        };
        assert_eq!(outcome, expected);
        let mut deployed = deployed(outcome);
        assert!(deployed.is_good());
        assert!(deployed.markdown().unwrap().contains("**None lost"));
        deployed.left.push(("RuleDeadLetters", 1));
        assert!(!deployed.is_good());
    }

    #[test]
    fn whatever_is_lost_or_done_twice_is_found() {
        for (runs, tickets, expected) in [
            (
                vec![RUNS[0], RUNS[1]],
                TICKETS.to_vec(),
                Outcome {
                    without_run: vec![2],
                    ..Outcome::default()
                },
            ),
            (
                vec![RUNS[0], ("ev_1", false), RUNS[2]],
                TICKETS.to_vec(),
                Outcome {
                    without_run: vec![1],
                    ..Outcome::default()
                },
            ),
            (
                vec![RUNS[0], RUNS[1], RUNS[2], RUNS[1]],
                TICKETS.to_vec(),
                Outcome {
                    with_runs: vec![1],
                    ..Outcome::default()
                },
            ),
            (
                RUNS.to_vec(),
                vec!["number 0", "number 0", "number 1"],
                Outcome {
                    without_ticket: vec![2],
                    with_tickets: vec![0],
                    ..Outcome::default()
                },
            ),
            (
                vec![RUNS[0], RUNS[1], RUNS[2], ("ev_9", true)],
                vec!["number 0", "number 1", "number 2", "number 20"],
                Outcome {
                    strange: 2,
                    ..Outcome::default()
                },
            ),
        ] {
            let outcome = Outcome::count(&accepted(3), runs, tickets);
            let expected = Outcome {
                accepted: 3,
                ..expected
            };
            assert_eq!(outcome, expected);
            assert!(!deployed(outcome).is_good());
        }
        let none = Outcome::count(&[], [], []);
        assert!(!deployed(none).is_good(), "nobody accepted anything");
    }

    #[test]
    fn memory_is_compared_with_what_it_was_after_a_quarter() {
        let starts = vec![(0, 10), (20, 50), (25, 60), (70, 90), (100, 65)];
        let late = vec![(90, 70)];
        let of = Use::of("evaluate", &[starts, late.clone()]);
        assert_eq!((of.processes, of.most, of.grown), (2, 90, Some(5)));
        assert_eq!(Use::of("ingest", &[late]).grown, None);
    }
}
