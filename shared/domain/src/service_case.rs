//! A service case: a code by which a customer lets a supporter in.

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::connection::{Customer, Party};
use crate::id::{AccountName, CaseCode};
use crate::task_reference::TaskReference;

/// So long after its time a case is left to itself, though it may be open at the vendor for ever.
const LONG: SignedDuration = SignedDuration::from_hours(30 * 24);

/// A service case, without the links that let supporters in: whoever holds one of those is a supporter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ServiceCase {
    /// The session code that the customer is given.
    pub code: CaseCode,
    /// The account that it was seen with.
    pub account: AccountName,
    /// Whether it is open. One whose time is over stays open at the vendor: see [`ServiceCase::is_expired`].
    pub state: CaseState,
    /// Whether the customer waits.
    #[serde(default)]
    pub online: bool,
    /// What it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Who is supported.
    #[serde(default)]
    pub customer: Customer,
    /// The supporter whom it is assigned to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assigned_to: Option<String>,
    /// The group that it belongs to.
    #[serde(default)]
    pub group: Party,
    /// The address that the customer opens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_link: Option<String>,
    /// The ServiceNow task that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskReference>,
    /// When it was created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
    /// Until when the code can be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<Timestamp>,
    /// When it was closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_at: Option<Timestamp>,
}

/// Whether a service case is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CaseState {
    /// It is open.
    Open,
    /// It was closed, or is no longer there.
    Closed,
}

impl CaseState {
    /// The text form.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
        }
    }
}

impl ServiceCase {
    /// Whether its time is over, which leaves it open at the vendor.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.valid_until.is_some_and(|end| end <= now)
    }

    /// Whether its time has been over for so long (30 days) that nobody is shown it as open, or asks how it stands.
    pub fn is_long_over(&self, now: Timestamp) -> bool {
        self.valid_until
            .is_some_and(|end| now.duration_since(end) >= LONG)
    }
}

/// What a list of service cases can show.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum CaseColumn {
    /// The session code.
    Code,
    /// Whether it is open.
    State,
    /// Whether the customer waits.
    Online,
    /// What it is about.
    Description,
    /// The customer's name.
    CustomerName,
    /// The customer's e-mail address.
    CustomerEmail,
    /// The number of the ServiceNow task.
    TaskNumber,
    /// The table of the ServiceNow task.
    TaskTable,
    /// The id of the ServiceNow task.
    TaskSysId,
    /// The supporter whom it is assigned to.
    AssignedTo,
    /// The group's name, or its id.
    Group,
    /// The address that the customer opens.
    CustomerLink,
    /// When it was created.
    CreatedAt,
    /// Until when the code can be used.
    ValidUntil,
}

impl CaseColumn {
    /// What is shown when nobody has chosen.
    pub const USUAL: [Self; 8] = [
        Self::Code,
        Self::Online,
        Self::TaskNumber,
        Self::Description,
        Self::CustomerName,
        Self::AssignedTo,
        Self::CreatedAt,
        Self::ValidUntil,
    ];
}
