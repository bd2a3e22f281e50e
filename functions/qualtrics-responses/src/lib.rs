//! Fetches the answers of a survey response that an event subscription has told of, and puts them on the bus as the event
//! that workflows wait for.
//!
//! **Invariant**: what was notified ends as one event, with the answers or with the reason why there are none. The queue is
//! the only thing that retries: a response that is not readable yet, a limit, an outage or an account that waits for
//! somebody leave the message in it, hidden until its time.
//!
//! The event has the source and the id that the notification alone would have had, so however often a response is
//! notified and fetched, it is one event.

mod bus;
mod config;
mod handler;
mod mapping;
mod pace;
mod surveys;

pub use config::Config;
pub use handler::Fetcher;
