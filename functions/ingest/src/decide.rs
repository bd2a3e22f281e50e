//! What becomes of a request: pure, so that every case can be tried without AWS.

use domain::endpoint::{EndpointKind, Verification};
use domain::event::WORKFLOW_CHAIN;
use domain::message::{RESERVED_TYPE_PREFIXES, RESERVED_TYPES, RESPONSE_NOTIFIED};
use domain::{CloudEvent, Endpoint, EndpointName};
use http::Method;
use jiff::Timestamp;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use webhook_signature::{
    QualtricsMessage, Refusal, Secrets, verify_basic, verify_bearer, verify_header,
    verify_qualtrics, verify_standard_webhooks, verify_zendesk,
};

use crate::problem::{Problem, ProblemKind};
use crate::request::Request;
use crate::{cloudevents, dataset_record, json, qualtrics, servicenow, zendesk};

/// Longest id and subject, in bytes.
const MAX_BYTES: usize = 256;
/// Longest type, in characters: that of `DetailType`.
/// <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEventsRequestEntry.html>
const MAX_TYPE: usize = 128;

/// What a request turned out to be.
#[derive(Debug, Clone, PartialEq)]
pub struct Accepted {
    /// What happened; everything in it may go on the bus.
    pub events: Vec<CloudEvent>,
    /// A genuine request about something that is not known here, and so without an event.
    pub ignored_topic: Option<String>,
}

/// What verification has found out beside that the request is genuine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verified {
    /// The body counts as a whole.
    Body,
    /// The body counts as a whole, and so does this id, which is the same when the request is repeated.
    BodyAndId(String),
    /// Only this was signed.
    Qualtrics(QualtricsMessage),
}

/// What can be said before the secret is needed: method, switched on, content type.
///
/// # Errors
/// The refusal.
pub fn admit(request: &Request, endpoint: &Endpoint) -> Result<(), Problem> {
    if request.method != Method::POST {
        let allowed = match endpoint.kind {
            EndpointKind::Qualtrics => "GET, POST",
            EndpointKind::Json
            | EndpointKind::Cloudevents
            | EndpointKind::Zendesk
            | EndpointKind::DatasetRecord
            | EndpointKind::Servicenow => "POST",
        };
        return Err(Problem::new(
            ProblemKind::MethodNotAllowed(allowed),
            "events are sent with POST",
        ));
    }
    if !endpoint.enabled {
        return Err(Problem::new(
            ProblemKind::EndpointDisabled,
            "this endpoint is switched off: stop sending, or ask for it to be switched on",
        ));
    }
    let supported = match endpoint.kind {
        EndpointKind::Qualtrics => qualtrics::content_type(request, &endpoint.verification),
        EndpointKind::Json
        | EndpointKind::Zendesk
        | EndpointKind::DatasetRecord
        | EndpointKind::Servicenow => json::content_type(request),
        EndpointKind::Cloudevents => cloudevents::content_type(request, &endpoint.verification),
    };
    supported.map_err(|accepted| {
        Problem::new(
            ProblemKind::UnsupportedContentType(accepted),
            format!("set the content type to one of: {accepted}"),
        )
    })
}

/// Decides a request completely: what is refused, and which events the rest becomes.
///
/// # Errors
/// The refusal.
pub fn decide(
    request: &Request,
    endpoint: &Endpoint,
    secrets: Option<&Secrets>,
    now: Timestamp,
) -> Result<Accepted, Problem> {
    admit(request, endpoint)?;
    let verified = verify(request, endpoint, secrets, now)?;
    let mut accepted = match endpoint.kind {
        EndpointKind::Qualtrics => qualtrics::events(request, endpoint, &verified, now)?,
        EndpointKind::Json => json::events(request, endpoint, &verified, now)?.into(),
        EndpointKind::Cloudevents => cloudevents::events(request, &endpoint.name)?.into(),
        EndpointKind::Zendesk => zendesk::events(request, &endpoint.name, now)?.into(),
        EndpointKind::DatasetRecord => {
            dataset_record::events(request, &endpoint.name, &verified, now)?.into()
        }
        EndpointKind::Servicenow => servicenow::events(request, &endpoint.name, now)?.into(),
    };
    let several = accepted.events.len() > 1;
    for (index, event) in accepted.events.iter_mut().enumerate() {
        // Only this product itself knows which workflows have led to an event.
        event.extensions.remove(WORKFLOW_CHAIN);
        check(event, endpoint).map_err(|problem| {
            if several {
                problem.within(&format!("[{index}]"))
            } else {
                problem
            }
        })?;
    }
    Ok(accepted)
}

impl From<Vec<CloudEvent>> for Accepted {
    fn from(events: Vec<CloudEvent>) -> Self {
        Self {
            events,
            ignored_topic: None,
        }
    }
}

