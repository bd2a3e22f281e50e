//! What starts a workflow.
//!
//! Every trigger comes down to event types and subjects, which is how an event finds the workflows that
//! listen, and sometimes to a condition of its own, which is then evaluated and explained like any other.

use std::collections::BTreeSet;

use rules::Condition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::id::{EndpointName, WorkflowId};
use crate::message::{
    CASE_CLOSED, CASE_ONLINE, CONNECTION_RECORDED, RESPONSE_COMPLETED, RESPONSE_PARTIAL,
    RUN_FAILED, RUN_SUCCEEDED, SCHEDULE_FIRED,
};
use crate::schedule::Schedule;

/// Each pair of type and subject is a row of the listeners' index, written in one transaction.
pub const MOST_LISTENERS: usize = 40;
/// How old a dataset record may be when nothing is said. Qualtrics evaluates none that was updated longer ago.
pub const RECORD_DAYS: u16 = 30;

/// What starts a workflow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// An event of this type (and subject).
    Event(EventTrigger),
    /// A response to a Qualtrics survey.
    SurveyResponse(SurveyResponseTrigger),
    /// An online review, a post, or another record of a dataset.
    DatasetRecord(DatasetRecordTrigger),
    /// Whatever arrives at a `json` endpoint whose mapping sets no type.
    JsonEvent(JsonEventTrigger),
    /// What a business rule of ServiceNow posts.
    #[serde(rename = "servicenow_event")]
    ServiceNowEvent(ServiceNowTrigger),
    /// What a webhook of Zendesk posts.
    ZendeskEvent(ZendeskTrigger),
    /// What happens to TeamViewer's service cases and connections.
    #[serde(rename = "teamviewer_event")]
    TeamViewerEvent(TeamViewerTrigger),
    /// A run that has failed.
    RunFailed(RunFailedTrigger),
    /// A point in time, once or again and again.
    Schedule(Box<Schedule>),
}

/// The events that start a workflow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EventTrigger {
    /// The event's type, or several of them.
    #[serde(rename = "type")]
    pub kind: OneOrMore,
    /// The event's subject, or several of them. Any subject when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<OneOrMore>,
}

/// The survey responses that start a workflow. Previews, tests, spam, imported and unfinished responses
/// start none unless they are included.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SurveyResponseTrigger {
    /// The survey's id (`SV_…`), or several of them. Any survey when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub survey: Option<OneOrMore>,
    /// When: `completed` when absent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub on: Vec<ResponseMoment>,
    /// Which responses count beside those of customers who have finished.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub include: Vec<ResponseKind>,
}

/// When a survey response starts a workflow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ResponseMoment {
    /// It was recorded.
    Completed,
    /// It was answered in part. Unfinished responses are then included.
    Partial,
}

/// Responses that are none of a customer who has finished. The numbers are those of `values.status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ResponseKind {
    /// Not finished.
    Incomplete,
    /// Imported (4).
    Imported,
    /// From a preview (1, 9, 17).
    Previews,
    /// Generated to test (2).
    Tests,
    /// Marked as spam (8, 9).
    Spam,
}

/// The dataset records that start a workflow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DatasetRecordTrigger {
    /// The dataset, or several of them. Any when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset: Option<OneOrMore>,
    /// When: `created` when absent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub on: Vec<Change>,
    /// Records that were updated (or created, where that is all that is known) longer ago start nothing.
    /// 30 days when absent, 0 for records of any age.
    #[serde(default = "record_days", skip_serializing_if = "is_record_days")]
    #[schemars(range(max = 3_650))]
    pub within_days: u16,
}

/// What happened to a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It is new.
    Created,
    /// It was changed.
    Updated,
}

/// The JSON events that start a workflow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JsonEventTrigger {
    /// The endpoint. One whose mapping sets a type is listened to by `event`.
    pub endpoint: EndpointName,
    /// The event's subject, or several of them. Any subject when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<OneOrMore>,
}

/// The ServiceNow events that start a workflow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceNowTrigger {
    /// The record's table, or several of them. Any table when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<OneOrMore>,
    /// When: `created` and `updated` when absent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub on: Vec<Change>,
}

/// The Zendesk events that start a workflow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ZendeskTrigger {
    /// The event's type without `zen:event-type:`, such as `ticket.created`, or several of them. `trigger`
    /// for what a trigger or an automation of Zendesk sends.
    pub event: OneOrMore,
}

/// What starts a workflow at TeamViewer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TeamViewerTrigger {
    /// When; at least one.
    #[schemars(length(min = 1))]
    pub on: Vec<TeamViewerMoment>,
}

