//! Whether an account works, and what it may read. The calls only read.

use std::time::Duration;

use vendor_http::{Answer, Failure};

use crate::client::Attempt;
use crate::reference::{GROUPS, USERS};
use crate::{Client, Error, ErrorKind, Operation, QueryText, Record, ReferenceKey, Table};

/// How long one call may last: a person waits for all of them.
const TIMEOUT: Duration = Duration::from_secs(5);
const NO_ROW: &str = "no row came: the table is empty, or the account may not see its rows";
const NOT_ASKED: &str = "not asked, since the call before it got no usable answer";

/// An account whose credentials were accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The user's name as it is shown, where it can be read.
    pub user: Option<String>,
    /// What was tried.
    pub checks: Vec<Check>,
}

/// Something that an account may or may not do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What.
    pub what: &'static str,
    /// Whether it may; `None` when the answer does not tell.
    pub allowed: Option<bool>,
    /// The answer in short.
    pub answer: String,
}

impl Client {
    /// Looks whether there is an instance, whether it accepts the credentials, and which of the tables can be
    /// read that tasks commonly work with. That the account may also write cannot be seen without writing.
    ///
    /// With the user name that the account signs in with, the user's own name is looked up.
    ///
    /// # Errors
    ///
    /// - Refused credentials: [`Error::is_unauthorized`].
    /// - [`ErrorKind::NoInstance`]: nothing there that answers as an instance does.
    /// - Anything else that is no answer of an instance, such as an outage or a rate limit: nothing is known;
    ///   [`Error::disposition`] says whether trying again helps.
    ///
    /// Whatever the account is refused, or what fails after it was accepted, is a [`Check`].
    pub async fn verify(&self, username: Option<&str>) -> Result<Verified, Error> {
        let mut checks = Vec::new();
        let mut asked = true;
        for (what, table) in [
            ("read sys_user", USERS),
            ("read sys_user_group", GROUPS),
            ("read incident", "incident"),
            ("read problem", "problem"),
            ("read change_request", "change_request"),
        ] {
            if !asked {
                checks.push(check(what, None, NOT_ASKED));
                continue;
            }
            let table = Table::known(table);
            let result = self.probe(&table).list("", "sys_id", 1).await;
            match result {
                Err(error) if checks.is_empty() && !is_from_instance(&error.kind) => {
                    return Err(self.without_instance(error));
                }
                Err(error) if checks.is_empty() && error.is_unauthorized() => return Err(error),
                result => {
                    asked = result
                        .as_ref()
                        .err()
                        .is_none_or(|error| is_from_instance(&error.kind));
                    checks.push(outcome(what, result));
                }
            }
        }
        let user = match username {
            Some(name) if asked => self.shown_name(name).await,
            Some(_) | None => None,
        };
        Ok(Verified { user, checks })
    }

    fn probe<'a>(&'a self, table: &'a Table) -> Attempt<'a> {
        self.attempt(Operation::Verify, table).within(TIMEOUT)
    }

    async fn shown_name(&self, username: &str) -> Option<String> {
        let username = QueryText::parse(username).ok()?;
        let column = ReferenceKey::UserName.column();
        let rows = self
            .probe(&Table::known(USERS))
            .list(
                &format!("{column}={username}"),
                &format!("sys_id,name,{column}"),
                2,
            )
            .await
            .ok()?
            .value;
        let [row] = rows.as_slice() else { return None };
        let same = row.field(column) == Some(username.as_str());
        let name = row.field("name").filter(|name| same && !name.is_empty());
        name.map(str::to_owned)
    }

    /// Says that there is no instance where the error looks like it.
    fn without_instance(&self, error: Error) -> Error {
        let absent = matches!(
            error.kind,
            ErrorKind::NoAnswer(Failure::NotSent { .. })
                | ErrorKind::Page { .. }
                | ErrorKind::Unexpected { .. }
                | ErrorKind::Refused {
                    status: 300..=399 | 404 | 405 | 410,
                    ..
                }
        );
        if !absent {
            return error;
        }
        Error {
            kind: ErrorKind::NoInstance {
                address: self.address(),
                instead: Box::new(error.kind),
            },
            ..error
        }
    }
}

/// Whether an instance has understood the call and decided on it.
fn is_from_instance(kind: &ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::Refused {
            status: 400..=428,
            by_instance: true,
            ..
        }
    )
}

fn outcome(what: &'static str, result: Result<Answer<Vec<Record>>, Error>) -> Check {
    match result {
        Ok(Answer { value, .. }) if value.is_empty() => check(what, None, NO_ROW),
        Ok(_) => check(what, Some(true), "a row came"),
        Err(error) => {
            let refused = matches!(
                error.kind,
                ErrorKind::Refused {
                    status: 403,
                    by_instance: true,
                    ..
                }
            );
            check(what, refused.then_some(false), &error.kind.to_string())
        }
    }
}

fn check(what: &'static str, allowed: Option<bool>, answer: &str) -> Check {
    Check {
        what,
        allowed,
        answer: answer.to_owned(),
    }
}
