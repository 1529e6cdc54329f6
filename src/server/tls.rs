//! TLS by rustls: certificate and key are two files, which may be replaced while the service runs.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::error::Error;
use crate::periodic::{PeriodicThread, Tick};
use crate::sync::RwLock;

/// Interval of checking the files for changes.
const POLL: Duration = Duration::from_secs(2);

/// The TLS files, both PEM.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TlsFiles {
    /// The certificate, with its intermediate certificates.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// The contents of the files: certificate, key.
#[derive(PartialEq, Eq)]
struct TlsFileContents(Vec<u8>, Vec<u8>);

/// The certificate of new connections.
#[derive(Debug)]
struct CurrentCertificate(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for CurrentCertificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read()))
    }
}

/// The TLS configuration of connections, and the thread that watches the files.
///
/// # Errors
/// [`Error::Usage`] for files that cannot be read or do not belong together.
pub fn open(files: &TlsFiles) -> Result<(ServerConfig, PeriodicThread), Error> {
    warn_of_mode(files);
    let contents = read(files).map_err(|error| Error::Usage(format!("TLS: {error}")))?;
    let certified = certified(&contents).map_err(|error| Error::Usage(format!("TLS: {error}")))?;
    let current = Arc::new(CurrentCertificate(RwLock::new("certificate", Arc::new(certified))));
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| Error::Usage(format!("TLS: {error}")))?;
    let resolver: Arc<dyn ResolvesServerCert> = Arc::<CurrentCertificate>::clone(&current);
    let config = builder.with_no_client_auth().with_cert_resolver(resolver);
    Ok((config, follow(files.clone(), contents, current)?))
}

fn follow(
    files: TlsFiles,
    contents: TlsFileContents,
    current: Arc<CurrentCertificate>,
) -> Result<PeriodicThread, Error> {
    let mut seen = Some(contents);
    let look = move |tick| {
        let found = read(&files);
        if tick == Tick::Last || found.as_ref().ok() == seen.as_ref() {
            return;
        }
        // Errors are logged once for each content: one of the two files may still be on its way.
        match found.as_ref().map_err(Clone::clone).and_then(certified) {
            Ok(fresh) => {
                warn_of_mode(&files);
                *current.0.write() = Arc::new(fresh);
                tracing::info!("the certificate was replaced; new connections use the new one");
            }
            Err(error) => tracing::error!(
                error,
                "the new certificate is not usable; connections use the old one"
            ),
        }
        seen = found.ok();
    };
    PeriodicThread::start("certificate", POLL, look)
        .map_err(Error::environment("cannot watch the certificate"))
}

/// Warns in the log when other users can read the key.
fn warn_of_mode(files: &TlsFiles) {
    super::warn_of_mode(&files.key, "key file of the certificate");
}

fn read(files: &TlsFiles) -> Result<TlsFileContents, String> {
    let one =
        |path: &Path| std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()));
    Ok(TlsFileContents(one(&files.certificate)?, one(&files.key)?))
}

/// Certificate and key, if they match.
fn certified(TlsFileContents(certificate, key): &TlsFileContents) -> Result<CertifiedKey, String> {
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(certificate)
        .collect::<Result<_, _>>()
        .map_err(|error| format!("cannot read the certificate: {error}"))?;
    if chain.is_empty() {
        return Err("the file contains no certificate".to_owned());
    }
    let key = PrivateKeyDer::from_pem_slice(key)
        .map_err(|error| format!("cannot read the key of the certificate: {error}"))?;
    CertifiedKey::from_der(chain, key, &ring::default_provider())
        .map_err(|error| format!("certificate and key do not match: {error}"))
}
