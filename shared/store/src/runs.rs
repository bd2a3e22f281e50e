use aws::dynamodb::Client;
use aws::dynamodb::{
    AttributeValue, Put, ReturnValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
    Update,
};
use domain::run::Attempt;
use domain::{Run, RunId, RunState, TaskName, TaskRun, TaskState, WorkflowId, json_bytes};
use futures_util::future::join_all;
use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::Error;
use crate::item::{
    Item, Reader, expiry, json, number, size, size_of_value, sortable_time, text, time,
};
use crate::period::{Groups, Index, Order, Page, Period, Place};
use crate::read_each::{Found, Key, Unknown, read_each};
use crate::together::{Change, write_together};

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

/// A task that is to be claimed, see [`Runs::claim`].
#[derive(Debug, Clone, Copy)]
pub struct ToClaim<'a> {
    /// The run.
    pub run: &'a RunId,
    /// The task.
    pub task: &'a TaskName,
    /// Unique to this delivery.
    pub owner: &'a str,
}

/// An attempt that ended, see [`Runs::end_attempt`].
#[derive(Debug, Clone, Copy)]
pub struct Ended<'a> {
    /// The task, as it was claimed.
    pub task: &'a TaskRun,
    /// Who claimed it.
    pub owner: &'a str,
    /// What was done.
    pub attempt: &'a Attempt,
    /// How it ended.
    pub end: &'a AttemptEnd,
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

    /// Several runs, each as [`Runs::get`] gives it, asked for by some of their tasks. One call when these are all tasks
    /// that the runs have, else two; a run that has ended, or was opened again, or was stored before rows knew the names of
    /// its tasks, costs one of its own.
    pub async fn get_each(
        &self,
        wanted: &[(RunId, Vec<TaskName>)],
    ) -> Vec<Result<Option<(Run, Vec<TaskRun>)>, Error>> {
        const OPERATION: &str = "reading runs";
        if let [(run, _)] = wanted {
            return vec![self.get(run).await];
        }
        let asked = wanted.iter().flat_map(|(run, tasks)| keys(run, tasks));
        let first = self.rows(OPERATION, asked.collect()).await;
        let looks: Vec<Look> = wanted
            .iter()
            .map(|(run, _)| first_look(OPERATION, &first, run))
            .collect();
        // All rows once more, so that a run is never pieced together from two moments.
        let asked: Vec<Key> = looks
            .iter()
            .zip(wanted)
            .filter_map(|(look, (run, _))| match look {
                Look::Incomplete(names) => Some(keys(run, names)),
                Look::Whole(_) | Look::Unclear => None,
            })
            .flatten()
            .collect();
        let second = if asked.is_empty() {
            Found::default()
        } else {
            self.rows(OPERATION, asked).await
        };
        join_all(looks.into_iter().zip(wanted).map(async |(look, (run, _))| {
            match look {
                Look::Whole(read) => return *read,
                Look::Incomplete(_) => {
                    if let Look::Whole(read) = first_look(OPERATION, &second, run) {
                        return *read;
                    }
                }
                Look::Unclear => {}
            }
            self.get(run).await
        }))
        .await
    }

    async fn rows(&self, operation: &'static str, keys: Vec<Key>) -> Found {
        read_each(&self.client, operation, &self.table, &["pk", "sk"], keys).await
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
        let expression = claiming(owner, now, lease_until);
        let mut update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("pk", text(run.as_str()))
            .key("sk", text(task_sk(task)))
            .update_expression(expression.update)
            .condition_expression(expression.condition)
            .return_values(ReturnValue::AllOld)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        for (name, attribute) in expression.names {
            update = update.expression_attribute_names(name, attribute);
        }
        for (name, value) in expression.values {
            update = update.expression_attribute_values(name, value);
        }
        let before = match update.send().await {
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
        let task = read_task(OPERATION, &before)?;
        Ok(Claim::Claimed(Box::new(claimed(task, now, lease_until))))
    }

    /// Takes several tasks in two calls, each as [`Runs::claim`] does. `None` for a task that must be claimed for itself:
    /// it stands there twice, or somebody else was at one of the tasks meanwhile.
    pub async fn claim_each(
        &self,
        wanted: &[ToClaim<'_>],
        now: Timestamp,
        lease_until: Timestamp,
    ) -> Vec<Option<Result<Claim, Error>>> {
        const OPERATION: &str = "claiming tasks";
        let keys: Vec<Key> = wanted
            .iter()
            .map(|wanted| key(wanted.run, &task_sk(wanted.task)))
            .collect();
        let found = self.rows(OPERATION, keys.clone()).await;
        let mut results = Vec::new();
        let mut changes = Vec::new();
        let mut taken = Vec::new();
        for (index, (wanted, key)) in wanted.iter().zip(&keys).enumerate() {
            let is_repeated = keys.iter().take(index).any(|earlier| earlier == key);
            results.push(match found.row(OPERATION, key) {
                _ if is_repeated => None,
                Err(Unknown::NotLookedFor) => None,
                Err(Unknown::Unanswered(error)) => Some(Err(error)),
                Ok(None) => Some(Ok(Claim::NotRequested)),
                Ok(Some(item)) => match read_task(OPERATION, item) {
                    Err(error) => Some(Err(error)),
                    Ok(task) if !is_free(&task, now) => Some(Ok(not_claimed(task, now))),
                    Ok(task) => {
                        let expression = claiming(wanted.owner, now, lease_until);
                        let change = self.claim_of_what_was_read(&task, size(item), expression);
                        changes.push(change);
                        taken.push((index, claimed(task, now, lease_until)));
                        None
                    }
                },
            });
        }
        let written = write_together(&self.client, OPERATION, changes).await;
        for ((index, task), written) in taken.into_iter().zip(written) {
            let result = match written {
                Some(Ok(Written::All)) => Some(Ok(Claim::Claimed(Box::new(task)))),
                Some(Err(error)) if error.is_silence() => Some(Err(error)),
                // Alone it is told what stands in the way.
                Some(Ok(Written::Nothing { .. }) | Err(_)) | None => None,
            };
            if let Some(place) = results.get_mut(index) {
                *place = result;
            }
        }
        results
    }

    /// The claim of a row that was read before: only while it is still the same. Its state and the number of attempts
    /// tell, because nobody gets from a claimable state back to the same one but by a claim.
    fn claim_of_what_was_read(
        &self,
        task: &TaskRun,
        bytes: usize,
        mut expression: Expression,
    ) -> Change {
        let seen = if task.attempts_begun == 0 {
            "(attribute_not_exists(attempts_begun) OR attempts_begun = :none)"
        } else {
            expression
                .values
                .push((":begun".to_owned(), number(task.attempts_begun)));
            "attempts_begun = :begun"
        };
        expression.condition = format!("({}) AND #state = :seen AND {seen}", expression.condition);
        expression
            .values
            .push((":seen".to_owned(), state(task.state)));
        self.update_task(task, bytes, expression)
    }

    fn update_task(&self, task: &TaskRun, bytes: usize, expression: Expression) -> Change {
        let sk = task_sk(&task.name);
        let mut update = Update::builder()
            .table_name(&self.table)
            .key("pk", text(task.run.as_str()))
            .key("sk", text(sk.as_str()))
            .update_expression(expression.update)
            .condition_expression(expression.condition);
        for (name, attribute) in expression.names {
            update = update.expression_attribute_names(name, attribute);
        }
        for (name, value) in expression.values {
            update = update.expression_attribute_values(name, value);
        }
        let mut change = Change::default();
        let write = TransactWriteItem::Update(update);
        change.add(self.row_name(&task.run, &sk), bytes, write);
        change
    }

    fn row_name(&self, run: &RunId, sk: &str) -> String {
        format!("{}/{run}/{sk}", self.table)
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
        let ended = Ended {
            task,
            owner,
            attempt: &attempt,
            end,
        };
        let expression = ending(OPERATION, ended)?;
        let mut update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("pk", text(task.run.as_str()))
            .key("sk", text(task_sk(&task.name)))
            .update_expression(expression.update)
            .condition_expression(expression.condition);
        for (name, attribute) in expression.names {
            update = update.expression_attribute_names(name, attribute);
        }
        for (name, value) in expression.values {
            update = update.expression_attribute_values(name, value);
        }
        match update.send().await {
            Ok(_) => Ok(()),
            Err(error) if error.is_condition_failed() => Err(Error::Conflict {
                operation: OPERATION,
            }),
            Err(error) => Err(Error::unavailable(OPERATION)(error)),
        }
    }

    /// Stores how several attempts ended, each as [`Runs::end_attempt`] does, if possible in one call.
    pub async fn end_each(&self, ended: &[Ended<'_>]) -> Vec<Result<(), Error>> {
        const OPERATION: &str = "storing how attempts ended";
        let alone = async |one: &Ended<'_>| {
            self.end_attempt(one.task, one.owner, one.attempt.clone(), one.end)
                .await
        };
        if let [one] = ended {
            return vec![alone(one).await];
        }
        let mut results = Vec::new();
        let mut changes = Vec::new();
        for one in ended {
            let change = ending(OPERATION, *one).map(|expression| {
                // What the row holds beside what is set now.
                let kept = one.task.input.iter().chain([&one.task.draft]);
                let kept: usize = kept.map(json_bytes).sum();
                let set = expression.values.iter();
                let set: usize = set.map(|(_, value)| size_of_value(value)).sum();
                self.update_task(one.task, kept + set + 1_000, expression)
            });
            results.push(change.map(|change| changes.push(change)));
        }
        let mut written = write_together(&self.client, OPERATION, changes)
            .await
            .into_iter();
        join_all(ended.iter().zip(results).map(|(one, result)| {
            let written = result.map(|()| written.next().flatten());
            async move {
                match written? {
                    Some(Ok(Written::All)) => Ok(()),
                    Some(Ok(Written::Nothing { .. })) => Err(Error::Conflict {
                        operation: OPERATION,
                    }),
                    Some(Err(error)) if error.is_silence() => Err(error),
                    Some(Err(_)) | None => alone(one).await,
                }
            }
        }))
        .await
    }

    /// Stores tasks that moved on from waiting, and the end of the run if it has come.
    ///
    /// # Errors
    /// `Conflict` when somebody else moved one of them in between: read the run again.
    pub async fn settle(&self, run: &Run, changed: &[&TaskRun]) -> Result<(), Error> {
        const OPERATION: &str = "moving a run on";
        let writes = self.settled(run, changed)?.into_writes();
        if writes.is_empty() || transact(&self.client, OPERATION, writes).await? == Written::All {
            Ok(())
        } else {
            Err(Error::Conflict {
                operation: OPERATION,
            })
        }
    }

    /// What [`Runs::settle`] writes. Refused when somebody else moved one of them in between.
    ///
    /// # Errors
    /// Give up: a row would be too large.
    pub fn settled(&self, run: &Run, changed: &[&TaskRun]) -> Result<Change, Error> {
        const OPERATION: &str = "moving a run on";
        let mut change = Change::default();
        for task in changed {
            let values = [&task.draft].into_iter();
            let values = values.chain(&task.input).chain(&task.trace);
            let bytes: usize = values.map(json_bytes).sum();
            let named = self.row_name(&task.run, &task_sk(&task.name));
            let write = self.move_task(OPERATION, task, TaskState::Waiting)?;
            change.add(named, bytes + 1_000, write);
        }
        if let (RunState::Succeeded | RunState::Failed, Some(finished_at)) =
            (run.state, run.finished_at)
        {
            let write = self.update_run(
                Update::builder()
                    .update_expression("SET #state = :state, finished_at = :finished_at")
                    .expression_attribute_values(":finished_at", time(finished_at)),
                run,
                RunState::Running,
            );
            let bytes = json_bytes(&run.trace) + 2_000;
            change.add(self.row_name(&run.id, RUN), bytes, write);
        }
        Ok(change)
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
            ),
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
        let mut rows = vec![run_row(operation, run, tasks, retention_days)?];
        for task in tasks {
            rows.push(task_row(operation, run, task, retention_days)?);
        }
        let writes = rows.into_iter();
        Ok(writes.map(|row| put_new(&self.table, "pk", row)).collect())
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
    ) -> TransactWriteItem {
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
        TransactWriteItem::Update(update)
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
pub enum Written {
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

pub(crate) fn put_new(table: &str, key: &str, row: Item) -> TransactWriteItem {
    let put = Put::builder()
        .table_name(table)
        .set_item(Some(row))
        .condition_expression("attribute_not_exists(#key)")
        .expression_attribute_names("#key", key);
    TransactWriteItem::Put(put)
}

pub(crate) fn run_row(
    operation: &'static str,
    run: &Run,
    tasks: &[TaskRun],
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
        // Whoever has this row knows the keys of the others.
        (
            TASKS.to_owned(),
            AttributeValue::L(tasks.iter().map(|task| text(task.name.as_str())).collect()),
        ),
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
const TASKS: &str = "tasks";

fn key(run: &RunId, sk: &str) -> Key {
    vec![run.to_string(), sk.to_owned()]
}

/// The keys of a run's row and of these tasks'.
fn keys(run: &RunId, tasks: &[TaskName]) -> Vec<Key> {
    let tasks = tasks.iter().map(|task| key(run, &task_sk(task)));
    std::iter::once(key(run, RUN)).chain(tasks).collect()
}

/// A run with its tasks, if there is one.
type Read = Result<Option<(Run, Vec<TaskRun>)>, Error>;

/// What rows that were found say of a run.
enum Look {
    /// All of it, or why it cannot be read; `None` when there is no such run.
    Whole(Box<Read>),
    /// It has these tasks, and not all of them were looked for.
    Incomplete(Vec<TaskName>),
    /// Not all of its rows could be looked for, it does not name its tasks, or these may be older than its own row: it is
    /// read for itself, its own row first.
    Unclear,
}

fn first_look(operation: &'static str, found: &Found, run: &RunId) -> Look {
    let head = match found.row(operation, &key(run, RUN)) {
        Ok(Some(item)) => item,
        Ok(None) => return Look::Whole(Box::new(Ok(None))),
        Err(Unknown::NotLookedFor) => return Look::Unclear,
        Err(Unknown::Unanswered(error)) => return Look::Whole(Box::new(Err(error))),
    };
    let is_running_first_time = match read_run(operation, head) {
        Ok(run) => run.state == RunState::Running && run.reopened == 0,
        Err(error) => return Look::Whole(Box::new(Err(error))),
    };
    // Rows are read at several moments. While a run runs its tasks only go ahead, so that does no harm; but when it is
    // opened again, they go back.
    let Some(names) = task_names(head).filter(|_| is_running_first_time) else {
        return Look::Unclear;
    };
    let mut items = Vec::new();
    for name in &names {
        match found.row(operation, &key(run, &task_sk(name))) {
            Ok(Some(item)) => items.push(item),
            Ok(None) => return Look::Incomplete(names),
            Err(Unknown::NotLookedFor) => return Look::Unclear,
            Err(Unknown::Unanswered(error)) => return Look::Whole(Box::new(Err(error))),
        }
    }
    let read = read_run(operation, head).and_then(|run| {
        let tasks = items.into_iter().map(|item| read_task(operation, item));
        let mut tasks: Vec<TaskRun> = tasks.collect::<Result<_, _>>()?;
        tasks.sort_by_key(|task| task.position);
        Ok(Some((run, tasks)))
    });
    Look::Whole(Box::new(read))
}

/// `None` for a row that was stored before it named its tasks.
fn task_names(item: &Item) -> Option<Vec<TaskName>> {
    let names = item.get(TASKS)?.as_l().ok()?;
    let names = names
        .iter()
        .map(|name| TaskName::parse(name.as_s().ok()?).ok());
    names.collect()
}

/// An update and its condition.
struct Expression {
    update: String,
    condition: String,
    names: Vec<(String, &'static str)>,
    values: Vec<(String, AttributeValue)>,
}

fn claiming(owner: &str, now: Timestamp, lease_until: Timestamp) -> Expression {
    let values = [
        (":running", state(TaskState::Running)),
        (":requested", state(TaskState::Requested)),
        (":retrying", state(TaskState::Retrying)),
        (":owner", text(owner)),
        (":lease_until", time(lease_until)),
        (":now", time(now)),
        (":none", number(0)),
        (":one", number(1)),
    ];
    Expression {
        update: "SET #state = :running, lease_owner = :owner, lease_until = :lease_until, \
             attempts_begun = if_not_exists(attempts_begun, :none) + :one, \
             first_attempt_at = if_not_exists(first_attempt_at, :now), \
             first_ever_at = if_not_exists(first_ever_at, :now) REMOVE next_attempt_at"
            .to_owned(),
        condition: "#state = :requested OR (#state = :retrying AND next_attempt_at <= :now) \
             OR (#state = :running AND lease_until < :now)"
            .to_owned(),
        names: vec![("#state".to_owned(), "state")],
        values: values
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
    }
}

/// The same as the condition of [`claiming`], of a row that was read.
fn is_free(task: &TaskRun, now: Timestamp) -> bool {
    let now = now.as_millisecond();
    match task.state {
        TaskState::Requested => true,
        TaskState::Retrying => task
            .next_attempt_at
            .is_some_and(|at| at.as_millisecond() <= now),
        TaskState::Running => task
            .lease_until
            .is_some_and(|until| until.as_millisecond() < now),
        TaskState::Waiting | TaskState::Succeeded | TaskState::Failed | TaskState::Skipped => false,
    }
}

/// The task as its claim leaves it.
fn claimed(mut task: TaskRun, now: Timestamp, lease_until: Timestamp) -> TaskRun {
    // Whoever had it did not say how the attempt ended.
    task.look_first = task.look_first || task.state == TaskState::Running;
    task.state = TaskState::Running;
    task.attempts_begun += 1;
    task.first_attempt_at = task.first_attempt_at.or(Some(now));
    task.first_ever_at = task.first_ever_at.or(Some(now));
    task.next_attempt_at = None;
    task.lease_until = Some(lease_until);
    task
}

fn ending(operation: &'static str, ended: Ended<'_>) -> Result<Expression, Error> {
    let Ended {
        task,
        owner,
        attempt,
        end,
    } = ended;
    let mut attempts: Vec<&Attempt> = task.attempts.iter().chain([attempt]).collect();
    let surplus = attempts.len().saturating_sub(MOST_ATTEMPTS);
    attempts.drain(..surplus);
    let attempts = attempts
        .iter()
        .map(|attempt| json(operation, "attempt", attempt))
        .collect::<Result<Vec<_>, _>>()?;
    let mut set: Vec<(&'static str, AttributeValue)> =
        vec![("attempts", AttributeValue::L(attempts))];
    let (next_state, look_first, remove) = match end {
        AttemptEnd::Succeeded {
            output,
            link,
            warnings,
        } => {
            set.push(("output", json(operation, "output", output)?));
            if let Some(link) = link {
                set.push(("link", text(link)));
            }
            set.push(("warnings", json(operation, "warnings", warnings)?));
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
            set.push(("next_attempt_at", time(*at)));
            set.push(("reason", text(reason)));
            (
                TaskState::Retrying,
                *look_first,
                " REMOVE lease_owner, lease_until",
            )
        }
        AttemptEnd::Failed { look_first, reason } => {
            set.push(("reason", text(reason)));
            (
                TaskState::Failed,
                *look_first,
                " REMOVE lease_owner, lease_until",
            )
        }
    };
    set.push(("state", state(next_state)));
    set.push((
        "look_first",
        AttributeValue::Bool(look_first || task.look_first),
    ));
    let mut expression = Expression {
        update: String::new(),
        condition: "#state = :running AND lease_owner = :owner".to_owned(),
        names: Vec::new(),
        values: vec![
            (":running".to_owned(), state(TaskState::Running)),
            (":owner".to_owned(), text(owner)),
        ],
    };
    let mut sets = Vec::new();
    for (name, value) in set {
        sets.push(format!("#{name} = :new_{name}"));
        expression.names.push((format!("#{name}"), name));
        expression.values.push((format!(":new_{name}"), value));
    }
    expression.update = format!("SET {}{remove}", sets.join(", "));
    Ok(expression)
}

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
