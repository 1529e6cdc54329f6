//! The only place that wires the parts together; starts and stops them.

use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::middleware::{Compress, from_fn};
use actix_web::{HttpServer, web};
use utoipa_actix_web::AppExt;

use crate::app::App;
use crate::app::clock::Clock;
use crate::error::Error;
use crate::http::{self, Context};
use crate::pages;
use crate::store::Store;

/// How long a request in flight may take while the service stops.
const LAST_ANSWERS: u64 = 30;
/// How long a ledger may load before the address is announced nevertheless.
const PATIENCE: Duration = Duration::from_secs(2);

/// A service that runs.
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    handle: ServerHandle,
    web: JoinHandle<std::io::Result<()>>,
    app: App,
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
}

impl Settings {
    /// Most series at `/metrics/figures` unless somebody says otherwise.
    pub const SCRAPED: usize = 20_000;

    /// Of an address, everything else as it is by default.
    #[must_use]
    pub fn at(listen: &str) -> Self {
        Self { listen: listen.to_owned(), workers: None, scraped: Self::SCRAPED }
    }
}

/// Starts listening, then opens the ledger with `open` and becomes ready. `announce` is called once with
/// the address: when the service is ready, or earlier when a large ledger takes its time.
///
/// # Errors
/// The address cannot be had, or the ledger cannot be opened.
pub fn start(settings: &Settings, open: impl FnOnce() -> Result<App, Error> + Send + 'static, announce: impl FnOnce(SocketAddr)) -> Result<Running, Error> {
    let listener = TcpListener::bind(&settings.listen).map_err(Error::surroundings(format!("cannot listen on {}", settings.listen)))?;
    let address = listener.local_addr().map_err(surroundings)?;
    let context = Context::new(settings.scraped).map_err(|error| surroundings(std::io::Error::other(error)))?;
    let (handles, handle) = channel();
    let (for_web, workers) = (context.clone(), settings.workers);
    let web = std::thread::Builder::new().name("web".to_owned()).spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            let server = server(for_web, listener, workers)?;
            let _caller_gone = handles.send(server.handle());
            server.await
        })
    });
    let web = web.map_err(surroundings)?;
    let handle = handle.recv().map_err(|_gone| surroundings(std::io::Error::other("the web threads did not start")))?;
    let (loaded, waiting) = channel();
    std::thread::spawn(move || loaded.send(open()));
    let app = match waiting.recv_timeout(PATIENCE) {
        Ok(app) => {
            let app = app?;
            context.ready(app.clone());
            announce(address);
            app
        }
        Err(RecvTimeoutError::Timeout) => {
            announce(address);
            let app = waiting.recv().map_err(|_gone| surroundings(std::io::Error::other("loading the ledger ended early")))??;
            context.ready(app.clone());
            app
        }
        Err(RecvTimeoutError::Disconnected) => return Err(surroundings(std::io::Error::other("loading the ledger ended early"))),
    };
    Ok(Running { address, handle, web, app })
}

/// Opens a ledger and the service over it.
///
/// # Errors
/// The store's.
pub fn open(address: &str, clock: Clock) -> Result<App, Error> {
    App::open_by(Store::open(address, true)?, clock)
}

fn surroundings(source: std::io::Error) -> Error {
    Error::surroundings("the service cannot run")(source)
}

fn server(context: Context, listener: TcpListener, workers: Option<u16>) -> std::io::Result<actix_web::dev::Server> {
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
            .wrap(from_fn(http::watch))
    };
    let server = HttpServer::new(factory)
        .keep_alive(Duration::from_secs(75))
        .client_request_timeout(Duration::from_secs(10))
        .shutdown_timeout(LAST_ANSWERS)
        .disable_signals();
    let server = if let Some(workers) = workers { server.workers(usize::from(workers)) } else { server };
    Ok(server.listen(listener)?.run())
}

impl Running {
    /// Waits for SIGTERM or SIGINT, then stops gracefully.
    ///
    /// # Errors
    /// When signals cannot be had.
    pub fn until_signal(self) -> Result<(), Error> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(surroundings)?;
        let signalled = runtime.block_on(async {
            use tokio::signal::unix::{SignalKind, signal};
            let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
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
        if let Ok(runtime) = tokio::runtime::Builder::new_current_thread().build() {
            runtime.block_on(self.handle.stop(true));
        }
        let _ended = self.web.join();
        self.app.stop();
    }

    /// The service behind it.
    #[must_use]
    pub fn app(&self) -> &App {
        &self.app
    }
}
