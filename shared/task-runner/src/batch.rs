use std::pin::Pin;
use std::time::Duration;

use accounts::{Accounts, Vendors};
use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use domain::message::{BusMessage, TaskMessage};
use domain::run::Attempt;
use domain::{RunId, TaskName, TaskRun, TaskState};
use futures_util::FutureExt as _;
use futures_util::future::join_all;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use jiff::Timestamp;
use lambda_runtime::{Context, LambdaEvent, service_fn};
use queue::{Queue, Verdict};
use retry::RetryPolicy;
use startup::{ConfigError, required};
use store::{AttemptEnd, Claim, Ended, Runs, ToClaim};
use tokio::time::Sleep;
use tracing::{Instrument, Span};

use crate::announce;
use crate::attempt::{self, Connector};
use crate::invocation::{Answer, Invocation};

/// How long before the function's end an attempt is broken off, so that what came of it can be stored.
const RESERVE: Duration = Duration::from_secs(3);
/// How much longer than the function a claim lives.
const LEASE_MARGIN: Duration = attempt::SETTLING;
/// How long those that have ended wait for the answer to the call before theirs.
const PATIENCE: Duration = Duration::from_millis(500);
/// How long a call may take that nobody answers.
const LONGEST_CALL: Duration = aws::Patience::DEFAULT.call;

/// The names of what a task function uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The table of runs.
    pub runs_table: String,
    /// The accounts that tasks use.
    pub accounts: accounts::Config,
    /// The bus that hears how tasks end.
    pub event_bus: String,
    /// The queue that the function's messages come from.
    pub queue_url: String,
}

impl Config {
    /// Reads `RUNS_TABLE`, `EVENT_BUS`, `QUEUE_URL` and what [`accounts::Config`] reads.
    ///
    /// # Errors
    /// The first variable that is not set.
    pub fn from_vars(variables: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        Ok(Self {
            runs_table: required(&variables, "RUNS_TABLE")?,
            accounts: accounts::Config::from_vars(&variables)?,
            event_bus: required(&variables, "EVENT_BUS")?,
            queue_url: required(&variables, "QUEUE_URL")?,
        })
    }
}

/// A task function but for its vendor.
#[derive(Debug)]
pub struct Runner<C> {
    connector: C,
    accounts: Accounts,
    runs: Runs,
    bus: aws::eventbridge::Client,
    queue: Queue,
    config: Config,
    now: fn() -> Timestamp,
}

/// Runs a task function until its environment is shut down: reads the variables of [`Config`] and of
/// [`Vendors`], connects to AWS, handles batches, and tells what tasks would send.
///
/// # Errors
/// The variable that is missing or cannot be used, or what the Lambda runtime says.
pub async fn run<C: Connector>(
    connector: impl FnOnce(Vendors) -> C,
) -> Result<(), lambda_runtime::Error> {
    startup::tracing();
    let config = Config::from_vars(startup::variable)?;
    let vendors = Vendors::from_vars(vendor_http::Client::new()?, startup::variable)?;
    let aws = startup::aws_config()?;
    let accounts = Accounts::new(
        &aws,
        config.accounts.clone(),
        vendors.clone(),
        startup::process_name()?,
    );
    let runner = Runner::new(connector(vendors), accounts, config, &aws, startup::now);
    lambda_runtime::run(service_fn(|event: LambdaEvent<_>| async {
        Ok::<_, lambda_runtime::Error>(runner.answer(event).await)
    }))
    .await
}

impl<C: Connector> Runner<C> {
    /// A runner on the clients of this AWS configuration.
    pub fn new(
        connector: C,
        accounts: Accounts,
        config: Config,
        aws: &startup::AwsConfig,
        now: fn() -> Timestamp,
    ) -> Self {
        let dynamodb = store::Client::new(aws);
        Self {
            connector,
            accounts,
            runs: Runs::new(dynamodb, config.runs_table.clone()),
            bus: aws::eventbridge::Client::new(aws),
            queue: Queue::new(aws, config.queue_url.clone()),
            config,
            now,
        }
    }

