//! The result: as Markdown, as a picture, and as JSON for programs.

use std::fmt::Write as _;
use std::path::Path;

use serde::Serialize;

use crate::cost::{self, Line};
use crate::figures::{Asked, BATCH, Flow, Many, Measured, Rounds};
use crate::machine::Machine;
use crate::plot::{Bar, Plot, svg};
use crate::way::Mean;

/// Everything that was measured.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Where.
    pub machine: Machine,
    /// How often.
    pub rounds: Rounds,
    /// The functions, and what they are compared with.
    pub functions: Vec<Measured>,
    /// The whole way, alone and in batches.
    pub way: Vec<Mean>,
    /// What a million events cost, in the same order.
    pub bills: Vec<Vec<Line>>,
    /// What grows.
    pub many: Option<Many>,
    /// The same flow in Node-RED, when it was asked for.
    pub node_red: Option<Flow>,
    /// What was left out, and why.
    pub notes: Vec<String>,
}

/// What is to be reached: milliseconds of CPU and calls of AWS for an event on its whole way, alone and in batches.
const WAY_GOALS: [(f64, f64); 2] = [(3.0, 12.0), (1.0, 4.0)];
/// Milliseconds of CPU that Node-RED spends on an event, on the machine that the goals of [`WAY_GOALS`] are for.
const NODE_RED_THERE: f64 = 2.55;
/// Milliseconds of CPU for a start of `ingest` with its first event.
const START_GOAL: f64 = 12.0;
/// Megabytes of memory and of a binary.
const SIZE_GOALS: (f64, f64) = (24.0, 8.0);

