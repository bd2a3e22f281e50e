//! Fetching the history's window: a walk through the pages of the report.

use std::time::Duration;

use accounts::Moment;
use connection_history::{Cause, History, PageStored, Reach, Step};
use domain::AccountName;
use domain::teamviewer::{Settings, TeamViewerWork};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};
use retry::Disposition;
use store::{Period, Place, StoredConnection, StoredHistory};
use teamviewer::{ConnectionPage, ConnectionQuery};
use tokio::time::Instant;

use crate::ask::{Asker, Failure, FailureKind};
use crate::handler::{Retrieval, Time};
use crate::recorder::Kept;

/// A further page is begun only while so much time is left.
const TIME_OF_A_PAGE: Duration = Duration::from_secs(8);
/// How much longer than its work, which ends before the function, a function's right to go on with the history lives.
const LEASE_MARGIN: SignedDuration = SignedDuration::from_secs(10);
/// Connections without an end that are asked for one by one after a walk.
const MOST_UNFINISHED: usize = 50;
/// Rows of connections without an end that are read at a time.
const ROWS: usize = 100;
/// Those of them that are written at a time.
const WRITES_AT_ONCE: usize = 10;
/// For how long an end is waited for. Windows show it later than that, if they do.
const END_AWAITED: SignedDuration = SignedDuration::from_hours(30 * 24);

/// A walk that this function has the right to go on with.
struct Turn<'a> {
    owner: String,
    account: &'a AccountName,
    asker: Asker<'a>,
    settings: &'a Settings,
    history: History,
}

/// How far this function has come.
enum Progress {
    /// All pages are stored: of this window.
    Ended { from: Timestamp },
    /// There are more pages, and no time.
    More,
    /// It is tried again later; the history says why and when.
    Failed,
    /// Another function has taken over.
    Lost,
}

impl Retrieval {
    /// Begins the history's window if it is due, or goes on with one that was begun, unless somebody is at it.
    pub(crate) async fn fetch_due(&self, occasion: &str, time: Time) -> Result<(), Failure> {
        let Some(stored) = self.settings.get().await? else {
            return Ok(());
        };
        let settings = stored.settings;
        let Some(history) = &settings.history else {
            return Ok(());
        };
        let account = &history.account;
        let now = self.now();
        let left = SignedDuration::try_from(time.left()).unwrap_or(SignedDuration::ZERO);
        let until = now.saturating_add(left + LEASE_MARGIN).unwrap_or(now);
        let owner = occasion.to_owned();
        let Some(stored) = self.histories.start(account, &owner, now, until).await? else {
            tracing::info!("history left alone: another function is at it");
            return Ok(());
        };
        let reach = Reach::of(history, self.every_hours);
        let mut turn = Turn {
            asker: Asker::new(
                &self.recorder.accounts,
                account,
                Moment::new(now, time.left()),
            ),
            owner,
            account,
            settings: &settings,
            history: stored.history.clone(),
        };
        let progress = if stored
            .history
            .is_due(stored.asked.as_ref(), now, reach.interval)
        {
            self.go_on(&mut turn, &stored, &reach, time).await
        } else {
            Ok(None)
        };
        // Even if our own side did not answer: otherwise the next call has to wait for the lease's end.
        let released = self.histories.release(account, &turn.owner).await;
        match progress? {
            Some(Progress::More) => self.send(&[(TeamViewerWork::FetchDue {}, 0)]).await?,
            Some(Progress::Ended { .. } | Progress::Failed | Progress::Lost) | None => {}
        }
        Ok(released?)
    }

    async fn go_on(
        &self,
        turn: &mut Turn<'_>,
        stored: &StoredHistory,
        reach: &Reach,
        time: Time,
    ) -> Result<Option<Progress>, Failure> {
        let predecessor = self.predecessor(turn).await?;
        let walk = turn
            .history
            .walk(reach, stored.asked.as_ref(), predecessor, self.now());
        tracing::info!(
            walk.from = %walk.from, walk.to = %walk.to, walk.deep = walk.deep, walk.pages = walk.pages,
            "window"
        );
        if !self.save(turn).await? {
            return Ok(Some(Progress::Lost));
        }
        let progress = self.pages(turn, time).await?;
        if let Progress::Ended { from } = progress {
            // What was put off is answered, too: the history tells of it.
            let asked = stored.asked.filter(|asked| turn.history.answers(asked));
            let since = asked.and_then(|asked| asked.since);
            let answered = since.map_or(from, |since| from.min(since));
            self.ended(turn, from, answered, time).await?;
        }
        Ok(Some(progress))
    }

