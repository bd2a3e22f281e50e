//! Creating a case for a task: once for a task and a user, however often it is asked for.

use std::collections::BTreeSet;
use std::time::Instant;

use domain::connection::Customer;
use domain::service_case::CaseState;
use domain::teamviewer::{CaseSettings, Settings, TeamViewerWork};
use domain::{AccountName, CaseCode, ServiceCase, TaskReference, Vendor};
use jiff::{SignedDuration, Timestamp};
use retry::Disposition;
use serde::{Deserialize, Serialize};
use store::{CaseCreation, CreationClaim};
use teamviewer::NewSession;

use crate::mapping::{
    LONGEST_EMAIL, LONGEST_NAME, case, description, end_customer, key, name_of_caller,
};
use crate::observe::Occasion;
use crate::task::caller_fields;
use crate::{Error, ServiceCases};

/// How long a creation waits for its account.
const WAITS: SignedDuration = SignedDuration::from_hours(8);
/// The digits of a group's id at most.
const GROUP_DIGITS: usize = 20;

/// A case that somebody wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateCase {
    /// The ServiceNow task: its number, or its id and better its table too.
    pub task: TaskReference,
    /// Who wants it: a key that stays the same for one person.
    pub user: String,
    /// The account to create it with.
    pub account: AccountName,
    /// What it is about, instead of the task's number and short description.
    pub description: Option<String>,
    /// Who is supported; what is absent is the task's caller.
    pub customer: Customer,
    /// What the customer reads while waiting.
    pub waiting_message: Option<String>,
}

/// The case that somebody wanted.
#[derive(Debug, Clone, PartialEq)]
pub struct CreatedCase {
    /// The case.
    pub case: ServiceCase,
    /// Whether it was created now. It was there before otherwise.
    pub created: bool,
    /// What it lacks.
    pub warnings: Vec<String>,
}

/// What a case is made of, as it is kept while it waits for its account.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Plan {
    task: TaskReference,
    account: AccountName,
    description: Option<String>,
    customer: Customer,
    waiting_message: Option<String>,
}

/// A creation that came to nothing.
struct Failed {
    error: Error,
    /// Whether there may be a case all the same.
    may_exist: bool,
    /// Whether that comes of this very attempt: TeamViewer is left alone for a while before anybody looks.
    is_fresh: bool,
}

impl Failed {
    /// When others may try after a failure at `now`, if not at once.
    fn from(&self, now: Timestamp) -> Option<Timestamp> {
        let settled = || now.saturating_add(teamviewer::SETTLING).unwrap_or(now);
        self.is_fresh.then(settled)
    }
}

/// The present: what is done since somebody asked may take long.
#[derive(Debug, Clone, Copy)]
struct Clock {
    asked_at: Timestamp,
    began: Instant,
}

impl Clock {
    fn start(now: Timestamp) -> Self {
        Self {
            asked_at: now,
            began: Instant::now(),
        }
    }

    fn now(&self) -> Timestamp {
        let passed = SignedDuration::try_from(self.began.elapsed()).unwrap_or_default();
        self.asked_at
            .saturating_add(passed)
            .unwrap_or(self.asked_at)
    }
}

impl ServiceCases {
    /// Creates a case for a task, or gives the one that the user has for it and that can still be used.
    ///
    /// # Errors
    /// [`Error::SignIn`] when the account must be connected first: the case is then created by
    /// [`ServiceCases::create_waiting`]. Otherwise what [`Error::disposition`] says; asking again never makes a second case.
    pub async fn create(
        &self,
        settings: &Settings,
        request: &CreateCase,
        now: Timestamp,
    ) -> Result<CreatedCase, Error> {
        let clock = Clock::start(now);
        let cases = settings.cases.as_ref().ok_or(Error::NotSetUp)?;
        let (plan, warnings) = self.plan(settings, request, now).await?;
        let id = creation_id(&plan.task, &request.user);
        let owner = self.owner();
        let until = self.lease_until(now);
        let mut claim = self.creations.claim(&id, &owner, now, until).await?;
        loop {
            match claim {
                CreationClaim::Claimed(creation) => {
                    let case = self
                        .make_or_wait(cases, &creation, &owner, &plan, clock)
                        .await?;
                    return Ok(CreatedCase {
                        case,
                        created: true,
                        warnings,
                    });
                }
                CreationClaim::Made { attempt, code } => {
                    let usable = self.usable(&code, &plan.account, &cases.account, now);
                    if let Some(case) = usable.await? {
                        return Ok(CreatedCase {
                            case,
                            created: false,
                            warnings,
                        });
                    }
                    claim = self
                        .creations
                        .claim_next(&id, attempt, &owner, now, until)
                        .await?;
                    // Somebody else has been quicker, and theirs is being made or is there.
                    if let CreationClaim::Made { attempt: other, .. } = &claim
                        && *other == attempt
                    {
                        return Err(Error::BeingCreated { until: now });
                    }
                }
                CreationClaim::Held { until } => return Err(Error::BeingCreated { until }),
                CreationClaim::NotWaiting => return Err(Error::BeingCreated { until: now }),
            }
        }
    }

