//! Signed tokens of an identity provider, checked with `ring`, as the rest of the product's cryptography is.
//!
//! What `jsonwebtoken` would bring here needs a second implementation of RSA, and reads the clock itself.
//!
//! Source: RFC 7515, 7517, 7518, 7519, 8725

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde::Deserialize;
use serde_json::{Map, Value};

/// How far the clocks of issuer and receiver may differ, in seconds.
const LEEWAY: f64 = 60.0;

/// Longer ones are not read.
const MOST_BYTES: usize = 16_384;

/// Why a token is not taken, for the log. None tells anything of the token but its algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum JwtError {
    #[error("it has not the form of a signed token")]
    Malformed,
    #[error("its algorithm is neither RS256 nor ES256")]
    Algorithm,
    #[error("it demands an extension")]
    Critical,
    #[error("it is of another issuer")]
    Issuer,
    #[error("it is meant for another audience")]
    Audience,
    #[error("it has no end or has expired")]
    Expired,
    #[error("it is not valid yet")]
    NotYet,
    #[error("it has no subject")]
    Subject,
    #[error("the issuer has no such key")]
    UnknownKey,
    #[error("its signature is wrong")]
    Signature,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Rs256,
    Es256,
}

impl Algorithm {
    fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
        }
    }
}

/// A token that was taken apart. Nothing in it is proven yet.
#[derive(Debug)]
pub(crate) struct Unverified<'a> {
    algorithm: Algorithm,
    pub(crate) key_id: Option<String>,
    claims: Map<String, Value>,
    signed: &'a str,
    signature: Vec<u8>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    crit: Option<Value>,
}

impl<'a> Unverified<'a> {
    pub(crate) fn parse(text: &'a str) -> Result<Self, JwtError> {
        if text.len() > MOST_BYTES {
            return Err(JwtError::Malformed);
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(JwtError::Malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(JwtError::Malformed)?;
        let header: Header = part(header)?;
        let algorithm = match header.alg.as_str() {
            "RS256" => Algorithm::Rs256,
            "ES256" => Algorithm::Es256,
            _ => return Err(JwtError::Algorithm),
        };
        if header.crit.is_some() {
            return Err(JwtError::Critical);
        }
        Ok(Self {
            algorithm,
            key_id: header.kid,
            claims: part(claims)?,
            signed,
            signature: bytes(signature)?,
        })
    }

    /// Checks what the token says of itself. It comes before the signature, so that a token of somebody else
    /// does not make anybody ask for keys.
    pub(crate) fn check(
        &self,
        issuer: &str,
        audience: &str,
        now: Timestamp,
    ) -> Result<(), JwtError> {
        if self.claims.get("iss").and_then(Value::as_str) != Some(issuer) {
            return Err(JwtError::Issuer);
        }
        let is_meant = match self.claims.get("aud") {
            Some(Value::String(one)) => one == audience,
            Some(Value::Array(many)) => many.iter().any(|one| one == audience),
            Some(_) | None => false,
        };
        if !is_meant {
            return Err(JwtError::Audience);
        }
        let now = now.as_duration().as_secs_f64();
        let time = |name: &str| self.claims.get(name).map(Value::as_f64);
        match time("exp") {
            Some(Some(end)) if now < end + LEEWAY => {}
            Some(_) | None => return Err(JwtError::Expired),
        }
        match time("nbf") {
            None => {}
            Some(Some(begin)) if begin - LEEWAY <= now => {}
            Some(_) => return Err(JwtError::NotYet),
        }
        if self.subject().is_empty() {
            return Err(JwtError::Subject);
        }
        Ok(())
    }

    /// The claims, when one of these keys has signed them.
    pub(crate) fn verify(self, keys: &[Key]) -> Result<Map<String, Value>, JwtError> {
        let mut fitting = keys
            .iter()
            .filter(|key| self.key_id.is_none() || key.id == self.key_id)
            .filter(|key| key.algorithm == self.algorithm)
            .peekable();
        if fitting.peek().is_none() {
            return Err(JwtError::UnknownKey);
        }
        if fitting.any(|key| key.verifies(self.signed.as_bytes(), &self.signature)) {
            Ok(self.claims)
        } else {
            Err(JwtError::Signature)
        }
    }

    fn subject(&self) -> &str {
        self.claims
            .get("sub")
            .and_then(Value::as_str)
            .unwrap_or_default()
    }
}

/// A public key of the issuer that may sign tokens.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    pub(crate) id: Option<String>,
    algorithm: Algorithm,
    /// RSA: the modulus. P-256: the uncompressed point.
    public: Vec<u8>,
    /// RSA's exponent.
    exponent: Vec<u8>,
}

/// A JSON Web Key, as far as it is read. Others than those for signatures are left out.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl Key {
    /// The keys of a key set that can be used here.
    pub(crate) fn of_set(set: &Value) -> Vec<Self> {
        let keys = set.get("keys").and_then(Value::as_array);
        keys.into_iter().flatten().filter_map(Self::read).collect()
    }

