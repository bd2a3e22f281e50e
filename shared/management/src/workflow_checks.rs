use std::collections::BTreeMap;

use domain::endpoint::{EndpointKind, PlaceOrText};
use domain::trigger::{JsonEventTrigger, Trigger};
use domain::{Account, AccountName, AccountState, Endpoint, Vendor, Workflow, loops};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::WorkflowManagement;
use crate::error::Error;
use crate::problem::{FieldProblem, FieldWarning};

/// What is known to be wrong with a definition. It can be applied when nothing is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ValidationReport {
    /// Everything that is wrong.
    pub problems: Vec<FieldProblem>,
    /// What is worth a second look. It keeps nothing from being applied.
    #[serde(default)]
    pub warnings: Vec<FieldWarning>,
}

impl WorkflowManagement {
    /// What keeps a definition, valid in itself, from being applied here, and what is worth a second look.
    ///
    /// # Errors
    /// `Unavailable`; `Internal` when a row cannot be read.
    pub async fn validate_workflow(&self, workflow: &Workflow) -> Result<ValidationReport, Error> {
        let accounts = self.account_rows.list().await?;
        let used = self.accounts_of(workflow, &accounts).await?;
        let mut problems = account_problems(workflow, &used, &accounts);
        if let Trigger::JsonEvent(trigger) = &workflow.trigger {
            let endpoints = self.endpoint_rows.list().await?;
            problems.extend(json_event_problem(trigger, &endpoints));
        }
        let of_itself = loops::warnings(workflow).into_iter().map(Into::into);
        let mut warnings: Vec<FieldWarning> = of_itself.collect();
        warnings.extend(account_warnings(workflow, &used));
        Ok(ValidationReport { problems, warnings })
    }

    /// The accounts by the names that a workflow has for them; those that it only seems to have are missing.
    async fn accounts_of(
        &self,
        workflow: &Workflow,
        accounts: &[Account],
    ) -> Result<BTreeMap<AccountName, Account>, Error> {
        let mut found = BTreeMap::new();
        for task in &workflow.tasks {
            let name = &task.account;
            if found.contains_key(name) {
                continue;
            }
            let account = match accounts.iter().find(|account| account.name == *name) {
                Some(account) => Some(account.clone()),
                // It may be a name that an account had.
                None => self.account_rows.get(name).await?,
            };
            found.extend(account.map(|account| (name.clone(), account)));
        }
        Ok(found)
    }
}

/// What is wrong with the endpoint that a `json_event` names: no event that arrives there would have the type that is
/// listened to.
fn json_event_problem(trigger: &JsonEventTrigger, endpoints: &[Endpoint]) -> Option<FieldProblem> {
    let name = &trigger.endpoint;
    let problem = match endpoints.iter().find(|endpoint| endpoint.name == *name) {
        None => {
            let fit: Vec<String> = endpoints
                .iter()
                .filter(|endpoint| type_problem(endpoint).is_none())
                .map(|endpoint| format!("`{}`", endpoint.name))
                .collect();
            let known = if fit.is_empty() {
                "there is no json endpoint without a type yet: apply one first".to_owned()
            } else {
                format!("the json endpoints without a type are {}", fit.join(", "))
            };
            format!("found `{name}`, which is no endpoint; {known}")
        }
        Some(endpoint) => type_problem(endpoint)?,
    };
    Some(FieldProblem {
        path: "trigger.json_event.endpoint".to_owned(),
        problem,
    })
}

/// Why the events of an endpoint are not of the type `{endpoint}.received`.
fn type_problem(endpoint: &Endpoint) -> Option<String> {
    let name = &endpoint.name;
    let trigger = match endpoint.kind {
        EndpointKind::Json => {
            return match endpoint.mapping.as_ref()?.kind.as_ref()? {
                PlaceOrText::Text(kind) => Some(format!(
                    "found `{name}`, whose mapping sets the type `{kind}`: listen to it with `event: {{type: {kind}}}`"
                )),
                PlaceOrText::Place(place) => Some(format!(
                    "found `{name}`, whose mapping takes the type from `{}`: listen to the types that are found there with `event`",
                    place.as_str()
                )),
            };
        }
        EndpointKind::Qualtrics => "survey_response",
        EndpointKind::Cloudevents => "event",
        EndpointKind::Zendesk => "zendesk_event",
        EndpointKind::DatasetRecord => "dataset_record",
        EndpointKind::Servicenow => "servicenow_event",
    };
    Some(format!(
        "found the {} endpoint `{name}`, whose events have types of their own: listen to them with `{trigger}`",
        endpoint.kind
    ))
}

/// The tasks that would only wait, because of their accounts.
fn account_warnings(
    workflow: &Workflow,
    used: &BTreeMap<AccountName, Account>,
) -> Vec<FieldWarning> {
    let of_task = |(index, task): (usize, &domain::workflow::Task)| {
        let account = used.get(&task.account)?;
        let what = match account.state {
            AccountState::Connected => return None,
            AccountState::Connecting => "was never connected",
            AccountState::Reconnect => "must be connected again",
        };
        Some(FieldWarning {
            path: format!("tasks[{index}].account"),
            warning: format!(
                "the account `{}` {what}: until somebody connects it, this task waits, 26 hours at most",
                task.account
            ),
        })
    };
    workflow
        .tasks
        .iter()
        .enumerate()
        .filter_map(of_task)
        .collect()
}

