//! `/oauth/authorizations/new`, `/oauth/tokens` and `/api/v2/oauth/tokens/current`, as in the API reference's pages
//! "OAuth Tokens for Grant Types" and "OAuth Tokens", and in the help centre's page "Using OAuth authentication with your
//! application".

use std::ops::RangeInclusive;

use jiff::SignedDuration;
use serde_json::{Map, Value, json};

use super::{Zendesk, invalid_endpoint, not_found};
use crate::credentials::{IssuedToken, Presented};
use crate::exchange::{Answer, VendorRequest};
use crate::oauth::{Code, GrantType, OAuthClient, redirect, verifies};

const ACCESS_SECONDS: u32 = 1800;
const REFRESH_SECONDS: u32 = 2_592_000;
const ACCESS_BOUNDS: RangeInclusive<u32> = 300..=172_800;
const REFRESH_BOUNDS: RangeInclusive<u32> = 604_800..=7_776_000;
const CODE_LIFETIME: SignedDuration = SignedDuration::from_secs(120);
/// The numeric id of the first client; it is no `client_id`.
const FIRST_CLIENT: usize = 223_443;

type Fields = Map<String, Value>;

/// What a token is issued with.
struct Terms {
    username: String,
    scope: String,
    access_seconds: u32,
    /// `None` where there is no refresh token.
    refresh_seconds: Option<u32>,
}

impl Zendesk {
    /// `None` when the path is none of OAuth's that need no token.
    pub(super) fn oauth_endpoint(
        &mut self,
        request: &VendorRequest,
        path: &[&str],
    ) -> Option<Answer> {
        match (request.method.as_str(), path) {
            ("GET", ["oauth", "authorizations", "new"]) => {
                Some(self.authorize(request).unwrap_or_else(|page| page))
            }
            ("POST", ["oauth", "tokens"]) => {
                let (grant, answer) = self.token(request);
                self.oauth.count(grant, answer.is_ok());
                Some(answer.unwrap_or_else(|refusal| refusal))
            }
            (_, _) => None,
        }
    }

    /// Answers as if somebody had signed in and clicked.
    fn authorize(&mut self, request: &VendorRequest) -> Result<Answer, Answer> {
        let parameter = |name: &str| request.parameter(name).filter(|value| !value.is_empty());
        let page = |text: &str| {
            Answer::html(
                400,
                &format!("<html><head><title>{text}</title></head><body>{text}</body></html>"),
            )
        };
        let client = parameter("client_id")
            .and_then(|id| self.oauth.client(id))
            .filter(|client| client.may(GrantType::AuthorizationCode))
            .ok_or_else(|| page("No such client"))?
            .clone();
        let redirect_uri = parameter("redirect_uri")
            .filter(|wanted| client.redirect_uris.iter().any(|uri| uri == wanted))
            .ok_or_else(|| page("Invalid redirect_uri"))?;
        let state = parameter("state").ok_or_else(|| page("No state"))?;
        let back = |error: &str| {
            Ok(redirect(
                redirect_uri,
                &[("error", error), ("state", state)],
            ))
        };
        if parameter("response_type") != Some("code") {
            return back("unsupported_response_type");
        }
        let Some(scope) = parameter("scope").filter(|scope| within(scope, client.scope.as_deref()))
        else {
            return back("invalid_scope");
        };
        let challenge = parameter("code_challenge");
        let proves = match challenge {
            Some(_) => parameter("code_challenge_method") == Some("S256"),
            None => !client.is_public(),
        };
        if !proves {
            return back("invalid_request");
        }
        if self.oauth.deny {
            return back("access_denied");
        }
        let username = self
            .client_user(&client)
            .ok_or_else(|| page("Nobody can sign in"))?;
        let code = self.oauth.make_code(Code {
            client_id: client.client_id.clone(),
            redirect_uri: redirect_uri.to_owned(),
            username,
            scope: scope.to_owned(),
            challenge: challenge.map(str::to_owned),
            ends: request.now + CODE_LIFETIME,
        });
        Ok(redirect(redirect_uri, &[("code", &code), ("state", state)]))
    }

    fn client_user(&self, client: &OAuthClient) -> Option<String> {
        client.username.clone().or_else(|| self.first_user.clone())
    }

