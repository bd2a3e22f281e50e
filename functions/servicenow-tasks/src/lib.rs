//! Performs the ServiceNow tasks: `servicenow.create_record` and `servicenow.update_record`.
//!
//! A task's key is the record's `correlation_id`, so that a record whose creation was never confirmed is
//! found before another one is created. Texts that were appended to a journal are looked for before they
//! are appended again. What the instance did not keep as it was sent is a warning of the task.

mod config;
mod connector;
mod mapping;

pub use config::Config;
pub use connector::ServiceNow;
