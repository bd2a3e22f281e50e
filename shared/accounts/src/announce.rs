use aws::eventbridge::{Client, PutEventsRequestEntry};
use domain::message::SOURCE_ACCOUNTS;
use domain::{Account, CloudEvent};
use jiff::Timestamp;
use startup::AwsConfig;

use crate::Error;

/// The bus that hears what happens to accounts.
#[derive(Debug)]
pub(crate) struct Bus {
    client: Client,
    name: String,
}

impl Bus {
    pub(crate) fn new(aws: &AwsConfig, name: String) -> Self {
        Self {
            client: Client::new(aws),
            name,
        }
    }

    /// Tells that the account came into its state. Telling it twice is one event.
    pub(crate) async fn tell(
        &self,
        account: &Account,
        since: Timestamp,
        now: Timestamp,
    ) -> Result<(), Error> {
        let Some(event) = account.state_event(since, now) else {
            return Ok(());
        };
        self.put(&event).await.map_err(|source| Error::Bus {
            name: account.name.clone(),
            source,
        })
    }

    async fn put(
        &self,
        event: &CloudEvent,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let detail = serde_json::to_string(event)?;
        let entry = PutEventsRequestEntry {
            event_bus_name: &self.name,
            source: SOURCE_ACCOUNTS,
            detail_type: &event.kind,
            detail: &detail,
            time: None,
        };
        let answer = self.client.put_events(&[entry]).await?;
        match answer.first_error() {
            None => Ok(()),
            Some(code) => Err(format!("the bus refused the event: {code}").into()),
        }
    }
}
