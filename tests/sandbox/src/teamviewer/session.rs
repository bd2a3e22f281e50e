//! `/api/v1/sessions`: service cases, which the vendor calls session codes.

use std::hash::{DefaultHasher, Hash, Hasher};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::config::{
    Case, CaseState, CreateAnswer, EndCustomer, Group, Level, Permission, StateStyle,
};
use super::connection::is_id;
use super::{
    Caller, TeamViewer, body, given, invalid, normal, not_found, parse_date, string, timestamp,
    within,
};
use crate::exchange::{Answer, VendorRequest};
use crate::oauth::random_text;

const LARGEST_PAGE: u16 = 1000;
const VALIDITY: SignedDuration = SignedDuration::from_hours(24);
const LONGEST_TEXT: usize = 4000;
const LONGEST_NAME: usize = 100;
const LONGEST_EMAIL: usize = 254;
const NOBODY: &str = "u0";
/// The number of the first group that is made up.
const FIRST_GROUP: u64 = 272_032_545;

/// A service case with all that it cannot be without.
pub(super) struct Session {
    pub(super) case: Case,
    pub(super) code: String,
    pub(super) created_at: Timestamp,
    pub(super) valid_until: Timestamp,
    created_by: String,
    token: String,
}

impl Session {
    /// As the vendor gives it.
    fn render(&self, style: StateStyle, displayed: &str) -> Map<String, Value> {
        let case = &self.case;
        let code = normal(&self.code);
        let link = format!("https://get.teamviewer.com/v15/{code}");
        let webclient: String = form_urlencoded::Serializer::new(String::new())
            .append_pair("sessioncode", &code)
            .append_pair("servicequeuetoken", &self.token)
            .append_pair("lang", "en")
            .append_pair("displayName", displayed)
            .finish();
        let words = |value: &Option<String>| value.as_ref().map(|text| json!(text));
        let date = |moment: Option<Timestamp>| moment.map(|moment| json!(timestamp(moment)));
        let fields = [
            ("code", Some(json!(self.code))),
            ("state", Some(json!(self.state(style)))),
            ("groupid", Some(json!(case.groupid))),
            ("waiting_message", words(&case.waiting_message)),
            ("description", words(&case.description)),
            (
                "end_customer",
                case.end_customer.as_ref().map(|customer| json!(customer)),
            ),
            ("assigned_userid", Some(json!(self.assigned()))),
            ("assigned_at", date(case.assigned_at)),
            ("end_customer_link", Some(json!(link))),
            (
                "supporter_link",
                Some(json!(format!("{link}-{}", self.token))),
            ),
            (
                "webclient_supporter_link",
                Some(json!(format!(
                    "https://login.teamviewer.com/Connect/IndexByol?{webclient}"
                ))),
            ),
            ("custom_api", words(&case.custom_api)),
            ("created_at", date(Some(self.created_at))),
            ("valid_until", date(Some(self.valid_until))),
            ("closed_at", date(case.closed_at)),
            ("online", Some(json!(case.online))),
            (
                "support_session_type",
                Some(json!(
                    case.support_session_type.as_deref().unwrap_or("Default")
                )),
            ),
        ];
        fields
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?)))
            .collect()
    }

    fn state(&self, style: StateStyle) -> &'static str {
        match (style, self.case.state) {
            (StateStyle::Open, CaseState::Open) => "Open",
            (StateStyle::Open, CaseState::Closed) => "Closed",
            (StateStyle::Lower, CaseState::Open) => "open",
            (StateStyle::Lower, CaseState::Closed) => "closed",
        }
    }

    fn assigned(&self) -> &str {
        self.case.assigned_userid.as_deref().unwrap_or(NOBODY)
    }

    /// Whether it is the caller's own.
    fn is_of(&self, caller: &Caller) -> bool {
        [self.assigned(), &self.created_by].contains(&caller.user.as_str())
    }
}

