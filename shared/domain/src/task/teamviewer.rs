//! What the TeamViewer task takes.

use schemars::JsonSchema;
use serde::Deserialize;

use super::value::{Email, Moment, OrBlank, Text};
use super::{InputError, Stage};

/// The most characters of a description, and of what is shown to a waiting customer.
///
/// Source: <https://webapi.teamviewer.com/api/v1/docs/index>, `POST /sessions`.
pub const LONGEST_TEXT: usize = 4_000;
/// The most characters of a customer's name.
pub const LONGEST_NAME: usize = 100;
/// The most characters of a customer's e-mail address.
pub const LONGEST_EMAIL: usize = 254;

/// Input of `teamviewer.create_session`. The session carries the task's own key, by which one is found whose creation was
/// never confirmed. What is blank is left out.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(bound = "S: Stage", deny_unknown_fields)]
#[schemars(bound = "S: Stage")]
pub struct CreateSession<S: Stage> {
    /// The group that the session belongs to: its id (`g` and digits), or the name of one that is there.
    pub group: S::Of<Text>,
    /// What it is about, at most 4,000 characters.
    pub description: Option<S::Of<Text>>,
    /// What the customer reads while waiting, at most 4,000 characters.
    pub waiting_message: Option<S::Of<Text>>,
    /// The customer's name, at most 100 characters.
    pub customer_name: Option<S::Of<Text>>,
    /// The customer's e-mail address. None when blank.
    pub customer_email: Option<S::Of<OrBlank<Email>>>,
    /// The supporter whom it is assigned to, by id: `u` and digits, `u0` for nobody. The account's own user when absent.
    pub assigned_to: Option<S::Of<Text>>,
    /// Until when the session can be used. A day from its creation on when absent or blank.
    pub valid_until: Option<S::Of<OrBlank<Moment>>>,
    /// The ServiceNow task that its connections belong to.
    pub task: Option<SessionTask<S>>,
}

/// A ServiceNow task: at least `sys_id` or `number`, unless all are blank.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(bound = "S: Stage", deny_unknown_fields)]
#[schemars(bound = "S: Stage")]
pub struct SessionTask<S: Stage> {
    /// The instance, such as `dev12345`.
    pub instance: Option<S::Of<Text>>,
    /// The table, such as `incident`.
    pub table: Option<S::Of<Text>>,
    /// The record's id.
    pub sys_id: Option<S::Of<Text>>,
    /// The record's number, such as `INC0010001`.
    pub number: Option<S::Of<Text>>,
}

impl<S: Stage> CreateSession<S> {
    /// Checks what can be known before piped text is filled in, or all of it afterwards.
    ///
    /// # Errors
    /// The field that is wrong. Give up: the same input fails again.
    pub fn check(&self) -> Result<(), InputError> {
        let wrong = |path: &str, problem: String| {
            Err(InputError {
                path: path.to_owned(),
                problem,
            })
        };
        if S::known(&self.group).is_some_and(Text::is_blank) {
            return wrong(
                "group",
                "is blank, expected a group's id or name".to_owned(),
            );
        }
        for (path, text, most) in [
            ("description", &self.description, LONGEST_TEXT),
            ("waiting_message", &self.waiting_message, LONGEST_TEXT),
            ("customer_name", &self.customer_name, LONGEST_NAME),
        ] {
            let length = text
                .as_ref()
                .and_then(S::known)
                .map_or(0, |text: &Text| text.as_str().chars().count());
            if length > most {
                let problem = format!("found {length} characters, expected at most {most}");
                return wrong(path, problem);
            }
        }
        let email = self.customer_email.as_ref().and_then(S::known);
        let email = email.and_then(OrBlank::get);
        let length = email.map_or(0, |email: &Email| email.as_str().chars().count());
        if length > LONGEST_EMAIL {
            let problem = format!("found {length} characters, expected at most {LONGEST_EMAIL}");
            return wrong("customer_email", problem);
        }
        if let Some(assigned) = self.assigned_to.as_ref().and_then(S::known)
            && !assigned.is_blank()
            && !is_user(assigned.as_str())
        {
            let problem = format!("found `{assigned}`, expected `u` and digits, such as u1234");
            return wrong("assigned_to", problem);
        }
        let instance = self.task.as_ref().and_then(|task| task.instance.as_ref());
        if let Some(instance) = instance.and_then(S::known)
            && !instance.is_blank()
            && !is_instance(instance.as_str())
        {
            let problem = format!("found `{instance}`, expected its name alone, such as dev12345");
            return wrong("task.instance", problem);
        }
        Ok(())
    }
}

/// Whether it can be the name of an instance, which is that of its host.
fn is_instance(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    text.trim().bytes().all(is_part)
}

fn is_user(text: &str) -> bool {
    text.strip_prefix('u').is_some_and(|digits| {
        (1..=19).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use crate::TaskKind;
    use serde_json::{Value, json};

    fn check(input: Value) -> Result<(), String> {
        let kind = TaskKind::TeamViewerCreateSession;
        kind.check_input(&input).map_err(|error| error.to_string())
    }

    #[test]
    fn session_needs_a_group_and_fields_that_fit() {
        let long = "ä".repeat(4_001);
        for (input, expected) in [
            (json!({"group": "g123"}), None),
            (
                json!({
                    "group": "Support", "description": "{{ event.data.text }}", "customer_name": "Ann",
                    "customer_email": "ann@example.com", "assigned_to": "u0", "valid_until": "2026-11-23T10:00:00Z",
                    "task": {"table": "incident", "number": "{{ tasks.incident.output.number }}"}
                }),
                None,
            ),
            (
                json!({"group": "g1", "description": "ä".repeat(4_000)}),
                None,
            ),
            (
                json!({"group": "g1", "customer_email": " ", "valid_until": ""}),
                None,
            ),
            (
                json!({"group": "g1", "valid_until": "soon"}),
                Some("valid_until"),
            ),
            (json!({}), Some("missing field `group`")),
            (json!({"group": " "}), Some("group: is blank")),
            (
                json!({"group": "g1", "description": long}),
                Some("description: found 4001"),
            ),
            (
                json!({"group": "g1", "assigned_to": "ann"}),
                Some("assigned_to: found `ann`"),
            ),
            (
                json!({"group": "g1", "custom_api": "x"}),
                Some("unknown field `custom_api`"),
            ),
            (
                json!({"group": "g1", "task": {"id": "x"}}),
                Some("unknown field `id`"),
            ),
            (
                json!({"group": "g1", "task": {"instance": "DEV12345", "number": "INC0010001"}}),
                None,
            ),
            (
                json!({"group": "g1", "task": {"instance": "https://dev12345.service-now.com"}}),
                Some("task.instance: found `https://dev12345.service-now.com`"),
            ),
            (
                json!({"group": "g1", "customer_email": "nobody"}),
                Some("customer_email"),
            ),
        ] {
            let problem = check(input.clone()).err();
            match (expected, &problem) {
                (None, None) => {}
                (Some(expected), Some(problem)) => {
                    assert!(problem.contains(expected), "{problem}");
                }
                _ => panic!("{input}: {problem:?}"),
            }
        }
    }
}
