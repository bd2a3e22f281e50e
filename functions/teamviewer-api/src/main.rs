//! The Lambda function `teamviewer-api`: the part of the management API for remote-support connections and service cases. Wiring only.

use lambda_runtime::Error;
use management::TeamViewerManagement;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    api::run::<TeamViewerManagement>().await
}
