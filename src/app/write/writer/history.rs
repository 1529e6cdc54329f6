//! Another history under the same revision numbers: detecting, reporting and adopting it
//! (`docs/specification.md#revisions`).
//!
//! The newest revision that this instance knows, number and hash, is compared with the ledger's row
//! with every group (in the transaction that writes it) and whenever the ledger may have changed.
//! If the ledger has another row there, or none, it was restored or its server lost revisions. Then
//! no request is served from memory until the ledger has been read again and its chain was
//! verified.

use std::time::{Duration, Instant};

use super::WriterContext;
use crate::app::history::LostRevisions;
use crate::app::state::State;
use crate::auth::api_keys::document::API_KEY;
use crate::error::{Error, chain};
use ledger::{RevisionId, RevisionNumber, StoreError, chain as hash_chain};

/// How long to wait after a failed reading, or a broken chain, before reading the ledger again.
const RETRY: Duration = Duration::from_secs(1);
/// How many attempts follow each other at once: other processes may have written meanwhile.
const ATTEMPTS: usize = 3;

impl WriterContext {
    /// Whether the ledger has the newest revision that this instance knows.
    pub(super) fn follows_ledger(&self, known: RevisionId) -> Result<bool, Error> {
        if known.number == RevisionNumber::BEGINNING {
            return Ok(true);
        }
        let row = self.store.revision(known.number)?;
        Ok(row.and_then(|row| hash_chain::read(&row.hash?)) == Some(known.hash))
    }

    /// Replaces the history in memory by that of the ledger.
    ///
    /// # Errors
    /// Those of the store, and [`Error::Busy`] while the ledger cannot be used. No request is
    /// served from memory until this has succeeded.
    pub(super) fn adopt_history(&self) -> Result<(), Error> {
        if !self.history.is_replaced() && self.store.is_standby()? {
            return Err(Error::Busy(
                "the database server is a standby that lags; try again".to_owned(),
            ));
        }
        let first_time = self.history.suspend();
        let known = self.state.snapshot();
        if first_time {
            tracing::error!(
                newest_known = known.id().short(),
                "the ledger no longer has the newest revision that this instance knows: it was \
                 restored, or its server lost revisions; nothing is written or served until it has \
                 been read again"
            );
        } else if self
            .adoption_failed
            .lock()
            .is_some_and(|failed: Instant| failed.elapsed() < RETRY)
        {
            return Err(unusable());
        }
        let mut read = self.read_again(&known);
        for _attempt in 1..ATTEMPTS {
            if read.is_err() {
                read = self.read_again(&known);
            }
        }
        match read {
            Ok((state, lost)) => {
                *self.adoption_failed.lock() = None;
                self.follow(state, lost)
            }
            Err(error) => {
                tracing::error!(error = %chain(&error),
                    "the ledger with another history cannot be used yet");
                *self.adoption_failed.lock() = Some(Instant::now());
                Err(unusable())
            }
        }
    }

    /// Reads the ledger's state, verified against its chain, and finds the revisions that are gone
    /// since `known`.
    fn read_again(&self, known: &State) -> Result<(State, LostRevisions), Error> {
        let head = self.store.head()?;
        if head.revision == RevisionNumber::BEGINNING {
            let sentence = "The ledger has no revisions any more. Restore a backup.".to_owned();
            return Err(StoreError::Corrupt { sentence, source: None }.into());
        }
        let state = State::at(&self.store, head, self.clock.calendar())?;
        state.evaluate_findings(); // before the first reader needs them
        let common = last_common(known, &state);
        let hashes = known.hashes.clone().skip(usize::try_from(common.get()).unwrap_or(usize::MAX));
        Ok((state, LostRevisions { common, hashes }))
    }

    /// Serves from the ledger's state from now on.
    fn follow(&self, state: State, lost: LostRevisions) -> Result<(), Error> {
        let newest = state.id();
        match (lost.first(), lost.last()) {
            (Some(first), Some(last)) => tracing::error!(
                first = %first,
                last = %last,
                count = lost.hashes.len(),
                common = lost.common.get(),
                newest = %newest,
                "revisions are missing from the ledger: this instance had recorded or read them, \
                 and the ledger no longer has them; send their figures again"
            ),
            _ => {
                tracing::warn!(newest = %newest, "the ledger was replaced by one that continues \
                    from the same revision")
            }
        }
        self.api_keys.begin(state.id(), state.documents.declarations_of(API_KEY))?;
        self.history.remember(lost);
        self.state.put(state);
        let forgotten = std::mem::take(&mut *self.pasts.lock());
        drop(forgotten); // freed without holding the lock
        self.announce(newest.number);
        self.history.resume();
        tracing::warn!(newest = %newest, "the service continues with the ledger's history");
        Ok(())
    }
}

/// The last revision that two histories have in common. Where the hashes of a revision are equal,
/// those of all earlier ones are, too.
fn last_common(one: &State, other: &State) -> RevisionNumber {
    let (mut low, mut high) = (0, one.hashes.len().min(other.hashes.len()));
    while low < high {
        let middle = (low + high).div_ceil(2);
        if one.hashes.get(middle - 1) == other.hashes.get(middle - 1) {
            low = middle
        } else {
            high = middle - 1
        }
    }
    RevisionNumber::new(i64::try_from(low).unwrap_or(i64::MAX))
}

fn unusable() -> Error {
    Error::Busy(
        "the ledger has another history than before and is being read again; try again".to_owned(),
    )
}
