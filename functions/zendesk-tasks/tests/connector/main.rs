//! The connector against a scripted account on this machine.
#![cfg(test)]

mod harness;
mod preview;
mod profile;
mod record;
mod tags;
mod ticket;
