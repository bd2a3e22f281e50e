//! Which function API Gateway calls, by the routes of the template.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use api::route::{Described, Route};
use api::routes;

const TEMPLATE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../template.yaml"));

/// What stands for the rest of a path.
const REST: &str = "{proxy+}";

/// Paths below `/v1/`, with the function that is called.
static ROUTES: LazyLock<Vec<(&'static str, &'static str)>> = LazyLock::new(|| {
    let lines: Vec<&str> = TEMPLATE.lines().map(str::trim).collect();
    let routes = lines.windows(2).filter_map(|lines| {
        let path = lines[0].strip_prefix("RouteKey: ANY ")?;
        let target = lines[1].strip_prefix("Target: !Sub integrations/${")?;
        Some((path, target.strip_suffix("Integration}")?))
    });
    routes.collect()
});

/// The function that is called for a path: that of the route that is the path, else that of the longest beginning.
///
/// Source: <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html>
pub(crate) fn function(path: &str) -> Option<&'static str> {
    let exact = ROUTES.iter().find(|(route, _)| *route == path);
    let greedy = || {
        let begins_so = |route: &str| {
            let beginning = route.strip_suffix(REST);
            let rest = beginning.and_then(|beginning| path.strip_prefix(beginning));
            rest.is_some_and(|rest| !rest.is_empty())
        };
        let found = ROUTES.iter().filter(|(route, _)| begins_so(route));
        found.max_by_key(|(route, _)| route.len())
    };
    let found = exact.or_else(greedy);
    found.map(|(_, function)| *function)
}

fn check<M>(routes: Vec<Route<Described<M>>>, function: &str) {
    for route in routes {
        let path = route.path.replace(['{', '}'], "");
        assert_eq!(self::function(&path), Some(function), "{path}");
    }
}

#[test]
fn every_route_leads_to_the_function_that_takes_it() {
    check(routes::of_workflows(), "WorkflowsApi");
    check(routes::of_accounts(), "AccountsApi");
    check(routes::of_teamviewer(), "TeamViewerApi");
}

#[test]
fn path_that_nobody_takes_is_answered_by_the_function_for_the_rest() {
    for path in ["/v1/nothing", "/v1/workflowsx", "/v1/runs/"] {
        assert_eq!(function(path), Some("AccountsApi"), "{path}");
    }
}

#[test]
fn every_function_is_the_one_that_its_integration_and_permission_name() {
    let resource = |name: String| {
        let begin = TEMPLATE.find(&format!("\n  {name}:\n")).unwrap();
        let rest = &TEMPLATE[begin + 1..];
        &rest[..rest.find("\n\n").unwrap()]
    };
    let functions: BTreeSet<&str> = ROUTES.iter().map(|(_, function)| *function).collect();
    assert_eq!(functions.len(), 3, "{functions:?}");
    for function in functions {
        let integration = resource(format!("{function}Integration"));
        let called = format!("IntegrationUri: !GetAtt {function}.Arn\n");
        assert!(integration.contains(&called), "{integration}");
        let permission = resource(format!("{function}Permission"));
        let allowed = format!("FunctionName: !Ref {function}\n");
        assert!(permission.contains(&allowed), "{permission}");
    }
}
