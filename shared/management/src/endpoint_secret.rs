//! Secrets that fit the schemes by which endpoints verify requests.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use domain::endpoint::Verification;
use jiff::Timestamp;
use secrecy::SecretString;
use webhook_signature::{
    Secret, Secrets, SigningError, sign_basic, sign_bearer, sign_header, sign_qualtrics,
    sign_standard_webhooks, sign_zendesk,
};

use crate::error::Error;

/// Tries whether the endpoint's scheme can work with a secret at all.
pub(crate) fn check(verification: &Verification, secret: &Secret) -> Result<(), Error> {
    let now = Timestamp::UNIX_EPOCH;
    let signed: Result<(), SigningError> = match verification {
        Verification::StandardWebhooks { .. } => {
            sign_standard_webhooks("id", b"", &Secrets::new(secret.clone(), None), now).map(drop)
        }
        Verification::Zendesk { .. } => {
            sign_zendesk(b"", secret, now).map(drop).map_err(Into::into)
        }
        Verification::QualtricsHmac { .. } => {
            sign_qualtrics("", "", secret).map(drop).map_err(Into::into)
        }
        Verification::Bearer { .. } => sign_bearer(secret).map(drop).map_err(Into::into),
        Verification::Header { header, .. } => {
            sign_header(header, secret).map(drop).map_err(Into::into)
        }
        Verification::Basic { .. } => sign_basic(secret).map(drop).map_err(Into::into),
        Verification::None { .. } => Ok(()),
    };
    signed.map_err(Error::UnfitSecret)
}

/// 32 random bytes in the form that the scheme wants.
pub(crate) fn generate(verification: &Verification) -> Result<SecretString, Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(Error::NoRandomness)?;
    let text = match verification {
        Verification::StandardWebhooks { .. } => format!("whsec_{}", STANDARD.encode(bytes)),
        Verification::Basic { .. } => format!("closedloop:{}", URL_SAFE_NO_PAD.encode(bytes)),
        Verification::Zendesk { .. }
        | Verification::QualtricsHmac { .. }
        | Verification::Bearer { .. }
        | Verification::Header { .. }
        | Verification::None { .. } => URL_SAFE_NO_PAD.encode(bytes),
    };
    Ok(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;
    use serde_json::json;

    fn verification(scheme: &str) -> Verification {
        serde_json::from_value(json!({ "scheme": scheme })).unwrap()
    }

    #[test]
    fn unfit_secrets_are_found_before_they_are_stored() {
        for (scheme, secret, fits) in [
            ("standard_webhooks", "short", false),
            ("basic", "nocolon", false),
            ("basic", "u:p", true),
            ("bearer", "x", true),
            ("bearer", " ", false),
        ] {
            let checked = check(&verification(scheme), &Secret::new(secret));
            assert_eq!(checked.is_ok(), fits, "{scheme}");
        }
    }

    #[test]
    fn generated_secrets_fit_their_scheme_and_differ() {
        for (scheme, prefix) in [
            ("standard_webhooks", "whsec_"),
            ("zendesk", ""),
            ("qualtrics_hmac", ""),
            ("bearer", ""),
            ("basic", "closedloop:"),
        ] {
            let verification = verification(scheme);
            let secret = generate(&verification).unwrap();
            let text = secret.expose_secret();
            assert!(text.starts_with(prefix) && text.len() >= 43, "{scheme}");
            check(&verification, &Secret::new(text)).unwrap();
            assert_ne!(text, generate(&verification).unwrap().expose_secret());
        }
    }
}
