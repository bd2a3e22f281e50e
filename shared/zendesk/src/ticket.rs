//! What is written to a ticket and what is read from one.
//! See [Tickets](https://developer.zendesk.com/api-reference/ticketing/tickets/tickets/#json-format).

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value, json};

/// A value that is never sent. A human must correct the task or the mapping. The text does not repeat
/// values that may come from an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidInput {
    /// Not a ticket id.
    #[error("a ticket id is a positive whole number")]
    TicketId,
    /// Not a key that is safe to send.
    #[error("an idempotency key has 1 to 100 letters, digits, dots, hyphens and underscores")]
    IdempotencyKey,
    /// Parts that make no identifier of a profile.
    #[error(
        "a profile's source and type are texts without `:`, the source is not `zendesk`, and its identifier is not empty"
    )]
    ProfileKey,
    /// Not the key of a custom object.
    #[error("the key of a custom object has 1 to 100 letters, digits, `_`, `-` and `:`")]
    ObjectKey,
    /// Not the id of a record.
    #[error("a record's id has 1 to 100 letters, digits, `_` and `-`")]
    RecordId,
    /// Not one of the ticket priorities.
    #[error("a priority is one of low, normal, high, urgent")]
    Priority,
    /// Not one of the ticket states.
    #[error("a status is one of new, open, pending, hold, solved, closed")]
    Status,
    /// Not one of the ticket types.
    #[error("a ticket type is one of problem, incident, question, task")]
    TicketType,
    /// Empty text would not be a comment.
    #[error("the comment is empty")]
    EmptyComment,
    /// An update that changes nothing.
    #[error("there is nothing to change")]
    NothingToChange,
}

/// A ticket's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TicketId(u64);

impl TicketId {
    /// Reads what a person typed; a leading `#` and outer space are dropped.
    ///
    /// # Errors
    ///
    /// [`InvalidInput::TicketId`].
    pub fn parse(text: &str) -> Result<Self, InvalidInput> {
        let digits = text.trim().trim_start_matches('#');
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(InvalidInput::TicketId);
        }
        match digits.parse() {
            Ok(0) | Err(_) => Err(InvalidInput::TicketId),
            Ok(number) => Ok(Self(number)),
        }
    }

    /// The number.
    pub fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for TicketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The `Idempotency-Key` of one ticket creation. Zendesk honours it for two hours
/// ([Idempotency](https://developer.zendesk.com/api-reference/ticketing/introduction/#idempotency)).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// # Errors
    ///
    /// [`InvalidInput::IdempotencyKey`]: Zendesk documents no limits, so these are on the safe side.
    pub fn parse(text: &str) -> Result<Self, InvalidInput> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
        if (1..=100).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidInput::IdempotencyKey)
        }
    }

    /// The key.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

macro_rules! choice {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* $variant),+
        }

        impl $name {
            /// The name that the API uses.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text),+
                }
            }

            /// Reads the API's name in any case.
            ///
            /// # Errors
            ///
            /// [`InvalidInput`] of the same name.
            pub fn parse(text: &str) -> Result<Self, InvalidInput> {
                match text.trim().to_ascii_lowercase().as_str() {
                    $($text => Ok(Self::$variant),)+
                    _ => Err(InvalidInput::$name),
                }
            }
        }
    };
}

choice! {
    /// How urgent a ticket is. An account may be set up for `normal` and `high` only.
    Priority {
        /// Low.
        Low = "low",
        /// Normal.
        Normal = "normal",
        /// High.
        High = "high",
        /// Urgent.
        Urgent = "urgent",
    }
}

choice! {
    /// Where a ticket stands.
    Status {
        /// Not looked at.
        New = "new",
        /// Being worked on.
        Open = "open",
        /// Waiting for the requester.
        Pending = "pending",
        /// Waiting for somebody else; an account must switch it on.
        Hold = "hold",
        /// Solved; the account's required fields are checked.
        Solved = "solved",
        /// Closed for good: no later change is accepted.
        Closed = "closed",
    }
}

