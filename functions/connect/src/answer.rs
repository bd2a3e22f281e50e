//! What a browser gets.

use accounts::{Authorize, Check, Completed};
use aws_lambda_events::apigw::ApiGatewayV2httpResponse;
use aws_lambda_events::encodings::Body;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue};
use minijinja::{Environment, Value, context};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use crate::request::{AGREED, Problem, asked_cookie_name, cookie_name};

/// How long somebody may take to answer the question, in seconds.
const QUESTION_SECONDS: u32 = 600;

/// The name decides that everything in it is escaped.
const TEMPLATE_NAME: &str = "page.html";
const TEMPLATE: &str = include_str!("page.html");

/// An answer for a person, who may read it as a page or as JSON. No `Debug`: it holds what proves the browser.
pub(crate) struct Page {
    status: u16,
    /// For problem details; `None` for what is none.
    problem: Option<&'static str>,
    title: String,
    lines: Vec<String>,
    checks: Vec<Check>,
    /// Where to go on, relative to this page, and what the link says.
    link: Option<(String, String)>,
    location: Option<String>,
    cookie: Option<String>,
}

impl Page {
    pub(crate) fn redirect(authorize: &Authorize) -> Self {
        let state = authorize.state.expose();
        let cookie = format!(
            "{}={}; Path=/; Max-Age={}; Secure; HttpOnly; SameSite=Lax",
            cookie_name(state),
            authorize.browser.expose_secret(),
            authorize.lifetime.as_secs()
        );
        Self {
            status: 302,
            problem: None,
            title: "On the way to the vendor".to_owned(),
            lines: Vec::new(),
            checks: Vec::new(),
            link: None,
            location: Some(authorize.location.to_string()),
            cookie: Some(cookie),
        }
    }

    /// Asks whether it is really the owner of the account who signs in. The cookie goes with a click on this page only, and
    /// not with a link from elsewhere.
    pub(crate) fn question(owner: &str, ticket: &SecretString) -> Self {
        let ticket = ticket.expose_secret();
        let cookie = format!(
            "{}=1; Path=/; Max-Age={QUESTION_SECONDS}; Secure; HttpOnly; SameSite=Strict",
            asked_cookie_name(ticket)
        );
        Self {
            status: 200,
            problem: None,
            title: "Is this you?".to_owned(),
            lines: vec![
                format!("You sign in as the TeamViewer user of {owner}."),
                format!(
                    "What {owner} does here is then done with your TeamViewer account. If somebody else sent you this address, close the page."
                ),
            ],
            checks: Vec::new(),
            link: Some((
                format!("?ticket={ticket}&{AGREED}=yes"),
                format!("I am {owner}: go on to TeamViewer"),
            )),
            location: None,
            cookie: Some(cookie),
        }
    }

    pub(crate) fn connected(completed: &Completed) -> Self {
        let account = &completed.account;
        let mut lines = vec![format!(
            "The {} account {} ({}) is connected. Tasks that waited for it go on within twenty minutes. You can close this page.",
            account.vendor, account.name, account.instance
        )];
        let mut checks = Vec::new();
        match &completed.verification {
            Some(found) if found.works => {
                lines.extend(found.user.iter().map(|user| format!("It works as {user}.")));
                checks.clone_from(&found.checks);
            }
            Some(found) => lines.push(format!(
                "But trying it out failed: {}",
                found.problem.as_deref().unwrap_or("no reason given")
            )),
            None => lines.push(
                "It could not be tried out at this moment: do so with `closedloop accounts verify`."
                    .to_owned(),
            ),
        }
        Self {
            status: 200,
            problem: None,
            title: format!("{} is connected", account.name),
            lines,
            checks,
            link: None,
            location: None,
            cookie: None,
        }
    }

    pub(crate) fn refusal(problem: &Problem) -> Self {
        Self {
            status: problem.status(),
            problem: Some(problem.kind()),
            title: "Not connected".to_owned(),
            lines: vec![problem.to_string()],
            checks: Vec::new(),
            link: None,
            location: None,
            cookie: None,
        }
    }

