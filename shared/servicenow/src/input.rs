//! Names and keys that go into paths and queries. `parse` is the only way in, so that no text of a
//! stranger widens a query or leaves its place in a path.

use std::fmt;

/// A value that is never sent. A human must correct the task or the mapping. The text does not repeat
/// values that may come from an event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidInput {
    /// Not a table name.
    #[error("`{}` is no table name: lower-case letters, digits and underscores, as in `change_request`", excerpt(.0))]
    Table(String),
    /// Not a column name.
    #[error("`{}` is no column name: lower-case letters, digits and underscores, as in `short_description`", excerpt(.0))]
    Column(String),
    /// The instance sets these columns itself and ignores what is sent.
    #[error("column `{}` is maintained by ServiceNow and cannot be written", excerpt(.0))]
    SystemColumn(String),
    /// Not a record id.
    #[error("a sys_id has 32 hexadecimal digits")]
    SysId,
    /// Not a record number.
    #[error(
        "a record number has 1 to 100 characters, no `^`, no control characters and does not begin with `javascript:`"
    )]
    Number,
    /// Not a text that can be looked for.
    #[error(
        "a text to look for has 1 to 200 characters, no `^`, no control characters and does not begin with `javascript:`"
    )]
    QueryText,
    /// Not a correlation id.
    #[error("a correlation id has 1 to 100 letters, digits, hyphens and underscores")]
    CorrelationId,
    /// An empty write would be answered with success without doing anything.
    #[error("there is no field to write")]
    NoFields,
}

macro_rules! text_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_type! {
    /// The name of a table, such as `incident` or `u_visit`.
    Table
}
text_type! {
    /// The name of a column that may be written, such as `short_description` or `u_store`.
    Column
}
text_type! {
    /// A record's id within the instance: 32 hexadecimal digits, here always in lower case.
    SysId
}
text_type! {
    /// A record's number as people see it, such as `INC0010001`.
    RecordNumber
}
text_type! {
    /// A text to look for, such as a name or an e-mail address.
    QueryText
}
text_type! {
    /// The other system's key of a record, as this project makes it: letters, digits, `-` and `_`.
    CorrelationId
}

impl Table {
    /// # Errors
    ///
    /// [`InvalidInput::Table`].
    pub fn parse(text: &str) -> Result<Self, InvalidInput> {
        let text = text.trim();
        if is_name(text) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidInput::Table(text.to_owned()))
        }
    }
}

impl Table {
    /// A table of the platform itself.
    pub(crate) fn known(name: &'static str) -> Self {
        Self(name.to_owned())
    }
}

impl Column {
    /// # Errors
    ///
    /// [`InvalidInput::Column`], or [`InvalidInput::SystemColumn`] for the `sys_` columns, which the
    /// Table API does not write.
    pub fn parse(text: &str) -> Result<Self, InvalidInput> {
        let text = text.trim();
        if !is_name(text) {
            Err(InvalidInput::Column(text.to_owned()))
        } else if text.starts_with("sys_") {
            Err(InvalidInput::SystemColumn(text.to_owned()))
        } else {
            Ok(Self(text.to_owned()))
        }
    }
}

impl SysId {
    /// # Errors
    ///
    /// [`InvalidInput::SysId`].
    pub fn parse(text: &str) -> Result<Self, InvalidInput> {
        if text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(InvalidInput::SysId)
        }
    }
}

impl RecordNumber {
    /// Surrounding space is removed.
    ///
    /// # Errors
    ///
    /// [`InvalidInput::Number`]: `^` would add a clause to the query, and a value beginning with
    /// `javascript:` would be run by the instance.
    pub fn parse(text: &str) -> Result<Self, InvalidInput> {
        searchable(text, 100).ok_or(InvalidInput::Number).map(Self)
    }
}

impl QueryText {
    /// Surrounding space is removed.
    ///
    /// # Errors
    ///
    /// [`InvalidInput::QueryText`], for the reasons of [`RecordNumber::parse`].
    pub fn parse(text: &str) -> Result<Self, InvalidInput> {
        searchable(text, 200)
            .ok_or(InvalidInput::QueryText)
            .map(Self)
    }
}

