//! The hash chain, reading of whole commits, verification and copying, on every backend.

use egov_kpi::app::read::ledger::verify;
use ledger::{
    Commit, MeasureRow, ObservationRow, RecordedCommit, RevisionSpan, Store, StoreError,
    StoredMeasure, StoredMonth, StoredUnit, chain,
};
use sha2::{Digest, Sha256};

use crate::ledger::{
    JANUARY, Place, bare, bringing, declaration, eventful, figure, filled, nth, span, submission,
    time_at, write,
};
use crate::sqlite;

/// A revision as bytes, written a second time from the documentation of `store::chain`.
#[derive(Default)]
struct Bytes(Vec<u8>);

impl Bytes {
    fn number(&mut self, number: i64) {
        self.0.extend(number.to_be_bytes());
    }

    fn length(&mut self, length: usize) {
        self.number(i64::try_from(length).unwrap());
    }

    fn text(&mut self, text: &str) {
        self.length(text.len());
        self.0.extend(text.as_bytes());
    }

    fn maybe(&mut self, text: Option<&String>) {
        match text {
            Some(text) => self.text(text),
            None => self.number(-1),
        }
    }

    fn list<T: Clone>(
        &mut self,
        entries: &[T],
        number: impl Fn(&T) -> i64,
        each: impl Fn(&mut Self, &T),
    ) {
        let mut entries = entries.to_vec();
        entries.sort_by_key(|entry| number(entry));
        self.length(entries.len());
        entries.iter().for_each(|entry| each(self, entry));
    }

    fn commit(&mut self, commit: &Commit) {
        self.number(commit.revision.get());
        self.number(commit.recorded_at.get());
        self.text(&commit.kind);
        self.text(&commit.actor);
        self.maybe(commit.reason.as_ref());
        self.number(i64::from(commit.submission.is_some()));
        if let Some(row) = &commit.submission {
            self.text(&row.id);
            self.text(&row.source_kind);
            self.maybe(row.reference.as_ref());
            for count in [row.created, row.revised, row.unchanged, row.withdrawn] {
                self.number(count);
            }
            self.text(&row.findings);
            self.maybe(row.withdraws.as_ref());
        }
        let named = |bytes: &mut Self, number: i64, text: &str| {
            bytes.number(number);
            bytes.text(text);
        };
        let unit = |bytes: &mut Self, (number, text): &(StoredUnit, String)| {
            named(bytes, number.get(), text);
        };
        let measure = |bytes: &mut Self, row: &MeasureRow| {
            named(bytes, row.id.get(), &row.code);
            bytes.text(&row.members);
        };
        self.list(&commit.new_measures, |row| row.id.get(), measure);
        self.list(&commit.new_units, |row| row.0.get(), unit);
        self.list(&commit.unit_versions, |row| row.0.get(), unit);
        self.number(i64::from(commit.catalogue.is_some()));
        commit.catalogue.iter().for_each(|(version, text)| named(self, *version, text));
        let closing = |bytes: &mut Self, (month, closed): &(StoredMonth, bool)| {
            bytes.number(month.get());
            bytes.number(i64::from(*closed));
        };
        self.list(&commit.closings, |row| row.0.get(), closing);
        if !commit.declarations.is_empty() {
            let mut declarations = commit.declarations.clone();
            declarations.sort_by_key(|row| (row.kind.clone(), row.code.clone()));
            self.length(declarations.len());
            for row in declarations {
                self.text(&row.kind);
                self.text(&row.code);
                self.maybe(row.document.as_ref());
            }
        }
        if let Some(origin) = &commit.origin {
            self.number(-2);
            self.text(origin);
        }
        let mut figures = commit.observations.clone();
        figures.sort_by_key(ObservationRow::key);
        self.length(figures.len());
        for row in figures {
            for number in [
                row.unit.get(),
                row.measure.get(),
                row.month.get(),
                row.mantissa.unwrap_or(i64::MIN),
                row.scale,
            ] {
                self.number(number);
            }
        }
    }
}

/// The hashes of commits, from the first one on.
pub fn hashes(commits: &[Commit]) -> Vec<Option<String>> {
    let mut last = Sha256::digest("egov-kpi ledger 1").to_vec();
    let next = |commit: &Commit| {
        let mut bytes = Bytes(std::mem::take(&mut last));
        bytes.commit(commit);
        last = Sha256::digest(&bytes.0).to_vec();
        Some(last.iter().map(|byte| format!("{byte:02x}")).collect())
    };
    commits.iter().map(next).collect()
}

