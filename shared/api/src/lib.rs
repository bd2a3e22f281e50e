//! The management API: a request of the HTTP API becomes one operation of `management`, and its outcome an
//! answer.
//!
//! **Invariant**: whatever goes wrong, the answer is problem details that tell nothing of the inside; what else
//! is known of it goes to the log, under the request's id.
//!
//! The API has [parts](Part), each a function of its own, with the rights and the code that its operations need. To a
//! caller they are one: one address, one document, the same tokens.
//!
//! [`handle`] decodes ([`request`]), finds the route ([`router`]), asks who calls (`access`), takes the route
//! ([`route`], [`routes`]) and writes the answer. The OpenAPI document ([`openapi`]) is made of the routes of all parts.

pub mod config;
pub mod openapi;
pub mod part;
pub mod problem;
pub mod request;
pub mod route;
pub mod router;
pub mod routes;

use std::sync::Arc;
use std::time::{Duration, Instant};

use access::{Authenticator, Caller, Oidc};
use aws_lambda_events::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
use aws_lambda_events::encodings::Body;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderName, HeaderValue};
use jiff::Timestamp;
use startup::AwsConfig;

use crate::config::Config;
pub use crate::part::{Part, run};
use crate::problem::{Problem, ProblemBody};
use crate::request::Request;
use crate::route::{Input, Moment, Reply, ResponseHeader, Rule};
use crate::router::{Router, RouterError};

/// Names the request in the answer's headers, as in the log.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A function may answer 6 MB; this leaves room for the envelope, in which the text is escaped.
///
/// Source: <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>
const LARGEST_ANSWER: usize = 4_500_000;

/// What is kept of the function's time for the answer that there was no time.
const KEPT_FOR_ANSWER: Duration = Duration::from_millis(500);

/// What a part's function reaches outside itself. Built once; it keeps nothing of a request.
#[derive(Debug)]
pub struct Deps<M> {
    /// Tells who calls.
    pub authenticator: Authenticator,
    /// Does what is asked.
    pub management: M,
    router: Router<M>,
}

impl<M: Part> Deps<M> {
    /// Clients for what is configured. Nothing is called yet.
    ///
    /// # Errors
    /// When the list of routes has a mistake.
    pub fn new(
        aws: &AwsConfig,
        config: Config,
        management: M,
        http: vendor_http::Client,
    ) -> Result<Self, RouterError> {
        let tokens = store::Tokens::new(store::Client::new(aws), config.tokens_table);
        let oidc = config.oidc.map(|oidc| Oidc::new(oidc, http));
        Ok(Self {
            authenticator: Authenticator::new(access::Tokens::new(tokens), oidc),
            management,
            router: Router::new(M::routes())?,
        })
    }
}

/// The time for a request, when the platform ends the function at `deadline` (milliseconds since 1970).
pub fn time_for_request(deadline: u64, now: Timestamp) -> Duration {
    startup::time_left(deadline, now).saturating_sub(KEPT_FOR_ANSWER)
}

/// Answers one request of the HTTP API. What is not done within `time` is broken off with the answer to come
/// again.
pub async fn handle<M>(
    deps: &Arc<Deps<M>>,
    envelope: ApiGatewayV2httpRequest,
    moment: Moment,
    time: Duration,
) -> ApiGatewayV2httpResponse {
    let started = Instant::now();
    let id = envelope
        .request_context
        .request_id
        .clone()
        .unwrap_or_default();
    let request = Request::new(envelope);
    let mut seen = Seen {
        method: request.method.to_string(),
        route: None,
        caller: None,
    };
    let answering = answer(deps, request, moment, &mut seen);
    let result = tokio::time::timeout(time, answering)
        .await
        .unwrap_or_else(|_| {
            let cause = format!("no end after {} ms", time.as_millis());
            Err(Problem::unavailable(cause))
        });
    let result = result.and_then(written);
    log(&id, &seen, &result, started.elapsed());
    match result {
        Ok(written) => success(&id, written),
        Err(problem) => refusal(&id, problem),
    }
}

