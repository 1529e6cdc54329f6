//! The ledger in one SQLite file: how it is opened, who may write, and what only SQLite does.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use diesel::connection::{AnsiTransactionManager, SimpleConnection, TransactionManager};
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::r2d2::{ConnectionManager, CustomizeConnection, Pool, PoolError};
use diesel::sql_types::{BigInt, Text};
use diesel::sqlite::Sqlite;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::error::StoreError;
use super::rows::{Commit, KeyRow, KeyUseRow, WriteOutcome};

/// The connection that `reads` and `writes` are compiled for.
type Db = SqliteConnection;

#[path = "reads.rs"]
pub mod reads;
#[path = "writes.rs"]
mod writes;

/// Every format this program knows, oldest first.
const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
/// What the first migration writes into the file's header: `egov` as a number.
const APPLICATION_ID: i64 = 0x6567_6f76;
/// Connections for reading. SQLite reads at most as fast as the machine has cores; each may hold 2 MB of pages.
const READERS: u32 = 4;
/// How long a call waits for a free reading connection, and opening for other programs that open the same file.
const PATIENCE: Duration = Duration::from_secs(5);

/// What every connection is told: wait up to 5 s for another process, check references, be on the disk before answering, and never
/// trust functions named in the file's own schema.
const EVERY_CONNECTION: &str = "PRAGMA busy_timeout = 5000; PRAGMA foreign_keys = ON; PRAGMA synchronous = FULL; PRAGMA trusted_schema = OFF;";
/// The writer besides: pages go back into the file every 16 MB instead of every 4, some 5 % faster on imports; after a huge transaction
/// the log shrinks again.
const WRITER: &str = "PRAGMA cache_size = -8192; PRAGMA wal_autocheckpoint = 4000; PRAGMA journal_size_limit = 67108864;";
/// A reader besides: it can do nothing else. No memory map: its pages would count as this process's memory, and it measured no faster.
const READER: &str = "PRAGMA cache_size = -2048; PRAGMA query_only = ON;";
/// A connection for one backup besides.
const FEW_PAGES: &str = "PRAGMA cache_size = -2048;";

/// An open ledger file.
pub struct SqliteLedger {
    /// Where it is, as SQLite wants to hear it.
    uri: String,
    /// The only connection of this process that writes. Taken out while it works, so that one left in a bad state is never used again.
    writer: Mutex<Option<Db>>,
    readers: Pool<ConnectionManager<Db>>,
    /// Only ever asked whether the file has changed: the answer counts from connection to connection.
    watcher: Mutex<Db>,
}

impl SqliteLedger {
    /// Opens a file and brings it to this program's format. With `create` a missing file is made.
    pub fn open(path: &str, create: bool) -> Result<Self, StoreError> {
        let path = locate(path, create)?;
        let uri = uri(&path)?;
        let mode = if create { "rwc" } else { "rw" };
        let mut writer = connect(&format!("{uri}?mode={mode}"), WRITER)?;
        prepare(&mut writer)?;
        let uri = format!("{uri}?mode=rw");
        let watcher = connect(&uri, READER)?;
        let readers = Pool::builder()
            .max_size(READERS)
            .min_idle(Some(1))
            .connection_timeout(PATIENCE)
            .test_on_check_out(false)
            .connection_customizer(Box::new(Customizer))
            .build(ConnectionManager::new(&uri))
            .map_err(unreachable)?;
        Ok(Self { uri, writer: Mutex::new(Some(writer)), readers, watcher: Mutex::new(watcher) })
    }

    /// Runs questions on a reading connection.
    pub fn read<T>(&self, ask: impl FnOnce(&mut Db) -> QueryResult<T>) -> Result<T, StoreError> {
        let mut db = self.readers.get().map_err(unreachable)?;
        Ok(ask(&mut db)?)
    }

    /// Appends commits in one transaction, which keeps every other writer out from its first statement on.
    pub fn write(
        &self,
        expected: i64,
        commits: &[Commit],
        keys: &[KeyRow],
    ) -> Result<WriteOutcome, StoreError> {
        self.alone(|db| writes::append(db, expected, commits, keys))
    }

    /// Whether a commit is in the ledger.
    pub fn recorded(&self, commit: &Commit) -> Result<bool, StoreError> {
        self.alone(|db| Ok(writes::recorded(db, commit)?))
    }

    /// Deletes old answers to idempotency keys.
    pub fn forget_keys(&self, before: i64) -> Result<usize, StoreError> {
        self.alone(|db| Ok(writes::forget_keys(db, before)?))
    }

    /// Keeps when keys were last used.
    pub fn note_key_uses(&self, uses: &[KeyUseRow]) -> Result<(), StoreError> {
        self.alone(|db| Ok(writes::note_key_uses(db, uses)?))
    }

    /// Runs a transaction that keeps every other writer out from its first statement on.
    fn alone<T>(
        &self,
        work: impl FnOnce(&mut Db) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut slot = locked(&self.writer);
        let mut db = match slot.take() {
            Some(db) => db,
            None => connect(&self.uri, WRITER)?,
        };
        // The fault is carried out by hand: after a full disk SQLite has rolled back already, and diesel would then
        // report its own failing ROLLBACK in place of the cause.
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
        fault.map_or(Ok(outcome), Err)?.map_err(StoreError::from)
    }

