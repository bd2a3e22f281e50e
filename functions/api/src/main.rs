//! The Lambda function `api`: wiring only.

use std::sync::Arc;

use accounts::{Accounts, Vendors};
use api::config::Config;
use api::route::Moment;
use api::{Deps, handle, time_for_request};
use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use lambda_runtime::{Error, LambdaEvent, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    startup::tracing();
    let config = Config::from_vars(startup::variable)?;
    let http = vendor_http::Client::new()?;
    let vendors = Vendors::from_vars(http.clone(), startup::variable)?;
    let aws = startup::aws_config()?;
    let names = accounts::Config::from_vars(startup::variable)?;
    let process = startup::process_name()?;
    let accounts = Accounts::new(&aws, names, vendors, process.clone());
    let deps = Deps::new(&aws, config, accounts.clone(), http, process)?;
    let deps = Arc::new(deps);
    let (deps, accounts) = (&deps, &accounts);
    lambda_runtime::run(service_fn(
        async |event: LambdaEvent<ApiGatewayV2httpRequest>| {
            let now = startup::now();
            let time = time_for_request(event.context.deadline, now);
            let random = startup::random()?;
            let moment = Moment { now, random };
            let answer = handle(deps, event.payload, moment, time).await;
            accounts.finish_renewals().await;
            Ok::<_, Error>(answer)
        },
    ))
    .await
}
