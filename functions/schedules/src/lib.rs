//! Puts what schedules fire on the bus.
//!
//! EventBridge Scheduler calls for each firing of a workflow's schedule, and tries again while this function
//! fails. Because even so a firing may be lost (a schedule that was not there, an outage of more than a day, an
//! hour that the clocks skip), the function also looks by itself which firings have not become an event.
//! A firing has the same event id each time, and `evaluate` knows an event again.

mod bus;
pub mod config;
mod error;
pub mod firing;
pub mod request;

use domain::CloudEvent;
use domain::message::SCHEDULE_FIRED;
use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use startup::AwsConfig;
use store::{Events, StoredWorkflow, Workflows};

use crate::bus::Bus;
use crate::config::Config;
pub use crate::error::Error;
use crate::request::{Answer, Fired, Request, Ring};

/// For so many workflows at once the catch-up looks for events.
const AT_ONCE: usize = 8;

/// What the function reaches outside itself. Built once; it keeps nothing of a firing.
#[derive(Debug)]
pub struct Deps {
    workflows: Workflows,
    events: Events,
    bus: Bus,
}

impl Deps {
    /// Clients for what is configured. Nothing is called yet.
    pub fn new(aws: &AwsConfig, config: Config) -> Self {
        let tables = store::Client::new(aws);
        Self {
            workflows: Workflows::new(tables.clone(), config.workflows_table),
            events: Events::new(tables, config.events_table),
            bus: Bus::new(aws::eventbridge::Client::new(aws), config.event_bus),
        }
    }
}

/// Does what it is called for.
///
/// # Errors
/// Whenever not everything that should be on the bus is there: Scheduler is to call again.
pub async fn handle(deps: &Deps, request: Request, now: Timestamp) -> Result<Answer, Error> {
    let result = match request {
        Request::Schedule(ring) => fire(deps, &ring, now).await,
        Request::CatchUp {} => catch_up(deps, now).await,
    };
    if let Err(error) = &result {
        tracing::warn!(cause = startup::chain(error), "firing not put on the bus");
    }
    result
}

async fn fire(deps: &Deps, ring: &Ring, now: Timestamp) -> Result<Answer, Error> {
    let id = &ring.workflow;
    let told = ring.scheduled_time.or(now);
    let stored = deps.workflows.get(id).await?;
    // A schedule outlives its workflow for a moment, and one that has just changed may still fire as it was.
    let event = stored
        .filter(|stored| stored.workflow.enabled)
        .and_then(|stored| {
            let schedule = stored.workflow.trigger.schedule()?;
            Some(firing::event(id, schedule, schedule.firing_at(told)?))
        });
    let Some(event) = event else {
        tracing::info!(workflow.id = %id, schedule.time = %told, "firing ignored: the workflow has no such schedule");
        return Ok(Answer::default());
    };
    deps.bus.put(std::slice::from_ref(&event)).await?;
    let answer = answer(vec![event]);
    log(&answer, "schedule fired");
    Ok(answer)
}

/// How many revisions of the last day are looked through.
const MOST_REVISIONS: usize = 20;

async fn catch_up(deps: &Deps, now: Timestamp) -> Result<Answer, Error> {
    let listening = deps.workflows.all_listening(SCHEDULE_FIRED).await?;
    for unreadable in &listening.unreadable {
        tracing::warn!(
            workflow.id = %unreadable.id,
            workflow.revision = unreadable.revision,
            problem = unreadable.problem,
            "schedule not looked after: the workflow cannot be read"
        );
    }
    let missing: Vec<Vec<CloudEvent>> = stream::iter(&listening.workflows)
        .map(|stored| missing(deps, stored, now))
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    let missing: Vec<CloudEvent> = missing.into_iter().flatten().collect();
    deps.bus.put(&missing).await?;
    let answer = answer(missing);
    log(&answer, "schedule fired late: its firing had been lost");
    Ok(answer)
}

/// The firings of a workflow that have not become events.
async fn missing(
    deps: &Deps,
    stored: &StoredWorkflow,
    now: Timestamp,
) -> Result<Vec<CloudEvent>, Error> {
    let since = scheduled_since(deps, stored, now).await?;
    let mut due = firing::due(stored, since, now);
    let keys: Vec<_> = due.iter().map(CloudEvent::key).collect();
    for asked in keys.chunks(firing::MOST_ASKED_FOR) {
        let known = deps.events.known(asked).await?;
        due.retain(|event| !known.contains(&event.key()));
    }
    Ok(due)
}

/// Since when the workflow has been on with this schedule. Whoever corrects a text in it gives up no firing.
async fn scheduled_since(
    deps: &Deps,
    stored: &StoredWorkflow,
    now: Timestamp,
) -> Result<Timestamp, Error> {
    let mut since = stored.applied_at;
    let mut revision = stored.revision;
    for _ in 0..MOST_REVISIONS {
        if now.duration_since(since) > firing::CATCH_UP || revision <= 1 {
            break;
        }
        revision -= 1;
        let earlier = deps
            .workflows
            .revision(&stored.workflow.id, revision)
            .await?;
        match earlier {
            Some(earlier)
                if earlier.workflow.enabled
                    && earlier.workflow.trigger == stored.workflow.trigger =>
            {
                since = earlier.applied_at;
            }
            Some(_) | None => break,
        }
    }
    Ok(since)
}

fn answer(events: Vec<CloudEvent>) -> Answer {
    let fired = events.into_iter().filter_map(|event| {
        Some(Fired {
            event: event.key(),
            workflow: domain::WorkflowId::parse(&event.subject?).ok()?,
            scheduled_time: event.time?,
        })
    });
    Answer {
        fired: fired.collect(),
    }
}

fn log(answer: &Answer, message: &'static str) {
    for fired in &answer.fired {
        tracing::info!(
            workflow.id = %fired.workflow,
            event.key = %fired.event,
            schedule.time = %fired.scheduled_time,
            "{message}"
        );
    }
}
