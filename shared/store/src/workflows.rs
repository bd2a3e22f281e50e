use std::collections::BTreeSet;

use aws::dynamodb::Client;
use aws::dynamodb::{Delete, Put, TransactWriteItem};
use domain::trigger::Listener;
use domain::{Workflow, WorkflowId};
use futures_util::future::join_all;
use jiff::Timestamp;

use crate::Error;
use crate::item::{Item, Reader, json, number, text, time};

/// A workflow with its revision.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredWorkflow {
    /// The definition.
    pub workflow: Workflow,
    /// Counts the changes, from 1.
    pub revision: u32,
    /// When this revision was applied.
    pub applied_at: Timestamp,
}

/// The workflows that listen to an event.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Listening {
    /// Those that can be evaluated, by id.
    pub workflows: Vec<StoredWorkflow>,
    /// Those whose row cannot be read, as when a newer command line applied what this version does not know.
    pub unreadable: Vec<Unreadable>,
}

impl Listening {
    /// One entry a workflow, however many rows it has.
    fn read(operation: &'static str, found: &[Item]) -> Result<Self, Error> {
        let mut listening = Self::default();
        for item in found {
            match read(operation, item) {
                Ok(stored) => listening.workflows.push(stored),
                Err(error) => listening
                    .unreadable
                    .push(unreadable(operation, item, &error)?),
            }
        }
        listening
            .workflows
            .sort_by(|a, b| a.workflow.id.cmp(&b.workflow.id));
        listening
            .workflows
            .dedup_by(|a, b| a.workflow.id == b.workflow.id);
        Ok(listening)
    }
}

/// A workflow whose row cannot be read.
#[derive(Debug, Clone, PartialEq)]
pub struct Unreadable {
    /// The workflow.
    pub id: WorkflowId,
    /// Its revision.
    pub revision: u32,
    /// Why, without the row's values.
    pub problem: String,
}

/// What applying a definition did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// There was none before.
    Created {
        /// Its revision.
        revision: u32,
    },
    /// There was another one before.
    Updated {
        /// Its revision.
        revision: u32,
    },
    /// It was the same.
    Unchanged {
        /// Its revision.
        revision: u32,
    },
}

/// The table of workflows. Three kinds of row:
///
/// | `pk` | `sk` | what |
/// |---|---|---|
/// | `workflow` | id | the definition that counts |
/// | `revision#{id}` | ten digits | every definition that ever counted |
/// | `listener#{event type}` | `={subject}` or `*`, `#`, id | the definition once more, where an event finds it |
///
/// The three are written in one transaction, so an event never sees half a change.
#[derive(Debug, Clone)]
pub struct Workflows {
    client: Client,
    table: String,
}

const WORKFLOW: &str = "workflow";
const LISTENING: &str = "finding the workflows that listen";

/// So many listeners to a type are read in one go, whatever their subjects: one query for the types that few listen to,
/// and little in vain for the others.
const AT_ONCE: i32 = 10;

/// The first rows of a partition.
#[derive(Debug)]
struct Beginning {
    rows: Vec<Item>,
    /// The key of the last row that was read, if there are perhaps more.
    last: Option<Item>,
}

impl Beginning {
    /// Where to go on for the rows whose keys begin so: `None` when all of them are here.
    #[expect(
        clippy::option_option,
        reason = "from the first row on is not the same as nowhere"
    )]
    fn rest_of(&self, prefix: &str) -> Option<Option<Item>> {
        let last = self.last.as_ref()?;
        let key = sk(last);
        if key.starts_with(prefix) {
            Some(Some(last.clone()))
        } else {
            // DynamoDB sorts by the bytes of UTF-8, as texts compare here.
            (key < prefix).then_some(None)
        }
    }
}

fn sk(row: &Item) -> &str {
    let key = row.get("sk").and_then(|key| key.as_s().ok());
    key.map(String::as_str).unwrap_or_default()
}

impl Workflows {
    /// The table of this name.
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// The workflows that listen to events of this type and subject, by id. Costs one query where few listen to the
    /// type, and at most three, whatever the number of workflows.
    ///
    /// # Errors
    /// Retry. A row that cannot be read is no error: it must not keep the others from running.
    pub async fn listening(&self, kind: &str, subject: Option<&str>) -> Result<Listening, Error> {
        let beginning = self.beginning(kind).await?;
        self.listening_beyond(&beginning, kind, subject).await
    }

    /// The workflows that listen to events of this type, for each of these subjects, as [`Workflows::listening`] gives
    /// them. What one query finds is found for all.
    pub async fn listening_each(
        &self,
        kind: &str,
        subjects: &[Option<&str>],
    ) -> Vec<Result<Listening, Error>> {
        let beginning = self.beginning(kind).await;
        join_all(subjects.iter().map(async |subject| {
            let beginning = beginning
                .as_ref()
                .map_err(|error| error.shared(LISTENING))?;
            self.listening_beyond(beginning, kind, *subject).await
        }))
        .await
    }

