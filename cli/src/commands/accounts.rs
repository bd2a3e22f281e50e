use ::accounts::Credential;
use clap::{Args, Subcommand, ValueEnum};
use domain::{Account, AccountName, Vendor, WorkflowId};
use secrecy::SecretString;
use serde_json::json;
use vendor_http::BaseUrl;

use super::{Ending, applied_line};
use crate::deployed::Deployed;
use crate::error::Error;
use crate::output::Output;
use crate::report::time;
use crate::secret_input;
use crate::secrets::Presence;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Connect an account, or replace its secret, which is read from standard input
    Put {
        /// The name that workflows use
        name: AccountName,
        /// Whose account it is
        #[arg(long, value_enum)]
        vendor: VendorName,
        /// The account's address, or the first part of it: dev12345 of dev12345.service-now.com
        #[arg(long, value_name = "NAME")]
        instance: String,
        #[command(flatten)]
        proof: Proof,
    },
    /// List the accounts
    List,
    /// Show an account, whether it has a secret, and what uses it
    Show {
        /// The account
        name: AccountName,
    },
    /// Remove an account and its secret
    Delete {
        /// The account
        name: AccountName,
        /// Even though workflows use it
        #[arg(long)]
        force: bool,
    },
}

/// The vendors by the names that the command line has for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum VendorName {
    Servicenow,
    Zendesk,
}

impl From<VendorName> for Vendor {
    fn from(name: VendorName) -> Self {
        match name {
            VendorName::Servicenow => Self::ServiceNow,
            VendorName::Zendesk => Self::Zendesk,
        }
    }
}

/// What the secret on standard input is.
#[derive(Debug, Clone, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Proof {
    /// The password of this user (for Zendesk an e-mail address)
    #[arg(long, value_name = "USER")]
    basic: Option<String>,
    /// A Zendesk API token, used as the agent with this e-mail address
    #[arg(long, value_name = "EMAIL")]
    api_token: Option<String>,
    /// An OAuth access token
    #[arg(long)]
    bearer: bool,
}

impl Proof {
    fn with(&self, vendor: Vendor, secret: SecretString) -> Result<Credential, Error> {
        match (&self.basic, &self.api_token) {
            (Some(username), _) => Ok(Credential::Basic {
                username: username.clone(),
                password: secret,
            }),
            (None, Some(email)) => match vendor {
                Vendor::Zendesk => Ok(Credential::ApiToken {
                    email: email.clone(),
                    token: secret,
                }),
                Vendor::ServiceNow => Err(Error::NoApiToken { vendor }),
            },
            (None, None) => Ok(Credential::Bearer { token: secret }),
        }
    }
}

impl Command {
    pub(crate) async fn run(&self, stack: &str, output: &mut Output<'_>) -> Result<Ending, Error> {
        match self {
            Self::Put {
                name,
                vendor,
                instance,
                proof,
            } => {
                let vendor = Vendor::from(*vendor);
                let account = Account {
                    name: name.clone(),
                    vendor,
                    instance: label(vendor, instance)?,
                    updated_at: startup::now(),
                };
                // Before the secret is asked for.
                proof.with(vendor, SecretString::default())?;
                let credential = proof.with(vendor, secret_input::read()?)?;
                put(&Deployed::find(stack).await?, &account, &credential, output).await?;
            }
            Self::List => list(&Deployed::find(stack).await?, output).await?,
            Self::Show { name } => show(&Deployed::find(stack).await?, name, output).await?,
            Self::Delete { name, force } => {
                delete(&Deployed::find(stack).await?, name, *force, output).await?;
            }
        }
        Ok(Ending::Good)
    }
}

/// The account's own part of its address.
fn label(vendor: Vendor, instance: &str) -> Result<String, Error> {
    let (template, variable) = match vendor {
        Vendor::ServiceNow => ("https://{instance}.service-now.com", "instance"),
        Vendor::Zendesk => ("https://{subdomain}.zendesk.com", "subdomain"),
    };
    BaseUrl::parse(template, variable, instance)
        .map(|base| base.label().to_owned())
        .map_err(Error::Instance)
}

async fn put(
    deployed: &Deployed,
    account: &Account,
    credential: &Credential,
    output: &mut Output<'_>,
) -> Result<(), Error> {
    let name = &account.name;
    let before = deployed.account_rows()?.get(name).await?;
    if let Some(before) = before
        .as_ref()
        .filter(|before| before.vendor != account.vendor)
    {
        return Err(Error::OtherVendor {
            account: name.clone(),
            found: before.vendor,
        });
    }
    let secrets = deployed.secrets()?;
    let id = secrets.account_id(account);
    // A secret that was deleted lately is in the way of a new one.
    if secrets.presence(&id).await? == Presence::Deleted {
        secrets.restore(&id).await?;
    }
    deployed
        .accounts()?
        .put(account, credential, deployed.secrets_kms_key())
        .await?;
    let done = if before.is_some() {
        "updated"
    } else {
        "created"
    };
    let note = format!(" ({} account {})", account.vendor, account.instance);
    output.text(applied_line(done, name.as_str(), &note))
}