choice! {
    /// What kind of matter a ticket is.
    TicketType {
        /// The cause of incidents.
        Problem = "problem",
        /// An occurrence of a problem.
        Incident = "incident",
        /// A question.
        Question = "question",
        /// Something to be done.
        Task = "task",
    }
}

/// A comment to add. Comments cannot be changed later.
#[derive(Clone, PartialEq, Eq)]
pub struct Comment {
    /// The text, at most 64 kB: Zendesk cuts off the rest without a word.
    pub body: CommentBody,
    /// Whether the requester sees it, and gets it by e-mail. Always sent, because the default follows
    /// the ticket's earlier comments.
    pub public: bool,
    /// Who is shown as the author instead of the account's user.
    pub author_id: Option<u64>,
}

/// A comment's text.
#[derive(Clone, PartialEq, Eq)]
pub enum CommentBody {
    /// Plain text or Markdown. Runs of empty lines collapse.
    Plain(String),
    /// HTML.
    Html(String),
}

/// Who asks.
#[derive(Clone, PartialEq, Eq)]
pub enum Requester {
    /// A user of the account.
    Id(u64),
    /// Found by e-mail address, or created with this name.
    Person {
        /// The name; a new user needs one.
        name: String,
        /// The e-mail address.
        email: String,
    },
}

/// The agent who works on it. One way of naming only: which of two would win is not documented.
#[derive(Clone, PartialEq, Eq)]
pub enum Assignee {
    /// By user id.
    Id(u64),
    /// By e-mail address.
    Email(String),
}

/// A custom field's new value.
#[derive(Clone, PartialEq, Eq)]
pub struct CustomField {
    /// The ticket field's id.
    pub id: u64,
    /// The value.
    pub value: CustomValue,
}

/// Values of custom fields.
#[derive(Clone, PartialEq, Eq)]
pub enum CustomValue {
    /// Text, a number as text, a date as `2021-04-16`, or the tag of a drop-down's option.
    Text(String),
    /// A checkbox.
    Flag(bool),
    /// The tags of a multi-select's options.
    Choices(Vec<String>),
    /// Removes the value.
    Clear,
}

/// Properties that creating and changing a ticket have in common. What is not set is not sent.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Properties {
    /// The subject.
    pub subject: Option<String>,
    /// The agent.
    pub assignee: Option<Assignee>,
    /// The priority.
    pub priority: Option<Priority>,
    /// The status.
    pub status: Option<Status>,
    /// The type.
    pub ticket_type: Option<TicketType>,
    /// Until when a task is to be done, as ISO 8601.
    pub due_at: Option<String>,
    /// The group that works on it.
    pub group_id: Option<u64>,
    /// The requester's organization.
    pub organization_id: Option<u64>,
    /// The brand.
    pub brand_id: Option<u64>,
    /// The form.
    pub ticket_form_id: Option<u64>,
    /// The tags. On a change they replace all tags of the ticket.
    pub tags: Option<Vec<String>>,
    /// Custom fields; those not named stay as they are.
    pub custom_fields: Vec<CustomField>,
    /// Our own key of the ticket. Zendesk does not keep it unique.
    pub external_id: Option<String>,
    /// Kept in the audit of this write, not on the ticket: a place to mark it as ours.
    pub metadata: BTreeMap<String, String>,
}

/// A ticket to create.
#[derive(Clone, PartialEq, Eq)]
pub struct CreateTicket {
    /// The first comment, shown as the description.
    pub comment: Comment,
    /// Who asks; the account's user when missing.
    pub requester: Option<Requester>,
    /// Everything else.
    pub properties: Properties,
}

/// A change of a ticket.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct TicketChange {
    /// A comment to add.
    pub comment: Option<Comment>,
    /// Makes another user the requester.
    pub requester_id: Option<u64>,
    /// Everything else.
    pub properties: Properties,
}