    fn read(key: &Value) -> Option<Self> {
        let jwk = Jwk::deserialize(key).ok()?;
        let part = |text: Option<String>| bytes(text?.as_str()).ok();
        let (algorithm, public, exponent) = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
            ("RSA", None) => (Algorithm::Rs256, part(jwk.n)?, part(jwk.e)?),
            ("EC", Some("P-256")) => {
                let (x, y) = (part(jwk.x)?, part(jwk.y)?);
                (Algorithm::Es256, [vec![4], x, y].concat(), Vec::new())
            }
            _ => return None,
        };
        let signs = jwk.purpose.is_none_or(|purpose| purpose == "sig");
        let fits = jwk.alg.is_none_or(|alg| alg == algorithm.as_str());
        (signs && fits).then_some(Self {
            id: jwk.kid,
            algorithm,
            public,
            exponent,
        })
    }

    fn verifies(&self, signed: &[u8], signature: &[u8]) -> bool {
        match self.algorithm {
            Algorithm::Rs256 => RsaPublicKeyComponents {
                n: &self.public,
                e: &self.exponent,
            }
            .verify(&RSA_PKCS1_2048_8192_SHA256, signed, signature)
            .is_ok(),
            Algorithm::Es256 => UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &self.public)
                .verify(signed, signature)
                .is_ok(),
        }
    }
}

fn part<T: for<'de> Deserialize<'de>>(text: &str) -> Result<T, JwtError> {
    serde_json::from_slice(&bytes(text)?).map_err(|_| JwtError::Malformed)
}

