//! Connected vendor accounts: everything about them but the secret.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::AccountName;

/// The systems that tasks work in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Vendor {
    /// ServiceNow.
    ServiceNow,
    /// Zendesk.
    Zendesk,
}

impl Vendor {
    /// The text form, which is also the first part of its task kinds.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ServiceNow => "servicenow",
            Self::Zendesk => "zendesk",
        }
    }
}

impl std::fmt::Display for Vendor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A connected account. Its secret lies in Secrets Manager under a name derived from the account's name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The name that workflows use.
    pub name: AccountName,
    /// Whose account it is.
    pub vendor: Vendor,
    /// The first label of the vendor's host name: ServiceNow's instance, Zendesk's subdomain.
    pub instance: String,
    /// When the account or its secret was last put.
    pub updated_at: Timestamp,
}