/// A ticket as the account returns it. Its `Debug` shows no values, which may be personal data.
#[derive(Clone, PartialEq)]
pub struct Ticket {
    /// The number.
    pub id: TicketId,
    /// When it last changed, in the account's own spelling, as a safe update wants it back.
    pub updated_at: Option<String>,
    /// All properties, as received.
    pub fields: Map<String, Value>,
}

impl CreateTicket {
    /// The request's body. The same ticket always gives the same bytes, which the idempotency key needs.
    ///
    /// # Errors
    ///
    /// [`InvalidInput::EmptyComment`].
    pub fn body(&self) -> Result<Value, InvalidInput> {
        let mut ticket = self.properties.to_map();
        ticket.insert("comment".to_owned(), self.comment.to_value()?);
        match &self.requester {
            Some(Requester::Id(id)) => {
                ticket.insert("requester_id".to_owned(), json!(id));
            }
            Some(Requester::Person { name, email }) => {
                ticket.insert(
                    "requester".to_owned(),
                    json!({"name": name, "email": email}),
                );
            }
            None => {}
        }
        Ok(json!({ "ticket": ticket }))
    }
}

impl TicketChange {
    /// The request's body; with `unless_changed_since`, the change is refused when the ticket's
    /// `updated_at` is another
    /// ([safe update](https://developer.zendesk.com/api-reference/ticketing/tickets/tickets/#protecting-against-ticket-update-collisions)).
    ///
    /// # Errors
    ///
    /// [`InvalidInput::NothingToChange`] and [`InvalidInput::EmptyComment`].
    pub fn body(&self, unless_changed_since: Option<&str>) -> Result<Value, InvalidInput> {
        let mut ticket = self.properties.to_map();
        if let Some(comment) = &self.comment {
            ticket.insert("comment".to_owned(), comment.to_value()?);
        }
        if let Some(id) = self.requester_id {
            ticket.insert("requester_id".to_owned(), json!(id));
        }
        if ticket.keys().all(|key| key == "metadata") {
            return Err(InvalidInput::NothingToChange);
        }
        // Never `false`: Zendesk takes that for true as well.
        if let Some(stamp) = unless_changed_since {
            ticket.insert("safe_update".to_owned(), json!(true));
            ticket.insert("updated_stamp".to_owned(), json!(stamp));
        }
        Ok(json!({ "ticket": ticket }))
    }
}

impl Comment {
    fn to_value(&self) -> Result<Value, InvalidInput> {
        let (key, text) = match &self.body {
            CommentBody::Plain(text) => ("body", text),
            CommentBody::Html(text) => ("html_body", text),
        };
        if text.trim().is_empty() {
            return Err(InvalidInput::EmptyComment);
        }
        let mut comment = json!({"public": self.public});
        comment[key] = json!(text);
        if let Some(author) = self.author_id {
            comment["author_id"] = json!(author);
        }
        Ok(comment)
    }
}

impl Properties {
    fn to_map(&self) -> Map<String, Value> {
        let mut map = Map::new();
        let mut set = |key: &str, value: Option<Value>| {
            if let Some(value) = value {
                map.insert(key.to_owned(), value);
            }
        };
        set("subject", self.subject.as_ref().map(|text| json!(text)));
        match &self.assignee {
            Some(Assignee::Id(id)) => set("assignee_id", Some(json!(id))),
            Some(Assignee::Email(email)) => set("assignee_email", Some(json!(email))),
            None => {}
        }
        set("priority", self.priority.map(|it| json!(it.as_str())));
        set("status", self.status.map(|it| json!(it.as_str())));
        set("type", self.ticket_type.map(|it| json!(it.as_str())));
        set("due_at", self.due_at.as_ref().map(|moment| json!(moment)));
        for (key, id) in self.ids() {
            set(key, id.map(|id| json!(id)));
        }
        set("tags", self.tags.as_ref().map(|tags| json!(tags)));
        let custom_fields: Vec<Value> = self
            .custom_fields
            .iter()
            .map(|field| json!({"id": field.id, "value": field.value.to_value()}))
            .collect();
        let any = !custom_fields.is_empty();
        set("custom_fields", any.then(|| json!(custom_fields)));
        set("external_id", self.external_id.as_ref().map(|id| json!(id)));
        let any = !self.metadata.is_empty();
        set("metadata", any.then(|| json!(self.metadata)));
        map
    }
}

