use std::time::Duration;

use accounts::Accounts;
use aws_lambda_events::sqs::SqsMessage;
use connection_history::Asked;
use domain::AccountName;
use domain::teamviewer::{TeamViewerMessage, TeamViewerWork};
use jiff::Timestamp;
use lambda_runtime::{Context, LambdaEvent};
use queue::{Queue, Verdict};
use retry::Disposition;
use service_cases::{PollOutcome, ServiceCases};
use store::{Connections, Histories, TeamViewerSettings};
use tokio::time::Instant;

use crate::ask::Failure;
use crate::bus::Bus;
use crate::config::Config;
use crate::invocation::{Answer, Invocation};
use crate::message;
use crate::recorder::Recorder;

/// How long before the function's end its work is broken off, so that what came of it can be stored.
const RESERVE: Duration = Duration::from_secs(3);
/// The least time until a case is looked at again that somebody is creating.
const SHORTLY: Duration = Duration::from_secs(1);

/// Fetches connections and looks after service cases. Built once; keeps nothing of an invocation.
#[derive(Debug)]
pub struct Retrieval {
    pub(crate) settings: TeamViewerSettings,
    pub(crate) histories: Histories,
    pub(crate) recorder: Recorder,
    pub(crate) every_hours: u16,
    cases: ServiceCases,
    queue: Queue,
    sqs: aws::sqs::Client,
    queue_url: String,
    now: fn() -> Timestamp,
}

/// Until when work may go on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Time {
    pub(crate) ends: Instant,
}

impl Time {
    fn of(context: &Context, now: Timestamp) -> Self {
        let left = startup::time_left(context.deadline, now).saturating_sub(RESERVE);
        Self {
            ends: Instant::now() + left,
        }
    }

    pub(crate) fn left(self) -> Duration {
        self.ends.saturating_duration_since(Instant::now())
    }
}

impl Retrieval {
    /// A retrieval on the clients of this AWS configuration. `process` must be unique to this process.
    pub fn new(
        accounts: Accounts,
        config: Config,
        aws: &startup::AwsConfig,
        process: String,
        now: fn() -> Timestamp,
    ) -> Self {
        let dynamodb = store::Client::new(aws);
        let table = config.teamviewer_table;
        Self {
            settings: TeamViewerSettings::new(dynamodb.clone(), table.clone()),
            histories: Histories::new(dynamodb.clone(), table.clone()),
            recorder: Recorder {
                accounts: accounts.clone(),
                connections: Connections::new(dynamodb.clone(), config.connections_table),
                cases: store::ServiceCases::new(dynamodb, table),
                bus: Bus::new(aws::eventbridge::Client::new(aws), config.event_bus),
            },
            every_hours: config.every_hours,
            cases: ServiceCases::new(aws, config.cases, accounts, process),
            queue: Queue::new(aws, config.queue_url.clone()),
            sqs: aws::sqs::Client::new(aws),
            queue_url: config.queue_url,
            now,
        }
    }

