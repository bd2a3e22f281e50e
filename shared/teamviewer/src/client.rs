//! The calls.

use std::fmt;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value};
use vendor_http::{Answer, BaseUrl, Call, Method, Request, Response};

use crate::connection::is_id;
use crate::error::{request_id, tidy};
use crate::reading::Fields;
use crate::{
    Connection, ConnectionPage, ConnectionQuery, Created, Error, ErrorKind, Group, InvalidInput,
    NewSession, Operation, Session, SessionChange, SessionCode, SessionPage, SessionQuery,
    SessionState, User, Words,
};

/// Longest list, in bytes.
const LIST_LIMIT: usize = 8 * 1024 * 1024;
/// Longest page of the report or of sessions, in bytes: it holds up to 1000 of them, each with several texts of some
/// thousand characters. One that is longer would stand before all that come behind it.
const PAGE_LIMIT: usize = 32 * 1024 * 1024;
/// How long a page of the report may take: TeamViewer searches years for it, and may have to send all that.
const REPORT_TIMEOUT: Duration = Duration::from_secs(35);

/// One company, as whoever the token belongs to sees it. Its `Debug` shows no secret.
#[derive(Debug, Clone)]
pub struct Client {
    http: vendor_http::Client,
    base: BaseUrl,
    token: SecretString,
}

/// Whom the token belongs to. Its `Debug` shows the id alone.
#[derive(Clone, PartialEq, Eq)]
pub struct Account {
    /// The user's id, such as `u1234`.
    pub userid: Option<String>,
    /// The user's name.
    pub name: Option<String>,
    /// The user's e-mail address.
    pub email: Option<String>,
    /// The company's name.
    pub company_name: Option<String>,
}

impl Client {
    /// Makes no call. `base` is `https://webapi.teamviewer.com`; `token` is a script token or an OAuth access token.
    pub fn new(http: vendor_http::Client, base: BaseUrl, token: SecretString) -> Self {
        Self { http, base, token }
    }

    /// Verifies the token; needs no particular right.
    ///
    /// # Errors
    /// A token that is not, or no longer, good ([`Error::is_unauthorized`]) is `Wait`; outages are `Retry`.
    pub async fn ping(&self) -> Result<Answer<()>, Error> {
        let attempt = self.attempt(Operation::Ping);
        let (body, call) = attempt.get(&["ping"], &[]).await?;
        // The status proves nothing: it is 200 either way.
        match Fields::of(&body).truth("token_valid") {
            Some(true) => Ok(Answer { value: (), call }),
            Some(false) => Err(attempt.failed(ErrorKind::InvalidToken, Some(call))),
            None => {
                Err(attempt.unexpected("the answer does not say whether the token is good", call))
            }
        }
    }

    /// Asks whom the token belongs to.
    ///
    /// # Errors
    /// A token without the right to view the account ([`Error::is_forbidden`]) is `Wait`; outages are `Retry`.
    pub async fn account(&self) -> Result<Answer<Account>, Error> {
        let attempt = self.attempt(Operation::Account);
        let (body, call) = attempt.get(&["account"], &[]).await?;
        let mut fields = Fields::of(&body);
        let mut text = |name| tidy(&fields.text(name)?, self.token.expose_secret());
        let account = Account {
            userid: text("userid"),
            name: text("name"),
            email: text("email"),
            company_name: text("company_name"),
        };
        let known = [&account.userid, &account.name, &account.email];
        if known.into_iter().all(Option::is_none) {
            return Err(attempt.unexpected("the answer is not about an account", call));
        }
        Ok(Answer {
            value: account,
            call,
        })
    }

