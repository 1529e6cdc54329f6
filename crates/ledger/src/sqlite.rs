//! The ledger in one SQLite file: opening, locking, and what only SQLite can do.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use diesel::connection::{AnsiTransactionManager, SimpleConnection, TransactionManager};
use diesel::dsl::{count_star, sql};
use diesel::prelude::*;
use diesel::r2d2::{ConnectionManager, CustomizeConnection, Pool, PoolError};
use diesel::sql_types::{BigInt, Text};
use diesel::sqlite::Sqlite;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use parking_lot::Mutex;

use super::WriteBatch;
use super::chain;
use super::error::StoreError;
use super::log_target::LOG_TARGET;
use super::numbers::{RevisionSpan, TimestampMicros};
use super::outcome::AppendOutcome;
use super::partial;
use super::revision::ExpectedHead;
use super::rows::{ApiKeyUsageRow, Commit, LedgerHead, PageChange, RecordedCommit};
use super::schema::revisions;
use super::triggers::{Triggers, differences, plain};

/// The connection type that `reads` and `writes` are compiled for.
type Db = SqliteConnection;

pub mod batch;

#[path = "reads.rs"]
pub mod reads;
#[path = "writes.rs"]
mod writes;

/// All formats that this program knows, oldest first.
const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations/sqlite");
/// Revisions get their hashes after their rows; the triggers accept rows only until then.
const SEALED_AFTERWARDS: bool = true;
/// The oldest format that the queries of `reads` support.
const READABLE_SINCE: &str = "20261126000000";
/// The number that the first migration writes into the file's header: the letters `egov`.
const APPLICATION_ID: i64 = 0x6567_6f76;
/// Number of reading connections. SQLite reads at most as fast as the machine has cores; each
/// connection may hold 2 MB of pages.
const READERS: u32 = 4;
/// How long a call waits for a free reading connection, and opening for other programs that open
/// the same file.
const POOL_TIMEOUT: Duration = Duration::from_secs(5);

/// Settings of every connection: wait up to 5 s for another process, check references, be on disk
/// before a commit returns, and never trust functions named in the file's own schema.
const EVERY_CONNECTION: &str = "PRAGMA busy_timeout = 5000; PRAGMA foreign_keys = ON; PRAGMA \
    synchronous = FULL; PRAGMA trusted_schema = OFF;";
/// Further settings of the writer: pages are written back to the file every 16 MB instead of every
/// 4, which makes imports about 5 % faster; after a huge transaction the log shrinks again.
const WRITER: &str = "PRAGMA cache_size = -8192; PRAGMA wal_autocheckpoint = 4000; PRAGMA \
    journal_size_limit = 67108864;";
/// Further settings of a reader: it cannot write. No memory map, because its pages would count as
/// memory of this process, and it is no faster.
const READER: &str = "PRAGMA cache_size = -2048; PRAGMA query_only = ON;";
/// Revisions that are read at once when the chain is computed.
const COMMITS_AT_ONCE: i64 = 16;
/// The migration that gives a ledger of the first format its hash chain.
const CHAIN_MIGRATION: &str = "20261124000000";
/// Further settings of a connection for one backup.
const FEW_PAGES: &str = "PRAGMA cache_size = -2048;";

/// An open ledger file.
pub struct SqliteLedger {
    /// The path as a URI for SQLite.
    uri: String,
    /// The only connection of this process that writes. It is taken out while in use, so that a
    /// connection in an unknown state is never reused.
    writer: Mutex<Option<Db>>,
    readers: Pool<ConnectionManager<Db>>,
    /// Used only to check whether the file has changed; the number is comparable only within one
    /// connection.
    watcher: Mutex<Db>,
    /// Whether the file already was a ledger when it was opened.
    pub had_tables: bool,
    /// The file that was opened, whatever its path names later.
    place: FileLocation,
}

/// Device and inode of a file.
type FileIdentity = (u64, u64);

/// The path of the ledger's file, and the file that it named when opened.
struct FileLocation {
    path: PathBuf,
    file: Option<FileIdentity>,
    /// The write-ahead log beside it, which contains the newest commits; it exists from the first
    /// commit on.
    log: Mutex<Option<FileIdentity>>,
}

/// The error when another file, or none, is at the ledger's path.
const GONE: StoreError =
    StoreError::Withheld("The ledger's file was removed or replaced while it was in use.");

impl FileLocation {
    fn of(path: PathBuf) -> Self {
        let file = identity(&path);
        Self { path, file, log: Mutex::default() }
    }

