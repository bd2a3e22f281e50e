//! CloudEvents 1.0 over HTTP: structured, binary, batched.
//!
//! Source: <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md> and
//! `formats/json-format.md` beside it

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::endpoint::Verification;
use domain::event::ENDPOINT;
use domain::{CloudEvent, EndpointName};
use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use crate::json_body::parse;
use crate::problem::{Problem, ProblemKind};
use crate::request::{Request, is_json, media_type};

/// Most events in a batch.
const MAX_BATCH: usize = 100;
const STRUCTURED: &str = "application/cloudevents+json";
const BATCH: &str = "application/cloudevents-batch+json";
/// Members of the JSON format that are not attributes.
const DATA: &str = "data";
const DATA_BASE64: &str = "data_base64";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Structured,
    Binary,
    Batch,
}

fn mode(request: &Request) -> Option<Mode> {
    let media_type = request.media_type().unwrap_or_default();
    match media_type.as_str() {
        STRUCTURED => Some(Mode::Structured),
        BATCH => Some(Mode::Batch),
        // A format that is not read here, whatever else the headers say.
        other if other.starts_with("application/cloudevents") => None,
        _ => request
            .headers
            .contains_key("ce-specversion")
            .then_some(Mode::Binary),
    }
}

/// In binary mode the event is in the headers. A signature that covers only the body would let whoever
/// has one signed body make any event of it.
pub(crate) fn content_type(
    request: &Request,
    verification: &Verification,
) -> Result<(), &'static str> {
    let only_body_is_signed = match verification {
        Verification::StandardWebhooks { .. }
        | Verification::Zendesk { .. }
        | Verification::QualtricsHmac { .. } => true,
        Verification::Bearer { .. }
        | Verification::Header { .. }
        | Verification::Basic { .. }
        | Verification::None { .. } => false,
    };
    match mode(request) {
        Some(Mode::Binary) if only_body_is_signed => {
            Err("application/cloudevents+json, application/cloudevents-batch+json")
        }
        Some(Mode::Structured | Mode::Batch | Mode::Binary) => Ok(()),
        None => Err(
            "application/cloudevents+json, application/cloudevents-batch+json, or any with ce- headers",
        ),
    }
}

pub(crate) fn events(
    request: &Request,
    endpoint: &EndpointName,
) -> Result<Vec<CloudEvent>, Problem> {
    let mut events = match mode(request) {
        Some(Mode::Batch) => batch(&request.body)?,
        Some(Mode::Binary) => vec![binary(request)?],
        Some(Mode::Structured) | None => vec![structured(parse(&request.body)?)?],
    };
    for event in &mut events {
        event
            .extensions
            .insert(ENDPOINT.to_owned(), Value::String(endpoint.to_string()));
    }
    Ok(events)
}

fn batch(body: &[u8]) -> Result<Vec<CloudEvent>, Problem> {
    let Value::Array(items) = parse(body)? else {
        return Err(Problem::new(
            ProblemKind::InvalidField,
            "expected a JSON array of events",
        ));
    };
    if items.len() > MAX_BATCH {
        return Err(Problem::new(
            ProblemKind::InvalidField,
            format!("expected at most {MAX_BATCH} events in a batch"),
        ));
    }
    let event = |(index, item)| {
        structured(item).map_err(|problem: Problem| problem.within(&format!("[{index}]")))
    };
    items.into_iter().enumerate().map(event).collect()
}

fn structured(item: Value) -> Result<CloudEvent, Problem> {
    let Value::Object(mut members) = item else {
        return Err(Problem::field("event", "a JSON object"));
    };
    // A null means that the member is not there.
    members.retain(|_, value| !value.is_null());
    let data = members.remove(DATA);
    let data_base64 = members.remove(DATA_BASE64);
    let mut event = attributes(members)?;
    match (data, data_base64) {
        (Some(_), Some(_)) => {
            return Err(Problem::field(DATA_BASE64, "either data or data_base64"));
        }
        (Some(data), None) => {
            event
                .datacontenttype
                .get_or_insert_with(|| "application/json".to_owned());
            event.data = Some(data);
        }
        (None, Some(encoded)) => {
            if encoded
                .as_str()
                .is_none_or(|text| STANDARD.decode(text).is_err())
            {
                return Err(Problem::field(DATA_BASE64, "base64"));
            }
            event.extensions.insert(DATA_BASE64.to_owned(), encoded);
        }
        (None, None) => {}
    }
    Ok(event)
}

