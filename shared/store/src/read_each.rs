//! Several rows in one call.

use std::collections::BTreeMap;

use aws::dynamodb::{AttributeValue, Client, KeysAndAttributes};
use futures_util::future::join_all;

use crate::Error;
use crate::item::{Item, text};

/// `BatchGetItem` takes 100 keys.
///
/// Source: <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html>
const MOST_KEYS: usize = 100;

/// A row's key, by the values of its attributes.
pub(crate) type Key = Vec<String>;

/// What was found of several rows.
#[derive(Debug, Default)]
pub(crate) struct Found {
    rows: BTreeMap<Key, Item>,
    /// Not all of them were looked for: what is not among the rows may be there all the same.
    is_partial: bool,
    /// Those that were asked for without an answer, and why.
    unanswered: BTreeMap<Key, Error>,
}

impl Found {
    /// The row; `Ok(None)` when it is not there, `Err` when nobody knows.
    pub(crate) fn row(
        &self,
        operation: &'static str,
        key: &[String],
    ) -> Result<Option<&Item>, Unknown> {
        if let Some(row) = self.rows.get(key) {
            return Ok(Some(row));
        }
        match self.unanswered.get(key) {
            Some(error) => Err(Unknown::Unanswered(error.shared(operation))),
            None if self.is_partial => Err(Unknown::NotLookedFor),
            None => Ok(None),
        }
    }
}

/// Nobody knows whether there is such a row.
#[derive(Debug)]
pub(crate) enum Unknown {
    /// It was not looked for.
    NotLookedFor,
    /// DynamoDB did not answer. Asking once more would take as long again.
    Unanswered(Error),
}

/// Rows of a table as they are now (consistent reads), by the names and values of their keys. What DynamoDB refuses to
/// look for is unknown, as what it had no time for.
pub(crate) async fn read_each(
    client: &Client,
    operation: &'static str,
    table: &str,
    names: &[&str],
    mut keys: Vec<Key>,
) -> Found {
    keys.sort();
    keys.dedup();
    let asked = keys
        .chunks(MOST_KEYS)
        .map(async |keys| (keys, read_some(client, operation, table, names, keys).await));
    let mut found = Found::default();
    for (keys, some) in join_all(asked).await {
        match some {
            Ok(some) => {
                found.is_partial |= some.is_partial;
                found.rows.extend(some.rows);
            }
            Err(error) if error.is_silence() => {
                let keys = keys.iter().cloned();
                let unanswered = keys.map(|key| (key, error.shared(operation)));
                found.unanswered.extend(unanswered);
            }
            Err(_) => found.is_partial = true,
        }
    }
    found
}

async fn read_some(
    client: &Client,
    operation: &'static str,
    table: &str,
    names: &[&str],
    keys: &[Key],
) -> Result<Found, Error> {
    let item = |key: &Key| -> Item {
        let attributes = names.iter().zip(key);
        attributes
            .map(|(name, value)| ((*name).to_owned(), text(value.as_str())))
            .collect()
    };
    let wanted = KeysAndAttributes {
        keys: keys.iter().map(item).collect(),
        consistent_read: Some(true),
        ..KeysAndAttributes::default()
    };
    let answer = client
        .batch_get_item()
        .request_items(table, wanted)
        .send()
        .await
        .map_err(Error::unavailable(operation))?;
    let is_partial = answer.unprocessed_keys.is_some_and(|keys| !keys.is_empty());
    let items = answer.responses.into_iter().flat_map(BTreeMap::into_values);
    let rows = items.flatten().map(|item| {
        let key = names.iter().map(|name| match item.get(*name) {
            Some(AttributeValue::S(value)) => value.clone(),
            Some(_) | None => String::new(),
        });
        (key.collect(), item)
    });
    Ok(Found {
        rows: rows.collect(),
        is_partial,
        unanswered: BTreeMap::new(),
    })
}
