//! Zendesk's ticketing API, with what it ignores, alters and refuses.
//!
//! Sources: the API reference at developer.zendesk.com (pages "Tickets", "Ticket Comments", "Ticket Fields", "Tags",
//! "Users", "Introduction", "Security and authentication"), and recorded traffic.

mod comment;
pub(crate) mod config;
mod custom_object;
mod field;
mod oauth;
mod profile;
mod ticket;
mod write;

use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

pub use self::config::{
    ApiToken, Config, CustomObject, FieldOption, FieldType, ObjectField, ObjectFieldType, Person,
    TicketField, UnknownFields,
};
use self::custom_object::Object;
use self::field::Field;
use self::profile::Profile;
use self::ticket::Ticket;
use crate::Secret;
use crate::credentials::{BearerToken, Presented, Rotation};
use crate::exchange::{Answer, VendorRequest};
use crate::instance::VendorState;
use crate::oauth::OAuth;

/// The documented life of an idempotency key.
const KEY_LIFETIME: SignedDuration = SignedDuration::from_hours(2);
/// Calls a minute on an Enterprise plan; only counted down in headers, a refusal is made with a fault.
const CALLS_A_MINUTE: u64 = 700;
/// Real ids of anything but tickets have so many digits that they don't fit into 32 bits.
const FIRST_ID: u64 = 6_130_907_990_001;
const LARGEST_PAGE: usize = 100;

/// An address at which there is no account.
pub(crate) fn unknown_host(subdomain: &str) -> Answer {
    Answer::json(
        404,
        json!({ "error": {
            "title": format!("No help desk at {subdomain}.zendesk.com"),
            "message": "There is no help desk configured at this address. This means that the address is available \
                        and that you can claim it at http://www.zendesk.com/signup",
        } }),
    )
}

pub(crate) struct Zendesk {
    users: BTreeMap<u64, User>,
    /// Whom bearer tokens stand for that name nobody.
    first_user: Option<String>,
    api_tokens: Vec<ApiToken>,
    wrong_token_is_anonymous: bool,
    oauth: OAuth,
    token_status: u16,
    fields: Vec<Field>,
    system_fields_from: u64,
    with_hold: bool,
    tickets: BTreeMap<u64, Ticket>,
    created: BTreeMap<String, Created>,
    last_ticket: u64,
    last_id: u64,
    profiles: Vec<Profile>,
    objects: Vec<Object>,
    unknown_fields: UnknownFields,
    /// Counts what has a ULID.
    serial: u64,
}

struct User {
    email: String,
    name: String,
    role: Role,
    password: Option<Secret>,
    searchable_from: Timestamp,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    EndUser,
    Agent,
    Admin,
}

impl Role {
    fn name(self) -> &'static str {
        match self {
            Self::EndUser => "end-user",
            Self::Agent => "agent",
            Self::Admin => "admin",
        }
    }

    fn is_agent(self) -> bool {
        match self {
            Self::EndUser => false,
            Self::Agent | Self::Admin => true,
        }
    }
}

/// The answer to a create that carried an idempotency key.
struct Created {
    at: Timestamp,
    body: Value,
    answer: Answer,
}

enum Caller {
    User { id: u64, scope: String },
    Anonymous,
    BadApiToken,
    DeadBearerToken,
}

