//! The use cases, one noun a file. They know the domain, the readers and the store, and nothing of the web.

pub mod catalogue;
pub mod findings;
pub mod observations;
pub mod series;
pub mod state;
pub mod submissions;
pub mod units;
mod writer;

use std::sync::Arc;

use chrono::{DateTime, FixedOffset, Utc};
use parking_lot::{RwLock, RwLockReadGuard};

use crate::domain::period::Month;
use crate::error::Error;
use crate::store::Store;
use state::State;
pub use writer::Statistics;

/// Vietnam's offset from UTC in seconds; it has no summer time.
const VIETNAM: i32 = 7 * 3600;

/// The service without its surroundings: state, store and the one writer. Clones are the same service.
#[derive(Clone)]
pub struct App {
    inner: Arc<Inner>,
}

struct Inner {
    state: Arc<RwLock<State>>,
    store: Store,
    writer: writer::Writer,
}

impl App {
    /// Loads the ledger, seeding an empty one with the shipped catalogue and units, and starts the writer.
    ///
    /// # Errors
    /// The store's, and a ledger that contradicts itself.
    pub fn open(store: Store) -> Result<Self, Error> {
        let state = Arc::new(RwLock::new(State::load(&store)?));
        let writer = writer::Writer::start(Arc::clone(&state), store.clone())?;
        let app = Self { inner: Arc::new(Inner { state, store, writer }) };
        if app.state().revision == 0 {
            app.seed()?;
        }
        Ok(app)
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

    fn seed(&self) -> Result<(), Error> {
        self.put_catalogue_now(crate::app::catalogue::shipped()?, None, "seed", false)?;
        self.put_units_now(crate::app::units::shipped()?, "seed", false)?;
        Ok(())
    }
}

/// The month that has begun in Vietnam.
#[must_use]
pub fn this_month() -> Month {
    Month::of(FixedOffset::east_opt(VIETNAM).map_or_else(|| Utc::now().date_naive(), |offset| Utc::now().with_timezone(&offset).date_naive()))
}

/// A time of the ledger as clients read it.
#[must_use]
pub fn time_text(microseconds: i64) -> String {
    DateTime::<Utc>::from_timestamp_micros(microseconds).unwrap_or_default().to_rfc3339_opts(chrono::SecondsFormat::Micros, true)
}
