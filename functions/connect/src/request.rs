//! What a browser asks for.

use accounts::{Answer, NotCompleted};
use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use http::HeaderMap;
use secrecy::{ExposeSecret, SecretString};

/// Longer values are none of ours, and no vendor's.
const LONGEST_VALUE: usize = 4_096;
/// The parameter of whoever wants to go on to the vendor.
pub(crate) const AGREED: &str = "agreed";

/// A request, taken apart.
#[derive(Debug)]
pub(crate) enum Request {
    /// Somebody opened the address that they were given.
    Start {
        ticket: SecretString,
        /// Whether they were told, in this browser, whose sign-in it is, and want to go on.
        has_agreed: bool,
    },
    /// The vendor sent somebody back.
    Callback {
        state: SecretString,
        /// What the cookie holds.
        browser: Option<SecretString>,
        answer: Answer,
    },
}

/// Why a request gets a refusal.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    #[error("There is no such page.")]
    NoSuchPage,
    #[error(
        "The address is not complete: its parameter `{0}` is missing. Open the whole address that you were given."
    )]
    Missing(&'static str),
    #[error(transparent)]
    NotCompleted(#[from] NotCompleted),
}

impl Problem {
    /// For the log, and for problem details.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::NoSuchPage => "no-such-page",
            Self::Missing(_) => "missing-parameter",
            Self::NotCompleted(problem) => match problem {
                NotCompleted::NoInvitation => "no-invitation",
                NotCompleted::UnknownState => "unknown-state",
                NotCompleted::Expired => "expired",
                NotCompleted::OtherBrowser => "other-browser",
                NotCompleted::Denied(_) => "denied",
                NotCompleted::Changed => "changed",
                NotCompleted::NoTokens(_) => "no-tokens",
                NotCompleted::OtherCompany => "other-company",
                NotCompleted::NotStored(_) => "not-stored",
                NotCompleted::Trouble(_) => "unavailable",
            },
        }
    }

    pub(crate) fn status(&self) -> u16 {
        match self {
            Self::NoSuchPage => 404,
            Self::Missing(_) => 400,
            Self::NotCompleted(problem) => match problem {
                NotCompleted::NoInvitation => 404,
                NotCompleted::UnknownState | NotCompleted::Expired | NotCompleted::Denied(_) => 400,
                NotCompleted::OtherBrowser | NotCompleted::OtherCompany => 403,
                NotCompleted::Changed => 409,
                NotCompleted::NoTokens(_) => 502,
                NotCompleted::NotStored(_) | NotCompleted::Trouble(_) => 503,
            },
        }
    }
}

impl Request {
    pub(crate) fn read(request: &ApiGatewayV2httpRequest) -> Result<Self, Problem> {
        let parameter = |name: &str| {
            let value = request.query_string_parameters.first(name)?;
            (!value.is_empty() && value.len() <= LONGEST_VALUE).then(|| value.to_owned())
        };
        let secret = |name: &'static str| {
            let value = parameter(name).ok_or(Problem::Missing(name))?;
            Ok::<SecretString, Problem>(value.into())
        };
        let path = request.raw_path.as_deref().unwrap_or_default();
        // Some emulators put the stage in front.
        if path.ends_with("/connect/start") {
            let ticket = secret("ticket")?;
            // An address alone could be made by anybody, to pass the question by.
            let was_asked = cookie(request, &asked_cookie_name(ticket.expose_secret())).is_some();
            return Ok(Self::Start {
                has_agreed: was_asked && parameter(AGREED).is_some(),
                ticket,
            });
        }
        if !path.ends_with("/connect/callback") {
            return Err(Problem::NoSuchPage);
        }
        let answer = match parameter("error") {
            Some(error) => Answer::Denied { error },
            None => Answer::Code(secret("code")?),
        };
        let state = secret("state")?;
        let browser = cookie(request, &cookie_name(state.expose_secret()));
        Ok(Self::Callback {
            state,
            browser,
            answer,
        })
    }
}

/// The cookie that belongs to a `state`: with a name of its own, so that two accounts can be connected side by side. The
/// prefix makes browsers refuse it from anybody but this very host, and without TLS.
pub(crate) fn cookie_name(state: &str) -> String {
    format!("__Host-connect-{}", beginning(state))
}

/// The cookie of a browser that has shown whose sign-in the ticket is for. See [`cookie_name`].
pub(crate) fn asked_cookie_name(ticket: &str) -> String {
    format!("__Host-asked-{}", beginning(ticket))
}

