//! PostgreSQL only: addresses, formats, copies, several programs at once. Tests that need their own
//! server are in `server.rs`.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use ledger::{Store, StoreError, WriteOutcome};

use crate::chain::{hashes, kept, same_ledgers};
use crate::database::{Database, ask};
use crate::ledger::{Place, bare, bringing, eventful, filled, nth, time_at, write};
use crate::sqlite;

/// Reverts the migration for origins and key uses.
const ACCESS_BACK: &str =
    include_str!("../../migrations/postgres/2026-11-26-000000_access/down.sql");
const PAGES_BACK: &str = include_str!("../../migrations/postgres/2026-11-29-000000_pages/down.sql");
const SEALED_BACK: &str =
    include_str!("../../migrations/postgres/2026-11-28-000000_sealed/down.sql");
/// Reverts the migration for declarations.
const DECLARATIONS_BACK: &str =
    include_str!("../../migrations/postgres/2026-11-25-000000_declarations/down.sql");

/// A database with one ledger.
pub struct Fresh {
    pub database: Database,
}

impl Default for Fresh {
    fn default() -> Self {
        Self { database: Database::create() }
    }
}

impl Fresh {
    /// The result of a query to the database.
    fn ask(&self, statement: &str) -> Vec<String> {
        ask(&self.database.address, statement).unwrap()
    }
}

impl Place for Fresh {
    fn open(&self) -> Store {
        Store::open(&self.database.address, true).unwrap()
    }

    fn by_hand(&self, statement: &str) -> Result<(), String> {
        ask(&self.database.address, statement).map(drop)
    }

    fn tamper(&self, _table: &str, statement: &str) {
        self.by_hand(&format!("SET session_replication_role = replica; {statement}")).unwrap();
    }
}

/// How many migrations there are, and how many tables they create.
fn migrations() -> (usize, usize) {
    let scripts: Vec<String> = fs::read_dir("migrations/postgres")
        .unwrap()
        .map(|entry| fs::read_to_string(entry.unwrap().path().join("up.sql")).unwrap())
        .collect();
    (scripts.len(), scripts.iter().map(|script| script.matches("CREATE TABLE ").count()).sum())
}

/// The error with which an address is refused; it repeats no secret.
fn refusal(address: &str) -> String {
    let error = Store::open(address, true).err().unwrap();
    assert!(matches!(error, StoreError::Address(_)), "{address}: {error:?}");
    hides(&error);
    error.to_string()
}

/// Checks that neither the text of an error nor its causes contain `secret`, for users and in the
/// log.
pub fn hides(error: &StoreError) {
    let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    let told: Vec<String> =
        causes.map(ToString::to_string).chain([error.to_string(), format!("{error:?}")]).collect();
    assert!(told.iter().all(|text| !text.contains("secret")), "{told:?}");
}

#[test]
fn an_address_names_host_user_and_database_or_is_refused_with_what_is_right() {
    for (address, fault) in [
        ("postgres://user:secret@/db", "the host is missing"),
        ("postgres:///db", "the host is missing"),
        ("postgres://host/db", "the user or the database is missing"),
        ("postgres://user:secret@host", "the user or the database is missing"),
        ("postgresql://user:secret@host/", "the user or the database is missing"),
        ("postgres://user:secret@host/db?colour=red", "colour"),
        (
            "postgres://user:secret@host/db?sslmode=allow",
            "sslmode must be disable, prefer, require or verify-full",
        ),
        (
            "postgres://user:secret@host/db?sslmode=verify-ca",
            "sslmode must be disable, prefer, require or verify-full",
        ),
        (
            "postgres://user:secret@host/db?sslmode=",
            "sslmode must be disable, prefer, require or verify-full",
        ),
        (
            "postgres://user:secret@host/db?sslrootcert=/etc/root.crt",
            "sslrootcert needs sslmode=verify-full",
        ),
        (
            "postgres://user:secret@host/db?sslmode=require&sslrootcert=/etc/root.crt",
            "sslrootcert needs sslmode=verify-full",
        ),
        (
            "postgres://user:secret@host/db?sslmode=verify-full&sslrootcert=/no/such/file",
            "The certificates of sslrootcert cannot be read",
        ),
        (
            "postgres://user:secret@host/db?sslmode=verify-full&sslrootcert=Cargo.toml",
            "The certificates of sslrootcert cannot be read",
        ),
        ("postgres://user:secret@host:port/db", "it looks like postgres://user:password@host"),
        ("postgres://user:secret@host/db?connect_timeout=soon", "connect_timeout"),
        ("postgres://user:secret@host/db?target_session_attrs=any%20", "target_session_attrs"),
    ] {
        let sentence = refusal(address).to_lowercase();
        assert!(sentence.contains(&fault.to_lowercase()), "{address}: {sentence}");
    }
}