/// The hashes stored in a ledger.
pub fn kept(store: &Store) -> Vec<Option<String>> {
    store.revisions(nth(0), 10_000).unwrap().into_iter().map(|row| row.hash).collect()
}

pub fn every_commit_reads_back_whole_whichever_revisions_are_asked_for(place: &dyn Place) {
    let store = place.open();
    let written = eventful();
    write(&store, &written);
    let expected: Vec<RecordedCommit> = written
        .iter()
        .cloned()
        .zip(hashes(&written))
        .map(|(commit, hash)| RecordedCommit { commit, hash })
        .collect();
    let last = expected.len();
    for after in 0..=last {
        for up_to in after..=last {
            let window = span(i64::try_from(after).unwrap(), i64::try_from(up_to).unwrap());
            assert_eq!(store.commits(window).unwrap(), expected[after..up_to], "{window:?}");
        }
    }
    assert_eq!(store.commits(RevisionSpan::ALL).unwrap(), expected);
    assert!(store.commits(span(7, 3)).unwrap().is_empty());
    for (number, recorded) in (1..).zip(&expected) {
        assert_eq!(store.revision(nth(number)).unwrap().unwrap().hash, recorded.hash);
    }
    assert_eq!((store.revision(nth(0)).unwrap(), store.revision(nth(13)).unwrap()), (None, None));
}

pub fn each_hash_covers_its_revision_and_the_hash_before_as_the_docs_say(place: &dyn Place) {
    let store = place.open();
    let all = filled(&store);
    let commits: Vec<Commit> = store
        .commits(RevisionSpan::ALL)
        .unwrap()
        .into_iter()
        .map(|recorded| recorded.commit)
        .collect();
    assert_eq!(
        commits.iter().flat_map(|commit| commit.observations.clone()).collect::<Vec<_>>(),
        all
    );
    assert_eq!(kept(&store), hashes(&commits));
    assert_eq!(
        chain::digits(&chain::beginning()),
        "5cfeafcc77a70fa8b5ce3476a8723b5adcba9a334ad362a30a02a1b1ff77562a"
    );
}

/// The hash that programs without declarations computed, so that their ledgers still verify.
pub fn hashes_of_revisions_without_declarations_stay_what_they_were(place: &dyn Place) {
    let store = place.open();
    let written: Vec<Commit> =
        eventful().into_iter().take_while(|commit| commit.declarations.is_empty()).collect();
    write(&store, &written);
    assert_eq!(
        kept(&store)[9].as_deref(),
        Some("d223277fed828845cad9728ee6fcdbd86ca1a18129add7fcde180da6ce563b18")
    );
}

pub fn the_order_of_a_commits_lists_makes_no_difference(place: &dyn Place) {
    let store = place.open();
    let written = eventful();
    let turned = written.iter().cloned().map(|mut commit| {
        commit.new_measures.reverse();
        commit.new_units.reverse();
        commit.unit_versions.reverse();
        commit.closings.reverse();
        commit.declarations.reverse();
        commit.observations.reverse();
        commit
    });
    write(&store, &turned.collect::<Vec<_>>());
    assert_eq!(kept(&store), hashes(&written));
    assert!(
        store.commits(span(0, 12)).unwrap().into_iter().map(|recorded| recorded.commit).eq(written)
    );
}

