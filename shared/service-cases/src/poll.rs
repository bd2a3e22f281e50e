//! Looking which cases are open: one looks, all see.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use domain::teamviewer::CaseSettings;
use domain::{AccountName, CaseCode, ServiceCase};
use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use retry::{Disposition, RetryPolicy};
use store::{PollClaim, PollState, StoredCase};
use teamviewer::{Session, SessionQuery};

use crate::mapping::{case, session_code};
use crate::observe::{News, Occasion};
use crate::{Error, ServiceCases};

/// So much sooner a list is due again: the schedule that asks for it is never quite on time.
const SOONER: Duration = Duration::from_secs(2);
/// The shortest time between two lists.
const SHORTEST: Duration = Duration::from_secs(8);
/// What is kept of the caller's time for storing how a list ended.
const ENDING: Duration = Duration::from_millis(1_500);
/// What viewers are told when our own side fails: why is in the log.
pub const OWN_TROUBLE: &str =
    "this stack could not store or tell what it saw: that is tried again by itself";
/// Pages of a list, of up to 1,000 cases each.
const MOST_PAGES: usize = 50;
/// Cases that no list has and that are asked for one by one, at once.
const MOST_MISSED: usize = 20;
/// One that was asked for by itself and is open is left alone so long,
const MISSED_AGAIN: SignedDuration = SignedDuration::from_mins(10);
/// and so long when its time is over: nobody waits for it.
const EXPIRED_AGAIN: SignedDuration = SignedDuration::from_hours(24);
/// Rows that are written side by side.
const SIDE_BY_SIDE: usize = 10;
/// Cases whose time has ended since they were filed, and that are filed anew at once.
const MOST_FILED: usize = 500;
/// The most characters of a problem that are kept.
const LONGEST_PROBLEM: usize = 500;
/// How long TeamViewer is left alone after failures in a row.
const AFTER_FAILURE: RetryPolicy = RetryPolicy {
    first: Duration::from_secs(30),
    longest: Duration::from_mins(15),
    budget: Duration::MAX,
};
/// The same when it refused: whoever mends the account or the settings wants to see so.
const AFTER_REFUSAL: RetryPolicy = RetryPolicy {
    longest: Duration::from_mins(2),
    ..AFTER_FAILURE
};
/// The same when it has been asked too often.
const AFTER_TOO_MANY: RetryPolicy = RetryPolicy {
    first: Duration::from_mins(5),
    longest: Duration::from_hours(1),
    budget: Duration::MAX,
};

/// What came of looking which cases are open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PollOutcome {
    /// The caller has looked.
    Polled(Polled),
    /// It is not due, or somebody else is looking: what is stored counts.
    NotDue {
        /// When the list was last had wholly.
        as_of: Option<Timestamp>,
        /// When it is due.
        next_at: Option<Timestamp>,
        /// Why it was not had since.
        problem: Option<String>,
    },
    /// TeamViewer or the account failed, or there was no time; that is stored, too.
    Failed {
        /// Why, for people.
        problem: String,
        /// When it is due again.
        next_at: Timestamp,
    },
}

/// What was seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Polled {
    /// Cases in the list.
    pub open: usize,
    /// Those that were new or different.
    pub changed: usize,
    /// Customers who came online.
    pub came_online: usize,
    /// Cases that are open no longer.
    pub closed: usize,
    /// Whether the list was whole. Nothing is taken for closed because it is missing in one that was not.
    pub complete: bool,
}

/// What TeamViewer lists.
#[derive(Debug, Default)]
pub(crate) struct List {
    pub(crate) sessions: Vec<Session>,
    /// Why it is not whole.
    pub(crate) gap: Option<String>,
}

/// What came of a list.
struct Looked {
    polled: Polled,
    /// Why it was not whole.
    gap: Option<String>,
    /// Cases that should be open, are in no list, and are to be asked for.
    missed: Vec<StoredCase>,
    /// How many are open, without those whose time is over.
    open: usize,
    /// How many of those there are.
    expired: usize,
}

