//! Qualtrics: event subscriptions (form-encoded), and the web-service task of a workflow (JSON of our own).
//!
//! Source for the form: captured deliveries in <https://github.com/kyma-incubator/connector-tools>,
//! `qualtrics-event-gw`. It names the response and holds no answers: an endpoint with an account has them fetched.

use domain::endpoint::Verification;
use domain::message::{
    NOTIFIED_ACCOUNT, NOTIFIED_ID_PREFIX, NOTIFIED_TYPE, RESPONSE_COMPLETED, RESPONSE_NOTIFIED,
    RESPONSE_PARTIAL,
};
use domain::{AccountName, CloudEvent, Endpoint};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::{Map, Value};
use webhook_signature::QualtricsMessage;

use crate::decide::{Accepted, Verified, as_text, event, hash};
use crate::json_body::parse;
use crate::problem::{Problem, ProblemKind};
use crate::request::{Request, is_json};

const FORM: &str = "application/x-www-form-urlencoded";
/// Names and values that say nothing about what happened, or say it in another way.
const NOT_DATA: [&str; 2] = ["Topic", "undefined"];

/// What an event subscription tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Topic {
    Completed,
    Partial,
    Started,
    Activated,
    Deactivated,
}

impl Topic {
    fn parse(kind: &str) -> Option<Self> {
        match kind {
            "surveyengine.completedResponse" => Some(Self::Completed),
            "surveyengine.partialResponse" => Some(Self::Partial),
            "surveyengine.startedRecipientSession" => Some(Self::Started),
            "controlpanel.activateSurvey" => Some(Self::Activated),
            "controlpanel.deactivateSurvey" => Some(Self::Deactivated),
            _ => None,
        }
    }

    /// The topic that goes with a `Status`. Only a status that belongs to another topic is a contradiction.
    fn of_status(status: &str) -> Option<Self> {
        match status {
            "Complete" | "Completed" => Some(Self::Completed),
            "Partial" => Some(Self::Partial),
            "Started" => Some(Self::Started),
            "Active" => Some(Self::Activated),
            "Inactive" => Some(Self::Deactivated),
            _ => None,
        }
    }

    fn event_type(self) -> &'static str {
        match self {
            Self::Completed => RESPONSE_COMPLETED,
            Self::Partial => RESPONSE_PARTIAL,
            Self::Started => "qualtrics.session.started",
            Self::Activated => "qualtrics.survey.activated",
            Self::Deactivated => "qualtrics.survey.deactivated",
        }
    }

    /// The beginning of the event's id.
    fn id_prefix(self) -> &'static str {
        match self {
            Self::Completed => "completedResponse",
            Self::Partial => "partialResponse",
            Self::Started => "startedRecipientSession",
            Self::Activated => "activateSurvey",
            Self::Deactivated => "deactivateSurvey",
        }
    }
}

pub(crate) fn content_type(
    request: &Request,
    verification: &Verification,
) -> Result<(), &'static str> {
    let media_type = request.media_type().unwrap_or_default();
    if matches!(verification, Verification::QualtricsHmac { .. }) {
        return if media_type == FORM {
            Ok(())
        } else {
            Err(FORM)
        };
    }
    if media_type == FORM || is_json(&media_type) {
        Ok(())
    } else {
        Err("application/x-www-form-urlencoded, application/json")
    }
}

pub(crate) fn events(
    request: &Request,
    endpoint: &Endpoint,
    verified: &Verified,
    now: Timestamp,
) -> Result<Accepted, Problem> {
    match verified {
        Verified::Qualtrics(QualtricsMessage { message, topic }) => {
            let topic = topic
                .as_deref()
                .ok_or_else(|| Problem::field("Topic", "the topic of the subscription"))?;
            let fields = signed_fields(message)?;
            // Without the brand the unsigned topic could not be told apart from a forged one.
            text(&fields, &["BrandID"])
                .ok_or_else(|| Problem::field("MSG.BrandID", "the brand's id"))?;
            notification(endpoint, topic, fields, message.as_bytes(), now)
        }
        Verified::Body | Verified::BodyAndId(_)
            if request.media_type().as_deref() == Some(FORM) =>
        {
            let mut fields = form_fields(&request.body)?;
            if fields.contains_key("HMAC") || fields.contains_key("MSG") {
                return Err(Problem::field(
                    "MSG",
                    "flat fields: this subscription has a shared key, so its endpoint needs the verification scheme qualtrics_hmac",
                ));
            }
            let topic = fields.remove("Topic").as_ref().and_then(as_text);
            let topic =
                topic.ok_or_else(|| Problem::field("Topic", "the topic of the subscription"))?;
            notification(endpoint, &topic, fields, &request.body, now)
        }
        Verified::Body | Verified::BodyAndId(_) => response(endpoint, parse(&request.body)?, now),
    }
}

