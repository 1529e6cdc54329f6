//! The ledger in a PostgreSQL database: connecting, locking, and what only PostgreSQL can do.
//!
//! diesel's queries run over a connection without C libraries (diesel-async over tokio-postgres and
//! rustls), one step at a time, because the callers are threads that may block. The connections run
//! on a small runtime of their own.

mod address;
pub mod batch;

use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use diesel::connection::{SimpleConnection, TransactionManager};
use diesel::dsl::sql;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::r2d2::{ManageConnection, Pool, PoolError};
use diesel::result::Error as DieselError;
use diesel::sql_types::{Array, BigInt, Bool, Integer, Text};
use diesel_async::AsyncPgConnection;
use diesel_async::async_connection_wrapper::{AsyncConnectionWrapper, BlockOn};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use parking_lot::Mutex;
use tokio::runtime::Runtime;
use tokio::task::AbortHandle;
use tokio_postgres::AsyncMessage;

use self::address::{IDLE_TIMEOUT, LOCK_TIMEOUT, PostgresAddress};
use super::WriteBatch;
use super::error::StoreError;
use super::log_target::LOG_TARGET;
use super::numbers::TimestampMicros;
use super::outcome::AppendOutcome;
use super::revision::ExpectedHead;
use super::rows::{ApiKeyUsageRow, Commit, LedgerHead, PageChange};
use super::triggers::{Triggers, differences, plain};

/// The connection type that `reads` and `writes` are compiled for.
type Db = AsyncConnectionWrapper<AsyncPgConnection, StepRuntime>;

#[path = "reads.rs"]
#[expect(clippy::duplicate_mod, reason = "one source for all backends, see lib.rs")]
pub mod reads;
#[path = "writes.rs"]
#[expect(clippy::duplicate_mod, reason = "one source for all backends, see lib.rs")]
mod writes;

/// All formats that this program knows, oldest first.
const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations/postgres");
/// Revisions are inserted with their hashes: the triggers accept rows only in the transaction that
/// inserted the revision.
const SEALED_AFTERWARDS: bool = false;
/// The oldest format that the queries of `reads` support.
const READABLE_SINCE: &str = "20261126000000";
/// How long a call waits for a free reading connection.
const POOL_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest pause between attempts to connect. The pool pauses for at most half of its
/// `connection_timeout`; a longer pause would delay the first responses after a failover.
const RECONNECT_PAUSE: Duration = Duration::from_secs(1);
/// The session that has locked this table is the only writer. Only roles that may change the table
/// can take the lock.
const LOCK: &str = "LOCK TABLE writer_lock IN SHARE ROW EXCLUSIVE MODE";
/// The lock of sessions that only need nobody to write meanwhile.
const SHARE_LOCK: &str = "LOCK TABLE writer_lock IN SHARE MODE";
/// Lists the sessions that hold the lock, for the log.
const HOLDERS: &str = "SELECT coalesce(string_agg('process ' || activity.pid || ' of role ' || \
    coalesce(activity.usename, '?') || ', application ' || \
    coalesce(nullif(activity.application_name, ''), '?') || ', transaction since ' || \
    coalesce(activity.xact_start::text, '?'), '; '), '') AS text FROM pg_locks AS locks JOIN \
    pg_stat_activity AS activity USING (pid) WHERE locks.relation = 'writer_lock'::regclass AND \
    locks.granted AND locks.mode <> 'AccessShareLock'";
/// The advisory lock for upgrading the format, when several programs start at once.
const FORMAT_LOCK: i64 = 0x6567_6f76_0000_0002;
/// The channel for notifications of writes.
const CHANNEL: &str = "egov_kpi";
/// Seconds for which an instance that was behind may keep the ledger's lock while it catches up;
/// then the server ends its session.
const TURN_SECONDS: u32 = 2;
/// Writes a record to the log of changes, so that the commit waits for the standbys like any other.
/// After a crash, or when a session that waited was ended, a server shows commits that no standby
/// has; this commit comes after them and so waits for them too.
const AWAIT_STANDBYS: &str = "SELECT CASE WHEN NOT pg_is_in_recovery() THEN \
                              pg_logical_emit_message(true, 'egov_kpi', '') END";
