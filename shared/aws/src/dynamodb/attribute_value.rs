use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// A value as DynamoDB has it. Its `Debug` tells the kind alone: rows hold what must not reach a log.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub enum AttributeValue {
    /// A text.
    S(String),
    /// A number, in decimal digits.
    N(String),
    /// True or false.
    #[serde(rename = "BOOL")]
    Bool(bool),
    /// Nothing.
    #[serde(rename = "NULL")]
    Null(bool),
    /// A list.
    L(Vec<AttributeValue>),
    /// A map.
    M(BTreeMap<String, AttributeValue>),
    /// A set of texts.
    #[serde(rename = "SS")]
    Ss(Vec<String>),
    /// A set of numbers.
    #[serde(rename = "NS")]
    Ns(Vec<String>),
    /// Bytes, in Base64.
    B(String),
    /// A set of bytes, in Base64.
    #[serde(rename = "BS")]
    Bs(Vec<String>),
}

impl AttributeValue {
    /// The text, or the value itself when it is none.
    ///
    /// # Errors
    /// The value.
    pub fn as_s(&self) -> Result<&String, &Self> {
        if let Self::S(text) = self {
            Ok(text)
        } else {
            Err(self)
        }
    }

    /// The list, or the value itself when it is none.
    ///
    /// # Errors
    /// The value.
    pub fn as_l(&self) -> Result<&Vec<Self>, &Self> {
        if let Self::L(values) = self {
            Ok(values)
        } else {
            Err(self)
        }
    }

    /// The number's digits, or the value itself when it is none.
    ///
    /// # Errors
    /// The value.
    pub fn as_n(&self) -> Result<&String, &Self> {
        if let Self::N(digits) = self {
            Ok(digits)
        } else {
            Err(self)
        }
    }
}

impl fmt::Debug for AttributeValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::S(_) => "S",
            Self::N(_) => "N",
            Self::Bool(_) => "BOOL",
            Self::Null(_) => "NULL",
            Self::L(_) => "L",
            Self::M(_) => "M",
            Self::Ss(_) => "SS",
            Self::Ns(_) => "NS",
            Self::B(_) => "B",
            Self::Bs(_) => "BS",
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_written_as_dynamodb_has_them() {
        let value = AttributeValue::M(BTreeMap::from([(
            "a".to_owned(),
            AttributeValue::L(vec![
                AttributeValue::S("x".to_owned()),
                AttributeValue::N("1".to_owned()),
                AttributeValue::Bool(true),
                AttributeValue::Null(true),
            ]),
        )]));
        let written =
            json!({"M": {"a": {"L": [{"S": "x"}, {"N": "1"}, {"BOOL": true}, {"NULL": true}]}}});
        assert_eq!(json!(value), written);
        assert_eq!(
            serde_json::from_value::<AttributeValue>(written).unwrap(),
            value
        );
        assert_eq!(format!("{value:?}"), "M");
    }
}
