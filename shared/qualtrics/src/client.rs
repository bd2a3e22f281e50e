//! The calls.

use serde_json::{Map, Value};
use vendor_http::{Answer, BaseUrl, Call, Method, Request, Response};

use crate::error::tidy;
use crate::{
    Auth, Error, ErrorKind, Operation, ResponseId, Survey, SurveyId, SurveyResponse, Words,
};

/// One brand, as one user of it sees it.
#[derive(Debug, Clone)]
pub struct Client {
    http: vendor_http::Client,
    base: BaseUrl,
    auth: Auth,
}

/// The user that the credentials belong to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The brand.
    pub brand: Option<String>,
    /// The user's name.
    pub name: Option<String>,
    /// What Qualtrics remarks: that another data centre is the brand's own, for example.
    pub notice: Option<String>,
}

impl Client {
    /// Makes no call; `base` comes from the template `https://{datacenter}.qualtrics.com`.
    pub fn new(http: vendor_http::Client, base: BaseUrl, auth: Auth) -> Self {
        Self { http, base, auth }
    }

    /// Reads a response. Qualtrics allows 240 of these calls a minute for a whole brand ("API Limits").
    ///
    /// # Errors
    /// A response that is not there (yet) is `Retry`, and so are outages; the rest is `GiveUp`.
    pub async fn response(
        &self,
        survey: &SurveyId,
        response: &ResponseId,
    ) -> Result<Answer<SurveyResponse>, Error> {
        let path = ["surveys", survey.as_str(), "responses", response.as_str()];
        let operation = Operation::GetResponse;
        let (mut body, call) = self.get(operation, &path).await?;
        let read = match body.remove("result") {
            Some(Value::Object(result)) => SurveyResponse::read(result),
            Some(_) | None => None,
        };
        match read {
            Some(value) if value.id == *response => Ok(Answer { value, call }),
            Some(_) => Err(unexpected(
                operation,
                "the answer is about another response",
                call,
            )),
            None => Err(unexpected(operation, "the answer is no response", call)),
        }
    }

    /// Reads a survey's questions.
    ///
    /// # Errors
    /// Outages are `Retry`; a survey that is not there or not shared with the user is `GiveUp`.
    pub async fn survey(&self, survey: &SurveyId) -> Result<Answer<Survey>, Error> {
        let operation = Operation::GetSurvey;
        let (body, call) = self.get(operation, &["surveys", survey.as_str()]).await?;
        let result = body.get("result").and_then(Value::as_object);
        match result.and_then(Survey::read) {
            Some(value) => Ok(Answer { value, call }),
            None => Err(unexpected(operation, "the answer is no survey", call)),
        }
    }

    /// Verifies the credentials; needs no particular right.
    ///
    /// # Errors
    /// Credentials that were not accepted ([`Error::is_unauthorized`]), and users without access to the API
    /// ([`Error::is_forbidden`]), are `GiveUp`; outages are `Retry`.
    pub async fn whoami(&self) -> Result<Answer<User>, Error> {
        let operation = Operation::WhoAmI;
        let (body, call) = self.get(operation, &["whoami"]).await?;
        let Some(result) = body.get("result").and_then(Value::as_object) else {
            return Err(unexpected(
                operation,
                "the answer is not about a user",
                call,
            ));
        };
        let text = |body: &Map<String, Value>, name: &str| {
            tidy(body.get(name)?.as_str()?, self.auth.secret())
        };
        let meta = body.get("meta").and_then(Value::as_object);
        let value = User {
            brand: text(result, "brandId"),
            name: text(result, "userName").or_else(|| text(result, "userId")),
            notice: meta.and_then(|meta| text(meta, "notice")),
        };
        Ok(Answer { value, call })
    }

    /// Asks for the surveys that the user sees, and looks at none.
    pub(crate) async fn list_surveys(&self) -> Result<(), Error> {
        self.get(Operation::ListSurveys, &["surveys"]).await?;
        Ok(())
    }

    async fn get(
        &self,
        operation: Operation,
        path: &[&str],
    ) -> Result<(Map<String, Value>, Call), Error> {
        let failed = |kind, call: Option<Call>| Error {
            operation,
            kind,
            call: call.map(Box::new),
        };
        let segments = ["API", "v3"].into_iter().chain(path.iter().copied());
        let request = Request::new(Method::GET, self.base.join(segments, []));
        let request = self
            .auth
            .sign(request)
            .map_err(|error| failed(ErrorKind::Token(error), None))?;
        let call = Call::new(&request);
        let response = match self.http.send(request).await {
            Ok(response) => response,
            Err(failure) => {
                let call = call.failed(&failure);
                return Err(failed(ErrorKind::NoAnswer(failure), Some(call)));
            }
        };
        let call = Call {
            status: Some(response.status),
            request_id: request_id(&response),
            ..call
        };
        match body(&response, self.auth.secret()) {
            Ok(body) => Ok((body, call)),
            Err(kind) => Err(failed(kind, Some(call))),
        }
    }
}

fn unexpected(operation: Operation, what: &'static str, call: Call) -> Error {
    Error {
        operation,
        kind: ErrorKind::Unexpected { what, page: None },
        call: Some(Box::new(call)),
    }
}

/// The status first: what is no success may be a page, too.
fn body(response: &Response, secret: &str) -> Result<Map<String, Value>, ErrorKind> {
    if !response.is_success() {
        return Err(ErrorKind::Refused {
            status: response.status,
            words: Words::of(response, secret),
            retry_after: response.retry_after(),
        });
    }
    match response.json() {
        Ok(Value::Object(body)) => Ok(body),
        Ok(_) | Err(_) => Err(ErrorKind::Unexpected {
            what: "the answer is no JSON object",
            page: response.page_title(),
        }),
    }
}

/// Qualtrics' id of the call, which its support asks for. It may be null or empty.
fn request_id(response: &Response) -> Option<String> {
    let body = response.json().ok()?;
    let id = body.get("meta")?.get("requestId")?.as_str()?;
    let is_id = (1..=64).contains(&id.len())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    is_id.then(|| id.to_owned())
}
