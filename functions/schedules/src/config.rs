//! What the function is told by its environment.

use startup::{ConfigError, required};

/// The names of what the function uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// `WORKFLOWS_TABLE`: the table of workflows.
    pub workflows_table: String,
    /// `EVENTS_TABLE`: the table of events.
    pub events_table: String,
    /// `EVENT_BUS`: the name or ARN of the bus.
    pub event_bus: String,
}

impl Config {
    /// Reads the variables, in production through [`startup::variable`].
    ///
    /// # Errors
    /// When one is not set. Give up: the deployment is wrong.
    pub fn from_vars(variables: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        Ok(Self {
            workflows_table: required(&variables, "WORKFLOWS_TABLE")?,
            events_table: required(&variables, "EVENTS_TABLE")?,
            event_bus: required(&variables, "EVENT_BUS")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_variable_is_needed_and_named() {
        for missing in ["WORKFLOWS_TABLE", "EVENTS_TABLE", "EVENT_BUS"] {
            let error =
                Config::from_vars(|name| (name != missing).then(|| "x".to_owned())).unwrap_err();
            assert_eq!(error.name, missing);
        }
        let config = Config::from_vars(|name| Some(name.to_lowercase())).unwrap();
        assert_eq!(
            [
                config.workflows_table,
                config.events_table,
                config.event_bus
            ],
            ["workflows_table", "events_table", "event_bus"]
        );
    }
}
