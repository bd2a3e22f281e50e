use accounts::Connected;
use domain::{TaskKind, Vendor};
use jiff::{SignedDuration, Timestamp};
use servicenow::{Client, CorrelationId, Record};
use task_runner::{Assignment, CallFailed, Calls, Connector, Done, Failed, UrlTemplate};

use crate::mapping::{self, Correlation, NewRecord, Problem};

/// How much an instance's clock may be behind ours.
///
/// Journal entries whose writing lies on the other side of a daylight-saving change than the record's last
/// change are dated an hour off, and this does not make room for them: it would take the same text from
/// another task within that hour for ours, which happens more often than a lost answer at that moment.
const CLOCK_DIFFERENCE: SignedDuration = SignedDuration::from_mins(2);

/// Performs tasks in ServiceNow instances.
#[derive(Debug, Clone)]
pub struct ServiceNow {
    http: vendor_http::Client,
    url: UrlTemplate,
}

impl ServiceNow {
    /// Makes no call. All accounts share the client's connections.
    pub fn new(http: vendor_http::Client, url: UrlTemplate) -> Self {
        Self { http, url }
    }

    fn session(&self, connected: &Connected) -> Result<Session, Problem> {
        let account = &connected.account;
        let base = self
            .url
            .base(&account.instance)
            .map_err(|source| Problem::Instance {
                account: account.name.clone(),
                source,
            })?;
        let auth = mapping::auth(&account.name, &connected.credential)?;
        Ok(Session {
            client: Client::new(self.http.clone(), base, auth),
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
        let mut session = self.session(connected).map_err(refused)?;
        if assignment.look_first
            && let Some((found, warnings)) = session.look_for(&record).await?
        {
            return Ok(session.done(&found, warnings));
        }
        let result = session.client.create(&record.table, &record.fields).await;
        let created = session
            .calls
            .wrote(result.map_err(failed), mapping::body(&record.fields))?;
        let warnings = mapping::warnings(&record.fields, &created);
        Ok(session.done(&created, warnings))
    }

    async fn update(
        &self,
        assignment: &Assignment<'_>,
        connected: &Connected,
    ) -> Result<Done, Failed> {
        let change = mapping::change(assignment.input).map_err(refused)?;
        let mut session = self.session(connected).map_err(refused)?;
        let result = session
            .client
            .find_by_number(&change.table, &change.number)
            .await;
        let found = session.calls.read(result.map_err(failed))?;
        let mut fields = change.fields;
        if assignment.look_first && mapping::appends(&fields) {
            let result = session.client.journal(&change.table, &found.sys_id).await;
            let journal = session.calls.read(result.map_err(failed))?;
            let since = assignment
                .first_attempt_at
                .checked_sub(CLOCK_DIFFERENCE)
                .unwrap_or(Timestamp::MIN);
            fields = mapping::not_yet_appended(fields, &journal, since);
            if fields.is_empty() {
                return Ok(session.done(&found, Vec::new()));
            }
        }
        let result = session
            .client
            .update(&change.table, &found.sys_id, &fields)
            .await;
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
            other @ (TaskKind::ZendeskCreateTicket | TaskKind::ZendeskUpdateTicket) => Err(
                Failed::before_any_call(format!("`{other}` is no ServiceNow task")),
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
    CallFailed {
        disposition: error.disposition(),
        reason: startup::chain(&error),
        unauthorized: error.is_unauthorized(),
        call: error.call.map(|call| *call),
    }
}
