//! The use cases, one noun a file. They know the domain, the readers and the store, and nothing of the web.

pub mod access;
pub mod archive;
pub mod audit;
pub mod catalogue;
pub mod clock;
pub mod completeness;
pub mod declarations;
pub mod findings;
pub mod keyed;
pub mod keys;
pub mod ledger;
pub mod moment;
pub mod observations;
pub mod periods;
pub mod quality;
pub mod ranking;
pub mod reports;
pub mod scorecard;
pub mod series;
pub mod state;
pub mod submissions;
pub mod templates;
pub mod tokens;
pub mod units;
pub mod workbooks;
mod writer;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use parking_lot::{Mutex, RwLock, RwLockReadGuard};

use crate::error::Error;
use crate::store::Store;
use clock::Clock;
use state::State;
pub use writer::Statistics;

/// The service without its surroundings: state, store and the one writer. Clones are the same service.
#[derive(Clone)]
pub struct App {
    inner: Arc<Inner>,
}

struct Inner {
    state: Arc<RwLock<State>>,
    store: Store,
    writer: writer::Writer,
    ring: Arc<keys::Ring>,
    /// States of the past, the one asked for last at the end.
    pasts: Mutex<Vec<Arc<State>>>,
    /// What tells this ledger from others: the first digits of its first revision's hash.
    ledger: String,
    /// The patterns of the catalogues that reports were read by last.
    lexicons: reports::Lexicons,
}

impl App {
    /// Loads the ledger, seeding an empty one with the shipped catalogue and units, and starts the writer.
    ///
    /// # Errors
    /// The store's, and a ledger that contradicts itself.
    pub fn open(store: Store) -> Result<Self, Error> {
        Self::open_by(store, Clock::default())
    }

    /// The same by another clock than Vietnam's.
    ///
    /// # Errors
    /// As for [`App::open`].
    pub fn open_by(store: Store, clock: Clock) -> Result<Self, Error> {
        let state = Arc::new(RwLock::new(State { clock, ..State::load(&store)? }));
        let writer = writer::Writer::start(Arc::clone(&state), store.clone())?;
        seed(&state, &writer)?;
        let ring = Arc::new(keys::Ring::default());
        ring.reload(&store)?;
        let first = store.revision(1)?.and_then(|row| row.hash).unwrap_or_default();
        let ledger = first.chars().take(8).collect();
        let lexicons = reports::Lexicons::default();
        Ok(Self {
            inner: Arc::new(Inner {
                state,
                store,
                writer,
                ring,
                pasts: Mutex::default(),
                ledger,
                lexicons,
            }),
        })
    }

    /// What tells this ledger from others.
    #[must_use]
    pub fn ledger_name(&self) -> &str {
        &self.inner.ledger
    }

    /// A consistent look at the latest state. Keep it short: the writer waits for it.
    pub fn state(&self) -> RwLockReadGuard<'_, State> {
        self.inner.state.read()
    }

    /// The ledger.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.inner.store
    }

    /// What the writer has done so far.
    #[must_use]
    pub fn statistics(&self) -> &Statistics {
        self.inner.writer.statistics()
    }

    /// Lets what is waiting be written, and stops the writer. Later submissions are refused.
    pub fn stop(&self) {
        self.inner.writer.stop();
    }
}

/// Gives an empty ledger the shipped catalogue and units (contract section 1); also one whose first program went in between.
fn seed(state: &RwLock<State>, writer: &writer::Writer) -> Result<(), Error> {
    let by = || access::Identity::command("seed");
    if state.read().revision == 0 {
        writer
            .put_catalogue(
                catalogue::NewCatalogue {
                    document: catalogue::shipped()?,
                    made_from: None,
                    dry_run: false,
                },
                by(),
                None,
            )
            .wait()?;
    }
    if state.read().revision == 1 && state.read().units.is_empty() {
        writer.put_units(units::shipped()?, by(), false, None).wait()?;
    }
    Ok(())
}

/// A time of the ledger as clients read it.
#[must_use]
pub fn time_text(microseconds: i64) -> String {
    DateTime::<Utc>::from_timestamp_micros(microseconds)
        .unwrap_or_default()
        .to_rfc3339_opts(chrono::SecondsFormat::Micros, true)
}
