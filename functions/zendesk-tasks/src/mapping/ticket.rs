//! Tickets.

use std::collections::BTreeMap;

use domain::TaskKey;
use domain::task::value::{
    Email, FieldValue, Moment, NumericId, Tags, Text, TicketPriority, TicketStatus, TicketType,
    YesNo,
};
use domain::task::zendesk::{
    CreateTicket as CreateInput, Requester as RequesterInput, TicketFields,
    UpdateTicket as UpdateInput,
};
use domain::task::{InputError, Rendered};
use serde_json::{Map, Value, json};
use zendesk::{
    Assignee, Comment, CommentBody, CreateTicket, CustomField, CustomValue, IdempotencyKey,
    InvalidInput, Priority, Properties, Requester, Status, Ticket, TicketChange, TicketId,
};

use super::{OnNull, Problem, named, read, text, texts, without_blanks};

/// The name of the metadata that marks a write as this task's.
pub(crate) const MARKER: &str = "closedloop_task";
/// Longer comments are cut off without a word, in bytes
/// ([Ticket comments](https://developer.zendesk.com/api-reference/ticketing/tickets/ticket_comments/)).
const LONGEST_COMMENT: usize = 64 * 1024 - 1;
/// An empty line. Zendesk drops one that is really empty
/// ([Ticket comments](https://developer.zendesk.com/api-reference/ticketing/tickets/ticket_comments/)).
const EMPTY_LINE: &str = "\n \n";

/// A ticket to create.
#[derive(Debug)]
pub(crate) struct NewTicket {
    /// The ticket.
    pub(crate) ticket: CreateTicket,
    /// The idempotency key.
    pub(crate) key: IdempotencyKey,
}

/// A ticket to change, and how.
#[derive(Debug)]
pub(crate) struct Change {
    /// Which one.
    pub(crate) id: TicketId,
    /// What becomes of it; `None` when tags are all that changes.
    pub(crate) ticket: Option<TicketChange>,
    /// Tags to add and to take away.
    pub(crate) tags: TagChange,
    /// What the change depends on.
    pub(crate) guard: Guard,
}

/// Tags to add and to take away.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct TagChange {
    /// To add.
    pub(crate) add: Vec<String>,
    /// To take away.
    pub(crate) remove: Vec<String>,
}

/// What a change depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Guard {
    /// Nothing: the last one to write wins.
    None,
    /// The ticket is still as it was read just before.
    AsRead,
    /// The ticket has not changed since then.
    Since(Moment),
}

impl TagChange {
    pub(crate) fn is_empty(&self) -> bool {
        self.add.is_empty() && self.remove.is_empty()
    }

    /// What became of it, where it is not what was asked for.
    pub(crate) fn warnings(&self, stored: &Ticket) -> Vec<String> {
        let Some(tags) = stored.fields.get("tags").and_then(Value::as_array) else {
            return Vec::new();
        };
        let has = |tag: &&String| {
            let mut tags = tags.iter().filter_map(Value::as_str);
            tags.any(|stored| stored.to_lowercase() == tag.to_lowercase())
        };
        let missing = self.add.iter().filter(|tag| !has(tag));
        let left = self.remove.iter().filter(has);
        missing
            .map(|tag| format!("`add_tags`: the ticket does not have `{tag}`"))
            .chain(left.map(|tag| format!("`remove_tags`: the ticket still has `{tag}`")))
            .collect()
    }
}

impl Guard {
    /// Why the ticket, which was read, must not be changed any more.
    pub(crate) fn refusal(self, ticket: &Ticket) -> Option<String> {
        let Self::Since(stamp) = self else {
            return None;
        };
        let updated_at = ticket.updated_at.as_deref()?;
        let is_later = updated_at
            .parse::<jiff::Timestamp>()
            .is_ok_and(|updated_at| updated_at.as_second() > stamp.get().as_second());
        is_later.then(|| {
            format!("the ticket has changed at {updated_at}, after `updated_stamp` ({stamp}); nothing was written")
        })
    }
}

