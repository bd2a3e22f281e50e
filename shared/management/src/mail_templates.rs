//! The texts with which session codes are shared.

use domain::definition;
use domain::id::TemplateName;
use domain::mail_template::MailTemplate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::Error;
use crate::problem::FieldWarning;
use crate::{Done, Listing, TeamViewerManagement};

/// What putting a template did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AppliedMailTemplate {
    /// What was done.
    pub done: Done,
    /// The template.
    pub template: MailTemplate,
    /// What is worth a second look.
    pub warnings: Vec<FieldWarning>,
}

/// Reads the template of this name.
///
/// # Errors
/// `Invalid` with every problem, also when the document names another template.
pub fn read_mail_template(name: &TemplateName, document: &Value) -> Result<MailTemplate, Error> {
    let template = definition::mail_template(document)
        .map_err(|problems| Error::Invalid(problems.into_iter().map(Into::into).collect()))?;
    if template.name == *name {
        Ok(template)
    } else {
        let found = &template.name;
        Err(Error::field(
            "name",
            format!("found `{found}`, expected `{name}`"),
        ))
    }
}

impl TeamViewerManagement {
    /// Every template, by name.
    ///
    /// # Errors
    /// `Unavailable`; `Internal` when a row cannot be read.
    pub async fn mail_templates(&self) -> Result<Listing<MailTemplate>, Error> {
        let items = self.template_rows.list().await?;
        Ok(Listing { items })
    }

    /// One template.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`; `Internal` when its row cannot be read.
    pub async fn mail_template(&self, name: &TemplateName) -> Result<MailTemplate, Error> {
        let found = self.template_rows.get(name).await?;
        found.ok_or_else(|| Error::UnknownTemplate(name.clone()))
    }

    /// Creates or replaces a template.
    ///
    /// # Errors
    /// `Unavailable`; `Internal` when its row cannot be read.
    pub async fn put_mail_template(
        &self,
        template: &MailTemplate,
    ) -> Result<AppliedMailTemplate, Error> {
        let done = match self.template_rows.get(&template.name).await? {
            Some(before) if before == *template => Done::Unchanged,
            Some(_) => Done::Updated,
            None => Done::Created,
        };
        if done != Done::Unchanged {
            self.template_rows.put(template).await?;
        }
        let warnings = template.warnings().into_iter();
        Ok(AppliedMailTemplate {
            done,
            warnings: warnings
                .map(|warning| FieldWarning {
                    path: "name".to_owned(),
                    warning,
                })
                .collect(),
            template: template.clone(),
        })
    }

    /// Removes a template.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`.
    pub async fn delete_mail_template(&self, name: &TemplateName) -> Result<(), Error> {
        if self.template_rows.delete(name).await? {
            Ok(())
        } else {
            Err(Error::UnknownTemplate(name.clone()))
        }
    }
}
