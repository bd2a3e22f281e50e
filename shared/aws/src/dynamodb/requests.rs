use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{AttributeValue, Item, Request};
use crate::Error;
use crate::call::Operation;

/// Which attributes an answer shows of the row that was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ReturnValue {
    /// All, as they were before.
    AllOld,
    /// All, as they are now.
    AllNew,
}

/// Whether the row is shown when a condition does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ReturnValuesOnConditionCheckFailure {
    /// It is.
    AllOld,
}

macro_rules! input {
    ($(#[$meta:meta])* $name:ident -> $output:ty { $($field:ident: $type:ty),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Default, Serialize)]
        #[serde(rename_all = "PascalCase")]
        pub struct $name {
            $(
                #[serde(skip_serializing_if = "Option::is_none")]
                pub(super) $field: Option<$type>,
            )+
        }

        impl Operation for $name {
            const NAME: &'static str = stringify!($name);
            type Output = $output;
        }
    };
}

input! {
    /// Reads a row.
    GetItem -> GetItemOutput { table_name: String, key: Item, consistent_read: bool, projection_expression: String, expression_attribute_names: BTreeMap<String, String> }
}
setters!(Request<GetItem> {
    text table_name;
    entry(AttributeValue) key;
    value(bool) consistent_read;
    text projection_expression;
    entry(String) expression_attribute_names;
});

input! {
    /// Writes a row.
    PutItem -> WriteOutput {
        table_name: String, item: Item, condition_expression: String,
        expression_attribute_names: BTreeMap<String, String>, expression_attribute_values: Item,
        return_values: ReturnValue, return_values_on_condition_check_failure: ReturnValuesOnConditionCheckFailure,
    }
}
setters!(Request<PutItem> {
    text table_name;
    entry(AttributeValue) item;
    text condition_expression;
    entry(String) expression_attribute_names;
    entry(AttributeValue) expression_attribute_values;
    value(ReturnValue) return_values;
    value(ReturnValuesOnConditionCheckFailure) return_values_on_condition_check_failure;
});

impl Request<PutItem> {
    /// Sets the whole row.
    #[must_use]
    pub fn set_item(mut self, item: Option<Item>) -> Self {
        self.input.item = item;
        self
    }
}

input! {
    /// Changes a row, or makes it.
    UpdateItem -> WriteOutput {
        table_name: String, key: Item, update_expression: String, condition_expression: String,
        expression_attribute_names: BTreeMap<String, String>, expression_attribute_values: Item,
        return_values: ReturnValue, return_values_on_condition_check_failure: ReturnValuesOnConditionCheckFailure,
    }
}
setters!(Request<UpdateItem> {
    text table_name;
    entry(AttributeValue) key;
    text update_expression;
    text condition_expression;
    entry(String) expression_attribute_names;
    entry(AttributeValue) expression_attribute_values;
    value(ReturnValue) return_values;
    value(ReturnValuesOnConditionCheckFailure) return_values_on_condition_check_failure;
});

input! {
    /// Deletes a row.
    DeleteItem -> WriteOutput {
        table_name: String, key: Item, condition_expression: String,
        expression_attribute_names: BTreeMap<String, String>, expression_attribute_values: Item,
        return_values: ReturnValue, return_values_on_condition_check_failure: ReturnValuesOnConditionCheckFailure,
    }
}
setters!(Request<DeleteItem> {
    text table_name;
    entry(AttributeValue) key;
    text condition_expression;
    entry(String) expression_attribute_names;
    entry(AttributeValue) expression_attribute_values;
    value(ReturnValue) return_values;
    value(ReturnValuesOnConditionCheckFailure) return_values_on_condition_check_failure;
});

input! {
    /// Reads rows of one key, in order.
    Query -> QueryOutput {
        table_name: String, index_name: String, key_condition_expression: String, filter_expression: String,
        projection_expression: String, expression_attribute_names: BTreeMap<String, String>,
        expression_attribute_values: Item, consistent_read: bool, scan_index_forward: bool, limit: i32,
        exclusive_start_key: Item,
    }
}
setters!(Request<Query> {
    text table_name;
    text index_name;
    text key_condition_expression;
    text filter_expression;
    text projection_expression;
    entry(String) expression_attribute_names;
    entry(AttributeValue) expression_attribute_values;
    value(bool) consistent_read;
    value(bool) scan_index_forward;
    value(i32) limit;
});

input! {
    /// Reads all rows, in no order.
    Scan -> QueryOutput {
        table_name: String, index_name: String, filter_expression: String, projection_expression: String,
        expression_attribute_names: BTreeMap<String, String>, expression_attribute_values: Item,
        consistent_read: bool, limit: i32, exclusive_start_key: Item,
    }
}
setters!(Request<Scan> {
    text table_name;
    text index_name;
    text filter_expression;
    text projection_expression;
    entry(String) expression_attribute_names;
    entry(AttributeValue) expression_attribute_values;
    value(bool) consistent_read;
    value(i32) limit;
});

macro_rules! paged {
    ($($input:ident),+) => {
        $(impl Request<$input> {
            /// Goes on behind this row.
            #[must_use]
            pub fn set_exclusive_start_key(mut self, key: Option<Item>) -> Self {
                self.input.exclusive_start_key = key;
                self
            }

            /// Reads page after page.
            ///
            /// # Errors
            /// See [`Error`]; what was read before is lost then.
            pub async fn all_items(mut self) -> Result<Vec<Item>, Error> {
                let mut items = Vec::new();
                loop {
                    let page = self.client.caller.call(&self.input).await?;
                    if items.is_empty() {
                        items = page.items.unwrap_or_default();
                    } else {
                        items.extend(page.items.unwrap_or_default());
                    }
                    self.input.exclusive_start_key = page.last_evaluated_key.filter(|key| !key.is_empty());
                    if self.input.exclusive_start_key.is_none() {
                        return Ok(items);
                    }
                }
            }
        })+
    };
}
paged!(Query, Scan);

/// Rows of one table that are read by their keys.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct KeysAndAttributes {
    /// The keys.
    #[serde(default)]
    pub keys: Vec<Item>,
    /// Whether the rows are read as they are now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consistent_read: Option<bool>,
    /// Which attributes are wanted; all when there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub projection_expression: Option<String>,
    /// Names in it that stand for others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expression_attribute_names: Option<BTreeMap<String, String>>,
}

