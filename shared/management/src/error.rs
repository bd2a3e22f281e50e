use std::fmt;

use domain::id::TemplateName;
use domain::message::RESPONSE_NOTIFIED;
use domain::{AccountName, EndpointName, EventKey, RunId, TaskName, TaskState, WorkflowId};
use retry::Disposition;

use crate::problem::{FieldProblem, ProblemDetails};

/// An operation that was not done. The text says what, why and what to do, and is for whoever asked: nothing
/// in it is secret. The causes behind it are for the log.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No endpoint of this name.
    #[error("there is no endpoint `{0}`: apply it first")]
    UnknownEndpoint(EndpointName),
    /// No workflow of this id.
    #[error("there is no workflow `{0}`")]
    UnknownWorkflow(WorkflowId),
    /// The workflow never had this revision.
    #[error("the workflow `{workflow}` has no revision {revision}: its newest is {newest}")]
    UnknownRevision {
        /// The workflow.
        workflow: WorkflowId,
        /// The revision.
        revision: u32,
        /// The last one that it had.
        newest: u32,
    },
    /// No run of this id.
    #[error("there is no run `{0}`: it has expired, or belongs to another stack")]
    UnknownRun(RunId),
    /// No event of this key.
    #[error(
        "there is no event `{0}`: it has not been evaluated yet (ask again in a moment), has expired (see the stack's \
         parameter EventRetentionDays), was refused at the endpoint (its sender was told why), or belongs to another stack"
    )]
    UnknownEvent(EventKey),
    /// The event has no answers.
    #[error(
        "the event `{event}` is of the type `{kind}`: only one of the type {RESPONSE_NOTIFIED} says that there are answers \
         to be fetched"
    )]
    NoAnswersToFetch {
        /// The event.
        event: EventKey,
        /// Its type.
        kind: String,
    },
    /// No template of this name.
    #[error("there is no mail template `{0}`: apply it first")]
    UnknownTemplate(TemplateName),
    /// Nothing is set for the history of connections.
    #[error(
        "no history of connections is kept: set `history.account` first, with `teamviewer settings apply` or PUT /v1/teamviewer/settings"
    )]
    NoHistoryKept,
    /// Nothing is set for service cases.
    #[error(
        "service cases are not set up: set `cases.account` and `cases.group` first, with `teamviewer settings apply` or PUT \
         /v1/teamviewer/settings"
    )]
    NoCasesKept,
    /// Nothing is set for signing in.
    #[error(
        "nobody can sign in at TeamViewer: set `cases.sign_in_account` first, to an account with an OAuth client, with \
         `teamviewer settings apply` or PUT /v1/teamviewer/settings"
    )]
    NoSignIn,
    /// What is set for TeamViewer would stop working.
    #[error(
        "the account `{account}` is named by {} of what is set for TeamViewer: change that first, or force it",
        Listed("setting", .settings)
    )]
    AccountInSettings {
        /// The account.
        account: AccountName,
        /// Where it is named.
        settings: Vec<&'static str>,
    },
    /// Workflows would stop working.
    #[error(
        "the account `{account}` is used by {}: delete or change them first, or force it",
        Listed("workflow", .workflows)
    )]
    AccountInUse {
        /// The account.
        account: AccountName,
        /// The workflows that use it.
        workflows: Vec<WorkflowId>,
    },
    /// The workflow is not the one that the caller has seen.
    #[error("the workflow `{workflow}` is {}, not {expected}: read it again, then apply your change to it", revision(*.found))]
    Stale {
        /// The workflow.
        workflow: WorkflowId,
        /// What the caller expected.
        expected: crate::Expected,
        /// Its revision; `None` when there is no such workflow.
        found: Option<u32>,
    },
    /// Somebody else was faster.
    #[error(
        "somebody else changed {what} in between: look at it, then repeat this if it still applies"
    )]
    ChangedInBetween {
        /// What was changed.
        what: String,
    },
    /// The document cannot be used.
    #[error("{}", Problems(.0))]
    Invalid(Vec<FieldProblem>),
    /// The endpoint takes every request.
    #[error("the endpoint `{0}` verifies nothing, so it has no secret")]
    NoSecretNeeded(EndpointName),
    /// The endpoint refuses every request.
    #[error("the endpoint `{0}` has no secret: put one first")]
    NoSecret(EndpointName),
    /// The stored secret of an endpoint was not written by this product.
    #[error(
        "the secret `{id}` cannot be read: expected a JSON object with the texts `current` and, while it is being replaced, `previous`"
    )]
    UnreadableSecret {
        /// Its name in Secrets Manager.
        id: String,
    },
    /// The scheme cannot work with the secret.
    #[error("the secret does not fit the endpoint's verification: {0}")]
    UnfitSecret(webhook_signature::SigningError),
    /// There is nothing to try again.
    #[error("the run {0} succeeded: there is nothing to try again")]
    NothingFailed(RunId),
    /// The run has no such task.
    #[error("the run {run} has no task `{task}`: it has {}", Listed("task", .tasks))]
    UnknownTask {
        /// The run.
        run: RunId,
        /// The task.
        task: TaskName,
        /// The run's tasks.
        tasks: Vec<TaskName>,
    },
    /// The task cannot be tried again by itself.
    #[error(
        "the task `{task}` of the run {run} {}: only a task that failed can be tried again, and what was skipped for \
         its sake follows",
        if *.state == TaskState::Skipped { "was skipped" } else { "has succeeded" }
    )]
    TaskNotFailed {
        /// The run.
        run: RunId,
        /// The task.
        task: TaskName,
        /// Its state.
        state: TaskState,
    },
    /// Two runs could create the same thing at once.
    #[error(
        "the run {running} goes on, and its tasks have the same keys at the vendor: wait until it has ended, since both \
         could create the same thing at once{}",
        if *.may_have_new_keys { ", or replay with new keys" } else { "" }
    )]
    KeysInUse {
        /// The run that goes on.
        running: RunId,
        /// Whether what was asked for can be had with new keys.
        may_have_new_keys: bool,
    },
    /// The workflow starts nothing.
    #[error("the workflow `{0}` is switched off: switch it on first, or replay regardless of that")]
    WorkflowOff(WorkflowId),
    /// No more replays can be kept.
    #[error("the event `{0}` was replayed {most} times, and no more can be kept", most = store::MOST_REPLAYS)]
    ReplayedTooOften(EventKey),
    /// Trying again has the same end.
    #[error("the run {run} would fail again at once, so nothing was changed: {}", reasons.join("; "))]
    WouldFailAgain {
        /// The run.
        run: RunId,
        /// Why, for each task that would fail.
        reasons: Vec<String>,
    },
    /// Piped text cannot be filled in any more.
    #[error(
        "the run {run} cannot be tried again, so nothing was changed: its event has expired, and without it the input of {} cannot be filled in",
        Listed("task", .waiting)
    )]
    EventExpired {
        /// The run.
        run: RunId,
        /// The tasks that wait for their input.
        waiting: Vec<TaskName>,
    },
    /// A table did not do what it was told to.
    #[error(transparent)]
    Table(#[from] store::Error),
    /// An account could not be worked with.
    #[error(transparent)]
    Account(#[from] ::accounts::Error),
    /// A service case could not be worked with.
    #[error(transparent)]
    Case(service_cases::Error),
    /// Whoever asks must sign in first, with an account of their own.
    #[error(
        "{0}. To sign in: `closedloop teamviewer sign-in`, or POST /v1/teamviewer/sign-in, gives the address"
    )]
    SignInFirst(service_cases::Error),
    /// AWS did not answer as hoped.
    #[error("{attempted} failed{}", code.as_deref().map(|code| format!(" with {code}")).unwrap_or_default())]
    Aws {
        /// What was to be done.
        attempted: &'static str,
        /// The service's error code.
        code: Option<String>,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// What was to be done is stored, but not everybody was told.
    #[error("the bus refused a message: {code}; do the same again")]
    BusRefused {
        /// The bus's error code.
        code: String,
    },
    /// No secret can be made.
    #[error("no random bytes could be had")]
    NoRandomness(#[source] getrandom::Error),
}

/// What an error means for whoever asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// There is no such thing.
    NotFound,
    /// What is there is in the way.
    Conflict,
    /// It is not the one that the caller has seen.
    Stale,
    /// What was sent cannot be used.
    Invalid,
    /// Nobody may do that.
    Forbidden,
    /// Try again, in a moment.
    Unavailable,
    /// Somebody who runs the stack must look at it.
    Internal,
}

