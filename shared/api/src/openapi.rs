//! The OpenAPI document, made of the routes.
//!
//! It is made when the routes change, not when the function runs: what is served is the committed [`DOCUMENT`], which
//! a test holds to the routes.
//!
//! Source: <https://spec.openapis.org/oas/v3.1.1.html>

use http::Method;
use schemars::generate::SchemaSettings;
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use crate::problem::ProblemBody;
use crate::request::MAX_BODY;
use crate::route::{Description, Preconditions, Route, Rule};

/// The document, as it is committed and served.
pub const DOCUMENT: &str = include_str!("../openapi.json");

/// How many levels of the document have lines of their own: down to an operation, and to a schema.
const LEVELS_OF_LINES: usize = 3;

const DESCRIPTION: &str = "\
Manages a closedloop stack: endpoints, accounts, workflows, runs, events, remote-support connections and service \
cases, and the tokens of this API itself.

Show a bearer token. It is one of this stack's own tokens, or one that the identity provider signed, where one \
is configured. Each operation names the roles that may use it.

Whatever goes wrong is told as problem details (RFC 9457). Their `request_id`, also in the header \
`X-Request-Id`, names the request in the log. Unknown fields and unknown parameters are refused. In front of the \
API its gateway may answer 429 and 5xx by itself, in its own form.";

/// The document of these routes.
pub fn document(routes: &[Route<Description>]) -> Value {
    let mut generator = SchemaSettings::draft2020_12()
        .with(|settings| {
            settings.definitions_path = "/components/schemas".into();
            settings.meta_schema = None;
        })
        .into_generator();
    let problem = generator.subschema_for::<ProblemBody>();
    let mut paths = Map::new();
    for route in routes {
        let operation = operation(route, &mut generator);
        if let Some(methods) = paths
            .entry(route.path)
            .or_insert_with(|| json!({}))
            .as_object_mut()
        {
            methods.insert(route.method.as_str().to_ascii_lowercase(), operation);
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "closedloop management API",
            "version": env!("CARGO_PKG_VERSION"),
            "description": DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}],
        "tags": tags(),
        "paths": paths,
        "components": {
            "schemas": generator.take_definitions(true),
            "responses": problems(&problem),
            "securitySchemes": {"bearer": {
                "type": "http", "scheme": "bearer",
                "description": "A token `clt_...` of this stack, or a signed token of the identity provider.",
            }},
        },
    })
}

/// The document as text: one line for each operation and each schema, so that its changes can be read and it is
/// hardly larger than without lines.
pub fn text(document: &Value) -> String {
    let mut text = String::new();
    write(document, 0, &mut text);
    text.push('\n');
    text
}

fn write(value: &Value, level: usize, text: &mut String) {
    let fields = value.as_object().filter(|_| level < LEVELS_OF_LINES);
    let Some(fields) = fields.filter(|fields| !fields.is_empty()) else {
        return text.push_str(&value.to_string());
    };
    text.push('{');
    for (place, (name, field)) in fields.iter().enumerate() {
        let comma = if place == 0 { "" } else { "," };
        let indent = "  ".repeat(level + 1);
        text.extend([comma, "\n", &indent, &json!(name).to_string(), ": "]);
        write(field, level + 1, text);
    }
    text.push('\n');
    text.push_str(&"  ".repeat(level));
    text.push('}');
}

fn tags() -> Value {
    json!([
        {"name": "endpoints", "description": "The ways in for events"},
        {"name": "accounts", "description": "Connected vendor accounts"},
        {"name": "workflows", "description": "What is done about events"},
        {"name": "runs", "description": "What was done"},
        {"name": "events", "description": "What came in, and what was decided about it"},
        {"name": "connections", "description": "The history of remote-support connections"},
        {"name": "tasks", "description": "What belongs to a ServiceNow task: connections and service cases"},
        {"name": "cases", "description": "Service cases: codes by which customers let supporters in"},
        {"name": "mail-templates", "description": "The texts with which session codes are shared"},
        {"name": "teamviewer", "description": "What is set for TeamViewer, and who has signed in there"},
        {"name": "tokens", "description": "Bearer tokens of this API"},
        {"name": "me", "description": "Who asks"},
        {"name": "openapi.json", "description": "This document"},
    ])
}

fn operation(route: &Route<Description>, generator: &mut SchemaGenerator) -> Value {
    let tag = route.path.split('/').nth(2).unwrap_or_default();
    let mut operation = json!({
        "operationId": route.operation,
        "tags": [tag],
        "summary": route.side.summary,
        "description": format!("{}\n\n{}", route.side.description, roles(route.rule)),
        "responses": responses(route, generator),
    });
    let parameters = parameters(route, generator);
    if !parameters.is_empty() {
        operation["parameters"] = parameters.into();
    }
    match route.rule {
        Rule::Everybody => operation["security"] = json!([]),
        Rule::EveryCaller => {}
        Rule::Roles(roles) => operation["x-roles"] = json!(roles),
    }
    if let Some(schema) = (route.side.shape.body)(generator) {
        let mut content = json!({"schema": schema});
        if let Some(example) = &route.side.example {
            content["example"] = example.clone();
        }
        operation["requestBody"] = json!({
            "required": true,
            "description": format!("At most {MAX_BODY} bytes"),
            "content": {"application/json": content},
        });
    }
    operation
}