    /// Ends an OAuth access token, and its refresh token with it. See "OAuth 2.0" in the manual.
    ///
    /// # Errors
    /// A token that has ended already ([`Error::is_unauthorized`]) is `Wait`; outages are `Retry`.
    pub async fn revoke(&self) -> Result<Answer<()>, Error> {
        let attempt = self.attempt(Operation::Revoke);
        let url = self.url(&["oauth2", "revoke"], &[]);
        let (response, call) = attempt.send(Request::new(Method::POST, url)).await?;
        if response.is_success() {
            return Ok(Answer { value: (), call });
        }
        Err(attempt.failed(attempt.refusal(&response), Some(call)))
    }

    /// Reads a page of the connection report. Needs a token that may view connection reports, of a company whose licence
    /// has them.
    ///
    /// # Errors
    /// Outages and rate limits are `Retry`; what the token may not see is `Wait`; a query that cannot be asked is `GiveUp`.
    pub async fn connections(
        &self,
        query: &ConnectionQuery,
    ) -> Result<Answer<ConnectionPage>, Error> {
        let attempt = self.attempt(Operation::ListConnections);
        let parameters = query.parameters().map_err(|error| attempt.refused(error))?;
        let parameters: Vec<(&str, &str)> = parameters
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let (body, call) = attempt
            .report(&["reports", "connections"], &parameters)
            .await?;
        match ConnectionPage::read(&body) {
            Some(value) => Ok(Answer { value, call }),
            None => Err(attempt.unexpected("the answer is no page of the report", call)),
        }
    }

    /// Reads one connection.
    ///
    /// # Errors
    /// As [`Client::connections`]; one that is not there ([`Error::is_absent`]) is `GiveUp`.
    pub async fn connection(&self, id: &str) -> Result<Answer<Connection>, Error> {
        let attempt = self.attempt(Operation::GetConnection);
        if !is_id(id) {
            return Err(attempt.refused(InvalidInput::ConnectionId));
        }
        let (body, call) = attempt.get(&["reports", "connections", id], &[]).await?;
        match Connection::read(&Value::Object(body)) {
            Ok(value) if value.id.eq_ignore_ascii_case(id) => Ok(Answer { value, call }),
            Ok(_) => Err(attempt.unexpected("the answer is about another connection", call)),
            Err(_) => Err(attempt.unexpected("the answer is no connection", call)),
        }
    }

    /// Reads a page of the open sessions, with all their details.
    ///
    /// # Errors
    /// Outages and rate limits are `Retry`; what the token may not see is `Wait`.
    pub async fn sessions(&self, query: &SessionQuery) -> Result<Answer<SessionPage>, Error> {
        let attempt = self.attempt(Operation::ListSessions);
        let (body, call) = attempt
            .list_of(PAGE_LIMIT, &["sessions"], &query.parameters())
            .await?;
        match SessionPage::read(&body) {
            Some(value) => Ok(Answer { value, call }),
            None => Err(attempt.unexpected("the answer is no list of sessions", call)),
        }
    }

    /// Reads a session in whatever state.
    ///
    /// # Errors
    /// As [`Client::sessions`]; one that is not there ([`Error::is_absent`]) is `GiveUp`.
    pub async fn session(&self, code: &SessionCode) -> Result<Answer<Session>, Error> {
        let attempt = self.attempt(Operation::GetSession);
        let (body, call) = attempt.get(&["sessions", code.as_str()], &[]).await?;
        match Session::read(&Value::Object(body)) {
            Some(value) if value.code == *code => Ok(Answer { value, call }),
            Some(_) => Err(attempt.unexpected("the answer is about another session", call)),
            None => Err(attempt.unexpected("the answer is no session", call)),
        }
    }

