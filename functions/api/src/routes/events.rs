use std::sync::Arc;

use domain::EventKey;
use http::Method;
use management::{EventDetail, EventQuery};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::Deps;
use crate::problem::Problem;
use crate::route::{Call, Found, OPERATOR, Route};

/// Names an event.
#[derive(Debug, Deserialize, JsonSchema)]
struct Named {
    /// The event.
    key: EventKey,
}

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::GET, "/v1/events/{key}", OPERATOR, "getEvent", get).says(
            "Read an event",
            "With what was decided about it. With `workflow` it also explains why that workflow has no decision.",
        ),
    ]
}

async fn get(
    deps: Arc<Deps>,
    call: Call<Named, EventQuery, ()>,
) -> Result<Found<EventDetail>, Problem> {
    let event = deps
        .management
        .event(&call.path.key, call.query.workflow.as_ref())
        .await?;
    Ok(Found(event))
}
