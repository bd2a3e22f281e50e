use servicenow::BaseUrl;
use startup::ConfigError;
use vendor_http::BaseUrlError;

const URL: &str = "SERVICENOW_URL";
const DEFAULT_URL: &str = "https://{instance}.service-now.com";
const VARIABLE: &str = "instance";

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
        let url = variables(URL).unwrap_or_else(|| DEFAULT_URL.to_owned());
        Ok(Self {
            runner: task_runner::Config::from_vars(&variables)?,
            url: UrlTemplate::parse(&url).map_err(|error| ConfigError {
                name: URL,
                problem: format!("cannot be used: {error}"),
            })?,
        })
    }
}

/// The address of any instance, with `{instance}` in place of its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UrlTemplate(String);

impl UrlTemplate {
    /// # Errors
    /// When there is not one `{instance}`, when it makes no web address, and when credentials would go
    /// unencrypted to another machine.
    pub fn parse(template: &str) -> Result<Self, BaseUrlError> {
        BaseUrl::parse(template, VARIABLE, "example")?;
        Ok(Self(template.to_owned()))
    }

    /// The address of an instance.
    ///
    /// # Errors
    /// When the name is not one DNS label. Give up: the account must be corrected.
    pub(crate) fn base(&self, instance: &str) -> Result<BaseUrl, BaseUrlError> {
        BaseUrl::parse(&self.0, VARIABLE, instance)
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
