use std::sync::Arc;

use domain::{Run, RunId};
use http::Method;
use management::{Listing, Retried, RunDetail, RunFilter};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::Deps;
use crate::problem::Problem;
use crate::route::{Call, Found, Nothing, OPERATOR, Route};

/// Names a run.
#[derive(Debug, Deserialize, JsonSchema)]
struct Named {
    /// The run.
    id: RunId,
}

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::GET, "/v1/runs", OPERATOR, "listRuns", list).says(
            "List runs",
            "The newest, newest first; at most `limit` of them. Without `workflow` and `day` those of the last \
             seven days.",
        ),
        Route::new(Method::GET, "/v1/runs/{id}", OPERATOR, "getRun", get).says(
            "Read a run",
            "With its tasks, each with its attempts.",
        ),
        Route::new(
            Method::POST,
            "/v1/runs/{id}/retry",
            OPERATOR,
            "retryRun",
            retry,
        )
        .says(
            "Try a run again",
            "Opens its failed tasks again; in a run that goes on, what is due is requested once more. Safe to \
             repeat. When there is nothing to try again, or it would fail at once, the answer is 409.",
        ),
    ]
}

async fn list(
    deps: Arc<Deps>,
    call: Call<Nothing, RunFilter, ()>,
) -> Result<Found<Listing<Run>>, Problem> {
    let runs = deps.management.runs(&call.query, call.moment.now).await?;
    Ok(Found(runs))
}

async fn get(deps: Arc<Deps>, call: Call<Named, Nothing, ()>) -> Result<Found<RunDetail>, Problem> {
    Ok(Found(deps.management.run(&call.path.id).await?))
}

async fn retry(deps: Arc<Deps>, call: Call<Named, Nothing, ()>) -> Result<Found<Retried>, Problem> {
    let retried = deps
        .management
        .retry_run(&call.path.id, call.moment.now)
        .await?;
    Ok(Found(retried))
}
