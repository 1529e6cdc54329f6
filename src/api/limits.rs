//! Limits. Every limit is finite. `docs/limits.md` lists each with its error response, its metric
//! and its test.
//!
//! | file | contents |
//! |---|---|
//! | `limits/rates.rs` | requests per second, by key and by address |
//! | `limits/connections.rs` | open connections |
//! | `limits/account.rs` | the memory of one request, from the memory budget (`memory.rs`) |
//! | `limits/body.rs` | time and memory of request bodies |
//! | `limits/unsent.rs` | responses that clients have not read yet, and their memory |
//! | `limits/streamed.rs` | responses that are sent while they are written |
//! | `limits/heavy.rs` | threads for work that takes long |
//! | `limits/known_sign_ins.rs` | which keys have signed in from which addresses |
//! | `limits/log_lines.rs` | lines of the log about refusals |

pub mod account;
pub mod body;
pub mod connections;
pub mod heavy;
pub mod known_sign_ins;
pub mod log_lines;
pub mod rates;
pub mod streamed;
pub mod unsent;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use actix_web::dev::ServiceRequest;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::problem::Problem;
use crate::app::App;
use crate::memory::{MemoryBudget, MemoryPermit, system};
use body::BodyTimeout;
use connections::ConnectionLimiter;
use heavy::HeavyThreads;
use log_lines::LogLineLimiter;
use rates::{RateLimit, RateLimiters};

/// Maximum length of path and query, in bytes. Above 65,534 bytes the HTTP library itself responds
/// with 400.
pub const MAX_URL: usize = 60 << 10;
/// Maximum number of request headers. Above 96 the HTTP library itself responds with 431.
pub const MAX_HEADERS: usize = 80;
/// Maximum total length of the names and values of request headers, in bytes. Above 128 KiB the
/// HTTP library itself responds with 431.
pub const MAX_HEADER_BYTES: usize = 32 << 10;
/// Number of queries computed at once, without those in PromQL; others wait for a permit.
pub const PERMITS: usize = 16;
/// Number of queries of earlier states (`as_of`) that load their state at once, so that waiting for
/// a load holds few threads.
pub const PASTS: usize = 4;
/// Number of exports that are written at once; others wait for a permit.
pub const EXPORTS: usize = 2;
/// Timeout of waiting for a permit, and of waiting for memory.
pub const PERMIT_TIMEOUT: Duration = Duration::from_secs(5);
/// Bodies of at least this size, in bytes, need memory for what is parsed from them:
/// [`PARSED_FACTOR`] times their length.
pub const LARGE_BODY: usize = 256 << 10;
/// Memory of a large body while it is parsed and recorded, as a multiple of its length.
pub const PARSED_FACTOR: usize = 8;
/// Timeout of a large body waiting for that memory.
pub const LARGE_BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// Timeout of a document (report, Excel file) waiting for memory.
pub const DOCUMENT_TIMEOUT: Duration = Duration::from_secs(20);
/// Memory for reading a document, in bytes: minimum, per byte of the (compressed) document,
/// maximum.
const DOCUMENT: (usize, usize, usize) = (8 << 20, 600, 256 << 20);
/// Memory of a response while it is computed, in bytes, unless its endpoint estimates it.
pub const RESPONSE: usize = 256 << 10;
/// Responses with at least this estimate, in bytes, are computed and written on the threads for
/// heavy work.
pub const HEAVY: usize = 8 << 20;
/// Memory of the unread responses of `/metrics`, in bytes. It is not part of the memory budget, so
/// that the metrics can be read while the budget is exhausted.
pub const METRICS: usize = 1 << 20;
/// Interval of measuring the memory of the figures, in seconds.
const FIGURES_EVERY: u64 = 5;
/// Maximum number of open connections; lower if the process may not open as many files.
pub const CONNECTIONS: usize = 20_000;
/// Maximum number of open connections of one address.
pub const CONNECTIONS_OF_ONE: usize = 2_000;

