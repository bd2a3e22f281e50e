//! The calls.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value};
use vendor_http::{Answer, BaseUrl, Call, HeaderName, HeaderValue, Method, Request, Response};

use crate::{
    Auth, CreateTicket, Error, ErrorKind, IdempotencyKey, InvalidInput, Operation, Ticket,
    TicketChange, TicketId, Words, warnings,
};

/// Zendesk's id of a call, which its support asks for.
const REQUEST_ID: &str = "x-request-id";
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// `hit` when the answer was stored by an earlier request with the same key.
const IDEMPOTENCY_LOOKUP: &str = "x-idempotency-lookup";
/// Audits on one page, the most that Zendesk gives.
const PAGE_SIZE: usize = 100;
/// Pages of audits that are searched.
const MOST_PAGES: usize = 10;

/// One account.
#[derive(Debug, Clone)]
pub struct Client {
    pub(crate) http: vendor_http::Client,
    pub(crate) base: BaseUrl,
    pub(crate) auth: Auth,
}

/// A ticket that was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    /// The ticket after the write.
    pub ticket: Ticket,
    /// The answer was kept from an earlier request with the same idempotency key: nothing was created
    /// this time.
    pub repeated: bool,
    /// What the account ignored.
    pub warnings: Vec<String>,
}

/// The user that the credentials belong to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The user's id.
    pub id: u64,
    /// The user's name.
    pub name: Option<String>,
    /// `agent` or `admin`.
    pub role: String,
}

impl Client {
    /// Makes no call; `base` comes from a template such as `https://{subdomain}.zendesk.com`.
    pub fn new(http: vendor_http::Client, base: BaseUrl, auth: Auth) -> Self {
        Self { http, base, auth }
    }

    /// Creates a ticket, once per key within two hours.
    ///
    /// # Errors
    ///
    /// An answer that may be lost after the work was done is `Reconcile`: look for the ticket by its
    /// `external_id`, because the key may have run out by the next attempt. So is a key that was used
    /// with another body.
    pub async fn create_ticket(
        &self,
        ticket: &CreateTicket,
        key: &IdempotencyKey,
    ) -> Result<Answer<Written>, Error> {
        let attempt = self.attempt(Operation::CreateTicket);
        let body = ticket.body().map_err(|error| attempt.refused(error))?;
        // The key's grammar is narrower than a header's.
        let key = HeaderValue::from_str(key.as_str())
            .map_err(|_| attempt.refused(InvalidInput::IdempotencyKey))?;
        let url = self.base.join(["api", "v2", "tickets"], []);
        let request = Request::new(Method::POST, url)
            .json(body.to_string())
            .header(IDEMPOTENCY_KEY, key);
        attempt.written(request, None).await
    }

    /// Changes a ticket. With `unless_changed_since` (the ticket's `updated_at`), the account refuses
    /// with 409 when the ticket has changed since.
    ///
    /// # Errors
    ///
    /// An answer that may be lost after the work was done is `Reconcile`, and so is every 409: read the
    /// ticket, and [`Client::was_marked`] tells whether the change is in.
    pub async fn update_ticket(
        &self,
        id: TicketId,
        change: &TicketChange,
        unless_changed_since: Option<&str>,
    ) -> Result<Answer<Written>, Error> {
        let attempt = self.attempt(Operation::UpdateTicket(id));
        let body = change
            .body(unless_changed_since)
            .map_err(|error| attempt.refused(error))?;
        let url = self
            .base
            .join(["api", "v2", "tickets", &id.to_string()], []);
        let request = Request::new(Method::PUT, url).json(body.to_string());
        attempt.written(request, Some(id)).await
    }

    /// Reads a ticket.
    ///
    /// # Errors
    ///
    /// Outages are `Retry`; a ticket that is deleted or hidden is `GiveUp`.
    pub async fn get_ticket(&self, id: TicketId) -> Result<Answer<Ticket>, Error> {
        let attempt = self.attempt(Operation::GetTicket(id));
        let url = self
            .base
            .join(["api", "v2", "tickets", &id.to_string()], []);
        let (body, call) = attempt.data(Request::new(Method::GET, url)).await?;
        attempt.ticket(body, call, Some(id))
    }

    /// Looks for tickets by the external id they were created with, oldest first, 100 at most. Archived
    /// tickets are not found, and a new one may take a moment to appear.
    ///
    /// # Errors
    ///
    /// Finding nothing is no error. Outages are `Retry`.
    pub async fn find_tickets_by_external_id(
        &self,
        external_id: &str,
    ) -> Result<Answer<Vec<Ticket>>, Error> {
        let attempt = self.attempt(Operation::FindTickets);
        let url = self
            .base
            .join(["api", "v2", "tickets"], [("external_id", external_id)]);
        let (mut body, call) = attempt.data(Request::new(Method::GET, url)).await?;
        let tickets: Option<Vec<Ticket>> = match body.remove("tickets") {
            Some(Value::Array(tickets)) => tickets.into_iter().map(Ticket::read).collect(),
            Some(_) | None => None,
        };
        let Some(mut tickets) = tickets else {
            return Err(attempt.unexpected("the answer is not a list of tickets", call));
        };
        tickets.retain(|ticket| ticket.text("external_id") == Some(external_id));
        tickets.sort_by_key(|ticket| ticket.id);
        Ok(Answer {
            value: tickets,
            call,
        })
    }