    /// Handles whatever the function is invoked with.
    pub async fn answer(&self, event: LambdaEvent<Invocation>) -> Answer {
        let LambdaEvent { payload, context } = event;
        match payload {
            Invocation::Batch(batch) => {
                let event = LambdaEvent::new(batch, context);
                Answer::Batch(self.handle(event).await)
            }
            Invocation::Preview(request) => {
                let preview = self.connector.preview(&request);
                tracing::info!(
                    task.kind = %request.kind,
                    requests = preview.requests.len(),
                    "preview answered"
                );
                Answer::Preview(preview)
            }
        }
    }

    /// Handles a batch, all messages at the same time. What becomes of one does not depend on the others: no attempt
    /// waits for another one.
    pub async fn handle(&self, event: LambdaEvent<SqsEvent>) -> SqsBatchResponse {
        let context = &event.context;
        let response = self
            .queue
            // Boxed: the compiler gives up on futures that lie in each other too deeply.
            .handle_together(&event.payload, |messages| {
                Box::pin(self.together(messages, context))
            })
            .await;
        self.accounts.finish_renewals().await;
        response
    }

    async fn together(&self, messages: &[SqsMessage], context: &Context) -> Vec<Verdict> {
        let mut verdicts = vec![None; messages.len()];
        let mut orders = Vec::new();
        for (index, (message, verdict)) in messages.iter().zip(&mut verdicts).enumerate() {
            match Order::read(index, message, context) {
                Some(order) => orders.push(order),
                None => *verdict = Some(Verdict::Unreadable),
            }
        }
        let mut say = |order: Order, result: Result<Verdict, Trouble>| {
            if let Some(place) = verdicts.get_mut(order.index) {
                *place = Some(order.verdict(result));
            }
        };
        let started_at = (self.now)();
        let claims = Box::pin(self.claim_each(&orders, context, started_at)).await;
        let mut attempts: FuturesUnordered<_> = orders
            .into_iter()
            .zip(claims)
            .map(|(order, claim)| {
                let span = order.span.clone();
                Box::pin(self.claim_and_attempt(order, claim, context)).instrument(span)
            })
            .collect();
        // One writes, one tells; what ends meanwhile is written or told together by the next. The first to end waits for
        // nobody, and nobody for a call that is not answered soon.
        let (mut attempted, mut ended, mut stored) = (Vec::new(), Vec::new(), Vec::new());
        let (mut storing, mut telling) = (Turns::default(), Turns::default());
        loop {
            // What else has ended by now goes along.
            while let Some(Some(one)) = attempts.next().now_or_never() {
                attempted.push(one);
            }
            for (order, step) in attempted.drain(..) {
                match step {
                    Err(trouble) => say(order, Err(trouble)),
                    Ok(Step::Over(verdict)) => say(order, Ok(verdict)),
                    Ok(Step::Store(attempted)) => ended.push((order, attempted)),
                    Ok(Step::Tell(task, verdict)) => stored.push((order, task, verdict)),
                }
            }
            let is_late = time_for_attempt(context, (self.now)()) <= PATIENCE;
            if (storing.is_free() || is_late) && !ended.is_empty() {
                storing.begin(Box::pin(self.store(std::mem::take(&mut ended), context)));
            }
            if (telling.is_free() || is_late) && !stored.is_empty() {
                telling.begin(Box::pin(self.tell(std::mem::take(&mut stored))));
            }
            tokio::select! {
                Some(one) = attempts.next() => attempted.push(one),
                Some(results) = storing.next() => for (order, result) in results {
                    match result {
                        Err(trouble) => say(order, Err(trouble)),
                        Ok((task, verdict)) if task.state.has_ended() => stored.push((order, task, verdict)),
                        Ok((_, verdict)) => say(order, Ok(verdict)),
                    }
                },
                Some(results) = telling.next() => for (order, result) in results {
                    say(order, result);
                },
                else => break,
            }
        }
        let verdicts = verdicts.into_iter();
        verdicts
            .map(|verdict| verdict.unwrap_or(Verdict::OwnTrouble))
            .collect()
    }

