//! Simple Email Service, version 2 of its API: sending a mail.
//!
//! Source: <https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html>

use http::Method;
use serde::{Deserialize, Serialize};

use crate::call::{Caller, read, written};
use crate::{Config, Error, Service};

/// Calls SES. Clones share the connections.
#[derive(Debug, Clone)]
pub struct Client {
    caller: Caller,
}

impl Client {
    /// The identities of this configuration. Give it a patience of one attempt: SES cannot recognise a mail that is sent
    /// again.
    pub fn new(config: &Config) -> Self {
        Self {
            caller: Caller::new(config, Service::Ses),
        }
    }

    /// Sends a mail; SES's id of it, which is empty when SES gave none.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn send_email(&self, mail: &Email<'_>) -> Result<String, Error> {
        const OPERATION: &str = "SendEmail";
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Sent {
            message_id: Option<String>,
        }
        let body = written(OPERATION, mail)?;
        let answer = self
            .caller
            .send(OPERATION, Method::POST, "/v2/email/outbound-emails", body)
            .await?;
        let sent: Sent = read(OPERATION, &answer.body)?;
        Ok(sent.message_id.unwrap_or_default())
    }
}

/// A mail.
#[derive(Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Email<'a> {
    /// The sender: an identity of SES, with or without a name.
    pub from_email_address: &'a str,
    /// Who gets it.
    pub destination: Destination<'a>,
    /// What it says.
    pub content: EmailContent<'a>,
    /// What SES's events tell of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub email_tags: Vec<Named<'a>>,
    /// How SES tells of it; `None` for the identity's own way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub configuration_set_name: Option<&'a str>,
}

/// Who gets a mail.
#[derive(Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Destination<'a> {
    /// Those whom it is for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub to_addresses: Vec<&'a str>,
    /// Those who get a copy.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cc_addresses: Vec<&'a str>,
}

/// What a mail says.
#[derive(Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct EmailContent<'a> {
    /// A message that SES puts together.
    pub simple: Message<'a>,
}

/// A message that SES puts together.
#[derive(Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Message<'a> {
    /// The subject.
    pub subject: Content<'a>,
    /// The text.
    pub body: Body<'a>,
    /// More headers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<Named<'a>>,
}

/// The text of a mail, in one form or in both.
#[derive(Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Body<'a> {
    /// Plain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<Content<'a>>,
    /// For programs that show pages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub html: Option<Content<'a>>,
}

/// A text, in UTF-8.
#[derive(Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Content<'a> {
    data: &'a str,
    charset: &'static str,
}

impl<'a> From<&'a str> for Content<'a> {
    fn from(data: &'a str) -> Self {
        let charset = "UTF-8";
        Self { data, charset }
    }
}

/// A header or a tag.
#[derive(Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Named<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its value.
    pub value: &'a str,
}
