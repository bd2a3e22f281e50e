//! Standard Webhooks 1.0.0, version `v1` (HMAC-SHA256).
//!
//! Source: <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>

use base64::Engine;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use hmac::Mac;
use jiff::Timestamp;

use crate::secret::hmac_sha256;
use crate::{
    Refusal, Secret, Secrets, SignedHeader, SigningError, UnusableSecret, any_secret, malformed,
    missing, within_tolerance,
};

/// The standard alphabet, with or without padding: secrets are passed on either way.
pub(crate) const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The specification's header names, and those of senders that go through Svix. The scheme is the same.
const FAMILIES: [[&str; 3]; 2] = [
    ["webhook-id", "webhook-timestamp", "webhook-signature"],
    ["svix-id", "svix-timestamp", "svix-signature"],
];
const ID_RULE: &str = "1 to 256 visible ASCII characters without a dot";
const SECRET_RULE: &str = "whsec_ and base64 of at least 16 bytes";
const MIN_KEY: usize = 16;
/// More items than a rotation needs; bounds the work that a stranger can cause.
const MAX_SIGNATURES: usize = 16;
const MAC_LENGTH: usize = 32;

/// Verifies a request and gives the `webhook-id` that was signed: the same on every retry.
///
/// The three headers are taken from one family. `body` is what arrived, before any parsing.
///
/// # Errors
/// When a header is missing or malformed, the time is more than five minutes away, or nothing matches.
pub fn verify_standard_webhooks<'a>(
    header: impl Fn(&str) -> Option<&'a str>,
    body: &[u8],
    secrets: &Secrets,
    now: Timestamp,
) -> Result<&'a str, Refusal> {
    let family = |names: [&'static str; 3]| {
        let [id, timestamp, signature] = names.map(&header);
        Some((names, id?, timestamp?, signature?))
    };
    let (names, id, timestamp, signature) =
        FAMILIES.into_iter().find_map(family).ok_or_else(|| {
            let absent = FAMILIES[0].into_iter().find(|name| header(name).is_none());
            missing(absent.unwrap_or(FAMILIES[0][0]))
        })?;
    if !is_id(id) {
        return Err(malformed(names[0], ID_RULE));
    }
    let signed_at = seconds(timestamp).ok_or_else(|| {
        malformed(
            names[1],
            "1 to 12 digits, Unix seconds, without a leading zero",
        )
    })?;
    within_tolerance(signed_at, now)?;
    let signatures: Vec<Vec<u8>> = signature
        .split(' ')
        .take(MAX_SIGNATURES)
        .filter_map(v1)
        .collect();
    any_secret(secrets, |secret| {
        let mac = mac(secret, id, timestamp, body)?;
        Ok(signatures
            .iter()
            .any(|sent| mac.clone().verify_slice(sent).is_ok()))
    })?;
    Ok(id)
}

/// The three headers for a request that is sent now. While a secret is being replaced both sign, the
/// newer one first.
///
/// `id` names the event and is the same on every attempt; `body` is exactly what is sent.
///
/// # Errors
/// When the id or a secret breaks its rule.
pub fn sign_standard_webhooks(
    id: &str,
    body: &[u8],
    secrets: &Secrets,
    now: Timestamp,
) -> Result<[SignedHeader; 3], SigningError> {
    if !is_id(id) {
        return Err(SigningError::InvalidId { expected: ID_RULE });
    }
    let timestamp = now.as_second().to_string();
    let mut items = Vec::new();
    for secret in secrets.iter() {
        let signature = mac(secret, id, &timestamp, body)?.finalize().into_bytes();
        items.push(format!("v1,{}", STANDARD.encode(signature)));
    }
    let [id_name, timestamp_name, signature_name] = FAMILIES[0];
    Ok([
        SignedHeader::new(id_name, id),
        SignedHeader::new(timestamp_name, &timestamp),
        SignedHeader::new(signature_name, &items.join(" ")),
    ])
}