#[test]
#[ignore = "needs PostgreSQL: ./tests/run"]
fn the_pool_and_the_statement_time_are_limited() {
    for (name, most) in [("pool_size", 100), ("statement_timeout", 3_600)] {
        for value in ["0", "-1", "", "ten", "1.5", &(most + 1).to_string(), "99999999999"] {
            let sentence = refusal(&format!("postgres://user:secret@host/db?{name}={value}"));
            assert!(
                sentence.contains(&format!("{name} must be a whole number from 1 to {most}")),
                "{value}: {sentence}"
            );
        }
    }
    let fresh = Fresh::default();
    for options in ["pool_size=1&statement_timeout=1", "pool_size=100&statement_timeout=3600"] {
        let store = Store::open(&format!("{}?{options}", fresh.database.address), true).unwrap();
        thread::scope(|scope| {
            (0..4).for_each(|_| drop(scope.spawn(|| (0..20).for_each(|_| store.ping().unwrap()))))
        });
    }
}

/// A password with characters that have a meaning in an address and were not escaped as %40 and so
/// on.
#[test]
fn a_password_that_breaks_an_address_is_not_shown() {
    for password in [
        "se@secret",
        "se/secret",
        "se?secret",
        "se?secret=1",
        "se?secret=1&secret=2",
        "12?secret=1",
        "a@12?secret=1",
        "se#secret",
        "se:secret",
        "se%secret",
        "secret%",
        "se%ZZsecret",
        "se&secret=1",
    ] {
        for rest in [
            "@127.0.0.1:1/db",
            "@127.0.0.1:1/db?sslmode=disable",
            "@/db",
            "@127.0.0.1:1",
            "@127.0.0.1:x/db",
            "@127.0.0.1:1/db?secret",
            "@127.0.0.1:1/db?password=secret",
        ] {
            for user in ["user", ""] {
                hides(
                    &Store::open(&format!("postgres://{user}:{password}{rest}"), true)
                        .err()
                        .unwrap(),
                );
            }
        }
    }
}

#[test]
fn a_server_that_is_not_there_is_unavailable() {
    let started = Instant::now();
    let error = Store::open("postgres://user:secret@127.0.0.1:1/db", true).err().unwrap();
    assert!(matches!(error, StoreError::Unavailable(_)) && error.is_transient(), "{error:?}");
    hides(&error);
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[test]
#[ignore = "needs PostgreSQL: ./tests/run"]
fn tables_are_made_only_when_asked() {
    let fresh = Fresh::default();
    let tables = || {
        fresh.ask("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename")
    };
    let error = Store::open(&fresh.database.address, false).err().unwrap();
    assert!(
        matches!(&error, StoreError::Address(sentence) if sentence == "There is no ledger in that \
             database."),
        "{error:?}"
    );
    assert!(tables().is_empty());
    write(&fresh.open(), &[bare(1)]);
    let (versions, created) = migrations();
    assert_eq!(tables().len(), created + 1, "and diesel's own table");
    assert_eq!(
        fresh.ask("SELECT count(*) FROM __diesel_schema_migrations"),
        [versions.to_string()]
    );
    assert_eq!(
        Store::open(&fresh.database.address, false).unwrap().head().unwrap().revision,
        nth(1)
    );
}

#[test]
#[ignore = "needs PostgreSQL: ./tests/run"]
fn a_newer_programs_database_is_refused_and_left_as_it_is() {
    let fresh = Fresh::default();
    write(&fresh.open(), &[bare(1)]);
    fresh
        .by_hand("INSERT INTO __diesel_schema_migrations (version) VALUES ('99990101000000')")
        .unwrap();
    let (versions, _) = migrations();
    for create in [true, false] {
        let error = Store::open(&fresh.database.address, create).err().unwrap();
        let both = ("99990101000000", "20261129000000");
        assert!(
            matches!(
                &error,
                StoreError::NewerSchema { found, known } if (&**found, &**known) == both
            ),
            "{error:?}"
        );
    }
    assert_eq!(
        fresh.ask("SELECT count(*) FROM __diesel_schema_migrations"),
        [(versions + 1).to_string()]
    );
}

#[test]
#[ignore = "needs PostgreSQL: ./tests/run"]
fn another_programs_tables_are_refused_and_left_as_they_are() {
    for theirs in [
        "CREATE TABLE revisions (id INTEGER)",
        "CREATE TABLE observations (id INTEGER)",
        "CREATE TABLE __diesel_schema_migrations (version VARCHAR(50) PRIMARY KEY, run_on \
         TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP);
         INSERT INTO __diesel_schema_migrations (version) VALUES ('20200101000000'); CREATE TABLE \
         their_own (id INTEGER)",
    ] {
        let fresh = Fresh::default();
        fresh.by_hand(theirs).unwrap();
        let columns = || {
            fresh.ask(
                "SELECT table_name || ' ' || column_name FROM \
                 information_schema.columns WHERE table_schema = 'public' ORDER \
                 BY 1",
            )
        };
        let before = columns();
        assert!(refusal(&fresh.database.address).contains("another program's tables"), "{theirs}");
        assert_eq!(columns(), before);
    }
}

#[test]
#[ignore = "needs PostgreSQL: ./tests/run"]
fn concurrent_starts_on_an_empty_database_all_succeed() {
    for _ in 0..5 {
        let fresh = Fresh::default();
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| fresh.open().ping().unwrap());
            }
        });
        assert_eq!(
            fresh.ask("SELECT count(*) FROM __diesel_schema_migrations"),
            [migrations().0.to_string()]
        );
    }
}

