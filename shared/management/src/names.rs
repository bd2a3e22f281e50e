use domain::EndpointName;
use startup::{ConfigError, required};

/// What the parts of a stack are called, for whoever may do everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// What workflows, events and runs consist of.
    pub workflows: WorkflowNames,
    /// What endpoints consist of, and where it is found who uses an account.
    pub accounts: AccountNames,
    /// What connections and service cases are kept in.
    pub teamviewer: TeamViewerNames,
}

/// What workflows, events and runs consist of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkflowNames {
    /// The table of endpoints.
    pub endpoints_table: String,
    /// The table of accounts.
    pub accounts_table: String,
    /// The table of workflows.
    pub workflows_table: String,
    /// The table of runs.
    pub runs_table: String,
    /// The table of events.
    pub events_table: String,
    /// Days until a run's rows expire.
    pub run_retention_days: u32,
    /// The event bus.
    pub event_bus: String,
    /// What the schedules of workflows are made of.
    pub schedules: ScheduleNames,
    /// The functions that know what a task sends.
    pub task_functions: TaskFunctionNames,
}

/// What endpoints consist of, and where it is found who uses an account. What accounts consist of is in [`accounts::Config`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountNames {
    /// The table of endpoints.
    pub endpoints_table: String,
    /// What the names of all secrets begin with.
    pub secret_prefix: String,
    /// The key that secrets are encrypted with; `None` means the AWS account's own.
    pub kms_key: Option<String>,
    /// The address of the HTTP API, without a slash at its end.
    pub public_url: String,
    /// The table of workflows.
    pub workflows_table: String,
    /// The table of what is set for `TeamViewer`.
    pub teamviewer_table: String,
}

/// What remote-support connections and service cases are kept in, and what else is known of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TeamViewerNames {
    /// The table of connections.
    pub connections_table: String,
    /// The table of service cases, of settings, of templates, and of where the history stands.
    pub teamviewer_table: String,
    /// The queue of the function that talks to TeamViewer.
    pub queue_url: String,
    /// The event bus.
    pub event_bus: String,
    /// Whom mail comes from.
    pub mail: mail::Config,
    /// Every how many hours connections are fetched when the settings do not say.
    pub every_hours: u16,
}

/// The task functions, which are asked what a task would send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskFunctionNames {
    /// That of `ServiceNow`.
    pub servicenow: String,
    /// That of Zendesk.
    pub zendesk: String,
    /// That of `TeamViewer`.
    pub teamviewer: String,
}

/// What the schedules of workflows are made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleNames {
    /// The group that they are in.
    pub group: String,
    /// The ARN of the function that they call.
    pub function: String,
    /// The ARN of the role as which they do.
    pub role: String,
    /// The ARN of the queue for what could not be delivered.
    pub dead_letters: String,
}

impl WorkflowNames {
    /// The names in a function's environment variables.
    ///
    /// # Errors
    /// When a variable is not set, or cannot be used.
    pub fn from_vars(variables: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let text = |name| required(&variables, name);
        Ok(Self {
            endpoints_table: text("ENDPOINTS_TABLE")?,
            accounts_table: text("ACCOUNTS_TABLE")?,
            workflows_table: text("WORKFLOWS_TABLE")?,
            runs_table: text("RUNS_TABLE")?,
            events_table: text("EVENTS_TABLE")?,
            run_retention_days: days("RUN_RETENTION_DAYS", &text("RUN_RETENTION_DAYS")?)?,
            event_bus: text("EVENT_BUS")?,
            schedules: ScheduleNames {
                group: text("SCHEDULE_GROUP")?,
                function: text("SCHEDULES_FUNCTION")?,
                role: text("SCHEDULER_ROLE")?,
                dead_letters: text("SCHEDULE_DEAD_LETTERS")?,
            },
            task_functions: TaskFunctionNames {
                servicenow: text("SERVICENOW_TASKS_FUNCTION")?,
                zendesk: text("ZENDESK_TASKS_FUNCTION")?,
                teamviewer: text("TEAMVIEWER_TASKS_FUNCTION")?,
            },
        })
    }
}

impl AccountNames {
    /// The names in a function's environment variables.
    ///
    /// # Errors
    /// When a variable is not set; only `SECRETS_KMS_KEY` may be absent.
    pub fn from_vars(variables: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let text = |name| required(&variables, name);
        Ok(Self {
            endpoints_table: text("ENDPOINTS_TABLE")?,
            secret_prefix: text("SECRET_PREFIX")?,
            kms_key: variables("SECRETS_KMS_KEY"),
            public_url: text("PUBLIC_URL")?.trim_end_matches('/').to_owned(),
            workflows_table: text("WORKFLOWS_TABLE")?,
            teamviewer_table: text("TEAMVIEWER_TABLE")?,
        })
    }
}

