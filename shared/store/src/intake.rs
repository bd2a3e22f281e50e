use aws::dynamodb::Client;
use aws::dynamodb::TransactWriteItem;
use domain::decision::EventRecord;
use domain::{Run, TaskRun, TaskState};

use crate::Error;
use crate::events::{self, Replayed, StoredEvent};
use crate::item::{Item, size};
use crate::runs::{Runs, Written, put_new, run_row, task_row, transact};
use crate::together::{Change, MOST_BYTES, MOST_WRITES, write_each};

const OPERATION: &str = "storing an event and its runs";

/// The way in for new events: writes an event, its decisions and its runs together, over both tables.
#[derive(Debug, Clone)]
pub struct Intake {
    client: Client,
    runs_table: String,
    events_table: String,
    run_days: u32,
    event_days: u32,
}

/// What came of storing a new event.
#[derive(Debug, Clone, PartialEq)]
pub enum Begun {
    /// It is stored now, with these runs.
    Created,
    /// It, or one of its runs, was stored before: this delivery is a repeated one. It is stored with its runs, but these
    /// may differ from those at hand: read them.
    Repeated,
}

impl Intake {
    /// The tables of these names. Rows expire after so many days.
    pub fn new(
        client: Client,
        runs_table: String,
        events_table: String,
        run_days: u32,
        event_days: u32,
    ) -> Self {
        Self {
            client,
            runs_table,
            events_table,
            run_days,
            event_days,
        }
    }

    /// Stores a new event with its decisions and runs. Usually one transaction; when there is more than
    /// one holds, the event comes with the last, so that a repeated call completes what a crash left.
    ///
    /// # Errors
    /// Retry: what is there stays as it is.
    pub async fn begin(
        &self,
        event: &EventRecord,
        runs: &[(Run, Vec<TaskRun>)],
    ) -> Result<Begun, Error> {
        let event_row = events::write(OPERATION, event, self.event_days)?;
        // What does not fit beside the event goes ahead of it, run by run.
        let mut room = MOST_WRITES - 1;
        let mut bytes_left = MOST_BYTES.saturating_sub(size(&event_row));
        let event_write = put_new(&self.events_table, "event", event_row);
        let mut beside = Vec::new();
        let mut all_are_new = true;
        for (run, tasks) in runs {
            let rows = self.rows(run, tasks)?;
            let bytes: usize = rows.iter().map(size).sum();
            let writes = rows
                .into_iter()
                .map(|row| put_new(&self.runs_table, "pk", row))
                .collect::<Vec<_>>();
            if writes.len() <= room && bytes <= bytes_left {
                room -= writes.len();
                bytes_left -= bytes;
                beside.push(writes);
            } else {
                all_are_new &= self.put_ahead(writes).await?;
            }
        }
        let together: Vec<TransactWriteItem> = std::iter::once(&event_write)
            .chain(beside.iter().flatten())
            .cloned()
            .collect();
        match transact(&self.client, OPERATION, together).await? {
            Written::All if all_are_new => return Ok(Begun::Created),
            Written::All
            | Written::Nothing {
                first_refused: true,
            } => return Ok(Begun::Repeated),
            Written::Nothing {
                first_refused: false,
            } => {}
        }
        // An interrupted call has written one of these runs, and decided otherwise about what fits.
        for writes in beside {
            self.put_ahead(writes).await?;
        }
        let _written_now: Written = transact(&self.client, OPERATION, vec![event_write]).await?;
        Ok(Begun::Repeated)
    }

