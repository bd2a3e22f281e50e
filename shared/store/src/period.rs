//! Rows of a stretch of time, page by page, from an index that groups them by day or by something else.

use aws::dynamodb::AttributeValue;
use aws::dynamodb::Client;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};

use crate::Error;
use crate::item::{Item, Reader, sortable_time, text, time};

/// How many days are looked at for one page: a period may be long, and its days empty.
const MOST_DAYS: usize = 31;

/// Times are stored to the millisecond.
const INSTANT: SignedDuration = SignedDuration::from_millis(1);

/// A stretch of time, without its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// The first moment.
    pub since: Timestamp,
    /// The first moment that does not belong to it any more.
    pub until: Timestamp,
}

/// In which order rows are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// As they came.
    OldestFirst,
    /// The other way round.
    NewestFirst,
}

/// Where a listing goes on: behind a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The row's moment.
    pub at: Timestamp,
    /// The row's key; empty when no row of that moment was given yet.
    pub id: String,
}

/// Some rows of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The rows. There may be none, and yet more to come.
    pub items: Vec<T>,
    /// Where it goes on; `None` at the end.
    pub next: Option<Place>,
}

impl<T> Page<T> {
    /// The same page of something else.
    pub(crate) fn try_map<U>(
        self,
        read: impl FnMut(T) -> Result<U, Error>,
    ) -> Result<Page<U>, Error> {
        Ok(Page {
            items: self.items.into_iter().map(read).collect::<Result<_, _>>()?,
            next: self.next,
        })
    }
}

/// An index by time.
pub(crate) struct Index<'a> {
    pub(crate) operation: &'static str,
    pub(crate) table: &'a str,
    pub(crate) name: &'static str,
    /// The attribute by which rows are grouped.
    pub(crate) group: &'static str,
    /// The attribute by which they are sorted.
    pub(crate) moment: &'static str,
    /// Whether that one is a text, see [`sortable_time`]; else a number.
    pub(crate) moment_is_text: bool,
    /// The table's own key: what a row is named by, and what else belongs to it.
    pub(crate) id: &'static str,
    pub(crate) rest_of_key: Option<(&'static str, &'static str)>,
}

/// Which groups of an index are wanted.
pub(crate) enum Groups {
    /// This one.
    One(String),
    /// One a day (UTC).
    Days,
}

impl Index<'_> {
    fn time(&self, at: Timestamp) -> AttributeValue {
        if self.moment_is_text {
            text(sortable_time(at))
        } else {
            time(at)
        }
    }

    /// The key of a row, as a query wants it that goes on behind it.
    fn key(&self, group: &str, place: &Place) -> Item {
        let own = [
            (self.group.to_owned(), text(group)),
            (self.moment.to_owned(), self.time(place.at)),
            (self.id.to_owned(), text(place.id.as_str())),
        ];
        let rest = self.rest_of_key;
        let rest = rest.map(|(name, value)| (name.to_owned(), text(value)));
        own.into_iter().chain(rest).collect()
    }

    fn place(&self, key: &Item) -> Result<Place, Error> {
        let reader = Reader {
            operation: self.operation,
            item: key,
        };
        let at = if self.moment_is_text {
            let written = reader.text(self.moment)?;
            written.and_then(|text| text.parse().ok())
        } else {
            reader.time(self.moment)?
        };
        Ok(Place {
            at: at.unwrap_or(Timestamp::UNIX_EPOCH),
            id: reader.text(self.id)?.unwrap_or_default().to_owned(),
        })
    }

    /// At most so many rows, and where it goes on.
    pub(crate) async fn page(
        &self,
        client: &Client,
        groups: &Groups,
        period: Period,
        order: Order,
        after: Option<&Place>,
        limit: usize,
    ) -> Result<Page<Item>, Error> {
        let mut page = Page {
            items: Vec::new(),
            next: None,
        };
        let Some((first, last)) = bounds(period, order, after).filter(|_| limit > 0) else {
            return Ok(page);
        };
        let groups = match groups {
            Groups::One(group) => vec![(group.clone(), None)],
            Groups::Days => days(first, last, order)
                .take(MOST_DAYS + 1)
                .map(|day| (day.to_string(), Some(border(day, order))))
                .collect(),
        };
        for (index, (group, border)) in groups.iter().enumerate() {
            let is_enough = page.items.len() >= limit || index >= MOST_DAYS;
            if let (true, Some(at)) = (is_enough, border) {
                let id = String::new();
                page.next = Some(Place { at: *at, id });
                return Ok(page);
            }
            // A query refuses to go on behind what it does not look for.
            let behind =
                after.filter(|place| !place.id.is_empty() && (first..=last).contains(&place.at));
            // A row lies in one group only: behind it is that group's rest, and all of the others.
            let behind = behind.filter(|_| border.is_none() || index == 0);
            let mut start = behind.map(|place| self.key(group, place));
            loop {
                let room = limit.saturating_sub(page.items.len());
                let answer = client
                    .query()
                    .table_name(self.table)
                    .index_name(self.name)
                    .key_condition_expression(
                        "#group = :group AND #moment BETWEEN :first AND :last",
                    )
                    .expression_attribute_names("#group", self.group)
                    .expression_attribute_names("#moment", self.moment)
                    .expression_attribute_values(":group", text(group.as_str()))
                    .expression_attribute_values(":first", self.time(first))
                    .expression_attribute_values(":last", self.time(last))
                    .scan_index_forward(order == Order::OldestFirst)
                    .limit(i32::try_from(room).unwrap_or(i32::MAX))
                    .set_exclusive_start_key(start)
                    .send()
                    .await
                    .map_err(Error::unavailable(self.operation))?;
                page.items.extend(answer.items.unwrap_or_default());
                let key = answer.last_evaluated_key.filter(|key| !key.is_empty());
                let Some(key) = key else { break };
                if page.items.len() >= limit {
                    page.next = Some(self.place(&key)?);
                    return Ok(page);
                }
                start = Some(key);
            }
        }
        Ok(page)
    }
}

