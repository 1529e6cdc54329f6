//! The ledger in a PostgreSQL database: how it is reached, who may write, and what only PostgreSQL does.
//!
//! diesel's queries run over a connection without C libraries (diesel-async over tokio-postgres and rustls), one step at a time: the
//! callers are threads that may block. The connections live on a small runtime of their own.

mod address;

use std::future::{pending, poll_fn};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use diesel::connection::{SimpleConnection, TransactionManager};
use diesel::dsl::sql;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::r2d2::{ManageConnection, Pool, PoolError};
use diesel::result::Error as DieselError;
use diesel::sql_types::{BigInt, Text};
use diesel_async::AsyncPgConnection;
use diesel_async::async_connection_wrapper::{AsyncConnectionWrapper, BlockOn};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use tokio::runtime::Runtime;
use tokio::task::AbortHandle;
use tokio_postgres::AsyncMessage;

use self::address::{Address, IDLE_TIMEOUT};
use super::error::StoreError;
use super::rows::{Commit, KeyRow, KeyUseRow, WriteOutcome};

/// The connection that `reads` and `writes` are compiled for.
type Db = AsyncConnectionWrapper<AsyncPgConnection, Io>;

#[path = "reads.rs"]
#[expect(clippy::duplicate_mod, reason = "one source for all backends, see mod.rs")]
pub mod reads;
#[path = "writes.rs"]
#[expect(clippy::duplicate_mod, reason = "one source for all backends, see mod.rs")]
mod writes;

/// Every format this program knows, oldest first.
const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/postgres");
/// How long a call waits for a free reading connection.
const PATIENCE: Duration = Duration::from_secs(5);
/// The advisory lock of the ledger: `egov` and a number. Whoever holds it writes alone.
const LEDGER_LOCK: i64 = 0x6567_6f76_0000_0001;
/// The advisory lock of the format, for programs that start at once.
const FORMAT_LOCK: i64 = 0x6567_6f76_0000_0002;
/// Where a write is announced.
const CHANNEL: &str = "egov_kpi";
/// Seconds for which one who was behind may keep the ledger's lock while it catches up; then the server ends its session.
const TURN: u32 = 2;
/// How long to wait before listening again after the connection went.
const LISTEN_AGAIN: Duration = Duration::from_millis(500);

/// Where the connections live.
static RUNTIME: LazyLock<std::io::Result<Runtime>> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("postgres")
        .enable_all()
        .build()
});

/// Waits for a connection's steps on the runtime where the connections live.
pub struct Io(&'static Runtime);

impl BlockOn for Io {
    fn block_on<F: Future>(&self, step: F) -> F::Output {
        self.0.block_on(step)
    }

    #[expect(
        clippy::expect_used,
        reason = "it is called with a connection at hand, which lives on the runtime"
    )]
    fn get_runtime() -> Self {
        Self(RUNTIME.as_ref().expect("the runtime of a connection"))
    }
}

/// An open ledger database.
pub struct PostgresLedger {
    address: Arc<Address>,
    /// Tells this process's notifications from others'.
    instance: String,
    /// The only connection of this process that writes. Taken out while it works, so that one left in a bad state is never used again.
    writer: Mutex<Option<Writer>>,
    readers: Pool<Manager>,
    listening: Mutex<Vec<AbortHandle>>,
}

impl Drop for PostgresLedger {
    fn drop(&mut self) {
        locked(&self.listening).iter().for_each(AbortHandle::abort);
    }
}

impl PostgresLedger {
    /// Reaches a database and brings it to this program's format. With `create` an empty one gets its tables.
    pub fn open(address: &str, create: bool) -> Result<Self, StoreError> {
        let address = Arc::new(Address::parse(address)?);
        let mut writer = address.connect()?;
        prepare(&mut writer, create)?;
        warn_of_settings(&mut writer)?;
        let readers = Pool::builder()
            .max_size(address.readers)
            .min_idle(Some(1))
            .connection_timeout(PATIENCE)
            .test_on_check_out(true)
            .build(Manager(Arc::clone(&address)))
            .map_err(unreachable)?;
        Ok(Self {
            address,
            instance: ulid::Ulid::generate().to_string(),
            writer: Mutex::new(Some(Writer { db: writer, turn: false })),
            readers,
            listening: Mutex::default(),
        })
    }

    /// Runs questions on a reading connection.
    pub fn read<T>(&self, ask: impl FnOnce(&mut Db) -> QueryResult<T>) -> Result<T, StoreError> {
        let mut db = self.readers.get().map_err(unreachable)?;
        ask(&mut db).map_err(fault)
    }

