//! Dataset records: online reviews and social posts, from whatever collects them.
//!
//! There is no public format for these, so this is one of our own, and a lenient one. A record may come in an
//! envelope that says more about it (`{recordId, dataset, source, kind, record, topics, sentiment}`) or bare,
//! and several at once as a list. Fields are found however their names are written (`sourceName`,
//! `source_name`, `Source Name`), also under the names that `ReviewTrackers` and Brandwatch use. What is not
//! known is kept as it is. What is not there stays so.

use std::collections::{BTreeMap, HashSet};

use domain::{CloudEvent, EndpointName};
use jiff::Timestamp;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::{Map, Number, Value, json};

use crate::dates;
use crate::decide::{Verified, as_text, event, hash};
use crate::json_body::parse;
use crate::problem::{Problem, ProblemKind};
use crate::request::Request;

/// Most records in a list.
const MAX_LIST: usize = 100;
/// Longest id of an event, and longest name of a dataset, in bytes.
const MAX_BYTES: usize = 256;
/// What would make two different ids alike.
const IN_ID: &AsciiSet = &CONTROLS.add(b'/').add(b'%');

/// How a field's value is read.
#[derive(Debug, Clone, Copy)]
enum Reading {
    AsItIs,
    /// A text, though it may be sent as a number.
    Id,
    /// A number, though it may be sent as a text or a word.
    Rating,
    /// A number where it can be one.
    Number,
    Date,
}

/// A field of a record: its name here, how it is read, and the names under which it may come, the preferred
/// ones first, in lower case and without what is neither letter nor digit.
const FIELDS: [(&str, Reading, &[&str]); 18] = [
    (
        "id",
        Reading::Id,
        &["id", "recordid", "reviewid", "resourceid"],
    ),
    (
        "content",
        Reading::AsItIs,
        &["content", "reviewcontent", "fulltext", "comment", "snippet"],
    ),
    ("title", Reading::AsItIs, &["title"]),
    ("rating", Reading::Rating, &["rating", "starrating"]),
    (
        "reviewProfileSource",
        Reading::AsItIs,
        &["reviewprofilesource", "sourcename"],
    ),
    (
        "authorName",
        Reading::AsItIs,
        &["authorname", "author", "reviewername"],
    ),
    ("url", Reading::AsItIs, &["url", "reviewurl", "link"]),
    ("domain", Reading::AsItIs, &["domain"]),
    (
        "createdDate",
        Reading::Date,
        &[
            "createddate",
            "createdat",
            "createtime",
            "publisheddate",
            "publishedat",
            "date",
        ],
    ),
    (
        "updatedDate",
        Reading::Date,
        &["updateddate", "updatedat", "updatetime"],
    ),
    (
        "replyState",
        Reading::AsItIs,
        &["replystate", "replystatus"],
    ),
    ("subjectId", Reading::AsItIs, &["subjectid", "locationid"]),
    (
        "subjectName",
        Reading::AsItIs,
        &["subjectname", "locationname"],
    ),
    (
        "subjectRegion",
        Reading::AsItIs,
        &["subjectregion", "locationregion"],
    ),
    (
        "subjectCity",
        Reading::AsItIs,
        &["subjectcity", "locationcity"],
    ),
    ("impact", Reading::Number, &["impact"]),
    ("monthlyVisitors", Reading::Number, &["monthlyvisitors"]),
    ("language", Reading::AsItIs, &["language"]),
];

/// The words for a sentiment with their scores. Mixed is neither good nor bad.
const SENTIMENTS: [(&str, i32); 6] = [
    ("Very Negative", -2),
    ("Negative", -1),
    ("Neutral", 0),
    ("Positive", 1),
    ("Very Positive", 2),
    ("Mixed", 0),
];

/// Ratings that Google's API spells out.
/// <https://developers.google.com/my-business/reference/rest/v4/accounts.locations.reviews#starrating>
const RATINGS: [&str; 5] = ["one", "two", "three", "four", "five"];

