//! What a dry run shows is what the run then sends.

use domain::{RunState, Vendor, definition};
use serde_json::{Value, json};

use crate::command_line::{closedloop, write};
use crate::scene::{Scene, event};

async fn dry_run(arguments: &[&str]) -> Value {
    let arguments = [&["--json", "workflows", "dry-run"], arguments].concat();
    let output = closedloop(&arguments).await;
    serde_json::from_str(&output).unwrap_or_else(|error| panic!("{error}: {output}"))
}

/// The body of a task's only request.
fn body<'a>(plan: &'a Value, task: &str) -> &'a Value {
    let mut tasks = plan["tasks"].as_array().unwrap().iter();
    let task = tasks.find(|found| found["id"] == task).unwrap();
    assert_eq!(task.get("problem"), None, "{task:#}");
    assert_eq!(task["requests"].as_array().unwrap().len(), 1, "{task:#}");
    &task["requests"][0]["body"]
}

#[tokio::test]
async fn dry_run_shows_the_bodies_that_the_run_then_sends_and_touches_nothing() {
    let scene = Scene::new("dry-run").await;
    let data = |id: &str| json!({"id": id, "nps": 2, "text": "Too slow"});
    // Received before there was a workflow, so that it starts none.
    let received = scene.send(&data("r0")).await;
    scene.evaluated(&received).await;
    let when = json!({"all": [{"field": "data.nps", "less_than_or_equal": 6}]});
    let workflow = scene
        .apply("follow-up", Some(when), Scene::incident_then_ticket())
        .await;
    let stored = scene
        .stack
        .workflows()
        .get(&workflow)
        .await
        .unwrap()
        .unwrap();

    let of_stored = dry_run(&[workflow.as_str(), "--event", received.as_str()]).await;
    assert_eq!(
        (&of_stored["starts"], &of_stored["revision"]),
        (&json!(true), &json!(1)),
        "{of_stored:#}"
    );
    let trace = of_stored["condition"]["trace"].to_string();
    assert!(trace.contains("data.nps") && trace.contains('2'), "{trace}");
    assert_eq!(
        body(&of_stored, "incident")["short_description"],
        "Too slow"
    );
    assert_eq!(
        body(&of_stored, "ticket")["ticket"]["comment"]["body"],
        "See ‹incident.number›: Too slow"
    );
    let file = write(&scene, "workflow.json", &json!(stored.workflow).to_string());
    let of_file = dry_run(&["--file", &file, "--event", received.as_str()]).await;
    assert_eq!(of_file["tasks"], of_stored["tasks"]);
    let one = dry_run(&[
        workflow.as_str(),
        "--revision",
        "1",
        "--event",
        received.as_str(),
    ])
    .await;
    assert_eq!(one, of_stored);

    // An event that is still to come has the keys that it will have.
    let coming = event(&scene, "r1", data("r1"));
    let sample = write(&scene, "event.json", &json!(coming).to_string());
    let foretold = dry_run(&[workflow.as_str(), "--event-file", &sample]).await;
    let text = closedloop(&[
        "workflows",
        "dry-run",
        workflow.as_str(),
        "--event-file",
        &sample,
    ])
    .await;
    for expected in [
        "would start",
        "✓ data.nps less_than_or_equal 6 (seen 2)",
        "/api/now/table/incident",
        "\"short_description\": \"Too slow\"",
        "idempotency-key: tk_",
        "Nobody was called",
    ] {
        assert!(text.contains(expected), "{expected} is not in:\n{text}");
    }

    for vendor in [&scene.servicenow, &scene.zendesk] {
        let requests = vendor.requests().await.unwrap();
        assert!(requests.is_empty(), "{requests:?}");
    }
    assert!(scene.stack.runs_of(&workflow).await.is_empty());
    let unknown = scene.stack.events().get(&coming.key()).await.unwrap();
    assert!(unknown.is_none(), "{unknown:?}");

    let (run, tasks) = scene.send_and_end(&data("r1"), &workflow).await;
    assert_eq!(run.state, RunState::Succeeded, "{tasks:#?}");
    assert_eq!(foretold["run"], json!(run.id));
    let sent = |task: &str| tasks[task].attempts[0].calls[0].sent.clone().unwrap();
    assert_eq!(*body(&foretold, "incident"), sent("incident"));
    let number = &tasks["incident"].output.as_ref().unwrap()["number"];
    let ticket = body(&foretold, "ticket").to_string();
    let ticket = ticket.replace("‹incident.number›", number.as_str().unwrap());
    assert_eq!(ticket, sent("ticket").to_string());
}

#[tokio::test]
async fn dry_run_of_what_would_not_start_says_why_and_shows_its_tasks() {
    let scene = Scene::new("dry-run-not").await;
    let account = scene.account(Vendor::Zendesk);
    let document = json!({
        "id": format!("{}-cli", scene.id), "name": "Not applied",
        "trigger": {"event": {"type": "review.created"}}, "when": {"field": "data.rating", "less_than": 3},
        "tasks": [
            {"id": "ticket", "kind": "zendesk.create_ticket", "account": account, "input": {"comment": "{{ event.data.text }}"}},
            {"id": "close", "kind": "zendesk.update_ticket", "account": account, "needs": ["ticket"],
             "input": {"ticket_id": "{{ tasks.ticket.output.id }}", "status": "solved"}},
            {"id": "other", "kind": "zendesk.create_ticket", "account": "no-such-account", "input": {"comment": "x"}}
        ]
    });
    definition::workflow(&document).unwrap();
    let file = write(&scene, "workflow.json", &document.to_string());
    let sample = json!({"type": "review.created", "data": {"rating": 5, "text": "Fine"}});
    let sample = write(&scene, "event.json", &sample.to_string());
    let plan = dry_run(&["--file", &file, "--event-file", &sample]).await;
    assert_eq!(plan["starts"], false);
    assert_eq!(plan["reasons"], json!(["the condition does not hold"]));
    assert_eq!(body(&plan, "ticket")["ticket"]["comment"]["body"], "Fine");
    let close = &plan["tasks"][1];
    assert_eq!(close["input"]["ticket_id"], "‹ticket.id›");
    let problem = close["problem"]["problem"].as_str().unwrap();
    assert!(problem.contains("depends on ticket.id"), "{problem}");
    let missing = plan["tasks"][2]["account"]["problem"].as_str().unwrap();
    assert!(missing.contains("no such account"), "{missing}");

    // Without asking the stack, the same but for the requests.
    let offline = dry_run(&["--file", &file, "--event-file", &sample, "--offline"]).await;
    assert_eq!(offline["condition"], plan["condition"]);
    assert_eq!(offline["tasks"][0]["input"], plan["tasks"][0]["input"]);
    assert_eq!(offline["tasks"][0]["requests"], json!([]));
    assert!(scene.zendesk.requests().await.unwrap().is_empty());
}
