//! Service cases: what is open, making one for a task, and sharing its code.

use std::time::Duration;

use domain::connection::Customer;
use domain::id::TemplateName;
use domain::service_case::{CaseColumn, CaseState};
use domain::teamviewer::{CaseSettings, Settings};
use domain::{AccountName, AccountState, CaseCode, ServiceCase, TaskReference, json_bytes};
use jiff::Timestamp;
use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use service_cases::{CreateCase, OWN_TROUBLE, PollOutcome, Sender, ServiceCases};
use store::StoredCase;

use crate::error::Error;
use crate::servicenow_task::{Instances, ServiceNowTask, TaskFilter};
use crate::teamviewer::Person;
use crate::{Listing, TeamViewerManagement};

/// What one request may take of the time that the platform gives the API, without what it has taken before and what is
/// kept for its answer.
const REQUEST_TIME: Duration = Duration::from_secs(20);
/// What asking TeamViewer for the open cases may take of it: whoever looks at them is shown what is known then.
const POLL_TIME: Duration = Duration::from_secs(10);
/// What the cases of a list may take together, in bytes of JSON: the API answers 4.5 MB at most. It holds the newest
/// hundreds of cases whatever their texts are, and all that are shown of usual ones.
const LIST_BYTES: usize = 4_000_000;

/// The newest of the open service cases, as everybody sees them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OpenCases {
    /// What is shown of each, in this order.
    pub columns: Vec<CaseColumn>,
    /// Those that can be used, newest first: up to 500, fewer where their texts are very long.
    pub cases: Vec<CaseRow>,
    /// How many of those there are besides, about.
    #[serde(default)]
    pub cases_left_out: usize,
    /// Those whose time is over, though for less than 30 days, newest first: up to 100. TeamViewer keeps them open.
    pub expired: Vec<CaseRow>,
    /// How many of those there are besides, about.
    #[serde(default)]
    pub expired_left_out: usize,
    /// When TeamViewer was asked last and answered; absent before the first time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<Timestamp>,
    /// Why there is nothing newer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// When to ask again, in seconds: before, the same is answered to everybody.
    pub refresh_seconds: u16,
}

/// What is shown of a service case: its code, and of the others what the columns name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CaseRow {
    /// The session code.
    pub code: CaseCode,
    /// Whether it is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<CaseState>,
    /// Whether the customer waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub online: Option<bool>,
    /// What it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The customer's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_name: Option<String>,
    /// The customer's e-mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_email: Option<String>,
    /// The number of the ServiceNow task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_number: Option<String>,
    /// The table of the ServiceNow task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_table: Option<String>,
    /// The id of the ServiceNow task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_sys_id: Option<String>,
    /// The supporter whom it is assigned to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assigned_to: Option<String>,
    /// The group's name, or its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// The address that the customer opens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_link: Option<String>,
    /// When it was created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
    /// Until when the code can be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<Timestamp>,
}

/// Makes a service case for a ServiceNow task. What is absent is taken from the task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCase {
    /// The task.
    pub task: CaseTask,
    /// What it is about: at most 4,000 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The customer's name: at most 100 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_name: Option<String>,
    /// The customer's e-mail address: at most 254 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_email: Option<String>,
    /// What the customer reads while they wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_message: Option<String>,
    /// The supporter whom it is assigned to: their e-mail address, or TeamViewer's id of them, `u` and digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assigned_to: Option<String>,
}

/// A ServiceNow task for which a service case is made: by its number or its id.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CaseTask {
    /// Its table, such as `incident`. Needed unless the number begins as those of a usual table do, as with `INC`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^[a-z0-9_]{1,80}$"))]
    pub table: Option<String>,
    /// Its number, such as `INC0010001`. This or `sys_id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<String>,
    /// Its id: 32 hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sys_id: Option<String>,
}

/// A service case that was made for a task, or was there already.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MadeCase {
    /// The case.
    pub case: ServiceCase,
    /// Whether it was made now. Else the same person has made it before for the same task.
    pub created: bool,
    /// What is worth a second look.
    pub warnings: Vec<String>,
}

/// Assigns a service case to a supporter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AssignCase {
    /// The supporter: their e-mail address, or TeamViewer's id of them, `u` and digits (`u0`: nobody).
    #[schemars(regex(pattern = "^(u[0-9]+|[^@]+@[^@]+)$"))]
    pub user: String,
}

