//! Queries, on every backend.

use std::collections::{BTreeMap, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};

use ledger::{
    ClosingRow, Commit, DeclarationRow, LedgerHead, ObservationKey, ObservationQuery,
    ObservationRow, RevisionContents, RevisionNumber, RevisionSpan, StoreError, StoredMeasure,
    StoredMonth, StoredUnit, TimestampMicros,
};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::keys::key_name;
use crate::ledger::{
    JANUARY, Place, bare, bringing, declaration, dictionaries, eventful, figure, filled, measures,
    nth, replayed, span, time_at, units, write,
};

pub fn an_empty_ledger_answers_everything_with_nothing(place: &dyn Place) {
    let store = place.open();
    store.ping().unwrap();
    assert_eq!(store.head().unwrap(), LedgerHead { revision: nth(0), recorded_at: time_at(0) });
    assert_eq!(store.head_at(time_at(i64::MAX)).unwrap(), LedgerHead::default());
    assert_eq!(store.catalogue().unwrap(), None);
    assert_eq!(store.catalogue_version(1).unwrap(), None);
    assert!(store.catalogue_versions().unwrap().is_empty());
    assert!(store.units().unwrap().is_empty());
    assert!(store.unit_numbers().unwrap().is_empty());
    assert!(store.measures().unwrap().is_empty());
    assert!(store.revisions(nth(0), 10).unwrap().is_empty());
    assert!(replayed(&store, 0, i64::MAX).is_empty());
    assert_eq!(store.submission("S1").unwrap(), None);
    assert!(store.submissions_of(&[nth(1), nth(2)]).unwrap().is_empty());
    assert_eq!(store.revision(nth(0)).unwrap(), None);
    assert!(
        store.commits(RevisionSpan::ALL).unwrap().is_empty()
            && store.touched_unit_mismatches(RevisionSpan::ALL).unwrap().is_empty()
    );
    assert!(
        store.revision_contents(RevisionSpan::ALL, 9).unwrap().is_empty()
            && store.closings_at(RevisionNumber::END).unwrap().is_empty()
    );
    assert!(
        store.declarations_at(RevisionNumber::END).unwrap().is_empty()
            && store.times(nth(i64::MAX)).unwrap().is_empty()
    );
    assert!(
        store.idempotent_responses().unwrap().is_empty()
            && store.idempotent_response(key_name("holder", "target", "key")).unwrap().is_none()
    );
    assert!(store.observations(&ObservationQuery::default()).unwrap().is_empty());
}

pub fn replay_brings_the_range_in_order_however_it_was_sent(place: &dyn Place) {
    let store = place.open();
    write(&store, &[dictionaries(3, 3)]);
    for revision in 2..=4 {
        let mut rows = Vec::new();
        for (unit, measure, month) in [(3, 1, 2), (1, 2, 1), (1, 2, 0), (1, 1, 5), (2, 3, 0)] {
            rows.push(figure(revision, unit, measure, JANUARY + month, Some(revision)));
        }
        write(&store, &[bringing(revision, rows)]);
    }
    let rows = replayed(&store, 0, i64::MAX);
    assert_eq!(rows.len(), 15);
    assert!(rows.is_sorted_by_key(ObservationRow::key));
    assert_eq!(replayed(&store, 2, 3), rows[5..10]);
    assert_eq!(replayed(&store, 3, 99), rows[10..]);
    assert!(replayed(&store, 4, 4).is_empty() && replayed(&store, 4, 1).is_empty());
}

/// Sizes around a page of 8,192, so that an end at the end of a page is tested as well.
pub fn replay_brings_every_figure_of_many_pages(place: &dyn Place) {
    let store = place.open();
    write(&store, &[dictionaries(100, 1)]);
    let mut expected = Vec::new();
    for (revision, count) in [(2, 8191), (3, 1), (4, 8192), (5, 30_000)] {
        let rows: Vec<_> =
            (0..count).map(|n| figure(revision, 1 + n / 1000, 1, n % 1000, Some(n))).collect();
        expected.extend_from_slice(&rows);
        write(&store, &[bringing(revision, rows)]);
    }
    assert_eq!(replayed(&store, 0, 2).len(), 8191);
    assert_eq!(replayed(&store, 0, 3), expected[..8192]);
    assert_eq!(replayed(&store, 3, 4).len(), 8192);
    assert_eq!(replayed(&store, 0, 5), expected);
}

