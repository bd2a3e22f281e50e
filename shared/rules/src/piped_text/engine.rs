//! The template engine as piped text uses it.

use std::io;
use std::sync::LazyLock;

use minijinja::value::{Rest, ValueKind};
use minijinja::{AutoEscape, Environment, ErrorKind, State, UndefinedBehavior, Value, filters};

use super::{Error, MAX_STEPS, MAX_VALUE_DEPTH, RenderProblem};

/// Filters that make text of any size from a number in the template, mark text as HTML (nothing here is),
/// or show the engine's own form of a value.
const REMOVED_FILTERS: [&str; 8] = [
    "format", "indent", "batch", "slice", "safe", "pprint", "chain", "zip",
];
/// How much of a template's line an error quotes, in characters.
const MAX_QUOTED_CHARACTERS: usize = 80;

pub(super) static ENGINE: LazyLock<Engine> = LazyLock::new(Engine::new);

pub(super) struct Engine {
    environment: Environment<'static>,
}

impl Engine {
    fn new() -> Self {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Chainable);
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        environment.set_fuel(Some(MAX_STEPS));
        environment.set_formatter(write_value);
        if let Ok(syntax) = minijinja::syntax::SyntaxConfig::builder()
            .keep_trailing_newline(true)
            .build()
        {
            environment.set_syntax(syntax);
        }
        for name in REMOVED_FILTERS {
            environment.remove_filter(name);
        }
        // They show or share state: the whole context, and variables that outlive their loop.
        environment.remove_global("debug");
        environment.remove_global("namespace");
        environment.add_filter("truncate", truncate);
        for (name, filter) in value_filters() {
            environment.add_filter(name, move |state: &mut State, arguments: Rest<Value>| {
                match arguments.first() {
                    Some(input) if input.is_undefined() => Ok(Value::UNDEFINED),
                    _ => filter.call(state, &arguments),
                }
            });
        }
        for name in ["length", "count"] {
            environment.add_filter(name, length);
        }
        Self { environment }
    }

    /// Whether the engine can parse the template.
    pub(super) fn check(&self, source: &str) -> Result<(), Error> {
        let environment: &Environment<'_> = &self.environment;
        environment
            .template_from_str(source)
            .map(|_| ())
            .map_err(|error| syntax_error(&error, source))
    }

    /// Whether the engine can parse the inside of a tag by itself.
    pub(super) fn check_expression(&self, expression: &str) -> Result<(), Error> {
        let environment: &Environment<'_> = &self.environment;
        environment
            .compile_expression(expression)
            .map(|_| ())
            .map_err(|error| syntax_error(&error, expression))
    }

    pub(super) fn has_filter(&self, name: &str) -> bool {
        let called = self.environment.empty_state().apply_filter(name, &[]);
        !called.is_err_and(|error| error.kind() == ErrorKind::UnknownFilter)
    }

    pub(super) fn has_test(&self, name: &str) -> bool {
        let called = self.environment.empty_state().perform_test(name, &[]);
        !called.is_err_and(|error| error.kind() == ErrorKind::UnknownTest)
    }

    pub(super) fn render(
        &self,
        source: &str,
        context: &Value,
        output: &mut Limited,
    ) -> Result<serde_json::Value, RenderProblem> {
        let environment: &Environment<'_> = &self.environment;
        environment
            .template_from_str(source)
            .map_err(|error| syntax_error(&error, source))?
            .render_captured_to(context.clone(), &mut *output)
            .map_err(|error| render_problem(&error))?;
        Ok(serde_json::Value::String(output.take_text()))
    }

    pub(super) fn evaluate(
        &self,
        expression: &str,
        context: &Value,
        output: &mut Limited,
    ) -> Result<serde_json::Value, RenderProblem> {
        let environment: &Environment<'_> = &self.environment;
        let value = environment
            .compile_expression(expression)
            .map_err(|error| syntax_error(&error, expression))?
            .eval(context.clone())
            .map_err(|error| render_problem(&error))?;
        if value.is_undefined() || value.is_none() {
            return Ok(serde_json::Value::String(String::new()));
        }
        // Written only to be measured: reading numbers back from text can change their last digit.
        serde_json::to_writer(&mut *output, &value).map_err(|error| {
            if error.is_io() {
                RenderProblem::OutputTooLarge
            } else {
                RenderProblem::NotJson
            }
        })?;
        serde_json::to_value(&value).map_err(|_| RenderProblem::NotJson)
    }
}

/// The engine's form of a JSON value in which null is a missing value; none when it nests too deep.
pub(super) fn context(json: &serde_json::Value) -> Option<Value> {
    context_at(json, 0)
}

fn context_at(json: &serde_json::Value, depth: usize) -> Option<Value> {
    if depth > MAX_VALUE_DEPTH {
        return None;
    }
    Some(match json {
        serde_json::Value::Null => Value::UNDEFINED,
        serde_json::Value::Bool(boolean) => Value::from(*boolean),
        serde_json::Value::Number(number) => number_value(number),
        serde_json::Value::String(text) => Value::from(text.as_str()),
        serde_json::Value::Array(members) => {
            let members: Option<Vec<Value>> = members
                .iter()
                .map(|member| context_at(member, depth + 1))
                .collect();
            Value::from(members?)
        }
        serde_json::Value::Object(map) => {
            let members: Option<Vec<(&str, Value)>> = map
                .iter()
                .map(|(key, member)| Some((key.as_str(), context_at(member, depth + 1)?)))
                .collect();
            Value::from_pairs(members?)
        }
    })
}

