use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use clap::Subcommand;
use domain::{EndpointName, EventKey, Run, RunId, TaskRun, WorkflowId};
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::{EventRecord, Outcome, Runs};
use vendor_http::{Client, HeaderName, HeaderValue, Method, Request, Response, Url};

use super::endpoints::{self, Api};
use super::{Ending, runs};
use crate::deployed::Deployed;
use crate::error::Error;
use crate::follow::{self, Patience};
use crate::output::Output;
use crate::report::event::{FullEvent, why_no_decision};
use crate::report::run::FullRun;
use crate::report::time;
use crate::signing::{self, SignedRequest};

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
        api: Api,
    },
    /// Show an event with what was decided about it, and why
    Show {
        /// The event
        key: EventKey,
        /// Only what concerns this workflow; explains, too, why it was not asked at all
        #[arg(long, value_name = "ID")]
        workflow: Option<WorkflowId>,
    },
}

impl Command {
    pub(crate) async fn run(&self, stack: &str, output: &mut Output<'_>) -> Result<Ending, Error> {
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
                let deployed = Deployed::find(stack).await?;
                let url = api.events_url(&deployed, endpoint)?;
                let request = sign(&deployed, endpoint, body, webhook_id.as_deref()).await?;
                let answer = post(&url, request).await?;
                if *follow {
                    let patience = Patience::new(Some(Duration::from_secs(*timeout)));
                    follow_all(&deployed, &answer, patience, output).await
                } else if output.wants_json() {
                    output.json(&answer)?;
                    Ok(Ending::Good)
                } else {
                    tell_accepted(&answer, output)?;
                    Ok(Ending::Good)
                }
            }
            Self::Show { key, workflow } => {
                let deployed = Deployed::find(stack).await?;
                show(&deployed, key, workflow.as_ref(), output).await?;
                Ok(Ending::Good)
            }
        }
    }
}

