//! Looking at cases, assigning and closing them.

use domain::service_case::CaseState;
use domain::teamviewer::{CaseSettings, TeamViewerWork};
use domain::{AccountName, CaseCode, ServiceCase, TaskReference};
use jiff::{SignedDuration, Timestamp};
use retry::Disposition;
use secrecy::SecretString;
use store::StoredCase;
use teamviewer::{Session, SessionChange, SessionState, User};

use crate::mapping::{case, session_code};
use crate::observe::Occasion;
use crate::{Error, ServiceCases};

/// Open cases that are shown, and those of them whose time is over: what people can look through.
const MOST_SHOWN: usize = 500;
const MOST_EXPIRED_SHOWN: usize = 100;
/// So long after somebody has had the connections of a case fetched, they are looked for.
const REFRESHED: SignedDuration = SignedDuration::from_mins(5);

/// The newest of the open cases, as far as we know.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenCases {
    /// Those that can be used, newest first.
    pub cases: Vec<ServiceCase>,
    /// How many of those there are besides.
    pub more_cases: usize,
    /// Those whose time is over, though not for long, which leaves them open at TeamViewer, newest first.
    pub expired: Vec<ServiceCase>,
    /// How many of those there are besides.
    pub more_expired: usize,
    /// When TeamViewer's list was last had wholly; `None` when it never was.
    pub as_of: Option<Timestamp>,
    /// Why it was not, since.
    pub problem: Option<String>,
}

impl ServiceCases {
    /// The open cases from the table. `account` is whose list counts as the whole: that of the settings. Poll before, to
    /// have them fresh.
    ///
    /// # Errors
    /// Retry, but for a corrupt row.
    pub async fn open_cases(
        &self,
        account: &AccountName,
        now: Timestamp,
    ) -> Result<OpenCases, Error> {
        let open = self.rows.open(MOST_SHOWN + 1).await?;
        let filed = self.rows.expired(MOST_EXPIRED_SHOWN + 1).await?;
        let state = self.rows.poll_state(account).await?.unwrap_or_default();
        let has_more = open.len() > MOST_SHOWN;
        // The next poll files those whose time has ended since the last one; such a one may be found in both places.
        let (ended, mut cases): (Vec<_>, Vec<_>) = open
            .into_iter()
            .map(|stored| stored.case)
            .partition(|case| case.is_expired(now));
        let mut expired: Vec<_> = filed.into_iter().map(|stored| stored.case).collect();
        expired.extend(ended);
        expired.retain(|case| !case.is_long_over(now));
        expired.sort_by(|one, other| {
            (other.created_at, &other.code).cmp(&(one.created_at, &one.code))
        });
        expired.dedup_by(|one, other| one.code == other.code);
        let has_more_expired = expired.len() > MOST_EXPIRED_SHOWN;
        let (found, found_expired) = (cases.len(), expired.len());
        cases.truncate(MOST_SHOWN);
        expired.truncate(MOST_EXPIRED_SHOWN);
        // What was not read, the last whole list has counted.
        let besides = |has_more: bool, all: usize, shown: usize| {
            if has_more {
                all.saturating_sub(shown)
            } else {
                0
            }
        };
        Ok(OpenCases {
            more_cases: besides(has_more, state.open.max(found), cases.len()),
            cases,
            more_expired: besides(
                has_more_expired,
                state.expired.max(found_expired),
                expired.len(),
            ),
            expired,
            as_of: state.polled_at,
            problem: state.problem,
        })
    }

    /// The cases of a ServiceNow task from the table, newest first, closed ones too.
    ///
    /// # Errors
    /// Retry, but for a corrupt row.
    pub async fn of_task(&self, task: &TaskReference) -> Result<Vec<StoredCase>, Error> {
        Ok(self.rows.of_task(task).await?)
    }

