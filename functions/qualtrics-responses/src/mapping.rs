//! Between this product's events and Qualtrics' responses. Pure.

use std::collections::BTreeMap;

use domain::message::{
    FAILED_ID_PREFIX, NOTIFIED_ACCOUNT, NOTIFIED_ID_PREFIX, NOTIFIED_TYPE, RESPONSE_COMPLETED,
    RESPONSE_FAILED, RESPONSE_NOTIFIED, RESPONSE_PARTIAL,
};
use domain::{AccountName, CloudEvent, EventKey};
use jiff::Timestamp;
use qualtrics::{Question, ResponseId, SurveyId, SurveyResponse};
use serde_json::{Map, Value, json};

/// What an event subscription told, as `ingest` passed it on.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Notification {
    /// Its own key.
    pub(crate) key: EventKey,
    /// The account to fetch the response with.
    pub(crate) account: AccountName,
    /// The id of the event that brings the answers.
    pub(crate) id: String,
    /// The type of that event.
    kind: &'static str,
    source: String,
    time: Option<Timestamp>,
    subject: Option<String>,
    /// What the subscription sent.
    fields: Value,
}

/// An event that is no notification: a fault of ours, for the dead-letter queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the event is no notification of a response: {0}")]
pub(crate) struct NoNotification(&'static str);

impl Notification {
    pub(crate) fn read(event: CloudEvent) -> Result<Self, NoNotification> {
        if event.kind != RESPONSE_NOTIFIED {
            return Err(NoNotification("its type is another"));
        }
        let extension = |name: &str| event.extensions.get(name).and_then(Value::as_str);
        let account = extension(NOTIFIED_ACCOUNT).and_then(|name| AccountName::parse(name).ok());
        let kind = match extension(NOTIFIED_TYPE) {
            Some(RESPONSE_COMPLETED) => RESPONSE_COMPLETED,
            Some(RESPONSE_PARTIAL) => RESPONSE_PARTIAL,
            Some(_) | None => return Err(NoNotification("the type to come is none of responses")),
        };
        let id = event.id.strip_prefix(NOTIFIED_ID_PREFIX);
        Ok(Self {
            key: event.key(),
            account: account.ok_or(NoNotification("it names no account"))?,
            id: id.ok_or(NoNotification("its id is another"))?.to_owned(),
            kind,
            source: event.source,
            time: event.time,
            subject: event.subject,
            fields: event.data.unwrap_or_default(),
        })
    }

    /// What is to be fetched.
    ///
    /// # Errors
    /// Which of the two cannot be used; for people. Give up.
    pub(crate) fn ids(&self) -> Result<(SurveyId, ResponseId), String> {
        let survey = SurveyId::parse(self.field("SurveyID"));
        let survey = survey.map_err(|error| format!("SurveyID: {error}"))?;
        let response = ResponseId::parse(self.field("ResponseID"));
        let response = response.map_err(|error| format!("ResponseID: {error}"))?;
        Ok((survey, response))
    }

    fn field(&self, name: &str) -> &str {
        let field = self.fields.get(name).and_then(Value::as_str);
        field.unwrap_or_default()
    }

    /// The event that brings the answers.
    pub(crate) fn answered(
        &self,
        response: &SurveyResponse,
        questions: Option<&BTreeMap<String, Question>>,
    ) -> CloudEvent {
        let mut data = Map::from_iter([
            ("surveyId".to_owned(), self.field("SurveyID").into()),
            ("responseId".to_owned(), response.id.as_str().into()),
            ("values".to_owned(), response.values.clone().into()),
            ("labels".to_owned(), response.labels.clone().into()),
            (
                "displayedFields".to_owned(),
                response.displayed_fields.clone().into(),
            ),
            (
                "displayedValues".to_owned(),
                response.displayed_values.clone().into(),
            ),
            ("notification".to_owned(), self.fields.clone()),
        ]);
        match questions {
            Some(questions) => {
                let occurring = response.questions();
                let occurring = occurring
                    .into_iter()
                    .filter_map(|id| Some((explained(questions.get(&id)?), id)))
                    .map(|(question, id)| (id, question));
                data.insert("questions".to_owned(), Value::Object(occurring.collect()));
            }
            None => note_left_out(&mut data, "questions"),
        }
        self.event(self.id.clone(), self.kind, Value::Object(data))
    }

    /// The event that there are no answers, and why. The id of the queue's `message` makes it another event than that of
    /// an earlier failure, when somebody has had the answers fetched again.
    pub(crate) fn failed(&self, reason: &str, attempts: u32, message: &str) -> CloudEvent {
        let data = json!({
            "surveyId": self.field("SurveyID"), "responseId": self.field("ResponseID"),
            "account": self.account, "reason": reason, "attempts": attempts,
        });
        self.event(
            format!("{FAILED_ID_PREFIX}{}.{message}", self.id),
            RESPONSE_FAILED,
            data,
        )
    }

    fn event(&self, id: String, kind: &str, data: Value) -> CloudEvent {
        CloudEvent {
            specversion: "1.0".to_owned(),
            id,
            source: self.source.clone(),
            kind: kind.to_owned(),
            subject: self.subject.clone(),
            time: self.time,
            datacontenttype: Some("application/json".to_owned()),
            data: Some(data),
            extensions: Map::new(),
        }
    }
}

/// Takes out of an event what goes with the answers, the part that can best be done without first; `false` when nothing is
/// left to take out. The event says so.
pub(crate) fn leave_out(event: &mut CloudEvent) -> bool {
    let Some(Value::Object(data)) = &mut event.data else {
        return false;
    };
    let Some(part) = ["questions", "displayedValues", "displayedFields", "labels"]
        .into_iter()
        .find(|part| data.remove(*part).is_some())
    else {
        return false;
    };
    note_left_out(data, part);
    true
}

fn note_left_out(data: &mut Map<String, Value>, part: &str) {
    let left_out = data
        .entry("left_out")
        .or_insert_with(|| Value::Array(Vec::new()));
    if let Value::Array(parts) = left_out {
        parts.push(part.into());
    }
}

fn explained(question: &Question) -> Value {
    let mut explained = Map::from_iter([("text".to_owned(), question.text.as_str().into())]);
    if let Some(name) = &question.name {
        explained.insert("name".to_owned(), name.as_str().into());
    }
    for (name, texts) in [
        ("choices", &question.choices),
        ("subQuestions", &question.sub_questions),
    ] {
        if !texts.is_empty() {
            explained.insert(name.to_owned(), json!(texts));
        }
    }
    Value::Object(explained)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notified() -> CloudEvent {
        serde_json::from_value(json!({
            "specversion": "1.0", "id": "notified.completedResponse.SV_1.R_1", "source": "/endpoints/survey",
            "type": "qualtrics.response.notified", "subject": "SV_1", "time": "2026-11-21T12:00:00Z",
            "account": "feedback", "notifiedtype": "qualtrics.response.completed",
            "data": {"SurveyID": "SV_1", "ResponseID": "R_1", "BrandID": "acme"}
        }))
        .unwrap()
    }

    #[test]
    fn failure_names_what_was_to_be_fetched() {
        let event = Notification::read(notified())
            .unwrap()
            .failed("why", 3, "m-1");
        assert_eq!(
            serde_json::to_value(event).unwrap(),
            json!({
                "specversion": "1.0", "id": "failed.completedResponse.SV_1.R_1.m-1", "source": "/endpoints/survey",
                "type": "qualtrics.response.failed", "subject": "SV_1", "time": "2026-11-21T12:00:00Z",
                "datacontenttype": "application/json",
                "data": {"surveyId": "SV_1", "responseId": "R_1", "account": "feedback", "reason": "why", "attempts": 3}
            })
        );
    }

    #[test]
    fn event_that_is_no_notification_is_told_apart() {
        let without = |name: &str| {
            let mut json = serde_json::to_value(notified()).unwrap();
            json[name] = json!("x");
            Notification::read(serde_json::from_value(json).unwrap()).is_err()
        };
        for name in ["type", "id", "notifiedtype"] {
            assert!(without(name), "{name}");
        }
        let mut nameless = notified();
        nameless.extensions.remove("account");
        assert!(Notification::read(nameless).is_err());
    }

    #[test]
    fn ids_that_lead_elsewhere_are_never_asked_for() {
        for (survey, response, fault) in [
            ("SV_1", "R_1", None),
            ("SV_1", "R_1/../..", Some("ResponseID")),
            ("../whoami", "R_1", Some("SurveyID")),
            ("", "R_1", Some("SurveyID")),
        ] {
            let mut event = notified();
            event.data = Some(json!({"SurveyID": survey, "ResponseID": response}));
            let ids = Notification::read(event).unwrap().ids();
            match (ids, fault) {
                (Ok(_), None) => {}
                (Err(problem), Some(field)) => assert!(problem.starts_with(field), "{problem}"),
                (ids, fault) => panic!("{ids:?}, not {fault:?}"),
            }
        }
    }

    #[test]
    fn what_explains_least_is_left_out_first() {
        let mut event = Notification::read(notified()).unwrap().failed("x", 1, "m");
        event.data = Some(json!({
            "values": {}, "labels": {}, "questions": {}, "displayedFields": [], "displayedValues": {}
        }));
        let mut order = Vec::new();
        for part in ["questions", "displayedValues", "displayedFields", "labels"] {
            assert!(leave_out(&mut event));
            order.push(part);
            let data = event.data.as_ref().unwrap();
            assert!(data.get(part).is_none(), "{part}");
            assert_eq!(data["left_out"], json!(order));
        }
        assert!(!leave_out(&mut event));
        assert_eq!(event.data, Some(json!({"values": {}, "left_out": order})));
    }
}
