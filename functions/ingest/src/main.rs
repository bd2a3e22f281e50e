//! The Lambda function `ingest`: wiring only.

use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use ingest::config::Config;
use ingest::{Deps, handle, time_for_request};
use lambda_runtime::{LambdaEvent, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    startup::tracing();
    let config = Config::from_vars(startup::variable)?;
    let deps = Deps::new(&startup::aws_config()?, config);
    let deps = &deps;
    lambda_runtime::run(service_fn(
        async |event: LambdaEvent<ApiGatewayV2httpRequest>| {
            let now = startup::now();
            let time = time_for_request(event.context.deadline, now);
            Ok::<_, std::convert::Infallible>(handle(deps, event.payload, now, time).await)
        },
    ))
    .await
}
