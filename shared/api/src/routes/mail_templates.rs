use std::sync::Arc;

use domain::{MailTemplate, TemplateName};
use http::Method;
use management::{AppliedMailTemplate, Done, Listing, TeamViewerManagement, read_mail_template};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use crate::problem::Problem;
use crate::route::{ADMIN, Call, Document, Found, Gone, ITIL, Nothing, Put, Route, Side};

type Deps = crate::Deps<TeamViewerManagement>;

/// Names a template.
#[derive(Debug, Deserialize, JsonSchema)]
struct Named {
    /// The template.
    name: TemplateName,
}

const ONE: &str = "/v1/mail-templates/{name}";

pub(super) fn routes<T: Side<Part = TeamViewerManagement>>() -> Vec<Route<T>> {
    vec![
        Route::new(
            Method::GET,
            "/v1/mail-templates",
            ITIL,
            "listMailTemplates",
            list,
        )
        .says(
            "List the mail templates",
            "All of them, by name; not paged.",
        ),
        Route::new(Method::GET, ONE, ITIL, "getMailTemplate", get)
            .says("Read a mail template", "As it was put."),
        Route::new(Method::PUT, ONE, ADMIN, "putMailTemplate", put)
            .says(
                "Create or replace a mail template",
                "The `name` in the body must be the one in the path. Where it does not begin with `TV_`, `warnings` says so.",
            )
            .example(|| json!({
                "name": "TV_ShareSession", "subject": "Your session code for ${number}",
                "text": "Hello ${caller_id.name}, your code is ${teamviewer.code}: ${teamviewer.link}"
            })),
        Route::new(Method::DELETE, ONE, ADMIN, "deleteMailTemplate", delete).says(
            "Delete a mail template",
            "Mails that were sent with it are not touched.",
        ),
    ]
}

async fn list(
    deps: Arc<Deps>,
    _: Call<Nothing, Nothing, ()>,
) -> Result<Found<Listing<MailTemplate>>, Problem> {
    Ok(Found(deps.management.mail_templates().await?))
}

async fn get(
    deps: Arc<Deps>,
    call: Call<Named, Nothing, ()>,
) -> Result<Found<MailTemplate>, Problem> {
    Ok(Found(deps.management.mail_template(&call.path.name).await?))
}

async fn put(
    deps: Arc<Deps>,
    call: Call<Named, Nothing, Document<MailTemplate>>,
) -> Result<Put<AppliedMailTemplate>, Problem> {
    let template = read_mail_template(&call.path.name, &call.body.value)?;
    let applied = deps.management.put_mail_template(&template).await?;
    Ok(Put {
        created: applied.done == Done::Created,
        value: applied,
    })
}

async fn delete(deps: Arc<Deps>, call: Call<Named, Nothing, ()>) -> Result<Gone, Problem> {
    deps.management
        .delete_mail_template(&call.path.name)
        .await?;
    Ok(Gone)
}