    /// The first listeners to a type: those to every subject come first, then subject by subject.
    async fn beginning(&self, kind: &str) -> Result<Beginning, Error> {
        let answer = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", text(listener_partition(kind)))
            .consistent_read(true)
            .limit(AT_ONCE)
            .send()
            .await
            .map_err(Error::unavailable(LISTENING))?;
        Ok(Beginning {
            last: answer.last_evaluated_key.filter(|key| !key.is_empty()),
            rows: answer.items.unwrap_or_default(),
        })
    }

    async fn listening_beyond(
        &self,
        beginning: &Beginning,
        kind: &str,
        subject: Option<&str>,
    ) -> Result<Listening, Error> {
        const OPERATION: &str = LISTENING;
        let rest_of = async |prefix: String| -> Result<Vec<Item>, Error> {
            let found = beginning
                .rows
                .iter()
                .filter(|row| sk(row).starts_with(&prefix));
            let mut found: Vec<Item> = found.cloned().collect();
            if let Some(start) = beginning.rest_of(&prefix) {
                let rest = self.query_from(OPERATION, listener_partition(kind), prefix, start);
                found.extend(rest.await?);
            }
            Ok(found)
        };
        let to_all = rest_of("*#".to_owned());
        let found = match subject {
            None => to_all.await?,
            Some(subject) => {
                let (mut all, some) = tokio::try_join!(to_all, rest_of(format!("={subject}#")))?;
                all.extend(some);
                all
            }
        };
        let mut listening = Listening::read(OPERATION, &found)?;
        // `#` may be part of a subject, so the prefix alone proves nothing.
        listening.workflows.retain(|stored| {
            let listeners = stored.workflow.listeners();
            listeners
                .iter()
                .any(|listener| listener.hears(kind, subject))
        });
        Ok(listening)
    }

    /// Every workflow that listens to events of this type, whatever their subject, by id. Costs one query.
    ///
    /// # Errors
    /// Retry. A row that cannot be read is no error.
    pub async fn all_listening(&self, kind: &str) -> Result<Listening, Error> {
        const OPERATION: &str = "finding all workflows that listen";
        let found = self
            .query(OPERATION, listener_partition(kind), None)
            .await?;
        Listening::read(OPERATION, &found)
    }

    /// One workflow as it is now.
    ///
    /// # Errors
    /// Retry, but for a corrupt row.
    pub async fn get(&self, id: &WorkflowId) -> Result<Option<StoredWorkflow>, Error> {
        const OPERATION: &str = "reading a workflow";
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("pk", text(WORKFLOW))
            .key("sk", text(id.as_str()))
            .consistent_read(true)
            .send()
            .await
            .map_err(Error::unavailable(OPERATION))?;
        answer.item.map(|item| read(OPERATION, &item)).transpose()
    }

    /// One revision of a workflow, also after it was deleted.
    ///
    /// # Errors
    /// Retry, but for a corrupt row.
    pub async fn revision(
        &self,
        id: &WorkflowId,
        revision: u32,
    ) -> Result<Option<StoredWorkflow>, Error> {
        const OPERATION: &str = "reading a revision of a workflow";
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("pk", text(revision_partition(id)))
            .key("sk", text(format!("{revision:010}")))
            .send()
            .await
            .map_err(Error::unavailable(OPERATION))?;
        answer.item.map(|item| read(OPERATION, &item)).transpose()
    }

    /// Every revision of a workflow, newest first, also after it was deleted.
    ///
    /// # Errors
    /// Retry, but for a corrupt row.
    pub async fn revisions(&self, id: &WorkflowId) -> Result<Vec<StoredWorkflow>, Error> {
        const OPERATION: &str = "listing the revisions of a workflow";
        let items = self.query(OPERATION, revision_partition(id), None).await?;
        let newest_first = items.iter().rev();
        newest_first.map(|item| read(OPERATION, item)).collect()
    }

    /// Every workflow, by id.
    ///
    /// # Errors
    /// Retry, but for a corrupt row.
    pub async fn list(&self) -> Result<Vec<StoredWorkflow>, Error> {
        const OPERATION: &str = "listing workflows";
        let items = self.query(OPERATION, WORKFLOW.to_owned(), None).await?;
        items.iter().map(|item| read(OPERATION, item)).collect()
    }

    /// Makes this definition the one that counts. Applying the same one twice changes nothing.
    ///
    /// # Errors
    /// `Conflict` when somebody else applied one in between; nothing is changed then.
    pub async fn apply(&self, workflow: &Workflow, now: Timestamp) -> Result<Applied, Error> {
        let before = self.get(&workflow.id).await?;
        self.replace(before.as_ref(), workflow, now).await
    }

