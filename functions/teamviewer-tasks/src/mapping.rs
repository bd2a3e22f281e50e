//! What a task's input means in TeamViewer's words, and what its answer means for the task.

use domain::preview::{ONLY_IF, PlannedRequest, unknown};
use domain::task::teamviewer::{CreateSession, SessionTask};
use domain::task::value::{OrBlank, Text};
use domain::task::{InputError, Rendered, read};
use domain::{TaskKey, TaskKind, TaskReference};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use teamviewer::{EndCustomer, InvalidInput, NewSession, Session};

/// A session to create.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Planned {
    /// Everything but its group.
    pub(crate) session: NewSession,
    /// The group.
    pub(crate) group: Group,
    /// What it is found by.
    pub(crate) key: String,
}

/// How a group is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Group {
    /// By its id.
    Id(String),
    /// By its name, which is looked up: a name that TeamViewer does not know would make a new group.
    Name(String),
}

/// An input that cannot be sent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    /// A field of the input.
    #[error(transparent)]
    Input(#[from] InputError),
    /// What TeamViewer's own limits say.
    #[error(transparent)]
    Value(#[from] InvalidInput),
}

/// Reads the input of `teamviewer.create_session`.
pub(crate) fn planned(input: &Value, key: &TaskKey) -> Result<Planned, Problem> {
    let input: CreateSession<Rendered> = read(input)?;
    input.check()?;
    let task = input.task.as_ref().map(reference).transpose()?;
    let group = input.group.as_str().trim();
    let customer = EndCustomer {
        name: filled(input.customer_name.as_ref()),
        email: input
            .customer_email
            .as_ref()
            .and_then(OrBlank::get)
            .map(|email| email.as_str().to_owned()),
    };
    let planned = Planned {
        session: NewSession {
            description: filled(input.description.as_ref()),
            waiting_message: filled(input.waiting_message.as_ref()),
            end_customer: (customer != EndCustomer::default()).then_some(customer),
            assigned_userid: filled(input.assigned_to.as_ref()),
            custom_api: Some(task.unwrap_or_default().to_note(key.as_str())),
            valid_until: input
                .valid_until
                .as_ref()
                .and_then(OrBlank::get)
                .map(|moment| moment.get()),
            ..NewSession::default()
        },
        group: if is_group_id(group) {
            Group::Id(group.to_owned())
        } else {
            Group::Name(group.to_owned())
        },
        key: key.to_string(),
    };
    // What TeamViewer limits is told before any call.
    planned.in_group("g1").body()?;
    Ok(planned)
}

impl Planned {
    /// The session in the group of this id.
    pub(crate) fn in_group(&self, id: &str) -> NewSession {
        NewSession {
            groupid: Some(id.to_owned()),
            ..self.session.clone()
        }
    }
}

fn is_group_id(text: &str) -> bool {
    text.strip_prefix('g').is_some_and(|digits| {
        !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// The text, unless it is blank.
fn filled(text: Option<&Text>) -> Option<String> {
    text.filter(|text| !text.is_blank())
        .map(|text| text.as_str().to_owned())
}

fn reference(task: &SessionTask<Rendered>) -> Result<TaskReference, InputError> {
    let wrong = |path: &str, problem: String| InputError {
        path: path.to_owned(),
        problem,
    };
    let sys_id = filled(task.sys_id.as_ref());
    if let Some(found) = sys_id.as_ref().filter(|id| !TaskReference::is_sys_id(id)) {
        let problem = format!("found `{found}`, expected 32 hexadecimal digits");
        return Err(wrong("task.sys_id", problem));
    }
    let number = match filled(task.number.as_ref()) {
        None => None,
        Some(found) => {
            let read = TaskReference::of_key(&found).and_then(|reference| reference.number);
            let number = read.ok_or_else(|| {
                let problem = format!("found `{found}`, expected a number such as INC0010001");
                wrong("task.number", problem)
            })?;
            Some(number)
        }
    };
    Ok(TaskReference {
        instance: filled(task.instance.as_ref()),
        table: filled(task.table.as_ref()),
        sys_id: sys_id.map(|id| id.to_ascii_lowercase()),
        number,
    })
}

/// Whether this session was created for the task.
pub(crate) fn is_ours(session: &Session, key: &str) -> bool {
    session
        .custom_api
        .as_deref()
        .and_then(TaskReference::key_in_note)
        .is_some_and(|found| found == key)
}

/// What the task leaves for later ones. No link of a supporter is among it.
pub(crate) fn output(session: &Session) -> Map<String, Value> {
    let mut output = Map::new();
    output.insert("code".to_owned(), json!(session.code));
    output.insert("customer_link".to_owned(), json!(session.end_customer_link));
    output.insert("valid_until".to_owned(), json!(session.valid_until));
    output
}

/// What TeamViewer did not keep as it was sent.
pub(crate) fn warnings(sent: &NewSession, kept: &Session) -> Vec<String> {
    let of = |customer: Option<&EndCustomer>| {
        let customer = customer.cloned().unwrap_or_default();
        (customer.name, customer.email)
    };
    let (sent_name, sent_email) = of(sent.end_customer.as_ref());
    let (kept_name, kept_email) = of(kept.end_customer.as_ref());
    let texts = [
        ("group", &sent.groupid, &kept.groupid),
        ("description", &sent.description, &kept.description),
        (
            "waiting_message",
            &sent.waiting_message,
            &kept.waiting_message,
        ),
        ("customer_name", &sent_name, &kept_name),
        ("customer_email", &sent_email, &kept_email),
        ("assigned_to", &sent.assigned_userid, &kept.assigned_userid),
        ("task", &sent.custom_api, &kept.custom_api),
    ];
    let second = |at: Option<Timestamp>| at.map(Timestamp::as_second);
    let until = sent.valid_until.is_none() || second(sent.valid_until) == second(kept.valid_until);
    texts
        .into_iter()
        .map(|(field, sent, kept)| (field, same(sent.as_deref(), kept.as_deref())))
        .chain([("valid_until", until)])
        .filter(|(_, same)| !same)
        .map(|(field, _)| format!("TeamViewer did not keep `{field}` as it was sent"))
        .collect()
}

/// What was not sent may be anything.
fn same(sent: Option<&str>, kept: Option<&str>) -> bool {
    sent.is_none_or(|sent| kept.unwrap_or_default().trim() == sent.trim())
}

/// The requests of a first attempt.
pub(crate) fn requests(planned: &Planned) -> Result<Vec<PlannedRequest>, Problem> {
    let mut requests = Vec::new();
    let mut body = planned.in_group("g1").body()?;
    let id = match &planned.group {
        Group::Id(id) => id.clone(),
        Group::Name(name) => {
            let request = PlannedRequest::new("GET", "/api/v1/groups");
            let request = request.query([("name", name.as_str())]);
            requests.push(request.note("tells the id of the group"));
            unknown(format!("id of the group {name}"))
        }
    };
    if let Value::Object(fields) = &mut body {
        fields.insert("groupid".to_owned(), Value::String(id));
    }
    let request = PlannedRequest::new("POST", "/api/v1/sessions").body(body);
    requests.push(request.note(
        "an attempt after a lost answer looks for a session that carries this task's key first",
    ));
    let path = format!("/api/v1/sessions/{}", unknown("code"));
    let read = PlannedRequest::new("GET", path);
    requests.push(read.note(format!(
        "{ONLY_IF}the answer tells the session's address alone"
    )));
    Ok(requests)
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
    format!("`{kind}` is no TeamViewer task")
}