/// How long to wait before listening again after the connection was lost.
const LISTEN_RETRY: Duration = Duration::from_millis(500);

/// The runtime that the connections run on.
static RUNTIME: LazyLock<std::io::Result<Runtime>> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("postgres")
        .enable_all()
        .build()
});

/// How long a step of a connection may take: one statement, or one row of a result.
const STEP_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an idle connection may take to respond to a check.
const PING_TIMEOUT: Duration = Duration::from_millis(1500);
/// How long after a response a connection is used again without a check, which takes a round trip.
const PING_PAUSE: Duration = Duration::from_millis(200);
/// How often overdue steps are searched for.
const STEP_CHECK_INTERVAL: Duration = Duration::from_millis(250);

thread_local! {
    /// The time limit of this thread's next steps, if it is not `STEP_TIMEOUT`.
    static STEP_TIMEOUT_OVERRIDE: Cell<Option<Duration>> = const { Cell::new(None) };
    /// The step of the connection that this thread is creating.
    static CONNECTING_STEP: RefCell<Option<Arc<StepTimer>>> = const { RefCell::new(None) };
}

/// Runs `work` with another time limit for this thread's steps.
fn with_step_timeout<T>(time: Duration, work: impl FnOnce() -> T) -> T {
    let before = STEP_TIMEOUT_OVERRIDE.replace(Some(time));
    let done = work();
    STEP_TIMEOUT_OVERRIDE.set(before);
    done
}

/// The step that a connection waits for. A server that stopped responding closes nothing, so the
/// connection is closed from this side, which ends the step with an error.
#[derive(Default)]
pub struct StepTimer(Mutex<Option<Instant>>);

impl StepTimer {
    fn begin(&self) {
        *self.0.lock() =
            Instant::now().checked_add(STEP_TIMEOUT_OVERRIDE.get().unwrap_or(STEP_TIMEOUT));
    }

    fn end(&self) {
        *self.0.lock() = None;
    }

    fn is_overdue(&self) -> bool {
        self.0.lock().is_some_and(|end| end < Instant::now())
    }

    /// Returns when a step takes too long.
    pub async fn overdue(&self) {
        while !self.is_overdue() {
            tokio::time::sleep(STEP_CHECK_INTERVAL).await;
        }
        tracing::warn!(
            target: LOG_TARGET,
            "the database does not respond; its connection is closed"
        );
    }
}

/// A connection that records its steps in `step`.
pub fn watch_steps(client: AsyncPgConnection, step: Arc<StepTimer>) -> Db {
    CONNECTING_STEP.set(Some(step));
    Db::from(client)
}

/// Waits for a connection's steps on the connections' runtime.
pub struct StepRuntime(&'static Runtime, Arc<StepTimer>);

impl BlockOn for StepRuntime {
    fn block_on<F: Future>(&self, step: F) -> F::Output {
        self.1.begin();
        let done = self.0.block_on(step);
        self.1.end();
        done
    }

    #[expect(
        clippy::expect_used,
        reason = "it is called with a connection at hand, which lives on the runtime"
    )]
    fn get_runtime() -> Self {
        Self(
            RUNTIME.as_ref().expect("the runtime of a connection"),
            CONNECTING_STEP.take().unwrap_or_default(),
        )
    }
}

/// An open ledger database.
pub struct PostgresLedger {
    address: Arc<PostgresAddress>,
    /// The name that distinguishes this process's notifications from others'.
    instance: String,
    /// The only connection of this process that writes. It is taken out while in use, so that a
    /// connection in an unknown state is never reused.
    writer: Mutex<Option<WritingConnection>>,
    readers: Pool<ReaderManager>,
    listening: Mutex<Vec<AbortHandle>>,
    /// Whether the database already had a ledger when it was opened.
    pub had_tables: bool,
}

