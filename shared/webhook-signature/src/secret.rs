//! Secrets and what is done with their bytes.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256, Sha512};
use subtle::ConstantTimeEq;

/// A shared secret as text. `Debug` shows nothing of it, and memory is cleared when it is dropped.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// Surrounding white space is taken off: it comes from copying, never from the sender.
    pub fn new(text: &str) -> Self {
        Self(SecretString::from(text.trim()))
    }

    /// The text. For the one line that needs it.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    pub(crate) fn bytes(&self) -> Result<&[u8], UnusableSecret> {
        match self.expose().as_bytes() {
            [] => Err(UnusableSecret {
                expected: "a text that is not empty",
            }),
            bytes => Ok(bytes),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// The secrets that are valid now: one, or two while one replaces the other.
#[derive(Debug, Clone)]
pub struct Secrets {
    current: Secret,
    previous: Option<Secret>,
}

impl Secrets {
    /// `previous` is the one being replaced.
    pub fn new(current: Secret, previous: Option<Secret>) -> Self {
        Self { current, previous }
    }

    /// Newest first.
    pub fn iter(&self) -> impl Iterator<Item = &Secret> {
        std::iter::once(&self.current).chain(&self.previous)
    }
}

/// A secret that a scheme cannot work with. A human must replace it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the stored secret cannot be used: expected {expected}")]
pub struct UnusableSecret {
    pub(crate) expected: &'static str,
}

/// HMAC-SHA256 of the parts in a row.
pub(crate) fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> Result<Hmac<Sha256>, UnusableSecret> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(|_| UnusableSecret {
        expected: "another length",
    })?;
    for part in parts {
        mac.update(part);
    }
    Ok(mac)
}

/// HMAC-SHA512.
pub(crate) fn hmac_sha512(key: &[u8], message: &[u8]) -> Result<Hmac<Sha512>, UnusableSecret> {
    let mut mac = Hmac::<Sha512>::new_from_slice(key).map_err(|_| UnusableSecret {
        expected: "another length",
    })?;
    mac.update(message);
    Ok(mac)
}

/// Compares through digests, so that not even the length of the secret shows in the time taken.
pub(crate) fn same(sent: &[u8], secret: &[u8]) -> bool {
    Sha256::digest(sent).ct_eq(&Sha256::digest(secret)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing_of_a_secret() {
        let secrets = Secrets::new(Secret::new("hunter2"), Some(Secret::new("hunter1")));
        assert_eq!(
            format!("{secrets:?}"),
            "Secrets { current: Secret(..), previous: Some(Secret(..)) }"
        );
    }

    #[test]
    fn copied_white_space_is_not_part_of_a_secret() {
        assert_eq!(Secret::new(" abc\n").expose(), "abc");
        assert!(Secret::new(" \n").bytes().is_err());
    }

    #[test]
    fn only_equal_texts_are_the_same() {
        assert!(same(b"abc", b"abc"));
        assert!(!same(b"abc", b"abd"));
        assert!(!same(b"ab", b"abc"));
        assert!(!same(b"", b"abc"));
    }
}
