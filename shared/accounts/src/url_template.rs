use startup::ConfigError;
use vendor_http::{BaseUrl, BaseUrlError};

/// The address of any account of a vendor, with a placeholder such as `{name}` for what tells them apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UrlTemplate {
    template: String,
    placeholder: &'static str,
}

impl UrlTemplate {
    /// A template with this placeholder, which is given without its braces.
    ///
    /// # Errors
    /// When the placeholder is not there once, when it makes no web address, and when credentials would
    /// go unencrypted to another machine.
    pub fn parse(template: &str, placeholder: &'static str) -> Result<Self, BaseUrlError> {
        BaseUrl::parse(template, placeholder, "example")?;
        Ok(Self {
            template: template.to_owned(),
            placeholder,
        })
    }

    /// Reads the variable `name`; `default` serves when it is not set.
    ///
    /// # Errors
    /// As [`UrlTemplate::parse`], with the variable's name.
    pub fn from_vars(
        variables: impl Fn(&str) -> Option<String>,
        name: &'static str,
        default: &str,
        placeholder: &'static str,
    ) -> Result<Self, ConfigError> {
        let template = variables(name);
        Self::parse(template.as_deref().unwrap_or(default), placeholder).map_err(|error| {
            ConfigError {
                name,
                problem: format!("cannot be used: {error}"),
            }
        })
    }

    /// The address of one account.
    ///
    /// # Errors
    /// When the value is not one DNS label. Give up: the account must be corrected.
    pub fn base(&self, value: &str) -> Result<BaseUrl, BaseUrlError> {
        BaseUrl::parse(&self.template, self.placeholder, value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEFAULT: &str = "https://{name}.example.com";

    fn read(value: Option<&str>) -> Result<UrlTemplate, ConfigError> {
        UrlTemplate::from_vars(|_| value.map(str::to_owned), "SYSTEM_URL", DEFAULT, "name")
    }

    #[test]
    fn accounts_are_at_the_default_unless_told_otherwise() {
        for (value, expected) in [
            (None, "https://dev1.example.com"),
            (
                Some("http://127.0.0.1:9000/system/{name}"),
                "http://127.0.0.1:9000/system/dev1",
            ),
        ] {
            let template = read(value).unwrap();
            assert_eq!(template.base("dev1").unwrap().to_string(), expected);
            assert!(template.base("evil.com/").is_err());
        }
    }

    #[test]
    fn address_that_cannot_be_used_stops_the_start() {
        for value in [
            "https://example.com",
            "https://{other}.example.com",
            "http://{name}.example.com",
            "{name}",
        ] {
            let error = read(Some(value)).unwrap_err().to_string();
            assert!(
                error.contains("SYSTEM_URL") && error.contains(value),
                "{error}"
            );
        }
    }
}
