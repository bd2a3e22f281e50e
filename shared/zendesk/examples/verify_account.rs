//! Verifies the credentials of a real account and prints whose they are:
//!
//! `ZENDESK_TOKEN=... cargo run -p zendesk --example verify_account -- <subdomain> <e-mail>`
//!
//! The variable holds an API token; with `-` as the e-mail address, an OAuth access token. The call only
//! reads.

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
    let client = Client::new(vendor_http::Client::new()?, base, auth);
    let me = client.me().await?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", me.call)?;
    writeln!(out, "user {}, {}", me.value.id, me.value.role)?;
    Ok(())
}

#[expect(
    clippy::disallowed_methods,
    reason = "a command run by hand has no startup code, and an argument would show the secret in the process list"
)]
fn secret() -> Result<SecretString, std::env::VarError> {
    std::env::var("ZENDESK_TOKEN").map(SecretString::from)
}