impl Drop for PostgresLedger {
    fn drop(&mut self) {
        self.listening.lock().iter().for_each(AbortHandle::abort);
    }
}

impl PostgresLedger {
    /// Connects to a database and upgrades it to this program's format. With `create` an empty
    /// database gets its tables.
    pub fn open(address: &str, create: bool) -> Result<Self, StoreError> {
        let address = Arc::new(PostgresAddress::parse(address)?);
        let mut writer = address.connect()?;
        require_own_sessions(&address, &mut writer)?;
        let had_tables = prepare(&mut writer, create)?;
        warn_of_settings(&mut writer)?;
        Self::over(address, writer, had_tables)
    }

    /// Connects to a database for reading only, and changes nothing in it.
    pub fn open_to_read(address: &str) -> Result<Self, StoreError> {
        let address = Arc::new(PostgresAddress::parse(address)?);
        let mut db = address.connect()?;
        if count_tables(&mut db, "= '__diesel_schema_migrations'")? == 0 {
            return Err(StoreError::Address("There is no ledger in that database.".to_owned()));
        }
        check_format(&mut db)?;
        let applied: Vec<String> = sql::<Text>("SELECT version FROM __diesel_schema_migrations")
            .load(&mut db)
            .map_err(fault)?;
        if !applied.iter().any(|version| version == READABLE_SINCE) {
            return Err(StoreError::OlderSchema);
        }
        Self::over(address, db, true)
    }

    /// What is wrong with the triggers of the ledger's tables, one clause each.
    pub fn trigger_differences(&self) -> Result<Vec<String>, StoreError> {
        self.read(|db| {
            let applied = sql::<Text>("SELECT version FROM __diesel_schema_migrations");
            let expected = expected_triggers(&applied.load::<String>(db)?);
            let table = |place: &String| Some(place.split_once('.')?.0.to_owned());
            let mut tables: Vec<String> = expected.keys().filter_map(table).collect();
            tables.dedup();
            Ok(differences(&expected, &triggers(db, &tables)?))
        })
    }

    fn over(
        address: Arc<PostgresAddress>,
        writer: Db,
        had_tables: bool,
    ) -> Result<Self, StoreError> {
        let readers = Pool::builder()
            .max_size(address.readers)
            .min_idle(Some(1))
            .connection_timeout(RECONNECT_PAUSE.saturating_mul(2))
            .test_on_check_out(true)
            .build_unchecked(ReaderManager(Arc::clone(&address)));
        Ok(Self {
            address,
            instance: ulid::Ulid::generate().to_string(),
            writer: Mutex::new(Some(WritingConnection { db: writer, turn: false })),
            readers,
            listening: Mutex::default(),
            had_tables,
        })
    }

    /// Runs queries on a reading connection.
    pub fn read<T>(&self, ask: impl FnOnce(&mut Db) -> QueryResult<T>) -> Result<T, StoreError> {
        let mut reader = self.readers.get_timeout(POOL_TIMEOUT).map_err(unreachable)?;
        let found = ask(&mut reader.db).map_err(fault);
        reader.responded = found.is_ok().then(Instant::now);
        found
    }

    /// As [`PostgresLedger::read`], for queries about a large part of the ledger, which may take as
    /// long as the server permits.
    pub fn read_at_length<T>(
        &self,
        ask: impl FnOnce(&mut Db) -> QueryResult<T>,
    ) -> Result<T, StoreError> {
        with_step_timeout(
            STEP_TIMEOUT.saturating_add(Duration::from_secs(self.address.statement_timeout.into())),
            || self.read(ask),
        )
    }