    /// Has the connections of a case fetched, unless somebody did so in the last five minutes: whoever fetches them looks
    /// again until those are over.
    ///
    /// # Errors
    /// Retry: doing it twice fetches them twice.
    pub async fn refresh_connections(
        &self,
        stored: &StoredCase,
        now: Timestamp,
    ) -> Result<(), Error> {
        let case = &stored.case;
        let is_at_work = stored
            .refreshed_at
            .is_some_and(|at| now.duration_since(at).abs() < REFRESHED);
        if is_at_work {
            return Ok(());
        }
        // Of one that was closed long ago nothing is late any more: it is looked at once.
        let since = case.closed_at.unwrap_or(now);
        let code = case.code.clone();
        self.outlets
            .order(TeamViewerWork::FetchCase { code, since })
            .await?;
        Ok(self.rows.refreshed(&case.code, now).await?)
    }

    /// One case, as TeamViewer tells it now to the account `with`: that of whoever asks, or the company's. Where that one may
    /// not see the case, the company's is asked, if the settings share it; another person's never is.
    ///
    /// # Errors
    /// [`Error::UnknownCase`], or what [`Error::disposition`] says.
    pub async fn case(
        &self,
        code: &CaseCode,
        with: &AccountName,
        now: Timestamp,
    ) -> Result<ServiceCase, Error> {
        let stored = self.rows.get(code).await?;
        match self.session(code, stored.as_ref(), with, now).await {
            Ok((session, account)) => {
                let seen = case(session, &account);
                let seen = seen.ok_or_else(|| Error::UnknownCase(code.clone()))?;
                // Whether that is news the next list tells.
                if stored.is_none() && seen.online {
                    return Ok(seen);
                }
                Ok(self.observe(stored, seen, Occasion::Seen, now).await?.case)
            }
            Err(refused) => self.gone_or(code, refused, now).await,
        }
    }

    /// What a refusal to tell or to close a case means: that it is closed, if it is not there any more.
    async fn gone_or(
        &self,
        code: &CaseCode,
        refused: Refused,
        now: Timestamp,
    ) -> Result<ServiceCase, Error> {
        let Refused { error, is_gone } = refused;
        if is_gone && let Some(observed) = self.gone(code, now).await? {
            return Ok(observed.case);
        }
        Err(absent(error, code))
    }

    /// The same, or what is stored while TeamViewer does not answer, or does not let the account see the case. Where the
    /// settings do not share the company's account, what others have seen is told to nobody.
    pub(crate) async fn case_if_possible(
        &self,
        code: &CaseCode,
        with: &AccountName,
        now: Timestamp,
    ) -> Result<ServiceCase, Error> {
        match self.case(code, with, now).await {
            Err(error)
                if matches!(error, Error::UnknownCase(_))
                    || !error.is_own_trouble()
                        && matches!(error.disposition(), Disposition::Retry { .. }) =>
            {
                let stored = self.rows.get(code).await?;
                let is_own = |case: &ServiceCase| case.account == *with;
                match stored.map(|stored| stored.case) {
                    Some(case) if is_own(&case) || self.may_be_told(with).await? => Ok(case),
                    Some(_) | None => Err(error),
                }
            }
            seen => seen,
        }
    }

    /// TeamViewer's id of the user who has this e-mail address.
    ///
    /// # Errors
    /// [`Error::UnknownSupporter`], or what [`Error::disposition`] says.
    pub async fn supporter(
        &self,
        email: &str,
        with: &AccountName,
        now: Timestamp,
    ) -> Result<String, Error> {
        let asked = self.ask(with, now, |client| async move {
            client.users(Some(email)).await
        });
        // What counts as found is TeamViewer's affair; whom a case is assigned to is not.
        let is_meant = |user: &User| {
            let found = user.email.as_deref();
            found.is_some_and(|found| found.eq_ignore_ascii_case(email))
        };
        let mut found = asked.await?.into_iter().filter(is_meant);
        match (found.next(), found.next()) {
            (Some(user), None) => Ok(user.id),
            (None | Some(_), _) => Err(Error::UnknownSupporter),
        }
    }

