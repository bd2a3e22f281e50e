use domain::{AccountKind, AccountName, AccountState, Vendor};
use std::time::Duration;

use jiff::Timestamp;
use retry::Disposition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Accounts, Connected, Credential, Error, Moment};

/// What somebody who asks for a verification has: less than API Gateway waits.
const TIME: Duration = Duration::from_secs(20);

/// What was found when an account's credentials were tried out. Nothing was written at the vendor's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Verification {
    /// Whether the vendor takes the credentials.
    pub works: bool,
    /// Whose they are, where the vendor says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Why they do not work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// What they allow.
    pub checks: Vec<Check>,
}

/// One thing that an account may or may not do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Check {
    /// What was tried.
    pub what: String,
    /// Whether it is allowed; absent when the answer does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed: Option<bool>,
    /// The answer, in a few words.
    pub answer: String,
}

/// A field of a Zendesk account's tickets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TicketField {
    /// The id, by which `custom_fields` of a task sets it.
    pub id: u64,
    /// The type, such as `tagger` for a drop-down.
    #[serde(rename = "type")]
    pub kind: String,
    /// The title that agents see.
    pub title: String,
    /// Whether it is in use.
    pub active: bool,
    /// Whether it must be filled in to solve a ticket.
    pub required: bool,
    /// Whether `custom_fields` of a task can set it.
    pub custom: bool,
    /// What can be chosen.
    pub options: Vec<FieldOption>,
}

/// A choice of a drop-down or multi-select field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FieldOption {
    /// The name that agents see.
    pub name: String,
    /// The value that a task gives.
    pub value: String,
}

impl Accounts {
    /// Tries an account's credentials out: whether its instance is there, whether they work, what they allow.
    ///
    /// # Errors
    /// When that could not be found out; each says what to do.
    pub async fn verify(&self, name: &AccountName, now: Timestamp) -> Result<Verification, Error> {
        // What is stored counts, not what this process remembers.
        self.inner.forget(name).await;
        let moment = Moment::new(now, TIME);
        let account = self.get(name).await?;
        // A client that was refused once is asked again: what was wrong at the vendor's may be mended.
        if (account.state, account.kind)
            == (AccountState::Reconnect, AccountKind::OauthClientCredentials)
        {
            let hoped = self.inner.rows.hope(&account).await;
            hoped.map_err(Error::table(name))?;
        }
        let connected = match self.connect(name, account.vendor, &moment).await {
            Ok(connected) => connected,
            Err(
                error @ (Error::NotConnected(_)
                | Error::Reconnect { .. }
                | Error::NoSecret(_)
                | Error::UnusableSecret { .. }),
            ) => return Ok(Verification::failed(error.to_string())),
            // The client is refused.
            Err(error) if matches!(error.disposition(), Disposition::Wait { .. }) => {
                return Ok(Verification::failed(error.to_string()));
            }
            Err(error) => return Err(error),
        };
        let verification = match self.ask(&connected, now).await? {
            Asked::Answered(verification) => verification,
            Asked::Unauthorized(problem) => match self.reconnect(name, &connected, &moment).await {
                Ok(None) => Verification::failed(problem),
                Ok(Some(connected)) => match self.ask(&connected, now).await? {
                    Asked::Answered(verification) => verification,
                    Asked::Unauthorized(problem) => Verification::failed(problem),
                },
                Err(error @ Error::Reconnect { .. }) => Verification::failed(error.to_string()),
                Err(error) => return Err(error),
            },
        };
        if verification.works {
            self.inner
                .rows
                .verified(&account.name, now)
                .await
                .map_err(Error::table(name))?;
        }
        Ok(verification)
    }

    /// The fields of a Zendesk account's tickets.
    ///
    /// # Errors
    /// [`Error::WrongVendor`] for another vendor's account; what Zendesk says against it.
    pub async fn ticket_fields(
        &self,
        name: &AccountName,
        now: Timestamp,
    ) -> Result<Vec<TicketField>, Error> {
        let moment = Moment::new(now, TIME);
        let connected = self.connect(name, Vendor::Zendesk, &moment).await?;
        let client = self.inner.vendors.zendesk(&connected)?;
        let result = match client.ticket_fields().await {
            Err(error) if error.is_unauthorized() => {
                match self.reconnect(name, &connected, &moment).await? {
                    Some(connected) => {
                        let client = self.inner.vendors.zendesk(&connected)?;
                        client.ticket_fields().await
                    }
                    None => Err(error),
                }
            }
            result => result,
        };
        let fields = result.map_err(|error| Error::vendor(name, &error, error.disposition()))?;
        Ok(fields.value.into_iter().map(TicketField::from).collect())
    }

    async fn ask(&self, connected: &Connected, now: Timestamp) -> Result<Asked, Error> {
        match connected.account.vendor {
            Vendor::ServiceNow => self.ask_servicenow(connected).await,
            Vendor::Zendesk => self.ask_zendesk(connected).await,
            Vendor::Qualtrics => self.ask_qualtrics(connected).await,
            Vendor::TeamViewer => self.ask_teamviewer(connected, now).await,
        }
    }

