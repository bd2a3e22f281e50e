//! Who somebody is towards AWS: a profile, single sign-on, a credential process, or variables. Functions need none of that.

use aws_config::SdkConfig;
use aws_config::timeout::TimeoutConfig;
use aws_credential_types::provider::ProvideCredentials;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use startup::AwsConfig;
use std::time::Duration;

use crate::error::Error;

/// What AWS's own tools would use here.
pub(crate) async fn sdk_config() -> SdkConfig {
    let http = aws_smithy_http_client::Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .build_https();
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(2))
        .operation_timeout(Duration::from_secs(8))
        .build();
    aws_config::from_env()
        .http_client(http)
        .timeout_config(timeouts)
        .load()
        .await
}

/// The same for the product's own clients. Keys that are valid for a time are not renewed: a command that outlives them
/// ends with AWS's word for that, and what it watched goes on.
pub(crate) async fn aws_config(sdk: &SdkConfig) -> Result<AwsConfig, Error> {
    let region = sdk.region().map(AsRef::as_ref).unwrap_or_default();
    if region.is_empty() {
        return Err(Error::NoRegion);
    }
    let provider = sdk
        .credentials_provider()
        .ok_or(Error::NoCredentials(None))?;
    let found = provider
        .provide_credentials()
        .await
        .map_err(|error| Error::NoCredentials(Some(error)))?;
    let credentials = aws::Credentials {
        access_key_id: found.access_key_id().to_owned(),
        secret_access_key: found.secret_access_key().into(),
        session_token: found.session_token().map(Into::into),
    };
    // A profile may name an address for all services.
    let of_profile = sdk.endpoint_url().map(str::to_owned);
    let endpoints = |name: &str| match name {
        "AWS_ENDPOINT_URL" => startup::variable(name).or_else(|| of_profile.clone()),
        other => startup::variable(other),
    };
    Ok(AwsConfig::new(region, &credentials)?.with_endpoints_of(endpoints))
}