impl ErrorKind {
    /// The HTTP status.
    pub fn status(self) -> u16 {
        match self {
            Self::NotFound => 404,
            Self::Conflict => 409,
            Self::Stale => 412,
            Self::Invalid => 422,
            Self::Forbidden => 403,
            Self::Unavailable => 503,
            Self::Internal => 500,
        }
    }

    fn slug(self) -> &'static str {
        match self {
            Self::NotFound => "not-found",
            Self::Conflict => "conflict",
            Self::Stale => "stale",
            Self::Invalid => "invalid",
            Self::Forbidden => "forbidden",
            Self::Unavailable => "unavailable",
            Self::Internal => "internal",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::NotFound => "Not found",
            Self::Conflict => "In conflict with what is there",
            Self::Stale => "Changed in between",
            Self::Invalid => "Cannot be used as it is",
            Self::Forbidden => "Not allowed",
            Self::Unavailable => "Temporarily unavailable",
            Self::Internal => "Cannot be done now",
        }
    }
}

impl From<service_cases::Error> for Error {
    fn from(error: service_cases::Error) -> Self {
        Self::Case(error)
    }
}

impl Error {
    /// What the error means for whoever asked. Exhaustive on purpose: a new error must choose.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::UnknownEndpoint(_)
            | Self::UnknownWorkflow(_)
            | Self::UnknownRevision { .. }
            | Self::UnknownRun(_)
            | Self::UnknownTask { .. }
            | Self::UnknownTemplate(_)
            | Self::UnknownEvent(_) => ErrorKind::NotFound,
            Self::AccountInUse { .. }
            | Self::AccountInSettings { .. }
            | Self::NoHistoryKept
            | Self::NoCasesKept
            | Self::NoSignIn
            | Self::ChangedInBetween { .. }
            | Self::NoSecretNeeded(_)
            | Self::NoSecret(_)
            | Self::NothingFailed(_)
            | Self::TaskNotFailed { .. }
            | Self::KeysInUse { .. }
            | Self::WorkflowOff(_)
            | Self::ReplayedTooOften(_)
            | Self::NoAnswersToFetch { .. }
            | Self::WouldFailAgain { .. }
            | Self::EventExpired { .. } => ErrorKind::Conflict,
            Self::Stale { .. } => ErrorKind::Stale,
            Self::Invalid(_) | Self::UnfitSecret(_) => ErrorKind::Invalid,
            Self::Table(error) => of_table(error),
            Self::Account(error) => of_account(error),
            Self::Case(error) | Self::SignInFirst(error) => of_case(error.kind()),
            Self::Aws { code, .. } => match code.as_deref() {
                // The stack's own rights are wrong, which no repetition mends.
                Some(code) if code.starts_with("AccessDenied") => ErrorKind::Internal,
                Some(_) | None => ErrorKind::Unavailable,
            },
            Self::BusRefused { .. } => ErrorKind::Unavailable,
            Self::UnreadableSecret { .. } | Self::NoRandomness(_) => ErrorKind::Internal,
        }
    }

    /// What is wrong with each field of the request; empty when that is not what is wrong.
    pub fn fields(&self) -> Vec<FieldProblem> {
        if let Self::Invalid(problems) = self {
            return problems.clone();
        }
        self.field_at_fault()
            .map(|path| FieldProblem {
                path: path.to_owned(),
                problem: self.to_string(),
            })
            .into_iter()
            .collect()
    }

    fn field_at_fault(&self) -> Option<&'static str> {
        if let Self::Case(error) = self {
            return error.field();
        }
        let Self::Account(error) = self else {
            return matches!(self, Self::UnfitSecret(_)).then_some("secret");
        };
        if matches!(error, ::accounts::Error::Instance(_)) {
            Some("instance")
        } else if matches!(error, ::accounts::Error::WrongKind { .. }) {
            Some("credential.kind")
        } else if matches!(error, ::accounts::Error::Email { .. }) {
            Some("credential.email")
        } else if matches!(error, ::accounts::Error::NoClientSecret(_)) {
            Some("client_secret")
        } else {
            matches!(error, ::accounts::Error::NoClient(_)).then_some("client_id")
        }
    }

    /// The error as the API tells it.
    pub fn problem(&self) -> ProblemDetails {
        let kind = self.kind();
        ProblemDetails {
            errors: self.fields(),
            ..ProblemDetails::new(kind.slug(), kind.title(), kind.status(), self.to_string())
        }
    }

    /// One field that cannot be used.
    pub(crate) fn field(path: &str, problem: impl Into<String>) -> Self {
        Self::Invalid(vec![FieldProblem {
            path: path.to_owned(),
            problem: problem.into(),
        }])
    }

    /// An AWS call that was not answered as hoped.
    pub(crate) fn aws(attempted: &'static str) -> impl FnOnce(aws::Error) -> Self {
        move |error| Self::Aws {
            attempted,
            code: error.code().map(str::to_owned),
            source: Box::new(error),
        }
    }
}

