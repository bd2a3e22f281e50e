//! `/oauth_auth.do`, `/oauth_token.do` and `/oauth_revoke_token.do`, as in the product documentation's pages "OAuth
//! authorization code flow", "OAuth API request parameters", "OAuth API response parameters" and "Revoke an OAuth token".

use jiff::SignedDuration;
use serde_json::json;

use super::ServiceNow;
use super::config::RefreshAnswer;
use crate::credentials::{IssuedToken, Presented};
use crate::exchange::{Answer, VendorRequest};
use crate::oauth::{Code, GrantType, OAuthClient, redirect, verifies};

const ACCESS_SECONDS: u32 = 1800;
const REFRESH_SECONDS: u32 = 8_640_000;
/// Not documented: long enough for a client that comes at once.
const CODE_LIFETIME: SignedDuration = SignedDuration::from_mins(1);
const SCOPE: &str = "useraccount";

type Form = Vec<(String, String)>;

/// The parameter, unless it is missing or empty.
fn given<'a>(form: &'a Form, name: &str) -> Option<&'a str> {
    form.iter()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.as_str())
        .filter(|value| !value.is_empty())
}

impl ServiceNow {
    /// `None` when the path is none of OAuth's.
    pub(super) fn oauth_endpoint(&mut self, request: &VendorRequest) -> Option<Answer> {
        let answer = match (request.method.as_str(), request.path.as_str()) {
            ("GET", "/oauth_auth.do") => self.authorize(request).unwrap_or_else(|page| page),
            ("POST", "/oauth_token.do") => self.token(request),
            ("GET" | "POST", "/oauth_revoke_token.do") => self.revoke(request),
            (_, "/oauth_auth.do" | "/oauth_token.do" | "/oauth_revoke_token.do") => {
                Answer::empty(405)
            }
            (_, _) => return None,
        };
        Some(answer)
    }

    /// Answers as if somebody had signed in and clicked.
    fn authorize(&mut self, request: &VendorRequest) -> Result<Answer, Answer> {
        let parameter = |name: &str| given(&request.query, name);
        let plainly = |text: &str| Answer::text(400, text);
        let state = parameter("state")
            .filter(|state| state.bytes().all(|byte| byte.is_ascii_alphanumeric()))
            .ok_or_else(|| plainly("Missing State parameter in request."))?;
        if parameter("response_type") != Some("code") {
            return Err(plainly("Invalid response_type in request."));
        }
        let client = parameter("client_id")
            .and_then(|id| self.oauth.client(id))
            .filter(|client| client.may(GrantType::AuthorizationCode))
            .ok_or_else(|| plainly("Invalid client_id in request."))?
            .clone();
        let wanted = parameter("redirect_uri")
            .ok_or_else(|| plainly("Missing redirect_uri parameter in request."))?;
        // An address that isn't registered is passed over in favour of the first that is.
        let redirect_uri = client
            .redirect_uris
            .iter()
            .find(|uri| *uri == wanted)
            .or(client.redirect_uris.first())
            .ok_or_else(|| plainly("The client has no redirect URL."))?;
        let challenge = parameter("code_challenge");
        let proves = match challenge {
            Some(_) => parameter("code_challenge_method") == Some("S256"),
            None => !client.is_public(),
        };
        if !proves {
            return Ok(redirect(
                redirect_uri,
                &[("error", "invalid_request"), ("state", state)],
            ));
        }
        if self.oauth.deny {
            return Ok(redirect(
                redirect_uri,
                &[("error", "access_denied"), ("state", state)],
            ));
        }
        let username = self
            .client_user(&client)
            .ok_or_else(|| plainly("Nobody can sign in."))?;
        let code = self.oauth.make_code(Code {
            client_id: client.client_id.clone(),
            redirect_uri: redirect_uri.clone(),
            username,
            scope: SCOPE.to_owned(),
            challenge: challenge.map(str::to_owned),
            ends: request.now + CODE_LIFETIME,
        });
        Ok(redirect(redirect_uri, &[("code", &code), ("state", state)]))
    }

    fn client_user(&self, client: &OAuthClient) -> Option<String> {
        client
            .username
            .clone()
            .or_else(|| Some(self.logins.first()?.username.clone()))
    }

    fn token(&mut self, request: &VendorRequest) -> Answer {
        let is_form = request
            .header("content-type")
            .is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
        let form: Form = form_urlencoded::parse(request.text.as_bytes())
            .into_owned()
            .collect();
        let grant = given(&form, "grant_type")
            .filter(|_| is_form)
            .and_then(GrantType::parse);
        // `glide.oauth.allow.parameters.in.post.body.only` is on: nothing counts in the URL, nor is it passed over.
        let answer = grant
            .filter(|_| request.query.is_empty())
            .and_then(|grant| self.grant(request, &form, grant));
        self.oauth.count(grant, answer.is_some());
        // One answer to whatever is wrong.
        answer.unwrap_or_else(|| {
            Answer::json(
                401,
                json!({ "error_description": "access_denied", "error": "server_error" }),
            )
        })
    }

