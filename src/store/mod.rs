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
//! | `chain.rs` | the hashes by which a changed row is noticed |
//! | `sqlite.rs` | opening, transactions and backup with SQLite |
//! | `postgres.rs`, `postgres/address.rs` | opening, transactions and notifications with PostgreSQL; what its address says |

pub mod chain;
mod error;
mod postgres;
mod replay;
mod rows;
mod schema;
mod sqlite;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

pub use error::StoreError;
use postgres::PostgresLedger;
pub use rows::{
    Brought, CatalogueVersion, ClosingRow, Commit, Declaration, DeclarationRow, Head, KeyRow,
    KeyUseRow, MeasureRow, ObservationKey, ObservationQuery, ObservationRow, REPORT,
    RecordedCommit, RevisionRow, SubmissionRecord, SubmissionRow, UnitRow, WriteOutcome,
};
use sqlite::SqliteLedger;

/// Revisions copied at a time.
const COPIED_AT_ONCE: i64 = 16;

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
    /// One database of a server.
    Postgres(Arc<PostgresLedger>),
}

/// Asks one of `reads`' questions on a reading connection, in the copy compiled for the store's backend.
macro_rules! ask {
    ($store:expr, $question:ident $(, $argument:expr)*) => {
        match &$store.backend {
            Backend::Sqlite(ledger) => ledger.read(|db| sqlite::reads::$question(db $(, $argument)*)),
            Backend::Postgres(ledger) => ledger.read(|db| postgres::reads::$question(db $(, $argument)*)),
        }
    };
}

/// Calls what every backend has.
macro_rules! call {
    ($store:expr, $method:ident $(, $argument:expr)*) => {
        match &$store.backend {
            Backend::Sqlite(ledger) => ledger.$method($($argument),*),
            Backend::Postgres(ledger) => ledger.$method($($argument),*),
        }
    };
}