    /// Appends commits in one transaction under the ledger's lock, and notifies other instances. An
    /// instance that was behind keeps the lock until its next write, so that among instances that
    /// write all the time each one makes progress.
    ///
    /// `date` returns the content to write; it gets the server's time under the lock.
    pub fn record<'b>(
        &self,
        expected: ExpectedHead,
        date: impl FnOnce(Option<TimestampMicros>) -> Result<WriteBatch<'b>, StoreError>,
    ) -> Result<AppendOutcome, StoreError> {
        self.with_writer_lock(|db| {
            let (time, newest) = batch::clock_and_newest(db).map_err(fault)?;
            let (commits, keys) = date(Some(time))?;
            let outcome = writes::append(db, expected, newest, commits, keys)?;
            let end = match &outcome {
                AppendOutcome::Written(_) if !commits.is_empty() => TransactionEnd::Announced,
                AppendOutcome::Behind(head) if head.revision != expected.number => {
                    TransactionEnd::Turn
                }
                AppendOutcome::Written(_)
                | AppendOutcome::Behind(_)
                | AppendOutcome::OtherHistory(_) => TransactionEnd::Quiet,
            };
            Ok((outcome, end))
        })
    }

    /// Calls `look` while nobody writes. It does not use the writing connection, so this instance's
    /// own batch need not wait for it, and several calls do not wait for each other.
    pub fn settled<T>(
        &self,
        look: impl FnOnce(Option<TimestampMicros>, LedgerHead) -> T,
    ) -> Result<T, StoreError> {
        let lock =
            format!("SET LOCAL lock_timeout = '{}s'; {SHARE_LOCK}", POOL_TIMEOUT.as_secs() + 1);
        self.read(|db| {
            db.transaction(|db| {
                db.batch_execute(&lock)?;
                // Read under the lock: earlier commits are visible, and later ones have later
                // dates.
                Ok((clock_time(db)?, reads::head(db)?)).map(|(time, head)| look(Some(time), head))
            })
        })
    }

    /// The time of the server's clock.
    pub fn server_time(&self) -> Result<Option<TimestampMicros>, StoreError> {
        self.read(|db| clock_time(db).map(Some))
    }

    /// Whether a commit is in the ledger, and on the standbys for which commits wait.
    pub fn recorded(&self, commit: &Commit) -> Result<bool, StoreError> {
        self.with_writer_lock(|db| {
            let found = writes::recorded(db, commit).map_err(fault)?;
            if found {
                db.batch_execute(AWAIT_STANDBYS).map_err(fault)?;
            }
            Ok((found, TransactionEnd::Quiet))
        })
    }

    /// Returns when everything that is visible now is on the standbys for which commits wait.
    pub fn await_standbys(&self) -> Result<(), StoreError> {
        self.read(|db| db.batch_execute(AWAIT_STANDBYS))
    }

    /// Deletes old responses to idempotency keys, see `writes::purge_idempotency`.
    pub fn purge_idempotency(&self, before: TimestampMicros) -> Result<usize, StoreError> {
        self.with_writer_lock(|db| {
            Ok((writes::purge_idempotency(db, before).map_err(fault)?, TransactionEnd::Quiet))
        })
    }

    /// Records when API keys were last used.
    pub fn record_api_key_usage(&self, uses: &[ApiKeyUsageRow]) -> Result<(), StoreError> {
        self.with_writer_lock(|db| {
            Ok((writes::record_api_key_usage(db, uses).map_err(fault)?, TransactionEnd::Quiet))
        })
    }

    /// Changes the tables of the web pages, see `writes::change_pages`.
    pub fn change_pages(&self, change: &PageChange) -> Result<(), StoreError> {
        self.with_writer_lock(|db| {
            Ok((writes::change_pages(db, change).map_err(fault)?, TransactionEnd::Quiet))
        })
    }

    /// Whether the server that is read from follows another server, so that missing revisions may
    /// only be delayed.
    pub fn is_standby(&self) -> Result<bool, StoreError> {
        self.read(|db| diesel::select(sql::<Bool>("pg_is_in_recovery()")).get_result(db))
    }

    /// A number that changes with the newest revision, also when another history has the same
    /// number. It is called between writes, so it ends a lock that an earlier write has kept but
    /// not used.
    pub fn data_version(&self) -> Result<i64, StoreError> {
        if let Some(mut slot) = self.writer.try_lock()
            && let Some(writer) = slot.take_if(|writer| writer.turn)
        {
            *slot = writer.ended("ROLLBACK").ok();
        }
        let hash = self.read(reads::newest)?.hash;
        Ok(hash.iter().fold(0, |folded: i64, byte| folded.rotate_left(8) ^ i64::from(*byte)))
    }

    /// Calls `wake` at every write of another instance, and whenever a notification may have been
    /// missed.
    pub fn on_change(&self, wake: impl Fn() + Send + Sync + 'static) {
        let Ok(runtime) = RUNTIME.as_ref() else { return };
        let (address, instance) = (Arc::clone(&self.address), self.instance.clone());
        let task = runtime.spawn(async move {
            loop {
                if let Err(error) = listen(&address, &instance, &wake).await {
                    tracing::debug!(
                        target: LOG_TARGET,
                        %error,
                        "the database's notifications ended; polling continues"
                    );
                }
                tokio::time::sleep(LISTEN_RETRY).await;
            }
        });
        self.listening.lock().push(task.abort_handle());
    }

    /// Runs a transaction under the ledger's lock. The lock is held until the transaction is
    /// visible, so revisions become visible in order.
    ///
    /// Begin and lock are sent together, and notification and commit as well, because each round
    /// trip takes time.
    fn with_writer_lock<T>(
        &self,
        work: impl FnOnce(&mut Db) -> Result<(T, TransactionEnd), StoreError>,
    ) -> Result<T, StoreError> {
        let mut slot = self.writer.lock();
        let begin = format!("BEGIN; {LOCK}");
        let began = Instant::now();
        // The connection may have been lost since its last use; as long as nothing has been sent on
        // it, a new one can replace it.
        let kept = slot.take().and_then(|mut writer| {
            let ready = if writer.turn { idle_at_most(IDLE_TIMEOUT) } else { begin.clone() };
            writer.db.batch_execute(&ready).ok().map(|()| writer)
        });
        if kept.is_none() {
            self.unless_locked(began)?;
        }
        let mut writer = match kept {
            Some(writer) => writer,
            None => {
                let mut db = self.address.connect()?;
                if let Err(error) = db.batch_execute(&begin) {
                    self.unless_locked(began)?;
                    return Err(fault(error));
                }
                WritingConnection { db, turn: false }
            }
        };
        match work(&mut writer.db) {
            Ok((found, end)) => {
                // A connection that fails here is not reused.
                *slot = Some(match end {
                    TransactionEnd::Announced => {
                        writer.ended(&format!("NOTIFY {CHANNEL}, '{}'; COMMIT", self.instance))?
                    }
                    TransactionEnd::Quiet => writer.ended("COMMIT")?,
                    TransactionEnd::Turn => {
                        writer.db.batch_execute(&idle_at_most(TURN_SECONDS)).map_err(fault)?;
                        WritingConnection { turn: true, ..writer }
                    }
                });
                Ok(found)
            }
            Err(error) => {
                *slot = writer.ended("ROLLBACK").ok();
                Err(passing(error))
            }
        }
    }
}

