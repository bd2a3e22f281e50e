//! What is answered when something is wrong: problem details, and what only the log is told.
//!
//! Source: RFC 9457

use access::{Caller, Refusal, Role};
use http::header::{ALLOW, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, Method};
use management::{ErrorKind, FieldProblem, ProblemDetails};
use schemars::JsonSchema;
use serde::Serialize;

/// How soon to come again after a 503, in seconds.
const RETRY_AFTER_SECONDS: &str = "5";

/// Something is wrong.
#[derive(Debug)]
pub struct Problem {
    /// What whoever asked is told.
    pub details: Box<ProblemDetails>,
    /// What only the log is told. Nothing of a body is in it.
    pub cause: Option<String>,
    /// The headers that belong to it.
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

/// The body of an answer that tells of a problem.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Problem")]
pub struct ProblemBody {
    /// What is wrong.
    #[serde(flatten)]
    pub details: ProblemDetails,
    /// Names the request in the log.
    pub request_id: String,
}

impl Problem {
    fn new(slug: &str, title: &str, status: u16, detail: impl Into<String>) -> Self {
        Self {
            details: Box::new(ProblemDetails::new(slug, title, status, detail.into())),
            cause: None,
            headers: Vec::new(),
        }
    }

    fn with_fields(mut self, errors: Vec<FieldProblem>) -> Self {
        self.details.errors = errors;
        self
    }

    fn with_header(mut self, name: HeaderName, value: &str) -> Self {
        // Everything that is put here is plain text of this crate.
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.push((name, value));
        }
        self
    }

    fn with_cause(mut self, cause: String) -> Self {
        self.cause = Some(cause);
        self
    }

    /// There is nothing at this path.
    pub fn no_route() -> Self {
        Self::new(
            "route-unknown",
            "Unknown route",
            404,
            "there is nothing at this path: GET /v1/openapi.json lists what there is",
        )
    }

    /// There is something at this path, but not by this method.
    pub fn method_not_allowed(allowed: &[Method]) -> Self {
        let allowed: Vec<&str> = allowed.iter().map(Method::as_str).collect();
        let allowed = allowed.join(", ");
        Self::new(
            "method-not-allowed",
            "Method not allowed",
            405,
            format!("this path takes {allowed}"),
        )
        .with_header(ALLOW, &allowed)
    }

    /// Nobody, or nobody who is known, asks.
    pub fn refused(refusal: &Refusal) -> Self {
        let unauthorized = |detail: &str| Self::new("unauthorized", "Unauthorized", 401, detail);
        match refusal {
            // RFC 6750, 3.1: who shows nothing is told no more than how to show something.
            Refusal::Missing => {
                unauthorized("show a token in the header `Authorization: Bearer TOKEN`")
                    .with_header(WWW_AUTHENTICATE, "Bearer")
            }
            Refusal::Invalid { reason } => unauthorized(
                "the token is not taken: it may be mistyped, expired or revoked; get another one",
            )
            .with_header(WWW_AUTHENTICATE, "Bearer error=\"invalid_token\"")
            .with_cause(reason.clone()),
            Refusal::NoRole => Self::new(
                "forbidden",
                "Forbidden",
                403,
                "the identity provider gives you no role that is known here: ask for one",
            ),
            Refusal::Store(_) | Refusal::Issuer(_) => Self::unavailable(startup::chain(refusal)),
        }
    }

    /// Somebody asks who may not.
    pub fn forbidden(needed: &[Role], caller: &Caller) -> Self {
        let list = |roles: &mut dyn Iterator<Item = Role>| {
            let roles: Vec<String> = roles.map(|role| format!("`{role}`")).collect();
            roles.join(" or ")
        };
        let needed = list(&mut needed.iter().copied());
        let found = match list(&mut caller.roles.iter().copied()) {
            roles if roles.is_empty() => "no role".to_owned(),
            roles => roles.replace(" or ", " and "),
        };
        Self::new(
            "forbidden",
            "Forbidden",
            403,
            format!("this needs the role {needed}; the token gives {found}"),
        )
    }

    /// Somebody asks for what an event says of a remote session, who may read other events.
    pub fn forbidden_session() -> Self {
        Self::new(
            "forbidden",
            "Forbidden",
            403,
            "events of the types `teamviewer.*` tell of remote sessions and their people: reading them needs the role `admin`",
        )
    }

