use aws::eventbridge::{Client, PutEventsRequestEntry};
use domain::message::{SOURCE_TASKS, TASK_FAILED, TASK_SUCCEEDED, TaskMessage};
use domain::{TaskRun, TaskState};

/// Tells the bus that a task has ended. Telling it twice is harmless.
pub(crate) async fn ended(client: &Client, bus: &str, task: &TaskRun) -> Result<(), String> {
    let detail_type = match task.state {
        TaskState::Succeeded => TASK_SUCCEEDED,
        TaskState::Failed | TaskState::Skipped => TASK_FAILED,
        TaskState::Waiting | TaskState::Requested | TaskState::Running | TaskState::Retrying => {
            return Ok(());
        }
    };
    let message = TaskMessage::V1 {
        run_id: task.run.clone(),
        task: task.name.clone(),
        kind: task.kind,
    };
    let detail = serde_json::to_string(&message).map_err(|error| error.to_string())?;
    let entry = PutEventsRequestEntry {
        event_bus_name: bus,
        source: SOURCE_TASKS,
        detail_type,
        detail: &detail,
        time: None,
    };
    let answer = client
        .put_events(&[entry])
        .await
        .map_err(|error| startup::chain(&error))?;
    match answer.first_error() {
        None => Ok(()),
        Some(code) => Err(format!("the bus refused the event: {code}")),
    }
}
