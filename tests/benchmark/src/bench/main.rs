//! What the functions need: to start, for their first event, for those after it, and on an event's whole way.
//!
//! The release binaries run as Lambda runs them, one process a function behind the Lambda Runtime API. AWS is an engine of
//! `DynamoDB` and stand-ins on the loopback, the vendors are the sandbox. Run it by `make bench`. No figure makes it fail: it
//! fails when a function does not do its work.

mod aws;
mod child;
mod compared;
mod flow;
mod load;
mod many;
mod measure;
mod path;
mod process;
mod runtime;
mod scene;
mod workflows;

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use benchmark::cost;
use benchmark::figures::{BATCH, Measured, Rounds};
use benchmark::machine::Machine;
use benchmark::report::Report;
use benchmark::way::Mean;
use clap::Parser;
use serde_json::json;

use crate::load::{Kind, Load};
use crate::measure::measure;
use crate::path::Way;
use crate::scene::Scene;

/// Measures the functions and writes a report.
#[derive(Debug, Parser)]
struct Arguments {
    /// The project's folder.
    #[arg(long, default_value = ".")]
    root: PathBuf,
    /// The folder of the functions' binaries.
    #[arg(long, default_value = "target/x86_64-unknown-linux-gnu/release")]
    binaries: PathBuf,
    /// The folder that the report is written into.
    #[arg(long, default_value = "docs/benchmarks")]
    out: PathBuf,
    /// The binary of the empty function.
    #[arg(long)]
    empty: Option<PathBuf>,
    /// The folder that Python's libraries are installed in.
    #[arg(long)]
    python_installed: Option<PathBuf>,
    /// The Python to run.
    #[arg(long, default_value = "python3")]
    python: String,
    /// The folder that Node's function was bundled in.
    #[arg(long)]
    node_installed: Option<PathBuf>,
    /// The Node to run.
    #[arg(long, default_value = "node")]
    node: String,
    /// The folder that Node-RED is installed in, if it is to be measured.
    #[arg(long)]
    node_red_installed: Option<PathBuf>,
    /// Measures the whole way of an event only, and writes no report.
    #[arg(long)]
    way_only: bool,
    /// Few rounds: for whoever works on this program.
    #[arg(long)]
    quick: bool,
}

/// The functions and what they are given. Those without a binary are left out.
const FUNCTIONS: [(&str, Kind); 12] = [
    ("ingest", Kind::Webhook),
    ("evaluate", Kind::Events),
    ("zendesk-tasks", Kind::Tasks("ZendeskTasksQueue")),
    ("servicenow-tasks", Kind::Tasks("ServiceNowTasksQueue")),
    ("teamviewer-tasks", Kind::Tasks("TeamViewerTasksQueue")),
    ("teamviewer-connections", Kind::Tick),
    ("qualtrics-responses", Kind::Notifications),
    ("schedules", Kind::Firing),
    ("connect", Kind::Page),
    ("workflows-api", Kind::Caller("/v1/workflows")),
    ("accounts-api", Kind::Caller("/v1/me")),
    ("teamviewer-api", Kind::Caller("/v1/mail-templates")),
];

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let rounds = if arguments.quick {
        Rounds::QUICK
    } else {
        Rounds::ALL
    };
    let machine = Machine::this()?;
    let mut functions = Vec::new();
    let mut notes = Vec::new();
    let (mut many, mut red) = (None, None);
    // First, while this process is small: it shares the caches with the functions.
    say("the whole way of an event")?;
    let way = way(&arguments, rounds).await?;
    if let Some(installed) = &arguments.node_red_installed {
        // Next to it, so that the machine is the same for both as far as that can be.
        say("Node-RED")?;
        let scene = Scene::set(&arguments.root, &arguments.binaries).await?;
        red = Some(flow::flow(&scene, &arguments.node, installed, rounds).await?);
    }
    if !arguments.way_only {
        for (name, kind) in FUNCTIONS {
            if arguments.binaries.join(name).exists() {
                say(&format!("{name}: starts, events, batches"))?;
                let one = function(&arguments, name, kind, rounds).await;
                functions.push(one.with_context(|| name.to_owned())?);
            } else {
                notes.push(format!("`{name}`, which was not built"));
            }
        }
        functions.extend(compared(&arguments, rounds, &mut notes).await?);
        say("many workflows, large answers, a slow vendor")?;
        many = Some(many::many(&arguments, rounds).await?);
    }
    let report = Report {
        machine,
        rounds,
        functions,
        bills: way.iter().map(cost::bill).collect(),
        way,
        many,
        node_red: red,
        notes,
    };
    if !arguments.way_only {
        report.write(&arguments.out, &arguments.root.join(scene::FOLDER))?;
    }
    say(&report.markdown()?)
}