    /// A part of the path breaks its rule.
    pub fn path(name: &str, problem: String) -> Self {
        Self::new(
            "path-invalid",
            "Invalid path",
            400,
            "a part of the path breaks its rule",
        )
        .with_fields(vec![field(name, problem)])
    }

    /// A parameter of the query is unknown or breaks its rule.
    pub fn query(name: &str, problem: String) -> Self {
        Self::new(
            "query-invalid",
            "Invalid query",
            400,
            "the query has a parameter that is unknown or breaks its rule",
        )
        .with_fields(vec![field(name, problem)])
    }

    /// The body is not JSON.
    pub fn unreadable(detail: impl Into<String>) -> Self {
        Self::new("body-unreadable", "Unreadable body", 400, detail)
    }

    /// A header states a condition that cannot be heeded.
    pub fn precondition(detail: impl Into<String>) -> Self {
        Self::new(
            "precondition-unheeded",
            "Precondition not heeded",
            400,
            detail,
        )
    }

    /// The body is JSON of another shape.
    pub fn body(path: String, problem: String) -> Self {
        Self::new(
            "body-invalid",
            "Invalid body",
            422,
            "the body does not have the shape that is expected here",
        )
        .with_fields(vec![FieldProblem { path, problem }])
    }

    /// A value in the body is not allowed.
    pub fn value(path: &str, problem: String) -> Self {
        Self::body(path.to_owned(), problem)
    }

    /// The body is too large.
    pub fn too_large(limit: usize) -> Self {
        Self::new(
            "body-too-large",
            "Body too large",
            413,
            format!("the body may have {limit} bytes at most"),
        )
    }

    /// The body does not call itself JSON.
    pub fn not_json() -> Self {
        Self::new(
            "content-type-unsupported",
            "Unsupported content type",
            415,
            "send JSON with the header `Content-Type: application/json`",
        )
    }

    /// There is no token of this id.
    pub fn no_token(id: &access::TokenId) -> Self {
        Self::new(
            "not-found",
            "Not found",
            404,
            format!("there is no token `{id}`: GET /v1/tokens lists them"),
        )
    }

    /// The answer would be larger than the platform takes.
    pub fn answer_too_large() -> Self {
        Self::new(
            "answer-too-large",
            "Answer too large",
            422,
            "the answer is larger than what can be sent at once: ask for less, with `limit` where there is one",
        )
    }

    /// Something that the request needs did not answer in time.
    pub fn unavailable(cause: String) -> Self {
        Self::new(
            "unavailable",
            "Temporarily unavailable",
            503,
            "something that this needs did not answer: try again after the time in Retry-After",
        )
        .with_header(RETRY_AFTER, RETRY_AFTER_SECONDS)
        .with_cause(cause)
    }

    /// Something here is broken, and trying again does not mend it.
    pub fn internal(cause: String) -> Self {
        Self::new(
            "internal",
            "Internal error",
            500,
            "something here is broken: its log line has this request_id",
        )
        .with_cause(cause)
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.details.status
    }
}

impl From<management::Error> for Problem {
    fn from(error: management::Error) -> Self {
        let cause = startup::chain(&error);
        match error.kind() {
            // What a vendor said helps whoever asked; what AWS said helps only those who read the log.
            ErrorKind::Unavailable
                if matches!(
                    error,
                    management::Error::Account(_) | management::Error::Case(_)
                ) =>
            {
                let mut problem = Self::unavailable(cause);
                problem.details = Box::new(error.problem());
                problem
            }
            ErrorKind::Unavailable => Self::unavailable(cause),
            ErrorKind::Internal => Self::internal(cause),
            ErrorKind::NotFound
            | ErrorKind::Conflict
            | ErrorKind::Stale
            | ErrorKind::Invalid
            | ErrorKind::Forbidden => Self {
                details: Box::new(error.problem()),
                cause: None,
                headers: Vec::new(),
            },
        }
    }
}

impl From<store::Error> for Problem {
    fn from(error: store::Error) -> Self {
        let cause = startup::chain(&error);
        if error.is_permanent() {
            Self::internal(cause)
        } else {
            Self::unavailable(cause)
        }
    }
}

impl From<access::CreateError> for Problem {
    fn from(error: access::CreateError) -> Self {
        match (error.field(), error) {
            (_, access::CreateError::Store(error)) => error.into(),
            (field, error) => Self::value(field.unwrap_or_default(), error.to_string()),
        }
    }
}

fn field(name: &str, problem: String) -> FieldProblem {
    FieldProblem {
        path: name.to_owned(),
        problem,
    }
}
