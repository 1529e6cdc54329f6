//! `import`: files into a ledger.

use std::path::{Path, PathBuf};
use std::time::Instant;

use indicatif::ProgressBar;

use super::files::{Content, Taken, is_office, open, record_csv, record_json, record_workbook};
use super::{Outcome, print_faults, report};
use crate::app::App;
use crate::app::archive::{self, Archive};
use crate::app::clock::Clock;
use crate::app::reports::ReportQuery;
use crate::error::Error;
use crate::intake::Envelope;
use crate::store::Store;

/// Who imported figures are recorded as from.
pub const ACTOR: &str = "command line";

/// Records files in the order given.
///
/// # Errors
/// Files or the ledger cannot be had.
pub fn run(
    files: &[PathBuf],
    (database, clock): (&str, Clock),
    given: Envelope,
    from_line: Option<u64>,
    of: &ReportQuery,
) -> Result<Outcome, Error> {
    let Envelope { reference, reason, .. } = given;
    if from_line.is_some() && files.len() != 1 {
        eprintln!("egov-kpi: --from-line goes with one file");
        return Ok(Outcome::Usage);
    }
    if let Some(archive) = files.iter().find(|file| !is_office(file) && archive::is_archive(file)) {
        if files.len() > 1 || reference.is_some() || reason.is_some() || from_line.is_some() {
            eprintln!(
                "egov-kpi: {} is an archive; it is imported alone and as it is, without other files and without flags",
                archive.display()
            );
            return Ok(Outcome::Usage);
        }
        return whole_ledger(archive, database);
    }
    // Before the ledger is opened: that seeds an empty one, and an archive goes into an empty one only.
    files.iter().try_for_each(|file| readable(file))?;
    let app = App::open_by(Store::open(database, true)?, clock)?;
    let outcome = files.iter().try_fold(Outcome::Done, |_, file| {
        let started = Instant::now();
        let name = file.file_name().map(|name| name.to_string_lossy().into_owned());
        let envelope = Envelope {
            source_kind: Some("import".to_owned()),
            reference: reference.clone().or(name),
            reason: reason.clone(),
        };
        let recorded = match open(file)? {
            Content::Units(units) => {
                let changed = app.put_units_now(units, ACTOR, false)?;
                say!(
                    "{}: {} units, revision {}",
                    file.display(),
                    changed.units.len(),
                    changed.revision
                );
                return Ok(Outcome::Done);
            }
            Content::Json(bytes) => record_json(&app, &bytes, ACTOR),
            Content::Csv(csv) => record_csv(&app, csv, &envelope, ACTOR, from_line),
            Content::Workbook(bytes) => {
                record_workbook(&app, &bytes, &envelope, ACTOR).map(|(view, taken)| {
                    say!(
                        "{}: {} cell(s) with digits are not taken; `check` tells why",
                        file.display(),
                        view.unclaimed.len()
                    );
                    taken
                })
            }
            Content::Report(read) => {
                let envelope = Envelope { source_kind: Some("report".to_owned()), ..envelope };
                report::import(&app, &read, of, envelope, ACTOR).map(|view| {
                    Taken::of(view.counts, view.submission.is_some(), view.findings.len())
                })
            }
        };
        match recorded {
            Ok(taken) => {
                tell(file, &taken, started);
                Ok(Outcome::Done)
            }
            Err(Error::Invalid(faults)) => {
                print_faults(file, &faults);
                Err(Error::Malformed(format!("{}: {} fault(s)", file.display(), faults.len())))
            }
            Err(error) => Err(error),
        }
    });
    app.stop();
    outcome
}

/// Whether a file is there, and none that pretends to be an archive.
fn readable(file: &Path) -> Result<(), Error> {
    let found = file
        .metadata()
        .map_err(|source| Error::Surroundings { what: file.display().to_string(), source })?;
    if found.is_file() && file.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("zip"))
    {
        return Err(Error::Malformed(format!(
            "{}: this is no ZIP that `export` wrote",
            file.display()
        )));
    }
    Ok(())
}

/// Brings an archive of a whole ledger into an empty one. No use case but this one is opened: an `App` would seed the ledger.
fn whole_ledger(file: &Path, database: &str) -> Result<Outcome, Error> {
    let archive = Archive::open(file)?;
    let store = Store::open(database, true)?;
    let bar = ProgressBar::new(0);
    let loaded = archive::load(&archive, &store, |done, all| {
        bar.set_length(u64::try_from(all).unwrap_or(0));
        bar.set_position(u64::try_from(done).unwrap_or(0));
    })?;
    bar.finish_and_clear();
    let (manifest, held) = (
        archive.manifest(),
        if loaded.begun > 0 {
            format!(" ({} were there already)", loaded.begun)
        } else {
            String::new()
        },
    );
    say!(
        "{}: {} revision(s) written{held}, {} figures, {} idempotency key(s); the newest revision is {}, its hash {}",
        file.display(),
        loaded.written,
        manifest.figures(),
        loaded.keys,
        manifest.revision,
        manifest.hash
    );
    Ok(Outcome::Done)
}

fn tell(file: &Path, taken: &Taken, started: Instant) {
    let seconds = started.elapsed().as_secs_f64().max(1e-6);
    let figures = crate::domain::number::float(i64::try_from(taken.figures()).unwrap_or(i64::MAX));
    say!(
        "{}: {} figures in {} submission(s): {} created, {} revised, {} unchanged, {} withdrawn; {} finding(s); {:.0} figures a second",
        file.display(),
        taken.figures(),
        taken.submissions,
        taken.counts.created,
        taken.counts.revised,
        taken.counts.unchanged,
        taken.counts.withdrawn,
        taken.findings,
        figures / seconds
    );
}
