use std::sync::Arc;

use domain::{Workflow, WorkflowId};
use http::Method;
use http::header::{IF_MATCH, IF_NONE_MATCH};
use management::{
    AppliedWorkflow, Done, Expected, Listing, RevisionEntry, RollBackWorkflow, SwitchWorkflow,
    ValidationReport, WorkflowDiff, WorkflowFilter, WorkflowManagement, WorkflowRevision,
    read_workflow,
};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use crate::problem::Problem;
use crate::route::{
    ADMIN, Call, Document, Found, Gone, Json, Nothing, OPERATOR, Preconditions, Put, Revised,
    Route, Side,
};

type Deps = crate::Deps<WorkflowManagement>;

/// Names a workflow.
#[derive(Debug, Deserialize, JsonSchema)]
struct Named {
    /// The workflow.
    id: WorkflowId,
}

/// Which of a workflow's revisions.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Which {
    /// This revision; the one that counts when absent.
    revision: Option<u32>,
}

/// Names a revision of a workflow.
#[derive(Debug, Deserialize, JsonSchema)]
struct NamedRevision {
    /// The workflow.
    id: WorkflowId,
    /// The revision that is compared.
    #[serde(deserialize_with = "number")]
    #[schemars(example = 1)]
    from: u32,
}

/// A part of a path is text.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse()
        .map_err(|_| serde::de::Error::custom("expected the number of a revision"))
}

/// What a revision is compared with.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ComparedWith {
    /// This revision; the newest one when absent.
    to: Option<u32>,
}

const ONE: &str = "/v1/workflows/{id}";

pub(super) fn routes<T: Side<Part = WorkflowManagement>>() -> Vec<Route<T>> {
    vec![
        Route::new(
            Method::GET,
            "/v1/workflows",
            OPERATOR,
            "listWorkflows",
            list,
        )
        .says(
            "List the workflows",
            "All of them, or those that are asked for, by id; not paged.",
        ),
        Route::new(Method::GET, ONE, OPERATOR, "getWorkflow", get).says(
            "Read a workflow",
            "As it is now, or one of its revisions, also after it was deleted.",
        ),
        Route::new(
            Method::GET,
            "/v1/workflows/{id}/revisions",
            OPERATOR,
            "listWorkflowRevisions",
            revisions,
        )
        .says(
            "List the revisions of a workflow",
            "All of them, newest first; not paged. Also after it was deleted.",
        ),
        Route::new(
            Method::GET,
            "/v1/workflows/{id}/revisions/{from}/diff",
            OPERATOR,
            "diffWorkflowRevisions",
            diff,
        )
        .says(
            "Compare two revisions of a workflow",
            "Each value that is different, as it was and as it is. Also after the workflow was deleted.",
        ),
        Route::new(
            Method::POST,
            "/v1/workflows/{id}/validate",
            OPERATOR,
            "validateWorkflow",
            validate,
        )
        .says(
            "Check a workflow without applying it",
            "A definition that breaks a rule of its own is a 422. One that is good in itself but does not fit \
             this stack, for example because of an account, is a 200 that lists the problems. Warnings keep nothing \
             from being applied.",
        )
        .example(example),
        Route::new(Method::PUT, ONE, ADMIN, "putWorkflow", put)
            .says(
                "Create or replace a workflow",
                "The `id` in the body must be the one in the path. Applying the same definition twice changes \
                 nothing.",
            )
            .example(example)
            .heeds(Preconditions::RevisionOrAbsence),
        Route::new(Method::PATCH, ONE, OPERATOR, "switchWorkflow", switch)
            .says(
                "Switch a workflow on or off",
                "The rest of its definition stays. Runs that have begun go on.",
            )
            .example(|| json!({"enabled": false}))
            .heeds(Preconditions::Revision),
        Route::new(
            Method::POST,
            "/v1/workflows/{id}/rollback",
            ADMIN,
            "rollBackWorkflow",
            roll_back,
        )
        .says(
            "Go back to an earlier revision",
            "Applies that revision's definition once more, as a new revision; it is checked like any other. Brings \
             back a workflow that was deleted.",
        )
        .example(|| json!({"revision": 1}))
        .heeds(Preconditions::Revision),
        Route::new(Method::DELETE, ONE, ADMIN, "deleteWorkflow", delete).says(
            "Delete a workflow",
            "Its revisions are kept. Runs that have begun go on.",
        ),
    ]
}

