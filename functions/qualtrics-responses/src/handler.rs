use std::sync::Arc;
use std::time::Duration;

use accounts::{Accounts, Connected, Moment};
use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use domain::message::BusMessage;
use domain::{CloudEvent, EventKey, Vendor};
use jiff::Timestamp;
use lambda_runtime::{Context, LambdaEvent};
use qualtrics::{ResponseId, SurveyId, SurveyResponse};
use queue::{Queue, Verdict};
use retry::Disposition;
use store::{Limits, Permit};
use tokio::time::Instant;
use tracing::Instrument;

use crate::bus::{Bus, PutError};
use crate::config::Config;
use crate::mapping::{Notification, leave_out};
use crate::pace::{Failure, after_failure, seed, until_a_permit};
use crate::surveys::{Questions, Surveys};

/// How long before the function's end an attempt is broken off, so that what came of it can be told.
const RESERVE: Duration = Duration::from_secs(3);
/// The most that is waited for a survey's questions: a response without them is better than none.
const SURVEY_TIME: Duration = Duration::from_secs(5);
/// What an attempt keeps of its time, so that a response that is there is not lost to a slow survey.
const KEPT_FOR_RESPONSE: Duration = Duration::from_millis(500);

/// Fetches responses. Built once; of events it keeps nothing, of surveys their questions.
#[derive(Debug)]
pub struct Fetcher {
    accounts: Accounts,
    limits: Limits,
    surveys: Surveys,
    bus: Bus,
    queue: Queue,
    responses_per_minute: u32,
    now: fn() -> Timestamp,
}

/// What came of one attempt.
enum Attempt {
    Fetched(Box<SurveyResponse>, Option<Questions>),
    /// The minute's calls are used up.
    NoRoom {
        /// How many others were refused a permit before.
        before: u32,
        /// For how long at least, as Qualtrics says.
        asked: Duration,
        /// Who says so, for people.
        reason: String,
    },
    Failed(Failure),
}

