//! The tables: one module each. Every write condition of the product is here.
//!
//! Nothing here decides anything: what is written was decided before, and a condition that does not hold
//! is told to the caller as a fact.

mod accounts;
mod connects;
mod documents;
mod error;
mod events;
mod intake;
mod item;
mod limits;
mod period;
mod runs;
mod tokens;
mod workflows;

pub use accounts::{Accounts, Lease, Renamed};
pub use connects::{Authorization, Connects, Invitation, Taken};
pub use documents::{Document, Documents, Endpoints, Operations};
pub use domain::decision::{Decision, EventRecord, Outcome};
pub use error::Error;
pub use events::{
    EventEntry, Events, LISTED_CHARACTERS, MOST_REPLAYS, Replayed, StoredEvent, listed,
};
pub use intake::{Begun, Intake, Reruns};
pub use limits::{Limits, Permit};
pub use period::{Order, Page, Period, Place};
pub use runs::{AttemptEnd, Claim, Runs};
pub use tokens::{TokenRow, Tokens};
pub use workflows::{Applied, Listening, StoredWorkflow, Unreadable, Workflows};

/// The client that every table takes.
pub use aws_sdk_dynamodb::Client;
