use aws::dynamodb::Client;
use aws::dynamodb::{
    AttributeValue, Put, ReturnValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
    Update,
};
use domain::run::Attempt;
use domain::{Run, RunId, RunState, TaskName, TaskRun, TaskState, WorkflowId};
use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::Error;
use crate::item::{Item, Reader, expiry, json, number, sortable_time, text, time};
use crate::period::{Groups, Index, Order, Page, Period, Place};

/// The attempts of a task that are kept; the oldest go first.
const MOST_ATTEMPTS: usize = 40;

/// The table of runs: a row `run` and a row `task#{id}` for each task, under the run's id.
#[derive(Debug, Clone)]
pub struct Runs {
    client: Client,
    table: String,
}

/// What came of claiming a task.
#[derive(Debug, Clone, PartialEq)]
pub enum Claim {
    /// The caller has it until the lease ends, and makes this attempt.
    Claimed(Box<TaskRun>),
    /// Somebody else has it, or its next attempt is not due.
    NotBefore(Timestamp),
    /// It has ended: succeeded, given up or skipped.
    Ended(Box<TaskRun>),
    /// It waits for other tasks, or there is no such task.
    NotRequested,
}

/// How an attempt ends.
#[derive(Debug, Clone, PartialEq)]
pub enum AttemptEnd {
    /// The task is done.
    Succeeded {
        /// For later tasks.
        output: Map<String, Value>,
        /// The record at the vendor, for people.
        link: Option<String>,
        /// What the vendor did not take as it was sent.
        warnings: Vec<String>,
    },
    /// There will be another attempt.
    Retry {
        /// Not before.
        at: Timestamp,
        /// Whether this one may have had its effect.
        look_first: bool,
        /// Why.
        reason: String,
    },
    /// The task is given up.
    Failed {
        /// Whether an attempt may have had its effect all the same.
        look_first: bool,
        /// Why.
        reason: String,
    },
}

impl Runs {
    /// The table of this name.
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// A run with its tasks in the workflow's order, as it is now (a consistent read).
    ///
    /// # Errors
    /// Retry, but for a corrupt row.
    pub async fn get(&self, id: &RunId) -> Result<Option<(Run, Vec<TaskRun>)>, Error> {
        const OPERATION: &str = "reading a run";
        let items = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", text(id.as_str()))
            .consistent_read(true)
            .all_items()
            .await
            .map_err(Error::unavailable(OPERATION))?;
        let mut run = None;
        let mut tasks = Vec::new();
        for item in &items {
            if item.get("sk") == Some(&text(RUN)) {
                run = Some(read_run(OPERATION, item)?);
            } else {
                tasks.push(read_task(OPERATION, item)?);
            }
        }
        tasks.sort_by_key(|task| task.position);
        Ok(run.map(|run| (run, tasks)))
    }

    /// A run without its tasks, as it is now (a consistent read).
    ///
    /// # Errors
    /// Retry, but for a corrupt row.
    pub async fn head(&self, id: &RunId) -> Result<Option<Run>, Error> {
        const OPERATION: &str = "reading a run";
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("pk", text(id.as_str()))
            .key("sk", text(RUN))
            .consistent_read(true)
            .send()
            .await
            .map_err(Error::unavailable(OPERATION))?;
        let item = answer.item;
        item.map(|item| read_run(OPERATION, &item)).transpose()
    }

    /// The runs that began in a period, some at a time: those of a workflow, or all. A run is listed a moment after it
    /// was stored.
    ///
    /// # Errors
    /// Retry, but for a corrupt row.
    pub async fn of_period(
        &self,
        workflow: Option<&WorkflowId>,
        period: Period,
        order: Order,
        after: Option<&Place>,
        limit: usize,
    ) -> Result<Page<Run>, Error> {
        const OPERATION: &str = "listing runs";
        let by_day = Index {
            operation: OPERATION,
            table: &self.table,
            name: "by_day",
            group: "day",
            moment: "started_at",
            moment_is_text: true,
            id: "pk",
            rest_of_key: Some(("sk", RUN)),
        };
        let (index, groups) = match workflow {
            None => (by_day, Groups::Days),
            Some(workflow) => (
                Index {
                    name: "by_workflow",
                    group: "workflow",
                    ..by_day
                },
                Groups::One(workflow.to_string()),
            ),
        };
        let page = index.page(&self.client, &groups, period, order, after, limit);
        page.await?.try_map(|item| read_run(OPERATION, &item))
    }

