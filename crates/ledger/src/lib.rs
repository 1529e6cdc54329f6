//! The ledger: every recorded figure, on disk, in the order in which it was recorded
//! (`docs/specification.md#revisions`).
//!
//! Nothing in the ledger is changed or deleted. A [`Commit`] is one revision and is written whole
//! or not at all; several share one transaction (group commit). All methods block, so they must not
//! be called on async threads.
//!
//! | file | holds |
//! |---|---|
//! | `rows.rs` | the rows that are written and read |
//! | `outcome.rs` | the results of writes |
//! | `revision.rs` | names of a revision: number and hash |
//! | `error.rs` | the errors |
//! | `numbers.rs` | the numbers of revisions, units, measures, months and points in time |
//! | `log_target.rs` | the target of log lines |
//! | `schema.rs` | the tables |
//! | `reads.rs`, `writes.rs` | all queries and the only way to write; compiled for each backend |
//! | `new_rows.rs` | the rows that a batch of commits inserts |
//! | `replay.rs` | reading the whole ledger at the start, on two threads |
//! | `chain.rs` | the hash chain, which reveals changed rows |
//! | `verified.rs` | reading only what the hash chain covers |
//! | `partial.rs` | files that get their final name only when complete |
//! | `triggers.rs` | the triggers that a database should have |
//! | `sqlite.rs` | opening, transactions and backup with SQLite |
//! | `sqlite/batch.rs` | how SQLite checks and inserts a batch |
//! | `postgres.rs` | opening, transactions and notifications with PostgreSQL |
//! | `postgres/batch.rs` | the statements by which PostgreSQL checks and inserts a batch |
//! | `postgres/address.rs` | addresses of PostgreSQL databases |

pub mod chain;
mod error;
mod log_target;
mod new_rows;
mod numbers;
mod outcome;
pub mod partial;
mod postgres;
mod replay;
mod revision;
mod rows;
mod schema;
mod sqlite;
mod triggers;
pub mod verified;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

pub use error::{ClockFault, StoreError};
pub use numbers::{
    RevisionNumber, RevisionSpan, StoredMeasure, StoredMonth, StoredUnit, TimestampMicros,
};
pub use outcome::{AppendOutcome, WriteOutcome};
use postgres::PostgresLedger;
pub use revision::{ExpectedHead, MalformedRevision, RevisionId, RevisionRef};
pub use rows::{
    ApiKeyUsageRow, CatalogueVersion, ClosingRow, Commit, DeclarationRow, DeclarationVersion,
    DraftRow, IdempotencyRow, KeyName, LedgerHead, MeasureRow, ObservationKey, ObservationQuery,
    ObservationRow, PageChange, REPORT, RecordedCommit, RevisionContents, RevisionRow, SessionRow,
    StrayRows, SubmissionRecord, SubmissionRow, UnitRow,
};
use sqlite::SqliteLedger;

/// Revisions that are copied at once.
const COPIED_AT_ONCE: i64 = 16;

/// The content of one transaction: commits, and responses to idempotency keys.
pub type WriteBatch<'b> = (&'b [Commit], &'b [IdempotencyRow]);

/// The ledger in its database. All clones are the same ledger.
///
/// Every method that returns a `Result` can fail with [`StoreError::Unavailable`] when the database
/// does not respond, and with [`StoreError::Corrupt`] for rows that cannot be parsed; further
/// errors are listed at the method.
#[derive(Clone)]
pub struct Store {
    backend: Backend,
}

/// The kinds of databases.
#[derive(Clone)]
enum Backend {
    /// One file.
    Sqlite(Arc<SqliteLedger>),
    /// One database of a server.
    Postgres(Arc<PostgresLedger>),
}

/// Runs one of the queries of `reads` on a reading connection, in the version compiled for the
/// store's backend.
macro_rules! ask {
    ($store:expr, $question:ident $(, $argument:expr)*) => {
        match &$store.backend {
            Backend::Sqlite(ledger) => {
                ledger.read(|db| sqlite::reads::$question(db $(, $argument)*))
            }
            Backend::Postgres(ledger) => {
                ledger.read(|db| postgres::reads::$question(db $(, $argument)*))
            }
        }
    };
}