    /// Whether some write of this ticket carried this metadata: tells if a change whose answer was lost
    /// is in. Turns pages, so it may make up to ten calls: the answer or the error has the last one, and
    /// `earlier` gets those before it, in order.
    ///
    /// Needs the `read` scope; the finer `tickets:read` is refused
    /// ([Ticket audits](https://developer.zendesk.com/api-reference/ticketing/tickets/ticket_audits/)).
    ///
    /// # Errors
    ///
    /// Outages are `Retry`. A ticket with more audits than are searched is `GiveUp`.
    pub async fn was_marked(
        &self,
        id: TicketId,
        name: &str,
        value: &str,
        earlier: &mut Vec<Call>,
    ) -> Result<Answer<bool>, Error> {
        let mut page = 1;
        loop {
            let attempt = self.attempt(Operation::ReadAudits(id));
            let url = self.base.join(
                ["api", "v2", "tickets", &id.to_string(), "audits"],
                [
                    ("sort_order", "desc"),
                    ("per_page", &PAGE_SIZE.to_string()),
                    ("page", &page.to_string()),
                ],
            );
            let (body, call) = attempt.data(Request::new(Method::GET, url)).await?;
            let Some(audits) = body.get("audits").and_then(Value::as_array) else {
                return Err(attempt.unexpected("the answer is not a list of audits", call));
            };
            let marked = audits
                .iter()
                .any(|audit| marker(audit, name) == Some(value));
            let more = body.get("next_page").is_some_and(Value::is_string);
            if marked || !more {
                return Ok(Answer {
                    value: marked,
                    call,
                });
            }
            if page == MOST_PAGES {
                // Newest first, the rest is too old to matter. But the order asked for is a wish.
                return if newest_first(audits) {
                    Ok(Answer { value: false, call })
                } else {
                    Err(attempt.failed(ErrorKind::TooManyAudits, Some(call)))
                };
            }
            earlier.push(call);
            page += 1;
        }
    }

    /// Verifies the credentials. The status proves nothing: Zendesk answers 200 about the anonymous user
    /// when it does not accept them.
    ///
    /// # Errors
    ///
    /// Credentials that were not accepted ([`Error::is_unauthorized`]), users who are no agents, and an
    /// unknown subdomain are `GiveUp`; outages are `Retry`.
    pub async fn me(&self) -> Result<Answer<User>, Error> {
        let attempt = self.attempt(Operation::Me);
        let url = self.base.join(["api", "v2", "users", "me.json"], []);
        let (body, call) = attempt.data(Request::new(Method::GET, url)).await?;
        let Some(user) = body.get("user").and_then(Value::as_object) else {
            return Err(attempt.unexpected("the answer is not a user", call));
        };
        let Some(id) = user.get("id").and_then(Value::as_u64) else {
            return Err(attempt.failed(ErrorKind::Anonymous, Some(call)));
        };
        let role = user.get("role").and_then(Value::as_str).unwrap_or_default();
        if !["agent", "admin"].contains(&role) {
            let role = role.chars().take(40).collect();
            return Err(attempt.failed(ErrorKind::NotAnAgent { role }, Some(call)));
        }
        let role = role.to_owned();
        let name = user.get("name").and_then(Value::as_str).map(str::to_owned);
        Ok(Answer {
            value: User { id, name, role },
            call,
        })
    }

    /// The page of a ticket, for agents.
    pub fn link(&self, id: TicketId) -> String {
        self.base
            .join(["agent", "tickets", &id.to_string()], [])
            .into()
    }

    /// The page of a user, for agents.
    pub fn user_link(&self, id: &str) -> String {
        self.base.join(["agent", "users", id], []).into()
    }

    pub(crate) fn attempt(&self, operation: Operation) -> Attempt<'_> {
        Attempt {
            client: self,
            operation,
        }
    }
}

/// One call in the making: what all its errors have in common.
pub(crate) struct Attempt<'a> {
    client: &'a Client,
    operation: Operation,
}

