//! What several messages store, in as few calls as hold it. What cannot be stored together harms nobody: each part of
//! it then goes for itself.

use std::collections::BTreeSet;

use aws::dynamodb::{Client, TransactWriteItem};
use futures_util::future::join_all;

use crate::Error;
use crate::runs::{Written, transact};

/// A transaction holds 100 items and 4 MB; some room is left for names and conditions.
///
/// Source: <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html>
pub(crate) const MOST_WRITES: usize = 100;
pub(crate) const MOST_BYTES: usize = 3_500_000;

/// Rows that are written all or none, each on its condition.
#[derive(Debug, Clone, Default)]
pub struct Change {
    writes: Vec<TransactWriteItem>,
    /// Which rows: a transaction takes each once.
    rows: BTreeSet<String>,
    bytes: usize,
    repeats_a_row: bool,
}

impl Change {
    /// Adds a write of a row, named by its table and key, that takes about so many bytes.
    pub(crate) fn add(&mut self, row: String, bytes: usize, write: TransactWriteItem) {
        self.repeats_a_row |= !self.rows.insert(row);
        self.bytes += bytes;
        self.writes.push(write);
    }

    /// This and the other, all or none.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.repeats_a_row |= other.repeats_a_row || !self.rows.is_disjoint(&other.rows);
        self.rows.extend(other.rows);
        self.bytes += other.bytes;
        self.writes.extend(other.writes);
        self
    }

    /// Whether nothing is to be written.
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    /// Whether one transaction takes it.
    pub fn fits(&self) -> bool {
        self.writes.len() <= MOST_WRITES && self.bytes <= MOST_BYTES && !self.repeats_a_row
    }

    fn takes(&self, other: &Self) -> bool {
        self.writes.len() + other.writes.len() <= MOST_WRITES
            && self.bytes + other.bytes <= MOST_BYTES
            && self.rows.is_disjoint(&other.rows)
    }

    pub(crate) fn into_writes(self) -> Vec<TransactWriteItem> {
        self.writes
    }
}

/// Stores changes in as few transactions as hold them. `None` for a change whose transaction was refused while it held
/// others too: nobody knows whose fault that is, so it is to be stored for itself.
pub(crate) async fn write_together(
    client: &Client,
    operation: &'static str,
    changes: Vec<Change>,
) -> Vec<Option<Result<Written, Error>>> {
    let mut packs: Vec<(Change, Vec<usize>)> = Vec::new();
    let count = changes.len();
    for (index, change) in changes.into_iter().enumerate() {
        match packs.iter_mut().find(|(pack, _)| pack.takes(&change)) {
            Some((pack, of)) => {
                *pack = std::mem::take(pack).and(change);
                of.push(index);
            }
            None => packs.push((change, vec![index])),
        }
    }
    let written = join_all(packs.into_iter().map(async |(pack, of)| {
        if pack.is_empty() {
            return (of, Ok(Written::All));
        }
        let written = transact(client, operation, pack.into_writes()).await;
        (of, written)
    }))
    .await;
    let mut results: Vec<Option<Result<Written, Error>>> = (0..count).map(|_| None).collect();
    for (of, written) in written {
        let mut put = |index: usize, result| {
            if let Some(place) = results.get_mut(index) {
                *place = Some(result);
            }
        };
        match (of.as_slice(), written) {
            ([alone], result) => put(*alone, result),
            (all, Ok(Written::All)) => all.iter().for_each(|index| put(*index, Ok(Written::All))),
            // Nobody answered: asking again for each would take the time of all.
            (all, Err(error)) if error.is_silence() => {
                for index in all {
                    put(*index, Err(error.shared(operation)));
                }
            }
            (_, Ok(Written::Nothing { .. }) | Err(_)) => {}
        }
    }
    results
}

/// Stores changes in as few transactions as hold them; one whose transaction was refused because of others is stored for
/// itself. No change is kept from being stored by another one.
pub(crate) async fn write_each(
    client: &Client,
    operation: &'static str,
    changes: Vec<Change>,
) -> Vec<Result<Written, Error>> {
    // A single one needs no copy for a second time.
    let copies = if changes.len() > 1 {
        changes.clone()
    } else {
        vec![Change::default(); changes.len()]
    };
    let written = write_together(client, operation, changes).await;
    join_all(
        written
            .into_iter()
            .zip(copies)
            .map(async |(written, change)| match written {
                Some(result) => result,
                None => transact(client, operation, change.into_writes()).await,
            }),
    )
    .await
}
