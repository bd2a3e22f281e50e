//! Qualtrics' API v3 as far as responses are read through it, with its ways of refusing.
//!
//! Sources: traffic recorded in the fixtures of <https://github.com/ropensci/qualtRics> and
//! <https://github.com/mavenlink/qualtrics_api>; the pages "API Limits" and "OAuth Authentication (Client Credentials)" of
//! <https://api.qualtrics.com/>.

pub(crate) mod config;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

pub use self::config::{Config, Response, Survey, UserToken};
use crate::credentials::{BearerToken, Presented, Rotation};
use crate::exchange::{Answer, VendorRequest};
use crate::instance::VendorState;
use crate::oauth::{GrantType, OAuth};

const ACCESS_SECONDS: u32 = 3600;
const RESPONSES_A_MINUTE: u32 = 240;

/// A host that is no data centre.
pub(crate) fn unknown_host() -> Answer {
    Answer::html(
        404,
        "<html><head><title>Qualtrics | Not found</title></head><body>The page was not found.</body></html>",
    )
}

pub(crate) struct Qualtrics {
    brand: String,
    config: Config,
    oauth: OAuth,
    /// Reads of single responses in the minute of that number.
    reads: (i64, u32),
}

/// Sets up a data centre, or says what contradicts itself in its configuration.
pub(crate) fn open(name: &str, config: Config) -> Result<Qualtrics, String> {
    let surveys: BTreeMap<&str, &Survey> = config
        .surveys
        .iter()
        .map(|survey| (survey.id.as_str(), survey))
        .collect();
    if let Some(id) = surveys.keys().find(|id| !id.starts_with("SV_")) {
        return Err(format!("{id} is no survey's id"));
    }
    for response in &config.responses {
        if !response.id.starts_with("R_") {
            return Err(format!("{} is no response's id", response.id));
        }
        if !surveys.contains_key(response.survey.as_str()) {
            return Err(format!("there is no survey {}", response.survey));
        }
    }
    for client in &config.oauth_clients {
        if client.username.is_none() || client.client_secret.is_none() {
            return Err(format!(
                "the OAuth client {} needs a username and a client_secret",
                client.client_id
            ));
        }
    }
    let oauth = OAuth::open(config.oauth_clients.clone(), false, |username| {
        config
            .api_tokens
            .iter()
            .any(|token| token.username == username)
    })?;
    Ok(Qualtrics {
        brand: config.brand.clone().unwrap_or_else(|| name.to_owned()),
        config,
        oauth,
        reads: (0, 0),
    })
}

enum Caller {
    Token(String),
    OAuth(String),
    /// No credentials at all.
    Nobody,
    Refused,
}

impl Qualtrics {
    fn caller(&self, request: &VendorRequest) -> Caller {
        if let Some(token) = request.header("x-api-token") {
            let user = self
                .config
                .api_tokens
                .iter()
                .find(|known| known.token.matches(token));
            return user.map_or(Caller::Refused, |user| Caller::Token(user.username.clone()));
        }
        match Presented::read(request.header("authorization")) {
            Presented::Nothing => Caller::Nobody,
            Presented::Basic { .. } => Caller::Refused,
            Presented::Bearer(token) => match self.oauth.valid(&token, request.now) {
                Some(issued) => Caller::OAuth(issued.username.clone()),
                None => Caller::Refused,
            },
        }
    }

