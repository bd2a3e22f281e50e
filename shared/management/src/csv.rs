//! CSV for spreadsheets.
//!
//! Source: RFC 4180, 2

/// Rows of comma-separated values, with the names of the columns above.
#[derive(Debug)]
pub(crate) struct Csv {
    text: String,
}

impl Csv {
    /// Only the names.
    pub(crate) fn new(names: &[&str]) -> Self {
        let mut csv = Self {
            text: String::new(),
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
            self.text.push_str(&quoted(&harmless(cell)));
        }
        self.text.push_str("\r\n");
    }

    pub(crate) fn into_text(self) -> String {
        self.text
    }
}

/// Spreadsheets take what begins so for a formula, and would do what a customer's name tells them. The quotation mark says
/// that it is text.
///
/// Source: <https://owasp.org/www-community/attacks/CSV_Injection>
fn harmless(cell: String) -> String {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        format!("'{cell}")
    } else {
        cell
    }
}

fn quoted(cell: &str) -> String {
    if cell.contains(['"', ',', '\r', '\n']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(cells: &[&str]) -> String {
        let mut csv = Csv::new(&["a", "b"]);
        csv.row(cells.iter().map(|cell| (*cell).to_owned()));
        csv.into_text()
    }

    #[test]
    fn cells_are_quoted_where_they_must_be_and_only_there() {
        for (cell, expected) in [
            ("plain", "plain"),
            ("", ""),
            ("é ü", "é ü"),
            ("one, two", "\"one, two\""),
            ("say \"yes\"", "\"say \"\"yes\"\"\""),
            ("a\nb", "\"a\nb\""),
            ("a\r\nb", "\"a\r\nb\""),
        ] {
            assert_eq!(written(&[cell, "x"]), format!("a,b\r\n{expected},x\r\n"));
        }
    }

    #[test]
    fn no_cell_is_a_formula() {
        for (cell, expected) in [
            (
                "=HYPERLINK(\"http://x\",\"y\")",
                "\"'=HYPERLINK(\"\"http://x\"\",\"\"y\"\")\"",
            ),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@x", "'@x"),
            ("\t=1", "'\t=1"),
            ("\r=1", "\"'\r=1\""),
            ("a=1", "a=1"),
        ] {
            assert_eq!(written(&[cell]), format!("a,b\r\n{expected}\r\n"));
        }
    }
}
