//! What the service lets anybody cost it. `docs/limits.md` lists every bound with its answer, its metric and its test.
//!
//! | file | holds |
//! |---|---|
//! | `limits/rates.rs` | how many requests a second, by key and by address |
//! | `limits/connections.rs` | how many connections |
//! | `limits/body.rs` | how long a body may take and how much memory all bodies may |
//! | `limits/lines.rs` | how many lines of the log refusals may write |

pub mod body;
pub mod connections;
pub mod lines;
pub mod rates;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServiceRequest;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::problem::Problem;
use body::{Bodies, Patience};
use connections::Connections;
use lines::Lines;
use rates::{Rate, Rates};

/// Longest path and query of a request in bytes. What the HTTP library cannot hold (65,534) it refuses itself, with 400.
pub const MAX_URL: usize = 60 << 10;
/// Most headers of a request. With more than 96 the HTTP library refuses it itself, with 431.
pub const MAX_HEADERS: usize = 80;
/// Most bytes of all names and values of a request's headers. A head of more than 128 KiB the HTTP library refuses itself, with 431.
pub const MAX_HEADER_BYTES: usize = 32 << 10;
/// How many questions are computed at once, those of PromQL aside; others wait for their turn.
pub const TURNS: usize = 16;
/// How many questions of the past (`as_of`) look for it at once: one that is not loaded yet is, one after the other.
pub const PASTS: usize = 4;
/// How long a question waits for its turn.
pub const PATIENCE: Duration = Duration::from_secs(5);
/// From so many bytes on a body has a turn: what is made of it takes many times its memory while it is carried out.
pub const LARGE_BODY: usize = 256 << 10;
/// How many large bodies are carried out at once; others wait for their turn.
pub const LARGE_TURNS: usize = 2;
/// How long a large body waits for its turn.
pub const LARGE_PATIENCE: Duration = Duration::from_secs(30);
/// How many documents (reports, workbooks) are read at once; others wait for their turn.
pub const DOCUMENTS: usize = 2;
/// How long a document waits for its turn.
pub const DOCUMENT_PATIENCE: Duration = Duration::from_secs(20);
/// Most connections at once, unless files may not be opened for as many.
pub const CONNECTIONS: usize = 20_000;
/// Most connections of one address at once.
pub const CONNECTIONS_OF_ONE: usize = 2_000;

/// The bounds that can be set.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Requests a second of the holder of a key or a token; none for as many as come.
    pub key: Option<Rate>,
    /// Requests a second of an address without a key.
    pub address: Option<Rate>,
    /// Sign-ins that fail, of an address.
    pub sign_in: Option<Rate>,
    /// Most connections at once.
    pub connections: usize,
    /// Most of one address, proxies that are believed aside.
    pub connections_of_one: usize,
    /// How long a body may take.
    pub patience: Patience,
    /// Most bytes of bodies that are held at once: of the first MiB of each, and of what is beyond it.
    pub bodies: (usize, usize),
    /// How many questions are computed at once.
    pub turns: usize,
    /// How long a question waits for its turn.
    pub wait: Duration,
    /// How many large bodies are carried out at once.
    pub large_turns: usize,
    /// How long a large body waits for its turn.
    pub large_wait: Duration,
    /// How many documents are read at once.
    pub documents: usize,
    /// How long a document waits for its turn.
    pub document_wait: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            key: Some(Rate::KEY),
            address: Some(Rate::ADDRESS),
            sign_in: Some(Rate::SIGN_IN),
            connections: CONNECTIONS,
            connections_of_one: CONNECTIONS_OF_ONE,
            patience: Patience::default(),
            bodies: (body::SMALL, body::LARGE),
            turns: TURNS,
            wait: PATIENCE,
            large_turns: LARGE_TURNS,
            large_wait: LARGE_PATIENCE,
            documents: DOCUMENTS,
            document_wait: DOCUMENT_PATIENCE,
        }
    }
}

