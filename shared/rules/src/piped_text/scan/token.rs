//! The tokens of a tag.

/// A part of a tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind<'a>,
    /// Where it begins in the source.
    pub(super) at: usize,
    pub(super) end: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind<'a> {
    Name(&'a str),
    /// Without its quotes, escapes as written.
    Text(&'a str),
    Number,
    Sign(char),
}

pub(super) struct Tag<'a> {
    pub(super) tokens: Vec<Token<'a>>,
    /// For each bracket, the one that belongs to it.
    partners: Vec<Option<usize>>,
    /// From where to where its inside is, without the signs that strip spaces; none when it is not closed.
    pub(super) inside: Option<(usize, usize)>,
    /// Behind the closing brace.
    pub(super) end: usize,
}

impl<'a> Tag<'a> {
    pub(super) fn kind(&self, at: usize) -> Option<Kind<'a>> {
        self.tokens.get(at).map(|token| token.kind)
    }

    /// The bracket that belongs to the one there.
    pub(super) fn partner(&self, at: usize) -> Option<usize> {
        self.partners.get(at).copied().flatten()
    }

    /// Where the sign stands first between two places, outside brackets; `to` when it does not.
    pub(super) fn next_at_same_depth(&self, from: usize, to: usize, sign: char) -> usize {
        let mut at = from;
        while at < to {
            match (self.kind(at), self.partner(at)) {
                (Some(Kind::Sign(found)), _) if found == sign => return at,
                (_, Some(close)) if close > at => at = close + 1,
                _ => at += 1,
            }
        }
        to
    }
}

/// What follows `{%` when it is the tag of that name and nothing else: where the tag ends.
pub(super) fn basic_tag(after_start: &str, name: &str) -> Option<usize> {
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

pub(super) fn end_of_raw(source: &str, from: usize) -> Option<usize> {
    source[from..]
        .match_indices("{%")
        .map(|(start, _)| from + start + 2)
        .find_map(|inside| basic_tag(&source[inside..], "endraw").map(|length| inside + length))
}

pub(super) fn read_tag<'a>(source: &'a str, inside: usize, closing: &str) -> Tag<'a> {
    let begin = inside + usize::from(source[inside..].starts_with(['-', '+']));
    let mut tag = Tag {
        tokens: Vec::new(),
        partners: Vec::new(),
        inside: None,
        end: source.len(),
    };
    let mut open = Vec::new();
    let mut at = begin;
    while let Some(character) = source[at..].chars().next() {
        let rest = &source[at..];
        if open.is_empty() {
            let stripped = rest.strip_prefix(['-', '+']).unwrap_or(rest);
            if stripped.starts_with(closing) {
                tag.inside = Some((begin, at));
                tag.end = source.len() - stripped.len() + closing.len();
                return tag;
            }
        }
        let after_dot = source[..at].ends_with('.');
        let (kind, length) = match character {
            '"' | '\'' => {
                let length = text_length(rest, character);
                (Kind::Text(rest[..length].trim_matches(character)), length)
            }
            '_' | 'a'..='z' | 'A'..='Z' => {
                let length = word_length(rest);
                (Kind::Name(&rest[..length]), length)
            }
            '0'..='9' => (Kind::Number, number_length(rest, after_dot)),
            other => (Kind::Sign(other), other.len_utf8()),
        };
        if !character.is_whitespace() {
            let mut partner = None;
            match character {
                '(' | '[' | '{' => open.push(tag.tokens.len()),
                ')' | ']' | '}' => partner = open.pop(),
                _ => {}
            }
            if let Some(partner) = partner {
                tag.partners[partner] = Some(tag.tokens.len());
            }
            tag.partners.push(partner);
            tag.tokens.push(Token {
                kind,
                at,
                end: at + length,
            });
        }
        at += length;
    }
    tag
}

fn word_length(rest: &str) -> usize {
    rest.find(|character: char| character != '_' && !character.is_ascii_alphanumeric())
        .unwrap_or(rest.len())
}

/// The length of `12`, `1.5`, `1.5e-3` or `0xff`; behind a dot it is a position, without a fraction.
fn number_length(rest: &str, after_dot: bool) -> usize {
    let mut length = word_length(rest);
    let is_digit = |at: usize| rest.as_bytes().get(at).is_some_and(u8::is_ascii_digit);
    if !after_dot && rest[length..].starts_with('.') && !rest.starts_with("0x") {
        let fraction = word_length(&rest[length + 1..]);
        let named = rest[length + 1..]
            .starts_with(|first: char| first == '_' || first.is_ascii_alphabetic());
        if !named {
            length += 1 + fraction;
        }
    }
    let has_exponent = rest[..length].ends_with(['e', 'E']) && !rest.starts_with("0x");
    if has_exponent && rest[length..].starts_with(['+', '-']) && is_digit(length + 1) {
        length += 1 + word_length(&rest[length + 1..]);
    }
    length
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
