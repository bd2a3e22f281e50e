use jiff::{SignedDuration, Timestamp};
use retry::Disposition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::pace::after_failure;
use crate::reach::{Reach, after, before};

/// How far a window reaches into the future: the vendor's clock may be ahead of ours.
const SKEW: SignedDuration = SignedDuration::from_mins(10);
/// How often a window reaches back deeply.
const DEEP_EVERY: SignedDuration = SignedDuration::from_hours(24);
/// How often one walk begins anew from the top before that counts as a failure.
const MOST_RESTARTS: u32 = 3;
/// How often in a row one page of a window that reaches further back than usual may fail before that window is put off.
const MOST_FAILURES: u32 = 3;
/// What a shortened window has beyond the overlap at least: by so much the watermark moves.
const LEAST_PROGRESS: SignedDuration = SignedDuration::from_hours(1);
/// Ids of unreadable records that are named.
const NAMED: usize = 5;

/// How far the history of one account has come.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct History {
    /// When the last walk began that was stored wholly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watermark: Option<Timestamp>,
    /// The same of the last walk that reached back deeply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deep_watermark: Option<Timestamp>,
    /// The history is complete from here on: the furthest that a walk reached back which was stored wholly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reached_back_to: Option<Timestamp>,
    /// The walk that is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub walk: Option<Walk>,
    /// When the last walk that was stored wholly came to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_success: Option<Timestamp>,
    /// How far that walk reached back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_from: Option<Timestamp>,
    /// What that walk brought.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<Counts>,
    /// Why it does not go on, which window is put off, or which records could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// Failures since a page was stored.
    #[serde(default)]
    pub failures: u32,
    /// How often in a row the page in hand has failed, where its window reaches further back than usual.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub page_failures: u32,
    /// When the last of them happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_at: Option<Timestamp>,
    /// When it is tried again after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_attempt_at: Option<Timestamp>,
    /// Whether the last of them was that too many calls were made. Requests wait then, too.
    #[serde(default, skip_serializing_if = "is_false")]
    pub is_limited: bool,
    /// A window that reached further back than usual and is put off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<Refused>,
    /// How long windows are at most, in seconds: the vendor does not take the usual one. Until one has reached the present.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub longest_seconds: Option<i64>,
    /// From when on there were records that could not be read, and that no walk has read since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreadable_from: Option<Timestamp>,
}

/// A window that the vendor does not take, or does not get to the end of. For a day windows do not reach so far back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Refused {
    /// The window's first moment.
    pub from: Timestamp,
    /// When it was put off.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
}

/// One pass through the pages of a window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[expect(clippy::struct_excessive_bools, reason = "rows have them")]
pub struct Walk {
    /// The window's first moment.
    pub from: Timestamp,
    /// The first moment behind the window.
    pub to: Timestamp,
    /// When the first page was asked for.
    pub began_at: Timestamp,
    /// Whether it reaches back deeply.
    pub deep: bool,
    /// Whether it reaches further back than it would by itself: the settings or somebody's request want that.
    #[serde(default)]
    pub is_extended: bool,
    /// Whether it reaches further back than usual, deeply or because of a wish: then it can be put off.
    #[serde(default)]
    pub is_further: bool,
    /// The connection behind which it goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<String>,
    /// Whether that connection had no end when it was read. Once it ends it moves among the others, and what lay between its
    /// old place and its new one would be skipped.
    #[serde(default)]
    pub offset_is_open: bool,
    /// How many records there are behind that connection, as the vendor said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remaining: Option<u64>,
    /// Pages stored.
    pub pages: u32,
    /// How often it began anew from the top.
    #[serde(default)]
    pub restarts: u32,
    /// What it has brought so far.
    #[serde(default)]
    pub counts: Counts,
    /// Some of the records that could not be read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unreadable: Vec<String>,
    /// An offset that was seen before, to notice walking in a circle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    marker: Option<String>,
}

/// What a walk brought.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Counts {
    /// Records that were read.
    pub read: u32,
    /// Those of them that were new or had changed.
    pub written: u32,
    /// Records that could not be read.
    pub unreadable: u32,
}

/// That somebody asked for a walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Asked {
    /// When.
    pub at: Timestamp,
    /// How far it is to reach back at least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
}

/// A page that was stored, with all that follows from it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PageStored {
    /// Behind which connection there is more.
    pub next_offset: Option<String>,
    /// Whether that connection has no end.
    pub offset_is_open: bool,
    /// How many records there are behind it, where the vendor says that.
    pub remaining: Option<u64>,
    /// Records that were read.
    pub read: u32,
    /// Records that were new or had changed.
    pub written: u32,
    /// The ids of those that could not be read.
    pub unreadable: Vec<String>,
}

/// What a failure lies in, as far as that matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Too many calls were made.
    Limit,
    /// The page in hand, as far as anybody knows: a page of another window may do.
    Page,
    /// The account, or our own side: no page would have come.
    Elsewhere,
}

/// How a walk goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// There is a next page.
    Next,
    /// It has begun anew: the next page is the first.
    Anew,
    /// All of it is stored; the watermark has moved.
    Ended,
    /// It was broken off, which counts as a failure.
    BrokenOff,
}

