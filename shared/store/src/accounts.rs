use aws::dynamodb::Client;
use aws::dynamodb::{
    AttributeValue, CancellationReason, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
};
use domain::{Account, AccountName, AccountState};
use jiff::Timestamp;

use crate::Error;
use crate::item::{Item, Reader, text, time};

/// Longest way from an account's old names to its present one. Far more than anybody renames.
const MOST_HOPS: usize = 8;

/// The table of accounts: one row an account, keyed by its name, and one an old name, which leads to the new one. No
/// row holds a secret.
#[derive(Debug, Clone)]
pub struct Accounts {
    client: Client,
    table: String,
}

/// Whether a function may renew an account's tokens now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lease {
    /// It may, and nobody else until its time is over.
    Granted,
    /// Another one does.
    Held {
        /// No longer than until then.
        until: Timestamp,
    },
    /// The account was put again, renamed or deleted, or came into another state: read it again.
    Changed,
}

/// What came of renaming.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renamed {
    /// The old name leads to the new one from now on.
    Done,
    /// Another account has the new name, or had it once.
    Taken,
    /// The account was changed in between, or its tokens are being renewed.
    Busy,
}

impl Accounts {
    /// The table of this name.
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// One account, by its name or by one that it had.
    ///
    /// # Errors
    /// Retry, but for a corrupt row.
    pub async fn get(&self, name: &AccountName) -> Result<Option<Account>, Error> {
        const OPERATION: &str = "reading an account";
        let mut name = name.clone();
        for _ in 0..MOST_HOPS {
            let answer = self
                .client
                .get_item()
                .table_name(&self.table)
                .key("name", text(name.as_str()))
                // A function that has lost a race must see what the winner stored.
                .consistent_read(true)
                .send()
                .await
                .map_err(Error::unavailable(OPERATION))?;
            let Some(item) = answer.item else {
                return Ok(None);
            };
            match read(OPERATION, &item)? {
                Row::Account(account) => return Ok(Some(*account)),
                Row::Alias { of, .. } => name = of,
            }
        }
        Ok(None)
    }

    /// Every account, by name. Reads the whole table: for people, not for events.
    ///
    /// # Errors
    /// Retry, but for a corrupt row.
    pub async fn list(&self) -> Result<Vec<Account>, Error> {
        let rows = self.rows("listing accounts").await?;
        let mut accounts: Vec<Account> = rows
            .into_iter()
            .filter_map(|row| match row {
                Row::Account(account) => Some(*account),
                Row::Alias { .. } => None,
            })
            .collect();
        accounts.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(accounts)
    }

    /// The names that an account had before, sorted. Reads the whole table.
    ///
    /// # Errors
    /// Retry, but for a corrupt row.
    pub async fn old_names(&self, account: &AccountName) -> Result<Vec<AccountName>, Error> {
        let aliases: Vec<(AccountName, AccountName)> = self
            .rows("listing the old names of an account")
            .await?
            .into_iter()
            .filter_map(|row| match row {
                Row::Account(_) => None,
                Row::Alias { name, of } => Some((name, of)),
            })
            .collect();
        let mut found = Vec::new();
        let mut newest = vec![account];
        while let Some(name) = newest.pop() {
            for (alias, of) in &aliases {
                if of == name && !found.contains(alias) {
                    found.push(alias.clone());
                    newest.push(alias);
                }
            }
        }
        found.sort();
        Ok(found)
    }

    /// Creates an account.
    ///
    /// # Errors
    /// `Conflict` when the name is taken by now.
    pub async fn create(&self, account: &Account) -> Result<(), Error> {
        self.put(
            account,
            "attribute_not_exists(#name) OR #secret = :secret",
            None,
        )
        .await
    }

    /// Replaces what is known of an account, on behalf of whoever has the right to change its secret, and takes that right
    /// back.
    ///
    /// # Errors
    /// `Conflict` when they no longer have it, or the account is gone.
    pub async fn replace(&self, account: &Account, owner: &str) -> Result<(), Error> {
        self.put(
            account,
            "#secret = :secret AND lease_owner = :lease_owner",
            Some(owner),
        )
        .await
    }