impl Report {
    /// Writes `README.md` and `report.svg` into a folder, and `report.json` into another.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write(&self, folder: &Path, data: &Path) -> anyhow::Result<()> {
        std::fs::create_dir_all(folder)?;
        std::fs::create_dir_all(data)?;
        std::fs::write(folder.join("README.md"), self.markdown()?)?;
        std::fs::write(folder.join("report.svg"), svg(&self.plots()))?;
        let json = serde_json::to_string_pretty(self)? + "\n";
        std::fs::write(data.join("report.json"), json)?;
        Ok(())
    }

    /// The report for people. It has no date, so that what changes in it is what has changed.
    ///
    /// # Errors
    /// None: a text takes whatever is written into it.
    pub fn markdown(&self) -> anyhow::Result<String> {
        let mut text = String::new();
        writeln!(
            text,
            "# What the functions need\n\n\
             Made by `make bench`; do not edit. Machine: {}.\n\n\
             The release binaries run as plain processes behind the Lambda Runtime API. AWS (a DynamoDB engine in memory, and stand-ins) and the \
             vendors (the sandbox) are on the loopback and speak HTTP without TLS: times on the clock are without network, and no \
             figure has a handshake in it. CPU time is that of the function's process, in its own and in the system's code; all run on one processor. \
             What happens with 5,000 events at once is in [deployed.md](deployed.md), which `make bench-deployed` makes.\n\n\
             ![The figures as bars](report.svg)\n",
            self.machine
        )?;
        self.goals(&mut text)?;
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

    fn goals(&self, text: &mut String) -> anyhow::Result<()> {
        writeln!(
            text,
            "## Goals\n\n| what | goal, at most | is | |\n|---|--:|--:|---|"
        )?;
        let mark = |goal: f64, is: f64| if is <= goal { "reached" } else { "**not yet**" };
        let mut row = |what: &str, goal: f64, is: f64| {
            let mark = mark(goal, is);
            writeln!(text, "| {what} | {goal:.1} | {is:.2} | {mark} |")
        };
        for (mean, (cpu, calls)) in self.way.iter().zip(WAY_GOALS) {
            let how = how(mean);
            row(
                &format!("an event on its whole way, {how}: CPU, ms"),
                cpu,
                mean.cpu.median,
            )?;
            row(
                &format!("an event on its whole way, {how}: AWS calls"),
                calls,
                mean.all_calls(),
            )?;
        }
        let ours = || self.functions.iter().filter(|one| !one.compared);
        if let Some(ingest) = ours().find(|one| one.name == "ingest") {
            row(
                "a start of ingest with its first event: CPU, ms",
                START_GOAL,
                ingest.cold_cpu.median,
            )?;
        }
        let most = |of: fn(&Measured) -> u64| ours().map(of).max().map_or(0.0, in_megabytes);
        if !self.functions.is_empty() {
            row(
                "the function with the highest peak memory, MB",
                SIZE_GOALS.0,
                most(|one| one.peak_memory),
            )?;
            row("the largest binary, MB", SIZE_GOALS.1, most(|one| one.size))?;
        }
        if let Some(flow) = &self.node_red {
            let here = flow.event_cpu.median;
            for (mean, (cpu, _)) in self.way.iter().zip(WAY_GOALS) {
                let (goal, is) = (cpu / NODE_RED_THERE, mean.cpu.median / here);
                let (how, mark) = (how(mean), mark(goal, is));
                writeln!(
                    text,
                    "| an event on its whole way, {how}: CPU, in events of Node-RED | {goal:.2} | {is:.2} | {mark} |"
                )?;
            }
            writeln!(
                text,
                "\nThe goals in milliseconds are for a machine on which Node-RED spends {NODE_RED_THERE} ms of CPU on an event of the same flow. \
                 Here it spent {here:.2} ms, right after the whole way was measured: the last rows hold the two together, \
                 so that they depend less on the machine and on what else it does at that time."
            )?;
        }
        writeln!(text)?;
        Ok(())
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
             Medians of {starts} starts, {alone} events alone and {batches} batches of {BATCH}. Times in milliseconds; what is said of a batch is \
             of one event in it.\n\n\
             | function | init: wall | CPU | first event: wall | CPU | both: CPU | warm event: wall | CPU (p95) | in a batch: CPU \
             | AWS calls | in a batch | peak memory, MB | deployed, MB |\n\
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
                one.alone.calls,
                one.batch
                    .map_or("-".to_owned(), |asked| format!("{:.1}", asked.calls)),
                megabytes(one.peak_memory),
                megabytes(one.size),
            )?;
        }
        writeln!(
            text,
            "\n`teamviewer-connections` is given the call of every minute when nothing is due, `schedules` a firing, `connect` a page with a \
             used ticket, `accounts-api` a caller who asks who they are, `workflows-api` and `teamviewer-api` one who lists workflows and mail \
             templates; all others what they are there for. Those in italics are no part of \
             the product, and do less: `benches/` holds them. The empty function is what any function in Rust needs on \
             this runtime. Python and Node do the ticket's task alone (one claim, one ticket, one end, one message), without its \
             retries, its look before a second attempt and its record. Python's figure for what is deployed holds its libraries with \
             boto3; Node's is one bundled file.\n"
        )?;
        Ok(())
    }

    fn way(&self, text: &mut String) -> anyhow::Result<()> {
        writeln!(
            text,
            "## The whole way of an event\n\n\
             A review comes by webhook, a run begins, a Zendesk ticket is made, the run ends. Messages go where the rules of `template.yaml` \
             send them, until nothing is left to do. Each figure is for one event; the functions are warm. \"In batches of {BATCH}\": {BATCH} webhooks, \
             then queues that hand over {BATCH} messages at once, as they do under load. Checked: as many tickets as events, every run \
             succeeded.\n\n\
             | | CPU, ms (p95) | AWS calls | invocations | events on the bus | queue messages | write units | read units \
             | wall of all, ms |\n\
             |---|--:|--:|--:|--:|--:|--:|--:|--:|"
        )?;
        for mean in &self.way {
            writeln!(
                text,
                "| {} | {:.2} ({:.2}) | {:.1} | {:.1} | {:.1} | {:.1} | {:.1} | {:.1} | {:.1} |",
                how(mean),
                mean.cpu.median,
                mean.cpu.p95,
                mean.all_calls(),
                mean.invocations(),
                mean.events,
                mean.messages,
                mean.write_units,
                mean.read_units,
                mean.wall.median,
            )?;
        }
        writeln!(text, "\nWhere it goes:\n\n| function | {} |", self.heads())?;
        writeln!(text, "|---|{}", "--:|--:|".repeat(self.way.len()))?;
        if let Some(first) = self.way.first() {
            for name in first.parts.keys() {
                let cells = self.way.iter().map(|mean| {
                    let calls = mean.calls.iter().filter(|one| one.function == *name);
                    let cpu = mean.parts.get(name).map_or(0.0, |part| part.cpu);
                    format!("{cpu:.2} | {:.1}", calls.map(|one| one.times).sum::<f64>())
                });
                writeln!(
                    text,
                    "| {name} | {} |",
                    cells.collect::<Vec<_>>().join(" | ")
                )?;
            }
        }
        let heads: Vec<_> = self.way.iter().map(how).collect();
        writeln!(
            text,
            "\n| AWS calls of | operation | {} |",
            heads.join(" | ")
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
                // The sum of nothing is minus zero.
                format!("{:.2}", of.map(|one| one.times).sum::<f64>() + 0.0)
            });
            writeln!(
                text,
                "| {function} | {operation} | {} |",
                cells.collect::<Vec<_>>().join(" | ")
            )?;
        }
        Ok(())
    }

    fn heads(&self) -> String {
        let head = |mean: &Mean| format!("{}: CPU, ms | AWS calls", how(mean));
        self.way.iter().map(head).collect::<Vec<_>>().join(" | ")
    }

    fn bills(&self, text: &mut String) -> anyhow::Result<()> {
        writeln!(
            text,
            "\n## What a million events cost\n\n\
             An event is one on its whole way. At list prices ({}). {}",
            cost::PRICES,
            cost::assumptions()
        )?;
        for (mean, lines) in self.way.iter().zip(&self.bills) {
            writeln!(
                text,
                "\nEvents {}:\n\n| what | how | dollars |\n|---|---|--:|",
                how(mean)
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
        let bars = |values: &dyn Fn(&Measured) -> Option<Vec<f64>>| -> Vec<Bar> {
            let bar = |one: &Measured| {
                Some(Bar {
                    name: title(one).replace('*', ""),
                    compared: one.compared,
                    values: values(one)?,
                })
            };
            self.functions.iter().filter_map(bar).collect()
        };
        let plot = |title: &str, unit, bars| Plot {
            title: title.to_owned(),
            unit,
            parts: Vec::new(),
            bars,
        };
        let mut way: Vec<Bar> = self
            .way
            .iter()
            .map(|mean| Bar {
                name: how(mean),
                compared: false,
                values: mean.parts.values().map(|part| part.cpu).collect(),
            })
            .collect();
        way.extend(self.node_red.iter().map(|flow| Bar {
            name: "Node-RED".to_owned(),
            compared: true,
            values: vec![flow.event_cpu.median],
        }));
        let parts = self.way.first().map(|mean| mean.parts.keys());
        vec![
            Plot {
                parts: parts
                    .into_iter()
                    .flatten()
                    .map(|name| (*name).to_owned())
                    .collect(),
                ..plot("An event on its whole way: CPU time", "ms", way)
            },
            Plot {
                parts: vec!["init".to_owned(), "first event".to_owned()],
                ..plot(
                    "A start: CPU time",
                    "ms",
                    bars(&|one| Some(vec![one.init_cpu.median, one.first_cpu.median])),
                )
            },
            plot(
                "A warm event alone: CPU time",
                "ms",
                bars(&|one| Some(vec![one.warm_cpu.median])),
            ),
            plot(
                "An event in a batch of 10: CPU time",
                "ms",
                bars(&|one| Some(vec![one.batch_cpu?.median])),
            ),
            plot(
                "Peak memory",
                "MB",
                bars(&|one| Some(vec![in_megabytes(one.peak_memory)])),
            ),
        ]
    }
}

fn grown(text: &mut String, many: &Many) -> anyhow::Result<()> {
    writeln!(
        text,
        "\n## Many and large\n\n\
         `evaluate`, when {} workflows listen to the event and one of them starts a run of two tasks:\n\n\
         | stored workflows | warm event: CPU, ms | in a batch | AWS calls | read units | write units | peak memory, MB |\n\
         |--:|--:|--:|--:|--:|--:|--:|",
        many.listening
    )?;
    for (stored, one) in &many.workflows {
        let Asked {
            calls,
            read_units,
            write_units,
        } = one.alone;
        writeln!(
            text,
            "| {stored} | {:.2} | {:.2} | {calls:.1} | {read_units:.1} | {write_units:.1} | {} |",
            one.warm_cpu.median,
            one.batch_cpu.unwrap_or_default().median,
            megabytes(one.peak_memory)
        )?;
    }
    let (bytes, large) = &many.large;
    writeln!(
        text,
        "\nA survey response with {} kB of answers: sent in by a web-service task, or told of and fetched; then evaluated. Medians of {} events at most.\n\n\
         | function | first event: wall, ms | warm event: wall | CPU | AWS calls | peak memory, MB |\n|---|--:|--:|--:|--:|--:|",
        bytes / 1000,
        Rounds::LARGE.alone
    )?;
    for one in large {
        writeln!(
            text,
            "| {} | {:.1} | {:.2} | {:.2} | {:.1} | {} |",
            one.name,
            one.first_wall.median,
            one.warm_wall.median,
            one.warm_cpu.median,
            one.alone.calls,
            megabytes(one.peak_memory)
        )?;
    }
    let slow = &many.slow;
    writeln!(
        text,
        "\nA batch of {BATCH} tickets of which Zendesk takes {} ms for one. In milliseconds from the batch's beginning, the median of {}:\n\n\
         | the other {} are announced | the slow one is announced | the batch has ended | a batch with nobody slow |\n\
         |--:|--:|--:|--:|\n| {:.0} | {:.0} | {:.0} | {:.0} |\n\n\
         Announced: the task's end is on the bus, so that the run goes on. Messages leave the queue when the batch has ended.",
        slow.vendor_ms,
        slow.batch.values,
        BATCH - 1,
        slow.others_announced.median,
        slow.slow_announced.median,
        slow.batch.median,
        slow.quick.median
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

fn how(mean: &Mean) -> String {
    match mean.batch {
        1 => "alone".to_owned(),
        batch => format!("in batches of {batch}"),
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::Slow;
    use crate::spread::Spread;
    use crate::way::Taken;

    fn measured(name: &str, compared: bool) -> Measured {
        let spread = Spread::default();
        let asked = Asked {
            calls: 3.0,
            read_units: 1.0,
            write_units: 2.0,
        };
        Measured {
            name: name.to_owned(),
            compared,
            size: 9 * 1024 * 1024,
            init_wall: spread,
            init_cpu: spread,
            first_wall: spread,
            first_cpu: spread,
            cold_cpu: spread,
            warm_wall: spread,
            warm_cpu: spread,
            batch_cpu: None,
            peak_memory: 20 * 1024 * 1024,
            alone: asked,
            batch: None,
        }
    }

    fn report() -> Report {
        let spread = Spread::default();
        let mut taken = Taken::default();
        taken.count(
            "ingest",
            false,
            std::time::Duration::from_millis(9),
            std::time::Duration::from_millis(2),
        );
        let tally = crate::tally::Tally::default();
        let key = ("ingest".to_owned(), "PutEvents".to_owned());
        taken.ledger.insert(key, tally);
        let way: Vec<_> = [1, BATCH]
            .map(|batch| Mean::of(batch, &[taken.clone()], &[taken.clone()], 0, |_| 256))
            .into();
        Report {
            machine: Machine::this().unwrap(),
            rounds: Rounds::QUICK,
            functions: vec![measured("ingest", false), measured("python", true)],
            bills: way.iter().map(cost::bill).collect(),
            way,
            many: Some(Many {
                workflows: vec![(10, measured("evaluate", false))],
                listening: 3,
                large: (199_000, vec![measured("evaluate", false)]),
                slow: Slow {
                    vendor_ms: 3_000,
                    quick: spread,
                    batch: spread,
                    others_announced: spread,
                    slow_announced: spread,
                },
            }),
            node_red: Some(Flow {
                size: 0,
                start_wall: 0.0,
                start_cpu: 0.0,
                event_cpu: Spread {
                    median: 1.0,
                    ..spread
                },
                event_wall: spread,
                peak_memory: 0,
            }),
            notes: vec!["nothing".to_owned()],
        }
    }

    #[test]
    fn rows_of_a_table_have_as_many_cells_as_its_head() {
        let text = report().markdown().unwrap();
        let mut head = None;
        for line in text.lines() {
            let cells = line.starts_with('|').then(|| line.matches('|').count());
            assert!(cells.is_none() || head.is_none() || cells == head, "{line}");
            head = cells;
        }
    }

    #[test]
    fn goals_are_judged_by_the_products_functions() {
        let mut report = report();
        report.functions[1].peak_memory = 100 * 1024 * 1024;
        let text = report.markdown().unwrap();
        for row in [
            "alone: CPU, ms | 3.0 | 2.00 | reached |",
            "peak memory, MB | 24.0 | 20.00 | reached |",
            "binary, MB | 8.0 | 9.00 | **not yet** |",
            "alone: CPU, in events of Node-RED | 1.18 | 2.00 | **not yet** |",
            "of 10: CPU, in events of Node-RED | 0.39 | 0.20 | reached |",
        ] {
            assert!(text.contains(row), "{row} in {text}");
        }
    }

    #[test]
    fn same_figures_make_the_same_files() {
        let (one, another) = (report(), report());
        assert_eq!(one.markdown().unwrap(), another.markdown().unwrap());
        assert_eq!(svg(&one.plots()), svg(&another.plots()));
    }
}
