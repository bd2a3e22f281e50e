//! The Lambda function `schedules`: wiring only.

use lambda_runtime::{Error, LambdaEvent, service_fn};
use schedules::config::Config;
use schedules::request::Request;
use schedules::{Deps, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    startup::tracing();
    let config = Config::from_vars(startup::variable)?;
    let deps = Deps::new(&startup::aws_config()?, config);
    let deps = &deps;
    lambda_runtime::run(service_fn(async |event: LambdaEvent<Request>| {
        handle(deps, event.payload, startup::now()).await
    }))
    .await
}
