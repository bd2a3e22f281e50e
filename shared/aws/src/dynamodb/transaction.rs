use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, Serializer};

use super::{AttributeValue, Item, Request};
use crate::call::Operation;
use crate::json::client_token;

macro_rules! write {
    ($(#[$meta:meta])* $name:ident { $($field:ident: $type:ty),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Default, Serialize)]
        #[serde(rename_all = "PascalCase")]
        pub struct $name {
            $(
                #[serde(skip_serializing_if = "Option::is_none")]
                $field: Option<$type>,
            )+
        }

        impl $name {
            /// One without anything in it.
            pub fn builder() -> Self {
                Self::default()
            }

            fn input_mut(&mut self) -> &mut Self {
                self
            }
        }

        setters!($name {
            text table_name;
            text condition_expression;
            entry(String) expression_attribute_names;
            entry(AttributeValue) expression_attribute_values;
        });
    };
}

write! {
    /// Writes a row, within a transaction.
    Put {
        table_name: String, item: Item, condition_expression: String,
        expression_attribute_names: BTreeMap<String, String>, expression_attribute_values: Item,
    }
}

setters!(Put {
    entry(AttributeValue) item;
});

impl Put {
    /// Sets the whole row.
    #[must_use]
    pub fn set_item(mut self, item: Option<Item>) -> Self {
        self.item = item;
        self
    }
}

write! {
    /// Changes a row or makes it, within a transaction.
    #[expect(clippy::struct_field_names, reason = "they are DynamoDB's names")]
    Update {
        table_name: String, key: Item, update_expression: String, condition_expression: String,
        expression_attribute_names: BTreeMap<String, String>, expression_attribute_values: Item,
    }
}
setters!(Update {
    entry(AttributeValue) key;
    text update_expression;
});

write! {
    /// Deletes a row, within a transaction.
    Delete {
        table_name: String, key: Item, condition_expression: String,
        expression_attribute_names: BTreeMap<String, String>, expression_attribute_values: Item,
    }
}
setters!(Delete {
    entry(AttributeValue) key;
});

/// One write of a transaction.
#[derive(Debug, Clone, Serialize)]
pub enum TransactWriteItem {
    /// Writes a row.
    Put(Put),
    /// Changes a row, or makes it.
    Update(Update),
    /// Deletes a row.
    Delete(Delete),
}

/// Writes up to 100 rows, all or none.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct TransactWriteItems {
    transact_items: Vec<TransactWriteItem>,
    client_request_token: Token,
}

impl Operation for TransactWriteItems {
    const NAME: &'static str = "TransactWriteItems";
    type Output = Written;
}

impl Request<TransactWriteItems> {
    /// Sets all writes.
    #[must_use]
    pub fn set_transact_items(mut self, items: Vec<TransactWriteItem>) -> Self {
        self.input.transact_items = items;
        self
    }
}

/// A transaction is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Written {}

/// By which DynamoDB recognises a transaction that is sent again within ten minutes: made when it is written as JSON, once
/// for all attempts.
#[derive(Debug, Clone, Copy, Default)]
struct Token;

impl Serialize for Token {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let token = client_token().map_err(serde::ser::Error::custom)?;
        serializer.serialize_str(&token)
    }
}

/// Why one write of a cancelled transaction was not done.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct CancellationReason {
    /// Such as `ConditionalCheckFailed`; `None` or the text `None` when it was not this write.
    pub code: Option<String>,
    /// The row as it is, where it was asked for.
    pub item: Option<Item>,
}

impl CancellationReason {
    /// Such as `ConditionalCheckFailed`.
    pub fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }
}
