//! What there is to ask for.

mod accounts;
mod cases;
mod connections;
mod dry_run;
mod endpoints;
mod events;
mod mail_templates;
mod me;
mod runs;
mod teamviewer;
mod tokens;
mod workflows;

use management::{AccountManagement, TeamViewerManagement, WorkflowManagement};

use crate::route::{Described, Description, Route, Side};

/// Those of workflows, events and runs, from the side that is wanted.
pub fn of_workflows<T: Side<Part = WorkflowManagement>>() -> Vec<Route<T>> {
    with_examples([
        workflows::routes(),
        dry_run::routes(),
        runs::routes(),
        events::routes(),
    ])
}

/// Those of accounts and endpoints, of tokens and of the API itself, from the side that is wanted.
pub fn of_accounts<T: Side<Part = AccountManagement>>() -> Vec<Route<T>> {
    with_examples([
        me::routes(),
        endpoints::routes(),
        accounts::routes(),
        tokens::routes(),
    ])
}

/// Those of remote-support connections and service cases, from the side that is wanted.
pub fn of_teamviewer<T: Side<Part = TeamViewerManagement>>() -> Vec<Route<T>> {
    with_examples([
        connections::routes(),
        cases::routes(),
        mail_templates::routes(),
        teamviewer::routes(),
    ])
}

/// Every route, as the OpenAPI document has it.
pub fn described() -> Vec<Route<Description>> {
    let workflows = of_workflows()
        .into_iter()
        .map(Route::<Described<_>>::description);
    let accounts = of_accounts()
        .into_iter()
        .map(Route::<Described<_>>::description);
    let teamviewer = of_teamviewer()
        .into_iter()
        .map(Route::<Described<_>>::description);
    accounts.chain(workflows).chain(teamviewer).collect()
}

fn with_examples<T: Side, const N: usize>(routes: [Vec<Route<T>>; N]) -> Vec<Route<T>> {
    let routes = routes.into_iter().flatten();
    routes
        .map(|route| match example_of_part(route.path) {
            Some(example) => route.at(example),
            None => route,
        })
        .collect()
}

/// What can stand in a path where a part is given. Examples of bodies use the same names.
fn example_of_part(path: &str) -> Option<&'static str> {
    let of = path.strip_prefix("/v1/")?.split_once("/{")?.0;
    match of {
        "endpoints" => Some("reviews"),
        "accounts" => Some("support"),
        "workflows" => Some("review-follow-up"),
        "runs" => Some("run_00112233445566778899aabbccddeeff"),
        "events" => Some("ev_00112233445566778899aabbccddeeff"),
        "tasks" => Some("INC0010001"),
        "cases" => Some("s119-457-589"),
        "mail-templates" => Some("TV_ShareSession"),
        "tokens" => Some("0123456789abcdef"),
        _ => None,
    }
}
