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
    /// Why it does not go on, or which records of the last walk could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// Failures since the last success.
    #[serde(default)]
    pub failures: u32,
    /// When the last of them happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_at: Option<Timestamp>,
    /// When it is tried again after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_attempt_at: Option<Timestamp>,
    /// Whether the last of them was that too many calls were made. Requests wait then, too.
    #[serde(default, skip_serializing_if = "is_false")]
    pub is_limited: bool,
    /// A window that reached further back than usual and was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<Refused>,
}

/// A window that the vendor does not take. For a day windows do not reach so far back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Refused {
    /// The window's first moment.
    pub from: Timestamp,
    /// When it was refused.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
}

/// One pass through the pages of a window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
    /// The connection behind which it goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<String>,
    /// Whether that connection had no end when it was read. Once it ends it moves among the others, and what lay between its
    /// old place and its new one would be skipped.
    #[serde(default)]
    pub offset_is_open: bool,
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
    /// Records that were read.
    pub read: u32,
    /// Records that were new or had changed.
    pub written: u32,
    /// The ids of those that could not be read.
    pub unreadable: Vec<String>,
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
            brought || self.is_refused(since, asked.at)
        };
        self.watermark.is_some_and(|began| began >= asked.at) && asked.since.is_none_or(reaches)
    }

    /// Whether a window from then on was refused not long before `now`. One that reaches further is, too.
    fn is_refused(&self, from: Timestamp, now: Timestamp) -> bool {
        self.refused
            .as_ref()
            .is_some_and(|refused| from <= refused.from && now < after(refused.at, DEEP_EVERY))
    }

    /// The walk to go on with, or a new one. A walk that has stored nothing yet is as good as none.
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
        let begun = begun.filter(|walk| walk.pages > 0 || walk.restarts > 0);
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
        let mut from = before(watermark.map_or(last, |at| at.min(last)), reach.overlap);
        let deep = self
            .deep_watermark
            .is_none_or(|at| now.duration_since(at) >= DEEP_EVERY);
        if let (true, Some(at)) = (deep, self.deep_watermark.or(watermark)) {
            from = from.min(before(at.min(now), reach.deep));
        }
        let backfill = reach.backfill_from.filter(|wanted| {
            let reached = self.reached_back_to;
            reached.is_none_or(|reached| *wanted < reached)
        });
        let usual = from;
        let since = asked.filter(|asked| !self.answers(asked));
        let since = since.and_then(|asked| asked.since);
        from = [backfill, since]
            .into_iter()
            .flatten()
            .filter(|wanted| !self.is_refused(*wanted, now))
            .fold(from, Timestamp::min);
        Walk {
            // The vendor's times have whole seconds.
            from: Timestamp::from_second(from.as_second()).unwrap_or(from),
            to: after(now, SKEW),
            began_at: now,
            deep,
            is_extended: from < usual,
            offset: None,
            offset_is_open: false,
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
        let Some(next) = page.next_offset else {
            self.finished(now);
            return Step::Ended;
        };
        // The vendor's ids vary in case.
        let next = next.to_ascii_lowercase();
        if walk.offset.as_ref() == Some(&next) || walk.marker.as_ref() == Some(&next) {
            return self.begin_anew("the report's pages go round in a circle", now);
        }
        // A marker that is set anew at ever longer distances is met again in a circle of whatever length.
        if walk.pages.is_power_of_two() {
            walk.marker = Some(next.clone());
        }
        walk.offset = Some(next);
        walk.offset_is_open = page.offset_is_open;
        Step::Next
    }

    /// Begins the walk anew from the top of its window, because its place in it is not to be trusted any more. Doing so
    /// too often is a failure.
    pub fn begin_anew(&mut self, reason: &str, now: Timestamp) -> Step {
        let Some(walk) = self
            .walk
            .take()
            .filter(|walk| walk.restarts < MOST_RESTARTS)
        else {
            self.walk = None;
            let reason = format!("{reason}; the window was begun anew {MOST_RESTARTS} times");
            self.failed(reason, Disposition::RETRY, false, now);
            return Step::BrokenOff;
        };
        self.walk = Some(Walk {
            from: walk.from,
            to: after(now, SKEW),
            began_at: now,
            deep: walk.deep,
            is_extended: walk.is_extended,
            offset: None,
            offset_is_open: false,
            pages: 0,
            restarts: walk.restarts + 1,
            counts: Counts::default(),
            unreadable: Vec::new(),
            marker: None,
        });
        Step::Anew
    }

    /// Notes a failure: `limited` says that too many calls were made. The walk stays where it is; it is tried again after
    /// some minutes, and never given up.
    pub fn failed(
        &mut self,
        reason: String,
        disposition: Disposition,
        limited: bool,
        now: Timestamp,
    ) {
        let planned = self.next_attempt_at.filter(|at| *at > now);
        if planned.is_none() {
            self.failures = self.failures.saturating_add(1);
        }
        self.failed_at = Some(now);
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

    /// Notes that the vendor does not take the walk's window. One that reaches further back than usual and has stored
    /// nothing is given up, and the next one does not reach so far: the usual windows go on.
    pub fn refused(&mut self, reason: String, now: Timestamp) {
        let is_first = |walk: &Walk| walk.pages == 0 && walk.is_extended;
        let Some(walk) = self.walk.take_if(|walk| is_first(walk)) else {
            self.failed(reason, Disposition::GiveUp, false, now);
            return;
        };
        self.refused = Some(Refused {
            from: walk.from,
            at: now,
            reason: reason.clone(),
        });
        self.failed(reason, Disposition::RETRY, false, now);
    }

    fn finished(&mut self, now: Timestamp) {
        let Some(walk) = self.walk.take() else {
            return;
        };
        let later = |known: Option<Timestamp>| known.max(Some(walk.began_at));
        self.watermark = later(self.watermark);
        if walk.deep {
            self.deep_watermark = later(self.deep_watermark);
        }
        let back = self.reached_back_to.unwrap_or(walk.from);
        self.reached_back_to = Some(back.min(walk.from));
        self.last_success = Some(now);
        self.last_from = Some(walk.from);
        self.last = Some(walk.counts);
        self.failures = 0;
        self.failed_at = None;
        self.next_attempt_at = None;
        self.is_limited = false;
        self.refused = self.refused.take().filter(|one| walk.from > one.from);
        let refused = self.refused.as_ref().map(|refused| {
            format!(
                "a window from {} on was refused, which is tried again a day later: {}",
                refused.from, refused.reason
            )
        });
        let problems = [walk.problem(), refused];
        let problems: Vec<String> = problems.into_iter().flatten().collect();
        self.problem = (!problems.is_empty()).then(|| problems.join("; "));
    }
}

