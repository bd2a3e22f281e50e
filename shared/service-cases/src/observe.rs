//! What follows from seeing a case: what is told, and what is stored.

use domain::service_case::CaseState;
use domain::teamviewer::{TeamViewerWork, case_closed, customer_online};
use domain::{CaseCode, ServiceCase};
use jiff::{SignedDuration, Timestamp};
use store::StoredCase;

use crate::{Error, ServiceCases};

/// So long after a case was closed no list is believed that it is open: the list may be older than that.
const LISTS_LAG: SignedDuration = SignedDuration::from_mins(10);
/// How often a case is read again because somebody else has changed it.
const MOST_TRIES: usize = 4;

/// How a case came to be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Occasion {
    /// In a list, before one was ever had wholly: who is online now is not news.
    FirstList,
    /// In a later list.
    Listed {
        /// When the one before was had wholly.
        before: Timestamp,
    },
    /// Somebody asked for it by itself.
    Seen,
    /// It was asked for by itself, since no list has it.
    Missed,
}

/// What came of seeing a case.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Observed {
    pub(crate) case: ServiceCase,
    pub(crate) news: News,
}

/// What is new about a case that was seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct News {
    /// Something at all.
    pub(crate) changed: bool,
    /// The customer waits.
    pub(crate) came_online: bool,
    /// It was open before, and is no longer.
    pub(crate) was_closed: bool,
}

/// What becomes of a case that was stored, or not, once it is seen so.
pub(crate) fn decide(
    stored: Option<&StoredCase>,
    seen: ServiceCase,
    occasion: Occasion,
    now: Timestamp,
) -> (StoredCase, News) {
    let Some(stored) = stored else {
        // Whether a customer came online since the last list only a list can tell.
        let came_online = seen.online && matches!(occasion, Occasion::Listed { .. });
        let next = StoredCase {
            online_count: u32::from(came_online),
            ..StoredCase::new(seen)
        };
        let news = News {
            changed: true,
            came_online,
            was_closed: false,
        };
        return (next, news);
    };
    let before = &stored.case;
    if is_outdated(before, &seen, occasion, now) {
        return (stored.clone(), News::default());
    }
    let case = ServiceCase {
        // Events of one case come from one source, whoever looks.
        account: before.account.clone(),
        task: match &seen.task {
            Some(task) => Some(task.clone().or(before.task.as_ref())),
            None => before.task.clone(),
        },
        created_at: seen.created_at.or(before.created_at),
        closed_at: match seen.state {
            CaseState::Open => None,
            CaseState::Closed => seen.closed_at.or(before.closed_at).or(Some(now)),
        },
        online: seen.online && seen.state == CaseState::Open,
        ..seen
    };
    let came_online = case.online && !before.online;
    let news = News {
        changed: case != *before,
        came_online,
        was_closed: case.state == CaseState::Closed && before.state == CaseState::Open,
    };
    let next = StoredCase {
        case,
        online_count: stored.online_count.saturating_add(u32::from(came_online)),
        asked_at: match occasion {
            Occasion::Missed => Some(now),
            Occasion::FirstList | Occasion::Listed { .. } | Occasion::Seen => stored.asked_at,
        },
        // That it was closed has its connections fetched.
        refreshed_at: if news.was_closed {
            Some(now)
        } else {
            stored.refreshed_at
        },
        version: stored.version,
    };
    (next, news)
}

/// Whether a case is shown as open that was closed just before, by a list or by an answer that nobody waited for.
fn is_outdated(
    before: &ServiceCase,
    seen: &ServiceCase,
    occasion: Occasion,
    now: Timestamp,
) -> bool {
    let may_be_older = match occasion {
        Occasion::FirstList | Occasion::Listed { .. } | Occasion::Missed => true,
        Occasion::Seen => false,
    };
    let was_closed_just_now = before
        .closed_at
        .is_some_and(|at| now.duration_since(at).abs() <= LISTS_LAG);
    may_be_older
        && seen.state == CaseState::Open
        && before.state == CaseState::Closed
        && was_closed_just_now
}

