//! What ran is run again, what did not run runs at last, and nothing happens twice that should not.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Stdio;
use std::time::Duration;

use domain::{EventKey, RunId, RunState, TaskState, WorkflowId};
use futures_util::future::join_all;
use jiff::Timestamp;
use sandbox::{Action, Fault, Match};
use serde_json::{Value, json};

use crate::command_line::{closedloop, closedloop_with};
use crate::scene::{Scene, assert_state, eventually, variable};

/// Whatever takes a while on a busy machine.
const VERY_LONG: Duration = Duration::from_mins(10);

async fn told(arguments: &[&str]) -> Value {
    let mut all = vec!["--json"];
    all.extend(arguments);
    let text = closedloop(&all).await;
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

async fn replay(key: &EventKey, workflow: &WorkflowId, more: &[&str]) -> Value {
    let (key, workflow) = (key.as_str(), workflow.as_str());
    let mut arguments = vec!["events", "replay", key, "--workflow", workflow];
    arguments.extend(more);
    told(&arguments).await
}

fn run_of(answer: &Value) -> RunId {
    RunId::parse(answer["run"].as_str().unwrap()).unwrap()
}

/// A vendor that refuses whatever is to be written, so that nobody tries again.
fn outage(times: u32) -> Fault {
    Fault::new(Action::Status {
        status: 403,
        headers: BTreeMap::default(),
        body: json!({"error": {"title": "Forbidden", "message": "You do not have access to this page"}}),
        after_write: false,
    })
    .on(Match::method("POST"))
    .times(times)
}

#[tokio::test]
async fn replay_finds_what_was_created_unless_it_has_new_keys_and_the_first_run_stays_as_it_was() {
    let scene = Scene::new("replay").await;
    let workflow = scene
        .apply("follow-up", None, Scene::incident_then_ticket())
        .await;
    let key = scene.send(&json!({"id": "r1", "text": "Too slow"})).await;
    let first = scene.run(&key, &workflow).await;
    let before = scene.ended(&first).await;
    assert_eq!(before.0.state, RunState::Succeeded);

    let answer = replay(&key, &workflow, &["--replay-id", "old-keys"]).await;
    assert_eq!(
        (&answer["outcome"], &answer["first"]),
        (&json!("started"), &json!(false))
    );
    let old = run_of(&answer);
    let (run, tasks) = scene.ended(&old).await;
    assert_eq!(run.state, RunState::Succeeded, "{tasks:#?}");
    assert_eq!(tasks["ticket"].key, before.1["ticket"].key);
    assert_eq!(tasks["incident"].output, before.1["incident"].output);
    assert_eq!(
        (scene.incidents().await.len(), scene.tickets().await.len()),
        (1, 1)
    );
    let again = replay(&key, &workflow, &["--replay-id", "old-keys"]).await;
    assert_eq!(
        (&again["outcome"], run_of(&again)),
        (&json!("repeated"), old.clone())
    );

    let answer = replay(&key, &workflow, &["--new-keys"]).await;
    let new = run_of(&answer);
    let (run, tasks) = scene.ended(&new).await;
    assert_eq!(run.state, RunState::Succeeded, "{tasks:#?}");
    assert_eq!(
        (scene.incidents().await.len(), scene.tickets().await.len()),
        (2, 2)
    );

    assert_eq!(
        scene.ended(&first).await,
        before,
        "the first run is there as it was"
    );
    let shown = closedloop(&["events", "show", key.as_str()]).await;
    for run in [&first, &old, &new] {
        assert!(shown.contains(run.as_str()), "{run} is not in:\n{shown}");
    }
    assert!(shown.contains("old-keys"), "{shown}");
}

#[tokio::test]
async fn workflow_that_came_too_late_runs_once_for_an_event_however_often_that_is_delivered() {
    let scene = Scene::new("late").await;
    let body = json!({"id": "r1", "nps": 3, "text": "x"});
    let key = scene.send(&body).await;
    scene.evaluated(&key).await;
    let when = json!({"field": "data.nps", "less_than": 7});
    let workflow = scene.apply("late", Some(when), Scene::ticket_only()).await;
    let why = [
        "events",
        "show",
        key.as_str(),
        "--workflow",
        workflow.as_str(),
    ];
    let shown = closedloop(&why).await;
    assert!(
        shown.contains("for the first time") && shown.contains("events replay"),
        "{shown}"
    );

    let answer = replay(&key, &workflow, &[]).await;
    assert_eq!(answer["first"], true);
    let run = run_of(&answer);
    assert_eq!(run, RunId::derive(&key, &workflow));
    assert_eq!(scene.ended(&run).await.0.state, RunState::Succeeded);
    assert_eq!(scene.send(&body).await, key);
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(scene.stack.runs_of(&workflow).await.len(), 1);
    assert_eq!(scene.tickets().await.len(), 1);
    let shown = closedloop(&why).await;
    assert!(shown.contains(run.as_str()), "{shown}");

    // A condition that does not hold is shown, and nothing runs.
    let key = scene
        .send(&json!({"id": "r2", "nps": 9, "text": "x"}))
        .await;
    scene.evaluated(&key).await;
    let arguments = [
        "events",
        "replay",
        key.as_str(),
        "--workflow",
        workflow.as_str(),
    ];
    let (good, text) = closedloop_with(&arguments, "").await;
    assert!(
        !good && text.contains("Nothing runs") && text.contains("data.nps"),
        "{text}"
    );
    assert_eq!(scene.stack.runs_of(&workflow).await.len(), 1);
    let answer = replay(&key, &workflow, &["--regardless"]).await;
    assert_eq!(
        scene.ended(&run_of(&answer)).await.0.state,
        RunState::Succeeded
    );

    // Neither is listed without the other, the newer one first.
    let kind = format!("{}.happened", scene.id);
    let listed = eventually("both events are listed", VERY_LONG, async || {
        let listed = told(&["events", "list", "--since", "1h", "--type", &kind]).await;
        (listed.as_array().map(Vec::len) == Some(2)).then_some(listed)
    })
    .await;
    assert_eq!(listed[0]["key"], json!(key));
}

#[tokio::test]
async fn one_failed_task_is_tried_again_by_itself() {
    let scene = Scene::new("one-again").await;
    let tasks = json!([
        {"id": "left", "kind": "zendesk.create_ticket", "account": "$zendesk", "input": {"comment": "left"}},
        {"id": "right", "kind": "zendesk.create_ticket", "account": "$zendesk", "input": {"comment": "right"}},
        {"id": "after_left", "kind": "zendesk.create_ticket", "account": "$zendesk", "needs": ["left"],
         "input": {"comment": "after left"}},
        {"id": "after_both", "kind": "zendesk.create_ticket", "account": "$zendesk", "needs": ["left", "right"],
         "input": {"comment": "after both"}}
    ]);
    let workflow = scene.apply("two", None, tasks).await;
    scene.zendesk.add_faults(&[outage(2)]).await.unwrap();
    let (run, _) = scene.send_and_end(&json!({"id": "r1"}), &workflow).await;
    assert_eq!(run.state, RunState::Failed);

    closedloop(&["runs", "retry", run.id.as_str(), "--task", "left"]).await;
    let (again, tasks) = scene
        .when(&run.id, "the one task is done", |run, _| {
            run.reopened == 1 && run.state != RunState::Running
        })
        .await;
    assert_eq!(again.state, RunState::Failed);
    for (task, state) in [
        ("left", TaskState::Succeeded),
        ("after_left", TaskState::Succeeded),
        ("right", TaskState::Failed),
        ("after_both", TaskState::Skipped),
    ] {
        assert_state(&tasks[task], state);
    }
    assert_eq!(
        tasks["left"].attempts.len(),
        2,
        "what was tried first is still there"
    );
    let (good, text) =
        closedloop_with(&["runs", "retry", run.id.as_str(), "--task", "left"], "").await;
    assert!(!good && text.contains("has succeeded"), "{text}");

    closedloop(&["runs", "retry", run.id.as_str()]).await;
    let (whole, tasks) = scene
        .when(&run.id, "the rest is done", |run, _| {
            run.reopened == 2 && run.state != RunState::Running
        })
        .await;
    assert_eq!(whole.state, RunState::Succeeded, "{tasks:#?}");
    assert_eq!(scene.tickets().await.len(), 4);
}

#[tokio::test]
async fn runs_that_failed_in_an_outage_are_all_tried_again() {
    let scene = Scene::new("outage").await;
    let workflow = scene.apply("ticket", None, Scene::ticket_only()).await;
    let since = Timestamp::now().to_string();
    scene.zendesk.add_faults(&[outage(30)]).await.unwrap();
    let bodies: Vec<Value> = (0..30)
        .map(|n| json!({"id": format!("r{n}"), "text": n}))
        .collect();
    join_all(
        bodies
            .iter()
            .map(|body| scene.send_and_end(body, &workflow)),
    )
    .await;
    assert_eq!(scene.tickets().await.len(), 0);
    scene.zendesk.clear_faults().await.unwrap();

    let mut retry = vec!["runs", "retry", "--failed", "--since", &since];
    retry.extend(["--workflow", workflow.as_str()]);
    let dry: Vec<&str> = retry.iter().copied().chain(["--dry-run"]).collect();
    let could = eventually("all failed runs are listed", VERY_LONG, async || {
        let could = told(&dry).await;
        (could["retried"].as_array().map(Vec::len) == Some(30)).then_some(could)
    })
    .await;
    assert_eq!(could["not_retried"], json!([]));
    let done = told(&retry).await;
    assert_eq!(done["retried"].as_array().map(Vec::len), Some(30), "{done}");
    eventually("all runs have succeeded", VERY_LONG, async || {
        let runs = scene.stack.runs_of(&workflow).await;
        runs.iter()
            .all(|run| run.state == RunState::Succeeded)
            .then_some(())
    })
    .await;
    assert_eq!(scene.tickets().await.len(), 30);
    let nothing = told(&retry).await;
    assert_eq!(nothing["retried"], json!([]), "{nothing}");
}

/// Sends events at a pace that one machine bears.
async fn send_all(scene: &Scene, numbers: std::ops::Range<u32>) -> Vec<EventKey> {
    let mut keys = Vec::new();
    let numbers: Vec<u32> = numbers.collect();
    for some in numbers.chunks(10) {
        let bodies: Vec<Value> = some
            .iter()
            .map(|number| json!({"id": format!("r{number}"), "text": format!("number {number}")}))
            .collect();
        keys.extend(join_all(bodies.iter().map(|body| scene.send(body))).await);
    }
    keys
}

#[tokio::test]
async fn replay_of_a_period_under_load_runs_each_event_once_although_it_is_broken_off_and_repeated()
{
    let scene = Scene::new("period").await;
    let since = Timestamp::now().to_string();
    let early = send_all(&scene, 0..200).await;
    let events = scene.stack.events();
    eventually("all events are evaluated", VERY_LONG, async || {
        let mut known = 0;
        for keys in early.chunks(100) {
            known += events.known(keys).await.unwrap().len();
        }
        (known == early.len()).then_some(())
    })
    .await;
    let workflow = scene.apply("late", None, Scene::ticket_only()).await;
    let kind = format!("{}.happened", scene.id);
    let arguments = [
        "--json",
        "events",
        "replay",
        "--since",
        &since,
        "--workflow",
        workflow.as_str(),
        "--type",
        &kind,
        "--missing",
        "--replay-id",
        "under-load",
    ];
    let replaying = async {
        // Broken off in the middle of it.
        let mut child = tokio::process::Command::new(variable("CLOSEDLOOP_BIN"))
            .args(arguments)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        eventually("some runs have begun", VERY_LONG, async || {
            let begun = scene.stack.runs_of(&workflow).await.len();
            (begun > 10 || child.try_wait().unwrap().is_some()).then_some(())
        })
        .await;
        child.kill().await.unwrap();
        // And twice at the same time.
        let (one, other) = tokio::join!(
            closedloop_with(&arguments, ""),
            closedloop_with(&arguments, "")
        );
        (one, other)
    };
    let ((one, other), late) = tokio::join!(replaying, send_all(&scene, 200..300));
    // Two at the same moment may have been in each other's way; then they say so, and nothing is lost.
    drop((one, other));
    let whole = told(&arguments[1..]).await;
    assert_eq!(whole["refused"], json!([]), "{whole}");

    let keys: Vec<EventKey> = early.into_iter().chain(late).collect();
    let expected: BTreeSet<RunId> = keys
        .iter()
        .map(|key| RunId::derive(key, &workflow))
        .collect();
    assert_eq!(expected.len(), 300);
    let runs = eventually(
        "every event has its run, and all have ended",
        VERY_LONG,
        async || {
            let runs = scene.stack.runs_of(&workflow).await;
            let all_ended = runs.iter().all(|run| run.state != RunState::Running);
            (runs.len() >= 300 && all_ended).then_some(runs)
        },
    )
    .await;
    let found: BTreeSet<RunId> = runs.iter().map(|run| run.id.clone()).collect();
    assert_eq!((runs.len(), &found), (300, &expected));
    assert!(runs.iter().all(|run| run.state == RunState::Succeeded));
    let tickets = scene.tickets().await;
    let texts: BTreeSet<String> = tickets
        .iter()
        .map(|ticket| ticket["comments"][0]["body"].to_string())
        .collect();
    assert_eq!(
        (tickets.len(), texts.len()),
        (300, 300),
        "no ticket is there twice"
    );
}