    /// Whether the path still names the open file.
    fn holds(&self) -> bool {
        identity(&self.path).is_some_and(|now| self.file == Some(now))
    }

    /// As [`FileLocation::holds`], including the log; called after a commit.
    fn holds_with_log(&self) -> bool {
        let mut path = self.path.clone().into_os_string();
        path.push("-wal");
        let now = identity(Path::new(&path));
        let mut known = self.log.lock();
        let before = *known.get_or_insert_with(|| now.unwrap_or_default());
        now == Some(before) && self.holds()
    }
}

fn identity(path: &Path) -> Option<FileIdentity> {
    use std::os::unix::fs::MetadataExt;
    path.metadata().ok().map(|data| (data.dev(), data.ino()))
}

impl SqliteLedger {
    /// Opens a file and upgrades it to this program's format. With `create` a missing file is
    /// created.
    pub fn open(path: &str, create: bool) -> Result<Self, StoreError> {
        let path = locate(path, create)?;
        if !create && path.metadata().is_ok_and(|file| file.len() == 0) {
            return Err(StoreError::Address(format!(
                "{} is empty: it has no ledger.",
                path.display()
            )));
        }
        let uri = uri(&path)?;
        if create {
            create_for_owner(&path)?;
        }
        let mut writer = connect(&format!("{uri}?mode=rw"), WRITER)?;
        let had_tables = prepare(&mut writer)?;
        let uri = format!("{uri}?mode=rw");
        Self::over(path, uri, Some(writer), had_tables)
    }

    /// Opens a file for reading only, and changes nothing in it. A file on a read-only file system
    /// is read as it is.
    pub fn open_to_read(path: &str) -> Result<Self, StoreError> {
        let path = locate(path, false)?;
        if path.metadata().is_ok_and(|data| data.len() == 0) {
            return Err(StoreError::Unsound("The file is empty: it has no ledger.".to_owned()));
        }
        let uri = uri(&path)?;
        let mut found = None;
        for mode in ["mode=ro", "immutable=1"] {
            let uri = format!("{uri}?{mode}");
            let checked =
                connect(&uri, READER).and_then(|mut db| check_readable(&mut db).map(|()| db));
            match checked {
                Err(StoreError::Unavailable(_)) if mode == "mode=ro" => {}
                outcome => {
                    drop(outcome?);
                    found = Some(uri);
                    break;
                }
            }
        }
        Self::over(path, found.unwrap_or(uri), None, true)
    }

    fn over(
        path: PathBuf,
        uri: String,
        writer: Option<Db>,
        had_tables: bool,
    ) -> Result<Self, StoreError> {
        let place = FileLocation::of(path);
        let watcher = connect(&uri, READER)?;
        let readers = Pool::builder()
            .max_size(READERS)
            .min_idle(Some(1))
            .connection_timeout(POOL_TIMEOUT)
            .test_on_check_out(false)
            .connection_customizer(Box::new(ReaderSetup))
            .build(ConnectionManager::new(&uri))
            .map_err(unreachable)?;
        Ok(Self {
            uri,
            writer: Mutex::new(writer),
            readers,
            watcher: Mutex::new(watcher),
            had_tables,
            place,
        })
    }

    /// The absolute path of the file.
    pub fn path(&self) -> &Path {
        &self.place.path
    }

    /// Runs queries on a reading connection.
    pub fn read<T>(&self, ask: impl FnOnce(&mut Db) -> QueryResult<T>) -> Result<T, StoreError> {
        // A new connection would open whatever file is now at the path.
        if !self.place.holds() {
            return Err(GONE);
        }
        let mut db = self.readers.get().map_err(unreachable)?;
        Ok(ask(&mut db)?)
    }

    /// What is wrong with the triggers of the file, one clause each.
    pub fn trigger_differences(&self) -> Result<Vec<String>, StoreError> {
        let (applied, found) = self.read(|db| {
            let applied = sql::<Text>("SELECT version FROM __diesel_schema_migrations");
            Ok((applied.load::<String>(db)?, triggers(db)?))
        })?;
        let mut fresh = Db::establish(":memory:")?;
        let mut known = diesel::migration::MigrationSource::<Sqlite>::migrations(&MIGRATIONS)
            .map_err(StoreError::Migration)?;
        known.retain(|migration| applied.contains(&migration.name().version().to_string()));
        known.sort_by_key(|migration| migration.name().version().as_owned());
        for migration in known {
            migration.run(&mut fresh).map_err(StoreError::Migration)?;
        }
        Ok(differences(&triggers(&mut fresh)?, &found))
    }

