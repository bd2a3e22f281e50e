//! What is asked of the tables, seen at the client.

use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_dynamodb::config::interceptors::{
    AfterDeserializationInterceptorContextRef, BeforeSerializationInterceptorContextMut,
};
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use aws_sdk_dynamodb::operation::query::{QueryInput, QueryOutput};
use aws_sdk_dynamodb::operation::transact_write_items::{
    TransactWriteItemsInput, TransactWriteItemsOutput,
};
use aws_sdk_dynamodb::types::{ConsumedCapacity, ReturnConsumedCapacity};

/// What was asked and answered.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Counts {
    /// Calls, every attempt for itself.
    pub(crate) calls: usize,
    /// Rows that queries have returned.
    pub(crate) rows_read: usize,
    /// Rows that queries have looked at.
    pub(crate) rows_scanned: usize,
    /// Bodies of all answers.
    pub(crate) bytes_read: usize,
    /// Rows that transactions have written.
    pub(crate) rows_written: usize,
    /// Capacity units of queries.
    pub(crate) read_units: f64,
    /// Capacity units of transactions.
    pub(crate) write_units: f64,
}

/// Counts what goes through a client. Copies count together.
#[derive(Debug, Clone, Default)]
pub(crate) struct Meter(Arc<Mutex<Counts>>);

impl Meter {
    /// What was counted since the last time.
    pub(crate) fn take(&self) -> Counts {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Intercept for Meter {
    fn name(&self) -> &'static str {
        "Meter"
    }

    fn modify_before_serialization(
        &self,
        context: &mut BeforeSerializationInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let input = context.input_mut();
        if let Some(query) = input.downcast_mut::<QueryInput>() {
            query.return_consumed_capacity = Some(ReturnConsumedCapacity::Total);
        } else if let Some(transaction) = input.downcast_mut::<TransactWriteItemsInput>() {
            transaction.return_consumed_capacity = Some(ReturnConsumedCapacity::Total);
            let rows = transaction.transact_items.as_ref().map_or(0, Vec::len);
            self.0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .rows_written += rows;
        }
        Ok(())
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.calls += 1;
        counts.bytes_read += context.response().body().bytes().map_or(0, <[u8]>::len);
        let Ok(output) = context.output_or_error() else {
            return Ok(());
        };
        if let Some(query) = output.downcast_ref::<QueryOutput>() {
            counts.rows_read += usize::try_from(query.count())?;
            counts.rows_scanned += usize::try_from(query.scanned_count())?;
            counts.read_units += units(query.consumed_capacity().into_iter());
        } else if let Some(transaction) = output.downcast_ref::<TransactWriteItemsOutput>() {
            counts.write_units += units(transaction.consumed_capacity().iter());
        }
        Ok(())
    }
}

fn units<'a>(consumed: impl Iterator<Item = &'a ConsumedCapacity>) -> f64 {
    consumed.filter_map(ConsumedCapacity::capacity_units).sum()
}