/// Commits that differ in one field each; some differ only in where one text ends and the next
/// begins.
pub fn every_field_makes_a_difference(place: &dyn Place) {
    let commit = || bringing(1, Vec::new());
    let sent = |change: &dyn Fn(&mut ledger::SubmissionRow)| {
        let mut row = submission("S1");
        change(&mut row);
        Commit { submission: Some(row), ..bare(1) }
    };
    let declaring = |kind: &str, code: &str, document: Option<&str>| Commit {
        declarations: vec![declaration(kind, code, document)],
        ..commit()
    };
    let text = || "x".to_owned();
    let variants = [
        commit(),
        Commit { recorded_at: time_at(7), ..commit() },
        Commit { kind: "submissiont".to_owned(), actor: "ester".to_owned(), ..commit() },
        Commit { actor: text(), ..commit() },
        Commit { reason: Some(String::new()), ..commit() },
        Commit { reason: Some(text()), ..commit() },
        Commit { origin: Some(String::new()), ..commit() },
        Commit { origin: Some(text()), ..commit() },
        Commit { origin: Some(text()), ..declaring("target", "ab", None) },
        bare(1),
        sent(&|row| row.id = text()),
        sent(&|row| row.source_kind = text()),
        sent(&|row| row.reference = Some(text())),
        sent(&|row| row.created = 9),
        sent(&|row| row.revised = 9),
        sent(&|row| row.unchanged = 9),
        sent(&|row| row.withdrawn = 9),
        sent(&|row| row.findings = text()),
        Commit {
            new_measures: vec![MeasureRow {
                id: StoredMeasure::new(1),
                code: text(),
                members: String::new(),
            }],
            ..commit()
        },
        Commit {
            new_measures: vec![MeasureRow {
                id: StoredMeasure::new(1),
                code: String::new(),
                members: text(),
            }],
            ..commit()
        },
        Commit { new_units: vec![(StoredUnit::new(1), text())], ..commit() },
        Commit { catalogue: Some((1, text())), ..commit() },
        Commit { closings: vec![(StoredMonth::new(1), true)], ..commit() },
        Commit { closings: vec![(StoredMonth::new(1), false)], ..commit() },
        declaring("target", "ab", Some("c")),
        declaring("target", "ab", Some("")),
        declaring("target", "ab", None),
        declaring("target", "a", Some("bc")),
        declaring("targeta", "b", Some("c")),
        declaring("annotation", "ab", Some("c")),
        Commit {
            declarations: [
                declaring("target", "ab", Some("c")).declarations,
                declaring("target", "x", None).declarations,
            ]
            .concat(),
            ..commit()
        },
    ];
    let mut found: Vec<String> = variants
        .iter()
        .map(|commit| chain::digits(&chain::hash(&chain::beginning(), commit)))
        .collect();
    assert!(
        variants
            .iter()
            .zip(&found)
            .all(|(commit, hash)| hashes(std::slice::from_ref(commit)) == [Some(hash.clone())])
    );
    found.sort();
    found.dedup();
    assert_eq!(found.len(), variants.len());
    let store = place.open();
    write(&store, &variants[1..2]);
    assert_eq!(kept(&store), hashes(&variants[1..2]));
}

pub fn a_ledger_written_in_pieces_has_the_hashes_of_one_written_at_once(place: &dyn Place) {
    let written = eventful();
    for commit in &written {
        write(&place.open(), std::slice::from_ref(commit));
    }
    assert_eq!(kept(&place.open()), hashes(&written));
}

/// The errors that `verify` finds, but for the triggers that had to go for a change by hand.
fn wrong(place: &dyn Place) -> Vec<String> {
    let mut faults = verify(&place.open(), None, |_, _| ()).unwrap().faults;
    faults.retain(|fault| !fault.starts_with("A trigger"));
    faults
}

/// A ledger as the service writes it: its counts are right, and its catalogue and units can be
/// parsed.
fn sound(place: &dyn Place) -> Store {
    let store = place.open();
    egov_kpi::app::App::open(store.clone()).unwrap().stop();
    store
}

