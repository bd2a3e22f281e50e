use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use clap::{Args, Subcommand};
use domain::endpoint::Verification;
use domain::{Endpoint, EndpointName, definition};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use webhook_signature::Secret;

use super::{Ending, applied_line};
use crate::definition_files::{Located, load};
use crate::deployed::Deployed;
use crate::error::Error;
use crate::output::Output;
use crate::report::time;
use crate::secrets::{EndpointSecret, Presence};
use crate::{secret_input, signing};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Check definitions without applying them; needs no stack
    Validate {
        /// Files with definitions in YAML or JSON, or folders of them
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Make definitions count: all of those given, or none when one has a problem
    Apply {
        /// Files with definitions in YAML or JSON, or folders of them
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// List the endpoints
    List {
        #[command(flatten)]
        api: Api,
    },
    /// Print an endpoint's definition, the URL for its sender, and whether it has a secret
    Show {
        /// The endpoint
        name: EndpointName,
        #[command(flatten)]
        api: Api,
    },
    /// Remove an endpoint, and its secret unless another endpoint uses it
    Delete {
        /// The endpoint
        name: EndpointName,
    },
    /// Set an endpoint's secret, read from standard input; the one before stays valid, too
    PutSecret {
        /// The endpoint
        name: EndpointName,
        /// Make a random secret, and print it: this once only
        #[arg(long, conflicts_with = "drop_previous")]
        generate: bool,
        /// Read nothing; let the secret that was replaced not be valid any more
        #[arg(long)]
        drop_previous: bool,
    },
}

/// Where the API is found.
#[derive(Debug, Clone, Args)]
pub(crate) struct Api {
    /// The API's address, when it is not the stack's output `ApiUrl`
    #[arg(long = "url", env = "CLOSEDLOOP_API_URL", value_name = "URL")]
    pub(crate) url: Option<String>,
}

impl Api {
    /// The address to which an endpoint's events are posted.
    pub(crate) fn events_url(
        &self,
        deployed: &Deployed,
        endpoint: &EndpointName,
    ) -> Result<String, Error> {
        let base = match &self.url {
            Some(url) => url,
            None => deployed.api_url()?,
        };
        Ok(events_url(base, endpoint))
    }
}

fn events_url(base: &str, endpoint: &EndpointName) -> String {
    let path = format!("/events/{endpoint}");
    let base = base.trim_end_matches('/');
    format!("{}{path}", base.strip_suffix(&path).unwrap_or(base))
}

impl Command {
    pub(crate) async fn run(&self, stack: &str, output: &mut Output<'_>) -> Result<Ending, Error> {
        match self {
            Self::Validate { files } => {
                for located in read(files)? {
                    let name = &located.definition.name;
                    output.text(format_args!("{}: `{name}` is valid", located.place))?;
                }
            }
            Self::Apply { files } => {
                let definitions = read(files)?;
                apply(&Deployed::find(stack).await?, &definitions, output).await?;
            }
            Self::List { api } => list(&Deployed::find(stack).await?, api, output).await?,
            Self::Show { name, api } => {
                show(&Deployed::find(stack).await?, name, api, output).await?;
            }
            Self::Delete { name } => delete(&Deployed::find(stack).await?, name, output).await?,
            Self::PutSecret {
                name,
                generate,
                drop_previous,
            } => {
                let deployed = Deployed::find(stack).await?;
                let endpoint = find(&deployed, name).await?;
                let change = if *drop_previous {
                    Change::DropPrevious
                } else if *generate {
                    Change::Generate
                } else {
                    Change::Put
                };
                put_secret(&deployed, &endpoint, change, output).await?;
            }
        }
        Ok(Ending::Good)
    }
}

fn read(files: &[PathBuf]) -> Result<Vec<Located<Endpoint>>, Error> {
    load(files, definition::endpoint, |endpoint| {
        endpoint.name.to_string()
    })
}

pub(crate) async fn find(deployed: &Deployed, name: &EndpointName) -> Result<Endpoint, Error> {
    deployed
        .endpoints()?
        .get(name)
        .await?
        .ok_or_else(|| Error::UnknownEndpoint(name.clone()))
}

async fn apply(
    deployed: &Deployed,
    definitions: &[Located<Endpoint>],
    output: &mut Output<'_>,
) -> Result<(), Error> {
    let endpoints = deployed.endpoints()?;
    for Located { definition, .. } in definitions {
        let done = match endpoints.get(&definition.name).await? {
            Some(before) if before == *definition => "unchanged",
            Some(_) => "updated",
            None => "created",
        };
        if done != "unchanged" {
            endpoints.put(definition).await?;
        }
        let note = match presence(deployed, definition).await? {
            Some(Presence::Missing | Presence::Deleted) => format!(
                ": refuses everything until it has a secret (`endpoints put-secret {}`)",
                definition.name
            ),
            Some(Presence::Stored { .. }) | None => String::new(),
        };
        output.text(applied_line(done, definition.name.as_str(), &note))?;
    }
    Ok(())
}

/// Whether the endpoint's secret is there; `None` when it needs none.
async fn presence(deployed: &Deployed, endpoint: &Endpoint) -> Result<Option<Presence>, Error> {
    let Some(name) = endpoint.secret_name() else {
        return Ok(None);
    };
    let secrets = deployed.secrets()?;
    secrets.presence(&secrets.endpoint_id(name)).await.map(Some)
}

async fn list(deployed: &Deployed, api: &Api, output: &mut Output<'_>) -> Result<(), Error> {
    let endpoints = deployed.endpoints()?.list().await?;
    if output.wants_json() {
        let rows = endpoints
            .iter()
            .map(|endpoint| {
                let url = api.events_url(deployed, &endpoint.name)?;
                Ok(json!({ "endpoint": endpoint, "url": url }))
            })
            .collect::<Result<Vec<_>, Error>>()?;
        return output.json(&rows);
    }
    if endpoints.is_empty() {
        return output.text("There is no endpoint yet: apply one with `endpoints apply`.");
    }
    let rows = endpoints
        .iter()
        .map(|endpoint| {
            Ok(vec![
                endpoint.name.to_string(),
                if endpoint.enabled { "on" } else { "off" }.to_owned(),
                endpoint.kind.to_string(),
                scheme(&endpoint.verification).to_owned(),
                api.events_url(deployed, &endpoint.name)?,
            ])
        })
        .collect::<Result<Vec<_>, Error>>()?;
    output.table(&rows)
}

fn scheme(verification: &Verification) -> &'static str {
    match verification {
        Verification::StandardWebhooks { .. } => "standard_webhooks",
        Verification::Zendesk { .. } => "zendesk",
        Verification::QualtricsHmac { .. } => "qualtrics_hmac",
        Verification::Bearer { .. } => "bearer",
        Verification::Header { .. } => "header",
        Verification::Basic { .. } => "basic",
        Verification::None { .. } => "none",
    }
}