impl History {
    /// Whether there is something to do: a walk to begin or to go on with.
    pub fn is_due(&self, asked: Option<&Asked>, now: Timestamp, interval: SignedDuration) -> bool {
        let asked = asked.filter(|asked| !self.answers(asked));
        let waits = self.next_attempt_at.is_some_and(|at| at > now);
        // Whoever asks after a failure has perhaps mended its cause. Only a limit nobody can mend.
        let is_mended = asked.is_some_and(|asked| self.failed_at.is_none_or(|at| asked.at > at));
        if waits && (self.is_limited || !is_mended) {
            return false;
        }
        self.walk.is_some() || asked.is_some() || self.next_due(interval).is_none_or(|at| at <= now)
    }

    /// When the next walk begins by the schedule; `None` before the first one.
    pub fn next_due(&self, interval: SignedDuration) -> Option<Timestamp> {
        self.watermark.map(|at| after(at, interval))
    }

    /// Whether the last walk that was stored wholly has brought what was asked for, as far as it is to be had.
    pub fn answers(&self, asked: &Asked) -> bool {
        let reaches = |since| {
            let brought = self.last_from.is_some_and(|from| from <= since);
            brought || self.is_put_off(since, asked.at)
        };
        self.watermark.is_some_and(|began| began >= asked.at) && asked.since.is_none_or(reaches)
    }

    /// Whether a window from then on was put off not long before `now`. One that reaches further is, too.
    fn is_put_off(&self, from: Timestamp, now: Timestamp) -> bool {
        self.refused
            .as_ref()
            .is_some_and(|refused| from <= refused.from && now < after(refused.at, DEEP_EVERY))
    }

    /// The walk to go on with, or a new one. A walk that has stored nothing yet is as good as none, and so is one that
    /// reaches back for a wish that nobody has any more.
    ///
    /// `predecessor` is the watermark of another account's history, where this one has none yet: nothing of the time
    /// between the two is left out.
    pub fn walk(
        &mut self,
        reach: &Reach,
        asked: Option<&Asked>,
        predecessor: Option<Timestamp>,
        now: Timestamp,
    ) -> &Walk {
        let begun = self.walk.take();
        let begun = begun
            .filter(|walk| walk.pages > 0 || walk.restarts > 0)
            .filter(|walk| !walk.is_extended || walk.is_wanted(reach, asked));
        let walk = begun.unwrap_or_else(|| self.window(reach, asked, predecessor, now));
        self.walk.insert(walk)
    }

    /// The walk that would begin now.
    fn window(
        &self,
        reach: &Reach,
        asked: Option<&Asked>,
        predecessor: Option<Timestamp>,
        now: Timestamp,
    ) -> Walk {
        let watermark = self.watermark.or(predecessor);
        let last = before(now, reach.interval);
        let mark = watermark.map_or(last, |at| at.min(last));
        let usual = before(mark, reach.overlap);
        let is_possible = |from: &Timestamp| !self.is_put_off(*from, now);
        let deep_mark = self.deep_watermark.or(watermark);
        let deepest = deep_mark.map_or(usual, |at| before(at.min(now), reach.deep).min(usual));
        let deep = self
            .deep_watermark
            .is_none_or(|at| now.duration_since(at) >= DEEP_EVERY)
            && is_possible(&deepest);
        let unasked = if deep { deepest } else { usual };
        let backfill = reach.backfill_from.filter(|wanted| {
            let reached = self.reached_back_to;
            reached.is_none_or(|reached| *wanted < reached)
        });
        let since = asked.filter(|asked| !self.answers(asked));
        let since = since.and_then(|asked| asked.since);
        let from = [backfill, since]
            .into_iter()
            .flatten()
            .filter(is_possible)
            .fold(unasked, Timestamp::min);
        let is_further = from < usual;
        let to = after(now, SKEW);
        let shortest = reach.overlap.saturating_add(LEAST_PROGRESS);
        let shortened = self
            .longest_seconds
            .filter(|_| !is_further)
            .map(|longest| SignedDuration::from_secs(longest).max(shortest));
        // From the mark itself: more would be no progress.
        let slice = shortened.map(|length| {
            let from = before(watermark.unwrap_or(mark), reach.overlap);
            (from, after(from, length).min(to))
        });
        let (from, to) = slice.unwrap_or((from, to));
        Walk {
            // The vendor's times have whole seconds.
            from: Timestamp::from_second(from.as_second()).unwrap_or(from),
            to,
            began_at: now,
            deep: deep && slice.is_none(),
            is_extended: from < unasked,
            is_further,
            offset: None,
            offset_is_open: false,
            remaining: None,
            pages: 0,
            restarts: 0,
            counts: Counts::default(),
            unreadable: Vec::new(),
            marker: None,
        }
    }

    /// Notes that a page of the walk is stored. Must be told after everything that the page brought, and stored itself
    /// before the next page is asked for.
    pub fn page_stored(&mut self, page: PageStored, now: Timestamp) -> Step {
        let Some(walk) = &mut self.walk else {
            return Step::BrokenOff;
        };
        walk.count(&page);
        self.failures = 0;
        self.page_failures = 0;
        self.failed_at = None;
        self.next_attempt_at = None;
        self.is_limited = false;
        let Some(next) = page.next_offset else {
            self.finished(now);
            return Step::Ended;
        };
        // The vendor's ids vary in case. It gets back what it gave, for it may be strict about that.
        let is_next = |known: &String| known.eq_ignore_ascii_case(&next);
        if walk.offset.as_ref().is_some_and(is_next) || walk.marker.as_ref().is_some_and(is_next) {
            return self.begin_anew("the report's pages go round in a circle", now);
        }
        // A marker that is set anew at ever longer distances is met again in a circle of whatever length.
        if walk.pages.is_power_of_two() {
            walk.marker = Some(next.clone());
        }
        walk.offset = Some(next);
        walk.offset_is_open = page.offset_is_open;
        walk.remaining = page.remaining;
        self.problem = self.standing_problem();
        Step::Next
    }

