use std::time::Duration;

use domain::message::{SOURCE_EVALUATE, SOURCE_INGEST, TASK_REQUESTED};
use domain::{RunState, TaskState};
use futures_util::future::join_all;
use jiff::Timestamp;
use sandbox::{Action, Fault, Match};
use serde_json::json;
use store::{Begun, Decision, EventRecord, Intake, Outcome};

use crate::scene::{LONG, Scene, assert_state, event, eventually};

#[tokio::test]
async fn same_delivery_five_times_at_once_takes_effect_once() {
    let scene = Scene::new("five").await;
    let workflow = scene
        .apply("follow-up", None, Scene::incident_then_ticket())
        .await;
    let body = json!({"id": "r1", "text": "Too slow"});
    let keys = join_all((0..5).map(|_| scene.send(&body))).await;
    assert!(keys.iter().all(|key| key == &keys[0]), "{keys:?}");
    let run = scene.run(&keys[0], &workflow).await;
    let (run, _) = scene.ended(&run).await;
    assert_eq!(run.state, RunState::Succeeded);
    // One more, after the end.
    scene.send(&body).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(
        (scene.incidents().await.len(), scene.tickets().await.len()),
        (1, 1)
    );
}

#[tokio::test]
async fn repeated_task_request_after_the_end_changes_nothing() {
    let scene = Scene::new("again").await;
    let workflow = scene.apply("ticket", None, Scene::ticket_only()).await;
    let (run, tasks) = scene
        .send_and_end(&json!({"id": "r1", "text": "x"}), &workflow)
        .await;
    let message = json!({"version": "1", "run_id": run.id, "task": "ticket", "kind": "zendesk.create_ticket"});
    scene
        .put_event(SOURCE_EVALUATE, TASK_REQUESTED, &message)
        .await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let (again, tasks_again) = scene.ended(&run.id).await;
    assert_eq!((again, tasks_again), (run, tasks));
    assert_eq!(scene.tickets().await.len(), 1);
}

#[tokio::test]
async fn crash_between_state_and_message_is_made_good_by_the_repeated_delivery() {
    let scene = Scene::new("half").await;
    let workflow = scene.apply("ticket", None, Scene::ticket_only()).await;
    let stored = scene
        .stack
        .workflows()
        .get(&workflow)
        .await
        .unwrap()
        .unwrap();
    // What evaluate stores, without what it says afterwards: it died in between.
    let event = event(&scene, "r1", json!({"text": "x"}));
    let now = Timestamp::now();
    let (run, tasks) =
        domain::run::begin(&stored.workflow, stored.revision, &event, json!(null), now);
    let outcome = Outcome::Started {
        run: run.id.clone(),
    };
    let decisions = vec![Decision {
        workflow,
        revision: stored.revision,
        outcome,
        trace: None,
    }];
    let record = EventRecord {
        event: event.clone(),
        evaluated_at: now,
        decisions,
    };
    let intake = Intake::new(
        scene.stack.dynamodb(),
        scene.stack.output("RunsTable"),
        scene.stack.output("EventsTable"),
        7,
        7,
    );
    assert_eq!(
        intake
            .begin(&record, &[(run.clone(), tasks)])
            .await
            .unwrap(),
        Begun::Created
    );
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(scene.tickets().await.len(), 0, "nobody was told");
    // The queue delivers the event again.
    scene
        .put_event(
            SOURCE_INGEST,
            &event.kind,
            &serde_json::to_value(&event).unwrap(),
        )
        .await;
    let (run, _) = scene.ended(&run.id).await;
    assert_eq!(run.state, RunState::Succeeded);
    assert_eq!(scene.tickets().await.len(), 1);
}

#[tokio::test]
async fn answer_lost_after_the_write_does_not_make_a_second_record() {
    let scene = Scene::new("lost").await;
    let workflow = scene
        .apply("follow-up", None, Scene::incident_then_ticket())
        .await;
    let lost = [Fault::new(Action::LoseAnswer).on(Match {
        method: Some("POST".to_owned()),
        ..Match::default()
    })];
    scene.servicenow.add_faults(&lost).await.unwrap();
    scene.zendesk.add_faults(&lost).await.unwrap();
    let (run, tasks) = scene
        .send_and_end(&json!({"id": "r1", "text": "Too slow"}), &workflow)
        .await;
    assert_eq!(run.state, RunState::Succeeded, "{tasks:#?}");
    assert_eq!(
        (
            tasks["incident"].attempts.len(),
            tasks["ticket"].attempts.len()
        ),
        (2, 2)
    );
    assert_eq!(
        (scene.incidents().await.len(), scene.tickets().await.len()),
        (1, 1)
    );
}

