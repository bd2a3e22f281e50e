//! A history is kept of a world in which everything goes wrong that can, and compared with what really happened.
#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use connection_history::{Asked, Cause, History, PageStored, Reach, Step, merge};
use domain::{Connection, ConnectionId};
use jiff::{SignedDuration, Timestamp};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use retry::Disposition;

const HOUR: i64 = 60;
const DAY: i64 = 24 * HOUR;
const OVERLAP: i64 = 5 * HOUR;
const DEEP: i64 = 3 * DAY;
/// How long the world goes on.
const HORIZON: i64 = 5 * DAY;
/// From before then on the vendor may have trouble with a window.
const FAR: i64 = -4 * DAY;
/// How long a run may hold its lease.
const LEASE: i64 = 5;
/// By how much the vendor's clock may be ahead, or behind.
const FASTEST_CLOCK: i64 = 9;

/// Minutes since the beginning.
fn at(minute: i64) -> Timestamp {
    let start = Timestamp::constant(1_793_491_200, 0);
    start + SignedDuration::from_mins(minute)
}

/// A connection as it really was, in minutes.
#[derive(Debug, Clone)]
struct Real {
    start: i64,
    length: i64,
    /// How long after its start the report shows it, without its end.
    shown: i64,
    /// How long after its end the report shows that.
    end_shown: i64,
    /// When somebody deletes it at the vendor's.
    deleted: Option<i64>,
    /// Until when nobody can read it.
    readable: i64,
}

impl Real {
    fn ended_at(&self) -> i64 {
        self.start + self.length
    }

    /// When the report shows all of it.
    fn complete_at(&self) -> i64 {
        self.ended_at() + self.end_shown
    }

    /// How long after its start that is.
    fn lateness(&self) -> i64 {
        self.complete_at() - self.start
    }
}

fn usual() -> impl Strategy<Value = Real> {
    let start = prop_oneof![6 => -DAY..HORIZON, 1 => -8 * DAY..-DAY];
    let times = (start, 0..2 * HOUR, 0..2 * HOUR, 0..3 * HOUR);
    (times, deleted(), readable()).prop_map(
        |((start, length, shown, end_shown), deleted, readable)| Real {
            start,
            length,
            shown,
            end_shown,
            deleted,
            readable,
        },
    )
}

fn deleted() -> impl Strategy<Value = Option<i64>> {
    prop_oneof![2 => Just(None), 1 => (0..HORIZON).prop_map(Some)]
}

fn readable() -> impl Strategy<Value = i64> {
    prop_oneof![19 => Just(i64::MIN), 1 => 0..HORIZON]
}

/// Longer than windows overlap, or shown later, but not more than deep windows reach back.
fn late() -> impl Strategy<Value = Real> {
    (-DAY..HORIZON, 0..DEEP, 0..DEEP, 0..DEEP).prop_map(|(start, length, shown, end_shown)| Real {
        start,
        length,
        shown,
        end_shown: end_shown.min(DEEP - length),
        deleted: None,
        readable: i64::MIN,
    })
}

/// How the vendor answers where its documents contradict each other or say nothing.
#[derive(Debug, Clone, Copy)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "they go in every combination"
)]
struct Manner {
    /// Whether a window holds what begins in it, or what begins and ends in it.
    by_start: bool,
    /// Whether what has no end comes before or behind all else.
    open_first: bool,
    page: usize,
    /// Whether a place is known only as it was given, or in whatever case.
    strict: bool,
    /// Whether a page behind an unknown place is refused, or empty.
    refuses_places: bool,
    count: Count,
    far: Far,
    /// The longest window that it takes.
    longest: Option<i64>,
    /// By how much its clock is ahead.
    skew: i64,
}

/// How many records it says to remain.
#[derive(Debug, Clone, Copy)]
enum Count {
    Right,
    TooMany,
    Absent,
}

/// What becomes of a window that begins far back.
#[derive(Debug, Clone, Copy)]
enum Far {
    Answered,
    Refused,
    Broken,
    Circle,
}

