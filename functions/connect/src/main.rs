//! The Lambda function `connect`: wiring only.

use accounts::{Accounts, Config, Vendors};
use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use lambda_runtime::{Error, LambdaEvent, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    startup::tracing();
    let config = Config::from_vars(startup::variable)?;
    let vendors = Vendors::from_vars(vendor_http::Client::new()?, startup::variable)?;
    let aws = startup::aws_config()?;
    let accounts = Accounts::new(&aws, config, vendors, startup::process_name()?);
    let accounts = &accounts;
    lambda_runtime::run(service_fn(
        async |event: LambdaEvent<ApiGatewayV2httpRequest>| {
            let random = startup::random()?;
            let now = startup::now();
            let answer = Box::pin(connect::handle(accounts, event.payload, random, now)).await;
            accounts.finish_renewals().await;
            Ok::<_, Error>(answer)
        },
    ))
    .await
}
