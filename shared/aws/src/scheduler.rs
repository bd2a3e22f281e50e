//! EventBridge Scheduler.
//!
//! Source: <https://docs.aws.amazon.com/scheduler/latest/APIReference/API_Operations.html>

use http::Method;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::call::{Caller, read, segment, written};
use crate::json::{EpochSeconds, client_token};
use crate::{Config, Error, Service};

/// There is no such schedule.
pub const RESOURCE_NOT_FOUND: &str = "ResourceNotFoundException";
/// There is such a schedule already.
pub const CONFLICT: &str = "ConflictException";
/// The schedule cannot be taken as it is.
pub const VALIDATION: &str = "ValidationException";

/// Calls Scheduler. Clones share the connections.
#[derive(Debug, Clone)]
pub struct Client {
    caller: Caller,
}

/// When what is called with what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Schedule {
    /// `at(...)`, `rate(...)` or `cron(...)`.
    #[serde(default)]
    pub schedule_expression: String,
    /// The zone in which it is meant, by its IANA name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule_expression_timezone: Option<String>,
    /// Not before; to the second.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "epoch")]
    pub start_date: Option<Timestamp>,
    /// Not after; to the second.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "epoch")]
    pub end_date: Option<Timestamp>,
    /// Whether it fires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<ScheduleState>,
    /// How exactly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flexible_time_window: Option<FlexibleTimeWindow>,
    /// What is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Target>,
}

/// Whether a schedule fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ScheduleState {
    /// It does.
    Enabled,
    /// It does not.
    Disabled,
}

/// How exactly a schedule fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct FlexibleTimeWindow {
    /// `OFF` for exactly.
    pub mode: FlexibleTimeWindowMode,
    /// Within so many minutes, when it is flexible.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maximum_window_in_minutes: Option<i32>,
}

/// Whether a schedule may fire a little later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum FlexibleTimeWindowMode {
    /// It may not.
    Off,
    /// It may.
    Flexible,
}

/// What a schedule calls.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Target {
    /// The function.
    pub arn: String,
    /// The role that may call it.
    pub role_arn: String,
    /// What it is called with, in JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<String>,
    /// How long delivering it is tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_policy: Option<RetryPolicy>,
    /// Where undelivered calls go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead_letter_config: Option<DeadLetterConfig>,
}

/// How long delivering is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct RetryPolicy {
    /// At most for so many seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maximum_event_age_in_seconds: Option<i32>,
    /// At most so often.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maximum_retry_attempts: Option<i32>,
}

/// Where undelivered calls go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct DeadLetterConfig {
    /// The queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arn: Option<String>,
}

mod epoch {
    use super::{EpochSeconds, Timestamp};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[expect(clippy::ref_option, reason = "that is how serde calls it")]
    pub(super) fn serialize<S: Serializer>(
        time: &Option<Timestamp>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        time.map(EpochSeconds).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Timestamp>, D::Error> {
        let time = Option::<EpochSeconds>::deserialize(deserializer)?;
        Ok(time.map(|EpochSeconds(time)| time))
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Write<'a> {
    group_name: &'a str,
    client_token: String,
    #[serde(flatten)]
    schedule: &'a Schedule,
}

impl Client {
    /// The schedules of this configuration.
    pub fn new(config: &Config) -> Self {
        Self {
            caller: Caller::new(config, Service::Scheduler),
        }
    }

    /// Makes a schedule.
    ///
    /// # Errors
    /// See [`Error`]; [`CONFLICT`] and [`VALIDATION`] are codes of its own.
    pub async fn create_schedule(
        &self,
        group: &str,
        name: &str,
        schedule: &Schedule,
    ) -> Result<(), Error> {
        self.write("CreateSchedule", Method::POST, group, name, schedule)
            .await
    }

    /// Replaces a schedule.
    ///
    /// # Errors
    /// See [`Error`]; [`RESOURCE_NOT_FOUND`] and [`VALIDATION`] are codes of its own.
    pub async fn update_schedule(
        &self,
        group: &str,
        name: &str,
        schedule: &Schedule,
    ) -> Result<(), Error> {
        self.write("UpdateSchedule", Method::PUT, group, name, schedule)
            .await
    }

    /// Reads a schedule.
    ///
    /// # Errors
    /// See [`Error`]; [`RESOURCE_NOT_FOUND`] is a code of its own.
    pub async fn get_schedule(&self, group: &str, name: &str) -> Result<Schedule, Error> {
        const OPERATION: &str = "GetSchedule";
        let path = format!("{}?groupName={}", path(name), segment(group));
        let answer = self
            .caller
            .send(OPERATION, Method::GET, &path, bytes::Bytes::new())
            .await?;
        read(OPERATION, &answer.body)
    }

    /// Deletes a schedule.
    ///
    /// # Errors
    /// See [`Error`]; [`RESOURCE_NOT_FOUND`] is a code of its own.
    pub async fn delete_schedule(&self, group: &str, name: &str) -> Result<(), Error> {
        let path = format!("{}?groupName={}", path(name), segment(group));
        self.caller
            .send("DeleteSchedule", Method::DELETE, &path, bytes::Bytes::new())
            .await?;
        Ok(())
    }

    async fn write(
        &self,
        operation: &'static str,
        method: Method,
        group_name: &str,
        name: &str,
        schedule: &Schedule,
    ) -> Result<(), Error> {
        let client_token = client_token().map_err(|error| Error::Unsendable {
            operation,
            source: error.into(),
        })?;
        let body = written(
            operation,
            &Write {
                group_name,
                client_token,
                schedule,
            },
        )?;
        self.caller
            .send(operation, method, &path(name), body)
            .await?;
        Ok(())
    }
}

fn path(name: &str) -> String {
    format!("/schedules/{}", segment(name))
}
