//! What a template holds, read without understanding it fully.
//!
//! The template engine parses templates but does not show the tree. What must be known of it — whether it
//! is a single expression, which tasks it names, which filters and tests — is visible in its tokens. So is
//! where the engine must be kept from making more of a value than there is memory for: see [`guard`].

use super::pipe::{self, Pipe};
use super::{Error, MAX_JOINS, Reference};

mod guard;
mod token;

use self::token::{Kind, Tag, read_tag};

/// What a template holds.
#[derive(Debug, Default)]
pub(super) struct Scan<'a> {
    /// The place of the tag's inside, when the whole text is one `{{ … }}`.
    pub(super) sole_expression: Option<(usize, usize)>,
    /// Whether the whole text is one pipe.
    pub(super) is_sole_pipe: bool,
    /// Each `tasks` that is read, in order; none where no task is named.
    pub(super) tasks: Vec<Found<Option<Reference>>>,
    /// Each filter's name, in order.
    pub(super) filters: Vec<Found<&'a str>>,
    /// Each test's name, in order.
    pub(super) tests: Vec<Found<&'a str>>,
    /// Each filter with a text in its arguments that can be checked.
    pub(super) literals: Vec<Found<Literal<'a>>>,
    /// Each pipe, in order.
    pub(super) pipes: Vec<Pipe>,
    /// What must be written into the template for the engine, by its place.
    pub(super) edits: Vec<Edit>,
    /// What the template may not hold, the first of it.
    pub(super) problem: Option<Error>,
    /// The first block whose output is kept as a value.
    pub(super) capture: Option<Found<()>>,
    /// How many tags and pipes there are, without comments.
    pub(super) tags: usize,
    /// The tag with most tokens, by their number.
    pub(super) largest_tag: Found<usize>,
}

/// Something, and the line where it begins, counted from 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Found<T> {
    pub(super) what: T,
    pub(super) line: usize,
}

/// A text among a filter's arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Literal<'a> {
    pub(super) filter: &'a str,
    /// Which argument it is: by its name, else by its position.
    pub(super) argument: Result<&'a str, usize>,
    pub(super) text: &'a str,
}

/// Something to be written in place of a part of the template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Edit {
    pub(super) from: usize,
    pub(super) to: usize,
    /// Which comes first of those in the same place.
    order: u8,
    pub(super) text: String,
}

/// Reads any text; where it is no valid template, what is found is of no use but bounded.
pub(super) fn scan(source: &str) -> Scan<'_> {
    let mut scan = Scan::default();
    let mut lines = Lines {
        source,
        counted_to: 0,
        line: 1,
    };
    let mut blocks = Vec::new();
    let mut at = 0;
    while let Some((start, kind)) = next_opening(source, at) {
        let inside = start + 2;
        at = match kind {
            '#' => source[inside..]
                .find("#}")
                .map_or(source.len(), |end| inside + end + 2),
            '%' if token::basic_tag(&source[inside..], "raw").is_some() => {
                token::end_of_raw(source, inside).unwrap_or(source.len())
            }
            '$' | '~' => start + scan.record_pipe(source, start, &mut lines),
            kind => {
                let line = lines.at(start);
                let tag = read_tag(source, inside, if kind == '{' { "}}" } else { "%}" });
                scan.tags += 1;
                scan.record(&tag, line, &mut lines);
                // The guards are needed, and small, only where the tag is.
                if tag.tokens.len() <= super::MAX_TAG_TOKENS {
                    guard::guard(&tag, kind == '%', &mut scan.edits);
                }
                if kind == '%' {
                    scan.record_block(&tag, line, &mut blocks);
                } else if start == 0 && tag.end == source.len() {
                    scan.sole_expression = tag.inside;
                }
                tag.end
            }
        };
    }
    scan.edits.sort_by_key(|edit| (edit.from, edit.order));
    scan
}

