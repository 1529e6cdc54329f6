//! The use cases: one file for each noun. They use the core, the document readers and the ledger,
//! and nothing of HTTP.
//!
//! [`state`] is the ledger in memory, and a [`snapshot`] the state that one response is computed
//! from. [`write`] imports figures and documents and records them. [`read`] computes the responses
//! to queries and uses nothing of [`write`].

pub mod api_keys;
pub mod archive;
pub mod backups;
mod current;
pub mod drafts;
mod history;
mod lookup;
pub mod read;
pub mod reports;
pub mod sessions;
pub mod snapshot;
pub mod state;
mod stored;
pub mod templates;
pub mod upkeep;
pub mod witness;
pub mod words;
pub mod workbooks;
pub mod write;

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use crate::auth::api_keys::KeySecret;
use crate::auth::api_keys::cache::ApiKeyCache;
use crate::auth::api_keys::document::API_KEY;
use crate::auth::identity::Identity;
use crate::auth::sessions::SessionCache;
use crate::clock::Clock;
use crate::error::Error;
use crate::memory::MemoryBudget;
use crate::sync::Mutex;
use current::CurrentState;
pub use history::HistoryChanges;
use ledger::Store;
pub use ledger::{MalformedRevision, RevisionId, RevisionNumber, RevisionRef};
use state::State;
pub use write::writer::WriterStatistics;
use write::{catalogue, units, writer};

/// How long a start waits for the first revision that another instance may be writing, and how
/// often it checks for it.
const FIRST_REVISION_TIMEOUT: Duration = Duration::from_secs(5);
const FIRST_REVISION_POLL: Duration = Duration::from_millis(100);
/// How long a request waits for the writer (`docs/limits.md`).
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(15);

/// The service without its HTTP server: state, store and the one writer. All clones share one
/// service.
#[derive(Clone)]
pub struct App {
    inner: Arc<AppInner>,
}

struct AppInner {
    state: Arc<CurrentState>,
    clock: Clock,
    store: Store,
    writer: writer::WriterHandle,
    api_keys: Arc<ApiKeyCache>,
    /// Held while a request checks whether a time is settled, so that only one does.
    settling: tokio::sync::Mutex<()>,
    /// The memory budget; absent in commands that serve nothing.
    memory: OnceLock<MemoryBudget>,
    /// Loaded past states, the most recently used last.
    pasts: Arc<snapshot::PastStates>,
    history: Arc<history::LedgerHistory>,
    /// The compiled patterns of the catalogues with which reports were read last.
    lexicons: reports::LexiconCache,
    /// The sessions of the web pages that were used last.
    sessions: SessionCache,
    /// The last check of disk, backups and keys.
    upkeep: Mutex<upkeep::UpkeepStatus>,
}

/// Loads the ledger. Another instance that starts at the same time may just have created its
/// tables, so tables without a first revision are refused only when none comes within
/// [`FIRST_REVISION_TIMEOUT`].
fn load_started(store: &Store, clock: &Clock) -> Result<State, Error> {
    let deadline = Instant::now() + FIRST_REVISION_TIMEOUT;
    loop {
        let loaded = State::load(store, clock.calendar())?;
        if loaded.revision > RevisionNumber::BEGINNING || !store.had_tables() {
            return Ok(loaded);
        }
        if Instant::now() >= deadline {
            let sentence = "The database has the tables of a ledger but no first revision: its \
                            creation was interrupted, or its rows were deleted. Restore a backup. \
                            If it never held figures, delete the file (PostgreSQL: drop the \
                            database) and start again.";
            return Err(ledger::StoreError::Unsound(sentence.to_owned()).into());
        }
        std::thread::sleep(FIRST_REVISION_POLL);
    }
}

impl App {
    /// Loads the ledger and starts the writer. An empty ledger first receives the shipped catalogue
    /// and units.
    ///
    /// # Errors
    /// Those of the store, and [`ledger::StoreError::Corrupt`] for rows that contradict each
    /// other.
    pub fn open(store: Store) -> Result<Self, Error> {
        Self::open_by(store, Clock::default())
    }

    /// As [`App::open`], with another clock than that of UTC+07:00.
    ///
    /// # Errors
    /// As for [`App::open`].
    pub fn open_by(store: Store, clock: Clock) -> Result<Self, Error> {
        Self::open_with(store, clock, None)
    }