/// When something at TeamViewer starts a workflow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TeamViewerMoment {
    /// A service case was closed.
    CaseClosed,
    /// The customer of a service case waits.
    CustomerOnline,
    /// A connection has ended and stands in the history.
    ConnectionRecorded,
}

impl TeamViewerMoment {
    fn event_type(self) -> &'static str {
        match self {
            Self::CaseClosed => CASE_CLOSED,
            Self::CustomerOnline => CASE_ONLINE,
            Self::ConnectionRecorded => CONNECTION_RECORDED,
        }
    }
}

/// The failed runs that start a workflow. A run of the workflow itself never does.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunFailedTrigger {
    /// The workflow whose run failed, or several of them. Any when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow: Option<OneOrMore>,
}

/// A text, or a list of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a text or a list of texts")]
pub enum OneOrMore {
    /// One.
    One(String),
    /// Several.
    More(Vec<String>),
}

impl OneOrMore {
    /// The texts.
    pub fn as_slice(&self) -> &[String] {
        match self {
            Self::One(text) => std::slice::from_ref(text),
            Self::More(texts) => texts,
        }
    }
}

/// A row of the index by which an event finds its workflows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listener {
    /// The event's type.
    pub kind: String,
    /// The event's subject; `None` listens to all.
    pub subject: Option<String>,
}

impl Listener {
    /// Whether an event of this type and subject is listened to.
    pub fn hears(&self, kind: &str, subject: Option<&str>) -> bool {
        self.kind == kind
            && self
                .subject
                .as_deref()
                .is_none_or(|own| Some(own) == subject)
    }
}

impl Trigger {
    /// The schedule, when that is what starts the workflow.
    pub fn schedule(&self) -> Option<&Schedule> {
        match self {
            Self::Schedule(schedule) => Some(schedule),
            Self::Event(_)
            | Self::SurveyResponse(_)
            | Self::DatasetRecord(_)
            | Self::JsonEvent(_)
            | Self::ServiceNowEvent(_)
            | Self::ZendeskEvent(_)
            | Self::TeamViewerEvent(_)
            | Self::RunFailed(_) => None,
        }
    }

    /// The events that the workflow of this id listens to.
    pub fn listeners(&self, workflow: &WorkflowId) -> BTreeSet<Listener> {
        let (kinds, subjects) = self.heard(workflow);
        let pairs = kinds.iter().flat_map(|kind| {
            subjects.iter().map(|subject| Listener {
                kind: kind.clone(),
                subject: subject.clone(),
            })
        });
        pairs.collect()
    }

    fn heard(&self, workflow: &WorkflowId) -> (Vec<String>, Vec<Option<String>>) {
        let subjects = |subject: &Option<OneOrMore>| match subject {
            None => vec![None],
            Some(subjects) => subjects.as_slice().iter().cloned().map(Some).collect(),
        };
        match self {
            Self::Event(trigger) => (trigger.kind.as_slice().to_vec(), subjects(&trigger.subject)),
            Self::SurveyResponse(trigger) => {
                let kinds = or_default(&trigger.on, &[ResponseMoment::Completed])
                    .iter()
                    .map(|moment| match moment {
                        ResponseMoment::Completed => RESPONSE_COMPLETED.to_owned(),
                        ResponseMoment::Partial => RESPONSE_PARTIAL.to_owned(),
                    });
                (kinds.collect(), subjects(&trigger.survey))
            }
            Self::DatasetRecord(trigger) => {
                let changes = or_default(&trigger.on, &[Change::Created]);
                (
                    of_changes("dataset.record", changes),
                    subjects(&trigger.dataset),
                )
            }
            Self::JsonEvent(trigger) => (
                vec![format!("{}.received", trigger.endpoint)],
                subjects(&trigger.subject),
            ),
            Self::ServiceNowEvent(trigger) => {
                let changes = or_default(&trigger.on, &[Change::Created, Change::Updated]);
                (
                    of_changes("servicenow.record", changes),
                    subjects(&trigger.table),
                )
            }
            Self::ZendeskEvent(trigger) => {
                let kinds = trigger.event.as_slice().iter();
                (
                    kinds.map(|kind| format!("zendesk.{kind}")).collect(),
                    vec![None],
                )
            }
            Self::TeamViewerEvent(trigger) => {
                let kinds = trigger.on.iter();
                (
                    kinds.map(|moment| moment.event_type().to_owned()).collect(),
                    vec![None],
                )
            }
            Self::RunFailed(trigger) => (vec![RUN_FAILED.to_owned()], subjects(&trigger.workflow)),
            Self::Schedule(_) => (
                vec![SCHEDULE_FIRED.to_owned()],
                vec![Some(workflow.to_string())],
            ),
        }
    }