fn manner() -> impl Strategy<Value = Manner> {
    let booleans = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    let counts = select(vec![Count::Right, Count::TooMany, Count::Absent]);
    let far = prop_oneof![
        2 => Just(Far::Answered),
        1 => select(vec![Far::Refused, Far::Broken, Far::Circle]),
    ];
    let longest = prop_oneof![
        4 => Just(None),
        1 => select(vec![12 * HOUR, DAY, 4 * DAY]).prop_map(Some),
    ];
    let skew = -FASTEST_CLOCK..=FASTEST_CLOCK;
    (booleans, 1..4_usize, counts, far, longest, skew).prop_map(
        |((by_start, open_first, strict, refuses_places), page, count, far, longest, skew)| {
            Manner {
                by_start,
                open_first,
                page,
                strict,
                refuses_places,
                count,
                far,
                longest,
                skew,
            }
        },
    )
}

struct Vendor<'a> {
    real: &'a [Real],
    manner: Manner,
}

struct Record {
    id: String,
    start: i64,
    end: Option<i64>,
    is_readable: bool,
}

#[derive(Default)]
struct Page {
    records: Vec<Record>,
    next: Option<String>,
    remaining: Option<u64>,
}

/// Why there is no page.
enum Refusal {
    Place,
    Window,
    Broken,
}

impl Vendor<'_> {
    fn record(&self, index: usize, now: i64) -> Option<Record> {
        let real = &self.real[index];
        let now = now + self.manner.skew;
        if real.deleted.is_some_and(|at| at <= now) {
            return None;
        }
        let complete = now >= real.complete_at();
        (complete || now >= real.start + real.shown).then(|| Record {
            // Ids vary in case from answer to answer.
            id: if self.manner.strict || now % 2 == 0 {
                format!("C-{index}")
            } else {
                format!("c-{index}")
            },
            start: real.start,
            end: complete.then(|| real.ended_at()),
            is_readable: now >= real.readable,
        })
    }

    /// One page of a window, newest end first.
    fn page(
        &self,
        now: i64,
        from: Timestamp,
        to: Timestamp,
        offset: Option<&str>,
    ) -> Result<Page, Refusal> {
        let longest = self.manner.longest.map(SignedDuration::from_mins);
        if longest.is_some_and(|longest| to.duration_since(from) > longest) {
            return Err(Refusal::Window);
        }
        let is_circle = match (self.manner.far, from < at(FAR)) {
            (Far::Answered, _) | (_, false) => false,
            (Far::Refused, true) => return Err(Refusal::Window),
            (Far::Broken, true) => return Err(Refusal::Broken),
            (Far::Circle, true) => true,
        };
        let mut records: Vec<Record> = (0..self.real.len())
            .filter_map(|index| self.record(index, now))
            .filter(|one| at(one.start) >= from)
            .filter(|one| {
                if self.manner.by_start {
                    at(one.start) < to
                } else {
                    one.end.is_some_and(|end| at(end) < to)
                }
            })
            .collect();
        let rank = |one: &Record| match one.end {
            None => i64::from(!self.manner.open_first),
            Some(_) => i64::from(self.manner.open_first),
        };
        records.sort_by_key(|one| {
            let moment = one.end.unwrap_or(one.start);
            (rank(one), std::cmp::Reverse(moment), one.id.clone())
        });
        if let Some(offset) = offset.filter(|_| !is_circle) {
            let is_place = |one: &Record| {
                if self.manner.strict {
                    one.id == offset
                } else {
                    one.id.eq_ignore_ascii_case(offset)
                }
            };
            match records.iter().position(is_place) {
                Some(place) => drop(records.drain(..=place)),
                None if self.manner.refuses_places => return Err(Refusal::Place),
                None => return Ok(Page::default()),
            }
        }
        let behind = records.len().saturating_sub(self.manner.page);
        records.truncate(self.manner.page);
        let is_more = behind > 0 || is_circle;
        let next = records.last().filter(|_| is_more).map(|one| one.id.clone());
        let behind = u64::try_from(behind).unwrap();
        let remaining = match self.manner.count {
            Count::Right => Some(behind),
            Count::TooMany => Some(behind + 1),
            Count::Absent => None,
        };
        Ok(Page {
            records,
            remaining: remaining.filter(|_| next.is_some()),
            next,
        })
    }

    /// Whether the connection behind which a walk went on is gone, or had no end and has one.
    fn has_moved(&self, id: &str, was_open: bool, now: i64) -> bool {
        let index = id[2..].parse().unwrap();
        self.record(index, now)
            .is_none_or(|one| was_open && one.end.is_some())
    }
}

#[derive(Debug, Clone)]
struct Row {
    connection: Connection,
    told: bool,
    version: u64,
}

