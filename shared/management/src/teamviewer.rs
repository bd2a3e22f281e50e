//! What is set for TeamViewer, and who has signed in there.

use domain::teamviewer::{HistorySettings, Settings, TeamViewerWork};
use domain::{Account, AccountKind, AccountName, AccountState, Vendor, definition};
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::Error;
use crate::problem::{FieldProblem, FieldWarning};
use crate::{Done, TeamViewerManagement};

/// Where the settings name the account whose report is the history.
const HISTORY_ACCOUNT: &str = "history.account";

/// What is set for TeamViewer, and since when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TeamViewerSettingsDetail {
    /// What is set. Nothing at all when nobody has set anything yet.
    pub settings: Settings,
    /// When it was set last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Timestamp>,
    /// Who did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_by: Option<String>,
}

/// What setting something for TeamViewer did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AppliedTeamViewerSettings {
    /// What was done.
    pub done: Done,
    /// What is set now.
    pub settings: Settings,
    /// What is worth a second look.
    pub warnings: Vec<FieldWarning>,
}

/// Where somebody is to go to sign in at TeamViewer.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SignIn {
    /// To open in a browser. Whoever opens it signs in for this account, so it is for its owner alone.
    pub url: String,
    /// The address is good until then.
    pub expires_at: Timestamp,
}

impl std::fmt::Debug for SignIn {
    /// Without the address, which is as good as the account.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SignIn")
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// Whether somebody is signed in at TeamViewer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SignedIn {
    /// Whether they are.
    pub state: SignInState,
    /// Their own account.
    pub account: AccountName,
    /// Why they must sign in again, in TeamViewer's words where there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// Whether they can work with service cases without: by the company's account.
    pub shared: bool,
}

/// Whether somebody is signed in at TeamViewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SignInState {
    /// They are.
    SignedIn,
    /// They never were.
    SignIn,
    /// They were, and TeamViewer no longer takes that: they must do so again.
    SignInAgain,
}

/// Somebody, as far as their own account at TeamViewer goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Stays the same for one person and is no one else's.
    pub key: String,
    /// What people call them.
    pub name: String,
}

impl Person {
    /// The name of their own account.
    pub fn account(&self) -> AccountName {
        AccountName::of_person(Vendor::TeamViewer, &self.key)
    }
}

/// Reads what is to be set for TeamViewer.
///
/// # Errors
/// `Invalid` with every problem.
pub fn read_teamviewer_settings(document: &Value) -> Result<Settings, Error> {
    definition::teamviewer_settings(document)
        .map_err(|problems| Error::Invalid(problems.into_iter().map(Into::into).collect()))
}

/// Which of the settings name an account that is meant, by whichever of its names.
pub(crate) fn settings_with(
    settings: &Settings,
    is_meant: impl Fn(&AccountName) -> bool,
) -> Vec<&'static str> {
    let used = uses(settings).into_iter();
    let used = used.filter(|used| is_meant(used.name));
    used.map(|used| used.path).collect()
}

impl TeamViewerManagement {
    /// Ends when no tokens are being renewed any more: what a vendor has answered must be stored before the process pauses.
    pub async fn finish_renewals(&self) {
        self.accounts.finish_renewals().await;
    }

    /// What is set for TeamViewer.
    ///
    /// # Errors
    /// `Unavailable`; `Internal` when the row cannot be read.
    pub async fn teamviewer_settings(&self) -> Result<TeamViewerSettingsDetail, Error> {
        let stored = self.teamviewer_rows.get().await?;
        Ok(match stored {
            Some(stored) => TeamViewerSettingsDetail {
                settings: stored.settings,
                updated_at: Some(stored.updated_at),
                updated_by: Some(stored.updated_by),
            },
            None => TeamViewerSettingsDetail {
                settings: Settings::default(),
                updated_at: None,
                updated_by: None,
            },
        })
    }