impl ServiceCases {
    /// Looks which cases are open, if that is due and nobody does so at this moment. Tells who came online and what was
    /// closed. It ends within the caller's time.
    ///
    /// # Errors
    /// Retry: our own side is in trouble. What TeamViewer fails to do is no error but [`PollOutcome::Failed`].
    pub async fn poll(
        &self,
        settings: &CaseSettings,
        now: Timestamp,
    ) -> Result<PollOutcome, Error> {
        let account = &settings.account;
        let owner = self.owner();
        let until = self.lease_until(now);
        let refreshed = Duration::from_secs(settings.refresh_seconds.into());
        let refreshed = refreshed.saturating_sub(SOONER).max(SHORTEST);
        // Clocks of two functions differ by less than the time between two lists.
        let latest = later(now, refreshed.saturating_add(SHORTEST));
        let claim = self.rows.begin_poll(account, &owner, now, latest, until);
        let before = match claim.await? {
            PollClaim::Claimed(before) => before,
            PollClaim::NotDue(state) => {
                return Ok(PollOutcome::NotDue {
                    as_of: state.polled_at,
                    next_at: state.next_poll_at.max(state.lease_until),
                    problem: state.problem,
                });
            }
        };
        let looked = self.in_time(self.look(account, &before, now)).await;
        let looked = match looked.unwrap_or(Err(Error::NoTime)) {
            Ok(looked) => looked,
            Err(error) => return self.put_off(account, &owner, before, error, now).await,
        };
        let mut polled = looked.polled;
        let mut state = PollState {
            problem: looked.gap,
            failures: 0,
            next_poll_at: Some(later(now, refreshed)),
            lease_until: None,
            ..before
        };
        if polled.complete {
            state.polled_at = Some(now);
            state.open = looked.open;
            state.expired = looked.expired;
        }
        if !looked.missed.is_empty() {
            // What follows may take long or fail, and the list was had.
            let had = PollState {
                failures: before.failures,
                lease_until: Some(until),
                ..state.clone()
            };
            self.rows.note_poll(account, &owner, &had).await?;
            let asking = self.look_for_missed(looked.missed, account, &mut polled, now);
            match self.in_time(asking).await {
                Some(Ok(())) => {}
                Some(Err(error)) => return self.put_off(account, &owner, had, error, now).await,
                // The next list asks for the others.
                None => tracing::info!(account = %account, "no time to ask for all missed cases"),
            }
        }
        self.rows.note_poll(account, &owner, &state).await?;
        tracing::info!(
            account = %account,
            open = polled.open,
            changed = polled.changed,
            online = polled.came_online,
            closed = polled.closed,
            complete = polled.complete,
            "service cases listed"
        );
        Ok(PollOutcome::Polled(polled))
    }

