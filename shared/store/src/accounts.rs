use aws_sdk_dynamodb::Client;
use domain::{Account, AccountName};

use crate::Error;
use crate::item::{Item, Reader, json, text};

/// The table of accounts: one row an account, keyed by its name.
#[derive(Debug, Clone)]
pub struct Accounts {
    client: Client,
    table: String,
}

impl Accounts {
    /// The table of this name.
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// One account.
    ///
    /// # Errors
    /// Retry, but for a corrupt row.
    pub async fn get(&self, name: &AccountName) -> Result<Option<Account>, Error> {
        const OPERATION: &str = "reading an account";
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("name", text(name.as_str()))
            .send()
            .await
            .map_err(Error::unavailable(OPERATION))?;
        answer.item.map(|item| read(OPERATION, &item)).transpose()
    }

    /// Creates or replaces an account.
    ///
    /// # Errors
    /// Retry: doing it twice changes nothing.
    pub async fn put(&self, account: &Account) -> Result<(), Error> {
        const OPERATION: &str = "storing an account";
        self.client
            .put_item()
            .table_name(&self.table)
            .item("name", text(account.name.as_str()))
            .item("document", json(OPERATION, "account", account)?)
            .send()
            .await
            .map_err(Error::unavailable(OPERATION))?;
        Ok(())
    }

    /// Removes an account; tells whether there was one.
    ///
    /// # Errors
    /// Retry: doing it twice changes nothing.
    pub async fn delete(&self, name: &AccountName) -> Result<bool, Error> {
        let answer = self
            .client
            .delete_item()
            .table_name(&self.table)
            .key("name", text(name.as_str()))
            .return_values(aws_sdk_dynamodb::types::ReturnValue::AllOld)
            .send()
            .await
            .map_err(Error::unavailable("deleting an account"))?;
        Ok(answer.attributes.is_some_and(|item| !item.is_empty()))
    }

    /// Every account, by name. Reads the whole table: for people, not for events.
    ///
    /// # Errors
    /// Retry, but for a corrupt row.
    pub async fn list(&self) -> Result<Vec<Account>, Error> {
        const OPERATION: &str = "listing accounts";
        let mut pages = self
            .client
            .scan()
            .table_name(&self.table)
            .into_paginator()
            .items()
            .send();
        let mut accounts = Vec::new();
        while let Some(item) = pages.next().await {
            accounts.push(read(
                OPERATION,
                &item.map_err(Error::unavailable(OPERATION))?,
            )?);
        }
        accounts.sort_by(|a: &Account, b| a.name.cmp(&b.name));
        Ok(accounts)
    }
}

fn read(operation: &'static str, item: &Item) -> Result<Account, Error> {
    Reader { operation, item }.required_json("document")
}
