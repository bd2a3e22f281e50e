use std::collections::BTreeMap;

use accounts::{Connected, Vendors};
use domain::preview::{Preview, PreviewRequest};
use domain::{TaskKind, Vendor};
use jiff::{SignedDuration, Timestamp};
use servicenow::{Client, Column, CorrelationId, Record};
use task_runner::{Assignment, CallFailed, Calls, Connector, Done, Failed};

use crate::mapping::{self, Change, Correlation, LookUp, NewRecord, Problem, Which};

/// How much an instance's clock may be behind ours.
///
/// Journal entries whose writing lies on the other side of a daylight-saving change than the record's last
/// change are dated an hour off, and this does not make room for them: it would take the same text from
/// another task within that hour for ours, which happens more often than a lost answer at that moment.
const CLOCK_DIFFERENCE: SignedDuration = SignedDuration::from_mins(2);

/// Performs tasks in ServiceNow instances.
#[derive(Debug, Clone)]
pub struct ServiceNow {
    vendors: Vendors,
}

impl ServiceNow {
    /// Makes no call. All accounts share the vendors' connections.
    pub fn new(vendors: Vendors) -> Self {
        Self { vendors }
    }

    fn session(&self, connected: &Connected) -> Result<Session, Failed> {
        let client = self
            .vendors
            .servicenow(connected)
            .map_err(task_runner::account_failed)?;
        Ok(Session {
            client,
            calls: Calls::default(),
        })
    }

    /// The first attempt creates at once: the task is claimed by one function only, and its key is new.
    async fn create(
        &self,
        assignment: &Assignment<'_>,
        connected: &Connected,
    ) -> Result<Done, Failed> {
        let record = mapping::new_record(assignment.input, assignment.key).map_err(refused)?;
        let mut session = self.session(connected)?;
        if assignment.look_first
            && let Some((found, warnings)) = session.look_for(&record).await?
        {
            return Ok(session.done(&found, warnings));
        }
        let NewRecord {
            table,
            mut fields,
            look_ups,
            correlation: _,
        } = record;
        session.resolve(&mut fields, look_ups).await?;
        let result = session.client.create(&table, &fields).await;
        let created = session
            .calls
            .wrote(result.map_err(failed), mapping::body(&fields))?;
        let warnings = mapping::warnings(&fields, &created);
        Ok(session.done(&created, warnings))
    }

    async fn update(
        &self,
        assignment: &Assignment<'_>,
        connected: &Connected,
    ) -> Result<Done, Failed> {
        let Change {
            table,
            record,
            mut fields,
            look_ups,
        } = mapping::change(assignment.input).map_err(refused)?;
        let mut session = self.session(connected)?;
        let sys_id = match record {
            Which::Id(sys_id) => sys_id,
            Which::Number(number) => {
                let result = session.client.find_by_number(&table, &number).await;
                session.calls.read(result.map_err(failed))?.sys_id
            }
        };
        if assignment.look_first && mapping::appends(&fields) {
            let result = session.client.journal(&table, &sys_id).await;
            let journal = session.calls.read(result.map_err(failed))?;
            let since = assignment
                .first_attempt_at
                .checked_sub(CLOCK_DIFFERENCE)
                .unwrap_or(Timestamp::MIN);
            // One call carries everything: a text of ours in the journal says that all of it has arrived. Writing the rest
            // again would undo what somebody has done since.
            if mapping::was_appended(&fields, &journal, since) {
                let result = session.client.read(&table, &sys_id).await;
                let found = session.calls.read(result.map_err(failed))?;
                let warning = "found in the journal from an earlier attempt; what else was kept was not compared with what was sent";
                return Ok(session.done(&found, vec![warning.to_owned()]));
            }
        }
        session.resolve(&mut fields, look_ups).await?;
        let result = session.client.update(&table, &sys_id, &fields).await;
        let updated = session
            .calls
            .wrote(result.map_err(failed), mapping::body(&fields))?;
        let warnings = mapping::warnings(&fields, &updated);
        Ok(session.done(&updated, warnings))
    }
}

impl Connector for ServiceNow {
    const VENDOR: Vendor = Vendor::ServiceNow;

