//! Appending to a ledger that may have another history than the writer knows, on every backend.

use ledger::{AppendOutcome, ExpectedHead, RevisionId, chain};

use crate::keys::simple;
use crate::ledger::{Place, bare, nth, write};

pub fn a_write_says_the_hashes_that_its_commits_have_got(place: &dyn Place) {
    let store = place.open();
    assert_eq!(store.newest().unwrap(), RevisionId::beginning());
    let AppendOutcome::Written(hashes) =
        store.append(RevisionId::beginning(), &[bare(1), bare(2), bare(3)], &[]).unwrap()
    else {
        panic!("not written")
    };
    assert_eq!(hashes.len(), 3);
    assert_eq!(hashes, store.hashes(nth(3)).unwrap());
    for (number, hash) in (1..).zip(&hashes) {
        assert_eq!(store.revision(nth(number)).unwrap().unwrap().hash, Some(chain::digits(hash)));
    }
    assert_eq!(store.newest().unwrap(), RevisionId { number: nth(3), hash: hashes[2] });
    assert_eq!(
        store.append(store.newest().unwrap(), &[], &[simple("k")]).unwrap(),
        AppendOutcome::Written(Vec::new())
    );
    assert!(store.hashes(nth(4)).is_err(), "a revision that does not exist has no hash");
}

pub fn nothing_is_written_behind_a_revision_of_another_history(place: &dyn Place) {
    let store = place.open();
    write(&store, &[bare(1), bare(2), bare(3)]);
    let (before, newest) = (store.revision(nth(2)).unwrap().unwrap(), store.newest().unwrap());
    let second = RevisionId { number: nth(2), hash: chain::read(&before.hash.unwrap()).unwrap() };
    let foreign = [1; 32];
    // The same number with another hash, and a number that the ledger no longer has.
    for known in [
        RevisionId { hash: foreign, ..newest },
        RevisionId { number: nth(4), hash: foreign },
        RevisionId { number: nth(4), ..newest },
    ] {
        let next = bare(known.number.get() + 1);
        assert_eq!(
            store.append(known, std::slice::from_ref(&next), &[simple("k")]).unwrap(),
            AppendOutcome::OtherHistory(newest),
            "{known}"
        );
        assert_eq!(
            store.append(known, &[], &[simple("k")]).unwrap(),
            AppendOutcome::OtherHistory(newest),
            "{known}"
        );
    }
    // A writer with only a number learns that it is behind; it has to check itself whether its
    // revision belongs to this history.
    let outcome = store.append(second, &[bare(3)], &[]).unwrap();
    assert!(matches!(outcome, AppendOutcome::Behind(head) if head.revision == nth(3)));
    let outcome = store.append(ExpectedHead::from(nth(7)), &[bare(8)], &[]).unwrap();
    assert!(matches!(outcome, AppendOutcome::Behind(head) if head.revision == nth(3)));
    assert_eq!(store.newest().unwrap(), newest);
    assert_eq!(store.idempotent_responses().unwrap(), []);
    assert!(matches!(store.append(newest, &[bare(4)], &[]).unwrap(), AppendOutcome::Written(_)));
}
