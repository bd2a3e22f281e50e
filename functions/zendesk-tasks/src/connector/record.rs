//! Records of custom objects. What is written can be written again without harm, so nothing is looked for after a lost
//! answer. Zendesk documents no page of a record for agents, so there is no link.

use task_runner::{Assignment, Done, Failed};
use zendesk::{ObjectKey, Record, RecordContent};

use super::{Session, failed};
use crate::mapping::record::{self, Change, NewRecord};
use crate::mapping::{Problem, warnings};

/// The task's key is the record's external id, so that an attempt that is repeated finds the record of the first.
pub(super) async fn create(
    mut session: Session,
    assignment: &Assignment<'_>,
    NewRecord { object, content }: &NewRecord,
) -> Result<Done, Failed> {
    let body = content.body().map_err(Problem::from)?;
    let result = session
        .client
        .upsert_record(object, assignment.key.as_str(), content)
        .await;
    let record = session.calls.wrote(result.map_err(failed), body)?;
    Ok(done(session, object, content, &record))
}

pub(super) async fn update(
    mut session: Session,
    Change {
        object,
        id,
        content,
    }: &Change,
) -> Result<Done, Failed> {
    let body = content.body().map_err(Problem::from)?;
    let result = session.client.update_record(object, id, content).await;
    let record = session.calls.wrote(result.map_err(failed), body)?;
    Ok(done(session, object, content, &record))
}

fn done(session: Session, object: &ObjectKey, content: &RecordContent, record: &Record) -> Done {
    let warnings = warnings(&content.differences(record));
    session.done(record::output(object, record), None, warnings)
}
