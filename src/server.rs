//! Wires the parts of the service together, starts and stops them. No other module does that.

mod tls;

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use actix_http::{HttpService, TlsAcceptorConfig};
use actix_service::{IntoServiceFactory, Service, ServiceFactoryExt, apply_fn_factory, map_config};
use actix_web::dev::{AppConfig, ServerHandle};
use actix_web::middleware::{Compress, from_fn};
use actix_web::rt::net::TcpStream;
use actix_web::{HttpServer, web};
use rustls::ServerConfig;
use utoipa_actix_web::AppExt;

pub use tls::TlsFiles;

use crate::api::access::{AccessSettings, BeforeFirstKey};
use crate::api::limits::LimitSettings;
use crate::api::{self, ServiceContext};
use crate::app::App;
use crate::app::witness::WitnessFile;
use crate::auth::api_keys::SetupToken;
use crate::auth::api_keys::document::KeyState;
use crate::clock::Clock;
use crate::error::Error;
use crate::memory;
use crate::periodic::PeriodicThread;
use crate::sync::busy_threads;
use crate::watchdog::{self, listed};
use ledger::Store;

/// Timeout of requests in progress while the service stops, in seconds.
const SHUTDOWN_TIMEOUT: u64 = 30;
/// Time after SIGTERM at which the process exits, even if something hangs.
pub const SHUTDOWN_LIMIT: Duration = Duration::from_secs(40);
/// Timeouts of an idle connection between requests, of the first request head, and of a TLS
/// handshake.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(3);
/// Timeout of closing a connection, while the rest of an unread body is discarded.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a client may leave sent data unacknowledged before its connection is closed, in
/// milliseconds.
const TCP_USER_TIMEOUT: u32 = 60_000;
/// The exit code when the service does not stop in time (docs/specification.md#exit-codes).
const ENVIRONMENT_FAILED: i32 = 3;
/// Maximum number of open files besides connections, such as those of the ledger.
const OTHER_FILES: usize = 256;
/// Threads per worker that wait for the ledger or compute small responses.
const BLOCKING_THREADS: usize = 32;
/// Memory per connection for its buffers and a request head, in bytes.
const CONNECTION_BYTES: usize = 64 << 10;
/// How long the announcement of the address waits for the ledger to load.
const STARTUP_TIMEOUT: Duration = Duration::from_secs(2);

/// A running service.
pub struct RunningServer {
    /// The address that it listens on.
    pub address: SocketAddr,
    web: WebThreads,
    app: App,
    /// Reloads keys that other processes change; watches threads, memory, disk and backups.
    threads: [PeriodicThread; 4],
    witness: Option<WitnessFile>,
    _certificate: Option<PeriodicThread>,
}

/// The threads that process requests.
struct WebThreads {
    handle: ServerHandle,
    thread: JoinHandle<std::io::Result<()>>,
}

/// The settings of the service.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// Address and port; port 0 takes a free port.
    pub listen: String,
    /// Number of threads for requests; `None` for the number of cores.
    pub workers: Option<u16>,
    /// Maximum number of series of `/metrics/figures`.
    pub scraped: usize,
    /// Authentication and authorization. `loopback` is overwritten from the address.
    pub access: AccessSettings,
    /// The file with the key of an admin.
    pub admin_key: Option<PathBuf>,
    /// The file to which a line is appended after each revision.
    pub witness_file: Option<PathBuf>,
    /// The folder of `backup --keep`, for the metric of the newest backup.
    pub backups: Option<PathBuf>,
    /// TLS files; `None` if a proxy terminates TLS.
    pub tls: Option<TlsFiles>,
    /// The limits.
    pub limits: LimitSettings,
    /// Whether, until the first key exists, everything except reading needs the one-time token
    /// printed on standard error.
    pub setup_token: bool,
}

impl ServerSettings {
    /// The default maximum number of series of `/metrics/figures`.
    pub const SCRAPED: usize = 20_000;

    /// Default settings for an address.
    #[must_use]
    pub fn at(listen: &str) -> Self {
        Self {
            listen: listen.to_owned(),
            workers: None,
            scraped: Self::SCRAPED,
            access: AccessSettings::default(),
            admin_key: None,
            witness_file: None,
            backups: None,
            tls: None,
            limits: LimitSettings::default(),
            setup_token: false,
        }
    }
}

