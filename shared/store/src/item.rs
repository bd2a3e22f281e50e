//! Rows as DynamoDB has them.

use std::collections::BTreeMap;

use aws::dynamodb::AttributeValue;
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Error;

pub(crate) type Item = BTreeMap<String, AttributeValue>;

pub(crate) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

pub(crate) fn number(value: impl Into<i64>) -> AttributeValue {
    AttributeValue::N(value.into().to_string())
}

/// Times that conditions compare are numbers: milliseconds since 1970.
pub(crate) fn time(value: Timestamp) -> AttributeValue {
    number(value.as_millisecond())
}

/// Times that an index sorts by are texts of one width.
pub(crate) fn sortable_time(value: Timestamp) -> String {
    format!("{value:.3}")
}

/// About how many bytes a row takes.
pub(crate) fn size(row: &Item) -> usize {
    row.iter()
        .map(|(name, value)| name.len() + size_of_value(value))
        .sum()
}

/// About how many bytes a value takes.
pub(crate) fn size_of_value(value: &AttributeValue) -> usize {
    match (value.as_s(), value.as_l()) {
        (Ok(text), _) => text.len(),
        (_, Ok(entries)) => entries.iter().map(size_of_value).sum(),
        (Err(_), Err(_)) => 16,
    }
}

/// Whole seconds since 1970, as DynamoDB's time to live wants them.
pub(crate) fn expiry(from: Timestamp, days: u32) -> AttributeValue {
    number(from.as_second().saturating_add(i64::from(days) * 86_400))
}

pub(crate) fn json<T: Serialize>(
    operation: &'static str,
    what: &'static str,
    value: &T,
) -> Result<AttributeValue, Error> {
    let text = serde_json::to_string(value).map_err(|error| Error::Corrupt {
        operation,
        what,
        problem: error.to_string(),
    })?;
    if text.len() > MOST_BYTES {
        return Err(Error::TooLarge { operation, what });
    }
    Ok(AttributeValue::S(text))
}

/// Leaves room for keys and the other attributes below the limit of 400 kB a row.
const MOST_BYTES: usize = 390_000;

/// Reads rows on behalf of one operation, which its errors name.
pub(crate) struct Reader<'a> {
    pub(crate) operation: &'static str,
    pub(crate) item: &'a Item,
}

impl Reader<'_> {
    fn fault(&self, what: &'static str, problem: impl Into<String>) -> Error {
        Error::Corrupt {
            operation: self.operation,
            what,
            problem: problem.into(),
        }
    }

    pub(crate) fn text(&self, name: &'static str) -> Result<Option<&str>, Error> {
        match self.item.get(name) {
            None => Ok(None),
            Some(AttributeValue::S(text)) => Ok(Some(text)),
            Some(_) => Err(self.fault(name, "expected a text")),
        }
    }

    pub(crate) fn number<T: std::str::FromStr>(
        &self,
        name: &'static str,
    ) -> Result<Option<T>, Error> {
        match self.item.get(name) {
            None => Ok(None),
            Some(AttributeValue::N(text)) => text
                .parse()
                .map(Some)
                .map_err(|_| self.fault(name, "expected a smaller number")),
            Some(_) => Err(self.fault(name, "expected a number")),
        }
    }

    pub(crate) fn time(&self, name: &'static str) -> Result<Option<Timestamp>, Error> {
        self.number::<i64>(name)?
            .map(|millisecond| {
                Timestamp::from_millisecond(millisecond)
                    .map_err(|error| self.fault(name, error.to_string()))
            })
            .transpose()
    }

    pub(crate) fn flag(&self, name: &'static str) -> bool {
        matches!(self.item.get(name), Some(AttributeValue::Bool(true)))
    }

    pub(crate) fn json<T: DeserializeOwned>(&self, name: &'static str) -> Result<Option<T>, Error> {
        self.text(name)?
            .map(|text| self.parse(name, text))
            .transpose()
    }

    pub(crate) fn required_json<T: DeserializeOwned>(
        &self,
        name: &'static str,
    ) -> Result<T, Error> {
        self.json(name)?
            .ok_or_else(|| self.fault(name, "it is missing"))
    }

    /// A word that is one of an enum's.
    pub(crate) fn word<T: DeserializeOwned>(&self, name: &'static str) -> Result<Option<T>, Error> {
        self.text(name)?
            .map(|text| {
                serde_json::from_value(serde_json::Value::String(text.to_owned()))
                    .map_err(|_| self.fault(name, "expected one of its words"))
            })
            .transpose()
    }

    pub(crate) fn json_list<T: DeserializeOwned>(
        &self,
        name: &'static str,
    ) -> Result<Vec<T>, Error> {
        match self.item.get(name) {
            None => Ok(Vec::new()),
            Some(AttributeValue::L(entries)) => entries
                .iter()
                .map(|entry| {
                    let text = entry
                        .as_s()
                        .map_err(|_| self.fault(name, "expected a list of texts"))?;
                    self.parse(name, text)
                })
                .collect(),
            Some(_) => Err(self.fault(name, "expected a list")),
        }
    }

    fn parse<T: DeserializeOwned>(&self, name: &'static str, text: &str) -> Result<T, Error> {
        serde_json::from_str(text).map_err(|error| {
            self.fault(
                name,
                format!("{:?} error in column {}", error.classify(), error.column()),
            )
        })
    }
}
