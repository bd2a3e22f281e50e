//! What the people and groups that records point to are looked up by.

use crate::{QueryText, SysId};

/// The table of users.
pub(crate) const USERS: &str = "sys_user";
/// The table of groups.
pub(crate) const GROUPS: &str = "sys_user_group";

/// What a person or a group is looked up by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReferenceKey {
    /// A user's e-mail address. Case does not count.
    UserEmail,
    /// A user's name as it is shown.
    UserFullName,
    /// The name that a user signs in with.
    UserName,
    /// A group's name.
    GroupName,
}

impl ReferenceKey {
    /// The column that is compared.
    pub fn column(self) -> &'static str {
        match self {
            Self::UserEmail => "email",
            Self::UserFullName | Self::GroupName => "name",
            Self::UserName => "user_name",
        }
    }

    /// The table that is searched.
    pub fn table(self) -> &'static str {
        match self {
            Self::UserEmail | Self::UserFullName | Self::UserName => USERS,
            Self::GroupName => GROUPS,
        }
    }

    fn is_same(self, wanted: &str, found: &str) -> bool {
        match self {
            Self::UserEmail => wanted.to_lowercase() == found.to_lowercase(),
            Self::UserFullName | Self::UserName | Self::GroupName => wanted == found,
        }
    }

    /// What the rows of an answer say about the value.
    pub(crate) fn found(self, value: &QueryText, rows: &[crate::Record], limit: usize) -> Found {
        let value = value.as_str();
        let (matching, others): (Vec<_>, Vec<_>) = rows.iter().partition(|row| {
            row.field(self.column())
                .is_some_and(|found| self.is_same(value, found.trim()))
        });
        // Databases compare without regard to case, so such a row comes although the condition was kept.
        let similar = |row: &&crate::Record| {
            row.field(self.column())
                .is_some_and(|found| found.trim().to_lowercase() == value.to_lowercase())
        };
        if !others.iter().all(similar) {
            return Found::ConditionIgnored;
        }
        if matching
            .iter()
            .any(|row| row.field("active").is_none_or(str::is_empty))
        {
            return Found::PerhapsInactive;
        }
        let mut active = matching
            .iter()
            .filter(|row| row.field("active") == Some("true"));
        match (active.next(), active.next()) {
            (Some(_), Some(_)) => Found::Several,
            // There may be more than were asked for.
            (Some(_), None) if rows.len() >= limit => Found::Several,
            (Some(row), None) => Found::One(row.sys_id.clone()),
            (None, _) if matching.is_empty() => Found::Nothing,
            (None, _) => Found::Inactive,
        }
    }
}

/// What a look-up found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    One(SysId),
    Nothing,
    Inactive,
    PerhapsInactive,
    Several,
    ConditionIgnored,
}