fn binary(request: &Request) -> Result<CloudEvent, Problem> {
    let mut members = Map::new();
    for (header, value) in &request.headers {
        let Some(name) = header.as_str().strip_prefix("ce-") else {
            continue;
        };
        if [DATA, DATA_BASE64, "datacontenttype"].contains(&name) {
            return Err(Problem::field(
                header.as_str(),
                "the body and its content type instead",
            ));
        }
        let decoded = std::str::from_utf8(value.as_bytes()).ok().and_then(decode);
        let decoded =
            decoded.ok_or_else(|| Problem::field(header.as_str(), "percent-encoded UTF-8"))?;
        members.insert(name.to_owned(), Value::String(decoded));
    }
    let mut event = attributes(members).map_err(|problem| problem.within("ce- headers"))?;
    event.datacontenttype = request.header("content-type").map(str::to_owned);
    if request.body.is_empty() {
        return Ok(event);
    }
    if event
        .datacontenttype
        .as_deref()
        .is_some_and(|content_type| is_json(&media_type(content_type)))
    {
        event.data = Some(parse(&request.body)?).filter(|data| !data.is_null());
    } else if let Ok(text) = std::str::from_utf8(&request.body) {
        // In the JSON format a content type that is not there means JSON.
        event
            .datacontenttype
            .get_or_insert_with(|| "text/plain".to_owned());
        event.data = Some(Value::String(text.to_owned()));
    } else {
        event
            .datacontenttype
            .get_or_insert_with(|| "application/octet-stream".to_owned());
        event.extensions.insert(
            DATA_BASE64.to_owned(),
            Value::String(STANDARD.encode(&request.body)),
        );
    }
    Ok(event)
}

/// First the quotes of a quoted value, then one round of percent-decoding.
fn decode(value: &str) -> Option<String> {
    let value = value.trim();
    let unquoted = match value
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
    {
        Some(quoted) => {
            let mut text = String::new();
            let mut letters = quoted.chars();
            while let Some(letter) = letters.next() {
                text.push(if letter == '\\' {
                    letters.next()?
                } else {
                    letter
                });
            }
            text
        }
        None => value.to_owned(),
    };
    percent_decode_str(&unquoted)
        .decode_utf8()
        .ok()
        .map(std::borrow::Cow::into_owned)
}

fn attributes(mut members: Map<String, Value>) -> Result<CloudEvent, Problem> {
    let mut take = |name: &str| match members.remove(name) {
        None => Ok(None),
        Some(Value::String(text)) if is_clean(&text) => Ok(Some(text)),
        Some(_) => Err(Problem::field(
            name,
            "a text that is not empty and has no control characters",
        )),
    };
    let specversion = take("specversion")?;
    if specversion.as_deref() != Some("1.0") {
        return Err(Problem::field("specversion", "1.0"));
    }
    let mut required =
        |name: &str| take(name)?.ok_or_else(|| Problem::field(name, "it to be there"));
    let (id, source, kind) = (required("id")?, required("source")?, required("type")?);
    let subject = take("subject")?;
    let time = take("time")?.map(|time| {
        rfc3339(&time)
            .ok_or_else(|| Problem::field("time", "RFC 3339, such as 2026-11-21T12:00:00Z"))
    });
    let time = time.transpose()?;
    let datacontenttype = take("datacontenttype")?;
    let dataschema = take("dataschema")?;
    for (name, value) in &members {
        let is_name = !name.is_empty()
            && name.len() <= 64
            && name
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        if !is_name {
            let shown: String = name
                .chars()
                .filter(|letter| !letter.is_control())
                .take(64)
                .collect();
            return Err(Problem::field(
                &shown,
                "lower-case letters and digits in the name of an extension",
            ));
        }
        let is_value = match value {
            Value::String(text) => text.is_empty() || is_clean(text),
            Value::Bool(_) => true,
            Value::Number(number) => number
                .as_i64()
                .is_some_and(|number| i32::try_from(number).is_ok()),
            Value::Null | Value::Array(_) | Value::Object(_) => false,
        };
        if !is_value {
            return Err(Problem::field(
                name,
                "a text, a boolean or an integer of 32 bits",
            ));
        }
    }
    if let Some(dataschema) = dataschema {
        members.insert("dataschema".to_owned(), Value::String(dataschema));
    }
    Ok(CloudEvent {
        specversion: "1.0".to_owned(),
        id,
        source,
        kind,
        subject,
        time,
        datacontenttype,
        data: None,
        extensions: members,
    })
}

fn is_clean(text: &str) -> bool {
    !text.is_empty() && !text.chars().any(char::is_control)
}

/// The parser takes more than RFC 3339 does.
fn rfc3339(text: &str) -> Option<Timestamp> {
    let has_t = text
        .as_bytes()
        .get(10)
        .is_some_and(|byte| matches!(byte, b'T' | b't'));
    if has_t && !text.contains('[') {
        text.parse().ok()
    } else {
        None
    }
}
