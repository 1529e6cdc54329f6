//! TLS by rustls: certificate and key from two files, which may be replaced while the service runs.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::RwLock;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::error::Error;

/// How often the files are looked at.
const POLL: Duration = Duration::from_secs(2);

/// The files, both PEM.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Files {
    /// The certificate, and those of the authorities between it and one that clients trust.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// What stands in the files.
#[derive(PartialEq, Eq)]
struct Contents(Vec<u8>, Vec<u8>);

/// The certificate that connections get from now on.
#[derive(Debug)]
struct Current(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read()))
    }
}

/// Follows the files until it is dropped.
pub struct Follow {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Follow {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

/// The settings of connections, and what follows the files.
///
/// # Errors
/// [`Error::Usage`] for files that cannot be read or do not belong together.
pub fn open(files: &Files) -> Result<(ServerConfig, Follow), Error> {
    let contents = read(files).map_err(|error| Error::Usage(format!("TLS: {error}")))?;
    let certified = certified(&contents).map_err(|error| Error::Usage(format!("TLS: {error}")))?;
    let current = Arc::new(Current(RwLock::new(Arc::new(certified))));
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| Error::Usage(format!("TLS: {error}")))?;
    let resolver: Arc<dyn ResolvesServerCert> = Arc::<Current>::clone(&current);
    let config = builder.with_no_client_auth().with_cert_resolver(resolver);
    Ok((config, follow(files.clone(), contents, current)?))
}

fn follow(files: Files, contents: Contents, current: Arc<Current>) -> Result<Follow, Error> {
    let (stop, stopped) = channel::<()>();
    let run = move || {
        let mut seen = Some(contents);
        while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(POLL) {
            let found = read(&files);
            if found.as_ref().ok() == seen.as_ref() {
                continue;
            }
            // What is wrong is told once for each content: one of the two files may only just be on its way.
            match found.as_ref().map_err(Clone::clone).and_then(certified) {
                Ok(fresh) => {
                    *current.0.write() = Arc::new(fresh);
                    tracing::info!("the certificate was replaced; new connections get the new one");
                }
                Err(error) => tracing::error!(
                    error,
                    "the new certificate cannot be used; connections get the old one"
                ),
            }
            seen = found.ok();
        }
    };
    let thread = std::thread::Builder::new()
        .name("certificate".to_owned())
        .spawn(run)
        .map_err(Error::surroundings("the certificate cannot be followed"))?;
    Ok(Follow { stop: Some(stop), thread: Some(thread) })
}

fn read(files: &Files) -> Result<Contents, String> {
    let one =
        |path: &Path| std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()));
    Ok(Contents(one(&files.certificate)?, one(&files.key)?))
}

/// Certificate and key, when they belong together.
fn certified(Contents(certificate, key): &Contents) -> Result<CertifiedKey, String> {
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(certificate)
        .collect::<Result<_, _>>()
        .map_err(|error| format!("the certificate cannot be read: {error}"))?;
    if chain.is_empty() {
        return Err("there is no certificate in the file".to_owned());
    }
    let key = PrivateKeyDer::from_pem_slice(key)
        .map_err(|error| format!("the certificate's key cannot be read: {error}"))?;
    CertifiedKey::from_der(chain, key, &ring::default_provider())
        .map_err(|error| format!("certificate and key do not belong together: {error}"))
}
