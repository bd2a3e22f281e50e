use startup::{ConfigError, required};

/// The names of what the function uses, and how much it may ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The table of limits.
    pub limits_table: String,
    /// The accounts that responses are fetched with.
    pub accounts: accounts::Config,
    /// The bus for the responses.
    pub event_bus: String,
    /// The queue that the function's messages come from.
    pub queue_url: String,
    /// Responses that may be fetched in a minute with one account. Qualtrics allows 240 for a whole brand.
    pub responses_per_minute: u32,
}

impl Config {
    /// Reads `LIMITS_TABLE`, `EVENT_BUS`, `QUEUE_URL`, `RESPONSES_PER_MINUTE` and what [`accounts::Config`] reads.
    ///
    /// # Errors
    /// The first variable that is not set, or not a number from 1.
    pub fn from_vars(variables: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        Ok(Self {
            limits_table: required(&variables, "LIMITS_TABLE")?,
            accounts: accounts::Config::from_vars(&variables)?,
            event_bus: required(&variables, "EVENT_BUS")?,
            queue_url: required(&variables, "QUEUE_URL")?,
            responses_per_minute: number(&variables, "RESPONSES_PER_MINUTE")?,
        })
    }
}

fn number(
    variables: impl Fn(&str) -> Option<String>,
    name: &'static str,
) -> Result<u32, ConfigError> {
    let text = required(variables, name)?;
    text.parse()
        .ok()
        .filter(|number| *number > 0)
        .ok_or_else(|| ConfigError {
            name,
            problem: format!("is `{text}`, expected a number from 1"),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_or_useless_variable_is_named() {
        let given = |name: &str| {
            let number = name == "RESPONSES_PER_MINUTE";
            Some(if number {
                "200".to_owned()
            } else {
                name.to_lowercase()
            })
        };
        assert_eq!(Config::from_vars(given).unwrap().responses_per_minute, 200);
        for missing in [
            "LIMITS_TABLE",
            "ACCOUNTS_TABLE",
            "EVENT_BUS",
            "QUEUE_URL",
            "SECRET_PREFIX",
            "RESPONSES_PER_MINUTE",
        ] {
            let variables = |name: &str| given(name).filter(|_| name != missing);
            assert_eq!(Config::from_vars(variables).unwrap_err().name, missing);
        }
        for useless in ["0", "-1", "many"] {
            let variables = |name: &str| {
                given(name).map(|value| {
                    let number = name == "RESPONSES_PER_MINUTE";
                    if number { useless.to_owned() } else { value }
                })
            };
            let error = Config::from_vars(variables).unwrap_err().to_string();
            assert!(error.contains("RESPONSES_PER_MINUTE") && error.contains(useless));
        }
    }
}
