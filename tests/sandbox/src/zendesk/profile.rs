//! Profiles, as in the API reference's page "Profiles" and the guides "Creating profiles" and "Updating profiles".

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::write::{json_body, seconds};
use super::{Role, Zendesk, invalid_endpoint, ulid};
use crate::exchange::{Answer, VendorRequest};

const MOST_PER_USER: usize = 20;
/// Identifiers that make a Zendesk user's identity, in the order in which they lend a name.
const NAMING: [&str; 6] = [
    "email",
    "external_id",
    "phone_number",
    "twitter",
    "facebook",
    "sdk",
];

type Fields = Map<String, Value>;

#[derive(Clone, PartialEq, Eq)]
struct Identifier {
    kind: String,
    value: String,
}

impl Identifier {
    fn new(kind: &str, value: &str) -> Self {
        let lower = ["email", "twitter"].contains(&kind);
        Self {
            kind: kind.to_owned(),
            value: if lower {
                value.to_lowercase()
            } else {
                value.to_owned()
            },
        }
    }

    fn is_standard(&self) -> bool {
        NAMING.contains(&self.kind.as_str())
    }
}

#[derive(Clone)]
pub(super) struct Profile {
    id: String,
    name: String,
    source: String,
    kind: String,
    identifiers: Vec<Identifier>,
    attributes: Fields,
    user_id: u64,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl Profile {
    pub(super) fn to_json(&self) -> Value {
        let identifiers: Vec<Value> = self
            .identifiers
            .iter()
            .map(|one| json!({ "type": one.kind, "value": one.value }))
            .collect();
        json!({ "id": self.id, "name": self.name, "source": self.source, "type": self.kind,
            "identifiers": identifiers, "attributes": self.attributes, "user_id": self.user_id.to_string(),
            "created_at": self.created_at, "updated_at": self.updated_at })
    }
}

/// `source:type:identifier_type:identifier_value`.
struct Selector {
    source: String,
    kind: String,
    identifier: Identifier,
}

impl Selector {
    fn of(request: &VendorRequest) -> Result<Self, Answer> {
        let text = request
            .parameter("identifier")
            .ok_or_else(|| refuse(400, "identifier query parameter is required"))?;
        let parts: Vec<&str> = text.splitn(4, ':').collect();
        match parts.as_slice() {
            [source, kind, identifier_type, value] if parts.iter().all(|part| !part.is_empty()) => {
                Ok(Self {
                    source: (*source).to_owned(),
                    kind: (*kind).to_owned(),
                    identifier: Identifier::new(identifier_type, value),
                })
            }
            _ => Err(refuse(
                400,
                "identifier query must be of the form source:type:identifier_type:identifier_value",
            )),
        }
    }

    fn finds(&self, profile: &Profile) -> bool {
        profile.source == self.source
            && profile.kind == self.kind
            && profile.identifiers.contains(&self.identifier)
    }
}

impl Zendesk {
    /// `/api/v2/user_profiles` and what is below it.
    pub(super) fn user_profiles(
        &mut self,
        request: &VendorRequest,
        path: &[&str],
    ) -> Result<Answer, Answer> {
        let position = match path {
            [] if request.method == "PUT" => return self.put_profile(request, None),
            [] => {
                let selector = Selector::of(request)?;
                self.profiles
                    .iter()
                    .position(|profile| selector.finds(profile))
            }
            [id] => self.profiles.iter().position(|profile| profile.id == *id),
            _ => return Err(invalid_endpoint()),
        };
        let position = position.ok_or_else(|| refuse(404, "Profile not found"));
        match (request.method.as_str(), path) {
            ("GET", _) => Ok(shown(200, &self.profiles[position?])),
            ("PATCH", _) => self.patch_profile(request, position?),
            ("PUT", [_]) => {
                let old = self.profiles[position?].clone();
                let selector = Selector {
                    source: old.source.clone(),
                    kind: old.kind.clone(),
                    // Any of its own: a replacement by id names none.
                    identifier: old.identifiers[0].clone(),
                };
                self.replace_profile(request, &selector, Some(old), None)
            }
            ("DELETE", [_]) => {
                self.profiles.remove(position?);
                Ok(Answer::empty(204))
            }
            (_, _) => Err(invalid_endpoint()),
        }
    }

