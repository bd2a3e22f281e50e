//! Storing what the report shows, and telling of it.

use std::collections::{BTreeMap, HashMap, HashSet};

use accounts::Accounts;
use connection_history::merge;
use domain::{AccountName, CaseCode, Connection, ConnectionId, TaskReference};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};
use store::{Connections, ServiceCases, StoredConnection};

use crate::ask::{Asker, Failure};
use crate::bus::Bus;
use crate::mapping::Reported;
use crate::tasks;

/// Rows that are written at a time, each for itself.
const WRITES_AT_ONCE: usize = 25;
/// Times many rows that are written together, at a time.
const TRANSACTIONS_AT_ONCE: usize = 5;
/// Rows of service cases that are read at a time.
const READS_AT_ONCE: usize = 25;
/// How often a row that others change is tried again.
const MOST_TRIES: usize = 5;
/// For how long after its end a connection waits for the task that it belongs to: the supporter may still write the number
/// into the note.
const TASK_AWAITED: SignedDuration = SignedDuration::from_mins(30);

/// Stores connections and tells of them.
#[derive(Debug)]
pub(crate) struct Recorder {
    pub(crate) accounts: Accounts,
    pub(crate) connections: Connections,
    pub(crate) cases: ServiceCases,
    pub(crate) bus: Bus,
}

/// What became of some records.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    /// Connections that were read.
    pub(crate) read: u32,
    /// Those that were new or had changed.
    pub(crate) written: u32,
    /// Those that have no end, or wait to be told of.
    pub(crate) unfinished: u32,
    /// Ids of records that could not be read.
    pub(crate) unreadable: Vec<String>,
}

/// A row that a record changes.
struct Change<'a> {
    reported: &'a Reported,
    known: Option<StoredConnection>,
    wanted: Connection,
}

/// What became of a row.
enum Outcome {
    /// It is like this, and whether it was written.
    Row(Box<StoredConnection>, bool),
    /// It can never be written.
    Impossible(ConnectionId),
}

/// What is known besides the report when rows are written.
#[derive(Debug, Default)]
struct Knowledge {
    /// The tasks of service cases, as our own rows have them.
    cases: HashMap<CaseCode, TaskReference>,
    /// Tasks that ServiceNow has completed.
    completed: HashMap<TaskReference, TaskReference>,
}

impl Knowledge {
    /// What the row should be after a record was read.
    fn wanted(&self, stored: Option<&Connection>, reported: &Reported) -> Connection {
        let mut read = reported.connection.clone();
        let case = read.code.as_ref().and_then(|code| self.cases.get(code));
        read.task = connection_history::task(reported.clues(stored, case));
        let merged = merge(stored, read);
        let mut wanted = merged
            .or_else(|| stored.cloned())
            .unwrap_or_else(|| reported.connection.clone());
        if let Some(task) = &wanted.task
            && let Some(complete) = self.completed.get(task)
        {
            wanted.task = Some(complete.clone());
        }
        wanted
    }
}

impl Recorder {
    /// Stores what the records say, and tells of each connection that has ended and was not told of. Done twice, it changes
    /// nothing. `servicenow` completes the tasks.
    pub(crate) async fn keep(
        &self,
        asker: &Asker<'_>,
        servicenow: Option<&AccountName>,
        records: Vec<teamviewer::Connection>,
        now: Timestamp,
    ) -> Result<Kept, Failure> {
        let mut kept = Kept::default();
        let mut reported = read(asker.account, records, &mut kept.unreadable);
        let ids: Vec<ConnectionId> = reported.keys().cloned().collect();
        let known = self.connections.known(&ids).await?;
        // What is there and cannot be read is not written over: somebody has to see to it. The others go on.
        for id in &known.unreadable {
            reported.remove(id);
            kept.unreadable.push(format!("{id} (its row)"));
        }
        let stored = known.rows;
        let mut knowledge = Knowledge {
            cases: self.cases_of(&reported, &stored).await?,
            ..Knowledge::default()
        };
        if let Some(servicenow) = servicenow {
            let half_known = half_known(&reported, &stored, &knowledge);
            if !half_known.is_empty() {
                let moment = &asker.moment;
                knowledge.completed =
                    tasks::complete(&self.accounts, servicenow, half_known, moment).await;
            }
        }
        let mut rows = Vec::new();
        for outcome in self.store(&reported, stored, &knowledge).await? {
            match outcome {
                Outcome::Row(row, written) => rows.push((*row, written)),
                Outcome::Impossible(id) => kept.unreadable.push(format!("{id} (its row)")),
            }
        }
        kept.read = count(rows.iter());
        kept.written = count(rows.iter().filter(|(_, written)| *written));
        kept.unfinished = count(
            rows.iter()
                .filter(|(row, _)| !row.told && !is_ripe(row, now)),
        );
        self.tell(rows.into_iter().map(|(row, _)| row).collect(), now)
            .await?;
        Ok(kept)
    }