/// Once with a window that is read without threads, and once with many windows.
pub fn replay_survives_a_panic_of_the_one_who_takes(place: &dyn Place) {
    let store = place.open();
    write(&store, &[dictionaries(60, 1)]);
    for revision in 2..=21 {
        write(
            &store,
            &[bringing(
                revision,
                (0..20_000).map(|n| figure(revision, 1 + n / 1000, 1, n % 1000, None)).collect(),
            )],
        );
    }
    for (after, up_to) in [(1, 2), (0, 21)] {
        let mut seen = 0;
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            store.replay(span(after, up_to), &mut |_| {
                seen += 1;
                assert!(seen < 10_000, "enough");
            })
        }));
        assert!(outcome.is_err());
    }
    assert_eq!(replayed(&store, 0, 21).len(), 400_000);
}

/// The expected result of a query, by filtering all figures.
fn chosen(all: &[ObservationRow], query: &ObservationQuery) -> Vec<ObservationRow> {
    all.iter()
        .filter(|row| query.units.as_ref().is_none_or(|units| units.contains(&row.unit)))
        .filter(|row| {
            query.measures.as_ref().is_none_or(|measures| measures.contains(&row.measure))
        })
        .filter(|row| {
            query.from_month.is_none_or(|month| row.month >= month)
                && query.to_month.is_none_or(|month| row.month <= month)
        })
        .filter(|row| {
            query.after_revision.is_none_or(|after| row.revision > after)
                && query.up_to_revision.is_none_or(|up_to| row.revision <= up_to)
        })
        .filter(|row| query.after.is_none_or(|place| row.key() > place))
        .take(usize::try_from(query.limit).unwrap())
        .copied()
        .collect()
}

/// Any query over the ledger that `filled` writes; lists are both shorter and longer than those
/// that the store passes to the database.
fn queries() -> impl Strategy<Value = ObservationQuery> {
    let units = prop::option::of(prop_oneof![
        prop::collection::vec(0..310_i64, 0..6),
        prop::collection::vec(0..310_i64, 190..260)
    ]);
    let measures = prop::option::of(prop_oneof![
        prop::collection::vec(0..9_i64, 0..4),
        prop::collection::vec(0..400_i64, 201..300)
    ]);
    let month = || prop::option::of(JANUARY - 1..JANUARY + 16);
    let revision = || prop::option::of(-1..45_i64);
    let place = (0..45_i64, 0..310_i64, 0..9_i64, JANUARY..JANUARY + 16).prop_map(
        |(revision, unit, measure, month)| ObservationKey {
            revision: nth(revision),
            unit: StoredUnit::new(unit),
            measure: StoredMeasure::new(measure),
            month: StoredMonth::new(month),
        },
    );
    let limit = prop_oneof![0..5_u32, 5..3000_u32, Just(u32::MAX)];
    (units, measures, month(), month(), revision(), revision(), prop::option::of(place), limit)
        .prop_map(
            |(
                units,
                measures,
                from_month,
                to_month,
                after_revision,
                up_to_revision,
                after,
                limit,
            )| ObservationQuery {
                units: units.as_deref().map(self::units),
                measures: measures.as_deref().map(self::measures),
                from_month: from_month.map(StoredMonth::new),
                to_month: to_month.map(StoredMonth::new),
                after_revision: after_revision.map(nth),
                up_to_revision: up_to_revision.map(nth),
                after,
                limit,
            },
        )
}

pub fn a_query_finds_exactly_what_reading_everything_and_choosing_finds(place: &dyn Place) {
    let store = place.open();
    let all = filled(&store);
    assert_eq!(replayed(&store, 0, i64::MAX), all);
    let check = |query: ObservationQuery| {
        prop_assert_eq!(store.observations(&query).unwrap(), chosen(&all, &query));
        Ok(())
    };
    TestRunner::new(Config { cases: 300, failure_persistence: None, ..Config::default() })
        .run(&queries(), check)
        .unwrap();
    let of_one = store
        .observations(
            &ObservationQuery { limit: 100_000, ..ObservationQuery::default() }.of_revision(nth(7)),
        )
        .unwrap();
    assert!(!of_one.is_empty());
    assert_eq!(
        of_one,
        all.iter().filter(|row| row.revision == nth(7)).copied().collect::<Vec<_>>()
    );
}

