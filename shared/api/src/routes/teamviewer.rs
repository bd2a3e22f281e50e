use std::sync::Arc;

use domain::teamviewer::Settings;
use http::Method;
use management::{
    AppliedTeamViewerSettings, Done, SignIn, SignedIn, TeamViewerManagement,
    TeamViewerSettingsDetail, read_teamviewer_settings,
};
use serde_json::json;

use crate::problem::Problem;
use crate::route::{ADMIN, Call, Document, Found, Gone, ITIL, Nothing, OPERATOR, Put, Route, Side};

type Deps = crate::Deps<TeamViewerManagement>;

const SETTINGS: &str = "/v1/teamviewer/settings";
const SIGN_IN: &str = "/v1/teamviewer/sign-in";

pub(super) fn routes<T: Side<Part = TeamViewerManagement>>() -> Vec<Route<T>> {
    vec![
        Route::new(
            Method::GET,
            SETTINGS,
            OPERATOR,
            "getTeamViewerSettings",
            settings,
        )
        .says(
            "Read what is set for TeamViewer",
            "Without `history` no connections are kept, without `cases` there are no service cases.",
        ),
        Route::new(
            Method::PUT,
            SETTINGS,
            ADMIN,
            "putTeamViewerSettings",
            put_settings,
        )
        .says(
            "Set something for TeamViewer",
            "Replaces all that was set; it counts within a minute. The accounts must be there. When the interval changes, the \
             connections of the interval before are fetched at once, and `warnings` says so.",
        )
        .example(|| json!({
            "history": {"account": "support", "every_hours": 6},
            "cases": {"account": "support", "group": "g1234567", "columns": ["code", "online", "task_number"]}
        })),
        Route::new(
            Method::GET,
            SIGN_IN,
            ITIL,
            "getTeamViewerSignIn",
            signed_in,
        )
        .says(
            "Tell whether the caller is signed in at TeamViewer",
            "With the account of their own. `sign_in_again`: TeamViewer no longer takes what they had agreed to.",
        ),
        Route::new(Method::POST, SIGN_IN, ITIL, "signInAtTeamViewer", sign_in).says(
            "Begin to sign in at TeamViewer",
            "The caller opens the URL of the answer in a browser and agrees there; service cases that waited for it are made \
             then. While nothing is set for it, the answer is 409.",
        )
        .also_answers(&[404]),
        Route::new(
            Method::DELETE,
            SIGN_IN,
            ITIL,
            "signOutAtTeamViewer",
            sign_out,
        )
        .says(
            "Sign out at TeamViewer",
            "Deletes the caller's own account, and asks TeamViewer to end what they had agreed to.",
        ),
    ]
}

async fn settings(
    deps: Arc<Deps>,
    _: Call<Nothing, Nothing, ()>,
) -> Result<Found<TeamViewerSettingsDetail>, Problem> {
    Ok(Found(deps.management.teamviewer_settings().await?))
}

async fn put_settings(
    deps: Arc<Deps>,
    call: Call<Nothing, Nothing, Document<Settings>>,
) -> Result<Put<AppliedTeamViewerSettings>, Problem> {
    let settings = read_teamviewer_settings(&call.body.value)?;
    let applied = deps
        .management
        .put_teamviewer_settings(&settings, &call.caller_name(), call.moment.now)
        .await?;
    Ok(Put {
        created: applied.done == Done::Created,
        value: applied,
    })
}

async fn signed_in(
    deps: Arc<Deps>,
    call: Call<Nothing, Nothing, ()>,
) -> Result<Found<SignedIn>, Problem> {
    Ok(Found(deps.management.signed_in(&call.person()?).await?))
}

async fn sign_in(
    deps: Arc<Deps>,
    call: Call<Nothing, Nothing, ()>,
) -> Result<Found<SignIn>, Problem> {
    let person = call.person()?;
    Ok(Found(
        deps.management.sign_in(&person, call.moment.now).await?,
    ))
}

async fn sign_out(deps: Arc<Deps>, call: Call<Nothing, Nothing, ()>) -> Result<Gone, Problem> {
    let person = call.person()?;
    deps.management.sign_out(&person, call.moment.now).await?;
    Ok(Gone)
}