    /// Tells of rows that an index has listed, which may have changed meanwhile.
    pub(crate) async fn tell_listed(
        &self,
        rows: &[StoredConnection],
        now: Timestamp,
    ) -> Result<(), Failure> {
        let rows = rows.iter().filter(|row| is_ripe(row, now));
        let ids: Vec<ConnectionId> = rows.map(|row| row.connection.id.clone()).collect();
        let known = self.connections.known(&ids).await?;
        self.tell(known.rows.into_values().collect(), now).await
    }

    /// Writes the rows that the records change: many together, and one by one where somebody else was quicker. Each row, and
    /// whether it was written.
    async fn store(
        &self,
        reported: &BTreeMap<ConnectionId, Reported>,
        mut stored: BTreeMap<ConnectionId, StoredConnection>,
        knowledge: &Knowledge,
    ) -> Result<Vec<Outcome>, Failure> {
        let mut rows = Vec::new();
        let mut changes = Vec::new();
        for reported in reported.values() {
            let known = stored.remove(&reported.connection.id);
            let wanted = knowledge.wanted(known.as_ref().map(|row| &row.connection), reported);
            match known {
                Some(row) if row.connection == wanted => {
                    rows.push(Outcome::Row(Box::new(row), false));
                }
                known => changes.push(Change {
                    reported,
                    known,
                    wanted,
                }),
            }
        }
        let written = changes
            .chunks(store::TOGETHER)
            .map(|changes| self.write_together(changes, knowledge));
        let written: Vec<Vec<Outcome>> = stream::iter(written.collect::<Vec<_>>())
            .buffer_unordered(TRANSACTIONS_AT_ONCE)
            .try_collect()
            .await?;
        rows.extend(written.into_iter().flatten());
        Ok(rows)
    }

    async fn write_together(
        &self,
        changes: &[Change<'_>],
        knowledge: &Knowledge,
    ) -> Result<Vec<Outcome>, Failure> {
        let of = |change: &Change<'_>| {
            let known = change.known.as_ref();
            let told = known.is_some_and(|row| row.told);
            (known.map(|row| row.version), told)
        };
        let writes: Vec<(&Connection, Option<u64>, bool)> = changes
            .iter()
            .map(|change| {
                let (version, told) = of(change);
                (&change.wanted, version, told)
            })
            .collect();
        // Whatever is wrong with them together, one of them may be the reason.
        let together = self.connections.put_together(&writes).await;
        let together = together.unwrap_or_else(|error| {
            let error = startup::chain(&error);
            tracing::warn!(error, "connections are stored one by one");
            false
        });
        if together {
            let rows = writes.into_iter().map(|(connection, expected, told)| {
                let row = StoredConnection {
                    connection: connection.clone(),
                    told,
                    version: expected.unwrap_or_default().saturating_add(1),
                    asked_at: None,
                };
                Outcome::Row(Box::new(row), true)
            });
            return Ok(rows.collect());
        }
        let alone: Vec<_> = changes
            .iter()
            .map(|change| self.write(change.reported, change.known.clone(), knowledge))
            .collect();
        stream::iter(alone)
            .buffer_unordered(WRITES_AT_ONCE)
            .try_collect()
            .await
    }

    async fn note_told(&self, rows: &[(&ConnectionId, u64)]) -> Result<(), Failure> {
        match self.connections.told_together(rows).await {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            Err(error) => {
                let error = startup::chain(&error);
                tracing::warn!(error, "connections are noted as told one by one");
            }
        }
        // Whoever has changed a row in between tells of it again, which is the same event.
        for (id, version) in rows {
            self.connections.told(id, *version).await?;
        }
        Ok(())
    }

    /// The tasks of service cases that are of use: of connections that were not told of, and where no task is known yet.
    async fn cases_of(
        &self,
        reported: &BTreeMap<ConnectionId, Reported>,
        stored: &BTreeMap<ConnectionId, StoredConnection>,
    ) -> Result<HashMap<CaseCode, TaskReference>, Failure> {
        let is_settled = |id| {
            let row: Option<&StoredConnection> = stored.get(id);
            row.is_some_and(|row| {
                let task = row.connection.task.as_ref();
                row.told || task.is_some_and(TaskReference::is_known)
            })
        };
        let codes: HashSet<CaseCode> = reported
            .iter()
            .filter(|(id, _)| !is_settled(id))
            .filter_map(|(_, reported)| reported.connection.code.clone())
            .collect();
        let reads = codes.into_iter().map(|code| async {
            let case = match self.cases.get(&code).await {
                // Somebody has to see to it. The connection is kept with what else says its task.
                Err(error) if error.is_corrupt() => {
                    let error = startup::chain(&error);
                    tracing::error!(case.code = %code, error, "the row of a service case cannot be read");
                    None
                }
                case => case?,
            };
            let task = case.and_then(|stored| stored.case.task);
            Ok::<_, Failure>(task.map(|task| (code, task)))
        });
        stream::iter(reads)
            .buffer_unordered(READS_AT_ONCE)
            .try_filter_map(async |found| Ok(found))
            .try_collect()
            .await
    }

