//! One function by itself.

use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use crate::aws::{Ledger, Tally};
use crate::child::{Child, Program, Usage};
use crate::load::Load;
use crate::scene::Scene;
use crate::spread::Spread;

/// How often what is measured.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Rounds {
    /// Processes that are started.
    pub(crate) starts: usize,
    /// Events before it counts.
    pub(crate) before: usize,
    /// Events alone.
    pub(crate) alone: usize,
    /// Batches of [`BATCH`].
    pub(crate) batches: usize,
}

impl Rounds {
    /// Enough for medians that stay.
    pub(crate) const ALL: Self = Self {
        starts: 21,
        before: 50,
        alone: 200,
        batches: 30,
    };
    /// Enough to see whether everything works.
    pub(crate) const QUICK: Self = Self {
        starts: 5,
        before: 10,
        alone: 40,
        batches: 6,
    };

    /// How many events a function of a queue is given in all.
    pub(crate) fn events(self) -> usize {
        self.starts + self.before + self.alone + (self.batches + 1) * BATCH
    }
}

/// What queues hand over at most.
pub(crate) const BATCH: usize = 10;

/// What a function needs.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Measured {
    /// The crate, or what it is compared with.
    pub(crate) name: String,
    /// Whether it is no function of the product.
    pub(crate) compared: bool,
    /// Megabytes that it is given.
    pub(crate) memory: u64,
    /// Bytes of what is deployed.
    pub(crate) size: u64,
    /// Until the first event can come: on the clock and of a processor.
    pub(crate) init_wall: Spread,
    /// See `init_wall`.
    pub(crate) init_cpu: Spread,
    /// The first event.
    pub(crate) first_wall: Spread,
    /// See `first_wall`.
    pub(crate) first_cpu: Spread,
    /// Both together, start for start.
    pub(crate) cold_cpu: Spread,
    /// An event alone, in a process that has had many.
    pub(crate) warm_wall: Spread,
    /// See `warm_wall`.
    pub(crate) warm_cpu: Spread,
    /// An event in a batch, where there are batches.
    pub(crate) batch_cpu: Option<Spread>,
    /// Bytes of memory in use at most, after everything.
    pub(crate) peak_memory: u64,
    /// Calls of AWS for an event, alone.
    pub(crate) calls_alone: f64,
    /// Calls of AWS for an event in a batch.
    pub(crate) calls_batch: Option<f64>,
}

/// Measures one function.
pub(crate) async fn measure(
    scene: &Scene,
    program: &Program,
    load: &mut Load<'_>,
    rounds: Rounds,
) -> anyhow::Result<Measured> {
    let mut inits: Vec<Usage> = Vec::new();
    let mut firsts: Vec<Usage> = Vec::new();
    let mut last = None;
    for _ in 0..rounds.starts {
        // The one before ends first: the machine is this one's alone.
        drop(last.take());
        let event = load.event(1).await?;
        let mut child = Child::start(program, &scene.logs()).await?;
        inits.push(child.init);
        firsts.push(run(&mut child, load, &event).await?);
        last = Some(child);
    }
    let Some(mut child) = last else {
        anyhow::bail!("nothing was started");
    };
    for _ in 0..rounds.before {
        let event = load.event(1).await?;
        run(&mut child, load, &event).await?;
    }
    let mut alone = Vec::new();
    let mut calls = 0;
    for _ in 0..rounds.alone {
        let event = load.event(1).await?;
        scene.aws.take_ledger();
        alone.push(run(&mut child, load, &event).await?);
        calls += calls_of(&scene.aws.take_ledger(), &program.name);
    }
    let mut batches = Vec::new();
    let mut batch_calls = 0;
    if load.is_batched() {
        // One to get as many connections as a batch needs.
        for round in 0..=rounds.batches {
            let event = load.event(BATCH).await?;
            scene.aws.take_ledger();
            let usage = run(&mut child, load, &event).await?;
            if round > 0 {
                batches.push(usage.cpu / u32::try_from(BATCH)?);
                batch_calls += calls_of(&scene.aws.take_ledger(), &program.name);
            }
        }
    }
    let wall = |usages: &[Usage]| Spread::of(usages.iter().map(|usage| usage.wall));
    let cpu = |usages: &[Usage]| Spread::of(usages.iter().map(|usage| usage.cpu));
    let both = |(init, first): (&Usage, &Usage)| init.cpu + first.cpu;
    Ok(Measured {
        name: program.name.clone(),
        compared: false,
        memory: program
            .variables
            .get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
            .and_then(|text| text.parse().ok())
            .unwrap_or_default(),
        size: size(&program.deployed)?,
        init_wall: wall(&inits),
        init_cpu: cpu(&inits),
        first_wall: wall(&firsts),
        first_cpu: cpu(&firsts),
        cold_cpu: Spread::of(inits.iter().zip(&firsts).map(both)),
        warm_wall: wall(&alone),
        warm_cpu: cpu(&alone),
        batch_cpu: some::<Duration>(batches).map(Spread::of),
        peak_memory: child.peak_memory()?,
        calls_alone: share(calls, rounds.alone),
        calls_batch: load
            .is_batched()
            .then(|| share(batch_calls, rounds.batches * BATCH)),
    })
}

async fn run(
    child: &mut Child,
    load: &Load<'_>,
    event: &serde_json::Value,
) -> anyhow::Result<Usage> {
    let done = child.invoke(event).await?;
    load.check(&done.answer)?;
    Ok(done.usage)
}

fn some<T>(values: Vec<T>) -> Option<Vec<T>> {
    (!values.is_empty()).then_some(values)
}

fn calls_of(ledger: &Ledger, function: &str) -> usize {
    let of = |((caller, _), tally): (&(String, String), &Tally)| {
        if caller == function { tally.calls } else { 0 }
    };
    ledger.iter().map(of).sum()
}

/// A share of a total.
#[expect(
    clippy::cast_precision_loss,
    reason = "nothing that is counted comes near 2^52"
)]
pub(crate) fn share(total: usize, of: usize) -> f64 {
    total as f64 / of as f64
}

/// The bytes of a file, or of everything in a folder.
pub(crate) fn size(path: &Path) -> anyhow::Result<u64> {
    let about = std::fs::metadata(path)?;
    if !about.is_dir() {
        return Ok(about.len());
    }
    let mut sum = 0;
    for entry in std::fs::read_dir(path)? {
        sum += size(&entry?.path())?;
    }
    Ok(sum)
}
