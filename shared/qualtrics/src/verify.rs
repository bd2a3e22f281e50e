//! Whether credentials work, and what they allow. Only reads.

use crate::{Client, Error};

/// What is known about credentials that work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The user that they belong to, with the brand.
    pub user: Option<String>,
    /// What was tried.
    pub checks: Vec<Check>,
}

/// One thing that credentials may or may not allow.
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
    /// Verifies the credentials, and whether the user may read surveys through the API.
    ///
    /// A wrong data centre passes calls with an API token on, and remarks so: that is a check that fails, because calls
    /// with OAuth are not passed on.
    ///
    /// # Errors
    /// Those of [`Client::whoami`]. A check that fails is no error: its [`Check`] says so.
    pub async fn verify(&self) -> Result<Verified, Error> {
        let user = self.whoami().await?.value;
        let mut checks = Vec::new();
        if let Some(notice) = user.notice {
            checks.push(Check {
                what: "use the brand's own data centre",
                allowed: Some(false),
                answer: format!(
                    "put the account again with the data centre that Qualtrics names: {notice}"
                ),
            });
        }
        let (allowed, answer) = match self.list_surveys().await {
            Ok(()) => (Some(true), "allowed".to_owned()),
            Err(error) => {
                let allowed = match error.status() {
                    Some(401 | 403 | 404) => Some(false),
                    Some(_) | None => None,
                };
                (allowed, error.to_string())
            }
        };
        checks.push(Check {
            what: "read surveys",
            allowed,
            answer,
        });
        let user = match (user.name, user.brand) {
            (Some(name), Some(brand)) => Some(format!("{name} (brand {brand})")),
            (Some(name), None) => Some(name),
            (None, brand) => brand.map(|brand| format!("brand {brand}")),
        };
        Ok(Verified { user, checks })
    }
}
