use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use domain::preview::{Preview, PreviewRequest};
use serde::{Deserialize, Serialize};

/// What a task function is invoked with.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "Payload")]
pub enum Invocation {
    /// A batch of its queue.
    Batch(SqsEvent),
    /// The question what a task would send, by whoever may invoke the function. What comes by the queue is never
    /// taken for one: its messages are texts inside of `Records`.
    Preview(Box<PreviewRequest>),
}

/// What a task function answers.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Answer {
    /// Which messages of a batch must come again.
    Batch(SqsBatchResponse),
    /// What a task would send.
    Preview(Preview),
}

#[derive(Deserialize)]
struct Payload {
    #[serde(rename = "Records")]
    records: Option<Vec<SqsMessage>>,
    preview: Option<Box<PreviewRequest>>,
}

#[derive(Debug, thiserror::Error)]
#[error("expected either `Records` of a queue or `preview`")]
struct Neither;

impl TryFrom<Payload> for Invocation {
    type Error = Neither;

    fn try_from(payload: Payload) -> Result<Self, Neither> {
        match (payload.records, payload.preview) {
            (Some(records), None) => {
                let mut batch = SqsEvent::default();
                batch.records = records;
                Ok(Self::Batch(batch))
            }
            (None, Some(request)) => Ok(Self::Preview(request)),
            (Some(_), Some(_)) | (None, None) => Err(Neither),
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::TaskKind;
    use serde_json::{Value, json};

    use super::*;

    fn question() -> Value {
        json!({
            "kind": "zendesk.create_ticket", "key": format!("tk_{}", "0".repeat(32)),
            "account": {"name": "support", "vendor": "zendesk", "instance": "acme"}, "input": {"comment": "x"}
        })
    }

    #[test]
    fn batch_and_question_are_told_apart() {
        let message = json!({"messageId": "m1", "body": "{}"});
        let batch: Invocation =
            serde_json::from_value(json!({"Records": [message.clone()]})).unwrap();
        let Invocation::Batch(read) = batch else {
            panic!("{batch:?}")
        };
        let plain: SqsEvent = serde_json::from_value(json!({"Records": [message]})).unwrap();
        assert_eq!(read, plain);
        assert_eq!(read.records.len(), 1);

        let asked: Invocation = serde_json::from_value(json!({"preview": question()})).unwrap();
        let Invocation::Preview(request) = asked else {
            panic!("{asked:?}")
        };
        assert_eq!(request.kind, TaskKind::ZendeskCreateTicket);
    }

    #[test]
    fn message_of_a_queue_that_looks_like_a_question_is_a_message() {
        let body = json!({"preview": question()}).to_string();
        let read = serde_json::from_value(json!({"Records": [{"body": body}]})).unwrap();
        assert!(matches!(read, Invocation::Batch(batch) if batch.records.len() == 1));
    }

    #[test]
    fn anything_else_is_refused() {
        for payload in [
            json!({}),
            json!({"Records": null}),
            json!({"Records": [], "preview": question()}),
            json!({"preview": {"kind": "fax.send"}}),
            json!([]),
        ] {
            let read = serde_json::from_value::<Invocation>(payload.clone());
            assert!(read.is_err(), "{payload}");
        }
    }

    #[test]
    fn batch_is_answered_as_a_queue_expects_it() {
        let answer = Answer::Batch(SqsBatchResponse::default());
        assert_eq!(json!(answer), json!({"batchItemFailures": []}));
        let answer = Answer::Preview(Preview::default());
        assert_eq!(
            json!(answer),
            json!({"requests": [], "problem": null, "notes": []})
        );
    }
}
