use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use domain::{EndpointName, EventKey, ReplayId, WorkflowId};
use jiff::SignedDuration;
use management::{
    Answers, AnswersState, Decision, EventEntry, EventFilter, MOST_EVENTS_LISTED, NotReplayed,
    ReplayEntry, ReplayEvent, ReplayEvents, ReplayOutcome, ReplayedEvent, ReplayedPage,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use vendor_http::{Client, HeaderName, HeaderValue, Method, Request, Response};

use super::endpoints::ApiAddress;
use super::{Ending, runs};
use crate::address;
use crate::error::Error;
use crate::follow::{self, Patience};
use crate::moment::Moment;
use crate::output::Output;
use crate::report::event::FullEvent;
use crate::report::run::FullRun;
use crate::report::{time, trace};
use crate::signing;
use crate::signing::SignedRequest;
use crate::stack::{Stack, Target};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Send a file to an endpoint as its sender would, signed with the endpoint's own secret
    Send {
        /// The body
        file: PathBuf,
        /// The endpoint
        #[arg(long, value_name = "NAME")]
        endpoint: EndpointName,
        /// The webhook-id, for an endpoint with Standard Webhooks; derived from the body when not given
        #[arg(long, value_name = "ID")]
        webhook_id: Option<String>,
        /// Wait for what comes of it and show that; exits with 1 when a run has failed
        #[arg(long)]
        follow: bool,
        /// Give up following after so many seconds
        #[arg(long, default_value_t = 120, value_name = "SECONDS")]
        timeout: u64,
        #[command(flatten)]
        api: ApiAddress,
    },
    /// Show an event with what was decided about it, and why
    Show {
        /// The event
        key: EventKey,
        /// Only what concerns this workflow; explains, too, why it ran or did not
        #[arg(long, value_name = "ID")]
        workflow: Option<WorkflowId>,
    },
    /// List the newest events, of the last seven days unless a period is named
    List {
        /// Evaluated then or later: a moment, a day, or how long ago, as in 2h
        #[arg(long, value_name = "MOMENT")]
        since: Option<Moment>,
        /// Evaluated before
        #[arg(long, value_name = "MOMENT")]
        until: Option<Moment>,
        /// Of this type only
        #[arg(long = "type", value_name = "TYPE")]
        kind: Option<String>,
        /// With this subject only
        #[arg(long)]
        subject: Option<String>,
        /// At most so many
        #[arg(long, default_value_t = 20, value_name = "NUMBER")]
        limit: usize,
        /// All of them
        #[arg(long, conflicts_with = "limit")]
        all: bool,
    },
    /// Have a workflow handle an event, or those of a period, again or for the first time. What an earlier run has
    /// created is found, not created once more; exits with 1 when an event could not be replayed
    Replay(Replay),
    /// Have the answers of a survey response fetched once more, when they could not be had and what was in the way is
    /// mended
    Fetch {
        /// The event of the type qualtrics.response.notified
        key: EventKey,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// The event
    #[arg(required_unless_present = "since")]
    key: Option<EventKey>,
    /// The workflow that is to handle it, by its definition of now
    #[arg(long, value_name = "ID")]
    workflow: WorkflowId,
    /// Those that were evaluated then or later: a moment, a day, or how long ago, as in 2h
    #[arg(long, value_name = "MOMENT", conflicts_with = "key")]
    since: Option<Moment>,
    /// Evaluated before; now unless said
    #[arg(
        long,
        value_name = "MOMENT",
        requires = "since",
        conflicts_with = "key"
    )]
    until: Option<Moment>,
    /// Of this type only
    #[arg(
        long = "type",
        value_name = "TYPE",
        requires = "since",
        conflicts_with = "key"
    )]
    kind: Option<String>,
    /// With this subject only
    #[arg(long, requires = "since", conflicts_with = "key")]
    subject: Option<String>,
    /// Only those for which the workflow has no run
    #[arg(long, requires = "since", conflicts_with = "key")]
    missing: bool,
    /// Create once more what an earlier run has created
    #[arg(long)]
    new_keys: bool,
    /// Run also when the workflow is off, does not listen to the event, or its condition does not hold; for a period
    /// it needs --type
    #[arg(long)]
    regardless: bool,
    /// Names the occasion; repeating the command under one name handles each event once
    #[arg(long = "replay-id", value_name = "NAME")]
    occasion: Option<ReplayId>,
}