/// Shares the code of a service case by mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ShareCase {
    /// What the mail says.
    pub template: TemplateName,
    /// To whom. The case's customer when there is nobody.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub to: Vec<String>,
    /// And to whom else.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cc: Vec<String>,
    /// Names the occasion: asking twice under one name sends one mail. Derived from the rest when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share_id: Option<String>,
    /// Sends it although nobody knows whether it was sent before. A mail that was sent is not sent again: who wants it once
    /// more gives another `share_id`.
    #[serde(default)]
    pub resend: bool,
}

/// A mail as it would be sent.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MailPreview {
    /// To whom.
    pub to: Vec<String>,
    /// And to whom else.
    pub cc: Vec<String>,
    /// The subject.
    pub subject: String,
    /// The body as HTML.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub html: Option<String>,
    /// The body as plain text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// What the reader will miss.
    pub warnings: Vec<String>,
}

impl std::fmt::Debug for MailPreview {
    /// Without people and texts.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MailPreview")
            .field("warnings", &self.warnings)
            .finish_non_exhaustive()
    }
}

/// A mail with a session code that was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SharedCase {
    /// Names the occasion.
    pub share_id: String,
    /// SES's id of the mail.
    pub message_id: String,
    /// When it was sent.
    pub sent_at: Timestamp,
    /// Whether it was sent before, and not now.
    pub repeated: bool,
    /// To how many people.
    pub recipients: usize,
    /// What the reader will miss.
    pub warnings: Vec<String>,
}

/// The address by which a supporter enters a session.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct SupporterLink {
    /// Whoever opens it is the supporter: it is for the caller alone, and is stored nowhere.
    #[serde(serialize_with = "reveal")]
    #[schemars(with = "String")]
    pub supporter_link: SecretString,
}

fn reveal<S: serde::Serializer>(secret: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.expose_secret())
}

impl CaseRow {
    /// What the columns name of a case.
    fn new(case: ServiceCase, columns: &[CaseColumn]) -> Self {
        let shows = |column| columns.contains(&column);
        let task = case.task.unwrap_or_default();
        Self {
            state: shows(CaseColumn::State).then_some(case.state),
            online: shows(CaseColumn::Online).then_some(case.online),
            description: case.description.filter(|_| shows(CaseColumn::Description)),
            customer_name: case
                .customer
                .name
                .filter(|_| shows(CaseColumn::CustomerName)),
            customer_email: case
                .customer
                .email
                .filter(|_| shows(CaseColumn::CustomerEmail)),
            task_number: task.number.filter(|_| shows(CaseColumn::TaskNumber)),
            task_table: task.table.filter(|_| shows(CaseColumn::TaskTable)),
            task_sys_id: task.sys_id.filter(|_| shows(CaseColumn::TaskSysId)),
            assigned_to: case.assigned_to.filter(|_| shows(CaseColumn::AssignedTo)),
            group: case
                .group
                .name
                .or(case.group.id)
                .filter(|_| shows(CaseColumn::Group)),
            customer_link: case
                .customer_link
                .filter(|_| shows(CaseColumn::CustomerLink)),
            created_at: case.created_at.filter(|_| shows(CaseColumn::CreatedAt)),
            valid_until: case.valid_until.filter(|_| shows(CaseColumn::ValidUntil)),
            code: case.code,
        }
    }
}

impl CaseTask {
    /// The reference.
    ///
    /// # Errors
    /// `Invalid`, which names the field.
    fn reference(&self) -> Result<TaskReference, Error> {
        let (number, sys_id) = match (&self.number, &self.sys_id) {
            (Some(number), None) => {
                let found = TaskReference::of_key(number).and_then(|found| found.number);
                let number = found.ok_or_else(|| {
                    Error::field(
                        "task.number",
                        "it is not the number of a task: expected one such as INC0010001",
                    )
                })?;
                (Some(number), None)
            }
            (None, Some(sys_id)) => {
                let found = TaskReference::of_key(sys_id).and_then(|found| found.sys_id);
                let sys_id = found.ok_or_else(|| {
                    Error::field(
                        "task.sys_id",
                        "it is not the id of a record: expected 32 hexadecimal digits",
                    )
                })?;
                (None, Some(sys_id))
            }
            (None, None) => {
                return Err(Error::field("task", "expected `number` or `sys_id`"));
            }
            (Some(_), Some(_)) => {
                return Err(Error::field(
                    "task",
                    "expected either `number` or `sys_id`, found both",
                ));
            }
        };
        let usual = number
            .as_deref()
            .and_then(TaskReference::in_text)
            .and_then(|found| found.table);
        let table = self.table.clone().or(usual);
        let is_name = |table: &String| {
            (1..=80).contains(&table.len())
                && table
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        };
        let table = table.filter(is_name).ok_or_else(|| {
            Error::field(
                "task.table",
                "expected the name of the task's table, such as incident",
            )
        })?;
        Ok(TaskReference {
            instance: None,
            table: Some(table),
            sys_id,
            number,
        })
    }
}