fn of_table(error: &store::Error) -> ErrorKind {
    match error {
        store::Error::Unavailable { .. } => ErrorKind::Unavailable,
        store::Error::Conflict { .. } => ErrorKind::Conflict,
        store::Error::TooLarge { .. } => ErrorKind::Invalid,
        store::Error::Corrupt { .. } => ErrorKind::Internal,
    }
}

fn of_account(error: &::accounts::Error) -> ErrorKind {
    use ::accounts::Error as Account;
    match error {
        Account::Unknown(_) => ErrorKind::NotFound,
        Account::WrongKind { .. }
        | Account::Email { .. }
        | Account::Instance(_)
        | Account::NoClient(_)
        | Account::NoClientSecret(_) => ErrorKind::Invalid,
        Account::WrongVendor { .. }
        | Account::NoSecret(_)
        | Account::UnusableSecret { .. }
        | Account::NotConnected(_)
        | Account::Reconnect { .. }
        | Account::Taken(_)
        | Account::OldName { .. }
        | Account::Busy(_) => ErrorKind::Conflict,
        Account::Refreshing { .. }
        | Account::Interrupted(_)
        | Account::NoTime(_)
        | Account::SecretsManager { .. }
        | Account::Bus { .. } => ErrorKind::Unavailable,
        Account::Table { source, .. } | Account::Listing(source) => of_table(source),
        Account::Renewal { disposition, .. } | Account::Vendor { disposition, .. } => {
            of_disposition(*disposition)
        }
        Account::NoPublicUrl => ErrorKind::Internal,
    }
}

