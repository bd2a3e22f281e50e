//! Names that people give and keys that are derived from them.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::account::Vendor;

/// A name or key that breaks its rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is not {what}: expected {rule}")]
pub struct InvalidId {
    what: &'static str,
    found: String,
    rule: &'static str,
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $rule:literal, $pattern:literal, $valid:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The only door: checks the rule.
            ///
            /// # Errors
            /// When the text breaks the rule, which the error names.
            pub fn parse(text: &str) -> Result<Self, InvalidId> {
                let valid: fn(&str) -> bool = $valid;
                if valid(text) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(InvalidId {
                        what: $what,
                        found: text.chars().take(80).collect(),
                        rule: $rule,
                    })
                }
            }

            /// The text as it was given.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;

            fn try_from(text: String) -> Result<Self, InvalidId> {
                Self::parse(&text)
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Self::parse(text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "pattern": $pattern, "description": $rule })
            }
        }
    };
}

fn is_slug(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes
        .next()
        .is_some_and(|first| first.is_ascii_lowercase() || first.is_ascii_digit())
        && text.len() <= 64
        && bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

fn is_identifier(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_lowercase())
        && text.len() <= 64
        && bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

fn is_key(text: &str, prefix: &str) -> bool {
    text.strip_prefix(prefix).is_some_and(|hex| {
        hex.len() == 2 * KEY_BYTES && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    })
}

text_id!(
    /// Names a workflow in its stack.
    WorkflowId, "a workflow id",
    "1 to 64 lower-case letters, digits and hyphens, not beginning with a hyphen",
    "^[a-z0-9][a-z0-9-]{0,63}$", is_slug
);
text_id!(
    /// Names a way in: the last part of `/events/{endpoint}`.
    EndpointName, "an endpoint name",
    "1 to 64 lower-case letters, digits and hyphens, not beginning with a hyphen",
    "^[a-z0-9][a-z0-9-]{0,63}$", is_slug
);
text_id!(
    /// Names a connected vendor account.
    AccountName, "an account name",
    "1 to 64 lower-case letters, digits and hyphens, not beginning with a hyphen",
    "^[a-z0-9][a-z0-9-]{0,63}$", is_slug
);
text_id!(
    /// Names a task inside its workflow. Usable in piped text as `tasks.<name>.output`, hence no hyphens.
    TaskName, "a task id",
    "1 to 64 lower-case letters, digits and underscores, beginning with a letter",
    "^[a-z][a-z0-9_]{0,63}$", is_identifier
);
text_id!(
    /// Identifies an event in this stack: derived from the event's `source` and `id`, the pair that
    /// CloudEvents calls unique.
    EventKey, "an event key", "`ev_` and 32 hexadecimal digits", "^ev_[0-9a-f]{32}$",
    |text| is_key(text, "ev_")
);
text_id!(
    /// Identifies a run: derived from the event's key and the workflow's id, so that a repeated event
    /// names the same run.
    RunId, "a run id", "`run_` and 32 hexadecimal digits", "^run_[0-9a-f]{32}$",
    |text| is_key(text, "run_")
);
text_id!(
    /// Names an occasion on which events are handled again. Whoever asks for it chooses it; asking twice
    /// under one name does it once.
    ReplayId, "a replay id",
    "1 to 64 lower-case letters, digits and hyphens, not beginning with a hyphen",
    "^[a-z0-9][a-z0-9-]{0,63}$", is_slug
);
text_id!(
    /// Identifies one task of one run towards the vendor: the idempotency key, correlation id or external
    /// id of what the task creates. 35 characters of `[a-z0-9_]`.
    TaskKey, "a task key", "`tk_` and 32 hexadecimal digits", "^tk_[0-9a-f]{32}$",
    |text| is_key(text, "tk_")
);

text_id!(
    /// Names a mail template, such as `TV_ShareSessionSimple`. Upper and lower case differ.
    TemplateName, "a template's name",
    "1 to 64 letters, digits, underscores and hyphens, beginning with a letter",
    "^[A-Za-z][A-Za-z0-9_-]{0,63}$",
    |text| text.len() <= 64
        && text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
);

/// Identifies a connection in the history: the vendor's id. Its case varies from answer to answer, so it is kept in lower
/// case.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ConnectionId(String);

/// Names a service case: the session code that its customer is given, such as `s119-457-589`. Two codes are the same
/// whatever their case and dashes.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CaseCode {
    written: String,
    key: String,
}

