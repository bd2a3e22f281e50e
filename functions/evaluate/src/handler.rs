use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use domain::message::{BusMessage, TaskMessage};
use domain::{CloudEvent, Run, RunId, RunState, TaskName, TaskRun, TaskState, run};
use jiff::Timestamp;
use lambda_runtime::LambdaEvent;
use queue::{Queue, Verdict};
use startup::AwsConfig;
use store::{Begun, Events, Intake, Outcome, Runs, Workflows};
use tracing::Instrument;

use crate::bus::{self, Announcement};
use crate::config::Config;
use crate::decide::decide;

/// The function.
#[derive(Debug)]
pub struct Evaluator {
    workflows: Workflows,
    events: Events,
    intake: Intake,
    runs: Runs,
    queue: Queue,
    bus: aws::eventbridge::Client,
    event_bus: String,
    now: fn() -> Timestamp,
}

/// Why a message must come again.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("the tables did not take it")]
    Store(#[from] store::Error),
    #[error("stored, but the bus did not take what follows: {0}")]
    Bus(String),
}

/// How often a run is read again when others move it on at the same moment.
const MOST_CONFLICTS: usize = 5;

impl Evaluator {
    /// The function on the clients of this AWS configuration.
    pub fn new(config: Config, aws: &AwsConfig, now: fn() -> Timestamp) -> Self {
        let dynamodb = store::Client::new(aws);
        Self {
            workflows: Workflows::new(dynamodb.clone(), config.workflows_table),
            events: Events::new(dynamodb.clone(), config.events_table.clone()),
            intake: Intake::new(
                dynamodb.clone(),
                config.runs_table.clone(),
                config.events_table,
                config.run_retention_days,
                config.event_retention_days,
            ),
            runs: Runs::new(dynamodb, config.runs_table),
            queue: Queue::new(aws, config.queue_url),
            bus: aws::eventbridge::Client::new(aws),
            event_bus: config.event_bus,
            now,
        }
    }

    /// Handles a batch: every message for itself, all at the same time.
    pub async fn handle(&self, event: LambdaEvent<SqsEvent>) -> SqsBatchResponse {
        self.queue
            .handle(&event.payload, |message| self.one(message))
            .await
    }

    async fn one(&self, message: &SqsMessage) -> Verdict {
        let result = match BusMessage::parse(message.body.as_deref().unwrap_or_default()) {
            Ok(BusMessage::Event(event)) => {
                let span = tracing::info_span!("event", event.key = %event.key(), event.r#type = event.kind);
                self.start_runs(*event).instrument(span).await
            }
            Ok(BusMessage::TaskEnded(TaskMessage::V1 { run_id, task, .. })) => {
                let span = tracing::info_span!("task_ended", run.id = %run_id, task.name = %task);
                self.move_on(&run_id, &task).instrument(span).await
            }
            Ok(BusMessage::TaskRequested(_)) => {
                tracing::error!("message in the wrong queue");
                return Verdict::Unreadable;
            }
            Err(error) => {
                tracing::error!(error = %error, "unreadable message");
                return Verdict::Unreadable;
            }
        };
        match result {
            Ok(()) => Verdict::Finished,
            Err(Trouble::Store(error)) if error.is_permanent() => {
                tracing::error!(error = startup::chain(&error), "message cannot be handled");
                Verdict::Unreadable
            }
            Err(trouble) => {
                tracing::warn!(error = startup::chain(&trouble), "message put off");
                Verdict::OwnTrouble
            }
        }
    }

    async fn start_runs(&self, event: CloudEvent) -> Result<(), Trouble> {
        let key = event.key();
        let workflows = self
            .workflows
            .listening(&event.kind, event.subject.as_deref())
            .await?;
        for row in &workflows.unreadable {
            tracing::error!(workflow.id = %row.id, workflow.revision = row.revision, error = row.problem, "workflow cannot be read");
        }
        let decided = decide(event, workflows, (self.now)());
        let runs = match self.intake.begin(&decided.record, &decided.runs).await? {
            Begun::Created => decided.runs,
            Begun::Repeated => {
                // What was decided the first time counts, whatever the workflows say now.
                let stored = self.events.get(&key).await?;
                let mut runs = Vec::new();
                for decision in stored.map(|record| record.decisions).unwrap_or_default() {
                    if let Outcome::Started { run } = decision.outcome {
                        runs.extend(self.runs.get(&run).await?);
                    }
                }
                tracing::info!(runs = runs.len(), "event repeated");
                return self.announce(runs.iter()).await;
            }
        };
        let listening = decided.record.decisions.len();
        tracing::info!(
            workflows.listening = listening,
            runs = runs.len(),
            "event evaluated"
        );
        self.announce(runs.iter()).await
    }

    /// Requests the tasks of runs that are to be taken, and tells of the runs that are over.
    async fn announce<'a>(
        &self,
        runs: impl Iterator<Item = &'a (Run, Vec<TaskRun>)>,
    ) -> Result<(), Trouble> {
        let announcements: Vec<Announcement> = runs
            .flat_map(|(run, tasks)| {
                let requests = tasks.iter().filter_map(Announcement::request);
                let end = run::end_event(run, tasks)
                    .as_ref()
                    .and_then(Announcement::event);
                requests.chain(end)
            })
            .collect();
        bus::announce(&self.bus, &self.event_bus, &announcements)
            .await
            .map_err(Trouble::Bus)
    }

    async fn move_on(&self, id: &RunId, ended: &TaskName) -> Result<(), Trouble> {
        for _ in 0..MOST_CONFLICTS {
            match self.settle(id, ended).await {
                Err(Trouble::Store(store::Error::Conflict { .. })) => {}
                other => return other,
            }
        }
        Err(Trouble::Store(store::Error::Conflict {
            operation: "moving a run on",
        }))
    }

    async fn settle(&self, id: &RunId, ended: &TaskName) -> Result<(), Trouble> {
        let Some((mut run, mut tasks)) = self.runs.get(id).await? else {
            tracing::warn!("run gone");
            return Ok(());
        };
        // Only the piped text of tasks that wait needs the event.
        let waiting = tasks.iter().any(|task| task.state == TaskState::Waiting);
        let event = if waiting {
            self.events
                .get(&run.event)
                .await?
                .map(|record| record.event)
        } else {
            None
        };
        let settled = run::settle(&run, &mut tasks, event.as_ref());
        let ends_now = run.state == RunState::Running && settled.finished.is_some();
        if let Some(state) = settled.finished.filter(|_| ends_now) {
            run.state = state;
            run.finished_at = Some((self.now)());
        }
        if ends_now || !settled.changed.is_empty() {
            let changed: Vec<&TaskRun> = tasks
                .iter()
                .filter(|task| settled.changed.contains(&task.name))
                .collect();
            self.runs.settle(&run, &changed).await?;
        }
        if ends_now {
            tracing::info!(workflow.id = %run.workflow, run.state = run.state.as_str(), tasks = tasks.len(), "run ended");
        }
        // A repeated message repeats what followed from it the first time: the requests of the tasks that
        // waited for this one, and the end of the run.
        let announcements: Vec<Announcement> = tasks
            .iter()
            .filter(|task| settled.changed.contains(&task.name) || task.needs.contains(ended))
            .filter_map(Announcement::request)
            .chain(
                run::end_event(&run, &tasks)
                    .as_ref()
                    .and_then(Announcement::event),
            )
            .collect();
        bus::announce(&self.bus, &self.event_bus, &announcements)
            .await
            .map_err(Trouble::Bus)
    }
}