    /// Assigns a case to the supporter `userid` (`u` and digits; `u0` for nobody), and tells how it is then.
    ///
    /// # Errors
    /// [`Error::UnknownCase`], or what [`Error::disposition`] says. Doing it twice changes nothing.
    pub async fn assign(
        &self,
        code: &CaseCode,
        userid: &str,
        with: &AccountName,
        now: Timestamp,
    ) -> Result<ServiceCase, Error> {
        let change = SessionChange {
            assigned_userid: Some(userid.to_owned()),
            ..SessionChange::default()
        };
        let stored = self.rows.get(code).await?;
        let changed = self.with_account(code, stored.as_ref(), with, now, |client, code| {
            let change = change.clone();
            async move { client.change_session(&code, &change).await }
        });
        let changed = changed.await;
        changed.map_err(|refused| absent(refused.error, code))?;
        // The answer of a change is empty.
        self.case(code, with, now).await
    }

    /// Closes a case, and tells how it is then. Its connections are fetched soon after.
    ///
    /// # Errors
    /// [`Error::UnknownCase`], or what [`Error::disposition`] says. Doing it twice changes nothing.
    pub async fn close(
        &self,
        code: &CaseCode,
        with: &AccountName,
        now: Timestamp,
    ) -> Result<ServiceCase, Error> {
        let stored = self.rows.get(code).await?;
        let closed = self.with_account(
            code,
            stored.as_ref(),
            with,
            now,
            |client, code| async move { client.close_session(&code).await },
        );
        let account = match closed.await {
            Ok(((), account)) => account,
            // It may be closed all the same, and those who listen have not been told yet.
            Err(refused) => {
                let seen = self.seen_closed(code, stored.as_ref(), with, &refused, now);
                match seen.await {
                    Some(account) => account,
                    None => return self.gone_or(code, refused, now).await,
                }
            }
        };
        let seen = match self.session(code, stored.as_ref(), with, now).await {
            Ok((session, account)) => case(session, &account),
            Err(Refused { error, .. }) => {
                let known = stored.as_ref().map(|stored| stored.case.clone());
                let Some(known) = known else {
                    return Err(absent(error, code));
                };
                tracing::warn!(error = startup::chain(&error), "closed case not read again");
                Some(known)
            }
        };
        let seen = seen.ok_or_else(|| Error::UnknownCase(code.clone()))?;
        let seen = ServiceCase {
            // TeamViewer has said so, even if its answers lag behind.
            state: CaseState::Closed,
            online: false,
            closed_at: seen.closed_at.or(Some(now)),
            account: if stored.is_some() {
                seen.account
            } else {
                account
            },
            ..seen
        };
        // One that nobody knew is stored open first: that it was closed is news.
        if stored.is_none() {
            let open = ServiceCase {
                state: CaseState::Open,
                closed_at: None,
                ..seen.clone()
            };
            self.observe(None, open, Occasion::Seen, now).await?;
        }
        Ok(self.observe(stored, seen, Occasion::Seen, now).await?.case)
    }

    /// The account that sees that a case is closed which TeamViewer has refused to close: it may refuse that of one which is
    /// closed already.
    async fn seen_closed(
        &self,
        code: &CaseCode,
        stored: Option<&StoredCase>,
        with: &AccountName,
        refused: &Refused,
        now: Timestamp,
    ) -> Option<AccountName> {
        let is_definite = matches!(refused.error.disposition(), Disposition::GiveUp);
        if !is_definite || refused.error.is_absent() {
            return None;
        }
        let (session, account) = self.session(code, stored, with, now).await.ok()?;
        (session.state == SessionState::Closed).then_some(account)
    }

