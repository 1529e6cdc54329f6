//! Writing, on every backend.

use std::thread;

use ledger::{
    AppendOutcome, ClockFault, Commit, DeclarationVersion, LedgerHead, MeasureRow,
    ObservationQuery, RevisionNumber, Store, StoreError, StoredMeasure, StoredUnit, SubmissionRow,
    TimestampMicros, WriteOutcome,
};

use crate::ledger::{
    JANUARY, Place, bare, bringing, declaration, dictionaries, eventful, figure, nth, replayed,
    span, submission, time_at, units, write,
};

pub fn a_commit_reads_back_as_it_was_written(place: &dyn Place) {
    let store = place.open();
    let rows = vec![
        figure(1, 1, 1, JANUARY, Some(i64::MAX)),
        figure(1, 1, 2, JANUARY, Some(i64::MIN)),
        figure(1, 2, 1, JANUARY - 1, None),
    ];
    let sent = SubmissionRow {
        reference: Some("Báo cáo 10/2021".to_owned()),
        findings: "[{\"rule\":\"r\"}]".to_owned(),
        ..submission("S1")
    };
    let commit = Commit {
        reason: Some("lý do".to_owned()),
        submission: Some(sent.clone()),
        new_measures: vec![
            MeasureRow {
                id: StoredMeasure::new(1),
                code: "a.b".to_owned(),
                members: String::new(),
            },
            MeasureRow {
                id: StoredMeasure::new(2),
                code: "a.b".to_owned(),
                members: "channel=online".to_owned(),
            },
        ],
        new_units: vec![
            (StoredUnit::new(1), "travinh".to_owned()),
            (StoredUnit::new(2), "cang-long".to_owned()),
        ],
        unit_versions: vec![
            (StoredUnit::new(1), "{\"vi\":\"Trà Vinh\"}".to_owned()),
            (StoredUnit::new(2), "{}".to_owned()),
        ],
        catalogue: Some((1, "{\"indicators\":[]}".to_owned())),
        observations: rows.clone(),
        ..bare(1)
    };
    write(&store, std::slice::from_ref(&commit));

    let store = place.open();
    assert_eq!(
        store.head().unwrap(),
        LedgerHead { revision: nth(1), recorded_at: time_at(1_000_000) }
    );
    assert_eq!(store.measures().unwrap(), commit.new_measures);
    assert_eq!(store.unit_numbers().unwrap(), commit.new_units);
    let units: Vec<_> = store
        .units()
        .unwrap()
        .into_iter()
        .map(|unit| (unit.number, unit.code, unit.revision, unit.document))
        .collect();
    assert_eq!(
        units,
        [
            (StoredUnit::new(1), "travinh".to_owned(), nth(1), "{\"vi\":\"Trà Vinh\"}".to_owned()),
            (StoredUnit::new(2), "cang-long".to_owned(), nth(1), "{}".to_owned())
        ]
    );
    let catalogue = store.catalogue().unwrap().unwrap();
    assert_eq!(
        (catalogue.version, catalogue.revision, catalogue.document.as_str()),
        (1, nth(1), "{\"indicators\":[]}")
    );
    assert_eq!(replayed(&store, 0, 1), rows);
    assert_eq!(store.observations(&ObservationQuery::default()).unwrap(), rows);
    let record = store.submission("S1").unwrap().unwrap();
    assert_eq!(record.submission, sent);
    assert_eq!(
        (
            record.revision.actor.as_str(),
            record.revision.reason.as_deref(),
            record.revision.recorded_at
        ),
        ("tester", Some("lý do"), time_at(1_000_000))
    );
    assert_eq!(store.revisions(nth(0), 10).unwrap(), [record.revision]);
}