/// What is stored, with as much of the tables' conditions as matters.
#[derive(Default)]
struct Store {
    rows: BTreeMap<String, Row>,
    history: History,
    asked: Option<Asked>,
    lease: Option<(u64, i64)>,
    /// Ids of the events that were told, with how often.
    told: BTreeMap<String, u32>,
    /// How often it was not noted that an event was told: the run died, or the row had changed meanwhile.
    not_noted: BTreeMap<String, u32>,
    lost_an_end: bool,
}

impl Store {
    /// Whether the row was still as it was known.
    fn put(&mut self, connection: &Connection, known: Option<&Row>) -> bool {
        let id = connection.id.to_string();
        let stored = self.rows.get(&id);
        if stored.map(|row| row.version) != known.map(|row| row.version) {
            return false;
        }
        let had_ended = stored.is_some_and(|row| row.connection.ended_at.is_some());
        self.lost_an_end |= had_ended && connection.ended_at.is_none();
        let row = Row {
            connection: connection.clone(),
            told: known.is_some_and(|row| row.told),
            version: known.map_or(1, |row| row.version + 1),
        };
        self.rows.insert(id, row);
        true
    }

    /// Notes that a row was told of; whether it was still of that version.
    fn told_of(&mut self, id: &str, version: u64) -> bool {
        let row = self.rows.get_mut(id);
        let Some(row) = row.filter(|row| row.version == version) else {
            return false;
        };
        (row.told, row.version) = (true, version + 1);
        true
    }
}

/// One run of the function, which can stand still or die between any two steps.
#[derive(Default)]
enum Runner {
    #[default]
    Idle,
    Fetch(Box<Turn>),
    Store(Box<Turn>, Page, BTreeMap<String, Row>),
    Tell(Box<Turn>, PageStored, Vec<(String, u64)>),
    Save(Box<Turn>, PageStored),
}

struct Turn {
    owner: u64,
    history: History,
}

/// How the code under test is made worse, to see that the property notices.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Flaw {
    None,
    NoOverlap,
    EarlyWatermark,
    /// Places in the report are trusted though their connection has moved.
    TrustedOffset,
    /// What was read is written over whatever is stored.
    LastWriterWins,
    /// What was told is told again by whoever reads it.
    TellsAgain,
    NoDeepWindow,
    /// The watermark is the end of the walk, not its begin.
    LateWatermark,
    /// The watermark is the begin of the walk, also where its window ended before.
    WatermarkBehindWindow,
    /// A walk that begins anew goes on where it was.
    AnewFromThere,
    /// The place is stored before the rows of its page.
    OffsetFirst,
    /// A last page counts though it lacks what was promised.
    TrustedEnd,
    /// A place is asked for in lower case.
    LowerCase,
    /// Records that could not be read are forgotten.
    ForgetsUnreadable,
    /// What goes wrong far back is tried again as anything else.
    NeverPutOff,
}

const FLAWS: [Flaw; 14] = [
    Flaw::NoOverlap,
    Flaw::EarlyWatermark,
    Flaw::TrustedOffset,
    Flaw::LastWriterWins,
    Flaw::TellsAgain,
    Flaw::NoDeepWindow,
    Flaw::LateWatermark,
    Flaw::WatermarkBehindWindow,
    Flaw::AnewFromThere,
    Flaw::OffsetFirst,
    Flaw::TrustedEnd,
    Flaw::LowerCase,
    Flaw::ForgetsUnreadable,
    Flaw::NeverPutOff,
];

struct Simulation<'a> {
    vendor: Vendor<'a>,
    store: Store,
    now: i64,
    interval: i64,
    backfill: Option<i64>,
    owners: u64,
    flaw: Flaw,
    runners: [Runner; 2],
}

fn read(record: &Record) -> Connection {
    static SOME: LazyLock<Connection> = LazyLock::new(|| {
        let json = serde_json::json!({"id": "c-0", "account": "tv", "started_at": at(0)});
        serde_json::from_value(json).unwrap()
    });
    Connection {
        id: ConnectionId::parse(&record.id).unwrap(),
        started_at: at(record.start),
        ended_at: record.end.map(at),
        ..SOME.clone()
    }
}