    /// The address by which a supporter joins the case, asked for now: whoever holds it is the supporter. It is kept
    /// nowhere, and nobody may keep it.
    ///
    /// # Errors
    /// [`Error::UnknownCase`], [`Error::CaseOver`], or what [`Error::disposition`] says.
    pub async fn supporter_link(
        &self,
        code: &CaseCode,
        with: &AccountName,
        now: Timestamp,
    ) -> Result<SecretString, Error> {
        let stored = self.rows.get(code).await?;
        let asked = self.session(code, stored.as_ref(), with, now).await;
        let (mut session, account) = asked.map_err(|refused| absent(refused.error, code))?;
        let link = session.supporter_link.take();
        let seen = case(session, &account).ok_or_else(|| Error::UnknownCase(code.clone()))?;
        check_usable(&seen, now)?;
        link.ok_or_else(|| Error::NoSupporterLink(code.clone()))
    }

    /// A case's session, and the account that saw it.
    async fn session(
        &self,
        code: &CaseCode,
        stored: Option<&StoredCase>,
        with: &AccountName,
        now: Timestamp,
    ) -> Result<(Session, AccountName), Refused> {
        self.with_account(code, stored, with, now, |client, code| async move {
            client.session(&code).await
        })
        .await
    }

    /// Asks with the account of whoever wants it. Where TeamViewer does not let that one see the case, asks with the
    /// company's, if the settings share it. Never with the account of another person.
    async fn with_account<T, F>(
        &self,
        code: &CaseCode,
        stored: Option<&StoredCase>,
        with: &AccountName,
        now: Timestamp,
        call: impl Fn(teamviewer::Client, teamviewer::SessionCode) -> F,
    ) -> Result<(T, AccountName), Refused>
    where
        F: Future<Output = Result<teamviewer::Answer<T>, teamviewer::Error>>,
    {
        let named = session_code(code).map_err(|problem| Error::Invalid {
            field: "code",
            problem: problem.to_string(),
        })?;
        let seen_with = stored.map(|stored| &stored.case.account);
        let call = |client| call(client, named.clone());
        let error = match self.ask(with, now, &call).await {
            Ok(value) => return Ok((value, with.clone())),
            Err(error) => error,
        };
        let is_gone = error.is_absent() && seen_with.is_none_or(|seen| seen == with);
        let refused = Refused { error, is_gone };
        if !refused.error.is_of_case() {
            return Err(refused);
        }
        let shared = self.case_settings().await?.filter(|cases| cases.shared);
        let companys = shared.map(|cases| cases.account);
        let Some(companys) = companys.filter(|companys| companys != with) else {
            return Err(refused);
        };
        match self.ask(&companys, now, &call).await {
            Ok(value) => Ok((value, companys)),
            Err(error) if error.is_absent() => Err(Refused {
                is_gone: is_gone || seen_with == Some(&companys),
                error,
            }),
            Err(error) if error.is_of_account() => Err(refused),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether what the company knows of cases may be told to whoever has this account.
    async fn may_be_told(&self, account: &AccountName) -> Result<bool, Error> {
        let cases = self.case_settings().await?;
        Ok(cases.is_some_and(|cases| cases.shared || cases.account == *account))
    }

    async fn case_settings(&self) -> Result<Option<CaseSettings>, Error> {
        let stored = self.settings.get().await?;
        Ok(stored.and_then(|stored| stored.settings.cases))
    }
}

/// What TeamViewer, or our own side, did not do.
struct Refused {
    error: Error,
    /// Whether the account that has seen the case before says that it is not there.
    is_gone: bool,
}

impl<E: Into<Error>> From<E> for Refused {
    fn from(error: E) -> Self {
        Self {
            error: error.into(),
            is_gone: false,
        }
    }
}

fn absent(error: Error, code: &CaseCode) -> Error {
    if error.is_absent() {
        Error::UnknownCase(code.clone())
    } else {
        error
    }
}

/// Whether a customer can still come by the case.
pub(crate) fn check_usable(case: &ServiceCase, now: Timestamp) -> Result<(), Error> {
    let is_closed = case.state == CaseState::Closed;
    if is_closed || case.is_expired(now) {
        return Err(Error::CaseOver {
            code: case.code.clone(),
            is_expired: !is_closed,
        });
    }
    Ok(())
}
