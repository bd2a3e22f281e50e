use domain::{RunState, TaskState, Vendor};
use sandbox::{Action, Fault, Rotation};
use serde_json::json;

use crate::scene::{LONG, Scene, ZENDESK_TOKEN, assert_state, eventually};

#[tokio::test]
async fn refused_record_fails_the_run_in_the_vendors_words_and_skips_what_needs_it() {
    let scene = Scene::new("refused").await;
    scene
        .servicenow
        .create(&json!({
            "users": [{"username": "api", "password": crate::scene::SERVICENOW_PASSWORD}],
            "mandatory_fields": {"incident": ["caller_id"]}
        }))
        .await
        .unwrap();
    let workflow = scene
        .apply("follow-up", None, Scene::incident_then_ticket())
        .await;
    let on_failure = json!({"event": {"type": "run.failed", "subject": workflow}});
    let tell = json!([{"id": "tell", "kind": "zendesk.create_ticket", "account": "$zendesk",
        "input": {"comment": "{{ event.data.workflow_name }}: {{ event.data.tasks[0].reason }}"}}]);
    scene.apply_on("tell", on_failure, None, tell).await;

    let (run, tasks) = scene
        .send_and_end(&json!({"id": "r1", "text": "Too slow"}), &workflow)
        .await;
    assert_eq!(run.state, RunState::Failed);
    assert_state(&tasks["incident"], TaskState::Failed);
    let reason = tasks["incident"].reason.as_ref().unwrap();
    assert!(
        reason.contains("Data Policy Exception") && reason.contains("mandatory"),
        "{reason}"
    );
    assert_eq!(
        tasks["incident"].attempts.len(),
        1,
        "no use in trying again"
    );
    assert_state(&tasks["ticket"], TaskState::Skipped);
    assert!(
        tasks["ticket"]
            .reason
            .as_ref()
            .unwrap()
            .contains("`incident`")
    );

    // The run's end is an event, and another workflow tells somebody.
    let told = eventually("somebody is told", LONG, async || {
        scene.tickets().await.pop()
    })
    .await;
    let text = told["comments"][0]["body"].as_str().unwrap();
    assert!(
        text.starts_with("follow-up: ") && text.contains("Data Policy"),
        "{text}"
    );
}

#[tokio::test]
async fn workflows_on_each_others_failures_do_not_go_round() {
    let scene = Scene::new("loop").await;
    // Both fail always, and each listens to the other's failure.
    let tasks = json!([{"id": "bad", "kind": "zendesk.update_ticket", "account": "$zendesk",
        "input": {"ticket_id": 999_999, "comment": "x"}}]);
    let trigger = json!({"event": {"type": ["run.failed", format!("{}.happened", scene.id)],
        "subject": [format!("{}-second", scene.id), "go"]}});
    let first = scene.apply_on("first", trigger, None, tasks.clone()).await;
    let trigger = json!({"run_failed": {"workflow": first}});
    let second = scene.apply_on("second", trigger, None, tasks).await;
    let key = scene.send(&json!({"id": "r1", "subject": "go"})).await;
    let run = scene.run(&key, &first).await;
    let (run, tasks) = scene.ended(&run).await;
    assert_eq!(run.state, RunState::Failed);
    assert!(
        tasks["bad"]
            .reason
            .as_ref()
            .unwrap()
            .contains("RecordNotFound"),
        "{:?}",
        tasks["bad"].reason
    );
    let end = domain::run::end_event(&run, &[]).unwrap();
    let run = scene.run(&end.key(), &second).await;
    let (run, _) = scene.ended(&run).await;
    let end = domain::run::end_event(&run, &[]).unwrap();
    let record = scene.evaluated(&end.key()).await;
    let refused = record
        .decisions
        .iter()
        .find(|decision| decision.workflow == first);
    assert_eq!(refused.unwrap().outcome, store::Outcome::RefusedLoop);
    assert_eq!(scene.stack.runs_of(&first).await.len(), 1);
}

