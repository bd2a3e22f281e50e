//! How the history of connections is kept: where it stands, and having it fetched now.

use connection_history::{Asked, History, Reach, stands_still_since};
use domain::teamviewer::{HistorySettings, TeamViewerWork};
use domain::{AccountName, AccountState, CaseCode};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::TeamViewerManagement;
use crate::error::Error;
use crate::servicenow_task::{ServiceNowTask, TaskFilter};

/// Of how many service cases of one task connections are fetched at a time: each is a call to TeamViewer, or several.
const MOST_CASES_REFRESHED: usize = 20;

/// Where the history of connections stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HistoryStatus {
    /// The account whose connection report is read. Absent: no history is kept, see the settings for TeamViewer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountName>,
    /// Whether that account can be used; absent when there is no such account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account_state: Option<AccountState>,
    /// Every how many hours connections are fetched.
    pub every_hours: u16,
    /// Who says so.
    pub every_hours_from: IntervalOrigin,
    /// When they are fetched next by themselves; absent: within a minute, or never without an account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_due: Option<Timestamp>,
    /// Since when it is due that they are fetched, where that is two hours ago or longer: somebody is to look why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stands_still_since: Option<Timestamp>,
    /// Whether they are being fetched at this moment.
    pub busy: bool,
    /// What somebody has asked for and is still to be done, or is being done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<AskedFor>,
    /// What has been fetched; absent before the first time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<History>,
}

/// Where an interval comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum IntervalOrigin {
    /// The settings, which can be changed at any time.
    Settings,
    /// The stack's parameter `ConnectionsEveryHours`.
    Stack,
}

/// That somebody has asked for connections to be fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AskedFor {
    /// When.
    pub at: Timestamp,
    /// From when on, where that was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
}

impl From<Asked> for AskedFor {
    fn from(asked: Asked) -> Self {
        Self {
            at: asked.at,
            since: asked.since,
        }
    }
}

/// Asks for connections to be fetched now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RefreshConnections {
    /// From then on, at least. When absent as far back as the scheduled run would reach.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
}

/// The service cases of a task whose connections are being fetched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RefreshedTask {
    /// Their session codes, newest first. None: no service case is known for the task, so that its connections come with
    /// the history of the whole company.
    pub codes: Vec<CaseCode>,
    /// How many older ones are left out, for there are very many.
    pub left_out: usize,
}

impl TeamViewerManagement {
    /// Where the history of connections stands.
    ///
    /// # Errors
    /// `Unavailable`; `Internal` when a row cannot be read.
    pub async fn history_status(&self, now: Timestamp) -> Result<HistoryStatus, Error> {
        let of_stack = self.every_hours;
        let settings = self.teamviewer_rows.get().await?;
        let set = settings.and_then(|stored| Some((stored.settings.history?, stored.updated_at)));
        let Some((settings, set_at)) = set else {
            return Ok(HistoryStatus {
                account: None,
                account_state: None,
                every_hours: of_stack,
                every_hours_from: IntervalOrigin::Stack,
                next_due: None,
                stands_still_since: None,
                busy: false,
                asked: None,
                history: None,
            });
        };
        let account = self.account_if_any(&settings.account).await?;
        // The account may have been renamed since: its history is found by the name that is set.
        let stored = self.histories.get(&settings.account).await?;
        let interval = Reach::of(&settings, of_stack).interval;
        let history = stored.as_ref().map(|stored| &stored.history);
        let next_due = history.and_then(|history| history.next_due(interval));
        Ok(HistoryStatus {
            account_state: account.map(|account| account.state),
            every_hours: settings.every_hours.unwrap_or(of_stack),
            every_hours_from: match settings.every_hours {
                Some(_) => IntervalOrigin::Settings,
                None => IntervalOrigin::Stack,
            },
            next_due,
            stands_still_since: stands_still_since(next_due, set_at, now),
            busy: false,
            asked: None,
            history: None,
            account: Some(settings.account),
        }
        .with(stored, now))
    }

    /// Has the connections of the whole company fetched now. Two who ask at once get one fetch.
    ///
    /// # Errors
    /// `Conflict` while no history is kept, `Invalid` when `since` has not been yet, `Unavailable`.
    pub async fn refresh_connections(
        &self,
        request: &RefreshConnections,
        now: Timestamp,
    ) -> Result<HistoryStatus, Error> {
        self.history_settings().await?;
        if let Some(since) = request.since.filter(|since| *since >= now) {
            return Err(Error::field(
                "since",
                format!("found {since}, expected a moment before {now}"),
            ));
        }
        let work = TeamViewerWork::FetchWindow {
            since: request.since,
        };
        self.teamviewer_queue.ask_for(work).await?;
        self.history_status(now).await
    }

    /// Has the connections of a task's service cases fetched now. Those that somebody has had fetched in the last five minutes
    /// are still being looked for, and are not asked for once more.
    ///
    /// # Errors
    /// `Conflict` while no history is kept; else as [`TeamViewerManagement::task_cases`].
    pub async fn refresh_task_connections(
        &self,
        task: &ServiceNowTask,
        filter: &TaskFilter,
        now: Timestamp,
    ) -> Result<RefreshedTask, Error> {
        self.history_settings().await?;
        let cases = self.stored_task_cases(task, filter).await?;
        let left_out = cases.len().saturating_sub(MOST_CASES_REFRESHED);
        let mut codes = Vec::new();
        for stored in cases.into_iter().take(MOST_CASES_REFRESHED) {
            self.service_cases.refresh_connections(&stored, now).await?;
            codes.push(stored.case.code);
        }
        Ok(RefreshedTask { codes, left_out })
    }

    async fn history_settings(&self) -> Result<HistorySettings, Error> {
        let settings = self.stored_teamviewer_settings().await?;
        settings.history.ok_or(Error::NoHistoryKept)
    }
}

impl HistoryStatus {
    fn with(self, stored: Option<store::StoredHistory>, now: Timestamp) -> Self {
        let Some(stored) = stored else {
            return self;
        };
        Self {
            busy: stored.busy_until.is_some_and(|until| until > now),
            asked: stored.asked.map(Into::into),
            history: Some(stored.history),
            ..self
        }
    }
}
