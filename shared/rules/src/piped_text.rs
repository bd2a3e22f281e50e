//! Piped text: the strings of a JSON value filled from an event and from earlier tasks' outputs.
//!
#![doc = include_str!("../../../docs/piped-text.md")]
//!
//! # For who calls this
//!
//! The context is `{"event": …, "tasks": …, "run": {"id": …}, "now": …, "timezone": …}`; what is not there is
//! missing, and the time zone is UTC then. [`is_template`] tells what is looked at, [`references`] checks one text
//! of a definition, [`render_value`] fills a JSON value. Object keys are left as they are.
//!
//! The limits bound time, output and memory. A template may keep [`MAX_KEPT_BYTES`]; beside that one tag can
//! take for a moment [`MAX_JOINS`] times [`MAX_VALUE_BYTES`].

mod budget;
mod dates;
mod destination;
mod engine;
mod json_path;
mod memo;
mod pipe;
mod scan;

use std::collections::BTreeSet;
use std::fmt;

use jiff::tz::TimeZone;
use serde_json::Value;

pub use self::dates::is_time_zone;
pub use self::destination::Destination;
use self::engine::{CompiledExpression, CompiledTemplate, ENGINE, Limited};
use self::pipe::{Pipe, Surroundings};
use self::scan::{Scan, scan};

/// How long a template may be, in bytes.
pub const MAX_TEMPLATE_BYTES: usize = 32 * 1024;
/// How many tags and pipes a template may have.
pub const MAX_TAGS: usize = 500;
/// How many names, signs and texts one tag may have.
pub const MAX_TAG_TOKENS: usize = 500;
/// How much text all templates of one JSON value may give together, in bytes.
pub const MAX_OUTPUT_BYTES: usize = 256 * 1024;
/// How deep a JSON value with templates, and the context, may nest.
pub const MAX_VALUE_DEPTH: usize = 128;
/// How many steps one template may take; a step is about an operation or an output.
pub const MAX_STEPS: u64 = 50_000;

/// How large a value inside a template may be, in bytes.
pub const MAX_VALUE_BYTES: usize = 512 * 1024;
/// How much the values that a template makes and writes may take together, in bytes.
pub const MAX_KEPT_BYTES: usize = 16 * 1024 * 1024;
/// How often one tag may join or add with `~` and `+`.
pub const MAX_JOINS: usize = 30;
/// How large what all pipes of a template give may be together, in bytes.
pub const MAX_PIPED_BYTES: usize = 1024 * 1024;

/// Which strings of a JSON Schema can be piped text: a regular expression, also for ECMA 262.
///
/// It knows every string that [`is_template`] knows, and those that only look like it.
pub const PATTERN: &str = r"\{[{%]|[$~](\{[a-z]+://|%7[Bb][a-z]+(:|%3[Aa])(/|%2[Ff])(/|%2[Ff]))";

/// A template that was found to be well-formed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    source: String,
    destination: Destination,
    form: Form,
    pipes: Vec<Pipe>,
    references: Vec<Reference>,
}

/// What a template comes down to. One expression or one pipe and nothing else keeps its type where the destination is plain.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Form {
    Expression(CompiledExpression),
    Pipe,
    Text(CompiledTemplate),
}

/// What a text takes from an earlier task.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference {
    /// The task's id.
    pub task: String,
    /// The member of its output; none where the text does not name one: `tasks.incident.output`.
    pub output: Option<String>,
}

