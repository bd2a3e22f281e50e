//! What ServiceNow knows of a task of which only the number or only the id is known.

use std::collections::HashMap;
use std::time::Duration;

use accounts::{Accounts, Moment};
use domain::{AccountName, TaskReference, Vendor};
use futures_util::{StreamExt as _, stream};
use retry::Disposition;
use servicenow::{RecordKey, RecordNumber, SysId, Table};

/// The table that all tables of tasks extend.
const EVERY_TASK: &str = "task";
/// Calls at a time.
const AT_ONCE: usize = 8;
/// Tasks that are looked up for one page of the report. A page of the first window may name hundreds; the others keep what
/// their connections say.
const MOST: usize = 40;
/// The time that looking up may take of a page's.
const TIME: Duration = Duration::from_secs(4);

/// Whether ServiceNow can add something: number or id is known, and not all there is to know.
pub(crate) fn is_half_known(task: &TaskReference) -> bool {
    let is_complete = task.number.is_some() && task.sys_id.is_some() && task.table.is_some();
    task.is_known() && !is_complete
}

/// Looks tasks up, the first ones first, as many as there is time for. What is not found is left as it is: that is a warning, for the connection
/// is told all the same.
pub(crate) async fn complete(
    accounts: &Accounts,
    account: &AccountName,
    tasks: Vec<TaskReference>,
    moment: &Moment,
) -> HashMap<TaskReference, TaskReference> {
    let mut found = HashMap::new();
    let asked = tasks.len();
    let look = async {
        let connected = accounts
            .connect(account, Vendor::ServiceNow, moment)
            .await?;
        let client = accounts.vendors().servicenow(&connected)?;
        let instance = &connected.account.instance;
        let tasks = tasks.into_iter().filter(|task| {
            let other = task.instance.as_ref();
            other.is_none_or(|other| other.eq_ignore_ascii_case(instance))
        });
        let calls = tasks.take(MOST).map(|task| async {
            let complete = look_up(&client, &task, instance).await;
            (task, complete)
        });
        let mut calls = stream::iter(calls).buffer_unordered(AT_ONCE);
        while let Some((task, complete)) = calls.next().await {
            match complete {
                Ok(Some(complete)) => {
                    found.insert(task, complete);
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(error = startup::chain(&error), "task not looked up");
                    // What is no use for one of them is no use for the others, unless it is the task's own fault.
                    if error.disposition() != Disposition::GiveUp {
                        break;
                    }
                }
            }
        }
        Ok::<(), accounts::Error>(())
    };
    match tokio::time::timeout(TIME, look).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            tracing::warn!(error = startup::chain(&error), "tasks not looked up");
        }
        Err(_) => tracing::warn!(asked, found = found.len(), "no time to look all tasks up"),
    }
    found
}

async fn look_up(
    client: &servicenow::Client,
    task: &TaskReference,
    instance: &str,
) -> Result<Option<TaskReference>, servicenow::Error> {
    let table = task.table.as_deref().unwrap_or(EVERY_TASK);
    let Ok(table) = Table::parse(table) else {
        return Ok(None);
    };
    let number = task.number.as_deref().map(RecordNumber::parse);
    let sys_id = task.sys_id.as_deref().map(SysId::parse);
    let key = match (sys_id, number) {
        (Some(Ok(sys_id)), _) => RecordKey::SysId(sys_id),
        (None, Some(Ok(number))) => RecordKey::Number(number),
        (Some(Err(_)), _) | (None, Some(Err(_)) | None) => return Ok(None),
    };
    let record = client.shown(&table, &key, &[]).await?.value;
    Ok(Some(TaskReference {
        instance: Some(instance.to_owned()),
        table: record.class.or_else(|| task.table.clone()),
        sys_id: Some(record.sys_id.as_str().to_owned()),
        number: record.number.or_else(|| task.number.clone()),
    }))
}