impl PostgresLedger {
    /// Whether the wait for the lock ended because another session holds it; that session is
    /// logged.
    fn unless_locked(&self, began: Instant) -> Result<(), StoreError> {
        if began.elapsed() + STEP_CHECK_INTERVAL < Duration::from_secs(LOCK_TIMEOUT.into()) {
            return Ok(());
        }
        let holders: TextRow = self.read(|db| diesel::sql_query(HOLDERS).get_result(db))?;
        if holders.text.is_empty() {
            return Ok(());
        }
        tracing::error!(
            target: LOG_TARGET,
            holders = holders.text,
            "another session of the database holds writer_lock; nothing is recorded until it \
             releases the lock"
        );
        Err(StoreError::Withheld("Another session of the database holds the ledger's writer lock."))
    }
}

/// A text produced by the server.
#[derive(QueryableByName)]
struct TextRow {
    #[diesel(sql_type = Text)]
    text: String,
}

/// The connection that writes.
struct WritingConnection {
    db: Db,
    /// Whether its transaction is still open and keeps the ledger's lock.
    turn: bool,
}

impl WritingConnection {
    /// Ends the transaction with a statement.
    fn ended(mut self, statement: &str) -> Result<Self, StoreError> {
        self.db.batch_execute(statement).map_err(fault)?;
        Ok(Self { turn: false, ..self })
    }
}

