//! Files: secrets, the SQLite ledger and its folder, backups.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::Diagnosis;
use crate::app::backups;
use crate::app::upkeep::free_bytes;
use crate::config::AccessArgs;

/// A backup older than this many days is reported.
const BACKUP_DAYS: i64 = 2;
/// Less free space than this is reported, in bytes.
const MIN_FREE: u64 = 1 << 30;

/// The files with secrets: readable, and only by their owner.
pub fn secrets(access: &AccessArgs) -> Vec<Diagnosis> {
    let files = [
        (&access.admin_key_file, "admin_key"),
        (&access.key_secret_file, "key_secret"),
        (&access.tls_key, "tls"),
        (&access.oidc_client_secret_file, "client_secret"),
    ];
    let named = files.into_iter().filter_map(|(path, what)| Some((path.as_deref()?, what)));
    named.map(|(path, what)| secret(path, what)).collect()
}

fn secret(path: &Path, what: &'static str) -> Diagnosis {
    match std::fs::File::open(path).and_then(|file| file.metadata()) {
        Err(error) => Diagnosis::error(
            what,
            format!("{} cannot be read: {error}", path.display()),
            "check the path, and that the file belongs to the user of the service",
        ),
        Ok(data) if is_wide(&data) => Diagnosis::warning(
            what,
            format!("other users can read {}", path.display()),
            format!("chmod 600 {}", path.display()),
        ),
        Ok(_) => Diagnosis::fine(what, format!("{}, only for its owner", path.display())),
    }
}

fn is_wide(data: &Metadata) -> bool {
    data.mode() & 0o077 != 0
}

/// The file of a SQLite ledger, its folder and the space there. Nothing for PostgreSQL.
pub fn ledger(database: &str) -> Vec<Diagnosis> {
    let Some(path) = database.strip_prefix("sqlite://").map(Path::new) else { return Vec::new() };
    let Some(folder) = path.parent() else { return Vec::new() };
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let mut found = Vec::new();
    if let Ok(data) = path.metadata() {
        found.push(if is_wide(&data) {
            Diagnosis::warning(
                "file",
                format!("other users can read {}", path.display()),
                format!("chmod 600 {}; run the service with UMask=0077", path.display()),
            )
        } else {
            Diagnosis::fine("file", format!("{}, only for its owner", path.display()))
        });
    }
    found.push(match tempfile::tempfile_in(folder) {
        Ok(_) => Diagnosis::fine("folder", format!("{} can be written", folder.display())),
        Err(error) => Diagnosis::error(
            "folder",
            format!("{} cannot be written: {error}", folder.display()),
            "give the folder to the user of the service: SQLite writes files beside the ledger",
        ),
    });
    found.extend(space(folder, path.metadata().map_or(0, |data| data.len())));
    found
}

/// The free space of a folder's file system.
fn space(folder: &Path, ledger: u64) -> Option<Diagnosis> {
    let free = free_bytes(folder)?;
    let text = format!("{} MiB free in {}", free >> 20, folder.display());
    Some(if free < MIN_FREE.max(ledger) {
        Diagnosis::warning(
            "disk",
            text,
            "make room: at least 1 GiB, and as much as the ledger for an upgrade or a backup",
        )
    } else {
        Diagnosis::fine("disk", text)
    })
}

/// The newest backup of a folder.
pub fn backups(folder: Option<&Path>) -> Option<Diagnosis> {
    const REMEDY: &str =
        "run `egov-kpi backup FOLDER --keep 30` every day, and `egov-kpi drill FOLDER` every month";
    let Some(folder) = folder else {
        return Some(Diagnosis::warning(
            "backup",
            "no folder of backups is named (--backups)",
            REMEDY,
        ));
    };
    let found = match backups::in_folder(folder) {
        Ok(found) => found,
        Err(error) => {
            let text = format!("{} cannot be read: {error}", folder.display());
            return Some(Diagnosis::error("backup", text, REMEDY));
        }
    };
    let Some(newest) = found.last() else {
        let text = format!("there is no backup in {}", folder.display());
        return Some(Diagnosis::error("backup", text, REMEDY));
    };
    let days = (chrono::Utc::now() - newest.begun_at).num_days();
    let text =
        format!("the newest of {} is {days} days old: {}", found.len(), newest.path.display());
    Some(if days >= BACKUP_DAYS {
        Diagnosis::warning("backup", text, REMEDY)
    } else {
        Diagnosis::fine("backup", text)
    })
}
