//! Ledgers of earlier programs: `fixtures/schema-1.sql` is a dump of a ledger of the first release,
//! with a catalogue, the units, the real report of October 2021 and a correction.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::thread;

use diesel::connection::SimpleConnection;
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use egov_kpi::app::read::ledger::verify;
use ledger::{ObservationRow, StoredMeasure, StoredMonth, StoredUnit};

use crate::chain::{hashes, kept, same_ledgers};
use crate::ledger::{Place, bare, eventful, nth, replayed, span, time_at, write};
use crate::sqlite::Fresh;

const FIRST: &str = include_str!("fixtures/schema-1.sql");
/// The newest hash of that ledger. It must never change, because the chains of existing ledgers
/// depend on it.
const HASH: &str = "34adb522468f9f8326f36fbdb06bb02155456c35cbc3c3ab47f3c47482844f98";

/// A ledger of the first release.
fn first() -> Fresh {
    let fresh = Fresh::default();
    fresh.by_hand(FIRST).unwrap();
    fresh
}

/// The rows of `select` in a ledger's file: pairs of numbers.
fn pairs(fresh: &Fresh, select: &str) -> BTreeMap<i64, i64> {
    let text =
        format!("(SELECT coalesce(group_concat(one || ' ' || other, ','), '') FROM ({select}))");
    let found: String =
        diesel::select(sql::<Text>(&text)).get_result(&mut fresh.connection()).unwrap();
    let number = |text: &str| text.parse::<i64>().unwrap();
    found
        .split(',')
        .filter_map(|pair| pair.split_once(' '))
        .map(|(one, other)| (number(one), number(other)))
        .collect()
}

/// The figures of the dump, parsed from its lines.
fn dumped() -> Vec<ObservationRow> {
    let lines = FIRST.lines().filter_map(|line| {
        line.strip_prefix("INSERT INTO observations VALUES(")?.strip_suffix(");")
    });
    let rows = lines.map(|line| {
        let numbers: Vec<Option<i64>> = line.split(',').map(|number| number.parse().ok()).collect();
        let number = |nth: usize| numbers[nth].unwrap();
        ObservationRow {
            revision: nth(number(0)),
            unit: StoredUnit::new(number(1)),
            measure: StoredMeasure::new(number(2)),
            month: StoredMonth::new(number(3)),
            mantissa: numbers[4],
            scale: number(5),
        }
    });
    rows.collect()
}

#[test]
fn a_ledger_of_the_first_schema_is_migrated_whole_and_sound() {
    let fresh = first();
    let store = fresh.open();
    let figures = replayed(&store, 0, i64::MAX);
    assert_eq!((figures.len(), figures), (92, dumped()));
    let revisions = store.revisions(nth(0), 10).unwrap();
    assert_eq!(
        revisions.iter().map(|row| row.kind.as_str()).collect::<Vec<_>>(),
        ["catalogue", "units", "submission", "submission"]
    );
    assert!(revisions.iter().all(|row| row.hash.as_ref().is_some_and(|hash| hash.len() == 64)));
    let found = verify(&store, None, |_, _| ()).unwrap();
    assert_eq!((found.faults, found.count, found.figures, found.rows), (Vec::new(), 0, 91, 92));
    let commits: Vec<_> =
        store.commits(span(0, 4)).unwrap().into_iter().map(|recorded| recorded.commit).collect();
    assert_eq!((found.hash.as_str(), kept(&store)), (HASH, hashes(&commits)));
    // It can be appended to like any other ledger.
    write(&store, &[ledger::Commit { recorded_at: time_at(i64::MAX), ..bare(5) }]);
    assert_eq!(verify(&fresh.open(), None, |_, _| ()).unwrap().count, 0);
}

