//! A ticket, its comments and audits, and how they read in answers.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::comment::escape;

#[derive(Clone)]
pub(crate) struct Ticket {
    pub(crate) id: u64,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    pub(crate) requester_id: u64,
    pub(crate) submitter_id: u64,
    pub(crate) assignee_id: Option<u64>,
    pub(crate) status: String,
    /// Properties that are stored as sent: subject, priority, type, `external_id`, `group_id` and the like.
    pub(crate) plain: BTreeMap<String, Value>,
    pub(crate) tags: Vec<String>,
    pub(crate) custom: BTreeMap<u64, Value>,
    pub(crate) followup_source: Option<u64>,
    pub(crate) followup_ids: Vec<u64>,
    pub(crate) comments: Vec<Comment>,
    pub(crate) audits: Vec<Value>,
}

#[derive(Clone)]
pub(crate) struct Comment {
    pub(crate) id: u64,
    pub(crate) audit_id: u64,
    pub(crate) author_id: u64,
    pub(crate) text: String,
    /// As sent, when it was sent as HTML.
    pub(crate) html: Option<String>,
    pub(crate) public: bool,
    pub(crate) created_at: Timestamp,
}

impl Comment {
    pub(crate) fn to_json(&self) -> Value {
        let inner = self
            .html
            .clone()
            .unwrap_or_else(|| format!("<p dir=\"auto\">{}</p>", escape(&self.text)));
        json!({
            "id": self.id, "type": "Comment", "author_id": self.author_id, "body": self.text,
            "html_body": format!("<div class=\"zd-comment\" dir=\"auto\">{inner}</div>"),
            "plain_body": self.text, "public": self.public, "attachments": [], "audit_id": self.audit_id,
            "via": via(None), "created_at": self.created_at,
            "metadata": { "system": {}, "custom": {} },
        })
    }

    pub(crate) fn to_event(&self) -> Value {
        let mut event = self.to_json();
        if let Some(event) = event.as_object_mut() {
            event.remove("via");
            event.remove("created_at");
            event.remove("metadata");
        }
        event
    }
}

pub(crate) fn via(followup_source: Option<u64>) -> Value {
    let (from, rel) = match followup_source {
        Some(source) => (json!({ "ticket_id": source }), json!("follow_up")),
        None => (json!({}), Value::Null),
    };
    json!({ "channel": "api", "source": { "from": from, "to": {}, "rel": rel } })
}

impl Ticket {
    pub(crate) fn get(&self, property: &str) -> &Value {
        self.plain.get(property).unwrap_or(&Value::Null)
    }

    pub(crate) fn to_json(&self, host: &str, custom_field_ids: &[u64]) -> Value {
        let custom: Vec<Value> = custom_field_ids
            .iter()
            .map(|id| json!({ "id": id, "value": self.custom.get(id).unwrap_or(&Value::Null) }))
            .collect();
        let first = self.comments.first();
        json!({
            "url": format!("{host}/api/v2/tickets/{}.json", self.id),
            "id": self.id, "external_id": self.get("external_id"), "via": via(self.followup_source),
            "created_at": self.created_at, "updated_at": self.updated_at,
            "generated_timestamp": self.updated_at.as_second(),
            "type": self.get("type"), "subject": self.get("subject"), "raw_subject": self.get("subject"),
            "description": first.map(|comment| comment.text.as_str()),
            "priority": self.get("priority"), "status": self.status, "recipient": self.get("recipient"),
            "requester_id": self.requester_id, "submitter_id": self.submitter_id, "assignee_id": self.assignee_id,
            "organization_id": self.get("organization_id"), "group_id": self.get("group_id"),
            "collaborator_ids": [], "follower_ids": [], "email_cc_ids": [], "forum_topic_id": null,
            "problem_id": self.get("problem_id"), "has_incidents": false,
            "is_public": self.comments.iter().any(|comment| comment.public), "due_at": self.get("due_at"),
            "tags": self.tags, "custom_fields": custom, "satisfaction_rating": { "score": "unoffered" },
            "sharing_agreement_ids": [], "custom_status_id": self.get("custom_status_id"), "fields": custom,
            "followup_ids": self.followup_ids, "ticket_form_id": self.get("ticket_form_id"),
            "brand_id": self.get("brand_id"), "allow_channelback": false, "allow_attachments": true,
            "from_messaging_channel": false,
        })
    }

    /// Everything whose change makes an audit event, by its name there.
    pub(crate) fn tracked(&self) -> BTreeMap<String, Value> {
        let mut tracked = self.plain.clone();
        tracked.extend(
            self.custom
                .iter()
                .map(|(id, value)| (id.to_string(), value.clone())),
        );
        tracked.extend([
            ("status".to_owned(), json!(self.status)),
            ("tags".to_owned(), json!(self.tags)),
            ("requester_id".to_owned(), json!(self.requester_id)),
            ("assignee_id".to_owned(), json!(self.assignee_id)),
        ]);
        tracked
    }

    pub(crate) fn placeholder(&self, name: &str) -> Option<String> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        match name {
            "ticket.id" => Some(self.id.to_string()),
            "ticket.title" => Some(text(self.get("subject"))),
            "ticket.status" => Some(self.status.clone()),
            "ticket.priority" => Some(text(self.get("priority"))),
            "ticket.external_id" => Some(text(self.get("external_id"))),
            "ticket.tags" => Some(self.tags.join(" ")),
            _ => None,
        }
    }
}

/// Events for what differs between two states of a ticket.
pub(crate) fn change_events(
    before: Option<&BTreeMap<String, Value>>,
    after: &BTreeMap<String, Value>,
    mut next_id: impl FnMut() -> u64,
) -> Vec<Value> {
    let mut events = Vec::new();
    for (name, value) in after {
        let previous = before.map(|before| before.get(name).unwrap_or(&Value::Null));
        let empty = value.is_null() || *value == json!([]);
        let mut event: Map<String, Value> = Map::new();
        match previous {
            None if empty => continue,
            Some(previous) if previous == value => continue,
            None => {
                event.insert("type".to_owned(), json!("Create"));
            }
            Some(previous) => {
                event.insert("type".to_owned(), json!("Change"));
                event.insert("previous_value".to_owned(), previous.clone());
            }
        }
        event.insert("id".to_owned(), json!(next_id()));
        event.insert("field_name".to_owned(), json!(name));
        event.insert("value".to_owned(), value.clone());
        events.push(Value::Object(event));
    }
    events
}
