//! Where a template could make large values of small ones, and how the engine is kept from it.
//!
//! The engine counts steps, and a step may double a text. Values grow without limit only where one is given a
//! name and used again, repeated by a number, or put many times into a list. So three things are written
//! into the template before the engine gets it:
//!
//! - what is given a name passes a filter that refuses large values: `__kept` for `set` and `with`, which
//!   also counts what a template keeps in all, `__held` for `for`;
//! - every list and object that is written out passes `__held`, too;
//! - both sides of `*` pass the filter `__number`: texts and lists cannot be repeated.

use super::Edit;
use super::token::{Kind, Tag};

/// Words before a bracket that make it a list or a group rather than a call or a member.
const WORDS_BEFORE_VALUES: [&str; 14] = [
    "in", "and", "or", "not", "if", "elif", "else", "is", "set", "with", "for", "do", "filter",
    "elseif",
];

/// Adds what must be written into the tag.
pub(super) fn guard(tag: &Tag<'_>, is_statement: bool, edits: &mut Vec<Edit>) {
    let Some((_, inside_end)) = tag.inside else {
        return;
    };
    let mut names_end = 0;
    if is_statement {
        match tag.kind(0) {
            Some(Kind::Name("set")) => {
                if let Some(sign) = assignment(tag, 1, tag.tokens.len()) {
                    names_end = sign;
                    hold(tag, sign, inside_end, "__kept", edits);
                }
            }
            Some(Kind::Name("with")) => hold_each(tag, inside_end, edits),
            Some(Kind::Name("for")) => {
                if let Some(word) = word(tag, 1, &["in"]) {
                    names_end = word;
                    let end = self::word(tag, word + 1, &["if", "recursive"])
                        .map_or(inside_end, |next| tag.tokens[next].at);
                    hold(tag, word, end, "__held", edits);
                }
            }
            _ => {}
        }
    }
    for at in names_end..tag.tokens.len() {
        match tag.kind(at) {
            Some(Kind::Sign('*')) => guard_product(tag, at, edits),
            Some(Kind::Sign('[' | '{' | '(')) if is_value(tag, at) => {
                if let Some(close) = tag.partner(at) {
                    // In brackets, since no member can be taken of what a filter gives.
                    insert(edits, tag.tokens[at].at, 0, "(");
                    insert(edits, tag.tokens[close].end, 0, "|__held)");
                }
            }
            _ => {}
        }
    }
}

/// Whether a `set` gives a name to an expression, and not to the text of a block.
pub(super) fn has_assignment(tag: &Tag<'_>) -> bool {
    assignment(tag, 1, tag.tokens.len()).is_some()
}

fn insert(edits: &mut Vec<Edit>, at: usize, order: u8, text: &str) {
    edits.push(Edit {
        from: at,
        to: at,
        order,
        text: text.to_owned(),
    });
}

/// Passes the expression behind the token, up to a place in the source, to the filter.
fn hold(tag: &Tag<'_>, after: usize, end: usize, filter: &str, edits: &mut Vec<Edit>) {
    insert(edits, tag.tokens[after].end, 0, " (");
    insert(edits, end, 1, &format!(")|{filter} "));
}

/// Holds each expression of `with a = …, b = …`.
fn hold_each(tag: &Tag<'_>, inside_end: usize, edits: &mut Vec<Edit>) {
    let count = tag.tokens.len();
    let mut at = 1;
    while let Some(sign) = assignment(tag, at, count) {
        let comma = tag.next_at_same_depth(sign + 1, count, ',');
        let end = tag.tokens.get(comma).map_or(inside_end, |token| token.at);
        hold(tag, sign, end, "__kept", edits);
        at = comma + 1;
    }
}

/// Where a single `=` stands outside brackets.
fn assignment(tag: &Tag<'_>, from: usize, to: usize) -> Option<usize> {
    let at = tag.next_at_same_depth(from, to, '=');
    (at < to).then_some(at)
}

/// Where one of the words stands outside brackets.
fn word(tag: &Tag<'_>, from: usize, words: &[&str]) -> Option<usize> {
    let mut at = from;
    while let Some(kind) = tag.kind(at) {
        match (kind, tag.partner(at)) {
            (Kind::Name(name), _)
                if words.contains(&name) && tag.kind(at - 1) != Some(Kind::Sign('.')) =>
            {
                return Some(at);
            }
            (_, Some(close)) if close > at => at = close + 1,
            _ => at += 1,
        }
    }
    None
}

/// Whether the bracket begins a value: no call, no member, no arguments.
fn is_value(tag: &Tag<'_>, at: usize) -> bool {
    let Some(previous) = at.checked_sub(1).and_then(|before| tag.kind(before)) else {
        return true;
    };
    match previous {
        Kind::Name(name) => {
            let is_member = at > 1 && matches!(tag.kind(at - 2), Some(Kind::Sign('.' | '|')));
            let is_test = at > 1 && tag.kind(at - 2) == Some(Kind::Name("is"));
            WORDS_BEFORE_VALUES.contains(&name) && !is_member && !is_test
        }
        Kind::Text(_) | Kind::Number | Kind::Sign(')' | ']' | '}') => false,
        Kind::Sign(_) => true,
    }
}

/// Lets numbers only take part in `a * b`. `**` knows numbers only, and `f(*list)` is no product.
fn guard_product(tag: &Tag<'_>, at: usize, edits: &mut Vec<Edit>) {
    let Some(before) = at.checked_sub(1) else {
        return;
    };
    let is_power =
        tag.kind(before) == Some(Kind::Sign('*')) || tag.kind(at + 1) == Some(Kind::Sign('*'));
    if is_power || matches!(tag.kind(before), Some(Kind::Sign('(' | ','))) {
        return;
    }
    insert(edits, tag.tokens[before].end, 0, "|__number");
    if let Some(end) = operand_end(tag, at + 1) {
        insert(edits, end, 0, "|__number");
    }
}

/// Where the operand that begins there ends in the source: a value with its members, calls and filters.
fn operand_end(tag: &Tag<'_>, from: usize) -> Option<usize> {
    let mut at = from;
    while matches!(tag.kind(at), Some(Kind::Sign('-' | '+'))) {
        at += 1;
    }
    match tag.kind(at)? {
        Kind::Name(_) | Kind::Number => at += 1,
        Kind::Text(_) => {
            while matches!(tag.kind(at), Some(Kind::Text(_))) {
                at += 1;
            }
        }
        Kind::Sign(_) => at = tag.partner(at)? + 1,
    }
    loop {
        at = match (tag.kind(at), tag.kind(at + 1)) {
            (Some(Kind::Sign('.')), Some(Kind::Name(_) | Kind::Number))
            | (Some(Kind::Sign('|')), Some(Kind::Name(_))) => at + 2,
            (Some(Kind::Sign('(' | '[')), _) => tag.partner(at)? + 1,
            _ => return Some(tag.tokens.get(at - 1)?.end),
        };
    }
}
