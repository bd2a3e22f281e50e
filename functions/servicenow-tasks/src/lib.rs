//! Performs the ServiceNow tasks: `servicenow.create_record` and `servicenow.update_record`.
//!
//! A task's key is the record's `correlation_id`, so that a record whose creation was never confirmed is
//! found before another one is created. Texts that were appended to a journal are looked for before they
//! are appended again. What the instance did not keep as it was sent is a warning of the task.
//!
//! A record to update is named by its number, which is looked up, or by its `sys_id`. People and groups are
//! named by `sys_id`, or looked up by e-mail address or name just before the write; the one active row that
//! really has the value is taken, and anything else fails the task. What a state needs besides is checked
//! before any call, by the rule that also checks definitions; what only the instance knows, such as a data
//! policy of its own, is told in its words with the fields to add.

mod connector;
mod mapping;

pub use connector::ServiceNow;