    /// Takes a task for one attempt, if nobody has it and it is due. The claim holds until `lease_until`;
    /// `owner` must be unique to this invocation.
    ///
    /// # Errors
    /// Retry, but for a corrupt row.
    pub async fn claim(
        &self,
        run: &RunId,
        task: &TaskName,
        owner: &str,
        now: Timestamp,
        lease_until: Timestamp,
    ) -> Result<Claim, Error> {
        const OPERATION: &str = "claiming a task";
        let claimed = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("pk", text(run.as_str()))
            .key("sk", text(task_sk(task)))
            .update_expression(
                "SET #state = :running, lease_owner = :owner, lease_until = :lease_until, \
                 attempts_begun = if_not_exists(attempts_begun, :none) + :one, \
                 first_attempt_at = if_not_exists(first_attempt_at, :now), \
                 first_ever_at = if_not_exists(first_ever_at, :now) REMOVE next_attempt_at",
            )
            .condition_expression(
                "#state = :requested OR (#state = :retrying AND next_attempt_at <= :now) \
                 OR (#state = :running AND lease_until < :now)",
            )
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":running", state(TaskState::Running))
            .expression_attribute_values(":requested", state(TaskState::Requested))
            .expression_attribute_values(":retrying", state(TaskState::Retrying))
            .expression_attribute_values(":owner", text(owner))
            .expression_attribute_values(":lease_until", time(lease_until))
            .expression_attribute_values(":now", time(now))
            .expression_attribute_values(":none", number(0))
            .expression_attribute_values(":one", number(1))
            .return_values(ReturnValue::AllOld)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let before = match claimed {
            Ok(answer) => answer.attributes.unwrap_or_default(),
            Err(error) => match error.condition_failed() {
                Some(refused) => {
                    return match refused.item {
                        None => Ok(Claim::NotRequested),
                        Some(item) => Ok(not_claimed(read_task(OPERATION, &item)?, now)),
                    };
                }
                None => return Err(Error::unavailable(OPERATION)(error)),
            },
        };
        let mut task = read_task(OPERATION, &before)?;
        // Whoever had it did not say how the attempt ended.
        task.look_first = task.look_first || task.state == TaskState::Running;
        task.state = TaskState::Running;
        task.attempts_begun += 1;
        task.first_attempt_at = task.first_attempt_at.or(Some(now));
        task.first_ever_at = task.first_ever_at.or(Some(now));
        task.next_attempt_at = None;
        task.lease_until = Some(lease_until);
        Ok(Claim::Claimed(Box::new(task)))
    }

    /// Stores how the attempt of a claimed task ended.
    ///
    /// # Errors
    /// `Conflict` when the lease ended and somebody else has the task now: theirs is the word that counts.
    pub async fn end_attempt(
        &self,
        task: &TaskRun,
        owner: &str,
        attempt: Attempt,
        end: &AttemptEnd,
    ) -> Result<(), Error> {
        const OPERATION: &str = "storing how an attempt ended";
        let mut attempts = task.attempts.clone();
        attempts.push(attempt);
        let surplus = attempts.len().saturating_sub(MOST_ATTEMPTS);
        attempts.drain(..surplus);
        let attempts = attempts
            .iter()
            .map(|attempt| json(OPERATION, "attempt", attempt))
            .collect::<Result<Vec<_>, _>>()?;
        let mut values: Vec<(&str, AttributeValue)> =
            vec![("attempts", AttributeValue::L(attempts))];
        let (next_state, look_first, remove) = match end {
            AttemptEnd::Succeeded {
                output,
                link,
                warnings,
            } => {
                values.push(("output", json(OPERATION, "output", output)?));
                if let Some(link) = link {
                    values.push(("link", text(link)));
                }
                values.push(("warnings", json(OPERATION, "warnings", warnings)?));
                (
                    TaskState::Succeeded,
                    false,
                    " REMOVE lease_owner, lease_until, reason",
                )
            }
            AttemptEnd::Retry {
                at,
                look_first,
                reason,
            } => {
                values.push(("next_attempt_at", time(*at)));
                values.push(("reason", text(reason)));
                (
                    TaskState::Retrying,
                    *look_first,
                    " REMOVE lease_owner, lease_until",
                )
            }
            AttemptEnd::Failed { look_first, reason } => {
                values.push(("reason", text(reason)));
                (
                    TaskState::Failed,
                    *look_first,
                    " REMOVE lease_owner, lease_until",
                )
            }
        };
        values.push(("state", state(next_state)));
        values.push((
            "look_first",
            AttributeValue::Bool(look_first || task.look_first),
        ));
        let mut update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("pk", text(task.run.as_str()))
            .key("sk", text(task_sk(&task.name)))
            .condition_expression("#state = :running AND lease_owner = :owner")
            .expression_attribute_values(":running", state(TaskState::Running))
            .expression_attribute_values(":owner", text(owner));
        let mut sets = Vec::new();
        for (name, value) in values {
            sets.push(format!("#{name} = :new_{name}"));
            update = update
                .expression_attribute_names(format!("#{name}"), name)
                .expression_attribute_values(format!(":new_{name}"), value);
        }
        match update
            .update_expression(format!("SET {}{remove}", sets.join(", ")))
            .send()
            .await
        {
            Ok(_) => Ok(()),
            Err(error) if error.is_condition_failed() => Err(Error::Conflict {
                operation: OPERATION,
            }),
            Err(error) => Err(Error::unavailable(OPERATION)(error)),
        }
    }

    /// Stores tasks that moved on from waiting, and the end of the run if it has come.
    ///
    /// # Errors
    /// `Conflict` when somebody else moved one of them in between: read the run again.
    pub async fn settle(&self, run: &Run, changed: &[&TaskRun]) -> Result<(), Error> {
        const OPERATION: &str = "moving a run on";
        let mut writes = Vec::new();
        for task in changed {
            writes.push(self.move_task(OPERATION, task, TaskState::Waiting)?);
        }
        if let (RunState::Succeeded | RunState::Failed, Some(finished_at)) =
            (run.state, run.finished_at)
        {
            writes.push(
                self.update_run(
                    Update::builder()
                        .update_expression("SET #state = :state, finished_at = :finished_at")
                        .expression_attribute_values(":finished_at", time(finished_at)),
                    run,
                    RunState::Running,
                )?,
            );
        }
        if writes.is_empty() || transact(&self.client, OPERATION, writes).await? == Written::All {
            Ok(())
        } else {
            Err(Error::Conflict {
                operation: OPERATION,
            })
        }
    }

    /// What stores a failed run that is tried again: its state, and its tasks, each with the state that it had.
    pub(crate) fn reopened(
        &self,
        operation: &'static str,
        run: &Run,
        changed: &[(&TaskRun, TaskState)],
    ) -> Result<Vec<TransactWriteItem>, Error> {
        let mut writes = vec![
            self.update_run(
                Update::builder()
                    .update_expression("SET #state = :state, reopened = :next REMOVE finished_at")
                    .expression_attribute_values(":next", number(run.reopened + 1)),
                run,
                RunState::Failed,
            )?,
        ];
        for (task, before) in changed {
            writes.push(self.move_task(operation, task, *before)?);
        }
        Ok(writes)
    }

    /// What stores a new run.
    pub(crate) fn begun(
        &self,
        operation: &'static str,
        run: &Run,
        tasks: &[TaskRun],
        retention_days: u32,
    ) -> Result<Vec<TransactWriteItem>, Error> {
        let mut rows = vec![run_row(operation, run, retention_days)?];
        for task in tasks {
            rows.push(task_row(operation, run, task, retention_days)?);
        }
        rows.into_iter()
            .map(|row| put_new(&self.table, "pk", row))
            .collect()
    }

    /// Writes all or nothing.
    pub(crate) async fn transact(
        &self,
        operation: &'static str,
        writes: Vec<TransactWriteItem>,
    ) -> Result<Written, Error> {
        transact(&self.client, operation, writes).await
    }

    fn update_run(
        &self,
        update: aws::dynamodb::Update,
        run: &Run,
        before: RunState,
    ) -> Result<TransactWriteItem, Error> {
        let update = update
            .table_name(&self.table)
            .key("pk", text(run.id.as_str()))
            .key("sk", text(RUN))
            // A run that was reopened after it was read is another one, although it looks the same.
            .condition_expression("#state = :before AND reopened = :reopened")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":reopened", number(run.reopened))
            .expression_attribute_values(":state", text(run.state.as_str()))
            .expression_attribute_values(":before", text(before.as_str()));
        Ok(TransactWriteItem::Update(update))
    }

    /// Sets what a task's move out of `before` may change; what is absent is removed.
    fn move_task(
        &self,
        operation: &'static str,
        task: &TaskRun,
        before: TaskState,
    ) -> Result<TransactWriteItem, Error> {
        let mut update = Update::builder()
            .table_name(&self.table)
            .key("pk", text(task.run.as_str()))
            .key("sk", text(task_sk(&task.name)))
            .condition_expression("#state = :before")
            .expression_attribute_names("#state", "state")
            .expression_attribute_names("#input", "input")
            .expression_attribute_values(":before", state(before))
            .expression_attribute_values(":state", state(task.state))
            .expression_attribute_values(":look_first", AttributeValue::Bool(task.look_first))
            .expression_attribute_values(":unwanted", AttributeValue::Bool(task.unwanted));
        update =
            update.expression_attribute_values(":attempts_before", number(task.attempts_before));
        let mut set = vec![
            "#state = :state",
            "look_first = :look_first",
            "attempts_before = :attempts_before",
            "unwanted = :unwanted",
        ];
        let mut remove = vec!["next_attempt_at"];
        match &task.input {
            Some(input) => {
                update =
                    update.expression_attribute_values(":input", json(operation, "input", input)?);
                set.push("#input = :input");
            }
            None => remove.push("#input"),
        }
        match &task.reason {
            Some(reason) => {
                update = update.expression_attribute_values(":reason", text(reason));
                set.push("reason = :reason");
            }
            None => remove.push("reason"),
        }
        match &task.trace {
            Some(trace) => {
                update =
                    update.expression_attribute_values(":trace", json(operation, "trace", trace)?);
                set.push("trace = :trace");
            }
            None => remove.push("trace"),
        }
        if task.first_attempt_at.is_none() {
            remove.push("first_attempt_at");
        }
        if let Some(at) = task.first_ever_at {
            update = update.expression_attribute_values(":first_ever_at", time(at));
            set.push("first_ever_at = :first_ever_at");
        }
        let update = update.update_expression(format!(
            "SET {} REMOVE {}",
            set.join(", "),
            remove.join(", ")
        ));
        Ok(TransactWriteItem::Update(update))
    }
}

