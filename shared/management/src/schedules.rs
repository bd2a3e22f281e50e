use aws::scheduler::{
    self, Client, DeadLetterConfig, FlexibleTimeWindow, FlexibleTimeWindowMode, RetryPolicy,
    ScheduleState, Target,
};
use domain::schedule::{Schedule, Timing};
use domain::{Workflow, WorkflowId};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use startup::AwsConfig;

use crate::ScheduleNames;
use crate::error::Error;

/// Scheduler fills in the time for which it calls.
/// <https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html>
const SCHEDULED_TIME: &str = "<aws.scheduler.scheduled-time>";
/// The longest that Scheduler tries to reach the function.
/// <https://docs.aws.amazon.com/scheduler/latest/APIReference/API_RetryPolicy.html>
const MOST_SECONDS: i32 = 86_400;
/// The most tries that it makes.
const MOST_RETRIES: i32 = 185;

/// The schedules of workflows in EventBridge Scheduler: one each, under the workflow's id, in the stack's group.
///
/// A schedule is only a clock: which of its firings count is decided when it calls, by what the workflow says
/// then. So one that is left behind, or not yet changed, does no harm; one that is missing is made up for.
#[derive(Debug)]
pub(crate) struct Schedules {
    client: Client,
    names: ScheduleNames,
}

/// A schedule as Scheduler should have it.
#[derive(Debug, Clone, PartialEq)]
struct Wanted {
    expression: String,
    timezone: String,
    /// In the future, or absent: Scheduler refuses a start that is more than five minutes ago.
    start: Option<Timestamp>,
    end: Option<Timestamp>,
    state: ScheduleState,
    /// What lies between two firings of a rate, which counts from the start.
    interval: Option<SignedDuration>,
}

impl Schedules {
    pub(crate) fn new(aws: &AwsConfig, names: ScheduleNames) -> Self {
        Self {
            client: Client::new(aws),
            names,
        }
    }

    /// Makes the schedule of a workflow what the workflow says. Nothing is written when it is.
    ///
    /// # Errors
    /// `Invalid` when Scheduler refuses it; `ChangedInBetween` when somebody else made one; `Aws`.
    pub(crate) async fn keep(
        &self,
        workflow: &Workflow,
        schedule: &Schedule,
        now: Timestamp,
    ) -> Result<(), Error> {
        let id = &workflow.id;
        let Some(wanted) = wanted(schedule, workflow.enabled, now) else {
            // It never fires again, and Scheduler takes no such schedule.
            return self.remove(id).await;
        };
        let target = self.target(id);
        match self.find(id).await? {
            None => self.create(id, &wanted, target).await,
            Some(found) if is_as_wanted(&found, &wanted, &target, now) => Ok(()),
            Some(_) => self.update(id, &wanted, target).await,
        }
    }

    /// Removes the schedule of a workflow, if there is one.
    ///
    /// # Errors
    /// `Aws`.
    pub(crate) async fn remove(&self, id: &WorkflowId) -> Result<(), Error> {
        let removed = self
            .client
            .delete_schedule(&self.names.group, id.as_str())
            .await;
        match removed {
            Ok(()) => Ok(()),
            Err(error) if error.is(scheduler::RESOURCE_NOT_FOUND) => Ok(()),
            Err(error) => Err(Error::aws("removing the schedule")(error)),
        }
    }

    async fn find(&self, id: &WorkflowId) -> Result<Option<scheduler::Schedule>, Error> {
        let found = self
            .client
            .get_schedule(&self.names.group, id.as_str())
            .await;
        match found {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.is(scheduler::RESOURCE_NOT_FOUND) => Ok(None),
            Err(error) => Err(Error::aws("reading the schedule")(error)),
        }
    }

    async fn create(&self, id: &WorkflowId, wanted: &Wanted, target: Target) -> Result<(), Error> {
        let created = self
            .client
            .create_schedule(&self.names.group, id.as_str(), &described(wanted, target))
            .await;
        let Err(error) = created else {
            return Ok(());
        };
        if error.is(scheduler::CONFLICT) {
            return Err(Error::ChangedInBetween {
                what: format!("the schedule of `{id}`"),
            });
        }
        if error.is(scheduler::VALIDATION) {
            return Err(refused(&error));
        }
        Err(Error::aws("creating the schedule")(error))
    }