impl ConnectionId {
    /// The only door.
    ///
    /// # Errors
    /// When the text cannot be an id.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        let fits = (1..=64).contains(&text.len())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if !fits {
            return Err(InvalidId {
                what: "a connection's id",
                found: text.chars().take(80).collect(),
                rule: "1 to 64 letters, digits and hyphens",
            });
        }
        Ok(Self(text.to_ascii_lowercase()))
    }

    /// The text, in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl CaseCode {
    /// The only door.
    ///
    /// # Errors
    /// When the text cannot be a code.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        let written = text.trim().to_ascii_lowercase();
        let key: String = written.chars().filter(|byte| *byte != '-').collect();
        let fits =
            (3..=32).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !fits {
            return Err(InvalidId {
                what: "a session code",
                found: text.chars().take(80).collect(),
                rule: "3 to 32 letters and digits, with or without dashes, such as s119-457-589",
            });
        }
        let written = match key.strip_prefix('s').map(|digits| (digits, digits.len())) {
            Some((digits, 9)) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                let part = |from, to| digits.get(from..to).unwrap_or_default();
                format!("s{}-{}-{}", part(0, 3), part(3, 6), part(6, 9))
            }
            Some(_) | None => written,
        };
        Ok(Self { written, key })
    }

    /// What codes are compared by: lower case, no dashes.
    pub fn key(&self) -> &str {
        &self.key
    }
}

impl PartialEq for CaseCode {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for CaseCode {}

impl std::hash::Hash for CaseCode {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.key.hash(state);
    }
}

impl PartialOrd for CaseCode {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for CaseCode {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key.cmp(&other.key)
    }
}

macro_rules! text_of {
    ($name:ident, $text:ident => $written:expr, $pattern:literal, $rule:literal) => {
        impl TryFrom<String> for $name {
            type Error = InvalidId;

            fn try_from(text: String) -> Result<Self, InvalidId> {
                Self::parse(&text)
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Self::parse(text)
            }
        }

        impl From<$name> for String {
            fn from($text: $name) -> Self {
                $written
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&String::from(self.clone()))
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "pattern": $pattern, "description": $rule })
            }
        }
    };
}

text_of!(ConnectionId, id => id.0, "^[A-Za-z0-9-]{1,64}$", "1 to 64 letters, digits and hyphens");
text_of!(
    CaseCode, code => code.written, "^[A-Za-z0-9-]{3,48}$",
    "a session code, such as s119-457-589; case and dashes do not matter"
);

const KEY_BYTES: usize = 16;
/// How many hexadecimal digits stand for a person.
const PERSON_HEX: usize = 16;

/// 128 bits of SHA-256 over the parts, each preceded by its length so that no two lists collide.
fn derive(prefix: &str, parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.len().to_be_bytes());
        hash.update(part.as_bytes());
    }
    let digest = hash.finalize();
    let digest = digest.get(..KEY_BYTES).unwrap_or(&digest);
    format!("{prefix}{}", hex::encode(digest))
}

impl AccountName {
    /// The name of somebody's own account at a vendor: `teamviewer-0123456789abcdef`. `key` stays the same for one person.
    pub fn of_person(vendor: Vendor, key: &str) -> Self {
        let digest = hex::encode(Sha256::digest(key.as_bytes()));
        let digits = digest.get(..PERSON_HEX).unwrap_or(&digest);
        Self(format!("{vendor}-{digits}"))
    }

    /// Whether it has the form of somebody's own account, as [`AccountName::of_person`] makes it.
    pub fn is_of_person(&self, vendor: Vendor) -> bool {
        let digits = self.0.strip_prefix(vendor.as_str());
        let digits = digits.and_then(|digits| digits.strip_prefix('-'));
        digits.is_some_and(|digits| {
            digits.len() == PERSON_HEX && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
        })
    }
}

impl EventKey {
    /// The key of the event with this CloudEvents `source` and `id`, and with the endpoint that it came by
    /// where the sender chose the source.
    pub fn derive(source: &str, id: &str, endpoint: Option<&str>) -> Self {
        let mut parts = vec![source, id];
        parts.extend(endpoint);
        Self(derive("ev_", &parts))
    }
}

impl RunId {
    /// The run of this workflow for this event.
    pub fn derive(event: &EventKey, workflow: &WorkflowId) -> Self {
        Self(derive("run_", &[event.as_str(), workflow.as_str()]))
    }

