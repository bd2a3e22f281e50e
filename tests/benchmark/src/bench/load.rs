//! What each function is given while it is measured.

use std::path::Path;

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use crate::child::{Child, Program};
use crate::scene::{Message, Scene, batch};
use crate::workflows;

/// What a function is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Anything: it looks at nothing.
    Nothing,
    /// A webhook that becomes an event.
    Webhook,
    /// A survey response of so many bytes.
    Survey(usize),
    /// Events from the queue, each of which starts a run.
    Events,
    /// Events of survey responses of so many bytes.
    SurveyEvents(usize),
    /// Events to which the workflows of `crate::workflows` listen.
    Listened,
    /// Tasks from this queue.
    Tasks(&'static str),
    /// Notifications of survey responses from the queue.
    Notifications,
    /// The same, of large ones.
    LargeNotifications,
    /// The call of every minute, when nothing is due.
    Tick,
    /// A firing of a schedule.
    Firing,
    /// Somebody who opens the page with an old ticket.
    Page,
    /// A caller of the management API who reads what is at this path.
    Caller(&'static str),
}

/// Makes what a function is given, each time anew.
#[derive(Debug)]
pub(crate) struct Load<'a> {
    scene: &'a Scene,
    kind: Kind,
    ingest: Option<Child>,
    evaluate: Option<Child>,
    made: usize,
}

impl<'a> Load<'a> {
    /// A load of this kind, with the functions that are needed to make it.
    pub(crate) async fn new(scene: &'a Scene, kind: Kind) -> anyhow::Result<Self> {
        let feeder = async |name: &str| {
            let program = Program {
                name: "feeder".to_owned(),
                ..scene.program(name)?
            };
            Child::start(&program, &scene.logs()).await
        };
        let is_task = matches!(kind, Kind::Tasks(_));
        Ok(Self {
            ingest: match kind {
                Kind::Events | Kind::SurveyEvents(_) | Kind::Tasks(_) => {
                    Some(feeder("ingest").await?)
                }
                Kind::Nothing
                | Kind::Webhook
                | Kind::Survey(_)
                | Kind::Listened
                | Kind::Notifications
                | Kind::LargeNotifications
                | Kind::Tick
                | Kind::Firing
                | Kind::Page
                | Kind::Caller(_) => None,
            },
            evaluate: if is_task {
                Some(feeder("evaluate").await?)
            } else {
                None
            },
            scene,
            kind,
            made: 0,
        })
    }

    /// Whether the function takes several at a time.
    pub(crate) fn is_batched(&self) -> bool {
        matches!(
            self.kind,
            Kind::Events | Kind::Listened | Kind::Tasks(_) | Kind::Notifications
        )
    }

    /// So many events in one; one, where the function takes one at a time.
    pub(crate) async fn event(&mut self, count: usize) -> anyhow::Result<Value> {
        let scene = self.scene;
        // What followed from the event before goes nowhere.
        scene.aws.take_entries();
        let first = self.made;
        self.made += count;
        Ok(match self.kind {
            Kind::Nothing => json!({"number": first}),
            Kind::Webhook => scene.webhook(first)?,
            Kind::Survey(bytes) => scene.survey_response(first, bytes)?,
            Kind::Events | Kind::SurveyEvents(_) => batch(&self.events(first, count).await?),
            Kind::Listened => {
                let mut messages = Vec::new();
                for number in first..first + count {
                    let event = workflows::event(&format!("event-{number}"))?;
                    messages.push(Scene::arrived(&event, &event.kind));
                }
                batch(&messages)
            }
            Kind::Tasks(queue) => {
                let events = self.events(first, count).await?;
                let evaluate = self.evaluate.as_mut().context("no feeder")?;
                evaluate.invoke(&batch(&events)).await?;
                let messages: Vec<_> = scene
                    .route()?
                    .into_iter()
                    .filter(|message| message.queue == queue)
                    .collect();
                ensure!(messages.len() == count, "{count} events made {messages:?}");
                batch(&messages)
            }
            Kind::Notifications | Kind::LargeNotifications => {
                let sample = sample(scene.root(), "qualtrics-responses-notified")?;
                let body = sample["Records"][0]["body"].as_str().unwrap_or_default();
                let messages: Vec<_> = (first..first + count)
                    .map(|number| {
                        let id = Scene::response_id(number);
                        let body = body.replace("R_0B7IcnXszjEUHLP", &id);
                        Message::new("QualtricsResponsesQueue", body)
                    })
                    .collect();
                batch(&messages)
            }
            Kind::Tick => sample(scene.root(), "teamviewer-connections-tick")?,
            Kind::Firing => sample(scene.root(), "schedules-firing")?,
            Kind::Page => sample(scene.root(), "connect-start")?,
            Kind::Caller(path) => {
                let mut request = sample(scene.root(), "workflows-api-runs")?;
                request["rawPath"] = json!(path);
                request["requestContext"]["http"]["path"] = json!(path);
                request["headers"]["authorization"] = json!(format!("Bearer {}", Scene::TOKEN));
                request
            }
        })
    }

    async fn events(&mut self, first: usize, count: usize) -> anyhow::Result<Vec<Message>> {
        let ingest = self.ingest.as_mut().context("no feeder")?;
        for number in first..first + count {
            let request = if let Kind::SurveyEvents(bytes) = self.kind {
                self.scene.survey_response(number, bytes)?
            } else {
                self.scene.webhook(number)?
            };
            ingest.invoke(&request).await?;
        }
        self.scene.route()
    }

    /// Whether the function did what it was to do.
    pub(crate) fn check(&self, answer: &Value) -> anyhow::Result<()> {
        let failures = &answer["batchItemFailures"];
        let status = &answer["statusCode"];
        let good = match self.kind {
            Kind::Nothing | Kind::Firing => true,
            Kind::Webhook => *status == 202,
            Kind::Events
            | Kind::SurveyEvents(_)
            | Kind::Listened
            | Kind::Tasks(_)
            | Kind::Notifications
            | Kind::LargeNotifications => failures.as_array().is_some_and(Vec::is_empty),
            Kind::Tick => answer["sent"] == 0,
            // The ticket is unknown.
            Kind::Page => status.as_u64().is_some_and(|status| status < 500),
            Kind::Survey(_) | Kind::Caller(_) => *status == 200,
        };
        ensure!(good, "not as expected: {answer}");
        Ok(())
    }
}

fn sample(root: &Path, name: &str) -> anyhow::Result<Value> {
    let path = root.join(format!("events/{name}.json"));
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    Ok(serde_json::from_str(&text)?)
}