impl Command {
    pub(crate) async fn run(
        &self,
        target: &Target,
        output: &mut Output<'_>,
    ) -> Result<Ending, Error> {
        match self {
            Self::Send {
                file,
                endpoint,
                webhook_id,
                follow,
                timeout,
                api,
            } => {
                let body = std::fs::read(file).map_err(|source| Error::File {
                    path: file.clone(),
                    source,
                })?;
                let stack = target.open().await?;
                let detail = stack.endpoint(endpoint).await?;
                let secrets = stack.endpoint_secrets(&detail.endpoint).await?;
                let request = signing::sign(
                    &detail.endpoint,
                    body,
                    secrets.as_ref(),
                    webhook_id.as_deref(),
                    startup::now(),
                )?;
                let url = api.events_url(endpoint, detail.url);
                let answer = post(&url, request).await?;
                if *follow {
                    let patience = Patience::new(Some(Duration::from_secs(*timeout)));
                    follow_all(&stack, &answer, patience, output).await
                } else if output.wants_json() {
                    output.json(&answer)?;
                    Ok(Ending::Good)
                } else {
                    tell_accepted(&answer, output)?;
                    Ok(Ending::Good)
                }
            }
            Self::Show { key, workflow } => {
                show(&target.open().await?, key, workflow.as_ref(), output).await?;
                Ok(Ending::Good)
            }
            Self::List {
                since,
                until,
                kind,
                subject,
                limit,
                all,
            } => {
                let now = startup::now();
                let filter = EventFilter {
                    since: since.map(|since| since.before(now)),
                    until: until.map(|until| until.before(now)),
                    kind: kind.clone(),
                    subject: subject.clone(),
                    ..EventFilter::default()
                };
                let limit = (!all).then_some(*limit);
                list(&target.open().await?, filter, limit, output).await?;
                Ok(Ending::Good)
            }
            Self::Replay(replay) => replay.run(&target.open().await?, output).await,
            Self::Fetch { key } => {
                let answers = target.open().await?.fetch_answers(key).await?;
                tell_fetching(&answers, output)?;
                Ok(Ending::Good)
            }
        }
    }
}

async fn list(
    stack: &Stack,
    mut filter: EventFilter,
    limit: Option<usize>,
    output: &mut Output<'_>,
) -> Result<(), Error> {
    let mut found = Vec::new();
    loop {
        let left = limit.map_or(MOST_EVENTS_LISTED, |limit| {
            limit.saturating_sub(found.len())
        });
        filter.limit = Some(left.min(MOST_EVENTS_LISTED));
        let page = stack.events(&filter).await?;
        found.extend(page.items);
        filter.cursor = page.next;
        let is_enough = limit.is_some_and(|limit| found.len() >= limit);
        if filter.cursor.is_none() || is_enough {
            break;
        }
    }
    if output.wants_json() {
        return output.json(&found);
    }
    if found.is_empty() && filter.cursor.is_none() {
        return output.text("There is no such event.");
    }
    let rows: Vec<Vec<String>> = found.iter().map(row).collect();
    output.table(&rows)?;
    runs::tell_more(filter.cursor.is_some(), output)
}

fn tell_fetching(answers: &Answers, output: &mut Output<'_>) -> Result<(), Error> {
    if output.wants_json() {
        return output.json(answers);
    }
    let event = &answers.event;
    output.text(match answers.state {
        AnswersState::Fetched => format!(
            "The answers are here already, as {event}. They are fetched once more, which starts nothing again."
        ),
        AnswersState::Pending | AnswersState::Missing => format!(
            "The answers are being fetched. They come as {event}: see closedloop events show {event}"
        ),
    })
}

