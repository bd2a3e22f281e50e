//! The template engine as piped text uses it.

use std::borrow::Cow;
use std::error::Error as _;
use std::sync::{Arc, LazyLock};
use std::{fmt, io};

use minijinja::value::{Kwargs, Rest, ValueKind, merge_maps};
use minijinja::{
    AutoEscape, Environment, ErrorKind, Expression, HtmlEscape, State, UndefinedBehavior, Value,
    filters,
};

use super::budget::{self, Refusal, Size};
use super::destination::{Destination, VALUE_END, VALUE_START, join_json, percent_encoded};
use super::scan::PIPES;
use super::{Error, MAX_STEPS, MAX_VALUE_BYTES, MAX_VALUE_DEPTH, RenderProblem, dates};

/// Filters that make text of any size from a number in the template, mark text as HTML (only what is for
/// HTML is), or show the engine's own form of a value.
const REMOVED_FILTERS: [&str; 8] = [
    "format", "indent", "batch", "slice", "safe", "pprint", "chain", "zip",
];
/// The deepest indentation that `tojson` makes.
const MAX_INDENT: usize = 8;
/// How much of a template's line an error quotes, in characters.
const MAX_QUOTED_CHARACTERS: usize = 80;

pub(super) static ENGINE: LazyLock<Engine> = LazyLock::new(Engine::new);

pub(super) struct Engine {
    environment: Environment<'static>,
}

/// What the engine made of a text, to be filled again and again. Two are equal when their texts are.
pub(super) struct Compiled<T> {
    text: String,
    form: Arc<T>,
}

/// The environment holds the one template, under the name of its destination: the engine lends templates only.
pub(super) type CompiledTemplate = Compiled<Environment<'static>>;
pub(super) type CompiledExpression = Compiled<Expression<'static, 'static>>;

impl<T> Clone for Compiled<T> {
    fn clone(&self) -> Self {
        Self {
            text: self.text.clone(),
            form: Arc::clone(&self.form),
        }
    }
}

impl<T> PartialEq for Compiled<T> {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl<T> Eq for Compiled<T> {}

impl<T> fmt::Debug for Compiled<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(formatter)
    }
}

impl Engine {
    fn new() -> Self {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Chainable);
        // Templates have no names: theirs is what they are for.
        environment.set_auto_escape_callback(|name| match name {
            HTML => AutoEscape::Html,
            JSON => AutoEscape::Custom(Cow::Borrowed(JSON)),
            URL => AutoEscape::Custom(Cow::Borrowed(URL)),
            _ => AutoEscape::None,
        });
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
        for (name, filter) in value_filters() {
            add_bounded(&mut environment, name, filter, true);
        }
        for (name, filter) in list_filters() {
            add_bounded(&mut environment, name, filter, false);
        }
        for name in ["length", "count"] {
            environment.add_filter(name, length);
        }
        environment.add_filter("date", dates::date);
        environment.add_filter("date_add", dates::date_add);
        environment.add_filter("__held", budget::held);
        environment.add_filter("__kept", budget::kept);
        environment.add_filter("__number", budget::number);
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
        if name.starts_with("__") {
            return false;
        }
        let called = self.environment.empty_state().apply_filter(name, &[]);
        !called.is_err_and(|error| error.kind() == ErrorKind::UnknownFilter)
    }

    pub(super) fn has_test(&self, name: &str) -> bool {
        let called = self.environment.empty_state().perform_test(name, &[]);
        !called.is_err_and(|error| error.kind() == ErrorKind::UnknownTest)
    }

    /// Reads a template.
    pub(super) fn template(
        &self,
        text: String,
        destination: Destination,
    ) -> Result<CompiledTemplate, Error> {
        let mut environment = self.environment.clone();
        environment
            .add_template_owned(name_of(destination), text.clone())
            .map_err(|error| syntax_error(&error, &text))?;
        Ok(Compiled {
            text,
            form: Arc::new(environment),
        })
    }

    /// Reads the inside of a tag.
    pub(super) fn expression(&'static self, text: String) -> Result<CompiledExpression, Error> {
        let expression = self
            .environment
            .compile_expression_owned(text.clone())
            .map_err(|error| syntax_error(&error, &text))?;
        Ok(Compiled {
            text,
            form: Arc::new(expression),
        })
    }
}

