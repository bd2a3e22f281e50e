//! Who hears of service cases: the bus, and the function that fetches connections.

use domain::CloudEvent;
use domain::message::SOURCE_TEAMVIEWER;
use domain::teamviewer::{TeamViewerMessage, TeamViewerWork};
use startup::AwsConfig;

use aws_sdk_eventbridge::error::ProvideErrorMetadata;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;

use crate::Error;

#[derive(Debug, Clone)]
pub(crate) struct Outlets {
    events: aws_sdk_eventbridge::Client,
    bus: String,
    queues: aws_sdk_sqs::Client,
    queue_url: String,
}

impl Outlets {
    pub(crate) fn new(aws: &AwsConfig, bus: String, queue_url: String) -> Self {
        Self {
            events: aws_sdk_eventbridge::Client::new(aws),
            bus,
            queues: aws_sdk_sqs::Client::new(aws),
            queue_url,
        }
    }

    /// Puts an event on the bus. Putting it twice is one event.
    pub(crate) async fn tell(&self, event: &CloudEvent) -> Result<(), Error> {
        let detail = serde_json::to_string(event).map_err(|error| Error::Bus {
            code: None,
            source: Some(Box::new(error)),
        })?;
        let entry = PutEventsRequestEntry::builder()
            .event_bus_name(&self.bus)
            .source(SOURCE_TEAMVIEWER)
            .detail_type(&event.kind)
            .detail(detail)
            .build();
        let answer = self.events.put_events().entries(entry).send().await;
        let answer = answer.map_err(|error| Error::Bus {
            code: error.code().map(str::to_owned),
            source: Some(Box::new(error)),
        })?;
        let refused = answer.entries().iter().find_map(|entry| entry.error_code());
        match refused {
            None if answer.failed_entry_count() == 0 => Ok(()),
            code => Err(Error::Bus {
                code: code.map(str::to_owned),
                source: None,
            }),
        }
    }

    /// Gives the function work. Giving it twice does it twice, with one effect.
    pub(crate) async fn order(&self, work: TeamViewerWork) -> Result<(), Error> {
        let message = serde_json::to_string(&TeamViewerMessage::from(work));
        let message = message.map_err(|error| Error::Queue {
            code: None,
            source: Box::new(error),
        })?;
        let sent = self
            .queues
            .send_message()
            .queue_url(&self.queue_url)
            .message_body(message)
            .send()
            .await;
        match sent {
            Ok(_) => Ok(()),
            Err(error) => Err(Error::Queue {
                code: error.code().map(str::to_owned),
                source: Box::new(error),
            }),
        }
    }
}