    fn token(&mut self, request: &VendorRequest) -> (Option<GrantType>, Result<Answer, Answer>) {
        let is_json = request
            .header("content-type")
            .is_some_and(|kind| kind.starts_with("application/json"));
        if !is_json {
            let refusal = refuse(415, "invalid_request", "The body has to be JSON.");
            return (None, Err(refusal));
        }
        let Some(fields) = request.body.as_ref().and_then(Value::as_object) else {
            return (
                None,
                Err(refuse(
                    400,
                    "invalid_request",
                    "The body is no JSON object.",
                )),
            );
        };
        let grant = text(fields, "grant_type")
            .and_then(GrantType::parse)
            .filter(|grant| *grant != GrantType::Password);
        let answer = match grant {
            Some(grant) => self.grant(request, fields, grant),
            None => Err(refuse(
                400,
                "unsupported_grant_type",
                "The authorization grant type is not supported by the authorization server.",
            )),
        };
        (grant, answer)
    }

    fn grant(
        &mut self,
        request: &VendorRequest,
        fields: &Fields,
        grant: GrantType,
    ) -> Result<Answer, Answer> {
        // The numeric id is nobody's identifier, and as a number not even text.
        let client = text(fields, "client_id")
            .and_then(|id| self.oauth.client(id))
            .cloned()
            .ok_or_else(|| refuse(401, "invalid_client", "No such client"))?;
        let verifier = text(fields, "code_verifier");
        let proves = grant == GrantType::AuthorizationCode && verifier.is_some();
        if !client.accepts(text(fields, "client_secret"), proves) {
            return Err(refuse(401, "invalid_client", "Invalid client secret"));
        }
        if !client.may(grant) {
            return Err(refuse(
                400,
                "unauthorized_client",
                "The client may not use this grant type.",
            ));
        }
        let mut terms = terms(fields, &client)?;
        let asked = scope(fields);
        let out_of_bounds = || refuse(400, "invalid_scope", "The requested scope is invalid.");
        if let Some(asked) = &asked
            && !within(asked, client.scope.as_deref())
        {
            return Err(out_of_bounds());
        }
        match grant {
            GrantType::AuthorizationCode => {
                let code = text(fields, "code")
                    .and_then(|code| self.oauth.take_code(code, request.now))
                    .ok_or_else(invalid_grant)?;
                let fits = code.client_id == client.client_id
                    && text(fields, "redirect_uri") == Some(&code.redirect_uri)
                    && verifies(code.challenge.as_deref(), verifier);
                // A verifier stands for the secret only where there is something to verify.
                let is_client = code.challenge.is_some()
                    || client.accepts(text(fields, "client_secret"), client.is_public());
                if !fits || !is_client {
                    return Err(invalid_grant());
                }
                terms.scope =
                    asked.ok_or_else(|| refuse(400, "invalid_request", "The scope is missing."))?;
                // What is no text is granted nevertheless, and good for nothing.
                if fields["scope"].is_string() && !within(&terms.scope, Some(&code.scope)) {
                    return Err(out_of_bounds());
                }
                terms.username = code.username;
            }
            GrantType::RefreshToken => {
                let old = text(fields, "refresh_token")
                    .and_then(|token| {
                        self.oauth
                            .valid_refresh(token, &client.client_id, request.now)
                    })
                    .ok_or_else(invalid_grant)?;
                terms.scope = asked.unwrap_or_else(|| old.scope.clone());
                if !within(&terms.scope, Some(&old.scope)) {
                    return Err(out_of_bounds());
                }
                terms.username = old.username;
                // Both old tokens die, whether or not the answer arrives.
                self.oauth.drop_pair(old.access);
            }
            GrantType::ClientCredentials => {
                if client.is_public() {
                    return Err(refuse(
                        400,
                        "unauthorized_client",
                        "A public client has no credentials.",
                    ));
                }
                terms.scope =
                    asked.ok_or_else(|| refuse(400, "invalid_request", "The scope is missing."))?;
                terms.username = self
                    .client_user(&client)
                    .ok_or_else(|| refuse(401, "invalid_client", "The client has no user."))?;
                terms.refresh_seconds = None;
            }
            GrantType::Password => return Err(invalid_grant()),
        }
        Ok(self.hand_out(request, &client, &terms))
    }

    fn hand_out(&mut self, request: &VendorRequest, client: &OAuthClient, terms: &Terms) -> Answer {
        let access = self.oauth.issue(
            &client.client_id,
            &terms.username,
            &terms.scope,
            terms.access_seconds,
            request.now,
        );
        let refresh = terms.refresh_seconds.map(|seconds| {
            self.oauth
                .issue_refresh(&access, seconds, request.now)
                .token
        });
        Answer::json(
            self.token_status,
            json!({ "access_token": access.token.reveal(), "token_type": "bearer", "scope": access.scope,
                "refresh_token": refresh, "expires_in": terms.access_seconds,
                "refresh_token_expires_in": terms.refresh_seconds }),
        )
    }

