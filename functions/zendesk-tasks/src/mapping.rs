//! From a task's input to what Zendesk is sent, and from its answers to what a task leaves behind.
//! Pure; the only place of this function that knows Zendesk's property names.

use std::collections::BTreeMap;

use accounts::Credential;
use domain::task::value::{FieldValue, NumericId, Tags, Text, TicketPriority, TicketStatus, YesNo};
use domain::task::zendesk::{CreateTicket as CreateInput, UpdateTicket as UpdateInput};
use domain::task::{self, InputError, Rendered};
use domain::{AccountName, TaskKey};
use serde_json::{Map, Value, json};
use vendor_http::BaseUrlError;
use zendesk::{
    Assignee, Auth, Comment, CommentBody, CreateTicket, CustomField, CustomValue, Difference,
    IdempotencyKey, InvalidInput, Priority, Properties, Requester, Status, Ticket, TicketChange,
    TicketId,
};

/// The name of the metadata that marks a write as this task's.
pub(crate) const MARKER: &str = "closedloop_task";
/// Longer comments are cut off without a word, in bytes
/// ([Ticket comments](https://developer.zendesk.com/api-reference/ticketing/tickets/ticket_comments/)).
const LONGEST_COMMENT: usize = 64 * 1024 - 1;
/// An empty line. Zendesk drops one that is really empty
/// ([Ticket comments](https://developer.zendesk.com/api-reference/ticketing/tickets/ticket_comments/)).
const EMPTY_LINE: &str = "\n \n";
/// Fields of a task that must not be blank: all others count as not given when they are.
const REQUIRED: [&str; 2] = ["ticket_id", "comment"];
/// Longest value that a warning repeats, in characters.
const LONGEST_VALUE: usize = 80;

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
    /// What becomes of it.
    pub(crate) change: TicketChange,
}

/// Why a task is given up before any call. Somebody must act; the text says how.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Problem {
    #[error("the task's input cannot be used: {0}")]
    Input(InputError),
    #[error("the task's input cannot be used: {0}")]
    Value(#[from] InvalidInput),
    #[error("`assignee_id` and `assignee_email` both name who gets the ticket: give one of them")]
    TwoAssignees,
    #[error("the account `{account}` has no usable subdomain: {source}")]
    Subdomain {
        account: AccountName,
        source: BaseUrlError,
    },
}

