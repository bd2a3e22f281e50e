//! A request from outside becomes events on the bus, or a refusal that says what to do about it.
//!
//! **Invariant**: a 2xx is answered only after the bus has taken every event of the request. Until then
//! nothing is kept, so a sender that repeats a request loses nothing and duplicates nothing: the repeated
//! event has the same key.
//!
//! [`handle`] decodes ([`request`]), decides ([`decide()`], which is pure) and performs ([`bus`]).

pub mod bus;
pub mod config;
pub mod decide;
pub mod endpoints;
pub mod problem;
pub mod request;
pub mod secrets;

mod cloudevents;
mod dataset_record;
mod dates;
mod json;
mod json_body;
mod qualtrics;
mod servicenow;
mod zendesk;

use std::error::Error;
use std::time::{Duration, Instant};

use aws_lambda_events::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
use aws_lambda_events::encodings::Body;
use domain::endpoint::EndpointKind;
use domain::{CloudEvent, Endpoint, EndpointName};
use http::{HeaderMap, HeaderValue, Method};
use jiff::Timestamp;
use serde_json::json;
use startup::AwsConfig;

use crate::bus::{Bus, PutError};
use crate::config::Config;
use crate::decide::{Accepted, admit, decide};
use crate::endpoints::Endpoints;
use crate::problem::{Problem, ProblemKind};
use crate::request::Request;
use crate::secrets::{SecretError, SecretStore};

/// What the function reaches outside itself. Built once; it keeps nothing of a request.
#[derive(Debug)]
pub struct Deps {
    endpoints: Endpoints,
    secrets: SecretStore,
    bus: Bus,
}

impl Deps {
    /// Clients for the configured table, bus and secrets. Nothing is called yet.
    pub fn new(aws: &AwsConfig, config: Config) -> Self {
        let table = store::Endpoints::new(store::Client::new(aws), config.endpoints_table);
        Self {
            endpoints: Endpoints::new(table),
            secrets: SecretStore::new(aws::secretsmanager::Client::new(aws), config.secret_prefix),
            bus: Bus::new(aws::eventbridge::Client::new(aws), config.event_bus),
        }
    }
}

/// What is kept of the function's time for the answer that there was no time.
const KEPT_FOR_ANSWER: Duration = Duration::from_secs(1);

/// The time for a request, when the platform ends the function at `deadline` (milliseconds since 1970).
pub fn time_for_request(deadline: u64, now: Timestamp) -> Duration {
    startup::time_left(deadline, now).saturating_sub(KEPT_FOR_ANSWER)
}

/// Answers one request of the HTTP API. Every failure is an answer too: there is nothing left to retry
/// for the platform that the sender would not have to repeat itself.
///
/// What is not done within `time` is broken off with the answer to come again: a function that is ended
/// by the platform answers 500, which not every sender repeats.
pub async fn handle(
    deps: &Deps,
    request: ApiGatewayV2httpRequest,
    now: Timestamp,
    time: Duration,
) -> ApiGatewayV2httpResponse {
    let started = Instant::now();
    let endpoint = request
        .path_parameters
        .get("endpoint")
        .cloned()
        .unwrap_or_default();
    let result = tokio::time::timeout(time, accept(deps, &endpoint, request, now))
        .await
        .unwrap_or_else(|_| {
            let reason = format!("no end after {} ms", time.as_millis());
            Err(Problem::unavailable(reason))
        });
    let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    match result {
        Ok(Answer::Alive) => response(200, "text/plain; charset=utf-8", "ok\n".to_owned()),
        Ok(Answer::Taken { kind, accepted }) => {
            log_accepted(&endpoint, &accepted, duration_ms);
            let status = match kind {
                // Qualtrics counts a delivery as successful when it is answered with 200.
                EndpointKind::Qualtrics => 200,
                EndpointKind::Json
                | EndpointKind::Cloudevents
                | EndpointKind::Zendesk
                | EndpointKind::DatasetRecord
                | EndpointKind::Servicenow => 202,
            };
            let events: Vec<_> = accepted
                .events
                .iter()
                .map(|event| json!({ "id": event.id, "key": event.key() }))
                .collect();
            response(
                status,
                "application/json",
                json!({ "events": events }).to_string(),
            )
        }
        Err(problem) => {
            log_refused(&endpoint, &problem, duration_ms);
            refusal(&endpoint, &problem)
        }
    }
}

enum Answer {
    /// To a sender that asks whether the URL is there.
    Alive,
    /// The bus has the events.
    Taken {
        kind: EndpointKind,
        accepted: Accepted,
    },
}

