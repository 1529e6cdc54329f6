//! The shared state of all handlers.

use std::sync::{Arc, OnceLock};

use tokio::sync::Semaphore;

use super::access::settings::AccessSettings;
use super::limits;
use super::limits::account::MemoryAccount;
use super::problem::Problem;
use crate::app::App;
use crate::app::snapshot::{AsOf, ReadConsistency, Snapshot};
use crate::memory::MemoryKind;
use crate::prometheus::ServiceMetrics;
use crate::prometheus::info::MetricCatalogue;
use crate::sync::Mutex;
use crate::watchdog::StallHealth;

/// Number of PromQL queries processed at once; others wait for a permit within their timeout.
pub const QUERIES: usize = 2;

/// The shared state of all handlers.
#[derive(Clone)]
pub struct ServiceContext {
    app: Arc<OnceLock<App>>,
    /// The health metrics of the service.
    pub metrics: Arc<ServiceMetrics>,
    /// Maximum number of series of `/metrics/figures`.
    pub scraped: usize,
    /// The permits of PromQL queries.
    pub queries: Arc<Semaphore>,
    /// The metrics of the catalogue and units that a query has read last.
    metric_catalogue: Arc<Mutex<Option<Arc<MetricCatalogue>>>>,
    /// The settings of authentication and authorization.
    pub access: Arc<AccessSettings>,
    /// The limits, with their current use.
    pub limits: Arc<limits::RequestLimits>,
    /// Whether the service itself terminates TLS.
    pub tls: bool,
    /// Whether a thread is stalled.
    pub health: StallHealth,
}

impl ServiceContext {
    /// A context before the ledger is loaded.
    ///
    /// # Errors
    /// When threads cannot be started, or metrics are registered twice, which a test excludes.
    pub fn new(
        scraped: usize,
        access: AccessSettings,
        limits: &limits::LimitSettings,
        tls: bool,
    ) -> Result<Self, std::io::Error> {
        let forwarding = access.forwarding.clone();
        let limits =
            limits::RequestLimits::new(limits, move |address| forwarding.is_proxy(address))?;
        Ok(Self {
            limits: Arc::new(limits),
            app: Arc::new(OnceLock::new()),
            metrics: Arc::new(ServiceMetrics::new().map_err(std::io::Error::other)?),
            scraped,
            queries: Arc::new(Semaphore::new(QUERIES)),
            metric_catalogue: Arc::new(Mutex::new("metric catalogue", None)),
            access: Arc::new(access),
            tls,
            health: StallHealth::default(),
        })
    }

    /// The metrics of a snapshot's catalogue and units, which are built again only after a change.
    /// Those of an earlier state are built for each query, so that they do not replace the current
    /// ones.
    #[must_use]
    pub fn metric_catalogue(&self, snapshot: &Snapshot) -> Arc<MetricCatalogue> {
        let (state, month) = (snapshot.state(), snapshot.month());
        if snapshot.is_past() {
            return Arc::new(MetricCatalogue::new(state, month));
        }
        let mut last = self.metric_catalogue.lock();
        if let Some(known) = last.as_ref().filter(|known| known.is_of(state, month)) {
            return Arc::clone(known);
        }
        let built = Arc::new(MetricCatalogue::new(state, month));
        *last = Some(Arc::clone(&built));
        built
    }

    /// The requested snapshot; an earlier one may have to be loaded, which takes memory.
    ///
    /// # Errors
    /// 503 until the ledger is loaded, when the revision is not reached in time, or when memory is
    /// short; 422 for a state that the ledger has never had.
    pub async fn read_snapshot(&self, consistency: &ReadConsistency) -> Result<Snapshot, Problem> {
        // Wait before taking the permit, so that other queries do not wait meanwhile.
        if let Some(AsOf::Time(time)) = consistency.as_of {
            self.app()?.wait_until_settled(time).await?;
        }
        let _turn =
            if consistency.as_of.is_some() { Some(self.limits.past_permit().await?) } else { None };
        Ok(self.app()?.snapshot(consistency).await?)
    }

    /// Computes a response on another thread, within the limit of concurrent queries.
    ///
    /// # Errors
    /// Those of the computation; 503 when no permit becomes available, memory is short or the
    /// service is stopping.
    pub async fn compute<T: Send + 'static, E: Send + 'static>(
        &self,
        compute: impl FnOnce() -> Result<T, E> + Send + 'static,
    ) -> Result<T, Problem>
    where
        Problem: From<E>,
    {
        self.compute_in(limits::RESPONSE, compute).await
    }

    /// As [`ServiceContext::compute`], for a response of at most this many bytes, which are
    /// reserved before it begins and until it is written.
    ///
    /// # Errors
    /// As for [`ServiceContext::compute`].
    pub async fn compute_in<T: Send + 'static, E: Send + 'static>(
        &self,
        bytes: usize,
        compute: impl FnOnce() -> Result<T, E> + Send + 'static,
    ) -> Result<T, Problem>
    where
        Problem: From<E>,
    {
        if let Ok(app) = self.app() {
            self.limits.refresh_figures(app);
        }
        let account = MemoryAccount::current();
        let wait = if bytes >= limits::HEAVY { self.limits.large_wait } else { self.limits.wait };
        account.reserve(MemoryKind::Response, bytes, wait).await?;
        let turn = self.limits.acquire_permit().await?;
        let compute = move || {
            // Both are held until the computation ends, even if the client has gone.
            let (_turn, _account) = (turn, account);
            compute()
        };
        Ok(self.run(bytes, compute).await??)
    }

    /// Reserves the memory for reading a document (report, Excel file) of this length, in the
    /// account of the request.
    ///
    /// # Errors
    /// 503 when it does not become available in time.
    pub async fn reserve_document(
        &self,
        length: usize,
        is_pdf: bool,
    ) -> Result<MemoryAccount, Problem> {
        let account = MemoryAccount::current();
        account.release_parsing(length);
        account
            .reserve(
                MemoryKind::Document,
                limits::document_bytes(length, is_pdf),
                self.limits.document_wait,
            )
            .await?;
        Ok(account)
    }

    /// Runs work on the threads that fit its memory: those for heavy work from [`limits::HEAVY`]
    /// bytes.
    ///
    /// # Errors
    /// 503 when no thread becomes free in time or the service is stopping.
    pub async fn run<T: Send + 'static>(
        &self,
        bytes: usize,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        if bytes >= limits::HEAVY {
            return self.limits.heavy.run(limits::LARGE_BODY_TIMEOUT, work).await;
        }
        crate::sync::blocking(work).await.map_err(|_stopping| Problem::internal())
    }

    /// Sets the loaded application, which makes the service ready.
    pub fn ready(&self, app: App) {
        let _already = self.app.set(app);
    }

    /// The application, if it is loaded and its memory belongs to the current history of the
    /// ledger.
    ///
    /// # Errors
    /// 503 until the ledger is loaded, and while another history of it is being read.
    pub fn app(&self) -> Result<&App, Problem> {
        let app = self.loaded()?;
        if app.is_replaced() { Err(Problem::replaced()) } else { Ok(app) }
    }

    /// The application, if it is loaded, also while another history is being read: for signing in
    /// and health checks.
    ///
    /// # Errors
    /// 503 until the ledger is loaded.
    pub fn loaded(&self) -> Result<&App, Problem> {
        self.app.get().ok_or_else(Problem::loading)
    }
}
