use aws::eventbridge::{Client, PutEventsRequestEntry};
use domain::message::{SOURCE_EVALUATE, SOURCE_INGEST, TASK_REQUESTED, TaskMessage};
use domain::{CloudEvent, TaskRun};
use startup::AwsConfig;

use crate::error::Error;

/// `PutEvents` takes so many entries.
/// <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html>
const MOST_ENTRIES: usize = 10;

/// The bus by which task functions are told what to do.
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

    /// Requests these tasks. A task that was requested before is requested once more, which changes nothing:
    /// whoever takes it claims it first.
    pub(crate) async fn request(&self, tasks: &[TaskRun]) -> Result<(), Error> {
        let messages: Vec<(&str, String)> = tasks
            .iter()
            .map(|task| (TASK_REQUESTED, detail(task)))
            .collect();
        self.put("requesting tasks", SOURCE_EVALUATE, &messages)
            .await
    }

    /// Tells how a run has ended.
    pub(crate) async fn tell_end(&self, end: &CloudEvent) -> Result<(), Error> {
        let message = (end.kind.as_str(), serde_json::json!(end).to_string());
        self.put("telling how a run has ended", SOURCE_EVALUATE, &[message])
            .await
    }

    /// Passes on once more what came from outside. Whoever has evaluated it does nothing: it has the same key.
    pub(crate) async fn pass_on(&self, event: &CloudEvent) -> Result<(), Error> {
        let message = (event.kind.as_str(), serde_json::json!(event).to_string());
        self.put("passing on an event", SOURCE_INGEST, &[message])
            .await
    }

    async fn put(
        &self,
        attempted: &'static str,
        source: &'static str,
        messages: &[(&str, String)],
    ) -> Result<(), Error> {
        for chunk in messages.chunks(MOST_ENTRIES) {
            let entries: Vec<PutEventsRequestEntry<'_>> = chunk
                .iter()
                .map(|(detail_type, detail)| PutEventsRequestEntry {
                    event_bus_name: &self.name,
                    source,
                    detail_type,
                    detail,
                    time: None,
                })
                .collect();
            let answer = self.client.put_events(&entries).await;
            let answer = answer.map_err(Error::aws(attempted))?;
            if let Some(code) = answer.first_error() {
                return Err(Error::BusRefused {
                    code: code.to_owned(),
                });
            }
        }
        Ok(())
    }
}

fn detail(task: &TaskRun) -> String {
    let message = TaskMessage::V1 {
        run_id: task.run.clone(),
        task: task.name.clone(),
        kind: task.kind,
    };
    serde_json::json!(message).to_string()
}