fn row(entry: &EventEntry) -> Vec<String> {
    let started = match entry.started {
        0 => "no run".to_owned(),
        1 => "1 run".to_owned(),
        more => format!("{more} runs"),
    };
    vec![
        entry.key.to_string(),
        time(entry.evaluated_at),
        started,
        entry.kind.clone(),
        entry.subject.clone().unwrap_or_default(),
    ]
}

impl Replay {
    async fn run(&self, stack: &Stack, output: &mut Output<'_>) -> Result<Ending, Error> {
        let replay_id = match &self.occasion {
            Some(id) => id.clone(),
            None => new_replay_id()?,
        };
        if let Some(key) = &self.key {
            let request = ReplayEvent {
                workflow: self.workflow.clone(),
                replay_id,
                new_keys: self.new_keys,
                regardless: self.regardless,
            };
            let replayed = stack.replay_event(key, &request).await?;
            return tell_replayed(&replayed, output);
        }
        let now = startup::now();
        let before = |moment: Option<Moment>| moment.map_or(now, |moment| moment.before(now));
        let mut request = ReplayEvents {
            since: before(self.since),
            until: before(self.until),
            workflow: self.workflow.clone(),
            replay_id,
            kind: self.kind.clone(),
            subject: self.subject.clone(),
            missing: self.missing,
            new_keys: self.new_keys,
            regardless: self.regardless,
            cursor: None,
        };
        output.progress(format_args!(
            "If this is broken off, repeat it with --since {} --until {} --replay-id {}: each event is handled once.",
            request.since, request.until, request.replay_id
        ))?;
        let mut whole = ReplayedPage::default();
        loop {
            let page = stack.replay_events(&request).await?;
            request.cursor.clone_from(&page.next);
            add(&mut whole, page);
            if request.cursor.is_none() {
                break;
            }
            output.progress(format_args!(
                "{} events looked at, {} runs started",
                whole.looked_at,
                whole.started.len()
            ))?;
        }
        tell_period(&whole, &request.replay_id, output)
    }
}

/// A name that no other replay has: the time, for people, and randomness.
fn new_replay_id() -> Result<ReplayId, Error> {
    let mut random = [0; 4];
    getrandom::fill(&mut random).map_err(Error::NoRandomness)?;
    let now = startup::now().strftime("%Y%m%dt%H%M%Sz");
    let name = format!("{now}-{}", hex::encode(random));
    ReplayId::parse(&name).map_err(|error| Error::Output(std::io::Error::other(error)))
}

fn tell_replayed(replayed: &ReplayedEvent, output: &mut Output<'_>) -> Result<Ending, Error> {
    let (workflow, revision) = (&replayed.workflow, replayed.revision);
    let (text, ending) = match &replayed.outcome {
        ReplayOutcome::Started { run, first: true } => (
            format!(
                "`{workflow}` (revision {revision}) had no run for this event: started the first one, {run}"
            ),
            Ending::Good,
        ),
        ReplayOutcome::Started { run, first: false } => (
            format!(
                "`{workflow}` (revision {revision}) handles this event again: started the run {run}"
            ),
            Ending::Good,
        ),
        ReplayOutcome::Repeated { run } => (
            format!(
                "This was done before, as the run {run}: what is due in it was requested once more."
            ),
            Ending::Good,
        ),
        ReplayOutcome::HasRun { run } => (
            format!("`{workflow}` has a run for this event: {run}"),
            Ending::Bad,
        ),
        ReplayOutcome::NotListening { reason } => (
            format!("Nothing runs. {reason} With --regardless it runs all the same."),
            Ending::Bad,
        ),
        ReplayOutcome::NotMatched => (
            format!(
                "Nothing runs: the condition of `{workflow}` (revision {revision}) does not hold. With --regardless it runs all the same."
            ),
            Ending::Bad,
        ),
        ReplayOutcome::RefusedLoop => (
            format!("Nothing runs: the event comes from a run of `{workflow}` itself."),
            Ending::Bad,
        ),
    };
    if output.wants_json() {
        output.json(replayed)?;
        return Ok(ending);
    }
    output.text(text)?;
    if let Some(seen) = replayed.trace.as_ref().filter(|_| ending == Ending::Bad) {
        output.text(trace(seen))?;
    }
    if let ReplayOutcome::Started { run, .. } = &replayed.outcome {
        output.text(format_args!(
            "Watch it with `closedloop runs follow {run}`."
        ))?;
    }
    Ok(ending)
}