    /// Appends commits in one transaction under the ledger's lock, and tells other instances of it. Who was behind keeps the lock until
    /// its next write: of instances that write all the time, each comes to its turn.
    pub fn write(
        &self,
        expected: i64,
        commits: &[Commit],
        keys: &[KeyRow],
    ) -> Result<WriteOutcome, StoreError> {
        self.alone(|db| {
            let outcome = writes::append(db, expected, commits, keys)?;
            let end = match outcome {
                WriteOutcome::Written if !commits.is_empty() => End::Announced,
                WriteOutcome::Behind(head) if head.revision != expected => End::Turn,
                WriteOutcome::Written | WriteOutcome::Behind(_) => End::Quiet,
            };
            Ok((outcome, end))
        })
    }

    /// Whether a commit is in the ledger.
    pub fn recorded(&self, commit: &Commit) -> Result<bool, StoreError> {
        self.alone(|db| Ok((writes::recorded(db, commit).map_err(fault)?, End::Quiet)))
    }

    /// Deletes old answers to idempotency keys.
    pub fn forget_keys(&self, before: i64) -> Result<usize, StoreError> {
        self.alone(|db| Ok((writes::forget_keys(db, before).map_err(fault)?, End::Quiet)))
    }

    /// Keeps when keys were last used.
    pub fn note_key_uses(&self, uses: &[KeyUseRow]) -> Result<(), StoreError> {
        self.alone(|db| Ok((writes::note_key_uses(db, uses).map_err(fault)?, End::Quiet)))
    }

    /// The newest revision. Who looks out for others' writes has none of its own under way: a turn that was not used ends.
    pub fn data_version(&self) -> Result<i64, StoreError> {
        if let Ok(mut slot) = self.writer.try_lock()
            && let Some(writer) = slot.take_if(|writer| writer.turn)
        {
            *slot = writer.ended("ROLLBACK").ok();
        }
        Ok(self.read(reads::head)?.revision)
    }

    /// Calls `wake` at every write of another instance, and whenever one may have been missed.
    pub fn on_change(&self, wake: impl Fn() + Send + Sync + 'static) {
        let Ok(runtime) = RUNTIME.as_ref() else { return };
        let (address, instance) = (Arc::clone(&self.address), self.instance.clone());
        let task = runtime.spawn(async move {
            loop {
                if let Err(error) = listen(&address, &instance, &wake).await {
                    tracing::debug!(%error, "the database's notifications ended; polling goes on");
                }
                tokio::time::sleep(LISTEN_AGAIN).await;
            }
        });
        locked(&self.listening).push(task.abort_handle());
    }

