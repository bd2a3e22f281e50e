//! Verifies the credentials of a real account, and prints whose they are, what they allow and which custom fields
//! its tickets have:
//!
//! `ZENDESK_TOKEN=... cargo run -p zendesk --example verify_account -- <subdomain> <e-mail>`
//!
//! The variable holds an API token; with `-` as the e-mail address, an OAuth access token. All calls only
//! read.

use std::io::Write as _;

use secrecy::SecretString;
use zendesk::{Auth, BaseUrl, Client};

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [subdomain, email] = arguments.as_slice() else {
        anyhow::bail!("usage: verify_account <subdomain> <e-mail, or - for an OAuth token>");
    };
    let auth = match email.as_str() {
        "-" => Auth::Bearer(secret()?),
        email => Auth::ApiToken {
            email: email.to_owned(),
            token: secret()?,
        },
    };
    let base = BaseUrl::parse("https://{subdomain}.zendesk.com", "subdomain", subdomain)?;
    let http = vendor_http::Client::new()?;
    let existence = zendesk::exists(&http, &base).await?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}: {:?}", existence.call, existence.value)?;
    let client = Client::new(http, base, auth);
    let verified = client.verify().await?;
    let user = verified.user.as_deref().unwrap_or("nameless");
    writeln!(out, "{user}, {}", verified.role)?;
    for check in &verified.checks {
        writeln!(out, "{}: {:?}, {}", check.what, check.allowed, check.answer)?;
    }
    let fields = client.ticket_fields().await?.value;
    for field in fields.iter().filter(|field| field.is_custom()) {
        writeln!(out, "{} {} {}", field.id, field.kind, field.title)?;
        for option in &field.options {
            writeln!(out, "    {} ({})", option.value, option.name)?;
        }
    }
    Ok(())
}

#[expect(
    clippy::disallowed_methods,
    reason = "a command run by hand has no startup code, and an argument would show the secret in the process list"
)]
fn secret() -> Result<SecretString, std::env::VarError> {
    std::env::var("ZENDESK_TOKEN").map(SecretString::from)
}