fn add(whole: &mut ReplayedPage, page: ReplayedPage) {
    whole.looked_at += page.looked_at;
    whole.started.extend(page.started);
    whole.repeated += page.repeated;
    whole.has_run += page.has_run;
    whole.not_listening += page.not_listening;
    whole.not_matched += page.not_matched;
    whole.refused.extend(page.refused);
}

fn tell_period(
    whole: &ReplayedPage,
    replay: &ReplayId,
    output: &mut Output<'_>,
) -> Result<Ending, Error> {
    let ending = if whole.refused.is_empty() {
        Ending::Good
    } else {
        Ending::Bad
    };
    if output.wants_json() {
        let mut shown = json!(whole);
        shown["replay_id"] = json!(replay);
        output.json(&shown)?;
        return Ok(ending);
    }
    for NotReplayed { event, reason } in &whole.refused {
        output.text(format_args!("{event}: {reason}"))?;
    }
    output.text(format_args!("{} events looked at", whole.looked_at))?;
    for (count, what) in [
        (
            u32::try_from(whole.started.len()).unwrap_or(u32::MAX),
            "runs started",
        ),
        (
            whole.repeated,
            "were replayed under this name before; what is due in their runs was requested once more",
        ),
        (whole.has_run, "have a run already"),
        (
            whole.not_listening,
            "are none that the workflow listens to, or none that were asked for",
        ),
        (whole.not_matched, "do not meet its condition"),
        (
            u32::try_from(whole.refused.len()).unwrap_or(u32::MAX),
            "could not be replayed",
        ),
    ] {
        if count > 0 {
            output.text(format_args!("  {count} {what}"))?;
        }
    }
    Ok(ending)
}

/// What an endpoint answers when it has taken a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Answer {
    events: Vec<Accepted>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Accepted {
    id: String,
    key: EventKey,
}

async fn post(url: &str, signed: SignedRequest) -> Result<Answer, Error> {
    let mut request = Request::new(Method::POST, address::checked(url)?);
    for header in &signed.headers {
        let unusable = |_| Error::Url {
            url: url.to_owned(),
            problem: format!("the header {} cannot be sent", header.name),
        };
        let name = HeaderName::from_bytes(header.name.as_bytes())
            .map_err(|error| unusable(error.to_string()))?;
        let mut value = HeaderValue::from_str(header.value.expose())
            .map_err(|error| unusable(error.to_string()))?;
        value.set_sensitive(true);
        request = request.header(name, value);
    }
    let content_type = HeaderValue::from_static(signed.content_type);
    request = request.header(vendor_http::header::CONTENT_TYPE, content_type);
    request.body = signed.body.into();
    read(&Client::new()?.send(request).await?)
}

fn read(response: &Response) -> Result<Answer, Error> {
    if response.is_success() {
        return serde_json::from_slice(&response.body).map_err(|error| Error::UnreadableAnswer {
            detail: error.to_string(),
        });
    }
    let problem = response.json().unwrap_or(Value::Null);
    let word = |name: &str| problem.get(name).and_then(Value::as_str);
    let detail = match (word("title"), word("detail").or_else(|| word("message"))) {
        (Some(title), Some(detail)) => format!("{title}: {detail}"),
        (Some(text), None) | (None, Some(text)) => text.to_owned(),
        (None, None) => response
            .page_title()
            .unwrap_or_else(|| "it says no more".to_owned()),
    };
    Err(Error::Refused {
        status: response.status,
        detail,
    })
}

