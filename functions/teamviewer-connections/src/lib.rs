//! Keeps the history of TeamViewer's connections without holes, and looks after its service cases.
//!
//! EventBridge Scheduler calls every minute. What is due then becomes a message in the function's own queue; there are
//! messages of others, too: of people who want the history now, of cases that were closed, of accounts that somebody has
//! connected. How the history is kept is said in `connection_history`; here it is read, stored and told.
//!
//! **Invariant**: a page counts as stored after its rows are written and the events that follow from them are on the bus.
//! A function that dies before reads the page again, finds what it has stored, and tells what it has not told.
//!
//! **Invariant**: no message is work that would be lost with it. The windows are in a row: what fails is noted there
//! with the time of its next attempt, and the next call after that begins it again.

mod ask;
mod bus;
mod config;
mod handler;
mod invocation;
mod mapping;
mod message;
mod one_case;
mod recorder;
mod tasks;
mod tick;
mod window;

pub use config::Config;
pub use handler::Retrieval;
pub use invocation::{Answer, Invocation};