/// A template that is not well-formed. Whoever wrote it must correct it; its text quotes the template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Longer than [`MAX_TEMPLATE_BYTES`].
    #[error("the template has {bytes} bytes; at most {MAX_TEMPLATE_BYTES} are allowed")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// More than [`MAX_TAGS`] tags.
    #[error("the template has {tags} tags; at most {MAX_TAGS} are allowed")]
    TooManyTags {
        /// Their number.
        tags: usize,
    },
    /// A tag with more than [`MAX_TAG_TOKENS`] tokens.
    #[error(
        "line {line}: a tag has {tokens} names, signs and texts; at most {MAX_TAG_TOKENS} are allowed"
    )]
    TagTooLong {
        /// Where the tag begins, counted from 1.
        line: usize,
        /// Their number.
        tokens: usize,
    },
    /// Not the template language.
    #[error("line {line}: {message}, in {text:?}")]
    Syntax {
        /// Where, counted from 1.
        line: usize,
        /// What is wrong.
        message: String,
        /// That line, shortened.
        text: String,
    },
    /// A filter that does not exist.
    #[error("line {line}: there is no filter `{name}`")]
    UnknownFilter {
        /// Where, counted from 1.
        line: usize,
        /// Its name in the template.
        name: String,
    },
    /// A test (`is …`) that does not exist.
    #[error("line {line}: there is no test `{name}`")]
    UnknownTest {
        /// Where, counted from 1.
        line: usize,
        /// Its name in the template.
        name: String,
    },
    /// A pipe with a scheme that does not exist.
    #[error(
        "line {line}: {pipe}: there is no such scheme; known are {}. To write it literally, put it between {{% raw %}} and {{% endraw %}}",
        pipe::schemes()
    )]
    UnknownScheme {
        /// Where, counted from 1.
        line: usize,
        /// As it was written.
        pipe: String,
    },
    /// A pipe that cannot be read.
    #[error("line {line}: {message}")]
    Pipe {
        /// Where, counted from 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// A text among a filter's arguments that the filter can never take.
    #[error("line {line}: {message}")]
    Argument {
        /// Where, counted from 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// A tag that joins or adds more than [`MAX_JOINS`] times.
    #[error(
        "line {line}: a tag has {joins} of the signs `~` and `+`; at most {MAX_JOINS} are allowed"
    )]
    TooManyJoins {
        /// Where the tag begins, counted from 1.
        line: usize,
        /// How many.
        joins: usize,
    },
    /// A part of the template language that is left out.
    #[error("line {line}: a template may not have {what}")]
    NotAllowed {
        /// Where, counted from 1.
        line: usize,
        /// What, and what to write instead.
        what: &'static str,
    },
    /// `tasks` without the id of one.
    #[error(
        "line {line}: `tasks` must be followed by a task's id, as in `tasks.incident` or `tasks[\"create-ticket\"]`"
    )]
    TaskNotNamed {
        /// Where, counted from 1.
        line: usize,
    },
}

/// A JSON value whose templates could not be filled.
///
/// It quotes the template at most, never the event. Giving up is right: the same values fail again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {problem}", Leaf(.path))]
pub struct RenderError {
    /// The string's place, such as `fields.u_score` or `comments[0].body`; empty for the value itself.
    pub path: String,
    /// Why.
    pub problem: RenderProblem,
}

/// Why a template could not be filled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderProblem {
    /// It is not well-formed.
    #[error(transparent)]
    Template(#[from] Error),
    /// More than [`MAX_STEPS`] steps.
    #[error("the template takes more than {MAX_STEPS} steps; loop over less")]
    TooManySteps,
    /// More than [`MAX_OUTPUT_BYTES`] bytes.
    #[error("the templates give more than {MAX_OUTPUT_BYTES} bytes of text")]
    OutputTooLarge,
    /// A value larger than [`MAX_VALUE_BYTES`].
    #[error("line {line}: a value has more than {MAX_VALUE_BYTES} bytes")]
    ValueTooLarge {
        /// Where in the template, counted from 1.
        line: usize,
    },
    /// More than [`MAX_KEPT_BYTES`].
    #[error("line {line}: the template makes values of more than {MAX_KEPT_BYTES} bytes together")]
    TooMuchKept {
        /// Where in the template, counted from 1.
        line: usize,
    },
    /// Deeper than [`MAX_VALUE_DEPTH`].
    #[error("values nest deeper than {MAX_VALUE_DEPTH} levels")]
    TooDeep,
    /// An expression that the values do not allow, such as adding a text to a number.
    #[error("line {line}: an expression failed with the values that were given: {reason}")]
    Failed {
        /// Where in the template, counted from 1.
        line: usize,
        /// The kind of failure.
        reason: String,
    },
    /// An expression whose result is no JSON value, such as a function.
    #[error("the expression's result is not a JSON value")]
    NotJson,
    /// A text for [`Destination::Json`] that is not JSON.
    #[error("{0}")]
    NotJsonText(String),
    /// The context names a time zone that does not exist.
    #[error("there is no time zone {0:?}")]
    UnknownTimeZone(String),
}

