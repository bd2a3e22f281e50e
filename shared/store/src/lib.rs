//! The tables: one module each. Every write condition of the product is here.
//!
//! Nothing here decides anything: what is written was decided before, and a condition that does not hold
//! is told to the caller as a fact.

mod accounts;
mod case_creations;
mod connections;
mod connects;
mod documents;
mod error;
mod events;
mod histories;
mod intake;
mod item;
mod limits;
mod mail_templates;
mod mails;
mod period;
mod read_each;
mod runs;
mod service_cases;
mod together;
mod tokens;
mod workflows;

pub use accounts::{Accounts, Lease, Renamed};
pub use case_creations::{CaseCreation, CaseCreations, CreationClaim, WaitingCreation};
pub use connection_history::{Asked, History};
pub use connections::{Connections, Known, StoredConnection, TOGETHER};
pub use connects::{Authorization, Connects, Invitation, Taken};
pub use documents::{Document, Documents, Endpoints, Operations};
pub use domain::decision::{Decision, EventRecord, Outcome};
pub use error::Error;
pub use events::{
    EventEntry, Events, LISTED_CHARACTERS, MOST_REPLAYS, Replayed, StoredEvent, listed,
};
pub use histories::{Histories, StoredHistory, StoredSettings, TeamViewerSettings};
pub use intake::{Begun, Intake, Reruns};
pub use limits::{Limits, Permit};
pub use mail_templates::MailTemplates;
pub use mails::{MailClaim, Mails};
pub use period::{Order, Page, Period, Place};
pub use runs::{AttemptEnd, Claim, Ended, Runs, ToClaim, Written};
pub use service_cases::{PollClaim, PollState, ServiceCases, StoredCase};
pub use together::Change;
pub use tokens::{TokenRow, Tokens};
pub use workflows::{Applied, Listening, StoredWorkflow, Unreadable, Workflows};

/// The client that every table takes.
pub use aws::dynamodb::Client;
