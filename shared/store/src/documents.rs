use std::marker::PhantomData;

use aws::dynamodb::Client;
use aws::dynamodb::ReturnValue;
use domain::{Endpoint, EndpointName};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Error;
use crate::item::{Item, Reader, json, text};

/// What a table of named documents holds.
pub trait Document: Serialize + DeserializeOwned {
    /// What a document is found by.
    type Name: AsRef<str> + Ord;
    /// How errors call what was to be done.
    const OPERATIONS: Operations;

    /// The document's name.
    fn name(&self) -> &Self::Name;
}

/// What can be done to a document, in words.
#[derive(Debug, Clone, Copy)]
pub struct Operations {
    read: &'static str,
    put: &'static str,
    delete: &'static str,
    list: &'static str,
}

impl Document for Endpoint {
    type Name = EndpointName;
    const OPERATIONS: Operations = Operations {
        read: "reading an endpoint",
        put: "storing an endpoint",
        delete: "deleting an endpoint",
        list: "listing endpoints",
    };

    fn name(&self) -> &EndpointName {
        &self.name
    }
}

/// The table of endpoints: one row an endpoint, keyed by its name.
pub type Endpoints = Documents<Endpoint>;

/// A table of documents, each under its name.
#[derive(Debug, Clone)]
pub struct Documents<T> {
    client: Client,
    table: String,
    of: PhantomData<T>,
}

impl<T: Document> Documents<T> {
    /// The table of this name.
    pub fn new(client: Client, table: String) -> Self {
        Self {
            client,
            table,
            of: PhantomData,
        }
    }

    /// One document.
    ///
    /// # Errors
    /// Retry, but for a corrupt row.
    pub async fn get(&self, name: &T::Name) -> Result<Option<T>, Error> {
        let operation = T::OPERATIONS.read;
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("name", text(name.as_ref()))
            .send()
            .await
            .map_err(Error::unavailable(operation))?;
        answer.item.map(|item| read(operation, &item)).transpose()
    }

    /// Creates or replaces a document.
    ///
    /// # Errors
    /// Retry: doing it twice changes nothing.
    pub async fn put(&self, document: &T) -> Result<(), Error> {
        let operation = T::OPERATIONS.put;
        self.client
            .put_item()
            .table_name(&self.table)
            .item("name", text(document.name().as_ref()))
            .item("document", json(operation, "document", document)?)
            .send()
            .await
            .map_err(Error::unavailable(operation))?;
        Ok(())
    }

    /// Removes a document; tells whether there was one.
    ///
    /// # Errors
    /// Retry: doing it twice changes nothing.
    pub async fn delete(&self, name: &T::Name) -> Result<bool, Error> {
        let answer = self
            .client
            .delete_item()
            .table_name(&self.table)
            .key("name", text(name.as_ref()))
            .return_values(ReturnValue::AllOld)
            .send()
            .await
            .map_err(Error::unavailable(T::OPERATIONS.delete))?;
        Ok(answer.attributes.is_some_and(|item| !item.is_empty()))
    }

    /// Every document, by name. Reads the whole table: for people, not for events.
    ///
    /// # Errors
    /// Retry, but for a corrupt row.
    pub async fn list(&self) -> Result<Vec<T>, Error> {
        let operation = T::OPERATIONS.list;
        let scan = self.client.scan().table_name(&self.table);
        let items = scan.all_items().await;
        let mut documents = Vec::new();
        for item in items.map_err(Error::unavailable(operation))? {
            documents.push(read::<T>(operation, &item)?);
        }
        documents.sort_by(|a, b| a.name().cmp(b.name()));
        Ok(documents)
    }
}

fn read<T: DeserializeOwned>(operation: &'static str, item: &Item) -> Result<T, Error> {
    Reader { operation, item }.required_json("document")
}