    async fn update(&self, id: &WorkflowId, wanted: &Wanted, target: Target) -> Result<(), Error> {
        let updated = self
            .client
            .update_schedule(&self.names.group, id.as_str(), &described(wanted, target))
            .await;
        let Err(error) = updated else {
            return Ok(());
        };
        if error.is(scheduler::VALIDATION) {
            return Err(refused(&error));
        }
        Err(Error::aws("changing the schedule")(error))
    }

    fn target(&self, id: &WorkflowId) -> Target {
        let input = json!({"schedule": {"workflow": id, "scheduled_time": SCHEDULED_TIME}});
        Target {
            arn: self.names.function.clone(),
            role_arn: self.names.role.clone(),
            input: Some(input.to_string()),
            retry_policy: Some(RetryPolicy {
                maximum_event_age_in_seconds: Some(MOST_SECONDS),
                maximum_retry_attempts: Some(MOST_RETRIES),
            }),
            dead_letter_config: Some(DeadLetterConfig {
                arn: Some(self.names.dead_letters.clone()),
            }),
        }
    }
}

/// What Scheduler should have; `None` when it never fires again.
fn wanted(schedule: &Schedule, enabled: bool, now: Timestamp) -> Option<Wanted> {
    let next = schedule.next_firings(now, 1).first().copied()?;
    let in_zone = schedule.timezone.name().to_owned();
    let utc = "UTC".to_owned();
    let (expression, timezone, start, interval) = match schedule.timing()? {
        Timing::Cron(cron) => {
            let start = schedule.starts_at().filter(|start| *start > now);
            (format!("cron({cron})"), in_zone, start, None)
        }
        // The first firing is at the start, the others follow from it: so the clock keeps to our grid.
        Timing::Rate(rate) => (
            format!("rate({rate})"),
            utc,
            Some(next),
            Some(rate.interval()),
        ),
        // In UTC there is neither a time that is skipped nor one that comes twice.
        Timing::Once(at) => (format!("at({})", at.strftime("%FT%T")), utc, None, None),
    };
    Some(Wanted {
        expression,
        timezone,
        start,
        end: schedule.ends_at(),
        state: if enabled {
            ScheduleState::Enabled
        } else {
            ScheduleState::Disabled
        },
        interval,
    })
}

fn is_as_wanted(
    found: &scheduler::Schedule,
    wanted: &Wanted,
    target: &Target,
    now: Timestamp,
) -> bool {
    let seconds = |time: Option<Timestamp>| time.map(Timestamp::as_second);
    let found_start = seconds(found.start_date);
    let starts_alike = match (wanted.start, wanted.interval) {
        (Some(start), Some(interval)) => found_start.is_some_and(|found| {
            let ahead = start.as_second() - found;
            ahead >= 0 && ahead % interval.as_secs() == 0
        }),
        (Some(start), None) => found_start == Some(start.as_second()),
        (None, _) => found_start.is_none_or(|found| found <= now.as_second()),
    };
    starts_alike
        && found.schedule_expression == wanted.expression
        && found.schedule_expression_timezone.as_ref() == Some(&wanted.timezone)
        && seconds(found.end_date) == seconds(wanted.end)
        && found.state == Some(wanted.state)
        && found.flexible_time_window == Some(EXACTLY_THEN)
        && found.target.as_ref() == Some(target)
}

/// The schedule as Scheduler is told of it.
fn described(wanted: &Wanted, target: Target) -> scheduler::Schedule {
    scheduler::Schedule {
        schedule_expression: wanted.expression.clone(),
        schedule_expression_timezone: Some(wanted.timezone.clone()),
        start_date: wanted.start,
        end_date: wanted.end,
        state: Some(wanted.state),
        flexible_time_window: Some(EXACTLY_THEN),
        target: Some(target),
    }
}

const EXACTLY_THEN: FlexibleTimeWindow = FlexibleTimeWindow {
    mode: FlexibleTimeWindowMode::Off,
    maximum_window_in_minutes: None,
};

