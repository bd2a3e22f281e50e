//! What the Zendesk tasks take.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::Stage;
use super::value::{FieldValue, NumericId, Tags, Text, TicketPriority, TicketStatus, YesNo};

/// Input of `zendesk.create_ticket`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(bound = "S: Stage", deny_unknown_fields)]
#[schemars(bound = "S: Stage")]
pub struct CreateTicket<S: Stage> {
    /// The first comment.
    pub comment: S::Of<Text>,
    /// Whether the requester sees the comment (and may get it by e-mail). `false` when not given.
    pub public: Option<S::Of<YesNo>>,
    /// The title.
    pub subject: Option<S::Of<Text>>,
    /// A longer text, put before the comment: Zendesk keeps no description beside the first comment.
    pub description: Option<S::Of<Text>>,
    /// The id of the user who asks. The account's own user when not given.
    pub requester_id: Option<S::Of<NumericId>>,
    /// The e-mail address of the agent who gets the ticket. Not together with `assignee_id`.
    pub assignee_email: Option<S::Of<Text>>,
    /// The id of the agent who gets the ticket. Not together with `assignee_email`.
    pub assignee_id: Option<S::Of<NumericId>>,
    /// low, normal, high or urgent.
    pub priority: Option<S::Of<TicketPriority>>,
    /// new, open, pending, hold, solved or closed.
    pub status: Option<S::Of<TicketStatus>>,
    /// A list, or a text such as `"Salesforce", "360"`.
    pub tags: Option<S::Of<Tags>>,
    /// Values of custom fields, by the field's numeric id.
    #[serde(default)]
    pub custom_fields: BTreeMap<NumericId, S::Of<FieldValue>>,
}

/// Input of `zendesk.update_ticket`. What is not given or blank stays as it is.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(bound = "S: Stage", deny_unknown_fields)]
#[schemars(bound = "S: Stage")]
pub struct UpdateTicket<S: Stage> {
    /// The ticket's number.
    pub ticket_id: S::Of<NumericId>,
    /// A comment to add.
    pub comment: Option<S::Of<Text>>,
    /// Whether the requester sees the comment (and may get it by e-mail). `false` when not given.
    pub public: Option<S::Of<YesNo>>,
    /// The title.
    pub subject: Option<S::Of<Text>>,
    /// A longer text, put before the comment: Zendesk does not change a ticket's description.
    pub description: Option<S::Of<Text>>,
    /// The id of the user who asks.
    pub requester_id: Option<S::Of<NumericId>>,
    /// The e-mail address of the agent who gets the ticket. Not together with `assignee_id`.
    pub assignee_email: Option<S::Of<Text>>,
    /// The id of the agent who gets the ticket. Not together with `assignee_email`.
    pub assignee_id: Option<S::Of<NumericId>>,
    /// low, normal, high or urgent.
    pub priority: Option<S::Of<TicketPriority>>,
    /// new, open, pending, hold, solved or closed.
    pub status: Option<S::Of<TicketStatus>>,
    /// The ticket's tags from now on: replaces those that it has.
    pub tags: Option<S::Of<Tags>>,
    /// Values of custom fields, by the field's numeric id. Those not listed stay.
    #[serde(default)]
    pub custom_fields: BTreeMap<NumericId, S::Of<FieldValue>>,
}
