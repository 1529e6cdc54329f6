//! The history of the ledger that this instance follows, and the lost revisions: those that it has
//! seen and that the ledger no longer has.
//!
//! A restored backup, a point-in-time recovery or a failover to a lagging copy assigns revision
//! numbers a second time. The writer notices that (`writer/history.rs`); this module holds what the
//! rest of the service needs to know (`docs/specification.md#revisions`).

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use imbl::Vector;

use crate::sync::Mutex;
use ledger::RevisionNumber;
use ledger::chain::Hash;
use ledger::{RevisionId, RevisionRef};

/// At most this many hashes of lost revisions are remembered, to inform clients that name them; 3
/// MB.
const MAX_REMEMBERED: usize = 100_000;

/// What this instance knows of replaced histories.
pub(super) struct LedgerHistory {
    replaced: AtomicBool,
    changes: AtomicU64,
    lost_revisions: AtomicU64,
    lost: Mutex<Vec<LostRevisions>>,
}

/// Revisions that this instance has served and that the ledger no longer has.
#[derive(Clone)]
pub(super) struct LostRevisions {
    /// The last revision that both histories have in common; 0 when they have none.
    pub common: RevisionNumber,
    /// The hashes of the revisions after it, in order.
    pub hashes: Vector<Hash>,
}

impl LostRevisions {
    fn id(&self, number: RevisionNumber) -> Option<RevisionId> {
        let place = number.since(self.common).checked_sub(1)?;
        Some(RevisionId { number, hash: *self.hashes.get(usize::try_from(place).ok()?)? })
    }

    /// The first lost revision.
    pub fn first(&self) -> Option<RevisionId> {
        self.id(self.common.next())
    }

    /// The last lost revision.
    pub fn last(&self) -> Option<RevisionId> {
        self.id(self.common.plus(i64::try_from(self.hashes.len()).ok()?))
    }
}

/// The changes of the ledger's history since this instance started.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct HistoryChanges {
    /// How often the ledger had another history than before.
    pub changes: u64,
    /// How many revisions that this instance knew are lost.
    pub lost_revisions: u64,
}

impl Default for LedgerHistory {
    fn default() -> Self {
        Self {
            replaced: AtomicBool::new(false),
            changes: AtomicU64::new(0),
            lost_revisions: AtomicU64::new(0),
            lost: Mutex::new("lost revisions", Vec::new()),
        }
    }
}

impl LedgerHistory {
    /// Whether the state in memory belongs to a history that the ledger no longer has; no request
    /// is served from it.
    pub fn is_replaced(&self) -> bool {
        self.replaced.load(Ordering::SeqCst)
    }

    /// Stops serving from the state in memory; returns whether it was served until now.
    pub fn suspend(&self) -> bool {
        !self.replaced.swap(true, Ordering::SeqCst)
    }

    /// The state in memory is that of the ledger again.
    pub fn resume(&self) {
        self.replaced.store(false, Ordering::SeqCst);
    }

    /// Remembers lost revisions, those of the newest history first.
    pub fn remember(&self, lost: LostRevisions) {
        self.changes.fetch_add(1, Ordering::Relaxed);
        self.lost_revisions
            .fetch_add(u64::try_from(lost.hashes.len()).unwrap_or(u64::MAX), Ordering::Relaxed);
        let mut known = self.lost.lock();
        known.push(lost);
        let mut total = 0_usize;
        // The oldest lost histories are forgotten first; of a single one that is too long, its
        // oldest revisions.
        let keep = known.iter().rev().take_while(|lost| {
            total = total.saturating_add(lost.hashes.len());
            total <= MAX_REMEMBERED
        });
        let forget = known.len() - keep.count().max(1);
        known.drain(..forget);
        if let [only] = known.as_mut_slice()
            && let Some(surplus) = only.hashes.len().checked_sub(MAX_REMEMBERED)
        {
            only.hashes = only.hashes.skip(surplus);
            only.common = only.common.plus(i64::try_from(surplus).unwrap_or(i64::MAX));
        }
    }

    /// The lost revision that a client names with its hash.
    pub fn find_lost(&self, named: &RevisionRef) -> Option<RevisionId> {
        if !named.names_hash() {
            return None;
        }
        let known = self.lost.lock();
        known.iter().filter_map(|lost| lost.id(named.number)).find(|id| named.is(id))
    }

    /// The counters for `/metrics` and `/readyz`.
    pub fn changes(&self) -> HistoryChanges {
        HistoryChanges {
            changes: self.changes.load(Ordering::Relaxed),
            lost_revisions: self.lost_revisions.load(Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lost(common: i64, count: usize, mark: u8) -> LostRevisions {
        let common = RevisionNumber::new(common);
        LostRevisions { common, hashes: (0..count).map(|_| [mark; 32]).collect() }
    }

    #[test]
    fn a_lost_revision_is_found_only_by_number_and_hash() {
        let history = LedgerHistory::default();
        history.remember(lost(4, 2, 0xaa));
        history.remember(lost(3, 1, 0xbb));
        let find = |text: &str| history.find_lost(&text.parse().unwrap()).map(|id| id.number.get());
        assert_eq!(find("5-aaaaaaaa"), Some(5));
        assert_eq!(find("6-aaaaaaaa"), Some(6));
        assert_eq!(find("4-bbbbbbbb"), Some(4));
        for kept in ["4-aaaaaaaa", "7-aaaaaaaa", "5-bbbbbbbb", "5", "0-aaaaaaaa"] {
            assert_eq!(find(kept), None, "{kept}");
        }
        assert_eq!(history.changes(), HistoryChanges { changes: 2, lost_revisions: 3 });
    }

    #[test]
    fn the_number_of_remembered_revisions_is_limited() {
        let history = LedgerHistory::default();
        history.remember(lost(0, 10, 0xaa));
        history.remember(lost(0, MAX_REMEMBERED + 5, 0xbb));
        let find = |text: &str| history.find_lost(&text.parse().unwrap()).is_some();
        assert!(!find("1-aaaaaaaa") && !find("5-bbbbbbbb") && find("6-bbbbbbbb"));
        assert!(find(&format!("{}-bbbbbbbb", MAX_REMEMBERED + 5)));
    }
}