input! {
    /// Reads up to 100 rows.
    BatchGetItem -> BatchGetItemOutput { request_items: BTreeMap<String, KeysAndAttributes> }
}
setters!(Request<BatchGetItem> {
    entry(KeysAndAttributes) request_items;
});

impl Request<BatchGetItem> {
    /// Sets all that is to be read.
    #[must_use]
    pub fn set_request_items(mut self, items: Option<BTreeMap<String, KeysAndAttributes>>) -> Self {
        self.input.request_items = items;
        self
    }
}

/// A row that was read.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetItemOutput {
    /// The row; `None` when there is none.
    pub item: Option<Item>,
}

/// What a write tells of the row.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct WriteOutput {
    /// The attributes that were asked for; `None` when there was no row.
    pub attributes: Option<Item>,
}

/// A page of rows.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct QueryOutput {
    /// The rows.
    pub items: Option<Vec<Item>>,
    /// Where it goes on; `None` at the end.
    pub last_evaluated_key: Option<Item>,
}

/// Rows of several tables.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct BatchGetItemOutput {
    /// The rows of each table, in no order. Those that are not there are missing.
    pub responses: Option<BTreeMap<String, Vec<Item>>>,
    /// What was not read this time: ask for it again.
    pub unprocessed_keys: Option<BTreeMap<String, KeysAndAttributes>>,
}