    /// Makes this definition the one that counts, in place of `before`, which the caller has read.
    ///
    /// # Errors
    /// `Conflict` when `before` is not what is there any more; nothing is changed then.
    pub async fn replace(
        &self,
        before: Option<&StoredWorkflow>,
        workflow: &Workflow,
        now: Timestamp,
    ) -> Result<Applied, Error> {
        const OPERATION: &str = "applying a workflow";
        if let Some(before) = before.filter(|before| before.workflow == *workflow) {
            return Ok(Applied::Unchanged {
                revision: before.revision,
            });
        }
        let revision = match before {
            Some(before) => before.revision + 1,
            None => self.last_revision(&workflow.id).await? + 1,
        };
        let row = |pk: String, sk: String| -> Result<Item, Error> {
            Ok(Item::from([
                ("pk".to_owned(), text(pk)),
                ("sk".to_owned(), text(sk)),
                ("revision".to_owned(), number(revision)),
                ("applied_at".to_owned(), time(now)),
                (
                    "document".to_owned(),
                    json(OPERATION, "workflow", workflow)?,
                ),
            ]))
        };
        let mut definition = Put::builder()
            .table_name(&self.table)
            .set_item(Some(row(WORKFLOW.to_owned(), workflow.id.to_string())?));
        definition = match before {
            None => definition.condition_expression("attribute_not_exists(pk)"),
            Some(before) => definition
                .condition_expression("#revision = :before")
                .expression_attribute_names("#revision", "revision")
                .expression_attribute_values(":before", number(before.revision)),
        };
        let mut writes = vec![
            TransactWriteItem::Put(definition),
            TransactWriteItem::Put(Put::builder().table_name(&self.table).set_item(Some(row(
                revision_partition(&workflow.id),
                format!("{revision:010}"),
            )?))),
        ];
        let listeners = listeners_when_enabled(workflow);
        for listener in &listeners {
            let (pk, sk) = listener_key(listener, &workflow.id);
            writes.push(TransactWriteItem::Put(
                Put::builder()
                    .table_name(&self.table)
                    .set_item(Some(row(pk, sk)?)),
            ));
        }
        if let Some(before) = before {
            for listener in listeners_when_enabled(&before.workflow).difference(&listeners) {
                writes.push(self.delete_listener(listener, &workflow.id));
            }
        }
        self.write(OPERATION, writes).await?;
        Ok(if before.is_some() {
            Applied::Updated { revision }
        } else {
            Applied::Created { revision }
        })
    }

    /// Removes a workflow; its revisions are kept. Tells whether there was one. Runs that have begun go on.
    ///
    /// # Errors
    /// `Conflict` when somebody else applied a definition in between; nothing is changed then.
    pub async fn delete(&self, id: &WorkflowId) -> Result<bool, Error> {
        const OPERATION: &str = "deleting a workflow";
        let Some(before) = self.get(id).await? else {
            return Ok(false);
        };
        let definition = Delete::builder()
            .table_name(&self.table)
            .key("pk", text(WORKFLOW))
            .key("sk", text(id.as_str()))
            .condition_expression("#revision = :before")
            .expression_attribute_names("#revision", "revision")
            .expression_attribute_values(":before", number(before.revision));
        let mut writes = vec![TransactWriteItem::Delete(definition)];
        for listener in listeners_when_enabled(&before.workflow) {
            writes.push(self.delete_listener(&listener, id));
        }
        self.write(OPERATION, writes).await?;
        Ok(true)
    }

    fn delete_listener(&self, listener: &Listener, id: &WorkflowId) -> TransactWriteItem {
        let (pk, sk) = listener_key(listener, id);
        TransactWriteItem::Delete(
            Delete::builder()
                .table_name(&self.table)
                .key("pk", text(pk))
                .key("sk", text(sk)),
        )
    }

    async fn write(
        &self,
        operation: &'static str,
        writes: Vec<TransactWriteItem>,
    ) -> Result<(), Error> {
        match self
            .client
            .transact_write_items()
            .set_transact_items(writes)
            .send()
            .await
        {
            Ok(_) => Ok(()),
            Err(error) if error.cancellation_reasons().is_some() => {
                Err(Error::Conflict { operation })
            }
            Err(error) => Err(Error::unavailable(operation)(error)),
        }
    }

