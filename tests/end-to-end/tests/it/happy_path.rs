use domain::{RunState, TaskState};
use serde_json::json;
use store::Outcome;

use crate::scene::{Scene, assert_state};

#[tokio::test]
async fn event_becomes_an_incident_and_a_ticket_that_names_it() {
    let scene = Scene::new("happy").await;
    let when = json!({"all": [{"field": "data.nps", "less_than_or_equal": 6}]});
    let workflow = scene
        .apply("follow-up", Some(when), Scene::incident_then_ticket())
        .await;
    let (run, tasks) = scene
        .send_and_end(
            &json!({"id": "r1", "nps": 2, "text": "Too slow"}),
            &workflow,
        )
        .await;

    assert_eq!(
        (run.state, run.revision),
        (RunState::Succeeded, 1),
        "{tasks:#?}"
    );
    assert!(run.trace.to_string().contains("data.nps"), "{}", run.trace);
    let incidents = scene.incidents().await;
    let [incident] = incidents.as_slice() else {
        panic!("{incidents:?}")
    };
    assert_eq!(
        (
            &incident["short_description"],
            &incident["urgency"],
            &incident["impact"]
        ),
        (&json!("Too slow"), &json!("1"), &json!("3"))
    );
    let tickets = scene.tickets().await;
    let [ticket] = tickets.as_slice() else {
        panic!("{tickets:?}")
    };
    let number = incident["number"].as_str().unwrap();
    assert_eq!(
        ticket["comments"][0]["body"],
        format!("See {number}: Too slow")
    );
    assert_eq!(
        ticket["comments"][0]["public"], false,
        "nobody asked for an e-mail to the customer"
    );
    assert_eq!(ticket["tags"], json!(["nps", "detractor"]));

    let task = &tasks["incident"];
    assert_eq!(task.output.as_ref().unwrap()["number"], number);
    assert!(
        task.link
            .as_ref()
            .unwrap()
            .contains(task.output.as_ref().unwrap()["sys_id"].as_str().unwrap())
    );
    let [attempt] = task.attempts.as_slice() else {
        panic!("{:?}", task.attempts)
    };
    assert_eq!(attempt.calls[0].status, Some(201));
    assert_eq!(
        attempt.calls[0].sent.as_ref().unwrap()["short_description"],
        "Too slow"
    );
    assert!(!format!("{attempt:?}").contains("sn-password"));
    assert!(
        tasks["ticket"]
            .link
            .as_ref()
            .unwrap()
            .ends_with(&format!("/agent/tickets/{}", ticket["id"]))
    );
}

#[tokio::test]
async fn workflow_that_does_not_apply_says_why() {
    let scene = Scene::new("not-matched").await;
    let when = json!({"all": [{"field": "data.nps", "less_than_or_equal": 6}]});
    let workflow = scene
        .apply("follow-up", Some(when), Scene::ticket_only())
        .await;
    let key = scene
        .send(&json!({"id": "r1", "nps": 9, "text": "Great"}))
        .await;
    let record = scene.evaluated(&key).await;
    let [decision] = record.decisions.as_slice() else {
        panic!("{record:?}")
    };
    assert_eq!(
        (&decision.workflow, &decision.outcome),
        (&workflow, &Outcome::NotMatched)
    );
    let trace = decision.trace.as_ref().unwrap().to_string();
    assert!(trace.contains("data.nps") && trace.contains('9'), "{trace}");
    assert_eq!(scene.tickets().await.len(), 0);
}

#[tokio::test]
async fn only_workflows_that_listen_to_the_subject_start() {
    let scene = Scene::new("subject").await;
    let on = |subject: &str| json!({"event": {"type": format!("{}.happened", scene.id), "subject": subject}});
    let paris = scene
        .apply_on("paris", on("shop-paris"), None, Scene::ticket_only())
        .await;
    scene
        .apply_on("rome", on("shop-rome"), None, Scene::ticket_only())
        .await;
    let all = scene.apply("all", None, Scene::ticket_only()).await;
    let key = scene
        .send(&json!({"id": "r1", "subject": "shop-paris", "text": "x"}))
        .await;
    let record = scene.evaluated(&key).await;
    let mut started: Vec<_> = record
        .decisions
        .iter()
        .map(|decision| decision.workflow.clone())
        .collect();
    started.sort();
    assert_eq!(started, [all, paris]);
}

