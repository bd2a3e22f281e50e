use aws::dynamodb::Client;
use aws::dynamodb::ReturnValue;
use domain::{MailTemplate, TemplateName};

use crate::Error;
use crate::item::{Item, Reader, json, text};

const TEMPLATE: &str = "mail-template";

/// The table's rows of mail templates: one row a template.
#[derive(Debug, Clone)]
pub struct MailTemplates {
    client: Client,
    table: String,
}

impl MailTemplates {
    /// The table of this name.
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// One template.
    ///
    /// # Errors
    /// Retry, but for a corrupt row.
    pub async fn get(&self, name: &TemplateName) -> Result<Option<MailTemplate>, Error> {
        const OPERATION: &str = "reading a mail template";
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("pk", text(TEMPLATE))
            .key("sk", text(name.as_str()))
            .send()
            .await
            .map_err(Error::unavailable(OPERATION))?;
        let item = answer.item;
        item.map(|item| read(OPERATION, &item)).transpose()
    }

    /// Creates or replaces a template.
    ///
    /// # Errors
    /// Retry: doing it twice changes nothing.
    pub async fn put(&self, template: &MailTemplate) -> Result<(), Error> {
        const OPERATION: &str = "storing a mail template";
        self.client
            .put_item()
            .table_name(&self.table)
            .item("pk", text(TEMPLATE))
            .item("sk", text(template.name.as_str()))
            .item("document", json(OPERATION, "document", template)?)
            .send()
            .await
            .map_err(Error::unavailable(OPERATION))?;
        Ok(())
    }

    /// Removes a template; tells whether there was one.
    ///
    /// # Errors
    /// Retry: doing it twice changes nothing.
    pub async fn delete(&self, name: &TemplateName) -> Result<bool, Error> {
        let answer = self
            .client
            .delete_item()
            .table_name(&self.table)
            .key("pk", text(TEMPLATE))
            .key("sk", text(name.as_str()))
            .return_values(ReturnValue::AllOld)
            .send()
            .await
            .map_err(Error::unavailable("deleting a mail template"))?;
        Ok(answer.attributes.is_some_and(|item| !item.is_empty()))
    }

    /// Every template, by name.
    ///
    /// # Errors
    /// Retry, but for a corrupt row.
    pub async fn list(&self) -> Result<Vec<MailTemplate>, Error> {
        const OPERATION: &str = "listing mail templates";
        let items = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", text(TEMPLATE))
            .all_items()
            .await
            .map_err(Error::unavailable(OPERATION))?;
        items.iter().map(|item| read(OPERATION, item)).collect()
    }
}

fn read(operation: &'static str, item: &Item) -> Result<MailTemplate, Error> {
    Reader { operation, item }.required_json("document")
}
