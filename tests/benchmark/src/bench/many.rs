//! What grows: workflows, answers, and the time of one vendor.

use anyhow::ensure;
use serde::Serialize;
use store::Workflows;

use crate::load::{Kind, Load};
use crate::measure::{BATCH, Measured, Rounds, measure};
use crate::scene::Scene;
use crate::spread::{Spread, milliseconds};
use crate::{Arguments, workflows};

/// How many workflows exist.
const STORED: [usize; 2] = [10, 10_000];
/// Bytes of the largest survey response that `ingest` takes, nearly.
const LARGE: usize = 199_000;
/// How long the slow vendor takes, in milliseconds.
const SLOW_MS: u64 = 2_000;
/// How often it is slow.
const SLOW_BATCHES: usize = 5;

/// All of it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Many {
    /// `evaluate`, by the number of stored workflows.
    pub(crate) workflows: Vec<(usize, Measured)>,
    /// How many of them listen.
    pub(crate) listening: usize,
    /// Bytes of the answers, and the functions that are given them.
    pub(crate) large: (usize, Vec<Measured>),
    /// Milliseconds that the vendor took for one of a batch, and what the batch took.
    pub(crate) slow: (u64, Spread),
    /// What a batch takes when nobody is slow.
    pub(crate) not_slow: Spread,
}

/// Measures all of it.
pub(crate) async fn many(arguments: &Arguments, rounds: Rounds) -> anyhow::Result<Many> {
    let rounds = Rounds {
        starts: 3,
        ..rounds
    };
    let mut stored = Vec::new();
    for count in STORED {
        let scene = Scene::set(&arguments.root, &arguments.binaries).await?;
        let table = Workflows::new(scene.tables(), "WorkflowsTable".to_owned());
        workflows::store(&table, count).await?;
        let mut load = Load::new(&scene, Kind::Listened).await?;
        let program = scene.program("evaluate")?;
        stored.push((count, measure(&scene, &program, &mut load, rounds).await?));
    }
    let mut large = Vec::new();
    for (name, kind) in [
        ("ingest", Kind::Survey(LARGE)),
        ("evaluate", Kind::SurveyEvents(LARGE)),
    ] {
        let scene = Scene::set(&arguments.root, &arguments.binaries).await?;
        let mut load = Load::new(&scene, kind).await?;
        large.push(measure(&scene, &scene.program(name)?, &mut load, rounds).await?);
    }
    let (slow, not_slow) = slow(arguments).await?;
    Ok(Many {
        workflows: stored,
        listening: workflows::LISTENING,
        large: (LARGE, large),
        slow: (SLOW_MS, slow),
        not_slow,
    })
}

/// Batches in which the vendor is slow once, and batches in which it is not.
async fn slow(arguments: &Arguments) -> anyhow::Result<(Spread, Spread)> {
    let scene = Scene::set(&arguments.root, &arguments.binaries).await?;
    let mut load = Load::new(&scene, Kind::Tasks("ZendeskTasksQueue")).await?;
    let mut child = scene.start("zendesk-tasks").await?;
    let mut walls = [Vec::new(), Vec::new()];
    for round in 0..=SLOW_BATCHES {
        for (is_slow, walls) in [false, true].into_iter().zip(&mut walls) {
            let event = load.event(BATCH).await?;
            if is_slow {
                scene.slow_ticket(SLOW_MS).await?;
            }
            let done = child.invoke(&event).await?;
            load.check(&done.answer)?;
            let took = milliseconds(done.usage.wall);
            ensure!(
                !is_slow || took >= f64::from(u32::try_from(SLOW_MS)?),
                "nobody was slow"
            );
            if round > 0 {
                walls.push(done.usage.wall);
            }
        }
    }
    let [not_slow, slow] = walls;
    Ok((Spread::of(slow), Spread::of(not_slow)))
}
