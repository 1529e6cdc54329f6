//! Writes an archive to a ledger: complete, with the same numbers, timestamps and hashes.

use super::read::LedgerArchive;
use crate::error::Error;
use ledger::{Commit, IdempotencyRow, RevisionNumber, Store, StoreError, WriteOutcome};

/// Most figures and declarations, and most revisions, in one transaction. Large transactions are
/// faster, but each is held in memory.
const ROWS_AT_ONCE: usize = 100_000;
const REVISIONS_AT_ONCE: usize = 256;
/// Most responses to idempotency keys in one transaction.
const KEYS_AT_ONCE: usize = 256;

/// The result of loading an archive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LoadOutcome {
    /// Number of revisions that the ledger already had.
    pub begun: i64,
    /// Number of revisions that were written.
    pub written: i64,
    /// Number of responses to idempotency keys that were written.
    pub keys: usize,
}

/// Writes an archive to a ledger that is empty, or that contains the first part of the same archive
/// because loading was interrupted. The whole archive is read and validated first, so that nothing
/// of a faulty archive is recorded. `progress` receives the number of revisions checked and
/// written, and the total.
///
/// # Errors
/// [`Error::Malformed`] for a faulty archive, [`Error::Conflict`] when the ledger has other
/// content, or those of the store.
pub fn load(
    archive: &LedgerArchive,
    store: &Store,
    mut progress: impl FnMut(i64, i64),
) -> Result<LoadOutcome, Error> {
    let (newest, begun) = (archive.manifest().revision, store.head()?.revision);
    let new = newest.since(begun);
    let all = newest.get() + new;
    check_beginning(archive, store, begun, &mut |revision| progress(revision.get(), all))?;
    let mut group =
        CommitBatch { store, last: begun, commits: Vec::new(), hash: String::new(), rows: 0 };
    archive.commits(&mut |commit, hash| {
        if commit.revision > begun {
            progress(new + commit.revision.get(), all);
            group.add(commit, hash)?;
        }
        Ok(())
    })?;
    group.write()?;
    let keys = load_keys(archive, store, newest)?;
    Ok(LoadOutcome { begun: begun.get(), written: new, keys })
}

/// Reads the whole archive and checks that the ledger's content is its first part.
fn check_beginning(
    archive: &LedgerArchive,
    store: &Store,
    begun: RevisionNumber,
    progress: &mut dyn FnMut(RevisionNumber),
) -> Result<(), Error> {
    let differs = |detail: String| Err(Error::Conflict { detail, obstacles: Vec::new() });
    if begun > archive.manifest().revision {
        return differs(format!(
            "the ledger has {begun} revisions, the archive {}; an archive can only be loaded into \
             an empty ledger",
            archive.manifest().revision
        ));
    }
    let held = store.revision(begun)?.and_then(|row| row.hash);
    archive.commits(&mut |commit, hash| {
        progress(commit.revision);
        if commit.revision == begun && held.as_deref() != Some(hash) {
            return differs(
                "the ledger has other content than the archive; an archive can only be loaded into \
                 an empty ledger"
                    .to_owned(),
            );
        }
        Ok(())
    })?;
    archive.keys(&mut |_| Ok(()))
}

/// Commits that are written in one transaction.
struct CommitBatch<'s> {
    store: &'s Store,
    /// The newest revision in the ledger.
    last: RevisionNumber,
    commits: Vec<Commit>,
    /// The archive's hash of the last commit.
    hash: String,
    /// Number of figures and declarations in the commits.
    rows: usize,
}

impl CommitBatch<'_> {
    fn add(&mut self, commit: Commit, hash: &str) -> Result<(), Error> {
        let rows = commit.observations.len() + commit.declarations.len();
        if self.rows + rows > ROWS_AT_ONCE || self.commits.len() >= REVISIONS_AT_ONCE {
            self.write()?;
        }
        self.rows += rows;
        hash.clone_into(&mut self.hash);
        self.commits.push(commit);
        Ok(())
    }

    /// Writes the commits. The ledger computes their hashes itself, and they must equal those of
    /// the archive.
    fn write(&mut self) -> Result<(), Error> {
        let Some(until) = self.commits.last().map(|commit| commit.revision) else { return Ok(()) };
        write(self.store, self.last, &self.commits, &[])?;
        if self.store.revision(until)?.and_then(|row| row.hash).as_deref()
            != Some(self.hash.as_str())
        {
            return Err(Error::Malformed(format!(
                "the ledger's hash of revision {until} differs from the archive's"
            )));
        }
        self.last = until;
        self.rows = 0;
        self.commits.clear();
        Ok(())
    }
}

/// Writes the missing responses to idempotency keys; returns their number.
fn load_keys(
    archive: &LedgerArchive,
    store: &Store,
    newest: RevisionNumber,
) -> Result<usize, Error> {
    let (mut keys, mut written) = (Vec::new(), 0);
    let mut put = |keys: &mut Vec<IdempotencyRow>| {
        written += keys.len();
        write(store, newest, &[], keys)?;
        keys.clear();
        Ok::<(), Error>(())
    };
    archive.keys(&mut |key| {
        match store.idempotent_response(key.name())? {
            Some(held) if held == key => {}
            Some(_) => {
                return Err(Error::Conflict {
                    detail: format!(
                        "the ledger has another response to the idempotency key {}",
                        key.key
                    ),
                    obstacles: Vec::new(),
                });
            }
            None => keys.push(key),
        }
        if keys.len() >= KEYS_AT_ONCE { put(&mut keys) } else { Ok(()) }
    })?;
    put(&mut keys)?;
    Ok(written)
}

/// Writes commits and responses, unless another process writes to the ledger.
fn write(
    store: &Store,
    last: RevisionNumber,
    commits: &[Commit],
    keys: &[IdempotencyRow],
) -> Result<(), Error> {
    match store.write(last, commits, keys) {
        Ok(WriteOutcome::Written) => Ok(()),
        Ok(WriteOutcome::Behind(_)) => Err(Error::Busy(
            "another process writes to the ledger; an archive can only be loaded into a ledger \
             that is not in use"
                .to_owned(),
        )),
        Err(StoreError::Invalid(sentence)) => {
            Err(Error::Malformed(format!("the archive is inconsistent: {sentence}")))
        }
        Err(StoreError::Conflict(_)) => Err(Error::Malformed(format!(
            "the archive is inconsistent in one of the revisions after {last}"
        ))),
        Err(error) => Err(error.into()),
    }
}
