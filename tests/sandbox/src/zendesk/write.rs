//! Creating and changing tickets.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::comment::{cut, expand, expand_html, plain};
use super::field::{ASSIGNEE_POSITION, Verdict};
use super::ticket::{Comment, Ticket, change_events, via};
use super::{Role, Zendesk};
use crate::exchange::{Answer, VendorRequest};

/// Properties that are kept as they were sent.
const PLAIN: [&str; 11] = [
    "subject",
    "priority",
    "type",
    "external_id",
    "group_id",
    "organization_id",
    "brand_id",
    "ticket_form_id",
    "problem_id",
    "due_at",
    "recipient",
];
/// Properties taken on creates and updates alike. `collaborators` to `followers` are accepted without effect, as on an
/// account where "CCs and followers" is off. `description` on an update is passed over without a warning.
const PERMITTED: [&str; 17] = [
    "comment",
    "description",
    "requester_id",
    "assignee_id",
    "assignee_email",
    "status",
    "custom_status_id",
    "tags",
    "custom_fields",
    "metadata",
    "macro_ids",
    "collaborators",
    "collaborator_ids",
    "email_ccs",
    "followers",
    "sharing_agreement_ids",
    "attribute_value_ids",
];
const ON_CREATE: [&str; 4] = [
    "requester",
    "submitter_id",
    "via_followup_source_id",
    "via_id",
];
const ON_UPDATE: [&str; 3] = ["safe_update", "updated_stamp", "additional_collaborators"];
/// More comments than this are refused.
const MOST_COMMENTS: usize = 5000;

type Fields = Map<String, Value>;

/// Problems by field, as they read in a 422.
#[derive(Default)]
pub(super) struct Problems(BTreeMap<String, Vec<Value>>);

impl Problems {
    pub(super) fn add(&mut self, field: &str, description: &str, error: &str) {
        self.push(field, json!({ "description": description, "error": error }));
    }

    pub(super) fn push(&mut self, field: &str, problem: Value) {
        self.0.entry(field.to_owned()).or_default().push(problem);
    }

    pub(super) fn refuse(self) -> Result<(), Answer> {
        if self.0.is_empty() {
            return Ok(());
        }
        Err(Answer::json(
            422,
            json!({ "error": "RecordInvalid", "description": "Record validation errors", "details": self.0 }),
        ))
    }
}

impl Zendesk {
    pub(super) fn create(&mut self, request: &VendorRequest, agent: u64) -> Result<Answer, Answer> {
        let (fields, unknown) = ticket_fields(request, &ON_CREATE)?;
        let now = seconds(request.now);
        let mut problems = Problems::default();
        let mut ticket = Ticket {
            id: self.last_ticket + 1,
            created_at: now,
            updated_at: now,
            requester_id: agent,
            submitter_id: agent,
            assignee_id: None,
            status: "new".to_owned(),
            plain: BTreeMap::new(),
            tags: Vec::new(),
            custom: BTreeMap::new(),
            followup_source: None,
            followup_ids: Vec::new(),
            comments: Vec::new(),
            audits: Vec::new(),
        };
        if let Some(source) = fields.get("via_followup_source_id").and_then(Value::as_u64) {
            match self.tickets.get(&source) {
                Some(closed) if closed.status == "closed" => {
                    ticket.followup_source = Some(source);
                    ticket.tags.clone_from(&closed.tags);
                }
                Some(_) | None => problems.add(
                    "via_followup_source_id",
                    "Via followup source: is not a closed ticket",
                    "InvalidValue",
                ),
            }
        }
        let newcomer = self.requester(&fields, &mut ticket, &mut problems);
        if let Some(submitter) = fields.get("submitter_id").and_then(Value::as_u64) {
            ticket.submitter_id = submitter;
        }
        self.set_properties(&fields, &mut ticket, &mut problems);
        let first = fields
            .get("comment")
            .filter(|comment| !comment.is_null())
            .cloned()
            .or_else(|| {
                let description = fields.get("description")?;
                Some(json!({ "body": description }))
            });
        let author = ticket.submitter_id;
        if !self.comment(first.as_ref(), &mut ticket, author, &mut problems) {
            problems.add("base", "Description: cannot be blank", "BlankValue");
        }
        self.check_solved(None, &ticket, &mut problems);
        problems.refuse()?;

        if let Some((email, name)) = newcomer {
            ticket.requester_id = self
                .add_user(None, &email, Some(name), Role::EndUser, None)
                .map_err(|reason| Answer::json(422, json!({ "error": reason })))?;
            self.hide_from_search(ticket.requester_id, request.now);
        }
        self.last_ticket = ticket.id;
        if let Some(source) = ticket
            .followup_source
            .and_then(|id| self.tickets.get_mut(&id))
        {
            source.followup_ids.push(ticket.id);
        }
        let audit = self.audit(request, &fields, &mut ticket, None, agent);
        let location = format!("{}/api/v2/tickets/{}.json", request.instance_url, ticket.id);
        let json = self.ticket_json(request, &ticket);
        self.tickets.insert(ticket.id, ticket);
        let answer = Answer::json(201, json!({ "ticket": json, "audit": audit }));
        Ok(warn(answer.with_header("Location", location), &unknown))
    }