/// The first and the last moment that are wanted; `None` when there are none.
fn bounds(period: Period, order: Order, after: Option<&Place>) -> Option<(Timestamp, Timestamp)> {
    // What is stored has no more digits than milliseconds.
    let first = at_millisecond(period.since)?;
    let last = at_millisecond(period.until.checked_sub(INSTANT).ok()?)?;
    let (first, last) = match (after, order) {
        (None, _) => (first, last),
        (Some(place), Order::OldestFirst) => (first.max(place.at), last),
        (Some(place), Order::NewestFirst) => (first, last.min(place.at)),
    };
    (first <= last).then_some((first, last))
}

fn at_millisecond(at: Timestamp) -> Option<Timestamp> {
    Timestamp::from_millisecond(at.as_millisecond()).ok()
}

fn day(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::UTC).date()
}

/// The days of a stretch of time.
fn days(first: Timestamp, last: Timestamp, order: Order) -> impl Iterator<Item = Date> {
    let (first, last) = (day(first), day(last));
    let (from, step) = match order {
        Order::OldestFirst => (first, 1.day()),
        Order::NewestFirst => (last, -1.day()),
    };
    from.series(step)
        .take_while(move |day| (first..=last).contains(day))
}

/// The moment of a day from which on its rows are listed.
fn border(day: Date, order: Order) -> Timestamp {
    let begins = |day: Date| {
        let midnight = day.to_zoned(TimeZone::UTC);
        midnight.map_or(Timestamp::MIN, |midnight| midnight.timestamp())
    };
    match order {
        Order::OldestFirst => begins(day),
        Order::NewestFirst => match day.tomorrow() {
            Ok(next) => begins(next).checked_sub(INSTANT).unwrap_or(Timestamp::MAX),
            Err(_) => Timestamp::MAX,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn period_goes_on_where_its_order_has_come_to() {
        let period = Period {
            since: at("2026-11-20T12:00:00Z"),
            until: at("2026-11-22T00:00:00Z"),
        };
        let place = |text: &str| Place {
            at: at(text),
            id: String::new(),
        };
        let last = "2026-11-21T23:59:59.999Z";
        for (order, after, expected) in [
            (
                Order::OldestFirst,
                None,
                Some(("2026-11-20T12:00:00Z", last)),
            ),
            (
                Order::OldestFirst,
                Some("2026-11-21T00:00:00Z"),
                Some(("2026-11-21T00:00:00Z", last)),
            ),
            (
                Order::NewestFirst,
                Some("2026-11-20T13:00:00Z"),
                Some(("2026-11-20T12:00:00Z", "2026-11-20T13:00:00Z")),
            ),
            (Order::OldestFirst, Some("2026-11-22T00:00:00Z"), None),
            (Order::NewestFirst, Some("2026-11-20T11:00:00Z"), None),
        ] {
            let after = after.map(place);
            let expected = expected.map(|(first, last)| (at(first), at(last)));
            assert_eq!(bounds(period, order, after.as_ref()), expected, "{order:?}");
        }
        let empty = Period {
            since: period.since,
            until: period.since,
        };
        assert_eq!(bounds(empty, Order::OldestFirst, None), None);
    }

    #[test]
    fn days_follow_each_other_in_the_order_of_their_rows_and_begin_at_their_border() {
        let (first, last) = (at("2026-11-20T12:00:00Z"), at("2026-11-22T00:00:00Z"));
        let named = |order| -> Vec<String> {
            days(first, last, order)
                .map(|day| day.to_string())
                .collect()
        };
        let forward = ["2026-11-20", "2026-11-21", "2026-11-22"];
        assert_eq!(named(Order::OldestFirst), forward);
        let backward: Vec<&str> = forward.into_iter().rev().collect();
        assert_eq!(named(Order::NewestFirst), backward);
        let day = day(first);
        assert_eq!(border(day, Order::OldestFirst), at("2026-11-20T00:00:00Z"));
        assert_eq!(
            border(day, Order::NewestFirst),
            at("2026-11-20T23:59:59.999Z")
        );
    }

    #[test]
    fn place_is_the_key_that_a_query_goes_on_behind() {
        let runs = Index {
            operation: "listing runs",
            table: "t",
            name: "by_day",
            group: "day",
            moment: "started_at",
            moment_is_text: true,
            id: "pk",
            rest_of_key: Some(("sk", "run")),
        };
        let place = Place {
            at: at("2026-11-20T12:00:00.120Z"),
            id: "run_1".to_owned(),
        };
        let key = runs.key("2026-11-20", &place);
        assert_eq!(key["started_at"], text("2026-11-20T12:00:00.120Z"));
        assert_eq!(key["sk"], text("run"));
        assert_eq!(runs.place(&key).unwrap(), place);
        let events = Index {
            moment_is_text: false,
            moment: "evaluated_at",
            id: "event",
            rest_of_key: None,
            ..runs
        };
        let key = events.key("2026-11-20", &place);
        assert_eq!(key["evaluated_at"], time(place.at));
        assert_eq!((key.len(), events.place(&key).unwrap()), (3, place));
    }
}
