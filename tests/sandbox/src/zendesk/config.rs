use serde::{Deserialize, Serialize};

use crate::Secret;
use crate::credentials::{BearerToken, Login};

/// A Zendesk account. `{"users":[{"username":"a@example.com","password":"p"}]}` is enough to work with.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Admins who sign in with a password; the user name is the e-mail address.
    pub users: Vec<Login>,
    /// API tokens. As at the vendor, any of them works with the address of any agent or admin. An address that is
    /// nobody's yet becomes an admin.
    pub api_tokens: Vec<ApiToken>,
    /// OAuth access tokens that the account accepts.
    pub bearer_tokens: Vec<BearerToken>,
    /// Agents without a password.
    pub agents: Vec<Person>,
    /// End users without a password.
    pub end_users: Vec<Person>,
    /// Custom ticket fields.
    pub ticket_fields: Vec<TicketField>,
    /// Refuses the status `hold`, as accounts do on which nobody has switched it on.
    pub without_hold: bool,
}

/// An API token and an address to use it with.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiToken {
    /// E-mail address.
    pub email: String,
    /// The token.
    pub token: Secret,
}

/// A user of the account.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Person {
    /// E-mail address.
    pub email: String,
    /// Display name; made from the address when absent.
    #[serde(default)]
    pub name: Option<String>,
    /// Made up when absent.
    #[serde(default)]
    pub id: Option<u64>,
}

/// A custom ticket field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TicketField {
    /// Made up when absent.
    #[serde(default)]
    pub id: Option<u64>,
    /// What agents read.
    pub title: String,
    /// Decides which values it takes.
    #[serde(rename = "type")]
    pub field_type: FieldType,
    /// Choices of a tagger or multiselect.
    #[serde(default)]
    pub options: Vec<FieldOption>,
    /// Whether a ticket cannot be solved without it.
    #[serde(default)]
    pub required: bool,
    /// The tag that a ticked checkbox adds.
    #[serde(default)]
    pub tag: Option<String>,
}

/// A choice of a tagger or multiselect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FieldOption {
    /// What agents read.
    pub name: String,
    /// What is stored, and the tag that it adds.
    pub value: String,
}

/// Types of custom ticket fields, by the vendor's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FieldType {
    /// One line.
    Text,
    /// Many lines.
    Textarea,
    /// True or false.
    Checkbox,
    /// `2021-04-16`.
    Date,
    /// A number, or one in a string.
    Integer,
    /// A number, or one in a string.
    Decimal,
    /// One choice.
    Tagger,
    /// Any choices.
    Multiselect,
}

impl FieldType {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Textarea => "textarea",
            Self::Checkbox => "checkbox",
            Self::Date => "date",
            Self::Integer => "integer",
            Self::Decimal => "decimal",
            Self::Tagger => "tagger",
            Self::Multiselect => "multiselect",
        }
    }

    /// The name in validation errors.
    pub(crate) fn class(self) -> &'static str {
        match self {
            Self::Text => "FieldText",
            Self::Textarea => "FieldTextarea",
            Self::Checkbox => "FieldCheckbox",
            Self::Date => "FieldDate",
            Self::Integer => "FieldInteger",
            Self::Decimal => "FieldDecimal",
            Self::Tagger => "FieldTagger",
            Self::Multiselect => "FieldMultiselect",
        }
    }
}