    /// Appends commits in one transaction, which blocks every other writer from its first statement
    /// on; `date` returns the commits, under the lock.
    pub fn record<'b>(
        &self,
        expected: ExpectedHead,
        date: impl FnOnce(Option<TimestampMicros>) -> Result<WriteBatch<'b>, StoreError>,
    ) -> Result<AppendOutcome, StoreError> {
        self.with_writer_lock(|db| {
            let (commits, keys) = date(None)?;
            let newest = reads::head_and_hash(db)?;
            writes::append(db, expected, newest, commits, keys)
        })
    }

    /// Calls `look` while nobody writes.
    pub fn settled<T>(
        &self,
        look: impl FnOnce(Option<TimestampMicros>, LedgerHead) -> T,
    ) -> Result<T, StoreError> {
        self.with_writer_lock(|db| Ok(look(None, reads::head(db)?)))
    }

    /// Always `None`: all processes use the machine's clock.
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "PostgreSQL has one")]
    pub fn server_time(&self) -> Result<Option<TimestampMicros>, StoreError> {
        Ok(None)
    }

    /// Whether a commit is in the ledger.
    pub fn recorded(&self, commit: &Commit) -> Result<bool, StoreError> {
        self.with_writer_lock(|db| Ok(writes::recorded(db, commit)?))
    }

    /// Deletes old responses to idempotency keys, see `writes::purge_idempotency`.
    pub fn purge_idempotency(&self, before: TimestampMicros) -> Result<usize, StoreError> {
        self.with_writer_lock(|db| Ok(writes::purge_idempotency(db, before)?))
    }

    /// Records when API keys were last used.
    pub fn record_api_key_usage(&self, uses: &[ApiKeyUsageRow]) -> Result<(), StoreError> {
        self.with_writer_lock(|db| Ok(writes::record_api_key_usage(db, uses)?))
    }

    /// Changes the tables of the web pages, see `writes::change_pages`.
    pub fn change_pages(&self, change: &PageChange) -> Result<(), StoreError> {
        self.with_writer_lock(|db| Ok(writes::change_pages(db, change)?))
    }

    /// Runs a transaction that blocks every other writer from its first statement on.
    fn with_writer_lock<T>(
        &self,
        work: impl FnOnce(&mut Db) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut slot = self.writer.lock();
        if !self.place.holds() {
            return Err(GONE);
        }
        let mut db = match slot.take() {
            Some(db) => db,
            None => connect(&self.uri, WRITER)?,
        };
        // The error leaves the closure in a variable: after a full disk SQLite has already rolled
        // back, and diesel would report its own failing ROLLBACK instead of the cause.
        let mut fault = None;
        let outcome = db.immediate_transaction(|db| {
            work(db).map_err(|error| {
                fault = Some(error);
                diesel::result::Error::RollbackTransaction
            })
        });
        if !AnsiTransactionManager::is_broken_transaction_manager(&mut db) {
            *slot = Some(db);
        }
        drop(slot);
        let done = fault.map_or(Ok(outcome), Err)?.map_err(StoreError::from)?;
        // Checked before anybody learns of the commit: a commit to a file that nobody will find is
        // lost.
        if self.place.holds_with_log() { Ok(done) } else { Err(StoreError::Misplaced) }
    }

    /// A number that changes with every commit to the file, by this process or another.
    pub fn data_version(&self) -> Result<i64, StoreError> {
        if !self.place.holds() {
            return Err(GONE);
        }
        Ok(sql::<BigInt>("PRAGMA data_version").get_result(&mut *self.watcher.lock())?)
    }

    /// Writes the current ledger to a new file, while reads and writes continue.
    pub fn backup(&self, file: &Path) -> Result<(), StoreError> {
        let refuse = |sentence: &str, error: std::io::Error| StoreError::Backup {
            sentence: sentence.to_owned(),
            source: Some(error.into()),
        };
        // Absolute, because SQLite would take a name that begins with `file:` for a URI.
        let file = std::path::absolute(file)
            .map_err(|error| refuse("The backup's file has no usable name.", error))?;
        let unnamed = StoreError::Backup {
            sentence: "The backup's file name is not valid UTF-8.".to_owned(),
            source: None,
        };
        // Not a reading connection: SQLite does not permit this to a query_only connection,
        // although it writes to none of its own tables.
        let mut db = connect(&self.uri, FEW_PAGES)?;
        let exists = |error| refuse("The backup's file already exists; it was not changed.", error);
        if file.symlink_metadata().is_ok() {
            return Err(exists(std::io::ErrorKind::AlreadyExists.into()));
        }
        let made = partial::beside(&file)
            .map_err(|error| refuse("The backup's file cannot be created there.", error))?;
        let Some(beside) = made.path().to_str() else { return Err(unnamed) };
        // SQLite fills an empty file, and refuses any other.
        diesel::sql_query("VACUUM INTO ?").bind::<Text, _>(beside).execute(&mut db)?;
        partial::complete(made, &file).map_err(|error| {
            let taken = error.kind() == std::io::ErrorKind::AlreadyExists;
            if taken {
                exists(error)
            } else {
                refuse("The backup could not be written to the disk.", error)
            }
        })
    }
}

