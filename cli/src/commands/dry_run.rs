//! `workflows dry-run`: what a workflow would do with an event.

use std::path::{Path, PathBuf};

use clap::Args;
use domain::{EventKey, WorkflowId, definition};
use management::{DryRun, DryRunRequest, FieldProblem, dry_run_offline};
use serde_json::{Value, json};

use crate::definition_files::load;
use crate::error::{Error, Problem};
use crate::output::Output;
use crate::report::dry_run::FullDryRun;
use crate::stack::Target;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The workflow, as it was applied
    #[arg(required_unless_present = "file", conflicts_with = "file")]
    id: Option<WorkflowId>,
    /// This revision of it instead of the newest
    #[arg(long, value_name = "N", requires = "id", conflicts_with = "file")]
    revision: Option<u32>,
    /// A file with one definition, applied or not
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// An event that was received, by its key
    #[arg(
        long,
        value_name = "KEY",
        required_unless_present = "event_file",
        conflicts_with = "event_file"
    )]
    event: Option<EventKey>,
    /// A file with an event: a `CloudEvents` object, of which only `type` must be there
    #[arg(long, value_name = "FILE")]
    event_file: Option<PathBuf>,
    /// Ask no stack: comparisons and piped text only
    #[arg(long, requires_all = ["file", "event_file"], conflicts_with_all = ["id", "event"])]
    offline: bool,
}

pub(super) async fn run(
    arguments: &Arguments,
    target: &Target,
    output: &mut Output<'_>,
) -> Result<(), Error> {
    let request = request(arguments)?;
    let (plan, no_stack) = if arguments.offline {
        (offline(&request)?, Some("it was not asked".to_owned()))
    } else {
        match target.open().await {
            Ok(stack) => (stack.dry_run(&request).await?, None),
            // Whatever needs no stack is shown without one.
            Err(error) if is_given(&request) && nothing_is_configured(&error) => {
                (offline(&request)?, Some(error.to_string()))
            }
            Err(error) => return Err(error),
        }
    };
    show(&plan, no_stack.as_deref(), output)
}

fn show(plan: &DryRun, no_stack: Option<&str>, output: &mut Output<'_>) -> Result<(), Error> {
    if output.wants_json() {
        return output.json(plan);
    }
    let full = FullDryRun { plan, no_stack };
    output.text(full.to_string().trim_end())
}

fn offline(request: &DryRunRequest) -> Result<DryRun, Error> {
    Ok(dry_run_offline(request, startup::now())?)
}

fn is_given(request: &DryRunRequest) -> bool {
    request.workflow.is_some() && request.event.is_some()
}

/// Whether no stack can be meant: there is no region, or nobody answers there.
fn nothing_is_configured(error: &Error) -> bool {
    matches!(error, Error::NoRegion | Error::Aws { code: None, .. })
}

fn request(arguments: &Arguments) -> Result<DryRunRequest, Error> {
    let workflow = arguments.file.as_deref().map(one_definition).transpose()?;
    let event = arguments.event_file.as_deref().map(document).transpose()?;
    Ok(DryRunRequest {
        workflow,
        workflow_id: arguments.id.clone(),
        revision: arguments.revision,
        event,
        event_key: arguments.event.clone(),
    })
}

/// Checked here, so that what is wrong is told with the file.
fn one_definition(file: &Path) -> Result<Value, Error> {
    let found = load(&[file.to_owned()], definition::workflow, |workflow| {
        workflow.id.to_string()
    })?;
    match found.as_slice() {
        [only] => Ok(json!(only.definition)),
        several => Err(problem(
            file,
            format!("found {} definitions, expected one", several.len()),
        )),
    }
}

fn document(file: &Path) -> Result<Value, Error> {
    let text = std::fs::read(file).map_err(|source| Error::File {
        path: file.to_owned(),
        source,
    })?;
    serde_json::from_slice(&text).map_err(|error| problem(file, format!("it is not JSON: {error}")))
}