impl Simulation<'_> {
    fn reach(&self) -> Reach {
        let overlap = if self.flaw == Flaw::NoOverlap {
            0
        } else {
            OVERLAP
        };
        Reach {
            interval: SignedDuration::from_mins(self.interval),
            overlap: SignedDuration::from_mins(overlap),
            deep: SignedDuration::from_mins(if self.flaw == Flaw::NoDeepWindow {
                0
            } else {
                DEEP
            }),
            backfill_from: self.backfill.map(at),
        }
    }

    fn save(&mut self, turn: &Turn) -> bool {
        let ours = self
            .store
            .lease
            .is_some_and(|(owner, _)| owner == turn.owner);
        if ours {
            self.store.history = turn.history.clone();
        }
        ours
    }

    fn release(&mut self, owner: u64) {
        self.store.lease = self.store.lease.filter(|(other, _)| *other != owner);
    }

    /// One step of a run. `fails`: whatever it calls does not answer, for that reason.
    fn step(&mut self, index: usize, fails: Option<Cause>) -> Result<(), TestCaseError> {
        self.runners[index] = match std::mem::take(&mut self.runners[index]) {
            Runner::Idle => self.begin(),
            Runner::Fetch(turn) => self.fetch(turn, fails),
            Runner::Store(turn, page, known) => self.keep(turn, page, known),
            Runner::Tell(turn, page, ids) => self.tell(turn, page, ids, fails.is_some()),
            Runner::Save(turn, page) => self.note(turn, page)?,
        };
        Ok(())
    }

    fn begin(&mut self) -> Runner {
        let now = at(self.now);
        let reach = self.reach();
        let held = self.store.lease.is_some_and(|(_, until)| until > self.now);
        let asked = self.store.asked;
        if held
            || !self
                .store
                .history
                .is_due(asked.as_ref(), now, reach.interval)
        {
            return Runner::Idle;
        }
        self.owners += 1;
        let owner = self.owners;
        self.store.lease = Some((owner, self.now + LEASE));
        let mut turn = Turn {
            owner,
            history: self.store.history.clone(),
        };
        turn.history.walk(&reach, asked.as_ref(), None, now);
        if self.flaw == Flaw::EarlyWatermark {
            turn.history.watermark = Some(now);
        }
        self.save(&turn);
        Runner::Fetch(Box::new(turn))
    }

    fn fail(&mut self, mut turn: Box<Turn>, cause: Cause) -> Runner {
        let now = at(self.now);
        let reason = "no answer".to_owned();
        let cause = match cause {
            Cause::Page if self.flaw == Flaw::NeverPutOff => Cause::Elsewhere,
            Cause::Page | Cause::Limit | Cause::Elsewhere => cause,
        };
        turn.history.failed(reason, Disposition::RETRY, cause, now);
        self.save(&turn);
        self.release(turn.owner);
        Runner::Idle
    }

    fn anew(&mut self, mut turn: Box<Turn>) -> Runner {
        let offset = turn.history.walk.as_ref().unwrap().offset.clone();
        let step = turn.history.begin_anew("moved", at(self.now));
        if let (Flaw::AnewFromThere, Some(walk)) = (self.flaw, &mut turn.history.walk) {
            walk.offset = offset;
        }
        let saved = self.save(&turn);
        if saved && step == Step::Anew {
            return Runner::Fetch(turn);
        }
        self.release(turn.owner);
        Runner::Idle
    }

    fn refused(&mut self, mut turn: Box<Turn>) -> Runner {
        turn.history.refused("no".to_owned(), at(self.now));
        self.save(&turn);
        self.release(turn.owner);
        Runner::Idle
    }

    fn fetch(&mut self, turn: Box<Turn>, fails: Option<Cause>) -> Runner {
        if let Some(cause) = fails {
            return self.fail(turn, cause);
        }
        let walk = turn.history.walk.as_ref().unwrap();
        let offset = walk.offset.clone();
        let asked = if self.flaw == Flaw::LowerCase {
            offset.as_ref().map(|id| id.to_ascii_lowercase())
        } else {
            offset.clone()
        };
        let page = match self
            .vendor
            .page(self.now, walk.from, walk.to, asked.as_deref())
        {
            Ok(page) => page,
            Err(Refusal::Broken) => return self.fail(turn, Cause::Page),
            Err(Refusal::Place | Refusal::Window) if offset.is_some() => return self.anew(turn),
            Err(Refusal::Place | Refusal::Window) => return self.refused(turn),
        };
        let is_cut_short = page.next.is_none() && walk.is_cut_short(page.records.len());
        let moved = |id: &String| self.vendor.has_moved(id, walk.offset_is_open, self.now);
        let is_suspicious = walk.offset_is_open && self.flaw != Flaw::TrustedOffset
            || is_cut_short && self.flaw != Flaw::TrustedEnd;
        if is_suspicious && offset.as_ref().is_some_and(moved) {
            return self.anew(turn);
        }
        if self.flaw == Flaw::OffsetFirst && page.next.is_some() {
            let mut ahead = Turn {
                owner: turn.owner,
                history: turn.history.clone(),
            };
            let stored = PageStored {
                next_offset: page.next.clone(),
                ..PageStored::default()
            };
            ahead.history.page_stored(stored, at(self.now));
            self.save(&ahead);
        }
        let ids = page.records.iter().map(|one| one.id.to_ascii_lowercase());
        let known = ids.filter_map(|id| Some((id.clone(), self.store.rows.get(&id)?.clone())));
        let known = known.collect();
        Runner::Store(turn, page, known)
    }

    fn keep(&mut self, turn: Box<Turn>, page: Page, known: BTreeMap<String, Row>) -> Runner {
        let mut to_tell = Vec::new();
        let mut written = 0;
        let (records, unreadable): (Vec<&Record>, Vec<&Record>) =
            page.records.iter().partition(|one| one.is_readable);
        for record in records {
            let read = read(record);
            let id = read.id.to_string();
            let mut known = known.get(&id).cloned();
            loop {
                let stored = known.as_ref().map(|row| &row.connection);
                let merged = if self.flaw == Flaw::LastWriterWins {
                    known = self.store.rows.get(&id).cloned();
                    Some(read.clone())
                } else {
                    merge(stored, read.clone())
                };
                let Some(merged) = merged else { break };
                if self.store.put(&merged, known.as_ref()) {
                    written += 1;
                    break;
                }
                known = self.store.rows.get(&id).cloned();
            }
            let row = &self.store.rows[&id];
            let is_told = row.told && self.flaw != Flaw::TellsAgain;
            if row.connection.ended_at.is_some() && !is_told {
                to_tell.push((id, row.version));
            }
        }
        let next = page.next.as_deref();
        let at_offset = page
            .records
            .iter()
            .find(|one| Some(one.id.as_str()) == next);
        let stored = PageStored {
            next_offset: page.next.clone(),
            offset_is_open: at_offset.is_some_and(|one| one.end.is_none()),
            read: u32::try_from(page.records.len()).unwrap(),
            written,
            remaining: page.remaining,
            unreadable: unreadable.iter().map(|one| one.id.clone()).collect(),
        };
        Runner::Tell(turn, stored, to_tell)
    }

    fn tell(
        &mut self,
        turn: Box<Turn>,
        page: PageStored,
        rows: Vec<(String, u64)>,
        fails: bool,
    ) -> Runner {
        for (index, (id, version)) in rows.into_iter().enumerate() {
            *self.store.told.entry(id.clone()).or_default() += 1;
            // It dies between the event and the note that it was told.
            let dies = fails && index == 0;
            if dies || !self.store.told_of(&id, version) {
                *self.store.not_noted.entry(id).or_default() += 1;
            }
            if dies {
                return Runner::Idle;
            }
        }
        Runner::Save(turn, page)
    }

    /// After a walk: whatever has ended and was not told of, wherever it is.
    fn tell_late(&mut self) {
        let late = self.store.rows.iter();
        let late = late.filter(|(_, row)| row.connection.ended_at.is_some() && !row.told);
        let late: Vec<(String, u64)> = late.map(|(id, row)| (id.clone(), row.version)).collect();
        for (id, version) in late {
            *self.store.told.entry(id.clone()).or_default() += 1;
            assert!(self.store.told_of(&id, version));
        }
    }

    fn note(&mut self, mut turn: Box<Turn>, page: PageStored) -> Result<Runner, TestCaseError> {
        let walk = turn.history.walk.clone().unwrap();
        let step = turn.history.page_stored(page, at(self.now));
        match (self.flaw, step) {
            (Flaw::LateWatermark, Step::Ended) => turn.history.watermark = Some(at(self.now)),
            (Flaw::WatermarkBehindWindow, Step::Ended) => {
                turn.history.watermark = Some(walk.began_at);
            }
            (Flaw::ForgetsUnreadable, Step::Ended) => turn.history.unreadable_from = None,
            _ => {}
        }
        if !self.save(&turn) {
            return Ok(Runner::Idle);
        }
        match step {
            Step::Next | Step::Anew => return Ok(Runner::Fetch(turn)),
            Step::BrokenOff => {}
            Step::Ended => {
                self.tell_late();
                let lateness = if walk.deep { DEEP } else { OVERLAP };
                let mark = self.store.history.watermark.unwrap();
                let history = &self.store.history;
                let is_answered = |asked: &Asked| {
                    let reaches = asked.since.is_none_or(|since| since >= walk.from);
                    history.answers(asked) || asked.at <= mark && reaches
                };
                self.store.asked = self.store.asked.filter(|asked| !is_answered(asked));
                // What ends when a shortened window does, by the vendor's clock, may be shown before that and yet be behind it.
                let whole = walk.to - SignedDuration::from_mins(FASTEST_CLOCK + 1);
                self.check(mark.min(walk.began_at).min(whole), lateness)?;
            }
        }
        self.release(turn.owner);
        Ok(Runner::Idle)
    }

    /// Notes that somebody asks: several are served by one walk.
    fn ask(&mut self, since: Option<Timestamp>) {
        let before = self.store.asked.and_then(|asked| asked.since);
        self.store.asked = Some(Asked {
            at: at(self.now),
            since: [before, since].into_iter().flatten().min(),
        });
    }

    /// One run works until nothing is due; when it began.
    fn catch_up(&mut self) -> Result<Timestamp, TestCaseError> {
        let began = at(self.now);
        let interval = SignedDuration::from_mins(self.interval);
        for _ in 0..20_000 {
            self.step(0, None)?;
            if matches!(self.runners[0], Runner::Idle) {
                let history = &self.store.history;
                let is_due = history.is_due(self.store.asked.as_ref(), at(self.now), interval);
                if !is_due && history.next_attempt_at.is_none() {
                    return Ok(began);
                }
                self.now += if is_due { 0 } else { 2 };
            }
        }
        Err(TestCaseError::fail("it goes on for ever"))
    }

    /// Whatever was shown by then, no later after its start than so, is stored as it was and told of.
    fn check(&self, began: Timestamp, lateness: i64) -> Result<(), TestCaseError> {
        prop_assert!(
            !self.store.lost_an_end,
            "an end was known and is not any more"
        );
        for (id, times) in &self.store.told {
            let not_noted = self.store.not_noted.get(id).copied().unwrap_or_default();
            prop_assert!(
                *times <= 1 + not_noted,
                "{id} was told {times} times, of which {not_noted} were not noted"
            );
        }
        let back = self.store.history.reached_back_to.unwrap();
        for (index, real) in self.vendor.real.iter().enumerate() {
            let skew = self.vendor.manner.skew;
            let is_told_missing = self
                .store
                .history
                .unreadable_from
                .is_some_and(|from| real.readable > i64::MIN && from <= at(real.start));
            let wanted = at(real.complete_at() - skew) <= began
                && real.lateness() + (-skew).max(0) <= lateness
                && at(real.start) >= back
                && real.deleted.is_none()
                && !is_told_missing;
            if !wanted {
                continue;
            }
            let id = format!("c-{index}");
            let row = self.store.rows.get(&id);
            prop_assert!(row.is_some(), "{id} is missing at {began}: {real:?}");
            let row = row.unwrap();
            prop_assert_eq!(row.connection.ended_at, Some(at(real.ended_at())), "{}", id);
            prop_assert!(
                row.told && self.store.told.contains_key(&id),
                "{id} was not told"
            );
        }
        Ok(())
    }
}