impl Properties {
    /// The ids of what the ticket belongs to.
    pub(crate) fn ids(&self) -> [(&'static str, Option<u64>); 4] {
        [
            ("group_id", self.group_id),
            ("organization_id", self.organization_id),
            ("brand_id", self.brand_id),
            ("ticket_form_id", self.ticket_form_id),
        ]
    }
}

impl CustomValue {
    pub(crate) fn to_value(&self) -> Value {
        match self {
            Self::Text(text) => json!(text),
            Self::Flag(flag) => json!(flag),
            Self::Choices(choices) => json!(choices),
            Self::Clear => Value::Null,
        }
    }
}

impl Ticket {
    /// `None` when there is no id.
    pub(crate) fn read(value: Value) -> Option<Self> {
        let Value::Object(fields) = value else {
            return None;
        };
        let id = fields.get("id")?.as_u64().filter(|id| *id > 0)?;
        let updated_at = fields.get("updated_at").and_then(Value::as_str);
        Some(Self {
            id: TicketId(id),
            updated_at: updated_at.map(str::to_owned),
            fields,
        })
    }

    /// A property that is text; `None` when it is missing, null or something else.
    pub fn text(&self, property: &str) -> Option<&str> {
        self.fields.get(property)?.as_str()
    }
}

/// These hold the words of people, which no log should show.
macro_rules! debug_without_values {
    ($($name:ident),+) => {
        $(impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        })+
    };
}

debug_without_values!(
    Comment,
    CommentBody,
    Requester,
    Assignee,
    CustomValue,
    Properties,
    CreateTicket,
    TicketChange
);