impl<'a> Scan<'a> {
    /// The template as the engine gets it, or the part of it between two places.
    pub(super) fn compiled(&self, source: &str, from: usize, to: usize) -> String {
        let mut compiled = String::with_capacity(to - from);
        let mut copied_to = from;
        for edit in &self.edits {
            if edit.from < copied_to || edit.to > to {
                continue;
            }
            compiled.push_str(&source[copied_to..edit.from]);
            compiled.push_str(&edit.text);
            copied_to = edit.to;
        }
        compiled.push_str(&source[copied_to..to]);
        compiled
    }

    /// How many bytes what stands at `$` or `~` takes.
    fn record_pipe(&mut self, source: &'a str, start: usize, lines: &mut Lines<'_>) -> usize {
        let problem = match pipe::read(&source[start..]) {
            pipe::Found::Text(length) => return length,
            pipe::Found::Pipe(pipe, length) => {
                self.is_sole_pipe = start == 0 && length == source.len();
                if let Some(reference) = pipe.reference() {
                    self.tasks.push(Found {
                        what: Some(reference),
                        line: lines.at(start),
                    });
                }
                // Behind a brace the tag would begin one brace too early: a space that the tag takes away
                // again keeps them apart.
                let begin = if source[..start].ends_with('{') {
                    " {{-"
                } else {
                    "{{"
                };
                self.edits.push(Edit {
                    from: start,
                    to: start + length,
                    order: 0,
                    text: format!("{begin} {PIPES}[{}] }}}}", self.pipes.len()),
                });
                self.pipes.push(pipe);
                self.tags += 1;
                return length;
            }
            pipe::Found::UnknownScheme(pipe) => Error::UnknownScheme {
                line: lines.at(start),
                pipe: pipe.to_owned(),
            },
            pipe::Found::Problem(message) => Error::Pipe {
                line: lines.at(start),
                message,
            },
        };
        self.problem.get_or_insert(problem);
        1
    }

    fn record(&mut self, tag: &Tag<'a>, tag_line: usize, lines: &mut Lines<'_>) {
        let tokens = &tag.tokens;
        if tokens.len() > self.largest_tag.what {
            self.largest_tag = Found {
                what: tokens.len(),
                line: tag_line,
            };
        }
        let joins = tokens
            .iter()
            .filter(|token| matches!(token.kind, Kind::Sign('~' | '+')))
            .count();
        if joins > MAX_JOINS {
            self.problem.get_or_insert(Error::TooManyJoins {
                line: tag_line,
                joins,
            });
        }
        let kind = |at: usize| tag.kind(at);
        for (at, token) in tokens.iter().enumerate() {
            let previous = at.checked_sub(1).and_then(kind);
            let line = lines.at(token.at);
            match token.kind {
                Kind::Name("tasks") if previous != Some(Kind::Sign('.')) => {
                    self.tasks.push(Found {
                        what: reference(tag, at + 1),
                        line,
                    });
                }
                Kind::Name("is") if previous != Some(Kind::Sign('.')) => {
                    let name_at = at + 1 + usize::from(kind(at + 1) == Some(Kind::Name("not")));
                    if let Some(Kind::Name(what)) = kind(name_at) {
                        self.tests.push(Found { what, line });
                    }
                }
                Kind::Name(what)
                    if previous == Some(Kind::Sign('|'))
                        || (at == 1 && previous == Some(Kind::Name("filter"))) =>
                {
                    self.filters.push(Found { what, line });
                    self.record_literals(tag, at, what, line);
                }
                Kind::Name(_) | Kind::Text(_) | Kind::Number | Kind::Sign(_) => {}
            }
        }
    }

