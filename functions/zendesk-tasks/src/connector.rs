mod profile;
mod record;
mod ticket;

use accounts::{Connected, Vendors};
use domain::preview::{Preview, PreviewRequest};
use domain::{TaskKind, Vendor};
use serde_json::{Map, Value};
use task_runner::{Assignment, CallFailed, Calls, Connector, Done, Failed};
use zendesk::Client;

use crate::mapping::{self, Problem};

/// Performs tasks in Zendesk accounts.
#[derive(Debug, Clone)]
pub struct Zendesk {
    vendors: Vendors,
}

impl Zendesk {
    /// Makes no call. All accounts share the vendors' connections.
    pub fn new(vendors: Vendors) -> Self {
        Self { vendors }
    }

    fn session(&self, connected: &Connected) -> Result<Session, Failed> {
        let client = self
            .vendors
            .zendesk(connected)
            .map_err(task_runner::account_failed)?;
        Ok(Session {
            client,
            calls: Calls::default(),
        })
    }
}

impl Connector for Zendesk {
    const VENDOR: Vendor = Vendor::Zendesk;

    async fn perform(
        &self,
        assignment: &Assignment<'_>,
        connected: &Connected,
    ) -> Result<Done, Failed> {
        // What cannot be used is refused before the account is looked at.
        match assignment.kind {
            TaskKind::ZendeskCreateTicket => {
                let new = mapping::ticket::new_ticket(assignment.input, assignment.key)?;
                let session = self.session(connected)?;
                ticket::create(session, assignment, &new).await
            }
            TaskKind::ZendeskUpdateTicket => {
                let change = mapping::ticket::change(assignment.input, assignment.key)?;
                let session = self.session(connected)?;
                ticket::update(session, assignment, &change).await
            }
            TaskKind::ZendeskCreateProfile => {
                let new = mapping::profile::new_profile(assignment.input)?;
                profile::create(self.session(connected)?, &new).await
            }
            TaskKind::ZendeskUpdateProfile => {
                let change = mapping::profile::change(assignment.input)?;
                profile::update(self.session(connected)?, &change).await
            }
            TaskKind::ZendeskCreateRecord => {
                let new = mapping::record::new_record(assignment.input, assignment.key)?;
                record::create(self.session(connected)?, assignment, &new).await
            }
            TaskKind::ZendeskUpdateRecord => {
                let change = mapping::record::change(assignment.input)?;
                record::update(self.session(connected)?, &change).await
            }
            other @ (TaskKind::ServiceNowCreateRecord
            | TaskKind::ServiceNowUpdateRecord
            | TaskKind::TeamViewerCreateSession) => {
                Err(Failed::before_any_call(mapping::preview::foreign(other)))
            }
        }
    }

    fn preview(&self, request: &PreviewRequest) -> Preview {
        let PreviewRequest {
            kind,
            key,
            account,
            input,
        } = request;
        let planned = match kind {
            TaskKind::ZendeskCreateTicket => mapping::preview::of_new_ticket(input, key),
            TaskKind::ZendeskUpdateTicket => mapping::preview::of_ticket_change(input, key),
            TaskKind::ZendeskCreateProfile => mapping::preview::of_new_profile(input),
            TaskKind::ZendeskUpdateProfile => mapping::preview::of_profile_change(input),
            TaskKind::ZendeskCreateRecord => mapping::preview::of_new_record(input, key),
            TaskKind::ZendeskUpdateRecord => mapping::preview::of_record_change(input),
            other @ (TaskKind::ServiceNowCreateRecord
            | TaskKind::ServiceNowUpdateRecord
            | TaskKind::TeamViewerCreateSession) => {
                return Preview::refused("", mapping::preview::foreign(*other));
            }
        };
        let requests = match planned {
            Ok(requests) => requests,
            Err(problem) => {
                return Preview::refused(mapping::preview::place(&problem), &problem);
            }
        };
        let base = account.instance.as_deref();
        let base = base.map(|instance| self.vendors.base(Self::VENDOR, instance));
        match base.transpose() {
            Ok(base) => Preview {
                address: base.map(|base| base.to_string()),
                requests,
                problem: None,
                notes: Vec::new(),
            },
            Err(error) => Preview::refused("account", error),
        }
    }
}

/// One attempt with one account.
struct Session {
    client: Client,
    calls: Calls,
}

impl Session {
    fn done(self, output: Map<String, Value>, link: Option<String>, warnings: Vec<String>) -> Done {
        Done {
            output,
            link,
            warnings,
            calls: self.calls.into_vec(),
        }
    }
}

impl From<Problem> for Failed {
    fn from(problem: Problem) -> Self {
        Self::before_any_call(problem.to_string())
    }
}

fn failed(error: zendesk::Error) -> CallFailed {
    CallFailed {
        disposition: error.disposition(),
        reason: startup::chain(&error),
        unauthorized: error.is_unauthorized(),
        call: error.call.map(|call| *call),
    }
}
