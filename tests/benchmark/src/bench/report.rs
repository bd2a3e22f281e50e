//! The result: as Markdown, as JSON and as a picture.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context;
use jiff::Timestamp;
use serde::Serialize;

use crate::cost::{self, Line};
use crate::flow::Flow;
use crate::many::Many;
use crate::measure::{Measured, Rounds};
use crate::path::Mean;
use crate::plot::{Bar, Plot, svg};

/// Everything that was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// Where and when.
    pub(crate) machine: Machine,
    /// How often.
    pub(crate) rounds: Rounds,
    /// The functions, and what they are compared with.
    pub(crate) functions: Vec<Measured>,
    /// The whole way, alone and in batches.
    pub(crate) way: Vec<Mean>,
    /// What a million events cost, in the same order.
    pub(crate) bills: Vec<Vec<Line>>,
    /// What grows.
    pub(crate) many: Option<Many>,
    /// The same flow in Node-RED, when it was asked for.
    pub(crate) node_red: Option<Flow>,
    /// What was left out, and why.
    pub(crate) notes: Vec<String>,
}

/// Where and when it was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    processor: String,
    cores: usize,
    memory_gb: f64,
    kernel: String,
    date: String,
}

impl Machine {
    /// This one, now.
    pub(crate) fn this() -> anyhow::Result<Self> {
        let read = |path: &str| std::fs::read_to_string(path).context(path.to_owned());
        let (cpu, memory) = (read("/proc/cpuinfo")?, read("/proc/meminfo")?);
        let field = |text: &str, name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name))?;
            Some(line.trim_start_matches([' ', '\t', ':']).trim().to_owned())
        };
        let kilobytes = field(&memory, "MemTotal")
            .and_then(|text| text.split_whitespace().next()?.parse::<f64>().ok());
        Ok(Self {
            processor: field(&cpu, "model name")
                .unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            memory_gb: kilobytes.unwrap_or_default() / 1024.0 / 1024.0,
            kernel: read("/proc/sys/kernel/osrelease")?.trim().to_owned(),
            date: Timestamp::now().strftime("%Y-%m-%d").to_string(),
        })
    }
}

impl Report {
    /// Writes `report.md`, `report.json` and `report.svg` into a folder.
    pub(crate) fn write(&self, folder: &Path) -> anyhow::Result<()> {
        std::fs::create_dir_all(folder)?;
        std::fs::write(folder.join("report.md"), self.markdown()?)?;
        let json = serde_json::to_string_pretty(self)? + "\n";
        std::fs::write(folder.join("report.json"), json)?;
        std::fs::write(folder.join("report.svg"), svg(&self.plots()))?;
        Ok(())
    }

    /// The report for people.
    pub(crate) fn markdown(&self) -> anyhow::Result<String> {
        let mut text = String::new();
        let Machine {
            processor,
            cores,
            memory_gb,
            kernel,
            date,
        } = &self.machine;
        writeln!(
            text,
            "# What the functions need\n\n\
             Made by `make bench` on {date}: {processor}, {cores} cores, {memory_gb:.0} GB, Linux {kernel}. The release binaries \
             run as plain processes behind the Lambda Runtime API. AWS (a DynamoDB engine in memory and stand-ins) and the \
             vendors (the sandbox) are on the loopback and speak HTTP without TLS, so times on the clock are without network, and \
             handshakes are in no figure. CPU time is that of the function's process alone, in its own and in the system's code.\n\n\
             ![The figures as bars](report.svg)\n"
        )?;
        self.functions(&mut text)?;
        self.way(&mut text)?;
        self.bills(&mut text)?;
        if let Some(many) = &self.many {
            grown(&mut text, many)?;
        }
        if let Some(flow) = &self.node_red {
            red(&mut text, flow)?;
        }
        for note in &self.notes {
            writeln!(text, "\nLeft out: {note}.")?;
        }
        Ok(text)
    }

    fn functions(&self, text: &mut String) -> anyhow::Result<()> {
        let Rounds {
            starts,
            alone,
            batches,
            ..
        } = self.rounds;
        writeln!(
            text,
            "## By function\n\n\
             Medians: of {starts} starts, {alone} events alone, {batches} batches of 10. Times in milliseconds.\n\n\
             | function | init: wall | CPU | first event: wall | CPU | both: CPU | warm event: wall | CPU (p95) | in a batch: CPU \
             | AWS calls, alone | in a batch | peak memory, MB | deployed, MB |\n\
             |---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|"
        )?;
        for one in &self.functions {
            writeln!(
                text,
                "| {} | {:.1} | {:.1} | {:.1} | {:.1} | {:.1} | {:.2} | {:.2} ({:.2}) | {} | {:.1} | {} | {} | {} |",
                title(one),
                one.init_wall.median,
                one.init_cpu.median,
                one.first_wall.median,
                one.first_cpu.median,
                one.cold_cpu.median,
                one.warm_wall.median,
                one.warm_cpu.median,
                one.warm_cpu.p95,
                one.batch_cpu
                    .map_or("-".to_owned(), |spread| format!("{:.2}", spread.median)),
                one.calls_alone,
                one.calls_batch
                    .map_or("-".to_owned(), |calls| format!("{calls:.1}")),
                megabytes(one.peak_memory),
                megabytes(one.size),
            )?;
        }
        writeln!(
            text,
            "\nThose in italics are no part of the product, and do less: `benches/` holds them. The empty function is what any \
             function in Rust needs on this runtime. Python and Node do the ticket's task alone (one claim, one ticket, one \
             end, one message), without its retries, its look before a second attempt and its record. Python's figure for what \
             is deployed holds its libraries with boto3; Node's is one bundled file.\n"
        )?;
        Ok(())
    }

