use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Secret;
use crate::credentials::BearerToken;
use crate::oauth::OAuthClient;

/// A company that uses TeamViewer. `{"script_tokens":[{"token":"t"}],"groups":[{"id":"g1","name":"Help"}]}` is enough
/// to work with.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// What the account page calls the company; the instance's name when absent.
    pub company_name: Option<String>,
    /// Who there is; without any there is one, `u1001`.
    pub users: Vec<User>,
    /// Groups of the computers and contacts list, in which service cases lie.
    pub groups: Vec<Group>,
    /// Tokens made in the Management Console.
    pub script_tokens: Vec<ScriptToken>,
    /// OAuth apps. Their `username` is a user's id, their `scope` the permissions of their tokens, which are of user
    /// level.
    pub oauth_clients: Vec<OAuthClient>,
    /// OAuth access tokens that are accepted; `username` and `scope` as with the apps.
    pub bearer_tokens: Vec<BearerToken>,
    /// Whether people who are asked for permission click "Deny".
    pub deny: bool,
    /// The status with which an expired access token is refused: 401 with `invalid_token` when absent, or 400 with
    /// `token_expired`. Clients have met both.
    pub expired_status: Option<u16>,
    /// The connection report.
    pub connections: Vec<Connection>,
    /// Service cases.
    pub sessions: Vec<Case>,
    /// Connections a page, 1 to 1000; 1000 when absent.
    pub page_size: Option<u16>,
    /// Service cases a page, 1 to 1000; 1000 when absent.
    pub sessions_page_size: Option<u16>,
    /// What `to_date` bounds.
    pub window: Window,
    /// How the connection report is written.
    pub style: Style,
    /// How the state of a service case is written.
    pub state_style: StateStyle,
    /// What the creation of a service case is answered with.
    pub create_answer: CreateAnswer,
    /// How many service cases may be open and valid at once; any number when absent.
    pub max_open_cases: Option<u32>,
    /// Calls of one function with one token; any number when absent.
    pub rate_limit: Option<RateLimit>,
}

/// Somebody with a TeamViewer account.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// `u` and digits.
    pub id: String,
    /// What is shown of him or her.
    pub name: String,
    /// E-mail address; made from the id when absent.
    pub email: Option<String>,
}

/// A group of the computers and contacts list.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// `g` and digits.
    pub id: String,
    /// What is shown of it.
    pub name: String,
}

/// A token made in the Management Console. It doesn't expire.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScriptToken {
    /// What follows `Bearer ` in the header.
    pub token: Secret,
    /// Whose data it opens.
    #[serde(default)]
    pub level: Level,
    /// Who made it; the first user when absent.
    pub userid: Option<String>,
    /// What was ticked; everything when absent.
    pub permissions: Option<Vec<Permission>>,
}

/// Whose data a token opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// All of the company's; it may not name groups.
    #[default]
    Company,
    /// The user's own.
    User,
}

/// What a token may do, by the vendor's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Permission {
    /// Read the connection report.
    #[serde(rename = "Connections.Read")]
    ConnectionsRead,
    /// Edit notes and billing state of connections.
    #[serde(rename = "Connections.Modify")]
    ConnectionsModify,
    /// Delete connections.
    #[serde(rename = "Connections.Delete")]
    ConnectionsDelete,
    /// Create service cases.
    #[serde(rename = "Sessions.Create")]
    SessionsCreate,
    /// Read all service cases.
    #[serde(rename = "Sessions.ReadAll")]
    SessionsReadAll,
    /// Read one's own service cases.
    #[serde(rename = "Sessions.ReadOwn")]
    SessionsReadOwn,
    /// Change all service cases.
    #[serde(rename = "Sessions.ModifyAll")]
    SessionsModifyAll,
    /// Change one's own service cases.
    #[serde(rename = "Sessions.ModifyOwn")]
    SessionsModifyOwn,
    /// List users.
    #[serde(rename = "Users.Read")]
    UsersRead,
    /// List groups.
    #[serde(rename = "Groups.Read")]
    GroupsRead,
    /// Create groups.
    #[serde(rename = "Groups.Create")]
    GroupsCreate,
    /// Read the account.
    #[serde(rename = "Account.Read")]
    AccountRead,
}

impl Permission {
    pub(crate) const ALL: [Self; 12] = [
        Self::ConnectionsRead,
        Self::ConnectionsModify,
        Self::ConnectionsDelete,
        Self::SessionsCreate,
        Self::SessionsReadAll,
        Self::SessionsReadOwn,
        Self::SessionsModifyAll,
        Self::SessionsModifyOwn,
        Self::UsersRead,
        Self::GroupsRead,
        Self::GroupsCreate,
        Self::AccountRead,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ConnectionsRead => "Connections.Read",
            Self::ConnectionsModify => "Connections.Modify",
            Self::ConnectionsDelete => "Connections.Delete",
            Self::SessionsCreate => "Sessions.Create",
            Self::SessionsReadAll => "Sessions.ReadAll",
            Self::SessionsReadOwn => "Sessions.ReadOwn",
            Self::SessionsModifyAll => "Sessions.ModifyAll",
            Self::SessionsModifyOwn => "Sessions.ModifyOwn",
            Self::UsersRead => "Users.Read",
            Self::GroupsRead => "Groups.Read",
            Self::GroupsCreate => "Groups.Create",
            Self::AccountRead => "Account.Read",
        }
    }

    /// The permissions of a scope, parted by spaces.
    pub(crate) fn parse_all(scope: &str) -> Result<Vec<Self>, String> {
        scope
            .split_ascii_whitespace()
            .map(|name| {
                Self::ALL
                    .into_iter()
                    .find(|permission| permission.name() == name)
                    .ok_or_else(|| format!("there is no permission {name}"))
            })
            .collect()
    }
}