fn beginning(text: &str) -> String {
    let may_stand = text.chars().filter(char::is_ascii_alphanumeric);
    may_stand.take(16).collect()
}

fn cookie(request: &ApiGatewayV2httpRequest, name: &str) -> Option<SecretString> {
    let header = request.headers.get(http::header::COOKIE);
    let header = header
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let listed = request.cookies.iter().flatten().map(String::as_str);
    listed.chain(header.split(';')).find_map(|cookie| {
        let (found, value) = cookie.trim().split_once('=')?;
        (found == name && value.len() <= LONGEST_VALUE).then(|| value.into())
    })
}

/// Whether the one who asks reads pages: browsers do, programs want problem details.
pub(crate) fn wants_html(headers: &HeaderMap) -> bool {
    let accept = headers.get(http::header::ACCEPT);
    let accept = accept
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    accept.contains("text/html")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read(path: &str, query: Value, extra: Value) -> Result<Request, Problem> {
        let mut envelope = json!({
            "version": "2.0", "rawPath": path, "headers": {"accept": "text/html"},
            "queryStringParameters": query, "requestContext": {"http": {"method": "GET"}}, "isBase64Encoded": false,
        });
        for (name, value) in extra.as_object().unwrap() {
            envelope[name] = value.clone();
        }
        Request::read(&serde_json::from_value(envelope).unwrap())
    }

    #[test]
    fn addresses_are_told_apart_with_or_without_a_stage() {
        for path in ["/connect/start", "/$default/connect/start"] {
            let Ok(Request::Start { ticket, .. }) = read(path, json!({"ticket": "t"}), json!({}))
            else {
                panic!("{path}")
            };
            assert_eq!(ticket.expose_secret(), "t");
        }
        for path in ["/connect", "/connect/start/x", "/", ""] {
            assert!(
                matches!(
                    read(path, json!({"ticket": "t"}), json!({})),
                    Err(Problem::NoSuchPage)
                ),
                "{path}"
            );
        }
    }

    #[test]
    fn whoever_goes_on_was_asked_in_this_browser() {
        let agreed = json!({"ticket": "t1", "agreed": "yes"});
        let asked = |cookie: &str| json!({"cookies": [cookie]});
        for (query, extra, expected) in [
            (agreed.clone(), asked("__Host-asked-t1=1"), true),
            (agreed.clone(), json!({}), false),
            (agreed.clone(), asked("__Host-asked-t2=1"), false),
            (agreed.clone(), asked("asked-t1=1"), false),
            (json!({"ticket": "t1"}), asked("__Host-asked-t1=1"), false),
        ] {
            let Ok(Request::Start { has_agreed, .. }) =
                read("/connect/start", query.clone(), extra.clone())
            else {
                panic!("{query}")
            };
            assert_eq!(has_agreed, expected, "{query} {extra}");
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        for (path, query, missing) in [
            ("/connect/start", json!({}), "ticket"),
            ("/connect/start", json!({"ticket": ""}), "ticket"),
            (
                "/connect/start",
                json!({"ticket": "x".repeat(5_000)}),
                "ticket",
            ),
            ("/connect/callback", json!({"state": "s"}), "code"),
            ("/connect/callback", json!({"code": "c"}), "state"),
            (
                "/connect/callback",
                json!({"error": "access_denied"}),
                "state",
            ),
        ] {
            let problem = read(path, query, json!({})).unwrap_err();
            assert!(
                matches!(problem, Problem::Missing(name) if name == missing),
                "{problem}"
            );
        }
    }

    #[test]
    fn cookie_of_this_state_is_found_wherever_the_gateway_puts_it() {
        let query = json!({"code": "c", "state": "abc"});
        for extra in [
            json!({"cookies": ["other=1", "__Host-connect-abc=secret"]}),
            json!({"headers": {"cookie": "other=1; __Host-connect-abc=secret"}}),
        ] {
            let Ok(Request::Callback { browser, .. }) =
                read("/connect/callback", query.clone(), extra)
            else {
                panic!()
            };
            assert_eq!(browser.unwrap().expose_secret(), "secret");
        }
        let extra = json!({"cookies": ["__Host-connect-abd=secret", "x__Host-connect-abc=secret"]});
        let Ok(Request::Callback { browser, .. }) = read("/connect/callback", query, extra) else {
            panic!()
        };
        assert!(browser.is_none());
    }
}