    /// `None` for a task that is to be claimed for itself.
    async fn claim_each(
        &self,
        orders: &[Order],
        context: &Context,
        now: Timestamp,
    ) -> Vec<Option<Result<Claim, store::Error>>> {
        if orders.len() < 2 {
            return orders.iter().map(|_| None).collect();
        }
        let wanted: Vec<ToClaim<'_>> = orders
            .iter()
            .map(|order| ToClaim {
                run: &order.run,
                task: &order.task,
                owner: &order.owner,
            })
            .collect();
        let lease_until = lease_until(context, now);
        self.runs.claim_each(&wanted, now, lease_until).await
    }

    async fn claim_and_attempt(
        &self,
        order: Order,
        claim: Option<Result<Claim, store::Error>>,
        context: &Context,
    ) -> (Order, Result<Step, Trouble>) {
        let step = Box::pin(self.step(&order, claim, context)).await;
        (order, step)
    }

    async fn step(
        &self,
        order: &Order,
        claim: Option<Result<Claim, store::Error>>,
        context: &Context,
    ) -> Result<Step, Trouble> {
        let started_at = (self.now)();
        let claim = if let Some(claim) = claim {
            claim?
        } else {
            let until = lease_until(context, started_at);
            let (run, task) = (&order.run, &order.task);
            self.runs
                .claim(run, task, &order.owner, started_at, until)
                .await?
        };
        let mut task = match claim {
            Claim::Claimed(task) => *task,
            Claim::NotBefore(at) => {
                let wait = Duration::try_from(at.duration_since(started_at)).unwrap_or_default();
                return Ok(Step::Over(Verdict::After(wait.max(Duration::from_secs(1)))));
            }
            Claim::Ended(task) => return Ok(Step::Tell(task, Verdict::Finished)),
            Claim::NotRequested => {
                tracing::warn!("task not requested: its run is gone, or waits for others");
                return Ok(Step::Over(Verdict::Finished));
            }
        };
        // Not before the claim: a slow table would push the end of the attempt beyond the function's.
        let time = time_for_attempt(context, (self.now)());
        let made = attempt::make(&self.connector, &self.accounts, &task, started_at, time);
        let result = Box::pin(made).await;
        let ended_at = (self.now)();
        let (mut attempt, end) =
            attempt::conclude(&RetryPolicy::TASK, &task, started_at, ended_at, result);
        attempt::make_room(&mut task.attempts, &mut attempt);
        Ok(Step::Store(Box::new(Attempted { task, attempt, end })))
    }

    /// Stores how these attempts ended; gives the tasks as they are now. Where nobody answered to all of them, each is
    /// tried once for itself if the time is enough for that; else it comes again when its lease is over.
    async fn store(
        &self,
        attempted: Vec<(Order, Box<Attempted>)>,
        context: &Context,
    ) -> Vec<(Order, Stored)> {
        let ended: Vec<Ended<'_>> = attempted
            .iter()
            .map(|(order, attempted)| Ended {
                task: &attempted.task,
                owner: &order.owner,
                attempt: &attempted.attempt,
                end: &attempted.end,
            })
            .collect();
        let mut results = self.runs.end_each(&ended).await;
        if ended.len() > 1 && time_left(context, (self.now)()) > LONGEST_CALL {
            let each = ended.iter().zip(results).map(async |(one, result)| {
                match result {
                    // If it is stored nevertheless, this is refused, and its message finds that it has ended.
                    Err(error) if error.is_silence() => {
                        let attempt = one.attempt.clone();
                        self.runs
                            .end_attempt(one.task, one.owner, attempt, one.end)
                            .await
                    }
                    result => result,
                }
            });
            results = join_all(each).await;
        }
        let each = attempted.into_iter().zip(results);
        each.map(|((order, attempted), result)| {
            let stored = result.map_err(Trouble::from).map(|()| {
                let _entered = order.span.enter();
                attempted.stored()
            });
            (order, stored)
        })
        .collect()
    }

