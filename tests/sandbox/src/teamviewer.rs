//! TeamViewer's API as far as the connection report and service cases go, with what it ignores and refuses.
//!
//! Sources: the manual "TeamViewer API Documentation" and the OpenAPI document of <https://webapi.teamviewer.com/>, as
//! kept in <https://github.com/panoramicdata/TeamViewer.Api>; the errors that
//! <https://github.com/teamviewer/TeamViewerPS> knows; traffic recorded in the mocks of
//! <https://github.com/DeskproApps/teamviewer>.

pub(crate) mod config;
mod connection;
mod oauth;
mod session;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

pub use self::config::{
    Case, CaseState, Config, Connection, CreateAnswer, EndCustomer, Feedback, Group, Level,
    Permission, RateLimit, ScriptToken, StateStyle, Style, User, Window,
};
use self::connection::is_id;
use self::session::Session;
use crate::credentials::{BearerToken, Presented, Rotation};
use crate::exchange::{Answer, VendorRequest};
use crate::instance::VendorState;
use crate::oauth::{OAuth, OAuthClient};

const PAGES: std::ops::RangeInclusive<u16> = 1..=1000;

/// The names of errors.
mod error {
    pub(super) const INVALID_REQUEST: &str = "invalid_request";
    pub(super) const INVALID_TOKEN: &str = "invalid_token";
    pub(super) const TOKEN_EXPIRED: &str = "token_expired";
    pub(super) const INVALID_CLIENT: &str = "invalid_client";
    /// Not in the vendor's list, but in OAuth's standard.
    pub(super) const INVALID_GRANT: &str = "invalid_grant";
    pub(super) const INVALID_PERMISSION: &str = "invalid_permission";
    pub(super) const RATE_LIMIT_REACHED: &str = "rate_limit_reached";
    pub(super) const NOT_FOUND: &str = "not_found";
}

/// A path below which there is no company; the vendor has one host for all.
pub(crate) fn unknown_host() -> Answer {
    not_found()
}

pub(crate) struct TeamViewer {
    company: String,
    config: Config,
    users: Vec<User>,
    groups: Vec<Group>,
    connections: Vec<Connection>,
    sessions: Vec<Session>,
    oauth: OAuth,
    /// First call and number of calls, by token and function.
    calls: BTreeMap<(String, &'static str), (Timestamp, u32)>,
    /// How many session codes were made.
    codes: u64,
}

/// Sets up a company, or says what contradicts itself in its configuration.
pub(crate) fn open(name: &str, mut config: Config) -> Result<TeamViewer, String> {
    let users = if config.users.is_empty() {
        vec![User {
            id: "u1001".to_owned(),
            name: "Ann Example".to_owned(),
            email: None,
        }]
    } else {
        std::mem::take(&mut config.users)
    };
    if let Some(user) = users.iter().find(|user| !is_id(&user.id, 'u')) {
        return Err(format!("{} is no user's id", user.id));
    }
    let groups = std::mem::take(&mut config.groups);
    if let Some(group) = groups.iter().find(|group| !is_id(&group.id, 'g')) {
        return Err(format!("{} is no group's id", group.id));
    }
    if [config.page_size, config.sessions_page_size]
        .into_iter()
        .flatten()
        .any(|size| !PAGES.contains(&size))
    {
        return Err("a page has from 1 to 1000 entries".to_owned());
    }
    if let Some(status) = config.expired_status
        && ![400, 401].contains(&status)
    {
        return Err(format!("no expired token is refused with {status}"));
    }
    let is_user = |id: &str| users.iter().any(|user| user.id == id);
    for token in &config.script_tokens {
        if let Some(id) = &token.userid
            && !is_user(id)
        {
            return Err(format!("there is no user {id}"));
        }
    }
    for client in &config.oauth_clients {
        oauth::check_client(client)?;
        Permission::parse_all(&scope(client))?;
    }
    let clients = std::mem::take(&mut config.oauth_clients);
    let oauth = OAuth::open(clients, config.deny, is_user)?;
    let tokens = std::mem::take(&mut config.bearer_tokens);
    let connections = std::mem::take(&mut config.connections);
    let cases = std::mem::take(&mut config.sessions);
    let mut state = TeamViewer {
        company: name.to_owned(),
        config,
        users,
        groups,
        connections: Vec::new(),
        sessions: Vec::new(),
        oauth,
        calls: BTreeMap::new(),
        codes: 0,
    };
    let now = Timestamp::now();
    for token in tokens {
        state.add_token(token, now)?;
    }
    state.put_sessions(cases, now)?;
    state.put_connections(connections)?;
    Ok(state)
}

/// Who is calling, and what with.
struct Caller {
    /// Tells tokens apart.
    token: String,
    user: String,
    level: Level,
    permissions: Vec<Permission>,
}

impl Caller {
    fn may(&self, permission: Permission) -> bool {
        self.permissions.contains(&permission)
    }