/// Sets up an account, or says what contradicts itself in its configuration.
pub(crate) fn open(_subdomain: &str, config: Config) -> Result<Zendesk, String> {
    let mut state = Zendesk {
        users: BTreeMap::new(),
        first_user: None,
        api_tokens: config.api_tokens,
        wrong_token_is_anonymous: config.wrong_token_is_anonymous,
        oauth: OAuth::open(Vec::new(), false, |_| false)?,
        token_status: config.token_status.unwrap_or(201),
        fields: Vec::new(),
        system_fields_from: 0,
        with_hold: !config.without_hold,
        tickets: BTreeMap::new(),
        created: BTreeMap::new(),
        last_ticket: 0,
        last_id: FIRST_ID,
        profiles: Vec::new(),
        objects: Vec::new(),
        unknown_fields: config.unknown_fields,
        serial: 0,
    };
    if ![200, 201].contains(&state.token_status) {
        return Err(format!("no token is issued with {}", state.token_status));
    }
    for login in config.users {
        state.add_user(
            None,
            &login.username,
            login.name,
            Role::Admin,
            Some(login.password),
        )?;
    }
    for (people, role) in [
        (config.agents, Role::Agent),
        (config.end_users, Role::EndUser),
    ] {
        for person in people {
            state.add_user(person.id, &person.email, person.name, role, None)?;
        }
    }
    let emails: Vec<String> = state
        .api_tokens
        .iter()
        .map(|token| token.email.clone())
        .collect();
    for email in emails {
        if state.user_with_email(&email).is_none() {
            state.add_user(None, &email, None, Role::Admin, None)?;
        }
    }
    state.system_fields_from = state.next_id();
    state.last_id += 100;
    for config in config.ticket_fields {
        let id = config.id.unwrap_or_else(|| state.next_id());
        if state.fields.iter().any(|field| field.id == id) {
            return Err(format!("two ticket fields have the id {id}"));
        }
        state.fields.push(Field::open(id, config)?);
    }
    for config in config.custom_objects {
        state.add_object(config)?;
    }
    for client in &config.oauth_clients {
        oauth::check_client(client)?;
    }
    state.oauth = OAuth::open(config.oauth_clients, config.deny, |username| {
        state.user_with_email(username).is_some()
    })?;
    for token in config.bearer_tokens {
        state.add_token(token, Timestamp::now())?;
    }
    Ok(state)
}

impl Zendesk {
    fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    fn add_user(
        &mut self,
        id: Option<u64>,
        email: &str,
        name: Option<String>,
        role: Role,
        password: Option<Secret>,
    ) -> Result<u64, String> {
        if self.user_with_email(email).is_some() {
            return Err(format!("two users have the address {email}"));
        }
        self.first_user.get_or_insert_with(|| email.to_owned());
        let id = id.unwrap_or_else(|| self.next_id());
        let name = name.unwrap_or_else(|| email.split('@').next().unwrap_or(email).to_owned());
        let user = User {
            email: email.to_owned(),
            name,
            role,
            password,
            searchable_from: Timestamp::UNIX_EPOCH,
        };
        match self.users.insert(id, user) {
            None => Ok(id),
            Some(_) => Err(format!("two users have the id {id}")),
        }
    }

    fn add_object(&mut self, config: CustomObject) -> Result<(), String> {
        let (id, fields_from) = (self.next_id(), self.next_id());
        self.last_id += 2 + config.fields.len() as u64;
        let object = Object::open(config, id, fields_from)?;
        self.objects.push(object);
        Ok(())
    }

    fn user_with_email(&self, email: &str) -> Option<(u64, &User)> {
        self.users
            .iter()
            .find(|(_, user)| !email.is_empty() && user.email.eq_ignore_ascii_case(email))
            .map(|(id, user)| (*id, user))
    }

    fn caller(&self, request: &VendorRequest) -> Caller {
        match Presented::read(request.header("authorization")) {
            Presented::Nothing => Caller::Anonymous,
            Presented::Basic { username, password } => {
                if let Some(email) = username.strip_suffix("/token") {
                    let known = self
                        .api_tokens
                        .iter()
                        .any(|token| token.token.matches(&password));
                    return match self.user_with_email(email) {
                        Some((id, user)) if known && user.role.is_agent() => Caller::User {
                            id,
                            scope: "read write".to_owned(),
                        },
                        Some(_) | None => Caller::BadApiToken,
                    };
                }
                let user = self.user_with_email(&username).filter(|(_, user)| {
                    user.password
                        .as_ref()
                        .is_some_and(|secret| secret.matches(&password))
                });
                match user {
                    Some((id, _)) => Caller::User {
                        id,
                        scope: "read write".to_owned(),
                    },
                    None => Caller::Anonymous,
                }
            }
            Presented::Bearer(token) => {
                let issued = self.oauth.valid(&token, request.now);
                let user = issued
                    .and_then(|issued| Some((self.user_with_email(&issued.username)?.0, issued)));
                match user {
                    Some((id, issued)) => Caller::User {
                        id,
                        scope: issued.scope.clone(),
                    },
                    None => Caller::DeadBearerToken,
                }
            }
        }
    }