/// Refuses what can be neither TeamViewer's id of a user nor an e-mail address before anything is done.
fn check_user(field: &str, user: &str) -> Result<(), Error> {
    if mail::Address::parse(user).is_ok() {
        return Ok(());
    }
    let digits = user.strip_prefix('u').unwrap_or_default();
    let fits = (1..=19).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    if fits {
        return Ok(());
    }
    Err(Error::field(
        field,
        "expected the e-mail address of a user, or TeamViewer's id: `u` and digits, such as u1234",
    ))
}

impl From<&ShareCase> for service_cases::CaseMail {
    fn from(request: &ShareCase) -> Self {
        Self {
            template: request.template.clone(),
            to: request.to.clone(),
            cc: request.cc.clone(),
            share_id: request.share_id.clone(),
            resend: request.resend,
        }
    }
}

impl TeamViewerManagement {
    /// The open service cases. When what is known of them is too old, TeamViewer is asked first, by one caller for all.
    ///
    /// # Errors
    /// `Conflict` when nothing is set for service cases; `Unavailable`; `Internal` when a row cannot be read. What TeamViewer
    /// refuses, and what it or our own side does not do in time, is told as `problem`, beside what was known before.
    pub async fn open_cases(&self, now: Timestamp) -> Result<OpenCases, Error> {
        let (_, settings) = self.case_settings().await?;
        let service_cases = self.service_cases.within(now, POLL_TIME);
        let trouble = match service_cases.poll(&settings, now).await {
            // What is new is in the table, and why nothing is, too.
            Ok(
                PollOutcome::Polled(_) | PollOutcome::NotDue { .. } | PollOutcome::Failed { .. },
            ) => None,
            Err(error) => {
                tracing::warn!(
                    error = startup::chain(&error),
                    "service cases not looked at"
                );
                Some(OWN_TROUBLE.to_owned())
            }
        };
        let found = service_cases.open_cases(&settings.account, now).await?;
        let mut room = LIST_BYTES;
        let mut rows = |cases: Vec<ServiceCase>| fitting(cases, &settings.columns, &mut room);
        let (cases, cut) = rows(found.cases);
        let (expired, expired_cut) = rows(found.expired);
        Ok(OpenCases {
            cases,
            cases_left_out: found.more_cases + cut,
            expired,
            expired_left_out: found.more_expired + expired_cut,
            as_of: found.as_of,
            problem: found.problem.or(trouble),
            refresh_seconds: settings.refresh_seconds,
            columns: settings.columns,
        })
    }

    /// Makes a service case for a ServiceNow task, with the account of whoever asks, or with the company's where that may be
    /// used. The same person gets the same case for the same task.
    ///
    /// # Errors
    /// `Invalid`, `NotFound` when there is no such task; `Conflict` when whoever asks must sign in at TeamViewer first, or
    /// nothing is set for service cases; `Unavailable`: asking again makes no second case.
    pub async fn create_case(
        &self,
        person: &Person,
        request: &NewCase,
        now: Timestamp,
    ) -> Result<MadeCase, Error> {
        let task = request.task.reference()?;
        if let Some(user) = &request.assigned_to {
            check_user("assigned_to", user)?;
        }
        let (settings, cases) = self.case_settings().await?;
        if let Some(table) = task
            .table
            .as_ref()
            .filter(|table| !cases.tables.contains(table))
        {
            let tables = cases.tables.join(", ");
            let problem = format!(
                "found `{table}`, expected one of the tables that service cases are made for: {tables} (`cases.tables` of the settings)"
            );
            return Err(Error::field("task.table", problem));
        }
        let (account, warning) = self.acting(person, &cases).await?;
        let create = CreateCase {
            task,
            user: person.key.clone(),
            account,
            description: request.description.clone(),
            customer: Customer {
                name: request.customer_name.clone(),
                email: request.customer_email.clone(),
            },
            waiting_message: request.waiting_message.clone(),
        };
        let made = self.cases_within(now).create(&settings, &create, now).await;
        let made = made.map_err(|error| of_person(error, person))?;
        let mut case = made.case;
        if let Some(user) = &request.assigned_to {
            let user = self.supporter("assigned_to", user, person, &create.account, now);
            let user = user.await?;
            if case.assigned_to.as_ref() != Some(&user) {
                case = self
                    .cases_within(now)
                    .assign(&case.code, &user, &create.account, now)
                    .await?;
            }
        }
        Ok(MadeCase {
            case,
            created: made.created,
            warnings: warning.into_iter().chain(made.warnings).collect(),
        })
    }

