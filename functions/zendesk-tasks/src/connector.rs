use std::time::Duration;

use accounts::Connected;
use domain::{TaskKind, Vendor};
use task_runner::{Assignment, CallFailed, Calls, Connector, Done, Failed, UrlTemplate};
use zendesk::{Client, Ticket};

use crate::mapping::{self, NewTicket, Problem};

/// How old a task may be for its idempotency key to be trusted alone: Zendesk forgets keys after two hours
/// ([Idempotency](https://developer.zendesk.com/api-reference/ticketing/introduction/#idempotency)), and an
/// attempt takes time.
const KEY_LIFETIME: Duration = Duration::from_mins(90);

/// Performs tasks in Zendesk accounts.
#[derive(Debug, Clone)]
pub struct Zendesk {
    http: vendor_http::Client,
    url: UrlTemplate,
}

impl Zendesk {
    /// Makes no call. All accounts share the client's connections.
    pub fn new(http: vendor_http::Client, url: UrlTemplate) -> Self {
        Self { http, url }
    }

    fn session(&self, connected: &Connected) -> Result<Session, Problem> {
        let account = &connected.account;
        let base = self
            .url
            .base(&account.instance)
            .map_err(|source| Problem::Subdomain {
                account: account.name.clone(),
                source,
            })?;
        let auth = mapping::auth(&connected.credential);
        Ok(Session {
            client: Client::new(self.http.clone(), base, auth),
            calls: Calls::default(),
        })
    }

    async fn create(
        &self,
        assignment: &Assignment<'_>,
        connected: &Connected,
    ) -> Result<Done, Failed> {
        let new = mapping::new_ticket(assignment.input, assignment.key).map_err(refused)?;
        let NewTicket { ticket, key } = &new;
        let body = mapping::kept_body(ticket.body()).map_err(refused)?;
        let mut session = self.session(connected).map_err(refused)?;
        let age = assignment
            .now
            .duration_since(assignment.first_attempt_at)
            .unsigned_abs();
        if assignment.look_first || age > KEY_LIFETIME {
            let result = session
                .client
                .find_tickets_by_external_id(key.as_str())
                .await;
            let found = session.calls.read(result.map_err(failed))?;
            let several = (found.len() > 1).then(|| {
                "several tickets carry this task's key as `external_id`; this is the oldest"
                    .to_owned()
            });
            if let Some(found) = found.first() {
                let compared = mapping::warnings(Some(&ticket.comment), &ticket.properties, found);
                let warnings = several.into_iter().chain(compared).collect();
                return Ok(session.done(found, warnings));
            }
        }
        let result = session.client.create_ticket(ticket, key).await;
        let written = session.calls.wrote(result.map_err(failed), body)?;
        let compared =
            mapping::warnings(Some(&ticket.comment), &ticket.properties, &written.ticket);
        let warnings = written.warnings.into_iter().chain(compared).collect();
        Ok(session.done(&written.ticket, warnings))
    }

    async fn update(
        &self,
        assignment: &Assignment<'_>,
        connected: &Connected,
    ) -> Result<Done, Failed> {
        let mapping::Change { id, change } =
            mapping::change(assignment.input, assignment.key).map_err(refused)?;
        let mut session = self.session(connected).map_err(refused)?;
        let warnings = |ticket: &Ticket| {
            mapping::warnings(change.comment.as_ref(), &change.properties, ticket)
        };
        let mut stamp = None;
        if assignment.look_first {
            // In this order: a change that arrives after the audits were read makes the stamp old.
            let result = session.client.get_ticket(id).await;
            let ticket = session.calls.read(result.map_err(failed))?;
            let mut pages = Vec::new();
            let result = session
                .client
                .was_marked(id, mapping::MARKER, assignment.key.as_str(), &mut pages)
                .await;
            session.calls.extend(pages);
            if session.calls.read(result.map_err(failed))? {
                return Ok(session.done(&ticket, warnings(&ticket)));
            }
            stamp = ticket.updated_at;
        }
        let body = mapping::kept_body(change.body(stamp.as_deref())).map_err(refused)?;
        let result = session
            .client
            .update_ticket(id, &change, stamp.as_deref())
            .await;
        let written = session.calls.wrote(result.map_err(failed), body)?;
        let compared = warnings(&written.ticket);
        let warnings = written.warnings.into_iter().chain(compared).collect();
        Ok(session.done(&written.ticket, warnings))
    }
}

impl Connector for Zendesk {
    const VENDOR: Vendor = Vendor::Zendesk;

    async fn perform(
        &self,
        assignment: &Assignment<'_>,
        connected: &Connected,
    ) -> Result<Done, Failed> {
        match assignment.kind {
            TaskKind::ZendeskCreateTicket => self.create(assignment, connected).await,
            TaskKind::ZendeskUpdateTicket => self.update(assignment, connected).await,
            other @ (TaskKind::ServiceNowCreateRecord | TaskKind::ServiceNowUpdateRecord) => Err(
                Failed::before_any_call(format!("`{other}` is no Zendesk task")),
            ),
        }
    }
}

/// One attempt with one account.
struct Session {
    client: Client,
    calls: Calls,
}

impl Session {
    fn done(self, ticket: &Ticket, warnings: Vec<String>) -> Done {
        let link = self.client.link(ticket.id);
        Done {
            output: mapping::output(ticket, &link),
            link: Some(link),
            warnings,
            calls: self.calls.into_vec(),
        }
    }
}

fn refused(problem: Problem) -> Failed {
    Failed::before_any_call(problem.to_string())
}

fn failed(error: zendesk::Error) -> CallFailed {
    CallFailed {
        disposition: error.disposition(),
        reason: startup::chain(&error),
        unauthorized: error.is_unauthorized(),
        call: error.call.map(|call| *call),
    }
}