    async fn perform(
        &self,
        assignment: &Assignment<'_>,
        connected: &Connected,
    ) -> Result<Done, Failed> {
        match assignment.kind {
            TaskKind::ServiceNowCreateRecord => self.create(assignment, connected).await,
            TaskKind::ServiceNowUpdateRecord => self.update(assignment, connected).await,
            other @ (TaskKind::ZendeskCreateTicket
            | TaskKind::ZendeskUpdateTicket
            | TaskKind::ZendeskCreateProfile
            | TaskKind::ZendeskUpdateProfile
            | TaskKind::ZendeskCreateRecord
            | TaskKind::ZendeskUpdateRecord
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
            TaskKind::ServiceNowCreateRecord => mapping::preview::of_create(input, key),
            TaskKind::ServiceNowUpdateRecord => {
                mapping::preview::of_change(input).map(|requests| (requests, Vec::new()))
            }
            other @ (TaskKind::ZendeskCreateTicket
            | TaskKind::ZendeskUpdateTicket
            | TaskKind::ZendeskCreateProfile
            | TaskKind::ZendeskUpdateProfile
            | TaskKind::ZendeskCreateRecord
            | TaskKind::ZendeskUpdateRecord
            | TaskKind::TeamViewerCreateSession) => {
                return Preview::refused("", mapping::preview::foreign(*other));
            }
        };
        let (requests, notes) = match planned {
            Ok(planned) => planned,
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
                notes,
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
    /// The record that an earlier attempt created, with what there is to warn of.
    async fn look_for(
        &mut self,
        record: &NewRecord,
    ) -> Result<Option<(Record, Vec<String>)>, Failed> {
        let key = match &record.correlation {
            Correlation::Ours(key) => key.clone(),
            Correlation::Theirs(text) => {
                CorrelationId::parse(text).map_err(|_| self.give_up(&Problem::Unsearchable))?
            }
        };
        let result = self
            .client
            .find_by_correlation_id(&record.table, &key)
            .await;
        let matches = self.calls.read(result.map_err(failed))?;
        let several = matches.records.len() > 1;
        match (matches.records.into_iter().next(), &record.correlation) {
            (Some(found), Correlation::Ours(_)) => {
                let mut warnings = vec![
                    "found from an earlier attempt; what it kept was not compared with what was sent"
                        .to_owned(),
                ];
                if several {
                    warnings.push(
                        "several records carry this task's `correlation_id`; this is the oldest"
                            .to_owned(),
                    );
                }
                Ok(Some((found, warnings)))
            }
            (Some(found), Correlation::Theirs(_)) => Err(self.give_up(&Problem::PerhapsCreated {
                found: found.number.unwrap_or_else(|| found.sys_id.to_string()),
            })),
            (None, _) if matches.condition_ignored => {
                Err(self.give_up(&Problem::NoCorrelation(record.table.clone())))
            }
            (None, _) => Ok(None),
        }
    }

    /// Fills in the ids of those who are given by name or address.
    ///
    /// Each attempt that writes asks anew. Nobody gets anything twice by that: a record that was created is
    /// found by its key before anybody is looked up again, and an update that is repeated sets the column to
    /// whoever has the name by then.
    async fn resolve(
        &mut self,
        fields: &mut BTreeMap<Column, String>,
        look_ups: Vec<LookUp>,
    ) -> Result<(), Failed> {
        for LookUp {
            field,
            column,
            key,
            value,
        } in look_ups
        {
            let result = self.client.resolve(key, &value).await;
            let sys_id = self.calls.read(result.map_err(|error| {
                let failed = failed(error);
                CallFailed {
                    reason: format!("`{field}`: {}", failed.reason),
                    ..failed
                }
            }))?;
            fields.insert(column, sys_id.to_string());
        }
        Ok(())
    }

    fn give_up(&mut self, problem: &Problem) -> Failed {
        self.calls.give_up(problem)
    }

    fn done(self, record: &Record, warnings: Vec<String>) -> Done {
        let link = self.client.record_link(&record.table, &record.sys_id);
        Done {
            output: mapping::output(record, &link),
            link: Some(link),
            warnings,
            calls: self.calls.into_vec(),
        }
    }
}

fn refused(problem: Problem) -> Failed {
    Failed::before_any_call(problem.to_string())
}

fn failed(error: servicenow::Error) -> CallFailed {
    let reason = startup::chain(&error);
    CallFailed {
        disposition: error.disposition(),
        reason: match mapping::advice(&error) {
            Some(advice) => format!("{reason}; {advice}"),
            None => reason,
        },
        unauthorized: error.is_unauthorized(),
        call: error.call.map(|call| *call),
    }
}