    /// Tells that these tasks have ended.
    async fn tell(
        &self,
        stored: Vec<(Order, Box<TaskRun>, Verdict)>,
    ) -> Vec<(Order, Result<Verdict, Trouble>)> {
        let tasks: Vec<&TaskRun> = stored.iter().map(|(_, task, _)| &**task).collect();
        let told = announce::ended(&self.bus, &self.config.event_bus, &tasks).await;
        let each = stored.into_iter().zip(told);
        each.map(|((order, _, verdict), told)| {
            (order, told.map(|()| verdict).map_err(Trouble::Bus))
        })
        .collect()
    }
}

/// Calls that go out one at a time, as long as they are answered soon.
struct Turns<F> {
    under_way: FuturesUnordered<F>,
    /// Until then the next one waits for those under way.
    wait: Option<Pin<Box<Sleep>>>,
}

impl<F> Default for Turns<F> {
    fn default() -> Self {
        Self {
            under_way: FuturesUnordered::new(),
            wait: None,
        }
    }
}

impl<T, F: Future<Output = Vec<T>>> Turns<F> {
    /// Whether the next one need not wait.
    fn is_free(&self) -> bool {
        self.wait.is_none()
    }

    fn begin(&mut self, call: F) {
        self.under_way.push(call);
        self.wait = Some(Box::pin(tokio::time::sleep(PATIENCE)));
    }

    /// What came of the next call that is answered, or nothing once the wait is over; `None` when none is under way.
    async fn next(&mut self) -> Option<Vec<T>> {
        let over = async {
            match &mut self.wait {
                Some(wait) => wait.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            results = self.under_way.next() => {
                if self.under_way.is_empty() {
                    self.wait = None;
                }
                results
            }
            () = over => {
                self.wait = None;
                Some(Vec::new())
            }
        }
    }
}

/// A task that a message asks for.
#[derive(Debug)]
struct Order {
    /// The message's place in the batch.
    index: usize,
    run: RunId,
    task: TaskName,
    /// Unique to this delivery: a message that two invocations hold at once has two owners.
    owner: String,
    span: Span,
}

impl Order {
    fn read(index: usize, message: &SqsMessage, context: &Context) -> Option<Self> {
        let _entered = queue::span(message).entered();
        let (run, task) = match BusMessage::parse(message.body.as_deref().unwrap_or_default()) {
            Ok(BusMessage::TaskRequested(TaskMessage::V1 { run_id, task, .. })) => (run_id, task),
            Ok(BusMessage::Event(_) | BusMessage::TaskEnded(_)) => {
                tracing::error!("message in the wrong queue");
                return None;
            }
            Err(error) => {
                tracing::error!(error = %error, "unreadable message");
                return None;
            }
        };
        let owner = format!(
            "{}/{}",
            context.request_id,
            message.message_id.as_deref().unwrap_or_default()
        );
        let span = tracing::info_span!("task", run.id = %run, task.name = %task);
        Some(Self {
            index,
            run,
            task,
            owner,
            span,
        })
    }