impl Store {
    /// Opens the ledger at an address, `sqlite://path` or `postgres://...`, and brings it to this program's format. With `create` a
    /// missing SQLite file is made, and an empty PostgreSQL database gets its tables.
    ///
    /// # Errors
    /// [`StoreError::Address`] says what is wrong with the address, [`StoreError::NewerSchema`] refuses a newer program's database.
    pub fn open(address: &str, create: bool) -> Result<Self, StoreError> {
        let wrong = |sentence: &str| Err(StoreError::Address(sentence.to_owned()));
        match address.split_once("://") {
            Some(("sqlite", path)) => {
                Ok(Self { backend: Backend::Sqlite(Arc::new(SqliteLedger::open(path, create)?)) })
            }
            Some(("postgres" | "postgresql", _)) => Ok(Self {
                backend: Backend::Postgres(Arc::new(PostgresLedger::open(address, create)?)),
            }),
            // The address itself is not repeated: it might hold a password.
            _ => wrong(
                "A database address is sqlite:// and the path of a file, such as sqlite://data/egov-kpi.db or sqlite:///var/lib/egov-kpi/ledger.db, or postgres://user@host/database.",
            ),
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

    /// Some revisions by their numbers, in order.
    pub fn revisions_of(&self, numbers: &[i64]) -> Result<Vec<RevisionRow>, StoreError> {
        ask!(self, revisions_of, numbers)
    }

    /// One revision.
    pub fn revision(&self, number: i64) -> Result<Option<RevisionRow>, StoreError> {
        ask!(self, revision, number)
    }

    /// The newest version of the catalogue.
    pub fn catalogue(&self) -> Result<Option<CatalogueVersion>, StoreError> {
        self.catalogue_at(i64::MAX)
    }

    /// The catalogue as it was at a revision.
    pub fn catalogue_at(&self, revision: i64) -> Result<Option<CatalogueVersion>, StoreError> {
        ask!(self, catalogue, revision)
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

    /// Months closed and reopened up to a revision, in the order in which it happened.
    pub fn closings_at(&self, revision: i64) -> Result<Vec<ClosingRow>, StoreError> {
        ask!(self, closings, revision)
    }

    /// Targets and annotations as they were at a revision: of each kind and code the newest version up to it, those taken away left
    /// out; ordered by kind and code.
    pub fn declarations_at(&self, revision: i64) -> Result<Vec<DeclarationRow>, StoreError> {
        ask!(self, declarations, revision)
    }

    /// What is kept of the report that the submission of a revision was read from, by its code (the submission's identifier in lower case).
    pub fn report(&self, revision: i64, code: &str) -> Result<Option<String>, StoreError> {
        ask!(self, report, revision, code)
    }

    /// The newest version of each declaration of a kind by code, those taken away left out, and the newest revision that wrote one of
    /// the kind (0 when there is none).
    pub fn declarations_of(&self, kind: &str) -> Result<(i64, Vec<DeclarationRow>), StoreError> {
        ask!(self, declarations_of, kind)
    }

    /// The newest revision that wrote a declaration of a kind; 0 when there is none.
    pub fn declared_last(&self, kind: &str) -> Result<i64, StoreError> {
        ask!(self, declared_last, kind)
    }

    /// When each key was last used, ordered by key. No part of the ledger.
    pub fn key_uses(&self) -> Result<Vec<KeyUseRow>, StoreError> {
        ask!(self, key_uses)
    }

    /// Keeps when keys were last used; what is known to be later stays.
    pub fn note_key_uses(&self, uses: &[KeyUseRow]) -> Result<(), StoreError> {
        call!(self, note_key_uses, uses)
    }

    /// When each revision up to one was recorded (microseconds since 1970): the first entry is revision 1's.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when a revision is missing: those behind it would get each other's times.
    pub fn times(&self, up_to: i64) -> Result<Vec<i64>, StoreError> {
        ask!(self, times, up_to)
    }

    /// The first answer to an idempotency key.
    pub fn key(&self, holder: &str, target: &str, key: &str) -> Result<Option<KeyRow>, StoreError> {
        ask!(self, key, holder, target, key)
    }

    /// All answers to idempotency keys, ordered by holder, target and key.
    pub fn keys(&self) -> Result<Vec<KeyRow>, StoreError> {
        ask!(self, keys)
    }

    /// Deletes answers to idempotency keys older than a time (microseconds since 1970), at most some 10,000 at once; says how many.
    pub fn forget_keys(&self, before: i64) -> Result<usize, StoreError> {
        call!(self, forget_keys, before)
    }

    /// What the revisions behind `after` up to `up_to` wrote, whole, with their hashes.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] for rows of revisions that are not there.
    pub fn commits(&self, after: i64, up_to: i64) -> Result<Vec<RecordedCommit>, StoreError> {
        ask!(self, commits, after..up_to)
    }

    /// What revisions brought besides figures; of the units and of the declarations at most so many codes each.
    pub fn brought(
        &self,
        after: i64,
        up_to: i64,
        most_codes: usize,
    ) -> Result<HashMap<i64, Brought>, StoreError> {
        ask!(self, brought, after..up_to, most_codes)
    }

    /// Where the list of units that revisions touched disagrees with the figures: revision and unit. Empty in a sound ledger.
    pub fn untouched(&self, after: i64, up_to: i64) -> Result<Vec<(i64, i64)>, StoreError> {
        ask!(self, untouched, after..up_to)
    }

    /// The dictionary of units: number and code.
    pub fn unit_numbers(&self) -> Result<Vec<(i64, String)>, StoreError> {
        ask!(self, unit_numbers)
    }

    /// The dictionary of measures.
    pub fn measures(&self) -> Result<Vec<MeasureRow>, StoreError> {
        self.measures_at(i64::MAX)
    }

    /// The dictionary of measures as it was at a revision.
    pub fn measures_at(&self, revision: i64) -> Result<Vec<MeasureRow>, StoreError> {
        ask!(self, measures, revision)
    }

    /// Hands over every figure of the revisions behind `after` up to `up_to`, in the order of revision, unit, measure and month.
    ///
    /// Reads ahead on threads of its own while `each` works; holds some megabytes at most, however many figures there are.
    pub fn replay(
        &self,
        after: i64,
        up_to: i64,
        each: &mut dyn FnMut(ObservationRow),
    ) -> Result<(), StoreError> {
        let (after, up_to) = (after.max(0), up_to.min(self.head()?.revision));
        replay::replay(
            after,
            up_to,
            &|window, rows_a_page, take| ask!(self, replay, window, rows_a_page, take),
            each,
        )
    }

    /// A number that changes whenever something was committed to the database, by this process or another. Only equality means anything.
    pub fn data_version(&self) -> Result<i64, StoreError> {
        call!(self, data_version)
    }

    /// Has `wake` called soon after another process has written, where the database can tell (PostgreSQL: `LISTEN`); on SQLite never.
    /// It may be called too often, and may miss something: [`Store::data_version`] stands behind it.
    pub fn on_change(&self, wake: impl Fn() + Send + Sync + 'static) {
        match &self.backend {
            Backend::Sqlite(_) => {}
            Backend::Postgres(ledger) => ledger.on_change(wake),
        }
    }

    /// Appends commits, all of them or none, in one transaction, if the ledger's newest revision is still `expected_head` and none of
    /// the idempotency keys has been answered; otherwise writes nothing and says [`WriteOutcome::Behind`]. The commits are numbered
    /// `expected_head` + 1, + 2 ... The answers to the keys are kept in the same transaction.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] when the commits are no continuation of the ledger, [`StoreError::Conflict`] when one contradicts it.
    /// After [`StoreError::Unavailable`] it is not known whether they were written: ask [`Store::recorded`].
    pub fn write(
        &self,
        expected_head: i64,
        commits: &[Commit],
        keys: &[KeyRow],
    ) -> Result<WriteOutcome, StoreError> {
        call!(self, write, expected_head, commits, keys)
    }

    /// Whether a commit whose writing ended without an answer is in the ledger after all. Waits for a transaction that may still be
    /// under way.
    pub fn recorded(&self, commit: &Commit) -> Result<bool, StoreError> {
        call!(self, recorded, commit)
    }

    /// Copies the whole ledger into another, which may hold a beginning of it already: revisions, figures and hashes are the same then.
    /// Says how many revisions were copied.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the other holds something else.
    pub fn copy_into(&self, other: &Self) -> Result<i64, StoreError> {
        let (head, begun) = (self.head()?.revision, other.head()?.revision);
        let differs = || StoreError::Invalid("The other ledger holds something else.".to_owned());
        if begun > 0
            && self.revision(begun)?.and_then(|row| row.hash)
                != other.revision(begun)?.and_then(|row| row.hash)
        {
            return Err(differs());
        }
        let mut last = begun;
        while last < head {
            let up_to = head.min(last + COPIED_AT_ONCE);
            let recorded = self.commits(last, up_to)?;
            let (commits, hashes): (Vec<Commit>, Vec<Option<String>>) =
                recorded.into_iter().map(|recorded| (recorded.commit, recorded.hash)).unzip();
            if other.write(last, &commits, &[])? != WriteOutcome::Written
                || other.revision(up_to)?.and_then(|row| row.hash)
                    != hashes.last().cloned().flatten()
            {
                return Err(differs());
            }
            last = up_to;
        }
        Ok(last - begun)
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
    pub fn observations(
        &self,
        query: &ObservationQuery,
    ) -> Result<Vec<ObservationRow>, StoreError> {
        ask!(self, observations, query)
    }

    /// Writes a whole copy of the ledger into a new file, while reading and writing go on.
    ///
    /// # Errors
    /// [`StoreError::Backup`] when the file exists already or cannot be made, and for PostgreSQL, which has tools of its own for this.
    pub fn backup(&self, file: &Path) -> Result<(), StoreError> {
        match &self.backend {
            Backend::Sqlite(ledger) => ledger.backup(file),
            Backend::Postgres(_) => Err(StoreError::Backup {
                sentence: "A PostgreSQL database is backed up by pg_dump or pg_basebackup; `export` writes the ledger of any database into a file.".to_owned(),
                source: None,
            }),
        }
    }
}