    /// Begins the walk anew from the top of its window, because its place in it is not to be trusted any more. Doing so
    /// too often is a failure, and a window that reaches further back than usual is put off.
    pub fn begin_anew(&mut self, reason: &str, now: Timestamp) -> Step {
        let Some(walk) = self.walk.take() else {
            return Step::BrokenOff;
        };
        if walk.restarts >= MOST_RESTARTS {
            let reason = format!("{reason}; the window was begun anew {MOST_RESTARTS} times");
            if walk.is_further {
                self.put_off(&walk, reason, now);
            } else {
                // Its pages were stored, so failures do not add up: not so soon.
                self.failed(reason, Disposition::GiveUp, Cause::Page, now);
            }
            return Step::BrokenOff;
        }
        self.walk = Some(Walk {
            from: walk.from,
            to: if walk.is_slice() {
                walk.to
            } else {
                after(now, SKEW)
            },
            began_at: now,
            deep: walk.deep,
            is_extended: walk.is_extended,
            is_further: walk.is_further,
            offset: None,
            offset_is_open: false,
            remaining: None,
            pages: 0,
            restarts: walk.restarts + 1,
            counts: Counts::default(),
            unreadable: Vec::new(),
            marker: None,
        });
        Step::Anew
    }

    /// Notes a failure. The walk stays where it is; it is tried again after some minutes, and never given up, unless it
    /// reaches further back than usual and its page has failed several times in a row: then it is put off.
    pub fn failed(
        &mut self,
        reason: String,
        disposition: Disposition,
        cause: Cause,
        now: Timestamp,
    ) {
        let planned = self.next_attempt_at.filter(|at| *at > now);
        if planned.is_none() {
            self.failures = self.failures.saturating_add(1);
            let is_further = self.walk.as_ref().is_some_and(|walk| walk.is_further);
            if is_further && cause == Cause::Page {
                self.page_failures += 1;
            }
        }
        if self.page_failures >= MOST_FAILURES
            && let Some(walk) = self.walk.take()
        {
            let reason = format!("{reason} ({MOST_FAILURES} times in a row)");
            self.put_off(&walk, reason, now);
            return;
        }
        self.failed_at = Some(now);
        let limited = cause == Cause::Limit;
        let delay = after_failure(self.failures, disposition, limited);
        let delay = SignedDuration::try_from(delay).unwrap_or(SignedDuration::MAX);
        let next = after(now, delay);
        let is_asked_to_wait = limited
            || matches!(
                disposition,
                Disposition::Retry { after: Some(_) } | Disposition::Reconcile { after: Some(_) }
            );
        // Whoever asked for an attempt before its time does not put the one of the schedule off, unless the vendor does.
        self.next_attempt_at = Some(match planned {
            Some(planned) if is_asked_to_wait => planned.max(next),
            Some(planned) => planned,
            None => next,
        });
        self.is_limited = limited;
        self.problem = Some(reason);
    }

    /// Notes that the vendor does not take the walk's window. One that reaches further back than usual is put off. Of
    /// the usual one half is tried, and so on: after a long pause it may be longer than the vendor takes.
    pub fn refused(&mut self, reason: String, now: Timestamp) {
        match self.walk.take_if(|walk| walk.pages == 0) {
            Some(walk) if walk.is_further => self.put_off(&walk, reason, now),
            Some(walk) => {
                let half = walk.to.duration_since(walk.from).as_secs() / 2;
                self.longest_seconds = Some(half);
                self.failed(reason, Disposition::RETRY, Cause::Elsewhere, now);
            }
            None => self.failed(reason, Disposition::GiveUp, Cause::Elsewhere, now),
        }
    }

    /// For a day no window reaches so far back: the usual ones go on, soon.
    fn put_off(&mut self, walk: &Walk, reason: String, now: Timestamp) {
        self.refused = Some(Refused {
            from: walk.from,
            at: now,
            reason: reason.clone(),
        });
        self.failures = 0;
        self.page_failures = 0;
        self.next_attempt_at = None;
        self.failed(reason, Disposition::RETRY, Cause::Elsewhere, now);
        self.problem = self.standing_problem();
    }

    /// What is wrong although pages are stored.
    fn standing_problem(&self) -> Option<String> {
        let put_off = self.refused.as_ref().map(|refused| {
            format!(
                "connections from {} on were not fetched, which is not tried again before {}: {}",
                refused.from,
                after(refused.at, DEEP_EVERY),
                refused.reason
            )
        });
        let shortened = self.longest_seconds.map(|seconds| {
            let hours = seconds / 3_600;
            format!("the usual window was refused; it is made up for by shorter ones, of {hours} hours or little more")
        });
        let unreadable = self.unreadable_from.map(|from| {
            format!("records that cannot be read are missing: once it is known why, fetch from {from} on again")
        });
        let problems = [put_off, shortened, unreadable];
        let problems: Vec<String> = problems.into_iter().flatten().collect();
        (!problems.is_empty()).then(|| problems.join("; "))
    }