    /// `/api/v2/users/{id}/profiles`.
    pub(super) fn profiles_of_user(
        &mut self,
        request: &VendorRequest,
        user: u64,
    ) -> Result<Answer, Answer> {
        if !self.users.contains_key(&user) {
            return Err(refuse(404, "User not found"));
        }
        match request.method.as_str() {
            "GET" => {
                let profiles: Vec<Value> = self
                    .profiles
                    .iter()
                    .filter(|profile| profile.user_id == user)
                    .map(Profile::to_json)
                    .collect();
                Ok(Answer::json(200, json!({ "profiles": profiles })))
            }
            "PUT" => self.put_profile(request, Some(user)),
            _ => Err(invalid_endpoint()),
        }
    }

    fn put_profile(
        &mut self,
        request: &VendorRequest,
        user: Option<u64>,
    ) -> Result<Answer, Answer> {
        let selector = Selector::of(request)?;
        if selector.source == "zendesk" {
            return Err(refuse(400, "source zendesk is reserved"));
        }
        let old = self
            .profiles
            .iter()
            .find(|profile| selector.finds(profile))
            .cloned();
        self.replace_profile(request, &selector, old, user)
    }

    /// Creates, or replaces `old` as a whole: what the body leaves out is lost.
    fn replace_profile(
        &mut self,
        request: &VendorRequest,
        selector: &Selector,
        old: Option<Profile>,
        user: Option<u64>,
    ) -> Result<Answer, Answer> {
        let fields = profile_fields(request)?;
        for (name, expected) in [("source", &selector.source), ("type", &selector.kind)] {
            if fields.get(name).is_some_and(|sent| sent != expected) {
                return Err(refuse(400, &format!("{name} differs from the query's")));
            }
        }
        let mut identifiers =
            identifiers(fields)?.ok_or_else(|| refuse(400, "profile.identifiers is required"))?;
        if !identifiers.contains(&selector.identifier) {
            identifiers.push(selector.identifier.clone());
        }
        let attributes = attributes(fields, &Fields::new())?
            .ok_or_else(|| refuse(400, "profile.attributes is required"))?;
        let name = match fields.get("name") {
            None | Some(Value::Null) => None,
            Some(name) => Some(
                name.as_str()
                    .ok_or_else(|| refuse(400, "profile.name must be a string"))?,
            ),
        }
        .filter(|name| !name.is_empty())
        .map_or_else(|| name_from(&identifiers), str::to_owned);
        let owner = self.owner(&identifiers, selector, old.as_ref(), user)?;
        let now = seconds(request.now);
        let user_id = match owner {
            Some(owner) => owner,
            None => self.anonymous_user(&identifiers, &name, request.now)?,
        };
        self.serial += 1;
        let profile = Profile {
            id: old
                .as_ref()
                .map_or_else(|| ulid(now, self.serial), |old| old.id.clone()),
            name,
            source: selector.source.clone(),
            kind: selector.kind.clone(),
            identifiers,
            attributes,
            user_id,
            created_at: old.as_ref().map_or(now, |old| old.created_at),
            updated_at: now,
        };
        let status = if old.is_some() { 200 } else { 201 };
        let answer = shown(status, &profile);
        match self.profiles.iter_mut().find(|old| old.id == profile.id) {
            Some(old) => *old = profile,
            None => self.profiles.push(profile),
        }
        Ok(answer)
    }

    /// Merges; `source`, `type` and `user_id` are passed over, and identifiers are only ever added.
    fn patch_profile(
        &mut self,
        request: &VendorRequest,
        position: usize,
    ) -> Result<Answer, Answer> {
        let fields = profile_fields(request)?;
        let mut profile = self.profiles[position].clone();
        for identifier in identifiers(fields)?.unwrap_or_default() {
            if !profile.identifiers.contains(&identifier) {
                profile.identifiers.push(identifier);
            }
        }
        if let Some(merged) = attributes(fields, &profile.attributes)? {
            profile.attributes = merged;
        }
        match fields.get("name") {
            None => {}
            Some(Value::Null) => profile.name = name_from(&profile.identifiers),
            Some(name) => name
                .as_str()
                .ok_or_else(|| refuse(400, "profile.name must be a string"))?
                .clone_into(&mut profile.name),
        }
        let selector = Selector {
            source: profile.source.clone(),
            kind: profile.kind.clone(),
            identifier: profile.identifiers[0].clone(),
        };
        self.owner(&profile.identifiers, &selector, Some(&profile), None)?;
        profile.updated_at = seconds(request.now);
        let answer = shown(200, &profile);
        self.profiles[position] = profile;
        Ok(answer)
    }

