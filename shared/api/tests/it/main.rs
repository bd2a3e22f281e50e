//! The functions of the API, with requests as API Gateway hands them over, against a stand-in for AWS.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops at the first surprise, in its helpers too"
)]

mod aws;
mod callers;
mod cases;
mod connections;
mod document;
mod dry_run;
mod gateway;
mod operations;
mod problems;
mod scene;
mod teamviewer;