/// Reads the input of `zendesk.create_ticket`. Blank values are left out.
pub(crate) fn new_ticket(input: &Value, key: &TaskKey) -> Result<NewTicket, Problem> {
    let input: CreateInput<Rendered> = read(&without_nameless_requester(input), &[])?;
    input.check()?;
    let fields = input.ticket_fields();
    let requester = match (&input.requester, &fields.requester_id) {
        (Some(requester), _) => Some(person(requester)),
        (None, Some(id)) => Some(Requester::Id(id.get())),
        (None, None) => None,
    };
    let ticket = CreateTicket {
        comment: comment(&fields).ok_or(InvalidInput::EmptyComment)?,
        requester,
        properties: Properties {
            external_id: Some(key.to_string()),
            ..properties(fields, input.tags, OnNull::Skip, key)
        },
    };
    Ok(NewTicket {
        ticket,
        key: IdempotencyKey::parse(key.as_str())?,
    })
}

/// Reads the input of `zendesk.update_ticket`. Blank values leave a property as it is; only null in
/// `custom_fields` clears a field.
pub(crate) fn change(input: &Value, key: &TaskKey) -> Result<Change, Problem> {
    let input: UpdateInput<Rendered> = read(input, &["ticket_id"])?;
    input.check()?;
    let fields = input.ticket_fields();
    let change = TicketChange {
        comment: comment(&fields),
        requester_id: fields.requester_id.map(NumericId::get),
        properties: properties(fields, input.tags, OnNull::Clear, key),
    };
    let list = |tags: Option<Tags>| {
        tags.map(|tags| tags.as_slice().to_vec())
            .unwrap_or_default()
    };
    let tags = TagChange {
        add: list(input.add_tags),
        remove: list(input.remove_tags),
    };
    // A change of nothing is refused before any call.
    let change = match change.body(None) {
        Err(InvalidInput::NothingToChange) if !tags.is_empty() => None,
        Err(problem) => return Err(problem.into()),
        Ok(_) => Some(change),
    };
    let guard = match (input.updated_stamp, input.safe_update) {
        (Some(_), _) if change.is_none() => {
            return Err(InputError {
                path: "updated_stamp".to_owned(),
                problem: "found nothing to change beside `add_tags` and `remove_tags`, which overwrite nothing: leave it out"
                    .to_owned(),
            }
            .into());
        }
        (Some(stamp), _) => Guard::Since(stamp),
        (None, Some(YesNo(true))) => Guard::AsRead,
        (None, Some(YesNo(false)) | None) => Guard::None,
    };
    Ok(Change {
        id: TicketId::parse(&input.ticket_id.to_string())?,
        ticket: change,
        tags,
        guard,
    })
}

/// What the task leaves for later ones.
pub(crate) fn output(ticket: &Ticket, link: &str) -> Map<String, Value> {
    named([
        ("id", json!(ticket.id.get())),
        ("status", json!(ticket.text("status"))),
        ("updated_at", json!(ticket.updated_at)),
        ("link", json!(link)),
    ])
}

/// What becomes of a new ticket, where it is not what was sent.
pub(crate) fn warnings_of_new(sent: &CreateTicket, stored: &Ticket) -> Vec<String> {
    let mut warnings = super::warnings(&sent.differences(stored));
    warnings.splice(..0, cut_off(&sent.comment));
    warnings
}

/// What becomes of a change, where it is not what was sent.
pub(crate) fn warnings_of_change(sent: &TicketChange, stored: &Ticket) -> Vec<String> {
    let mut warnings = super::warnings(&sent.differences(stored));
    warnings.splice(..0, sent.comment.as_ref().and_then(cut_off));
    warnings
}

