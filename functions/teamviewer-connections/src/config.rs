use startup::{ConfigError, required};

/// The names of what the function uses, and how often it fetches.
#[derive(Debug, Clone)]
pub struct Config {
    /// The table of connections.
    pub connections_table: String,
    /// The table of settings, histories and service cases.
    pub teamviewer_table: String,
    /// The accounts that are asked.
    pub accounts: accounts::Config,
    /// The bus that hears of connections.
    pub event_bus: String,
    /// The queue that the function's messages come from.
    pub queue_url: String,
    /// Every so many hours the history's window is fetched, unless the settings say otherwise.
    pub every_hours: u16,
    /// What service cases need besides.
    pub cases: service_cases::Config,
}

impl Config {
    /// Reads `CONNECTIONS_TABLE`, `TEAMVIEWER_TABLE`, `EVENT_BUS`, `QUEUE_URL`, `CONNECTIONS_EVERY_HOURS` and what
    /// [`accounts::Config`] and [`service_cases::Config`] read.
    ///
    /// # Errors
    /// The first variable that is not set, or not a number from 1 to 168.
    pub fn from_vars(variables: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        Ok(Self {
            connections_table: required(&variables, "CONNECTIONS_TABLE")?,
            teamviewer_table: required(&variables, "TEAMVIEWER_TABLE")?,
            accounts: accounts::Config::from_vars(&variables)?,
            event_bus: required(&variables, "EVENT_BUS")?,
            queue_url: required(&variables, "QUEUE_URL")?,
            every_hours: hours(&variables, "CONNECTIONS_EVERY_HOURS")?,
            cases: service_cases::Config::from_vars(&variables)?,
        })
    }
}

fn hours(
    variables: impl Fn(&str) -> Option<String>,
    name: &'static str,
) -> Result<u16, ConfigError> {
    let text = required(variables, name)?;
    text.parse()
        .ok()
        .filter(|hours| (1..=168).contains(hours))
        .ok_or_else(|| ConfigError {
            name,
            problem: format!("is `{text}`, expected a number from 1 to 168"),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(name: &str) -> Option<String> {
        match name {
            "CONNECTIONS_EVERY_HOURS" => Some("6".to_owned()),
            "MAIL_FROM" => None,
            other => Some(other.to_lowercase()),
        }
    }

    #[test]
    fn missing_or_useless_variable_is_named() {
        assert_eq!(Config::from_vars(given).unwrap().every_hours, 6);
        for missing in [
            "CONNECTIONS_TABLE",
            "TEAMVIEWER_TABLE",
            "ACCOUNTS_TABLE",
            "EVENT_BUS",
            "QUEUE_URL",
            "SECRET_PREFIX",
            "CONNECTIONS_EVERY_HOURS",
        ] {
            let variables = |name: &str| given(name).filter(|_| name != missing);
            assert_eq!(Config::from_vars(variables).unwrap_err().name, missing);
        }
        for useless in ["0", "169", "-1", "often"] {
            let variables = |name: &str| {
                let useless = (name == "CONNECTIONS_EVERY_HOURS").then(|| useless.to_owned());
                useless.or_else(|| given(name))
            };
            let error = Config::from_vars(variables).unwrap_err().to_string();
            assert!(error.contains("CONNECTIONS_EVERY_HOURS") && error.contains(useless));
        }
    }
}
