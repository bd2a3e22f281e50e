//! Schemes that send the secret itself. They protect only together with TLS, and not against a replay.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::secret::same;
use crate::standard_webhooks::LENIENT;
use crate::{
    Refusal, Secret, Secrets, SignedHeader, UnusableSecret, any_secret, malformed, missing,
};

const AUTHORIZATION: &str = "authorization";

/// Verifies `Authorization: Bearer <secret>`.
///
/// Source: RFC 6750, section 2.1
///
/// # Errors
/// When the header is missing, of another scheme, or holds another secret.
pub fn verify_bearer<'a>(
    header: impl Fn(&str) -> Option<&'a str>,
    secrets: &Secrets,
) -> Result<(), Refusal> {
    let sent = credentials(header, "bearer", "`Bearer` and the secret")?;
    any_secret(secrets, |secret| Ok(same(sent.as_bytes(), secret.bytes()?)))
}

/// The header that [`verify_bearer`] accepts.
///
/// # Errors
/// When the secret is empty.
pub fn sign_bearer(secret: &Secret) -> Result<SignedHeader, UnusableSecret> {
    secret.bytes()?;
    Ok(SignedHeader::new(
        AUTHORIZATION,
        &format!("Bearer {}", secret.expose()),
    ))
}

/// Verifies that the header `name` holds the secret.
///
/// # Errors
/// When the header is missing or holds another secret.
pub fn verify_header<'a>(
    name: &str,
    header: impl Fn(&str) -> Option<&'a str>,
    secrets: &Secrets,
) -> Result<(), Refusal> {
    let sent = header(&name.to_ascii_lowercase())
        .ok_or_else(|| missing(name))?
        .trim();
    any_secret(secrets, |secret| Ok(same(sent.as_bytes(), secret.bytes()?)))
}

/// The header that [`verify_header`] accepts.
///
/// # Errors
/// When the secret is empty.
pub fn sign_header(name: &str, secret: &Secret) -> Result<SignedHeader, UnusableSecret> {
    secret.bytes()?;
    Ok(SignedHeader::new(
        &name.to_ascii_lowercase(),
        secret.expose(),
    ))
}

/// Verifies `Authorization: Basic`, where the secret is `username:password`.
///
/// Source: RFC 7617, section 2
///
/// # Errors
/// When the header is missing, of another scheme, not base64, or holds other credentials.
pub fn verify_basic<'a>(
    header: impl Fn(&str) -> Option<&'a str>,
    secrets: &Secrets,
) -> Result<(), Refusal> {
    const EXPECTED: &str = "`Basic` and base64 of username:password";
    let sent = credentials(header, "basic", EXPECTED)?;
    let sent = LENIENT
        .decode(sent)
        .map_err(|_| malformed(AUTHORIZATION, EXPECTED))?;
    any_secret(secrets, |secret| {
        Ok(same(&sent, user_and_password(secret)?))
    })
}

/// The header that [`verify_basic`] accepts.
///
/// # Errors
/// When the secret is not `username:password`.
pub fn sign_basic(secret: &Secret) -> Result<SignedHeader, UnusableSecret> {
    let encoded = STANDARD.encode(user_and_password(secret)?);
    Ok(SignedHeader::new(
        AUTHORIZATION,
        &format!("Basic {encoded}"),
    ))
}

fn user_and_password(secret: &Secret) -> Result<&[u8], UnusableSecret> {
    let bytes = secret.bytes()?;
    if bytes.contains(&b':') {
        Ok(bytes)
    } else {
        Err(UnusableSecret {
            expected: "username:password",
        })
    }
}