fn cut_off(comment: &Comment) -> Option<String> {
    let length = match &comment.body {
        CommentBody::Plain(text) | CommentBody::Html(text) => text.len(),
    };
    (length > LONGEST_COMMENT)
        .then(|| format!("`comment`: sent {length} bytes, of which Zendesk keeps 64 kB"))
}

/// Whoever has no address is nobody: a survey may be answered without telling a name.
fn without_nameless_requester(input: &Value) -> Value {
    const REQUESTER: &str = "requester";
    let mut input = input.clone();
    if let Some(requester) = input.get(REQUESTER).filter(|it| it.is_object()) {
        let requester = without_blanks(requester, &[]);
        let has_address = requester.get("email").is_some_and(|email| !email.is_null());
        if let Some(fields) = input.as_object_mut() {
            if has_address {
                fields.insert(REQUESTER.to_owned(), requester);
            } else {
                fields.remove(REQUESTER);
            }
        }
    }
    input
}

/// A new user needs a name.
fn person(requester: &RequesterInput<Rendered>) -> Requester {
    let email = requester.email.as_str();
    let name = requester.name.as_ref().filter(|name| !name.is_blank());
    let name = match name {
        Some(name) => name.as_str().trim(),
        None => email.split('@').next().unwrap_or(email),
    };
    Requester::Person {
        name: name.to_owned(),
        email: email.to_owned(),
    }
}

fn properties(
    fields: TicketFields<Rendered>,
    tags: Option<Tags>,
    on_null: OnNull,
    key: &TaskKey,
) -> Properties {
    let assignee_id = fields.assignee_id.map(|id| Assignee::Id(id.get()));
    let assignee_email = fields
        .assignee_email
        .map(|email| Assignee::Email(Email::into(email)));
    let subject = fields
        .subject
        .map(|text| zendesk::neutralise_placeholders(text.as_str()));
    Properties {
        subject,
        assignee: assignee_id.or(assignee_email),
        priority: fields.priority.map(priority),
        status: fields.status.map(status),
        ticket_type: fields.r#type.map(ticket_type),
        due_at: fields.due_at.map(|moment| moment.to_string()),
        group_id: fields.group_id.map(NumericId::get),
        organization_id: fields.organization_id.map(NumericId::get),
        brand_id: fields.brand_id.map(NumericId::get),
        ticket_form_id: fields.ticket_form_id.map(NumericId::get),
        // An empty list would take all tags away, and with them the values of fields that are kept as tags.
        tags: tags
            .map(|tags| tags.as_slice().to_vec())
            .filter(|tags| !tags.is_empty()),
        custom_fields: custom_fields(&fields.custom_fields.unwrap_or_default(), on_null),
        external_id: None,
        metadata: BTreeMap::from([(MARKER.to_owned(), key.to_string())]),
    }
}

fn custom_fields(fields: &BTreeMap<NumericId, FieldValue>, on_null: OnNull) -> Vec<CustomField> {
    let fields = fields.iter();
    fields
        .filter_map(|(id, value)| {
            Some(CustomField {
                id: id.get(),
                value: custom_value(value.as_json(), on_null)?,
            })
        })
        .collect()
}

/// One comment of all texts: Zendesk takes a description only in place of the first comment. All of it was
/// filled from outside, so nothing in it may be read as a placeholder.
fn comment(fields: &TicketFields<Rendered>) -> Option<Comment> {
    let given = |text: &Option<Text>| {
        let text = text.as_ref().filter(|text| !text.is_blank());
        text.map(|text| text.as_str().to_owned())
    };
    let body = if let Some(html) = given(&fields.html_comment) {
        CommentBody::Html(zendesk::neutralise_placeholders(&html))
    } else {
        let texts = [&fields.description, &fields.comment].map(given);
        let texts: Vec<String> = texts.into_iter().flatten().collect();
        if texts.is_empty() {
            return None;
        }
        CommentBody::Plain(zendesk::neutralise_placeholders(&texts.join(EMPTY_LINE)))
    };
    Some(Comment {
        body,
        public: fields.public.is_some_and(|YesNo(public)| public),
        author_id: None,
    })
}

