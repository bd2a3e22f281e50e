//! Webhooks of Zendesk: subscribed to events, or fired by a trigger or an automation.
//!
//! Source: <https://developer.zendesk.com/api-reference/webhooks/event-types/webhook-event-types/>

use domain::{CloudEvent, EndpointName};
use jiff::Timestamp;
use serde_json::Value;

use crate::decide::{as_text, event, hash};
use crate::json_body::parse;
use crate::problem::Problem;
use crate::request::Request;

pub(crate) fn events(
    request: &Request,
    endpoint: &EndpointName,
    now: Timestamp,
) -> Result<Vec<CloudEvent>, Problem> {
    let body = parse(&request.body)?;
    Ok(vec![subscribed(endpoint, &body, now).unwrap_or_else(
        || triggered(request, endpoint, body, now),
    )])
}

/// The fixed form of an event subscription; `None` when the body is not that.
fn subscribed(endpoint: &EndpointName, body: &Value, now: Timestamp) -> Option<CloudEvent> {
    let kind = body
        .get("type")?
        .as_str()?
        .strip_prefix("zen:event-type:")
        .filter(|kind| !kind.is_empty())?;
    let id = as_text(body.get("id")?)?;
    let detail_id = body.pointer("/detail/id").and_then(as_text);
    let subject = detail_id.or_else(|| {
        let subject = body.get("subject")?.as_str()?.rsplit(':').next()?;
        (!subject.is_empty()).then(|| subject.to_owned())
    });
    let time = body
        .get("time")
        .and_then(Value::as_str)
        .and_then(|time| time.parse().ok())
        .unwrap_or(now);
    Some(event(
        endpoint,
        id,
        format!("zendesk.{kind}"),
        subject,
        time,
        body.clone(),
    ))
}

/// Whatever somebody wrote into a trigger.
fn triggered(
    request: &Request,
    endpoint: &EndpointName,
    body: Value,
    now: Timestamp,
) -> CloudEvent {
    let header = |name| {
        request
            .header(name)
            .map(str::trim)
            .filter(|value| !value.is_empty())
    };
    // All attempts of one invocation share its id; two invocations may well have the same body.
    let id = match (
        header("x-zendesk-webhook-id"),
        header("x-zendesk-webhook-invocation-id"),
    ) {
        (Some(webhook), Some(invocation)) => format!("{webhook}:{invocation}"),
        (Some(_) | None, _) => hash(&request.body),
    };
    let subject = body.get("ticket_id").and_then(as_text);
    event(
        endpoint,
        id,
        "zendesk.trigger".to_owned(),
        subject,
        now,
        body,
    )
}