    /// Creates a session. There is no key against doing so twice: put one into `custom_api`.
    ///
    /// # Errors
    /// An answer that is lost or says too little, after the session may have been created, is `Reconcile`: look through
    /// the open sessions for the `custom_api`. As many open sessions as the licence allows
    /// ([`Error::is_license_limit`]) is `Retry`; what the token may not do is `Wait`.
    pub async fn create_session(&self, session: &NewSession) -> Result<Answer<Created>, Error> {
        let attempt = self.attempt(Operation::CreateSession);
        let body = session.body().map_err(|error| attempt.refused(error))?;
        let url = self.url(&["sessions"], &[]);
        let request = Request::new(Method::POST, url).json(body.to_string());
        let (response, call) = attempt.send(request).await?;
        // The manual has 200. It may as well be an address of the session, with a status of that kind.
        if !(200..400).contains(&response.status) {
            return Err(attempt.failed(attempt.refusal(&response), Some(call)));
        }
        let session = response.json().ok().as_ref().and_then(Session::read);
        let code = match &session {
            Some(session) => Some(session.code.clone()),
            None => response
                .header("location")
                .and_then(SessionCode::in_address),
        };
        match code {
            Some(code) => Ok(Answer {
                value: Created { code, session },
                call,
            }),
            None => Err(attempt.failed(
                ErrorKind::Unexpected {
                    what: "the answer names no session",
                    page: response.page_title(),
                },
                Some(call),
            )),
        }
    }

    /// Changes a session. Twice is as good as once. The answer brings nothing: read the session to see it.
    ///
    /// # Errors
    /// Outages and rate limits are `Retry`; what the token may not do is `Wait`; a session that is not there
    /// ([`Error::is_absent`]) is `GiveUp`.
    pub async fn change_session(
        &self,
        code: &SessionCode,
        change: &SessionChange,
    ) -> Result<Answer<()>, Error> {
        self.put(Operation::ChangeSession, code, change).await
    }

    /// Closes a session. Twice is as good as once.
    ///
    /// # Errors
    /// As [`Client::change_session`].
    pub async fn close_session(&self, code: &SessionCode) -> Result<Answer<()>, Error> {
        let change = SessionChange {
            state: Some(SessionState::Closed),
            ..SessionChange::default()
        };
        self.put(Operation::CloseSession, code, &change).await
    }

    /// Lists the groups that the token sees, or those that TeamViewer finds by a name.
    ///
    /// # Errors
    /// Outages and rate limits are `Retry`; what the token may not see is `Wait`.
    pub async fn groups(&self, name: Option<&str>) -> Result<Answer<Vec<Group>>, Error> {
        let attempt = self.attempt(Operation::ListGroups);
        let name = name.map(|name| ("name", name));
        let (body, call) = attempt.list(&["groups"], name.as_slice()).await?;
        match Group::read_list(&body) {
            Some(value) => Ok(Answer { value, call }),
            None => Err(attempt.unexpected("the answer is no list of groups", call)),
        }
    }

    /// Looks for the group with exactly this name.
    ///
    /// # Errors
    /// As [`Client::groups`]; a name that several groups have is `GiveUp`.
    pub async fn group_named(&self, name: &str) -> Result<Answer<Option<Group>>, Error> {
        let Answer { value, call } = self.groups(Some(name)).await?;
        let mut named = value
            .into_iter()
            .filter(|group| group.name.as_deref() == Some(name));
        let value = named.next();
        if named.next().is_some() {
            let kind = ErrorKind::Input(InvalidInput::AmbiguousGroup);
            let attempt = self.attempt(Operation::ListGroups);
            return Err(attempt.failed(kind, Some(call)));
        }
        Ok(Answer { value, call })
    }

    /// Lists the company's users, or those that TeamViewer finds by an e-mail address.
    ///
    /// # Errors
    /// Outages and rate limits are `Retry`; what the token may not see is `Wait`.
    pub async fn users(&self, email: Option<&str>) -> Result<Answer<Vec<User>>, Error> {
        let attempt = self.attempt(Operation::ListUsers);
        let email = email.map(|email| ("email", email));
        let (body, call) = attempt.list(&["users"], email.as_slice()).await?;
        match User::read_list(&body) {
            Some(value) => Ok(Answer { value, call }),
            None => Err(attempt.unexpected("the answer is no list of users", call)),
        }
    }

