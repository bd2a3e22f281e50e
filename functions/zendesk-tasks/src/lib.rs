//! Performs the Zendesk tasks: `zendesk.create_ticket` and `zendesk.update_ticket`.
//!
//! A task's key is the ticket's `external_id` and the request's idempotency key, so that a ticket whose
//! creation was never confirmed is found, or answered again, instead of being created twice. Updates leave
//! the key in the ticket's audit, where a change whose answer was lost is found. What the account did not
//! keep as it was sent is a warning of the task.

mod config;
mod connector;
mod mapping;

pub use config::Config;
pub use connector::Zendesk;