    /// Runs a transaction under the ledger's lock. The lock lasts until the transaction has become visible, so revisions do so in order.
    ///
    /// Begin and lock, and announcement and commit, go to the server together: each way there and back counts.
    fn alone<T>(
        &self,
        work: impl FnOnce(&mut Db) -> Result<(T, End), StoreError>,
    ) -> Result<T, StoreError> {
        let mut slot = locked(&self.writer);
        let begin = format!("BEGIN; SELECT pg_advisory_xact_lock({LEDGER_LOCK})");
        // The server may have gone and come back since the connection was used; as long as nothing has happened on it, a new one will do.
        let kept = slot.take().and_then(|mut writer| {
            let ready = if writer.turn { idle_at_most(IDLE_TIMEOUT) } else { begin.clone() };
            writer.db.batch_execute(&ready).ok().map(|()| writer)
        });
        let mut writer = match kept {
            Some(writer) => writer,
            None => {
                let mut db = self.address.connect()?;
                db.batch_execute(&begin).map_err(fault)?;
                Writer { db, turn: false }
            }
        };
        match work(&mut writer.db) {
            Ok((found, end)) => {
                // A connection that fails here is not used again.
                *slot = Some(match end {
                    End::Announced => {
                        writer.ended(&format!("NOTIFY {CHANNEL}, '{}'; COMMIT", self.instance))?
                    }
                    End::Quiet => writer.ended("COMMIT")?,
                    End::Turn => {
                        writer.db.batch_execute(&idle_at_most(TURN)).map_err(fault)?;
                        Writer { turn: true, ..writer }
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

/// The connection that writes.
struct Writer {
    db: Db,
    /// Whether its transaction goes on, and with it the hold of the ledger's lock.
    turn: bool,
}

impl Writer {
    /// Ends its transaction.
    fn ended(mut self, statement: &str) -> Result<Self, StoreError> {
        self.db.batch_execute(statement).map_err(fault)?;
        Ok(Self { turn: false, ..self })
    }
}

/// Has the server end the session when its transaction does nothing for so many seconds.
fn idle_at_most(seconds: u32) -> String {
    format!("SET LOCAL idle_in_transaction_session_timeout = '{seconds}s'")
}

/// How a transaction ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// Other instances have to know.
    Announced,
    /// Nobody has to know.
    Quiet,
    /// Not yet: the one who was behind goes on in it.
    Turn,
}

/// Makes reading connections.
#[derive(Debug)]
struct Manager(Arc<Address>);

impl ManageConnection for Manager {
    type Connection = Db;
    type Error = StoreError;

    fn connect(&self) -> Result<Db, StoreError> {
        self.0.connect()
    }

    fn is_valid(&self, db: &mut Db) -> Result<(), StoreError> {
        db.batch_execute("").map_err(fault)
    }

    fn has_broken(&self, db: &mut Db) -> bool {
        <Db as Connection>::TransactionManager::is_broken_transaction_manager(db)
    }
}

/// Listens until the connection ends.
async fn listen(
    address: &Address,
    instance: &str,
    wake: &(impl Fn() + Sync),
) -> Result<(), tokio_postgres::Error> {
    let (client, mut connection) = address.config.connect(address.tls.clone()).await?;
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
        // What was written before nobody has heard.
        wake();
        pending().await
    };
    tokio::select! { ended = heard => ended, failed = asked => failed }
}

/// A lock that outlives a panic: what it guards is sound at any time.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// No reading connection could be had.
fn unreachable(error: PoolError) -> StoreError {
    StoreError::Unavailable(error.into())
}

/// An error of the database.
fn fault(error: DieselError) -> StoreError {
    passing(StoreError::from(error))
}

/// What diesel has no kind of its own for (shutting down, a time-out, too many connections) is out of the ledger's hands: trying again
/// may help.
fn passing(fault: StoreError) -> StoreError {
    if let StoreError::Backend(
        error @ (DieselError::DatabaseError(..) | DieselError::BrokenTransactionManager),
    ) = fault
    {
        return StoreError::Unavailable(error.into());
    }
    fault
}

/// Brings a database to this program's format, unless it is another program's or a newer one's, which are left untouched. Of two
/// programs that start at once, one waits and finds it done.
fn prepare(db: &mut Db, create: bool) -> Result<(), StoreError> {
    let mut failed = None;
    let outcome = db.transaction(|db| {
        diesel::select(
            sql::<Text>("pg_advisory_xact_lock(").bind::<BigInt, _>(FORMAT_LOCK).sql(")::text"),
        )
        .get_result::<String>(db)?;
        bring_up(db, create).map_err(|error| {
            failed = Some(error);
            DieselError::RollbackTransaction
        })
    });
    failed.map_or(Ok(outcome), Err)?.map_err(fault)
}

fn bring_up(db: &mut Db, create: bool) -> Result<(), StoreError> {
    let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema() AND tablename";
    let count = |db: &mut Db, which: &str| {
        sql::<BigInt>(&format!("({tables} {which})")).get_result::<i64>(db).map_err(fault)
    };
    if count(db, "= '__diesel_schema_migrations'")? == 0 {
        if count(db, "IN ('revisions', 'submissions', 'measures', 'observations')")? > 0 {
            return Err(StoreError::Address(
                "The database holds another program's tables.".to_owned(),
            ));
        }
        if !create {
            return Err(StoreError::Address("There is no ledger in that database.".to_owned()));
        }
    } else if check_format(db)? {
        // Not even asked of the migrations: a role that may make no tables is enough.
        return Ok(());
    }
    for version in db.run_pending_migrations(MIGRATIONS).map_err(StoreError::Migration)? {
        tracing::info!(%version, "database migrated");
    }
    writes::fill_hashes(db)
}

/// Refuses other programs' databases and those of newer versions of this one; says whether no format is missing.
fn check_format(db: &mut Db) -> Result<bool, StoreError> {
    let known = diesel::migration::MigrationSource::<Pg>::migrations(&MIGRATIONS)
        .map_err(StoreError::Migration)?;
    let mut known: Vec<String> =
        known.iter().map(|migration| migration.name().version().to_string()).collect();
    known.sort();
    let applied: Vec<String> =
        sql::<Text>("SELECT version FROM __diesel_schema_migrations").load(db).map_err(fault)?;
    if !applied.is_empty() && known.first().is_some_and(|first| !applied.contains(first)) {
        return Err(StoreError::Address("The database holds another program's tables.".to_owned()));
    }
    match applied.iter().find(|version| !known.contains(version)).cloned() {
        None => Ok(known.iter().all(|version| applied.contains(version))),
        Some(found) => {
            Err(StoreError::NewerSchema { found, known: known.pop().unwrap_or_default() })
        }
    }
}

/// Says in the log where the server's settings break what the ledger promises.
fn warn_of_settings(db: &mut Db) -> Result<(), StoreError> {
    let fsync: String =
        diesel::select(sql::<Text>("current_setting('fsync')")).get_result(db).map_err(fault)?;
    if fsync == "off" {
        tracing::warn!(
            "the database server runs with fsync = off: what was answered may be lost when its machine stops"
        );
    }
    Ok(())
}