    /// The agent who calls, or the refusal. Some resources have scopes of their own, such as `tickets:read`.
    fn agent(&self, request: &VendorRequest, resource: Option<&str>) -> Result<u64, Answer> {
        let (id, scope) = match self.caller(request) {
            Caller::User { id, scope } => (id, scope),
            Caller::Anonymous | Caller::BadApiToken => return Err(not_authenticated()),
            Caller::DeadBearerToken => return Err(dead_bearer_token()),
        };
        check_scope(request, &scope, resource)?;
        let is_agent = self.users.get(&id).is_some_and(|user| user.role.is_agent());
        if !is_agent {
            return Err(Answer::json(
                403,
                json!({ "error": { "title": "Forbidden", "message": "You do not have access to this page. Please \
                    contact the account owner of this help desk for further help." } }),
            ));
        }
        Ok(id)
    }

    fn respond(&mut self, request: &VendorRequest) -> Result<Answer, Answer> {
        let mut segments = request.segments();
        if let Some(last) = segments.last_mut()
            && let Some(bare) = last.strip_suffix(".json")
        {
            *last = bare.to_owned();
        }
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        if let Some(answer) = self.oauth_endpoint(request, &segments) {
            return Ok(answer);
        }
        let ["api", "v2", path @ ..] = segments.as_slice() else {
            return Err(invalid_endpoint());
        };
        if (request.method.as_str(), path) == ("GET", &["users", "me"]) {
            return self.me(request);
        }
        let resource = match path {
            ["tickets" | "ticket_fields", ..] => Some("tickets"),
            ["users", _, "profiles"] => None,
            ["users", ..] => Some("users"),
            _ => None,
        };
        let agent = self.agent(request, resource)?;
        match (request.method.as_str(), path) {
            (_, ["oauth", "tokens", "current"]) => self.current_token(request),
            (_, ["user_profiles", rest @ ..]) => self.user_profiles(request, rest),
            (_, ["custom_objects", rest @ ..]) => self.custom_objects(request, agent, rest),
            ("GET", ["users", "search"]) => self.search_users(request),
            (_, ["users", id, rest @ ..]) => {
                let id: u64 = id.parse().map_err(|_| invalid_endpoint())?;
                match (request.method.as_str(), rest) {
                    ("GET", []) => {
                        let user = self.users.get(&id).ok_or_else(not_found)?;
                        let json = user_json(&request.instance_url, id, user);
                        Ok(Answer::json(200, json!({ "user": json })))
                    }
                    (_, ["profiles"]) => self.profiles_of_user(request, id),
                    (_, _) => Err(invalid_endpoint()),
                }
            }
            ("GET", ["tickets"]) => Ok(self.list(request)),
            ("POST", ["tickets"]) => self.create_once(request, agent),
            ("GET", ["tickets", "count"]) => Ok(Answer::json(
                200,
                json!({ "count": { "value": self.tickets.len(), "refreshed_at": request.now } }),
            )),
            ("GET", ["ticket_fields"]) => Ok(self.list_fields(request)),
            (method, ["tickets", id, rest @ ..]) => {
                // An id that is no number matches no route.
                let id: u64 = id.parse().map_err(|_| invalid_endpoint())?;
                let ticket = self.tickets.get(&id).ok_or_else(not_found);
                match (method, rest) {
                    ("GET", []) => {
                        let json = self.ticket_json(request, ticket?);
                        Ok(Answer::json(200, json!({ "ticket": json })))
                    }
                    ("PUT", []) => {
                        ticket?;
                        self.update(request, agent, id)
                    }
                    ("DELETE", []) => {
                        ticket?;
                        self.tickets.remove(&id);
                        Ok(Answer::empty(204))
                    }
                    ("GET", ["comments"]) => {
                        let comments = ticket?
                            .comments
                            .iter()
                            .map(ticket::Comment::to_json)
                            .collect();
                        Ok(page(request, "comments", comments))
                    }
                    ("GET", ["audits"]) => Ok(page(request, "audits", ticket?.audits.clone())),
                    ("GET", ["tags"]) => Ok(Answer::json(200, json!({ "tags": ticket?.tags }))),
                    ("PUT" | "POST" | "DELETE", ["tags"]) => {
                        ticket?;
                        self.change_tags(request, agent, id)
                    }
                    (_, _) => Err(invalid_endpoint()),
                }
            }
            (_, _) => Err(invalid_endpoint()),
        }
    }

