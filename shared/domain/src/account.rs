//! Connected vendor accounts: everything about them but the secret.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, json};

use crate::event::CloudEvent;
use crate::id::AccountName;
use crate::message::{ACCOUNT_CONNECTED, ACCOUNT_RECONNECT};

/// The systems that accounts belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Vendor {
    /// ServiceNow.
    ServiceNow,
    /// Zendesk.
    Zendesk,
    /// Qualtrics: no tasks, but responses are fetched from it.
    Qualtrics,
    /// TeamViewer.
    TeamViewer,
}

impl Vendor {
    /// The text form, which is also the first part of its task kinds, where it has any.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ServiceNow => "servicenow",
            Self::Zendesk => "zendesk",
            Self::Qualtrics => "qualtrics",
            Self::TeamViewer => "teamviewer",
        }
    }
}

impl std::fmt::Display for Vendor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How an account proves itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AccountKind {
    /// A user's name and password.
    Basic,
    /// An API token; Zendesk's goes with the e-mail address of an agent.
    ApiToken,
    /// An access token that was issued elsewhere, and that nobody here can renew; TeamViewer's script token.
    Bearer,
    /// OAuth: a person has agreed in the browser; access tokens are renewed with a refresh token.
    OauthAuthorizationCode,
    /// OAuth: the client's own secret gets access tokens; no person is asked.
    OauthClientCredentials,
}

impl AccountKind {
    /// The text form.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Basic => "basic",
            Self::ApiToken => "api_token",
            Self::Bearer => "bearer",
            Self::OauthAuthorizationCode => "oauth_authorization_code",
            Self::OauthClientCredentials => "oauth_client_credentials",
        }
    }
}

impl std::fmt::Display for AccountKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether an account can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AccountState {
    /// It waits for somebody to agree at the vendor. Its tasks wait too.
    Connecting,
    /// It has credentials; nobody has refused them since.
    Connected,
    /// The vendor refused to renew its tokens: somebody must connect it again. Its tasks wait.
    Reconnect,
}

impl AccountState {
    /// The text form.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Connected => "connected",
            Self::Reconnect => "reconnect",
        }
    }
}

impl std::fmt::Display for AccountState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A vendor account: everything about it but its secret, which lies in Secrets Manager.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Account {
    /// The name that workflows use.
    pub name: AccountName,
    /// Whose account it is.
    pub vendor: Vendor,
    /// The first label of the vendor's host name: ServiceNow's instance, Zendesk's subdomain, Qualtrics' data centre. TeamViewer
    /// has one host for all: there it is a name for the company.
    pub instance: String,
    /// How it proves itself.
    pub kind: AccountKind,
    /// Whether it can be used.
    pub state: AccountState,
    /// Why it cannot be used, in the vendor's words where there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// Who connected it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// The name of its secret in Secrets Manager. It stays when the account is renamed.
    pub secret: String,
    /// When the account or its secret was last put.
    pub updated_at: Timestamp,
    /// When its credentials were last seen to work on request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified_at: Option<Timestamp>,
    /// When a task last used it, give or take an hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_at: Option<Timestamp>,
}

impl Account {
    /// The event that the account came into its state; workflows can start on it. `None` for a state that needs no
    /// telling. `since` tells one time from the next: telling of the same time twice is one event.
    pub fn state_event(&self, since: Timestamp, now: Timestamp) -> Option<CloudEvent> {
        let kind = match self.state {
            AccountState::Connecting => return None,
            AccountState::Connected => ACCOUNT_CONNECTED,
            AccountState::Reconnect => ACCOUNT_RECONNECT,
        };
        Some(CloudEvent {
            specversion: "1.0".to_owned(),
            id: format!("{}:{}:{}", self.name, self.state, since.as_millisecond()),
            source: "/accounts".to_owned(),
            kind: kind.to_owned(),
            subject: Some(self.name.to_string()),
            time: Some(now),
            datacontenttype: Some("application/json".to_owned()),
            data: Some(json!({
                "account": self.name, "vendor": self.vendor, "instance": self.instance,
                "state": self.state, "problem": self.problem,
            })),
            extensions: Map::new(),
        })
    }
}