fn roles(rule: Rule) -> String {
    match rule {
        Rule::Everybody => "Needs no token.".to_owned(),
        Rule::EveryCaller => "Roles: any.".to_owned(),
        Rule::Roles(roles) => {
            let roles: Vec<String> = roles.iter().map(|role| format!("`{role}`")).collect();
            format!("Roles: {}.", roles.join(", "))
        }
    }
}

fn parameters(route: &Route<Description>, generator: &mut SchemaGenerator) -> Vec<Value> {
    let mut parameters = of_type("path", &(route.side.shape.path)(generator));
    // The part that names what the route is about has none of its own.
    let unnamed = parameters
        .iter_mut()
        .find(|parameter| parameter.get("example").is_none());
    if let (Some(parameter), Some(example)) = (unnamed, route.side.at) {
        parameter["example"] = example.into();
    }
    parameters.extend(of_type("query", &(route.side.shape.query)(generator)));
    let if_match = json!({
        "name": "If-Match", "in": "header", "required": false,
        "description": "The revision, as `ETag` gave it, that the change is meant for; else 412.",
        "schema": {"type": "string", "pattern": "^(\\*|\"[0-9]{1,9}\")$"}, "example": "\"3\"",
    });
    let if_none_match = json!({
        "name": "If-None-Match", "in": "header", "required": false,
        "description": "`*`: there must be none yet; else 412. Not together with `If-Match`.",
        "schema": {"type": "string", "const": "*"},
    });
    match route.preconditions {
        Preconditions::None => {}
        Preconditions::Revision => parameters.push(if_match),
        Preconditions::RevisionOrAbsence => parameters.extend([if_match, if_none_match]),
    }
    parameters
}

/// The fields of a type, each as a parameter.
fn of_type(place: &str, schema: &Schema) -> Vec<Value> {
    let required = |name: &String| {
        let required = schema.get("required").and_then(Value::as_array);
        required.is_some_and(|required| required.iter().any(|one| one == name))
    };
    let properties = schema.get("properties").and_then(Value::as_object);
    properties
        .into_iter()
        .flatten()
        .map(|(name, property)| {
            let mut property = without_null(property);
            let description = property
                .as_object_mut()
                .and_then(|property| property.remove("description"));
            let example = property
                .as_object_mut()
                .and_then(|property| property.remove("examples"))
                .and_then(|examples| examples.get(0).cloned());
            let mut parameter = json!({
                "name": name, "in": place, "required": required(name), "schema": property,
            });
            if let Some(example) = example {
                parameter["example"] = example;
            }
            if let Some(description) = description {
                parameter["description"] = description;
            }
            parameter
        })
        .collect()
}

/// A parameter can be absent, but there is no way to write that it is null.
fn without_null(property: &Value) -> Value {
    let mut property = property.clone();
    let Some(fields) = property.as_object_mut() else {
        return property;
    };
    if let Some(Value::Array(types)) = fields.get_mut("type") {
        types.retain(|one| one != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            fields.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(either)) = fields.get_mut("anyOf") {
        either.retain(|one| one.get("type").is_none_or(|of| of != "null"));
        if let [only] = either.as_slice() {
            let only = only.as_object().cloned().unwrap_or_default();
            fields.remove("anyOf");
            fields.extend(only);
        }
    }
    fields.remove("default");
    property
}

fn responses(route: &Route<Description>, generator: &mut SchemaGenerator) -> Value {
    let mut responses = Map::new();
    for status in route.side.shape.statuses {
        let mut response = json!({
            "description": success(*status, &route.method),
            "headers": headers(),
        });
        for header in route.side.shape.headers {
            response["headers"][header.name] = json!({
                "description": header.description,
                "schema": {"type": "string", "pattern": header.pattern},
            });
        }
        if let Some(schema) = (route.side.shape.answer)(generator) {
            response["content"] = json!({"application/json": {"schema": schema}});
        }
        if route.side.shape.has_csv {
            response["content"]["text/csv"] = json!({"schema": {"type": "string"}});
        }
        responses.insert(status.to_string(), response);
    }
    for status in route.problems() {
        let problem = json!({"$ref": format!("#/components/responses/{}", problem_name(status))});
        responses.insert(status.to_string(), problem);
    }
    responses.into()
}

fn success(status: u16, method: &Method) -> &'static str {
    match (status, method) {
        (201, _) => "It is there now",
        (202, _) => "It is going to be done",
        (204, _) => "It is gone",
        (_, &Method::GET) => "What was asked for",
        (_, _) => "What was done",
    }
}

