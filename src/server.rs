//! The only place that wires the parts together; starts and stops them.

mod tls;

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::middleware::{Compress, from_fn};
use actix_web::{HttpServer, web};
use rustls::ServerConfig;
use utoipa_actix_web::AppExt;

pub use tls::Files as TlsFiles;

use crate::app::App;
use crate::app::clock::Clock;
use crate::app::keys::{KeyState, Watch};
use crate::error::Error;
use crate::http::access::Settings as Access;
use crate::http::limits::Settings as Limits;
use crate::http::{self, Context};
use crate::pages;
use crate::store::Store;

/// How long a request in flight may take while the service stops.
const LAST_ANSWERS: u64 = 30;
/// How long a connection may take to be closed, and what comes of a body that nobody reads to be thrown away.
const FAREWELL: Duration = Duration::from_secs(5);
/// How long an answer may lie in the system's hands without the other side taking any of it, in milliseconds.
const UNREAD: u32 = 60_000;
/// Files that are open besides connections: the ledger's, at most.
const OTHER_FILES: usize = 256;
/// How long a ledger may load before the address is announced nevertheless.
const PATIENCE: Duration = Duration::from_secs(2);

/// A service that runs.
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    web: Web,
    app: App,
    /// Follow the keys and the certificate.
    watch: Watch,
    _certificate: Option<tls::Follow>,
}

/// The threads that answer requests.
struct Web {
    handle: ServerHandle,
    thread: JoinHandle<std::io::Result<()>>,
}

/// Where and how to run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Address and port; port 0 takes a free one.
    pub listen: String,
    /// Threads that answer requests; none for as many as there are cores.
    pub workers: Option<u16>,
    /// Most series at `/metrics/figures`.
    pub scraped: usize,
    /// What is open, and how it is told who somebody is. Whether only this machine reaches the service is found out.
    pub access: Access,
    /// A file with an admin's key.
    pub admin_key: Option<PathBuf>,
    /// TLS; none where a proxy does it.
    pub tls: Option<TlsFiles>,
    /// What anybody may cost it.
    pub limits: Limits,
}

impl Settings {
    /// Most series at `/metrics/figures` unless somebody says otherwise.
    pub const SCRAPED: usize = 20_000;

    /// Of an address, everything else as it is by default.
    #[must_use]
    pub fn at(listen: &str) -> Self {
        Self {
            listen: listen.to_owned(),
            workers: None,
            scraped: Self::SCRAPED,
            access: Access::default(),
            admin_key: None,
            tls: None,
            limits: Limits::default(),
        }
    }
}

/// Starts listening, then opens the ledger with `open` and becomes ready. `announce` is called once with
/// the address: when the service is ready, or earlier when a large ledger takes its time.
///
/// # Errors
/// The address cannot be had, the ledger cannot be opened, or [`Error::Usage`] when others could reach the service and nobody has a key.
pub fn start(
    settings: &Settings,
    open: impl FnOnce() -> Result<App, Error> + Send + 'static,
    announce: impl FnOnce(SocketAddr),
) -> Result<Running, Error> {
    let listener = TcpListener::bind(&settings.listen)
        .map_err(Error::surroundings(format!("cannot listen on {}", settings.listen)))?;
    let address = listener.local_addr().map_err(surroundings)?;
    let (config, certificate) = settings.tls.as_ref().map(tls::open).transpose()?.unzip();
    let access = Access { loopback: address.ip().is_loopback(), ..settings.access.clone() };
    let limits = Limits {
        connections: settings.limits.connections.min(open_files().saturating_sub(OTHER_FILES)),
        ..settings.limits.clone()
    };
    // What an answer's reader does not take for so long is given up; connections have it from the socket that listens.
    rustix::net::sockopt::set_tcp_user_timeout(&listener, UNREAD)
        .map_err(|error| surroundings(error.into()))?;
    let context = Context::new(settings.scraped, access, &limits, config.is_some())
        .map_err(|error| surroundings(std::io::Error::other(error)))?;
    let web = Web::start(&context, listener, settings.workers, config)?;
    let admin_key = settings.admin_key.clone();
    let opened = move || {
        let app = open()?;
        let admitted = admit(&app, &context, admin_key.as_deref());
        match admitted.and_then(|()| app.watch_keys()) {
            Ok(watch) => {
                context.ready(app.clone());
                Ok((app, watch))
            }
            Err(error) => {
                app.stop();
                Err(error)
            }
        }
    };
    let (loaded, waiting) = channel();
    std::thread::spawn(move || loaded.send(opened()));
    let ended = || surroundings(std::io::Error::other("loading the ledger ended early"));
    let outcome = match waiting.recv_timeout(PATIENCE) {
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
        Ok((app, watch)) => Ok(Running { address, web, app, watch, _certificate: certificate }),
        Err(error) => {
            web.stop(false);
            Err(error)
        }
    }
}