    fn owns_connection(&self, record: &Connection) -> bool {
        match self.level {
            Level::Company => true,
            Level::User => record.userid.as_deref() == Some(&self.user),
        }
    }

    fn reads_all_sessions(&self) -> bool {
        self.level == Level::Company && self.may(Permission::SessionsReadAll)
    }
}

/// What is called.
#[derive(Clone, Copy)]
enum Call<'a> {
    Ping,
    Account,
    Users,
    Groups,
    MakeGroup,
    Connections,
    Connection(&'a str),
    EditConnection(&'a str),
    DeleteConnection(&'a str),
    Sessions,
    MakeSession,
    Session(&'a str),
    EditSession(&'a str),
    DeleteSession(&'a str),
}

impl<'a> Call<'a> {
    fn parse(method: &str, path: &[&'a str]) -> Option<Self> {
        Some(match (method, path) {
            ("GET", ["ping"]) => Self::Ping,
            ("GET", ["account"]) => Self::Account,
            ("GET", ["users"]) => Self::Users,
            ("GET", ["groups"]) => Self::Groups,
            ("POST", ["groups"]) => Self::MakeGroup,
            ("GET", ["reports", "connections"]) => Self::Connections,
            ("GET", ["reports", "connections", id]) => Self::Connection(id),
            ("PUT", ["reports", "connections", id]) => Self::EditConnection(id),
            ("DELETE", ["reports", "connections", id]) => Self::DeleteConnection(id),
            ("GET", ["sessions"]) => Self::Sessions,
            ("POST", ["sessions"]) => Self::MakeSession,
            ("GET", ["sessions", code]) => Self::Session(code),
            ("PUT", ["sessions", code]) => Self::EditSession(code),
            ("DELETE", ["sessions", code]) => Self::DeleteSession(code),
            (_, _) => return None,
        })
    }

    /// Its name, under which calls are counted, and the permissions of which any one will do.
    fn function(self) -> (&'static str, &'static [Permission]) {
        match self {
            Self::Ping => ("ping", &[]),
            Self::Account => ("account", &[Permission::AccountRead]),
            Self::Users => ("users", &[Permission::UsersRead]),
            Self::Groups => ("groups", &[Permission::GroupsRead]),
            Self::MakeGroup => ("make group", &[Permission::GroupsCreate]),
            Self::Connections => ("connections", &[Permission::ConnectionsRead]),
            Self::Connection(_) => ("connection", &[Permission::ConnectionsRead]),
            Self::EditConnection(_) => ("edit connection", &[Permission::ConnectionsModify]),
            Self::DeleteConnection(_) => ("delete connection", &[Permission::ConnectionsDelete]),
            Self::Sessions => (
                "sessions",
                &[Permission::SessionsReadAll, Permission::SessionsReadOwn],
            ),
            Self::MakeSession => ("make session", &[Permission::SessionsCreate]),
            Self::Session(_) => (
                "session",
                &[Permission::SessionsReadAll, Permission::SessionsReadOwn],
            ),
            Self::EditSession(_) => (
                "edit session",
                &[Permission::SessionsModifyAll, Permission::SessionsModifyOwn],
            ),
            Self::DeleteSession(_) => (
                "delete session",
                &[Permission::SessionsModifyAll, Permission::SessionsModifyOwn],
            ),
        }
    }
}

impl TeamViewer {
    fn first_user(&self) -> &str {
        self.users.first().map_or("", |user| user.id.as_str())
    }

    fn user(&self, id: &str) -> Option<&User> {
        self.users.iter().find(|user| user.id == id)
    }

    fn group(&self, id: &str) -> Option<&Group> {
        self.groups.iter().find(|group| group.id == id)
    }

    fn caller(&self, request: &VendorRequest) -> Result<Caller, Answer> {
        let unknown = || refuse(401, error::INVALID_TOKEN, "The access token is invalid.");
        let Presented::Bearer(given) = Presented::read(request.header("authorization")) else {
            return Err(unknown());
        };
        let script = self
            .config
            .script_tokens
            .iter()
            .position(|script| script.token.matches(&given));
        if let Some(position) = script {
            let script = &self.config.script_tokens[position];
            let user = script.userid.as_deref();
            let permissions = script.permissions.as_deref();
            return Ok(Caller {
                token: format!("script {position}"),
                user: user.unwrap_or(self.first_user()).to_owned(),
                level: script.level,
                permissions: permissions.unwrap_or(&Permission::ALL).to_vec(),
            });
        }
        if let Some(issued) = self.oauth.valid(&given, request.now) {
            return Ok(Caller {
                token: format!("issued {}", issued.id),
                user: issued.username.clone(),
                level: Level::User,
                permissions: Permission::parse_all(&issued.scope).unwrap_or_default(),
            });
        }
        // What was valid at the beginning of time has expired since.
        let expired = self.oauth.valid(&given, Timestamp::MIN).is_some();
        Err(if expired && self.config.expired_status == Some(400) {
            refuse(400, error::TOKEN_EXPIRED, "The access token has expired.")
        } else {
            unknown()
        })
    }

    fn count(
        &mut self,
        caller: &Caller,
        function: &'static str,
        now: Timestamp,
    ) -> Result<(), Answer> {
        let Some(limit) = self.config.rate_limit else {
            return Ok(());
        };
        let calls = self
            .calls
            .entry((caller.token.clone(), function))
            .or_insert((now, 0));
        if now.duration_since(calls.0) >= SignedDuration::from_secs(i64::from(limit.per_seconds)) {
            *calls = (now, 0);
        }
        if calls.1 >= limit.calls {
            return Err(refuse(
                403,
                error::RATE_LIMIT_REACHED,
                "The number of calls allowed in this time is reached.",
            ));
        }
        calls.1 += 1;
        Ok(())
    }

    fn respond(&mut self, request: &VendorRequest) -> Result<Answer, Answer> {
        let segments = request.segments();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        match (request.method.as_str(), segments.as_slice()) {
            ("GET", ["oauth2", "authorize"]) => return self.authorize(request),
            ("POST", ["api", "v1", "oauth2", "token"]) => return Ok(self.token(request)),
            ("POST", ["api", "v1", "oauth2", "revoke"]) => return self.revoke(request),
            (_, _) => {}
        }
        let ["api", "v1", path @ ..] = segments.as_slice() else {
            return Err(not_found());
        };
        let call = Call::parse(&request.method, path).ok_or_else(not_found)?;
        let (function, any_of) = call.function();
        let caller = match (self.caller(request), call) {
            (Err(_), Call::Ping) => return Ok(Answer::json(200, json!({ "token_valid": false }))),
            (caller, _) => caller?,
        };
        self.count(&caller, function, request.now)?;
        if !any_of.is_empty() && !any_of.iter().any(|permission| caller.may(*permission)) {
            return Err(refuse(
                403,
                error::INVALID_PERMISSION,
                "The access token lacks the permission.",
            ));
        }
        match call {
            Call::Ping => Ok(Answer::json(200, json!({ "token_valid": true }))),
            Call::Account => Ok(self.account(&caller)),
            Call::Users => Ok(self.list_users(request)),
            Call::Groups => Ok(self.list_groups(request)),
            Call::MakeGroup => self.create_group(request),
            Call::Connections => self.list_connections(request, &caller),
            Call::Connection(id) => self.read_connection(request, &caller, id),
            Call::EditConnection(id) => self.edit_connection(request, &caller, id),
            Call::DeleteConnection(id) => self.delete_connection(request, &caller, id),
            Call::Sessions => self.list_sessions(request, &caller),
            Call::MakeSession => self.create_session(request, &caller),
            Call::Session(code) => self.read_session(&caller, code),
            Call::EditSession(code) => self.edit_session(request, &caller, code),
            Call::DeleteSession(code) => self.delete_session(&caller, code),
        }
    }

    fn account(&self, caller: &Caller) -> Answer {
        let user = self.user(&caller.user);
        let license = json!({ "version": -1, "type": "Corporate", "isactive": true });
        Answer::json(
            200,
            json!({
                "userid": caller.user, "email": user.map(email), "name": user.map(|user| &user.name),
                "company_name": self.config.company_name.as_ref().unwrap_or(&self.company),
                "email_validated": true, "email_language": "en", "license": license,
                "available_licenses": [license], "custom_field_has_paid_license": "True"
            }),
        )
    }

    fn list_users(&self, request: &VendorRequest) -> Answer {
        let full = request.flag("full_list");
        let users: Vec<Value> = self
            .users
            .iter()
            .filter(|user| contains(&user.name, given(request, "name")))
            .filter(|user| {
                given(request, "email").is_none_or(|wanted| {
                    wanted
                        .split(',')
                        .any(|wanted| wanted.eq_ignore_ascii_case(&email(user)))
                })
            })
            .map(|user| {
                let mut shown = json!({ "id": user.id, "name": user.name, "email": email(user) });
                if full {
                    shown["active"] = json!(true);
                    shown["permissions"] = json!("ManageOwnGroups,ViewAllConnections");
                }
                shown
            })
            .collect();
        Answer::json(200, json!({ "users": users }))
    }

    fn list_groups(&self, request: &VendorRequest) -> Answer {
        let groups: Vec<Value> = self
            .groups
            .iter()
            .filter(|group| contains(&group.name, given(request, "name")))
            .map(|group| self.group_json(group))
            .collect();
        Answer::json(200, json!({ "groups": groups }))
    }

    fn create_group(&mut self, request: &VendorRequest) -> Result<Answer, Answer> {
        let name = string(body(request)?, "name")?.filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| invalid("'name' has to be set."))?;
        if self.groups.iter().any(|group| group.name == name) {
            return Err(invalid("There is a group of this 'name'."));
        }
        let group = self.make_group(name);
        Ok(Answer::json(200, self.group_json(&group)))
    }

    fn group_json(&self, group: &Group) -> Value {
        let owner = self.users.first();
        json!({
            "id": group.id, "name": group.name, "permissions": "owned",
            "owner": { "userid": owner.map(|user| &user.id), "name": owner.map(|user| &user.name) }
        })
    }
}

impl VendorState for TeamViewer {
    fn identify(&self, request: &VendorRequest) -> Option<String> {
        self.caller(request).ok().map(|caller| caller.user)
    }

    fn answer(&mut self, request: &VendorRequest) -> Answer {
        self.respond(request).unwrap_or_else(|refusal| refusal)
    }

    fn written_fields<'a>(&self, body: &'a mut Value) -> Option<&'a mut Map<String, Value>> {
        body.as_object_mut()
    }

    fn records(&self, table: &str) -> Result<Vec<Value>, String> {
        let shown = match table {
            "connections" => serde_json::to_value(&self.connections),
            "groups" => serde_json::to_value(&self.groups),
            "sessions" => {
                let sessions = self.sessions.iter();
                return Ok(sessions
                    .map(|session| self.render_session(session))
                    .collect());
            }
            _ => {
                return Err(format!(
                    "there is no table {table}: connections, sessions and groups are"
                ));
            }
        };
        match shown {
            Ok(Value::Array(records)) => Ok(records),
            Ok(_) | Err(_) => Err(format!("{table} cannot be shown")),
        }
    }

    fn oauth(&mut self) -> &mut OAuth {
        &mut self.oauth
    }

    fn add_token(&mut self, mut token: BearerToken, now: Timestamp) -> Result<(), String> {
        let scope = token.scope.get_or_insert_with(everything);
        Permission::parse_all(scope)?;
        let first = self.first_user().to_owned();
        let users = &self.users;
        let is_user = |id: &str| users.iter().any(|user| user.id == id);
        self.oauth.add_token(token, &first, is_user, now)
    }

    fn rotate(&mut self, userid: &str, rotation: Rotation) -> Result<(), String> {
        let Rotation {
            password: None,
            api_token: Some(new),
        } = rotation
        else {
            return Err("a user has an api_token, and no password".to_owned());
        };
        let first = self.first_user().to_owned();
        let tokens = self
            .config
            .script_tokens
            .iter_mut()
            .filter(|script| script.userid.as_deref().unwrap_or(&first) == userid);
        let mut found = false;
        for script in tokens {
            script.token = new.clone();
            found = true;
        }
        if found {
            Ok(())
        } else {
            Err(format!("the user {userid} has no script token"))
        }
    }

    fn control(
        &mut self,
        method: &str,
        path: &[&str],
        text: &str,
        now: Timestamp,
    ) -> Option<Result<Answer, String>> {
        Some(match (method, path) {
            ("POST", ["connections"]) => parse(text)
                .and_then(|records| self.put_connections(records))
                .map(|ids| Answer::json(200, json!({ "ids": ids }))),
            ("PATCH", ["connections", id]) => parse(text)
                .and_then(|changes| self.change_connection(id, changes))
                .map(|()| Answer::empty(204)),
            ("POST", ["sessions"]) => parse(text)
                .and_then(|cases| self.put_sessions(cases, now))
                .map(|codes| Answer::json(200, json!({ "codes": codes }))),
            ("PATCH", ["sessions", code]) => parse(text)
                .and_then(|changes| self.change_session(code, changes, now))
                .map(|()| Answer::empty(204)),
            (_, _) => return None,
        })
    }
}

/// The permissions that an app's tokens have.
fn scope(client: &OAuthClient) -> String {
    client.scope.clone().unwrap_or_else(everything)
}

fn everything() -> String {
    Permission::ALL.map(Permission::name).join(" ")
}

fn email(user: &User) -> String {
    let made = || format!("{}@example.com", user.id);
    user.email.clone().unwrap_or_else(made)
}

/// Whether the wanted text is part of the name, in any case.
fn contains(name: &str, wanted: Option<&str>) -> bool {
    wanted.is_none_or(|wanted| name.to_lowercase().contains(&wanted.to_lowercase()))
}

/// A session code as it is compared: without dashes, in lower case.
fn normal(code: &str) -> String {
    code.replace('-', "").to_ascii_lowercase()
}

/// The parameter, unless it is missing or empty.
fn given<'a>(request: &'a VendorRequest, name: &str) -> Option<&'a str> {
    request.parameter(name).filter(|value| !value.is_empty())
}

/// `2026-01-02`, which means its first moment, or `2026-01-02T03:04:05Z`; nothing else.
fn parse_date(text: &str) -> Option<Timestamp> {
    match (text.len(), text.as_bytes().get(10), text.as_bytes().last()) {
        (10, None, _) => format!("{text}T00:00:00Z").parse().ok(),
        (20, Some(b'T'), Some(b'Z')) => text.parse().ok(),
        (_, _, _) => None,
    }
}

fn timestamp(moment: Timestamp) -> String {
    moment.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The fields of a JSON body.
fn body(request: &VendorRequest) -> Result<&Map<String, Value>, Answer> {
    request
        .header("content-type")
        .filter(|kind| kind.starts_with("application/json"))
        .and(request.body.as_ref())
        .and_then(Value::as_object)
        .ok_or_else(|| invalid("The body has to be a JSON object."))
}

/// A field's text, unless it is missing or `null`.
fn string(fields: &Map<String, Value>, name: &str) -> Result<Option<String>, Answer> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            Err(invalid(&format!("'{name}' has to be a string.")))
        }
    }
}

