//! Giving a case's code to its customer by mail: once.

use std::collections::BTreeSet;

use domain::mail_template::{MailValues, RenderedMail};
use domain::teamviewer::Settings;
use domain::{AccountName, CaseCode, MailTemplate, ServiceCase, TemplateName};
use jiff::{SignedDuration, Timestamp};
use mail::{Address, Mail};
use retry::Disposition;
use store::MailClaim;

use crate::look::check_usable;
use crate::mapping::{key, time_text};
use crate::task::{Task, caller_fields};
use crate::{Error, ServiceCases};

/// Longer than sending takes: then whoever began it is dead.
const LEASE: SignedDuration = SignedDuration::from_secs(60);
/// The most people that one mail goes to.
const MOST_RECIPIENTS: usize = 10;
/// The most characters of a name for a mail.
const LONGEST_ID: usize = 64;

/// A mail about a case that somebody wants sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseMail {
    /// The template.
    pub template: TemplateName,
    /// Whom it is for; the case's customer when empty, else the task's caller.
    pub to: Vec<String>,
    /// Who gets a copy.
    pub cc: Vec<String>,
    /// Names the mail: asking twice under one name sends one. When absent, case, template and recipients name it.
    pub share_id: Option<String>,
    /// Sends it although nobody knows whether it was sent. One that was sent is not sent again.
    pub resend: bool,
}

/// A mail as it would be sent. Its `Debug` shows no text and no address.
#[derive(Clone, PartialEq, Eq)]
pub struct CaseMailPreview {
    /// Whom it is for.
    pub to: Vec<String>,
    /// Who gets a copy.
    pub cc: Vec<String>,
    /// The subject.
    pub subject: String,
    /// The body as HTML.
    pub html: Option<String>,
    /// The body as plain text.
    pub text: Option<String>,
    /// What the reader will miss.
    pub warnings: Vec<String>,
}

/// A mail that was sent, now or before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentCaseMail {
    /// What the mail is named by.
    pub share_id: String,
    /// SES's id of it.
    pub message_id: String,
    /// When it was sent.
    pub sent_at: Timestamp,
    /// Whether it was sent before, and not now.
    pub repeated: bool,
    /// To how many people.
    pub recipients: usize,
    /// What the reader misses.
    pub warnings: Vec<String>,
}

impl std::fmt::Debug for CaseMailPreview {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CaseMailPreview")
            .field("warnings", &self.warnings)
            .finish_non_exhaustive()
    }
}

struct Prepared {
    case: ServiceCase,
    to: Vec<Address>,
    cc: Vec<Address>,
    rendered: RenderedMail,
}

/// Who has a mail sent.
#[derive(Debug, Clone, Copy)]
pub struct Sender<'a> {
    /// What people call them.
    pub name: &'a str,
    /// The TeamViewer account with which they look at the case.
    pub account: &'a AccountName,
}

impl ServiceCases {
    /// A mail as [`ServiceCases::share`] would send it. Sends and stores nothing.
    ///
    /// # Errors
    /// As `share`, but for what concerns sending.
    pub async fn preview_mail(
        &self,
        settings: &Settings,
        code: &CaseCode,
        request: &CaseMail,
        sender: Sender<'_>,
        now: Timestamp,
    ) -> Result<CaseMailPreview, Error> {
        let prepared = self.prepare(settings, code, request, sender, now).await?;
        let texts = |addresses: &[Address]| {
            let addresses = addresses.iter();
            addresses
                .map(|address| address.as_str().to_owned())
                .collect()
        };
        let rendered = prepared.rendered;
        Ok(CaseMailPreview {
            to: texts(&prepared.to),
            cc: texts(&prepared.cc),
            subject: rendered.subject,
            html: rendered.html,
            text: rendered.text,
            warnings: rendered.warnings,
        })
    }