/// Applies the settings of reading connections.
#[derive(Debug)]
struct ReaderSetup;

impl CustomizeConnection<Db, diesel::r2d2::Error> for ReaderSetup {
    fn on_acquire(&self, db: &mut Db) -> Result<(), diesel::r2d2::Error> {
        db.batch_execute(EVERY_CONNECTION)
            .and_then(|()| db.batch_execute(READER))
            .map_err(diesel::r2d2::Error::QueryError)
    }
}

/// Opens a connection and applies its settings.
fn connect(uri: &str, besides: &str) -> Result<Db, StoreError> {
    let mut db = Db::establish(uri)?;
    db.batch_execute(EVERY_CONNECTION)?;
    db.batch_execute(besides)?;
    Ok(db)
}
/// No reading connection was available.
fn unreachable(error: PoolError) -> StoreError {
    StoreError::Unavailable(error.into())
}

/// The file's absolute path, checked for mistakes that a clear sentence can explain.
fn locate(path: &str, create: bool) -> Result<PathBuf, StoreError> {
    let wrong = |sentence: String| Err(StoreError::Address(sentence));
    if path.is_empty() || path.starts_with(':') || path.contains('?') {
        return wrong(
            "A SQLite address is sqlite:// followed by the path of a file, without parameters, \
             such as sqlite://data/egov-kpi.db."
                .to_owned(),
        );
    }
    let path = match std::path::absolute(path) {
        Ok(path) => path,
        Err(error) => return wrong(format!("The path {path} cannot be resolved: {error}.")),
    };
    if path.as_os_str().as_encoded_bytes().ends_with(partial::SUFFIX.as_bytes()) {
        return wrong(format!(
            "{} is the remainder of an interrupted copy; it is not a ledger and can be deleted.",
            path.display()
        ));
    }
    if path.is_dir() {
        return wrong(format!("{} is a folder; a SQLite address names a file.", path.display()));
    }
    if !path.exists() {
        if !create {
            return wrong(format!("There is no database at {}.", path.display()));
        }
        if !path.parent().is_some_and(Path::is_dir) {
            return wrong(format!("The folder of {} does not exist.", path.display()));
        }
    }
    Ok(path)
}

/// Creates a missing file that only its owner can read; SQLite gives the files beside it the same
/// mode. It would create the file itself, but as the `umask` says.
fn create_for_owner(path: &Path) -> Result<(), StoreError> {
    use std::os::unix::fs::OpenOptionsExt;
    let made = File::options().write(true).create_new(true).mode(0o600).open(path);
    match made {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(StoreError::Unavailable(error.into())),
    }
}

/// The path as a URI, because SQLite accepts only in a URI that it must not create the file.
fn uri(path: &Path) -> Result<String, StoreError> {
    let Some(path) = path.to_str() else {
        return Err(StoreError::Address("The database's path is not valid UTF-8.".to_owned()));
    };
    Ok(format!("file://{}", path.replace('%', "%25").replace('#', "%23").replace('?', "%3f")))
}

/// Upgrades a file to this program's format. Files of other programs and of newer versions are left
/// unchanged.
///
/// Retried for a while: when two programs switch a new file to WAL at once, SQLite refuses one
/// without waiting. Returns whether the file already was a ledger.
fn prepare(db: &mut Db) -> Result<bool, StoreError> {
    let start = Instant::now();
    loop {
        match migrate(db) {
            Err(StoreError::Unavailable(_)) if start.elapsed() < POOL_TIMEOUT => {
                thread::sleep(Duration::from_millis(10))
            }
            outcome => return outcome,
        }
    }
}