fn tell_accepted(answer: &Answer, output: &mut Output<'_>) -> Result<(), Error> {
    if answer.events.is_empty() {
        return output.text("accepted, but it says nothing that is known here: no event was made");
    }
    for accepted in &answer.events {
        output.text(format_args!("accepted  {}", accepted.key))?;
    }
    Ok(())
}

async fn follow_all(
    stack: &Stack,
    answer: &Answer,
    patience: Patience,
    output: &mut Output<'_>,
) -> Result<Ending, Error> {
    let sent_at = startup::now();
    let mut result = Vec::new();
    let mut ending = Ending::Good;
    if !output.wants_json() {
        tell_accepted(answer, output)?;
    }
    for accepted in &answer.events {
        let detail = follow::evaluated(stack, &accepted.key, patience).await?;
        // A few seconds of difference between the clocks prove nothing.
        if sent_at.duration_since(detail.evaluated_at) > SignedDuration::from_secs(10) {
            output.progress(format_args!(
                "This event was sent before and evaluated {}: sending it again starts nothing.",
                time(detail.evaluated_at)
            ))?;
        }
        let full = FullEvent {
            detail: &detail,
            workflow: None,
        };
        output.progress(format_args!("\n{full}"))?;
        let mut ended = Vec::new();
        for id in detail.started() {
            output.progress(format_args!("Following the run {id}"))?;
            let run = follow::ended(stack, id, patience, output).await?;
            output.progress(format_args!("\n{}", FullRun::of(&run)))?;
            if runs::ending(&run.run) == Ending::Bad {
                ending = Ending::Bad;
            }
            ended.push(run);
        }
        let mut shown = as_json(&full);
        shown["runs"] = json!(ended);
        result.push(shown);
    }
    if output.wants_json() {
        output.json(&json!({ "events": result }))?;
    }
    Ok(ending)
}

fn as_json(full: &FullEvent<'_>) -> Value {
    let detail = full.detail;
    let decisions: Vec<&Decision> = full.decisions().collect();
    let replays: Vec<&ReplayEntry> = full.replays().collect();
    let mut shown = json!({
        "key": detail.key, "event": detail.event, "evaluated_at": detail.evaluated_at, "decisions": decisions,
        "replays": replays,
    });
    if let Some(answers) = &detail.answers {
        shown["answers"] = json!(answers);
    }
    shown
}

