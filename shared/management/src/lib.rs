//! What people do with a deployed stack: apply definitions, connect accounts, look at what ran, try it again.
//!
//! The command line and the management API both stand on this crate. What crosses the wire between them has
//! its types here, with a JSON Schema each; every [`Error`] has a kind and a text that whoever asked may read.

mod accounts;
mod bus;
mod cases;
mod connections;
mod csv;
mod dry_run;
mod endpoint_secret;
mod endpoints;
mod error;
mod events;
mod explain;
mod history;
mod mail_templates;
mod names;
mod paging;
mod problem;
mod replay;
mod retry;
mod runs;
#[cfg(any(test, feature = "test-support"))]
pub mod samples;
mod schedules;
mod secrets;
mod servicenow_task;
mod teamviewer;
mod teamviewer_queue;
mod workflow_checks;
mod workflow_diff;
mod workflow_filter;
mod workflows;

use ::accounts::Accounts;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use service_cases::ServiceCases;
use startup::AwsConfig;

pub use ::accounts::{Check, Connect, FieldOption, TicketField, Verification};

pub use crate::accounts::{
    AccountDetail, AppliedAccount, ConnectAccount, NewCredential, PutAccount, RenameAccount,
    RenamedAccount,
};
use crate::bus::Bus;
pub use crate::cases::{
    AssignCase, CaseRow, CaseTask, MadeCase, MailPreview, NewCase, OpenCases, ShareCase,
    SharedCase, SupporterLink,
};
pub use crate::connections::{
    ConnectionEntry, ConnectionFilter, ConnectionPage, ConnectionTotals, ListFormat,
    MOST_CONNECTIONS_LISTED, SupporterTotals, TaskConnectionFilter, TaskConnections, TotalsFilter,
    connections_csv,
};
use crate::dry_run::TaskFunctions;
pub use crate::dry_run::{
    AccountAsked, ConditionSeen, DryRun, DryRunRequest, EventSeen, TaskPreview, dry_run_offline,
};
pub use crate::endpoints::{
    AppliedEndpoint, DeletedEndpoint, EndpointDetail, EndpointEntry, SecretChange, SecretChanged,
    read_endpoint,
};
pub use crate::error::{Error, ErrorKind};
pub use crate::events::{
    Answers, AnswersState, Decision, EventDetail, EventEntry, EventFilter, EventQuery,
    MOST_EVENTS_LISTED, Outcome, ReplayEntry,
};
pub use crate::history::{
    AskedFor, HistoryStatus, IntervalOrigin, RefreshConnections, RefreshedTask,
};
pub use crate::mail_templates::{AppliedMailTemplate, read_mail_template};
pub use crate::names::{
    AccountNames, Names, ScheduleNames, TaskFunctionNames, TeamViewerNames, WorkflowNames,
    events_url,
};
pub use crate::paging::{Cursor, NoCursor, Page};
pub use crate::problem::{FieldProblem, FieldWarning, ProblemDetails};
pub use crate::replay::{
    NotReplayed, ReplayEvent, ReplayEvents, ReplayOutcome, ReplayedEvent, ReplayedPage,
};
pub use crate::runs::{
    MOST_LISTED, NotRetried, Retried, RetriedPage, RetryFailed, RetryQuery, RunDetail, RunFilter,
    TaskChange, TaskEnd,
};
use crate::schedules::Schedules;
use crate::secrets::Secrets;
pub use crate::secrets::{Revealed, SecretPresence};
pub use crate::servicenow_task::{
    NoInstance, NoTask, ServiceNowInstance, ServiceNowTask, TaskFilter,
};
pub use crate::teamviewer::{
    AppliedTeamViewerSettings, Person, SignIn, SignInState, SignedIn, TeamViewerSettingsDetail,
    read_teamviewer_settings,
};
use crate::teamviewer_queue::TeamViewerQueue;
pub use crate::workflow_checks::ValidationReport;
pub use crate::workflow_diff::{WorkflowChange, WorkflowDiff};
pub use crate::workflow_filter::{InvalidLabel, Label, WorkflowFilter};
pub use crate::workflows::{
    AppliedWorkflow, Expected, RevisionEntry, RollBackWorkflow, SwitchWorkflow, WorkflowRevision,
    etag, read_workflow,
};

/// A deployed stack, as people work with it who may do everything. Who may do less has one of the parts.
#[derive(Debug)]
pub struct Management {
    /// What is done about events, and what was done.
    pub workflows: WorkflowManagement,
    /// Whatever has a secret: vendors' accounts and endpoints.
    pub accounts: AccountManagement,
    /// Remote-support connections and service cases.
    pub teamviewer: TeamViewerManagement,
}

