//! Piped text: the strings of a JSON value filled from an event and from earlier tasks' outputs.
//!
//! The syntax is Jinja's: `{{ event.data.values.QID1 }}`, `{% if … %} … {% endif %}`,
//! `{% for answer in event.data.answers %} … {% endfor %}`. Three values are given:
//!
//! | name | holds |
//! |---|---|
//! | `event` | the event, a CloudEvents object: `event.type`, `event.data…` |
//! | `tasks` | what finished tasks returned: `tasks.incident.output.number`, `tasks["create-ticket"].output` |
//! | `run` | the run: `run.id` |
//!
//! - A string that is one `{{ expression }}` and nothing else keeps the expression's type: a number
//!   stays a number, a list a list. Any other template gives text.
//! - A missing value is empty text, also where it stands alone: null, which clears a field at some
//!   vendors, is only ever written on purpose. Looking for something inside a missing
//!   value, looping over it, or filtering it is no error: it stays missing, though `length` is 0,
//!   filters that make lists make an empty one, and `tojson` makes `null`. Null is the same as missing,
//!   so `default` replaces both. Calculating with a missing value is an error.
//! - Within text a list, an object or a boolean is written as JSON.
//! - What is filled in is never expanded again, and never escaped: the result is a JSON value. For
//!   HTML there is the filter `escape`, for the query of a URL `urlencode`.
//! - Object keys are left as they are, and so is a string that holds neither `{{` nor `{%`.
//! - Filters and tests are those of [minijinja](https://docs.rs/minijinja/3/minijinja/filters/), except
//!   those that only make text larger, and `truncate(160)`, which keeps at most so many characters and
//!   ends a shortened text with an ellipsis.
//! - A template stands for itself: it includes, imports, extends and defines nothing.
//! - `tasks` is always followed by a task's id, so that [`Template::references`] knows every task that is
//!   needed.
//!
//! The limits below bound time and output. They do not bound the memory that a template takes which
//! multiplies text on purpose: templates are written by those who may write workflows, never by senders.

mod engine;
mod scan;

use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value;

use self::engine::{ENGINE, Limited};
use self::scan::{Scan, scan};

/// How long a template may be, in bytes.
pub const MAX_TEMPLATE_BYTES: usize = 32 * 1024;
/// How many tags a template may have.
pub const MAX_TAGS: usize = 500;
/// How many names, signs and texts one tag may have.
pub const MAX_TAG_TOKENS: usize = 500;
/// How much text all templates of one JSON value may give together, in bytes.
pub const MAX_OUTPUT_BYTES: usize = 256 * 1024;
/// How deep a JSON value with templates, and the context, may nest.
pub const MAX_VALUE_DEPTH: usize = 128;
/// How many steps one template may take; a step is about an operation or an output.
pub const MAX_STEPS: u64 = 50_000;

/// A template that was found to be well-formed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    source: String,
    /// The expression that it is, when it is nothing else.
    expression: Option<String>,
    references: Vec<String>,
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
}

/// Whether a string is a template at all: whether it holds a tag.
pub fn is_template(text: &str) -> bool {
    text.contains("{{") || text.contains("{%")
}

/// Fills every template in a JSON value from the context, `{"event": …, "tasks": …, "run": …}`.
///
/// # Errors
/// The first template that cannot be filled; not retryable.
pub fn render_value(input: &Value, context: &Value) -> Result<Value, RenderError> {
    let mut path = Vec::new();
    let context = engine::context(context).ok_or_else(|| at(&path, RenderProblem::TooDeep))?;
    let mut budget = MAX_OUTPUT_BYTES;
    map_leaves(input, &mut path, &mut |text| {
        Template::parse(text)?.render_within(&context, &mut budget)
    })
}

/// Checks every template in a JSON value and gives the ids of the tasks that they refer to, sorted.
///
/// # Errors
/// The first template that is not well-formed; not retryable.
pub fn references_in_value(input: &Value) -> Result<Vec<String>, RenderError> {
    let mut ids = BTreeSet::new();
    map_leaves(input, &mut Vec::new(), &mut |text| {
        ids.extend(Template::parse(text)?.references);
        Ok(Value::Null)
    })?;
    Ok(ids.into_iter().collect())
}

/// The ids of the tasks that a text refers to, sorted; none for a text that is no template.
///
/// # Errors
/// When it is a template and not well-formed; not retryable.
pub fn references(text: &str) -> Result<Vec<String>, Error> {
    if !is_template(text) {
        return Ok(Vec::new());
    }
    Template::parse(text).map(|template| template.references)
}

impl Template {
    /// Reads a template. A text without tags is one too, and gives itself.
    ///
    /// # Errors
    /// What is wrong with it and in which line; not retryable.
    pub fn parse(source: &str) -> Result<Self, Error> {
        if source.len() > MAX_TEMPLATE_BYTES {
            return Err(Error::TooLong {
                bytes: source.len(),
            });
        }
        let scan = scan(source);
        // Before the engine parses: it parses and drops long chains recursively, and could overflow.
        check_size(&scan)?;
        ENGINE.check(source)?;
        if let Some(expression) = scan.sole_expression {
            ENGINE.check_expression(expression)?;
        }
        check_names(&scan)?;
        let ids: BTreeSet<&str> = scan.tasks.iter().filter_map(|task| task.what).collect();
        Ok(Self {
            source: source.to_owned(),
            expression: scan.sole_expression.map(str::to_owned),
            references: ids.into_iter().map(str::to_owned).collect(),
        })
    }

    /// The ids of the tasks that it refers to as `tasks.id…` or `tasks["id"]…`, sorted.
    pub fn references(&self) -> &[String] {
        &self.references
    }

    /// The text that it was read from.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Fills it from the context: text, or the value of an expression that stands alone.
    ///
    /// # Errors
    /// Limits that are exceeded and expressions that fail; not retryable.
    pub fn render(&self, context: &Value) -> Result<Value, RenderProblem> {
        let context = engine::context(context).ok_or(RenderProblem::TooDeep)?;
        let mut budget = MAX_OUTPUT_BYTES;
        self.render_within(&context, &mut budget)
    }

    fn render_within(
        &self,
        context: &minijinja::Value,
        budget: &mut usize,
    ) -> Result<Value, RenderProblem> {
        let mut output = Limited::new(*budget);
        let value = match &self.expression {
            Some(expression) => ENGINE.evaluate(expression, context, &mut output)?,
            None => ENGINE.render(&self.source, context, &mut output)?,
        };
        *budget = output.remaining();
        Ok(value)
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

#[derive(Debug, Clone)]
enum Step {
    Key(String),
    Index(usize),
}

/// The value with `render` applied to each string that is a template.
fn map_leaves(
    value: &Value,
    path: &mut Vec<Step>,
    render: &mut impl FnMut(&str) -> Result<Value, RenderProblem>,
) -> Result<Value, RenderError> {
    if path.len() > MAX_VALUE_DEPTH {
        return Err(at(path, RenderProblem::TooDeep));
    }
    match value {
        Value::String(text) if is_template(text) => {
            render(text).map_err(|problem| at(path, problem))
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
    RenderError {
        path: text,
        problem,
    }
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
