//! The fields that an account's tickets have.
//! See [Ticket fields](https://developer.zendesk.com/api-reference/ticketing/tickets/ticket_fields/).

use serde_json::{Map, Value};
use vendor_http::{Answer, Method, Request};

use crate::{Client, Error, ErrorKind, Operation};

/// Pages that are read: far more fields than an account may have.
const MOST_PAGES: usize = 20;
/// Types that an administrator can give to a field of their own.
const CUSTOM_TYPES: [&str; 11] = [
    "checkbox",
    "date",
    "decimal",
    "integer",
    "lookup",
    "multiselect",
    "partialcreditcard",
    "regexp",
    "tagger",
    "text",
    "textarea",
];

/// A field of tickets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TicketField {
    /// The id, by which a custom field is set.
    pub id: u64,
    /// The type, such as `tagger` for a drop-down.
    pub kind: String,
    /// The title that agents see.
    pub title: String,
    /// Whether it is in use.
    pub active: bool,
    /// Whether an agent must fill it in to solve a ticket.
    pub required: bool,
    /// Whether it can be removed. Some fields of Zendesk's own can.
    pub removable: bool,
    /// What can be chosen, in order; empty for fields without a choice.
    pub options: Vec<FieldOption>,
}

/// A choice of a drop-down or multi-select field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldOption {
    /// The name that agents see.
    pub name: String,
    /// The value to send: a tag.
    pub value: String,
}

impl TicketField {
    /// Whether the account made the field: it is set through its id, unlike the subject or the status.
    pub fn is_custom(&self) -> bool {
        CUSTOM_TYPES.contains(&self.kind.as_str())
    }

    fn read(value: &Value) -> Option<Self> {
        let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        let flag = |name: &str| value.get(name).and_then(Value::as_bool).unwrap_or(false);
        let options = ["custom_field_options", "system_field_options"]
            .iter()
            .filter_map(|name| value.get(*name).and_then(Value::as_array))
            .flatten()
            .filter_map(FieldOption::read)
            .collect();
        Some(Self {
            id: value.get("id")?.as_u64()?,
            kind: text("type")?,
            title: text("title").unwrap_or_default(),
            active: flag("active"),
            required: flag("required"),
            removable: flag("removable"),
            options,
        })
    }
}

impl FieldOption {
    fn read(value: &Value) -> Option<Self> {
        let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        let option = Self {
            value: text("value")?,
            name: text("name").unwrap_or_default(),
        };
        Some(option)
    }
}

impl Client {
    /// Lists the ticket fields, Zendesk's own among them. All come in one answer; should it say that there are
    /// more, pages are turned. The answer has the last call.
    ///
    /// # Errors
    ///
    /// Outages are `Retry`.
    pub async fn ticket_fields(&self) -> Result<Answer<Vec<TicketField>>, Error> {
        let mut fields: Vec<TicketField> = Vec::new();
        let mut place = Place::Start;
        for _ in 0..MOST_PAGES {
            let attempt = self.attempt(Operation::ListTicketFields);
            let query: Vec<(&str, &str)> = match &place {
                Place::Start => vec![],
                Place::After(cursor) => vec![("page[size]", "100"), ("page[after]", cursor)],
                Place::Page(number) => vec![("page", number)],
            };
            let url = self.base.join(["api", "v2", "ticket_fields"], query);
            let (body, call) = attempt.data(Request::new(Method::GET, url)).await?;
            let Some(page) = body.get("ticket_fields").and_then(Value::as_array) else {
                return Err(attempt.unexpected("the answer is not a list of ticket fields", call));
            };
            for field in page.iter().filter_map(TicketField::read) {
                if fields.iter().all(|known| known.id != field.id) {
                    fields.push(field);
                }
            }
            place = match next(&body, &place) {
                Some(next) => next,
                None => {
                    return Ok(Answer {
                        value: fields,
                        call,
                    });
                }
            };
        }
        Err(self
            .attempt(Operation::ListTicketFields)
            .failed(ErrorKind::TooManyPages, None))
    }
}

enum Place {
    Start,
    After(String),
    Page(String),
}

/// Where the list goes on. Addresses in an answer are not followed: credentials stay with the account.
fn next(body: &Map<String, Value>, place: &Place) -> Option<Place> {
    let meta = body.get("meta");
    if let Some(more) = meta.and_then(|meta| meta.get("has_more")?.as_bool()) {
        let cursor = meta.and_then(|meta| meta.get("after_cursor")?.as_str());
        return cursor
            .filter(|_| more)
            .map(|cursor| Place::After(cursor.to_owned()));
    }
    body.get("next_page")?.as_str()?;
    let page = match place {
        Place::Page(number) => number.parse().unwrap_or(1) + 1,
        Place::Start | Place::After(_) => 2_usize,
    };
    Some(Place::Page(page.to_string()))
}