/// Takes the admin's key file, and refuses to serve others before anybody has a key.
fn admit(app: &App, context: &Context, admin_key: Option<&std::path::Path>) -> Result<(), Error> {
    if let Some(path) = admin_key {
        let named = |error: std::io::Error| {
            Error::Usage(format!("the admin's key file {} cannot be read: {error}", path.display()))
        };
        warn_of_mode(path);
        let key = app.take_admin_file(&std::fs::read_to_string(path).map_err(named)?)?;
        if key.state == KeyState::Revoked {
            tracing::warn!(
                "the key in the admin's key file was revoked; put another into the file"
            );
        }
    }
    let access = &context.access;
    if !access.loopback && access.tokens.is_none() && !app.ring().has_admin() {
        let sentence = "others can reach this address, and no admin has a key yet: make one with `egov-kpi keys add --name NAME --role admin --database ADDRESS`, \
                        or name a file that holds one by EGOV_KPI_ADMIN_KEY_FILE, or listen on 127.0.0.1";
        return Err(Error::Usage(sentence.to_owned()));
    }
    if access.loopback && access.tokens.is_none() && app.ring().is_empty() {
        tracing::warn!(
            "there is no key yet: everybody on this machine may do everything, as `anonymous`"
        );
    }
    if !access.loopback && !context.tls {
        tracing::warn!(
            "others can reach this address without TLS: keys can be read on their way, unless a proxy on this network's edge speaks TLS"
        );
    }
    Ok(())
}

/// Says in the log when others may read a file that holds a key.
fn warn_of_mode(path: &std::path::Path) {
    use std::os::unix::fs::MetadataExt;
    if std::fs::metadata(path).is_ok_and(|data| data.mode() & 0o077 != 0) {
        tracing::warn!("others than its owner may read the admin's key file; chmod 600 keeps it");
    }
}

/// Opens a ledger and the service over it.
///
/// # Errors
/// The store's.
pub fn open(address: &str, clock: Clock) -> Result<App, Error> {
    App::open_by(Store::open(address, true)?, clock)
}

/// Lets this process open as many files as it may, and says how many that is.
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

fn surroundings(source: std::io::Error) -> Error {
    Error::surroundings("the service cannot run")(source)
}

fn server(
    context: Context,
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
            .app_data(web::PayloadConfig::new(http::MAX_BODY))
            .configure(http::routes)
            .into_app()
            .configure(pages::routes)
            .configure(http::extras)
            .wrap(Compress::default())
            .wrap(from_fn(http::access::guard))
            .wrap(from_fn(http::headers))
            .wrap(from_fn(http::watch))
    };
    let server = HttpServer::new(factory)
        .keep_alive(Duration::from_secs(75))
        .client_request_timeout(Duration::from_secs(10))
        .client_disconnect_timeout(FAREWELL)
        // The count of all workers' connections is ours; none of them stops taking any before it is reached.
        .max_connections(most.saturating_add(1))
        .on_connect(move |io, data| connections.accept(io, data, || metrics.bounded("connections")))
        .shutdown_timeout(LAST_ANSWERS)
        .disable_signals();
    let server =
        if let Some(workers) = workers { server.workers(usize::from(workers)) } else { server };
    Ok(match tls {
        Some(config) => server.listen_rustls_0_23(listener, config)?,
        None => server.listen(listener)?,
    }
    .run())
}

impl Web {
    fn start(
        context: &Context,
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
            std::thread::Builder::new().name("web".to_owned()).spawn(run).map_err(surroundings)?;
        let handle = handle.recv().map_err(|_gone| {
            surroundings(std::io::Error::other("the web threads did not start"))
        })?;
        Ok(Self { handle, thread })
    }

    /// Stops, gracefully: what is in flight is answered.
    fn stop(self, gracefully: bool) {
        if let Ok(runtime) = tokio::runtime::Builder::new_current_thread().build() {
            runtime.block_on(self.handle.stop(gracefully));
        }
        let _ended = self.thread.join();
    }
}

impl Running {
    /// Waits for SIGTERM or SIGINT, then stops gracefully.
    ///
    /// # Errors
    /// When signals cannot be had.
    pub fn until_signal(self) -> Result<(), Error> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(surroundings)?;
        let signalled = runtime.block_on(async {
            use tokio::signal::unix::{SignalKind, signal};
            let (mut terminate, mut interrupt) =
                (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
            tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
            Ok::<_, std::io::Error>(())
        });
        signalled.map_err(surroundings)?;
        tracing::info!("stopping");
        self.stop();
        Ok(())
    }

    /// Stops gracefully: requests in flight are answered, what waits for the writer is recorded.
    pub fn stop(self) {
        self.web.stop(true);
        drop(self.watch);
        self.app.stop();
    }

    /// The service behind it.
    #[must_use]
    pub fn app(&self) -> &App {
        &self.app
    }
}