    /// Sets something for TeamViewer. It counts from the next minute on; nothing is deployed anew.
    ///
    /// When the interval changes, the connections of the interval before are fetched at once: else those of the time between
    /// the last run and this change could lie outside of every later window.
    ///
    /// # Errors
    /// `Invalid` when an account is not there or is of another kind; `Conflict` when somebody else sets something at the same
    /// time; `Unavailable`.
    pub async fn put_teamviewer_settings(
        &self,
        settings: &Settings,
        by: &str,
        now: Timestamp,
    ) -> Result<AppliedTeamViewerSettings, Error> {
        let mut warnings = self.check_accounts_of(settings).await?;
        let stored = self.teamviewer_rows.get().await?;
        let version = stored.as_ref().map(|stored| stored.version);
        let before = stored.map(|stored| stored.settings);
        let done = match &before {
            Some(before) if before == settings => Done::Unchanged,
            Some(_) => Done::Updated,
            None => Done::Created,
        };
        if done == Done::Unchanged {
            return Ok(AppliedTeamViewerSettings {
                done,
                settings: settings.clone(),
                warnings,
            });
        }
        let before = before.unwrap_or_default();
        if let Some(changed) = self.changed_interval(&before, settings) {
            // Before it is stored: whoever repeats a request that broke off finds the interval changed already.
            let since = now
                .checked_sub(SignedDuration::from_hours(i64::from(changed.before)))
                .unwrap_or(Timestamp::UNIX_EPOCH);
            let work = TeamViewerWork::FetchWindow { since: Some(since) };
            self.teamviewer_queue.ask_for(work).await?;
            warnings.push(changed.warning());
        }
        let put = self.teamviewer_rows.put(settings, version, by, now).await?;
        if put.is_none() {
            let what = "what is set for TeamViewer".to_owned();
            return Err(Error::ChangedInBetween { what });
        }
        Ok(AppliedTeamViewerSettings {
            done,
            settings: settings.clone(),
            warnings,
        })
    }

    /// Whether somebody is signed in at TeamViewer.
    ///
    /// # Errors
    /// `Unavailable`; `Internal` when a row cannot be read.
    pub async fn signed_in(&self, person: &Person) -> Result<SignedIn, Error> {
        let account = self.own_account(person).await?;
        let settings = self.stored_teamviewer_settings().await?;
        Ok(SignedIn {
            state: account.as_ref().map_or(SignInState::SignIn, state),
            account: person.account(),
            problem: account.and_then(|account| account.problem),
            shared: settings.cases.is_some_and(|cases| cases.shared),
        })
    }

    /// Begins to sign somebody in at TeamViewer with an account of their own. Asking again gives another address.
    ///
    /// # Errors
    /// `Conflict` when nothing is set of how people sign in; `Unavailable`.
    pub async fn sign_in(&self, person: &Person, now: Timestamp) -> Result<SignIn, Error> {
        let settings = self.stored_teamviewer_settings().await?;
        let like = settings.cases.and_then(|cases| cases.sign_in_account);
        let like = like.ok_or(Error::NoSignIn)?;
        let mut random = [0; 32];
        getrandom::fill(&mut random).map_err(Error::NoRandomness)?;
        let begun = self
            .accounts
            .begin_sign_in(person.account(), &like, person.name.clone(), random, now)
            .await?;
        Ok(SignIn {
            url: begun.url,
            expires_at: begun.expires_at,
        })
    }