    fn finished(&mut self, now: Timestamp) {
        let Some(walk) = self.walk.take() else {
            return;
        };
        // What began behind the window's end was not asked for.
        let mark = walk.began_at.min(walk.to);
        let later = |known: Option<Timestamp>| known.max(Some(mark));
        self.watermark = later(self.watermark);
        if walk.deep {
            self.deep_watermark = later(self.deep_watermark);
        }
        let back = self.reached_back_to.unwrap_or(walk.from);
        self.reached_back_to = Some(back.min(walk.from));
        self.last_success = Some(now);
        self.last_from = Some(walk.from);
        self.last = Some(walk.counts);
        // For as long as it counts: who still wants it then tries again.
        self.refused = self
            .refused
            .take()
            .filter(|one| walk.from > one.from && now < after(one.at, DEEP_EVERY));
        let missing = self.unreadable_from;
        let missing = missing.filter(|from| walk.is_slice() || *from < walk.from);
        let unread = (walk.counts.unreadable > 0).then_some(walk.from);
        self.unreadable_from = [missing, unread].into_iter().flatten().min();
        if mark == walk.began_at {
            self.longest_seconds = None;
        }
        let problems = [walk.problem(), self.standing_problem()];
        let problems: Vec<String> = problems.into_iter().flatten().collect();
        self.problem = (!problems.is_empty()).then(|| problems.join("; "));
    }
}

/// For what is left out of rows.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "this is how serde asks")]
fn is_false(value: &bool) -> bool {
    !*value
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "this is how serde asks")]
fn is_zero(value: &u32) -> bool {
    *value == 0
}

impl Walk {
    /// Whether a last page with so many records ends too early, as it does where the place behind which it was asked for
    /// is not known any more.
    ///
    /// That is a suspicion, no proof: the count may be absent or wrong, and records may have been deleted. So whoever has
    /// it looks whether the connection at that place is still there. If it is, the page counts, whatever was promised:
    /// beginning anew would bring the same again, for ever.
    pub fn is_cut_short(&self, records: usize) -> bool {
        let records = u64::try_from(records).unwrap_or(u64::MAX);
        self.offset.is_some() && records < self.remaining.unwrap_or(1)
    }

    /// Whether it ends before the present.
    fn is_slice(&self) -> bool {
        self.to < after(self.began_at, SKEW)
    }

    /// Whether the settings or a request still ask for what it reaches back to.
    fn is_wanted(&self, reach: &Reach, asked: Option<&Asked>) -> bool {
        let since = asked.and_then(|asked| asked.since);
        let wishes = [reach.backfill_from, since];
        wishes
            .into_iter()
            .flatten()
            .any(|wish| wish.as_second() <= self.from.as_second())
    }

    fn count(&mut self, page: &PageStored) {
        self.pages = self.pages.saturating_add(1);
        let unreadable = u32::try_from(page.unreadable.len()).unwrap_or(u32::MAX);
        self.counts.read = self.counts.read.saturating_add(page.read);
        self.counts.written = self.counts.written.saturating_add(page.written);
        self.counts.unreadable = self.counts.unreadable.saturating_add(unreadable);
        let room = NAMED.saturating_sub(self.unreadable.len());
        self.unreadable
            .extend(page.unreadable.iter().take(room).cloned());
    }

