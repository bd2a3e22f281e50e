//! Verifies the API token of a real account, and prints whose it is and what it allows:
//!
//! `QUALTRICS_TOKEN=... cargo run -p qualtrics --example verify_account -- <data centre>`
//!
//! With a survey's and a response's id besides, it reads both and prints how much was found. All calls only read.

use std::io::Write as _;

use qualtrics::{Auth, BaseUrl, Client, ResponseId, SurveyId};
use secrecy::SecretString;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [datacenter, ids @ ..] = arguments.as_slice() else {
        anyhow::bail!("usage: verify_account <data centre> [<survey id> <response id>]");
    };
    let base = BaseUrl::parse(
        "https://{datacenter}.qualtrics.com",
        "datacenter",
        datacenter,
    )?;
    let client = Client::new(vendor_http::Client::new()?, base, Auth::ApiToken(secret()?));
    let verified = client.verify().await?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", verified.user.as_deref().unwrap_or("nameless"))?;
    for check in &verified.checks {
        writeln!(out, "{}: {:?}, {}", check.what, check.allowed, check.answer)?;
    }
    if let [survey, response] = ids {
        let survey = SurveyId::parse(survey)?;
        let found = client.survey(&survey).await?;
        writeln!(
            out,
            "{}: {} questions",
            found.call,
            found.value.questions.len()
        )?;
        let response = ResponseId::parse(response)?;
        let found = client.response(&survey, &response).await?;
        writeln!(out, "{}: {} values", found.call, found.value.values.len())?;
    }
    Ok(())
}

#[expect(
    clippy::disallowed_methods,
    reason = "a command run by hand has no startup code, and an argument would show the secret in the process list"
)]
fn secret() -> Result<SecretString, std::env::VarError> {
    std::env::var("QUALTRICS_TOKEN").map(SecretString::from)
}
