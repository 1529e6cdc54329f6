//! Responses to idempotency keys, and API keys, on every backend.

use ledger::{
    ApiKeyUsageRow, Commit, IdempotencyRow, KeyName, LedgerHead, StoreError, WriteOutcome,
};

use crate::ledger::{
    JANUARY, Place, bare, bringing, declaration, dictionaries, figure, nth, time_at, write,
};

/// The response to an idempotency key, given some microseconds after 1970.
fn answer(holder: &str, target: &str, key: &str, recorded_at: i64) -> IdempotencyRow {
    let answer = format!("{{\"status\":201,\"of\":\"{key}\"}}");
    IdempotencyRow {
        holder: holder.to_owned(),
        target: target.to_owned(),
        key: key.to_owned(),
        body_hash: format!("hash of {key}"),
        recorded_at: time_at(recorded_at),
        answer,
    }
}

pub fn simple(key: &str) -> IdempotencyRow {
    answer("holder", "POST /x", key, 5)
}

pub fn key_name<'k>(holder: &'k str, target: &'k str, key: &'k str) -> KeyName<'k> {
    KeyName { holder, target, key }
}

pub fn an_answer_is_kept_with_what_it_answers_or_not_at_all(place: &dyn Place) {
    let store = place.open();
    write(&store, &[dictionaries(1, 1)]);
    let commit = bringing(2, vec![figure(2, 1, 1, JANUARY, Some(1))]);
    let faulty = bringing(3, vec![figure(3, 9, 1, JANUARY, Some(1))]);
    assert!(matches!(
        store.write(nth(1), &[commit.clone(), faulty], &[simple("one")]),
        Err(StoreError::Conflict(_))
    ));
    assert!(matches!(
        store.write(nth(1), &[bare(3)], &[simple("one")]),
        Err(StoreError::Invalid(_))
    ));
    assert_eq!(
        store.write(nth(0), &[bare(1)], &[simple("one")]).unwrap(),
        WriteOutcome::Behind(LedgerHead { revision: nth(1), recorded_at: time_at(1_000_000) })
    );
    assert!(store.idempotent_responses().unwrap().is_empty());
    assert_eq!(
        store.write(nth(1), &[commit], &[simple("one"), simple("two")]).unwrap(),
        WriteOutcome::Written
    );
    let store = place.open();
    assert_eq!(
        store.idempotent_response(key_name("holder", "POST /x", "one")).unwrap(),
        Some(simple("one"))
    );
    assert_eq!(store.idempotent_responses().unwrap(), [simple("one"), simple("two")]);
    // A response is stored even if there is no revision to record.
    assert_eq!(store.write(nth(2), &[], &[simple("three")]).unwrap(), WriteOutcome::Written);
    assert_eq!(
        (store.idempotent_responses().unwrap().len(), store.head().unwrap().revision),
        (3, nth(2))
    );
}

pub fn a_key_that_was_answered_leaves_everything_unwritten(place: &dyn Place) {
    let (store, other) = (place.open(), place.open());
    assert_eq!(
        other.write(nth(0), &[dictionaries(1, 1)], &[simple("taken")]).unwrap(),
        WriteOutcome::Written
    );
    let behind =
        WriteOutcome::Behind(LedgerHead { revision: nth(1), recorded_at: time_at(1_000_000) });
    let again = IdempotencyRow {
        answer: "{}".to_owned(),
        body_hash: "another".to_owned(),
        recorded_at: time_at(9),
        ..simple("taken")
    };
    assert_eq!(store.write(nth(1), &[bare(2)], &[simple("free"), again.clone()]).unwrap(), behind);
    assert_eq!(store.write(nth(1), &[], &[again, simple("free")]).unwrap(), behind);
    assert_eq!(store.head().unwrap().revision, nth(1));
    assert_eq!(
        store.idempotent_responses().unwrap(),
        [simple("taken")],
        "the first response remains, and no other was added"
    );
    assert!(matches!(
        store.write(nth(1), &[bare(2)], &[simple("twice"), simple("twice")]),
        Err(StoreError::Conflict(_))
    ));
    assert_eq!(store.write(nth(1), &[bare(2)], &[simple("free")]).unwrap(), WriteOutcome::Written);
}