#[test]
#[ignore = "needs PostgreSQL: ./tests/run"]
fn a_table_of_the_ledger_cannot_be_emptied() {
    let fresh = Fresh::default();
    write(&fresh.open(), &eventful());
    let tables = fresh.ask(
        "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename NOT IN \
         ('__diesel_schema_migrations', 'idempotency_keys', 'key_uses', 'sessions', 'drafts', \
         'writer_lock')",
    );
    assert_eq!(tables.len(), 10);
    for table in tables {
        assert!(
            fresh
                .by_hand(&format!("TRUNCATE {table} CASCADE"))
                .unwrap_err()
                .contains("append-only"),
            "{table}"
        );
    }
}

#[test]
#[ignore = "needs PostgreSQL: ./tests/run"]
fn triggers_that_were_dropped_changed_or_added_are_found() {
    for (statement, expected) in [
        ("DROP TRIGGER belongs ON closings", "closings.belongs is missing"),
        (
            "ALTER TABLE observations DISABLE TRIGGER append_only",
            "observations.append_only was changed or disabled",
        ),
        (
            "DROP TRIGGER append_only ON unit_numbers; \
             CREATE TRIGGER append_only BEFORE DELETE ON unit_numbers \
             EXECUTE FUNCTION egov_kpi_append_only()",
            "unit_numbers.append_only was changed or disabled",
        ),
        (
            "DROP TRIGGER append_only ON measures; \
             CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON measures \
             WHEN (false) EXECUTE FUNCTION egov_kpi_append_only()",
            "measures.append_only was changed or disabled",
        ),
        (
            "CREATE OR REPLACE FUNCTION egov_kpi_follows() RETURNS trigger LANGUAGE plpgsql \
             AS 'BEGIN RETURN NULL; END'",
            "revisions.follows was changed or disabled",
        ),
        (
            "CREATE FUNCTION mine() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; \
             CREATE TRIGGER mine BEFORE INSERT ON declarations \
             FOR EACH ROW EXECUTE FUNCTION mine()",
            "declarations.mine was not created by this program",
        ),
    ] {
        let fresh = Fresh::default();
        write(&fresh.open(), &[bare(1)]);
        assert!(fresh.open().trigger_differences().unwrap().is_empty());
        fresh.by_hand(statement).unwrap();
        assert_eq!(fresh.open().trigger_differences().unwrap(), [expected]);
    }
}

#[test]
#[ignore = "needs PostgreSQL: ./tests/run"]
fn the_migrations_can_be_taken_back() {
    let fresh = Fresh::default();
    write(&fresh.open(), &eventful());
    fresh.by_hand(PAGES_BACK).unwrap();
    fresh.by_hand(SEALED_BACK).unwrap();
    fresh.by_hand(ACCESS_BACK).unwrap();
    fresh.by_hand(DECLARATIONS_BACK).unwrap();
    fresh
        .by_hand(include_str!("../../migrations/postgres/2026-11-24-000000_ledger/down.sql"))
        .unwrap();
    fresh.by_hand("DROP TABLE __diesel_schema_migrations").unwrap();
    let left = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace UNION \
                SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace";
    assert!(fresh.ask(left).is_empty());
    assert_eq!(fresh.open().head().unwrap().revision, nth(0));
}

