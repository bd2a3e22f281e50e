use std::sync::Arc;

use domain::{CaseCode, ServiceCase};
use http::Method;
use management::{
    AssignCase, Listing, MadeCase, MailPreview, NewCase, OpenCases, ServiceNowTask, ShareCase,
    SharedCase, SupporterLink, TaskFilter, TeamViewerManagement,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::problem::Problem;
use crate::route::{Call, Found, ITIL, Json, Nothing, Put, Route, Side};

type Deps = crate::Deps<TeamViewerManagement>;

/// Names a service case.
#[derive(Debug, Deserialize, JsonSchema)]
struct Named {
    /// The case.
    code: CaseCode,
}

/// Names a ServiceNow task.
#[derive(Debug, Deserialize, JsonSchema)]
struct OfTask {
    /// The task.
    task: ServiceNowTask,
}

const ALL: &str = "/v1/cases";

pub(super) fn routes<T: Side<Part = TeamViewerManagement>>() -> Vec<Route<T>> {
    let mut routes = reading::<T>();
    routes.extend(changing());
    routes
}

fn reading<T: Side<Part = TeamViewerManagement>>() -> Vec<Route<T>> {
    vec![
        Route::new(Method::GET, ALL, ITIL, "listCases", list)
            .says(
                "List the open service cases",
                "With the columns that are set, for all viewers the same. When what is known is older than \
                 `refresh_seconds`, TeamViewer is asked, once for all who look. When that fails or takes longer than some \
                 seconds, `problem` says why, beside what was known before. The newest are listed: up to 500 that can be used, \
                 and up to 100 of those whose time is over, for less than 30 days; `cases_left_out` and `expired_left_out` tell \
                 how many others there are. While nothing is set for service cases, the answer is 409.",
            )
            .also_answers(&[409]),
        Route::new(Method::GET, "/v1/cases/{code}", ITIL, "getCase", get)
            .says(
                "Read a service case",
                "As TeamViewer has it at this moment, for the caller's own account, or for the company's where that may be used. When \
                 TeamViewer refuses, or the caller must sign in there first, the answer is 409.",
            )
            .also_answers(&[409]),
        Route::new(
            Method::GET,
            "/v1/cases/{code}/supporter-link",
            ITIL,
            "getSupporterLink",
            supporter_link,
        )
        .says(
            "Get the address by which a supporter enters a session",
            "It is asked of TeamViewer at this moment, with the caller's own account, or with the company's where that may be \
             used, and is stored nowhere. Whoever opens it is the supporter: do not pass it on. When TeamViewer refuses, or the \
             caller must sign in there first, the answer is 409.",
        )
        .also_answers(&[409]),
        Route::new(
            Method::GET,
            "/v1/tasks/{task}/cases",
            ITIL,
            "listTaskCases",
            of_task,
        )
        .says(
            "List the service cases of a ServiceNow task",
            "All that are known, newest first, closed ones too; not paged. When several instances have the number, the answer is \
             422, which names them, until `instance` is given.",
        ),
    ]
}

fn changing<T: Side<Part = TeamViewerManagement>>() -> Vec<Route<T>> {
    vec![
        Route::new(Method::POST, ALL, ITIL, "createCase", create)
            .says(
                "Make a service case for a ServiceNow task",
                "What is not given is taken from the task. The case is made with the caller's own account at TeamViewer, or with \
                 the company's where that may be used. The same caller gets the same case for the same task: 200 instead of 201. \
                 When the caller must sign in first, the answer is 409, and the case is made by itself once they have.",
            )
            .also_answers(&[404])
            .example(|| json!({
                "task": {"table": "incident", "number": "INC0010001"}, "customer_name": "Eve Example",
                "waiting_message": "We are with you in a moment."
            })),
        Route::new(
            Method::POST,
            "/v1/cases/{code}/close",
            ITIL,
            "closeCase",
            close,
        )
        .says(
            "Close a service case",
            "And have its connections fetched. One that is closed stays so. The caller must sign in at TeamViewer first where \
             the company's account may not be used: the answer is 409 until then.",
        ),
        Route::new(
            Method::POST,
            "/v1/cases/{code}/assign",
            ITIL,
            "assignCase",
            assign,
        )
        .says(
            "Assign a service case to a supporter",
            "By TeamViewer's id of them. The caller must sign in at TeamViewer first where the company's account may not be used: \
             the answer is 409 until then.",
        )
        .example(|| json!({"user": "u1001"})),
        Route::new(
            Method::POST,
            "/v1/cases/{code}/share",
            ITIL,
            "shareCase",
            share_case,
        )
        .says(
            "Share a session code by mail",
            "To the case's customer unless `to` names others. Under one `share_id` one mail is sent; without, one for the same \
             template and people. When it is not known whether a mail was sent, the answer is 409: `resend` sends it all the same. \
             A mail that was sent is never sent again: give another `share_id` for that.",
        )
        .example(share_example),
        Route::new(
            Method::POST,
            "/v1/cases/{code}/share/preview",
            ITIL,
            "previewShare",
            preview,
        )
        .says(
            "See the mail that sharing a session code would send",
            "Nothing is sent and nothing is stored.",
        )
        .example(share_example),
    ]
}

fn share_example() -> Value {
    json!({"template": "TV_ShareSession", "to": ["eve@example.com"], "share_id": "first-mail"})
}

async fn list(
    deps: Arc<Deps>,
    call: Call<Nothing, Nothing, ()>,
) -> Result<Found<OpenCases>, Problem> {
    Ok(Found(deps.management.open_cases(call.moment.now).await?))
}

async fn get(
    deps: Arc<Deps>,
    call: Call<Named, Nothing, ()>,
) -> Result<Found<ServiceCase>, Problem> {
    let person = call.person()?;
    let now = call.moment.now;
    let case = deps.management.case(&call.path.code, &person, now).await?;
    Ok(Found(case))
}

async fn supporter_link(
    deps: Arc<Deps>,
    call: Call<Named, Nothing, ()>,
) -> Result<Found<SupporterLink>, Problem> {
    let person = call.person()?;
    let link = deps
        .management
        .supporter_link(&call.path.code, &person, call.moment.now)
        .await?;
    Ok(Found(link))
}

async fn of_task(
    deps: Arc<Deps>,
    call: Call<OfTask, TaskFilter, ()>,
) -> Result<Found<Listing<ServiceCase>>, Problem> {
    let cases = deps.management.task_cases(&call.path.task, &call.query);
    Ok(Found(cases.await?))
}

async fn create(
    deps: Arc<Deps>,
    call: Call<Nothing, Nothing, Json<NewCase>>,
) -> Result<Put<MadeCase>, Problem> {
    let person = call.person()?;
    let Json(request) = call.body;
    let made = deps
        .management
        .create_case(&person, &request, call.moment.now)
        .await?;
    Ok(Put {
        created: made.created,
        value: made,
    })
}

async fn close(
    deps: Arc<Deps>,
    call: Call<Named, Nothing, ()>,
) -> Result<Found<ServiceCase>, Problem> {
    let person = call.person()?;
    let closed = deps
        .management
        .close_case(&call.path.code, &person, call.moment.now)
        .await?;
    Ok(Found(closed))
}

async fn assign(
    deps: Arc<Deps>,
    call: Call<Named, Nothing, Json<AssignCase>>,
) -> Result<Found<ServiceCase>, Problem> {
    let person = call.person()?;
    let Json(request) = call.body;
    let assigned = deps
        .management
        .assign_case(&call.path.code, &request, &person, call.moment.now)
        .await?;
    Ok(Found(assigned))
}

async fn share_case(
    deps: Arc<Deps>,
    call: Call<Named, Nothing, Json<ShareCase>>,
) -> Result<Found<SharedCase>, Problem> {
    let person = call.person()?;
    let Json(request) = call.body;
    let shared = deps
        .management
        .share_case(&call.path.code, &request, &person, call.moment.now)
        .await?;
    Ok(Found(shared))
}

async fn preview(
    deps: Arc<Deps>,
    call: Call<Named, Nothing, Json<ShareCase>>,
) -> Result<Found<MailPreview>, Problem> {
    let person = call.person()?;
    let Json(request) = call.body;
    let preview = deps
        .management
        .preview_share(&call.path.code, &request, &person, call.moment.now)
        .await?;
    Ok(Found(preview))
}
