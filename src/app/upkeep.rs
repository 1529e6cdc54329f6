//! The state of what an admin must watch: free disk space, backups, witness lines, and keys that
//! expire. A thread of its own checks it once a minute, because a folder may be on a drive that
//! does not respond.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::{App, backups};
use crate::auth::api_keys::document::KeyState;
use crate::clock::process_time;
use crate::error::Error;
use crate::periodic::{PeriodicThread, Tick};
use ledger::RevisionNumber;

/// The interval of the checks, and the delay of the first one.
const INTERVAL: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_secs(1);
const SECOND: i64 = 1_000_000;

/// The result of the last check. Times are seconds since 1970.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct UpkeepStatus {
    /// Free bytes where a SQLite ledger is; absent with PostgreSQL.
    pub disk_free: Option<u64>,
    /// When the newest backup was begun, 0 when the folder has none; absent without a folder.
    pub backup_at: Option<i64>,
    /// The revision of the last witness line, 0 for an empty file; absent without a witness file.
    pub witnessed: Option<RevisionNumber>,
    /// When the next active key expires; absent when no active key has an expiry.
    pub key_ends_at: Option<i64>,
}

impl App {
    /// Starts the checks: soon, then at the interval, until the handle is dropped.
    ///
    /// # Errors
    /// [`Error::Environment`] when the thread cannot be started.
    pub fn start_upkeep(
        &self,
        backups: Option<PathBuf>,
        witness_file: Option<PathBuf>,
    ) -> Result<PeriodicThread, Error> {
        let app = self.clone();
        let mut due = Instant::now();
        PeriodicThread::start("upkeep", POLL, move |tick| {
            if tick == Tick::Interval && Instant::now() >= due {
                app.look_after(backups.as_deref(), witness_file.as_deref());
                due = Instant::now() + INTERVAL;
            }
        })
        .map_err(Error::environment("disk and backups cannot be watched"))
    }

    /// The result of the last check.
    #[must_use]
    pub fn upkeep(&self) -> UpkeepStatus {
        *self.inner.upkeep.lock()
    }

    fn look_after(&self, backups: Option<&Path>, witness_file: Option<&Path>) {
        let now = process_time();
        let ends = self.api_keys().each(|_, document| {
            document.expires_at.filter(|_| document.state(now) == KeyState::Active)
        });
        let found = UpkeepStatus {
            disk_free: self.store().folder().and_then(free_bytes),
            backup_at: backups.map(newest_backup),
            witnessed: witness_file.map(last_witnessed),
            key_ends_at: ends.into_iter().flatten().min().map(|end| end.get() / SECOND),
        };
        *self.inner.upkeep.lock() = found;
    }
}

/// Free bytes of the file system of a folder, for users other than root.
pub fn free_bytes(folder: &Path) -> Option<u64> {
    let system = rustix::fs::statvfs(folder).ok()?;
    Some(system.f_bavail.saturating_mul(system.f_frsize))
}

fn newest_backup(folder: &Path) -> i64 {
    match backups::in_folder(folder) {
        Ok(found) => found.last().map_or(0, |backup| backup.begun_at.timestamp()),
        Err(error) => {
            tracing::warn!(%error, "the folder of the backups cannot be read");
            0
        }
    }
}

/// The revision of the last line of a witness file.
fn last_witnessed(file: &Path) -> RevisionNumber {
    match super::witness::last_revision(file) {
        Ok(revision) => revision.unwrap_or_default(),
        Err(error) => {
            tracing::warn!(%error, "the witness file cannot be read");
            RevisionNumber::BEGINNING
        }
    }
}