pub fn keys_differ_by_holder_and_target(place: &dyn Place) {
    let store = place.open();
    let rows = [
        answer("a", "POST /x", "k", 1),
        answer("a", "POST /x?dry_run=true", "k", 2),
        answer("b", "POST /x", "k", 3),
        answer("a", "POST /x", "K", 4),
    ];
    for row in &rows {
        assert_eq!(
            store.write(nth(0), &[], std::slice::from_ref(row)).unwrap(),
            WriteOutcome::Written
        );
    }
    for row in &rows {
        assert_eq!(store.idempotent_response(row.name()).unwrap().as_ref(), Some(row));
    }
    assert_eq!(
        store.idempotent_response(key_name("b", "POST /x?dry_run=true", "k")).unwrap(),
        None
    );
    assert_eq!(store.idempotent_responses().unwrap().len(), 4);
    let names = [
        key_name("b", "POST /x?dry_run=true", "k"),
        rows[3].name(),
        key_name("b", "POST /x", "K"),
        rows[1].name(),
    ];
    let mut found = store.responses_to(&names).unwrap();
    found.sort_by_key(|row| row.recorded_at);
    assert_eq!(found, [rows[1].clone(), rows[3].clone()]);
    assert_eq!(store.responses_to(&[]).unwrap(), []);
}

pub fn keys_are_listed_in_the_same_order_everywhere(place: &dyn Place) {
    let store = place.open();
    let sorted = ["", " ", "-b", "A", "B", "a", "a-c", "aB", "ab", "z", "á", "Đ", "\u{1F600}"];
    let rows: Vec<IdempotencyRow> = sorted.iter().rev().map(|key| simple(key)).collect();
    assert_eq!(store.write(nth(0), &[], &rows).unwrap(), WriteOutcome::Written);
    let listed: Vec<String> =
        store.idempotent_responses().unwrap().into_iter().map(|row| row.key).collect();
    assert_eq!(listed, sorted);
}

pub fn old_answers_are_forgotten_a_bounded_number_at_a_time(place: &dyn Place) {
    let store = place.open();
    let rows: Vec<IdempotencyRow> =
        (0..10_050).map(|n| answer("holder", "POST /x", &format!("k{n}"), n)).collect();
    assert_eq!(store.write(nth(0), &[], &rows).unwrap(), WriteOutcome::Written);
    assert_eq!(store.purge_idempotency(time_at(0)).unwrap(), 0);
    assert_eq!(store.purge_idempotency(time_at(10)).unwrap(), 10);
    assert_eq!(
        (
            store.idempotent_response(key_name("holder", "POST /x", "k9")).unwrap(),
            store.idempotent_response(key_name("holder", "POST /x", "k10")).unwrap()
        ),
        (None, Some(rows[10].clone()))
    );
    assert_eq!(store.purge_idempotency(time_at(10_040)).unwrap(), 10_000);
    assert_eq!(store.purge_idempotency(time_at(10_040)).unwrap(), 30);
    assert_eq!(store.idempotent_responses().unwrap().len(), 10);
    // Responses with the same timestamp are deleted together, and a deleted key can be used again.
    assert_eq!(
        store
            .write(
                nth(0),
                &[],
                &[answer("holder", "POST /x", "k9", 3), answer("holder", "POST /y", "k9", 3)]
            )
            .unwrap(),
        WriteOutcome::Written
    );
    assert_eq!(store.purge_idempotency(time_at(4)).unwrap(), 2);
    assert_eq!(store.head().unwrap(), LedgerHead::default());
}