    /// What the trigger asks of an event beside its type and subject.
    pub fn condition(&self) -> Option<Condition> {
        let source = match self {
            Self::SurveyResponse(trigger) => trigger.condition()?,
            Self::DatasetRecord(trigger) => trigger.condition()?,
            Self::Event(_)
            | Self::JsonEvent(_)
            | Self::ServiceNowEvent(_)
            | Self::ZendeskEvent(_)
            | Self::TeamViewerEvent(_)
            | Self::RunFailed(_)
            | Self::Schedule(_) => return None,
        };
        // A condition that could not be read would be one that is written wrongly here; a test reads every one.
        Condition::parse(&source).ok()
    }

    /// The rules that hold for the trigger of the workflow of this id: each problem with the path of the field.
    pub(crate) fn check(&self, workflow: &WorkflowId, problems: &mut Vec<(String, String)>) {
        let mut texts = |texts: &OneOrMore, path: &str| check_texts(texts, path, problems);
        match self {
            Self::Event(trigger) => {
                texts(&trigger.kind, "trigger.event.type");
                if let Some(subject) = &trigger.subject {
                    texts(subject, "trigger.event.subject");
                }
            }
            Self::SurveyResponse(trigger) => {
                if let Some(survey) = &trigger.survey {
                    texts(survey, "trigger.survey_response.survey");
                }
            }
            Self::DatasetRecord(trigger) => {
                if let Some(dataset) = &trigger.dataset {
                    texts(dataset, "trigger.dataset_record.dataset");
                }
                if trigger.within_days > 3_650 {
                    problems.push((
                        "trigger.dataset_record.within_days".to_owned(),
                        format!("found {}, expected 0 to 3650", trigger.within_days),
                    ));
                }
            }
            Self::JsonEvent(trigger) => {
                if let Some(subject) = &trigger.subject {
                    texts(subject, "trigger.json_event.subject");
                }
            }
            Self::ServiceNowEvent(trigger) => {
                if let Some(table) = &trigger.table {
                    texts(table, "trigger.servicenow_event.table");
                }
            }
            Self::ZendeskEvent(trigger) => texts(&trigger.event, "trigger.zendesk_event.event"),
            Self::TeamViewerEvent(trigger) => {
                if trigger.on.is_empty() {
                    problems.push((
                        "trigger.teamviewer_event.on".to_owned(),
                        "found an empty list, expected at least one of case_closed, customer_online, connection_recorded".to_owned(),
                    ));
                }
            }
            Self::RunFailed(trigger) => {
                if let Some(workflow) = &trigger.workflow {
                    texts(workflow, "trigger.run_failed.workflow");
                }
            }
            Self::Schedule(schedule) => problems.extend(
                schedule
                    .problems()
                    .into_iter()
                    .map(|(path, problem)| (join("trigger.schedule", &path), problem)),
            ),
        }
        let listeners = self.listeners(workflow);
        if listeners.len() > MOST_LISTENERS {
            problems.push((
                "trigger".to_owned(),
                format!("found {} pairs of type and subject, expected at most {MOST_LISTENERS}: use a condition on `subject`", listeners.len()),
            ));
        }
        if listeners.iter().any(|listener| {
            [RUN_FAILED, RUN_SUCCEEDED].contains(&listener.kind.as_str())
                && listener.subject.as_deref() == Some(workflow.as_str())
        }) {
            problems.push((
                "trigger".to_owned(),
                format!("listens to the ends of the runs of `{workflow}` itself, which never start it: name other workflows"),
            ));
        }
    }
}

impl SurveyResponseTrigger {
    fn condition(&self) -> Option<Value> {
        let includes = |kind| self.include.contains(&kind);
        // 0 is a usual response, 16 one that was taken offline.
        let mut allowed = vec![0, 16];
        for (kind, codes) in [
            (ResponseKind::Imported, &[4][..]),
            (ResponseKind::Previews, &[1, 17]),
            (ResponseKind::Tests, &[2]),
            (ResponseKind::Spam, &[8]),
        ] {
            if includes(kind) {
                allowed.extend(codes);
            }
        }
        if includes(ResponseKind::Previews) && includes(ResponseKind::Spam) {
            allowed.push(9);
        }
        let mut members = Vec::new();
        let all_kinds = [
            ResponseKind::Imported,
            ResponseKind::Previews,
            ResponseKind::Tests,
            ResponseKind::Spam,
        ];
        if !all_kinds.into_iter().all(includes) {
            // What a web-service task sends has no status; a response that is fetched always has one.
            members.push(json!({"any": [
                {"field": "data.values.status", "is_empty": true},
                {"field": "data.values.status", "in": allowed},
            ]}));
        }
        let unfinished =
            includes(ResponseKind::Incomplete) || self.on.contains(&ResponseMoment::Partial);
        if !unfinished {
            members.push(json!({"any": [
                {"field": "data.values.finished", "is_empty": true},
                {"field": "data.values.finished", "in": [1, true]},
            ]}));
        }
        (!members.is_empty()).then(|| json!({"all": members}))
    }
}