/// `None` for a value that is as good as not given.
fn custom_value(value: &Value, on_null: OnNull) -> Option<CustomValue> {
    match value {
        Value::Null => (on_null == OnNull::Clear).then_some(CustomValue::Clear),
        Value::Bool(flag) => Some(CustomValue::Flag(*flag)),
        Value::Array(items) => {
            let choices = texts(items);
            (!choices.is_empty()).then_some(CustomValue::Choices(choices))
        }
        Value::Number(_) | Value::String(_) | Value::Object(_) => {
            text(value).map(CustomValue::Text)
        }
    }
}

fn priority(priority: TicketPriority) -> Priority {
    match priority {
        TicketPriority::Low => Priority::Low,
        TicketPriority::Normal => Priority::Normal,
        TicketPriority::High => Priority::High,
        TicketPriority::Urgent => Priority::Urgent,
    }
}

fn status(status: TicketStatus) -> Status {
    match status {
        TicketStatus::New => Status::New,
        TicketStatus::Open => Status::Open,
        TicketStatus::Pending => Status::Pending,
        TicketStatus::Hold => Status::Hold,
        TicketStatus::Solved => Status::Solved,
        TicketStatus::Closed => Status::Closed,
    }
}

fn ticket_type(kind: TicketType) -> zendesk::TicketType {
    match kind {
        TicketType::Problem => zendesk::TicketType::Problem,
        TicketType::Incident => zendesk::TicketType::Incident,
        TicketType::Question => zendesk::TicketType::Question,
        TicketType::Task => zendesk::TicketType::Task,
    }
}

#[cfg(test)]
mod tests {
    use domain::{RunId, TaskKind, TaskName};

    use super::*;

    const STAMP: &str = "2026-03-02T10:15:30Z";

    fn key() -> TaskKey {
        let run = RunId::parse(&format!("run_{}", "0".repeat(32))).unwrap();
        TaskKey::derive(&run, &TaskName::parse("ticket").unwrap())
    }

    /// The body of a new ticket, without what is the same in all of them.
    fn created(input: &Value) -> Result<Value, String> {
        let new = new_ticket(input, &key()).map_err(|problem| problem.to_string())?;
        assert_eq!(new.key.as_str(), key().as_str());
        let mut body = new.ticket.body().unwrap();
        let ticket = body["ticket"].as_object_mut().unwrap();
        assert_eq!(ticket.remove("external_id"), Some(json!(key().as_str())));
        assert_eq!(
            ticket.remove("metadata"),
            Some(json!({MARKER: key().as_str()}))
        );
        Ok(body["ticket"].take())
    }

    fn changed(input: &Value) -> Result<Value, String> {
        let change = change(input, &key()).map_err(|problem| problem.to_string())?;
        assert_eq!(
            (change.guard, change.tags),
            (Guard::None, TagChange::default())
        );
        let mut body = change.ticket.unwrap().body(None).unwrap();
        let ticket = body["ticket"].as_object_mut().unwrap();
        assert_eq!(ticket.remove("external_id"), None);
        assert_eq!(
            ticket.remove("metadata"),
            Some(json!({MARKER: key().as_str()}))
        );
        Ok(body["ticket"].take())
    }

