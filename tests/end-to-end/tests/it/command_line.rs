//! The command line, as its users run it.

use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use crate::scene::{SECRET, Scene, variable};

/// Runs the command line; gives what it printed.
pub(crate) async fn closedloop(arguments: &[&str]) -> String {
    let (status, output) = closedloop_with(arguments, "").await;
    assert!(status, "{arguments:?}: {output}");
    output
}

pub(crate) async fn closedloop_with(arguments: &[&str], input: &str) -> (bool, String) {
    let mut child = tokio::process::Command::new(variable("CLOSEDLOOP_BIN"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command line is built");
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).await.unwrap();
    drop(stdin);
    let output = child.wait_with_output().await.unwrap();
    let text = [output.stdout, output.stderr]
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .concat();
    (output.status.success(), text)
}

pub(crate) fn write(scene: &Scene, name: &str, text: &str) -> String {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(&scene.id);
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

fn workflow(scene: &Scene, account: &str, comment: &str) -> String {
    format!(
        "id: {id}-cli\nname: From a file\ntrigger:\n  event:\n    type: {id}.happened\nwhen:\n  all:\n    - field: data.nps\n      less_than: 7\ntasks:\n  - id: ticket\n    kind: zendesk.create_ticket\n    account: {account}\n    input:\n      comment: \"{comment}\"\n",
        id = scene.id
    )
}

#[tokio::test]
async fn definition_is_applied_sent_to_and_followed_to_its_end() {
    let scene = Scene::new("cli").await;
    let account = scene.account(domain::Vendor::Zendesk);
    let file = write(
        &scene,
        "workflow.yaml",
        &workflow(&scene, account.as_str(), "NPS {{ event.data.nps }}"),
    );
    assert!(
        closedloop(&["workflows", "apply", &file])
            .await
            .contains("created")
    );
    assert!(
        closedloop(&["workflows", "apply", &file])
            .await
            .contains("unchanged")
    );
    assert!(
        closedloop(&["workflows", "list"])
            .await
            .contains(&format!("{}-cli", scene.id))
    );

    let body = write(
        &scene,
        "event.json",
        &json!({"id": "r1", "nps": 3}).to_string(),
    );
    let output = closedloop(&[
        "events",
        "send",
        &body,
        "--endpoint",
        &scene.endpoint,
        "--follow",
    ])
    .await;
    assert!(
        output.contains("succeeded")
            && output.contains("data.nps")
            && output.contains("/agent/tickets/"),
        "{output}"
    );
    assert!(!output.contains(SECRET));
    let runs = closedloop(&[
        "--json",
        "runs",
        "list",
        "--workflow",
        &format!("{}-cli", scene.id),
    ])
    .await;
    let runs: Value = serde_json::from_str(&runs).unwrap();
    assert_eq!(runs.as_array().map(Vec::len), Some(1), "{runs}");

    let body = write(
        &scene,
        "promoter.json",
        &json!({"id": "r2", "nps": 10}).to_string(),
    );
    let output = closedloop(&[
        "events",
        "send",
        &body,
        "--endpoint",
        &scene.endpoint,
        "--follow",
    ])
    .await;
    assert!(
        output.contains("data.nps") && output.contains("10"),
        "{output}"
    );
    assert_eq!(scene.tickets().await.len(), 1);

    assert!(
        !closedloop_with(&["accounts", "delete", account.as_str()], "")
            .await
            .0,
        "a workflow uses it"
    );
    closedloop(&["workflows", "delete", &format!("{}-cli", scene.id)]).await;
    closedloop(&["accounts", "delete", account.as_str()]).await;
}

#[tokio::test]
async fn wrong_definitions_are_refused_with_path_found_and_expected() {
    let scene = Scene::new("cli-wrong").await;
    for (text, words) in [
        (
            workflow(&scene, "nobody", "x"),
            vec!["tasks[0].account", "nobody"],
        ),
        (
            workflow(
                &scene,
                scene.account(domain::Vendor::ServiceNow).as_str(),
                "x",
            ),
            vec!["tasks[0].account", "zendesk"],
        ),
        (
            workflow(&scene, "a", "{{ tasks.other.output.id }}"),
            vec!["tasks[0].input.comment", "other"],
        ),
        (
            workflow(&scene, "a", "x").replace("less_than", "less_then"),
            vec!["when", "less_then", "less_than"],
        ),
        (
            workflow(&scene, "a", "x").replace("name:", "nmae:"),
            vec!["nmae"],
        ),
        ("{".to_owned(), vec!["workflow.yaml"]),
    ] {
        let file = write(&scene, "workflow.yaml", &text);
        let (success, output) = closedloop_with(&["workflows", "apply", &file], "").await;
        assert!(!success, "{output}");
        for word in words {
            assert!(output.contains(word), "{word} is not in: {output}");
        }
    }
    let listed = closedloop(&["workflows", "list"]).await;
    assert!(!listed.contains(&scene.id), "nothing was applied: {listed}");
}

#[tokio::test]
async fn account_is_put_from_standard_input_and_works() {
    let scene = Scene::new("cli-account").await;
    let name = format!("{}-again", scene.id);
    let arguments = [
        "accounts",
        "put",
        &name,
        "--vendor",
        "zendesk",
        "--instance",
        &scene.id,
        "--api-token",
        "agent@example.com",
    ];
    let (success, output) = closedloop_with(&arguments, "zd-token\n").await;
    assert!(success && !output.contains("zd-token"), "{output}");
    let file = write(&scene, "workflow.yaml", &workflow(&scene, &name, "x"));
    closedloop(&["workflows", "apply", &file]).await;
    let body = write(
        &scene,
        "event.json",
        &json!({"id": "r1", "nps": 3}).to_string(),
    );
    closedloop(&[
        "events",
        "send",
        &body,
        "--endpoint",
        &scene.endpoint,
        "--follow",
    ])
    .await;
    assert_eq!(scene.tickets().await.len(), 1);
}

#[tokio::test]
async fn workflow_is_changed_compared_rolled_back_exported_and_switched() {
    let scene = Scene::new("cli-revisions").await;
    let account = scene.account(domain::Vendor::Zendesk);
    let id = format!("{}-cli", scene.id);
    let text = |comment: &str| {
        let labels = format!("labels:\n  scene: {}\nowner: Customer Care\n", scene.id);
        workflow(&scene, account.as_str(), comment) + &labels
    };
    let file = write(&scene, "workflow.yaml", &text("first"));
    closedloop(&["workflows", "apply", &file]).await;
    let file = write(&scene, "workflow.yaml", &text("second"));
    assert!(
        closedloop(&["workflows", "apply", &file])
            .await
            .contains("revision 2")
    );
    let diff = closedloop(&["workflows", "diff", &id]).await;
    assert!(
        diff.contains("comment: first") && diff.contains("comment: second"),
        "{diff}"
    );
    let back = closedloop(&["workflows", "rollback", &id, "--to", "1"]).await;
    assert!(
        back.contains("revision 3") && back.contains("as at revision 1"),
        "{back}"
    );
    let same = closedloop(&["workflows", "diff", &id, "1", "3"]).await;
    assert!(same.contains("the same"), "{same}");

    let exported = closedloop(&["workflows", "export", &id]).await;
    let exported = write(&scene, "exported.yaml", &exported);
    assert!(
        closedloop(&["workflows", "apply", &exported])
            .await
            .contains("unchanged")
    );

    // A run names the revision that it is of.
    let workflow = domain::WorkflowId::parse(&id).unwrap();
    let (finished, _) = scene
        .send_and_end(&json!({"id": "r1", "nps": 3}), &workflow)
        .await;
    assert_eq!(finished.revision, 3);
    let shown = closedloop(&["runs", "show", finished.id.as_str()]).await;
    assert!(shown.contains("revision 3"), "{shown}");

    let label = format!("scene={}", scene.id);
    let list = ["workflows", "list", "--label", &label];
    assert!(closedloop(&list).await.contains("Customer Care"));
    assert!(
        closedloop(&["workflows", "disable", &id])
            .await
            .contains("revision 4, off")
    );
    let on = ["workflows", "list", "--label", &label, "--enabled"];
    assert!(!closedloop(&on).await.contains(&id));
    assert!(
        closedloop(&["workflows", "enable", &id])
            .await
            .contains("revision 5, on")
    );
    let revisions = closedloop(&["workflows", "revisions", &id]).await;
    assert_eq!(revisions.lines().count(), 5, "{revisions}");
    closedloop(&["workflows", "delete", &id]).await;
}
