use std::time::Duration;

use bytes::Bytes;
use http::header::USER_AGENT;
use http::{HeaderName, HeaderValue, Method, Uri};
use http_body_util::{BodyExt, Full};
use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout_at};

use crate::Config;
use crate::error::{Error, Refusal};
use crate::signature::Unsigned;

/// The pause before a second attempt is at most this long, before each further one at most twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

const X_AMZN_ERRORTYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");
const USER_AGENT_VALUE: HeaderValue =
    HeaderValue::from_static(concat!("closedloop/", env!("CARGO_PKG_VERSION")));

/// Most bodies fit into so many bytes, and are written without being moved.
const USUAL_BODY: usize = 8 * 1024;

/// A service of AWS that the product calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Tables.
    DynamoDb,
    /// The bus.
    EventBridge,
    /// Functions that are asked something.
    Lambda,
    /// Clocks.
    Scheduler,
    /// Credentials.
    SecretsManager,
    /// Mail.
    Ses,
    /// Queues.
    Sqs,
}

impl Service {
    pub(crate) const ALL: [Self; 7] = [
        Self::DynamoDb,
        Self::EventBridge,
        Self::Lambda,
        Self::Scheduler,
        Self::SecretsManager,
        Self::Ses,
        Self::Sqs,
    ];

    /// The first part of its public address.
    fn endpoint_prefix(self) -> &'static str {
        match self {
            Self::DynamoDb => "dynamodb",
            Self::EventBridge => "events",
            Self::Lambda => "lambda",
            Self::Scheduler => "scheduler",
            Self::SecretsManager => "secretsmanager",
            Self::Ses => "email",
            Self::Sqs => "sqs",
        }
    }

    pub(crate) fn signing_name(self) -> &'static str {
        if self == Self::Ses {
            "ses"
        } else {
            self.endpoint_prefix()
        }
    }

    /// For services that name the operation in a header: what comes before it there.
    fn target_prefix(self) -> Option<&'static str> {
        match self {
            Self::DynamoDb => Some("DynamoDB_20120810"),
            Self::EventBridge => Some("AWSEvents"),
            Self::SecretsManager => Some("secretsmanager"),
            Self::Sqs => Some("AmazonSQS"),
            Self::Lambda | Self::Scheduler | Self::Ses => None,
        }
    }

    pub(crate) fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::DynamoDb | Self::Sqs => "application/x-amz-json-1.0",
            Self::EventBridge | Self::SecretsManager => "application/x-amz-json-1.1",
            Self::Lambda | Self::Scheduler | Self::Ses => "application/json",
        })
    }

    pub(crate) fn endpoint_variable(self) -> &'static str {
        match self {
            Self::DynamoDb => "AWS_ENDPOINT_URL_DYNAMODB",
            Self::EventBridge => "AWS_ENDPOINT_URL_EVENTBRIDGE",
            Self::Lambda => "AWS_ENDPOINT_URL_LAMBDA",
            Self::Scheduler => "AWS_ENDPOINT_URL_SCHEDULER",
            Self::SecretsManager => "AWS_ENDPOINT_URL_SECRETS_MANAGER",
            Self::Ses => "AWS_ENDPOINT_URL_SESV2",
            Self::Sqs => "AWS_ENDPOINT_URL_SQS",
        }
    }

    pub(crate) fn public_endpoint(self, region: &str) -> String {
        let domain = if region.starts_with("cn-") {
            "amazonaws.com.cn"
        } else {
            "amazonaws.com"
        };
        format!("https://{}.{region}.{domain}", self.endpoint_prefix())
    }
}

/// One service, ready to be called.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    config: Config,
    service: Service,
    endpoint: String,
}

/// An operation of a service that takes JSON by its name alone.
pub trait Operation: Serialize {
    /// Its name, in AWS's words.
    const NAME: &'static str;
    /// What it answers.
    type Output: DeserializeOwned;
}

/// What a service answered.
pub(crate) struct Answer {
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: Bytes,
}

impl Caller {
    pub(crate) fn new(config: &Config, service: Service) -> Self {
        Self {
            config: config.clone(),
            service,
            endpoint: config.endpoint(service),
        }
    }

    /// Calls an operation that is named in a header.
    pub(crate) async fn call<O: Operation>(&self, input: &O) -> Result<O::Output, Error> {
        let body = written(O::NAME, input)?;
        let answer = self.send(O::NAME, Method::POST, "/", body).await?;
        read(O::NAME, &answer.body)
    }

    /// Calls an operation that is named in a header and has no words of its own here.
    pub(crate) async fn call_named(
        &self,
        operation: &'static str,
        input: &Value,
    ) -> Result<Value, Error> {
        let body = written(operation, input)?;
        let answer = self.send(operation, Method::POST, "/", body).await?;
        read(operation, &answer.body)
    }

