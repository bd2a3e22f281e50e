//! What this product talks about: events, endpoints, workflows, runs, tasks, accounts.
//!
//! Pure: no I/O, no clock, no randomness. Everything that arrives as text enters through `parse` or a
//! checked `Deserialize`, so a value that exists is a value that is allowed.

pub mod account;
pub mod connection;
pub mod decision;
pub mod definition;
pub mod endpoint;
pub mod event;
pub mod id;
mod json_bytes;
pub mod loops;
pub mod mail_template;
pub mod message;
pub mod preview;
pub mod run;
pub mod schedule;
pub mod service_case;
pub mod task;
pub mod task_reference;
pub mod teamviewer;
pub mod trigger;
pub mod workflow;

pub use account::{Account, AccountKind, AccountState, Vendor};
pub use connection::Connection;
pub use endpoint::Endpoint;
pub use event::CloudEvent;
pub use id::{
    AccountName, CaseCode, ConnectionId, EndpointName, EventKey, ReplayId, RunId, TaskKey,
    TaskName, TemplateName, WorkflowId,
};
pub use json_bytes::json_bytes;
pub use mail_template::MailTemplate;
pub use run::{Run, RunState, TaskRun, TaskState};
pub use service_case::ServiceCase;
pub use task::TaskKind;
pub use task_reference::TaskReference;
pub use workflow::Workflow;
