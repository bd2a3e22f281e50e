use startup::{ConfigError, required};

/// The names of what the function uses, and for how long it keeps what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The table of workflows.
    pub workflows_table: String,
    /// The table of runs.
    pub runs_table: String,
    /// The table of events.
    pub events_table: String,
    /// The bus for requests and for the ends of runs.
    pub event_bus: String,
    /// The queue that the function's messages come from.
    pub queue_url: String,
    /// Days until a run's rows expire.
    pub run_retention_days: u32,
    /// Days until an event's row expires.
    pub event_retention_days: u32,
}

impl Config {
    /// Reads `WORKFLOWS_TABLE`, `RUNS_TABLE`, `EVENTS_TABLE`, `EVENT_BUS`, `QUEUE_URL`,
    /// `RUN_RETENTION_DAYS`, `EVENT_RETENTION_DAYS`.
    ///
    /// # Errors
    /// The first variable that is not set, or not a number of days.
    pub fn from_vars(variables: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        Ok(Self {
            workflows_table: required(&variables, "WORKFLOWS_TABLE")?,
            runs_table: required(&variables, "RUNS_TABLE")?,
            events_table: required(&variables, "EVENTS_TABLE")?,
            event_bus: required(&variables, "EVENT_BUS")?,
            queue_url: required(&variables, "QUEUE_URL")?,
            run_retention_days: days(&variables, "RUN_RETENTION_DAYS")?,
            event_retention_days: days(&variables, "EVENT_RETENTION_DAYS")?,
        })
    }
}

fn days(
    variables: impl Fn(&str) -> Option<String>,
    name: &'static str,
) -> Result<u32, ConfigError> {
    let text = required(variables, name)?;
    text.parse()
        .ok()
        .filter(|days| *days > 0)
        .ok_or_else(|| ConfigError {
            name,
            problem: format!("is `{text}`, expected a number of days from 1"),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retention_that_is_not_a_number_of_days_is_named() {
        let variables = |days: &'static str| {
            move |name: &str| Some(if name.ends_with("DAYS") { days } else { "x" }.to_owned())
        };
        assert_eq!(
            Config::from_vars(variables("30"))
                .unwrap()
                .run_retention_days,
            30
        );
        for days in ["0", "-1", "a month"] {
            let error = Config::from_vars(variables(days)).unwrap_err().to_string();
            assert!(
                error.contains("RUN_RETENTION_DAYS") && error.contains(days),
                "{error}"
            );
        }
    }
}
