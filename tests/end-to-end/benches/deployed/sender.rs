//! Sends as senders do: many at a time, each event again until it is accepted.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use domain::EventKey;
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};

use crate::scene::{SECRET, Scene};

/// Requests at a time.
const AT_A_TIME: usize = 32;
/// Attempts for one event.
const ATTEMPTS: u32 = 20;
/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(500);
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_mins(2);

/// What came of it so far.
#[derive(Debug, Default)]
pub(crate) struct Sending {
    /// Keys of the events that were accepted, with their numbers.
    pub(crate) accepted: RefCell<Vec<(usize, EventKey)>>,
    /// Events that were not, and how the last attempt was answered.
    pub(crate) refused: RefCell<Vec<String>>,
    /// Attempts after the first ones.
    pub(crate) repeats: Cell<usize>,
    /// Until the last one was answered; nothing before.
    pub(crate) took: Cell<Duration>,
}

impl Sending {
    /// Events that need not be sent again.
    pub(crate) fn answered(&self) -> usize {
        self.accepted_count() + self.refused.borrow().len()
    }

    /// Events that were accepted.
    pub(crate) fn accepted_count(&self) -> usize {
        self.accepted.borrow().len()
    }
}

/// The text of an event's ticket.
pub(crate) fn text(number: usize) -> String {
    format!("number {number}")
}

/// Sends so many events.
pub(crate) async fn send_all(scene: &Scene, events: usize, sent: &Sending) {
    let client = reqwest::Client::builder()
        .timeout(PATIENCE)
        .build()
        .unwrap();
    let client = &client;
    stream::iter(0..events)
        .for_each_concurrent(AT_A_TIME, async |number| {
            let mut last = String::new();
            for attempt in 0..ATTEMPTS {
                if attempt > 0 {
                    sent.repeats.set(sent.repeats.get() + 1);
                    tokio::time::sleep(PAUSE).await;
                }
                match send(client, scene, number).await {
                    Ok(key) => {
                        sent.accepted.borrow_mut().push((number, key));
                        return;
                    }
                    Err(Refusal { problem, is_final }) => {
                        last = problem;
                        if is_final {
                            break;
                        }
                    }
                }
            }
            sent.refused.borrow_mut().push(format!("{number}: {last}"));
        })
        .await;
}

/// Why an event was not accepted.
struct Refusal {
    problem: String,
    /// Whether it would not be accepted another time either.
    is_final: bool,
}

async fn send(client: &reqwest::Client, scene: &Scene, number: usize) -> Result<EventKey, Refusal> {
    let unanswered = |error: reqwest::Error| Refusal {
        problem: error.to_string(),
        is_final: false,
    };
    let body = json!({"id": format!("many-{number}"), "text": text(number)});
    let answer = client
        .post(format!("{}/events/{}", scene.stack.api, scene.endpoint))
        .header("content-type", "application/json")
        .bearer_auth(SECRET)
        .body(body.to_string())
        .send()
        .await
        .map_err(unanswered)?;
    let status = answer.status();
    let text = answer.text().await.map_err(unanswered)?;
    let answer: Value = serde_json::from_str(&text).unwrap_or_default();
    let key = answer["events"][0]["key"].as_str();
    match key.and_then(|key| EventKey::parse(key).ok()) {
        Some(key) if status.is_success() => Ok(key),
        Some(_) | None => Err(Refusal {
            problem: format!("{status} {text}"),
            is_final: status.is_client_error() && status.as_u16() != 429,
        }),
    }
}