/// What the log is told of a request.
struct Seen {
    method: String,
    route: Option<&'static str>,
    caller: Option<String>,
}

async fn answer<M>(
    deps: &Arc<Deps<M>>,
    request: Request,
    moment: Moment,
    seen: &mut Seen,
) -> Result<Reply, Problem> {
    let (route, path) = deps.router.find(&request.method, &request.path)?;
    seen.route = Some(route.path);
    let caller = match route.rule {
        Rule::Everybody => None,
        Rule::EveryCaller | Rule::Roles(_) => {
            let caller: Caller = deps
                .authenticator
                .authenticate(&request.headers, moment.now)
                .await
                .map_err(|refusal| Problem::refused(&refusal))?;
            seen.caller = Some(caller.via.key().to_owned());
            route.admit(&caller)?;
            Some(caller)
        }
    };
    let input = Input {
        request,
        path,
        caller,
        moment,
    };
    route.check_preconditions(&input.request.headers)?;
    route.take(Arc::clone(deps), input).await
}

struct Written {
    status: u16,
    /// What it calls itself, and what it is.
    body: Option<(&'static str, String)>,
    headers: Vec<(&'static ResponseHeader, String)>,
}

fn written(reply: Reply) -> Result<Written, Problem> {
    let body = reply
        .body
        .map(|content| (content.media_type(), content.into_text()));
    if body
        .as_ref()
        .is_some_and(|(_, text)| text.len() > LARGEST_ANSWER)
    {
        return Err(Problem::answer_too_large());
    }
    Ok(Written {
        status: reply.status,
        body,
        headers: reply.headers,
    })
}

fn log(id: &str, seen: &Seen, result: &Result<Written, Problem>, took: Duration) {
    let duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    let (method, route, caller) = (
        seen.method.as_str(),
        seen.route.unwrap_or("unknown"),
        seen.caller.as_deref(),
    );
    let (status, problem) = match result {
        Ok(written) => (written.status, None),
        Err(problem) => (problem.status(), Some(problem)),
    };
    tracing::info!(
        request.id = id,
        method,
        route,
        status,
        caller,
        problem = problem.map(|problem| problem.details.kind.as_str()),
        duration_ms,
        "request answered"
    );
    let Some(cause) = problem.and_then(|problem| problem.cause.as_deref()) else {
        return;
    };
    match status {
        500 => tracing::error!(request.id = id, cause, "request failed"),
        503 => tracing::warn!(request.id = id, cause, "request not answered in time"),
        _ => tracing::info!(request.id = id, cause, "request refused"),
    }
}

fn success(id: &str, written: Written) -> ApiGatewayV2httpResponse {
    let mut response = response(id, written.status);
    if let Some((media_type, text)) = written.body {
        let media_type = HeaderValue::from_static(media_type);
        response.headers.insert(CONTENT_TYPE, media_type);
        response.body = Some(Body::Text(text));
    }
    for (header, value) in written.headers {
        if let Ok(value) = value.parse() {
            let name = HeaderName::from_static(header.key);
            response.headers.insert(name, value);
        }
    }
    response
}

fn refusal(id: &str, problem: Problem) -> ApiGatewayV2httpResponse {
    let mut response = response(id, problem.status());
    response.headers.extend(problem.headers);
    let json = HeaderValue::from_static("application/problem+json");
    response.headers.insert(CONTENT_TYPE, json);
    let body = ProblemBody {
        details: *problem.details,
        request_id: id.to_owned(),
    };
    // The body holds texts and numbers only, so it can always be written.
    let body = serde_json::to_string(&body).unwrap_or_default();
    response.body = Some(Body::Text(body));
    response
}

fn response(id: &str, status: u16) -> ApiGatewayV2httpResponse {
    let mut response = ApiGatewayV2httpResponse::default();
    response.status_code = i64::from(status);
    let headers = &mut response.headers;
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Ok(id) = id.parse() {
        headers.insert(REQUEST_ID, id);
    }
    response
}