/// Our own side did not answer.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("the limits could not be read")]
    Limits(#[from] store::Error),
    #[error(transparent)]
    Bus(#[from] PutError),
}

impl Fetcher {
    /// A fetcher on the clients of this AWS configuration.
    pub fn new(
        accounts: Accounts,
        config: Config,
        aws: &startup::AwsConfig,
        now: fn() -> Timestamp,
    ) -> Self {
        Self {
            accounts,
            limits: Limits::new(store::Client::new(aws), config.limits_table),
            surveys: Surveys::default(),
            bus: Bus::new(aws::eventbridge::Client::new(aws), config.event_bus),
            queue: Queue::new(aws, config.queue_url),
            responses_per_minute: config.responses_per_minute,
            now,
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
        let event = match BusMessage::parse(message.body.as_deref().unwrap_or_default()) {
            Ok(BusMessage::Event(event)) => *event,
            Ok(BusMessage::TaskRequested(_) | BusMessage::TaskEnded(_)) => {
                tracing::error!("message in the wrong queue");
                return Verdict::Unreadable;
            }
            Err(error) => {
                tracing::error!(error = %error, "unreadable message");
                return Verdict::Unreadable;
            }
        };
        let key = event.key();
        let sent_at = sent_at(message, event.time);
        let notification = match Notification::read(event) {
            Ok(notification) => notification,
            Err(error) => {
                tracing::error!(event.key = %key, error = %error, "unreadable message");
                return Verdict::Unreadable;
            }
        };
        let span =
            tracing::info_span!("response", event.key = %key, account = %notification.account);
        let work = self.fetch_and_tell(&notification, message, sent_at, context);
        work.instrument(span).await.unwrap_or_else(|trouble| {
            tracing::warn!(event.key = %key, error = startup::chain(&trouble), "response put off");
            Verdict::OwnTrouble
        })
    }

    async fn fetch_and_tell(
        &self,
        notification: &Notification,
        message: &SqsMessage,
        sent_at: Option<Timestamp>,
        context: &Context,
    ) -> Result<Verdict, Trouble> {
        let began = (self.now)();
        let time = startup::time_left(context.deadline, began).saturating_sub(RESERVE);
        let attempt = match notification.ids() {
            Ok((survey, response)) => {
                let work = self.attempt(notification, &survey, &response, began, time);
                match tokio::time::timeout(time, work).await {
                    Ok(attempt) => attempt?,
                    Err(_) => failed(
                        Disposition::RETRY,
                        format!(
                            "no end after {} s; the attempt was broken off",
                            time.as_secs()
                        ),
                    ),
                }
            }
            Err(problem) => failed(Disposition::GiveUp, problem),
        };
        let now = (self.now)();
        let elapsed = sent_at.map_or(Duration::ZERO, |sent_at| {
            Duration::try_from(now.duration_since(sent_at)).unwrap_or_default()
        });
        let id = message.message_id.as_deref().unwrap_or_default();
        let duration_ms = now.as_millisecond() - began.as_millisecond();
        let failure = match attempt {
            Attempt::Fetched(response, questions) => {
                let event = notification.answered(&response, questions.as_deref());
                let kind = event.kind.clone();
                let Some(failure) = self.put_answers(event).await? else {
                    tracing::info!(
                        event.r#type = kind,
                        with_questions = questions.is_some(),
                        duration_ms,
                        "response fetched"
                    );
                    return Ok(Verdict::Finished);
                };
                failure
            }
            Attempt::NoRoom {
                before,
                asked,
                reason,
            } => {
                let most = self.responses_per_minute;
                if let Some(delay) = until_a_permit(before, most, asked, now, elapsed, seed(id)) {
                    tracing::info!(
                        delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX),
                        "response waits: the calls of this minute are used up"
                    );
                    return Ok(Verdict::After(delay));
                }
                Failure {
                    disposition: Disposition::GiveUp,
                    reason: format!(
                        "{reason}, for too long: `closedloop events fetch {}` has the answers fetched once more",
                        notification.key
                    ),
                    absent: false,
                }
            }
            Attempt::Failed(failure) => failure,
        };
        let attempts = self.limits.count_attempt(id, now).await?;
        // Looks that found nothing count by themselves: an outage before them says nothing about the response.
        let looks = if failure.absent {
            let absent = format!("{id}.absent");
            self.limits.count_attempt(&absent, now).await?
        } else {
            attempts
        };
        if let Some(delay) = after_failure(&failure, looks, elapsed, seed(id)) {
            tracing::warn!(
                attempts,
                duration_ms,
                delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX),
                reason = failure.reason,
                "response not fetched yet"
            );
            return Ok(Verdict::After(delay));
        }
        let reason = given_up(failure, attempts, elapsed, &notification.key);
        self.bus
            .put(&notification.failed(&reason, attempts, id))
            .await?;
        tracing::error!(attempts, duration_ms, reason, "response given up");
        Ok(Verdict::Finished)
    }

    /// Puts the event that brings the answers on the bus, without what goes with them where it would be too long. Gives the
    /// failure when it is too long even so.
    async fn put_answers(&self, mut event: CloudEvent) -> Result<Option<Failure>, Trouble> {
        loop {
            match self.bus.put(&event).await {
                Ok(()) => return Ok(None),
                Err(PutError::TooLarge { .. }) if leave_out(&mut event) => {}
                Err(error @ PutError::TooLarge { .. }) => {
                    return Ok(Some(Failure {
                        disposition: Disposition::GiveUp,
                        reason: format!("the response is too long: {error}"),
                        absent: false,
                    }));
                }
                Err(error @ PutError::NotTaken(_)) => return Err(error.into()),
            }
        }
    }

    async fn attempt(
        &self,
        notification: &Notification,
        survey: &SurveyId,
        response: &ResponseId,
        now: Timestamp,
        time: Duration,
    ) -> Result<Attempt, Trouble> {
        let name = &notification.account;
        let moment = Moment::new(now, time);
        let ends = Instant::now() + time.saturating_sub(KEPT_FOR_RESPONSE);
        // Before a permit is taken: an account that waits for somebody needs none.
        let connected = match self
            .accounts
            .connect(name, Vendor::Qualtrics, &moment)
            .await
        {
            Ok(connected) => connected,
            Err(error) => return Ok(account_failed(&error)),
        };
        let (wait, refused) = match self.call(&connected, survey, response).await? {
            Call::Refused(wait, refused) => (wait, refused),
            Call::Ended(attempt) => {
                return Ok(self.explained(attempt, &connected, survey, ends).await);
            }
        };
        match self.accounts.reconnect(name, &connected, &moment).await {
            Ok(None) => Ok(failed(
                wait,
                format!(
                    "{refused} (account `{name}`: see what `closedloop accounts verify {name}` says and put the right secret)"
                ),
            )),
            Ok(Some(connected)) => match self.call(&connected, survey, response).await? {
                Call::Refused(wait, refused) => Ok(failed(wait, refused)),
                Call::Ended(attempt) => Ok(self.explained(attempt, &connected, survey, ends).await),
            },
            Err(error) => Ok(account_failed(&error)),
        }
    }

    /// One call, if there is a permit for it.
    async fn call(
        &self,
        connected: &Connected,
        survey: &SurveyId,
        response: &ResponseId,
    ) -> Result<Call, Trouble> {
        let client = match self.accounts.vendors().qualtrics(connected) {
            Ok(client) => client,
            Err(error) => return Ok(Call::Ended(account_failed(&error))),
        };
        let name = &connected.account.name;
        let permit = self
            .limits
            .take(name, self.responses_per_minute, (self.now)())
            .await?;
        if let Permit::Refused { before } = permit {
            let most = self.responses_per_minute;
            return Ok(Call::Ended(Attempt::NoRoom {
                before,
                asked: Duration::ZERO,
                reason: format!("there was no room within {most} calls a minute"),
            }));
        }
        Ok(match client.response(survey, response).await {
            Ok(answer) => Call::Ended(Attempt::Fetched(Box::new(answer.value), None)),
            Err(error) if error.is_unauthorized() => {
                Call::Refused(error.disposition(), startup::chain(&error))
            }
            Err(error) if error.is_limited() => Call::Ended(Attempt::NoRoom {
                before: 0,
                asked: match error.disposition() {
                    Disposition::Retry { after } | Disposition::Reconcile { after } => {
                        after.unwrap_or_default()
                    }
                    Disposition::Wait { every } => every,
                    Disposition::GiveUp => Duration::ZERO,
                },
                reason: startup::chain(&error),
            }),
            Err(error) => Call::Ended(Attempt::Failed(Failure {
                disposition: error.disposition(),
                absent: error.is_absent(),
                reason: startup::chain(&error),
            })),
        })
    }

    /// Adds the questions to a response that was fetched, where they can be had.
    async fn explained(
        &self,
        attempt: Attempt,
        connected: &Connected,
        survey: &SurveyId,
        ends: Instant,
    ) -> Attempt {
        let Attempt::Fetched(response, _) = attempt else {
            return attempt;
        };
        let name = &connected.account.name;
        let ask = async {
            let client = self.accounts.vendors().qualtrics(connected).ok()?;
            match client.survey(survey).await {
                Ok(answer) => Some(Arc::new(answer.value.questions)),
                Err(error) => {
                    tracing::warn!(error = startup::chain(&error), "survey not read");
                    None
                }
            }
        };
        let questions = self.surveys.get(name, survey, (self.now)(), ask);
        let ends = ends.min(Instant::now() + SURVEY_TIME);
        let questions = tokio::time::timeout_at(ends, questions).await;
        Attempt::Fetched(response, questions.unwrap_or_default())
    }
}

