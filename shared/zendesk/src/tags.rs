//! Adding tags to a ticket and taking them away, without touching its others.
//! See [Tags](https://developer.zendesk.com/api-reference/ticketing/ticket-management/tags/), where PUT adds
//! and POST would replace.

use serde_json::{Value, json};
use vendor_http::{Answer, Method, Request};

use crate::client::body;
use crate::{Client, Error, InvalidInput, Operation, TicketId};

impl Client {
    /// Adds tags and returns those that the ticket has then, where the account tells. With
    /// `unless_changed_since` (the ticket's `updated_at`), the account refuses with 409 when the ticket has
    /// changed since.
    ///
    /// # Errors
    ///
    /// An answer that may be lost after the work was done is `Reconcile`, and so is 409. Doing it again does no
    /// harm.
    pub async fn add_tags(
        &self,
        id: TicketId,
        tags: &[String],
        unless_changed_since: Option<&str>,
    ) -> Result<Answer<Option<Vec<String>>>, Error> {
        let operation = Operation::AddTags(id);
        self.change_tags(Method::PUT, operation, id, tags, unless_changed_since)
            .await
    }

    /// Takes tags away and returns those that the ticket has then, where the account tells. Tags that it does
    /// not have are no error. `unless_changed_since` is that of [`Client::add_tags`].
    ///
    /// # Errors
    ///
    /// Those of [`Client::add_tags`].
    pub async fn remove_tags(
        &self,
        id: TicketId,
        tags: &[String],
        unless_changed_since: Option<&str>,
    ) -> Result<Answer<Option<Vec<String>>>, Error> {
        let operation = Operation::RemoveTags(id);
        self.change_tags(Method::DELETE, operation, id, tags, unless_changed_since)
            .await
    }

    async fn change_tags(
        &self,
        method: Method,
        operation: Operation,
        id: TicketId,
        tags: &[String],
        unless_changed_since: Option<&str>,
    ) -> Result<Answer<Option<Vec<String>>>, Error> {
        let attempt = self.attempt(operation);
        if tags.is_empty() {
            return Err(attempt.refused(InvalidInput::NothingToChange));
        }
        let url = self
            .base
            .join(["api", "v2", "tickets", &id.to_string(), "tags"], []);
        let sent = tags_body(tags, unless_changed_since).to_string();
        let (response, call) = attempt.send(Request::new(method, url).json(sent)).await?;
        if response.is_success() && response.body.is_empty() {
            return Ok(Answer { value: None, call });
        }
        match body(&response) {
            Ok(body) => match body.get("tags").and_then(Value::as_array) {
                Some(tags) => {
                    let texts = tags.iter().filter_map(Value::as_str);
                    Ok(Answer {
                        value: Some(texts.map(str::to_owned).collect()),
                        call,
                    })
                }
                None => Err(attempt.unexpected("the answer is not a list of tags", call)),
            },
            Err(kind) => Err(attempt.failed(kind, Some(call))),
        }
    }
}

/// What [`Client::add_tags`] and [`Client::remove_tags`] send.
pub fn tags_body(tags: &[String], unless_changed_since: Option<&str>) -> Value {
    match unless_changed_since {
        // A text, as in the documentation of this one endpoint.
        Some(stamp) => json!({ "tags": tags, "safe_update": "true", "updated_stamp": stamp }),
        None => json!({ "tags": tags }),
    }
}