    fn me(&self, request: &VendorRequest) -> Result<Answer, Answer> {
        let user = match self.caller(request) {
            Caller::User { id, scope } => {
                check_scope(request, &scope, Some("users"))?;
                let user = self.users.get(&id).ok_or_else(not_authenticated)?;
                let mut json = user_json(&request.instance_url, id, user);
                json["authenticity_token"] = json!("sandbox-authenticity-token");
                json
            }
            // A wrong password gets no refusal here, only somebody else's face.
            Caller::Anonymous => anonymous(),
            Caller::BadApiToken if self.wrong_token_is_anonymous => anonymous(),
            Caller::BadApiToken => return Err(not_authenticated()),
            Caller::DeadBearerToken => return Err(dead_bearer_token()),
        };
        Ok(Answer::json(200, json!({ "user": user })))
    }

    /// Finds parts of names and addresses, and only what the index has already.
    fn search_users(&self, request: &VendorRequest) -> Result<Answer, Answer> {
        if request.parameter("external_id").is_some() {
            // Nobody here has one.
            return Ok(page(request, "users", Vec::new()));
        }
        let query = request.parameter("query").ok_or_else(|| {
            Answer::json(
                400,
                json!({ "error": { "title": "Invalid attribute", "message": "Give a query or an external_id" } }),
            )
        })?;
        let query = query.to_lowercase();
        let found = self
            .users
            .iter()
            .filter(|(_, user)| request.now >= user.searchable_from)
            .filter(|(_, user)| {
                let (email, name) = (user.email.to_lowercase(), user.name.to_lowercase());
                query
                    .split_whitespace()
                    .all(|term| match term.split_once(':') {
                        Some(("email", part)) => email.contains(part.trim_matches('"')),
                        Some(("name", part)) => name.contains(part.trim_matches('"')),
                        Some(("role", role)) => user.role.name() == role,
                        Some(("type", kind)) => kind == "user",
                        Some(_) => false,
                        None => email.contains(term) || name.contains(term),
                    })
            })
            .map(|(id, user)| user_json(&request.instance_url, *id, user))
            .collect();
        Ok(page(request, "users", found))
    }

    fn ticket_json(&self, request: &VendorRequest, ticket: &Ticket) -> Value {
        let ids: Vec<u64> = self.fields.iter().map(|field| field.id).collect();
        ticket.to_json(&request.instance_url, &ids)
    }

    fn list(&self, request: &VendorRequest) -> Answer {
        let wanted = request.parameter("external_id");
        let tickets = self
            .tickets
            .values()
            .filter(|ticket| {
                wanted.is_none_or(|wanted| ticket.get("external_id").as_str() == Some(wanted))
            })
            .map(|ticket| self.ticket_json(request, ticket))
            .collect();
        page(request, "tickets", tickets)
    }

    fn list_fields(&self, request: &VendorRequest) -> Answer {
        let host = &request.instance_url;
        let mut fields = field::system_fields(self.system_fields_from, self.with_hold, host);
        let own = self.fields.iter().zip(fields.len()..);
        fields.extend(
            own.map(|(field, position)| field.to_json(position, host))
                .collect::<Vec<_>>(),
        );
        if request.parameter("page[size]").is_some() {
            fields.sort_by_key(|field| field["id"].as_u64());
            return page(request, "ticket_fields", fields);
        }
        // Without paging parameters this list is whole.
        let count = fields.len();
        Answer::json(
            200,
            json!({ "ticket_fields": fields, "next_page": null, "previous_page": null, "count": count }),
        )
    }

    fn create_once(&mut self, request: &VendorRequest, agent: u64) -> Result<Answer, Answer> {
        let Some(key) = request.header("idempotency-key").map(str::to_owned) else {
            return self.create(request, agent);
        };
        // A `keep` fault alters what is stored, not what was sent.
        let sent: Value = serde_json::from_str(&request.text).unwrap_or(Value::Null);
        let first = self
            .created
            .get(&key)
            .filter(|created| request.now.duration_since(created.at) < KEY_LIFETIME);
        if let Some(first) = first {
            if first.body == sent {
                return Ok(first
                    .answer
                    .clone()
                    .with_header("x-idempotency-lookup", "hit"));
            }
            return Err(Answer::json(
                400,
                json!({ "error": "IdempotentRequestError",
                    "description": "Request parameters don't match the given idempotency key" }),
            ));
        }
        let answer = self.create(request, agent)?;
        let created = Created {
            at: request.now,
            body: sent,
            answer: answer.clone(),
        };
        self.created.insert(key, created);
        Ok(answer.with_header("x-idempotency-lookup", "miss"))
    }
}