    /// The number of a workflow's last revision, also after it was deleted; 0 when it never had one.
    ///
    /// # Errors
    /// Retry, but for a corrupt row.
    pub async fn last_revision(&self, id: &WorkflowId) -> Result<u32, Error> {
        const OPERATION: &str = "reading the last revision of a workflow";
        let answer = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", text(revision_partition(id)))
            .scan_index_forward(false)
            .limit(1)
            .consistent_read(true)
            .send()
            .await
            .map_err(Error::unavailable(OPERATION))?;
        let items = answer.items.unwrap_or_default();
        let Some(item) = items.first() else {
            return Ok(0);
        };
        Ok(Reader {
            operation: OPERATION,
            item,
        }
        .number("revision")?
        .unwrap_or(0))
    }

    /// All rows of a partition whose keys begin so, from the beginning or from behind a key on.
    async fn query_from(
        &self,
        operation: &'static str,
        partition: String,
        prefix: String,
        mut start: Option<Item>,
    ) -> Result<Vec<Item>, Error> {
        let mut found = Vec::new();
        loop {
            let answer = self
                .client
                .query()
                .table_name(&self.table)
                .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
                .expression_attribute_values(":pk", text(partition.as_str()))
                .expression_attribute_values(":prefix", text(prefix.as_str()))
                .consistent_read(true)
                .set_exclusive_start_key(start)
                .send()
                .await
                .map_err(Error::unavailable(operation))?;
            found.extend(answer.items.unwrap_or_default());
            start = answer.last_evaluated_key.filter(|key| !key.is_empty());
            if start.is_none() {
                return Ok(found);
            }
        }
    }

    async fn query(
        &self,
        operation: &'static str,
        partition: String,
        prefix: Option<String>,
    ) -> Result<Vec<Item>, Error> {
        let mut query = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", text(partition))
            .consistent_read(true);
        if let Some(prefix) = prefix {
            query = query
                .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
                .expression_attribute_values(":prefix", text(prefix));
        }
        query
            .all_items()
            .await
            .map_err(Error::unavailable(operation))
    }
}

fn revision_partition(id: &WorkflowId) -> String {
    format!("revision#{id}")
}

fn listener_partition(kind: &str) -> String {
    format!("listener#{kind}")
}

fn listener_key(listener: &Listener, id: &WorkflowId) -> (String, String) {
    let subject = listener
        .subject
        .as_ref()
        .map_or_else(|| "*".to_owned(), |subject| format!("={subject}"));
    (
        listener_partition(&listener.kind),
        format!("{subject}#{id}"),
    )
}

fn listeners_when_enabled(workflow: &Workflow) -> BTreeSet<Listener> {
    if workflow.enabled {
        workflow.listeners()
    } else {
        BTreeSet::new()
    }
}

fn read(operation: &'static str, item: &Item) -> Result<StoredWorkflow, Error> {
    let reader = Reader { operation, item };
    Ok(StoredWorkflow {
        workflow: reader.required_json("document")?,
        revision: reader.number("revision")?.unwrap_or(0),
        applied_at: reader.time("applied_at")?.unwrap_or(Timestamp::UNIX_EPOCH),
    })
}

/// Names the workflow of a listener's row by its key, which ends in the id.
fn unreadable(operation: &'static str, item: &Item, error: &Error) -> Result<Unreadable, Error> {
    let reader = Reader { operation, item };
    let id = reader
        .text("sk")?
        .and_then(|key| key.rsplit('#').next())
        .unwrap_or_default();
    let id = WorkflowId::parse(id).map_err(|problem| Error::Corrupt {
        operation,
        what: "sk",
        problem: problem.to_string(),
    })?;
    Ok(Unreadable {
        id,
        revision: reader.number("revision")?.unwrap_or(0),
        problem: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(key: &str) -> Item {
        Item::from([("sk".to_owned(), text(key))])
    }

    #[test]
    fn only_what_lies_behind_the_beginning_is_asked_for() {
        let rest = |last: &str, prefix: &str| {
            let beginning = Beginning {
                rows: Vec::new(),
                last: Some(row(last)),
            };
            beginning
                .rest_of(prefix)
                .map(|start| start.map(|start| sk(&start).to_owned()))
        };
        let from = |key: &str| Some(Some(key.to_owned()));
        // All that listen to every subject are here once one that listens to a single one is.
        assert_eq!(rest("*#b", "*#"), from("*#b"));
        assert_eq!(rest("=a#b", "*#"), None);
        assert_eq!(rest("*#b", "=shop#"), Some(None));
        assert_eq!(rest("=other#b", "=shop#"), Some(None));
        assert_eq!(rest("=shop#b", "=shop#"), from("=shop#b"));
        assert_eq!(rest("=shopping#b", "=shop#"), None);
        assert_eq!(rest("=ä#b", "=shop#"), None);
        let whole = Beginning {
            rows: Vec::new(),
            last: None,
        };
        assert_eq!(whole.rest_of("=shop#"), None);
    }
}