/// The body that a web-service task of a Qualtrics workflow is told to send.
///
/// Where an account can fetch the answers, a body without them is a notification like that of a subscription. Else it would
/// be the event that brings the answers, and the fetched ones would count as its repetition.
fn response(endpoint: &Endpoint, body: Value, now: Timestamp) -> Result<Accepted, Problem> {
    let Value::Object(fields) = &body else {
        return Err(Problem::new(
            ProblemKind::InvalidField,
            "expected a JSON object with SurveyID and ResponseID",
        ));
    };
    let survey = id(fields, &["SurveyID", "surveyId"])?;
    let response_id = id(fields, &["ResponseID", "responseId"])?;
    let (date, time) = date(fields, &["CompletedDate", "completedDate"], now);
    let key = key(
        Topic::Completed,
        &[Some(survey.clone()), Some(response_id.clone()), date],
    );
    let kind = Topic::Completed.event_type().to_owned();
    let account = endpoint
        .account
        .as_ref()
        .filter(|_| fields.get("values").is_none_or(Value::is_null));
    let event = match account {
        Some(account) => {
            // By the names that a subscription uses, whichever the task was told to send.
            let mut named = fields.clone();
            named.insert("SurveyID".to_owned(), survey.clone().into());
            named.insert("ResponseID".to_owned(), response_id.into());
            let told = Value::Object(named);
            let event = event(&endpoint.name, key, kind, Some(survey), time, told);
            to_be_fetched(event, account)
        }
        None => event(&endpoint.name, key, kind, Some(survey), time, body),
    };
    Ok(vec![event].into())
}

/// What an event subscription posts. `raw` is what identifies a repetition when nothing else does.
fn notification(
    endpoint: &Endpoint,
    topic: &str,
    mut fields: Map<String, Value>,
    raw: &[u8],
    now: Timestamp,
) -> Result<Accepted, Problem> {
    let (kind, topic_survey) = split_topic(topic, text(&fields, &["BrandID"]).as_deref())?;
    let Some(topic) = Topic::parse(kind) else {
        // A subscription with a wildcard delivers topics that nobody here has asked for.
        let kind = kind
            .chars()
            .filter(|c| c.is_ascii_alphanumeric() || *c == '.')
            .take(64)
            .collect();
        return Ok(Accepted {
            events: Vec::new(),
            ignored_topic: Some(kind),
        });
    };
    let survey = id(&fields, &["SurveyID"])?;
    if topic_survey.is_some_and(|named| named != survey) {
        return Err(Problem::field("Topic", "the same survey as in SurveyID"));
    }
    let stated = text(&fields, &["Status"]).and_then(|status| Topic::of_status(&status));
    if stated.is_some_and(|stated| stated != topic) {
        return Err(Problem::field("Topic", "the same occasion as in Status"));
    }
    let response = match topic {
        Topic::Completed | Topic::Partial => Some(id(&fields, &["ResponseID"])?),
        Topic::Started | Topic::Activated | Topic::Deactivated => None,
    };
    let (completed, time) = date(&fields, &["CompletedDate", "StartedDate"], now);
    let distinction = match topic {
        Topic::Completed => completed,
        // One response is partly answered more than once, one survey opened by many.
        Topic::Partial | Topic::Started => Some(hash(raw)),
        // Nothing in the request tells a repeated delivery from a survey activated once more: within an
        // hour it counts as repeated.
        Topic::Activated | Topic::Deactivated => {
            Some(format!("{}.{}", hash(raw), now.strftime("%Y-%m-%dT%H")))
        }
    };
    let key = key(topic, &[Some(survey.clone()), response, distinction]);
    for name in NOT_DATA {
        fields.remove(name);
    }
    let data = Value::Object(fields);
    let kind = topic.event_type().to_owned();
    let event = event(&endpoint.name, key, kind, Some(survey), time, data);
    let event = match (topic, &endpoint.account) {
        (Topic::Completed | Topic::Partial, Some(account)) => to_be_fetched(event, account),
        (Topic::Completed | Topic::Partial, None)
        | (Topic::Started | Topic::Activated | Topic::Deactivated, _) => event,
    };
    Ok(vec![event].into())
}