    /// Signs somebody out: their own account at TeamViewer is deleted, and TeamViewer is asked to end what they had agreed to.
    ///
    /// # Errors
    /// `Unavailable`; none when they were not signed in.
    pub async fn sign_out(&self, person: &Person, now: Timestamp) -> Result<(), Error> {
        match self.accounts.sign_out(&person.account(), now).await {
            Ok(()) | Err(::accounts::Error::Unknown(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// What is set, or nothing.
    pub(crate) async fn stored_teamviewer_settings(&self) -> Result<Settings, Error> {
        let stored = self.teamviewer_rows.get().await?;
        Ok(stored.map(|stored| stored.settings).unwrap_or_default())
    }

    /// Somebody's own account, if there is one.
    pub(crate) async fn own_account(&self, person: &Person) -> Result<Option<Account>, Error> {
        self.account_if_any(&person.account()).await
    }

    pub(crate) async fn account_if_any(
        &self,
        name: &AccountName,
    ) -> Result<Option<Account>, Error> {
        match self.accounts.get(name).await {
            Ok(account) => Ok(Some(account)),
            Err(::accounts::Error::Unknown(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn check_accounts_of(&self, settings: &Settings) -> Result<Vec<FieldWarning>, Error> {
        let mut problems = Vec::new();
        let mut warnings = Vec::new();
        for used in uses(settings) {
            let account = self.account_if_any(used.name).await?;
            match used.check(account.as_ref()) {
                Ok(warning) => warnings.extend(warning),
                Err(problem) => problems.push(problem),
            }
        }
        if problems.is_empty() {
            Ok(warnings)
        } else {
            Err(Error::Invalid(problems))
        }
    }

    fn changed_interval(&self, before: &Settings, after: &Settings) -> Option<ChangedInterval> {
        let hours = |history: &HistorySettings| {
            let of_stack = self.every_hours;
            history.every_hours.unwrap_or(of_stack)
        };
        let (before, after) = (
            hours(before.history.as_ref()?),
            hours(after.history.as_ref()?),
        );
        (before != after).then_some(ChangedInterval { before, after })
    }
}

/// An interval that is another one now, in hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ChangedInterval {
    before: u16,
    after: u16,
}

impl ChangedInterval {
    fn warning(self) -> FieldWarning {
        let Self { before, after } = self;
        FieldWarning {
            path: "history.every_hours".to_owned(),
            warning: format!(
                "connections were fetched every {before} h and are from now on every {after} h: those of the last {before} h \
                 are being fetched at once, so that none is lost by the change"
            ),
        }
    }
}

fn state(account: &Account) -> SignInState {
    match account.state {
        AccountState::Connected => SignInState::SignedIn,
        // They have begun and not ended.
        AccountState::Connecting => SignInState::SignIn,
        AccountState::Reconnect => SignInState::SignInAgain,
    }
}

/// An account that a setting names, and what it must be.
struct Used<'a> {
    path: &'static str,
    name: &'a AccountName,
    vendor: Vendor,
    need: Need,
}

/// What an account is needed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    /// Anything.
    Any,
    /// Reading what belongs to the whole company.
    Company,
    /// Its OAuth client.
    Client,
}

fn uses(settings: &Settings) -> Vec<Used<'_>> {
    let of_teamviewer = |path, name, need| Used {
        path,
        name,
        vendor: Vendor::TeamViewer,
        need,
    };
    let history = settings
        .history
        .as_ref()
        .map(|history| of_teamviewer(HISTORY_ACCOUNT, &history.account, Need::Company));
    let cases = settings
        .cases
        .as_ref()
        .map(|cases| of_teamviewer("cases.account", &cases.account, Need::Company));
    let sign_in = settings
        .cases
        .as_ref()
        .and_then(|cases| cases.sign_in_account.as_ref())
        .map(|account| of_teamviewer("cases.sign_in_account", account, Need::Client));
    let servicenow = settings.servicenow_account.as_ref().map(|name| Used {
        path: "servicenow_account",
        name,
        vendor: Vendor::ServiceNow,
        need: Need::Any,
    });
    [history, cases, sign_in, servicenow]
        .into_iter()
        .flatten()
        .collect()
}

impl Used<'_> {
    /// A problem, or what is worth a second look.
    fn check(&self, account: Option<&Account>) -> Result<Option<FieldWarning>, FieldProblem> {
        let problem = |problem: String| FieldProblem {
            path: self.path.to_owned(),
            problem,
        };
        let (name, vendor) = (self.name, self.vendor);
        let Some(account) = account else {
            return Err(problem(format!(
                "there is no account `{name}`: connect it first, with `accounts put` or `accounts connect`"
            )));
        };
        if account.vendor != vendor {
            let found = account.vendor;
            return Err(problem(format!(
                "`{name}` is a {found} account, expected a {vendor} account"
            )));
        }
        let kind = account.kind;
        let warning = match self.need {
            Need::Client if kind != AccountKind::OauthAuthorizationCode => {
                return Err(problem(format!(
                    "`{name}` is of the kind {kind}, and people sign in with an OAuth client: expected an account that was \
                     connected with `accounts connect`"
                )));
            }
            Need::Company if kind != AccountKind::Bearer => {
                // A history goes on where it was, whatever its account's token is by then.
                let missed = if self.path == HISTORY_ACCOUNT {
                    "; what this one does not see is fetched with `connections refresh --since DATE` afterwards"
                } else {
                    ""
                };
                Some(format!(
                    "`{name}` is of the kind {kind}: TeamViewer shows it what its user may see. Put a script token of the \
                     company with `accounts put --bearer` to see what belongs to everybody{missed}"
                ))
            }
            // Its client is used and its tokens are not.
            Need::Client => None,
            Need::Any | Need::Company => (account.state != AccountState::Connected).then(|| {
                format!(
                    "`{name}` cannot be used until somebody has connected it: its state is {}",
                    account.state
                )
            }),
        };
        Ok(warning.map(|warning| FieldWarning {
            path: self.path.to_owned(),
            warning,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn account(vendor: &str, kind: &str, state: &str) -> Account {
        serde_json::from_value(json!({
            "name": "a", "vendor": vendor, "instance": "acme", "kind": kind, "state": state, "secret": "s",
            "updated_at": "2026-11-21T12:00:00Z"
        }))
        .unwrap()
    }

    #[test]
    fn accounts_must_be_what_they_are_named_for() {
        let settings = read_teamviewer_settings(&json!({
            "history": {"account": "a"},
            "cases": {"account": "a", "group": "g1", "sign_in_account": "a"},
            "servicenow_account": "a"
        }))
        .unwrap();
        let told = |account: Option<&Account>| -> Vec<String> {
            uses(&settings)
                .iter()
                .map(|used| match used.check(account) {
                    Ok(None) => "good".to_owned(),
                    Ok(Some(warning)) => format!("warning {warning}"),
                    Err(problem) => format!("problem {problem}"),
                })
                .collect()
        };
        let paths = [
            "history.account",
            "cases.account",
            "cases.sign_in_account",
            "servicenow_account",
        ];
        for (line, path) in told(None).iter().zip(paths) {
            assert!(
                line.starts_with(&format!("problem {path}: there is no")),
                "{line}"
            );
        }
        for (found, expected) in [
            (
                account("teamviewer", "bearer", "connected"),
                ["good", "good", "problem", "problem"],
            ),
            (
                account("teamviewer", "oauth_authorization_code", "connected"),
                ["warning", "warning", "good", "problem"],
            ),
            (
                account("teamviewer", "bearer", "reconnect"),
                ["warning", "warning", "problem", "problem"],
            ),
            (
                account("servicenow", "basic", "connected"),
                ["problem", "problem", "problem", "good"],
            ),
            (
                account("servicenow", "oauth_authorization_code", "connecting"),
                ["problem", "problem", "problem", "warning"],
            ),
        ] {
            let told = told(Some(&found));
            let words: Vec<&str> = told
                .iter()
                .filter_map(|line| line.split(' ').next())
                .collect();
            assert_eq!(words, expected, "{found:?}: {told:#?}");
        }
    }

    #[test]
    fn address_to_sign_in_is_in_no_log() {
        let sign_in = SignIn {
            url: "https://example.com/connect/start?ticket=hunter2".to_owned(),
            expires_at: Timestamp::UNIX_EPOCH,
        };
        assert!(!format!("{sign_in:?}").contains("hunter2"));
    }
}
