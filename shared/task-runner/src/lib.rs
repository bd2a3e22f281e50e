//! What task functions share: take a batch from the queue, claim each task, let the connector make one
//! attempt, store what came of it, tell the bus.
//!
//! The queue is the only thing that retries. A task that is to be tried again is left in the queue and
//! hidden until its time; nothing here sleeps. State first, message second: whoever finds a task that
//! has ended repeats the message, so a crash between the two loses nothing.
//!
//! A task function is also asked directly what a task would send. That touches neither tables nor secrets.

mod announce;
mod attempt;
mod batch;
mod calls;
mod invocation;
#[cfg(any(test, feature = "test-support"))]
pub mod test_support;

pub use attempt::{Assignment, Connector, Done, Failed, account_failed};
pub use batch::{Config, Runner, run};
pub use calls::{CallFailed, Calls};
pub use invocation::{Answer, Invocation};