pub fn many_keys_are_looked_up_at_once(place: &dyn Place) {
    let store = place.open();
    let rows: Vec<IdempotencyRow> = (0..2_500).map(|n| simple(&format!("k{n}"))).collect();
    assert_eq!(
        store.write(nth(0), &[bare(1)], &rows[2_400..2_401]).unwrap(),
        WriteOutcome::Written
    );
    assert!(matches!(store.write(nth(1), &[bare(2)], &rows).unwrap(), WriteOutcome::Behind(_)));
    assert_eq!(store.write(nth(1), &[bare(2)], &rows[..2_400]).unwrap(), WriteOutcome::Written);
    assert_eq!(store.idempotent_responses().unwrap().len(), 2_401);
}

pub fn the_newest_use_of_each_key_is_kept_beside_the_ledger(place: &dyn Place) {
    let store = place.open();
    let used = |key: &str, last_used_at: i64, address: Option<&str>| ApiKeyUsageRow {
        key: key.to_owned(),
        last_used_at: time_at(last_used_at),
        address: address.map(ToOwned::to_owned),
    };
    assert!(store.api_key_usage().unwrap().is_empty());
    store.record_api_key_usage(&[used("b", 5, Some("10.0.0.1")), used("a", 6, None)]).unwrap();
    // Another instance may know of a later use, or of an earlier one.
    let other = place.open();
    other
        .record_api_key_usage(&[used("b", 4, Some("10.0.0.2")), used("a", 7, Some("::1"))])
        .unwrap();
    store.record_api_key_usage(&[]).unwrap();
    assert_eq!(
        store.api_key_usage().unwrap(),
        [used("a", 7, Some("::1")), used("b", 5, Some("10.0.0.1"))]
    );
    assert_eq!(store.head().unwrap().revision, nth(0));
}

pub fn the_declarations_of_a_kind_are_found_with_the_revision_that_changed_them_last(
    place: &dyn Place,
) {
    let store = place.open();
    assert_eq!(
        (store.declarations_of("key").unwrap(), store.last_declaration_revision("key").unwrap()),
        ((nth(0), Vec::new()), nth(0))
    );
    let declaring = |revision: i64, declared: &[(&str, &str, Option<&str>)]| Commit {
        declarations: declared
            .iter()
            .map(|(kind, code, document)| declaration(kind, code, *document))
            .collect(),
        ..bare(revision)
    };
    let all = [
        declaring(
            1,
            &[("key", "b", Some("1")), ("key", "a", Some("1")), ("target", "a", Some("1"))],
        ),
        declaring(2, &[("key", "b", Some("2"))]),
        declaring(3, &[("target", "a", Some("3"))]),
        declaring(4, &[("key", "a", None)]),
        declaring(5, &[("target", "b", Some("5"))]),
    ];
    let standing = |up_to: usize| {
        let (newest, rows) = store.declarations_of("key").unwrap();
        assert_eq!(
            store.last_declaration_revision("key").unwrap(),
            newest,
            "after revision {up_to}"
        );
        (
            newest,
            rows.into_iter()
                .map(|row| format!("{}{}", row.code, row.document.unwrap()))
                .collect::<Vec<_>>(),
        )
    };
    let expected = [
        (1, vec!["a1", "b1"]),
        (2, vec!["a1", "b2"]),
        (2, vec!["a1", "b2"]),
        (4, vec!["b2"]),
        (4, vec!["b2"]),
    ];
    for (n, (newest, found)) in expected.into_iter().enumerate() {
        write(&store, &all[n..=n]);
        assert_eq!(
            standing(n + 1),
            (nth(newest), found.into_iter().map(ToOwned::to_owned).collect())
        );
    }
    let rows = store.revisions_of(&[nth(4), nth(2), nth(9)]).unwrap();
    assert_eq!(rows.iter().map(|row| row.revision).collect::<Vec<_>>(), [nth(2), nth(4)]);
}
