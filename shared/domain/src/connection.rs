//! A remote-support connection, as the history keeps it.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{AccountName, CaseCode, ConnectionId};
use crate::task_reference::TaskReference;

/// One connection of a supporter to a device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Connection {
    /// The vendor's id of it.
    pub id: ConnectionId,
    /// The account whose report it stands in.
    pub account: AccountName,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended; absent while it goes on, or while nobody knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// Who supported.
    #[serde(default)]
    pub supporter: Party,
    /// Who was supported, where a service case says so.
    #[serde(default)]
    pub customer: Customer,
    /// What was connected to.
    #[serde(default)]
    pub device: Party,
    /// The group of what was connected to.
    #[serde(default)]
    pub group: Party,
    /// The code of the service case that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<CaseCode>,
    /// What kind of connection the vendor calls it, as a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<i64>,
    /// What the supporter noted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// What the service case was about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// How the customer rated it, in the vendor's numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rating: Option<i64>,
    /// What the customer said of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// The ServiceNow task that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskReference>,
}

/// Somebody or something by id and name, of which either may be unknown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Party {
    /// The vendor's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// Who is supported.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Customer {
    /// The name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The e-mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
}

impl Connection {
    /// How long it lasted, in seconds; `None` while it goes on. An end before the start is none at all: 0.
    pub fn duration_seconds(&self) -> Option<u64> {
        let seconds = self.ended_at?.duration_since(self.started_at).as_secs();
        Some(u64::try_from(seconds).unwrap_or_default())
    }
}
