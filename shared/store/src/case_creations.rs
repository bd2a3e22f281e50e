use aws::dynamodb::Client;
use aws::dynamodb::{Request, UpdateItem};
use aws::dynamodb::{ReturnValue, ReturnValuesOnConditionCheckFailure};
use domain::{AccountName, CaseCode};
use jiff::Timestamp;

use crate::Error;
use crate::item::{Item, Reader, expiry, number, text, time};

/// How long a claim stays: longer than any case can be used.
const KEPT_DAYS: u32 = 60;
const TAKING: &str = "taking the right to create a service case";
const CREATION: &str = "creation";
const CREATING: &str = "creating";
const MADE: &str = "made";
const WAITING: &str = "waiting";
/// Which case of the task and the user it is, and what else changes: the first, or the one that was begun.
const FIRST: (&str, &str) = ("if_not_exists(attempt, :one)", "");
/// The one behind a case that is over.
const NEXT: (&str, &str) = (":over + :one", " REMOVE code, perhaps_with");

/// The table's rows that say who creates which service case: one row for a task and a user, so that asking twice
/// creates once.
#[derive(Debug, Clone)]
pub struct CaseCreations {
    client: Client,
    table: String,
}

/// A creation that the caller has the right to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseCreation {
    /// Names the task and the user.
    pub id: String,
    /// Which case of them it is, from 1.
    pub attempt: u32,
    /// With which account it may have been created already.
    pub perhaps_with: Option<AccountName>,
}

/// What came of claiming a creation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CreationClaim {
    /// The caller creates it.
    Claimed(CaseCreation),
    /// Somebody is at it, or it is left alone for a while.
    Held {
        /// Until then.
        until: Timestamp,
    },
    /// There is a case.
    Made {
        /// Which case of the task and the user it is.
        attempt: u32,
        /// The case.
        code: CaseCode,
    },
    /// It does not wait for that account (any more).
    NotWaiting,
}

/// A creation that waits for an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingCreation {
    /// Names the task and the user.
    pub id: String,
    /// What was asked for.
    pub request: String,
    /// Nobody wants it any more then.
    pub until: Timestamp,
}

impl CaseCreations {
    /// The table of this name.
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// Takes the right to create the case of `id` until `lease_until`. `owner` must be unique to this call.
    ///
    /// # Errors
    /// Retry, but for a corrupt row.
    pub async fn claim(
        &self,
        id: &str,
        owner: &str,
        now: Timestamp,
        lease_until: Timestamp,
    ) -> Result<CreationClaim, Error> {
        let update = self
            .taking(id, owner, now, lease_until, FIRST)
            .condition_expression(
                "attribute_not_exists(pk) \
                 OR (#state <> :made AND (attribute_not_exists(lease_until) OR lease_until <= :now))",
            )
            .expression_attribute_values(":made", text(MADE))
            .expression_attribute_values(":now", time(now));
        claimed(id, update).await
    }

    /// The same for a creation that waits for `account`, or whose creator died before it was through. `Held`: it still
    /// waits, and must be looked at again. `NotWaiting`: there is a case, or it waits for another account.
    ///
    /// # Errors
    /// Retry, but for a corrupt row.
    pub async fn claim_waiting(
        &self,
        id: &str,
        account: &AccountName,
        owner: &str,
        now: Timestamp,
        lease_until: Timestamp,
    ) -> Result<CreationClaim, Error> {
        let update = self
            .taking(id, owner, now, lease_until, FIRST)
            .condition_expression(
                "(#state = :waiting OR #state = :creating) \
                 AND (attribute_not_exists(waiting_for) OR waiting_for = :account) \
                 AND (attribute_not_exists(lease_until) OR lease_until <= :now)",
            )
            .expression_attribute_values(":waiting", text(WAITING))
            .expression_attribute_values(":account", text(account.as_str()))
            .expression_attribute_values(":now", time(now));
        let refused = match take(id, update).await? {
            Taken::Granted(creation) => return Ok(CreationClaim::Claimed(creation)),
            Taken::Refused(item) => item,
        };
        let reader = Reader {
            operation: TAKING,
            item: &refused,
        };
        let waits_for: Option<AccountName> = reader.word("waiting_for")?;
        let is_for_another = waits_for.is_some_and(|other| other != *account);
        if refused.is_empty() || is_for_another || reader.text("state")? == Some(MADE) {
            return Ok(CreationClaim::NotWaiting);
        }
        Ok(CreationClaim::Held {
            until: reader.time("lease_until")?.unwrap_or(now),
        })
    }