    pub(super) fn update(
        &mut self,
        request: &VendorRequest,
        agent: u64,
        id: u64,
    ) -> Result<Answer, Answer> {
        let (fields, unknown) = ticket_fields(request, &ON_UPDATE)?;
        let before = self.tickets.get(&id).ok_or_else(super::not_found)?.clone();
        check_open(&before)?;
        check_stamp(&fields, &before)?;
        let mut ticket = before.clone();
        let mut problems = Problems::default();
        if let Some(requester) = fields.get("requester_id").and_then(Value::as_u64) {
            if self.users.contains_key(&requester) {
                ticket.requester_id = requester;
            } else {
                problems.add("requester", "Requester: is invalid", "InvalidValue");
            }
        }
        self.set_properties(&fields, &mut ticket, &mut problems);
        self.comment(fields.get("comment"), &mut ticket, agent, &mut problems);
        self.check_solved(Some(&before), &ticket, &mut problems);
        problems.refuse()?;
        let audit = self.audit(request, &fields, &mut ticket, Some(&before), agent);
        let json = self.ticket_json(request, &ticket);
        self.tickets.insert(id, ticket);
        let answer = Answer::json(200, json!({ "ticket": json, "audit": audit }));
        Ok(warn(answer, &unknown))
    }

    /// `PUT` adds, `POST` sets, `DELETE` removes.
    pub(super) fn change_tags(
        &mut self,
        request: &VendorRequest,
        agent: u64,
        id: u64,
    ) -> Result<Answer, Answer> {
        let none = Map::new();
        let body = json_body(request)
            .and_then(Value::as_object)
            .unwrap_or(&none);
        let given = body.get("tags").map(tag_list).ok_or_else(|| {
            Answer::json(
                400,
                json!({ "error": { "title": "Invalid attribute",
                    "message": "You passed an invalid value for the tags attribute." } }),
            )
        })?;
        let before = self.tickets.get(&id).ok_or_else(super::not_found)?.clone();
        check_open(&before)?;
        check_stamp(body, &before)?;
        let mut ticket = before.clone();
        let status = match request.method.as_str() {
            "PUT" => {
                add_tags(&mut ticket.tags, given);
                200
            }
            "POST" => {
                ticket.tags = given;
                201
            }
            _ => {
                ticket.tags.retain(|tag| !given.contains(tag));
                204
            }
        };
        self.blank_untagged_fields(&mut ticket, &[]);
        self.audit(request, &Map::new(), &mut ticket, Some(&before), agent);
        let tags = ticket.tags.clone();
        self.tickets.insert(id, ticket);
        if status == 204 {
            return Ok(Answer::empty(204));
        }
        Ok(Answer::json(status, json!({ "tags": tags })))
    }

    /// Finds the requester; a new one's address and name come back, to be added once the whole ticket is valid.
    fn requester(
        &self,
        fields: &Fields,
        ticket: &mut Ticket,
        problems: &mut Problems,
    ) -> Option<(String, String)> {
        if let Some(id) = fields.get("requester_id").and_then(Value::as_u64) {
            if self.users.contains_key(&id) {
                ticket.requester_id = id;
            } else {
                problems.add("requester", "Requester: is invalid", "InvalidValue");
            }
            return None;
        }
        let requester = fields.get("requester")?.as_object()?;
        let text = |key: &str| {
            requester
                .get(key)
                .and_then(Value::as_str)
                .map_or("", str::trim)
        };
        let (email, name) = (text("email"), text("name"));
        if let Some((id, _)) = self.user_with_email(email) {
            ticket.requester_id = id;
            return None;
        }
        if name.is_empty() {
            problems.add(
                "requester",
                "Requester: Name: is too short (minimum one character)",
                "ValueTooShort",
            );
            return None;
        }
        if !email.contains('@') {
            problems.add(
                "requester",
                "Requester: Email: is not properly formatted",
                "InvalidFormat",
            );
            return None;
        }
        Some((email.to_owned(), name.to_owned()))
    }

