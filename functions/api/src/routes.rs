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

use crate::route::{Route, Side};

/// Every route, from the side that is wanted.
pub fn all<T: Side>() -> Vec<Route<T>> {
    [
        me::routes(),
        endpoints::routes(),
        accounts::routes(),
        workflows::routes(),
        dry_run::routes(),
        runs::routes(),
        events::routes(),
        connections::routes(),
        cases::routes(),
        mail_templates::routes(),
        teamviewer::routes(),
        tokens::routes(),
    ]
    .into_iter()
    .flatten()
    .map(|route: Route<T>| match example_of_part(route.path) {
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