    fn way(&self, text: &mut String) -> anyhow::Result<()> {
        writeln!(
            text,
            "## The whole way of an event\n\n\
             A review comes by webhook, a run begins, a Zendesk ticket is made, the run ends, and its end is evaluated as an event. \
             Each figure is for one event; the functions are warm. Checked: as many tickets as events, every run succeeded.\n\n\
             | at the same time | CPU, ms (p95) | AWS calls | invocations | bus entries | queue messages | write units | read units \
             | wall of all, ms |\n\
             |--:|--:|--:|--:|--:|--:|--:|--:|--:|"
        )?;
        for mean in &self.way {
            writeln!(
                text,
                "| {} | {:.2} ({:.2}) | {:.1} | {:.1} | {:.1} | {:.1} | {:.1} | {:.1} | {:.1} |",
                mean.batch,
                mean.cpu.median,
                mean.cpu.p95,
                mean.all_calls(),
                mean.invocations(),
                mean.entries,
                mean.messages,
                mean.write_units,
                mean.read_units,
                mean.wall.median,
            )?;
        }
        writeln!(
            text,
            "\nWhere it goes, for one event:\n\n| function | {} |",
            heads(&self.way, "CPU, ms")
        )?;
        writeln!(text, "|---|{}", "--:|".repeat(self.way.len()))?;
        if let Some(first) = self.way.first() {
            for name in first.cpu_of.keys() {
                let cells = self.way.iter().map(|mean| {
                    format!("{:.2}", mean.cpu_of.get(name).copied().unwrap_or_default())
                });
                writeln!(
                    text,
                    "| {name} | {} |",
                    cells.collect::<Vec<_>>().join(" | ")
                )?;
            }
        }
        writeln!(
            text,
            "\n| function | operation | {} |",
            heads(&self.way, "calls")
        )?;
        writeln!(text, "|---|---|{}", "--:|".repeat(self.way.len()))?;
        let mut keys: Vec<_> = self
            .way
            .iter()
            .flat_map(|mean| &mean.calls)
            .map(|one| (&one.function, &one.operation))
            .collect();
        keys.sort();
        keys.dedup();
        for (function, operation) in keys {
            let cells = self.way.iter().map(|mean| {
                let of = mean
                    .calls
                    .iter()
                    .filter(|one| (&one.function, &one.operation) == (function, operation));
                format!("{:.2}", of.map(|one| one.times).sum::<f64>())
            });
            writeln!(
                text,
                "| {function} | {operation} | {} |",
                cells.collect::<Vec<_>>().join(" | ")
            )?;
        }
        Ok(())
    }

    fn bills(&self, text: &mut String) -> anyhow::Result<()> {
        writeln!(
            text,
            "\n## What a million events cost\n\n\
             At list prices ({}). Amounts are per event, so that a price for a million is a price for a million events. What is \
             assumed, and not measured, is said to be. Starts of functions, storage, indexes' storage and idle polling of queues \
             are not in it.",
            cost::PRICES
        )?;
        for (mean, lines) in self.way.iter().zip(&self.bills) {
            writeln!(
                text,
                "\n{}:\n\n| what | how | dollars |\n|---|---|--:|",
                if mean.batch == 1 {
                    "Events alone".to_owned()
                } else {
                    format!("In batches of {}", mean.batch)
                }
            )?;
            for line in lines {
                writeln!(
                    text,
                    "| {} | {} | {:.2} |",
                    line.what, line.formula, line.dollars
                )?;
            }
            writeln!(text, "| **all** | | **{:.2}** |", cost::total(lines))?;
        }
        Ok(())
    }