    /// One service case, as TeamViewer has it: asked with the account of whoever asks, or with the company's where that may be
    /// used.
    ///
    /// # Errors
    /// `NotFound`, `Conflict` when nothing is set for service cases, whoever asks must sign in at TeamViewer first, or
    /// TeamViewer refuses; `Unavailable`.
    pub async fn case(
        &self,
        code: &CaseCode,
        person: &Person,
        now: Timestamp,
    ) -> Result<ServiceCase, Error> {
        let (_, settings) = self.case_settings().await?;
        let (account, _) = self.acting(person, &settings).await?;
        let case = self.cases_within(now).case(code, &account, now).await;
        case.map_err(|error| of_person(error, person))
    }

    /// The service cases of a task that are known, newest first, closed ones too.
    ///
    /// # Errors
    /// `Invalid` when several instances have the task and none is named; `Unavailable`; `Internal` when a row cannot be
    /// read.
    pub async fn task_cases(
        &self,
        task: &ServiceNowTask,
        filter: &TaskFilter,
    ) -> Result<Listing<ServiceCase>, Error> {
        let stored = self.stored_task_cases(task, filter).await?;
        Ok(Listing {
            items: stored.into_iter().map(|stored| stored.case).collect(),
        })
    }

    pub(crate) async fn stored_task_cases(
        &self,
        task: &ServiceNowTask,
        filter: &TaskFilter,
    ) -> Result<Vec<StoredCase>, Error> {
        let mut cases = self.service_cases.of_task(task.reference()).await?;
        if let Some(instance) = &filter.instance {
            cases.retain(|stored| instance.has(stored.case.task.as_ref()));
        }
        let mut found = Instances::default();
        for stored in &cases {
            found.note(stored.case.task.as_ref());
        }
        found.check_one(task)?;
        Ok(cases)
    }

    /// Closes a service case, and has its connections fetched. One that is closed stays so.
    ///
    /// # Errors
    /// As [`TeamViewerManagement::case`].
    pub async fn close_case(
        &self,
        code: &CaseCode,
        person: &Person,
        now: Timestamp,
    ) -> Result<ServiceCase, Error> {
        let (_, settings) = self.case_settings().await?;
        let (account, _) = self.acting(person, &settings).await?;
        let closed = self.cases_within(now).close(code, &account, now).await;
        closed.map_err(|error| of_person(error, person))
    }

    /// Assigns a service case to a supporter.
    ///
    /// # Errors
    /// As [`TeamViewerManagement::case`]; `Invalid` when there is no such supporter.
    pub async fn assign_case(
        &self,
        code: &CaseCode,
        request: &AssignCase,
        person: &Person,
        now: Timestamp,
    ) -> Result<ServiceCase, Error> {
        check_user("user", &request.user)?;
        let (_, settings) = self.case_settings().await?;
        let (account, _) = self.acting(person, &settings).await?;
        let user = self.supporter("user", &request.user, person, &account, now);
        let user = user.await?;
        let cases = self.cases_within(now);
        let assigned = cases.assign(code, &user, &account, now).await;
        assigned.map_err(|error| of_person(error, person))
    }

    /// TeamViewer's id of a supporter who is named by that or by an e-mail address.
    async fn supporter(
        &self,
        field: &str,
        user: &str,
        person: &Person,
        account: &AccountName,
        now: Timestamp,
    ) -> Result<String, Error> {
        if !user.contains('@') {
            return Ok(user.to_owned());
        }
        let found = self.cases_within(now).supporter(user, account, now).await;
        found.map_err(|error| {
            if matches!(error, service_cases::Error::UnknownSupporter) {
                Error::field(field, error.to_string())
            } else {
                of_person(error, person)
            }
        })
    }

