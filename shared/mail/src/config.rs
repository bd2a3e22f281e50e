use startup::ConfigError;

use crate::Sender;

/// How a stack sends mail.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    /// Whom mail comes from; nothing is sent without.
    pub from: Option<Sender>,
    /// SES's configuration set for it.
    pub configuration_set: Option<String>,
}

impl Config {
    /// Reads `MAIL_FROM`, such as `Acme Care <care@acme.com>`, and `MAIL_CONFIGURATION_SET`; neither needs to be set.
    ///
    /// # Errors
    /// When `MAIL_FROM` is no address.
    pub fn from_vars(variables: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let from = variables("MAIL_FROM")
            .map(|text| Sender::parse(&text))
            .transpose()
            .map_err(|error| ConfigError {
                name: "MAIL_FROM",
                problem: error.to_string(),
            })?;
        Ok(Self {
            from,
            configuration_set: variables("MAIL_CONFIGURATION_SET"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sender_is_checked_at_the_start_and_may_be_absent() {
        assert_eq!(Config::from_vars(|_| None).unwrap(), Config::default());
        let from = |text: &'static str| {
            Config::from_vars(move |name| (name == "MAIL_FROM").then(|| text.to_owned()))
        };
        assert!(from("Acme <care@acme.com>").unwrap().from.is_some());
        let error = from("Acme").unwrap_err().to_string();
        assert!(
            error.contains("MAIL_FROM") && error.contains("ann@example.com"),
            "{error}"
        );
    }
}
