//! The whole way of an event: webhook, evaluation, ticket, end of the run.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, ensure};
use serde::Serialize;

use crate::aws::{Ledger, Tally};
use crate::child::{Child, Usage};
use crate::measure::share;
use crate::scene::{Message, Scene, batch};
use crate::spread::Spread;

/// The functions on the way, each as one process that stays.
#[derive(Debug)]
pub(crate) struct Way<'a> {
    scene: &'a Scene,
    ingest: Child,
    /// By the queue that they take from.
    others: BTreeMap<String, (&'static str, Child)>,
    sent: usize,
}

/// What a number of events took on the whole way.
#[derive(Debug, Clone, Default)]
struct Taken {
    cpu: BTreeMap<&'static str, Duration>,
    invocations: BTreeMap<&'static str, usize>,
    handled: BTreeMap<&'static str, usize>,
    messages: usize,
    wall: Duration,
    ledger: Ledger,
}

/// What one event takes on the whole way.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Mean {
    /// How many events went at the same time.
    pub(crate) batch: usize,
    /// CPU time of all functions.
    pub(crate) cpu: Spread,
    /// CPU time by function, in milliseconds: medians.
    pub(crate) cpu_of: BTreeMap<&'static str, f64>,
    /// Time on the clock of one function after another; with several events, of all of them.
    pub(crate) wall: Spread,
    /// Invocations by function.
    pub(crate) invocations_of: BTreeMap<&'static str, f64>,
    /// Calls of AWS by function and operation.
    pub(crate) calls: Vec<Calls>,
    /// Messages that queues have carried.
    pub(crate) messages: f64,
    /// Batches that were taken from queues.
    pub(crate) receipts: f64,
    /// Entries that were put on the bus.
    pub(crate) entries: f64,
    /// Read units of tables.
    pub(crate) read_units: f64,
    /// Write units of tables.
    pub(crate) write_units: f64,
    /// Calls of AWS that are waited for one after another: those of a batch go side by side.
    pub(crate) waits: f64,
    /// Calls of the vendor that are waited for one after another.
    pub(crate) vendor_waits: f64,
    /// Bytes that functions have logged.
    pub(crate) logged: f64,
    /// Megabytes of a function.
    pub(crate) memory: f64,
}

/// How often an event makes a function call an operation.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Calls {
    /// The function.
    pub(crate) function: String,
    /// The operation.
    pub(crate) operation: String,
    /// How often.
    pub(crate) times: f64,
}

impl Mean {
    /// Calls of AWS.
    pub(crate) fn all_calls(&self) -> f64 {
        self.calls.iter().map(|one| one.times).sum()
    }

    /// Invocations of all functions.
    pub(crate) fn invocations(&self) -> f64 {
        self.invocations_of.values().sum()
    }
}

const INGEST: &str = "ingest";
const VENDOR: &str = "zendesk-tasks";
const OTHERS: [&str; 2] = ["evaluate", VENDOR];

impl<'a> Way<'a> {
    /// Starts the functions.
    pub(crate) async fn start(scene: &'a Scene) -> anyhow::Result<Self> {
        let mut others = BTreeMap::new();
        for name in OTHERS {
            let queue = scene.function(name)?.queue.context("no queue")?;
            others.insert(queue, (name, scene.start(name).await?));
        }
        Ok(Self {
            scene,
            ingest: scene.start(INGEST).await?,
            others,
            sent: 0,
        })
    }

    /// How many events were sent so far.
    pub(crate) fn sent(&self) -> usize {
        self.sent
    }

