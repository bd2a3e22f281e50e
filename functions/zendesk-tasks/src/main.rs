//! Wires the `zendesk-tasks` function.

use lambda_runtime::Error;
use zendesk_tasks::Zendesk;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    task_runner::run(Zendesk::new).await
}