/// What came of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Written {
    /// All of it is written.
    All,
    /// Nothing is written, because a condition does not hold.
    Nothing {
        /// Whether the first write's condition is among those.
        first_refused: bool,
    },
}

/// Writes all or nothing.
pub(crate) async fn transact(
    client: &Client,
    operation: &'static str,
    writes: Vec<TransactWriteItem>,
) -> Result<Written, Error> {
    let sent = client
        .transact_write_items()
        .set_transact_items(writes)
        .send()
        .await;
    let Err(error) = sent else {
        return Ok(Written::All);
    };
    let cancelled = error.cancellation_reasons().unwrap_or_default();
    let reasons: Vec<&str> = cancelled
        .iter()
        .map(|reason| reason.code().unwrap_or_default())
        .collect();
    if reasons.contains(&"ConditionalCheckFailed") {
        let first_refused = reasons.first() == Some(&"ConditionalCheckFailed");
        return Ok(Written::Nothing { first_refused });
    }
    // Another transaction was at one of the rows at this very moment.
    if reasons.contains(&"TransactionConflict") {
        return Err(Error::Conflict { operation });
    }
    Err(Error::unavailable(operation)(error))
}

pub(crate) fn put_new(table: &str, key: &str, row: Item) -> Result<TransactWriteItem, Error> {
    let put = Put::builder()
        .table_name(table)
        .set_item(Some(row))
        .condition_expression("attribute_not_exists(#key)")
        .expression_attribute_names("#key", key);
    Ok(TransactWriteItem::Put(put))
}