impl fmt::Debug for CustomField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CustomField({})", self.id)
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket")
            .field("id", &self.id)
            .field("updated_at", &self.updated_at)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: &str = "2026-03-02T10:15:30Z";

    fn comment(text: &str) -> Comment {
        Comment {
            body: CommentBody::Plain(text.to_owned()),
            public: false,
            author_id: None,
        }
    }

    fn full() -> Properties {
        Properties {
            subject: Some("Low score".to_owned()),
            assignee: Some(Assignee::Email("agent@example.com".to_owned())),
            priority: Some(Priority::High),
            status: Some(Status::Hold),
            ticket_type: Some(TicketType::Task),
            due_at: Some(STAMP.to_owned()),
            group_id: Some(11),
            organization_id: Some(12),
            brand_id: Some(13),
            ticket_form_id: Some(14),
            tags: Some(vec!["b".to_owned(), "a".to_owned()]),
            custom_fields: vec![
                CustomField {
                    id: 9,
                    value: CustomValue::Text("x".to_owned()),
                },
                CustomField {
                    id: 8,
                    value: CustomValue::Flag(true),
                },
                CustomField {
                    id: 7,
                    value: CustomValue::Choices(vec!["c".to_owned()]),
                },
                CustomField {
                    id: 6,
                    value: CustomValue::Clear,
                },
            ],
            external_id: Some("task-1".to_owned()),
            metadata: BTreeMap::from([
                ("z".to_owned(), "1".to_owned()),
                ("a".to_owned(), "2".to_owned()),
            ]),
        }
    }

    #[test]
    fn new_ticket_has_every_property_that_was_set() {
        let ticket = CreateTicket {
            comment: Comment {
                body: CommentBody::Html("<p>Hi</p>".to_owned()),
                public: true,
                author_id: Some(3),
            },
            requester: Some(Requester::Person {
                name: "Jane".to_owned(),
                email: "jane@example.com".to_owned(),
            }),
            properties: full(),
        };
        let body = ticket.body().unwrap();
        assert_eq!(
            body,
            json!({"ticket": {
                "comment": {"html_body": "<p>Hi</p>", "public": true, "author_id": 3},
                "requester": {"name": "Jane", "email": "jane@example.com"},
                "subject": "Low score",
                "assignee_email": "agent@example.com",
                "priority": "high",
                "status": "hold",
                "type": "task",
                "due_at": STAMP,
                "group_id": 11,
                "organization_id": 12,
                "brand_id": 13,
                "ticket_form_id": 14,
                "tags": ["b", "a"],
                "custom_fields": [
                    {"id": 9, "value": "x"},
                    {"id": 8, "value": true},
                    {"id": 7, "value": ["c"]},
                    {"id": 6, "value": null},
                ],
                "external_id": "task-1",
                "metadata": {"a": "2", "z": "1"},
            }})
        );
        let again = ticket.clone().body().unwrap();
        assert_eq!(body.to_string(), again.to_string());
    }

    #[test]
    fn what_is_not_set_is_not_sent_but_public_always_is() {
        let ticket = CreateTicket {
            comment: comment("Hi"),
            requester: None,
            properties: Properties::default(),
        };
        assert_eq!(
            ticket.body().unwrap(),
            json!({"ticket": {"comment": {"body": "Hi", "public": false}}})
        );
    }

    #[test]
    fn safe_update_is_sent_or_left_out_never_false() {
        let change = TicketChange {
            comment: Some(comment("Hi")),
            requester_id: Some(5),
            properties: Properties::default(),
        };
        let plain = json!({"ticket": {
            "comment": {"body": "Hi", "public": false},
            "requester_id": 5,
        }});
        assert_eq!(change.body(None).unwrap(), plain);
        let safe = change.body(Some("2026-03-02T10:15:30Z")).unwrap();
        assert_eq!(safe["ticket"]["safe_update"], json!(true));
        assert_eq!(
            safe["ticket"]["updated_stamp"],
            json!("2026-03-02T10:15:30Z")
        );
    }

    #[test]
    fn empty_writes_are_refused() {
        let mut change = TicketChange::default();
        change
            .properties
            .metadata
            .insert("task".to_owned(), "1".to_owned());
        assert_eq!(
            change.body(Some("2026-03-02T10:15:30Z")),
            Err(InvalidInput::NothingToChange)
        );
        change.comment = Some(comment(" \n"));
        assert_eq!(change.body(None), Err(InvalidInput::EmptyComment));
    }

    #[test]
    fn ids_keys_and_choices_are_checked() {
        for text in ["1", " #35436 ", "18446744073709551615"] {
            assert!(TicketId::parse(text).is_ok(), "{text}");
        }
        for text in ["", "#", "0", "-1", "+1", "1.5", "a", "18446744073709551616"] {
            assert_eq!(TicketId::parse(text), Err(InvalidInput::TicketId), "{text}");
        }
        assert!(IdempotencyKey::parse("task-1_a.B").is_ok());
        for text in ["", "a b", "é", &"a".repeat(101)] {
            assert!(IdempotencyKey::parse(text).is_err(), "{text}");
        }
        assert_eq!(Priority::parse(" Urgent "), Ok(Priority::Urgent));
        assert_eq!(Priority::parse("top"), Err(InvalidInput::Priority));
        assert_eq!(Status::parse("hold"), Ok(Status::Hold));
        assert_eq!(Status::parse("on-hold"), Err(InvalidInput::Status));
        assert_eq!(TicketType::parse("task"), Ok(TicketType::Task));
        assert_eq!(TicketType::parse(""), Err(InvalidInput::TicketType));
    }

    #[test]
    fn debug_shows_no_values() {
        let ticket = CreateTicket {
            comment: comment("secret words"),
            requester: Some(Requester::Person {
                name: "Jane".to_owned(),
                email: "jane@example.com".to_owned(),
            }),
            properties: full(),
        };
        assert_eq!(format!("{ticket:?}"), "CreateTicket { .. }");
        let stored = Ticket::read(json!({"id": 1, "subject": "secret words"})).unwrap();
        assert!(!format!("{stored:?}").contains("secret"));
    }
}