pub fn a_batch_is_written_with_all_its_revisions(place: &dyn Place) {
    let store = place.open();
    let mut commits = vec![dictionaries(3, 3)];
    commits.extend((2..=65).map(|revision| {
        bringing(
            revision,
            vec![
                figure(revision, 1, 1, JANUARY, Some(revision)),
                figure(revision, 3, 2, JANUARY, None),
            ],
        )
    }));
    write(&store, &commits);
    assert_eq!(
        store.head().unwrap(),
        LedgerHead { revision: nth(65), recorded_at: time_at(65_000_000) }
    );
    let revisions = store.revisions(nth(1), 1000).unwrap();
    assert!(revisions.iter().map(|row| row.revision).eq((2..=65).map(nth)));
    let expected: Vec<_> = commits.iter().flat_map(|commit| commit.observations.clone()).collect();
    assert_eq!(replayed(&store, 0, 65), expected);
    assert_eq!(store.revisions(nth(60), 3).unwrap().len(), 3);
}

pub fn writing_nothing_changes_nothing(place: &dyn Place) {
    let store = place.open();
    assert_eq!(store.write(nth(0), &[], &[]).unwrap(), WriteOutcome::Written);
    assert_eq!(store.head().unwrap(), LedgerHead::default());
    write(&store, &[bare(1)]);
    assert_eq!(store.head().unwrap().revision, nth(1));
}

pub fn a_writer_that_is_behind_writes_nothing_and_learns_the_head(place: &dyn Place) {
    let store = place.open();
    write(&store, &[dictionaries(1, 1), bringing(2, vec![figure(2, 1, 1, JANUARY, Some(1))])]);
    let late = Commit { new_units: vec![(StoredUnit::new(2), "late".to_owned())], ..bare(2) };
    assert_eq!(
        store.write(nth(1), &[late], &[]).unwrap(),
        WriteOutcome::Behind(LedgerHead { revision: nth(2), recorded_at: time_at(2_000_000) })
    );
    assert_eq!(
        store.write(nth(7), &[bare(8)], &[]).unwrap(),
        WriteOutcome::Behind(LedgerHead { revision: nth(2), recorded_at: time_at(2_000_000) })
    );
    assert_eq!(store.unit_numbers().unwrap().len(), 1);
    assert_eq!(store.head().unwrap().revision, nth(2));
    write(&store, &[bare(3)]);
}

pub fn revisions_leave_no_gap_and_time_never_goes_back(place: &dyn Place) {
    let store = place.open();
    write(&store, &[dictionaries(1, 1)]);
    let refused = |commits: &[Commit]| {
        assert!(matches!(store.write(nth(1), commits, &[]), Err(StoreError::Invalid(_))))
    };
    refused(&[bare(3)]);
    refused(&[bare(2), bare(2)]);
    refused(&[bare(2), bare(4)]);
    refused(&[Commit { recorded_at: time_at(999_999), ..bare(2) }]);
    refused(&[bare(2), Commit { recorded_at: time_at(1_999_999), ..bare(3) }]);
    refused(&[bringing(2, vec![figure(1, 1, 1, JANUARY, None)])]);
    assert_eq!(store.head().unwrap().revision, nth(1));
    // The same timestamp twice is permitted.
    write(
        &store,
        &[
            Commit { recorded_at: time_at(1_000_000), ..bare(2) },
            Commit { recorded_at: time_at(1_000_000), ..bare(3) },
        ],
    );
}

