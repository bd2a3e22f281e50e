use clap::{Args, Subcommand, ValueEnum};
use domain::{Account, AccountName, Vendor, WorkflowId};
use management::{ConnectAccount, NewCredential, PutAccount, SecretPresence, Verification};
use secrecy::SecretString;
use serde_json::json;

use super::{Ending, applied_line};
use crate::error::Error;
use crate::output::Output;
use crate::report::time;
use crate::secret_input;
use crate::stack::{Stack, Target};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Connect an account with a secret, or replace its secret, which is read from standard input
    Put {
        /// The name that workflows use
        name: AccountName,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        proof: Proof,
        /// What the OAuth client asks for, with spaces between; the vendor's usual when absent
        #[arg(long, value_name = "SCOPES")]
        scope: Option<String>,
    },
    /// Connect an account by OAuth: prints the address at which somebody agrees, in a browser
    Connect {
        /// The name that workflows use
        name: AccountName,
        /// Whose account it is; not needed for one that is there already
        #[arg(long, value_enum)]
        vendor: Option<VendorName>,
        /// The account's address, or the first part of it; not needed for one that is there already
        #[arg(long, value_name = "NAME")]
        instance: Option<String>,
        /// Who looks after it
        #[arg(long, value_name = "NAME")]
        owner: Option<String>,
        /// The OAuth client that is registered at the vendor, whose secret is read from standard input; the one that the
        /// account has when not given
        #[arg(long, value_name = "ID")]
        client_id: Option<String>,
        /// The client is a public one, without a secret
        #[arg(long, requires = "client_id")]
        public: bool,
    },
    /// List the accounts
    List,
    /// Show an account, whether it has a secret, and what uses it
    Show {
        /// The account
        name: AccountName,
    },
    /// Ask the vendor whether an account's credentials work, and what they allow; exits with 1 when they do not work
    Verify {
        /// The account
        name: AccountName,
    },
    /// Give an account another name; the old one goes on leading to it
    Rename {
        /// The account
        old: AccountName,
        /// Its name from now on
        new: AccountName,
    },
    /// List the ticket fields of a Zendesk account, with what can be chosen
    Fields {
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

/// Where an account is.
#[derive(Debug, Clone, Args)]
pub(crate) struct Place {
    /// Whose account it is
    #[arg(long, value_enum)]
    vendor: VendorName,
    /// The account's address, or the first part of it: dev12345 of dev12345.service-now.com, the data centre fra1
    /// of fra1.qualtrics.com
    #[arg(long, value_name = "NAME")]
    instance: String,
    /// Who looks after it
    #[arg(long, value_name = "NAME")]
    owner: Option<String>,
}

/// The vendors by the names that the command line has for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum VendorName {
    Servicenow,
    Zendesk,
    Qualtrics,
    Teamviewer,
}