    /// As [`App::open_by`], with the secret that authenticates the rows of API keys.
    ///
    /// # Errors
    /// As for [`App::open`].
    pub fn open_with(store: Store, clock: Clock, secret: Option<KeySecret>) -> Result<Self, Error> {
        crate::sync::detect_deadlocks();
        let asked = clock.machine_time();
        // A wrong clock is logged; the service can still serve reads.
        let _logged = clock.compare(asked, store.server_time()?);
        clock.set_for_process();
        let loaded = load_started(&store, &clock)?;
        warn_about_strays(&store, loaded.revision);
        let state = Arc::new(CurrentState::new(loaded));
        let api_keys = Arc::new(ApiKeyCache::new(secret));
        let pasts: Arc<snapshot::PastStates> = Arc::new(Mutex::new("past states", Vec::new()));
        let history = Arc::new(history::LedgerHistory::default());
        let memory = writer::InMemoryState {
            state: Arc::clone(&state),
            api_keys: Arc::clone(&api_keys),
            pasts: Arc::clone(&pasts),
            history: Arc::clone(&history),
        };
        let writer = writer::WriterHandle::start(memory, store.clone(), clock.clone())?;
        clock.compare_with_ledger(state.snapshot().recorded_at);
        seed(&state, &writer)?;
        let begun = state.snapshot();
        api_keys.begin(begun.id(), begun.documents.declarations_of(API_KEY))?;
        drop(begun);
        let lexicons = reports::LexiconCache::default();
        let settling = tokio::sync::Mutex::default();
        Ok(Self {
            inner: Arc::new(AppInner {
                state,
                clock,
                store,
                writer,
                api_keys,
                settling,
                memory: OnceLock::new(),
                pasts,
                history,
                lexicons,
                sessions: SessionCache::default(),
                upkeep: Mutex::new("upkeep", upkeep::UpkeepStatus::default()),
            }),
        })
    }

    /// Whether the state in memory belongs to a history that the ledger no longer has, because it
    /// was restored or lost revisions. While the ledger is being read again, no request is served
    /// from this state.
    #[must_use]
    pub fn is_replaced(&self) -> bool {
        self.inner.history.is_replaced()
    }

    /// The changes of the ledger's history since the start of the process.
    #[must_use]
    pub fn history_changes(&self) -> HistoryChanges {
        self.inner.history.changes()
    }

    /// The current state, as a snapshot that never changes and blocks nobody.
    #[must_use]
    pub fn state(&self) -> Arc<State> {
        self.inner.state.snapshot()
    }

    /// The clock that dates revisions.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.inner.clock
    }

    /// The ledger.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.inner.store
    }

    /// Ends the wait of every change for the writer after [`RESPONSE_TIMEOUT`], so that no request
    /// waits forever for a database that does not respond. Commands wait without end.
    pub fn limit_wait(&self) {
        self.inner.writer.limit_wait(RESPONSE_TIMEOUT);
    }

    /// Lets past states take their memory from `memory`, and tells it how many bytes the current
    /// figures take.
    pub fn use_memory(&self, memory: &MemoryBudget) {
        if self.inner.memory.set(memory.clone()).is_err() {
            return;
        }
        memory.set_figures(self.state().cube.bytes());
        let inner = Arc::downgrade(&self.inner);
        memory.add_cache(move || {
            let Some(inner) = inner.upgrade() else { return };
            let mut pasts = inner.pasts.lock();
            let (used, unused) =
                std::mem::take(&mut *pasts).into_iter().partition(snapshot::PastState::is_used);
            *pasts = used;
            drop(pasts);
            let unused: Vec<Arc<snapshot::PastState>> = unused;
            drop(unused); // freed without the lock
        });
    }

    /// Why nothing can be recorded at present, in one sentence for users; `None` when recording
    /// works. Reads continue in either case.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.inner.writer.trouble()
    }

    /// Counters of the writer since the start of the process.
    #[must_use]
    pub fn statistics(&self) -> &WriterStatistics {
        self.inner.writer.statistics()
    }

    /// Whether the writer's thread runs. It ends when the service stops, or by a panic.
    #[must_use]
    pub fn writer_runs(&self) -> bool {
        self.inner.writer.is_running()
    }

    /// Lets the writer finish the waiting tasks, and stops it. Later submissions are refused.
    pub fn stop(&self) {
        self.inner.writer.stop();
    }
}

/// Logs rows of the database that the hash chain does not cover. They are ignored.
fn warn_about_strays(store: &Store, head: RevisionNumber) {
    for stray in store.strays(head).unwrap_or_default() {
        // Another process may have written since the head was read.
        if stray.revision < RevisionNumber::FIRST
            || store.head().is_ok_and(|newest| newest.revision < stray.revision)
        {
            tracing::error!(
                "the hash chain does not cover some rows, which are ignored: {stray}; `egov-kpi \
                 verify` names all of them"
            );
        }
    }
}

/// Writes the shipped catalogue and units to an empty ledger (`docs/specification.md#catalogue`);
/// also where a program ended between the two.
fn seed(state: &CurrentState, writer: &writer::WriterHandle) -> Result<(), Error> {
    let by = || Identity::command("seed");
    if state.snapshot().revision == RevisionNumber::BEGINNING {
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
    if state.snapshot().revision == RevisionNumber::FIRST && state.snapshot().units.is_empty() {
        writer.put_units(units::shipped()?, by(), false, None).wait()?;
    }
    Ok(())
}