    fn set_properties(&self, fields: &Fields, ticket: &mut Ticket, problems: &mut Problems) {
        for name in PLAIN {
            if let Some(value) = fields.get(name) {
                let value = if *value == json!("") {
                    Value::Null
                } else {
                    value.clone()
                };
                ticket.plain.insert(name.to_owned(), value);
            }
        }
        for (name, label, allowed) in [
            ("priority", "Priority", ["low", "normal", "high", "urgent"]),
            ("type", "Type", ["problem", "incident", "question", "task"]),
        ] {
            let value = ticket.get(name);
            if !(value.is_null() || allowed.iter().any(|allowed| value == allowed)) {
                problems.add(name, &format!("{label}: is invalid"), "InvalidValue");
            }
        }
        check_due(ticket, problems);
        self.set_assignee(fields, ticket, problems);
        if let Some(status) = fields.get("status") {
            let status = status.as_str().unwrap_or_default();
            let known = ["new", "open", "pending", "solved", "closed"].contains(&status)
                || (status == "hold" && self.with_hold);
            if known {
                status.clone_into(&mut ticket.status);
            } else {
                problems.add("status", "Status: is invalid", "InvalidValue");
            }
        }
        // A ticket with an assignee is no longer new.
        if ticket.status == "new" && ticket.assignee_id.is_some() {
            "open".clone_into(&mut ticket.status);
        }
        let tags = fields.get("tags");
        if let Some(tags) = tags {
            ticket.tags = tag_list(tags);
        }
        let written = self.set_custom_fields(fields, ticket, problems);
        if tags.is_some() {
            self.blank_untagged_fields(ticket, &written);
        }
    }

    fn set_assignee(&self, fields: &Fields, ticket: &mut Ticket, problems: &mut Problems) {
        let found = if let Some(id) = fields.get("assignee_id") {
            if id.is_null() {
                ticket.assignee_id = None;
                return;
            }
            id.as_u64().and_then(|id| Some((id, self.users.get(&id)?)))
        } else if let Some(email) = fields.get("assignee_email") {
            self.user_with_email(email.as_str().unwrap_or_default())
        } else {
            return;
        };
        match found {
            Some((id, user)) if user.role.is_agent() => ticket.assignee_id = Some(id),
            Some(_) | None => problems.add("assignee", "Assignee: is invalid", "InvalidValue"),
        }
    }

