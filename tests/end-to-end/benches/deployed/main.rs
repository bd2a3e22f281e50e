//! Thousands of events through the deployed bundle in one go: none lost, none done twice, queues empty at the end, the
//! functions' memory flat.
//!
//! `make bench-deployed` brings everything up and runs this. Each event is one `POST`, one run and one Zendesk ticket. The result
//! goes to `docs/benchmarks/deployed.md`. It fails when an event was lost or done twice, or when a queue is not empty.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a program that measures fails by panicking, and tells how far it is"
)]

mod memory;
#[expect(dead_code, reason = "the suites need more of it than is needed here")]
#[path = "../../tests/it/scene.rs"]
mod scene;
mod sender;

use std::time::{Duration, Instant};

use benchmark::deployed::{Deployed, Outcome, Sent};
use benchmark::machine::Machine;
use domain::WorkflowId;
use serde_json::json;

use crate::memory::Memory;
use crate::scene::{Scene, variable};
use crate::sender::{Sending, send_all, text};

/// How many events, unless `EVENTS` says otherwise.
const EVENTS: usize = 5_000;
/// How often it is looked how far everything is.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Without any progress for so long, nothing more is to be expected.
const PATIENCE: Duration = Duration::from_mins(4);
/// Looks in a row that must find everything at rest: a message on its way from the bus is in no queue for a moment.
const RESTING_LOOKS: u32 = 3;
/// Runs still end for so long after the last ticket.
const RUNS_MAY_TAKE: Duration = Duration::from_mins(2);

/// Queues on the way of these events.
const QUEUES: [&str; 2] = ["EvaluateQueue", "ZendeskTasksQueue"];
/// The same, and where what cannot be handled ends.
const ALL_QUEUES: [&str; 5] = [
    "EvaluateQueue",
    "ZendeskTasksQueue",
    "EvaluateDeadLetters",
    "ZendeskTasksDeadLetters",
    "RuleDeadLetters",
];

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let events = startup::variable("EVENTS")
        .filter(|text| !text.is_empty())
        .map_or(EVENTS, |text| text.parse().expect("EVENTS is a number"));
    let scene = Scene::new("many").await;
    let workflow = scene.apply("ticket", None, Scene::ticket_only()).await;
    let queues = Queues::find(&scene, &QUEUES).await;
    let all_queues = Queues::find(&scene, &ALL_QUEUES).await;
    println!("sending {events} events");
    let sent = Sending::default();
    let began = Instant::now();
    // Whoever watches ends it: when all is done, or when nothing moves any more.
    let watched = tokio::select! {
        watched = watch(&scene, &queues, events, &sent, began) => watched,
        watched = async {
            send_all(&scene, events, &sent).await;
            sent.took.set(began.elapsed());
            std::future::pending().await
        } => watched,
    };
    println!("counting runs and tickets");
    let runs = ended_runs(&scene, &workflow, events).await;
    let runs = runs.iter().map(|run| {
        let succeeded = run.state == domain::RunState::Succeeded;
        (run.event.as_str(), succeeded)
    });
    let tickets = scene.tickets().await;
    let tickets = tickets
        .iter()
        .map(|ticket| ticket["comments"][0]["body"].as_str().unwrap_or_default());
    let accepted: Vec<_> = sent
        .accepted
        .take()
        .into_iter()
        .map(|(number, key)| (number, key.as_str().to_owned(), text(number)))
        .collect();
    let left = all_queues.left().await.expect("the queues answer");
    let deployed = Deployed {
        machine: Machine::this().unwrap(),
        sent: Sent {
            events,
            repeats: sent.repeats.get(),
            refused: sent.refused.take(),
            took: sent.took.get(),
        },
        outcome: Outcome::count(&accepted, runs, tickets),
        took: watched.took,
        stalled: watched.stalled,
        left,
        memory: watched.memory.by_function(),
    };
    let report = deployed.markdown().unwrap();
    let path =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/benchmarks/deployed.md");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, &report).unwrap();
    println!("\n{report}");
    if !deployed.is_good() {
        std::process::exit(1);
    }
}

