//! Wires the `zendesk-tasks` function.

use lambda_runtime::{Error, LambdaEvent, service_fn};
use task_runner::Runner;
use zendesk_tasks::{Config, Zendesk};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    startup::tracing();
    let config = Config::from_vars(startup::variable)?;
    let connector = Zendesk::new(vendor_http::Client::new()?, config.url);
    let aws = startup::aws_config().await;
    let runner = Runner::new(connector, config.runner, &aws, startup::now);
    lambda_runtime::run(service_fn(|event: LambdaEvent<_>| async {
        Ok::<_, Error>(runner.handle(event).await)
    }))
    .await
}