    /// Returns the ids of the fields that were written.
    fn set_custom_fields(
        &self,
        fields: &Fields,
        ticket: &mut Ticket,
        problems: &mut Problems,
    ) -> Vec<u64> {
        let sent: Vec<(u64, &Value)> = match fields.get("custom_fields") {
            Some(Value::Array(list)) => list
                .iter()
                .filter_map(|one| Some((one.get("id")?.as_u64()?, one.get("value")?)))
                .collect(),
            Some(Value::Object(map)) => map
                .iter()
                .filter_map(|(id, value)| Some((id.parse().ok()?, value)))
                .collect(),
            Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) | None => {
                Vec::new()
            }
        };
        let mut written = Vec::new();
        for (id, value) in sent {
            // An id that is no field's is passed over without a word.
            let Some(field) = self.fields.iter().find(|field| field.id == id) else {
                continue;
            };
            match field.judge(value) {
                Verdict::Stored(value) => {
                    let old = ticket.custom.get(&id).map(|old| field.tags(old)).unwrap_or_default();
                    ticket.tags.retain(|tag| !old.contains(tag));
                    add_tags(&mut ticket.tags, field.tags(&value));
                    ticket.custom.insert(id, value);
                    written.push(id);
                }
                Verdict::Ignored => {}
                Verdict::Refused => problems.push(
                    "base",
                    json!({ "description": format!("{}: is not properly formatted", field.config.title),
                        "error": "InvalidFormat", "ticket_field_id": id,
                        "ticket_field_type": field.config.field_type.class() }),
                ),
            }
        }
        written
    }

    /// A field whose tag was taken away loses its value with it.
    fn blank_untagged_fields(&self, ticket: &mut Ticket, spared: &[u64]) {
        for field in self
            .fields
            .iter()
            .filter(|field| !spared.contains(&field.id))
        {
            let Some(value) = ticket.custom.get(&field.id) else {
                continue;
            };
            let lost = field
                .tags(value)
                .iter()
                .any(|tag| !ticket.tags.contains(tag));
            if lost && let Verdict::Stored(blank) = field.judge(&Value::Null) {
                ticket.custom.insert(field.id, blank);
            }
        }
    }

    /// Adds the comment and says whether there was one.
    fn comment(
        &self,
        comment: Option<&Value>,
        ticket: &mut Ticket,
        default_author: u64,
        problems: &mut Problems,
    ) -> bool {
        let text = |key: &str| {
            comment?
                .get(key)?
                .as_str()
                .filter(|text| !text.trim().is_empty())
        };
        let (body, html) = (text("body"), text("html_body"));
        if body.is_none() && html.is_none() {
            return false;
        }
        if ticket.comments.len() >= MOST_COMMENTS {
            problems.add("base", "Comments: limit of 5000 reached", "TooManyComments");
            return true;
        }
        let author_id = comment
            .and_then(|comment| comment.get("author_id"))
            .and_then(Value::as_u64)
            .unwrap_or(default_author);
        let Some(author) = self.users.get(&author_id) else {
            problems.add("comment", "Author: is invalid", "InvalidValue");
            return true;
        };
        let requester = self.users.get(&ticket.requester_id);
        let lookup = |name: &str| match name {
            "ticket.requester.name" => requester.map(|user| user.name.clone()),
            "ticket.requester.email" => requester.map(|user| user.email.clone()),
            _ => ticket.placeholder(name),
        };
        // Only what agents write is searched for placeholders.
        let expands = author.role.is_agent();
        let html = html.map(|html| {
            cut(if expands {
                expand_html(html, lookup)
            } else {
                html.to_owned()
            })
        });
        let text = match (&html, body) {
            (Some(html), _) => plain(html),
            (None, body) => {
                let body = plain(body.unwrap_or_default());
                cut(if expands { expand(&body, lookup) } else { body })
            }
        };
        // An omitted flag follows the ticket's first comment.
        let public = comment
            .and_then(|comment| comment.get("public"))
            .and_then(Value::as_bool)
            .or_else(|| ticket.comments.first().map(|first| first.public))
            .unwrap_or(true);
        ticket.comments.push(Comment {
            id: 0,
            audit_id: 0,
            author_id,
            text,
            html,
            public,
            created_at: ticket.updated_at,
        });
        true
    }

    fn check_solved(&self, before: Option<&Ticket>, ticket: &Ticket, problems: &mut Problems) {
        let was_solved = before.is_some_and(|before| before.status == "solved");
        if ticket.status != "solved" || was_solved {
            return;
        }
        let mut require = |title: &str, id: u64, class: &str| {
            problems.push(
                "base",
                json!({ "description": format!("{title}: is required when solving a ticket"), "error": null,
                    "ticket_field_id": id, "ticket_field_type": class }),
            );
        };
        if ticket.assignee_id.is_none() {
            require(
                "Assignee",
                self.system_fields_from + ASSIGNEE_POSITION,
                "FieldAssignee",
            );
        }
        for field in self.fields.iter().filter(|field| field.config.required) {
            let value = ticket.custom.get(&field.id).unwrap_or(&Value::Null);
            if [json!(null), json!([]), json!(false)].contains(value) {
                require(
                    &field.config.title,
                    field.id,
                    field.config.field_type.class(),
                );
            }
        }
    }

    /// Gives ids to what is new and records it; an update that changes nothing gets the ticket's last audit again.
    fn audit(
        &mut self,
        request: &VendorRequest,
        fields: &Fields,
        ticket: &mut Ticket,
        before: Option<&Ticket>,
        agent: u64,
    ) -> Value {
        let audit_id = self.next_id();
        let known = before.map_or(0, |before| before.comments.len());
        let mut events = change_events(
            before.map(Ticket::tracked).as_ref(),
            &ticket.tracked(),
            || self.next_id(),
        );
        if events.is_empty() && ticket.comments.len() == known {
            return ticket.audits.last().cloned().unwrap_or(Value::Null);
        }
        if let Some(before) = before {
            // The stamp has whole seconds. It moves with every change here, so that safe updates are never blind to
            // one, as they could be at the vendor within the same second.
            ticket.updated_at =
                seconds(request.now).max(before.updated_at + SignedDuration::from_secs(1));
        }
        for comment in &mut ticket.comments[known..] {
            comment.id = self.next_id();
            comment.audit_id = audit_id;
            comment.created_at = ticket.updated_at;
            events.insert(0, comment.to_event());
        }
        let custom = fields
            .get("metadata")
            .filter(|metadata| metadata.is_object());
        let audit = json!({
            "id": audit_id, "ticket_id": ticket.id, "created_at": ticket.updated_at, "author_id": agent,
            "metadata": {
                "system": { "client": request.header("user-agent").unwrap_or_default(), "ip_address": "127.0.0.1" },
                "custom": custom.cloned().unwrap_or_else(|| json!({})),
            },
            "events": events, "via": via(ticket.followup_source),
        });
        ticket.audits.push(audit.clone());
        audit
    }
}

