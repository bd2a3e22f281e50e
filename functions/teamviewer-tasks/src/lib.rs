//! Performs the TeamViewer task: a session with a code, a service case, is created.
//!
//! TeamViewer knows no idempotency key. So the session carries the task's key in the text that only programs see, and one
//! whose creation was never confirmed is looked for there before another one is made. The links that let supporters in
//! are left at TeamViewer: no output, record or log holds one.

mod connector;
mod mapping;

pub use connector::TeamViewer;