    /// The mail that sharing the code would send. Nothing is sent and nothing is stored.
    ///
    /// # Errors
    /// `NotFound`, `Invalid`, `Conflict` when nothing is set for it, `Unavailable`.
    pub async fn preview_share(
        &self,
        code: &CaseCode,
        request: &ShareCase,
        person: &Person,
        now: Timestamp,
    ) -> Result<MailPreview, Error> {
        let (settings, cases) = self.case_settings().await?;
        let (account, _) = self.acting(person, &cases).await?;
        let sender = sender(person, &account);
        let cases = self.cases_within(now);
        let mail = request.into();
        let preview = cases.preview_mail(&settings, code, &mail, sender, now);
        let preview = preview.await.map_err(|error| of_person(error, person))?;
        Ok(MailPreview {
            to: preview.to,
            cc: preview.cc,
            subject: preview.subject,
            html: preview.html,
            text: preview.text,
            warnings: preview.warnings,
        })
    }

    /// Sends the code of a service case by mail, once for each name of an occasion.
    ///
    /// # Errors
    /// As [`TeamViewerManagement::preview_share`]; `Conflict` also when it is not known whether the mail was sent before.
    pub async fn share_case(
        &self,
        code: &CaseCode,
        request: &ShareCase,
        person: &Person,
        now: Timestamp,
    ) -> Result<SharedCase, Error> {
        let (settings, cases) = self.case_settings().await?;
        let (account, _) = self.acting(person, &cases).await?;
        let sender = sender(person, &account);
        let cases = self.cases_within(now);
        let mail = request.into();
        let shared = cases.share(&settings, code, &mail, sender, now);
        let shared = shared.await.map_err(|error| of_person(error, person))?;
        Ok(SharedCase {
            share_id: shared.share_id,
            message_id: shared.message_id,
            sent_at: shared.sent_at,
            repeated: shared.repeated,
            recipients: shared.recipients,
            warnings: shared.warnings,
        })
    }

    /// The address by which a supporter enters the session, asked of TeamViewer at this moment.
    ///
    /// # Errors
    /// As [`TeamViewerManagement::case`].
    pub async fn supporter_link(
        &self,
        code: &CaseCode,
        person: &Person,
        now: Timestamp,
    ) -> Result<SupporterLink, Error> {
        let (_, settings) = self.case_settings().await?;
        let (account, _) = self.acting(person, &settings).await?;
        let cases = self.cases_within(now);
        let link = cases.supporter_link(code, &account, now).await;
        let supporter_link = link.map_err(|error| of_person(error, person))?;
        Ok(SupporterLink { supporter_link })
    }

    /// The service cases for one request.
    fn cases_within(&self, now: Timestamp) -> ServiceCases {
        self.service_cases.within(now, REQUEST_TIME)
    }

    /// All settings, and those of service cases.
    async fn case_settings(&self) -> Result<(Settings, CaseSettings), Error> {
        let settings = self.stored_teamviewer_settings().await?;
        let cases = settings.cases.clone().ok_or(Error::NoCasesKept)?;
        Ok((settings, cases))
    }

    /// The account with which somebody works with cases, and what they must know of it. It may be one that they have to
    /// sign in to: a creation waits for that.
    async fn acting(
        &self,
        person: &Person,
        settings: &CaseSettings,
    ) -> Result<(AccountName, Option<String>), Error> {
        let own = self.own_account(person).await?;
        let state = own.as_ref().map(|own| own.state);
        Ok(match own {
            Some(own) if own.state == AccountState::Connected => (own.name, None),
            Some(_) | None if settings.shared => {
                let lost = state == Some(AccountState::Reconnect);
                (settings.account.clone(), lost.then(signed_out))
            }
            Some(_) | None => (person.account(), None),
        })
    }
}

/// The first of the cases, as far as there is room; with how many others there are.
fn fitting(
    cases: Vec<ServiceCase>,
    columns: &[CaseColumn],
    room: &mut usize,
) -> (Vec<CaseRow>, usize) {
    let all = cases.len();
    let rows = cases.into_iter().map(|case| CaseRow::new(case, columns));
    let rows: Vec<_> = rows
        .map_while(|row| {
            // And the comma.
            *room = room.checked_sub(json_bytes(&row) + 1)?;
            Some(row)
        })
        .collect();
    let left_out = all - rows.len();
    (rows, left_out)
}

