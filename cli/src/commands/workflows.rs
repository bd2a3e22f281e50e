use std::path::PathBuf;

use clap::Subcommand;
use domain::{Workflow, WorkflowId, definition};
use management::WorkflowRevision;

use super::{Ending, applied_line};
use crate::definition_files::{Located, load};
use crate::error::{Error, Problem};
use crate::output::Output;
use crate::report::time;
use crate::stack::{Stack, Target};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Check definitions without applying them; needs no stack
    Validate {
        /// Files with definitions in YAML or JSON, or folders of them
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Make definitions count: all of those given, or none when one has a problem
    Apply {
        /// Files with definitions in YAML or JSON, or folders of them
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// List the workflows
    List,
    /// Print a workflow's definition as it was applied
    Show {
        /// The workflow
        id: WorkflowId,
    },
    /// Remove a workflow; runs that have begun go on
    Delete {
        /// The workflow
        id: WorkflowId,
    },
}

impl Command {
    pub(crate) async fn run(
        &self,
        target: &Target,
        output: &mut Output<'_>,
    ) -> Result<Ending, Error> {
        match self {
            Self::Validate { files } => {
                for located in read(files)? {
                    let id = &located.definition.id;
                    output.text(format_args!("{}: `{id}` is valid", located.place))?;
                }
            }
            Self::Apply { files } => {
                // Nobody is asked about a definition that cannot be applied anyway.
                let definitions = read(files)?;
                apply(&target.open().await?, &definitions, output).await?;
            }
            Self::List => list(&target.open().await?, output).await?,
            Self::Show { id } => show(&target.open().await?, id, output).await?,
            Self::Delete { id } => {
                target.open().await?.delete_workflow(id).await?;
                output.text(applied_line("deleted", id.as_str(), ""))?;
            }
        }
        Ok(Ending::Good)
    }
}

fn read(files: &[PathBuf]) -> Result<Vec<Located<Workflow>>, Error> {
    load(files, definition::workflow, |workflow| {
        workflow.id.to_string()
    })
}

async fn apply(
    stack: &Stack,
    definitions: &[Located<Workflow>],
    output: &mut Output<'_>,
) -> Result<(), Error> {
    let mut problems = Vec::new();
    for Located { definition, place } in definitions {
        let report = stack.validate_workflow(definition).await?;
        problems.extend(report.problems.into_iter().map(|problem| Problem {
            place: place.clone(),
            problem,
        }));
    }
    if !problems.is_empty() {
        return Err(Error::Definitions(problems));
    }
    for Located { definition, .. } in definitions {
        let applied = stack.apply_workflow(definition).await?;
        let off = if definition.enabled { "" } else { ", off" };
        let note = format!(" (revision {}{off})", applied.stored.revision);
        output.text(applied_line(
            applied.done.as_str(),
            definition.id.as_str(),
            &note,
        ))?;
    }
    Ok(())
}

async fn list(stack: &Stack, output: &mut Output<'_>) -> Result<(), Error> {
    let workflows = stack.workflows().await?.items;
    if output.wants_json() {
        return output.json(&workflows);
    }
    if workflows.is_empty() {
        return output.text("There is no workflow yet: apply one with `workflows apply`.");
    }
    let rows: Vec<Vec<String>> = workflows.iter().map(row).collect();
    output.table(&rows)
}

fn row(stored: &WorkflowRevision) -> Vec<String> {
    let workflow = &stored.workflow;
    let mut kinds: Vec<String> = workflow
        .listeners()
        .into_iter()
        .map(|listener| listener.kind)
        .collect();
    kinds.dedup();
    vec![
        workflow.id.to_string(),
        if workflow.enabled { "on" } else { "off" }.to_owned(),
        format!("revision {}", stored.revision),
        time(stored.applied_at),
        kinds.join(","),
        workflow.name.clone(),
    ]
}

async fn show(stack: &Stack, id: &WorkflowId, output: &mut Output<'_>) -> Result<(), Error> {
    let stored = stack.workflow(id).await?;
    if output.wants_json() {
        return output.json(&stored);
    }
    output.text(export(&stored)?)
}

/// The definition as a file that can be applied.
fn export(stored: &WorkflowRevision) -> Result<String, Error> {
    let yaml = serde_saphyr::to_string(&stored.workflow)
        .map_err(|error| Error::Yaml(error.to_string()))?;
    Ok(format!(
        "# revision {}, applied {}\n{}",
        stored.revision,
        time(stored.applied_at),
        yaml.trim_end()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::CloudEvent;
    use jiff::Timestamp;
    use management::samples;
    use serde_json::json;
    use std::path::Path;

    fn repository(path: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
    }

    #[tokio::test]
    async fn validation_names_file_path_what_was_found_and_what_was_expected() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("mine.yaml");
        let definition = json!({
            "id": "w", "name": "W", "trigger": {"event": {"type": "a"}},
            "tasks": [
                {"id": "first", "kind": "zendesk.create_ticket", "account": "zd", "input": {"comment": "x"}},
                {"id": "second", "kind": "zendesk.create_ticket", "account": "zd", "input": {"comment": "x", "priority": "asap"}},
            ]
        });
        std::fs::write(&file, definition.to_string()).unwrap();
        let mut written = Vec::new();
        let command = Command::Validate {
            files: vec![file.clone()],
        };
        let target = Target::Aws {
            stack: "no-stack".to_owned(),
        };
        let error = command
            .run(&target, &mut Output::new(&mut written, false))
            .await
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "there is a problem\n  {}: tasks[1].input.priority: found `asap`, expected low, normal, high or urgent",
                file.display()
            )
        );
        assert!(written.is_empty());
    }

    #[test]
    fn exported_samples_are_the_definitions_that_were_applied() {
        let samples = read(&[repository("workflows")]).unwrap();
        assert!(samples.len() >= 3);
        let exported = tempfile::tempdir().unwrap();
        for located in samples {
            let stored = WorkflowRevision {
                workflow: located.definition,
                revision: 2,
                applied_at: Timestamp::UNIX_EPOCH,
            };
            let yaml = export(&stored).unwrap();
            assert!(
                yaml.starts_with("# revision 2, applied 1970-01-01T00:00:00Z\nid: "),
                "{yaml}"
            );
            let file = exported.path().join("exported.yaml");
            std::fs::write(&file, &yaml).unwrap();
            let again = read(&[file]).unwrap();
            assert_eq!(again[0].definition, stored.workflow, "{yaml}");
        }
    }

    /// The first task's input when this sample workflow handles this event.
    fn first_input(sample: &str, event: &CloudEvent) -> serde_json::Value {
        let file = repository(&format!("workflows/{sample}.yaml"));
        let workflow = read(&[file]).unwrap().remove(0).definition;
        if let Some(condition) = &workflow.when {
            let evaluation = condition.evaluate(&json!(event), samples::NOW);
            assert!(evaluation.holds, "{}", evaluation.trace);
        }
        assert!(
            workflow
                .listeners()
                .iter()
                .any(|listener| listener.kind == event.kind),
            "{sample}"
        );
        let (_, tasks) = domain::run::begin(&workflow, 1, event, json!(null), samples::NOW);
        assert_eq!(tasks[0].reason, None);
        let input = tasks[0].input.clone().unwrap();
        tasks[0].kind.check_input(&input).unwrap();
        input
    }

    fn sent(kind: &str, file: &str) -> CloudEvent {
        let body = std::fs::read(repository(file)).unwrap();
        let data: serde_json::Value = serde_json::from_slice(&body).unwrap();
        serde_json::from_value(json!({
            "specversion": "1.0", "id": "1", "source": "/endpoints/sample", "type": kind, "data": data
        }))
        .unwrap()
    }

    #[test]
    fn sample_workflows_run_on_the_sample_events() {
        let survey = sent(
            "qualtrics.response.completed",
            "events/survey-response.json",
        );
        let mut as_text = survey.clone();
        as_text.data.as_mut().unwrap()["values"]["QID1"] = json!("2");
        assert_eq!(first_input("survey-follow-up", &as_text)["urgency"], "high");
        let input = first_input("survey-follow-up", &survey);
        assert_eq!(input["urgency"], "high");
        let title = input["short_description"].as_str().unwrap();
        assert!(
            title.starts_with("NPS 2 for order A-10042: The parcel"),
            "{title}"
        );

        let review = sent("review.created", "events/review.json");
        let input = first_input("review-alert", &review);
        assert_eq!(
            input["subject"],
            "1 star review of Example Shop, Berlin Mitte"
        );
        assert_eq!(input["tags"], json!(["review", "Google"]));

        let (run, tasks, _) = samples::failed_run();
        let end = domain::run::end_event(&run, &tasks).unwrap();
        let input = first_input("run-failed", &end);
        let text = input["description"].as_str().unwrap();
        for expected in [
            "The workflow follow-up (revision 3) has failed",
            "incident (servicenow.create_record, account servicenow-dev): failed after 2 attempts: the table",
            "ticket (zendesk.create_ticket, account zendesk-support): skipped: it needs",
            run.id.as_str(),
        ] {
            assert!(text.contains(expected), "{expected} is not in:\n{text}");
        }
    }
}
