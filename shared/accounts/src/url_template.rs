use startup::ConfigError;
use vendor_http::{BaseUrl, BaseUrlError};

/// The address of any account of a vendor, with a placeholder such as `{name}` for what tells them apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UrlTemplate {
    template: String,
    placeholder: &'static str,
    /// Whether the vendor may have one address for all accounts.
    shared: bool,
}

impl UrlTemplate {
    /// A template with this placeholder, which is given without its braces.
    ///
    /// # Errors
    /// When the placeholder is not there once, when it makes no web address, and when credentials would
    /// go unencrypted to another machine.
    pub fn parse(template: &str, placeholder: &'static str) -> Result<Self, BaseUrlError> {
        Self {
            template: template.to_owned(),
            placeholder,
            shared: false,
        }
        .checked()
    }

    /// The address of a vendor that has one for all accounts: the placeholder may be missing.
    ///
    /// # Errors
    /// As [`UrlTemplate::parse`], but for the missing placeholder.
    pub fn parse_shared(template: &str, placeholder: &'static str) -> Result<Self, BaseUrlError> {
        Self {
            template: template.to_owned(),
            placeholder,
            shared: true,
        }
        .checked()
    }

    fn checked(self) -> Result<Self, BaseUrlError> {
        self.base("example")?;
        Ok(self)
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
        Self::parse(template.as_deref().unwrap_or(default), placeholder).map_err(unusable(name))
    }

    /// As [`UrlTemplate::from_vars`], for a vendor that has one address for all accounts.
    ///
    /// # Errors
    /// As [`UrlTemplate::parse_shared`], with the variable's name.
    pub fn shared_from_vars(
        variables: impl Fn(&str) -> Option<String>,
        name: &'static str,
        default: &str,
        placeholder: &'static str,
    ) -> Result<Self, ConfigError> {
        let template = variables(name);
        Self::parse_shared(template.as_deref().unwrap_or(default), placeholder)
            .map_err(unusable(name))
    }

    /// The address of one account.
    ///
    /// # Errors
    /// When the value is not one DNS label. Give up: the account must be corrected.
    pub fn base(&self, value: &str) -> Result<BaseUrl, BaseUrlError> {
        let parse = if self.shared {
            BaseUrl::parse_optional
        } else {
            BaseUrl::parse
        };
        parse(&self.template, self.placeholder, value)
    }
}

fn unusable(name: &'static str) -> impl FnOnce(BaseUrlError) -> ConfigError {
    move |error| ConfigError {
        name,
        problem: format!("cannot be used: {error}"),
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
    fn vendor_may_have_one_address_for_all() {
        for (template, expected) in [
            ("https://webapi.example.com", "https://webapi.example.com"),
            (
                "http://127.0.0.1:9000/system/{name}",
                "http://127.0.0.1:9000/system/acme",
            ),
        ] {
            let template = UrlTemplate::parse_shared(template, "name").unwrap();
            assert_eq!(template.base("acme").unwrap().to_string(), expected);
            assert!(template.base("evil.com/").is_err());
        }
        for wrong in ["http://example.com", "https://{other}.example.com"] {
            assert!(UrlTemplate::parse_shared(wrong, "name").is_err(), "{wrong}");
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
