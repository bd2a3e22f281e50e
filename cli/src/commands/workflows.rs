use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use domain::{Workflow, WorkflowId, definition, loops};
use management::{AppliedWorkflow, FieldWarning, Label, WorkflowFilter, WorkflowRevision};

use super::{Ending, applied_line, dry_run};
use crate::definition_files::{Located, load, to_yaml};
use crate::error::{Error, Problem};
use crate::output::Output;
use crate::report::{time, workflow as report};
use crate::stack::{Stack, Target};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Check definitions without applying them; needs no stack
    Validate {
        /// Files with definitions in YAML or JSON, or folders of them
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Ask the stack, too, whether it has the accounts and endpoints that are named
        #[arg(long)]
        deployed: bool,
    },
    /// Make definitions count: none is applied when a check finds a problem in one of them
    Apply {
        /// Files with definitions in YAML or JSON, or folders of them
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// List the workflows: id, on or off, revision, since when, owner, labels, trigger, name
    List {
        #[command(flatten)]
        wanted: Wanted,
    },
    /// Print a workflow's definition
    Show {
        /// The workflow
        id: WorkflowId,
        /// As it was at this revision, also after it was deleted
        #[arg(long, value_name = "N")]
        revision: Option<u32>,
    },
    /// List every revision that a workflow had, newest first
    Revisions {
        /// The workflow
        id: WorkflowId,
    },
    /// Show what is different between two revisions of a workflow
    Diff {
        /// The workflow
        id: WorkflowId,
        /// This revision; the one before the newest when absent
        from: Option<u32>,
        /// Compared with this one; the newest when absent
        to: Option<u32>,
    },
    /// Apply an earlier revision's definition once more, as a new revision
    Rollback {
        /// The workflow
        id: WorkflowId,
        /// The revision to go back to
        #[arg(long = "to", value_name = "N")]
        revision: u32,
    },
    /// Switch a workflow on
    Enable {
        /// The workflow
        id: WorkflowId,
    },
    /// Switch a workflow off; runs that have begun go on
    Disable {
        /// The workflow
        id: WorkflowId,
    },
    /// Tell what a workflow would do with an event: whether it applies, and what each task would send. Sends nothing
    DryRun(dry_run::Arguments),
    /// Write definitions as YAML that `apply` takes; applied unchanged it changes nothing
    ///
    /// Comments, and settings that say what holds anyway, such as `enabled: true`, are not kept when a definition is
    /// applied, so they are not in what is exported.
    Export {
        /// The workflow, to standard output
        #[arg(required_unless_present = "all")]
        id: Option<WorkflowId>,
        /// As it was at this revision
        #[arg(long, value_name = "N", requires = "id")]
        revision: Option<u32>,
        /// Every workflow, each into the file of its id in this folder
        #[arg(long, value_name = "DIR", conflicts_with_all = ["id", "revision"])]
        all: Option<PathBuf>,
    },
    /// Remove a workflow; its revisions are kept, and runs that have begun go on
    Delete {
        /// The workflow
        id: WorkflowId,
    },
}

/// Which workflows to list.
#[derive(Debug, Clone, Args)]
pub(crate) struct Wanted {
    /// Those with this owner
    #[arg(long)]
    owner: Option<String>,
    /// Those with this label; given several times, those that have all of them
    #[arg(long, value_name = "KEY=VALUE")]
    label: Vec<Label>,
    /// Those that are on
    #[arg(long)]
    enabled: bool,
    /// Those that are off
    #[arg(long, conflicts_with = "enabled")]
    disabled: bool,
}

impl Wanted {
    fn filter(&self) -> WorkflowFilter {
        WorkflowFilter {
            owner: self.owner.clone(),
            label: self.label.clone(),
            enabled: match (self.enabled, self.disabled) {
                (false, false) => None,
                (enabled, _) => Some(enabled),
            },
        }
    }
}

