//! What the function is told by its environment.

use startup::{ConfigError, required};

/// The names of what the function uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// `ENDPOINTS_TABLE`: the table of endpoints.
    pub endpoints_table: String,
    /// `EVENT_BUS`: the name or ARN of the bus.
    pub event_bus: String,
    /// `SECRET_PREFIX`: secrets are at `{SECRET_PREFIX}/endpoints/{name}`.
    pub secret_prefix: String,
}

impl Config {
    /// Reads the variables, in production through [`startup::variable`].
    ///
    /// # Errors
    /// When one is not set. Give up: the deployment is wrong.
    pub fn from_vars(variables: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        Ok(Self {
            endpoints_table: required(&variables, "ENDPOINTS_TABLE")?,
            event_bus: required(&variables, "EVENT_BUS")?,
            secret_prefix: required(&variables, "SECRET_PREFIX")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_variable_is_needed_and_named() {
        for missing in ["ENDPOINTS_TABLE", "EVENT_BUS", "SECRET_PREFIX"] {
            let error =
                Config::from_vars(|name| (name != missing).then(|| "x".to_owned())).unwrap_err();
            assert_eq!(error.name, missing);
        }
        let config = Config::from_vars(|name| Some(name.to_ascii_lowercase())).unwrap();
        assert_eq!(
            config,
            Config {
                endpoints_table: "endpoints_table".to_owned(),
                event_bus: "event_bus".to_owned(),
                secret_prefix: "secret_prefix".to_owned()
            }
        );
    }
}
