use std::collections::BTreeSet;
use std::sync::Arc;

use access::{Role, TokenId, Via};
use http::Method;
use management::AccountManagement;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::openapi;
use crate::problem::Problem;
use crate::route::{Call, Found, Nothing, Ready, Route, Rule, Side};

type Deps = crate::Deps<AccountManagement>;

type Asked = Call<Nothing, Nothing, ()>;

pub(super) fn routes<T: Side<Part = AccountManagement>>() -> Vec<Route<T>> {
    vec![
        Route::new(Method::GET, "/v1/me", Rule::EveryCaller, "getMe", me).says(
            "Tell who asks",
            "The caller as the API knows them: their name, their roles, and how they have shown who they are.",
        ),
        Route::new(
            Method::GET,
            "/v1/openapi.json",
            Rule::Everybody,
            "getOpenApi",
            document,
        )
        .says("Describe this API", "This document, in OpenAPI 3.1."),
    ]
}

/// Who asks.
#[derive(Debug, Serialize, JsonSchema)]
struct Me {
    /// What people call them.
    name: String,
    /// What they may do.
    roles: BTreeSet<Role>,
    /// How they have shown who they are.
    via: Shown,
}

/// How a caller has shown who they are.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Shown {
    /// With a token of this stack.
    Token {
        /// Which.
        id: TokenId,
    },
    /// With a token of the identity provider.
    Oidc {
        /// Stays the same for one person.
        key: String,
    },
}

async fn me(_: Arc<Deps>, call: Asked) -> Result<Found<Me>, Problem> {
    let caller = call
        .caller
        .ok_or_else(|| Problem::internal("a caller is missing".to_owned()))?;
    Ok(Found(Me {
        name: caller.name,
        roles: caller.roles,
        via: match caller.via {
            Via::Token { id } => Shown::Token { id },
            Via::Oidc { key } => Shown::Oidc { key },
        },
    }))
}

async fn document(_: Arc<Deps>, _: Asked) -> Result<Ready<Map<String, Value>>, Problem> {
    Ok(Ready::of_json(openapi::DOCUMENT))
}