impl ServiceCases {
    /// Tells and stores what is new about a case. `hint` is what was stored when somebody looked last.
    pub(crate) async fn observe(
        &self,
        hint: Option<StoredCase>,
        seen: ServiceCase,
        occasion: Occasion,
        now: Timestamp,
    ) -> Result<Observed, Error> {
        let mut stored = match hint {
            Some(stored) => Some(stored),
            None => self.rows.get(&seen.code).await?,
        };
        let mut listed = None;
        for _ in 0..MOST_TRIES {
            let (next, news) = decide(stored.as_ref(), seen.clone(), occasion, now);
            if !news.changed {
                if let (Some(stored), Occasion::Missed) = (&stored, occasion) {
                    self.rows.asked(stored, now).await?;
                }
                let case = next.case;
                return Ok(Observed { case, news });
            }
            if news.came_online && occasion == Occasion::Seen && listed.is_none() {
                listed = Some(self.listed_at().await?);
                // A list that was had meanwhile may have told of it, after another one.
                stored = self.rows.get(&seen.code).await?;
                continue;
            }
            // Told first: what is stored is never told again. The ids are the same each time.
            if news.came_online {
                let before = match occasion {
                    Occasion::FirstList => None,
                    Occasion::Listed { before } => Some(before),
                    Occasion::Seen => listed.flatten(),
                    Occasion::Missed => stored.as_ref().and_then(|stored| stored.asked_at),
                };
                let event = customer_online(&next.case, next.online_count, before, now);
                self.outlets.tell(&event).await?;
            }
            if news.was_closed {
                self.outlets.tell(&case_closed(&next.case, now)).await?;
                let since = next.case.closed_at.unwrap_or(now);
                let code = next.case.code.clone();
                let work = TeamViewerWork::FetchCase { code, since };
                self.outlets.order(work).await?;
            }
            if self.rows.put(&next, now).await? {
                let case = next.case;
                return Ok(Observed { case, news });
            }
            stored = self.rows.get(&seen.code).await?;
        }
        Err(Error::Busy)
    }

    /// When the list was last had wholly that tells who came online.
    async fn listed_at(&self) -> Result<Option<Timestamp>, Error> {
        let stored = self.settings.get().await?;
        let Some(cases) = stored.and_then(|stored| stored.settings.cases) else {
            return Ok(None);
        };
        let state = self.rows.poll_state(&cases.account).await?;
        Ok(state.and_then(|state| state.polled_at))
    }

