//! What every function does once, while it starts: read its variables, install its log, connect to AWS.
//!
//! This is the only place that reads the process environment, the clock and randomness.

mod log_line;

use std::time::Duration;

/// Credentials, region and connections, from which every AWS client is made.
pub use aws::Config as AwsConfig;
use jiff::Timestamp;
use tracing::Subscriber;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;

use crate::log_line::LogLine;

/// The allocator of every function. An event makes and drops some thousand small values; the C library's allocator took a
/// quarter of the instructions that were spent on it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A variable that the function cannot start without.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the environment variable {name} {problem}")]
pub struct ConfigError {
    /// The variable.
    pub name: &'static str,
    /// What is wrong with it.
    pub problem: String,
}

/// The value of an environment variable; `None` when it is not set or empty.
pub fn variable(name: &str) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that may")]
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Reads a variable that must be there, from `variables` (in production [`variable`]).
///
/// # Errors
/// When it is not set or empty.
pub fn required(
    variables: impl Fn(&str) -> Option<String>,
    name: &'static str,
) -> Result<String, ConfigError> {
    variables(name).ok_or_else(|| ConfigError {
        name,
        problem: "is not set".to_owned(),
    })
}

/// The current time. Functions get it as an argument.
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// Random bytes that nobody can guess.
///
/// # Errors
/// When the operating system has none to give. Nothing secret can be made then.
pub fn random<const N: usize>() -> Result<[u8; N], NoRandomness> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(NoRandomness)?;
    Ok(bytes)
}

/// The operating system gave no random bytes.
#[derive(Debug, thiserror::Error)]
#[error("the operating system gave no random bytes")]
pub struct NoRandomness(#[source] getrandom::Error);

/// A name that no other process has.
///
/// # Errors
/// As [`random`].
pub fn process_name() -> Result<String, NoRandomness> {
    Ok(hex::encode(random::<16>()?))
}

/// Writes the log to standard output, one JSON object a line, as CloudWatch Logs Insights reads it. The
/// level is that of `RUST_LOG` (`warn`, or by parts of the program: `info,accounts=debug`), `info` when it is not set or
/// cannot be read. `trace` is `debug`: some libraries trace whole requests. Doing it twice has no effect.
pub fn tracing() {
    // Not `EnvFilter`: it would bring an engine for regular expressions of values, and look at every span's fields.
    let wanted = variable("RUST_LOG").unwrap_or_default();
    let levels = levels(&wanted);
    let is_readable = levels.is_some();
    let subscriber = subscriber(std::io::stdout, levels.unwrap_or_else(usual_levels));
    // An installed subscriber stays: the only error there is.
    if tracing::subscriber::set_global_default(subscriber).is_err() {
        tracing::debug!("the log is installed already");
    }
    if !is_readable {
        tracing::warn!(wanted, "RUST_LOG cannot be read: the level is info");
    }
}

/// The log as it is when `RUST_LOG` is not set, written elsewhere: for tests.
pub fn log_to<W>(writer: W) -> impl Subscriber
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    subscriber(writer, usual_levels())
}

fn subscriber<W>(writer: W, levels: Targets) -> impl Subscriber
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt::layer()
        .fmt_fields(LogLine)
        .event_format(LogLine)
        .with_writer(writer);
    tracing_subscriber::registry().with(lines).with(levels)
}

fn usual_levels() -> Targets {
    Targets::new().with_default(LevelFilter::INFO)
}

/// `None` when it cannot be read. (What `Targets` reads by itself takes a misspelt level for a part of the program.)
fn levels(text: &str) -> Option<Targets> {
    let level = |text: &str| {
        let level = text.trim().parse::<LevelFilter>().ok()?;
        Some(level.min(LevelFilter::DEBUG))
    };
    let parts = text.split(',').map(str::trim);
    let mut levels = usual_levels();
    for part in parts.filter(|part| !part.is_empty()) {
        levels = match part.split_once('=') {
            Some((target, wanted)) => levels.with_target(target.trim(), level(wanted)?),
            None => levels.with_default(level(part)?),
        };
    }
    Some(levels)
}

/// How long the function may still run, when the platform ends it at `deadline` (milliseconds since 1970).
///
/// `cargo lambda watch` gives a duration for a deadline. Such a one, decades back, says nothing: the function
/// then has [`TIME_WITHOUT_DEADLINE`].
pub fn time_left(deadline: u64, now: Timestamp) -> Duration {
    let now = u64::try_from(now.as_millisecond()).unwrap_or(0);
    if deadline < now / 2 {
        return TIME_WITHOUT_DEADLINE;
    }
    Duration::from_millis(deadline.saturating_sub(now))
}

/// The time of a function that does not know its deadline.
pub const TIME_WITHOUT_DEADLINE: Duration = Duration::from_secs(30);

/// An error with its causes, for a log line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// Credentials, region and connections for the AWS clients of this process, from the variables that Lambda sets.
///
/// # Errors
/// The variable that is missing; when connections cannot be secured.
pub fn aws_config() -> Result<AwsConfig, aws::ConfigError> {
    AwsConfig::from_vars(variable)
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn time_is_left_until_the_deadline_and_some_where_there_is_none() {
        let now = Timestamp::from_millisecond(1_795_262_400_000).unwrap();
        for (deadline, left) in [
            (1_795_262_410_250, Duration::from_millis(10_250)),
            (1_795_262_400_000, Duration::ZERO),
            (1_795_262_399_000, Duration::ZERO),
            (600_000, TIME_WITHOUT_DEADLINE),
            (0, TIME_WITHOUT_DEADLINE),
        ] {
            assert_eq!(time_left(deadline, now), left, "{deadline}");
        }
    }

    #[test]
    fn levels_are_read_and_misspelt_ones_refused() {
        let level_of = |text: &str, target: &str| {
            let levels = levels(text)?;
            let all = [
                Level::ERROR,
                Level::WARN,
                Level::INFO,
                Level::DEBUG,
                Level::TRACE,
            ];
            all.into_iter()
                .rfind(|level| levels.would_enable(target, level))
        };
        for (text, other, accounts) in [
            ("", Level::INFO, Level::INFO),
            ("info,", Level::INFO, Level::INFO),
            (" WARN ", Level::WARN, Level::WARN),
            ("warn, accounts=debug", Level::WARN, Level::DEBUG),
            ("accounts = error", Level::INFO, Level::ERROR),
            ("trace,accounts=trace", Level::DEBUG, Level::DEBUG),
        ] {
            assert_eq!(
                level_of(text, "lambda_runtime::layers"),
                Some(other),
                "{text}"
            );
            assert_eq!(level_of(text, "accounts::ready"), Some(accounts), "{text}");
        }
        for misspelt in ["warning", "info,accounts=loud", "accounts"] {
            assert!(levels(misspelt).is_none(), "{misspelt}");
        }
    }

    #[test]
    fn missing_variable_is_named() {
        let error = required(|_| None, "RUNS_TABLE").unwrap_err();
        assert_eq!(
            error.to_string(),
            "the environment variable RUNS_TABLE is not set"
        );
        assert_eq!(
            required(|name| Some(format!("{name}!")), "RUNS_TABLE").unwrap(),
            "RUNS_TABLE!"
        );
    }
}