impl TeamViewerNames {
    /// The names in a function's environment variables.
    ///
    /// # Errors
    /// When a variable is not set, or cannot be used; only those of mail may be absent.
    pub fn from_vars(variables: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let text = |name| required(&variables, name);
        Ok(Self {
            connections_table: text("CONNECTIONS_TABLE")?,
            teamviewer_table: text("TEAMVIEWER_TABLE")?,
            queue_url: text("TEAMVIEWER_QUEUE_URL")?,
            event_bus: text("EVENT_BUS")?,
            mail: mail::Config::from_vars(&variables)?,
            every_hours: hours("CONNECTIONS_EVERY_HOURS", &text("CONNECTIONS_EVERY_HOURS")?)?,
        })
    }
}

fn hours(name: &'static str, text: &str) -> Result<u16, ConfigError> {
    let hours = text.parse().ok().filter(|hours| (1..=168).contains(hours));
    hours.ok_or_else(|| ConfigError {
        name,
        problem: format!("is `{text}`, expected a number of hours from 1 to 168"),
    })
}

fn days(name: &'static str, text: &str) -> Result<u32, ConfigError> {
    let days = text.parse().ok().filter(|days| *days > 0);
    days.ok_or_else(|| ConfigError {
        name,
        problem: format!("is `{text}`, expected a number of days from 1"),
    })
}

/// The address to which an endpoint's events are posted, below the API's address or given as a whole.
pub fn events_url(base: &str, endpoint: &EndpointName) -> String {
    let path = format!("/events/{endpoint}");
    let base = base.trim_end_matches('/');
    format!("{}{path}", base.strip_suffix(&path).unwrap_or(base))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn url_is_the_apis_followed_by_the_endpoint() {
        let survey = EndpointName::parse("survey").unwrap();
        for base in [
            "https://api.example.com",
            "https://api.example.com/",
            "https://api.example.com/events/survey",
        ] {
            assert_eq!(
                events_url(base, &survey),
                "https://api.example.com/events/survey"
            );
        }
        assert_eq!(
            events_url(
                "http://localhost:4566/_aws/execute-api/a1/$default",
                &survey
            ),
            "http://localhost:4566/_aws/execute-api/a1/$default/events/survey"
        );
    }

    fn variable(name: &str) -> String {
        match name {
            "RUN_RETENTION_DAYS" => "90".to_owned(),
            "CONNECTIONS_EVERY_HOURS" => "6".to_owned(),
            "MAIL_FROM" => "Help <help@example.com>".to_owned(),
            other => format!("{other}/"),
        }
    }

    fn all_but(missing: &str) -> impl Fn(&str) -> Option<String> {
        move |name| (name != missing).then(|| variable(name))
    }

    #[test]
    fn every_variable_of_workflows_is_needed() {
        let names = WorkflowNames::from_vars(all_but("")).unwrap();
        assert_eq!(names.event_bus, "EVENT_BUS/");
        let text = WorkflowNames::from_vars(|name| Some(format!("{name}/")));
        assert_eq!(text.unwrap_err().name, "RUN_RETENTION_DAYS");
        for missing in [
            "ENDPOINTS_TABLE",
            "RUN_RETENTION_DAYS",
            "EVENT_BUS",
            "SCHEDULE_GROUP",
        ] {
            let names = WorkflowNames::from_vars(all_but(missing));
            assert_eq!(names.unwrap_err().name, missing);
        }
    }

    #[test]
    fn every_variable_of_accounts_but_the_key_is_needed() {
        let names = AccountNames::from_vars(all_but("SECRETS_KMS_KEY")).unwrap();
        assert_eq!(
            (names.kms_key, names.public_url.as_str()),
            (None, "PUBLIC_URL")
        );
        for missing in [
            "ENDPOINTS_TABLE",
            "SECRET_PREFIX",
            "PUBLIC_URL",
            "WORKFLOWS_TABLE",
            "TEAMVIEWER_TABLE",
        ] {
            let names = AccountNames::from_vars(all_but(missing));
            assert_eq!(names.unwrap_err().name, missing);
        }
    }

    #[test]
    fn every_variable_of_teamviewer_but_the_sender_is_needed() {
        let silent = TeamViewerNames::from_vars(all_but("MAIL_FROM")).unwrap();
        assert_eq!((silent.mail.from, silent.every_hours), (None, 6));
        assert_eq!(hours("H", "168").unwrap(), 168);
        for odd in ["0", "169", "six", ""] {
            assert_eq!(hours("H", odd).unwrap_err().name, "H", "{odd}");
        }
        for missing in [
            "CONNECTIONS_TABLE",
            "TEAMVIEWER_TABLE",
            "TEAMVIEWER_QUEUE_URL",
            "EVENT_BUS",
        ] {
            let names = TeamViewerNames::from_vars(all_but(missing));
            assert_eq!(names.unwrap_err().name, missing);
        }
    }
}