async fn list(deployed: &Deployed, output: &mut Output<'_>) -> Result<(), Error> {
    let accounts = deployed.account_rows()?.list().await?;
    if output.wants_json() {
        return output.json(&accounts);
    }
    if accounts.is_empty() {
        return output.text("There is no account yet: connect one with `accounts put`.");
    }
    let rows: Vec<Vec<String>> = accounts
        .iter()
        .map(|account| {
            vec![
                account.name.to_string(),
                account.vendor.to_string(),
                account.instance.clone(),
                time(account.updated_at),
            ]
        })
        .collect();
    output.table(&rows)
}

async fn show(
    deployed: &Deployed,
    name: &AccountName,
    output: &mut Output<'_>,
) -> Result<(), Error> {
    let account = find(deployed, name).await?;
    let secrets = deployed.secrets()?;
    let presence = secrets.presence(&secrets.account_id(&account)).await?;
    let users = users(deployed, name).await?;
    if output.wants_json() {
        let stored = matches!(presence, Presence::Stored { .. });
        return output.json(&json!({
            "account": account, "secret": if stored { "stored" } else { "missing" }, "workflows": users,
        }));
    }
    let secret = match presence {
        Presence::Stored {
            changed_at: Some(at),
        } => format!("stored, changed {}", time(at)),
        Presence::Stored { changed_at: None } => "stored".to_owned(),
        Presence::Deleted | Presence::Missing => "missing: put it with `accounts put`".to_owned(),
    };
    let users: Vec<&str> = users.iter().map(WorkflowId::as_str).collect();
    let rows = [
        ("account", account.name.to_string()),
        ("vendor", account.vendor.to_string()),
        ("instance", account.instance),
        ("updated", time(account.updated_at)),
        ("secret", secret),
        (
            "used by",
            if users.is_empty() {
                "no workflow".to_owned()
            } else {
                users.join(", ")
            },
        ),
    ];
    output.table(&rows.map(|(name, value)| vec![name.to_owned(), value]))
}

async fn find(deployed: &Deployed, name: &AccountName) -> Result<Account, Error> {
    deployed
        .account_rows()?
        .get(name)
        .await?
        .ok_or_else(|| Error::UnknownAccount(name.clone()))
}

/// The workflows with a task that uses the account.
async fn users(deployed: &Deployed, account: &AccountName) -> Result<Vec<WorkflowId>, Error> {
    let workflows = deployed.workflows()?.list().await?;
    Ok(workflows
        .into_iter()
        .map(|stored| stored.workflow)
        .filter(|workflow| workflow.tasks.iter().any(|task| task.account == *account))
        .map(|workflow| workflow.id)
        .collect())
}

async fn delete(
    deployed: &Deployed,
    name: &AccountName,
    force: bool,
    output: &mut Output<'_>,
) -> Result<(), Error> {
    let account = find(deployed, name).await?;
    let workflows = users(deployed, name).await?;
    if !workflows.is_empty() && !force {
        return Err(Error::AccountInUse {
            account: name.clone(),
            workflows,
        });
    }
    // The row goes last: without it nobody would know of a secret that is left.
    let secrets = deployed.secrets()?;
    secrets.delete(&secrets.account_id(&account)).await?;
    deployed.account_rows()?.delete(name).await?;
    output.text(applied_line("deleted", name.as_str(), ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pasted_addresses_give_the_instance() {
        for (vendor, pasted, expected) in [
            (Vendor::ServiceNow, "dev12345", Some("dev12345")),
            (
                Vendor::ServiceNow,
                "https://Dev12345.service-now.com/nav_to.do?uri=x",
                Some("dev12345"),
            ),
            (Vendor::Zendesk, "acme.zendesk.com", Some("acme")),
            (Vendor::Zendesk, "acme.service-now.com", None),
            (Vendor::Zendesk, "evil.com", None),
            (Vendor::Zendesk, "", None),
        ] {
            assert_eq!(
                label(vendor, pasted).ok().as_deref(),
                expected,
                "{vendor} {pasted}"
            );
        }
    }

    #[test]
    fn secret_becomes_the_kind_of_credential_that_was_named() {
        let proof = |basic: Option<&str>, api_token: Option<&str>| Proof {
            basic: basic.map(str::to_owned),
            api_token: api_token.map(str::to_owned),
            bearer: basic.is_none() && api_token.is_none(),
        };
        let kind = |vendor, proof: Proof| match proof.with(vendor, "s".into()) {
            Ok(Credential::Basic { username, .. }) => format!("basic {username}"),
            Ok(Credential::ApiToken { email, .. }) => format!("token {email}"),
            Ok(Credential::Bearer { .. }) => "bearer".to_owned(),
            Err(error) => error.to_string(),
        };
        assert_eq!(kind(Vendor::ServiceNow, proof(Some("u"), None)), "basic u");
        assert_eq!(kind(Vendor::Zendesk, proof(None, Some("a@b"))), "token a@b");
        assert_eq!(kind(Vendor::Zendesk, proof(None, None)), "bearer");
        assert_eq!(
            kind(Vendor::ServiceNow, proof(None, Some("a@b"))),
            "a servicenow account has no API token: use --basic or --bearer"
        );
    }
}