/// Says of an event without answers that it is not the one to wait for: that one comes when they are there, with the
/// id and the type that this one would have had.
fn to_be_fetched(event: CloudEvent, account: &AccountName) -> CloudEvent {
    let mut extensions = event.extensions;
    extensions.insert(NOTIFIED_ACCOUNT.to_owned(), account.as_str().into());
    extensions.insert(NOTIFIED_TYPE.to_owned(), event.kind.into());
    CloudEvent {
        id: format!("{NOTIFIED_ID_PREFIX}{}", event.id),
        kind: RESPONSE_NOTIFIED.to_owned(),
        extensions,
        ..event
    }
}

/// `{brand}.{family}.{name}` and, after another dot, a survey. The brand may hold anything but is named in
/// the fields too.
fn split_topic<'a>(
    topic: &'a str,
    brand: Option<&str>,
) -> Result<(&'a str, Option<&'a str>), Problem> {
    let rest = match brand {
        Some(brand) => topic
            .strip_prefix(brand)
            .and_then(|rest| rest.strip_prefix('.')),
        None => topic.split_once('.').map(|(_, rest)| rest),
    };
    let rest =
        rest.ok_or_else(|| Problem::field("Topic", "the brand of BrandID, a dot and the topic"))?;
    let mut dots = rest.match_indices('.').map(|(position, _)| position);
    let (_, second) = (dots.next(), dots.next());
    match second.and_then(|position| rest.split_at_checked(position)) {
        Some((kind, survey)) => Ok((kind, survey.get(1..))),
        None if rest.starts_with("surveyengine.") && Topic::parse(rest).is_some() => {
            Err(Problem::field("Topic", "the survey after the topic"))
        }
        None => Ok((rest, None)),
    }
}

fn signed_fields(message: &str) -> Result<Map<String, Value>, Problem> {
    if !message.trim_start().starts_with('{') {
        return Err(Problem::new(
            ProblemKind::Encrypted,
            "MSG is encrypted: create the event subscription with \"encrypt\": false; TLS hides the request already",
        ));
    }
    match parse(message.as_bytes()).map_err(|problem| problem.within("MSG"))? {
        Value::Object(fields) => Ok(fields),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Err(Problem::field("MSG", "a JSON object"))
        }
    }
}

fn form_fields(body: &[u8]) -> Result<Map<String, Value>, Problem> {
    let mut fields = Map::new();
    for (name, value) in form_urlencoded::parse(body) {
        if NOT_DATA.contains(&name.as_ref()) && name != "Topic" {
            continue;
        }
        if fields
            .insert(name.into_owned(), Value::String(value.into_owned()))
            .is_some()
        {
            return Err(Problem::new(
                ProblemKind::InvalidField,
                "expected every form field once",
            ));
        }
    }
    Ok(fields)
}

fn text(fields: &Map<String, Value>, names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| as_text(fields.get(*name)?))
}

/// An id of Qualtrics. Its length is not fixed; no letter in it may be mistaken for a separator of the key.
fn id(fields: &Map<String, Value>, names: &[&str]) -> Result<String, Problem> {
    let name = names.first().copied().unwrap_or_default();
    let is_id = |text: &String| {
        text.len() <= 64
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
    };
    text(fields, names).filter(is_id).ok_or_else(|| {
        Problem::field(
            name,
            "an id: 1 to 64 letters, digits, underscores and hyphens",
        )
    })
}

/// The date as it is part of the key, and as a time. A date without a zone is UTC.
fn date(
    fields: &Map<String, Value>,
    names: &[&str],
    now: Timestamp,
) -> (Option<String>, Timestamp) {
    let Some(text) = text(fields, names) else {
        return (None, now);
    };
    let time = text.parse().ok().or_else(|| {
        let date: DateTime = text.parse().ok()?;
        date.to_zoned(TimeZone::UTC)
            .ok()
            .map(|zoned| zoned.timestamp())
    });
    match time {
        Some(time) => (Some(Timestamp::to_string(&time)), time),
        None => (Some(hash(text.as_bytes())), now),
    }
}

fn key(topic: Topic, parts: &[Option<String>]) -> String {
    let mut key = topic.id_prefix().to_owned();
    for part in parts.iter().flatten() {
        key.push('.');
        key.push_str(part);
    }
    key
}