    /// The same in place of a case that is over, unless somebody has done so already.
    ///
    /// # Errors
    /// Retry, but for a corrupt row.
    pub async fn claim_next(
        &self,
        id: &str,
        over: u32,
        owner: &str,
        now: Timestamp,
        lease_until: Timestamp,
    ) -> Result<CreationClaim, Error> {
        let update = self
            .taking(id, owner, now, lease_until, NEXT)
            .condition_expression("#state = :made AND attempt = :over")
            .expression_attribute_values(":made", text(MADE))
            .expression_attribute_values(":over", number(i64::from(over)));
        let claim = claimed(id, update).await?;
        if !matches!(claim, CreationClaim::Claimed(_)) {
            return Ok(claim);
        }
        Ok(CreationClaim::Claimed(CaseCreation {
            id: id.to_owned(),
            attempt: over + 1,
            perhaps_with: None,
        }))
    }

    fn taking(
        &self,
        id: &str,
        owner: &str,
        now: Timestamp,
        lease_until: Timestamp,
        (attempt, rest): (&str, &str),
    ) -> Request<UpdateItem> {
        self.row(id)
            .update_expression(format!(
                "SET #state = :creating, lease_owner = :owner, lease_until = :until, \
                 attempt = {attempt}, expires_at = :expiry{rest}"
            ))
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":creating", text(CREATING))
            .expression_attribute_values(":owner", text(owner))
            .expression_attribute_values(":until", time(lease_until))
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":expiry", expiry(now, KEPT_DAYS))
            .return_values(ReturnValue::AllOld)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
    }

    fn row(&self, id: &str) -> Request<UpdateItem> {
        self.client
            .update_item()
            .table_name(&self.table)
            .key("pk", text(creation_key(id)))
            .key("sk", text(CREATION))
    }

    /// Notes that the case is about to be created with `account`; tells whether the caller still has the right to. What
    /// becomes of the call is unknown until it is noted.
    ///
    /// # Errors
    /// Retry.
    pub async fn about_to_create(
        &self,
        id: &str,
        owner: &str,
        account: &AccountName,
    ) -> Result<bool, Error> {
        let update = self
            .row(id)
            .update_expression("SET perhaps_with = :account")
            .expression_attribute_values(":account", text(account.as_str()));
        if_owned("noting who creates a service case", update, owner).await
    }

    /// Notes the case that was created, or found; tells whether the caller still had the right to create it.
    ///
    /// # Errors
    /// Retry: it is found again, too.
    pub async fn made(&self, id: &str, owner: &str, code: &CaseCode) -> Result<bool, Error> {
        let update = self
            .row(id)
            .update_expression(
                "SET #state = :made, code = :code \
                 REMOVE lease_owner, lease_until, perhaps_with, waiting_for",
            )
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":made", text(MADE))
            .expression_attribute_values(":code", text(code.to_string()));
        if_owned("noting a new service case", update, owner).await
    }

    /// Gives the right back without a case, to whoever comes at or after `from`; `may_exist` says that one may have been
    /// created all the same. Tells whether the caller still had it.
    ///
    /// # Errors
    /// Retry, or leave it: the right ends by itself.
    pub async fn release(
        &self,
        id: &str,
        owner: &str,
        may_exist: bool,
        from: Timestamp,
    ) -> Result<bool, Error> {
        let remove = if may_exist { "" } else { ", perhaps_with" };
        let update = self
            .row(id)
            .update_expression(format!(
                "SET lease_until = :from REMOVE lease_owner{remove}"
            ))
            .expression_attribute_values(":from", time(from));
        if_owned(
            "giving back the right to create a service case",
            update,
            owner,
        )
        .await
    }

    /// Has the creation wait for `account` until `until`, and gives the right back, to whoever comes at or after `from` if
    /// that is said; tells whether the caller still had it.
    ///
    /// # Errors
    /// Retry, or leave it: the right ends by itself.
    pub async fn wait(
        &self,
        id: &str,
        owner: &str,
        account: &AccountName,
        request: &str,
        until: Timestamp,
        from: Option<Timestamp>,
    ) -> Result<bool, Error> {
        const OPERATION: &str = "having a service case wait for an account";
        // First what leads to it: what leads nowhere is forgotten when it is found.
        self.client
            .put_item()
            .table_name(&self.table)
            .item("pk", text(waiting_key(account)))
            .item("sk", text(id))
            .item("request", text(request))
            .item("ends_at", time(until))
            .item("expires_at", expiry(until, 1))
            .send()
            .await
            .map_err(Error::unavailable(OPERATION))?;
        let mut update = self.row(id);
        let lease = match from {
            Some(from) => {
                update = update.expression_attribute_values(":from", time(from));
                ", lease_until = :from REMOVE lease_owner"
            }
            None => " REMOVE lease_owner, lease_until",
        };
        let update = update
            .update_expression(format!(
                "SET #state = :waiting, waiting_for = :account{lease}"
            ))
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":waiting", text(WAITING))
            .expression_attribute_values(":account", text(account.as_str()));
        if_owned(OPERATION, update, owner).await
    }

    /// What waits, or has waited, for an account.
    ///
    /// # Errors
    /// Retry, but for a corrupt row.
    pub async fn waiting(&self, account: &AccountName) -> Result<Vec<WaitingCreation>, Error> {
        const OPERATION: &str = "listing what waits for an account";
        let items = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", text(waiting_key(account)))
            .consistent_read(true)
            .all_items()
            .await
            .map_err(Error::unavailable(OPERATION))?;
        items
            .iter()
            .map(|item| {
                let reader = Reader {
                    operation: OPERATION,
                    item,
                };
                Ok(WaitingCreation {
                    id: reader.text("sk")?.unwrap_or_default().to_owned(),
                    request: reader.text("request")?.unwrap_or_default().to_owned(),
                    until: reader.time("ends_at")?.unwrap_or(Timestamp::UNIX_EPOCH),
                })
            })
            .collect()
    }

    /// Forgets that something waits for an account.
    ///
    /// # Errors
    /// Retry: doing it twice changes nothing.
    pub async fn forget_waiting(&self, account: &AccountName, id: &str) -> Result<(), Error> {
        self.client
            .delete_item()
            .table_name(&self.table)
            .key("pk", text(waiting_key(account)))
            .key("sk", text(id))
            .send()
            .await
            .map_err(Error::unavailable("forgetting what waits for an account"))?;
        Ok(())
    }
}