pub(crate) fn run_row(
    operation: &'static str,
    run: &Run,
    retention_days: u32,
) -> Result<Item, Error> {
    let started_at = sortable_time(run.started_at);
    let day = started_at.get(..10).unwrap_or_default().to_owned();
    let mut row = Item::from([
        ("pk".to_owned(), text(run.id.as_str())),
        ("sk".to_owned(), text(RUN)),
        ("workflow".to_owned(), text(run.workflow.as_str())),
        ("started_at".to_owned(), text(started_at)),
        ("day".to_owned(), text(day)),
        ("state".to_owned(), text(run.state.as_str())),
        ("reopened".to_owned(), number(run.reopened)),
        ("document".to_owned(), json(operation, "run", run)?),
        (
            "expires_at".to_owned(),
            expiry(run.started_at, retention_days),
        ),
    ]);
    if let Some(finished_at) = run.finished_at {
        row.insert("finished_at".to_owned(), time(finished_at));
    }
    Ok(row)
}

pub(crate) fn task_row(
    operation: &'static str,
    run: &Run,
    task: &TaskRun,
    retention_days: u32,
) -> Result<Item, Error> {
    // The input has its own attribute, and the two together must stay below a row's limit.
    let document = TaskRun {
        input: None,
        trace: None,
        unwanted: false,
        ..task.clone()
    };
    let mut row = Item::from([
        ("pk".to_owned(), text(task.run.as_str())),
        ("sk".to_owned(), text(task_sk(&task.name))),
        ("state".to_owned(), state(task.state)),
        ("document".to_owned(), json(operation, "task", &document)?),
        (
            "expires_at".to_owned(),
            expiry(run.started_at, retention_days),
        ),
    ]);
    if let Some(input) = &task.input {
        row.insert("input".to_owned(), json(operation, "input", input)?);
    }
    if let Some(reason) = &task.reason {
        row.insert("reason".to_owned(), text(reason));
    }
    if let Some(trace) = &task.trace {
        row.insert("trace".to_owned(), json(operation, "trace", trace)?);
    }
    if task.unwanted {
        row.insert("unwanted".to_owned(), AttributeValue::Bool(true));
    }
    // A new task knows of earlier attempts when an earlier run made them.
    if task.look_first {
        row.insert("look_first".to_owned(), AttributeValue::Bool(true));
    }
    if let Some(at) = task.first_ever_at {
        row.insert("first_ever_at".to_owned(), time(at));
    }
    Ok(row)
}

