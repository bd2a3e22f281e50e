//! From a document to a checked definition, or to the list of what is wrong with it.

use std::fmt;

use schemars::Schema;
use schemars::generate::SchemaSettings;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::endpoint::Endpoint;
use crate::mail_template::MailTemplate;
use crate::teamviewer::Settings;
use crate::workflow::Workflow;

/// What is wrong in one place of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The place, such as `tasks[1].input.urgency`; empty for the document itself.
    pub path: String,
    /// What was found and what was expected.
    pub problem: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            f.write_str(&self.problem)
        } else {
            write!(f, "{}: {}", self.path, self.problem)
        }
    }
}

/// Reads a workflow from a parsed document.
///
/// # Errors
/// Every problem that can be told; a document of the wrong shape gives the first one only.
pub fn workflow(document: &Value) -> Result<Workflow, Vec<Problem>> {
    checked(document, Workflow::problems)
}

/// Reads an endpoint from a parsed document.
///
/// # Errors
/// Every problem that can be told; a document of the wrong shape gives the first one only.
pub fn endpoint(document: &Value) -> Result<Endpoint, Vec<Problem>> {
    checked(document, Endpoint::problems)
}

/// Reads a mail template from a parsed document.
///
/// # Errors
/// Every problem that can be told; a document of the wrong shape gives the first one only.
pub fn mail_template(document: &Value) -> Result<MailTemplate, Vec<Problem>> {
    checked(document, MailTemplate::problems)
}

/// Reads what is set for TeamViewer from a parsed document.
///
/// # Errors
/// Every problem that can be told; a document of the wrong shape gives the first one only.
pub fn teamviewer_settings(document: &Value) -> Result<Settings, Vec<Problem>> {
    checked(document, Settings::problems)
}

/// The JSON Schema of workflow definitions.
pub fn workflow_schema() -> Schema {
    SchemaSettings::draft07()
        .into_generator()
        .into_root_schema_for::<Workflow>()
}

/// The JSON Schema of endpoint definitions.
pub fn endpoint_schema() -> Schema {
    SchemaSettings::draft07()
        .into_generator()
        .into_root_schema_for::<Endpoint>()
}

/// The JSON Schema of mail templates.
pub fn mail_template_schema() -> Schema {
    SchemaSettings::draft07()
        .into_generator()
        .into_root_schema_for::<MailTemplate>()
}

/// The JSON Schema of what is set for TeamViewer.
pub fn teamviewer_settings_schema() -> Schema {
    SchemaSettings::draft07()
        .into_generator()
        .into_root_schema_for::<Settings>()
}

fn checked<T: DeserializeOwned>(
    document: &Value,
    problems: impl Fn(&T) -> Vec<(String, String)>,
) -> Result<T, Vec<Problem>> {
    let definition: T = serde_path_to_error::deserialize(document).map_err(|error| {
        let path = error.path().to_string();
        vec![Problem {
            path: if path == "." { String::new() } else { path },
            problem: error.into_inner().to_string(),
        }]
    })?;
    let problems = problems(&definition);
    if problems.is_empty() {
        return Ok(definition);
    }
    Err(problems
        .into_iter()
        .map(|(path, problem)| Problem { path, problem })
        .collect())
}