    /// The case of which TeamViewer says that it is not there (any more); `None` when we do not know it either.
    pub(crate) async fn gone(
        &self,
        code: &CaseCode,
        now: Timestamp,
    ) -> Result<Option<Observed>, Error> {
        let Some(stored) = self.rows.get(code).await? else {
            return Ok(None);
        };
        let seen = ServiceCase {
            state: CaseState::Closed,
            online: false,
            ..stored.case.clone()
        };
        let observed = self.observe(Some(stored), seen, Occasion::Seen, now);
        observed.await.map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::TaskReference;
    use serde_json::json;

    fn now() -> Timestamp {
        "2026-11-22T10:00:00Z".parse().unwrap()
    }

    fn case(state: &str, online: bool) -> ServiceCase {
        serde_json::from_value(json!({
            "code": "s119-457-589", "account": "tv", "state": state, "online": online,
            "created_at": "2026-11-22T09:00:00Z",
        }))
        .unwrap()
    }

    fn stored(state: &str, online: bool, online_count: u32) -> StoredCase {
        StoredCase {
            online_count,
            version: 3,
            ..StoredCase::new(case(state, online))
        }
    }

    #[test]
    fn customer_comes_online_once_each_time() {
        use Occasion::{FirstList, Missed, Seen};
        let listed = Occasion::Listed { before: now() };
        // Stored (state, online, count), seen (state, online), occasion; told online, count, told closed.
        for (before, (state, online), occasion, (told, count, closed)) in [
            (None, ("open", true), FirstList, (false, 0, false)),
            (None, ("open", false), FirstList, (false, 0, false)),
            (None, ("open", true), listed, (true, 1, false)),
            (None, ("open", true), Seen, (false, 0, false)),
            (None, ("closed", false), Seen, (false, 0, false)),
            (
                Some(("open", false, 0)),
                ("open", true),
                Seen,
                (true, 1, false),
            ),
            (
                Some(("open", true, 1)),
                ("open", true),
                Seen,
                (false, 1, false),
            ),
            (
                Some(("open", true, 1)),
                ("open", false),
                Seen,
                (false, 1, false),
            ),
            (
                Some(("open", false, 1)),
                ("open", true),
                Seen,
                (true, 2, false),
            ),
            // A first list that broke off has stored some already.
            (
                Some(("open", false, 0)),
                ("open", true),
                FirstList,
                (true, 1, false),
            ),
            (
                Some(("open", true, 1)),
                ("closed", true),
                Seen,
                (false, 1, true),
            ),
            (
                Some(("open", true, 1)),
                ("closed", false),
                Missed,
                (false, 1, true),
            ),
            (
                Some(("closed", false, 1)),
                ("closed", false),
                Seen,
                (false, 1, false),
            ),
            (
                Some(("closed", false, 1)),
                ("open", true),
                Seen,
                (true, 2, false),
            ),
        ] {
            let what = format!("{before:?} {state} {online} {occasion:?}");
            let before = before.map(|(state, online, count)| stored(state, online, count));
            let (next, news) = decide(before.as_ref(), case(state, online), occasion, now());
            let found = (news.came_online, next.online_count, news.was_closed);
            assert_eq!(found, (told, count, closed), "{what}");
            assert_eq!(next.version, before.map_or(0, |before| before.version));
        }
    }

    #[test]
    fn list_that_lags_behind_opens_no_case_again() {
        let listed = Occasion::Listed { before: now() };
        for (occasion, minutes, opens) in [
            (listed, 5, false),
            (Occasion::FirstList, -5, false),
            (listed, 11, true),
            (Occasion::Missed, 5, false),
            (Occasion::Seen, 5, true),
        ] {
            let mut before = stored("closed", false, 1);
            before.case.closed_at = Some(now() - SignedDuration::from_mins(minutes));
            let (next, news) = decide(Some(&before), case("open", true), occasion, now());
            let found = (next.case.state == CaseState::Open, news.came_online);
            assert_eq!(found, (opens, opens), "{occasion:?} {minutes}");
            assert_eq!(next == before, !opens);
        }
    }

    #[test]
    fn what_was_known_is_not_forgotten() {
        let mut before = stored("open", false, 0);
        before.case.task = Some(TaskReference {
            sys_id: Some("00112233445566778899aabbccddeeff".to_owned()),
            number: Some("INC0010001".to_owned()),
            ..TaskReference::default()
        });
        let mut seen = case("closed", false);
        seen.account = "other".parse().unwrap();
        seen.created_at = None;
        seen.task = TaskReference::of_key("INC0010001");
        let (next, _) = decide(Some(&before), seen, Occasion::Seen, now());
        assert_eq!(next.case.account.as_str(), "tv");
        assert_eq!(next.case.task, before.case.task);
        assert_eq!(next.case.created_at, before.case.created_at);
        assert_eq!(next.case.closed_at, Some(now()));
    }

    #[test]
    fn what_is_the_same_is_not_written() {
        let before = stored("open", true, 1);
        for occasion in [Occasion::Seen, Occasion::Missed] {
            let (_, news) = decide(Some(&before), case("open", true), occasion, now());
            assert_eq!(news, News::default());
        }
    }
}
