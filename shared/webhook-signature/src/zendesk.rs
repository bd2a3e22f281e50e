//! The signature of Zendesk's webhooks.
//!
//! Source: <https://developer.zendesk.com/documentation/webhooks/verifying/>

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::Mac;
use jiff::Timestamp;

use crate::secret::hmac_sha256;
use crate::{
    Refusal, Secret, Secrets, SignedHeader, UnusableSecret, any_secret, malformed, missing,
    within_tolerance,
};

const TIMESTAMP: &str = "x-zendesk-webhook-signature-timestamp";
const SIGNATURE: &str = "x-zendesk-webhook-signature";
/// Signs Zendesk's test of a webhook that is not saved yet. It is printed in the documentation: whoever
/// signs with it proves nothing.
const PUBLIC_TEST_SECRET: &str = "dGhpc19zZWNyZXRfaXNfZm9yX3Rlc3Rpbmdfb25seQ==";

/// Verifies a request. `body` is what arrived, before any parsing; empty when there is none.
///
/// The timestamp is that of the attempt, so a retry has a new one.
///
/// # Errors
/// When a header is missing or malformed, the time is more than five minutes away, or nothing matches.
pub fn verify_zendesk<'a>(
    header: impl Fn(&str) -> Option<&'a str>,
    body: &[u8],
    secrets: &Secrets,
    now: Timestamp,
) -> Result<(), Refusal> {
    let timestamp = header(TIMESTAMP).ok_or_else(|| missing(TIMESTAMP))?;
    let signature = header(SIGNATURE).ok_or_else(|| missing(SIGNATURE))?;
    let signed_at: Timestamp = timestamp
        .parse()
        .map_err(|_| malformed(TIMESTAMP, "a time such as 2026-11-21T12:00:00Z"))?;
    within_tolerance(signed_at.as_second(), now)?;
    let sent = STANDARD
        .decode(signature.trim())
        .map_err(|_| malformed(SIGNATURE, "base64"))?;
    any_secret(secrets, |secret| {
        Ok(hmac_sha256(key(secret)?, &[timestamp.as_bytes(), body])?
            .verify_slice(&sent)
            .is_ok())
    })
}

/// The two headers that [`verify_zendesk`] accepts for a request sent now.
///
/// # Errors
/// When the secret is empty, or the public one.
pub fn sign_zendesk(
    body: &[u8],
    secret: &Secret,
    now: Timestamp,
) -> Result<[SignedHeader; 2], UnusableSecret> {
    let timestamp = format!("{now:.0}");
    let signature = signature(key(secret)?, &timestamp, body)?;
    Ok([
        SignedHeader::new(TIMESTAMP, &timestamp),
        SignedHeader::new(SIGNATURE, &signature),
    ])
}

fn signature(key: &[u8], timestamp: &str, body: &[u8]) -> Result<String, UnusableSecret> {
    let mac = hmac_sha256(key, &[timestamp.as_bytes(), body])?;
    Ok(STANDARD.encode(mac.finalize().into_bytes()))
}

