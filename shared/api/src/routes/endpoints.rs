use std::sync::Arc;

use domain::{Endpoint, EndpointName};
use http::Method;
use management::{
    AccountManagement, AppliedEndpoint, DeletedEndpoint, Done, EndpointDetail, EndpointEntry,
    Listing, SecretChange, SecretChanged, read_endpoint,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use crate::problem::Problem;
use crate::route::{ADMIN, Call, Document, Found, Json, Nothing, OPERATOR, Put, Route, Side};

type Deps = crate::Deps<AccountManagement>;

/// Names an endpoint.
#[derive(Debug, Deserialize, JsonSchema)]
struct Named {
    /// The endpoint.
    name: EndpointName,
}

const ONE: &str = "/v1/endpoints/{name}";

pub(super) fn routes<T: Side<Part = AccountManagement>>() -> Vec<Route<T>> {
    vec![
        Route::new(
            Method::GET,
            "/v1/endpoints",
            OPERATOR,
            "listEndpoints",
            list,
        )
        .says("List the endpoints", "All of them, by name; not paged."),
        Route::new(Method::GET, ONE, OPERATOR, "getEndpoint", get).says(
            "Read an endpoint",
            "Its definition, its URL, and whether it has the secret that it needs.",
        ),
        Route::new(Method::PUT, ONE, ADMIN, "putEndpoint", put)
            .says(
                "Create or replace an endpoint",
                "The `name` in the body must be the one in the path. Its secret stays as it is.",
            )
            .example(|| json!({
                "name": "reviews", "kind": "json", "verification": {"scheme": "standard_webhooks"},
                "mapping": {"id": "/review/id", "type": "/event"}
            })),
        Route::new(Method::DELETE, ONE, ADMIN, "deleteEndpoint", delete).says(
            "Delete an endpoint",
            "Its secret goes with it, unless another endpoint uses that, too.",
        ),
        Route::new(
            Method::POST,
            "/v1/endpoints/{name}/secret",
            ADMIN,
            "changeEndpointSecret",
            change_secret,
        )
        .says(
            "Change an endpoint's secret",
            "The secret before stays valid until it is dropped. A secret can never be read again: one that is \
             made here is in this answer only.",
        )
        .example(|| json!({"action": "generate"})),
    ]
}

async fn list(
    deps: Arc<Deps>,
    _: Call<Nothing, Nothing, ()>,
) -> Result<Found<Listing<EndpointEntry>>, Problem> {
    Ok(Found(deps.management.endpoints().await?))
}

async fn get(
    deps: Arc<Deps>,
    call: Call<Named, Nothing, ()>,
) -> Result<Found<EndpointDetail>, Problem> {
    Ok(Found(deps.management.endpoint(&call.path.name).await?))
}

async fn put(
    deps: Arc<Deps>,
    call: Call<Named, Nothing, Document<Endpoint>>,
) -> Result<Put<AppliedEndpoint>, Problem> {
    let endpoint = read_endpoint(&call.path.name, &call.body.value)?;
    let applied = deps.management.put_endpoint(&endpoint).await?;
    Ok(Put {
        created: applied.done == Done::Created,
        value: applied,
    })
}

async fn delete(
    deps: Arc<Deps>,
    call: Call<Named, Nothing, ()>,
) -> Result<Found<DeletedEndpoint>, Problem> {
    Ok(Found(
        deps.management.delete_endpoint(&call.path.name).await?,
    ))
}

async fn change_secret(
    deps: Arc<Deps>,
    call: Call<Named, Nothing, Json<SecretChange>>,
) -> Result<Found<SecretChanged>, Problem> {
    let changed = deps
        .management
        .change_endpoint_secret(&call.path.name, &call.body.0)
        .await?;
    Ok(Found(changed))
}
