use std::path::PathBuf;

use clap::Subcommand;
use domain::{MailTemplate, TemplateName, definition};

use super::{Ending, applied_line};
use crate::definition_files::{Located, load, to_yaml};
use crate::error::Error;
use crate::output::Output;
use crate::stack::{Stack, Target};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the templates
    List,
    /// Print a template, as it can be applied
    Show {
        /// The template
        name: TemplateName,
    },
    /// Make templates count: all of those given, or none when one has a problem
    Apply {
        /// Files with templates in YAML or JSON, or folders of them
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Remove a template
    Delete {
        /// The template
        name: TemplateName,
    },
}

impl Command {
    pub(crate) async fn run(
        &self,
        target: &Target,
        output: &mut Output<'_>,
    ) -> Result<Ending, Error> {
        match self {
            Self::List => {
                let templates = target.open().await?.mail_templates().await?.items;
                list(&templates, output)?;
            }
            Self::Show { name } => {
                let template = target.open().await?.mail_template(name).await?;
                if output.wants_json() {
                    output.json(&template)?;
                } else {
                    output.text(to_yaml(&template)?.trim_end())?;
                }
            }
            Self::Apply { files } => {
                let templates = load(files, definition::mail_template, |template| {
                    template.name.to_string()
                })?;
                apply(&target.open().await?, &templates, output).await?;
            }
            Self::Delete { name } => {
                target.open().await?.delete_mail_template(name).await?;
                output.text(applied_line("deleted", name.as_str(), ""))?;
            }
        }
        Ok(Ending::Good)
    }
}

fn list(templates: &[MailTemplate], output: &mut Output<'_>) -> Result<(), Error> {
    if output.wants_json() {
        return output.json(&templates);
    }
    if templates.is_empty() {
        return output
            .text("There is no mail template yet: apply one with `mail-templates apply`.");
    }
    let rows: Vec<Vec<String>> = templates
        .iter()
        .map(|template| {
            let description = template.description.clone();
            vec![
                template.name.to_string(),
                template.subject.clone(),
                description.unwrap_or_default().replace('\n', " "),
            ]
        })
        .collect();
    output.table(&rows)
}

async fn apply(
    stack: &Stack,
    templates: &[Located<MailTemplate>],
    output: &mut Output<'_>,
) -> Result<(), Error> {
    for Located { definition, .. } in templates {
        let applied = stack.put_mail_template(definition).await?;
        let name = definition.name.as_str();
        output.text(applied_line(applied.done.as_str(), name, ""))?;
        for warning in applied.warnings {
            output.text(format_args!("warning: {warning}"))?;
        }
    }
    Ok(())
}