impl DatasetRecordTrigger {
    fn condition(&self) -> Option<Value> {
        if self.within_days == 0 {
            return None;
        }
        let span = format!("{} days", self.within_days);
        // A source whose clock is ahead of ours must not lose its newest records.
        Some(json!({"any": [
            {"field": "time", "within_last": span},
            {"field": "time", "within_next": "1 day"},
        ]}))
    }
}

fn or_default<'a, T>(given: &'a [T], default: &'a [T]) -> &'a [T] {
    if given.is_empty() { default } else { given }
}

fn of_changes(prefix: &str, changes: &[Change]) -> Vec<String> {
    let words = changes.iter().map(|change| match change {
        Change::Created => "created",
        Change::Updated => "updated",
    });
    words.map(|word| format!("{prefix}.{word}")).collect()
}

fn check_texts(texts: &OneOrMore, path: &str, problems: &mut Vec<(String, String)>) {
    if texts.as_slice().is_empty() {
        problems.push((
            path.to_owned(),
            "found an empty list, expected at least one text".to_owned(),
        ));
    }
    for text in texts.as_slice() {
        if text.is_empty() || text.len() > 256 {
            problems.push((
                path.to_owned(),
                format!("found a text of {} bytes, expected 1 to 256", text.len()),
            ));
        }
    }
}

fn join(base: &str, path: &str) -> String {
    if path.is_empty() {
        base.to_owned()
    } else {
        format!("{base}.{path}")
    }
}