/// What came of one call.
enum Call {
    Ended(Attempt),
    /// The credentials were refused: what to do unless there are others, and in which words.
    Refused(Disposition, String),
}

fn failed(disposition: Disposition, reason: String) -> Attempt {
    Attempt::Failed(Failure {
        disposition,
        reason,
        absent: false,
    })
}

fn account_failed(error: &accounts::Error) -> Attempt {
    failed(error.disposition(), startup::chain(error))
}

/// Why there are no answers, and what to do about it.
fn given_up(failure: Failure, attempts: u32, elapsed: Duration, key: &EventKey) -> String {
    let reason = failure.reason;
    match failure.disposition {
        Disposition::GiveUp => reason,
        Disposition::Retry { .. } | Disposition::Reconcile { .. } | Disposition::Wait { .. } => {
            let minutes = elapsed.as_secs() / 60;
            format!(
                "{reason}; given up after {attempts} attempts over {minutes} min: once that is mended, `closedloop events \
                 fetch {key}` has the answers fetched"
            )
        }
    }
}

/// When the message first lay in the queue, as SQS says, else when the event happened.
fn sent_at(message: &SqsMessage, event: Option<Timestamp>) -> Option<Timestamp> {
    let sent = message.attributes.get("SentTimestamp");
    let sent = sent.and_then(|millisecond| millisecond.parse().ok());
    sent.and_then(|millisecond| Timestamp::from_millisecond(millisecond).ok())
        .or(event)
}