async fn sign(
    deployed: &Deployed,
    name: &EndpointName,
    body: Vec<u8>,
    webhook_id: Option<&str>,
) -> Result<SignedRequest, Error> {
    let endpoint = endpoints::find(deployed, name).await?;
    let secrets = match endpoint.secret_name() {
        None => None,
        Some(secret) => {
            let store = deployed.secrets()?;
            let stored = store.read(secret).await?;
            let stored = stored.ok_or_else(|| Error::NoSecret {
                id: store.endpoint_id(secret),
            })?;
            Some(stored.valid())
        }
    };
    signing::sign(
        &endpoint,
        body,
        secrets.as_ref(),
        webhook_id,
        startup::now(),
    )
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
    let mut request = Request::new(Method::POST, checked(url)?);
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

/// Secrets travel in the request, so it is not sent in the clear over a network.
fn checked(url: &str) -> Result<Url, Error> {
    let fault = |problem: &str| Error::Url {
        url: url.to_owned(),
        problem: problem.to_owned(),
    };
    let parsed = Url::parse(url).map_err(|error| fault(&error.to_string()))?;
    let host = parsed.host_str().unwrap_or_default();
    let is_local = host == "localhost"
        || host.ends_with(".localhost")
        || host == "[::1]"
        || host
            .parse::<std::net::Ipv4Addr>()
            .is_ok_and(|address| address.is_loopback());
    match parsed.scheme() {
        "https" => Ok(parsed),
        "http" if is_local => Ok(parsed),
        _ => Err(fault("expected https; http only for this machine")),
    }
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
    deployed: &Deployed,
    answer: &Answer,
    patience: Patience,
    output: &mut Output<'_>,
) -> Result<Ending, Error> {
    let sent_at = startup::now();
    let (events, runs) = (deployed.events()?, deployed.runs()?);
    let mut result = Vec::new();
    let mut ending = Ending::Good;
    if !output.wants_json() {
        tell_accepted(answer, output)?;
    }
    for accepted in &answer.events {
        let record = follow::evaluated(&events, &accepted.key, patience).await?;
        // A few seconds of difference between the clocks prove nothing.
        if sent_at.duration_since(record.evaluated_at) > SignedDuration::from_secs(10) {
            output.progress(format_args!(
                "This event was sent before and evaluated {}: sending it again starts nothing.",
                time(record.evaluated_at)
            ))?;
        }
        let run_traces = run_traces(&runs, &record).await?;
        let full = FullEvent {
            record: &record,
            workflow: None,
            run_traces: &run_traces,
        };
        output.progress(format_args!("\n{full}"))?;
        let mut ended = Vec::new();
        for id in started(&record) {
            output.progress(format_args!("Following the run {id}"))?;
            let (run, tasks) = follow::ended(&runs, id, patience, output).await?;
            output.progress(format_args!(
                "\n{}",
                FullRun {
                    run: &run,
                    tasks: &tasks
                }
            ))?;
            if runs::ending(&run) == Ending::Bad {
                ending = Ending::Bad;
            }
            ended.push((run, tasks));
        }
        result.push(as_json(&full, &ended));
    }
    if output.wants_json() {
        output.json(&json!({ "events": result }))?;
    }
    Ok(ending)
}

fn started(record: &EventRecord) -> impl Iterator<Item = &RunId> {
    record
        .decisions
        .iter()
        .filter_map(|decision| match &decision.outcome {
            Outcome::Started { run } => Some(run),
            Outcome::NotMatched | Outcome::RefusedLoop | Outcome::Errored { .. } => None,
        })
}

/// The traces of the runs that an event has started; those that have expired are missing.
async fn run_traces(runs: &Runs, record: &EventRecord) -> Result<HashMap<RunId, Value>, Error> {
    let mut traces = HashMap::new();
    for id in started(record) {
        if let Some((run, _)) = runs.get(id).await? {
            traces.insert(run.id, run.trace);
        }
    }
    Ok(traces)
}

fn as_json(full: &FullEvent<'_>, ended: &[(Run, Vec<TaskRun>)]) -> Value {
    let decisions: Vec<Value> = full
        .decisions()
        .map(|decision| {
            let mut decision = decision.clone();
            if let Outcome::Started { run } = &decision.outcome {
                decision.trace = full.run_traces.get(run).cloned();
            }
            json!(decision)
        })
        .collect();
    let runs: Vec<Value> = ended
        .iter()
        .map(|(run, tasks)| runs::as_json(run, tasks))
        .collect();
    json!({
        "key": full.record.event.key(), "event": full.record.event,
        "evaluated_at": full.record.evaluated_at, "decisions": decisions, "runs": runs,
    })
}

async fn show(
    deployed: &Deployed,
    key: &EventKey,
    workflow: Option<&WorkflowId>,
    output: &mut Output<'_>,
) -> Result<(), Error> {
    let record = deployed
        .events()?
        .get(key)
        .await?
        .ok_or_else(|| Error::UnknownEvent(key.clone()))?;
    let run_traces = run_traces(&deployed.runs()?, &record).await?;
    let full = FullEvent {
        record: &record,
        workflow,
        run_traces: &run_traces,
    };
    let explanation = match workflow {
        Some(workflow) if full.decisions().next().is_none() => {
            let stored = deployed.workflows()?.get(workflow).await?;
            Some(why_no_decision(&record, workflow, stored.as_ref()))
        }
        Some(_) | None => None,
    };
    if output.wants_json() {
        let mut shown = as_json(&full, &[]);
        if let (Some(explanation), Some(fields)) = (explanation, shown.as_object_mut()) {
            fields.insert("explanation".to_owned(), explanation.into());
        }
        if let Some(fields) = shown.as_object_mut() {
            fields.remove("runs");
        }
        return output.json(&shown);
    }
    output.text(full.to_string().trim_end())?;
    match explanation {
        Some(explanation) => output.text(format_args!("\n{explanation}")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;
    use vendor_http::HeaderMap;

    #[test]
    fn secrets_travel_encrypted_or_not_at_all() {
        for (url, good) in [
            ("https://api.example.com/events/a", true),
            ("http://127.0.0.1:4566/events/a", true),
            ("http://localhost:4566/events/a", true),
            ("http://abc.execute-api.localhost:4566/events/a", true),
            ("http://[::1]/events/a", true),
            ("http://api.example.com/events/a", false),
            ("http://localhost.example.com/events/a", false),
            ("ftp://localhost/events/a", false),
            ("events/a", false),
        ] {
            assert_eq!(checked(url).is_ok(), good, "{url}");
        }
    }

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
    fn json_of_an_event_holds_decisions_with_traces_and_runs() {
        let (record, run) = samples::evaluated_event();
        let (_, tasks) = samples::succeeded_run();
        let run_traces = HashMap::from([(run.id.clone(), run.trace.clone())]);
        let full = FullEvent {
            record: &record,
            workflow: None,
            run_traces: &run_traces,
        };
        let shown = as_json(&full, &[(run.clone(), tasks)]);
        assert_eq!(shown["key"], json!(record.event.key()));
        assert_eq!(shown["decisions"][1]["outcome"], "started");
        assert_eq!(shown["decisions"][1]["trace"], run.trace);
        assert_eq!(shown["decisions"][3]["outcome"], "not_matched");
        assert_eq!(shown["runs"][0]["run"]["id"], json!(run.id));
        assert_eq!(shown["runs"][0]["tasks"][0]["state"], "succeeded");
    }
}
