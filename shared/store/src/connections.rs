use std::collections::{BTreeMap, BTreeSet};

use aws::dynamodb::Client;
use aws::dynamodb::{AttributeValue, KeysAndAttributes, Put, TransactWriteItem, Update};
use domain::{Connection, ConnectionId, TaskReference};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::Error;
use crate::item::{Item, Reader, json, text, time};
use crate::period::{Groups, Index, Order, Page, Period, Place};
use crate::runs::{Written, transact};

/// Rows that DynamoDB gives in one call.
///
/// Source: <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html>
const BATCH: usize = 100;
/// How often DynamoDB is asked again for what it left out of a batch, in which case it gives at least one row each time.
const MOST_ROUNDS: usize = 20;
/// Notes that a connection was told of.
const TOLD: &str = "SET told = :told, version = :next REMOVE unfinished";
/// The one group of the index of connections that have no end or were not told of: there are few.
const UNFINISHED: &str = "unfinished";
/// Rows of one task that are read at once. A task has few connections.
const MOST_OF_TASK: usize = 1_000;

/// Rows that are written together at most: DynamoDB takes 100 of 4 MB in all, and a row may have some tens of kilobytes.
///
/// Source: <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html>
pub const TOGETHER: usize = 50;

/// A connection as its row has it.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredConnection {
    /// The connection.
    pub connection: Connection,
    /// Whether the event that it ended was put on the bus.
    pub told: bool,
    /// Counts the changes of the row, from 1.
    pub version: u64,
    /// When its end was last asked for, see [`Connections::asked_for`]; absent since its last change.
    pub asked_at: Option<Timestamp>,
}

/// Which of some connections are there.
#[derive(Debug, Default)]
pub struct Known {
    /// Those that are.
    pub rows: BTreeMap<ConnectionId, StoredConnection>,
    /// Those whose rows cannot be read.
    pub unreadable: BTreeSet<ConnectionId>,
}

/// The table of connections: one row a connection, keyed by its id. Rows stay.
#[derive(Debug, Clone)]
pub struct Connections {
    client: Client,
    table: String,
}

impl Connections {
    /// The table of this name.
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// One connection, as it is now (a consistent read).
    ///
    /// # Errors
    /// Retry, but for a corrupt row.
    pub async fn get(&self, id: &ConnectionId) -> Result<Option<StoredConnection>, Error> {
        const OPERATION: &str = "reading a connection";
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("id", text(id.as_str()))
            .consistent_read(true)
            .send()
            .await
            .map_err(Error::unavailable(OPERATION))?;
        answer.item.map(|item| read(OPERATION, &item)).transpose()
    }

    /// Which of these connections are there, as they are now. Costs a call for every 100.
    ///
    /// # Errors
    /// Retry. A row that cannot be read is named in the answer.
    pub async fn known(&self, ids: &[ConnectionId]) -> Result<Known, Error> {
        const OPERATION: &str = "looking for connections";
        let mut found = Known::default();
        for ids in ids.chunks(BATCH) {
            // A key that is asked for twice makes DynamoDB refuse the whole batch.
            let ids: BTreeSet<&str> = ids.iter().map(ConnectionId::as_str).collect();
            let keys = ids
                .into_iter()
                .map(|id| Item::from([("id".to_owned(), text(id))]))
                .collect();
            let wanted = KeysAndAttributes {
                keys,
                consistent_read: Some(true),
                ..KeysAndAttributes::default()
            };
            let mut wanted = Some(BTreeMap::from([(self.table.clone(), wanted)]));
            for _ in 0..MOST_ROUNDS {
                let Some(request) = wanted.take() else { break };
                let answer = self
                    .client
                    .batch_get_item()
                    .set_request_items(Some(request))
                    .send()
                    .await
                    .map_err(Error::unavailable(OPERATION))?;
                for item in answer
                    .responses
                    .into_iter()
                    .flat_map(BTreeMap::into_values)
                    .flatten()
                {
                    match read(OPERATION, &item) {
                        Ok(stored) => {
                            found.rows.insert(stored.connection.id.clone(), stored);
                        }
                        Err(error) => {
                            let reader = Reader {
                                operation: OPERATION,
                                item: &item,
                            };
                            let id = reader.text("id")?.unwrap_or_default();
                            let id = ConnectionId::parse(id).map_err(|_| error)?;
                            found.unreadable.insert(id);
                        }
                    }
                }
                wanted = answer.unprocessed_keys.filter(|keys| !keys.is_empty());
            }
            if wanted.is_some() {
                return Err(Error::Unavailable {
                    operation: OPERATION,
                    code: None,
                    source: "only some of the connections were looked for".into(),
                });
            }
        }
        Ok(found)
    }

