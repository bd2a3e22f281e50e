//! Locators: the addresses that Qualtrics gives to what is known of a response.
//!
//! `q://QID1/ChoiceGroup/SelectedChoices` is an answer, `e://Field/plan` embedded data, `m://FirstName` a
//! contact's field. Surveys, messages and stored logic are full of them, so that conditions and piped text
//! read them as they are.

mod answer;
mod date;
mod plain_text;
mod response;

use std::fmt;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;

use self::answer::Part;
use self::date::DateText;
use self::response::Response;

/// The schemes that are known, without `://`.
pub(crate) const SCHEMES: [&str; 12] = [
    "q", "e", "m", "rm", "rd", "gr", "loc", "lm", "l", "date", "rand", "aedj",
];

/// An address of something that is known of a survey's response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Locator {
    text: String,
    source: Source,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    Answer {
        question: String,
        part: Part,
    },
    /// Embedded data and what is recorded with a response: both are kept under their names.
    Field(String),
    Contact(String),
    Score {
        category: String,
        figure: String,
    },
    Location(String),
    /// A field of the event itself.
    EventField(String),
    Date(DateText),
    Random {
        low: i64,
        high: i64,
    },
    /// A link into a distribution.
    Link,
    /// A loop of a survey, which is over when its response arrives.
    Loop,
}

/// A locator that cannot be read. Whoever wrote it must correct it; its text quotes the locator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LocatorError {
    /// Something is missing or too much.
    #[error("`{locator}` is not complete: it is written {form}")]
    Incomplete {
        /// As it was written.
        locator: String,
        /// How it is written.
        form: &'static str,
    },
    /// `q://` with a part that is not known.
    #[error("`{locator}` asks for `{part}` of an answer; known are {}", Part::NAMES.join(", "))]
    UnknownPart {
        /// As it was written.
        locator: String,
        /// What follows the question.
        part: String,
    },
    /// A date format that gives no date.
    #[error("`{locator}`: {problem}")]
    Date {
        /// As it was written.
        locator: String,
        /// What is wrong with its format or shift.
        problem: String,
    },
    /// Longer than [`MAX_LOCATOR_BYTES`], or of more than one line.
    #[error("a locator has one line of at most {MAX_LOCATOR_BYTES} bytes")]
    TooLong,
}

/// How long a locator may be, in bytes.
pub(crate) const MAX_LOCATOR_BYTES: usize = 500;

/// What a locator can need beside the event.
pub(crate) struct Moment<'a> {
    /// The current time; without it dates are unknown.
    pub(crate) now: Option<Timestamp>,
    /// The time zone of dates.
    pub(crate) zone: &'a TimeZone,
    /// What random numbers are derived from: the same gives the same number.
    pub(crate) seed: &'a str,
}

impl Locator {
    /// Reads a locator, with or without `${` and `}`; none when the text begins with no known scheme.
    pub(crate) fn parse(text: &str) -> Option<Result<Self, LocatorError>> {
        let text = text.trim();
        let text = text
            .strip_prefix("${")
            .and_then(|rest| rest.strip_suffix('}'))
            .unwrap_or(text);
        let (scheme, rest) = text.split_once("://")?;
        if !SCHEMES.contains(&scheme) {
            return None;
        }
        if text.len() > MAX_LOCATOR_BYTES || text.contains(['\n', '\r']) {
            return Some(Err(LocatorError::TooLong));
        }
        Some(Source::parse(text, scheme, rest).map(|source| Self {
            text: text.to_owned(),
            source,
        }))
    }

    /// As it was written, without `${` and `}`.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the event alone tells its value; dates, random numbers and links need more or other things.
    pub(crate) fn is_of_event(&self) -> bool {
        match self.source {
            Source::Answer { .. }
            | Source::Field(_)
            | Source::Contact(_)
            | Source::Score { .. }
            | Source::Location(_)
            | Source::EventField(_) => true,
            Source::Date(_) | Source::Random { .. } | Source::Link | Source::Loop => false,
        }
    }

    /// Whether it is a link into a distribution, for which an event has no value.
    pub(crate) fn is_link(&self) -> bool {
        self.source == Source::Link
    }

    /// Its value in an event, a CloudEvents object; none when it is unknown or was not answered.
    pub(crate) fn resolve(&self, event: &Value) -> Option<Value> {
        self.resolve_at(
            event,
            &Moment {
                now: None,
                zone: &TimeZone::UTC,
                seed: "",
            },
        )
    }

