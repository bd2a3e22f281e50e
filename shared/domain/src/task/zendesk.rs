//! What the Zendesk tasks take.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::value::{
    Email, FieldValue, Moment, NumericId, Tags, Text, TicketPriority, TicketStatus, TicketType,
    YesNo, quoted, scalar_text,
};
use super::{Field, InputError, Stage};

/// Hands the fields that both ticket tasks take to another macro, so that they stand here once: serde cannot
/// both flatten a struct and refuse unknown fields.
macro_rules! with_ticket_fields {
    ($define:ident $($rest:tt)*) => {
        $define! {
            [
                /// The comment: a new ticket's first one, or one more.
                comment: Option<S::Of<Text>>,
                /// The comment as HTML, instead of `comment` and `description`. Text from outside needs the filter `escape` here.
                html_comment: Option<S::Of<Text>>,
                /// A longer text, put before the comment: Zendesk keeps no description beside the first comment.
                description: Option<S::Of<Text>>,
                /// Whether the requester sees the comment (and may get it by e-mail). `false` when not given.
                public: Option<S::Of<YesNo>>,
                /// The title.
                subject: Option<S::Of<Text>>,
                /// The id of the user who asks. For a new ticket the account's own user when nobody is given.
                requester_id: Option<S::Of<NumericId>>,
                /// The id of the requester's organization.
                organization_id: Option<S::Of<NumericId>>,
                /// The id of the group that gets the ticket.
                group_id: Option<S::Of<NumericId>>,
                /// The id of the agent who gets the ticket. Not together with `assignee_email`.
                assignee_id: Option<S::Of<NumericId>>,
                /// The e-mail address of the agent who gets the ticket. Not together with `assignee_id`.
                assignee_email: Option<S::Of<Email>>,
                /// The id of the brand.
                brand_id: Option<S::Of<NumericId>>,
                /// The id of the ticket form.
                ticket_form_id: Option<S::Of<NumericId>>,
                /// low, normal, high or urgent.
                priority: Option<S::Of<TicketPriority>>,
                /// new, open, pending, hold, solved or closed.
                status: Option<S::Of<TicketStatus>>,
                /// problem, incident, question or task.
                r#type: Option<S::Of<TicketType>>,
                /// Until when it is to be done, for the type `task` only: a moment, or a date.
                due_at: Option<S::Of<Moment>>,
                /// Values of custom fields, by the field's numeric id. Those not listed stay.
                custom_fields: Option<BTreeMap<NumericId, S::Of<FieldValue>>>,
            ]
            $($rest)*
        }
    };
}

