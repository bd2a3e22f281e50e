//! What this product talks about: events, endpoints, workflows, runs, tasks, accounts.
//!
//! Pure: no I/O, no clock, no randomness. Everything that arrives as text enters through `parse` or a
//! checked `Deserialize`, so a value that exists is a value that is allowed.

pub mod account;
pub mod decision;
pub mod definition;
pub mod endpoint;
pub mod event;
pub mod id;
pub mod loops;
pub mod message;
pub mod preview;
pub mod run;
pub mod schedule;
pub mod task;
pub mod trigger;
pub mod workflow;

pub use account::{Account, AccountKind, AccountState, Vendor};
pub use endpoint::Endpoint;
pub use event::CloudEvent;
pub use id::{AccountName, EndpointName, EventKey, ReplayId, RunId, TaskKey, TaskName, WorkflowId};
pub use run::{Run, RunState, TaskRun, TaskState};
pub use task::TaskKind;
pub use workflow::Workflow;
