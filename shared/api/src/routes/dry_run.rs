use std::sync::Arc;

use domain::message::tells_of_session;
use http::Method;
use management::{DryRun, DryRunRequest, WorkflowManagement};
use serde_json::json;

use crate::problem::Problem;
use crate::route::{Call, Found, Json, Nothing, OPERATOR, Route, Side};

type Deps = crate::Deps<WorkflowManagement>;

pub(super) fn routes<T: Side<Part = WorkflowManagement>>() -> Vec<Route<T>> {
    vec![
        Route::new(Method::POST, "/v1/dry-run", OPERATOR, "dryRun", dry_run)
            .says(
                "See what a workflow would do with an event",
                "Which comparisons hold, with the values seen, and what each task would send, whether or not the \
                 workflow would start. Nobody is called and nothing is stored. The workflow is one of the stack or \
                 a definition, the event one that was received or a document. One that was received and is of the types \
                 `teamviewer.*` needs the role `admin`.",
            )
            .also_answers(&[404])
            .example(|| json!({
                "workflow_id": "review-follow-up",
                "event": {"type": "review.created", "data": {"rating": 1, "text": "Nobody answers."}}
            })),
    ]
}

async fn dry_run(
    deps: Arc<Deps>,
    call: Call<Nothing, Nothing, Json<DryRunRequest>>,
) -> Result<Found<DryRun>, Problem> {
    let now = call.moment.now;
    let planned = deps.management.dry_run(&call.body.0, now).await?;
    let is_received = call.body.0.event_key.is_some();
    if is_received && tells_of_session(&planned.event.kind) && !call.sees_sessions() {
        return Err(Problem::forbidden_session());
    }
    Ok(Found(planned))
}