/// Whether a string is a template at all: whether it holds a tag or a pipe.
pub fn is_template(text: &str) -> bool {
    text.contains("{{") || text.contains("{%") || pipe::is_in(text)
}

/// Fills every template in a JSON value from the context.
///
/// `destination` says what the string at a place is for; places are written as in [`RenderError::path`].
///
/// # Errors
/// The first template that cannot be filled; not retryable.
pub fn render_value(
    input: &Value,
    context: &Value,
    destination: &dyn Fn(&str) -> Destination,
) -> Result<Value, RenderError> {
    let mut path = Vec::new();
    let context = Context::new(context).map_err(|problem| at(&path, problem))?;
    let mut budget = MAX_OUTPUT_BYTES;
    map_leaves(input, &mut path, &mut |text, path| {
        let place = written(path);
        memo::parsed(text, destination(&place))?.render_within(&context, &place, &mut budget)
    })
}

/// Checks every template in a JSON value and tells what they take from tasks, sorted.
///
/// # Errors
/// The first template that is not well-formed; not retryable.
pub fn references_in_value(
    input: &Value,
    destination: &dyn Fn(&str) -> Destination,
) -> Result<Vec<Reference>, RenderError> {
    let mut references = BTreeSet::new();
    map_leaves(input, &mut Vec::new(), &mut |text, path| {
        references.extend(Template::parse(text, destination(&written(path)))?.references);
        Ok(Value::Null)
    })?;
    Ok(references.into_iter().collect())
}

/// Checks a text, and tells what it takes from tasks, sorted; nothing when it is no template.
///
/// # Errors
/// When it is a template and not well-formed; not retryable.
pub fn references(text: &str, destination: Destination) -> Result<Vec<Reference>, Error> {
    if !is_template(text) {
        return Ok(Vec::new());
    }
    Template::parse(text, destination).map(|template| template.references)
}

/// What templates are filled from, as the engine and as pipes need it.
struct Context<'a> {
    json: &'a Value,
    values: minijinja::Value,
    now: Option<jiff::Timestamp>,
    zone: TimeZone,
}

impl<'a> Context<'a> {
    fn new(json: &'a Value) -> Result<Self, RenderProblem> {
        let text = |name: &str| json.get(name).and_then(Value::as_str);
        let zone = match text(dates::ZONE) {
            None => TimeZone::UTC,
            Some(name) => {
                TimeZone::get(name).map_err(|_| RenderProblem::UnknownTimeZone(name.to_owned()))?
            }
        };
        Ok(Self {
            json,
            values: engine::context(json).ok_or(RenderProblem::TooDeep)?,
            now: text("now").and_then(|now| now.parse().ok()),
            zone,
        })
    }
}

