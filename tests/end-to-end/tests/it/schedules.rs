//! Workflows that start by a schedule. The emulator looks every ten seconds what is due; it knows no time zones and
//! does not fill in the time for which it calls, so what is told by a real clock is told here by the tests.

use std::time::Duration;

use aws::scheduler::{
    self, Client, FlexibleTimeWindow, FlexibleTimeWindowMode, ScheduleState, Target,
};
use domain::schedule::Schedule;
use domain::{EventKey, RunState, Vendor, WorkflowId, definition};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use store::Outcome;

use crate::command_line::{closedloop, write};
use crate::scene::{LONG, Scene, eventually};

/// A minute until the schedule fires, and what the emulator adds.
const A_FIRING: Duration = Duration::from_secs(150);

/// Calls the function once as a schedule does.
async fn call(scene: &Scene, name: &str, input: &Value) {
    let once = scheduler::Schedule {
        schedule_expression: format!("at({})", Timestamp::now().strftime("%FT%T")),
        schedule_expression_timezone: None,
        start_date: None,
        end_date: None,
        state: None,
        flexible_time_window: Some(FlexibleTimeWindow {
            mode: FlexibleTimeWindowMode::Off,
            maximum_window_in_minutes: None,
        }),
        target: Some(Target {
            arn: scene.stack.output("SchedulesFunctionArn"),
            role_arn: scene.stack.output("SchedulerRoleArn"),
            input: Some(input.to_string()),
            ..Target::default()
        }),
    };
    let group = scene.stack.output("ScheduleGroup");
    Client::new(&scene.stack.aws)
        .create_schedule(&group, &format!("{}-{name}", scene.id), &once)
        .await
        .unwrap();
}

async fn ring(scene: &Scene, name: &str, workflow: &WorkflowId, at: Timestamp) {
    let input = json!({"schedule": {"workflow": workflow, "scheduled_time": at}});
    call(scene, name, &input).await;
}

/// Waits for the run that a firing starts to end.
async fn succeeded(scene: &Scene, workflow: &WorkflowId, firing: Timestamp) {
    let source = format!("/schedules/{workflow}");
    let key = EventKey::derive(&source, &firing.to_string(), None);
    let events = scene.stack.events();
    let record = eventually("the firing is evaluated", A_FIRING, async || {
        events.get(&key).await.unwrap()
    })
    .await;
    let started = record
        .decisions
        .iter()
        .find_map(|decision| match &decision.outcome {
            Outcome::Started { run } => Some(run.clone()),
            Outcome::NotMatched | Outcome::RefusedLoop | Outcome::Errored { .. } => None,
        });
    let (run, tasks) = scene.ended(&started.expect("a run has started")).await;
    assert_eq!(run.state, RunState::Succeeded, "{tasks:#?}");
}

async fn schedule_of(scene: &Scene, workflow: &str) -> Option<scheduler::Schedule> {
    let group = scene.stack.output("ScheduleGroup");
    let client = Client::new(&scene.stack.aws);
    match client.get_schedule(&group, workflow).await {
        Ok(found) => Some(found),
        Err(error) => {
            assert!(error.is(scheduler::RESOURCE_NOT_FOUND), "{error:?}");
            None
        }
    }
}

fn ticket(scene: &Scene) -> Value {
    json!([{"id": "ticket", "kind": "zendesk.create_ticket", "account": scene.account(Vendor::Zendesk),
        "input": {"comment": "{{ event.data.workflow }} at {{ event.data.scheduled_time }}"}}])
}

/// Applies a workflow on a schedule as a file; gives its id.
async fn apply(scene: &Scene, schedule: &Value, enabled: bool) -> String {
    let id = format!("{}-timed", scene.id);
    let document = json!({
        "id": id, "name": "Timed", "enabled": enabled, "trigger": {"schedule": schedule}, "tasks": ticket(scene)
    });
    let file = write(scene, "timed.json", &document.to_string());
    closedloop(&["workflows", "apply", &file]).await;
    id
}

#[tokio::test]
async fn schedule_makes_tickets_and_is_changed_paused_and_removed_with_its_workflow() {
    let scene = Scene::new("timed").await;
    let id = apply(&scene, &json!({"rate": "1 minute"}), true).await;
    let made = schedule_of(&scene, &id).await.unwrap();
    assert_eq!(made.schedule_expression, "rate(1 minute)");
    assert_eq!(made.state, Some(ScheduleState::Enabled));
    let tickets = eventually("a firing has become a ticket", A_FIRING, async || {
        Some(scene.tickets().await).filter(|tickets| !tickets.is_empty())
    })
    .await;
    let comment = tickets[0]["comments"][0]["body"].as_str().unwrap();
    assert!(comment.starts_with(&format!("{id} at ")), "{comment}");
    assert!(comment.ends_with(":00Z"), "{comment}");

    let daily = json!({"cron": "0 9 * * ? *", "timezone": "Europe/Paris"});
    apply(&scene, &daily, true).await;
    let changed = schedule_of(&scene, &id).await.unwrap();
    assert_eq!(changed.schedule_expression, "cron(0 9 * * ? *)");
    let timezone = changed.schedule_expression_timezone;
    assert_eq!(timezone.as_deref(), Some("Europe/Paris"));
    apply(&scene, &daily, false).await;
    let paused = schedule_of(&scene, &id).await.unwrap();
    assert_eq!(paused.state, Some(ScheduleState::Disabled));
    closedloop(&["workflows", "delete", &id]).await;
    // Whoever makes up for lost firings looks at all workflows, and may have been at this one.
    eventually("the clock is gone", LONG, async || {
        schedule_of(&scene, &id).await.is_none().then_some(())
    })
    .await;
}

#[tokio::test]
async fn firing_that_is_told_twice_is_one_run() {
    let scene = Scene::new("twice").await;
    let document = json!({"cron": "0 9 ? * MON-FRI *", "timezone": "America/New_York"});
    let schedule: Schedule = serde_json::from_value(document.clone()).unwrap();
    let trigger = json!({ "schedule": document });
    let workflow = scene.apply_on("daily", trigger, None, ticket(&scene)).await;
    let week = SignedDuration::from_hours(7 * 24);
    let firings = schedule.next_firings(Timestamp::now() - week, 2);

    ring(&scene, "first", &workflow, firings[0]).await;
    succeeded(&scene, &workflow, firings[0]).await;
    ring(&scene, "again", &workflow, firings[0]).await;
    ring(&scene, "next", &workflow, firings[1]).await;
    succeeded(&scene, &workflow, firings[1]).await;
    assert_eq!(scene.tickets().await.len(), 2);
}

#[tokio::test]
async fn firing_that_was_lost_is_made_up_for() {
    let scene = Scene::new("lost").await;
    let document = json!({"cron": "0/15 * * * ? *"});
    let schedule: Schedule = serde_json::from_value(document.clone()).unwrap();
    let workflow = definition::workflow(&json!({
        "id": format!("{}-lost", scene.id), "name": "Lost", "trigger": {"schedule": document}, "tasks": ticket(&scene)
    }));
    let workflow = workflow.unwrap();
    // It has no clock at all, and was applied some time ago.
    let now = Timestamp::now();
    let applied_at = now - SignedDuration::from_mins(40);
    let rows = scene.stack.workflows();
    rows.apply(&workflow, applied_at).await.unwrap();
    let lost = schedule.firings(applied_at, now - SignedDuration::from_mins(10), 9);
    assert_eq!(lost.len(), 2);

    call(&scene, "catch-up", &json!({"catch_up": {}})).await;
    for firing in lost {
        succeeded(&scene, &workflow.id, firing).await;
    }
}
