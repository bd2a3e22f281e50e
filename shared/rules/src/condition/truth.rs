//! Results of three values.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Whether something holds, as far as the event lets it be known.
///
/// In JSON it is `true`, `false` or `"unknown"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Truth {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// The event does not say, or says it in a form that cannot be compared.
    Unknown,
}

impl Truth {
    /// Whether it is known to hold.
    pub fn holds(self) -> bool {
        self == Self::True
    }

    /// The least: false before unknown before true.
    pub(super) fn all(results: impl IntoIterator<Item = Self>) -> Self {
        results.into_iter().fold(Self::True, Self::and)
    }

    /// The greatest.
    pub(super) fn any(results: impl IntoIterator<Item = Self>) -> Self {
        !Self::all(results.into_iter().map(|result| !result))
    }

    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::False, _) | (_, Self::False) => Self::False,
            (Self::Unknown, _) | (_, Self::Unknown) => Self::Unknown,
            (Self::True, Self::True) => Self::True,
        }
    }
}

impl std::ops::Not for Truth {
    type Output = Self;

    fn not(self) -> Self {
        match self {
            Self::True => Self::False,
            Self::False => Self::True,
            Self::Unknown => Self::Unknown,
        }
    }
}

impl From<bool> for Truth {
    fn from(holds: bool) -> Self {
        if holds { Self::True } else { Self::False }
    }
}

const UNKNOWN: &str = "unknown";

impl Serialize for Truth {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::True => serializer.serialize_bool(true),
            Self::False => serializer.serialize_bool(false),
            Self::Unknown => serializer.serialize_str(UNKNOWN),
        }
    }
}

impl<'de> Deserialize<'de> for Truth {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Known(bool),
            Word(String),
        }
        match Written::deserialize(deserializer)? {
            Written::Known(holds) => Ok(holds.into()),
            Written::Word(word) if word == UNKNOWN => Ok(Self::Unknown),
            Written::Word(_) => Err(serde::de::Error::custom(
                "expected true, false or \"unknown\"",
            )),
        }
    }
}

impl JsonSchema for Truth {
    fn schema_name() -> Cow<'static, str> {
        "Truth".into()
    }

    fn schema_id() -> Cow<'static, str> {
        concat!(module_path!(), "::Truth").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Whether it holds, as far as the event lets it be known.",
            "enum": [true, false, UNKNOWN],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Truth::{False, True, Unknown};

    #[test]
    fn groups_take_the_least_and_the_greatest() {
        let order = [False, Unknown, True];
        for (low, least) in order.into_iter().enumerate() {
            for (high, greatest) in order.into_iter().enumerate().skip(low) {
                assert_eq!(Truth::all([least, greatest]), order[low]);
                assert_eq!(Truth::all([greatest, least]), order[low]);
                assert_eq!(Truth::any([least, greatest]), order[high]);
                assert_eq!(Truth::any([greatest, least]), order[high]);
            }
        }
        assert_eq!((Truth::all([]), Truth::any([])), (True, False));
    }

    #[test]
    fn json_of_results_is_read_again() {
        for (truth, json) in [(True, "true"), (False, "false"), (Unknown, "\"unknown\"")] {
            assert_eq!(serde_json::to_string(&truth).unwrap(), json);
            assert_eq!(serde_json::from_str::<Truth>(json).unwrap(), truth);
        }
        assert!(serde_json::from_str::<Truth>("\"maybe\"").is_err());
        assert!(serde_json::from_str::<Truth>("null").is_err());
    }
}