/// Reads the input of `zendesk.create_ticket`. Blank values are left out.
pub(crate) fn new_ticket(input: &Value, key: &TaskKey) -> Result<NewTicket, Problem> {
    let input: CreateInput<Rendered> =
        task::read(&without_blanks(input)).map_err(Problem::Input)?;
    let comment = comment(
        input.description.as_ref(),
        Some(&input.comment),
        input.public,
    );
    let ticket = CreateTicket {
        comment: comment.ok_or(InvalidInput::EmptyComment)?,
        requester: input.requester_id.map(|id| Requester::Id(id.get())),
        properties: Properties {
            external_id: Some(key.to_string()),
            ..properties(
                Form {
                    subject: input.subject,
                    assignee_id: input.assignee_id,
                    assignee_email: input.assignee_email,
                    priority: input.priority,
                    status: input.status,
                    tags: input.tags,
                    custom_fields: input.custom_fields,
                },
                OnNull::Skip,
                key,
            )?
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
    let input: UpdateInput<Rendered> =
        task::read(&without_blanks(input)).map_err(Problem::Input)?;
    let change = TicketChange {
        comment: comment(
            input.description.as_ref(),
            input.comment.as_ref(),
            input.public,
        ),
        requester_id: input.requester_id.map(NumericId::get),
        properties: properties(
            Form {
                subject: input.subject,
                assignee_id: input.assignee_id,
                assignee_email: input.assignee_email,
                priority: input.priority,
                status: input.status,
                tags: input.tags,
                custom_fields: input.custom_fields,
            },
            OnNull::Clear,
            key,
        )?,
    };
    // Refuses a change of nothing before any call.
    change.body(None)?;
    Ok(Change {
        id: TicketId::parse(&input.ticket_id.to_string())?,
        change,
    })
}

/// How a call proves whose account it uses.
pub(crate) fn auth(credential: &Credential) -> Auth {
    match credential {
        Credential::Basic { username, password } => Auth::Basic {
            email: username.clone(),
            password: password.clone(),
        },
        Credential::ApiToken { email, token } => Auth::ApiToken {
            email: email.clone(),
            token: token.clone(),
        },
        Credential::Bearer { token } => Auth::Bearer(token.clone()),
    }
}

/// A body of the vendor's crate, as the run keeps it.
pub(crate) fn kept_body(body: Result<String, InvalidInput>) -> Result<Value, Problem> {
    Ok(serde_json::from_str(&body?).unwrap_or_default())
}

/// What the task leaves for later ones.
pub(crate) fn output(ticket: &Ticket, link: &str) -> Map<String, Value> {
    [
        ("id", json!(ticket.id.get())),
        ("status", json!(ticket.text("status"))),
        ("link", json!(link)),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}

/// What the account did not keep as it was sent, a sentence each.
pub(crate) fn warnings(
    comment: Option<&Comment>,
    sent: &Properties,
    stored: &Ticket,
) -> Vec<String> {
    let length = comment.map_or(0, |comment| match &comment.body {
        CommentBody::Plain(text) | CommentBody::Html(text) => text.len(),
    });
    let cut = (length > LONGEST_COMMENT)
        .then(|| format!("`comment`: sent {length} bytes, of which Zendesk keeps 64 kB"));
    let differences = zendesk::differences(sent, stored);
    cut.into_iter()
        .chain(differences.iter().map(warning))
        .collect()
}

fn warning(difference: &Difference) -> String {
    let Difference {
        property,
        sent,
        stored,
    } = difference;
    match stored.as_ref().map(excerpt) {
        None => format!(
            "`{property}`: the answer does not have it; the account may not have that field"
        ),
        Some(None) => format!(
            "`{property}`: sent {}, kept nothing; perhaps it is none of the field's options",
            said(excerpt(sent))
        ),
        Some(stored) => format!(
            "`{property}`: sent {}, kept {}",
            said(excerpt(sent)),
            said(stored)
        ),
    }
}

fn said(excerpt: Option<String>) -> String {
    excerpt.unwrap_or_else(|| "nothing".to_owned())
}

/// The beginning of a value; `None` when there is none.
fn excerpt(value: &Value) -> Option<String> {
    let text = match value {
        Value::Null => String::new(),
        Value::String(text) => text.split_whitespace().collect::<Vec<_>>().join(" "),
        Value::Array(items) if items.is_empty() => String::new(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    };
    match text.char_indices().nth(LONGEST_VALUE) {
        _ if text.is_empty() => None,
        None => Some(format!("`{text}`")),
        Some((end, _)) => Some(format!("`{}…`", text.get(..end).unwrap_or_default())),
    }
}

/// What null in `custom_fields` means.
#[derive(Clone, Copy, PartialEq, Eq)]
enum OnNull {
    /// A new ticket has nothing to clear.
    Skip,
    Clear,
}

/// What both tasks have in common.
struct Form {
    subject: Option<Text>,
    assignee_id: Option<NumericId>,
    assignee_email: Option<Text>,
    priority: Option<TicketPriority>,
    status: Option<TicketStatus>,
    tags: Option<Tags>,
    custom_fields: BTreeMap<NumericId, FieldValue>,
}

fn properties(form: Form, on_null: OnNull, key: &TaskKey) -> Result<Properties, Problem> {
    let assignee = match (form.assignee_id, form.assignee_email) {
        (Some(_), Some(_)) => return Err(Problem::TwoAssignees),
        (Some(id), None) => Some(Assignee::Id(id.get())),
        (None, Some(email)) => Some(Assignee::Email(email.as_str().trim().to_owned())),
        (None, None) => None,
    };
    Ok(Properties {
        subject: form.subject.map(String::from),
        assignee,
        priority: form.priority.map(priority),
        status: form.status.map(status),
        // An empty list would take all tags away, and with them the values of fields that are kept as tags.
        tags: form
            .tags
            .map(|tags| tags.as_slice().to_vec())
            .filter(|tags| !tags.is_empty()),
        custom_fields: form
            .custom_fields
            .iter()
            .filter_map(|(id, value)| {
                Some(CustomField {
                    id: id.get(),
                    value: custom_value(value.as_json(), on_null)?,
                })
            })
            .collect(),
        metadata: BTreeMap::from([(MARKER.to_owned(), key.to_string())]),
        ..Properties::default()
    })
}

/// One comment of both texts: Zendesk takes a description only in place of the first comment. All of it was
/// filled from outside, so nothing in it may be read as a placeholder.
fn comment(
    description: Option<&Text>,
    comment: Option<&Text>,
    public: Option<YesNo>,
) -> Option<Comment> {
    let texts: Vec<&str> = [description, comment]
        .into_iter()
        .flatten()
        .filter(|text| !text.is_blank())
        .map(Text::as_str)
        .collect();
    (!texts.is_empty()).then(|| Comment {
        body: CommentBody::Plain(zendesk::neutralise_placeholders(&texts.join(EMPTY_LINE))),
        public: public.is_some_and(|YesNo(public)| public),
        author_id: None,
    })
}

/// `None` for a value that is as good as not given.
fn custom_value(value: &Value, on_null: OnNull) -> Option<CustomValue> {
    match value {
        Value::Null => (on_null == OnNull::Clear).then_some(CustomValue::Clear),
        Value::Bool(flag) => Some(CustomValue::Flag(*flag)),
        Value::Array(items) => {
            let choices: Vec<String> = items.iter().filter_map(choice).collect();
            (!choices.is_empty()).then_some(CustomValue::Choices(choices))
        }
        Value::Number(_) | Value::String(_) | Value::Object(_) => {
            choice(value).map(CustomValue::Text)
        }
    }
}

fn choice(value: &Value) -> Option<String> {
    let text = match value {
        Value::Null => return None,
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    };
    (!text.trim().is_empty()).then_some(text)
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

/// The input without optional fields in which piped text left nothing, so that they count as not given
/// whatever their type is.
fn without_blanks(input: &Value) -> Value {
    let Some(fields) = input.as_object() else {
        return input.clone();
    };
    fields
        .iter()
        .filter(|(name, value)| {
            let blank = value.as_str().is_some_and(|text| text.trim().is_empty());
            !blank || REQUIRED.contains(&name.as_str())
        })
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

#[cfg(test)]
mod tests {
    use domain::{RunId, TaskKind, TaskName};

    use super::*;

    fn key() -> TaskKey {
        let run = RunId::parse(&format!("run_{}", "0".repeat(32))).unwrap();
        TaskKey::derive(&run, &TaskName::parse("ticket").unwrap())
    }

    /// The body of a new ticket, without what is the same in all of them.
    fn created(input: &Value) -> Result<Value, String> {
        let new = new_ticket(input, &key()).map_err(|problem| problem.to_string())?;
        assert_eq!(new.key.as_str(), key().as_str());
        let mut body = kept_body(new.ticket.body()).unwrap();
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
        let mut body = kept_body(change.change.body(None)).unwrap();
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
            "tags": "\"Salesforce\", \"360\"",
            "custom_fields": {"1": "gold", "2": 3.5, "3": true, "4": ["a", 5], "5": "0012"},
        });
        let expected = json!({
            "comment": {"body": "Score 2\n \nWhy?", "public": true}, "subject": "Low score",
            "requester_id": 7, "assignee_id": 8, "priority": "urgent", "status": "hold",
            "tags": ["Salesforce", "360"],
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
    fn every_priority_and_status() {
        for word in ["low", "normal", "high", "urgent"] {
            let input = json!({"ticket_id": 1, "priority": word});
            assert_eq!(changed(&input).unwrap(), json!({"priority": word}));
        }
        for word in ["new", "open", "pending", "hold", "solved", "closed"] {
            let input = json!({"ticket_id": 1, "status": word});
            assert_eq!(changed(&input).unwrap(), json!({"status": word}));
        }
    }

    #[test]
    fn blank_values_are_left_out_and_null_clears_on_update_only() {
        let mut input = json!({
            "comment": "a", "description": " ", "subject": "", "requester_id": "", "assignee_id": null,
            "assignee_email": " ", "priority": "", "status": "", "tags": [],
            "custom_fields": {"1": "", "2": null, "3": [], "4": ["", null], "5": 0, "6": false},
        });
        let comment = json!({"body": "a", "public": false});
        assert_eq!(
            created(&input).unwrap(),
            json!({"comment": comment, "custom_fields": [{"id": 5, "value": "0"}, {"id": 6, "value": false}]})
        );
        input["ticket_id"] = json!(1);
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
                "`assignee_id` and `assignee_email`",
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

    #[test]
    fn warnings_tell_what_was_sent_and_what_was_kept() {
        let long = "x".repeat(200);
        for (sent, stored, expected) in [
            (
                json!("new"),
                Some(json!("open")),
                "`p`: sent `new`, kept `open`".to_owned(),
            ),
            (
                json!(["a"]),
                Some(json!([])),
                "`p`: sent `[\"a\"]`, kept nothing; perhaps it is none of the field's options"
                    .to_owned(),
            ),
            (
                json!("a"),
                None,
                "`p`: the answer does not have it; the account may not have that field".to_owned(),
            ),
            (
                json!(null),
                Some(json!(long)),
                format!("`p`: sent nothing, kept `{}…`", "x".repeat(80)),
            ),
        ] {
            let difference = Difference {
                property: "p".to_owned(),
                sent,
                stored,
            };
            assert_eq!(warning(&difference), expected);
        }
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
            let text = Text::try_from(json!("x".repeat(length))).unwrap();
            let comment = comment(None, Some(&text), None);
            let warnings = warnings(comment.as_ref(), &Properties::default(), &ticket());
            assert_eq!(warnings.len(), expected, "{warnings:?}");
        }
    }
}