fn bytes(text: &str) -> Result<Vec<u8>, JwtError> {
    URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|_| JwtError::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// The example of RFC 7515, A.2: RS256.
    const RFC_RS256: (&str, &str) = (
        "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ",
        "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
    );

    /// The example of RFC 7515, A.3: ES256.
    const RFC_ES256: (&str, &str, &str) = (
        "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
    );

    fn rsa(extra: Value) -> Vec<Key> {
        let mut key = json!({"kty": "RSA", "n": RFC_RS256.0, "e": "AQAB"});
        for (name, value) in extra.as_object().unwrap() {
            key[name] = value.clone();
        }
        Key::of_set(&json!({"keys": [{"kty": "oct", "k": "c2VjcmV0"}, key]}))
    }

    #[test]
    fn examples_of_the_standard_verify_and_changed_ones_do_not() {
        let (x, y, es256) = RFC_ES256;
        let p256 = Key::of_set(&json!({"keys": [{"kty": "EC", "crv": "P-256", "x": x, "y": y}]}));
        for (keys, token) in [(rsa(json!({})), RFC_RS256.1), (p256, es256)] {
            let claims = Unverified::parse(token).unwrap().verify(&keys).unwrap();
            assert_eq!(claims["iss"], "joe");
            // Another letter in the middle of the signature.
            let at = token.rfind('.').unwrap() + 20;
            let other = if token.as_bytes()[at] == b'A' {
                "B"
            } else {
                "A"
            };
            let changed = format!("{}{other}{}", &token[..at], &token[at + 1..]);
            let error = Unverified::parse(&changed).unwrap().verify(&keys).err();
            assert_eq!(error, Some(JwtError::Signature));
        }
    }

    #[test]
    fn key_is_used_for_what_it_is_meant_for() {
        for (extra, usable) in [
            (json!({}), true),
            (json!({"use": "sig", "alg": "RS256"}), true),
            (json!({"use": "enc"}), false),
            (json!({"alg": "RS512"}), false),
            (json!({"kty": "oct"}), false),
            (json!({"n": "not base64!"}), false),
        ] {
            assert_eq!(rsa(extra.clone()).len(), usize::from(usable), "{extra}");
        }
        let token = || Unverified::parse(RFC_ES256.2).unwrap();
        let error = token().verify(&rsa(json!({}))).err();
        assert_eq!(error, Some(JwtError::UnknownKey));
    }

    fn unsigned(header: &Value, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}.AAAA", part(header), part(claims))
    }

    #[test]
    fn only_two_algorithms_are_read() {
        for (header, expected) in [
            (json!({"alg": "RS256"}), None),
            (json!({"alg": "ES256", "kid": "1"}), None),
            (json!({"alg": "none"}), Some(JwtError::Algorithm)),
            (json!({"alg": "HS256"}), Some(JwtError::Algorithm)),
            (json!({"alg": "RS512"}), Some(JwtError::Algorithm)),
            (json!({"alg": "rs256"}), Some(JwtError::Algorithm)),
            (json!({}), Some(JwtError::Malformed)),
            (
                json!({"alg": "RS256", "crit": ["b64"]}),
                Some(JwtError::Critical),
            ),
        ] {
            let text = unsigned(&header, &json!({}));
            assert_eq!(Unverified::parse(&text).err(), expected, "{header}");
        }
        for text in ["", "a", "a.b", "e30.e30.e30", "a.b.c.d", "!.!.!"] {
            assert_eq!(
                Unverified::parse(text).err(),
                Some(JwtError::Malformed),
                "{text}"
            );
        }
    }

    #[test]
    fn claims_must_say_who_for_whom_and_when() {
        let now = Timestamp::from_second(1_000_000).unwrap();
        let good = json!({"iss": "https://id", "aud": "api", "sub": "1", "exp": 1_000_100});
        for (change, expected) in [
            (json!({}), None),
            (json!({"aud": ["other", "api"]}), None),
            (json!({"exp": 999_941}), None),
            (json!({"exp": 999_940}), Some(JwtError::Expired)),
            (json!({"exp": "1000100"}), Some(JwtError::Expired)),
            (json!({"exp": null}), Some(JwtError::Expired)),
            (json!({"nbf": 1_000_060}), None),
            (json!({"nbf": 1_000_060.5}), Some(JwtError::NotYet)),
            (json!({"nbf": "x"}), Some(JwtError::NotYet)),
            (json!({"iss": "https://id/"}), Some(JwtError::Issuer)),
            (json!({"aud": "apis"}), Some(JwtError::Audience)),
            (json!({"aud": []}), Some(JwtError::Audience)),
            (json!({"aud": null}), Some(JwtError::Audience)),
            (json!({"sub": null}), Some(JwtError::Subject)),
        ] {
            let mut claims = good.clone();
            for (name, value) in change.as_object().unwrap() {
                claims[name] = value.clone();
            }
            let text = unsigned(&json!({"alg": "RS256"}), &claims);
            let checked = Unverified::parse(&text)
                .unwrap()
                .check("https://id", "api", now);
            assert_eq!(checked.err(), expected, "{change}");
        }
    }
}
