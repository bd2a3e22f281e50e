//! Wires the `servicenow-tasks` function.

use lambda_runtime::Error;
use servicenow_tasks::ServiceNow;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    task_runner::run(ServiceNow::new).await
}