    /// What comes of it, unless the caller's time is over before: then it is broken off.
    async fn in_time<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let left = self.left().saturating_sub(ENDING);
        tokio::time::timeout(left, work).await.ok()
    }

    /// Stores that it failed, and gives the right back.
    async fn put_off(
        &self,
        account: &AccountName,
        owner: &str,
        before: PollState,
        error: Error,
        now: Timestamp,
    ) -> Result<PollOutcome, Error> {
        let failures = before.failures.saturating_add(1);
        let next_at = later(now, pause(&error, failures));
        let problem = if error.is_own_trouble() {
            OWN_TROUBLE.to_owned()
        } else {
            error.to_string().chars().take(LONGEST_PROBLEM).collect()
        };
        let end = PollState {
            problem: Some(problem.clone()),
            failures,
            next_poll_at: Some(next_at),
            lease_until: None,
            ..before
        };
        if error.is_own_trouble() {
            // The right ends by itself, should this fail as well.
            self.rows.note_poll(account, owner, &end).await.ok();
            return Err(error);
        }
        self.rows.note_poll(account, owner, &end).await?;
        tracing::warn!(
            account = %account,
            failures,
            error = startup::chain(&error),
            "service cases not listed"
        );
        Ok(PollOutcome::Failed { problem, next_at })
    }

    async fn look(
        &self,
        account: &AccountName,
        before: &PollState,
        now: Timestamp,
    ) -> Result<Looked, Error> {
        let known = self.known(now).await?.into_iter();
        let mut known: HashMap<CaseCode, StoredCase> = known
            .map(|stored| (stored.case.code.clone(), stored))
            .collect();
        let occasion = match before.polled_at {
            Some(before) => Occasion::Listed { before },
            None => Occasion::FirstList,
        };
        let mut polled = Polled::default();
        let mut listed = HashSet::new();
        let (list, broken) = self.list(account, now).await;
        let seen: Vec<_> = list
            .sessions
            .into_iter()
            .filter_map(|session| case(session, account))
            .filter(|seen| listed.insert(seen.code.clone()))
            .map(|seen| (known.remove(&seen.code), seen))
            // TeamViewer lists for ever what was never closed.
            .filter(|(_, seen)| !seen.is_long_over(now))
            .collect();
        polled.open = seen.len();
        let open = seen.iter().map(|(_, seen)| seen);
        let open = open.chain(known.values().map(|stored| &stored.case));
        let (expired, open): (Vec<_>, Vec<_>) = open.partition(|case| case.is_expired(now));
        let (open, expired) = (open.len(), expired.len());
        let mut seen = seen.into_iter();
        loop {
            let some = seen.by_ref().take(SIDE_BY_SIDE);
            let some: Vec<_> = some
                .map(|(hint, seen)| self.observe(hint, seen, occasion, now))
                .collect();
            if some.is_empty() {
                break;
            }
            for observed in join_all(some).await {
                polled.count(observed?.news);
            }
        }
        if let Some(error) = broken {
            return Err(error);
        }
        polled.complete = list.gap.is_none();
        let mut missed: Vec<_> = known.into_values().collect();
        missed.retain(|stored| polled.complete && is_to_be_asked_for(stored, now));
        missed.sort_by_key(|stored| stored.asked_at);
        missed.truncate(MOST_MISSED);
        Ok(Looked {
            polled,
            gap: list.gap,
            missed,
            open,
            expired,
        })
    }

    /// The cases that are open as far as we know, without those whose time has been over for long. Those whose time has
    /// ended are filed as such, so that viewers need not read them all.
    async fn known(&self, now: Timestamp) -> Result<Vec<StoredCase>, Error> {
        let open = self.rows.open(usize::MAX).await?;
        let mut known = self.rows.expired(usize::MAX).await?;
        let ended = open.iter().filter(|stored| stored.case.is_expired(now));
        let long_over = known.iter().filter(|stored| stored.case.is_long_over(now));
        let filed: Vec<_> = ended.chain(long_over).take(MOST_FILED).collect();
        for some in filed.chunks(SIDE_BY_SIDE) {
            for filed in join_all(some.iter().map(|stored| self.rows.file(stored, now))).await {
                filed?;
            }
        }
        known.extend(open);
        known.retain(|stored| !stored.case.is_long_over(now));
        Ok(known)
    }

    /// All pages of the open cases that the account sees; with the failure that ended it before its end.
    pub(crate) async fn list(
        &self,
        account: &AccountName,
        now: Timestamp,
    ) -> (List, Option<Error>) {
        let mut list = List::default();
        let mut offsets = HashSet::new();
        let mut query = SessionQuery::default();
        let mut unreadable = 0;
        for _ in 0..MOST_PAGES {
            let asked = &query;
            let page = self.ask(account, now, |client| async move {
                client.sessions(asked).await
            });
            let page = match page.await {
                Ok(page) => page,
                Err(error) => return (list, Some(error)),
            };
            list.sessions.extend(page.sessions);
            unreadable += page.unreadable.len();
            let Some(offset) = page.next_offset else {
                list.gap = (unreadable > 0)
                    .then(|| format!("{unreadable} entries of TeamViewer's list cannot be read"));
                return (list, None);
            };
            if !offsets.insert(offset.clone()) {
                list.gap = Some("TeamViewer's list leads back to a page that it had".to_owned());
                return (list, None);
            }
            query.offset = Some(offset);
        }
        list.gap = Some(format!(
            "TeamViewer's list has more than {MOST_PAGES} pages"
        ));
        (list, None)
    }

    /// Asks for those that should be open and are in no list. What fails is asked for again some time.
    async fn look_for_missed(
        &self,
        missed: Vec<StoredCase>,
        account: &AccountName,
        polled: &mut Polled,
        now: Timestamp,
    ) -> Result<(), Error> {
        for stored in missed {
            let observed = match self.ask_for(&stored, account, now).await {
                Ok(Some(seen)) => {
                    self.observe(Some(stored), seen, Occasion::Missed, now)
                        .await?
                }
                Ok(None) => match self.gone(&stored.case.code, now).await? {
                    Some(observed) => observed,
                    None => continue,
                },
                Err(error) if error.is_own_trouble() => return Err(error),
                Err(error) => {
                    tracing::warn!(
                        account = %account,
                        error = startup::chain(&error),
                        "service case that is in no list was not told"
                    );
                    self.rows.asked(&stored, now).await?;
                    if is_too_many(&error, Some(account)) {
                        return Err(error);
                    }
                    if is_of_vendor(&error) {
                        return Ok(());
                    }
                    continue;
                }
            };
            polled.count(observed.news);
        }
        Ok(())
    }

    /// What TeamViewer tells of a case; `None` when it is not there any more. It is asked with the account that has seen the
    /// case, since another one may not see it at all; and with the one that lists the cases where that cannot be used. That
    /// this one does not see the case says nothing then.
    async fn ask_for(
        &self,
        stored: &StoredCase,
        account: &AccountName,
        now: Timestamp,
    ) -> Result<Option<ServiceCase>, Error> {
        let of = &stored.case.code;
        let code = &session_code(of).map_err(|problem| Error::Invalid {
            field: "code",
            problem: problem.to_string(),
        })?;
        let mut with = &stored.case.account;
        let ask = |with| {
            self.ask(
                with,
                now,
                |client| async move { client.session(code).await },
            )
        };
        let mut asked = ask(with).await;
        match &asked {
            Err(error) if error.is_absent() => return Ok(None),
            Err(error) if error.is_of_account() && with != account => {
                with = account;
                asked = ask(with).await;
            }
            Ok(_) | Err(_) => {}
        }
        let seen = case(asked?, with).ok_or_else(|| Error::UnknownCase(of.clone()))?;
        Ok(Some(seen))
    }
}