/// Starts listening, then opens the ledger with `open` and becomes ready. `announce` is called once
/// with the address: when the service is ready, or after [`STARTUP_TIMEOUT`] if the ledger takes
/// longer to load.
///
/// # Errors
/// When the address or the ledger is unavailable; [`Error::Usage`] when other machines could reach
/// the service and there is no key.
pub fn start(
    settings: &ServerSettings,
    open: impl FnOnce() -> Result<App, Error> + Send + 'static,
    announce: impl FnOnce(SocketAddr),
) -> Result<RunningServer, Error> {
    let listener = TcpListener::bind(&settings.listen)
        .map_err(Error::environment(format!("cannot listen on {}", settings.listen)))?;
    let address = listener.local_addr().map_err(environment)?;
    let (config, certificate) = settings.tls.as_ref().map(tls::open).transpose()?.unzip();
    let mut access =
        AccessSettings { loopback: address.ip().is_loopback(), ..settings.access.clone() };
    let mut setup = None;
    if settings.setup_token {
        let (token, text) = SetupToken::new()?;
        (access.before_first_key, setup) = (BeforeFirstKey::Reading(token), Some(text));
    }
    let most =
        open_files().saturating_sub(OTHER_FILES).min(settings.limits.memory / CONNECTION_BYTES);
    let limits = LimitSettings {
        connections: settings.limits.connections.min(most),
        ..settings.limits.clone()
    };
    // Closes connections when the client does not acknowledge data in time, and sends the end of
    // a response at once: it would wait 40 ms for the acknowledgement of the data before it.
    // Accepted sockets inherit the options of the listening one.
    rustix::net::sockopt::set_tcp_user_timeout(&listener, TCP_USER_TIMEOUT)
        .and_then(|()| rustix::net::sockopt::set_tcp_nodelay(&listener, true))
        .map_err(|error| environment(error.into()))?;
    let context = ServiceContext::new(settings.scraped, access, &limits, config.is_some())
        .map_err(|error| environment(std::io::Error::other(error)))?;
    let web = WebThreads::start(&context, listener, settings.workers, config)?;
    let admin_key = settings.admin_key.clone();
    let (witness_file, backups) = (settings.witness_file.clone(), settings.backups.clone());
    let opened = move || {
        let app = open()?;
        app.limit_wait();
        app.use_memory(&context.limits.memory);
        let admitted = require_first_key(&app, &context, admin_key.as_deref(), setup.as_deref());
        let watched = admitted.and_then(|()| {
            let witness = witness_file.clone().map(|path| app.witness_file(path)).transpose()?;
            let memory = memory::watch(context.limits.memory.clone()).map_err(environment)?;
            let threads = [
                app.start_api_key_refresher()?,
                watchdog::start(app.clone(), context.health.clone())?,
                memory,
                app.start_upkeep(backups, witness_file)?,
            ];
            Ok((threads, witness))
        });
        match watched {
            Ok((threads, witness)) => {
                context.ready(app.clone());
                Ok((app, threads, witness))
            }
            Err(error) => {
                app.stop();
                Err(error)
            }
        }
    };
    let (loaded, waiting) = channel();
    std::thread::spawn(move || drop(loaded.send(opened())));
    let ended = || environment(std::io::Error::other("loading the ledger stopped unexpectedly"));
    let outcome = match waiting.recv_timeout(STARTUP_TIMEOUT) {
        Ok(outcome) => {
            if outcome.is_ok() {
                announce(address);
            }
            outcome
        }
        Err(RecvTimeoutError::Timeout) => {
            announce(address);
            waiting.recv().map_err(|_gone| ended()).flatten()
        }
        Err(RecvTimeoutError::Disconnected) => Err(ended()),
    };
    match outcome {
        Ok((app, threads, witness)) => {
            Ok(RunningServer { address, web, app, threads, witness, _certificate: certificate })
        }
        Err(error) => {
            web.stop(false);
            Err(error)
        }
    }
}

/// Reads the admin key file, and refuses to serve other machines while there is no key.
fn require_first_key(
    app: &App,
    context: &ServiceContext,
    admin_key: Option<&std::path::Path>,
    setup: Option<&str>,
) -> Result<(), Error> {
    if let Some(path) = admin_key {
        let named = |error: std::io::Error| {
            Error::Usage(format!("cannot read the admin key file {}: {error}", path.display()))
        };
        warn_of_mode(path, "admin key file");
        let key = app.import_admin_key_file(&std::fs::read_to_string(path).map_err(named)?)?;
        if key.state == KeyState::Revoked {
            tracing::warn!(
                "the key in the admin key file has been revoked; write another key into the file"
            );
        }
    }
    let access = &context.access;
    if !access.loopback && access.tokens.is_none() && !app.api_keys().has_admin() {
        let sentence = "other machines can reach this address, and no admin has a key yet: create \
            one with `egov-kpi keys add --name NAME --role admin --database ADDRESS`, or set \
            EGOV_KPI_ADMIN_KEY_FILE to a file with a key, or listen on 127.0.0.1";
        return Err(Error::Usage(sentence.to_owned()));
    }
    if access.loopback && access.tokens.is_none() && app.api_keys().is_empty() {
        match setup {
            Some(token) => print_setup_token(token),
            None => tracing::warn!(
                "there is no key yet: everybody on this machine has all permissions, as `anonymous`"
            ),
        }
    }
    if let Some(warning) = app.api_keys().secret_warning() {
        tracing::warn!("{warning}");
    }
    for (address, hash) in app.last_addresses()? {
        context.limits.known.insert(Some(address), hash);
    }
    if !access.loopback && !context.tls {
        tracing::warn!(
            "other machines can reach this address without TLS: keys can be intercepted unless a \
             proxy in front of the service terminates TLS"
        );
    }
    Ok(())
}

