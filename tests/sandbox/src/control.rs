//! The control API, as documented at the crate's root.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::credentials::{BearerToken, Rotation};
use crate::exchange::Answer;
use crate::fault::{Action, Fault};
use crate::instance::{Instance, VendorState};
use crate::server::{Server, Vendor};
use crate::{qualtrics, servicenow, teamviewer, zendesk};

/// How far the instance's clock jumps.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClockJump {
    pub(crate) seconds: u32,
}

/// Whether people click "Deny" from now on.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Deny {
    pub(crate) deny: bool,
}

/// Which held request to let go; all of them without an id.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Release {
    #[serde(default)]
    pub(crate) id: Option<u64>,
}

pub(crate) fn refuse(status: u16, reason: &str) -> Answer {
    Answer::json(status, json!({ "error": reason }))
}

pub(crate) fn no_such_path(path: &str) -> Answer {
    refuse(
        404,
        &format!(
            "nothing at {path}: use /_sandbox, /servicenow/<instance>, /zendesk/<subdomain>, /qualtrics/<datacenter> or \
             /teamviewer/<company>"
        ),
    )
}

pub(crate) fn answer(server: &Server, method: &str, path: &str, query: &str, text: &str) -> Answer {
    respond(server, method, path, query, text).unwrap_or_else(|refusal| refusal)
}

fn respond(
    server: &Server,
    method: &str,
    path: &str,
    query: &str,
    text: &str,
) -> Result<Answer, Answer> {
    let segments: Vec<String> = path
        .split('/')
        .skip(2)
        .filter(|segment| !segment.is_empty())
        .map(|segment| {
            percent_encoding::percent_decode_str(segment)
                .decode_utf8_lossy()
                .into_owned()
        })
        .collect();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    if segments.is_empty() && method == "GET" {
        return Ok(Answer::json(200, json!({ "instances": server.names() })));
    }
    let [vendor, name, rest @ ..] = segments.as_slice() else {
        return Err(refuse(
            404,
            "expected /_sandbox/{servicenow|zendesk|qualtrics|teamviewer}/{name}/...",
        ));
    };
    let vendor = Vendor::parse(vendor).ok_or_else(|| {
        refuse(
            404,
            &format!("no vendor {vendor}: there are servicenow, zendesk, qualtrics and teamviewer"),
        )
    })?;
    if rest.is_empty() && method == "PUT" {
        let state: Box<dyn VendorState> = match vendor {
            Vendor::ServiceNow => Box::new(servicenow::open(name, parse(text)?).map_err(invalid)?),
            Vendor::Zendesk => Box::new(zendesk::open(name, parse(text)?).map_err(invalid)?),
            Vendor::Qualtrics => Box::new(qualtrics::open(name, parse(text)?).map_err(invalid)?),
            Vendor::TeamViewer => Box::new(teamviewer::open(name, parse(text)?).map_err(invalid)?),
        };
        let url = format!("{}/{}/{name}", server.base_url, vendor.segment());
        server.put(vendor, name, Instance::new(url.clone(), state));
        return Ok(Answer::json(200, json!({ "url": url })));
    }
    if (method, rest) == ("DELETE", &[]) {
        find(server, vendor, name)?;
        server.remove(vendor, name);
        return Ok(Answer::empty(204));
    }
    let instance = find(server, vendor, name)?;
    respond_for(&instance, method, rest, query, text)?
        .ok_or_else(|| refuse(404, &format!("the control API has no {method} {path}")))
}

fn find(server: &Server, vendor: Vendor, name: &str) -> Result<Arc<Instance>, Answer> {
    server
        .instance(vendor, name)
        .ok_or_else(|| refuse(404, &format!("no instance {}/{name}", vendor.segment())))
}

/// `None` when there is no such call.
fn respond_for(
    instance: &Instance,
    method: &str,
    path: &[&str],
    query: &str,
    text: &str,
) -> Result<Option<Answer>, Answer> {
    let answer = match (method, path) {
        ("GET", ["requests"]) => Answer::json(200, json!({ "requests": instance.requests() })),
        ("GET", ["calls"]) => Answer::json(200, json!({ "calls": instance.calls() })),
        ("GET", ["records"]) => {
            let table = form_urlencoded::parse(query.as_bytes())
                .find(|(key, _)| key == "table")
                .ok_or_else(|| refuse(400, "name the table: ?table=incident"))?;
            let records = instance.records(&table.1).map_err(invalid)?;
            Answer::json(200, json!({ "records": records }))
        }
        ("POST", ["faults"]) => {
            let faults: Vec<Fault> = parse(text)?;
            for fault in &faults {
                check(fault)?;
            }
            instance.add_faults(faults);
            Answer::empty(204)
        }
        ("GET", ["faults"]) => Answer::json(200, json!({ "faults": instance.faults() })),
        ("DELETE", ["faults"]) => {
            instance.clear_faults();
            Answer::empty(204)
        }
        ("GET", ["held"]) => Answer::json(200, json!({ "held": instance.held() })),
        ("POST", ["release"]) => {
            let release: Release = if text.is_empty() {
                Release::default()
            } else {
                parse(text)?
            };
            let released = instance.release(release.id);
            Answer::json(200, json!({ "released": released }))
        }
        ("POST", ["expire-tokens"]) => {
            instance.expire_tokens();
            Answer::empty(204)
        }
        ("POST", ["revoke-grants"]) => {
            instance.revoke_grants();
            Answer::empty(204)
        }
        ("POST", ["deny"]) => {
            let Deny { deny } = parse(text)?;
            instance.deny(deny);
            Answer::empty(204)
        }
        ("GET", ["oauth"]) => {
            Answer::json(200, json!({ "token_requests": instance.token_requests() }))
        }
        ("POST", ["bearer-tokens"]) => {
            let token: BearerToken = parse(text)?;
            instance.add_token(token).map_err(invalid)?;
            Answer::empty(204)
        }
        ("POST", ["advance-clock"]) => {
            let jump: ClockJump = parse(text)?;
            instance.advance_clock(jump.seconds);
            Answer::empty(204)
        }
        ("PUT", ["users", username]) => {
            let rotation: Rotation = parse(text)?;
            if rotation == Rotation::default() {
                return Err(refuse(400, "give a password or an api_token"));
            }
            instance.rotate(username, rotation).map_err(invalid)?;
            Answer::empty(204)
        }
        (_, _) => {
            return instance
                .control(method, path, text)
                .transpose()
                .map_err(invalid);
        }
    };
    Ok(Some(answer))
}

fn check(fault: &Fault) -> Result<(), Answer> {
    match &fault.action {
        Action::Status { status, .. } if !(200..=599).contains(status) => Err(refuse(
            400,
            &format!("{status} is no HTTP status from 200 to 599"),
        )),
        Action::Status { .. }
        | Action::Delay { .. }
        | Action::LoseAnswer
        | Action::RefuseBefore
        | Action::Hold { .. }
        | Action::Keep { .. } => Ok(()),
    }
}

fn parse<T: DeserializeOwned>(text: &str) -> Result<T, Answer> {
    serde_json::from_str(text).map_err(|error| refuse(400, &format!("request body: {error}")))
}

#[expect(clippy::needless_pass_by_value, reason = "passed to map_err by name")]
fn invalid(reason: String) -> Answer {
    refuse(400, &reason)
}