pub(crate) fn events(
    request: &Request,
    endpoint: &EndpointName,
    verified: &Verified,
    now: Timestamp,
) -> Result<Vec<CloudEvent>, Problem> {
    let single = |index, item| {
        normalised(item).map(|record| record.into_event(endpoint, verified, index, now))
    };
    match parse(&request.body)? {
        Value::Array(items) if items.len() > MAX_LIST => Err(Problem::new(
            ProblemKind::InvalidField,
            format!("expected at most {MAX_LIST} records in a list"),
        )),
        Value::Array(items) => items
            .into_iter()
            .enumerate()
            .map(|(index, item)| {
                single(index, item).map_err(|problem| problem.within(&format!("[{index}]")))
            })
            .collect(),
        item @ (Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Object(_)) => Ok(vec![single(0, item)?]),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Occasion {
    Created,
    Updated,
}

impl Occasion {
    fn parse(value: &Value) -> Option<Self> {
        let word = value.as_str()?.trim();
        if word.eq_ignore_ascii_case("created") {
            Some(Self::Created)
        } else if word.eq_ignore_ascii_case("updated") {
            Some(Self::Updated)
        } else {
            None
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
        }
    }
}

/// A record as workflows see it, with what its event needs.
struct Normalised {
    data: Map<String, Value>,
    id: Option<String>,
    subject: Option<String>,
    occasion: Occasion,
    updated: Option<Timestamp>,
    time: Option<Timestamp>,
}

impl Normalised {
    fn into_event(
        mut self,
        endpoint: &EndpointName,
        verified: &Verified,
        index: usize,
        now: Timestamp,
    ) -> CloudEvent {
        // The time of receipt is another one when the same record is sent again.
        let received = self.data.remove("receivedAt");
        let fingerprint = |data: &Map<String, Value>| hash(json!(data).to_string().as_bytes());
        let occasion = self.occasion.as_str();
        let subject = self.subject.unwrap_or_else(|| endpoint.to_string());
        let id = match (self.id, verified) {
            (Some(id), _) => {
                // A record that is enriched later keeps the date of its update, and is another event all the same.
                let updated = self.updated.map(|updated| format!("/{updated}"));
                let id = format!(
                    "{}/{}/{occasion}{}/{}",
                    utf8_percent_encode(&subject, IN_ID),
                    utf8_percent_encode(&id, IN_ID),
                    updated.unwrap_or_default(),
                    fingerprint(&self.data)
                );
                if id.len() > MAX_BYTES {
                    hash(id.as_bytes())
                } else {
                    id
                }
            }
            (None, Verified::BodyAndId(id)) => hash(format!("{id}/{index}").as_bytes()),
            (None, Verified::Body | Verified::Qualtrics(_)) => fingerprint(&self.data),
        };
        if let Some(received) = received {
            self.data.insert("receivedAt".to_owned(), received);
        }
        event(
            endpoint,
            id,
            format!("dataset.record.{occasion}"),
            Some(subject),
            self.time.unwrap_or(now),
            Value::Object(self.data),
        )
    }
}

fn normalised(item: Value) -> Result<Normalised, Problem> {
    let Value::Object(members) = item else {
        return Err(Problem::field("record", "a JSON object"));
    };
    let mut envelope = Members::new(members);
    let record = match envelope.take("record", &["record"]) {
        None => None,
        Some(Value::Object(record)) => Some(Members::new(record)),
        Some(
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_),
        ) => {
            return Err(Problem::field("record", "a JSON object"));
        }
    };
    let own_id = text(envelope.take("recordId", &["recordid"]), "recordId")?;
    let dataset = subject(envelope.take("dataset", &["dataset"]), "dataset")?;
    let source = subject(envelope.take("source", &["source"]), "source")?;
    let received = date(envelope.take("receivedAt", &["receivedat"]), "receivedAt")?;
    let stated = occasion(&mut envelope, record.is_none())?;
    let mut topics = envelope.take("topics", &["topics"]);
    let mut sentiment = envelope.take("sentiment", &["sentiment"]);
    let mut actionability = envelope.take("actionability", &["actionability"]);

    let (mut data, mut record, part) = match record {
        Some(mut record) => {
            topics = topics.or_else(|| record.take("topics", &["topics"]));
            sentiment = sentiment.or_else(|| record.take("sentiment", &["sentiment"]));
            actionability =
                actionability.or_else(|| record.take("actionability", &["actionability"]));
            (envelope.all, record, "record.")
        }
        None => (Map::new(), envelope, ""),
    };
    let mut fields = known_fields(&mut record, part)?;
    if let (Some(own_id), None) = (&own_id, fields.get("id")) {
        fields.insert("id".to_owned(), own_id.as_str().into());
    }
    let id = own_id.or_else(|| fields.get("id").and_then(as_text));
    let is_blank_field = |name| fields.get(name).is_none_or(is_blank);
    if id.is_none() && is_blank_field("content") && is_blank_field("rating") {
        return Err(Problem::field(
            &format!("{part}id"),
            "the record's id, or at least its content or its rating",
        ));
    }
    let instant = |name: &str| fields.get(name).and_then(dates::instant);
    let (created, updated) = (instant("createdDate"), instant("updatedDate"));
    let occasion = stated.unwrap_or(match (created, updated) {
        (Some(created), Some(updated)) if created < updated => Occasion::Updated,
        (Some(_) | None, Some(_) | None) => Occasion::Created,
    });
    let mut record = record.all;
    record.append(&mut fields);
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            data.insert(name.to_owned(), value);
        }
    };
    if let Some(Topics { topics, names }) = topics_of(topics)? {
        put("topics", Some(topics.into()));
        put("topicNames", Some(names.into()));
    }
    put(
        "sentiment",
        sentiment_of(sentiment, "sentiment")?.map(Value::Object),
    );
    put("actionability", actionability);
    put("recordId", id.clone().map(Value::String));
    put("dataset", dataset.clone().map(Value::String));
    put("source", source.clone().map(Value::String));
    put("kind", Some(occasion.as_str().into()));
    put("receivedAt", received.map(|time| json!(time)));
    put("record", Some(Value::Object(record)));
    Ok(Normalised {
        data,
        id,
        subject: dataset.or(source),
        occasion,
        updated,
        time: updated.or(created).or(received),
    })
}

