//! SQLite only: addresses, files, formats, backups.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::thread;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use egov_kpi::app::read::ledger::verify;
use ledger::{ObservationQuery, RevisionSpan, Store, StoreError};
use tempfile::TempDir;

use crate::ledger::{
    Place, bare, bringing, dictionaries, figure, filled, nth, replayed, units, write,
};

/// A folder with one ledger file.
pub struct Fresh {
    folder: TempDir,
}

impl Default for Fresh {
    fn default() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }
}

impl Fresh {
    pub fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    pub fn connection(&self) -> SqliteConnection {
        let mut connection = SqliteConnection::establish(&self.path("ledger.db")).unwrap();
        // A closed store may still be writing its log back.
        connection.batch_execute("PRAGMA busy_timeout = 5000").unwrap();
        connection
    }
}

impl Place for Fresh {
    fn open(&self) -> Store {
        open(&self.path("ledger.db")).unwrap()
    }

    fn by_hand(&self, statement: &str) -> Result<(), String> {
        self.connection().batch_execute(statement).map_err(|error| error.to_string())
    }

    fn guards_figures(&self) -> bool {
        false
    }

    fn unguarded(&self) -> &'static str {
        "PRAGMA foreign_keys = OFF; "
    }

    fn tamper(&self, table: &str, statement: &str) {
        for trigger in ["keep", "keep_hash", "stay", "belong", "follow"] {
            self.by_hand(&format!("DROP TRIGGER IF EXISTS {table}_{trigger}")).unwrap();
        }
        self.by_hand(&format!("PRAGMA foreign_keys = OFF; {statement}")).unwrap();
    }
}

fn open(path: &str) -> Result<Store, StoreError> {
    Store::open(&format!("sqlite://{path}"), true)
}

fn fault(opened: Result<Store, StoreError>) -> StoreError {
    opened.err().unwrap()
}

/// The error with which an address is refused.
fn refusal(address: &str, create: bool) -> String {
    let error = fault(Store::open(address, create));
    assert!(matches!(error, StoreError::Address(_)), "{address}: {error:?}");
    error.to_string()
}

#[test]
fn an_address_says_which_database_or_is_refused_with_what_is_right() {
    for address in [
        "",
        "ledger.db",
        "/tmp/ledger.db",
        "sqlite:ledger.db",
        "mysql://host/db",
        "SQLITE://x.db",
        "file:x.db",
    ] {
        assert!(
            refusal(address, true).contains("sqlite:// followed by the path of a file"),
            "{address}"
        );
    }
    for address in ["sqlite://", "sqlite://:memory:", "sqlite://ledger.db?mode=ro"] {
        assert!(refusal(address, true).contains("without parameters"), "{address}");
    }
    assert!(!refusal("mysql://user:secret@host/db", true).contains("secret"));
}

#[test]
fn a_missing_database_is_made_only_when_asked() {
    let fresh = Fresh::default();
    let path = fresh.path("ledger.db");
    assert!(refusal(&format!("sqlite://{path}"), false).contains("There is no database at"));
    assert!(!Path::new(&path).exists());
    open(&path).unwrap();
    assert!(Store::open(&format!("sqlite://{path}"), false).is_ok());
    assert!(
        refusal(&format!("sqlite://{}", fresh.path("no/folder/ledger.db")), true)
            .contains("does not exist")
    );
    assert!(refusal(&format!("sqlite://{}", fresh.path("")), true).contains("is a folder"));
}

#[test]
fn paths_may_be_relative_and_hold_any_letters() {
    let fresh = Fresh::default();
    let here = std::env::current_dir().unwrap();
    let up = "../".repeat(here.components().count() - 1);
    for name in ["plain.db", "50% of #1.db", "Trà Vinh.db", "file:x.db", "a&b=c.db", "%2e.db"] {
        let relative = format!("{up}{}", fresh.path(name).trim_start_matches('/'));
        write(&open(&relative).unwrap(), &[bare(1)]);
        assert!(Path::new(&fresh.path(name)).is_file(), "{name}");
        assert_eq!(open(&fresh.path(name)).unwrap().head().unwrap().revision, nth(1), "{name}");
    }
}