/// Opening without a chain to compute, and by two programs at once.
#[test]
#[ignore = "needs PostgreSQL: ./tests/run"]
fn a_ledger_without_declarations_is_migrated_and_accepts_declarations() {
    let fresh = Fresh::default();
    write(&fresh.open(), &eventful()[..10]);
    let before = kept(&fresh.open());
    fresh
        .by_hand(&format!(
            "{PAGES_BACK}; {SEALED_BACK}; {ACCESS_BACK}; {DECLARATIONS_BACK}; DELETE \
             FROM __diesel_schema_migrations WHERE version >= '20261125000000'"
        ))
        .unwrap();
    thread::scope(|scope| (0..2).for_each(|_| drop(scope.spawn(|| fresh.open().ping().unwrap()))));
    let store = Store::open(&fresh.database.address, false).unwrap();
    assert_eq!(kept(&store), before);
    write(&store, &eventful()[10..]);
    assert_eq!(kept(&store), hashes(&eventful()));
}

#[test]
#[ignore = "needs PostgreSQL: ./tests/run"]
fn a_ledger_moves_from_a_file_to_a_server_and_back_with_the_same_hashes() {
    let (file, server, back) =
        (sqlite::Fresh::default(), Fresh::default(), sqlite::Fresh::default());
    let store = file.open();
    write(&store, &eventful()[..7]);
    assert_eq!(store.copy_into(&server.open()).unwrap(), 7);
    write(&store, &eventful()[7..]);
    assert_eq!(store.copy_into(&server.open()).unwrap(), 5);
    assert_eq!(server.open().copy_into(&back.open()).unwrap(), 12);
    same_ledgers(&store, &server.open());
    same_ledgers(&store, &back.open());
}

#[test]
#[ignore = "needs PostgreSQL: ./tests/run"]
fn the_same_commits_have_the_same_hashes_in_a_file_and_on_a_server() {
    let (file, server) = (sqlite::Fresh::default(), Fresh::default());
    filled(&file.open());
    filled(&server.open());
    assert_eq!(kept(&file.open()), kept(&server.open()));
}

#[test]
#[ignore = "needs PostgreSQL: ./tests/run"]
fn a_backup_is_left_to_the_servers_own_tools() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("copy.db");
    let error = Fresh::default().open().backup(&file).unwrap_err();
    assert!(
        matches!(error, StoreError::Backup { .. }) && error.to_string().contains("pg_dump"),
        "{error:?}"
    );
    assert!(!file.exists());
}

/// The calls of a store after changes.
fn calls(store: &Store) -> Receiver<()> {
    let (sender, calls) = channel();
    store.on_change(move || sender.send(()).unwrap_or_default());
    calls.recv_timeout(Duration::from_secs(10)).unwrap(); // it is listening now
    calls
}

#[test]
#[ignore = "needs PostgreSQL: ./tests/run"]
fn a_store_is_notified_of_other_writes_within_a_second() {
    let fresh = Fresh::default();
    let (store, other) = (fresh.open(), fresh.open());
    let (told, others) = (calls(&store), calls(&other));
    for revision in 1..=20 {
        let commit =
            if revision % 2 == 0 { bare(revision) } else { bringing(revision, Vec::new()) };
        write(&other, &[commit]);
        told.recv_timeout(Duration::from_secs(1)).unwrap();
        assert_eq!(
            store.head().unwrap().revision,
            nth(revision),
            "a revision is readable when its notification arrives"
        );
    }
    assert!(
        others.recv_timeout(Duration::from_millis(300)).is_err(),
        "an instance is not notified of its own writes"
    );
    // Refused writes cause no notification either.
    assert!(matches!(other.write(nth(7), &[bare(8)], &[]).unwrap(), WriteOutcome::Behind(_)));
    assert!(other.write(nth(20), &[bare(22)], &[]).is_err());
    assert!(told.recv_timeout(Duration::from_millis(300)).is_err());
}

/// After its connection was closed, a store listens again, and calls once because it may have
/// missed a notification.
#[test]
#[ignore = "needs PostgreSQL: ./tests/run"]
fn a_store_listens_again_after_its_connections_were_cut() {
    let fresh = Fresh::default();
    let (store, other) = (fresh.open(), fresh.open());
    let told = calls(&store);
    fresh.ask(
        "SELECT pg_terminate_backend(pid)::text FROM pg_stat_activity WHERE datname = \
         current_database() AND pid <> pg_backend_pid()",
    );
    // It listens again, and a notification may have been missed
    told.recv_timeout(Duration::from_secs(5)).unwrap();
    write(&other, &[bare(1)]);
    told.recv_timeout(Duration::from_secs(1)).unwrap();
    write(&store, &[bare(2)]);
    assert_eq!(other.head().unwrap().revision, nth(2));
}