impl CompiledTemplate {
    pub(super) fn render(
        &self,
        context: &Value,
        destination: Destination,
        output: &mut Limited,
    ) -> Result<serde_json::Value, RenderProblem> {
        self.form
            .get_template(name_of(destination))
            .and_then(|template| template.render_captured_to(context.clone(), &mut *output))
            .map_err(|error| render_problem(&error))?;
        let text = output.take_text();
        Ok(serde_json::Value::String(match destination {
            Destination::Plain | Destination::Html | Destination::Url => text,
            Destination::Json => join_json(&text).map_err(RenderProblem::NotJsonText)?,
        }))
    }
}

impl CompiledExpression {
    pub(super) fn evaluate(
        &self,
        context: &Value,
        output: &mut Limited,
    ) -> Result<serde_json::Value, RenderProblem> {
        let value = self
            .form
            .eval(context.clone())
            .map_err(|error| render_problem(&error))?;
        if value.is_undefined() || value.is_none() {
            return Ok(serde_json::Value::String(String::new()));
        }
        output.measure(&value)?;
        serde_json::to_value(&value).map_err(|_| RenderProblem::NotJson)
    }
}

const PLAIN: &str = "plain";
const HTML: &str = "html";
const JSON: &str = "json";
const URL: &str = "url";

fn name_of(destination: Destination) -> &'static str {
    match destination {
        Destination::Plain => PLAIN,
        Destination::Html => HTML,
        Destination::Json => JSON,
        Destination::Url => URL,
    }
}

/// What the values being written are for.
fn destination(state: &State<'_, '_>) -> Destination {
    let escape = state.auto_escape();
    let is = |name: &str| matches!(escape, AutoEscape::Custom(custom) if custom == name);
    if *escape == AutoEscape::Html {
        Destination::Html
    } else if is(JSON) {
        Destination::Json
    } else if is(URL) {
        Destination::Url
    } else {
        Destination::Plain
    }
}

/// The engine's form of a JSON value in which null is a missing value; none when it nests too deep.
pub(super) fn context(json: &serde_json::Value) -> Option<Value> {
    context_at(json, 0)
}