/// The limits that can be set.
#[derive(Clone, Debug)]
pub struct LimitSettings {
    /// Requests per second of the holder of a key or token; `None` for no limit.
    pub key: Option<RateLimit>,
    /// Requests per second of an address without a key.
    pub address: Option<RateLimit>,
    /// Failed sign-ins of an address.
    pub sign_in: Option<RateLimit>,
    /// Maximum number of open connections.
    pub connections: usize,
    /// Maximum number of open connections of one address; does not apply to trusted proxies.
    pub connections_of_one: usize,
    /// Timeout of request bodies.
    pub patience: BodyTimeout,
    /// Maximum memory of the service, in bytes.
    pub memory: usize,
    /// Number of queries computed at once.
    pub turns: usize,
    /// Timeout of waiting for a permit, and of waiting for memory.
    pub wait: Duration,
    /// Timeout of a large body waiting for memory.
    pub large_wait: Duration,
    /// Timeout of a document waiting for memory.
    pub document_wait: Duration,
}

impl Default for LimitSettings {
    fn default() -> Self {
        Self {
            key: Some(RateLimit::KEY),
            address: Some(RateLimit::ADDRESS),
            sign_in: Some(RateLimit::SIGN_IN),
            connections: CONNECTIONS,
            connections_of_one: CONNECTIONS_OF_ONE,
            patience: BodyTimeout::default(),
            memory: system::default_limit(),
            turns: PERMITS,
            wait: PERMIT_TIMEOUT,
            large_wait: LARGE_BODY_TIMEOUT,
            document_wait: DOCUMENT_TIMEOUT,
        }
    }
}

/// The limits, with the current use of each.
pub struct RequestLimits {
    /// Requests by key and by address.
    pub rates: RateLimiters,
    /// The keys that have signed in, by address.
    pub known: known_sign_ins::KnownSignIns,
    /// Open connections.
    pub connections: Arc<ConnectionLimiter>,
    /// The memory budget.
    pub memory: MemoryBudget,
    /// The memory of `/metrics`, [`METRICS`].
    pub metrics: MemoryBudget,
    /// Timeout of request bodies.
    pub patience: BodyTimeout,
    /// Threads for work that takes long.
    pub heavy: HeavyThreads,
    /// Lines of the log.
    pub lines: LogLineLimiter,
    /// The start of the process, and when the memory of the figures was last measured, in seconds
    /// since then.
    figures: (Instant, AtomicU64),
    turns: Arc<Semaphore>,
    pasts: Arc<Semaphore>,
    exports: Arc<Semaphore>,
    /// Timeout of waiting for a permit, and of waiting for memory.
    pub wait: Duration,
    /// Timeout of a large body or response waiting for memory.
    pub large_wait: Duration,
    /// Timeout of a document waiting for memory.
    pub document_wait: Duration,
}

impl RequestLimits {
    /// Limits without any use; `exempt` is true for the addresses of trusted proxies.
    ///
    /// # Errors
    /// When threads cannot be started.
    pub fn new(
        settings: &LimitSettings,
        exempt: impl Fn(IpAddr) -> bool + Send + Sync + 'static,
    ) -> std::io::Result<Self> {
        Ok(Self {
            rates: RateLimiters::new(settings.key, settings.address, settings.sign_in),
            known: known_sign_ins::KnownSignIns::default(),
            connections: Arc::new(ConnectionLimiter::new(
                settings.connections,
                settings.connections_of_one,
                exempt,
            )),
            memory: MemoryBudget::new(settings.memory),
            metrics: MemoryBudget::separate(METRICS),
            patience: settings.patience,
            heavy: HeavyThreads::start()?,
            lines: LogLineLimiter::default(),
            figures: (Instant::now(), AtomicU64::new(0)),
            turns: Arc::new(Semaphore::new(settings.turns)),
            pasts: Arc::new(Semaphore::new(PASTS)),
            exports: Arc::new(Semaphore::new(EXPORTS)),
            wait: settings.wait,
            large_wait: settings.large_wait,
            document_wait: settings.document_wait,
        })
    }