#[expect(
    clippy::too_many_lines,
    reason = "one ledger, changed in every way that the chain has to show"
)]
pub fn a_sound_ledger_is_found_sound_and_each_change_by_hand_is_found(place: &dyn Place) {
    let store = sound(place);
    let (measure, unit) = (
        MeasureRow {
            id: StoredMeasure::new(0),
            code: "ioffice.documents.outgoing".to_owned(),
            members: String::new(),
        },
        store.units().unwrap()[0].number,
    );
    let row = |month: i64, mantissa: i64| ObservationRow {
        revision: nth(3),
        unit,
        measure: StoredMeasure::new(0),
        month: StoredMonth::new(JANUARY + month),
        mantissa: Some(mantissa),
        scale: 0,
    };
    let counts = ledger::SubmissionRow {
        created: 2,
        revised: 0,
        unchanged: 0,
        withdrawn: 0,
        ..submission("S3")
    };
    let recorded_at = store.head().unwrap().recorded_at;
    let sent = Commit {
        recorded_at,
        submission: Some(counts),
        new_measures: vec![measure],
        observations: vec![row(0, 1), row(1, 2)],
        ..bare(3)
    };
    let declarations = vec![
        declaration(
            "target",
            "kept",
            Some(
                "{\"code\":\"kept\",\"measure\":\"ioffice.documents.signed_rate\",\"value\":\"1\"}",
            ),
        ),
        declaration("target", "gone", None),
    ];
    write(
        &store,
        &[
            sent,
            Commit { recorded_at, closings: vec![(StoredMonth::new(JANUARY), true)], ..bare(4) },
            Commit { recorded_at, declarations, ..bare(5) },
        ],
    );
    let found = verify(&store, None, |_, _| ()).unwrap();
    assert_eq!(
        (found.revisions, found.rows, found.figures, found.faults, Some(found.hash)),
        (5, 2, 2, Vec::new(), kept(&store)[4].clone())
    );

    let changed = |errors: &[String], revision: i64| {
        errors.iter().any(|fault| {
            fault.starts_with(&format!(
                "Revision {revision} is not as it was written: its hash differs"
            ))
        })
    };
    for (table, change, back, revision) in [
        (
            "revisions",
            "actor = 'nobody' WHERE revision = 5",
            "actor = 'tester' WHERE revision = 5",
            5,
        ),
        ("revisions", "reason = '' WHERE revision = 5", "reason = NULL WHERE revision = 5", 5),
        ("submissions", "unchanged = 1", "unchanged = 0", 3),
        ("measures", "members = 'a=b'", "members = ''", 3),
        (
            "unit_numbers",
            "code = code || 'x' WHERE number = 1",
            "code = substr(code, 1, length(code) - 1) WHERE number = 1",
            2,
        ),
        (
            "unit_versions",
            "document = document || ' ' WHERE unit = 1",
            "document = substr(document, 1, length(document) - 1) WHERE unit = 1",
            2,
        ),
        (
            "catalogue_versions",
            "document = document || ' '",
            "document = substr(document, 1, length(document) - 1)",
            1,
        ),
        ("revisions", "origin = '{}' WHERE revision = 3", "origin = NULL WHERE revision = 3", 3),
        ("closings", "closed = 0", "closed = 1", 4),
        (
            "declarations",
            "document = \
             '{\"code\":\"kept\",\"measure\":\"ioffice.documents.signed_rate\",\"value\":\"1\"}' \
             WHERE code = 'gone'",
            "document = NULL WHERE code = 'gone'",
            5,
        ),
        (
            "declarations",
            "document = NULL WHERE code = 'kept'",
            "document = \
             '{\"code\":\"kept\",\"measure\":\"ioffice.documents.signed_rate\",\"value\":\"1\"}' \
             WHERE code = 'kept'",
            5,
        ),
        (
            "declarations",
            "kind = 'annotation' WHERE code = 'kept'",
            "kind = 'target' WHERE code = 'kept'",
            5,
        ),
        (
            "declarations",
            "code = 'left' WHERE code = 'gone'",
            "code = 'gone' WHERE code = 'left'",
            5,
        ),
        ("observations", "mantissa = 3 WHERE mantissa = 2", "mantissa = 2 WHERE mantissa = 3", 3),
        ("observations", "scale = 1 WHERE mantissa = 2", "scale = 0 WHERE mantissa = 2", 3),
    ] {
        place.tamper(table, &format!("UPDATE {table} SET {change}"));
        let errors = wrong(place);
        assert!(changed(&errors, revision), "{table} {change}: {errors:?}");
        place.tamper(table, &format!("UPDATE {table} SET {back}"));
        assert_eq!(wrong(place), Vec::<String>::new(), "{table} {back}");
    }
    // What hashes do not cover, and inserted rows, which nothing refuses here.
    let beside = |revision: i64| {
        format!(
            "Revision {revision}: the list of units touched (table touched_units) is wrong for \
             unit {unit}."
        )
    };
    place.tamper("touched_units", "DELETE FROM touched_units");
    assert_eq!(
        (wrong(place), store.touched_unit_mismatches(span(0, 5)).unwrap()),
        (vec![beside(3)], vec![(nth(3), unit)])
    );
    place.tamper(
        "touched_units",
        &format!("INSERT INTO touched_units (unit, revision) VALUES ({unit}, 3), ({unit}, 5)"),
    );
    assert_eq!(
        (wrong(place), store.touched_unit_mismatches(span(0, 5)).unwrap()),
        (vec![beside(5)], vec![(nth(5), unit)])
    );
    assert!(
        store.touched_unit_mismatches(span(0, 4)).unwrap().is_empty()
            && store.touched_unit_mismatches(span(5, 9)).unwrap().is_empty()
    );
    place.tamper(
        "declarations",
        "INSERT INTO declarations (revision, kind, code, document) VALUES \
         (4, 'target', 'added', '{}')",
    );
    assert!(
        wrong(place)[0].contains("Revision 4")
            && wrong(place)[0].contains("a row was added to table declarations"),
        "{:?}",
        wrong(place)
    );
    place.tamper(
        "observations",
        &format!(
            "INSERT INTO observations (revision, unit, measure, \
             month, mantissa, scale) VALUES (5, {unit}, 0, 1, 1, 0)"
        ),
    );
    assert!(changed(&wrong(place), 5));
    // Rows of revisions that do not exist, in every table.
    let before = wrong(place);
    for (table, columns) in [
        ("declarations", "(revision, kind, code, document) VALUES (REVISION, 'key', 'evil', '{}')"),
        ("catalogue_versions", "(version, revision, document) VALUES (99, REVISION, '{}')"),
        ("unit_versions", "(unit, revision, document) VALUES (1, REVISION, '{}')"),
        ("unit_numbers", "(number, code, revision) VALUES (9999, 'evil', REVISION)"),
        ("measures", "(id, code, members, revision) VALUES (9999, 'evil', '', REVISION)"),
        ("closings", "(revision, month, closed) VALUES (REVISION, 24262, 1)"),
        ("touched_units", "(unit, revision) VALUES (1, REVISION)"),
        (
            "observations",
            "(revision, unit, measure, month, mantissa, scale) VALUES (REVISION, 1, 0, 24262, 1, \
             0)",
        ),
        (
            "submissions",
            "(id, revision, source_kind, reference, created, revised, unchanged, withdrawn, \
             findings, withdraws) VALUES ('EVIL', REVISION, 'api', NULL, 1, 0, 0, 0, '[]', NULL)",
        ),
        (
            "revisions",
            "(revision, recorded_at, kind, actor, hash) VALUES (REVISION, 1, 'keys', 'nobody', \
             'x')",
        ),
    ] {
        for revision in [0, -7, 6, 1_000_000] {
            place.tamper(
                table,
                &format!(
                    "INSERT INTO {table} {}",
                    columns.replace("REVISION", &revision.to_string())
                ),
            );
            let errors = wrong(place);
            let named =
                |fault: &String| fault.contains(table) && fault.contains(&revision.to_string());
            assert!(
                errors.len() > before.len() && errors.iter().any(named),
                "{table} {revision}: {errors:?}"
            );
            place.tamper(table, &format!("DELETE FROM {table} WHERE revision = {revision}"));
        }
    }
    assert_eq!(wrong(place), before);
}

