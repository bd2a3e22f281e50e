//! DynamoDB: rows, conditions and transactions.
//!
//! Source: <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Operations_Amazon_DynamoDB.html>

mod attribute_value;
mod requests;
mod transaction;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

pub use attribute_value::AttributeValue;
pub use requests::{
    BatchGetItem, BatchGetItemOutput, DeleteItem, GetItem, GetItemOutput, KeysAndAttributes,
    PutItem, Query, QueryOutput, ReturnValue, ReturnValuesOnConditionCheckFailure, Scan,
    UpdateItem, WriteOutput,
};
pub use transaction::{
    CancellationReason, Delete, Put, TransactWriteItem, TransactWriteItems, Update, Written,
};

use crate::call::{Caller, Operation};
use crate::{Config, Error, Service};

/// A row, or a part of one: attributes by their names.
pub type Item = BTreeMap<String, AttributeValue>;

/// Calls DynamoDB. Clones share the connections.
#[derive(Debug, Clone)]
pub struct Client {
    caller: Caller,
}

/// A request that is being put together, and sent by [`Request::send`].
#[derive(Debug, Clone)]
pub struct Request<I> {
    client: Client,
    input: I,
}

impl<I> Request<I> {
    fn input_mut(&mut self) -> &mut I {
        &mut self.input
    }
}

impl<I: Operation> Request<I> {
    /// Sends it.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn send(self) -> Result<I::Output, Error> {
        self.client.caller.call(&self.input).await
    }
}

macro_rules! operations {
    ($($method:ident: $input:ident = $doc:literal),+ $(,)?) => {
        $(
            #[doc = $doc]
            pub fn $method(&self) -> Request<$input> {
                Request { client: self.clone(), input: $input::default() }
            }
        )+
    };
}

impl Client {
    /// The tables of this configuration.
    pub fn new(config: &Config) -> Self {
        Self {
            caller: Caller::new(config, Service::DynamoDb),
        }
    }

    operations! {
        get_item: GetItem = "Reads a row.",
        put_item: PutItem = "Writes a row.",
        update_item: UpdateItem = "Changes a row, or makes it.",
        delete_item: DeleteItem = "Deletes a row.",
        query: Query = "Reads rows of one key, in order.",
        scan: Scan = "Reads all rows, in no order.",
        batch_get_item: BatchGetItem = "Reads up to 100 rows.",
        transact_write_items: TransactWriteItems = "Writes up to 100 rows, all or none. Sent again because no answer came, it is recognised as the same.",
    }

    /// Calls an operation that has no words of its own here, such as `CreateTable`: for those who set up or inspect tables.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn call(&self, operation: &'static str, input: &Value) -> Result<Value, Error> {
        self.caller.call_named(operation, input).await
    }
}

const CONDITION_FAILED: &str = "ConditionalCheckFailedException";

/// What a refused condition says of the row.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ConditionFailed {
    /// The row as it is, where it was asked for and there is one.
    pub item: Option<Item>,
}

impl Error {
    /// Whether it is a condition of a single write that does not hold.
    pub fn is_condition_failed(&self) -> bool {
        self.is(CONDITION_FAILED)
    }

    /// Whether a transaction is at the row at this moment.
    pub fn is_transaction_conflict(&self) -> bool {
        self.is("TransactionConflictException")
    }

    /// Whether it is a condition of a single write that does not hold, and what was told of the row.
    pub fn condition_failed(&self) -> Option<ConditionFailed> {
        let refusal = self.refusal()?;
        if refusal.code() != CONDITION_FAILED {
            return None;
        }
        Some(refusal.details().unwrap_or(ConditionFailed { item: None }))
    }

    /// Why a transaction was cancelled: one reason for each of its writes, in their order.
    pub fn cancellation_reasons(&self) -> Option<Vec<CancellationReason>> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Details {
            cancellation_reasons: Vec<CancellationReason>,
        }
        let refusal = self.refusal()?;
        if refusal.code() != "TransactionCanceledException" {
            return None;
        }
        let details = refusal.details::<Details>();
        Some(
            details
                .map(|details| details.cancellation_reasons)
                .unwrap_or_default(),
        )
    }
}