impl Management {
    /// The stack whose parts have these names. `process` must be unique to this process.
    pub fn new(aws: &AwsConfig, names: Names, accounts: Accounts, process: String) -> Self {
        Self {
            workflows: WorkflowManagement::new(aws, names.workflows),
            accounts: AccountManagement::new(aws, names.accounts, accounts.clone()),
            teamviewer: TeamViewerManagement::new(aws, names.teamviewer, accounts, process),
        }
    }
}

/// Workflows, events and runs. Of accounts and endpoints it reads the rows, and nobody's secret.
#[derive(Debug)]
pub struct WorkflowManagement {
    account_rows: store::Accounts,
    endpoint_rows: store::Endpoints,
    workflow_rows: store::Workflows,
    run_rows: store::Runs,
    event_rows: store::Events,
    reruns: store::Reruns,
    schedules: Schedules,
    task_functions: TaskFunctions,
    bus: Bus,
}

impl WorkflowManagement {
    /// That of the stack whose parts have these names.
    pub fn new(aws: &AwsConfig, names: WorkflowNames) -> Self {
        let tables = store::Client::new(aws);
        Self {
            account_rows: store::Accounts::new(tables.clone(), names.accounts_table),
            endpoint_rows: store::Endpoints::new(tables.clone(), names.endpoints_table),
            workflow_rows: store::Workflows::new(tables.clone(), names.workflows_table),
            run_rows: store::Runs::new(tables.clone(), names.runs_table.clone()),
            event_rows: store::Events::new(tables.clone(), names.events_table.clone()),
            reruns: store::Reruns::new(
                tables,
                names.runs_table,
                names.events_table,
                names.run_retention_days,
            ),
            schedules: Schedules::new(aws, names.schedules),
            task_functions: TaskFunctions::new(aws, names.task_functions),
            bus: Bus::new(aws, names.event_bus),
        }
    }
}

/// Vendors' accounts and endpoints. Of workflows and of what is set for `TeamViewer` it reads which accounts they use.
#[derive(Debug)]
pub struct AccountManagement {
    public_url: String,
    accounts: Accounts,
    endpoint_rows: store::Endpoints,
    secrets: Secrets,
    workflow_rows: store::Workflows,
    teamviewer_rows: store::TeamViewerSettings,
}

impl AccountManagement {
    /// That of the stack whose parts have these names.
    pub fn new(aws: &AwsConfig, names: AccountNames, accounts: Accounts) -> Self {
        let tables = store::Client::new(aws);
        Self {
            public_url: names.public_url,
            accounts,
            endpoint_rows: store::Endpoints::new(tables.clone(), names.endpoints_table),
            secrets: Secrets::new(aws, names.secret_prefix, names.kms_key),
            workflow_rows: store::Workflows::new(tables.clone(), names.workflows_table),
            teamviewer_rows: store::TeamViewerSettings::new(tables, names.teamviewer_table),
        }
    }
}

/// Remote-support connections, service cases, and what is set for both.
#[derive(Debug)]
pub struct TeamViewerManagement {
    /// Every how many hours connections are fetched when the settings do not say.
    every_hours: u16,
    accounts: Accounts,
    connection_rows: store::Connections,
    histories: store::Histories,
    teamviewer_rows: store::TeamViewerSettings,
    template_rows: store::MailTemplates,
    teamviewer_queue: TeamViewerQueue,
    service_cases: ServiceCases,
}

impl TeamViewerManagement {
    /// That of the stack whose parts have these names. `process` must be unique to this process.
    pub fn new(
        aws: &AwsConfig,
        names: TeamViewerNames,
        accounts: Accounts,
        process: String,
    ) -> Self {
        let tables = store::Client::new(aws);
        let table = names.teamviewer_table;
        let cases = service_cases::Config {
            table: table.clone(),
            event_bus: names.event_bus,
            queue_url: names.queue_url.clone(),
            mail: names.mail,
        };
        Self {
            every_hours: names.every_hours,
            service_cases: ServiceCases::new(aws, cases, accounts.clone(), process),
            accounts,
            connection_rows: store::Connections::new(tables.clone(), names.connections_table),
            histories: store::Histories::new(tables.clone(), table.clone()),
            teamviewer_rows: store::TeamViewerSettings::new(tables.clone(), table.clone()),
            template_rows: store::MailTemplates::new(tables, table),
            teamviewer_queue: TeamViewerQueue::new(aws, names.queue_url),
        }
    }
}

/// Everything that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "ListOf{T}")]
pub struct Listing<T> {
    /// In the order that the operation names.
    pub items: Vec<T>,
}

/// What putting something did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Done {
    /// There was none before.
    Created,
    /// There was another one before.
    Updated,
    /// It was the same.
    Unchanged,
}

impl Done {
    /// The text form.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Unchanged => "unchanged",
        }
    }
}