/// As `ask!`, for queries about the whole ledger or a large part of it, which may take longer.
macro_rules! ask_at_length {
    ($store:expr, $question:ident $(, $argument:expr)*) => {
        match &$store.backend {
            Backend::Sqlite(ledger) => {
                ledger.read(|db| sqlite::reads::$question(db $(, $argument)*))
            }
            Backend::Postgres(ledger) => {
                ledger.read_at_length(|db| postgres::reads::$question(db $(, $argument)*))
            }
        }
    };
}

/// Calls a method that every backend has.
macro_rules! call {
    ($store:expr, $method:ident $(, $argument:expr)*) => {
        match &$store.backend {
            Backend::Sqlite(ledger) => ledger.$method($($argument),*),
            Backend::Postgres(ledger) => ledger.$method($($argument),*),
        }
    };
}

impl Store {
    /// Opens the ledger at an address, `sqlite://path` or `postgres://...`, and upgrades it to this
    /// program's format. With `create` a missing SQLite file is created, and an empty PostgreSQL
    /// database gets its tables.
    ///
    /// # Errors
    /// [`StoreError::Address`] for a wrong address, [`StoreError::NewerSchema`] for the database of
    /// a newer program.
    pub fn open(address: &str, create: bool) -> Result<Self, StoreError> {
        let wrong = |sentence: &str| Err(StoreError::Address(sentence.to_owned()));
        match address.split_once("://") {
            Some(("sqlite", path)) => {
                Ok(Self { backend: Backend::Sqlite(Arc::new(SqliteLedger::open(path, create)?)) })
            }
            Some(("postgres" | "postgresql", _)) => Ok(Self {
                backend: Backend::Postgres(Arc::new(PostgresLedger::open(address, create)?)),
            }),
            // The address itself is not repeated, because it may contain a password.
            _ => wrong(
                "A database address is sqlite:// followed by the path of a file, such as \
                 sqlite://data/egov-kpi.db or sqlite:///var/lib/egov-kpi/ledger.db, or \
                 postgres://user@host/database.",
            ),
        }
    }

    /// Opens a ledger for reading only. It changes nothing, not even the format.
    ///
    /// # Errors
    /// As for [`Store::open`]; [`StoreError::OlderSchema`] for queries that the database's format
    /// does not support.
    pub fn open_to_read(address: &str) -> Result<Self, StoreError> {
        match address.split_once("://") {
            Some(("sqlite", path)) => {
                Ok(Self { backend: Backend::Sqlite(Arc::new(SqliteLedger::open_to_read(path)?)) })
            }
            Some(("postgres" | "postgresql", _)) => Ok(Self {
                backend: Backend::Postgres(Arc::new(PostgresLedger::open_to_read(address)?)),
            }),
            _ => Self::open(address, false),
        }
    }

    /// Whether the tables already existed when the ledger was opened.
    #[must_use]
    pub fn had_tables(&self) -> bool {
        match &self.backend {
            Backend::Sqlite(ledger) => ledger.had_tables,
            Backend::Postgres(ledger) => ledger.had_tables,
        }
    }

    /// The folder of the SQLite file; `None` with PostgreSQL.
    #[must_use]
    pub fn folder(&self) -> Option<&Path> {
        self.file()?.parent()
    }

