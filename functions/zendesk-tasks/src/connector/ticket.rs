//! Tickets.

use std::time::Duration;

use retry::Disposition;
use task_runner::{Assignment, CallFailed, Done, Failed};
use zendesk::{Ticket, tags_body};

use super::{Session, failed};
use crate::mapping::Problem;
use crate::mapping::ticket::{self, Change, Guard, MARKER, NewTicket, TagChange};

/// How old a task may be for its idempotency key to be trusted alone: Zendesk forgets keys after two hours
/// ([Idempotency](https://developer.zendesk.com/api-reference/ticketing/introduction/#idempotency)), and an
/// attempt takes time.
const KEY_LIFETIME: Duration = Duration::from_mins(90);

pub(super) async fn create(
    mut session: Session,
    assignment: &Assignment<'_>,
    NewTicket { ticket, key }: &NewTicket,
) -> Result<Done, Failed> {
    let body = ticket.body().map_err(Problem::from)?;
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
            "several tickets carry this task's key as `external_id`; this is the oldest".to_owned()
        });
        if let Some(found) = found.first() {
            let compared = ticket::warnings_of_new(ticket, found);
            let warnings = several.into_iter().chain(compared).collect();
            return Ok(done(session, found, warnings));
        }
    }
    let result = session.client.create_ticket(ticket, key).await;
    let written = session.calls.wrote(result.map_err(failed), body)?;
    let compared = ticket::warnings_of_new(ticket, &written.ticket);
    let warnings = written.warnings.into_iter().chain(compared).collect();
    Ok(done(session, &written.ticket, warnings))
}

/// The ticket comes first and its tags after it: they can be changed again without harm, while a comment must not be
/// added again. Whatever fails once the ticket is written makes the next attempt look for that write.
pub(super) async fn update(
    mut session: Session,
    assignment: &Assignment<'_>,
    task: &Change,
) -> Result<Done, Failed> {
    let mut warnings = Vec::new();
    let mut known = None;
    if let Some(change) = &task.ticket {
        let ticket = match standing(&mut session, assignment, task).await? {
            Standing::Written(ticket) => ticket,
            Standing::Unwritten { stamp } => {
                let stamp = stamp.as_deref();
                let body = change.body(stamp).map_err(Problem::from)?;
                let result = session.client.update_ticket(task.id, change, stamp).await;
                let written = session.calls.wrote(result.map_err(failed), body)?;
                warnings = written.warnings;
                written.ticket
            }
        };
        warnings.extend(ticket::warnings_of_change(change, &ticket));
        known = Some(ticket);
    }
    let ticket = match known {
        Some(ticket) if task.tags.is_empty() => ticket,
        known => {
            let ticket = change_tags(&mut session, task, known).await?;
            warnings.extend(task.tags.warnings(&ticket));
            ticket
        }
    };
    Ok(done(session, &ticket, warnings))
}

/// How a ticket stands before it is written.
enum Standing {
    /// An earlier attempt has written it.
    Written(Ticket),
    /// It is to be written, if it has not changed since the stamp.
    Unwritten { stamp: Option<String> },
}

async fn standing(
    session: &mut Session,
    assignment: &Assignment<'_>,
    task: &Change,
) -> Result<Standing, Failed> {
    let given = match task.guard {
        Guard::Since(stamp) => Some(stamp.to_string()),
        Guard::None | Guard::AsRead => None,
    };
    if !assignment.look_first && task.guard != Guard::AsRead {
        return Ok(Standing::Unwritten { stamp: given });
    }
    // In this order: a change that arrives after the audits were read makes the stamp old.
    let result = session.client.get_ticket(task.id).await;
    let ticket = session.calls.read(result.map_err(failed))?;
    if assignment.look_first {
        let mut pages = Vec::new();
        let result = session
            .client
            .was_marked(task.id, MARKER, assignment.key.as_str(), &mut pages)
            .await;
        session.calls.extend(pages);
        if session.calls.read(result.map_err(failed))? {
            return Ok(Standing::Written(ticket));
        }
    }
    match task.guard.refusal(&ticket) {
        Some(reason) => Err(session.calls.give_up(reason)),
        None => Ok(Standing::Unwritten {
            stamp: given.or(ticket.updated_at),
        }),
    }
}

/// Changes the tags, and reads the ticket after it. `known` is the ticket as it was just written.
async fn change_tags(
    session: &mut Session,
    task: &Change,
    known: Option<Ticket>,
) -> Result<Ticket, Failed> {
    let failed = if known.is_some() {
        failed_after_write
    } else {
        failed
    };
    let mut stamp = known.and_then(|ticket| ticket.updated_at);
    let TagChange { add, remove } = &task.tags;
    for (tags, is_added) in [(add, true), (remove, false)] {
        if tags.is_empty() {
            continue;
        }
        if task.guard == Guard::AsRead && stamp.is_none() {
            let result = session.client.get_ticket(task.id).await;
            stamp = session.calls.read(result.map_err(failed))?.updated_at;
        }
        // A change of tags makes the stamp old.
        let stamp = stamp.take().filter(|_| task.guard == Guard::AsRead);
        let stamp = stamp.as_deref();
        let result = if is_added {
            session.client.add_tags(task.id, tags, stamp).await
        } else {
            session.client.remove_tags(task.id, tags, stamp).await
        };
        session
            .calls
            .wrote(result.map_err(failed), tags_body(tags, stamp))?;
    }
    let result = session.client.get_ticket(task.id).await;
    session.calls.read(result.map_err(failed))
}

/// The comment is in, so that the next attempt must not add it, although this call by itself could simply be repeated.
fn failed_after_write(error: zendesk::Error) -> CallFailed {
    let failed = failed(error);
    let disposition = match failed.disposition {
        Disposition::Retry { after } => Disposition::Reconcile { after },
        other
        @ (Disposition::Reconcile { .. } | Disposition::Wait { .. } | Disposition::GiveUp) => other,
    };
    CallFailed {
        disposition,
        ..failed
    }
}

fn done(session: Session, ticket: &Ticket, warnings: Vec<String>) -> Done {
    let link = session.client.link(ticket.id);
    let output = ticket::output(ticket, &link);
    session.done(output, Some(link), warnings)
}
