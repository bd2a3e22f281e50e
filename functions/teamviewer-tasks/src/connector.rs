use std::time::Duration;

use accounts::{Connected, Vendors};
use domain::preview::{Preview, PreviewRequest};
use domain::{TaskKind, Vendor};
use retry::Disposition;
use task_runner::{Assignment, CallFailed, Calls, Connector, Done, Failed};
use teamviewer::{Client, NewSession, Session, SessionQuery};

use crate::mapping::{self, Group, Planned, Problem};

/// The most pages of open sessions that are looked through for one whose creation was never confirmed.
const MOST_PAGES: usize = 20;

/// Performs tasks in TeamViewer accounts.
#[derive(Debug, Clone)]
pub struct TeamViewer {
    vendors: Vendors,
}

impl TeamViewer {
    /// Makes no call. All accounts share the vendors' connections.
    pub fn new(vendors: Vendors) -> Self {
        Self { vendors }
    }
}

impl Connector for TeamViewer {
    const VENDOR: Vendor = Vendor::TeamViewer;

    async fn perform(
        &self,
        assignment: &Assignment<'_>,
        connected: &Connected,
    ) -> Result<Done, Failed> {
        match assignment.kind {
            TaskKind::TeamViewerCreateSession => {
                // What cannot be used is refused before the account is looked at.
                let planned = mapping::planned(assignment.input, assignment.key)?;
                let client = self.vendors.teamviewer(connected);
                let attempt = Attempt {
                    client: client.map_err(task_runner::account_failed)?,
                    calls: Calls::default(),
                };
                attempt.create(&planned, assignment.look_first).await
            }
            other @ (TaskKind::ServiceNowCreateRecord
            | TaskKind::ServiceNowUpdateRecord
            | TaskKind::ZendeskCreateTicket
            | TaskKind::ZendeskUpdateTicket
            | TaskKind::ZendeskCreateProfile
            | TaskKind::ZendeskUpdateProfile
            | TaskKind::ZendeskCreateRecord
            | TaskKind::ZendeskUpdateRecord) => {
                Err(Failed::before_any_call(mapping::foreign(other)))
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
        if *kind != TaskKind::TeamViewerCreateSession {
            return Preview::refused("", mapping::foreign(*kind));
        }
        let requests = mapping::planned(input, key).and_then(|planned| mapping::requests(&planned));
        let requests = match requests {
            Ok(requests) => requests,
            Err(problem) => return Preview::refused(mapping::place(&problem), &problem),
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
struct Attempt {
    client: Client,
    calls: Calls,
}

impl Attempt {
    async fn create(mut self, planned: &Planned, look_first: bool) -> Result<Done, Failed> {
        let group = self.group(&planned.group).await?;
        let new = planned.in_group(&group);
        if look_first && let Some(found) = self.look(&planned.key).await? {
            return Ok(self.done(&new, &found));
        }
        let body = new.body().map_err(Problem::Value)?;
        let result = self.client.create_session(&new).await;
        let created = self.calls.wrote(result.map_err(failed), body)?;
        let session = if let Some(session) = created.session {
            session
        } else {
            let result = self.client.session(&created.code).await;
            let read = self.calls.read(result.map_err(failed));
            read.map_err(after_write)?
        };
        Ok(self.done(&new, &session))
    }

    async fn group(&mut self, group: &Group) -> Result<String, Failed> {
        let name = match group {
            Group::Id(id) => return Ok(id.clone()),
            Group::Name(name) => name,
        };
        let result = self.client.group_named(name).await;
        match self.calls.read(result.map_err(failed))? {
            Some(group) => Ok(group.id),
            None => Err(self.calls.give_up(format!(
                "there is no group `{name}` that the account sees: give its exact name or its id, or create it in TeamViewer"
            ))),
        }
    }

    /// The session that an earlier attempt has created. It is open, since nobody was told its code; one whose time is over
    /// is still listed.
    async fn look(&mut self, key: &str) -> Result<Option<Session>, Failed> {
        let mut query = SessionQuery::default();
        for _ in 0..MOST_PAGES {
            let result = self.client.sessions(&query).await;
            let page = self.calls.read(result.map_err(failed))?;
            let ours = page
                .sessions
                .into_iter()
                .find(|session| mapping::is_ours(session, key));
            if ours.is_some() {
                return Ok(ours);
            }
            match page.next_offset {
                None => return Ok(None),
                Some(next) if query.offset.as_ref() == Some(&next) => break,
                Some(next) => query.offset = Some(next),
            }
        }
        Err(self.calls.give_up(
            "an earlier attempt may have created the session, and the list of open sessions is too long to look for it: see in TeamViewer, then retry the run or not",
        ))
    }

    fn done(self, sent: &NewSession, session: &Session) -> Done {
        Done {
            output: mapping::output(session),
            link: session.end_customer_link.clone(),
            warnings: mapping::warnings(sent, session),
            calls: self.calls.into_vec(),
        }
    }
}

/// The session is there: whatever fails now, the next attempt looks for it, once lists have it.
fn after_write(failed: Failed) -> Failed {
    let settled = |after: Option<Duration>| Disposition::Reconcile {
        after: after.max(Some(teamviewer::SETTLING)),
    };
    let disposition = match failed.disposition {
        Disposition::Retry { after } => settled(after),
        Disposition::GiveUp => settled(None),
        other @ (Disposition::Reconcile { .. } | Disposition::Wait { .. }) => other,
    };
    Failed {
        disposition,
        ..failed
    }
}

impl From<Problem> for Failed {
    fn from(problem: Problem) -> Self {
        Self::before_any_call(problem.to_string())
    }
}

fn failed(error: teamviewer::Error) -> CallFailed {
    CallFailed {
        disposition: error.disposition(),
        reason: startup::chain(&error),
        unauthorized: error.is_unauthorized(),
        call: error.call.map(|call| *call),
    }
}
