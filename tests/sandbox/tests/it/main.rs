//! The sandbox over real HTTP: each trap of the vendors that it sets has a test here.

#![expect(clippy::unwrap_used, reason = "helpers of tests may fail a test")]

mod control;
mod custom_object;
mod documentation;
mod harness;
mod oauth;
mod profile;
mod qualtrics;
mod servicenow;
mod teamviewer;
mod zendesk;
