//! Standard output.

use std::fmt;
use std::io::Write;

use serde::Serialize;

use crate::error::Error;

/// Where results go, and in which form.
pub(crate) struct Output<'a> {
    writer: &'a mut dyn Write,
    json: bool,
}

impl<'a> Output<'a> {
    pub(crate) fn new(writer: &'a mut dyn Write, json: bool) -> Self {
        Self { writer, json }
    }

    pub(crate) fn wants_json(&self) -> bool {
        self.json
    }

    /// Writes text and a line break. Senders and vendors have a say in what is shown, but not in what the
    /// terminal does: control characters are replaced.
    pub(crate) fn text(&mut self, text: impl fmt::Display) -> Result<(), Error> {
        let text: String = text
            .to_string()
            .chars()
            .map(|c| {
                if c.is_control() && c != '\n' && c != '\t' {
                    char::REPLACEMENT_CHARACTER
                } else {
                    c
                }
            })
            .collect();
        writeln!(self.writer, "{text}")
            .and_then(|()| self.writer.flush())
            .map_err(Error::Output)
    }

    /// Writes a text as it is, but for what would move a cursor: other programs read it.
    pub(crate) fn raw(&mut self, text: &str) -> Result<(), Error> {
        let is_harmless = |c: &char| !c.is_control() || matches!(c, '\n' | '\r' | '\t');
        let text: String = text
            .chars()
            .map(|c| {
                if is_harmless(&c) {
                    c
                } else {
                    char::REPLACEMENT_CHARACTER
                }
            })
            .collect();
        self.writer
            .write_all(text.as_bytes())
            .and_then(|()| self.writer.flush())
            .map_err(Error::Output)
    }

    /// Writes what happens meanwhile, which is not part of the JSON result.
    pub(crate) fn progress(&mut self, text: impl fmt::Display) -> Result<(), Error> {
        if self.json { Ok(()) } else { self.text(text) }
    }

    /// Writes a value as indented JSON.
    pub(crate) fn json(&mut self, value: &impl Serialize) -> Result<(), Error> {
        let text =
            serde_json::to_string_pretty(value).map_err(|error| Error::Output(error.into()))?;
        writeln!(self.writer, "{text}").map_err(Error::Output)
    }

    /// Writes lines whose columns stand below each other.
    pub(crate) fn table(&mut self, rows: &[Vec<String>]) -> Result<(), Error> {
        let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns)
            .map(|column| {
                rows.iter()
                    .filter_map(|row| row.get(column))
                    .map(|cell| cell.chars().count())
                    .max()
                    .unwrap_or(0)
            })
            .collect();
        for row in rows {
            let cells: Vec<String> = row
                .iter()
                .zip(&widths)
                .map(|(cell, width)| format!("{cell:<width$}"))
                .collect();
            self.text(cells.join("  ").trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl Fn(&mut Output<'_>) -> Result<(), Error>) -> String {
        let mut bytes = Vec::new();
        write(&mut Output::new(&mut bytes, false)).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(
            written(|output| output.text("a\u{1b}[2Jb\r\n\tc")),
            "a\u{fffd}[2Jb\u{fffd}\n\tc\n"
        );
    }

    #[test]
    fn raw_text_keeps_its_lines_and_moves_no_cursor() {
        assert_eq!(
            written(|output| output.raw("a,\"b\nc\"\r\n\u{1b}[2J")),
            "a,\"b\nc\"\r\n\u{fffd}[2J"
        );
    }

    #[test]
    fn columns_stand_below_each_other() {
        let rows = [vec!["é".to_owned(), "b".to_owned()], vec!["ccc".to_owned()]];
        assert_eq!(written(|output| output.table(&rows)), "é    b\nccc\n");
    }
}
