//! What the messages of a batch ask for.

use std::collections::BTreeMap;

use aws_lambda_events::sqs::SqsMessage;
use domain::message::{BusMessage, TaskMessage};
use domain::{CloudEvent, EventKey, RunId, TaskName};
use queue::Verdict;
use tracing::Span;

/// What is to be done once, for one message or for several that ask for the same.
#[derive(Debug)]
pub(crate) struct Unit {
    pub(crate) work: Work,
    /// The messages, by their places in the batch.
    pub(crate) messages: Vec<usize>,
    pub(crate) span: Span,
}

#[derive(Debug)]
pub(crate) enum Work {
    /// An event is to be evaluated.
    Event(Box<CloudEvent>),
    /// A run is to be moved on, after these of its tasks have ended.
    Ended { run: RunId, tasks: Vec<TaskName> },
}

/// The units of a batch, and the verdicts on the messages that belong to none. Messages of one event, or of one run, are
/// one unit: whatever is stored for the first answers the others as well.
pub(crate) fn plan(messages: &[SqsMessage]) -> (Vec<Unit>, Vec<Option<Verdict>>) {
    let mut units: Vec<Unit> = Vec::new();
    let mut events: BTreeMap<EventKey, usize> = BTreeMap::new();
    let mut verdicts = vec![None; messages.len()];
    for (index, (message, verdict)) in messages.iter().zip(&mut verdicts).enumerate() {
        let of_message = queue::span(message);
        let _entered = of_message.enter();
        let read = BusMessage::parse(message.body.as_deref().unwrap_or_default());
        match read {
            Ok(BusMessage::Event(event)) => {
                let key = event.key();
                let same = events.get(&key).and_then(|&index| units.get_mut(index));
                if let Some(unit) = same {
                    unit.messages.push(index);
                    continue;
                }
                let span =
                    tracing::info_span!("event", event.key = %key, event.r#type = event.kind);
                events.insert(key, units.len());
                units.push(Unit {
                    work: Work::Event(event),
                    messages: vec![index],
                    span,
                });
            }
            Ok(BusMessage::TaskEnded(TaskMessage::V1 { run_id, task, .. })) => {
                let same = units.iter_mut().find_map(|unit| match &mut unit.work {
                    Work::Ended { run, tasks } if *run == run_id => {
                        Some((tasks, &mut unit.messages))
                    }
                    Work::Ended { .. } | Work::Event(_) => None,
                });
                if let Some((tasks, messages)) = same {
                    if !tasks.contains(&task) {
                        tasks.push(task);
                    }
                    messages.push(index);
                    continue;
                }
                let span = tracing::info_span!("task_ended", run.id = %run_id, task.name = %task);
                units.push(Unit {
                    work: Work::Ended {
                        run: run_id,
                        tasks: vec![task],
                    },
                    messages: vec![index],
                    span,
                });
            }
            Ok(BusMessage::TaskRequested(_)) => {
                tracing::error!("message in the wrong queue");
                *verdict = Some(Verdict::Unreadable);
            }
            Err(error) => {
                tracing::error!(error = %error, "unreadable message");
                *verdict = Some(Verdict::Unreadable);
            }
        }
    }
    (units, verdicts)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn message(body: &Value) -> SqsMessage {
        let mut message = SqsMessage::default();
        message.body = Some(body.to_string());
        message
    }

    fn event(id: &str) -> SqsMessage {
        message(
            &json!({"source": "closedloop.ingest", "detail-type": "t", "detail": {
                "specversion": "1.0", "id": id, "source": "/endpoints/x", "type": "t"}}),
        )
    }

    fn ended(run: char, task: &str) -> SqsMessage {
        let run = format!("run_{}", run.to_string().repeat(32));
        message(
            &json!({"source": "closedloop.tasks", "detail-type": "task.succeeded", "detail": {
                "version": "1", "run_id": run, "task": task, "kind": "zendesk.create_ticket"}}),
        )
    }

    #[test]
    fn messages_of_one_event_or_run_are_one_unit_and_an_unreadable_one_stands_alone() {
        let mut broken = SqsMessage::default();
        broken.body = Some("{".to_owned());
        let batch = [
            event("1"),
            ended('1', "a"),
            broken,
            event("2"),
            ended('1', "b"),
            event("1"),
            ended('2', "a"),
            ended('1', "a"),
        ];
        let (units, verdicts) = plan(&batch);
        let messages: Vec<&[usize]> = units.iter().map(|unit| unit.messages.as_slice()).collect();
        assert_eq!(messages, [&[0, 5][..], &[1, 4, 7], &[3], &[6]]);
        let Work::Ended { tasks, .. } = &units[1].work else {
            panic!("{units:?}")
        };
        let names: Vec<&str> = tasks.iter().map(TaskName::as_str).collect();
        assert_eq!(names, ["a", "b"]);
        assert_eq!(verdicts[2], Some(Verdict::Unreadable));
        assert_eq!(verdicts.iter().flatten().count(), 1);
    }
}