    fn respond(&mut self, request: &VendorRequest) -> Result<Answer, Answer> {
        let segments = request.segments();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let ["API", "v3", path @ ..] = segments.as_slice() else {
            return Err(unknown_host());
        };
        let caller = self.caller(request);
        let user = match &caller {
            Caller::Token(user) => user,
            Caller::OAuth(user) if self.config.home.is_none() => user,
            Caller::Nobody => {
                return Err(refusal(
                    request,
                    400,
                    Some("ATP_2"),
                    "No authorization header was sent.",
                ));
            }
            Caller::OAuth(_) | Caller::Refused => {
                return Err(refusal(request, 401, Some("DCD_7"), "Unrecognized token."));
            }
        };
        if self.config.without_api {
            return Err(refusal(
                request,
                403,
                Some("AuthZ_2.0"),
                "This user does not have access to this API endpoint.",
            ));
        }
        if request.method != "GET" {
            return Err(no_route(request));
        }
        match path {
            ["whoami"] => Ok(self.success(
                request,
                &json!({
                    "brandId": self.brand, "userId": "UR_1", "userName": user, "firstName": "Ann", "lastName": "Example",
                    "accountType": "Brand Administrator", "language": "en"
                }),
            )),
            ["surveys"] => {
                let elements: Vec<Value> = self
                    .config
                    .surveys
                    .iter()
                    .map(|survey| {
                        json!({
                            "id": survey.id, "name": survey.name.as_ref().unwrap_or(&survey.id), "ownerId": "UR_1",
                            "lastModified": "2026-01-02T03:04:05Z", "isActive": true
                        })
                    })
                    .collect();
                Ok(self.success(request, &json!({ "elements": elements, "nextPage": null })))
            }
            ["surveys", id] => {
                let survey = self.survey(request, id)?;
                let result = json!({
                    "id": survey.id, "name": survey.name.as_ref().unwrap_or(&survey.id), "ownerId": "UR_1",
                    "organizationId": self.brand, "isActive": true, "creationDate": "2026-01-01T00:00:00Z",
                    "lastModifiedDate": "2026-01-02T03:04:05Z", "expiration": {"startDate": null, "endDate": null},
                    "questions": survey.questions, "exportColumnMap": {}, "blocks": {}, "flow": [], "embeddedData": [],
                    "comments": {}, "loopAndMerge": {}, "responseCounts": {"auditable": 1, "generated": 0, "deleted": 0}
                });
                Ok(self.success(request, &result))
            }
            ["surveys", survey, "responses", id] => self.response(request, survey, id),
            _ => Err(no_route(request)),
        }
    }

    fn survey(&self, request: &VendorRequest, id: &str) -> Result<&Survey, Answer> {
        let found = self.config.surveys.iter().find(|survey| survey.id == id);
        found.ok_or_else(|| refusal(request, 404, Some("GSI_2"), "Survey not found."))
    }

    fn response(
        &mut self,
        request: &VendorRequest,
        survey: &str,
        id: &str,
    ) -> Result<Answer, Answer> {
        let minute = request.now.as_second().div_euclid(60);
        if self.reads.0 != minute {
            self.reads = (minute, 0);
        }
        self.reads.1 += 1;
        let most = self.config.responses_per_minute;
        if self.reads.1 > most.unwrap_or(RESPONSES_A_MINUTE) {
            // On the wire no delay was seen to be named.
            return Err(refusal(request, 429, None, "Too many requests."));
        }
        self.survey(request, survey)?;
        let absent = || refusal(request, 404, None, "Response not found.");
        let found = self
            .config
            .responses
            .iter_mut()
            .find(|response| response.id == id && response.survey == survey)
            .ok_or_else(absent)?;
        if found.late > 0 {
            found.late -= 1;
            return Err(absent());
        }
        let mut values = Map::from_iter([
            ("status".to_owned(), json!(0)),
            ("finished".to_owned(), json!(1)),
            ("progress".to_owned(), json!(100)),
            ("duration".to_owned(), json!(89)),
            ("ipAddress".to_owned(), json!("203.0.113.9")),
            ("recordedDate".to_owned(), json!("2026-11-21T12:00:00.202Z")),
            ("_recordId".to_owned(), json!(found.id)),
            ("distributionChannel".to_owned(), json!("anonymous")),
            ("userLanguage".to_owned(), json!("EN")),
        ]);
        values.extend(found.values.clone());
        let mut labels = Map::from_iter([
            ("status".to_owned(), json!("IP Address")),
            ("finished".to_owned(), json!("True")),
        ]);
        labels.extend(found.labels.clone());
        let result = json!({
            "responseId": found.id, "values": values, "labels": labels, "displayedFields": found.displayed_fields,
            "displayedValues": found.displayed_values
        });
        Ok(self.success(request, &result))
    }

    fn success(&self, request: &VendorRequest, result: &Value) -> Answer {
        let mut meta = json!({ "httpStatus": "200 - OK", "requestId": request_id(request) });
        if let Some(home) = &self.config.home {
            meta["notice"] = json!(format!(
                "Request proxied. For faster response times, use this host instead: {home}"
            ));
        }
        Answer::json(200, json!({ "result": result, "meta": meta }))
    }

    /// `POST /oauth2/token`: HTTP Basic and a form, nothing else.
    fn token(&mut self, request: &VendorRequest) -> Answer {
        let form: BTreeMap<String, String> = form_urlencoded::parse(request.text.as_bytes())
            .into_owned()
            .collect();
        let grant = form
            .get("grant_type")
            .and_then(|name| GrantType::parse(name));
        let answer = self.grant(request, &form, grant);
        self.oauth.count(grant, answer.is_ok());
        answer.unwrap_or_else(|(status, error)| Answer::json(status, json!({ "error": error })))
    }

