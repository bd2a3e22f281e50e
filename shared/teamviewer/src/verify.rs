//! Whether a token works, and what it allows. Only reads.

use std::time::Duration;

use jiff::Timestamp;

use crate::{Client, ConnectionQuery, Error, SessionQuery};

/// How much of the report is looked at: as little as possible, it is only about whether it may be.
const WINDOW: Duration = Duration::from_mins(1);

/// What is known about a token that works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Whom it belongs to.
    pub user: Option<String>,
    /// What was tried.
    pub checks: Vec<Check>,
}

/// One thing that a token may or may not allow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What.
    pub what: &'static str,
    /// Whether it is allowed; `None` when the answer does not tell.
    pub allowed: Option<bool>,
    /// The answer, in a few words.
    pub answer: String,
}

impl Client {
    /// Verifies the token, asks whose it is, and whether it may read connection reports and sessions. That it may also
    /// create sessions cannot be seen without creating one.
    ///
    /// # Errors
    /// Those of [`Client::ping`]. A check that fails is no error: its [`Check`] says so.
    pub async fn verify(&self, now: Timestamp) -> Result<Verified, Error> {
        self.ping().await?;
        let mut checks = Vec::new();
        let account = self.account().await;
        checks.push(check("read the account", account.as_ref().err()));
        let user = account.ok().and_then(|account| {
            let account = account.value;
            let user = match (account.name, account.email) {
                (Some(name), Some(email)) => Some(format!("{name} ({email})")),
                (Some(one), None) | (None, Some(one)) => Some(one),
                (None, None) => account.userid,
            };
            match (user, account.company_name) {
                (Some(user), Some(company)) => Some(format!("{user}, {company}")),
                (user, company) => user.or(company),
            }
        });
        let window = ConnectionQuery::window(now - WINDOW, now);
        let connections = self.connections(&window).await;
        checks.push(check("read connection reports", connections.err().as_ref()));
        let sessions = self.sessions(&SessionQuery::default()).await;
        checks.push(check("read sessions", sessions.err().as_ref()));
        Ok(Verified { user, checks })
    }
}

fn check(what: &'static str, error: Option<&Error>) -> Check {
    let (allowed, answer) = match error {
        None => (Some(true), "allowed".to_owned()),
        Some(error) => {
            let refused = error.is_forbidden() || error.is_unauthorized() || error.is_absent();
            (refused.then_some(false), error.to_string())
        }
    };
    Check {
        what,
        allowed,
        answer,
    }
}
