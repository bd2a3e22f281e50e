//! Turns events into runs and moves runs on.
//!
//! An event: finds the workflows that listen, evaluates their conditions, stores event, decisions, runs and
//! tasks in one transaction, then requests the first tasks. The end of a task: requests what waited for it,
//! and ends the run when nothing is left. That is an event again, which is evaluated there and then. A run that is over when
//! it begins ends by a message of its own, so that what follows from what follows is never done in one invocation.
//!
//! A batch goes through the stages together: its messages are read, what they need is read, decided, stored and told, each
//! in as few calls as take it. What cannot be stored with the others is done for itself.
//!
//! State first, message second. A repeated message finds the state and repeats the messages that follow
//! from it; whoever gets those twice recognises them by their keys.

mod bus;
mod config;
mod decide;
mod handler;
mod plan;

pub use config::Config;
pub use handler::Evaluator;