#[tokio::test]
async fn comment_is_not_added_twice_when_the_answer_is_lost() {
    let scene = Scene::new("comment").await;
    let tasks = json!([
        {"id": "incident", "kind": "servicenow.create_record", "account": "$servicenow",
         "input": {"table": "incident", "short_description": "x"}},
        {"id": "ticket", "kind": "zendesk.create_ticket", "account": "$zendesk", "input": {"comment": "First"}},
        {"id": "note", "kind": "servicenow.update_record", "account": "$servicenow", "needs": ["incident"],
         "input": {"table": "incident", "number": "{{ tasks.incident.output.number }}", "comment": "Hello", "work_note": "Seen"}},
        {"id": "reply", "kind": "zendesk.update_ticket", "account": "$zendesk", "needs": ["ticket"],
         "input": {"ticket_id": "{{ tasks.ticket.output.id }}", "comment": "Second"}}
    ]);
    let workflow = scene.apply("update", None, tasks).await;
    let lost = |method: &str| {
        [Fault::new(Action::LoseAnswer).on(Match {
            method: Some(method.to_owned()),
            ..Match::default()
        })]
    };
    scene.servicenow.add_faults(&lost("PATCH")).await.unwrap();
    scene.zendesk.add_faults(&lost("PUT")).await.unwrap();
    let (run, tasks) = scene.send_and_end(&json!({"id": "r1"}), &workflow).await;
    assert_eq!(run.state, RunState::Succeeded, "{tasks:#?}");
    assert_eq!(
        scene.incidents().await[0]["journal"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    assert_eq!(
        scene.tickets().await[0]["comments"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

#[tokio::test]
async fn unreadable_message_does_not_fail_the_others_of_its_batch() {
    let scene = Scene::new("poison").await;
    let workflow = scene.apply("ticket", None, Scene::ticket_only()).await;
    let queue = scene.queue("ZendeskTasksQueue").await;
    let sqs = aws::sqs::Client::new(&scene.stack.aws);
    for body in [
        "not json",
        "{}",
        r#"{"source":"closedloop.evaluate","detail-type":"task.requested","detail":{"version":"9"}}"#,
    ] {
        sqs.send_message(&queue, body, None).await.unwrap();
    }
    let keys = join_all((0..5).map(|n| {
        let body = json!({"id": format!("r{n}"), "text": "x"});
        let scene = &scene;
        async move { scene.send(&body).await }
    }))
    .await;
    for key in keys {
        let run = scene.run(&key, &workflow).await;
        let (run, _) = scene.ended(&run).await;
        assert_eq!(run.state, RunState::Succeeded);
    }
    assert_eq!(scene.tickets().await.len(), 5);
}

#[tokio::test]
async fn throttled_task_waits_as_long_as_the_vendor_asks() {
    let scene = Scene::new("throttled").await;
    let workflow = scene.apply("ticket", None, Scene::ticket_only()).await;
    let throttle = Fault::new(Action::Status {
        status: 429,
        headers: [("Retry-After".to_owned(), "12".to_owned())].into(),
        body: json!({"error": "APIRateLimitExceeded", "description": "Number of allowed API requests per minute exceeded"}),
        after_write: false,
    });
    scene
        .zendesk
        .add_faults(&[throttle.times(2)])
        .await
        .unwrap();
    let (run, tasks) = scene
        .send_and_end(&json!({"id": "r1", "text": "x"}), &workflow)
        .await;
    assert_eq!(run.state, RunState::Succeeded, "{tasks:#?}");
    let attempts = &tasks["ticket"].attempts;
    assert_eq!(attempts.len(), 3, "{attempts:#?}");
    for pair in attempts.windows(2) {
        let waited = pair[1]
            .started_at
            .duration_since(pair[0].ended_at)
            .as_secs();
        assert!((12..90).contains(&waited), "{waited} s: {attempts:#?}");
    }
    assert_eq!(scene.tickets().await.len(), 1);
}

#[tokio::test]
async fn vendor_that_is_down_for_a_while_is_tried_until_it_is_back() {
    let scene = Scene::new("down").await;
    let workflow = scene.apply("incident", None, Scene::incident_only()).await;
    let down = Fault::new(Action::Status {
        status: 503,
        headers: std::collections::BTreeMap::default(),
        body: json!("<html>Service Unavailable</html>"),
        after_write: false,
    });
    scene.servicenow.add_faults(&[down.times(2)]).await.unwrap();
    let key = scene.send(&json!({"id": "r1", "text": "x"})).await;
    let run = scene.run(&key, &workflow).await;
    let (_, tasks) = scene
        .when(&run, "it is tried again", |_, tasks| {
            tasks["incident"].state == TaskState::Retrying
        })
        .await;
    assert!(
        tasks["incident"].reason.as_ref().unwrap().contains("503"),
        "{:?}",
        tasks["incident"].reason
    );
    assert!(tasks["incident"].next_attempt_at.is_some());
    let (run, tasks) = scene.ended(&run).await;
    assert_eq!(run.state, RunState::Succeeded);
    assert_state(&tasks["incident"], TaskState::Succeeded);
    assert_eq!(scene.incidents().await.len(), 1);
}

#[tokio::test]
async fn many_events_at_once_are_neither_lost_nor_doubled() {
    let scene = Scene::new("many").await;
    scene.apply("ticket", None, Scene::ticket_only()).await;
    join_all((0..40).map(|n| {
        let body = json!({"id": format!("r{}", n % 20), "text": format!("text {}", n % 20)});
        let scene = &scene;
        async move { scene.send(&body).await }
    }))
    .await;
    eventually("twenty tickets", LONG, async || {
        (scene.tickets().await.len() >= 20).then_some(())
    })
    .await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let mut texts: Vec<String> = scene
        .tickets()
        .await
        .iter()
        .map(|ticket| ticket["comments"][0]["body"].as_str().unwrap().to_owned())
        .collect();
    texts.sort();
    let mut expected: Vec<String> = (0..20).map(|n| format!("text {n}")).collect();
    expected.sort();
    assert_eq!(texts, expected);
}
