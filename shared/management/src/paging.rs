//! Listing a stretch of time page by page.

use std::borrow::Cow;
use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use store::{Period, Place};

use crate::error::Error;

/// How many rows are read for one page when only some of them are wanted.
const MOST_READ: usize = 1_000;
/// How many of them at a time.
const READ_AT_A_TIME: usize = 200;
/// How often a table is asked for one page: each time for some days, which may be empty.
const MOST_ASKED: usize = 10;

/// Where a listing goes on. It belongs to the listing that gave it, with everything else that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cursor(Place);

/// Some of what was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "PageOf{T}")]
pub struct Page<T> {
    /// In the order that the operation names. There may be fewer than asked for, even none, and yet more to come.
    pub items: Vec<T>,
    /// Ask again with this `cursor` for what follows; absent when nothing does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Cursor>,
}

/// A text that no listing gave.
#[derive(Debug, thiserror::Error)]
#[error("it is no cursor: expected what an earlier answer gave as `next`")]
pub struct NoCursor;

impl FromStr for Cursor {
    type Err = NoCursor;

    fn from_str(text: &str) -> Result<Self, NoCursor> {
        let (at, id) = text.split_once('.').ok_or(NoCursor)?;
        let is_number = !at.is_empty() && at.len() <= 14 && at.bytes().all(|b| b.is_ascii_digit());
        let is_key = id.len() <= 64
            && id
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-');
        let at = at.parse().ok().filter(|_| is_number && is_key);
        let at = at.and_then(|at| Timestamp::from_millisecond(at).ok());
        Ok(Self(Place {
            at: at.ok_or(NoCursor)?,
            id: id.to_owned(),
        }))
    }
}

impl TryFrom<String> for Cursor {
    type Error = NoCursor;

    fn try_from(text: String) -> Result<Self, NoCursor> {
        text.parse()
    }
}

impl From<Cursor> for String {
    fn from(Cursor(place): Cursor) -> Self {
        format!("{}.{}", place.at.as_millisecond().max(0), place.id)
    }
}

impl From<Place> for Cursor {
    fn from(place: Place) -> Self {
        Self(place)
    }
}

impl Cursor {
    /// The place in the table.
    pub(crate) fn place(&self) -> &Place {
        &self.0
    }
}

impl JsonSchema for Cursor {
    fn schema_name() -> Cow<'static, str> {
        "Cursor".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string", "pattern": "^[0-9]{1,14}\\.[a-z0-9_-]{0,64}$",
            "description": "Where a listing goes on: what an earlier answer gave as `next`."
        })
    }
}

/// The period that is meant: nothing is older than the first moment of 1970, and nothing is of the future.
pub(crate) fn period(since: Timestamp, until: Timestamp, now: Timestamp) -> Period {
    // The clocks of those who write and those who ask may differ.
    let soon = now + SignedDuration::from_mins(1);
    Period {
        since: since.max(Timestamp::UNIX_EPOCH),
        until: until.min(soon),
    }
}

/// A period that somebody must have meant.
pub(crate) fn checked_period(
    since: Timestamp,
    until: Timestamp,
    now: Timestamp,
) -> Result<Period, Error> {
    if since < until {
        Ok(period(since, until, now))
    } else {
        Err(Error::field(
            "until",
            format!("found {until}, expected a moment after {since}"),
        ))
    }
}

/// A page that is being filled.
#[derive(Debug)]
pub(crate) struct Gathering<T> {
    limit: usize,
    /// Whether each row is wanted, so that no more are read than that.
    takes_all: bool,
    items: Vec<T>,
    next: Option<Place>,
    rows: usize,
    asked: usize,
}

impl<T> Gathering<T> {
    pub(crate) fn new(limit: usize, takes_all: bool, cursor: Option<&Cursor>) -> Self {
        Self {
            limit,
            takes_all,
            items: Vec::new(),
            next: cursor.map(|cursor| cursor.place().clone()),
            rows: 0,
            asked: 0,
        }
    }

    /// Where to read on.
    pub(crate) fn after(&self) -> Option<&Place> {
        self.next.as_ref()
    }