fn number_value(number: &serde_json::Number) -> Value {
    if let Some(whole) = number.as_i64() {
        Value::from(whole)
    } else if let Some(whole) = number.as_u64() {
        Value::from(whole)
    } else {
        number.as_f64().map_or(Value::UNDEFINED, Value::from)
    }
}

/// Filters that leave a missing value missing here. By themselves they refuse it or make something of it,
/// such as the number 0 of a score that nobody gave.
fn value_filters() -> [(&'static str, Value); 24] {
    [
        ("abs", Value::from_function(filters::abs)),
        ("attr", Value::from_function(filters::attr)),
        ("bool", Value::from_function(filters::bool)),
        ("capitalize", Value::from_function(filters::capitalize)),
        ("dictsort", Value::from_function(filters::dictsort)),
        ("e", Value::from_function(filters::escape)),
        ("escape", Value::from_function(filters::escape)),
        ("first", Value::from_function(filters::first)),
        ("float", Value::from_function(filters::float)),
        ("int", Value::from_function(filters::int)),
        ("items", Value::from_function(filters::items)),
        ("join", Value::from_function(filters::join)),
        ("last", Value::from_function(filters::last)),
        ("lines", Value::from_function(filters::lines)),
        ("lower", Value::from_function(filters::lower)),
        ("replace", Value::from_function(filters::replace)),
        ("round", Value::from_function(filters::round)),
        ("split", Value::from_function(filters::split)),
        ("string", Value::from_function(filters::string)),
        ("sum", Value::from_function(filters::sum)),
        ("title", Value::from_function(filters::title)),
        ("trim", Value::from_function(filters::trim)),
        ("upper", Value::from_function(filters::upper)),
        ("urlencode", Value::from_function(filters::urlencode)),
    ]
}

/// How many characters or members; none in a missing value.
fn length(value: &Value) -> Result<usize, minijinja::Error> {
    if value.is_undefined() {
        return Ok(0);
    }
    filters::length(value)
}

/// Missing is nothing; lists, objects and booleans are JSON; the rest is as the engine has it.
fn write_value(
    output: &mut minijinja::Output<'_>,
    state: &mut State<'_, '_>,
    value: &Value,
) -> Result<(), minijinja::Error> {
    let kind = value.kind();
    if matches!(kind, ValueKind::Undefined | ValueKind::None) {
        return Ok(());
    }
    if matches!(
        kind,
        ValueKind::Bool | ValueKind::Seq | ValueKind::Map | ValueKind::Iterable
    ) {
        let json = serde_json::to_string(value).map_err(|error| {
            minijinja::Error::new(ErrorKind::BadSerialization, "not a JSON value")
                .with_source(error)
        })?;
        return output.write_str(&json).map_err(minijinja::Error::from);
    }
    minijinja::escape_formatter(output, state, value)
}

/// At most `length` characters of a text; a shortened one ends with an ellipsis, which counts.
fn truncate(text: &Value, length: usize) -> Value {
    if text.is_undefined() {
        return Value::UNDEFINED;
    }
    let text = text
        .as_str()
        .map_or_else(|| text.to_string(), str::to_owned);
    if text.char_indices().nth(length).is_none() {
        return Value::from(text);
    }
    let kept: String = text.chars().take(length.saturating_sub(1)).collect();
    let ellipsis = if length == 0 { "" } else { "…" };
    Value::from(format!("{}{ellipsis}", kept.trim_end()))
}

fn syntax_error(error: &minijinja::Error, source: &str) -> Error {
    let line = error.line().unwrap_or(1).max(1);
    let text = source.lines().nth(line - 1).unwrap_or_default().trim();
    let shortened: String = text.chars().take(MAX_QUOTED_CHARACTERS).collect();
    Error::Syntax {
        line,
        message: error
            .detail()
            .map_or_else(|| error.kind().to_string(), str::to_owned),
        text: shortened,
    }
}

/// The kind and the line only: the engine's detail can quote a value.
fn render_problem(error: &minijinja::Error) -> RenderProblem {
    let kind = error.kind();
    if kind == ErrorKind::OutOfFuel {
        RenderProblem::TooManySteps
    } else if kind == ErrorKind::WriteFailure {
        RenderProblem::OutputTooLarge
    } else {
        RenderProblem::Failed {
            line: error.line().unwrap_or(1).max(1),
            reason: kind.to_string(),
        }
    }
}

/// Collects output up to a limit, and then stops its writer.
pub(super) struct Limited {
    bytes: Vec<u8>,
    remaining: usize,
}

impl Limited {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            bytes: Vec::new(),
            remaining: limit,
        }
    }

    /// How much more may be written.
    pub(super) fn remaining(&self) -> usize {
        self.remaining
    }

    /// What was written; writers write text only.
    fn take_text(&mut self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut self.bytes)).into_owned()
    }
}

impl io::Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.remaining = self
            .remaining
            .checked_sub(bytes.len())
            .ok_or(io::ErrorKind::StorageFull)?;
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