/// Prints the one-time token on standard error. The log never contains it, because logs are stored.
fn print_setup_token(token: &str) {
    use std::io::Write;
    let _closed = writeln!(
        std::io::stderr().lock(),
        "egov-kpi: there is no key yet: everybody on this machine may read. Until the first key is \
         created, everything else needs this one-time token, as `Authorization: Bearer TOKEN`:\n\
         egov-kpi: {token}\negov-kpi: `egov-kpi keys add --name NAME --role admin` also creates \
         the first key"
    );
}

/// Warns in the log when other users can read a file that must be secret.
pub fn warn_of_mode(path: &std::path::Path, file: &str) {
    if is_accessible_by_others(path) {
        tracing::warn!("other users can read the {file}; restrict it with chmod 600");
    }
}

/// Whether other users than the owner can read or write a file.
fn is_accessible_by_others(path: &std::path::Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(path).is_ok_and(|data| data.mode() & 0o077 != 0)
}

/// Opens a ledger and the application over it.
///
/// # Errors
/// Those of the store.
pub fn open(address: &str, clock: Clock) -> Result<App, Error> {
    App::open_by(Store::open(address, true)?, clock)
}

/// Checks that certificate and key can be used.
///
/// # Errors
/// [`Error::Usage`] with the reason.
pub fn check_certificate(files: &TlsFiles) -> Result<(), Error> {
    tls::open(files).map(drop)
}

/// Warns in the log of triggers that are not as this program makes them.
///
/// # Errors
/// Those of the store.
pub fn warn_of_triggers(store: &Store) -> Result<(), Error> {
    for difference in store.trigger_differences()? {
        tracing::warn!("a trigger of the ledger differs from this program's: {difference}");
    }
    Ok(())
}

/// Raises the limit of open files to the maximum, and returns the limit.
fn open_files() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum
        && setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).is_err()
    {
        return current.and_then(|files| usize::try_from(files).ok()).unwrap_or(usize::MAX);
    }
    maximum.and_then(|files| usize::try_from(files).ok()).unwrap_or(usize::MAX)
}

fn environment(source: std::io::Error) -> Error {
    Error::environment("cannot run the service")(source)
}

