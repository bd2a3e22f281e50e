use aws::eventbridge::{Client, PutEventsRequestEntry};
use domain::message::{SOURCE_EVALUATE, TASK_REQUESTED, TaskMessage};
use domain::{CloudEvent, TaskRun, TaskState};

/// `PutEvents` takes 10 entries.
const MOST_ENTRIES: usize = 10;

/// Something to tell the bus: the `detail-type` and the detail.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Announcement {
    detail_type: String,
    detail: String,
}

impl Announcement {
    /// `None` unless the task is to be taken by a task function.
    pub(crate) fn request(task: &TaskRun) -> Option<Self> {
        if task.state != TaskState::Requested {
            return None;
        }
        let message = TaskMessage::V1 {
            run_id: task.run.clone(),
            task: task.name.clone(),
            kind: task.kind,
        };
        Some(Self {
            detail_type: TASK_REQUESTED.to_owned(),
            detail: serde_json::to_string(&message).ok()?,
        })
    }

    pub(crate) fn event(event: &CloudEvent) -> Option<Self> {
        Some(Self {
            detail_type: event.kind.clone(),
            detail: serde_json::to_string(event).ok()?,
        })
    }
}

/// Tells the bus everything, or fails; then all of it may be told again.
pub(crate) async fn announce(
    client: &Client,
    bus: &str,
    announcements: &[Announcement],
) -> Result<(), String> {
    for chunk in announcements.chunks(MOST_ENTRIES) {
        let entries: Vec<PutEventsRequestEntry<'_>> = chunk
            .iter()
            .map(|announcement| PutEventsRequestEntry {
                event_bus_name: bus,
                source: SOURCE_EVALUATE,
                detail_type: &announcement.detail_type,
                detail: &announcement.detail,
                time: None,
            })
            .collect();
        let answer = client
            .put_events(&entries)
            .await
            .map_err(|error| startup::chain(&error))?;
        if let Some(code) = answer.first_error() {
            return Err(format!("the bus refused an event: {code}"));
        }
    }
    Ok(())
}