async fn accept(
    deps: &Deps,
    name: &str,
    request: ApiGatewayV2httpRequest,
    now: Timestamp,
) -> Result<Answer, Problem> {
    let request = Request::decode(request)?;
    let endpoint = find(deps, name, now).await?;
    // Qualtrics asks so whether a publication URL is there, whatever the query.
    if request.method == Method::GET && endpoint.kind == EndpointKind::Qualtrics {
        return Ok(Answer::Alive);
    }
    admit(&request, &endpoint)?;
    let accepted = verify_and_decide(deps, &request, &endpoint, now).await?;
    deps.bus
        .put(&accepted.events)
        .await
        .map_err(|error| match error {
            PutError::TooLarge { .. } => Problem::new(ProblemKind::TooLarge, error.to_string()),
            PutError::Unwritable(_) | PutError::Unavailable { .. } | PutError::NotTaken { .. } => {
                Problem::unavailable(chain(&error))
            }
        })?;
    Ok(Answer::Taken {
        kind: endpoint.kind,
        accepted,
    })
}

async fn find(deps: &Deps, name: &str, now: Timestamp) -> Result<Endpoint, Problem> {
    let unknown = || {
        Problem::new(
            ProblemKind::EndpointUnknown,
            "there is no endpoint of this name: check the last part of the URL",
        )
    };
    let name = EndpointName::parse(name).map_err(|_| unknown())?;
    match deps.endpoints.get(&name, now).await {
        Ok(endpoint) => endpoint.ok_or_else(unknown),
        Err(error) if error.is_corrupt() => Err(Problem::misconfigured(chain(&error))),
        Err(error) => Err(Problem::unavailable(chain(&error))),
    }
}

/// A secret may have been changed since it was read: after a failure with a remembered one the stored one
/// is read, and the request is verified once more.
async fn verify_and_decide(
    deps: &Deps,
    request: &Request,
    endpoint: &Endpoint,
    now: Timestamp,
) -> Result<Accepted, Problem> {
    let Some(name) = endpoint.secret_name() else {
        return decide(request, endpoint, None, now);
    };
    let remembered = deps.secrets.get(name, now).await.map_err(secret_problem)?;
    match decide(request, endpoint, Some(&remembered.secrets), now) {
        Err(problem)
            if problem.may_be_a_changed_secret() && remembered.is_worth_reading_again(now) =>
        {
            let stored = deps.secrets.read(name, now).await.map_err(secret_problem)?;
            decide(request, endpoint, Some(&stored.secrets), now)
        }
        decided => decided,
    }
}

fn secret_problem(error: SecretError) -> Problem {
    match &error {
        SecretError::Unavailable { .. } => Problem::unavailable(chain(&error)),
        SecretError::Missing { .. } | SecretError::Unreadable { .. } => {
            Problem::misconfigured(chain(&error))
        }
    }
}

fn log_accepted(endpoint: &str, accepted: &Accepted, duration_ms: u64) {
    if let Some(topic) = &accepted.ignored_topic {
        tracing::warn!(
            endpoint,
            topic,
            duration_ms,
            "request of a topic that is not known here: no event"
        );
        return;
    }
    // A batch is one line: its first event stands for the rest.
    let first = accepted.events.first();
    tracing::info!(
        endpoint,
        event.key = first.map(|event| event.key().to_string()),
        event.r#type = first.map(|event: &CloudEvent| event.kind.as_str()),
        count = accepted.events.len(),
        duration_ms,
        "request accepted"
    );
}

fn log_refused(endpoint: &str, problem: &Problem, duration_ms: u64) {
    let endpoint: String = endpoint.chars().take(64).collect();
    let (kind, status, reason) = (
        problem.kind.slug(),
        problem.kind.status(),
        problem.reason.as_deref(),
    );
    if problem.kind == ProblemKind::Misconfigured {
        tracing::error!(
            endpoint,
            problem = kind,
            status,
            reason,
            duration_ms,
            "endpoint cannot work until somebody mends it"
        );
    } else {
        tracing::warn!(
            endpoint,
            problem = kind,
            status,
            reason,
            duration_ms,
            "request refused"
        );
    }
}

fn refusal(endpoint: &str, problem: &Problem) -> ApiGatewayV2httpResponse {
    let mut response = response(
        problem.kind.status(),
        "application/problem+json",
        problem.body(endpoint).to_string(),
    );
    for (name, value) in problem.headers() {
        response
            .headers
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

fn response(status: u16, content_type: &'static str, body: String) -> ApiGatewayV2httpResponse {
    let mut response = ApiGatewayV2httpResponse::default();
    response.status_code = i64::from(status);
    response.headers = HeaderMap::from_iter([(
        http::header::CONTENT_TYPE,
        HeaderValue::from_static(content_type),
    )]);
    response.body = Some(Body::Text(body));
    response
}

/// An error with its causes, for the log.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_has_the_time_until_shortly_before_the_function_is_ended() {
        let now = Timestamp::from_millisecond(1_795_262_400_250).unwrap();
        for (deadline, expected) in [
            (1_795_262_410_250, 9_000),
            (1_795_262_401_251, 1),
            (1_795_262_401_000, 0),
            (1_795_262_400_000, 0),
        ] {
            let time = time_for_request(deadline, now);
            assert_eq!(time, Duration::from_millis(expected), "{deadline}");
        }
    }
}