    /// The user to whom all of the identifiers belong, if there is one; a refusal when they belong to several people
    /// or to another profile of the same source and type.
    fn owner(
        &self,
        identifiers: &[Identifier],
        selector: &Selector,
        own: Option<&Profile>,
        user: Option<u64>,
    ) -> Result<Option<u64>, Answer> {
        let mut owners: Vec<u64> = user.into_iter().chain(own.map(|own| own.user_id)).collect();
        for identifier in identifiers {
            if identifier.kind == "email" {
                owners.extend(self.user_with_email(&identifier.value).map(|(id, _)| id));
            }
            for other in self
                .profiles
                .iter()
                .filter(|other| own.is_none_or(|own| own.id != other.id))
                .filter(|other| other.identifiers.contains(identifier))
            {
                if other.source == selector.source && other.kind == selector.kind {
                    return Err(refuse(400, "identifiers belong to more than one profile"));
                }
                if identifier.is_standard() {
                    owners.push(other.user_id);
                }
            }
        }
        owners.sort_unstable();
        owners.dedup();
        match owners.as_slice() {
            [] => Ok(None),
            [owner] => {
                let count = self
                    .profiles
                    .iter()
                    .filter(|profile| profile.user_id == *owner)
                    .count();
                if own.is_none() && count >= MOST_PER_USER {
                    return Err(refuse(400, "the user has too many profiles"));
                }
                Ok(Some(*owner))
            }
            _ => Err(refuse(400, "identifiers belong to more than one user")),
        }
    }

    fn anonymous_user(
        &mut self,
        identifiers: &[Identifier],
        name: &str,
        now: Timestamp,
    ) -> Result<u64, Answer> {
        let email = identifiers
            .iter()
            .find(|identifier| identifier.kind == "email")
            .map_or("", |identifier| identifier.value.as_str());
        let id = self
            .add_user(None, email, Some(name.to_owned()), Role::EndUser, None)
            .map_err(|reason| refuse(400, &reason))?;
        self.hide_from_search(id, now);
        Ok(id)
    }

    /// The search index lags.
    pub(super) fn hide_from_search(&mut self, user: u64, now: Timestamp) {
        if let Some(user) = self.users.get_mut(&user) {
            user.searchable_from = now + SignedDuration::from_mins(1);
        }
    }
}

fn shown(status: u16, profile: &Profile) -> Answer {
    Answer::json(status, json!({ "profile": profile.to_json() }))
}

fn profile_fields(request: &VendorRequest) -> Result<&Fields, Answer> {
    json_body(request)
        .and_then(|body| body.get("profile"))
        .and_then(Value::as_object)
        .ok_or_else(|| refuse(400, "profile must be an object"))
}

fn identifiers(fields: &Fields) -> Result<Option<Vec<Identifier>>, Answer> {
    let Some(sent) = fields.get("identifiers") else {
        return Ok(None);
    };
    let wrong = || {
        refuse(
            400,
            "profile.identifiers must be a list of types and values",
        )
    };
    let mut identifiers = Vec::new();
    for one in sent.as_array().ok_or_else(wrong)? {
        let text = |name: &str| {
            one.get(name)
                .and_then(Value::as_str)
                .filter(|text| !text.is_empty())
                .ok_or_else(wrong)
        };
        let identifier = Identifier::new(text("type")?, text("value")?);
        if identifier.kind == "email" && !identifier.value.contains('@') {
            return Err(refuse(400, "email identifier is invalid"));
        }
        if !identifiers.contains(&identifier) {
            identifiers.push(identifier);
        }
    }
    if identifiers.is_empty() {
        return Err(wrong());
    }
    Ok(Some(identifiers))
}

/// `before` with the sent attributes merged in, if any were sent; `null` takes one away.
fn attributes(fields: &Fields, before: &Fields) -> Result<Option<Fields>, Answer> {
    let sent = match fields.get("attributes") {
        None => return Ok(None),
        Some(Value::Null) => return Ok(Some(Fields::new())),
        Some(sent) => sent
            .as_object()
            .ok_or_else(|| refuse(400, "profile.attributes must be an object"))?,
    };
    let mut merged = before.clone();
    for (name, value) in sent {
        match value {
            Value::Null => {
                merged.remove(name);
            }
            Value::String(_) => {
                merged.insert(name.clone(), value.clone());
            }
            Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                return Err(refuse(
                    400,
                    &format!("profile.attributes.{name} must be a string"),
                ));
            }
        }
    }
    Ok(Some(merged))
}

fn name_from(identifiers: &[Identifier]) -> String {
    NAMING
        .iter()
        .find_map(|kind| identifiers.iter().find(|one| one.kind == *kind))
        .or(identifiers.first())
        .map(|one| one.value.clone())
        .unwrap_or_default()
}

fn refuse(status: u16, title: &str) -> Answer {
    Answer::json(
        status,
        json!({ "errors": [{ "code": "ClientError", "id": "10001", "title": title }] }),
    )
}