fn say(text: &str) -> anyhow::Result<()> {
    Ok(writeln!(std::io::stdout(), "{text}")?)
}

/// The whole way, alone and in batches. It fails unless every event got its ticket.
async fn way(arguments: &Arguments, rounds: Rounds) -> anyhow::Result<Vec<Mean>> {
    let scene = Scene::set(&arguments.root, &arguments.binaries).await?;
    let mut way = Way::start(&scene).await?;
    let means = vec![
        way.measure(1, rounds.before, rounds.alone).await?,
        way.measure(BATCH, rounds.before / BATCH + 1, rounds.batches)
            .await?,
    ];
    scene.check(way.sent()).await?;
    Ok(means)
}

/// One function of the product.
async fn function(
    arguments: &Arguments,
    name: &str,
    kind: Kind,
    rounds: Rounds,
) -> anyhow::Result<Measured> {
    let scene = Scene::set(&arguments.root, &arguments.binaries).await?;
    match name {
        "servicenow-tasks" => {
            let input = json!({
                "table": "incident", "short_description": "{{ event.data.review.rating }} stars",
                "description": "{{ event.data.review.content }}", "urgency": "high", "impact": "medium",
            });
            scene
                .let_it("servicenow.create_record", "servicenow-dev", input)
                .await?;
        }
        "teamviewer-tasks" => {
            let input = json!({
                "group": "Service Desk", "description": "{{ event.data.review.content }}",
                "customer_name": "{{ event.data.review.authorName }}",
            });
            scene
                .let_it("teamviewer.create_session", "teamviewer-company", input)
                .await?;
        }
        "teamviewer-connections" => scene.teamviewer_history().await?,
        "qualtrics-responses" => scene.survey_responses(rounds.events(), 0).await?,
        _ => {}
    }
    let mut load = Load::new(&scene, kind).await?;
    measure(&scene, &scene.program(name)?, &mut load, rounds).await
}

/// What the functions are compared with, as far as it is installed.
async fn compared(
    arguments: &Arguments,
    rounds: Rounds,
    notes: &mut Vec<String>,
) -> anyhow::Result<Vec<Measured>> {
    let mut all = Vec::new();
    let tickets = Kind::Tasks("ZendeskTasksQueue");
    let there = |path: &Option<PathBuf>| {
        path.as_deref()
            .filter(|path| path.exists())
            .map(Path::to_owned)
    };
    for (name, kind, installed) in [
        ("empty", Kind::Nothing, there(&arguments.empty)),
        ("python", tickets, there(&arguments.python_installed)),
        ("node", tickets, there(&arguments.node_installed)),
    ] {
        let Some(installed) = installed else {
            notes.push(format!("the comparison `{name}`, which is not installed"));
            continue;
        };
        say(&format!("{name}: starts, events, batches"))?;
        let scene = Scene::set(&arguments.root, &arguments.binaries).await?;
        let program = match name {
            "python" => compared::python(&scene, &arguments.python, &installed)?,
            "node" => compared::node(&scene, &arguments.node, &installed)?,
            _ => compared::empty(&scene, &installed),
        };
        let mut load = Load::new(&scene, kind).await?;
        let measured = measure(&scene, &program, &mut load, rounds).await;
        all.push(Measured {
            compared: true,
            ..measured.with_context(|| name.to_owned())?
        });
    }
    Ok(all)
}