    /// How many rows to read.
    pub(crate) fn rows(&self) -> usize {
        if self.takes_all {
            self.limit.saturating_sub(self.items.len())
        } else {
            READ_AT_A_TIME
        }
    }

    /// Takes what is wanted of these rows; tells whether to go on.
    pub(crate) fn take(
        &mut self,
        page: store::Page<T>,
        is_wanted: impl Fn(&T) -> bool,
        place: impl Fn(&T) -> Place,
    ) -> bool {
        self.asked += 1;
        self.rows += page.items.len();
        self.next = page.next;
        for item in page.items {
            if !is_wanted(&item) {
                continue;
            }
            if self.items.len() >= self.limit {
                // It comes first on the next page: that begins behind the last one of this page.
                self.next = self.items.last().map(place);
                return false;
            }
            self.items.push(item);
        }
        self.next.is_some()
            && self.items.len() < self.limit
            && self.rows < MOST_READ
            && self.asked < MOST_ASKED
    }

    pub(crate) fn into_page(self) -> Page<T> {
        Page {
            items: self.items,
            next: self.next.map(Cursor),
        }
    }
}

impl<T> Page<T> {
    /// The same page of something else.
    pub(crate) fn map<U>(self, write: impl FnMut(T) -> U) -> Page<U> {
        Page {
            items: self.items.into_iter().map(write).collect(),
            next: self.next,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(millisecond: i64) -> Place {
        Place {
            at: Timestamp::from_millisecond(millisecond).unwrap(),
            id: format!("run_{millisecond}"),
        }
    }

    #[test]
    fn cursor_survives_the_wire_and_nothing_else_is_one() {
        let cursor = Cursor(place(1_795_264_200_123));
        let text = String::from(cursor.clone());
        assert_eq!(text, "1795264200123.run_1795264200123");
        assert_eq!(text.parse::<Cursor>().unwrap(), cursor);
        assert_eq!("0.".parse::<Cursor>().unwrap().0.id, "");
        for text in [
            "",
            "1",
            ".a",
            "-1.a",
            "+1.a",
            "1.A",
            "1.a#",
            "x.a",
            "999999999999999.a",
        ] {
            assert!(text.parse::<Cursor>().is_err(), "{text}");
        }
    }

    #[test]
    fn page_is_filled_with_what_is_wanted_and_goes_on_behind_its_last() {
        let rows = |numbers: std::ops::Range<i64>, next| store::Page {
            items: numbers.collect(),
            next,
        };
        let is_even = |number: &i64| number % 2 == 0;
        let mut gathering = Gathering::new(2, false, None);
        assert!(gathering.take(rows(1..3, Some(place(2))), is_even, |n| place(*n)));
        assert_eq!(gathering.after(), Some(&place(2)));
        assert!(!gathering.take(rows(3..9, Some(place(8))), is_even, |n| place(*n)));
        let page = gathering.into_page();
        assert_eq!(
            (page.items, page.next),
            (vec![2, 4], Some(Cursor(place(4))))
        );

        let mut last = Gathering::new(2, true, Some(&Cursor(place(4))));
        assert_eq!((last.rows(), last.after()), (2, Some(&place(4))));
        assert!(!last.take(rows(5..7, None), |_| true, |n| place(*n)));
        assert_eq!(last.into_page().next, None);

        // A page ends also where nothing that is wanted was found for long.
        let mut empty = Gathering::new(2, false, None);
        let mut pages = 1;
        while empty.take(rows(1..2, Some(place(1))), is_even, |n| place(*n)) {
            pages += 1;
        }
        assert_eq!(pages, MOST_ASKED);
        let page = empty.into_page();
        assert_eq!((page.items.len(), page.next.is_some()), (0, true));
    }

    #[test]
    fn period_lies_between_the_beginning_of_time_and_now() {
        let now = Timestamp::from_second(1_000).unwrap();
        let far = Timestamp::MAX;
        let meant = period(Timestamp::MIN, far, now);
        assert_eq!(meant.since, Timestamp::UNIX_EPOCH);
        assert_eq!(meant.until, now + SignedDuration::from_mins(1));
        let error = checked_period(now, now, now).unwrap_err();
        assert_eq!(error.fields()[0].path, "until");
    }
}