/// Each entry of a dictionary has an existing revision, not later than the first figure that names
/// it, and numbers and revisions increase together.
fn numbers_fit(fresh: &Fresh, table: &str, number: &str, column: &str) {
    let brought = pairs(fresh, &format!("SELECT {number} AS one, revision AS other FROM {table}"));
    let used = pairs(
        fresh,
        &format!(
            "SELECT {column} AS one, min(revision) AS other FROM observations GROUP BY {column}"
        ),
    );
    let newest = pairs(fresh, "SELECT 1 AS one, max(revision) AS other FROM revisions")[&1];
    assert!(!brought.is_empty() && brought.values().is_sorted(), "{table}: {brought:?}");
    assert!(
        brought.values().all(|revision| (1..=newest).contains(revision)),
        "{table}: {brought:?}"
    );
    for (number, first) in used {
        assert!(
            brought[&number] <= first,
            "{table}: {number} comes with {}, figures name it in {first}",
            brought[&number]
        );
    }
}

#[test]
fn the_dictionaries_of_a_first_ledger_get_revisions_that_fit_the_figures() {
    let fresh = first();
    fresh.open();
    numbers_fit(&fresh, "measures", "id", "measure");
    numbers_fit(&fresh, "unit_numbers", "number", "unit");
}

/// Measures with numbers in another order than the figures came, and numbers that no figure names.
#[test]
fn unused_and_unordered_numbers_are_hashed_correctly() {
    let fresh = Fresh::default();
    fresh.by_hand(include_str!("../../migrations/sqlite/2026-01-01-000000_ledger/up.sql")).unwrap();
    fresh
        .by_hand(
            "CREATE TABLE __diesel_schema_migrations (version VARCHAR(50) PRIMARY KEY NOT NULL, \
             run_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP);
             INSERT INTO __diesel_schema_migrations (version) VALUES ('20260101000000');
             INSERT INTO revisions VALUES (1, 1, 'units', 'a', NULL), (2, 2, 'x', 'a', NULL), (3, \
             3, 'x', 'a', NULL), (4, 4, 'x', 'a', NULL), (5, 5, 'x', 'a', NULL);
             INSERT INTO unit_numbers VALUES (0, 'u'), (1, 'v'), (2, 'w');
             INSERT INTO unit_versions VALUES (0, 1, '{}'), (1, 2, '{}'), (0, 4, '{}');
             INSERT INTO measures VALUES (0, 'unnamed', ''), (1, 'late', ''), (2, 'early', ''), \
             (3, 'between', ''), (4, 'last', ''), (5, 'never', '');
             INSERT INTO touched_units VALUES (0, 2), (0, 3), (0, 4), (1, 4);
             INSERT INTO observations VALUES (2, 0, 2, 1, 1, 0), (3, 0, 1, 1, 1, 0), (4, 0, 4, 1, \
             1, 0), (4, 1, 2, 1, 1, 0);",
        )
        .unwrap();
    let store = fresh.open();
    assert_eq!(
        pairs(&fresh, "SELECT id AS one, revision AS other FROM measures"),
        BTreeMap::from([(0, 2), (1, 2), (2, 2), (3, 4), (4, 4), (5, 5)])
    );
    assert_eq!(
        pairs(&fresh, "SELECT number AS one, revision AS other FROM unit_numbers"),
        BTreeMap::from([(0, 1), (1, 2), (2, 5)])
    );
    numbers_fit(&fresh, "measures", "id", "measure");
    let copy = Fresh::default();
    assert_eq!(store.copy_into(&copy.open()).unwrap(), 5);
    same_ledgers(&store, &copy.open());
}

#[test]
fn a_copy_of_a_first_ledger_has_the_same_hashes() {
    let (fresh, copy) = (first(), Fresh::default());
    let store = fresh.open();
    assert_eq!(store.copy_into(&copy.open()).unwrap(), 4);
    same_ledgers(&store, &copy.open());
    assert_eq!(verify(&copy.open(), None, |_, _| ()).unwrap().hash, HASH);
}

