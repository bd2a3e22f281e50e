//! One function by itself.

use std::path::Path;
use std::time::Duration;

use benchmark::figures::{Asked, BATCH, Measured, Rounds};
use benchmark::spread::{Spread, share};
use benchmark::tally::Tally;

use crate::child::{Child, Program, Usage};
use crate::load::Load;
use crate::scene::Scene;

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
    let mut asked = Tally::default();
    for _ in 0..rounds.alone {
        let event = load.event(1).await?;
        scene.aws.take_ledger();
        alone.push(run(&mut child, load, &event).await?);
        asked.add(Tally::of(&scene.aws.take_ledger(), &program.name));
    }
    let mut batches = Vec::new();
    let mut asked_by_batches = Tally::default();
    if load.is_batched() {
        // One to get as many connections as a batch needs.
        for round in 0..=rounds.batches {
            let event = load.event(BATCH).await?;
            scene.aws.take_ledger();
            let usage = run(&mut child, load, &event).await?;
            if round > 0 {
                batches.push(usage.cpu / u32::try_from(BATCH)?);
                asked_by_batches.add(Tally::of(&scene.aws.take_ledger(), &program.name));
            }
        }
    }
    let wall = |usages: &[Usage]| Spread::of(usages.iter().map(|usage| usage.wall));
    let cpu = |usages: &[Usage]| Spread::of(usages.iter().map(|usage| usage.cpu));
    let both = |(init, first): (&Usage, &Usage)| init.cpu + first.cpu;
    Ok(Measured {
        name: program.name.clone(),
        compared: false,
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
        alone: each(asked, rounds.alone),
        batch: load
            .is_batched()
            .then(|| each(asked_by_batches, rounds.batches * BATCH)),
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

fn each(all: Tally, events: usize) -> Asked {
    let events = share(events, 1);
    Asked {
        calls: share(all.calls, 1) / events,
        read_units: all.read_units / events,
        write_units: all.write_units / events,
    }
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