/// A bare record may have a `kind` that means something else.
fn occasion(members: &mut Members, is_bare: bool) -> Result<Option<Occasion>, Problem> {
    let value = members.take("kind", &["kind"]);
    let Some(value) = value.filter(|value| !is_blank(value)) else {
        return Ok(None);
    };
    match Occasion::parse(&value) {
        Some(occasion) => Ok(Some(occasion)),
        None if is_bare => {
            members.all.insert("kind".to_owned(), value);
            Ok(None)
        }
        None => Err(Problem::field("kind", "created or updated")),
    }
}

/// Takes the fields that are known out of a record, under their names here.
fn known_fields(record: &mut Members, part: &str) -> Result<Map<String, Value>, Problem> {
    let mut fields = Map::new();
    for (name, reading, names) in FIELDS {
        let field = format!("{part}{name}");
        let value = record.take(name, names);
        let value = match reading {
            Reading::AsItIs => value,
            Reading::Id => text(value, &field)?.map(Value::String),
            Reading::Rating => rating(value, &field)?,
            Reading::Number => value.map(|value| number(&value).map_or(value, Value::Number)),
            Reading::Date => date(value, &field)?.map(|time| json!(time)),
        };
        if let Some(value) = value {
            fields.insert(name.to_owned(), value);
        }
    }
    Ok(fields)
}

/// The members of an object, to be found however their names are written.
struct Members {
    all: Map<String, Value>,
    spellings: BTreeMap<String, Vec<String>>,
}

impl Members {
    fn new(all: Map<String, Value>) -> Self {
        let mut spellings: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for name in all.keys() {
            spellings.entry(plain(name)).or_default().push(name.clone());
        }
        Self { all, spellings }
    }

    /// Takes the first member of these names that says something, else the first that is there at all.
    /// `None` for null.
    fn take(&mut self, name: &str, names: &[&str]) -> Option<Value> {
        let spelled = names.iter().filter_map(|name| self.spellings.get(*name));
        let candidates = std::iter::once(name)
            .chain(spelled.flatten().map(String::as_str))
            .filter(|candidate| self.all.contains_key(*candidate));
        let says_something = |candidate: &&str| {
            self.all
                .get(*candidate)
                .is_some_and(|value| !is_blank(value))
        };
        let chosen = candidates
            .clone()
            .find(says_something)
            .or_else(|| candidates.clone().next())?
            .to_owned();
        self.all.remove(&chosen).filter(|value| !value.is_null())
    }
}