/// The time of the server's clock.
fn clock_time(db: &mut Db) -> QueryResult<TimestampMicros> {
    diesel::select(sql::<BigInt>(batch::CLOCK)).get_result(db)
}

/// The statement that lets the server end the session when its transaction is idle for this many
/// seconds.
fn idle_at_most(seconds: u32) -> String {
    format!("SET LOCAL idle_in_transaction_session_timeout = '{seconds}s'")
}

/// How a transaction ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum TransactionEnd {
    /// With a notification to other instances.
    Announced,
    /// Without a notification.
    Quiet,
    /// It stays open, because the instance was behind and writes again.
    Turn,
}

/// Creates reading connections.
#[derive(Debug)]
struct ReaderManager(Arc<PostgresAddress>);

/// A connection that reads.
struct ReadingConnection {
    db: Db,
    /// When the server last responded on it; `None` after an error.
    responded: Option<Instant>,
}

impl ManageConnection for ReaderManager {
    type Connection = ReadingConnection;
    type Error = StoreError;

    fn connect(&self) -> Result<ReadingConnection, StoreError> {
        Ok(ReadingConnection { db: self.0.connect()?, responded: Some(Instant::now()) })
    }

    fn is_valid(&self, reader: &mut ReadingConnection) -> Result<(), StoreError> {
        if reader.responded.is_some_and(|last| last.elapsed() < PING_PAUSE) {
            return Ok(());
        }
        with_step_timeout(PING_TIMEOUT, || reader.db.batch_execute("")).map_err(fault)
    }

    fn has_broken(&self, reader: &mut ReadingConnection) -> bool {
        <Db as Connection>::TransactionManager::is_broken_transaction_manager(&mut reader.db)
    }
}

/// Listens for notifications until the connection ends.
async fn listen(
    address: &PostgresAddress,
    instance: &str,
    wake: &(impl Fn() + Sync),
) -> Result<(), StoreError> {
    let (client, mut connection) = address.reach().await?;
    let heard = async {
        loop {
            match poll_fn(|context| connection.poll_message(context)).await {
                Some(Ok(AsyncMessage::Notification(heard))) if heard.payload() != instance => {
                    wake()
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error),
                None => return Ok(()),
            }
        }
    };
    let asked = async {
        client.batch_execute(&format!("LISTEN {CHANNEL}")).await?;
        // Notifications of earlier writes have been missed.
        wake();
        pending().await
    };
    let ended = tokio::select! { ended = heard => ended, failed = asked => failed };
    ended.map_err(|error: tokio_postgres::Error| StoreError::Unavailable(error.into()))
}