/// The context with what pipes give.
pub(super) fn with_pipes(context: &Value, pipes: Vec<Value>) -> Value {
    let pipes = Value::from_pairs([(PIPES, Value::from(pipes))]);
    merge_maps([pipes, context.clone()])
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

/// A filter whose input and result are bounded; one that passes missing values on, if wanted.
fn add_bounded(
    environment: &mut Environment<'static>,
    name: &'static str,
    filter: Value,
    passes_missing: bool,
) {
    let bounded = move |state: &mut State, arguments: Rest<Value>, named: Kwargs| {
        match arguments.first() {
            Some(input) if passes_missing && input.is_undefined() => return Ok(Value::UNDEFINED),
            // A list can hold one large text many times, and a filter would write it out.
            Some(input) => {
                Size::of(input)?;
            }
            None => {}
        }
        let mut arguments = arguments.0;
        if named.args().next().is_some() {
            arguments.push(Value::from(named));
        }
        let result = filter.call(state, &arguments)?;
        let size = Size::of(&result)?;
        budget::charge(state, size.bytes)?;
        Ok(result)
    };
    environment.add_filter(name, bounded);
}

/// Filters that leave a missing value missing here. By themselves they refuse it or make something of it,
/// such as the number 0 of a score that nobody gave.
fn value_filters() -> [(&'static str, Value); 25] {
    [
        ("abs", Value::from_function(filters::abs)),
        ("attr", Value::from_function(filters::attr)),
        ("bool", Value::from_function(filters::bool)),
        ("capitalize", Value::from_function(filters::capitalize)),
        ("dictsort", Value::from_function(filters::dictsort)),
        ("e", Value::from_function(escape)),
        ("escape", Value::from_function(escape)),
        ("first", Value::from_function(filters::first)),
        ("float", Value::from_function(filters::float)),
        ("int", Value::from_function(filters::int)),
        ("items", Value::from_function(filters::items)),
        ("join", Value::from_function(join)),
        ("last", Value::from_function(filters::last)),
        ("lines", Value::from_function(filters::lines)),
        ("lower", Value::from_function(filters::lower)),
        ("replace", Value::from_function(replace)),
        ("round", Value::from_function(filters::round)),
        ("split", Value::from_function(filters::split)),
        ("string", Value::from_function(filters::string)),
        ("sum", Value::from_function(filters::sum)),
        ("title", Value::from_function(filters::title)),
        ("trim", Value::from_function(filters::trim)),
        ("truncate", Value::from_function(truncate)),
        ("upper", Value::from_function(filters::upper)),
        ("urlencode", Value::from_function(urlencode)),
    ]
}

/// Filters that make something of a missing value, such as an empty list.
fn list_filters() -> [(&'static str, Value); 15] {
    [
        ("d", Value::from_function(filters::default)),
        ("default", Value::from_function(filters::default)),
        ("groupby", Value::from_function(filters::groupby)),
        ("list", Value::from_function(filters::list)),
        ("map", Value::from_function(filters::map)),
        ("max", Value::from_function(filters::max)),
        ("min", Value::from_function(filters::min)),
        ("reject", Value::from_function(filters::reject)),
        ("rejectattr", Value::from_function(filters::rejectattr)),
        ("reverse", Value::from_function(filters::reverse)),
        ("select", Value::from_function(filters::select)),
        ("selectattr", Value::from_function(filters::selectattr)),
        ("sort", Value::from_function(filters::sort)),
        ("tojson", Value::from_function(tojson)),
        ("unique", Value::from_function(filters::unique)),
    ]
}

/// How many characters or members; none in a missing value.
fn length(value: &Value) -> Result<usize, minijinja::Error> {
    if value.is_undefined() {
        return Ok(0);
    }
    filters::length(value)
}

/// For HTML. Where everything that is filled in is escaped anyway, it changes nothing.
fn escape(state: &mut State<'_, '_>, value: Value) -> Result<Value, minijinja::Error> {
    if destination(state) == Destination::Html {
        return Ok(value);
    }
    let escaped = HtmlEscape(&text_of(&value)?).to_string();
    Ok(Value::from(escaped))
}

/// For the query of a URL; an object becomes a query. Where everything is percent-encoded anyway, a text stays.
fn urlencode(state: &mut State<'_, '_>, value: &Value) -> Result<Value, minijinja::Error> {
    let is_for_url = destination(state) == Destination::Url;
    if is_for_url && value.kind() != ValueKind::Map {
        return Ok(value.clone());
    }
    let encoded = filters::urlencode(value)?;
    Ok(if is_for_url {
        Value::from_safe_string(encoded)
    } else {
        Value::from(encoded)
    })
}

/// As JSON text. Where every value is written as JSON anyway, it changes nothing.
fn tojson(
    state: &mut State<'_, '_>,
    value: &Value,
    indent: Option<Value>,
    named: Kwargs,
) -> Result<Value, minijinja::Error> {
    let by_name: Option<Value> = named.get("indent")?;
    let indent = indent.or(by_name);
    let spaces = indent
        .as_ref()
        .and_then(Value::as_usize)
        .unwrap_or_default();
    if spaces > MAX_INDENT {
        let reason = format!("`tojson` indents by at most {MAX_INDENT} spaces");
        return Err(Refusal::Reason(reason).into());
    }
    if destination(state) == Destination::Json {
        return Ok(value.clone());
    }
    let json = filters::tojson(value, indent, named)?;
    // The engine's filter calls its result safe for HTML, which it is not inside an attribute.
    Ok(Value::from(json.as_str().unwrap_or_default()))
}

/// The members' texts with a text between them.
fn join(value: Value, between: Option<&str>) -> Result<Value, minijinja::Error> {
    let between = between.unwrap_or_default();
    let mut joined = String::new();
    for (index, member) in value.try_iter()?.enumerate() {
        if index > 0 {
            joined.push_str(between);
        }
        joined.push_str(&text_of(&member)?);
        if joined.len() > MAX_VALUE_BYTES {
            return Err(Refusal::ValueTooLarge.into());
        }
    }
    Ok(Value::from(joined))
}

/// The text with each occurrence of a text replaced.
fn replace(value: &Value, from: &str, to: &str) -> Result<Value, minijinja::Error> {
    let text = text_of(value)?;
    let occurrences = text.matches(from).count();
    let added = occurrences.saturating_mul(to.len());
    if text.len().saturating_add(added) > MAX_VALUE_BYTES + occurrences.saturating_mul(from.len()) {
        return Err(Refusal::ValueTooLarge.into());
    }
    Ok(Value::from(text.replace(from, to)))
}

/// At most `length` characters of a text; a shortened one ends with an ellipsis, which counts.
fn truncate(text: &Value, length: usize) -> Result<Value, minijinja::Error> {
    let text = text_of(text)?;
    if text.char_indices().nth(length).is_none() {
        return Ok(Value::from(text.as_ref()));
    }
    let kept: String = text.chars().take(length.saturating_sub(1)).collect();
    let ellipsis = if length == 0 { "" } else { "…" };
    Ok(Value::from(format!("{}{ellipsis}", kept.trim_end())))
}

/// How a value reads within text: missing is nothing; lists, objects and booleans are JSON; the rest is as
/// the engine has it.
fn text_of(value: &Value) -> Result<Cow<'_, str>, minijinja::Error> {
    if let Some(text) = value.as_str() {
        return Ok(Cow::Borrowed(text));
    }
    let kind = value.kind();
    Ok(Cow::Owned(
        if matches!(kind, ValueKind::Undefined | ValueKind::None) {
            String::new()
        } else if kind == ValueKind::Number {
            value.to_string()
        } else {
            json_of(value)?
        },
    ))
}

fn json_of(value: &Value) -> Result<String, minijinja::Error> {
    Size::of(value)?;
    serde_json::to_string(value).map_err(|error| {
        minijinja::Error::new(ErrorKind::BadSerialization, "not a JSON value").with_source(error)
    })
}

/// Writes a value into the text, escaped for what the text is for.
fn write_value(
    output: &mut minijinja::Output<'_>,
    state: &mut State<'_, '_>,
    value: &Value,
) -> Result<(), minijinja::Error> {
    let text = text_of(value)?;
    budget::charge(state, text.len())?;
    if value.is_safe() {
        return Ok(output.write_str(&text)?);
    }
    match destination(state) {
        Destination::Plain => output.write_str(&text)?,
        Destination::Html => write!(output, "{}", HtmlEscape(&text))?,
        Destination::Url => output.write_str(&percent_encoded(&text))?,
        Destination::Json => write!(output, "{VALUE_START}{}{VALUE_END}", json_of(value)?)?,
    }
    Ok(())
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
    let line = error.line().unwrap_or(1).max(1);
    let mut source = error.source();
    while let Some(cause) = source {
        match cause.downcast_ref::<Refusal>() {
            Some(Refusal::ValueTooLarge) => return RenderProblem::ValueTooLarge { line },
            Some(Refusal::TooMuchKept) => return RenderProblem::TooMuchKept { line },
            Some(Refusal::Reason(reason)) => {
                return RenderProblem::Failed {
                    line,
                    reason: reason.clone(),
                };
            }
            None => source = cause.source(),
        }
    }
    if kind == ErrorKind::OutOfFuel {
        RenderProblem::TooManySteps
    } else if kind == ErrorKind::WriteFailure {
        RenderProblem::OutputTooLarge
    } else {
        RenderProblem::Failed {
            line,
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

    /// Counts a value that is given as it is. Reading it back from its text could change a number's last digit.
    pub(super) fn measure(&mut self, value: &impl serde::Serialize) -> Result<(), RenderProblem> {
        serde_json::to_writer(&mut *self, value).map_err(|error| {
            if error.is_io() {
                RenderProblem::OutputTooLarge
            } else {
                RenderProblem::NotJson
            }
        })
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
