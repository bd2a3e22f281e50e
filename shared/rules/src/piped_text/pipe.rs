//! Pipes: `${q://…}` and `~{ch://…}`, as survey tools write them.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;

use super::Reference;
use super::json_path::JsonPath;
use crate::locator::{Locator, Moment, SCHEMES, percent_decoded};

/// A pipe in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Pipe {
    /// Something that the event or the moment tells.
    Located(Locator),
    /// What an earlier task left.
    Output { task: String, path: JsonPath },
}

/// What stands where a pipe may begin.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found<'a> {
    /// A pipe of so many bytes.
    Pipe(Pipe, usize),
    /// Text that stays as it is, of so many bytes.
    Text(usize),
    /// A scheme that nobody knows, and the pipe as it was written.
    UnknownScheme(&'a str),
    /// A pipe that cannot be read, and why.
    Problem(String),
}

/// Reads what stands at `$` or `~`.
pub(super) fn read(text: &str) -> Found<'_> {
    let Some(opening) = opening(text) else {
        return Found::Text(1);
    };
    let after = &text[opening.length..];
    let end = if opening.encoded {
        find_ignoring_case(after, "%7d")
    } else {
        after.find('}')
    };
    let line = after.find(['\n', '\r']).unwrap_or(after.len());
    let Some(end) = end.filter(|end| *end < line) else {
        let shown: String = text[..opening.length + line].chars().take(60).collect();
        return Found::Problem(format!(
            "a pipe ends with `}}` in the line in which it begins: {shown}"
        ));
    };
    let length = opening.length + end + if opening.encoded { 3 } else { 1 };
    let decoded;
    let inside = if opening.encoded {
        decoded = percent_decoded(&after[..end]);
        decoded.as_str()
    } else {
        &after[..end]
    };
    if ["${", "~{", "{{", "{%"]
        .iter()
        .any(|nested| inside.contains(nested))
    {
        return Found::Problem(format!(
            "a pipe may not contain another: {}",
            &text[..length]
        ));
    }
    if let Some(output) = inside.strip_prefix("ch://") {
        return match read_output(output) {
            Some(pipe) => Found::Pipe(pipe, length),
            None => Found::Problem(format!(
                "`{}`: the output of a task is written ~{{ch://TASK/$.name}}, with names and positions such as $.list[0][\"a key\"]",
                &text[..length]
            )),
        };
    }
    match Locator::parse(inside) {
        None => Found::UnknownScheme(&text[..length]),
        Some(Err(problem)) => Found::Problem(problem.to_string()),
        Some(Ok(locator)) if locator.is_link() => Found::Text(length),
        Some(Ok(locator)) => Found::Pipe(Pipe::Located(locator), length),
    }
}

/// Whether a text holds what [`read`] takes for more than text.
pub(super) fn is_in(text: &str) -> bool {
    text.match_indices(['$', '~'])
        .any(|(at, _)| !matches!(read(&text[at..]), Found::Text(_)))
}

/// The schemes, for whoever wrote an unknown one.
pub(super) fn schemes() -> String {
    let names: Vec<String> = SCHEMES
        .iter()
        .chain(["ch"].iter())
        .map(|name| format!("{name}://"))
        .collect();
    names.join(" ")
}

struct Opening {
    length: usize,
    encoded: bool,
}

/// `${` or `~{`, the brace maybe percent-encoded, before a scheme.
fn opening(text: &str) -> Option<Opening> {
    let after = text.strip_prefix(['$', '~'])?;
    let (opening, rest) = if let Some(rest) = after.strip_prefix('{') {
        (
            Opening {
                length: 2,
                encoded: false,
            },
            rest,
        )
    } else {
        let brace = after.get(..3)?.eq_ignore_ascii_case("%7b");
        let rest = brace.then(|| &after[3..])?;
        (
            Opening {
                length: 4,
                encoded: true,
            },
            rest,
        )
    };
    let scheme = rest.bytes().take_while(u8::is_ascii_lowercase).count();
    let mut separator = rest.get(scheme..).filter(|_| scheme > 0)?;
    for (sign, code) in [(":", "%3a"), ("/", "%2f"), ("/", "%2f")] {
        let encoded = || {
            let start = separator.get(..3)?;
            (opening.encoded && start.eq_ignore_ascii_case(code)).then(|| &separator[3..])
        };
        separator = separator.strip_prefix(sign).or_else(encoded)?;
    }
    Some(opening)
}

fn find_ignoring_case(text: &str, lower: &str) -> Option<usize> {
    text.match_indices('%').map(|(at, _)| at).find(|at| {
        text.get(*at..at + lower.len())
            .is_some_and(|found| found.eq_ignore_ascii_case(lower))
    })
}

fn read_output(text: &str) -> Option<Pipe> {
    let (task, path) = text.split_once('/')?;
    let is_id =
        |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | '-');
    if task.is_empty() || !task.chars().all(is_id) {
        return None;
    }
    Some(Pipe::Output {
        task: task.to_owned(),
        path: JsonPath::parse(path)?,
    })
}

impl Pipe {
    /// The task whose output it needs.
    pub(super) fn reference(&self) -> Option<Reference> {
        match self {
            Self::Located(_) => None,
            Self::Output { task, path } => Some(Reference {
                task: task.clone(),
                output: path.first_name().map(str::to_owned),
            }),
        }
    }

    /// Its value; null when it is unknown or was not answered.
    pub(super) fn value(
        &self,
        context: &Value,
        surroundings: &Surroundings<'_>,
        seed: &str,
    ) -> Value {
        let found = match self {
            Self::Located(locator) => {
                let moment = Moment {
                    now: surroundings.now,
                    zone: surroundings.zone,
                    seed,
                };
                locator.resolve_at(context.get("event").unwrap_or(&Value::Null), &moment)
            }
            Self::Output { task, path } => {
                let task = context.get("tasks").and_then(|tasks| tasks.get(task));
                task.and_then(|task| path.find(task.get("output")?))
                    .cloned()
            }
        };
        found.unwrap_or_default()
    }

    /// The value as it stands within a text: several answers are joined, as surveys do.
    pub(super) fn within_text(&self, value: Value) -> Value {
        match (self, value) {
            (Self::Located(locator), Value::Array(members))
                if !locator.as_str().starts_with("aedj://") && members.iter().all(is_scalar) =>
            {
                let texts: Vec<String> = members.iter().map(written).collect();
                Value::String(texts.join(", "))
            }
            (_, value) => value,
        }
    }
}

/// What pipes need beside the event.
pub(super) struct Surroundings<'a> {
    pub(super) now: Option<Timestamp>,
    pub(super) zone: &'a TimeZone,
}

fn is_scalar(value: &Value) -> bool {
    !value.is_array() && !value.is_object()
}

fn written(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}