    /// The watermark of the account that was set before this one, where there was one: what lies between it and the first
    /// walk of this account would be missing otherwise.
    async fn predecessor(&self, turn: &Turn<'_>) -> Result<Option<Timestamp>, Failure> {
        if turn.history.watermark.is_some() {
            return Ok(None);
        }
        let others = self.histories.all().await?.into_iter();
        let watermarks = others.filter(|(account, _)| account != turn.account);
        Ok(watermarks
            .filter_map(|(_, other)| other.history.watermark)
            .max())
    }

    /// Page after page, while there is time.
    async fn pages(&self, turn: &mut Turn<'_>, time: Time) -> Result<Progress, Failure> {
        let mut stored = 0_u32;
        loop {
            if stored > 0 && time.left() < TIME_OF_A_PAGE {
                return Ok(Progress::More);
            }
            let page = tokio::time::timeout_at(time.ends, self.page(turn)).await;
            let step = match page {
                Ok(Ok(step)) => step,
                Ok(Err(failure)) if is_misplaced(turn, &failure) => {
                    turn.history.begin_anew(&failure.reason, self.now())
                }
                Ok(Err(failure)) => return self.note_failure(turn, failure).await,
                // What a page takes is known by now, and this one was begun late.
                Err(_) if stored > 0 => return Ok(Progress::More),
                Err(_) => {
                    let reason = "the first page took longer than the function has";
                    let failure = Failure {
                        kind: FailureKind::Other,
                        ..Failure::own(reason.to_owned())
                    };
                    return self.note_failure(turn, failure).await;
                }
            };
            stored += 1;
            let from = turn.history.last_from;
            if !self.save(turn).await? {
                return Ok(Progress::Lost);
            }
            match (step, from) {
                (Step::Next, _) => {}
                (Step::Anew, _) => tracing::warn!("the window is begun anew from the top"),
                (Step::Ended, Some(from)) => return Ok(Progress::Ended { from }),
                (Step::BrokenOff, _) | (Step::Ended, None) => {
                    let problem = turn.history.problem.as_deref();
                    tracing::error!(problem, "window broken off");
                    return Ok(Progress::Failed);
                }
            }
        }
    }

    /// One page: asked for, stored, told.
    async fn page(&self, turn: &mut Turn<'_>) -> Result<Step, Failure> {
        let Some(walk) = turn.history.walk.clone() else {
            return Ok(Step::BrokenOff);
        };
        let query = ConnectionQuery {
            offset_id: walk.offset.clone(),
            ..ConnectionQuery::window(walk.from, walk.to)
        };
        let page = turn
            .asker
            .ask(|client| {
                let query = query.clone();
                async move { client.connections(&query).await }
            })
            .await?;
        let records = page.records.len() + page.unreadable.len();
        let is_cut_short = page.next_offset.is_none() && walk.is_cut_short(records);
        if let Some(offset) = &walk.offset
            && (walk.offset_is_open || is_cut_short)
            && self.has_moved(turn, offset, walk.offset_is_open).await?
        {
            let reason = "the connection behind which it went on has ended and moved, or is gone";
            return Ok(turn.history.begin_anew(reason, self.now()));
        }
        let remaining = page.records_remaining;
        let (next_offset, offset_is_open) = next(&page);
        let kept = self.keep(turn.settings, &turn.asker, page).await?;
        let stored = PageStored {
            next_offset,
            offset_is_open,
            remaining,
            read: kept.read,
            written: kept.written,
            unreadable: kept.unreadable,
        };
        Ok(turn.history.page_stored(stored, self.now()))
    }