fn mac(
    secret: &Secret,
    id: &str,
    timestamp: &str,
    body: &[u8],
) -> Result<hmac::Hmac<sha2::Sha256>, UnusableSecret> {
    hmac_sha256(
        &key(secret)?,
        &[id.as_bytes(), b".", timestamp.as_bytes(), b".", body],
    )
}

fn key(secret: &Secret) -> Result<Vec<u8>, UnusableSecret> {
    let text = secret.expose();
    let encoded = text.strip_prefix("whsec_").unwrap_or(text);
    match LENIENT.decode(encoded) {
        Ok(key) if key.len() >= MIN_KEY => Ok(key),
        Ok(_) | Err(_) => Err(UnusableSecret {
            expected: SECRET_RULE,
        }),
    }
}

/// A dot would let the border between id, timestamp and body be moved.
fn is_id(id: &str) -> bool {
    (1..=256).contains(&id.len())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'.')
}

fn seconds(timestamp: &str) -> Option<i64> {
    let plain = (1..=12).contains(&timestamp.len())
        && timestamp.bytes().all(|byte| byte.is_ascii_digit())
        && (timestamp.len() == 1 || !timestamp.starts_with('0'));
    if plain { timestamp.parse().ok() } else { None }
}

/// The bytes of a `v1` item. Other versions and broken items are passed over: a sender may add versions.
fn v1(item: &str) -> Option<Vec<u8>> {
    let encoded = item.strip_prefix("v1,")?;
    STANDARD
        .decode(encoded)
        .ok()
        .filter(|signature| signature.len() == MAC_LENGTH)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_795_262_400;
    const KEY_A: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX";
    const KEY_B: &str = "whsec_yMnKy8zNzs/Q0dLT1NXW19jZ2tvc3d7f4OHi4+Tl5uc=";
    const ID_A: &str = "msg_contractA0001";
    const BODY_A: &[u8] = br#"{"type":"response.completed","timestamp":"2026-11-21T12:00:00Z","data":{"surveyId":"SV_1","responseId":"R_42"}}"#;
    const SIGNED_A: &str = "v1,nYMO4iXVflcGm4udxE+sxKVZ6/ncPiWMRCO5+Shw/kI=";
    const BODY_B: &str = "ewogICJ0eXBlIjogInRpY2tldC5jcmVhdGVkIiwKICAiZGF0YSI6IHsibmFtZSI6ICJab8OrIENhZsOpIiwgImFtb3VudCI6IDEyLjUwLCAibm90ZSI6ICJhLmIifQp9Cg==";

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn one(secret: &str) -> Secrets {
        Secrets::new(Secret::new(secret), None)
    }

    fn verify(
        secrets: &Secrets,
        id: &str,
        timestamp: &str,
        body: &[u8],
        signature: &str,
        now: i64,
    ) -> Result<String, Refusal> {
        let header = |name: &str| match name {
            "webhook-id" => Some(id),
            "webhook-timestamp" => Some(timestamp),
            "webhook-signature" => Some(signature),
            _ => None,
        };
        verify_standard_webhooks(header, body, secrets, at(now)).map(str::to_owned)
    }

    fn verify_a(signature: &str) -> Result<String, Refusal> {
        verify(&one(KEY_A), ID_A, "1795262400", BODY_A, signature, NOW)
    }

    #[test]
    fn known_signatures_verify() {
        let body_b = STANDARD.decode(BODY_B).unwrap();
        for (secret, id, timestamp, body, signature) in [
            (KEY_A, ID_A, "1795262400", BODY_A, SIGNED_A),
            (
                KEY_B,
                "msg_contractB0002",
                "1795262400",
                &body_b,
                "v1,VT6WkJRAwJzaxD9BAWDEAkYxDsV9KcStoaV2FMDjnrA=",
            ),
            (
                KEY_A,
                "msg_contractD0003",
                "1795262400",
                b"",
                "v1,/h0Op6sh7poIxJDmCJK2iqBv5UMqQHq/eJ+z/h++YQM=",
            ),
            (
                "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
                "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
                "1649367553",
                br#"{"email":"test@example.com","username":"test_user"}"#,
                "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=",
            ),
            (
                "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
                "msg_p5jXN8AQM9LWM0D4loKWxJek",
                "1614265330",
                br#"{"test": 2432232314}"#,
                "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
            ),
        ] {
            let now = timestamp.parse().unwrap();
            assert_eq!(
                verify(&one(secret), id, timestamp, body, signature, now),
                Ok(id.to_owned()),
                "{id}"
            );
            let signed = sign_standard_webhooks(id, body, &one(secret), at(now)).unwrap();
            assert_eq!(signed[2].value.expose(), signature, "{id}");
        }
    }

    #[test]
    fn only_five_minutes_around_the_signed_time_are_accepted() {
        for (now, valid) in [
            (1_795_262_100, true),
            (1_795_262_700, true),
            (1_795_262_099, false),
            (1_795_262_701, false),
            (NOW, true),
        ] {
            let result = verify(&one(KEY_A), ID_A, "1795262400", BODY_A, SIGNED_A, now);
            assert_eq!(result.is_ok(), valid, "{now}: {result:?}");
        }
        assert_eq!(
            verify(&one(KEY_A), ID_A, "1795262400", BODY_A, SIGNED_A, NOW + 301),
            Err(Refusal::Stale { seconds: 301 })
        );
    }

    #[test]
    fn wrong_signatures_do_not_match() {
        for signature in [
            // The key not base64-decoded; the whole secret as key; the body alone; another timestamp.
            "v1,VgimdQcWqst1HmtSZLcCDmhirx8jNMTVSnvH+QK3ZHA=",
            "v1,OWSbq7y6Nplf7mvzmxWoAeituQWxURJKs7up3dNWBqw=",
            "v1,/YCZ49gVLLwYJX4SkSY6+hSYzaXt3GxaduaVIrCZORY=",
            "v1,u4E9mYPHcW2Aoykhux843g6JMPN1XmIQ0lRFySNU1gU=",
            // A public key used as HMAC key.
            "v1,igSeerR3a3OxFVF3MHy0TEyAAibTfWH8fBSDPc3FVlk=",
            // The right value under another version, or under none.
            "v2,nYMO4iXVflcGm4udxE+sxKVZ6/ncPiWMRCO5+Shw/kI=",
            "v1a,nYMO4iXVflcGm4udxE+sxKVZ6/ncPiWMRCO5+Shw/kI=",
            "nYMO4iXVflcGm4udxE+sxKVZ6/ncPiWMRCO5+Shw/kI=",
            // An Ed25519 signature, which this version does not verify.
            "v1a,t3uXocV/a3Gy6+jXsqUA3KmLTjphSHrNv4ItMfJFFx/xhunAZNFHB08XOrGEG1VGwJMAOLga5fwCw6STCZvoBQ==",
            // The URL-safe alphabet, and a shortened value.
            "v1,nYMO4iXVflcGm4udxE-sxKVZ6_ncPiWMRCO5-Shw_kI=",
            "v1,nYMO4iXVflcGm4udxE+sxKVZ6/ncPiWMRCO5+Shw",
            "v1,",
            "",
        ] {
            assert_eq!(verify_a(signature), Err(Refusal::Mismatch), "{signature}");
        }
        let body_b = STANDARD.decode(BODY_B).unwrap();
        let reserialised = "v1,avcaf/792WRUScTnbfwjhs0GMZKDz5geEkgXWKgsspY=";
        assert_eq!(
            verify(
                &one(KEY_B),
                "msg_contractB0002",
                "1795262400",
                &body_b,
                reserialised,
                NOW
            ),
            Err(Refusal::Mismatch)
        );
        assert_eq!(
            verify(&one(KEY_A), ID_A, "1795262400", b"{}", SIGNED_A, NOW),
            Err(Refusal::Mismatch)
        );
        assert_eq!(
            verify(
                &one(KEY_A),
                "msg_other",
                "1795262400",
                BODY_A,
                SIGNED_A,
                NOW
            ),
            Err(Refusal::Mismatch)
        );
    }

    #[test]
    fn one_match_among_several_items_is_enough() {
        let both = format!("v1,VOyGTPNhuPgzO2O2gXGYzBOG9kE92+sjZ+r9Im1XuMo= {SIGNED_A}");
        assert!(verify_a(&both).is_ok());
        assert!(verify(&one(KEY_B), ID_A, "1795262400", BODY_A, &both, NOW).is_ok());
        assert!(verify_a(&format!("v9,xxxx junk v1a,AAAA {SIGNED_A}")).is_ok());
        assert_eq!(
            verify_a(&format!("{}{SIGNED_A}", "junk ".repeat(MAX_SIGNATURES))),
            Err(Refusal::Mismatch)
        );
    }

    #[test]
    fn either_of_two_secrets_verifies() {
        let rotating = Secrets::new(Secret::new(KEY_B), Some(Secret::new(KEY_A)));
        assert!(verify(&rotating, ID_A, "1795262400", BODY_A, SIGNED_A, NOW).is_ok());
        let headers = sign_standard_webhooks(ID_A, BODY_A, &rotating, at(NOW)).unwrap();
        assert_eq!(
            headers[2].value.expose(),
            format!("v1,VOyGTPNhuPgzO2O2gXGYzBOG9kE92+sjZ+r9Im1XuMo= {SIGNED_A}")
        );
    }

    #[test]
    fn headers_come_from_one_family() {
        let with = |names: [&'static str; 3]| {
            verify_standard_webhooks(
                |name| {
                    let position = names.iter().position(|known| *known == name)?;
                    [ID_A, "1795262400", SIGNED_A].get(position).copied()
                },
                BODY_A,
                &one(KEY_A),
                at(NOW),
            )
        };
        assert_eq!(
            with(["svix-id", "svix-timestamp", "svix-signature"]),
            Ok(ID_A)
        );
        assert_eq!(
            with(["webhook-id", "svix-timestamp", "svix-signature"]),
            Err(missing("webhook-timestamp"))
        );
        assert_eq!(
            with(["svix-id", "webhook-timestamp", "webhook-signature"]),
            Err(missing("webhook-id"))
        );
        assert_eq!(with(["x", "y", "z"]), Err(missing("webhook-id")));
    }

    #[test]
    fn malformed_ids_and_timestamps_are_refused_before_anything_is_computed() {
        for id in ["", "a.b", "a b", "a\u{e9}", &"a".repeat(257)] {
            assert!(
                matches!(
                    verify(&one(KEY_A), id, "1795262400", BODY_A, SIGNED_A, NOW),
                    Err(Refusal::Malformed { .. })
                ),
                "{id}"
            );
            assert!(
                matches!(
                    sign_standard_webhooks(id, b"", &one(KEY_A), at(NOW)),
                    Err(SigningError::InvalidId { .. })
                ),
                "{id}"
            );
        }
        for timestamp in [
            "",
            "01795262400",
            "+1795262400",
            "-1",
            " 1795262400",
            "1795262400.0",
            "9999999999999",
            "x",
            "1795262400,1795262400",
        ] {
            assert!(
                matches!(
                    verify(&one(KEY_A), ID_A, timestamp, BODY_A, SIGNED_A, NOW),
                    Err(Refusal::Malformed { .. })
                ),
                "{timestamp}"
            );
        }
        assert!(matches!(
            verify(&one(KEY_A), ID_A, "999999999999", BODY_A, SIGNED_A, NOW),
            Err(Refusal::Stale { .. })
        ));
    }

    #[test]
    fn unusable_secrets_are_named_as_such() {
        for secret in [
            "",
            "whsec_",
            "whsec_AAECAw==",
            "not base64!",
            "whsec_AAECAwQFBgcICQoLDA0O",
            "whpk_A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=",
        ] {
            let result = verify(&one(secret), ID_A, "1795262400", BODY_A, SIGNED_A, NOW);
            assert!(
                matches!(result, Err(Refusal::UnusableSecret(_))),
                "{secret}"
            );
        }
        let padded = format!("\n {KEY_B}").replace('=', "");
        assert!(sign_standard_webhooks(ID_A, BODY_A, &one(&padded), at(NOW)).is_ok());
    }
}