async fn show(
    stack: &Stack,
    key: &EventKey,
    workflow: Option<&WorkflowId>,
    output: &mut Output<'_>,
) -> Result<(), Error> {
    let detail = stack.event(key, workflow).await?;
    let full = FullEvent {
        detail: &detail,
        workflow,
    };
    if output.wants_json() {
        let mut shown = as_json(&full);
        if let Some(explanation) = &detail.explanation {
            shown["explanation"] = json!(explanation);
        }
        return output.json(&shown);
    }
    output.text(full.to_string().trim_end())?;
    match &detail.explanation {
        Some(explanation) => output.text(format_args!("\n{explanation}")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use management::samples;
    use vendor_http::HeaderMap;

    fn answered(status: u16, body: &str) -> Result<Answer, Error> {
        read(&Response {
            status,
            headers: HeaderMap::new(),
            body: body.to_owned().into(),
        })
    }

    #[test]
    fn answer_gives_the_keys_or_the_reason() {
        let key = EventKey::derive("/endpoints/a", "1", None);
        let body = json!({"events": [{"id": "1", "key": key}]}).to_string();
        assert_eq!(answered(202, &body).unwrap().events[0].key, key);
        assert!(
            answered(200, r#"{"events": []}"#)
                .unwrap()
                .events
                .is_empty()
        );
        for (status, body, expected) in [
            (
                401,
                r#"{"title": "Request not verified", "detail": "check the secret"}"#,
                "status 401: Request not verified: check the secret",
            ),
            (404, r#"{"message": "Not Found"}"#, "status 404: Not Found"),
            (
                502,
                "<html><title>Bad gateway</title>",
                "status 502: Bad gateway",
            ),
            (500, "", "status 500: it says no more"),
            (200, "hello", "cannot be read"),
        ] {
            let error = answered(status, body).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn json_of_an_event_holds_the_decisions_that_are_asked_for() {
        let (detail, run) = samples::evaluated_event();
        let mut full = FullEvent {
            detail: &detail,
            workflow: None,
        };
        let shown = as_json(&full);
        assert_eq!(shown["key"], json!(detail.event.key()));
        assert_eq!(shown["decisions"][1]["outcome"], "started");
        assert_eq!(shown["decisions"][1]["trace"], run.trace);
        assert_eq!(shown["decisions"][3]["outcome"], "not_matched");
        let only = WorkflowId::parse("promoters").unwrap();
        full.workflow = Some(&only);
        assert_eq!(
            as_json(&full)["decisions"].as_array().map(Vec::len),
            Some(1)
        );
    }

    #[test]
    fn replay_of_an_event_tells_what_runs_or_why_nothing_does() {
        let (run, _, _) = samples::failed_run();
        for (outcome, ending, expected) in [
            (
                json!({"outcome": "started", "run": run.id, "first": true}),
                Ending::Good,
                "had no run for this event",
            ),
            (
                json!({"outcome": "started", "run": run.id, "first": false}),
                Ending::Good,
                "runs follow run_",
            ),
            (
                json!({"outcome": "repeated", "run": run.id}),
                Ending::Good,
                "done before",
            ),
            (
                json!({"outcome": "has_run", "run": run.id}),
                Ending::Bad,
                "has a run",
            ),
            (
                json!({"outcome": "not_listening", "reason": "`w` listens to others."}),
                Ending::Bad,
                "`w` listens to others. With --regardless",
            ),
            (
                json!({"outcome": "not_matched", "trace": run.trace}),
                Ending::Bad,
                "data.nps",
            ),
            (json!({"outcome": "refused_loop"}), Ending::Bad, "itself"),
        ] {
            let mut replayed = json!({"event": run.event, "workflow": run.workflow, "revision": 3});
            let fields = replayed.as_object_mut().unwrap();
            fields.extend(outcome.as_object().unwrap().clone());
            let replayed: ReplayedEvent = serde_json::from_value(replayed).unwrap();
            let mut bytes = Vec::new();
            let told = tell_replayed(&replayed, &mut Output::new(&mut bytes, false)).unwrap();
            let text = String::from_utf8(bytes).unwrap();
            assert_eq!(told, ending, "{text}");
            assert!(text.contains(expected), "{expected} is not in:\n{text}");
        }
    }

    #[test]
    fn replay_of_a_period_sums_its_pages_and_names_what_was_left() {
        let (run, _, _) = samples::failed_run();
        let page = ReplayedPage {
            looked_at: 500,
            started: vec![run.id],
            repeated: 1,
            has_run: 0,
            not_listening: 400,
            not_matched: 3,
            refused: vec![NotReplayed {
                event: run.event,
                reason: "it goes on".to_owned(),
            }],
            next: "1.ev_1".parse().ok(),
        };
        let mut whole = ReplayedPage::default();
        add(&mut whole, page.clone());
        add(&mut whole, page);
        let mut bytes = Vec::new();
        let id = new_replay_id().unwrap();
        let ending = tell_period(&whole, &id, &mut Output::new(&mut bytes, false)).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        assert_eq!(ending, Ending::Bad);
        for expected in [
            ": it goes on",
            "1000 events looked at",
            "  2 runs started",
            "  2 were replayed under this name before",
            "  800 are none that",
            "  2 could not be replayed",
        ] {
            assert!(text.contains(expected), "{expected} is not in:\n{text}");
        }
        assert!(!text.contains("have a run"), "{text}");
    }
}
