//! Drives events on their whole way: webhook, evaluation, ticket, end of the run.

use std::collections::BTreeMap;

use anyhow::{Context, ensure};
use benchmark::way::{Mean, Taken, Waits};

use crate::child::Child;
use crate::scene::{Message, Scene, batch};

/// The functions on the way, each as one process that stays.
#[derive(Debug)]
pub(crate) struct Way<'a> {
    scene: &'a Scene,
    ingest: Child,
    /// By the queue that they take from.
    others: BTreeMap<String, Taker>,
    sent: usize,
}

/// A function that takes from a queue.
#[derive(Debug)]
struct Taker {
    name: &'static str,
    /// How many messages at most at once.
    batch: usize,
    child: Child,
}

/// Rounds in which others take their time: fewer do, since these last.
const SLOW_ROUNDS: usize = 15;

const INGEST: &str = "ingest";
const OTHERS: [&str; 2] = ["evaluate", "zendesk-tasks"];

impl<'a> Way<'a> {
    /// Starts the functions.
    pub(crate) async fn start(scene: &'a Scene) -> anyhow::Result<Self> {
        let mut others = BTreeMap::new();
        for name in OTHERS {
            let function = scene.function(name)?;
            let taker = Taker {
                name,
                batch: function.batch,
                child: scene.start(name).await?,
            };
            others.insert(function.queue.context("no queue")?, taker);
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
        let slow_rounds = rounds.min(SLOW_ROUNDS);
        let Waits { aws_ms, vendor_ms } = Waits::USUAL;
        self.scene.aws.delay(aws_ms);
        let tickets = u32::try_from(slow_rounds * batch)?;
        self.scene.slow_tickets(vendor_ms, tickets).await?;
        let mut slow = Vec::new();
        for _ in 0..slow_rounds {
            slow.push(self.go(batch).await?);
        }
        self.scene.aws.delay(0);
        let mut memory = BTreeMap::new();
        for name in OTHERS.into_iter().chain([INGEST]) {
            memory.insert(name, self.scene.function(name)?.memory);
        }
        let memory = |name: &str| memory.get(name).copied().unwrap_or_default();
        Ok(Mean::of(batch, &all, &slow, logged, memory))
    }

    fn logged(&self) -> anyhow::Result<u64> {
        let mut sum = self.ingest.logged()?;
        for taker in self.others.values() {
            sum += taker.child.logged()?;
        }
        Ok(sum)
    }

    /// Sends so many webhooks, and follows them in batches until nothing is left to do.
    async fn go(&mut self, events: usize) -> anyhow::Result<Taken> {
        let mut all = Taken::default();
        for _ in 0..events {
            let webhook = self.scene.webhook(self.sent)?;
            self.sent += 1;
            let done = self.ingest.invoke(&webhook).await?;
            ensure!(
                done.answer["statusCode"] == 202,
                "ingest answered {}",
                done.answer
            );
            all.count(INGEST, false, done.usage.wall, done.usage.cpu);
        }
        loop {
            let messages = self.scene.route()?;
            if messages.is_empty() {
                break;
            }
            all.messages += messages.len();
            let mut queues: BTreeMap<String, Vec<Message>> = BTreeMap::new();
            for message in messages {
                let queue = queues.entry(message.queue.clone()).or_default();
                queue.push(message);
            }
            for (queue, messages) in queues {
                let taker = self.others.get_mut(&queue);
                let taker = taker.with_context(|| format!("nobody takes from {queue}"))?;
                for messages in messages.chunks(taker.batch.max(1)) {
                    let done = taker.child.invoke(&batch(messages)).await?;
                    ensure!(
                        done.answer["batchItemFailures"]
                            .as_array()
                            .is_some_and(Vec::is_empty),
                        "{} answered {}",
                        taker.name,
                        done.answer
                    );
                    all.count(taker.name, true, done.usage.wall, done.usage.cpu);
                }
            }
        }
        all.ledger = self.scene.aws.take_ledger();
        Ok(all)
    }
}
