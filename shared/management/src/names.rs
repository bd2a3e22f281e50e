use domain::EndpointName;
use startup::{ConfigError, required};

/// What the parts of a stack are called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
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
    /// The event bus.
    pub event_bus: String,
    /// What the names of all secrets begin with.
    pub secret_prefix: String,
    /// The key that secrets are encrypted with; `None` means the AWS account's own.
    pub kms_key: Option<String>,
    /// The address of the HTTP API, without a slash at its end.
    pub public_url: String,
}

impl Names {
    /// The names in a function's environment variables.
    ///
    /// # Errors
    /// When a variable is not set; only `SECRETS_KMS_KEY` may be absent.
    pub fn from_vars(variables: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let text = |name| required(&variables, name);
        Ok(Self {
            endpoints_table: text("ENDPOINTS_TABLE")?,
            accounts_table: text("ACCOUNTS_TABLE")?,
            workflows_table: text("WORKFLOWS_TABLE")?,
            runs_table: text("RUNS_TABLE")?,
            events_table: text("EVENTS_TABLE")?,
            event_bus: text("EVENT_BUS")?,
            secret_prefix: text("SECRET_PREFIX")?,
            kms_key: variables("SECRETS_KMS_KEY"),
            public_url: text("PUBLIC_URL")?.trim_end_matches('/').to_owned(),
        })
    }
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

    #[test]
    fn every_variable_but_the_key_is_needed() {
        let names = Names::from_vars(|name| Some(format!("{name}/"))).unwrap();
        assert_eq!(names.event_bus, "EVENT_BUS/");
        assert_eq!(names.public_url, "PUBLIC_URL");
        let without = |missing: &'static str| {
            Names::from_vars(move |name| (name != missing).then(|| name.to_owned()))
        };
        assert_eq!(without("SECRETS_KMS_KEY").unwrap().kms_key, None);
        for missing in ["ENDPOINTS_TABLE", "EVENT_BUS", "PUBLIC_URL"] {
            assert_eq!(without(missing).unwrap_err().name, missing);
        }
    }
}
