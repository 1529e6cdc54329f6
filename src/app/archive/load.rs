//! An archive into a ledger: whole, with the same numbers, times and hashes.

use super::read::Archive;
use crate::error::Error;
use crate::store::{Commit, KeyRow, Store, StoreError, WriteOutcome};

/// Most figures and declarations, and most revisions, of a transaction: large ones are faster, and one is in memory at a time.
const ROWS_AT_ONCE: usize = 100_000;
const REVISIONS_AT_ONCE: usize = 256;
/// Most answers to idempotency keys of a transaction.
const KEYS_AT_ONCE: usize = 256;

/// What became of an archive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Loaded {
    /// Revisions that the ledger held already.
    pub begun: i64,
    /// Revisions that were written.
    pub written: i64,
    /// Answers to idempotency keys that were written.
    pub keys: usize,
}

/// Brings an archive into a ledger that is empty, or holds a beginning of the same because this was interrupted. The whole archive is
/// read and checked first: of a faulty one nothing is recorded. `progress` hears how many revisions are checked and written, and of
/// how many.
///
/// # Errors
/// [`Error::Malformed`] for a faulty archive, [`Error::Conflict`] when the ledger holds something else, or the store's.
pub fn load(
    archive: &Archive,
    store: &Store,
    mut progress: impl FnMut(i64, i64),
) -> Result<Loaded, Error> {
    let (newest, begun) = (archive.manifest().revision, store.head()?.revision);
    let all = 2 * newest - begun;
    check_beginning(archive, store, begun, &mut |revision| progress(revision, all))?;
    let mut group = Group { store, last: begun, commits: Vec::new(), hash: String::new(), rows: 0 };
    archive.commits(&mut |commit, hash| {
        if commit.revision > begun {
            progress(newest - begun + commit.revision, all);
            group.add(commit, hash)?;
        }
        Ok(())
    })?;
    group.write()?;
    let keys = load_keys(archive, store, newest)?;
    Ok(Loaded { begun, written: newest - begun, keys })
}

/// Reads the whole archive, and whether what the ledger holds is its beginning.
fn check_beginning(
    archive: &Archive,
    store: &Store,
    begun: i64,
    progress: &mut dyn FnMut(i64),
) -> Result<(), Error> {
    let differs = |detail: String| Err(Error::Conflict { detail, obstacles: Vec::new() });
    if begun > archive.manifest().revision {
        return differs(format!(
            "the ledger has {begun} revisions, the archive {}; an archive goes into an empty ledger",
            archive.manifest().revision
        ));
    }
    let held = store.revision(begun)?.and_then(|row| row.hash);
    archive.commits(&mut |commit, hash| {
        progress(commit.revision);
        if commit.revision == begun && held.as_deref() != Some(hash) {
            return differs("the ledger holds something else than the archive; an archive goes into an empty ledger".to_owned());
        }
        Ok(())
    })?;
    archive.keys(&mut |_| Ok(()))
}

/// Commits that are written together.
struct Group<'s> {
    store: &'s Store,
    /// The newest revision in the ledger.
    last: i64,
    commits: Vec<Commit>,
    /// The hash of the last of them.
    hash: String,
    /// How many figures and declarations they bring.
    rows: usize,
}

impl Group<'_> {
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

    /// Writes them; the ledger computes their hashes itself, and they have to be the same.
    fn write(&mut self) -> Result<(), Error> {
        let Some(until) = self.commits.last().map(|commit| commit.revision) else { return Ok(()) };
        write(self.store, self.last, &self.commits, &[])?;
        if self.store.revision(until)?.and_then(|row| row.hash).as_deref()
            != Some(self.hash.as_str())
        {
            return Err(Error::Malformed(format!(
                "the ledger's hash of revision {until} is not the archive's"
            )));
        }
        self.last = until;
        self.rows = 0;
        self.commits.clear();
        Ok(())
    }
}

/// Writes the answers to idempotency keys that are not there yet; says how many.
fn load_keys(archive: &Archive, store: &Store, newest: i64) -> Result<usize, Error> {
    let (mut keys, mut written) = (Vec::new(), 0);
    let mut put = |keys: &mut Vec<KeyRow>| {
        written += keys.len();
        write(store, newest, &[], keys)?;
        keys.clear();
        Ok::<(), Error>(())
    };
    archive.keys(&mut |key| {
        match store.key(&key.holder, &key.target, &key.key)? {
            Some(held) if held == key => {}
            Some(_) => {
                return Err(Error::Conflict {
                    detail: format!(
                        "the ledger has another answer to the idempotency key {}",
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

/// Writes, if nobody else does.
fn write(store: &Store, last: i64, commits: &[Commit], keys: &[KeyRow]) -> Result<(), Error> {
    match store.write(last, commits, keys) {
        Ok(WriteOutcome::Written) => Ok(()),
        Ok(WriteOutcome::Behind(_)) => Err(Error::Busy(
            "somebody else writes to the ledger; an archive goes into one that nobody uses"
                .to_owned(),
        )),
        Err(StoreError::Invalid(sentence)) => {
            Err(Error::Malformed(format!("the archive contradicts itself: {sentence}")))
        }
        Err(StoreError::Conflict(_)) => Err(Error::Malformed(format!(
            "the archive contradicts itself in one of the revisions behind {last}"
        ))),
        Err(error) => Err(error.into()),
    }
}