pub fn one_faulty_commit_leaves_nothing_of_its_batch_and_the_ledger_goes_on(place: &dyn Place) {
    let store = place.open();
    write(&store, &[dictionaries(2, 2)]);
    let good = Commit {
        new_units: vec![(StoredUnit::new(9), "new".to_owned())],
        unit_versions: vec![(StoredUnit::new(9), "{}".to_owned())],
        catalogue: Some((1, "{}".to_owned())),
        ..bringing(2, vec![figure(2, 1, 1, JANUARY, Some(1)), figure(2, 9, 1, JANUARY, Some(1))])
    };
    let twice = bringing(
        3,
        vec![
            figure(3, 1, 1, JANUARY, Some(1)),
            figure(3, 1, 2, JANUARY, Some(1)),
            figure(3, 1, 1, JANUARY, Some(2)),
        ],
    );
    assert!(matches!(
        store.write(nth(1), &[good.clone(), twice], &[]),
        Err(StoreError::Conflict(_))
    ));
    let same_submission = Commit { submission: good.submission.clone(), ..bare(3) };
    assert!(matches!(
        store.write(nth(1), &[good.clone(), same_submission], &[]),
        Err(StoreError::Conflict(_))
    ));
    assert_eq!(store.head().unwrap().revision, nth(1));
    assert!(replayed(&store, 0, i64::MAX).is_empty());
    assert!(store.submission("S2").unwrap().is_none() && store.catalogue().unwrap().is_none());
    assert_eq!((store.units().unwrap().len(), store.unit_numbers().unwrap().len()), (2, 2));
    write(&store, &[good]);
    assert_eq!(replayed(&store, 0, i64::MAX).len(), 2);
}

pub fn a_dictionary_never_gives_a_number_or_a_name_twice(place: &dyn Place) {
    let store = place.open();
    write(&store, &[dictionaries(2, 2)]);
    let measure = |id: i64, code: &str, members: &str| Commit {
        new_measures: vec![MeasureRow {
            id: StoredMeasure::new(id),
            code: code.to_owned(),
            members: members.to_owned(),
        }],
        ..bare(2)
    };
    let refused = |commit: Commit| {
        assert!(matches!(store.write(nth(1), &[commit], &[]), Err(StoreError::Conflict(_))))
    };
    refused(measure(1, "other", ""));
    refused(measure(3, "measure.1", ""));
    refused(Commit { new_units: vec![(StoredUnit::new(1), "other".to_owned())], ..bare(2) });
    refused(Commit { new_units: vec![(StoredUnit::new(3), "unit-1".to_owned())], ..bare(2) });
    refused(Commit { unit_versions: vec![(StoredUnit::new(3), "{}".to_owned())], ..bare(2) });
    refused(Commit {
        unit_versions: vec![
            (StoredUnit::new(1), "{}".to_owned()),
            (StoredUnit::new(1), "{}".to_owned()),
        ],
        ..bare(2)
    });
    write(&store, &[measure(3, "measure.1", "channel=online")]);
    assert_eq!(store.measures().unwrap().len(), 3);
}

pub fn a_figure_of_an_unknown_unit_or_measure_is_refused(place: &dyn Place) {
    let store = place.open();
    write(&store, &[dictionaries(2, 2)]);
    assert!(matches!(
        store.write(nth(1), &[bringing(2, vec![figure(2, 3, 1, JANUARY, None)])], &[]),
        Err(StoreError::Conflict(_))
    ));
    assert!(matches!(
        store.write(nth(1), &[bringing(2, vec![figure(2, 1, 3, JANUARY, None)])], &[]),
        Err(StoreError::Invalid(_))
    ));
    assert_eq!(store.head().unwrap().revision, nth(1));
}

pub fn a_declaration_comes_once_in_a_commit(place: &dyn Place) {
    let store = place.open();
    let declaring = |declarations: Vec<DeclarationVersion>| Commit { declarations, ..bare(1) };
    let (one, gone) = (declaration("target", "a", Some("{}")), declaration("target", "a", None));
    assert!(matches!(
        store.write(nth(0), &[declaring(vec![one.clone(), gone])], &[]),
        Err(StoreError::Conflict(_))
    ));
    assert!(store.declarations_at(nth(1)).unwrap().is_empty());
    write(
        &store,
        &[
            declaring(vec![one.clone(), declaration("annotation", "a", Some("{}"))]),
            Commit { declarations: vec![one], ..bare(2) },
        ],
    );
    assert_eq!(
        store
            .declarations_at(nth(2))
            .unwrap()
            .iter()
            .map(|row| (row.kind.as_str(), row.revision))
            .collect::<Vec<_>>(),
        [("annotation", nth(1)), ("target", nth(2))]
    );
}

