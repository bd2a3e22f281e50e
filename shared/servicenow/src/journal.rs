//! What was appended to a record's journal columns. They read back as one text per column, newest entry
//! first, each under a heading with the reader's local time.

use std::fmt;

use jiff::civil::DateTime;
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use crate::record::{displayed, raw};

/// The journal columns that are read.
pub(crate) const COLUMNS: [&str; 2] = ["comments", "work_notes"];

const DATE_TIME: &str = "%Y-%m-%d %H:%M:%S";

/// The histories of a record's journal columns. Its `Debug` shows no text.
#[derive(Clone, PartialEq, Eq)]
pub struct Journal {
    /// The entries, column by column, newest first.
    pub entries: Vec<Entry>,
}

/// One appended text.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    /// `comments` or `work_notes`.
    pub column: &'static str,
    /// The text up to the next heading.
    pub text: String,
    /// When it was written; `None` when the heading's date could not be read.
    pub written_at: Option<Timestamp>,
    /// The text and all that follows it: a text may itself hold what looks like a heading.
    rest: String,
}

impl Journal {
    /// Whether this text was appended to the column at or after `since`.
    ///
    /// Leave room in `since` for a difference between the two clocks. An entry whose date could not be
    /// read counts as new: after a lost answer the entry is most likely our own.
    pub fn contains(&self, column: &str, text: &str, since: Timestamp) -> bool {
        let text = tidy(text);
        self.entries.iter().any(|entry| {
            entry.column == column
                && entry.written_at.is_none_or(|written| written >= since)
                && entry
                    .rest
                    .strip_prefix(text.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with("\n\n"))
        })
    }

    /// Reads a row that holds both raw and displayed values.
    pub(crate) fn read(row: &Map<String, Value>) -> Self {
        let offset = row.get("sys_updated_on").and_then(reader_offset);
        let entries = COLUMNS
            .into_iter()
            .flat_map(|column| {
                let history = row.get(column).and_then(displayed).unwrap_or_default();
                entries(column, &tidy(&history), offset)
            })
            .collect();
        Self { entries }
    }
}

/// How far the reader's local time is from UTC, told by one moment shown in both.
///
/// An entry from the other side of a daylight-saving change is dated an hour off.
fn reader_offset(moment: &Value) -> Option<Offset> {
    let utc = DateTime::strptime(DATE_TIME, raw(moment)?).ok()?;
    let local = DateTime::strptime(DATE_TIME, displayed(moment)?).ok()?;
    let difference: SignedDuration = local.duration_since(utc);
    Offset::from_seconds(i32::try_from(difference.as_secs()).ok()?).ok()
}

fn entries(column: &'static str, history: &str, offset: Option<Offset>) -> Vec<Entry> {
    let headings = headings(history);
    headings
        .iter()
        .enumerate()
        .filter_map(|(index, heading)| {
            let end = headings
                .get(index + 1)
                .map_or(history.len(), |next| next.start);
            let rest = history.get(heading.end..)?;
            Some(Entry {
                column,
                text: history.get(heading.end..end)?.trim_end().to_owned(),
                written_at: heading
                    .date
                    .zip(offset)
                    .and_then(|(date, offset)| offset.to_timestamp(date).ok()),
                rest: rest.to_owned(),
            })
        })
        .collect()
}

/// A line `<date> - <name> (<label>)` at the beginning or after an empty line.
struct Heading {
    start: usize,
    /// Where the entry's text begins.
    end: usize,
    date: Option<DateTime>,
}

fn headings(history: &str) -> Vec<Heading> {
    let mut headings = Vec::new();
    let mut start = 0;
    let mut after_gap = true;
    for line in history.split_inclusive('\n') {
        let end = start + line.len();
        let line = line.trim_end();
        if after_gap
            && line.ends_with(')')
            && let Some((date, name)) = line.split_once(" - ")
            && name.contains(" (")
        {
            let date = DateTime::strptime(DATE_TIME, date).ok();
            headings.push(Heading { start, end, date });
        }
        after_gap = line.is_empty();
        start = end;
    }
    headings
}

/// Line ends and outer space differ between what is sent and what is shown.
fn tidy(text: &str) -> String {
    text.replace("\r\n", "\n").trim().to_owned()
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.entries).finish()
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("column", &self.column)
            .field("written_at", &self.written_at)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A reader seven hours behind UTC.
    fn journal(comments: &str, work_notes: &str) -> Journal {
        let row = json!({
            "sys_id": {"display_value": "x", "value": "x"},
            "sys_updated_on": {"display_value": "2026-07-13 17:28:27", "value": "2026-07-14 00:28:27"},
            "comments": {"display_value": comments, "value": ""},
            "work_notes": {"display_value": work_notes, "value": ""},
        });
        Journal::read(row.as_object().unwrap())
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    const HISTORY: &str = "2026-07-13 17:28:27 - Jane Doe (Additional comments)\nSecond\n\nwith a gap\n\n\
        2026-07-13 09:00:00 - Integration - bot (Additional comments)\nFirst\n\n";

    #[test]
    fn entries_have_text_and_time() {
        let journal = journal(HISTORY, "");
        let seen: Vec<_> = journal
            .entries
            .iter()
            .map(|entry| (entry.column, entry.text.as_str(), entry.written_at))
            .collect();
        assert_eq!(
            seen,
            [
                (
                    "comments",
                    "Second\n\nwith a gap",
                    Some(at("2026-07-14T00:28:27Z"))
                ),
                ("comments", "First", Some(at("2026-07-13T16:00:00Z"))),
            ]
        );
    }

    #[test]
    fn text_counts_only_in_its_column_since_then_and_as_a_whole() {
        let journal = journal(HISTORY, "");
        let early = at("2026-07-13T15:59:00Z");
        for (column, text, since, expected) in [
            ("comments", "First", early, true),
            ("comments", " First\r\n", early, true),
            ("comments", "Second\r\n\r\nwith a gap", early, true),
            ("comments", "First", at("2026-07-13T16:00:01Z"), false),
            ("work_notes", "First", early, false),
            ("comments", "Fir", early, false),
            ("comments", "First and more", early, false),
        ] {
            assert_eq!(
                journal.contains(column, text, since),
                expected,
                "{column} {text:?} {since}"
            );
        }
    }

    #[test]
    fn text_that_imitates_a_heading_is_still_found() {
        let text = "Look:\n\n2020-01-01 00:00:00 - Mallory (Work notes)\nfake";
        let history = format!("2026-07-13 17:00:00 - Bot (Work notes)\n{text}\n\n");
        assert!(journal("", &history).contains("work_notes", text, at("2026-07-13T23:00:00Z")));
    }

    #[test]
    fn entry_with_an_unreadable_date_counts_as_new() {
        let journal = journal("13/07/2026 17:28:27 - Jane (Kommentare)\nHallo\n\n", "");
        assert_eq!(journal.entries[0].written_at, None);
        assert!(journal.contains("comments", "Hallo", Timestamp::MAX));
        assert!(!journal.contains("comments", "Hall", Timestamp::MAX));
    }

    #[test]
    fn empty_history_has_no_entries() {
        assert!(journal("", "").entries.is_empty());
        assert!(Journal::read(&Map::new()).entries.is_empty());
    }
}