impl VendorState for Zendesk {
    fn identify(&self, request: &VendorRequest) -> Option<String> {
        match self.caller(request) {
            Caller::User { id, .. } => self.users.get(&id).map(|user| user.email.clone()),
            Caller::Anonymous | Caller::BadApiToken | Caller::DeadBearerToken => None,
        }
    }

    fn answer(&mut self, request: &VendorRequest) -> Answer {
        let remaining = CALLS_A_MINUTE.saturating_sub(request.serial % CALLS_A_MINUTE);
        self.respond(request)
            .unwrap_or_else(|refusal| refusal)
            .with_header("x-request-id", format!("sandbox-{}", request.serial))
            .with_header("x-rate-limit", CALLS_A_MINUTE.to_string())
            .with_header("x-rate-limit-remaining", remaining.to_string())
            .with_header("ratelimit-limit", CALLS_A_MINUTE.to_string())
            .with_header("ratelimit-remaining", remaining.to_string())
            .with_header("ratelimit-reset", "30")
    }

    fn written_fields<'a>(&self, body: &'a mut Value) -> Option<&'a mut Map<String, Value>> {
        let around = ["ticket", "profile", "custom_object_record"]
            .into_iter()
            .find(|name| body.get(name).is_some());
        match around {
            Some(name) => body.get_mut(name)?.as_object_mut(),
            // Calls about tags alone, or for a token, have no object around them.
            None => body.as_object_mut(),
        }
    }

    fn records(&self, table: &str) -> Result<Vec<Value>, String> {
        match table {
            "tickets" => {
                let ids: Vec<u64> = self.fields.iter().map(|field| field.id).collect();
                let tickets = self.tickets.values().map(|ticket| {
                    let mut json = ticket.to_json("", &ids);
                    json["comments"] = ticket.comments.iter().map(ticket::Comment::to_json).collect();
                    json["audits"] = json!(ticket.audits);
                    json
                });
                Ok(tickets.collect())
            }
            "users" => Ok(self
                .users
                .iter()
                .map(|(id, user)| {
                    json!({ "id": id, "email": user.email, "name": user.name, "role": user.role.name() })
                })
                .collect()),
            "profiles" => Ok(self.profiles.iter().map(Profile::to_json).collect()),
            _ => table
                .strip_prefix("custom_objects/")
                .and_then(|key| self.objects.iter().find(|object| object.has_key(key)))
                .map(|object| object.records(""))
                .ok_or_else(|| {
                    format!(
                        "there is no table {table}: use tickets, users, profiles or custom_objects/KEY"
                    )
                }),
        }
    }

    fn oauth(&mut self) -> &mut OAuth {
        &mut self.oauth
    }

    fn add_token(&mut self, token: BearerToken, now: Timestamp) -> Result<(), String> {
        let first = self
            .first_user
            .as_deref()
            .ok_or("a bearer token needs a user to stand for")?;
        let is_user = |email: &str| is_address_of(&self.users, email);
        self.oauth.add_token(token, first, is_user, now)
    }

    fn rotate(&mut self, username: &str, rotation: Rotation) -> Result<(), String> {
        let user = self
            .users
            .values_mut()
            .find(|user| user.email.eq_ignore_ascii_case(username))
            .ok_or_else(|| format!("there is no user {username}"))?;
        if let Some(password) = rotation.password {
            user.password = Some(password);
        }
        if let Some(secret) = rotation.api_token {
            self.api_tokens
                .retain(|token| !token.email.eq_ignore_ascii_case(username));
            self.api_tokens.push(ApiToken {
                email: username.to_owned(),
                token: secret,
            });
        }
        Ok(())
    }
}

fn is_address_of(users: &BTreeMap<u64, User>, email: &str) -> bool {
    users
        .values()
        .any(|user| user.email.eq_ignore_ascii_case(email))
}

fn user_json(host: &str, id: u64, user: &User) -> Value {
    let email = (!user.email.is_empty()).then_some(&user.email);
    json!({ "id": id, "url": format!("{host}/api/v2/users/{id}.json"), "name": user.name, "email": email,
        "role": user.role.name(), "active": true, "verified": user.role.is_agent(), "external_id": null })
}