fn sender<'a>(person: &'a Person, account: &'a AccountName) -> Sender<'a> {
    Sender {
        name: &person.name,
        account,
    }
}

/// Whoever must sign in is told how.
fn of_person(error: service_cases::Error, person: &Person) -> Error {
    match error.sign_in() {
        Some(account) if *account == person.account() => Error::SignInFirst(error),
        Some(_) | None => Error::Case(error),
    }
}

fn signed_out() -> String {
    "your sign-in at TeamViewer is no longer good, so the company's account was used: sign in again"
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn case() -> ServiceCase {
        serde_json::from_value(json!({
            "code": "s119-457-589", "account": "tv", "state": "open", "online": true, "description": "d",
            "customer": {"name": "Eve", "email": "eve@example.com"}, "assigned_to": "u1001", "group": {"id": "g1"},
            "customer_link": "https://get.teamviewer.com/v15/s119457589",
            "task": {"table": "incident", "number": "INC0010001", "sys_id": "0".repeat(32)},
            "created_at": "2026-11-21T10:00:00Z", "valid_until": "2026-11-22T10:00:00Z"
        }))
        .unwrap()
    }

    #[test]
    fn row_shows_what_the_columns_name_and_nothing_else() {
        let row = |columns: &[CaseColumn]| json!(CaseRow::new(case(), columns));
        assert_eq!(row(&[]), json!({"code": "s119-457-589"}));
        assert_eq!(
            row(&[
                CaseColumn::Online,
                CaseColumn::TaskNumber,
                CaseColumn::Group
            ]),
            json!({"code": "s119-457-589", "online": true, "task_number": "INC0010001", "group": "g1"})
        );
        let usual = row(&CaseColumn::USUAL);
        assert!(usual.get("customer_email").is_none(), "{usual}");
        // Every column has its field, under its own name.
        for column in [
            CaseColumn::Code,
            CaseColumn::State,
            CaseColumn::Online,
            CaseColumn::Description,
            CaseColumn::CustomerName,
            CaseColumn::CustomerEmail,
            CaseColumn::TaskNumber,
            CaseColumn::TaskTable,
            CaseColumn::TaskSysId,
            CaseColumn::AssignedTo,
            CaseColumn::Group,
            CaseColumn::CustomerLink,
            CaseColumn::CreatedAt,
            CaseColumn::ValidUntil,
        ] {
            let name = json!(column);
            let row = row(&[column]);
            assert!(row.get(name.as_str().unwrap()).is_some(), "{name}: {row}");
        }
    }

    #[test]
    fn task_is_named_once_and_its_table_is_known() {
        let reference = |task: Value| {
            let task: CaseTask = serde_json::from_value(task).unwrap();
            task.reference()
        };
        let zeros = "0".repeat(32);
        for (task, table, key) in [
            (json!({"number": "inc0010001"}), "incident", "INC0010001"),
            (
                json!({"number": "X0010001", "table": "u_thing"}),
                "u_thing",
                "X0010001",
            ),
            (
                json!({"sys_id": zeros, "table": "incident"}),
                "incident",
                zeros.as_str(),
            ),
        ] {
            let found = reference(task).unwrap();
            assert_eq!(found.table.as_deref(), Some(table));
            assert_eq!(found.sys_id.or(found.number).as_deref(), Some(key));
        }
        for (task, path) in [
            (json!({}), "task"),
            (json!({"number": "INC0010001", "sys_id": zeros}), "task"),
            (json!({"number": "a b"}), "task.number"),
            (json!({"number": zeros}), "task.number"),
            (json!({"sys_id": "1"}), "task.sys_id"),
            (json!({"number": "X0010001"}), "task.table"),
            (json!({"sys_id": zeros, "table": "in cident"}), "task.table"),
        ] {
            let error = reference(task.clone()).unwrap_err();
            assert_eq!(error.fields()[0].path, path, "{task}");
        }
    }

    #[test]
    fn link_and_mail_are_in_no_log() {
        let link = SupporterLink {
            supporter_link: "https://get.teamviewer.com/hunter2".into(),
        };
        assert!(!format!("{link:?}").contains("hunter2"));
        assert!(json!(link).to_string().contains("hunter2"));
        let preview: MailPreview = serde_json::from_value(json!({
            "to": ["hunter2@example.com"], "cc": [], "subject": "hunter2", "html": "hunter2", "warnings": []
        }))
        .unwrap();
        assert!(!format!("{preview:?}").contains("hunter2"));
    }
}
