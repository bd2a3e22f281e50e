//! SQS: sending messages and hiding them.
//!
//! Source: <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_Operations.html>

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::call::{Caller, Operation};
use crate::{Config, Error, Service};

/// Calls SQS. Clones share the connections.
#[derive(Debug, Clone)]
pub struct Client {
    caller: Caller,
}

impl Client {
    /// The queues of this configuration.
    pub fn new(config: &Config) -> Self {
        Self {
            caller: Caller::new(config, Service::Sqs),
        }
    }

    /// Sends a message, to be seen after a delay of at most 900 s; `None` for the queue's own.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn send_message(
        &self,
        queue_url: &str,
        message_body: &str,
        delay_seconds: Option<i32>,
    ) -> Result<(), Error> {
        let input = SendMessage {
            queue_url,
            message_body,
            delay_seconds,
        };
        self.caller.call(&input).await?;
        Ok(())
    }

    /// Hides up to 10 messages, each for its time.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn change_message_visibility_batch(
        &self,
        queue_url: &str,
        entries: &[ChangeMessageVisibilityBatchRequestEntry<'_>],
    ) -> Result<ChangeMessageVisibilityBatchOutput, Error> {
        let input = ChangeMessageVisibilityBatch { queue_url, entries };
        self.caller.call(&input).await
    }

    /// Calls an operation that has no words of its own here: for those who inspect queues.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn call(&self, operation: &'static str, input: &Value) -> Result<Value, Error> {
        self.caller.call_named(operation, input).await
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SendMessage<'a> {
    queue_url: &'a str,
    message_body: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    delay_seconds: Option<i32>,
}

#[derive(Deserialize)]
struct Sent {}

impl Operation for SendMessage<'_> {
    const NAME: &'static str = "SendMessage";
    type Output = Sent;
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ChangeMessageVisibilityBatch<'a> {
    queue_url: &'a str,
    entries: &'a [ChangeMessageVisibilityBatchRequestEntry<'a>],
}

impl Operation for ChangeMessageVisibilityBatch<'_> {
    const NAME: &'static str = "ChangeMessageVisibilityBatch";
    type Output = ChangeMessageVisibilityBatchOutput;
}

/// A message that is hidden.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ChangeMessageVisibilityBatchRequestEntry<'a> {
    /// Names the entry within the call.
    pub id: String,
    /// What the message was received with.
    pub receipt_handle: &'a str,
    /// For so many seconds from now.
    pub visibility_timeout: i32,
}

/// Which messages could not be hidden.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ChangeMessageVisibilityBatchOutput {
    /// Those.
    #[serde(default)]
    pub failed: Vec<BatchResultErrorEntry>,
}

/// A message that could not be hidden.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct BatchResultErrorEntry {
    /// The entry's name.
    pub id: String,
    /// Why.
    pub code: Option<String>,
}