impl Command {
    pub(crate) async fn run(
        &self,
        target: &Target,
        output: &mut Output<'_>,
    ) -> Result<Ending, Error> {
        match self {
            Self::Validate { files, deployed } => {
                let definitions = read(files)?;
                let warnings = if *deployed {
                    check(&target.open().await?, &definitions).await?
                } else {
                    let of = |located: &Located<Workflow>| loops::warnings(&located.definition);
                    let found = definitions.iter().map(of);
                    found
                        .map(|found| found.into_iter().map(Into::into).collect())
                        .collect()
                };
                for (located, warnings) in definitions.iter().zip(&warnings) {
                    let id = &located.definition.id;
                    output.text(format_args!("{}: `{id}` is valid", located.place))?;
                    warn(warnings, output)?;
                }
            }
            Self::Apply { files } => {
                // Nobody is asked about a definition that cannot be applied anyway.
                let definitions = read(files)?;
                apply(&target.open().await?, &definitions, output).await?;
            }
            Self::List { wanted } => {
                list(&target.open().await?, &wanted.filter(), output).await?;
            }
            Self::Show { id, revision } => {
                let stored = target.open().await?.workflow(id, *revision).await?;
                if output.wants_json() {
                    output.json(&stored)?;
                } else {
                    output.text(shown(&stored)?.trim_end())?;
                }
            }
            Self::Revisions { id } => revisions(&target.open().await?, id, output).await?,
            Self::Diff { id, from, to } => {
                diff(&target.open().await?, id, *from, *to, output).await?;
            }
            Self::Rollback { id, revision } => {
                let stack = target.open().await?;
                let applied = stack.roll_back_workflow(id, *revision).await?;
                told(&applied, &format!(", as at revision {revision}"), output)?;
            }
            Self::Enable { id } => {
                let applied = target.open().await?.switch_workflow(id, true).await?;
                told(&applied, "", output)?;
            }
            Self::Disable { id } => {
                let applied = target.open().await?.switch_workflow(id, false).await?;
                told(&applied, "", output)?;
            }
            Self::DryRun(arguments) => dry_run::run(arguments, target, output).await?,
            Self::Export { id, revision, all } => {
                let stack = target.open().await?;
                if let Some(id) = id {
                    export(&stack, id, *revision, output).await?;
                }
                if let Some(folder) = all {
                    export_all(&stack, folder, output).await?;
                }
            }
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

/// Asks the stack about every definition; gives the warnings of each, or all problems together.
async fn check(
    stack: &Stack,
    definitions: &[Located<Workflow>],
) -> Result<Vec<Vec<FieldWarning>>, Error> {
    let mut problems = Vec::new();
    let mut warnings = Vec::new();
    for Located { definition, place } in definitions {
        let report = stack.validate_workflow(definition).await?;
        problems.extend(report.problems.into_iter().map(|problem| Problem {
            place: place.clone(),
            problem,
        }));
        warnings.push(report.warnings);
    }
    if problems.is_empty() {
        Ok(warnings)
    } else {
        Err(Error::Definitions(problems))
    }
}

fn warn(warnings: &[FieldWarning], output: &mut Output<'_>) -> Result<(), Error> {
    warnings
        .iter()
        .try_for_each(|warning| output.text(format_args!("  warning: {warning}")))
}

async fn apply(
    stack: &Stack,
    definitions: &[Located<Workflow>],
    output: &mut Output<'_>,
) -> Result<(), Error> {
    check(stack, definitions).await?;
    for Located { definition, .. } in definitions {
        let applied = stack.apply_workflow(definition).await?;
        let off = if definition.enabled { "" } else { ", off" };
        let note = format!(" (revision {}{off})", applied.stored.revision);
        output.text(applied_line(
            applied.done.as_str(),
            definition.id.as_str(),
            &note,
        ))?;
        warn(&applied.warnings, output)?;
    }
    Ok(())
}

/// What became of a workflow whose definition was stored already.
fn told(applied: &AppliedWorkflow, note: &str, output: &mut Output<'_>) -> Result<(), Error> {
    if output.wants_json() {
        return output.json(applied);
    }
    let stored = &applied.stored;
    let state = report::on_or_off(stored.workflow.enabled);
    output.text(applied_line(
        applied.done.as_str(),
        stored.workflow.id.as_str(),
        &format!(" (revision {}, {state}{note})", stored.revision),
    ))?;
    warn(&applied.warnings, output)
}

async fn list(
    stack: &Stack,
    filter: &WorkflowFilter,
    output: &mut Output<'_>,
) -> Result<(), Error> {
    let workflows = stack.workflows(filter).await?.items;
    if output.wants_json() {
        return output.json(&workflows);
    }
    if workflows.is_empty() && *filter != WorkflowFilter::default() {
        return output.text("There is no such workflow: `workflows list` lists all of them.");
    }
    if workflows.is_empty() {
        return output.text("There is no workflow yet: apply one with `workflows apply`.");
    }
    let rows: Vec<Vec<String>> = workflows.iter().map(report::row).collect();
    output.table(&rows)
}

async fn revisions(stack: &Stack, id: &WorkflowId, output: &mut Output<'_>) -> Result<(), Error> {
    let revisions = stack.workflow_revisions(id).await?.items;
    if output.wants_json() {
        return output.json(&revisions);
    }
    let rows: Vec<Vec<String>> = revisions
        .into_iter()
        .map(|entry| {
            vec![
                format!("revision {}", entry.revision),
                time(entry.applied_at),
                report::on_or_off(entry.enabled).to_owned(),
                entry.name,
            ]
        })
        .collect();
    output.table(&rows)
}

async fn diff(
    stack: &Stack,
    id: &WorkflowId,
    from: Option<u32>,
    to: Option<u32>,
    output: &mut Output<'_>,
) -> Result<(), Error> {
    let (from, to) = match (from, to) {
        (Some(from), Some(to)) => (from, to),
        (from, _) => {
            let known = stack.workflow_revisions(id).await?.items;
            let mut newest_first = known.iter().map(|entry| entry.revision);
            let newest = newest_first.next().unwrap_or(1);
            let before = from.or(newest_first.next());
            let from = before.ok_or_else(|| Error::OneRevision {
                workflow: id.clone(),
                revision: newest,
            })?;
            (from, newest)
        }
    };
    if output.wants_json() {
        return output.json(&stack.diff_workflow(id, from, to).await?);
    }
    let before = stack.workflow(id, Some(from)).await?;
    let after = stack.workflow(id, Some(to)).await?;
    let [old, new] = [to_yaml(&before.workflow)?, to_yaml(&after.workflow)?];
    match report::diff(id, (&before, &old), (&after, &new)) {
        Some(text) => output.text(text.trim_end()),
        None => output.text(format_args!("The revisions {from} and {to} are the same.")),
    }
}

async fn export(
    stack: &Stack,
    id: &WorkflowId,
    revision: Option<u32>,
    output: &mut Output<'_>,
) -> Result<(), Error> {
    let stored = stack.workflow(id, revision).await?;
    if output.wants_json() {
        output.json(&stored.workflow)
    } else {
        output.text(shown(&stored)?.trim_end())
    }
}

async fn export_all(stack: &Stack, folder: &Path, output: &mut Output<'_>) -> Result<(), Error> {
    let workflows = stack.workflows(&WorkflowFilter::default()).await?.items;
    let fault = |path: &Path| {
        let path = path.to_owned();
        |source| Error::WriteFile { path, source }
    };
    fs::create_dir_all(folder).map_err(fault(folder))?;
    for stored in &workflows {
        let id = &stored.workflow.id;
        let file = folder.join(format!("{id}.yaml"));
        fs::write(&file, shown(stored)?).map_err(fault(&file))?;
        let note = format!(" (revision {}) to {}", stored.revision, file.display());
        output.text(applied_line("exported", id.as_str(), &note))?;
    }
    if workflows.is_empty() {
        output.text("There is no workflow to export.")?;
    }
    Ok(())
}

/// The definition as a file that can be applied.
fn shown(stored: &WorkflowRevision) -> Result<String, Error> {
    let yaml = to_yaml(&stored.workflow)?;
    Ok(format!(
        "# Revision {}, applied {}. Comments of the file that was applied are not kept.\n{yaml}",
        stored.revision,
        time(stored.applied_at)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::CloudEvent;
    use jiff::Timestamp;
    use management::samples;
    use serde_json::{Value, json};
    use vendor_http::test_support::{Server, Step};

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
            deployed: false,
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
            let yaml = shown(&stored).unwrap();
            assert!(
                yaml.starts_with("# Revision 2, applied 1970-01-01T00:00:00Z. Comments")
                    && yaml.contains("\nid: "),
                "{yaml}"
            );
            let file = exported.path().join("exported.yaml");
            std::fs::write(&file, &yaml).unwrap();
            let again = read(&[file]).unwrap();
            assert_eq!(again[0].definition, stored.workflow, "{yaml}");
        }
    }

    /// The first task's input when this sample workflow handles this event.
    fn first_input(sample: &str, event: &CloudEvent) -> Value {
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

    /// A definition that says nothing that would hold anyway.
    fn definition_with(extra: &Value) -> Value {
        let mut document = json!({
            "id": "w", "name": "W", "trigger": {"event": {"type": "a"}},
            "tasks": [{"id": "t", "kind": "zendesk.create_ticket", "account": "zd", "input": {"comment": "x"}}]
        });
        for (name, value) in extra.as_object().unwrap() {
            document[name] = value.clone();
        }
        document
    }

    #[test]
    fn what_is_exported_is_what_was_applied() {
        let texts = "first\n\n  indented\nlast\n";
        let cases = [
            json!({"enabled": false, "owner": "Ünal \"Care\"", "description": texts, "timezone": "Europe/Paris"}),
            json!({"name": "yes", "owner": "no", "labels": {"a": "1", "b": "on", "c": "0049", "d": "", "e": "x: y #z"}}),
            json!({"trigger": {"event": {"type": ["a", "b"], "subject": "007"}}}),
            json!({"trigger": {"survey_response": {"survey": "SV_1", "on": ["completed", "partial"], "include": ["previews", "spam"]}}}),
            json!({"trigger": {"survey_response": {}}}),
            json!({"trigger": {"dataset_record": {"dataset": "reviews", "on": ["updated"], "within_days": 0}}}),
            json!({"trigger": {"json_event": {"endpoint": "shop", "subject": ["s", "t"]}}}),
            json!({"trigger": {"servicenow_event": {"table": "incident", "on": ["updated"]}}}),
            json!({"trigger": {"zendesk_event": {"event": ["ticket.created", "trigger"]}}}),
            json!({"trigger": {"run_failed": {"workflow": "other"}}}),
            json!({"trigger": {"schedule": {"cron": "0 9 ? * MON-FRI *", "timezone": "Europe/Berlin", "input": {"a": ["yes", 1, null]}}}}),
            json!({"trigger": {"schedule": {"rate": "6 hours", "start": "2027-01-01T00:00:00Z"}}}),
            json!({"trigger": {"schedule": {"at": "2027-01-01T09:00:00"}}}),
            json!({"when": {"any": [
                {"field": "data.a", "in": ["yes", "1", 1, true]},
                {"none": [{"field": "data.b", "equals": "no"}, {"field": "data.c", "matches": "^\\d+$"}]},
                {"all": [{"field": "data.d", "between": [1, 2.5]}, {"field": "data.e", "is_empty": false}]},
                {"field": "time", "within_last": "2 days"},
            ]}}),
            json!({"tasks": [
                {"id": "a", "kind": "servicenow.create_record", "account": "sn", "input": {
                    "table": "incident", "short_description": "- {{ event.data.x }}: 'quoted' \"twice\"", "description": texts,
                    "fields": {"u_flag": "no", "u_zip": "01067", "u_count": 3, "u_none": null, "u_list": ["on", "1"]}}},
                {"id": "b", "kind": "zendesk.create_ticket", "account": "zd", "needs": ["a"], "input": {
                    "comment": "{{ tasks.a.output.number }}\r\n\u{2028}🙂", "tags": ["yes", "7"], "public": false}},
            ]}),
        ];
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("exported.yaml");
        for case in cases {
            let document = definition_with(&case);
            let workflow = definition::workflow(&document).unwrap();
            // What is stored says what was written: nothing is lost, nothing is added.
            assert_eq!(json!(workflow), document);
            let stored = WorkflowRevision {
                workflow,
                revision: 1,
                applied_at: Timestamp::UNIX_EPOCH,
            };
            let yaml = shown(&stored).unwrap();
            std::fs::write(&file, &yaml).unwrap();
            let again = read(std::slice::from_ref(&file)).unwrap();
            assert_eq!(again[0].definition, stored.workflow, "{yaml}");
        }
    }

    /// What the command prints when the API answers so, and what it asked.
    async fn run(command: Command, steps: Vec<Step>) -> (Result<String, Error>, Vec<String>) {
        let server = Server::start(steps).await.unwrap();
        let target = Target::Api {
            url: server.url(),
            token: "clt_x".into(),
        };
        let mut written = Vec::new();
        let ended = command
            .run(&target, &mut Output::new(&mut written, false))
            .await;
        let asked = server
            .received()
            .iter()
            .map(|request| {
                format!(
                    "{} {} {}",
                    request.method,
                    request.target,
                    String::from_utf8_lossy(&request.body)
                )
            })
            .collect();
        let printed = ended.map(|_| String::from_utf8(written).unwrap());
        (printed, asked)
    }

    fn answer(revision: u32, name: &str, enabled: bool) -> Value {
        json!({
            "workflow": definition_with(&json!({"name": name, "enabled": enabled})), "revision": revision,
            "applied_at": "2026-11-21T12:00:00Z",
        })
    }

    fn id() -> WorkflowId {
        WorkflowId::parse("w").unwrap()
    }

    #[tokio::test]
    async fn newest_revision_is_compared_with_the_one_before() {
        let entry = |revision: u32| json!({"revision": revision, "applied_at": "2026-11-21T12:00:00Z", "name": "W", "enabled": true});
        let command = || Command::Diff {
            id: id(),
            from: None,
            to: None,
        };
        let (printed, asked) = run(
            command(),
            vec![
                Step::json(200, json!({"items": [entry(5), entry(4), entry(1)]})),
                Step::json(200, answer(4, "Before", true)),
                Step::json(200, answer(5, "After", true)),
            ],
        )
        .await;
        let printed = printed.unwrap();
        assert!(
            printed.starts_with("--- w revision 4, applied 2026-11-21T12:00:00Z\n+++ w revision 5")
                && printed.contains("\n-name: Before\n+name: After\n"),
            "{printed}"
        );
        assert_eq!(
            asked,
            [
                "GET /v1/workflows/w/revisions ",
                "GET /v1/workflows/w?revision=4 ",
                "GET /v1/workflows/w?revision=5 "
            ]
        );
        let (printed, _) = run(
            command(),
            vec![Step::json(200, json!({"items": [entry(1)]}))],
        )
        .await;
        let error = printed.unwrap_err().to_string();
        assert!(error.contains("one revision only, 1"), "{error}");
    }

    #[tokio::test]
    async fn rollback_and_switches_tell_the_revision_that_counts_now() {
        let applied = |stored: Value| json!({"done": "updated", "stored": stored, "warnings": [{"path": "tasks[0]", "warning": "look"}]});
        let (printed, asked) = run(
            Command::Rollback {
                id: id(),
                revision: 2,
            },
            vec![Step::json(200, applied(answer(5, "W", false)))],
        )
        .await;
        assert_eq!(
            printed.unwrap(),
            "updated   w (revision 5, off, as at revision 2)\n  warning: tasks[0]: look\n"
        );
        assert_eq!(asked, ["POST /v1/workflows/w/rollback {\"revision\":2}"]);
        let (printed, asked) = run(
            Command::Enable { id: id() },
            vec![Step::json(
                200,
                json!({"done": "unchanged", "stored": answer(5, "W", true)}),
            )],
        )
        .await;
        assert_eq!(printed.unwrap(), "unchanged w (revision 5, on)\n");
        assert_eq!(asked, ["PATCH /v1/workflows/w {\"enabled\":true}"]);
    }

    #[tokio::test]
    async fn all_workflows_are_exported_each_into_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let inside = folder.path().join("new");
        let (printed, asked) = run(
            Command::Export {
                id: None,
                revision: None,
                all: Some(inside.clone()),
            },
            vec![Step::json(200, json!({"items": [answer(3, "W", true)]}))],
        )
        .await;
        assert!(printed.unwrap().starts_with("exported  w (revision 3) to "));
        assert_eq!(asked, ["GET /v1/workflows "]);
        let again = read(&[inside]).unwrap();
        assert_eq!(
            json!(again[0].definition),
            json!(definition::workflow(&definition_with(&json!({"name": "W"}))).unwrap())
        );
    }

    #[tokio::test]
    async fn only_the_workflows_that_are_asked_for_are_listed() {
        let wanted = Wanted {
            owner: Some("Customer Care".to_owned()),
            label: vec!["team=a b".parse().unwrap(), "tier=1".parse().unwrap()],
            enabled: false,
            disabled: true,
        };
        let (printed, asked) = run(
            Command::List { wanted },
            vec![Step::json(200, json!({"items": []}))],
        )
        .await;
        assert!(printed.unwrap().contains("no such workflow"));
        assert_eq!(
            asked,
            [
                "GET /v1/workflows?enabled=false&label=team%3Da+b&label=tier%3D1&owner=Customer+Care "
            ]
        );
    }

    #[tokio::test]
    async fn validation_warns_of_loops_and_finds_outputs_that_there_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("w.yaml");
        let command = || Command::Validate {
            files: vec![file.clone()],
            deployed: false,
        };
        let target = Target::Aws {
            stack: "no-stack".to_owned(),
        };
        let looping =
            definition_with(&json!({"trigger": {"zendesk_event": {"event": "ticket.created"}}}));
        std::fs::write(&file, looping.to_string()).unwrap();
        let mut written = Vec::new();
        let ended = command()
            .run(&target, &mut Output::new(&mut written, false))
            .await;
        assert_eq!(ended.unwrap(), Ending::Good);
        let printed = String::from_utf8(written).unwrap();
        assert!(
            printed
                .contains("`w` is valid\n  warning: tasks[0]: what `zendesk.create_ticket` does"),
            "{printed}"
        );

        let wrong = definition_with(&json!({"tasks": [
            {"id": "a", "kind": "zendesk.create_ticket", "account": "zd", "input": {"comment": "x"}},
            {"id": "b", "kind": "zendesk.create_ticket", "account": "zd", "needs": ["a"],
             "input": {"comment": "{{ tasks.a.output.sys_id }}"}},
        ]}));
        std::fs::write(&file, wrong.to_string()).unwrap();
        let error = command()
            .run(&target, &mut Output::new(&mut Vec::new(), false))
            .await
            .unwrap_err()
            .to_string();
        for words in ["tasks[1].input.comment", "sys_id"] {
            assert!(error.contains(words), "{error}");
        }
    }
}
