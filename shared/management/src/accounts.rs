use ::accounts::{
    Connect, Credential, NewAccount, OauthClient, Presence, TicketField, Verification,
};
use domain::{Account, AccountName, Vendor, WorkflowId};
use jiff::Timestamp;
use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::error::Error;
use crate::secrets::SecretPresence;
use crate::teamviewer::settings_with;
use crate::{AccountManagement, Done, Listing};

/// An account with what is known about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AccountDetail {
    /// The account.
    pub account: Account,
    /// Whether it has its secret.
    pub secret: SecretPresence,
    /// The workflows with a task that uses it, by whichever of its names.
    pub workflows: Vec<WorkflowId>,
}

/// Connects an account with credentials that are at hand, or replaces them.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PutAccount {
    /// Whose account it is. It stays so.
    pub vendor: Vendor,
    /// The account's address, or the first part of it: `dev12345` of `dev12345.service-now.com`, the data centre
    /// `fra1` of `fra1.qualtrics.com`.
    pub instance: String,
    /// Who looks after it.
    #[serde(default)]
    pub owner: Option<String>,
    /// What it proves itself with.
    pub credential: NewCredential,
}

/// What an account proves itself with.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum NewCredential {
    /// A user's name (for Zendesk an e-mail address) and password.
    Basic {
        /// The name.
        username: String,
        /// The password.
        #[schemars(with = "String", extend("writeOnly" = true, "format" = "password"))]
        password: SecretString,
    },
    /// An API token.
    ApiToken {
        /// The address of the Zendesk agent whom the token stands for. Not for Qualtrics.
        #[serde(default)]
        email: Option<String>,
        /// The token.
        #[schemars(with = "String", extend("writeOnly" = true, "format" = "password"))]
        token: SecretString,
    },
    /// An access token that was issued elsewhere.
    Bearer {
        /// The token.
        #[schemars(with = "String", extend("writeOnly" = true, "format" = "password"))]
        token: SecretString,
    },
    /// An OAuth client that gets access tokens with its own secret.
    OauthClientCredentials {
        /// The client's id.
        client_id: String,
        /// The client's secret.
        #[schemars(with = "String", extend("writeOnly" = true, "format" = "password"))]
        client_secret: SecretString,
        /// What it asks for, with spaces between. The vendor's usual when absent; for Qualtrics that is `manage:all`.
        #[serde(default)]
        scope: Option<String>,
    },
}

/// Begins to connect an account by OAuth: a person agrees at the vendor.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConnectAccount {
    /// Whose account it is. It stays so.
    pub vendor: Vendor,
    /// The account's address, or the first part of it: `dev12345` of `dev12345.service-now.com`, the data centre
    /// `fra1` of `fra1.qualtrics.com`.
    pub instance: String,
    /// Who looks after it.
    #[serde(default)]
    pub owner: Option<String>,
    /// The id of the OAuth client that is registered at the vendor. The one that the account has when absent.
    #[serde(default)]
    pub client_id: Option<String>,
    /// The client's secret. The one that the account has when absent, if the id is the same.
    #[serde(default)]
    #[schemars(with = "Option<String>", extend("writeOnly" = true, "format" = "password"))]
    pub client_secret: Option<SecretString>,
    /// Whether the client is a public one, without a secret.
    #[serde(default)]
    pub public: bool,
}

/// Renames an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RenameAccount {
    /// Its name from now on.
    pub to: AccountName,
}

/// What putting an account did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AppliedAccount {
    /// What was done.
    pub done: Done,
    /// The account.
    pub account: Account,
}

/// What renaming an account did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RenamedAccount {
    /// The account under its new name.
    pub account: Account,
    /// The workflows that still use a name that it had. It goes on working.
    pub workflows: Vec<WorkflowId>,
}

impl PutAccount {
    /// The body of the request: holds the secret in the clear. Not `Serialize`, so that no secret is ever
    /// written by accident.
    pub fn expose_json(&self) -> SecretString {
        let mut credential = match &self.credential {
            NewCredential::Basic { username, password } => json!({
                "kind": "basic", "username": username, "password": password.expose_secret()
            }),
            NewCredential::ApiToken { email, token } => json!({
                "kind": "api_token", "email": email, "token": token.expose_secret()
            }),
            NewCredential::Bearer { token } => json!({
                "kind": "bearer", "token": token.expose_secret()
            }),
            NewCredential::OauthClientCredentials {
                client_id,
                client_secret,
                scope,
            } => json!({
                "kind": "oauth_client_credentials", "client_id": client_id,
                "client_secret": client_secret.expose_secret(), "scope": scope
            }),
        };
        if let Value::Object(fields) = &mut credential {
            fields.retain(|_, value| !value.is_null());
        }
        body(json!({
            "vendor": self.vendor, "instance": self.instance, "owner": self.owner, "credential": credential
        }))
    }
}