    /// The token that the request itself carries.
    pub(super) fn current_token(&mut self, request: &VendorRequest) -> Result<Answer, Answer> {
        let Presented::Bearer(token) = Presented::read(request.header("authorization")) else {
            return Err(not_found());
        };
        let issued = self
            .oauth
            .valid(&token, request.now)
            .ok_or_else(not_found)?
            .clone();
        match request.method.as_str() {
            "GET" => Ok(Answer::json(
                200,
                json!({ "token": self.token_json(request, &issued) }),
            )),
            "DELETE" => {
                self.oauth.drop_pair(issued.id);
                Ok(Answer::empty(204))
            }
            _ => Err(invalid_endpoint()),
        }
    }

    fn token_json(&self, request: &VendorRequest, issued: &IssuedToken) -> Value {
        let refresh = self.oauth.refresh_of(issued.id);
        let client = issued.client_id.as_deref();
        let user = self.user_with_email(&issued.username).map(|(id, _)| id);
        let scopes: Vec<&str> = issued.scope.split(' ').collect();
        // The texts are cut: they are shown in full only when they are issued.
        let shown: String = issued.token.reveal().chars().take(10).collect();
        json!({ "id": issued.id, "url": format!("{}/api/v2/oauth/tokens/{}.json", request.instance_url, issued.id),
            "client_id": client.and_then(|id| self.oauth.position(id)).map(|position| FIRST_CLIENT + position),
            "user_id": user, "token": shown, "refresh_token": null, "scopes": scopes,
            "created_at": issued.created_at, "used_at": request.now, "expires_at": issued.ends,
            "refresh_token_expires_at": refresh.map(|refresh| refresh.ends) })
    }
}

/// Addresses that a client may register: HTTPS, except on the machine itself.
pub(super) fn check_client(client: &OAuthClient) -> Result<(), String> {
    let allowed = ["https://", "http://localhost", "http://127.0.0.1"];
    match client
        .redirect_uris
        .iter()
        .find(|uri| !allowed.iter().any(|start| uri.starts_with(start)))
    {
        Some(uri) => Err(format!("the redirect address {uri} isn't HTTPS")),
        None if client.grants.contains(&GrantType::Password) => {
            Err("Zendesk has no grant for passwords".to_owned())
        }
        None => Ok(()),
    }
}

fn text<'a>(fields: &'a Fields, name: &str) -> Option<&'a str> {
    fields.get(name)?.as_str().filter(|text| !text.is_empty())
}

/// The scope asked for; an array is taken, but means nothing.
fn scope(fields: &Fields) -> Option<String> {
    match fields.get("scope")? {
        Value::Null => None,
        Value::String(text) if text.is_empty() => None,
        Value::String(text) => Some(text.clone()),
        other @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            Some(other.to_string())
        }
    }
}

/// Whether all that is asked for lies below the ceiling.
fn within(asked: &str, ceiling: Option<&str>) -> bool {
    ceiling.is_none_or(|ceiling| {
        asked
            .split(' ')
            .all(|asked| ceiling.split(' ').any(|granted| granted == asked))
    })
}

/// The lives that were asked for, if they are within bounds.
fn terms(fields: &Fields, client: &OAuthClient) -> Result<Terms, Answer> {
    let seconds = |name: &str, bounds: RangeInclusive<u32>, default: u32| match fields.get(name) {
        None | Some(Value::Null) => Ok(default),
        Some(value) => value
            .as_u64()
            .and_then(|seconds| u32::try_from(seconds).ok())
            .filter(|seconds| bounds.contains(seconds))
            .ok_or_else(|| {
                let (from, to) = (bounds.start(), bounds.end());
                refuse(
                    400,
                    "invalid_request",
                    &format!("{name} has to be between {from} and {to}."),
                )
            }),
    };
    Ok(Terms {
        username: String::new(),
        scope: String::new(),
        access_seconds: seconds(
            "expires_in",
            ACCESS_BOUNDS,
            client.access_seconds.unwrap_or(ACCESS_SECONDS),
        )?,
        refresh_seconds: Some(seconds(
            "refresh_token_expires_in",
            REFRESH_BOUNDS,
            client.refresh_seconds.unwrap_or(REFRESH_SECONDS),
        )?),
    })
}

fn refuse(status: u16, error: &str, description: &str) -> Answer {
    Answer::json(
        status,
        json!({ "error": error, "error_description": description }),
    )
}

fn invalid_grant() -> Answer {
    refuse(
        400,
        "invalid_grant",
        "The provided authorization grant or refresh token is invalid, expired, revoked, does not match the redirection \
         URI used in the authorization request, or was issued to another client.",
    )
}