/// What `to_date` bounds; the vendor's manual and its OpenAPI document contradict each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Window {
    /// The start, as the manual says: `from_date` ≤ start < `to_date`.
    #[default]
    Start,
    /// The end, as the OpenAPI document says: `from_date` ≤ start, end < `to_date`. What has no end is outside.
    End,
}

/// How the connection report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Style {
    /// Ids in lower case, absent fields left out, `2026-01-02T03:04:05Z`, numbers as numbers.
    #[default]
    Plain,
    /// All that has been met elsewhere: ids in upper case, empty strings and nulls instead of absent fields,
    /// `20260102T030405Z`, the currency `None`, the fee as a string.
    Odd,
}

/// How the state of a service case is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum StateStyle {
    /// `Open`, as recorded.
    #[default]
    Open,
    /// `open`, as in the manual.
    #[serde(rename = "open")]
    Lower,
}

/// What the creation of a service case is answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CreateAnswer {
    /// 200 and the service case, as documented.
    #[default]
    Ok,
    /// 201 and the service case.
    Created,
    /// 302 to the customer's link, without a body.
    Redirect,
}

/// A limit on calls of one function with one token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateLimit {
    /// How many go through.
    pub calls: u32,
    /// Seconds from the first of them until counting begins anew, by the instance's clock.
    pub per_seconds: u32,
}

/// A record of the connection report, by the vendor's names. An empty string counts as absent; where a service case has
/// the `session_code`, what is absent here comes from it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Connection {
    /// A UUID in any case, kept in lower case; made up when absent.
    pub id: Option<String>,
    /// The supporter.
    pub userid: Option<String>,
    /// The supporter's name; the user's when absent.
    pub username: Option<String>,
    /// TeamViewer's number of the other end.
    pub deviceid: Option<String>,
    /// Its name.
    pub devicename: Option<String>,
    /// Its group.
    pub groupid: Option<String>,
    /// Its group's name; the group's when absent.
    pub groupname: Option<String>,
    /// 1 remote connection, 2 remote support, 3 remote support by the SDK.
    pub support_session_type: Option<u8>,
    /// When it began.
    pub start_date: Timestamp,
    /// When it ended; absent while it lasts.
    pub end_date: Option<Timestamp>,
    /// What it costs.
    pub fee: Option<f64>,
    /// In which currency.
    pub currency: Option<String>,
    /// `Bill`, `Billed` or `DoNotBill`.
    pub billing_state: Option<String>,
    /// What was noted.
    pub notes: Option<String>,
    /// The contact.
    pub contact_id: Option<String>,
    /// The service case's code.
    pub session_code: Option<String>,
    /// When the service case was created.
    pub session_created_at: Option<Timestamp>,
    /// Until when the service case was valid.
    pub valid_until: Option<Timestamp>,
    /// To whom the service case was assigned.
    pub assigned_userid: Option<String>,
    /// When it was assigned.
    pub assigned_at: Option<Timestamp>,
    /// The service case's description.
    pub session_note: Option<String>,
    /// What programs stored with the service case.
    pub custom_api: Option<String>,
    /// The service case's customer.
    pub end_customer: Option<EndCustomer>,
    /// What the customer said afterwards.
    pub feedback: Option<Feedback>,
    /// Not reported before, by the instance's clock.
    pub visible_at: Option<Timestamp>,
    /// Reported without its end before, by the instance's clock.
    pub end_visible_at: Option<Timestamp>,
}

/// A customer.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndCustomer {
    /// Name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// E-mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
}

/// What a customer said.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Feedback {
    /// Stars.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_rating: Option<i32>,
    /// Words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_comment: Option<String>,
}

/// A service case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// `s119-457-589`; made up when absent.
    pub code: Option<String>,
    /// The group in which it lies.
    pub groupid: String,
    /// Whether it is still open. An expired one is.
    #[serde(default)]
    pub state: CaseState,
    /// Shown to the waiting customer.
    pub waiting_message: Option<String>,
    /// What it is about.
    pub description: Option<String>,
    /// The customer.
    pub end_customer: Option<EndCustomer>,
    /// The supporter; nobody when absent.
    pub assigned_userid: Option<String>,
    /// Since when; since the creation when absent.
    pub assigned_at: Option<Timestamp>,
    /// Who created it; the first user when absent. It is the creator's own, as it is the supporter's.
    pub created_by: Option<String>,
    /// What programs store with it.
    pub custom_api: Option<String>,
    /// Now when absent.
    pub created_at: Option<Timestamp>,
    /// A day after the creation when absent.
    pub valid_until: Option<Timestamp>,
    /// Now when absent from a closed one.
    pub closed_at: Option<Timestamp>,
    /// `Default`, which is meant when absent, or `Pilot`.
    pub support_session_type: Option<String>,
    /// Whether the customer waits.
    #[serde(default)]
    pub online: bool,
    /// The secret part of the supporter's links; made up when absent.
    pub supporter_token: Option<Secret>,
}

/// Whether a service case is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CaseState {
    /// It is.
    #[default]
    Open,
    /// Somebody closed it.
    Closed,
}
