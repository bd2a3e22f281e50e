//! Something that happened, as a CloudEvents 1.0 object.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::id::{EventKey, WorkflowId};

/// The extension attribute that lists the workflows whose runs led to this event, comma-separated. It is
/// how a workflow that would start itself is noticed.
pub const WORKFLOW_CHAIN: &str = "workflowchain";

/// The extension attribute that names the endpoint by which an event came whose source the sender chose.
pub const ENDPOINT: &str = "endpoint";

/// An event in the CloudEvents 1.0 JSON format. The bus carries it as the `detail`.
///
/// Source: <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md>
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CloudEvent {
    /// Always `1.0`.
    pub specversion: String,
    /// Unique within `source`; a repeated delivery repeats it.
    pub id: String,
    /// Where the event comes from: `/endpoints/{endpoint}` for events that arrived over HTTP.
    pub source: String,
    /// What kind of thing happened, such as `qualtrics.response.completed`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it happened to, such as a survey id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// When it happened, as the sender says, else when it was received.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Timestamp>,
    /// `application/json` when `data` is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub datacontenttype: Option<String>,
    /// What the sender said about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Value>,
    /// Extension attributes and whatever else the sender put beside the known ones.
    #[serde(flatten)]
    pub extensions: Map<String, Value>,
}

impl CloudEvent {
    /// The key under which this event is stored and recognised when it is delivered again.
    ///
    /// `source` and `id` are what CloudEvents calls unique. Where the sender chooses the source, the endpoint
    /// counts as well: one sender could otherwise take the place of another one's event.
    pub fn key(&self) -> EventKey {
        let endpoint = self.extensions.get(ENDPOINT).and_then(Value::as_str);
        EventKey::derive(&self.source, &self.id, endpoint)
    }

    /// The workflows whose runs led to this event, oldest first.
    pub fn workflow_chain(&self) -> Vec<WorkflowId> {
        self.extensions
            .get(WORKFLOW_CHAIN)
            .and_then(Value::as_str)
            .into_iter()
            .flat_map(|list| list.split(','))
            .filter_map(|id| WorkflowId::parse(id).ok())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_survives_json_with_its_extensions() {
        let json = serde_json::json!({
            "specversion": "1.0", "id": "7", "source": "/endpoints/survey", "type": "review.created",
            "subject": "shop", "time": "2026-11-21T12:00:00Z", "datacontenttype": "application/json",
            "data": {"rating": 2}, "workflowchain": "a,b", "tenant": "x"
        });
        let event: CloudEvent = serde_json::from_value(json.clone()).unwrap();
        assert_eq!(serde_json::to_value(&event).unwrap(), json);
        let chain: Vec<String> = event
            .workflow_chain()
            .into_iter()
            .map(String::from)
            .collect();
        assert_eq!(chain, ["a", "b"]);
    }
}
