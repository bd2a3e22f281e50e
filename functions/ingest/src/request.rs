//! A request of the HTTP API as the rest of the function wants it: its body as bytes.
//!
//! Source: <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>,
//! payload format version 2.0

use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, Method};

use crate::problem::{Problem, ProblemKind};

/// Largest body, in bytes as sent. It leaves room for what an event adds below the 256 kB of the bus.
pub const MAX_BODY: usize = 200_000;

/// What arrived.
#[derive(Debug, Clone)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The headers; a repeated one is joined with commas.
    pub headers: HeaderMap,
    /// The body exactly as it was sent: signatures are computed over it.
    pub body: Vec<u8>,
}

impl Request {
    /// Takes the request out of its envelope.
    ///
    /// # Errors
    /// When the body is larger than [`MAX_BODY`], or not the base64 that the envelope says it is.
    pub fn decode(request: ApiGatewayV2httpRequest) -> Result<Self, Problem> {
        let text = request.body.unwrap_or_default();
        let too_large = || {
            Problem::new(
                ProblemKind::TooLarge,
                format!(
                    "the body is larger than {MAX_BODY} bytes: send less, or a reference to it"
                ),
            )
        };
        let body = if request.is_base64_encoded {
            if text.len() > MAX_BODY.div_ceil(3) * 4 {
                return Err(too_large());
            }
            STANDARD.decode(text).map_err(|_| {
                Problem::new(
                    ProblemKind::Unreadable,
                    "the body could not be decoded from base64",
                )
            })?
        } else {
            text.into_bytes()
        };
        if body.len() > MAX_BODY {
            return Err(too_large());
        }
        Ok(Self {
            method: request.request_context.http.method,
            headers: request.headers,
            body,
        })
    }

    /// A header's value, `None` when it is absent or not UTF-8. `name` in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        std::str::from_utf8(self.headers.get(name)?.as_bytes()).ok()
    }

    /// The content type without its parameters, in lower case.
    pub fn media_type(&self) -> Option<String> {
        self.header("content-type").map(media_type)
    }
}

/// A content type without its parameters, in lower case.
pub(crate) fn media_type(content_type: &str) -> String {
    content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase()
}

/// Whether a media type is JSON, by name or by its `+json` ending.
pub(crate) fn is_json(media_type: &str) -> bool {
    media_type == "application/json" || media_type == "text/json" || media_type.ends_with("+json")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope(body: &str, is_base64: bool) -> ApiGatewayV2httpRequest {
        serde_json::from_value(serde_json::json!({
            "version": "2.0",
            "headers": {"content-type": "Application/JSON; charset=utf-8"},
            "requestContext": {"http": {"method": "POST"}},
            "body": body,
            "isBase64Encoded": is_base64,
        }))
        .unwrap()
    }

    #[test]
    fn body_is_what_was_sent() {
        assert_eq!(
            Request::decode(envelope("é{}", false)).unwrap().body,
            "é{}".as_bytes()
        );
        let request = Request::decode(envelope("/wA=", true)).unwrap();
        assert_eq!(request.body, [0xff, 0]);
        assert_eq!(request.method, Method::POST);
        assert_eq!(request.media_type().as_deref(), Some("application/json"));
        assert_eq!(
            Request::decode(envelope("/wA", true)).unwrap_err().kind,
            ProblemKind::Unreadable
        );
    }

    #[test]
    fn limit_counts_decoded_bytes() {
        for (length, fits) in [
            (MAX_BODY, true),
            (MAX_BODY + 1, false),
            (2 * MAX_BODY, false),
        ] {
            let bytes = vec![b'a'; length];
            let plain = Request::decode(envelope(std::str::from_utf8(&bytes).unwrap(), false));
            assert_eq!(plain.is_ok(), fits, "{length}");
            let encoded = Request::decode(envelope(&STANDARD.encode(&bytes), true));
            assert_eq!(encoded.is_ok(), fits, "{length}");
        }
    }
}