    /// Its value in an event at a moment: dates and random numbers have one, too.
    pub(crate) fn resolve_at(&self, event: &Value, moment: &Moment<'_>) -> Option<Value> {
        let response = Response::of(event);
        let found = match &self.source {
            Source::Answer { question, part } => answer::resolve(&response, question, part),
            Source::Field(name) => response.field(name),
            Source::Contact(name) => response.contact(name),
            Source::Score { category, figure } => response.score(category, figure),
            Source::Location(name) => response.location(name),
            Source::EventField(name) => response.event_field(name),
            Source::Date(date) => date.at(moment.now?, moment.zone).map(Value::String),
            Source::Random { low, high } => Some(random(moment.seed, *low, *high).into()),
            Source::Link | Source::Loop => None,
        };
        found.filter(|value| !value.is_null())
    }
}

impl fmt::Display for Locator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Source {
    fn parse(text: &str, scheme: &str, rest: &str) -> Result<Self, LocatorError> {
        let incomplete = |form| LocatorError::Incomplete {
            locator: text.to_owned(),
            form,
        };
        let named = |name: Option<&str>, form| match name {
            Some(name) if !name.is_empty() => Ok(name.to_owned()),
            _ => Err(incomplete(form)),
        };
        match scheme {
            "q" => {
                let (question, part) = rest.split_once('/').unwrap_or((rest, ""));
                let is_id = |character: char| {
                    character.is_ascii_alphanumeric() || matches!(character, '_' | '-' | '#' | '~')
                };
                if question.is_empty() || !question.chars().all(is_id) {
                    return Err(incomplete("q://QID1/ChoiceGroup/SelectedChoices"));
                }
                let part = Part::parse(part).ok_or_else(|| LocatorError::UnknownPart {
                    locator: text.to_owned(),
                    part: part.to_owned(),
                })?;
                Ok(Self::Answer {
                    question: question.to_owned(),
                    part,
                })
            }
            "e" => named(rest.strip_prefix("Field/"), "e://Field/NAME").map(Self::Field),
            "rm" | "rd" => named(
                Some(rest.strip_prefix("Field/").unwrap_or(rest)),
                "rm://Field/ResponseID",
            )
            .map(Self::Field),
            "m" => named(
                Some(rest.strip_prefix("Field/").unwrap_or(rest)),
                "m://FirstName",
            )
            .map(Self::Contact),
            "loc" => named(Some(rest), "loc://City").map(Self::Location),
            "aedj" => named(Some(rest), "aedj://NAME").map(Self::EventField),
            "gr" => {
                let form = "gr://SC_1/Score";
                let (category, figure) = rest.split_once('/').ok_or_else(|| incomplete(form))?;
                Ok(Self::Score {
                    category: named(Some(category), form)?,
                    figure: named(Some(figure), form)?,
                })
            }
            "rand" => {
                let bounds = || {
                    let (low, high) = rest.strip_prefix("int/")?.split_once(':')?;
                    let bounds: (i64, i64) = (low.parse().ok()?, high.parse().ok()?);
                    (bounds.0 <= bounds.1).then_some(bounds)
                };
                let (low, high) = bounds().ok_or_else(|| incomplete("rand://int/1:100"))?;
                Ok(Self::Random { low, high })
            }
            "date" => DateText::parse(rest)
                .map(Self::Date)
                .map_err(|problem| LocatorError::Date {
                    locator: text.to_owned(),
                    problem,
                }),
            "lm" => Ok(Self::Loop),
            _ => Ok(Self::Link),
        }
    }
}

/// A number between the two, evenly spread over seeds (FNV-1a, then `SplitMix64`'s last steps).
fn random(seed: &str, low: i64, high: i64) -> i64 {
    let mut state: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in seed.bytes() {
        state = (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^= state >> 31;
    let numbers = i128::from(high) - i128::from(low) + 1;
    let chosen = i128::from(low) + i128::from(state) % numbers;
    i64::try_from(chosen).unwrap_or(low)
}

/// A text with its percent-encoded bytes decoded; as it was where that is no text.
pub(crate) fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, others)) = rest.split_first() {
        let digit = |at: usize| {
            others
                .get(at)
                .and_then(|byte| char::from(*byte).to_digit(16))
        };
        if let (b'%', Some(high), Some(low)) = (first, digit(0), digit(1)) {
            bytes.extend(u8::try_from(high * 16 + low));
            rest = &others[2..];
        } else {
            bytes.push(*first);
            rest = others;
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests;