/// The bounds with what counts towards them.
pub struct Limits {
    /// By key and by address.
    pub rates: Rates,
    /// Connections that are open.
    pub connections: Arc<Connections>,
    /// Bodies that are held.
    pub bodies: Arc<Bodies>,
    /// Lines of the log.
    pub lines: Lines,
    turns: Arc<Semaphore>,
    pasts: Arc<Semaphore>,
    large: Arc<Semaphore>,
    documents: Arc<Semaphore>,
    wait: Duration,
    large_wait: Duration,
    document_wait: Duration,
}

impl Limits {
    /// Nothing counted yet; the addresses for which `exempt` holds are proxies that are believed.
    pub fn new(
        settings: &Settings,
        exempt: impl Fn(IpAddr) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self {
            rates: Rates::new(settings.key, settings.address, settings.sign_in),
            connections: Arc::new(Connections::new(
                settings.connections,
                settings.connections_of_one,
                exempt,
            )),
            bodies: Arc::new(Bodies::new(settings.bodies, settings.patience)),
            lines: Lines::default(),
            turns: Arc::new(Semaphore::new(settings.turns)),
            pasts: Arc::new(Semaphore::new(PASTS)),
            large: Arc::new(Semaphore::new(settings.large_turns)),
            wait: settings.wait,
            large_wait: settings.large_wait,
            documents: Arc::new(Semaphore::new(settings.documents)),
            document_wait: settings.document_wait,
        }
    }

    /// The turn of a body of such a length, to be kept until it is carried out; small ones need none.
    ///
    /// # Errors
    /// 503 when it does not come.
    pub async fn body_turn(&self, length: usize) -> Result<Option<OwnedSemaphorePermit>, Problem> {
        if length < LARGE_BODY {
            Ok(None)
        } else {
            turn(&self.large, self.large_wait, "body_turn").await.map(Some)
        }
    }

    /// The turn of a report or a workbook, to be kept until it is read.
    ///
    /// # Errors
    /// 503 when it does not come.
    pub async fn document_turn(&self) -> Result<OwnedSemaphorePermit, Problem> {
        turn(&self.documents, self.document_wait, "document_turn").await
    }

    /// The turn of a question of the past, to be kept until that is loaded.
    ///
    /// # Errors
    /// 503 when it does not come.
    pub async fn past_turn(&self) -> Result<OwnedSemaphorePermit, Problem> {
        turn(&self.pasts, self.wait, "past").await
    }

    /// The turn of a question that takes its time, to be kept until it is computed.
    ///
    /// # Errors
    /// 503 when it does not come.
    pub async fn turn(&self) -> Result<OwnedSemaphorePermit, Problem> {
        turn(&self.turns, self.wait, "turn").await
    }
}

async fn turn(
    turns: &Arc<Semaphore>,
    wait: Duration,
    bound: &'static str,
) -> Result<OwnedSemaphorePermit, Problem> {
    let busy = || Problem::busy("others are being answered; try again").of_bound(bound);
    let turn = Arc::clone(turns).acquire_owned();
    tokio::time::timeout(wait, turn).await.map_err(|_elapsed| busy())?.map_err(|_closed| busy())
}

/// Refuses a request whose head is larger than any that is meant.
///
/// # Errors
/// 414, or 431.
pub fn head(request: &ServiceRequest) -> Result<(), Problem> {
    let length = request.uri().path_and_query().map_or(0, |whole| whole.as_str().len());
    if length > MAX_URL {
        return Err(Problem::long_url(format!("path and query have at most {MAX_URL} bytes"))
            .of_bound("url"));
    }
    let headers = request.headers();
    if headers.len() > MAX_HEADERS {
        return Err(Problem::large_headers(format!("a request has at most {MAX_HEADERS} headers"))
            .of_bound("headers"));
    }
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if bytes > MAX_HEADER_BYTES {
        return Err(Problem::large_headers(format!(
            "the headers of a request have at most {MAX_HEADER_BYTES} bytes"
        ))
        .of_bound("header_bytes"));
    }
    Ok(())
}