    fn grant(
        &mut self,
        request: &VendorRequest,
        form: &BTreeMap<String, String>,
        grant: Option<GrantType>,
    ) -> Result<Answer, (u16, &'static str)> {
        let is_form = request
            .header("content-type")
            .is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
        if !is_form || !request.query.is_empty() || form.contains_key("client_secret") {
            return Err((400, "invalid_request"));
        }
        let Presented::Basic { username, password } =
            Presented::read(request.header("authorization"))
        else {
            return Err((401, "invalid_client"));
        };
        let client = self.oauth.client(&username);
        let client = client
            .filter(|client| client.accepts(Some(&password), false))
            .ok_or((401, "invalid_client"))?
            .clone();
        if grant != Some(GrantType::ClientCredentials) || !client.may(GrantType::ClientCredentials)
        {
            return Err((400, "unsupported_grant_type"));
        }
        let scope = form.get("scope").ok_or((400, "invalid_scope"))?;
        let allowed = client.scope.as_deref().unwrap_or("manage:all");
        if scope.is_empty()
            || !scope
                .split(' ')
                .all(|one| allowed.split(' ').any(|known| known == one))
        {
            return Err((400, "invalid_scope"));
        }
        let user = client.username.clone().unwrap_or_default();
        let seconds = client.access_seconds.unwrap_or(ACCESS_SECONDS);
        let issued = self
            .oauth
            .issue(&client.client_id, &user, scope, seconds, request.now);
        Ok(Answer::json(
            200,
            json!({
                "access_token": issued.token.reveal(), "token_type": "Bearer",
                "expires_in": issued.remaining(request.now), "scope": scope
            }),
        ))
    }
}

impl VendorState for Qualtrics {
    fn identify(&self, request: &VendorRequest) -> Option<String> {
        match self.caller(request) {
            Caller::Token(user) | Caller::OAuth(user) => Some(user),
            Caller::Nobody | Caller::Refused => None,
        }
    }

    fn answer(&mut self, request: &VendorRequest) -> Answer {
        if request.path == "/oauth2/token" {
            return if request.method == "POST" {
                self.token(request)
            } else {
                Answer::empty(405)
            };
        }
        self.respond(request).unwrap_or_else(|refusal| refusal)
    }

    fn written_fields<'a>(&self, _body: &'a mut Value) -> Option<&'a mut Map<String, Value>> {
        None
    }

    fn records(&self, table: &str) -> Result<Vec<Value>, String> {
        let found = match table {
            "surveys" => serde_json::to_value(&self.config.surveys),
            "responses" => serde_json::to_value(&self.config.responses),
            _ => {
                return Err(format!(
                    "there is no table {table}: surveys and responses are"
                ));
            }
        };
        match found {
            Ok(Value::Array(records)) => Ok(records),
            Ok(_) | Err(_) => Err(format!("{table} cannot be shown")),
        }
    }

    fn oauth(&mut self) -> &mut OAuth {
        &mut self.oauth
    }

    fn add_token(&mut self, token: BearerToken, now: Timestamp) -> Result<(), String> {
        let tokens = &self.config.api_tokens;
        let first = tokens
            .first()
            .ok_or("a bearer token needs a user to stand for")?;
        let is_user = |name: &str| tokens.iter().any(|token| token.username == name);
        self.oauth.add_token(token, &first.username, is_user, now)
    }

    fn rotate(&mut self, username: &str, rotation: Rotation) -> Result<(), String> {
        let Rotation {
            password: None,
            api_token: Some(token),
        } = rotation
        else {
            return Err("a user has an api_token, and no password".to_owned());
        };
        let user = self
            .config
            .api_tokens
            .iter_mut()
            .find(|user| user.username == username)
            .ok_or_else(|| format!("there is no user {username}"))?;
        user.token = token;
        Ok(())
    }
}

fn request_id(request: &VendorRequest) -> String {
    format!("sandbox-{}", request.serial)
}

fn no_route(request: &VendorRequest) -> Answer {
    refusal(request, 404, None, "The requested resource does not exist.")
}

fn refusal(request: &VendorRequest, status: u16, code: Option<&str>, message: &str) -> Answer {
    let reason = match status {
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        429 => "Too Many Requests",
        _ => "Error",
    };
    let mut error = json!({ "errorMessage": message });
    if let Some(code) = code {
        error["errorCode"] = json!(code);
    }
    Answer::json(
        status,
        json!({ "meta": {
            "httpStatus": format!("{status} - {reason}"), "error": error, "requestId": request_id(request)
        } }),
    )
}