pub fn rows_are_added_to_no_revision_that_is_sealed_or_not_there(place: &dyn Place) {
    let store = sound(place);
    let unit = store.units().unwrap()[0].number;
    let before = (kept(&store), store.head().unwrap());
    let mut rows = vec![
        (
            "declarations",
            "(revision, kind, code, document) VALUES (REVISION, 'key', 'evil', '{}')".to_owned(),
        ),
        (
            "catalogue_versions",
            "(version, revision, document) VALUES (99, REVISION, '{}')".to_owned(),
        ),
        ("unit_versions", format!("(unit, revision, document) VALUES ({unit}, REVISION, '{{}}')")),
        ("unit_numbers", "(number, code, revision) VALUES (9999, 'evil', REVISION)".to_owned()),
        (
            "measures",
            "(id, code, members, revision) VALUES (9999, 'evil', '', REVISION)".to_owned(),
        ),
        ("closings", "(revision, month, closed) VALUES (REVISION, 24262, 1)".to_owned()),
        ("touched_units", format!("(unit, revision) VALUES ({unit}, REVISION)")),
        (
            "submissions",
            "(id, revision, source_kind, reference, created, revised, unchanged, withdrawn, \
             findings, withdraws) VALUES ('EVIL', REVISION, 'api', NULL, 1, 0, 0, 0, '[]', NULL)"
                .to_owned(),
        ),
        (
            "revisions",
            "(revision, recorded_at, kind, actor, hash) VALUES (REVISION, 1, 'keys', 'nobody', 'x')"
                .to_owned(),
        ),
    ];
    if place.guards_figures() {
        rows.push((
            "observations",
            format!(
                "(revision, unit, measure, month, mantissa, scale) \
                 VALUES (REVISION, {unit}, 0, 24262, 1, 0)"
            ),
        ));
    }
    for (table, columns) in rows {
        for revision in [2, 1, 0, -7, 4, 1_000_000] {
            // SQLite's command line does not check references either.
            let statement = format!(
                "{}INSERT INTO {table} {}",
                place.unguarded(),
                columns.replace("REVISION", &revision.to_string())
            );
            let refused = place.by_hand(&statement).unwrap_err();
            assert!(!refused.is_empty(), "{table} {revision}");
        }
    }
    assert_eq!((kept(&store), store.head().unwrap()), before);
    assert!(verify(&store, None, |_, _| ()).unwrap().faults.is_empty());
    write(&store, &[Commit { recorded_at: before.1.recorded_at, ..bare(3) }]);
}