impl CorrelationId {
    /// # Errors
    ///
    /// [`InvalidInput::CorrelationId`].
    pub fn parse(text: &str) -> Result<Self, InvalidInput> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if (1..=100).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidInput::CorrelationId)
        }
    }
}

/// The text without outer space, unless it would be more than a value in a query.
fn searchable(text: &str, longest: usize) -> Option<String> {
    let text = text.trim();
    let scripted = text
        .get(..11)
        .is_some_and(|start| start.eq_ignore_ascii_case("javascript:"));
    let fits = (1..=longest).contains(&text.chars().count());
    let strange = text.contains(|c: char| c == '^' || c.is_control());
    (fits && !scripted && !strange).then(|| text.to_owned())
}

/// ServiceNow's names are at most 80 characters long; ours may not be longer either.
pub(crate) fn is_name(text: &str) -> bool {
    text.len() <= 80
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

fn excerpt(text: &str) -> String {
    text.chars()
        .take(40)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_lower_case_words() {
        for text in ["incident", " change_request ", "u_visit", "x_acme_2"] {
            assert!(Table::parse(text).is_ok(), "{text}");
            assert!(Column::parse(text).is_ok(), "{text}");
        }
        let long = "a".repeat(81);
        for text in [
            "", " ", "Incident", "1a", "_a", "a-b", "a.b", "a/b", "a b", "a^b", "é", "a\nb", &long,
        ] {
            assert!(Table::parse(text).is_err(), "{text:?}");
            assert!(Column::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn system_columns_are_refused() {
        assert_eq!(
            Column::parse("sys_created_by"),
            Err(InvalidInput::SystemColumn("sys_created_by".to_owned()))
        );
        assert!(Column::parse("system").is_ok());
    }

    #[test]
    fn sys_id_is_32_hex_digits() {
        let id = SysId::parse("54B947b1c30e0310c5a8fc0d05013158").unwrap();
        assert_eq!(id.as_str(), "54b947b1c30e0310c5a8fc0d05013158");
        for text in [
            "",
            "INC0010001",
            "54b947b1c30e0310c5a8fc0d0501315",
            "54b947b1c30e0310c5a8fc0d0501315g",
            " 54b947b1c30e0310c5a8fc0d0501315",
        ] {
            assert_eq!(SysId::parse(text), Err(InvalidInput::SysId), "{text}");
        }
    }

    #[test]
    fn numbers_cannot_carry_a_query() {
        assert_eq!(
            RecordNumber::parse(" INC0010001 ").unwrap().as_str(),
            "INC0010001"
        );
        for text in [
            "",
            "  ",
            "INC1^ORactive=true",
            "INC1\u{0}",
            "INC\n1",
            "javascript:gs.getUserID()",
            "JavaScript:x",
            &"9".repeat(101),
        ] {
            assert_eq!(
                RecordNumber::parse(text),
                Err(InvalidInput::Number),
                "{text:?}"
            );
        }
    }

    #[test]
    fn texts_to_look_for_cannot_carry_a_query() {
        assert_eq!(
            QueryText::parse(" David Loo = x ").unwrap().as_str(),
            "David Loo = x"
        );
        for text in [
            "",
            "David^ORactive=true",
            "David\u{7}",
            "javascript:gs.getUserID()",
            &"ü".repeat(201),
        ] {
            assert_eq!(
                QueryText::parse(text),
                Err(InvalidInput::QueryText),
                "{text:?}"
            );
        }
    }

    #[test]
    fn correlation_ids_are_plain() {
        assert!(CorrelationId::parse("0a1B-c_d").is_ok());
        for text in ["", "a b", "a^b", "a:b", "ü", &"a".repeat(101)] {
            assert_eq!(
                CorrelationId::parse(text),
                Err(InvalidInput::CorrelationId),
                "{text:?}"
            );
        }
    }
}