    /// Handles whatever the function is invoked with.
    ///
    /// # Errors
    /// When what is due could not be looked at. The next call does.
    pub async fn handle(
        &self,
        event: LambdaEvent<Invocation>,
    ) -> Result<Answer, lambda_runtime::Error> {
        let LambdaEvent { payload, context } = event;
        match payload {
            Invocation::Tick => match self.tick().await {
                Ok(sent) => Ok(Answer::Tick { sent }),
                Err(failure) => Err(failure.reason.into()),
            },
            Invocation::Batch(batch) => {
                let time = Time::of(&context, self.now());
                let work = |message| self.one(message, &context, time);
                let response = self.queue.handle(&batch, work).await;
                self.recorder.accounts.finish_renewals().await;
                Ok(Answer::Batch(response))
            }
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        (self.now)()
    }

    /// Puts work into the queue, each after so many seconds.
    pub(crate) async fn send(&self, work: &[(TeamViewerWork, i32)]) -> Result<(), Failure> {
        for (work, delay) in work {
            let message = TeamViewerMessage::from(work.clone());
            let body = serde_json::to_string(&message)
                .map_err(|error| Failure::own(startup::chain(&error)))?;
            self.sqs
                .send_message(&self.queue_url, &body, Some(*delay))
                .await
                .map_err(|error| Failure::own(startup::chain(&error)))?;
        }
        Ok(())
    }

    async fn one(&self, message: &SqsMessage, context: &Context, time: Time) -> Verdict {
        let work = match message::work(message.body.as_deref().unwrap_or_default()) {
            Ok(Some(work)) => work,
            Ok(None) => return Verdict::Finished,
            Err(error) => {
                tracing::error!(error = startup::chain(&error), "unreadable message");
                return Verdict::Unreadable;
            }
        };
        // The row says what is to be done: the next minute's call begins what this one could not.
        let due = async || {
            let id = message.message_id.as_deref().unwrap_or_default();
            let occasion = format!("{}/{id}", context.request_id);
            if let Err(failure) = self.fetch_due(&occasion, time).await {
                tracing::warn!(reason = failure.reason, "history put off");
            }
            Verdict::Finished
        };
        match work {
            TeamViewerWork::FetchDue {} => due().await,
            TeamViewerWork::FetchWindow { since } => {
                let at = sent_at(message).unwrap_or_else(|| self.now());
                match self.ask_for_window(Asked { at, since }).await {
                    Ok(()) => due().await,
                    Err(failure) => {
                        tracing::warn!(reason = failure.reason, "request put off");
                        Verdict::OwnTrouble
                    }
                }
            }
            TeamViewerWork::FetchCase { code, since } => {
                self.fetch_case(&code, since, message, time).await
            }
            TeamViewerWork::Poll {} => {
                match tokio::time::timeout_at(time.ends, self.poll(time)).await {
                    Ok(Ok(())) => Verdict::Finished,
                    Ok(Err(failure)) => {
                        tracing::warn!(reason = failure.reason, "service cases not looked at");
                        Verdict::Finished
                    }
                    Err(_) => {
                        tracing::warn!("no time to look at service cases");
                        Verdict::OwnTrouble
                    }
                }
            }
            TeamViewerWork::CreateWaitingCases { account } => {
                let created = self.create_waiting_cases(&account, time);
                let created = tokio::time::timeout_at(time.ends, created).await;
                created.unwrap_or_else(|_| {
                    tracing::warn!("no time to create all waiting cases");
                    Verdict::OwnTrouble
                })
            }
        }
    }

    /// Notes that somebody asked for a window, unless one that began since then has answered that.
    async fn ask_for_window(&self, asked: Asked) -> Result<(), Failure> {
        let Some(stored) = self.settings.get().await? else {
            return Ok(());
        };
        let Some(history) = &stored.settings.history else {
            return Ok(());
        };
        let stored = self.histories.get(&history.account).await?;
        if stored.is_some_and(|stored| stored.history.answers(&asked)) {
            return Ok(());
        }
        Ok(self.histories.ask(&history.account, &asked).await?)
    }

    async fn poll(&self, time: Time) -> Result<(), Failure> {
        let Some(stored) = self.settings.get().await? else {
            return Ok(());
        };
        let Some(cases) = &stored.settings.cases else {
            return Ok(());
        };
        let now = self.now();
        let polled = self.cases.within(now, time.left()).poll(cases, now).await;
        match polled.map_err(|error| Failure::own(startup::chain(&error)))? {
            PollOutcome::Polled(polled) => {
                tracing::info!(?polled, "service cases looked at");
            }
            PollOutcome::NotDue { .. } => {}
            PollOutcome::Failed { problem, .. } => {
                tracing::warn!(problem, "service cases not looked at");
            }
        }
        Ok(())
    }

    async fn create_waiting_cases(&self, account: &AccountName, time: Time) -> Verdict {
        let settings = match self.settings.get().await {
            Ok(Some(stored)) => stored.settings,
            Ok(None) => return Verdict::Finished,
            Err(error) => {
                tracing::warn!(error = startup::chain(&error), "waiting cases put off");
                return Verdict::OwnTrouble;
            }
        };
        let now = self.now();
        let cases = self.cases.within(now, time.left());
        match cases.create_waiting(&settings, account, now).await {
            Ok(created) => {
                tracing::info!(created, "waiting cases created");
                Verdict::Finished
            }
            Err(error) => {
                let reason = startup::chain(&error);
                if error.disposition() == Disposition::GiveUp {
                    tracing::error!(reason, "waiting cases not created");
                    return Verdict::Finished;
                }
                tracing::warn!(reason, "waiting cases put off");
                // Somebody else has the right to create it until then.
                if let service_cases::Error::BeingCreated { until } = error {
                    let after = until.duration_since(self.now()).try_into();
                    return Verdict::After(after.unwrap_or(SHORTLY).max(SHORTLY));
                }
                put_off(error.disposition())
            }
        }
    }
}

/// When a message comes again whose work was not done.
fn put_off(disposition: Disposition) -> Verdict {
    match disposition {
        Disposition::Retry { after } | Disposition::Reconcile { after } => {
            after.map_or(Verdict::OwnTrouble, Verdict::After)
        }
        Disposition::Wait { every } => Verdict::After(every),
        Disposition::GiveUp => Verdict::Finished,
    }
}

/// When the message was put into the queue.
fn sent_at(message: &SqsMessage) -> Option<Timestamp> {
    let sent = message.attributes.get("SentTimestamp")?;
    Timestamp::from_millisecond(sent.parse().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_comes_again_when_the_vendor_says() {
        let hour = Duration::from_hours(1);
        for (disposition, expected) in [
            (Disposition::RETRY, Verdict::OwnTrouble),
            (
                Disposition::Retry { after: Some(hour) },
                Verdict::After(hour),
            ),
            (
                Disposition::Reconcile { after: Some(hour) },
                Verdict::After(hour),
            ),
            (Disposition::Wait { every: hour }, Verdict::After(hour)),
            (Disposition::GiveUp, Verdict::Finished),
        ] {
            let verdict = put_off(disposition);
            assert_eq!(format!("{verdict:?}"), format!("{expected:?}"));
        }
    }
}
