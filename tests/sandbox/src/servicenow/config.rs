use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::credentials::{BearerToken, Login};
use crate::oauth::OAuthClient;

/// A ServiceNow instance. `{"users":[{"username":"api","password":"p"}]}` is enough to work with.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Who can sign in; each is a row of `sys_user` too.
    pub users: Vec<Login>,
    /// OAuth access tokens that the instance accepts.
    pub bearer_tokens: Vec<BearerToken>,
    /// The application registry: OAuth clients of the endpoints for external clients.
    pub oauth_clients: Vec<OAuthClient>,
    /// Whether people who are asked for permission click "Deny".
    pub deny: bool,
    /// What an answer to a refresh says about the refresh token.
    pub refresh_answer: RefreshAnswer,
    /// `glide.oauth.inbound.client.credential.grant_type.enabled`; the client needs the grant besides.
    pub client_credentials: bool,
    /// Rows of `sys_user` that cannot sign in.
    pub people: Vec<Named>,
    /// Rows of `sys_user_group`.
    pub groups: Vec<Named>,
    /// Table → columns that the caller may not write: a write of them is ignored without a word.
    pub read_only_columns: BTreeMap<String, Vec<String>>,
    /// Tables to which every write is refused by an access rule.
    pub read_only_tables: Vec<String>,
    /// Tables that the caller may not query.
    pub unreadable_tables: Vec<String>,
    /// Table → an encoded query for the rows that an access rule hides: lists leave them out after they have counted
    /// them, and they are not found by `sys_id`.
    pub hidden_rows: BTreeMap<String, String>,
    /// Table → columns that a data policy makes mandatory.
    pub mandatory_fields: BTreeMap<String, Vec<String>>,
    /// New tables; under the name of a built-in one, further columns of it.
    pub tables: BTreeMap<String, Table>,
    /// The zone of display values, in hours from UTC; daylight saving is left out.
    pub utc_offset_hours: Option<i8>,
    /// Answers every call with the page of a sleeping developer instance: 200 and HTML.
    pub hibernating: bool,
}

/// A person or group.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Named {
    /// What references to it display.
    pub name: String,
    /// 32 hexadecimal digits; made up when absent.
    #[serde(default)]
    pub sys_id: Option<String>,
    /// E-mail address.
    #[serde(default)]
    pub email: Option<String>,
    /// Only of people; made from the name when absent.
    #[serde(default)]
    pub user_name: Option<String>,
    /// True when absent. Inactive rows are found like others.
    #[serde(default)]
    pub active: Option<bool>,
}

/// What an instance says about the refresh token when it has been used; it lives on in the first two cases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefreshAnswer {
    /// The same one again, as recorded.
    #[default]
    Repeat,
    /// Nothing, as documented.
    Absent,
    /// A new one; the old one is dead.
    Rotate,
}

/// A table of the customer's own.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Table {
    /// Column → its type. Every table has the system columns besides.
    pub columns: BTreeMap<String, ColumnType>,
    /// Whether it extends `task`, which brings `number`, `state`, `correlation_id` and the like.
    pub extends_task: bool,
    /// Prefix of the numbers when it extends `task`.
    pub number_prefix: Option<String>,
}

/// The type of a column: `"text"`, `{"string": 40}`, `{"reference": "sys_user"}`, `{"choice": {"1": "Low"}}`, ...
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnType {
    /// Up to 4000 characters.
    Text,
    /// Up to so many characters.
    String(usize),
    /// Whole number, displayed with thousands grouped.
    Integer,
    /// `true` or `false`.
    Boolean,
    /// UTC when raw, in the calling user's zone when displayed.
    DateTime,
    /// Entries append; raw it always reads back empty.
    Journal,
    /// `sys_id` of a row in the table.
    Reference(String),
    /// Value → label. Values outside the list are stored all the same.
    Choice(BTreeMap<String, String>),
}