    /// Creates the cases that have waited for `account`, and tells how many. Those that cannot be created are forgotten.
    ///
    /// # Errors
    /// What [`Error::disposition`] says, for the first that must be tried again.
    pub async fn create_waiting(
        &self,
        settings: &Settings,
        account: &AccountName,
        now: Timestamp,
    ) -> Result<usize, Error> {
        let clock = Clock::start(now);
        let mut created = 0;
        let mut again = None;
        for waiting in self.creations.waiting(account).await? {
            // Those before it may have taken long.
            let now = clock.now();
            let plan = serde_json::from_str::<Plan>(&waiting.request).ok();
            let is_wanted = waiting.until > now;
            let (Some(plan), Some(cases), true) = (plan, settings.cases.as_ref(), is_wanted) else {
                self.creations.forget_waiting(account, &waiting.id).await?;
                continue;
            };
            let owner = self.owner();
            let until = self.lease_until(now);
            let claim = self
                .creations
                .claim_waiting(&waiting.id, account, &owner, now, until);
            let creation = match claim.await? {
                CreationClaim::Claimed(creation) => creation,
                // Somebody is at it, and may die before it is there.
                CreationClaim::Held { until } => {
                    again = again.or(Some(Error::BeingCreated { until }));
                    continue;
                }
                CreationClaim::Made { .. } | CreationClaim::NotWaiting => {
                    self.creations.forget_waiting(account, &waiting.id).await?;
                    continue;
                }
            };
            match self.make(cases, &creation, &owner, &plan, now).await {
                Ok(_) => {
                    created += 1;
                    self.creations.forget_waiting(account, &waiting.id).await?;
                }
                Err(failed) if matches!(failed.error.disposition(), Disposition::GiveUp) => {
                    self.give_back(&creation, &owner, &failed, clock.now())
                        .await;
                    self.creations.forget_waiting(account, &waiting.id).await?;
                    tracing::error!(
                        account = %account,
                        error = startup::chain(&failed.error),
                        "waiting service case given up"
                    );
                }
                Err(failed) => {
                    let request = &waiting.request;
                    let until = waiting.until;
                    let from = failed.from(clock.now());
                    let waits =
                        self.creations
                            .wait(&creation.id, &owner, account, request, until, from);
                    waits.await?;
                    again = again.or(Some(failed.error));
                }
            }
        }
        match again {
            None => Ok(created),
            Some(error) => Err(error),
        }
    }

