//! PostgreSQL addresses: hosts, encryption and timeouts.

use std::sync::Arc;
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel_async::AsyncPgConnection;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_postgres::config::SslMode;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{Db, RUNTIME, StepTimer, fault, watch_steps};
use crate::StoreError;
use crate::log_target::LOG_TARGET;

/// Timeout of connecting to a host, when the address gives none.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long sent bytes may stay unacknowledged before the connection counts as lost.
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(10);
/// Timeout of a statement in seconds, when the address gives none.
const STATEMENT_TIMEOUT: u32 = 60;
/// Seconds that a writer waits for the ledger's lock.
pub const LOCK_TIMEOUT: u32 = 8;
/// Seconds that a transaction may be idle while it holds the lock.
pub const IDLE_TIMEOUT: u32 = 30;
/// Number of reading connections when the address gives none, and the largest permitted number.
const READERS: u32 = 8;
const MOST_READERS: u32 = 100;

/// Debian's file of trusted certificate authorities, for `sslrootcert=system`.
const SYSTEM_ROOTS: &str = "/etc/ssl/certs/ca-certificates.crt";

/// A parsed address.
pub struct PostgresAddress {
    pub config: tokio_postgres::Config,
    pub tls: MakeRustlsConnect,
    /// Most reading connections.
    pub readers: u32,
    pub statement_timeout: u32,
}

impl std::fmt::Debug for PostgresAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Address").field("hosts", &self.config.get_hosts()).finish_non_exhaustive()
    }
}

impl PostgresAddress {
    /// Parses `postgres://user:password@host:port,host:port/database?name=value&...`: libpq's
    /// names, and `pool_size` and `statement_timeout` (seconds). An error never repeats the text,
    /// because it may contain a password.
    pub fn parse(text: &str) -> Result<Self, StoreError> {
        let (main, query) = text.split_once('?').unwrap_or((text, ""));
        let (mut kept, mut verify, mut roots) = (Vec::new(), false, None);
        let (mut readers, mut statement_timeout) = (READERS, STATEMENT_TIMEOUT);
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match (name, value) {
                ("sslmode", "verify-full") => {
                    verify = true;
                    kept.push("sslmode=require".to_owned());
                }
                ("sslmode", "disable" | "prefer" | "require") => kept.push(pair.to_owned()),
                ("sslmode", _) => {
                    return wrong("sslmode must be disable, prefer, require or verify-full");
                }
                ("sslrootcert", path) => roots = Some(path.replace("%2F", "/").replace("%2f", "/")),
                ("pool_size", number) => readers = bounded("pool_size", number, MOST_READERS)?,
                ("statement_timeout", number) => {
                    statement_timeout = bounded("statement_timeout", number, 3_600)?
                }
                _ => kept.push(pair.to_owned()),
            }
        }
        let mut config: tokio_postgres::Config = match format!("{main}?{}", kept.join("&")).parse()
        {
            Ok(config) => config,
            // The cause may quote what comes before a `=`: part of a password with a bare `?`.
            Err(_) if query.contains('@') => {
                return wrong(
                    "in a password, ? @ / : and % must be written %3F %40 %2F %3A and %25",
                );
            }
            Err(error) => {
                let cause = std::error::Error::source(&error)
                    .map_or_else(|| "it cannot be read".to_owned(), ToString::to_string);
                return wrong(&cause);
            }
        };
        if config.get_hosts().is_empty() {
            return wrong("the host is missing");
        }
        if config.get_user().is_none() || config.get_dbname().is_none() {
            return wrong("the user or the database is missing");
        }
        if roots.is_some() && !verify {
            return wrong("sslrootcert needs sslmode=verify-full");
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIMEOUT);
        }
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(TCP_USER_TIMEOUT);
        }
        config.keepalives_idle(TCP_USER_TIMEOUT).application_name("egov-kpi");
        let tls = if config.get_ssl_mode() == SslMode::Require && verify {
            checked(roots.as_deref())?
        } else {
            unchecked()?
        };
        Ok(Self { config, tls: MakeRustlsConnect::new(tls), readers, statement_timeout })
    }

    /// Timeout of connecting: the sum over the hosts, including the greeting.
    fn connect_timeout(&self) -> Duration {
        let hosts = u32::try_from(self.config.get_hosts().len()).unwrap_or(u32::MAX).max(1);
        let each = self.config.get_connect_timeout().copied().unwrap_or(CONNECT_TIMEOUT);
        each.saturating_mul(hosts).saturating_add(CONNECT_TIMEOUT)
    }

    /// Opens a connection and applies its settings. Not to be called on an async thread.
    pub fn connect(&self) -> Result<Db, StoreError> {
        let runtime =
            RUNTIME.as_ref().map_err(|error| StoreError::Unavailable(error.to_string().into()))?;
        let step = Arc::new(StepTimer::default());
        let connected = runtime.block_on(async {
            // A server that stopped responding accepts the connection and then says nothing.
            let reached =
                tokio::time::timeout(self.connect_timeout(), self.config.connect(self.tls.clone()))
                    .await;
            let reached = reached
                .map_err(|_elapsed| StoreError::Unavailable("it did not respond in time".into()))?;
            let (client, connection) =
                reached.map_err(|error| StoreError::Unavailable(error.into()))?;
            let watch_steps = Arc::clone(&step);
            tokio::spawn(async move {
                tokio::select! {
                    ended = connection => if let Err(error) = ended {
                        tracing::debug!(
                            target: LOG_TARGET,
                            %error,
                            "a connection to the database ended"
                        );
                    },
                    () = watch_steps.overdue() => {}
                }
            });
            let made =
                tokio::time::timeout(CONNECT_TIMEOUT, AsyncPgConnection::try_from(client)).await;
            made.map_err(|_elapsed| StoreError::Unavailable("it did not respond in time".into()))?
                .map_err(StoreError::from)
        })?;
        let mut db = watch_steps(connected, step);
        // Durable before a commit returns, whatever the server's default is; stronger settings
        // stay.
        db.batch_execute(&format!(
            "SET statement_timeout = '{}s'; SET lock_timeout = '{LOCK_TIMEOUT}s'; SET \
             idle_in_transaction_session_timeout = '{IDLE_TIMEOUT}s'; SET client_min_messages = \
             warning; SELECT set_config('synchronous_commit', 'on', false) WHERE \
             current_setting('synchronous_commit') IN ('off', 'local')",
            self.statement_timeout
        ))
        .map_err(fault)?;
        Ok(db)
    }
}