fn server(
    context: ServiceContext,
    listener: TcpListener,
    workers: Option<u16>,
    tls: Option<ServerConfig>,
) -> std::io::Result<actix_web::dev::Server> {
    let (connections, metrics) =
        (Arc::clone(&context.limits.connections), Arc::clone(&context.metrics));
    let most = connections.most();
    let data = web::Data::new(context);
    let factory = move || {
        actix_web::App::new()
            .into_utoipa_app()
            .app_data(data.clone())
            .app_data(web::PayloadConfig::new(api::MAX_BODY))
            .configure(api::routes)
            .into_app()
            .configure(crate::web::routes)
            .configure(api::extras)
            .wrap(from_fn(api::limits::unsent::count))
            .wrap(Compress::default())
            .wrap(from_fn(api::access::guard))
            .wrap(from_fn(api::cors))
            .wrap(from_fn(crate::web::browser::around))
            .wrap(from_fn(api::headers))
            .wrap(from_fn(api::log_request))
    };
    if let Some(config) = tls {
        // `HttpServer` would count a connection only after its TLS handshake, and would let new
        // ones wait for slow handshakes.
        actix_tls::accept::max_concurrent_tls_connect(most);
        let builder = actix_server::Server::build()
            .max_concurrent_connections(most.saturating_add(1))
            .worker_max_blocking_threads(BLOCKING_THREADS)
            .shutdown_timeout(SHUTDOWN_TIMEOUT)
            .disable_signals();
        let builder = if let Some(workers) = workers {
            builder.workers(usize::from(workers))
        } else {
            builder
        };
        let stopping = builder.graceful_shutdown_signal();
        let listening = builder.listen("https", listener, move || {
            let (connections, metrics, stopping) =
                (Arc::clone(&connections), Arc::clone(&metrics), stopping.clone());
            let app =
                factory().into_factory().map_err(|error: actix_web::Error| error.error_response());
            let service = HttpService::build()
                .graceful_shutdown_signal(move || {
                    let stopping = stopping.clone();
                    async move { stopping.notified().await }
                })
                .keep_alive(KEEP_ALIVE)
                .client_request_timeout(HEADER_TIMEOUT)
                .client_disconnect_timeout(DISCONNECT_TIMEOUT)
                .finish(map_config(app, |()| AppConfig::default()))
                .rustls_0_23_with_config(
                    config.clone(),
                    TlsAcceptorConfig::default().handshake_timeout(HANDSHAKE_TIMEOUT),
                );
            apply_fn_factory(service, move |io: TcpStream, service| {
                // Counted from the first byte, the handshake included, until the end. A connection
                // beyond the limit is dropped, which closes it.
                let counted = connections.count(io.peer_addr().ok().map(|peer| peer.ip()));
                if counted.is_none() {
                    metrics.count_limit("connections");
                }
                let answered = counted.is_some().then(|| service.call(io));
                async move {
                    let _counted = counted;
                    match answered {
                        Some(answered) => answered.await,
                        None => Ok(()),
                    }
                }
            })
        })?;
        return Ok(listening.run());
    }
    let server = HttpServer::new(factory)
        .keep_alive(KEEP_ALIVE)
        .client_request_timeout(HEADER_TIMEOUT)
        .client_disconnect_timeout(DISCONNECT_TIMEOUT)
        // `ConnectionLimiter` counts the connections of all workers; no worker may stop accepting
        // before that limit is reached.
        .max_connections(most.saturating_add(1))
        .on_connect(move |io, data| {
            connections.accept(io, data, || metrics.count_limit("connections"))
        })
        .worker_max_blocking_threads(BLOCKING_THREADS)
        .shutdown_timeout(SHUTDOWN_TIMEOUT)
        .disable_signals();
    let server =
        if let Some(workers) = workers { server.workers(usize::from(workers)) } else { server };
    Ok(server.listen(listener)?.run())
}

impl WebThreads {
    fn start(
        context: &ServiceContext,
        listener: TcpListener,
        workers: Option<u16>,
        tls: Option<ServerConfig>,
    ) -> Result<Self, Error> {
        let (handles, handle) = channel();
        let context = context.clone();
        let run = move || {
            actix_web::rt::System::new().block_on(async move {
                let server = server(context, listener, workers, tls)?;
                let _caller_gone = handles.send(server.handle());
                server.await
            })
        };
        let thread =
            std::thread::Builder::new().name("web".to_owned()).spawn(run).map_err(environment)?;
        let handle = handle.recv().map_err(|_gone| {
            environment(std::io::Error::other("the web threads have not started"))
        })?;
        Ok(Self { handle, thread })
    }

    /// Stops the threads; gracefully means that requests in progress get their responses.
    fn stop(self, gracefully: bool) {
        if let Ok(runtime) = tokio::runtime::Builder::new_current_thread().build() {
            runtime.block_on(self.handle.stop(gracefully));
        }
        let _ended = self.thread.join();
    }
}

/// Exits the process when stopping takes too long, and logs which threads were busy. A request
/// without a response was recorded whole or not at all.
fn exit_after_timeout() {
    std::thread::sleep(SHUTDOWN_LIMIT);
    tracing::error!(
        threads = %listed(&busy_threads()),
        "the service did not stop in time and exits"
    );
    std::process::exit(ENVIRONMENT_FAILED);
}

impl RunningServer {
    /// Waits for SIGTERM or SIGINT, then stops gracefully.
    ///
    /// # Errors
    /// When signals cannot be handled.
    pub fn run_until_signal(self) -> Result<(), Error> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(environment)?;
        let signalled = runtime.block_on(async {
            use tokio::signal::unix::{SignalKind, signal};
            let (mut terminate, mut interrupt) =
                (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
            tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
            Ok::<_, std::io::Error>(())
        });
        signalled.map_err(environment)?;
        tracing::info!("stopping");
        std::thread::Builder::new()
            .name("shutdown".to_owned())
            .spawn(exit_after_timeout)
            .map_err(environment)?;
        self.stop();
        Ok(())
    }

    /// Stops gracefully: requests in progress get their responses, and waiting submissions are
    /// recorded.
    pub fn stop(self) {
        self.web.stop(true);
        drop(self.threads);
        self.app.stop();
        drop(self.witness);
    }

    /// The application.
    #[must_use]
    pub fn app(&self) -> &App {
        &self.app
    }
}
