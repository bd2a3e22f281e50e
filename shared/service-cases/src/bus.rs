//! Who hears of service cases: the bus, and the function that fetches connections.

use domain::CloudEvent;
use domain::message::SOURCE_TEAMVIEWER;
use domain::teamviewer::{TeamViewerMessage, TeamViewerWork};
use startup::AwsConfig;

use aws::eventbridge::PutEventsRequestEntry;

use crate::Error;

#[derive(Debug, Clone)]
pub(crate) struct Outlets {
    events: aws::eventbridge::Client,
    bus: String,
    queues: aws::sqs::Client,
    queue_url: String,
}

impl Outlets {
    pub(crate) fn new(aws: &AwsConfig, bus: String, queue_url: String) -> Self {
        Self {
            events: aws::eventbridge::Client::new(aws),
            bus,
            queues: aws::sqs::Client::new(aws),
            queue_url,
        }
    }

    /// Puts an event on the bus. Putting it twice is one event.
    pub(crate) async fn tell(&self, event: &CloudEvent) -> Result<(), Error> {
        let detail = serde_json::to_string(event).map_err(|error| Error::Bus {
            code: None,
            source: Some(Box::new(error)),
        })?;
        let entry = PutEventsRequestEntry {
            event_bus_name: &self.bus,
            source: SOURCE_TEAMVIEWER,
            detail_type: &event.kind,
            detail: &detail,
            time: None,
        };
        let answer = self.events.put_events(&[entry]).await;
        let answer = answer.map_err(|error| Error::Bus {
            code: error.code().map(str::to_owned),
            source: Some(Box::new(error)),
        })?;
        match answer.first_error() {
            None => Ok(()),
            Some(code) => Err(Error::Bus {
                code: Some(code.to_owned()),
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
            .send_message(&self.queue_url, &message, None)
            .await;
        match sent {
            Ok(()) => Ok(()),
            Err(error) => Err(Error::Queue {
                code: error.code().map(str::to_owned),
                source: Box::new(error),
            }),
        }
    }
}
