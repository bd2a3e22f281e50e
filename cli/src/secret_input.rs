//! Secrets come from standard input: arguments are seen by every process of the machine and stay in the
//! shell's history.

use std::io::{self, IsTerminal, Read};

use secrecy::SecretString;

use crate::error::Error;

/// Reads the secret that was piped in, or the line that is typed.
pub(crate) fn read() -> Result<SecretString, Error> {
    let mut text = String::new();
    let stdin = io::stdin();
    if stdin.is_terminal() {
        eprintln!("Type or paste the secret, then Enter (it is shown on the screen):");
        stdin.read_line(&mut text).map_err(Error::SecretInput)?;
    } else {
        stdin
            .lock()
            .read_to_string(&mut text)
            .map_err(Error::SecretInput)?;
    }
    let secret = SecretString::from(text.trim());
    secrecy::zeroize::Zeroize::zeroize(&mut text);
    if secrecy::ExposeSecret::expose_secret(&secret).is_empty() {
        return Err(Error::NoSecretGiven);
    }
    Ok(secret)
}