    #[test]
    fn every_field_reaches_its_property() {
        let mut input = json!({
            "comment": "Why?", "description": "Score 2", "public": "true", "subject": "Low score",
            "requester_id": "7", "assignee_id": 8, "priority": "Urgent", "status": "On-hold",
            "tags": "\"Salesforce\", \"360\"", "type": "Task", "due_at": "2026-12-01", "group_id": "11",
            "organization_id": 12, "brand_id": 13, "ticket_form_id": 14,
            "custom_fields": {"1": "gold", "2": 3.5, "3": true, "4": ["a", 5], "5": "0012"},
        });
        let expected = json!({
            "comment": {"body": "Score 2\n \nWhy?", "public": true}, "subject": "Low score",
            "requester_id": 7, "assignee_id": 8, "priority": "urgent", "status": "hold",
            "tags": ["Salesforce", "360"], "type": "task", "due_at": "2026-12-01T12:00:00Z", "group_id": 11,
            "organization_id": 12, "brand_id": 13, "ticket_form_id": 14,
            "custom_fields": [
                {"id": 1, "value": "gold"}, {"id": 2, "value": "3.5"}, {"id": 3, "value": true},
                {"id": 4, "value": ["a", "5"]}, {"id": 5, "value": "0012"},
            ],
        });
        assert_eq!(created(&input).unwrap(), expected);
        input["ticket_id"] = json!("35436");
        assert_eq!(changed(&input).unwrap(), expected);
    }

    #[test]
    fn comment_is_private_unless_told_otherwise() {
        for (public, expected) in [
            (json!(null), false),
            (json!(""), false),
            (json!("false"), false),
            (json!(true), true),
        ] {
            let input = json!({"ticket_id": 1, "comment": "a", "public": public});
            assert_eq!(
                changed(&input).unwrap(),
                json!({"comment": {"body": "a", "public": expected}})
            );
        }
        assert_eq!(
            created(&json!({"comment": "a"})).unwrap(),
            json!({"comment": {"body": "a", "public": false}})
        );
    }

    #[test]
    fn texts_become_one_comment_without_placeholders() {
        for (description, comment, expected) in [
            ("", "{{ticket.id}}", "{\u{2060}{ticket.id}}"),
            ("a {", "{b}}", "a {\n \n{b}}"),
            ("only this", " ", "only this"),
            (
                "see {{a}}",
                "and {{b}}",
                "see {\u{2060}{a}}\n \nand {\u{2060}{b}}",
            ),
        ] {
            let input = json!({"description": description, "comment": comment});
            assert_eq!(created(&input).unwrap()["comment"]["body"], expected);
        }
        assert!(
            created(&json!({"comment": " "}))
                .unwrap_err()
                .contains("comment is empty")
        );
    }

    #[test]
    fn subject_and_html_have_no_placeholders_either() {
        let input =
            json!({"html_comment": "<p>{{ticket.id}}</p>", "public": true, "subject": "{{a}}"});
        assert_eq!(
            created(&input).unwrap(),
            json!({
                "comment": {"html_body": "<p>{\u{2060}{ticket.id}}</p>", "public": true},
                "subject": "{\u{2060}{a}}",
            })
        );
    }

    #[test]
    fn requester_is_a_person_an_id_or_nobody() {
        for (requester, expected) in [
            (
                json!({"email": " jane.doe@example.com ", "name": " Jane "}),
                json!({"email": "jane.doe@example.com", "name": "Jane"}),
            ),
            (
                json!({"email": "jane.doe@example.com", "name": ""}),
                json!({"email": "jane.doe@example.com", "name": "jane.doe"}),
            ),
            (json!({"email": "", "name": "Jane"}), json!(null)),
            (json!({"email": null}), json!(null)),
        ] {
            let created = created(&json!({"comment": "a", "requester": requester})).unwrap();
            assert_eq!(created["requester"], expected);
        }
        let input = json!({"comment": "a", "requester": {"email": ""}, "requester_id": 7});
        assert_eq!(created(&input).unwrap()["requester_id"], 7);
        let input = json!({"comment": "a", "requester": {"email": "jane", "name": "Jane"}});
        let problem = created(&input).unwrap_err();
        assert!(
            problem.contains("requester.email: found `jane`"),
            "{problem}"
        );
    }