    /// The SQLite file; `None` with PostgreSQL.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match &self.backend {
            Backend::Sqlite(ledger) => Some(ledger.path()),
            Backend::Postgres(_) => None,
        }
    }

    /// Checks that the database responds.
    pub fn ping(&self) -> Result<(), StoreError> {
        self.head().map(drop)
    }

    /// The newest revision and its time; both 0 for an empty ledger.
    pub fn head(&self) -> Result<LedgerHead, StoreError> {
        ask!(self, head)
    }

    /// The newest revision, number and hash.
    pub fn newest(&self) -> Result<RevisionId, StoreError> {
        ask!(self, newest)
    }

    /// Whether figures of a revision after `head` prevent the next revision from being written.
    pub fn next_is_taken(&self, head: RevisionNumber) -> Result<bool, StoreError> {
        ask!(self, next_is_taken, head)
    }

    /// Whether the server that is read from is a standby, so that missing revisions may only be
    /// delayed.
    pub fn is_standby(&self) -> Result<bool, StoreError> {
        match &self.backend {
            Backend::Sqlite(_) => Ok(false),
            Backend::Postgres(ledger) => ledger.is_standby(),
        }
    }

    /// The hashes of revisions 1 to `up_to`, in order.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when a revision is missing or has no hash.
    pub fn hashes(&self, up_to: RevisionNumber) -> Result<Vec<chain::Hash>, StoreError> {
        ask!(self, hashes, up_to)
    }

    /// The newest revision recorded at a time or before; both numbers 0 when no revision is
    /// that old.
    pub fn head_at(&self, time: TimestampMicros) -> Result<LedgerHead, StoreError> {
        ask_at_length!(self, head_at, time)
    }

    /// The revisions after one, in order, at most `limit`.
    pub fn revisions(
        &self,
        after: RevisionNumber,
        limit: u32,
    ) -> Result<Vec<RevisionRow>, StoreError> {
        ask!(self, revisions_after, after, limit)
    }

    /// Some revisions by their numbers, in order.
    pub fn revisions_of(&self, numbers: &[RevisionNumber]) -> Result<Vec<RevisionRow>, StoreError> {
        ask!(self, revisions_of, numbers)
    }

    /// One revision.
    pub fn revision(&self, number: RevisionNumber) -> Result<Option<RevisionRow>, StoreError> {
        ask!(self, revision, number)
    }

    /// The newest version of the catalogue.
    pub fn catalogue(&self) -> Result<Option<CatalogueVersion>, StoreError> {
        self.catalogue_at(RevisionNumber::END)
    }

    /// The catalogue as of a revision.
    pub fn catalogue_at(
        &self,
        revision: RevisionNumber,
    ) -> Result<Option<CatalogueVersion>, StoreError> {
        ask!(self, catalogue, revision)
    }

    /// One version of the catalogue.
    pub fn catalogue_version(&self, version: i64) -> Result<Option<CatalogueVersion>, StoreError> {
        ask!(self, catalogue_version, version)
    }

    /// All versions of the catalogue in order: version and revision.
    pub fn catalogue_versions(&self) -> Result<Vec<(i64, RevisionNumber)>, StoreError> {
        ask!(self, catalogue_list)
    }

    /// The newest version of each unit, in order of the numbers. A unit with a number but no
    /// version yet is left out.
    pub fn units(&self) -> Result<Vec<UnitRow>, StoreError> {
        self.units_at(RevisionNumber::END)
    }

    /// The units as of a revision.
    pub fn units_at(&self, revision: RevisionNumber) -> Result<Vec<UnitRow>, StoreError> {
        ask_at_length!(self, units, revision)
    }

    /// Closings and reopenings of months up to a revision, in the order in which they were
    /// recorded.
    pub fn closings_at(&self, revision: RevisionNumber) -> Result<Vec<ClosingRow>, StoreError> {
        ask!(self, closings, revision)
    }

    /// Targets and annotations as of a revision: the newest version of each kind and code, without
    /// removed ones, ordered by kind and code.
    pub fn declarations_at(
        &self,
        revision: RevisionNumber,
    ) -> Result<Vec<DeclarationRow>, StoreError> {
        ask_at_length!(self, declarations, revision)
    }

    /// The stored part of the report that the submission of a revision was read from, by its code
    /// (the submission's identifier in lower case).
    pub fn report(
        &self,
        revision: RevisionNumber,
        code: &str,
    ) -> Result<Option<String>, StoreError> {
        ask!(self, report, revision, code)
    }

    /// Those of the `count` newest reports that contain a text in their stored part and were not
    /// withdrawn, the newest first: their codes (the submission's identifier in lower case) and
    /// stored parts. One that would make the stored parts more than `bytes` together is left out.
    /// `%` and `_` in the text match anything.
    pub fn newest_reports(
        &self,
        count: usize,
        bytes: usize,
        contained: &str,
    ) -> Result<Vec<(String, String)>, StoreError> {
        let limit = |most: usize| i64::try_from(most).unwrap_or(i64::MAX);
        let most = (limit(count), limit(bytes));
        ask_at_length!(self, newest_reports, most, contained)
    }

    /// The newest version of each declaration of a kind in order of the codes, without removed
    /// ones, and the newest revision that wrote one of that kind (0 when no revision did).
    pub fn declarations_of(
        &self,
        kind: &str,
    ) -> Result<(RevisionNumber, Vec<DeclarationRow>), StoreError> {
        ask_at_length!(self, declarations_of, kind)
    }

    /// The newest revision that wrote a declaration of a kind; 0 when no revision did.
    pub fn last_declaration_revision(&self, kind: &str) -> Result<RevisionNumber, StoreError> {
        ask!(self, last_declaration_revision, kind)
    }

    /// When each API key was last used, in order of the keys. Not part of the ledger.
    pub fn api_key_usage(&self) -> Result<Vec<ApiKeyUsageRow>, StoreError> {
        ask!(self, api_key_usage)
    }

    /// Records when API keys were last used; a later recorded use is kept.
    pub fn record_api_key_usage(&self, uses: &[ApiKeyUsageRow]) -> Result<(), StoreError> {
        call!(self, record_api_key_usage, uses)
    }

    /// The session of a cookie, by the cookie's hash. Not part of the ledger.
    pub fn session(&self, id: &str) -> Result<Option<SessionRow>, StoreError> {
        ask!(self, session, id)
    }

    /// A draft of somebody. Not part of the ledger.
    pub fn draft(&self, holder: &str, code: &str) -> Result<Option<DraftRow>, StoreError> {
        ask!(self, draft, holder, code)
    }

    /// The drafts of somebody, the newest first: their codes, when they were saved, and the first
    /// `length` characters of each. Not part of the ledger.
    pub fn drafts_of(
        &self,
        holder: &str,
        length: i32,
    ) -> Result<Vec<(String, TimestampMicros, String)>, StoreError> {
        ask!(self, drafts_of, holder, length)
    }

    /// Changes the tables of the web pages. Of one person the 20 newest drafts are kept.
    pub fn change_pages(&self, change: &PageChange) -> Result<(), StoreError> {
        call!(self, change_pages, change)
    }

    /// When revisions 1 to `up_to` were recorded, in order.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when a revision is missing, because those after it would get wrong
    /// times.
    pub fn times(&self, up_to: RevisionNumber) -> Result<Vec<TimestampMicros>, StoreError> {
        ask_at_length!(self, times, up_to)
    }

    /// The stored response to an idempotency key.
    pub fn idempotent_response(
        &self,
        name: KeyName<'_>,
    ) -> Result<Option<IdempotencyRow>, StoreError> {
        Ok(self.responses_to(&[name])?.pop())
    }

    /// The stored responses to idempotency keys, in any order; one query for all.
    pub fn responses_to(&self, names: &[KeyName<'_>]) -> Result<Vec<IdempotencyRow>, StoreError> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        match &self.backend {
            Backend::Sqlite(ledger) => ledger.read(|db| sqlite::batch::responses(db, names)),
            Backend::Postgres(ledger) => {
                let found = ledger.read(|db| postgres::batch::responses(db, names))?;
                if !found.is_empty() {
                    // They confirm changes, which must not be visible on one server only.
                    ledger.await_standbys()?;
                }
                Ok(found)
            }
        }
    }

    /// All stored responses to idempotency keys, ordered by holder, target and key.
    pub fn idempotent_responses(&self) -> Result<Vec<IdempotencyRow>, StoreError> {
        ask_at_length!(self, idempotent_responses)
    }

    /// Deletes responses to idempotency keys older than a time, at most about 10,000 at once;
    /// returns their number.
    pub fn purge_idempotency(&self, before: TimestampMicros) -> Result<usize, StoreError> {
        call!(self, purge_idempotency, before)
    }

    /// Everything that the revisions of a span wrote, with their hashes.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] for rows of revisions that do not exist.
    pub fn commits(&self, span: RevisionSpan) -> Result<Vec<RecordedCommit>, StoreError> {
        ask_at_length!(self, commits, span)
    }

    /// What revisions wrote besides figures, with at most `most_codes` codes of units, and as many
    /// of declarations.
    pub fn revision_contents(
        &self,
        span: RevisionSpan,
        most_codes: usize,
    ) -> Result<HashMap<RevisionNumber, RevisionContents>, StoreError> {
        ask_at_length!(self, revision_contents, span, most_codes)
    }

    /// Revisions and units for which the table of touched units disagrees with the figures. Empty
    /// in a sound ledger.
    pub fn touched_unit_mismatches(
        &self,
        span: RevisionSpan,
    ) -> Result<Vec<(RevisionNumber, StoredUnit)>, StoreError> {
        ask_at_length!(self, touched_unit_mismatches, span)
    }

    /// The dictionary of units: number and code.
    pub fn unit_numbers(&self) -> Result<Vec<(StoredUnit, String)>, StoreError> {
        ask!(self, unit_numbers)
    }

    /// The dictionary of measures.
    pub fn measures(&self) -> Result<Vec<MeasureRow>, StoreError> {
        self.measures_at(RevisionNumber::END)
    }

    /// The dictionary of measures as of a revision.
    pub fn measures_at(&self, revision: RevisionNumber) -> Result<Vec<MeasureRow>, StoreError> {
        ask!(self, measures, revision)
    }

    /// Passes every figure of the revisions of a span to `each`, ordered by revision, unit, measure
    /// and month.
    ///
    /// Reads ahead on its own threads while `each` works, and holds a few megabytes at most.
    pub fn replay(
        &self,
        span: RevisionSpan,
        each: &mut dyn FnMut(ObservationRow),
    ) -> Result<(), StoreError> {
        let span = RevisionSpan::new(
            span.after.max(RevisionNumber::BEGINNING),
            span.up_to.min(self.head()?.revision),
        );
        replay::replay(
            span,
            &|window, rows_a_page, take| ask_at_length!(self, replay, window, rows_a_page, take),
            &mut |page: Vec<ObservationRow>| {
                page.into_iter().for_each(&mut *each);
                Ok(())
            },
        )
    }

    /// What the revisions up to one wrote besides submissions, stored reports and figures, by
    /// revision. It is verified only when [`Store::load`] has returned.
    pub fn foundation(&self, up_to: RevisionNumber) -> Result<Vec<Commit>, StoreError> {
        ask_at_length!(self, foundation, up_to)
    }

    /// Passes every figure of the revisions up to one to `each`, and verifies the hash chain over
    /// them and over `foundation` at the same time. Returns the revision, number and hash, at which
    /// the chain ends.
    ///
    /// # Errors
    /// [`StoreError::Unsound`] with the first revision that does not match its hash; the figures
    /// passed so far must then be discarded.
    pub fn load(
        &self,
        foundation: Vec<Commit>,
        up_to: RevisionNumber,
        each: &mut dyn FnMut(ObservationRow),
    ) -> Result<RevisionId, StoreError> {
        let windows = ask_at_length!(self, windows, RevisionSpan::first(up_to))?;
        let read = |take: &mut dyn FnMut(verified::RevisionPart) -> Result<(), StoreError>| {
            replay::in_windows(
                &windows,
                &|window, rows_a_page, take| ask_at_length!(self, parts, window, rows_a_page, take),
                take,
            )
        };
        verified::load(foundation, up_to, read, each)
    }

    /// At most `limit` revisions after one with their hashes, each verified against the one before
    /// it.
    ///
    /// # Errors
    /// [`StoreError::Unsound`] when a revision does not follow the one before, or does not match
    /// its hash.
    pub fn checked_commits_after(
        &self,
        after: RevisionId,
        limit: u32,
    ) -> Result<Vec<(Commit, chain::Hash)>, StoreError> {
        let rows = self.revisions(after.number, limit)?;
        let (mut reached, mut commits) = (after, Vec::with_capacity(rows.len()));
        let Some(first) = rows.first() else { return Ok(commits) };
        // Does not read up to a far larger revision number of an inserted row.
        let last = rows
            .last()
            .map_or(first.revision, |row| row.revision)
            .min(after.number.plus(i64::from(limit)));
        let (found, strays) = self.commits_and_strays(RevisionSpan::new(after.number, last))?;
        if let Some(stray) = strays.first() {
            return Err(StoreError::Unsound(format!("Rows do not belong to the ledger: {stray}.")));
        }
        if found.is_empty() {
            return Err(StoreError::Unsound(format!(
                "Revision {} does not follow revision {}: table revisions.",
                first.revision, after.number
            )));
        }
        for recorded in found {
            reached = reached.next(&recorded)?;
            commits.push((recorded.commit, reached.hash));
        }
        Ok(commits)
    }

    /// What one revision wrote, verified against the hash of the revision before; `None` when it
    /// does not exist.
    ///
    /// # Errors
    /// [`StoreError::Unsound`] when the revision does not match its hash.
    pub fn checked_commit(&self, revision: RevisionNumber) -> Result<Option<Commit>, StoreError> {
        let before = if revision == RevisionNumber::FIRST {
            Some(chain::beginning())
        } else {
            self.revision(revision.previous())?.and_then(|row| chain::read(&row.hash?))
        };
        let (found, strays) = self.commits_and_strays(RevisionSpan::only(revision))?;
        let Some(recorded) = found.into_iter().next() else { return Ok(None) };
        if let Some(stray) = strays.first() {
            return Err(StoreError::Unsound(format!("Rows do not belong to the ledger: {stray}.")));
        }
        let Some(hash) = before else {
            return Err(StoreError::Unsound(format!(
                "Revision {revision} has no revision before it: table revisions."
            )));
        };
        RevisionId { number: revision.previous(), hash }.next(&recorded)?;
        Ok(Some(recorded.commit))
    }

    /// The last revision before the first gap, and the number of the newest revision.
    pub fn gapless_head(&self) -> Result<(RevisionNumber, RevisionNumber), StoreError> {
        ask_at_length!(self, gapless_head)
    }

    /// What is wrong with the triggers that protect the ledger from changes, one clause for each
    /// trigger that is missing, changed, disabled, or of another program. None in a sound ledger.
    pub fn trigger_differences(&self) -> Result<Vec<String>, StoreError> {
        call!(self, trigger_differences)
    }

    /// Rows of any table that name a revision before the first or after `head`. None in a sound
    /// ledger.
    pub fn strays(&self, head: RevisionNumber) -> Result<Vec<StrayRows>, StoreError> {
        ask_at_length!(self, strays, head)
    }

    /// What some revisions wrote, and the rows that belong to none of them.
    pub fn commits_and_strays(
        &self,
        span: RevisionSpan,
    ) -> Result<(Vec<RecordedCommit>, Vec<StrayRows>), StoreError> {
        ask_at_length!(self, commits_and_strays, span)
    }

    /// The last revision before the first gap after `after`, and the revisions of a kind after
    /// `after`.
    pub fn revisions_of_kind(
        &self,
        after: RevisionNumber,
        kind: &str,
    ) -> Result<(RevisionNumber, Vec<RevisionNumber>), StoreError> {
        ask!(self, key_revisions, after, kind)
    }

    /// A number that changes with every commit to the database, by this process or another. Only
    /// equality is meaningful.
    pub fn data_version(&self) -> Result<i64, StoreError> {
        call!(self, data_version)
    }

    /// Calls `wake` soon after another process has written, where the database can notify
    /// (PostgreSQL: `LISTEN`); never with SQLite. It may be called too often, and calls may be
    /// missed, so [`Store::data_version`] has to be polled as well.
    pub fn on_change(&self, wake: impl Fn() + Send + Sync + 'static) {
        match &self.backend {
            Backend::Sqlite(_) => {}
            Backend::Postgres(ledger) => ledger.on_change(wake),
        }
    }

    /// Appends commits, all or none, in one transaction, if the ledger's newest revision is still
    /// `expected_head` and none of the idempotency keys has a response. Otherwise it writes nothing
    /// and returns [`WriteOutcome::Behind`]. The commits are numbered `expected_head` + 1, + 2 ...
    /// The responses to the idempotency keys are stored in the same transaction.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] when the commits do not continue the ledger,
    /// [`StoreError::Conflict`] when one contradicts it. After [`StoreError::Unavailable`] it is
    /// unknown whether they were written; see [`Store::recorded`].
    pub fn write(
        &self,
        expected_head: RevisionNumber,
        commits: &[Commit],
        keys: &[IdempotencyRow],
    ) -> Result<WriteOutcome, StoreError> {
        Ok(match self.append(expected_head, commits, keys)? {
            AppendOutcome::Written(_) => WriteOutcome::Written,
            AppendOutcome::Behind(head) => WriteOutcome::Behind(head),
            AppendOutcome::OtherHistory(newest) => {
                WriteOutcome::Behind(self.revision(newest.number)?.map_or_else(
                    LedgerHead::default,
                    |row| LedgerHead { revision: row.revision, recorded_at: row.recorded_at },
                ))
            }
        })
    }

    /// As [`Store::write`], and returns the hashes of the commits. If the caller also gives the
    /// hash of the newest revision, number and hash are compared in the transaction that writes.
    ///
    /// # Errors
    /// As for [`Store::write`].
    pub fn append(
        &self,
        expected_head: impl Into<ExpectedHead>,
        commits: &[Commit],
        keys: &[IdempotencyRow],
    ) -> Result<AppendOutcome, StoreError> {
        self.record(expected_head, |_time| Ok((commits, keys)))
    }

    /// As [`Store::append`], for revisions of now. `date` is called under the ledger's lock with
    /// the time of the database server's clock (`None` for SQLite, where all processes use the
    /// machine's clock), and returns the dated content. So all processes that write to a ledger
    /// date by one clock and in one order.
    ///
    /// # Errors
    /// As for [`Store::write`], and those of `date`, after which nothing was written.
    pub fn record<'b>(
        &self,
        expected_head: impl Into<ExpectedHead>,
        date: impl FnOnce(Option<TimestampMicros>) -> Result<WriteBatch<'b>, StoreError>,
    ) -> Result<AppendOutcome, StoreError> {
        let expected = expected_head.into();
        call!(self, record, expected, date)
    }

    /// Calls `look` with the time and the newest revision, under the ledger's lock, so that every
    /// revision with an earlier date is visible. Later revisions are dated at that time or later,
    /// as long as the clock does not go back.
    pub fn settled<T>(
        &self,
        look: impl FnOnce(Option<TimestampMicros>, LedgerHead) -> T,
    ) -> Result<T, StoreError> {
        call!(self, settled, look)
    }

    /// The time of the database server's clock; `None` for SQLite.
    pub fn server_time(&self) -> Result<Option<TimestampMicros>, StoreError> {
        call!(self, server_time)
    }

    /// Whether the ledger has a commit after its writing was interrupted. Waits for a transaction
    /// that may still be in progress.
    pub fn recorded(&self, commit: &Commit) -> Result<bool, StoreError> {
        call!(self, recorded, commit)
    }

    /// Copies the whole ledger to another one, which may already have its first part. Revisions,
    /// figures and hashes are then equal. Returns the number of copied revisions.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] when the other ledger has other content.
    pub fn copy_into(&self, other: &Self) -> Result<i64, StoreError> {
        let (head, begun) = (self.head()?.revision, other.head()?.revision);
        let differs = || StoreError::Invalid("The other ledger has other content.".to_owned());
        if begun > RevisionNumber::BEGINNING
            && self.revision(begun)?.and_then(|row| row.hash)
                != other.revision(begun)?.and_then(|row| row.hash)
        {
            return Err(differs());
        }
        let mut last = begun;
        while last < head {
            let span = RevisionSpan::new(last, head).beginning(COPIED_AT_ONCE);
            let recorded = self.commits(span)?;
            let (commits, hashes): (Vec<Commit>, Vec<Option<String>>) =
                recorded.into_iter().map(|recorded| (recorded.commit, recorded.hash)).unzip();
            if other.write(last, &commits, &[])? != WriteOutcome::Written
                || other.revision(span.up_to)?.and_then(|row| row.hash)
                    != hashes.last().cloned().flatten()
            {
                return Err(differs());
            }
            last = span.up_to;
        }
        Ok(last.since(begun))
    }

    /// A submission by its identifier.
    pub fn submission(&self, id: &str) -> Result<Option<SubmissionRecord>, StoreError> {
        ask!(self, submission, id)
    }

    /// The submissions of some revisions, in the order of the revisions.
    pub fn submissions_of(
        &self,
        revisions: &[RevisionNumber],
    ) -> Result<Vec<SubmissionRecord>, StoreError> {
        ask!(self, submissions_of, revisions)
    }

    /// The figures that match a query, ordered by revision, unit, measure and month. With a short
    /// list of units only the revisions that touched them are read.
    pub fn observations(
        &self,
        query: &ObservationQuery,
    ) -> Result<Vec<ObservationRow>, StoreError> {
        ask!(self, observations, query)
    }

    /// The figures with these keys, in their order. Keys that the ledger lacks are left out.
    ///
    /// # Errors
    /// Those of the database.
    pub fn observations_at(
        &self,
        keys: &[ObservationKey],
    ) -> Result<Vec<ObservationRow>, StoreError> {
        ask!(self, observations_at, keys)
    }

    /// Writes a complete copy of the ledger to a new file, while reads and writes continue.
    ///
    /// # Errors
    /// [`StoreError::Backup`] when the file already exists or cannot be created, and for
    /// PostgreSQL, which has its own tools for backups.
    pub fn backup(&self, file: &Path) -> Result<(), StoreError> {
        match &self.backend {
            Backend::Sqlite(ledger) => ledger.backup(file),
            Backend::Postgres(_) => Err(StoreError::Backup {
                sentence: "A PostgreSQL database is backed up by pg_dump or pg_basebackup; \
                    `export` writes the ledger of any database into a file."
                    .to_owned(),
                source: None,
            }),
        }
    }
}
