//! A history is kept of a world in which everything goes wrong that can, and compared with what really happened.
#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet};

use connection_history::{Asked, History, PageStored, Reach, Step, merge};
use domain::Connection;
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
/// How long a run may hold its lease.
const LEASE: i64 = 15;

/// Minutes since the beginning.
fn at(minute: i64) -> Timestamp {
    let start: Timestamp = "2026-11-01T00:00:00Z".parse().unwrap();
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
    (-DAY..HORIZON, 0..2 * HOUR, 0..2 * HOUR, 0..3 * HOUR).prop_map(
        |(start, length, shown, end_shown)| Real {
            start,
            length,
            shown,
            end_shown,
        },
    )
}

/// Longer than windows overlap, or shown later, but not more than deep windows reach back.
fn late() -> impl Strategy<Value = Real> {
    (-DAY..HORIZON, 0..DEEP, 0..DEEP, 0..DEEP).prop_map(|(start, length, shown, end_shown)| Real {
        start,
        length,
        shown,
        end_shown: end_shown.min(DEEP - length),
    })
}

/// How the vendor answers where its documents contradict each other or say nothing.
#[derive(Debug, Clone, Copy)]
struct Manner {
    /// Whether a window holds what begins in it, or what begins and ends in it.
    by_start: bool,
    /// Whether what has no end comes before or behind all else.
    open_first: bool,
    page: usize,
}

fn manner() -> impl Strategy<Value = Manner> {
    (any::<bool>(), any::<bool>(), 1..5_usize).prop_map(|(by_start, open_first, page)| Manner {
        by_start,
        open_first,
        page,
    })
}

struct Vendor<'a> {
    real: &'a [Real],
    manner: Manner,
}

struct Record {
    id: String,
    start: i64,
    end: Option<i64>,
}

struct Page {
    records: Vec<Record>,
    next: Option<String>,
}

impl Vendor<'_> {
    fn record(&self, index: usize, now: i64) -> Option<Record> {
        let real = &self.real[index];
        let complete = now >= real.complete_at();
        (complete || now >= real.start + real.shown).then(|| Record {
            // Ids vary in case from answer to answer.
            id: if now % 2 == 0 {
                format!("C-{index}")
            } else {
                format!("c-{index}")
            },
            start: real.start,
            end: complete.then(|| real.ended_at()),
        })
    }

    /// One page of a window, newest end first. `Err` when there is no such place.
    fn page(
        &self,
        now: i64,
        from: Timestamp,
        to: Timestamp,
        offset: Option<&str>,
    ) -> Result<Page, ()> {
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
        if let Some(offset) = offset {
            let place = records
                .iter()
                .position(|one| one.id.eq_ignore_ascii_case(offset))
                .ok_or(())?;
            records.drain(..=place);
        }
        let more = records.len() > self.manner.page;
        records.truncate(self.manner.page);
        let next = records.last().filter(|_| more).map(|one| one.id.clone());
        Ok(Page { records, next })
    }

    fn has_ended(&self, id: &str, now: i64) -> bool {
        let index = id[2..].parse().unwrap();
        self.record(index, now).is_none_or(|one| one.end.is_some())
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
}

struct Simulation<'a> {
    vendor: Vendor<'a>,
    store: Store,
    now: i64,
    interval: i64,
    owners: u64,
    flaw: Flaw,
    runners: [Runner; 2],
}

