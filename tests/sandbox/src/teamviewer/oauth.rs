//! `/oauth2/authorize`, `/api/v1/oauth2/token` and `/api/v1/oauth2/revoke`, as in the manual's chapter "OAuth 2.0": with the
//! client's secret, without PKCE, and with refresh tokens that work once.

use jiff::SignedDuration;
use serde_json::json;

use super::{TeamViewer, error, refuse};
use crate::credentials::Presented;
use crate::exchange::{Answer, VendorRequest};
use crate::oauth::{Code, GrantType, OAuthClient, redirect};

const ACCESS_SECONDS: u32 = 86_400;
/// Not documented: no test lives so long.
const REFRESH_SECONDS: u32 = 31_536_000;
const CODE_LIFETIME: SignedDuration = SignedDuration::from_mins(10);

type Form = Vec<(String, String)>;

/// The parameter, unless it is missing or empty.
fn given<'a>(form: &'a Form, name: &str) -> Option<&'a str> {
    form.iter()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.as_str())
        .filter(|value| !value.is_empty())
}

impl TeamViewer {
    /// Answers as if somebody had signed in and clicked. What it doesn't know, it passes over.
    pub(super) fn authorize(&mut self, request: &VendorRequest) -> Result<Answer, Answer> {
        let page = |text: &str| {
            Answer::html(
                400,
                &format!("<html><head><title>TeamViewer</title></head><body>{text}</body></html>"),
            )
        };
        let client = given(&request.query, "client_id")
            .and_then(|id| self.oauth.client(id))
            .filter(|client| client.may(GrantType::AuthorizationCode))
            .ok_or_else(|| page("The app is unknown."))?
            .clone();
        let redirect_uri = given(&request.query, "redirect_uri")
            .filter(|wanted| client.redirect_uris.iter().any(|uri| uri == wanted))
            .ok_or_else(|| page("The redirect URI is not the app's."))?;
        let state = given(&request.query, "state");
        let back = |name: &str, value: &str| {
            let mut parameters = vec![(name, value)];
            parameters.extend(state.map(|state| ("state", state)));
            redirect(redirect_uri, &parameters)
        };
        if given(&request.query, "response_type") != Some("code") {
            return Ok(back("error", "unsupported_response_type"));
        }
        if self.oauth.deny {
            return Ok(back("error", "access_denied"));
        }
        let code = self.oauth.make_code(Code {
            client_id: client.client_id.clone(),
            redirect_uri: redirect_uri.to_owned(),
            username: self.client_user(&client),
            scope: super::scope(&client),
            challenge: None,
            ends: request.now + CODE_LIFETIME,
        });
        Ok(back("code", &code))
    }

    fn client_user(&self, client: &OAuthClient) -> String {
        match &client.username {
            Some(user) => user.clone(),
            None => self.first_user().to_owned(),
        }
    }

    pub(super) fn token(&mut self, request: &VendorRequest) -> Answer {
        let is_form = request
            .header("content-type")
            .is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
        let form: Form = form_urlencoded::parse(request.text.as_bytes())
            .into_owned()
            .collect();
        let grant = given(&form, "grant_type").and_then(GrantType::parse);
        let answer = match grant {
            _ if !is_form => Err(refuse(
                400,
                error::INVALID_REQUEST,
                "The body has to be a form.",
            )),
            Some(grant @ (GrantType::AuthorizationCode | GrantType::RefreshToken)) => {
                self.grant(request, &form, grant)
            }
            Some(GrantType::Password | GrantType::ClientCredentials) | None => Err(refuse(
                400,
                error::INVALID_REQUEST,
                "'grant_type' has to be authorization_code or refresh_token.",
            )),
        };
        self.oauth.count(grant.filter(|_| is_form), answer.is_ok());
        answer
            .unwrap_or_else(|refusal| refusal)
            .with_header("Cache-Control", "no-store")
    }

    fn grant(
        &mut self,
        request: &VendorRequest,
        form: &Form,
        grant: GrantType,
    ) -> Result<Answer, Answer> {
        let client = given(form, "client_id")
            .and_then(|id| self.oauth.client(id))
            .filter(|client| client.accepts(given(form, "client_secret"), false))
            .filter(|client| client.may(grant))
            .ok_or_else(|| refuse(401, error::INVALID_CLIENT, "The app is unknown."))?
            .clone();
        let dead = |what: &str| {
            refuse(
                400,
                error::INVALID_GRANT,
                &format!("The {what} is invalid, expired or used."),
            )
        };
        let (username, scope) = if grant == GrantType::RefreshToken {
            let old = given(form, "refresh_token")
                .and_then(|token| {
                    self.oauth
                        .valid_refresh(token, &client.client_id, request.now)
                })
                .ok_or_else(|| dead("refresh token"))?;
            // Both old tokens die, whether or not the answer arrives.
            self.oauth.drop_pair(old.access);
            (old.username, old.scope)
        } else {
            let code = given(form, "code")
                .and_then(|code| self.oauth.take_code(code, request.now))
                .filter(|code| code.client_id == client.client_id)
                .filter(|code| given(form, "redirect_uri") == Some(&code.redirect_uri))
                .ok_or_else(|| dead("code"))?;
            (code.username, code.scope)
        };
        let access = self.oauth.issue(
            &client.client_id,
            &username,
            &scope,
            client.access_seconds.unwrap_or(ACCESS_SECONDS),
            request.now,
        );
        let refresh = self.oauth.issue_refresh(
            &access,
            client.refresh_seconds.unwrap_or(REFRESH_SECONDS),
            request.now,
        );
        Ok(Answer::json(
            200,
            json!({
                "access_token": access.token.reveal(), "token_type": "bearer",
                "expires_in": access.remaining(request.now), "refresh_token": refresh.token
            }),
        ))
    }

    /// Ends the access token that the request carries, and its refresh token.
    pub(super) fn revoke(&mut self, request: &VendorRequest) -> Result<Answer, Answer> {
        let refused = || refuse(401, error::INVALID_TOKEN, "The access token is invalid.");
        let Presented::Bearer(token) = Presented::read(request.header("authorization")) else {
            return Err(refused());
        };
        let access = self
            .oauth
            .valid(&token, request.now)
            .ok_or_else(refused)?
            .id;
        self.oauth.drop_pair(access);
        Ok(Answer::empty(204))
    }
}

/// What an app of TeamViewer's cannot be.
pub(super) fn check_client(client: &OAuthClient) -> Result<(), String> {
    let id = &client.client_id;
    if client.client_secret.is_none() {
        return Err(format!("the OAuth client {id} needs a client_secret"));
    }
    let granted = [GrantType::AuthorizationCode, GrantType::RefreshToken];
    match client.grants.iter().find(|grant| !granted.contains(grant)) {
        Some(_) => Err(format!(
            "the OAuth client {id} may only have authorization_code and refresh_token"
        )),
        None => Ok(()),
    }
}
