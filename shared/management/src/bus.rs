use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use domain::TaskRun;
use domain::message::{SOURCE_EVALUATE, TASK_REQUESTED, TaskMessage};
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
        for chunk in tasks.chunks(MOST_ENTRIES) {
            let entries = chunk
                .iter()
                .map(|task| {
                    PutEventsRequestEntry::builder()
                        .event_bus_name(&self.name)
                        .source(SOURCE_EVALUATE)
                        .detail_type(TASK_REQUESTED)
                        .detail(detail(task))
                        .build()
                })
                .collect();
            let answer = self
                .client
                .put_events()
                .set_entries(Some(entries))
                .send()
                .await
                .map_err(Error::aws("requesting tasks"))?;
            if let Some(code) = answer.entries().iter().find_map(|entry| entry.error_code()) {
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
