//! Backups in one folder: their names, and which of them are kept.
//!
//! A name contains the time, `egov-kpi-20261130T061500Z.db` (a copy of a SQLite file) or `.zip` (an
//! archive of the ledger), so that the order of the names is that of the times. Other files in the
//! folder are never touched.

use std::io;
use std::path::{Path, PathBuf};

use chrono::{DateTime, NaiveDateTime, Utc};

const PREFIX: &str = "egov-kpi-";
const TIME: &str = "%Y%m%dT%H%M%SZ";

/// The two kinds of backups.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BackupKind {
    /// A copy of the SQLite file.
    Copy,
    /// An archive of the ledger, as `export` writes it.
    Archive,
}

impl BackupKind {
    /// The kind that is made of the ledger at an address.
    #[must_use]
    pub fn of(address: &str) -> Self {
        if address.starts_with("sqlite:") { Self::Copy } else { Self::Archive }
    }

    const fn ending(self) -> &'static str {
        match self {
            Self::Copy => ".db",
            Self::Archive => ".zip",
        }
    }
}

/// A backup in a folder.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct BackupFile {
    /// When it was begun.
    pub begun_at: DateTime<Utc>,
    /// Its path.
    pub path: PathBuf,
}

/// The name of a backup that begins at a time.
#[must_use]
pub fn name(kind: BackupKind, time: DateTime<Utc>) -> String {
    format!("{PREFIX}{}{}", time.format(TIME), kind.ending())
}

/// The backups in a folder, the oldest first.
///
/// # Errors
/// The folder cannot be read.
pub fn in_folder(folder: &Path) -> io::Result<Vec<BackupFile>> {
    let mut found = Vec::new();
    for entry in folder.read_dir()? {
        let entry = entry?;
        let begun_at = entry.file_name().to_str().and_then(time_in);
        if let Some(begun_at) = begun_at
            && entry.file_type()?.is_file()
        {
            found.push(BackupFile { begun_at, path: entry.path() });
        }
    }
    found.sort();
    Ok(found)
}

/// Deletes all but the newest `keep` backups of a folder, and returns the deleted ones. At least
/// one remains.
///
/// # Errors
/// The folder cannot be read, or a file cannot be deleted.
pub fn prune(folder: &Path, keep: usize) -> io::Result<Vec<PathBuf>> {
    let found = in_folder(folder)?;
    let surplus = found.len().saturating_sub(keep.max(1));
    let mut deleted = Vec::with_capacity(surplus);
    for backup in found.into_iter().take(surplus) {
        std::fs::remove_file(&backup.path)?;
        deleted.push(backup.path);
    }
    Ok(deleted)
}

/// The time in the name of a backup.
fn time_in(name: &str) -> Option<DateTime<Utc>> {
    let time = name.strip_prefix(PREFIX)?;
    let time = [BackupKind::Copy, BackupKind::Archive]
        .iter()
        .find_map(|kind| time.strip_suffix(kind.ending()))?;
    Some(NaiveDateTime::parse_from_str(time, TIME).ok()?.and_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_newest_backups_remain_and_other_files_are_not_touched() {
        let folder = tempfile::tempdir().unwrap();
        let written = [
            "egov-kpi-20261130T061500Z.db",
            "egov-kpi-20261129T061500Z.zip",
            "egov-kpi-20261128T061500Z.db",
            "egov-kpi-20261128.db",
            "egov-kpi-20261101T061500Z.db.copy",
            "ledger.db",
        ];
        for name in written {
            std::fs::write(folder.path().join(name), "x").unwrap();
        }
        std::fs::create_dir(folder.path().join("egov-kpi-20200101T000000Z.db")).unwrap();
        let deleted = prune(folder.path(), 2).unwrap();
        assert_eq!(deleted, [folder.path().join("egov-kpi-20261128T061500Z.db")]);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 6);
        assert_eq!(prune(folder.path(), 0).unwrap().len(), 1);
        let left = in_folder(folder.path()).unwrap();
        assert_eq!(left[0].path, folder.path().join("egov-kpi-20261130T061500Z.db"));
        let name = name(BackupKind::Copy, left[0].begun_at);
        assert_eq!(name, "egov-kpi-20261130T061500Z.db");
    }
}
