//! What `template.yaml` says about tables, functions and rules, so that nothing of it is said twice.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, bail};
use serde_json::{Map, Value, json};

use crate::pattern;

/// Reads YAML in which only `true` and `false` are booleans: `AttributeType: N` is a text.
///
/// # Errors
/// When it is no YAML.
pub fn yaml(text: &str) -> anyhow::Result<Value> {
    let options = serde_saphyr::options! {
        strict_booleans: true,
    };
    Ok(serde_saphyr::from_str_with_options(text, options)?)
}

/// The template. Short forms of functions (`!Ref X`) are read as what they are applied to (`X`).
#[derive(Debug)]
pub struct Template {
    document: Value,
}

/// A function, as it is deployed.
#[derive(Debug)]
pub struct Function {
    /// Megabytes, which also say how much of a processor it gets.
    pub memory: u64,
    /// Its variables.
    pub variables: BTreeMap<String, String>,
    /// The queue that it takes from.
    pub queue: Option<String>,
    /// How many messages of it at most at once.
    pub batch: usize,
}

/// A rule of the bus.
#[derive(Debug)]
pub struct Rule {
    pattern: Value,
    /// Where what it matches goes.
    pub queue: String,
}

impl Rule {
    /// Whether an event is one that the rule is for.
    ///
    /// # Errors
    /// When the pattern says something that is not known here.
    pub fn matches(&self, event: &Value) -> anyhow::Result<bool> {
        pattern::matches(&self.pattern, event)
    }
}