pub fn rows_of_a_revision_that_is_gone_are_told(place: &dyn Place) {
    let store = place.open();
    write(&store, &eventful());
    place.tamper("revisions", "DELETE FROM revisions WHERE revision = 5");
    assert!(matches!(store.commits(span(0, 12)), Err(StoreError::Corrupt { .. })));
    assert_eq!(store.commits(span(5, 12)).unwrap().len(), 7);
    // A revision with declarations only.
    place.tamper("revisions", "DELETE FROM revisions WHERE revision = 11");
    assert!(matches!(store.commits(span(10, 12)), Err(StoreError::Corrupt { .. })));
}

/// Copies to a SQLite file; for PostgreSQL see `postgres.rs`.
pub fn a_ledger_is_copied_whole_and_goes_on_from_where_a_copy_ended(place: &dyn Place) {
    let (store, target) = (place.open(), sqlite::Fresh::default());
    let copy = target.open();
    assert_eq!(store.copy_into(&copy).unwrap(), 0);
    let written = eventful();
    write(&store, &written[..5]);
    assert_eq!(store.copy_into(&copy).unwrap(), 5);
    write(&store, &written[5..]);
    write(
        &store,
        &(13..=60)
            .map(|revision| bringing(revision, vec![figure(revision, 1, 1, revision, Some(1))]))
            .collect::<Vec<_>>(),
    );
    assert_eq!((store.copy_into(&copy).unwrap(), store.copy_into(&copy).unwrap()), (55, 0));
    same_ledgers(&store, &target.open());
}

/// Checks that two ledgers have equal content.
pub fn same_ledgers(one: &Store, other: &Store) {
    assert_eq!(one.commits(RevisionSpan::ALL).unwrap(), other.commits(RevisionSpan::ALL).unwrap());
    assert_eq!(one.revisions(nth(0), 10_000).unwrap(), other.revisions(nth(0), 10_000).unwrap());
    assert_eq!(
        (one.units().unwrap(), one.unit_numbers().unwrap()),
        (other.units().unwrap(), other.unit_numbers().unwrap())
    );
    assert_eq!(
        (
            one.touched_unit_mismatches(RevisionSpan::ALL).unwrap(),
            other.touched_unit_mismatches(RevisionSpan::ALL).unwrap()
        ),
        (Vec::new(), Vec::new())
    );
}

pub fn a_ledger_is_not_copied_into_another(place: &dyn Place) {
    let (store, target) = (place.open(), sqlite::Fresh::default());
    write(&store, &eventful());
    let other = target.open();
    write(&other, &[bare(1), bare(2)]);
    let before = other.commits(RevisionSpan::ALL).unwrap();
    for (from, into) in [(&store, &other), (&other, &store)] {
        assert!(from.copy_into(into).is_err());
    }
    assert_eq!(other.commits(RevisionSpan::ALL).unwrap(), before);
    assert_eq!(store.head().unwrap().revision, nth(12));
}