/// A name in lower case, without what is neither letter nor digit.
fn plain(name: &str) -> String {
    name.chars()
        .filter(|letter| letter.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

fn is_blank(value: &Value) -> bool {
    value.is_null() || value.as_str().is_some_and(|text| text.trim().is_empty())
}

fn text(value: Option<Value>, field: &str) -> Result<Option<String>, Problem> {
    match value.filter(|value| !is_blank(value)) {
        None => Ok(None),
        Some(value @ (Value::String(_) | Value::Number(_))) => Ok(as_text(&value)),
        Some(_) => Err(Problem::field(field, "a text or a number")),
    }
}

/// A text that can be the subject of an event.
fn subject(value: Option<Value>, field: &str) -> Result<Option<String>, Problem> {
    match text(value, field)? {
        Some(text) if text.len() > MAX_BYTES => Err(Problem::field(field, "at most 256 bytes")),
        text => Ok(text),
    }
}

fn date(value: Option<Value>, field: &str) -> Result<Option<Timestamp>, Problem> {
    match value.filter(|value| !is_blank(value)) {
        None => Ok(None),
        Some(value) => dates::instant(&value)
            .map(Some)
            .ok_or_else(|| Problem::field(field, dates::EXPECTED)),
    }
}

/// A number, or a text that is one.
fn number(value: &Value) -> Option<Number> {
    match value {
        Value::Number(number) => Some(number.clone()),
        Value::String(text) => {
            let text = text.trim().replace('\u{2212}', "-");
            text.parse::<i64>()
                .map(Number::from)
                .ok()
                .or_else(|| Number::from_f64(text.parse().ok()?))
        }
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

fn rating(value: Option<Value>, field: &str) -> Result<Option<Value>, Problem> {
    let Some(value) = value.filter(|value| !is_blank(value)) else {
        return Ok(None);
    };
    let spelled_out = |text: &str| {
        let word = text.trim().to_ascii_lowercase();
        let place = RATINGS.iter().position(|rating| *rating == word)?;
        Some(Number::from(place + 1))
    };
    // Half of the world writes 4,5.
    let with_comma = |text: &str| number(&text.replace(',', ".").into());
    number(&value)
        .or_else(|| value.as_str().and_then(spelled_out))
        .or_else(|| value.as_str().and_then(with_comma))
        .map(|number| Some(Value::Number(number)))
        .ok_or_else(|| Problem::field(field, "a number such as 4 or 4.5, as number or as text"))
}

/// Topics with the names of them all, each once, for conditions.
struct Topics {
    topics: Vec<Value>,
    names: Vec<Value>,
}

fn topics_of(value: Option<Value>) -> Result<Option<Topics>, Problem> {
    let items = match value.filter(|value| !is_blank(value)) {
        None => return Ok(None),
        Some(Value::Array(items)) => items,
        Some(_) => {
            return Err(Problem::field(
                "topics",
                "a list of topics, each a name or an object with name and sentiment",
            ));
        }
    };
    let (mut topics, mut names) = (Vec::new(), Vec::new());
    let mut seen = HashSet::new();
    for (index, item) in items.into_iter().enumerate() {
        let field = format!("topics[{index}]");
        let (name, mut topic) = match item {
            Value::String(name) => (Some(name), Map::new()),
            Value::Object(members) => {
                let mut members = Members::new(members);
                let name = text(
                    members.take("name", &["name", "topic"]),
                    &format!("{field}.name"),
                )?;
                let whole = members.take("sentiment", &["sentiment"]);
                let whole = sentiment_of(whole, &format!("{field}.sentiment"))?;
                let own = complete(&mut members, &field)?;
                let mut topic = members.all;
                topic.extend(whole.unwrap_or_default());
                topic.extend(own);
                (name, topic)
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => (None, Map::new()),
        };
        let name = name
            .filter(|name| !name.trim().is_empty())
            .ok_or_else(|| Problem::field(&format!("{field}.name"), "the topic's name"))?;
        if seen.insert(name.clone()) {
            names.push(name.as_str().into());
        }
        topic.insert("name".to_owned(), name.into());
        topics.push(Value::Object(topic));
    }
    Ok(Some(Topics { topics, names }))
}

/// A word, a score, or both in an object: `{label, score}` with each that is known.
fn sentiment_of(value: Option<Value>, field: &str) -> Result<Option<Map<String, Value>>, Problem> {
    let Some(value) = value.filter(|value| !is_blank(value)) else {
        return Ok(None);
    };
    let mut members = match value {
        Value::Object(members) => Members::new(members),
        Value::Number(_) | Value::String(_) => {
            let name = if number(&value).is_some() {
                "score"
            } else {
                "label"
            };
            Members::new(Map::from_iter([(name.to_owned(), value)]))
        }
        Value::Null | Value::Bool(_) | Value::Array(_) => {
            return Err(Problem::field(
                field,
                "a word such as Negative, a score, or an object with label and score",
            ));
        }
    };
    let complete = complete(&mut members, field)?;
    let mut sentiment = members.all;
    sentiment.extend(complete);
    Ok((!sentiment.is_empty()).then_some(sentiment))
}

/// Takes word and score, each found by the other where only one is there.
fn complete(members: &mut Members, field: &str) -> Result<Map<String, Value>, Problem> {
    let label = text(members.take("label", &["label"]), &format!("{field}.label"))?;
    let score = members
        .take("score", &["score"])
        .filter(|score| !is_blank(score));
    let score = score
        .map(|score| {
            number(&score).ok_or_else(|| {
                Problem::field(&format!("{field}.score"), "a number such as -2 or 1.5")
            })
        })
        .transpose()?;
    let by_label = label.as_deref().and_then(|label| {
        SENTIMENTS
            .into_iter()
            .find(|(word, _)| plain(word) == plain(label))
    });
    let by_score = score.as_ref().and_then(Number::as_f64).and_then(|score| {
        SENTIMENTS
            .into_iter()
            .find(|(_, known)| (score - f64::from(*known)).abs() < f64::EPSILON)
    });
    let label = by_label
        .map(|(word, _)| word.to_owned())
        .or(label)
        .or_else(|| by_score.map(|(word, _)| word.to_owned()));
    let score = score.or_else(|| by_label.map(|(_, score)| score.into()));
    let mut complete = Map::new();
    if let Some(label) = label {
        complete.insert("label".to_owned(), label.into());
    }
    if let Some(score) = score {
        complete.insert("score".to_owned(), Value::Number(score));
    }
    Ok(complete)
}