    fn verdict(&self, result: Result<Verdict, Trouble>) -> Verdict {
        let _entered = self.span.enter();
        result.unwrap_or_else(|trouble| {
            if trouble.is_permanent() {
                tracing::error!(error = startup::chain(&trouble), "task cannot be handled");
                return Verdict::Unreadable;
            }
            tracing::warn!(error = startup::chain(&trouble), "task put off");
            Verdict::OwnTrouble
        })
    }
}

/// What is to be done next for a message.
enum Step {
    /// Nothing.
    Over(Verdict),
    /// The end of an attempt is to be stored.
    Store(Box<Attempted>),
    /// The end of the task is to be told.
    Tell(Box<TaskRun>, Verdict),
}

/// A task as it is stored now, with what becomes of its message once that is told.
type Stored = Result<(Box<TaskRun>, Verdict), Trouble>;

/// An attempt that has ended.
struct Attempted {
    task: TaskRun,
    attempt: Attempt,
    end: AttemptEnd,
}

impl Attempted {
    fn stored(self: Box<Self>) -> (Box<TaskRun>, Verdict) {
        let Self {
            mut task,
            attempt,
            end,
        } = *self;
        let (state, verdict) = match end {
            AttemptEnd::Succeeded { .. } => (TaskState::Succeeded, Verdict::Finished),
            AttemptEnd::Failed { .. } => (TaskState::Failed, Verdict::Finished),
            AttemptEnd::Retry { at, .. } => {
                let wait =
                    Duration::try_from(at.duration_since(attempt.ended_at)).unwrap_or_default();
                (TaskState::Retrying, Verdict::After(wait))
            }
        };
        task.state = state;
        tracing::info!(
            task.kind = %task.kind,
            task.state = state.as_str(),
            task.attempt = task.attempts_begun,
            vendor.status = attempt.calls.last().and_then(|call| call.status),
            vendor.calls = attempt.calls.len(),
            duration_ms =
                attempt.ended_at.as_millisecond() - attempt.started_at.as_millisecond(),
            outcome = attempt.outcome.as_str(),
            "attempt ended"
        );
        (Box::new(task), verdict)
    }
}

/// Our own side did not answer.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("the run's table did not answer")]
    Store(#[from] store::Error),
    #[error("the end of the task is stored, but the bus did not take the message: {0}")]
    Bus(String),
}

impl Trouble {
    fn is_permanent(&self) -> bool {
        match self {
            Self::Store(error) => error.is_permanent(),
            Self::Bus(_) => false,
        }
    }
}

/// Longer than the function can live: whoever finds the lease over finds nobody at work.
fn lease_until(context: &Context, now: Timestamp) -> Timestamp {
    let lease = time_left(context, now).max(RESERVE) + LEASE_MARGIN;
    now.checked_add(lease).unwrap_or(now)
}

/// Zero when too little is left to store what comes of an attempt.
fn time_for_attempt(context: &Context, now: Timestamp) -> Duration {
    time_left(context, now).saturating_sub(RESERVE)
}

fn time_left(context: &Context, now: Timestamp) -> Duration {
    startup::time_left(context.deadline, now)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEADLINE: u64 = 1_784_000_030_000;

    /// A function with this much time left, and now.
    fn with_left(left: i64) -> (Context, Timestamp) {
        let mut context = Context::default();
        context.deadline = DEADLINE;
        let now = i64::try_from(DEADLINE).unwrap() - left;
        (context, Timestamp::from_millisecond(now).unwrap())
    }

    #[test]
    fn attempt_ends_before_the_function_and_the_lease_after_it() {
        // Milliseconds: left for the function, for an attempt, and for the lease.
        for (left, attempt, lease) in [
            (30_000, 27_000, 60_000),
            (3_001, 1, 33_001),
            (3_000, 0, 33_000),
            (1, 0, 33_000),
            (0, 0, 33_000),
            (-5_000, 0, 33_000),
        ] {
            let (context, now) = with_left(left);
            assert_eq!(
                time_left(&context, now),
                Duration::from_millis(u64::try_from(left).unwrap_or(0))
            );
            assert_eq!(
                time_for_attempt(&context, now),
                Duration::from_millis(attempt)
            );
            let until = lease_until(&context, now);
            assert_eq!(until.as_millisecond() - now.as_millisecond(), lease);
        }
    }

    #[test]
    fn missing_variable_is_named() {
        let names = [
            "RUNS_TABLE",
            "ACCOUNTS_TABLE",
            "EVENT_BUS",
            "QUEUE_URL",
            "SECRET_PREFIX",
        ];
        let given = |name: &str| Some(name.to_lowercase());
        for missing in names {
            let variables = |name: &str| given(name).filter(|_| name != missing);
            assert_eq!(Config::from_vars(variables).unwrap_err().name, missing);
        }
        let config = Config::from_vars(given).unwrap();
        let values = [
            config.runs_table,
            config.accounts.accounts_table,
            config.event_bus,
            config.queue_url,
            config.accounts.secret_prefix,
        ];
        assert_eq!(values, names.map(str::to_lowercase));
    }
}