/// What a create or a change says.
#[derive(Default)]
struct Form {
    groupid: Option<String>,
    groupname: Option<String>,
    waiting_message: Option<String>,
    description: Option<String>,
    end_customer: Option<EndCustomer>,
    assigned_userid: Option<String>,
    custom_api: Option<String>,
}

impl Form {
    fn read(fields: &Map<String, Value>) -> Result<Self, Answer> {
        let id = |name: &str, prefix: char| match string(fields, name)? {
            Some(id) if !is_id(&id, prefix) => Err(invalid(&format!("'{name}' is no valid id."))),
            id => Ok(id),
        };
        let limited =
            |fields: &Map<String, Value>, name: &str, longest: usize| match string(fields, name)? {
                Some(text) if text.chars().count() > longest => Err(invalid(&format!(
                    "'{name}' is longer than {longest} characters."
                ))),
                text => Ok(text),
            };
        let end_customer = match fields.get("end_customer") {
            None | Some(Value::Null) => None,
            Some(Value::Object(customer)) => Some(EndCustomer {
                name: limited(customer, "name", LONGEST_NAME)?,
                email: limited(customer, "email", LONGEST_EMAIL)?,
            }),
            Some(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
                return Err(invalid("'end_customer' has to be an object."));
            }
        };
        Ok(Self {
            groupid: id("groupid", 'g')?,
            groupname: string(fields, "groupname")?.filter(|name| !name.is_empty()),
            waiting_message: string(fields, "waiting_message")?,
            description: limited(fields, "description", LONGEST_TEXT)?,
            end_customer,
            assigned_userid: id("assigned_userid", 'u')?,
            custom_api: limited(fields, "custom_api", LONGEST_TEXT)?,
        })
    }
}

/// The group of a create or change, which may have to be made.
enum Chosen {
    Known(String),
    New(String),
}

impl TeamViewer {
    pub(super) fn list_sessions(
        &self,
        request: &VendorRequest,
        caller: &Caller,
    ) -> Result<Answer, Answer> {
        let mut states = Vec::new();
        for state in given(request, "state").unwrap_or("open").split(',') {
            states.push(state_named(state)?);
        }
        let full = match given(request, "full_list") {
            None | Some("false") => false,
            Some("true") => true,
            Some(_) => return Err(invalid("'full_list' has to be true or false.")),
        };
        let (group, assigned) = (given(request, "groupid"), given(request, "assigned_userid"));
        let all = caller.reads_all_sessions();
        let mut visible: Vec<&Session> = self
            .sessions
            .iter()
            .filter(|session| all || session.is_of(caller))
            .collect();
        visible.sort_by(|one, other| {
            (other.created_at, &other.code).cmp(&(one.created_at, &one.code))
        });
        let start = match given(request, "offset") {
            None => 0,
            Some(code) => {
                let code = normal(code);
                let at = visible
                    .iter()
                    .position(|session| normal(&session.code) == code);
                1 + at.ok_or_else(|| invalid("'offset' is no session code."))?
            }
        };
        let found: Vec<&&Session> = visible[start..]
            .iter()
            .filter(|session| {
                states.contains(&session.case.state)
                    && group.is_none_or(|group| session.case.groupid == group)
                    && assigned.is_none_or(|user| session.assigned() == user)
            })
            .collect();
        let page = usize::from(self.config.sessions_page_size.unwrap_or(LARGEST_PAGE));
        let shown: Vec<Value> = found
            .iter()
            .take(page)
            .map(|session| {
                if full {
                    self.render_session(session)
                } else {
                    json!({
                        "code": session.code, "state": session.state(self.config.state_style),
                        "groupid": session.case.groupid
                    })
                }
            })
            .collect();
        let mut body = json!({});
        let remaining = found.len() - shown.len();
        if remaining > 0 {
            body["sessions_remaining"] = json!(remaining);
            body["next_offset"] = shown
                .last()
                .map_or(Value::Null, |last| last["code"].clone());
        }
        body["sessions"] = Value::Array(shown);
        Ok(Answer::json(200, body))
    }

