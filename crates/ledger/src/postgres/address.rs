//! PostgreSQL addresses: hosts, encryption and timeouts.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel_async::AsyncPgConnection;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{Client, Config, Connection, Socket};
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

/// A client, and its connection, which must be polled.
pub type Reached =
    (Client, Connection<Socket, <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream>);

/// A parsed address.
pub struct PostgresAddress {
    config: Config,
    /// The same for each host alone.
    single: Vec<Config>,
    /// The number of the host that accepted last.
    accepted_last: AtomicUsize,
    tls: MakeRustlsConnect,
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
        let mut config: Config = match format!("{main}?{}", kept.join("&")).parse() {
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
        Ok(Self {
            single: one_for_each_host(&config),
            config,
            accepted_last: AtomicUsize::new(0),
            tls: MakeRustlsConnect::new(tls),
            readers,
            statement_timeout,
        })
    }

    /// Connects to the first host that accepts, in the order of the address, and starts with the
    /// one that accepted last when only the writable one is wanted. A host that has stopped
    /// responding still accepts connections but then sends nothing. So the timeout of each host
    /// includes its greeting; otherwise the hosts after it would never be tried.
    pub async fn reach(&self) -> Result<Reached, StoreError> {
        let mut patience = self.config.get_connect_timeout().copied().unwrap_or(CONNECT_TIMEOUT);
        if self.single.len() == 1 {
            patience = patience.saturating_add(CONNECT_TIMEOUT);
        }
        let sticky = self.config.get_target_session_attrs() == TargetSessionAttrs::ReadWrite;
        let first = if sticky { self.accepted_last.load(Ordering::Relaxed) } else { 0 };
        let numbered = || self.single.iter().enumerate();
        let mut refused = None;
        for (number, host) in numbered().skip(first).chain(numbered().take(first)) {
            let tls = self.tls.clone();
            match tokio::time::timeout(patience, host.connect(tls)).await {
                Ok(Ok(reached)) => {
                    self.accepted_last.store(number, Ordering::Relaxed);
                    return Ok(reached);
                }
                Ok(Err(error)) => refused = Some(StoreError::Unavailable(error.into())),
                Err(_elapsed) => {
                    refused.get_or_insert_with(silent);
                }
            }
        }
        Err(refused.unwrap_or_else(silent))
    }

    /// Opens a connection and applies its settings. Not to be called on an async thread.
    pub fn connect(&self) -> Result<Db, StoreError> {
        let runtime =
            RUNTIME.as_ref().map_err(|error| StoreError::Unavailable(error.to_string().into()))?;
        let step = Arc::new(StepTimer::default());
        let connected = runtime.block_on(async {
            let (client, connection) = self.reach().await?;
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
            made.map_err(|_elapsed| silent())?.map_err(StoreError::from)
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

/// A server that did not respond.
fn silent() -> StoreError {
    StoreError::Unavailable("it did not respond in time".into())
}

/// A configuration without hosts, ports and addresses.
fn without_hosts(config: &Config) -> Config {
    let mut bare = Config::new();
    config.get_user().map(|user| bare.user(user));
    config.get_password().map(|password| bare.password(password));
    config.get_dbname().map(|name| bare.dbname(name));
    config.get_options().map(|options| bare.options(options));
    config.get_application_name().map(|name| bare.application_name(name));
    config.get_connect_timeout().map(|time| bare.connect_timeout(*time));
    config.get_tcp_user_timeout().map(|time| bare.tcp_user_timeout(*time));
    config.get_keepalives_interval().map(|time| bare.keepalives_interval(time));
    config.get_keepalives_retries().map(|number| bare.keepalives_retries(number));
    bare.ssl_mode(config.get_ssl_mode())
        .ssl_negotiation(config.get_ssl_negotiation())
        .keepalives(config.get_keepalives())
        .keepalives_idle(config.get_keepalives_idle())
        .target_session_attrs(config.get_target_session_attrs())
        .channel_binding(config.get_channel_binding())
        .load_balance_hosts(config.get_load_balance_hosts());
    bare
}

/// One configuration for each host.
fn one_for_each_host(config: &Config) -> Vec<Config> {
    let (ports, addresses) = (config.get_ports(), config.get_hostaddrs());
    let single = |(number, host): (usize, &Host)| {
        let mut single = without_hosts(config);
        match host {
            Host::Tcp(name) => single.host(name),
            Host::Unix(folder) => single.host_path(folder),
        };
        ports.get(number).or(ports.first()).map(|port| single.port(*port));
        addresses.get(number).map(|address| single.hostaddr(*address));
        single
    };
    config.get_hosts().iter().enumerate().map(single).collect()
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

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_host_that_says_nothing_does_not_hide_the_next_one() {
        let [silent, next] = [0, 1].map(|_| TcpListener::bind("127.0.0.1:0").unwrap());
        let [first, second] =
            [&silent, &next].map(|host| host.local_addr().unwrap().port().to_string());
        let address = PostgresAddress::parse(&format!(
            "postgres://user@127.0.0.1:{first},127.0.0.1:{second}/ledger?connect_timeout=1\
             &sslmode=disable"
        ))
        .unwrap();
        let asked = std::thread::spawn(move || next.accept().map(drop));

        let reached = RUNTIME.as_ref().unwrap().block_on(address.reach());

        assert!(matches!(reached, Err(StoreError::Unavailable(_))));
        asked.join().unwrap().unwrap();
    }

    #[test]
    fn each_host_keeps_its_port_and_the_settings_of_all() {
        let address = PostgresAddress::parse(
            "postgres://user:secret@one:1,two:2/ledger?target_session_attrs=read-write",
        )
        .unwrap();

        let single: Vec<_> =
            address.single.iter().map(|one| (one.get_hosts(), one.get_ports())).collect();

        let host = |name: &str| Host::Tcp(name.to_owned());
        assert_eq!(single, [(&[host("one")][..], &[1][..]), (&[host("two")][..], &[2][..])]);
        for one in &address.single {
            assert_eq!(one.get_target_session_attrs(), TargetSessionAttrs::ReadWrite);
            assert_eq!(one.get_password(), Some(&b"secret"[..]));
            assert_eq!(one.get_tcp_user_timeout(), Some(&TCP_USER_TIMEOUT));
        }
    }
}