    fn grant(&mut self, request: &VendorRequest, form: &Form, grant: GrantType) -> Option<Answer> {
        // The client signs in through the form, or with Basic.
        let (client_id, secret) = match Presented::read(request.header("authorization")) {
            Presented::Basic { username, password } => (username, Some(password)),
            Presented::Nothing | Presented::Bearer(_) => (
                given(form, "client_id")?.to_owned(),
                given(form, "client_secret").map(str::to_owned),
            ),
        };
        let client = self.oauth.client(&client_id)?.clone();
        if !client.may(grant) || !client.accepts(secret.as_deref(), false) {
            return None;
        }
        match grant {
            GrantType::AuthorizationCode => {
                let code = self.oauth.take_code(given(form, "code")?, request.now)?;
                let fits = code.client_id == client_id
                    && given(form, "redirect_uri") == Some(&code.redirect_uri)
                    && verifies(code.challenge.as_deref(), given(form, "code_verifier"));
                fits.then(|| self.hand_out_both(request, &client, &code.username))
            }
            GrantType::Password => {
                let (username, password) = (given(form, "username")?, given(form, "password")?);
                self.logins
                    .iter()
                    .find(|user| user.username == username && user.password.matches(password))?;
                Some(self.hand_out_both(request, &client, username))
            }
            GrantType::ClientCredentials => {
                if !self.config.client_credentials || client.is_public() {
                    return None;
                }
                let username = self.client_user(&client)?;
                let access = self.access(request, &client, &username);
                Some(token_answer(request, &access, None))
            }
            GrantType::RefreshToken => {
                let old = self.oauth.valid_refresh(
                    given(form, "refresh_token")?,
                    &client_id,
                    request.now,
                )?;
                let access = self.access(request, &client, &old.username);
                let refresh = match self.config.refresh_answer {
                    RefreshAnswer::Repeat => Some(old.token),
                    RefreshAnswer::Absent => None,
                    RefreshAnswer::Rotate => {
                        self.oauth.drop_refresh(&old.token);
                        Some(self.refresh(request, &client, &access))
                    }
                };
                Some(token_answer(request, &access, refresh.as_deref()))
            }
        }
    }

    fn hand_out_both(
        &mut self,
        request: &VendorRequest,
        client: &OAuthClient,
        username: &str,
    ) -> Answer {
        let access = self.access(request, client, username);
        let known = self
            .oauth
            .valid_refresh_for(&client.client_id, username, request.now);
        let refresh = match known {
            Some(known) => known.token,
            None => self.refresh(request, client, &access),
        };
        token_answer(request, &access, Some(&refresh))
    }

    /// The token that is still valid, however short, before a new one.
    fn access(
        &mut self,
        request: &VendorRequest,
        client: &OAuthClient,
        username: &str,
    ) -> IssuedToken {
        let id = &client.client_id;
        if let Some(valid) = self.oauth.valid_for(id, username, request.now) {
            return valid.clone();
        }
        let seconds = client.access_seconds.unwrap_or(ACCESS_SECONDS);
        self.oauth.issue(id, username, SCOPE, seconds, request.now)
    }

    fn refresh(
        &mut self,
        request: &VendorRequest,
        client: &OAuthClient,
        access: &IssuedToken,
    ) -> String {
        let seconds = client.refresh_seconds.unwrap_or(REFRESH_SECONDS);
        self.oauth.issue_refresh(access, seconds, request.now).token
    }

    /// Needs nobody to be signed in, and doesn't tell whether there was such a token.
    fn revoke(&mut self, request: &VendorRequest) -> Answer {
        let form: Form = form_urlencoded::parse(request.text.as_bytes())
            .into_owned()
            .collect();
        let Some(token) = given(&request.query, "token").or_else(|| given(&form, "token")) else {
            return Answer::text(400, "Missing token parameter in request.");
        };
        self.oauth.drop_any(token);
        Answer::empty(200)
    }
}

fn token_answer(request: &VendorRequest, access: &IssuedToken, refresh: Option<&str>) -> Answer {
    let mut body = json!({ "access_token": access.token.reveal(), "scope": SCOPE, "token_type": "Bearer",
        "expires_in": access.remaining(request.now) });
    if let Some(refresh) = refresh {
        body["refresh_token"] = json!(refresh);
    }
    Answer::json(200, body)
}
