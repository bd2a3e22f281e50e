use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What TeamViewer's application for ServiceNow calls the role that sees the history of remote sessions. `itil` is
/// ServiceNow's own word.
const SERVICENOW_SESSION_HISTORY_USER: &str = "x_tvgh_teamviewer.session_history_user";

/// What somebody may do.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Everything.
    Admin,
    /// Keeps things going: retries runs, switches workflows, verifies accounts. Reads everything but remote
    /// connections, service cases and mail templates, and what events of those say.
    Operator,
    /// Works on service tasks.
    Itil,
    /// Sees the history of remote sessions.
    SessionHistoryUser,
}

/// A text that is no role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected admin, operator, itil or session_history_user")]
pub struct UnknownRole;

impl Role {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Admin,
        Self::Operator,
        Self::Itil,
        Self::SessionHistoryUser,
    ];

    /// The text form.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Operator => "operator",
            Self::Itil => "itil",
            Self::SessionHistoryUser => "session_history_user",
        }
    }

    /// The roles among these texts, which may be ServiceNow's; others are left out.
    pub(crate) fn known<'a>(texts: impl IntoIterator<Item = &'a str>) -> BTreeSet<Self> {
        let role = |text: &str| match text {
            SERVICENOW_SESSION_HISTORY_USER => Some(Self::SessionHistoryUser),
            text => text.parse().ok(),
        };
        texts.into_iter().filter_map(role).collect()
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        Self::ALL
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or(UnknownRole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_role_is_its_text() {
        for role in Role::ALL {
            assert_eq!(role.to_string().parse(), Ok(role));
            assert_eq!(serde_json::to_value(role).unwrap(), role.as_str());
        }
        assert_eq!("Admin".parse::<Role>(), Err(UnknownRole));
    }
}