    /// Mails a case's code, once: a mail that was sent is not sent again, whatever is asked for, and one of which nobody knows
    /// whether it was only where `resend` says so.
    ///
    /// # Errors
    /// [`Error::MailUnclear`] when nobody knows whether it was sent; otherwise what [`Error::disposition`] says.
    pub async fn share(
        &self,
        settings: &Settings,
        code: &CaseCode,
        request: &CaseMail,
        sender: Sender<'_>,
        now: Timestamp,
    ) -> Result<SentCaseMail, Error> {
        if !self.mailer.is_set_up() {
            return Err(Error::Mail(mail::Error {
                kind: mail::ErrorKind::NotSetUp,
            }));
        }
        let prepared = self.prepare(settings, code, request, sender, now).await?;
        let fingerprint = fingerprint(code, request, &prepared);
        let id = match &request.share_id {
            Some(name) => key("mail_", &["named", code.key(), name]),
            None => fingerprint.clone(),
        };
        let share_id = request.share_id.clone().unwrap_or_else(|| id.clone());
        let shared = SentCaseMail {
            share_id: share_id.clone(),
            message_id: String::new(),
            sent_at: now,
            repeated: false,
            recipients: prepared.to.len() + prepared.cc.len(),
            warnings: prepared.rendered.warnings.clone(),
        };
        let owner = self.owner();
        let until = now.saturating_add(LEASE).unwrap_or(now);
        let claim = self
            .mails
            .claim(&id, &fingerprint, request.resend, &owner, now, until);
        match claim.await? {
            MailClaim::Claimed => self.send(&id, &owner, prepared, request, shared, now).await,
            MailClaim::Sent { message_id, at } => Ok(SentCaseMail {
                message_id,
                sent_at: at,
                repeated: true,
                ..shared
            }),
            MailClaim::Sending { until } => Err(Error::BeingSent { until }),
            MailClaim::Unclear { since } => Err(Error::MailUnclear { since }),
            MailClaim::Other => Err(Error::ShareIdTaken(share_id)),
        }
    }

    /// Sends the mail that the caller has the right to send.
    async fn send(
        &self,
        id: &str,
        owner: &str,
        prepared: Prepared,
        request: &CaseMail,
        mut shared: SentCaseMail,
        now: Timestamp,
    ) -> Result<SentCaseMail, Error> {
        let mail = Mail {
            id: id.to_owned(),
            to: prepared.to,
            cc: prepared.cc,
            subject: prepared.rendered.subject,
            html: prepared.rendered.html,
            text: prepared.rendered.text,
            tags: vec![
                ("mail", id.to_owned()),
                ("case", prepared.case.code.key().to_owned()),
                ("template", request.template.to_string()),
            ],
        };
        match self.mailer.send(&mail).await {
            Ok(message_id) => {
                let noted = self.mails.sent(id, owner, &message_id, now).await;
                if let Err(error) = noted {
                    tracing::error!(
                        error = startup::chain(&error),
                        mail.id = id,
                        "sent mail not noted"
                    );
                    let warning = "the mail was sent, and that could not be noted: sharing it again is refused";
                    shared.warnings.push(warning.to_owned());
                }
                tracing::info!(
                    mail.id = id,
                    mail.message_id = message_id,
                    recipients = shared.recipients,
                    "session code mailed"
                );
                shared.message_id = message_id;
                Ok(shared)
            }
            Err(error) => {
                // Where the answer is unclear the row stays as it is: that is what it says.
                if !matches!(error.disposition(), Disposition::Reconcile { .. }) {
                    self.mails.failed(id, owner).await?;
                }
                tracing::warn!(
                    error = startup::chain(&error),
                    mail.id = id,
                    "session code not mailed"
                );
                Err(error.into())
            }
        }
    }