    fn problem(&self) -> Option<String> {
        let number = self.counts.unreadable;
        (number > 0).then(|| {
            format!(
                "{number} records of the last window could not be read, among them: {}",
                self.unreadable.join(", ")
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USUAL: Reach = Reach {
        interval: SignedDuration::from_hours(6),
        overlap: SignedDuration::from_hours(24),
        deep: SignedDuration::from_hours(7 * 24),
        backfill_from: None,
    };

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn page(next: Option<&str>) -> PageStored {
        PageStored {
            next_offset: next.map(str::to_owned),
            read: 1,
            ..PageStored::default()
        }
    }

    /// A history whose last walk, a deep one, began then.
    fn begun_at(began: &str) -> History {
        let mut history = History::default();
        history.walk(&USUAL, None, None, at(began));
        assert_eq!(history.page_stored(page(None), at(began)), Step::Ended);
        history
    }

    #[test]
    fn window_begins_before_whatever_is_earliest() {
        let now = at("2026-11-21T12:00:00.9Z");
        let reach = |interval, backfill: Option<&str>| Reach {
            interval: SignedDuration::from_hours(interval),
            backfill_from: backfill.map(at),
            ..USUAL
        };
        // Last walk, predecessor, interval, backfill from, asked since; window's begin, whether it is deep.
        let since = Some("2026-11-01T00:00:00Z");
        for (last, before, interval, backfill, asked, from, deep) in [
            (None, None, 6, None, None, "2026-11-20T06:00:00Z", true),
            (None, None, 6, since, None, "2026-11-01T00:00:00Z", true),
            // What another account has fetched until then is gone on with.
            (
                None,
                Some("2026-11-19T12:00:00Z"),
                6,
                None,
                None,
                "2026-11-12T12:00:00Z",
                true,
            ),
            (
                Some("2026-11-21T06:00:00Z"),
                None,
                6,
                None,
                None,
                "2026-11-20T06:00:00Z",
                false,
            ),
            // A shorter interval loses nothing, a longer one looks back further.
            (
                Some("2026-11-21T06:00:00Z"),
                None,
                3,
                None,
                None,
                "2026-11-20T06:00:00Z",
                false,
            ),
            (
                Some("2026-11-21T06:00:00Z"),
                None,
                12,
                None,
                None,
                "2026-11-20T00:00:00Z",
                false,
            ),
            (
                Some("2026-11-21T06:00:00Z"),
                None,
                6,
                since,
                None,
                "2026-11-01T00:00:00Z",
                false,
            ),
            (
                Some("2026-11-21T06:00:00Z"),
                None,
                6,
                None,
                since,
                "2026-11-01T00:00:00Z",
                false,
            ),
            // After a day, and after a pause of a month.
            (
                Some("2026-11-20T12:00:00Z"),
                None,
                6,
                None,
                None,
                "2026-11-13T12:00:00Z",
                true,
            ),
            (
                Some("2026-10-21T12:00:00Z"),
                None,
                6,
                None,
                None,
                "2026-10-14T12:00:00Z",
                true,
            ),
        ] {
            let mut history = last.map(begun_at).unwrap_or_default();
            let asked = asked.map(|since| Asked {
                at: now,
                since: Some(at(since)),
            });
            let reach = reach(interval, backfill);
            let walk = history.walk(&reach, asked.as_ref(), before.map(at), now);
            assert_eq!(
                (walk.from, walk.deep),
                (at(from), deep),
                "{last:?} {interval}"
            );
            assert_eq!(walk.to, at("2026-11-21T12:10:00.9Z"));
        }
    }

    #[test]
    fn watermark_is_the_begin_of_the_walk_and_moves_with_its_last_page() {
        let mut history = begun_at("2026-11-21T06:00:00Z");
        let before = history.clone();
        let began = at("2026-11-21T12:00:00Z");
        history.walk(&USUAL, None, None, began);
        let later = at("2026-11-21T12:30:00Z");
        assert_eq!(history.page_stored(page(Some("A")), later), Step::Next);
        history.failed("no".to_owned(), Disposition::RETRY, Cause::Page, later);
        assert_eq!(history.watermark, before.watermark);
        // It goes on where it was, however the settings are by then.
        let next = at("2026-11-22T12:30:00Z");
        let walk = history.walk(&USUAL, None, None, next).clone();
        assert_eq!((walk.offset.as_deref(), walk.began_at), (Some("A"), began));
        assert_eq!(history.page_stored(page(None), next), Step::Ended);
        assert_eq!(
            (history.watermark, history.last_success),
            (Some(began), Some(next))
        );
        assert_eq!((history.failures, history.problem.as_deref()), (0, None));
        assert_eq!(history.deep_watermark, before.deep_watermark);
        assert_eq!(history.last.unwrap().read, 2);
    }

    #[test]
    fn walk_that_has_stored_nothing_begins_with_the_present() {
        let mut history = begun_at("2026-11-21T06:00:00Z");
        history.walk(&USUAL, None, None, at("2026-11-21T12:00:00Z"));
        let now = at("2026-11-21T14:00:00Z");
        assert_eq!(history.walk(&USUAL, None, None, now).began_at, now);
    }

    #[test]
    fn it_is_due_by_the_schedule_on_request_and_after_a_failures_delay() {
        let hour = |hour: i64| at("2026-11-21T00:00:00Z") + SignedDuration::from_hours(hour);
        let due = |history: &History, asked: Option<i64>, now| {
            let asked = asked.map(|at| Asked {
                at: hour(at),
                since: None,
            });
            history.is_due(asked.as_ref(), hour(now), USUAL.interval)
        };
        assert!(due(&History::default(), None, 0));
        let mut history = begun_at("2026-11-21T00:00:00Z");
        for (asked, now, expected) in [
            (None, 5, false),
            (None, 6, true),
            (Some(4), 5, true),
            // Asked before the last walk began: answered.
            (Some(-1), 5, false),
            (Some(0), 5, false),
        ] {
            assert_eq!(due(&history, asked, now), expected, "{asked:?} {now}");
        }
        assert!(history.is_due(None, hour(5), SignedDuration::from_hours(5)));
        history.walk(&USUAL, None, None, hour(6));
        assert!(due(&history, None, 6));
        history.failed("no".to_owned(), Disposition::GiveUp, Cause::Page, hour(6));
        let soon = hour(6) + SignedDuration::from_mins(59);
        assert!(!history.is_due(None, soon, USUAL.interval));
        assert!(due(&history, None, 7));
        // Who asks after the failure is served at once, who asked before it waits with the rest.
        let asked = |minutes| Asked {
            at: hour(6) + SignedDuration::from_mins(minutes),
            since: None,
        };
        assert!(history.is_due(Some(&asked(1)), soon, USUAL.interval));
        assert!(!history.is_due(Some(&asked(-1)), soon, USUAL.interval));
    }

    #[test]
    fn limit_is_waited_out_by_requests_and_other_waits_are_not() {
        let now = at("2026-11-21T06:00:00Z");
        let minute = |minutes| now + SignedDuration::from_mins(minutes);
        let asked = |minutes| Asked {
            at: minute(minutes),
            since: None,
        };
        for (cause, served) in [(Cause::Limit, false), (Cause::Page, true)] {
            let mut history = begun_at("2026-11-21T00:00:00Z");
            history.walk(&USUAL, None, None, now);
            history.failed("no".to_owned(), Disposition::RETRY, cause, now);
            let due = history.is_due(Some(&asked(1)), minute(1), USUAL.interval);
            assert_eq!(due, served, "{cause:?}");
            assert!(history.is_due(Some(&asked(1)), minute(10), USUAL.interval));
        }
    }

    #[test]
    fn attempt_that_somebody_asked_for_does_not_put_the_next_one_off() {
        let now = at("2026-11-21T06:00:00Z");
        let minute = |minutes| now + SignedDuration::from_mins(minutes);
        let mut history = begun_at("2026-11-21T00:00:00Z");
        history.walk(&USUAL, None, None, now);
        history.failed("no".to_owned(), Disposition::GiveUp, Cause::Page, now);
        let planned = history.next_attempt_at;
        for minutes in 1..10 {
            let reason = "still no".to_owned();
            history.failed(reason, Disposition::RETRY, Cause::Page, minute(minutes));
        }
        assert_eq!((history.failures, history.next_attempt_at), (1, planned));
        assert_eq!(history.failed_at, Some(minute(9)));
        assert_eq!(history.problem.as_deref(), Some("still no"));
        let asked = Disposition::Retry {
            after: Some(std::time::Duration::from_hours(3)),
        };
        history.failed("wait".to_owned(), asked, Cause::Limit, minute(10));
        assert!(history.next_attempt_at.unwrap() >= minute(190));
    }

    #[test]
    fn window_that_is_refused_for_reaching_far_back_does_not_stop_the_usual_ones() {
        let now = at("2026-11-21T06:00:00Z");
        let far = at("2020-01-01T00:00:00Z");
        let mut history = begun_at("2026-11-21T00:00:00Z");
        let reach = Reach {
            backfill_from: Some(far),
            ..USUAL
        };
        let asked = Asked {
            at: now,
            since: Some(at("2019-01-01T00:00:00Z")),
        };
        let walk = history.walk(&reach, Some(&asked), None, now);
        assert!(walk.is_extended);
        history.refused("too old".to_owned(), now);
        let soon = history.next_attempt_at.unwrap();
        assert!(soon < now + SignedDuration::from_mins(5));
        // What is not refused is still reached.
        let reach = Reach {
            backfill_from: Some(at("2026-11-01T00:00:00Z")),
            ..reach
        };
        let walk = history.walk(&reach, Some(&asked), None, soon);
        assert_eq!(walk.from, at("2026-11-01T00:00:00Z"));
        assert_eq!(history.page_stored(page(None), soon), Step::Ended);
        assert!(history.problem.as_ref().unwrap().contains("too old"));
        assert!(!history.is_due(Some(&asked), soon, USUAL.interval));
        // A day later it is tried again, and once it is taken nothing is left of it.
        let next = soon + SignedDuration::from_hours(24);
        let reach = Reach {
            backfill_from: asked.since,
            ..reach
        };
        assert_eq!(
            Some(history.walk(&reach, None, None, next).from),
            asked.since
        );
        assert_eq!(history.page_stored(page(None), next), Step::Ended);
        assert_eq!((history.problem.as_ref(), &history.refused), (None, &None));
    }

    #[test]
    fn request_that_reaches_further_back_than_the_walk_is_not_answered_by_it() {
        let history = begun_at("2026-11-21T12:00:00Z");
        let asked = |since| Asked {
            at: at("2026-11-21T11:00:00Z"),
            since: Some(at(since)),
        };
        assert!(history.answers(&asked("2026-11-20T06:00:00Z")));
        assert!(!history.answers(&asked("2026-11-20T05:00:00Z")));
    }

    #[test]
    fn circle_of_whatever_length_is_noticed_and_ends_as_a_failure() {
        for length in 1..40_u32 {
            let now = at("2026-11-21T12:00:00Z");
            let mut history = begun_at("2026-11-21T06:00:00Z");
            let (mut pages, mut restarts) = (0_u32, 0);
            history.walk(&USUAL, None, None, now);
            loop {
                pages += 1;
                assert!(pages < 1_000, "{length}");
                let number = history.walk.as_ref().unwrap().pages;
                // Some pages lead into the circle.
                let number = if number < 3 {
                    number
                } else {
                    3 + (number - 3) % length
                };
                match history.page_stored(page(Some(&format!("o{number}"))), now) {
                    Step::Next => {}
                    Step::Anew => restarts += 1,
                    Step::Ended => panic!("{length}"),
                    Step::BrokenOff => break,
                }
            }
            assert_eq!((restarts, history.failures), (MOST_RESTARTS, 1), "{length}");
            assert_eq!(history.watermark, Some(at("2026-11-21T06:00:00Z")));
            assert!(history.problem.unwrap().contains("circle"));
            assert_eq!(history.walk, None);
        }
    }

    #[test]
    fn long_walk_is_no_circle() {
        let now = at("2026-11-21T12:00:00Z");
        let mut history = History::default();
        history.walk(&USUAL, None, None, now);
        for number in 0..5_000 {
            let step = history.page_stored(page(Some(&format!("o{number}"))), now);
            assert_eq!(step, Step::Next, "{number}");
        }
    }

    #[test]
    fn walk_that_begins_anew_keeps_its_window_and_counts_from_then() {
        let mut history = begun_at("2026-11-21T06:00:00Z");
        let from = history
            .walk(&USUAL, None, None, at("2026-11-21T12:00:00Z"))
            .from;
        let now = at("2026-11-21T12:05:00Z");
        history.page_stored(page(Some("a")), now);
        assert_eq!(history.begin_anew("x", now), Step::Anew);
        let later = at("2026-11-21T13:00:00Z");
        let walk = history.walk(&USUAL, None, None, later);
        assert_eq!((walk.from, walk.began_at, &walk.offset), (from, now, &None));
    }

    #[test]
    fn unreadable_records_stop_nothing_and_are_told() {
        let now = at("2026-11-21T12:00:00Z");
        let mut history = History::default();
        history.walk(&USUAL, None, None, now);
        let broken = PageStored {
            unreadable: vec!["x-1".to_owned(), "x-2".to_owned()],
            ..page(None)
        };
        assert_eq!(history.page_stored(broken, now), Step::Ended);
        let problem = history.problem.as_deref().unwrap();
        assert!(
            problem.starts_with("2 records") && problem.contains("x-1, x-2"),
            "{problem}"
        );
        let missing = history.last_from;
        assert_eq!(history.unreadable_from, missing);
        // The next walks do not reach that far, and it is still told from when on something is missing.
        let later = at("2026-11-22T00:00:00Z");
        history.walk(&USUAL, None, None, later);
        assert_eq!(history.page_stored(page(None), later), Step::Ended);
        let problem = history.problem.as_deref().unwrap();
        assert!(problem.contains("from 2026-11-20T06:00:00Z"), "{problem}");
        // Whoever has mended the cause asks for that.
        let asked = Asked {
            at: later + SignedDuration::from_mins(1),
            since: missing,
        };
        history.walk(&USUAL, Some(&asked), None, asked.at);
        assert_eq!(history.page_stored(page(None), asked.at), Step::Ended);
        assert_eq!((history.unreadable_from, history.problem), (None, None));
    }

    const BACKFILL: Reach = Reach {
        backfill_from: Some(Timestamp::UNIX_EPOCH),
        ..USUAL
    };

    /// Fails as it would by the schedule; when it is tried again.
    fn fail(history: &mut History, cause: Cause, now: Timestamp) -> Timestamp {
        history.failed("down".to_owned(), Disposition::RETRY, cause, now);
        history.next_attempt_at.unwrap()
    }

    #[test]
    fn window_that_reaches_far_back_is_put_off_when_a_page_fails_three_times_in_a_row() {
        let began = at("2026-11-21T00:00:00Z");
        for pages in [0, 200] {
            let mut history = begun_at("2026-11-20T18:00:00Z");
            let mut now = began;
            history.walk(&BACKFILL, None, None, now);
            for number in 0..pages {
                let step = history.page_stored(page(Some(&format!("o{number}"))), now);
                assert_eq!(step, Step::Next);
            }
            // What is no fault of the page does not count, nor do failures before a page that was stored.
            for cause in [Cause::Limit, Cause::Elsewhere, Cause::Page, Cause::Page] {
                now = fail(&mut history, cause, now);
                let walk = history.walk(&BACKFILL, None, None, now);
                assert_eq!(walk.from, Timestamp::UNIX_EPOCH, "{cause:?}");
            }
            assert_eq!(history.page_stored(page(Some("x")), now), Step::Next);
            assert_eq!((history.failures, &history.problem), (0, &None));
            for _ in 0..3 {
                history.walk(&BACKFILL, None, None, now);
                now = fail(&mut history, Cause::Page, now);
            }
            let put_off = history.clone();
            assert!(
                put_off
                    .problem
                    .unwrap()
                    .contains("from 1970-01-01T00:00:00Z on were not fetched")
            );
            let walk = history.walk(&BACKFILL, None, None, now);
            assert_eq!(walk.from, at("2026-11-19T18:00:00Z"));
            assert_eq!(history.page_stored(page(None), now), Step::Ended);
            assert_eq!(history.watermark, Some(now));
            // It still is told.
            assert!(history.problem.as_ref().unwrap().contains("1970-01-01"));
            let next = now + SignedDuration::from_hours(24);
            let walk = history.walk(&BACKFILL, None, None, next);
            assert_eq!(walk.from, Timestamp::UNIX_EPOCH);
        }
    }

    #[test]
    fn usual_window_is_never_put_off() {
        let mut history = begun_at("2026-11-21T00:00:00Z");
        let mut now = at("2026-11-21T06:00:00Z");
        history.walk(&USUAL, None, None, now);
        history.page_stored(page(Some("a")), now);
        for _ in 0..20 {
            now = fail(&mut history, Cause::Page, now);
        }
        assert_eq!(history.walk.unwrap().offset.as_deref(), Some("a"));
        assert_eq!(history.refused, None);
    }

    #[test]
    fn walk_for_a_wish_that_nobody_has_any_more_ends() {
        let now = at("2026-11-21T06:00:00Z");
        let asked = Asked {
            at: now,
            since: Some(Timestamp::UNIX_EPOCH),
        };
        let usual = at("2026-11-20T00:00:00Z");
        for (reach, asked, from) in [
            (&BACKFILL, None, Timestamp::UNIX_EPOCH),
            (&USUAL, Some(&asked), Timestamp::UNIX_EPOCH),
            (&USUAL, None, usual),
        ] {
            let mut history = begun_at("2026-11-21T00:00:00Z");
            history.walk(&BACKFILL, None, None, now);
            history.page_stored(page(Some("a")), now);
            assert_eq!(history.walk(reach, asked, None, now).from, from);
        }
    }

    #[test]
    fn request_that_is_put_off_is_told_and_can_be_made_again_a_day_later() {
        let mut history = begun_at("2026-11-21T00:00:00Z");
        let now = at("2026-11-21T06:00:00Z");
        let ask = |at| Asked {
            at,
            since: Some(Timestamp::UNIX_EPOCH),
        };
        let asked = ask(now);
        history.walk(&USUAL, Some(&asked), None, now);
        history.refused("too old".to_owned(), now);
        let next = history.next_attempt_at.unwrap();
        history.walk(&USUAL, Some(&asked), None, next);
        assert_eq!(history.page_stored(page(None), next), Step::Ended);
        assert!(history.answers(&asked));
        assert!(history.problem.as_ref().unwrap().contains("too old"));
        let later = next + SignedDuration::from_hours(24);
        let walk = history.walk(&USUAL, Some(&ask(later)), None, later);
        assert_eq!(walk.from, Timestamp::UNIX_EPOCH);
    }

    /// Has a vendor that takes windows of no more than so many hours brought the history to `now`? How many were refused.
    fn catch_up(history: &mut History, reach: &Reach, limit: i64, now: Timestamp) -> u32 {
        let mut refused = 0;
        for _ in 0..2_000 {
            let walk = history.walk(reach, None, None, now).clone();
            if walk.to.duration_since(walk.from) > SignedDuration::from_hours(limit) {
                refused += 1;
                history.refused("too long".to_owned(), now);
                continue;
            }
            let mark = history.watermark;
            assert_eq!(history.page_stored(page(None), now), Step::Ended);
            assert!(history.watermark > mark, "{walk:?}");
            assert!(mark.is_none_or(|mark| walk.from <= before(mark, reach.overlap)));
            if history.watermark == Some(now) {
                return refused;
            }
        }
        panic!("it does not get there: {history:?}");
    }

    #[test]
    fn deep_window_that_is_refused_falls_back_to_the_usual_one() {
        let mut history = begun_at("2026-11-20T00:00:00Z");
        let now = at("2026-11-21T00:00:00Z");
        assert_eq!(catch_up(&mut history, &USUAL, 72, now), 1);
        assert_eq!(history.deep_watermark, Some(at("2026-11-20T00:00:00Z")));
        assert_eq!(history.last_from, Some(at("2026-11-19T00:00:00Z")));
    }

    #[test]
    fn long_pause_is_made_up_for_in_windows_that_the_vendor_takes() {
        let now = at("2026-11-21T12:00:00Z");
        for limit in [26, 36, 72, 30 * 24] {
            let mut history = begun_at("2026-09-22T12:00:00Z");
            let refused = catch_up(&mut history, &USUAL, limit, now);
            assert!(refused < 10, "{limit}: {refused}");
            // Once it is there, windows are as long as ever.
            assert_eq!(history.longest_seconds, None);
            // A walk that begins anew stays within its window.
            let mut history = begun_at("2026-09-22T12:00:00Z");
            history.walk(&USUAL, None, None, now);
            history.refused("deep".to_owned(), now);
            history.walk(&USUAL, None, None, now);
            history.refused("usual".to_owned(), now);
            let walk = history.walk(&USUAL, None, None, now).clone();
            assert!(walk.to < now && walk.from == at("2026-09-21T12:00:00Z"));
            history.page_stored(page(Some("a")), now);
            history.begin_anew("x", now);
            assert_eq!(history.walk.as_ref().unwrap().to, walk.to);
            history.page_stored(page(None), now);
            assert_eq!(history.watermark, Some(walk.to));
        }
    }

    #[test]
    fn circle_far_back_is_put_off() {
        let mut history = begun_at("2026-11-21T00:00:00Z");
        let now = at("2026-11-21T06:00:00Z");
        history.walk(&BACKFILL, None, None, now);
        while history.page_stored(page(Some("a")), now) != Step::BrokenOff {}
        let next = history.next_attempt_at.unwrap();
        assert!(history.problem.as_ref().unwrap().contains("circle"));
        let walk = history.walk(&BACKFILL, None, None, next);
        assert_eq!(walk.from, at("2026-11-20T00:00:00Z"));
    }

    #[test]
    fn last_page_that_holds_less_than_was_promised_is_suspicious() {
        let mut history = begun_at("2026-11-21T00:00:00Z");
        let now = at("2026-11-21T06:00:00Z");
        assert!(!history.walk(&USUAL, None, None, now).is_cut_short(0));
        for (remaining, records, expected) in [
            (Some(2), 0, true),
            (Some(2), 1, true),
            (Some(2), 2, false),
            (Some(2), 3, false),
            (Some(0), 0, false),
            (None, 0, true),
            (None, 1, false),
        ] {
            let promise = PageStored {
                remaining,
                ..page(Some("a"))
            };
            history.walk = None;
            history.walk(&USUAL, None, None, now);
            history.page_stored(promise, now);
            let walk = history.walk.as_ref().unwrap();
            assert_eq!(
                walk.is_cut_short(records),
                expected,
                "{remaining:?} {records}"
            );
        }
    }

    #[test]
    fn row_of_an_older_version_is_read() {
        let read: History = serde_json::from_str("{}").unwrap();
        assert_eq!(read, History::default());
        let mut history = begun_at("2026-11-21T12:00:00Z");
        history.walk(&USUAL, None, None, at("2026-11-21T18:00:00Z"));
        let text = serde_json::to_string(&history).unwrap();
        assert_eq!(serde_json::from_str::<History>(&text).unwrap(), history);
        // Nor does an older version mind what this one adds.
        let newer = text.replacen('{', "{\"unheard_of\":1,", 1);
        assert_eq!(serde_json::from_str::<History>(&newer).unwrap(), history);
    }
}
