//! What evaluating an event costs when few workflows exist, and when many do.
//!
//! The same three workflows listen to the events each time; the rest listen to something else. What is measured
//! is what the function `evaluate` does for an event: find the workflows that listen, decide, store the event
//! with its decisions and runs. The code is the function's own; only the tables are not those of AWS but those of
//! an engine on this machine, with an HTTP endpoint like the real one's.
//!
//! Run it by `make bench-evaluate`. It fails when the number of calls, rows or bytes depends on how many
//! workflows exist.

mod engine;
mod meter;
mod report;
mod tables;
mod workflows;

use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::ensure;
use aws_sdk_dynamodb::Client;
use store::{Begun, Intake, Workflows};

use crate::engine::Engine;
use crate::meter::Meter;
use crate::report::{Measured, Spread};

/// How many workflows exist.
const STORED: [usize; 2] = [10, 10_000];
/// Events that are measured, and events before them, until connections and caches are as they stay.
const EVENTS: usize = 1_000;
const EVENTS_BEFORE: usize = 200;

fn main() -> anyhow::Result<()> {
    // The engine has threads of its own, so this one's time is that of the product alone.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let began = Instant::now();
    let measured = runtime.block_on(measure())?;
    let report = report::markdown(&measured, workflows::LISTENING, EVENTS, began.elapsed());
    std::io::stdout().write_all(report.as_bytes())?;
    let [few, many] = measured.as_slice() else {
        return Ok(());
    };
    ensure!(
        few.counts == many.counts,
        "an event costs {:?} with {} workflows but {:?} with {}",
        few.counts,
        few.stored,
        many.counts,
        many.stored
    );
    Ok(())
}

/// Measures in turns, so that whatever else the machine does is done to all alike.
async fn measure() -> anyhow::Result<Vec<Measured>> {
    let mut scenes = Vec::new();
    for stored in STORED {
        scenes.push(Scene::prepare(stored).await?);
    }
    for number in 0..EVENTS {
        for scene in &mut scenes {
            scene.measure(&format!("event-{number:04}")).await?;
        }
    }
    Ok(scenes.into_iter().map(Scene::measured).collect())
}

/// Tables with so many workflows, and what events have cost there.
struct Scene {
    stored: usize,
    function: Function,
    meter: Meter,
    walls: Vec<Duration>,
    cpus: Vec<Duration>,
}

impl Scene {
    async fn prepare(stored: usize) -> anyhow::Result<Self> {
        let engine = Engine::start()?;
        let meter = Meter::default();
        let client = engine.client(&meter);
        tables::create(&client).await?;
        let function = Function::new(client);
        workflows::store(&function.workflows, stored).await?;
        for number in 0..EVENTS_BEFORE {
            function.evaluate(&format!("before-{number}")).await?;
        }
        meter.take();
        Ok(Self {
            stored,
            function,
            meter,
            walls: Vec::new(),
            cpus: Vec::new(),
        })
    }

    async fn measure(&mut self, event: &str) -> anyhow::Result<()> {
        let (began, cpu) = (Instant::now(), cpu_time());
        self.function.evaluate(event).await?;
        self.walls.push(began.elapsed());
        self.cpus.push(cpu_time().saturating_sub(cpu));
        Ok(())
    }

    fn measured(self) -> Measured {
        Measured {
            stored: self.stored,
            wall: Spread::of(self.walls),
            cpu: Spread::of(self.cpus),
            counts: self.meter.take(),
        }
    }
}

/// The CPU time of this thread, in its own and in the system's code.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

/// What the function `evaluate` has for events.
struct Function {
    workflows: Workflows,
    intake: Intake,
}

impl Function {
    fn new(client: Client) -> Self {
        let (runs, events) = (tables::RUNS.to_owned(), tables::EVENTS.to_owned());
        Self {
            workflows: Workflows::new(client.clone(), tables::WORKFLOWS.to_owned()),
            intake: Intake::new(client, runs, events, 30, 30),
        }
    }

    /// What is done for an event that was found in the queue, up to what is told to the bus.
    async fn evaluate(&self, id: &str) -> anyhow::Result<()> {
        let event = workflows::event(id)?;
        let listening = self
            .workflows
            .listening(&event.kind, event.subject.as_deref())
            .await?;
        let revisions = listening
            .workflows
            .iter()
            .map(|stored| (&stored.workflow, stored.revision));
        let decided = domain::decision::decide(event, revisions, workflows::NOW);
        ensure!(
            decided.record.decisions.len() == workflows::LISTENING && decided.runs.len() == 1,
            "expected {} decisions and one run, found {:?}",
            workflows::LISTENING,
            decided.record.decisions
        );
        let begun = self.intake.begin(&decided.record, &decided.runs).await?;
        ensure!(begun == Begun::Created, "the event was there before");
        Ok(())
    }
}