/// Something that happens.
#[derive(Debug, Clone)]
enum Happening {
    Step(usize),
    /// A step in which nothing answers.
    Failure(usize, Cause),
    Backfill(Option<i64>),
    Death(usize),
    Interval(i64),
    Asked(Option<i64>),
}

fn happening() -> impl Strategy<Value = (i64, Happening)> {
    let pause = prop_oneof![
        20 => Just(0_i64),
        20 => 1..5_i64,
        10 => 5..60_i64,
        4 => HOUR..12 * HOUR,
    ];
    let happening = prop_oneof![
        40 => (0..2_usize).prop_map(Happening::Step),
        4 => (0..2_usize, select(vec![Cause::Page, Cause::Limit, Cause::Elsewhere]))
            .prop_map(|(runner, cause)| Happening::Failure(runner, cause)),
        1 => proptest::option::weighted(0.8, -8 * DAY..DAY).prop_map(Happening::Backfill),
        4 => (0..2_usize).prop_map(Happening::Death),
        1 => select(vec![3, 6, 12]).prop_map(|hours| Happening::Interval(hours * HOUR)),
        1 => proptest::option::of(0..5 * DAY).prop_map(Happening::Asked),
    ];
    (pause, happening)
}

type World = (Vec<Real>, Manner, Vec<(i64, Happening)>);