    /// Writes a row if that changes it. Whoever was quicker is read again.
    async fn write(
        &self,
        reported: &Reported,
        mut stored: Option<StoredConnection>,
        knowledge: &Knowledge,
    ) -> Result<Outcome, Failure> {
        for _ in 0..MOST_TRIES {
            let known = stored.as_ref().map(|row| &row.connection);
            let wanted = knowledge.wanted(known, reported);
            if let Some(row) = stored.take_if(|row| row.connection == wanted) {
                return Ok(Outcome::Row(Box::new(row), false));
            }
            let told = stored.as_ref().is_some_and(|row| row.told);
            let version = stored.as_ref().map(|row| row.version);
            let put = match self.connections.put(&wanted, version, told).await {
                Err(error) if error.is_permanent() => {
                    let error = startup::chain(&error);
                    tracing::error!(error, "a connection cannot be stored");
                    return Ok(Outcome::Impossible(wanted.id));
                }
                put => put?,
            };
            if let Some(version) = put {
                let row = StoredConnection {
                    connection: wanted,
                    told,
                    version,
                    asked_at: None,
                };
                return Ok(Outcome::Row(Box::new(row), true));
            }
            stored = self.connections.get(&reported.connection.id).await?;
        }
        let id = &reported.connection.id;
        Err(Failure::own(format!(
            "the connection {id} was changed by others again and again"
        )))
    }

    /// Puts events on the bus for those that are to be told of, and notes it.
    async fn tell(&self, rows: Vec<StoredConnection>, now: Timestamp) -> Result<(), Failure> {
        let rows: Vec<StoredConnection> =
            rows.into_iter().filter(|row| is_ripe(row, now)).collect();
        let connections: Vec<&Connection> = rows.iter().map(|row| &row.connection).collect();
        let put = self.bus.put(&connections).await;
        let taken = rows.iter().zip(&put.taken).filter(|(_, taken)| **taken);
        let taken: Vec<(&ConnectionId, u64)> = taken
            .map(|(row, _)| (&row.connection.id, row.version))
            .collect();
        let notes = taken
            .chunks(store::TOGETHER)
            .map(|rows| self.note_told(rows));
        stream::iter(notes.collect::<Vec<_>>())
            .buffer_unordered(TRANSACTIONS_AT_ONCE)
            .try_collect::<()>()
            .await?;
        match put.problem {
            None => Ok(()),
            Some(problem) => Err(Failure::own(format!(
                "the bus did not take the events of connections: {problem}"
            ))),
        }
    }
}

/// Whether a connection is to be told of: it has ended, nobody has told of it, and its task is known or not to be expected
/// any more.
fn is_ripe(row: &StoredConnection, now: Timestamp) -> bool {
    let task = row.connection.task.as_ref();
    let has_task = task.is_some_and(TaskReference::is_known);
    let ended_at = row.connection.ended_at.filter(|_| !row.told);
    ended_at.is_some_and(|ended| has_task || now.duration_since(ended) >= TASK_AWAITED)
}

/// The records that can be read, each once.
fn read(
    account: &AccountName,
    records: Vec<teamviewer::Connection>,
    unreadable: &mut Vec<String>,
) -> BTreeMap<ConnectionId, Reported> {
    let mut reported = BTreeMap::new();
    let mut unread = Vec::new();
    for record in records {
        let id = record.id.clone();
        if !record.unread.is_empty() {
            unread.push(format!("{id}: {}", record.unread.join(", ")));
        }
        match Reported::read(account, record) {
            Some(one) => {
                reported.insert(one.connection.id.clone(), one);
            }
            None => unreadable.push(id),
        }
    }
    if !unread.is_empty() {
        tracing::warn!(
            connections = unread.join("; "),
            "parts of connections could not be read"
        );
    }
    reported
}

/// The tasks that ServiceNow can complete: first those of connections that are still to be told of.
fn half_known(
    reported: &BTreeMap<ConnectionId, Reported>,
    stored: &BTreeMap<ConnectionId, StoredConnection>,
    knowledge: &Knowledge,
) -> Vec<TaskReference> {
    let (mut untold, mut told) = (Vec::new(), Vec::new());
    for reported in reported.values() {
        let row = stored.get(&reported.connection.id);
        let wanted = knowledge.wanted(row.map(|row| &row.connection), reported);
        let task = wanted.task.filter(tasks::is_half_known);
        let Some(task) = task.filter(|_| wanted.ended_at.is_some()) else {
            continue;
        };
        if row.is_some_and(|row| row.told) {
            told.push(task);
        } else {
            untold.push(task);
        }
    }
    let mut seen = HashSet::new();
    let all = untold.into_iter().chain(told);
    all.filter(|task| seen.insert(task.clone())).collect()
}

fn count(rows: impl Iterator) -> u32 {
    u32::try_from(rows.count()).unwrap_or(u32::MAX)
}
