use std::collections::BTreeSet;

use crate::{Role, TokenId};

/// Somebody who has shown who they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// What people call them: the token's name, or the name that the identity provider tells.
    pub name: String,
    /// What they may do.
    pub roles: BTreeSet<Role>,
    /// How they have shown it.
    pub via: Via,
}

/// How a caller has shown who they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Via {
    /// With a token of our own.
    Token {
        /// Which.
        id: TokenId,
    },
    /// With a token of the identity provider.
    Oidc {
        /// Derived from issuer and subject: it stays the same for one person, and tells nobody who that is.
        key: String,
    },
}

impl Caller {
    /// Whether they have one of these roles. An admin may do everything.
    pub fn has_any(&self, roles: &[Role]) -> bool {
        self.roles.contains(&Role::Admin) || roles.iter().any(|role| self.roles.contains(role))
    }
}

impl Via {
    /// For the log: names no person.
    pub fn key(&self) -> &str {
        match self {
            Self::Token { id } => id.as_str(),
            Self::Oidc { key } => key,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn admin_may_do_everything_and_others_what_their_roles_allow() {
        let caller = |roles: &[Role]| Caller {
            name: "x".to_owned(),
            roles: roles.iter().copied().collect(),
            via: Via::Oidc {
                key: "k".to_owned(),
            },
        };
        for (roles, needed, expected) in [
            (&[Role::Admin][..], &[][..], true),
            (&[Role::Admin], &[Role::Operator], true),
            (&[Role::Operator], &[Role::Operator], true),
            (&[Role::Itil, Role::Operator], &[Role::Operator], true),
            (&[Role::Itil], &[Role::Operator, Role::Admin], false),
            (&[Role::Operator], &[], false),
            (&[], &[Role::Itil], false),
        ] {
            assert_eq!(
                caller(roles).has_any(needed),
                expected,
                "{roles:?} {needed:?}"
            );
        }
    }
}