async fn show(
    deployed: &Deployed,
    name: &EndpointName,
    api: &Api,
    output: &mut Output<'_>,
) -> Result<(), Error> {
    let endpoint = find(deployed, name).await?;
    let url = api.events_url(deployed, name)?;
    let presence = presence(deployed, &endpoint).await?;
    if output.wants_json() {
        let secret = match presence {
            None => "not needed",
            Some(Presence::Stored { .. }) => "stored",
            Some(Presence::Deleted | Presence::Missing) => "missing",
        };
        return output.json(&json!({ "endpoint": endpoint, "url": url, "secret": secret }));
    }
    let secret = match presence {
        None => "not needed: nothing is verified".to_owned(),
        Some(Presence::Stored {
            changed_at: Some(at),
        }) => format!("stored, changed {}", time(at)),
        Some(Presence::Stored { changed_at: None }) => "stored".to_owned(),
        Some(Presence::Deleted | Presence::Missing) => {
            format!("missing, everything is refused: closedloop endpoints put-secret {name}")
        }
    };
    let yaml =
        serde_saphyr::to_string(&endpoint).map_err(|error| Error::Yaml(error.to_string()))?;
    output.text(format_args!(
        "# URL: {url}\n# Secret: {secret}\n{}",
        yaml.trim_end()
    ))
}

