//! Service cases against an engine of DynamoDB, the vendors' sandbox and a stand-in for the rest of AWS.
#![cfg(test)]

mod creation;
mod looking;
mod polling;
mod renewal;
mod sharing;
mod stack;