    /// Stores a page.
    pub(crate) async fn keep(
        &self,
        settings: &Settings,
        asker: &Asker<'_>,
        page: ConnectionPage,
    ) -> Result<Kept, Failure> {
        let servicenow = settings.servicenow_account.as_ref();
        let mut unreadable: Vec<String> = page
            .unreadable
            .into_iter()
            .map(|one| {
                let id = one.id.unwrap_or_else(|| "without an id".to_owned());
                format!("{id} ({})", one.field)
            })
            .collect();
        let records = page.records;
        let mut kept = self
            .recorder
            .keep(asker, servicenow, records, self.now())
            .await?;
        unreadable.append(&mut kept.unreadable);
        if !unreadable.is_empty() {
            tracing::warn!(
                connections = unreadable.join("; "),
                "connections could not be read"
            );
        }
        kept.unreadable = unreadable;
        Ok(kept)
    }

    /// Whether a connection is not there any more, or had no end and has one by now.
    async fn has_moved(&self, turn: &Turn<'_>, id: &str, was_open: bool) -> Result<bool, Failure> {
        let read = turn
            .asker
            .ask(|client| async move { client.connection(id).await })
            .await;
        match read {
            Ok(connection) => Ok(was_open && connection.end_date.is_some()),
            Err(failure) => match failure.kind {
                FailureKind::Absent => Ok(true),
                // It stays as it is, and so does its place.
                FailureKind::Unexpected => Ok(false),
                FailureKind::Limited
                | FailureKind::Invalid
                | FailureKind::Other
                | FailureKind::Own => Err(failure),
            },
        }
    }

    async fn note_failure(
        &self,
        turn: &mut Turn<'_>,
        failure: Failure,
    ) -> Result<Progress, Failure> {
        let cause = cause(&failure);
        let Failure {
            reason,
            disposition,
            kind,
        } = failure;
        let history = &mut turn.history;
        if kind == FailureKind::Invalid {
            history.refused(reason, self.now());
        } else {
            history.failed(reason, disposition, cause, self.now());
        }
        let (failures, problem) = (history.failures, history.problem.as_deref());
        let next_attempt_at = history.next_attempt_at.map(tracing::field::display);
        if disposition == Disposition::GiveUp {
            tracing::error!(failures, problem, next_attempt_at, "window not fetched");
        } else {
            tracing::warn!(failures, problem, next_attempt_at, "window not fetched yet");
        }
        self.save(turn).await?;
        Ok(Progress::Failed)
    }

    async fn save(&self, turn: &Turn<'_>) -> Result<bool, Failure> {
        let saved = self
            .histories
            .save(turn.account, &turn.owner, &turn.history)
            .await?;
        if !saved {
            tracing::warn!("another function has taken the history over");
        }
        Ok(saved)
    }

    /// What there is to do after a walk, as far as there is time: nothing is lost without it.
    async fn ended(
        &self,
        turn: &Turn<'_>,
        from: Timestamp,
        answered: Timestamp,
        time: Time,
    ) -> Result<(), Failure> {
        let history = &turn.history;
        if let Some(counts) = history.last {
            tracing::info!(
                walk.read = counts.read,
                walk.written = counts.written,
                walk.unreadable = counts.unreadable,
                "window fetched"
            );
        }
        if let Some(began) = history.watermark {
            self.histories
                .answered(turn.account, began, answered)
                .await?;
        }
        let ends = time.ends.checked_sub(TIME_OF_A_PAGE).unwrap_or(time.ends);
        match tokio::time::timeout_at(ends, self.look_for_ends(turn, from, ends)).await {
            Ok(Ok(())) => {}
            Ok(Err(failure)) => {
                tracing::warn!(
                    reason = failure.reason,
                    "ends of connections not looked for"
                );
            }
            Err(_) => tracing::warn!("no time to look for all ends of connections"),
        }
        Ok(())
    }