    /// What the case is to say, filled in from the task.
    async fn plan(
        &self,
        settings: &Settings,
        request: &CreateCase,
        now: Timestamp,
    ) -> Result<(Plan, Vec<String>), Error> {
        if !request.task.is_known() {
            let problem = "it names neither the record's id nor its number";
            return Err(Error::InvalidTask(problem.to_owned()));
        }
        let mut plan = Plan {
            task: request.task.clone(),
            account: request.account.clone(),
            description: filled(request.description.as_deref()),
            customer: Customer {
                name: filled(request.customer.name.as_deref()),
                email: filled(request.customer.email.as_deref()),
            },
            waiting_message: filled(request.waiting_message.as_deref()),
        };
        let Customer { name, email } = &plan.customer;
        fits("customer_name", name.as_deref(), LONGEST_NAME)?;
        fits("customer_email", email.as_deref(), LONGEST_EMAIL)?;
        let mut warnings = Vec::new();
        if let Some(account) = &settings.servicenow_account {
            let mut fields: BTreeSet<String> = caller_fields().collect();
            fields.insert("short_description".to_owned());
            let task = self
                .task(account, &request.task, &fields, None, now)
                .await?;
            let short = task.shown.field("short_description");
            let number = task.reference.number.as_deref();
            plan.description = plan.description.or_else(|| description(number, short));
            if plan.customer.name.is_none()
                && let Some(name) = filled(task.caller_name())
            {
                let (name, is_cut) = name_of_caller(&name);
                plan.customer.name = Some(name);
                if is_cut {
                    warnings.push(format!(
                        "the name of the task's caller was cut to the {LONGEST_NAME} characters that TeamViewer takes"
                    ));
                }
            }
            if plan.customer.email.is_none()
                && let Some(email) = filled(task.caller_email())
            {
                // One that is cut would be another one.
                if fits("customer_email", Some(&email), LONGEST_EMAIL).is_ok() {
                    plan.customer.email = Some(email);
                } else {
                    warnings.push(format!(
                        "the e-mail address of the task's caller was left out: TeamViewer takes {LONGEST_EMAIL} characters"
                    ));
                }
            }
            plan.task = task.reference;
        } else {
            let number = request.task.number.as_deref();
            plan.description = plan.description.or_else(|| description(number, None));
            warnings.push(
                "no ServiceNow account is set (`servicenow_account` in the settings), so nothing was filled in from the task"
                    .to_owned(),
            );
        }
        if end_customer(&plan.customer).is_none() {
            let warning = "neither name nor e-mail address of the customer are known";
            warnings.push(warning.to_owned());
        }
        Ok((plan, warnings))
    }