    /// A number that changes with every commit to the file, by this process or another.
    pub fn data_version(&self) -> Result<i64, StoreError> {
        Ok(sql::<BigInt>("PRAGMA data_version").get_result(&mut *locked(&self.watcher))?)
    }

    /// Writes the ledger as it is now into a new file, while reading and writing go on.
    pub fn backup(&self, file: &Path) -> Result<(), StoreError> {
        let refuse = |sentence: &str, error: std::io::Error| StoreError::Backup {
            sentence: sentence.to_owned(),
            source: Some(error.into()),
        };
        // Absolute, because SQLite would take a name that begins with "file:" for a URI.
        let file = std::path::absolute(file)
            .map_err(|error| refuse("The backup's file has no usable name.", error))?;
        let Some(name) = file.to_str() else {
            return Err(StoreError::Backup {
                sentence: "The backup's file name is not valid UTF-8.".to_owned(),
                source: None,
            });
        };
        // Not one of the readers: SQLite does not let a query_only connection do this, though it writes to none of its own tables.
        let mut db = connect(&self.uri, FEW_PAGES)?;
        // Made here, and only if it is not there: SQLite fills an empty file but leaves any other alone.
        let made = File::create_new(&file).map_err(|error| {
            match error.kind() == std::io::ErrorKind::AlreadyExists {
                true => refuse("The backup's file exists already; it was left as it is.", error),
                false => refuse("The backup's file cannot be created there.", error),
            }
        })?;
        let copied = diesel::sql_query("VACUUM INTO ?").bind::<Text, _>(name).execute(&mut db);
        if let Err(error) = copied {
            drop(fs::remove_file(&file));
            return Err(error.into());
        }
        made.sync_all()
            .map_err(|error| refuse("The backup could not be brought onto the disk.", error))
    }
}

/// Tells each reading connection what it needs to know.
#[derive(Debug)]
struct Customizer;

impl CustomizeConnection<Db, diesel::r2d2::Error> for Customizer {
    fn on_acquire(&self, db: &mut Db) -> Result<(), diesel::r2d2::Error> {
        db.batch_execute(EVERY_CONNECTION)
            .and_then(|()| db.batch_execute(READER))
            .map_err(diesel::r2d2::Error::QueryError)
    }
}

/// A connection that knows what it needs to know.
fn connect(uri: &str, besides: &str) -> Result<Db, StoreError> {
    let mut db = Db::establish(uri)?;
    db.batch_execute(EVERY_CONNECTION)?;
    db.batch_execute(besides)?;
    Ok(db)
}

/// A lock that outlives a panic: what it guards is sound at any time.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// No reading connection could be had.
fn unreachable(error: PoolError) -> StoreError {
    StoreError::Unavailable(error.into())
}

/// The file's absolute path, checked as far as a sentence about it can help.
fn locate(path: &str, create: bool) -> Result<PathBuf, StoreError> {
    let wrong = |sentence: String| Err(StoreError::Address(sentence));
    if path.is_empty() || path.starts_with(':') || path.contains('?') {
        return wrong("A SQLite address is sqlite:// and the path of a file, without parameters, such as sqlite://data/egov-kpi.db.".to_owned());
    }
    let path = match std::path::absolute(path) {
        Ok(path) => path,
        Err(error) => return wrong(format!("The path {path} cannot be resolved: {error}.")),
    };
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

/// The path as a URI, in which alone SQLite can be told not to create a file.
fn uri(path: &Path) -> Result<String, StoreError> {
    let Some(path) = path.to_str() else {
        return Err(StoreError::Address("The database's path is not valid UTF-8.".to_owned()));
    };
    Ok(format!("file://{}", path.replace('%', "%25").replace('#', "%23").replace('?', "%3f")))
}

/// Brings a file to this program's format, unless it is another program's or a newer one's, which are left untouched.
///
/// Tried again for a while: where two programs switch a new file to WAL at once, SQLite turns one away without waiting.
fn prepare(db: &mut Db) -> Result<(), StoreError> {
    let start = Instant::now();
    loop {
        match bring_up(db) {
            Err(StoreError::Unavailable(_)) if start.elapsed() < PATIENCE => {
                thread::sleep(Duration::from_millis(10))
            }
            outcome => return outcome,
        }
    }
}

/// One attempt of `prepare`.
fn bring_up(db: &mut Db) -> Result<(), StoreError> {
    check_format(db)?;
    let mode: String = sql::<Text>("PRAGMA journal_mode = WAL").get_result(db)?;
    if mode != "wal" {
        return Err(StoreError::Address(
            "The database lies on a file system on which SQLite cannot keep its log (WAL)."
                .to_owned(),
        ));
    }
    // One transaction for the second look and all that is missing: of two programs that start at once, one waits and finds it done.
    db.immediate_transaction(|db| {
        check_format(db)?;
        let upgraded = !db.applied_migrations().map_err(StoreError::Migration)?.is_empty();
        let done = db.run_pending_migrations(MIGRATIONS).map_err(StoreError::Migration)?;
        // A ledger that is made just now is no news.
        for version in done.into_iter().filter(|_| upgraded) {
            tracing::info!(%version, "database migrated");
        }
        writes::fill_hashes(db)
    })
}

/// Refuses files of other programs and of newer versions of this one, by reading alone.
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
