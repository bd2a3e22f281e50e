//! Firings as events, and which of them should have become one by now.

use domain::message::SCHEDULE_FIRED;
use domain::schedule::Schedule;
use domain::{CloudEvent, WorkflowId};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, json};
use store::StoredWorkflow;

/// How long ago a firing may have been lost.
pub(crate) const CATCH_UP: SignedDuration = SignedDuration::from_hours(24);
/// A firing of the last minutes is still on its way.
const ON_ITS_WAY: SignedDuration = SignedDuration::from_mins(10);
/// A schedule fires once a minute at most.
const MOST_IN_A_DAY: usize = 24 * 60;
/// As many events as one call asks for.
pub(crate) const MOST_ASKED_FOR: usize = 100;

/// The event that a workflow's schedule has fired. The same firing is the same event, however often it is told.
pub fn event(workflow: &WorkflowId, schedule: &Schedule, firing: Timestamp) -> CloudEvent {
    let mut data = json!({
        "workflow": workflow,
        "scheduled_time": firing,
        "timezone": schedule.timezone,
        "local_time": schedule.timezone.local(firing),
    });
    if let Some(input) = &schedule.input {
        data["input"] = json!(input);
    }
    CloudEvent {
        specversion: "1.0".to_owned(),
        id: firing.to_string(),
        source: format!("/schedules/{workflow}"),
        kind: SCHEDULE_FIRED.to_owned(),
        subject: Some(workflow.to_string()),
        time: Some(firing),
        datacontenttype: Some("application/json".to_owned()),
        data: Some(data),
        extensions: Map::new(),
    }
}

/// The firings of a workflow's schedule that should have become events by now: those of the last 24 hours, and none
/// from before `since`, when the workflow got this schedule or was switched on.
pub fn due(stored: &StoredWorkflow, since: Timestamp, now: Timestamp) -> Vec<CloudEvent> {
    let workflow = &stored.workflow;
    let Some(schedule) = workflow.trigger.schedule() else {
        return Vec::new();
    };
    let a_day_ago = now.checked_sub(CATCH_UP).unwrap_or(Timestamp::MIN);
    let before = now.checked_sub(ON_ITS_WAY).unwrap_or(Timestamp::MIN);
    let firings = schedule.firings(since.max(a_day_ago), before, MOST_IN_A_DAY);
    firings
        .into_iter()
        .map(|firing| event(&workflow.id, schedule, firing))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::definition;
    use serde_json::Value;

    fn stored(schedule: &Value, applied_at: &str) -> StoredWorkflow {
        let document = json!({
            "id": "weekly", "name": "Weekly", "trigger": {"schedule": schedule},
            "tasks": [{"id": "ticket", "kind": "zendesk.create_ticket", "account": "zd", "input": {"comment": "x"}}]
        });
        StoredWorkflow {
            workflow: definition::workflow(&document).unwrap(),
            revision: 1,
            applied_at: applied_at.parse().unwrap(),
        }
    }

    #[test]
    fn event_says_when_and_is_the_same_each_time() {
        let stored = stored(
            &json!({"cron": "0 9 ? * MON *", "timezone": "Europe/Paris", "input": {"team": "north"}}),
            "2026-11-01T00:00:00Z",
        );
        let schedule = stored.workflow.trigger.schedule().unwrap();
        let firing = "2026-11-23T08:00:00Z".parse().unwrap();
        let event = event(&stored.workflow.id, schedule, firing);
        assert_eq!(
            serde_json::to_value(&event).unwrap(),
            json!({
                "specversion": "1.0", "id": "2026-11-23T08:00:00Z", "source": "/schedules/weekly",
                "type": "schedule.fired", "subject": "weekly", "time": "2026-11-23T08:00:00Z",
                "datacontenttype": "application/json",
                "data": {
                    "workflow": "weekly", "scheduled_time": "2026-11-23T08:00:00Z", "timezone": "Europe/Paris",
                    "local_time": "2026-11-23T09:00:00", "input": {"team": "north"}
                }
            })
        );
        let listeners = stored.workflow.listeners();
        assert!(
            listeners
                .iter()
                .any(|listener| listener.hears(&event.kind, event.subject.as_deref()))
        );
    }

    #[test]
    fn due_is_what_is_neither_too_old_nor_on_its_way() {
        let long_ago = "2026-11-01T00:00:00Z";
        let hourly = json!({"cron": "0 * * * ? *"});
        for (schedule, applied_at, now, count, first, last) in [
            (
                &hourly,
                long_ago,
                "2026-11-23T08:00:00Z",
                23,
                "2026-11-22T09:00:00Z",
                "2026-11-23T07:00:00Z",
            ),
            (
                &hourly,
                long_ago,
                "2026-11-23T08:10:00Z",
                24,
                "2026-11-22T09:00:00Z",
                "2026-11-23T08:00:00Z",
            ),
            (
                &hourly,
                "2026-11-23T06:00:00Z",
                "2026-11-23T08:10:00Z",
                2,
                "2026-11-23T07:00:00Z",
                "2026-11-23T08:00:00Z",
            ),
            (
                &json!({"rate": "1 minute"}),
                long_ago,
                "2026-11-23T08:10:30Z",
                1430,
                "2026-11-22T08:11:00Z",
                "2026-11-23T08:00:00Z",
            ),
            // The hour that the clocks skip.
            (
                &json!({"cron": "30 2 * * ? *", "timezone": "Europe/Paris"}),
                long_ago,
                "2027-03-28T12:00:00Z",
                1,
                "2027-03-28T01:00:00Z",
                "2027-03-28T01:00:00Z",
            ),
            (
                &json!({"at": "2026-11-22T10:00"}),
                long_ago,
                "2026-11-23T08:00:00Z",
                1,
                "2026-11-22T10:00:00Z",
                "2026-11-22T10:00:00Z",
            ),
        ] {
            let stored = stored(schedule, applied_at);
            let due = due(&stored, stored.applied_at, now.parse().unwrap());
            let ids: Vec<&str> = due.iter().map(|event| event.id.as_str()).collect();
            assert_eq!(
                (ids.len(), ids[0], ids[ids.len() - 1]),
                (count, first, last),
                "{schedule}"
            );
        }
        for (schedule, applied_at) in [
            (&hourly, "2026-11-23T08:00:00Z"),
            (&json!({"at": "2026-11-22T07:00"}), long_ago),
        ] {
            let stored = stored(schedule, applied_at);
            let now = "2026-11-23T08:30:00Z".parse().unwrap();
            assert_eq!(due(&stored, stored.applied_at, now), []);
        }
    }
}