/// What follows the scheme's name, which is written in any case.
fn credentials<'a>(
    header: impl Fn(&str) -> Option<&'a str>,
    scheme: &str,
    expected: &'static str,
) -> Result<&'a str, Refusal> {
    let value = header(AUTHORIZATION).ok_or_else(|| missing(AUTHORIZATION))?;
    match value.trim().split_once(' ') {
        Some((name, rest)) if name.eq_ignore_ascii_case(scheme) => Ok(rest.trim()),
        Some(_) | None => Err(malformed(AUTHORIZATION, expected)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets() -> Secrets {
        Secrets::new(Secret::new("new:secret"), Some(Secret::new("old:secret")))
    }

    #[test]
    fn bearer_takes_either_secret_and_nothing_else() {
        for (value, valid) in [
            (Some("Bearer new:secret"), true),
            (Some("bearer  old:secret"), true),
            (Some("Bearer new:secre"), false),
            (Some("Bearer "), false),
            (Some("Bearer"), false),
            (Some("new:secret"), false),
            (Some("Basic new:secret"), false),
            (Some(""), false),
            (None, false),
        ] {
            assert_eq!(
                verify_bearer(|_| value, &secrets()).is_ok(),
                valid,
                "{value:?}"
            );
        }
    }

    #[test]
    fn header_takes_either_secret_under_its_own_name() {
        let header = |name: &str| (name == "x-api-key").then_some("old:secret");
        assert_eq!(verify_header("X-Api-Key", header, &secrets()), Ok(()));
        assert!(matches!(
            verify_header("x-other", header, &secrets()),
            Err(Refusal::Missing { .. })
        ));
        assert_eq!(
            verify_header("x-api-key", |_| Some("old"), &secrets()),
            Err(Refusal::Mismatch)
        );
    }

    #[test]
    fn basic_takes_user_and_password() {
        // The example of RFC 7617, section 2.
        let secrets = Secrets::new(Secret::new("Aladdin:open sesame"), None);
        for (value, valid) in [
            ("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", true),
            ("basic QWxhZGRpbjpvcGVuIHNlc2FtZQ", true),
            ("Basic QWxhZGRpbjpvcGVuIHNlc2Ft", false),
            ("Basic Aladdin:open sesame", false),
            ("Bearer QWxhZGRpbjpvcGVuIHNlc2FtZQ==", false),
        ] {
            assert_eq!(
                verify_basic(|_| Some(value), &secrets).is_ok(),
                valid,
                "{value}"
            );
        }
        assert_eq!(
            sign_basic(&Secret::new("Aladdin:open sesame"))
                .unwrap()
                .value
                .expose(),
            "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
        );
    }

    #[test]
    fn unusable_secret_is_reported_unless_the_other_one_works() {
        let unusable = Secrets::new(Secret::new("nocolon"), None);
        let header = |_: &str| Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert!(matches!(
            verify_basic(header, &unusable),
            Err(Refusal::UnusableSecret(_))
        ));
        let half = Secrets::new(
            Secret::new("nocolon"),
            Some(Secret::new("Aladdin:open sesame")),
        );
        assert_eq!(verify_basic(header, &half), Ok(()));
        let other = Secrets::new(Secret::new("nocolon"), Some(Secret::new("a:b")));
        assert_eq!(verify_basic(header, &other), Err(Refusal::Mismatch));
        let empty = Secrets::new(Secret::new(""), None);
        assert!(matches!(
            verify_bearer(|_| Some("Bearer  "), &empty),
            Err(Refusal::Malformed { .. })
        ));
        assert!(matches!(
            verify_header("x-key", |_| Some(""), &empty),
            Err(Refusal::UnusableSecret(_))
        ));
    }

    #[test]
    fn what_is_signed_verifies() {
        let secret = Secret::new("new:secret");
        let bearer = sign_bearer(&secret).unwrap();
        assert_eq!(
            verify_bearer(
                |name| (name == bearer.name).then(|| bearer.value.expose()),
                &secrets()
            ),
            Ok(())
        );
        let header = sign_header("X-Key", &secret).unwrap();
        assert_eq!(
            verify_header(
                "X-Key",
                |name| (name == header.name).then(|| header.value.expose()),
                &secrets()
            ),
            Ok(())
        );
        let basic = sign_basic(&secret).unwrap();
        assert_eq!(
            verify_basic(
                |name| (name == basic.name).then(|| basic.value.expose()),
                &secrets()
            ),
            Ok(())
        );
    }
}
