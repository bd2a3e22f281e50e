use startup::ConfigError;
use task_runner::UrlTemplate;

const URL: &str = "SERVICENOW_URL";
const DEFAULT_URL: &str = "https://{instance}.service-now.com";
const PLACEHOLDER: &str = "instance";

/// What the function is told by its environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// What every task function needs.
    pub runner: task_runner::Config,
    /// Where instances are.
    pub url: UrlTemplate,
}

impl Config {
    /// Reads what [`task_runner::Config`] reads, and `SERVICENOW_URL`: the address of an instance with
    /// `{instance}` in place of its name. It is `https://{instance}.service-now.com` when not set.
    ///
    /// # Errors
    /// The first variable that is not set or cannot be used.
    pub fn from_vars(variables: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        Ok(Self {
            runner: task_runner::Config::from_vars(&variables)?,
            url: UrlTemplate::from_vars(variables, URL, DEFAULT_URL, PLACEHOLDER)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(url: Option<&str>) -> Result<Config, ConfigError> {
        Config::from_vars(|name| match name {
            URL => url.map(str::to_owned),
            other => Some(other.to_lowercase()),
        })
    }

    #[test]
    fn instances_are_in_the_cloud_unless_told_otherwise() {
        for (url, expected) in [
            (None, "https://dev1.service-now.com"),
            (
                Some("http://127.0.0.1:9000/servicenow/{instance}"),
                "http://127.0.0.1:9000/servicenow/dev1",
            ),
        ] {
            let config = config(url).unwrap();
            assert_eq!(config.url.base("dev1").unwrap().to_string(), expected);
            assert_eq!(config.runner.runs_table, "runs_table");
        }
    }

    #[test]
    fn address_that_cannot_be_used_stops_the_start() {
        for url in [
            "https://service-now.com",
            "http://{instance}.service-now.com",
            "{instance}",
        ] {
            let error = config(Some(url)).unwrap_err().to_string();
            assert!(error.contains(URL) && error.contains(url), "{error}");
        }
    }
}