    /// Tells of connections that have ended and were not told of, wherever they are, and asks one by one for the ends of
    /// those that the window did not reach: first those for which nobody has asked, then those for which that is longest
    /// ago.
    async fn look_for_ends(
        &self,
        turn: &Turn<'_>,
        from: Timestamp,
        ends: Instant,
    ) -> Result<(), Failure> {
        let mut open = self.tell_late(from, ends).await?;
        let now = self.now();
        let since = now.saturating_sub(END_AWAITED).unwrap_or(now);
        let given_up = open.extract_if(.., |row| row.connection.started_at < since);
        let given_up: Vec<StoredConnection> = given_up.collect();
        let connections = &self.recorder.connections;
        let writes = given_up
            .iter()
            .map(|row| connections.give_up_end(&row.connection.id, row.version));
        stream::iter(writes.collect::<Vec<_>>())
            .buffer_unordered(WRITES_AT_ONCE)
            .try_for_each(async |_| Ok(()))
            .await?;
        open.sort_by_key(|row| row.asked_at);
        let mut has_failed = false;
        for row in open.iter().take(MOST_UNFINISHED) {
            if Instant::now() >= ends {
                break;
            }
            let id = row.connection.id.as_str();
            // Before it is asked for: whatever comes of it, the others come first the next time. Those that have changed come
            // first again, by right.
            connections
                .asked_for(&row.connection.id, row.version, now)
                .await?;
            let read = turn
                .asker
                .ask(|client| async move { client.connection(id).await })
                .await;
            match read {
                Ok(record) => {
                    let page = ConnectionPage {
                        records: vec![record],
                        ..ConnectionPage::default()
                    };
                    self.keep(turn.settings, &turn.asker, page).await?;
                }
                Err(failure) => match failure.kind {
                    FailureKind::Absent => {
                        connections
                            .give_up_end(&row.connection.id, row.version)
                            .await?;
                    }
                    // It says nothing of the others.
                    FailureKind::Invalid | FailureKind::Unexpected => {}
                    // One alone may be this connection's; two are TeamViewer's.
                    FailureKind::Other if !has_failed => {
                        tracing::warn!(reason = failure.reason, "end of a connection not read");
                        has_failed = true;
                    }
                    FailureKind::Limited | FailureKind::Other | FailureKind::Own => {
                        return Err(failure);
                    }
                },
            }
        }
        Ok(())
    }

    /// Tells of the connections that have ended and were not told of. Those without an end that began before `from`, as far
    /// as there was time.
    pub(crate) async fn tell_late(
        &self,
        from: Timestamp,
        ends: Instant,
    ) -> Result<Vec<StoredConnection>, Failure> {
        let now = self.now();
        let period = Period {
            since: Timestamp::UNIX_EPOCH,
            until: now
                .saturating_add(SignedDuration::from_hours(24))
                .unwrap_or(now),
        };
        let mut open = Vec::new();
        let mut place: Option<Place> = None;
        loop {
            let rows = self
                .recorder
                .connections
                .unfinished(period, place.as_ref(), ROWS);
            let page = rows.await?;
            let (ended, rest): (Vec<_>, Vec<_>) = page
                .items
                .into_iter()
                .partition(|row| row.connection.ended_at.is_some());
            self.recorder.tell_listed(&ended, now).await?;
            open.extend(
                rest.into_iter()
                    .filter(|row| row.connection.started_at < from),
            );
            place = page.next;
            if place.is_none() || Instant::now() >= ends {
                return Ok(open);
            }
        }
    }
}

/// Whether TeamViewer does not know the place from which a walk was to go on.
fn is_misplaced(turn: &Turn<'_>, failure: &Failure) -> bool {
    let walk = turn.history.walk.as_ref();
    let placed = walk.is_some_and(|walk| walk.offset.is_some());
    placed && matches!(failure.kind, FailureKind::Invalid | FailureKind::Absent)
}

/// What a failure lies in. What the account may not see is told by a failure that waits for somebody.
fn cause(failure: &Failure) -> Cause {
    match failure.kind {
        FailureKind::Limited => Cause::Limit,
        FailureKind::Own => Cause::Elsewhere,
        FailureKind::Absent
        | FailureKind::Invalid
        | FailureKind::Unexpected
        | FailureKind::Other => match failure.disposition {
            Disposition::Wait { .. } => Cause::Elsewhere,
            Disposition::Retry { .. } | Disposition::Reconcile { .. } | Disposition::GiveUp => {
                Cause::Page
            }
        },
    }
}

/// Behind which connection there is more, and whether that has no end: then it may move.
fn next(page: &ConnectionPage) -> (Option<String>, bool) {
    let Some(next) = &page.next_offset else {
        return (None, false);
    };
    let is_next = |id: &str| id.eq_ignore_ascii_case(next);
    let record = page.records.iter().find(|one| is_next(&one.id));
    // Of a place that is none of the page's nothing is known. If it were wrong, the pages would go round in a circle, or
    // TeamViewer would refuse it.
    let is_open = record.is_some_and(|record| record.end_date.is_none());
    (Some(next.clone()), is_open)
}