    fn plots(&self) -> Vec<Plot> {
        let bars = |values: &dyn Fn(&Measured) -> Vec<f64>| {
            self.functions
                .iter()
                .map(|one| Bar {
                    name: title(one).replace('*', ""),
                    compared: one.compared,
                    values: values(one),
                })
                .collect()
        };
        let batch = |one: &Measured| one.batch_cpu.map(|spread| spread.median);
        vec![
            Plot {
                title: "Start: CPU ms".to_owned(),
                parts: vec!["init", "first event"],
                bars: bars(&|one| vec![one.init_cpu.median, one.first_cpu.median]),
            },
            Plot {
                title: "Warm event alone: CPU ms".to_owned(),
                parts: Vec::new(),
                bars: bars(&|one| vec![one.warm_cpu.median]),
            },
            Plot {
                title: "Event in a batch of 10: CPU ms".to_owned(),
                parts: Vec::new(),
                bars: self
                    .functions
                    .iter()
                    .filter_map(|one| {
                        Some(Bar {
                            name: title(one).replace('*', ""),
                            compared: one.compared,
                            values: vec![batch(one)?],
                        })
                    })
                    .collect(),
            },
            Plot {
                title: "Peak memory: MB".to_owned(),
                parts: Vec::new(),
                bars: bars(&|one| vec![in_megabytes(one.peak_memory)]),
            },
            Plot {
                title: "The whole way of an event: CPU ms".to_owned(),
                parts: vec!["evaluate", "ingest", "zendesk-tasks"],
                bars: self
                    .way
                    .iter()
                    .map(|mean| Bar {
                        name: if mean.batch == 1 {
                            "alone".to_owned()
                        } else {
                            format!("in batches of {}", mean.batch)
                        },
                        compared: false,
                        values: mean.cpu_of.values().copied().collect(),
                    })
                    .collect(),
            },
        ]
    }
}

fn grown(text: &mut String, many: &Many) -> anyhow::Result<()> {
    writeln!(
        text,
        "\n## Many and large\n\n\
         `evaluate`, when {} workflows listen to the event:\n\n\
         | stored workflows | warm event: CPU, ms | in a batch | AWS calls | peak memory, MB |\n|--:|--:|--:|--:|--:|",
        many.listening
    )?;
    for (stored, one) in &many.workflows {
        writeln!(
            text,
            "| {stored} | {:.2} | {:.2} | {:.1} | {} |",
            one.warm_cpu.median,
            one.batch_cpu.unwrap_or_default().median,
            one.calls_alone,
            megabytes(one.peak_memory)
        )?;
    }
    let (bytes, large) = &many.large;
    writeln!(
        text,
        "\nA survey response of {} kB:\n\n\
         | function | warm event: CPU, ms | wall, ms | peak memory, MB |\n|---|--:|--:|--:|",
        bytes / 1000
    )?;
    for one in large {
        writeln!(
            text,
            "| {} | {:.2} | {:.2} | {} |",
            one.name,
            one.warm_cpu.median,
            one.warm_wall.median,
            megabytes(one.peak_memory)
        )?;
    }
    let (ms, slow) = &many.slow;
    writeln!(
        text,
        "\nA batch of 10 tickets of which Zendesk takes {ms} ms for one: {:.0} ms on the clock, against {:.0} ms when it is quick. The \
         other nine are made meanwhile; only their messages leave the queue together with the slow one's.",
        slow.median, many.not_slow.median
    )?;
    Ok(())
}

fn red(text: &mut String, flow: &Flow) -> anyhow::Result<()> {
    writeln!(
        text,
        "\n## The same in Node-RED\n\n\
         One long-running process: a review comes by webhook, a ticket is made, then the webhook is answered. Nothing is stored and \
         nothing is tried again, so compare it with the whole way of an event only with that in mind.\n\n\
         | start: wall, ms | CPU, ms | event: CPU, ms (p95) | wall, ms | peak memory, MB | installed, MB |\n\
         |--:|--:|--:|--:|--:|--:|\n\
         | {:.0} | {:.0} | {:.2} ({:.2}) | {:.2} | {} | {} |",
        flow.start_wall,
        flow.start_cpu,
        flow.event_cpu.median,
        flow.event_cpu.p95,
        flow.event_wall.median,
        megabytes(flow.peak_memory),
        megabytes(flow.size),
    )?;
    Ok(())
}

fn heads(way: &[Mean], what: &str) -> String {
    let head = |mean: &Mean| match mean.batch {
        1 => format!("alone: {what}"),
        batch => format!("of {batch}: {what}"),
    };
    way.iter().map(head).collect::<Vec<_>>().join(" | ")
}

fn title(one: &Measured) -> String {
    match (one.compared, one.name.as_str()) {
        (false, name) => name.to_owned(),
        (true, "empty") => "*nothing (Rust)*".to_owned(),
        (true, "python") => "*ticket task (Python)*".to_owned(),
        (true, "node") => "*ticket task (Node)*".to_owned(),
        (true, other) => format!("*{other}*"),
    }
}

#[expect(clippy::cast_precision_loss, reason = "no size comes near 2^52 bytes")]
fn in_megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1024.0 / 1024.0
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1}", in_megabytes(bytes))
}
