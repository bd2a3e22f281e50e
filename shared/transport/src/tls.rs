//! How every connection is secured, and whom it trusts.
//!
//! Mozilla's certificate authorities are compiled in: reading the system's some 150 certificates took most of a function's
//! start. Where a proxy or a server of one's own has another authority, `SSL_CERT_FILE` names a file of its certificates.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject};
use rustls::{ClientConfig, RootCertStore};

/// Names a file of certificates in PEM form, as it does for OpenSSL. (`SSL_CERT_DIR` is not read.)
const MORE_ROOTS: &str = "SSL_CERT_FILE";

/// The authorities that are to be trusted cannot be used. Startup must fail.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read, or a part of it is no certificate.
    #[error("{MORE_ROOTS}: the certificates in {} cannot be read", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// The cause.
        #[source]
        source: pem::Error,
    },
    /// None of them can be trusted as an authority.
    #[error("{MORE_ROOTS}: there is no certificate in {} that can be used", file.display())]
    Unusable {
        /// The file.
        file: PathBuf,
    },
    /// The protocol versions do not fit the cryptography.
    #[error("TLS cannot be set up")]
    Setup(#[source] rustls::Error),
}

/// TLS 1.2 and 1.3 with the compiled-in authorities, and those of `SSL_CERT_FILE` where it is set.
///
/// # Errors
/// When the file's certificates cannot be used.
pub(crate) fn client_config() -> Result<ClientConfig, Error> {
    // Not configuration of the product, but of every program on the machine.
    let file = std::env::var_os(MORE_ROOTS).filter(|file| !file.is_empty());
    with_roots_of(file.map(PathBuf::from))
}

fn with_roots_of(file: Option<PathBuf>) -> Result<ClientConfig, Error> {
    let mut roots = RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    if let Some(file) = file {
        let unreadable = |source| Error::Unreadable {
            file: file.clone(),
            source,
        };
        let certificates = CertificateDer::pem_file_iter(&file)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(unreadable)?;
        // Bundles of whole systems hold some that nobody can use.
        let (usable, _) = roots.add_parsable_certificates(certificates);
        if usable == 0 {
            return Err(Error::Unusable { file });
        }
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(Error::Setup)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compiled_in_authorities_are_enough() {
        assert!(with_roots_of(None).is_ok());
    }

    #[test]
    fn file_that_cannot_be_used_is_named() {
        let missing = with_roots_of(Some(PathBuf::from("/nonexistent/roots.pem"))).unwrap_err();
        assert!(
            missing.to_string().contains("/nonexistent/roots.pem"),
            "{missing}"
        );
        let file =
            std::env::temp_dir().join(format!("closedloop-roots-{}.pem", std::process::id()));
        std::fs::write(
            &file,
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        )
        .unwrap();
        let broken = with_roots_of(Some(file.clone()));
        std::fs::remove_file(&file).unwrap();
        assert!(matches!(broken, Err(Error::Unusable { .. })), "{broken:?}");
    }
}
