use clap::ValueEnum;
use domain::definition;
use schemars::Schema;

use super::Ending;
use crate::error::Error;
use crate::output::Output;

/// What there is a schema of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Of workflow definitions
    Workflow,
    /// Of endpoint definitions
    Endpoint,
    /// Of mail templates
    MailTemplate,
    /// Of what is set for TeamViewer
    TeamviewerSettings,
}

pub(crate) fn print(kind: Kind, output: &mut Output<'_>) -> Result<Ending, Error> {
    output.json(&schema(kind))?;
    Ok(Ending::Good)
}

fn schema(kind: Kind) -> Schema {
    match kind {
        Kind::Workflow => definition::workflow_schema(),
        Kind::Endpoint => definition::endpoint_schema(),
        Kind::MailTemplate => definition::mail_template_schema(),
        Kind::TeamviewerSettings => definition::teamviewer_settings_schema(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::{Path, PathBuf};

    use jsonschema::Validator;
    use serde_json::{Value, json};

    fn repository(path: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
    }

    #[test]
    fn committed_schemas_are_those_that_are_printed() {
        for (kind, name) in [
            (Kind::Workflow, "workflow"),
            (Kind::Endpoint, "endpoint"),
            (Kind::MailTemplate, "mail-template"),
            (Kind::TeamviewerSettings, "teamviewer-settings"),
        ] {
            let mut printed = Vec::new();
            print(kind, &mut Output::new(&mut printed, false)).unwrap();
            let path = repository(&format!("schemas/{name}.schema.json"));
            let committed = std::fs::read(&path).unwrap_or_default();
            assert!(
                committed == printed,
                "{} is out of date: `cargo run -q -p closedloop -- schema {name} > schemas/{name}.schema.json`",
                path.display()
            );
        }
    }

    fn validator(kind: Kind) -> Validator {
        jsonschema::validator_for(schema(kind).as_value()).unwrap()
    }

    /// The samples as plain documents, with the names of their files.
    fn samples(folder: &str) -> Vec<(String, Value)> {
        crate::definition_files::load(
            &[repository(folder)],
            |document| Ok(document.clone()),
            Value::to_string,
        )
        .unwrap()
        .into_iter()
        .map(|located| (located.place, located.definition))
        .collect()
    }

    #[test]
    fn samples_pass_definition_and_schema() {
        let problems = |kind: Kind, document: &Value| match kind {
            Kind::Workflow => definition::workflow(document).err(),
            Kind::Endpoint => definition::endpoint(document).err(),
            Kind::MailTemplate => definition::mail_template(document).err(),
            Kind::TeamviewerSettings => definition::teamviewer_settings(document).err(),
        };
        for (kind, folder) in [(Kind::Workflow, "workflows"), (Kind::Endpoint, "endpoints")] {
            let validator = validator(kind);
            let samples = samples(folder);
            assert!(samples.len() >= 3, "{folder}");
            for (place, document) in samples {
                assert_eq!(problems(kind, &document), None, "{place}");
                let errors: Vec<String> = validator
                    .iter_errors(&document)
                    .map(|error| format!("{}: {error}", error.instance_path()))
                    .collect();
                assert!(errors.is_empty(), "{place}: {errors:#?}");
            }
        }
    }

    fn with(place: &str, value: Value) -> Value {
        let mut document = json!({
            "id": "w", "name": "W", "trigger": {"event": {"type": "review.created"}},
            "when": {"all": [{"field": "data.rating", "less_than": 3}]},
            "tasks": [{
                "id": "incident", "kind": "servicenow.create_record", "account": "sn",
                "input": {"table": "incident", "urgency": "high"}
            }]
        });
        let (parent, name) = place.rsplit_once('/').unwrap();
        let parent = document.pointer_mut(parent).unwrap();
        parent
            .as_object_mut()
            .unwrap()
            .insert(name.to_owned(), value);
        document
    }

    #[test]
    fn editors_and_the_command_line_accept_the_same_workflows() {
        let validator = validator(Kind::Workflow);
        for (place, value, good) in [
            ("/name", json!("Other"), true),
            ("/enabled", json!(false), true),
            ("/enabled", json!("no"), false),
            ("/id", json!("Not A Slug"), false),
            ("/colour", json!("red"), false),
            (
                "/trigger",
                json!({"event": {"type": ["a", "b"], "subject": "s"}}),
                true,
            ),
            ("/trigger", json!({"schedule": "daily"}), false),
            ("/trigger", json!({"event": {}}), false),
            (
                "/when",
                json!({"any": [{"field": "type", "equals": "x"}, {"none": []}]}),
                true,
            ),
            (
                "/when",
                json!({"field": "data.rating", "lower_than": 3}),
                false,
            ),
            ("/when", json!({"all": [], "any": []}), false),
            ("/tasks", json!([]), false),
            ("/tasks/0/id", json!("with-hyphen"), false),
            ("/tasks/0/kind", json!("servicenow.delete_record"), false),
            ("/tasks/0/need", json!([]), false),
            (
                "/tasks/0/input/urgency",
                json!("{{ event.data.urgency }}"),
                true,
            ),
            ("/tasks/0/input/urgency", json!("hgh"), false),
            ("/tasks/0/input/state", json!("In Progress"), true),
            ("/tasks/0/input/state", json!("somewhere"), false),
            ("/tasks/0/input/shortdescription", json!("x"), false),
            ("/tasks/0/input/table", json!("Incident!"), false),
            ("/tasks/0/input/fields", json!({"u_score": 3}), true),
            ("/tasks/0/input/fields", json!({"u_score": {"a": 1}}), false),
        ] {
            let document = with(place, value);
            assert_eq!(validator.is_valid(&document), good, "schema: {document}");
            assert_eq!(
                definition::workflow(&document).is_ok(),
                good,
                "definition: {document}"
            );
        }
    }

    #[test]
    fn what_no_schema_can_say_is_left_to_the_command_line() {
        let validator = validator(Kind::Workflow);
        let text = "{{ tasks.ticket.output.id }}";
        for (place, value) in [
            // A text may stand for a number.
            (
                "/when",
                json!({"field": "data.rating", "less_than": "many"}),
            ),
            ("/tasks/0/needs", json!(["ticket"])),
            ("/tasks/0/needs", json!(["incident"])),
            ("/tasks/0/input/description", json!(text)),
            ("/tasks/0/input/description", json!("{{ event.data. }}")),
        ] {
            let document = with(place, value);
            assert!(validator.is_valid(&document), "schema: {document}");
            assert!(
                definition::workflow(&document).is_err(),
                "definition: {document}"
            );
        }
    }

    #[test]
    fn editors_and_the_command_line_accept_the_same_endpoints() {
        let validator = validator(Kind::Endpoint);
        let bearer = json!({"scheme": "bearer"});
        for (document, good) in [
            (
                json!({"name": "a", "kind": "json", "verification": bearer}),
                true,
            ),
            (
                json!({"name": "a", "kind": "fax", "verification": bearer}),
                false,
            ),
            (json!({"name": "a", "kind": "json"}), false),
            (
                json!({"name": "a", "kind": "json", "verification": {"scheme": "none"}}),
                false,
            ),
            (
                json!({"name": "a", "kind": "json", "verification": {"scheme": "none", "accept_unverified_requests": false}}),
                false,
            ),
            (
                json!({"name": "a", "kind": "json", "verification": {"scheme": "none", "accept_unverified_requests": true}}),
                true,
            ),
            (
                json!({"name": "a", "kind": "json", "verification": {"scheme": "header"}}),
                false,
            ),
            (
                json!({"name": "a", "kind": "json", "verification": bearer, "mapping": {"id": "/id", "type": "fixed"}}),
                true,
            ),
            (
                json!({"name": "a", "kind": "json", "verification": bearer, "mapping": {"id": "id"}}),
                false,
            ),
        ] {
            assert_eq!(validator.is_valid(&document), good, "schema: {document}");
            assert_eq!(
                definition::endpoint(&document).is_ok(),
                good,
                "definition: {document}"
            );
        }
    }
}
