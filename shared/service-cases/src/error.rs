use domain::{AccountName, CaseCode, TemplateName};
use jiff::Timestamp;
use retry::Disposition;

use crate::mapping::time_text;

/// What was not done. The text says what, why and what to do, and is for whoever asked: nothing in it is secret.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Service cases are not set up. Give up.
    #[error("service cases are not set up: put the settings for TeamViewer, with `cases`, first")]
    NotSetUp,
    /// No case of this code. Give up.
    #[error("there is no service case `{0}`, or none that the account may see")]
    UnknownCase(CaseCode),
    /// The case can no longer be used. Give up.
    #[error("the service case `{code}` {}: create another one", if *.is_expired { "has expired" } else { "is closed" })]
    CaseOver {
        /// The case.
        code: CaseCode,
        /// Whether its time is over; it was closed otherwise.
        is_expired: bool,
    },
    /// TeamViewer did not tell the link. Give up: the account may not have it.
    #[error("TeamViewer tells no link for supporters of the service case `{0}`")]
    NoSupporterLink(CaseCode),
    /// An account cannot be used.
    #[error(transparent)]
    Account(#[from] accounts::Error),
    /// Somebody must sign in first. The case is created by itself then.
    #[error(
        "sign in at TeamViewer: the account `{account}` cannot be used yet. The service case is created by itself once it is connected, until {}; or ask again then", time_text(*.until)
    )]
    SignIn {
        /// The account that must be connected.
        account: AccountName,
        /// Nobody waits for it any longer then.
        until: Timestamp,
        /// Why it cannot be used.
        #[source]
        source: Box<accounts::Error>,
    },
    /// TeamViewer did not do what was asked.
    #[error("TeamViewer, with the account `{account}`: {error}")]
    TeamViewer {
        /// The account.
        account: AccountName,
        /// What happened.
        error: Box<teamviewer::Error>,
    },
    /// As many cases are open as the licence allows. Try again once some are closed.
    #[error(
        "there are as many open service cases as the TeamViewer licence of the account `{account}` allows: close some, then create this one again"
    )]
    LicenseLimit {
        /// The account.
        account: AccountName,
    },
    /// The group of new cases is not there. Give up: a name that is not known would make a group.
    #[error(
        "there is no TeamViewer group `{name}` that the account `{account}` can see: correct `cases.group` in the settings, or give the group's id"
    )]
    UnknownGroup {
        /// Its name.
        name: String,
        /// The account that looked for it.
        account: AccountName,
    },
    /// Somebody else is creating the case, or it is left alone after an unclear answer. Try again then.
    #[error("the service case is being created: ask again after {}", time_text(*.until))]
    BeingCreated {
        /// Not before.
        until: Timestamp,
    },
    /// TeamViewer may have created the case. The next call looks for it.
    #[error(
        "TeamViewer did not say whether it created the service case: ask again in half a minute, it is looked for first ({problem})"
    )]
    CreationUnclear {
        /// What happened.
        problem: String,
    },
    /// The list of open cases was not complete, so that nothing follows from what it lacks. Retry.
    #[error("TeamViewer's list of open service cases was not complete: {problem}")]
    IncompleteList {
        /// Why.
        problem: String,
    },
    /// The list of open cases was not had in time. Retry.
    #[error("there was no time left for TeamViewer's list of open service cases")]
    NoTime,
    /// ServiceNow did not tell the task.
    #[error("ServiceNow, with the account `{account}`: {error}")]
    ServiceNow {
        /// The account.
        account: AccountName,
        /// What happened.
        error: Box<servicenow::Error>,
    },
    /// The task is not named as one can be. Give up.
    #[error("`task` cannot be read: {0}")]
    InvalidTask(String),
    /// The task is in a table that is not read. Give up.
    #[error(
        "the task is in the table `{table}`, and of ServiceNow only those of `cases.tables` in the settings are read"
    )]
    OtherTable {
        /// The task's.
        table: String,
    },
    /// The task belongs to another instance than the account. Give up.
    #[error(
        "the task belongs to the instance `{instance}`, and the account `{account}` reads another one"
    )]
    OtherInstance {
        /// The task's.
        instance: String,
        /// The account.
        account: AccountName,
    },
    /// What was asked for cannot be used. Give up.
    #[error("`{field}` cannot be used: {problem}")]
    Invalid {
        /// Of the request.
        field: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// No user, or more than one, has the e-mail address. Give up.
    #[error(
        "TeamViewer shows no user with this e-mail address, or several: take the id, such as u1234"
    )]
    UnknownSupporter,
    /// No template of this name. Give up.
    #[error("there is no mail template `{0}`")]
    UnknownTemplate(TemplateName),
    /// Nobody to send the mail to. Give up.
    #[error(
        "neither the service case nor its task names an e-mail address of the customer: say whom the mail is for (`to`)"
    )]
    NoRecipient,
    /// Another mail was sent under the id. Give up.
    #[error("another mail was shared as `{0}`: choose another `share_id`")]
    ShareIdTaken(String),
    /// The mail is being sent by somebody else. Try again then.
    #[error("the mail is being sent: ask again after {}", time_text(*.until))]
    BeingSent {
        /// Not before.
        until: Timestamp,
    },
    /// Nobody knows whether the mail was sent. Give up: a person decides.
    #[error(
        "the mail was begun at {}, and nobody knows whether it was sent: ask the customer, or have it sent once more (`resend`)", time_text(*.since)
    )]
    MailUnclear {
        /// When it was begun.
        since: Timestamp,
    },
    /// The mail was not sent, or perhaps was.
    #[error(transparent)]
    Mail(#[from] mail::Error),
    /// A table did not do what it was told to.
    #[error(transparent)]
    Table(#[from] store::Error),
    /// Too many change the case at once. Retry.
    #[error("the service case is being changed by others: try again")]
    Busy,
    /// The bus did not take an event. Retry.
    #[error("the bus did not take an event{}", with_code(code.as_deref()))]
    Bus {
        /// The service's error code.
        code: Option<String>,
        /// The cause, for logs: it may name resources.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// The queue did not take a message. Retry.
    #[error("the queue did not take a message{}", with_code(code.as_deref()))]
    Queue {
        /// The service's error code.
        code: Option<String>,
        /// The cause, for logs: it may name resources.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// What an error means for whoever asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// There is no such thing.
    NotFound,
    /// What is there is in the way.
    Conflict,
    /// What was sent cannot be used.
    Invalid,
    /// Something must be set, or connected, first.
    NotSetUp,
    /// Try again, in a moment.
    Unavailable,
    /// Somebody who runs the stack must look at it.
    Internal,
}

impl Error {
    /// What to do next. Exhaustive on purpose: a new error must choose.
    pub fn disposition(&self) -> Disposition {
        match self {
            Self::NotSetUp
            | Self::UnknownCase(_)
            | Self::CaseOver { .. }
            | Self::NoSupporterLink(_)
            | Self::UnknownGroup { .. }
            | Self::InvalidTask(_)
            | Self::OtherTable { .. }
            | Self::OtherInstance { .. }
            | Self::Invalid { .. }
            | Self::UnknownTemplate(_)
            | Self::NoRecipient
            | Self::UnknownSupporter
            | Self::ShareIdTaken(_)
            | Self::MailUnclear { .. } => Disposition::GiveUp,
            Self::Account(source) => source.disposition(),
            Self::SignIn { source, .. } => source.disposition(),
            Self::TeamViewer { error, .. } => error.disposition(),
            Self::ServiceNow { error, .. } => error.disposition(),
            Self::Mail(source) => source.disposition(),
            Self::Table(source) if source.is_permanent() => Disposition::GiveUp,
            Self::CreationUnclear { .. } => Disposition::RECONCILE,
            Self::Table(_)
            | Self::LicenseLimit { .. }
            | Self::BeingCreated { .. }
            | Self::BeingSent { .. }
            | Self::IncompleteList { .. }
            | Self::NoTime
            | Self::Busy
            | Self::Bus { .. }
            | Self::Queue { .. } => Disposition::RETRY,
        }
    }

    /// What the error means for whoever asked.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::UnknownCase(_) | Self::UnknownTemplate(_) => ErrorKind::NotFound,
            Self::CaseOver { .. }
            | Self::NoSupporterLink(_)
            | Self::LicenseLimit { .. }
            | Self::OtherTable { .. }
            | Self::OtherInstance { .. }
            | Self::ShareIdTaken(_)
            | Self::MailUnclear { .. }
            | Self::BeingCreated { .. }
            | Self::BeingSent { .. } => ErrorKind::Conflict,
            Self::InvalidTask(_)
            | Self::Invalid { .. }
            | Self::UnknownSupporter
            | Self::NoRecipient => ErrorKind::Invalid,
            Self::NotSetUp | Self::SignIn { .. } | Self::UnknownGroup { .. } => ErrorKind::NotSetUp,
            Self::TeamViewer { error, .. }
                if matches!(error.kind, teamviewer::ErrorKind::Input(_)) =>
            {
                ErrorKind::Invalid
            }
            Self::ServiceNow { error, .. }
                if matches!(error.disposition(), Disposition::GiveUp) =>
            {
                ErrorKind::Conflict
            }
            Self::Mail(source) if source.kind == mail::ErrorKind::NotSetUp => ErrorKind::NotSetUp,
            Self::Account(_) | Self::TeamViewer { .. } => match self.disposition() {
                Disposition::Wait { .. } => ErrorKind::NotSetUp,
                Disposition::GiveUp => ErrorKind::Conflict,
                Disposition::Retry { .. } | Disposition::Reconcile { .. } => ErrorKind::Unavailable,
            },
            Self::Mail(_) => match self.disposition() {
                Disposition::GiveUp => ErrorKind::Conflict,
                Disposition::Wait { .. }
                | Disposition::Retry { .. }
                | Disposition::Reconcile { .. } => ErrorKind::Unavailable,
            },
            Self::Table(source) if source.is_permanent() => ErrorKind::Internal,
            Self::Table(_)
            | Self::ServiceNow { .. }
            | Self::CreationUnclear { .. }
            | Self::IncompleteList { .. }
            | Self::NoTime
            | Self::Busy
            | Self::Bus { .. }
            | Self::Queue { .. } => ErrorKind::Unavailable,
        }
    }

    /// Which field of the request is at fault.
    pub fn field(&self) -> Option<&'static str> {
        use teamviewer::ErrorKind::Input;
        use teamviewer::InvalidInput::{Id, TooLong};
        if let Self::TeamViewer { error, .. } = self
            && let Input(TooLong { field, .. } | Id { field, .. }) = &error.kind
        {
            return Some(field);
        }
        let named = [
            (matches!(self, Self::InvalidTask(_)), "task"),
            (matches!(self, Self::OtherInstance { .. }), "task"),
            (matches!(self, Self::UnknownTemplate(_)), "template"),
            (matches!(self, Self::NoRecipient), "to"),
            (matches!(self, Self::ShareIdTaken(_)), "share_id"),
        ];
        if let Self::Invalid { field, .. } = self {
            return Some(field);
        }
        named
            .into_iter()
            .find_map(|(is_it, field)| is_it.then_some(field))
    }

    /// The account that somebody must connect, or connect again, before this can be done.
    pub fn sign_in(&self) -> Option<&AccountName> {
        use accounts::Error::{NoSecret, NotConnected, Reconnect, Unknown};
        if let Self::SignIn { account, .. } = self {
            return Some(account);
        }
        let Self::Account(
            NotConnected(name) | Unknown(name) | NoSecret(name) | Reconnect { name, .. },
        ) = self
        else {
            return None;
        };
        Some(name)
    }

    /// Whether our own side is in trouble, rather than a vendor or an account.
    pub(crate) fn is_own_trouble(&self) -> bool {
        matches!(
            self,
            Self::Table(_) | Self::Busy | Self::Bus { .. } | Self::Queue { .. }
        )
    }

    /// Whether TeamViewer says that there is no such thing.
    pub(crate) fn is_absent(&self) -> bool {
        matches!(self, Self::TeamViewer { error, .. } if error.is_absent())
    }

    /// Whether TeamViewer does not let the account see, or change, what was asked for.
    pub(crate) fn is_of_case(&self) -> bool {
        matches!(self, Self::TeamViewer { error, .. } if error.is_absent() || error.is_forbidden())
    }

    /// Whether the account, rather than what was asked, is at fault: another one may do.
    pub(crate) fn is_of_account(&self) -> bool {
        if let Self::TeamViewer { error, .. } = self {
            return error.is_unauthorized() || error.is_forbidden() || error.is_absent();
        }
        matches!(self, Self::Account(_))
    }
}

/// What AWS calls the failure: its words may name roles and accounts.
fn with_code(code: Option<&str>) -> String {
    code.map(|code| format!(" ({code})")).unwrap_or_default()
}