fn wrong<T>(what: &str) -> Result<T, StoreError> {
    Err(StoreError::Address(format!(
        "The PostgreSQL address cannot be used: {what}. It looks like \
         postgres://user:password@host:5432/database; several hosts, as in host1:5432,host2:5432, \
         go with ?target_session_attrs=read-write."
    )))
}

fn bounded(name: &str, text: &str, most: u32) -> Result<u32, StoreError> {
    match text.parse() {
        Ok(number) if (1..=most).contains(&number) => Ok(number),
        _ => wrong(&format!("{name} must be a whole number from 1 to {most}")),
    }
}

/// Encryption that requires a server certificate, signed by an authority and issued for the
/// server's host.
fn checked(roots: Option<&str>) -> Result<ClientConfig, StoreError> {
    let path = match roots {
        None | Some("system") => SYSTEM_ROOTS,
        Some(path) => path,
    };
    let unreadable = |error: &dyn std::fmt::Display| {
        StoreError::Address(format!("The certificates of sslrootcert cannot be read: {error}."))
    };
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| unreadable(&error))? {
        store
            .add(certificate.map_err(|error| unreadable(&error))?)
            .map_err(|error| unreadable(&error))?;
    }
    if store.is_empty() {
        return Err(unreadable(&"the file has none"));
    }
    Ok(builder()?.with_root_certificates(store).with_no_client_auth())
}

/// Encryption with any server, as libpq's `prefer` and `require` do: the connection cannot be read
/// by others, but the server is not verified.
fn unchecked() -> Result<ClientConfig, StoreError> {
    let verifier = Arc::new(UnverifiedServer(Arc::new(ring::default_provider())));
    Ok(builder()?.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth())
}

fn builder() -> Result<rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>, StoreError> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions();
    builder.map_err(|error| StoreError::Unavailable(error.into()))
}

/// Accepts any certificate, but checks that the server has its private key.
#[derive(Debug)]
struct UnverifiedServer(Arc<CryptoProvider>);

impl ServerCertVerifier for UnverifiedServer {
    fn verify_server_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _between: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            certificate,
            signed,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            certificate,
            signed,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
