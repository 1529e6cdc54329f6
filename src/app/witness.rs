//! Witness lines: a revision with its hash and time, to be kept where nobody who can write to the
//! ledger can change it.
//!
//! The hash chain has no secret: whoever can write to the database can rewrite the whole chain with
//! matching hashes. A line that was kept elsewhere reveals that.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use super::App;
use crate::clock::time_text;
use crate::error::{Error, chain};
use ledger::{RevisionNumber, TimestampMicros, verified::check_chain};
use ledger::{Store, StoreError, chain as hashes};

/// Size in bytes after which the file is renamed to its name with `.1`, replacing the previous one.
/// Both together take at most twice this size.
pub const MAX_FILE: u64 = 8 << 20;
/// Bytes at the end of the file that contain its last lines.
const LAST_LINES: u64 = 1_024;
/// Length of a hash in hexadecimal digits.
const DIGITS: usize = 64;

/// The witness line of a ledger's newest revision. The chain is verified first.
///
/// # Errors
/// Those of the store, and [`StoreError::Unsound`] for a ledger that has no revision or does not
/// verify.
pub fn line(store: &Store) -> Result<String, Error> {
    let newest = check_chain(store, None)?;
    let row = store
        .revision(newest.number)?
        .ok_or_else(|| StoreError::Unsound("The ledger has no revision.".to_owned()))?;
    Ok(text(newest.number, &hashes::digits(&newest.hash), row.recorded_at))
}

fn text(revision: RevisionNumber, hash: &str, recorded_at: TimestampMicros) -> String {
    format!("egov-kpi revision {revision} hash {hash} recorded {}", time_text(recorded_at))
}

/// Checks whether a ledger still has the revision of a witness line, by verifying the chain up to
/// it. Returns `None` when it has, otherwise a sentence that says what differs.
///
/// # Errors
/// Those of the store, and [`Error::Malformed`] for a text that is not a witness line.
pub fn check(store: &Store, line: &str) -> Result<Option<String>, Error> {
    let malformed = || {
        Error::Malformed(
            "a line such as `egov-kpi witness` prints is expected: egov-kpi revision N hash H \
             recorded T"
                .to_owned(),
        )
    };
    let words: Vec<&str> = line.split_whitespace().collect();
    let ["egov-kpi", "revision", number, "hash", hash, "recorded", time] = words.as_slice() else {
        return Err(malformed());
    };
    let number = number.parse().ok().map(RevisionNumber::new);
    let number = number.filter(|number| *number >= RevisionNumber::FIRST).ok_or_else(malformed)?;
    if hash.len() != DIGITS || hashes::read(hash).is_none() {
        return Err(malformed());
    }
    let Some(row) = store.revision(number)? else {
        return Ok(Some(format!(
            "Revision {number} does not exist: the ledger was truncated, or is another one."
        )));
    };
    let found = match check_chain(store, Some(number)) {
        Ok(found) => found,
        Err(StoreError::Unsound(sentence)) => return Ok(Some(sentence)),
        Err(error) => return Err(error.into()),
    };
    if !hashes::digits(&found.hash).eq_ignore_ascii_case(hash) {
        return Ok(Some(format!(
            "Revision {number} has another hash: the ledger was rewritten, or is another one."
        )));
    }
    let same = *time == time_text(row.recorded_at);
    Ok((!same).then(|| format!("Revision {number} has this hash, but another time than the line.")))
}

/// The thread that appends a witness line for each new revision. It ends when the service stops.
pub struct WitnessFile {
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for WitnessFile {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

impl App {
    /// Appends a witness line to a file after each durable revision. When several follow quickly,
    /// one line for the newest is enough, because its hash covers the others. It runs on its own
    /// thread, so no write waits for it.
    ///
    /// # Errors
    /// [`Error::Environment`] when the file cannot be opened or the thread cannot be started.
    pub fn witness_file(&self, path: PathBuf) -> Result<WitnessFile, Error> {
        let named = |source| Error::Environment { what: path.display().to_string(), source };
        open(&path).map_err(named)?;
        let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(named)?;
        let (stop, mut stopped) = tokio::sync::oneshot::channel();
        let (app, mut revisions) = (self.clone(), self.inner.writer.revisions());
        let run = move || {
            let (mut failing, mut written, mut more) = (false, RevisionNumber::BEGINNING, true);
            while more {
                if written > RevisionNumber::BEGINNING {
                    more = runtime.block_on(async {
                        tokio::select! {
                            changed = revisions.changed() => changed.is_ok(),
                            _ = &mut stopped => false
                        }
                    });
                }
                revisions.mark_unchanged();
                let state = app.state();
                let (newest, line) = (
                    state.revision,
                    text(state.id().number, &state.id().digits(), state.recorded_at),
                );
                drop(state);
                // Once more at the end, for what was recorded while the service stopped.
                match if newest == written { Ok(()) } else { append(&path, &line) } {
                    Err(error) if !failing => {
                        tracing::error!(error = %chain(&error),
                            "the witness file cannot be written; the next revision tries again");
                        failing = true;
                    }
                    outcome => failing = outcome.is_err(),
                }
                written = newest;
            }
        };
        let thread = std::thread::Builder::new()
            .name("witness".to_owned())
            .spawn(run)
            .map_err(Error::environment("the witness file cannot be kept"))?;
        Ok(WitnessFile { stop: Some(stop), thread: Some(thread) })
    }
}

/// The revision of the last complete line of a witness file; none in an empty file.
///
/// # Errors
/// The file cannot be read.
pub fn last_revision(path: &Path) -> std::io::Result<Option<RevisionNumber>> {
    let mut file = File::open(path)?;
    let from = file.metadata()?.len().saturating_sub(LAST_LINES);
    file.seek(SeekFrom::Start(from))?;
    let mut end = Vec::new();
    file.take(LAST_LINES).read_to_end(&mut end)?;
    let end = String::from_utf8_lossy(&end);
    let revision =
        |line: &str| line.split_whitespace().nth(2)?.parse().ok().map(RevisionNumber::new);
    Ok(end.lines().rev().find_map(revision))
}

fn open(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o644).open(path)
}

/// Appends a line and syncs it to the disk.
fn append(path: &Path, line: &str) -> std::io::Result<()> {
    let mut file = open(path)?;
    if file.metadata()?.len() >= MAX_FILE {
        let mut older = path.as_os_str().to_owned();
        older.push(".1");
        fs::rename(path, older)?;
        file = open(path)?;
    }
    file.write_all(format!("{line}\n").as_bytes())?;
    file.sync_data()
}
