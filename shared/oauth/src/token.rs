use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};
use vendor_http::{Method, Request, Response};

use crate::error::{Error, Refusal};
use crate::provider::{Client, ClientAuthentication, Encoding, Provider, Tokens};
use crate::secret::Verifier;

/// A token endpoint answers in a moment; a function must have time left to store what it says.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Parameters whose values never appear in an error.
const SECRETS: [&str; 4] = ["client_secret", "code", "code_verifier", "refresh_token"];
/// How TeamViewer says "not now", with a status that otherwise says "no".
const LATER: [&str; 3] = ["rate_limit_reached", "too_many_retries", "internal_error"];
/// Longest part of a vendor's words that is repeated, in characters.
const LONGEST_WORDS: usize = 200;

impl Provider {
    /// Turns the code that came back from the vendor into tokens. `redirect_uri` is the one of the authorization.
    ///
    /// # Errors
    /// [`Error`]; each says what to do. A code is good once.
    pub async fn exchange_code(
        &self,
        http: &vendor_http::Client,
        client: &Client,
        code: &SecretString,
        redirect_uri: &str,
        verifier: &Verifier,
    ) -> Result<Tokens, Error> {
        let mut parameters = vec![
            ("code", code.expose_secret()),
            ("redirect_uri", redirect_uri),
        ];
        if self.pkce {
            parameters.push(("code_verifier", verifier.expose()));
        }
        self.tokens(http, client, "authorization_code", &parameters, true)
            .await
    }

    /// Gets the next access token. The vendor may give the next refresh token too, and then no longer takes this one.
    ///
    /// # Errors
    /// [`Error`]; each says what to do.
    pub async fn refresh(
        &self,
        http: &vendor_http::Client,
        client: &Client,
        refresh: &SecretString,
    ) -> Result<Tokens, Error> {
        let parameters = [("refresh_token", refresh.expose_secret())];
        self.tokens(http, client, "refresh_token", &parameters, true)
            .await
    }

    /// Gets an access token for the client itself.
    ///
    /// # Errors
    /// [`Error`]; each says what to do.
    pub async fn client_credentials(
        &self,
        http: &vendor_http::Client,
        client: &Client,
    ) -> Result<Tokens, Error> {
        self.tokens(http, client, "client_credentials", &[], false)
            .await
    }

    async fn tokens(
        &self,
        http: &vendor_http::Client,
        client: &Client,
        grant_type: &str,
        parameters: &[(&str, &str)],
        refreshable: bool,
    ) -> Result<Tokens, Error> {
        let mut all = vec![("grant_type", grant_type)];
        let basic = match (self.client_authentication, &client.secret) {
            // A public client has nothing but its id to name.
            (ClientAuthentication::Parameters, _) | (ClientAuthentication::Basic, None) => {
                all.push(("client_id", &client.id));
                if let Some(secret) = &client.secret {
                    all.push(("client_secret", secret.expose_secret()));
                }
                None
            }
            (ClientAuthentication::Basic, Some(secret)) => Some(secret),
        };
        all.extend_from_slice(parameters);
        // A refresh without a scope keeps what was granted (RFC 6749, 6).
        if let Some(scope) = self.scope.as_deref()
            && grant_type != "refresh_token"
        {
            all.push(("scope", scope));
        }
        let lifetimes = if refreshable { self.refreshable } else { &[] };
        let request = Request::new(Method::POST, self.token.clone()).timeout(TIMEOUT);
        // Base64 always fits a header.
        let request = match basic.map(|secret| vendor_http::basic(&client.id, secret)) {
            Some(Ok(credentials)) => request.authorization(credentials),
            Some(Err(_)) | None => request,
        };
        let request = match self.encoding {
            Encoding::Form => {
                let mut form = form_urlencoded::Serializer::new(String::new());
                form.extend_pairs(&all);
                for (name, seconds) in lifetimes {
                    form.append_pair(name, &seconds.to_string());
                }
                request.form(form.finish())
            }
            Encoding::Json => {
                let texts = all
                    .iter()
                    .map(|(name, value)| ((*name).to_owned(), Value::from(*value)));
                let numbers = lifetimes
                    .iter()
                    .map(|(name, seconds)| ((*name).to_owned(), Value::from(*seconds)));
                let body: Map<String, Value> = texts.chain(numbers).collect();
                request.json(Value::Object(body).to_string())
            }
        };
        let response = http.send(request).await.map_err(Error::Unreachable)?;
        let sent: Vec<&str> = all
            .iter()
            .filter(|(name, _)| SECRETS.contains(name))
            .map(|(_, value)| *value)
            .chain(basic.map(ExposeSecret::expose_secret))
            .collect();
        self.read(&response, &sent)
    }

    fn read(&self, response: &Response, secrets: &[&str]) -> Result<Tokens, Error> {
        let body = response.json().unwrap_or_default();
        let status = response.status;
        let text = |name: &str| body.get(name).and_then(Value::as_str).map(str::trim);
        let words = |name: &str| {
            let text = text(name).filter(|text| !text.is_empty())?;
            // Some servers quote what they refuse.
            let text = secrets
                .iter()
                .filter(|secret| !secret.is_empty())
                .fold(text.to_owned(), |text, secret| text.replace(secret, "…"));
            Some(text.chars().take(LONGEST_WORDS).collect())
        };
        let refused = || {
            let refusal = Refusal {
                status,
                code: words("error"),
                description: words("error_description"),
            };
            match text("error") {
                Some(code) if self.client_refusals.contains(&code) => Error::Client(refusal),
                Some(_) | None => Error::Refused(refusal),
            }
        };
        if response.is_success() {
            let access = text("access_token").filter(|token| !token.is_empty());
            let Some(access) = access else {
                return Err(match text("error") {
                    Some(code) if !code.is_empty() => refused(),
                    Some(_) | None => Error::Unusable {
                        status,
                        title: response.page_title(),
                    },
                });
            };
            return Ok(Tokens {
                access: access.into(),
                refresh: text("refresh_token")
                    .filter(|token| !token.is_empty())
                    .map(Into::into),
                expires_in: body.get("expires_in").and_then(seconds),
                scope: words("scope"),
            });
        }
        // Wrong user, secret, token or grant: 400 by the standard, 401 in ServiceNow's answers, 403 for a client that may not.
        // A page instead of JSON comes from something in between, which may go away.
        let refusal = (400..500).contains(&status) && ![404, 408, 425, 429].contains(&status);
        let later = text("error").is_some_and(|code| LATER.contains(&code));
        if refusal && body.is_object() && !later {
            return Err(refused());
        }
        if later || status == 408 || status == 425 || status == 429 || status >= 500 {
            return Err(Error::Unavailable {
                status,
                after: response.retry_after(),
            });
        }
        Err(Error::Unusable {
            status,
            title: response.page_title(),
        })
    }
}

/// Some servers write the number as a text.
fn seconds(value: &Value) -> Option<Duration> {
    let seconds = match value {
        Value::String(text) => text.trim().parse().ok(),
        Value::Number(number) => number.as_u64(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    seconds.map(Duration::from_secs)
}