pub fn pages_by_cursor_equal_the_whole(place: &dyn Place) {
    let store = place.open();
    let all = filled(&store);
    let everybody: Vec<StoredUnit> = (1..=300).map(StoredUnit::new).collect();
    for (units, measures, limit) in [
        (None, None, 97),
        (Some(units(&[5, 77, 130])), None, 3),
        (Some(everybody), Some(measures(&[2, 4])), 61),
        (None, Some(measures(&[5])), 1000),
    ] {
        let mut query = ObservationQuery { units, measures, limit, ..ObservationQuery::default() };
        let whole = chosen(&all, &ObservationQuery { limit: u32::MAX, ..query.clone() });
        let mut paged = Vec::new();
        loop {
            let page = store.observations(&query).unwrap();
            assert!(page.len() <= usize::try_from(limit).unwrap());
            let Some(last) = page.last() else { break };
            query.after = Some(last.key());
            paged.extend(page);
        }
        assert_eq!(paged, whole);
    }
}

pub fn submissions_are_found_by_identifier_and_by_revision(place: &dyn Place) {
    let store = place.open();
    write(&store, &[dictionaries(1, 1), bringing(2, Vec::new()), bare(3), bringing(4, Vec::new())]);
    assert_eq!(store.submission("S4").unwrap().unwrap().revision.revision, nth(4));
    assert!(
        store.submission("s4").unwrap().is_none()
            && store.submission("S3").unwrap().is_none()
            && store.submission("").unwrap().is_none()
    );
    let many: Vec<RevisionNumber> = (-5..40_000).rev().chain([2, 2]).map(nth).collect();
    let found: Vec<_> = store
        .submissions_of(&many)
        .unwrap()
        .into_iter()
        .map(|record| (record.revision.revision, record.submission.id))
        .collect();
    assert_eq!(found, [(nth(2), "S2".to_owned()), (nth(4), "S4".to_owned())]);
    assert!(store.submissions_of(&[]).unwrap().is_empty());
}

pub fn the_newest_version_of_each_unit_counts_at_each_revision(place: &dyn Place) {
    let store = place.open();
    let version = |revision: i64, units: &[i64]| Commit {
        unit_versions: units
            .iter()
            .map(|unit| (StoredUnit::new(*unit), format!("{unit} in {revision}")))
            .collect(),
        ..bare(revision)
    };
    write(
        &store,
        &[
            dictionaries(3, 0),
            version(2, &[1, 3]),
            version(3, &[3]),
            Commit { new_units: vec![(StoredUnit::new(4), "unversioned".to_owned())], ..bare(4) },
        ],
    );
    let revisions = |revision: i64| {
        store
            .units_at(nth(revision))
            .unwrap()
            .into_iter()
            .map(|unit| unit.revision.get())
            .collect::<Vec<_>>()
    };
    assert!(revisions(0).is_empty());
    assert_eq!(revisions(1), [1, 1, 1]);
    assert_eq!(revisions(2), [2, 1, 2]);
    assert_eq!(revisions(3), [2, 1, 3]);
    assert_eq!(store.units().unwrap(), store.units_at(nth(3)).unwrap());
    assert_eq!(store.units().unwrap()[2].document, "3 in 3");
}

pub fn the_catalogue_keeps_every_version(place: &dyn Place) {
    let store = place.open();
    let version = |revision: i64, version: i64| Commit {
        catalogue: Some((version, format!("catalogue {version}"))),
        ..bare(revision)
    };
    write(&store, &[version(1, 1), bare(2), version(3, 2)]);
    assert_eq!(store.catalogue_versions().unwrap(), [(1, nth(1)), (2, nth(3))]);
    assert_eq!(store.catalogue().unwrap().unwrap().document, "catalogue 2");
    assert_eq!(store.catalogue_version(1).unwrap().unwrap().document, "catalogue 1");
    assert!(store.catalogue_version(3).unwrap().is_none());
    assert!(matches!(store.write(nth(3), &[version(4, 2)], &[]), Err(StoreError::Conflict(_))));
}

pub fn the_revision_of_a_time_is_the_last_one_before_it(place: &dyn Place) {
    let store = place.open();
    let times = [10, 20, 20, 20, 30, 45, 45];
    let commits: Vec<_> = (1..)
        .zip(times)
        .map(|(revision, recorded_at)| Commit {
            recorded_at: time_at(recorded_at),
            ..bare(revision)
        })
        .collect();
    write(&store, &commits);
    for time in 0..50 {
        let revision =
            i64::try_from(times.iter().filter(|recorded_at| **recorded_at <= time).count())
                .unwrap();
        assert_eq!(store.head_at(time_at(time)).unwrap().revision, nth(revision), "at {time}");
    }
    assert_eq!(store.head_at(time_at(29)).unwrap().recorded_at, time_at(20));
}