fn of_case(kind: service_cases::ErrorKind) -> ErrorKind {
    use service_cases::ErrorKind as Case;
    match kind {
        Case::NotFound => ErrorKind::NotFound,
        Case::Conflict | Case::NotSetUp => ErrorKind::Conflict,
        Case::Invalid => ErrorKind::Invalid,
        Case::Unavailable => ErrorKind::Unavailable,
        Case::Internal => ErrorKind::Internal,
    }
}

/// What a vendor's refusal means for whoever asked.
fn of_disposition(disposition: Disposition) -> ErrorKind {
    match disposition {
        Disposition::Retry { .. } | Disposition::Reconcile { .. } => ErrorKind::Unavailable,
        Disposition::Wait { .. } | Disposition::GiveUp => ErrorKind::Conflict,
    }
}

fn revision(found: Option<u32>) -> String {
    found.map_or_else(
        || "not there".to_owned(),
        |revision| format!("at revision {revision}"),
    )
}

/// What is wrong: one thing in its own words, several below each other.
struct Problems<'a>(&'a [FieldProblem]);

impl fmt::Display for Problems<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [only] = self.0 else {
            write!(f, "there are {} problems", self.0.len())?;
            return self
                .0
                .iter()
                .try_for_each(|problem| write!(f, "\n  {problem}"));
        };
        write!(f, "{only}")
    }
}

/// What they are, and their names.
struct Listed<'a, T>(&'static str, &'a [T]);

impl<T: fmt::Display> fmt::Display for Listed<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(what, names) = self;
        let plural = if names.len() == 1 { "" } else { "s" };
        write!(f, "the {what}{plural} ")?;
        for (index, name) in names.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}`{name}`")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problem_details_say_what_why_and_what_to_do() {
        let workflow = |id: &str| WorkflowId::parse(id).unwrap();
        let in_use = Error::AccountInUse {
            account: AccountName::parse("support").unwrap(),
            workflows: vec![workflow("a"), workflow("b")],
        };
        assert_eq!(
            serde_json::to_value(in_use.problem()).unwrap(),
            serde_json::json!({
                "type": "/problems/conflict", "title": "In conflict with what is there", "status": 409,
                "detail": "the account `support` is used by the workflows `a`, `b`: delete or change them first, or force it"
            })
        );
        let invalid = Error::Invalid(vec![
            FieldProblem {
                path: "tasks[0].account".to_owned(),
                problem: "no".to_owned(),
            },
            FieldProblem {
                path: String::new(),
                problem: "too large".to_owned(),
            },
        ]);
        let problem = invalid.problem();
        assert_eq!(problem.status, 422);
        assert_eq!(
            problem.detail,
            "there are 2 problems\n  tasks[0].account: no\n  too large"
        );
        assert_eq!(problem.errors, invalid.fields());
    }

    #[test]
    fn kinds_tell_whether_repeating_helps() {
        let aws = |code: Option<&str>| Error::Aws {
            attempted: "storing a secret",
            code: code.map(str::to_owned),
            source: "no".into(),
        };
        let table = |source: store::Error| Error::from(source);
        let operation = "reading a run";
        for (error, kind) in [
            (aws(Some("ThrottlingException")), ErrorKind::Unavailable),
            (aws(None), ErrorKind::Unavailable),
            (aws(Some("AccessDeniedException")), ErrorKind::Internal),
            (
                table(store::Error::Conflict { operation }),
                ErrorKind::Conflict,
            ),
            (
                table(store::Error::TooLarge {
                    operation,
                    what: "workflow",
                }),
                ErrorKind::Invalid,
            ),
        ] {
            assert_eq!(error.kind(), kind, "{error}");
        }
    }
}
