//! Whether there is an account, whether its credentials work, and what they allow. Only reads.

use serde_json::{Map, Value};
use vendor_http::{Answer, BaseUrl, Method, Request, Response};

use crate::client::body;
use crate::{Auth, Client, Error, ErrorKind, Operation, Words};

/// An address that nobody has, to ask for a profile with.
const NOBODY: &str = "closedloop:verification:email:nobody@invalid.invalid";

/// Whether there is an account at an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Existence {
    /// There is.
    Found,
    /// Nobody has that subdomain.
    NotFound,
    /// The answer tells neither; it may be suspended or renamed.
    Unclear {
        /// What came instead.
        answer: String,
    },
}

/// What is known about credentials that work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The name of the user that they belong to.
    pub user: Option<String>,
    /// `agent` or `admin`.
    pub role: String,
    /// What was tried.
    pub checks: Vec<Check>,
}

/// One thing that credentials may or may not allow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What.
    pub what: &'static str,
    /// Whether it is allowed; `None` when the answer does not tell.
    pub allowed: Option<bool>,
    /// The answer, in a few words.
    pub answer: String,
}

/// Asks without credentials whether there is an account.
/// See [Show self](https://developer.zendesk.com/api-reference/ticketing/users/users/#show-self), which answers
/// about the anonymous user, too.
///
/// # Errors
///
/// No answer at all is `Retry`. Whatever is answered is no error.
pub async fn exists(
    http: &vendor_http::Client,
    base: &BaseUrl,
) -> Result<Answer<Existence>, Error> {
    // The credentials of this client are never sent.
    let nobody = Client::new(
        http.clone(),
        base.clone(),
        Auth::Bearer(String::new().into()),
    );
    let url = base.join(["api", "v2", "users", "me.json"], []);
    let attempt = nobody.attempt(Operation::Exists);
    let (response, call) = attempt
        .send_anonymously(Request::new(Method::GET, url))
        .await?;
    let value = match body(&response) {
        Ok(body) if body.contains_key("user") => Existence::Found,
        Ok(_) => Existence::Unclear {
            answer: described(&response),
        },
        Err(ErrorKind::Refused {
            status: 404, words, ..
        }) if words.tell_of_no_account() => Existence::NotFound,
        Err(kind) => Existence::Unclear {
            answer: kind.to_string(),
        },
    };
    Ok(Answer { value, call })
}

impl Client {
    /// Verifies the credentials, and asks for a little of everything that tasks work with.
    ///
    /// # Errors
    ///
    /// Those of [`Client::me`]. A check that fails is no error: its [`Check`] says so.
    pub async fn verify(&self) -> Result<Verified, Error> {
        let user = self.me().await?.value;
        let nobody = [("identifier", NOBODY)];
        let mut checks = vec![
            self.check("read tickets", &["tickets", "count"], &[], Absent::Refused)
                .await,
            self.check(
                "list ticket fields",
                &["ticket_fields"],
                &[],
                Absent::Refused,
            )
            .await,
            self.check(
                "list custom objects",
                &["custom_objects"],
                &[],
                Absent::Refused,
            )
            .await,
            self.check(
                "look for profiles",
                &["user_profiles"],
                &nobody,
                Absent::Expected,
            )
            .await,
        ];
        match &self.auth {
            Auth::Bearer(_) => checks.push(self.check_scopes().await),
            Auth::ApiToken { .. } | Auth::Basic { .. } => {}
        }
        Ok(Verified {
            user: user.name,
            role: user.role,
            checks,
        })
    }

    async fn check(
        &self,
        what: &'static str,
        path: &[&str],
        query: &[(&str, &str)],
        absent: Absent,
    ) -> Check {
        let (allowed, answer) = match self.read(path, query).await {
            Ok(_) => (Some(true), "allowed".to_owned()),
            Err(error) if error.is_absent() && absent == Absent::Expected => (
                Some(true),
                "allowed; nothing was found, as expected".to_owned(),
            ),
            Err(error) => {
                let allowed = match error.status() {
                    Some(401 | 403 | 404) => Some(false),
                    Some(_) | None => None,
                };
                (allowed, error.kind.to_string())
            }
        };
        Check {
            what,
            allowed,
            answer,
        }
    }

    /// A token is given even for scopes that do not exist, and every call with it is refused then
    /// ([Grant-type tokens](https://developer.zendesk.com/api-reference/ticketing/oauth/grant_type_tokens/)).
    async fn check_scopes(&self) -> Check {
        let path = ["oauth", "tokens", "current.json"];
        let (allowed, answer) = match self.read(&path, &[]).await {
            Ok(body) => match scopes(&body) {
                Some(scopes) => {
                    let all = ["read", "write"].map(|needed| scopes.contains(&needed));
                    let scopes = scopes.join(" ");
                    if all == [true, true] {
                        (Some(true), format!("the token's scope is `{scopes}`"))
                    } else {
                        let text = format!(
                            "the token's scope is `{scopes}`; profiles and records need `read write`"
                        );
                        (Some(false), text)
                    }
                }
                None => (None, "the answer does not name the scopes".to_owned()),
            },
            Err(error) => (None, error.kind.to_string()),
        };
        Check {
            what: "read and write with this token",
            allowed,
            answer,
        }
    }

    async fn read(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<Map<String, Value>, Error> {
        let segments = ["api", "v2"].into_iter().chain(path.iter().copied());
        let url = self.base.join(segments, query.iter().copied());
        let attempt = self.attempt(Operation::Check);
        let (body, _) = attempt.data(Request::new(Method::GET, url)).await?;
        Ok(body)
    }
}

/// What an answer means that says that there is no such thing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Absent {
    Expected,
    Refused,
}

fn scopes(body: &Map<String, Value>) -> Option<Vec<&str>> {
    let scopes = body.get("token")?.get("scopes")?.as_array()?;
    Some(scopes.iter().filter_map(Value::as_str).collect())
}

fn described(response: &Response) -> String {
    let words = Words::of(response);
    format!("HTTP {}{words}", response.status)
}
