use std::collections::{BTreeMap, BTreeSet};

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use domain::decision::Decided;
use domain::{CloudEvent, EventKey, Run, RunId, TaskName, TaskRun};
use futures_util::future::join_all;
use jiff::Timestamp;
use lambda_runtime::LambdaEvent;
use queue::{Queue, Verdict};
use startup::AwsConfig;
use store::{
    Begun, Change, EventRecord, Events, Intake, Listening, Outcome, Runs, Workflows, Written,
};
use tracing::Instrument;

use crate::bus::{self, Announcement};
use crate::config::Config;
use crate::decide::{self, Moved, beginnings, decide};
use crate::plan::{Unit, Work, plan};

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
    #[error("the tables did not answer: {problem}")]
    Read { problem: String, is_permanent: bool },
    #[error("stored, but the bus did not take what follows: {0}")]
    Bus(String),
}

impl Trouble {
    /// What several messages have waited for in vain.
    fn shared(error: &store::Error) -> Self {
        Self::Read {
            problem: startup::chain(error),
            is_permanent: error.is_permanent(),
        }
    }

    fn is_permanent(&self) -> bool {
        match self {
            Self::Store(error) => error.is_permanent(),
            Self::Read { is_permanent, .. } => *is_permanent,
            Self::Bus(_) => false,
        }
    }
}

/// How often a run is read again when others move it on at the same moment.
const MOST_CONFLICTS: usize = 5;

/// A unit on its way from what its messages say to what is told of it.
#[derive(Debug)]
struct Draft {
    unit: Unit,
    /// The run, where the unit is one.
    moved: Option<Moved>,
    /// The event, or the end of the run, with what follows from it.
    decided: Option<Decided>,
    next: Next,
}

#[derive(Debug)]
enum Next {
    /// To be stored with the others.
    Store,
    /// It cannot be stored with the others, or has met somebody else: it is read and stored for itself.
    Alone,
    /// It is stored.
    Tell,
    /// Nothing is left to do.
    Nothing,
    Fail(Trouble),
}

impl Draft {
    fn new(unit: Unit) -> Self {
        Self {
            unit,
            moved: None,
            decided: None,
            next: Next::Store,
        }
    }

    fn fail(&mut self, trouble: Trouble) {
        self.next = Next::Fail(trouble);
    }

    fn is_open(&self) -> bool {
        matches!(self.next, Next::Store)
    }

    /// What is to be told once it is stored.
    fn announcements(&self) -> Vec<Announcement> {
        let of_run = match (&self.moved, &self.unit.work) {
            (Some(moved), Work::Ended { tasks, .. }) => moved.announcements(tasks),
            (Some(_) | None, Work::Ended { .. } | Work::Event(_)) => Vec::new(),
        };
        let begun = self.decided.iter().map(|decided| &decided.runs);
        of_run
            .into_iter()
            .chain(begun.flat_map(|runs| beginnings(runs)))
            .collect()
    }

