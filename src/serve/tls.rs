//! The certificate that the service shows, and its renewal.
//!
//! Promises TLS 1.2 or later with ring's suites, and that a renewed certificate is shown to the next client without a
//! restart and without touching anybody who is connected. Files that cannot be used, as while they are being replaced,
//! change nothing.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum_server::tls_rustls::RustlsConfig;
use claviger_core::fault::{Blame, Fault};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{self, ServerConfig};

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// A certificate with its key, from two files. Clones show the same one.
#[derive(Clone)]
pub struct Certificate {
    files: Arc<Files>,
    config: RustlsConfig,
}

#[derive(Debug)]
struct Files {
    certificate: PathBuf,
    key: PathBuf,
}

/// What the files held.
#[derive(PartialEq)]
struct Pem {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl Certificate {
    /// # Errors
    /// A file cannot be read, or the two are no certificate and its key.
    pub fn load(certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Result<Self, TlsError> {
        let files = Files { certificate: certificate.into(), key: key.into() };
        let config = RustlsConfig::from_config(Arc::new(files.config(&files.read()?)?));
        Ok(Self { files: Arc::new(files), config })
    }

    /// What a listener speaks TLS with: always the newest certificate.
    #[must_use]
    pub fn listener(&self) -> RustlsConfig {
        self.config.clone()
    }

    /// The newest certificate, for protocols that begin in the clear.
    #[must_use]
    pub fn newest(&self) -> Arc<ServerConfig> {
        self.config.get_inner()
    }

    /// Takes over whatever the files hold, for as long as it is polled.
    pub async fn follow(self) {
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        let mut shown = self.files.read().ok();
        loop {
            ticks.tick().await;
            let files = Arc::clone(&self.files);
            let read = tokio::task::spawn_blocking(move || {
                let pem = files.read()?;
                files.config(&pem).map(|config| (pem, config))
            });
            match read.await {
                Ok(Ok((pem, config))) if shown.as_ref() != Some(&pem) => {
                    self.config.reload_from_config(Arc::new(config));
                    shown = Some(pem);
                    tracing::info!(certificate = %self.files.certificate.display(), "a renewed certificate is shown");
                }
                Ok(Err(error)) => {
                    tracing::warn!(%error, hint = error.hint(), "the certificate was not renewed: the one before is shown");
                }
                Ok(Ok(_)) | Err(_) => {}
            }
        }
    }
}

impl Files {
    fn read(&self) -> Result<Pem, TlsError> {
        let read =
            |path: &Path| std::fs::read(path).map_err(|source| TlsError::Unreadable { path: path.to_owned(), source });
        Ok(Pem { certificate: read(&self.certificate)?, key: read(&self.key)? })
    }

    fn config(&self, pem: &Pem) -> Result<ServerConfig, TlsError> {
        let no_certificate = || TlsError::NoCertificate { path: self.certificate.clone() };
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem.certificate).collect();
        let chain = chain.ok().filter(|chain| !chain.is_empty()).ok_or_else(no_certificate)?;
        let key = PrivateKeyDer::from_pem_slice(&pem.key).map_err(|_| TlsError::NoKey { path: self.key.clone() })?;
        let unusable = |source| TlsError::Unusable { path: self.certificate.clone(), source };
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(unusable)?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(unusable)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Certificate").field("files", &self.files).finish_non_exhaustive()
    }
}

#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("cannot read `{}`", path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("there is no certificate in `{}`", path.display())]
    NoCertificate { path: PathBuf },
    #[error("there is no private key in `{}`", path.display())]
    NoKey { path: PathBuf },
    #[error("the certificate in `{}` cannot be used with its key", path.display())]
    Unusable { path: PathBuf, source: rustls::Error },
}

impl Fault for TlsError {
    fn hint(&self) -> String {
        match self {
            Self::Unreadable { .. } => "check `serve.tls_certificate` and `serve.tls_key`, and who may read them",
            Self::NoCertificate { .. } => "`serve.tls_certificate` is a PEM file: the certificate, then its issuers",
            Self::NoKey { .. } => "`serve.tls_key` is a PEM file with one key that no password protects",
            Self::Unusable { .. } => {
                "the key must be the certificate's: compare `openssl x509 -pubkey` and \
                                      `openssl pkey -pubout`"
            }
        }
        .to_owned()
    }

    fn blame(&self) -> Blame {
        Blame::Operator
    }
}