impl Polled {
    fn count(&mut self, news: News) {
        self.changed += usize::from(news.changed);
        self.came_online += usize::from(news.came_online);
        self.closed += usize::from(news.was_closed);
    }
}

/// Whether it is time to ask for a case that no list has.
fn is_to_be_asked_for(stored: &StoredCase, now: Timestamp) -> bool {
    let again = if stored.case.is_expired(now) {
        EXPIRED_AGAIN
    } else {
        MISSED_AGAIN
    };
    let asked = stored.asked_at;
    asked.is_none_or(|at| now.duration_since(at) >= again)
}

/// Whether the next call would most likely fail, too.
fn is_of_vendor(error: &Error) -> bool {
    let Error::TeamViewer { error, .. } = error else {
        return false;
    };
    error.is_rate_limited() || matches!(error.disposition(), Disposition::Retry { .. })
}

/// Whether more calls were made than the licence has for the token of the account, or of any.
fn is_too_many(error: &Error, of: Option<&AccountName>) -> bool {
    let Error::TeamViewer { error, account } = error else {
        return false;
    };
    error.is_rate_limited() && of.is_none_or(|of| of == account)
}

/// How long TeamViewer is left alone.
fn pause(error: &Error, failures: u32) -> Duration {
    let (policy, asked) = match error.disposition() {
        _ if matches!(error, Error::NoTime) => (AFTER_REFUSAL, None),
        Disposition::Retry { after } | Disposition::Reconcile { after } => (AFTER_FAILURE, after),
        Disposition::Wait { .. } | Disposition::GiveUp => (AFTER_REFUSAL, None),
    };
    let too_many = is_too_many(error, None);
    let policy = if too_many { AFTER_TOO_MANY } else { policy };
    let pause = policy.delay(failures, Duration::ZERO, asked, 0);
    let pause = pause.unwrap_or(policy.longest);
    if too_many {
        pause.max(policy.first)
    } else {
        pause
    }
}

fn later(now: Timestamp, after: Duration) -> Timestamp {
    let after = SignedDuration::try_from(after).unwrap_or(SignedDuration::MAX);
    now.saturating_add(after).unwrap_or(Timestamp::MAX)
}
