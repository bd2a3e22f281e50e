//! The AWS APIs that the product calls: those operations alone, in AWS's words.
//!
//! A request is JSON over HTTP, signed. The builders are named as in AWS's SDK for Rust, and what they
//! leave out is what the product does not use. That is worth a crate of one's own: most of the CPU time of an event, half
//! of a function's size and most of the time to build it went into the SDK.
//!
//! A call is tried up to three times when AWS says that it is busy, or does not answer. Operations that are not
//! idempotent by themselves carry a token by which AWS recognises the repetition.

mod call;
mod config;
mod error;
mod json;
mod signature;
#[macro_use]
mod setters;

pub mod dynamodb;
pub mod eventbridge;
pub mod lambda;
pub mod scheduler;
pub mod secretsmanager;
pub mod sesv2;
pub mod sqs;

pub use call::Service;
pub use config::{Config, ConfigError, Credentials, Patience};
pub use error::{Error, Refusal};
