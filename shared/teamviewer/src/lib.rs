//! Connection reports and service cases (sessions with a code) of a TeamViewer company, as its Web API gives them.
//!
//! Every call makes one HTTP attempt, but for [`Client::verify`], which makes up to four. An [`Error`] knows by itself
//! whether the attempt may be repeated, must be looked up first, or needs a human ([`Error::disposition`]).
//!
//! Whoever holds a supporter link is a supporter: such links are secrets here, and no answer's body is repeated anywhere.
//!
//! Vendor pages: the manual "TeamViewer API Documentation", and the description of every call at
//! <https://webapi.teamviewer.com/api/v1/docs/index>.

mod client;
mod code;
mod connection;
mod directory;
mod error;
mod input;
mod oauth;
mod reading;
mod session;
mod verify;

pub use crate::oauth::oauth;
pub use client::{Account, Client};
pub use code::SessionCode;
pub use connection::{Connection, ConnectionPage, ConnectionQuery, Feedback};
pub use directory::{Group, User};
pub use error::{Error, ErrorKind, Operation, SETTLING, Words};
pub use input::{InvalidInput, NewSession, SessionChange};
pub use reading::{EndCustomer, Unreadable};
pub use session::{Created, Session, SessionPage, SessionQuery, SessionState};
pub use vendor_http::{Answer, BaseUrl, Call};
pub use verify::{Check, Verified};
