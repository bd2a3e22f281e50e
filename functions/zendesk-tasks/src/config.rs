use startup::ConfigError;
use task_runner::UrlTemplate;

const URL: &str = "ZENDESK_URL";
const DEFAULT_URL: &str = "https://{subdomain}.zendesk.com";
const PLACEHOLDER: &str = "subdomain";

/// What the function is told by its environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// What every task function needs.
    pub runner: task_runner::Config,
    /// Where accounts are.
    pub url: UrlTemplate,
}

impl Config {
    /// Reads what [`task_runner::Config`] reads, and `ZENDESK_URL`: the address of an account with
    /// `{subdomain}` in place of its subdomain. It is `https://{subdomain}.zendesk.com` when not set.
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
    fn accounts_are_in_the_cloud_unless_told_otherwise() {
        for (url, expected) in [
            (None, "https://dev1.zendesk.com"),
            (
                Some("http://127.0.0.1:9000/zendesk/{subdomain}"),
                "http://127.0.0.1:9000/zendesk/dev1",
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
            "https://zendesk.com",
            "http://{subdomain}.zendesk.com",
            "{subdomain}",
        ] {
            let error = config(Some(url)).unwrap_err().to_string();
            assert!(error.contains(URL) && error.contains(url), "{error}");
        }
    }
}
