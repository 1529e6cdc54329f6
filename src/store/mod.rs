//! The ledger: every figure that was ever recorded, on the disk, in the order in which it came.
//!
//! Nothing in it is changed or deleted. A [`Commit`] is one revision and is written whole or not at all; several are written in one
//! transaction (group commit). All methods block: call them off the async threads.
//!
//! | file | holds |
//! |---|---|
//! | `rows.rs` | what goes in and comes out |
//! | `error.rs` | what can go wrong |
//! | `schema.rs` | the tables |
//! | `reads.rs`, `writes.rs` | all questions and the one way in, compiled once for each backend's connection |
//! | `replay.rs` | reading everything at the start, on two threads |
//! | `sqlite.rs` | opening, transactions and backup with SQLite |

mod error;
mod replay;
mod rows;
mod schema;
mod sqlite;

use std::path::Path;
use std::sync::Arc;

pub use error::StoreError;
pub use rows::{
    CatalogueVersion, Commit, Head, MeasureRow, ObservationKey, ObservationQuery, ObservationRow, RevisionRow, SubmissionRecord, SubmissionRow, UnitRow,
    WriteOutcome,
};
use sqlite::{SqliteLedger, reads};

/// The ledger in its database. Clones are the same ledger.
#[derive(Clone)]
pub struct Store {
    backend: Backend,
}

/// The databases that can hold a ledger.
#[derive(Clone)]
enum Backend {
    /// One file.
    Sqlite(Arc<SqliteLedger>),
}

/// Asks one of `reads`' questions on a reading connection, in the copy compiled for the store's backend.
macro_rules! ask {
    ($store:expr, $question:ident $(, $argument:expr)*) => {
        match &$store.backend {
            Backend::Sqlite(ledger) => ledger.read(|db| reads::$question(db $(, $argument)*)),
        }
    };
}

impl Store {
    /// Opens the ledger at an address, `sqlite://path`, and brings it to this program's format. With `create` a missing one is made.
    ///
    /// # Errors
    /// [`StoreError::Address`] says what is wrong with the address, [`StoreError::NewerSchema`] refuses a newer program's database.
    pub fn open(address: &str, create: bool) -> Result<Self, StoreError> {
        let wrong = |sentence: &str| Err(StoreError::Address(sentence.to_owned()));
        match address.split_once("://") {
            Some(("sqlite", path)) => Ok(Self { backend: Backend::Sqlite(Arc::new(SqliteLedger::open(path, create)?)) }),
            Some(("postgres" | "postgresql", _)) => wrong("PostgreSQL comes with a later version; until then the address is sqlite:// and the path of a file."),
            // The address itself is not repeated: it might hold a password.
            _ => wrong("A database address is sqlite:// and the path of a file, such as sqlite://data/egov-kpi.db or sqlite:///var/lib/egov-kpi/ledger.db."),
        }
    }

    /// Whether the database answers.
    pub fn ping(&self) -> Result<(), StoreError> {
        self.head().map(drop)
    }

    /// The newest revision and its time; both 0 while the ledger is empty.
    pub fn head(&self) -> Result<Head, StoreError> {
        ask!(self, head)
    }

    /// The newest revision recorded at a time (microseconds since 1970) or before; both 0 when there is none.
    pub fn head_at(&self, time: i64) -> Result<Head, StoreError> {
        ask!(self, head_at, time)
    }

    /// What happened behind a revision, in order, at most `limit` rows.
    pub fn revisions(&self, after: i64, limit: u32) -> Result<Vec<RevisionRow>, StoreError> {
        ask!(self, revisions_after, after, limit)
    }

    /// The newest version of the catalogue.
    pub fn catalogue(&self) -> Result<Option<CatalogueVersion>, StoreError> {
        ask!(self, catalogue)
    }

    /// One version of the catalogue.
    pub fn catalogue_version(&self, version: i64) -> Result<Option<CatalogueVersion>, StoreError> {
        ask!(self, catalogue_version, version)
    }

    /// All versions of the catalogue in order: version and revision.
    pub fn catalogue_versions(&self) -> Result<Vec<(i64, i64)>, StoreError> {
        ask!(self, catalogue_list)
    }

    /// The newest version of each unit, by number. A unit that has a number but no version yet is not among them.
    pub fn units(&self) -> Result<Vec<UnitRow>, StoreError> {
        self.units_at(i64::MAX)
    }

    /// The units as they were at a revision.
    pub fn units_at(&self, revision: i64) -> Result<Vec<UnitRow>, StoreError> {
        ask!(self, units, revision)
    }

    /// The dictionary of units: number and code.
    pub fn unit_numbers(&self) -> Result<Vec<(i64, String)>, StoreError> {
        ask!(self, unit_numbers)
    }

    /// The dictionary of measures.
    pub fn measures(&self) -> Result<Vec<MeasureRow>, StoreError> {
        ask!(self, measures)
    }

    /// Hands over every figure of the revisions behind `after` up to `up_to`, in the order of revision, unit, measure and month.
    ///
    /// Reads ahead on threads of its own while `each` works; holds some megabytes at most, however many figures there are.
    pub fn replay(&self, after: i64, up_to: i64, each: &mut dyn FnMut(ObservationRow)) -> Result<(), StoreError> {
        let (after, up_to) = (after.max(0), up_to.min(self.head()?.revision));
        replay::replay(after, up_to, &|window, rows_a_page, take| ask!(self, replay, window, rows_a_page, take), each)
    }

    /// A number that changes whenever something was committed to the database, by this process or another. Only equality means anything.
    pub fn data_version(&self) -> Result<i64, StoreError> {
        match &self.backend {
            Backend::Sqlite(ledger) => ledger.data_version(),
        }
    }

    /// Appends commits, all of them or none, in one transaction, if the ledger's newest revision is still `expected_head`; otherwise
    /// writes nothing and says [`WriteOutcome::Behind`]. The commits are numbered `expected_head` + 1, + 2 ...
    ///
    /// # Errors
    /// [`StoreError::Invalid`] when the commits are no continuation of the ledger, [`StoreError::Conflict`] when one contradicts it.
    pub fn write(&self, expected_head: i64, commits: &[Commit]) -> Result<WriteOutcome, StoreError> {
        match &self.backend {
            Backend::Sqlite(ledger) => ledger.write(expected_head, commits),
        }
    }

    /// A submission by its identifier.
    pub fn submission(&self, id: &str) -> Result<Option<SubmissionRecord>, StoreError> {
        ask!(self, submission, id)
    }

    /// The submissions among some revisions, in the order of the revisions.
    pub fn submissions_of(&self, revisions: &[i64]) -> Result<Vec<SubmissionRecord>, StoreError> {
        ask!(self, submissions_of, revisions)
    }

    /// The figures that a query asks for, in the order of revision, unit, measure and month. With a short list of units only the
    /// revisions that touched them are read.
    pub fn observations(&self, query: &ObservationQuery) -> Result<Vec<ObservationRow>, StoreError> {
        ask!(self, observations, query)
    }

    /// Writes a whole copy of the ledger into a new file, while reading and writing go on.
    ///
    /// # Errors
    /// [`StoreError::Backup`] when the file exists already or cannot be made.
    pub fn backup(&self, file: &Path) -> Result<(), StoreError> {
        match &self.backend {
            Backend::Sqlite(ledger) => ledger.backup(file),
        }
    }
}
