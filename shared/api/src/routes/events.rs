use std::sync::Arc;

use domain::EventKey;
use domain::message::tells_of_session;
use http::Method;
use management::{
    Answers, EventDetail, EventEntry, EventFilter, EventQuery, Page, ReplayEvent, ReplayEvents,
    ReplayedEvent, ReplayedPage, WorkflowManagement,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use crate::problem::Problem;
use crate::route::{Call, Found, Json, Nothing, OPERATOR, Route, Side};

type Deps = crate::Deps<WorkflowManagement>;

/// Names an event.
#[derive(Debug, Deserialize, JsonSchema)]
struct Named {
    /// The event.
    key: EventKey,
}

pub(super) fn routes<T: Side<Part = WorkflowManagement>>() -> Vec<Route<T>> {
    vec![
        Route::new(Method::GET, "/v1/events", OPERATOR, "listEvents", list).says(
            "List events",
            "The newest, newest first; at most `limit` of them, without what their senders said. Without `since` those of \
             the last seven days. With `next` as `cursor` and the same filter the answer goes on. Without the role `admin` \
             those of the types `teamviewer.*` have no subject and are found by none.",
        ),
        Route::new(Method::GET, "/v1/events/{key}", OPERATOR, "getEvent", get).says(
            "Read an event",
            "With what was decided about it, and every run. With `workflow` it also explains why that workflow ran for it \
             or did not, by the revision that counted then. One of the types `teamviewer.*` needs the role `admin`.",
        ),
        Route::new(
            Method::POST,
            "/v1/events/{key}/replay",
            OPERATOR,
            "replayEvent",
            replay,
        )
        .says(
            "Replay an event to a workflow",
            "The workflow handles the event by its definition of now: for the first time when it has no run for it, else \
             once more, with the earlier run's keys at the vendor unless `new_keys` is set. Where nothing runs, `outcome` \
             says why. Asking again under one `replay_id` does it once. When the workflow is off, or an earlier run that \
             has the same keys goes on, the answer is 409.",
        )
        .example(|| json!({"workflow": "review-follow-up", "replay_id": "after-the-outage"})),
        Route::new(
            Method::POST,
            "/v1/events/replay",
            OPERATOR,
            "replayEvents",
            replay_all,
        )
        .says(
            "Replay the events of a period to a workflow",
            "The oldest first, some at a time: ask again with `next` as `cursor` until there is none. Safe to repeat and \
             to break off: under one `replay_id` each event is handled once.",
        )
        .example(|| json!({
            "since": "2026-11-21T00:00:00Z", "until": "2026-11-22T00:00:00Z", "workflow": "review-follow-up",
            "replay_id": "after-the-outage", "missing": true
        }))
        // There may be no such workflow.
        .also_answers(&[404]),
        Route::new(
            Method::POST,
            "/v1/events/{key}/fetch",
            OPERATOR,
            "fetchAnswers",
            fetch,
        )
        .says(
            "Fetch the answers of a survey response once more",
            "For an event of the type `qualtrics.response.notified` whose answers could not be had, once that is mended. The \
             answer names the event that brings them, and what was known of them before. Safe to repeat. When the event is \
             of another type, the answer is 409.",
        ),
    ]
}

async fn list(
    deps: Arc<Deps>,
    call: Call<Nothing, EventFilter, ()>,
) -> Result<Found<Page<EventEntry>>, Problem> {
    let mut events = deps.management.events(&call.query, call.moment.now).await?;
    if !call.sees_sessions() {
        // Who finds one by its subject knows it.
        let is_shown =
            |event: &EventEntry| call.query.subject.is_none() || !tells_of_session(&event.kind);
        events.items.retain(is_shown);
        for event in &mut events.items {
            if tells_of_session(&event.kind) {
                event.subject = None;
            }
        }
    }
    Ok(Found(events))
}

async fn replay(
    deps: Arc<Deps>,
    call: Call<Named, Nothing, Json<ReplayEvent>>,
) -> Result<Found<ReplayedEvent>, Problem> {
    let Json(request) = call.body;
    let replayed = deps
        .management
        .replay_event(&call.path.key, &request, call.moment.now)
        .await?;
    Ok(Found(replayed))
}

async fn replay_all(
    deps: Arc<Deps>,
    call: Call<Nothing, Nothing, Json<ReplayEvents>>,
) -> Result<Found<ReplayedPage>, Problem> {
    let Json(request) = call.body;
    let replayed = deps
        .management
        .replay_events(&request, call.moment.now)
        .await?;
    Ok(Found(replayed))
}

async fn fetch(deps: Arc<Deps>, call: Call<Named, Nothing, ()>) -> Result<Found<Answers>, Problem> {
    let answers = deps
        .management
        .fetch_answers(&call.path.key, call.moment.now)
        .await?;
    Ok(Found(answers))
}

async fn get(
    deps: Arc<Deps>,
    call: Call<Named, EventQuery, ()>,
) -> Result<Found<EventDetail>, Problem> {
    let event = deps
        .management
        .event(
            &call.path.key,
            call.query.workflow.as_ref(),
            call.moment.now,
        )
        .await?;
    if tells_of_session(&event.event.kind) && !call.sees_sessions() {
        return Err(Problem::forbidden_session());
    }
    Ok(Found(event))
}