    /// The texts in `|filter("…", name="…")`.
    fn record_literals(&mut self, tag: &Tag<'a>, name_at: usize, filter: &'a str, line: usize) {
        let open = name_at + 1;
        let Some(close) = tag
            .partner(open)
            .filter(|_| tag.kind(open) == Some(Kind::Sign('(')))
        else {
            return;
        };
        let mut position = 0;
        let mut at = open;
        while at < close {
            let argument = at + 1;
            let (argument, value_at) = match (tag.kind(argument), tag.kind(argument + 1)) {
                (Some(Kind::Name(name)), Some(Kind::Sign('='))) => (Ok(name), argument + 2),
                _ => (Err(position), argument),
            };
            let end = tag.next_at_same_depth(value_at, close, ',');
            if let (Some(Kind::Text(text)), true) = (tag.kind(value_at), end == value_at + 1)
                && !text.contains('\\')
            {
                let what = Literal {
                    filter,
                    argument,
                    text,
                };
                self.literals.push(Found { what, line });
            }
            position += 1;
            at = end;
        }
    }

    /// Notes blocks that keep their output as a value, and refuses those whose output nothing bounds.
    fn record_block(&mut self, tag: &Tag<'a>, line: usize, captures: &mut Vec<&'a str>) {
        let Some(Kind::Name(name)) = tag.kind(0) else {
            return;
        };
        let refused = match name {
            "set" if !guard::has_assignment(tag) => {
                captures.push("endset");
                self.capture.get_or_insert(Found { what: (), line });
                None
            }
            "filter" => {
                captures.push("endfilter");
                self.capture.get_or_insert(Found { what: (), line });
                None
            }
            "endset" | "endfilter" => {
                if captures.last() == Some(&name) {
                    captures.pop();
                }
                None
            }
            "for" if !captures.is_empty() => Some(
                "a loop inside `{% set name %}` or `{% filter name %}`; write the loop where its text belongs",
            ),
            "for" if tag.tokens.last().map(|last| last.kind) == Some(Kind::Name("recursive")) => {
                Some("`recursive`; a loop in a loop reaches a list in a list")
            }
            "autoescape" => {
                Some("`autoescape`; how values are escaped depends on what the text is for")
            }
            _ => None,
        };
        if let Some(what) = refused {
            self.problem.get_or_insert(Error::NotAllowed { line, what });
        }
    }
}

/// The variable that holds what pipes give.
pub(super) const PIPES: &str = "__pipes";

/// What `.id.output.name` or `["id"]["output"]["name"]` refers to, the tokens from `at` on.
fn reference(tag: &Tag<'_>, at: usize) -> Option<Reference> {
    let (task, next) = member(tag, at)?;
    let output = match member(tag, next) {
        Some(("output", next)) => member(tag, next).map(|(name, _)| name.to_owned()),
        _ => None,
    };
    Some(Reference {
        task: task.to_owned(),
        output,
    })
}

/// The name in `.name` or `["name"]`, and where the tokens go on.
fn member<'a>(tag: &Tag<'a>, at: usize) -> Option<(&'a str, usize)> {
    match (tag.kind(at), tag.kind(at + 1), tag.kind(at + 2)) {
        (Some(Kind::Sign('.')), Some(Kind::Name(name)), _) => Some((name, at + 2)),
        (Some(Kind::Sign('[')), Some(Kind::Text(name)), Some(Kind::Sign(']')))
            if !name.contains('\\') =>
        {
            Some((name, at + 3))
        }
        _ => None,
    }
}

/// The next `{{`, `{%`, `{#`, `$` or `~`: where, and the character that tells them apart.
fn next_opening(source: &str, from: usize) -> Option<(usize, char)> {
    source[from..]
        .match_indices(['{', '$', '~'])
        .find_map(|(at, found)| {
            let at = from + at;
            if found != "{" {
                return found.chars().next().map(|kind| (at, kind));
            }
            let second = source[at + 1..].chars().next()?;
            matches!(second, '{' | '%' | '#').then_some((at, second))
        })
}

/// Counts lines as offsets grow.
struct Lines<'a> {
    source: &'a str,
    counted_to: usize,
    line: usize,
}

impl Lines<'_> {
    fn at(&mut self, offset: usize) -> usize {
        let passed = &self.source[self.counted_to..offset.max(self.counted_to)];
        self.line += passed.matches('\n').count();
        self.counted_to = offset.max(self.counted_to);
        self.line
    }
}