    /// What an event takes when so many go at the same time, from so many rounds after some that do not count.
    pub(crate) async fn measure(
        &mut self,
        batch: usize,
        before: usize,
        rounds: usize,
    ) -> anyhow::Result<Mean> {
        for _ in 0..before {
            self.go(batch).await?;
        }
        let logged = self.logged()?;
        let mut all = Vec::new();
        for _ in 0..rounds {
            all.push(self.go(batch).await?);
        }
        let logged = usize::try_from(self.logged()? - logged)?;
        let events = batch * rounds;
        let per_event = u32::try_from(batch)?;
        let mut total = Taken::default();
        for taken in &all {
            total.messages += taken.messages;
            for (to, from) in [
                (&mut total.invocations, &taken.invocations),
                (&mut total.handled, &taken.handled),
            ] {
                for (name, count) in from {
                    *to.entry(name).or_default() += count;
                }
            }
            for (key, tally) in &taken.ledger {
                total.ledger.entry(key.clone()).or_default().add(*tally);
            }
        }
        let names: Vec<&'static str> = total.invocations.keys().copied().collect();
        // A function that takes ten at once waits for ten as long as for one.
        let side_by_side = |name: &str| match (total.handled.get(name), total.invocations.get(name))
        {
            (Some(handled), Some(invocations)) => share(*invocations, *handled),
            _ => 1.0,
        };
        let mut sum = Tally::default();
        let mut calls = Vec::new();
        let mut waits = 0.0;
        for ((function, operation), tally) in &total.ledger {
            sum.add(*tally);
            let each = share(tally.calls, events);
            waits += each * side_by_side(function);
            calls.push(Calls {
                function: function.clone(),
                operation: operation.clone(),
                times: each,
            });
        }
        let cpu_of = |name: &'static str| {
            let of = all.iter().filter_map(|taken| taken.cpu.get(name));
            (name, Spread::of(of.map(|cpu| *cpu / per_event)).median)
        };
        let units = |units: f64| units / share(events, 1);
        let queued = total
            .invocations
            .iter()
            .filter(|(name, _)| **name != INGEST);
        Ok(Mean {
            batch,
            cpu: Spread::of(
                all.iter()
                    .map(|taken| taken.cpu.values().sum::<Duration>() / per_event),
            ),
            cpu_of: names.iter().copied().map(cpu_of).collect(),
            wall: Spread::of(all.iter().map(|taken| taken.wall)),
            invocations_of: names
                .iter()
                .map(|name| (*name, share(total.invocations[name], events)))
                .collect(),
            calls,
            messages: share(total.messages, events),
            receipts: share(queued.map(|(_, count)| count).sum(), events),
            entries: share(sum.entries, events),
            read_units: units(sum.read_units),
            write_units: units(sum.write_units),
            waits,
            vendor_waits: side_by_side(VENDOR),
            logged: share(logged, events),
            memory: share(usize::try_from(self.scene.function(INGEST)?.memory)?, 1),
        })
    }

    fn logged(&self) -> anyhow::Result<u64> {
        let mut sum = self.ingest.logged()?;
        for (_, child) in self.others.values() {
            sum += child.logged()?;
        }
        Ok(sum)
    }

    /// Sends so many webhooks, and follows them in batches until nothing is left to do.
    async fn go(&mut self, events: usize) -> anyhow::Result<Taken> {
        let mut taken = Taken::default();
        for _ in 0..events {
            let webhook = self.scene.webhook(self.sent)?;
            self.sent += 1;
            let done = self.ingest.invoke(&webhook).await?;
            ensure!(
                done.answer["statusCode"] == 202,
                "ingest answered {}",
                done.answer
            );
            taken.count(INGEST, 1, &done.usage);
        }
        loop {
            let messages = self.scene.route()?;
            if messages.is_empty() {
                break;
            }
            taken.messages += messages.len();
            let mut queues: BTreeMap<&str, Vec<Message>> = BTreeMap::new();
            for message in &messages {
                queues
                    .entry(&message.queue)
                    .or_default()
                    .push(message.clone());
            }
            for (queue, messages) in queues {
                let (name, child) = self
                    .others
                    .get_mut(queue)
                    .with_context(|| format!("nobody takes from {queue}"))?;
                let done = child.invoke(&batch(&messages)).await?;
                ensure!(
                    done.answer["batchItemFailures"]
                        .as_array()
                        .is_some_and(Vec::is_empty),
                    "{name} answered {}",
                    done.answer
                );
                taken.count(name, messages.len(), &done.usage);
            }
        }
        taken.ledger = self.scene.aws.take_ledger();
        Ok(taken)
    }
}

impl Taken {
    fn count(&mut self, function: &'static str, handled: usize, usage: &Usage) {
        *self.cpu.entry(function).or_default() += usage.cpu;
        *self.invocations.entry(function).or_default() += 1;
        *self.handled.entry(function).or_default() += handled;
        self.wall += usage.wall;
    }
}
