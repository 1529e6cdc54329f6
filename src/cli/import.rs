//! `import`: records files in a ledger.

use std::path::{Path, PathBuf};
use std::time::Instant;

use indicatif::ProgressBar;

use super::actor::ACTOR;
use super::files::{
    FileContent, ImportTotals, is_office, open, record_csv, record_json, record_workbook,
    workbook_query,
};
use super::{CommandOutcome, print_faults, print_finding, print_line, print_note, report, wait};
use crate::app::App;
use crate::app::archive::{self, LedgerArchive};
use crate::app::reports::ReportQuery;
use crate::clock::Clock;
use crate::error::Error;
use crate::intake::SubmissionEnvelope;
use ledger::Store;

/// Records the files in the given order.
///
/// # Errors
/// When files or the ledger are unavailable.
pub fn run(
    files: &[PathBuf],
    (database, clock): (&str, Clock),
    given: SubmissionEnvelope,
    from_line: Option<u64>,
    of: &ReportQuery,
) -> Result<CommandOutcome, Error> {
    let SubmissionEnvelope { reference, reason, .. } = given;
    if from_line.is_some() && files.len() != 1 {
        print_note("egov-kpi: --from-line needs exactly one file".to_owned());
        return Ok(CommandOutcome::Usage);
    }
    if let Some(archive) = files.iter().find(|file| !is_office(file) && archive::is_archive(file)) {
        if files.len() > 1 || reference.is_some() || reason.is_some() || from_line.is_some() {
            print_note(format!(
                "egov-kpi: {} is an archive of a ledger; import it alone, without other files, \
                 --reference, --reason or --from-line",
                archive.display()
            ));
            return Ok(CommandOutcome::Usage);
        }
        return import_archive(archive, database);
    }
    // Checked before the ledger is opened: opening adds units and catalogue to an empty ledger, and
    // an archive needs an empty one.
    files.iter().try_for_each(|file| check_readable(file))?;
    let app = App::open_by(Store::open(database, true)?, clock)?;
    let outcome = files.iter().try_fold(CommandOutcome::Done, |_, file| {
        let started = Instant::now();
        let name = file.file_name().map(|name| kpi::text::visible(&name.to_string_lossy()));
        let envelope = SubmissionEnvelope {
            source_kind: Some("import".to_owned()),
            reference: reference.clone().or(name),
            reason: reason.clone(),
        };
        let recorded = match open(file)? {
            FileContent::Units(units) => {
                let changed = wait(app.put_units(units, ACTOR, false, None))?.answer;
                print_line(format!(
                    "{}: {} units, revision {}",
                    file.display(),
                    changed.units.len(),
                    changed.revision
                ));
                return Ok(CommandOutcome::Done);
            }
            FileContent::Json(bytes) => record_json(&app, &bytes, ACTOR),
            FileContent::Csv(csv) => record_csv(&app, csv, &envelope, ACTOR, from_line),
            FileContent::Workbook(bytes) => {
                let query = workbook_query(of)?;
                record_workbook(&app, &bytes, &query, &envelope, ACTOR).map(|(view, taken)| {
                    print_line(format!(
                        "{}: {} cell(s) were skipped; `check` lists the reasons",
                        file.display(),
                        view.unclaimed.len()
                    ));
                    taken
                })
            }
            FileContent::Report(read) => {
                let envelope =
                    SubmissionEnvelope { source_kind: Some("report".to_owned()), ..envelope };
                report::import(&app, &read, of, envelope, ACTOR).map(|view| {
                    report::print_notes(file, &view);
                    report::print_uncertain(file, &view);
                    ImportTotals::of(view.counts, view.submission.is_some(), &view.findings)
                })
            }
        };
        match recorded {
            Ok(taken) => {
                print_totals(file, &taken, started);
                Ok(CommandOutcome::Done)
            }
            Err(Error::Invalid(faults)) => {
                print_faults(file, &faults);
                Err(Error::Malformed(format!("{}: {} error(s)", file.display(), faults.len())))
            }
            Err(error) => Err(error),
        }
    });
    app.stop();
    outcome
}

/// Checks that a file exists and is not a ZIP of another origin.
fn check_readable(file: &Path) -> Result<(), Error> {
    let found = file
        .metadata()
        .map_err(|source| Error::Environment { what: file.display().to_string(), source })?;
    if found.is_file() && file.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("zip"))
    {
        return Err(Error::Malformed(format!(
            "{}: this ZIP was not written by `export`",
            file.display()
        )));
    }
    Ok(())
}

/// Imports the archive of a whole ledger into an empty one. Opening an `App` would add units and
/// catalogue to it.
fn import_archive(file: &Path, database: &str) -> Result<CommandOutcome, Error> {
    let archive = LedgerArchive::open(file)?;
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
    print_line(format!(
        "{}: {} revision(s) written{held}, {} figures, {} idempotency key(s); the newest revision \
         is {}, its hash {}",
        file.display(),
        loaded.written,
        manifest.figures(),
        loaded.keys,
        manifest.revision,
        manifest.hash
    ));
    Ok(CommandOutcome::Done)
}

fn print_totals(file: &Path, taken: &ImportTotals, started: Instant) {
    let seconds = started.elapsed().as_secs_f64().max(1e-6);
    let figures = kpi::number::float(i64::try_from(taken.figures()).unwrap_or(i64::MAX));
    print_line(format!(
        "{}: {} figures in {} submission(s): {} created, {} revised, {} unchanged, {} withdrawn; \
         {} finding(s); {:.0} figures per second",
        file.display(),
        taken.figures(),
        taken.submissions,
        taken.counts.created,
        taken.counts.revised,
        taken.counts.unchanged,
        taken.counts.withdrawn,
        taken.findings,
        figures / seconds
    ));
    let language = super::language();
    for finding in &taken.first_findings {
        print_finding(finding, language);
    }
    let more = taken.findings - taken.first_findings.len();
    if more > 0 {
        print_line(format!("{more} more finding(s): GET /api/v1/findings lists those that remain"));
    }
}