/// Refuses a connection pooler that lets two connections share a session of the server: settings,
/// prepared statements and `LISTEN` of one would reach the other, or be lost.
///
/// # Errors
/// [`StoreError::Address`] for such a pooler, and those of connecting.
fn require_own_sessions(address: &PostgresAddress, first: &mut Db) -> Result<(), StoreError> {
    let session = |db: &mut Db| sql::<Integer>("SELECT pg_backend_pid()").get_result::<i32>(db);
    let mut second = address.connect()?;
    let compared =
        session(first).and_then(|one| Ok(session(&mut second)? == one || session(first)? != one));
    let shared = match compared {
        Ok(shared) => shared,
        // A statement that one session has prepared is not known to another one.
        Err(DieselError::DatabaseError(_, told))
            if told.message().contains("prepared statement") =>
        {
            true
        }
        Err(error) => return Err(fault(error)),
    };
    if shared {
        return Err(StoreError::Address(
            "The connection pooler lets connections share a session of the database (transaction \
             mode); set it to session mode."
                .to_owned(),
        ));
    }
    Ok(())
}

/// No reading connection was available.
fn unreachable(error: PoolError) -> StoreError {
    StoreError::Unavailable(error.into())
}

/// Converts an error of the database.
fn fault(error: DieselError) -> StoreError {
    passing(StoreError::from(error))
}

/// Errors without a kind of their own in diesel (shutdown, timeout, too many connections) are
/// outside of the ledger; a retry may succeed.
fn passing(fault: StoreError) -> StoreError {
    if let StoreError::Backend(
        error @ (DieselError::DatabaseError(..) | DieselError::BrokenTransactionManager),
    ) = fault
    {
        return StoreError::Unavailable(error.into());
    }
    fault
}

/// Upgrades a database to this program's format. The databases of other programs and of newer
/// versions are left unchanged. Of two programs that start at once, one waits and finds the work
/// done. Returns whether the database already was a ledger.
fn prepare(db: &mut Db, create: bool) -> Result<bool, StoreError> {
    // A ledger of this format needs no lock, which another role might hold.
    if count_tables(db, "= '__diesel_schema_migrations'")? > 0 && check_format(db)? {
        return Ok(true);
    }
    let mut failed = None;
    let outcome = db.transaction(|db| {
        diesel::select(
            sql::<Text>("pg_advisory_xact_lock(").bind::<BigInt, _>(FORMAT_LOCK).sql(")::text"),
        )
        .get_result::<String>(db)?;
        migrate(db, create).map_err(|error| {
            failed = Some(error);
            DieselError::RollbackTransaction
        })
    });
    failed.map_or(Ok(outcome), Err)?.map_err(fault)
}

/// Number of tables with certain names.
fn count_tables(db: &mut Db, which: &str) -> Result<i64, StoreError> {
    let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema() AND tablename";
    diesel::select(sql::<BigInt>(&format!("({tables} {which})")))
        .get_result::<i64>(db)
        .map_err(fault)
}

fn migrate(db: &mut Db, create: bool) -> Result<bool, StoreError> {
    let mut had_tables = true;
    if count_tables(db, "= '__diesel_schema_migrations'")? == 0 {
        had_tables = false;
        if count_tables(db, "IN ('revisions', 'submissions', 'measures', 'observations')")? > 0 {
            return Err(StoreError::Address(
                "The database has another program's tables.".to_owned(),
            ));
        }
        if !create {
            return Err(StoreError::Address("There is no ledger in that database.".to_owned()));
        }
    } else if check_format(db)? {
        // The migrations are not even queried, so a role that may not create tables is sufficient.
        return Ok(true);
    }
    for version in db.run_pending_migrations(MIGRATIONS).map_err(StoreError::Migration)? {
        tracing::info!(target: LOG_TARGET, %version, "database migrated");
    }
    Ok(had_tables)
}

/// Refuses databases of other programs and of newer versions of this one; returns whether the
/// format is current.
fn check_format(db: &mut Db) -> Result<bool, StoreError> {
    let known = diesel::migration::MigrationSource::<Pg>::migrations(&MIGRATIONS)
        .map_err(StoreError::Migration)?;
    let mut known: Vec<String> =
        known.iter().map(|migration| migration.name().version().to_string()).collect();
    known.sort();
    let applied: Vec<String> =
        sql::<Text>("SELECT version FROM __diesel_schema_migrations").load(db).map_err(fault)?;
    if !applied.is_empty() && known.first().is_some_and(|first| !applied.contains(first)) {
        return Err(StoreError::Address("The database has another program's tables.".to_owned()));
    }
    match applied.iter().find(|version| !known.contains(version)).cloned() {
        None => Ok(known.iter().all(|version| applied.contains(version))),
        Some(found) => {
            Err(StoreError::NewerSchema { found, known: known.pop().unwrap_or_default() })
        }
    }
}

