//! CSV for spreadsheets.
//!
//! Source: RFC 4180, 2

/// Without it Excel takes UTF-8 for the encoding of its country.
const BYTE_ORDER_MARK: &str = "\u{feff}";

/// Rows of comma-separated values, with the names of the columns above.
#[derive(Debug)]
pub(crate) struct Csv {
    text: String,
}

impl Csv {
    /// Only the names.
    pub(crate) fn new(names: &[&str]) -> Self {
        let mut csv = Self {
            text: BYTE_ORDER_MARK.to_owned(),
        };
        csv.row(names.iter().map(|name| (*name).to_owned()));
        csv
    }

    /// One row more.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        for (place, cell) in cells.into_iter().enumerate() {
            if place > 0 {
                self.text.push(',');
            }
            self.text.push_str(&quoted(&harmless(&cell)));
        }
        self.text.push_str("\r\n");
    }

    pub(crate) fn into_text(self) -> String {
        self.text
    }
}

/// Spreadsheets take a cell that begins so for a formula, and would do what a customer's name tells them. The apostrophe says
/// that it is text. Where the list separator is `;`, or a line break is taken for the end of a row whatever the quotation marks
/// say, a cell of theirs begins in the middle of ours.
///
/// Source: <https://owasp.org/www-community/attacks/CSV_Injection>
fn harmless(cell: &str) -> String {
    let mut safe = String::with_capacity(cell.len());
    if cell.starts_with(['\t', '\r', '\n']) {
        safe.push('\'');
    }
    let mut begins = true;
    for c in cell.chars() {
        if begins && matches!(c, '=' | '+' | '-' | '@') {
            safe.push('\'');
        }
        let separates = matches!(c, ';' | '\t' | '\r' | '\n');
        begins = separates || (begins && (c.is_whitespace() || c == '"'));
        safe.push(c);
    }
    safe
}

fn quoted(cell: &str) -> String {
    format!("\"{}\"", cell.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(cells: &[&str]) -> String {
        let mut csv = Csv::new(&["a", "b"]);
        csv.row(cells.iter().map(|cell| (*cell).to_owned()));
        csv.into_text()
    }

    fn expected(cell: &str, rest: &str) -> String {
        format!("\u{feff}\"a\",\"b\"\r\n\"{cell}\"{rest}\r\n")
    }

    #[test]
    fn every_cell_is_quoted() {
        for (cell, quoted) in [
            ("plain", "plain"),
            ("", ""),
            ("é ü", "é ü"),
            ("one, two", "one, two"),
            ("say \"yes\"", "say \"\"yes\"\""),
            ("a\r\nb", "a\r\nb"),
        ] {
            assert_eq!(written(&[cell, "x"]), expected(quoted, ",\"x\""));
        }
    }

    #[test]
    fn no_cell_is_a_formula_whatever_separates_cells_there() {
        for (cell, harmless) in [
            (
                "=HYPERLINK(\"http://x\",\"y\")",
                "'=HYPERLINK(\"\"http://x\"\",\"\"y\"\")",
            ),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@x", "'@x"),
            (" =1", " '=1"),
            ("\t=1", "'\t'=1"),
            ("\r=1", "'\r'=1"),
            ("\n=1", "'\n'=1"),
            ("ok;=1", "ok;'=1"),
            ("ok; \"@x", "ok; \"\"'@x"),
            ("nice\n=1", "nice\n'=1"),
            ("nice\r\n +1", "nice\r\n '+1"),
            ("a\t-1", "a\t'-1"),
            ("a=1; b-2", "a=1; b-2"),
        ] {
            assert_eq!(written(&[cell]), expected(harmless, ""));
        }
    }
}
