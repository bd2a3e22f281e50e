//! Finds one record by its number on a real instance and prints where it is:
//!
//! `SERVICENOW_PASSWORD=... cargo run -p servicenow --example find_record -- <instance> <user> <table> <number>`
//!
//! With `-` as the user, the variable holds an OAuth access token. The call only reads.

use std::io::Write as _;

use secrecy::SecretString;
use servicenow::{Auth, BaseUrl, Client, RecordNumber, Table};

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [instance, user, table, number] = arguments.as_slice() else {
        anyhow::bail!("usage: find_record <instance> <user, or - for a token> <table> <number>");
    };
    let auth = match user.as_str() {
        "-" => Auth::Bearer(secret()?),
        user => Auth::Basic {
            username: user.to_owned(),
            password: secret()?,
        },
    };
    let base = BaseUrl::parse("https://{instance}.service-now.com", "instance", instance)?;
    let client = Client::new(vendor_http::Client::new()?, base, auth);
    let table = Table::parse(table)?;
    let found = client
        .find_by_number(&table, &RecordNumber::parse(number)?)
        .await?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", found.call)?;
    writeln!(out, "{}", client.record_link(&table, &found.value.sys_id))?;
    Ok(())
}

#[expect(
    clippy::disallowed_methods,
    reason = "a command run by hand has no startup code, and an argument would show the secret in the process list"
)]
fn secret() -> Result<SecretString, std::env::VarError> {
    std::env::var("SERVICENOW_PASSWORD").map(SecretString::from)
}
