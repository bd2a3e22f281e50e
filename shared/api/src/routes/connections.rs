use std::sync::Arc;

use http::Method;
use http::header::ACCEPT;
use management::{
    ConnectionFilter, ConnectionPage, ConnectionTotals, HistoryStatus, ListFormat,
    RefreshConnections, RefreshedTask, ServiceNowTask, TaskConnectionFilter, TaskConnections,
    TaskFilter, TeamViewerManagement, TotalsFilter, connections_csv,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use crate::problem::Problem;
use crate::route::{
    Accepted, Call, Found, HISTORY_STATE, ITIL, Json, JsonOrCsv, Nothing, Route,
    SESSION_HISTORY_USER, Side, TASK_HISTORY,
};

type Deps = crate::Deps<TeamViewerManagement>;

/// Names a ServiceNow task.
#[derive(Debug, Deserialize, JsonSchema)]
struct OfTask {
    /// The task.
    task: ServiceNowTask,
}

const OF_TASK: &str = "/v1/tasks/{task}/connections";

pub(super) fn routes<T: Side<Part = TeamViewerManagement>>() -> Vec<Route<T>> {
    vec![
        Route::new(
            Method::GET,
            "/v1/connections",
            SESSION_HISTORY_USER,
            "listConnections",
            list,
        )
        .says(
            "List connections",
            "Those of the whole company, newest first; at most `limit` of them. Without `since` those of the last 30 days, \
             or all of `task`: where several instances have its number, those of all of them, unless `instance` names one. What \
             is not known to be of an instance is listed without `instance` only. With `next` as `cursor` and the same filter the answer goes on. As CSV with `format=csv`, or \
             for whoever accepts `text/csv` rather than JSON; the cursor is in the header `X-Next-Cursor` then.",
        ),
        Route::new(
            Method::GET,
            "/v1/connections/totals",
            SESSION_HISTORY_USER,
            "countConnections",
            totals,
        )
        .says(
            "Count connections, sessions and minutes",
            "All of them, and those of each supporter. Without `since` those of the last 30 days, or all of `task`. Where \
             there are too many to count at once, `complete` is `false`: ask for the rest with `counted_until` as `since`. When \
             several instances have the number of `task`, the answer is 422, which names them, until `instance` is given.",
        ),
        Route::new(
            Method::GET,
            "/v1/connections/status",
            HISTORY_STATE,
            "getConnectionHistory",
            status,
        )
        .says(
            "Tell where the history of connections stands",
            "How far it has come, what is under way, what went wrong, and when connections are fetched next. Nothing of the \
             connections themselves.",
        ),
        Route::new(
            Method::POST,
            "/v1/connections/refresh",
            SESSION_HISTORY_USER,
            "refreshConnections",
            refresh,
        )
        .says(
            "Have connections fetched now",
            "Those that the scheduled run would fetch, and back to `since` where it is given. Nobody waits for it: ask for the \
             status. Two who ask at once get one fetch. While no history is kept, the answer is 409.",
        )
        .example(|| json!({"since": "2026-11-20T00:00:00Z"})),
        Route::new(
            Method::GET,
            OF_TASK,
            TASK_HISTORY,
            "listTaskConnections",
            of_task,
        )
        .says(
            "List the connections of a ServiceNow task",
            "Newest first; at most `limit` of them, and the totals of all. With `next` as `cursor` and the same filter the \
             answer goes on. When several instances have the number, the answer is 422, which names them, until `instance` is \
             given. As CSV, without totals, with `format=csv`, or for whoever accepts `text/csv` rather than JSON.",
        ),
        Route::new(
            Method::POST,
            "/v1/tasks/{task}/connections/refresh",
            ITIL,
            "refreshTaskConnections",
            refresh_task,
        )
        .says(
            "Have the connections of a ServiceNow task fetched now",
            "Those of its service cases, of which the answer names the codes. Nobody waits for it. While no history is kept, \
             the answer is 409; when several instances have the number and none is named, it is 422.",
        ),
    ]
}

async fn list(
    deps: Arc<Deps>,
    call: Call<Nothing, ConnectionFilter, ()>,
) -> Result<JsonOrCsv<ConnectionPage>, Problem> {
    let now = call.moment.now;
    let page = deps.management.connections(&call.query, now).await?;
    Ok(match form(call.query.format, call.header(&ACCEPT)) {
        ListFormat::Json => JsonOrCsv::Json(page),
        ListFormat::Csv => JsonOrCsv::Csv {
            text: connections_csv(&page.connections),
            next: page.next.map(Into::into),
        },
    })
}

async fn totals(
    deps: Arc<Deps>,
    call: Call<Nothing, TotalsFilter, ()>,
) -> Result<Found<ConnectionTotals>, Problem> {
    let now = call.moment.now;
    let totals = deps.management.connection_totals(&call.query, now).await?;
    Ok(Found(totals))
}

async fn status(
    deps: Arc<Deps>,
    call: Call<Nothing, Nothing, ()>,
) -> Result<Found<HistoryStatus>, Problem> {
    let status = deps.management.history_status(call.moment.now).await?;
    Ok(Found(status))
}

async fn refresh(
    deps: Arc<Deps>,
    call: Call<Nothing, Nothing, Json<RefreshConnections>>,
) -> Result<Accepted<HistoryStatus>, Problem> {
    let Json(request) = call.body;
    let status = deps
        .management
        .refresh_connections(&request, call.moment.now)
        .await?;
    Ok(Accepted(status))
}

async fn of_task(
    deps: Arc<Deps>,
    call: Call<OfTask, TaskConnectionFilter, ()>,
) -> Result<JsonOrCsv<TaskConnections>, Problem> {
    let found = deps
        .management
        .task_connections(&call.path.task, &call.query, call.moment.now)
        .await?;
    Ok(match form(call.query.format, call.header(&ACCEPT)) {
        ListFormat::Json => JsonOrCsv::Json(found),
        ListFormat::Csv => JsonOrCsv::Csv {
            text: connections_csv(&found.connections),
            next: found.next.map(Into::into),
        },
    })
}

async fn refresh_task(
    deps: Arc<Deps>,
    call: Call<OfTask, TaskFilter, ()>,
) -> Result<Accepted<RefreshedTask>, Problem> {
    let refreshed = deps
        .management
        .refresh_task_connections(&call.path.task, &call.query, call.moment.now)
        .await?;
    Ok(Accepted(refreshed))
}

/// The form that is asked for; else the one that is preferred, and JSON when none is.
fn form(asked: Option<ListFormat>, accept: Option<&str>) -> ListFormat {
    let accept = accept.unwrap_or_default();
    let csv = quality(accept, "text/csv");
    let json = quality(accept, "application/json")
        .or(quality(accept, "*/*"))
        .unwrap_or(0.0);
    let prefers_csv = csv.is_some_and(|csv| csv > json);
    asked.unwrap_or(if prefers_csv {
        ListFormat::Csv
    } else {
        ListFormat::Json
    })
}

/// How much a media type is wanted, from 0 to 1; `None` when it is not named.
///
/// Source: RFC 9110, 12.5.1
fn quality(accept: &str, media_type: &str) -> Option<f32> {
    accept.split(',').find_map(|range| {
        let mut parts = range.split(';').map(str::trim);
        let is_meant = parts.next()?.eq_ignore_ascii_case(media_type);
        let quality = parts.find_map(|part| part.strip_prefix("q=")?.parse().ok());
        is_meant.then(|| quality.unwrap_or(1.0))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_is_for_those_who_ask_for_it_or_prefer_it() {
        let (json, csv) = (ListFormat::Json, ListFormat::Csv);
        for (asked, accept, expected) in [
            (None, None, json),
            (None, Some("*/*"), json),
            (None, Some("text/html"), json),
            (None, Some("application/json, text/csv"), json),
            (None, Some("text/csv"), csv),
            (None, Some("Text/CSV; charset=utf-8"), csv),
            (None, Some("text/csv, */*;q=0.5"), csv),
            (None, Some("text/csv;q=0.5, application/json"), json),
            (None, Some("text/csv;q=0"), json),
            (Some(csv), Some("application/json"), csv),
            (Some(json), Some("text/csv"), json),
        ] {
            assert_eq!(form(asked, accept), expected, "{asked:?} {accept:?}");
        }
    }
}
