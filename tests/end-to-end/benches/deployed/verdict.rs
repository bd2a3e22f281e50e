//! What came of the events.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use domain::{EventKey, Run, RunState};
use serde_json::Value;

use crate::memory::Memory;
use crate::sender::text;

/// All of it.
#[derive(Debug)]
pub(crate) struct Verdict {
    /// How many were to be sent.
    pub(crate) events: usize,
    /// How many were accepted.
    pub(crate) accepted: usize,
    /// Attempts to send one again.
    pub(crate) repeats: usize,
    /// Events that nobody accepted.
    pub(crate) refused: Vec<String>,
    /// Until the last one was accepted.
    pub(crate) sending: Duration,
    /// Until the last ticket was made and all queues were empty.
    pub(crate) took: Duration,
    /// Whether nothing moved any more before everything was done.
    pub(crate) stalled: bool,
    /// Accepted events without a run that has succeeded.
    pub(crate) without_run: Vec<usize>,
    /// Events with several runs.
    pub(crate) with_runs: Vec<usize>,
    /// Accepted events without a ticket.
    pub(crate) without_ticket: Vec<usize>,
    /// Events with several tickets.
    pub(crate) with_tickets: Vec<usize>,
    /// Tickets of no event.
    pub(crate) strange: usize,
    /// Messages that are left in queues.
    pub(crate) left: Vec<(&'static str, u64)>,
    /// Messages in dead-letter queues.
    pub(crate) dead: Vec<(&'static str, u64)>,
    /// What the functions had in use.
    pub(crate) memory: Memory,
}

/// A process that has grown by less has not grown: allocators give nothing back at once.
const FLAT: i64 = 2 * 1024 * 1024;
/// Numbers that are shown of many.
const SHOWN: usize = 20;

impl Verdict {
    /// Counts the runs and the tickets of the events.
    pub(crate) fn count(accepted: &[(usize, EventKey)], runs: &[Run], tickets: &[Value]) -> Self {
        let mut runs_of: BTreeMap<&EventKey, (usize, bool)> = BTreeMap::new();
        for run in runs {
            let (count, succeeded) = runs_of.entry(&run.event).or_default();
            *count += 1;
            *succeeded |= run.state == RunState::Succeeded;
        }
        let mut tickets_of: BTreeMap<&str, usize> = BTreeMap::new();
        for ticket in tickets {
            let comment = ticket["comments"][0]["body"].as_str().unwrap_or_default();
            *tickets_of.entry(comment).or_default() += 1;
        }
        let mut verdict = Self {
            events: 0,
            accepted: accepted.len(),
            repeats: 0,
            refused: Vec::new(),
            sending: Duration::ZERO,
            took: Duration::ZERO,
            stalled: false,
            without_run: Vec::new(),
            with_runs: Vec::new(),
            without_ticket: Vec::new(),
            with_tickets: Vec::new(),
            strange: 0,
            left: Vec::new(),
            dead: Vec::new(),
            memory: Memory::of(""),
        };
        for (number, key) in accepted {
            match runs_of.get(key) {
                Some((1, true)) => {}
                Some((_, true)) => verdict.with_runs.push(*number),
                Some((_, false)) | None => verdict.without_run.push(*number),
            }
            match tickets_of.remove(text(*number).as_str()) {
                Some(1) => {}
                Some(_) => verdict.with_tickets.push(*number),
                None => verdict.without_ticket.push(*number),
            }
        }
        verdict.strange = tickets_of.into_values().sum();
        verdict
    }

    /// Whether everything was done, once.
    pub(crate) fn is_good(&self) -> bool {
        let none = |all: &[(&str, u64)]| all.iter().all(|(_, left)| *left == 0);
        self.accepted == self.events
            && !self.stalled
            && self.strange == 0
            && self.lists().iter().all(|(_, numbers)| numbers.is_empty())
            && none(&self.left)
            && none(&self.dead)
    }

    fn lists(&self) -> [(&'static str, &[usize]); 4] {
        [
            ("without a run that succeeded", &self.without_run),
            ("with several runs", &self.with_runs),
            ("without a ticket", &self.without_ticket),
            ("with several tickets", &self.with_tickets),
        ]
    }

    /// The report for people.
    pub(crate) fn markdown(&self) -> String {
        let mut text = String::new();
        self.write(&mut text).unwrap();
        text
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        let seconds = self.took.as_secs_f64();
        writeln!(
            text,
            "# {} events at once\n\n\
             Made by `make bench-deployed`; do not edit. The deployed bundle on the emulated AWS of `make run`, debug builds: each event is a `POST`, an \
             evaluation, a run and a Zendesk ticket. The emulator sets the pace, not the functions.\n\n\
             **{}**\n",
            self.events,
            if self.is_good() {
                "None lost, none done twice, all queues empty."
            } else {
                "Not as it must be: see below."
            }
        )?;
        writeln!(text, "| what | |\n|---|--:|")?;
        let mut row = |what: &str, value: String| writeln!(text, "| {what} | {value} |");
        row("events sent", self.events.to_string())?;
        row("accepted", self.accepted.to_string())?;
        row(
            "sent again because the answer was no 202",
            self.repeats.to_string(),
        )?;
        for (what, numbers) in self.lists() {
            row(what, numbers.len().to_string())?;
        }
        row("tickets of no event", self.strange.to_string())?;
        for (queue, left) in &self.left {
            row(&format!("left in {queue}"), left.to_string())?;
        }
        for (queue, left) in &self.dead {
            row(&format!("in {queue}"), left.to_string())?;
        }
        row(
            "until all were accepted, s",
            format!("{:.0}", self.sending.as_secs_f64()),
        )?;
        row("until all was done, s", format!("{seconds:.0}"))?;
        #[expect(clippy::cast_precision_loss, reason = "some thousands")]
        let pace = self.events as f64 / seconds.max(1.0);
        row("events a second", format!("{pace:.1}"))?;
        writeln!(
            text,
            "\nMemory of the functions' processes. Grown: the most by which one was larger at the end than after a quarter of the \
             work.\n\n| function | processes | the most one had, MB | grown, MB | |\n|---|--:|--:|--:|---|"
        )?;
        for of in self.memory.by_function() {
            let (grown, word) = match of.grown {
                Some(grown) if grown <= FLAT => (megabytes(grown), "flat"),
                Some(grown) => (megabytes(grown), "**grows**"),
                None => ("-".to_owned(), ""),
            };
            writeln!(
                text,
                "| {} | {} | {} | {grown} | {word} |",
                plain(&of.function),
                of.processes,
                megabytes(i64::try_from(of.most).unwrap_or(i64::MAX)),
            )?;
        }
        if self.stalled {
            writeln!(text, "\nNothing moved any more before all was done.")?;
        }
        for (what, numbers) in self.lists() {
            if !numbers.is_empty() {
                let shown = &numbers[..numbers.len().min(SHOWN)];
                writeln!(text, "\n{} {what}: {shown:?}", numbers.len())?;
            }
        }
        for refused in self.refused.iter().take(SHOWN) {
            writeln!(text, "\nNot accepted: {refused}")?;
        }
        Ok(())
    }
}

/// A function's name without what CloudFormation puts around the logical id.
fn plain(name: &str) -> &str {
    name.split('-').nth(1).unwrap_or(name)
}

#[expect(clippy::cast_precision_loss, reason = "no size comes near 2^52 bytes")]
fn megabytes(bytes: i64) -> String {
    format!("{:.1}", bytes as f64 / 1024.0 / 1024.0)
}
