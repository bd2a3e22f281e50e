use std::time::Duration;

use accounts::{Accounts, Vendors};
use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use domain::message::{BusMessage, TaskMessage};
use domain::{RunId, TaskName, TaskRun, TaskState};
use jiff::Timestamp;
use lambda_runtime::{Context, LambdaEvent, service_fn};
use queue::{Queue, Verdict};
use retry::RetryPolicy;
use startup::{ConfigError, required};
use store::{AttemptEnd, Claim, Runs};
use tracing::Instrument;

use crate::announce;
use crate::attempt::{self, Connector};
use crate::invocation::{Answer, Invocation};

/// How long before the function's end an attempt is broken off, so that what came of it can be stored.
const RESERVE: Duration = Duration::from_secs(3);
/// How much longer than the function a claim lives.
const LEASE_MARGIN: Duration = attempt::SETTLING;

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

    /// Handles a batch: every message for itself, all at the same time.
    pub async fn handle(&self, event: LambdaEvent<SqsEvent>) -> SqsBatchResponse {
        let context = &event.context;
        let response = self
            .queue
            .handle(&event.payload, |message| self.one(message, context))
            .await;
        self.accounts.finish_renewals().await;
        response
    }

    async fn one(&self, message: &SqsMessage, context: &Context) -> Verdict {
        let (run, task) = match BusMessage::parse(message.body.as_deref().unwrap_or_default()) {
            Ok(BusMessage::TaskRequested(TaskMessage::V1 { run_id, task, .. })) => (run_id, task),
            Ok(BusMessage::Event(_) | BusMessage::TaskEnded(_)) => {
                tracing::error!("message in the wrong queue");
                return Verdict::Unreadable;
            }
            Err(error) => {
                tracing::error!(error = %error, "unreadable message");
                return Verdict::Unreadable;
            }
        };
        // Unique to this delivery: a message that two invocations hold at once has two owners.
        let owner = format!(
            "{}/{}",
            context.request_id,
            message.message_id.as_deref().unwrap_or_default()
        );
        let span = tracing::info_span!("task", run.id = %run, task.name = %task);
        let attempted = self
            .claim_and_attempt(&run, &task, &owner, context)
            .instrument(span);
        attempted.await.unwrap_or_else(|trouble| {
            if trouble.is_permanent() {
                tracing::error!(run.id = %run, task.name = %task, error = startup::chain(&trouble), "task cannot be handled");
                return Verdict::Unreadable;
            }
            tracing::warn!(run.id = %run, task.name = %task, error = startup::chain(&trouble), "task put off");
            Verdict::OwnTrouble
        })
    }

    async fn claim_and_attempt(
        &self,
        run: &RunId,
        task: &TaskName,
        owner: &str,
        context: &Context,
    ) -> Result<Verdict, Trouble> {
        let started_at = (self.now)();
        let lease_until = lease_until(context, started_at);
        let mut task = match self
            .runs
            .claim(run, task, owner, started_at, lease_until)
            .await?
        {
            Claim::Claimed(task) => *task,
            Claim::NotBefore(at) => {
                let wait = Duration::try_from(at.duration_since(started_at)).unwrap_or_default();
                return Ok(Verdict::After(wait.max(Duration::from_secs(1))));
            }
            Claim::Ended(task) => {
                self.announce(&task).await?;
                return Ok(Verdict::Finished);
            }
            Claim::NotRequested => {
                tracing::warn!("task not requested: its run is gone, or waits for others");
                return Ok(Verdict::Finished);
            }
        };
        // Not before the claim: a slow table would push the end of the attempt beyond the function's.
        let time = time_for_attempt(context, (self.now)());
        let result = attempt::make(&self.connector, &self.accounts, &task, started_at, time).await;
        let ended_at = (self.now)();
        let (mut attempt, end) =
            attempt::conclude(&RetryPolicy::TASK, &task, started_at, ended_at, result);
        attempt::make_room(&mut task.attempts, &mut attempt);
        let status = attempt.calls.last().and_then(|call| call.status);
        let calls = attempt.calls.len();
        let outcome = attempt.outcome;
        self.runs.end_attempt(&task, owner, attempt, &end).await?;
        let (state, verdict) = match end {
            AttemptEnd::Succeeded { .. } => (TaskState::Succeeded, Verdict::Finished),
            AttemptEnd::Failed { .. } => (TaskState::Failed, Verdict::Finished),
            AttemptEnd::Retry { at, .. } => {
                let wait = Duration::try_from(at.duration_since(ended_at)).unwrap_or_default();
                (TaskState::Retrying, Verdict::After(wait))
            }
        };
        task.state = state;
        tracing::info!(
            task.kind = %task.kind,
            task.state = state.as_str(),
            task.attempt = task.attempts_begun,
            vendor.status = status,
            vendor.calls = calls,
            duration_ms = ended_at.as_millisecond() - started_at.as_millisecond(),
            outcome = outcome.as_str(),
            "attempt ended"
        );
        self.announce(&task).await?;
        Ok(verdict)
    }

    async fn announce(&self, task: &TaskRun) -> Result<(), Trouble> {
        announce::ended(&self.bus, &self.config.event_bus, task)
            .await
            .map_err(Trouble::Bus)
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