/// A reader that continues after the last revision seen never misses one.
#[test]
#[ignore = "needs PostgreSQL: ./tests/run"]
fn revisions_become_visible_in_their_order() {
    let fresh = Fresh::default();
    // For 3 s, on a busy machine longer.
    let (began, enough) = (Instant::now(), AtomicBool::new(false));
    let continues = || !enough.load(Ordering::Relaxed) && began.elapsed() < Duration::from_secs(60);
    let insist = |store: &Store| {
        while continues() {
            let head = store.head().unwrap().revision;
            store.write(head, &[bare(head.get() + 1)], &[]).unwrap();
        }
        store.data_version().unwrap(); // ends a lock that was kept
    };
    let stores: Vec<Store> = (0..4).map(|_| fresh.open()).collect();
    let reader = fresh.open();
    let mut last = 0;
    thread::scope(|scope| {
        stores.iter().for_each(|store| drop(scope.spawn(|| insist(store))));
        while continues() {
            for row in reader.revisions(nth(last), 1000).unwrap() {
                assert_eq!(row.revision, nth(last + 1));
                last = row.revision.get();
            }
            enough.store(last > 100 && began.elapsed() > Duration::from_secs(3), Ordering::Relaxed);
        }
    });
    assert!(last > 100, "{last} revisions are too few for this test");
}

/// Permissions that are needed once to create the tables are not needed by the service.
#[test]
#[ignore = "needs PostgreSQL: ./tests/run"]
fn a_role_that_may_read_and_append_is_enough() {
    let fresh = Fresh::default();
    write(&fresh.open(), &eventful()[..6]);
    let role = fresh.database.address.rsplit_once('/').unwrap().1;
    let rights = "GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA public";
    fresh
        .by_hand(&format!(
            "CREATE ROLE {role} LOGIN; {rights} TO {role}; GRANT DELETE ON \
             idempotency_keys TO {role}; GRANT UPDATE ON writer_lock TO {role}"
        ))
        .unwrap();
    let address =
        format!("postgres://{role}@{}", fresh.database.address.rsplit_once('@').unwrap().1);
    let store = Store::open(&address, true).unwrap();
    write(&store, &eventful()[6..]);
    assert_eq!(
        (store.purge_idempotency(time_at(1)).unwrap(), store.head().unwrap().revision),
        (0, nth(12))
    );
    for refused in [
        "CREATE TABLE x (id INTEGER)",
        "UPDATE revisions SET actor = ''",
        "DELETE FROM observations",
        "DROP TABLE closings",
        "TRUNCATE closings",
    ] {
        assert!(ask(&address, refused).is_err(), "{refused}");
    }
    drop(store);
    fresh.by_hand(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).unwrap();
}

/// A store that takes its time between reading and writing is behind a store that writes all the
/// time, but only once in a row.
#[test]
#[ignore = "needs PostgreSQL: ./tests/run"]
fn competing_writers_all_make_progress() {
    let fresh = Fresh::default();
    let (busy, slow) = (fresh.open(), fresh.open());
    let attempt = |store: &Store, pause: u64| {
        let head = store.head().unwrap().revision;
        thread::sleep(Duration::from_millis(pause));
        store.write(head, &[bare(head.get() + 1)], &[]).unwrap() == WriteOutcome::Written
    };
    thread::scope(|scope| {
        let slowly = scope.spawn(|| {
            (0..10).map(|_| (1..).find(|_| attempt(&slow, 50)).unwrap()).collect::<Vec<i64>>()
        });
        while !slowly.is_finished() {
            attempt(&busy, 0);
        }
        let attempts = slowly.join().unwrap();
        assert!(
            attempts.iter().all(|attempts| *attempts <= 2) && attempts.contains(&2),
            "{attempts:?}"
        );
    });
}

#[test]
#[ignore = "needs PostgreSQL: ./tests/run"]
fn an_unused_writer_turn_ends_soon() {
    let fresh = Fresh::default();
    let (store, other) = (fresh.open(), fresh.open());
    write(&other, &[bare(1)]);
    for (revision, most) in [(2, 4_000), (3, 500), (4, 4_000)] {
        assert!(matches!(store.write(nth(0), &[bare(1)], &[]).unwrap(), WriteOutcome::Behind(_)));
        if revision == 3 {
            store.data_version().unwrap(); // nothing to write, it checks for other writers again
        }
        let began = Instant::now();
        write(&other, &[bare(revision)]);
        assert!(began.elapsed() < Duration::from_millis(most), "{:?}", began.elapsed());
    }
    assert!(store.recorded(&bare(4)).unwrap());
    write(&store, &[bare(5)]);
}