fn world() -> impl Strategy<Value = World> {
    let real = vec(prop_oneof![3 => usual(), 2 => late()], 5..40);
    (real, manner(), vec(happening(), 100..300))
}

fn live((real, manner, happenings): World, flaw: Flaw) -> Result<(), TestCaseError> {
    let mut simulation = Simulation {
        vendor: Vendor {
            real: &real,
            manner,
        },
        store: Store::default(),
        now: 0,
        interval: 6 * HOUR,
        backfill: None,
        owners: 0,
        flaw,
        runners: Default::default(),
    };
    for (pause, happening) in happenings {
        simulation.now += pause;
        match happening {
            Happening::Step(runner) => simulation.step(runner, None)?,
            Happening::Failure(runner, cause) => simulation.step(runner, Some(cause))?,
            Happening::Backfill(from) => simulation.backfill = from,
            Happening::Death(runner) => simulation.runners[runner] = Runner::Idle,
            Happening::Interval(interval) => simulation.interval = interval,
            Happening::Asked(since) => {
                simulation.ask(since.map(|ago| at(simulation.now - ago)));
            }
        }
    }
    // All is over and shown, and one run has its time. The first walk goes on with what was under way; the next one that
    // begins is deep.
    simulation.runners = Default::default();
    simulation.now = simulation.now.max(HORIZON) + 2 * DEEP + 2 * DAY;
    for _ in 0..3 {
        simulation.now += 2 * DAY;
        let began = simulation.catch_up()?;
        // Shorter windows end where the next one is not due yet.
        let behind = manner.longest.map_or(0, |_| simulation.interval);
        let reached = began - SignedDuration::from_mins(behind);
        prop_assert!(simulation.store.history.watermark >= Some(reached));
    }
    let history = &simulation.store.history;
    prop_assert_eq!(&history.walk, &None);
    let lateness = if manner.longest.is_none() {
        prop_assert!(
            history
                .watermark
                .unwrap()
                .duration_since(history.deep_watermark.unwrap())
                < SignedDuration::from_hours(1)
        );
        DEEP
    } else {
        OVERLAP
    };
    // Whoever asks for what could not be read gets it.
    if let (Some(from), None) = (history.unreadable_from, manner.longest) {
        simulation.ask(Some(from));
        simulation.catch_up()?;
        let is_far = from < at(FAR) && !matches!(manner.far, Far::Answered);
        prop_assert!(is_far || simulation.store.history.unreadable_from.is_none());
    }
    let mark = simulation.store.history.watermark.unwrap();
    simulation.check(mark, lateness)?;
    // Nothing is there that never was, and nothing twice.
    let ids: BTreeSet<String> = (0..real.len()).map(|index| format!("c-{index}")).collect();
    prop_assert!(simulation.store.rows.keys().all(|id| ids.contains(id)));
    prop_assert!(simulation.store.told.keys().all(|id| ids.contains(id)));
    Ok(())
}

fn config(cases: u32) -> Config {
    Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 0,
        ..Config::default()
    }
}

/// How many worlds are tried; each flaw is noticed in so many.
const WORLDS: u32 = 400;

proptest! {
    #![proptest_config(Config { failure_persistence: None, ..Config::with_cases(WORLDS) })]

    #[test]
    fn history_has_no_holes(world in world()) {
        live(world, Flaw::None)?;
    }
}

#[test]
fn property_notices_what_would_make_holes() {
    for flaw in FLAWS {
        let mut runner = TestRunner::new(config(WORLDS));
        let found = runner.run(&world(), |world| live(world, flaw));
        assert!(found.is_err(), "{flaw:?} was not noticed");
    }
}
