use std::sync::Arc;

use domain::{Account, AccountName};
use http::Method;
use management::{
    AccountDetail, AccountManagement, AppliedAccount, Connect, ConnectAccount, Done, Listing,
    PutAccount, RenameAccount, RenamedAccount, TicketField, Verification,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use crate::problem::Problem;
use crate::route::{ADMIN, Call, Found, Gone, Json, Nothing, OPERATOR, Put, Route, Side};

type Deps = crate::Deps<AccountManagement>;

/// Names an account.
#[derive(Debug, Deserialize, JsonSchema)]
struct Named {
    /// The account.
    name: AccountName,
}

/// How an account is deleted.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Deletion {
    /// Whether it goes even when workflows use it. Their tasks fail then.
    #[serde(default)]
    force: bool,
}

const ONE: &str = "/v1/accounts/{name}";

pub(super) fn routes<T: Side<Part = AccountManagement>>() -> Vec<Route<T>> {
    vec![
        Route::new(Method::GET, "/v1/accounts", OPERATOR, "listAccounts", list)
            .says("List the accounts", "All of them, by name; not paged."),
        Route::new(Method::GET, ONE, OPERATOR, "getAccount", get).says(
            "Read an account",
            "What is known about it, whether it has its secret, and which workflows use it.",
        ),
        Route::new(Method::PUT, ONE, ADMIN, "putAccount", put)
            .says(
                "Connect an account with credentials",
                "Or replaces the credentials of one that is there. They can never be read again. Without \
                 `owner` the caller is named.",
            )
            .example(|| json!({
                "vendor": "zendesk", "instance": "example",
                "credential": {"kind": "api_token", "email": "agent@example.com", "token": "not-a-real-token"}
            })),
        Route::new(Method::DELETE, ONE, ADMIN, "deleteAccount", delete).says(
            "Delete an account",
            "Its secret goes with it, and TeamViewer is asked to end what a person had agreed to there. While workflows use it the answer is 409, which lists them, unless \
             `force` is `true`.",
        ),
        Route::new(
            Method::POST,
            "/v1/accounts/{name}/connect",
            ADMIN,
            "connectAccount",
            connect,
        )
        .says(
            "Begin to connect an account by OAuth",
            "Somebody must open the URL of the answer and agree at the vendor. An account that has a client \
             already needs none in the request. Without `owner` the caller is named.",
        )
        .example(|| json!({
            "vendor": "servicenow", "instance": "dev12345", "client_id": "0123456789abcdef",
            "client_secret": "not-a-real-secret"
        })),
        Route::new(
            Method::POST,
            "/v1/accounts/{name}/verify",
            OPERATOR,
            "verifyAccount",
            verify,
        )
        .says(
            "Try whether an account works",
            "Asks the vendor, and changes nothing there.",
        ),
        Route::new(
            Method::POST,
            "/v1/accounts/{name}/rename",
            ADMIN,
            "renameAccount",
            rename,
        )
        .says(
            "Rename an account",
            "The answer lists the workflows that still use the old name.",
        )
        .example(|| json!({"to": "help-desk"})),
        Route::new(
            Method::GET,
            "/v1/accounts/{name}/ticket-fields",
            OPERATOR,
            "listTicketFields",
            ticket_fields,
        )
        .says(
            "List the ticket fields of a Zendesk account",
            "Asks the vendor. An account of another vendor has none: 409.",
        )
        .also_answers(&[409]),
    ]
}

async fn list(
    deps: Arc<Deps>,
    _: Call<Nothing, Nothing, ()>,
) -> Result<Found<Listing<Account>>, Problem> {
    Ok(Found(deps.management.accounts().await?))
}

async fn get(
    deps: Arc<Deps>,
    call: Call<Named, Nothing, ()>,
) -> Result<Found<AccountDetail>, Problem> {
    Ok(Found(deps.management.account(&call.path.name).await?))
}

async fn put(
    deps: Arc<Deps>,
    call: Call<Named, Nothing, Json<PutAccount>>,
) -> Result<Put<AppliedAccount>, Problem> {
    let caller = call.caller_name();
    let mut request = call.body.0;
    request.owner.get_or_insert(caller);
    let applied = deps
        .management
        .put_account(&call.path.name, request, call.moment.now)
        .await?;
    Ok(Put {
        created: applied.done == Done::Created,
        value: applied,
    })
}

async fn delete(deps: Arc<Deps>, call: Call<Named, Deletion, ()>) -> Result<Gone, Problem> {
    deps.management
        .delete_account(&call.path.name, call.query.force, call.moment.now)
        .await?;
    Ok(Gone)
}

async fn connect(
    deps: Arc<Deps>,
    call: Call<Named, Nothing, Json<ConnectAccount>>,
) -> Result<Found<Connect>, Problem> {
    let caller = call.caller_name();
    let mut request = call.body.0;
    request.owner.get_or_insert(caller);
    let connecting = deps
        .management
        .connect_account(&call.path.name, request, call.moment.now)
        .await?;
    Ok(Found(connecting))
}

async fn verify(
    deps: Arc<Deps>,
    call: Call<Named, Nothing, ()>,
) -> Result<Found<Verification>, Problem> {
    let verification = deps
        .management
        .verify_account(&call.path.name, call.moment.now)
        .await?;
    Ok(Found(verification))
}

async fn rename(
    deps: Arc<Deps>,
    call: Call<Named, Nothing, Json<RenameAccount>>,
) -> Result<Found<RenamedAccount>, Problem> {
    let renamed = deps
        .management
        .rename_account(&call.path.name, &call.body.0.to, call.moment.now)
        .await?;
    Ok(Found(renamed))
}

async fn ticket_fields(
    deps: Arc<Deps>,
    call: Call<Named, Nothing, ()>,
) -> Result<Found<Listing<TicketField>>, Problem> {
    let fields = deps
        .management
        .ticket_fields(&call.path.name, call.moment.now)
        .await?;
    Ok(Found(fields))
}
