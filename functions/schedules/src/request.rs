//! What EventBridge Scheduler says, and what it is answered.

use domain::{EventKey, WorkflowId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Why the function is called.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// The schedule of a workflow fires.
    Schedule(Ring),
    /// It is time to look for firings that never arrived.
    CatchUp {},
}

/// What the schedule of a workflow says.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ring {
    /// The workflow.
    pub workflow: WorkflowId,
    /// For when it was scheduled.
    pub scheduled_time: ScheduledTime,
}

/// The time for which Scheduler called.
///
/// Source: <https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html>
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum ScheduledTime {
    /// This.
    At(Timestamp),
    /// The placeholder was not filled in, which AWS always does and emulators may not: the call is for now.
    Now,
}

/// What Scheduler replaces by the time for which it calls.
pub const SCHEDULED_TIME: &str = "<aws.scheduler.scheduled-time>";

impl TryFrom<String> for ScheduledTime {
    type Error = jiff::Error;

    fn try_from(text: String) -> Result<Self, jiff::Error> {
        if text == SCHEDULED_TIME {
            return Ok(Self::Now);
        }
        text.parse().map(Self::At)
    }
}

impl ScheduledTime {
    pub(crate) fn or(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(time) => time,
            Self::Now => now,
        }
    }
}

/// What was put on the bus.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// The firings.
    pub fired: Vec<Fired>,
}

/// A firing that was put on the bus.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fired {
    /// The workflow.
    pub workflow: WorkflowId,
    /// When its schedule fired.
    pub scheduled_time: Timestamp,
    /// The key of the event.
    pub event: EventKey,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn requests_are_those_of_schedules() {
        let ring = |time| {
            Request::Schedule(Ring {
                workflow: WorkflowId::parse("weekly").unwrap(),
                scheduled_time: time,
            })
        };
        for (request, expected) in [
            (
                json!({"schedule": {"workflow": "weekly", "scheduled_time": "2026-11-23T08:00:00Z"}}),
                ring(ScheduledTime::At("2026-11-23T08:00:00Z".parse().unwrap())),
            ),
            (
                json!({"schedule": {"workflow": "weekly", "scheduled_time": "<aws.scheduler.scheduled-time>"}}),
                ring(ScheduledTime::Now),
            ),
            (json!({"catch_up": {}}), Request::CatchUp {}),
        ] {
            assert_eq!(
                serde_json::from_value::<Request>(request).unwrap(),
                expected
            );
        }
        for wrong in [
            json!({}),
            json!({"catch_up": {"hours": 48}}),
            json!({"schedule": {"workflow": "weekly"}}),
            json!({"schedule": {"workflow": "weekly", "scheduled_time": "soon"}}),
            json!({"schedule": {"workflow": "Weekly!", "scheduled_time": "2026-11-23T08:00:00Z"}}),
        ] {
            assert!(
                serde_json::from_value::<Request>(wrong.clone()).is_err(),
                "{wrong}"
            );
        }
    }
}