/// The text itself is the key, although it looks like base64.
fn key(secret: &Secret) -> Result<&[u8], UnusableSecret> {
    if secret.expose() == PUBLIC_TEST_SECRET {
        return Err(UnusableSecret {
            expected: "the webhook's own signing secret, not the public one for tests",
        });
    }
    secret.bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "qTESTONLYnotAZendeskSecret0123456789abcdef0=";
    const BODY_1: &str = r#"{"account_id":12345678,"detail":{"id":"35436","status":"SOLVED"},"event":{"current":"SOLVED","previous":"OPEN"},"id":"a1b2c3d4-0000-4000-8000-000000000001","subject":"zen:ticket:35436","time":"2026-03-02T10:15:29.123456789Z","type":"zen:event-type:ticket.status_changed","zendesk_event_version":"2022-11-06"}"#;
    const BODY_2: &str = "{\n   \"account_id\": 12345678,\n   \"event\": { },\n   \"type\": \"zen:event-type:ticket.created\"\n}\n";
    const BODY_4: &str = "{\"ticket_id\":\"35436\",\"note\":\"Très déçu — 3/10 ☹\"}";
    const SIGNED_4: &str = "ThtsNkrvOYFmKZxXzL4z2lVcbpD6WK5ZBGJffLe9djs=";
    const AT: &str = "2026-03-02T10:15:30Z";

    fn verify(
        secret: &str,
        timestamp: &str,
        body: &str,
        signature: &str,
        now: &str,
    ) -> Result<(), Refusal> {
        let header = |name: &str| match name {
            TIMESTAMP => Some(timestamp),
            SIGNATURE => Some(signature),
            _ => None,
        };
        verify_zendesk(
            header,
            body.as_bytes(),
            &Secrets::new(Secret::new(secret), None),
            now.parse().unwrap(),
        )
    }

    #[test]
    fn known_signatures_are_computed() {
        for (secret, timestamp, body, expected) in [
            (
                PUBLIC_TEST_SECRET,
                AT,
                BODY_1,
                "EKezl+iZ97g7iDrULzDJd+aMKoV8fsuXJ2MbQZC1Nvw=",
            ),
            (
                PUBLIC_TEST_SECRET,
                AT,
                BODY_2,
                "jIKDQdAn5xSWsHpdSomq4sK2ErkSsRqqZjvo7W10aFc=",
            ),
            (
                PUBLIC_TEST_SECRET,
                AT,
                "",
                "mumErOtFi/YVkpBo9voY82sIV1tmWjWDCB6lmaRegYk=",
            ),
            (OWN, AT, BODY_4, SIGNED_4),
            (
                PUBLIC_TEST_SECRET,
                "2021-03-25T05:09:27Z",
                "ticket_id=35436&status=solved",
                "6csKwrH6CoibfzdqwyxmK7Djuj+W9k7yqa/YJ2fJXLQ=",
            ),
            (
                PUBLIC_TEST_SECRET,
                "2021-03-25T05:09:27Z",
                r#"{"event":"ticket.updated","id":123}"#,
                "S/RDdU2ERmj7LHDDoWJ2onPYH+t7/f2+LTM4dL7UiLM=",
            ),
        ] {
            assert_eq!(
                signature(secret.as_bytes(), timestamp, body.as_bytes()).unwrap(),
                expected
            );
            // The same signature proves nothing when the secret is the public one.
            assert_eq!(
                verify(secret, timestamp, body, expected, timestamp).is_ok(),
                secret == OWN
            );
        }
    }

    #[test]
    fn public_test_secret_is_never_accepted() {
        let genuine = "EKezl+iZ97g7iDrULzDJd+aMKoV8fsuXJ2MbQZC1Nvw=";
        assert!(matches!(
            verify(PUBLIC_TEST_SECRET, AT, BODY_1, genuine, AT),
            Err(Refusal::UnusableSecret(_))
        ));
        assert_eq!(verify(OWN, AT, BODY_1, genuine, AT), Err(Refusal::Mismatch));
        assert!(sign_zendesk(b"", &Secret::new(PUBLIC_TEST_SECRET), AT.parse().unwrap()).is_err());
    }

    #[test]
    fn wrong_signatures_do_not_match() {
        for wrong in [
            // Body first, a decoded key, the body re-serialised.
            "fWXTRwvvkvzaUmNQuzBaof90+pu39oqsUQm2Yn3MBo0=",
            "pRDFq2iEcO4wElgl7wnTxZGZJpl0Oth7skefxtLf0Ig=",
            "tmueBKmq7JTL2kinwx3nF0hliwuApLH3Iqkj9qkcxXE=",
            "ThtsNkrvOYFmKZxXzL4z2lVcbpD6WK5ZBGJffLe9djo=",
            "",
        ] {
            for (body, right) in [
                (BODY_1, "EKezl+iZ97g7iDrULzDJd+aMKoV8fsuXJ2MbQZC1Nvw="),
                (BODY_2, "jIKDQdAn5xSWsHpdSomq4sK2ErkSsRqqZjvo7W10aFc="),
            ] {
                let mac = hmac_sha256(
                    PUBLIC_TEST_SECRET.as_bytes(),
                    &[AT.as_bytes(), body.as_bytes()],
                )
                .unwrap();
                assert!(
                    mac.clone()
                        .verify_slice(&STANDARD.decode(right).unwrap())
                        .is_ok()
                );
                assert!(
                    mac.verify_slice(&STANDARD.decode(wrong).unwrap()).is_err(),
                    "{wrong}"
                );
            }
            assert_eq!(
                verify(OWN, AT, BODY_4, wrong, AT),
                Err(Refusal::Mismatch),
                "{wrong}"
            );
        }
        assert!(matches!(
            verify(OWN, AT, BODY_4, "10a7b397", AT),
            Err(Refusal::Mismatch)
        ));
        assert!(matches!(
            verify(OWN, AT, BODY_4, "not base64!", AT),
            Err(Refusal::Malformed { .. })
        ));
        assert_eq!(
            verify(OWN, "2026-03-02T10:15:31Z", BODY_4, SIGNED_4, AT),
            Err(Refusal::Mismatch)
        );
    }

    #[test]
    fn only_five_minutes_around_the_signed_time_are_accepted() {
        for (now, valid) in [
            ("2026-03-02T10:20:30Z", true),
            ("2026-03-02T10:20:31Z", false),
            ("2026-03-02T10:10:30Z", true),
            ("2026-03-02T10:10:29Z", false),
        ] {
            assert_eq!(
                verify(OWN, AT, BODY_4, SIGNED_4, now).is_ok(),
                valid,
                "{now}"
            );
        }
        assert!(matches!(
            verify(OWN, "1234", BODY_4, SIGNED_4, AT),
            Err(Refusal::Malformed { .. })
        ));
    }

    #[test]
    fn missing_headers_are_named() {
        let secrets = Secrets::new(Secret::new(OWN), None);
        let now: Timestamp = AT.parse().unwrap();
        assert_eq!(
            verify_zendesk(|_| None, b"", &secrets, now),
            Err(missing(TIMESTAMP))
        );
        assert_eq!(
            verify_zendesk(|name| (name == TIMESTAMP).then_some(AT), b"", &secrets, now),
            Err(missing(SIGNATURE))
        );
    }

    #[test]
    fn what_is_signed_verifies() {
        let now: Timestamp = "2026-03-02T10:15:30.75Z".parse().unwrap();
        let [timestamp, signature] =
            sign_zendesk(BODY_4.as_bytes(), &Secret::new(OWN), now).unwrap();
        assert_eq!(timestamp.value.expose(), AT);
        assert_eq!(
            verify(
                OWN,
                timestamp.value.expose(),
                BODY_4,
                signature.value.expose(),
                AT
            ),
            Ok(())
        );
    }
}