    async fn prepare(
        &self,
        settings: &Settings,
        code: &CaseCode,
        request: &CaseMail,
        sender: Sender<'_>,
        now: Timestamp,
    ) -> Result<Prepared, Error> {
        settings.cases.as_ref().ok_or(Error::NotSetUp)?;
        check_id(request.share_id.as_deref())?;
        let mut to = addresses("to", &request.to)?;
        let mut cc = addresses("cc", &request.cc)?;
        let template = self.templates.get(&request.template).await?;
        let template = template.ok_or_else(|| Error::UnknownTemplate(request.template.clone()))?;
        let case = self.case_if_possible(code, sender.account, now).await?;
        check_usable(&case, now)?;
        if to.is_empty() {
            to.extend(case.customer.email.as_deref().and_then(usable_address));
        }
        let mut warnings = Vec::new();
        let needs_caller = to.is_empty();
        let task = self
            .task_of(settings, &case, &template, needs_caller, &mut warnings, now)
            .await?;
        if to.is_empty() {
            let email = task.as_ref().and_then(Task::caller_email);
            to.extend(email.and_then(usable_address));
        }
        let to = unique(to, &[]);
        cc = unique(cc, &to);
        if to.is_empty() {
            return Err(Error::NoRecipient);
        }
        if to.len() + cc.len() > MOST_RECIPIENTS {
            return Err(Error::Invalid {
                field: "to",
                problem: format!(
                    "a mail goes to {MOST_RECIPIENTS} people at most, copies included"
                ),
            });
        }
        let values = values(&case, task.as_ref(), &template, sender.name);
        let mut rendered = template.render(&values);
        warnings.append(&mut rendered.warnings);
        rendered.warnings = warnings;
        Ok(Prepared {
            case,
            to,
            cc,
            rendered,
        })
    }

    /// The task of a case, if anything of it is needed.
    async fn task_of(
        &self,
        settings: &Settings,
        case: &ServiceCase,
        template: &MailTemplate,
        needs_caller: bool,
        warnings: &mut Vec<String>,
        now: Timestamp,
    ) -> Result<Option<Task>, Error> {
        let of_template = template.fields();
        if of_template.is_empty() && !needs_caller {
            return Ok(None);
        }
        let Some(reference) = case.task.as_ref().filter(|task| task.is_known()) else {
            let warning = "the service case belongs to no task, so the task's fields are empty";
            warnings.push(warning.to_owned());
            return Ok(None);
        };
        let Some(account) = &settings.servicenow_account else {
            warnings.push(
                "no ServiceNow account is set (`servicenow_account` in the settings), so the task's fields are empty"
                    .to_owned(),
            );
            return Ok(None);
        };
        let mut fields: BTreeSet<String> = of_template
            .iter()
            .map(|path| within_task(path, reference.table.as_deref()).to_owned())
            .collect();
        if needs_caller {
            fields.extend(caller_fields());
        }
        // A case may come from another program, and name any record.
        let tables = settings.cases.as_ref().map(|cases| cases.tables.as_slice());
        let tables = Some(tables.unwrap_or_default());
        match self.task(account, reference, &fields, tables, now).await {
            Err(error @ Error::OtherTable { .. }) => {
                warnings.push(format!("{error}, so the task's fields are empty"));
                Ok(None)
            }
            read => read.map(Some),
        }
    }
}

/// What a template is filled in with.
fn values(
    case: &ServiceCase,
    task: Option<&Task>,
    template: &MailTemplate,
    current_user: &str,
) -> MailValues {
    let table = task.and_then(|task| task.reference.table.as_deref());
    let fields = template.fields().into_iter().filter_map(|path| {
        let value = task?.shown.field(within_task(&path, table))?.to_owned();
        Some((path, value))
    });
    MailValues {
        code: Some(case.code.to_string()),
        link: case.customer_link.clone(),
        valid_until: case.valid_until.map(time_text),
        current_user: Some(current_user.to_owned()),
        fields: fields.collect(),
    }
}

/// ServiceNow's forms also write `incident.number` for the `number` of an incident.
fn within_task<'a>(path: &'a str, table: Option<&str>) -> &'a str {
    match path.split_once('.') {
        Some((first, rest)) if Some(first) == table => rest,
        Some(_) | None => path,
    }
}

