//! Values of the `Authorization` header, marked sensitive so that no `Debug` prints them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use secrecy::{ExposeSecret as _, SecretString};

/// A secret holds a character that an HTTP header cannot carry, a line break for example.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the access token holds a character that no HTTP header can carry")]
pub struct UnusableToken;

/// Basic authentication with the UTF-8 bytes of both parts
/// ([RFC 7617](https://www.rfc-editor.org/rfc/rfc7617)).
///
/// # Errors
///
/// None in practice: base64 text always fits a header.
pub fn basic(username: &str, password: &SecretString) -> Result<HeaderValue, UnusableToken> {
    let encoded = STANDARD.encode(format!("{username}:{}", password.expose_secret()));
    sensitive(&format!("Basic {encoded}"))
}

/// A bearer token ([RFC 6750](https://www.rfc-editor.org/rfc/rfc6750)).
///
/// # Errors
///
/// [`UnusableToken`] when the token holds a line break or another control character.
pub fn bearer(token: &SecretString) -> Result<HeaderValue, UnusableToken> {
    sensitive(&format!("Bearer {}", token.expose_secret()))
}

fn sensitive(text: &str) -> Result<HeaderValue, UnusableToken> {
    let mut value = HeaderValue::from_str(text).map_err(|_| UnusableToken)?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn basic_encodes_utf8() {
        let value = basic("Renée", &SecretString::from("pa:ss")).unwrap();
        assert_eq!(value.to_str().unwrap(), "Basic UmVuw6llOnBhOnNz");
    }

    #[test]
    fn header_does_not_show_itself() {
        let value = bearer(&SecretString::from("s3cret")).unwrap();
        assert_eq!(value, "Bearer s3cret");
        assert!(!format!("{value:?}").contains("s3cret"));
    }

    #[test]
    fn token_with_line_break_is_refused() {
        assert_eq!(bearer(&SecretString::from("a\r\nx: y")), Err(UnusableToken));
    }
}
