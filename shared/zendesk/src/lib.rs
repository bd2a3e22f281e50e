//! Tickets, profiles and custom objects of a Zendesk account.
//!
//! Every call makes one HTTP attempt, but for [`Client::was_marked`] and [`Client::ticket_fields`], which turn
//! pages, and [`Client::verify`]. An [`Error`]
//! knows by itself whether the attempt may be repeated, must be looked up first, or needs a human
//! ([`Error::disposition`]).
//!
//! Vendor pages: [Tickets](https://developer.zendesk.com/api-reference/ticketing/tickets/tickets/),
//! [Requests and responses](https://developer.zendesk.com/api-reference/introduction/requests/).

mod auth;
mod client;
mod differences;
mod error;
mod oauth;
mod placeholders;
mod profile;
mod record;
mod tags;
mod ticket;
mod ticket_field;
mod verify;
mod warnings;

pub use crate::oauth::oauth;
pub use auth::Auth;
pub use client::{Client, User, Written};
pub use differences::Difference;
pub use error::{Cause, Error, ErrorKind, Operation, Words};
pub use placeholders::neutralise_placeholders;
pub use profile::{Profile, ProfileContent, ProfileIdentifier, ProfileKey};
pub use record::{ObjectKey, Record, RecordContent, RecordId};
pub use tags::tags_body;
pub use ticket::{
    Assignee, Comment, CommentBody, CreateTicket, CustomField, CustomValue, IdempotencyKey,
    InvalidInput, Priority, Properties, Requester, Status, Ticket, TicketChange, TicketId,
    TicketType,
};
pub use ticket_field::{FieldOption, TicketField};
pub use vendor_http::{Answer, BaseUrl, Call};
pub use verify::{Check, Existence, Verified, exists};
pub use warnings::warnings;
