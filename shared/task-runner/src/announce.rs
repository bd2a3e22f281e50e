use aws::eventbridge::{Client, PutEventsRequestEntry};
use domain::message::{SOURCE_TASKS, TASK_FAILED, TASK_SUCCEEDED, TaskMessage};
use domain::{TaskRun, TaskState};
use futures_util::future::join_all;

/// `PutEvents` takes 10 entries.
const MOST_ENTRIES: usize = 10;

/// Tells the bus that tasks have ended. Telling it twice is harmless.
pub(crate) async fn ended(
    client: &Client,
    bus: &str,
    tasks: &[&TaskRun],
) -> Vec<Result<(), String>> {
    let told = tasks
        .chunks(MOST_ENTRIES)
        .map(|tasks| put(client, bus, tasks));
    join_all(told).await.into_iter().flatten().collect()
}

async fn put(client: &Client, bus: &str, tasks: &[&TaskRun]) -> Vec<Result<(), String>> {
    let details: Vec<String> = match tasks.iter().map(|task| detail(task)).collect() {
        Ok(details) => details,
        Err(problem) => return vec![Err(problem); tasks.len()],
    };
    let entries: Vec<PutEventsRequestEntry<'_>> = tasks
        .iter()
        .zip(&details)
        .map(|(task, detail)| PutEventsRequestEntry {
            event_bus_name: bus,
            source: SOURCE_TASKS,
            detail_type: if task.state == TaskState::Succeeded {
                TASK_SUCCEEDED
            } else {
                TASK_FAILED
            },
            detail,
            time: None,
        })
        .collect();
    let answer = match client.put_events(&entries).await {
        Ok(answer) => answer,
        Err(error) => return vec![Err(startup::chain(&error)); tasks.len()],
    };
    let results = (0..tasks.len()).map(|index| match answer.entries.get(index) {
        None => Err("the bus said nothing of the event".to_owned()),
        Some(entry) => match &entry.error_code {
            None => Ok(()),
            Some(code) => Err(format!("the bus refused the event: {code}")),
        },
    });
    results.collect()
}

fn detail(task: &TaskRun) -> Result<String, String> {
    let message = TaskMessage::V1 {
        run_id: task.run.clone(),
        task: task.name.clone(),
        kind: task.kind,
    };
    serde_json::to_string(&message).map_err(|error| error.to_string())
}
