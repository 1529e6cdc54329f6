//! `backup`: a copy of the ledger, alone or as the newest of several in a folder.

use std::path::Path;

use super::export::{self, ExportFormat};
use super::{CommandOutcome, localised};
use crate::app::backups::{self, BackupKind};
use crate::error::Error;
use ledger::Store;

/// Writes a backup. With `keep`, `target` is a folder in which the newest `keep` backups remain.
///
/// # Errors
/// When the ledger is unavailable, or the backup cannot be written. No older backup is deleted
/// then.
pub fn run(target: &Path, keep: Option<usize>, database: &str) -> Result<CommandOutcome, Error> {
    let Some(keep) = keep else {
        Store::open_to_read(database)?.backup(target)?;
        print_written(target);
        return Ok(CommandOutcome::Done);
    };
    let of_folder = |source| Error::Environment { what: target.display().to_string(), source };
    if !target.is_dir() {
        let sentence = format!("{} is not a folder; --keep needs one", target.display());
        return Err(Error::Usage(sentence));
    }
    let kind = BackupKind::of(database);
    let file = target.join(backups::name(kind, chrono::Utc::now()));
    match kind {
        BackupKind::Copy => {
            Store::open_to_read(database)?.backup(&file)?;
            print_written(&file);
        }
        BackupKind::Archive => {
            export::run(Some(&file), ExportFormat::Ledger, database)?;
        }
    }
    for path in backups::prune(target, keep).map_err(of_folder)? {
        eprintln!("{}", localised(format!("{} deleted", path.display())));
    }
    Ok(CommandOutcome::Done)
}

fn print_written(file: &Path) {
    eprintln!("{}", localised(format!("{} written", file.display())));
}