    async fn put(
        &self,
        operation: Operation,
        code: &SessionCode,
        change: &SessionChange,
    ) -> Result<Answer<()>, Error> {
        let attempt = self.attempt(operation);
        let body = change.body().map_err(|error| attempt.refused(error))?;
        let url = self.url(&["sessions", code.as_str()], &[]);
        let request = Request::new(Method::PUT, url).json(body.to_string());
        let (response, call) = attempt.send(request).await?;
        if response.is_success() {
            return Ok(Answer { value: (), call });
        }
        Err(attempt.failed(attempt.refusal(&response), Some(call)))
    }

    fn attempt(&self, operation: Operation) -> Attempt<'_> {
        Attempt {
            client: self,
            operation,
        }
    }

    fn url(&self, path: &[&str], query: &[(&str, &str)]) -> vendor_http::Url {
        let path = ["api", "v1"].into_iter().chain(path.iter().copied());
        self.base.join(path, query.iter().copied())
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account")
            .field("userid", &self.userid)
            .finish_non_exhaustive()
    }
}

/// One call in the making: what all its errors have in common.
struct Attempt<'a> {
    client: &'a Client,
    operation: Operation,
}

impl Attempt<'_> {
    fn failed(&self, kind: ErrorKind, call: Option<Call>) -> Error {
        Error {
            operation: self.operation,
            kind,
            call: call.map(Box::new),
        }
    }

    fn refused(&self, input: InvalidInput) -> Error {
        self.failed(ErrorKind::Input(input), None)
    }

    fn unexpected(&self, what: &'static str, call: Call) -> Error {
        self.failed(ErrorKind::Unexpected { what, page: None }, Some(call))
    }

    fn refusal(&self, response: &Response) -> ErrorKind {
        ErrorKind::Refused {
            status: response.status,
            words: Words::of(response, self.client.token.expose_secret()),
            retry_after: response.retry_after(),
        }
    }

    /// Makes the one attempt.
    async fn send(&self, request: Request) -> Result<(Response, Call), Error> {
        let token = vendor_http::bearer(&self.client.token)
            .map_err(|error| self.failed(ErrorKind::Token(error), None))?;
        let call = Call::new(&request);
        match self.client.http.send(request.authorization(token)).await {
            Ok(response) => {
                let call = Call {
                    status: Some(response.status),
                    request_id: request_id(&response),
                    ..call
                };
                Ok((response, call))
            }
            Err(failure) => {
                let call = call.failed(&failure);
                Err(self.failed(ErrorKind::NoAnswer(failure), Some(call)))
            }
        }
    }

    async fn get(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<(Map<String, Value>, Call), Error> {
        self.read(Request::new(Method::GET, self.client.url(path, query)))
            .await
    }

    async fn list(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<(Map<String, Value>, Call), Error> {
        self.list_of(LIST_LIMIT, path, query).await
    }

    async fn list_of(
        &self,
        limit: usize,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<(Map<String, Value>, Call), Error> {
        let request = Request::new(Method::GET, self.client.url(path, query));
        self.read(request.body_limit(limit)).await
    }

    async fn report(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<(Map<String, Value>, Call), Error> {
        let request = Request::new(Method::GET, self.client.url(path, query));
        let request = request.body_limit(PAGE_LIMIT).timeout(REPORT_TIMEOUT);
        self.read(request).await
    }

    /// The status first: what is no success may be an object, too.
    async fn read(&self, request: Request) -> Result<(Map<String, Value>, Call), Error> {
        let (response, call) = self.send(request).await?;
        if !response.is_success() {
            return Err(self.failed(self.refusal(&response), Some(call)));
        }
        match response.json() {
            Ok(Value::Object(body)) => Ok((body, call)),
            Ok(_) | Err(_) => Err(self.failed(
                ErrorKind::Unexpected {
                    what: "the answer is no JSON object",
                    page: response.page_title(),
                },
                Some(call),
            )),
        }
    }
}
