//! A request of the HTTP API as the rest of the function wants it.
//!
//! Source: <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>,
//! payload format version 2.0

use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, Method};

use crate::problem::Problem;

/// Largest body, in bytes.
pub const MAX_BODY: usize = 1_000_000;

/// What arrived. Its `Debug` shows neither query nor headers nor body.
#[derive(Clone)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The path, without the stage that some hosts put before it.
    pub path: String,
    /// The query, still encoded.
    pub query: String,
    /// The headers; a repeated one is joined with commas.
    pub headers: HeaderMap,
    body: Body,
}

#[derive(Clone)]
struct Body {
    text: String,
    is_base64: bool,
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Request {
    /// Takes the request out of its envelope. Nothing can fail yet: the body is decoded when it is wanted.
    pub fn new(envelope: ApiGatewayV2httpRequest) -> Self {
        let path = envelope.raw_path.unwrap_or_default();
        let path = match &envelope.request_context.stage {
            Some(stage) => without_stage(&path, stage).to_owned(),
            None => path,
        };
        Self {
            method: envelope.request_context.http.method,
            path,
            query: envelope.raw_query_string.unwrap_or_default(),
            headers: envelope.headers,
            body: Body {
                text: envelope.body.unwrap_or_default(),
                is_base64: envelope.is_base64_encoded,
            },
        }
    }

    /// The body as it was sent.
    ///
    /// # Errors
    /// When it is larger than [`MAX_BODY`], or not the base64 that the envelope says it is.
    pub fn body(&self) -> Result<Vec<u8>, Problem> {
        let Body { text, is_base64 } = &self.body;
        let bytes = if *is_base64 {
            if text.len() > MAX_BODY.div_ceil(3) * 4 {
                return Err(Problem::too_large(MAX_BODY));
            }
            STANDARD
                .decode(text)
                .map_err(|_| Problem::unreadable("the body could not be decoded from base64"))?
        } else {
            text.clone().into_bytes()
        };
        if bytes.len() > MAX_BODY {
            return Err(Problem::too_large(MAX_BODY));
        }
        Ok(bytes)
    }

    /// A header's value, `None` when it is absent or not UTF-8. `name` in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        std::str::from_utf8(self.headers.get(name)?.as_bytes()).ok()
    }

    /// Whether the body calls itself JSON.
    pub fn is_json(&self) -> bool {
        let media_type = self
            .header("content-type")
            .and_then(|value| value.split(';').next())
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase();
        media_type == "application/json" || media_type.ends_with("+json")
    }
}

fn without_stage<'a>(path: &'a str, stage: &str) -> &'a str {
    path.strip_prefix('/')
        .and_then(|path| path.strip_prefix(stage))
        .filter(|rest| rest.starts_with('/'))
        .unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn request(envelope: Value) -> Request {
        Request::new(serde_json::from_value(envelope).unwrap())
    }

    #[test]
    fn stage_before_the_path_is_left_out() {
        for (path, stage, expected) in [
            ("/v1/me", "$default", "/v1/me"),
            ("/$default/v1/me", "$default", "/v1/me"),
            ("/prod/v1/me", "prod", "/v1/me"),
            ("/production/v1/me", "prod", "/production/v1/me"),
            ("/prod", "prod", "/prod"),
            ("/v1/prod/x", "prod", "/v1/prod/x"),
        ] {
            let context = json!({"stage": stage, "http": {"method": "GET"}});
            let found = request(json!({"rawPath": path, "requestContext": context}));
            assert_eq!(found.path, expected, "{path} {stage}");
        }
    }

    #[test]
    fn limit_counts_decoded_bytes() {
        for (length, fits) in [
            (MAX_BODY, true),
            (MAX_BODY + 1, false),
            (2 * MAX_BODY, false),
        ] {
            let bytes = vec![b'a'; length];
            for (text, is_base64) in [
                (String::from_utf8(bytes.clone()).unwrap(), false),
                (STANDARD.encode(&bytes), true),
            ] {
                let found = request(json!({
                    "requestContext": {"http": {"method": "PUT"}}, "body": text, "isBase64Encoded": is_base64
                }));
                assert_eq!(found.body().is_ok(), fits, "{length} {is_base64}");
            }
        }
    }

    #[test]
    fn json_is_known_by_its_content_type() {
        for (content_type, expected) in [
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("application/merge-patch+json", true),
            ("text/plain", false),
            ("text/plain; x=application/json", false),
            ("", false),
        ] {
            let found = request(json!({
                "requestContext": {"http": {"method": "PUT"}}, "headers": {"content-type": content_type}
            }));
            assert_eq!(found.is_json(), expected, "{content_type}");
        }
    }
}
