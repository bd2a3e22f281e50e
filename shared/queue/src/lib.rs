//! A function's queue: every message of a batch has a verdict of its own, and one that must come again is
//! left in the queue, hidden until its time.
//!
//! The queue is the only thing that retries. Nothing here sleeps, and no message can fail another.

use std::time::Duration;

use aws::sqs::ChangeMessageVisibilityBatchRequestEntry;
use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use futures_util::future::join_all;
use retry::RetryPolicy;
use startup::AwsConfig;
use tracing::Instrument;

/// SQS hides a message for at most 12 h, counted from its receipt.
///
/// Source: <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-visibility-timeout.html>
const LONGEST_HIDING: Duration = Duration::from_mins(12 * 60 - 5);

/// The pace of trying again while our own tables or bus do not answer. Without end: the queue keeps a
/// message for 14 days, and moves it to its dead-letter queue after very many receipts.
const OWN_TROUBLE: RetryPolicy = RetryPolicy {
    first: Duration::from_secs(5),
    longest: Duration::from_mins(15),
    budget: Duration::MAX,
};

/// What becomes of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing is left to do: it goes.
    Finished,
    /// It comes again after the delay.
    After(Duration),
    /// Our own side did not answer: it comes again, later each time.
    OwnTrouble,
    /// It can never be handled: it comes again at once, until the queue moves it to its dead-letter queue,
    /// which raises the alarm.
    Unreadable,
}

/// The queue that a function's batches come from.
#[derive(Debug, Clone)]
pub struct Queue {
    client: aws::sqs::Client,
    url: String,
}

impl Queue {
    /// The queue at this URL.
    pub fn new(aws: &AwsConfig, url: String) -> Self {
        Self {
            client: aws::sqs::Client::new(aws),
            url,
        }
    }

    /// Handles all messages of a batch at the same time, and answers which of them must come again.
    pub async fn handle<'a, F, Fut>(&self, batch: &'a SqsEvent, handle: F) -> SqsBatchResponse
    where
        F: Fn(&'a SqsMessage) -> Fut,
        Fut: Future<Output = Verdict>,
    {
        let handled = batch
            .records
            .iter()
            .map(|message| handle(message).instrument(span(message)));
        let verdicts = join_all(handled).await;
        self.conclude(batch, verdicts).await
    }

    /// Handles the messages of a batch together, and answers which of them must come again. `handle` gives a verdict
    /// for each, in their order. What it says of one must not depend on the others.
    pub async fn handle_together<'a, F, Fut>(
        &self,
        batch: &'a SqsEvent,
        handle: F,
    ) -> SqsBatchResponse
    where
        F: FnOnce(&'a [SqsMessage]) -> Fut,
        Fut: Future<Output = Vec<Verdict>>,
    {
        let mut verdicts = handle(&batch.records).await;
        // Nothing is dropped because nobody said what becomes of it.
        verdicts.resize(batch.records.len(), Verdict::OwnTrouble);
        self.conclude(batch, verdicts).await
    }

    async fn conclude(&self, batch: &SqsEvent, verdicts: Vec<Verdict>) -> SqsBatchResponse {
        let again: Vec<(&SqsMessage, Option<Duration>)> = batch
            .records
            .iter()
            .zip(verdicts)
            .filter_map(|(message, verdict)| match verdict {
                Verdict::Finished => None,
                Verdict::After(delay) => Some((message, Some(delay))),
                Verdict::OwnTrouble => Some((message, own_trouble_delay(message))),
                Verdict::Unreadable => Some((message, Some(Duration::ZERO))),
            })
            .collect();
        // Boxed: the compiler gives up on futures that lie in each other too deeply.
        Box::pin(self.hide(&again)).await;
        let mut response = SqsBatchResponse::default();
        for (message, _) in again {
            let mut failure = BatchItemFailure::default();
            failure.item_identifier = message.message_id.clone().unwrap_or_default();
            response.batch_item_failures.push(failure);
        }
        response
    }

    /// Hides each message for its delay. Where that fails, the message comes back after the queue's own
    /// time: sooner or later than wished, but it comes back.
    async fn hide(&self, messages: &[(&SqsMessage, Option<Duration>)]) {
        let entries: Vec<_> = (0_usize..)
            .zip(messages)
            .filter_map(|(index, (message, delay))| {
                Some(ChangeMessageVisibilityBatchRequestEntry {
                    id: index.to_string(),
                    receipt_handle: message.receipt_handle.as_deref()?,
                    visibility_timeout: whole_seconds((*delay)?),
                })
            })
            .collect();
        if entries.is_empty() {
            return;
        }
        let hidden = self
            .client
            .change_message_visibility_batch(&self.url, &entries)
            .await;
        match hidden {
            Ok(answer) if answer.failed.is_empty() => {}
            Ok(answer) => tracing::warn!(failed = answer.failed.len(), "messages not hidden"),
            Err(error) => tracing::warn!(error = startup::chain(&error), "messages not hidden"),
        }
    }
}

/// The span of what is done for a message.
pub fn span(message: &SqsMessage) -> tracing::Span {
    tracing::info_span!(
        "message",
        message.id = message.message_id,
        message.receipts = receipts(message)
    )
}

fn receipts(message: &SqsMessage) -> u32 {
    message
        .attributes
        .get("ApproximateReceiveCount")
        .and_then(|count| count.parse().ok())
        .unwrap_or(1)
}

fn own_trouble_delay(message: &SqsMessage) -> Option<Duration> {
    let id = message.message_id.as_deref().unwrap_or_default();
    let seed = id
        .bytes()
        .fold(0, |seed: u64, byte| seed.rotate_left(5) ^ u64::from(byte));
    OWN_TROUBLE.delay(receipts(message), Duration::ZERO, None, seed)
}

/// Rounded up: a message never comes before its time.
fn whole_seconds(delay: Duration) -> i32 {
    let delay = delay.min(LONGEST_HIDING);
    let seconds = delay.as_secs() + u64::from(delay.subsec_nanos() > 0);
    i32::try_from(seconds).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delay_is_rounded_up_and_stays_below_what_sqs_takes() {
        for (delay, seconds) in [
            (Duration::ZERO, 0),
            (Duration::from_millis(1), 1),
            (Duration::from_secs(5), 5),
            (Duration::from_hours(30), 42_900),
        ] {
            assert_eq!(whole_seconds(delay), seconds);
        }
    }

    #[test]
    fn own_trouble_is_waited_out_ever_longer_and_without_end() {
        let delay = |count: u32| {
            let mut message = SqsMessage::default();
            message.message_id = Some("a".to_owned());
            message
                .attributes
                .insert("ApproximateReceiveCount".to_owned(), count.to_string());
            own_trouble_delay(&message).unwrap()
        };
        assert!(delay(1) <= Duration::from_secs(5));
        assert!(delay(4) > delay(2));
        assert!(delay(1000) <= Duration::from_mins(15) && delay(1000) > Duration::from_mins(11));
    }
}