/// What is wrong with the accounts that a workflow's tasks name. `used` has those that there are, by the names
/// in the workflow; `accounts` are all of them.
fn account_problems(
    workflow: &Workflow,
    used: &BTreeMap<AccountName, Account>,
    accounts: &[Account],
) -> Vec<FieldProblem> {
    let of_vendor = |vendor: Vendor| {
        let names: Vec<String> = accounts
            .iter()
            .filter(|account| account.vendor == vendor)
            .map(|account| format!("`{}`", account.name))
            .collect();
        if names.is_empty() {
            format!("there is no {vendor} account yet: connect one first")
        } else {
            format!("the {vendor} accounts are {}", names.join(", "))
        }
    };
    let problem = |index: usize, problem: String| FieldProblem {
        path: format!("tasks[{index}].account"),
        problem,
    };
    workflow
        .tasks
        .iter()
        .enumerate()
        .filter_map(|(index, task)| {
            let needed = task.kind.vendor();
            match used.get(&task.account) {
                Some(account) if account.vendor == needed => None,
                Some(account) => Some(problem(
                    index,
                    format!(
                        "found the {} account `{}`, expected a {needed} account for {}; {}",
                        account.vendor,
                        task.account,
                        task.kind,
                        of_vendor(needed)
                    ),
                )),
                None => Some(problem(
                    index,
                    format!(
                        "found `{}`, which is no account; {}",
                        task.account,
                        of_vendor(needed)
                    ),
                )),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{AccountKind, definition};
    use jiff::Timestamp;
    use serde_json::{Value, json};

    fn sample(task: &str, account: &str) -> Workflow {
        definition::workflow(&json!({
            "id": "w", "name": "W", "trigger": {"event": {"type": "a"}},
            "tasks": [
                {"id": "first", "kind": "zendesk.create_ticket", "account": "zd", "input": {"comment": "x"}},
                {"id": "second", "kind": task, "account": account, "input": {"table": "incident", "comment": "x"}},
            ]
        }))
        .unwrap()
    }

    fn account(name: &str, vendor: Vendor) -> Account {
        Account {
            name: AccountName::parse(name).unwrap(),
            vendor,
            instance: "x".to_owned(),
            kind: AccountKind::Bearer,
            state: AccountState::Connected,
            problem: None,
            owner: None,
            secret: "s".to_owned(),
            updated_at: Timestamp::UNIX_EPOCH,
            verified_at: None,
            used_at: None,
        }
    }

    #[test]
    fn accounts_must_exist_and_belong_to_the_tasks_vendor() {
        let zendesk = account("zd", Vendor::Zendesk);
        let servicenow = account("sn", Vendor::ServiceNow);
        let workflow = |name| sample("servicenow.create_record", name);
        let texts = |workflow: &Workflow, accounts: &[Account]| -> Vec<String> {
            let used = accounts
                .iter()
                .map(|account| (account.name.clone(), account.clone()))
                .collect();
            account_problems(workflow, &used, accounts)
                .iter()
                .map(ToString::to_string)
                .collect()
        };
        let both = [zendesk.clone(), servicenow];
        assert_eq!(texts(&workflow("sn"), &both), Vec::<String>::new());
        assert_eq!(
            texts(&workflow("zd"), &both),
            [
                "tasks[1].account: found the zendesk account `zd`, expected a servicenow account for servicenow.create_record; the servicenow accounts are `sn`"
            ]
        );
        assert_eq!(
            texts(&workflow("sn"), &[zendesk]),
            [
                "tasks[1].account: found `sn`, which is no account; there is no servicenow account yet: connect one first"
            ]
        );
        assert_eq!(texts(&workflow("sn"), &[]).len(), 2);
    }

    #[test]
    fn accounts_that_cannot_be_used_yet_are_warned_of() {
        let in_state = |state| Account {
            state,
            ..account("zd", Vendor::Zendesk)
        };
        for (state, words) in [
            (AccountState::Connected, None),
            (AccountState::Connecting, Some("never connected")),
            (AccountState::Reconnect, Some("connected again")),
        ] {
            let used = BTreeMap::from([(AccountName::parse("zd").unwrap(), in_state(state))]);
            let warnings = account_warnings(&sample("servicenow.create_record", "other"), &used);
            assert_eq!(warnings.len(), usize::from(words.is_some()));
            if let Some(words) = words {
                assert_eq!(warnings[0].path, "tasks[0].account");
                assert!(warnings[0].warning.contains(words), "{warnings:?}");
            }
        }
    }

    #[test]
    fn endpoint_of_a_json_event_must_be_one_whose_events_are_heard() {
        let endpoint = |name: &str, kind: &str, mapping: Option<Value>| {
            let mut document =
                json!({"name": name, "kind": kind, "verification": {"scheme": "bearer"}});
            if let Some(mapping) = mapping {
                document["mapping"] = mapping;
            }
            definition::endpoint(&document).unwrap()
        };
        let endpoints = [
            endpoint("plain", "json", None),
            endpoint("mapped", "json", Some(json!({"id": "/id"}))),
            endpoint("typed", "json", Some(json!({"type": "order.placed"}))),
            endpoint("placed", "json", Some(json!({"type": "/kind"}))),
            endpoint("survey", "qualtrics", None),
            endpoint("support", "zendesk", None),
        ];
        for (name, words) in [
            ("plain", None),
            ("mapped", None),
            (
                "nobody",
                Some("no endpoint; the json endpoints without a type are `plain`, `mapped`"),
            ),
            ("typed", Some("with `event: {type: order.placed}`")),
            ("placed", Some("from `/kind`")),
            ("survey", Some("with `survey_response`")),
            ("support", Some("with `zendesk_event`")),
        ] {
            let trigger = serde_json::from_value(json!({ "endpoint": name })).unwrap();
            let found = json_event_problem(&trigger, &endpoints);
            assert_eq!(found.is_some(), words.is_some(), "{found:?}");
            if let (Some(found), Some(words)) = (found, words) {
                assert_eq!(found.path, "trigger.json_event.endpoint");
                assert!(found.problem.contains(words), "{found}");
            }
        }
    }
}
