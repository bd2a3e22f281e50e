//! The Lambda function `workflows-api`: the part of the management API for workflows, events and runs. Wiring only.

use lambda_runtime::Error;
use management::WorkflowManagement;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    api::run::<WorkflowManagement>().await
}
