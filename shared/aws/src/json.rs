//! Shapes that several services share.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A moment, in AWS's JSON: seconds since 1970, whole or with a fraction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EpochSeconds(pub(crate) Timestamp);

impl Serialize for EpochSeconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(self.0.as_second())
    }
}

impl<'de> Deserialize<'de> for EpochSeconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let seconds = f64::deserialize(deserializer)?;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "milliseconds since 1970 fit, and a timestamp refuses what does not"
        )]
        let milliseconds = (seconds * 1_000.0).round() as i64;
        Timestamp::from_millisecond(milliseconds)
            .map(Self)
            .map_err(serde::de::Error::custom)
    }
}

/// A token by which AWS recognises a repeated call: 32 characters that nobody else uses.
pub(crate) fn client_token() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    Ok(hex::encode(bytes))
}