/// What a trigger of the ledger does: its function, and the bits of `pg_trigger.tgtype`.
const TRIGGERS: [(&str, &str, i16); 3] = [
    // before update, delete and truncate
    ("append_only", "egov_kpi_append_only", 58),
    // after insert
    ("follows", "egov_kpi_follows", 4),
    ("belongs", "egov_kpi_belongs", 4),
];

/// The migrations that make triggers, with their versions.
const TRIGGERS_MADE: [(&str, &str); 3] = [
    (
        "20261124000000",
        include_str!("../../../migrations/postgres/2026-11-24-000000_ledger/up.sql"),
    ),
    (
        "20261125000000",
        include_str!("../../../migrations/postgres/2026-11-25-000000_declarations/up.sql"),
    ),
    (
        "20261128000000",
        include_str!("../../../migrations/postgres/2026-11-28-000000_sealed/up.sql"),
    ),
];

/// The triggers that the migrations of these versions make.
fn expected_triggers(applied: &[String]) -> Triggers {
    let made = || {
        let applied = |version: &str| applied.iter().any(|known| known == version);
        TRIGGERS_MADE.iter().filter(move |(version, _)| applied(version)).map(|(_, text)| *text)
    };
    let body = |function: &str| {
        let head = format!("CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS $$");
        made().find_map(|text| text.split_once(&head)?.1.split_once("$$")).unwrap_or_default().0
    };
    let does = |name: &str| {
        let (_, function, bits) = TRIGGERS.iter().find(|(of, _, _)| *of == name)?;
        Some(plain(&format!("{function} {bits} O true {}", body(function))))
    };
    let of_line = |line: &str| {
        let (name, rest) = line.strip_prefix("CREATE TRIGGER ")?.split_once(' ')?;
        let table = rest.split_once(" ON ")?.1.split(' ').next()?;
        Some((format!("{table}.{name}"), does(name)?))
    };
    made().flat_map(str::lines).filter_map(of_line).collect()
}

/// The triggers of the ledger's tables, each with its function, bits, state, whether it has no
/// condition, and the text of the function.
fn triggers(db: &mut Db, tables: &[String]) -> QueryResult<Triggers> {
    let place = "relation.relname || '.' || tgname";
    let does = "function.proname || ' ' || tgtype || ' ' || tgenabled::text || ' ' || \
         (tgqual IS NULL)::text || ' ' || function.prosrc";
    let rows: Vec<(String, String)> = sql::<(Text, Text)>(&format!(
        "SELECT {place}, {does} FROM pg_trigger \
         JOIN pg_class AS relation ON relation.oid = tgrelid \
         JOIN pg_proc AS function ON function.oid = tgfoid \
         WHERE NOT tgisinternal AND relation.relnamespace = current_schema()::regnamespace \
         AND relation.relname = ANY("
    ))
    .bind::<Array<Text>, _>(tables)
    .sql(")")
    .load(db)?;
    Ok(rows.into_iter().map(|(place, does)| (place, plain(&does))).collect())
}

/// Logs settings of the server that break the guarantees of the ledger.
fn warn_of_settings(db: &mut Db) -> Result<(), StoreError> {
    let fsync: String =
        diesel::select(sql::<Text>("current_setting('fsync')")).get_result(db).map_err(fault)?;
    if fsync == "off" {
        tracing::warn!(
            target: LOG_TARGET,
            "the database server runs with fsync = off: recorded figures may be lost when its \
             machine stops"
        );
    }
    Ok(())
}
