//! `export`: the ledger, or every value and its changes, into a file.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::Path;

use indicatif::ProgressBar;
use tempfile::NamedTempFile;

use super::{Outcome, io as unwritten};
use crate::app::archive;
use crate::app::state::State;
use crate::error::Error;
use crate::prometheus::exposition::openmetrics;
use crate::store::Store;

/// What is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum What {
    /// The whole ledger, a ZIP.
    Ledger,
    /// Every value with its changes, a ZIP.
    Tidy,
    /// The history of every measure, text.
    OpenMetrics,
}

/// Writes into a new file, or to standard output.
///
/// # Errors
/// The ledger cannot be had or the file cannot be written; a file that is there already is left as it is.
pub fn run(file: Option<&Path>, what: What, database: &str) -> Result<Outcome, Error> {
    let Some(file) = file else {
        let out = io::stdout();
        if out.is_terminal() && what != What::OpenMetrics {
            eprintln!("egov-kpi: name a file, or send standard output into one: it is a ZIP");
            return Ok(Outcome::Usage);
        }
        let told = fill(database, what, out.lock())?;
        eprintln!("{told}");
        return Ok(Outcome::Done);
    };
    if file.symlink_metadata().is_ok() {
        return Err(exists(file));
    }
    // Written beside it, and given its name only when it is whole.
    let mut beside = beside(file)?;
    let told = fill(database, what, BufWriter::with_capacity(1 << 18, beside.as_file_mut()))?;
    beside.as_file().sync_all().map_err(unwritten)?;
    beside.persist_noclobber(file).map_err(|error| {
        if error.error.kind() == io::ErrorKind::AlreadyExists {
            exists(file)
        } else {
            unwritten(error.error)
        }
    })?;
    eprintln!("{} written: {told}", file.display());
    Ok(Outcome::Done)
}

/// A file of a name of its own in the folder of another. It goes when it is dropped.
fn beside(file: &Path) -> Result<NamedTempFile, Error> {
    let folder =
        file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let named = |source| Error::Surroundings { what: folder.display().to_string(), source };
    // Made as any other file, not for the owner alone as temporary files are.
    tempfile::Builder::new()
        .prefix(&format!(".{name}."))
        .make_in(folder, |path| File::create_new(path))
        .map_err(named)
}

fn exists(file: &Path) -> Error {
    Error::Surroundings {
        what: file.display().to_string(),
        source: io::Error::new(
            io::ErrorKind::AlreadyExists,
            "it exists already; it was left as it is",
        ),
    }
}

/// Writes the archive, and says in a sentence what is in it.
fn fill(database: &str, what: What, out: impl Write) -> Result<String, Error> {
    let store = Store::open(database, false)?;
    let bar = ProgressBar::new(0);
    let show = |done: Option<u64>, all: Option<u64>| {
        bar.set_length(all.unwrap_or(0));
        bar.set_position(done.unwrap_or(0));
    };
    let told = match what {
        What::OpenMetrics => {
            let state = State::load(&store)?;
            let samples =
                openmetrics(&state, BufWriter::with_capacity(1 << 18, out)).map_err(unwritten)?;
            format!("revision {}, {samples} samples", state.revision)
        }
        What::Tidy => {
            let written = archive::write_tidy(&store, out, |done, all| {
                show(u64::try_from(done).ok(), u64::try_from(all).ok())
            })?;
            format!("revision {}, {} rows", written.revision, written.rows)
        }
        What::Ledger => {
            let written = archive::write(&store, out, |done, all| {
                show(u64::try_from(done).ok(), u64::try_from(all).ok())
            })?;
            format!(
                "revision {}, {} figures, hash {}",
                written.revision,
                written.figures(),
                written.hash
            )
        }
    };
    bar.finish_and_clear();
    Ok(told)
}
