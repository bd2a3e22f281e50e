use std::sync::Arc;

use domain::{Run, RunId};
use http::Method;
use management::{
    Page, Retried, RetriedPage, RetryFailed, RetryQuery, RunDetail, RunFilter, WorkflowManagement,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use crate::problem::Problem;
use crate::route::{Call, Found, Json, Nothing, OPERATOR, Route, Side};

type Deps = crate::Deps<WorkflowManagement>;

/// Names a run.
#[derive(Debug, Deserialize, JsonSchema)]
struct Named {
    /// The run.
    id: RunId,
}

pub(super) fn routes<T: Side<Part = WorkflowManagement>>() -> Vec<Route<T>> {
    vec![
        Route::new(Method::GET, "/v1/runs", OPERATOR, "listRuns", list).says(
            "List runs",
            "The newest, newest first; at most `limit` of them. Without `workflow`, `day` and `since` those of the last \
             seven days. With `next` as `cursor` and the same filter the answer goes on. Without the role `admin` those that \
             events of the types `teamviewer.*` have begun have neither the event's subject nor values seen.",
        ),
        Route::new(
            Method::POST,
            "/v1/runs/retry",
            OPERATOR,
            "retryFailedRuns",
            retry_failed,
        )
        .says(
            "Try the failed runs of a period again",
            "The oldest first, some at a time: ask again with `next` as `cursor` until there is none. Safe to repeat and \
             to break off. With `dry_run` nothing is changed, and `retried` has those that could be tried again.",
        )
        .example(|| json!({"since": "2026-11-21T00:00:00Z", "until": "2026-11-22T00:00:00Z", "dry_run": true})),
        Route::new(Method::GET, "/v1/runs/{id}", OPERATOR, "getRun", get).says(
            "Read a run",
            "With its tasks, each with its attempts. Without the role `admin` one that an event of the types `teamviewer.*` \
             has begun is told by its states and times: without the event's subject, values seen, inputs, outputs, links and \
             texts, and of its calls without path and body.",
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
            "Opens its failed tasks again, or only `task` with what was skipped for its sake; in a run that goes on, what is \
             due is requested once more. Safe to repeat. When there is nothing to try again, it would fail at once, or \
             another run that has the same keys at the vendor goes on, the answer is 409.",
        ),
    ]
}

async fn list(
    deps: Arc<Deps>,
    call: Call<Nothing, RunFilter, ()>,
) -> Result<Found<Page<Run>>, Problem> {
    let mut runs = deps.management.runs(&call.query, call.moment.now).await?;
    if !call.sees_sessions() {
        runs.items.iter_mut().for_each(Run::hide_session);
    }
    Ok(Found(runs))
}

async fn get(deps: Arc<Deps>, call: Call<Named, Nothing, ()>) -> Result<Found<RunDetail>, Problem> {
    let mut run = deps.management.run(&call.path.id).await?;
    if !call.sees_sessions() {
        run.hide_session();
    }
    Ok(Found(run))
}

async fn retry(
    deps: Arc<Deps>,
    call: Call<Named, RetryQuery, ()>,
) -> Result<Found<Retried>, Problem> {
    let task = call.query.task.as_ref();
    let retried = deps
        .management
        .retry_run(&call.path.id, task, call.moment.now)
        .await?;
    Ok(Found(retried))
}

async fn retry_failed(
    deps: Arc<Deps>,
    call: Call<Nothing, Nothing, Json<RetryFailed>>,
) -> Result<Found<RetriedPage>, Problem> {
    let Json(request) = call.body;
    let retried = deps
        .management
        .retry_failed(&request, call.moment.now)
        .await?;
    Ok(Found(retried))
}
