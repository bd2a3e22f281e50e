//! Session codes.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

use serde::{Deserialize, Serialize};

use crate::InvalidInput;

/// How long a code may be, without its dashes.
const LENGTHS: std::ops::RangeInclusive<usize> = 3..=32;
/// The digits of a usual code, behind its `s`.
const DIGITS: usize = 9;

/// The code of a session, such as `s119-457-589`, which a customer is given. Two codes are the same whatever their case and
/// dashes.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SessionCode {
    written: String,
    key: String,
}

impl SessionCode {
    /// Reads a code in upper or lower case, with or without dashes. A usual one (`s` and nine digits) gets its dashes where
    /// TeamViewer puts them; any other keeps those that it has.
    ///
    /// # Errors
    /// When the text cannot be a code. Give up.
    pub fn parse(text: &str) -> Result<Self, InvalidInput> {
        let written = text.trim().to_ascii_lowercase();
        let key: String = written.chars().filter(|&one| one != '-').collect();
        let fits =
            LENGTHS.contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !fits {
            return Err(InvalidInput::Code);
        }
        let written = grouped(&key).unwrap_or(written);
        Ok(Self { written, key })
    }

    /// The code with its dashes, as TeamViewer writes it.
    pub fn as_str(&self) -> &str {
        &self.written
    }

    /// What codes are compared by: lower case, without dashes.
    pub fn as_key(&self) -> &str {
        &self.key
    }

    /// The code in an address of a session: that of the API, or one of the links, which leave the dashes out and may have
    /// a secret behind the code.
    pub(crate) fn in_address(address: &str) -> Option<Self> {
        let path = address.split(['?', '#']).next()?;
        let last = path.trim_end_matches('/').rsplit('/').next()?;
        let (first, rest) = last.split_at_checked(1)?;
        if !first.eq_ignore_ascii_case("s") {
            return None;
        }
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        if digits == DIGITS {
            return Self::parse(last.get(..=DIGITS)?).ok();
        }
        let code = Self::parse(last).ok()?;
        let is_usual = grouped(&code.key).is_some();
        is_usual.then_some(code)
    }
}

/// A usual code with its dashes.
fn grouped(key: &str) -> Option<String> {
    let digits = key.strip_prefix('s')?;
    let is_usual = digits.len() == DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
    let (first, rest) = is_usual.then(|| digits.split_at(DIGITS / 3))?;
    let (second, third) = rest.split_at(DIGITS / 3);
    Some(format!("s{first}-{second}-{third}"))
}

impl fmt::Display for SessionCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl PartialEq for SessionCode {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for SessionCode {}

impl Hash for SessionCode {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key.hash(state);
    }
}

impl PartialOrd for SessionCode {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for SessionCode {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key.cmp(&other.key)
    }
}

impl TryFrom<String> for SessionCode {
    type Error = InvalidInput;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<SessionCode> for String {
    fn from(code: SessionCode) -> Self {
        code.written
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_the_same_however_it_is_written() {
        let code = SessionCode::parse("s119-457-589").unwrap();
        for text in [
            "S119-457-589",
            " s119457589 ",
            "s1194-57-589",
            "s-119457589-",
        ] {
            let other = SessionCode::parse(text).unwrap();
            assert_eq!(other, code);
            assert_eq!(other.cmp(&code), Ordering::Equal);
            assert_eq!(other.to_string(), "s119-457-589", "{text}");
            assert_eq!(other.as_key(), "s119457589");
        }
        let json = serde_json::to_string(&code).unwrap();
        assert_eq!(json, r#""s119-457-589""#);
        assert_eq!(serde_json::from_str::<SessionCode>(&json).unwrap(), code);
        assert!(serde_json::from_str::<SessionCode>(r#""../x""#).is_err());
    }

    #[test]
    fn unusual_codes_stay_as_they_are_and_nothing_leads_elsewhere() {
        for (text, expected) in [
            ("S12-345-678", Some("s12-345-678")),
            ("s1194575890", Some("s1194575890")),
            ("119-457-589", Some("119-457-589")),
            ("", None),
            ("s", None),
            ("--", None),
            ("..", None),
            ("s119/457", None),
            ("s119 457 589", None),
            ("s119–457–589", None),
            ("s123456789012345678901234567890123", None),
        ] {
            let code = SessionCode::parse(text).ok();
            assert_eq!(code.as_ref().map(SessionCode::as_str), expected, "{text}");
        }
    }

    #[test]
    fn code_is_found_in_addresses_of_sessions_only() {
        for (address, found) in [
            ("https://get.teamviewer.com/v15/s119457589", true),
            ("https://get.teamviewer.com/v15/s119457589-abcDEF", true),
            (
                "https://get.teamviewer.com/v15/s119457589-123?lng=en#x",
                true,
            ),
            ("/api/v1/sessions/S119-457-589/", true),
            ("s119457589", true),
            ("https://login.teamviewer.com/sign-in", false),
            ("https://login.teamviewer.com/s", false),
            ("https://get.teamviewer.com/v15/s1194575891", false),
            ("https://get.teamviewer.com/?code=s119457589", false),
            ("/api/v1/sessions", false),
            ("", false),
            ("ß", false),
        ] {
            let code = SessionCode::in_address(address);
            let expected = found.then_some("s119-457-589");
            assert_eq!(
                code.as_ref().map(SessionCode::as_str),
                expected,
                "{address}"
            );
        }
    }
}
