//! What came back.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http::header::{CONTENT_TYPE, DATE, RETRY_AFTER};
use serde_json::Value;

/// A whole answer. Its `Debug` shows neither header values nor the body.
#[derive(Clone)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, no longer than the request allowed.
    pub body: Bytes,
}

/// A body that was to be JSON is not.
#[derive(Debug, thiserror::Error)]
#[error("the body is not JSON")]
pub struct NotJson(#[source] serde_json::Error);

impl Response {
    /// True for 200 to 299.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// A header's value; `None` when it is missing or not plain text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The media type in lower case, without parameters; empty when there is none.
    pub fn media_type(&self) -> String {
        let value = self.header(CONTENT_TYPE.as_str()).unwrap_or_default();
        let media_type = value.split(';').next().unwrap_or_default();
        media_type.trim().to_ascii_lowercase()
    }

    /// True when the answer calls itself JSON (`application/json`, `text/json` or `+json`).
    pub fn is_json(&self) -> bool {
        let media_type = self.media_type();
        media_type.ends_with("/json") || media_type.ends_with("+json")
    }

    /// True when the answer is a web page, for people.
    pub fn is_html(&self) -> bool {
        matches!(
            self.media_type().as_str(),
            "text/html" | "application/xhtml+xml"
        )
    }

    /// The body as JSON, whatever the answer calls itself.
    ///
    /// # Errors
    ///
    /// [`NotJson`] when the body is not one JSON value.
    pub fn json(&self) -> Result<Value, NotJson> {
        serde_json::from_slice(&self.body).map_err(NotJson)
    }

    /// The delay that the other side asks for. A date is taken relative to the answer's own `Date`, so
    /// that neither clock matters; without a `Date` it tells nothing
    /// ([RFC 9110, 10.2.3](https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3)).
    pub fn retry_after(&self) -> Option<Duration> {
        let value = self.header(RETRY_AFTER.as_str())?.trim();
        if let Ok(seconds) = value.parse() {
            return Some(Duration::from_secs(seconds));
        }
        let until = httpdate::parse_http_date(value).ok()?;
        let now = httpdate::parse_http_date(self.header(DATE.as_str())?).ok()?;
        Some(until.duration_since(now).unwrap_or_default())
    }

    /// The title of an HTML answer: often all that tells a login page from a gateway's error page.
    pub fn page_title(&self) -> Option<String> {
        const LONGEST: usize = 120;
        let text = String::from_utf8_lossy(&self.body);
        // ASCII lower case keeps every byte offset, which full lower case would not.
        let lower = text.to_ascii_lowercase();
        let tag = lower.find("<title")?;
        let start = tag + lower.get(tag..)?.find('>')? + 1;
        let end = start + lower.get(start..)?.find("</title")?;
        let words: Vec<&str> = text.get(start..end)?.split_whitespace().collect();
        let title: String = words.join(" ").chars().take(LONGEST).collect();
        (!title.is_empty()).then_some(title)
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("headers", &self.headers.keys().collect::<Vec<_>>())
            .field("body_bytes", &self.body.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn response(headers: &[(&'static str, &'static str)], body: &'static str) -> Response {
        Response {
            status: 200,
            headers: headers
                .iter()
                .map(|(name, value)| {
                    (
                        HeaderName::from_static(name),
                        HeaderValue::from_static(value),
                    )
                })
                .collect(),
            body: Bytes::from_static(body.as_bytes()),
        }
    }

    #[test]
    fn json_is_recognised_by_its_media_type() {
        for (media_type, expected) in [
            ("application/json", true),
            ("Application/JSON;charset=UTF-8", true),
            ("application/problem+json", true),
            ("text/html", false),
            ("text/plain; x=application/json", false),
            ("", false),
        ] {
            assert_eq!(
                response(&[("content-type", media_type)], "{}").is_json(),
                expected,
                "{media_type}"
            );
        }
        assert!(!response(&[], "{}").is_json());
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        const DATE: (&str, &str) = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
        for (headers, expected) in [
            (vec![("retry-after", "37")], Some(37)),
            (vec![("retry-after", " 0 ")], Some(0)),
            (
                vec![("retry-after", "Sun, 06 Nov 1994 08:51:07 GMT"), DATE],
                Some(90),
            ),
            (
                vec![("retry-after", "Sun, 06 Nov 1994 08:00:00 GMT"), DATE],
                Some(0),
            ),
            (vec![("retry-after", "Sun, 06 Nov 1994 08:51:07 GMT")], None),
            (vec![("retry-after", "soon"), DATE], None),
            (vec![("retry-after", "-5")], None),
            (vec![], None),
        ] {
            assert_eq!(
                response(&headers, "").retry_after(),
                expected.map(Duration::from_secs),
                "{headers:?}"
            );
        }
    }

    #[test]
    fn page_title_is_found_and_tidied() {
        for (body, expected) in [
            (
                "<html><HEAD><Title lang=en>Instance\n  Hibernating\n</TITLE>",
                Some("Instance Hibernating"),
            ),
            ("<title></title>", None),
            ("<title>cut off", None),
            ("{}", None),
            ("İ<title>ß İ</title>", Some("ß İ")),
        ] {
            assert_eq!(
                response(&[], body).page_title().as_deref(),
                expected,
                "{body}"
            );
        }
    }

    #[test]
    fn debug_shows_neither_values_nor_body() {
        let debug = format!(
            "{:?}",
            response(&[("set-cookie", "session=1")], "{\"a\":1}")
        );
        assert_eq!(
            debug,
            "Response { status: 200, headers: [\"set-cookie\"], body_bytes: 7 }"
        );
    }
}
