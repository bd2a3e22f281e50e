use aws_sdk_dynamodb::Client;
use domain::{Endpoint, EndpointName};

use crate::Error;
use crate::item::{Item, Reader, json, text};

/// The table of endpoints: one row an endpoint, keyed by its name.
#[derive(Debug, Clone)]
pub struct Endpoints {
    client: Client,
    table: String,
}

impl Endpoints {
    /// The table of this name.
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// One endpoint.
    ///
    /// # Errors
    /// Retry, but for a corrupt row.
    pub async fn get(&self, name: &EndpointName) -> Result<Option<Endpoint>, Error> {
        const OPERATION: &str = "reading an endpoint";
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

    /// Creates or replaces an endpoint.
    ///
    /// # Errors
    /// Retry: doing it twice changes nothing.
    pub async fn put(&self, endpoint: &Endpoint) -> Result<(), Error> {
        const OPERATION: &str = "storing an endpoint";
        self.client
            .put_item()
            .table_name(&self.table)
            .item("name", text(endpoint.name.as_str()))
            .item("document", json(OPERATION, "endpoint", endpoint)?)
            .send()
            .await
            .map_err(Error::unavailable(OPERATION))?;
        Ok(())
    }

    /// Removes an endpoint; tells whether there was one.
    ///
    /// # Errors
    /// Retry: doing it twice changes nothing.
    pub async fn delete(&self, name: &EndpointName) -> Result<bool, Error> {
        let answer = self
            .client
            .delete_item()
            .table_name(&self.table)
            .key("name", text(name.as_str()))
            .return_values(aws_sdk_dynamodb::types::ReturnValue::AllOld)
            .send()
            .await
            .map_err(Error::unavailable("deleting an endpoint"))?;
        Ok(answer.attributes.is_some_and(|item| !item.is_empty()))
    }

    /// Every endpoint, by name. Reads the whole table: for people, not for events.
    ///
    /// # Errors
    /// Retry, but for a corrupt row.
    pub async fn list(&self) -> Result<Vec<Endpoint>, Error> {
        const OPERATION: &str = "listing endpoints";
        let mut pages = self
            .client
            .scan()
            .table_name(&self.table)
            .into_paginator()
            .items()
            .send();
        let mut endpoints = Vec::new();
        while let Some(item) = pages.next().await {
            endpoints.push(read(
                OPERATION,
                &item.map_err(Error::unavailable(OPERATION))?,
            )?);
        }
        endpoints.sort_by(|a: &Endpoint, b| a.name.cmp(&b.name));
        Ok(endpoints)
    }
}

fn read(operation: &'static str, item: &Item) -> Result<Endpoint, Error> {
    Reader { operation, item }.required_json("document")
}