fn verify(
    request: &Request,
    endpoint: &Endpoint,
    secrets: Option<&Secrets>,
    now: Timestamp,
) -> Result<Verified, Problem> {
    let header = |name: &str| request.header(name);
    let body = &request.body;
    let secrets = match (&endpoint.verification, secrets) {
        (Verification::None { .. }, _) => return Ok(Verified::Body),
        (_, Some(secrets)) => secrets,
        (_, None) => {
            return Err(Problem::misconfigured(
                "the endpoint's verification needs a secret and there is none".to_owned(),
            ));
        }
    };
    let verified = match &endpoint.verification {
        Verification::StandardWebhooks { .. } => {
            verify_standard_webhooks(header, body, secrets, now)
                .map(|id| Verified::BodyAndId(id.to_owned()))
        }
        Verification::Zendesk { .. } => {
            verify_zendesk(header, body, secrets, now).map(|()| Verified::Body)
        }
        Verification::QualtricsHmac { .. } => {
            verify_qualtrics(body, secrets).map(Verified::Qualtrics)
        }
        Verification::Bearer { .. } => verify_bearer(header, secrets).map(|()| Verified::Body),
        Verification::Header { header: name, .. } => {
            verify_header(name, header, secrets).map(|()| Verified::Body)
        }
        Verification::Basic { .. } => verify_basic(header, secrets).map(|()| Verified::Body),
        Verification::None { .. } => Ok(Verified::Body),
    };
    verified.map_err(|refusal| match refusal {
        Refusal::UnusableSecret(_) => Problem::unusable_secret(refusal.to_string()),
        Refusal::Missing { .. }
        | Refusal::Malformed { .. }
        | Refusal::Stale { .. }
        | Refusal::Mismatch => Problem::unverified(refusal.to_string()),
    })
}

/// The rules for every event, wherever it comes from.
fn check(event: &CloudEvent, endpoint: &Endpoint) -> Result<(), Problem> {
    if event.id.is_empty() || event.id.len() > MAX_BYTES {
        return Err(Problem::field("id", "1 to 256 bytes"));
    }
    if event.kind.is_empty()
        || event.kind.len() > MAX_BYTES
        || event.kind.chars().count() > MAX_TYPE
    {
        return Err(Problem::field(
            "type",
            "1 to 128 characters, at most 256 bytes",
        ));
    }
    if event
        .subject
        .as_ref()
        .is_some_and(|subject| subject.is_empty() || subject.len() > MAX_BYTES)
    {
        return Err(Problem::field("subject", "1 to 256 bytes"));
    }
    if let Some(prefix) = RESERVED_TYPE_PREFIXES
        .into_iter()
        .find(|prefix| event.kind.starts_with(prefix))
    {
        return Err(Problem::new(
            ProblemKind::Reserved,
            format!(
                "type: reserved type: types that begin with `{prefix}` are made here only, use another"
            ),
        ));
    }
    // What is notified is fetched with the endpoint's account: only the endpoint that has one says so.
    let notifies = event.kind == RESPONSE_NOTIFIED
        && endpoint.kind == EndpointKind::Qualtrics
        && endpoint.account.is_some();
    if RESERVED_TYPES.contains(&event.kind.as_str()) && !notifies {
        return Err(Problem::new(
            ProblemKind::Reserved,
            format!(
                "type: reserved type: `{}` is made here only, use another",
                event.kind
            ),
        ));
    }
    if event.source != source(&endpoint.name) && is_own_source(&event.source) {
        return Err(Problem::new(
            ProblemKind::Reserved,
            "source: sources that begin with /endpoints, /runs, /schedules or /workflows are made here only, use another",
        ));
    }
    Ok(())
}

/// With another endpoint's source a sender could take that endpoint's keys, and its events would be
/// ignored as repeated ones.
fn is_own_source(source: &str) -> bool {
    let mut segments = source.split('/');
    segments.next() == Some("")
        && matches!(
            segments.next(),
            Some("endpoints" | "runs" | "schedules" | "workflows")
        )
}

/// The source of the events of an endpoint.
pub(crate) fn source(endpoint: &EndpointName) -> String {
    format!("/endpoints/{endpoint}")
}

/// An event of an endpoint. `data` is JSON.
pub(crate) fn event(
    endpoint: &EndpointName,
    id: String,
    kind: String,
    subject: Option<String>,
    time: Timestamp,
    data: Value,
) -> CloudEvent {
    CloudEvent {
        specversion: "1.0".to_owned(),
        id,
        source: source(endpoint),
        kind,
        subject,
        time: Some(time),
        datacontenttype: Some("application/json".to_owned()),
        data: Some(data),
        extensions: Map::new(),
    }
}

/// An id for a body whose sender names none: the same body has the same id.
pub(crate) fn hash(body: &[u8]) -> String {
    hex::encode(Sha256::digest(body))
}

/// A value that can be a text: texts, numbers, booleans. `None` for null, for the empty text and for
/// arrays and objects.
pub(crate) fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if text.is_empty() => None,
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(boolean) => Some(boolean.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests;
