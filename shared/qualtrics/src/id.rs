//! Ids, which go into paths. Their lengths are not fixed.

use std::fmt;

/// Longest part after the prefix.
const LONGEST: usize = 40;

/// A text is no id of this kind. Give up. The text itself is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected the id of a {what}: {prefixes} and 1 to 40 letters, digits and underscores")]
pub struct InvalidId {
    what: &'static str,
    prefixes: &'static str,
}

/// A survey's id, such as `SV_1AmkKSDmoZ4XlQx`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SurveyId(String);

/// A response's id, such as `R_0B7IcnXszjEUHLP`; `FS_` marks one whose session is not finished.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ResponseId(String);

impl SurveyId {
    /// Checks a text.
    ///
    /// # Errors
    /// When it is no survey's id.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        if is_id(text, &["SV_"]) {
            return Ok(Self(text.to_owned()));
        }
        Err(InvalidId {
            what: "survey",
            prefixes: "SV_",
        })
    }

    /// The id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl ResponseId {
    /// Checks a text.
    ///
    /// # Errors
    /// When it is no response's id.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        if is_id(text, &["R_", "FS_"]) {
            return Ok(Self(text.to_owned()));
        }
        Err(InvalidId {
            what: "response",
            prefixes: "R_ (or FS_)",
        })
    }

    /// The id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SurveyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for ResponseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_id(text: &str, prefixes: &[&str]) -> bool {
    prefixes.iter().any(|prefix| {
        text.strip_prefix(prefix).is_some_and(|rest| {
            (1..=LONGEST).contains(&rest.len())
                && rest
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_their_prefix_and_nothing_that_leads_elsewhere() {
        let long = format!("SV_{}", "a".repeat(41));
        for (text, survey, response) in [
            ("SV_1AmkKSDmoZ4XlQx", true, false),
            ("SV_1", true, false),
            ("R_0B7IcnXszjEUHLP", false, true),
            ("FS_1", false, true),
            ("SV_", false, false),
            ("R_", false, false),
            ("sv_1", false, false),
            ("SV_1/../whoami", false, false),
            ("SV_1%2f", false, false),
            ("R_1?x=1", false, false),
            (" SV_1", false, false),
            ("", false, false),
            (&long, false, false),
        ] {
            assert_eq!(SurveyId::parse(text).is_ok(), survey, "{text}");
            assert_eq!(ResponseId::parse(text).is_ok(), response, "{text}");
        }
    }
}