pub fn a_withdrawal_names_a_submission_that_exists(place: &dyn Place) {
    let store = place.open();
    let withdrawing = |revision: i64, id: &str| Commit {
        kind: "withdrawal".to_owned(),
        submission: Some(SubmissionRow {
            withdraws: Some(id.to_owned()),
            ..submission(&format!("S{revision}"))
        }),
        ..bare(revision)
    };
    write(&store, &[bringing(1, Vec::new())]);
    assert!(matches!(
        store.write(nth(1), &[withdrawing(2, "nobody")], &[]),
        Err(StoreError::Conflict(_))
    ));
    write(&store, &[withdrawing(2, "S1")]);
    assert_eq!(
        store.submission("S2").unwrap().unwrap().submission.withdraws.as_deref(),
        Some("S1")
    );
}

fn micros() -> TimestampMicros {
    time_at(chrono::Utc::now().timestamp_micros())
}

/// A commit after the newest one, dated by the ledger's clock when it is written.
fn record_now(store: &Store) {
    loop {
        let head = store.head().unwrap();
        let mut commit = bare(head.revision.get() + 1);
        let outcome = store.record(head.revision, |server_time| {
            commit.recorded_at = server_time.unwrap_or_else(micros).max(head.recorded_at);
            Ok((std::slice::from_ref(&commit), &[]))
        });
        if matches!(outcome.unwrap(), AppendOutcome::Written(_)) {
            return;
        }
    }
}

pub fn what_cannot_be_dated_is_not_written(place: &dyn Place) {
    let store = place.open();
    let refused = store.record(nth(0), |_| Err(StoreError::Clock(ClockFault::Jumped(301))));
    assert!(matches!(refused, Err(StoreError::Clock(_))), "{refused:?}");
    assert_eq!(store.head().unwrap(), LedgerHead::default());
    record_now(&store);
    assert_eq!(store.head().unwrap().revision, nth(1));
}

pub fn a_time_is_settled_when_the_writer_who_was_there_first_has_written(place: &dyn Place) {
    let (store, other) = (place.open(), place.open());
    let (locked, waits) = std::sync::mpsc::channel();
    let mut commit = bare(1);
    thread::scope(|scope| {
        scope.spawn(|| {
            let written = store.record(nth(0), |server_time| {
                commit.recorded_at = server_time.unwrap_or_else(micros);
                locked.send(commit.recorded_at).unwrap();
                thread::sleep(std::time::Duration::from_millis(300));
                Ok((std::slice::from_ref(&commit), &[]))
            });
            assert!(matches!(written.unwrap(), AppendOutcome::Written(_)));
        });
        let dated = waits.recv().unwrap();
        let (time, head) =
            other.settled(|server_time, head| (server_time.unwrap_or_else(micros), head)).unwrap();
        assert!(time >= dated);
        assert_eq!(head, LedgerHead { revision: nth(1), recorded_at: dated });
    });
}

pub fn nothing_is_dated_before_a_time_that_was_settled(place: &dyn Place) {
    let stores: Vec<Store> = (0..3).map(|_| place.open()).collect();
    let until = std::time::Instant::now() + std::time::Duration::from_secs(2);
    let settled: Vec<(TimestampMicros, LedgerHead)> = thread::scope(|scope| {
        let readers: Vec<_> = stores
            .iter()
            .map(|store| {
                scope.spawn(move || {
                    let mut found = Vec::new();
                    while std::time::Instant::now() < until {
                        found.push(
                            store
                                .settled(|server_time, head| {
                                    (server_time.unwrap_or_else(micros), head)
                                })
                                .unwrap(),
                        );
                    }
                    found
                })
            })
            .collect();
        for store in &stores[..2] {
            scope.spawn(move || {
                while std::time::Instant::now() < until {
                    record_now(store);
                }
                store.data_version().unwrap(); // ends a lock that was kept
            });
        }
        readers.into_iter().flat_map(|reader| reader.join().unwrap()).collect()
    });
    for (time, head) in &settled {
        assert!(
            stores[2].head_at(time.plus(-1)).unwrap().revision <= head.revision,
            "as of {time}"
        );
    }
    let newest = stores[2].head().unwrap().revision;
    assert!(
        stores[2].times(newest).unwrap().is_sorted() && newest > nth(20) && settled.len() > 20,
        "{newest} revisions, {} times",
        settled.len()
    );
}

