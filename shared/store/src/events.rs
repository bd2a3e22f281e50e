use std::collections::{BTreeMap, BTreeSet};

use aws::dynamodb::Client;
use aws::dynamodb::{KeysAndAttributes, TransactWriteItem, Update};
use domain::decision::{EventRecord, Outcome};
use domain::{EventKey, ReplayId, RunId, WorkflowId};
use futures_util::future::join_all;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::item::{Item, Reader, expiry, json, number, sortable_time, text, time};
use crate::period::{Groups, Index, Order, Page, Period, Place};
use crate::read_each::{Unknown, read_each};

/// What a listing shows of a subject or a source, in characters: senders choose them, and they lie in the row twice.
pub const LISTED_CHARACTERS: usize = 256;

/// How often an event may be replayed. Its row keeps a note of each.
pub const MOST_REPLAYS: usize = 100;

/// An event as listings know it, without what the sender said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventEntry {
    /// The event's key.
    pub key: EventKey,
    /// Its type.
    pub kind: String,
    /// Its subject, see [`listed`].
    pub subject: Option<String>,
    /// Its source, see [`listed`].
    pub source: String,
    /// When it was evaluated first.
    pub evaluated_at: Timestamp,
    /// How many workflows started when it was evaluated.
    pub started: u32,
}

/// An event with what became of it after it was evaluated.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredEvent {
    /// The event, and what was decided about it.
    pub record: EventRecord,
    /// Every replay, oldest first.
    pub replays: Vec<Replayed>,
    /// How often a run of the event was begun or opened again by somebody. Whoever does so must have seen the
    /// last one.
    pub opened: u32,
}

/// A run that somebody had begun for an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replayed {
    /// The workflow.
    pub workflow: WorkflowId,
    /// Its revision.
    pub revision: u32,
    /// The run.
    pub run: RunId,
    /// The occasion.
    pub replay: ReplayId,
    /// Whether the run's tasks have keys of their own.
    pub new_keys: bool,
    /// When.
    pub at: Timestamp,
}

/// A subject or a source as listings have it: the beginning of a long one.
pub fn listed(text: &str) -> String {
    text.chars().take(LISTED_CHARACTERS).collect()
}

/// The table of events: one row an event, keyed by its key, until it expires.
#[derive(Debug, Clone)]
pub struct Events {
    client: Client,
    table: String,
}

impl Events {
    /// The table of this name.
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// One event with its decisions, as it is now (a consistent read).
    ///
    /// # Errors
    /// Retry, but for a corrupt row.
    pub async fn get(&self, key: &EventKey) -> Result<Option<EventRecord>, Error> {
        const OPERATION: &str = "reading an event";
        let item = self.item(OPERATION, key).await?;
        item.map(|item| read(OPERATION, &item)).transpose()
    }

    /// Several events with their decisions, each as [`Events::get`] gives it. Usually one call.
    pub async fn get_each(&self, keys: &[EventKey]) -> Vec<Result<Option<EventRecord>, Error>> {
        const OPERATION: &str = "reading events";
        if let [key] = keys {
            return vec![self.get(key).await];
        }
        let wanted = keys.iter().map(|key| vec![key.to_string()]).collect();
        let found = read_each(&self.client, OPERATION, &self.table, &["event"], wanted).await;
        join_all(
            keys.iter()
                .map(async |key| match found.row(OPERATION, &[key.to_string()]) {
                    Ok(item) => item.map(|item| read(OPERATION, item)).transpose(),
                    Err(Unknown::NotLookedFor) => self.get(key).await,
                    Err(Unknown::Unanswered(error)) => Err(error),
                }),
        )
        .await
    }

    /// One event with what became of it, as it is now (a consistent read).
    ///
    /// # Errors
    /// Retry, but for a corrupt row.
    pub async fn read(&self, key: &EventKey) -> Result<Option<StoredEvent>, Error> {
        const OPERATION: &str = "reading an event";
        let Some(item) = self.item(OPERATION, key).await? else {
            return Ok(None);
        };
        let reader = Reader {
            operation: OPERATION,
            item: &item,
        };
        Ok(Some(StoredEvent {
            record: read(OPERATION, &item)?,
            replays: reader.json("replays")?.unwrap_or_default(),
            opened: reader.number("opened")?.unwrap_or(0),
        }))
    }

    /// The events that were evaluated in a period, some at a time. An event is listed a moment after it was stored.
    ///
    /// # Errors
    /// Retry, but for a corrupt row.
    pub async fn of_period(
        &self,
        period: Period,
        order: Order,
        after: Option<&Place>,
        limit: usize,
    ) -> Result<Page<EventEntry>, Error> {
        const OPERATION: &str = "listing events";
        let index = Index {
            operation: OPERATION,
            table: &self.table,
            name: "by_day",
            group: "day",
            moment: "evaluated_at",
            moment_is_text: false,
            id: "event",
            rest_of_key: None,
        };
        let page = index.page(&self.client, &Groups::Days, period, order, after, limit);
        page.await?.try_map(|item| read_entry(OPERATION, &item))
    }

    async fn item(&self, operation: &'static str, key: &EventKey) -> Result<Option<Item>, Error> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("event", text(key.as_str()))
            .consistent_read(true)
            .send()
            .await
            .map_err(Error::unavailable(operation))?;
        Ok(answer.item)
    }