fn anonymous() -> Value {
    json!({ "id": null, "url": null, "name": "Anonymous user", "email": "invalid@example.com", "role": "end-user",
        "active": false, "verified": false, "authenticity_token": "sandbox-authenticity-token" })
}

/// The same list under another query.
fn page_link(request: &VendorRequest, replaced: &[(&str, String)]) -> String {
    let query: String = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(
            request
                .query
                .iter()
                .filter(|(name, _)| !replaced.iter().any(|(other, _)| name == other)),
        )
        .extend_pairs(replaced)
        .finish();
    format!("{}{}?{query}", request.instance_url, request.path)
}

fn number(request: &VendorRequest, name: &str) -> Option<usize> {
    request.parameter(name)?.parse().ok()
}

/// One page of a list that knows cursors alone; `size` counts when none was asked for.
fn cursor_page(request: &VendorRequest, key: &str, items: Vec<Value>, size: usize) -> Answer {
    let total = items.len();
    let size = number(request, "page[size]")
        .unwrap_or(size)
        .clamp(1, LARGEST_PAGE);
    let start = number(request, "page[after]").unwrap_or_default();
    let shown: Vec<Value> = items.into_iter().skip(start).take(size).collect();
    let end = start + shown.len();
    // The link goes on being set on the last page; only has_more tells the end.
    let next = (!shown.is_empty()).then(|| page_link(request, &[("page[after]", end.to_string())]));
    Answer::json(
        200,
        json!({ key: shown, "meta": { "has_more": end < total, "after_cursor": end.to_string(),
            "before_cursor": start.to_string() }, "links": { "next": next, "prev": null } }),
    )
}

/// One page of a list, by cursor or by offset as the request asks.
fn page(request: &VendorRequest, key: &str, items: Vec<Value>) -> Answer {
    if let Some(size) = number(request, "page[size]") {
        return cursor_page(request, key, items, size);
    }
    let total = items.len();
    let size = number(request, "per_page")
        .unwrap_or(LARGEST_PAGE)
        .clamp(1, LARGEST_PAGE);
    let current = number(request, "page").unwrap_or(1).max(1);
    let start = (current - 1) * size;
    let next =
        (start + size < total).then(|| page_link(request, &[("page", (current + 1).to_string())]));
    let previous =
        (current > 1).then(|| page_link(request, &[("page", (current - 1).to_string())]));
    let shown: Vec<Value> = items.into_iter().skip(start).take(size).collect();
    Answer::json(
        200,
        json!({ key: shown, "next_page": next, "previous_page": previous, "count": total }),
    )
}

fn check_scope(request: &VendorRequest, scope: &str, resource: Option<&str>) -> Result<(), Answer> {
    let needed = if request.method == "GET" {
        "read"
    } else {
        "write"
    };
    let finer = resource.map(|resource| format!("{resource}:{needed}"));
    let granted = scope
        .split(' ')
        .any(|granted| granted == needed || Some(granted) == finer.as_deref());
    if granted {
        return Ok(());
    }
    Err(Answer::json(
        403,
        json!({ "error": "Forbidden",
            "description": format!("You are missing the following required scopes: {needed}") }),
    ))
}

/// Sorted by time and, within a second, by number.
fn ulid(now: Timestamp, serial: u64) -> String {
    const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let mut hasher = DefaultHasher::new();
    serial.hash(&mut hasher);
    let milliseconds = u128::try_from(now.as_millisecond()).unwrap_or_default();
    let number =
        milliseconds << 80 | u128::from(serial & 0xFFFF) << 64 | u128::from(hasher.finish());
    (0..26)
        .rev()
        .map(|place| usize::try_from((number >> (place * 5)) & 31).unwrap_or_default())
        .map(|digit| char::from(DIGITS[digit]))
        .collect()
}

fn not_authenticated() -> Answer {
    Answer::json(401, json!({ "error": "Couldn't authenticate you" }))
}

fn dead_bearer_token() -> Answer {
    Answer::json(
        401,
        json!({ "error": "invalid_token", "error_description":
            "The access token provided is expired, revoked, malformed or invalid for other reasons." }),
    )
}

fn not_found() -> Answer {
    Answer::json(
        404,
        json!({ "error": "RecordNotFound", "description": "Not found" }),
    )
}

fn invalid_endpoint() -> Answer {
    Answer::json(
        404,
        json!({ "error": "InvalidEndpoint", "description": "Not found" }),
    )
}