impl Template {
    /// Reads a template. A text without tags and pipes is one too, and gives itself.
    ///
    /// # Errors
    /// What is wrong with it and in which line; not retryable.
    pub fn parse(source: &str, destination: Destination) -> Result<Self, Error> {
        if source.len() > MAX_TEMPLATE_BYTES {
            return Err(Error::TooLong {
                bytes: source.len(),
            });
        }
        let scan = scan(source);
        // Before the engine parses: it parses and drops long chains recursively, and could overflow.
        check_size(&scan)?;
        ENGINE.check(source)?;
        if let Some((from, to)) = scan.sole_expression {
            ENGINE.check_expression(&source[from..to])?;
        }
        check_names(&scan)?;
        check_literals(&scan)?;
        if let Some(problem) = scan.problem {
            return Err(problem);
        }
        check_destination(&scan, source, destination)?;
        let form = match scan.sole_expression {
            Some((from, to)) if destination == Destination::Plain => {
                Form::Expression(ENGINE.expression(scan.compiled(source, from, to))?)
            }
            None if scan.is_sole_pipe && destination == Destination::Plain => Form::Pipe,
            _ => {
                let text = scan.compiled(source, 0, source.len());
                Form::Text(ENGINE.template(text, destination)?)
            }
        };
        let references: BTreeSet<Reference> = scan
            .tasks
            .into_iter()
            .filter_map(|task| task.what)
            .collect();
        Ok(Self {
            source: source.to_owned(),
            destination,
            form,
            pipes: scan.pipes,
            references: references.into_iter().collect(),
        })
    }

    /// What it takes from tasks, as `tasks.id…`, `tasks["id"]…` or `~{ch://id/…}`, sorted.
    pub fn references(&self) -> &[Reference] {
        &self.references
    }

    /// The text that it was read from.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Fills it from the context: text, or the value of an expression or a pipe that stands alone.
    ///
    /// # Errors
    /// Limits that are exceeded and expressions that fail; not retryable.
    pub fn render(&self, context: &Value) -> Result<Value, RenderProblem> {
        let mut budget = MAX_OUTPUT_BYTES;
        self.render_within(&Context::new(context)?, "", &mut budget)
    }

    fn render_within(
        &self,
        context: &Context<'_>,
        place: &str,
        budget: &mut usize,
    ) -> Result<Value, RenderProblem> {
        let mut output = Limited::new(*budget);
        let piped = self.piped(context, place)?;
        let value = match &self.form {
            Form::Pipe => {
                let value = piped.into_iter().next().filter(|value| !value.is_null());
                let value = value.unwrap_or_else(|| Value::String(String::new()));
                output.measure(&value)?;
                value
            }
            Form::Expression(expression) => expression.evaluate(&context.values, &mut output)?,
            Form::Text(template) => {
                let values: Option<Vec<minijinja::Value>> =
                    piped.iter().map(engine::context).collect();
                let values = values.ok_or(RenderProblem::TooDeep)?;
                let values = engine::with_pipes(&context.values, values);
                template.render(&values, self.destination, &mut output)?
            }
        };
        *budget = output.remaining();
        Ok(value)
    }

    /// What its pipes give, in order.
    fn piped(&self, context: &Context<'_>, place: &str) -> Result<Vec<Value>, RenderProblem> {
        let is_alone = self.form == Form::Pipe;
        let run = context
            .json
            .get("run")
            .and_then(|run| run.get("id")?.as_str());
        let surroundings = Surroundings {
            now: context.now,
            zone: &context.zone,
        };
        let mut size = Limited::new(MAX_PIPED_BYTES);
        let mut values = Vec::with_capacity(self.pipes.len());
        for (index, pipe) in self.pipes.iter().enumerate() {
            let seed = format!("{}:{place}:{index}", run.unwrap_or_default());
            let value = pipe.value(context.json, &surroundings, &seed);
            let value = if is_alone {
                value
            } else {
                pipe.within_text(value)
            };
            size.measure(&value)?;
            values.push(value);
        }
        Ok(values)
    }
}

fn check_size(scan: &Scan<'_>) -> Result<(), Error> {
    if scan.tags > MAX_TAGS {
        return Err(Error::TooManyTags { tags: scan.tags });
    }
    if scan.largest_tag.what > MAX_TAG_TOKENS {
        return Err(Error::TagTooLong {
            line: scan.largest_tag.line,
            tokens: scan.largest_tag.what,
        });
    }
    Ok(())
}