/// One attempt of [`prepare`].
fn migrate(db: &mut Db) -> Result<bool, StoreError> {
    check_format(db)?;
    let mode: String = sql::<Text>("PRAGMA journal_mode = WAL").get_result(db)?;
    if mode != "wal" {
        return Err(StoreError::Address(
            "The database is on a file system on which SQLite cannot keep its log (WAL)."
                .to_owned(),
        ));
    }
    // One transaction for the second check and the upgrade: of two programs that start at once, one
    // waits and finds the work done.
    db.immediate_transaction(|db| {
        check_format(db)?;
        let upgraded = !db.applied_migrations().map_err(StoreError::Migration)?.is_empty();
        let done: Vec<String> = db
            .run_pending_migrations(MIGRATIONS)
            .map_err(StoreError::Migration)?
            .iter()
            .map(ToString::to_string)
            .collect();
        // Only here: a revision without a hash in a ledger of a later format was not written by
        // this program, and must not get one.
        if done.iter().any(|version| version == CHAIN_MIGRATION) {
            fill_hashes(db)?;
        }
        // The creation of a new ledger is not logged.
        for version in done.into_iter().filter(|_| upgraded) {
            tracing::info!(target: LOG_TARGET, %version, "database migrated");
        }
        Ok(upgraded)
    })
}

/// Computes the hashes of a ledger of the first format, in the transaction that migrates it and
/// only there.
fn fill_hashes(db: &mut Db) -> Result<(), StoreError> {
    let missing: i64 =
        revisions::table.filter(revisions::hash.is_null()).select(count_star()).first(db)?;
    if missing == 0 {
        return Ok(());
    }
    tracing::info!(
        target: LOG_TARGET,
        revisions = missing,
        "computing the hash chain of a ledger of the first format"
    );
    let newest = reads::head(db)?.revision;
    let (mut rest, mut hash) = (RevisionSpan::first(newest), chain::beginning());
    while !rest.is_empty() {
        let commits = reads::commits(db, rest.beginning(COMMITS_AT_ONCE))?;
        for RecordedCommit { commit, .. } in &commits {
            hash = chain::hash(&hash, commit);
            let row = revisions::table.find(commit.revision);
            diesel::update(row).set(revisions::hash.eq(chain::digits(&hash))).execute(db)?;
            rest.after = commit.revision;
        }
    }
    Ok(())
}

/// The triggers of a file, each with the statement that made it.
fn triggers(db: &mut Db) -> QueryResult<Triggers> {
    let list = "SELECT tbl_name || '.' || name, sql FROM sqlite_master WHERE type = 'trigger'";
    let rows: Vec<(String, String)> = sql::<(Text, Text)>(list).load(db)?;
    Ok(rows.into_iter().map(|(place, made)| (place, plain(&made))).collect())
}

/// Refuses files that are not a ledger, files of newer programs, and files with tables that the
/// queries do not support. It only reads.
fn check_readable(db: &mut Db) -> Result<(), StoreError> {
    check_format(db)?;
    let tables: i64 = sql::<BigInt>(
        "SELECT count(*) FROM sqlite_master WHERE name = '__diesel_schema_migrations'",
    )
    .get_result(db)?;
    if tables == 0 {
        return Err(StoreError::Unsound("The file has no ledger.".to_owned()));
    }
    let applied: Vec<String> =
        sql::<Text>("SELECT version FROM __diesel_schema_migrations").load(db)?;
    if applied.iter().any(|version| version == READABLE_SINCE) {
        Ok(())
    } else {
        Err(StoreError::OlderSchema)
    }
}

/// Refuses files of other programs and of newer versions of this one. It only reads.
fn check_format(db: &mut Db) -> Result<(), StoreError> {
    let tables: i64 = sql::<BigInt>("SELECT count(*) FROM sqlite_master").get_result(db)?;
    if tables == 0 {
        return Ok(());
    }
    let application: i64 = sql::<BigInt>("PRAGMA application_id").get_result(db)?;
    if application != APPLICATION_ID {
        return Err(StoreError::Address("The file is the database of another program.".to_owned()));
    }
    let known = diesel::migration::MigrationSource::<Sqlite>::migrations(&MIGRATIONS)
        .map_err(StoreError::Migration)?;
    let known: Vec<String> =
        known.iter().map(|migration| migration.name().version().to_string()).collect();
    let applied = db.applied_migrations().map_err(StoreError::Migration)?;
    match applied.iter().map(ToString::to_string).find(|version| !known.contains(version)) {
        None => Ok(()),
        Some(found) => Err(StoreError::NewerSchema {
            found,
            known: known.into_iter().max().unwrap_or_default(),
        }),
    }
}
