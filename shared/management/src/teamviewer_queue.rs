use aws::sqs::Client;
use domain::teamviewer::{TeamViewerMessage, TeamViewerWork};
use startup::AwsConfig;

use crate::error::Error;

/// The queue of the function that talks to TeamViewer.
#[derive(Debug)]
pub(crate) struct TeamViewerQueue {
    client: Client,
    url: String,
}

impl TeamViewerQueue {
    pub(crate) fn new(aws: &AwsConfig, url: String) -> Self {
        Self {
            client: Client::new(aws),
            url,
        }
    }

    /// Asks for work. Asking twice is harmless: it is done once, or finds nothing to do.
    ///
    /// # Errors
    /// `Aws`.
    pub(crate) async fn ask_for(&self, work: TeamViewerWork) -> Result<(), Error> {
        let message = TeamViewerMessage::from(work);
        self.client
            .send_message(&self.url, &serde_json::json!(message).to_string(), None)
            .await
            .map_err(Error::aws("asking for work at TeamViewer"))
    }
}