pub fn at_each_revision_the_ledger_is_as_it_was_then(place: &dyn Place) {
    let store = place.open();
    let written = eventful();
    write(&store, &written);
    for revision in 0..=written.len() {
        let (then, number) = (&written[..revision], i64::try_from(revision).unwrap());
        let closings = then.iter().flat_map(|commit| {
            commit.closings.iter().map(|&(month, closed)| ClosingRow {
                revision: commit.revision,
                month,
                closed,
            })
        });
        assert_eq!(
            store.closings_at(nth(number)).unwrap(),
            closings.collect::<Vec<_>>(),
            "closings at {revision}"
        );
        let measures: Vec<_> = then.iter().flat_map(|commit| commit.new_measures.clone()).collect();
        assert_eq!(store.measures_at(nth(number)).unwrap(), measures, "measures at {revision}");
        let catalogue = then.iter().rev().find_map(|commit| {
            commit.catalogue.clone().map(|(version, document)| (version, commit.revision, document))
        });
        let found = store
            .catalogue_at(nth(number))
            .unwrap()
            .map(|found| (found.version, found.revision, found.document));
        assert_eq!(found, catalogue, "catalogue at {revision}");
        let mut units: HashMap<StoredUnit, (RevisionNumber, String)> = HashMap::new();
        for commit in then {
            units.extend(
                commit
                    .unit_versions
                    .iter()
                    .map(|(unit, document)| (*unit, (commit.revision, document.clone()))),
            );
        }
        let found: HashMap<_, _> = store
            .units_at(nth(number))
            .unwrap()
            .into_iter()
            .map(|unit| (unit.number, (unit.revision, unit.document)))
            .collect();
        assert_eq!(found, units, "units at {revision}");
        let mut declared: BTreeMap<(String, String), DeclarationRow> = BTreeMap::new();
        for (commit, row) in then
            .iter()
            .flat_map(|commit| commit.declarations.iter().map(move |row| (commit, row.clone())))
        {
            let version = DeclarationRow {
                revision: commit.revision,
                kind: row.kind,
                code: row.code,
                document: row.document,
            };
            declared.insert((version.kind.clone(), version.code.clone()), version);
        }
        let declared: Vec<_> =
            declared.into_values().filter(|version| version.document.is_some()).collect();
        assert_eq!(
            store.declarations_at(nth(number)).unwrap(),
            declared,
            "declarations at {revision}"
        );
        assert_eq!(
            store.times(nth(number)).unwrap(),
            then.iter().map(|commit| commit.recorded_at).collect::<Vec<_>>(),
            "times at {revision}"
        );
    }
    assert_eq!(store.measures_at(RevisionNumber::END).unwrap(), store.measures().unwrap());
    assert_eq!(store.closings_at(RevisionNumber::END).unwrap().len(), 5);
    assert_eq!(
        (
            store.declarations_at(RevisionNumber::END).unwrap().len(),
            store.times(nth(i64::MAX)).unwrap().len()
        ),
        (4, 12)
    );
    assert!(
        store.declarations_at(nth(-1)).unwrap().is_empty()
            && store.times(nth(-1)).unwrap().is_empty()
    );
    assert!(
        store.closings_at(nth(-1)).unwrap().is_empty()
            && store.measures_at(nth(-1)).unwrap().is_empty()
            && store.units_at(nth(-1)).unwrap().is_empty()
    );
}