/// What a value becomes by changes to its fields.
fn within<T: Serialize + DeserializeOwned>(
    known: &T,
    changes: Map<String, Value>,
) -> Result<T, String> {
    let mut fields = serde_json::to_value(known).map_err(|error| error.to_string())?;
    if let Some(fields) = fields.as_object_mut() {
        fields.extend(changes);
    }
    serde_json::from_value(fields).map_err(|error| format!("request body: {error}"))
}

fn parse<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|error| format!("request body: {error}"))
}

fn not_found() -> Answer {
    refuse(404, error::NOT_FOUND, "There is no such thing.")
}

fn invalid(description: &str) -> Answer {
    refuse(400, error::INVALID_REQUEST, description)
}

fn refuse(status: u16, error: &str, description: &str) -> Answer {
    // The numbers that the vendor gives were not found.
    Answer::json(
        status,
        json!({ "error": error, "error_description": description, "error_code": 1 }),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_documented_dates_are_taken() {
        for text in ["2026-01-02", "2026-01-02T00:00:00Z"] {
            let moment = parse_date(text).map(timestamp);
            assert_eq!(moment.as_deref(), Some("2026-01-02T00:00:00Z"), "{text}");
        }
        for text in [
            "",
            "02.01.2026",
            "2026-13-01",
            "20260102T000000Z",
            "20260102T000000.000Z",
            "2026-01-02 00:00:00Z",
            "2026-01-02T00:00:00",
            "2026-01-02T00:00:00.5Z",
            "2026-01-02T00:00:00+02:00",
        ] {
            assert_eq!(parse_date(text), None, "{text}");
        }
    }

    #[test]
    fn codes_are_compared_without_dashes_and_case() {
        assert_eq!(normal("S119-457-589"), normal("s119457589"));
    }
}
