//! Wires the `teamviewer-tasks` function.

use lambda_runtime::Error;
use teamviewer_tasks::TeamViewer;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    task_runner::run(TeamViewer::new).await
}
