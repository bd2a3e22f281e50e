//! The Lambda function `accounts-api`: the part of the management API for accounts, endpoints, tokens and the API itself. Wiring only.

use lambda_runtime::Error;
use management::AccountManagement;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    api::run::<AccountManagement>().await
}