#[test]
fn a_second_opening_of_a_first_ledger_changes_nothing() {
    let fresh = first();
    fresh.open();
    let bytes = || {
        fresh.by_hand("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
        fs::read(fresh.path("ledger.db")).unwrap()
    };
    let before = bytes();
    assert_eq!(fresh.open().head().unwrap().revision, nth(4));
    assert!(bytes() == before);
}

#[test]
fn concurrent_starts_on_a_first_schema_ledger_all_succeed() {
    for _ in 0..10 {
        let fresh = first();
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    assert_eq!(
                        fresh.open().revision(nth(4)).unwrap().unwrap().hash.as_deref(),
                        Some(HASH)
                    )
                });
            }
        });
    }
}

#[test]
fn an_empty_ledger_of_the_first_schema_is_migrated() {
    let fresh = Fresh::default();
    fresh.by_hand(include_str!("../../migrations/sqlite/2026-01-01-000000_ledger/up.sql")).unwrap();
    let migrated = FIRST.split("CREATE TABLE revisions").next().unwrap();
    fresh.by_hand(&format!("{migrated} COMMIT")).unwrap();
    write(&fresh.open(), &[bare(1)]);
}

/// Reverts a migration, so that the file is as the program before it wrote it.
fn take_back(fresh: &Fresh, name: &str) {
    let down =
        fs::read_to_string(Path::new("migrations/sqlite").join(name).join("down.sql")).unwrap();
    let version: String =
        name.chars().take_while(|letter| *letter != '_').filter(char::is_ascii_digit).collect();
    fresh
        .connection()
        .batch_execute(&format!(
            "PRAGMA foreign_keys = ON; {down} DELETE FROM \
             __diesel_schema_migrations WHERE version = \
             '{version}'"
        ))
        .unwrap();
}

#[test]
fn a_ledger_without_declarations_is_migrated_and_accepts_declarations() {
    let fresh = Fresh::default();
    write(&fresh.open(), &eventful()[..10]);
    let before = kept(&fresh.open());
    take_back(&fresh, "2026-11-29-000000_pages");
    take_back(&fresh, "2026-11-28-000000_sealed");
    take_back(&fresh, "2026-11-26-000000_access");
    take_back(&fresh, "2026-11-25-000000_declarations");
    let store = fresh.open();
    assert_eq!((kept(&store), store.declarations_at(nth(10)).unwrap()), (before, Vec::new()));
    write(&store, &eventful()[10..]);
    assert_eq!(kept(&store), hashes(&eventful()));
}

/// Each migration is reverted by itself, the newest first.
#[test]
fn the_migrations_can_be_taken_back() {
    let fresh = first();
    fresh.open();
    let back = |name: &str| take_back(&fresh, name);
    back("2026-11-29-000000_pages");
    back("2026-11-28-000000_sealed");
    back("2026-11-26-000000_access");
    back("2026-11-25-000000_declarations");
    back("2026-11-24-000000_chain_keys_closings");
    let tables = "SELECT 1 AS one, count(*) AS other FROM pragma_table_info";
    assert_eq!(
        [
            pairs(&fresh, &format!("{tables}('revisions')"))[&1],
            pairs(&fresh, &format!("{tables}('measures')"))[&1]
        ],
        [5, 3]
    );
    for (table, column) in [("revisions", "reason"), ("measures", "code"), ("unit_numbers", "code")]
    {
        assert!(
            fresh
                .by_hand(&format!("UPDATE {table} SET {column} = {column}"))
                .unwrap_err()
                .contains("append-only"),
            "{table}"
        );
    }
    assert_eq!(
        verify(&fresh.open(), None, |_, _| ()).unwrap().hash,
        HASH,
        "the hash is the same after another upgrade"
    );
    back("2026-11-29-000000_pages");
    back("2026-11-28-000000_sealed");
    back("2026-11-26-000000_access");
    back("2026-11-25-000000_declarations");
    back("2026-11-24-000000_chain_keys_closings");
    back("2026-01-01-000000_ledger");
    fresh.by_hand("DROP TABLE __diesel_schema_migrations").unwrap();
    let left: i64 = sql::<BigInt>("SELECT count(*) FROM sqlite_master")
        .get_result(&mut fresh.connection())
        .unwrap();
    assert_eq!((left, fresh.open().head().unwrap().revision), (0, nth(0)));
}
