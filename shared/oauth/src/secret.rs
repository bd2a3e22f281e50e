use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

/// The `state` of an authorization: ties the vendor's answer to the question. 64 hexadecimal digits, since
/// ServiceNow takes no special characters in it.
#[derive(Debug, Clone)]
pub struct State(SecretString);

impl State {
    /// A state of random bytes.
    pub fn new(random: [u8; 32]) -> Self {
        Self(hex::encode(random).into())
    }

    /// The text that goes to the vendor and comes back.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

/// The `code_verifier` of PKCE: 43 characters.
#[derive(Debug, Clone)]
pub struct Verifier(SecretString);

impl Verifier {
    /// The verifier that belongs to a secret which the same browser shows again, so that it need not be
    /// stored anywhere. Distinct from the secret, and from its plain hash.
    pub fn derive(secret: &SecretString) -> Self {
        let hash = Sha256::new()
            .chain_update(b"code_verifier\0")
            .chain_update(secret.expose_secret())
            .finalize();
        Self(URL_SAFE_NO_PAD.encode(hash).into())
    }

    /// The verifier itself, for the token endpoint.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// The `code_challenge` of the method `S256`
    /// ([RFC 7636, 4.2](https://www.rfc-editor.org/rfc/rfc7636#section-4.2)).
    pub fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(self.expose()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenge_is_that_of_the_standard() {
        // The example of RFC 7636, appendix B.
        let verifier = Verifier("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".into());
        assert_eq!(
            verifier.challenge(),
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
        );
    }

    #[test]
    fn verifier_depends_on_the_secret_and_does_not_show_it() {
        let one = Verifier::derive(&"secret".into());
        let other = Verifier::derive(&"secreT".into());
        assert_eq!(one.expose().len(), 43);
        assert_ne!(one.expose(), other.expose());
        assert!(!format!("{one:?}").contains(one.expose()));
    }

    #[test]
    fn state_is_plain_text_without_special_characters() {
        let state = State::new([0xab; 32]);
        assert_eq!(state.expose(), "ab".repeat(32));
        assert!(!format!("{state:?}").contains("abab"));
    }
}