struct Watched {
    /// Until the last ticket was made and the queues were empty.
    took: Duration,
    memory: Memory,
    stalled: bool,
}

/// Looks at everything until it rests, or nothing moves any more.
async fn watch(
    scene: &Scene,
    queues: &Queues,
    events: usize,
    sent: &Sending,
    began: Instant,
) -> Watched {
    let mut memory = Memory::of(&variable("AWS_ENDPOINT_URL"));
    let (mut before, mut moved) = (None, Instant::now());
    let (mut resting, mut took) = (0, Duration::ZERO);
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let seconds = began.elapsed().as_secs_f64();
        let stalled = moved.elapsed() > PATIENCE;
        let tickets = scene.zendesk.records("tickets").await;
        let mut rests = false;
        if let (Ok(tickets), Some(left)) = (tickets, queues.left().await) {
            let (answered, tickets) = (sent.answered(), tickets.len());
            let waiting: u64 = left.iter().map(|(_, left)| left).sum();
            memory.look(tickets * 100 / events.max(1));
            println!(
                "{seconds:>5.0} s: {answered} answered, {tickets} tickets, {waiting} messages in queues, {} MB in {} functions",
                memory.megabytes_now(),
                memory.processes_now(),
            );
            let now = Some((answered, tickets, waiting));
            if now != before {
                (before, moved) = (now, Instant::now());
            }
            rests = answered == events && tickets >= sent.accepted_count() && waiting == 0;
        } else {
            println!("{seconds:>5.0} s: too busy to answer");
        }
        if rests && resting == 0 {
            took = began.elapsed();
        }
        resting = if rests { resting + 1 } else { 0 };
        if resting >= RESTING_LOOKS || stalled {
            return Watched {
                took: if stalled { began.elapsed() } else { took },
                memory,
                stalled,
            };
        }
    }
}

/// The runs once all have ended, or when it is too late for that.
async fn ended_runs(scene: &Scene, workflow: &WorkflowId, events: usize) -> Vec<domain::Run> {
    let began = Instant::now();
    loop {
        let runs = scene.stack.runs_of(workflow).await;
        let ended = runs
            .iter()
            .filter(|run| run.state != domain::RunState::Running)
            .count();
        println!("{ended} of {} runs have ended", runs.len());
        if ended >= events || began.elapsed() > RUNS_MAY_TAKE {
            return runs;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Some of the stack's queues.
struct Queues {
    client: aws::sqs::Client,
    /// Names and URLs.
    all: Vec<(&'static str, String)>,
}

impl Queues {
    async fn find(scene: &Scene, names: &[&'static str]) -> Self {
        let mut all = Vec::new();
        for name in names {
            all.push((*name, scene.queue(name).await));
        }
        Self {
            client: aws::sqs::Client::new(&scene.stack.aws),
            all,
        }
    }

    /// How many messages are in each: to be taken, being handled, or to come later. `None` when somebody is too busy to answer.
    async fn left(&self) -> Option<Vec<(&'static str, u64)>> {
        const COUNTS: [&str; 3] = [
            "ApproximateNumberOfMessages",
            "ApproximateNumberOfMessagesNotVisible",
            "ApproximateNumberOfMessagesDelayed",
        ];
        let mut left = Vec::new();
        for (name, url) in &self.all {
            let input = json!({"QueueUrl": url, "AttributeNames": ["All"]});
            let answer = self.client.call("GetQueueAttributes", &input).await.ok()?;
            let counts = COUNTS.iter().filter_map(|count| {
                let text = answer["Attributes"][count].as_str()?;
                text.parse::<u64>().ok()
            });
            left.push((*name, counts.sum()));
        }
        Some(left)
    }
}
