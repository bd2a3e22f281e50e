//! What grows: workflows, answers, and the time of one vendor.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use benchmark::figures::{Asked, BATCH, Many, Rounds, Slow};
use benchmark::spread::Spread;
use store::Workflows;

use crate::load::{Kind, Load};
use crate::measure::measure;
use crate::scene::Scene;
use crate::{Arguments, workflows};

/// How many workflows exist.
const STORED: [usize; 2] = [10, 10_000];
const STORED_QUICK: [usize; 2] = [10, 500];
/// Bytes of the largest survey response that `ingest` takes, nearly.
const LARGE: usize = 199_000;
/// How long the slow vendor takes, in milliseconds.
const SLOW_MS: u64 = 3_000;
/// How often it is slow.
const SLOW_BATCHES: usize = 5;

/// One query reads up to ten of those that listen to an event's type, also for other subjects; of few workflows there are fewer.
const MORE_READ_UNITS: f64 = 5.0;

fn but_for_reads(asked: Asked) -> Asked {
    Asked {
        read_units: 0.0,
        ..asked
    }
}

/// Measures all of it.
pub(crate) async fn many(arguments: &Arguments, rounds: Rounds) -> anyhow::Result<Many> {
    let rounds = Rounds {
        starts: 3,
        ..rounds
    };
    let mut stored = Vec::new();
    let counts = if arguments.quick {
        STORED_QUICK
    } else {
        STORED
    };
    for count in counts {
        let scene = Scene::set(&arguments.root, &arguments.binaries).await?;
        let table = Workflows::new(scene.tables(), "WorkflowsTable".to_owned());
        workflows::store(&table, count).await?;
        let mut load = Load::new(&scene, Kind::Listened).await?;
        let program = scene.program("evaluate")?;
        stored.push((count, measure(&scene, &program, &mut load, rounds).await?));
    }
    if let [(_, few), (_, many)] = stored.as_slice() {
        ensure!(
            but_for_reads(few.alone).is_nearly(but_for_reads(many.alone))
                && many.alone.read_units - few.alone.read_units <= MORE_READ_UNITS,
            "what an event asks of AWS depends on how many workflows are stored: {:?}, {:?}",
            few.alone,
            many.alone
        );
    }
    let mut large = Vec::new();
    let of_large = if arguments.quick {
        Rounds::QUICK
    } else {
        Rounds::LARGE
    };
    for (name, kind) in [
        ("ingest", Kind::Survey(LARGE)),
        ("qualtrics-responses", Kind::LargeNotifications),
        ("evaluate", Kind::SurveyEvents(LARGE)),
    ] {
        let scene = Scene::set(&arguments.root, &arguments.binaries).await?;
        if kind == Kind::LargeNotifications {
            scene.survey_responses(of_large.events(), LARGE).await?;
        }
        let mut load = Load::new(&scene, kind).await?;
        large.push(measure(&scene, &scene.program(name)?, &mut load, of_large).await?);
    }
    Ok(Many {
        workflows: stored,
        listening: workflows::LISTENING,
        large: (LARGE, large),
        slow: slow(arguments).await?,
    })
}

/// Batches in which the vendor is slow once, and batches in which it is not.
async fn slow(arguments: &Arguments) -> anyhow::Result<Slow> {
    let scene = Scene::set(&arguments.root, &arguments.binaries).await?;
    let mut load = Load::new(&scene, Kind::Tasks("ZendeskTasksQueue")).await?;
    let mut child = scene.start("zendesk-tasks").await?;
    let (mut quick, mut batch) = (Vec::new(), Vec::new());
    let (mut others, mut one) = (Vec::new(), Vec::new());
    for round in 0..=SLOW_BATCHES {
        for is_slow in [false, true] {
            let event = load.event(BATCH).await?;
            if is_slow {
                scene.slow_tickets(SLOW_MS, 1).await?;
            }
            let began = Instant::now();
            let done = child.invoke(&event).await?;
            load.check(&done.answer)?;
            let announced: Vec<Duration> = scene
                .aws
                .take_entries()
                .into_iter()
                .map(|(at, _)| at.duration_since(began))
                .collect();
            ensure!(
                announced.len() == BATCH,
                "{} were announced",
                announced.len()
            );
            ensure!(
                !is_slow || done.usage.wall >= Duration::from_millis(SLOW_MS),
                "nobody was slow"
            );
            // The first of each makes the connections.
            if round == 0 {
                continue;
            }
            if is_slow {
                batch.push(done.usage.wall);
                let last = announced.iter().max().context("nothing was announced")?;
                let but_one = announced.iter().rev().nth(1);
                others.push(*but_one.context("nothing was announced")?);
                one.push(*last);
            } else {
                quick.push(done.usage.wall);
            }
        }
    }
    Ok(Slow {
        vendor_ms: SLOW_MS,
        quick: Spread::of(quick),
        batch: Spread::of(batch),
        others_announced: Spread::of(others),
        slow_announced: Spread::of(one),
    })
}
