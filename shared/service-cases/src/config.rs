use startup::{ConfigError, required};

/// The names of what service cases need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The table of connections and service cases.
    pub table: String,
    /// The bus that hears of closed cases, and of customers who come online.
    pub event_bus: String,
    /// The queue of the function that fetches connections.
    pub queue_url: String,
    /// How session codes are mailed.
    pub mail: mail::Config,
}

impl Config {
    /// Reads `TEAMVIEWER_TABLE`, `EVENT_BUS`, `TEAMVIEWER_QUEUE_URL` and what [`mail::Config`] reads.
    ///
    /// # Errors
    /// The first variable that must be set and is not, or cannot be used.
    pub fn from_vars(variables: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        Ok(Self {
            table: required(&variables, "TEAMVIEWER_TABLE")?,
            event_bus: required(&variables, "EVENT_BUS")?,
            queue_url: required(&variables, "TEAMVIEWER_QUEUE_URL")?,
            mail: mail::Config::from_vars(&variables)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_variable_is_named() {
        let given = |name: &str| (!name.starts_with("MAIL")).then(|| name.to_lowercase());
        assert_eq!(Config::from_vars(given).unwrap().table, "teamviewer_table");
        for missing in ["TEAMVIEWER_TABLE", "EVENT_BUS", "TEAMVIEWER_QUEUE_URL"] {
            let error = Config::from_vars(|name| given(name).filter(|_| name != missing));
            assert_eq!(error.unwrap_err().name, missing);
        }
    }
}
