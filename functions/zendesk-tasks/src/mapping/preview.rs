//! What a first attempt sends, in order, from the same readings of the input as the attempt itself. What only an
//! answer can tell is named in its place.

use domain::preview::{ONLY_IF, PlannedRequest, unknown};
use domain::{TaskKey, TaskKind};
use serde_json::Value;
use zendesk::{TicketId, tags_body};

use super::Problem;
use super::profile::{self, ToWrite};
use super::record;
use super::ticket::{self, Change, Guard, NewTicket, TagChange};

/// The requests of `zendesk.create_ticket`.
pub(crate) fn of_new_ticket(input: &Value, key: &TaskKey) -> Result<Vec<PlannedRequest>, Problem> {
    let NewTicket { ticket, key } = ticket::new_ticket(input, key)?;
    let body = ticket.body()?;
    let request = PlannedRequest::new("POST", "/api/v2/tickets");
    let request = request.header("idempotency-key", key.as_str()).body(body);
    Ok(vec![request.note(
        "an attempt after a lost answer looks for a ticket with this `external_id` first",
    )])
}

/// The requests of `zendesk.update_ticket`.
pub(crate) fn of_ticket_change(
    input: &Value,
    key: &TaskKey,
) -> Result<Vec<PlannedRequest>, Problem> {
    let task = ticket::change(input, key)?;
    let path = path(task.id);
    let read = |why: &str| PlannedRequest::new("GET", path.clone()).note(why);
    let mut requests = Vec::new();
    if let Some(change) = &task.ticket {
        let stamp = match task.guard {
            Guard::None => None,
            Guard::Since(stamp) => Some(stamp.to_string()),
            Guard::AsRead => {
                requests.push(read("tells when the ticket was changed last"));
                Some(unknown("updated_at as it was read"))
            }
        };
        let body = change.body(stamp.as_deref())?;
        let request = PlannedRequest::new("PUT", path.clone()).body(body);
        requests.push(match stamp {
            None => request,
            Some(_) => request.note("refused when the ticket has changed since `updated_stamp`"),
        });
        if task.tags.is_empty() {
            return Ok(requests);
        }
    }
    requests.extend(tag_changes(&task, &path, &read));
    requests.push(read("tells which tags the ticket has then"));
    Ok(requests)
}

fn tag_changes(
    task: &Change,
    path: &str,
    read: &impl Fn(&str) -> PlannedRequest,
) -> Vec<PlannedRequest> {
    let TagChange { add, remove } = &task.tags;
    let mut requests = Vec::new();
    // The answer to a write of the ticket tells the stamp, once: a change of tags makes it old.
    let mut stamp = task
        .ticket
        .as_ref()
        .map(|_| unknown("updated_at after the write"));
    for (method, tags) in [("PUT", add), ("DELETE", remove)] {
        if tags.is_empty() {
            continue;
        }
        if task.guard == Guard::AsRead && stamp.is_none() {
            requests.push(read("tells when the ticket was changed last"));
            stamp = Some(unknown("updated_at as it was read"));
        }
        let stamp = stamp.take().filter(|_| task.guard == Guard::AsRead);
        let request = PlannedRequest::new(method, format!("{path}/tags"));
        let request = request.body(tags_body(tags, stamp.as_deref()));
        requests.push(request.note(match method {
            "PUT" => "adds tags; the others stay",
            _ => "takes tags away; the others stay",
        }));
    }
    requests
}

/// The requests of `zendesk.create_profile`.
pub(crate) fn of_new_profile(input: &Value) -> Result<Vec<PlannedRequest>, Problem> {
    let new = profile::new_profile(input)?;
    let mut requests = vec![
        of_profile(&new, "GET").note("tells whether the profile is there"),
        of_profile(&new, "PUT")
            .body(new.content.body())
            .note(format!("{ONLY_IF}there is no such profile yet")),
    ];
    // Without anything to add, a profile that is there is left as it is.
    if let Ok(patch) = new.content.patch() {
        let request = of_profile(&new, "PATCH").body(patch);
        requests.push(request.note(format!("{ONLY_IF}the profile is there: adds to it")));
    }
    Ok(requests)
}

/// The requests of `zendesk.update_profile`.
pub(crate) fn of_profile_change(input: &Value) -> Result<Vec<PlannedRequest>, Problem> {
    let change = profile::change(input)?;
    let request = of_profile(&change, "PATCH").body(change.content.patch()?);
    Ok(vec![request])
}

fn of_profile(ToWrite { key, content: _ }: &ToWrite, method: &str) -> PlannedRequest {
    PlannedRequest::new(method, "/api/v2/user_profiles").query([("identifier", key.as_str())])
}

/// The requests of `zendesk.create_record`.
pub(crate) fn of_new_record(input: &Value, key: &TaskKey) -> Result<Vec<PlannedRequest>, Problem> {
    let new = record::new_record(input, key)?;
    let path = format!("/api/v2/custom_objects/{}/records", new.object.as_str());
    let request = PlannedRequest::new("PATCH", path).query([("external_id", key.as_str())]);
    let request = request.body(new.content.body()?);
    Ok(vec![request.note(
        "creates the record with this external id, or changes the one that an earlier attempt has created",
    )])
}

/// The requests of `zendesk.update_record`.
pub(crate) fn of_record_change(input: &Value) -> Result<Vec<PlannedRequest>, Problem> {
    let change = record::change(input)?;
    let (object, id) = (change.object.as_str(), change.id.as_str());
    let path = format!("/api/v2/custom_objects/{object}/records/{id}");
    Ok(vec![
        PlannedRequest::new("PATCH", path).body(change.content.body()?),
    ])
}

/// What is wrong with the input, and where.
pub(crate) fn place(problem: &Problem) -> &str {
    match problem {
        Problem::Input(error) => &error.path,
        Problem::Value(_) => "",
    }
}

/// Refuses a task of another vendor.
pub(crate) fn foreign(kind: TaskKind) -> String {
    format!("`{kind}` is no Zendesk task")
}

fn path(id: TicketId) -> String {
    format!("/api/v2/tickets/{id}")
}