    pub(super) fn read_session(&self, caller: &Caller, code: &str) -> Result<Answer, Answer> {
        let position = self.find(caller, code)?;
        Ok(Answer::json(
            200,
            self.render_session(&self.sessions[position]),
        ))
    }

    pub(super) fn create_session(
        &mut self,
        request: &VendorRequest,
        caller: &Caller,
    ) -> Result<Answer, Answer> {
        let fields = body(request)?;
        let form = Form::read(fields)?;
        let valid_until = match string(fields, "valid_until")? {
            None => None,
            Some(text) => Some(
                parse_date(&text)
                    .ok_or_else(|| invalid("'valid_until' is no date and time in UTC."))?,
            ),
        };
        let support_session_type = match string(fields, "support_session_type")? {
            Some(kind) if !["Default", "Pilot"].contains(&kind.as_str()) => {
                return Err(invalid(
                    "'support_session_type' has to be Default or Pilot.",
                ));
            }
            kind => kind,
        };
        let group = self
            .choose_group(caller, form.groupid, form.groupname)?
            .ok_or_else(|| invalid("'groupid' or 'groupname' has to be set."))?;
        let assigned_userid = form.assigned_userid.unwrap_or_else(|| caller.user.clone());
        self.check_user(&assigned_userid)?;
        let open = self
            .sessions
            .iter()
            .filter(|session| {
                session.case.state == CaseState::Open && request.now < session.valid_until
            })
            .count();
        if self
            .config
            .max_open_cases
            .is_some_and(|most| open >= most as usize)
        {
            return Err(invalid(
                "No session code due to license limitations: too many service cases are open.",
            ));
        }
        let case = Case {
            code: None,
            groupid: self.enter(group),
            state: CaseState::Open,
            waiting_message: form.waiting_message,
            description: form.description,
            end_customer: form.end_customer,
            assigned_userid: Some(assigned_userid),
            assigned_at: None,
            created_by: Some(caller.user.clone()),
            custom_api: form.custom_api,
            created_at: None,
            valid_until,
            closed_at: None,
            support_session_type,
            online: false,
            supporter_token: None,
        };
        let session = self
            .open_session(case, request.now)
            .map_err(|reason| invalid(&reason))?;
        let shown = Value::Object(self.render_full(&session));
        let location = format!("{}/api/v1/sessions/{}", request.instance_url, session.code);
        self.sessions.push(session);
        Ok(match self.config.create_answer {
            CreateAnswer::Ok => Answer::json(200, shown).with_header("Location", location),
            CreateAnswer::Created => Answer::json(201, shown).with_header("Location", location),
            CreateAnswer::Redirect => Answer::empty(302).with_header(
                "Location",
                shown["end_customer_link"].as_str().unwrap_or_default(),
            ),
        })
    }

    pub(super) fn edit_session(
        &mut self,
        request: &VendorRequest,
        caller: &Caller,
        code: &str,
    ) -> Result<Answer, Answer> {
        let position = self.find_to_change(caller, code)?;
        let fields = body(request)?;
        let form = Form::read(fields)?;
        let state = string(fields, "state")?
            .map(|state| state_named(&state))
            .transpose()?;
        let group = self.choose_group(caller, form.groupid, form.groupname)?;
        if let Some(user) = &form.assigned_userid {
            self.check_user(user)?;
        }
        let group = group.map(|group| self.enter(group));
        let case = &mut self.sessions[position].case;
        case.groupid = group.unwrap_or(std::mem::take(&mut case.groupid));
        case.waiting_message = form.waiting_message.or(case.waiting_message.take());
        case.description = form.description.or(case.description.take());
        case.custom_api = form.custom_api.or(case.custom_api.take());
        if let Some(customer) = form.end_customer {
            let known = case.end_customer.take().unwrap_or_default();
            case.end_customer = Some(EndCustomer {
                name: customer.name.or(known.name),
                email: customer.email.or(known.email),
            });
        }
        if let Some(user) = form.assigned_userid {
            case.assigned_at = Some(request.now);
            case.assigned_userid = Some(user).filter(|user| user != NOBODY);
        }
        match state {
            Some(CaseState::Closed) if case.state == CaseState::Open => {
                case.state = CaseState::Closed;
                case.closed_at = Some(request.now);
            }
            Some(CaseState::Open) => {
                case.state = CaseState::Open;
                case.closed_at = None;
            }
            Some(CaseState::Closed) | None => {}
        }
        Ok(Answer::empty(204))
    }