fn record_days() -> u16 {
    RECORD_DAYS
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands the field by reference"
)]
fn is_record_days(days: &u16) -> bool {
    *days == RECORD_DAYS
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    fn trigger(source: Value) -> Trigger {
        serde_json::from_value(source).unwrap()
    }

    fn heard(source: Value) -> Vec<String> {
        let workflow = WorkflowId::parse("w").unwrap();
        trigger(source)
            .listeners(&workflow)
            .into_iter()
            .map(|listener| match listener.subject {
                None => listener.kind,
                Some(subject) => format!("{} {subject}", listener.kind),
            })
            .collect()
    }

    #[test]
    fn every_trigger_comes_down_to_types_and_subjects() {
        for (source, expected) in [
            (
                json!({"event": {"type": ["a", "b"], "subject": ["s", "t"]}}),
                &["a s", "a t", "b s", "b t"][..],
            ),
            (
                json!({"survey_response": {}}),
                &["qualtrics.response.completed"],
            ),
            (
                json!({"survey_response": {"survey": "SV_1", "on": ["completed", "partial"]}}),
                &[
                    "qualtrics.response.completed SV_1",
                    "qualtrics.response.partial SV_1",
                ],
            ),
            (
                json!({"dataset_record": {"dataset": "reviews"}}),
                &["dataset.record.created reviews"],
            ),
            (
                json!({"dataset_record": {"on": ["created", "updated"]}}),
                &["dataset.record.created", "dataset.record.updated"],
            ),
            (
                json!({"json_event": {"endpoint": "shop"}}),
                &["shop.received"],
            ),
            (
                json!({"servicenow_event": {"table": "incident"}}),
                &[
                    "servicenow.record.created incident",
                    "servicenow.record.updated incident",
                ],
            ),
            (
                json!({"zendesk_event": {"event": "ticket.created"}}),
                &["zendesk.ticket.created"],
            ),
            (
                json!({"teamviewer_event": {"on": ["case_closed", "customer_online", "connection_recorded"]}}),
                &[
                    "teamviewer.case.closed",
                    "teamviewer.case.online",
                    "teamviewer.connection.recorded",
                ],
            ),
            (json!({"run_failed": {}}), &["run.failed"]),
            (
                json!({"run_failed": {"workflow": ["a", "b"]}}),
                &["run.failed a", "run.failed b"],
            ),
            (
                json!({"schedule": {"rate": "6 hours"}}),
                &["schedule.fired w"],
            ),
        ] {
            assert_eq!(heard(source.clone()), expected, "{source}");
        }
    }

    #[test]
    fn responses_that_are_no_customers_start_nothing_unless_included() {
        let values = |status: i64, finished: i64| json!({"data": {"values": {"status": status, "finished": finished}}});
        let own_body = json!({"data": {"SurveyID": "SV_1", "nps": 3}});
        for (options, event, expected) in [
            (json!({}), values(0, 1), true),
            (json!({}), values(16, 1), true),
            (json!({}), own_body.clone(), true),
            (json!({}), values(0, 0), false),
            (json!({"include": ["incomplete"]}), values(0, 0), true),
            (json!({"on": ["partial"]}), values(0, 0), true),
            (json!({"on": ["partial"]}), values(1, 0), false),
            (json!({}), values(1, 1), false),
            (json!({}), values(2, 1), false),
            (json!({}), values(4, 1), false),
            (json!({}), values(8, 1), false),
            (json!({"include": ["previews"]}), values(1, 1), true),
            (json!({"include": ["previews"]}), values(2, 1), false),
            (json!({"include": ["previews"]}), values(9, 1), false),
            (json!({"include": ["previews", "spam"]}), values(9, 1), true),
            (json!({"include": ["imported"]}), values(4, 1), true),
            (json!({"include": ["tests"]}), values(2, 1), true),
            (json!({"include": ["spam"]}), values(8, 1), true),
            (
                json!({"include": ["imported", "previews", "tests", "spam", "incomplete"]}),
                json!({"data": {"values": {"status": "2", "finished": "0"}}}),
                true,
            ),
        ] {
            let holds = trigger(json!({ "survey_response": options }))
                .condition()
                .is_none_or(|condition| condition.evaluate(&event, Timestamp::UNIX_EPOCH).holds);
            assert_eq!(holds, expected, "{options} {event}");
        }
    }

    #[test]
    fn old_records_start_nothing_unless_asked_for() {
        let now: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
        for (options, time, expected) in [
            (json!({}), "2026-11-01T12:00:00Z", true),
            (json!({}), "2026-10-23T12:00:01Z", true),
            (json!({}), "2026-10-23T11:59:59Z", false),
            (json!({}), "2026-11-22T12:05:00Z", true),
            (json!({"within_days": 2}), "2026-11-20T11:00:00Z", false),
            (json!({"within_days": 0}), "2019-01-01T00:00:00Z", true),
        ] {
            let holds = trigger(json!({ "dataset_record": options }))
                .condition()
                .is_none_or(|condition| condition.evaluate(&json!({ "time": time }), now).holds);
            assert_eq!(holds, expected, "{options} {time}");
        }
    }

    #[test]
    fn problems_of_a_trigger_name_the_field() {
        for (source, path, words) in [
            (
                json!({"event": {"type": []}}),
                "trigger.event.type",
                "at least one",
            ),
            (
                json!({"survey_response": {"survey": ""}}),
                "trigger.survey_response.survey",
                "1 to 256",
            ),
            (
                json!({"dataset_record": {"within_days": 5_000}}),
                "trigger.dataset_record.within_days",
                "3650",
            ),
            (
                json!({"teamviewer_event": {"on": []}}),
                "trigger.teamviewer_event.on",
                "at least one",
            ),
            (
                json!({"run_failed": {"workflow": "w"}}),
                "trigger",
                "itself",
            ),
            (
                json!({"event": {"type": "run.succeeded", "subject": "w"}}),
                "trigger",
                "itself",
            ),
        ] {
            let mut problems = Vec::new();
            trigger(source.clone()).check(&WorkflowId::parse("w").unwrap(), &mut problems);
            assert!(
                problems
                    .iter()
                    .any(|(at, problem)| at == path && problem.contains(words)),
                "{source}: {problems:?}"
            );
        }
        for unknown in [
            json!({"survey_response": {"surveys": "SV_1"}}),
            json!({"dataset_record": {"on": ["deleted"]}}),
            json!({"json_event": {"endpoint": "no such name!"}}),
            json!({"webhook": {}}),
        ] {
            assert!(
                serde_json::from_value::<Trigger>(unknown.clone()).is_err(),
                "{unknown}"
            );
        }
    }

    #[test]
    fn trigger_is_written_as_it_was_read() {
        for source in [
            json!({"survey_response": {"survey": "SV_1", "on": ["completed"], "include": ["previews"]}}),
            json!({"dataset_record": {}}),
            json!({"dataset_record": {"within_days": 0}}),
            json!({"servicenow_event": {}}),
            json!({"run_failed": {}}),
        ] {
            assert_eq!(
                serde_json::to_value(trigger(source.clone())).unwrap(),
                source
            );
        }
    }
}