    /// What stores a new event with its decisions and runs. Refused when the event is there; that is its first write.
    ///
    /// # Errors
    /// Give up: a row would be too large.
    pub fn change(
        &self,
        event: &EventRecord,
        runs: &[(Run, Vec<TaskRun>)],
    ) -> Result<Change, Error> {
        let mut change = Change::default();
        let row = events::write(OPERATION, event, self.event_days)?;
        let named = format!("{}/{}", self.events_table, event.event.key());
        let bytes = size(&row);
        change.add(named, bytes, put_new(&self.events_table, "event", row));
        for (run, tasks) in runs {
            for row in self.rows(run, tasks)? {
                let sk = row.get("sk").and_then(|sk| sk.as_s().ok());
                let sk = sk.map(String::as_str).unwrap_or_default();
                let named = format!("{}/{}/{sk}", self.runs_table, run.id);
                let bytes = size(&row);
                change.add(named, bytes, put_new(&self.runs_table, "pk", row));
            }
        }
        Ok(change)
    }

    /// Stores what several messages change, in as few transactions as hold it; each is stored or not whatever becomes
    /// of the others.
    ///
    /// # Errors
    /// Of a change: retry; `Conflict` when somebody else was at one of its rows at that moment.
    pub async fn store(&self, changes: Vec<Change>) -> Vec<Result<Written, Error>> {
        write_each(&self.client, OPERATION, changes).await
    }

    fn rows(&self, run: &Run, tasks: &[TaskRun]) -> Result<Vec<Item>, Error> {
        let mut rows = vec![run_row(OPERATION, run, tasks, self.run_days)?];
        for task in tasks {
            rows.push(task_row(OPERATION, run, task, self.run_days)?);
        }
        Ok(rows)
    }

    /// Writes a run without its event; whether it is new. Otherwise an earlier, interrupted call has written it.
    async fn put_ahead(&self, writes: Vec<TransactWriteItem>) -> Result<bool, Error> {
        Ok(transact(&self.client, OPERATION, writes).await? == Written::All)
    }
}

/// How runs begin or go on once more because somebody says so, over both tables. Whoever says so has read the event
/// before the event's runs; when somebody else was faster in between, nothing is changed.
#[derive(Debug, Clone)]
pub struct Reruns {
    runs: Runs,
    events_table: String,
    run_days: u32,
}

impl Reruns {
    /// The tables of these names. Runs expire after so many days.
    pub fn new(client: Client, runs_table: String, events_table: String, run_days: u32) -> Self {
        Self {
            runs: Runs::new(client, runs_table),
            events_table,
            run_days,
        }
    }

    /// Stores a new run for an event that was evaluated before, and notes it on the event.
    ///
    /// # Errors
    /// `Conflict` when the run is there already, the event has expired, or somebody else was faster: read the event again.
    pub async fn begin(
        &self,
        seen: &StoredEvent,
        replayed: Replayed,
        run: &Run,
        tasks: &[TaskRun],
    ) -> Result<(), Error> {
        const OPERATION: &str = "storing a replay";
        let mut writes = self.runs.begun(OPERATION, run, tasks, self.run_days)?;
        let mut replays = seen.replays.clone();
        replays.push(replayed);
        let note = events::note(OPERATION, &self.events_table, seen, Some(&replays))?;
        writes.push(note);
        self.write(OPERATION, writes).await
    }

    /// Stores a failed run that is tried again: its state, and its tasks, each with the state that it had. `seen` is
    /// `None` when the run's event has expired.
    ///
    /// # Errors
    /// `Conflict` when the run is not failed any more, or somebody else was faster.
    pub async fn reopen(
        &self,
        seen: Option<&StoredEvent>,
        run: &Run,
        changed: &[(&TaskRun, TaskState)],
    ) -> Result<(), Error> {
        const OPERATION: &str = "reopening a run";
        let mut writes = self.runs.reopened(OPERATION, run, changed)?;
        if let Some(seen) = seen {
            writes.push(events::note(OPERATION, &self.events_table, seen, None)?);
        }
        self.write(OPERATION, writes).await
    }

    async fn write(
        &self,
        operation: &'static str,
        writes: Vec<TransactWriteItem>,
    ) -> Result<(), Error> {
        match self.runs.transact(operation, writes).await? {
            Written::All => Ok(()),
            Written::Nothing { .. } => Err(Error::Conflict { operation }),
        }
    }
}
