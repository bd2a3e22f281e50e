use serde::{Deserialize, Serialize};

use crate::Secret;
use crate::credentials::{BearerToken, Login};
use crate::oauth::OAuthClient;

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
    /// Registered OAuth clients.
    pub oauth_clients: Vec<OAuthClient>,
    /// Whether people who are asked for permission click "Deny".
    pub deny: bool,
    /// The status with which tokens are issued: 201, as documented, when absent; clients have met 200 too.
    pub token_status: Option<u16>,
    /// A wrong API token asks `users/me` as somebody anonymous, like a wrong password; else it is refused with 401.
    /// Both have been recorded.
    pub wrong_token_is_anonymous: bool,
    /// Agents without a password.
    pub agents: Vec<Person>,
    /// End users without a password.
    pub end_users: Vec<Person>,
    /// Custom ticket fields.
    pub ticket_fields: Vec<TicketField>,
    /// Custom objects.
    pub custom_objects: Vec<CustomObject>,
    /// What becomes of a record's field that its object doesn't have.
    pub unknown_fields: UnknownFields,
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
    /// What a regexp field's values have to match as a whole.
    #[serde(default)]
    pub pattern: Option<String>,
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
    /// Text that matches the pattern.
    Regexp,
    /// The id of a record.
    Lookup,
    /// Only the last four digits are kept.
    Partialcreditcard,
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
            Self::Regexp => "regexp",
            Self::Lookup => "lookup",
            Self::Partialcreditcard => "partialcreditcard",
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
            Self::Regexp => "FieldRegexp",
            Self::Lookup => "FieldLookup",
            Self::Partialcreditcard => "FieldPartialCreditCard",
        }
    }
}

/// A custom object.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CustomObject {
    /// Its name in paths.
    pub key: String,
    /// What agents read; the key when absent.
    #[serde(default)]
    pub title: Option<String>,
    /// Its fields, besides name and external id.
    #[serde(default)]
    pub fields: Vec<ObjectField>,
    /// Whether two records cannot have one name; only then can a record be set by its name.
    #[serde(default)]
    pub unique_names: bool,
    /// Numbers the records' names behind this prefix; a name that is sent is refused then.
    #[serde(default)]
    pub autonumber_prefix: Option<String>,
}

/// A field of a custom object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObjectField {
    /// Its name in records.
    pub key: String,
    /// What agents read; the key when absent.
    #[serde(default)]
    pub title: Option<String>,
    /// Decides which values it takes.
    #[serde(rename = "type")]
    pub field_type: ObjectFieldType,
    /// Choices of a dropdown or multiselect.
    #[serde(default)]
    pub options: Vec<FieldOption>,
    /// What a regexp field's values have to match as a whole.
    #[serde(default)]
    pub pattern: Option<String>,
    /// The custom object that a lookup leads to; without one its values go unchecked.
    #[serde(default)]
    pub target: Option<String>,
}

/// Types of custom objects' fields, by the vendor's names. Values of another JSON type are refused; `null` clears.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ObjectFieldType {
    /// One line.
    Text,
    /// Many lines.
    Textarea,
    /// A boolean.
    Checkbox,
    /// `2021-04-16`.
    Date,
    /// A whole number.
    Integer,
    /// A number.
    Decimal,
    /// Text that matches the pattern.
    Regexp,
    /// The value of one choice.
    Dropdown,
    /// A list of choices' values.
    Multiselect,
    /// A record: its id, `external_id:V` or `name:V`.
    Lookup,
}

impl ObjectFieldType {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Textarea => "textarea",
            Self::Checkbox => "checkbox",
            Self::Date => "date",
            Self::Integer => "integer",
            Self::Decimal => "decimal",
            Self::Regexp => "regexp",
            Self::Dropdown => "dropdown",
            Self::Multiselect => "multiselect",
            Self::Lookup => "lookup",
        }
    }
}

/// What becomes of a record's field that its object doesn't have; the vendor doesn't say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnknownFields {
    /// It is dropped without a word.
    #[default]
    Drop,
    /// The whole record is refused.
    Refuse,
}