const RUN: &str = "run";

fn task_sk(task: &TaskName) -> String {
    format!("task#{task}")
}

fn state(state: TaskState) -> AttributeValue {
    text(state.as_str())
}

fn not_claimed(task: TaskRun, now: Timestamp) -> Claim {
    match task.state {
        TaskState::Succeeded | TaskState::Failed | TaskState::Skipped => {
            Claim::Ended(Box::new(task))
        }
        TaskState::Waiting => Claim::NotRequested,
        TaskState::Running => Claim::NotBefore(task.lease_until.unwrap_or(now)),
        // Requested can always be claimed: it became so between the refusal and the reading of the row.
        TaskState::Retrying | TaskState::Requested => {
            Claim::NotBefore(task.next_attempt_at.unwrap_or(now))
        }
    }
}

fn read_run(operation: &'static str, item: &Item) -> Result<Run, Error> {
    let reader = Reader { operation, item };
    let mut run: Run = reader.required_json("document")?;
    run.state = reader.word("state")?.unwrap_or(run.state);
    run.finished_at = reader.time("finished_at")?;
    run.reopened = reader.number("reopened")?.unwrap_or(0);
    Ok(run)
}

fn read_task(operation: &'static str, item: &Item) -> Result<TaskRun, Error> {
    let reader = Reader { operation, item };
    let mut task: TaskRun = reader.required_json("document")?;
    task.state = reader.word("state")?.unwrap_or(task.state);
    task.input = reader.json("input")?;
    task.attempts_begun = reader.number("attempts_begun")?.unwrap_or(0);
    task.attempts_before = reader.number("attempts_before")?.unwrap_or(0);
    task.first_ever_at = reader.time("first_ever_at")?;
    task.first_attempt_at = reader.time("first_attempt_at")?;
    task.next_attempt_at = reader.time("next_attempt_at")?;
    task.lease_until = reader.time("lease_until")?;
    task.look_first = reader.flag("look_first");
    task.output = reader.json("output")?;
    task.link = reader.text("link")?.map(str::to_owned);
    task.warnings = reader.json("warnings")?.unwrap_or_default();
    task.reason = reader.text("reason")?.map(str::to_owned);
    task.trace = reader.json("trace")?;
    task.unwanted = reader.flag("unwanted");
    task.attempts = reader.json_list("attempts")?;
    Ok(task)
}