    pub(super) fn delete_session(&mut self, caller: &Caller, code: &str) -> Result<Answer, Answer> {
        let position = self.find_to_change(caller, code)?;
        self.sessions.remove(position);
        Ok(Answer::empty(204))
    }

    pub(super) fn render_session(&self, session: &Session) -> Value {
        Value::Object(self.render_full(session))
    }

    fn render_full(&self, session: &Session) -> Map<String, Value> {
        let user = self.user(session.assigned());
        session.render(
            self.config.state_style,
            user.map_or("", |user| user.name.as_str()),
        )
    }

    pub(super) fn session(&self, code: &str) -> Option<&Session> {
        let code = normal(code);
        self.sessions
            .iter()
            .find(|session| normal(&session.code) == code)
    }

    /// Where the caller finds the service case.
    fn find(&self, caller: &Caller, code: &str) -> Result<usize, Answer> {
        let code = normal(code);
        let all = caller.reads_all_sessions();
        self.sessions
            .iter()
            .position(|session| normal(&session.code) == code && (all || session.is_of(caller)))
            .ok_or_else(not_found)
    }

    /// Where the caller finds it, if he may change it.
    fn find_to_change(&self, caller: &Caller, code: &str) -> Result<usize, Answer> {
        let wanted = normal(code);
        let position = self
            .sessions
            .iter()
            .position(|session| normal(&session.code) == wanted);
        let position = position.ok_or_else(not_found)?;
        let all = caller.level == Level::Company && caller.may(Permission::SessionsModifyAll);
        if all || self.sessions[position].is_of(caller) {
            Ok(position)
        } else {
            Err(not_found())
        }
    }

    fn check_user(&self, id: &str) -> Result<(), Answer> {
        if id == NOBODY || self.user(id).is_some() {
            Ok(())
        } else {
            Err(invalid("'assigned_userid' is nobody's."))
        }
    }

    fn choose_group(
        &self,
        caller: &Caller,
        id: Option<String>,
        name: Option<String>,
    ) -> Result<Option<Chosen>, Answer> {
        if name.is_some() && caller.level == Level::Company {
            return Err(invalid(
                "A token of company level may not name a group: set 'groupid'.",
            ));
        }
        let known = match &id {
            None => None,
            Some(id) => {
                let group = self.group(id);
                Some(group.ok_or_else(|| invalid("'groupid' is no group's."))?)
            }
        };
        match (known, name) {
            (None, None) => Ok(None),
            (Some(group), Some(name)) if group.name != name => Err(invalid(
                "'groupid' and 'groupname' have to be of the same group.",
            )),
            (Some(group), Some(_) | None) => Ok(Some(Chosen::Known(group.id.clone()))),
            (None, Some(name)) => {
                let group = self.groups.iter().find(|group| group.name == name);
                Ok(Some(match group {
                    Some(group) => Chosen::Known(group.id.clone()),
                    None => Chosen::New(name),
                }))
            }
        }
    }

    /// The chosen group's id; a new one is made.
    fn enter(&mut self, group: Chosen) -> String {
        match group {
            Chosen::Known(id) => id,
            Chosen::New(name) => self.make_group(name).id,
        }
    }

    pub(super) fn make_group(&mut self, name: String) -> Group {
        let mut number = FIRST_GROUP;
        while self.group(&format!("g{number}")).is_some() {
            number += 1;
        }
        let id = format!("g{number}");
        let group = Group { id, name };
        self.groups.push(group.clone());
        group
    }

