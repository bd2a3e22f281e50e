use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::TransactWriteItem;
use domain::{Run, TaskRun};

use crate::Error;
use crate::events::{self, EventRecord};
use crate::runs::{put_new, run_row, task_row, transact};

/// A transaction holds 100 items.
const MOST_WRITES: usize = 100;

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
    /// It is stored, with its runs.
    Created,
    /// It was stored before: this delivery is a repeated one.
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
        const OPERATION: &str = "storing an event and its runs";
        let mut pending: Vec<Vec<TransactWriteItem>> = Vec::new();
        for (run, tasks) in runs {
            let mut writes = vec![put_new(
                &self.runs_table,
                "pk",
                run_row(OPERATION, run, self.run_days)?,
            )?];
            for task in tasks {
                writes.push(put_new(
                    &self.runs_table,
                    "pk",
                    task_row(OPERATION, run, task, self.run_days)?,
                )?);
            }
            pending.push(writes);
        }
        // What does not fit beside the event goes ahead of it, run by run.
        let mut room = MOST_WRITES - 1;
        let mut last = Vec::new();
        for writes in pending {
            if writes.len() <= room {
                room -= writes.len();
                last.extend(writes);
            } else {
                // Refused means that an earlier, interrupted call has written the run.
                let _written_now: bool = transact(&self.client, OPERATION, writes).await?;
            }
        }
        let row = events::write(OPERATION, event, self.event_days)?;
        last.insert(0, put_new(&self.events_table, "event", row)?);
        Ok(if transact(&self.client, OPERATION, last).await? {
            Begun::Created
        } else {
            Begun::Repeated
        })
    }
}