    /// Updates the memory of the figures in the budget, if the last measurement is older than
    /// [`FIGURES_EVERY`].
    pub fn refresh_figures(&self, app: &App) {
        let (began, last) = &self.figures;
        let (now, before) = (began.elapsed().as_secs(), last.load(Ordering::Relaxed));
        let due = now >= before.saturating_add(FIGURES_EVERY);
        if due && last.compare_exchange(before, now, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            self.memory.set_figures(app.state().cube.bytes());
        }
    }

    /// Reserves the memory for parsing a body of this length; small bodies need none.
    ///
    /// # Errors
    /// 503 when it does not become available in time.
    pub async fn reserve_parsing(
        &self,
        body: &mut MemoryPermit,
        length: usize,
    ) -> Result<(), Problem> {
        if length < LARGE_BODY {
            return Ok(());
        }
        body.grow_to(
            body.bytes().saturating_add(length.saturating_mul(PARSED_FACTOR)),
            self.large_wait,
        )
        .await
        .map_err(account::short)
    }

    /// A permit to load an earlier state, held until it is loaded.
    ///
    /// # Errors
    /// 503 when no permit becomes available in time.
    pub async fn past_permit(&self) -> Result<OwnedSemaphorePermit, Problem> {
        acquire_permit(&self.pasts, self.wait, "past").await
    }

    /// A permit to write an export, held until it is written.
    ///
    /// # Errors
    /// 503 when no permit becomes available in time.
    pub async fn export_permit(&self) -> Result<OwnedSemaphorePermit, Problem> {
        acquire_permit(&self.exports, self.wait, "export").await
    }

    /// A permit to compute a query, held until it is computed.
    ///
    /// # Errors
    /// 503 when no permit becomes available in time.
    pub async fn acquire_permit(&self) -> Result<OwnedSemaphorePermit, Problem> {
        acquire_permit(&self.turns, self.wait, "turn").await
    }
}

async fn acquire_permit(
    turns: &Arc<Semaphore>,
    wait: Duration,
    bound: &'static str,
) -> Result<OwnedSemaphorePermit, Problem> {
    let busy = || Problem::busy("too many concurrent requests; retry later").of_bound(bound);
    let turn = Arc::clone(turns).acquire_owned();
    tokio::time::timeout(wait, turn).await.map_err(|_elapsed| busy())?.map_err(|_closed| busy())
}

/// The maximum memory for reading a document of this length, in bytes; the crate `documents` limits
/// the unpacked size.
#[must_use]
pub fn document_bytes(length: usize, is_pdf: bool) -> usize {
    let (least, each, most) = DOCUMENT;
    // A small PDF can draw as much text as a large one.
    let read =
        if is_pdf { most } else { least.saturating_add(length.saturating_mul(each)).min(most) };
    read.saturating_add(length.saturating_mul(2))
}

/// Refuses a request if its path, query or headers exceed their limits.
///
/// # Errors
/// 414 for path and query, 431 for headers.
pub fn head(request: &ServiceRequest) -> Result<(), Problem> {
    let length = request.uri().path_and_query().map_or(0, |whole| whole.as_str().len());
    if length > MAX_URL {
        return Err(Problem::long_url(format!("path and query are longer than {MAX_URL} bytes"))
            .of_bound("url"));
    }
    let headers = request.headers();
    if headers.len() > MAX_HEADERS {
        return Err(Problem::large_headers(format!(
            "the request has more than {MAX_HEADERS} headers"
        ))
        .of_bound("headers"));
    }
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if bytes > MAX_HEADER_BYTES {
        return Err(Problem::large_headers(format!(
            "the request headers are longer than {MAX_HEADER_BYTES} bytes"
        ))
        .of_bound("header_bytes"));
    }
    Ok(())
}