    /// Adds service cases, or replaces those of the same code; their codes in the same order.
    pub(super) fn put_sessions(
        &mut self,
        cases: Vec<Case>,
        now: Timestamp,
    ) -> Result<Vec<String>, String> {
        let mut codes = Vec::new();
        for case in cases {
            let session = self.open_session(case, now)?;
            codes.push(session.code.clone());
            let code = normal(&session.code);
            match self
                .sessions
                .iter()
                .position(|known| normal(&known.code) == code)
            {
                Some(position) => self.sessions[position] = session,
                None => self.sessions.push(session),
            }
        }
        Ok(codes)
    }

    /// Changes some fields; `null` takes one away.
    pub(super) fn change_session(
        &mut self,
        code: &str,
        changes: Map<String, Value>,
        now: Timestamp,
    ) -> Result<(), String> {
        let wanted = normal(code);
        let position = self
            .sessions
            .iter()
            .position(|session| normal(&session.code) == wanted)
            .ok_or_else(|| format!("there is no service case {code}"))?;
        let known = &self.sessions[position];
        let mut case: Case = within(&known.case, changes)?;
        case.code = Some(known.code.clone());
        if case.state == CaseState::Open {
            case.closed_at = None;
        }
        self.sessions[position] = self.open_session(case, now)?;
        Ok(())
    }

    /// Checks a service case, and makes up what it cannot be without.
    fn open_session(&mut self, mut case: Case, now: Timestamp) -> Result<Session, String> {
        if !is_id(&case.groupid, 'g') || self.group(&case.groupid).is_none() {
            return Err(format!("there is no group {}", case.groupid));
        }
        case.assigned_userid = case.assigned_userid.filter(|user| user != NOBODY);
        let created_by = match &case.created_by {
            Some(user) => user.clone(),
            None => self.first_user().to_owned(),
        };
        for user in [Some(&created_by), case.assigned_userid.as_ref()]
            .into_iter()
            .flatten()
        {
            if self.user(user).is_none() {
                return Err(format!("there is no user {user}"));
            }
        }
        let code = match &case.code {
            Some(code) if !is_id(&normal(code), 's') => {
                return Err(format!("{code} is no session code"));
            }
            Some(code) => code.clone(),
            None => self.make_code(),
        };
        let created_at = case.created_at.unwrap_or(now);
        let valid_until = case.valid_until.unwrap_or(created_at + VALIDITY);
        if case.assigned_userid.is_some() {
            case.assigned_at = case.assigned_at.or(Some(created_at));
        }
        if case.state == CaseState::Closed {
            case.closed_at = case.closed_at.or(Some(now));
        }
        let token = match &case.supporter_token {
            Some(token) => token.reveal().to_owned(),
            None => random_text()[..12].to_owned(),
        };
        case.code = Some(code.clone());
        case.created_by = Some(created_by.clone());
        case.created_at = Some(created_at);
        case.valid_until = Some(valid_until);
        case.supporter_token = Some(token.as_str().into());
        Ok(Session {
            case,
            code,
            created_at,
            valid_until,
            created_by,
            token,
        })
    }

    /// Nine digits that no service case of this company has had; companies differ in them.
    fn make_code(&mut self) -> String {
        loop {
            self.codes += 1;
            let mut hasher = DefaultHasher::new();
            (&self.company, self.codes).hash(&mut hasher);
            let digits = format!("{}", 100_000_000 + hasher.finish() % 900_000_000);
            let code = format!("s{}-{}-{}", &digits[..3], &digits[3..6], &digits[6..]);
            if self.session(&code).is_none() {
                return code;
            }
        }
    }
}

fn state_named(name: &str) -> Result<CaseState, Answer> {
    match name.trim() {
        "open" => Ok(CaseState::Open),
        "closed" => Ok(CaseState::Closed),
        _ => Err(invalid("'state' has to be open or closed.")),
    }
}
