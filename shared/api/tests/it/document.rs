//! The OpenAPI document against what is answered.

use std::sync::LazyLock;

use api::{openapi, routes};
use serde_json::{Value, json};

use crate::scene::{Answer, Scene, ask};

static DOCUMENT: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(openapi::DOCUMENT).unwrap());

/// What a schema of the document says about a value.
pub(crate) fn problems(schema: &Value, value: &Value) -> Vec<String> {
    let whole = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "components": DOCUMENT["components"], "allOf": [schema],
    });
    let validator = jsonschema::validator_for(&whole).unwrap();
    validator
        .iter_errors(value)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect()
}

fn matches(template: &str, path: &str) -> bool {
    let (template, path): (Vec<&str>, Vec<&str>) =
        (template.split('/').collect(), path.split('/').collect());
    template.len() == path.len()
        && template
            .iter()
            .zip(&path)
            .all(|(of, part)| of.starts_with('{') || of == part)
}

/// Checks that an answer of a path that there is, is one that the document knows.
pub(crate) fn check(method: &str, path: &str, answer: &Answer) {
    let paths = DOCUMENT["paths"].as_object().unwrap();
    // The longest way of writing it is the most exact one: `/v1/me` before `/v1/{x}`.
    let Some((template, methods)) = paths.iter().find(|(of, _)| matches(of, path)) else {
        assert_eq!(answer.status, 404);
        return;
    };
    let Some(operation) = methods.get(method.to_ascii_lowercase()) else {
        assert_eq!(answer.status, 405, "{method} {template}");
        return;
    };
    let mut response = &operation["responses"][answer.status.to_string()];
    assert!(
        response.is_object(),
        "{method} {template} may not answer {}",
        answer.status
    );
    if let Some(reference) = response["$ref"].as_str() {
        response = DOCUMENT.pointer(reference.trim_start_matches('#')).unwrap();
    }
    for (name, header) in response["headers"].as_object().unwrap() {
        let found = answer.headers.get(&name.to_ascii_lowercase());
        assert!(
            found.is_some() || header["required"] != true,
            "{method} {template}: {name}"
        );
    }
    match response.get("content").and_then(Value::as_object) {
        None => assert_eq!(answer.body, Value::Null),
        Some(content) => {
            let content_type = answer.headers["content-type"].split(';').next().unwrap();
            let schema = &content[content_type]["schema"];
            let problems = problems(schema, &answer.body);
            assert_eq!(
                problems,
                Vec::<String>::new(),
                "{method} {template}: {}",
                answer.body
            );
        }
    }
}

#[tokio::test]
async fn document_is_served_to_everybody() {
    let scene = Scene::new().await;
    let answer = scene.ask(ask("GET", "/v1/openapi.json")).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body["openapi"], "3.1.0");
    let operations: usize = answer.body["paths"]
        .as_object()
        .unwrap()
        .values()
        .map(|methods| methods.as_object().unwrap().len())
        .sum();
    assert_eq!(operations, routes::described().len());
}

#[test]
fn every_body_has_an_example_that_its_schema_takes() {
    for (path, methods) in DOCUMENT["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let Some(body) = operation.get("requestBody") else {
                continue;
            };
            let content = &body["content"]["application/json"];
            let example = content
                .get("example")
                .unwrap_or_else(|| panic!("{method} {path}"));
            let problems = problems(&content["schema"], example);
            assert_eq!(problems, Vec::<String>::new(), "{method} {path}");
        }
    }
}

#[test]
fn every_part_of_a_path_has_an_example_that_its_schema_takes() {
    for (path, methods) in DOCUMENT["paths"].as_object().unwrap() {
        for operation in methods.as_object().unwrap().values() {
            let parameters = operation["parameters"].as_array().cloned();
            for parameter in parameters.unwrap_or_default() {
                if parameter["in"] == "path" {
                    let problems = problems(&parameter["schema"], &parameter["example"]);
                    assert_eq!(problems, Vec::<String>::new(), "{path}");
                }
            }
        }
    }
}

#[test]
fn schemas_are_those_of_json_schema() {
    for (name, schema) in DOCUMENT["components"]["schemas"].as_object().unwrap() {
        assert!(jsonschema::meta::is_valid(schema), "{name}: {schema}");
    }
}
