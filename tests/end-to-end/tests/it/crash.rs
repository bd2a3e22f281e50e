use domain::{RunId, RunState};
use sandbox::{Action, Fault, InstanceControl, Match};
use serde_json::json;

use crate::process::kill_owner_of_port;
use crate::scene::{LONG, Scene, eventually};

async fn kill_after_the_write(vendor: &InstanceControl) {
    let held = eventually(
        "the vendor has written and not answered",
        LONG,
        async || vendor.held().await.unwrap().pop(),
    )
    .await;
    kill_owner_of_port(held.peer_port).await;
    vendor.release(None).await.unwrap();
}

fn hold_after_write() -> [Fault; 1] {
    let write = Match {
        method: Some("POST".to_owned()),
        ..Match::default()
    };
    [Fault::new(Action::Hold {
        after_write: true,
        ms: 30_000,
    })
    .on(write)]
}

async fn run_of(scene: &Scene, workflow: &domain::WorkflowId) -> RunId {
    let key = scene.send(&json!({"id": "r1", "text": "Too slow"})).await;
    scene.run(&key, workflow).await
}

#[tokio::test]
async fn function_killed_after_the_incident_was_written_leaves_one_incident() {
    let scene = Scene::new("kill-sn").await;
    let workflow = scene.apply("incident", None, Scene::incident_only()).await;
    scene
        .servicenow
        .add_faults(&hold_after_write())
        .await
        .unwrap();
    let run = run_of(&scene, &workflow).await;
    kill_after_the_write(&scene.servicenow).await;
    let (run, tasks) = scene.ended(&run).await;
    assert_eq!(run.state, RunState::Succeeded, "{tasks:#?}");
    assert_eq!(scene.incidents().await.len(), 1);
    assert_eq!(tasks["incident"].attempts_begun, 2);
}

#[tokio::test]
async fn function_killed_after_the_ticket_was_written_leaves_one_ticket() {
    let scene = Scene::new("kill-zd").await;
    let workflow = scene.apply("ticket", None, Scene::ticket_only()).await;
    scene.zendesk.add_faults(&hold_after_write()).await.unwrap();
    let run = run_of(&scene, &workflow).await;
    kill_after_the_write(&scene.zendesk).await;
    let (run, tasks) = scene.ended(&run).await;
    assert_eq!(run.state, RunState::Succeeded, "{tasks:#?}");
    assert_eq!(scene.tickets().await.len(), 1);
    assert_eq!(tasks["ticket"].attempts_begun, 2);
}

#[tokio::test]
async fn vendor_slower_than_the_function_lives_is_looked_at_again() {
    let scene = Scene::new("slow").await;
    let workflow = scene.apply("ticket", None, Scene::ticket_only()).await;
    let write = Match {
        method: Some("POST".to_owned()),
        ..Match::default()
    };
    scene
        .zendesk
        .add_faults(&[Fault::new(Action::Hold {
            after_write: true,
            ms: 60_000,
        })
        .on(write)])
        .await
        .unwrap();
    let run = run_of(&scene, &workflow).await;
    let (run, tasks) = scene.ended(&run).await;
    assert_eq!(run.state, RunState::Succeeded, "{tasks:#?}");
    assert_eq!(scene.tickets().await.len(), 1);
}
