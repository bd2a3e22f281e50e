use std::path::PathBuf;

use clap::Subcommand;
use domain::{Account, Vendor, Workflow, WorkflowId, definition};
use serde_json::json;
use store::{Applied, StoredWorkflow};

use super::{Ending, applied_line};
use crate::definition_files::{Located, load};
use crate::deployed::Deployed;
use crate::error::{Error, Problem};
use crate::output::Output;
use crate::report::time;

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
    pub(crate) async fn run(&self, stack: &str, output: &mut Output<'_>) -> Result<Ending, Error> {
        match self {
            Self::Validate { files } => {
                for located in read(files)? {
                    let id = &located.definition.id;
                    output.text(format_args!("{}: `{id}` is valid", located.place))?;
                }
            }
            Self::Apply { files } => {
                // Nothing is asked of AWS for a definition that cannot be applied anyway.
                let definitions = read(files)?;
                apply(&Deployed::find(stack).await?, &definitions, output).await?;
            }
            Self::List => list(&Deployed::find(stack).await?, output).await?,
            Self::Show { id } => show(&Deployed::find(stack).await?, id, output).await?,
            Self::Delete { id } => {
                if !Deployed::find(stack).await?.workflows()?.delete(id).await? {
                    return Err(Error::UnknownWorkflow(id.clone()));
                }
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
    deployed: &Deployed,
    definitions: &[Located<Workflow>],
    output: &mut Output<'_>,
) -> Result<(), Error> {
    let accounts = deployed.account_rows()?.list().await?;
    let problems: Vec<Problem> = definitions
        .iter()
        .flat_map(|located| {
            account_problems(&located.definition, &accounts)
                .into_iter()
                .map(|problem| Problem {
                    place: located.place.clone(),
                    problem,
                })
        })
        .collect();
    if !problems.is_empty() {
        return Err(Error::Definitions(problems));
    }
    let workflows = deployed.workflows()?;
    for Located { definition, .. } in definitions {
        let (done, revision) = match workflows.apply(definition, startup::now()).await? {
            Applied::Created { revision } => ("created", revision),
            Applied::Updated { revision } => ("updated", revision),
            Applied::Unchanged { revision } => ("unchanged", revision),
        };
        let off = if definition.enabled { "" } else { ", off" };
        let note = format!(" (revision {revision}{off})");
        output.text(applied_line(done, definition.id.as_str(), &note))?;
    }
    Ok(())
}

/// What is wrong with the accounts that a workflow's tasks name.
fn account_problems(workflow: &Workflow, accounts: &[Account]) -> Vec<definition::Problem> {
    let of_vendor = |vendor: Vendor| {
        let names: Vec<String> = accounts
            .iter()
            .filter(|account| account.vendor == vendor)
            .map(|account| format!("`{}`", account.name))
            .collect();
        if names.is_empty() {
            format!("there is no {vendor} account yet: connect one with `accounts put`")
        } else {
            format!("the {vendor} accounts are {}", names.join(", "))
        }
    };
    let problem = |index: usize, problem: String| definition::Problem {
        path: format!("tasks[{index}].account"),
        problem,
    };
    workflow
        .tasks
        .iter()
        .enumerate()
        .filter_map(|(index, task)| {
            let needed = task.kind.vendor();
            let account = accounts.iter().find(|account| account.name == task.account);
            match account {
                Some(account) if account.vendor == needed => None,
                Some(account) => Some(problem(
                    index,
                    format!(
                        "found the {} account `{}`, expected a {needed} account for {}; {}",
                        account.vendor,
                        task.account,
                        task.kind,
                        of_vendor(needed)
                    ),
                )),
                None => Some(problem(
                    index,
                    format!(
                        "found `{}`, which is no account; {}",
                        task.account,
                        of_vendor(needed)
                    ),
                )),
            }
        })
        .collect()
}

async fn list(deployed: &Deployed, output: &mut Output<'_>) -> Result<(), Error> {
    let workflows = deployed.workflows()?.list().await?;
    if output.wants_json() {
        let rows: Vec<_> = workflows.iter().map(as_json).collect();
        return output.json(&rows);
    }
    if workflows.is_empty() {
        return output.text("There is no workflow yet: apply one with `workflows apply`.");
    }
    let rows: Vec<Vec<String>> = workflows.iter().map(row).collect();
    output.table(&rows)
}

fn row(stored: &StoredWorkflow) -> Vec<String> {
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

fn as_json(stored: &StoredWorkflow) -> serde_json::Value {
    json!({
        "workflow": stored.workflow, "revision": stored.revision, "applied_at": stored.applied_at,
    })
}

async fn show(deployed: &Deployed, id: &WorkflowId, output: &mut Output<'_>) -> Result<(), Error> {
    let stored = deployed
        .workflows()?
        .get(id)
        .await?
        .ok_or_else(|| Error::UnknownWorkflow(id.clone()))?;
    if output.wants_json() {
        return output.json(&as_json(&stored));
    }
    output.text(export(&stored)?)
}

/// The definition as a file that can be applied.
fn export(stored: &StoredWorkflow) -> Result<String, Error> {
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
    use crate::report::samples;
    use domain::CloudEvent;
    use jiff::Timestamp;
    use std::path::Path;

    fn repository(path: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
    }

    fn sample(task: &str, account: &str) -> Workflow {
        definition::workflow(&json!({
            "id": "w", "name": "W", "trigger": {"event": {"type": "a"}},
            "tasks": [
                {"id": "first", "kind": "zendesk.create_ticket", "account": "zd", "input": {"comment": "x"}},
                {"id": "second", "kind": task, "account": account, "input": {"table": "incident", "comment": "x"}},
            ]
        }))
        .unwrap()
    }

    #[test]
    fn accounts_must_exist_and_belong_to_the_tasks_vendor() {
        let account = |name: &str, vendor| Account {
            name: domain::AccountName::parse(name).unwrap(),
            vendor,
            instance: "x".to_owned(),
            updated_at: Timestamp::UNIX_EPOCH,
        };
        let zendesk = account("zd", Vendor::Zendesk);
        let servicenow = account("sn", Vendor::ServiceNow);
        let workflow = |name| sample("servicenow.create_record", name);
        let texts = |workflow: &Workflow, accounts: &[Account]| -> Vec<String> {
            account_problems(workflow, accounts)
                .iter()
                .map(ToString::to_string)
                .collect()
        };
        let both = [zendesk.clone(), servicenow];
        assert_eq!(texts(&workflow("sn"), &both), Vec::<String>::new());
        assert_eq!(
            texts(&workflow("zd"), &both),
            [
                "tasks[1].account: found the zendesk account `zd`, expected a servicenow account for servicenow.create_record; the servicenow accounts are `sn`"
            ]
        );
        assert_eq!(
            texts(&workflow("sn"), &[zendesk]),
            [
                "tasks[1].account: found `sn`, which is no account; there is no servicenow account yet: connect one with `accounts put`"
            ]
        );
        assert_eq!(texts(&workflow("sn"), &[]).len(), 2);
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
        let error = command
            .run("no-stack", &mut Output::new(&mut written, false))
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
            let stored = StoredWorkflow {
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