#[test]
fn opening_again_migrates_nothing_and_loses_nothing() {
    let fresh = Fresh::default();
    write(&fresh.open(), &[bare(1)]);
    let before = fs::read(fresh.path("ledger.db")).unwrap();
    assert_eq!(fresh.open().head().unwrap().revision, nth(1));
    assert_eq!(fs::read(fresh.path("ledger.db")).unwrap(), before);
}

#[test]
fn concurrent_starts_on_a_new_file_all_succeed() {
    for _ in 0..40 {
        let fresh = Fresh::default();
        thread::scope(|scope| {
            for _ in 0..6 {
                scope.spawn(|| fresh.open().ping().unwrap());
            }
        });
    }
}

#[test]
fn a_newer_programs_database_is_refused_and_left_as_it_is() {
    let fresh = Fresh::default();
    write(&fresh.open(), &[bare(1)]);
    fresh
        .by_hand("INSERT INTO __diesel_schema_migrations (version) VALUES ('99990101000000')")
        .unwrap();
    let before = fs::read(fresh.path("ledger.db")).unwrap();
    let error = fault(open(&fresh.path("ledger.db")));
    let both = ("99990101000000", "20261129000000");
    assert!(
        matches!(
            &error,
            StoreError::NewerSchema { found, known } if (&**found, &**known) == both
        ),
        "{error:?}"
    );
    assert_eq!(fs::read(fresh.path("ledger.db")).unwrap(), before);
}

#[test]
fn another_programs_file_is_refused_and_left_as_it_is() {
    let fresh = Fresh::default();
    fresh.by_hand("CREATE TABLE their_own (id INTEGER)").unwrap();
    let before = fs::read(fresh.path("ledger.db")).unwrap();
    assert!(
        refusal(&format!("sqlite://{}", fresh.path("ledger.db")), true).contains("another program")
    );
    assert_eq!(fs::read(fresh.path("ledger.db")).unwrap(), before);

    fs::write(
        fresh.path("text.db"),
        "This is no database, but a text of some length. ".repeat(100),
    )
    .unwrap();
    let error = fault(open(&fresh.path("text.db")));
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error:?}");
}

#[test]
fn a_damaged_file_is_named_as_such() {
    let fresh = Fresh::default();
    filled(&fresh.open());
    let mut bytes = fs::read(fresh.path("ledger.db")).unwrap();
    bytes[4096 * 8..].fill(0xA5);
    fs::write(fresh.path("ledger.db"), bytes).unwrap();
    let outcome = open(&fresh.path("ledger.db"))
        .and_then(|store| store.replay(RevisionSpan::ALL, &mut |_| ()));
    assert!(matches!(outcome, Err(StoreError::Corrupt { .. })));
}

#[test]
fn a_locked_database_is_unavailable_and_serves_again_afterwards() {
    let fresh = Fresh::default();
    let store = fresh.open();
    write(&store, &[bare(1)]);
    let mut other = fresh.connection();
    other.batch_execute("BEGIN IMMEDIATE").unwrap();
    let error = store.write(nth(1), &[bare(2)], &[]).unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    assert_eq!(store.head().unwrap().revision, nth(1));
    other.batch_execute("ROLLBACK").unwrap();
    write(&store, &[bare(2)]);
}

/// SQLite treats its own limit on pages like a full disk. The limit belongs to a connection, so the
/// store's own writer cannot be used.
#[test]
fn a_full_disk_is_reported_as_transient() {
    let fresh = Fresh::default();
    fresh.open();
    let mut db = fresh.connection();
    db.batch_execute("PRAGMA max_page_count = 1").unwrap();
    let error = StoreError::from(
        db.batch_execute("CREATE TABLE filling AS SELECT zeroblob(1000000)").unwrap_err(),
    );
    assert!(matches!(error, StoreError::Full(_)) && error.is_transient(), "{error:?}");
}

