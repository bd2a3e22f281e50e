//! Any JSON body: a mapping says where the parts of the event are.

use domain::endpoint::{Mapping, Place, PlaceOrText};
use domain::{CloudEvent, Endpoint};
use jiff::Timestamp;
use serde_json::Value;
use serde_json_path::JsonPath;

use crate::dates::unix_time;
use crate::decide::{Verified, as_text, event, hash};
use crate::json_body::parse;
use crate::problem::Problem;
use crate::request::{Request, is_json};

pub(crate) fn content_type(request: &Request) -> Result<(), &'static str> {
    if request
        .media_type()
        .is_some_and(|media_type| is_json(&media_type))
    {
        Ok(())
    } else {
        Err("application/json")
    }
}

pub(crate) fn events(
    request: &Request,
    endpoint: &Endpoint,
    verified: &Verified,
    now: Timestamp,
) -> Result<Vec<CloudEvent>, Problem> {
    let body = parse(&request.body)?;
    let default = Mapping::default();
    let mapping = endpoint.mapping.as_ref().unwrap_or(&default);

    let mapped_id = mapping
        .id
        .as_ref()
        .map(|place| text_at(&body, place, "id"))
        .transpose()?
        .flatten();
    let id = match (mapped_id, verified) {
        (Some(id), _) => id,
        (None, Verified::BodyAndId(id)) if mapping.id.is_none() => id.clone(),
        (None, Verified::Body | Verified::BodyAndId(_) | Verified::Qualtrics(_)) => {
            hash(&request.body)
        }
    };
    let kind = text(&body, mapping.kind.as_ref(), "type")?
        .unwrap_or_else(|| format!("{}.received", endpoint.name));
    let subject = text(&body, mapping.subject.as_ref(), "subject")?;
    let time = match &mapping.time {
        Some(place) => time_at(&body, place)?.unwrap_or(now),
        None => now,
    };
    Ok(vec![event(&endpoint.name, id, kind, subject, time, body)])
}

fn text(body: &Value, place: Option<&PlaceOrText>, field: &str) -> Result<Option<String>, Problem> {
    match place {
        Some(PlaceOrText::Place(place)) => text_at(body, place, field),
        Some(PlaceOrText::Text(text)) => Ok(Some(text.clone()).filter(|text| !text.is_empty())),
        None => Ok(None),
    }
}

fn text_at(body: &Value, place: &Place, field: &str) -> Result<Option<String>, Problem> {
    match value_at(body, place, field)? {
        Some(Value::Array(_) | Value::Object(_)) => Err(Problem::field(
            field,
            &format!("a text or a number at {}", place.as_str()),
        )),
        value => Ok(value.and_then(as_text)),
    }
}

fn time_at(body: &Value, place: &Place) -> Result<Option<Timestamp>, Problem> {
    let expected = || {
        Problem::field(
            "time",
            &format!(
                "RFC 3339 or Unix seconds or milliseconds at {}",
                place.as_str()
            ),
        )
    };
    let time = match value_at(body, place, "time")? {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) if text.is_empty() => return Ok(None),
        Some(Value::String(text)) => text.parse().ok().or_else(|| unix_time(text.parse().ok()?)),
        Some(Value::Number(number)) => number.as_f64().and_then(unix_time),
        Some(Value::Bool(_) | Value::Array(_) | Value::Object(_)) => None,
    };
    time.map(Some).ok_or_else(expected)
}

fn value_at<'a>(body: &'a Value, place: &Place, field: &str) -> Result<Option<&'a Value>, Problem> {
    let place = place.as_str();
    if place.starts_with('/') {
        return Ok(body.pointer(place));
    }
    let path = JsonPath::parse(place).map_err(|error| {
        Problem::misconfigured(format!(
            "mapping.{field}: {place} is not a JSONPath: {error}"
        ))
    })?;
    let mut found = path.query(body).into_iter();
    let first = found.next();
    if found.next().is_some() {
        return Err(Problem::field(
            field,
            &format!("one value at {place}, found several"),
        ));
    }
    Ok(first)
}