    async fn ask_servicenow(&self, connected: &Connected) -> Result<Asked, Error> {
        let client = self.inner.vendors.servicenow(connected)?;
        let username = match &connected.credential {
            Credential::Basic { username, .. } => Some(username.as_str()),
            Credential::ApiToken { .. } | Credential::Bearer { .. } | Credential::Oauth(_) => None,
        };
        match client.verify(username).await {
            Ok(verified) => {
                let checks = verified.checks.into_iter();
                let checks = checks.map(|check| (check.what, check.allowed, check.answer));
                Ok(answered(verified.user, checks))
            }
            Err(error) if error.is_unauthorized() => {
                Ok(Asked::Unauthorized(startup::chain(&error)))
            }
            // A name that is not resolved, too: nothing is gained by asking again.
            Err(error) if matches!(error.kind, servicenow::ErrorKind::NoInstance { .. }) => Ok(
                Asked::Answered(Verification::failed(startup::chain(&error))),
            ),
            Err(error) => not_told(connected, &error, error.disposition()),
        }
    }

    async fn ask_zendesk(&self, connected: &Connected) -> Result<Asked, Error> {
        let vendors = &self.inner.vendors;
        let account = &connected.account;
        let base = vendors
            .base(account.vendor, &account.instance)
            .map_err(Error::Instance)?;
        // Without credentials first: they are not sent to an address that is nobody's.
        match zendesk::exists(&vendors.http, &base).await {
            Ok(found) if found.value == zendesk::Existence::NotFound => {
                return Ok(Asked::Answered(Verification::failed(format!(
                    "there is no Zendesk account `{}`",
                    account.instance
                ))));
            }
            Ok(_) => {}
            Err(error) => return not_told(connected, &error, error.disposition()),
        }
        match vendors.zendesk(connected)?.verify().await {
            Ok(verified) => {
                let role = verified.role;
                let user = verified.user.map(|user| format!("{user} ({role})"));
                let checks = verified.checks.into_iter();
                let checks = checks.map(|check| (check.what, check.allowed, check.answer));
                Ok(answered(user, checks))
            }
            Err(error) if error.is_unauthorized() => {
                Ok(Asked::Unauthorized(startup::chain(&error)))
            }
            Err(error) => not_told(connected, &error, error.disposition()),
        }
    }

    async fn ask_teamviewer(&self, connected: &Connected, now: Timestamp) -> Result<Asked, Error> {
        match self.inner.vendors.teamviewer(connected)?.verify(now).await {
            Ok(verified) => {
                let checks = verified.checks.into_iter();
                let checks = checks.map(|check| (check.what, check.allowed, check.answer));
                Ok(answered(verified.user, checks))
            }
            Err(error) if error.is_unauthorized() => {
                Ok(Asked::Unauthorized(startup::chain(&error)))
            }
            Err(error) => not_told(connected, &error, error.disposition()),
        }
    }

    async fn ask_qualtrics(&self, connected: &Connected) -> Result<Asked, Error> {
        match self.inner.vendors.qualtrics(connected)?.verify().await {
            Ok(verified) => {
                let checks = verified.checks.into_iter();
                let checks = checks.map(|check| (check.what, check.allowed, check.answer));
                Ok(answered(verified.user, checks))
            }
            Err(error) if error.is_unauthorized() => {
                Ok(Asked::Unauthorized(startup::chain(&error)))
            }
            Err(error) => not_told(connected, &error, error.disposition()),
        }
    }
}

/// What came of asking a vendor.
enum Asked {
    Answered(Verification),
    /// The credentials were refused, in these words.
    Unauthorized(String),
}

/// The credentials work; of each thing that they are needed for: what it is, whether it is allowed, and what was answered.
fn answered(
    user: Option<String>,
    checks: impl Iterator<Item = (&'static str, Option<bool>, String)>,
) -> Asked {
    let checks = checks.map(|(what, allowed, answer)| Check {
        what: what.to_owned(),
        allowed,
        answer,
    });
    Asked::Answered(Verification {
        works: true,
        user,
        problem: None,
        checks: checks.collect(),
    })
}

/// No word on the credentials: a vendor that is busy is no account that does not work.
fn not_told(
    connected: &Connected,
    error: &dyn std::error::Error,
    disposition: Disposition,
) -> Result<Asked, Error> {
    if disposition == Disposition::GiveUp {
        return Ok(Asked::Answered(Verification::failed(startup::chain(error))));
    }
    Err(Error::vendor(&connected.account.name, error, disposition))
}

impl Verification {
    fn failed(problem: String) -> Self {
        Self {
            works: false,
            user: None,
            problem: Some(problem),
            checks: Vec::new(),
        }
    }
}

impl From<zendesk::TicketField> for TicketField {
    fn from(field: zendesk::TicketField) -> Self {
        Self {
            custom: field.is_custom(),
            id: field.id,
            kind: field.kind,
            title: field.title,
            active: field.active,
            required: field.required,
            options: field
                .options
                .into_iter()
                .map(|option| FieldOption {
                    name: option.name,
                    value: option.value,
                })
                .collect(),
        }
    }
}