pub fn what_revisions_brought_besides_figures_is_named(place: &dyn Place) {
    let store = place.open();
    write(&store, &eventful());
    let changed = |codes: &[&str]| RevisionContents {
        units: codes.iter().map(|code| (*code).to_owned()).collect(),
        ..RevisionContents::default()
    };
    let months = |months: &[i64]| RevisionContents {
        months: months.iter().map(|month| StoredMonth::new(JANUARY + month)).collect(),
        ..RevisionContents::default()
    };
    let declared = |codes: &[&str]| RevisionContents {
        declarations: codes.iter().map(|code| (*code).to_owned()).collect(),
        ..RevisionContents::default()
    };
    let catalogue =
        |version: i64| RevisionContents { catalogue: Some(version), ..RevisionContents::default() };
    let all = [
        (nth(1), catalogue(1)),
        (nth(2), changed(&["unit-1", "unit-2", "unit-3", "unit-4"])),
        (nth(5), months(&[0, 1])),
        (nth(6), months(&[0, 2])),
        (nth(7), changed(&["unit-1", "unit-5"])),
        (nth(8), catalogue(2)),
        (nth(10), months(&[2])),
        (nth(11), declared(&["dich-2021", "B.z", "a-b", "a.c", "dich-2021"])),
        (
            nth(12),
            RevisionContents {
                units: vec!["unit-2".to_owned(), "unit-5".to_owned()],
                ..declared(&["dich-2021", "B.z", "never"])
            },
        ),
    ];
    assert_eq!(store.revision_contents(span(0, 12), 9).unwrap(), HashMap::from(all.clone()));
    assert_eq!(
        store.revision_contents(span(4, 8), 9).unwrap(),
        HashMap::from_iter(all[2..6].iter().cloned())
    );
    assert_eq!(
        store.revision_contents(span(1, 2), 3).unwrap(),
        HashMap::from([(nth(2), changed(&["unit-1", "unit-2", "unit-3"]))])
    );
    assert_eq!(
        store.revision_contents(span(10, 11), 3).unwrap(),
        HashMap::from([(nth(11), declared(&["dich-2021", "B.z", "a-b"]))])
    );
    assert!(
        store.revision_contents(span(2, 4), 9).unwrap().is_empty()
            && store.revision_contents(span(12, 99), 9).unwrap().is_empty()
    );
}

pub fn the_newest_version_of_each_declaration_counts_until_it_is_taken_away(place: &dyn Place) {
    let store = place.open();
    let declaring = |revision: i64, kind: &str, code: &str, document: Option<&str>| Commit {
        declarations: vec![declaration(kind, code, document)],
        ..bare(revision)
    };
    write(
        &store,
        &[
            declaring(1, "target", "a", Some("1")),
            declaring(2, "target", "a", Some("2")),
            declaring(3, "annotation", "a", Some("3")),
            declaring(4, "target", "a", None),
            declaring(5, "target", "b", Some("5")),
            declaring(6, "target", "a", Some("6")),
        ],
    );
    let standing = |revision: i64| {
        let rows = store.declarations_at(nth(revision)).unwrap().into_iter();
        rows.map(|row| {
            format!("{} {} {} {}", row.kind, row.code, row.revision, row.document.unwrap())
        })
        .collect::<Vec<_>>()
    };
    assert_eq!(standing(1), ["target a 1 1"]);
    assert_eq!(standing(2), ["target a 2 2"]);
    assert_eq!(standing(3), ["annotation a 3 3", "target a 2 2"]);
    assert_eq!(standing(4), ["annotation a 3 3"]);
    assert_eq!(standing(5), ["annotation a 3 3", "target b 5 5"]);
    assert_eq!(standing(6), ["annotation a 3 3", "target a 6 6", "target b 5 5"]);
    assert_eq!(standing(i64::MAX), standing(6));
}

/// More than are read in one statement.
pub fn the_times_of_all_revisions_are_read_in_order(place: &dyn Place) {
    let store = place.open();
    let commits: Vec<_> = (1..=50_001)
        .map(|revision| Commit { recorded_at: time_at(revision / 3), ..bare(revision) })
        .collect();
    write(&store, &commits);
    let times = |up_to: i64| store.times(nth(up_to)).unwrap();
    let expected: Vec<TimestampMicros> = commits.iter().map(|commit| commit.recorded_at).collect();
    for up_to in [0, 1, 49_999, 50_000, 50_001] {
        assert_eq!(times(up_to), expected[..usize::try_from(up_to).unwrap()], "{up_to}");
    }
    assert_eq!(times(i64::MAX), expected);
    place.tamper("revisions", "DELETE FROM revisions WHERE revision = 50000");
    assert!(matches!(store.times(nth(50_001)), Err(StoreError::Corrupt { .. })));
}

/// The order is that of bytes, whatever the language of the database is.
pub fn units_are_named_in_the_same_order_everywhere(place: &dyn Place) {
    let store = place.open();
    let codes = ["B.z", "a-b", "a.c", "a_a", "ab", "b.a", "d", "z9"];
    let numbered: Vec<(StoredUnit, String)> =
        (1..).map(StoredUnit::new).zip(codes.iter().rev().map(|code| (*code).to_owned())).collect();
    let unit_versions = numbered.iter().map(|(number, _)| (*number, "{}".to_owned())).collect();
    write(&store, &[Commit { new_units: numbered, unit_versions, ..bare(1) }]);
    assert_eq!(store.revision_contents(span(0, 1), 9).unwrap()[&nth(1)].units, codes);
    assert_eq!(store.revision_contents(span(0, 1), 3).unwrap()[&nth(1)].units, codes[..3]);
}