fn check_names(scan: &Scan<'_>) -> Result<(), Error> {
    if let Some(filter) = scan
        .filters
        .iter()
        .find(|filter| !ENGINE.has_filter(filter.what))
    {
        return Err(Error::UnknownFilter {
            line: filter.line,
            name: filter.what.to_owned(),
        });
    }
    if let Some(test) = scan.tests.iter().find(|test| !ENGINE.has_test(test.what)) {
        return Err(Error::UnknownTest {
            line: test.line,
            name: test.what.to_owned(),
        });
    }
    match scan.tasks.iter().find(|task| task.what.is_none()) {
        Some(task) => Err(Error::TaskNotNamed { line: task.line }),
        None => Ok(()),
    }
}

fn check_literals(scan: &Scan<'_>) -> Result<(), Error> {
    for literal in &scan.literals {
        let what = literal.what;
        if let Some(message) = dates::problem(what.filter, what.argument, what.text) {
            return Err(Error::Argument {
                line: literal.line,
                message,
            });
        }
    }
    Ok(())
}

fn check_destination(scan: &Scan<'_>, source: &str, destination: Destination) -> Result<(), Error> {
    let marks_values = match destination {
        Destination::Plain | Destination::Html => return Ok(()),
        Destination::Json => true,
        Destination::Url => false,
    };
    if let Some(capture) = scan.capture {
        return Err(Error::NotAllowed {
            line: capture.line,
            what: "`{% set name %}` or `{% filter name %}` around text that is JSON or a URL; write `{% set name = … %}`, or the filter behind the value",
        });
    }
    let marks = [destination::VALUE_START, destination::VALUE_END];
    match source.find(marks).filter(|_| marks_values) {
        Some(at) => Err(Error::NotAllowed {
            line: 1 + source[..at].matches('\n').count(),
            what: "control characters where it is JSON",
        }),
        None => Ok(()),
    }
}

#[derive(Debug, Clone)]
enum Step {
    Key(String),
    Index(usize),
}

/// The value with `render` applied to each string that is a template.
fn map_leaves(
    value: &Value,
    path: &mut Vec<Step>,
    render: &mut impl FnMut(&str, &[Step]) -> Result<Value, RenderProblem>,
) -> Result<Value, RenderError> {
    if path.len() > MAX_VALUE_DEPTH {
        return Err(at(path, RenderProblem::TooDeep));
    }
    match value {
        Value::String(text) if is_template(text) => {
            render(text, path).map_err(|problem| at(path, problem))
        }
        Value::Array(members) => {
            let mut rendered = Vec::with_capacity(members.len());
            for (index, member) in members.iter().enumerate() {
                path.push(Step::Index(index));
                rendered.push(map_leaves(member, path, render)?);
                path.pop();
            }
            Ok(Value::Array(rendered))
        }
        Value::Object(map) => {
            let mut rendered = serde_json::Map::with_capacity(map.len());
            for (key, member) in map {
                path.push(Step::Key(key.clone()));
                rendered.insert(key.clone(), map_leaves(member, path, render)?);
                path.pop();
            }
            Ok(Value::Object(rendered))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(value.clone()),
    }
}

fn at(path: &[Step], problem: RenderProblem) -> RenderError {
    RenderError {
        path: written(path),
        problem,
    }
}

fn written(path: &[Step]) -> String {
    let mut text = String::new();
    for step in path {
        let written = match step {
            Step::Index(index) => format!("[{index}]"),
            Step::Key(key) if is_plain(key) && text.is_empty() => key.clone(),
            Step::Key(key) if is_plain(key) => format!(".{key}"),
            Step::Key(key) => format!("[{key:?}]"),
        };
        text.push_str(&written);
    }
    text
}

fn is_plain(key: &str) -> bool {
    !key.is_empty()
        && key
            .chars()
            .all(|character| character.is_alphanumeric() || matches!(character, '_' | '-'))
}

struct Leaf<'a>(&'a str);

impl fmt::Display for Leaf<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() {
            "the value"
        } else {
            self.0
        })
    }
}

#[cfg(test)]
mod tests;
