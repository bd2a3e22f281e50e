use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::Secret;
use crate::oauth::OAuthClient;

/// A Qualtrics data centre with one brand. `{"api_tokens":[{"username":"ann","token":"t"}]}` is enough to work with.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The brand's id; the instance's name when absent.
    pub brand: Option<String>,
    /// Users with their API tokens.
    pub api_tokens: Vec<UserToken>,
    /// OAuth clients. They need the grant `client_credentials`, and a `username` of `api_tokens`.
    pub oauth_clients: Vec<OAuthClient>,
    /// Surveys that every user sees.
    pub surveys: Vec<Survey>,
    /// Their responses.
    pub responses: Vec<Response>,
    /// The brand hasn't bought the API: every call is forbidden.
    pub without_api: bool,
    /// Another data centre is the brand's: calls with an API token are passed on to this host, with a notice; those with
    /// OAuth are refused.
    pub home: Option<String>,
    /// How many single responses may be read a minute; 240 when absent.
    pub responses_per_minute: Option<u32>,
}

/// A user's API token.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserToken {
    /// The user.
    pub username: String,
    /// The token.
    pub token: Secret,
}

/// A survey.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Survey {
    /// Begins with `SV_`.
    pub id: String,
    /// Its name; the id when absent.
    #[serde(default)]
    pub name: Option<String>,
    /// The questions as the API gives them: `{"QID1": {"questionText": "...", "choices": {...}}}`.
    #[serde(default)]
    pub questions: Map<String, Value>,
}

/// A response.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Response {
    /// Begins with `R_`.
    pub id: String,
    /// The survey that it answers.
    pub survey: String,
    /// What was answered, beside what every response has.
    #[serde(default)]
    pub values: Map<String, Value>,
    /// The labels of chosen values.
    #[serde(default)]
    pub labels: Map<String, Value>,
    /// The fields that were shown.
    #[serde(default)]
    pub displayed_fields: Vec<String>,
    /// What could be chosen.
    #[serde(default)]
    pub displayed_values: Map<String, Value>,
    /// How often it isn't found before it is.
    #[serde(default)]
    pub late: u32,
}