#[tokio::test]
async fn wrong_password_is_said_and_the_run_goes_on_once_it_is_right() {
    let scene = Scene::new("password").await;
    scene.put_account(Vendor::ServiceNow, "wrong").await;
    let workflow = scene
        .apply("follow-up", None, Scene::incident_then_ticket())
        .await;
    let (run, tasks) = scene
        .send_and_end(&json!({"id": "r1", "text": "x"}), &workflow)
        .await;
    assert_eq!(run.state, RunState::Failed);
    let reason = tasks["incident"].reason.as_ref().unwrap();
    assert!(
        reason.contains("401") && reason.contains(scene.account(Vendor::ServiceNow).as_str()),
        "{reason}"
    );
    assert!(!reason.contains("wrong"), "{reason}");

    scene
        .put_account(Vendor::ServiceNow, crate::scene::SERVICENOW_PASSWORD)
        .await;
    crate::command_line::closedloop(&["runs", "retry", run.id.as_str()]).await;
    let (run, tasks) = scene.ended(&run.id).await;
    assert_eq!(run.state, RunState::Succeeded, "{tasks:#?}");
    assert_eq!(
        tasks["incident"].attempts.len(),
        2,
        "the failed attempt stays to be seen"
    );
    assert_eq!(
        (scene.incidents().await.len(), scene.tickets().await.len()),
        (1, 1)
    );
}

#[tokio::test]
async fn secret_that_changed_under_a_warm_function_is_read_again() {
    let scene = Scene::new("rotated").await;
    let workflow = scene.apply("ticket", None, Scene::ticket_only()).await;
    scene
        .send_and_end(&json!({"id": "r1", "text": "x"}), &workflow)
        .await;
    let rotation = Rotation {
        api_token: Some("next-token".into()),
        ..Rotation::default()
    };
    scene
        .zendesk
        .rotate("agent@example.com", &rotation)
        .await
        .unwrap();
    scene.put_account(Vendor::Zendesk, "next-token").await;
    assert_ne!(ZENDESK_TOKEN, "next-token");
    let (run, tasks) = scene
        .send_and_end(&json!({"id": "r2", "text": "x"}), &workflow)
        .await;
    assert_eq!(run.state, RunState::Succeeded, "{tasks:#?}");
    assert_eq!(
        tasks["ticket"].attempts.len(),
        1,
        "{:#?}",
        tasks["ticket"].attempts
    );
}

#[tokio::test]
async fn task_without_its_account_says_what_to_do() {
    let scene = Scene::new("no-account").await;
    let tasks = json!([{"id": "ticket", "kind": "zendesk.create_ticket", "account": "nobody-connected-this",
        "input": {"comment": "x"}}]);
    let workflow = scene.apply("ticket", None, tasks).await;
    let (run, tasks) = scene.send_and_end(&json!({"id": "r1"}), &workflow).await;
    assert_eq!(run.state, RunState::Failed);
    let reason = tasks["ticket"].reason.as_ref().unwrap();
    assert!(
        reason.contains("nobody-connected-this") && reason.contains("accounts put"),
        "{reason}"
    );
}

#[tokio::test]
async fn bad_piped_value_fails_its_task_and_names_field_value_and_rule() {
    let scene = Scene::new("piped").await;
    let tasks = json!([{"id": "incident", "kind": "servicenow.create_record", "account": "$servicenow", "input": {
        "table": "incident", "short_description": "x", "urgency": "{{ event.data.urgency }}"}}]);
    let workflow = scene.apply("incident", None, tasks).await;
    let (run, tasks) = scene
        .send_and_end(&json!({"id": "r1", "urgency": "asap"}), &workflow)
        .await;
    assert_eq!(run.state, RunState::Failed);
    let reason = tasks["incident"].reason.as_ref().unwrap();
    assert!(
        reason.contains("urgency")
            && reason.contains("asap")
            && reason.contains("low, medium, high"),
        "{reason}"
    );
    assert_eq!(scene.servicenow.requests().await.unwrap().len(), 0);
}

#[tokio::test]
async fn one_failing_workflow_does_not_hurt_the_other_of_the_same_event() {
    let scene = Scene::new("two").await;
    let bad = scene.apply("bad", None, Scene::incident_only()).await;
    let good = scene.apply("good", None, Scene::ticket_only()).await;
    let forbidden = Fault::new(Action::Status {
        status: 403,
        headers: std::collections::BTreeMap::default(),
        body: json!({"error": {"message": "Operation Failed", "detail": "ACL Exception Insert Failed due to security constraints"}, "status": "failure"}),
        after_write: false,
    });
    scene.servicenow.add_faults(&[forbidden]).await.unwrap();
    let key = scene.send(&json!({"id": "r1", "text": "x"})).await;
    let bad = scene.run(&key, &bad).await;
    let good = scene.run(&key, &good).await;
    let (bad, tasks) = scene.ended(&bad).await;
    assert_eq!(bad.state, RunState::Failed);
    assert!(
        tasks["incident"]
            .reason
            .as_ref()
            .unwrap()
            .contains("ACL Exception"),
        "{tasks:?}"
    );
    assert_eq!(scene.ended(&good).await.0.state, RunState::Succeeded);
}