fn problem(file: &Path, problem: String) -> Error {
    Error::Definitions(vec![Problem {
        place: file.display().to_string(),
        problem: FieldProblem {
            path: String::new(),
            problem,
        },
    }])
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use vendor_http::test_support::{Server, Step};

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        arguments: Arguments,
    }

    fn parse(words: &str) -> Result<Arguments, clap::Error> {
        let words = std::iter::once("dry-run").chain(words.split(' '));
        Ok(Line::try_parse_from(words)?.arguments)
    }

    const KEY: &str = "ev_00112233445566778899aabbccddeeff";

    #[test]
    fn one_workflow_and_one_event_are_named() {
        for words in [
            format!("follow-up --event {KEY}"),
            format!("follow-up --revision 3 --event {KEY}"),
            "follow-up --event-file e.json".to_owned(),
            format!("--file w.yaml --event {KEY}"),
            "--file w.yaml --event-file e.json --offline".to_owned(),
        ] {
            assert!(parse(&words).is_ok(), "{words}");
        }
        for words in [
            "follow-up".to_owned(),
            format!("--event {KEY}"),
            format!("follow-up --file w.yaml --event {KEY}"),
            format!("follow-up --event {KEY} --event-file e.json"),
            format!("--file w.yaml --revision 2 --event {KEY}"),
            "follow-up --event-file e.json --offline".to_owned(),
            format!("--file w.yaml --event {KEY} --offline"),
        ] {
            assert!(parse(&words).is_err(), "{words}");
        }
    }

    fn files(workflow: &str, event: &str) -> (tempfile::TempDir, Arguments) {
        let folder = tempfile::tempdir().unwrap();
        let (file, sample) = (
            folder.path().join("w.yaml"),
            folder.path().join("event.json"),
        );
        std::fs::write(&file, workflow).unwrap();
        std::fs::write(&sample, event).unwrap();
        let words = format!(
            "--file {} --event-file {}",
            file.display(),
            sample.display()
        );
        (folder, parse(&words).unwrap())
    }

    const WORKFLOW: &str = "
id: follow-up
name: Follow up
trigger: { event: { type: review.created } }
when: { field: data.rating, less_than: 3 }
tasks:
  - { id: ticket, kind: zendesk.create_ticket, account: support, input: { comment: '{{ event.data.text }}' } }
";

    #[tokio::test]
    async fn files_are_enough_without_a_stack() {
        let (_folder, arguments) = files(
            WORKFLOW,
            r#"{"type": "review.created", "data": {"rating": 1, "text": "slow"}}"#,
        );
        let arguments = Arguments {
            offline: true,
            ..arguments
        };
        // Nobody listens there.
        let target = Target::Api {
            url: "http://127.0.0.1:9".to_owned(),
            token: "clt_x".into(),
        };
        let mut written = Vec::new();
        run(&arguments, &target, &mut Output::new(&mut written, false))
            .await
            .unwrap();
        let text = String::from_utf8(written).unwrap();
        for expected in [
            "would start",
            "✓ data.rating",
            "\"comment\": \"slow\"",
            "need the stack",
        ] {
            assert!(text.contains(expected), "{expected} is not in:\n{text}");
        }
    }

    #[tokio::test]
    async fn stack_is_asked_with_what_the_files_say() {
        let (_folder, arguments) = files(WORKFLOW, r#"{"type": "review.created"}"#);
        let plan = offline(&request(&arguments).unwrap()).unwrap();
        let server = Server::start([Step::json(200, json!(plan))]).await.unwrap();
        let target = Target::Api {
            url: server.url(),
            token: "clt_x".into(),
        };
        let mut written = Vec::new();
        run(&arguments, &target, &mut Output::new(&mut written, true))
            .await
            .unwrap();
        let received = server.received();
        assert_eq!(
            (received[0].method.as_str(), received[0].target.as_str()),
            ("POST", "/v1/dry-run")
        );
        let asked: DryRunRequest = serde_json::from_value(received[0].json()).unwrap();
        assert_eq!(asked.event, Some(json!({"type": "review.created"})));
        assert_eq!(asked.workflow.unwrap()["id"], "follow-up");
        let shown: Value = serde_json::from_slice(&written).unwrap();
        assert_eq!(shown, json!(plan));
    }

    #[test]
    fn what_is_wrong_with_a_file_is_told_with_its_name() {
        for (workflow, event, expected) in [
            (
                format!("{WORKFLOW}---{WORKFLOW}").replace("---\nid: follow-up", "---\nid: b"),
                "{}",
                "w.yaml: found 2 definitions, expected one",
            ),
            (
                WORKFLOW.replace("support", "Sup port"),
                "{}",
                "w.yaml: tasks[0].account",
            ),
            (WORKFLOW.to_owned(), "type: a", "event.json: it is not JSON"),
        ] {
            let (_folder, arguments) = files(&workflow, event);
            let error = request(&arguments).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