    async fn put(
        &self,
        account: &Account,
        condition: &str,
        owner: Option<&str>,
    ) -> Result<(), Error> {
        const OPERATION: &str = "storing an account";
        let mut update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("name", text(account.name.as_str()))
            .condition_expression(condition)
            .expression_attribute_names("#secret", "secret");
        update = match owner {
            Some(owner) => update.expression_attribute_values(":lease_owner", text(owner)),
            None => update.expression_attribute_names("#name", "name"),
        };
        let (mut sets, mut removes) = (
            Vec::new(),
            vec!["lease_owner".to_owned(), "lease_until".to_owned()],
        );
        for (name, value) in attributes(account) {
            match value {
                Some(value) => {
                    sets.push(format!("#{name} = :{name}"));
                    update = update.expression_attribute_values(format!(":{name}"), value);
                }
                None => removes.push(format!("#{name}")),
            }
            update = update.expression_attribute_names(format!("#{name}"), name);
        }
        let expression = format!("SET {} REMOVE {}", sets.join(", "), removes.join(", "));
        match update.update_expression(expression).send().await {
            Ok(_) => Ok(()),
            Err(error) if error.is_condition_failed() => Err(Error::Conflict {
                operation: OPERATION,
            }),
            Err(error) => Err(Error::unavailable(OPERATION)(error)),
        }
    }

    /// Removes an account, by its present name, with the names that it had; tells whether there was one.
    ///
    /// # Errors
    /// Retry: doing it twice changes nothing.
    pub async fn delete(&self, name: &AccountName) -> Result<bool, Error> {
        // The account goes last: as long as it is there, deleting it again finds the old names.
        let old = self.old_names(name).await?;
        for name in &old {
            self.delete_row(name).await?;
        }
        self.delete_row(name).await
    }

    /// Deletes the one row of this name, which needs no right to read the others; tells whether there was one.
    ///
    /// # Errors
    /// Retry.
    pub async fn delete_row(&self, name: &AccountName) -> Result<bool, Error> {
        let answer = self
            .client
            .delete_item()
            .table_name(&self.table)
            .key("name", text(name.as_str()))
            .return_values(aws::dynamodb::ReturnValue::AllOld)
            .send()
            .await
            .map_err(Error::unavailable("deleting an account"))?;
        Ok(answer.attributes.is_some_and(|item| !item.is_empty()))
    }

