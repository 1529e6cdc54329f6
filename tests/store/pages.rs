//! The tables of the web pages: sessions and drafts. Neither is part of the ledger.

use ledger::{DraftRow, PageChange, SessionRow};

use crate::ledger::{Place, time_at};

fn draft(n: i64) -> PageChange {
    PageChange::SaveDraft(DraftRow {
        holder: "key:a".to_owned(),
        code: format!("entry/{n}"),
        saved_at: time_at(n),
        document: "{}".to_owned(),
    })
}

pub fn the_oldest_of_20_drafts_makes_room_for_another(place: &dyn Place) {
    let store = place.open();
    for n in 0..21 {
        store.change_pages(&draft(n)).unwrap();
    }
    let there = |n: i64| store.draft("key:a", &format!("entry/{n}")).unwrap().is_some();
    assert!(!there(0));
    assert!((1..21).all(there));
    // Saving one again needs no room.
    store.change_pages(&draft(20)).unwrap();
    assert!((1..21).all(there));
    assert!(store.draft("key:b", "entry/1").unwrap().is_none(), "drafts of others stay hidden");
    let listed = store.drafts_of("key:a", 1).unwrap();
    assert_eq!((listed.len(), listed[0].0.as_str()), (20, "entry/20"), "the newest first");
    assert!(listed.iter().all(|(_, _, head)| head == "{"), "the first character of each");
    assert!(store.drafts_of("key:b", 1).unwrap().is_empty());
    let removed =
        PageChange::DeleteDraft { holder: "key:a".to_owned(), code: "entry/7".to_owned() };
    store.change_pages(&removed).unwrap();
    assert!(!there(7));
}

pub fn sessions_are_kept_until_they_end_or_are_purged(place: &dyn Place) {
    let store = place.open();
    let begin = |id: &str, at: i64| {
        PageChange::BeginSession(SessionRow {
            id: id.to_owned(),
            sealed: "x".to_owned(),
            created_at: time_at(at),
            last_used_at: time_at(at),
        })
    };
    for (id, at) in [("a", 10), ("b", 20), ("c", 30)] {
        store.change_pages(&begin(id, at)).unwrap();
    }
    let used = |id: &str| store.session(id).unwrap().map(|row| row.last_used_at.get());
    for at in [25, 24] {
        store
            .change_pages(&PageChange::UseSession { id: "a".to_owned(), at: time_at(at) })
            .unwrap();
    }
    assert_eq!(used("a"), Some(25), "a later use is kept");
    store.change_pages(&PageChange::EndSession("c".to_owned())).unwrap();
    assert_eq!(used("c"), None);
    store
        .change_pages(&PageChange::Purge {
            unused_since: time_at(21),
            begun_before: time_at(5),
            saved_before: time_at(0),
        })
        .unwrap();
    assert_eq!((used("a"), used("b")), (Some(25), None));
    store
        .change_pages(&PageChange::Purge {
            unused_since: time_at(0),
            begun_before: time_at(11),
            saved_before: time_at(0),
        })
        .unwrap();
    assert_eq!(used("a"), None, "however it was used");
}
