//! Verifies a real token, and prints whose it is and what it allows:
//!
//! `TEAMVIEWER_TOKEN=... cargo run -p teamviewer --example verify_account`
//!
//! With a session's code, it reads that session and prints how many connections it has had. All calls only read.

use std::io::Write as _;

use jiff::Timestamp;
use secrecy::SecretString;
use teamviewer::{BaseUrl, Client, ConnectionQuery, SessionCode};

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let base = BaseUrl::parse_optional("https://webapi.teamviewer.com", "company", "company")?;
    let client = Client::new(vendor_http::Client::new()?, base, secret()?);
    let verified = client.verify(Timestamp::now()).await?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", verified.user.as_deref().unwrap_or("nameless"))?;
    for check in &verified.checks {
        writeln!(out, "{}: {:?}, {}", check.what, check.allowed, check.answer)?;
    }
    if let [code] = arguments.as_slice() {
        let code = SessionCode::parse(code)?;
        let found = client.session(&code).await?;
        writeln!(out, "{}: {:?}", found.call, found.value.state)?;
        let found = client
            .connections(&ConnectionQuery::of_session(code))
            .await?;
        writeln!(
            out,
            "{}: {} connections",
            found.call,
            found.value.records.len()
        )?;
    }
    Ok(())
}

#[expect(
    clippy::disallowed_methods,
    reason = "a command run by hand has no startup code, and an argument would show the secret in the process list"
)]
fn secret() -> Result<SecretString, std::env::VarError> {
    std::env::var("TEAMVIEWER_TOKEN").map(SecretString::from)
}
