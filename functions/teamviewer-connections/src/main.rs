//! Wires the `teamviewer-connections` function.

use accounts::{Accounts, Vendors};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use teamviewer_connections::{Config, Retrieval};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    startup::tracing();
    let config = Config::from_vars(startup::variable)?;
    let vendors = Vendors::from_vars(vendor_http::Client::new()?, startup::variable)?;
    let aws = startup::aws_config()?;
    let process = startup::process_name()?;
    let accounts = Accounts::new(&aws, config.accounts.clone(), vendors, process.clone());
    let retrieval = Retrieval::new(accounts, config, &aws, process, startup::now);
    lambda_runtime::run(service_fn(|event: LambdaEvent<_>| retrieval.handle(event))).await
}
