//! The deployed bundle, seen from outside: real HTTP in, the emulator's tables and queues in between, the
//! vendors' stand-in at the end.
//!
//! `make test` brings everything up and runs this. Each test has its own endpoint, accounts, workflows and
//! vendor instances, so all run at the same time on one stack.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a suite fails by panicking"
)]

mod accounts;
mod again;
mod command_line;
mod crash;
mod delivery;
mod dry_run;
mod failure;
mod happy_path;
mod ingest;
mod management_api;
mod one_task;
mod process;
mod qualtrics;
mod scene;
mod schedules;
mod servicenow_tasks;
mod store_connections;
mod store_tables;
mod teamviewer;
mod zendesk_tasks;
