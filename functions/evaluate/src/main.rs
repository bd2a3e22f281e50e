//! Wires the `evaluate` function.

use evaluate::{Config, Evaluator};
use lambda_runtime::{Error, LambdaEvent, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    startup::tracing();
    let config = Config::from_vars(startup::variable)?;
    let evaluator = Evaluator::new(config, &startup::aws_config()?, startup::now);
    lambda_runtime::run(service_fn(|event: LambdaEvent<_>| async {
        Ok::<_, Error>(evaluator.handle(event).await)
    }))
    .await
}