/// For what is left out of rows.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "this is how serde asks")]
fn is_false(value: &bool) -> bool {
    !*value
}

impl Walk {
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
        history.failed("no".to_owned(), Disposition::RETRY, false, later);
        assert_eq!(history.watermark, before.watermark);
        // It goes on where it was, however the settings are by then.
        let next = at("2026-11-22T12:30:00Z");
        let walk = history.walk(&USUAL, None, None, next).clone();
        assert_eq!((walk.offset.as_deref(), walk.began_at), (Some("a"), began));
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
        history.failed("no".to_owned(), Disposition::GiveUp, false, hour(6));
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
        for (limited, served) in [(true, false), (false, true)] {
            let mut history = begun_at("2026-11-21T00:00:00Z");
            history.walk(&USUAL, None, None, now);
            history.failed("no".to_owned(), Disposition::RETRY, limited, now);
            let due = history.is_due(Some(&asked(1)), minute(1), USUAL.interval);
            assert_eq!(due, served, "{limited}");
            assert!(history.is_due(Some(&asked(1)), minute(10), USUAL.interval));
        }
    }

    #[test]
    fn attempt_that_somebody_asked_for_does_not_put_the_next_one_off() {
        let now = at("2026-11-21T06:00:00Z");
        let minute = |minutes| now + SignedDuration::from_mins(minutes);
        let mut history = begun_at("2026-11-21T00:00:00Z");
        history.walk(&USUAL, None, None, now);
        history.failed("no".to_owned(), Disposition::GiveUp, false, now);
        let planned = history.next_attempt_at;
        for minutes in 1..10 {
            let reason = "still no".to_owned();
            history.failed(reason, Disposition::RETRY, false, minute(minutes));
        }
        assert_eq!((history.failures, history.next_attempt_at), (1, planned));
        assert_eq!(history.failed_at, Some(minute(9)));
        assert_eq!(history.problem.as_deref(), Some("still no"));
        let asked = Disposition::Retry {
            after: Some(std::time::Duration::from_hours(3)),
        };
        history.failed("wait".to_owned(), asked, true, minute(10));
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
        assert!(history.answers(&asked));
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
        // A usual one that is refused is a failure as any other.
        history.walk(&USUAL, None, None, next);
        history.refused("no".to_owned(), next);
        assert_eq!(history.refused, None);
        assert!(history.walk.is_some());
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
            problem.starts_with("2 records") && problem.ends_with("x-1, x-2"),
            "{problem}"
        );
    }

    #[test]
    fn row_of_an_older_version_is_read() {
        let read: History = serde_json::from_str("{}").unwrap();
        assert_eq!(read, History::default());
        let mut history = begun_at("2026-11-21T12:00:00Z");
        history.walk(&USUAL, None, None, at("2026-11-21T18:00:00Z"));
        let text = serde_json::to_string(&history).unwrap();
        assert_eq!(serde_json::from_str::<History>(&text).unwrap(), history);
    }
}