impl ConnectAccount {
    /// The body of the request: holds the secret in the clear. Not `Serialize`, so that no secret is ever
    /// written by accident.
    pub fn expose_json(&self) -> SecretString {
        body(json!({
            "vendor": self.vendor, "instance": self.instance, "owner": self.owner, "client_id": self.client_id,
            "client_secret": self.client_secret.as_ref().map(ExposeSecret::expose_secret), "public": self.public
        }))
    }
}

fn body(json: Value) -> SecretString {
    json.to_string().into()
}

impl From<NewCredential> for Credential {
    fn from(credential: NewCredential) -> Self {
        match credential {
            NewCredential::Basic { username, password } => Self::Basic { username, password },
            NewCredential::ApiToken { email, token } => Self::ApiToken { email, token },
            NewCredential::Bearer { token } => Self::Bearer { token },
            NewCredential::OauthClientCredentials {
                client_id,
                client_secret,
                scope,
            } => Self::client_credentials(
                OauthClient {
                    id: client_id,
                    secret: Some(client_secret),
                },
                scope,
            ),
        }
    }
}

impl AccountManagement {
    /// Ends when no tokens are being renewed any more: what a vendor has answered must be stored before the process pauses.
    pub async fn finish_renewals(&self) {
        self.accounts.finish_renewals().await;
    }

    /// Every account, by name.
    ///
    /// # Errors
    /// `Unavailable`; `Internal` when a row cannot be read.
    pub async fn accounts(&self) -> Result<Listing<Account>, Error> {
        let items = self.accounts.list().await?;
        Ok(Listing { items })
    }

    /// One account, by its name or by one that it had.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`; `Internal` when a row cannot be read.
    pub async fn account(&self, name: &AccountName) -> Result<AccountDetail, Error> {
        let account = self.accounts.get(name).await?;
        let secret = match self.accounts.secret_presence(&account).await? {
            Presence::Stored { changed_at } => SecretPresence::Stored { changed_at },
            Presence::Missing => SecretPresence::Missing,
        };
        let old_names = self.accounts.old_names(&account.name).await?;
        Ok(AccountDetail {
            secret,
            workflows: self
                .users_of(|used| *used == account.name || old_names.contains(used))
                .await?,
            account,
        })
    }

    /// Connects an account with credentials that are at hand, or replaces them.
    ///
    /// # Errors
    /// `Invalid` when the instance or the kind of credentials is not one of the vendor's; `Conflict` when the
    /// account is another vendor's; `Unavailable`.
    pub async fn put_account(
        &self,
        name: &AccountName,
        request: PutAccount,
        now: Timestamp,
    ) -> Result<AppliedAccount, Error> {
        let account = NewAccount {
            name: name.clone(),
            vendor: request.vendor,
            instance: request.instance,
            owner: request.owner,
        };
        let put = self
            .accounts
            .put(account, &request.credential.into(), now)
            .await?;
        Ok(AppliedAccount {
            done: if put.created {
                Done::Created
            } else {
                Done::Updated
            },
            account: put.account,
        })
    }

    /// Begins to connect an account by OAuth. It is connected when somebody has agreed at the vendor.
    ///
    /// # Errors
    /// `Invalid` when the instance is not one of the vendor's, or no client is known; `Conflict` when the
    /// account is another vendor's; `Unavailable`.
    pub async fn connect_account(
        &self,
        name: &AccountName,
        request: ConnectAccount,
        now: Timestamp,
    ) -> Result<Connect, Error> {
        let account = NewAccount {
            name: name.clone(),
            vendor: request.vendor,
            instance: request.instance,
            owner: request.owner,
        };
        let client = match (request.client_id, request.client_secret) {
            (Some(_), Some(_)) if request.public => {
                return Err(Error::field("public", "a public client has no secret"));
            }
            (Some(id), secret) => Some(OauthClient { id, secret }),
            (None, None) => None,
            (None, Some(_)) => {
                return Err(Error::field(
                    "client_id",
                    "a secret belongs to a client's id",
                ));
            }
        };
        let mut random = [0; 32];
        getrandom::fill(&mut random).map_err(Error::NoRandomness)?;
        Ok(self
            .accounts
            .begin_connect(account, client, request.public, random, now)
            .await?)
    }