    /// Calls an operation that is a resource's path and a method.
    pub(crate) async fn send(
        &self,
        operation: &'static str,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<Answer, Error> {
        let unsendable = |source| Error::Unsendable { operation, source };
        let uri: Uri = format!("{}{path}", self.endpoint)
            .parse()
            .map_err(|error: http::uri::InvalidUri| unsendable(error.into()))?;
        let patience = self.config.patience;
        // One timer at a time: each that is set wakes the runtime.
        let end = Instant::now() + patience.call;
        let mut attempt = 1;
        loop {
            let request = self
                .signed(operation, method.clone(), &uri, body.clone())
                .map_err(unsendable)?;
            let end_of_attempt = end.min(Instant::now() + patience.attempt);
            let timed = timeout_at(end_of_attempt, self.attempt(operation, request));
            let result = timed.await.unwrap_or(Err(Error::TimedOut { operation }));
            match result {
                Err(error) if attempt < patience.attempts && error.is_transient() => {
                    let paused = timeout_at(end, sleep(pause(attempt)));
                    paused.await.map_err(|_| Error::TimedOut { operation })?;
                    attempt += 1;
                }
                other => return other,
            }
        }
    }

    async fn attempt(
        &self,
        operation: &'static str,
        request: http::Request<Full<Bytes>>,
    ) -> Result<Answer, Error> {
        let sent = self.config.shared.http.request(request).await;
        let answer = sent.map_err(|source| {
            if source.is_connect() {
                Error::NotSent { operation, source }
            } else {
                Error::Interrupted {
                    operation,
                    source: source.into(),
                }
            }
        })?;
        let (parts, body) = answer.into_parts();
        let body = body.collect().await.map_err(|source| Error::Interrupted {
            operation,
            source: source.into(),
        })?;
        let body = body.to_bytes();
        if parts.status.is_success() {
            return Ok(Answer {
                headers: parts.headers,
                body,
            });
        }
        let error_type = parts.headers.get(X_AMZN_ERRORTYPE);
        Err(Error::Refused(Box::new(Refusal::read(
            operation,
            parts.status.as_u16(),
            error_type.and_then(|value| value.to_str().ok()),
            body,
        ))))
    }

    fn signed(
        &self,
        operation: &'static str,
        method: Method,
        uri: &Uri,
        body: Bytes,
    ) -> Result<http::Request<Full<Bytes>>, Box<dyn std::error::Error + Send + Sync>> {
        let target = match self.service.target_prefix() {
            Some(prefix) => Some(HeaderValue::try_from(format!("{prefix}.{operation}"))?),
            None => None,
        };
        let unsigned = Unsigned {
            service: self.service,
            method: &method,
            uri,
            target: target.as_ref(),
            body: &body,
        };
        let signer = &self.config.shared.signer;
        let mut headers = signer.headers(&unsigned, Timestamp::now())?;
        headers.insert(USER_AGENT, USER_AGENT_VALUE);
        let mut request = http::Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = uri.clone();
        *request.headers_mut() = headers;
        Ok(request)
    }
}

/// What a part of a path or a query may not hold as it is: all but the characters that signing leaves alone, too.
///
/// Source: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>
pub(crate) const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A name as a part of a path or a query.
pub(crate) fn segment(name: &str) -> impl std::fmt::Display {
    utf8_percent_encode(name, RESERVED)
}

/// A body as a service takes it.
pub(crate) fn written(operation: &'static str, input: &impl Serialize) -> Result<Bytes, Error> {
    let mut body = Vec::with_capacity(USUAL_BODY);
    serde_json::to_writer(&mut body, input).map_err(|error| Error::Unsendable {
        operation,
        source: error.into(),
    })?;
    Ok(body.into())
}

/// Some operations answer with nothing at all, which stands for an object without anything in it.
pub(crate) fn read<T: DeserializeOwned>(operation: &'static str, body: &[u8]) -> Result<T, Error> {
    let body = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(body).map_err(|source| Error::Unreadable { operation, source })
}

/// At random, so that those who were refused together do not come back together.
fn pause(attempt: u32) -> Duration {
    let mut random = [0; 2];
    // Without randomness the pause is the longest.
    let part = match getrandom::fill(&mut random) {
        Ok(()) => u16::from_be_bytes(random),
        Err(_) => u16::MAX,
    };
    let longest = FIRST_PAUSE * 2_u32.saturating_pow(attempt.saturating_sub(1));
    longest.mul_f64(f64::from(part) / f64::from(u16::MAX))
}
