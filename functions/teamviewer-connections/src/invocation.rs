use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use serde::{Deserialize, Serialize};

/// What the function is invoked with.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "Payload")]
pub enum Invocation {
    /// A batch of its queue.
    Batch(SqsEvent),
    /// It is time to look what is due.
    Tick,
}

/// What the function answers.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Answer {
    /// Which messages of a batch must come again.
    Batch(SqsBatchResponse),
    /// What was found to be due.
    Tick {
        /// How many messages were put into the queue.
        sent: usize,
    },
}

#[derive(Deserialize)]
struct Payload {
    #[serde(rename = "Records")]
    records: Option<Vec<SqsMessage>>,
    tick: Option<Tick>,
}

#[derive(Deserialize)]
struct Tick {}

#[derive(Debug, thiserror::Error)]
#[error("expected either `Records` of a queue or `tick`")]
struct Neither;

impl TryFrom<Payload> for Invocation {
    type Error = Neither;

    fn try_from(payload: Payload) -> Result<Self, Neither> {
        match (payload.records, payload.tick) {
            (Some(records), None) => {
                let mut batch = SqsEvent::default();
                batch.records = records;
                Ok(Self::Batch(batch))
            }
            (None, Some(Tick {})) => Ok(Self::Tick),
            (Some(_), Some(_)) | (None, None) => Err(Neither),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn batch_and_tick_are_told_apart_and_anything_else_is_refused() {
        let tick = serde_json::from_value(json!({"tick": {}})).unwrap();
        assert_eq!(Invocation::Tick, tick);
        let batch = json!({"Records": [{"messageId": "m1", "body": "{\"tick\":{}}"}]});
        let batch: Invocation = serde_json::from_value(batch).unwrap();
        assert!(matches!(batch, Invocation::Batch(batch) if batch.records.len() == 1));
        for payload in [json!({}), json!({"Records": [], "tick": {}}), json!([])] {
            let read = serde_json::from_value::<Invocation>(payload.clone());
            assert!(read.is_err(), "{payload}");
        }
    }

    #[test]
    fn batch_is_answered_as_a_queue_expects_it() {
        let answer = Answer::Batch(SqsBatchResponse::default());
        assert_eq!(json!(answer), json!({"batchItemFailures": []}));
        assert_eq!(json!(Answer::Tick { sent: 2 }), json!({"sent": 2}));
    }
}