async fn delete(
    deployed: &Deployed,
    name: &EndpointName,
    output: &mut Output<'_>,
) -> Result<(), Error> {
    let endpoints = deployed.endpoints()?;
    let endpoint = find(deployed, name).await?;
    endpoints.delete(name).await?;
    let mut note = String::new();
    if let Some(secret) = endpoint.secret_name() {
        let others: Vec<Endpoint> = endpoints.list().await?;
        if let Some(other) = others
            .iter()
            .find(|other| other.secret_name() == Some(secret))
        {
            note = format!(" (its secret is kept: the endpoint {} uses it)", other.name);
        } else {
            let secrets = deployed.secrets()?;
            secrets.delete(&secrets.endpoint_id(secret)).await?;
        }
    }
    output.text(applied_line("deleted", name.as_str(), &note))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Put,
    Generate,
    DropPrevious,
}

async fn put_secret(
    deployed: &Deployed,
    endpoint: &Endpoint,
    change: Change,
    output: &mut Output<'_>,
) -> Result<(), Error> {
    let name = endpoint
        .secret_name()
        .ok_or_else(|| Error::NoSecretNeeded(endpoint.name.clone()))?;
    let secrets = deployed.secrets()?;
    let next = match change {
        Change::DropPrevious => None,
        Change::Put => Some(secret_input::read()?),
        Change::Generate => Some(generate(&endpoint.verification)?),
    };
    if let Some(next) = &next {
        signing::check_secret(&endpoint.verification, &Secret::new(next.expose_secret()))?;
    }
    let before = secrets.read(name).await?;
    let secret = match (before, &next) {
        (Some(before), Some(next)) => before.replaced_by(next.clone()),
        (None, Some(next)) => EndpointSecret::new(next.clone()),
        (Some(before), None) => before.without_previous(),
        (None, None) => {
            return Err(Error::NoSecret {
                id: secrets.endpoint_id(name),
            });
        }
    };
    secrets.write(name, &secret).await?;
    let note = if secret.previous.is_some() {
        "; the previous one is valid, too, until `endpoints put-secret --drop-previous`"
    } else {
        ""
    };
    if let (Change::Generate, Some(next)) = (change, &next) {
        // The secret is alone on standard output, so that it can be piped on.
        output.text(next.expose_secret())?;
        eprintln!("stored the secret `{name}`{note}");
        return Ok(());
    }
    let what = if next.is_some() {
        "stored the secret"
    } else {
        "dropped the previous secret of"
    };
    output.text(format_args!("{what} `{name}`{note}"))
}

/// 32 random bytes in the form that the scheme wants.
fn generate(verification: &Verification) -> Result<SecretString, Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(Error::NoRandomness)?;
    let text = match verification {
        Verification::StandardWebhooks { .. } => format!("whsec_{}", STANDARD.encode(bytes)),
        Verification::Basic { .. } => format!("closedloop:{}", URL_SAFE_NO_PAD.encode(bytes)),
        Verification::Zendesk { .. }
        | Verification::QualtricsHmac { .. }
        | Verification::Bearer { .. }
        | Verification::Header { .. }
        | Verification::None { .. } => URL_SAFE_NO_PAD.encode(bytes),
    };
    Ok(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn url_is_the_apis_followed_by_the_endpoint() {
        let survey = EndpointName::parse("survey").unwrap();
        for base in [
            "https://api.example.com",
            "https://api.example.com/",
            "https://api.example.com/events/survey",
        ] {
            assert_eq!(
                events_url(base, &survey),
                "https://api.example.com/events/survey"
            );
        }
        assert_eq!(
            events_url(
                "http://localhost:4566/_aws/execute-api/a1/$default",
                &survey
            ),
            "http://localhost:4566/_aws/execute-api/a1/$default/events/survey"
        );
    }

    #[test]
    fn generated_secrets_fit_their_scheme_and_differ() {
        for (scheme, prefix) in [
            ("standard_webhooks", "whsec_"),
            ("zendesk", ""),
            ("qualtrics_hmac", ""),
            ("bearer", ""),
            ("basic", "closedloop:"),
        ] {
            let verification: Verification =
                serde_json::from_value(json!({ "scheme": scheme })).unwrap();
            let secret = generate(&verification).unwrap();
            let text = secret.expose_secret();
            assert!(text.starts_with(prefix) && text.len() >= 43, "{scheme}");
            signing::check_secret(&verification, &Secret::new(text)).unwrap();
            assert_ne!(text, generate(&verification).unwrap().expose_secret());
        }
    }
}
