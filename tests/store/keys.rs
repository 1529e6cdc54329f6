//! What holds on every backend for the answers to idempotency keys.

use egov_kpi::store::{Head, KeyRow, StoreError, WriteOutcome};

use crate::ledger::{JANUARY, Place, bare, bringing, dictionaries, figure, write};

/// The answer to a key, given some microseconds after 1970.
fn answer(holder: &str, target: &str, key: &str, recorded_at: i64) -> KeyRow {
    let answer = format!("{{\"status\":201,\"of\":\"{key}\"}}");
    KeyRow { holder: holder.to_owned(), target: target.to_owned(), key: key.to_owned(), body_hash: format!("hash of {key}"), recorded_at, answer }
}

fn simple(key: &str) -> KeyRow {
    answer("holder", "POST /x", key, 5)
}

pub fn an_answer_is_kept_with_what_it_answers_or_not_at_all(place: &dyn Place) {
    let store = place.open();
    write(&store, &[dictionaries(1, 1)]);
    let commit = bringing(2, vec![figure(2, 1, 1, JANUARY, Some(1))]);
    let faulty = bringing(3, vec![figure(3, 9, 1, JANUARY, Some(1))]);
    assert!(matches!(store.write(1, &[commit.clone(), faulty], &[simple("one")]), Err(StoreError::Conflict(_))));
    assert!(matches!(store.write(1, &[bare(3)], &[simple("one")]), Err(StoreError::Invalid(_))));
    assert_eq!(store.write(0, &[bare(1)], &[simple("one")]).unwrap(), WriteOutcome::Behind(Head { revision: 1, recorded_at: 1_000_000 }));
    assert!(store.keys().unwrap().is_empty());
    assert_eq!(store.write(1, &[commit], &[simple("one"), simple("two")]).unwrap(), WriteOutcome::Written);
    let store = place.open();
    assert_eq!(store.key("holder", "POST /x", "one").unwrap(), Some(simple("one")));
    assert_eq!(store.keys().unwrap(), [simple("one"), simple("two")]);
    // Where nothing was to be recorded the answer is kept all the same.
    assert_eq!(store.write(2, &[], &[simple("three")]).unwrap(), WriteOutcome::Written);
    assert_eq!((store.keys().unwrap().len(), store.head().unwrap().revision), (3, 2));
}

pub fn a_key_that_was_answered_leaves_everything_unwritten(place: &dyn Place) {
    let (store, other) = (place.open(), place.open());
    assert_eq!(other.write(0, &[dictionaries(1, 1)], &[simple("taken")]).unwrap(), WriteOutcome::Written);
    let behind = WriteOutcome::Behind(Head { revision: 1, recorded_at: 1_000_000 });
    let again = KeyRow { answer: "{}".to_owned(), body_hash: "another".to_owned(), recorded_at: 9, ..simple("taken") };
    assert_eq!(store.write(1, &[bare(2)], &[simple("free"), again.clone()]).unwrap(), behind);
    assert_eq!(store.write(1, &[], &[again, simple("free")]).unwrap(), behind);
    assert_eq!(store.head().unwrap().revision, 1);
    assert_eq!(store.keys().unwrap(), [simple("taken")], "the first answer stays, no other came");
    assert!(matches!(store.write(1, &[bare(2)], &[simple("twice"), simple("twice")]), Err(StoreError::Conflict(_))));
    assert_eq!(store.write(1, &[bare(2)], &[simple("free")]).unwrap(), WriteOutcome::Written);
}

pub fn keys_differ_by_holder_and_target(place: &dyn Place) {
    let store = place.open();
    let rows = [answer("a", "POST /x", "k", 1), answer("a", "POST /x?dry_run=true", "k", 2), answer("b", "POST /x", "k", 3), answer("a", "POST /x", "K", 4)];
    for row in &rows {
        assert_eq!(store.write(0, &[], std::slice::from_ref(row)).unwrap(), WriteOutcome::Written);
    }
    for row in &rows {
        assert_eq!(store.key(&row.holder, &row.target, &row.key).unwrap().as_ref(), Some(row));
    }
    assert_eq!(store.key("b", "POST /x?dry_run=true", "k").unwrap(), None);
    assert_eq!(store.keys().unwrap().len(), 4);
}

pub fn keys_are_listed_in_the_same_order_everywhere(place: &dyn Place) {
    let store = place.open();
    let sorted = ["", " ", "-b", "A", "B", "a", "a-c", "aB", "ab", "z", "á", "Đ", "\u{1F600}"];
    let rows: Vec<KeyRow> = sorted.iter().rev().map(|key| simple(key)).collect();
    assert_eq!(store.write(0, &[], &rows).unwrap(), WriteOutcome::Written);
    let listed: Vec<String> = store.keys().unwrap().into_iter().map(|row| row.key).collect();
    assert_eq!(listed, sorted);
}

pub fn old_answers_are_forgotten_a_bounded_number_at_a_time(place: &dyn Place) {
    let store = place.open();
    let rows: Vec<KeyRow> = (0..10_050).map(|n| answer("holder", "POST /x", &format!("k{n}"), n)).collect();
    assert_eq!(store.write(0, &[], &rows).unwrap(), WriteOutcome::Written);
    assert_eq!(store.forget_keys(0).unwrap(), 0);
    assert_eq!(store.forget_keys(10).unwrap(), 10);
    assert_eq!((store.key("holder", "POST /x", "k9").unwrap(), store.key("holder", "POST /x", "k10").unwrap()), (None, Some(rows[10].clone())));
    assert_eq!(store.forget_keys(10_040).unwrap(), 10_000);
    assert_eq!(store.forget_keys(10_040).unwrap(), 30);
    assert_eq!(store.keys().unwrap().len(), 10);
    // Answers of one moment go together, and what is forgotten is free again.
    assert_eq!(store.write(0, &[], &[answer("holder", "POST /x", "k9", 3), answer("holder", "POST /y", "k9", 3)]).unwrap(), WriteOutcome::Written);
    assert_eq!(store.forget_keys(4).unwrap(), 2);
    assert_eq!(store.head().unwrap(), Head::default());
}

pub fn many_keys_are_looked_up_at_once(place: &dyn Place) {
    let store = place.open();
    let rows: Vec<KeyRow> = (0..2_500).map(|n| simple(&format!("k{n}"))).collect();
    assert_eq!(store.write(0, &[bare(1)], &rows[2_400..2_401]).unwrap(), WriteOutcome::Written);
    assert!(matches!(store.write(1, &[bare(2)], &rows).unwrap(), WriteOutcome::Behind(_)));
    assert_eq!(store.write(1, &[bare(2)], &rows[..2_400]).unwrap(), WriteOutcome::Written);
    assert_eq!(store.keys().unwrap().len(), 2_401);
}