    /// The run of this workflow for this event when it is handled again.
    pub fn derive_replay(event: &EventKey, workflow: &WorkflowId, replay: &ReplayId) -> Self {
        let parts = [event.as_str(), workflow.as_str(), replay.as_str()];
        Self(derive("run_", &parts))
    }
}

impl TaskKey {
    /// The key of this task in this run.
    pub fn derive(run: &RunId, task: &TaskName) -> Self {
        Self(derive("tk_", &[run.as_str(), task.as_str()]))
    }

    /// A number that depends on the key alone; spreads the retries of different tasks.
    pub fn seed(&self) -> u64 {
        self.0
            .get(3..19)
            .and_then(|hex| u64::from_str_radix(hex, 16).ok())
            .unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derived_keys_pass_their_own_rule_and_repeat() {
        let event = EventKey::derive("/endpoints/survey", "SV_1:R_2", None);
        let workflow = WorkflowId::parse("follow-up").unwrap();
        let run = RunId::derive(&event, &workflow);
        let task = TaskKey::derive(&run, &TaskName::parse("incident").unwrap());
        assert_eq!(EventKey::parse(event.as_str()).unwrap(), event);
        assert_eq!(RunId::parse(run.as_str()).unwrap(), run);
        assert_eq!(TaskKey::parse(task.as_str()).unwrap(), task);
        assert_eq!(RunId::derive(&event, &workflow), run);
        assert_ne!(task.seed(), 0);
    }

    #[test]
    fn codes_and_connections_are_the_same_whatever_their_case() {
        let code = |text| CaseCode::parse(text).unwrap();
        assert_eq!(code("S119457589"), code("s119-457-589"));
        assert_eq!(code(" S119457589").to_string(), "s119-457-589");
        assert_eq!(code("s1194-57589").to_string(), "s119-457-589");
        assert_eq!(code("AB-12").to_string(), "ab-12");
        assert_ne!(code("s119-457-589"), code("s119-457-580"));
        for wrong in ["", "--", "s1", "s119 457", "s119/../x", &"1".repeat(33)] {
            assert!(CaseCode::parse(wrong).is_err(), "{wrong}");
        }
        let id = |text| ConnectionId::parse(text).unwrap();
        assert_eq!(id("0755A8DD-DF19").as_str(), "0755a8dd-df19");
        assert!(ConnectionId::parse("a b").is_err());
    }

    #[test]
    fn own_account_has_a_name_like_others_and_no_two_people_share_one() {
        let name = |key| AccountName::of_person(Vendor::TeamViewer, key);
        let ann = name("ann");
        assert_eq!(AccountName::parse(ann.as_str()).unwrap(), ann);
        assert_eq!(ann.as_str().len(), "teamviewer-".len() + 16);
        assert_eq!(name("ann"), ann);
        assert_ne!(name("bob"), ann);
        assert!(ann.is_of_person(Vendor::TeamViewer));
        assert!(!ann.is_of_person(Vendor::Zendesk));
        for other in ["teamviewer-company", "teamviewer", "teamviewer-0123"] {
            let other = AccountName::parse(other).unwrap();
            assert!(!other.is_of_person(Vendor::TeamViewer), "{other}");
        }
    }

    #[test]
    fn parts_of_a_key_do_not_run_into_each_other() {
        assert_ne!(
            EventKey::derive("ab", "c", None),
            EventKey::derive("a", "bc", None)
        );
    }

    #[test]
    fn names_keep_their_rules() {
        for (text, valid) in [
            ("follow-up-2", true),
            ("7", true),
            ("", false),
            ("-a", false),
            ("A", false),
            ("a_b", false),
            ("a/b", false),
            ("ä", false),
            (&"a".repeat(64), true),
            (&"a".repeat(65), false),
        ] {
            assert_eq!(WorkflowId::parse(text).is_ok(), valid, "{text}");
        }
        for (text, valid) in [
            ("incident", true),
            ("a_1", true),
            ("1a", false),
            ("a-b", false),
            ("_a", false),
        ] {
            assert_eq!(TaskName::parse(text).is_ok(), valid, "{text}");
        }
        assert!(RunId::parse("run_").is_err());
        assert!(
            serde_json::from_str::<TaskName>("\"a-b\"")
                .unwrap_err()
                .to_string()
                .contains("`a-b` is not a task id")
        );
    }
}
