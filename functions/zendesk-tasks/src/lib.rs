//! Performs the Zendesk tasks: tickets, profiles and records of custom objects are created and updated.
//!
//! A task's key is the ticket's `external_id` and the request's idempotency key, so that a ticket whose
//! creation was never confirmed is found, or answered again, instead of being created twice. Updates leave
//! the key in the ticket's audit, where a change whose answer was lost is found. Tags, profiles and records
//! can be written again without harm; a record's external id is the task's key. What the account did not
//! keep as it was sent is a warning of the task.

mod connector;
mod mapping;

pub use connector::Zendesk;
