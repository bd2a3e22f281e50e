//! Wires the `qualtrics-responses` function.

use accounts::{Accounts, Vendors};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use qualtrics_responses::{Config, Fetcher};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    startup::tracing();
    let config = Config::from_vars(startup::variable)?;
    let vendors = Vendors::from_vars(vendor_http::Client::new()?, startup::variable)?;
    let aws = startup::aws_config()?;
    let process = startup::process_name()?;
    let accounts = Accounts::new(&aws, config.accounts.clone(), vendors, process);
    let fetcher = Fetcher::new(accounts, config, &aws, startup::now);
    lambda_runtime::run(service_fn(|event: LambdaEvent<_>| async {
        Ok::<_, Error>(fetcher.handle(event).await)
    }))
    .await
}