    /// Asks the vendor whether an account's credentials work, and what they may do. Nothing is written there.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`; `Conflict` when it cannot be found out.
    pub async fn verify_account(
        &self,
        name: &AccountName,
        now: Timestamp,
    ) -> Result<Verification, Error> {
        Ok(self.accounts.verify(name, now).await?)
    }

    /// Gives an account another name. The old one leads to it from then on.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` when the name is another account's, or was; `Unavailable`.
    pub async fn rename_account(
        &self,
        name: &AccountName,
        to: &AccountName,
        now: Timestamp,
    ) -> Result<RenamedAccount, Error> {
        let renamed = self.accounts.rename(name, to, now).await?;
        Ok(RenamedAccount {
            account: renamed.account,
            workflows: self
                .users_of(|used| renamed.old_names.contains(used))
                .await?,
        })
    }

    /// Removes an account and its secret; with `force` even though workflows use it, or what is set for TeamViewer names it.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` when it is used; `Unavailable`.
    pub async fn delete_account(
        &self,
        name: &AccountName,
        force: bool,
        now: Timestamp,
    ) -> Result<(), Error> {
        let workflows = self.account(name).await?.workflows;
        if force {
            return Ok(self.accounts.delete(name, now).await?);
        }
        if !workflows.is_empty() {
            return Err(Error::AccountInUse {
                account: name.clone(),
                workflows,
            });
        }
        let old_names = self.accounts.old_names(name).await?;
        let stored = self.teamviewer_rows.get().await?;
        let settings = stored.map(|stored| stored.settings).unwrap_or_default();
        let settings = settings_with(&settings, |used| used == name || old_names.contains(used));
        if !settings.is_empty() {
            return Err(Error::AccountInSettings {
                account: name.clone(),
                settings,
            });
        }
        Ok(self.accounts.delete(name, now).await?)
    }

    /// The fields of a Zendesk account's tickets.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` when it is no Zendesk account or Zendesk refuses; `Unavailable`.
    pub async fn ticket_fields(
        &self,
        name: &AccountName,
        now: Timestamp,
    ) -> Result<Listing<TicketField>, Error> {
        let items = self.accounts.ticket_fields(name, now).await?;
        Ok(Listing { items })
    }

    /// The workflows with a task that uses an account of such a name, by id.
    async fn users_of(
        &self,
        is_meant: impl Fn(&AccountName) -> bool,
    ) -> Result<Vec<WorkflowId>, Error> {
        let workflows = self.workflow_rows.list().await?;
        Ok(workflows
            .into_iter()
            .map(|stored| stored.workflow)
            .filter(|workflow| workflow.tasks.iter().any(|task| is_meant(&task.account)))
            .map(|workflow| workflow.id)
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_say_the_same_on_both_sides_and_show_no_secret() {
        for credential in [
            json!({"kind": "basic", "username": "u", "password": "hunter2"}),
            json!({"kind": "api_token", "email": "a@example.com", "token": "hunter2"}),
            json!({"kind": "api_token", "token": "hunter2"}),
            json!({"kind": "bearer", "token": "hunter2"}),
            json!({"kind": "oauth_client_credentials", "client_id": "c", "client_secret": "hunter2"}),
            json!({"kind": "oauth_client_credentials", "client_id": "c", "client_secret": "hunter2", "scope": "manage:all"}),
        ] {
            let sent = json!({"vendor": "zendesk", "instance": "acme", "owner": "ops", "credential": credential});
            let request: PutAccount = serde_json::from_value(sent.clone()).unwrap();
            assert!(!format!("{request:?}").contains("hunter2"));
            let again: Value = serde_json::from_str(request.expose_json().expose_secret()).unwrap();
            assert_eq!(again, sent);
            let mut wrong = sent;
            wrong["credential"]["extra"] = json!(1);
            assert!(serde_json::from_value::<PutAccount>(wrong).is_err());
        }
        for secret in [json!("hunter2"), Value::Null] {
            let sent = json!({
                "vendor": "zendesk", "instance": "acme", "owner": null, "client_id": "c", "client_secret": secret,
                "public": secret.is_null()
            });
            let request: ConnectAccount = serde_json::from_value(sent.clone()).unwrap();
            assert!(!format!("{request:?}").contains("hunter2"));
            let again: Value = serde_json::from_str(request.expose_json().expose_secret()).unwrap();
            assert_eq!(again, sent);
        }
    }
}
