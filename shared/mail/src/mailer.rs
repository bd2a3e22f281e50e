use std::fmt;
use std::time::Duration;

use aws_sdk_sesv2::Client;
use aws_sdk_sesv2::config::Builder;
use aws_sdk_sesv2::config::retry::RetryConfig;
use aws_sdk_sesv2::config::timeout::TimeoutConfig;
use aws_sdk_sesv2::error::{BuildError, ProvideErrorMetadata, SdkError};
use aws_sdk_sesv2::operation::send_email::SendEmailError;
use aws_sdk_sesv2::types::{
    Body, Content, Destination, EmailContent, Message, MessageHeader, MessageTag,
};
use startup::AwsConfig;

use crate::{Address, Config, Error, ErrorKind};

/// How long a connection may take to stand.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long the one attempt may take. What is claimed before it must be claimed for longer.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(8);
/// The header by which receivers can tell that two mails are the same one.
const ID_HEADER: &str = "X-Closedloop-Mail";

/// One mail, as it goes out. Its `Debug` shows its id alone.
#[derive(Clone)]
pub struct Mail {
    /// Names it for receivers and in SES's events: ASCII letters, digits, `-` and `_`.
    pub id: String,
    /// Whom it is for.
    pub to: Vec<Address>,
    /// Who gets a copy.
    pub cc: Vec<Address>,
    /// The subject, in one line.
    pub subject: String,
    /// The body for programs that show pages.
    pub html: Option<String>,
    /// The body for the others.
    pub text: Option<String>,
    /// What SES's events tell of it: names and values of ASCII letters, digits, `-` and `_`.
    pub tags: Vec<(&'static str, String)>,
}

impl fmt::Debug for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mail")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// Sends mail. Clones share the connections.
#[derive(Debug, Clone)]
pub struct Mailer {
    client: Client,
    config: Config,
}

impl Mailer {
    /// Makes no call. One attempt a call, whatever `aws` says: SES has no way to recognise a mail that is sent again.
    pub fn new(aws: &AwsConfig, config: Config) -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .operation_attempt_timeout(ATTEMPT_TIMEOUT)
            .operation_timeout(ATTEMPT_TIMEOUT)
            .build();
        let settings = Builder::from(aws)
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts)
            .build();
        Self {
            client: Client::from_conf(settings),
            config,
        }
    }

    /// Whether there is a sender.
    pub fn is_set_up(&self) -> bool {
        self.config.from.is_some()
    }

    /// Sends a mail; SES's id of it. That SES took it does not mean that it was delivered.
    ///
    /// # Errors
    /// [`Error::disposition`] says whether it may have been sent all the same.
    pub async fn send(&self, mail: &Mail) -> Result<String, Error> {
        let Some(from) = &self.config.from else {
            return Err(Error {
                kind: ErrorKind::NotSetUp,
            });
        };
        let addresses = |list: &[Address]| -> Option<Vec<String>> {
            let list = list.iter().map(|address| address.as_str().to_owned());
            Some(list.collect()).filter(|list: &Vec<String>| !list.is_empty())
        };
        let destination = Destination::builder()
            .set_to_addresses(addresses(&mail.to))
            .set_cc_addresses(addresses(&mail.cc))
            .build();
        let mut request = self
            .client
            .send_email()
            .from_email_address(from.header())
            .destination(destination)
            .content(content(mail)?)
            .set_configuration_set_name(self.config.configuration_set.clone());
        for (name, value) in &mail.tags {
            let tag = MessageTag::builder().name(*name).value(value).build();
            request = request.email_tags(tag.map_err(unbuilt)?);
        }
        match request.send().await {
            // Without an id it was taken all the same.
            Ok(answer) => Ok(answer.message_id.unwrap_or_default()),
            Err(error) => Err(Error {
                // Nothing else of the error: SES's words may quote addresses.
                kind: kind(&error),
            }),
        }
    }
}

fn content(mail: &Mail) -> Result<EmailContent, Error> {
    let body = Body::builder()
        .set_text(mail.text.as_deref().map(utf8).transpose()?)
        .set_html(mail.html.as_deref().map(utf8).transpose()?)
        .build();
    let id = MessageHeader::builder()
        .name(ID_HEADER)
        .value(&mail.id)
        .build();
    let message = Message::builder()
        .subject(utf8(&mail.subject)?)
        .body(body)
        .headers(id.map_err(unbuilt)?)
        .build();
    Ok(EmailContent::builder().simple(message).build())
}

fn utf8(text: &str) -> Result<Content, Error> {
    Content::builder()
        .data(text)
        .charset("UTF-8")
        .build()
        .map_err(unbuilt)
}

/// A request that lacks something.
fn unbuilt(_: BuildError) -> Error {
    Error {
        kind: ErrorKind::NotSent,
    }
}

fn kind(error: &SdkError<SendEmailError>) -> ErrorKind {
    let unclear = |what| ErrorKind::Unclear { what };
    match error {
        SdkError::ConstructionFailure(_) => ErrorKind::NotSent,
        SdkError::ServiceError(refusal)
            if (400..500).contains(&refusal.raw().status().as_u16()) =>
        {
            let answer = refusal.err();
            ErrorKind::refused(
                answer.code().unwrap_or("an unnamed error"),
                answer.message(),
            )
        }
        SdkError::ServiceError(_) => unclear("SES answered that it failed"),
        SdkError::ResponseError(_) => unclear("SES's answer cannot be read"),
        SdkError::TimeoutError(_) => unclear("SES did not answer in time"),
        // A connection that never stood looks like one that broke.
        SdkError::DispatchFailure(_) => unclear("the connection to SES broke"),
        _ => unclear("SES did not say"),
    }
}
