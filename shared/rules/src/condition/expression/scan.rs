//! What is measured before the parser runs, which goes into itself for each bracket.

use super::MAX_CHARACTERS;

/// How deep brackets may nest, how many may be opened, and how many conditionals written.
const MAX_NESTING: usize = 16;
const MAX_BRACKETS: usize = 60;
const MAX_CONDITIONALS: usize = 15;

/// Refuses what would go deep, and the spellings of texts that would make it hard to tell where one ends.
pub(super) fn check(source: &str) -> Result<(), String> {
    if source.chars().count() > MAX_CHARACTERS {
        return Err(format!("it is longer than {MAX_CHARACTERS} characters"));
    }
    if source.trim().is_empty() {
        return Err("it is empty".to_owned());
    }
    let mut scan = Scan::default();
    let mut rest = source;
    while let Some(character) = rest.chars().next() {
        let place = source[..source.len() - rest.len()].chars().count() + 1;
        let after = scan
            .step(character, rest)
            .map_err(|problem| format!("character {place}: {problem}"))?;
        rest = after;
    }
    match scan.open.pop() {
        Some(bracket) => Err(format!("`{bracket}` is not closed")),
        None => Ok(()),
    }
}

#[derive(Default)]
struct Scan {
    open: Vec<char>,
    brackets: usize,
    conditionals: usize,
    /// What came before, unless it was within a text.
    previous: Option<char>,
}

impl Scan {
    /// Takes a character, or a whole text, and gives what follows.
    fn step<'s>(&mut self, character: char, rest: &'s str) -> Result<&'s str, String> {
        let mut after = &rest[character.len_utf8()..];
        match character {
            '(' | '[' | '{' => {
                self.open.push(character);
                self.brackets += 1;
                if self.open.len() > MAX_NESTING {
                    return Err(format!("brackets nest deeper than {MAX_NESTING} levels"));
                }
                if self.brackets > MAX_BRACKETS {
                    return Err(format!("it has more than {MAX_BRACKETS} brackets"));
                }
            }
            ')' | ']' | '}' => {
                let opening = match character {
                    ')' => '(',
                    ']' => '[',
                    _ => '{',
                };
                if self.open.pop() != Some(opening) {
                    return Err(format!("`{character}` closes nothing"));
                }
            }
            '?' => {
                self.conditionals += 1;
                if self.conditionals > MAX_CONDITIONALS {
                    return Err(format!("it has more than {MAX_CONDITIONALS} conditionals"));
                }
            }
            '"' | '\'' => {
                if matches!(self.previous, Some('r' | 'R' | 'b' | 'B')) {
                    return Err("raw texts and bytes are not supported".to_owned());
                }
                after = after_text(after, character)?;
                if after.starts_with(character) {
                    return Err("texts in three quotes are not supported".to_owned());
                }
            }
            '/' if after.starts_with('/') => {
                return Err("comments are not supported".to_owned());
            }
            '`' => return Err("backticks are not supported; write [\"a key\"]".to_owned()),
            _ => {}
        }
        self.previous = Some(character);
        Ok(after)
    }
}

/// What follows a text's closing quote.
fn after_text(text: &str, quote: char) -> Result<&str, String> {
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '\n' | '\r' => break,
            '\\' => match characters.next() {
                Some((_, 'n' | 'r' | 't' | '\\' | '\'' | '"')) => {}
                _ => return Err("after `\\` comes one of n, r, t, \\, ' and \"".to_owned()),
            },
            _ if character == quote => return Ok(&text[at + character.len_utf8()..]),
            _ => {}
        }
    }
    Err("a text is not closed".to_owned())
}