/// A body counts only when it says that it is JSON.
pub(super) fn json_body(request: &VendorRequest) -> Option<&Value> {
    let is_json = request
        .header("content-type")
        .is_some_and(|content_type| content_type.starts_with("application/json"));
    request.body.as_ref().filter(|_| is_json)
}

/// The ticket's properties that are taken, and the names of those that aren't.
fn ticket_fields(
    request: &VendorRequest,
    further: &[&str],
) -> Result<(Fields, Vec<String>), Answer> {
    let fields = json_body(request)
        .and_then(|body| body.get("ticket"))
        .and_then(Value::as_object)
        .ok_or_else(|| {
            Answer::json(
                400,
                json!({ "error": { "title": "Invalid attribute", "message": "You passed an invalid value for the \
                    ticket attribute. Invalid parameter: ticket must be an object" } }),
            )
        })?;
    let (taken, dropped): (Vec<_>, Vec<_>) = fields.clone().into_iter().partition(|(name, _)| {
        let name = name.as_str();
        PLAIN.contains(&name) || PERMITTED.contains(&name) || further.contains(&name)
    });
    let dropped = dropped.into_iter().map(|(name, _)| name).collect();
    Ok((taken.into_iter().collect(), dropped))
}

/// Names what was dropped, as the vendor's framework prints it.
fn warn(answer: Answer, dropped: &[String]) -> Answer {
    if dropped.is_empty() {
        return answer;
    }
    let keys: Vec<String> = dropped
        .iter()
        .map(|name| format!("\"ticket.{name}\""))
        .collect();
    let warning = format!(
        "{{:allowed_parameters=>{{:unpermitted_keys=>[{}], :invalid_values=>[]}}}}",
        keys.join(", ")
    );
    answer.with_header("x-zendesk-api-warn", warning)
}

fn check_open(ticket: &Ticket) -> Result<(), Answer> {
    let mut problems = Problems::default();
    if ticket.status == "closed" {
        problems.push(
            "status",
            json!({ "description": "Status: closed prevents ticket update" }),
        );
    }
    problems.refuse()
}

/// Only tasks are due: anything else drops the date without a word.
fn check_due(ticket: &mut Ticket, problems: &mut Problems) {
    let due = ticket.get("due_at");
    if due.is_null() {
        return;
    }
    let is_time = due
        .as_str()
        .is_some_and(|text| text.parse::<Timestamp>().is_ok());
    if !is_time {
        problems.add("due_at", "Due at: is invalid", "InvalidValue");
    } else if ticket.get("type") != "task" {
        ticket.plain.insert("due_at".to_owned(), Value::Null);
    }
}

/// Whatever the value of `safe_update`, its presence switches the check on; without a stamp there is nothing to check.
fn check_stamp(fields: &Fields, ticket: &Ticket) -> Result<(), Answer> {
    let stamp = fields
        .get("updated_stamp")
        .and_then(Value::as_str)
        .and_then(|stamp| stamp.parse::<Timestamp>().ok());
    match stamp {
        Some(stamp) if fields.contains_key("safe_update") && ticket.updated_at > stamp => {
            Err(Answer::json(
                409,
                json!({ "error": "UpdateConflict",
                    "description": "Safe Update prevented the update due to outdated ticket data." }),
            ))
        }
        Some(_) | None => Ok(()),
    }
}

fn tag_list(value: &Value) -> Vec<String> {
    let mut tags = Vec::new();
    let given = value.as_array().into_iter().flatten();
    add_tags(
        &mut tags,
        given
            .filter_map(|tag| tag.as_str().map(str::to_owned))
            .collect(),
    );
    tags
}

fn add_tags(tags: &mut Vec<String>, further: Vec<String>) {
    for tag in further {
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
}

/// Times of the API have whole seconds.
pub(super) fn seconds(moment: Timestamp) -> Timestamp {
    Timestamp::from_second(moment.as_second()).unwrap_or(moment)
}