pub fn the_largest_commit_is_written_whole(place: &dyn Place) {
    let store = place.open();
    // Every figure is of another unit and measure: the longest lists that a commit can have.
    let rows: Vec<_> = (1..=50_000).map(|n| figure(2, n, n, JANUARY, Some(n))).collect();
    write(
        &store,
        &[dictionaries(50_000, 50_000), bringing(2, rows.iter().rev().copied().collect())],
    );
    assert_eq!(replayed(&store, 0, 2), rows);
    let one = ObservationQuery { units: Some(units(&[40_000])), ..ObservationQuery::default() };
    assert_eq!(store.observations(&one).unwrap(), rows[39_999..40_000]);
    let all = ObservationQuery {
        units: Some((1..=50_000).map(StoredUnit::new).collect()),
        measures: Some((1..=50_000).map(StoredMeasure::new).collect()),
        limit: 50_000,
        ..ObservationQuery::default()
    };
    assert_eq!(store.observations(&all).unwrap(), rows);
    // The longest list of declarations, all of them replaced in the revision after it.
    let declared = |revision: i64| {
        let codes = (1..=10_000).map(|n| {
            declaration(
                "target",
                &format!("target-{n:05}"),
                Some(&format!("{{\"in\":{revision}}}")),
            )
        });
        Commit { declarations: codes.collect(), ..bare(revision) }
    };
    write(&store, &[declared(3), declared(4)]);
    assert_eq!(
        store
            .commits(span(2, 4))
            .unwrap()
            .into_iter()
            .map(|recorded| recorded.commit)
            .collect::<Vec<_>>(),
        [declared(3), declared(4)]
    );
    let standing = |revision: i64| {
        store
            .declarations_at(nth(revision))
            .unwrap()
            .iter()
            .filter(|row| row.revision == nth(revision))
            .count()
    };
    assert_eq!((standing(3), standing(4)), (10_000, 10_000));
}

pub fn two_stores_on_one_ledger_see_each_other_and_data_version_moves(place: &dyn Place) {
    let (one, other) = (place.open(), place.open());
    let before = one.data_version().unwrap();
    assert_eq!(one.data_version().unwrap(), before);
    write(&other, &[dictionaries(1, 1)]);
    let after = one.data_version().unwrap();
    assert_ne!(after, before);
    assert_eq!(one.head().unwrap().revision, nth(1));
    assert_eq!(one.units().unwrap().len(), 1);
    assert_eq!(one.data_version().unwrap(), after);
    assert!(matches!(
        one.write(nth(0), &[bare(1)], &[]).unwrap(),
        WriteOutcome::Behind(LedgerHead { revision: RevisionNumber::FIRST, .. })
    ));
    write(&one, &[bringing(2, vec![figure(2, 1, 1, JANUARY, Some(5))])]);
    assert_eq!(replayed(&other, 1, 2), replayed(&one, 1, 2));
}

/// Appends a commit, catching up as often as other writers are first.
fn insist(store: &Store, actor: &str) {
    loop {
        let head = store.head().unwrap();
        let revision = head.revision.get() + 1;
        let commit = Commit {
            actor: actor.to_owned(),
            ..bringing(revision, vec![figure(revision, 1, 1, JANUARY, Some(revision))])
        };
        if store.write(head.revision, &[commit], &[]).unwrap() == WriteOutcome::Written {
            break;
        }
    }
}

