use std::sync::Arc;

use access::{CreatedToken, NewToken, Token, TokenId};
use http::Method;
use management::{AccountManagement, Listing};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use crate::problem::Problem;
use crate::route::{ADMIN, Call, Found, Json, Made, Nothing, OPERATOR, Route, Side};

type Deps = crate::Deps<AccountManagement>;

/// Names a token.
#[derive(Debug, Deserialize, JsonSchema)]
struct Named {
    /// The token.
    id: TokenId,
}

pub(super) fn routes<T: Side<Part = AccountManagement>>() -> Vec<Route<T>> {
    vec![
        Route::new(Method::GET, "/v1/tokens", OPERATOR, "listTokens", list).says(
            "List the tokens",
            "All of them, newest first; not paged. Tokens that have ended are listed for 90 days after the end \
             that they had.",
        ),
        Route::new(Method::POST, "/v1/tokens", ADMIN, "createToken", create)
            .says(
                "Create a token",
                "The token itself is in this answer only: just a hash of it is kept. It ends after 366 days at \
                 the latest.",
            )
            .example(|| json!({
                "name": "deployments", "roles": ["operator"], "expires_at": "2027-01-31T00:00:00Z"
            })),
        Route::new(
            Method::DELETE,
            "/v1/tokens/{id}",
            ADMIN,
            "revokeToken",
            revoke,
        )
        .says(
            "Revoke a token",
            "It ends at once. Revoking it again changes nothing. A caller may revoke the token that it shows.",
        ),
    ]
}

async fn list(
    deps: Arc<Deps>,
    _: Call<Nothing, Nothing, ()>,
) -> Result<Found<Listing<Token>>, Problem> {
    let items = deps.authenticator.tokens().list().await?;
    Ok(Found(Listing { items }))
}

async fn create(
    deps: Arc<Deps>,
    call: Call<Nothing, Nothing, Json<NewToken>>,
) -> Result<Made<CreatedToken>, Problem> {
    let caller = call.caller_name();
    let created = deps
        .authenticator
        .tokens()
        .create(call.body.0, &caller, &call.moment.random, call.moment.now)
        .await?;
    Ok(Made(created))
}

async fn revoke(deps: Arc<Deps>, call: Call<Named, Nothing, ()>) -> Result<Found<Token>, Problem> {
    let id = &call.path.id;
    let revoked = deps
        .authenticator
        .tokens()
        .revoke(id, call.moment.now)
        .await?;
    revoked.map(Found).ok_or_else(|| Problem::no_token(id))
}