    /// Which of these events are there, as it is now. Costs one call.
    ///
    /// # Errors
    /// Retry, also when DynamoDB had no time for all of them. Give up on more than 100.
    pub async fn known(&self, keys: &[EventKey]) -> Result<BTreeSet<EventKey>, Error> {
        const OPERATION: &str = "looking for events";
        if keys.is_empty() {
            return Ok(BTreeSet::new());
        }
        let keys = keys
            .iter()
            .map(|key| Item::from([("event".to_owned(), text(key.as_str()))]))
            .collect();
        let names = BTreeMap::from([("#event".to_owned(), "event".to_owned())]);
        let wanted = KeysAndAttributes {
            keys,
            consistent_read: Some(true),
            projection_expression: Some("#event".to_owned()),
            expression_attribute_names: Some(names),
        };
        let answer = self
            .client
            .batch_get_item()
            .request_items(&self.table, wanted)
            .send()
            .await
            .map_err(Error::unavailable(OPERATION))?;
        if answer.unprocessed_keys.is_some_and(|keys| !keys.is_empty()) {
            return Err(Error::Unavailable {
                operation: OPERATION,
                code: None,
                source: "only some of the events were looked for".into(),
            });
        }
        let found = answer.responses.unwrap_or_default();
        let found = found.values();
        found
            .flatten()
            .map(|item| {
                let reader = Reader {
                    operation: OPERATION,
                    item,
                };
                let key = reader.text("event")?.unwrap_or_default();
                EventKey::parse(key).map_err(|problem| Error::Corrupt {
                    operation: OPERATION,
                    what: "event",
                    problem: problem.to_string(),
                })
            })
            .collect()
    }
}

pub(crate) fn write(
    operation: &'static str,
    record: &EventRecord,
    retention_days: u32,
) -> Result<Item, Error> {
    let event = &record.event;
    let day = sortable_time(record.evaluated_at);
    let day = day.get(..10).unwrap_or_default();
    let started = record.decisions.iter().filter(|decision| {
        let outcome = &decision.outcome;
        matches!(outcome, Outcome::Started { .. })
    });
    let started = u32::try_from(started.count()).unwrap_or(u32::MAX);
    let mut row = Item::from([
        ("event".to_owned(), text(event.key().as_str())),
        ("document".to_owned(), json(operation, "event", event)?),
        (
            "decisions".to_owned(),
            json(operation, "decisions", &record.decisions)?,
        ),
        ("evaluated_at".to_owned(), time(record.evaluated_at)),
        (
            "expires_at".to_owned(),
            expiry(record.evaluated_at, retention_days),
        ),
        // What listings show.
        ("day".to_owned(), text(day)),
        ("type".to_owned(), text(listed(&event.kind))),
        ("source".to_owned(), text(listed(&event.source))),
        ("started".to_owned(), number(started)),
    ]);
    if let Some(subject) = &event.subject {
        row.insert("subject".to_owned(), text(listed(subject)));
    }
    Ok(row)
}

/// Notes on an event's row that a run of it is begun or opened again, on condition that nobody else did so since
/// `seen` was read: two runs that have the same keys towards a vendor must not both begin because each saw the other
/// at rest.
pub(crate) fn note(
    operation: &'static str,
    table: &str,
    seen: &StoredEvent,
    replays: Option<&[Replayed]>,
) -> Result<TransactWriteItem, Error> {
    let mut update = Update::builder()
        .table_name(table)
        .key("event", text(seen.record.event.key().as_str()))
        .expression_attribute_names("#event", "event")
        .expression_attribute_values(":next", number(seen.opened.saturating_add(1)));
    update = if seen.opened == 0 {
        update.condition_expression("attribute_exists(#event) AND attribute_not_exists(opened)")
    } else {
        update
            .condition_expression("attribute_exists(#event) AND opened = :seen")
            .expression_attribute_values(":seen", number(seen.opened))
    };
    update = match replays {
        Some(replays) => update
            .update_expression("SET opened = :next, replays = :replays")
            .expression_attribute_values(":replays", json(operation, "replays", &replays)?),
        None => update.update_expression("SET opened = :next"),
    };
    Ok(TransactWriteItem::Update(update))
}

fn read_entry(operation: &'static str, item: &Item) -> Result<EventEntry, Error> {
    let reader = Reader { operation, item };
    let missing = |what| Error::Corrupt {
        operation,
        what,
        problem: "it is missing".to_owned(),
    };
    let key = reader.text("event")?.unwrap_or_default();
    Ok(EventEntry {
        key: EventKey::parse(key).map_err(|error| Error::Corrupt {
            operation,
            what: "event",
            problem: error.to_string(),
        })?,
        kind: reader.text("type")?.unwrap_or_default().to_owned(),
        subject: reader.text("subject")?.map(str::to_owned),
        source: reader.text("source")?.unwrap_or_default().to_owned(),
        evaluated_at: reader
            .time("evaluated_at")?
            .ok_or_else(|| missing("evaluated_at"))?,
        started: reader.number("started")?.unwrap_or(0),
    })
}

fn read(operation: &'static str, item: &Item) -> Result<EventRecord, Error> {
    let reader = Reader { operation, item };
    Ok(EventRecord {
        event: reader.required_json("document")?,
        evaluated_at: reader
            .time("evaluated_at")?
            .unwrap_or(Timestamp::UNIX_EPOCH),
        decisions: reader.required_json("decisions")?,
    })
}