pub fn writers_that_race_leave_every_commit_exactly_once(place: &dyn Place) {
    let store = place.open();
    write(&store, &[dictionaries(1, 1)]);
    thread::scope(|scope| {
        for writer in 0..4 {
            // Two writers share one store, two have their own.
            let own = if writer < 2 { store.clone() } else { place.open() };
            scope.spawn(move || (0..25).for_each(|_| insist(&own, &format!("writer {writer}"))));
        }
    });
    assert_eq!(store.head().unwrap().revision, nth(101));
    let revisions = store.revisions(nth(1), 1000).unwrap();
    for writer in 0..4 {
        assert_eq!(
            revisions.iter().filter(|row| row.actor == format!("writer {writer}")).count(),
            25
        );
    }
    assert!(replayed(&store, 0, i64::MAX).iter().map(|row| row.revision).eq((2..=101).map(nth)));
}

pub fn readers_are_not_held_up_by_a_writer(place: &dyn Place) {
    let store = place.open();
    write(&store, &[dictionaries(50, 1)]);
    thread::scope(|scope| {
        let writing = scope.spawn(|| {
            for revision in 2..=11 {
                write(
                    &store,
                    &[bringing(
                        revision,
                        (0..20_000)
                            .map(|n| figure(revision, 1 + n % 50, 1, n / 50, None))
                            .collect(),
                    )],
                );
            }
        });
        while !writing.is_finished() {
            // A revision is seen whole or not at all.
            let head = store.head().unwrap().revision.get();
            let rows = replayed(&store, head - 1, head);
            assert_eq!(rows.len(), if head == 1 { 0 } else { 20_000 });
        }
    });
}

pub fn nothing_in_the_ledger_can_be_changed_or_deleted_even_by_hand(place: &dyn Place) {
    let store = place.open();
    write(&store, &eventful());
    for (table, columns) in [
        ("revisions", "revision recorded_at kind actor reason hash origin"),
        (
            "submissions",
            "revision id source_kind reference created revised unchanged withdrawn findings \
             withdraws",
        ),
        ("measures", "id code members revision"),
        ("unit_numbers", "number code revision"),
        ("observations", "revision unit measure month mantissa scale"),
        ("touched_units", "unit revision"),
        ("unit_versions", "unit revision document"),
        ("catalogue_versions", "version revision document"),
        ("closings", "revision month closed"),
        ("declarations", "revision kind code document"),
    ] {
        let updates =
            columns.split(' ').map(|column| format!("UPDATE {table} SET {column} = {column}"));
        for statement in updates.chain([format!("DELETE FROM {table}")]) {
            let said = place.by_hand(&statement);
            assert!(
                said.as_ref().is_err_and(|said| said.contains("append-only")),
                "{statement}: {said:?}"
            );
        }
    }
    assert_eq!(
        store
            .commits(span(0, 12))
            .unwrap()
            .into_iter()
            .map(|recorded| recorded.commit)
            .collect::<Vec<_>>(),
        eventful()
    );
}

pub fn a_commit_is_known_to_be_recorded_or_not(place: &dyn Place) {
    let store = place.open();
    let written = eventful();
    assert!(written.iter().all(|commit| !store.recorded(commit).unwrap()));
    write(&store, &written[..11]);
    assert!(written[..11].iter().all(|commit| store.recorded(commit).unwrap()));
    assert!(!store.recorded(&written[11]).unwrap());
    let third = &written[2];
    let sent =
        |id: &str| Some(SubmissionRow { id: id.to_owned(), ..third.submission.clone().unwrap() });
    for other in [
        Commit { revision: nth(5), ..third.clone() },
        Commit { recorded_at: time_at(3_000_001), ..third.clone() },
        Commit { kind: "withdrawal".to_owned(), ..third.clone() },
        Commit { actor: "nobody".to_owned(), ..third.clone() },
        Commit { reason: Some(String::new()), ..third.clone() },
        Commit { submission: None, ..third.clone() },
        Commit { submission: sent("S33"), ..third.clone() },
        Commit { submission: sent("S3"), ..written[10].clone() },
    ] {
        assert!(!store.recorded(&other).unwrap(), "{other:?}");
    }
}