    /// Gives an account a new name, to which the old one leads from then on.
    ///
    /// # Errors
    /// Retry: read the account again first.
    pub async fn rename(
        &self,
        account: &Account,
        to: &AccountName,
        now: Timestamp,
    ) -> Result<Renamed, Error> {
        const OPERATION: &str = "renaming an account";
        let renamed = Account {
            name: to.clone(),
            updated_at: now,
            ..account.clone()
        };
        let mut put = Put::builder()
            .table_name(&self.table)
            .item("name", text(to.as_str()))
            .condition_expression("attribute_not_exists(#name)")
            .expression_attribute_names("#name", "name");
        for (name, value) in attributes(&renamed) {
            if let Some(value) = value {
                put = put.item(name, value);
            }
        }
        let leave = Put::builder()
            .table_name(&self.table)
            .item("name", text(account.name.as_str()))
            .item("alias_of", text(to.as_str()))
            .condition_expression(
                "#secret = :secret AND updated_at = :updated_at AND #state = :state \
                 AND (attribute_not_exists(lease_until) OR lease_until < :now)",
            )
            .expression_attribute_names("#secret", "secret")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":secret", text(&account.secret))
            .expression_attribute_values(":updated_at", time(account.updated_at))
            .expression_attribute_values(":state", text(account.state.as_str()))
            .expression_attribute_values(":now", time(now));
        let writes = [put, leave].map(TransactWriteItem::Put);
        let written = self
            .client
            .transact_write_items()
            .set_transact_items(writes.into())
            .send();
        let Err(error) = written.await else {
            return Ok(Renamed::Done);
        };
        let reasons = error.cancellation_reasons().unwrap_or_default();
        let refused = |index: usize| {
            reasons.get(index).and_then(CancellationReason::code) == Some("ConditionalCheckFailed")
        };
        match (refused(0), refused(1)) {
            (true, _) => Ok(Renamed::Taken),
            (false, true) => Ok(Renamed::Busy),
            (false, false) => Err(Error::unavailable(OPERATION)(error)),
        }
    }

    /// Takes the right to change the account's secret until `until`, unless another function has it. `owner` must be
    /// unique to this change; whoever has it already may take it again.
    ///
    /// # Errors
    /// Retry.
    pub async fn begin_refresh(
        &self,
        account: &Account,
        owner: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Lease, Error> {
        const OPERATION: &str = "taking the right to renew an account's tokens";
        let taken = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("name", text(account.name.as_str()))
            .update_expression("SET lease_owner = :owner, lease_until = :until")
            .condition_expression(
                "#secret = :secret AND updated_at = :updated_at AND #state = :state \
                 AND (attribute_not_exists(lease_until) OR lease_until < :now OR lease_owner = :owner)",
            )
            .expression_attribute_names("#secret", "secret")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":secret", text(&account.secret))
            .expression_attribute_values(":updated_at", time(account.updated_at))
            .expression_attribute_values(":state", text(account.state.as_str()))
            .expression_attribute_values(":owner", text(owner))
            .expression_attribute_values(":until", time(until))
            .expression_attribute_values(":now", time(now))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let Err(error) = taken else {
            return Ok(Lease::Granted);
        };
        let Some(refused) = error.condition_failed() else {
            return Err(Error::unavailable(OPERATION)(error));
        };
        let held = refused.item.map(|item| {
            Reader {
                operation: OPERATION,
                item: &item,
            }
            .time("lease_until")
        });
        match held.transpose()?.flatten() {
            Some(until) if until >= now => Ok(Lease::Held { until }),
            Some(_) | None => Ok(Lease::Changed),
        }
    }

    /// Gives the right back. Whoever lost it meanwhile changes nothing.
    ///
    /// # Errors
    /// Retry, or leave it: the right ends by itself.
    pub async fn end_refresh(&self, name: &AccountName, owner: &str) -> Result<(), Error> {
        const OPERATION: &str = "giving back the right to renew an account's tokens";
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("name", text(name.as_str()))
            .update_expression("REMOVE lease_owner, lease_until")
            .condition_expression("lease_owner = :owner")
            .expression_attribute_values(":owner", text(owner));
        if_still_so(OPERATION, update.send().await).map(drop)
    }

    /// Stores that the account must be connected again, and why, on behalf of whoever has the right to renew its tokens.
    /// Tells whether they still have it; if not, nothing was stored.
    ///
    /// # Errors
    /// Retry: doing it twice changes nothing.
    pub async fn lose(&self, account: &Account, owner: &str, problem: &str) -> Result<bool, Error> {
        const OPERATION: &str = "storing that an account is lost";
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("name", text(account.name.as_str()))
            .update_expression("SET #state = :state, problem = :problem")
            .condition_expression("lease_owner = :owner AND updated_at = :updated_at")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":owner", text(owner))
            .expression_attribute_values(":updated_at", time(account.updated_at))
            .expression_attribute_values(":state", text(AccountState::Reconnect.as_str()))
            .expression_attribute_values(":problem", text(problem));
        if_still_so(OPERATION, update.send().await)
    }

    /// Stores that a lost account may be tried again. One that was put again since keeps its state.
    ///
    /// # Errors
    /// Retry: doing it twice changes nothing.
    pub async fn hope(&self, account: &Account) -> Result<bool, Error> {
        const OPERATION: &str = "storing that an account may be tried again";
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("name", text(account.name.as_str()))
            .update_expression("SET #state = :state REMOVE problem")
            .condition_expression("#secret = :secret AND updated_at = :updated_at")
            .expression_attribute_names("#state", "state")
            .expression_attribute_names("#secret", "secret")
            .expression_attribute_values(":secret", text(&account.secret))
            .expression_attribute_values(":updated_at", time(account.updated_at))
            .expression_attribute_values(":state", text(AccountState::Connected.as_str()));
        if_still_so(OPERATION, update.send().await)
    }

    /// Stores that the account's credentials were seen to work.
    ///
    /// # Errors
    /// Retry: doing it twice changes nothing.
    pub async fn verified(&self, name: &AccountName, at: Timestamp) -> Result<(), Error> {
        self.stamp("storing that an account works", name, "verified_at", at)
            .await
    }

    /// Stores that a task has used the account.
    ///
    /// # Errors
    /// Retry, or leave it: the next task does it again.
    pub async fn used(&self, name: &AccountName, at: Timestamp) -> Result<(), Error> {
        self.stamp("storing when an account was used", name, "used_at", at)
            .await
    }

    async fn stamp(
        &self,
        operation: &'static str,
        name: &AccountName,
        attribute: &'static str,
        at: Timestamp,
    ) -> Result<(), Error> {
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("name", text(name.as_str()))
            .update_expression("SET #attribute = :at")
            .condition_expression("attribute_exists(#secret)")
            .expression_attribute_names("#attribute", attribute)
            .expression_attribute_names("#secret", "secret")
            .expression_attribute_values(":at", time(at));
        if_still_so(operation, update.send().await).map(drop)
    }

    async fn rows(&self, operation: &'static str) -> Result<Vec<Row>, Error> {
        let scan = self.client.scan().table_name(&self.table);
        let items = scan.all_items().await;
        let mut rows = Vec::new();
        for item in items.map_err(Error::unavailable(operation))? {
            rows.push(read(operation, &item)?);
        }
        Ok(rows)
    }
}