impl Template {
    /// Reads the file.
    ///
    /// # Errors
    /// When it is not there, or no YAML.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        Ok(Self {
            document: yaml(&text).context("the template is no YAML")?,
        })
    }

    fn resources(&self, kind: &str) -> impl Iterator<Item = (&String, &Value)> {
        let all = self.document["Resources"].as_object().into_iter().flatten();
        all.filter(move |(_, resource)| resource["Type"] == kind)
            .map(|(name, resource)| (name, &resource["Properties"]))
    }

    /// The requests that create the tables, which are named by their logical ids.
    pub fn tables(&self) -> Vec<Value> {
        let keys = [
            "BillingMode",
            "AttributeDefinitions",
            "KeySchema",
            "GlobalSecondaryIndexes",
        ];
        self.resources("AWS::DynamoDB::Table")
            .map(|(name, properties)| {
                let mut request: Map<_, _> = keys
                    .iter()
                    .filter_map(|key| Some(((*key).to_owned(), properties.get(key)?.clone())))
                    .collect();
                request.insert("TableName".to_owned(), json!(name));
                Value::Object(request)
            })
            .collect()
    }

    /// The rules of the bus, with the queues that they fill.
    ///
    /// # Errors
    /// When a target is no queue.
    pub fn rules(&self) -> anyhow::Result<Vec<Rule>> {
        let mut rules = Vec::new();
        for (name, properties) in self.resources("AWS::Events::Rule") {
            let targets = properties["Targets"].as_array();
            for target in targets.into_iter().flatten() {
                let queue = target["Arn"]
                    .as_str()
                    .and_then(|arn| arn.strip_suffix(".Arn"));
                rules.push(Rule {
                    pattern: properties["EventPattern"].clone(),
                    queue: queue
                        .with_context(|| format!("no queue in {name}"))?
                        .to_owned(),
                });
            }
        }
        Ok(rules)
    }

    /// The function whose code is in this folder. `value` says what stands for a reference.
    ///
    /// # Errors
    /// When there is none, or it has no memory.
    pub fn function(
        &self,
        folder: &str,
        value: impl Fn(&str) -> Option<String>,
    ) -> anyhow::Result<Function> {
        let found = self
            .resources("AWS::Serverless::Function")
            .find(|(_, properties)| properties["CodeUri"] == folder);
        let Some((_, properties)) = found else {
            bail!("no function in {folder}");
        };
        let globals = &self.document["Globals"]["Function"];
        let variables = [globals, properties]
            .into_iter()
            .filter_map(|of| of["Environment"]["Variables"].as_object())
            .flatten()
            .filter_map(|(name, said)| {
                let text = match said {
                    Value::String(reference) => self.resolve(reference, &value),
                    Value::Number(number) => number.to_string(),
                    Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
                        return None;
                    }
                };
                Some((name.clone(), text))
            })
            .collect();
        let memory = properties["MemorySize"]
            .as_u64()
            .or_else(|| globals["MemorySize"].as_u64());
        let messages = &properties["Events"]["Messages"]["Properties"];
        let batch = messages["BatchSize"].as_u64().unwrap_or(1);
        Ok(Function {
            memory: memory.context("no MemorySize")?,
            variables,
            batch: usize::try_from(batch)?,
            queue: messages["Queue"]
                .as_str()
                .and_then(|arn| arn.strip_suffix(".Arn"))
                .map(str::to_owned),
        })
    }

    /// What a reference stands for: what `value` says, else a parameter's default, else itself.
    fn resolve(&self, reference: &str, value: &impl Fn(&str) -> Option<String>) -> String {
        value(reference)
            .or_else(
                || match &self.document["Parameters"][reference]["Default"] {
                    Value::String(text) => Some(text.clone()),
                    Value::Number(number) => Some(number.to_string()),
                    Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
                },
            )
            .unwrap_or_else(|| reference.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template() -> Template {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        Template::read(&root.join("template.yaml")).unwrap()
    }

    #[test]
    fn tables_are_created_as_the_template_has_them() {
        let tables = template().tables();
        let find = |name: &str| {
            tables
                .iter()
                .find(|table| table["TableName"] == name)
                .unwrap()
        };
        let runs = find("RunsTable");
        assert_eq!(
            runs["KeySchema"],
            json!([{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}])
        );
        assert_eq!(runs["GlobalSecondaryIndexes"].as_array().unwrap().len(), 2);
        // An `N` is no `false`.
        let types: Vec<_> = find("EventsTable")["AttributeDefinitions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|attribute| attribute["AttributeType"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(types, ["S", "S", "N"]);
    }

    #[test]
    fn variables_of_a_function_are_resolved() {
        let value =
            |reference: &str| (reference == "EvaluateQueue").then(|| "the queue".to_owned());
        let function = template().function("functions/evaluate", value).unwrap();
        let variable = |name: &str| function.variables.get(name).map(String::as_str);
        assert_eq!(variable("RUNS_TABLE"), Some("RunsTable"));
        assert_eq!(variable("QUEUE_URL"), Some("the queue"));
        assert_eq!(variable("RUN_RETENTION_DAYS"), Some("90"));
        assert_eq!(variable("RUST_LOG"), Some("info"));
        assert_eq!(function.queue.as_deref(), Some("EvaluateQueue"));
        assert_eq!((function.memory, function.batch), (256, 10));
        assert!(template().function("functions/nothing", value).is_err());
    }

    #[test]
    fn rules_send_to_the_queues_that_the_template_names() {
        let rules = template().rules().unwrap();
        let queues = |event: Value| -> Vec<_> {
            let hits = rules.iter().filter(|rule| rule.matches(&event).unwrap());
            hits.map(|rule| rule.queue.clone()).collect()
        };
        let request = json!({
            "source": "closedloop.evaluate", "detail-type": "task.requested", "detail": {"kind": "zendesk.create_ticket"},
        });
        assert_eq!(queues(request), ["ZendeskTasksQueue"]);
        let ended =
            json!({"source": "closedloop.tasks", "detail-type": "task.succeeded", "detail": {}});
        assert_eq!(queues(ended), ["EvaluateQueue"]);
        let event =
            json!({"source": "closedloop.ingest", "detail-type": "review.created", "detail": {}});
        assert_eq!(queues(event), ["EvaluateQueue"]);
        let foreign =
            json!({"source": "someone.else", "detail-type": "review.created", "detail": {}});
        assert!(queues(foreign).is_empty());
    }
}