    /// The case, unless it is over. It is looked at with the account of whoever asks, and with the one that lists the cases
    /// where that cannot be used.
    async fn usable(
        &self,
        code: &CaseCode,
        with: &AccountName,
        listing: &AccountName,
        now: Timestamp,
    ) -> Result<Option<ServiceCase>, Error> {
        let mut seen = self.case_if_possible(code, with, now).await;
        if let Err(first @ Error::Account(_)) = seen {
            seen = match self.case_if_possible(code, listing, now).await {
                // That it may not see the case says nothing about it.
                Err(Error::UnknownCase(_) | Error::Account(_)) => Err(first),
                seen => seen,
            };
        }
        match seen {
            Ok(case) => {
                let usable = case.state == CaseState::Open && !case.is_expired(now);
                Ok(usable.then_some(case))
            }
            Err(Error::UnknownCase(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn make_or_wait(
        &self,
        cases: &CaseSettings,
        creation: &CaseCreation,
        owner: &str,
        plan: &Plan,
        clock: Clock,
    ) -> Result<ServiceCase, Error> {
        let made = self.make(cases, creation, owner, plan, clock.now());
        let failed = match made.await {
            Ok(case) => return Ok(case),
            Err(failed) => failed,
        };
        let now = clock.now();
        let from = failed.from(now);
        if failed.error.sign_in() == Some(&plan.account)
            && let Error::Account(source) = failed.error
        {
            let account = plan.account.clone();
            let until = now.saturating_add(WAITS).unwrap_or(now);
            let request = serde_json::json!(plan).to_string();
            let waits = self
                .creations
                .wait(&creation.id, owner, &account, &request, until, from);
            waits.await?;
            // Whoever connected it just before was told of while nothing waited.
            let moment = self.moment(now);
            let connected = self.accounts.connect(&account, Vendor::TeamViewer, &moment);
            if connected.await.is_ok() {
                let account = account.clone();
                let work = TeamViewerWork::CreateWaitingCases { account };
                self.outlets.order(work).await?;
            }
            return Err(Error::SignIn {
                account,
                until,
                source: Box::new(source),
            });
        }
        self.give_back(creation, owner, &failed, now).await;
        Err(failed.error)
    }

    /// Lets others try. Should it fail, they may once the right has ended by itself.
    async fn give_back(
        &self,
        creation: &CaseCreation,
        owner: &str,
        failed: &Failed,
        now: Timestamp,
    ) {
        let from = failed.from(now).unwrap_or(now);
        let given = self
            .creations
            .release(&creation.id, owner, failed.may_exist, from);
        if let Err(error) = given.await {
            tracing::warn!(
                error = startup::chain(&error),
                "right to create not given back"
            );
        }
    }

    /// Makes the one attempt that the caller has the right to; looks first when there may have been one.
    async fn make(
        &self,
        cases: &CaseSettings,
        creation: &CaseCreation,
        owner: &str,
        plan: &Plan,
        now: Timestamp,
    ) -> Result<ServiceCase, Failed> {
        let before = |error: Error| Failed {
            error,
            may_exist: creation.perhaps_with.is_some(),
            is_fresh: false,
        };
        let account = &plan.account;
        let named = key("tvc_", &[&creation.id, &creation.attempt.to_string()]);
        if let Some(with) = &creation.perhaps_with {
            let found = self
                .find(with, account, &named, now)
                .await
                .map_err(before)?;
            if let Some((session, seen_with)) = found {
                return self
                    .keep(session, &seen_with, creation, owner, now)
                    .await
                    .map_err(before);
            }
        }
        let groupid = self
            .group(account, &cases.group, now)
            .await
            .map_err(before)?;
        let valid = SignedDuration::from_hours(cases.valid_hours.into());
        let session = NewSession {
            groupid: Some(groupid),
            description: plan.description.clone(),
            waiting_message: plan.waiting_message.clone(),
            end_customer: end_customer(&plan.customer),
            custom_api: Some(plan.task.to_note(&named)),
            valid_until: now.saturating_add(valid).ok(),
            ..NewSession::default()
        };
        // What is wrong with it is known before anything is noted.
        session
            .body()
            .map_err(|problem| before(input(account, problem)))?;
        let is_ours = self
            .creations
            .about_to_create(&creation.id, owner, account)
            .await
            .map_err(|error| before(error.into()))?;
        if !is_ours {
            return Err(before(Error::BeingCreated { until: now }));
        }
        let sent = &session;
        let created = self
            .ask(account, now, |client| async move {
                client.create_session(sent).await
            })
            .await;
        let created = created.map_err(|error| after(error, account))?;
        let unread = |error| Failed {
            error,
            may_exist: true,
            is_fresh: true,
        };
        let session = if let Some(session) = created.session {
            session
        } else {
            let code = &created.code;
            let read = self.ask(
                account,
                now,
                |client| async move { client.session(code).await },
            );
            read.await.map_err(unread)?
        };
        self.keep(session, account, creation, owner, now)
            .await
            .map_err(unread)
    }

    /// The session that carries the key and can still be used, and with which account it was seen. Looks with the account
    /// that may have created it, or with the present one where that cannot be used any more.
    async fn find(
        &self,
        with: &AccountName,
        account: &AccountName,
        named: &str,
        now: Timestamp,
    ) -> Result<Option<(teamviewer::Session, AccountName)>, Error> {
        let (mut list, mut broken) = self.list(with, now).await;
        let mut seen_with = with;
        if with != account && matches!(broken, Some(Error::Account(_))) {
            (list, broken) = self.list(account, now).await;
            seen_with = account;
        }
        // One whose time is over is listed as well, and one of long ago has the same key, once its row is forgotten.
        let is_it = |session: &teamviewer::Session| {
            let note = session.custom_api.as_deref();
            note.and_then(TaskReference::key_in_note).as_deref() == Some(named)
                && !session.is_expired(now)
        };
        let found = list.sessions.into_iter().find(is_it);
        match (found, broken, list.gap) {
            (Some(session), _, _) => Ok(Some((session, seen_with.clone()))),
            (None, Some(error), _) => Err(error),
            // What is not in a part of the list may be in the rest.
            (None, None, Some(problem)) => Err(Error::IncompleteList { problem }),
            (None, None, None) => Ok(None),
        }
    }

    /// The id of the group that new cases belong to. A name is looked up: TeamViewer would make a group of one that it does
    /// not know.
    async fn group(
        &self,
        account: &AccountName,
        group: &str,
        now: Timestamp,
    ) -> Result<String, Error> {
        if is_group_id(group) {
            return Ok(group.to_owned());
        }
        let found = self.ask(account, now, |client| async move {
            client.group_named(group).await
        });
        match found.await? {
            Some(group) => Ok(group.id),
            None => Err(Error::UnknownGroup {
                name: group.to_owned(),
                account: account.clone(),
            }),
        }
    }

    /// Notes the case of a creation, first that it is there, then what it is.
    async fn keep(
        &self,
        session: teamviewer::Session,
        account: &AccountName,
        creation: &CaseCreation,
        owner: &str,
        now: Timestamp,
    ) -> Result<ServiceCase, Error> {
        let Some(seen) = case(session, account) else {
            let problem = "its code cannot be read".to_owned();
            return Err(Error::Invalid {
                field: "code",
                problem,
            });
        };
        tracing::info!(account = %account, "service case created");
        self.creations.made(&creation.id, owner, &seen.code).await?;
        Ok(self.observe(None, seen, Occasion::Seen, now).await?.case)
    }
}

/// What an attempt that was made means.
fn after(error: Error, account: &AccountName) -> Failed {
    let Error::TeamViewer { error: refusal, .. } = &error else {
        // The account could not be used any more, so no attempt was made.
        return Failed {
            error,
            may_exist: false,
            is_fresh: false,
        };
    };
    if let Disposition::Reconcile { .. } = refusal.disposition() {
        return Failed {
            error: Error::CreationUnclear {
                problem: refusal.to_string(),
            },
            may_exist: true,
            is_fresh: true,
        };
    }
    let error = if refusal.is_license_limit() {
        Error::LicenseLimit {
            account: account.clone(),
        }
    } else {
        error
    };
    Failed {
        error,
        may_exist: false,
        is_fresh: false,
    }
}

fn input(account: &AccountName, problem: teamviewer::InvalidInput) -> Error {
    Error::TeamViewer {
        account: account.clone(),
        error: Box::new(teamviewer::Error {
            operation: teamviewer::Operation::CreateSession,
            kind: teamviewer::ErrorKind::Input(problem),
            call: None,
        }),
    }
}

/// Names a task and a user. The record's id does not change; its number may.
fn creation_id(task: &TaskReference, user: &str) -> String {
    let instance = task.instance.as_deref().unwrap_or_default().to_lowercase();
    let record = match (&task.sys_id, &task.number) {
        (Some(sys_id), _) => sys_id.to_ascii_lowercase(),
        (None, number) => number.as_deref().unwrap_or_default().to_ascii_uppercase(),
    };
    key("", &[&instance, &record, user])
}

fn fits(field: &'static str, text: Option<&str>, longest: usize) -> Result<(), Error> {
    let length = text.map_or(0, |text| text.chars().count());
    if length <= longest {
        return Ok(());
    }
    Err(Error::Invalid {
        field,
        problem: format!("it has {length} characters, and TeamViewer takes {longest}"),
    })
}

fn is_group_id(group: &str) -> bool {
    group.strip_prefix('g').is_some_and(|digits| {
        (1..=GROUP_DIGITS).contains(&digits.len())
            && digits.bytes().all(|byte| byte.is_ascii_digit())
    })
}

fn filled(text: Option<&str>) -> Option<String> {
    let text = text.map(str::trim).unwrap_or_default();
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_task_and_user_are_one_creation_however_they_are_named() {
        let task = |sys_id: Option<&str>, number: Option<&str>| TaskReference {
            instance: Some("dev1".to_owned()),
            sys_id: sys_id.map(str::to_owned),
            number: number.map(str::to_owned),
            ..TaskReference::default()
        };
        let id = creation_id(&task(Some("AB"), Some("INC1")), "u");
        assert_eq!(id, creation_id(&task(Some("ab"), None), "u"));
        assert_ne!(id, creation_id(&task(Some("ab"), None), "v"));
        assert_ne!(id, creation_id(&task(None, Some("INC1")), "u"));
        assert_eq!(
            creation_id(&task(None, Some("inc1")), "u"),
            creation_id(&task(None, Some("INC1")), "u")
        );
    }

    #[test]
    fn group_is_an_id_or_a_name() {
        for (group, is_id) in [
            ("g12", true),
            ("g", false),
            ("g1a", false),
            ("Helpdesk", false),
        ] {
            assert_eq!(is_group_id(group), is_id, "{group}");
        }
    }
}
