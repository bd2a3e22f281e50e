use std::fmt;
use std::time::Duration;

use aws::Patience;
use aws::sesv2::{Body, Client, Destination, Email, EmailContent, Message, Named};
use startup::AwsConfig;

use crate::{Address, Config, Error, ErrorKind};

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
        let patience = Patience {
            attempt: ATTEMPT_TIMEOUT,
            call: ATTEMPT_TIMEOUT,
            attempts: 1,
        };
        Self {
            client: Client::new(&aws.clone().with_patience(patience)),
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
        let from = from.header();
        let email = Email {
            from_email_address: &from,
            destination: Destination {
                to_addresses: addresses(&mail.to),
                cc_addresses: addresses(&mail.cc),
            },
            content: EmailContent {
                simple: Message {
                    subject: mail.subject.as_str().into(),
                    body: Body {
                        text: mail.text.as_deref().map(Into::into),
                        html: mail.html.as_deref().map(Into::into),
                    },
                    headers: vec![Named {
                        name: ID_HEADER,
                        value: &mail.id,
                    }],
                },
            },
            email_tags: mail
                .tags
                .iter()
                .map(|(name, value)| Named { name, value })
                .collect(),
            configuration_set_name: self.config.configuration_set.as_deref(),
        };
        // Nothing else of the error: SES's words may quote addresses.
        self.client
            .send_email(&email)
            .await
            .map_err(|error| Error { kind: kind(&error) })
    }
}

fn addresses(list: &[Address]) -> Vec<&str> {
    list.iter().map(Address::as_str).collect()
}

fn kind(error: &aws::Error) -> ErrorKind {
    let unclear = |what| ErrorKind::Unclear { what };
    match error {
        aws::Error::NotSent { .. } | aws::Error::Unsendable { .. } => ErrorKind::NotSent,
        aws::Error::Refused(refusal) if (400..500).contains(&refusal.status()) => {
            let code = match refusal.code() {
                "" => "an unnamed error",
                code => code,
            };
            ErrorKind::refused(code, refusal.message())
        }
        aws::Error::Refused(_) => unclear("SES answered that it failed"),
        aws::Error::Unreadable { .. } => unclear("SES's answer cannot be read"),
        aws::Error::TimedOut { .. } => unclear("SES did not answer in time"),
        aws::Error::Interrupted { .. } => unclear("the connection to SES broke"),
    }
}
