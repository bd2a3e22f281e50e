//! The `HMAC` field of a Qualtrics event subscription that has a shared key.
//!
//! Source: captured deliveries in <https://github.com/kyma-incubator/connector-tools>, `qualtrics-event-gw`
//! (the known request of the tests is from its `pkg/hmac/hmac_test.go`).

use hmac::Mac;

use crate::secret::hmac_sha512;
use crate::{Refusal, Secret, Secrets, UnusableSecret, any_secret, malformed, missing};

/// What a verified form says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QualtricsMessage {
    /// The fields as a JSON text, exactly as they were signed.
    pub message: String,
    /// The topic, which is **not** signed: it must be compared with the message. `None` when it was not sent.
    pub topic: Option<String>,
}

/// Verifies a form-encoded body with the fields `HMAC`, `MSG` and `Topic`. Other fields are passed over.
///
/// There is no time in it: a captured request stays valid, so what it names must be recognised when it comes again.
///
/// # Errors
/// When `HMAC` or `MSG` is missing, is there twice or is malformed, or nothing matches.
pub fn verify_qualtrics(body: &[u8], secrets: &Secrets) -> Result<QualtricsMessage, Refusal> {
    let hmac = field(body, "HMAC")?.ok_or_else(|| missing("HMAC"))?;
    let message = field(body, "MSG")?.ok_or_else(|| missing("MSG"))?;
    let topic = field(body, "Topic")?;
    let sent = hex::decode(hmac.trim()).map_err(|_| malformed("HMAC", "hexadecimal digits"))?;
    any_secret(secrets, |secret| {
        Ok(hmac_sha512(secret.bytes()?, message.as_bytes())?
            .verify_slice(&sent)
            .is_ok())
    })?;
    Ok(QualtricsMessage { message, topic })
}

/// The form fields that [`verify_qualtrics`] accepts; to be sent as `application/x-www-form-urlencoded`.
///
/// # Errors
/// When the secret is empty.
pub fn sign_qualtrics(
    topic: &str,
    message: &str,
    secret: &Secret,
) -> Result<[(&'static str, String); 3], UnusableSecret> {
    let mac = hmac_sha512(secret.bytes()?, message.as_bytes())?;
    Ok([
        ("HMAC", hex::encode(mac.finalize().into_bytes())),
        ("MSG", message.to_owned()),
        ("Topic", topic.to_owned()),
    ])
}

/// A field that is there twice could be read one way here and another way later.
fn field(body: &[u8], name: &str) -> Result<Option<String>, Refusal> {
    let mut values = form_urlencoded::parse(body)
        .filter(|(key, _)| key == name)
        .map(|(_, value)| value);
    let first = values.next();
    if values.next().is_some() {
        return Err(malformed(name, "the field once"));
    }
    Ok(first.map(std::borrow::Cow::into_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "kyma4ever";
    const MESSAGE: &str = r#"{"Status":"Complete","SurveyID":"SV_1AmkKSDmoZ4XlQx","ResponseID":"R_0B7IcnXszjEUHLP","CompletedDate":"2019-06-25 07:58:25","BrandID":"sapdevelopment"}"#;
    const TOPIC: &str = "sapdevelopment.surveyengine.completedResponse.SV_1AmkKSDmoZ4XlQx";
    const HMAC: &str = "c2c585a404c239aa3063b462cc33551d3ed3ed2de0899f58d456fc0ef7ebef6f3c3af44957989bd0592603e41edde9528f7d9ed09ee128bf719aa12f46e5c598";
    const BODY: &str = "HMAC=c2c585a404c239aa3063b462cc33551d3ed3ed2de0899f58d456fc0ef7ebef6f3c3af44957989bd0592603e41edde9528f7d9ed09ee128bf719aa12f46e5c598&MSG=%7B%22Status%22%3A%22Complete%22%2C%22SurveyID%22%3A%22SV_1AmkKSDmoZ4XlQx%22%2C%22ResponseID%22%3A%22R_0B7IcnXszjEUHLP%22%2C%22CompletedDate%22%3A%222019-06-25%2007%3A58%3A25%22%2C%22BrandID%22%3A%22sapdevelopment%22%7D&Topic=sapdevelopment.surveyengine.completedResponse.SV_1AmkKSDmoZ4XlQx&undefined=";

    fn verify(body: &str, secret: &str) -> Result<QualtricsMessage, Refusal> {
        verify_qualtrics(body.as_bytes(), &Secrets::new(Secret::new(secret), None))
    }

    #[test]
    fn known_request_verifies_and_gives_what_was_signed() {
        let expected = QualtricsMessage {
            message: MESSAGE.to_owned(),
            topic: Some(TOPIC.to_owned()),
        };
        assert_eq!(verify(BODY, KEY), Ok(expected.clone()));
        // Spaces as `+`, the digits in upper case, the fields in another order.
        assert_eq!(verify(&BODY.replace("%20", "+"), KEY), Ok(expected.clone()));
        assert_eq!(
            verify(&BODY.replace(HMAC, &HMAC.to_ascii_uppercase()), KEY),
            Ok(expected)
        );
        let reversed: Vec<&str> = BODY.split('&').rev().collect();
        assert!(verify(&reversed.join("&"), KEY).is_ok());
    }

    #[test]
    fn either_of_two_secrets_verifies() {
        let rotating = Secrets::new(Secret::new("another"), Some(Secret::new(KEY)));
        assert!(verify_qualtrics(BODY.as_bytes(), &rotating).is_ok());
    }

    #[test]
    fn changed_requests_are_refused() {
        for (body, expected) in [
            (BODY.replace("R_0B7", "R_0B8"), Refusal::Mismatch),
            (BODY.replace("c2c585", "c2c586"), Refusal::Mismatch),
            // A shortened value, as a comparison of a prefix would accept it.
            (BODY.replace("46e5c598&", "46&"), Refusal::Mismatch),
            (
                BODY.replace("HMAC=c2c5", "HMAC=zzzz"),
                malformed("HMAC", "hexadecimal digits"),
            ),
            (BODY.replace("HMAC=", "hmac="), missing("HMAC")),
            (BODY.replace("MSG=", "msg="), missing("MSG")),
            (
                format!("{BODY}&MSG=%7B%7D"),
                malformed("MSG", "the field once"),
            ),
            (
                format!("{BODY}&Topic=x"),
                malformed("Topic", "the field once"),
            ),
            (String::new(), missing("HMAC")),
        ] {
            assert_eq!(verify(&body, KEY), Err(expected), "{body}");
        }
        assert_eq!(verify(BODY, "kyma4eveR"), Err(Refusal::Mismatch));
        assert!(matches!(verify(BODY, ""), Err(Refusal::UnusableSecret(_))));
    }

    #[test]
    fn what_is_signed_verifies() {
        let fields = sign_qualtrics(TOPIC, MESSAGE, &Secret::new(KEY)).unwrap();
        assert_eq!(fields[0].1, HMAC);
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(&fields)
            .finish();
        assert!(verify(&body, KEY).is_ok());
    }
}