fn read(record: &Record) -> Connection {
    let end = record.end.map(at);
    serde_json::from_value(serde_json::json!({
        "id": record.id, "account": "tv", "started_at": at(record.start), "ended_at": end
    }))
    .unwrap()
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
            deep: SignedDuration::from_mins(DEEP),
            backfill_from: None,
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

    /// One step of a run. `fails`: whatever it calls does not answer.
    fn step(&mut self, index: usize, fails: bool) -> Result<(), TestCaseError> {
        self.runners[index] = match std::mem::take(&mut self.runners[index]) {
            Runner::Idle => self.begin(),
            Runner::Fetch(turn) => self.fetch(turn, fails),
            Runner::Store(turn, page, known) => self.keep(turn, page, known),
            Runner::Tell(turn, page, ids) => self.tell(turn, page, ids, fails),
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

    fn fail(&mut self, mut turn: Box<Turn>) -> Runner {
        let now = at(self.now);
        let reason = "no answer".to_owned();
        turn.history.failed(reason, Disposition::RETRY, false, now);
        self.save(&turn);
        self.release(turn.owner);
        Runner::Idle
    }

    fn anew(&mut self, mut turn: Box<Turn>) -> Runner {
        let step = turn.history.begin_anew("moved", at(self.now));
        let saved = self.save(&turn);
        if saved && step == Step::Anew {
            return Runner::Fetch(turn);
        }
        self.release(turn.owner);
        Runner::Idle
    }

    fn fetch(&mut self, turn: Box<Turn>, fails: bool) -> Runner {
        if fails {
            return self.fail(turn);
        }
        let walk = turn.history.walk.as_ref().unwrap();
        let offset = walk.offset.as_deref();
        let Ok(page) = self.vendor.page(self.now, walk.from, walk.to, offset) else {
            return self.anew(turn);
        };
        let moved = offset.is_some_and(|id| self.vendor.has_ended(id, self.now));
        if walk.offset_is_open && moved && self.flaw != Flaw::TrustedOffset {
            return self.anew(turn);
        }
        let ids = page.records.iter().map(|one| one.id.to_ascii_lowercase());
        let known = ids.filter_map(|id| Some((id.clone(), self.store.rows.get(&id)?.clone())));
        let known = known.collect();
        Runner::Store(turn, page, known)
    }

    fn keep(&mut self, turn: Box<Turn>, page: Page, known: BTreeMap<String, Row>) -> Runner {
        let mut to_tell = Vec::new();
        let mut written = 0;
        for record in &page.records {
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
            unreadable: Vec::new(),
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
        if !self.save(&turn) {
            return Ok(Runner::Idle);
        }
        match step {
            Step::Next | Step::Anew => return Ok(Runner::Fetch(turn)),
            Step::BrokenOff => {}
            Step::Ended => {
                self.tell_late();
                let lateness = if walk.deep { DEEP } else { OVERLAP };
                self.check(walk.began_at, lateness)?;
            }
        }
        self.release(turn.owner);
        Ok(Runner::Idle)
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
            let wanted = at(real.complete_at()) <= began
                && real.lateness() <= lateness
                && at(real.start) >= back;
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
    Failure(usize),
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
        4 => (0..2_usize).prop_map(Happening::Failure),
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
        owners: 0,
        flaw,
        runners: Default::default(),
    };
    for (pause, happening) in happenings {
        simulation.now += pause;
        match happening {
            Happening::Step(runner) => simulation.step(runner, false)?,
            Happening::Failure(runner) => simulation.step(runner, true)?,
            Happening::Death(runner) => simulation.runners[runner] = Runner::Idle,
            Happening::Interval(interval) => simulation.interval = interval,
            Happening::Asked(since) => {
                simulation.store.asked = Some(Asked {
                    at: at(simulation.now),
                    since: since.map(|ago| at(simulation.now - ago)),
                });
            }
        }
    }
    // All is over and shown, and one run has its time. The first walk goes on with what was under way; the next one that
    // begins is deep.
    simulation.runners = Default::default();
    simulation.now = simulation.now.max(HORIZON) + 2 * DEEP + 2 * DAY;
    for _ in 0..3 {
        simulation.now += 2 * DAY;
        simulation.step(0, false)?;
        let mut steps = 0;
        while !matches!(simulation.runners[0], Runner::Idle) {
            simulation.step(0, false)?;
            steps += 1;
            prop_assert!(steps < 10_000, "it goes on for ever");
        }
    }
    let history = &simulation.store.history;
    prop_assert_eq!(&history.walk, &None);
    prop_assert_eq!(history.watermark, Some(at(simulation.now)));
    prop_assert_eq!(history.deep_watermark, history.watermark);
    simulation.check(at(simulation.now), DEEP)?;
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

proptest! {
    #![proptest_config(Config { failure_persistence: None, ..Config::with_cases(150) })]

    #[test]
    fn history_has_no_holes(world in world()) {
        live(world, Flaw::None)?;
    }
}

#[test]
fn property_notices_what_would_make_holes() {
    for flaw in [
        Flaw::NoOverlap,
        Flaw::EarlyWatermark,
        Flaw::TrustedOffset,
        Flaw::LastWriterWins,
        Flaw::TellsAgain,
    ] {
        let mut runner = TestRunner::new(config(5_000));
        let found = runner.run(&world(), |world| live(world, flaw));
        assert!(found.is_err(), "{flaw:?} was not noticed");
    }
}
