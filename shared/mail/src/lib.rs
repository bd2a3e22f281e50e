//! Mail to customers, through Amazon SES.
//!
//! One call is one attempt: SES has no idempotency token, so whoever sends keeps a ledger and decides what an attempt
//! without a clear end means. Subjects, bodies and addresses are in no error and in no log.

mod address;
mod config;
mod error;
mod mailer;

pub use address::{Address, InvalidAddress, Sender};
pub use config::Config;
pub use error::{Error, ErrorKind};
pub use mailer::{Mail, Mailer};