fn headers() -> Value {
    json!({
        "X-Request-Id": {"description": "Names the request in the log", "schema": {"type": "string"}},
        "Cache-Control": {"description": "Always `no-store`", "schema": {"const": "no-store"}},
    })
}

/// Every status that tells of a problem: its name in the document, and what it means.
const PROBLEMS: [(u16, &str, &str); 12] = [
    (
        400,
        "BadRequest",
        "The body is no JSON, a part of the path breaks its rule, or a parameter of the query is unknown or breaks its rule",
    ),
    (
        401,
        "Unauthorized",
        "No token was shown, or one that is not taken: mistyped, expired or revoked",
    ),
    (
        403,
        "Forbidden",
        "The token does not give a role that is needed; `detail` names those that would do",
    ),
    (404, "NotFound", "There is no such thing"),
    (
        405,
        "MethodNotAllowed",
        "The path does not take this method; `Allow` lists those that it takes",
    ),
    (
        409,
        "Conflict",
        "What is there is in the way; `detail` says what",
    ),
    (
        412,
        "PreconditionFailed",
        "It is at another revision than `If-Match` or `If-None-Match` says",
    ),
    (
        413,
        "BodyTooLarge",
        "The body is larger than this API takes",
    ),
    (
        415,
        "UnsupportedContentType",
        "The body does not call itself JSON",
    ),
    (
        422,
        "Unprocessable",
        "What was sent cannot be used as it is; `errors` says where and why. Or the answer is larger than what can be sent at once",
    ),
    (
        500,
        "Internal",
        "Something here is broken; the log tells more under `request_id`",
    ),
    (
        503,
        "Unavailable",
        "Something that this needs did not answer: try again after the time in `Retry-After`",
    ),
];

fn problem_name(status: u16) -> &'static str {
    let found = PROBLEMS.iter().find(|(of, _, _)| *of == status);
    found.map_or("Problem", |(_, name, _)| name)
}

fn problems(schema: &Schema) -> Map<String, Value> {
    let of = |(status, name, description): (u16, &str, &str)| {
        let mut response = json!({
            "description": description,
            "headers": headers(),
            "content": {"application/problem+json": {"schema": schema}},
        });
        let header = match status {
            401 => Some((
                "WWW-Authenticate",
                json!({"type": "string", "pattern": "^Bearer"}),
            )),
            405 => Some(("Allow", json!({"type": "string"}))),
            503 => Some(("Retry-After", json!({"type": "integer", "minimum": 0}))),
            _ => None,
        };
        if let Some((header, schema)) = header {
            response["headers"][header] = json!({"required": true, "schema": schema});
        }
        (name.to_owned(), response)
    };
    PROBLEMS.into_iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routes;

    #[test]
    fn every_status_has_a_name_and_every_operation_says_what_it_is() {
        let mut operations = std::collections::BTreeSet::new();
        for route in routes::described() {
            for status in route.problems() {
                assert_ne!(problem_name(status), "Problem", "{route:?} {status}");
            }
            assert!(operations.insert(route.operation), "{route:?}");
            assert!(
                !route.side.summary.is_empty() && route.side.description.ends_with('.'),
                "{route:?}"
            );
        }
    }

    #[test]
    fn committed_document_is_that_of_the_routes() {
        assert!(
            text(&document(&routes::described())) == DOCUMENT,
            "shared/api/openapi.json is out of date: `make schemas` makes it anew"
        );
    }

    #[test]
    fn every_reference_leads_somewhere() {
        fn check(value: &Value, document: &Value) {
            match value {
                Value::Object(fields) => {
                    if let Some(Value::String(reference)) = fields.get("$ref") {
                        let pointer = reference.strip_prefix('#').unwrap();
                        assert!(document.pointer(pointer).is_some(), "{reference}");
                    }
                    fields.values().for_each(|field| check(field, document));
                }
                Value::Array(items) => items.iter().for_each(|item| check(item, document)),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
            }
        }
        let document = document(&routes::described());
        check(&document, &document);
    }

    #[test]
    fn parameter_that_may_be_absent_is_never_null() {
        for (property, expected) in [
            (
                json!({"type": ["integer", "null"], "minimum": 0}),
                json!({"type": "integer", "minimum": 0}),
            ),
            (
                json!({"anyOf": [{"$ref": "#/x"}, {"type": "null"}], "description": "d"}),
                json!({"$ref": "#/x", "description": "d"}),
            ),
            (
                json!({"type": "boolean", "default": false}),
                json!({"type": "boolean"}),
            ),
        ] {
            assert_eq!(without_null(&property), expected);
        }
    }
}
