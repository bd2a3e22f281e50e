//! What a template holds, read without understanding it fully.
//!
//! The template engine parses templates but does not show the tree. What must be known of it — whether it
//! is a single expression, which tasks it names, which filters and tests — is visible in its tokens.

/// What a template holds.
#[derive(Debug, Default)]
pub(super) struct Scan<'a> {
    /// The inside of the tag, when the whole text is one `{{ … }}`.
    pub(super) sole_expression: Option<&'a str>,
    /// Each `tasks` that is read, in order.
    pub(super) tasks: Vec<Found<Option<&'a str>>>,
    /// Each filter's name, in order.
    pub(super) filters: Vec<Found<&'a str>>,
    /// Each test's name, in order.
    pub(super) tests: Vec<Found<&'a str>>,
    /// How many tags there are, without comments.
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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'a> {
    Name(&'a str),
    /// Without its quotes, escapes as written.
    Text(&'a str),
    Number,
    Sign(char),
}

/// Reads any text; where it is no valid template, what is found is of no use but bounded.
pub(super) fn scan(source: &str) -> Scan<'_> {
    let mut scan = Scan::default();
    let mut lines = Lines {
        source,
        counted_to: 0,
        line: 1,
    };
    let mut at = 0;
    while let Some((start, kind)) = next_tag(source, at) {
        let inside = start + 2;
        at = match kind {
            '#' => source[inside..]
                .find("#}")
                .map_or(source.len(), |end| inside + end + 2),
            '%' if basic_tag(&source[inside..], "raw").is_some() => {
                end_of_raw(source, inside).unwrap_or(source.len())
            }
            kind => {
                let line = lines.at(start);
                let tag = read_tag(source, inside, if kind == '{' { "}}" } else { "%}" });
                scan.tags += 1;
                scan.record(&tag.tokens, line, &mut lines);
                if kind == '{' && start == 0 && tag.end == source.len() {
                    scan.sole_expression = tag.inside;
                }
                tag.end
            }
        };
    }
    scan
}

impl<'a> Scan<'a> {
    fn record(&mut self, tokens: &[(usize, Token<'a>)], tag_line: usize, lines: &mut Lines<'_>) {
        if tokens.len() > self.largest_tag.what {
            self.largest_tag = Found {
                what: tokens.len(),
                line: tag_line,
            };
        }
        let token = |at: usize| tokens.get(at).map(|(_, token)| *token);
        for (at, (offset, current)) in tokens.iter().enumerate() {
            let previous = at.checked_sub(1).and_then(token);
            let line = lines.at(*offset);
            match current {
                Token::Name("tasks") if previous != Some(Token::Sign('.')) => {
                    let next = (token(at + 1), token(at + 2), token(at + 3));
                    self.tasks.push(Found {
                        what: task_id(next),
                        line,
                    });
                }
                Token::Name("is") if previous != Some(Token::Sign('.')) => {
                    let name_at = at + 1 + usize::from(token(at + 1) == Some(Token::Name("not")));
                    if let Some(Token::Name(what)) = token(name_at) {
                        self.tests.push(Found { what, line });
                    }
                }
                Token::Name(what)
                    if previous == Some(Token::Sign('|'))
                        || (at == 1 && previous == Some(Token::Name("filter"))) =>
                {
                    self.filters.push(Found { what, line });
                }
                Token::Name(_) | Token::Text(_) | Token::Number | Token::Sign(_) => {}
            }
        }
    }
}

/// The id in `.id` or `["id"]`, the tokens after `tasks`.
fn task_id<'a>(next: (Option<Token<'a>>, Option<Token<'a>>, Option<Token<'a>>)) -> Option<&'a str> {
    match next {
        (Some(Token::Sign('.')), Some(Token::Name(id)), _) => Some(id),
        (Some(Token::Sign('[')), Some(Token::Text(id)), Some(Token::Sign(']')))
            if !id.contains('\\') =>
        {
            Some(id)
        }
        _ => None,
    }
}

/// The next `{{`, `{%` or `{#`: where, and its second character.
fn next_tag(source: &str, from: usize) -> Option<(usize, char)> {
    source[from..]
        .match_indices('{')
        .map(|(brace, _)| from + brace)
        .find_map(|brace| {
            let second = source[brace + 1..].chars().next()?;
            matches!(second, '{' | '%' | '#').then_some((brace, second))
        })
}

/// What follows `{%` when it is the tag of that name and nothing else: where the tag ends.
fn basic_tag(after_start: &str, name: &str) -> Option<usize> {
    let is_space = |character: char| character.is_ascii_whitespace();
    let rest = after_start
        .strip_prefix(['-', '+'])
        .unwrap_or(after_start)
        .trim_start_matches(is_space)
        .strip_prefix(name)?
        .trim_start_matches(is_space);
    let rest = rest.strip_prefix(['-', '+']).unwrap_or(rest);
    let rest = rest.strip_prefix("%}")?;
    Some(after_start.len() - rest.len())
}

fn end_of_raw(source: &str, from: usize) -> Option<usize> {
    source[from..]
        .match_indices("{%")
        .map(|(start, _)| from + start + 2)
        .find_map(|inside| basic_tag(&source[inside..], "endraw").map(|length| inside + length))
}

struct Tag<'a> {
    /// Each with its offset in the source.
    tokens: Vec<(usize, Token<'a>)>,
    /// Without the signs that strip spaces; none when the tag is not closed.
    inside: Option<&'a str>,
    /// Behind the closing brace.
    end: usize,
}

fn read_tag<'a>(source: &'a str, inside: usize, closing: &str) -> Tag<'a> {
    let begin = inside + usize::from(source[inside..].starts_with(['-', '+']));
    let mut tokens = Vec::new();
    let mut open_brackets = 0_i64;
    let mut at = begin;
    while let Some(character) = source[at..].chars().next() {
        let rest = &source[at..];
        if open_brackets == 0 {
            let stripped = rest.strip_prefix(['-', '+']).unwrap_or(rest);
            if stripped.starts_with(closing) {
                return Tag {
                    tokens,
                    inside: Some(&source[begin..at]),
                    end: source.len() - stripped.len() + closing.len(),
                };
            }
        }
        let (token, length) = match character {
            '"' | '\'' => {
                let length = text_length(rest, character);
                (Token::Text(rest[..length].trim_matches(character)), length)
            }
            '_' | 'a'..='z' | 'A'..='Z' => {
                let length = word_length(rest);
                (Token::Name(&rest[..length]), length)
            }
            '0'..='9' => (Token::Number, word_length(rest)),
            other => {
                open_brackets += match other {
                    '(' | '[' | '{' => 1,
                    ')' | ']' | '}' => -1,
                    _ => 0,
                };
                (Token::Sign(other), other.len_utf8())
            }
        };
        if !character.is_whitespace() {
            tokens.push((at, token));
        }
        at += length;
    }
    Tag {
        tokens,
        inside: None,
        end: source.len(),
    }
}

fn word_length(rest: &str) -> usize {
    rest.find(|character: char| character != '_' && !character.is_ascii_alphanumeric())
        .unwrap_or(rest.len())
}

/// The length of the quoted text that begins here, with its quotes.
fn text_length(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, character) in rest.char_indices().skip(1) {
        if escaped {
            escaped = false;
        } else if character == '\\' {
            escaped = true;
        } else if character == quote {
            return at + 1;
        }
    }
    rest.len()
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
