//! `drill`: restores a backup into a temporary ledger and checks it, so that a backup that cannot
//! be restored is noticed before it is needed.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use super::{CommandOutcome, io, localised};
use crate::app::archive::{self, LedgerArchive};
use crate::app::backups;
use crate::app::read::ledger::verify;
use crate::clock::time_text;
use crate::error::Error;
use ledger::{LedgerHead, Store, chain};

/// Restores a backup (of a folder, the newest) and prints what it contains. With `database` it is
/// compared with that ledger.
///
/// # Errors
/// When a file, the temporary folder or the ledger is unavailable.
pub fn run(
    backup: &Path,
    database: Option<&str>,
    max_age: Option<Duration>,
) -> Result<CommandOutcome, Error> {
    let backup = newest(backup)?;
    let data = backup.metadata().map_err(|source| named(&backup, source))?;
    let written = data.modified().map_err(|source| named(&backup, source))?;
    let age = SystemTime::now().duration_since(written).unwrap_or_default();
    print(format!("{}: {} bytes, {} hours old", backup.display(), data.len(), hours(age)));
    let mut errors = Vec::new();
    if max_age.is_some_and(|most| age > most) {
        let most = max_age.map(hours).unwrap_or_default();
        errors.push(format!("the backup is older than {most} hours"));
    }

    let started = Instant::now();
    let folder = tempfile::tempdir().map_err(io)?;
    let restored = restore(&backup, &folder.path().join("ledger.db"))?;
    let found = verify(&restored, None, |_, _| ())?;
    print(format!(
        "restored and verified in {:.1} s: revision {}, {} current figures, hash {}",
        started.elapsed().as_secs_f64(),
        found.revisions,
        found.figures,
        found.hash
    ));
    errors.extend(found.faults);
    if let Some(database) = database {
        errors.extend(compare(&restored, &Store::open_to_read(database)?)?);
    }
    errors.iter().for_each(|error| say!("{}", localised(error.clone())));
    if errors.is_empty() {
        print("the backup can be restored".to_owned());
        return Ok(CommandOutcome::Done);
    }
    Ok(CommandOutcome::Faults)
}

fn print(line: String) {
    say!("{}", localised(line));
}

fn hours(age: Duration) -> u64 {
    age.as_secs() / 3_600
}

fn named(path: &Path, source: std::io::Error) -> Error {
    Error::Environment { what: path.display().to_string(), source }
}

/// The file itself, or the newest backup in a folder.
fn newest(backup: &Path) -> Result<PathBuf, Error> {
    if !backup.is_dir() {
        return Ok(backup.to_path_buf());
    }
    let found = backups::in_folder(backup).map_err(|source| named(backup, source))?;
    let newest = found.into_iter().next_back().map(|backup| backup.path);
    newest.ok_or_else(|| {
        Error::NotFound(format!(
            "{} contains no backup that `backup --keep` wrote",
            backup.display()
        ))
    })
}

/// Restores a copy or an archive as a SQLite file.
fn restore(backup: &Path, file: &Path) -> Result<Store, Error> {
    let address = format!("sqlite://{}", file.display());
    if archive::is_archive(backup) {
        let store = Store::open(&address, true)?;
        archive::load(&LedgerArchive::open(backup)?, &store, |_, _| ())?;
        return Ok(store);
    }
    std::fs::copy(backup, file).map_err(|source| named(backup, source))?;
    Ok(Store::open(&address, false)?)
}

/// How the restored ledger differs from the current one, beyond revisions that were recorded later.
fn compare(restored: &Store, current: &Store) -> Result<Vec<String>, Error> {
    let LedgerHead { revision, .. } = restored.head()?;
    let now = current.head()?;
    let hash = |store: &Store| -> Result<Option<chain::Hash>, Error> {
        Ok(store.revision(revision)?.and_then(|row| chain::read(&row.hash?)))
    };
    let (known, copied) = (hash(current)?, hash(restored)?);
    if known.is_none() || known != copied {
        return Ok(vec![format!(
            "revision {revision} of the backup is not in the ledger: it is another ledger, or \
             the ledger has lost revisions"
        )]);
    }
    if now.revision > revision {
        let next = current.revision(revision.next())?.map(|row| time_text(row.recorded_at));
        print(format!(
            "{} revisions are newer than the backup, the first of {}",
            now.revision.since(revision),
            next.unwrap_or_default()
        ));
    } else {
        print("the backup has the newest revision".to_owned());
    }
    Ok(Vec::new())
}