/// Whether the condition of a write still held. A write whose condition no longer holds has nothing left to do.
fn if_still_so<T>(operation: &'static str, result: Result<T, aws::Error>) -> Result<bool, Error> {
    match result {
        Ok(_) => Ok(true),
        Err(error) if error.is_condition_failed() => Ok(false),
        Err(error) => Err(Error::unavailable(operation)(error)),
    }
}

enum Row {
    Account(Box<Account>),
    Alias { name: AccountName, of: AccountName },
}

/// Everything but the key.
fn attributes(account: &Account) -> [(&'static str, Option<AttributeValue>); 10] {
    [
        ("vendor", Some(text(account.vendor.as_str()))),
        ("instance", Some(text(&account.instance))),
        ("kind", Some(text(account.kind.as_str()))),
        ("state", Some(text(account.state.as_str()))),
        ("problem", account.problem.as_deref().map(text)),
        ("owner", account.owner.as_deref().map(text)),
        ("secret", Some(text(&account.secret))),
        ("updated_at", Some(time(account.updated_at))),
        ("verified_at", account.verified_at.map(time)),
        ("used_at", account.used_at.map(time)),
    ]
}

fn read(operation: &'static str, item: &Item) -> Result<Row, Error> {
    let row = Reader { operation, item };
    let missing = |what: &'static str| Error::Corrupt {
        operation,
        what,
        problem: "it is missing".to_owned(),
    };
    let optional = |what: &'static str| row.text(what).map(|text| text.map(str::to_owned));
    let name = row.word("name")?.ok_or_else(|| missing("name"))?;
    if let Some(of) = row.word("alias_of")? {
        return Ok(Row::Alias { name, of });
    }
    Ok(Row::Account(Box::new(Account {
        name,
        vendor: row.word("vendor")?.ok_or_else(|| missing("vendor"))?,
        instance: optional("instance")?.ok_or_else(|| missing("instance"))?,
        kind: row.word("kind")?.ok_or_else(|| missing("kind"))?,
        state: row.word("state")?.ok_or_else(|| missing("state"))?,
        problem: optional("problem")?,
        owner: optional("owner")?,
        secret: optional("secret")?.ok_or_else(|| missing("secret"))?,
        updated_at: row
            .time("updated_at")?
            .ok_or_else(|| missing("updated_at"))?,
        verified_at: row.time("verified_at")?,
        used_at: row.time("used_at")?,
    })))
}