/// What came of writing that somebody has the right.
enum Taken {
    Granted(CaseCreation),
    /// With the row as it is; empty when there is none.
    Refused(Item),
}

async fn take(id: &str, update: Request<UpdateItem>) -> Result<Taken, Error> {
    let error = match update.send().await {
        Ok(answer) => {
            let before = answer.attributes.unwrap_or_default();
            return Ok(Taken::Granted(read(TAKING, id, &before)?));
        }
        Err(error) => error,
    };
    match error.condition_failed() {
        Some(refused) => Ok(Taken::Refused(refused.item.unwrap_or_default())),
        None => Err(Error::unavailable(TAKING)(error)),
    }
}

async fn claimed(id: &str, update: Request<UpdateItem>) -> Result<CreationClaim, Error> {
    let item = match take(id, update).await? {
        Taken::Granted(creation) => return Ok(CreationClaim::Claimed(creation)),
        Taken::Refused(item) => item,
    };
    let reader = Reader {
        operation: TAKING,
        item: &item,
    };
    if let (Some(MADE), Some(code)) = (reader.text("state")?, reader.word("code")?) {
        return Ok(CreationClaim::Made {
            attempt: reader.number("attempt")?.unwrap_or(1),
            code,
        });
    }
    match reader.time("lease_until")? {
        Some(until) => Ok(CreationClaim::Held { until }),
        None => Ok(CreationClaim::NotWaiting),
    }
}

fn creation_key(id: &str) -> String {
    format!("creation#{id}")
}

fn waiting_key(account: &AccountName) -> String {
    format!("waiting#{account}")
}

async fn if_owned(
    operation: &'static str,
    update: Request<UpdateItem>,
    owner: &str,
) -> Result<bool, Error> {
    let update = update
        .condition_expression("lease_owner = :owner")
        .expression_attribute_values(":owner", text(owner));
    match update.send().await {
        Ok(_) => Ok(true),
        Err(error) if error.is_condition_failed() => Ok(false),
        Err(error) => Err(Error::unavailable(operation)(error)),
    }
}

fn read(operation: &'static str, id: &str, before: &Item) -> Result<CaseCreation, Error> {
    let reader = Reader {
        operation,
        item: before,
    };
    Ok(CaseCreation {
        id: id.to_owned(),
        attempt: reader.number("attempt")?.unwrap_or(1),
        perhaps_with: reader.word("perhaps_with")?,
    })
}