fn refused(error: &aws::Error) -> Error {
    let reason = error.refusal().and_then(aws::Refusal::message);
    let reason = reason.unwrap_or("it does not say why");
    Error::field(
        "trigger.schedule",
        format!("EventBridge Scheduler refuses it: {reason}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    const NOW: &str = "2026-11-22T03:30:00Z";

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn wanted_of(schedule: &Value) -> Option<Wanted> {
        let schedule: Schedule = serde_json::from_value(schedule.clone()).unwrap();
        assert_eq!(schedule.problems(), []);
        wanted(&schedule, true, at(NOW))
    }

    #[test]
    fn schedule_is_said_in_the_words_of_scheduler() {
        let paris = "Europe/Paris";
        for (schedule, expression, timezone, start, end) in [
            (
                json!({"cron": "0 9 ? * mon *", "timezone": paris}),
                "cron(0 9 ? * MON *)",
                paris,
                None,
                None,
            ),
            (
                json!({"cron": "0 9 ? * MON *", "timezone": paris, "start": "2026-12-01T00:00", "end": "2027-01-01T00:00"}),
                "cron(0 9 ? * MON *)",
                paris,
                Some("2026-11-30T23:00:00Z"),
                Some("2026-12-31T23:00:00Z"),
            ),
            // Scheduler refuses a start in the past.
            (
                json!({"cron": "0 9 ? * MON *", "start": "2026-11-01T00:00"}),
                "cron(0 9 ? * MON *)",
                "UTC",
                None,
                None,
            ),
            (
                json!({"rate": "6 hours", "timezone": paris}),
                "rate(6 hours)",
                "UTC",
                Some("2026-11-22T06:00:00Z"),
                None,
            ),
            (
                json!({"rate": "1 day", "start": "2026-11-01T09:00", "timezone": paris}),
                "rate(1 day)",
                "UTC",
                Some("2026-11-22T08:00:00Z"),
                None,
            ),
            (
                json!({"rate": "1 day", "start": "2026-12-24T09:00Z"}),
                "rate(1 day)",
                "UTC",
                Some("2026-12-24T09:00:00Z"),
                None,
            ),
            (
                json!({"at": "2026-12-01T09:00", "timezone": paris}),
                "at(2026-12-01T08:00:00)",
                "UTC",
                None,
                None,
            ),
            (
                json!({"at": "2027-03-28T02:30", "timezone": paris}),
                "at(2027-03-28T01:00:00)",
                "UTC",
                None,
                None,
            ),
        ] {
            let found = wanted_of(&schedule).unwrap();
            assert_eq!(
                (found.expression.as_str(), found.timezone.as_str()),
                (expression, timezone),
                "{schedule}"
            );
            assert_eq!(
                (found.start, found.end),
                (start.map(at), end.map(at)),
                "{schedule}"
            );
        }
        for over in [
            json!({"at": "2026-11-22T03:30"}),
            json!({"rate": "1 day", "end": "2026-11-22T00:00:01Z"}),
            json!({"cron": "0 9 * * ? 2025"}),
        ] {
            assert_eq!(wanted_of(&over), None, "{over}");
        }
    }

    #[test]
    fn schedule_that_fires_at_the_same_times_is_left_alone() {
        let target_of = |arn: &str| Target {
            arn: arn.to_owned(),
            role_arn: "r".to_owned(),
            ..Target::default()
        };
        let target = target_of("a");
        let is_left_alone = |schedule: Value, found_start: Option<&str>| {
            let wanted = wanted_of(&schedule).unwrap();
            let found = scheduler::Schedule {
                start_date: found_start.map(at),
                ..described(&wanted, target.clone())
            };
            let paused = Wanted {
                state: ScheduleState::Disabled,
                ..wanted.clone()
            };
            let other = target_of("b");
            assert!(!is_as_wanted(&found, &paused, &target, at(NOW)));
            assert!(!is_as_wanted(&found, &wanted, &other, at(NOW)));
            is_as_wanted(&found, &wanted, &target, at(NOW))
        };
        let rate = || json!({"rate": "6 hours"});
        let cron = || json!({"cron": "0 9 * * ? *"});
        let later = || json!({"cron": "0 9 * * ? *", "start": "2026-12-01T00:00"});
        for (schedule, found_start, expected) in [
            (rate(), Some("2026-11-22T06:00:00Z"), true),
            (rate(), Some("2026-11-20T18:00:00Z"), true),
            (rate(), Some("2026-11-20T18:00:01Z"), false),
            (rate(), Some("2026-11-22T12:00:00Z"), false),
            (rate(), None, false),
            (cron(), None, true),
            (cron(), Some("2026-11-20T18:00:01Z"), true),
            (cron(), Some("2026-12-20T18:00:01Z"), false),
            (later(), Some("2026-12-01T00:00:00Z"), true),
            (later(), None, false),
        ] {
            assert_eq!(
                is_left_alone(schedule.clone(), found_start),
                expected,
                "{schedule} {found_start:?}"
            );
        }
    }
}