#[test]
fn a_read_only_file_is_reported_as_transient() {
    let fresh = Fresh::default();
    fresh.open();
    let mut db = fresh.connection();
    db.batch_execute("PRAGMA query_only = ON").unwrap();
    let error =
        StoreError::from(db.batch_execute("CREATE TABLE filling (id INTEGER)").unwrap_err());
    assert!(matches!(error, StoreError::ReadOnly(_)) && error.is_transient(), "{error:?}");
}

#[test]
fn an_unreadable_row_is_reported_as_corrupt() {
    let error =
        StoreError::from(diesel::result::Error::DeserializationError("not a number".into()));
    assert!(matches!(error, StoreError::Corrupt { .. }) && error.source().is_some());
}

#[test]
fn client_messages_contain_no_sql_and_the_log_has_the_cause() {
    let fresh = Fresh::default();
    let store = fresh.open();
    write(&store, &[dictionaries(1, 1)]);
    let error =
        store.write(nth(1), &[bringing(2, vec![figure(2, 7, 1, 1, None)])], &[]).unwrap_err();
    assert_eq!(error.to_string(), "The ledger refused an entry that contradicts its content.");
    assert!(error.source().unwrap().to_string().contains("FOREIGN KEY"));
}

#[test]
fn a_backup_is_a_whole_ledger_and_never_overwrites() {
    let fresh = Fresh::default();
    let store = fresh.open();
    let all = filled(&store);
    let file = fresh.path("Sao lưu 'đầu'.db");
    store.backup(Path::new(&file)).unwrap();
    write(&store, &[bare(41)]);

    let copy = Store::open(&format!("sqlite://{file}"), false).unwrap();
    assert_eq!(copy.head().unwrap().revision, nth(40));
    assert_eq!(replayed(&copy, 0, i64::MAX), all);
    assert_eq!(
        (copy.units().unwrap(), copy.measures().unwrap()),
        (store.units().unwrap(), store.measures().unwrap())
    );
    let query = ObservationQuery { units: Some(units(&[13])), ..ObservationQuery::default() };
    assert_eq!(copy.observations(&query).unwrap(), store.observations(&query).unwrap());
    write(&copy, &[bare(41)]);
    drop(copy);

    let before = fs::read(&file).unwrap();
    assert!(matches!(store.backup(Path::new(&file)), Err(StoreError::Backup { .. })));
    assert!(matches!(store.backup(fresh.folder.path()), Err(StoreError::Backup { .. })));
    assert!(matches!(
        store.backup(&fresh.folder.path().join("no/folder.db")),
        Err(StoreError::Backup { .. })
    ));
    assert_eq!(fs::read(&file).unwrap(), before);
}

#[test]
fn triggers_that_were_dropped_changed_or_added_are_found() {
    for (statement, expected) in [
        ("DROP TRIGGER observations_keep", "observations.observations_keep is missing"),
        (
            "DROP TRIGGER closings_stay; \
             CREATE TRIGGER closings_stay BEFORE DELETE ON closings BEGIN SELECT 1; END",
            "closings.closings_stay was changed or disabled",
        ),
        (
            "CREATE TRIGGER mine AFTER INSERT ON revisions BEGIN SELECT 1; END",
            "revisions.mine was not created by this program",
        ),
    ] {
        let fresh = Fresh::default();
        write(&fresh.open(), &[bare(1)]);
        assert!(fresh.open().trigger_differences().unwrap().is_empty());
        fresh.by_hand(statement).unwrap();
        assert_eq!(fresh.open().trigger_differences().unwrap(), [expected]);
        let faults = verify(&fresh.open(), None, |_, _| ()).unwrap().faults;
        assert!(faults.iter().any(|fault| fault.contains(expected)), "{faults:?}");
    }
}
