use std::path::PathBuf;

use clap::{Args, Subcommand};
use domain::endpoint::Verification;
use domain::{Endpoint, EndpointName, definition};
use management::{SecretChange, SecretPresence, events_url};
use serde_json::json;

use super::{Ending, applied_line};
use crate::definition_files::{Located, load};
use crate::error::Error;
use crate::output::Output;
use crate::report::time;
use crate::secret_input;
use crate::stack::{Stack, Target};

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
        api: ApiAddress,
    },
    /// Print an endpoint's definition, the URL for its sender, and whether it has a secret
    Show {
        /// The endpoint
        name: EndpointName,
        #[command(flatten)]
        api: ApiAddress,
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
pub(crate) struct ApiAddress {
    /// The API's address, when it is not the one that the stack tells
    #[arg(long = "url", env = "CLOSEDLOOP_API_URL", value_name = "URL")]
    url: Option<String>,
}

impl ApiAddress {
    /// The address to which an endpoint's events are posted; `told` is the one that the stack tells.
    pub(crate) fn events_url(&self, endpoint: &EndpointName, told: String) -> String {
        match &self.url {
            Some(url) => events_url(url, endpoint),
            None => told,
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
            Self::Validate { files } => {
                for located in read(files)? {
                    let name = &located.definition.name;
                    output.text(format_args!("{}: `{name}` is valid", located.place))?;
                }
            }
            Self::Apply { files } => {
                let definitions = read(files)?;
                apply(&target.open().await?, &definitions, output).await?;
            }
            Self::List { api } => list(&target.open().await?, api, output).await?,
            Self::Show { name, api } => {
                show(&target.open().await?, name, api, output).await?;
            }
            Self::Delete { name } => delete(&target.open().await?, name, output).await?,
            Self::PutSecret {
                name,
                generate,
                drop_previous,
            } => {
                let stack = target.open().await?;
                // Before the secret is asked for.
                stack.endpoint(name).await?;
                let change = if *drop_previous {
                    SecretChange::DropPrevious {}
                } else if *generate {
                    SecretChange::Generate {}
                } else {
                    SecretChange::Put {
                        secret: secret_input::read()?,
                    }
                };
                put_secret(&stack, name, &change, output).await?;
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

async fn apply(
    stack: &Stack,
    definitions: &[Located<Endpoint>],
    output: &mut Output<'_>,
) -> Result<(), Error> {
    for Located { definition, .. } in definitions {
        let name = &definition.name;
        let applied = stack.put_endpoint(definition).await?;
        let note = match applied.secret {
            SecretPresence::Missing => format!(
                ": refuses everything until it has a secret (`endpoints put-secret {name}`)"
            ),
            SecretPresence::Stored { .. } | SecretPresence::NotNeeded => String::new(),
        };
        output.text(applied_line(applied.done.as_str(), name.as_str(), &note))?;
    }
    Ok(())
}

async fn list(stack: &Stack, api: &ApiAddress, output: &mut Output<'_>) -> Result<(), Error> {
    let mut entries = stack.endpoints().await?.items;
    for entry in &mut entries {
        let told = std::mem::take(&mut entry.url);
        entry.url = api.events_url(&entry.endpoint.name, told);
    }
    if output.wants_json() {
        return output.json(&entries);
    }
    if entries.is_empty() {
        return output.text("There is no endpoint yet: apply one with `endpoints apply`.");
    }
    let rows: Vec<Vec<String>> = entries
        .into_iter()
        .map(|entry| {
            let endpoint = entry.endpoint;
            vec![
                endpoint.name.to_string(),
                if endpoint.enabled { "on" } else { "off" }.to_owned(),
                endpoint.kind.to_string(),
                scheme(&endpoint.verification).to_owned(),
                entry.url,
            ]
        })
        .collect();
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
    stack: &Stack,
    name: &EndpointName,
    api: &ApiAddress,
    output: &mut Output<'_>,
) -> Result<(), Error> {
    let detail = stack.endpoint(name).await?;
    let endpoint = detail.endpoint;
    let url = api.events_url(name, detail.url);
    if output.wants_json() {
        let secret = match detail.secret {
            SecretPresence::NotNeeded => "not needed",
            SecretPresence::Stored { .. } => "stored",
            SecretPresence::Missing => "missing",
        };
        return output.json(&json!({ "endpoint": endpoint, "url": url, "secret": secret }));
    }
    let secret = match detail.secret {
        SecretPresence::NotNeeded => "not needed: nothing is verified".to_owned(),
        SecretPresence::Stored {
            changed_at: Some(at),
        } => format!("stored, changed {}", time(at)),
        SecretPresence::Stored { changed_at: None } => "stored".to_owned(),
        SecretPresence::Missing => {
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

async fn delete(stack: &Stack, name: &EndpointName, output: &mut Output<'_>) -> Result<(), Error> {
    let note = match stack.delete_endpoint(name).await?.secret_kept_for {
        Some(other) => format!(" (its secret is kept: the endpoint {other} uses it)"),
        None => String::new(),
    };
    output.text(applied_line("deleted", name.as_str(), &note))
}

async fn put_secret(
    stack: &Stack,
    endpoint: &EndpointName,
    change: &SecretChange,
    output: &mut Output<'_>,
) -> Result<(), Error> {
    let changed = stack.change_endpoint_secret(endpoint, change).await?;
    let name = &changed.secret_name;
    let note = if changed.previous_valid {
        "; the previous one is valid, too, until `endpoints put-secret --drop-previous`"
    } else {
        ""
    };
    if let Some(generated) = &changed.generated {
        // The secret is alone on standard output, so that it can be piped on.
        output.text(generated.expose())?;
        eprintln!("stored the secret `{name}`{note}");
        return Ok(());
    }
    let what = match change {
        SecretChange::Put { .. } | SecretChange::Generate {} => "stored the secret",
        SecretChange::DropPrevious {} => "dropped the previous secret of",
    };
    output.text(format_args!("{what} `{name}`{note}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_that_is_given_counts_more_than_the_stacks_own() {
        let survey = EndpointName::parse("survey").unwrap();
        for (url, expected) in [
            (None, "https://told.example.com/events/survey"),
            (
                Some("https://api.example.com/"),
                "https://api.example.com/events/survey",
            ),
        ] {
            let address = ApiAddress {
                url: url.map(str::to_owned),
            };
            let told = "https://told.example.com/events/survey".to_owned();
            assert_eq!(address.events_url(&survey, told), expected);
        }
    }
}