    /// Stores a connection if its row is still as it was read: of the `expected` version, or not there at all. The new
    /// version, or `None` when somebody else was quicker: read it again, then.
    ///
    /// # Errors
    /// Retry; give up on a connection that is too large.
    pub async fn put(
        &self,
        connection: &Connection,
        expected: Option<u64>,
        told: bool,
    ) -> Result<Option<u64>, Error> {
        const OPERATION: &str = "storing a connection";
        let version = expected.unwrap_or_default().saturating_add(1);
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(write(OPERATION, connection, version, told)?));
        let put = match expected {
            None => put.condition_expression("attribute_not_exists(id)"),
            Some(expected) => put
                .condition_expression("version = :expected")
                .expression_attribute_values(":expected", count(expected)),
        };
        match put.send().await {
            Ok(_) => Ok(Some(version)),
            // Of a transaction that is under way nobody knows yet what it leaves.
            Err(error) if error.is_condition_failed() || error.is_transaction_conflict() => {
                Ok(None)
            }
            Err(error) => Err(Error::unavailable(OPERATION)(error)),
        }
    }

    /// Stores up to [`TOGETHER`] connections, each as [`Connections::put`] does with the version that is expected and whether
    /// it was told of. All of them or, when somebody else was quicker with one, none: `false` then.
    ///
    /// # Errors
    /// Retry; give up on a connection that is too large.
    pub async fn put_together(
        &self,
        writes: &[(&Connection, Option<u64>, bool)],
    ) -> Result<bool, Error> {
        const OPERATION: &str = "storing connections";
        let puts = writes.iter().map(|(connection, expected, told)| {
            let version = expected.unwrap_or_default().saturating_add(1);
            let put = Put::builder()
                .table_name(&self.table)
                .set_item(Some(write(OPERATION, connection, version, *told)?));
            let put = match expected {
                None => put.condition_expression("attribute_not_exists(id)"),
                Some(expected) => put
                    .condition_expression("version = :expected")
                    .expression_attribute_values(":expected", count(*expected)),
            };
            Ok(TransactWriteItem::Put(put))
        });
        let puts = puts.collect::<Result<Vec<_>, Error>>()?;
        self.together(OPERATION, puts).await
    }

    /// Notes of up to [`TOGETHER`] connections what [`Connections::told`] does of one. All of them or none: `false` then.
    ///
    /// # Errors
    /// Retry: doing it twice changes nothing.
    pub async fn told_together(&self, rows: &[(&ConnectionId, u64)]) -> Result<bool, Error> {
        const OPERATION: &str = "storing that connections were told of";
        let updates = rows.iter().map(|(id, version)| {
            let update = Update::builder()
                .table_name(&self.table)
                .key("id", text(id.as_str()))
                .update_expression(TOLD)
                .condition_expression("version = :expected")
                .expression_attribute_values(":told", AttributeValue::Bool(true))
                .expression_attribute_values(":expected", count(*version))
                .expression_attribute_values(":next", count(version.saturating_add(1)));
            Ok(TransactWriteItem::Update(update))
        });
        let updates = updates.collect::<Result<Vec<_>, Error>>()?;
        self.together(OPERATION, updates).await
    }

    async fn together(
        &self,
        operation: &'static str,
        writes: Vec<TransactWriteItem>,
    ) -> Result<bool, Error> {
        if writes.is_empty() {
            return Ok(true);
        }
        match transact(&self.client, operation, writes).await {
            Ok(Written::All) => Ok(true),
            // A row has changed, or is being changed at this moment.
            Ok(Written::Nothing { .. }) | Err(Error::Conflict { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Notes that the event was put on the bus; tells whether the row was still of that version. If not, whoever changed it
    /// tells of it again.
    ///
    /// # Errors
    /// Retry: doing it twice changes nothing.
    pub async fn told(&self, id: &ConnectionId, version: u64) -> Result<bool, Error> {
        const OPERATION: &str = "storing that a connection was told of";
        let update = self
            .of_version(id, version)
            .update_expression(TOLD)
            .expression_attribute_values(":told", AttributeValue::Bool(true))
            .expression_attribute_values(":next", count(version.saturating_add(1)));
        held(OPERATION, update.send().await)
    }

    /// Notes that a connection's end was asked for in vain, if its row is still of that version. That is no change of it.
    ///
    /// # Errors
    /// Retry: doing it twice changes nothing.
    pub async fn asked_for(
        &self,
        id: &ConnectionId,
        version: u64,
        now: Timestamp,
    ) -> Result<bool, Error> {
        const OPERATION: &str = "storing that a connection's end was asked for";
        let update = self
            .of_version(id, version)
            .update_expression("SET asked_at = :now")
            .expression_attribute_values(":now", time(now));
        held(OPERATION, update.send().await)
    }

    /// Takes a connection out of [`Connections::unfinished`] that will never have an end, if its row is still of that
    /// version. It comes back with its next change.
    ///
    /// # Errors
    /// Retry: doing it twice changes nothing.
    pub async fn give_up_end(&self, id: &ConnectionId, version: u64) -> Result<bool, Error> {
        const OPERATION: &str = "storing that a connection has no end";
        let update = self
            .of_version(id, version)
            .update_expression("REMOVE unfinished, asked_at");
        held(OPERATION, update.send().await)
    }

    fn of_version(
        &self,
        id: &ConnectionId,
        version: u64,
    ) -> aws::dynamodb::Request<aws::dynamodb::UpdateItem> {
        self.client
            .update_item()
            .table_name(&self.table)
            .key("id", text(id.as_str()))
            .condition_expression("version = :expected")
            .expression_attribute_values(":expected", count(version))
    }

    /// The connections that began in a period, some at a time. One is listed a moment after it was stored.
    ///
    /// # Errors
    /// Retry, but for a corrupt row.
    pub async fn in_period(
        &self,
        period: Period,
        order: Order,
        after: Option<&Place>,
        limit: usize,
    ) -> Result<Page<Connection>, Error> {
        const OPERATION: &str = "listing connections";
        let index = self.index(OPERATION, "by_day", "day");
        let page = index.page(&self.client, &Groups::Days, period, order, after, limit);
        page.await?
            .try_map(|item| Ok(read(OPERATION, &item)?.connection))
    }

    /// The connections that began in a period and have no end, or have one and were not told of; newest first, some at a
    /// time. Rows that cannot be read are left out.
    ///
    /// # Errors
    /// Retry.
    pub async fn unfinished(
        &self,
        period: Period,
        after: Option<&Place>,
        limit: usize,
    ) -> Result<Page<StoredConnection>, Error> {
        const OPERATION: &str = "listing connections without an end";
        let index = self.index(OPERATION, "unfinished", "unfinished");
        let group = Groups::One(UNFINISHED.to_owned());
        let order = Order::NewestFirst;
        let page = index.page(&self.client, &group, period, order, after, limit);
        let page = page.await?;
        let rows = page.items.iter();
        Ok(Page {
            items: rows.filter_map(|item| read(OPERATION, item).ok()).collect(),
            next: page.next,
        })
    }

    /// The connections of one task that began in a period, some at a time: found by the task's number and by its id,
    /// whichever is known. Of a connection both may be known or one of them, so that both are looked for.
    ///
    /// # Errors
    /// Retry, but for a corrupt row.
    pub async fn of_task(
        &self,
        task: &TaskReference,
        period: Period,
        order: Order,
        after: Option<&Place>,
        limit: usize,
    ) -> Result<Page<Connection>, Error> {
        const OPERATION: &str = "listing a task's connections";
        let (by_number, by_sys_id) = keys(task);
        let mut rows = BTreeMap::new();
        let mut complete = true;
        // Where one of them was read to, the rows of the other behind it are left for the next page.
        let mut read_to: Option<Timestamp> = None;
        let wanted = [
            ("by_task_number", "task_number", by_number),
            ("by_task_sys_id", "task_sys_id", by_sys_id),
        ];
        let from = after.map(|place| Place {
            at: place.at,
            id: String::new(),
        });
        for (name, group, key) in wanted {
            let Some(key) = key else { continue };
            let index = self.index(OPERATION, name, group);
            let group = Groups::One(key);
            let page = index.page(
                &self.client,
                &group,
                period,
                order,
                from.as_ref(),
                MOST_OF_TASK,
            );
            let page = page
                .await?
                .try_map(|item| Ok(read(OPERATION, &item)?.connection))?;
            if let Some(next) = page.next {
                complete = false;
                read_to = Some(match (read_to, order) {
                    (None, _) => next.at,
                    (Some(other), Order::OldestFirst) => other.min(next.at),
                    (Some(other), Order::NewestFirst) => other.max(next.at),
                });
            }
            for connection in page.items {
                let belongs = connection.task.as_ref().is_some_and(|own| own.fits(task));
                if belongs {
                    rows.insert(place(&connection), connection);
                }
            }
        }
        let rows = rows.into_values().collect();
        Ok(paged(rows, complete, read_to, order, after, limit))
    }

    fn index(&self, operation: &'static str, name: &'static str, group: &'static str) -> Index<'_> {
        Index {
            operation,
            table: &self.table,
            name,
            group,
            moment: "started_at",
            moment_is_text: false,
            id: "id",
            rest_of_key: None,
        }
    }
}

/// By what a connection is sorted: its start as the index has it, then its id.
fn place(connection: &Connection) -> (i64, String) {
    let at = connection.started_at.as_millisecond();
    (at, connection.id.to_string())
}

/// Of rows that are sorted by start and id, those behind `after`, so many of them. `complete`: there are no others; else
/// they were read to `read_to`, all rows of which moment may not be there.
fn paged(
    mut rows: Vec<Connection>,
    complete: bool,
    read_to: Option<Timestamp>,
    order: Order,
    after: Option<&Place>,
    limit: usize,
) -> Page<Connection> {
    if order == Order::NewestFirst {
        rows.reverse();
    }
    let is_behind = |row: &(i64, String), place: &(i64, String)| match order {
        Order::OldestFirst => row > place,
        Order::NewestFirst => row < place,
    };
    let asked = after;
    if let Some(after) = after.filter(|place| !place.id.is_empty()) {
        let after = (after.at.as_millisecond(), after.id.clone());
        rows.retain(|one| is_behind(&place(one), &after));
    }
    let mut next = None;
    if let (false, Some(at)) = (complete, read_to) {
        let border = at.as_millisecond();
        let within = |one: &Connection| match order {
            Order::OldestFirst => one.started_at.as_millisecond() < border,
            Order::NewestFirst => one.started_at.as_millisecond() > border,
        };
        // Unless all of them are of that very moment: then it goes on behind the last.
        if rows.iter().any(within) {
            rows.retain(within);
            next = Some(Place {
                at,
                id: String::new(),
            });
        } else {
            // Nor does it stop where none of the rows belongs to the task.
            let border = Place {
                at,
                id: String::new(),
            };
            let is_further = asked.is_none_or(|place| place.at != at);
            let last = rows.last().map(last_place);
            next = last.or_else(|| is_further.then_some(border));
        }
    }
    if rows.len() > limit {
        rows.truncate(limit);
        next = rows.last().map(last_place);
    }
    Page { items: rows, next }
}

fn last_place(connection: &Connection) -> Place {
    Place {
        at: connection.started_at,
        id: connection.id.to_string(),
    }
}

/// What a task is found by: its number and its id, each as the indexes have it.
fn keys(task: &TaskReference) -> (Option<String>, Option<String>) {
    let number = task.number.as_deref().map(str::to_ascii_uppercase);
    let sys_id = task.sys_id.as_deref().map(str::to_ascii_lowercase);
    // An index takes no empty keys.
    let given = |key: Option<String>| key.filter(|key| !key.is_empty());
    (given(number), given(sys_id))
}

/// Whether the condition of a write held. Of a transaction that is under way nobody knows yet what it leaves.
fn held<T>(operation: &'static str, sent: Result<T, aws::Error>) -> Result<bool, Error> {
    match sent {
        Ok(_) => Ok(true),
        Err(error) if error.is_condition_failed() || error.is_transaction_conflict() => Ok(false),
        Err(error) => Err(Error::unavailable(operation)(error)),
    }
}

fn count(value: u64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

fn write(
    operation: &'static str,
    connection: &Connection,
    version: u64,
    told: bool,
) -> Result<Item, Error> {
    let day = connection.started_at.to_zoned(TimeZone::UTC).date();
    let mut row = Item::from([
        ("id".to_owned(), text(connection.id.as_str())),
        (
            "document".to_owned(),
            json(operation, "connection", connection)?,
        ),
        ("version".to_owned(), count(version)),
        ("told".to_owned(), AttributeValue::Bool(told)),
        // What listings are made by.
        ("day".to_owned(), text(day.to_string())),
        ("started_at".to_owned(), time(connection.started_at)),
    ]);
    if connection.ended_at.is_none() || !told {
        row.insert("unfinished".to_owned(), text(UNFINISHED));
    }
    let (by_number, by_sys_id) = connection.task.as_ref().map(keys).unwrap_or_default();
    for (name, key) in [("task_number", by_number), ("task_sys_id", by_sys_id)] {
        if let Some(key) = key {
            row.insert(name.to_owned(), text(key));
        }
    }
    Ok(row)
}

fn read(operation: &'static str, item: &Item) -> Result<StoredConnection, Error> {
    let reader = Reader { operation, item };
    Ok(StoredConnection {
        connection: reader.required_json("document")?,
        told: reader.flag("told"),
        version: reader.number("version")?.unwrap_or(0),
        asked_at: reader.time("asked_at")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item::number;
    use serde_json::json;

    fn connection(id: &str, second: u32) -> Connection {
        serde_json::from_value(json!({
            "id": id, "account": "tv", "started_at": format!("2026-11-21T10:00:{second:02}.9Z")
        }))
        .unwrap()
    }

    #[test]
    fn row_carries_what_it_is_listed_by_and_nothing_empty() {
        let open = write("x", &connection("A-1", 0), 3, false).unwrap();
        assert_eq!(
            (&open["id"], &open["day"]),
            (&text("a-1"), &text("2026-11-21"))
        );
        assert_eq!(open["started_at"], number(1_795_255_200_900_i64));
        assert_eq!(open["unfinished"], text("unfinished"));
        assert!(!open.contains_key("task_number") && !open.contains_key("task_sys_id"));
        let read = read("x", &open).unwrap();
        assert_eq!((read.version, read.told), (3, false));
        assert_eq!(read.connection, connection("a-1", 0));

        let mut ended = connection("a-1", 0);
        ended.ended_at = Some(ended.started_at);
        ended.task = Some(TaskReference {
            number: Some("inc0010001".to_owned()),
            sys_id: Some(String::new()),
            ..TaskReference::default()
        });
        // It stays among the unfinished until it was told of.
        let untold = write("x", &ended, 4, false).unwrap();
        assert_eq!(untold["unfinished"], text("unfinished"));
        let ended = write("x", &ended, 4, true).unwrap();
        assert_eq!(ended["task_number"], text("INC0010001"));
        assert!(!ended.contains_key("unfinished") && !ended.contains_key("task_sys_id"));
    }

    /// Pages through so many rows in all, of which one call gives `most`.
    fn walk(order: Order, limit: usize, most: usize) -> Vec<String> {
        let mut all: Vec<Connection> = (0..10)
            .map(|number| connection(&format!("c-{number}"), number / 3))
            .collect();
        all.sort_by_key(place);
        let mut seen = Vec::new();
        let mut after: Option<Place> = None;
        for _ in 0..50 {
            // As an index gives them: from the moment of `after` on, in its order, and where there is more, to where.
            let mut rows: Vec<Connection> = all
                .iter()
                .filter(|one| {
                    after.as_ref().is_none_or(|place| match order {
                        Order::OldestFirst => one.started_at >= place.at,
                        Order::NewestFirst => one.started_at <= place.at,
                    })
                })
                .cloned()
                .collect();
            if order == Order::NewestFirst {
                rows.reverse();
            }
            let complete = rows.len() <= most;
            rows.truncate(most);
            let read_to = rows.last().map(|one| one.started_at);
            rows.sort_by_key(place);
            let page = paged(rows, complete, read_to, order, after.as_ref(), limit);
            assert!(page.items.len() <= limit);
            seen.extend(page.items.iter().map(|one| one.id.to_string()));
            after = page.next;
            if after.is_none() {
                return seen;
            }
        }
        panic!("it does not end");
    }

    #[test]
    fn every_row_of_a_task_is_listed_once_whatever_the_page() {
        let forward: Vec<String> = (0..10).map(|number| format!("c-{number}")).collect();
        let backward: Vec<String> = forward.iter().rev().cloned().collect();
        for limit in [1, 2, 3, 4, 100] {
            for most in [4, 5, 9, 10, 100] {
                assert_eq!(
                    walk(Order::OldestFirst, limit, most),
                    forward,
                    "{limit} {most}"
                );
                assert_eq!(
                    walk(Order::NewestFirst, limit, most),
                    backward,
                    "{limit} {most}"
                );
            }
        }
    }
}