macro_rules! shared_fields {
    ([$($(#[$meta:meta])* $field:ident: $type:ty,)*]) => {
        /// What both ticket tasks take.
        #[derive(Debug, Clone)]
        pub struct TicketFields<S: Stage> {
            $($(#[$meta])* pub $field: $type,)*
        }
    };
}

macro_rules! ticket_input {
    (
        [$($(#[$meta:meta])* $field:ident: $type:ty,)*]
        $(#[$doc:meta])* $name:ident { $($(#[$own_meta:meta])* $own:ident: $own_type:ty,)* }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Deserialize, JsonSchema)]
        #[serde(bound = "S: Stage", deny_unknown_fields)]
        #[schemars(bound = "S: Stage")]
        pub struct $name<S: Stage> {
            $($(#[$own_meta])* pub $own: $own_type,)*
            $($(#[$meta])* pub $field: $type,)*
        }

        impl<S: Stage> $name<S> {
            /// What the other ticket task takes as well.
            pub fn ticket_fields(&self) -> TicketFields<S> {
                TicketFields { $($field: self.$field.clone(),)* }
            }
        }
    };
}

with_ticket_fields!(shared_fields);

with_ticket_fields! {
    ticket_input
    /// Input of `zendesk.create_ticket`. The ticket's `external_id` is the task's own key, by which a ticket is
    /// found whose creation was never confirmed.
    CreateTicket {
        /// Who asks, by e-mail address: an address that the account does not know becomes a new user. Without an
        /// address nobody is given. Not together with `requester_id`.
        requester: Option<Requester<S>>,
        /// A list, or a text such as `"Salesforce", "360"`.
        tags: Option<S::Of<Tags>>,
    }
}

with_ticket_fields! {
    ticket_input
    /// Input of `zendesk.update_ticket`. What is not given or blank stays as it is.
    UpdateTicket {
        /// The ticket's number.
        ticket_id: S::Of<NumericId>,
        /// The ticket's tags from now on: replaces those that it has. Not together with `add_tags` and `remove_tags`.
        tags: Option<S::Of<Tags>>,
        /// Tags to add to those that the ticket has.
        add_tags: Option<S::Of<Tags>>,
        /// Tags to take away from those that the ticket has.
        remove_tags: Option<S::Of<Tags>>,
        /// Reads the ticket and has Zendesk refuse the change if somebody else is quicker; then all of it is done
        /// again for the ticket as it is by then. `false` when not given.
        safe_update: Option<S::Of<YesNo>>,
        /// The `updated_at` of the ticket that the change is meant for, from an event or an earlier task. When the
        /// ticket has changed since, the task fails and changes nothing.
        updated_stamp: Option<S::Of<Moment>>,
    }
}

/// Who asks for a new ticket.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(bound = "S: Stage", deny_unknown_fields)]
#[schemars(bound = "S: Stage")]
pub struct Requester<S: Stage> {
    /// The e-mail address.
    pub email: S::Of<Email>,
    /// The name that a new user gets; what stands before the `@` when not given.
    pub name: Option<S::Of<Text>>,
}

/// Input of `zendesk.create_profile` and `zendesk.update_profile`. The profile is found by source, type and
/// e-mail address. What is not given or blank stays as it is.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(bound = "S: Stage", deny_unknown_fields)]
#[schemars(bound = "S: Stage")]
pub struct Profile<S: Stage> {
    /// Which system the profile comes from, such as `shop`; not `zendesk`.
    pub source: S::Of<ProfileWord>,
    /// What the person is in that system, such as `customer`.
    #[serde(rename = "type")]
    pub kind: S::Of<ProfileWord>,
    /// The person's e-mail address.
    pub email: S::Of<Email>,
    /// The person's name.
    pub name: Option<S::Of<Text>>,
    /// The person's phone number.
    pub phone: Option<S::Of<Text>>,
    /// The person's Facebook id.
    pub facebook: Option<S::Of<Text>>,
    /// The person's Twitter name.
    pub twitter: Option<S::Of<Text>>,
    /// What else is known, by name. Zendesk keeps texts only, so numbers are sent as texts.
    #[serde(default)]
    pub attributes: BTreeMap<String, S::Of<FieldValue>>,
}

/// Input of `zendesk.create_record`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(bound = "S: Stage", deny_unknown_fields)]
#[schemars(bound = "S: Stage")]
pub struct CreateRecord<S: Stage> {
    /// The key of the custom object.
    pub object_type: S::Of<ObjectKey>,
    /// The record's attributes, by the keys of the object's fields; `name` is the record's name.
    #[serde(default)]
    pub attributes: BTreeMap<String, S::Of<FieldValue>>,
}

/// Input of `zendesk.update_record`. What is not given or blank stays as it is.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(bound = "S: Stage", deny_unknown_fields)]
#[schemars(bound = "S: Stage")]
pub struct UpdateRecord<S: Stage> {
    /// The record's id, such as `01GDXYEY1FQYN066VHF49YHJ21`.
    pub record_id: S::Of<RecordId>,
    /// The key of the custom object.
    pub object_type: S::Of<ObjectKey>,
    /// The record's attributes, by the keys of the object's fields; `name` is the record's name.
    #[serde(default)]
    pub attributes: BTreeMap<String, S::Of<FieldValue>>,
}

macro_rules! checked_text {
    ($(#[$doc:meta])* $name:ident, $fits:expr, $pattern:literal, $expected:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(try_from = "Value", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The text, without white space around it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<$name> for String {
            fn from(text: $name) -> Self {
                text.0
            }
        }

        impl TryFrom<Value> for $name {
            type Error = String;

            fn try_from(value: Value) -> Result<Self, String> {
                let fits: fn(&str) -> bool = $fits;
                scalar_text(&value)
                    .map(|text| text.trim().to_owned())
                    .filter(|text| fits(text))
                    .map(Self)
                    .ok_or_else(|| format!("found {}, expected {}", quoted(&value), $expected))
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "pattern": $pattern })
            }
        }
    };
}

checked_text!(
    /// A profile's source or type.
    ProfileWord,
    |text| !text.is_empty() && text.chars().all(|it| it != ':' && !it.is_control()),
    "^[^:]*[^:\\s][^:]*$",
    "a text without `:`"
);
checked_text!(
    /// The key of a custom object.
    ObjectKey,
    |text| is_path_word(text, "_-:"),
    "^\\s*[A-Za-z0-9_:-]{1,100}\\s*$",
    "the key of a custom object, such as `store_visit`"
);
checked_text!(
    /// The id of a custom object's record.
    RecordId,
    |text| is_path_word(text, "_-"),
    "^\\s*[A-Za-z0-9_-]{1,100}\\s*$",
    "a record's id, such as `01GDXYEY1FQYN066VHF49YHJ21`"
);

/// These become part of an address.
fn is_path_word(text: &str, signs: &str) -> bool {
    let allowed = |it: char| it.is_ascii_alphanumeric() || signs.contains(it);
    (1..=100).contains(&text.len()) && text.chars().all(allowed)
}

/// What a rule between fields found.
type Found = Result<(), InputError>;

fn problem(path: &str, problem: impl Into<String>) -> Found {
    Err(InputError {
        path: path.to_owned(),
        problem: problem.into(),
    })
}

/// Whether the field has a value, and not only piped text that may leave nothing.
fn is_given<S: Stage, T: Field>(field: Option<&S::Of<T>>) -> bool {
    field.is_some_and(|field| S::known(field).is_some())
}

fn is_given_text<S: Stage>(field: Option<&S::Of<Text>>) -> bool {
    field
        .and_then(|field| S::known(field))
        .is_some_and(|text| !text.is_blank())
}

/// The same, but piped text counts as a value.
fn may_be_given<S: Stage>(field: Option<&S::Of<Text>>) -> bool {
    field.is_some_and(|field| S::known(field).is_none_or(|text| !text.is_blank()))
}

impl<S: Stage> TicketFields<S> {
    fn check(&self) -> Found {
        if is_given::<S, _>(self.assignee_id.as_ref())
            && is_given::<S, _>(self.assignee_email.as_ref())
        {
            return problem(
                "assignee_email",
                "found `assignee_id` as well: both name who gets the ticket, give one of them",
            );
        }
        if is_given_text::<S>(self.html_comment.as_ref())
            && (is_given_text::<S>(self.comment.as_ref())
                || is_given_text::<S>(self.description.as_ref()))
        {
            return problem(
                "html_comment",
                "found `comment` or `description` as well: a comment is either text or HTML, give one of them",
            );
        }
        let kind = self.r#type.as_ref().and_then(|kind| S::known(kind));
        if let Some(kind) = kind
            && *kind != TicketType::Task
            && is_given::<S, _>(self.due_at.as_ref())
        {
            return problem(
                "due_at",
                format!(
                    "found a date for a ticket of the type `{}`, expected the type `task`",
                    kind.as_str()
                ),
            );
        }
        Ok(())
    }
}

impl<S: Stage> CreateTicket<S> {
    /// Checks what holds between fields.
    ///
    /// # Errors
    /// The first field that breaks a rule. Give up: the same input fails again.
    pub fn check(&self) -> Result<(), InputError> {
        self.ticket_fields().check()?;
        check_tags::<S>("tags", self.tags.as_ref())?;
        let texts = [&self.comment, &self.html_comment, &self.description];
        if !texts
            .into_iter()
            .any(|text| may_be_given::<S>(text.as_ref()))
        {
            return problem(
                "comment",
                "the comment is empty; a new ticket needs `comment`, `html_comment` or `description`",
            );
        }
        if is_given::<S, _>(self.requester_id.as_ref())
            && self
                .requester
                .as_ref()
                .is_some_and(|requester| is_given::<S, _>(Some(&requester.email)))
        {
            return problem(
                "requester",
                "found `requester_id` as well: both name who asks, give one of them",
            );
        }
        if self.due_at.is_some() && self.r#type.is_none() {
            return problem(
                "due_at",
                "found a date for a ticket without a type, expected the type `task`",
            );
        }
        Ok(())
    }
}

impl<S: Stage> UpdateTicket<S> {
    /// Checks what holds between fields.
    ///
    /// # Errors
    /// The first field that breaks a rule. Give up: the same input fails again.
    pub fn check(&self) -> Result<(), InputError> {
        self.ticket_fields().check()?;
        let [set, add, remove] = [
            ("tags", self.tags.as_ref()),
            ("add_tags", self.add_tags.as_ref()),
            ("remove_tags", self.remove_tags.as_ref()),
        ]
        .map(|(path, tags)| (path, tags, tags.and_then(|tags| S::known(tags))));
        let some = |tags: Option<&Tags>| tags.is_some_and(|tags| !tags.as_slice().is_empty());
        for (path, tags, known) in [set, add, remove] {
            check_tags::<S>(path, tags)?;
            if path == set.0 || !some(known) {
                continue;
            }
            if some(set.2) {
                return problem(
                    path,
                    "found `tags` as well, which replaces all tags: give one of them",
                );
            }
            let status = self.status.as_ref().and_then(|status| S::known(status));
            if status == Some(&TicketStatus::Closed) {
                return problem(
                    path,
                    "found the status `closed` as well: a closed ticket's tags cannot change any more, use `solved` or `tags`",
                );
            }
        }
        let twice = add.2.zip(remove.2).and_then(|(add, remove)| {
            let remove: BTreeSet<&String> = remove.as_slice().iter().collect();
            add.as_slice().iter().find(|tag| remove.contains(tag))
        });
        match twice {
            Some(tag) => problem(
                "remove_tags",
                format!("found `{tag}`, which `add_tags` adds"),
            ),
            None => Ok(()),
        }
    }
}

/// Commas part tags nearly everywhere in Zendesk, and what it makes of one inside a tag is not documented.
fn check_tags<S: Stage>(path: &str, tags: Option<&S::Of<Tags>>) -> Found {
    let known = tags.and_then(|tags| S::known(tags));
    let wrong = known
        .into_iter()
        .flat_map(Tags::as_slice)
        .find(|tag| tag.contains(',') && !S::may_change(tag));
    match wrong {
        Some(tag) => problem(
            path,
            format!("found the tag `{tag}`, expected tags without commas"),
        ),
        None => Ok(()),
    }
}

impl<S: Stage> Profile<S> {
    /// Checks what holds between fields.
    ///
    /// # Errors
    /// The first field that breaks a rule. Give up: the same input fails again.
    pub fn check(&self) -> Result<(), InputError> {
        if let Some(source) = S::known(&self.source)
            && source.as_str().eq_ignore_ascii_case("zendesk")
        {
            return problem(
                "source",
                format!(
                    "found `{}`, which Zendesk keeps for itself, expected another text",
                    source.as_str()
                ),
            );
        }
        for (name, value) in &self.attributes {
            check_attribute::<S>(name, value, Lists::Refused)?;
        }
        Ok(())
    }
}

impl<S: Stage> CreateRecord<S> {
    /// Checks what holds between fields.
    ///
    /// # Errors
    /// The first field that breaks a rule. Give up: the same input fails again.
    pub fn check(&self) -> Result<(), InputError> {
        check_record::<S>(&self.attributes)
    }
}

impl<S: Stage> UpdateRecord<S> {
    /// Checks what holds between fields.
    ///
    /// # Errors
    /// The first field that breaks a rule. Give up: the same input fails again.
    pub fn check(&self) -> Result<(), InputError> {
        check_record::<S>(&self.attributes)
    }
}

/// The attribute that is a record's name.
pub const RECORD_NAME: &str = "name";

fn check_record<S: Stage>(attributes: &BTreeMap<String, S::Of<FieldValue>>) -> Found {
    for (name, value) in attributes {
        let lists = if name == RECORD_NAME {
            Lists::Refused
        } else {
            Lists::Taken
        };
        check_attribute::<S>(name, value, lists)?;
    }
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Lists {
    Taken,
    Refused,
}

fn check_attribute<S: Stage>(name: &str, value: &S::Of<FieldValue>, lists: Lists) -> Found {
    if name.trim().is_empty() {
        return problem("attributes", "found an attribute without a name");
    }
    let is_list = S::known(value).is_some_and(|value| value.as_json().is_array());
    if is_list && lists == Lists::Refused {
        return problem(
            &format!("attributes.{name}"),
            "found a list, expected a text, number or boolean; join a list with the filter `join`",
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::TaskKind;
    use crate::task::{self, Rendered};

    use super::*;

    fn check(kind: TaskKind, input: &Value, expected: Option<&[&str]>) {
        match (kind.check_input(input), expected) {
            (Ok(()), None) => {}
            (Err(error), Some(parts)) => {
                let text = error.to_string();
                assert!(parts.iter().all(|part| text.contains(part)), "{text}");
            }
            (result, _) => panic!("{input}: {result:?}"),
        }
    }

    fn update(fields: Value) -> Value {
        let mut input = json!({"ticket_id": 1});
        let object = input.as_object_mut().unwrap();
        object.extend(fields.as_object().unwrap().clone());
        input
    }

    #[test]
    fn new_ticket_names_one_requester_one_assignee_and_one_comment() {
        for (input, expected) in [
            (json!({"comment": "a"}), None),
            (json!({"html_comment": "<p>a</p>"}), None),
            (json!({"description": "{{ event.data.text }}"}), None),
            (
                json!({"subject": "a"}),
                Some(&["comment: ", "is empty"][..]),
            ),
            (json!({"comment": " "}), Some(&["comment: ", "is empty"])),
            (
                json!({"comment": "a", "html_comment": "b"}),
                Some(&["html_comment: ", "`comment`"]),
            ),
            (json!({"comment": "{{ 1 }}", "html_comment": "b"}), None),
            (
                json!({"comment": "a", "assignee_id": 1, "assignee_email": "a@b.c"}),
                Some(&["assignee_email: ", "`assignee_id`"]),
            ),
            (
                json!({"comment": "a", "assignee_id": 1, "assignee_email": "{{ event.data.x }}"}),
                None,
            ),
            (
                json!({"comment": "a", "assignee_email": "agent"}),
                Some(&["assignee_email: ", "`agent`", "e-mail address"]),
            ),
            (
                json!({"comment": "a", "requester": {"email": "a@b.c", "name": "{{ event.data.name }}"}}),
                None,
            ),
            (
                json!({"comment": "a", "requester": {"name": "Jane"}}),
                Some(&["requester", "missing field `email`"]),
            ),
            (
                json!({"comment": "a", "requester": {"email": "jane"}}),
                Some(&["requester.email: ", "`jane`", "e-mail address"]),
            ),
            (
                json!({"comment": "a", "requester": {"email": "a@b.c"}, "requester_id": 1}),
                Some(&["requester: ", "`requester_id`"]),
            ),
            (
                json!({"comment": "a", "due_at": "2026-12-01"}),
                Some(&["due_at: ", "`task`"]),
            ),
            (
                json!({"comment": "a", "due_at": "2026-12-01", "type": "Question"}),
                Some(&["due_at: ", "`question`", "`task`"]),
            ),
            (
                json!({"comment": "a", "due_at": "soon", "type": "task"}),
                Some(&["due_at: ", "`soon`", "2026-12-01"]),
            ),
            (
                json!({"comment": "a", "due_at": "2026-12-01", "type": "task"}),
                None,
            ),
            (
                json!({"comment": "a", "external_id": "x"}),
                Some(&["unknown field `external_id`"]),
            ),
            (
                json!({"comment": "a", "type": "bug"}),
                Some(&["type: ", "`bug`", "incident"]),
            ),
        ] {
            check(TaskKind::ZendeskCreateTicket, &input, expected);
        }
    }

    #[test]
    fn tags_are_set_or_added_and_removed() {
        for (fields, expected) in [
            (json!({"tags": ["a"]}), None),
            (
                json!({"add_tags": ["a", "{{ event.data.x | replace(',', '_') }}"], "remove_tags": "\"b\", \"c d\""}),
                None,
            ),
            (
                json!({"tags": ["a"], "add_tags": ["b"]}),
                Some(&["add_tags: ", "`tags`"][..]),
            ),
            (
                json!({"tags": "a", "remove_tags": ["b"]}),
                Some(&["remove_tags: ", "`tags`"]),
            ),
            (json!({"tags": [], "add_tags": ["b"]}), None),
            (
                json!({"tags": "{{ event.data.x }}", "add_tags": ["b"]}),
                None,
            ),
            (
                json!({"add_tags": ["a", "b"], "remove_tags": ["b"]}),
                Some(&["remove_tags: ", "`b`"]),
            ),
            (
                json!({"add_tags": ["a,b"]}),
                Some(&["add_tags: ", "`a,b`", "commas"]),
            ),
            (json!({"tags": "\"a,b\""}), Some(&["tags: ", "`a,b`"])),
            (json!({"tags": "\"a"}), Some(&["tags: ", "never closed"])),
            (
                json!({"status": "closed", "add_tags": "a"}),
                Some(&["add_tags: ", "`closed`", "`solved`"]),
            ),
            (json!({"status": "closed", "tags": "a"}), None),
            (
                json!({"safe_update": "yes"}),
                Some(&["safe_update", "`yes`"]),
            ),
            (
                json!({"updated_stamp": "{{ event.data.updated_at }}", "subject": "a"}),
                None,
            ),
        ] {
            check(TaskKind::ZendeskUpdateTicket, &update(fields), expected);
        }
    }

    #[test]
    fn rendered_tag_is_checked_whatever_it_looks_like() {
        let input = update(json!({"add_tags": ["a,{{ b }}"]}));
        TaskKind::ZendeskUpdateTicket.check_input(&input).unwrap();
        let rendered: UpdateTicket<Rendered> = task::read(&input).unwrap();
        let error = rendered.check().unwrap_err();
        assert!(error.to_string().contains("without commas"), "{error}");
    }

    #[test]
    fn profile_is_named_by_words_that_fit_its_identifier() {
        let profile = |changes: Value| {
            let mut input = json!({"source": "shop", "type": "customer", "email": "a@b.c"});
            let object = input.as_object_mut().unwrap();
            object.extend(changes.as_object().unwrap().clone());
            input
        };
        for (changes, expected) in [
            (
                json!({"attributes": {"plan": "{{ x }}", "visits": 3}}),
                None,
            ),
            (
                json!({"source": "a:b"}),
                Some(&["source: ", "`a:b`", "`:`"][..]),
            ),
            (json!({"type": " "}), Some(&["type: ", "expected a text"])),
            (
                json!({"source": "Zendesk"}),
                Some(&["source: ", "`Zendesk`"]),
            ),
            (json!({"email": "jane"}), Some(&["email: ", "`jane`"])),
            (
                json!({"attributes": {"a": ["b"]}}),
                Some(&["attributes.a: ", "join"]),
            ),
            (json!({"attributes": {" ": "b"}}), Some(&["without a name"])),
        ] {
            for kind in [
                TaskKind::ZendeskCreateProfile,
                TaskKind::ZendeskUpdateProfile,
            ] {
                check(kind, &profile(changes.clone()), expected);
            }
        }
    }

    #[test]
    fn record_is_named_by_what_fits_an_address() {
        let kind = TaskKind::ZendeskUpdateRecord;
        let id = "01GDXYEY1FQYN066VHF49YHJ21";
        for (input, expected) in [
            (
                json!({"record_id": id, "object_type": "car", "attributes": {"name": "a", "x": [1]}}),
                None,
            ),
            (
                json!({"record_id": "../1", "object_type": "car"}),
                Some(&["record_id: ", "`../1`"][..]),
            ),
            (
                json!({"record_id": id, "object_type": "a b"}),
                Some(&["object_type: ", "`a b`"]),
            ),
            (
                json!({"record_id": id, "object_type": ".."}),
                Some(&["object_type: ", "`..`"]),
            ),
            (
                json!({"record_id": id, "object_type": "car", "attributes": {"name": ["a"]}}),
                Some(&["attributes.name: ", "join"]),
            ),
            (
                json!({"object_type": "car"}),
                Some(&["missing field `record_id`"]),
            ),
        ] {
            check(kind, &input, expected);
        }
        let new = json!({"object_type": "car/../x", "attributes": {}});
        check(TaskKind::ZendeskCreateRecord, &new, Some(&["`car/../x`"]));
    }
}
