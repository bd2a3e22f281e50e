//! Turns events into runs and moves runs on.
//!
//! An event: finds the workflows that listen, evaluates their conditions, stores event, decisions, runs and
//! tasks in one transaction, then requests the first tasks. The end of a task: requests what waited for it,
//! and ends the run when nothing is left.
//!
//! State first, message second. A repeated message finds the state and repeats the messages that follow
//! from it; whoever gets those twice recognises them by their keys.

mod bus;
mod config;
mod decide;
mod handler;

pub use config::Config;
pub use handler::Evaluator;
