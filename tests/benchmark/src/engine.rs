//! An engine of DynamoDB with an HTTP endpoint.

use std::net::SocketAddr;
use std::thread;

use anyhow::{Context, anyhow};
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{Builder, Credentials, SharedCredentialsProvider};
use dynoxide::Database;
use tokio::net::TcpListener;

use crate::meter::Meter;

/// The engine, in threads of its own and in memory. It is there until the process ends.
#[derive(Debug)]
pub(crate) struct Engine {
    address: SocketAddr,
}

impl Engine {
    /// An empty engine on a free port of the loopback.
    pub(crate) fn start() -> anyhow::Result<Self> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let database = Database::memory().map_err(|error| anyhow!("no engine: {error}"))?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        thread::Builder::new()
            .name("engine".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    let listener = TcpListener::from_std(listener).context("no listener")?;
                    dynoxide::server::serve_on(listener, database).await;
                    anyhow::Ok(())
                })
            })?;
        Ok(Self { address })
    }

    /// A client as the functions have it, but for the meter, and for TLS.
    pub(crate) fn client(&self, meter: &Meter) -> Client {
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(SharedCredentialsProvider::new(Credentials::for_tests()))
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .endpoint_url(format!("http://{}", self.address))
            .build();
        Client::from_conf(Builder::from(&config).interceptor(meter.clone()).build())
    }
}
