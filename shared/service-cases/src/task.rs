//! Reading the ServiceNow task that a case belongs to.

use std::collections::BTreeSet;

use accounts::Connected;
use domain::{AccountName, TaskReference, Vendor};
use jiff::Timestamp;
use servicenow::{Answer, FieldPath, RecordKey, RecordNumber, Shown, SysId, Table};

use crate::{Error, ServiceCases};

/// The table that all tasks are in.
const ANY_TASK: &str = "task";
/// Whom a task is for: what the tables call it. Who opened it may be the supporter, and is left out.
///
/// Source: <https://www.servicenow.com/docs/bundle/zurich-it-service-management/page/product/incident-management/reference/r_IncidentForm.html>
/// and the forms of change requests and requested items.
const CALLERS: [&str; 4] = [
    "caller_id",
    "requested_for",
    "request.requested_for",
    "requested_by",
];

/// A task as ServiceNow shows it.
#[derive(Debug)]
pub(crate) struct Task {
    /// Everything by which it is known.
    pub(crate) reference: TaskReference,
    pub(crate) shown: Shown,
}

impl Task {
    /// The name of whom it is for.
    pub(crate) fn caller_name(&self) -> Option<&str> {
        CALLERS.iter().find_map(|caller| self.shown.field(caller))
    }

    /// The e-mail address of whom it is for.
    pub(crate) fn caller_email(&self) -> Option<&str> {
        let caller = CALLERS
            .iter()
            .find(|caller| self.shown.field(caller).is_some())?;
        self.shown.field(&format!("{caller}.email"))
    }
}

/// The fields by which somebody finds the caller.
pub(crate) fn caller_fields() -> impl Iterator<Item = String> {
    let both = |caller: &str| [caller.to_owned(), format!("{caller}.email")];
    CALLERS.into_iter().flat_map(both)
}

impl ServiceCases {
    /// Reads a task: these fields, and those that say what it is. Where `tables` are named, of others only what they are
    /// called is learned.
    pub(crate) async fn task(
        &self,
        account: &AccountName,
        task: &TaskReference,
        fields: &BTreeSet<String>,
        tables: Option<&[String]>,
        now: Timestamp,
    ) -> Result<Task, Error> {
        let moment = self.moment(now);
        let connected = self
            .accounts
            .connect(account, Vendor::ServiceNow, &moment)
            .await?;
        match self.read(account, &connected, task, fields, tables).await {
            Err(Error::ServiceNow { error, .. }) if error.is_unauthorized() => {
                let other = self
                    .accounts
                    .reconnect(account, &connected, &moment)
                    .await?;
                match other {
                    Some(other) => self.read(account, &other, task, fields, tables).await,
                    None => Err(Error::ServiceNow {
                        account: account.clone(),
                        error,
                    }),
                }
            }
            read => read,
        }
    }

    async fn read(
        &self,
        account: &AccountName,
        connected: &Connected,
        task: &TaskReference,
        fields: &BTreeSet<String>,
        tables: Option<&[String]>,
    ) -> Result<Task, Error> {
        let vendors = self.accounts.vendors();
        let base = vendors.base(Vendor::ServiceNow, &connected.account.instance);
        let base = base.map_err(accounts::Error::Instance)?;
        let instance = base.label().to_owned();
        if let Some(named) = &task.instance
            && !named.eq_ignore_ascii_case(&instance)
        {
            return Err(Error::OtherInstance {
                instance: named.clone(),
                account: account.clone(),
            });
        }
        let key = key(task)?;
        let named = task.table.clone().or_else(|| table_of_number(task));
        if let Some(named) = &named {
            check_table(named, tables)?;
        }
        let asked = table(named.as_deref().unwrap_or(ANY_TASK))?;
        // A template was checked when it was stored; what is no path has no value.
        let paths: Vec<FieldPath> = fields
            .iter()
            .filter_map(|path| FieldPath::parse(path).ok())
            .collect();
        let client = vendors.servicenow(connected)?;
        let failed = |error| Error::ServiceNow {
            account: account.clone(),
            error: Box::new(error),
        };
        // Which table a record is in that has only an id is to be known before anything else is.
        let first = if named.is_some() {
            paths.as_slice()
        } else {
            &[]
        };
        let shown = client.shown(&asked, &key, first).await;
        let Answer {
            value: mut shown, ..
        } = shown.map_err(failed)?;
        let class = shown.class.as_deref().map(table).transpose()?;
        if named.is_none() {
            let class = class.as_ref().unwrap_or(&asked);
            check_table(class.as_str(), tables)?;
            let key = RecordKey::SysId(shown.sys_id.clone());
            shown = client
                .shown(class, &key, &paths)
                .await
                .map_err(failed)?
                .value;
        }
        let reference = TaskReference {
            instance: Some(instance),
            table: Some(class.unwrap_or(asked).as_str().to_owned()),
            sys_id: Some(shown.sys_id.as_str().to_owned()),
            number: shown.number.clone().or_else(|| task.number.clone()),
        };
        Ok(Task { reference, shown })
    }
}

fn key(task: &TaskReference) -> Result<RecordKey, Error> {
    let invalid = |error: servicenow::InvalidInput| Error::InvalidTask(error.to_string());
    match (&task.sys_id, &task.number) {
        (Some(sys_id), _) => Ok(RecordKey::SysId(SysId::parse(sys_id).map_err(invalid)?)),
        (None, Some(number)) => {
            let number = RecordNumber::parse(&number.to_ascii_uppercase()).map_err(invalid)?;
            Ok(RecordKey::Number(number))
        }
        (None, None) => Err(Error::InvalidTask(
            "it names neither the record's id nor its number".to_owned(),
        )),
    }
}

fn check_table(name: &str, tables: Option<&[String]>) -> Result<(), Error> {
    let is_read = |tables: &[String]| tables.iter().any(|table| table == name);
    if tables.is_none_or(is_read) {
        return Ok(());
    }
    Err(Error::OtherTable {
        table: name.to_owned(),
    })
}

fn table(name: &str) -> Result<Table, Error> {
    Table::parse(name).map_err(|error| Error::InvalidTask(error.to_string()))
}

/// The table that the number's prefix tells.
fn table_of_number(task: &TaskReference) -> Option<String> {
    TaskReference::in_text(task.number.as_deref()?)?.table
}