fn example() -> Value {
    json!({
        "id": "review-follow-up", "name": "Follow up on bad reviews",
        "trigger": {"event": {"type": "review.created"}},
        "when": {"field": "data.rating", "less_than": 3},
        "tasks": [{
            "id": "ticket", "kind": "zendesk.create_ticket", "account": "support",
            "input": {"subject": "Bad review", "comment": "{{ event.data.text }}"}
        }]
    })
}

async fn list(
    deps: Arc<Deps>,
    call: Call<Nothing, WorkflowFilter, ()>,
) -> Result<Found<Listing<WorkflowRevision>>, Problem> {
    Ok(Found(deps.management.workflows(&call.query).await?))
}

async fn get(
    deps: Arc<Deps>,
    call: Call<Named, Which, ()>,
) -> Result<Revised<Found<WorkflowRevision>>, Problem> {
    let found = deps
        .management
        .workflow(&call.path.id, call.query.revision)
        .await?;
    Ok(Revised {
        revision: found.revision,
        answer: Found(found),
    })
}

async fn revisions(
    deps: Arc<Deps>,
    call: Call<Named, Nothing, ()>,
) -> Result<Found<Listing<RevisionEntry>>, Problem> {
    Ok(Found(
        deps.management.workflow_revisions(&call.path.id).await?,
    ))
}

async fn diff(
    deps: Arc<Deps>,
    call: Call<NamedRevision, ComparedWith, ()>,
) -> Result<Found<WorkflowDiff>, Problem> {
    let NamedRevision { id, from } = call.path;
    let diff = deps.management.diff_workflow(&id, from, call.query.to);
    Ok(Found(diff.await?))
}

async fn validate(
    deps: Arc<Deps>,
    call: Call<Named, Nothing, Document<Workflow>>,
) -> Result<Found<ValidationReport>, Problem> {
    let workflow = read_workflow(&call.path.id, &call.body.value)?;
    Ok(Found(deps.management.validate_workflow(&workflow).await?))
}

async fn put(
    deps: Arc<Deps>,
    call: Call<Named, Nothing, Document<Workflow>>,
) -> Result<Revised<Put<AppliedWorkflow>>, Problem> {
    let expected = expected(&call)?;
    let workflow = read_workflow(&call.path.id, &call.body.value)?;
    let applied = deps
        .management
        .apply_workflow(&workflow, expected, call.moment.now)
        .await?;
    Ok(Revised {
        revision: applied.stored.revision,
        answer: Put {
            created: applied.done == Done::Created,
            value: applied,
        },
    })
}

async fn switch(
    deps: Arc<Deps>,
    call: Call<Named, Nothing, Json<SwitchWorkflow>>,
) -> Result<Revised<Found<AppliedWorkflow>>, Problem> {
    let applied = deps
        .management
        .switch_workflow(
            &call.path.id,
            call.body.0.enabled,
            expected(&call)?,
            call.moment.now,
        )
        .await?;
    Ok(Revised {
        revision: applied.stored.revision,
        answer: Found(applied),
    })
}

async fn roll_back(
    deps: Arc<Deps>,
    call: Call<Named, Nothing, Json<RollBackWorkflow>>,
) -> Result<Revised<Found<AppliedWorkflow>>, Problem> {
    let applied = deps
        .management
        .roll_back_workflow(
            &call.path.id,
            call.body.0.revision,
            expected(&call)?,
            call.moment.now,
        )
        .await?;
    Ok(Revised {
        revision: applied.stored.revision,
        answer: Found(applied),
    })
}

async fn delete(deps: Arc<Deps>, call: Call<Named, Nothing, ()>) -> Result<Gone, Problem> {
    deps.management.delete_workflow(&call.path.id).await?;
    Ok(Gone)
}

fn expected<P, Q, B>(call: &Call<P, Q, B>) -> Result<Expected, Problem> {
    let expected = Expected::from_headers(call.header(&IF_MATCH), call.header(&IF_NONE_MATCH))?;
    Ok(expected)
}