#[tokio::test]
async fn updates_find_their_record_and_change_only_what_they_name() {
    let scene = Scene::new("update").await;
    let tasks = json!([
        {"id": "incident", "kind": "servicenow.create_record", "account": "$servicenow",
         "input": {"table": "incident", "short_description": "Before", "description": "Long"}},
        {"id": "ticket", "kind": "zendesk.create_ticket", "account": "$zendesk",
         "input": {"comment": "First", "subject": "Before"}},
        {"id": "change", "kind": "servicenow.update_record", "account": "$servicenow", "needs": ["incident"],
         "input": {"table": "incident", "number": "{{ tasks.incident.output.number }}", "short_description": "After", "work_note": "Seen"}},
        {"id": "reply", "kind": "zendesk.update_ticket", "account": "$zendesk", "needs": ["ticket"],
         "input": {"ticket_id": "{{ tasks.ticket.output.id }}", "comment": "Second", "public": true, "priority": "High"}}
    ]);
    let workflow = scene.apply("update", None, tasks).await;
    let (_, tasks) = scene.send_and_end(&json!({"id": "r1"}), &workflow).await;
    for task in tasks.values() {
        assert_state(task, TaskState::Succeeded);
    }
    let incident = &scene.incidents().await[0];
    assert_eq!(
        (&incident["short_description"], &incident["description"]),
        (&json!("After"), &json!("Long"))
    );
    assert_eq!(
        incident["journal"].as_array().unwrap().len(),
        1,
        "{incident}"
    );
    let ticket = &scene.tickets().await[0];
    assert_eq!(
        (&ticket["subject"], &ticket["priority"]),
        (&json!("Before"), &json!("high"))
    );
    assert_eq!(
        (
            &ticket["comments"][1]["body"],
            &ticket["comments"][1]["public"]
        ),
        (&json!("Second"), &json!(true))
    );
}

#[tokio::test]
async fn placeholders_of_strangers_are_not_expanded_by_anybody() {
    let scene = Scene::new("strangers").await;
    let workflow = scene.apply("ticket", None, Scene::ticket_only()).await;
    let text = "{{ticket.id}} and {{ 7 * 7 }} and {{ event.data.id }}";
    let (run, tasks) = scene
        .send_and_end(&json!({"id": "r1", "text": text}), &workflow)
        .await;
    assert_eq!(run.state, RunState::Succeeded, "{tasks:#?}");
    let ticket = &scene.tickets().await[0];
    let body = ticket["comments"][0]["body"].as_str().unwrap();
    let visible: String = body
        .chars()
        .filter(|character| !matches!(character, '\u{2060}' | '\\'))
        .collect();
    assert_eq!(visible, text, "nothing is lost, nothing is filled in");
}

#[tokio::test]
async fn what_the_vendor_kept_otherwise_is_a_warning() {
    let scene = Scene::new("kept").await;
    let tasks = json!([{"id": "incident", "kind": "servicenow.create_record", "account": "$servicenow", "input": {
        "table": "incident", "short_description": "x".repeat(200), "fields": {"u_no_such_column": "7"}}}]);
    let workflow = scene.apply("incident", None, tasks).await;
    let (run, tasks) = scene.send_and_end(&json!({"id": "r1"}), &workflow).await;
    assert_eq!(run.state, RunState::Succeeded);
    let warnings = tasks["incident"].warnings.join("\n");
    assert!(
        warnings.contains("short_description") && warnings.contains("u_no_such_column"),
        "{warnings}"
    );
}