    fn log(&self) {
        let _entered = self.unit.span.enter();
        if let Some(moved) = self.moved.as_ref().filter(|moved| moved.ends_now) {
            log_end(moved);
        }
        if let Some(decided) = &self.decided {
            log_evaluated(decided);
        }
    }
}

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

    /// Handles a batch. What its messages need is read, stored and told together where that can be; what becomes of one
    /// does not depend on the others.
    pub async fn handle(&self, event: LambdaEvent<SqsEvent>) -> SqsBatchResponse {
        self.queue
            // Boxed, as the stages below: the compiler gives up on futures that lie in each other this deeply.
            .handle_together(&event.payload, |messages| Box::pin(self.together(messages)))
            .await
    }

    async fn together(&self, messages: &[SqsMessage]) -> Vec<Verdict> {
        let (units, mut verdicts) = plan(messages);
        let mut drafts: Vec<Draft> = units.into_iter().map(Draft::new).collect();
        Box::pin(self.read_and_decide(&mut drafts)).await;
        Box::pin(self.store(&mut drafts)).await;
        for (unit, result) in Box::pin(self.tell(drafts)).await {
            let _entered = unit.span.enter();
            let verdict = match result {
                Ok(()) => Verdict::Finished,
                Err(trouble) if trouble.is_permanent() => {
                    tracing::error!(
                        error = startup::chain(&trouble),
                        "message cannot be handled"
                    );
                    Verdict::Unreadable
                }
                Err(trouble) => {
                    tracing::warn!(error = startup::chain(&trouble), "message put off");
                    Verdict::OwnTrouble
                }
            };
            for index in unit.messages {
                if let Some(place) = verdicts.get_mut(index) {
                    *place = Some(verdict);
                }
            }
        }
        let verdicts = verdicts.into_iter();
        verdicts
            .map(|verdict| verdict.unwrap_or(Verdict::OwnTrouble))
            .collect()
    }

    async fn read_and_decide(&self, drafts: &mut [Draft]) {
        let incoming: Vec<(usize, CloudEvent)> = drafts
            .iter()
            .enumerate()
            .filter_map(|(index, draft)| match &draft.unit.work {
                Work::Event(event) => Some((index, CloudEvent::clone(event))),
                Work::Ended { .. } => None,
            })
            .collect();
        let wanted: Vec<(usize, (RunId, Vec<TaskName>))> = drafts
            .iter()
            .enumerate()
            .filter_map(|(index, draft)| match &draft.unit.work {
                Work::Ended { run, tasks } => Some((index, (run.clone(), tasks.clone()))),
                Work::Event(_) => None,
            })
            .collect();
        let (heard, moved) = tokio::join!(self.hear(&incoming), self.read_runs(wanted));
        self.decide(drafts, incoming, &heard);
        let mut ends = Vec::new();
        for (index, moved) in moved {
            let Some(draft) = drafts.get_mut(index) else {
                continue;
            };
            match moved {
                Err(trouble) => draft.fail(trouble),
                Ok(None) => {
                    draft.unit.span.in_scope(|| tracing::warn!("run gone"));
                    draft.next = Next::Nothing;
                }
                Ok(Some(moved)) => {
                    draft.next = match moved.end() {
                        Some(end) if moved.ends_now => {
                            ends.push((index, end));
                            Next::Store
                        }
                        // It has ended before: somebody must have evaluated that.
                        Some(_) => Next::Alone,
                        None if moved.is_new() => Next::Store,
                        None => Next::Tell,
                    };
                    draft.moved = Some(moved);
                }
            }
        }
        let heard = self.hear(&ends).await;
        self.decide(drafts, ends, &heard);
    }

    /// Decides what these events begin, each for a draft. Runs among them that are over at once are not followed: their ends
    /// are messages of their own, or a few workflows that listen to each other would have no end in one invocation.
    fn decide(&self, drafts: &mut [Draft], events: Vec<(usize, CloudEvent)>, heard: &Heard) {
        for (index, event) in events {
            let Some(draft) = drafts.get_mut(index).filter(|draft| draft.is_open()) else {
                continue;
            };
            match heard.get(&asked(&event)) {
                Some(Ok(listening)) => {
                    draft.decided = Some(decide(event, listening, (self.now)()));
                }
                Some(Err(error)) if draft.moved.is_none() => draft.fail(Trouble::shared(error)),
                // The run's end must not depend on what its event begins.
                Some(Err(_)) | None => draft.next = Next::Alone,
            }
        }
    }

    /// The workflows that listen to each of these events.
    async fn hear(&self, events: &[(usize, CloudEvent)]) -> Heard {
        let mut kinds: BTreeMap<&str, BTreeSet<Option<&str>>> = BTreeMap::new();
        for (_, event) in events {
            let subjects = kinds.entry(event.kind.as_str()).or_default();
            subjects.insert(event.subject.as_deref());
        }
        let heard = join_all(kinds.into_iter().map(async |(kind, subjects)| {
            let subjects: Vec<Option<&str>> = subjects.into_iter().collect();
            let listening = self.workflows.listening_each(kind, &subjects).await;
            let asked = subjects
                .into_iter()
                .map(|subject| (kind.to_owned(), subject.map(str::to_owned)));
            asked.zip(listening).collect::<Vec<_>>()
        }))
        .await;
        let heard: Heard = heard.into_iter().flatten().collect();
        for listening in heard.values().flatten() {
            log_unreadable(listening);
        }
        heard
    }

    async fn read_runs(
        &self,
        wanted: Vec<(usize, (RunId, Vec<TaskName>))>,
    ) -> Vec<(usize, Result<Option<Moved>, Trouble>)> {
        if wanted.is_empty() {
            return Vec::new();
        }
        let (indexes, wanted): (Vec<usize>, Vec<_>) = wanted.into_iter().unzip();
        let runs = self.runs.get_each(&wanted).await;
        let waiting: BTreeSet<&EventKey> = runs
            .iter()
            .flatten()
            .flatten()
            .filter(|(_, tasks)| decide::needs_event(tasks))
            .map(|(run, _)| &run.event)
            .collect();
        let keys: Vec<EventKey> = waiting.into_iter().cloned().collect();
        let events: BTreeMap<EventKey, Result<Option<EventRecord>, store::Error>> =
            if keys.is_empty() {
                BTreeMap::new()
            } else {
                let read = self.events.get_each(&keys).await;
                keys.into_iter().zip(read).collect()
            };
        let moved = runs.into_iter().map(|read| {
            let Some((run, tasks)) = read? else {
                return Ok(None);
            };
            let event = match events.get(&run.event) {
                Some(Ok(record)) => record.as_ref().map(|record| &record.event),
                Some(Err(error)) if decide::needs_event(&tasks) => {
                    return Err(Trouble::shared(error));
                }
                Some(Err(_)) | None => None,
            };
            Ok(Some(decide::move_on(run, tasks, event, (self.now)())))
        });
        indexes.into_iter().zip(moved).collect()
    }

    async fn store(&self, drafts: &mut [Draft]) {
        let mut stored = Vec::new();
        let mut changes = Vec::new();
        for draft in drafts.iter_mut().filter(|draft| draft.is_open()) {
            match self.change(draft) {
                Ok(change) if change.fits() => {
                    changes.push(change);
                    stored.push(draft);
                }
                Ok(_) => draft.next = Next::Alone,
                // As above.
                Err(_) if draft.moved.is_some() => draft.next = Next::Alone,
                Err(error) => draft.fail(error.into()),
            }
        }
        let written = self.intake.store(changes).await;
        for (draft, written) in stored.into_iter().zip(written) {
            draft.next = match written {
                Ok(Written::All) => {
                    draft.log();
                    Next::Tell
                }
                Ok(Written::Nothing { .. }) | Err(store::Error::Conflict { .. }) => Next::Alone,
                // The run's end must not depend on whether what follows from it can be stored.
                Err(error) if draft.moved.is_some() && !error.is_silence() => Next::Alone,
                Err(error) => Next::Fail(error.into()),
            };
        }
    }

    fn change(&self, draft: &Draft) -> Result<Change, store::Error> {
        let mut change = Change::default();
        if let Some(decided) = &draft.decided {
            change = change.and(self.intake.change(&decided.record, &decided.runs)?);
        }
        if let Some(moved) = &draft.moved {
            change = change.and(self.runs.settled(&moved.run, &moved.changed())?);
        }
        Ok(change)
    }

    /// Tells what is stored, and does what could not be done together.
    async fn tell(&self, drafts: Vec<Draft>) -> Vec<(Unit, Result<(), Trouble>)> {
        let mut results = Vec::new();
        let (mut told, mut announcements, mut alone) = (Vec::new(), Vec::new(), Vec::new());
        for draft in drafts {
            match draft.next {
                Next::Tell => {
                    announcements.push(draft.announcements());
                    told.push(draft.unit);
                }
                Next::Alone | Next::Store => alone.push(draft),
                Next::Nothing => results.push((draft.unit, Ok(()))),
                Next::Fail(trouble) => results.push((draft.unit, Err(trouble))),
            }
        }
        let (of_told, of_alone) =
            tokio::join!(self.tell_each(announcements), self.alone_each(&alone));
        results.extend(told.into_iter().zip(of_told));
        let alone = alone.into_iter().map(|draft| draft.unit);
        results.extend(alone.zip(of_alone));
        results
    }

    async fn tell_each(&self, of_each: Vec<Vec<Announcement>>) -> Vec<Result<(), Trouble>> {
        let told = bus::tell(&self.bus, &self.event_bus, of_each).await;
        told.into_iter()
            .map(|result| result.map_err(Trouble::Bus))
            .collect()
    }

    async fn alone_each(&self, drafts: &[Draft]) -> Vec<Result<(), Trouble>> {
        let done = join_all(drafts.iter().map(|draft| {
            let unit = &draft.unit;
            let done = async {
                let mut announcements = Vec::new();
                let result = match &unit.work {
                    Work::Event(event) => self.evaluate(event, &mut announcements).await,
                    Work::Ended { run, tasks } => match &draft.moved {
                        Some(moved) if !moved.is_new() => {
                            self.after(moved, tasks, &mut announcements).await
                        }
                        Some(_) | None => {
                            Box::pin(self.move_on(run, tasks, &mut announcements)).await
                        }
                    },
                };
                (announcements, result)
            };
            done.instrument(unit.span.clone())
        }))
        .await;
        let (announcements, results): (Vec<_>, Vec<_>) = done.into_iter().unzip();
        // What is stored is told, also where something else went wrong.
        let told = self.tell_each(announcements).await;
        let both = results.into_iter().zip(told);
        both.map(|(result, told)| result.and(told)).collect()
    }

    /// Stores an event that is not stored yet, with its runs; gathers what is to be told of them, also of those that were
    /// stored before.
    async fn evaluate(
        &self,
        event: &CloudEvent,
        announcements: &mut Vec<Announcement>,
    ) -> Result<(), Trouble> {
        let key = event.key();
        let mut stored = self.events.get(&key).await?;
        if stored.is_none() {
            if let Some(runs) = self.begin(event).await? {
                announcements.extend(beginnings(&runs));
                return Ok(());
            }
            // Somebody was faster, or came to half of it: what is stored counts.
            stored = self.events.get(&key).await?;
        }
        let record = stored.ok_or(store::Error::Conflict {
            operation: "storing an event and its runs",
        })?;
        announcements.extend(beginnings(&self.begun(&record).await?));
        Ok(())
    }

    /// The runs that a stored event has begun. What was decided the first time counts, whatever the workflows say now.
    async fn begun(&self, record: &EventRecord) -> Result<Vec<(Run, Vec<TaskRun>)>, Trouble> {
        let mut runs = Vec::new();
        for decision in &record.decisions {
            if let Outcome::Started { run } = &decision.outcome {
                runs.extend(self.runs.get(run).await?);
            }
        }
        tracing::info!(runs = runs.len(), "event repeated");
        Ok(runs)
    }

    /// Stores an event with its runs, however many these are; `None` when some of it was there before.
    async fn begin(&self, event: &CloudEvent) -> Result<Option<Vec<(Run, Vec<TaskRun>)>>, Trouble> {
        let listening = self
            .workflows
            .listening(&event.kind, event.subject.as_deref())
            .await?;
        log_unreadable(&listening);
        let decided = decide(event.clone(), &listening, (self.now)());
        let begun = self.intake.begin(&decided.record, &decided.runs).await?;
        Ok(match begun {
            Begun::Created => {
                log_evaluated(&decided);
                Some(decided.runs)
            }
            Begun::Repeated => None,
        })
    }

    /// Moves a run on, then stores its end as an event: in two steps, which takes whatever one step does not. Whoever
    /// finds a run that has ended without that does the second one.
    async fn move_on(
        &self,
        id: &RunId,
        ended: &[TaskName],
        announcements: &mut Vec<Announcement>,
    ) -> Result<(), Trouble> {
        for _ in 0..MOST_CONFLICTS {
            let Some((run, tasks)) = self.runs.get(id).await? else {
                tracing::warn!("run gone");
                return Ok(());
            };
            let record = if decide::needs_event(&tasks) {
                self.events.get(&run.event).await?
            } else {
                None
            };
            let event = record.as_ref().map(|record| &record.event);
            let moved = decide::move_on(run, tasks, event, (self.now)());
            if moved.is_new() {
                match self.runs.settle(&moved.run, &moved.changed()).await {
                    Err(store::Error::Conflict { .. }) => continue,
                    other => other?,
                }
            }
            if moved.ends_now {
                log_end(&moved);
            }
            return self.after(&moved, ended, announcements).await;
        }
        Err(Trouble::Store(store::Error::Conflict {
            operation: "moving a run on",
        }))
    }

    /// What follows once it is stored how far a run has gone.
    async fn after(
        &self,
        moved: &Moved,
        ended: &[TaskName],
        announcements: &mut Vec<Announcement>,
    ) -> Result<(), Trouble> {
        announcements.extend(moved.announcements(ended));
        match moved.end() {
            Some(end) => self.evaluate(&end, announcements).await,
            None => Ok(()),
        }
    }
}

/// Who listens to which type and subject.
type Heard = BTreeMap<(String, Option<String>), Result<Listening, store::Error>>;

fn asked(event: &CloudEvent) -> (String, Option<String>) {
    (event.kind.clone(), event.subject.clone())
}

fn log_unreadable(listening: &Listening) {
    for row in &listening.unreadable {
        tracing::error!(workflow.id = %row.id, workflow.revision = row.revision, error = row.problem, "workflow cannot be read");
    }
}

fn log_evaluated(decided: &Decided) {
    tracing::info!(
        workflows.listening = decided.record.decisions.len(),
        runs = decided.runs.len(),
        "event evaluated"
    );
}

fn log_end(moved: &Moved) {
    tracing::info!(
        workflow.id = %moved.run.workflow,
        run.state = moved.run.state.as_str(),
        tasks = moved.tasks.len(),
        "run ended"
    );
}