impl From<VendorName> for Vendor {
    fn from(name: VendorName) -> Self {
        match name {
            VendorName::Servicenow => Self::ServiceNow,
            VendorName::Zendesk => Self::Zendesk,
            VendorName::Qualtrics => Self::Qualtrics,
            VendorName::Teamviewer => Self::TeamViewer,
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
    /// An API token; Zendesk's is used as the agent with this e-mail address, Qualtrics' needs none
    #[arg(long, value_name = "EMAIL", num_args = 0..=1, default_missing_value = "")]
    api_token: Option<String>,
    /// An OAuth access token, or TeamViewer's script token
    #[arg(long)]
    bearer: bool,
    /// The secret of this OAuth client, which gets access tokens for itself
    #[arg(long, value_name = "CLIENT_ID")]
    client_credentials: Option<String>,
}

impl Proof {
    fn with(
        &self,
        vendor: Vendor,
        scope: Option<String>,
        secret: SecretString,
    ) -> Result<NewCredential, Error> {
        if let Some(username) = &self.basic {
            return Ok(NewCredential::Basic {
                username: username.clone(),
                password: secret,
            });
        }
        if let Some(client_id) = &self.client_credentials {
            return Ok(NewCredential::OauthClientCredentials {
                client_id: client_id.clone(),
                client_secret: secret,
                scope,
            });
        }
        if scope.is_some() {
            return Err(Error::NoScope);
        }
        match (self.api_token.as_deref(), vendor) {
            (Some(""), Vendor::Zendesk) => Err(Error::NoAgent),
            // An address that Qualtrics has no use for is refused with the rest, by what both ways in share.
            (Some(email), Vendor::Zendesk | Vendor::Qualtrics) => Ok(NewCredential::ApiToken {
                email: Some(email.to_owned()).filter(|email| !email.is_empty()),
                token: secret,
            }),
            (Some(_), Vendor::ServiceNow | Vendor::TeamViewer) => Err(Error::NoApiToken { vendor }),
            (None, _) => Ok(NewCredential::Bearer { token: secret }),
        }
    }
}

impl Command {
    pub(crate) async fn run(
        &self,
        target: &Target,
        output: &mut Output<'_>,
    ) -> Result<Ending, Error> {
        match self {
            Self::Put {
                name,
                place,
                proof,
                scope,
            } => {
                let vendor = Vendor::from(place.vendor);
                // Before the secret is asked for.
                proof.with(vendor, scope.clone(), SecretString::default())?;
                let request = PutAccount {
                    vendor,
                    instance: place.instance.clone(),
                    owner: place.owner.clone(),
                    credential: proof.with(vendor, scope.clone(), secret_input::read()?)?,
                };
                put(&target.open().await?, name, request, output).await?;
            }
            Self::Connect {
                name,
                vendor,
                instance,
                owner,
                client_id,
                public,
            } => {
                let stack = target.open().await?;
                let (vendor, instance) = match (*vendor, instance) {
                    (Some(vendor), Some(instance)) => (vendor.into(), instance.clone()),
                    (vendor, instance) => {
                        let known = stack.account(name).await?.account;
                        (
                            vendor.map_or(known.vendor, Vendor::from),
                            instance.clone().unwrap_or(known.instance),
                        )
                    }
                };
                let client_secret = match client_id {
                    Some(_) if !*public => Some(secret_input::read()?),
                    Some(_) | None => None,
                };
                let request = ConnectAccount {
                    vendor,
                    instance,
                    owner: owner.clone(),
                    client_id: client_id.clone(),
                    client_secret,
                    public: *public,
                };
                connect(&stack, name, request, output).await?;
            }
            Self::List => list(&target.open().await?, output).await?,
            Self::Show { name } => show(&target.open().await?, name, output).await?,
            Self::Verify { name } => {
                let verification = target.open().await?.verify_account(name).await?;
                tell_verified(name, &verification, output)?;
                if !verification.works {
                    return Ok(Ending::Bad);
                }
            }
            Self::Rename { old, new } => rename(&target.open().await?, old, new, output).await?,
            Self::Fields { name } => fields(&target.open().await?, name, output).await?,
            Self::Delete { name, force } => {
                target.open().await?.delete_account(name, *force).await?;
                output.text(applied_line("deleted", name.as_str(), ""))?;
            }
        }
        Ok(Ending::Good)
    }
}

async fn put(
    stack: &Stack,
    name: &AccountName,
    request: PutAccount,
    output: &mut Output<'_>,
) -> Result<(), Error> {
    let applied = stack.put_account(name, request).await?;
    let account = &applied.account;
    let note = format!(" ({} account {})", account.vendor, account.instance);
    output.text(applied_line(applied.done.as_str(), name.as_str(), &note))
}

async fn connect(
    stack: &Stack,
    name: &AccountName,
    request: ConnectAccount,
    output: &mut Output<'_>,
) -> Result<(), Error> {
    let connect = stack.connect_account(name, request).await?;
    if output.wants_json() {
        return output.json(&connect);
    }
    output.text(format_args!(
        "Register this redirect URL with the OAuth client at the vendor, unless it is there already:\n  {}\n\
         Open this address in a browser, signed in at the vendor as whoever the account is to be (until {}):\n  {}\n\
         `closedloop accounts show {name}` tells when it is connected.",
        connect.redirect_uri,
        time(connect.expires_at),
        connect.url
    ))
}

async fn list(stack: &Stack, output: &mut Output<'_>) -> Result<(), Error> {
    let accounts = stack.accounts().await?.items;
    if output.wants_json() {
        return output.json(&accounts);
    }
    if accounts.is_empty() {
        return output.text(
            "There is no account yet: connect one with `accounts connect` or `accounts put`.",
        );
    }
    let mut rows = vec![
        [
            "name", "vendor", "instance", "kind", "state", "owner", "updated", "verified", "used",
            "problem",
        ]
        .map(str::to_owned)
        .to_vec(),
    ];
    rows.extend(accounts.iter().map(row));
    output.table(&rows)
}

fn row(account: &Account) -> Vec<String> {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    vec![
        account.name.to_string(),
        account.vendor.to_string(),
        account.instance.clone(),
        account.kind.to_string(),
        account.state.to_string(),
        or_dash(account.owner.clone()),
        time(account.updated_at),
        or_dash(account.verified_at.map(time)),
        or_dash(account.used_at.map(time)),
        account
            .problem
            .as_ref()
            .map(|problem| problem.replace('\n', " "))
            .unwrap_or_default(),
    ]
}

async fn show(stack: &Stack, name: &AccountName, output: &mut Output<'_>) -> Result<(), Error> {
    let detail = stack.account(name).await?;
    let account = detail.account;
    if output.wants_json() {
        let stored = matches!(detail.secret, SecretPresence::Stored { .. });
        return output.json(&json!({
            "account": account, "secret": if stored { "stored" } else { "missing" },
            "workflows": detail.workflows,
        }));
    }
    let secret = match detail.secret {
        SecretPresence::Stored {
            changed_at: Some(at),
        } => format!("stored, changed {}", time(at)),
        SecretPresence::Stored { changed_at: None } => "stored".to_owned(),
        SecretPresence::Missing | SecretPresence::NotNeeded => {
            "missing: put it with `accounts put`".to_owned()
        }
    };
    let users: Vec<&str> = detail.workflows.iter().map(WorkflowId::as_str).collect();
    let users = if users.is_empty() {
        "no workflow".to_owned()
    } else {
        users.join(", ")
    };
    let never = || "never".to_owned();
    let rows = [
        ("account", Some(account.name.to_string())),
        ("vendor", Some(account.vendor.to_string())),
        ("instance", Some(account.instance)),
        ("kind", Some(account.kind.to_string())),
        ("state", Some(account.state.to_string())),
        ("problem", account.problem),
        ("owner", account.owner),
        ("updated", Some(time(account.updated_at))),
        (
            "verified",
            Some(account.verified_at.map_or_else(never, time)),
        ),
        ("used", Some(account.used_at.map_or_else(never, time))),
        ("secret", Some(secret)),
        ("used by", Some(users)),
    ];
    let rows: Vec<Vec<String>> = rows
        .into_iter()
        .filter_map(|(name, value)| Some(vec![name.to_owned(), value?]))
        .collect();
    output.table(&rows)
}

fn tell_verified(
    name: &AccountName,
    verification: &Verification,
    output: &mut Output<'_>,
) -> Result<(), Error> {
    if output.wants_json() {
        return output.json(verification);
    }
    let outcome = match (
        verification.works,
        &verification.user,
        &verification.problem,
    ) {
        (true, Some(user), _) => format!("{name} works, as {user}"),
        (true, None, _) => format!("{name} works"),
        (false, _, Some(problem)) => format!("{name} does not work: {problem}"),
        (false, _, None) => format!("{name} does not work"),
    };
    output.text(outcome)?;
    for check in &verification.checks {
        let mark = match check.allowed {
            Some(true) => "✓",
            Some(false) => "✗",
            None => "?",
        };
        output.text(format_args!("  {mark} {}: {}", check.what, check.answer))?;
    }
    Ok(())
}

async fn rename(
    stack: &Stack,
    old: &AccountName,
    new: &AccountName,
    output: &mut Output<'_>,
) -> Result<(), Error> {
    let renamed = stack.rename_account(old, new).await?;
    if output.wants_json() {
        return output.json(&renamed);
    }
    output.text(applied_line("renamed", old.as_str(), &format!(" to {new}")))?;
    if renamed.workflows.is_empty() {
        return Ok(());
    }
    let workflows: Vec<&str> = renamed.workflows.iter().map(WorkflowId::as_str).collect();
    output.text(format_args!(
        "An old name, which goes on working, is still used by {}.",
        workflows.join(", ")
    ))
}

async fn fields(stack: &Stack, name: &AccountName, output: &mut Output<'_>) -> Result<(), Error> {
    let fields = stack.ticket_fields(name).await?.items;
    if output.wants_json() {
        return output.json(&fields);
    }
    let rows: Vec<Vec<String>> = fields
        .into_iter()
        .map(|field| {
            let options: Vec<String> = field
                .options
                .into_iter()
                .map(|option| format!("{} ({})", option.value, option.name))
                .collect();
            vec![
                field.id.to_string(),
                field.title,
                field.kind,
                options.join(", "),
            ]
        })
        .collect();
    output.table(&rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secret_becomes_the_kind_of_credential_that_was_named() {
        let none = Proof {
            basic: None,
            api_token: None,
            bearer: false,
            client_credentials: None,
        };
        let text = |text: &str| Some(text.to_owned());
        let basic = Proof {
            basic: text("u"),
            ..none.clone()
        };
        let api_token = Proof {
            api_token: text("a@b"),
            ..none.clone()
        };
        let client = Proof {
            client_credentials: text("c"),
            ..none.clone()
        };
        let bearer = Proof {
            bearer: true,
            ..none.clone()
        };
        let kind = |vendor, proof: &Proof| match proof.with(vendor, None, "s".into()) {
            Ok(NewCredential::Basic { username, .. }) => format!("basic {username}"),
            Ok(NewCredential::ApiToken { email, .. }) => {
                format!("token {}", email.unwrap_or_default())
            }
            Ok(NewCredential::Bearer { .. }) => "bearer".to_owned(),
            Ok(NewCredential::OauthClientCredentials { client_id, .. }) => {
                format!("client {client_id}")
            }
            Err(error) => error.to_string(),
        };
        assert_eq!(kind(Vendor::ServiceNow, &basic), "basic u");
        assert_eq!(kind(Vendor::Zendesk, &api_token), "token a@b");
        assert_eq!(kind(Vendor::Zendesk, &bearer), "bearer");
        assert_eq!(kind(Vendor::ServiceNow, &client), "client c");
        let alone = Proof {
            api_token: text(""),
            ..none.clone()
        };
        assert_eq!(kind(Vendor::Qualtrics, &alone), "token ");
        assert!(kind(Vendor::Zendesk, &alone).contains("e-mail address"));
        assert_eq!(kind(Vendor::Qualtrics, &client), "client c");
        assert!(
            client
                .with(Vendor::Qualtrics, text("read:users"), "s".into())
                .is_ok()
        );
        assert!(
            alone
                .with(Vendor::Qualtrics, text("read:users"), "s".into())
                .is_err()
        );
        assert_eq!(
            kind(Vendor::ServiceNow, &api_token),
            "a servicenow account has no API token: use --basic, --bearer or --client-credentials"
        );
    }

    #[test]
    fn verification_tells_what_works_and_what_is_allowed() {
        let told = |verification: serde_json::Value| {
            let verification: Verification = serde_json::from_value(verification).unwrap();
            let name = AccountName::parse("support").unwrap();
            let mut written = Vec::new();
            tell_verified(&name, &verification, &mut Output::new(&mut written, false)).unwrap();
            String::from_utf8(written).unwrap()
        };
        assert_eq!(
            told(json!({"works": true, "user": "a@b (agent)", "checks": [
                {"what": "read tickets", "allowed": true, "answer": "200"},
                {"what": "read users", "allowed": false, "answer": "403"},
                {"what": "read objects", "answer": "503"},
            ]})),
            "support works, as a@b (agent)\n  ✓ read tickets: 200\n  ✗ read users: 403\n  ? read objects: 503\n"
        );
        assert_eq!(
            told(json!({"works": false, "problem": "wrong password", "checks": []})),
            "support does not work: wrong password\n"
        );
    }
}