impl Attempt<'_> {
    pub(crate) fn failed(&self, kind: ErrorKind, call: Option<Call>) -> Error {
        Error {
            operation: self.operation.clone(),
            kind,
            call: call.map(Box::new),
        }
    }

    pub(crate) fn refused(&self, input: InvalidInput) -> Error {
        self.failed(ErrorKind::Input(input), None)
    }

    pub(crate) fn unexpected(&self, what: &'static str, call: Call) -> Error {
        self.failed(ErrorKind::Unexpected { what, page: None }, Some(call))
    }

    /// Makes the one attempt.
    pub(crate) async fn send(&self, request: Request) -> Result<(Response, Call), Error> {
        let auth = self.client.auth.header();
        let auth = auth.map_err(|error| self.failed(ErrorKind::Token(error), None))?;
        self.send_anonymously(request.authorization(auth)).await
    }

    /// Makes the one attempt with the headers that the request has.
    pub(crate) async fn send_anonymously(
        &self,
        request: Request,
    ) -> Result<(Response, Call), Error> {
        let call = Call::new(&request);
        match self.client.http.send(request).await {
            Ok(response) => {
                let call = call.answered(&response, REQUEST_ID);
                Ok((response, call))
            }
            Err(failure) => {
                let call = call.failed(&failure);
                Err(self.failed(ErrorKind::NoAnswer(failure), Some(call)))
            }
        }
    }

    pub(crate) async fn data(&self, request: Request) -> Result<(Map<String, Value>, Call), Error> {
        let (response, call) = self.send(request).await?;
        match body(&response) {
            Ok(body) => Ok((body, call)),
            Err(kind) => Err(self.failed(kind, Some(call))),
        }
    }

    async fn written(
        &self,
        request: Request,
        expected: Option<TicketId>,
    ) -> Result<Answer<Written>, Error> {
        let (response, call) = self.send(request).await?;
        let body = match body(&response) {
            Ok(body) => body,
            Err(kind) => return Err(self.failed(kind, Some(call))),
        };
        let ticket = self.ticket(body, call, expected)?;
        Ok(ticket.map(|ticket| Written {
            ticket,
            repeated: response
                .header(IDEMPOTENCY_LOOKUP)
                .is_some_and(|lookup| lookup.eq_ignore_ascii_case("hit")),
            warnings: warnings(&response),
        }))
    }

    fn ticket(
        &self,
        mut body: Map<String, Value>,
        call: Call,
        expected: Option<TicketId>,
    ) -> Result<Answer<Ticket>, Error> {
        match body.remove("ticket").and_then(Ticket::read) {
            Some(value) if expected.is_none_or(|expected| value.id == expected) => {
                Ok(Answer { value, call })
            }
            Some(_) => Err(self.unexpected("the answer is about another ticket", call)),
            None => Err(self.unexpected("the answer is not a ticket", call)),
        }
    }
}

/// The JSON object of a success. The media type is not asked: some good answers call themselves text.
pub(crate) fn body(response: &Response) -> Result<Map<String, Value>, ErrorKind> {
    if !response.is_success() {
        return Err(ErrorKind::Refused {
            status: response.status,
            words: Box::new(Words::of(response)),
            retry_after: response.retry_after(),
        });
    }
    let Ok(Members(body)) = serde_json::from_slice(&response.body) else {
        return Err(ErrorKind::Unexpected {
            what: "the answer is no JSON object",
            page: response.page_title(),
        });
    };
    let failed = body.get("error").is_some_and(|error| !error.is_null())
        || matches!(body.get("errors"), Some(Value::Array(errors)) if !errors.is_empty())
        || matches!(body.get("errors"), Some(Value::Object(errors)) if !errors.is_empty());
    if failed {
        return Err(ErrorKind::FailedInside(Box::new(Words::of_body(&body))));
    }
    Ok(body)
}

/// The members of an answer without the audit: it is often longer than the ticket beside it, and nobody looks at it.
struct Members(Map<String, Value>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Members;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Members, A::Error> {
                let mut members = Map::new();
                while let Some(name) = access.next_key::<String>()? {
                    if name == "audit" {
                        access.next_value::<IgnoredAny>()?;
                    } else {
                        members.insert(name, access.next_value()?);
                    }
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Reader)
    }
}

/// The text that a write left under that name in its metadata.
fn marker<'a>(audit: &'a Value, name: &str) -> Option<&'a str> {
    audit.get("metadata")?.get("custom")?.get(name)?.as_str()
}

/// Times in this format sort as text.
fn newest_first(audits: &[Value]) -> bool {
    let time = |audit: Option<&Value>| audit?.get("created_at")?.as_str().map(str::to_owned);
    match (time(audits.first()), time(audits.last())) {
        (Some(first), Some(last)) => first > last,
        (None, _) | (_, None) => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use vendor_http::HeaderMap;

    use super::*;

    #[test]
    fn answer_is_an_object_whose_audit_is_passed_over() {
        let read = |text: &'static str| {
            super::body(&Response {
                status: 201,
                headers: HeaderMap::new(),
                body: text.into(),
            })
        };
        let found = read(r#"{"audit": {"events": [{}]}, "ticket": {"id": 1, "audit": 2}}"#);
        let found = Value::Object(found.unwrap());
        assert_eq!(found, json!({"ticket": {"id": 1, "audit": 2}}));
        for other in [
            "",
            "[]",
            "1",
            r#"{"audit": {}"#,
            r#"{"audit": {]}}"#,
            "{} {}",
        ] {
            let error = read(other).unwrap_err();
            assert!(matches!(error, ErrorKind::Unexpected { .. }), "{other}");
        }
    }
}