    #[test]
    fn change_of_tags_stands_beside_the_change_of_the_ticket() {
        let input = json!({
            "ticket_id": 1, "add_tags": "\"a b\", c", "remove_tags": ["d"], "safe_update": "true",
        });
        let only_tags = change(&input, &key()).unwrap();
        assert!(only_tags.ticket.is_none());
        let expected = TagChange {
            add: vec!["a_b".to_owned(), "c".to_owned()],
            remove: vec!["d".to_owned()],
        };
        assert_eq!((only_tags.tags, only_tags.guard), (expected, Guard::AsRead));
        let mut input = input;
        input["subject"] = json!("x");
        input["updated_stamp"] = json!(STAMP);
        let both = change(&input, &key()).unwrap();
        let body = both.ticket.unwrap().body(None).unwrap();
        assert_eq!(body["ticket"]["subject"], "x");
        assert_eq!(body["ticket"].get("tags"), None);
        assert_eq!(
            both.guard,
            Guard::Since(Moment::try_from(json!(STAMP)).unwrap())
        );
    }

    #[test]
    fn tags_that_did_not_change_are_warnings() {
        let tags = TagChange {
            add: vec!["VIP".to_owned(), "lost".to_owned()],
            remove: vec!["old".to_owned(), "gone".to_owned()],
        };
        let mut stored = ticket();
        assert_eq!(tags.warnings(&stored), [""; 0]);
        stored
            .fields
            .insert("tags".to_owned(), json!(["vip", "old", "x"]));
        assert_eq!(
            tags.warnings(&stored),
            [
                "`add_tags`: the ticket does not have `lost`",
                "`remove_tags`: the ticket still has `old`",
            ]
        );
    }

    #[test]
    fn ticket_that_changed_after_the_stamp_is_refused() {
        let since = Guard::Since(Moment::try_from(json!("2026-03-02T11:15:30.5+01:00")).unwrap());
        for (updated_at, refused) in [
            (Some("2026-03-02T10:15:29Z"), false),
            (Some(STAMP), false),
            (Some("2026-03-02T10:15:31Z"), true),
            (Some("now"), false),
            (None, false),
        ] {
            let mut stored = ticket();
            stored.updated_at = updated_at.map(str::to_owned);
            assert_eq!(since.refusal(&stored).is_some(), refused, "{updated_at:?}");
            assert_eq!(Guard::AsRead.refusal(&stored), None);
        }
    }

    #[test]
    fn every_priority_status_and_type() {
        for word in ["low", "normal", "high", "urgent"] {
            let input = json!({"ticket_id": 1, "priority": word});
            assert_eq!(changed(&input).unwrap(), json!({"priority": word}));
        }
        for word in ["new", "open", "pending", "hold", "solved", "closed"] {
            let input = json!({"ticket_id": 1, "status": word});
            assert_eq!(changed(&input).unwrap(), json!({"status": word}));
        }
        for word in ["problem", "incident", "question", "task"] {
            let input = json!({"ticket_id": 1, "type": word});
            assert_eq!(changed(&input).unwrap(), json!({"type": word}));
        }
    }

    #[test]
    fn blank_values_are_left_out_and_null_clears_on_update_only() {
        let mut input = json!({
            "comment": "a", "description": " ", "subject": "", "requester_id": "", "assignee_id": null,
            "assignee_email": " ", "requester": {"email": " ", "name": "Jane"}, "html_comment": "",
            "due_at": "", "type": "", "group_id": " ", "priority": "", "status": "", "tags": [],
            "custom_fields": {"1": "", "2": null, "3": [], "4": ["", null], "5": 0, "6": false},
        });
        let comment = json!({"body": "a", "public": false});
        assert_eq!(
            created(&input).unwrap(),
            json!({"comment": comment, "custom_fields": [{"id": 5, "value": "0"}, {"id": 6, "value": false}]})
        );
        let fields = input.as_object_mut().unwrap();
        fields.remove("requester");
        fields.insert("ticket_id".to_owned(), json!(1));
        for name in ["add_tags", "remove_tags", "safe_update", "updated_stamp"] {
            fields.insert(name.to_owned(), json!(""));
        }
        assert_eq!(
            changed(&input).unwrap(),
            json!({"comment": comment, "custom_fields": [
                {"id": 2, "value": null}, {"id": 5, "value": "0"}, {"id": 6, "value": false},
            ]})
        );
    }

