//! The results of writes to the ledger.

use super::chain::Hash;
use super::revision::RevisionId;
use super::rows::LedgerHead;

/// The result of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteOutcome {
    /// Everything is in the ledger, durably.
    Written,
    /// Nothing was written, because another process has written first: a revision, or a response to
    /// one of the idempotency keys. This is now the ledger's newest revision; catch up and try
    /// again.
    Behind(LedgerHead),
}

/// The result of appending to a history that the caller knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AppendOutcome {
    /// Everything is in the ledger, durably; the hashes of the commits, in order.
    Written(Vec<Hash>),
    /// As [`WriteOutcome::Behind`].
    Behind(LedgerHead),
    /// Nothing was written: the ledger does not have the revision that the caller knows as its
    /// newest, because it was restored or its server lost revisions. This is now the ledger's
    /// newest revision.
    OtherHistory(RevisionId),
}

/// What could keep a batch of commits from being written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchChecks {
    /// Whether one of its idempotency keys already has a response, of another instance.
    pub is_key_taken: bool,
    /// Whether there are figures of a later revision, which would be taken for those of the next
    /// one.
    pub is_next_taken: bool,
    /// How many of the measures that it names are in the dictionary.
    pub measures: usize,
}