fn addresses(field: &'static str, texts: &[String]) -> Result<Vec<Address>, Error> {
    // Nobody wants to read through more to be refused.
    if texts.len() > MOST_RECIPIENTS {
        return Err(Error::Invalid {
            field,
            problem: format!(
                "it names {} addresses, more than {MOST_RECIPIENTS}",
                texts.len()
            ),
        });
    }
    texts
        .iter()
        .enumerate()
        .map(|(index, text)| {
            Address::parse(text).map_err(|problem| Error::Invalid {
                field,
                problem: format!("entry {}: {problem}", index + 1),
            })
        })
        .collect()
}

/// An address that a system tells; what is none is as good as none.
fn usable_address(text: &str) -> Option<Address> {
    Address::parse(text).ok()
}

/// Each address once, and none of `others`.
fn unique(addresses: Vec<Address>, others: &[Address]) -> Vec<Address> {
    let mut unique: Vec<Address> = Vec::with_capacity(addresses.len());
    for address in addresses {
        if !unique.contains(&address) && !others.contains(&address) {
            unique.push(address);
        }
    }
    unique
}

fn check_id(id: Option<&str>) -> Result<(), Error> {
    let fits = |id: &str| {
        (1..=LONGEST_ID).contains(&id.len())
            && id
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
    };
    if id.is_none_or(fits) {
        return Ok(());
    }
    Err(Error::Invalid {
        field: "share_id",
        problem: format!("expected 1 to {LONGEST_ID} letters, digits, underscores and hyphens"),
    })
}

/// Says what mail it is: the same for the same case, template and recipients, in whatever order and case.
fn fingerprint(code: &CaseCode, request: &CaseMail, prepared: &Prepared) -> String {
    let keys = |addresses: &[Address]| {
        let mut keys: Vec<&str> = addresses.iter().map(Address::key).collect();
        keys.sort_unstable();
        keys.join(",")
    };
    let (to, cc) = (keys(&prepared.to), keys(&prepared.cc));
    key("mail_", &[code.key(), request.template.as_str(), &to, &cc])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_recipient_gets_one_mail() {
        let parse = |text: &str| Address::parse(text).unwrap();
        let to = unique(
            ["Ann@example.com", "ann@EXAMPLE.com", "bob@example.com"]
                .map(parse)
                .into(),
            &[],
        );
        assert_eq!(to.len(), 2);
        let cc = unique(
            ["BOB@example.com", "eve@example.com"].map(parse).into(),
            &to,
        );
        assert_eq!(cc, [parse("eve@example.com")]);
    }

    #[test]
    fn odd_address_is_named_by_its_place_and_not_repeated() {
        let texts = ["ann@example.com", "eve@example.com\r\nBcc: x@example.com"].map(str::to_owned);
        let error = addresses("cc", &texts).unwrap_err();
        assert_eq!(error.field(), Some("cc"));
        let text = error.to_string();
        assert!(text.contains("entry 2") && !text.contains("eve"), "{text}");
        assert!(addresses("to", &vec!["a@example.com".to_owned(); 11]).is_err());
    }

    #[test]
    fn table_before_a_field_is_understood() {
        for (path, expected) in [
            ("incident.number", "number"),
            ("incident.caller_id.email", "caller_id.email"),
            ("caller_id.email", "caller_id.email"),
            ("number", "number"),
        ] {
            assert_eq!(within_task(path, Some("incident")), expected);
        }
        assert_eq!(within_task("incident.number", None), "incident.number");
    }

    #[test]
    fn names_of_mails_are_plain() {
        assert!(check_id(None).is_ok() && check_id(Some("share-1_A")).is_ok());
        for wrong in ["", "a b", "a#b", "ü", &"a".repeat(65)] {
            assert!(check_id(Some(wrong)).is_err(), "{wrong}");
        }
    }
}
