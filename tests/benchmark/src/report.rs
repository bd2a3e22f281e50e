//! The result as Markdown.

use std::time::Duration;

use crate::meter::Counts;

/// What events cost while so many workflows existed.
#[derive(Debug)]
pub(crate) struct Measured {
    /// How many workflows existed.
    pub(crate) stored: usize,
    /// Time until an event was stored.
    pub(crate) wall: Spread,
    /// CPU time of the product for it.
    pub(crate) cpu: Spread,
    /// What was asked of the tables for all events.
    pub(crate) counts: Counts,
}

/// How a measure is spread.
#[derive(Debug)]
pub(crate) struct Spread {
    median: Duration,
    p95: Duration,
}

impl Spread {
    /// Of one value an event.
    pub(crate) fn of(mut values: Vec<Duration>) -> Self {
        values.sort_unstable();
        let at = |percent| {
            let place = values.len() * percent / 100;
            values.get(place).copied().unwrap_or_default()
        };
        Self {
            median: at(50),
            p95: at(95),
        }
    }
}

/// The table, with what is needed to understand it.
pub(crate) fn markdown(
    measured: &[Measured],
    listening: usize,
    events: usize,
    took: Duration,
) -> String {
    let mut text = format!(
        "{listening} workflows listen to the events; one starts a run of two tasks. {events} events each, in turns.\n\n\
         | workflows | wall time, median (p95) | CPU time, median (p95) | calls | rows read (looked at) | bytes read \
         | read units | rows written | write units |\n\
         |--:|--:|--:|--:|--:|--:|--:|--:|--:|\n"
    );
    for one in measured {
        let Counts {
            calls,
            rows_read,
            rows_scanned,
            bytes_read,
            rows_written,
            read_units,
            write_units,
        } = one.counts;
        let each = |count: usize| each(float(count), events);
        let row = format!(
            "| {} | {} | {} | {} | {} ({}) | {} | {} | {} | {} |\n",
            one.stored,
            spread(&one.wall),
            spread(&one.cpu),
            each(calls),
            each(rows_read),
            each(rows_scanned),
            each(bytes_read),
            self::each(read_units, events),
            each(rows_written),
            self::each(write_units, events),
        );
        text.push_str(&row);
    }
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let footer = format!(
        "\nEach figure is of one event. CPU time is that of the function's code, without the tables' engine. What the \
         function does with the queue and the bus is not in it; no workflow is read for that.\n\n\
         Machine: {}, {cores} cores, {}. Tables: dynoxide (SQLite, in memory) over HTTP on the loopback. Release build, \
         {:.0} s in all.\n",
        processor(),
        std::env::consts::OS,
        took.as_secs_f64(),
    );
    text + &footer
}

fn spread(spread: &Spread) -> String {
    let milliseconds = |time: Duration| format!("{:.2}", time.as_secs_f64() * 1000.0);
    format!(
        "{} ms ({})",
        milliseconds(spread.median),
        milliseconds(spread.p95)
    )
}

/// A share of a total, without decimals that say nothing.
fn each(total: f64, events: usize) -> String {
    let text = format!("{:.1}", total / float(events));
    text.strip_suffix(".0").unwrap_or(&text).to_owned()
}

#[expect(
    clippy::cast_precision_loss,
    reason = "nothing that is counted comes near 2^52"
)]
fn float(count: usize) -> f64 {
    count as f64
}

/// What the machine calls its processor.
fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    text.lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or(std::env::consts::ARCH, |(_, name)| name.trim())
        .to_owned()
}
