//! `export`: the ledger, or all values and their changes, into a file.

use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::Path;

use indicatif::ProgressBar;

use super::{CommandOutcome, io as unwritten};
use crate::app::archive;
use crate::app::state::State;
use crate::clock::Clock;
use crate::error::Error;
use crate::prometheus::exposition::openmetrics;
use ledger::{Store, partial};

/// The exported data.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ExportFormat {
    /// The whole ledger, as a ZIP.
    Ledger,
    /// All values with their changes, as a ZIP.
    Tidy,
    /// The history of every measure, as text.
    OpenMetrics,
}

/// Exports into a new file, or to standard output.
///
/// # Errors
/// When the ledger is unavailable or the file cannot be written; an existing file is not
/// overwritten.
pub fn run(
    file: Option<&Path>,
    what: ExportFormat,
    database: &str,
) -> Result<CommandOutcome, Error> {
    let Some(file) = file else {
        let out = io::stdout();
        if out.is_terminal() && what != ExportFormat::OpenMetrics {
            eprintln!("egov-kpi: the output is a ZIP: name a file, or redirect standard output");
            return Ok(CommandOutcome::Usage);
        }
        let told = fill(database, what, out.lock())?;
        eprintln!("{told}");
        return Ok(CommandOutcome::Done);
    };
    if file.symlink_metadata().is_ok() {
        return Err(exists(file));
    }
    // Written under a temporary name and renamed when complete.
    let folder = |source| Error::Environment { what: file.display().to_string(), source };
    let mut beside = partial::beside(file).map_err(folder)?;
    let summary = fill(database, what, BufWriter::with_capacity(1 << 18, beside.as_file_mut()))?;
    partial::complete(beside, file).map_err(|error| {
        if error.kind() == io::ErrorKind::AlreadyExists { exists(file) } else { unwritten(error) }
    })?;
    eprintln!("{} written: {summary}", file.display());
    Ok(CommandOutcome::Done)
}

fn exists(file: &Path) -> Error {
    Error::Environment {
        what: file.display().to_string(),
        source: io::Error::new(
            io::ErrorKind::AlreadyExists,
            "the file exists already and was not changed",
        ),
    }
}

/// Writes the export, and returns a sentence about its contents.
fn fill(database: &str, what: ExportFormat, out: impl Write) -> Result<String, Error> {
    let store = Store::open(database, false)?;
    let bar = ProgressBar::new(0);
    let show = |done: Option<u64>, all: Option<u64>| {
        bar.set_length(all.unwrap_or(0));
        bar.set_position(done.unwrap_or(0));
    };
    let told = match what {
        ExportFormat::OpenMetrics => {
            let clock = Clock::default();
            // The current day by the clock of the ledger; differences between the clocks are
            // logged.
            let _logged = clock.compare(clock.machine_time(), store.server_time()?);
            let state = State::load(&store, clock.calendar())?;
            let samples =
                openmetrics(&state, clock.today(), BufWriter::with_capacity(1 << 18, out))
                    .map_err(unwritten)?;
            format!("revision {}, {samples} samples", state.revision)
        }
        ExportFormat::Tidy => {
            let written = archive::write_tidy(&store, out, |done, all| {
                show(u64::try_from(done).ok(), u64::try_from(all).ok())
            })?;
            format!("revision {}, {} rows", written.revision, written.rows)
        }
        ExportFormat::Ledger => {
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