    pub(crate) fn response(self, wants_html: bool) -> ApiGatewayV2httpResponse {
        let mut headers = HeaderMap::new();
        let mut set = |name: HeaderName, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        };
        set(CACHE_CONTROL, "no-store");
        // The address holds a ticket or a code: no other site gets to see it.
        set(HeaderName::from_static("referrer-policy"), "no-referrer");
        set(HeaderName::from_static("x-content-type-options"), "nosniff");
        set(
            CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
        );
        if self.status == 503 {
            set(RETRY_AFTER, "60");
        }
        if let Some(location) = &self.location {
            set(LOCATION, location);
        }
        let body = if self.location.is_some() {
            None
        } else if wants_html {
            set(CONTENT_TYPE, "text/html; charset=utf-8");
            Some(self.html())
        } else {
            let media_type = if self.problem.is_some() {
                "application/problem+json"
            } else {
                "application/json"
            };
            set(CONTENT_TYPE, media_type);
            Some(self.json())
        };
        let mut response = ApiGatewayV2httpResponse::default();
        response.status_code = i64::from(self.status);
        response.headers = headers;
        response.body = body.map(Body::Text);
        response.cookies = self.cookie.into_iter().collect();
        response
    }

    fn html(&self) -> String {
        let environment = Environment::new();
        let checks: Vec<Value> = self
            .checks
            .iter()
            .map(|check| {
                let mark = match check.allowed {
                    Some(true) => "✓",
                    Some(false) => "✗",
                    None => "?",
                };
                context! { mark, what => check.what.as_str(), answer => check.answer.as_str() }
            })
            .collect();
        let link = self.link.as_ref();
        let link =
            link.map(|(href, text)| context! { href => href.as_str(), text => text.as_str() });
        let page =
            context! { title => self.title.as_str(), lines => self.lines.clone(), checks, link };
        // A template of our own does not fail; should it ever, the words still arrive.
        environment
            .render_named_str(TEMPLATE_NAME, TEMPLATE, page)
            .unwrap_or_else(|_| "<!doctype html><title>closedloop</title>".to_owned())
    }

    fn json(&self) -> String {
        let detail = self.lines.join(" ");
        match self.problem {
            Some(problem) => json!({
                "type": format!("urn:closedloop:problem:{problem}"), "title": self.title, "status": self.status,
                "detail": detail,
            }),
            None => json!({ "title": self.title, "detail": detail, "checks": self.checks }),
        }
        .to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use accounts::NotCompleted;

    #[test]
    fn words_of_others_are_escaped() {
        let mut page = Page::refusal(&Problem::NotCompleted(NotCompleted::Expired));
        page.lines.push("<script>alert(1)</script>".to_owned());
        page.checks.push(Check {
            what: "read <b>tickets</b>".to_owned(),
            allowed: Some(false),
            answer: "\"no\"".to_owned(),
        });
        let html = page.html();
        assert!(html.contains("ten minutes") && html.contains('✗'), "{html}");
        assert!(
            !html.contains("<script>") && !html.contains("<b>tickets"),
            "{html}"
        );
    }

    #[test]
    fn own_sign_in_names_its_owner_and_takes_a_click() {
        let owner = "Ann <b>&\"Co\"</b>";
        let response = Page::question(owner, &"0123abcd".into()).response(true);
        assert_eq!(
            (response.status_code, response.headers.get(LOCATION)),
            (200, None)
        );
        let cookie = &response.cookies[0];
        assert!(
            cookie.starts_with("__Host-asked-0123abcd=1;") && cookie.contains("SameSite=Strict"),
            "{cookie}"
        );
        let Some(Body::Text(html)) = response.body else {
            panic!()
        };
        assert!(
            html.contains("You sign in as the TeamViewer user of Ann &lt;b&gt;"),
            "{html}"
        );
        assert!(!html.contains("<b>"), "{html}");
        assert!(
            html.contains(r#"href="?ticket=0123abcd&amp;agreed=yes""#),
            "{html}"
        );
    }

    #[test]
    fn refusal_is_a_page_for_people_and_problem_details_for_programs() {
        let refusal = || Page::refusal(&Problem::NotCompleted(NotCompleted::OtherBrowser));
        let html = refusal().response(true);
        assert_eq!(html.status_code, 403);
        assert!(
            html.headers[CONTENT_TYPE]
                .to_str()
                .unwrap()
                .starts_with("text/html")
        );
        assert_eq!(html.headers[CACHE_CONTROL], "no-store");
        let json = refusal().response(false);
        assert_eq!(json.headers[CONTENT_TYPE], "application/problem+json");
        let Some(Body::Text(body)) = json.body else {
            panic!()
        };
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body["status"], 403);
        assert!(body["detail"].as_str().unwrap().contains("another browser"));
    }
}