    #[test]
    fn input_that_cannot_be_used_tells_why() {
        for (input, expected) in [
            (json!({"ticket_id": 1}), "nothing to change"),
            (
                json!({"ticket_id": 1, "comment": " ", "public": true}),
                "nothing to change",
            ),
            (json!({"ticket_id": "", "comment": "a"}), "numeric id"),
            (
                json!({"ticket_id": 1, "assignee_id": 2, "assignee_email": "a@example.com"}),
                "assignee_email: found `assignee_id` as well",
            ),
            (
                json!({"ticket_id": 1, "assignee_email": "agent"}),
                "assignee_email: found `agent`",
            ),
            (
                json!({"ticket_id": 1, "tags": "a", "add_tags": "b"}),
                "add_tags: found `tags` as well",
            ),
            (
                json!({"ticket_id": 1, "add_tags": ["a,b"]}),
                "add_tags: found the tag `a,b`",
            ),
            (
                json!({"ticket_id": 1, "status": "closed", "remove_tags": "b"}),
                "remove_tags: found the status `closed`",
            ),
            (
                json!({"ticket_id": 1, "comment": "a", "html_comment": "b"}),
                "html_comment: found `comment`",
            ),
            (
                json!({"ticket_id": 1, "add_tags": "a", "updated_stamp": STAMP}),
                "updated_stamp: found nothing to change beside",
            ),
            (
                json!({"ticket_id": 1, "subject": "a", "updated_stamp": "yesterday"}),
                "updated_stamp: found `yesterday`",
            ),
            (json!({"ticket_id": 1, "priority": "asap"}), "`asap`"),
            (json!({"ticket_id": 1, "colour": "red"}), "`colour`"),
        ] {
            let text = changed(&input).unwrap_err();
            assert!(text.contains(expected), "{text}");
        }
    }

    #[test]
    fn blank_email_does_not_compete_with_an_id() {
        let input = json!({"ticket_id": 1, "assignee_id": 2, "assignee_email": ""});
        assert_eq!(changed(&input).unwrap(), json!({"assignee_id": 2}));
        let input = json!({"ticket_id": 1, "assignee_email": " a@example.com "});
        assert_eq!(
            changed(&input).unwrap(),
            json!({"assignee_email": "a@example.com"})
        );
    }

    fn ticket() -> Ticket {
        Ticket {
            id: TicketId::parse("35436").unwrap(),
            updated_at: None,
            fields: Map::from_iter([("status".to_owned(), json!("open"))]),
        }
    }

    #[test]
    fn outputs_are_those_that_are_promised() {
        let output = output(&ticket(), "https://x");
        for kind in [TaskKind::ZendeskCreateTicket, TaskKind::ZendeskUpdateTicket] {
            assert_eq!(output.len(), kind.outputs().len());
            assert!(kind.outputs().iter().all(|name| output.contains_key(*name)));
        }
        assert_eq!(output["id"], 35436);
        assert_eq!(output["status"], "open");
    }

    #[test]
    fn comment_that_will_be_cut_off_is_a_warning() {
        for (length, expected) in [(LONGEST_COMMENT, 0), (LONGEST_COMMENT + 1, 1)] {
            let input = json!({"ticket_id": 1, "comment": "x".repeat(length)});
            let change = change(&input, &key()).unwrap().ticket.unwrap();
            let warnings = warnings_of_change(&change, &ticket());
            assert_eq!(warnings.len(), expected, "{warnings:?}");
        }
    }
}
