//! Tickets of a Zendesk Support account.
//!
//! Every call makes one HTTP attempt, but for [`Client::was_marked`], which turns pages. An [`Error`]
//! knows by itself whether the attempt may be repeated, must be looked up first, or needs a human
//! ([`Error::disposition`]).
//!
//! Vendor pages: [Tickets](https://developer.zendesk.com/api-reference/ticketing/tickets/tickets/),
//! [Requests and responses](https://developer.zendesk.com/api-reference/introduction/requests/).

mod auth;
mod client;
mod differences;
mod error;
mod placeholders;
mod ticket;
mod warnings;

pub use auth::Auth;
pub use client::{Client, User, Written};
pub use differences::{Difference, differences};
pub use error::{Cause, Error, ErrorKind, Operation, Words};
pub use placeholders::neutralise_placeholders;
pub use ticket::{
    Assignee, Comment, CommentBody, CreateTicket, CustomField, CustomValue, IdempotencyKey,
    InvalidInput, Priority, Properties, Requester, Status, Ticket, TicketChange, TicketId,
    TicketType,
};
pub use vendor_http::{Answer, BaseUrl, Call};
pub use warnings::warnings;
