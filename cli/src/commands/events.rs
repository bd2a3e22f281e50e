use std::path::PathBuf;
use std::time::Duration;

use clap::Subcommand;
use domain::{EndpointName, EventKey, WorkflowId};
use jiff::SignedDuration;
use management::Decision;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use vendor_http::{Client, HeaderName, HeaderValue, Method, Request, Response};

use super::endpoints::ApiAddress;
use super::{Ending, runs};
use crate::address;
use crate::error::Error;
use crate::follow::{self, Patience};
use crate::output::Output;
use crate::report::event::FullEvent;
use crate::report::run::FullRun;
use crate::report::time;
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
        /// Only what concerns this workflow; explains, too, why it was not asked at all
        #[arg(long, value_name = "ID")]
        workflow: Option<WorkflowId>,
    },
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
        }
    }
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
    json!({
        "key": detail.key, "event": detail.event, "evaluated_at": detail.evaluated_at, "decisions": decisions,
    })
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
}
